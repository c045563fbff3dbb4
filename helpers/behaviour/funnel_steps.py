"""How far each user, visit and user-item got through the steps of a funnel: what `funnel` counts.

Nothing else of notebook 21 reads the events.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import ibis
import ibis.expr.types as ir

from helpers.behaviour.sessions import SO_FAR, BehaviourError, add_visits, check_choice, check_positive
from helpers.engine import hold, in_parts, latest
from helpers.tables import BEHAVIORS

UNITS = {"user": ["user_id"], "visit": ["user_id", "visit"], "user-item": ["user_id", "item_id"]}
STEPS = {"user": "user_step", "visit": "visit_step", "user-item": "item_step"}
"""Unit → what its deepest step is called."""
LEVELS = {
    "visit": ("user_step", "visit_step", "user_buy_after_view"),
    "user-item": ("item_step", "item_buy_after_view"),
}
"""Unit → what is known of it besides counts and first seconds."""
LOOKS = {
    "visit": ("user_id", "visit", "actions", "first_pv", "first_at", "day", "later"),
    "user-item": ("user_id", "item_id", "category_id", "actions", "first_pv", "first_at", "day", "later"),
}
"""Unit → its columns in `_looks`."""
SO_FAR_ITEM = ibis.window(group_by=["user_id", "item_id"], order_by="timestamp", range=(None, 0))


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
    >>> import pandas as pd
    >>> from helpers.engine import as_table
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
    keys, seconds = UNITS[unit], window_hours * 3600
    if strict:
        found = _strict_chain(table, keys, len(parsed), seconds, name="step")
    else:
        found = _chain(table, keys, len(parsed), seconds, same_second=same_second)
    return found.group_by(keys).agg(step=found.step.max())


def _number_steps(table: ir.Table, steps: tuple[tuple[str, ...], ...]) -> ir.Table:
    """Each event's step number, 1, 2, …; 0 for events outside the funnel."""
    numbers = [(word, k) for k, step in enumerate(steps, start=1) for word in step]
    return table.mutate(step_number=table.behavior.cases(*numbers, else_=0).cast("int8"))


def _chain(table: ir.Table, keys: list[str], length: int, seconds: float, *, same_second: bool) -> ir.Table:
    """Steps that each unit's events complete, several rows a unit.

    One order is made of all events, for the latest first step; the higher steps are asked for among the few events that
    can be one.
    """
    until_now = ibis.window(group_by=keys, order_by="timestamp", range=(None, 0 if same_second else -1))
    first = ibis.ifelse(table.step_number == 1, table.timestamp, None)
    later = table.select(*keys, "timestamp", "step_number", start=latest(first, until_now), step=ibis.literal(0))
    later = later.filter(later.step_number >= 2)
    for k in range(2, length + 1):
        taken = ((later.step_number == k) & (later.timestamp - later.start <= seconds)).fill_null(False)
        start = latest(ibis.ifelse(taken, later.start, None), until_now)
        later = later.mutate(step=ibis.ifelse(taken, k, later.step), **({"start": start} if k < length else {}))
    begun = table.group_by(keys).agg(step=(table.step_number == 1).max())
    steps = (t.select(*keys, step=t.step.cast("int64")) for t in (begun, later))
    return ibis.union(*steps)


def _strict_chain(table: ir.Table, keys: list[str], length: int, seconds: float, *, name: str) -> ir.Table:
    """Add `name`: the step that each event completes, 0 where it completes none, and `name`_ends; strict order."""
    clock, number = "timestamp", "step_number"
    table = table.mutate(start_1=ibis.ifelse(table[number] == 1, table[clock], None))
    for k in range(2, length + 1):
        table = _unbroken(table, keys, k, f"start_{k - 1}")
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
        return _followed(climb(log, pairs, parsed, window_hours * 3600))

    both = hold(in_parts(_looks, table))
    looks = {unit: both.filter(both.unit == unit).select(*columns) for unit, columns in LOOKS.items()}
    pairs = looks["user-item"]
    followed = hold(in_parts(follow, table, pairs.filter(pairs.later).select(UNITS["user-item"])))
    first = "pv" in parsed[0]
    whole = {unit: _together(looks[unit], followed, unit=unit, looking_is_a_step=first) for unit in LEVELS}
    return Journeys(whole["visit"], whole["user-item"], _bought(followed), parsed, window_hours, strict)


def _is_later(table: ir.Table) -> ir.BooleanColumn:
    """Is it more than a look that can only be a first step?"""
    return (table.behavior != "pv") | (table.step_number >= 2)


def _looks(table: ir.Table) -> ir.Table:
    """One row a visit and one a user-item: its actions, its first view, its first second and day; `later`: was there
    more than looks? Both in one table, so that they share one reading of the events."""
    viewed = {"actions": table.count(), "first_pv": _first_second(table, "pv")}
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
    near = looks.filter(~looks.later).rename(pv="actions")
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
    rows = rows.mutate(pv=rows.actions - sum(rows[b] for b in BEHAVIORS[1:]))
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


def _later_with_day_views(table: ir.Table) -> ir.Table:
    """The later actions, and the user's views of the item on the day of each, before it and after it."""
    same = ["user_id", "item_id", "day"]
    looks = table.filter(table.behavior == "pv")
    looks = looks.group_by(same).agg(day_views=looks.count())
    later = table.filter(_is_later)
    return later.left_join(looks, same).select(later, day_views=looks.day_views.fill_null(0))


def _strict_climb(table: ir.Table, _: ir.Table, steps: tuple[tuple[str, ...], ...], seconds: float) -> ir.Table:
    """The steps of the three units one after the other, and what had been seen; strict order."""
    for unit, name in STEPS.items():
        table = _strict_chain(table, UNITS[unit], len(steps), seconds, name=name)
    view = ibis.ifelse(table.behavior == "pv", table.timestamp, None)
    seen = {"item_seen": latest(view, SO_FAR_ITEM), "user_seen": latest(view, SO_FAR)}
    flags = {name: last.notnull() for name, last in seen.items()}
    return _later_with_day_views(table.mutate(**flags))


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
        item_seen=seen, start_item_step=start, start_visit_step=table.start_user_step,
        **{n: (table.step_number == 1).cast("int8") for n in STEPS.values()},
    )  # fmt: skip
    return _higher_steps(_later_with_day_views(table), len(steps), seconds)


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
