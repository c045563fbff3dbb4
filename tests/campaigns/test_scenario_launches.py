"""Many simulated launches, and the shop's own mechanism as an independent judge."""

import numpy as np
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_inputs import Trial, from_arms
from helpers.campaigns.scenario_launches import (
    coverage,
    draw_offer,
    draw_people,
    launch_study,
    launch_summary,
    outcomes,
)
from helpers.campaigns.scenario_plans import Launch, Plan, simulate
from helpers.simulate import simulate_experiment


@pytest.fixture(scope="module")
def study():
    return launch_study(launches=60, people=1000, draws=200, seed=3)


def test_intervals_cover_and_choices_beat_a_coin(study):
    # 60 launches: three standard errors of 95 % are 8 points
    assert 0.87 <= coverage(study).value <= 1.0
    assert study.regret.mean() < 0.7 * study.regret_coin.mean() and study.right.mean() > 0.6


def test_the_prior_keeps_the_promise_better_than_two_tests_alone(study):
    assert study.sure_share.mean() > study.sceptical_share.mean()
    assert abs(study.sceptical_share.mean() - study.right.mean()) < 0.13


def test_the_forecast_is_not_biased(study):
    error = (study.predicted - study.truth).mean()
    assert abs(error) < 3 * (study.predicted - study.truth).sem()


def test_the_summary_says_what_the_study_holds(study):
    table = launch_summary(study).set_index("measure")
    assert np.isclose(table.loc["regret, mean", "value"], study.regret.mean())
    assert ((table.ci_low <= table.value) & (table.value <= table.ci_high)).all()
    assert launch_summary(study.head(1)).notna().all(axis=None)


def test_the_same_seed_gives_the_same_launches():
    few = {"launches": 2, "people": 100, "draws": 50}
    assert launch_study(**few).equals(launch_study(**few)) and not launch_study(**few).equals(
        launch_study(**few, seed=1)
    )


@pytest.mark.parametrize("how", [{"launches": 0}, {"people": 5}, {"draws": 2}, {"level": 1.0}])
def test_bad_arguments_are_refused(how):
    with pytest.raises(ExperimentError, match="take 1, 100, 50"):
        launch_study(**how)


def test_an_offer_without_strength_changes_nobody():
    rng = np.random.default_rng(1)
    none, same = outcomes(draw_people(50, rng=rng), [dict.fromkeys(draw_offer(rng), 0.0)], rng=rng)
    assert all(np.array_equal(none[name], same[name]) for name in none)


def shop(seed):
    """A test in one simulated shop, the launch in another one with the same offer: forecast and truth, sales."""
    test, then = (simulate_experiment(600, effect=0.18, seed=seed + k) for k in (0, 500))
    arms = []
    for arm in ("treated", "control"):
        own = test[test.arm == arm]
        zero, orders = np.zeros(len(own)), own.purchased.to_numpy(float)
        spend = {"spend": own.spend.to_numpy(), "margin": own.spend.to_numpy()}
        arms.append(dict.fromkeys(("later_spend", "later_margin", "contacts", "opted_out"), zero) | spend
                    | {"orders": orders, "code": np.zeros(len(own), int)})  # fmt: skip
    known = from_arms(Trial("c", "x", "app", 3.0, 0.0, 0.0), *arms, names=("all",), draws=200, seed=seed)
    size = len(then)
    plan = Launch(Plan("A"), known, np.arange(size), np.zeros(size, int), size, 1.0, 1.0, 0.0, 0.0, 1.0, (), ())
    return simulate([plan], seed=seed)[0].profit_at_end, (then.y1 - then.y0).sum()


def test_the_shops_own_mechanism_is_covered():
    # small: 12 shops; with 95 % each, fewer than 9 covered has a chance of 0.3 %
    covered = 0
    for seed in range(12):
        drawn, truth = shop(seed)
        low, high = np.quantile(drawn, [0.025, 0.975])
        covered += low <= truth <= high
    assert covered >= 9
