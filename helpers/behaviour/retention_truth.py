"""Retention against the truth: the share of users who have not left, in the demo shop and in simulated logs."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.retention import UserDays, cover, starts
from helpers.engine import as_table
from helpers.findings import missing


def true_last_days(truth: pd.DataFrame, users: pd.Series, *, start_epoch: int) -> np.ndarray:
    """The day of the log on which each user truly left, day 0 being the first; missing: never.

    >>> truth = pd.DataFrame({"user_id": [1, 2], "left_at": [90_000, None]})
    >>> true_last_days(truth, pd.Series([2, 1]), start_epoch=0)
    array([nan,  1.])
    """
    left = pd.to_numeric(truth.set_index("user_id").left_at).reindex(users)
    return ((left - start_epoch) // 86_400).to_numpy(float)


def alive(
    found: UserDays, truth: pd.DataFrame, *, start_epoch: int, start_event: str = "any", who: str = "new"
) -> pd.DataFrame:
    """The true share of a cohort that has not left n days after its start: what retention is taken for.

    alive(n) = users who had not left by day start + n / users whose day start + n lies in the log; 0…1. The users are
    those of `classic`.

    Parameters
    ----------
    found, start_event, who
        As in `returns`.
    truth : DataFrame
        One row a user: `user_id`, `left_at` (epoch seconds; missing: never).
    start_epoch : int
        First second of the window.

    Returns
    -------
    DataFrame
        `n, users, alive, alive_rate`, n = 1, 2, …; empty with a reason without a truth.
    """
    columns = ["n", "users", "alive", "alive_rate"]
    if "left_at" not in truth:
        return missing(columns, truth.attrs.get("reason", "the truth holds no left_at"))
    begun = starts(found, start_event=start_event, who=who).execute()
    if begun.empty or (found.reason and who == "new"):
        return missing(columns, found.reason or "nobody started")
    left = true_last_days(truth, begun.user_id, start_epoch=start_epoch)
    last = found.days - 1 - begun.start.to_numpy()
    stayed = np.fmin(left - begun.start.to_numpy(), last).astype("int64")
    zero, one = 0 * last, np.ones(len(last))
    counts = {"users": cover(zero, last, one, found.days), "alive": cover(zero, stayed, one, found.days)}
    table = pd.DataFrame({"n": np.arange(found.days), **counts}).query("n > 0 and users > 0").reset_index(drop=True)
    return table.assign(alive_rate=table.alive / table.users)


def against_truth(curves: pd.DataFrame, alive: pd.DataFrame, *, at: tuple[int, ...] = ()) -> pd.DataFrame:
    """Each kind of retention beside the true share that has not left.

    Parameters
    ----------
    curves : DataFrame
        From `curves`.
    alive : DataFrame
        From `alive`, for the same start event and users.
    at : tuple of int
        The n to keep; by default all.

    Returns
    -------
    DataFrame
        `n`, `users` (who could be observed on day n), one column a kind, such as `classic_rate`, and `not_left_rate`
        (the truth), by n.
    """
    if curves.empty or alive.empty:
        reason = (alive if alive.empty else curves).attrs.get("reason", "no curve")
        return missing(["n", "users", "not_left_rate"], reason)
    table = curves.pivot(index="n", columns="kind", values="retention_rate").astype(float)
    table.columns = [f"{c.replace(' ', '_')}_rate" for c in table]
    table = alive[["n", "users"]].merge(table.reset_index(), on="n").merge(alive[["n", "alive_rate"]], on="n")
    table = table.rename(columns={"alive_rate": "not_left_rate"})
    return table[table.n.isin(at)].reset_index(drop=True) if at else table


def long(table: pd.DataFrame) -> pd.DataFrame:
    """`against_truth` as a picture wants it: `n`, `kind`, `rate`; the truth is called 'truly not left'."""
    if table.empty:
        return missing(["n", "kind", "rate"], table.attrs.get("reason", "no rows"))
    found = table.drop(columns="users").melt(id_vars="n", var_name="kind", value_name="rate").dropna(subset=["rate"])
    kind = found.kind.str.removesuffix("_rate").str.replace("_", " ").replace("not left", "truly not left")
    return found.assign(kind=kind).reset_index(drop=True)


def simulated_log(
    *, users: int = 3_000, days: int = 60, active_rate: float = 0.3, leave_rate: float = 0.02, seed: int = 22
) -> tuple[ir.Table, tuple[pd.Timestamp, pd.Timestamp]]:
    """A log whose retention is known: users who come with a fixed chance each day until they leave for good.

    Each starts on a day drawn evenly from the window. On every later day he leaves with chance `leave_rate`; who has
    not left is active with chance `active_rate`.

    Returns
    -------
    (ibis Table, window)
        A log with `user_id, behavior, day`, and its first and last day.
    """
    rng = np.random.default_rng(seed)
    start, stay = rng.integers(0, days, users), rng.geometric(leave_rate, users)
    age = np.arange(days) - start[:, None]
    active = (age == 0) | ((age > 0) & (age < stay[:, None]) & (rng.random((users, days)) < active_rate))
    person, day = np.nonzero(active)
    first = pd.Timestamp("2017-01-01")
    log = pd.DataFrame({"user_id": person, "behavior": "pv", "day": first + pd.to_timedelta(day, unit="D")})
    return as_table(log), (first, first + pd.Timedelta(days=days - 1))


def simulated_truth(
    n: int | pd.Series, *, follow_days: int | None = 1, active_rate: float = 0.3, leave_rate: float = 0.02
) -> float | pd.Series:
    """The true retention of `simulated_log`.

    With p the chance to be active and q the chance to leave: alive on day n is (1 − q)^n, active on it p · (1 − q)^n,
    active on one of H days from n on (1 − q)^n · g(H), where g(1) = p and g(H) = p + (1 − p)(1 − q) · g(H − 1).

    Parameters
    ----------
    n : int
        Days since the start.
    follow_days : int, optional
        H; 1 is classic retention, None the share not yet gone.

    >>> [round(simulated_truth(7, follow_days=h), 4) for h in (1, 28, None)]
    [0.2604, 0.8294, 0.8681]
    """
    alive = (1 - leave_rate) ** n
    if follow_days is None:
        return alive
    seen = 0.0
    for _ in range(follow_days):
        seen = active_rate + (1 - active_rate) * (1 - leave_rate) * seen
    return alive * seen
