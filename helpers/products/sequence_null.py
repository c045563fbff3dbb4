"""Is it the order, or only the goods? Patterns in time against the same baskets in a random order.

Westfall & Young (1993) for the maximum over all patterns, Phipson & Smyth (2010) for p-values from permutations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from helpers.products.prefixspan import (
    MOST_PATTERNS,
    Occurrences,
    SequenceError,
    TooManyPatterns,
    counted,
    decoded,
    parts,
)
from helpers.products.prefixspan import shuffled as shuffle
from helpers.products.rules import adjusted, exact

CORRECTIONS = ("max_t", "bh", "none")
TESTED_COLUMNS = [
    "pattern", "length", "count", "users", "support", "expected", "order_lift", "excess",
    "p_value", "p_adjusted", "significant", "p_adds", "adds",
]  # fmt: skip
RUN_COLUMNS = ["run", "patterns", "passing", "significant", "highest_excess"]


@dataclass(frozen=True)
class OrderTest:
    """`patterns`: one row a pattern of the real order. `runs`: one row an order; 0 is the real one."""

    patterns: pd.DataFrame
    runs: pd.DataFrame


def order_test(
    log: Occurrences,
    *,
    min_count: int,
    max_gap: int | None = None,
    max_window: int | None = None,
    max_length: int = 3,
    repeats: bool = False,
    shuffles: int = 39,
    seed: int = 41,
    alpha: float = 0.05,
    correction: str = "max_t",
) -> OrderTest:
    r"""Which patterns are followed more often in time order than in a random order of everybody's own baskets?

    The null: the order of a person's baskets means nothing. Shuffles keep people, times and baskets. $c_{pr}$ people
    follow pattern p in order r; r = 0 is the real one, 1…R are shuffled. $m_p$ is the mean of $c_{pr}$ over all R + 1.

    order lift = $c_{p0}$ / mean over the shuffles, from 0; 1: the order means nothing.
    excess $z_{pr} = 2(\sqrt{c_{pr}} - \sqrt{m_p})$, about standard deviations; only where $c_{pr} \ge$ `min_count`.
    p_value = (1 + number of shuffles with $c_{pr} \ge c_{p0}$) / (R + 1).
    p_adjusted (max_t) = L (1 + number of shuffles with $\max_q z_{qr} \ge z_{p0}$) / (R + 1), at most 1, with q all
    patterns of the same length and L the number of lengths, `max_length` − 1.

    All orders are alike under the null, and the search takes part in each: so p_adjusted holds for everything that the
    search could have found (Westfall & Young 1993). Each length gets an equal part of alpha (Webb 2008).

    Parameters
    ----------
    log : Occurrences
        See `prefixspan.occurrences`.
    min_count, max_gap, max_window, max_length, repeats
        As in `prefixspan.chains`.
    shuffles : int
        R, 1 or more. The smallest adjusted p is L/(R + 1): see `enough_shuffles`. For `bh` take far more.
    seed : int
        Start of the random numbers.
    alpha : float
        max_t: accepted chance of any false pattern. bh: accepted mean share of false ones.
    correction : str
        max_t, bh (over all patterns that were frequent in any order) or none.

    Returns
    -------
    OrderTest
        `patterns`: pattern, length (2 or more), count, users, support, expected (mean over the shuffles), order_lift
        (missing where no shuffle has a follower), excess, p_value, p_adjusted, significant, p_adds, adds (see below);
        by falling excess. `runs`: run, patterns (frequent ones), passing (p_value ≤ alpha), significant (p_adjusted ≤
        alpha), highest_excess (missing without patterns).

    Raises
    ------
    SequenceError
        An unknown correction or fewer than one shuffle. TooManyPatterns, as in `chains`.

    Notes
    -----
    A longer pattern must add something to each of its parts with one item less: a larger share of the part's followers
    than in the shuffles, by an exact hypergeometric test; p_adds is the worst over the parts, Holm over all longer
    patterns that hold a significant one. Pairs always add.

    References
    ----------
    Westfall & Young (1993): westfall1993. Phipson & Smyth (2010): phipson2010.
    """
    if correction not in CORRECTIONS or shuffles < 1:
        raise SequenceError(
            f"correction={correction!r}, shuffles={shuffles}: take one of {', '.join(CORRECTIONS)}, and 1 or more"
        )
    how = {"max_gap": max_gap, "max_window": max_window, "max_length": max_length, "repeats": repeats}
    if not log.items:
        return OrderTest(pd.DataFrame(columns=TESTED_COLUMNS), pd.DataFrame(columns=RUN_COLUMNS))
    lengths, codes, counts = _everywhere(log, min_count, shuffles, seed, how)
    excess = 2 * (np.sqrt(counts) - np.sqrt(counts.mean(axis=0)))
    excess = np.where(counts >= min_count, excess, -np.inf)
    p, p_adjusted = _p_values(lengths, counts, excess, correction, max_length)
    runs = _runs(counts, excess, p, p_adjusted, min_count, alpha)
    table = _tested(log, lengths, codes, counts).assign(
        excess=excess[0], p_value=p[0], p_adjusted=p_adjusted[0], significant=p_adjusted[0] <= alpha
    )
    table = _adding(table, counts, alpha)[counts[0] >= min_count]
    order = ["excess", "count", "pattern"]
    table = table.sort_values(order, ascending=[False, False, True], kind="stable", ignore_index=True)
    return OrderTest(table[TESTED_COLUMNS], runs)


def enough_shuffles(*, alpha: float, max_length: int, correction: str = "max_t") -> int:
    """The fewest shuffles with which a pattern can pass at all; for `bh`, when a tenth of all patterns are real.

    >>> enough_shuffles(alpha=0.05, max_length=3)
    39
    """
    if not 0 < alpha < 1 or max_length < 2:
        raise SequenceError(f"alpha={alpha}, max_length={max_length}: give 0 < alpha < 1, and 2 or more")
    layers = {"max_t": max_length - 1, "bh": 10, "none": 1}[correction]
    return math.ceil(Fraction(layers) / exact(alpha, name="alpha")) - 1


def _orders(log: Occurrences, shuffles: int, seed: int) -> Iterator[Occurrences]:
    yield log
    yield from (shuffle(log, seed=[seed, r]) for r in range(1, shuffles + 1))


def _everywhere(
    log: Occurrences, min_count: int, shuffles: int, seed: int, how: dict
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The patterns that are frequent in any order, and how often each is followed in every order (rows: orders).

    Two rounds: what is frequent in one order has to be counted in the others, too.
    """
    wanted: dict[int, np.ndarray] = {}
    for order in _orders(log, shuffles, seed):
        for length, codes, _ in counted(order, keep=lambda _, __, n: n >= min_count, **how):
            wanted[length] = np.union1d(wanted.get(length, codes), codes)
        if sum(map(len, wanted.values())) > MOST_PATTERNS:
            raise TooManyPatterns(f"more than {MOST_PATTERNS:,} sequences; raise min_support or lower max_length")
    longer = sorted(k for k in wanted if k > 1)
    counts = {k: np.zeros((shuffles + 1, len(wanted[k])), np.int64) for k in longer}
    for row, order in enumerate(_orders(log, shuffles, seed)):
        for length, codes, n in counted(order, keep=lambda k, c, _: np.isin(c, wanted.get(k, c[:0])), **how):
            if length > 1:
                counts[length][row, np.searchsorted(wanted[length], codes)] = n
    if not longer:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((shuffles + 1, 0), np.int64)
    lengths = np.concatenate([np.full(len(wanted[k]), k) for k in longer])
    return lengths, np.concatenate([wanted[k] for k in longer]), np.hstack([counts[k] for k in longer])


def _p_values(
    lengths: np.ndarray, counts: np.ndarray, excess: np.ndarray, correction: str, max_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """p and adjusted p of every pattern in every order; each order is compared with all, itself included."""
    total = len(counts)
    p = (total - _rank_below(counts)) / total
    if correction == "none" or not counts.shape[1]:
        return p, np.where(np.isfinite(excess), p, 1.0)
    if correction == "max_t":
        layers = [_max_t(excess[:, lengths == k]) for k in np.unique(lengths)]
        return p, np.minimum(np.hstack(layers) * (max_length - 1), 1.0)
    found = np.isfinite(excess)
    return p, np.stack([adjusted(np.where(f, row, 1.0), correction="bh") for row, f in zip(p, found, strict=True)])


def _max_t(excess: np.ndarray) -> np.ndarray:
    """Share of the orders whose highest excess reaches that of the pattern; patterns of one length."""
    highest = np.sort(excess.max(axis=1))
    return (len(excess) - np.searchsorted(highest, excess - 1e-9)) / len(excess)  # the same sum may differ by rounding


def _rank_below(counts: np.ndarray) -> np.ndarray:
    """How many orders have a smaller count of the same pattern."""
    ordered = np.sort(counts, axis=0)
    columns = [np.searchsorted(ordered[:, k], counts[:, k]) for k in range(counts.shape[1])]
    return np.stack(columns, axis=1) if columns else counts


def _runs(
    counts: np.ndarray, excess: np.ndarray, p: np.ndarray, p_adjusted: np.ndarray, min_count: int, alpha: float
) -> pd.DataFrame:
    found = counts >= min_count
    highest = np.where(found.any(axis=1), excess.max(axis=1, initial=-np.inf), np.nan)
    columns = (np.arange(len(counts)), found.sum(axis=1), (found & (p <= alpha)).sum(axis=1))
    significant = (found & (p_adjusted <= alpha)).sum(axis=1)
    return pd.DataFrame(dict(zip(RUN_COLUMNS, (*columns, significant, highest), strict=True)))


def _tested(log: Occurrences, lengths: np.ndarray, codes: np.ndarray, counts: np.ndarray) -> pd.DataFrame:
    names = [p for k in np.unique(lengths) for p in decoded(codes[lengths == k], int(k), log.items)]
    table = pd.DataFrame({"pattern": pd.Series(names, dtype=object), "length": lengths, "count": counts[0]})
    expected = counts[1:].mean(axis=0)
    lift = np.divide(counts[0], expected, out=np.full(len(codes), np.nan), where=expected > 0)
    shares = {"users": log.users, "support": counts[0] / max(log.users, 1)}
    return table.assign(**shares, expected=expected, order_lift=lift)


def _adding(table: pd.DataFrame, counts: np.ndarray, alpha: float) -> pd.DataFrame:
    """Does a longer pattern beat each part with one item less, beyond what the shuffles show?"""
    place = {pattern: k for k, pattern in enumerate(table["pattern"])}
    real, shuffled = counts[0], counts[1:].sum(axis=0)
    good = np.flatnonzero(table["significant"] & (table["length"] > 2))
    p = np.full(len(table), np.nan)
    for k in good:
        pattern = table["pattern"].iloc[k]
        shorter = [place.get(pattern[:j] + pattern[j + 1 :]) for j in range(len(pattern))]
        p[k] = max(_share_test(real[k], real[s], shuffled[k], shuffled[s]) for s in shorter if s is not None)
    if len(good):
        p[good] = adjusted(p[good], correction="holm", candidates=max(_beside(table), len(good)))
    pair = table["length"].to_numpy() == 2
    return table.assign(p_adds=p, adds=table["significant"] & (pair | (np.nan_to_num(p, nan=1.0) <= alpha)))


def _beside(table: pd.DataFrame) -> int:
    """How many longer patterns hold a significant one: those that could pass only because of their part."""
    significant = set(table.loc[table["significant"], "pattern"])
    return sum(not significant.isdisjoint(parts(p)) for p in table.loc[table["length"] > 2, "pattern"])


def _share_test(k: int, n: int, k_null: int, n_null: int) -> float:
    """P(at least k of n), when the shares of the real and of the shuffled followers are the same."""
    n, n_null = max(n, k), max(n_null, k_null)  # with a gap, a pattern may have more followers than its part
    return float(hypergeom.sf(k - 1, n + n_null, k + k_null, n))
