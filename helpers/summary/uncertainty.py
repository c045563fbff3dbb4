"""Intervals of totals, ratios and changes of a period, from sums over its customers.

They answer: what would the figure be if the period were drawn again, with customers who act independently? The total of
a closed month is known exactly; the level that produced it is not.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import gammaincinv
from scipy.stats import t

from helpers.findings import Estimate
from helpers.intervals import z_value


def total_interval(total: ArrayLike, squares: ArrayLike, largest: ArrayLike, *, level: float = 0.95) -> tuple:
    """The interval of a total over customers whose number is random (Fay and Feuer's gamma interval).

    With y = Σ w and v = Σ w² over the customers' amounts w ≥ 0, α = 1 − level, and m the largest amount:
    low = v/2y · χ²(α/2; 2y²/v), high = (v + m²)/2(y + m) · χ²(1 − α/2; 2(y + m)²/(v + m²)).
    Where all amounts are 1 it is the exact Poisson interval. Rather too wide than too narrow: a few large customers
    make it wide.

    Parameters
    ----------
    total, squares, largest : float or array
        y, v and m; arrays of one shape give arrays. Without customers (y = 0) give the m that a first one would have.
    level : float
        How often such intervals cover the expected total, 0…1 exclusive.

    Returns
    -------
    (low, high) : two floats, or two arrays
        In the unit of the total; (0, …) where the total is 0.

    References
    ----------
    Fay and Feuer (1997): fay1997.

    Examples
    --------
    Ten customers of 1: the Poisson interval of 10. One customer of 91 among them says much less.

    >>> [round(v, 2) for v in total_interval(10, 10, 1)]
    [4.8, 18.39]
    >>> [round(v) for v in total_interval(100, 9 + 91**2, 91)]
    [4, 513]
    """
    z_value(level)  # checks it
    y, v, m = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in (total, squares, largest)))
    tail, some = (1 - level) / 2, y > 0
    v1, y1 = np.where(some, v, 1), np.where(some, y, 1)
    low = np.where(some, v1 / (2 * y1) * _chi2(tail, 2 * y1**2 / v1), 0.0)
    # amounts of nothing at all say nothing: the high end is 0, too
    v2, y2 = np.where(y + m > 0, v + m**2, 0), np.where(y + m > 0, y + m, 1)
    high = v2 / (2 * y2) * _chi2(1 - tail, 2 * y2**2 / np.where(v2 > 0, v2, 1))
    return (low, high) if low.ndim else (float(low), float(high))


def _chi2(share: float, degrees: np.ndarray) -> np.ndarray:
    """The quantile of χ²; many times faster than `scipy.stats.chi2.ppf`."""
    return 2 * gammaincinv(degrees / 2, share)


def ratio_interval(sums: pd.DataFrame | pd.Series, *, level: float = 0.95, positive: bool = True) -> tuple:
    """The interval of a ratio of sums over customers, such as sales per order.

    r = Σx/Σy with the variance V = n/(n − 1) · Σ(x − r·y)² of Σx given Σy. A ratio that can be negative: r ± t √V/Σy
    with n − 1 degrees of freedom. A positive one: `total_interval` of Σx with V in place of the sum of squares, over
    Σy. That interval is skew, as sums of amounts are: a plain one would put too many shops below their true value.

    Parameters
    ----------
    sums : DataFrame or Series
        `n` customers, the sums `x`, `y`, `xx`, `xy`, `yy` over them, and for positive ratios `largest`, the largest x.
    level : float
        How often such intervals cover the ratio of the expected sums, 0…1 exclusive.
    positive : bool
        Can the ratio not be below 0?

    Returns
    -------
    (value, low, high) : three floats or arrays
        Missing (NaN) where Σy is 0; without bounds below two customers.

    References
    ----------
    Cochran (1977), chapter 6: cochran1977; Fay and Feuer (1997): fay1997.

    Examples
    --------
    Two customers with one order each, of 10 and 30:

    >>> sums = pd.Series({"n": 2, "x": 40.0, "y": 2, "xx": 1000.0, "xy": 40.0, "yy": 2})
    >>> [round(float(v), 2) for v in ratio_interval(sums, positive=False)]
    [20.0, -107.06, 147.06]
    """
    z_value(level)
    n, x, y, xx, xy, yy = (np.asarray(sums[c], dtype=float) for c in ("n", "x", "y", "xx", "xy", "yy"))
    with np.errstate(divide="ignore", invalid="ignore"):
        r = np.where(y > 0, x / y, np.nan)
        variance = np.where(n > 1, n / (n - 1) * np.clip(xx - 2 * r * xy + r**2 * yy, 0, None), np.nan)
        if positive:
            # rounding can leave nothing of a small variance
            low, high = total_interval(x, np.maximum(variance, 1e-9 * x * x), sums["largest"], level=level)
            return r, low / y, high / y
        half = t.ppf(0.5 + level / 2, np.maximum(n - 1, 1)) * np.sqrt(variance) / y
    return r, r - half, r + half


def relative_change(now: Estimate, before: Estimate) -> Estimate:
    """The change now/before − 1 of two independent positive figures, from their intervals (method MOVER).

    On the scale of logarithms: with a = ln now, b = ln before, low = a − b − √((a − a_low)² + (b_high − b)²), and the
    high end in the same way. Customers of both periods make the true interval a little narrower.

    References
    ----------
    Zou and Donner (2008): zou2008.

    Examples
    --------
    >>> change = relative_change(Estimate(110.0, 100.0, 121.0), Estimate(100.0, 100.0, 100.0))
    >>> round(change.value, 3), round(change.ci_low, 3), round(change.ci_high, 3)
    (0.1, 0.0, 0.21)
    """
    ends = [now.value, now.ci_low, now.ci_high, before.value, before.ci_low, before.ci_high]
    if any(e is None for e in ends[::3]):
        return Estimate.missing(now.reason or before.reason or "one of the periods is not known")
    if min(now.value, before.value) <= 0:
        return Estimate.missing("a relative change needs two positive figures")
    change = now.value / before.value - 1
    if any(e is None for e in ends) or min(ends) <= 0:
        return Estimate(change, reason="no interval")
    a, a1, a2, b, b1, b2 = np.log(ends)
    low, high = a - b - np.hypot(a - a1, b2 - b), a - b + np.hypot(a2 - a, b - b1)
    return Estimate(change, float(np.expm1(low)), float(np.expm1(high)))


def difference(now: Estimate, before: Estimate) -> Estimate:
    """The difference now − before of two independent figures, from their intervals (method MOVER), in their unit.

    >>> d = difference(Estimate(5.0, 2.0, 9.0), Estimate(1.0, -3.0, 4.0))
    >>> round(d.value, 2), round(d.ci_low, 2), round(d.ci_high, 2)
    (4.0, -0.24, 9.66)
    """
    if now.value is None or before.value is None:
        return Estimate.missing(now.reason or before.reason or "one of the periods is not known")
    gap = now.value - before.value
    if None in (now.ci_low, now.ci_high, before.ci_low, before.ci_high):
        return Estimate(gap, reason="no interval")
    below = np.hypot(now.value - now.ci_low, before.ci_high - before.value)
    above = np.hypot(now.ci_high - now.value, before.value - before.ci_low)
    return Estimate(gap, float(gap - below), float(gap + above))
