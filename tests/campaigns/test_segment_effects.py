"""Effects by group: hand arithmetic, statsmodels' interaction test, error rates and shrinkage on simulated truth."""

import ibis
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.segment_effects import interaction_test, segment_effects, with_group, with_segment_truth
from helpers.findings import missing

GROUPS = 5


def draw(seed, *, n=1500, spread=0.0):
    """Spend with an effect of 1 on average, that differs between the groups with the standard deviation `spread`."""
    rng = np.random.default_rng(seed)
    effect = 1 + spread * rng.standard_normal(GROUPS)
    group, treated = rng.integers(0, GROUPS, n), rng.random(n) < 0.5
    spend = rng.standard_normal(n) * 4 + treated * effect[group]
    users = pd.DataFrame({"arm": np.where(treated, "x", "control"), "group": group.astype(str), "spend": spend})
    return users, effect


def test_each_group_is_its_own_experiment():
    users, _ = draw(1)
    table = segment_effects(users, outcome="spend").set_index("group")
    alone = welch(users[users.group == "2"], outcome="spend", level=0.95 ** (1 / GROUPS)).iloc[0]
    row = table.loc["2"]
    found = [row.difference, row.simultaneous_ci_low, row.simultaneous_ci_high]
    assert found == pytest.approx([alone.difference, alone.ci_low, alone.ci_high])
    assert table.users.sum() == len(users)


def test_interaction_agrees_with_the_regression():
    # oracle: Wald test of arm × group with robust errors (HC2 gives each cell its own s²/n)
    users, _ = draw(2, spread=0.5)
    g = pd.get_dummies(users.group, dtype=float).to_numpy()
    x = np.column_stack([g, g * (users.arm == "x").to_numpy(float)[:, None]])
    fit = sm.OLS(users.spend.to_numpy(), x).fit(cov_type="HC2", use_t=False)
    contrast = np.column_stack([np.zeros((4, 5)), -np.ones((4, 1)), np.eye(4)])
    oracle = fit.wald_test(contrast, use_f=False, scalar=True)
    row = interaction_test(segment_effects(users, outcome="spend")).iloc[0]
    assert (row.q, row.p_value) == (pytest.approx(oracle.statistic), pytest.approx(oracle.pvalue))


def test_spread_by_hand():
    # DerSimonian–Laird: effects 0, 2, 4 with errors 1: Q = 8, τ² = (8 − 2)/(3 − 1) = 3; shrunk by 3/4 to the mean
    effects = pd.DataFrame({"arm": "x", "difference": [0.0, 2.0, 4.0], "standard_error": 1.0})
    row = interaction_test(effects).iloc[0]
    assert (row.q, row.spread) == (pytest.approx(8), pytest.approx(3**0.5))


def test_the_error_rates_of_a_campaign_that_works_alike_for_all():
    p, missed = [], 0
    for seed in range(80):
        table = segment_effects(draw(seed, n=500)[0], outcome="spend")
        p.append(interaction_test(table).p_value[0])
        missed += ((table.simultaneous_ci_low > 1) | (table.simultaneous_ci_high < 1)).any()
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert missed / 80 <= 0.10


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_shrunk_effects_are_nearer_to_the_truth(spread):
    raw = shrunk = 0.0
    for seed in range(30):
        users, effect = draw(seed, n=800, spread=spread)
        table = segment_effects(users, outcome="spend")
        raw, shrunk = raw + ((table.difference - effect) ** 2).sum(), shrunk + ((table.shrunk - effect) ** 2).sum()
    assert shrunk < 0.8 * raw


def test_small_groups_are_hidden_with_a_second_one():
    users, _ = draw(3)
    users.loc[users.index[:20], "group"] = "tiny"
    table = segment_effects(users, outcome="spend", min_cell=15)
    assert table.difference.isna().sum() == 2
    assert table.set_index("group").difference.isna()["tiny"]
    assert "no group has 9999" in segment_effects(users, outcome="spend", min_cell=9999).attrs["reason"]


def test_buyers_count_for_the_smallest_cell():
    users, _ = draw(3)
    users["purchased"] = (users.group != "1").astype(int)
    assert segment_effects(users, outcome="spend").set_index("group").difference.isna()["1"]


def test_groups_from_the_users_table():
    users = pd.DataFrame({"user_id": [1, 2, 3], "spend_before": [0.0, 1.0, 0.0]})
    customers = ibis.memtable(pd.DataFrame({"user_id": [1, 2], "city_tier": pd.array([4, None], "Int64")}))
    assert with_group(users, by="city_tier", customers=customers).group.tolist() == ["4", "not known", "not known"]
    assert "no column 'tier'" in with_group(users, by="tier", customers=customers).attrs["reason"]
    assert "no users table" in with_group(users, by="city_tier").attrs["reason"]


def test_against_the_truth_of_each_group():
    users, effect = draw(4)
    truth = pd.DataFrame({"arm": "x", "feature": "tier", "value": list("01234"), "cate_spend": effect})
    table = segment_effects(users, outcome="spend")
    graded = with_segment_truth(table, truth.assign(campaign_id="c"), campaign="c", by="tier")
    assert graded.truth.tolist() == effect.tolist()
    ends = graded.simultaneous_ci_low, graded.simultaneous_ci_high
    assert graded.covered.tolist() == graded.truth.between(*ends).tolist()
    assert with_segment_truth(table, missing(["x"], "real data"), campaign="c", by="tier") is table
    assert with_segment_truth(table, truth.assign(campaign_id="d"), campaign="c", by="tier") is table


def test_nothing_to_compare():
    users, _ = draw(5)
    assert "no arm" in segment_effects(users, outcome="spend", control="c").attrs["reason"]
    assert "same for all" in segment_effects(users.assign(spend=1.0), outcome="spend").attrs["reason"]
    assert "no campaign" in segment_effects(missing(["arm"], "no campaign"), outcome="spend").attrs["reason"]
    assert (
        "only one group" in interaction_test(segment_effects(users.assign(group="a"), outcome="spend")).attrs["reason"]
    )
    with pytest.raises(ExperimentError, match="group"):
        segment_effects(users.drop(columns="group"), outcome="spend")
