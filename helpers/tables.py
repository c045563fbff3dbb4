"""The table contracts: every table, column, type, unit and key that the collection knows.

This is the one place that knows them. Intake checks files against these contracts, the demo shop
writes tables that fulfil them, and the answerability page reads from `NEEDS` which notebook can run.
"""

from __future__ import annotations

from dataclasses import dataclass

KINDS = {
    "id": "an identifier: int64 or text, as the study declares; never a float",
    "text": "free text, UTF-8",
    "code": "one of a fixed list of words",
    "integer": "a whole number, int64",
    "number": "a finite decimal number, float64",
    "flag": "true or false (1/0)",
    "instant": "epoch seconds, or ISO 8601 with an offset; kept as int64 epoch seconds",
    "date": "a calendar day, YYYY-MM-DD",
    "month": "a calendar month, YYYY-MM",
}

BEHAVIORS = ("pv", "fav", "cart", "buy")
"""The four things a shopper can do, in the order of commitment."""
VISIT_PAUSE = 1_800
"""A pause of more than so many seconds ends a visit: the convention of web analytics (30 minutes)."""


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    `required` columns must be mapped by the study and hold a value in every row; other columns may be
    absent, and a missing cell is null. `values` lists the allowed words of a code; `low` and `high` bound
    a number or integer, both inclusive.
    """

    name: str
    kind: str
    meaning: str
    unit: str = ""
    required: bool = True
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    `key` names the columns that identify a row (empty: a row has no key, equal rows are duplicates).
    `clock` names the instant that places a row in the study's window; intake adds `day` (the calendar day
    in the study's time zone) and `hour` (0…23) beside it. `order` is the sort order on disk. `repeats`: where the study
    says `duplicates: keep`, rows with the same key are kept. `visits`: intake adds `pause` (seconds since the user's
    row before; missing in the first) and `visit` (1, 2, … of a user; a pause above `VISIT_PAUSE` begins the next).
    """

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    clock: str = ""
    order: tuple[str, ...] = ()
    repeats: bool = False
    visits: bool = False

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError when the contract has none."""
        return {c.name: c for c in self.columns}[name]

    @property
    def names(self) -> list[str]:
        """All column names, in the order of the contract."""
        return [c.name for c in self.columns]

    @property
    def required(self) -> list[str]:
        """Names of the columns that every file must bring."""
        return [c.name for c in self.columns if c.required]


def _id(name: str, meaning: str, required: bool = True) -> Column:
    return Column(name, "id", meaning, required=required)


def _instant(name: str, meaning: str, required: bool = True) -> Column:
    return Column(name, "instant", meaning, "s since 1970-01-01 UTC", required)


def _money(name: str, meaning: str, required: bool = True, low: float | None = 0.0) -> Column:
    return Column(name, "number", meaning, "currency units", required, low=low)


_USER = _id("user_id", "the customer, a pseudonymous number or key")
_ITEM = _id("item_id", "the product offered")
_CATEGORY = _id("category_id", "the product's category")

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "events",
            "the behaviour log: one row an action of a user on an item",
            (
                _USER,
                _ITEM,
                _CATEGORY,
                Column("behavior", "code", "page view, favourite, into the cart, purchase", values=BEHAVIORS),
                _instant("timestamp", "when it happened"),
            ),
            clock="timestamp",
            order=("user_id", "timestamp", "item_id", "behavior"),
            visits=True,
        ),
        Table(
            "orders",
            "the order lines: one row an item in an order",
            (
                _id("order_id", "the order; several lines share one"),
                _USER,
                _ITEM,
                _CATEGORY,
                Column("quantity", "integer", "pieces", "pieces", low=1),
                _money("unit_price", "list price of one piece"),
                _money("discount", "money taken off the whole line", required=False),
                _instant("timestamp", "when the order was placed"),
            ),
            key=("order_id", "item_id"),
            clock="timestamp",
            order=("user_id", "timestamp", "order_id", "item_id"),
            repeats=True,
        ),
        Table(
            "items",
            "the catalogue: one row an item",
            (
                _ITEM,
                _CATEGORY,
                Column("category_name", "text", "the category's name for people", required=False),
                Column("title", "text", "the item's title", required=False),
                _money("price", "current list price", required=False),
                Column("unit_margin", "number", "price less variable cost, a piece", "currency units", False),
                Column("brand", "text", "the brand", required=False),
                Column("launched_on", "date", "first day on sale", required=False),
            ),
            key=("item_id",),
            order=("item_id",),
        ),
        Table(
            "users",
            "the customers: one row a user",
            (
                _USER,
                Column("age_band", "text", "age in bands, such as 25-34", required=False),
                Column("gender", "text", "as the user stated it", required=False),
                Column("city_tier", "integer", "1 = largest cities", required=False, low=1, high=6),
                Column("joined_on", "date", "day of registration", required=False),
                Column("consent_email", "flag", "may be sent e-mail", required=False),
                Column("consent_push", "flag", "may be sent push messages", required=False),
            ),
            key=("user_id",),
            order=("user_id",),
        ),
        Table(
            "campaigns",
            "the campaigns: one row a campaign",
            (
                _id("campaign_id", "the campaign"),
                Column("channel", "text", "how it reached people"),
                Column("objective", "text", "what it was meant to do", required=False),
                _instant("starts_at", "first moment of the outcome window"),
                _instant("ends_at", "last moment of the outcome window"),
                _money("unit_cost", "cost of one contact", required=False),
                Column("randomised", "flag", "were the arms drawn by chance?"),
            ),
            key=("campaign_id",),
            order=("campaign_id",),
        ),
        Table(
            "assignments",
            "who was put into which arm: one row a user and campaign",
            (
                _id("campaign_id", "the campaign"),
                _USER,
                Column("arm", "text", "the arm's name; 'control' is the arm without treatment"),
                _instant("assigned_at", "when the draw was made", required=False),
            ),
            key=("campaign_id", "user_id"),
            order=("campaign_id", "user_id"),
        ),
        Table(
            "contacts",
            "the messages sent: one row a message",
            (
                _id("contact_id", "the message"),
                _id("campaign_id", "the campaign", required=False),
                _USER,
                Column("channel", "text", "e-mail, push, …"),
                _instant("sent_at", "when it was sent"),
                Column("opened", "flag", "was it opened?", required=False),
                Column("clicked", "flag", "was a link in it followed?", required=False),
                Column("opted_out", "flag", "did the user withdraw consent on it?", required=False),
            ),
            key=("contact_id",),
            clock="sent_at",
            order=("user_id", "sent_at", "contact_id"),
        ),
        Table(
            "touchpoints",
            "the advertising touches before a purchase: one row a touch",
            (
                _USER,
                Column("channel", "text", "the advertising channel"),
                _instant("timestamp", "when it was seen"),
                _money("cost", "what the touch cost", required=False),
            ),
            clock="timestamp",
            order=("user_id", "timestamp", "channel"),
        ),
        Table(
            "spend",
            "advertising money: one row a day and channel",
            (
                Column("day", "date", "the day"),
                Column("channel", "text", "the advertising channel"),
                _money("amount", "money spent"),
            ),
            key=("day", "channel"),
            order=("day", "channel"),
        ),
        Table(
            "feedback",
            "what customers said: one row an answer",
            (
                _USER,
                _id("item_id", "the product it is about", required=False),
                Column("rating", "integer", "stars", "1…5", False, low=1, high=5),
                Column("nps", "integer", "would you recommend us?", "0…10", False, low=0, high=10),
                Column("complaint", "flag", "is it a complaint?", required=False),
                Column("text", "text", "the words, as written", required=False),
                _instant("created_at", "when it was given"),
            ),
            clock="created_at",
            order=("user_id", "created_at"),
        ),
        Table(
            "market",
            "the whole market: one row a month and category",
            (
                Column("month", "month", "the month"),
                _CATEGORY,
                _money("total_sales", "sales of all shops"),
            ),
            key=("month", "category_id"),
            order=("month", "category_id"),
        ),
        Table(
            "targets",
            "what was planned: one row an indicator and period",
            (
                Column("indicator", "text", "the indicator's key, as in the scorecard"),
                Column("period", "text", "the period, such as 2017-Q4"),
                Column("target", "number", "the value planned"),
                Column("benchmark", "number", "what comparable shops reach", required=False),
            ),
            key=("indicator", "period"),
            order=("indicator", "period"),
        ),
    )
}

NEEDS: dict[str, tuple[str, ...]] = {
    "00_start_here": (),
    "10_data_quality": ("events",),
    "20_traffic": ("events",),
    "21_funnel": ("events",),
    "22_retention": ("events",),
    "23_paths": ("events",),
    "24_early_warning": ("events",),
    "30_profiles": ("events or orders",),
    "31_value_tiers": ("events or orders",),
    "32_segments": ("events or orders",),
    "33_lifetime_value": ("orders",),
    "34_intent": ("events",),
    "40_association_rules": ("events",),
    "41_sequences": ("events",),
    "42_recommendation": ("events",),
    "43_feedback": ("feedback",),
    "50_experiment": ("campaigns", "assignments", "orders"),
    "51_uplift": ("campaigns", "assignments", "orders"),
    "52_attribution": ("touchpoints", "orders"),
    "53_contact": ("contacts",),
    "54_budget": ("spend", "orders"),
    "55_scenario": ("campaigns", "assignments", "orders", "items"),
    "56_quasi_experiment": ("campaigns", "assignments", "orders"),
    "60_scorecard": ("events or orders",),
}
"""Notebook → the tables without which it cannot run. A new notebook adds its line here.

A need such as 'events or orders' is met by either table.
"""


def absent(needs: tuple[str, ...], present: list[str] | tuple[str, ...]) -> list[str]:
    """The needs that no table of a study meets.

    >>> absent(("events or orders", "items"), ["orders"])
    ['items']
    """
    return [need for need in needs if not set(need.split(" or ")) & set(present)]
