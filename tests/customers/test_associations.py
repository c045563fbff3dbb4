"""Measures against textbooks and other packages, tests against their definitions, shuffles that keep their promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests

from helpers.customers import associations as a
from helpers.customers.associations import associate, cramers_v, discoveries, kappa, spearman
from helpers.customers.tags import TagError
from helpers.findings import missing

SCALES = {"word": "named", "order": "ordered", "number": "number"}


def pairs(counts: list[list[int]]) -> tuple[pd.Series, pd.Series]:
    """A cross table as two columns of words."""
    cells = [(str(i), str(j)) for i, row in enumerate(counts) for j, n in enumerate(row) for _ in range(n)]
    table = pd.DataFrame(cells)
    return table[0], table[1]


# measures


def test_kappa_of_the_textbook():
    # Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, table 18.1: kappa .68, s.e. .087
    found = kappa(*pairs([[75, 1, 4], [5, 4, 1], [0, 0, 10]]))
    assert round(found.value, 2) == 0.68
    assert (found.ci_high - found.ci_low) / (2 * 1.96) == pytest.approx(0.087, abs=0.001)


def test_cramers_v_of_the_textbook():
    # Agresti (2007), table 2.5, gender and party: X² = 30.1 on 2 degrees of freedom, n = 2757
    v, p = cramers_v(*pairs([[762, 327, 468], [484, 239, 477]]))
    assert round(v**2 * 2757, 1) == 30.1 and p == pytest.approx(stats.chi2.sf(30.07, 2), rel=0.01)


def test_cramers_v_of_hair_and_eyes():
    # Snee (1974), 592 students: X² = 138.29 on 9 degrees of freedom, so V = .279
    v, p = cramers_v(*pairs([[68, 119, 26, 7], [20, 84, 17, 94], [15, 54, 14, 10], [5, 29, 14, 16]]))
    assert round(v, 3) == 0.279 and p < 1e-20


def test_spearman_by_hand():
    # iq and hours of television, d² sums to 194: 1 − 6 · 194 / (10 · 99) = −.1758
    iq = pd.Series([106, 100, 86, 101, 99, 103, 97, 113, 112, 110])
    hours = pd.Series([7, 27, 2, 50, 28, 29, 20, 12, 6, 17])
    assert spearman(iq, hours).value == pytest.approx(1 - 6 * 194 / (10 * 99))


WORDS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=8, max_size=60)


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(WORDS)
def test_kappa_agrees_with_statsmodels(rows):
    table = pd.DataFrame(rows)
    counts = pd.crosstab(table[0], table[1]).reindex(index=list("abc"), columns=list("abc"), fill_value=0)
    found = kappa(table[0], table[1])
    if min(table.nunique()) == 1:  # statsmodels divides by zero
        assert found.value in (0.0, None)
        return
    oracle = cohens_kappa(counts.to_numpy())
    assert found.value == pytest.approx(oracle.kappa, abs=1e-12)
    assert found.ci_high == pytest.approx(min(oracle.kappa + 1.959964 * oracle.std_kappa, 1), abs=1e-6)


@settings(max_examples=50, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(WORDS)
def test_cramers_v_agrees_with_scipy(rows):
    table = pd.DataFrame(rows)
    counts = pd.crosstab(table[0], table[1])
    v, p = cramers_v(table[0], table[1])
    if min(counts.shape) == 1:
        assert v is None and p is None
        return
    assert v == pytest.approx(stats.contingency.association(counts.to_numpy(), method="cramer"))
    assert p == pytest.approx(stats.chi2_contingency(counts.to_numpy(), correction=False).pvalue)


@pytest.mark.parametrize("seed", range(5))
def test_holm_agrees_with_statsmodels(seed):
    p = np.random.default_rng(seed).choice([0.0, 0.001, 0.01, 0.02, 0.3, 1.0], 1 + 4 * seed)
    assert a.holm(np.array(p)) == pytest.approx(multipletests(p, method="holm")[1])


def test_intervals_of_spearman_cover():
    # the rank correlation of a normal pair with r = .5 is 6/π · asin(.25)
    truth, rng = 6 / np.pi * np.arcsin(0.25), np.random.default_rng(1)
    draws = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=(200, 60))
    found = [spearman(pd.Series(d[:, 0]), pd.Series(d[:, 1])) for d in draws]
    assert 0.91 <= np.mean([f.covers(truth) for f in found]) <= 0.98


@pytest.mark.parametrize("x", [[], [1.0], [2.0, 2.0, 2.0]])
def test_nothing_to_compare_has_its_reason(x):
    same = pd.Series(x, dtype=float)
    assert spearman(same, same).reason and kappa(same, same).reason and cramers_v(same, same) == (None, None)


# tests


def people(n: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tags and outcomes without any link."""
    rng = np.random.default_rng(seed)
    tags = pd.DataFrame({"word": rng.choice(list("abc"), n), "order": rng.integers(1, 5, n).astype(float),
                         "number": rng.exponential(size=n)}).astype({"word": object})  # fmt: skip
    tags.loc[::7, "word"] = None
    tags.loc[::5, "number"] = np.nan
    return tags, pd.DataFrame({"bought": rng.integers(0, 2, n), "spend": rng.exponential(size=n).round(1)})


@pytest.mark.parametrize("seed", range(5))
def test_every_test_agrees_with_scipy(seed):
    tags, outcomes = people(200, seed)
    found = associate(tags, outcomes, scales=SCALES, seed=1).table.set_index(["tag", "outcome"])["p_value"]
    for tag, outcome in found.index:
        both = pd.DataFrame({"x": tags[tag], "y": outcomes[outcome]}).dropna()
        if tag == "word":
            groups = [g for _, g in both.groupby("x")["y"]]
            oracle = cramers_v(both["x"], both["y"])[1] if outcome == "bought" else stats.kruskal(*groups).pvalue
        else:
            test = stats.pointbiserialr if (tag, outcome) == ("number", "bought") else stats.spearmanr
            oracle = test(both["x"].astype(float), both["y"]).pvalue
        assert found[tag, outcome] == pytest.approx(oracle, rel=1e-6), (tag, outcome)


def test_corrections_count_all_tests():
    found = associate(*people(300, 3), scales=SCALES, seed=1).table
    p = found["p_value"].to_numpy()
    assert len(p) == 6 and (np.diff(p) >= 0).all()
    assert found["p_holm"].to_numpy() == pytest.approx(multipletests(p, method="holm")[1])
    assert found["p_bh"].to_numpy() == pytest.approx(multipletests(p, method="fdr_bh")[1])


def test_without_any_link_few_shops_have_a_finding_after_holm():
    runs = [discoveries(associate(*people(150, s), scales=SCALES, permutations=19, seed=s)) for s in range(50)]
    table = pd.concat(runs).groupby("rule")["found"].agg([lambda n: (n > 0).mean(), "mean"])
    assert table.loc["Holm"].iloc[0] <= 0.1  # promised at most 5 %
    assert table.loc["no correction"].iloc[0] > 0.15
    assert pd.concat(runs).query("rule == 'no correction'")["found_shuffled"].mean() == pytest.approx(0.3, abs=0.08)


def test_shuffled_p_values_are_even():
    p = pd.concat([associate(*people(80, s), scales=SCALES, permutations=19, seed=s).table for s in range(30)])
    assert 0.4 < p["p_shuffled"].mean() < 0.65 and p["p_shuffled"].min() >= 1 / 20
    assert p["p_shuffled"].corr(p["p_value"]) > 0.9


def test_a_planted_link_is_found_by_all():
    tags, outcomes = people(400, 1)
    outcomes["spend"] += 3 * tags["order"]
    row = associate(tags, outcomes, scales=SCALES, seed=1).table.iloc[0]
    assert (row["tag"], row["outcome"], row["measure"], row["p_shuffled"]) == ("order", "spend", "Spearman", 0.01)
    assert row["strength"] > 0.8 > row["chance_high"] and row["p_holm"] < 1e-10


def test_among_equals_a_borrowed_link_is_gone():
    rng = np.random.default_rng(2)
    group = pd.Series(rng.integers(0, 5, 600).astype(float))
    tags = pd.DataFrame({"number": group + rng.normal(size=600) / 5})
    outcomes = pd.DataFrame({"spend": group + rng.normal(size=600)})
    plain, fair = (associate(tags, outcomes, scales=SCALES, seed=1, within=w).table.iloc[0] for w in (None, group))
    assert plain["p_shuffled"] == 0.01 and fair["p_shuffled"] > 0.1
    assert plain["strength"] == fair["strength"] and fair["chance_high"] > 0.6


def test_dealing_within_groups_never_leaves_the_group():
    group = np.random.default_rng(1).integers(0, 4, 50)
    keys = np.random.default_rng(2).random((50, 9)) + group[:, None]
    deals = a._deals(keys)
    assert (group[deals] == group[:, None]).all() and (np.sort(deals, axis=0) == np.arange(50)[:, None]).all()


def test_units_order_and_names_do_not_matter():
    tags, outcomes = people(120, 4)
    plain = associate(tags, outcomes, scales=SCALES, seed=1).table
    other = tags.assign(number=100 * tags["number"], word=tags["word"].map({"a": "女装", "b": "<script>", "c": "$x$"}))
    again = associate(other, outcomes.assign(spend=outcomes["spend"] * 8), scales=SCALES, seed=1).table
    pd.testing.assert_frame_equal(again, plain)
    mixed = associate(tags[::-1], outcomes.sample(frac=1, random_state=1), scales=SCALES, seed=1).table
    assert mixed["p_value"].tolist() == pytest.approx(plain["p_value"].tolist())


def test_what_cannot_be_tested_says_why():
    tags, outcomes = people(100, 5)
    tags = tags.assign(word="a", number=np.where(np.arange(100) < 9, 1.0, np.nan))
    table = associate(tags, outcomes.assign(spend=0.0), scales=SCALES, seed=1).table.set_index(["tag", "outcome"])
    assert table.loc[("word", "bought"), "reason"] == "the tag or the outcome is the same for all"
    assert table.loc[("number", "bought"), "reason"] == "fewer than 30 users have the tag"
    assert table["users"].isna().tolist() == [r.startswith("fewer") for r in table["reason"]]  # nine people stay hidden
    assert table["p_holm"].notna().sum() == 1


def test_nobody_in_both_halves():
    tags, outcomes = people(10, 6)
    none = associate(tags, outcomes.rename(index=lambda i: i + 99), scales=SCALES, seed=1)
    assert none.table.attrs["reason"] == "nobody is in both halves" == discoveries(none).attrs["reason"]
    assert associate(tags, missing(["bought"], "no log"), scales=SCALES, seed=1).table.attrs["reason"] == "no log"
    assert a.found_by(discoveries(none), "Holm") is None


@pytest.mark.parametrize(("wrong", "told"), [({"permutations": 0}, "permutations: 0"), ({"scales": {}}, "'word'")])
def test_wrong_arguments_are_named(wrong, told):
    with pytest.raises(TagError, match=told):
        associate(*people(50, 1), **({"scales": SCALES, "seed": 1} | wrong))
