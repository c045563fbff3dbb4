"""The plan against brute force over whole people, by hand, and its prices against plans with one unit more."""

from itertools import permutations, product

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import contact_allocation as allocation
from helpers.campaigns.contact_allocation import Scene, allocate, first_come, outcome
from helpers.campaigns.errors import ExperimentError


def scene(people, value, *, allowed=None, cost=None, response=(1.0, 0.5, 0.3), lost=(0.0, 0.0, 0.0), leave=None):
    value = np.array(value, float)
    g, k = value.shape
    return Scene(
        tuple(f"g{i}" for i in range(g)), tuple(f"m{j}" for j in range(k)), np.array(people, float),
        np.ones((g, k), bool) if allowed is None else np.array(allowed, bool), value, 3 * value,
        np.ones(k) if cost is None else np.array(cost, float), np.array(response, float), np.array(lost, float),
        np.array(lost if leave is None else leave, float) / 10,
    )  # fmt: skip


def random_scene(seed):
    rng = np.random.default_rng(seed)
    g, k, s = 2, int(rng.integers(2, 4)), 2
    return scene(
        rng.integers(1, 3, g), rng.normal(2, 4, (g, k)), allowed=rng.random((g, k)) < 0.8, cost=rng.integers(1, 4, k),
        response=np.sort(rng.random(s))[::-1], lost=np.sort(rng.random(s)),
    )  # fmt: skip


def ways(scene, group, cap):
    """Every way to fill the places of one person: (profit, cost) of each."""
    worth, found = scene.worth(), [(0.0, 0.0)]
    allowed, places = np.flatnonzero(scene.allowed[group]), range(min(cap, len(scene.response)))
    for n in range(1, len(places) + 1):
        for chosen in permutations(allowed, n):
            for used in permutations(places, n):
                pairs = list(zip(chosen, used, strict=True))
                found.append((sum(worth[group, k, s] for k, s in pairs), sum(scene.cost[k] for k in chosen)))
    return list(set(found))


def brute_force(scene, *, cap, budget):
    persons = [ways(scene, g, cap) for g, n in enumerate(scene.people) for _ in range(int(n))]
    return max(sum(w[0] for w in plan) for plan in product(*persons) if sum(w[1] for w in plan) <= budget + 1e-9)


@pytest.mark.parametrize("seed", range(25))
def test_whole_people_against_brute_force(seed):
    case, cap, budget = random_scene(seed), seed % 3, float(seed % 8)
    best = brute_force(case, cap=cap, budget=budget)
    whole = allocate(case, cap=cap, budget=budget, whole=True)
    assert outcome(whole)["profit"] == pytest.approx(best, abs=1e-7)
    assert outcome(allocate(case, cap=cap, budget=budget))["profit"] >= best - 1e-7


@pytest.mark.parametrize("seed", range(25, 45))
def test_without_a_budget_the_linear_plan_is_whole(seed):
    case = random_scene(seed)
    plan = allocate(case, cap=2)
    assert outcome(plan)["profit"] == pytest.approx(brute_force(case, cap=2, budget=np.inf), abs=1e-7)
    assert plan.people == pytest.approx(np.rint(plan.people), abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_a_plan_keeps_every_limit(seed):
    case = random_scene(seed)
    plan = allocate(case, cap=1, budget=3.0)
    assert (plan.people.sum(axis=2) <= case.people[:, None] * case.allowed + 1e-9).all()
    assert (plan.people.sum(axis=1) <= case.people[:, None] + 1e-9).all() and not plan.people[:, :, 1:].any()
    assert outcome(plan)["message_cost"] <= 3 + 1e-9


def test_three_people_and_two_messages_by_hand():
    plan = allocate(scene([3], [[5.0, 3.0]]), cap=1, budget=2.0)
    assert plan.people[0, :, 0].tolist() == pytest.approx([2, 0]) and plan.budget_price == pytest.approx(4.0)
    # with money for all, a second message brings 3·0.5 − 1 to each of the three
    more = allocate(scene([3], [[5.0, 3.0]]), cap=1)
    assert outcome(more)["profit"] == pytest.approx(12) and more.cap_price[0] == pytest.approx(0.5)


def test_prices_are_what_one_more_unit_earns():
    case = scene([40, 60], [[5.0, 3.0], [4.0, 6.0]], allowed=[[True, False], [True, True]], lost=[0.1, 0.2, 0.4])
    plan = allocate(case, cap=1, budget=70.0)
    step, base = 0.01, outcome(plan)["profit"]
    richer = outcome(allocate(case, cap=1, budget=70.0 + step))["profit"]
    assert (richer - base) / step == pytest.approx(plan.budget_price)
    free = allocate(case, cap=1)
    assert free.budget_price == 0
    # one person of g0 more consents to m1 (worth 3, he gets m0 worth 5): nothing; m1 of g1 beats m0 there
    assert free.consent_price[0, 1] == pytest.approx(0)


def test_the_price_of_consent_by_hand():
    plan = allocate(scene([10], [[4.0, 9.0]], allowed=[[True, False]]), cap=1)
    # m1 instead of m0: (9 − 1) − (4 − 1)
    assert plan.consent_price[0, 1] == pytest.approx(5)
    table = allocation.shadow_prices(plan)
    assert table.set_index("limit").price["consent"] == pytest.approx(5)
    assert "would earn 5.00" in table.in_words.iloc[-1]


def test_messages_that_lose_are_not_sent():
    plan = allocate(scene([5], [[-3.0, 0.5]]), cap=2)
    assert not plan.people.any() and plan.budget_price == 0


def test_first_come_fills_places_in_order_until_the_money_is_gone():
    case = scene([4, 2], [[1.0, 9.0], [1.0, 9.0]])
    assert first_come(case, cap=1).people[:, :, 0].tolist() == [[4, 0], [2, 0]]
    both = first_come(case, cap=2)
    assert both.people[0, 1, 1] == 4 and outcome(both)["messages"] == 12
    short = first_come(case, cap=2, budget=5.0)
    assert short.people[:, 0, 0].tolist() == [4, 1] and not short.people[:, 1].any()


@pytest.mark.parametrize("seed", range(8))
def test_the_best_plan_is_never_worse_than_first_come(seed):
    plans = allocation.usual_plans(random_scene(seed), cap=1, budget=4.0)
    profit = allocation.compare_plans(plans).set_index("plan").profit
    assert profit[allocation.BEST] >= profit[allocation.FIRST] - 1e-9
    assert profit["best plan, without a cap"] >= profit[allocation.BEST] - 1e-9


def test_outcomes_by_hand_and_by_the_truth():
    case = scene([10], [[4.0]], lost=[2.0, 2.0, 2.0], leave=[0.1, 0.1, 0.1])
    real = scene([10], [[1.0]], lost=[2.0, 2.0, 2.0])
    table = allocation.compare_plans({"all": allocate(case, cap=1)}, truth=real).iloc[0]
    # 10 messages: margin 40, cost 10, lost 20, sales 3 · 40; by the truth 10 − 10 − 20
    assert (table.margin, table.message_cost, table.lost_future, table.profit) == (40, 10, 20, 10)
    assert (table.sales, table.opt_outs, table.profit_by_truth) == (120, pytest.approx(0.1), -20)


def test_changes_and_the_gain_over_first_come():
    plans = allocation.usual_plans(random_scene(3), cap=1, budget=4.0)
    table = allocation.compare_plans(plans)
    changes = allocation.plan_changes(table)
    gain, real = allocation.against_first_come(changes)
    profit = table.set_index("plan").profit
    assert gain.value == pytest.approx(profit[allocation.BEST] - profit[allocation.FIRST], abs=1e-5) and real is None
    with pytest.raises(ExperimentError, match="the plans are"):
        allocation.plan_changes(table, plan="another")


def test_the_table_of_the_plan_hides_small_cells():
    case = scene([30, 5], [[4.0, 3.0], [4.0, 3.0]])
    found = allocation.plan_table(allocate(case, cap=1), by="group", min_cell=10)
    assert found.loc["g0"].tolist() == [30, 0] and np.isnan(found.loc["g1", "m0"])


@pytest.mark.parametrize("wrong", [{"cap": -1}, {"cap": 1, "budget": -1.0}, {"cap": 1, "budget": float("nan")}])
def test_wrong_limits_are_refused(wrong):
    with pytest.raises(ExperimentError, match="take 0 or more"):
        allocate(random_scene(0), **wrong)


def test_without_a_scene_there_is_a_reason():
    none = Scene(reason="consent is unknown")
    plans = allocation.usual_plans(none, cap=2, budget=1.0)
    table = allocation.compare_plans(plans)
    assert table.attrs["reason"] == "consent is unknown"
    assert allocation.plan_changes(table).attrs["reason"] == "consent is unknown"
    assert allocation.against_first_come(allocation.plan_changes(table))[0].reason == "consent is unknown"
    assert allocation.plan_table(plans[allocation.BEST]).empty
    assert isinstance(allocation.shadow_prices(plans[allocation.BEST]), pd.DataFrame)
