"""Rules against published values, hand arithmetic, brute force and shuffled baskets."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import combinations
from math import ceil, comb
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.frequent_patterns import fpgrowth
from mlxtend.preprocessing import TransactionEncoder
from scipy.stats import fisher_exact
from statsmodels.stats.multitest import multipletests

from helpers.products import rules as r

FIVE = [
    {"bread", "milk"},
    {"bread", "diapers", "beer"},
    {"milk", "diapers", "beer"},
    {"bread", "milk", "diapers", "beer"},
    {"bread", "milk", "diapers"},
]


def log(baskets) -> pd.DataFrame:
    """One row a (basket, item)."""
    rows = [(k, i) for k, items in enumerate(baskets) for i in items]
    return pd.DataFrame(rows, columns=["basket_id", "item"])


@pytest.fixture(scope="module")
def groceries(shared_data) -> pd.DataFrame:
    lines = shared_data("groceries.csv").read_text(encoding="utf-8").splitlines()
    return log([i.strip() for i in line.split(",")] for line in lines if line)


@pytest.fixture(scope="module")
def frequent(groceries) -> pd.DataFrame:
    return r.itemsets(groceries, min_support=0.001)


def lengths(rules: pd.DataFrame) -> dict[int, int]:
    return rules["length"].value_counts().sort_index().to_dict()


# published values: Groceries (Hahsler et al.), Han's table 6.9


def test_groceries_has_the_published_size(groceries):
    assert groceries["basket_id"].nunique() == 9835
    assert groceries["item"].nunique() == 169
    assert len(groceries) == 43_367


@pytest.mark.parametrize("miner", ["fpgrowth", "bitmaps"])
@pytest.mark.parametrize(("support", "sets"), [(0.01, 333), (0.006, 747), (0.001, 13_492)])
def test_groceries_itemsets(groceries, support, sets, miner):
    assert len(r.itemsets(groceries, min_support=support, miner=miner)) == sets


def test_groceries_410_rules_not_406(frequent):
    assert lengths(r.rules(frequent, min_confidence=0.8)) == {3: 29, 4: 229, 5: 140, 6: 12}


def test_groceries_rules_of_exactly_four_in_five(frequent):
    rules = r.rules(frequent, min_confidence=0.8)
    assert (5 * rules["count"] == 4 * rules["antecedent_count"]).sum() == 39


def test_groceries_5668_rules(frequent):
    rules = r.rules(frequent, min_confidence=0.5)
    assert lengths(rules) == {2: 11, 3: 1461, 4: 3211, 5: 939, 6: 46}


def test_groceries_463_rules(groceries):
    rules = r.rules(r.itemsets(groceries, min_support=0.006), min_confidence=0.25)
    assert lengths(rules) == {2: 150, 3: 297, 4: 16}


@pytest.mark.parametrize(
    ("left", "right", "values"),
    [
        (("liquor", "red/blush wine"), "bottled beer", (0.001931876, 0.9047619, 11.23527)),
        (("herbs",), "root vegetables", (0.007015760, 0.4312500, 3.956477)),
    ],
)
def test_groceries_rule(frequent, left, right, values):
    rules = r.rules(frequent, min_confidence=0.4)
    row = rules[(rules["antecedents"] == left) & (rules["consequents"] == (right,))].iloc[0]
    assert row[["support", "confidence", "lift"]].tolist() == pytest.approx(values, rel=5e-7)


def test_groceries_1815_pass_fisher_and_bonferroni(frequent):
    rules = r.rules(frequent, min_confidence=0.5)
    assert r.significant(rules, alpha=0.01, correction="bonferroni")["significant"].sum() == 1815


def test_groceries_sets_equal_mlxtend(groceries):
    lists = groceries.groupby("basket_id")["item"].agg(list)
    encoder = TransactionEncoder()
    table = pd.DataFrame(encoder.fit_transform(lists), columns=encoder.columns_)
    theirs = fpgrowth(table, min_support=0.01, use_colnames=True)
    ours = r.itemsets(groceries, min_support=0.01)
    assert set(map(frozenset, ours["itemset"])) == set(theirs["itemsets"])


HAN = pd.DataFrame(
    [
        (10_000, 1_000, 1_000, 100_000, 9.26, 0.91, 0),
        (10_000, 1_000, 1_000, 100, 1.00, 0.91, 0),
        (100, 1_000, 1_000, 100_000, 8.44, 0.09, 0),
        (1_000, 1_000, 1_000, 100_000, 25.75, 0.5, 0),
        (1_000, 100, 10_000, 100_000, 9.18, 0.5, 0.89),
        (1_000, 10, 100_000, 100_000, 1.97, 0.5, 0.99),
    ],
    columns=["both", "only_y", "only_x", "neither", "lift", "kulczynski", "imbalance_ratio"],
)


@pytest.mark.parametrize("row", list(HAN.itertuples()), ids=lambda row: f"D{row.Index + 1}")
def test_han_table_6_9(row):
    sides = {"antecedent": row.both + row.only_x, "consequent": row.both + row.only_y}
    total = row.both + row.only_x + row.only_y + row.neither
    assert round(float(r.lift(row.both, **sides, baskets=total)), 2) == row.lift
    assert round(float(r.kulczynski(row.both, **sides)), 2) == row.kulczynski
    assert round(float(r.imbalance_ratio(row.both, **sides)), 2) == row.imbalance_ratio


# by hand: five baskets; {diapers} 4, {beer} 3, both 3


def test_every_measure_by_hand():
    rules = r.rules(r.itemsets(log(FIVE), min_support=0.2))
    row = rules[(rules["antecedents"] == ("diapers",)) & (rules["consequents"] == ("beer",))].iloc[0]
    by_hand = {
        "support": 3 / 5, "confidence": 3 / 4, "lift": (3 / 5) / (4 / 5 * 3 / 5), "leverage": 3 / 5 - 4 / 5 * 3 / 5,
        "conviction": (1 - 3 / 5) / (1 - 3 / 4), "zhang": (3 / 4 - 0) / (3 / 4), "kulczynski": (3 / 4 + 3 / 3) / 2,
        "imbalance_ratio": 1 / 4,
    }  # fmt: skip
    assert row[list(by_hand)].astype(float).to_dict() == pytest.approx(by_hand)


def test_a_rule_that_never_fails_has_no_conviction():
    rules = r.rules(r.itemsets(log(FIVE), min_support=0.2))
    row = rules[(rules["antecedents"] == ("beer",)) & (rules["consequents"] == ("diapers",))].iloc[0]
    assert row["confidence"] == 1
    assert np.isnan(row["conviction"])


def test_measures_are_missing_where_nothing_can_be_divided():
    assert np.isnan(r.confidence(0, antecedent=0))
    assert np.isnan(r.lift(0, antecedent=0, consequent=3, baskets=5))
    assert np.isnan(r.zhang(5, antecedent=5, consequent=5, baskets=5))


def test_avoiding_items_have_zhang_minus_one():
    assert float(r.zhang(0, antecedent=2, consequent=2, baskets=4)) == -1


def test_counts_of_a_billion_baskets_do_not_overflow():
    assert float(r.lift(10**8, antecedent=10**9, consequent=10**8, baskets=10**9)) == 1


# thresholds


@given(st.integers(1, 200), st.integers(1, 9_999))
def test_threshold_is_exact(tenths, total):
    share = tenths / 1000
    assert r.threshold(share, total) == ceil(Fraction(tenths, 1000) * total)


def test_every_fifth_of_any_total_reaches_point_two():
    for total in range(5, 2_000, 5):
        assert r.threshold(0.2, total) == total // 5


@pytest.mark.parametrize("wrong", [-0.1, 1.5, "0.1", True, float("nan")])
def test_a_wrong_share_is_named(wrong):
    with pytest.raises(r.RulesError, match="min_support"):
        r.itemsets(log(FIVE), min_support=wrong)


def test_too_many_itemsets_are_refused_with_advice():
    wide = log([[f"i{k}" for k in range(40)]] * 2)
    for miner in r.MINERS:
        with pytest.raises(r.TooManyItemsets, match="lower max_length"):
            r.itemsets(wide, min_support=1, max_length=40, limit=10_000, miner=miner)


@pytest.mark.parametrize("call", [{"max_length": 0}, {"min_length": 3, "max_length": 2}, {"miner": "apriori"}])
def test_wrong_arguments_are_refused(call):
    with pytest.raises(r.RulesError):
        r.itemsets(log(FIVE), min_support=0.5, **call)


# brute force as the oracle

some_baskets = st.lists(st.sets(st.sampled_from("abcdef"), min_size=1), min_size=1, max_size=25)


def brute_sets(baskets, least: int, longest: int) -> dict[tuple, int]:
    items = sorted(set().union(*baskets))
    every = (c for k in range(1, longest + 1) for c in combinations(items, k))
    counts = {c: sum(set(c) <= b for b in baskets) for c in every}
    return {c: n for c, n in counts.items() if n >= least}


@settings(max_examples=60, deadline=None)
@given(some_baskets, st.integers(1, 6), st.integers(1, 6), st.sampled_from(sorted(r.MINERS)))
def test_itemsets_equal_brute_force(baskets, least, longest, miner):
    found = r.itemsets(log(baskets), min_support=0, min_count=least, max_length=longest, miner=miner)
    assert dict(zip(found["itemset"], found["count"], strict=True)) == brute_sets(baskets, least, longest)


@settings(max_examples=40, deadline=None)
@given(some_baskets, st.sampled_from([0.0, 0.25, 0.5, 0.6, 0.8, 1.0]))
def test_rules_equal_brute_force(baskets, least):
    sets = brute_sets(baskets, 1, 6)
    expected = {
        (tuple(i for i in whole if i != y), y)
        for whole, n in sets.items() if len(whole) > 1 for y in whole
        if Fraction(n, sets[tuple(i for i in whole if i != y)]) >= Fraction(str(least))
    }  # fmt: skip
    found = r.rules(r.itemsets(log(baskets), min_support=0), min_confidence=least)
    assert {(a, c[0]) for a, c in zip(found["antecedents"], found["consequents"], strict=True)} == expected


@settings(max_examples=40, deadline=None)
@given(some_baskets)
def test_productivity_equals_brute_force(baskets):
    sets = brute_sets(baskets, 1, 6) | {(): len(baskets)}
    table = r.itemsets(log(baskets), min_support=0)
    found = r.productive(r.rules(table), table)
    for rule in found.itertuples():
        simpler = [z for k in range(len(rule.antecedents)) for z in combinations(rule.antecedents, k)]
        best = max(Fraction(sets[tuple(sorted(z + rule.consequents))], sets[z]) for z in simpler)
        assert rule.redundant == (Fraction(rule.count, rule.antecedent_count) <= best)
        assert rule.improvement == pytest.approx(float(Fraction(rule.count, rule.antecedent_count) - best))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 12), st.integers(0, 12))
def test_fisher_equals_the_sum_of_binomials(both, only_x, only_y, neither):
    x, y, n = both + only_x, both + only_y, both + only_x + only_y + neither
    ways = sum(comb(y, k) * comb(n - y, x - k) for k in range(both, min(x, y) + 1))
    p = float(r.fisher(both, antecedent=x, consequent=y, baskets=n))
    assert p == pytest.approx(float(Fraction(ways, comb(n, x))), rel=1e-9)


def test_fisher_equals_scipy_where_p_is_tiny():
    ours = float(r.fisher(60, antecedent=100, consequent=200, baskets=9000))
    theirs = fisher_exact([[60, 40], [140, 8760]], alternative="greater").pvalue
    assert ours == pytest.approx(theirs, rel=1e-6)
    assert 0 < ours < 1e-60


@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("bh", "fdr_bh"), ("bonferroni", "bonferroni")])
def test_corrections_equal_statsmodels(ours, theirs):
    p = np.random.default_rng(1).random(50) ** 4
    expected = multipletests(np.append(p, np.ones(30)), method=theirs)[1][:50]
    assert r.adjusted(p, correction=ours, candidates=80) == pytest.approx(expected)


def test_no_correction_and_an_unknown_one():
    assert r.adjusted([0.2, 0.1], correction="none").tolist() == [0.2, 0.1]
    with pytest.raises(r.RulesError, match="fdr"):
        r.adjusted([0.2], correction="fdr")


def test_search_space_by_hand():
    pairs = [(x, y) for x in "abcd" for y in "abcd" if x != y]
    triples = [(x, y) for y in "abcd" for x in combinations("abcd", 2) if y not in x]
    assert r.search_space(4, max_length=3) == {2: len(pairs), 3: len(triples)}


def test_a_rule_whose_second_condition_adds_nothing_is_not_productive():
    rng = np.random.default_rng(3)
    tea, bread = rng.random(4_000) < 0.3, rng.random(4_000) < 0.5
    held = {"x": tea | True, "tea": tea, "sugar": tea & (rng.random(4_000) < 0.8), "bread": bread}
    baskets = [{n for n, column in held.items() if column[k]} for k in range(4_000)]
    sets = r.itemsets(log(baskets), min_support=0.01)
    found = r.productive(r.significant(r.rules(sets)), sets).set_index(["antecedents", "consequents"])
    assert found.loc[(("tea",), ("sugar",)), "productive"]
    assert found.loc[(("bread", "tea"), ("sugar",)), "significant"]
    assert not found.loc[(("bread", "tea"), ("sugar",)), "productive"]


# holdout


def test_holdout_counts_by_hand():
    rules = r.rules(r.itemsets(log([{"tea", "milk"}] * 3 + [{"tea"}]), min_support=0.5))
    later = r.holdout(rules, log([{"tea", "milk"}, {"tea"}, {"tea"}, {"milk"}]))
    row = later[later["antecedents"] == ("tea",)].iloc[0]
    assert (row["holdout_count"], row["holdout_antecedent_count"]) == (1, 3)
    assert row["holdout_confidence"] == pytest.approx(1 / 3)
    assert row["holdout_lift"] == pytest.approx((1 / 4) / (3 / 4 * 2 / 4))


def test_holdout_is_missing_where_the_condition_does_not_occur():
    rules = r.rules(r.itemsets(log([{"tea", "milk"}] * 3), min_support=0.5))
    later = r.holdout(rules, log([{"rice"}]))
    assert later[["holdout_confidence", "holdout_confidence_ci_low", "holdout_lift"]].isna().all(axis=None)
    assert not later["confirmed"].any()


# the shuffled null


@settings(max_examples=40, deadline=None)
@given(some_baskets, st.integers(0, 99))
def test_shuffling_keeps_sizes_and_frequencies(baskets, seed):
    before = r.encode(log(baskets))
    after = r.shuffled(before, seed=seed).matrix
    assert after.max() == 1
    assert (after.sum(axis=0) == before.matrix.sum(axis=0)).all()
    assert (after.sum(axis=1) == before.matrix.sum(axis=1)).all()


def test_shuffling_visits_all_tables_equally_often():
    baskets = [{"a", "b"}, {"a"}, {"b"}]  # a and b each twice, sizes 2, 1, 1: two tables
    first = [r.shuffled(r.encode(log(baskets)), seed=s).matrix.toarray().tolist() for s in range(400)]
    seen = pd.Series([str(t) for t in first]).value_counts()
    assert len(seen) == 2
    assert abs(seen.iloc[0] - 200) < 50  # five standard deviations


def test_shuffling_removes_the_association():
    planted = log([{"a", "b"}] * 300 + [{"c", "d"}] * 300 + [{"e", "f"}] * 300)
    after = r.shuffled(r.encode(planted), seed=1)
    assert r.counts_in(after, [("a", "b")])[0] < 120  # 60 expected, 300 planted


def test_the_same_seed_gives_the_same_shuffle():
    encoded = r.encode(log(FIVE * 20))
    assert (r.shuffled(encoded, seed=7).matrix != r.shuffled(encoded, seed=7).matrix).nnz == 0


def test_null_runs_find_nothing_where_the_real_baskets_hold_a_rule():
    encoded = r.encode(log([{"a", "b"}] * 80 + [{"c", "d"}] * 80 + [{"a"}, {"b"}, {"c"}, {"d"}] * 10))

    def find(baskets):
        sets = r.itemsets(baskets, min_support=0.05)
        return r.productive(r.significant(r.rules(sets)), sets)

    runs = r.null_runs(encoded, find=find, runs=10, seed=1).set_index("run")["productive"]
    assert runs[0] == 4
    assert runs[1:].max() == 0


def test_beyond_size_by_hand():
    # equal baskets have nothing to trade: every copy is the table itself, S = 3 · 4
    baskets = r.encode(log([{"a", "b"}] * 4))
    row = r.beyond_size(r.rules(r.itemsets(baskets, min_support=1)), baskets, seed=1, copies=3, correction="none").iloc[
        0
    ]
    p = sum(comb(16, k) * Fraction(1, 4) ** k * Fraction(3, 4) ** (16 - k) for k in range(4, 17))
    assert (row["shuffled_count"], row["lift_beyond_size"]) == (4, 1)
    assert row["p_size"] == pytest.approx(float(p))


def test_beyond_size_keeps_a_planted_rule():
    baskets = r.encode(log([{"a", "b"}] * 60 + [{"c", "d"}] * 60 + [{"a", "c"}, {"b", "d"}] * 5))
    rules = r.beyond_size(r.rules(r.itemsets(baskets, min_support=0.3)), baskets, seed=1)
    assert rules["beyond_size"].all()
    assert (rules["lift_beyond_size"] > 1.5).all()


# labels and edges

LABELS = ["手机壳", "<script>alert(1)</script>", "=1+1", "$\\frac", "x" * 10_000]


@pytest.mark.parametrize("label", LABELS)
def test_any_label_passes(label):
    rules = r.rules(r.itemsets(log([{label, "tea"}] * 3), min_support=0.5))
    assert {i for t in rules["antecedents"] for i in t} == {label, "tea"}


@pytest.mark.parametrize("items", [np.array(["a", "b"]), np.array([1, 2]), pd.Categorical(["a", "b"]), [1, 2]])
def test_items_become_plain_texts(items):
    table = pd.DataFrame({"basket_id": [0, 0], "item": items})
    found = r.itemsets(table, min_support=1)
    assert {type(i) for t in found["itemset"] for i in t} == {str}
    assert len(found) == 3


def test_two_items_with_one_text_are_refused():
    with pytest.raises(r.RulesError, match="'1'"):
        r.encode(pd.DataFrame({"basket_id": [0, 0, 0], "item": pd.Series(["tea", 1, "1"], dtype=object)}))


def test_a_basket_without_id_is_refused():
    with pytest.raises(r.RulesError, match="basket_id"):
        r.encode(pd.DataFrame({"basket_id": [0, None], "item": ["a", "b"]}))


def test_no_basket_gives_empty_tables():
    sets = r.itemsets(log([]), min_support=0.1)
    rules = r.rules(sets)
    assert sets.empty and rules.empty
    assert r.productive(r.significant(rules), sets).empty


def test_one_basket_finishes():
    sets = r.itemsets(log([{"a", "b"}]), min_support=0.1)
    found = r.productive(r.significant(r.rules(sets)), sets)
    assert len(found) == 2
    assert found["lift"].tolist() == [1, 1]
    assert not found["significant"].any()


def test_a_row_without_item_keeps_its_basket():
    table = pd.DataFrame({"basket_id": [0, 1], "item": ["tea", None]})
    assert r.itemsets(table, min_support=0)["support"].tolist() == [0.5]


def test_doubled_rows_count_once():
    doubled = pd.concat([log(FIVE), log(FIVE)])
    assert r.itemsets(doubled, min_support=0.2).equals(r.itemsets(log(FIVE), min_support=0.2))


def test_items_kept_apart_share_no_set():
    sets = r.itemsets(log(FIVE), min_support=0.2, apart=[("beer", "diapers")])
    assert not any({"beer", "diapers"} <= set(s) for s in sets["itemset"])
    assert ("beer", "milk") in set(sets["itemset"])


def test_rules_with_two_consequents():
    rules = r.rules(r.itemsets(log([{"a", "b", "c"}] * 2), min_support=1), max_consequents=2)
    assert (("a",), ("b", "c")) in set(zip(rules["antecedents"], rules["consequents"], strict=True))


def test_rare_people_hide_an_itemset():
    encoded = r.encode(log([{"a", "b"}] * 4 + [{"a"}] * 3))
    users = pd.Series([1, 1, 1, 1, 2, 3, 4])
    kept = r.enough_users(r.itemsets(encoded, min_support=0.1), encoded, users, min_users=2)
    assert kept["itemset"].tolist() == [("a",)]


def test_order_does_not_depend_on_rows_or_hash_seed():
    shuffled_rows = log(FIVE).sample(frac=1, random_state=1)
    assert r.rules(r.itemsets(shuffled_rows, min_support=0.2)).equals(r.rules(r.itemsets(log(FIVE), min_support=0.2)))
    code = (
        "import pandas as pd; from helpers.products import rules as r; "
        "b = pd.DataFrame({'basket_id': [0, 0, 1, 1, 2], 'item': list('abcab')}); "
        "print(r.rules(r.itemsets(b, min_support=0)).to_csv())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": s}, capture_output=True, check=True
        ).stdout
        for s in "12"
    }
    assert len(outputs) == 1


def test_importing_leaves_the_warning_filters_of_mlxtend_behind():
    code = (
        "import warnings; import helpers.products.rules; "
        "assert not [f for f in warnings.filters if f[0] == 'always' and f[2] is DeprecationWarning]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ends of the thresholds, ties, what is not there


def test_items_of_a_column_are_the_wanted_and_frequent_ones():
    mixed = log([{"b", "a", "c"}, {"b", "a"}, {"d", 7}, {"d"}, set()])
    assert r.encode(mixed).items == ("a", "b", "d", "7", "c")  # by falling frequency, then by name
    assert r.encode(mixed, items={"c", 7, "z"}).items == ("7", "c") and r.encode(mixed, items={"c"}).total == 4
    assert r.encode(mixed, min_count=2, min_support=0.1).items == r.encode(mixed, min_support=0.5).items
    assert r.encode(mixed, min_count=0, items=["c"]).matrix.toarray().ravel().tolist() == [1, 0, 0, 0]
    assert r.encode(mixed, items=["z"]).matrix.shape == (4, 0)


def test_a_share_is_any_from_0_to_1():
    assert [r.exact(s) for s in (0, 1, 0.5, Fraction(1, 3))] == [0, 1, Fraction(1, 2), Fraction(1, 3)]
    assert r.itemsets(log(FIVE), min_support=1).empty and len(r.itemsets(log([{"a"}] * 2), min_support=1)) == 1
    with pytest.raises(r.RulesError, match=r"alpha=1\.1"):
        r.exact(1.1, name="alpha")


def test_sets_of_the_asked_lengths_in_their_order():
    found = r.itemsets(log(FIVE), min_support=0.6, min_length=2, max_length=2)
    pairs = [("bread", "diapers"), ("bread", "milk"), ("beer", "diapers"), ("diapers", "milk")]
    assert sorted(found["itemset"]) == sorted(pairs) and set(found["count"]) == {3} and set(found["length"]) == {2}
    assert found["itemset"].is_monotonic_increasing and found["baskets"].eq(5).all() and found["support"].eq(0.6).all()
    alone = r.itemsets(log(FIVE), min_support=0.6, max_length=1)
    assert alone["itemset"].tolist() == [("bread",), ("diapers",), ("milk",), ("beer",)]


@pytest.mark.parametrize("miner", sorted(r.MINERS))
def test_as_many_sets_as_the_limit_are_given(miner):
    assert len(r.itemsets(log([set("abc")] * 2), min_support=1, limit=7, miner=miner)) == 7
    with pytest.raises(r.TooManyItemsets, match=r"a count of 2\) with max_length=10 gives more than 6"):
        r.itemsets(log([set("abc")] * 2), min_support=1, limit=6, miner=miner)
    with pytest.raises(r.TooManyItemsets, match="lower max_length to 2"):
        r.itemsets(log([set("abc")] * 2), min_support=1, limit=6, max_length=3, miner=miner)


def test_counts_over_several_words_of_bits():
    many = r.encode(log([{"a", "b"} if k % 3 == 0 else {"a"} for k in range(130)]))
    assert r.counts_in(many, [("a",), ("a", "b"), ("a", "z"), ("z",)]).tolist() == [130, 44, 0, 0]
    users = pd.Series(range(130)) % 5
    assert r.people(many, [("a",), ("b", "a"), ("z",)], users).tolist() == [5, 5, 0]


def test_sets_of_min_users_people_are_shown():
    encoded = r.encode(log([{"a", "b"}] * 2 + [{"a"}] * 2))
    sets, users = r.itemsets(encoded, min_support=0.1), pd.Series([1, 2, 2, 3])
    kept = [r.enough_users(sets, encoded, users, min_users=n)["itemset"].tolist() for n in (1, 2, 3, 4)]
    again = r.enough_users(sets.iloc[::-1], encoded, users, min_users=2)  # rows are numbered anew
    assert list(again) == list(sets) and again.index.tolist() == [0, 1, 2]
    assert kept == [[("a",), ("b",), ("a", "b")], [("a",), ("b",), ("a", "b")], [("a",)], []]
    none = r.encode(log([]))
    assert r.enough_users(r.itemsets(none, min_support=0), none, pd.Series(dtype=int), min_users=2).empty


def one_rule(count: int, x: int, y: int, n: int, *, length: int = 2) -> pd.DataFrame:
    """A rule a → b with these counts."""
    table = pd.DataFrame([[("a",), ("b",), length, count, x, y, n]], columns=r.RULE_COLUMNS[:7])
    return r.with_measures(table)


def test_the_order_of_rules_by_hand():
    # of ten baskets: lift 10/2 for c ↔ d, 10/3 for e ↔ f, 10/4 for a ↔ b
    rules = r.rules(r.itemsets(log([set("ab")] * 4 + [set("cd")] * 2 + [set("ef")] * 3 + [{"g"}]), min_support=0))
    assert rules["antecedents"].str[0].tolist() == ["c", "d", "e", "f", "a", "b"]
    assert rules["lift"].tolist() == pytest.approx([5, 5, 10 / 3, 10 / 3, 2.5, 2.5])
    even = r.rules(r.itemsets(log([set("cd")] * 2 + [set("ab")] * 2 + [set("e")] * 2), min_support=0))
    assert even["antecedents"].str[0].tolist() == ["a", "b", "c", "d"] and even.index.tolist() == [0, 1, 2, 3]
    # all lifts are 10/4: y ↔ z by 4 · 10 / (4 · 4), c ↔ d by 2 · 10 / (2 · 4)
    ties = r.rules(r.itemsets(log([set("yz")] * 4 + [set("cd")] * 2 + [{"d"}] * 2 + [{"g"}] * 2), min_support=0))
    assert ties["antecedents"].str[0].tolist() == ["y", "z", "c", "d"] and ties["lift"].nunique() == 1
    assert r.rules(r.itemsets(log([]), min_support=0))["baskets"].tolist() == []


def test_at_least_one_item_is_concluded():
    sets = r.itemsets(log([set("abcd")]), min_support=1)
    assert [len(r.rules(sets, max_consequents=k)) for k in (1, 2, 3, 4)] == [28, 46, 50, 50]
    with pytest.raises(r.RulesError, match="max_consequents=0"):
        r.rules(sets, max_consequents=0)


def test_fisher_of_nothing_and_of_one():
    assert r.fisher([], antecedent=[], consequent=[], baskets=[]).shape == (0,)
    assert float(r.fisher(0, antecedent=0, consequent=0, baskets=0)) == 1
    # 2 of 2 among 4: 1 of the 6 ways; twice the same row and one that chance always reaches
    p = r.fisher([2, 0, 2], antecedent=[2, 2, 2], consequent=[2, 2, 2], baskets=[4, 4, 4])
    assert p.tolist() == pytest.approx([1 / 6, 1, 1 / 6])


def test_the_space_of_few_items():
    assert r.search_space(3, max_length=5) == {2: 6, 3: 3} and r.search_space(1, max_length=5) == {}
    assert r.search_space(9, max_length=1) == {}


def test_corrections_by_hand():
    p = [0.03, 0.01, 0.4]
    assert r.adjusted(p, correction="holm").tolist() == pytest.approx([0.06, 0.03, 0.4])
    assert r.adjusted(p, correction="holm", candidates=1).tolist() == pytest.approx([0.06, 0.03, 0.4])
    assert r.adjusted(p, correction="bh").tolist() == pytest.approx([0.045, 0.03, 0.4])
    assert r.adjusted(p, correction="bonferroni", candidates=10).tolist() == pytest.approx([0.3, 0.1, 1])
    lengths, space = np.array([2, 3, 2]), {2: 4, 3: 5, 4: 1}
    layered = r.layered(np.array(p), lengths, correction="holm", candidates=space)
    assert layered.tolist() == pytest.approx([3 * 4 * 0.03, 3 * 5 * 0.01, 1])
    assert r.layered(np.array(p), lengths, correction="none", candidates=space).tolist() == p
    assert r.layered(np.array(p), lengths, correction="holm", candidates=10).tolist() == pytest.approx([0.27, 0.1, 1])


def test_a_p_value_of_alpha_is_significant():
    # 2 of 2 among 4: p = 1/6; the p-value itself is taken as the limit
    rule = one_rule(2, 2, 2, 4)
    p = r.significant(rule, correction="none")["p_value"][0]
    assert p == pytest.approx(1 / 6)
    for alpha, passes in ((p, True), (p * 0.999, False)):
        assert r.significant(rule, alpha=alpha)["significant"].tolist() == [passes]
        sets = pd.DataFrame({"itemset": [("a",), ("b",), ("a", "b")], "count": [2, 2, 2]})
        row = r.productive(rule, sets, alpha=alpha).iloc[0]
        assert row["productive"] == passes and not row["redundant"] and row["improvement"] == 0.5
        later = r.holdout(rule, log([set("ab")] * 2 + [{"c"}] * 2), alpha=alpha).iloc[0]
        assert later["confirmed"] == passes and later["p_holdout"] == p
        # Wilson, 2 of 2 at 1 − alpha: 2 / (2 + z²)
        z = NormalDist().inv_cdf(1 - alpha / 2)
        assert later["holdout_confidence_ci_low"] == pytest.approx(2 / (2 + z**2))
        assert later["holdout_confidence_ci_high"] == pytest.approx(1)
    with pytest.raises(r.RulesError, match="alpha=2"):
        r.productive(rule, sets, alpha=2)


def test_two_baskets_swap_half_of_the_time():
    swapped = [r.shuffled(r.encode(log(["a", "b"])), seed=s, rounds=1).matrix[0, 0] == 0 for s in range(100)]
    assert 35 <= sum(swapped) <= 65  # three standard deviations; the seeds are fixed
    one = r.encode(log([set("abc")]))
    assert (r.shuffled(one, seed=1).matrix != one.matrix).nnz == 0
    assert r.shuffled(r.encode(log([])), seed=1).total == 0


def test_beyond_size_of_rules_that_never_meet_by_chance():
    baskets = r.encode(log([set("ab"), set("ab"), {"c"}]))
    rule = one_rule(2, 2, 2, 3)
    found = r.beyond_size(rule, baskets, seed=1, copies=2, correction="none")
    met = found["shuffled_count"][0] * 2
    p = sum(
        comb(int(2 + met), k) * Fraction(1, 3) ** k * Fraction(2, 3) ** int(2 + met - k) for k in range(2, int(3 + met))
    )
    assert found["p_size"][0] == pytest.approx(float(p))
    for alpha, passes in ((found["p_size"][0], True), (found["p_size"][0] * 0.999, False)):
        again = r.beyond_size(rule, baskets, seed=1, copies=2, correction="none", alpha=alpha)
        assert again["beyond_size"].tolist() == [passes]
    with pytest.raises(r.RulesError, match="copies=0"):
        r.beyond_size(rule, baskets, seed=1, copies=0)
    assert len(r.beyond_size(rule, baskets, seed=1, copies=1)) == 1


def test_a_run_counts_by_hand():
    flags = pd.DataFrame(
        {"lift": [1.0, 1.5, 0.5], "significant": [True, True, False], "productive": [True, False, False]}
    )
    runs = r.null_runs(r.encode(log(FIVE)), find=lambda baskets: flags, runs=2, seed=1)
    assert runs.to_numpy().tolist() == [[k, 3, 1, 2, 1, 1.5] for k in range(3)]
    none = r.null_runs(r.encode(log(FIVE)), find=lambda baskets: flags.head(0), runs=1, seed=1)
    assert none.drop(columns="highest_lift").to_numpy().tolist() == [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert none["highest_lift"].isna().all()
    seen = []
    r.null_runs(
        r.encode(log(FIVE * 4)), find=lambda b: seen.append(b.matrix.toarray()) or flags, runs=2, seed=1, rounds=3
    )
    assert (seen[0] != seen[1]).any() and (seen[1] != seen[2]).any()


# the error rate, on simulated independent items


def test_independent_items_seldom_give_a_false_rule():
    share, wrong = np.linspace(0.05, 0.4, 10), 0
    for seed in range(60):
        held = np.random.default_rng(seed).random((400, 10)) < share
        sets = r.itemsets(log(map(np.flatnonzero, held)), min_support=0.01, max_length=3)
        how = {"alpha": 0.1, "candidates": r.search_space(10, max_length=3)}
        wrong += bool(r.productive(r.significant(r.rules(sets), **how), sets, **how)["productive"].any())
    assert wrong <= 12  # 6 expected at most; more than 12 has a chance below 1 %


def test_a_planted_rule_is_found_in_every_simulation():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        held = rng.random((1_000, 8)) < 0.1
        held[:, 1] |= held[:, 0] & (rng.random(1_000) < 0.4)
        sets = r.itemsets(log(map(np.flatnonzero, held)), min_support=0.01, max_length=2)
        found = r.significant(r.rules(sets), candidates=r.search_space(8, max_length=2))
        good = found[found["significant"]]
        assert (("0",), ("1",)) in set(zip(good["antecedents"], good["consequents"], strict=True))


def test_a_cluster_is_asked_with_the_threshold_and_its_counts_are_shown(monkeypatch):
    def of_the_cluster(matrix, *, least, longest):
        assert matrix.shape == (5, 4)  # five baskets; bread, diapers, milk and beer are held by three or more
        return iter([(least, [longest])])

    monkeypatch.setattr("helpers.spark_ml.itemsets", of_the_cluster)
    found = r.itemsets(log(FIVE), min_support=0.6, max_length=2, miner="spark")
    assert found[["itemset", "count"]].to_numpy().tolist() == [[("milk",), 3]]
