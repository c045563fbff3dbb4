"""Repeated looks against the published error rates and boundaries."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.sequential import (
    aa_paths,
    boundaries,
    false_positive_rate,
    mixture_boundary,
    monitoring_cost,
    path_table,
    peeking_drill,
    stopping,
)

PUBLISHED = [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (20, 0.248), (50, 0.320)]


@pytest.mark.parametrize(("looks", "published"), PUBLISHED)
def test_published_false_positives(looks, published):
    # Armitage, McPherson & Rowe (1969), table 2
    assert round(false_positive_rate(looks=looks), 3) == pytest.approx(published, abs=0.0005001)


@pytest.mark.parametrize(("shape", "constant"), [("pocock", 2.413), ("obrien_fleming", 2.040)])
def test_published_boundaries_of_five_looks(shape, constant):
    assert round(boundaries(looks=5, shape=shape).boundary.iloc[-1], 3) == constant


def test_one_look_is_the_usual_test():
    assert boundaries(looks=1).boundary[0] == pytest.approx(norm.ppf(0.975))


def test_two_looks_agree_with_the_bivariate_normal():
    c = 2.1
    joint = multivariate_normal([0, 0], [[1, 0.5**0.5], [0.5**0.5, 1]])
    stay = joint.cdf([c, c], lower_limit=[-c, -c])
    assert false_positive_rate(looks=2, boundary=c) == pytest.approx(1 - stay, abs=1e-5)


@pytest.mark.parametrize("shape", ["pocock", "obrien_fleming"])
def test_boundaries_keep_alpha(shape):
    edge = boundaries(looks=20, shape=shape, alpha=0.1)
    c = edge.boundary.iloc[-1]
    assert false_positive_rate(looks=20, boundary=c, shape=shape) == pytest.approx(0.1, abs=1e-6)
    assert (edge.p_boundary.diff().dropna() >= -1e-12).all()


def test_drill_agrees_with_the_exact_rates():
    drill = peeking_drill([k for k, _ in PUBLISHED], experiments=100_000, seed=3)
    assert (drill.alarm_rate - drill.expected_rate).abs().max() < 0.003
    fixed = drill[drill.rule == "1.96 at every look"].set_index("looks").alarm_rate
    assert all(abs(fixed[k] - p) <= 0.003 for k, p in PUBLISHED)


def test_paths_are_standard_normal_at_each_look_and_seeded():
    z = aa_paths(looks=4, experiments=50_000, seed=2)
    assert np.allclose(z.std(axis=0), 1, atol=0.01)
    assert np.corrcoef(z[:, 0], z[:, 3])[0, 1] == pytest.approx(0.5, abs=0.02)
    assert path_table(looks=4, paths=2, seed=2).equals(path_table(looks=4, paths=2, seed=2))


@pytest.mark.parametrize("wrong", [{"looks": 0}, {"looks": 2.5}, {"looks": 5, "shape": "pococ"}, {"looks": 201}])
def test_impossible_plans_are_refused(wrong):
    with pytest.raises(ExperimentError):
        false_positive_rate(**wrong)


def test_other_impossible_arguments():
    with pytest.raises(ExperimentError, match="boundary"):
        false_positive_rate(looks=2, boundary=0)
    with pytest.raises(ExperimentError, match="experiments"):
        peeking_drill([1], experiments=0)


def test_every_corrected_rule_keeps_its_promise_at_any_number_of_looks():
    for looks in (2, 7, 50, 200):
        for shape in ("pocock", "obrien_fleming", "always_valid"):
            assert stopping(boundaries(looks=looks, shape=shape).boundary.to_numpy()).sum() <= 0.05 + 1e-6


def test_mixture_boundary_is_where_the_mixed_likelihood_ratio_reaches_one_over_alpha():
    # oracle: the likelihood ratio against an effect drawn from N(0, 1/ρ), integrated by a grid; V = 1, 4, 25 planned 4
    effect = np.linspace(-8, 8, 200_001)
    w = np.linspace(9, 9.5, 500_001)
    rho = 4 / (w[np.argmin(np.abs(w - np.log(w) - 1 + 2 * np.log(0.05)))] - 1)
    for v in (1.0, 4.0, 25.0):
        s = mixture_boundary(v / 4)[()] * np.sqrt(v)
        mixed = np.trapezoid(np.exp(effect * s - effect**2 * v / 2) * norm.pdf(effect, scale=rho**-0.5), effect)
        assert mixed == pytest.approx(20, rel=1e-3)


def test_mixture_boundary_is_lowest_for_the_planned_people():
    # ρ is the best at t = 1: any other ρ gives a higher boundary there
    c = [np.sqrt((1 + r) * (np.log1p(1 / r) - 2 * np.log(0.05))) for r in (0.05, 0.2, 0.5)]
    assert min(c) > mixture_boundary(1.0)


def test_always_valid_without_end():
    # looked at after every one of 2,000 people, and the experiment runs to twice its plan
    z = aa_paths(looks=2_000, experiments=2_000, seed=8)
    alarms = (np.abs(z) > mixture_boundary(np.arange(1, 2_001) / 1_000)).any(axis=1).mean()
    assert alarms <= 0.05
    assert (np.abs(z) > 1.96).any(axis=1).mean() > 0.4


def test_published_price_of_looking():
    # Jennison & Turnbull (2000), tables 2.2 and 2.4: five looks, 5 %, power 80 %: 1.228 and 1.028 times the people
    cost = monitoring_cost(looks=5).set_index("rule")
    assert cost.users_factor.round(3)[["Pocock", "O'Brien–Fleming"]].tolist() == [1.228, 1.028]
    assert cost.power_rate["one look at the end"] == pytest.approx(norm.cdf(norm.ppf(0.8)), abs=1e-6)


def test_stopping_with_an_effect_agrees_with_simulation():
    edge = boundaries(looks=5, shape="pocock").boundary.to_numpy()
    z = aa_paths(looks=5, experiments=100_000, seed=9) + 2.8 * np.sqrt(np.arange(1, 6) / 5)
    crossed = np.abs(z) > edge
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 5)
    assert np.allclose(stopping(edge, 2.8), np.bincount(first, minlength=6)[:5] / 100_000, atol=0.005)


def test_impossible_mixtures_and_powers():
    with pytest.raises(ExperimentError, match="information"):
        mixture_boundary(0.0)
    with pytest.raises(ExperimentError, match="alpha"):
        mixture_boundary(1.0, alpha=1.0)
    with pytest.raises(ExperimentError, match="power"):
        monitoring_cost(looks=5, power=0.01)
