"""Sample size, power and smallest effect against published values and statsmodels."""

import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.power import minimum_effect, minimum_sample_size, planner, power, power_curve

HILLSTROM_BASE = 122 / 21_306  # conversion without e-mail, 0.57 %


def test_r_example_of_two_rates():
    # R's documentation: power.prop.test(p1 = .50, p2 = .75, power = .90) => n = 76.7
    assert round(minimum_sample_size(base=0.5, effect=0.25, power=0.9), 1) == 76.7


def test_ten_to_twelve_per_cent_needs_3841():
    assert math.ceil(minimum_sample_size(base=0.10, effect=0.02)) == 3841


def test_unpooled_variance_needs_fewer():
    # (1.959964 + 0.841621)² · (0.09 + 0.1056) / 0.0004 = 3838.1
    assert round(minimum_sample_size(base=0.10, effect=0.02, pooled=False), 1) == 3838.1


def test_medium_effect_of_a_mean_needs_64():
    # R's documentation: power.t.test(delta = .5, power = .80) => n = 63.77, Cohen's table: 64
    assert round(minimum_sample_size(effect=0.5, sd=1), 2) == 63.77


@pytest.mark.parametrize(("effect", "users"), [(0.002, 26_218), (0.003, 12_512), (0.005, 5_122)])
def test_hillstrom_plan(effect, users):
    assert math.ceil(minimum_sample_size(base=HILLSTROM_BASE, effect=effect)) == users


@pytest.mark.parametrize(("n", "d"), [(5, 0.5), (20, 0.05), (100, 0.3), (1000, 0.1)])
def test_power_of_a_mean_agrees_with_statsmodels(n, d):
    assert power(users=n, effect=d * 7, sd=7) == pytest.approx(TTestIndPower().power(d, n, 0.05), abs=1e-6)


def test_power_of_a_rate_agrees_with_simulation():
    rng = np.random.default_rng(1)
    a, b = rng.binomial(1000, 0.10, 40_000) / 1000, rng.binomial(1000, 0.14, 40_000) / 1000
    pooled = (a + b) / 2
    found = (np.abs(b - a) > 1.959964 * np.sqrt(2 * pooled * (1 - pooled) / 1000)).mean()
    assert power(users=1000, base=0.10, effect=0.04) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize("given", [{"base": 0.03}, {"sd": 40.0}])
def test_the_three_answers_agree(given):
    effect = minimum_effect(users=900, **given)
    assert power(users=900, effect=effect, **given) == pytest.approx(0.8, abs=1e-6)
    assert minimum_sample_size(effect=effect, **given) == pytest.approx(900, rel=1e-4)


def test_a_rate_near_one_has_no_findable_rise():
    assert math.isnan(minimum_effect(users=10, base=0.95))
    assert math.isnan(minimum_effect(users=10, base=1.0))


def test_more_arms_need_more_people_each():
    two, four = planner([0.02], base=0.1), planner([0.02], base=0.1, arms=4)
    assert four.users_per_arm[0] > two.users_per_arm[0]
    assert four.users_in_all[0] == 4 * four.users_per_arm[0]


def test_planner_leaves_out_the_impossible():
    assert planner([0.05, 0.3], base=0.8).effect.tolist() == [0.05]
    assert "no effect" in planner([0.3], base=0.8).attrs["reason"]
    assert power_curve([0.3], users=[10], base=0.8).empty


@pytest.mark.parametrize(
    "wrong",
    [
        {"effect": 0, "base": 0.1},
        {"effect": 0.1},
        {"effect": 0.1, "base": 0.1, "sd": 1},
        {"effect": 0.1, "sd": 0},
        {"effect": 0.95, "base": 0.1},
        {"effect": 0.1, "base": 0.1, "power": 1},
        {"effect": 0.1, "base": 0.1, "alpha": 0},
        {"effect": math.nan, "base": 0.1},
    ],
)
def test_impossible_plans_are_refused(wrong):
    with pytest.raises(ExperimentError):
        minimum_sample_size(**wrong)
    with pytest.raises(ExperimentError):
        power(users=1, effect=0.1, base=0.1)
