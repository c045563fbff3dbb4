"""From the log to histories and to what was taken later: by hand, and against loops over random logs."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.engine import as_table, hold
from helpers.products import interactions as inter
from helpers.products.recommenders import RecommendationError
from tests.behaviour.scans import counted as scans_of

FIRST, LAST = date(2017, 11, 25), date(2017, 12, 4)
SPLIT = inter.time_split(FIRST, LAST, share=0.2, recent_days=3)
BEHAVIORS = ("pv", "fav", "cart", "buy")


def log_of(rows: list[tuple]) -> pd.DataFrame:
    """user, item, category, behaviour, number of the day."""
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "category_id", "behavior", "number"])
    return table.assign(day=[pd.Timestamp(FIRST + timedelta(days=int(n))) for n in table["number"]])


def read(frame: pd.DataFrame, *, level: str = "item", target: str = "buy", split=SPLIT, **how) -> inter.Log:
    table = inter.counted(as_table(frame), split=split, level=level, target=target)
    return inter.read(table, split=split, target=target, **how)


# user 1 looks twice at 11 and buys it, buys 12 in validation and test; 2 buys the unseen 13 in the test
ROWS = [
    (1, 11, 1, "pv", 0), (1, 11, 1, "pv", 1), (1, 11, 1, "buy", 1), (1, 12, 1, "buy", 6), (1, 12, 1, "buy", 8),
    (2, 11, 1, "fav", 2), (2, 13, 2, "buy", 9),
]  # fmt: skip


def test_the_split_by_hand():
    assert (SPLIT.valid, SPLIT.cut) == (date(2017, 12, 1), date(2017, 12, 3))
    assert [SPLIT.part(FIRST + timedelta(days=n)) for n in (0, 5, 6, 7, 8)] == [
        "learning", "learning", "validation", "validation", "test",
    ]  # fmt: skip


@pytest.mark.parametrize(("days", "share", "held"), [(182, 0.15, 28), (9, 0.15, 2), (1, 0.15, 1), (10, 0.1, 1)])
def test_the_held_out_days_are_rounded_up(days, share, held):
    split = inter.time_split(FIRST, FIRST + timedelta(days=days - 1), share=share)
    assert (split.last - split.cut).days + 1 == held == (split.cut - split.valid).days


def test_strengths_and_targets_by_hand():
    log = read(log_of(ROWS))
    test = inter.trial(log)
    assert log.things.tolist() == [11, 12] and log.users.tolist() == [1, 2]
    strength = [[math.log(1 + 2 * 1 + 4), math.log(1 + 4)], [math.log(1 + 2), 0]]
    assert test.histories.strength.toarray() == pytest.approx(np.array(strength))
    assert test.relevant.toarray().tolist() == [[False, True], [False, False]]
    assert (test.elsewhere.tolist(), test.taken.tolist(), test.judged.tolist()) == ([0, 1], [1, 1], [0, 1])
    assert (test.popular.tolist(), test.recent.tolist(), test.holders.tolist()) == ([1, 1], [0, 1], [2, 1])
    assert test.active.tolist() == [4, 1]


def test_validation_knows_nothing_of_later_days():
    then = inter.trial(read(log_of(ROWS)), moment="validation")
    assert then.histories.strength.toarray()[0].tolist() == [math.log(7), 0]
    assert then.relevant.toarray()[0].tolist() == [False, True]


def test_repeats_new_drops_what_was_taken_before():
    assert inter.trial(read(log_of(ROWS)), repeats="new").judged.tolist() == [1]


def test_a_small_catalogue_counts_the_rest_as_elsewhere():
    log = read(log_of(ROWS), most_things=1)
    assert log.things.tolist() == [11] and log.all_things == 2
    assert inter.trial(log).elsewhere.tolist() == [1, 1]
    assert sorted(log.rows.loc[log.rows["thing"] < 0, "thing"].unique()) == [inter.UNSEEN, inter.OUTSIDE]


def test_a_large_log_is_sampled_by_user():
    log = read(log_of(ROWS), most_users=1, seed=3)
    assert (len(log.users), log.all_users) == (1, 2) and set(log.rows["user_id"]) == set(log.users)


def test_one_pass_over_the_events():
    events = hold(as_table(log_of(ROWS)))
    with scans_of(events) as scans:
        log = inter.read(inter.counted(events, split=SPLIT, level="item", target="buy"), split=SPLIT, target="buy")
        inter.trial(log), inter.trial(log, moment="validation")
    assert sum(n for n, _ in scans) == 1


def random_log(seed: int, users: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = users * 6
    item = rng.integers(10, 16, n)
    rows = zip(rng.integers(1, users, n), item, item % 2, rng.choice(BEHAVIORS, n), rng.integers(0, 10, n), strict=True)
    return log_of([tuple(r) for r in rows])


@settings(max_examples=9, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(["item", "category"]), st.sampled_from(["test", "validation"]))
def test_trials_against_loops(seed, level, moment):
    """Every user's log is a case of its own: nine logs of about 60 users."""
    frame = random_log(seed)
    log = read(frame, level=level)
    got = inter.trial(log, moment=moment, weights={"pv": 1, "fav": 0, "cart": 3, "buy": 4})
    begin, end = (8, 10) if moment == "test" else (6, 8)
    rows = list(frame[["user_id", f"{level}_id", "behavior", "number"]].itertuples(index=False, name=None))
    weight, bought, taken = {}, set(), set()
    for user, thing, behavior, number in rows:
        if number < begin:
            weight[user, thing] = weight.get((user, thing), 0) + {"pv": 1, "fav": 0, "cart": 3, "buy": 4}[behavior]
        if behavior == "buy" and number < end:
            (bought if number < begin else taken).add((user, thing))
    pairs = [[(u, t) for t in log.things] for u in log.users]
    expected = [[math.log1p(weight.get(p, 0)) for p in row] for row in pairs]
    assert np.allclose(got.histories.strength.toarray(), expected)
    assert got.histories.bought.toarray().tolist() == [[p in bought for p in row] for row in pairs]
    assert got.relevant.toarray().tolist() == [[p in taken for p in row] for row in pairs]
    assert got.active.tolist() == [sum(u == user and n < begin for u, *_, n in rows) for user in log.users]


def test_the_order_of_rows_does_not_matter():
    frame = random_log(5)
    a, b = (inter.trial(read(f)) for f in (frame, frame.sample(frac=1, random_state=1)))
    assert (a.histories.strength != b.histories.strength).nnz == 0 and a.baskets.equals(b.baskets)


def test_baskets_are_customer_days():
    rows = [(1, 11, 1, "buy", 0), (1, 12, 1, "buy", 0), (1, 11, 1, "buy", 2), (2, 11, 1, "buy", 0), (2, 11, 1, "pv", 1)]
    baskets = inter.trial(read(log_of(rows))).baskets
    assert sorted(map(sorted, baskets.groupby("basket_id")["item"].agg(list))) == [[0], [0], [0, 1]]


def test_random_rows_hold_back_the_share():
    log = read(random_log(8, users=400))
    mixed = inter.random_trial(log, share=0.25, seed=1)
    target = (log.rows["behavior"] == 3).sum()
    assert mixed.relevant.nnz == pytest.approx(0.25 * target, rel=0.2)


DEGENERATE = {
    "one user": [(1, 11, 1, "buy", 0), (1, 11, 1, "buy", 9)],
    "one thing": [(u, 11, 1, "buy", d) for u in (1, 2, 3) for d in (0, 9)],
    "nothing later": [(1, 11, 1, "buy", 0), (2, 12, 1, "pv", 1)],
    "nothing earlier": [(1, 11, 1, "buy", 9), (2, 12, 1, "pv", 9)],
    "no purchase": [(1, 11, 1, "pv", 0), (2, 12, 1, "pv", 9)],
    "text ids": [("甲", "<b>", "c", "buy", 0), ("乙", "物", "c", "buy", 9)],
}


@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE.keys())
@pytest.mark.parametrize("moment", ["test", "validation"])
def test_degenerate_logs(rows, moment):
    log = read(log_of(rows))
    got = inter.trial(log, moment=moment)
    assert got.relevant.shape == got.histories.strength.shape == (len(log.users), len(log.things))
    assert inter.random_trial(log, share=0.5, seed=1).things == len(log.things)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: inter.time_split(FIRST, LAST, share=0.6), "share=0.6"),
        (lambda: read(log_of(ROWS), level="brand"), "level='brand'"),
        (lambda: read(log_of(ROWS), target="look"), "target='look'"),
        (lambda: inter.trial(read(log_of(ROWS)), repeats="no"), "repeats='no'"),
        (lambda: inter.trial(read(log_of(ROWS)), weights={"pv": 1}), "weights"),
    ],
)
def test_wrong_arguments_are_named(call, word):
    with pytest.raises(RecommendationError, match=word):
        call()
