"""Repeated looks against the published error rates and boundaries."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.sequential import aa_paths, boundaries, false_positive_rate, path_table, peeking_drill

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
