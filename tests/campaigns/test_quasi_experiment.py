"""Campaigns without a draw: hand arithmetic, refusals, and the bias that each reading has on simulated people."""

import ibis
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.quasi_experiment import (
    WEEK,
    fit_words,
    follow,
    graded,
    group_panel,
    placebo_in_time,
    reached,
    simple_comparisons,
    weekly_gaps,
    weekly_spend,
)
from helpers.findings import NotAnswerable, missing


def people(seed, *, n=600, effect=5.0, season=3.0, chosen="chance", weeks=(-6, 5)):
    """Weekly spend of people with habits of their own; the campaign runs in the weeks 0 and 1.

    chosen: 'chance'; 'habit', who usually spends more; 'lately', who spent more in the weeks before by chance.
    """
    rng, week = np.random.default_rng(seed), np.arange(*weeks)
    habit = rng.exponential(10, n)
    spend = habit[:, None] + rng.normal(0, 12, (n, len(week))) + season * (week >= 0)
    score = {"chance": rng.random(n), "habit": habit, "lately": spend[:, week < 0].mean(axis=1)}[chosen]
    treated = score > np.median(score)
    spend += effect * treated[:, None] * np.isin(week, (0, 1))
    return pd.DataFrame(spend, columns=week.tolist()).assign(treated=treated)


def errors(seeds=40, **more):
    found = [simple_comparisons(people(s, **more), last=1).set_index("method").difference - 5 for s in range(seeds)]
    return pd.DataFrame(found).mean()


def test_who_is_reached_in_a_staged_roll_out():
    who = ibis.memtable(
        {"campaign_id": ["c"] * 4 + ["d"], "user_id": [1, 2, 3, 4, 1], "arm": ["x", "control"] * 2 + ["x"]}
    )
    tiers = ibis.memtable({"user_id": [1, 2, 3, 4], "city_tier": [4, 4, 1, 1]})
    table = reached("c", assignments=who, users=tiers, only="4", min_cell=1)
    assert table.values.tolist() == [[1, True, "4"], [4, False, "1"]]
    assert len(reached("c", assignments=who, min_cell=1)) == 4


def test_roll_outs_that_cannot_be_read_are_refused():
    who = ibis.memtable({"campaign_id": ["aug", "aug"], "user_id": [1, 2], "arm": ["x", "control"]})
    with pytest.raises(NotAnswerable, match="Did you mean 'aug'"):
        reached("augg", assignments=who)
    with pytest.raises(NotAnswerable, match="Fewer than 10 people"):
        reached("aug", assignments=who)


def test_weeks_are_counted_from_the_start():
    lines = ibis.memtable(pd.DataFrame({
        "user_id": [1, 1, 1, 2, 2], "quantity": [1, 1, 2, 1, 1], "unit_price": [5.0, 7.0, 4.0, 9.0, 1.0],
        "discount": [0.0, 1.0, None, 0.0, 0.0], "timestamp": [0, 3 * WEEK - 1, 3 * WEEK, 3 * WEEK, 5 * WEEK],
    }))  # fmt: skip
    who = pd.DataFrame({"user_id": [1, 2, 3], "treated": [True, False, False], "group": "all"})
    table = weekly_spend(who, lines, start=3 * WEEK, weeks_before=9, weeks_after=2)
    assert table[[-3, -2, -1, 0, 1]].values.tolist() == [[5, 0, 6, 8, 0], [0, 0, 0, 9, 0], [0] * 5]
    with pytest.raises(NotAnswerable, match="two whole weeks"):
        weekly_spend(who, lines, start=WEEK, weeks_before=9, weeks_after=2)
    with pytest.raises(NotAnswerable, match="no orders"):
        weekly_spend(who, lines.filter(False), start=WEEK, weeks_before=9, weeks_after=2)


def test_did_is_the_interaction_of_a_regression():
    # oracle: spend ~ treated × after over persons' means before and after, clustered by person = Welch on the changes
    table = people(3)
    long = pd.DataFrame({"y": np.concatenate([table[[*range(-6, 0)]].mean(axis=1), table[[0, 1]].mean(axis=1)])})
    after, treated = np.repeat([0.0, 1.0], len(table)), np.tile(table.treated.astype(float), 2)
    fit = sm.OLS(long.y, sm.add_constant(np.column_stack([after, treated, after * treated]))).fit()
    row = simple_comparisons(table, last=1).iloc[2]
    assert row.difference == pytest.approx(fit.params.iloc[3])


def test_each_reading_is_right_only_where_its_assumption_holds():
    by_chance, by_habit = errors(), errors(chosen="habit")
    assert abs(by_chance["after only"]) < 0.5 < 2 < by_chance["before and after"]  # the season of 3
    assert abs(by_habit["difference in differences"]) < 0.5 < 5 < by_habit["after only"]


def test_who_was_chosen_for_a_good_month_falls_back():
    # regression to the mean: the weeks before agree, the weeks after the end do not
    assert errors(chosen="lately")["difference in differences"] < -3
    tests = [placebo_in_time(people(s, chosen="lately"), last=1).set_index("test").p_value for s in range(20)]
    tests = pd.DataFrame(tests)
    assert (tests["weeks before the start, together"] < 0.05).mean() <= 0.2
    assert (tests["weeks after the end"] < 0.05).mean() >= 0.9


def test_intervals_and_placebos_keep_their_level():
    covered, alarms = 0, 0
    for s in range(70):
        table = people(s, n=300, chosen="habit")
        row = simple_comparisons(table, last=1).iloc[2]
        covered += row.ci_low <= 5 <= row.ci_high
        alarms += placebo_in_time(table, last=1).p_value[0] < 0.05
    assert 0.90 <= covered / 70 <= 0.985
    assert alarms / 70 <= 0.11


def test_weekly_gaps_are_zero_before_and_the_effect_within():
    gaps = pd.concat([weekly_gaps(people(s, chosen="habit"), last=1) for s in range(20)]).groupby("week").gap.mean()
    assert gaps[[0, 1]].tolist() == pytest.approx([5, 5], abs=1)
    assert gaps.drop([0, 1]).abs().max() < 1


def test_groups_of_those_not_reached():
    table = people(1, n=60).assign(user_id=range(60))
    tiers = ibis.memtable({"user_id": list(range(60)), "tier": [i % 4 for i in range(60)]})
    panel = group_panel(table, users=tiers, by=["tier", "age"], last=0, min_cell=1)
    assert panel.columns.tolist() == ["treated", "0", "1", "2", "3"]
    assert panel.index.tolist() == [-6, -5, -4, -3, -2, -1, 0]
    chosen = table[~table.treated & (table.user_id % 4 == 2)]
    assert panel.at[-3, "2"] == pytest.approx(chosen[-3].mean())
    assert "none of the columns" in group_panel(table, users=tiers, by=["age"], last=0).attrs["reason"]
    assert "fewer than three" in group_panel(table, users=tiers, by=["tier"], last=0, min_cell=50).attrs["reason"]


def test_grading_takes_the_truth_of_those_reached():
    estimates = pd.DataFrame({"method": ["m"], "difference": [2.0], "ci_low": [1.0], "ci_high": [3.0]})
    who = pd.DataFrame({"user_id": [1, 2], "treated": [True, False]})
    outcomes = pd.DataFrame({"campaign_id": ["c"] * 2, "user_id": [1, 2], "effect": [8.0, 100.0]})
    assert graded(estimates, who, outcomes, campaign="c", weeks=2).error.tolist() == [-2.0]
    assert "truth" not in graded(estimates, who, missing(["effect"], "real data"), campaign="c", weeks=2)


def test_nothing_to_compare():
    table = people(1) * 0
    assert "does not vary" in simple_comparisons(table.assign(treated=[True, False] * 300), last=1).attrs["reason"]
    assert weekly_gaps(table.assign(treated=[True, False] * 300), last=1).empty
    assert placebo_in_time(table.assign(treated=[True, False] * 300), last=1).empty
    with pytest.raises(ExperimentError, match="last"):
        simple_comparisons(people(1), last=-1)


PLAN = ibis.memtable({"campaign_id": ["c"], "starts_at": [3 * WEEK], "ends_at": [5 * WEEK - 1]})
LINES = ibis.memtable(pd.DataFrame({
    "user_id": np.tile([1, 2, 3, 4], 7), "quantity": 1, "unit_price": np.arange(28) % 5 + 1.0,
    "timestamp": np.repeat(np.arange(7), 4) * WEEK,
}))  # fmt: skip
WHO = ibis.memtable({"campaign_id": ["c"] * 4, "user_id": [1, 2, 3, 4], "arm": ["x", "control"] * 2})


def test_a_roll_out_is_followed_over_its_window():
    rollout = follow("c", assignments=WHO, campaigns=PLAN, orders=LINES, min_cell=1, weeks_before=2, weeks_later=1)
    assert (rollout.last, rollout.length) == (1, 2)
    assert [c for c in rollout.table.columns if isinstance(c, int)] == [-2, -1, 0, 1, 2]
    assert rollout.sizes().people.tolist() == [2, 2]


def test_a_roll_out_that_cannot_be_followed_is_missing_or_refused():
    given = {"assignments": WHO, "campaigns": PLAN, "orders": LINES}
    with pytest.raises(NotAnswerable, match="no campaign 'd'"):
        follow("d", **given)
    lost = follow("d", **given, strict=False)
    assert "no campaign 'd'" in lost.table.attrs["reason"]
    assert all(t.empty for t in (lost.sizes(), simple_comparisons(lost.table, last=0), weekly_gaps(lost.table, last=0)))
    assert "no campaign 'd'" in placebo_in_time(lost.table, last=0).attrs["reason"]
    assert "no campaign 'd'" in group_panel(lost.table, users=None, by=["tier"], last=0).attrs["reason"]


def test_words_for_the_fit():
    table = pd.DataFrame({"placebo": [False, True, True], "fit_error": [9.0, 1.0, 3.0]})
    assert fit_words(table).startswith("POOR")
    assert fit_words(table.assign(fit_error=2.0)).startswith("as good as")
    assert fit_words(missing(["placebo"], "no groups")) == "not known, because no groups"
