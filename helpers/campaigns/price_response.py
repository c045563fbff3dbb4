"""What a lower price did: quantity, elasticity, cannibalisation and profit, from campaigns whose discount was drawn.

A discount that went to people by chance is an experiment on the price. The quantity is counted at list prices, so that
it does not fall just because things cost less.
"""

from __future__ import annotations

import math

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import overview
from helpers.campaigns.profit import VERDICTS, incremental_profit
from helpers.findings import missing
from helpers.intervals import z_value

LEAST_CUT = 0.04
"""Cut of the paid price from which a campaign counts as a price experiment; a smaller one may be other discounts."""


def list_values(assignments: ir.Table, campaigns: ir.Table, orders: ir.Table) -> ir.Table:
    """One row a participant: what he bought in the window at list prices, and the discount on it.

    list_value = Σ quantity·unit_price, discount = Σ discount, over the order lines from starts_at to ends_at.

    Parameters
    ----------
    assignments, campaigns, orders : Table
        As in `helpers.campaigns.participants.participants`.

    Returns
    -------
    Table
        `campaign_id`, `user_id`, `list_value`, `discount` (currency units, 0 without purchase), by these ids.

    Examples
    --------
    >>> who = ibis.memtable({"campaign_id": ["c", "c"], "user_id": [1, 2], "arm": ["control", "cut"]})
    >>> what = ibis.memtable({"campaign_id": ["c"], "starts_at": [100], "ends_at": [199]})
    >>> lines = ibis.memtable({"user_id": [2], "quantity": [2], "unit_price": [10.0], "discount": [5.0],
    ...                        "timestamp": [150]})
    >>> list_values(who, what, lines).execute()[["user_id", "list_value", "discount"]]
       user_id  list_value  discount
    0        1         0.0       0.0
    1        2        20.0       5.0
    """
    off = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    lines = orders.select(
        "user_id", "timestamp", value=(orders.quantity * orders.unit_price).cast("float64"), off=off.cast("float64")
    )
    window = campaigns.select("campaign_id", "starts_at", "ends_at")
    people = assignments.select("campaign_id", "user_id").inner_join(window, "campaign_id")
    near = people.inner_join(lines, "user_id")
    near = near.filter((near.timestamp >= near.starts_at) & (near.timestamp <= near.ends_at))
    sums = near.group_by("campaign_id", "user_id").agg(list_value=_.value.sum(), discount=_.off.sum())
    joined = people.select("campaign_id", "user_id").left_join(sums, ["campaign_id", "user_id"])
    table = joined.select("campaign_id", "user_id", "list_value", "discount")
    return table.fill_null({"list_value": 0.0, "discount": 0.0}).order_by("campaign_id", "user_id")


def price_response(users: pd.DataFrame, *, control: str = "control", level: float = 0.95) -> pd.DataFrame:
    """Elasticity and cannibalisation of each arm whose customers paid another price than the control.

    With Q the mean list value a person and p the share of the list price that was paid: lift = Q₁/Q₀ − 1;
    elasticity ε = ln(Q₁/Q₀) / ln(p₁/p₀), below −1 where sales rise by more than the price falls; subsidised share
    = Q₀/Q₁, the part of the discounted sales that would have come anyway (at most 1). Intervals: delta method for
    ln Q₁ − ln Q₀ over people; the prices count as known.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`, `list_value`, `discount` (currency units).
    control : str
        Name of the arm at the old price.
    level : float
        How often an interval shall cover the truth, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a treated arm, by name: `arm`, `users`, `price_cut_share` (1 − p₁/p₀), `lift_share`, `elasticity`,
        `subsidised_share`, the last three with `_ci_low` and `_ci_high`. An arm whose price is less than 4 % lower
        is left out. Empty, with its reason, where none is left or an arm bought nothing.

    Raises
    ------
    ExperimentError
        A negative list value or discount, or a discount above the list value.

    References
    ----------
    Phillips (2021), chapter 3: phillips2021.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 2 + ["cut"] * 2, "list_value": [90.0, 110, 190, 210],
    ...                       "discount": [0.0, 0, 95, 105]})
    >>> price_response(users)[["arm", "price_cut_share", "lift_share", "elasticity", "subsidised_share"]]
       arm  price_cut_share  lift_share  elasticity  subsidised_share
    0  cut              0.5         1.0        -1.0               0.5
    """
    kinds = ("lift_share", "elasticity", "subsidised_share")
    names = ["arm", "users", "price_cut_share", *(f"{k}{e}" for k in kinds for e in ("", "_ci_low", "_ci_high"))]
    if users.empty:
        return missing(names, users.attrs.get("reason", "there are no participants"))
    if (users[["list_value", "discount"]] < 0).any(axis=None) or (users.discount > users.list_value + 1e-9).any():
        raise ExperimentError("list_value, discount: take 0 ≤ discount ≤ list_value in every row")
    arms = {str(a): part for a, part in users.groupby(users["arm"].astype(str), sort=True)}
    base = arms.pop(control, None)
    if base is None or base.list_value.sum() == 0:
        return missing(names, f"nobody bought in an arm {control!r}: there is no old price to compare with")
    rows = [row for name, part in arms.items() if (row := _price_row(name, part, base, level))]
    if not rows:
        return missing(names, "no arm paid another price than the control")
    return pd.DataFrame(rows, columns=names)


def _price_row(name: str, part: pd.DataFrame, base: pd.DataFrame, level: float) -> dict | None:
    if part.list_value.sum() == 0 or min(len(part), len(base)) < 2:
        return None
    paid = [1 - x.discount.sum() / x.list_value.sum() for x in (part, base)]
    if min(paid) <= 0 or 1 - paid[0] / paid[1] < LEAST_CUT:
        return None
    logs = math.log(part.list_value.mean() / base.list_value.mean())
    error = math.sqrt(sum(x.list_value.var() / len(x) / x.list_value.mean() ** 2 for x in (part, base)))
    low, high = logs - z_value(level) * error, logs + z_value(level) * error
    price = math.log(paid[0] / paid[1])
    row = {"arm": name, "users": len(part), "price_cut_share": 1 - paid[0] / paid[1]}
    row |= _ends("lift_share", math.expm1(logs), math.expm1(low), math.expm1(high))
    row |= _ends("elasticity", logs / price, *sorted((low / price, high / price)))
    return row | _ends("subsidised_share", *(min(math.exp(-x), 1.0) for x in (logs, high, low)))


def _ends(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, f"{name}_ci_low": low, f"{name}_ci_high": high}


def break_even_lift(*, margin_rate: float, discount: float) -> float | None:
    """By how much the quantity must rise so that a discount does not cost profit: d / (m − d).

    m is the margin and d the discount, both as shares of the list price. None where the discount takes the whole
    margin: no quantity pays for it.

    Raises
    ------
    ExperimentError
        A share outside 0…1.

    References
    ----------
    Phillips (2021): phillips2021.

    Examples
    --------
    >>> break_even_lift(margin_rate=0.5, discount=0.25), break_even_lift(margin_rate=0.2, discount=0.25)
    (1.0, None)
    """
    if not (0 <= margin_rate <= 1 and 0 <= discount <= 1):
        raise ExperimentError(f"margin_rate {margin_rate!r}, discount {discount!r}: take shares of the price, 0 to 1")
    return discount / (margin_rate - discount) if margin_rate > discount else None


def bundle_break_even(*, both_share: float, second_margin: float, discount: float) -> float | None:
    """Share of first-item buyers who must newly add the second, so that a bundle discount does not cost profit.

    both·d / (margin − d): those who take both anyway (`both_share`) get the discount as a gift; each new pair earns the
    second item's margin less the discount. None where the discount eats that margin.

    Parameters
    ----------
    both_share : float
        Share of the buyers of the first item who take both without a bundle, 0…1.
    second_margin, discount : float
        Currency units a pair, ≥ 0.

    Raises
    ------
    ExperimentError
        A number out of its range.

    References
    ----------
    Adams & Yellen (1976): adams1976.

    Examples
    --------
    >>> bundle_break_even(both_share=0.2, second_margin=15.0, discount=5.0)
    0.1
    """
    if not (0 <= both_share <= 1 and second_margin >= 0 and discount >= 0):
        raise ExperimentError(
            f"both_share {both_share!r}, second_margin {second_margin!r}, discount {discount!r}: 0 up"
        )
    return both_share * discount / (second_margin - discount) if second_margin > discount else None


def price_experiments(
    everyone: pd.DataFrame, *, truth: pd.DataFrame | None = None, control: str = "control", level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:  # fmt: skip
    """Every randomised price of a shop: elasticity, the lift that would pay, and the profit.

    Parameters
    ----------
    everyone : DataFrame
        Participants of all campaigns with `list_value`, `discount`, `spend`, `margin`, `contact_cost`.
    truth : DataFrame, optional
        `campaign_id`, `arm`, `ate_profit`.
    control, level
        As in `price_response`.
    min_cell : int
        As in `helpers.campaigns.participants.overview`.

    Returns
    -------
    DataFrame
        One row a price, by size of the cut: the columns of `price_response` with `campaign_id`,
        `break_even_lift_share` (missing where no lift pays), `profit` (currency units a person) with `ci_low`,
        `ci_high`, `truth`. Empty with its reason where no price was drawn by chance.

    References
    ----------
    As in `price_response`.

    Examples
    --------
    See the notebook.
    """
    names = ["campaign_id", *price_response(everyone.head(0)).columns, "break_even_lift_share"]
    names += ["profit", "ci_low", "ci_high", "truth"]
    table = overview(everyone, control=control, min_cell=min_cell)
    fit = table[table["status"] == "experiment"] if len(table) else table
    parts = []
    for campaign in fit["campaign_id"]:
        users = everyone[everyone.campaign_id == campaign]
        found = price_response(users, control=control, level=level)
        if found.empty:
            continue
        earned = incremental_profit(users, control=control, level=level)
        earned = earned[["arm", "profit", "ci_low", "ci_high"]].astype({"arm": object})
        rate = _margin_rate(users[users.arm == control])
        needed = [break_even_lift(margin_rate=rate, discount=d) if d > 0 else 0.0 for d in found.price_cut_share]
        found = found.assign(campaign_id=campaign, break_even_lift_share=needed)
        parts.append(found.merge(earned, on="arm", how="left"))
    if not parts:
        return missing(names, "no campaign drew the price by chance")
    joined = pd.concat(parts, ignore_index=True)
    known = pd.DataFrame(columns=["campaign_id", "arm", "ate_profit"]) if truth is None or truth.empty else truth
    known = known[["campaign_id", "arm", "ate_profit"]].rename(columns={"ate_profit": "truth"})
    joined = joined.merge(known.astype({"campaign_id": object, "arm": object}), on=["campaign_id", "arm"], how="left")
    return joined.sort_values(["price_cut_share", "campaign_id"], kind="stable", ignore_index=True)[names]


def _margin_rate(base: pd.DataFrame) -> float:
    """Margin before discounts as a share of the list value, in the control; 0 where it is not known."""
    value = base.list_value.sum()
    rate = (pd.to_numeric(base.margin).sum() + base.discount.sum()) / value if value else 0.0
    return float(np.clip(rate, 0.0, 1.0))


POWER = 0.8


def group_truth(cate: pd.DataFrame, users: pd.DataFrame, *, group: str) -> pd.DataFrame:
    """The true profit of one campaign's arms in each group, for `price_by_group`; empty for real data.

    `cate` is the shop's truth (`campaign_id`, `arm`, `feature`, `value`, `cate_profit`), `users` one campaign's people.

    >>> cate = pd.DataFrame({"campaign_id": "c", "arm": "cut", "feature": "tier", "value": ["1"], "cate_profit": [2.0]})
    >>> group_truth(cate, pd.DataFrame({"campaign_id": ["c"]}), group="tier").to_numpy().tolist()
    [['cut', '1', 2.0]]
    """
    if cate.empty or users.empty:
        return missing(["arm", "group", "profit"], cate.attrs.get("reason", "the truth is not known"))
    own = cate[(cate.campaign_id == users.campaign_id.iloc[0]) & (cate.feature == group)]
    own = own.assign(group=own["value"].astype(str), profit=own["cate_profit"])
    return own[["arm", "group", "profit"]].reset_index(drop=True)


def price_by_group(
    users: pd.DataFrame, *, group: str, truth: pd.DataFrame | None = None, control: str = "control",
    level: float = 0.95, min_cell: int = 10,
) -> pd.DataFrame:  # fmt: skip
    """Differentiated pricing: the incremental profit of the discount in each group of customers.

    The intervals hold together over the groups (Bonferroni), because the best of many groups looks good by chance. What
    a group could show: detectable = (z₁₋α⸝₂ + z₀.₈)·SE, the profit that is found in four of five such experiments.

    Parameters
    ----------
    users : DataFrame
        Participants of one campaign with one treated arm or more, as `incremental_profit` takes them, and `group`.
    group : str
        A column known before the campaign, such as city_tier.
    truth : DataFrame, optional
        From `group_truth`.
    control, level
        As in `price_response`.
    min_cell : int
        Groups with fewer people in an arm are not shown.

    Returns
    -------
    DataFrame
        One row a group and arm: `group`, `arm`, `users`, `profit` (currency units a person) with `ci_low`, `ci_high`,
        `detectable`, `truth`, `offer`: 'ship', 'stop' or 'cannot tell'. Empty with its reason where there is no group.

    References
    ----------
    Phillips (2021): phillips2021; holm1979.

    Examples
    --------
    See the notebook.
    """
    names = ["group", "arm", "users", "profit", "ci_low", "ci_high", "detectable", "truth", "offer"]
    if users.empty or group not in users.columns or users[group].notna().sum() == 0:
        return missing(names, users.attrs.get("reason") or f"{group} of the participants is not known")
    parts = {g: p for g, p in users.groupby(group, sort=True) if p.groupby("arm").size().min() >= min_cell}
    own_level, found = 1 - (1 - level) / max(len(parts), 1), []
    for name, part in parts.items():
        earned = incremental_profit(part, control=control, level=own_level)
        if len(earned):
            word = f"{name:g}" if isinstance(name, (int, float)) else str(name)
            found.append(earned.assign(value=word, group=f"{group.replace('_', ' ')} {word}"))
    if not found:
        return missing(names, f"no group has {min_cell} people in each arm, with known margins")
    table = pd.concat(found, ignore_index=True)
    z = z_value(1 - (1 - own_level) / max(users["arm"].nunique() - 1, 1))
    table["detectable"] = (table.ci_high - table.ci_low) / 2 * (1 + z_value(2 * POWER - 1) / z)
    known = pd.DataFrame(columns=["arm", "group", "profit"]) if truth is None or truth.empty else truth
    known = known.set_axis(["arm", "value", "truth"], axis=1).astype({"arm": object, "value": object})
    table = table.astype({"arm": object, "value": object}).merge(known, on=["arm", "value"], how="left")
    ship, stop, unclear = VERDICTS
    table["offer"] = np.select([table.ci_low > 0, table.ci_high < 0], [ship, stop], unclear)
    return table[names]
