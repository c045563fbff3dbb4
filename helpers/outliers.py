"""What stands out of a series: the generalised ESD test (rosner1983) for history, CUSUM (page1954) for live watching.

Both take plain numbers; what the numbers are, and what was expected of them, the caller knows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import t as student

MAD_TO_SD = 1.4826
"""Of normal values, the standard deviation is so many times the median distance from the median."""
MEAN_TO_SD = 1.2533
"""The same for the mean distance."""


class OutlierError(ValueError):
    """An argument that no test can be made with; the message names it and the cure."""


def robust_scale(values: np.ndarray | pd.Series) -> float:
    """The standard deviation as the middle of the values tells it, whatever the outliers do.

    1.4826 × median |x − median|, 0 or more. Where more than half of the values are equal, that is 0, and 1.2533 × mean
    |x − median| is taken. NaN counts as absent; no value gives 0.

    >>> robust_scale([1, 2, 3, 4, 1000])
    1.4826
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if not len(known):
        return 0.0
    distance = np.abs(known - np.median(known))
    return float(MAD_TO_SD * np.median(distance) or MEAN_TO_SD * distance.mean())


def critical_values(n: int, *, most: int, alpha: float = 0.05) -> np.ndarray:
    """λ₁ … λ_most of the generalised ESD test: what the largest distance may reach by chance.

    λᵢ = (n − i) t / √((n − i − 1 + t²)(n − i + 1)) with t the quantile 1 − α / (2 (n − i + 1)) of Student's
    distribution with n − i − 1 degrees of freedom (rosner1983).

    >>> critical_values(54, most=3).round(3).tolist()
    [3.159, 3.151, 3.144]
    """
    if not 0 < alpha < 1:
        raise OutlierError(f"alpha {alpha!r} is not between 0 and 1; give a share, such as 0.05")
    if not 1 <= most <= n - 2:
        raise OutlierError(f"most {most!r} does not fit {n} values; take 1 to {n - 2}")
    i = np.arange(1, most + 1)
    t = student.ppf(1 - alpha / (2 * (n - i + 1)), n - i - 1)
    return (n - i) * t / np.sqrt((n - i - 1 + t**2) * (n - i + 1))


def generalised_esd(values: np.ndarray | pd.Series, *, most: int = 10, alpha: float = 0.05) -> pd.DataFrame:
    """Which values are outliers, when nobody knows how many there are (rosner1983).

    Step i takes the value farthest from the mean, Rᵢ = max |x − mean| / s, and removes it; mean and s are those of the
    values still there. The number of outliers is the *largest* i with Rᵢ > λᵢ: two outliers that hide each other by
    widening s are both found. With normal values and none of them an outlier, the test finds one or more with
    probability α; it wants about 25 values or more.

    Parameters
    ----------
    values : array
        The numbers, none missing.
    most : int
        The largest number of outliers looked for, 1 … n − 2.
    alpha : float
        Chance of a false alarm in the whole series, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a step: `step` 1…, `position` (in `values`), `value`, `statistic` (R), `critical` (λ), `mean`, `sd`
        (before the removal) and `outlier`. Of equal distances the first position goes first. It stops where s is 0.

    Examples
    --------
    >>> generalised_esd([1, 2, 3, 2, 1, 2, 3, 2, 99], most=2)[["position", "outlier"]]
       position  outlier
    0         8     True
    1         0    False
    """
    numbers = np.asarray(values, dtype=float)
    if np.isnan(numbers).any():
        raise OutlierError("values holds missing numbers; drop them before the test")
    limits = critical_values(len(numbers), most=most, alpha=alpha)
    left, steps = np.ones(len(numbers), dtype=bool), []
    for step, limit in enumerate(limits, start=1):
        mean, sd = numbers[left].mean(), numbers[left].std(ddof=1)
        if not sd > 0:
            break
        distance = np.where(left, np.abs(numbers - mean), -1.0)
        place = int(distance.argmax())
        steps.append((step, place, numbers[place], distance[place] / sd, limit, mean, sd))
        left[place] = False
    table = pd.DataFrame(steps, columns=["step", "position", "value", "statistic", "critical", "mean", "sd"])
    last = table.loc[table.statistic > table.critical, "step"].max() if len(table) else np.nan
    return table.assign(outlier=table.step <= (0 if np.isnan(last) else last))


# CUSUM ---------------------------------------------------------------------------------------------------------------


def cusum(z: np.ndarray | pd.Series, *, k: float = 0.5, h: float = 5.0) -> pd.DataFrame:
    """The tabular CUSUM: small deviations add up until they are too many to be chance (page1954).

    C⁺ = max(0, C⁺ + z − k), C⁻ = max(0, C⁻ − z − k); an alarm where one of them exceeds h; then both start at 0 again.

    Parameters
    ----------
    z : array
        Standardised deviations, one a day, in order; a missing one leaves the sums as they are.
    k : float
        What is forgiven each day, in standard deviations, 0 or more: half of the shift worth finding.
    h : float
        The limit, in standard deviations, above 0: high means fewer false alarms and later true ones.

    Returns
    -------
    DataFrame
        `upper`, `lower` (the sums, before the restart), `alarm` ('up', 'down' or '') and `began`: the position at which
        the alarming sum left 0, the best guess when the change began (missing without an alarm).

    Examples
    --------
    >>> cusum([0, 3, 3, 0], k=0.5, h=4)[["upper", "alarm", "began"]]
       upper alarm  began
    0    0.0         <NA>
    1    2.5         <NA>
    2    5.0    up      1
    3    0.0         <NA>
    """
    numbers = np.asarray(z, dtype=float)
    upper, lower, alarm = np.zeros(len(numbers)), np.zeros(len(numbers)), np.full(len(numbers), "", dtype=object)
    starts, place = pd.array([None] * len(numbers), dtype="Int64"), 0
    while place < len(numbers):
        high, low, began = first_run(numbers[place:], k=k, h=h)
        end = place + len(high)
        upper[place:end], lower[place:end] = high, low
        if began is not None:
            alarm[end - 1], starts[end - 1] = "up" if high[-1] > h else "down", place + began
        place = end
    return pd.DataFrame({"upper": upper, "lower": lower, "alarm": alarm, "began": starts})


def first_run(z: np.ndarray, *, k: float, h: float) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Both sums of `cusum` up to the first alarm, and the position at which the alarming one left 0.

    Without an alarm the sums reach to the end and the position is None.

    >>> first_run(np.array([0.0, 3.0, 3.0, 0.0]), k=0.5, h=4)
    (array([0. , 2.5, 5. ]), array([0., 0., 0.]), 1)
    """
    if not (k >= 0 and h > 0):
        raise OutlierError(f"k {k!r} and h {h!r}: k must be 0 or more, h above 0; the usual pair is 0.5 and 5")
    upper, lower, sums = [], [], [0.0, 0.0]
    since = [0, 0]
    for place, value in enumerate(z.tolist()):
        if value == value:  # a missing day leaves the sums as they are
            sums = [max(0.0, sums[0] + value - k), max(0.0, sums[1] - value - k)]
        since = [s if c > 0 else place + 1 for s, c in zip(since, sums, strict=True)]
        upper.append(sums[0])
        lower.append(sums[1])
        if max(sums) > h:
            return np.array(upper), np.array(lower), since[0] if sums[0] > h else since[1]
    return np.array(upper), np.array(lower), None


def average_run_length(*, shift: float = 0.0, k: float = 0.5, h: float = 5.0) -> float:
    """Mean number of days until a two-sided CUSUM of normal values alarms (siegmund1985's approximation).

    One side: (exp(−2Δb) + 2Δb − 1) / (2Δ²) with Δ = shift − k and b = h + 1.166 (b² where Δ = 0); both sides:
    1 / ARL = 1 / ARL⁺ + 1 / ARL⁻. Without a shift it is the mean time between false alarms: the longer the better.

    Parameters
    ----------
    shift : float
        How far the mean has moved, in standard deviations.
    k, h : float
        As in `cusum`.

    Examples
    --------
    >>> round(average_run_length()), round(average_run_length(shift=1), 1)
    (469, 10.3)
    """
    b = h + 1.166
    lengths = []
    for delta in (shift - k, -shift - k):
        x = 2 * delta * b
        # far on the safe side the exponential leaves the range of numbers: that side never alarms
        lengths.append(b**2 if delta == 0 else np.inf if x < -700 else (np.exp(-x) + x - 1) / (2 * delta**2))
    return float(1 / sum(1 / length for length in lengths))


def run_lengths(
    *, shift: float = 0.0, k: float = 0.5, h: float = 5.0, runs: int = 2_000, longest: int = 20_000, seed: int = 0
) -> np.ndarray:
    """Days until the first alarm in `runs` simulated series of normal values around `shift`, all at once.

    A series without an alarm after `longest` days counts as `longest`.
    """
    rng = np.random.default_rng(seed)
    upper, lower = np.zeros(runs), np.zeros(runs)
    length, running = np.full(runs, longest), np.arange(runs)
    for day in range(1, longest + 1):
        z = rng.standard_normal(len(running)) + shift
        upper, lower = np.maximum(0, upper + z - k), np.maximum(0, lower - z - k)
        done = (upper > h) | (lower > h)
        length[running[done]] = day
        running, upper, lower = running[~done], upper[~done], lower[~done]
        if not len(running):
            break
    return length
