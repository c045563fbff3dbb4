"""Scores against published values, against slow code, with customers who answer often, and on odd tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from helpers.findings import show
from helpers.products import feedback as fb
from tests.products.feedback_shops import ODD, frame, ibis_feedback, ibis_orders

NO_ORDERS = pd.DataFrame({"month": [], "orders": []})


def test_published_score():
    found = fb.nps_interval(250, 75, 1000)
    assert (found.value, round(found.ci_low, 1), round(found.ci_high, 1)) == (17.5, 14.1, 20.8)
    assert fb.nps_standard_error(250, 75, 1000) == pytest.approx(1.716, abs=5e-4)


@pytest.mark.parametrize(("events", "low", "high"), [(10, 4.80, 18.39), (0, 0.0, 3.69)])
def test_published_counts(events, low, high):
    found = fb.poisson_interval(events)
    assert (round(found.ci_low, 2), round(found.ci_high, 2)) == (low, high)


@given(st.integers(1, 400), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=30, deadline=None)
def test_the_poisson_interval_solves_its_definition(events, level):
    found = fb.poisson_interval(events, level=level)
    assert poisson.sf(events - 1, found.ci_low) == pytest.approx((1 - level) / 2, rel=1e-6)
    assert poisson.cdf(events, found.ci_high) == pytest.approx((1 - level) / 2, rel=1e-6)


def test_a_rate_is_per_exposure():
    found = fb.poisson_interval(10, exposure=500, per=1_000)
    assert found.value == 20 and found.ci_low == pytest.approx(2 * 4.795, abs=0.01)
    assert fb.poisson_interval(0, exposure=0).value is None


def test_satisfaction_is_the_published_wilson_interval():
    table = frame([{"rating": 5 if i < 81 else 3} for i in range(263)])
    found = fb.csat(table)
    # effective answers: the variance with m/(m − 1) is that of 262 answers
    assert (found.ci_low, found.ci_high) == pytest.approx((0.2553, 0.3662), abs=2e-4)


def test_the_sides_of_the_score():
    table = frame([{"nps": v} for v in (10, 9, 8, 7, 6, 0)])
    assert fb.nps(table).value == pytest.approx(0)
    assert fb.nps(table.iloc[:3]).value == pytest.approx(100 * 2 / 3)


def test_weights_count_as_copies_of_the_answer():
    table = frame([{"nps": 10}, {"nps": 10}, {"nps": 0}])
    assert fb.nps(table, weights=pd.Series([1.0, 1.0, 6.0])).value == pytest.approx(100 * (2 - 6) / 8)


def test_the_effective_size_against_a_slow_loop():
    rng = np.random.default_rng(3)
    x, w, who = rng.choice([-1, 0, 1], 60), rng.uniform(1, 3, 60), rng.integers(0, 20, 60)
    mean = (w * x).sum() / w.sum()
    parts = [sum(w[i] * (x[i] - mean) for i in range(60) if who[i] == u) ** 2 for u in set(who.tolist())]
    variance = len(parts) / (len(parts) - 1) * sum(parts) / w.sum() ** 2
    expected = min(60, (w * (x - mean) ** 2).sum() / w.sum() / variance)
    assert fb.effective_answers(x, weights=w, clusters=who) == pytest.approx(expected)


def test_intervals_cover_when_customers_answer_often():
    rng, covered, runs = np.random.default_rng(1), {"with": 0, "without": 0}, 150
    table = frame([]).reindex(range(600)).assign(user_id=np.repeat(np.arange(150), 4))
    for _ in range(runs):
        mood = np.repeat(rng.choice([-1, 1], 150), 4)  # each says the same four times, and once in three by chance
        x = np.where(rng.random(600) < 1 / 3, rng.choice([-1, 0, 1], 600), mood)
        table["nps"] = np.array([7.0, 10.0, 0.0])[x]
        covered["with"] += bool(fb.nps(table).covers(0))
        covered["without"] += bool(fb.nps(table.assign(user_id=np.arange(600))).covers(0))
    assert covered["with"] > 0.91 * runs > 0.85 * runs > covered["without"]


@pytest.mark.parametrize("value", [0, 7, 10])
def test_all_answers_alike(value):
    found = fb.nps(frame([{"nps": value}] * 30))
    assert found.ci_low <= found.value <= found.ci_high and found.ci_high > found.ci_low
    assert abs(found.value) <= 100


def test_one_answer():
    table = frame([{"nps": 9, "rating": 5}])
    assert fb.nps(table).value == 100 and fb.csat(table).value == 1
    assert len(fb.scores(table, NO_ORDERS)) == 3


def test_no_answers_flow_through():
    empty = fb.answers(ibis_feedback(frame([])))
    for table in (
        fb.overview(empty), fb.scores(empty, NO_ORDERS), fb.monthly(empty, NO_ORDERS, min_cell=10),
        fb.by_group(empty, None, group="gender", min_cell=10),
    ):  # fmt: skip
        assert table.attrs["reason"] == "there are no answers" and "no answers" in repr(show(table))
    assert fb.nps(empty).value is None and fb.complaint_rate(empty, NO_ORDERS).value is None


def test_a_table_without_scores_says_what_is_missing():
    table = frame([{"text": "好"}] * 3)
    assert "recommend" in fb.nps(table).reason and "stars" in fb.csat(table).reason
    assert fb.scores(table, NO_ORDERS)["value"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize("drop", [["nps"], ["rating", "text"], ["item_id", "complaint"]])
def test_columns_that_a_shop_does_not_have(drop):
    table = fb.answers(ibis_feedback(frame([{"nps": 9, "rating": 5, "text": "好"}])).drop(*drop))
    assert table[drop].isna().all(axis=None) and list(table.columns) == fb.ANSWERS


def test_complaints_are_the_marks_else_the_low_stars():
    rows = [{"rating": 1, "complaint": False}, {"rating": 5, "complaint": True}, {"rating": 2}]
    assert fb.is_complaint(frame(rows)).tolist() == [False, True, False]
    assert fb.is_complaint(frame([{"rating": 1}, {"rating": 3}])).tolist() == [True, False]


def test_complaints_per_thousand_orders():
    orders = fb.count_orders(ibis_orders([(k // 2, 1, k, 0) for k in range(1_000)]))
    table = frame([{"complaint": i < 10} for i in range(50)])
    assert orders["orders"].tolist() == [500]
    assert fb.complaint_rate(table, orders).value == 20 and fb.complaint_rate(table, NO_ORDERS).value == 200


def test_small_months_and_groups_are_hidden():
    rows = [{"nps": 9, "rating": 5, "complaint": False, "month": "2017-11" if i < 30 else "2017-12"} for i in range(33)]
    months = fb.monthly(frame(rows), NO_ORDERS, min_cell=10)
    assert months.loc[months["month"] == "2017-12", ["value", "answers", "customers"]].isna().all(axis=None)
    users = pd.DataFrame({"user_id": range(33), "gender": ["a"] * 15 + ["b"] * 15 + ["c"] * 3})
    groups = fb.by_group(frame(rows), users, group="gender", min_cell=10)
    assert groups["nps"].notna().sum() == 1  # the small one, and one that would give it away


def test_months_with_few_complaints_hide_them_and_a_second_month():
    rows = [
        {"nps": 9, "month": f"2017-0{m}", "complaint": i < k}
        for m, k in ((1, 30), (2, 4), (3, 12), (4, 20))
        for i in range(40)
    ]
    months = fb.monthly(frame(rows), NO_ORDERS, min_cell=10)
    calm = months[months["measure"] == "complaints"].set_index("month")
    assert calm["value"].isna().tolist() == [False, True, True, False]
    assert calm["answers"].tolist() == [40] * 4 and months.loc[months["measure"] == "NPS", "value"].notna().all()


def test_a_month_that_is_hidden_is_hidden_in_every_measure():
    orders = pd.DataFrame({"month": ["2017-02", "2017-03"], "orders": [90, 90]})  # none in January
    counts = {"2017-01": 5, "2017-02": 12, "2017-03": 30}
    rows = [{"nps": 9, "rating": 5, "month": m, "complaint": True} for m, k in counts.items() for _ in range(k)]
    months = fb.monthly(frame(rows), orders, min_cell=10)
    assert set(months.loc[months["customers"].notna(), "month"]) == {"2017-03"} and len(months) == 8


def test_few_customers_are_no_score():
    table = fb.answers(ibis_feedback(frame([{"nps": 9, "rating": 5}] * 9)), min_cell=10)
    assert "fewer than 10" in repr(show(fb.scores(table, NO_ORDERS, min_cell=10))) and "fewer" in fb.nps(table).reason
    few = frame([{"complaint": i < 9} for i in range(40)])
    assert "fewer than 10" in fb.complaint_rate(few, NO_ORDERS, min_cell=10).reason
    assert fb.complaint_rate(few.assign(complaint=False), NO_ORDERS, min_cell=10).value == 0


def test_odd_labels_pass_unharmed():
    names = [*[str(o) for o in ODD if o], np.str_("np"), 7, "中文", "=x"]
    table = frame([{"nps": 9, "rating": 5, "user_id": i} for i in range(len(names) * 2)])
    users = pd.DataFrame({"user_id": range(len(names) * 2), "gender": pd.Series(names * 2, dtype="object")})
    groups = fb.by_group(table, users, group="gender", min_cell=1)
    assert set(groups["value"]) == {str(n) for n in names}
    assert "<script>" not in show(groups)._repr_html_()


@pytest.mark.parametrize("counts", [(-1, 0, 3), (3, 1, 3)])
def test_impossible_counts(counts):
    with pytest.raises(fb.FeedbackError, match="promoters"):
        fb.nps_interval(*counts)


def test_what_few_customers_wrote_as_their_gender_is_not_repeated():
    users = pd.DataFrame({"user_id": range(32), "gender": ["f"] * 15 + ["m"] * 15 + ["Anna, 139", "b@c.example"]})
    groups = fb.by_group(frame([{"user_id": u, "nps": 9} for u in range(32)]), users, group="gender", min_cell=10)
    assert set(groups["value"]) == {"f", "m", "another"} and groups["customers"].isna().sum() == 2
