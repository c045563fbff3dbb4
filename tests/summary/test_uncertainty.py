"""Intervals of totals, ratios and changes: against the exact Poisson interval, the gamma distribution and redraws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from helpers.findings import Estimate
from helpers.intervals import IntervalError, poisson_interval
from helpers.summary.uncertainty import difference, ratio_interval, relative_change, total_interval


@given(st.integers(1, 10_000))
def test_equal_amounts_give_the_exact_poisson_interval(n):
    exact = poisson_interval(n)
    assert total_interval(n, n, 1) == pytest.approx((exact.ci_low, exact.ci_high))


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=50), st.sampled_from([0.8, 0.95, 0.99]))
def test_it_is_the_gamma_interval_of_fay_and_feuer(amounts, level):
    w = np.array(amounts)
    y, v, m = w.sum(), (w**2).sum(), w.max()
    low = gamma.ppf((1 - level) / 2, y**2 / v, scale=v / y)
    high = gamma.ppf((1 + level) / 2, (y + m) ** 2 / (v + m**2), scale=(v + m**2) / (y + m))
    assert total_interval(y, v, m, level=level) == pytest.approx((low, high), rel=1e-6)
    assert low <= y <= high or low == pytest.approx(y)


def test_the_unit_of_money_does_not_matter_and_nothing_is_zero():
    assert total_interval(1000, 10_000 * 50, 300) == pytest.approx(np.multiply(total_interval(10, 50, 3), 100))
    low, high = total_interval(0, 0, 5)
    assert low == 0 and high == pytest.approx(5 * 3.689, abs=0.01)
    with pytest.raises(IntervalError, match="level"):
        total_interval(1, 1, 1, level=1.0)


def test_totals_of_redrawn_shops_are_covered():
    rng = np.random.default_rng(2)
    buyers = rng.poisson(120, 1500)
    amounts = rng.lognormal(3, 0.8, buyers.sum())
    shop = np.repeat(np.arange(1500), buyers)
    y, v = (np.bincount(shop, a, 1500) for a in (amounts, amounts**2))
    m = pd.Series(amounts).groupby(shop).max().to_numpy()
    low, high = total_interval(y, v, m)
    truth = 120 * np.exp(3 + 0.8**2 / 2)
    assert ((low <= truth) & (truth <= high)).mean() >= 0.94 and (high < truth).mean() < 0.025


def five():
    return pd.Series({"n": 3, "x": 9.0, "y": 6.0, "xx": 35.0, "xy": 22.0, "yy": 14.0})


def test_a_ratio_by_hand():
    """x = (1, 3, 5), y = (1, 2, 3): r = 1.5, residuals −0.5, 0, 0.5, their squares 0.5; V = 1.5 · 0.5."""
    value, low, high = ratio_interval(five(), positive=False)
    half = 4.302653 * 0.75**0.5 / 6
    assert (value, low, high) == pytest.approx((1.5, 1.5 - half, 1.5 + half), abs=1e-5)


def test_a_positive_ratio_stays_positive_and_one_customer_has_no_interval():
    value, low, high = ratio_interval(pd.concat([five(), pd.Series({"largest": 5.0})]))
    assert 0 < low < value < high
    alone = pd.Series({"n": 1, "x": 4.0, "y": 2.0, "xx": 16.0, "xy": 8.0, "yy": 4.0, "largest": 4.0})
    assert ratio_interval(alone)[0] == 2 and np.isnan(ratio_interval(alone)[1:]).all()
    assert np.isnan(ratio_interval(alone * 0)[0])


def test_changes_by_hand():
    a, b = Estimate(20.0, 15.0, 30.0), Estimate(10.0, 8.0, 12.0)
    d = difference(a, b)
    assert (d.value, d.ci_low, d.ci_high) == pytest.approx((10, 10 - (25 + 4) ** 0.5, 10 + (100 + 4) ** 0.5))
    r = relative_change(a, b)
    low = np.log(2) - np.hypot(np.log(20 / 15), np.log(1.2))
    assert r.value == 1.0 and r.ci_low == pytest.approx(np.exp(low) - 1)


def test_changes_that_mean_nothing():
    none, some = Estimate.missing("no orders"), Estimate(1.0, 0.5, 2.0)
    assert relative_change(none, some).reason == difference(some, none).reason == "no orders"
    assert relative_change(Estimate(-1.0, -2.0, 0.5), some).value is None
    assert relative_change(Estimate(1.0), some).ci_low is None and difference(some, Estimate(1.0)).ci_high is None
