"""Who answers: matching by hand, weights by hand, and the score of all orders of simulated shops."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.findings import show
from helpers.products import response as rs
from helpers.products.feedback import FeedbackError, people
from tests.products.feedback_shops import DAY, frame, ibis_feedback, ibis_orders, shop

ORDERS = [(1, 1, 10, 0), (1, 1, 11, 0), (2, 1, 10, 5 * DAY), (3, 2, 12, 0), (4, 2, 12, 99 * DAY)]


def asked(rows: list[dict], *, orders=ORDERS, days: int = 14, last: int = 100 * DAY) -> pd.DataFrame:
    return rs.asked(ibis_feedback(frame(rows)), ibis_orders(orders), None, answer_days=days, last_second=last)


def answered(table: pd.DataFrame) -> list[int]:
    return table.loc[table["answered"], "order_id"].tolist()


@pytest.mark.parametrize(
    ("answer", "order"),
    [
        ({"user_id": 1, "item_id": 10, "created_at": 6 * DAY}, [2]),  # the latest with that product
        ({"user_id": 1, "item_id": 11, "created_at": 6 * DAY}, [1]),
        ({"user_id": 1, "item_id": None, "created_at": 6 * DAY}, [2]),  # without a product: the latest
        ({"user_id": 1, "item_id": 12, "created_at": 6 * DAY}, []),  # never bought
        ({"user_id": 2, "item_id": 12, "created_at": 14 * DAY}, [3]),
        ({"user_id": 2, "item_id": 12, "created_at": 14 * DAY + 1}, []),  # too late
        ({"user_id": 1, "item_id": 10, "created_at": -1}, []),  # before any order
    ],
)
def test_an_answer_finds_its_order(answer, order):
    assert answered(asked([answer | {"nps": 9, "rating": 5}])) == order


def test_orders_that_may_still_be_answered_are_left_out():
    table = asked([{"user_id": 2, "item_id": 12, "created_at": 99 * DAY + 60}])
    assert table["order_id"].tolist() == [1, 3, 2]
    assert table["orders_before"].tolist() == ["first order", "first order", "1 to 2 before"]


def test_two_answers_to_one_order_count_once():
    rows = [{"user_id": 2, "item_id": 12, "created_at": k, "nps": k} for k in (3, 2)]
    table = asked(rows)
    assert answered(table) == [3] and table.loc[table["answered"], "nps"].tolist() == [2]


def test_without_orders_everything_says_so():
    table = rs.asked(ibis_feedback(frame([{"nps": 3}])), None, None, last_second=0)
    for result in (
        rs.response_rates(table, min_cell=1), rs.compare(table, by=(), chances=None), rs.what_if(table),
        rs.against_truth(rs.compare(table, by=(), chances=None), {}),
    ):  # fmt: skip
        assert "no table of orders" in repr(show(result))
    assert rs.group_weights(table, by=("month",)).empty


def test_no_answers_at_all():
    table = asked([])
    assert not table["answered"].any() and rs.compare(table, by=(), chances=None).empty
    assert rs.response_rates(table, min_cell=1)["response_rate"].tolist() == [0, 0]
    assert rs.group_weights(table, by=("month",)).empty


def test_what_users_tell_is_joined():
    told = pd.DataFrame({"user_id": [1, 2], "gender": ["f", None], "city_tier": [2.0, np.nan]})
    users = people(ibis.memtable(told))
    table = rs.asked(ibis_feedback(frame([])), ibis_orders(ORDERS), users, last_second=100 * DAY)
    assert table["gender"].tolist() == ["f", rs.NOT_KNOWN, "f"] and table["city_tier"].tolist() == [
        "2",
        "not stated",
        "2",
    ]


def orders_of(cells: dict[str, tuple[int, int, int]]) -> pd.DataFrame:
    """Cell → (orders, answers, promoters among them); all others who answer are detractors."""
    rows = []
    for name, (n, given, up) in cells.items():
        rows += [(name, k < given, (10.0 if k < up else 0.0) if k < given else np.nan) for k in range(n)]
    table = pd.DataFrame(rows, columns=["age_band", "answered", "nps"])
    return table.assign(user_id=range(len(table)), rating=np.where(table["nps"] > 5, 5.0, 1.0), month="m")


def test_post_stratification_by_hand():
    table = orders_of({"young": (100, 10, 10), "old": (100, 40, 0)})
    found = rs.compare(table, by=("age_band",), chances=None)
    assert found["nps"].iloc[0] == pytest.approx(100 * (10 - 40) / 50)
    assert found["nps"].iloc[1] == pytest.approx(0)  # half of all orders are of the young
    assert found["largest_weight"].iloc[1] == pytest.approx(10 / (200 / 50))


def test_weights_add_up_to_the_orders_of_each_cell():
    table = orders_of({"a": (50, 12, 3), "b": (80, 15, 8), "c": (9, 2, 1), "d": (7, 1, 0)})
    weights = rs.group_weights(table, by=("age_band",), least=10)
    total = weights.groupby(table["age_band"]).sum()
    assert total[["a", "b"]].tolist() == pytest.approx([50, 80]) and total[["c", "d"]].sum() == pytest.approx(16)


def test_weights_mend_silence_that_depends_on_a_known_group():
    rng, errors = np.random.default_rng(5), []
    for _ in range(40):
        old = rng.random(2_000) < 0.5
        happy, given = rng.random(2_000) < np.where(old, 0.7, 0.3), rng.random(2_000) < np.where(old, 0.1, 0.4)
        table = pd.DataFrame({"age_band": old, "answered": given, "nps": np.where(given, 10.0 * happy, np.nan)})
        table = table.assign(user_id=range(2_000), rating=5.0, month="m")
        found = rs.compare(table, by=("age_band",), chances=None)
        truth = 100 * (2 * happy.mean() - 1)
        errors.append((found["nps"].iloc[0] - truth, found["nps"].iloc[1] - truth))
    raw, weighted = np.mean(errors, axis=0)
    assert raw < -15 and abs(weighted) < 3


def test_simulated_shops_need_the_follow_up():
    rows = []
    for seed in range(1, 6):
        orders, _, _, truth = shop(seed)
        found = rs.compare(orders, by=("age_band", "orders_before"), chances=rs.DEMO_CHANCES)
        rows.append([*(found["nps"] - truth), found["ci_low"].iloc[2] <= truth <= found["ci_high"].iloc[2]])
    raw, groups, follow, covered = np.mean(rows, axis=0)
    assert raw < -5 and groups < -4 and abs(follow) < 3.5 and covered >= 0.8


def test_the_demo_chances_are_those_of_the_simulator():
    orders = pd.concat([shop(seed)[0] for seed in range(1, 6)])
    rate = orders.groupby(pd.cut(orders["stars"], [0, 2, 3, 5]), observed=True)["chance"].mean()
    assert rate.tolist() == pytest.approx(rs.DEMO_CHANCES, abs=0.02)


def test_effective_answers_fall_with_unequal_weights():
    table = orders_of({"a": (1_000, 20, 10), "b": (1_000, 200, 100)})
    found = rs.compare(table, by=("age_band",), chances=None)
    kish = (20 * 50 + 200 * 5) ** 2 / (20 * 50**2 + 200 * 5**2)
    assert found["effective_answers"].iloc[1] == pytest.approx(kish, rel=0.02)


def test_what_if_holds_the_raw_score_in_its_middle():
    table = orders_of({"a": (100, 40, 25)})
    found = rs.what_if(table).set_index("unhappy_ratio")["nps"]
    assert found[1.0] == pytest.approx(25) and found.is_monotonic_increasing


def test_response_rates_are_hidden_for_small_groups():
    table = orders_of({"a": (100, 40, 25), "b": (5, 5, 5), "c": (50, 20, 10)}).assign(order_id=range(155))
    found = rs.response_rates(table, groups=("age_band",), min_cell=10)
    assert found["response_rate"].isna().tolist() == [False, True, True]  # all less a and c would be b


def test_answers_of_few_customers_are_no_table():
    rows = [{"user_id": u, "item_id": 12, "created_at": 60, "nps": 9} for u in range(4)]
    orders = ibis_orders([(u, u, 12, 0) for u in range(40)])
    how = {"last_second": 100 * DAY, "min_cell": 5}
    assert "fewer than 5 customers" in rs.asked(ibis_feedback(frame(rows)), orders, None, **how).attrs["reason"]
    assert rs.asked(ibis_feedback(frame([*rows, rows[0] | {"user_id": 4}])), orders, None, **how)["answered"].sum() == 5


@pytest.mark.parametrize("text", ["a, b, c", "0.1, 0.2", "0, 0.1, 0.1", "1.2, 0.1, 0.1", "nan, 0.1, 0.1"])
def test_impossible_chances(text):
    with pytest.raises(FeedbackError, match="follow_up"):
        rs.parse_chances(text)


def test_demo_chances_are_known_in_the_demo_only():
    assert rs.parse_chances("demo", simulated=True) == rs.DEMO_CHANCES and rs.parse_chances("demo") is None


def test_unknown_groups_are_named():
    with pytest.raises(FeedbackError, match="income"):
        rs.group_weights(orders_of({"a": (3, 1, 1)}), by=("income",))


def test_the_score_of_a_row_that_was_not_measured():
    found = rs.compare(orders_of({"a": (30, 10, 5)}), by=(), chances=None)
    assert rs.score(found, 0).value == 0 and rs.score(found, 2).value is None


def test_what_few_customers_wrote_as_their_age_is_not_repeated():
    table = orders_of({"a": (100, 40, 25), "Anna, 13955": (5, 5, 5), "b": (50, 20, 10)}).assign(order_id=range(155))
    found = rs.response_rates(table, groups=("age_band",), min_cell=10)
    assert set(found["value"]) == {"a", "another", "b"} and found["hidden"].ne("").sum() == 2
