"""What each customer did and spent inside a window: one row a customer, for segments, value tiers and scores.

All measures look at whole days of one window and at nothing before or after it.
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import pandas as pd

from helpers.tables import BEHAVIORS

FEATURES: dict[str, tuple[str, str]] = {
    "recency_days": ("days from the last active day to the end of the window; 0 = active on its last day", "days"),
    "active_days": ("days with at least one action", "days"),
    "actions": ("actions of all four kinds", "actions"),
    "actions_per_day": ("actions ÷ active days", "actions a day"),
    "pv": ("page views", "actions"),
    "fav": ("favourites", "actions"),
    "cart": ("items put into the cart", "actions"),
    "buy": ("purchases", "actions"),
    "items": ("different items touched", "items"),
    "categories": ("different categories touched", "categories"),
    "fav_rate": ("favourites ÷ page views", "per view"),
    "cart_rate": ("carts ÷ page views", "per view"),
    "buy_rate": ("purchases ÷ page views: conversion", "per view"),
    "night_share": ("share of actions from 0:00 to 5:59", "share of actions"),
    "orders": ("orders placed", "orders"),
    "pieces": ("pieces bought", "pieces"),
    "list_amount": ("pieces × list price, before discounts", "money"),
    "discount_amount": ("money taken off", "money"),
    "spend": ("money paid: list amount − discounts", "money"),
    "discount_share": ("discounts ÷ list amount", "share of list price"),
    "average_price": ("list amount ÷ pieces", "money a piece"),
}
"""Column of the feature table → definition and unit. All are measured inside the window only."""


def features(
    events: ir.Table,
    *,
    window: tuple,
    orders: ir.Table | None = None,
    more: Callable[[ir.Table], dict[str, ir.Value]] | None = None,
) -> ir.Table:
    """What each user did inside the window: one row a user.

    Parameters
    ----------
    events : Ibis table
        The behaviour log with `day` and `hour` in the study's time zone.
    window : (first, last)
        Whole days, both inclusive; rows outside are left out.
    orders : Ibis table, optional
        The order lines with `day`; adds the money columns (missing for users without an order).
    more : function, optional
        The users' days inside the window (user_id, day, actions, pv, fav, cart, buy, night, evening) → further
        aggregates by name.

    Returns
    -------
    Ibis table
        user_id, night (actions from 0:00 to 5:59) and the columns of `FEATURES`. A ratio without a denominator
        is missing. No order of rows.

    Examples
    --------
    >>> log = ibis.memtable({"user_id": [1, 1, 1], "item_id": [7, 7, 8], "category_id": [3, 3, 3],
    ...     "behavior": ["pv", "buy", "pv"], "day": ["2017-11-25", "2017-11-25", "2017-11-27"], "hour": [21, 22, 1]})
    >>> user_table(features(log, window=("2017-11-25", "2017-12-03")))[["recency_days", "active_days", "buy_rate"]]
             recency_days  active_days  buy_rate
    user_id
    1                   6            2       0.5
    """
    last = _ends(window)[1]
    log = inside(events, window=window)
    days = _user_days(log)
    sums = {name: days[name].sum().cast("int64") for name in ("actions", *BEHAVIORS, "night")}
    users = days.group_by("user_id").agg(
        last_day=days.day.max(), active_days=days.count(), **sums, **(more(days) if more else {})
    )
    for name in ("items", "categories"):  # two steps: sets of each user's things would be dearer
        pairs = log.select("user_id", {"items": "item_id", "categories": "category_id"}[name]).distinct()
        users = users.join(pairs.group_by("user_id").agg(**{name: pairs.count()}), "user_id")
    users = users.relocate("items", "categories", after="buy")
    users = users.mutate(recency_days=last.delta(users.last_day, unit="day"), **_ratios(users)).drop("last_day")
    if orders is None:
        return users
    return users.left_join(spending(orders, window=window).drop("order_recency_days"), "user_id").drop("user_id_right")


def _user_days(log: ir.Table) -> ir.Table:
    """One row a user and day with the numbers of actions; evening: from 18:00 to 23:59."""
    counts = {b: log.count(where=log.behavior == b) for b in BEHAVIORS}
    counts |= {"night": log.count(where=log.hour < 6), "evening": log.count(where=log.hour >= 18)}
    return log.group_by("user_id", "day").agg(actions=log.count(), **counts)


def _ends(window: tuple) -> list[ir.DateScalar]:
    return [ibis.date(pd.Timestamp(day).strftime("%Y-%m-%d")) for day in window]


def inside(table: ir.Table, *, window: tuple) -> ir.Table:
    """The rows whose `day` lies in the window of whole days, both ends included."""
    first, last = _ends(window)
    table = table.mutate(day=table.day.cast("date"))
    return table.filter((table.day >= first) & (table.day <= last))


def _ratios(users: ir.Table) -> dict[str, ir.Value]:
    return {
        "actions_per_day": users.actions / users.active_days,
        **{f"{b}_rate": users[b] / users.pv.nullif(0) for b in ("fav", "cart", "buy")},
        "night_share": users.night / users.actions,
    }


def spending(orders: ir.Table, *, window: tuple) -> ir.Table:
    """What each customer ordered inside the window: one row a customer with an order.

    Parameters
    ----------
    orders : Ibis table
        The order lines with `day`.
    window : (first, last)
        Whole days, both inclusive.

    Returns
    -------
    Ibis table
        user_id, orders, pieces, list_amount, discount_amount, spend (list amount − discounts: money), discount_share,
        average_price, order_recency_days (from the last order to the end of the window). No order of rows.

    Examples
    --------
    >>> lines = ibis.memtable({"user_id": [1, 1], "order_id": [7, 8], "quantity": [2, 1], "unit_price": [5.0, 3.0],
    ...     "day": ["2017-11-25", "2017-11-27"]})
    >>> user_table(spending(lines, window=("2017-11-25", "2017-12-03")))[["orders", "spend", "order_recency_days"]]
             orders  spend  order_recency_days
    user_id
    1             2   13.0                   6
    """
    last = _ends(window)[1]
    lines = inside(orders, window=window)
    off = lines.discount.fill_null(0.0) if "discount" in lines.columns else ibis.literal(0.0)
    users = lines.group_by("user_id").agg(
        orders=lines.order_id.nunique(),
        pieces=lines.quantity.sum().cast("float64"),
        list_amount=(lines.quantity * lines.unit_price).sum().cast("float64"),
        discount_amount=off.sum().cast("float64") if "discount" in lines.columns else off,
        last_day=lines.day.max(),
    )
    return users.mutate(
        spend=users.list_amount - users.discount_amount,
        discount_share=users.discount_amount / users.list_amount.nullif(0),
        average_price=users.list_amount / users.pieces.nullif(0),
        order_recency_days=last.delta(users.last_day, unit="day"),
    ).drop("last_day")


def user_table(users: ir.Table) -> pd.DataFrame:
    """The features in memory: one row a user, indexed and ordered by user_id.

    The index never leaves the machine: pages and result tables show groups only.
    """
    return users.execute().sort_values("user_id").set_index("user_id")


def why(table: pd.DataFrame | pd.Series) -> str:
    """The reason that an empty table carries."""
    return table.attrs.get("reason", "nothing to show")
