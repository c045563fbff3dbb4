"""From touches and orders to paths: which channels did a person meet before an order, and before none?

Every touch belongs to exactly one path. A path ends with an order, or with nothing: a *null path*. Null paths are kept,
because a channel that is met by everybody says little about orders.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.errors import AttributionError
from helpers.engine import as_table, hold
from helpers.findings import Estimate, NotAnswerable, missing
from helpers.study import nearest

DAY = 86_400
UNTIL = ("each order", "first order")
REPEATS = ("all", "collapsed", "distinct")
OTHER = "other channels"
RESERVED = ("(start)", "(conversion)", "(null)")
GROUPS = 200
"""Users are dealt into so many groups; the bootstrap draws whole groups, so no table of users is needed."""
COLUMNS = ("path_id", "bag", "channel", "place", "length", "hours", "conversions", "value", "nulls", "ended_at")


def touch_paths(
    touchpoints: ir.Table,
    orders: ir.Table,
    *,
    lookback_days: float = 30,
    until: str = "each order",
    repeats: str = "all",
    most_channels: int = 12,
    min_cell: int = 1,
) -> ir.Table:
    """Touches with the path that each belongs to.

    A touch at time t belongs to the next order of its user, at time e ≥ t, when e − t < lookback. All other touches
    make null paths: cut into stretches of the lookback's length, counted back from the next order, or from the end of
    the tables where no order follows.

    Parameters
    ----------
    touchpoints, orders : Table
        As in `helpers.tables`: one row a touch; one row an order line.
    lookback_days : float
        Length of a path at most, days, above 0…366.
    until : str
        'each order': a new path starts after every order. 'first order': touches after a user's first order are left
        out, and only first orders count.
    repeats : str
        'all' touches; 'collapsed': of the same channel several times in a row the latest touch is kept; 'distinct': of
        each channel in a path the latest touch is kept.
    most_channels : int
        The channels with the most touches keep their names, 1…12; the others become 'other channels'.
    min_cell : int
        Channels that met fewer users become 'other channels', too.

    Returns
    -------
    Table
        One row a touch: `path_id` (a text), `user_id`, `bag` (group of users, 0…199), `channel`, `place` (1…length),
        `length` (touches), `hours` (before the end), `conversions` (0/1), `value` (currency units), `nulls` (0/1),
        `ended_at` (epoch seconds).

    Raises
    ------
    AttributionError
        An argument is out of its range.
    NotAnswerable
        An order with a negative value.

    References
    ----------
    Anderl, Becker, von Wangenheim & Schumann (2016): anderl2016.

    Examples
    --------
    >>> touches = ibis.memtable({"user_id": [1, 1, 2], "channel": ["a", "b", "a"], "timestamp": [0, 3600, 50]})
    >>> lines = ibis.memtable({"order_id": [7], "user_id": [1], "quantity": [2], "unit_price": [5.0],
    ...                        "timestamp": [7200]})
    >>> columns = ["user_id", "channel", "place", "hours", "conversions", "value"]
    >>> touch_paths(touches, lines).order_by("user_id", "place").execute()[columns].head(2)
       user_id channel  place  hours  conversions  value
    0        1       a      1    2.0            1   10.0
    1        1       b      2    1.0            1   10.0
    """
    _check(lookback_days, until, repeats)
    touches = touches_with_orders(touchpoints, orders, most_channels=most_channels, min_cell=min_cell)
    return cut_paths(touches, lookback_days=lookback_days, until=until, repeats=repeats)


def touches_with_orders(
    touchpoints: ir.Table, orders: ir.Table, *, most_channels: int = 12, min_cell: int = 1
) -> ir.Table:
    """Each touch with the order that follows it: what `cut_paths` makes into paths, whatever their definition.

    Arguments and errors as in `touch_paths`. One row a touch: `user_id`, `timestamp`, `channel`, `number` (orders
    before it), `order_at`, `value` (missing where no order follows), `left` (seconds to the order, or to the end).
    """
    if not 1 <= most_channels <= 12:
        raise AttributionError(f"most_channels {most_channels!r}: take 1 to 12; the other channels are taken together")
    return _with_orders(_moments(_pooled(touchpoints, most_channels, min_cell), sound_orders(orders)))


def cut_paths(
    touches: ir.Table, *, lookback_days: float = 30, until: str = "each order", repeats: str = "all"
) -> ir.Table:
    """Paths by one definition, from `touches_with_orders`. Arguments, table and errors as in `touch_paths`."""
    _check(lookback_days, until, repeats)
    ends = _with_ends(touches, round(lookback_days * DAY))
    if until == UNTIL[1]:
        ends = ends.filter(_.number == 0)
    ends = ends.mutate(bag=ibis.dense_rank().over(order_by="user_id") % GROUPS)
    return _placed(_without_repeats(ends, repeats)).select("user_id", *COLUMNS)


def _check(lookback_days: float, until: str, repeats: str) -> None:
    if not 0 < lookback_days <= 366:
        raise AttributionError(f"lookback_days {lookback_days!r}: take a number above 0, at most 366, such as 30")
    if until not in UNTIL:
        raise AttributionError(f"until {until!r}: take one of {', '.join(UNTIL)}. {nearest(until, UNTIL)}")
    if repeats not in REPEATS:
        raise AttributionError(f"repeats {repeats!r}: take one of {', '.join(REPEATS)}. {nearest(repeats, REPEATS)}")


def order_values(orders: ir.Table) -> ir.Table:
    """One row an order: `user_id`, `order_id`, `timestamp`, `value` (currency units, after discounts).

    >>> lines = ibis.memtable({"order_id": [7, 7], "user_id": [1, 1], "quantity": [2, 1], "unit_price": [5.0, 1.0],
    ...                        "timestamp": [7200, 7200]})
    >>> order_values(lines).execute().value.tolist()
    [11.0]
    """
    discount = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    paid = (orders.quantity * orders.unit_price - discount).cast("float64")
    return orders.group_by("user_id", "order_id").agg(timestamp=orders.timestamp.min(), value=paid.sum())


def sound_orders(orders: ir.Table) -> ir.Table:
    """`order_values`, or a refusal: an order that is worth less than nothing is no sale (half a cent is rounding)."""
    bought = order_values(orders)
    least = bought.value.min().execute()
    if pd.notna(least) and least < -0.005:
        raise NotAnswerable(
            f"An order has a negative value ({least:,.2f}). Goods sent back are no sales: take them out of the orders."
        )
    return bought.mutate(value=_.value.clip(lower=0))


def _pooled(touchpoints: ir.Table, most_channels: int, min_cell: int) -> ir.Table:
    """The touches with rare channels under one name."""
    seen = touchpoints.group_by("channel").agg(n=_.count(), users=_.user_id.nunique()).execute()
    seen = seen.sort_values(["n", "channel"], ascending=[False, True])
    if wrong := sorted(set(seen["channel"]) & set(RESERVED)):
        raise AttributionError(f"channel {wrong[0]!r}: this name stands for a state of the chain; give it another one")
    kept = seen["channel"][seen["users"] >= min_cell].head(most_channels).tolist()
    name = touchpoints.channel
    shown = ibis.ifelse(name.isin(kept), name, OTHER) if len(kept) < len(seen) else name
    return touchpoints.select("user_id", "timestamp", name=shown)


def _moments(touches: ir.Table, bought: ir.Table) -> ir.Table:
    """Touches (kind 0) and orders (kind 1) of each user in one table; a touch in an order's second comes before it."""
    none = {"order_at": ibis.null("int64"), "value": ibis.null("float64")}
    met = touches.select(
        "user_id", timestamp=_.timestamp.cast("int64"), kind=ibis.literal(0, "int64"), name=_.name, **none
    )
    placed = bought.select(
        "user_id",
        timestamp=_.timestamp.cast("int64"),
        kind=ibis.literal(1, "int64"),
        name=_.order_id.cast("string"),
        order_at=_.timestamp.cast("int64"),
        value=_.value,
    )
    return met.union(placed)


def _with_orders(moments: ir.Table) -> ir.Table:
    """The touches with the number of orders before them, the order that follows, and the seconds to it."""
    before = ibis.window(group_by="user_id", order_by=["timestamp", "kind", "name"], preceding=(None, 1))
    numbered = moments.mutate(number=_.kind.sum().over(before).fill_null(0), last=_.timestamp.max().as_scalar())
    same = ibis.window(group_by=["user_id", "number"])
    ends = numbered.mutate(order_at=_.order_at.max().over(same), value=_.value.max().over(same)).filter(_.kind == 0)
    return ends.mutate(left=_.order_at.fill_null(_.last) - _.timestamp, channel=_.name).drop("kind", "name", "last")


def _with_ends(touches: ir.Table, length: int) -> ir.Table:
    """Each touch with its path, and what the path led to; `length` of a path in seconds."""
    ends = touches.mutate(block=_.left // length, hours=_.left / 3_600)
    converts = (ends.block == 0) & ends.order_at.notnull()
    return ends.mutate(
        path_id=ends.user_id.cast("string") + "|" + ends.number.cast("string") + "|" + ends.block.cast("string"),
        conversions=converts.cast("int64"),
        nulls=(~converts).cast("int64"),
        value=ibis.ifelse(converts, ends.value, 0.0),
        ended_at=ibis.ifelse(converts, ends.order_at, ends.timestamp),
    )


def _in_path(**more: object) -> object:
    return ibis.window(group_by="path_id", order_by=["timestamp", "channel"], **more)


def _without_repeats(touches: ir.Table, repeats: str) -> ir.Table:
    if repeats == "collapsed":
        later = touches.mutate(later=_.channel.lead().over(_in_path()))
        return later.filter(_.later.isnull() | (_.later != _.channel)).drop("later")
    if repeats == "distinct":
        newest = ibis.window(group_by=["path_id", "channel"], order_by=[ibis.desc("timestamp")])
        return touches.mutate(copy=ibis.row_number().over(newest)).filter(_.copy == 0).drop("copy")
    return touches


def _placed(touches: ir.Table) -> ir.Table:
    return touches.mutate(
        place=ibis.row_number().over(_in_path()) + 1, length=_.count().over(ibis.window(group_by="path_id"))
    )


def touches_of(paths: pd.DataFrame, *, separator: str = ">") -> ir.Table:
    """A table of distinct paths as touches, one row a touch, for every method here.

    Parameters
    ----------
    paths : DataFrame
        One row a distinct path: `path` (channels in their order, with the separator between them), `conversions`,
        and, if known, `value` (currency units) and `nulls` (times that the path ended without conversion).
    separator : str
        What stands between two channels; blanks around it do not count.

    Returns
    -------
    Table
        As `touch_paths`, without `user_id`; the hours are not known.

    Raises
    ------
    AttributionError
        A column is absent, a count or value is negative or not finite, or a path names no channel.

    Examples
    --------
    >>> touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [2]})).execute()[["channel", "place", "conversions"]]
      channel  place  conversions
    0       a      1          2.0
    1       b      2          2.0
    """
    if absent := [c for c in ("path", "conversions") if c not in paths.columns]:
        raise AttributionError(f"paths has no column {', '.join(absent)}. {nearest(absent[0], list(paths.columns))}")
    table = pd.DataFrame({"path": paths["path"].astype(str)})
    for name in ("conversions", "value", "nulls"):
        table[name] = paths[name].astype(float) if name in paths.columns else 0.0
        if not (np.isfinite(table[name]) & (table[name] >= 0)).all():
            raise AttributionError(f"{name}: it holds a negative or missing number; give counts and amounts from 0 on")
    table["channel"] = [[c.strip() for c in p.split(separator)] for p in table["path"]]
    table["length"], table["path_id"] = table["channel"].str.len(), [str(i) for i in range(len(table))]
    table["bag"] = np.arange(len(table)) % GROUPS
    touches = table.explode("channel", ignore_index=True)
    wrong = touches["channel"].isin(["", *RESERVED])
    if wrong.any():
        raise AttributionError(f"path {touches['path'][wrong].iloc[0]!r}: every step needs the name of a channel")
    touches["place"] = touches.groupby("path_id").cumcount() + 1
    kinds = {"channel": "str", "length": "int64", "hours": "float64", "ended_at": "float64"}
    return as_table(touches.assign(hours=np.nan, ended_at=np.nan).astype(kinds)[list(COLUMNS)])


def distinct_paths(touches: ir.Table, *, min_cell: int = 1) -> pd.DataFrame:
    """The distinct paths with what they led to.

    Parameters
    ----------
    touches : Table
        From `touch_paths`.
    min_cell : int
        Paths of fewer users stand together in one row, 'rarer paths', as the last.

    Returns
    -------
    DataFrame
        One row a path, the most frequent first: `path`, `touches` (missing in the last row), `paths`, `conversions`,
        `value`, `nulls`, `conversion_rate`. Empty, with its reason, without touches.

    Examples
    --------
    >>> touches = ibis.memtable({"user_id": [1, 1, 2], "channel": ["a", "b", "a"], "timestamp": [0, 3600, 50]})
    >>> lines = ibis.memtable({"order_id": [7], "user_id": [1], "quantity": [2], "unit_price": [5.0],
    ...                        "timestamp": [7200]})
    >>> distinct_paths(touch_paths(touches, lines))[["path", "paths", "conversions", "value"]]
        path  paths  conversions  value
    0      a      1            0    0.0
    1  a > b      1            1   10.0
    """
    names = ["path", "touches", "paths", "conversions", "value", "nulls", "conversion_rate"]
    # one list of pairs, sorted by place: Spark cannot order what it puts together
    stops = ibis.struct({"place": touches.place, "channel": touches.channel}).collect()
    words = stops.sort().map(lambda stop: stop.channel).join(" > ")
    amounts = {c: touches[c].max() for c in ("length", "conversions", "value", "nulls")}
    whole = touches.group_by("user_id", "path_id").agg(path=words, **amounts)
    sums = {c: whole[c].sum() for c in ("conversions", "value", "nulls")}
    table = whole.group_by("path").agg(
        users=whole.user_id.nunique(), touches=whole["length"].max(), paths=whole.count(), **sums
    )
    counted = ["paths", "conversions", "value", "nulls"]
    rare = table.filter(table.users < min_cell).agg(**{c: _[c].sum() for c in counted}).execute()
    table = table.filter(table.users >= min_cell).order_by(ibis.desc("paths"), "path").execute()
    table["touches"] = table["touches"].astype("Int64")
    if len(rare) and rare["paths"].fillna(0).iloc[0] > 0:
        table = pd.concat([table, rare.assign(path="rarer paths")], ignore_index=True)
    if table.empty:
        return missing(names, "no touch lies in a path")
    return table.assign(conversion_rate=table["conversions"] / table["paths"])[names]


def path_summary(touches: ir.Table, orders: ir.Table, *, until: str = "each order") -> pd.DataFrame:
    """Orders with and without a touch before them, paths, and their length.

    Parameters
    ----------
    touches : Table
        From `touch_paths`.
    orders : Table
        One row an order line.
    until : str
        As in `touch_paths`.

    Returns
    -------
    DataFrame
        One row: `orders`, `with_touch` (their paths), `with_touch_share`, `null_paths`, `touches_per_path`,
        `channels_per_path` (means).

    Examples
    --------
    >>> touches = ibis.memtable({"user_id": [1, 1, 2], "channel": ["a", "b", "a"], "timestamp": [0, 3600, 50]})
    >>> lines = ibis.memtable({"order_id": [7], "user_id": [1], "quantity": [2], "unit_price": [5.0],
    ...                        "timestamp": [7200]})
    >>> path_summary(touch_paths(touches, lines), lines).iloc[0, :4].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    names = ["orders", "with_touch", "with_touch_share", "null_paths", "touches_per_path", "channels_per_path"]
    counted = orders.user_id if until == UNTIL[1] else orders.order_id
    n = int(counted.nunique().execute())
    each = touches.group_by("path_id").agg(
        touches=_.count(), channels=_.channel.nunique(), conversions=_.conversions.max()
    )
    found = each.agg(
        paths=_.count(), converted=_.conversions.sum(), touches=_.touches.mean(), channels=_.channels.mean()
    )
    row = found.execute().iloc[0]
    if not row["paths"]:
        return missing(names, "there are no touches")
    converted = int(row["converted"])
    share = converted / n if n else None
    values = (n, converted, share, int(row["paths"]) - converted, float(row["touches"]), float(row["channels"]))
    return pd.DataFrame([values], columns=names)


def touched_share(summary: pd.DataFrame) -> Estimate:
    """The share of orders with a touch before them, from `path_summary`, for a finding.

    >>> touched_share(pd.DataFrame({"orders": [4], "with_touch_share": [0.25]})).value
    0.25
    """
    if summary.empty or summary["orders"].iloc[0] == 0:
        return Estimate.missing(summary.attrs.get("reason", "there are no orders"))
    return Estimate(float(summary["with_touch_share"].iloc[0]))


def keep(touches: ir.Table) -> ir.Table:
    """The touches computed once, for all methods (see `helpers.engine.hold`)."""
    return hold(touches)
