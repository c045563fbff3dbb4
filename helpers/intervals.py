"""Confidence intervals for rates and for their differences (Wilson 1927; Newcombe 1998)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binom, chi2, norm

from helpers.findings import Estimate


class IntervalError(ValueError):
    """Counts or a level that no interval can be made of; the message names the argument and the cure."""


def z_value(level: float) -> float:
    """The normal quantile of a two-sided interval: 1.96 for level 0.95.

    >>> round(z_value(0.95), 4)
    1.96

    Raises
    ------
    IntervalError
        `level` is not between 0 and 1, both exclusive.
    """
    if not 0 < level < 1:
        raise IntervalError(f"level {level!r} is not between 0 and 1; take 0.95 for a 95 % interval")
    return float(norm.ppf(0.5 + level / 2))


def wilson(successes: ArrayLike, trials: ArrayLike, *, level: float = 0.95) -> tuple:
    """The Wilson score interval of a rate.

    (x + z²/2 ± z·√(x(n − x)/n + z²/4)) / (n + z²): always within 0…1, wide when there are few trials, and not of width
    zero at 0 or n successes.

    Parameters
    ----------
    successes, trials : int or array of int
        Counts, 0 ≤ successes ≤ trials; arrays of one shape give arrays.
    level : float
        How often such intervals cover the true rate, 0…1 exclusive.

    Returns
    -------
    (low, high) : two floats, or two arrays
        Bounds of the rate, 0…1. With 0 trials nothing is known: exactly (0, 1), the limit of the formula.

    Raises
    ------
    IntervalError
        A negative count, more successes than trials, or an impossible level.

    References
    ----------
    Wilson (1927): wilson1927. Example: Newcombe (1998), 81 of 263.

    Examples
    --------
    >>> low, high = wilson(81, 263)
    >>> round(low, 4), round(high, 4)
    (0.2553, 0.3662)
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    x, n = _counts(successes, trials)
    z = z_value(level)
    middle, spread = x + z * z / 2, z * np.sqrt(x * (n - x) / np.maximum(n, 1) + z * z / 4)
    low, high = (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)
    # the formula gives 0 and 1 there but for rounding
    low, high = np.where(x == 0, 0.0, low), np.where(x == n, 1.0, high)
    return (low, high) if low.ndim else (float(low), float(high))


def newcombe(x1: int, n1: int, x2: int, n2: int, *, level: float = 0.95) -> Estimate:
    """The difference of two independent rates, x1/n1 − x2/n2, with Newcombe's hybrid score interval.

    With Wilson bounds (l1, u1) and (l2, u2) and d = p1 − p2: low = d − √((p1 − l1)² + (u2 − p2)²),
    high = d + √((u1 − p1)² + (p2 − l2)²). Range −1…1; above 0 the first group has the higher rate.

    Parameters
    ----------
    x1, n1 : int
        Successes and trials of the first group.
    x2, n2 : int
        Successes and trials of the second group, independent of the first.
    level : float
        How often such intervals cover the true difference, 0…1 exclusive.

    Returns
    -------
    Estimate
        `value`, `ci_low`, `ci_high`; missing with its reason where a group has no trials.

    Raises
    ------
    IntervalError
        As in `wilson`.

    References
    ----------
    Newcombe (1998), method 10: newcombe1998.

    Examples
    --------
    >>> d = newcombe(56, 70, 48, 80)
    >>> round(d.value, 4), round(d.ci_low, 4), round(d.ci_high, 4)
    (0.2, 0.0524, 0.3339)
    >>> newcombe(0, 0, 1, 2).reason
    'a group has no trials'
    """
    (l1, u1), (l2, u2) = wilson(x1, n1, level=level), wilson(x2, n2, level=level)
    if n1 == 0 or n2 == 0:
        return Estimate.missing("a group has no trials")
    p1, p2 = x1 / n1, x2 / n2
    below, above = np.hypot(p1 - l1, u2 - p2), np.hypot(u1 - p1, p2 - l2)
    return Estimate(p1 - p2, float(p1 - p2 - below), float(p1 - p2 + above))


def rate(successes: int, trials: int, *, level: float = 0.95, reason: str = "no trials") -> Estimate:
    """A rate with its Wilson interval, or missing because of `reason` where there are no trials.

    >>> r = rate(81, 263)
    >>> round(r.value, 4), round(r.ci_low, 4), round(r.ci_high, 4)
    (0.308, 0.2553, 0.3662)
    """
    low, high = wilson(successes, trials, level=level)
    return Estimate(int(successes) / int(trials), low, high) if trials else Estimate.missing(reason)


def poisson_interval(events: int, *, exposure: float = 1.0, per: float = 1.0, level: float = 0.95) -> Estimate:
    """The rate of rare events with its exact Poisson interval.

    λ = per · x / exposure, from 0; low = ½ χ²(α/2; 2x), high = ½ χ²(1 − α/2; 2x + 2), both times per / exposure. With
    no event the interval still ends above 0.

    Parameters
    ----------
    events : int
        Events counted, ≥ 0.
    exposure : float
        What could have had an event, such as orders, > 0.
    per : float
        The rate is given per so many, such as 1,000.

    References
    ----------
    Garwood (1936): garwood1936.

    Examples
    --------
    >>> ten, none = poisson_interval(10), poisson_interval(0)
    >>> round(ten.ci_low, 2), round(ten.ci_high, 2), round(none.ci_high, 2)
    (4.8, 18.39, 3.69)
    """
    if events < 0 or exposure < 0:
        raise IntervalError(f"events {events!r}, exposure {exposure!r}: give numbers of 0 or more")
    z_value(level)  # checks it
    if exposure == 0:
        return Estimate.missing("nothing that could have had an event")
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    high, scale = chi2.ppf(1 - tail, 2 * events + 2) / 2, per / exposure
    return Estimate(float(events * scale), float(low * scale), float(high * scale))


def add_rate(
    table: pd.DataFrame, *, successes: str, trials: str, name: str = "rate", level: float = 0.95
) -> pd.DataFrame:
    """The table with a rate and its Wilson interval in every row.

    Parameters
    ----------
    table : DataFrame
        One row a group, with counts.
    successes, trials : str
        Names of the count columns.
    name : str
        Name of the new column; its interval is `<name>_ci_low`, `<name>_ci_high`.
    level : float
        As in `wilson`.

    Returns
    -------
    DataFrame
        A copy with three more columns, 0…1; all three missing in rows without trials.

    Examples
    --------
    >>> add_rate(pd.DataFrame({"buy": [1, 0], "pv": [4, 0]}), successes="buy", trials="pv").round(3)
       buy  pv  rate  rate_ci_low  rate_ci_high
    0    1   4  0.25        0.046         0.699
    1    0   0   NaN          NaN           NaN
    """
    x, n = table[successes].to_numpy(float), table[trials].to_numpy(float)
    low, high = wilson(x, n, level=level)
    known = n > 0
    columns = {name: x / np.maximum(n, 1), f"{name}_ci_low": low, f"{name}_ci_high": high}
    return table.assign(**{c: np.where(known, v, np.nan) for c, v in columns.items()})


def add_rate_by_cluster(
    table: pd.DataFrame, *, successes: str, trials: str, clusters: str, name: str = "rate", level: float = 0.95
) -> pd.DataFrame:
    """A rate whose trials come in clusters, such as the visits of one user, with its interval in every row.

    A Wilson interval for the effective number of trials n / d. The design effect d is the variance of the ratio of sums
    when whole clusters are drawn, m / (m − 1) · Σ (y − p·x)² / n², over p (1 − p) / n; never below 1.

    Parameters
    ----------
    table : DataFrame
        One row a group, with counts, and the sums over its clusters of x², x·y and y² as `xx`, `xy`, `yy`.
    successes, trials, clusters : str
        Names of the columns Σ y, Σ x, and m, the number of clusters with x > 0.
    name : str
        Name of the new column; its interval is `<name>_ci_low`, `<name>_ci_high`.
    level : float
        As in `wilson`.

    Returns
    -------
    DataFrame
        A copy with three more columns, 0…1; all three missing in rows without trials.

    References
    ----------
    Kish (1965), the design effect: kish1965.

    Examples
    --------
    Two users, 2 of 2 and 0 of 2 visits: four visits say as much as one.

    >>> t = pd.DataFrame({"y": [2], "x": [4], "users": [2], "xx": [8], "xy": [4], "yy": [4]})
    >>> add_rate_by_cluster(t, successes="y", trials="x", clusters="users").iloc[0, -3:].astype(float).round(3).tolist()
    [0.5, 0.055, 0.945]
    >>> [round(v, 3) for v in wilson(0.5, 1)]
    [0.055, 0.945]
    """
    y, n, m = (table[c].to_numpy(float) for c in (successes, trials, clusters))
    p = y / np.maximum(n, 1)
    spread = table.yy.to_numpy(float) - 2 * p * table.xy.to_numpy(float) + p * p * table.xx.to_numpy(float)
    variance = spread / np.maximum(n, 1) ** 2 * m / np.maximum(m - 1, 1)
    simple = p * (1 - p) / np.maximum(n, 1)
    known = (simple > 0) & (m > 1)
    effect = np.where(known, np.maximum(variance / np.where(known, simple, 1), 1), 1)
    low, high = wilson(np.minimum(p * n / effect, n / effect), n / effect, level=level)
    columns = {name: p, f"{name}_ci_low": low, f"{name}_ci_high": high}
    return table.assign(**{c: np.where(n > 0, v, np.nan) for c, v in columns.items()})


def widths(true_rate: float, trials: list[int], *, level: float = 0.95) -> pd.DataFrame:
    """The interval of the same rate for several numbers of trials: width shrinks with √n.

    Returns
    -------
    DataFrame
        One row a number of trials, in the given order: trials, successes (rounded), rate and its interval.

    Examples
    --------
    >>> widths(0.3, [10, 1000]).round(2)
       trials  successes  rate  rate_ci_low  rate_ci_high
    0      10          3   0.3         0.11          0.60
    1    1000        300   0.3         0.27          0.33
    """
    table = pd.DataFrame({"trials": trials, "successes": [round(true_rate * n) for n in trials]})
    return add_rate(table, successes="successes", trials="trials", level=level)


def coverage(true_rates: list[float], trials: list[int], *, level: float = 0.95) -> pd.DataFrame:
    """How often the Wilson interval covers a true rate: exact, no simulation.

    C(p, n) = Σ_x binomial(x; n, p) · 1{low(x) ≤ p ≤ high(x)}, range 0…1; it should be near `level`.

    Returns
    -------
    DataFrame
        One row a pair: true_rate, trials, coverage_rate.

    References
    ----------
    Brown, Cai and DasGupta (2001): brown2001.

    Examples
    --------
    With one trial and p = 0.5 both intervals, (0, 0.79) and (0.21, 1), hold 0.5:

    >>> coverage([0.5], [1])
       true_rate  trials  coverage_rate
    0        0.5       1            1.0
    """
    rows = []
    for p in true_rates:
        for n in trials:
            x = np.arange(n + 1)
            low, high = wilson(x, np.full(n + 1, n), level=level)
            covered = (low <= p) & (p <= high)
            rows.append({"true_rate": p, "trials": n, "coverage_rate": float(binom.pmf(x, n, p)[covered].sum())})
    return pd.DataFrame(rows, columns=["true_rate", "trials", "coverage_rate"])


def _counts(successes: ArrayLike, trials: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both counts as floats of one shape, checked."""
    x, n = np.broadcast_arrays(np.asarray(successes, dtype=float), np.asarray(trials, dtype=float))
    if not (np.isfinite(x).all() and np.isfinite(n).all() and (x >= 0).all() and (x <= n).all()):
        wrong = int(np.argmax(~((x >= 0) & (x <= n))))
        raise IntervalError(
            f"successes {x.flat[wrong]:g} of trials {n.flat[wrong]:g}: give counts with 0 ≤ successes ≤ trials"
        )
    return x, n
