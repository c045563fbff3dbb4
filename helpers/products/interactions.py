"""Who did what with which thing, and when: from the log to histories and to what was taken later, split in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from helpers.engine import as_table, hold
from helpers.products.recommenders import Histories, RecommendationError
from helpers.tables import BEHAVIORS

LEVELS = ("category", "item")
OUTSIDE, UNSEEN = -1, -2
"""Places of things that are too rare for the catalogue, and of things not seen before the test."""
WEIGHTS = {"pv": 1.0, "fav": 2.0, "cart": 3.0, "buy": 4.0}


@dataclass(frozen=True)
class Split:
    """Three parts of the days: learning, validation (from `valid` on), test (from `cut` on)."""

    first: date
    valid: date
    cut: date
    last: date
    recent_days: int

    def recent(self, moment: date) -> date:
        """First of the last `recent_days` days before a moment."""
        return moment - timedelta(days=self.recent_days)

    @property
    def bounds(self) -> list[date]:
        """The days at which a slice of the log begins, the first slice aside."""
        return sorted({self.valid, self.cut, self.recent(self.valid), self.recent(self.cut)})

    def slices_before(self, moment: date) -> int:
        """Number of slices that end before a moment (one of the bounds)."""
        return self.bounds.index(moment) + 1

    def part(self, day: date) -> str:
        """learning, validation or test."""
        return "learning" if day < self.valid else "validation" if day < self.cut else "test"


def time_split(first: date, last: date, *, share: float, recent_days: int = 14) -> Split:
    """The last `share` of the days for the test, as many before them for validation, the rest for learning.

    Test and validation get at least one day each. In a log of one or two days there is nothing left to learn from.

    >>> time_split(date(2017, 11, 1), date(2017, 11, 10), share=0.2).cut
    datetime.date(2017, 11, 9)
    """
    if not 0 < share < 0.5:
        raise RecommendationError(f"share={share!r}: give a share of the days above 0 and below 0.5, such as 0.15")
    days = max(1, math.ceil(round(((last - first).days + 1) * share, 9)))
    cut = date(last.year, last.month, last.day) - timedelta(days=days - 1)
    start = date(first.year, first.month, first.day)
    return Split(start, cut - timedelta(days=days), cut, date(last.year, last.month, last.day), recent_days)


def counted(events: ir.Table, *, split: Split, level: str = "category", target: str = "buy") -> ir.Table:
    """The log as counts, held: one pass over the events, and all that follows reads the result.

    Parameters
    ----------
    events : ibis Table
        The log, with `day`.
    split : Split
        Its bounds make the slices.
    level : str
        What is recommended: category or item.
    target : str
        The behaviour to foresee: buy, cart, fav or pv.

    Returns
    -------
    ibis Table
        One row a user, thing, behaviour and slice (0…; and day, for the target only): user_id, thing_id, category_id,
        behavior, slice, day, n (events).
    """
    for name, value, allowed in (("level", level, LEVELS), ("target", target, BEHAVIORS)):
        if value not in allowed:
            raise RecommendationError(f"{name}={value!r} is not known; take one of {', '.join(allowed)}")
    day = events.day.cast("date")
    place = ibis.literal(0, type="int64")
    for bound in split.bounds:
        place = place + (day >= ibis.literal(bound)).cast("int64")
    own = events.select(
        "user_id", "category_id", "behavior", thing_id=events[f"{level}_id"], slice=place,
        day=(events.behavior == target).ifelse(day, ibis.null("date")),
    )  # fmt: skip
    keys = ["user_id", "thing_id", "behavior", "slice", "day"]
    return hold(own.group_by(keys).agg(n=own.count(), category_id=own.category_id.min()))


@dataclass(frozen=True)
class Log:
    """The counts as numbers: users and things are places in `users` and `things`.

    `rows` has user, thing (below 0: outside the catalogue), behavior (place in BEHAVIORS), slice, day, n. The catalogue
    holds the things with the most users before the test; `all_things` counts all seen before it; `all_users` counts
    users before a large log was sampled.
    """

    rows: pd.DataFrame
    users: np.ndarray
    things: np.ndarray
    category: np.ndarray
    split: Split
    target: str
    all_things: int
    all_users: int


def read(
    table: ir.Table, *, split: Split, target: str, most_things: int = 3_000, most_users: int = 50_000, seed: int = 1
) -> Log:
    """Pull the counts of the most frequent things; of the others only what was taken of them.

    Parameters
    ----------
    table : ibis Table
        As `counted` gives it.
    most_things : int
        Size of the catalogue: the things with the most users before the test.
    most_users : int
        Above this a seeded sample of users is taken.
    """
    ids = np.sort(table.select("user_id").distinct().to_pandas()["user_id"].to_numpy())
    all_users = len(ids)
    if all_users > most_users:
        ids = np.sort(np.random.default_rng(seed).choice(ids, most_users, replace=False))
        table = table.semi_join(as_table(pd.DataFrame({"user_id": ids})), "user_id")
    before = table.filter(table.slice < split.slices_before(split.cut))
    held = before.group_by("thing_id").agg(users=before.user_id.nunique(), category=before.category_id.min())
    order = [held.users.desc(), held.thing_id.asc()]
    held = hold(held.mutate(place=ibis.row_number().over(ibis.window(order_by=order))))
    joined = table.left_join(held.select("thing_id", "place"), "thing_id").drop("thing_id_right")
    thing = ibis.ifelse(joined.place >= most_things, OUTSIDE, joined.place).fill_null(UNSEEN)
    kept = joined.mutate(thing=thing).drop("place")
    kept = kept.filter((kept.thing >= 0) | (kept.behavior == target))
    words = sorted(BEHAVIORS)  # as numbers: millions of words would be dear in pandas
    kept = kept.mutate(behavior=kept.behavior.cases(*zip(words, range(len(words)), strict=True)).cast("int8"))
    rows = kept.order_by("user_id", "thing_id", "behavior", "slice", "day").to_pyarrow().to_pandas()
    rows["behavior"] = np.array([BEHAVIORS.index(b) for b in words], "int8")[rows["behavior"].to_numpy(int)]
    rows["user"] = np.searchsorted(ids, rows["user_id"].to_numpy()) if len(rows) else np.zeros(0, int)
    frequent = held.filter(held.place < most_things).order_by("place").to_pandas()
    things, category = frequent["thing_id"].to_numpy(), frequent["category"].to_numpy()
    all_things = int(held.count().execute())
    return Log(rows, ids, things, category, split, target, all_things, all_users)


@dataclass(frozen=True)
class Trial:
    """What is known at a moment, and what was taken after it.

    `relevant` marks the things of the catalogue that each customer took after the moment; `elsewhere` counts those from
    outside the catalogue: misses for every recommender. `popular` and `recent` count the customers who took each thing
    before, at all and in the last days; `holders` those who did anything with it. `baskets` are the customer-days with
    their things; `active` counts each customer's events before.
    """

    histories: Histories
    relevant: csr_matrix
    elsewhere: np.ndarray
    popular: np.ndarray
    recent: np.ndarray
    holders: np.ndarray
    baskets: pd.DataFrame
    active: np.ndarray
    repeats: str = "allow"

    @property
    def things(self) -> int:
        """Size of the catalogue."""
        return len(self.popular)

    @property
    def judged(self) -> np.ndarray:
        """The customers who took something after the moment: whom a recommendation can help."""
        return np.flatnonzero(self.taken > 0)

    @property
    def taken(self) -> np.ndarray:
        """Number of things that each customer took after the moment."""
        return np.asarray(self.relevant.sum(axis=1)).ravel().astype(int) + self.elsewhere


def trial(log: Log, *, moment: str = "test", weights: dict[str, float] | None = None, repeats: str = "allow") -> Trial:
    r"""Histories before a moment and what was taken after it.

    $$x_{ui} = \ln\left(1 + \sum_b w_b\, n_{uib}\right)$$

    Parameters
    ----------
    log : Log
        As `read` gives it.
    moment : str
        test: all days before the test, against the test. validation: the learning days, against the validation days.
    weights : dict, optional
        Behaviour → w, 0 or more; by default pv 1, fav 2, cart 3, buy 4.
    repeats : str
        allow: what was taken before may be recommended, and counts when taken again. new: neither.

    Returns
    -------
    Trial
    """
    begins, ends = (log.split.cut, None) if moment == "test" else (log.split.valid, log.split.cut)
    place, rows = log.rows["slice"], log.rows
    after = place >= log.split.slices_before(begins)
    if ends is not None:
        after &= place < log.split.slices_before(ends)
    before = place < log.split.slices_before(begins)
    late = place >= log.split.slices_before(log.split.recent(begins))
    return _trial(log, rows[before], rows[before & late], rows[after], weights or WEIGHTS, repeats)


def random_trial(
    log: Log, *, share: float, seed: int, weights: dict[str, float] | None = None, repeats: str = "allow"
) -> Trial:
    """The usual mistake: rows are held back at random, so that histories know the future and the day itself.

    Parameters
    ----------
    share : float
        Share of the rows (customer, thing, behaviour and slice or day) that are held back.
    """
    held = np.random.default_rng(seed).random(len(log.rows)) < share
    late = log.rows["slice"] >= log.split.slices_before(log.split.recent(log.split.cut))
    rows = log.rows
    return _trial(log, rows[~held], rows[~held & late], rows[held], weights or WEIGHTS, repeats)


def _trial(
    log: Log, before: pd.DataFrame, late: pd.DataFrame, after: pd.DataFrame, weights: dict, repeats: str
) -> Trial:
    if set(weights) != set(BEHAVIORS) or min(weights.values()) < 0:
        raise RecommendationError(f"weights={weights!r}: give a number of 0 or more for each of {', '.join(BEHAVIORS)}")
    if repeats not in ("allow", "new"):
        raise RecommendationError(f"repeats={repeats!r} is not known; take allow or new")
    target = BEHAVIORS.index(log.target)
    known = before[before["thing"] >= 0]
    strength = _matrix(log, known, known["n"] * np.array([weights[b] for b in BEHAVIORS], float)[known["behavior"]])
    strength.eliminate_zeros()
    bought = _marks(log, known[known["behavior"] == target])
    taken = after[after["behavior"] == target]
    relevant = _marks(log, taken[taken["thing"] >= 0])
    if repeats == "new":
        relevant = (relevant.astype(np.int8) - relevant.multiply(bought).astype(np.int8)).astype(bool).tocsr()
        relevant.eliminate_zeros()
    outside = taken[taken["thing"] < 0].drop_duplicates(["user", "thing_id"])
    return Trial(
        histories=Histories(strength.log1p(), bought, np.arange(len(log.users))),
        relevant=relevant,
        elsewhere=np.bincount(outside["user"], minlength=len(log.users)),
        popular=_column_counts(bought),
        recent=_column_counts(_marks(log, late[(late["behavior"] == target) & (late["thing"] >= 0)])),
        holders=_column_counts(_marks(log, known)),
        baskets=_baskets(known[known["behavior"] == target]),
        active=np.bincount(before["user"], before["n"], len(log.users)).astype(int),
        repeats=repeats,
    )


def _matrix(log: Log, rows: pd.DataFrame, values: pd.Series) -> csr_matrix:
    cells = (values.to_numpy(float), (rows["user"].to_numpy(int), rows["thing"].to_numpy(int)))
    return csr_matrix(cells, shape=(len(log.users), len(log.things)))


def _marks(log: Log, rows: pd.DataFrame) -> csr_matrix:
    return _matrix(log, rows, rows["n"]).astype(bool)


def _column_counts(matrix: csr_matrix) -> np.ndarray:
    return np.asarray(matrix.sum(axis=0)).ravel().astype(int)


def _baskets(rows: pd.DataFrame) -> pd.DataFrame:
    """One basket a customer and day: basket_id, item (the thing's number)."""
    pairs = rows.drop_duplicates(["user", "day", "thing"])
    basket = pairs.groupby(["user", "day"], sort=True).ngroup() if len(pairs) else pd.Series(dtype="int64")
    return pd.DataFrame({"basket_id": basket.to_numpy(), "item": pairs["thing"].to_numpy()})


def only(trial: Trial, users: np.ndarray) -> Trial:
    """The trial with the judged customers limited to some (the histories of all stay)."""
    keep = np.zeros(len(trial.active), bool)
    keep[users] = True
    relevant = csr_matrix(trial.relevant.multiply(keep[:, None]))
    return replace(trial, relevant=relevant, elsewhere=np.where(keep, trial.elsewhere, 0))
