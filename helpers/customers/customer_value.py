"""Customer value: the margin that is still to come, by stage and tier, and what a new customer may cost.

Purchases and amounts come from `lifetime_value`. Main reference: [faderhardielee2005b].
"""

from __future__ import annotations

import math

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.customers import bgnbd, gamma_gamma
from helpers.customers.bgnbd import Parameters
from helpers.customers.histories import HISTORY, LifetimeError
from helpers.customers.lifetime_value import Model, bounds, futures
from helpers.findings import Estimate, missing
from helpers.privacy import suppress

STAGES = ("new", "no order yet", "active", "at risk", "probably gone")
TIERS = ("high", "middle", "low")
TOP, MIDDLE = 0.2, 0.5
NEW_WEEKS = 4.0
PRESENT, GONE = 0.7, 0.3
ACTIONS = {
    ("new", "*"): "welcome, and help with the first choice; no discount yet",
    ("no order yet", "*"): "ask once what they were looking for; a small first-order offer, tested",
    ("active", "high"): "serve first, thank, never annoy; no discount needed",
    ("active", "middle"): "show a second category; test an offer against a control group",
    ("active", "low"): "serve cheaply and well; automatic messages only",
    ("at risk", "high"): "call or write in person; ask what went wrong",
    ("at risk", "middle"): "one reminder with a reason to come, tested",
    ("at risk", "low"): "one automatic reminder",
    ("probably gone", "high"): "win back by hand: few people, worth an hour",
    ("probably gone", "*"): "let go: stop paying for messages",
}
"""Stage and value tier → what a small shop would do; '*' stands for all other tiers."""


def margin_share(orders: ir.Table, items: ir.Table | None, *, given: float = 0.0) -> Estimate:
    """Margin as a share of what customers pay: Σ (quantity × margin − discount) / Σ (quantity × price − discount).

    Parameters
    ----------
    orders, items : Ibis tables
        Order lines; catalogue with unit_margin (or None).
    given : float
        A share that you know better, 0…1; 0 measures it.

    Returns
    -------
    Estimate
        The share; missing with a reason where nothing says it.

    Examples
    --------
    >>> margin_share(None, None, given=0.3).value
    0.3
    """
    if given:
        return Estimate(float(given))
    if items is None or "unit_margin" not in items.columns:
        return Estimate.missing("no items table says the margin; give margin as a parameter")
    off = _.discount.fill_null(0.0)
    lines = orders.join(items.filter(_.unit_margin.notnull()).select("item_id", "unit_margin"), "item_id")
    sums = lines.agg(
        margin=(_.quantity * _.unit_margin - off).sum(), paid=(_.quantity * _.unit_price - off).sum()
    ).execute()
    margin, paid = (float(v) if pd.notna(v) else 0.0 for v in sums.iloc[0])
    if paid <= 0 or margin <= 0:
        return Estimate.missing("the orders earn no margin, or no item has one; give margin as a parameter")
    return Estimate(margin / paid)


VALUED = ("p_alive", "purchases", "amount", "value")


def value(model: Model, *, margin: Estimate, weeks: float, discount_rate: float) -> pd.DataFrame:
    """Discounted expected residual value of each customer: the margin still to come.

    CLV = margin share × E[amount] × P(alive) ∫₀ʰ e^(−δ s) E[rate at s] ds, δ = ln(1 + annual rate) / 52.18 a week; ≥ 0.
    What the customer has already spent is not in it.

    Parameters
    ----------
    model : Model
        Fitted to all histories.
    margin : Estimate
        Margin as a share of spend.
    weeks : float
        Horizon, > 0; beyond about the length of the log it is an extrapolation.
    discount_rate : float
        A year, ≥ 0.

    Returns
    -------
    DataFrame
        The histories with p_alive, purchases (expected in the horizon, not discounted), amount (expected, an order),
        value (currency units). Empty with a reason where it cannot be computed.
    """
    if weeks <= 0 or discount_rate < 0:
        raise LifetimeError(f"weeks {weeks!r}, discount_rate {discount_rate!r}: give weeks above 0 and a rate ≥ 0")
    if model.why_no_money or margin.value is None:
        return missing([*HISTORY, *VALUED], model.why_no_money or margin.reason)
    table, fitted = model.table, model.purchases.parameters
    delta = math.log1p(discount_rate) * 7 / 365.25
    bought = bgnbd.expected_purchases(fitted, table, horizon=weeks)
    worth = bgnbd.expected_purchases(fitted, table, horizon=weeks, discount=delta)
    amount = gamma_gamma.expected_amount(model.spend, table)
    known = {"p_alive": bgnbd.p_alive(fitted, table), "purchases": bought, "amount": amount}
    return table.assign(**known, value=margin.value * amount * worth)


def total_value(
    model: Model, *, margin: Estimate, weeks: float, discount_rate: float, level: float = 0.95, seed: int = 33
) -> Estimate:
    """Value of all customers of today together, with an interval that includes the randomness of the future.

    Parameters as for `value`; the futures run in steps of at most 13 weeks, each discounted from its middle.
    """
    if model.why_no_money or margin.value is None:
        return Estimate.missing(model.why_no_money or margin.reason)
    expected = value(model, margin=margin, weeks=weeks, discount_rate=discount_rate)["value"].sum()
    count = math.ceil(weeks / 13)
    middle = (np.arange(count) + 0.5) * weeks / count
    factor = np.exp(-math.log1p(discount_rate) * 7 / 365.25 * middle)
    paid = futures(model, steps=[weeks / count] * count, seed=seed)[1]
    low, high = bounds(margin.value * paid @ factor, level)
    return Estimate(float(expected), *(None if math.isnan(v) else v for v in (low, high)))


def stages(valued: pd.DataFrame, *, min_cell: int = 10) -> pd.DataFrame:
    """Lifecycle stage by value: how many customers, what they are worth, what to do.

    Stages: new (clock younger than 4 weeks, at most one counted order), no order yet (x = 0: none since registration,
    or none after the first), then by P(alive): active ≥ 0.7, at risk 0.3…0.7, probably gone < 0.3. Tiers by value: the
    top 20 % of customers high, the next 30 % middle, the rest low; equal values share a tier.

    Parameters
    ----------
    valued : DataFrame
        From `value`.
    min_cell : int
        Smaller groups are hidden.

    Returns
    -------
    DataFrame
        One row a stage and tier that occurs: stage, tier, customers, p_alive, purchases, value (means a customer),
        value_share (of the value of all), action.
    """
    columns = ("stage", "tier", "customers", "p_alive", "purchases", "value", "value_share", "action")
    if valued.empty:
        return missing(columns, valued.attrs.get("reason", "no customers"))
    table = valued.assign(stage=_stage(valued), tier=_tier(valued["value"]))
    means = table.groupby(["stage", "tier"], observed=True).agg(
        customers=("value", "size"), p_alive=("p_alive", "mean"), purchases=("purchases", "mean"),
        value=("value", "mean"), total=("value", "sum"),
    ).reset_index()  # fmt: skip
    means["value_share"] = means.pop("total") / max(table["value"].sum(), 1e-12)
    pairs = zip(means["stage"].astype(str), means["tier"].astype(str), strict=True)
    means["action"] = [ACTIONS.get((s, t), ACTIONS.get((s, "*"), "")) for s, t in pairs]
    shown = suppress(
        means, count="customers", min_cell=min_cell, values=["p_alive", "purchases", "value", "value_share"]
    )
    return shown.drop(columns="hidden")[list(columns)]


def _stage(table: pd.DataFrame) -> pd.Categorical:
    p, x = table["p_alive"], table["frequency"]
    conditions = [(table["T"] < NEW_WEEKS) & (x <= 1), x == 0, p >= PRESENT, p >= GONE]
    return pd.Categorical(np.select(conditions, STAGES[:4], STAGES[4]), STAGES, ordered=True)


def _tier(value: pd.Series) -> pd.Categorical:
    rank = value.rank(method="min", ascending=False) - 1  # customers worth more
    return pd.Categorical(np.select([rank < TOP * len(value), rank < MIDDLE * len(value)], TIERS[:2], TIERS[2]), TIERS)


def acquisition(
    model: Model,
    spend: ir.Table | None,
    users: ir.Table | None,
    *,
    window: tuple[pd.Timestamp, pd.Timestamp],
    margin: Estimate,
    weeks: float,
    discount_rate: float,
) -> pd.DataFrame:
    """What a new customer costs and earns, week by week since registration.

    Cost = Σ advertising / customers who registered in the window (a *blended* cost: all advertising is charged to new
    customers). Earned by week t = margin share × mean amount × ∫₀ᵗ e^(−δ s) E[rate at s] ds of a customer of whom
    nothing is known; its interval comes from the refits.

    Returns
    -------
    DataFrame
        One row a week 0 … horizon: week, earned, ci_low, ci_high, cost, paid_back. Empty with a reason without a spend
        table, or where no table says who is new.
    """
    columns = ("week", "earned", "ci_low", "ci_high", "cost", "paid_back")
    if model.why_no_money or margin.value is None:
        return missing(columns, model.why_no_money or margin.reason)
    if spend is None:
        return missing(columns, "the study has no table of advertising money (spend)")
    if model.table.attrs.get("start") != "registration":
        return missing(columns, "no table says who is new (joined_on), so the cost of a new customer is not known")
    first, last = (d.date() for d in window)
    new = int(users.filter(_.joined_on.cast("date").between(first, last)).count().execute())
    total = spend.filter(_.day.cast("date").between(first, last)).amount.sum().execute()
    if not new:
        return missing(columns, "nobody registered in the window")
    ends, delta = np.arange(math.ceil(weeks) + 1), math.log1p(discount_rate) * 7 / 365.25
    curves = np.array([
        margin.value * s.population_mean * _earned(p, ends, delta) for p, s in model.draws if s is not None
    ]).reshape(-1, len(ends))  # fmt: skip
    earned = margin.value * model.spend.population_mean * _earned(model.purchases.parameters, ends, delta)
    low, high = np.quantile(curves, [0.025, 0.975], axis=0) if len(curves) else np.full((2, len(ends)), np.nan)
    cost = float(total) / new if pd.notna(total) else np.nan
    return pd.DataFrame(dict(zip(columns, (ends, earned, low, high, cost, earned >= cost), strict=True)))


def _earned(purchases: Parameters, ends: np.ndarray, delta: float) -> np.ndarray:
    """Discounted expected purchases of a new customer by each week."""
    none = pd.DataFrame({"frequency": 0, "recency": 0.0, "T": np.zeros(len(ends))})
    return bgnbd.expected_purchases(purchases, none, horizon=ends.astype(float), discount=delta)


def payback(table: pd.DataFrame) -> Estimate:
    """First week by which a new customer has earned its cost, with the weeks of the interval's two curves."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no customers"))
    week, high, low = (_first_week(table, c) for c in ("earned", "ci_low", "ci_high"))
    if week is None:
        return Estimate.missing("a new customer does not earn its cost within the horizon")
    return Estimate(week, low, high)


def _first_week(table: pd.DataFrame, column: str) -> float | None:
    back = table.loc[table[column] >= table["cost"], "week"]
    return float(back.iloc[0]) if len(back) else None


def value_summary(valued: pd.DataFrame, total: Estimate, *, margin: Estimate) -> pd.DataFrame:
    """The value of all customers in one row.

    Returns
    -------
    DataFrame
        customers, margin_share, value (of all) with its interval, mean_value, median_value (a customer), top_share (of
        the value, held by the 20 % of customers worth most). Empty with a reason where there is no value.
    """
    columns = ("customers", "margin_share", "value", "ci_low", "ci_high", "mean_value", "median_value", "top_share")
    if valued.empty:
        return missing(columns, valued.attrs.get("reason", "no customers"))
    each = valued["value"].sort_values(ascending=False)
    top = each.head(math.ceil(TOP * len(each))).sum() / max(each.sum(), 1e-12)
    bounds = (total.value, total.ci_low, total.ci_high)
    return pd.DataFrame([(len(each), margin.value, *bounds, each.mean(), each.median(), top)], columns=list(columns))
