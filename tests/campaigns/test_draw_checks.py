"""Conditions of a fair comparison, overlapping campaigns, and A/A tests against scipy and the promised rate."""

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.campaigns.draw_checks import _welch_p, aa_study, conditions, overlaps
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

PLAN = ibis.memtable({"campaign_id": ["a", "b", "c"], "starts_at": [0, 50, 61], "ends_at": [60, 99, 70]})


def users(n=400):
    arm = np.where(np.arange(n) % 2 == 0, "control", "x")
    return pd.DataFrame(
        {"campaign_id": "a", "user_id": np.arange(n), "arm": arm, "contacts": (arm == "x").astype(int), "spend": 1.0,
         "margin": 0.5, "contact_cost": 0.1}
    )  # fmt: skip


def who(ids, campaign="b", **more):
    return ibis.memtable(pd.DataFrame({"campaign_id": campaign, "user_id": ids}).assign(**more))


def test_windows_that_touch_overlap():
    assert overlaps(users(), who(range(100)), PLAN)[["other_campaign", "people", "share"]].values.tolist() == [
        ["b", 100, 0.25]
    ]
    assert "no participant" in overlaps(users(), who(range(100), "c"), PLAN).attrs["reason"]
    assert (
        "no other campaign"
        in overlaps(
            users().assign(campaign_id="c"),
            who([1], "a"),
            PLAN.filter(False).union(PLAN.filter(PLAN.campaign_id == "c")),
        ).attrs["reason"]
    )


def test_an_uneven_overlap_is_said():
    even = conditions(users(), assignments=who(range(100)), campaigns=PLAN)
    uneven = conditions(users(), assignments=who(range(1, 200, 2)), campaigns=PLAN)
    assert (even.found.iloc[-1], uneven.found.iloc[-1]) == ("100 people", "100 people")
    assert even.meaning.iloc[-1].startswith("b: over the arms as")
    assert "NOT" in uneven.meaning.iloc[-1]


def test_each_fault_is_counted():
    bad = users()
    bad.loc[:19, "contacts"], bad.loc[:29, "spend"], bad.loc[:39, "margin"] = 1, -1.0, np.nan
    late = who(range(50), "a", assigned_at=5)
    table = conditions(bad, assignments=late, campaigns=PLAN).set_index("check").found
    assert table.tolist() == ["10 people", "50 people", "30 people", "40 people", "none", "none"]


def test_small_numbers_are_not_printed():
    bad = users()
    bad.loc[:3, "spend"] = -1.0
    table = conditions(bad, assignments=who([1]), campaigns=PLAN).set_index("check").found
    assert table["people with a negative spend"] == "fewer than 10 people"
    assert conditions(bad.head(0), assignments=who([1]), campaigns=PLAN).empty


def test_many_welch_tests_at_once_agree_with_scipy():
    rng = np.random.default_rng(1)
    y, coin = rng.exponential(5, 60), rng.random(60) < 0.4
    sums = [np.array([[v.sum(), (v**2).sum()]]) for v in (y[coin], y[~coin])]
    n = [np.array([[k]]) for k in (coin.sum(), (~coin).sum())]
    oracle = stats.ttest_ind(y[coin], y[~coin], equal_var=False).pvalue
    assert _welch_p(sums[0], n[0], sums[1], n[1])[0, 0] == pytest.approx(oracle)


def test_aa_alarms_are_as_rare_as_promised():
    rng = np.random.default_rng(2)
    people = pd.DataFrame({"arm": "control", "spend": (rng.random(800) < 0.3) * rng.lognormal(4, 1, 800)})
    people["purchased"] = (people.spend > 0).astype(int)
    table = aa_study(people, experiments=4_000)
    assert table.alarm_rate.between(0.04, 0.06).all()
    assert table.equals(aa_study(people, experiments=4_000))


def test_aa_needs_people_who_differ():
    people = pd.DataFrame({"arm": ["control"] * 30 + ["x"] * 30, "spend": 1.0, "purchased": [0, 1] * 30})
    assert aa_study(people, experiments=50).outcome.tolist() == ["purchased"]
    assert "same for all" in aa_study(people, outcomes=("spend",)).attrs["reason"]
    assert "fewer than 20" in aa_study(people.head(10)).attrs["reason"]
    assert "no campaign" in aa_study(missing(["arm"], "no campaign")).attrs["reason"]
    with pytest.raises(ExperimentError, match="experiments"):
        aa_study(people, experiments=0)
