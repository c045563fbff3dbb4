"""Funnels: which share goes on to the next step. By what unit, in which order, in what time, out of whom?

`funnel_steps.journeys` alone reads the events; everything else is built on its result. Time to convert follows
Kaplan & Meier (kaplanmeier1958).
"""

from __future__ import annotations

from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers import survival
from helpers.behaviour.funnel_steps import LEVELS, STEPS, UNITS, Journeys
from helpers.behaviour.sessions import WEEKDAYS, check_choice, hide_small
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, add_rate_by_cluster, newcombe
from helpers.tables import BEHAVIORS

RULES = ("open", "set", "ordered")
SEGMENTS = {
    "user": ("first weekday", "activity"),
    "visit": ("first weekday", "activity"),
    "user-item": ("first weekday", "activity", "category"),
}
FOLLOWED_HOURS = 240.0
"""So long a curve of time to convert is drawn by default."""
ROUTES = ("cart and favourite", "cart only", "favourite only", "direct")


def _units(journeys: Journeys, unit: str, *, by: str | None = None, categories: int = 8) -> ir.Table:
    """One row a unit: counts, deepest step, ends, the first purchase after a view, and its segment."""
    check_choice("unit", unit, list(UNITS))
    level, table = ("user-item", journeys.pairs) if unit == "user-item" else ("visit", journeys.visits)
    names = {"step": STEPS[unit], "ends": f"{STEPS[unit]}_ends", "buy_after_view": LEVELS[level][-1]}
    units = _by_user(table, names) if unit == "user" else table.rename(names)
    if by is None:
        return units.mutate(segment=ibis.literal(0))
    check_choice("by", by, SEGMENTS[unit])
    return _add_segment(journeys, units, by, categories)


def _by_user(visits: ir.Table, names: dict[str, str]) -> ir.Table:
    sums = {b: visits[b].sum() for b in BEHAVIORS}
    firsts = {c: visits[c].min() for c in (*(f"first_{b}" for b in BEHAVIORS), "first_at", "day")}
    deepest = {name: visits[column].max() for name, column in names.items() if name != "buy_after_view"}
    after = visits[names["buy_after_view"]].min()
    return visits.group_by("user_id").agg(buy_after_view=after, **sums, **firsts, **deepest)


def _add_segment(journeys: Journeys, units: ir.Table, by: str, categories: int) -> ir.Table:
    if by == "first weekday":
        return units.mutate(segment=units.day.day_of_week.index().cast("int64"))
    if by == "category":
        ids = list(segment_names(journeys, by, categories=categories).values())
        places = [(c, i) for i, c in enumerate(ids)]
        return units.mutate(segment=units.category_id.cases(*places, else_=len(ids)).cast("int64"))
    visits = journeys.visits
    people = visits.group_by("user_id").agg(actions=sum(visits[b] for b in BEHAVIORS).sum())
    median = float(people.actions.median().execute() or 0)
    heavy = people.select("user_id", segment=(people.actions > median).cast("int64"))
    return units.join(heavy, "user_id")


def segment_names(journeys: Journeys, by: str, *, categories: int = 8) -> dict[int, object]:
    """Segment number → its name; for 'category' the category's id, to be labelled by the study."""
    if by == "first weekday":
        return dict(enumerate(WEEKDAYS))
    if by == "activity":
        return {0: "light users", 1: "heavy users"}
    table = journeys.pairs
    best = table.group_by("category_id").agg(pv=table.pv.sum()).order_by([ibis.desc("pv"), "category_id"])
    return dict(enumerate(best.limit(categories).execute()["category_id"]))


# Funnels --------------------------------------------------------------------------------------------------------------


def funnel(
    journeys: Journeys,
    *,
    unit: str = "user",
    rule: str = "ordered",
    by: str | None = None,
    min_cell: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:
    """How many units reach each step, and which share goes on, with Wilson intervals.

    Parameters
    ----------
    journeys : Journeys
        From `funnel_steps.journeys`.
    unit : str
        'user', 'visit' or 'user-item'.
    rule : str
        'open': the unit did this step, whatever else it did (no unit must start at the top); 'set': it did this step
        and all steps before, in any order; 'ordered': it took the steps in order within the window.
    by : str, optional
        A segment: 'first weekday', 'activity' (heavy: more actions than the median user), and for user-items 'category'
        (the most viewed ones; all others are segment missing).
    min_cell : int
        Steps of a segment with fewer units show no numbers, and a second segment that would give them away neither.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `segment` (with `by`), `step` 1…, `name`, `units`, `base` (all units), `of_all_rate`, `of_first_rate` and
        `of_previous_rate` with their intervals. In an open funnel a step may hold units that skipped the one before:
        its rates compare with *all* units, the others are missing. Rates of an empty base are missing.
    """
    check_choice("rule", rule, RULES)
    units = _units(journeys, unit, by=by)
    reached = _reached(units, journeys, rule)
    counts = units.group_by("segment").agg(base=units.count(), **reached).execute()
    counts = counts.sort_values("segment")
    if counts.empty:
        return missing(["step", "name", "units", "of_first_rate"], "nothing happened")
    names = {} if by is None else segment_names(journeys, by)
    tables = [
        _steps_table(row, journeys.labels, rule, level).assign(segment=names.get(int(row.segment)))
        for _, row in counts.iterrows()
    ]
    table = pd.concat(tables, ignore_index=True)
    table = table[["segment", *table.columns.drop("segment")]]
    numbers = list(table.columns.drop(["segment", "step", "name", "units"]))
    table = hide_small(table, count="units", min_cell=min_cell, values=numbers, by="name", additive=by is not None)
    return table.drop(columns="segment") if by is None else table


def _reached(units: ir.Table, journeys: Journeys, rule: str) -> dict[str, ir.IntegerScalar]:
    """For `aggregate`: the number of units at each step."""
    did = [sum(units[b] for b in step) > 0 for step in journeys.steps]
    flags = did
    if rule == "set":
        flags = [did[0]]
        for step in did[1:]:
            flags.append(flags[-1] & step)
    if rule == "ordered":
        flags = [units.step >= k for k in range(1, len(did) + 1)]
    return {f"n{k}": flag.sum() for k, flag in enumerate(flags)}


def _steps_table(row: pd.Series, labels: list[str], rule: str, level: float) -> pd.DataFrame:
    counts = [int(row[f"n{k}"]) for k in range(len(labels))]
    return step_rates(counts, base=int(row["base"]), labels=labels, closed=rule != "open", level=level)


def step_rates(
    counts: list[int], *, base: int | None = None, labels: list[str] | None = None, closed: bool = True,
    level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """The rates of a funnel from its counts alone.

    Parameters
    ----------
    counts : list of int
        Units at each step.
    base : int, optional
        All units; without it those of the first step.
    labels : list of str, optional
        The steps' names.
    closed : bool
        Do the units of each step belong to the step before? Only then are shares of it given.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        As `funnel` without segments.

    Examples
    --------
    Published for the whole UserBehavior file, pv → fav or cart → buy, any order:

    >>> step_rates([984_105, 855_498, 600_278])[["units", "of_first_rate", "of_previous_rate"]].round(4)
        units  of_first_rate  of_previous_rate
    0  984105         1.0000            1.0000
    1  855498         0.8693            0.8693
    2  600278         0.6100            0.7017
    """
    base = counts[0] if base is None else base
    table = pd.DataFrame({"step": range(1, len(counts) + 1), "units": counts, "base": base})
    table.insert(1, "name", labels or [f"step {k}" for k in table.step])
    # an open funnel gets an empty base, so that these rates are missing
    first = [counts[0] if closed else 0] * len(counts)
    previous = [counts[0], *counts[:-1]] if closed else first
    for name, trials in (("of_all_rate", table["base"]), ("of_first_rate", first), ("of_previous_rate", previous)):
        at = table.assign(n=trials, x=table.units.where(np.asarray(trials) > 0, 0))
        rated = add_rate(at, successes="x", trials="n", name=name, level=level)
        table = table.join(rated[[name, f"{name}_ci_low", f"{name}_ci_high"]])
    return table


def definitions(journeys: Journeys, *, level: float = 0.95) -> pd.DataFrame:
    """One log, one question, many answers: *which share buys?* by unit and rule, side by side.

    Parameters
    ----------
    journeys : Journeys
        From `funnel_steps.journeys`; its first and last step are compared (pv and buy, mostly).
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `unit, rule, base, converted, rate, rate_ci_low, rate_ci_high` (Wilson) and `user_rate_ci_low,
        user_rate_ci_high`: the same when whole users, not units, are taken as independent (a Wilson interval for the
        effective number of units). The first row divides events by events: that is a ratio, and may exceed 1, where it
        has no interval.
    """
    rows = [_event_row(journeys)]
    for unit in ("user-item", "visit", "user"):
        rows += _rule_rows(journeys, unit)
    table = pd.DataFrame(rows)
    fits = table.converted <= table["base"]
    counts = {"successes": "x", "trials": "base", "level": level}
    rated = add_rate(table.assign(x=table.converted.where(fits, 0)), **counts)
    table = add_rate_by_cluster(rated, **counts, clusters="users", name="user_rate")
    table = table.drop(columns=["x", "users", "xx", "xy", "yy", "user_rate"])
    bounds = [c for c in table if c.endswith(("_ci_low", "_ci_high"))]
    table.loc[~fits, bounds] = np.nan
    table.loc[~fits, "rate"] = table.converted / table["base"].where(table["base"] > 0)
    return table


def _event_row(journeys: Journeys) -> dict:
    table, steps = journeys.visits, journeys.steps
    base, last = (sum(table[b] for b in step) for step in (steps[0], steps[-1]))
    return {"unit": "event", "rule": "last step / first step", **_sums(table, [(base, last)])[0]}


def _rule_rows(journeys: Journeys, unit: str) -> list[dict]:
    """One dict a rule: base, converted, and the sums over users that the interval by users needs."""
    hours = f"{journeys.window_hours:g} h"
    rules = (
        "last step / all (open)", "first and last, any order", f"first then last, in {hours}",
        "all steps, any order", f"all steps in order, in {hours}",
    )  # fmt: skip
    units = _units(journeys, unit)
    found = _sums(units, _based_and_converted(units, journeys.steps))
    return [{"unit": unit, "rule": rule, **row} for rule, row in zip(rules, found, strict=True)]


def _based_and_converted(units: ir.Table, steps: tuple[tuple[str, ...], ...]) -> list[tuple[ir.Column, ir.Column]]:
    """For each rule: which units are in its base, and which of them converted."""
    did = [sum(units[b] for b in step) > 0 for step in steps]
    every = did[0]
    for step in did[1:]:
        every = every & step
    return [
        (units.pv >= 0, did[-1]), (did[0], did[0] & did[-1]), (did[0], units.ends == 1), (did[0], every),
        (did[0], units.step == len(did)),
    ]  # fmt: skip


def _sums(table: ir.Table, pairs: list[tuple[ir.Column, ir.Column]]) -> list[dict[str, int]]:
    """Sums, and sums of products over users, of each pair: x in the base, y converted."""
    named = {f"{c}{k}": column.sum() for k, pair in enumerate(pairs) for c, column in zip("xy", pair, strict=True)}
    people = table.group_by("user_id").agg(**named)
    wanted = {}
    for k in range(len(pairs)):
        x, y = people[f"x{k}"], people[f"y{k}"]
        products = {
            "base": x, "converted": y, "xx": x * x, "xy": x * y, "yy": y * y, "users": (x + y > 0).cast("int64"),
        }  # fmt: skip
        wanted |= {f"{name}{k}": column.sum() for name, column in products.items()}
    found = people.agg(**wanted).execute().iloc[0].fillna(0)
    names = ("base", "converted", "xx", "xy", "yy", "users")
    return [{name: int(found[f"{name}{k}"]) for name in names} for k in range(len(pairs))]


def compare_segments(table: pd.DataFrame, *, first: str, second: str, level: float = 0.95) -> Estimate:
    """The difference of two segments' conversion to the last step, with Newcombe's interval.

    Parameters
    ----------
    table : DataFrame
        From `funnel` with `by`, closed.
    first, second : str
        Names of two segments; the result is the first one's rate minus the second one's.

    Returns
    -------
    Estimate
        Difference of rates, −1…1; missing where a segment is not there or has nobody at the first step.
    """
    counts = []
    for name in (first, second):
        part = table[table.segment == name] if "segment" in table else table.head(0)
        if part.empty:
            return Estimate.missing(f"there is no segment {name!r}")
        if part.units.isna().any():
            return Estimate.missing(f"the segment {name!r} is too small to be shown")
        counts += [int(part.units.iloc[-1]), int(part.units.iloc[0])]
    return newcombe(*counts, level=level)


# Routes and what was not seen -----------------------------------------------------------------------------------------


def routes(journeys: Journeys, *, level: float = 0.95) -> pd.DataFrame:
    """Four routes to a purchase: by the cart, by the favourites, by both, or direct.

    The route of a user and item is what happened *before or at* its first purchase; without a purchase, all that
    happened.

    Parameters
    ----------
    journeys : Journeys
        From `funnel_steps.journeys`.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `route, user_items, bought, conversion_rate` (bought / user_items on this route), `purchase_share` (of all
        purchased user-items) with their Wilson intervals. The rates compare routes, they do not say what a cart
        *causes*: who wants to buy puts things into the cart.
    """
    units = _units(journeys, "user-item")
    in_time = {b: _not_later(units[f"first_{b}"], units.first_buy) for b in ("cart", "fav")}
    place = 3 - 2 * in_time["cart"].cast("int64") - in_time["fav"].cast("int64")
    units = units.mutate(place=place)
    found = units.group_by("place").agg(user_items=units.count(), bought=(units.buy > 0).sum())
    table = found.execute().set_index("place").reindex(range(4)).fillna(0).astype(int).reset_index(drop=True)
    table.insert(0, "route", ROUTES)
    table = add_rate(table, successes="bought", trials="user_items", name="conversion_rate", level=level)
    table = table.assign(all=table.bought.sum())
    return add_rate(table, successes="bought", trials="all", name="purchase_share", level=level).drop(columns="all")


def _not_later(time: ir.IntegerColumn, purchase: ir.IntegerColumn) -> ir.BooleanColumn:
    return time.notnull() & (purchase.isnull() | (time <= purchase))


def unseen(journeys: Journeys, *, level: float = 0.95) -> pd.DataFrame:
    """Purchases without a view before them: seen before the log began, or bought by another way.

    Returns
    -------
    DataFrame
        `counted, without_view, of, unseen_rate` with its Wilson interval: purchase rows, purchased user-items,
        purchased user-items a day (without a view on the *same day*), and buyers without any view at or before their
        first purchase.
    """
    daily, pair, people = journeys.bought, journeys.pairs, _units(journeys, "user")
    pair, people = pair.filter(pair.buy > 0), people.filter(people.buy > 0)
    counts = [
        ("purchase rows, no view of the item before", daily.agg(x=daily.buy_unseen.sum(), n=daily.buy.sum())),
        ("user-items, no view before the first purchase", _late_view(pair)),
        ("user-items a day, no view of the item that day", daily.agg(x=(daily.pv == 0).sum(), n=daily.count())),
        ("buyers, no view of anything before the first purchase", _late_view(people)),
    ]
    rows = [(name, *(int(v) for v in query.execute().iloc[0].fillna(0))) for name, query in counts]
    table_ = pd.DataFrame(rows, columns=["counted", "without_view", "of"])
    return add_rate(table_, successes="without_view", trials="of", name="unseen_rate", level=level)


def _late_view(units: ir.Table) -> ir.Table:
    late = units.first_pv.isnull() | (units.first_pv > units.first_buy)
    return units.agg(x=late.sum(), n=units.count())


def unseen_by_day(journeys: Journeys, *, level: float = 0.95) -> pd.DataFrame:
    """Left-censoring over the log: the share of each day's purchase rows without a view of the item before.

    It falls over the first days, because more of the past is in the log; what stays is real.

    Returns
    -------
    DataFrame
        `day, buy, without_view, unseen_rate` with its Wilson interval, in order of the days that have a purchase.
    """
    table = journeys.bought
    found = table.group_by("day").agg(buy=table.buy.sum(), without_view=table.buy_unseen.sum()).execute()
    found = found[found.buy > 0].assign(day=lambda t: pd.to_datetime(t.day)).sort_values("day", ignore_index=True)
    if found.empty:
        return missing(["day", "buy", "without_view", "unseen_rate"], "nobody bought")
    return add_rate(found, successes="without_view", trials="buy", name="unseen_rate", level=level)


# Time to convert ------------------------------------------------------------------------------------------------------


def durations(
    journeys: Journeys, *, end: int, unit: str = "user", by: str | None = None, longest: float | None = None
) -> pd.DataFrame:
    """Waiting times from the first view to the first purchase after it, as counts; who has not bought is censored.

    Parameters
    ----------
    journeys : Journeys
        From `funnel_steps.journeys`.
    end : int
        Last second of the window, epoch seconds: there all waiting is cut off.
    unit : str
        'user' (any item) or 'user-item' (this very item).
    by : str, optional
        As in `funnel`.
    longest : float, optional
        Hours after which nobody is followed any more: who waits longer is censored a second later. A curve up to there
        stays the same, and the table small.

    Returns
    -------
    DataFrame
        `segment` (0 without `by`), `time` (hours), `events`, `censored`: what `survival.kaplan_meier` takes. Units
        without a view are not in it; a purchase before the first view does not count.
    """
    check_choice("unit", unit, ["user", "user-item"])
    units = _units(journeys, unit, by=by)
    units = units.filter(units.first_pv.notnull())
    bought = units.buy_after_view.notnull()
    seconds = ibis.ifelse(bought, units.buy_after_view, end) - units.first_pv
    if longest is not None:
        cut = int(longest * 3600) + 1
        bought, seconds = bought & (seconds < cut), ibis.least(seconds, cut)
    units = units.mutate(seconds=seconds, bought=bought.cast("int64"))
    found = units.group_by(["segment", "seconds"]).agg(events=units.bought.sum(), all=units.count()).execute()
    columns = ["segment", "time", "events", "censored"]
    if found.empty:
        return missing(columns, "nobody viewed anything")
    found = found.astype(int).sort_values(["segment", "seconds"], ignore_index=True)
    return found.assign(time=found.seconds / 3600, censored=found["all"] - found.events)[columns]


def time_to_convert(
    journeys: Journeys, *, end: int, unit: str = "user", by: str | None = None, hours: list[float] | None = None,
    min_units: int = 0, level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """The share that has bought by each hour after its first view: 1 − Kaplan–Meier, by segment.

    Parameters
    ----------
    journeys, end, unit, by
        As in `durations`.
    hours : list of float, optional
        When to read the curve; by default 60 even steps over the first ten days, or less in a shorter log.
    min_units : int
        Segments with fewer units are left out, and a curve ends where fewer are still at risk.
    level : float
        Pointwise confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `segment, hours, at_risk, bought_share, bought_share_ci_low, bought_share_ci_high`, in order of segments and
        hours.
    """
    columns = ["segment", "hours", "at_risk", "bought_share", "bought_share_ci_low", "bought_share_ci_high"]
    followed = FOLLOWED_HOURS if hours is None else max(hours, default=0)
    counts = durations(journeys, end=end, unit=unit, by=by, longest=followed)
    names = {0: "all"} if by is None else segment_names(journeys, by)
    longest = 0.0 if counts.empty else min(float(counts["time"].max()), FOLLOWED_HOURS)
    grid = [float(h) for h in np.linspace(0, longest, 61)] if hours is None else hours
    tables = []
    for segment, part in counts.groupby("segment"):
        curve = survival.happened_by(survival.kaplan_meier(part, level=level), grid)
        curve = curve[curve.at_risk >= max(min_units, 1)] if len(curve) else curve
        if len(curve) and part[["events", "censored"]].to_numpy().sum() >= min_units:
            tables.append(curve.assign(segment=names.get(int(segment), "all others")))
    if not tables:
        return missing(columns, counts.attrs.get("reason", f"no segment has {min_units} units to follow"))
    table = pd.concat(tables, ignore_index=True).rename(columns={"time": "hours"})
    table = table.rename(columns={f"share{s}": f"bought_share{s}" for s in ("", "_ci_low", "_ci_high")})
    return table[columns]


def drop_off(table: pd.DataFrame) -> pd.DataFrame:
    """Where a closed funnel loses most: units lost between neighbouring steps; missing where a step is hidden.

    >>> drop_off(step_rates([10, 4, 3], labels=["pv", "cart", "buy"]))
                 from  to  lost  lost_rate
    0              pv  cart     6       0.60
    1            cart   buy     1       0.25
    """
    rows = []
    for (_, a), (_, b) in pairwise(table.iterrows()):
        known = not (pd.isna(a.units) or pd.isna(b.units))
        lost = int(a.units - b.units) if known else None
        rows.append((a["name"], b["name"], lost, lost / a.units if known and a.units else None))
    return pd.DataFrame(rows, columns=["from", "to", "lost", "lost_rate"])
