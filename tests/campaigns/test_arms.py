"""The draw and several arms against published values, scipy and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from helpers.campaigns.arms import arm_counts, holm, planned_shares, sample_ratio_test, several_arms
from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

DUNNETT_1955 = {
    "control": [7.40, 8.50, 7.20, 8.24, 9.84, 8.32],
    "drug_a": [9.76, 8.80, 7.68, 9.36],
    "drug_b": [12.80, 9.68, 12.16, 9.20, 10.55],
}
"""Blood counts of Dunnett's own paper."""


def frame(samples):
    return pd.DataFrame([(arm, v) for arm, values in samples.items() for v in values], columns=["arm", "spend"])


def test_published_sample_ratio_mismatch():
    # Kohavi, Tang & Xu (2020), chapter 21: 821,588 users against 815,482
    row = sample_ratio_test({"control": 821_588, "treated": 815_482}).iloc[0]
    assert (f"{row.p_value:.1e}", row.split) == ("1.8e-06", "faulty")


def test_split_by_hand():
    # 60 : 40 against 50 : 50: (10² + 10²)/50 = 4
    row = sample_ratio_test({"a": 60, "b": 40}).iloc[0]
    assert (row.chi2, row.degrees) == (4.0, 1)
    assert row.p_value == pytest.approx(2 * stats.norm.sf(2))


def test_a_planned_uneven_split_passes():
    row = sample_ratio_test({"control": 75, "x": 25}, expected={"control": 3, "x": 1}).iloc[0]
    assert (row.p_value, row.split) == (1.0, "as planned")


def test_words_for_the_split():
    assert planned_shares("equal", arms=["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert planned_shares("a:3,b:1", arms=["a", "b"]) == {"a": 0.75, "b": 0.25}
    assert planned_shares("equal", arms=[]) == {}


@pytest.mark.parametrize("split", ["even", "a:1", "a:1,b:0", "a:1,c:1", "a:x,b:1"])
def test_wrong_words_for_the_split(split):
    with pytest.raises(ExperimentError):
        planned_shares(split, arms=["a", "b"])


def test_split_degenerate_and_wrong():
    assert "two arms" in sample_ratio_test({"control": 5}).attrs["reason"]
    assert sample_ratio_test({"a": 0, "b": 0}).empty
    assert sample_ratio_test(arm_counts(missing(["arm"], "no campaign"))).attrs["reason"] == "no campaign"
    with pytest.raises(ExperimentError, match="expected"):
        sample_ratio_test({"a": 5, "b": 5}, expected={"a": 1})
    with pytest.raises(ExperimentError, match="counts"):
        sample_ratio_test({"a": -5, "b": 5})


def test_the_split_test_keeps_its_level():
    rng = np.random.default_rng(4)
    p = [sample_ratio_test({"a": n, "b": 1000 - n}).p_value[0] for n in rng.binomial(1000, 0.5, 1000)]
    assert 0.03 <= np.mean(np.array(p) < 0.05) <= 0.07
    assert np.mean(np.array(p) < 0.001) <= 0.004


def test_holm_agrees_with_statsmodels():
    p = pd.Series([0.04, 0.001, 0.3, 0.02], index=list("abcd"))
    assert np.allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm(p).index.tolist() == list("abcd")


def test_dunnett_of_the_original_paper():
    # Dunnett (1955): drug B differs from the control, drug A does not; t = 0.86 and 3.69, critical 2.50
    table = several_arms(frame(DUNNETT_1955), outcome="spend").set_index("arm")
    assert table.p_dunnett.round(2).to_dict() == {"drug_a": 0.62, "drug_b": 0.01}
    assert table.simultaneous_ci_low["drug_a"] < 0 < table.simultaneous_ci_low["drug_b"]


def test_one_treated_arm_needs_no_correction():
    users = frame({"control": [1.0, 2, 3, 4, 6], "x": [2.0, 4, 4, 7, 9]})
    row, alone = several_arms(users, outcome="spend").iloc[0], welch(users, outcome="spend").iloc[0]
    pooled = stats.ttest_ind(users.spend[users.arm == "x"], users.spend[users.arm == "control"])
    assert row.p_holm == row.p_value == alone.p_value
    assert row.p_dunnett == pytest.approx(pooled.pvalue, abs=1e-3)


def test_correction_keeps_the_family_error_rate():
    # four arms, none works: some arm looks significant in about 1 of 7 experiments, after Holm in 1 of 20
    rng, raw, held = np.random.default_rng(6), 0, 0
    for _ in range(400):
        users = pd.DataFrame({"arm": np.repeat(["control", *"abcd"], 60), "spend": rng.exponential(1, 300)})
        p = welch(users, outcome="spend").p_value
        raw, held = raw + (p < 0.05).any(), held + (holm(p) < 0.05).any()
    assert raw / 400 > 0.10
    assert 0.02 <= held / 400 <= 0.07


def test_several_arms_degenerate():
    users = frame({"control": [0.0, 0, 0], "x": [0.0, 0, 0]})
    assert "same for all" in several_arms(users, outcome="spend").attrs["reason"]
    assert several_arms(users.head(0), outcome="spend").empty


def test_the_simultaneous_interval_has_dunnetts_published_constant():
    """Two treated arms of five and a control of five: 12 degrees of freedom, constant 2.50 (Dunnett 1964, 5 %)."""
    users = pd.DataFrame({"arm": ["control"] * 5 + ["a"] * 5 + ["b"] * 5, "spend": [1.0, 2, 3, 4, 5] * 3})
    row = several_arms(users, outcome="spend").iloc[0]
    assert row.simultaneous_ci_high == pytest.approx(2.50 * np.sqrt(2.5 * 2 / 5), abs=0.01)


def test_the_simultaneous_interval_holds_at_a_high_level_too():
    found = [several_arms(four_equal_arms(s), outcome="spend", level=0.99) for s in range(20)]
    held = np.mean([((t.simultaneous_ci_low < 0) & (t.simultaneous_ci_high > 0)).all() for t in found])
    assert held >= 0.9


def four_equal_arms(seed):
    spend = np.random.default_rng(seed).exponential(20, 400)
    return pd.DataFrame({"arm": np.repeat(["control", "a", "b", "c"], 100), "spend": spend})
