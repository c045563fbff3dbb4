"""Tags by hand, against plain Python loops over random histories, and under changes that must not matter."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings

from helpers.customers import tags as t
from helpers.customers.measures import features, user_table
from helpers.customers.tags import DAYPARTS, TAGS, TagError
from helpers.engine import as_table, hold
from tests.behaviour.scans import counted
from tests.customers.profile_logs import FIRST, WINDOW, Tables, crowd, crowds

MANY = settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])  # of 125 histories each


def tags_of(shop: Tables, *, window=WINDOW, **without) -> pd.DataFrame:
    tables = shop.engine | without
    touched = t.touches(tables["log"], items=tables["items"])
    return t.tags(touched, window=window, orders=tables["orders"], users=tables["users"])


# by hand


def log_of(rows: list[tuple]) -> pd.DataFrame:
    """user, item, behaviour, day after the first, hour."""
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "behavior", "day", "hour"])
    return log.assign(day=FIRST + pd.to_timedelta(log["day"], unit="D"), category_id=log["item_id"] // 10)


ITEMS = pd.DataFrame({"item_id": [10, 11, 20, 21], "category_id": [1, 1, 2, 2], "price": [5.0, 9.0, 3.0, 3.0],
                      "launched_on": [FIRST - pd.Timedelta(days=d) for d in (500, 10, 500, 89)]})  # fmt: skip
FIVE = [
    *[(1, 10, "pv", 0, 9)] * 5, (1, 10, "cart", 0, 9),  # Saturday morning, one dear category, the cheap item
    *[(2, 11, "pv", 2, 20)] * 3, *[(2, 20, "pv", 3, 1)] * 3,  # a tie of categories and of parts of the day
    *[(3, 21, "buy", 1, 23)] * 5,  # buys only: no views
    (4, 11, "pv", 8, 12), (4, 11, "buy", 9, 12),  # too little; the buy is after the window
    *[(5, 21, "pv", 1, 5)] * 2, *[(5, 21, "pv", 2, 6)] * 3,  # the new item: 90 days after the launch on the second day
]  # fmt: skip


def five() -> pd.DataFrame:
    return t.tags(t.touches(as_table(log_of(FIVE)), items=as_table(ITEMS)), window=WINDOW)


def test_five_users_behaviour():
    found = five()
    assert found["actions"].tolist() == [6, 6, 5, 1, 5] and found["active_days"].tolist() == [1, 2, 1, 1, 2]
    assert found["buys"].tolist() == [0, 0, 5, 0, 0] and found["categories"].tolist() == [1, 2, 1, 1, 1]
    assert found["top_category"].tolist() == [1, 1, 2, pd.NA, 2]
    assert found["daypart"].tolist()[:3] == ["morning", "night", "evening"] and found.loc[5, "daypart"] == "morning"
    assert found["weekend_share"].round(2).tolist()[:3] == [1, 0, 1] and found.loc[5, "weekend_share"] == 0.4


def test_five_users_taste():
    found = five()
    assert found.loc[1, "cart_rate"] == 0.2 and found.loc[[3, 4], "cart_rate"].isna().all()
    assert found.loc[[1, 2, 3], "price_level"].tolist() == [0.25, (0.75 + 0.5) / 2, 0.5]
    assert found.loc[[1, 2, 3], "novelty"].tolist() == [0, 0.5, 0] and found.loc[5, "novelty"] == 0
    late = t.tags(t.touches(as_table(log_of(FIVE)), items=as_table(ITEMS), new_days=91), window=WINDOW)
    assert late.loc[[3, 5], "novelty"].tolist() == [1, 0.4]


def test_user_4_has_too_few_actions_for_a_taste():
    tastes = [name for name, tag in TAGS.items() if tag.least]
    assert five().loc[4, tastes].isna().all() and len(tastes) == 6


def test_what_is_not_in_the_study_is_missing_for_all():
    found = t.tags(t.touches(as_table(log_of(FIVE))), window=WINDOW)
    absent = [name for name, tag in TAGS.items() if set(tag.sources) - {"log"}]
    assert found[absent].isna().all(axis=None) and list(found.columns) == list(TAGS)
    assert t.reason("price_level", ["events"]) == "the study has no table items"
    assert t.reason("price_level", ["events", "items"]) == "its columns are empty"


# against plain loops


def shelf(items: pd.DataFrame) -> dict:
    """Item → (price rank, launch day), by counting."""
    rows = items.to_dict("records")
    found = {}
    for row in rows:
        prices = [r["price"] for r in rows if r["category_id"] == row["category_id"] and r["price"] == r["price"]]
        below = sum(p < row["price"] for p in prices) + sum(p == row["price"] for p in prices) / 2
        found[row["item_id"]] = (below / len(prices) if row["price"] == row["price"] else None, row["launched_on"])
    return found


def taste(rows: list[dict], items: dict) -> dict:
    known = [(r["day"], *items[r["item_id"]]) for r in rows if r["item_id"] in items]
    ranks = [rank for _, rank, _ in known if rank is not None]
    new = [0 <= (day - launched).days < 90 for day, _, launched in known if pd.notna(launched)]
    return {name: np.mean(x) if len(x) >= 5 else np.nan for name, x in (("price_level", ranks), ("novelty", new))}


def habits(rows: list[dict]) -> dict:
    n, kinds = len(rows), [r["behavior"] for r in rows]
    each: dict = {}
    for r in rows:
        each.setdefault(r["category_id"], []).append(r["day"])
    best = min(each, key=lambda c: (-len(each[c]), -len(set(each[c])), c))
    parts = [sum(low <= r["hour"] <= high for r in rows) for low, high in DAYPARTS.values()]
    return {
        "actions": n, "active_days": len({r["day"] for r in rows}), "categories": len(each), "buys": kinds.count("buy"),
        "cart_rate": kinds.count("cart") / kinds.count("pv") if kinds.count("pv") >= 5 else np.nan,
        "top_category": best if n >= 5 else None,
        "daypart": list(DAYPARTS)[parts.index(max(parts))] if n >= 5 else None,
        "weekend_share": sum(r["day"].weekday() >= 5 for r in rows) / n if n >= 5 else np.nan,
    }  # fmt: skip


def money(lines: list[dict]) -> dict:
    if not lines:
        return {"spend": np.nan, "basket_value": np.nan, "discount_share": np.nan}
    full = sum(r["quantity"] * r["unit_price"] for r in lines)
    off = sum(r["discount"] for r in lines)
    return {"spend": full - off, "basket_value": (full - off) / len({r["order_id"] for r in lines}),
            "discount_share": off / full}  # fmt: skip


def stated(row: dict) -> dict:
    days = (WINDOW[1] - row["joined_on"]).days
    words = {
        k: None if row[k].strip().lower() in ("", "unknown", "not stated") else row[k] for k in ("age_band", "gender")
    }
    return words | {"city_tier": row["city_tier"], "member_days": days if days >= 0 else np.nan}


def by_user(table: pd.DataFrame) -> dict:
    inside = table[table["day"].between(*WINDOW)]
    return {user: part.to_dict("records") for user, part in inside.groupby("user_id")}


@MANY
@given(crowds())
def test_every_tag_agrees_with_plain_loops(shop):
    found, rows, lines = tags_of(shop), by_user(shop.log), by_user(shop.orders)
    people, items = {r["user_id"]: r for r in shop.users.to_dict("records")}, shelf(shop.items)
    expected = {
        u: habits(r) | taste(r, items) | money(lines.get(u, [])) | stated(people[u]) for u, r in rows.items()
    }  # fmt: skip
    oracle = pd.DataFrame.from_dict(expected, orient="index")[list(TAGS)]
    pd.testing.assert_frame_equal(found, oracle, check_dtype=False, check_names=False, check_index_type=False)


@MANY
@given(crowds())
def test_what_segments_measure_too_is_the_same(shop):
    found = tags_of(shop)
    features_ = user_table(features(shop.engine["log"], window=WINDOW, orders=shop.engine["orders"]))
    for tag, feature in (("active_days",) * 2, ("actions",) * 2, ("buys", "buy"), ("spend",) * 2, ("categories",) * 2):
        assert found[tag].fillna(-1).tolist() == pytest.approx(features_[feature].astype(float).fillna(-1).tolist())


# changes


def test_order_of_rows_ids_and_other_users_do_not_matter():
    shop = crowd(1)
    found = tags_of(shop)
    mixed = Tables(shop.log.sample(frac=1, random_state=1), shop.items[::-1], shop.orders[::-1], shop.users[::-1])
    pd.testing.assert_frame_equal(tags_of(mixed), found)
    half = Tables(shop.log[shop.log["user_id"] < 50], shop.items, shop.orders, shop.users)
    pd.testing.assert_frame_equal(tags_of(half), found[found.index < 50])


def test_dearer_prices_do_not_change_the_price_level():
    shop = crowd(2)
    dear = Tables(shop.log, shop.items.assign(price=7 * shop.items["price"]), shop.orders, shop.users)
    pd.testing.assert_series_equal(tags_of(dear)["price_level"], tags_of(shop)["price_level"], rtol=1e-12)


def test_the_halves_add_up():
    shop = crowd(3)
    touched = t.touches(shop.engine["log"])
    cuts = [(FIRST, FIRST + pd.Timedelta(days=3)), (FIRST + pd.Timedelta(days=4), WINDOW[1])]
    parts = [t.tags(touched, window=w)[["actions", "buys", "active_days"]] for w in cuts]
    whole = t.tags(touched, window=WINDOW)[["actions", "buys", "active_days"]]
    pd.testing.assert_frame_equal(parts[0].add(parts[1], fill_value=0), whole)


def test_all_windows_cost_two_scans_of_the_log():
    shop = crowd(4)
    log = hold(as_table(shop.log))
    with counted(log) as scans:
        touched = t.touches(log, items=as_table(shop.items))
        for days in (2, 4, 8):
            t.tags(touched, window=(FIRST, FIRST + pd.Timedelta(days=days)), users=as_table(shop.users))
    assert sum(n for n, _ in scans) == 2


# odd input


def test_text_ids_and_hostile_words_pass_unharmed():
    log = log_of([(f"<script>{u}", 10, "pv", 0, 9) for u in range(2) for _ in range(5)]).assign(
        category_id="女装 $x$ <b>"
    )
    users = pd.DataFrame({"user_id": ["<script>0", "<script>1"], "age_band": ["十八", "=1+1"]})
    found = t.tags(t.touches(as_table(log)), window=WINDOW, users=as_table(users))
    assert found["top_category"].tolist() == ["女装 $x$ <b>"] * 2 and found["age_band"].tolist() == ["十八", "=1+1"]
    assert found["gender"].isna().all()


def test_an_empty_window_has_no_users():
    touched = t.touches(as_table(log_of(FIVE)))
    empty = t.tags(touched, window=(FIRST - pd.Timedelta(days=9), FIRST - pd.Timedelta(days=1)))
    assert empty.empty and list(empty.columns) == list(TAGS)


def test_a_wrong_time_of_being_new_is_named():
    with pytest.raises(TagError, match="new_days: 0"):
        t.touches(as_table(log_of(FIVE)), new_days=0)


def test_the_dictionary_is_complete():
    for name, tag in TAGS.items():
        assert name == tag.name and tag.kind in t.KINDS and tag.scale in t.SCALES and tag.definition and tag.purpose
        assert set(tag.sources) <= {"log", "items", "orders", "users"}
        assert (tag.declared_days is not None) == (tag.kind == "demographic")
