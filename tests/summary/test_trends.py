"""Trends: Mann–Kendall against Kendall's tau, error rates with and without autocorrelation, Sen's slope."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from helpers.summary.periods import ScorecardError
from helpers.summary.trends import FALLING, RISING, SHORT, UNCLEAR, mann_kendall, sen_slope, trends

SERIES = st.lists(st.integers(0, 20), min_size=4, max_size=30)


@given(SERIES)
def test_s_is_kendalls_statistic(values):
    """tau-b = S / √((pairs − tied in time)(pairs − tied in value)), from another package."""
    found, n = mann_kendall(values, autocorrelated=False), len(values)
    pairs = n * (n - 1) / 2
    tied = sum(c * (c - 1) / 2 for c in np.unique(values, return_counts=True)[1])
    if tied < pairs:
        tau = kendalltau(np.arange(n), values).statistic
        assert found["s"] == pytest.approx(tau * (pairs * (pairs - tied)) ** 0.5, abs=1e-6)
    else:
        assert found["s"] == 0 and np.isnan(found["p_value"])


@given(SERIES)
def test_backwards_and_upside_down_change_the_sign_only(values):
    one, two, three = (mann_kendall(v, autocorrelated=False) for v in (values, values[::-1], [-x for x in values]))
    assert one["s"] == -two["s"] == -three["s"] and one["p_value"] == pytest.approx(two["p_value"], nan_ok=True)


def test_a_published_variance():
    """Without ties and n = 10: Var S = 10·9·25/18 = 125; a rising series has S = 45, z = 44/√125."""
    assert mann_kendall(range(10), autocorrelated=False)["z"] == pytest.approx(44 / 125**0.5)


def red_rate(rho, *, mended, runs=300, n=26):
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((runs, n))
    for k in range(1, n):
        noise[:, k] += rho * noise[:, k - 1]
    return np.mean([mann_kendall(row, autocorrelated=mended)["p_value"] < 0.05 for row in noise])


def test_chance_finds_a_trend_in_five_of_a_hundred_series():
    assert 0.01 <= red_rate(0.0, mended=True) <= 0.07


def test_neighbours_that_resemble_each_other_fool_the_plain_test():
    plain, mended = red_rate(0.5, mended=False), red_rate(0.5, mended=True)
    assert plain > 0.15 and mended < 0.11


def test_the_slope_is_not_moved_by_one_wild_week():
    values = np.arange(20) * 0.5
    wild = values.copy()
    wild[19] = 500
    assert sen_slope(values)[0] == 0.5 == sen_slope(wild)[0]
    gap = np.where(np.arange(20) == 5, np.nan, values)
    assert sen_slope(gap)[0] == 0.5 and np.isnan(sen_slope([1.0, 2.0, 3.0])).all()


def weeks(values, key="orders"):
    return pd.DataFrame({"span": [f"week {i}" for i in range(len(values))], "indicator": key, "value": values})


def test_words():
    up = np.arange(12.0)
    words = [trends(weeks(v)).trend[0] for v in (up, -up, np.tile([1.0, 2.0], 6), up[:7], np.full(12, 3.0))]
    assert words == [RISING, FALLING, UNCLEAR, SHORT, UNCLEAR]
    assert trends(weeks([np.nan] * 9)).empty and trends(weeks([])).attrs["reason"]
    with pytest.raises(ScorecardError, match="alpha"):
        trends(weeks(up), alpha=0)
