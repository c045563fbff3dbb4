"""A drill for the alarms: many simulated months of a shop like this one, with faults of known size put into them.

How often an alarm is false, and how large a fault must be to be found, cannot be read off one history; it takes many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.behaviour.early_warning import history, live
from helpers.behaviour.sessions import BehaviourError, check_choice, check_positive
from helpers.findings import Estimate, missing
from helpers.intervals import rate
from helpers.outliers import robust_scale

MODES = ("history", "live")
MONTH, MONTHS_A_SERIES = 28, 6
"""Days of a month in the drill: whole weeks, so that all months are alike."""
BASE = 56
CURVE = (
    "size_share", "faults", "found", "found_rate", "found_rate_ci_low", "found_rate_ci_high", "months", "other_alarms",
    "other_alarms_a_month",
)  # fmt: skip
LEFT_OVER = 0.78
"""Of plain noise, STL with the default windows leaves so much of its scale (robustly) in the remainder."""


@dataclass(frozen=True)
class Shop:
    """What a shop's daily figure is like without faults, in logarithms: trend, weekdays, noise.

    `trend` is the slow course (any length), `weekday` the seven deviations from it, Monday first, `noise_sd` the
    standard deviation of a day, `carry` the share of a day's noise that is left on the next day (0…1 exclusive).
    """

    trend: np.ndarray
    weekday: np.ndarray
    noise_sd: float
    carry: float = 0.0


def calibrate(history: pd.DataFrame) -> Shop | None:
    """A shop like the one in this history, without its alarms and known days; None where there is no history.

    The noise is what STL left over, robustly, divided by the share that STL with its default windows leaves of plain
    noise: a trend that follows the days swallows a part of it.
    """
    if history.empty or not (history.expected > 0).all():
        return None
    usual = history[(history.state == "usual") & (history.observed > 0)]
    remainder = np.log(usual.observed / usual.expected)
    weekday = np.log(history.weekday).groupby(history.day.dt.day_of_week).mean().reindex(range(7)).fillna(0.0)
    return Shop(np.log(history.trend).to_numpy(), weekday.to_numpy(), robust_scale(remainder) / LEFT_OVER)


def simulate(
    shop: Shop, *, days: int, faults: dict[int, float] | None = None, seed: int = 0, start: str = "2018-01-01"
) -> pd.DataFrame:
    """One series of days of such a shop: `day, value`.

    y = ± trend + weekday + noise in logarithms, with the sign and the order of the shop's own trend drawn by chance;
    on the days of `faults` (position → size) the figure is multiplied by 1 + size.

    >>> flat = Shop(np.log([100.0]), np.zeros(7), 0.0)
    >>> simulate(flat, days=3, faults={1: -0.5})["value"].round(6).tolist()
    [100.0, 50.0, 100.0]
    """
    rng = np.random.default_rng(seed)
    course = shop.trend - shop.trend.mean()
    course = course[::-1] if rng.random() < 0.5 else course
    # there and back again, so that a long series has no jump where the course begins anew
    trend = np.resize(np.concatenate([course, course[::-1]]), days) * rng.choice([-1, 1]) + shop.trend.mean()
    noise = rng.standard_normal(days) * shop.noise_sd
    for place in range(1, days if shop.carry else 1):
        noise[place] = shop.carry * noise[place - 1] + np.sqrt(1 - shop.carry**2) * noise[place]
    day = pd.date_range(start, periods=days, freq="D", unit="us")
    y = trend + shop.weekday[day.day_of_week] + noise
    for place, size in (faults or {}).items():
        y[place] += np.log1p(size)
    return pd.DataFrame({"day": day, "value": np.exp(y)})


def drill(
    shop: Shop | None,
    *,
    sizes: tuple[float, ...] | list[float] = (0.0, -0.5),
    months: int = 50,
    mode: str = "history",
    lasting_days: int = 1,
    seed: int = 0,
    **options: object,
) -> pd.DataFrame:
    """False alarms a month, and the share of faults found by their size: a power curve.

    For each size, `months` simulated months of 28 days, six in a series, with one fault in each, on a day drawn by
    chance. A fault is found when an alarm falls on one of its days. In the live mode a base of eight weeks without
    faults comes first, and the months with a fault alternate with months without, in which the sums calm down.

    Parameters
    ----------
    shop : Shop or None
        From `calibrate`; None gives an empty table that says so.
    sizes : list of float
        Sizes as a share of the figure, above −1. With 0 nothing is planted: all alarms are false, and the share found
        is what chance alone finds on days drawn like those of the faults.
    months : int
        Simulated months for each size, rounded up to whole series.
    mode : str
        'history' (STL and generalised ESD) or 'live' (CUSUM with a limit for one day).
    lasting_days : int
        How many days a fault lasts, 1…14.
    seed : int
        Same seed, same months; all sizes meet the same noise.
    options
        For `history` or `live`, such as alpha or h.

    Returns
    -------
    DataFrame
        One row a size: `size_share, faults, found, found_rate` with its Wilson interval, `months`, `other_alarms` (not
        on a fault's days), `other_alarms_a_month`.
    """
    check_choice("mode", mode, MODES)
    check_positive("months", months)
    _check_drill(sizes, lasting_days)
    if shop is None:
        return missing(CURVE, "there is no history to learn the shop from")
    rows = []
    for size in sizes:
        counts = np.zeros(4)  # faults, found, months, other alarms
        for series in range(-(-months // MONTHS_A_SERIES)):
            counts += _one_series(shop, size, mode, lasting_days, seed + series, options)
        rows.append(_summary(size, *counts))
    return pd.DataFrame(rows)


def _check_drill(sizes: tuple[float, ...] | list[float], lasting_days: int) -> None:
    if not 1 <= lasting_days <= 14:
        raise BehaviourError(f"lasting_days {lasting_days!r} is not in 1 to 14; a fault must end within its month")
    for size in sizes:
        if not size > -1:
            raise BehaviourError(f"sizes holds {size!r}; a figure can lose at most all of itself, so give more than -1")


def _one_series(shop: Shop, size: float, mode: str, lasting: int, seed: int, options: dict) -> np.ndarray:
    """Faults, faults found, months, other alarms of one simulated series."""
    rng = np.random.default_rng([seed, 24])
    first = BASE if mode == "live" else 0
    starts = [first + MONTH * m + int(rng.integers(0, MONTH - lasting + 1)) for m in range(MONTHS_A_SERIES)]
    starts = starts[:: 2 if mode == "live" else 1]
    places = {start: range(start, start + lasting) for start in starts}
    faults = {place: size for span in places.values() for place in span}
    days = simulate(shop, days=first + MONTH * MONTHS_A_SERIES, faults=faults, seed=seed)
    judged = (history if mode == "history" else live)(days, metric="value", **options)
    alarms = set(np.flatnonzero(judged.state == "alarm")) if len(judged) else set()
    hits = sum(not alarms.isdisjoint(span) for span in places.values())
    other = alarms - set(faults) if size else alarms
    return np.array([len(starts), hits, MONTHS_A_SERIES, len(other)])


def _summary(size: float, faults: float, found: float, months: float, other: float) -> dict[str, object]:
    share = rate(int(found), int(faults), reason="nothing was planted")
    bounds = {"found_rate": share.value, "found_rate_ci_low": share.ci_low, "found_rate_ci_high": share.ci_high}
    counts = {"months": int(months), "other_alarms": int(other), "other_alarms_a_month": other / months}
    return {"size_share": size, "faults": int(faults), "found": int(found), **bounds, **counts}


def smallest_found(curve: pd.DataFrame, *, least_rate: float = 0.8) -> Estimate:
    """The smallest drop of a power curve that is found at least so often, as a share of the figure (0…1).

    All larger drops of the curve must be found as often, too.

    >>> found = pd.DataFrame({"size_share": [0.0, -0.2, -0.4, -0.6], "found_rate": [0.0, 0.1, 0.9, 1.0]})
    >>> smallest_found(found).value
    0.4
    """
    if curve.empty:
        return Estimate.missing(curve.attrs.get("reason", "no sizes were tried"))
    drops = curve[curve.size_share < 0].sort_values("size_share")
    found = drops[(drops.found_rate >= least_rate).cummin()]
    if found.empty:
        return Estimate.missing(f"no drop of the drill was found in {least_rate:.0%} of the cases")
    return Estimate(-float(found.size_share.max()))
