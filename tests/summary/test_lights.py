"""The light's rule, what chance does, and how often a light of a simulated shop is wrong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.findings import Estimate
from helpers.summary.light_study import light_study
from helpers.summary.lights import SIGNS, WORDS, by_chance, colours, light, shown, tally
from helpers.summary.periods import ScorecardError

NUMBERS = st.floats(-1e6, 1e6)


@st.composite
def cases(draw):
    low, value, high = sorted(draw(st.tuples(NUMBERS, NUMBERS, NUMBERS)))
    return Estimate(value, low, high), draw(NUMBERS), draw(st.sampled_from(["high", "low"]))


@given(cases())
def test_a_colour_is_a_claim_of_the_whole_interval(case):
    value, target, good = case
    low, high = (value.ci_low, value.ci_high) if good == "high" else (-value.ci_high, -value.ci_low)
    line = target if good == "high" else -target
    # said in another way: the worst, and the best, that the interval holds
    expected = "green" if low >= line else "red" if high < line else "amber"
    assert light(value, target, good=good) == expected


@given(cases(), st.floats(0, 1e6))
def test_a_wider_interval_never_makes_a_claim(case, more):
    value, target, good = case
    wider = Estimate(value.value, value.ci_low - more, value.ci_high + more)
    assert light(wider, target, good=good) in ("amber", light(value, target, good=good))


@given(cases())
def test_the_other_side_is_the_mirror_image(case):
    value, target, good = case
    mirror = Estimate(-value.value, -value.ci_high, -value.ci_low)
    other = "low" if good == "high" else "high"
    assert light(mirror, -target, good=other) == light(value, target, good=good)


def test_no_target_no_figure_no_interval():
    assert light(Estimate(1.0, 0.5, 1.5), None, good="high") == "grey"
    assert light(Estimate.missing("no orders"), 2.0, good="high") == "grey"
    assert light(Estimate(1.0), 2.0, good="low") == "amber"
    with pytest.raises(ScorecardError, match="good"):
        light(Estimate(1.0), 2.0, good="up")


def test_every_light_has_a_sign_and_words():
    assert len(set(SIGNS.values())) == len(set(WORDS.values())) == 4
    assert shown("red") == "✗ off target" and shown("grey", "no target") == "– no target"
    assert tally(pd.Series(["red", "red", "grey"])).indicators.tolist() == [0, 0, 2, 1]


def test_chance_alone_by_hand():
    row = by_chance(2, level=0.9).iloc[0]
    assert row.any_red_share == pytest.approx(1 - 0.95**2) and row.expected_red == pytest.approx(0.1)
    assert 1 - (1 - (1 - row.level_needed) / 2) ** 2 == pytest.approx(0.05)
    assert by_chance(0).any_red_share.iloc[0] == 0


def test_a_shop_on_target_is_seldom_red_and_a_bad_one_is_caught():
    rates = light_study(shops=1200, customers=400, worse=(1.0, 0.7), seed=4)
    on, bad = (rates[rates.true_share_of_target == w].set_index("indicator") for w in (1.0, 0.7))
    # 2.5 % and three standard errors of 1200 draws
    assert (on.red_share <= 0.025 + 3 * (0.025 * 0.975 / 1200) ** 0.5).all()
    assert (bad.red_share >= 0.85).all() and (bad.green_share == 0).all()


@pytest.mark.parametrize("more", [{"shops": 3}, {"customers": 1}, {"worse": (0.0,)}])
def test_impossible_studies(more):
    with pytest.raises(ScorecardError, match=next(iter(more))):
        light_study(**more)


def test_many_lights_at_once():
    low, high = np.array([0.0, 2.0, 4.0]), np.array([1.0, 4.0, 6.0])
    assert colours(low, high, 3.0, good="high").tolist() == ["red", "amber", "green"]
