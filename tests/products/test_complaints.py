"""Complaints: topics, words of many customers only, the loss by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.findings import Estimate, show
from helpers.products import complaints as co
from helpers.products.feedback import FeedbackError
from tests.products.feedback_shops import DAY, ODD, frame, ibis_orders, shop


def complaining(texts: list) -> pd.DataFrame:
    return co.complaints(frame([{"text": t, "complaint": True} for t in texts]))


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("快递太慢，物流不更新", "logistics"), ("尺码偏小", "size"), ("客服不回", "service"),
        ("包装破了盒子也坏", "packaging"), ("降价不给补差价", "price"), ("用了就坏", "quality"),
        ("Ｓｈｉｐｐｉｎｇ slow", "logistics"), ("嗯", "other"), (None, "other"),
    ],
)  # fmt: skip
def test_topic_of(text, topic):
    assert co.topic_of(text) == topic


def test_topics_of_the_simulated_shop_are_found():
    _, answers, truth, _ = shop(1)
    found = co.against_truth(co.complaints(answers), truth)
    assert found["right"].sum() > 0.95 * found["true_complaints"].sum()


def test_shares_of_topics_by_hand():
    table = co.topics(complaining(["快递慢"] * 30 + ["尺码小"] * 10 + ["嗯"] * 3 + [None] * 2), min_cell=10)
    shown = dict(zip(table["topic"], table["complaints"], strict=True))
    assert shown["logistics"] == 30 and pd.isna(shown["all smaller topics"]) and pd.isna(shown["size"])
    assert table["topic_share"].iloc[0] == pytest.approx(30 / 45)


def test_only_words_of_many_customers_are_shown():
    texts = (
        ["快递慢死了" for _ in range(30)]
        + ["尺码小,我叫王小明"] * 3
        + [f"客服号码{i}不通" for i in range(12)]
        + ["贵"] * 9
    )
    words = co.topic_words(complaining(texts), min_cell=10)
    assert (words["customers"] >= 10).all() and "快递慢死了" in set(words["words"])
    assert not words["words"].str.contains("王小明|尺码").any()
    one = complaining(["快递慢死了"] * 30).assign(user_id=1)
    assert co.topic_words(one, min_cell=10).empty


def test_class_weights_by_hand():
    words = co.topic_words(complaining(["快递慢"] * 3 + ["快递快"] + ["客服差"] * 4), min_cell=1, most=9)
    weight = words.set_index("words")["weight"]
    assert weight["客服差"] == pytest.approx(1 * np.log1p(2 / 1)) and weight["快递"] == pytest.approx(np.log1p(2))
    assert weight["快递慢"] == pytest.approx(0.75 * np.log1p(2 / 0.75))


def test_words_of_a_hidden_topic_are_hidden_with_it():
    texts = ["快递慢"] * 30 + ["尺码小"] * 12 + ["客服差"] * 3
    found = complaining(texts)
    assert pd.isna(co.topics(found, min_cell=10).set_index("topic")["complaints"]["size"])  # it would tell of service
    assert set(co.topic_words(found, min_cell=10)["topic"]) == {"logistics"}
    assert co.shown_topics(found, min_cell=10) == ["logistics"] and co.shown_topics(found, min_cell=50) == []


def test_complaints_of_few_customers_are_no_table():
    found = co.complaints(frame([{"text": "坏", "complaint": i < 9, "item_id": 10} for i in range(40)]), min_cell=10)
    for table in (co.topics(found, min_cell=10), co.topic_words(found, min_cell=10)):
        assert "fewer than 10 customers complained" in repr(show(table))
    assert "fewer than 10" in co.value_at_risk(found, ibis_orders([]), days=1, margin=1, months_at_risk=1).reason


def test_coming_back_by_hand():
    rows = [{"user_id": u, "complaint": u < 2, "created_at": 10 * DAY} for u in range(4)]
    orders = ibis_orders([(1, 0, 1, 10 * DAY), (2, 1, 1, 11 * DAY), (3, 2, 1, 70 * DAY), (4, 3, 1, 9 * DAY)])
    back = co.come_back(frame(rows), orders, days=56, last_second=100 * DAY)
    assert back[["after", "customers", "returned"]].to_numpy().tolist() == [
        ["a complaint", 2, 1],
        ["another answer", 2, 0],
    ]
    assert co.difference(back).value == 0.5
    few = co.come_back(frame(rows), orders, days=56, last_second=100 * DAY, min_cell=3)
    assert few[["customers", "returned", "return_rate"]].isna().all(axis=None) and co.difference(few).value is None
    assert co.come_back(frame(rows), orders, days=95, last_second=100 * DAY).empty


def test_the_loss_by_hand():
    topics = pd.DataFrame({"topic": ["size", "price"], "complaints": [30, 10]})
    loss = co.expected_loss(topics, Estimate(1_000, 1_000, 1_000), leave_low=0.1, leave_high=0.1, total=45, seed=1)
    assert loss["loss"].tolist() == pytest.approx([3_000, 1_000, 4_500])
    assert loss["ci_low"].iloc[0] == pytest.approx(100 * 20.6, rel=0.05)  # Jeffreys: gamma(30.5)
    assert loss["ci_high"].iloc[0] == pytest.approx(100 * 42.2, rel=0.05)


def test_the_loss_of_hidden_rows_is_only_in_the_total():
    lines = pd.DataFrame({"line": ["a", "b", "c"], "complaints": pd.array([30, None, None], dtype="Int64")})
    how = {"of": "line", "total": 50, "leave_low": 0.1, "leave_high": 0.1, "seed": 1}
    loss = co.expected_loss(lines, Estimate(100, 100, 100), **how)
    assert loss[["line", "complaints"]].to_numpy().tolist() == [["a", 30], ["all complaints", 50]]


def test_value_at_risk_by_hand():
    table = complaining(["坏"] * 2)
    orders = ibis_orders([(1, 0, 1, 0), (2, 0, 1, 0), (3, 5, 1, 0)])  # 20 and 0 a customer; the third did not complain
    found = co.value_at_risk(table, orders, days=365, margin=0.5, months_at_risk=12)
    assert found.value == pytest.approx(5) and found.ci_low == 0


def test_belief_in_no_leaving_costs_nothing():
    topics = pd.DataFrame({"topic": ["size"], "complaints": [30]})
    loss = co.expected_loss(topics, Estimate(9, 8, 10), leave_low=0, leave_high=0, total=30, seed=1)
    assert (loss[["loss", "ci_low", "ci_high"]] == 0).all(axis=None)
    with pytest.raises(FeedbackError, match="leave_low"):
        co.expected_loss(topics, Estimate(9, 8, 10), leave_low=0.3, leave_high=0.2, total=30, seed=1)


@pytest.mark.parametrize("rows", [[], [{"complaint": False}] * 20, [{"rating": 5}] * 20])
def test_without_complaints_every_table_says_so(rows):
    table = frame(rows)
    found = co.complaints(table)
    topics = co.topics(found, min_cell=10)
    nobody = Estimate.missing("nobody complained")
    for result in (
        topics, co.topic_words(found, min_cell=1), co.against_truth(found, pd.DataFrame()),
        co.expected_loss(topics, nobody, total=0, leave_low=0, leave_high=1, seed=1),
    ):  # fmt: skip
        assert "complain" in result.attrs["reason"] and "Not computable" in repr(show(result))
    assert co.value_at_risk(found, None, days=1, margin=1, months_at_risk=1).value is None
    assert co.difference(co.come_back(table, None, last_second=0)).value is None


def test_odd_texts_and_labels_pass_unharmed():
    table = frame([{"text": t, "complaint": True, "item_id": i % 3} for i, t in enumerate(ODD * 12)])
    found = co.complaints(table)
    assert co.topics(found, min_cell=1)["complaints"].sum() == len(table)
    page = show(co.topic_words(found, min_cell=5))._repr_html_()
    assert "<b>x" not in page and "<script>" not in page and len(page) < 20_000
