"""Visits: a user's actions cut wherever nothing happened for a while (30 minutes by convention), and shared checks."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd

from helpers.privacy import HIDDEN, suppress
from helpers.tables import BEHAVIORS, VISIT_PAUSE

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
TIE_BREAK = ("timestamp", "item_id", "behavior")
"""Order of a user's actions; actions of one second are ordered by item and behaviour, so that every run agrees."""


class BehaviourError(ValueError):
    """An argument of a behaviour helper is wrong; the message names it, its value and the cure."""


def check_choice(name: str, value: str, allowed: tuple[str, ...] | list[str]) -> None:
    """Refuse a word that is not one of `allowed`.

    >>> check_choice("unit", "basket", ("user", "visit"))
    Traceback (most recent call last):
    helpers.behaviour.sessions.BehaviourError: unit 'basket' is not known; take one of: user, visit
    """
    if value not in allowed:
        raise BehaviourError(f"{name} {value!r} is not known; take one of: {', '.join(allowed)}")


def check_positive(name: str, value: float) -> None:
    """Refuse a length that is not above zero.

    >>> check_positive("session_minutes", 0)
    Traceback (most recent call last):
    helpers.behaviour.sessions.BehaviourError: session_minutes 0 is not above zero; give a positive number
    """
    if not value > 0:
        raise BehaviourError(f"{name} {value!r} is not above zero; give a positive number")


def add_visits(events: ir.Table, *, session_minutes: float = 30) -> ir.Table:
    """Number each user's visits 1, 2, 3, …: a new one begins after more than `session_minutes` without an action.

    Parameters
    ----------
    events : ibis Table
        One row an action, at least `user_id`, `item_id`, `behavior`, `timestamp` (epoch seconds).
    session_minutes : float
        Longest pause inside a visit, minutes, above 0. A pause of exactly that length does not end a visit.

    Returns
    -------
    ibis Table
        The same rows with `visit` (1, 2, … within a user) and `begins` (1 in the first action of a visit, else 0).
        Visits of 30 minutes are taken from the log itself where intake has stored them.

    Raises
    ------
    BehaviourError
        `session_minutes` is not above zero.

    References
    ----------
    The 30-minute rule is a convention of web analytics: catledge1995 measured 25.5 minutes.

    Examples
    --------
    >>> import pandas as pd
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": 1, "item_id": 5, "behavior": "pv", "timestamp": [0, 1800, 3601]}))
    >>> add_visits(log).order_by("timestamp").execute()["visit"].tolist()
    [1, 1, 2]
    """
    marked = mark_begins(events, session_minutes=session_minutes)
    if "visit" in events.columns and session_minutes * 60 == VISIT_PAUSE:
        return marked
    return marked.mutate(visit=marked.begins.sum().over(SO_FAR).cast("int32"))


# by range, so that all actions of one second belong to one visit, whichever of them begins it
SO_FAR = ibis.window(group_by="user_id", order_by="timestamp", range=(None, 0))


def mark_begins(events: ir.Table, *, session_minutes: float = 30) -> ir.Table:
    """The same rows with `begins`: 1 in the first action of a visit, else 0; the visits are its sums over `SO_FAR`."""
    check_positive("session_minutes", session_minutes)
    if "pause" in events.columns:
        pause = events.pause
    else:
        order = ibis.window(group_by="user_id", order_by=TIE_BREAK)
        pause = events.timestamp - events.timestamp.lag().over(order)
    return events.mutate(begins=(pause.isnull() | (pause > session_minutes * 60)).cast("int64"))


def count_behaviors(table: ir.Table) -> dict[str, ir.IntegerScalar]:
    """For `aggregate`: the number of views, favourites, carts and purchases."""
    return {b: table.count(where=table.behavior == b) for b in BEHAVIORS}


def hide_small(
    table: pd.DataFrame,
    *,
    count: str,
    min_cell: int,
    values: list[str],
    by: str | None = None,
    additive: bool = False,
) -> pd.DataFrame:
    """`privacy.suppress` without its column of reasons, and with plain numbers, ready for a chart.

    >>> hide_small(pd.DataFrame({"users": [30, 3], "rate": [0.5, 1.0]}), count="users", min_cell=10, values=["rate"])
       users  rate
    0     30   0.5
    1   None   NaN
    """
    if table.empty or min_cell <= 1:
        return table
    hidden = suppress(table, count=count, min_cell=min_cell, values=values, by=by, additive=additive)
    plain = {c: _plain(hidden[c], table[c]) for c in [count, *values]}
    return hidden.drop(columns=HIDDEN).assign(**plain)


def _plain(hidden: pd.Series, before: pd.Series) -> pd.Series:
    """Whole numbers stay whole beside what is missing (None); charts know plain numbers and None only."""
    if not hidden.isna().any() or not pd.api.types.is_integer_dtype(before):
        return hidden.astype(before.dtype)
    return pd.Series([None if v is pd.NA else int(v) for v in hidden], index=before.index, dtype="object")
