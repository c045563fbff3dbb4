"""Wilson and Newcombe intervals against published values, statsmodels, and simulated coverage."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from helpers.intervals import (
    IntervalError,
    add_rate,
    add_rate_by_cluster,
    coverage,
    newcombe,
    poisson_interval,
    rate,
    wilson,
)


@pytest.mark.parametrize(
    ("x", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_values_of_newcombe_1998_table_1(x, n, low, high):
    assert np.round(wilson(x, n), 4) == pytest.approx((low, high), abs=1e-9)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((10, 10, 0, 10), 0.6075, 1.0000)],
)
def test_newcombe_gives_the_values_of_newcombe_1998_table_2(counts, low, high):
    found = newcombe(*counts)
    assert (round(found.ci_low, 4), round(found.ci_high, 4)) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_agrees_with_statsmodels(counts, level):
    assert wilson(*counts, level=level) == pytest.approx(
        proportion_confint(*counts, alpha=1 - level, method="wilson"), abs=1e-9
    )


@given(st.tuples(st.integers(0, 40), st.integers(40, 90), st.integers(0, 40), st.integers(40, 90)))
def test_newcombe_agrees_with_statsmodels(counts):
    found = newcombe(*counts)
    expected = confint_proportions_2indep(*counts, method="newcomb", compare="diff", correction=False)
    assert (found.ci_low, found.ci_high) == pytest.approx(expected, abs=1e-9)


def test_no_trials_say_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert rate(0, 0).value is None and rate(0, 0).reason == "no trials"
    assert newcombe(0, 0, 3, 4).reason == "a group has no trials"


def test_arrays_give_arrays_row_by_row():
    low, high = wilson([81, 0], [263, 0])
    assert (low[0], high[0]) == wilson(81, 263)
    assert (low[1], high[1]) == (0.0, 1.0)


def test_the_interval_covers_the_true_rate_as_often_as_it_says():
    drawn = np.random.default_rng(7).binomial(200, 0.3, size=20_000)
    low, high = wilson(drawn, 200)
    assert np.mean((low <= 0.3) & (high >= 0.3)) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("x", "n"), [(-1, 4), (5, 4), (0, -1), (float("nan"), 3), ([1, 9], [2, 8])])
def test_impossible_counts_are_refused(x, n):
    with pytest.raises(IntervalError, match="0 ≤ successes ≤ trials"):
        wilson(x, n)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_an_impossible_level_is_refused(level):
    with pytest.raises(IntervalError, match=r"take 0\.95"):
        wilson(1, 2, level=level)


def test_add_rate_keeps_the_table_and_leaves_empty_rows_missing():
    table = pd.DataFrame({"buy": [1, 0], "pv": [4, 0]})
    found = add_rate(table, successes="buy", trials="pv", name="buy_rate")
    assert list(table) == ["buy", "pv"]
    assert found.buy_rate_ci_high[0] == wilson(1, 4)[1]
    assert found.filter(like="rate").iloc[1].isna().all()


def test_three_users_of_unequal_visits_say_less_than_their_eight_visits():
    # buys of visits 4 of 4, 0 of 2, 0 of 2: Σ(y − x/2)² = 6, variance 6/64 · 3/2, design effect 4.5
    table = pd.DataFrame({"y": [4], "x": [8], "users": [3], "xx": [24], "xy": [16], "yy": [16]})
    found = add_rate_by_cluster(table, successes="y", trials="x", clusters="users").iloc[0]
    assert (found.rate_ci_low, found.rate_ci_high) == pytest.approx(tuple(float(v) for v in wilson(4 / 4.5, 8 / 4.5)))


def test_one_user_alone_says_what_the_visits_say():
    table = pd.DataFrame({"y": [1], "x": [4], "users": [1], "xx": [16], "xy": [4], "yy": [1]})
    found = add_rate_by_cluster(table, successes="y", trials="x", clusters="users").iloc[0]
    assert (found.rate, found.rate_ci_low) == pytest.approx((0.25, float(wilson(1, 4)[0])))


def test_a_rate_of_rare_events_is_per_what_is_asked():
    # Garwood's table: 10 events, 4.795 … 18.390
    found = poisson_interval(10, exposure=50, per=100)
    assert (found.value, found.ci_low, found.ci_high) == pytest.approx((20, 9.591, 36.781), abs=0.001)


@pytest.mark.parametrize(("events", "exposure"), [(-1, 1), (1, -1)])
def test_fewer_than_no_events_are_refused(events, exposure):
    with pytest.raises(IntervalError, match="give numbers of 0 or more"):
        poisson_interval(events, exposure=exposure)


def test_without_exposure_there_is_no_rate():
    assert poisson_interval(0, exposure=0).value is None


def test_one_visit_has_a_rate_and_none_has_not():
    table = pd.DataFrame({"y": [1, 0], "x": [1, 0], "users": [1, 0], "xx": [1, 0], "xy": [1, 0], "yy": [1, 0]})
    found = add_rate_by_cluster(table, successes="y", trials="x", clusters="users")
    assert found.rate.tolist()[0] == 1 and found.filter(like="rate").iloc[1].isna().all()


@pytest.mark.parametrize(("x", "n", "told"), [([0, 9], [2, 8], "9"), ([2, 9], [2, 8], "9"), ([-1, 0], [2, 8], "-1")])
def test_the_count_that_is_wrong_is_named_not_its_neighbour(x, n, told):
    with pytest.raises(IntervalError, match=rf"(?<![\d-]){told}\b"):
        wilson(x, n)


def test_what_is_certain_is_covered_at_the_end_of_its_interval():
    assert coverage([0.0, 1.0], [1, 10]).coverage_rate.tolist() == [1.0] * 4
