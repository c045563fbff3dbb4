"""The table of advertising money, checked: one amount a day and channel, and what in it does not fit."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

COLUMNS = ["day", "channel", "amount"]
ODDITIES = ["check", "channels", "amount", "consequence"]


def spend_days(spend: ir.Table | None, *, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> pd.DataFrame:
    """The money of each day and channel inside the window.

    Parameters
    ----------
    spend : Table, optional
        As in `helpers.tables`: `day`, `channel`, `amount`.
    window : (Timestamp, Timestamp), optional
        First and last day, inclusive; without it all days count.

    Returns
    -------
    DataFrame
        `day` (Timestamp), `channel` (text), `amount` (currency units), by day and channel. `attrs['outside']`: money
        of each channel on other days. Empty, with its reason, where there is no money to look at.

    Raises
    ------
    ExperimentError
        A missing, infinite or negative amount.

    Examples
    --------
    >>> import ibis
    >>> money = ibis.memtable({"day": ["2024-01-31", "2024-02-01"], "channel": ["tv", "tv"], "amount": [5.0, 7.0]})
    >>> days = spend_days(money, window=(pd.Timestamp("2024-02-01"), pd.Timestamp("2024-02-29")))
    >>> days.amount.tolist(), days.attrs["outside"]
    ([7.0], {'tv': 5.0})
    """
    if spend is None:
        return missing(COLUMNS, "the study has no table spend")
    money = spend.select("day", "channel", amount=_.amount.cast("float64"))
    wrong = money.amount.isnull() | money.amount.isnan() | money.amount.isinf() | (money.amount < 0)
    table = money.group_by("day", "channel").agg(amount=money.amount.sum(), wrong=wrong.sum()).execute()
    table = table.assign(day=pd.to_datetime(table["day"]), channel=table["channel"].astype(str))
    table = table.sort_values(["day", "channel"], ignore_index=True)
    if (bad := table[table["wrong"] > 0]).size:
        raise ExperimentError(
            f"amount of {bad['channel'].iloc[0]} on {bad['day'].iloc[0]:%Y-%m-%d}: a value is missing or negative; "
            "write 0 for no money, and book a refund on the day of its spend"
        )
    inside = table["day"].between(*window) if window else np.full(len(table), True)
    found = table.loc[inside, COLUMNS].reset_index(drop=True)
    if found.empty:
        found = missing(COLUMNS, "no money was spent in the study's window" if len(table) else "the table is empty")
    found.attrs["outside"] = table[~inside].groupby("channel")["amount"].sum().to_dict()
    return found


def spend_oddities(days: pd.DataFrame, touchpoints: ir.Table | None = None) -> pd.DataFrame:
    """What in the money does not fit, and what follows: it is said, not mended.

    Parameters
    ----------
    days : DataFrame
        From `spend_days`.
    touchpoints : Table, optional
        One row a touch, with `channel`; without it touches and money are not compared.

    Returns
    -------
    DataFrame
        One row a check: `check`, `channels` (names, or 'none'), `amount` (currency units; missing where it is not
        known), `consequence` (empty where there is none).

    Examples
    --------
    >>> import ibis
    >>> days = pd.DataFrame({"day": pd.to_datetime(["2024-02-01"]), "channel": ["tv"], "amount": [7.0]})
    >>> spend_oddities(days, ibis.memtable({"channel": ["web"]}))[["check", "channels"]]
                          check channels
    0  spent outside the window     none
    1         all amounts are 0     none
    2     money without touches       tv
    3     touches without money      web
    """
    outside = {c: m for c, m in days.attrs.get("outside", {}).items() if m > 0}
    totals = days.groupby("channel")["amount"].sum().astype(float).to_dict() if len(days) else {}
    met = set(totals)
    if touchpoints is not None:
        met = set(touchpoints.select("channel").distinct().execute()["channel"].astype(str))
    unpaid = sorted(met - set(totals))
    rows = [
        ("spent outside the window", outside, "left out of all figures"),
        ("all amounts are 0", {c: 0.0 for c, m in totals.items() if m == 0}, "no return can be computed"),
        ("money without touches", {c: m for c, m in totals.items() if c not in met}, "no order is booked to it"),
        ("touches without money", dict.fromkeys(unpaid), "the cost is not known: no return"),
    ]
    return pd.DataFrame([_check(*row) for row in rows], columns=ODDITIES)


def _check(words: str, channels: dict[str, float | None], consequence: str) -> tuple:
    if not channels:
        return words, "none", None, ""
    amounts = list(channels.values())
    return words, ", ".join(channels), None if None in amounts else sum(amounts), consequence
