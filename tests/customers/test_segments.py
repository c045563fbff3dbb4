"""Features against pandas, preparation by hand, profiles, advice, and the truth of simulated shops."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import clusters as c
from helpers.customers import measures as m
from helpers.customers import segments as s
from helpers.customers.clusters import Prepared, Verdict
from helpers.customers.segments import SegmentsError
from helpers.findings import missing
from helpers.simulate import simulate_customers

WINDOW = ("2017-11-25", "2017-12-03")
DAYS = pd.date_range("2017-11-24", "2017-12-04")  # one day too many on either side

EVENT = st.tuples(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.sampled_from(["pv", "pv", "fav", "cart", "buy"]),
    st.integers(0, 10), st.integers(0, 23),
)  # fmt: skip
LINE = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 9), st.integers(0, 10))


def as_log(rows: list[tuple]) -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "category_id", "behavior", "day", "hour"])
    return log.assign(day=DAYS[log["day"].astype(int)])


def as_orders(rows: list[tuple]) -> pd.DataFrame:
    lines = pd.DataFrame(rows, columns=["order_id", "user_id", "quantity", "unit_price", "day"])
    return lines.assign(day=DAYS[lines["day"].astype(int)], discount=lines["unit_price"] * 0.25)


def table(rows: list[tuple], orders: list[tuple] | None = None) -> pd.DataFrame:
    lines = None if orders is None else ibis.memtable(as_orders(orders))
    return m.user_table(m.features(ibis.memtable(as_log(rows)), window=WINDOW, orders=lines))


# features


def test_features_by_hand():
    rows = [(7, 1, 1, "pv", 1, 3), (7, 2, 1, "pv", 1, 9), (7, 2, 1, "buy", 8, 21), (7, 3, 2, "cart", 10, 1)]
    user = table(rows, orders=[(1, 7, 2, 10, 8), (1, 7, 1, 20, 8), (2, 7, 9, 99, 10)]).loc[7]
    expected = {
        "recency_days": 1, "active_days": 2, "actions": 3, "pv": 2, "cart": 0, "buy": 1, "items": 2, "categories": 1,
        "buy_rate": 0.5, "night_share": 1 / 3, "actions_per_day": 1.5, "orders": 1, "pieces": 3, "list_amount": 40,
        "discount_amount": 7.5, "spend": 32.5, "discount_share": 7.5 / 40, "average_price": 40 / 3,
    }  # fmt: skip
    assert {name: user[name] for name in expected} == pytest.approx(expected)


def oracle(log: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """The same features the pandas way."""
    log, lines = (t[t["day"].between(*map(pd.Timestamp, WINDOW))] for t in (log, lines))
    users, kinds = log.groupby("user_id"), pd.crosstab(log["user_id"], log["behavior"])
    kinds = kinds.reindex(columns=["pv", "fav", "cart", "buy"], fill_value=0)
    kinds["recency_days"] = (pd.Timestamp(WINDOW[1]) - users["day"].max()).dt.days
    kinds["active_days"], kinds["items"] = users["day"].nunique(), users["item_id"].nunique()
    kinds["buy_rate"] = (kinds["buy"] / kinds["pv"]).where(kinds["pv"] > 0)
    kinds["night_share"] = users["hour"].apply(lambda h: (h <= 5).mean())
    listed = (lines["quantity"] * lines["unit_price"]).groupby(lines["user_id"]).sum()
    off = lines.groupby("user_id")["discount"].sum()
    listed, off = listed.reindex(kinds.index), off.reindex(kinds.index)
    return kinds.assign(spend=listed - off, discount_share=off / listed)


@settings(max_examples=25, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=40), st.lists(LINE, min_size=1, max_size=8))
def test_features_agree_with_pandas(rows, orders):
    expected = oracle(as_log(rows), as_orders(orders))
    found = table(rows, orders)[expected.columns]
    pd.testing.assert_frame_equal(found.astype(float), expected.astype(float), check_names=False)


def test_without_orders_there_is_no_money():
    users = table([(1, 1, 1, "pv", 2, 3)])
    assert "spend" not in users.columns
    prepared = s.prepare(users, columns="spend, pv")
    assert prepared.steps["reason"].tolist() == ["this study has no orders", "the same for all users"]


def test_dictionary_explains_every_column_shown():
    explained = s.dictionary(table([(1, 1, 1, "buy", 2, 3), (2, 1, 1, "pv", 2, 3)]))
    assert explained.set_index("column").loc["buy_rate", "known_share"] == 0.5
    assert s.dictionary(table([(1, 1, 1, "pv", 0, 3)])).attrs["reason"] == "no user in the window"


# preparation


def test_counts_are_logged_and_scaled_by_hand():
    users = pd.DataFrame({"pv": [0.0, np.e - 1, np.e**2 - 1]})
    assert s.prepare(users, columns=["pv"]).z["pv"].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert s.prepare(users, columns=["pv"], scale="robust").z["pv"].tolist() == pytest.approx([-1, 0, 1])
    assert s.prepare(users, columns=["pv"], log=False, scale="none").z["pv"].tolist() == users["pv"].tolist()


def test_a_feature_that_is_used_has_no_reason_against_it():
    steps = s.prepare(pd.DataFrame({"pv": [0, 1, 3], "buy": [2, 2, 2]}), columns="pv, buy").steps
    assert steps["used"].tolist() == [True, False] and steps["reason"].tolist() == ["", "the same for all users"]


@pytest.mark.parametrize(
    ("views", "reason"),
    [
        ([1, 5], ""),
        ([3, 3], "no feature differs between users"),
        ([3], "1 user in the window: clusters need more"),
        ([], "0 users in the window: clusters need more"),
    ],
)
def test_why_there_is_nothing_to_cluster(views, reason):
    assert s.prepare(pd.DataFrame({"pv": views}, dtype=float), columns="pv").reason == reason


def test_ratios_move_to_the_average_by_hand():
    # all together 6 of 60: 0.1; with 20 views of the average each: 2 of 20, 3 of 30, 7 of 70 → all 0.1
    users = pd.DataFrame({"cart": [0, 1, 5], "pv": [0, 10, 50], "cart_rate": [None, 0.1, 0.1]})
    assert s.prepare(users, columns="cart_rate").steps["reason"].tolist() == ["the same for all users"]
    users["cart"] = [0, 6, 0]
    z = s.prepare(users, columns="cart_rate", scale="none").z["cart_rate"]
    assert np.exp(z).tolist() == pytest.approx([0.1, (6 + 2) / 30, 2 / 70])


def test_robust_scale_of_a_mostly_empty_column_is_finite():
    users = pd.DataFrame({"fav": [0] * 9 + [5]})
    assert np.isfinite(s.prepare(users, columns="fav", scale="robust").z.to_numpy()).all()


@pytest.mark.parametrize("wrong", [{"columns": "pv, spent"}, {"scale": "minmax"}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(SegmentsError, match=r"'spent' is not a feature|'minmax' is not known"):
        s.prepare(pd.DataFrame({"pv": [1, 2]}), **wrong)


# profiles

Z = pd.DataFrame({"active_days": [1.0] * 6 + [-1.0] * 4, "buy_rate": [0.2] * 6 + [-0.3] * 4})
PREPARED, LABELS = Prepared(Z, pd.DataFrame()), pd.Series([0] * 6 + [1] * 4)
USERS = pd.DataFrame({"active_days": [9] * 6 + [1] * 4, "buy": [1] * 10, "pv": [10] * 6 + [0] * 4})


def test_names_and_advice_follow_the_declared_rules():
    assert s.names(PREPARED, LABELS).tolist() == ["frequent", "rare"]
    to_do = s.advice(s.centres(PREPARED, LABELS, min_cell=1))["to_do"]
    assert to_do[0].startswith("Keep them") and to_do[1].startswith("One cheap reason")


def test_equal_names_are_told_apart_and_dull_ones_are_average():
    dull = Prepared(Z * 0.1, pd.DataFrame())
    assert s.names(dull, LABELS).tolist() == ["average", "average (2)"]
    assert set(s.advice(s.centres(dull, LABELS, min_cell=1))["to_do"]) == {s._NO_RULE}


def test_profile_by_hand():
    users = USERS.assign(buy_rate=None)
    shown = s.profile(users, PREPARED, LABELS, min_cell=1, columns=["active_days", "buy_rate"])
    assert shown["users"].tolist() == [6, 4] and shown["user_share"].tolist() == [0.6, 0.4]
    assert shown["active_days"].tolist() == [9, 1]
    assert shown["buy_rate"][0] == pytest.approx(0.1) and pd.isna(shown["buy_rate"][1])


def test_small_segments_are_hidden():
    shown = s.profile(USERS, PREPARED, LABELS, min_cell=5)
    assert shown["users"].isna().all()  # the larger one is hidden with it: the total is known
    assert s.centres(PREPARED, LABELS, min_cell=5).index.tolist() == ["frequent"]
    assert s.centres(PREPARED, LABELS, min_cell=9).attrs["reason"]


def test_without_clusters_all_users_are_one_group():
    labels = s.segment(PREPARED, k=None, seed=1)
    assert s.profile(USERS, PREPARED, labels, min_cell=1)["segment"].tolist() == ["all users"]
    assert s.advice(s.centres(PREPARED, labels, min_cell=1)).attrs["reason"] == "all users are one group"


def test_nothing_shown_holds_a_user_id():
    for shown in (s.profile(USERS, PREPARED, LABELS, min_cell=1), s.centres(PREPARED, LABELS, min_cell=1)):
        assert "user_id" not in shown.columns and "user_id" not in shown.index.names


# truth


def test_confusion_by_hand():
    true = pd.Series(["x"] * 5 + ["y"] * 5)
    found = s.confusion(LABELS.map({0: "a", 1: "b"}), true, min_cell=2)
    assert found.loc["x"].fillna(-1).tolist() == [1, -1]
    assert found.loc["y"].fillna(-1).tolist() == [-1, 0.8]  # the one user of y in a stays blank


def test_real_data_have_no_truth():
    true = s.true_segments(missing(["truth"], "these are not simulated data"))
    assert "not simulated" in c.agreement(LABELS, true, seed=1).reason
    assert "not simulated" in c.ceiling(PREPARED, true, seed=1).reason
    assert "not simulated" in s.confusion(LABELS, true, min_cell=1).attrs["reason"]


def shop(seed: int, *, segments: bool) -> Prepared:
    return s.prepare(simulate_customers(500, segments=segments, seed=seed).set_index("user_id"))


def test_no_clusters_in_shops_without_segments():
    rates = c.error_rates(lambda k: shop(k, segments=False), seeds=range(4), ks=[2, 3], on=400, boots=5)
    assert rates["clusters"].tolist() == [0]


def test_true_segments_are_found_in_the_shop():
    customers = simulate_customers(1_000, segments=True, seed=3).set_index("user_id")
    prepared = s.prepare(customers)
    k = c.verdict(c.compare(prepared, seed=3, ks=[3, 4, 5], on=400, boots=5)).k
    found = c.agreement(s.segment(prepared, k=k, seed=3), customers["segment"], seed=3)
    told = c.ceiling(prepared, customers["segment"], seed=3)
    assert k == 4 and found.value > 0.8 and told.value > found.value


def test_verdict_and_segments_beside_the_truth():
    rng = np.random.default_rng(1)
    true = pd.Series(rng.permutation(["a", "b"] * 100))
    z = pd.DataFrame(rng.standard_normal((200, 2)) + 9 * (true == "a").to_numpy()[:, None])
    said, prepared = Verdict(2, "2 clusters", pd.DataFrame()), Prepared(z, pd.DataFrame())
    graded = s.against_truth(said, prepared, s.segment(prepared, k=2, seed=1), true, seed=1)
    assert graded["estimate"].tolist() == pytest.approx([2, 1, 1]) and graded["covered"].all()


def test_one_population_is_zero_clusters():
    said, one = Verdict(None, "No clusters", pd.DataFrame()), pd.Series(["none"] * 10)
    graded = s.against_truth(said, PREPARED, s.segment(PREPARED, k=None, seed=1), one, seed=1)
    assert graded[["estimate", "truth", "covered"]].to_numpy().tolist() == [[0, 0, True]]


def test_agreements_say_why_a_number_is_missing():
    rows = c.agreements(LABELS, {"itself": LABELS, "nobody": pd.Series(dtype=float)}, seed=1).set_index("compared_with")
    assert rows.loc["itself", "ari"] == 1 and rows.loc["itself", "users"] == 10
    assert pd.isna(rows.loc["nobody", "ari"]) and "no user" in rows.loc["nobody", "reason"]


def test_tags_are_words_beside_the_numbers():
    users = ibis.memtable({"user_id": [0, 1], "gender": ["female", None], "city_tier": [1, 2]})
    table = s.tagged(PREPARED, users)
    assert table.loc[[0, 1, 9], "gender"].tolist() == ["female", "not stated", "not stated"]
    assert table["city_tier"].iloc[1] == "2" and s.tagged(PREPARED, None) is PREPARED.z


def test_no_leading_segment_without_segments():
    one = pd.DataFrame({"segment": ["all users"], "users": [9], "buy": [2.0]})
    assert s.leading(one)[1].reason and s.leading(one.drop(columns="buy"))[1].reason


# ends of the rules, ties, what is not there


def test_dictionary_by_hand():
    row = s.dictionary(pd.DataFrame({"buy": [2, 0, None, 1], "colour": 1})).iloc[0]
    assert row[["column", "unit", "mean", "known_share"]].tolist() == ["buy", "actions", 1.0, 0.75]
    assert s.dictionary(pd.DataFrame({"colour": [1]})).attrs["reason"] == "no user in the window"


def test_only_features_of_orders_are_missed_for_want_of_orders():
    steps = s.prepare(pd.DataFrame({"pv": [1.0, 2.0]}), columns="pv, night_share, orders, average_price").steps
    assert steps["reason"].tolist() == ["", "not in this table", *["this study has no orders"] * 2]
    assert steps["treatment"].tolist() == ["ln(1 + x)", "none", "none", "none"] and steps["used"].sum() == 1


@pytest.mark.parametrize(("carts", "views"), [([0, 0], [5, 9]), ([3, 4], [0, 0])])
def test_a_ratio_of_nothing_is_not_treated(carts, views):
    users = pd.DataFrame({"cart": carts, "pv": views, "cart_rate": [0.1, 0.2]})
    assert s.prepare(users, columns="cart_rate").steps.iloc[0].tolist() == [
        "cart_rate", "none", False, "the same for all users"
    ]  # fmt: skip
    users = pd.DataFrame({"cart": [1, 0], "pv": [0.5, 0.5], "cart_rate": [2.0, 0.0]})  # one of each is enough
    assert s.prepare(users, columns="cart_rate").steps["treatment"].tolist() == [
        "ln of the ratio, with 20 × the average"
    ]


def test_a_ratio_without_its_parts_is_a_number_like_others():
    users = pd.DataFrame({"cart": [1, 0], "cart_rate": [1.0, 0.0], "active_days": [1, 2]})
    assert s.prepare(users, columns="cart_rate, cart_rate", scale="none").z["cart_rate"].tolist() == [np.log(2), 0]
    shown = s.profile(users, Prepared(users, pd.DataFrame()), pd.Series([0, 1]), min_cell=1, columns=["cart_rate"])
    assert sorted(shown["cart_rate"]) == [0, 1]


def test_raw_columns_miss_nothing_and_a_small_spread_is_one():
    users = pd.DataFrame({"fav_rate": [None, 0.2, 0.4], "fav": [0, 1, 2], "pv": [0, 5, 5]})
    prepared = s.prepare(users, columns="fav_rate", log=False, scale="none")
    assert prepared.z["fav_rate"].tolist() == [0, 0.2, 0.4] and prepared.steps["treatment"][0] == "raw, missing = 0"
    missing_is_0 = s.prepare(pd.DataFrame({"spend": [None, 1.0]}), columns="spend", scale="none").z["spend"]
    assert missing_is_0.tolist() == [0, np.log(2)]
    parts = pd.DataFrame({"fav": [None, 3.0, 1.0], "pv": [4.0, 4.0, None], "fav_rate": 0.0})  # 4 of 8: 0.5
    z = s.prepare(parts, columns="fav_rate", scale="none").z["fav_rate"]
    assert np.exp(z).tolist() == pytest.approx([10 / 24, 13 / 24, 11 / 20])


def named(**means: float) -> str:
    """The name of the first of two groups of equal size whose means are these and their negatives."""
    z = pd.DataFrame({c: [v, v, -v, -v] for c, v in means.items()})
    return s.names(Prepared(z, pd.DataFrame()), pd.Series([0, 0, 1, 1]))[0]


def test_names_by_hand():
    assert named(active_days=0.5, buy_rate=-0.5) == "frequent, rarely buys"
    assert named(active_days=0.49) == "average" and named(pieces=0.9) == "high pieces"
    assert named(pieces=-0.9, orders=0.6, spend=0.7) == "low pieces, high spend"  # the two largest, as they stand


@pytest.mark.parametrize(
    ("means", "begins"),
    [
        ({"discount_share": 0.5, "buy_rate": -1}, "Test a smaller discount"),
        ({"cart_rate": 0.5, "buy_rate": -0.5}, "Ask why carts"),
        ({"cart_rate": 0.5, "buy_rate": -0.4}, "The usual programme"),
        ({"cart_rate": 0.4, "buy_rate": -0.5}, "Help them decide"),
        ({"active_days": 0.5}, "Keep them"),
        ({"active_days": -0.5}, "One cheap reason"),
        ({"spend": 3.0}, "The usual programme"),
    ],
)
def test_the_first_rule_that_fits_gives_the_advice(means, begins):
    assert s.advice(pd.DataFrame([means], index=["x"]))["to_do"][0].startswith(begins)


def test_a_segment_of_min_cell_users_is_shown():
    assert s.centres(PREPARED, LABELS, min_cell=4).index.tolist() == ["frequent", "rare"]
    assert s.centres(PREPARED, LABELS, min_cell=6).index.tolist() == ["frequent"]
    shown = s.centres(PREPARED, LABELS, min_cell=1)
    assert shown.to_numpy().tolist() == [[1.0, pytest.approx(0.2)], [-1.0, pytest.approx(-0.3)]]
    assert s.profile(USERS, PREPARED, LABELS, min_cell=4)["users"].tolist() == [6, 4]


def test_segments_of_one_size_are_ordered_by_name():
    z = pd.DataFrame({"active_days": [-1.0] * 5 + [1.0] * 5})
    shown = s.profile(USERS, Prepared(z, pd.DataFrame()), pd.Series([0] * 5 + [1] * 5), min_cell=1)
    assert shown["segment"].tolist() == ["frequent", "rare"] and shown["user_share"].tolist() == [0.5, 0.5]
    assert s.profile(USERS.head(0), PREPARED, LABELS, min_cell=1).attrs["reason"] == "no user in the window"


def test_too_few_users_for_so_many_segments_are_one():
    assert s.segment(PREPARED, k=2, seed=1).tolist() == [0] * 6 + [1] * 4
    assert set(s.segment(Prepared(Z, pd.DataFrame(), "a reason"), k=2, seed=1)) == {0}
    assert set(s.segment(Prepared(Z.head(2), pd.DataFrame()), k=3, seed=1)) == {0}


@pytest.mark.parametrize(("buys", "found"), [([0.001, 0.003], ("b", 0.75)), ([0.0, 0.0], ("no segment", None))])
def test_the_leading_segment_by_hand(buys, found):
    shown = pd.DataFrame({"segment": ["a", "b", "hidden"], "users": [9, 9, None], "buy": [*buys, 70.0]})
    name, share = s.leading(shown)
    assert (name, None if share.value is None else round(share.value, 9)) == found


def test_cells_of_min_cell_users_are_shown_beside_the_truth():
    truth = s.true_segments(pd.DataFrame({"user_id": range(10), "segment": ["x"] * 5 + ["y"] * 5}))
    found = s.confusion(LABELS, truth, min_cell=4)
    assert found.fillna(-1).to_numpy().tolist() == [[1, -1], [-1, 0.8]]
    assert s.confusion(LABELS, truth, min_cell=5).fillna(-1).to_numpy().tolist() == [[1, -1], [-1, -1]]
    assert s.confusion(LABELS, truth.head(0), min_cell=1).attrs["reason"] == "no user is in both"


def test_two_groups_found_and_a_method_that_is_told_are_graded_against_one():
    true = pd.Series(["a"] * 6 + ["b"] * 4)
    graded = s.against_truth(Verdict(3, "3 clusters", pd.DataFrame()), PREPARED, LABELS, true, seed=1)
    assert graded["truth"].tolist()[:2] == [2, 1] and graded["covered"].tolist()[:2] == [False, True]
    assert graded.loc[1, ["estimate", "ci_low", "ci_high"]].tolist() == [1, 1, 1]
    assert s.against_truth(Verdict(2, "", pd.DataFrame()), PREPARED, LABELS, true.head(0), seed=1).empty


# degenerate logs


@pytest.mark.parametrize(
    "rows",
    [
        [(1, 1, 1, "pv", 0, 3)],  # no user in the window
        [(1, 1, 1, "buy", 2, 3)],  # one user, no view
        [(u, 1, 1, "pv", 2, 3) for u in (1, 2, 3, 4)],  # all alike
        [(1, 1, 1, "pv", 2, 3), (2, 1, 1, "buy", 2, 3)],  # two users
    ],
)
def test_degenerate_logs_end_in_a_reason(rows):
    users = table(rows)
    prepared = s.prepare(users)
    said = c.verdict(c.compare(prepared, seed=1))
    labels = s.segment(prepared, k=said.k, seed=1)
    assert said.k is None and said.reason.startswith("No clusters: ")
    assert len(s.profile(users, prepared, labels, min_cell=1)) == min(len(users), 1)
    assert s.advice(s.centres(prepared, labels, min_cell=1)).empty
    assert c.quality({"raw": prepared}, k=2, seed=1, min_cell=1).attrs.get("reason", "") or len(users) == 2
