"""Scores by hand and against brute force, ties, all 125 cells, the measures against pandas, and the truth."""

from fractions import Fraction
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import rfm
from helpers.customers.rfm import RfmError, score
from helpers.customers.value_tiers import true_value
from helpers.engine import as_table
from helpers.findings import Estimate, missing
from tests.customers.order_lines import simulate_orders

WINDOW = ("2017-11-25", "2017-12-03")
DAYS = pd.date_range("2017-11-24", "2017-12-04")  # one day too many on either side
EDGES = {"recency_days": [1, 2, 4, 6], "frequency": [2, 3, 4, 5], "monetary": [5, 20, 50, 100]}
VALUES = st.lists(st.integers(-3, 6), min_size=1, max_size=30).map(lambda x: pd.Series(x, dtype=float))


# the measures


def random_orders(seed: int, users: int = 100) -> pd.DataFrame:
    """One to six lines a customer, some of the same order, some free, some paid back, some outside the window."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(1, users + 1), rng.integers(1, 7, users))
    n = len(user)
    table = {"user_id": user, "order_id": user * 10 + rng.integers(0, 3, n), "quantity": rng.integers(1, 4, n)}
    table |= {"unit_price": rng.choice([0.0, 1.5, 20.0], n), "discount": rng.choice([0.0, 1.0, 9.0, np.nan], n)}
    return pd.DataFrame(table).assign(day=DAYS[rng.integers(0, len(DAYS), n)], item_id=1, category_id=1)


def oracle(lines: pd.DataFrame) -> pd.DataFrame:
    """The same table the pandas way."""
    lines = lines[lines["day"].between(*map(pd.Timestamp, WINDOW))]
    paid = lines["quantity"] * lines["unit_price"] - lines["discount"].fillna(0)
    users = lines.assign(paid=paid).groupby("user_id")
    recency = (pd.Timestamp(WINDOW[1]) - users["day"].max()).dt.days
    return pd.DataFrame({
        "recency_days": recency, "frequency": users["order_id"].nunique(), "monetary": users["paid"].sum(),
    })  # fmt: skip


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_measures_of_five_hundred_customers_agree_with_pandas(seed):
    lines = random_orders(seed)
    found = rfm.rfm_table(as_table(lines), window=WINDOW)
    pd.testing.assert_frame_equal(found.astype(float), oracle(lines).astype(float))
    again = rfm.rfm_table(as_table(lines.sample(frac=1, random_state=1)), window=WINDOW)
    pd.testing.assert_frame_equal(found, again)


def test_engagement_needs_no_orders():
    log = {"user_id": [1, 1, 1, 2], "item_id": [1, 2, 2, 1], "category_id": 1, "hour": 9}
    log = pd.DataFrame(log).assign(behavior=["pv", "pv", "buy", "pv"], day=DAYS[[1, 1, 3, 9]])
    found = rfm.rfe_table(as_table(log), window=WINDOW)
    assert found.to_dict("list") == {"recency_days": [6, 0], "frequency": [2, 1], "engagement": [1.5, 1.0]}


def test_without_orders_or_rows_the_tables_say_why():
    assert "no orders" in rfm.rfm_table(None, window=WINDOW).attrs["reason"]
    outside = random_orders(1).assign(day=DAYS[0])
    assert rfm.rfm_table(as_table(outside), window=WINDOW).attrs["reason"] == "no order in the window"
    log = outside.assign(behavior="pv", hour=1)
    assert rfm.rfe_table(as_table(log), window=WINDOW).attrs["reason"] == "no user in the window"


# scores


def by_counting(x: pd.Series, low_is_good: bool) -> list[int]:
    """Quantile scores by exact fractions, customer by customer."""
    x = -x if low_is_good else x
    part = [Fraction(2 * int((x < v).sum()) + int((x == v).sum()), 2 * len(x)) for v in x]
    return [min(5, int(5 * p) + 1) for p in part]


@settings(max_examples=200, deadline=None)
@given(VALUES, st.booleans())
def test_quantile_scores_agree_with_counting(x, low):
    assert score(x, low_is_good=low).tolist() == by_counting(x, low)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.booleans(), st.sampled_from(rfm.METHODS))
def test_equal_customers_get_equal_scores_and_better_ones_never_less(x, low, method):
    points = score(x, method=method, low_is_good=low, edges=[0, 1, 2, 4])
    assert points.between(1, 5).all()
    assert (points.groupby(x).nunique() == 1).all()
    by_value = points[x.sort_values(ascending=not low).index]
    assert by_value.is_monotonic_increasing


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_scale_order_and_doubling_do_not_matter(x):
    given_ = score(x)
    assert score(3 * x).tolist() == given_.tolist()
    assert score(x[::-1])[x.index].tolist() == given_.tolist()
    assert score(pd.concat([x, x])).tolist() == 2 * given_.tolist()


def test_without_ties_a_fifth_gets_each_score():
    assert score(pd.Series(range(100))).value_counts().to_dict() == dict.fromkeys(range(1, 6), 20)


def test_fixed_edges_by_hand():
    assert score(pd.Series([0, 1, 2, 9]), method="fixed", edges=[1, 2, 3, 4]).tolist() == [1, 2, 3, 5]
    days = pd.Series([0, 7, 8, 30, 31, 121])
    assert score(days, method="fixed", edges=[7, 30, 60, 120], low_is_good=True).tolist() == [5, 5, 4, 4, 3, 1]


def test_log_scale_by_hand():
    # ln(1 + x) = 0, 1, 2, 3, 4, 5: five ranges of width one, the last value belongs to the last range
    x = pd.Series(np.expm1(np.arange(6.0)) + 1e-9 * np.array([0, 1, 1, 1, 1, 0]))
    assert score(x, method="log").tolist() == [1, 2, 3, 4, 5, 5]
    assert score(pd.Series([-50.0, 0.0, 100.0]), method="log").tolist() == [1, 1, 5]


@pytest.mark.parametrize("method", rfm.METHODS)
@pytest.mark.parametrize("x", [[7.0], [7.0] * 9, [0.0, 0.0], [-4.0, -4.0]])
def test_one_customer_and_equal_customers_are_in_the_middle_or_at_their_edge(method, x):
    points = score(pd.Series(x), method=method, edges=[1, 2, 9, 20])
    assert points.nunique() == 1
    assert method == "fixed" or points.iloc[0] == 3


@pytest.mark.parametrize(
    ("wrong", "told"),
    [({"method": "deciles"}, "'deciles' is not known"), ({"method": "fixed", "edges": [1, 2]}, "four rising numbers"),
     ({"method": "fixed"}, "None are not"), ({"method": "fixed", "edges": [1, 1, 2, 3]}, "four rising")],
)  # fmt: skip
def test_wrong_arguments_are_named(wrong, told):
    with pytest.raises(RfmError, match=told):
        score(pd.Series([1.0, 2.0]), **wrong)
    with pytest.raises(RfmError, match="missing or infinite"):
        score(pd.Series([1.0, np.nan]))
    with pytest.raises(RfmError, match="four rising numbers"):
        rfm.parse_edges("7, thirty")


def test_digits_are_put_together():
    table = pd.DataFrame({"recency_days": [0, 9], "frequency": [4, 1], "monetary": [9.0, 200.0]}, index=[7, 8])
    found = rfm.scores(table, method="fixed", edges=EDGES)
    assert found.loc[7].to_dict() == {"r": 5, "f": 4, "m": 2, "code": "542", "total": 11}
    assert found.loc[8, "code"] == "115"
    assert rfm.scores(table.head(0)).attrs["reason"] == "nothing to show"


def test_the_usual_recipes_tear_equal_customers_apart_or_stop():
    found = rfm.traps(pd.Series([1] * 6 + [2, 3, 4, 5])).set_index("recipe")
    assert "stops with an error" in found.loc["qcut into 5", "what_happens"]
    assert found.loc["rank 'first', then qcut", "torn_customers"] == 6
    assert found.loc["mid-ranks (here)", "torn_customers"] == 0
    assert found.loc["qcut, duplicate edges dropped", "scores_used"] < 5
    assert rfm.traps(pd.Series(dtype=float)).empty and len(rfm.traps(pd.Series([4.0]))) == 4


# named segments


def test_each_of_the_125_cells_is_in_exactly_one_segment():
    cells = pd.DataFrame(list(product(range(1, 6), repeat=3)), columns=["r", "f", "m"])
    value = (cells["f"] + cells["m"] + 1) // 2
    fits = [cells["r"].between(*r) & value.between(*v) for _, r, v, _ in rfm.SEGMENTS]
    assert (sum(f.astype(int) for f in fits) == 1).all()
    expected = sum(f * (i + 1) for i, f in enumerate(fits)) - 1
    assert rfm.named(cells).tolist() == [rfm.SEGMENTS[i][0] for i in expected]


def test_every_rule_has_a_name_and_an_action():
    rules = rfm.rules()
    assert rules["segment"].is_unique and (rules["to_do"].str.len() > 20).all()
    assert rules.set_index("segment").loc["champions", "recency_score"] == "4 to 5"


def test_sizes_add_up_and_small_segments_are_hidden():
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"recency_days": rng.integers(0, 90, 400), "frequency": rng.integers(1, 9, 400)})
    table["monetary"] = rng.gamma(1, 100, 400) - 5
    segments = rfm.named(rfm.scores(table))
    whole = rfm.segment_sizes(table, segments, min_cell=1)
    assert whole["customers"].sum() == 400 and whole["sales_share"].sum() == pytest.approx(1)
    hidden = rfm.segment_sizes(table, segments, min_cell=25)
    assert hidden["customers"].isna().sum() >= 2 and hidden["customers"].dropna().min() >= 25
    assert rfm.segment_sizes(table.head(0), segments, min_cell=1).empty
    name, share = rfm.largest(whole)
    assert share.value == pytest.approx((segments == name).mean()) == whole["customer_share"].max()
    assert rfm.largest(whole.head(0))[1].reason


def test_the_summary_shows_ties():
    table = pd.DataFrame({"frequency": [1] * 30 + [2] * 10, "monetary": np.arange(40.0)})
    found = rfm.summary(table, min_cell=10).set_index("measure")
    assert found.loc["frequency"].tolist() == [1, 1, 1.25, 1, 0.75]
    assert pd.isna(found.loc["monetary", "most_common"]) and found.loc["monetary", "median"] == 19.5
    assert rfm.summary(table.head(3), min_cell=10).attrs["reason"] == "fewer than 10 customers"


def test_grid_side_by_side_and_agreement():
    table = pd.DataFrame({"recency_days": range(100), "frequency": range(100), "monetary": np.arange(100.0)})
    scored = rfm.three_scorings(table, edges=EDGES)
    assert rfm.grid(scored["quantile"], min_cell=5).loc[5, 1] == 20
    assert rfm.grid(scored["quantile"], min_cell=21).isna().all(axis=None)
    assert rfm.grid(scored["quantile"], min_cell=1).sum(axis=None) == 100
    assert rfm.grid(scored["quantile"].head(0), min_cell=1).empty
    few = rfm.grid(pd.DataFrame({"r": [5, 5, 1], "f": [1, 1, 2]}), min_cell=1)
    assert few.shape == (5, 5) and few.stack().dropna().to_dict() == {(5, 1): 2, (1, 2): 1}
    beside = rfm.side_by_side(scored, min_cell=1)
    assert (beside.filter(like="score_").sum(axis=1) == 100).all() and len(beside) == 9
    assert rfm.agreement({"a": scored["quantile"], "b": scored["quantile"]}).loc[0, "same_segment_share"] == 1
    assert rfm.agreement({"a": table.head(0)}).empty and rfm.side_by_side({"a": table.head(0)}, min_cell=1).empty


def test_rank_correlation_by_hand():
    assert rfm.rank_correlation(pd.Series([1, 2, 3, 4]), pd.Series([1, 2, 4, 3])) == pytest.approx(0.8)
    assert rfm.rank_correlation(pd.Series([1, 1]), pd.Series([1, 2])) is None


# ends of the rules, ties, what is not there


def test_the_recipes_by_hand():
    # by rank: 1 1 | 1 1 | 1 1 | 2 3 | 4 5, so the six ones get three scores; quantiles: 1, 1, 1, 1.4, 3.2, 5
    found = rfm.traps(pd.Series([1] * 6 + [2, 3, 4, 5])).set_index("recipe")
    assert found["torn_customers"].fillna(-1).tolist() == [-1, 0, 6, 0]
    assert found["scores_used"].fillna(-1).tolist() == [-1, 3, 5, 3]
    words = ["equal customers, equal scores; 3 scores in place of 5", "equal customers get different scores"]
    assert found["what_happens"].tolist()[1:] == [*words, words[0]]
    whole = rfm.traps(pd.Series(range(10)))
    assert set(whole["what_happens"]) == {"equal customers, equal scores"} and whole["scores_used"].eq(5).all()
    assert rfm.traps(pd.Series(dtype=float)).attrs["reason"] == "nothing to show"


def test_the_summary_by_hand():
    table = pd.DataFrame({"frequency": [3, 3, 1, 1, 9]})
    found = rfm.summary(table, min_cell=2)
    assert found.iloc[0].tolist() == ["frequency", 1, 3, 3, 1, 0.4]  # of equally common values the smaller
    assert rfm.summary(table, min_cell=3).iloc[0, 1:].fillna(-1).tolist() == [1, 3, 3, -1, -1]
    assert len(rfm.summary(table, min_cell=5)) == 1 and rfm.summary(table, min_cell=6).empty
    assert rfm.summary(table.head(0), min_cell=1).attrs["reason"] == "nothing to show"


def test_sizes_by_hand():
    table = pd.DataFrame(
        {"recency_days": [0, 2, 9, 9], "frequency": [5, 3, 1, 1], "monetary": [60.0, 30.0, -9.0, 10.0]}
    )
    segments = pd.Series(["champions", "champions", "hibernating", "hibernating"])
    found = rfm.segment_sizes(table, segments, min_cell=2)
    assert list(found)[2:] == ["customer_share", "mean_recency_days", "mean_frequency", "mean_monetary", "sales_share"]
    expected = [["champions", 2, 0.5, 1, 4, 45, 0.9], ["hibernating", 2, 0.5, 9, 1, 0.5, 0.1]]
    assert found.to_numpy().tolist() == expected
    assert rfm.largest(found)[0] == "champions" and rfm.largest(found)[1].value == 0.5
    hidden = rfm.segment_sizes(table, segments, min_cell=3)
    assert rfm.largest(hidden) == ("no segment", Estimate.missing("every segment is too small to show"))
    free = rfm.segment_sizes(table.assign(monetary=-1.0), segments, min_cell=1)
    assert "sales_share" not in free and "sales_share" not in rfm.segment_sizes(
        table.drop(columns="monetary"), segments, min_cell=1
    )
    cents = rfm.segment_sizes(table.assign(monetary=[0.25, 0.25, 0, 0]), segments, min_cell=1)
    assert cents["sales_share"].tolist() == [1, 0]


def test_small_counts_beside_each_other_are_hidden_and_zeros_are_not():
    scored = {"a": pd.DataFrame({"r": [1, 1, 1, 2, 2, 5]}), "none": pd.DataFrame()}
    found = rfm.side_by_side(scored, min_cell=2)
    assert found.fillna(-1).to_numpy().tolist() == [["a", "recency_days", 3, 2, 0, 0, -1]]
    assert rfm.side_by_side({}, min_cell=2).attrs["reason"] == "nothing was scored"


def test_agreement_by_hand():
    a = pd.DataFrame({"r": [5, 1, 3], "f": [5, 1, 3], "m": [5, 1, 3], "total": [15, 3, 9]})
    b = pd.DataFrame({"r": [5, 1, 5], "f": [5, 1, 5], "m": [5, 1, 5], "total": [15, 3, 15]})
    found = rfm.agreement({"a": a, "none": a.head(0), "b": b, "c": a})
    assert found[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert found["same_segment_share"].tolist() == pytest.approx([2 / 3, 1, 2 / 3])
    assert found["rank_correlation"].tolist() == pytest.approx([0.75**0.5, 1, 0.75**0.5])
    assert rfm.agreement({"a": a}).attrs["reason"] == "there is one scoring only"
    assert rfm.agreement({"a": a, "b": missing(["r"], "no orders")}).attrs["reason"] == "no orders"


def test_correlations_of_columns_by_hand():
    ranks = np.array([[1, 6, 2, 10], [2, 4, 2, 20], [3, 2, 2, 30]])
    assert np.allclose(rfm.correlations_with_last(ranks), [1, -1, np.nan], equal_nan=True)
    assert np.isnan(rfm.correlations_with_last(ranks[:, [0, 2]])).all()
    assert rfm.rank_correlation(pd.Series([1, 2]), pd.Series([2, 1])) == pytest.approx(-1)
    assert rfm.rank_correlation(pd.Series([1, 2]), pd.Series([1, 1])) is None
    assert rfm.rank_correlation(pd.Series([1.0, np.nan]), pd.Series([1, 2])) is None
    part = rfm.rank_correlation(pd.Series([1, 2, 3]), pd.Series([1, 3, 2, 9]))  # the fourth is only in one
    assert part == pytest.approx(0.5)


def test_scores_of_engagement_and_of_nothing():
    table = pd.DataFrame({"recency_days": [0, 9], "frequency": [4, 1], "engagement": [9.0, 1.0]}, index=[3, 4])
    found = rfm.scores(table)
    assert list(found) == ["r", "f", "e", "code", "total"] and found["code"].tolist() == ["444", "222"]
    assert rfm.named(found).to_dict() == {3: "champions", 4: "hibernating"}
    assert rfm.scores(table.drop(columns="engagement"))["code"].tolist() == ["44", "22"]
    assert rfm.named(table.head(0)).attrs["reason"] and rfm.named(table.head(0)).name == "segment"
    assert rfm.either(table, found) is table and rfm.either(table.head(0), found) is found


def test_a_cell_of_min_cell_customers_is_shown():
    scored = pd.DataFrame({"r": [5, 5, 1], "f": [1, 1, 2], "m": [4, 4, 4]})
    assert rfm.grid(scored, min_cell=2).stack().dropna().to_dict() == {(5, 1): 2}
    square = rfm.grid(scored, across="m", min_cell=0)
    assert square.index.tolist() == [5, 4, 3, 2, 1] and square.columns.tolist() == [1, 2, 3, 4, 5]
    assert square[4].tolist() == [2, 0, 0, 0, 1]


def test_log_scores_of_a_narrow_range_are_in_the_middle():
    assert score(pd.Series([3.0, 3.0 + 1e-13]), method="log").tolist() == [3, 3]
    assert score(pd.Series([0.0, 0.5]), method="log", low_is_good=True).tolist() == [5, 1]
    assert score(pd.Series([], dtype=float), method="log").empty and score(pd.Series([], dtype=float)).empty


# truth


def test_scores_rank_customers_by_what_they_will_still_order():
    found = []
    for seed in range(1, 5):
        shop = simulate_orders(600, seed=seed)
        total = rfm.scores(rfm.rfm_table(shop.orders, window=shop.window))["total"]
        found.append(rfm.rank_correlation(total, true_value(shop.truth, end=shop.end)))
    assert 0.35 < np.mean(found) < 0.55 and min(found) > 0.25
