"""Potential value: what a group of customers would spend more, if something were done for it.

The estimand, for a campaign k whose arms were drawn by chance and a group g that was known before the draw:

    potential(g) = E[Y_i(k) − Y_i(0) | i in g],   Y_i = W_i + C_i,

where Y_i(k) is what customer i would spend (or: the margin that i would bring) in the campaign's window *if i got k*,
and Y_i(0) the same *if i got nothing*; W is the part in categories that i had bought before the draw (incremental,
增量消费), C the part in all other categories (cross-category, 交叉消费). The draw identifies it for groups.

Not identified, and refused: the difference of one single customer (nobody lives twice), the potential of a campaign
that was never randomised, and the wallet, what customers spend in other shops: no row of an own log says anything
about it. Main reference: [imbensrubin2015].
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import spearmanr, t

from helpers.findings import Estimate, missing

PARTS = ("incremental", "cross-category", "total")
GROUPS = ("no order before", "1 order day before", "2 or 3", "4 or more")
PEOPLE = ("user_id", "campaign", "arm", "group", "incremental", "cross-category", "total")
EFFECTS = ("group", "part", "treated", "control", "difference", "ci_low", "ci_high")


class PotentialError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


def participants(
    orders: ir.Table,
    campaigns: ir.Table | None,
    assignments: ir.Table | None,
    items: ir.Table | None = None,
    *,
    campaign: str = "",
    measure: str = "margin",
    control: str = "control",
) -> pd.DataFrame:
    """One row a participant of a randomised campaign: the group before the draw, and both parts of what was bought.

    Parameters
    ----------
    orders, campaigns, assignments, items : Ibis tables or None
        As in the contracts; items with unit_margin for the margin.
    campaign : str
        The campaign; empty: the one with the most participants.
    measure : str
        'margin' (quantity × unit_margin − discount) or 'spend' (quantity × unit_price − discount), currency units.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        user_id, campaign, arm, group (by days with an order before the start), incremental, cross-category, total
        (in the window; 0 for those who bought nothing), by user_id. Of several treated arms the first by name is kept.
        Empty with a reason where nothing was randomised, or the margin is not known.

    Raises
    ------
    PotentialError
        An unknown measure.
    """
    if measure not in ("margin", "spend"):
        raise PotentialError(f"measure: {measure!r} is not known; give 'margin' or 'spend'")
    if campaigns is None or assignments is None:
        return missing(PEOPLE, "the study has no campaign whose arms were drawn by chance")
    if measure == "margin" and (items is None or "unit_margin" not in items.columns):
        return missing(PEOPLE, "no items table says the margin")
    plan, reason = _plan(campaigns, assignments, campaign, control)
    if plan is None:
        return missing(PEOPLE, reason)
    people = assignments.filter(_.campaign_id == plan.campaign_id, _.arm.isin([control, plan.arm]))
    lines = orders if measure == "spend" else orders.left_join(items.select("item_id", "unit_margin"), "item_id")
    unit = _.unit_price if measure == "spend" else _.unit_margin.fill_null(0.0)
    lines = lines.mutate(amount=_.quantity * unit - _.discount.fill_null(0.0))
    table = _parts(lines, people.select("user_id", "arm"), int(plan.starts_at), int(plan.ends_at)).execute()
    before = pd.cut(table.pop("before"), [-1, 0, 1, 3, np.inf], labels=GROUPS)
    table = table.assign(campaign=str(plan.campaign_id), group=before)
    table["total"] = table["incremental"] + table["cross-category"]
    return table.sort_values("user_id", ignore_index=True)[list(PEOPLE)]


def _plan(campaigns: ir.Table, assignments: ir.Table, campaign: str, control: str) -> tuple:
    """The campaign to read (with its treated arm), or the reason why there is none."""
    plans = campaigns.filter(_.randomised).select("campaign_id", "starts_at", "ends_at").execute()
    sizes = assignments.group_by("campaign_id", "arm").agg(n=_.count()).execute()
    arms = sizes.sort_values(["campaign_id", "arm"]).groupby("campaign_id")
    known = {c for c, part in arms if control in set(part["arm"]) and len(part) > 1}
    plans = plans[plans["campaign_id"].isin(known)]
    if campaign:
        plans = plans[plans["campaign_id"].astype(str) == campaign]
    if plans.empty:
        word = f"the campaign {campaign!r} was not" if campaign else "no campaign was"
        return None, f"{word} randomised with an arm {control!r}, so what customers would do without it is not known"
    people = plans["campaign_id"].map(arms["n"].sum())
    plan = plans.assign(people=people).sort_values(["people", "campaign_id"], ascending=[False, True]).iloc[0]
    arm = next(a for a in arms.get_group(plan["campaign_id"])["arm"] if a != control)
    return pd.concat([plan, pd.Series({"arm": arm})]), ""


def _parts(lines: ir.Table, people: ir.Table, starts: int, ends: int) -> ir.Table:
    """Order days before the start, and the amount in the window by 'category bought before or not'."""
    mine = lines.join(people.select("user_id"), "user_id")
    early, inside = _.timestamp < starts, _.timestamp.between(starts, ends)
    by_category = mine.group_by("user_id", "category_id").agg(
        known=early.any(), amount=_.amount.sum(where=inside), lines=_.count(where=inside)
    )
    known = by_category.known
    sums = by_category.group_by("user_id").agg(
        **{
            "incremental": by_category.amount.sum(where=known),
            "cross-category": by_category.amount.sum(where=~known),
        }
    )
    before = mine.filter(early).group_by("user_id").agg(before=_.day.nunique())
    joined = people.left_join(sums, "user_id").drop("user_id_right").left_join(before, "user_id").drop("user_id_right")
    return joined.mutate(
        **{c: ibis.coalesce(joined[c], 0.0) for c in ("incremental", "cross-category")},
        before=ibis.coalesce(joined.before, 0),
    )


def effects(people: pd.DataFrame, *, level: float = 0.95, min_cell: int = 10, control: str = "control") -> pd.DataFrame:
    """The potential of each group: treated less control, with Welch's interval.

    Parameters
    ----------
    people : DataFrame
        From `participants`.
    level : float
        Confidence level, 0.5…0.999.
    min_cell : int
        Groups with a smaller arm are left out.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        One row a group and part, 'all' last: group, part, treated, control (people), difference and its interval
        (currency units a person). Empty with a reason when no group is large enough.

    Examples
    --------
    >>> p = pd.DataFrame({"arm": ["control", "control", "new", "new"], "incremental": [0.0, 2.0, 3.0, 5.0]})
    >>> p = p.assign(group="1", total=p.incremental, **{"cross-category": 0.0})
    >>> effects(p, min_cell=2)[["part", "difference", "ci_low", "ci_high"]].head(1).round(2)
              part  difference  ci_low  ci_high
    0  incremental         3.0   -3.08     9.08
    """
    if people.empty:
        return missing(EFFECTS, people.attrs.get("reason", "no participants"))
    rows = []
    for name, group in [*people.groupby("group", observed=True, sort=True), ("all", people)]:
        held = (group["arm"] == control).to_numpy()
        if min((~held).sum(), held.sum()) < max(min_cell, 2):
            continue
        rows += [(str(name), part, *_welch(group[part].to_numpy(float), held, level)) for part in PARTS]
    return pd.DataFrame(rows, columns=list(EFFECTS)) if rows else missing(EFFECTS, "no group has two large arms")


def _welch(values: np.ndarray, held: np.ndarray, level: float) -> tuple:
    given, kept = values[~held], values[held]
    squares = given.var(ddof=1) / len(given), kept.var(ddof=1) / len(kept)
    error, difference = np.sqrt(sum(squares)), given.mean() - kept.mean()
    if error == 0:
        return len(given), len(kept), difference, difference, difference
    freedom = sum(squares) ** 2 / (squares[0] ** 2 / (len(given) - 1) + squares[1] ** 2 / (len(kept) - 1))
    half = t.ppf(0.5 + level / 2, freedom) * error
    return len(given), len(kept), difference, difference - half, difference + half


def against_truth(found: pd.DataFrame, people: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The total potential of each group beside the mean of the participants' true differences.

    Parameters
    ----------
    found : DataFrame
        From `effects`, of the measure 'spend'.
    people : DataFrame
        From `participants`.
    outcomes : DataFrame
        Both outcomes of each participant: campaign_id, user_id, arm, y0, y1. Empty for real data.

    Returns
    -------
    DataFrame
        The rows of part 'total' with truth, covered, and `spread`: the standard deviation of the true differences
        within the group, which no experiment can show. Empty with a reason for real data.
    """
    columns = (*EFFECTS, "truth", "covered", "spread")
    if found.empty or "y0" not in outcomes.columns:
        holder = found if found.empty else outcomes
        return missing(columns, holder.attrs.get("reason", "the truth is not known"))
    arm = next(a for a in people["arm"].unique() if a != "control") if people["arm"].nunique() > 1 else ""
    true = outcomes[(outcomes["campaign_id"] == people["campaign"].iloc[0]) & (outcomes["arm"] == arm)]
    true = people.merge(true.assign(effect=true["y1"] - true["y0"])[["user_id", "effect"]], on="user_id")
    total = found[found["part"] == "total"].copy()
    groups = [true if g == "all" else true[true["group"].astype(str) == g] for g in total["group"]]
    total["truth"] = [g["effect"].mean() for g in groups]
    total["covered"] = (total["ci_low"] <= total["truth"]) & (total["truth"] <= total["ci_high"])
    return total.assign(spread=[g["effect"].std() for g in groups]).reset_index(drop=True)


def headroom_check(orders: ir.Table, wallets: pd.DataFrame) -> pd.DataFrame:
    """What an own log would guess of customers' spend elsewhere, beside the truth: why the guess is refused.

    The guess of a customer's headroom: Σ over the categories that the customer bought, (mean spend of the category's
    buyers − own spend), where positive. The truth: Σ (wallet − spent here).

    Parameters
    ----------
    orders : Ibis table
        Order lines.
    wallets : DataFrame
        user_id, category_id, spent_here, wallet. Empty for real data.

    Returns
    -------
    DataFrame
        One row: customers, guessed, truth (means a customer, currency units), ratio, rank_correlation. Empty with a
        reason for real data: there the headroom is not identified at all, and only a survey or a panel could tell.
    """
    columns = ("customers", "guessed", "truth", "ratio", "rank_correlation")
    if "wallet" not in wallets.columns:
        reason = "spend in other shops is in no own log; a survey or a panel must tell (notebook 31)"
        return missing(columns, reason)
    paid = (_.quantity * _.unit_price - _.discount.fill_null(0.0)).sum()
    own = orders.group_by("user_id", "category_id").agg(paid=paid).execute()
    usual = own.groupby("category_id")["paid"].transform("mean")
    guessed = (usual - own["paid"]).clip(lower=0).groupby(own["user_id"]).sum()
    true = (wallets["wallet"] - wallets["spent_here"]).groupby(wallets["user_id"]).sum()
    both = pd.DataFrame({"guessed": guessed, "truth": true}).dropna()
    if len(both) < 10:
        return missing(columns, "fewer than ten customers with orders and a known wallet")
    means = both.mean()
    rank = float(spearmanr(both["guessed"], both["truth"]).statistic)
    row = (len(both), means["guessed"], means["truth"], means["guessed"] / means["truth"], rank)
    return pd.DataFrame([row], columns=list(columns))


def overall(found: pd.DataFrame) -> Estimate:
    """The total potential over all groups, from `effects`."""
    row = found[(found["group"] == "all") & (found["part"] == "total")] if len(found) else found
    if row.empty:
        return Estimate.missing(found.attrs.get("reason", "no group has two large arms"))
    return Estimate(*(float(v) for v in row[["difference", "ci_low", "ci_high"]].iloc[0]))


def campaign_name(people: pd.DataFrame) -> str:
    """The campaign that `participants` read; empty where there is none."""
    return str(people["campaign"].iloc[0]) if len(people) else ""
