"""What the experiments of a shop earned in all: one incremental profit a campaign, for the scorecard."""

from __future__ import annotations

from collections.abc import Mapping

import ibis.expr.types as ir
import pandas as pd

from helpers.campaigns.arms import arm_counts, sample_ratio_test
from helpers.campaigns.budget import customers, holdouts, price_people, spend_days
from helpers.campaigns.comparison import welch
from helpers.campaigns.participants import overview, participants
from helpers.campaigns.profit import _unknown, profit_per_user
from helpers.findings import missing

COLUMNS = ["campaign_id", "ended", "treated", "cost", "profit", "standard_error", "status", "because"]


def profit_totals(
    tables: Mapping[str, ir.Table], *, zone: str, control: str = "control", min_cell: int = 10
) -> pd.DataFrame:
    """Incremental profit of each campaign that can be read as an experiment, over all its treated people.

    total = N₁ (ȳ₁ − ȳ₀) with standard error N₁ √(s₁²/n₁ + s₀²/n₀), y the profit a person in the campaign's window. All
    arms but the control are taken together, so that the control is counted once.

    Parameters
    ----------
    tables : mapping of str to Table
        The tables of a study by name; assignments, campaigns and orders are needed, items and contacts are used.
    zone : str
        The study's time zone; it says on which day a campaign ended.
    control : str
        Name of the arm without treatment.
    min_cell : int
        As in `helpers.campaigns.participants.overview`.

    Returns
    -------
    DataFrame
        One row a campaign, in the order of their start: `campaign_id`, `ended` (day), `treated` (people), `cost` (of
        contacts) and `profit` with its `standard_error` (currency units, over all treated people), `status` ('counted'
        or 'left out'), `because`. Empty with its reason where there is no campaign.

    References
    ----------
    Kohavi, Tang & Xu (2020): kohavi2020; welch1947.
    """
    need = ("assignments", "campaigns", "orders")
    if absent := [t for t in need if t not in tables]:
        return missing(COLUMNS, f"needs the table{'s' * (len(absent) > 1)} {', '.join(absent)}")
    rest = {t: tables.get(t) for t in ("items", "contacts")}
    everyone = participants(*(tables[t] for t in need), **rest).execute()
    if everyone.empty:
        return missing(COLUMNS, "no campaign has participants")
    plans = tables["campaigns"].execute().set_index("campaign_id")
    ended = pd.to_datetime(plans["ends_at"], unit="s", utc=True).dt.tz_convert(zone).dt.tz_localize(None).dt.normalize()
    rows = []
    for row in overview(everyone, control=control, min_cell=min_cell).itertuples():
        part = everyone[everyone.campaign_id == row.campaign_id]
        found = {"because": row.because} if row.status != "experiment" else total_profit(part, control=control)
        status = "left out" if found.get("because") else "counted"
        rows.append({"campaign_id": row.campaign_id, "ended": ended[row.campaign_id], "status": status, **found})
    return pd.DataFrame(rows, columns=COLUMNS)


def total_profit(users: pd.DataFrame, *, control: str = "control") -> dict:
    """`treated`, `cost`, `profit`, `standard_error` of one experiment, or only `because`: why it is left out.

    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["a", "b", "b"], "margin": [0.0, 1, 2, 2, 3, 4],
    ...                       "contacts": [0, 0, 0, 1, 1, 1], "contact_cost": [0, 0, 0, 0.5, 0.5, 0.5]})
    >>> found = total_profit(users)
    >>> found["treated"], found["cost"], found["profit"], round(found["standard_error"], 3)
    (3, 1.5, 4.5, 2.449)
    """
    if reason := _unknown(users, None):
        return {"because": reason}
    if not sample_ratio_test(arm_counts(users)).split.eq("as planned").all():
        return {"because": "the arms do not have the planned sizes"}
    treated = users.arm != control
    if not users.contact_cost[treated].sum() > 0:
        return {"because": "its contacts cost nothing here: what was paid for the advertising stands elsewhere"}
    profit = profit_per_user(users, control=control).astype(float)
    both = users.assign(arm=treated.map({True: "treated", False: control}), profit=profit)
    found = welch(both, outcome="profit", control=control)
    if found.empty:
        return {"because": found.attrs["reason"]}
    n = int(treated.sum())
    error = n * float(found.standard_error.iloc[0])
    total = n * float(found.difference.iloc[0])
    return {
        "treated": n, "cost": float(users.contact_cost[treated].sum()), "profit": total, "standard_error": error,
        "because": "",
    }  # fmt: skip


def channel_holdouts(
    tables: Mapping[str, ir.Table], *, window: tuple[pd.Timestamp, pd.Timestamp], zone: str, level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:  # fmt: skip
    """`helpers.campaigns.budget.holdouts` of a study's tables; empty with its reason where a table is absent.

    Parameters
    ----------
    tables : mapping of str to Table
        The tables of a study by name.
    window : (first, last)
        The study's days, both inclusive.
    zone, level, min_cell
        As in `holdouts`.
    """
    need = ("assignments", "campaigns", "orders", "spend")
    if absent := [t for t in need if t not in tables]:
        return missing(["channel", "roas"], f"needs the table{'s' * (len(absent) > 1)} {', '.join(absent)}")
    money = spend_days(tables["spend"], window=window)
    return holdouts(
        price_people(tables), campaigns=tables["campaigns"], spend=money, zone=zone, level=level,
        people=customers(tables["orders"], tables.get("users")), min_cell=min_cell,
    )  # fmt: skip
