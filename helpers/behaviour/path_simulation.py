"""Visits whose transition matrix is known: two kinds of users, each a Markov chain from start to exit."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.paths import FROM, MOVES, TO, transitions
from helpers.engine import as_table
from helpers.intervals import add_rate, wilson
from helpers.tables import BEHAVIORS

BROWSERS = ((0.90, 0.05, 0.05, 0.00), (0.60, 0.06, 0.04, 0.01, 0.29), (0.55, 0.10, 0.05, 0.01, 0.29),
            (0.50, 0.05, 0.10, 0.05, 0.30), (0.30, 0.05, 0.05, 0.10, 0.50))  # fmt: skip
"""Chances of the next state, one row a state (start, pv, fav, cart, buy); start cannot lead to the exit."""
BUYERS = ((0.75, 0.05, 0.15, 0.05), (0.40, 0.05, 0.20, 0.10, 0.25), (0.40, 0.10, 0.20, 0.10, 0.20),
          (0.30, 0.05, 0.15, 0.30, 0.20), (0.20, 0.05, 0.10, 0.15, 0.50))  # fmt: skip
LOWEST_CHANCE = 0.01
MOST_STEPS = 200


def chances(rows: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """The 5 × 5 matrix of one kind of user: from (start … buy) × to (pv … exit)."""
    return np.array([[*rows[0], 0.0], *rows[1:]])


def expected_moves(matrix: np.ndarray) -> np.ndarray:
    """The mean number of each move in a visit, by linear algebra.

    With Q the part of the matrix between the four behaviours and s the row of the start: each behaviour is entered
    s (I − Q)⁻¹ times in the mean.

    >>> bool(np.isclose(expected_moves(chances(BROWSERS))[:, 4].sum(), 1))  # a visit has one exit
    True
    """
    entered = matrix[0, :4] @ np.linalg.inv(np.eye(4) - matrix[1:, :4])
    return np.append(1.0, entered)[:, None] * matrix


def true_rates(*, buyers_share: float = 0.5) -> pd.DataFrame:
    """The transition matrix of all visits together: means of moves first, their ratio then.

    Returns
    -------
    DataFrame
        `from, to, truth_rate`, in the order of `paths.MOVES`.
    """
    mean = (1 - buyers_share) * expected_moves(chances(BROWSERS)) + buyers_share * expected_moves(chances(BUYERS))
    rates = mean / mean.sum(axis=1, keepdims=True)
    rows = [(a, b, float(rates[FROM.index(a), TO.index(b)])) for a, b in MOVES]
    return pd.DataFrame(rows, columns=["from", "to", "truth_rate"])


def simulated_visits(
    *, users: int = 400, mean_visits: float = 4, buyers_share: float = 0.5, seed: int = 23
) -> tuple[np.ndarray, np.ndarray]:
    """Each visit's user, and its states step by step (1 … 4, then 5 for the exit and all after it)."""
    rng = np.random.default_rng(seed)
    kind = (rng.random(users) < buyers_share).astype(int)
    user = np.repeat(np.arange(users), 1 + rng.poisson(mean_visits - 1, users))
    ladder = np.stack([np.cumsum(chances(rows), axis=1) for rows in (BROWSERS, BUYERS)])
    state, steps = np.zeros(len(user), int), []
    for _ in range(MOST_STEPS):
        inside = state < 5
        if not inside.any():
            break
        chance = rng.random(len(user))
        bounds = ladder[kind[user], np.where(inside, state, 0)]
        state = np.where(inside, 1 + (chance[:, None] > bounds[:, :4]).sum(axis=1), 5)
        steps.append(state)
    return user, np.column_stack([*steps, np.full(len(user), 5)])


def simulated_log(*, seed: int = 23, shuffle: bool = False, **options: float) -> ir.Table:
    """A log of `simulated_visits`: one action a minute, one visit a day, another item with each action.

    Parameters
    ----------
    seed : int
        Seed of the visits.
    shuffle : bool
        True: the actions of each visit in random order, so that nothing follows from anything.
    **options
        As in `simulated_visits`.

    Returns
    -------
    ibis Table
        `user_id, item_id, category_id, behavior, timestamp, day, hour`; day 0 is 1970-01-01.
    """
    user, states = simulated_visits(seed=seed, **options)
    visit, step = np.nonzero(states < 5)
    state = states[visit, step]
    if shuffle:
        order = np.lexsort((np.random.default_rng(seed).random(len(visit)), visit))
        state = state[order]
    day = pd.Series(user).groupby(user).cumcount().to_numpy()[visit]
    log = pd.DataFrame({"user_id": user[visit], "item_id": np.arange(len(visit)), "category_id": 1})
    log["behavior"] = np.array(["", *BEHAVIORS])[state]
    moment = pd.to_datetime(day * 86_400 + 36_000 + 60 * step, unit="s")
    return as_table(log.assign(timestamp=day * 86_400 + 36_000 + 60 * step, day=moment.normalize(), hour=moment.hour))


def simulated_moves(user: np.ndarray, states: np.ndarray) -> pd.DataFrame:
    """What `paths.user_moves` says of such visits, counted without a log."""
    states = np.column_stack([np.zeros(len(states), int), states])
    here, after = states[:, :-1], states[:, 1:]
    code = (user[:, None] * 6 + here) * 6 + after
    users = int(user.max()) + 1
    counts = np.bincount(code[here < 5], minlength=users * 36).reshape(users, 6, 6)
    cells = {f"{a} > {b}": counts[:, FROM.index(a), 1 + TO.index(b)] for a, b in MOVES}
    return pd.DataFrame(cells, index=pd.RangeIndex(len(counts), name="user_id"))


def coverage(*, runs: int = 100, users: int = 400, mean_visits: float = 4, seed: int = 23) -> pd.DataFrame:
    """How often the intervals of the transition matrix hold the truth, by users and by single moves.

    Moves with a true rate below 1 % are left out: of so few no interval of this kind can be exact.

    Parameters
    ----------
    runs : int
        Number of simulated logs, 1 or more; seeds `seed`, `seed` + 1, …
    users, mean_visits
        Size of each log.

    Returns
    -------
    DataFrame
        `from, to, truth_rate, mean_rate, covered_rate` with its Wilson interval, and `naive_rate`: how often a Wilson
        interval that takes all moves as independent holds the truth.
    """
    truth = true_rates()
    found = []
    for run in range(runs):
        moves = simulated_moves(*simulated_visits(users=users, mean_visits=mean_visits, seed=seed + run))
        table = transitions(moves)
        low, high = wilson(table.moves, table["of"])
        inside = table.move_rate_ci_low.le(truth.truth_rate) & truth.truth_rate.le(table.move_rate_ci_high)
        naive = (low <= truth.truth_rate) & (truth.truth_rate <= high)
        found.append(np.column_stack([table.move_rate, inside, naive]).astype(float))
    mean = np.mean(found, axis=0)
    table = truth.assign(mean_rate=mean[:, 0], x=np.rint(mean[:, 1] * runs), n=runs, naive_rate=mean[:, 2])
    table = add_rate(table, successes="x", trials="n", name="covered_rate").drop(columns=["x", "n"])
    return table[table.truth_rate >= LOWEST_CHANCE].reset_index(drop=True)
