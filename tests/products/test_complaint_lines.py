"""Product lines: exact rate ratios, one test over all lines, planted lines found, and no small cell by subtraction."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2_contingency

from helpers.findings import show
from helpers.products import complaint_lines as cl
from helpers.products import complaints as co
from helpers.products.feedback import FeedbackError
from tests.products.feedback_shops import ODD, frame, ibis_orders

TEXTS = ("快递慢", "尺码小", "客服差", "坏", "贵")


@pytest.mark.parametrize(("x", "n", "share"), [(30, 40, 0.5), (3, 50, 0.2), (1, 9, 0.1)])
def test_the_interval_of_a_rate_ratio_solves_its_definition(x, n, share):
    ratio, low, high, p = cl.rate_ratio(x, n, share=share)
    back = [r / (r + (1 - share) / share) for r in (low, high)]
    assert ratio == pytest.approx(x / (n - x) * (1 - share) / share)
    assert binom.sf(x - 1, n, back[0]) == pytest.approx(0.025) and binom.cdf(x, n, back[1]) == pytest.approx(0.025)
    assert 0 <= p <= 1


def test_rate_ratios_at_their_ends():
    assert cl.rate_ratio(0, 20, share=0.5)[:2] == (0, 0)
    assert np.isnan(cl.rate_ratio(20, 20, share=0.5)[2]) and cl.rate_ratio(0, 0, share=0.5)[3] == 1


def market(rates: dict, *, n: int = 200, seed: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """`n` answers a line, complaints with the given chance; line k sells the item 10·k."""
    rng = np.random.default_rng(seed)
    rows = [
        {"item_id": line * 10, "complaint": rng.random() < p, "text": str(rng.choice(TEXTS))}
        for line, p in rates.items()
        for _ in range(n)
    ]
    return frame(rows), pd.Series({line * 10: f"line {line}" for line in rates}, dtype="object")


def named(table: pd.DataFrame, line_of: pd.Series, *, min_cell: int = 10) -> pd.DataFrame:
    against = cl.exposure(table, line_of, orders=None, per="answers")
    return cl.lines(co.complaints(table), line_of, against, min_cell=min_cell)


def whole(table: pd.DataFrame, line_of: pd.Series, *, seed: int = 1) -> pd.DataFrame:
    against = cl.exposure(table, line_of, orders=None, per="answers")
    return cl.differ(co.complaints(table), line_of, against, min_cell=10, draws=500, seed=seed)


def test_a_planted_line_is_found_and_the_others_are_not():
    table, line_of = market({k: 0.35 if k == 3 else 0.1 for k in range(1, 21)})
    found = named(table, line_of)
    hit = found[(found["topic"] == "all") & (found["p_adjusted"] < 0.05)]
    assert hit["line"].tolist() == ["line 3"] and hit["ci_low"].iloc[0] < 3.5 < hit["ci_high"].iloc[0]
    assert whole(table, line_of)["p_value"].iloc[0] < 0.01


def test_equal_lines_are_seldom_blamed():
    markets = [market(dict.fromkeys(range(1, 9), 0.1), n=60, seed=seed) for seed in range(12)]
    assert sum(bool((named(*m, min_cell=2)["p_adjusted"] < 0.05).any()) for m in markets) <= 2
    p = np.array([whole(*m)["p_value"].iloc[0] for m in markets])
    assert (p < 0.05).sum() <= 3 and 0.2 < p.mean() < 0.8


def test_the_spread_between_lines_is_recovered():
    rng, found = np.random.default_rng(1), []
    for _ in range(200):
        against = rng.uniform(20, 200, 60)
        x = rng.poisson(against / 10 * rng.gamma(4, 1 / 4, 60))  # gamma with shape 4: standard deviation ½
        found.append(cl.unequal(x, against, draws=1, rng=rng)[0] ** 2)
    assert np.mean(found) == pytest.approx(0.25, abs=0.03)


def test_the_p_value_of_all_lines_is_that_of_the_usual_test():
    x, others = np.array([40, 22, 31]), np.array([4_000, 4_000, 4_000])
    p = cl.unequal(x, (x + others).astype(float), draws=20_000, rng=np.random.default_rng(1))[1]
    assert p == pytest.approx(chi2_contingency([x, others])[1], abs=0.01)


def test_lines_against_order_lines():
    table = frame([{"item_id": 10, "complaint": i < 16, "text": "x"} for i in range(20)] + [{"item_id": 20}] * 20)
    table.loc[20:29, "complaint"] = True
    sold = ibis_orders([(i, i, 10, 0) for i in range(10)] + [(i + 10, i, 20, 0) for i in range(30)])
    line_of = cl.item_lines(None, sold)
    against = cl.exposure(table, line_of, orders=sold, per="order lines")
    found = cl.lines(co.complaints(table), line_of, against, min_cell=10)
    assert against.to_dict() == {1: 10, 2: 30}
    assert found["rate_ratio"].iloc[0] == pytest.approx((16 / 10) / (10 / 30))


def test_small_lines_are_one_row_without_a_ratio():
    table, line_of = market({1: 0.5, 2: 0.5, 3: 0.06, 4: 0.06, 5: 0.06, 6: 0.06}, n=60)
    found = named(table, line_of)
    every = found[found["topic"] == "all"].set_index("line")
    counts = table[table["complaint"]]["item_id"].value_counts()
    assert set(every.index) == {"line 1", "line 2", cl.OTHERS} and (counts.drop([10, 20]) < 10).all()
    assert every.loc[cl.OTHERS, "complaints"] == counts.drop([10, 20]).sum() and pd.isna(every["rate_ratio"].iloc[-1])


def test_a_large_line_hides_with_the_others_where_it_would_give_them_away():
    rows = [{"item_id": i, "complaint": True, "text": "坏"} for i in [10] * 30 + [20] * 12 + [30] * 3]
    line_of = pd.Series({10: "a", 20: "b", 30: "c"})
    found = named(frame(rows + [{"item_id": 30}] * 20), line_of)
    every = found[found["topic"] == "all"]
    assert every["line"].tolist() == ["a", cl.OTHERS] and every["complaints"].tolist() == [30, 15]
    alone = named(frame(rows[:33] + rows[-3:]), line_of)
    assert "no line" in alone.attrs["reason"]


@given(st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_no_small_cell_by_subtraction(seed):
    rng = np.random.default_rng(seed)
    n, lines = int(rng.integers(40, 400)), int(rng.integers(2, 12))
    item = rng.choice(lines + 1, n, p=rng.dirichlet(np.full(lines + 1, 0.7))).astype(float)
    text = np.array(TEXTS)[rng.choice(5, n, p=rng.dirichlet(np.full(5, 0.7)))]
    table = frame([{"item_id": i, "text": t, "complaint": rng.random() < 0.6} for i, t in zip(item, text, strict=True)])
    table["item_id"] = table["item_id"].where(table["item_id"] > 0)  # some name no product
    found = co.complaints(table)
    shown = named(table, pd.Series({float(k): f"l{k}" for k in range(1, lines + 1)}))
    assert not (shown["customers"] < 10).any()
    topics = co.topics(found, min_cell=10).set_index("topic")["complaints"].dropna() if len(found) else pd.Series()
    totals = {"all": len(found)} | topics.to_dict()
    for topic, part in shown.groupby("topic"):
        assert topic in totals  # of a hidden topic nothing is told
        rest = totals[topic] - part["complaints"].sum()
        assert rest == 0 or rest >= 10
    for line, part in shown.dropna(subset=["complaints"]).groupby("line"):
        rest = (
            part.loc[part["topic"] == "all", "complaints"].sum() - part.loc[part["topic"] != "all", "complaints"].sum()
        )
        assert line == cl.OTHERS or rest == 0 or rest >= 10


def test_lines_from_the_catalogue():
    items = ibis.memtable(
        {"item_id": range(10), "category_id": [7] * 10, "brand": ["x", None] * 5, "price": np.arange(10.0) * 10}
    )
    assert cl.item_lines(items, None).tolist() == [7] * 10
    assert cl.item_lines(items, None, by="brand").to_dict() == dict.fromkeys(range(0, 10, 2), "x")
    bands = cl.item_lines(items, None, by="price band")
    assert bands.value_counts().tolist() == [2] * 5 and bands[0] == "below 18" and bands[9] == "72 and more"
    assert cl.item_lines(items.drop("price"), None, by="price band").empty and cl.item_lines(None, None).empty


def test_one_price_is_one_band():
    assert set(cl.item_lines(None, ibis_orders([(1, 1, 5, 0), (2, 1, 6, 0)]), by="price band")) == {"10 and more"}


@pytest.mark.parametrize(("argument", "value"), [("per", "visits"), ("line", "colour")])
def test_unknown_choices(argument, value):
    with pytest.raises(FeedbackError, match=argument):
        if argument == "per":
            cl.exposure(frame([{}]), pd.Series({1: 1}), orders=None, per=value)
        else:
            cl.item_lines(None, None, by=value)


@pytest.mark.parametrize("rows", [[], [{"complaint": False}] * 20, [{"rating": 1}] * 3, [{"complaint": True}] * 30])
def test_degenerate_answers_flow_through(rows):
    table = frame(rows)
    for line_of in (pd.Series(dtype="object"), pd.Series({1: "a"}), pd.Series({2: "b"})):
        for result in (named(table, line_of), whole(table, line_of)):
            text = repr(show(result))
            assert "nan" not in text.lower() and "inf" not in text.lower().replace("information", "")
    assert whole(table, pd.Series({2: "b"})).empty and named(table, pd.Series({2: "b"})).empty


def test_odd_labels_pass_unharmed():
    names = [np.str_("np"), 7, "中文😀", "=x", *[o for o in ODD if o and o.strip()]]
    rows = [{"item_id": k, "complaint": True, "text": "坏"} for k in range(len(names)) for _ in range(12)]
    found = named(frame(rows), pd.Series(dict(enumerate(names)), dtype="object"))
    assert set(found["line"]) == set(names)
    page = show(found, rows=50)._repr_html_()
    assert "<script>" not in page and len(page) < 60_000
