"""Money of order lines and orders, and the last advertising touch before each order."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

DAY = 86_400


def with_values(orders: ir.Table, items: ir.Table | None = None) -> ir.Table:
    """The order lines with what was paid and earned.

    paid = quantity·unit_price − discount; earned = quantity·unit_margin − discount, missing where the margin of the
    line's item is not known.

    Parameters
    ----------
    orders, items : Table
        As in `helpers.tables`.

    Returns
    -------
    Table
        `orders` with `paid` and `earned`, currency units.

    Examples
    --------
    >>> line = {"item_id": [5], "quantity": [2], "unit_price": [10.0], "discount": [3.0]}
    >>> with_values(ibis.memtable(line), ibis.memtable({"item_id": [5], "unit_margin": [4.0]})).execute().iloc[0, -2:]
    paid      17.0
    earned     5.0
    Name: 0, dtype: float64
    """
    off = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    lines = orders.mutate(paid=(orders.quantity * orders.unit_price - off).cast("float64"), off=off.cast("float64"))
    if items is None or "unit_margin" not in items.columns:
        return lines.mutate(earned=ibis.null("float64")).drop("off")
    lines = lines.left_join(items.select("item_id", "unit_margin"), "item_id")
    earned = (lines.quantity * lines.unit_margin - lines.off).cast("float64")
    return lines.mutate(earned=earned).select(*orders.columns, "paid", "earned")


def order_totals(orders: ir.Table, items: ir.Table | None = None) -> ir.Table:
    """One row an order: `order_id`, `user_id`, `placed` (epoch seconds), `day`, `sales`, `margin`.

    The margin is that of the lines whose margin is known; missing where none is.
    """
    lines = with_values(orders, items)
    return lines.group_by("order_id", "user_id").agg(
        placed=lines.timestamp.min(), day=lines.day.min(), sales=lines.paid.sum(), margin=lines.earned.sum()
    )


def last_touch(totals: ir.Table, touchpoints: ir.Table, *, lookback_days: int) -> ir.Table:
    """The orders that follow an advertising touch, each with the channel of the last one: a booking, not an effect.

    Parameters
    ----------
    totals : Table
        From `order_totals`; more columns are kept.
    touchpoints : Table
        As in `helpers.tables`.
    lookback_days : int
        An order is booked to a touch of its customer in so many days before it, both ends included.

    Returns
    -------
    Table
        The columns of `totals` and `channel`; of two channels in the same second the first by name.
    """
    touches = touchpoints.select("user_id", "channel", touched="timestamp")
    seen = totals.inner_join(touches, "user_id")
    seen = seen.filter((_.touched <= _.placed) & (_.touched >= _.placed - lookback_days * DAY))
    seen = seen.select(*totals.columns, "channel", "touched")
    latest = seen.group_by("order_id", "user_id").agg(last=_.touched.max())
    tied = seen.inner_join(
        latest, [seen.order_id == latest.order_id, seen.user_id == latest.user_id, seen.touched == latest.last]
    ).select(*totals.columns, "channel")
    return tied.group_by(*totals.columns).agg(channel=_.channel.min())
