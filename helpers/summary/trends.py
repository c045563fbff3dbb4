"""Is a short series rising or falling? Mann–Kendall's test, and Theil–Sen's slope with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm, rankdata, theilslopes

from helpers.findings import missing
from helpers.summary.indicators import BY_KEY
from helpers.summary.periods import ScorecardError

LEAST = 8
"""Fewer points than that say nothing about a trend."""
TRENDS = ["indicator", "name", "weeks", "level", "slope", "ci_low", "ci_high", "p_value", "trend"]
RISING, FALLING, UNCLEAR, SHORT = "↗ rising", "↘ falling", "→ no clear trend", "too few weeks"


def mann_kendall(values: ArrayLike, *, autocorrelated: bool = True) -> dict:
    """Mann–Kendall's test of a trend in a series, mended for points that resemble their neighbours.

    S = Σ_{i<j} sign(y_j − y_i); Var S = (n(n − 1)(2n + 5) − Σ_ties u(u − 1)(2u + 5))/18; z = (S ∓ 1)/√Var. An outlier
    counts as one more or less, not by its size. Neighbours that resemble each other make S vary more, by the factor
    1 + 2/(n(n − 1)(n − 2)) Σ_k (n − k)(n − k − 1)(n − k − 2) ρᵏ, with ρ the correlation of neighbouring ranks once the
    trend is taken out, mended for the bias of short series: (n·ρ + 2)/(n − 4), 0…0.95.

    Parameters
    ----------
    values : array of float
        The series in order of time; missing points are left out.
    autocorrelated : bool
        Mend the variance?

    Returns
    -------
    dict
        `points`, `s`, `z`, `p_value` (two-sided; missing with fewer than 4 points or all equal ones), `factor`.

    References
    ----------
    Mann (1945): mann1945; Hamed and Rao (1998): hamed1998.

    Examples
    --------
    Five rising points: S is the number of pairs, 10, and Var S = 5·4·15/18.

    >>> found = mann_kendall([1, 2, 3, 4, 5], autocorrelated=False)
    >>> found["s"], round(found["z"], 3), round(found["p_value"], 4)
    (10, 2.205, 0.0275)
    """
    y = np.asarray(values, dtype=float)
    y = y[np.isfinite(y)]
    n = len(y)
    signs = np.sign(y[None, :] - y[:, None])
    s = int(np.triu(signs, 1).sum())
    ties = np.unique(y, return_counts=True)[1]
    variance = (n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    if n < 4 or variance <= 0:
        return {"points": n, "s": s, "z": np.nan, "p_value": np.nan, "factor": 1.0}
    factor = _inflation(y) if autocorrelated else 1.0
    z = (s - np.sign(s)) / np.sqrt(variance * factor)
    return {"points": n, "s": s, "z": float(z), "p_value": float(2 * norm.sf(abs(z))), "factor": float(factor)}


def _inflation(y: np.ndarray) -> float:
    """The factor by which autocorrelation widens the variance of S, 1 or more."""
    n = len(y)
    if n < LEAST:
        return 1.0
    slope = theilslopes(y, np.arange(n))[0]
    ranks = rankdata(y - slope * np.arange(n))
    r = ranks - ranks.mean()
    if not r.any():
        return 1.0
    rho = np.clip((n * (r[1:] * r[:-1]).sum() / (r * r).sum() + 2) / (n - 4), 0, 0.95)
    lags = np.arange(1, n - 2)
    weights = (n - lags) * (n - lags - 1) * (n - lags - 2) / (n * (n - 1) * (n - 2))
    return float(1 + 2 * (weights * rho**lags).sum())


def sen_slope(values: ArrayLike, *, level: float = 0.95) -> tuple[float, float, float]:
    """Theil–Sen's slope: the median of all slopes between two points, with the interval from Kendall's test.

    >>> sen_slope([1.0, 2, 3, 4, 50, 6, 7, 8])[0]
    1.0

    Returns
    -------
    (slope, low, high) : three floats
        Unit of the values a step; missing (NaN) with fewer than 4 points.

    References
    ----------
    Sen (1968): sen1968.
    """
    y = np.asarray(values, dtype=float)
    at = np.flatnonzero(np.isfinite(y))
    if len(at) < 4:
        return np.nan, np.nan, np.nan
    slope, _, low, high = theilslopes(y[at], at, level)
    return float(slope), float(low), float(high)


def trends(measured: pd.DataFrame, *, alpha: float = 0.05, level: float = 0.95) -> pd.DataFrame:
    """The weekly trend of each indicator.

    Parameters
    ----------
    measured : DataFrame
        One row a week and indicator, weeks in order: span, indicator, value.
    alpha : float
        A trend is named when the test's p-value is below it, 0…1 exclusive.
    level : float
        Of the slope's interval, 0…1 exclusive.

    Returns
    -------
    DataFrame
        indicator, name, weeks (with a value), level (median), slope with ci_low and ci_high (unit of the indicator a
        week), p_value, trend (words); indicators without any value are left out.

    Raises
    ------
    ScorecardError
        alpha or level is not between 0 and 1.
    """
    if not (0 < alpha < 1 and 0 < level < 1):
        raise ScorecardError(f"alpha {alpha!r}, level {level!r}: take numbers between 0 and 1")
    rows = []
    weekly = [i for i in BY_KEY.values() if i.weekly]
    for i in weekly:
        y = measured.loc[measured["indicator"] == i.key, "value"].to_numpy(float) if len(measured) else np.array([])
        known = int(np.isfinite(y).sum())
        if not known:
            continue
        enough = known >= LEAST
        slope = sen_slope(y, level=level) if enough else (np.nan,) * 3
        p = mann_kendall(y)["p_value"] if enough else np.nan
        rows.append((i.key, i.name, known, float(np.nanmedian(y)), *slope, p, _words(slope[0], p, alpha, enough)))
    return pd.DataFrame(rows, columns=TRENDS) if rows else missing(TRENDS, "no whole week has figures")


def _words(slope: float, p: float, alpha: float, enough: bool) -> str:
    if not enough:
        return SHORT
    return (RISING if slope > 0 else FALLING) if p < alpha and slope != 0 else UNCLEAR
