"""Complaints: topics, words of many customers only, exact rate ratios, planted lines found, the loss by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

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
    texts = ["快递慢死了" for _ in range(12)] + ["尺码小,我叫王小明"] * 3 + [f"客服号码{i}不通" for i in range(12)]
    words = co.topic_words(complaining(texts), min_cell=10)
    assert (words["customers"] >= 10).all() and "快递慢死了" in set(words["words"])
    assert not words["words"].str.contains("王小明|尺码").any()
    one = complaining(["快递慢死了"] * 12).assign(user_id=1)
    assert co.topic_words(one, min_cell=10).empty


def test_class_weights_by_hand():
    words = co.topic_words(complaining(["快递慢"] * 3 + ["快递快"] + ["客服差"] * 4), min_cell=1, most=9)
    weight = words.set_index("words")["weight"]
    assert weight["客服差"] == pytest.approx(1 * np.log1p(2 / 1)) and weight["快递"] == pytest.approx(np.log1p(2))
    assert weight["快递慢"] == pytest.approx(0.75 * np.log1p(2 / 0.75))


@pytest.mark.parametrize(("x", "n", "share"), [(30, 40, 0.5), (3, 50, 0.2), (1, 9, 0.1)])
def test_the_interval_of_a_rate_ratio_solves_its_definition(x, n, share):
    ratio, low, high, p = co.rate_ratio(x, n, share=share)
    back = [r / (r + (1 - share) / share) for r in (low, high)]
    assert ratio == pytest.approx(x / (n - x) * (1 - share) / share)
    assert binom.sf(x - 1, n, back[0]) == pytest.approx(0.025) and binom.cdf(x, n, back[1]) == pytest.approx(0.025)
    assert 0 <= p <= 1


def test_rate_ratios_at_their_ends():
    assert co.rate_ratio(0, 20, share=0.5)[:2] == (0, 0)
    assert np.isnan(co.rate_ratio(20, 20, share=0.5)[2]) and co.rate_ratio(0, 0, share=0.5)[3] == 1


def market(rates: dict[int, float], *, n: int = 200, seed: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """`n` answers a line, complaints with the given chance; category → item category·10."""
    rng = np.random.default_rng(seed)
    rows = [
        {"item_id": line * 10, "complaint": rng.random() < p, "text": "坏"}
        for line, p in rates.items()
        for _ in range(n)
    ]
    return frame(rows), pd.Series({line * 10: line for line in rates})


def test_a_planted_line_is_found_and_the_others_are_not():
    table, lines = market({k: 0.35 if k == 3 else 0.1 for k in range(1, 21)})
    found = co.lines(table, co.complaints(table), lines, min_cell=10)
    hit = found[(found["topic"] == "all") & (found["p_adjusted"] < 0.05)]
    assert hit["line"].tolist() == [3]
    assert hit["ci_low"].iloc[0] < 3.5 < hit["ci_high"].iloc[0]


def test_equal_lines_are_seldom_blamed():
    blamed = 0
    for seed in range(20):
        table, lines = market(dict.fromkeys(range(1, 9), 0.1), n=60, seed=seed)
        found = co.lines(table, co.complaints(table), lines, min_cell=10)
        blamed += bool((found["p_adjusted"] < 0.05).any())
    assert blamed <= 4


def test_lines_against_order_lines():
    table = frame([{"item_id": 10, "complaint": i < 6, "text": "x"} for i in range(20)] + [{"item_id": 20}] * 20)
    sold = ibis_orders([(i, i, 10, 0) for i in range(10)] + [(i + 10, i, 20, 0) for i in range(30)])
    categories = co.item_categories(None, sold)
    args = {"orders": sold, "min_cell": 10}
    per_answer = co.lines(table, co.complaints(table), categories, **args)
    per_line = co.lines(table, co.complaints(table), categories, per="order lines", **args)
    assert per_answer["p_value"].iloc[0] == pytest.approx(2 * 0.5**6)
    assert per_line["p_value"].iloc[0] == pytest.approx(0.25**6)


def test_lines_of_few_customers_are_left_out():
    table, lines = market({1: 0.5, 2: 0.5}, n=9)
    assert "10 customers" in co.lines(table, co.complaints(table), lines, min_cell=10).attrs["reason"]


def test_coming_back_by_hand():
    rows = [{"user_id": u, "complaint": u < 2, "created_at": 10 * DAY} for u in range(4)]
    orders = ibis_orders([(1, 0, 1, 10 * DAY), (2, 1, 1, 11 * DAY), (3, 2, 1, 70 * DAY), (4, 3, 1, 9 * DAY)])
    back = co.come_back(frame(rows), orders, days=56, last_second=100 * DAY)
    assert back[["after", "customers", "returned"]].to_numpy().tolist() == [
        ["a complaint", 2, 1],
        ["another answer", 2, 0],
    ]
    assert co.difference(back).value == 0.5
    assert co.come_back(frame(rows), orders, days=95, last_second=100 * DAY).empty


def test_the_loss_by_hand():
    topics = pd.DataFrame({"topic": ["size", "price"], "complaints": [30, 10]})
    loss = co.expected_loss(topics, Estimate(1_000, 1_000, 1_000), leave_low=0.1, leave_high=0.1, seed=1)
    assert loss["loss"].tolist() == pytest.approx([3_000, 1_000, 4_000])
    assert loss["ci_low"].iloc[0] == pytest.approx(100 * 20.6, rel=0.05)  # Jeffreys: gamma(30.5)
    assert loss["ci_high"].iloc[0] == pytest.approx(100 * 42.2, rel=0.05)


def test_value_at_risk_by_hand():
    table = complaining(["坏"] * 2)
    orders = ibis_orders([(1, 0, 1, 0), (2, 0, 1, 0), (3, 5, 1, 0)])  # 20 and 0 a customer; the third did not complain
    found = co.value_at_risk(table, orders, days=365, margin=0.5, months_at_risk=12)
    assert found.value == pytest.approx(5) and found.ci_low == 0


def test_belief_in_no_leaving_costs_nothing():
    topics = pd.DataFrame({"topic": ["size"], "complaints": [30]})
    loss = co.expected_loss(topics, Estimate(9, 8, 10), leave_low=0, leave_high=0, seed=1)
    assert (loss[["loss", "ci_low", "ci_high"]] == 0).all(axis=None)
    with pytest.raises(FeedbackError, match="leave_low"):
        co.expected_loss(topics, Estimate(9, 8, 10), leave_low=0.3, leave_high=0.2, seed=1)


@pytest.mark.parametrize("rows", [[], [{"complaint": False}] * 20, [{"rating": 5}] * 20])
def test_without_complaints_every_table_says_so(rows):
    table = frame(rows)
    found = co.complaints(table)
    topics = co.topics(found, min_cell=10)
    nobody = Estimate.missing("nobody complained")
    for result in (
        topics, co.topic_words(found, min_cell=1), co.lines(table, found, pd.Series(dtype=object), min_cell=1),
        co.expected_loss(topics, nobody, leave_low=0, leave_high=1, seed=1), co.against_truth(found, pd.DataFrame()),
    ):  # fmt: skip
        assert "complain" in result.attrs["reason"] and "Not computable" in repr(show(result))
    assert co.value_at_risk(found, None, days=1, margin=1, months_at_risk=1).value is None
    assert co.difference(co.come_back(table, None, last_second=0)).value is None


def test_all_complain():
    table = frame([{"complaint": True, "text": "快递慢", "item_id": 10}] * 20).assign(user_id=range(20))
    found = co.lines(table, co.complaints(table), pd.Series({10: 1}), min_cell=10)
    assert found["p_adjusted"].tolist() == [1, 1] and "–" in repr(show(found))


def test_odd_texts_and_labels_pass_unharmed():
    table = frame([{"text": t, "complaint": True, "item_id": i % 3} for i, t in enumerate(ODD * 12)])
    found = co.complaints(table)
    assert co.topics(found, min_cell=1)["complaints"].sum() == len(table)
    names = pd.Series({0: np.str_("<b>x</b>"), 1: "中文😀", 2: "=1+1"})
    lines = co.named(hit := co.lines(table, found, pd.Series({0: 0, 1: 1, 2: 2}), min_cell=1), hit["line"].map(names))
    for result in (lines, co.topic_words(found, min_cell=5)):
        page = show(result)._repr_html_()
        assert "<b>x" not in page and "<script>" not in page
    assert set(lines["line"]) == set(names)
