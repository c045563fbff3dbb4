"""Lists graded by an experiment: by hand, on participants whose both outcomes are known, and on a simulated log."""

from functools import cache

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import experiment
from helpers.customers import targeting
from helpers.customers.features_before import IntentError
from helpers.engine import as_table
from tests.customers.behaviour_shops import FIRST, simulate_log

START = 1_511_539_200


def known(n: int = 3_000, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Participants with known risk and effect, and their truth: 10 more from one half, 6 less from the other."""
    rng = np.random.default_rng(seed)
    effect = np.where(rng.random(n) < 0.5, 10.0, -6.0)
    base, treated = rng.exponential(20, n), rng.integers(0, 2, n)
    table = pd.DataFrame({
        "campaign_id": "c", "user_id": np.arange(n), "treated": treated, "profit": base + treated * effect,
        "starts_at": START, "risk": rng.random(n), "uplift": effect, "random": rng.random(n),
    })  # fmt: skip
    truth = pd.DataFrame({"campaign_id": "c", "user_id": np.arange(n), "profit0": base, "profit1": base + effect})
    return table, truth


def test_the_profit_of_a_list_by_hand() -> None:
    treated, profit = np.array([1, 1, 0, 0, 1]), np.array([9.0, 5.0, 2.0, 4.0, 100.0])
    chosen = np.array([True, True, True, True, False])
    assert targeting.list_profit(treated, profit, chosen) == pytest.approx(1000 * 4 / 5 * (7 - 3))
    twice = targeting.list_profit(np.tile(treated, 2), np.tile(profit, 2), np.tile(chosen, 2))
    assert twice == targeting.list_profit(treated, profit, chosen, weight=np.full(5, 2.0)) == pytest.approx(3200)


def test_an_empty_list_earns_nothing_and_one_without_a_control_is_unknown() -> None:
    treated, profit = np.array([1, 0]), np.array([9.0, 5.0])
    assert targeting.list_profit(treated, profit, np.array([False, False])) == 0
    assert np.isnan(targeting.list_profit(treated, profit, np.array([True, False])))


def test_a_part_of_everybody_earns_that_part() -> None:
    table, _ = known()
    treated, profit = table.treated.to_numpy(), table.profit.to_numpy()
    whole, fifth = (targeting.list_profit(treated, profit, np.full(len(table), s)) for s in (1.0, 0.2))
    assert fifth == pytest.approx(whole / 5)


def test_lists_hold_the_best_and_never_those_without_predicted_uplift() -> None:
    table, _ = known(400)
    risk, gain = targeting.choose(table, by="risk", share=0.25), targeting.choose(table, by="uplift", share=0.9)
    assert risk.sum() == 100 and table.risk[risk].min() >= table.risk[~risk].max()
    assert set(table.uplift[gain]) == {10.0} and gain.sum() == (table.uplift > 0).sum()


def test_the_truth_column_by_hand() -> None:
    table, truth = known()
    found = targeting.policies(table, truth, share=0.2, boots=20).set_index("contact")
    assert found.loc["highest uplift", "truth"] == pytest.approx(2000)
    assert found.loc["nobody", ["customers", "profit", "truth"]].tolist() == [0, 0, 0]
    assert found.loc["random", "truth"] == pytest.approx(200 * (truth.profit1 - truth.profit0).mean())
    assert found.loc["highest uplift", "profit_ci_low"] > found.loc["most at risk", "profit_ci_high"]


def test_intervals_cover_the_truth_of_the_population() -> None:
    hits = {"most at risk": 0, "highest uplift": 0, "random": 0}
    true = {"most at risk": 400, "highest uplift": 2_000, "random": 400}  # mean effect 2 of all, 10 of the best half
    for seed in range(60):
        table, truth = known(1_000, seed=seed)
        for row in targeting.policies(table, truth, share=0.2, boots=100, seed=seed).head(3).itertuples():
            hits[row.contact] += row.profit_ci_low <= true[row.contact] <= row.profit_ci_high
    assert all(n >= 50 for n in hits.values())  # of 60; 49 or fewer has a chance below 1 in 1,000 at 95 %


def test_the_difference_is_that_of_the_two_lists() -> None:
    table, truth = known()
    lists = targeting.policies(table, truth, share=0.2, boots=20).set_index("contact")
    gap = targeting.uplift_over_risk(table, truth, share=0.2, boots=20).iloc[0]
    for ours, theirs in (("difference", "profit"), ("truth", "truth")):
        assert gap[ours] == pytest.approx(lists.loc["highest uplift", theirs] - lists.loc["most at risk", theirs])
    name, value, true = targeting.estimate(pd.DataFrame([gap]))
    assert name == "c" and value.value == gap.difference and true == gap.truth


def test_the_t_learner_finds_a_planted_effect_and_none_where_there_is_none() -> None:
    rng = np.random.default_rng(1)
    features, treated = rng.normal(size=(4_000, 3)), rng.integers(0, 2, 4_000)
    noise = rng.normal(size=4_000)
    planted = targeting.uplift(features, treated, features[:, 0] * treated * 5 + noise)
    nothing = targeting.uplift(features, treated, features[:, 0] * 5 + noise)
    assert np.corrcoef(planted, features[:, 0])[0, 1] > 0.95 and np.abs(nothing).mean() < 0.3


def test_nobody_is_predicted_by_his_own_outcome() -> None:
    rng = np.random.default_rng(2)
    features, treated = rng.normal(size=(60, 2)), np.tile([0, 1], 30)
    profit = rng.normal(size=60)
    before = targeting.uplift(features, treated, profit)
    profit[7] += 1_000
    assert targeting.uplift(features, treated, profit)[7] == before[7]
    assert not targeting.uplift(features[:5], treated[:5], profit[:5]).any()


def test_by_risk_gives_the_effect_of_each_group() -> None:
    table, truth = known()
    table = table.assign(risk=-table.uplift + table.random)
    found = targeting.by_risk(table, truth, parts=2)
    assert found.truth.iloc[0] > 9 and found.truth.iloc[1] < -5
    assert found.truth.between(found.effect_ci_low, found.effect_ci_high).all()
    assert found.customers.sum() == len(table) and found.risk_group.tolist() == ["1 (lowest)", "2 (highest)"]


def test_real_data_have_no_truth_column() -> None:
    table, truth = known()
    assert targeting.policies(table, truth.head(0), share=0.2, boots=20).truth.isna().all()
    assert targeting.by_risk(table, truth.head(0)).truth.isna().all()
    assert targeting.estimate(targeting.uplift_over_risk(table, truth.head(0), share=0.2, boots=20))[2] is None


@cache
def shop_tables(users: int = 200) -> tuple[dict, pd.DataFrame]:
    """A simulated log with an experiment of its customers: even ids are contacted; every third buys one item for 30."""
    log = simulate_log(users, seed=1)
    ids = log.truth.user_id.to_numpy()
    start = START - 60 * 86_400
    assignments = pd.DataFrame({"campaign_id": "c", "user_id": ids, "arm": np.where(ids % 2, "control", "x")})
    campaigns = pd.DataFrame({
        "campaign_id": ["c"], "starts_at": [start], "ends_at": [start + 999], "randomised": [True], "unit_cost": [0.5],
    })  # fmt: skip
    orders = pd.DataFrame({"order_id": ids, "user_id": ids, "item_id": 1, "quantity": 1, "unit_price": 30.0,
                           "discount": 2.0, "timestamp": start + 5})[ids % 3 == 0]  # fmt: skip
    items = pd.DataFrame({"item_id": [1], "category_id": [1], "unit_margin": [12.0]})
    tables = {"assignments": assignments, "campaigns": campaigns, "orders": orders, "items": items}
    return {name: as_table(t) for name, t in tables.items()}, log.events


LENGTHS = {"users": None, "first": FIRST, "horizon_days": 14, "history_days": 28, "time_zone": "Asia/Shanghai"}


def test_profit_is_margin_less_discount_less_contacts() -> None:
    tables, _ = shop_tables()
    people = targeting.trials(experiment.participants, tables, names="b, c")
    expected = np.where(people.user_id % 3 == 0, 10.0, 0.0) - np.where(people.treated == 1, 0.5, 0.0)
    assert np.allclose(people.profit, expected) and (people.treated == 1 - people.user_id % 2).all()


def test_candidates_know_nothing_of_the_time_after_the_start() -> None:
    tables, events = shop_tables()
    people = targeting.trials(experiment.participants, tables, names="c")
    start = pd.Timestamp("2017-09-26")
    whole, before = (targeting.candidates(people, as_table(e), **LENGTHS) for e in (events, events[events.day < start]))
    pd.testing.assert_frame_equal(whole, before)
    assert whole.risk.between(0, 1).all() and len(whole) == len(people)


def test_traits_of_users_are_used_where_there_are_any() -> None:
    tables, events = shop_tables()
    people = targeting.trials(experiment.participants, tables, names="c")
    users = as_table(pd.DataFrame({"user_id": people.user_id, "city_tier": people.user_id % 3}))
    found = targeting.candidates(people, as_table(events), **(LENGTHS | {"users": users}))
    assert (
        found.uplift.groupby(found.user_id % 3).mean().iloc[0] != found.uplift.groupby(found.user_id % 3).mean().iloc[1]
    )


@pytest.mark.parametrize("gone", ["campaigns", "assignments", "orders", "items"])
def test_a_study_without_an_experiment_says_so_quietly(gone: str) -> None:
    tables, events = shop_tables(60)
    people = targeting.trials(experiment.participants, {k: v for k, v in tables.items() if k != gone}, names="c")
    found = targeting.candidates(people, as_table(events), **LENGTHS)
    lists = targeting.policies(found, pd.DataFrame(), share=0.2)
    gap = targeting.uplift_over_risk(found, pd.DataFrame(), share=0.2)
    assert all(gone in t.attrs["reason"] for t in (people, found, lists, gap, targeting.by_risk(found, pd.DataFrame())))
    assert gone in targeting.estimate(gap)[1].reason


def test_unknown_chosen_and_too_early_campaigns_are_left_out() -> None:
    tables, events = shop_tables(60)
    assert targeting.trials(experiment.participants, tables, names="d").attrs["reason"]
    chosen = tables | {"campaigns": tables["campaigns"].mutate(randomised=False)}
    assert targeting.trials(experiment.participants, chosen, names="c").empty
    people = targeting.trials(experiment.participants, tables, names="c")
    early = targeting.candidates(people, as_table(events), **(LENGTHS | {"first": pd.Timestamp("2017-09-20")}))
    assert "21 days" in early.attrs["reason"]


def test_a_share_outside_0_to_1_is_refused() -> None:
    with pytest.raises(IntentError, match="share"):
        targeting.policies(*known(50), share=1.0)
