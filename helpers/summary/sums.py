"""What the scorecard needs from the tables: sums over customers, one row a span of days, in few passes.

A span is a set of days, such as the period that is judged, the one before, or a week: rows `span`, `day`.
All indicators of a span come from these sums, so the tables themselves never reach pandas.
"""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from helpers.engine import as_table, hold
from helpers.order_lines import last_touch, order_totals, with_values

Tables = Mapping[str, ir.Table]


def _spans(spans: pd.DataFrame) -> ir.Table:
    days = spans[["span", "day"]].assign(day=pd.to_datetime(spans["day"]).dt.strftime("%Y-%m-%d"))
    return as_table(days.astype({"span": str}))


def _in_spans(table: ir.Table, spans: pd.DataFrame) -> ir.Table:
    """The rows of a table with a `day`, once for each span that holds their day."""
    return table.mutate(day=_.day.cast("date").cast("string")).inner_join(_spans(spans), "day")


def purchases(tables: Tables) -> ir.Table | None:
    """Who bought on which day: from the orders, else from the events; None where there is neither."""
    if "orders" in tables:
        return tables["orders"].select("user_id", "day").distinct()
    if "events" in tables:
        events = tables["events"]
        return events.filter(events.behavior == "buy").select("user_id", "day").distinct()
    return None


def order_sums(tables: Tables, spans: pd.DataFrame) -> pd.DataFrame:
    """Sums over the customers of each span, from the order lines.

    Returns
    -------
    DataFrame
        Index `span`: customers, repeaters (two orders or more), unknown_margins (lines), and for sales, orders, pieces
        and margin of a customer the sum, `<name>_squares` (sum of squares) and `<name>_largest`; the cross sums
        sales_orders, margin_sales. Spans without an order are absent.
    """
    lines = _in_spans(with_values(tables["orders"], tables.get("items")), spans)
    each = lines.group_by("span", "user_id").agg(
        sales=lines.paid.sum(), orders=lines.order_id.nunique().cast("float64"),
        pieces=lines.quantity.sum().cast("float64"), margin=lines.earned.sum(), unknown=lines.earned.isnull().sum(),
    )  # fmt: skip
    sums = {"customers": _.count(), "repeaters": (_.orders >= 2).sum(), "unknown_margins": _.unknown.sum()}
    for name in ("sales", "orders", "pieces", "margin"):
        sums |= {
            name: _[name].sum(),
            f"{name}_squares": (_[name] * _[name]).sum(),
            f"{name}_largest": _[name].max(),
            f"{name}_least": _[name].min(),
        }
    sums |= {"sales_orders": (_.sales * _.orders).sum(), "margin_sales": (_.margin * _.sales).sum()}
    return each.group_by("span").agg(**sums).execute().set_index("span").sort_index()


def people_sums(tables: Tables, spans: pd.DataFrame) -> pd.DataFrame:
    """Index `span`: buyers, and where there are events visitors and visiting_buyers (visitors who bought)."""
    bought = purchases(tables)
    buyers = _in_spans(bought, spans).select("span", "user_id").distinct()
    table = buyers.group_by("span").agg(buyers=_.count()).execute().set_index("span")
    if "events" in tables:
        seen = tables["events"].select("user_id", "day").distinct()
        visitors = _in_spans(seen, spans).select("span", "user_id").distinct()
        if str(visitors.user_id.type()).lstrip("!") != str(buyers.user_id.type()).lstrip("!"):
            visitors, buyers = (t.mutate(user_id=_.user_id.cast("string")) for t in (visitors, buyers))
        marked = visitors.left_join(buyers.mutate(bought=1), ["span", "user_id"])
        counts = marked.group_by("span").agg(visitors=_.count(), visiting_buyers=_.bought.count())
        table = table.join(counts.execute().set_index("span"), how="outer")
    return table.fillna(0).astype("int64").sort_index()


def new_buyers(tables: Tables, spans: pd.DataFrame) -> pd.Series:
    """Number of customers whose first purchase of the whole window lies in the span; index `span`."""
    bought = purchases(tables)
    first = bought.group_by("user_id").agg(day=_.day.min())
    return _in_spans(first, spans).group_by("span").agg(new=_.count()).execute().set_index("span")["new"].sort_index()


def kept_buyers(tables: Tables, spans: pd.DataFrame, *, base: str, later: str) -> tuple[int, int]:
    """(buyers of the span `base` who bought in the span `later`, too; buyers of `base`)."""
    buyers = hold(_in_spans(purchases(tables), spans).select("span", "user_id").distinct())
    first = buyers.filter(buyers.span == base).select("user_id")
    second = buyers.filter(buyers.span == later).select("user_id")
    kept = first.semi_join(second, "user_id")
    return int(kept.count().execute()), int(first.count().execute())


def market_sums(tables: Tables, months: Mapping[str, list[str]]) -> pd.DataFrame:
    """Own sales and the whole market by group of months, over the categories that the market table knows.

    Parameters
    ----------
    months : mapping of str to list of str
        Span → its months, as 'YYYY-MM'.

    Returns
    -------
    DataFrame
        Index `span`: customers, sales, sales_squares, sales_largest, market; months and categories without a row in the
        market table are left out on both sides.
    """
    rows = [(span, month) for span, names in months.items() for month in names]
    named = as_table(pd.DataFrame(rows, columns=["span", "month"], dtype="object").astype(str))
    known = tables["market"].select("month", "category_id", "total_sales").inner_join(named, "month")
    market = known.group_by("span").agg(market=_.total_sales.sum()).execute().set_index("span")
    lines = with_values(tables["orders"]).mutate(month=_.day.cast("date").cast("string").substr(0, 7))
    lines = lines.inner_join(known.select("span", "month", "category_id"), ["month", "category_id"])
    each = lines.group_by("span", "user_id").agg(sales=lines.paid.sum())
    own = each.group_by("span").agg(
        customers=_.count(), sales=_.sales.sum(), sales_squares=(_.sales * _.sales).sum(), sales_largest=_.sales.max()
    )
    return market.join(own.execute().set_index("span"), how="left").sort_index()


def share_by_category(tables: Tables, months: list[str]) -> pd.DataFrame:
    """Own sales, market and value share of each category over some months: one row a category, largest market first.

    Columns: category_id, customers, sales, market (currency units), value_share.
    """
    named = as_table(pd.DataFrame({"month": pd.Series(months, dtype="object").astype(str)}))
    known = tables["market"].select("month", "category_id", "total_sales").inner_join(named, "month")
    market = known.group_by("category_id").agg(market=_.total_sales.sum())
    lines = with_values(tables["orders"]).mutate(month=_.day.cast("date").cast("string").substr(0, 7))
    lines = lines.semi_join(known, ["month", "category_id"])
    own = lines.group_by("category_id").agg(customers=_.user_id.nunique(), sales=_.paid.sum())
    both = market.left_join(own, "category_id").select("category_id", "customers", "sales", "market").execute()
    both[["customers", "sales"]] = both[["customers", "sales"]].fillna(0)
    both["value_share"] = (both["sales"] / both["market"].where(both["market"] > 0)).astype(float)
    return both.sort_values(["market", "category_id"], ascending=[False, True], ignore_index=True)


def spend_sums(tables: Tables, spans: pd.DataFrame) -> pd.DataFrame:
    """Advertising money: one row a span and channel, `spend`, by span and channel."""
    money = _in_spans(tables["spend"], spans)
    found = money.group_by("span", "channel").agg(spend=_.amount.sum()).execute()
    return found.astype({"channel": str}).sort_values(["span", "channel"], ignore_index=True)


def booked_sums(tables: Tables, spans: pd.DataFrame, *, lookback_days: int) -> pd.DataFrame:
    """Sales booked to the last touch before the order, summed over customers: one row a span and channel.

    Columns: span, channel ('' for all channels that have spend), customers, orders, sales, sales_squares,
    sales_largest. Channels without spend are booked, too, but not part of ''.
    """
    booked = last_touch(order_totals(tables["orders"]), tables["touchpoints"], lookback_days=lookback_days)
    lines = hold(_in_spans(booked, spans).select("span", "channel", "user_id", "order_id", "sales"))
    paid = lines.semi_join(tables["spend"].select("channel").distinct(), "channel").mutate(channel=ibis.literal(""))
    each = ibis.union(lines, paid.select(*lines.columns)).group_by("span", "channel", "user_id")
    each = each.agg(orders=_.order_id.nunique(), sales=_.sales.sum())
    found = each.group_by("span", "channel").agg(
        customers=_.count(), orders=_.orders.sum(), sales=_.sales.sum(),
        sales_squares=(_.sales * _.sales).sum(), sales_largest=_.sales.max(),
    ).execute()  # fmt: skip
    return found.astype({"channel": str}).sort_values(["span", "channel"], ignore_index=True)


def opt_out_sums(tables: Tables, spans: pd.DataFrame, *, channel: str = "email") -> pd.DataFrame:
    """Messages of one channel and withdrawals of consent on them, with their sums over people (clusters).

    Index `span`: messages, opt_outs, people, xx, xy, yy as `helpers.intervals.add_rate_by_cluster` needs them.
    """
    sent = tables["contacts"].filter((_.channel == channel) & _.opted_out.notnull())
    sent = _in_spans(sent, spans)
    each = sent.group_by("span", "user_id").agg(x=_.count(), y=_.opted_out.cast("int64").sum())
    found = each.group_by("span").agg(
        people=_.count(), messages=_.x.sum(), opt_outs=_.y.sum(),
        xx=(_.x * _.x).sum(), xy=(_.x * _.y).sum(), yy=(_.y * _.y).sum(),
    ).execute()  # fmt: skip
    return found.set_index("span").sort_index()
