"""Traffic lights that respect uncertainty: a colour is a claim, so it is shown only where the whole interval agrees."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.findings import Estimate
from helpers.intervals import wilson
from helpers.summary.periods import ScorecardError

GREEN, AMBER, RED, GREY = "green", "amber", "red", "grey"
SIGNS = {GREEN: "✓", AMBER: "≈", RED: "✗", GREY: "–"}
WORDS = {GREEN: "on target", AMBER: "cannot tell", RED: "off target", GREY: "no light"}
SIDES = ("high", "low")


def light(value: Estimate, target: float | None, *, good: str) -> str:
    """The light of one figure against its target.

    Green: the whole interval is on the good side of the target, the target included. Red: all of it is on the bad side.
    Amber: the interval holds the target, so the data cannot tell, or there is no interval. Grey: there is no target,
    or no figure.

    Parameters
    ----------
    value : Estimate
        The figure with its interval.
    target : float or None
        The planned value, in the same unit.
    good : str
        'high' or 'low': which side of the target is the good one.

    Returns
    -------
    str
        'green', 'amber', 'red' or 'grey'.

    Raises
    ------
    ScorecardError
        `good` is neither.

    Examples
    --------
    >>> light(Estimate(5.0, 4.0, 6.0), 4.0, good="high"), light(Estimate(5.0, 4.0, 6.0), 4.5, good="high")
    ('green', 'amber')
    >>> light(Estimate(5.0, 4.0, 6.0), 3.0, good="low"), light(Estimate(5.0, 4.0, 6.0), None, good="low")
    ('red', 'grey')
    """
    if good not in SIDES:
        raise ScorecardError(f"good {good!r}: take 'high' or 'low'")
    if value.value is None or target is None or not np.isfinite(target):
        return GREY
    if value.ci_low is None or value.ci_high is None:
        return AMBER
    return str(colours(value.ci_low, value.ci_high, target, good=good))


def colours(low: np.ndarray, high: np.ndarray, target: float, *, good: str) -> np.ndarray:
    """`light` of many intervals at once: an array of 'green', 'amber' and 'red'.

    >>> colours(np.array([1.0, 3.0, 5.0]), np.array([2.0, 5.0, 7.0]), 4.0, good="low").tolist()
    ['green', 'amber', 'red']
    """
    above, below = np.asarray(low) >= target, np.asarray(high) <= target
    on, off = (above, np.asarray(high) < target) if good == "high" else (below, np.asarray(low) > target)
    return np.where(on, GREEN, np.where(off, RED, AMBER))


def shown(colour: str, because: str = "") -> str:
    """A light as sign and words, so that nobody needs to see its colour.

    >>> shown("green"), shown("grey", "no target")
    ('✓ on target', '– no target')
    """
    return f"{SIGNS[colour]} {because if colour == GREY and because else WORDS[colour]}"


def by_chance(judged: int, *, level: float = 0.95) -> pd.DataFrame:
    """How many lights would be red although every true value stands exactly on its target.

    One light is red by chance with (1 − level)/2 at most; `judged` of them are red n·(1 − level)/2 times on average,
    and at least one is with 1 − (1 − (1 − level)/2)ⁿ if they are independent.

    Returns
    -------
    DataFrame
        One row: `lights`, `one_red_share`, `expected_red`, `any_red_share`, and `level_needed`: the level of the
        intervals at which the last share falls to (1 − level)/2 (Šidák).

    References
    ----------
    Šidák (1967): sidak1967.

    Examples
    --------
    >>> by_chance(20).round(3)
       lights  one_red_share  expected_red  any_red_share  level_needed
    0      20          0.025           0.5          0.397         0.997
    """
    one = (1 - level) / 2
    row = {
        "lights": judged,
        "one_red_share": one,
        "expected_red": judged * one,
        "any_red_share": 1 - (1 - one) ** judged,
    }
    needed = 1 - 2 * (1 - (1 - one) ** (1 / judged)) if judged else level
    return pd.DataFrame([row | {"level_needed": needed}])


def tally(lights: pd.Series) -> pd.DataFrame:
    """How many lights there are of each colour: `light`, `sign`, `means`, `indicators`."""
    counts = lights.value_counts()
    rows = [(c, SIGNS[c], WORDS[c], int(counts.get(c, 0))) for c in (GREEN, AMBER, RED, GREY)]
    return pd.DataFrame(rows, columns=["light", "sign", "means", "indicators"])


def error_rates(found: np.ndarray, *, level: float = 0.95) -> dict:
    """Shares of the lights of each colour, and the Wilson interval of the share of red ones."""
    n, red = len(found), int((found == RED).sum())
    low, high = wilson(red, n, level=level)
    shares = {f"{c}_share": float((found == c).mean()) if n else np.nan for c in (GREEN, AMBER, RED)}
    return shares | {"red_share_ci_low": low, "red_share_ci_high": high}
