"""Time until something happens, when some are still waiting at the end (Kaplan & Meier 1958)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import z_value

CURVE = ["time", "at_risk", "events", "censored", "survival", "se", "ci_low", "ci_high"]


class SurvivalError(ValueError):
    """Durations or counts that no curve can be made of; the message names the column and the cure."""


def kaplan_meier(durations: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """The Kaplan–Meier curve: the share that still waits after each time.

    S(t) = Π over event times t_i ≤ t of (1 − d_i / n_i), with d_i events and n_i still at risk; from 1 at the start
    down to 0, never rising. Greenwood: se = S · √(Σ d_i / (n_i (n_i − d_i))). The interval is S^exp(±z·se / (S·ln
    S)), the log-minus-log form, which stays within 0…1. Who is censored at t_i counts as at risk at t_i.

    Parameters
    ----------
    durations : DataFrame
        One row a distinct duration: `time` (any unit, 0 or more), `events` (how many ended then) and `censored` (how
        many were last seen waiting then), whole numbers, 0 or more.
    level : float
        Pointwise confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `time, at_risk, events, censored, survival, se, ci_low, ci_high`, one row a time in order. Before the first
        event survival is 1 with the interval (1, 1); where it reaches 0 the standard error does not exist: se is 0,
        the lower bound 0 and the upper bound the last one known. Empty with a reason without durations.

    Raises
    ------
    SurvivalError
        A negative time or count.

    References
    ----------
    Kaplan & Meier (1958): kaplanmeier1958; Greenwood (1926): greenwood1926; kalbfleisch1980 for the log-log interval.

    Examples
    --------
    >>> curve = kaplan_meier(pd.DataFrame({"time": [1, 2, 3], "events": [1, 1, 0], "censored": [0, 1, 1]}))
    >>> curve[["time", "at_risk", "survival"]].round(4)
       time  at_risk  survival
    0     1        4       0.75
    1     2        3       0.50
    2     3        1       0.50
    """
    z = z_value(level)
    if durations.empty or not durations[["events", "censored"]].to_numpy().sum():
        return missing(CURVE, durations.attrs.get("reason", "nobody was observed"))
    _check(durations)
    table = durations.groupby("time", as_index=False)[["events", "censored"]].sum().sort_values("time")
    d, c = table.events.to_numpy(float), table.censored.to_numpy(float)
    n = (d + c)[::-1].cumsum()[::-1]
    survival = np.cumprod(1 - d / n)
    left = survival > 0
    spread = np.sqrt(np.cumsum(np.divide(d, n * (n - d), out=np.zeros_like(d), where=left)))
    low, high = _log_log(survival, spread, z)
    table = table.assign(at_risk=n.astype(int), survival=survival, se=survival * spread, ci_low=low, ci_high=high)
    return table[CURVE].reset_index(drop=True)


def _log_log(survival: np.ndarray, spread: np.ndarray, z: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of S on the log-minus-log scale; `spread` is se / S."""
    inside = (survival > 0) & (survival < 1)
    log = np.log(np.where(inside, survival, 0.5))
    reach = np.exp(z * spread / -log)
    low = np.where(inside, np.exp(log * reach), survival)
    high = np.where(inside, np.exp(log / reach), np.nan)
    # 1 before the first event; where nobody is left, the last upper bound stands
    return low, pd.Series(high).ffill().fillna(1.0).to_numpy()


def happened_by(curve: pd.DataFrame, times: list[float] | np.ndarray) -> pd.DataFrame:
    """The share for whom it has happened by each of `times`: 1 − S(t), a step function.

    Parameters
    ----------
    curve : DataFrame
        From `kaplan_meier`.
    times : list of float
        In the unit of the curve. Times after the last observation are left out: nothing is known there.

    Returns
    -------
    DataFrame
        `time, at_risk` (still waiting at that time), `share`, `share_ci_low`, `share_ci_high`.

    Examples
    --------
    >>> curve = kaplan_meier(pd.DataFrame({"time": [1, 2], "events": [1, 0], "censored": [0, 1]}))
    >>> happened_by(curve, [0.5, 1, 9])[["time", "at_risk", "share"]]
       time  at_risk  share
    0   0.5        2    0.0
    1   1.0        2    0.5
    """
    columns = ["time", "at_risk", "share", "share_ci_low", "share_ci_high"]
    if curve.empty:
        return missing(columns, curve.attrs.get("reason", "no curve"))
    known = np.asarray([t for t in times if t <= curve.time.max()], dtype=float)
    if not len(known):
        return missing(columns, "all times lie after the last observation")
    clock = curve.time.to_numpy(float)
    place = np.searchsorted(clock, known, side="right") - 1
    waiting = np.append(curve.at_risk.to_numpy(), 0)[np.searchsorted(clock, known, side="left")]
    start = place < 0
    pick = {c: np.where(start, 1.0, curve[c].to_numpy(float)[place]) for c in ("survival", "ci_low", "ci_high")}
    values = (known, waiting, 1 - pick["survival"], 1 - pick["ci_high"], 1 - pick["ci_low"])
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def quantile(curve: pd.DataFrame, *, share: float = 0.5) -> Estimate:
    """The time by which it has happened for `share` of all; the median for 0.5.

    The first time with S ≤ 1 − share; its interval are the first times at which the bounds of S do so.

    Parameters
    ----------
    curve : DataFrame
        From `kaplan_meier`.
    share : float
        0…1 exclusive.

    Returns
    -------
    Estimate
        In the unit of the curve; missing where the curve does not come down so far. An upper end that the curve does
        not reach is None: the interval is open.

    Examples
    --------
    >>> curve = kaplan_meier(pd.DataFrame({"time": [1, 2], "events": [1, 0], "censored": [0, 1]}))
    >>> quantile(curve).value, quantile(curve, share=0.9).reason
    (1, 'it happened for fewer than 90 % within the time observed')
    """
    if not 0 < share < 1:
        raise SurvivalError(f"share {share!r} is not between 0 and 1; take 0.5 for the median")
    if curve.empty:
        return Estimate.missing(curve.attrs.get("reason", "no curve"))
    value, low, high = (_first(curve, c, 1 - share) for c in ("survival", "ci_low", "ci_high"))
    if value is None:
        return Estimate.missing(f"it happened for fewer than {share:.0%} within the time observed".replace("%", " %"))
    return Estimate(value, low, high)


def _first(curve: pd.DataFrame, column: str, bound: float) -> float | None:
    # the product of many factors may miss a round number by the last bit
    reached = curve.time[curve[column].to_numpy(float) <= bound + 1e-12]
    return None if reached.empty else reached.iloc[0].item()


def _check(durations: pd.DataFrame) -> None:
    for column in ("time", "events", "censored"):
        values = durations[column].to_numpy(float)
        if not (np.isfinite(values) & (values >= 0)).all():
            wrong = values[~(np.isfinite(values) & (values >= 0))][0]
            raise SurvivalError(f"{column} {wrong:g} is negative or missing; give 0 or more")
