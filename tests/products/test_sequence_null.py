"""Order or luck: expected counts that can be computed, planted chains, and shuffled orders that hold nothing."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from helpers.products import prefixspan as ps
from helpers.products import sequence_null as method
from helpers.products.prefixspan import arrows
from helpers.products.sequences import DAY
from tests.products.sequence_shops import shop

LIMITS = {"min_count": 10, "max_gap": 30 * DAY, "max_window": 60 * DAY, "max_length": 3, "shuffles": 39}


def same_for_all(users: int, items: str = "ab") -> ps.Occurrences:
    """Everybody takes the items one after another, in the order of the text."""
    rows = [(u, t, i) for u in range(users) for t, i in enumerate(items)]
    return ps.occurrences(pd.DataFrame(rows, columns=["user", "time", "item"]))


def coins(users: int, seed: int) -> ps.Occurrences:
    """Everybody takes a and b in an order of chance."""
    first = np.random.default_rng(seed).random(users) < 0.5
    rows = [(u, t, i) for u, f in enumerate(first) for t, i in enumerate("ab" if f else "ba")]
    return ps.occurrences(pd.DataFrame(rows, columns=["user", "time", "item"]))


def row(test: method.OrderTest, text: str) -> pd.Series:
    return test.patterns[test.patterns["pattern"].map(arrows) == text].iloc[0]


def test_two_baskets_are_in_order_half_of_the_time():
    own = row(method.order_test(same_for_all(400), min_count=1, max_length=2, shuffles=99), "a → b")
    assert own["count"] == 400 and abs(own["expected"] - 200) < 4.5 * np.sqrt(100 / 99)
    assert own["order_lift"] == pytest.approx(400 / own["expected"]) and own["significant"]
    assert own["p_value"] == own["p_adjusted"] == 0.01


def test_three_baskets_are_in_order_one_time_in_six():
    own = row(method.order_test(same_for_all(600, "abc"), min_count=1, shuffles=99), "a → b → c")
    assert abs(own["expected"] - 100) < 4.5 * np.sqrt(600 * (1 / 6) * (5 / 6) / 99)
    assert own["adds"] and own["p_adjusted"] == 0.02  # two lengths


def test_excess_by_hand():
    test = method.order_test(same_for_all(50), min_count=1, max_length=2, shuffles=19)
    own = row(test, "a → b")
    mean = (50 + 19 * own["expected"]) / 20
    assert own["excess"] == pytest.approx(2 * (np.sqrt(50) - np.sqrt(mean)))


def test_the_p_value_is_the_rank_of_the_real_count():
    log = coins(30, seed=1)
    own = row(method.order_test(log, min_count=1, max_length=2, shuffles=19, seed=5), "a → b")
    copies = [ps.shuffled(log, seed=[5, r]) for r in range(1, 20)]
    counts = [dict(zip(*ps.chains(c, min_count=1)[["pattern", "count"]].values.T)) for c in copies]  # noqa: B905
    higher = sum(c[("a",), ("b",)] >= own["count"] for c in counts)
    assert own["p_value"] == (1 + higher) / 20


def test_a_coin_is_rarely_an_order():
    passed = sum(
        bool(method.order_test(coins(40, seed=s), min_count=1, max_length=2, shuffles=19).patterns["significant"].any())
        for s in range(50)
    )
    # alpha 0.05: more than that happens in one of a thousand suites
    assert passed <= binom.ppf(0.999, 50, 0.05)


def test_a_search_in_shuffled_orders_finds_nothing():
    found = 0
    for seed in (1, 2):
        log = ps.shuffled(ps.occurrences(shop(700, seed=seed), min_count=10), seed=seed)
        found += bool(method.order_test(log, **LIMITS, seed=seed).patterns["significant"].any())
    assert found <= binom.ppf(0.999, 2, 0.05)


def test_a_popular_good_after_a_planted_pair_adds_nothing():
    rng, rows = np.random.default_rng(1), []
    for user in range(300):  # everybody takes a, then b; c comes in two of six baskets, wherever
        places = rng.permutation(6)
        first, second = np.sort(rng.choice(6, 2, replace=False))
        rows += [(user, first, "a"), (user, second, "b"), *((user, p, "c") for p in places[:2])]
        rows += [(user, p, None) for p in range(6)]
    log = ps.occurrences(pd.DataFrame(rows, columns=["user", "time", "item"]))
    test = method.order_test(log, min_count=5, shuffles=39)
    assert row(test, "a → b")["adds"] and not row(test, "a → b → c")["adds"] and not row(test, "c → a → b")["adds"]


def test_the_same_share_is_no_addition():
    # 3 of 4 against 3 of 4: hypergeometric by hand, P(K >= 3) with 6 of 8 marked and 4 drawn
    by_hand = sum(comb(6, k) * comb(2, 4 - k) for k in (3, 4)) / comb(8, 4)
    assert method._share_test(3, 4, 3, 4) == pytest.approx(by_hand)


def test_runs_hold_the_real_order_and_every_shuffle():
    test = method.order_test(same_for_all(20), min_count=1, max_length=2, shuffles=19)
    assert test.runs["run"].tolist() == list(range(20)) and list(test.runs) == method.RUN_COLUMNS
    assert test.runs["highest_excess"].notna().all()


def test_the_same_seed_gives_the_same():
    first, second, third = (method.order_test(coins(50, 1), min_count=1, seed=s).patterns for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, second)
    assert not first.equals(third)


@pytest.mark.parametrize("correction", method.CORRECTIONS)
def test_every_correction_finds_what_everybody_does(correction):
    enough = method.enough_shuffles(alpha=0.05, max_length=2, correction=correction)
    test = method.order_test(same_for_all(99), min_count=1, max_length=2, shuffles=enough, correction=correction)
    assert row(test, "a → b")["significant"] and test.patterns["significant"].sum() == 1


@pytest.mark.parametrize("rows", [[], [(1, 0, "a")], [(1, 0, None)], [(1, 0, "a"), (1, 0, "b")]])
def test_degenerate_logs(rows):
    log = ps.occurrences(pd.DataFrame(rows, columns=["user", "time", "item"]))
    test = method.order_test(log, min_count=1, shuffles=3)
    assert test.patterns.empty and list(test.patterns) == method.TESTED_COLUMNS


def test_wrong_arguments():
    with pytest.raises(method.SequenceError, match="holm"):
        method.order_test(same_for_all(2), min_count=1, correction="holm")
    with pytest.raises(method.SequenceError, match="shuffles=0"):
        method.order_test(same_for_all(2), min_count=1, shuffles=0)
