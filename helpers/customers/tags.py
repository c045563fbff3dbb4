"""Customer tags as data: what each says, where it comes from, and its value for every user.

`TAGS` is the declared dictionary; nothing here knows a tag by name in two places. `touches` holds what all tags of all
windows are computed from.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from helpers.customers.measures import inside, spending, user_table
from helpers.engine import hold

KINDS = ("demographic", "consumption", "preference")
SCALES = ("named", "ordered", "number")
DAYPARTS = {"night": (0, 5), "morning": (6, 11), "afternoon": (12, 17), "evening": (18, 23)}
"""Part of the day → its first and last hour, in the study's zone."""
NOT_STATED = ("", "not stated", "unknown")
"""Words that say nothing, in lower case: they count as missing."""
NEW_DAYS = 90
LEAST_ACTIONS = 5
"""A taste is not read from fewer actions than this."""


class TagError(ValueError):
    """An argument of the profile modules is wrong; the message names it, its value and the cure."""


@dataclass(frozen=True)
class Tag:
    """One line of the tag dictionary.

    `sources` are the tables without which nobody has the tag ('log' is the events, or the order lines where a study has
    no events). `least` is the evidence below which a user has no value: actions, or views, or touches of items with a
    price or a launch day, whatever the tag divides by. `declared_days`: how long the tag holds where the log cannot
    tell, because it is stated once; None: derived from its stability.
    """

    name: str
    kind: str
    scale: str
    definition: str
    unit: str
    sources: tuple[str, ...]
    purpose: str
    least: int = 0
    declared_days: int | None = None


_SHOW, _SERVE, _TIME = "choose what to show", "choose the service", "choose the moment"
_LOG = ("log",)

TAGS: dict[str, Tag] = {
    tag.name: tag
    for tag in (
        Tag("age_band", "demographic", "named", "age in bands, as the customer stated it", "", ("users",), _SHOW,
            declared_days=365),
        Tag("gender", "demographic", "named", "gender, as the customer stated it", "", ("users",), _SHOW,
            declared_days=365),
        Tag("city_tier", "demographic", "ordered", "size class of the city; 1 = largest", "", ("users",), _SERVE,
            declared_days=365),
        Tag("member_days", "demographic", "number", "days from the registration to the end of the window", "days",
            ("users",), _SERVE, declared_days=30),
        Tag("active_days", "consumption", "number", "days with at least one action", "days", _LOG, _SERVE),
        Tag("actions", "consumption", "number", "actions of all kinds", "actions", _LOG, _SERVE),
        Tag("buys", "consumption", "number", "purchases (items bought)", "actions", _LOG, _SERVE),
        Tag("spend", "consumption", "number", "money paid, after discounts", "money", ("orders",), _SERVE),
        Tag("basket_value", "consumption", "number", "money paid ÷ orders", "money", ("orders",), _SERVE),
        Tag("discount_share", "consumption", "number", "discounts ÷ list amount of what was bought",
            "share of list price", ("orders",), _SHOW),
        Tag("top_category", "preference", "named", "the category with most actions", "", _LOG, _SHOW,
            least=LEAST_ACTIONS),
        Tag("categories", "preference", "number", "different categories touched", "categories", _LOG, _SHOW),
        Tag("cart_rate", "preference", "number", "carts ÷ page views", "per view", _LOG, _SHOW, least=LEAST_ACTIONS),
        Tag("daypart", "preference", "named", "night (0–5 h), morning, afternoon or evening (18–23 h): most actions",
            "", _LOG, _TIME, least=LEAST_ACTIONS),
        Tag("weekend_share", "preference", "number", "actions on Saturday and Sunday ÷ actions", "share of actions",
            _LOG, _TIME, least=LEAST_ACTIONS),
        Tag("price_level", "preference", "number",
            "mean rank of the touched items' prices within their category; 0 = cheapest, 1 = dearest", "rank, 0…1",
            ("log", "items"), _SHOW, least=LEAST_ACTIONS),
        Tag("novelty", "preference", "number", f"touches of items launched within {NEW_DAYS} days before, ÷ touches",
            "share of actions", ("log", "items"), _SHOW, least=LEAST_ACTIONS),
    )
}  # fmt: skip
"""The tag dictionary: name → definition."""


# ── what the log says, held ───────────────────────────────────────────────────────────────────────────────────────────


def price_ranks(items: ir.Table) -> ir.Table:
    """Where each item's price stands in its category: (items cheaper + ½ · items equally dear) ÷ items with a price.

    Returns
    -------
    Ibis table
        item_id, price_rank (0…1 exclusive; missing without a price), launched_on. No order of rows.

    Examples
    --------
    >>> shelf = ibis.memtable({"item_id": [1, 2, 3], "category_id": [7, 7, 7], "price": [5.0, 9.0, 9.0],
    ...     "launched_on": ["2017-01-01"] * 3})
    >>> price_ranks(shelf).order_by("item_id").execute()["price_rank"].round(3).tolist()
    [0.167, 0.667, 0.667]
    """
    priced = items.filter(items.price.notnull())
    prices = priced.group_by("category_id", "price").agg(equal=priced.count())
    below = ibis.window(group_by="category_id", order_by="price", rows=(None, -1))
    prices = prices.mutate(cheaper=prices.equal.sum().over(below).fill_null(0),
                           all=prices.equal.sum().over(ibis.window(group_by="category_id")))  # fmt: skip
    prices = prices.mutate(price_rank=(prices.cheaper + prices.equal / 2) / prices.all)
    ranked = items.left_join(prices.select("category_id", "price", "price_rank"), ["category_id", "price"])
    return ranked.select("item_id", "price_rank", "launched_on")


@dataclass(frozen=True)
class Touches:
    """What each user did on each day, held by the engine: what is built on it reads the log no more.

    `days`: one row a user and day: user_id, day, actions, pv, cart, buy; one count a part of the day; priced and
    price_sum (touches of items with a price, and the sum of their ranks); dated and new (touches of items with a launch
    day, and of new ones). `categories`: one row a user, day and category: user_id, day, category_id, actions.
    """

    days: ir.Table
    categories: ir.Table


def touches(log: ir.Table, *, items: ir.Table | None = None, new_days: int = NEW_DAYS) -> Touches:
    """What each user did on each day, and in each category: all tags of all windows are made of it.

    Parameters
    ----------
    log : Ibis table
        The events, or the order lines as purchases, with `day` and `hour` in the study's zone.
    items : Ibis table, optional
        The catalogue: adds price ranks and novelty.
    new_days : int
        An item is new for so many days from its launch on, 1 or more.

    Returns
    -------
    Touches
        Two tables, each from one pass over the log.

    Raises
    ------
    TagError
        `new_days` below 1.
    """
    if new_days < 1:
        raise TagError(f"new_days: {new_days!r} is no time to be new; give 1 or more, such as {NEW_DAYS}")
    log = log.mutate(day=log.day.cast("date"))
    each = log.group_by("user_id", "day", "category_id").agg(actions=log.count().cast("int32"))
    facts = {"price_rank": ibis.null("float64"), "launched_on": ibis.null("date")}
    if items is None:
        log = log.mutate(**facts)
    else:
        ranked = price_ranks(items)
        log = log.left_join(ranked.rename(item="item_id"), log.item_id == ranked.item_id.name("item"))
    launched = log.launched_on.cast("date")
    age = log.day.delta(launched, unit="day")
    counts = {b: (log.behavior == b) for b in ("pv", "cart", "buy")}
    counts |= {part: log.hour.between(*hours) for part, hours in DAYPARTS.items()}
    counts |= {"priced": log.price_rank.notnull(), "dated": launched.notnull(), "new": age.between(0, new_days - 1)}
    whole = {name: log.count(where=test).cast("int32") for name, test in counts.items()}
    price_sum = log.price_rank.sum().fill_null(0.0).cast("float64")
    days = log.group_by("user_id", "day").agg(actions=log.count().cast("int32"), price_sum=price_sum, **whole)
    return Touches(hold(days), hold(each))


# ── tags of one window ──────────────────────────────────────────────────────────────────────────────────────────────


def tags(
    touches: Touches,
    *,
    window: tuple,
    orders: ir.Table | None = None,
    users: ir.Table | None = None,
) -> pd.DataFrame:
    """The value of every tag of `TAGS` for every user who did something inside the window.

    Parameters
    ----------
    touches : Touches
        From `touches`.
    window : (first, last)
        Whole days, both inclusive.
    orders, users : Ibis table, optional
        The order lines with `day`, and the customers; without them their tags are missing for everybody.

    Returns
    -------
    DataFrame
        One row a user, indexed and ordered by user_id, one column a tag in the order of `TAGS`: numbers as floats, a
        category as its raw id. Missing: the study has no such table, the customer did not say, or there are too few
        actions to tell.

    Notes
    -----
    Ties: the category with most actions on the most days, then the smaller id; the earlier part of the day.
    """
    tastes = _tastes(inside(touches.categories, window=window))
    table = _sums(inside(touches.days, window=window)).left_join(tastes, "user_id").drop("user_id_right")
    if orders is not None:
        money = spending(orders, window=window)
        money = money.select("user_id", "spend", "discount_share", basket_value=money.spend / money.orders.nullif(0))
        table = table.left_join(money, "user_id").drop("user_id_right")
    if users is not None:
        table = table.left_join(_stated(users, window), "user_id").drop("user_id_right")
    frame = user_table(table).reindex(columns=list(TAGS))
    if pd.api.types.is_float_dtype(frame["top_category"]) and len(frame):  # whole numbers beside missing ones
        frame["top_category"] = frame["top_category"].astype("Int64")
    numbers = [name for name, tag in TAGS.items() if tag.scale != "named"]
    return frame.astype(dict.fromkeys(numbers, "float64")).astype({"age_band": object, "gender": object})


def _sums(log: ir.Table) -> ir.Table:
    """Everything that is a sum over days, a count of days or a ratio of sums."""
    sums = ("actions", "pv", "cart", "buy", "priced", "price_sum", "dated", "new", *DAYPARTS)
    free = ibis.ifelse(log.day.day_of_week.index() >= 5, log.actions, 0).sum()
    users = log.group_by("user_id").agg(
        active_days=log.count(), free=free,
        **{name: log[name].sum() for name in sums},
    )  # fmt: skip
    most = ibis.greatest(*(users[part] for part in DAYPARTS))
    daypart = ibis.cases(*((users[part] == most, part) for part in DAYPARTS))
    return users.select(
        "user_id", "active_days", "actions", buys=users.buy,
        cart_rate=_enough("cart_rate", users.pv, users.cart / users.pv.nullif(0)),
        daypart=_enough("daypart", users.actions, daypart),
        weekend_share=_enough("weekend_share", users.actions, users.free / users.actions),
        price_level=_enough("price_level", users.priced, users.price_sum / users.priced.nullif(0)),
        novelty=_enough("novelty", users.dated, users.new / users.dated.nullif(0)),
    )  # fmt: skip


def _enough(name: str, evidence: ir.Value, value: ir.Value) -> ir.Value:
    return ibis.ifelse(evidence >= TAGS[name].least, value, None)


def _tastes(log: ir.Table) -> ir.Table:
    """user_id, categories, top_category."""
    each = log.group_by("user_id", "category_id").agg(n=log.actions.sum(), days=log.count())
    # the least of (-actions, -days, id): no sorting of all rows
    order = ibis.struct({"n": -each.n, "days": -each.days, "category_id": each.category_id})
    users = each.group_by("user_id").agg(categories=each.count(), all=each.n.sum(), first=order.min())
    top = _enough("top_category", users["all"], users["first"].category_id)
    return users.select("user_id", "categories", top_category=top)


def _stated(users: ir.Table, window: tuple) -> ir.Table:
    """What customers said of themselves; words that say nothing become missing."""
    last = ibis.date(pd.Timestamp(window[1]).strftime("%Y-%m-%d"))
    words = {}
    for name in ("age_band", "gender"):
        if name in users.columns:
            text = users[name].cast("string")
            words[name] = ibis.ifelse(text.strip().lower().isin(NOT_STATED), None, text)
    if "city_tier" in users.columns:
        words["city_tier"] = users.city_tier.cast("float64")
    if "joined_on" in users.columns:
        days = last.delta(users.joined_on.cast("date"), unit="day")
        words["member_days"] = ibis.ifelse(days >= 0, days, None)
    return users.select("user_id", **words)


def reason(tag: str, present: list[str] | tuple[str, ...]) -> str:
    """Why nobody has this tag: the tables that the study lacks, or that they hold nothing.

    >>> reason("spend", ["events"])
    'the study has no table orders'
    >>> reason("gender", ["events", "users"])
    'its columns are empty'
    """
    sources = TAGS[tag].sources if tag in TAGS else ("log",)
    lacking = [s for s in sources if s != "log" and s not in present]
    if lacking:
        return f"the study has no table {' and no table '.join(lacking)}"
    return "its columns are empty" if "log" not in sources or "items" in sources else "nobody did enough to tell"
