"""The split of a budget: by hand, against brute force, at its bounds."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.campaigns.allocation import equal_marginal, regret, split_budget
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.response_curves import steady_response

TWO = pd.DataFrame({"channel": ["a", "b"], "ceiling": [100.0, 400], "half": [10.0, 10], "carry": [0.0, 0]})
ROOTS = [lambda x: (3 / (2 * x)) ** 2, lambda x: (4 / (2 * x)) ** 2]


def split_roots(**how):
    bounds = {"least": np.zeros(2), "most": np.full(2, 1e9)} | how
    return equal_marginal(ROOTS, total=100.0, **bounds)


def test_square_roots_share_in_proportion_to_their_squares():
    assert split_roots() == pytest.approx([36, 64])


def test_a_bound_holds_and_the_rest_goes_to_the_other():
    assert split_roots(most=np.array([1e9, 40.0])) == pytest.approx([60, 40])
    assert split_roots(least=np.array([50.0, 0.0])) == pytest.approx([50, 50])


def test_money_that_is_not_worth_it_stays_unspent():
    # 3/(2√s) = 0.5 at s = 9; 4/(2√s) = 0.5 at s = 16
    assert split_roots(worth=0.5) == pytest.approx([9, 16])
    assert split_roots(worth=0.01) == pytest.approx([36, 64])


def test_hill_by_hand():
    # 100·10/(s+10)² = 400·10/(40−s+10)² → 50 − s = 2(s + 10) → s = 10
    table = split_budget(TWO, total=40.0)
    assert table.spend.tolist() == pytest.approx([10, 30])
    assert table.marginal_return.tolist() == pytest.approx([2.5, 2.5])
    assert table.added.tolist() == pytest.approx([50, 300])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(5, 500), st.floats(2, 80), st.floats(0, 0.8)), min_size=3, max_size=3))
def test_no_split_of_a_grid_is_better(rows):
    table = pd.DataFrame(rows, columns=["ceiling", "half", "carry"]).assign(channel=list("abc"))
    grid = [(a, b, 60 - a - b) for a, b in itertools.product(range(0, 41, 2), repeat=2) if 20 <= 60 - a - b <= 40]
    for shape in ("hill", "exponential"):
        best = split_budget(table, total=60.0, most=dict.fromkeys("abc", 40.0), least={"c": 20.0}, shape=shape)
        tried = sum(steady_response(r, np.array(grid)[:, i], shape=shape) for i, (_, r) in enumerate(table.iterrows()))
        assert best.spend.sum() == pytest.approx(60)
        assert best.added.sum() >= tried.max() * (1 - 1e-6)


def test_bounds_are_named():
    table = split_budget(TWO, total=40.0, most={"b": 15.0}, least={"a": 25.0})
    assert table.bound.tolist() == ["least", "most"]
    assert split_budget(TWO, total=99.0, most={"a": 1.0, "b": 2.0}).spend.tolist() == [1, 2]


def test_one_channel_takes_all_and_no_money_adds_nothing():
    assert split_budget(TWO.head(1), total=7.0).spend.tolist() == pytest.approx([7])
    nothing = split_budget(TWO, total=0.0)
    assert nothing.added.sum() == pytest.approx(0) and nothing.spend.sum() == pytest.approx(0)
    assert regret({"a": 0.0, "b": 0.0}, truth=TWO.assign(ceiling=0.0)) is None


def test_regret_by_hand():
    # chosen 100·⅔ + 400·⅔ = 333.33, best 350
    assert regret({"a": 20.0, "b": 20.0}, truth=TWO) == pytest.approx(1 - 333.3333 / 350, abs=1e-6)
    assert regret({"a": 10.0, "b": 30.0}, truth=TWO) == pytest.approx(0, abs=1e-9)


def test_an_unknown_curve_makes_no_split():
    table = split_budget(TWO.assign(status=["known", "unknown"]), total=40.0)
    assert table.empty and "response of b" in table.attrs["reason"]
    assert "no curves" in split_budget(TWO.head(0), total=40.0).attrs["reason"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"total": -1.0}, "0 or more"),
        ({"total": float("nan")}, "0 or more"),
        ({"total": 10.0, "least": {"a": 20.0}}, "least"),
        ({"total": 10.0, "least": {"a": 6.0, "b": 6.0}}, "above the total"),
        ({"total": 10.0, "least": {"a": -1.0}}, "least"),
    ],
)
def test_bounds_that_contradict_are_refused(how, message):
    with pytest.raises(ExperimentError, match=message):
        split_budget(TWO, **how)
