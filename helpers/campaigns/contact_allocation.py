"""Which message goes to whom: the plan of one week under cap, budget and consent, by linear programming.

Groups of people (by a feature and by consent) × messages × places in the week (first message, second, …). Within a
group this is an assignment problem, so a plan in whole people exists for every solution (Birkhoff); only the budget can
cut one group in two. The dual values are the prices of budget, cap and consent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_array

from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, missing

NOTHING = np.zeros((0, 0, 0))
BEST, FIRST = "best plan, with the cap", "first come, with the cap"


@dataclass(frozen=True)
class Scene:
    """All that a plan is judged by; with a `reason` there is nothing to plan.

    `people` (a group), `allowed` (group × message), `value` and `sales` (of one message to one person in the first
    place of the week, group × message, currency units), `cost` (a message), `response` (share of the value that is
    left, by place) and `lost` with `leave` (lost future value and chance of an opt-out of one more message, by place).
    """

    groups: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    people: np.ndarray = field(default_factory=lambda: np.zeros(0))
    allowed: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    value: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    sales: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    cost: np.ndarray = field(default_factory=lambda: np.zeros(0))
    response: np.ndarray = field(default_factory=lambda: np.zeros(0))
    lost: np.ndarray = field(default_factory=lambda: np.zeros(0))
    leave: np.ndarray = field(default_factory=lambda: np.zeros(0))
    reason: str = ""

    def worth(self) -> np.ndarray:
        """Profit of one message to one person: group × message × place."""
        earned = self.value[:, :, None] * self.response - self.cost[None, :, None]
        return earned - self.lost[None, None, :]


@dataclass(frozen=True)
class Plan:
    """People by group × message × place in the week, and what one more unit of each limit would earn."""

    scene: Scene
    people: np.ndarray = field(default_factory=lambda: NOTHING)
    budget_price: float | None = None
    consent_price: np.ndarray | None = None
    cap_price: np.ndarray | None = None
    cap: int = 0
    budget: float = np.inf

    @property
    def reason(self) -> str:
        """Why there is no plan; '' when there is one."""
        return self.scene.reason


def allocate(scene: Scene, *, cap: int, budget: float = np.inf, whole: bool = False) -> Plan:
    """The plan with the highest profit: max Σ x·worth with x people a group, message and place.

    Each message goes to a person at most once and only with consent; each place of a person holds one message; places
    above the cap stay empty; Σ x·cost ≤ budget.

    Parameters
    ----------
    scene : Scene
        From `set_scene`.
    cap : int
        Most messages a person and week, 0 or more.
    budget : float
        Most money for messages, currency units, ≥ 0; infinite without a limit.
    whole : bool
        True: whole people only (integer programming); then there are no prices.

    Returns
    -------
    Plan
        With prices ≥ 0 of one currency unit of budget, of consent of one more person (group × message), and of one more
        message above the cap to one person (group).

    Raises
    ------
    ExperimentError
        cap or budget below 0, or the solver found no plan.

    References
    ----------
    Dantzig (1963), *Linear programming and extensions*: dantzig1963. HiGHS: huangfu2018.

    Examples
    --------
    Two people, two messages worth 5 and 3, one place: the better one goes to both.

    >>> scene = Scene(("all",), ("a", "b"), np.array([2.0]), np.ones((1, 2), bool), np.array([[5.0, 3.0]]),
    ...               np.zeros((1, 2)), np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.zeros(2), np.zeros(2))
    >>> allocate(scene, cap=1).people[0, :, 0].tolist()
    [2.0, 0.0]
    """
    if cap < 0 or not budget >= 0:
        raise ExperimentError(f"cap {cap!r}, budget {budget!r}: take 0 or more")
    if scene.reason:
        return Plan(scene, cap=cap, budget=budget)
    shape = scene.value.shape + scene.response.shape
    rows, limits = _limits(scene, shape, cap, budget)
    found = linprog(
        -scene.worth().ravel(), A_ub=rows, b_ub=limits, bounds=(0, None), method="highs", integrality=int(whole) or None
    )
    if not found.success:
        raise ExperimentError(f"no plan was found: {found.message}")
    plan = np.clip(found.x.reshape(shape), 0, None)
    if whole:
        return Plan(scene, np.rint(plan), cap=cap, budget=budget)
    prices = np.clip(-found.ineqlin.marginals, 0, None)
    g, k, s = shape
    places = prices[g * k : g * k + g * s].reshape(g, s)
    next_place = places[:, cap] if cap < s else np.zeros(g)
    money = float(prices[-1]) if np.isfinite(budget) else 0.0
    return Plan(scene, plan, money, prices[: g * k].reshape(g, k), next_place, cap, budget)


def _limits(scene: Scene, shape: tuple[int, int, int], cap: int, budget: float) -> tuple[coo_array, np.ndarray]:
    """The rows of the program: a message once a person; a place once a person; the budget."""
    g, k, s = shape
    cell = np.arange(g * k * s)
    group, message, place = np.unravel_index(cell, shape)
    once, filled = group * k + message, g * k + group * s + place
    last = np.full(len(cell), g * k + g * s)
    rows, columns = np.concatenate([once, filled, last]), np.tile(cell, 3)
    entries = np.concatenate([np.ones(2 * len(cell)), scene.cost[message]])
    matrix = coo_array((entries, (rows, columns)), shape=(g * k + g * s + 1, len(cell)))
    open_place = scene.people[:, None] * (np.arange(s) < cap)
    # a limit that cannot bind stands for no budget: the solver wants finite numbers
    most = budget if np.isfinite(budget) else 2 * float(scene.people.sum() * scene.cost.sum()) + 1
    return matrix.tocsr(), np.concatenate([(scene.people[:, None] * scene.allowed).ravel(), open_place.ravel(), [most]])


def first_come(scene: Scene, *, cap: int, budget: float = np.inf) -> Plan:
    """The usual way: each campaign in the order of its date goes to all who may get it, until cap or budget is used up.

    Parameters as in `allocate`. A cap of the number of messages is *everything to everybody* with consent.

    Examples
    --------
    >>> scene = Scene(("all",), ("a", "b"), np.array([2.0]), np.ones((1, 2), bool), np.array([[3.0, 5.0]]),
    ...               np.zeros((1, 2)), np.array([1.0, 1.0]), np.array([1.0, 1.0]), np.zeros(2), np.zeros(2))
    >>> first_come(scene, cap=1).people[0, :, 0].tolist()
    [2.0, 0.0]
    """
    if scene.reason:
        return Plan(scene, cap=cap, budget=budget)
    plan, used, left = np.zeros(scene.value.shape + scene.response.shape), np.zeros(len(scene.people), int), budget
    for k, cost in enumerate(scene.cost):
        for g, people in enumerate(scene.people):
            reach = people if cost == 0 else min(people, left / cost)
            if scene.allowed[g, k] and used[g] < min(cap, plan.shape[2]) and reach > 0:
                plan[g, k, used[g]] = reach
                used[g] += 1
                left -= reach * cost
    return Plan(scene, plan, cap=cap, budget=budget)


def usual_plans(scene: Scene, *, cap: int, budget: float) -> dict[str, Plan]:
    """Four ways to send the same messages: everything to everybody with consent (no cap, no budget), first come under
    cap and budget, and the best plan under the budget without and with the cap. Parameters as in `allocate`.
    """
    places = len(scene.response)
    return {
        "everything to everybody": first_come(scene, cap=places),
        FIRST: first_come(scene, cap=cap, budget=budget),
        "best plan, without a cap": allocate(scene, cap=places, budget=budget),
        BEST: allocate(scene, cap=cap, budget=budget),
    }


def outcome(plan: Plan, scene: Scene | None = None) -> dict[str, float]:
    """What a plan brings, by its own scene or by another one (such as the truth)."""
    s, x = scene or plan.scene, plan.people
    margin = float((x * s.value[:, :, None] * s.response).sum())
    sent, leave = float(x.sum()), float((x * s.leave).sum())
    cost, lost = float((x * s.cost[None, :, None]).sum()), float((x * s.lost).sum())
    return {
        "messages": sent,
        "messages_a_person": sent / float(s.people.sum()),
        "sales": float((x * s.sales[:, :, None] * s.response).sum()),
        "margin": margin,
        "message_cost": cost,
        "opt_outs": leave,
        "lost_future": lost,
        "profit": margin - cost - lost,
    }


def compare_plans(plans: Mapping[str, Plan], *, truth: Scene | None = None) -> pd.DataFrame:
    """Plans side by side: messages, sales, margin, opt-outs, profit; and the profit by the truth where it is known.

    Parameters
    ----------
    plans : mapping
        Name → plan.
    truth : Scene, optional
        The scene with the true values; a scene with a reason counts as not known.

    Returns
    -------
    DataFrame
        One row a plan, in the given order: `plan`, `messages`, `messages_a_person`, `sales`, `margin`,
        `message_cost`, `opt_outs`, `lost_future`, `profit` (currency units a week), `profit_by_truth`.
    """
    names = ["plan", "messages", "messages_a_person", "sales", "margin", "message_cost", "opt_outs", "lost_future"]
    names += ["profit", "profit_by_truth"]
    if reason := next((p.reason for p in plans.values() if p.reason), ""):
        return missing(names, reason)
    known = truth is not None and not truth.reason
    rows = [
        {"plan": name, **outcome(p), "profit_by_truth": outcome(p, truth)["profit"] if known else None}
        for name, p in plans.items()
    ]
    return pd.DataFrame(rows, columns=names)


def plan_changes(table: pd.DataFrame, *, plan: str = BEST) -> pd.DataFrame:
    """What one plan changes against each of the others: what the cap costs, and what it saves.

    Parameters
    ----------
    table : DataFrame
        From `compare_plans`.
    plan : str
        Name of the plan that is compared with all others.

    Returns
    -------
    DataFrame
        One row another plan: `against`, then the differences `messages`, `sales`, `opt_outs`, `message_cost`, `profit`
        and `profit_by_truth` (this plan less the other; currency units a week).

    Examples
    --------
    >>> two = pd.DataFrame({"plan": ["all", "best"], "messages": [9, 4], "sales": [30.0, 28.0], "opt_outs": [3.0, 1.0],
    ...                     "message_cost": [9.0, 4.0], "profit": [-5.0, 6.0], "profit_by_truth": [None, None]})
    >>> plan_changes(two, plan="best")[["against", "sales", "opt_outs", "profit"]].values.tolist()
    [['all', -2.0, -2.0, 11.0]]
    """
    numbers = ["messages", "sales", "opt_outs", "message_cost", "profit", "profit_by_truth"]
    if table.empty:
        return missing(["against", *numbers], table.attrs.get("reason", "there are no plans"))
    if plan not in set(table["plan"]):
        raise ExperimentError(f"plan {plan!r}: the plans are {', '.join(table['plan'])}")
    values = table.set_index("plan")[numbers].astype(float)
    rest = values.drop(index=plan)
    # the solver ends within a tiny fraction of a limit
    return ((values.loc[plan] - rest).round(6) + 0.0).rename_axis("against").reset_index()


def against_first_come(changes: pd.DataFrame) -> tuple[Estimate, float | None]:
    """What the best plan earns more than first come, first served: by the estimates, and by the truth where known."""
    row = changes[changes["against"] == FIRST] if len(changes) else changes
    if row.empty:
        return Estimate.missing(changes.attrs.get("reason", "there are no plans")), None
    value, real = row["profit"].iloc[0], row["profit_by_truth"].iloc[0]
    return Estimate(float(value)), None if pd.isna(real) else float(real)


def plan_table(plan: Plan, *, by: str = "feature", min_cell: int = 10) -> pd.DataFrame:
    """The plan as the sender needs it: how many people of each group get which message.

    Parameters
    ----------
    plan : Plan
        From `allocate`.
    by : str
        'feature': groups of different consent are added up; 'group': one row a group.
    min_cell : int
        Cells of fewer people are blank.

    Returns
    -------
    DataFrame
        Groups (index) × messages: people, rounded down to whole ones.
    """
    if plan.reason:
        return missing(["group"], plan.reason)
    names = [g.split(",")[0] if by == "feature" else g for g in plan.scene.groups]
    table = pd.DataFrame(plan.people.sum(axis=2), columns=list(plan.scene.messages), index=names)
    table = np.floor(table.groupby(level=0, sort=False).sum() + 1e-6)
    return table.where((table >= min_cell) | (table == 0)).rename_axis("group")


def shadow_prices(plan: Plan, *, rows: int = 3) -> pd.DataFrame:
    """What one more unit of each limit would earn: budget, cap, consent; the highest of each kind.

    Parameters
    ----------
    plan : Plan
        From `allocate`, without `whole`.
    rows : int
        So many of the cap and of the consents.

    Returns
    -------
    DataFrame
        `limit` ('budget', 'cap', 'consent'), `where` (group, message), `price` (currency units a week for one more
        unit), `in_words`. Prices hold for small changes.
    """
    names = ["limit", "where", "price", "in_words"]
    if plan.reason or plan.budget_price is None:
        return missing(names, plan.reason or "a plan in whole people has no prices")
    scene = plan.scene
    found = [("budget", "all messages", plan.budget_price)]
    caps_ = sorted(zip(plan.cap_price, scene.groups, strict=True), key=lambda x: (-x[0], x[1]))
    found += [("cap", g, float(p)) for p, g in caps_[:rows]]
    closed = [
        (float(plan.consent_price[i, j]), f"{g} · {m}")
        for i, g in enumerate(scene.groups)
        for j, m in enumerate(scene.messages)
        if not scene.allowed[i, j]
    ]
    found += [("consent", w, p) for p, w in sorted(closed, key=lambda x: (-x[0], x[1]))[:rows]]
    return pd.DataFrame([(*f, _in_words(f[0], f[2])) for f in found], columns=names)


def _in_words(limit: str, price: float) -> str:
    """What a price says.

    >>> _in_words("budget", 1.5), _in_words("cap", 0.0)
    ('one more unit of money would earn 1.50', 'does not bind: more would earn nothing')
    """
    more = {
        "budget": "one more unit of money",
        "cap": "one more message to one of these people",
        "consent": "the consent of one of these people",
    }
    return f"{more[limit]} would earn {price:.2f}" if price > 0.005 else "does not bind: more would earn nothing"
