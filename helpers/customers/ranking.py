"""How well a score puts those who will do something before those who will not (Davis and Goadrich 2006).

All intervals draw users with replacement; the same draws for every score, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers.customers.features_before import IntentError
from helpers.customers.measures import why
from helpers.findings import missing

HAPPENED = "happened"
"""Column of a table of scores that says what happened (0/1); every other column is a score, high = more likely."""


class Ranked:
    """Users sorted by one score, best first; users with equal scores are one step, in no order."""

    def __init__(self, happened: ArrayLike, score: ArrayLike) -> None:
        self.happened, values = checked(happened, score)
        self.order = np.argsort(-values, kind="stable")
        ordered = values[self.order]
        self.ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(values) else np.array([], int)

    def steps(self, weight: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Users, and those for whom it happened, down to the end of each step; `weight` counts each user so often."""
        w = np.ones(len(self.order)) if weight is None else weight
        users = np.cumsum(w[self.order])[self.ends]
        hits = np.cumsum((w * self.happened)[self.order])[self.ends]
        return users, hits

    def average_precision(self, weight: np.ndarray | None = None) -> float:
        """Σ (recall gained at a step) · (precision down to it); missing where it happened to nobody."""
        users, hits = self.steps(weight)
        if not len(hits) or hits[-1] == 0:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        return float(gained @ np.divide(hits, users, out=np.zeros(len(hits)), where=users > 0) / hits[-1])

    def reached(self, top: float, weight: np.ndarray | None = None) -> float:
        """Expected number of hits among the first `top` users, equal scores in random order."""
        users, hits = self.steps(weight)
        return float(np.interp(top, np.append(0.0, users), np.append(0.0, hits)))


def checked(happened: ArrayLike, score: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """What happened and the scores as numbers, of one length, with labels 0 and 1 and finite scores."""
    y, values = np.asarray(happened, float), np.asarray(score, float)
    if y.shape != values.shape or y.ndim != 1:
        raise IntentError(f"happened has {y.size} and score {values.size} values; give one of each a user")
    if not np.isin(y, (0, 1)).all():
        raise IntentError("happened holds something else than 0 and 1; give 1 where it happened, else 0")
    if not np.isfinite(values).all():
        raise IntentError("score holds a missing or infinite value; give every user a number")
    return y, values


def average_precision(happened: ArrayLike, score: ArrayLike) -> float | None:
    """Average precision: the area under the precision–recall curve, as a sum of steps.

    AP = Σ_k (R_k − R_{k−1}) · P_k, where precision P_k is the share of hits among the users down to step k, recall R_k
    the share of all hits found by then, and equal scores are one step. Range 0…1; 1: all hits come first; a score
    without information gets about the base rate.

    Parameters
    ----------
    happened : array of 0/1
        One value a user.
    score : array of float
        One value a user, high = more likely.

    Returns
    -------
    float or None
        None where it happened to nobody.

    Raises
    ------
    IntentError
        Unequal lengths, another label than 0 and 1, or a score that is not finite.

    References
    ----------
    Davis and Goadrich (2006): davis2006.

    Examples
    --------
    Hits at ranks 1 and 3: ½ · 1/1 + ½ · 2/3 = 0.8333.

    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1]), 4)
    0.8333
    >>> average_precision([1, 0, 1, 0], [1, 1, 1, 1])
    0.5
    """
    value = Ranked(happened, score).average_precision()
    return None if np.isnan(value) else value


def precision_recall(scores: pd.DataFrame) -> pd.DataFrame:
    """The precision–recall curve of every score.

    Parameters
    ----------
    scores : DataFrame
        One row a user: `happened` (0/1) and one column a score.

    Returns
    -------
    DataFrame
        score, recall, precision (shares), best users first; up to 60 points a score, without the first few users, whose
        precision is all or nothing.
    """
    columns = ["score", "recall_share", "precision_share"]
    if scores.empty:
        return missing(columns, why(scores))
    parts = []
    for name in _names(scores):
        users, hits = Ranked(scores[HAPPENED], scores[name]).steps()
        grid = np.unique(np.linspace(0, len(users) - 1, 60).round().astype(int))
        grid = grid[(users[grid] >= min(20, users[-1]))]
        values = {"recall_share": hits[grid] / max(hits[-1], 1), "precision_share": hits[grid] / users[grid]}
        parts.append(pd.DataFrame({"score": name, **values}))
    return pd.concat(parts, ignore_index=True)


def _names(scores: pd.DataFrame) -> list[str]:
    return [c for c in scores.columns if c != HAPPENED]


def resample(
    scores: pd.DataFrame, value: Callable[[Ranked, np.ndarray | None], float], *, boots: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """A value of every score on the table, and on `boots` samples of its users: (score), (sample × score)."""
    ranked = [Ranked(scores[HAPPENED], scores[name]) for name in _names(scores)]
    rng, n = np.random.default_rng(seed), len(scores)
    tried = np.empty((boots, len(ranked)))
    for b in range(boots):
        weight = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        tried[b] = [value(r, weight) for r in ranked]
    return np.array([value(r, None) for r in ranked]), tried


def compare(
    scores: pd.DataFrame, *, against: str, boots: int = 500, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Average precision of every score with a bootstrap interval, and its difference to one of them.

    Parameters
    ----------
    scores : DataFrame
        One row a user: `happened` (0/1) and one column a score.
    against : str
        The score that the others must beat, such as the rule.
    boots : int
        Bootstrap samples of the users, ≥ 20.
    level : float
        Level of the percentile intervals, 0…1 exclusive.
    seed : int
        Start of the draws.

    Returns
    -------
    DataFrame
        score, average_precision with _ci_low, _ci_high; difference (to `against`; missing for itself) with its
        _ci_low, _ci_high; in the order of the columns.

    Raises
    ------
    IntentError
        An unknown score or too few samples.

    References
    ----------
    Efron and Tibshirani (1993): efron1993; Davis and Goadrich (2006): davis2006.
    """
    ends = ("", "_ci_low", "_ci_high")
    columns = ["score", *(f"average_precision{e}" for e in ends), *(f"difference{e}" for e in ends)]
    if scores.empty:
        return missing(columns, why(scores))
    names = _names(scores)
    if against not in names:
        raise IntentError(f"against {against!r} is no score of the table; take one of {', '.join(names)}")
    _check_boots(boots, level)
    if not scores[HAPPENED].any():
        return missing(columns, "it happened to nobody")
    found, tried = resample(scores, Ranked.average_precision, boots=boots, seed=seed)
    own = names.index(against)
    rows = []
    for k, name in enumerate(names):
        gap = [np.nan] * 3 if k == own else [found[k] - found[own], *_ends(tried[:, k] - tried[:, own], level)]
        rows.append([name, found[k], *_ends(tried[:, k], level), *gap])
    return pd.DataFrame(rows, columns=columns)


def _check_boots(boots: int, level: float) -> None:
    if boots < 20:
        raise IntentError(f"boots {boots!r}: give 20 or more samples")
    if not 0 < level < 1:
        raise IntentError(f"level {level!r} is not between 0 and 1; take 0.95 for a 95 % interval")


def _ends(values: np.ndarray, level: float) -> list[float]:
    known = values[np.isfinite(values)]
    return np.quantile(known, [(1 - level) / 2, (1 + level) / 2]).tolist() if len(known) else [np.nan, np.nan]


def gain(scores: pd.DataFrame, *, share: float, boots: int = 500, level: float = 0.95, seed: int = 1) -> pd.DataFrame:
    """Gain at capacity: contact the best `share` of the users by each score; how many hits are reached?

    With k = share · n users contacted, 'random' reaches k · (base rate) in the mean. Equal scores at the border are in
    random order, so the number is an expectation.

    Parameters
    ----------
    scores : DataFrame
        One row a user: `happened` (0/1) and one column a score.
    share : float
        Part of the users that can be contacted, 0…1.
    boots, level, seed
        As in `compare`.

    Returns
    -------
    DataFrame
        score ('random' last), contacted (users), reached (hits) with _ci_low, _ci_high, recall_share (of all hits),
        times_random (reached ÷ random).

    Raises
    ------
    IntentError
        A share outside 0…1.

    Examples
    --------
    >>> four = pd.DataFrame({"happened": [1, 0, 1, 0], "a": [4, 3, 2, 1], "b": [1, 1, 1, 1]})
    >>> gain(four, share=0.5, boots=20)[["score", "contacted", "reached"]]
        score  contacted  reached
    0       a          2      1.0
    1       b          2      1.0
    2  random          2      1.0
    """
    columns = ["score", "contacted", "reached", "reached_ci_low", "reached_ci_high", "recall_share", "times_random"]
    if scores.empty:
        return missing(columns, why(scores))
    if not 0 < share <= 1:
        raise IntentError(f"share {share!r}: give a part of the users above 0 and up to 1")
    _check_boots(boots, level)
    k, hits = round(share * len(scores)), int(scores[HAPPENED].sum())
    if not hits or not k:
        return missing(columns, "it happened to nobody" if not hits else "nobody can be contacted")
    even = scores.assign(random=0.0)
    found, tried = resample(even, lambda r, w: r.reached(k, w), boots=boots, seed=seed)
    rows = [
        [name, k, found[j], *_ends(tried[:, j], level), found[j] / hits, found[j] / found[-1]]
        for j, name in enumerate(_names(even))
    ]
    return pd.DataFrame(rows, columns=columns)


def gain_curve(scores: pd.DataFrame, *, points: int = 40) -> pd.DataFrame:
    """Share of all hits reached by the best part of the users: score ('random' last), contacted_share, recall_share."""
    columns = ["score", "contacted_share", "recall_share"]
    if scores.empty or not scores[HAPPENED].any():
        return missing(columns, why(scores) if scores.empty else "it happened to nobody")
    shares, hits = np.linspace(0, 1, points + 1), scores[HAPPENED].sum()
    parts = []
    for name in _names(scores):
        ranked = Ranked(scores[HAPPENED], scores[name])
        reached = [ranked.reached(s * len(scores)) / hits for s in shares]
        parts.append(pd.DataFrame({"score": name, "contacted_share": shares, "recall_share": reached}))
    parts.append(pd.DataFrame({"score": "random", "contacted_share": shares, "recall_share": shares}))
    return pd.concat(parts, ignore_index=True)
