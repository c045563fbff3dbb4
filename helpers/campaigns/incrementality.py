"""What channels really add: experiments in which a channel was switched off, beside the credit that it gets."""

from __future__ import annotations

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import AttributionError
from helpers.campaigns.participants import overview, participants
from helpers.campaigns.paths_to_purchase import order_values
from helpers.campaigns.touch_rules import rule_credit
from helpers.engine import as_table
from helpers.findings import Estimate, missing

EFFECTS = (
    "campaign_id",
    "channel",
    "treated",
    "credited",
    "incremental",
    "ci_low",
    "ci_high",
    "truth",
    "cost",
)


def holdout_effects(
    touches: ir.Table,
    tables: dict[str, ir.Table],
    *,
    caused: pd.DataFrame | None = None,
    rule: str = "last touch",
    control: str = "control",
    level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:
    """Experiments in which one channel was switched off for a control group, beside the credit of that channel.

    A campaign counts as a holdout when its arms were drawn by chance, there are two of them, and its channel has
    touches in the treated arm during its window and none in the control. incremental = orders a treated person less
    orders a control person (Welch's interval). credited = credit of the channel for the orders of the treated arm in
    the same window, a treated person. Both are given for 1,000 treated people, so that they can be compared.

    Parameters
    ----------
    touches : Table
        From `helpers.campaigns.paths_to_purchase.touch_paths`.
    tables : dict of Table
        The study's tables: `orders`, `touchpoints`, and, where there are experiments, `campaigns`, `assignments`.
    caused : DataFrame, optional
        The truth of a simulated shop: one row a caused order, `order_id` and `channel`.
    rule : str
        One of `helpers.campaigns.touch_rules.RULES`.
    control, level, min_cell
        As in `welch` and `overview`.

    Returns
    -------
    DataFrame
        One row a holdout: `campaign_id`, `channel`, `treated` (people), `credited`, `incremental`, `ci_low`, `ci_high`,
        `truth` (orders for 1,000 treated people; missing where not known), `cost` (of the channel's touches, currency
        units for 1,000 treated people). Empty, with its reason, where there is none.

    References
    ----------
    Gordon et al. (2019), observational methods against experiments: gordon2019.
    """
    if not {"campaigns", "assignments"} <= set(tables):
        return missing(EFFECTS, "the study has no experiment: it needs the tables campaigns and assignments")
    everyone = participants(tables["assignments"], tables["campaigns"], tables["orders"], control=control).execute()
    plan = tables["campaigns"].execute().set_index("campaign_id")
    ready = overview(everyone, control=control, min_cell=min_cell)
    chosen = ready[(ready["status"] == "experiment") & (ready["arms"] == 2)] if len(ready) else ready
    rows = []
    for campaign in chosen["campaign_id"]:
        people, of = everyone[everyone["campaign_id"] == campaign].astype({"orders": float}), plan.loc[campaign]
        met = _met(tables["touchpoints"], people, of)
        effect = welch(people, outcome="orders", control=control, level=level)
        if _switched_off(met, control) and len(effect):
            n, treated = int(effect["users"].iloc[0]), as_table(people.loc[people["arm"] != control, ["user_id"]])
            row = _holdout_row(touches, tables["orders"], treated, of, n, rule, caused)
            row |= dict(zip(("incremental", "ci_low", "ci_high"), _thousand(effect), strict=True))
            rows.append(row | {"campaign_id": campaign, "cost": _cost(met, control, row["treated"])})
    if not rows:
        return missing(EFFECTS, "no channel was switched off for a control group that was drawn by chance")
    return pd.DataFrame(rows, columns=list(EFFECTS)).replace({np.nan: None})


def _holdout_row(
    touches: ir.Table,
    orders: ir.Table,
    treated: ir.Table,
    of: pd.Series,
    n: int,
    rule: str,
    caused: pd.DataFrame | None,
) -> dict:
    """Credit and truth of the channel of campaign `of` for its `n` treated people."""
    credited = _credited(touches, treated, of, rule) / n * 1000
    truth = _caused(orders, treated, of, caused, n)
    return {"channel": of["channel"], "treated": n, "credited": credited, "truth": truth}


def _thousand(effect: pd.DataFrame) -> list[float]:
    return [float(effect[c].iloc[0]) * 1000 for c in ("difference", "ci_low", "ci_high")]


def _met(touchpoints: ir.Table, people: pd.DataFrame, of: pd.Series) -> pd.DataFrame:
    """Touches of the campaign's channel in its window, and what they cost, by arm."""
    cost = touchpoints.cost if "cost" in touchpoints.columns else ibis.null("float64")
    near = touchpoints.select("user_id", "channel", "timestamp", cost=cost.cast("float64")).filter(
        (_.channel == of["channel"]) & _.timestamp.between(int(of["starts_at"]), int(of["ends_at"]))
    )
    joined = near.inner_join(as_table(people[["user_id", "arm"]]), "user_id")
    # one touch without its cost, and the cost of all is not known
    cost = ibis.ifelse(joined.cost.isnull().any(), ibis.null("float64"), joined.cost.sum())
    return joined.group_by("arm").agg(n=joined.count(), cost=cost).execute().set_index("arm")


def _switched_off(met: pd.DataFrame, control: str) -> bool:
    return len(met) > 0 and control not in met.index


def _cost(met: pd.DataFrame, control: str, n: int) -> float | None:
    cost = met["cost"].drop(control, errors="ignore").sum(min_count=1)
    return None if pd.isna(cost) else float(cost) / n * 1000


def _credited(touches: ir.Table, treated: ir.Table, of: pd.Series, rule: str) -> float:
    """Credit of the channel for the orders of the treated people in the window."""
    inside = touches.ended_at.between(int(of["starts_at"]), int(of["ends_at"]))
    credit = rule_credit(touches.filter(inside).semi_join(treated, "user_id"), rules=[rule])
    own = (credit["method"] == rule) & (credit["channel"] == of["channel"])
    return float(credit.loc[own, "conversions"].sum())


def _caused(orders: ir.Table, treated: ir.Table, of: pd.Series, caused: pd.DataFrame | None, n: int) -> float | None:
    if caused is None or caused.empty:
        return None
    inside = order_values(orders).filter(_.timestamp.between(int(of["starts_at"]), int(of["ends_at"])))
    ids = inside.semi_join(treated, "user_id").select("order_id").execute()["order_id"]
    own = caused[caused["channel"] == of["channel"]]
    return float(ids.isin(own["order_id"]).sum()) / n * 1000


def holdout_costs(effects: pd.DataFrame, *, order_margin: float) -> pd.DataFrame:
    """What an order costs by credit and by experiment, and what to do with the budget. Only the experiment decides.

    profit = order_margin × incremental orders − cost, for 1,000 people who could be reached; its interval is that of
    the incremental orders.

    Parameters
    ----------
    effects : DataFrame
        From `holdout_effects`.
    order_margin : float
        What an order earns before advertising, currency units, ≥ 0.

    Returns
    -------
    DataFrame
        One row a holdout: `channel`, `cost` (for 1,000 people), `cost_per_credited_order`,
        `cost_per_incremental_order` (missing where the interval is not wholly above 0), `profit`,
        `ci_low`, `ci_high`, `advice`: 'keep' where the interval is above 0, 'cut' where it is below, else 'cannot
        tell: run it longer'.

    Raises
    ------
    AttributionError
        order_margin is negative or not finite.

    Examples
    --------
    >>> effects = pd.DataFrame({"channel": ["a", "b"], "credited": [20.0, 20.0], "incremental": [10.0, 0.0],
    ...                         "ci_low": [6.0, -1.0], "ci_high": [14.0, 1.0], "cost": [100.0, 100.0]})
    >>> holdout_costs(effects, order_margin=30)[["channel", "cost_per_credited_order", "profit", "advice"]]
      channel  cost_per_credited_order  profit advice
    0       a                      5.0   200.0   keep
    1       b                      5.0  -100.0    cut
    """
    names = ["channel", "cost", "cost_per_credited_order", "cost_per_incremental_order", "profit", "ci_low", "ci_high"]
    if not (np.isfinite(order_margin) and order_margin >= 0):
        raise AttributionError(f"order_margin {order_margin!r}: take what an order earns, an amount from 0 on")
    known = effects.dropna(subset=["cost"]) if len(effects) else effects
    if known.empty:
        return missing([*names, "advice"], effects.attrs.get("reason", "the cost of the touches is not known"))
    cost = known["cost"].astype(float)
    table = known.assign(
        cost_per_credited_order=_per(cost, known["credited"]),
        cost_per_incremental_order=_per(cost, known["incremental"].where(known["ci_low"] > 0)),
        **{
            new: order_margin * known[old].astype(float) - cost
            for new, old in (("profit", "incremental"), ("ci_low", "ci_low"), ("ci_high", "ci_high"))
        },
    )
    table["advice"] = [_advice(r.ci_low, r.ci_high) for r in table.itertuples()]
    return table[[*names, "advice"]].reset_index(drop=True)


def _per(cost: pd.Series, orders: pd.Series) -> list[float | None]:
    """Cost an order; missing where there is none."""
    return [c / o if pd.notna(o) and o > 0 else None for c, o in zip(cost, orders, strict=True)]


def _advice(low: float, high: float) -> str:
    return "keep" if low > 0 else "cut" if high < 0 else "cannot tell: run it longer"


def true_orders(truth: pd.DataFrame) -> pd.DataFrame:
    """The orders that each channel causes, as shares.

    Parameters
    ----------
    truth : DataFrame
        One row a channel: `channel`, `incremental_orders`. Empty for real data.

    Returns
    -------
    DataFrame
        `channel`, `incremental_orders`, `caused_share`, by name of the channel.

    Examples
    --------
    >>> true_orders(pd.DataFrame({"channel": ["b", "a"], "incremental_orders": [3, 1]})).caused_share.tolist()
    [0.25, 0.75]
    """
    names = ["channel", "incremental_orders", "caused_share"]
    if truth.empty:
        return missing(names, truth.attrs.get("reason", "the truth is not known"))
    total = truth["incremental_orders"].sum()
    shares = truth["incremental_orders"] / total if total else None
    return truth.assign(caused_share=shares).sort_values("channel", ignore_index=True)[names]


def true_share(truth: pd.DataFrame, channels: Iterable[str]) -> float | None:
    """The share of all caused orders that these channels cause together; None for real data.

    >>> true_share(pd.DataFrame({"channel": ["b", "a"], "incremental_orders": [3, 1]}), ["a", "z"])
    0.25
    """
    known = true_orders(truth)
    if known.empty or known["caused_share"].isna().all():
        return None
    return float(known.loc[known["channel"].isin(list(channels)), "caused_share"].sum())


def sharpest_holdout(effects: pd.DataFrame) -> tuple[Estimate, dict]:
    """The holdout with the narrowest interval, and for a sentence: `channel`, `credited` and `truth`.

    >>> effects = pd.DataFrame({"channel": ["a", "b"], "credited": [9.0, 8.0], "incremental": [5.0, 1.0],
    ...                         "ci_low": [0.0, 0.0], "ci_high": [9.0, 2.0], "truth": [None, None]})
    >>> sharpest_holdout(effects)[0].value, sharpest_holdout(effects)[1]
    (1.0, {'channel': 'b', 'credited': 8.0, 'truth': None})
    """
    if effects.empty:
        return Estimate.missing(effects.attrs["reason"]), {"channel": "", "credited": None, "truth": None}
    best = effects.loc[(effects["ci_high"] - effects["ci_low"]).astype(float).idxmin()]
    truth = None if pd.isna(best["truth"]) else float(best["truth"])
    found = Estimate(*(float(best[c]) for c in ("incremental", "ci_low", "ci_high")))
    return found, {"channel": str(best["channel"]), "credited": float(best["credited"]), "truth": truth}


def channel_costs(
    credit: pd.DataFrame,
    spend: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    methods: Iterable[str] = ("last touch", "Markov removal"),
) -> pd.DataFrame:
    """What an order costs in each channel: by credit, and by the orders that the channel really causes.

    Parameters
    ----------
    credit : DataFrame
        From `helpers.campaigns.attribution.credit_table`.
    spend : DataFrame
        From `helpers.campaigns.spend.spend_days`.
    truth : DataFrame
        One row a channel: `channel`, `incremental_orders`; empty for real data.
    methods : iterable of str
        Methods whose credit is used, in the order of the columns.

    Returns
    -------
    DataFrame
        One row a channel with money, by name: `channel`, `spend`, a column of the cost of an order by each method,
        `caused_orders`, `cost_per_caused_order` (currency units; missing where there is no order, or no truth).

    Examples
    --------
    >>> credit = pd.DataFrame({"method": ["last touch"] * 2, "channel": ["a", "b"], "orders": [10.0, 40.0]})
    >>> money = pd.DataFrame({"day": ["d", "d"], "channel": ["a", "b"], "amount": [100.0, 80.0]})
    >>> truth = pd.DataFrame({"channel": ["a", "b"], "incremental_orders": [5, 0]})
    >>> channel_costs(credit, money, truth).iloc[:, [0, 2, 4]]
      channel  per order, last touch  cost_per_caused_order
    0       a                   10.0                   20.0
    1       b                    2.0                    NaN
    """
    methods = [m for m in methods if len(credit) and m in set(credit["method"])]
    names = ["channel", "spend", *(f"per order, {m}" for m in methods), "caused_orders", "cost_per_caused_order"]
    if credit.empty or spend.empty:
        return missing(names, credit.attrs.get("reason") or spend.attrs.get("reason", "no money was spent"))
    table = spend.groupby("channel")["amount"].sum().rename("spend").reset_index()
    if not table["channel"].isin(credit["channel"]).any():
        return missing(names, "the table spend has none of the channels with touches")
    for method in methods:
        orders = credit[credit["method"] == method].set_index("channel")["orders"]
        table[f"per order, {method}"] = _per(table["spend"], table["channel"].map(orders))
    known = truth.set_index("channel")["incremental_orders"] if len(truth) else pd.Series(dtype=float)
    table["caused_orders"] = table["channel"].map(known).astype("Float64")
    table["cost_per_caused_order"] = _per(table["spend"], table["caused_orders"].fillna(0))
    return table[names]
