"""Paths and rules: hand arithmetic, an independent way in plain Python on random shops, and refusals."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.campaigns.errors import AttributionError
from helpers.campaigns.paths_to_purchase import distinct_paths, path_summary, touch_paths, touches_of
from helpers.campaigns.touch_rules import rule_credit
from helpers.engine import as_table
from helpers.findings import NotAnswerable

DAY = 86_400
TOUCHES = [  # user, channel, day
    *[(1, "a", 0), (1, "b", 1), (1, "a", 40), (1, "a", 41), (1, "c", 45)],
    *[(2, "b", 50), (2, "b", 90)],
]
ORDERS = [(71, 1, 20.0, 5), (72, 1, 30.0, 42)]  # order, user, price, day


def touchpoints(rows=TOUCHES):
    table = pd.DataFrame(rows, columns=["user_id", "channel", "timestamp"])
    return as_table(
        table.assign(timestamp=(table["timestamp"] * DAY).astype("int64")).astype(
            {"channel": "str", "user_id": "int64"}
        )
    )


def orders(rows=ORDERS):
    table = pd.DataFrame(rows, columns=["order_id", "user_id", "unit_price", "timestamp"])
    table = table.assign(timestamp=(table["timestamp"] * DAY).astype("int64"), quantity=1)
    return as_table(table.astype({"unit_price": "float64", "user_id": "int64", "order_id": "int64"}))


def paths(**options) -> dict:
    table = distinct_paths(touch_paths(touchpoints(), orders(), **options))
    return {p: (c, v, n) for p, c, v, n in table[["path", "conversions", "value", "nulls"]].itertuples(index=False)}


def test_paths_until_each_order():
    assert paths() == {"a > b": (1, 20, 0), "a > a": (1, 30, 0), "c": (0, 0, 1), "b": (0, 0, 2)}


def test_paths_until_the_first_order():
    assert paths(until="first order") == {"a > b": (1, 20, 0), "b": (0, 0, 2)}


def test_a_short_lookback_turns_touches_into_null_paths():
    assert paths(lookback_days=3) == {"a > a": (1, 30, 0), "a > b": (0, 0, 1), "c": (0, 0, 1), "b": (0, 0, 2)}


@pytest.mark.parametrize(("days", "converted"), [(5, 0), (5.001, 1)])
def test_the_lookback_is_open_at_its_far_end(days, converted):
    found = touch_paths(touchpoints([(1, "a", 0)]), orders([(7, 1, 9.0, 5)]), lookback_days=days)
    assert found.execute()["conversions"].tolist() == [converted]


@pytest.mark.parametrize(
    ("repeats", "path"), [("all", "a > a > b > a"), ("collapsed", "a > b > a"), ("distinct", "b > a")]
)
def test_repeated_touches(repeats, path):
    found = touch_paths(
        touchpoints([(1, "a", 0), (1, "a", 1), (1, "b", 2), (1, "a", 3)]), orders([(7, 1, 9.0, 4)]), repeats=repeats
    )
    assert distinct_paths(found)["path"].tolist() == [path]


def test_a_touch_in_the_second_of_the_order_counts():
    found = touch_paths(touchpoints([(1, "a", 5)]), orders([(7, 1, 9.0, 5)])).execute()
    assert (found["conversions"].sum(), found["hours"].sum()) == (1, 0)


def test_rare_channels_stand_together():
    assert set(touch_paths(touchpoints(), orders(), min_cell=2).execute()["channel"]) == {"b", "other channels"}
    assert set(touch_paths(touchpoints(), orders(), most_channels=1).execute()["channel"]) == {"a", "other channels"}


def test_paths_of_few_users_stand_together():
    table = distinct_paths(touch_paths(touchpoints(), orders()), min_cell=2)
    assert table[["path", "paths", "conversions"]].to_numpy().tolist() == [["rarer paths", 5, 2]]


def test_orders_without_a_touch_are_counted():
    row = path_summary(touch_paths(touchpoints(), orders()), orders([*ORDERS, (73, 9, 1.0, 1)])).iloc[0]
    assert (row["orders"], row["with_touch"], row["null_paths"]) == (3, 2, 3)


# An independent way --------------------------------------------------------------------------------------------------


def walk(touches: pd.DataFrame, bought: pd.DataFrame, length: float) -> dict:
    """Paths by a loop over each user's life: {(user, end): [channels]}, and the touches of null paths."""
    found, lost = defaultdict(list), 0
    for user, channel, at in touches.sort_values(["user_id", "timestamp", "channel"]).itertuples(index=False):
        later = [(t, i) for i, u, _, t in bought.itertuples(index=False) if u == user and t >= at]
        if later and min(later)[0] - at < length:
            found[user, *min(later)].append(channel)
        else:
            lost += 1
    return {"paths": dict(found), "lost": lost}


def shop(seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng, n, m = np.random.default_rng(seed), 300, 60
    touches = pd.DataFrame({"user_id": rng.integers(1, 40, n), "channel": rng.choice(list("abc"), n)})
    touches["timestamp"] = rng.integers(0, 30, n)
    bought = pd.DataFrame({"order_id": np.arange(100, 100 + m), "user_id": rng.integers(1, 40, m), "unit_price": 1.0})
    return touches, bought.assign(timestamp=rng.integers(0, 30, m))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_random_shops_against_a_loop(seed):
    touches, bought = shop(seed)
    found = touch_paths(touchpoints(touches.values.tolist()), orders(bought.values.tolist()), lookback_days=6).execute()
    wanted = walk(touches, bought, 6)
    ended = found[found["conversions"] == 1].sort_values("place").groupby(["path_id"])["channel"].agg(list)
    assert sorted(ended) == sorted(wanted["paths"].values())
    assert len(found) == len(touches) and int(found["nulls"].sum()) == wanted["lost"]


# Rules ---------------------------------------------------------------------------------------------------------------


def credit(touches, method: str, **options) -> dict:
    table = rule_credit(touches, **options)
    return table[table["method"] == method].groupby("channel")["conversions"].sum().round(9).to_dict()


def test_position_with_one_two_and_five_touches():
    for path, wanted in (("a", {"a": 1}), ("a>b", {"a": 0.5, "b": 0.5}), ("a>b>c>d>b", {"a": 0.4, "b": 0.466666667})):
        found = credit(touches_of(pd.DataFrame({"path": [path], "conversions": [1]})), "position 40-20-40")
        assert found.items() >= wanted.items()


def test_time_decay_by_hand():
    found = touch_paths(touchpoints([(1, "a", 0), (1, "b", 7), (1, "c", 14)]), orders([(7, 1, 9.0, 20)]))
    assert credit(found, "time decay", half_life_days=7) == {"a": 0.142857143, "b": 0.285714286, "c": 0.571428571}


def test_a_tiny_half_life_is_last_touch():
    found = touch_paths(touchpoints([(1, "a", 0), (1, "b", 7)]), orders([(7, 1, 9.0, 20)]))
    assert credit(found, "time decay", half_life_days=0.001) == {"b": 1}


def test_last_non_direct_touch():
    found = touches_of(pd.DataFrame({"path": ["a > direct", "direct > direct"], "conversions": [3, 1]}))
    assert credit(found, "last non-direct touch") == {"a": 3, "direct": 1}
    assert credit(touches_of(pd.DataFrame({"path": ["a"], "conversions": [1]})), "last non-direct touch") == {}


def test_the_published_paths(shared_data):
    found = touches_of(published(shared_data))
    wanted = {"first touch": (6308, 4606, 3164), "last touch": (8447, 3355, 4167)}
    wanted["linear"] = (7574.718594, 3857.096221, 3539.951157)
    for method, values in wanted.items():
        credits = credit(found, method)
        assert [credits[c] for c in ("alpha", "iota", "eta")] == pytest.approx(values, abs=1e-6)
        assert sum(credits.values()) == pytest.approx(19_785)


def published(shared_data) -> pd.DataFrame:
    names = {"total_conversions": "conversions", "total_conversion_value": "value", "total_null": "nulls"}
    return pd.read_csv(shared_data("channel_paths.csv"), sep=";").rename(columns=names)


# Bad input -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"lookback_days": 0}, "lookback_days"),
        ({"until": "each orders"}, "Did you mean 'each order'"),
        ({"repeats": "none"}, "repeats"),
        ({"most_channels": 13}, "most_channels"),
    ],
)
def test_wrong_arguments(options, word):
    with pytest.raises(AttributionError, match=word):
        touch_paths(touchpoints(), orders(), **options)


def test_a_negative_order_ends_politely():
    with pytest.raises(NotAnswerable, match="negative value"):
        touch_paths(touchpoints(), orders([(7, 1, -5.0, 5)]))


def test_a_channel_named_like_a_state():
    with pytest.raises(AttributionError, match="stands for a state"):
        touch_paths(touchpoints([(1, "(null)", 1)]), orders())


@pytest.mark.parametrize(
    ("table", "word"),
    [
        ({"path": ["a"]}, "no column conversions"),
        ({"path": ["a"], "conversions": [-1]}, "conversions: it holds a negative"),
        ({"path": ["a"], "conversions": [1], "value": [float("nan")]}, "value: it holds"),
        ({"path": ["a >> b"], "conversions": [1]}, "every step needs the name"),
        ({"path": [""], "conversions": [1]}, "every step needs the name"),
    ],
)
def test_wrong_tables_of_paths(table, word):
    with pytest.raises(AttributionError, match=word):
        touches_of(pd.DataFrame(table))


def test_nothing_is_something():
    found = touch_paths(touchpoints([]), orders())
    assert distinct_paths(found).attrs["reason"] == "no touch lies in a path"
    assert path_summary(found, orders()).attrs["reason"] == "there are no touches"
    assert rule_credit(found).empty


def test_touches_without_orders_are_null_paths():
    assert touch_paths(touchpoints(), orders([])).execute()["nulls"].eq(1).all()
