"""Funnels: which share goes on to the next step. By what unit, in which order, in what time, out of whom?

`journeys` alone reads the events; everything else is built on its result. Time to convert follows
Kaplan & Meier (kaplanmeier1958).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers import survival
from helpers.behaviour.sessions import (
    SO_FAR,
    WEEKDAYS,
    BehaviourError,
    add_visits,
    check_choice,
    check_positive,
    hide_small,
)
from helpers.engine import as_table, hold, in_parts, latest
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, add_rate_by_cluster, newcombe
from helpers.tables import BEHAVIORS

UNITS = {"user": ["user_id"], "visit": ["user_id", "visit"], "user-item": ["user_id", "item_id"]}
RULES = ("open", "set", "ordered")
SEGMENTS = {
    "user": ("first weekday", "activity"),
    "visit": ("first weekday", "activity"),
    "user-item": ("first weekday", "activity", "category"),
}
STEPS = {"user": "user_step", "visit": "visit_step", "user-item": "item_step"}
"""Unit → what its deepest step is called."""
FOLLOWED_HOURS = 240.0
"""So long a curve of time to convert is drawn by default."""
LEVELS = {
    "visit": ("user_step", "visit_step", "user_buy_after_view"),
    "user-item": ("item_step", "item_buy_after_view"),
}
"""Unit → what is known of it besides counts and first seconds."""
LOOKS = {
    "visit": ("user_id", "visit", "pv", "first_pv", "first_at", "day", "later"),
    "user-item": ("user_id", "item_id", "category_id", "pv", "first_pv", "first_at", "day", "later"),
}
"""Unit → its columns in `_looks`."""
SO_FAR_ITEM = ibis.window(group_by=["user_id", "item_id"], order_by="timestamp", range=(None, 0))
ROUTES = ("cart and favourite", "cart only", "favourite only", "direct")


@dataclass(frozen=True)
class Journeys:
    """How far each visit and each user-item got, and the settings that decided it.

    `visits` and `pairs` have one row a visit or a user-item: the counts `pv, fav, cart, buy`, the first second of each
    kind (`first_pv`, …) and of all (`first_at`), the first `day`, and what `LEVELS` names: the deepest step that one of
    its events completes for the user, the visit or the user-item (`user_step`, …), the same for *first step, then last
    step* without the steps between (`user_step_ends`, …: 1), and the first purchase after a view of anything, or of
    this item. `bought` has one row a user, item and day with a purchase: `buy`, `buy_unseen` (no view of the item
    before) and `pv`.
    """

    visits: ir.Table
    pairs: ir.Table
    bought: ir.Table
    steps: tuple[tuple[str, ...], ...]
    window_hours: float
    strict: bool

    @property
    def labels(self) -> list[str]:
        """The steps' names, such as 'cart or fav'."""
        return [" or ".join(step) for step in self.steps]


def parse_steps(text: str) -> tuple[tuple[str, ...], ...]:
    """The steps of a funnel from words: '>' leads to the next step, '+' joins alternatives of one step.

    >>> parse_steps("pv > cart+fav > buy")
    (('pv',), ('cart', 'fav'), ('buy',))

    Raises
    ------
    BehaviourError
        Fewer than two steps, an unknown behaviour, or one that stands in two steps.
    """
    steps = tuple(tuple(word.strip() for word in step.split("+")) for step in text.split(">"))
    words = [w for step in steps for w in step]
    for word in words:
        check_choice("steps: behaviour", word, BEHAVIORS)
    if len(steps) < 2 or len(set(words)) < len(words):
        raise BehaviourError(f"steps {text!r}: give two or more steps, each behaviour once, such as 'pv > cart > buy'")
    return steps


# How far each unit got ------------------------------------------------------------------------------------------------


def deepest_step(
    events: ir.Table,
    *,
    steps: str = "pv > cart > buy",
    unit: str = "user",
    window_hours: float = 24,
    strict: bool = False,
    same_second: bool = True,
    session_minutes: float = 30,
) -> ir.Table:
    """How many steps of a funnel each unit took, in order and in time.

    A unit took k steps when it has k events, one of each of the first k steps, none earlier than the one before, the
    last at most `window_hours` after the first; the best of all such chains counts. Exact, whatever the order of the
    rows.

    Parameters
    ----------
    events : ibis Table
        One row an action.
    steps : str
        As in `parse_steps`.
    unit : str
        'user', 'visit' or 'user-item': within what a chain must stay.
    window_hours : float
        Hours from the first to the last event of a chain, above 0; exactly so many are allowed.
    strict : bool
        True: between the events of a chain nothing else may lie but repeats of the steps already taken; an event
        outside the funnel, or one that jumps ahead, breaks the chain. Events of one second are taken in the order of
        the steps.
    same_second : bool
        True: events of one second count as in order. False: each event must be later than the one before (not used with
        `strict`).
    session_minutes : float
        As in `sessions.add_visits`; only for visits.

    Returns
    -------
    ibis Table
        The unit's keys and `step`: 0 (not even the first step) … number of steps.

    Notes
    -----
    For each event of step k: the latest start of a chain that reaches step k there. It is the latest start of step
    k − 1, if not longer ago than the window: a later start is never worse, so no chain is missed. Starts never fall in
    the order of time, so the last one is the latest.

    Examples
    --------
    >>> log = as_table(pd.DataFrame({"user_id": [1, 1, 1, 2, 2], "item_id": 7,
    ...     "behavior": ["pv", "cart", "buy", "cart", "pv"], "timestamp": [0, 10, 20, 0, 10]}))
    >>> deepest_step(log).order_by("user_id").execute()
       user_id  step
    0        1     3
    1        2     1
    """
    check_choice("unit", unit, list(UNITS))
    check_positive("window_hours", window_hours)
    parsed = parse_steps(steps)
    table = add_visits(events, session_minutes=session_minutes) if unit == "visit" else events
    table = _number_steps(table, parsed)
    seconds = window_hours * 3600
    table = _chain(table, UNITS[unit], len(parsed), seconds, strict=strict, same_second=same_second, name="step")
    return table.group_by(UNITS[unit]).agg(step=table.step.max())


def _number_steps(table: ir.Table, steps: tuple[tuple[str, ...], ...]) -> ir.Table:
    """Each event's step number, 1, 2, …; 0 for events outside the funnel."""
    numbers = [(word, k) for k, step in enumerate(steps, start=1) for word in step]
    return table.mutate(step_number=table.behavior.cases(*numbers, else_=0).cast("int8"))


def _chain(
    table: ir.Table, keys: list[str], length: int, seconds: float, *, strict: bool, same_second: bool, name: str
) -> ir.Table:
    """Add `name`: the step that each event completes, 0 where it completes none, and `name`_ends."""
    clock, number = "timestamp", "step_number"
    until_now = ibis.window(group_by=keys, order_by=clock, range=(None, 0 if same_second else -1))
    table = table.mutate(start_1=ibis.ifelse(table[number] == 1, table[clock], None))
    for k in range(2, length + 1):
        last = f"start_{k - 1}"
        start = latest(table[last], until_now)
        table = _unbroken(table, keys, k, last) if strict else table.mutate(start=start)
        in_time = table[clock] - table.start <= seconds
        table = table.mutate(**{f"start_{k}": ibis.ifelse((table[number] == k) & in_time, table.start, None)})
        if k == 2:
            ends = ((table[number] == length) & in_time).fill_null(False)
            table = table.mutate(**{f"{name}_ends": ends.cast("int64")})
    reached = [ibis.ifelse(table[f"start_{k}"].notnull(), k, 0) for k in range(1, length + 1)]
    table = table.mutate(**{name: ibis.greatest(*reached).cast("int64")})
    return table.drop("start", *(f"start_{k}" for k in range(1, length + 1)))


def _unbroken(table: ir.Table, keys: list[str], step: int, last: str) -> ir.Table:
    """The latest start before each event with nothing but earlier steps since: all else breaks the chain."""
    # of one second: the events of the funnel in the order of its steps, then all others
    rank = ibis.ifelse(table.step_number == 0, 99, table.step_number)
    order = ["timestamp", rank, "item_id", "behavior"]
    breaks = (~table.step_number.between(1, step - 1)).cast("int64")
    before = ibis.window(group_by=keys, order_by=order, rows=(None, -1))
    table = table.mutate(block=breaks.sum().over(before).fill_null(0))
    within = ibis.window(group_by=[*keys, "block"], order_by=order, rows=(None, -1))
    return table.mutate(start=table[last].max().over(within)).drop("block")


def journeys(
    events: ir.Table,
    *,
    steps: str = "pv > cart+fav > buy",
    window_hours: float = 24,
    session_minutes: float = 30,
    strict: bool = False,
) -> Journeys:
    """What all funnels of a study are built on; nothing else reads the events.

    Parameters
    ----------
    events : ibis Table
        One row an action, with `day` in the study's zone.
    steps, window_hours, session_minutes, strict
        As in `deepest_step`.

    Returns
    -------
    Journeys
        Computed once and held.

    Notes
    -----
    Most actions are looks that can only be a first step, and how far they get is known without following them. So looks
    are counted by visit and by user-item; only what is more than a look, about one action in ten, is followed.
    """
    check_positive("window_hours", window_hours)
    parsed = parse_steps(steps)
    table = _number_steps(add_visits(events, session_minutes=session_minutes), parsed)
    climb = _strict_climb if strict else _climb

    def follow(log: ir.Table, pairs: ir.Table) -> ir.Table:
        return _followed(climb(log, pairs.filter(pairs.later), parsed, window_hours * 3600))

    both = hold(in_parts(_looks, table))
    looks = {unit: both.filter(both.unit == unit).select(*columns) for unit, columns in LOOKS.items()}
    followed = hold(in_parts(follow, table, looks["user-item"]))
    first = "pv" in parsed[0]
    whole = {unit: _together(looks[unit], followed, unit=unit, looking_is_a_step=first) for unit in LEVELS}
    return Journeys(whole["visit"], whole["user-item"], _bought(followed), parsed, window_hours, strict)


def _is_later(table: ir.Table) -> ir.BooleanColumn:
    """Is it more than a look that can only be a first step?"""
    return (table.behavior != "pv") | (table.step_number >= 2)


def _looks(table: ir.Table) -> ir.Table:
    """One row a visit and one a user-item: number and first second of its views, its first second and day; `later`: was
    there more? Both in one table, so that they share one reading of the events."""
    viewed = {"pv": table.count(where=table.behavior == "pv"), "first_pv": _first_second(table, "pv")}
    first = {"first_at": table.timestamp.min(), "day": table.day.min(), "later": _is_later(table).max()}
    visits = table.group_by(UNITS["visit"]).agg(**viewed, **first)
    pairs = table.group_by(UNITS["user-item"]).agg(category_id=table.category_id.min(), **viewed, **first)
    nothing = {c: ibis.null(table[c].type()) for c in ("item_id", "category_id")}
    visits = visits.mutate(unit=ibis.literal("visit"), **nothing)
    pairs = pairs.mutate(unit=ibis.literal("user-item"), visit=ibis.null(table.visit.type()))
    return ibis.union(visits, pairs.select(visits.columns))


def _followed(later: ir.Table) -> ir.Table:
    """One row a user, visit, item and day with later actions: their steps, when they were, and the day's views."""
    counts = {b: later.count(where=later.behavior == b) for b in BEHAVIORS[1:]}
    firsts = {f"first_{b}": _first_second(later, b) for b in BEHAVIORS[1:]}
    deepest = {f"{name}{end}": later[f"{name}{end}"].max() for name in STEPS.values() for end in ("", "_ends")}
    bought = later.behavior == "buy"
    after = {
        "item_buy_after_view": later.timestamp.min(where=bought & later.item_seen),
        "user_buy_after_view": later.timestamp.min(where=bought & later.user_seen),
        "buy_unseen": (bought & ~later.item_seen).sum(),
        "pv": later.day_views.max(),
    }
    return later.group_by("user_id", "visit", "item_id", "day").agg(**counts, **firsts, **deepest, **after)


def _first_second(table: ir.Table, behavior: str) -> ir.IntegerScalar:
    return table.timestamp.min(where=table.behavior == behavior)


def _together(looks: ir.Table, followed: ir.Table, *, unit: str, looking_is_a_step: bool) -> ir.Table:
    """One row a unit: those with nothing but looks, and the others with what was found by following them."""
    far = hold(in_parts(partial(_far, unit=unit, looking_is_a_step=looking_is_a_step), looks, followed))
    near = looks.filter(~looks.later)
    known: dict[str, ir.Value] = dict.fromkeys(BEHAVIORS[1:], ibis.literal(0))
    for name in LEVELS[unit]:
        known[name] = ibis.literal(int(looking_is_a_step)) if name in STEPS.values() else ibis.null("int64")
    known |= {f"{name}_ends": ibis.literal(0) for name in LEVELS[unit] if name in STEPS.values()}
    known |= {f"first_{b}": ibis.null("int64") for b in BEHAVIORS[1:]}
    return ibis.union(_in_order(near.mutate(**known), unit), far)


def _far(looks: ir.Table, followed: ir.Table, *, unit: str, looking_is_a_step: bool) -> ir.Table:
    """One row a unit with more than looks; a look is at least the first step, where looking is one."""
    names = [name for name in LEVELS[unit] if name in STEPS.values()]
    sums = {b: followed[b].sum() for b in BEHAVIORS[1:]}
    firsts = {c: followed[c].min() for c in (*(f"first_{b}" for b in BEHAVIORS[1:]), LEVELS[unit][-1])}
    deepest = {f"{name}{end}": followed[f"{name}{end}"].max() for name in names for end in ("", "_ends")}
    rows = looks.filter(looks.later)
    rows = rows.inner_join(followed.group_by(UNITS[unit]).agg(**sums, **firsts, **deepest), UNITS[unit])
    if looking_is_a_step:
        looked = ibis.ifelse(rows.pv > 0, 1, 0)
        rows = rows.mutate(**{name: ibis.greatest(rows[name], looked) for name in names})
    return _in_order(rows, unit)


def _in_order(table: ir.Table, unit: str) -> ir.Table:
    """The columns of `Journeys` in one order and of one kind, so that two such tables can be put together."""
    kinds = dict.fromkeys(BEHAVIORS, "int32")
    kinds |= dict.fromkeys((*(f"first_{b}" for b in BEHAVIORS), "first_at", LEVELS[unit][-1]), "int64")
    kinds |= {f"{name}{end}": "int8" for name in LEVELS[unit] if name in STEPS.values() for end in ("", "_ends")}
    extra = ["category_id"] if unit == "user-item" else []
    return table.select(*UNITS[unit], "day", *extra, **{c: table[c].cast(kind) for c, kind in kinds.items()})


def _bought(followed: ir.Table) -> ir.Table:
    """One row a user, item and day with a purchase: its purchases, those without a view before, and its views."""
    sums = {"buy": followed.buy.sum(), "buy_unseen": followed.buy_unseen.sum(), "pv": followed.pv.max()}
    return followed.filter(followed.buy > 0).group_by("user_id", "item_id", "day").agg(**sums)


def _day_views(table: ir.Table) -> ir.IntegerColumn:
    """The user's views of the item on the day of an action, before it and after it."""
    return (table.behavior == "pv").sum().over(group_by=["user_id", "item_id", "day"])


def _strict_climb(table: ir.Table, _: ir.Table, steps: tuple[tuple[str, ...], ...], seconds: float) -> ir.Table:
    """The steps of the three units one after the other, and what had been seen; strict order."""
    for unit, name in STEPS.items():
        table = _chain(table, UNITS[unit], len(steps), seconds, strict=True, same_second=True, name=name)
    view = ibis.ifelse(table.behavior == "pv", table.timestamp, None)
    seen = {"item_seen": latest(view, SO_FAR_ITEM), "user_seen": latest(view, SO_FAR)}
    flags = {name: last.notnull() for name, last in seen.items()}
    return table.mutate(day_views=_day_views(table), **flags).filter(_is_later)


def _climb(table: ir.Table, pairs: ir.Table, steps: tuple[tuple[str, ...], ...], seconds: float) -> ir.Table:
    """The same for steps between which other events may lie, on few rows: these windows are what a funnel costs.

    Only one order is made of all events: for the user's latest first step. The item's is asked for only where more was
    done with the item than looked at it, and the higher steps look at the later actions alone. A visit needs no order
    of its own: the user's latest start belongs to the visit exactly when it is not before the visit's first second.
    """
    began = ibis.ifelse(table.begins == 1, table.timestamp, None)
    start, seen = _latest_first_and_view(table, steps, SO_FAR)
    table = table.select(
        "user_id", "visit", "item_id", "day", "timestamp", "behavior", "step_number",
        began=latest(began, SO_FAR), start_user_step=start, user_seen=seen,
    )  # fmt: skip
    table = table.semi_join(pairs, UNITS["user-item"])
    start, seen = _latest_first_and_view(table, steps, SO_FAR_ITEM)
    table = table.mutate(
        item_seen=seen, start_item_step=start, start_visit_step=table.start_user_step, day_views=_day_views(table),
        **{n: (table.step_number == 1).cast("int8") for n in STEPS.values()},
    )  # fmt: skip
    return _higher_steps(table.filter(_is_later), len(steps), seconds)


def _latest_first_and_view(
    table: ir.Table, steps: tuple[tuple[str, ...], ...], so_far: object
) -> tuple[ir.IntegerColumn, ir.BooleanColumn]:
    """The second of the latest action that is a first step, and whether there was a view."""
    start = latest(ibis.ifelse(table.step_number == 1, table.timestamp, None), so_far)
    if steps[0] == ("pv",):
        return start, start.notnull()
    return start, latest(ibis.ifelse(table.behavior == "pv", table.timestamp, None), so_far).notnull()


def _higher_steps(table: ir.Table, last: int, seconds: float) -> ir.Table:
    """From the latest starts of the first step: which later step each action completes, for the three units."""
    spans = {"user_step": SO_FAR, "visit_step": SO_FAR, "item_step": SO_FAR_ITEM}
    for k in range(2, last + 1):
        here = table.start_visit_step
        starts = {name: table[f"start_{name}"] for name in STEPS.values()}
        starts["visit_step"] = ibis.ifelse(here >= table.began, here, None)
        in_time = {name: (table.timestamp - start <= seconds).fill_null(False) for name, start in starts.items()}
        more = {n: ibis.ifelse((table.step_number == k) & in_time[n], k, table[n]).cast("int8") for n in starts}
        if k == 2:
            more |= {f"{n}_ends": ((table.step_number == last) & in_time[n]).cast("int8") for n in starts}
        if k < last:
            own = {n: ibis.ifelse((table.step_number == k) & in_time[n], start, None) for n, start in starts.items()}
            more |= {f"start_{n}": latest(start, spans[n]) for n, start in own.items()}
        table = table.mutate(**more)
    return table


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
        From `journeys`.
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
        From `journeys`; its first and last step are compared (pv and buy, mostly).
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
        From `journeys`.
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
        From `journeys`.
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


# A log whose truth is known -------------------------------------------------------------------------------------------


def simulated_log(
    *, users: int = 2_000, days: int = 9, cart_rate: float = 0.4, buy_rate: float = 0.5, mean_hours: float = 24,
    seed: int = 21,
) -> ir.Table:  # fmt: skip
    """Users with one item each, who view, then perhaps put it into the cart, then perhaps buy: with known chances.

    Each views at a moment spread evenly over the window. With chance `cart_rate` a cart follows, and after it with
    chance `buy_rate` a purchase, each after an exponential time with mean `mean_hours`. What lies after the window is
    not seen.

    Returns
    -------
    ibis Table
        A log with `user_id, item_id, category_id, behavior, timestamp, day, hour`; day 0 is 1970-01-01.
    """
    view, cart, buy, carted, bought = _simulated_times(users, days, cart_rate, buy_rate, mean_hours, seed)
    person = np.arange(users)
    parts = [(person, "pv", view), (person[carted], "cart", cart[carted]), (person[bought], "buy", buy[bought])]
    log = pd.concat([pd.DataFrame({"user_id": u, "behavior": b, "timestamp": t}) for u, b, t in parts])
    log = log[log.timestamp < days * 86_400].assign(item_id=lambda t: t.user_id, category_id=1)
    moment = pd.to_datetime(log.timestamp, unit="s")
    return as_table(log.assign(day=moment.dt.normalize(), hour=moment.dt.hour))


def _simulated_times(
    users: int, days: int, cart_rate: float, buy_rate: float, mean_hours: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Seconds of view, cart and purchase, and who ever gets to cart and purchase."""
    rng = np.random.default_rng(seed)
    view = rng.integers(0, days * 86_400, users)
    cart = view + 1 + (rng.exponential(mean_hours * 3600, users)).astype(int)
    buy = cart + 1 + (rng.exponential(mean_hours * 3600, users)).astype(int)
    carted = rng.random(users) < cart_rate
    bought = carted & (rng.random(users) < buy_rate)
    return view, cart, buy, carted, bought


def curve_coverage(
    hours: list[float], *, runs: int = 200, users: int = 1_000, days: int = 9, seed: int = 21, level: float = 0.95
) -> pd.DataFrame:
    """How often the curve's interval covers the truth, and what the plain share says, over many simulated logs.

    Parameters
    ----------
    hours : list of float
        When to read the curve, below `days` · 24.
    runs : int
        Number of logs, 1 or more, made as by `simulated_log` with seeds `seed`, `seed` + 1, …
    users, days, level
        Size and length of each log; confidence of the intervals.

    Returns
    -------
    DataFrame
        `hours, truth_share, mean_share` (of the curve), `covered_rate` with its Wilson interval, and `plain_share`: the
        mean share of all users who have bought within so many hours as far as the log shows.
    """
    truth = np.array([simulated_truth(h) for h in hours])
    found, covered, plain = [], [], []
    for run in range(runs):
        view, _, buy, _, bought = _simulated_times(users, days, 0.4, 0.5, 24, seed + run)
        seen = bought & (buy < days * 86_400)
        time = np.where(seen, buy - view, days * 86_400 - 1 - view) / 3600
        log = pd.DataFrame({"time": time, "events": seen.astype(int), "censored": (~seen).astype(int)})
        row = survival.happened_by(survival.kaplan_meier(log, level=level), hours)
        found.append(row.share)
        covered.append((row.share_ci_low <= truth) & (truth <= row.share_ci_high))
        plain.append([(seen & (time <= h)).mean() for h in hours])
    table = pd.DataFrame({"hours": hours, "truth_share": truth, "mean_share": np.mean(found, axis=0)})
    table = table.assign(x=np.sum(covered, axis=0), n=runs, plain_share=np.mean(plain, axis=0))
    return add_rate(table, successes="x", trials="n", name="covered_rate").drop(columns=["x", "n"])


def simulated_truth(hours: float, *, cart_rate: float = 0.4, buy_rate: float = 0.5, mean_hours: float = 24) -> float:
    """The true share of `simulated_log`'s users who have bought within `hours` of their view, had all been followed.

    The two waiting times add up to a gamma distribution: cart_rate · buy_rate · (1 − (1 + x)·exp(−x)), x = hours /
    mean_hours; 0…1.

    >>> round(simulated_truth(24), 4), round(simulated_truth(10_000), 4)
    (0.0528, 0.2)
    """
    x = hours / mean_hours
    return cart_rate * buy_rate * float(1 - (1 + x) * np.exp(-x))


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
