"""Traffic: how much happens, when, by whom and on what. Why it changed: `traffic_change`.

Two passes over the events are enough: `visits` and `catalogue`. Everything else is built on their results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.sessions import WEEKDAYS, add_visits, check_choice, hide_small
from helpers.behaviour.sessions import count_behaviors as _counts
from helpers.engine import hold, in_parts
from helpers.findings import missing
from helpers.intervals import add_rate
from helpers.tables import BEHAVIORS

UNITS = {"item": "item_id", "category": "category_id"}


@dataclass(frozen=True)
class Visits:
    """The first pass over the events: when and by whom.

    `hours` has one row a user, visit, day and hour: the counts `pv, fav, cart, buy`, `actions` (all four) and `visits`
    (1 where the visit begins, so that sums count each visit once, in the hour of its first action). `users` has one row
    a user: the same counts, `days` (active days) and `buy_days`.
    """

    hours: ir.Table
    users: ir.Table


@dataclass(frozen=True)
class Catalogue:
    """The second pass over the events: what was done with each item and in each category.

    One row an item (`item_id`) or category (`category_id`): the counts `pv, fav, cart, buy`, `actions` (all four) and
    `users` (with any action); for categories also `viewers` and `buyers` (viewers who bought in it).
    """

    items: ir.Table
    categories: ir.Table

    def by(self, unit: str) -> ir.Table:
        """The table of one unit, its key first."""
        check_choice("unit", unit, list(UNITS))
        return self.items if unit == "item" else self.categories


def visits(events: ir.Table, *, session_minutes: float = 30) -> Visits:
    """The first pass: actions by user, visit, day and hour.

    Parameters
    ----------
    events : ibis Table
        One row an action, with `day` and `hour` in the study's zone.
    session_minutes : float
        Longest pause inside a visit, minutes, above 0.

    Returns
    -------
    Visits
        Computed once and held.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": 1, "item_id": 5, "category_id": 2, "behavior": ["pv", "buy", "pv"],
    ...     "timestamp": [0, 60, 9000], "day": pd.Timestamp("2017-11-25"), "hour": [0, 0, 2]}))
    >>> visits(log).hours.order_by("visit").execute()[["visit", "hour", "visits", "pv", "buy", "actions"]]
       visit  hour  visits  pv  buy  actions
    0      1     0       1   1    1        2
    1      2     2       1   1    0        1
    """
    marked = add_visits(events, session_minutes=session_minutes)
    groups = ["user_id", "visit", "day", "hour"]
    counts = {"visits": marked.begins.sum(), "actions": marked.count(), **_counts(marked)}
    hours = hold(marked.group_by(groups).agg(**counts))
    return Visits(hours, hold(in_parts(_by_user, hours)))


def _by_user(hours: ir.Table) -> ir.Table:
    bought = hours.day.nunique(where=hours.buy > 0)
    sums = {c: hours[c].sum() for c in ("visits", "actions", *BEHAVIORS)}
    return hours.group_by("user_id").agg(days=hours.day.nunique(), buy_days=bought, **sums)


def catalogue(events: ir.Table) -> Catalogue:
    """The second pass: actions and users by item and by category.

    Returns
    -------
    Catalogue
        Computed once and held. An item that is listed in two categories is one item.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": [1, 1, 2], "item_id": 5, "category_id": 2,
    ...     "behavior": ["pv", "buy", "pv"]}))
    >>> catalogue(log).categories.execute()[["category_id", "pv", "buy", "users", "viewers", "buyers"]]
       category_id  pv  buy  users  viewers  buyers
    0            2   2    1      2        2       1
    """
    parts = hold(in_parts(_by_thing, events))
    found = []
    for key, own in (("item_id", []), ("category_id", ["viewers", "buyers"])):
        rows = parts.filter(parts.unit == key)
        sums = {c: rows[c].sum() for c in (*BEHAVIORS, "actions", "users", *own)}
        found.append(hold(rows.group_by(key).agg(**sums)))
    return Catalogue(*found)


def _by_thing(events: ir.Table) -> ir.Table:
    """One row an item and one row a category, counted over the users of these events alone.

    Three groupings of one reading: the large one, by user and item, counts no more than it must.
    """
    log = events.select("user_id", "item_id", "category_id", "behavior")
    met = log.group_by(["user_id", "item_id"]).agg(actions=log.count())
    met = met.group_by("item_id").agg(users=met.count(), actions=met.actions.sum())
    items = log.group_by("item_id").agg(**_counts(log)).inner_join(met, "item_id")
    each = log.group_by(["user_id", "category_id"]).agg(actions=log.count(), **_counts(log))
    viewed = each.pv > 0
    categories = each.group_by("category_id").agg(
        users=each.count(), viewers=viewed.sum(), buyers=(viewed & (each.buy > 0)).sum(), **_sums(each)
    )
    none = {"viewers": ibis.literal(0), "buyers": ibis.literal(0)}
    items = items.mutate(unit=ibis.literal("item_id"), category_id=ibis.null(events.category_id.type()), **none)
    categories = categories.mutate(unit=ibis.literal("category_id"), item_id=ibis.null(events.item_id.type()))
    columns = ["unit", *UNITS.values(), *BEHAVIORS, "actions", "users", "viewers", "buyers"]
    both = (t.select(*columns[:3], **{c: t[c].cast("int64") for c in columns[3:]}) for t in (items, categories))
    return ibis.union(*both)


def _sums(table: ir.Table) -> dict[str, ir.IntegerScalar]:
    return {c: table[c].sum() for c in (*BEHAVIORS, "actions")}


def overview(visits: Visits, catalogue: Catalogue) -> pd.DataFrame:
    """The indicators on one page, each with its unit and its definition.

    PV = page views; UV = users with any action; PV per UV = PV / UV, 0 or more: high means that each visitor looks a
    lot. A visit is a run of actions without a long pause.

    Parameters
    ----------
    visits, catalogue : Visits, Catalogue
        From `visits` and `catalogue`.

    Returns
    -------
    DataFrame
        `indicator, value, unit, definition`, one row an indicator; a value is missing where its base is zero.
    """
    people = visits.users
    summed = {c: people[c].sum() for c in ("visits", "actions", "days", *BEHAVIORS)}
    total = people.agg(users=people.count(), **summed).execute().iloc[0].fillna(0)
    items, categories = (int(catalogue.by(u)[key].nunique().execute()) for u, key in UNITS.items())
    rows = [
        ("PV", total.pv, "page views", "actions of the kind pv"),
        ("UV", total.users, "users", "users with any action"),
        ("visits", total.visits, "visits", "runs of actions without a long pause"),
        ("PV per UV", _divide(total.pv, total.users), "page views a user", "PV / UV"),
        ("PV per visit", _divide(total.pv, total.visits), "page views a visit", "PV / visits"),
        ("visits per user", _divide(total.visits, total.users), "visits a user", "visits / UV"),
        ("actions per user", _divide(total.actions, total.users), "actions a user", "all four kinds / UV"),
        ("active days per user", _divide(total.days, total.users), "days a user", "days with any action, mean"),
        ("actions", total.actions, "actions", "views, favourites, carts and purchases"),
        ("items", items, "items", "items with any action"),
        ("categories", categories, "categories", "categories with any action"),
    ]
    table = pd.DataFrame(rows, columns=["indicator", "value", "unit", "definition"])
    # counts stay whole numbers beside the means
    values = [v if " per " in name else int(v) for name, v in zip(table.indicator, table["value"], strict=True)]
    return table.assign(value=pd.Series(values, dtype="object"))


def ratios(counts: Mapping[str, float]) -> pd.DataFrame:
    """The usual ratios of a behaviour log, from its totals alone.

    Each is 0 or more; PV per UV is a mean, the others compare numbers of actions. They are no probabilities: a user
    may buy twice after one view.

    Parameters
    ----------
    counts : mapping
        `pv, fav, cart, buy` (actions) and `users`, all 0 or more; a row of a table or a dict.

    Returns
    -------
    DataFrame
        `ratio, value, upper, lower`: the ratio is upper / lower, missing where lower is 0.

    Examples
    --------
    Published totals of the whole UserBehavior file:

    >>> ratios({"pv": 89_660_671, "cart": 5_530_446, "fav": 2_888_258, "buy": 2_015_807, "users": 987_991}).round(4)
                   ratio    value     upper     lower
    0          PV per UV  90.7505  89660671    987991
    1           buy / pv   0.0225   2015807  89660671
    2  (fav + cart) / pv   0.0939   8418704  89660671
    3 buy / (fav + cart)   0.2394   2015807   8418704
    """
    pv, wish, buy = counts["pv"], counts["fav"] + counts["cart"], counts["buy"]
    rows = [
        ("PV per UV", pv, counts["users"]),
        ("buy / pv", buy, pv),
        ("(fav + cart) / pv", wish, pv),
        ("buy / (fav + cart)", buy, wish),
    ]
    return pd.DataFrame(
        [(name, _divide(a, b), a, b) for name, a, b in rows], columns=["ratio", "value", "upper", "lower"]
    )


def totals(visits: Visits) -> dict[str, int]:
    """The totals that `ratios` needs: pv, fav, cart, buy and users."""
    people = visits.users
    sums = {b: people[b].sum().fill_null(0) for b in BEHAVIORS}
    row = people.agg(users=people.count(), **sums).execute().iloc[0]
    return {name: int(value) for name, value in row.items()}


def by_behavior(visits: Visits, *, min_cell: int = 1) -> pd.DataFrame:
    """How often each kind of action occurs, and how many users do it at all.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    min_cell : int
        Kinds that fewer users do show no numbers.

    Returns
    -------
    DataFrame
        `behavior, actions, actions_share, users, users_share, users_share_ci_low/_high, per_user` (actions of the
        kind per user who does it). The rows 'cart or fav' and 'any' overlap with others.
    """
    people = visits.users
    kinds = {b: people[b] for b in BEHAVIORS} | {"cart or fav": people.cart + people.fav, "any": people.actions}
    wanted = {f"n{i}": c.sum().fill_null(0) for i, c in enumerate(kinds.values())}
    wanted |= {f"u{i}": (c > 0).sum().fill_null(0) for i, c in enumerate(kinds.values())}
    row = people.agg(**wanted).execute().iloc[0].astype(int)
    size = range(len(kinds))
    table = pd.DataFrame({"behavior": list(kinds), "actions": [row[f"n{i}"] for i in size]})
    table["actions_share"] = [_divide(n, table.actions.iloc[-1]) for n in table.actions]
    table["users"] = [row[f"u{i}"] for i in size]
    table = add_rate(table.assign(all=table.users.iloc[-1]), successes="users", trials="all", name="users_share")
    table["per_user"] = [_divide(n, u) for n, u in zip(table.actions, table.users, strict=True)]
    table = table.drop(columns="all")
    return hide_small(table, count="users", min_cell=min_cell, values=list(table.columns.drop(["behavior", "users"])))


def buyers(visits: Visits, *, min_cell: int = 1) -> pd.DataFrame:
    """Who buys, and how often: always out of the *buyers*, never of all users.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    min_cell : int
        Smaller groups show no numbers.

    Returns
    -------
    DataFrame
        `group, users, of_buyers_rate` with its Wilson interval, one row a group; the rates are missing without buyers.
        The repeat rate is the row 'bought at least twice'.
    """
    people = visits.users
    bought = people.buy > 0
    groups = {
        "buyers": bought,
        "also viewed": bought & (people.pv > 0),
        "also put into the cart or favourites": bought & (people.cart + people.fav > 0),
        "bought at least twice (rows)": people.buy >= 2,
        "bought on at least two days": people.buy_days >= 2,
    }
    row = people.agg(**{f"g{i}": c.sum().fill_null(0) for i, c in enumerate(groups.values())}).execute().iloc[0]
    table = buyer_rates(dict(zip(groups, row.astype(int), strict=True)))
    return hide_small(table, count="users", min_cell=min_cell, values=list(table.columns[2:]))


def buyer_rates(groups: Mapping[str, int]) -> pd.DataFrame:
    """Groups of buyers as shares of all buyers; the first entry is the number of all buyers.

    >>> table = buyer_rates({"buyers": 672_404, "bought twice": 443_858})
    >>> table["of_buyers_rate"].round(4).tolist()
    [1.0, 0.6601]
    """
    table = pd.DataFrame({"group": list(groups), "users": list(groups.values())})
    return add_rate(table.assign(n=table.users[0]), successes="users", trials="n", name="of_buyers_rate").drop(
        columns="n"
    )


def by_day(visits: Visits, *, window: tuple[pd.Timestamp, pd.Timestamp], min_cell: int = 1) -> pd.DataFrame:
    """The daily course: actions, users, visits, and views per user.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    window : (first, last)
        The study's days, both inclusive. A day without any action is a row of zeros.
    min_cell : int
        Days with fewer users show no numbers, days with fewer buyers not how many.

    Returns
    -------
    DataFrame
        `day, pv, fav, cart, buy, actions, users, buyers, visits, pv_per_user`, ordered by day; users of different days
        overlap and must not be added up. `pv_per_user` is missing on days without users.
    """
    found = _when(visits, "day")
    found = found.assign(day=pd.to_datetime(found.day)).set_index("day")
    days = pd.date_range(*window, freq="D", name="day", unit="us")
    columns = [*BEHAVIORS, "actions", "users", "buyers", "visits"]
    table = found.reindex(days).fillna(0).astype(int)[columns].reset_index()
    table = table.assign(pv_per_user=_divide_all(table.pv, table.users))
    table = hide_small(table, count="buyers", min_cell=min_cell, values=[])
    return hide_small(table, count="users", min_cell=min_cell, values=list(table.columns.drop(["day", "users"])))


def by_hour(visits: Visits) -> pd.DataFrame:
    """The course of the day: all 24 hours with their actions and users.

    Returns
    -------
    DataFrame
        `hour` 0…23, `pv, fav, cart, buy, users`, `pv_share` and `buy_share` (of the whole day, each adds up to 1;
        missing without any such action).
    """
    found = _when(visits, "hour").set_index("hour")
    table = found.reindex(range(24)).fillna(0).astype(int)[[*BEHAVIORS, "users"]].rename_axis("hour").reset_index()
    shares = {f"{c}_share": [_divide(n, table[c].sum()) for n in table[c]] for c in ("pv", "buy")}
    return table.assign(**shares)


def _when(visits: Visits, key: str) -> pd.DataFrame:
    """By day or by hour: actions, visits, users and buyers. Users of different parts differ, so they add up."""
    columns = (*BEHAVIORS, "actions", "visits")

    def counted(hours: ir.Table) -> ir.Table:
        people = {"users": hours.user_id.nunique(), "buyers": hours.user_id.nunique(where=hours.buy > 0)}
        return hours.group_by(key).agg(**people, **{c: hours[c].sum() for c in columns})

    parts = in_parts(counted, visits.hours)
    return parts.group_by(key).agg(**{c: parts[c].sum() for c in ("users", "buyers", *columns)}).execute()


def shown_hours(table: pd.DataFrame, *, min_cell: int) -> pd.DataFrame:
    """The course of the day without the hours of fewer than `min_cell` users; users of different hours overlap.

    >>> table = pd.DataFrame({"hour": [4, 21], "pv": [5, 80], "users": [3, 40], "pv_share": [0.06, 0.94]})
    >>> shown_hours(table, min_cell=10)
       hour    pv users  pv_share
    0     4  None  None       NaN
    1    21    80    40      0.94
    """
    return hide_small(table, count="users", min_cell=min_cell, values=list(table.columns.drop(["hour", "users"])))


def busiest_hours(table: pd.DataFrame, *, value: str = "pv", rows: int = 3) -> pd.DataFrame:
    """The hours with most actions, the busiest first; of equal hours the earlier one.

    >>> busiest_hours(pd.DataFrame({"hour": [20, 21, 22], "pv": [5, 9, 5]}), rows=2)
       hour  pv
    0    21   9
    1    20   5
    """
    ordered = table.sort_values([value, "hour"], ascending=[False, True])
    return ordered.head(rows)[["hour", value]].reset_index(drop=True)


def week_grid(visits: Visits, *, window: tuple[pd.Timestamp, pd.Timestamp], value: str = "pv") -> pd.DataFrame:
    """Hour by weekday: the mean number of actions in such an hour.

    Mean = sum over the window / number of such days in the window. A sum would make a weekday look busier only because
    the window holds it twice.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    window : (first, last)
        The study's days, both inclusive.
    value : str
        pv, fav, cart, buy, actions or visits.

    Returns
    -------
    DataFrame
        Index Mon…Sun, columns 0…23, actions an hour; weekdays that the window does not hold are missing.
    """
    check_choice("value", value, [*BEHAVIORS, "actions", "visits"])
    hours = visits.hours
    found = hours.group_by(weekday=hours.day.day_of_week.index(), hour=hours.hour).agg(n=hours[value].sum()).execute()
    days = pd.Series(pd.date_range(*window, freq="D").day_of_week).value_counts()
    wide = found.pivot(index="weekday", columns="hour", values="n").reindex(index=range(7), columns=range(24)).fillna(0)
    grid = wide.astype(float).div(days.reindex(range(7)).astype(float), axis=0)
    return grid.set_axis(list(WEEKDAYS), axis=0)


def bounce(visits: Visits, *, min_cell: int = 1) -> pd.DataFrame:
    """Bounce in six definitions, of visits and of users, side by side.

    bounce rate = visits (users) that end at once / all visits (users), 0…1. High means that people leave without a
    second step; on one log the definitions can differ by a factor of ten: a rate without its definition says nothing.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    min_cell : int
        Smaller groups of users (none included) show no numbers; visits are no people and always do.

    Returns
    -------
    DataFrame
        `unit, definition, bounced, base, bounce_rate` with its Wilson interval. Missing rates where the base is 0.
    """
    people, ends = visits.users, in_parts(_visit_ends, visits.hours)
    by_visit = ends.agg(**{c: ends[c].sum().fill_null(0) for c in ends.columns})
    by_user = people.agg(
        base=people.count(),
        one=(people.actions == 1).sum().fill_null(0),
        visit=(people.visits == 1).sum().fill_null(0),
        only=(people.actions == people.pv).sum().fill_null(0),
    )
    v, u = by_visit.execute().iloc[0], by_user.execute().iloc[0]
    rows = [
        ("visit", "one action and nothing else", v.one, v.base),
        ("visit", "one page view and nothing else", v.view, v.base),
        ("visit", "page views only", v.only, v.base),
        ("user", "one action in the whole window", u.one, u.base),
        ("user", "one visit in the whole window", u.visit, u.base),
        ("user", "page views only in the whole window", u.only, u.base),
    ]
    table = pd.DataFrame(rows, columns=["unit", "definition", "bounced", "base"])
    table = add_rate(table, successes="bounced", trials="base", name="bounce_rate")
    people = hide_small(table[table.unit == "user"], count="bounced", min_cell=min_cell, values=list(table.columns[4:]))
    return pd.concat([table[table.unit == "visit"], people])


def _visit_ends(hours: ir.Table) -> ir.Table:
    """One row: the number of visits, of those with one action, with one view, and with views only."""
    visit = hours.group_by(["user_id", "visit"]).agg(actions=hours.actions.sum(), pv=hours.pv.sum())
    alone = visit.actions == 1
    return visit.agg(
        base=visit.count(),
        one=alone.sum(),
        view=(alone & (visit.pv == 1)).sum(),
        only=(visit.actions == visit.pv).sum(),
    )


# Items and categories -------------------------------------------------------------------------------------------------


def tail(catalogue: Catalogue, *, unit: str = "item", value: str = "pv") -> pd.DataFrame:
    """The long tail as counts of counts: how many items have 0, 1, 2, … actions.

    This small table holds the whole curve exactly, however many items there are.

    Parameters
    ----------
    catalogue : Catalogue
        From `catalogue`.
    unit : str
        'item' or 'category'.
    value : str
        pv, fav, cart, buy or actions.

    Returns
    -------
    DataFrame
        `count` (actions of a unit), `units` (how many units have exactly so many), from the highest count down.
    """
    check_choice("unit", unit, list(UNITS))
    check_choice("value", value, [*BEHAVIORS, "actions"])
    each = catalogue.by(unit).rename(count=value)
    found = each.group_by("count").agg(units=each[UNITS[unit]].count()).execute()
    if found.empty:
        return missing(["count", "units"], f"no {unit} has an action")
    return found.astype(int).sort_values("count", ascending=False, ignore_index=True)


def pareto(counts: pd.DataFrame, *, points: int = 150) -> pd.DataFrame:
    """The concentration curve: which share of the units holds which share of the actions.

    Parameters
    ----------
    counts : DataFrame
        From `tail`: `count`, `units`.
    points : int
        Keep about so many points of the curve, 2 or more; the ends are always kept.

    Returns
    -------
    DataFrame
        `units_share, actions_share` from (0, 0) to (1, 1), units with most actions first.

    Examples
    --------
    >>> pareto(pd.DataFrame({"count": [7, 1], "units": [1, 3]}))
       units_share  actions_share
    0         0.00            0.0
    1         0.25            0.7
    2         1.00            1.0
    """
    if counts.empty or counts["count"].sum() == 0:
        return missing(["units_share", "actions_share"], counts.attrs.get("reason", "no such action"))
    ordered = counts.sort_values("count", ascending=False)
    actions = np.concatenate([[0], (ordered["count"] * ordered["units"]).cumsum()])
    units = np.concatenate([[0], ordered["units"].cumsum()])
    curve = pd.DataFrame({"units_share": units / units[-1], "actions_share": actions / actions[-1]})
    if len(curve) <= points:
        return curve
    wanted = np.linspace(0, 1, points)
    places = np.unique(np.concatenate([np.searchsorted(curve[c], wanted[:-1]) for c in curve] + [[0, len(curve) - 1]]))
    return curve.iloc[places].reset_index(drop=True)


def pareto_curves(tails: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Several concentration curves in one table, ready for `charts.lines`.

    Parameters
    ----------
    tails : mapping
        Name of the curve → its table from `tail`.

    Returns
    -------
    DataFrame
        `curve, units_percent` (0…100), `actions_share` (0…1); curves without any action are left out.
    """
    curves = [pareto(counts).assign(curve=name) for name, counts in tails.items()]
    known = [c for c in curves if len(c)]
    columns = ["curve", "units_percent", "actions_share"]
    if not known:
        return missing(columns, "nothing happened")
    table = pd.concat(known, ignore_index=True)
    return table.assign(units_percent=100 * table.units_share)[columns]


def top_share(counts: pd.DataFrame, *, share: float = 0.2) -> float | None:
    """The share of all actions that the busiest `share` of the units holds; computed, not assumed to be 80 %.

    Between two counts the curve is a straight line, which is exact: units of one count are equal. 0…1, never below
    `share`; `share` itself means that all units are equally busy. None without any action.

    >>> round(top_share(pd.DataFrame({"count": [7, 1], "units": [1, 3]}), share=0.5), 6)
    0.8
    """
    curve = pareto(counts, points=10**9)
    if curve.empty:
        return None
    return float(np.interp(share, curve.units_share.astype(float), curve.actions_share.astype(float)))


def top_shares(tails: Mapping[str, pd.DataFrame], *, share: float = 0.2) -> pd.DataFrame:
    """`top_share` of several tails: `curve`, `top_share`."""
    rows = [(name, top_share(counts, share=share)) for name, counts in tails.items()]
    return pd.DataFrame(rows, columns=["curve", "top_share"])


def top(
    catalogue: Catalogue, *, unit: str = "item", value: str = "pv", rows: int = 20, min_users: int = 1
) -> pd.DataFrame:
    """The busiest items or categories.

    Parameters
    ----------
    catalogue : Catalogue
        From `catalogue`.
    unit : str
        'item' or 'category'.
    value : str
        What to rank by: pv, fav, cart, buy or actions; ties are ordered by id.
    rows : int
        So many units.
    min_users : int
        Units with fewer users are left out.

    Returns
    -------
    DataFrame
        `item_id` or `category_id`, `pv, fav, cart, buy, users` (users with any action), the busiest first.
    """
    check_choice("unit", unit, list(UNITS))
    check_choice("value", value, [*BEHAVIORS, "actions"])
    key = UNITS[unit]
    each = catalogue.by(unit)
    best = each.filter(each.users >= min_users).order_by([ibis.desc(value), key]).limit(rows).execute()
    if best.empty:
        return missing([key, *BEHAVIORS, "users"], f"no {unit} has {min_users} users")
    return best[[key, *BEHAVIORS, "users"]]


QUADRANTS = ("stars: many views, many purchases", "shop windows: many views, few purchases",
             "quiet sellers: few views, many purchases", "tail: few views, few purchases")  # fmt: skip


def quadrants(catalogue: Catalogue, *, unit: str = "item") -> pd.DataFrame:
    """Views against purchases: four groups, cut at the mean of each.

    Returns
    -------
    DataFrame
        `quadrant, units, units_share, pv, pv_share, buy, buy_share, cut_pv, cut_buy`; *many* means at least the mean
        of all units (`cut_pv`, `cut_buy`). Shares of purchases are missing where nobody bought.
    """
    check_choice("unit", unit, list(UNITS))
    each = catalogue.by(unit)
    cut = each.agg(pv=each.pv.mean(), buy=each.buy.mean()).execute().iloc[0].astype(float).fillna(0)
    group = (each.pv < cut.pv).cast("int64") + 2 * (each.buy < cut.buy).cast("int64")
    each = each.mutate(place=group)
    found = each.group_by("place").agg(units=each.count(), pv=each.pv.sum(), buy=each.buy.sum())
    found = found.execute().set_index("place")
    # place 0: many and many, 2: many views few purchases, 1: few views many purchases, 3: few and few
    table = found.reindex([0, 2, 1, 3]).fillna(0).astype(int).assign(quadrant=QUADRANTS).reset_index(drop=True)
    shares = {f"{c}_share": [_divide(n, table[c].sum()) for n in table[c]] for c in ("units", "pv", "buy")}
    table = table.assign(**shares, cut_pv=cut.pv, cut_buy=cut.buy)
    return table[["quadrant", "units", "units_share", "pv", "pv_share", "buy", "buy_share", "cut_pv", "cut_buy"]]


def quadrant_points(
    catalogue: Catalogue, *, unit: str = "category", min_users: int = 1, rows: int = 1_500
) -> pd.DataFrame:
    """The units behind `quadrants`, one dot each: those with a view and a purchase, for logarithmic axes.

    Returns
    -------
    DataFrame
        `pv, buy, quadrant` of the `rows` units with most views and at least `min_users` users.
    """
    cut = quadrants(catalogue, unit=unit).iloc[0]
    table = top(catalogue, unit=unit, rows=rows, min_users=min_users)
    table = table[(table.pv > 0) & (table.buy > 0)] if len(table) else table
    if table.empty:
        return missing(["pv", "buy", "quadrant"], f"no {unit} of {min_users} users was viewed and bought")
    place = 1 * (table.pv < cut.cut_pv) + 2 * (table.buy < cut.cut_buy)
    names = {0: QUADRANTS[0], 2: QUADRANTS[1], 1: QUADRANTS[2], 3: QUADRANTS[3]}
    short = {k: name.split(":")[0] for k, name in names.items()}
    return table.assign(quadrant=place.map(short)).sort_values("quadrant")[["pv", "buy", "quadrant"]]


def category_conversion(
    catalogue: Catalogue, *, min_viewers: int = 50, min_cell: int = 1, level: float = 0.95, simultaneous: bool = True
) -> pd.DataFrame:
    """How many of a category's viewers also buy in it, with intervals, for categories with enough viewers.

    conversion = users who viewed *and* bought in the category / users who viewed in it, 0…1.

    Parameters
    ----------
    catalogue : Catalogue
        From `catalogue`.
    min_viewers : int
        Smaller categories are left out: their rates are mostly chance.
    min_cell : int
        Categories with fewer buyers (none included) are left out, too.
    level : float
        Confidence, 0…1 exclusive.
    simultaneous : bool
        True: all k intervals hold together with at least `level` (Bonferroni: each at 1 − (1 − level)/k), so that
        picking the best of many categories is allowed.

    Returns
    -------
    DataFrame
        `category_id, viewers, buyers, conversion_rate` with interval, `all_rate` (all these categories together) and
        `differs` (does the interval leave `all_rate` out?); highest rate first. Empty with a reason where no category
        has enough viewers.
    """
    each = catalogue.categories
    table = each.filter(each.viewers >= min_viewers)[["category_id", "viewers", "buyers"]].execute()
    bounds = ["conversion_rate_ci_low", "conversion_rate_ci_high"]
    columns = ["category_id", "viewers", "buyers", "conversion_rate", *bounds, "all_rate", "differs"]
    if table.empty:
        return missing(columns, f"no category has {min_viewers} viewers")
    single = 1 - (1 - level) / len(table) if simultaneous else level
    table = add_rate(table, successes="buyers", trials="viewers", name="conversion_rate", level=single)
    overall = table.buyers.sum() / table.viewers.sum()
    outside = (table.conversion_rate_ci_low > overall) | (table.conversion_rate_ci_high < overall)
    order = ["conversion_rate", "viewers", "category_id"]
    # after the intervals: how many are compared does not depend on what is shown
    table = table.assign(all_rate=overall, differs=outside)
    table = table[table.buyers >= (min_cell if min_cell > 1 else 0)]
    if table.empty:
        return missing(columns, f"no category has {min_cell} buyers")
    return table.sort_values(order, ascending=[False, False, True], ignore_index=True)


def _divide(upper: float, lower: float) -> float | None:
    """A ratio, or None where there is nothing to divide by."""
    return float(upper) / float(lower) if lower else None


def _divide_all(upper: pd.Series, lower: pd.Series) -> pd.Series:
    return upper.astype(float) / lower.astype(float).where(lower > 0)
