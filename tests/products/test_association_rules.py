"""From the log to baskets by hand, labels, the shuffled null, and the planted truth."""

from __future__ import annotations

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import charts
from helpers.findings import show
from helpers.products import association_rules as ar
from helpers.products import bundles
from helpers.products import rules as method
from helpers.simulate import simulate_baskets

SETTINGS = {
    "min_support": 0.002, "min_confidence": 0.1, "max_length": 3, "alpha": 0.05, "correction": "holm", "min_users": 1,
}  # fmt: skip
HOUR = 3600
DAY_ONE, DAY_TWO = date(2017, 11, 25), date(2017, 11, 26)

# user, item, category, behavior, second, day: user 1 buys twice on day one with a pause, once on day two
LOG = [
    (1, 11, 1, "pv", 0, DAY_ONE),
    (1, 11, 1, "buy", 10, DAY_ONE),
    (1, 21, 2, "buy", 1810, DAY_ONE),  # exactly 30 minutes later: the same session
    (1, 31, 3, "buy", 3 * HOUR, DAY_ONE),  # a new session
    (1, 12, 1, "buy", 30 * HOUR, DAY_TWO),
    (2, 21, 2, "cart", 5, DAY_ONE),
    (2, 31, 3, "buy", 6, DAY_ONE),
    (2, 31, 3, "buy", 7, DAY_ONE),
]


def events(rows=LOG) -> ibis.Table:
    columns = ["user_id", "item_id", "category_id", "behavior", "timestamp", "day"]
    schema = dict.fromkeys(columns[:3], "int64") | {"behavior": "string", "timestamp": "int64", "day": "date"}
    return ibis.memtable(pd.DataFrame(rows, columns=columns), schema=schema)


def contents(baskets: pd.DataFrame) -> list[list]:
    return [sorted(part) for _, part in baskets.groupby("basket_id")["item"]]


class Shop:
    """As much of a study as labels need."""

    def __init__(self, categories: dict | None = None, titles: dict | None = None) -> None:
        self.categories, self.titles = categories or {}, titles

    def category_labels(self, ids: pd.Series) -> pd.Series:
        return ids.map(lambda i: self.categories.get(i, f"category {i}"))

    def pseudonyms(self, ids: pd.Series, kind: str) -> pd.Series:
        return ids.map(lambda i: f"{kind} p{i}")

    def has(self, table: str) -> bool:
        return self.titles is not None

    @property
    def items(self) -> ibis.Table:
        return ibis.memtable(pd.DataFrame(self.titles.items(), columns=["item_id", "title"]))


# baskets by hand


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("user_day", [[1, 2, 3], [1], [3]]),
        ("session", [[1, 2], [3], [1], [3]]),
        ("user", [[1, 2, 3], [3]]),
    ],
)
def test_baskets_of_categories(unit, expected):
    assert contents(ar.baskets(events(), unit=unit)) == expected


def test_baskets_of_items():
    assert contents(ar.baskets(events(), level="item")) == [[11, 21, 31], [12], [31]]


def test_baskets_of_items_and_categories():
    both = ar.baskets(events(), level="both")
    assert contents(both)[1] == [1, 12]
    assert both.loc[both["item"] == 12, "parent"].tolist() == [1]


@pytest.mark.parametrize(("behavior", "second"), [("interest", [2, 3]), ("cart", [2]), ("buy", [3])])
def test_behavior_fills_the_basket(behavior, second):
    assert contents(ar.baskets(events(), unit="user", behavior=behavior))[-1] == second


def test_baskets_of_orders():
    lines = [(7, 1, 11, 1), (7, 1, 21, 2), (8, 1, 31, 3)]
    orders = ibis.memtable(pd.DataFrame(lines, columns=["order_id", "user_id", "item_id", "category_id"]))
    assert contents(ar.baskets(events(), orders=orders, unit="order")) == [[1, 2], [3]]


def test_orders_without_the_table_say_why():
    assert "no orders table" in ar.baskets(events(), unit="order").attrs["reason"]


def test_a_period_cuts_the_log():
    assert contents(ar.baskets(events(), before=DAY_TWO)) == [[1, 2, 3], [3]]
    assert contents(ar.baskets(events(), since=DAY_TWO)) == [[1]]


def test_rare_items_leave_but_their_baskets_count():
    few = ar.baskets(events(), min_support=0.5)  # 3 baskets: an item needs 2
    assert few["basket_id"].nunique() == 3
    assert set(few["item"].dropna()) == {1, 3}


def test_the_prefilter_does_not_change_the_itemsets():
    full, few = (ar.baskets(events(), min_support=s) for s in (0, 0.5))
    assert ar.frequent(full, min_support=0.5).equals(ar.frequent(few, min_support=0.5))


def test_ids_beyond_float_precision_stay_exact():
    large = 2**53 + 1
    rows = [(1, large, large, "buy", 1, DAY_ONE), (2, 5, 5, "buy", 1, DAY_ONE), (3, large, large, "buy", 1, DAY_ONE)]
    assert set(ar.baskets(events(rows), min_support=0.5)["item"].dropna()) == {large}


def test_no_raw_user_id_leaves_the_engine():
    rows = [(987_654, 11, 1, "buy", 1, DAY_ONE), (123_456, 11, 1, "buy", 1, DAY_ONE)]
    assert set(ar.baskets(events(rows))["user"]) == {0, 1}


@pytest.mark.parametrize("wrong", [{"unit": "week"}, {"level": "brand"}, {"behavior": "look"}, {"min_support": 2}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(method.RulesError, match=next(iter(wrong))):
        ar.baskets(events(), **wrong)


def test_an_empty_log_flows_through_everything():
    none = ar.named(ar.baskets(events(LOG[:1])), Shop())
    sets = ar.frequent(none, min_support=0.1)
    rules = ar.trusted(none, copies=2, seed=1, **SETTINGS)
    runs = ar.null_runs(none, runs=2, seed=1, **SETTINGS)
    tables = [none, ar.describe(none), sets, ar.popular(sets), ar.conclusions(rules), ar.readable(ar.strongest(rules))]
    tables += [rules, ar.verdict_counts(rules), ar.null_summary(runs), ar.held_out(rules, none, alpha=0.05)]
    assert all("no basket" in show(t).text for t in tables)
    assert ar.first_value(rules, "lift").value is None
    assert ar.first_rule(rules) == ""


def test_one_basket_finishes():
    one = ar.named(ar.baskets(events(LOG[:2])), Shop())
    assert "no two items" in ar.trusted(one, copies=2, seed=1, **SETTINGS).attrs["reason"]


def test_holdout_day_leaves_a_day_on_both_sides():
    days = [ar.holdout_day(date(2017, 11, 1), date(2017, 11, last), share=0.9) for last in (2, 10)]
    assert days == [date(2017, 11, 2), date(2017, 11, 2)]


# labels


def test_labels_replace_ids():
    named = ar.named(ar.baskets(events()), Shop({1: "tea", 2: "milk"}))
    assert contents(named)[0] == ["category 3", "milk", "tea"]


def test_items_get_titles_else_pseudonyms():
    named = ar.named(ar.baskets(events(), level="item"), Shop(titles={11: "green tea"}))
    assert contents(named)[0] == ["green tea", "item p21", "item p31"]


def test_long_and_equal_titles_stay_apart_and_short():
    named = ar.named(ar.baskets(events(), level="item"), Shop(titles={11: "x" * 10_000, 21: "x" * 10_000}))
    labels = named["item"].unique()
    assert len(labels) == 4
    assert max(map(len, labels)) <= 66


def test_a_title_is_cut_to_sixty_characters():
    named = ar.named(ar.baskets(events(), level="item"), Shop(titles={11: "x" * 61, 21: "y" * 60}))
    assert {"x" * 59 + "…", "y" * 60} <= set(named["item"])


def test_a_script_in_a_title_is_shown_as_text():
    baskets = pd.DataFrame({"basket_id": [0, 0, 1, 1], "item": ["<script>", "tea"] * 2})
    rules = ar.confident(ar.frequent(baskets, min_support=0.5), min_confidence=0.5)
    page = show(ar.readable(rules))._repr_html_()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_an_item_and_its_own_category_make_no_rule():
    rows = [(u, 11, 1, "buy", u, DAY_ONE) for u in range(9)] + [(u, 21, 2, "buy", u, DAY_ONE) for u in range(9)]
    both = ar.named(ar.baskets(events(rows), level="both"), Shop({1: "tea", 2: "milk"}))
    sets = {frozenset(s) for s in ar.frequent(both, min_support=0.5)["itemset"]}
    assert frozenset({"any tea", "any milk"}) in sets
    assert frozenset({"item p11", "any milk"}) in sets
    assert frozenset({"item p11", "any tea"}) not in sets


LABELS = {
    "numpy": [np.str_("tea"), np.str_("milk"), np.str_("rice")],
    "numbers": [1, 2, 3],
    "chinese": ["绿茶", "牛奶", "大米"],
    "long": ["x" * 10_000, "y" * 10_000, "x" * 9_999 + "z"],
    "markup": ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td>"],
    "formulas": ["$\\frac{", "_tea", "=1+1"],
}


def every_table_and_chart(named: pd.DataFrame, truth: pd.DataFrame) -> tuple[list, list]:
    """All that notebook 40 makes of its baskets."""
    sets = ar.frequent(named, min_support=0.05)
    how = {"max_length": 3, "alpha": 0.05, "correction": "holm"}
    tested = ar.tested(ar.confident(sets, min_confidence=0.1), sets, **how)
    settings = how | {"min_support": 0.05, "min_confidence": 0.1, "min_users": 1}
    good = ar.trusted(named, copies=5, seed=1, **settings)
    top, compared = ar.strongest(good), compare(truth, named, good)
    lines = named.assign(user=named["basket_id"], price=20.0, margin=8.0)
    offers = bundles.worth(lines, top, discount=0.1)
    tables = [ar.popular(sets), ar.conclusions(tested), ar.readable(ar.verdicts(tested)), ar.verdict_counts(tested)]
    tables += [ar.readable(good), ar.readable(ar.held_out(good, named, alpha=0.05)), compared, offers]
    ends = {"low": "confidence_ci_low", "high": "confidence_ci_high", "title": "", "x_label": ""}
    words = {"title": "", "x_label": "", "y_label": ""}
    sides = {"source": "if", "target": "then", "weight": "lift", "title": ""}
    sides |= {"source_label": "", "target_label": "", "weight_label": ""}
    drawn = [charts.bars(tables[0], x="items", y="support", horizontal=True, **words)]
    drawn += [charts.points(ar.pictured(tested, seed=1), x="lift", y="confidence", group="verdict", **words)]
    drawn += [charts.network(ar.readable(top, ["lift"]), **sides), charts.heatmap(ar.matrix(good), unit="", **words)]
    return tables, [*drawn, charts.intervals(compared, label="if", value="confidence", **ends)]


@pytest.mark.parametrize("kind", LABELS)
def test_any_label_passes_every_table_and_chart(kind):
    a, b, c = LABELS[kind]
    rows = [(k, i) for k in range(200) for i in ((a, b) if k % 2 else (c,) if k % 4 else (a, c))]
    baskets = pd.DataFrame(rows, columns=["basket_id", "item"]).astype({"item": object})
    pair = pd.DataFrame({"kind": ["planted"], "antecedent": [str(b)], "consequent": [str(a)]})
    tables, drawn = every_table_and_chart(baskets, pair.assign(confidence=1.0, lift=1.5))
    assert all(len(t) for t in tables)
    pages = [show(t)._repr_html_() for t in tables] + [chart.svg() for chart in drawn]
    assert all(mark not in page for page in pages for mark in ("<script", "<img", "onerror=alert(1)>"))
    assert tables[6]["found"].all()
    assert tables[4]["if"].map(type).eq(str).all()


def test_items_and_own_categories_stay_apart_before_they_have_names():
    rows = [(u, i, c, "buy", u, DAY_ONE) for u in range(9) for i, c in ((11, 1), (21, 2))]
    sets = {frozenset(s) for s in ar.frequent(ar.baskets(events(rows), level="both"), min_support=0.5)["itemset"]}
    assert {"11", "2"} in sets
    assert not any({"11", "1"} <= s or {"21", "2"} <= s for s in sets)


# privacy


def test_a_rule_of_too_few_people_is_not_shown():
    rows = [(1, i, i, "buy", s, date(2017, 11, 1 + s)) for s in range(20) for i in (1, 2)]
    rows += [(u, i, i, "buy", 50, DAY_ONE) for u in range(2, 12) for i in (3, 4)]
    named = ar.named(ar.baskets(events(rows)), Shop())
    found = ar.confident(ar.frequent(named, min_support=0.1, min_users=10), min_confidence=0.5)
    assert {i for t in found["antecedents"] for i in t} == {"category 3", "category 4"}


def test_holdout_figures_of_too_few_people_are_missing():
    pairs = pd.DataFrame({"basket_id": np.repeat(range(6), 2), "item": ["tea", "milk"] * 6})
    rules = ar.confident(ar.frequent(pairs, min_support=0.5), min_confidence=0.5)
    assert ar.held_out(rules, pairs, alpha=0.05, min_users=7)["holdout_confidence"].isna().all()
    assert ar.held_out(rules, pairs, alpha=0.05, min_users=6)["holdout_confidence"].tolist() == [1, 1]


# planted truth


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    from helpers.simulate.catalogue import RULES, STAPLES

    planted = [("planted", a, b, p) for a, b, p in RULES]
    implied = [("implied", "Phone case", "Screen film", 0.13)]
    staples = [(name, share) for name, share in STAPLES]
    decoys = [("decoy", a, b, q) for k, (a, _) in enumerate(staples) for b, q in staples[k + 1 :]]
    table = pd.DataFrame(planted + implied + decoys, columns=["kind", "antecedent", "consequent", "confidence"])
    return table.assign(lift=np.where(table["kind"] == "decoy", 1.0, np.nan))


def compare(truth, baskets, rules) -> pd.DataFrame:
    return ar.against_truth(truth, rules, baskets, unit="order", level="category", behavior="buy")


def test_planted_rules_are_found_and_decoys_rejected(truth):
    wrong, covered = 0, 0
    for seed in range(8):
        baskets = simulate_baskets(5_000, seed=seed)
        rules = ar.trusted(baskets, copies=5, seed=seed, **SETTINGS)
        found = compare(truth, baskets, rules).groupby("kind")[["found", "covered"]].sum()
        assert found.loc["planted", "found"] == 8
        assert found.loc["decoy", "found"] == 0
        wrong += len(ar.unexplained(rules, truth))
        covered += found.loc["decoy", "covered"]
    assert wrong <= 2  # 0.4 expected at most
    assert covered >= 39  # of 48, at 95 % each


def test_nothing_is_found_where_nothing_is_planted():
    found = [ar.trusted(simulate_baskets(3_000, seed=s, planted=False), copies=5, seed=s, **SETTINGS) for s in range(5)]
    assert sum(map(len, found)) == 0


def test_very_large_baskets_alone_make_no_rule():
    rng = np.random.default_rng(4)
    held = rng.random((900, 20)) < np.where(np.arange(900) % 9 == 0, 0.6, 0.05)[:, None]
    row, item = np.nonzero(held)
    baskets = pd.DataFrame({"basket_id": row, "item": item.astype(str)})
    assert len(ar.keep_productive(ar.find_rules(baskets, **SETTINGS))) > 50
    assert len(ar.trusted(baskets, copies=20, seed=1, **SETTINGS)) == 0


def test_more_support_or_confidence_or_correction_leaves_fewer_rules():
    baskets = simulate_baskets(4_000, seed=3)
    base = len(ar.find_rules(baskets, **SETTINGS))
    assert len(ar.find_rules(baskets, **SETTINGS | {"min_support": 0.006})) < base
    assert len(ar.find_rules(baskets, **SETTINGS | {"min_confidence": 0.3})) < base
    productive = [
        len(ar.keep_productive(ar.find_rules(baskets, **SETTINGS | {"correction": c}))) for c in ("none", "bh", "holm")
    ]
    assert productive[0] > productive[1] >= productive[2]


def test_a_higher_alpha_accepts_more():
    baskets = simulate_baskets(2_000, seed=5)
    few, many = (ar.keep_productive(ar.find_rules(baskets, **SETTINGS | {"alpha": a})) for a in (1e-12, 0.5))
    assert len(few) < len(many)


def test_planted_rules_hold_in_later_baskets(truth):
    rules = ar.trusted(simulate_baskets(5_000, seed=11), copies=5, seed=1, **SETTINGS)
    held = ar.held_out(rules, simulate_baskets(3_000, seed=12), alpha=0.05)
    assert ar.share_of(held, "confirmed").value == 1


def test_unexplained_rules_are_named(truth):
    rules = pd.DataFrame(
        {"antecedents": [("Mobile phone",), ("Socks",)], "consequents": [("Screen film",), ("Mouse",)]}
    )
    assert ar.unexplained(rules, truth)["antecedents"].tolist() == [("Socks",)]


def test_real_data_have_no_truth(truth):
    from helpers.findings import missing

    baskets = simulate_baskets(500, seed=1)
    compared = compare(missing(["truth"], "these are not simulated data"), baskets, ar.find_rules(baskets, **SETTINGS))
    assert ar.truth_counts(compared).attrs["reason"] == "these are not simulated data"


def test_a_search_that_grew_too_large_gives_its_advice(monkeypatch):
    monkeypatch.setattr(ar, "MOST_ITEMSETS", 20)
    baskets = simulate_baskets(500, seed=1)
    assert "raise min_support" in ar.frequent(baskets, min_support=0.01).attrs["reason"]
    assert "raise min_support" in ar.null_runs(baskets, runs=2, seed=1, **SETTINGS).attrs["reason"]


# the tables of the page


def test_verdicts_add_up():
    found = ar.find_rules(simulate_baskets(3_000, seed=2), **SETTINGS)
    counts = ar.verdict_counts(found)
    assert counts["rules"].sum() == len(found)
    assert (counts[["may be chance", "adds nothing", "productive"]].sum(axis=1) == counts["rules"]).all()


def test_each_association_is_shown_once():
    baskets = pd.DataFrame({"basket_id": [0, 0, 1, 1, 2], "item": ["a", "b", "a", "b", "a"]})
    rules = ar.confident(ar.frequent(baskets, min_support=0.1), min_confidence=0)
    assert ar.readable(ar.strongest(rules))[["if", "then"]].to_numpy().tolist() == [["b", "a"]]


def test_the_square_shows_both_directions():
    baskets = pd.DataFrame({"basket_id": [0, 0, 1, 1, 2], "item": ["a", "b", "a", "b", "a"]})
    square = ar.matrix(ar.confident(ar.frequent(baskets, min_support=0.1), min_confidence=0))
    assert (square.loc["b", "a"], square.loc["a", "b"]) == (1, pytest.approx(2 / 3))
    assert square.isna().to_numpy().diagonal().all()


def test_the_square_stays_small():
    found = ar.find_rules(simulate_baskets(4_000, seed=3), **SETTINGS | {"correction": "none"})
    assert ar.matrix(found, most=6).shape == (6, 6)
    assert ar.matrix(found.iloc[:0]).attrs["reason"]


def test_both_miners_give_the_same_rules():
    baskets = simulate_baskets(4_000, seed=3)
    tree, bits = (ar.find_rules(baskets, **SETTINGS, miner=m) for m in ("fpgrowth", "bitmaps"))
    assert len(tree) > 20
    assert tree.equals(bits)


def test_basket_choices_say_what_each_leaves():
    table = ar.basket_choices(
        events(), [("user_day", "buy"), ("user", "cart")], level="category", min_support=0, min_users=1
    )
    assert table["baskets"].tolist() == [3, 1]
    assert table["frequent_pairs"].tolist() == [3, 0]


def test_null_summary_by_hand():
    runs = pd.DataFrame({"run": [0, 1, 2], "rules": [9, 2, 4], "positive": 0, "significant": 0, "productive": 0})
    first = ar.null_summary(runs).iloc[0]
    assert (first["real"], first["shuffled_mean"], first["shuffled_highest"]) == (9, 3, 4)


# every table by hand

COUNTS = ["antecedents", "consequents", "count", "antecedent_count", "consequent_count", "baskets"]
RULES = method.with_measures(pd.DataFrame([
    (("a",), ("b",), 4, 5, 8, 20),  # confidence 0.8, lift 2
    (("b",), ("a",), 4, 8, 5, 20),  # 0.5, 2
    (("c",), ("b",), 6, 6, 8, 20),  # 1, 2.5
    (("a", "c"), ("d",), 2, 2, 4, 20),  # 1, 5
    (("e",), ("d",), 1, 1, 4, 20),  # 1, 5
], columns=COUNTS)).assign(length=[2, 2, 2, 3, 2])  # fmt: skip
NONE = RULES.head(0)
NONE.attrs["reason"] = "nothing"


def test_the_strongest_rules_by_hand():
    texts = ar.readable(ar.strongest(RULES), ["lift", "count"]).to_numpy().tolist()
    assert texts == [["a + c", "d", 5, 2], ["e", "d", 5, 1], ["c", "b", 2.5, 6], ["a", "b", 2, 4]]
    assert ar.strongest(RULES, rows=1).index.tolist() == [0] and len(ar.strongest(RULES, rows=3)) == 3
    assert ar.ranked(RULES, by="confidence", rows=3)["count"].tolist() == [6, 2, 1]
    assert ar.ranked(RULES, by="conviction", rows=5)["conviction"].isna().tolist() == [False] * 2 + [True] * 3
    assert ar.ranked(NONE, by="lift").empty and len(ar.ranked(pd.concat([RULES] * 3), by="lift")) == 10
    assert ar.first_rule(ar.strongest(RULES)) == "a + c → d" and ar.first_value(RULES, "lift").value == 2


def test_the_square_by_hand():
    square = ar.matrix(RULES)
    assert square.index.tolist() == list(square.columns) == ["e", "d", "c", "b", "a"]  # by lift, partners beside
    assert square.stack().dropna().to_dict() == {("e", "d"): 1, ("c", "b"): 1, ("b", "a"): 0.5, ("a", "b"): 0.8}
    assert ar.matrix(RULES, most=4).index.tolist() == ["e", "d", "c", "b"]
    assert ar.matrix(RULES, value="lift", most=2).to_numpy()[0].tolist()[1] == 5
    assert ar.matrix(RULES.iloc[3:4]).attrs["reason"] == "no rule of two items"


def test_conclusions_by_hand():
    table = ar.conclusions(RULES)
    assert table.to_numpy().tolist() == [["b", 2, 0.4, 0.9, 2.25], ["d", 2, 0.2, 1, 5], ["a", 1, 0.25, 0.5, 2]]
    assert ar.conclusions(RULES, rows=1)["then"].tolist() == ["b"]
    assert ar.conclusions(NONE).attrs["reason"] == ar.readable(NONE).attrs["reason"] == "nothing"


def test_verdicts_by_hand():
    judged = RULES.assign(significant=[True, True, False, False, True], productive=[True, False, True, False, True])
    words = ["productive", "adds nothing", "may be chance", "may be chance", "productive"]
    assert ar.verdicts(judged)["verdict"].tolist() == words
    assert ar.verdict_counts(judged).to_numpy().tolist() == [[2, 4, 1, 1, 2], [3, 1, 1, 0, 0]]
    assert ar.keep_productive(judged).index.tolist() == [0, 1] and len(ar.keep(judged, "productive")) == 3
    for table in (
        ar.keep_productive(judged),
        ar.keep(judged, "productive"),
        ar.strongest(judged),
        ar.unexplained(judged, PLANTED),
    ):
        assert list(table) == list(judged) and table.index.tolist() == list(range(len(table)))
    bad = judged.assign(productive=False, beyond_size=False)
    assert ar.keep_productive(bad).attrs["reason"] == "no rule passes both tests"
    assert ar.keep(bad, "productive").attrs["reason"] == "no rule is productive"
    assert "sizes of the baskets" in ar.keep(bad, "beyond_size").attrs["reason"]


def test_pictured_rules_are_all_or_a_sample_in_their_order():
    judged = pd.concat([RULES] * 4, ignore_index=True).assign(significant=True, productive=True)
    assert ar.pictured(judged, seed=1, dots=20)["consequent_support"].head(4).tolist() == [0.4, 0.25, 0.4, 0.2]
    few, again = (ar.pictured(judged, seed=1, dots=19) for _ in range(2))
    assert len(few) == 19 and few.equals(again) and few.index.is_monotonic_increasing
    assert ar.pictured(NONE, seed=1).empty


def test_candidates_by_hand():
    sets = pd.DataFrame({"length": [1, 1, 1, 2]})
    table = ar.candidates(sets, max_length=3, alpha=0.5)
    assert table.to_numpy().tolist() == [[2, 6, 3], [3, 3, 1.5]]
    assert "fewer than two" in ar.candidates(sets.head(1), max_length=3, alpha=0.5).attrs["reason"]


def test_sizes_and_favourites_by_hand():
    log = pd.DataFrame(
        {"basket_id": [0, 0, 0, 1, 2, 3], "item": ["a", "b", "c", "a", None, "b"], "user": [7] * 5 + [8]}
    )
    assert ar.describe(log).to_numpy().tolist() == [[4, 2, 3, 5 / 4, 1, 3 / 4]]
    assert ar.sizes(log).tolist() == [3, 1, 0, 1]
    sets = ar.frequent(log, min_support=0.25)
    assert ar.popular(sets, rows=2).to_numpy().tolist() == [["a", 2, 0.5], ["b", 2, 0.5]]
    assert ar.popular(sets, length=2)["items"].tolist() == ["a + b", "a + c", "b + c"]
    assert ar.popular(sets, length=4).attrs["reason"] == "no set of 4 items is frequent enough"
    assert ar.owners(log).tolist() == [7, 7, 7, 8] and ar.owners(log.drop(columns="user")).tolist() == [0, 1, 2, 3]


def test_why_nothing_is_frequent():
    log = pd.DataFrame({"basket_id": [0, 0, 1, 1], "item": list("abcd")})
    assert (
        "2 baskets are too few; a rule has to lie in 3" in ar.frequent(log, min_support=0, min_users=3).attrs["reason"]
    )
    assert ar.frequent(log, min_support=1).attrs["reason"] == "no item is in 2 of the 2 baskets, of 1 users"
    sets = ar.frequent(log, min_support=0.5)
    assert ar.confident(sets, min_confidence=1)["confidence"].tolist() == [1] * 4
    assert "no two items" in ar.confident(sets[sets["length"] == 1], min_confidence=0).attrs["reason"]
    less = pd.DataFrame({"basket_id": [0, 0, 1, 2], "item": list("abab")})
    less = ar.frequent(less, min_support=0.1)
    assert ar.confident(less, min_confidence=0.6).attrs["reason"] == "no rule reaches min_confidence"


def test_a_sweep_of_thresholds_by_hand():
    log = pd.DataFrame({"basket_id": np.repeat(range(10), 2), "item": ["a", "b"] * 5 + ["c", "d"] * 4 + ["e", "f"]})
    table = ar.support_sweep(log, [0.1, 0.4, 0.5, 0.6], **SETTINGS)
    assert table["least_count"].tolist() == [1, 4, 5, 6] and table["itemsets"].tolist() == [9, 6, 3, 0]
    assert table["rules"].tolist() == [6, 4, 2, 0] and table["productive"].tolist()[2:] == [2, 0]


def test_choices_without_a_basket_are_counted_as_none():
    row = ar.basket_choices(events(), [("user", "fav")], level="category", min_support=0, min_users=1).iloc[0]
    assert row[["unit", "behavior", "baskets", "frequent_items", "frequent_pairs"]].tolist() == ["user", "fav", 0, 0, 0]
    assert row[["mean_size", "too_small_share"]].isna().all()


@pytest.mark.parametrize(
    ("first", "last", "share", "day"), [(1, 1, 0.5, 1), (1, 10, 0, 10), (1, 10, 1, 2), (1, 10, 0.25, 8), (1, 2, 0.1, 2)]
)
def test_the_first_day_of_the_later_part(first, last, share, day):
    assert ar.holdout_day(date(2017, 11, first), date(2017, 11, last), share=share) == date(2017, 11, day)


def test_stored_visits_are_the_sessions():
    kept = events().mutate(visit=ibis.ifelse(ibis._.timestamp < HOUR, 0, 1))
    assert contents(ar.baskets(kept, unit="session")) == [[1, 2], [1, 3], [3]]


def test_equal_labels_get_numbers():
    named = ar.named(ar.baskets(events(), level="item"), Shop(titles={11: "tea", 21: "tea", 12: "tea"}))
    assert contents(named)[0] == ["item p31", "tea", "tea (3)"] and contents(named)[1] == ["tea (2)"]


PLANTED = pd.DataFrame({
    "kind": ["planted", "implied", "decoy"], "antecedent": ["a", "b", "d"], "consequent": ["b", "c", "e"],
    "confidence": [0.5, 0.01, 1.0], "lift": [1.5, np.nan, 1.0],
})  # fmt: skip


def test_the_truth_beside_what_was_found_by_hand():
    log = pd.DataFrame({"basket_id": [0, 0, 1, 1, 2, 3], "item": ["a", "b", "b", "c", "a", "z"]})
    table = compare(PLANTED, log, RULES.head(4))
    assert table["confidence"].head(2).tolist() == [0.5, 0.5] and table["lift"].head(2).tolist() == [1, 2]
    assert table["covered"].tolist() == [True, False, False] and pd.isna(table["confidence"][2])
    assert table["found"].tolist() == [True, True, False] and table["true_confidence"].tolist() == [0.5, 0.01, 1]
    counts = [["planted", 1, 1, 1], ["implied", 1, 1, 0], ["decoy", 1, 0, 0]]
    assert ar.truth_counts(table).to_numpy().tolist() == counts


@pytest.mark.parametrize(
    ("unit", "level", "behavior", "known"),
    [
        ("order", "category", "pv", True),
        ("user_day", "category", "buy", True),
        ("user_day", "category", "pv", False),
        ("user", "category", "buy", False),
        ("order", "item", "buy", False),
    ],
)
def test_the_truth_is_about_categories_bought_together(unit, level, behavior, known):
    log = pd.DataFrame({"basket_id": [0, 0], "item": ["a", "b"]})
    table = ar.against_truth(PLANTED, RULES, log, unit=unit, level=level, behavior=behavior)
    assert len(table) == (3 if known else 0)
    assert ar.against_truth(PLANTED, RULES, log.head(0), unit="order", level=level, behavior=behavior).empty


def test_rules_of_items_that_belong_together_are_explained():
    # a – b – c belong together by two links; d and e only by a decoy
    left = ar.unexplained(RULES, PLANTED)
    assert ar.readable(left, [])[["if", "then"]].to_numpy().tolist() == [["a + c", "d"], ["e", "d"]]
    chain = RULES.head(1).assign(antecedents=[("a",)], consequents=[("c",)])
    assert "planted or implied" in ar.unexplained(chain, PLANTED).attrs["reason"]
    assert ar.unexplained(chain, PLANTED.iloc[[1, 0]]).empty and len(ar.unexplained(chain, PLANTED.head(1))) == 1


def test_numbers_for_sentences_by_hand():
    compared = pd.DataFrame({"kind": ["planted"] * 4 + ["decoy"], "found": [True] * 3 + [False] * 2})
    assert ar.share_of(compared, "found", kind="planted").value == 0.75 and ar.share_of(compared, "found").value == 0.6
    assert ar.share_of(compared, "found", kind="implied").reason == "no rows"
    runs = pd.DataFrame({"run": [0, 1, 2], "rules": [9, 2, 5], "positive": [8, 1, 2], "significant": [7, 0, 1]})
    runs = runs.assign(productive=[6, 0, 0])
    assert ar.null_mean(runs, "rules").value == 3.5
    assert ar.null_mean(runs.head(1), "rules").reason == "no shuffled copy was made"
    assert ar.null_mean(runs.head(2), "rules").value == 2
    rows = ar.null_summary(runs)[["real", "shuffled_mean", "shuffled_highest"]].to_numpy().tolist()
    assert rows == [[9, 3.5, 5], [8, 1.5, 2], [7, 0.5, 1], [6, 0, 0]]


def test_what_is_empty_passes_its_reason_on():
    flags = RULES.assign(significant=True, productive=True, beyond_size=True).head(0)
    flags.attrs["reason"] = "nothing"
    tables = [
        ar.pictured(flags, seed=1),
        ar.ranked(flags, by="lift"),
        ar.strongest(flags),
        ar.keep(flags, "productive"),
    ]
    tables += [ar.verdicts(flags), ar.keep_productive(flags), ar.unexplained(flags, PLANTED), ar.readable(flags)]
    tables += [ar.tested(flags, flags, max_length=2), ar.verdict_counts(flags), ar.matrix(flags), ar.conclusions(flags)]
    tables += [ar.confident(flags, min_confidence=0), ar.popular(flags), ar.null_summary(flags), ar.truth_counts(flags)]
    how = {"copies": 2, "seed": 1, "max_length": 2}
    tables += [ar.beyond_size(flags, flags, flags, **how), ar.held_out(RULES, flags, alpha=0.05), ar.describe(flags)]
    tables += [ar.held_out(flags, RULES, alpha=0.05), ar.support_sweep(flags, [0.1], **SETTINGS)]
    assert [t.attrs["reason"] for t in tables] == ["nothing"] * len(tables) and all(t.empty for t in tables)
    numbers = [ar.first_value(flags, "lift"), ar.share_of(flags, "found"), ar.null_mean(flags, "rules")]
    assert [n.reason for n in numbers] == ["nothing"] * 3 and ar.first_rule(flags) == ""
    assert ar.unexplained(RULES, flags).attrs["reason"] == "nothing"
    assert list(ar.readable(flags)) == ["if", "then", *flags.columns[2:]]


def test_a_search_without_a_frequent_item_makes_no_copies():
    log = pd.DataFrame({"basket_id": [0, 1], "item": ["a", "b"]})
    runs = ar.null_runs(log, runs=1, seed=1, **SETTINGS | {"min_support": 1})
    assert runs.attrs["reason"] == "no item is frequent enough" and "highest_lift" in runs


def test_users_and_baskets_are_numbered_in_their_order():
    rows = [(9, 11, 1, "buy", 5, DAY_TWO), (9, 11, 1, "buy", 1, DAY_ONE), (4, 12, 2, "buy", 1, DAY_TWO)]
    table = ar.baskets(events(rows), level="both")
    assert table["user"].tolist() == [0, 0, 1, 1, 1, 1] and table["basket_id"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["kind"].tolist() == ["category", "item"] * 3 and table["item"].tolist() == [2, 12, 1, 11, 1, 11]
    assert table["parent"].isna().tolist() == [True, False] * 3 and table.index.tolist() == list(range(6))


# the real log


def test_the_head_of_the_real_log_has_559_buyers(shared_data):
    names = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    log = pd.read_csv(shared_data("UserBehavior_head.csv"), names=names).dropna()
    log = log[log["timestamp"].between(1_511_539_200, 1_512_316_799)].astype({"timestamp": "int64"})
    log["day"] = pd.to_datetime(log["timestamp"] + 8 * HOUR, unit="s").dt.date
    assert ar.baskets(ibis.memtable(log), unit="user")["basket_id"].nunique() == 559
    table = ar.basket_choices(
        ibis.memtable(log), [("user", "interest")], level="category", min_support=0.002, min_users=10
    )
    assert table["frequent_pairs"].tolist() == [116]  # counted with a plain Counter over all pairs of each user
