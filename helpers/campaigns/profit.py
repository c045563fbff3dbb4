"""What a campaign earned: incremental profit with its interval, and the verdict *ship / stop / cannot tell*."""

from __future__ import annotations

import math

import pandas as pd

from helpers.campaigns.comparison import welch, why_not
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

VERDICTS = ("ship", "stop", "cannot tell")


def profit_per_user(
    users: pd.DataFrame, *, unit_cost: float | None = None, voucher_cost: float = 0.0, control: str = "control"
) -> pd.Series:
    """What each participant earned the shop in the window: margin less contacts and vouchers.

    profit = margin − contacts·unit_cost − voucher_cost·purchased (the last outside the control). A voucher that stands
    as a discount on the order is already in the margin.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`, `margin`, and `contact_cost` or, with `unit_cost`, `contacts`; `purchased` where
        `voucher_cost` is not 0.
    unit_cost : float, optional
        Cost of one contact, ≥ 0; by default that of the campaign's row.
    voucher_cost : float
        Cost of each redeemed voucher that is not in the discounts, ≥ 0.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    Series
        Currency units, one a row of `users`; missing where the margin or the cost is not known.

    Raises
    ------
    ExperimentError
        A negative cost.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapter 7: kohavi2020.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "x"], "margin": [5.0, 9.0], "contacts": [0, 2], "purchased": [1, 1]})
    >>> profit_per_user(users, unit_cost=0.5, voucher_cost=1.0).tolist()
    [5.0, 7.0]
    """
    if (unit_cost or 0) < 0 or voucher_cost < 0:
        raise ExperimentError(f"unit_cost {unit_cost!r}, voucher_cost {voucher_cost!r}: costs are 0 or more")
    contact = users["contact_cost"] if unit_cost is None else users["contacts"] * unit_cost
    redeemed = users["purchased"] * voucher_cost * (users["arm"] != control) if voucher_cost else 0.0
    return pd.to_numeric(users["margin"]) - pd.to_numeric(contact) - redeemed


def incremental_profit(
    users: pd.DataFrame,
    *,
    unit_cost: float | None = None,
    voucher_cost: float = 0.0,
    control: str = "control",
    level: float = 0.95,
) -> pd.DataFrame:
    """Incremental profit a person: what an arm earned more than the control, after its costs, with its interval.

    Welch's interval on `profit_per_user`. With k treated arms each interval has the level 1 − (1 − level)/k, so that
    all hold together (Bonferroni). Below 0 the campaign burns money, however much it sells.

    Parameters
    ----------
    users, unit_cost, voucher_cost, control
        As in `profit_per_user`.
    level : float
        How often all intervals together cover the truth, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a treated arm, by name: `arm`, `users`, `control_users`, `sales_difference`, `margin_difference`,
        `contact_cost_difference` (means a person, currency units), `profit` (their balance) with `ci_low`, `ci_high`,
        and `profit_per_1000`. Empty with its reason where margins or costs are unknown.

    Raises
    ------
    ExperimentError
        A negative cost, or an unknown column.

    References
    ----------
    As in `profit_per_user`; welch1947.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["x"] * 3, "spend": [0.0, 2, 4, 3, 5, 7],
    ...                       "margin": [0.0, 1, 2, 2, 3, 4], "contact_cost": [0.0, 0, 0, 0.5, 0.5, 0.5]})
    >>> incremental_profit(users).round(2)[["arm", "sales_difference", "margin_difference", "profit"]]
      arm  sales_difference  margin_difference  profit
    0   x               3.0                2.0     1.5
    """
    names = ["arm", "users", "control_users", "sales_difference", "margin_difference"]
    names += ["contact_cost_difference", "profit", "ci_low", "ci_high", "profit_per_1000"]
    reason = why_not(users, control=control) or _unknown(users, unit_cost)
    if reason:
        return missing(names, reason)
    profit = profit_per_user(users, unit_cost=unit_cost, voucher_cost=voucher_cost, control=control)
    treated = users["arm"].nunique() - 1
    found = welch(
        users.assign(profit=profit.astype(float)), outcome="profit", control=control, level=1 - (1 - level) / treated
    )
    if found.empty:
        return missing(names, found.attrs["reason"])
    cost = users["contact_cost"] if unit_cost is None else users["contacts"] * unit_cost
    parts = {"sales": users["spend"], "margin": users["margin"], "contact_cost": cost}
    table = found.rename(columns={"difference": "profit"})
    for name, column in parts.items():
        mean = column.astype(float).groupby(users["arm"].astype(str)).mean()
        table[f"{name}_difference"] = (mean.reindex(table.arm) - mean[control]).to_numpy()
    return table.assign(profit_per_1000=1000 * table.profit)[names]


def _unknown(users: pd.DataFrame, unit_cost: float | None) -> str:
    """What is not known for the profit; '' when all is."""
    lost = int(users["margin"].isna().sum())
    if lost:
        return f"the margin of {lost:,} of {len(users):,} participants is not known; give items with unit_margin"
    if unit_cost is None and users["contact_cost"].isna().any():
        return "the cost of a contact is not known; give the campaign a unit_cost"
    return ""


def verdict(profits: pd.DataFrame, *, minimum_profit: float = 0.0, split: pd.DataFrame | None = None) -> pd.DataFrame:
    """The decision: *ship* when the whole interval is above the least profit worth having, *stop* when it is below.

    In between the experiment cannot tell. A faulty split (sample-ratio test) makes every verdict *cannot tell*.

    Parameters
    ----------
    profits : DataFrame
        From `incremental_profit`: one row a treated arm.
    minimum_profit : float
        The least incremental profit a person that is worth the work, currency units.
    split : DataFrame, optional
        From `sample_ratio_test`.

    Returns
    -------
    DataFrame
        One row a treated arm: `arm`, `profit`, `ci_low`, `ci_high` (currency units a person), `verdict`, `because`.

    Raises
    ------
    ExperimentError
        minimum_profit is not finite.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapter 2: kohavi2020.

    Examples
    --------
    >>> profits = pd.DataFrame({"arm": ["a", "b", "c"], "profit": [2.0, 1.0, -3.0],
    ...                         "ci_low": [1.0, -1.0, -4.0], "ci_high": [3.0, 3.0, -2.0]})
    >>> verdict(profits)[["arm", "verdict"]]
      arm      verdict
    0   a         ship
    1   b  cannot tell
    2   c         stop
    """
    names = ["arm", "profit", "ci_low", "ci_high", "verdict", "because"]
    if not math.isfinite(minimum_profit):
        raise ExperimentError(f"minimum_profit {minimum_profit!r}: take an amount of money a person, such as 0")
    if profits.empty:
        return missing(names, profits.attrs.get("reason", "no arm can be compared"))
    faulty = split is not None and not split.empty and (split.split == "faulty").any()
    judged = [_judge(r.ci_low, r.ci_high, minimum_profit, faulty) for r in profits.itertuples()]
    words, because = zip(*judged, strict=True)
    return profits.assign(verdict=words, because=because)[names]


def _judge(low: float, high: float, minimum: float, faulty: bool) -> tuple[str, str]:
    if faulty:
        return VERDICTS[2], "the arms do not have the planned sizes: find the fault first"
    if low > minimum:
        return VERDICTS[0], f"the whole interval is above {minimum:g}"
    if high < minimum:
        return VERDICTS[1], f"the whole interval is below {minimum:g}"
    return VERDICTS[2], f"the interval holds {minimum:g}"


def verdict_words(decision: pd.DataFrame) -> str:
    """The verdict of each arm in words, for a sentence.

    >>> verdict_words(pd.DataFrame({"arm": ["a", "b"], "verdict": ["ship", "stop"]}))
    'a: ship; b: stop'
    """
    if decision.empty:
        return f"cannot tell, because {decision.attrs.get('reason', 'no arm can be compared')}"
    return "; ".join(f"{row.arm}: {row.verdict}" for row in decision.itertuples())
