"""Features look before the cut-off, labels after it: by hand, by an oracle, by changes that must not matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import features_before as fb
from helpers.engine import as_table, hold
from tests.behaviour.scans import counted

DAY = 86_400
START = 1_511_539_200  # 2017-11-25 00:00 in UTC+8
FIRST = pd.Timestamp("2017-11-25")
DAYS = 12
FEW = settings(max_examples=3, deadline=None)


def complete(log: pd.DataFrame) -> pd.DataFrame:
    moment = pd.to_datetime(log.timestamp + 8 * 3600, unit="s")
    return log.assign(day=moment.dt.normalize(), hour=moment.dt.hour.astype("int64"))


def crowd(seed: int, users: int = 125) -> pd.DataFrame:
    """A random log of each of `users` over twelve days, with many equal seconds on four items."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 25, users)
    user = np.repeat(np.arange(1, users + 1), size)
    step = np.repeat(rng.choice([60, 3_600, 43_200], users), size)
    item = rng.integers(1, 5, len(user))
    return complete(pd.DataFrame({
        "user_id": user, "item_id": item, "category_id": 1 + item % 2,
        "behavior": rng.choice(["pv", "pv", "fav", "cart", "cart", "buy"], len(user)),
        "timestamp": START + (rng.integers(0, 24 * DAYS, len(user)) * step) % (DAYS * DAY),
    }))  # fmt: skip


def oracle(log: pd.DataFrame, cut: pd.Timestamp, history: int) -> pd.DataFrame:
    """The feature table by plain loops over each user's own rows."""
    rows = {}
    for user, own in log[(log.day < cut) & (log.day >= cut - pd.Timedelta(days=history))].groupby("user_id"):
        ago = (cut - own.day).dt.days  # 1 = the day before the cut-off
        kind = {b: own[own.behavior == b] for b in ("pv", "fav", "cart", "buy")}
        recent, carts = ago <= 3, kind["cart"]
        bought = kind["buy"].groupby("item_id").timestamp.max()
        still = carts[carts.timestamp > carts.item_id.map(bought).fillna(-1)]
        rows[user] = {
            "recency_days": ago.min() - 1, "active_days": own.day.nunique(), "actions": len(own),
            **{b: len(k) for b, k in kind.items()}, "items": own.item_id.nunique(),
            "categories": own.category_id.nunique(), "night_share": (own.hour < 6).mean(),
            "known_days": ago.max() - 1, "recent_actions": recent.sum(),
            "recent_carts": (recent & (own.behavior == "cart")).sum(),
            "recent_purchases": (recent & (own.behavior == "buy")).sum(), "purchase_days": kind["buy"].day.nunique(),
            "open_carts": still.item_id.nunique(), "recent_open_carts": still.item_id[recent].nunique(),
            "days_since_cart": ago[carts.index].min() if len(carts) else history,
            "days_since_buy": ago[kind["buy"].index].min() if len(kind["buy"]) else history,
            "evening_share": (own.hour >= 18).mean(),
        }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("user_id").reindex(columns=list(fb.FEATURES)).astype(float)


CUTS = st.integers(1, DAYS - 1).map(lambda n: FIRST + pd.Timedelta(days=n))
CROWDS = st.integers(0, 2**32).map(crowd)


@settings(max_examples=5, deadline=None)  # of 125 users each, so more than 500 logs
@given(CROWDS, CUTS, st.integers(1, 9))
def test_the_table_is_that_of_the_oracle(log: pd.DataFrame, cut: pd.Timestamp, history: int) -> None:
    found = fb.features_before(as_table(log), cut=cut, history_days=history)
    pd.testing.assert_frame_equal(found, oracle(log, cut, history), check_index_type=False, rtol=1e-12)


@FEW
@given(CROWDS, CROWDS, CUTS, st.integers(1, 9))
def test_nothing_after_the_cut_off_changes_a_feature(log, other, cut, history) -> None:
    before = log[log.day < cut]
    futures = (before, pd.concat([before, other[other.day >= cut]]), log)
    tables = [fb.features_before(as_table(f), cut=cut, history_days=history) for f in futures]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    pd.testing.assert_frame_equal(tables[0], tables[2])


@FEW
@given(CROWDS, CUTS)
def test_nothing_before_the_cut_off_changes_a_label(log: pd.DataFrame, cut: pd.Timestamp) -> None:
    whole = fb.labels_after(as_table(log), cut=cut, horizon_days=2)
    after = fb.labels_after(as_table(log[log.day >= cut]), cut=cut, horizon_days=2)
    pd.testing.assert_frame_equal(whole, after)


@FEW
@given(CROWDS, CUTS, st.integers(1, 4))
def test_labels_are_those_of_the_oracle(log: pd.DataFrame, cut: pd.Timestamp, horizon: int) -> None:
    found = fb.examples(as_table(log), cut=cut, history_days=30, horizon_days=horizon)
    after = log[(log.day >= cut) & (log.day < cut + pd.Timedelta(days=horizon))]
    buyers, active = set(after[after.behavior == "buy"].user_id), set(after.user_id)
    assert found.label_buy.tolist() == [int(u in buyers) for u in found.index]
    assert found.label_churn.tolist() == [int(u not in active) for u in found.index]
    assert not (found.label_buy * found.label_churn).any()


@FEW
@given(CROWDS, CUTS)
def test_order_of_rows_ids_of_users_and_of_items_do_not_matter(log: pd.DataFrame, cut: pd.Timestamp) -> None:
    other = log.sample(frac=1, random_state=1).assign(user_id=9_000 - log.user_id, item_id=500 - log.item_id)
    one, two = (fb.features_before(as_table(t), cut=cut, history_days=5) for t in (log, other))
    two.index = 9_000 - two.index
    pd.testing.assert_frame_equal(one, two.sort_index(), check_names=False)


def test_a_shift_of_log_and_cut_off_by_whole_days_changes_nothing() -> None:
    log, cut = crowd(3), FIRST + pd.Timedelta(days=6)
    later = complete(log.assign(timestamp=log.timestamp + 7 * DAY)[list(log.columns[:5])])
    one = fb.features_before(as_table(log), cut=cut, history_days=5)
    two = fb.features_before(as_table(later), cut=cut + pd.Timedelta(days=7), history_days=5)
    pd.testing.assert_frame_equal(one, two)


def test_by_hand_a_cart_is_open_until_the_item_is_bought() -> None:
    rows = [
        (1, 7, "cart", 0),
        (1, 7, "buy", 50),
        (1, 8, "cart", 60),
        (1, 9, "buy", 0),
        (1, 9, "cart", 70),
        (2, 7, "buy", 60),
    ]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "behavior", "timestamp"])
    log = complete(log.assign(timestamp=log.timestamp + START, category_id=1))
    found = fb.features_before(as_table(log), cut=FIRST + pd.Timedelta(days=1), history_days=1)
    assert found.open_carts.tolist() == [2, 0] and found.days_since_buy.tolist() == [1, 1]


def test_cart_and_purchase_in_the_same_second_count_as_bought() -> None:
    log = pd.DataFrame({"user_id": 1, "item_id": 7, "category_id": 1, "behavior": ["buy", "cart"], "timestamp": START})
    found = fb.features_before(as_table(complete(log)), cut=FIRST + pd.Timedelta(days=1), history_days=1)
    assert found.open_carts.tolist() == [0]


def test_the_feature_table_is_one_query_of_four_scans() -> None:
    table = hold(as_table(crowd(1)))
    with counted(table) as scans:
        fb.features_before(table, cut=FIRST + pd.Timedelta(days=6), history_days=5)
    assert [n for n, _ in scans] == [4]  # by day, item, category; carts


def test_the_training_ends_where_the_test_begins() -> None:
    window = (FIRST, FIRST + pd.Timedelta(days=181))
    spans = fb.plan(window, horizon_days=14, history_days=28).spans().set_index(["table", "part"])
    day = pd.Timedelta(days=1)
    assert spans.loc[("training", "label"), "last"] + day == spans.loc[("test", "label"), "first"]
    assert spans.loc[("test", "features"), "last"] + day == spans.loc[("test", "label"), "first"]
    assert spans.loc[("test", "label"), "last"] == window[1] and spans.days.tolist() == [28, 14, 28, 14]


@pytest.mark.parametrize("days", range(1, 30))
def test_every_plan_stays_inside_its_log(days: int) -> None:
    window = (FIRST, FIRST + pd.Timedelta(days=days - 1))
    plan = fb.plan(window, horizon_days=5, history_days=9)
    spans = plan.spans()
    assert bool(plan.reason) == (days < 4) == spans.empty
    assert plan.reason or (
        spans["first"].min() >= window[0] and spans["last"].max() == window[1] and plan.history_days >= 1
    )


def test_an_empty_log_and_one_without_history_give_empty_tables() -> None:
    log = crowd(1)
    for part in (log.head(0), log[log.day > FIRST]):
        found = fb.examples(as_table(part), cut=FIRST, history_days=3, horizon_days=2)
        assert found.empty and {"label_buy", "label_churn", *fb.FEATURES} <= set(found.columns)


def test_groups_hold_every_feature_once() -> None:
    assert sorted(f for names in fb.GROUPS.values() for f in names) == sorted(fb.FEATURES)
    assert fb.definitions().notna().all().all()


@pytest.mark.parametrize("wrong", [{"horizon_days": 0}, {"history_days": 0}])
def test_lengths_below_a_day_are_refused(wrong: dict) -> None:
    lengths = {"horizon_days": 2, "history_days": 3} | wrong
    with pytest.raises(fb.IntentError, match=next(iter(wrong))):
        fb.plan((FIRST, FIRST), **lengths)
    with pytest.raises(fb.IntentError, match=next(iter(wrong))):
        fb.examples(as_table(crowd(1)), cut=FIRST, **lengths)
