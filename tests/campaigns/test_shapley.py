"""Shapley values against all orders of the players, and the promises of the method."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.campaigns.errors import AttributionError
from helpers.campaigns.paths_to_purchase import touches_of
from helpers.campaigns.shapley import set_arrays, sets_of_channels, shapley_of_counts, shapley_of_rates


def by_permutations(amount: np.ndarray, paths: np.ndarray | None, n: int) -> np.ndarray:
    """The mean of what each player adds, over all orders in which they can come."""

    def worth(team: int) -> float:
        inside = [s for s in range(2**n) if s & ~team == 0]
        total = sum(amount[s] for s in inside)
        return total if paths is None else total / max(sum(paths[s] for s in inside), 1e-300)

    added, orders = np.zeros(n), list(permutations(range(n)))
    for order in orders:
        team = 0
        for k in order:
            added[k] += worth(team | 1 << k) - worth(team)
            team |= 1 << k
    return added / len(orders)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32))
def test_against_all_orders(n, seed):
    rng = np.random.default_rng(seed)
    amount = np.append(0, rng.integers(0, 9, 2**n - 1)).astype(float)
    paths = amount + np.append(0, rng.integers(1, 9, 2**n - 1))
    assert shapley_of_counts(amount) == pytest.approx(by_permutations(amount, None, n))
    assert shapley_of_rates(amount, paths) == pytest.approx(by_permutations(amount, paths, n) * paths.sum())


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32))
def test_they_add_up_and_equal_channels_get_the_same(n, seed):
    rng = np.random.default_rng(seed)
    by_size = np.append(0, rng.random(n))[[bin(s).count("1") for s in range(2**n)]]
    paths = np.append(0, np.full(2**n - 1, 2.0))
    for credit in (shapley_of_counts(by_size), shapley_of_rates(by_size, paths)):
        assert credit.sum() == pytest.approx(by_size.sum()) and np.ptp(credit) == pytest.approx(0, abs=1e-9)


def test_a_channel_that_converts_nowhere_gets_nothing_by_counts():
    assert shapley_of_counts(np.array([0, 5, 0, 0.0])).tolist() == [5, 0]


def test_by_rates_a_channel_that_adds_nothing_to_any_team_gets_nothing():
    # b alone never converts, and with a the rate stays what a's is
    amount, paths = np.array([0, 5, 0, 0, 0.0, 0, 0, 0]), np.array([0, 10, 0, 0, 0.0, 0, 0, 0])
    assert shapley_of_rates(amount, paths) == pytest.approx([5, 0, 0])


def test_by_rates_a_channel_of_paths_that_seldom_convert_loses():
    assert shapley_of_rates(np.array([0, 8, 1, 0.0]), np.array([0, 10, 90, 0.0]))[1] < 0


def test_sets_forget_order_and_repeats():
    touches = touches_of(pd.DataFrame({"path": ["a>b>a", "b>a", "b"], "conversions": [1, 2, 4], "nulls": [1, 0, 0]}))
    sets = set_arrays(sets_of_channels(touches, channels=["a", "b"]).assign(bag=0), channels=2, bags=1)[0]
    assert sets[0].tolist() == [0, 0, 4, 3] and sets[2].tolist() == [0, 0, 4, 4]


def test_counts_equal_linear_over_distinct_channels(shared_data):
    table = pd.read_csv(shared_data("channel_paths.csv"), sep=";").rename(columns={"total_conversions": "conversions"})
    teams = [sorted({c.strip() for c in p.split(">")}) for p in table["path"]]
    linear = pd.DataFrame({"channel": teams, "share": table["conversions"] / [len(t) for t in teams]}).explode(
        "channel"
    )
    wanted = linear.groupby("channel")["share"].sum()
    sets = sets_of_channels(touches_of(table), channels=list(wanted.index))
    credit = shapley_of_counts(set_arrays(sets, channels=12, bags=200)[:, 0].sum(axis=0))
    assert credit == pytest.approx(wanted.to_numpy(float)) and credit.sum() == pytest.approx(19_785)


def test_unknown_channels_and_too_many():
    touches = touches_of(pd.DataFrame({"path": ["a>b"], "conversions": [1]}))
    with pytest.raises(AttributionError, match="not among them"):
        sets_of_channels(touches, channels=["a"])
    with pytest.raises(AttributionError, match="give 1 to 12"):
        sets_of_channels(touches, channels=[str(i) for i in range(13)])
