"""Shops of degenerate shapes, made from an ordinary one: its tables with every cell a text, before and after."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

Tables = dict[str, pd.DataFrame]
CLOCKS = {
    "events": "timestamp", "orders": "timestamp", "touchpoints": "timestamp", "contacts": "sent_at",
    "feedback": "created_at",
}  # fmt: skip
ONE_DAY = "2017-08-14"
MIDNIGHT = 1_502_640_000
"""The start of `ONE_DAY` in Asia/Shanghai, epoch seconds: the voucher of August is out."""


def shape_of(name: str, shop: Tables) -> tuple[Tables, dict[str, str]]:
    """The shop in this shape, and the study's window where it is another one. Tables that it empties are left out."""
    tables = SHAPES[name]({table: rows.copy() for table, rows in shop.items()})
    left = {table: rows for table, rows in tables.items() if len(rows) or name in KEEPS_EMPTY}
    return left, {"start": ONE_DAY, "end": ONE_DAY} if name == "one day" else {}


def _only(tables: Tables, column: str, kept: set[str]) -> Tables:
    return {t: rows[rows[column].isin(kept)] if column in rows else rows for t, rows in tables.items()}


def _busiest(tables: Tables, n: int, column: str = "user_id", *, table: str = "events") -> set[str]:
    return set(tables[table][column].value_counts(sort=True).index[:n])


def _with(tables: Tables, **changed: pd.DataFrame) -> Tables:
    return tables | changed


def _set(tables: Tables, **columns: str) -> Tables:
    """Every cell of these columns, in every table that has them, gets one value."""
    return {t: rows.assign(**{c: v for c, v in columns.items() if c in rows}) for t, rows in tables.items()}


def one_user(tables: Tables) -> Tables:
    """All tables of people have one user."""
    return _only(tables, "user_id", _busiest(tables, 1, table="orders"))


def two_users(tables: Tables) -> Tables:
    """All tables of people have two users."""
    return _only(tables, "user_id", _busiest(tables, 2, table="orders"))


def one_day(tables: Tables) -> Tables:
    """Everything of one day, and a study of that day."""
    days = {
        t: rows[rows[CLOCKS[t]].astype("int64").between(MIDNIGHT, MIDNIGHT + 86_399)] if t in CLOCKS else rows
        for t, rows in tables.items()
    }
    spend = tables["spend"]
    return _with(days, spend=spend[spend.day == ONE_DAY])


def no_purchase(tables: Tables) -> Tables:
    """People look, and nobody buys."""
    events = tables["events"]
    return _with(tables, events=events[events.behavior != "buy"], orders=tables["orders"].head(0))


def only_purchases(tables: Tables) -> Tables:
    """The log has one class of event: purchases."""
    events = tables["events"]
    return _with(tables, events=events[events.behavior == "buy"])


def equal_events(tables: Tables) -> Tables:
    """One line, again and again."""
    events = tables["events"]
    return _with(tables, events=pd.concat([events.head(1)] * 500))


def equal_users(tables: Tables) -> Tables:
    """Every user does the same things to the same items at the same seconds."""
    users = tables["users"].user_id
    first = tables["events"][tables["events"].user_id == next(iter(_busiest(tables, 1)))].head(300)
    bought = tables["orders"][tables["orders"].user_id == next(iter(_busiest(tables, 1, table="orders")))]
    orders = [bought.assign(user_id=u, order_id=u + bought.order_id) for u in users]
    return _with(tables, events=pd.concat([first.assign(user_id=u) for u in users]), orders=pd.concat(orders))


def one_basket(tables: Tables) -> Tables:
    """One order, and no other purchase."""
    orders, events = tables["orders"], tables["events"]
    bought = orders[orders.order_id == next(iter(_busiest(tables, 1, "order_id", table="orders")))]
    key = ["user_id", "item_id", "timestamp"]
    of_it = events.set_index(key).index.isin(bought.set_index(key).index)
    return _with(tables, events=events[(events.behavior != "buy") | of_it], orders=bought)


def huge_basket(tables: Tables) -> Tables:
    """One user buys the whole catalogue in one order."""
    items, orders, events = tables["items"], tables["orders"], tables["events"]
    line = orders.iloc[0]
    bought = items[["item_id", "category_id"]].assign(
        order_id="1", user_id=line.user_id, quantity="1", unit_price=items.price, discount="0", timestamp=line.timestamp
    )
    logged = bought.assign(behavior="buy")[list(events)]
    return _with(tables, orders=pd.concat([orders, bought[list(orders)]]), events=pd.concat([events, logged]))


def one_second(tables: Tables) -> Tables:
    """Everything happens at one second."""
    return _set(tables, timestamp=str(MIDNIGHT), sent_at=str(MIDNIGHT), created_at=str(MIDNIGHT))


def no_orders(tables: Tables) -> Tables:
    """A shop that keeps no orders."""
    return {t: rows for t, rows in tables.items() if t != "orders"}


def only_a_log(tables: Tables) -> Tables:
    """Nothing but the five columns of the log."""
    return {"events": tables["events"]}


def own_categories(tables: Tables) -> Tables:
    """Every item is a category of its own."""
    return {
        t: rows.assign(category_id=rows.item_id) if {"item_id", "category_id"} <= set(rows) else rows
        for t, rows in tables.items()
    } | {"market": tables["market"].head(0)}


def one_category(tables: Tables) -> Tables:
    """All items are of one category."""
    market = tables["market"].drop_duplicates("month")
    return _set(_with(tables, market=market), category_id="1001", category_name="Things")


def one_item(tables: Tables) -> Tables:
    """The shop sells one item."""
    orders = tables["orders"]
    changed = {"items": tables["items"].head(1), "orders": orders.drop_duplicates("order_id")}
    first = tables["items"].iloc[0]
    market = tables["market"][tables["market"].category_id == first.category_id]
    return _set(_with(tables, **changed, market=market), item_id=first.item_id, category_id=first.category_id)


def prices_zero(tables: Tables) -> Tables:
    """Everything is free."""
    return _set(tables, unit_price="0", discount="0", price="0", unit_margin="0")


def nothing_spent(tables: Tables) -> Tables:
    """Advertising costs nothing."""
    return _set(tables, amount="0", cost="0", unit_cost="0")


def one_arm(tables: Tables) -> Tables:
    """Nobody is in the control group of a campaign."""
    return _with(tables, assignments=tables["assignments"].assign(arm="treated"))


def only_control(tables: Tables) -> Tables:
    """Everybody is in the control group of a campaign."""
    return _with(tables, assignments=tables["assignments"].assign(arm="control"))


def opted_out(tables: Tables) -> Tables:
    """Every message ends with a withdrawal of consent."""
    return _set(tables, opted_out="1", opened="0", clicked="0", consent_email="0", consent_push="0")


def unknown_users(tables: Tables) -> Tables:
    """Customers without an event; the events are of people whom the other tables do not know."""
    events = tables["events"]
    return _with(tables, events=events.assign(user_id="9" + events.user_id))


def equal_ratings(tables: Tables) -> Tables:
    """All answers are the same five stars without a word."""
    return _set(tables, rating="5", nps="10", complaint="0", text="")


def no_answers(tables: Tables) -> Tables:
    """Answers in which nothing is filled in."""
    return _set(tables, rating="", nps="", complaint="", text="")


def bare_tables(tables: Tables) -> Tables:
    """All that a table may leave out is left out: cells of optional columns are empty."""
    from helpers.tables import TABLES

    bare = {t: [c.name for c in TABLES[t].columns if not c.required and c.name in tables[t]] for t in tables}
    return {t: rows.assign(**dict.fromkeys(bare[t], "")) for t, rows in tables.items()}


def empty_tables(tables: Tables) -> Tables:
    """A log, and beside it tables with a head and no rows."""
    return {t: rows if t == "events" else rows.head(0) for t, rows in tables.items()}


SHAPES: dict[str, Callable[[Tables], Tables]] = {
    "one user": one_user,
    "two users": two_users,
    "one day": one_day,
    "one second": one_second,
    "no purchase": no_purchase,
    "only purchases": only_purchases,
    "all events equal": equal_events,
    "all users equal": equal_users,
    "one basket": one_basket,
    "one huge basket": huge_basket,
    "no orders table": no_orders,
    "only a log": only_a_log,
    "every item its own category": own_categories,
    "one category": one_category,
    "one item": one_item,
    "all prices zero": prices_zero,
    "nothing spent": nothing_spent,
    "only treated": one_arm,
    "only control": only_control,
    "all opted out": opted_out,
    "users without events": unknown_users,
    "all ratings equal": equal_ratings,
    "answers without content": no_answers,
    "optional cells empty": bare_tables,
    "tables without rows": empty_tables,
}
KEEPS_EMPTY = ("tables without rows",)
