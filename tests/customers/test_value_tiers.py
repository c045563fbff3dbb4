"""Concentration, tiers and migration by hand, against brute force, and against the truth of simulated shops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import rfm
from helpers.customers import value_tiers as vt
from helpers.customers.value_tiers import TierError
from helpers.engine import as_table
from helpers.findings import missing
from tests.customers.order_lines import simulate_orders

MONEY = st.lists(st.integers(-5, 20), min_size=1, max_size=40).map(lambda x: pd.Series(x, dtype=float))
CUSTOMERS = st.lists(st.tuples(st.integers(-2, 9), st.integers(0, 4)), min_size=1, max_size=30).map(
    lambda rows: pd.DataFrame(rows, columns=["monetary", "frequency"])
)


# concentration


def best(x: pd.Series, part: float) -> float:
    """Money of the best part, by laying out a thousand pieces of every customer."""
    pieces = np.repeat(np.sort(np.maximum(x, 0))[::-1], 1000)
    return pieces[: round(part * len(pieces))].sum() / pieces.sum()


@settings(max_examples=60, deadline=None)
@given(MONEY.filter(lambda x: x.max() > 0), st.sampled_from([0.1, 0.2, 0.5]))
def test_the_top_share_agrees_with_laying_out_pieces(x, part):
    found = vt.top_share(x, top=part, boots=20, seed=1).value
    assert found == pytest.approx(best(x, part)) and part - 1e-9 <= found <= 1 + 1e-9


def test_the_eighty_twenty_rule_is_computed_not_assumed():
    assert vt.top_share(pd.Series([1.0] * 50), seed=1).value == pytest.approx(0.2)
    assert vt.top_share(pd.Series([100.0] + [0.0] * 99), seed=1).value == 1
    # in a Pareto tail of index 2 the best p hold the square root of p
    tail = pd.Series((1 - (np.arange(100_000) + 0.5) / 100_000) ** -0.5)
    assert vt.top_share(tail, boots=0, seed=1).value == pytest.approx(0.2**0.5, abs=0.005)


def test_the_interval_of_the_top_share_covers_the_true_share():
    # exponential amounts: the best p hold p (1 − ln p)
    truth, rng = 0.2 * (1 - np.log(0.2)), np.random.default_rng(7)
    shares = [vt.top_share(pd.Series(rng.exponential(size=400)), boots=200, seed=i) for i in range(100)]
    assert 88 <= sum(s.covers(truth) for s in shares) <= 100


def test_many_customers_are_drawn_in_groups_with_the_same_result():
    x = pd.Series(np.random.default_rng(1).exponential(size=20_000))
    large = vt.top_share(x, boots=100, seed=1)
    so_far = np.sort(x)[::-1]
    assert large.value == pytest.approx(so_far[:4000].sum() / so_far.sum(), rel=1e-3)
    assert 0.004 < large.ci_high - large.ci_low < 0.02


def test_the_curve_rises_to_one_and_speaks_of_no_few():
    curve = vt.pareto(pd.Series(np.arange(200.0)), min_cell=10)
    assert curve.iloc[0].tolist() == [0, 0, 0] and curve.iloc[-1].tolist() == [1, 1, 200]
    assert curve["customers"].iloc[1] >= 10 and curve["sales_share"].diff().iloc[1:].ge(0).all()
    at = curve.set_index("customers")["sales_share"]
    assert at[100] == pytest.approx(sum(range(100, 200)) / sum(range(200)))


@pytest.mark.parametrize("x", [[], [0.0, 0.0], [-3.0, 0.0]])
def test_without_money_there_is_no_share(x):
    money = pd.Series(x, dtype=float)
    assert vt.top_share(money, seed=1).reason == "nobody paid anything"
    assert vt.pareto(money, min_cell=1).attrs["reason"] == "nobody paid anything"
    assert set(vt.abc(money)) <= {"C"}


def test_few_customers_are_not_shown():
    assert vt.top_share(pd.Series([5.0]), seed=1, min_cell=10).reason == "there are fewer than 10 customers"
    assert vt.pareto(pd.Series([5.0]), min_cell=10).attrs["reason"] == "fewer than 10 customers"


@settings(max_examples=100, deadline=None)
@given(MONEY)
def test_abc_agrees_with_its_definition(x):
    worth = x.clip(lower=0)
    richer = [worth[worth > w].sum() / max(worth.sum(), 1) for w in worth]
    grades = ["A" if r < 0.8 else "B" if r < 0.95 else "C" for r in richer]
    assert vt.abc(x).tolist() == [g if w > 0 else "C" for g, w in zip(grades, worth, strict=True)]


@settings(max_examples=100, deadline=None)
@given(CUSTOMERS)
def test_cva_agrees_with_its_definition(table):
    found, worth = vt.cva(table), table.clip(lower=0)
    v = sum(worth[c] / max(worth[c].sum(), 1) for c in worth).round(12)
    above = [(v > x).sum() / len(v) for x in v]
    grades = ["key" if a < 0.2 else "middle" if a < 0.5 else "low" for a in above]
    assert found.tolist() == [g if x > 0 else "low" for g, x in zip(grades, v, strict=True)]


@settings(max_examples=50, deadline=None)
@given(CUSTOMERS)
def test_currency_order_and_ids_do_not_matter(table):
    found = vt.cva(table)
    assert vt.cva(table.assign(monetary=8 * table["monetary"])).tolist() == found.tolist()
    assert vt.cva(table[::-1])[table.index].tolist() == found.tolist()
    assert vt.abc(8 * table["monetary"]).tolist() == vt.abc(table["monetary"]).tolist()


def test_equal_customers_share_a_tier_and_one_customer_is_key():
    same = pd.DataFrame({"monetary": [3.0] * 5, "frequency": [1] * 5})
    assert set(vt.cva(same)) == {"key"} and set(vt.abc(same["monetary"])) == {"A"}
    assert vt.cva(same.head(1)).tolist() == ["key"] and vt.cva(same.head(0)).empty


def test_sizes_add_up_to_the_shop():
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"monetary": rng.gamma(1, 50, 300) - 3, "frequency": rng.integers(1, 9, 300)})
    both = vt.compare_tiers(table, {"CVA": vt.cva(table), "ABC": vt.abc(table["monetary"])}, min_cell=1)
    for _, sizes in both.groupby("scheme"):
        assert sizes["customers"].sum() == 300
        assert sizes[["customer_share", "sales_share", "order_share"]].sum().tolist() == pytest.approx([1, 1, 1])
    assert vt.tier_sizes(missing(["monetary"], "none"), pd.Series(dtype=object), min_cell=1).attrs["reason"] == "none"


@pytest.mark.parametrize(
    ("call", "told"),
    [(lambda: vt.top_share(pd.Series([1.0]), top=20, seed=1), "top: 20"),
     (lambda: vt.abc(pd.Series([1.0]), a=0.9, b=0.8), "0.9, 0.8"),
     (lambda: vt.cva(pd.DataFrame({"monetary": [1], "frequency": [1]}), key=0.8), "leave no low tier")],
)  # fmt: skip
def test_wrong_arguments_are_named(call, told):
    with pytest.raises(TierError, match=told):
        call()


# two periods


@pytest.mark.parametrize("days", [1, 2, 3, 9, 182])
def test_halves_are_equal_and_end_with_the_window(days):
    start = pd.Timestamp("2017-06-19")
    (a, b), (c, d) = vt.two_periods((start, start + pd.Timedelta(days=days - 1)))
    assert (b - a).days == (d - c).days == days // 2 - 1 or days == 1
    assert d == start + pd.Timedelta(days=days - 1) and c == b + pd.Timedelta(days=1)


def lines(rows: list[tuple]) -> pd.DataFrame:
    """user, day of a four-day window, price → order lines."""
    table = pd.DataFrame(rows, columns=["user_id", "day", "unit_price"]).assign(quantity=1, discount=0.0)
    return table.assign(order_id=range(len(rows)), day=pd.Timestamp("2017-11-25") + pd.to_timedelta(table["day"], "D"))


def test_migration_by_hand():
    rows = [(1, 0, 90.0), (2, 0, 5.0), (3, 1, 4.0), (4, 1, 1.0), (5, 0, 1.0), (1, 2, 1.0), (2, 3, 70.0), (6, 3, 2.0)]
    window = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-11-28"))
    periods = vt.tiers_of_periods(as_table(lines(rows)), window=window)
    assert periods["tier_before"].to_dict() == {1: "key", 2: "middle", 3: "middle", 4: "low", 5: "low", 6: "no order"}
    assert periods["tier_after"].tolist() == ["low", "key", "no order", "no order", "no order", "middle"]


def test_shares_of_moves_by_hand():
    counts = {("key", "key"): 4, ("key", "middle"): 3, ("key", "low"): 2, ("key", vt.NONE): 1}
    counts |= {("low", "key"): 1, ("low", "middle"): 2, ("low", "low"): 3, ("low", vt.NONE): 4, (vt.NONE, "low"): 9}
    pairs = [pair for pair, n in counts.items() for _ in range(n)]
    moves = vt.migration(pd.DataFrame(pairs, columns=["tier_before", "tier_after"]), min_cell=1)
    shares = moves.set_index(["tier_before", "tier_after"])["share"].to_dict()
    assert shares == {pair: n / 10 for pair, n in counts.items() if pair[0] != vt.NONE}
    assert vt.stayed(moves).covers(0.4) and round(vt.stayed(moves).ci_low, 3) == 0.168  # Wilson, 4 of 10


def test_rows_of_the_matrix_add_up_and_small_cells_are_blank():
    shop = simulate_orders(700, seed=3)
    periods = vt.tiers_of_periods(shop.orders, window=shop.window)
    whole = vt.matrix(vt.migration(periods, min_cell=1))
    assert whole.sum(axis=1).tolist() == pytest.approx([1, 1, 1]) and list(whole.columns) == [*vt.TIERS, vt.NONE]
    moves = vt.migration(periods, min_cell=20)
    assert moves["customers"].isna().any() and moves["customers"].dropna().min() >= 20
    key = vt.stayed(vt.migration(periods, min_cell=1))
    assert key.value == whole.loc["key", "key"] and key.ci_low < key.value < key.ci_high


def test_luck_does_not_repeat_in_either_direction():
    # one population, nobody changes: two independent months of the same rates
    rng = np.random.default_rng(5)
    rate = rng.gamma(2, 1, 4000)
    money = [pd.Series(rng.poisson(rate).astype(float)) for _ in range(2)]
    tiers = [vt.cva(pd.DataFrame({"monetary": m, "frequency": m})) for m in money]
    columns = ["tier_before", "tier_after", "money_before", "money_after"]
    periods = pd.concat([*tiers, *money], axis=1, keys=columns)
    kept = vt.regression_to_the_mean(periods, min_cell=1).set_index(["direction", "tier"])["kept_share"]
    assert len(kept) == 6 and kept["forwards", "key"] < 0.85 and kept["forwards", "low"] > 1.2
    assert kept["forwards", "key"] == pytest.approx(kept["backwards", "key"], abs=0.05)


def test_those_who_have_not_left_lose_less_but_lose():
    shop = simulate_orders(2_000, seed=2)
    periods = vt.tiers_of_periods(shop.orders, window=shop.window)
    found = vt.regression_to_the_mean(periods, truth=shop.truth, min_cell=1).set_index(["direction", "tier"])
    kept = found["kept_share"]
    assert kept["forwards", "key"] < kept["forwards, not left", "key"] < 1
    assert found.loc[("forwards, not left", "key"), "customers"] < found.loc[("forwards", "key"), "customers"]


@pytest.mark.parametrize("orders", [None, lines([(1, 3, 5.0)]), lines([(1, 0, 5.0)])])
def test_without_two_halves_there_is_no_migration(orders):
    given_ = orders if orders is None else as_table(orders)
    window = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-11-28"))
    periods = vt.tiers_of_periods(given_, window=window)
    moves = vt.migration(periods, min_cell=1)
    assert periods.attrs["reason"] and moves.attrs["reason"] == periods.attrs["reason"]
    assert vt.matrix(moves).empty and vt.stayed(moves).reason and vt.regression_to_the_mean(periods, min_cell=1).empty


# truth


def test_tiers_agree_with_the_true_rate_and_scores_are_graded():
    found = []
    for seed in range(1, 4):
        shop = simulate_orders(600, seed=seed)
        table = rfm.rfm_table(shop.orders, window=shop.window)
        rate = shop.truth.set_index("user_id")["orders_per_week"]
        found.append(rfm.rank_correlation(vt.cva(table).map({"key": 3, "middle": 2, "low": 1}), rate))
    assert 0.45 < np.mean(found) < 0.65 and min(found) > 0.4
    graded = vt.grade({"f": table["frequency"], "rate": rate}, rate, boots=50, seed=1).set_index("score")
    assert vt.best(graded.reset_index())[0] == "rate" and vt.best(graded.head(0))[1].value is None
    assert graded.loc["rate", "rank_correlation"] == pytest.approx(1)
    assert graded.loc["f", "rank_correlation"] == pytest.approx(rfm.rank_correlation(table["frequency"], rate))
    assert graded.loc["f", "rank_correlation_ci_low"] < graded.loc["f", "rank_correlation"]


def test_true_value_is_zero_for_those_who_left():
    truth = pd.DataFrame({"user_id": [1, 2, 3], "orders_per_week": [0.5, 0.2, 0.1], "left_at": [np.nan, 50, 150]})
    assert vt.true_value(truth, end=100).to_dict() == {1: 0.5, 2: 0.0, 3: 0.1}
    assert vt.true_value(missing(["truth"], "real data"), end=1).attrs["reason"] == "real data"
    assert vt.grade({}, vt.true_value(missing(["truth"], "real data"), end=1), seed=1).attrs["reason"] == "real data"


def test_the_silent_have_left_before_or_within_or_are_still_here():
    periods = pd.DataFrame({"tier_before": ["key"] * 4 + ["low"], "tier_after": [vt.NONE] * 3 + ["key", "low"]})
    day, window = 86_400, ("2017-11-25", "2017-11-28")
    truth = pd.DataFrame({"user_id": range(5), "left_at": [1.9 * day, 2.1 * day, np.nan, 5.0, np.nan]})
    (row,) = vt.silence(periods, truth, window=window, end=4 * day - 1, min_cell=1).to_dict("records")
    assert (row["tier_before"], row["silent"]) == ("key", 3)
    shares = [row[f"{state}_share"] for state in ("gone_before", "gone_within", "still_here")]
    assert shares == pytest.approx([1 / 3] * 3)
    assert (
        vt.silence(periods, truth, window=window, end=4 * day - 1, min_cell=4).attrs["reason"]
        == "too few customers were silent"
    )


def test_most_of_the_silent_key_customers_of_a_simulated_shop_have_left():
    shop = simulate_orders(1_200, seed=8)
    periods = vt.tiers_of_periods(shop.orders, window=shop.window)
    found = vt.silence(periods, shop.truth, window=shop.window, end=shop.end, min_cell=5).set_index("tier_before")
    assert found.loc["key", "gone_before_share"] > found.loc["low", "gone_before_share"]
