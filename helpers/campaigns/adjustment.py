"""Narrower intervals from what was known before the start: CUPED and regression adjustment.

Both take the part of the outcome that the time before explains out of the noise. Neither can change what is estimated:
the arms were drawn by chance, so the covariate is the same in all of them but for chance.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from helpers.campaigns.comparison import EFFECT, compare, difference_row, outcome_values, welch, welch_row, why_not
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

NO_GAIN = 0.05
"""A variance reduction below 5 % (an interval 2.5 % narrower) is called *no gain*."""


def cuped(
    users: pd.DataFrame, *, outcome: str, covariate: str, control: str = "control", level: float = 0.95
) -> pd.DataFrame:
    """The difference of means after taking out what the time before explains (CUPED).

    y′ = y − θ(x − x̄) with θ = cov(y, x)/var(x), both within the arms; then Welch on y′. The variance shrinks by the
    factor 1 − ρ², ρ the correlation of y and x within the arms. Reduction 0…1; 0: the covariate tells nothing.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`, the outcome and the covariate.
    outcome : str
        A numeric column.
    covariate : str
        A numeric column that was fixed before the start, such as the spend of the weeks before.
    control, level
        As in `helpers.campaigns.comparison.welch`.

    Returns
    -------
    DataFrame
        As in `welch`, and `theta` (outcome per unit of covariate), `variance_reduction_rate` (against Welch on the
        raw outcome; may be slightly below 0), `gain` ('gain' or 'no gain').

    Raises
    ------
    ExperimentError
        As in `welch`.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013): deng2013.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["b"] * 3, "before": [1.0, 2, 3, 1, 2, 3],
    ...                       "spend": [2.1, 4.0, 5.9, 3.0, 5.2, 6.8]})
    >>> cuped(users, outcome="spend", covariate="before").round(3)[["difference", "theta", "variance_reduction_rate"]]
       difference  theta  variance_reduction_rate
    0         1.0    1.9                    0.996
    """
    extra = ("theta", "variance_reduction_rate", "gain")
    if reason := why_not(users, control=control):
        return missing([*EFFECT, *extra], reason)
    values = outcome_values(users, [outcome, covariate])
    theta = _slope(values, users["arm"].astype(str).to_numpy())
    center = values[:, 1].mean()

    def effect(a: np.ndarray, b: np.ndarray) -> dict:
        row = welch_row(*(p[:, 0] - theta * (p[:, 1] - center) for p in (a, b)), level=level)
        raw = welch_row(a[:, 0], b[:, 0], level=level)
        return row if "reason" in row or "reason" in raw else row | {"theta": theta} | _gain(row, raw)

    return compare(users, columns=[outcome, covariate], control=control, effect=effect, extra=extra)


def _slope(values: np.ndarray, arms: np.ndarray) -> float:
    """cov(y, x)/var(x) of the deviations from each arm's own means; 0 where x does not vary."""
    _, arm = np.unique(arms, return_inverse=True)
    count = np.bincount(arm)
    y, x = (column - (np.bincount(arm, column) / count)[arm] for column in values.T)
    spread = float(x @ x)
    return float(y @ x) / spread if spread > 1e-12 * max(1.0, float(values[:, 1] @ values[:, 1])) else 0.0


def _gain(row: dict, raw: dict) -> dict:
    less = 1 - (row["standard_error"] / raw["standard_error"]) ** 2
    return {"variance_reduction_rate": less, "gain": "gain" if less >= NO_GAIN else "no gain"}


def regression_adjusted(
    users: pd.DataFrame, *, outcome: str, covariate: str, control: str = "control", level: float = 0.95
) -> pd.DataFrame:
    """The difference of means adjusted by a regression with its own slope in each arm (Lin).

    y = α + τ·T + β(x − x̄) + γ·T(x − x̄) by least squares, x̄ over both arms; τ with the heteroscedasticity-robust HC2
    error. Like CUPED, and right also where the arms differ in size and in slope.

    Parameters
    ----------
    users, outcome, covariate, control, level
        As in `cuped`.

    Returns
    -------
    DataFrame
        As in `cuped`, without `theta`; `mean` and `control_mean` are those of the arms at the common x̄.

    Raises
    ------
    ExperimentError
        As in `welch`.

    References
    ----------
    Lin (2013): lin2013.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["b"] * 3, "before": [1.0, 2, 3, 1, 2, 3],
    ...                       "spend": [2.1, 4.0, 5.9, 3.0, 5.2, 6.8]})
    >>> regression_adjusted(users, outcome="spend", covariate="before").difference.round(3).tolist()
    [1.0]
    """

    def effect(a: np.ndarray, b: np.ndarray) -> dict:
        raw = welch_row(a[:, 0], b[:, 0], level=level)
        if "reason" in raw:
            return raw
        if min(len(a), len(b)) < 3:
            return {"reason": "an arm has fewer than three participants, too few for a slope"}
        center = np.concatenate([a[:, 1], b[:, 1]]).mean()
        (m1, v1), (m0, v0) = _level_at(a, center), _level_at(b, center)
        if v1 + v0 <= 0:
            return {"reason": "the covariate explains the outcome without rest, so chance cannot be measured"}
        degrees = len(a) + len(b) - 4
        row = difference_row(m1, m0, math.sqrt(v1 + v0), degrees=degrees, level=level)
        return row | _gain(row, raw)

    extra = ("variance_reduction_rate", "gain")
    return compare(users, columns=[outcome, covariate], control=control, effect=effect, extra=extra)


def _level_at(part: np.ndarray, center: float) -> tuple[float, float]:
    """The regression line of one arm at `center`, and its HC2 variance."""
    y, x = part[:, 0], part[:, 1] - center
    if np.ptp(x) == 0:
        return float(y.mean()), float(y.var(ddof=1) / len(y))
    design = np.column_stack([np.ones_like(x), x])
    inverse = np.linalg.inv(design.T @ design)
    weights = design @ inverse
    beta = inverse @ (design.T @ y)
    hat = (weights * design).sum(axis=1)
    # a point that the line must pass through has no residual: its share of the variance is 0
    squared = np.divide((y - design @ beta) ** 2, 1 - hat, out=np.zeros_like(y), where=hat < 1 - 1e-12)
    return float(beta[0]), float((weights[:, 0] ** 2) @ squared)


def adjusted_effects(
    users: pd.DataFrame, *, outcome: str, covariate: str, control: str = "control", level: float = 0.95
) -> pd.DataFrame:
    """Welch, CUPED and regression adjustment side by side: did the time before help?

    Parameters
    ----------
    users, outcome, covariate, control, level
        As in `cuped`.

    Returns
    -------
    DataFrame
        Three rows a treated arm, by arm: `arm`, `method`, `difference`, `ci_low`, `ci_high`, `standard_error`,
        `variance_reduction_rate` and `gain` (against Welch).

    Raises
    ------
    ExperimentError
        As in `welch`.

    References
    ----------
    As in `cuped` and `regression_adjusted`.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["b"] * 3, "before": [2.0] * 6,
    ...                       "spend": [2.1, 4.0, 5.9, 3.0, 5.2, 6.8]})
    >>> adjusted_effects(users, outcome="spend", covariate="before")[["method", "gain"]]
                  method      gain
    0              Welch  baseline
    1              CUPED   no gain
    2  regression, HC2    no gain
    """
    given = {"outcome": outcome, "control": control, "level": level}
    tables = {
        "Welch": welch(users, **given).assign(variance_reduction_rate=0.0, gain="baseline"),
        "CUPED": cuped(users, covariate=covariate, **given),
        "regression, HC2": regression_adjusted(users, covariate=covariate, **given),
    }
    columns = ["arm", "method", "difference", "ci_low", "ci_high", "standard_error", "variance_reduction_rate", "gain"]
    filled = [table.assign(method=name)[columns] for name, table in tables.items() if not table.empty]
    if not filled:
        return missing(columns, tables["Welch"].attrs["reason"])
    return pd.concat(filled).sort_values("arm", kind="stable", ignore_index=True)


def expected_gain(correlations: list[float]) -> pd.DataFrame:
    """What a covariate can give: the variance shrinks by the factor 1 − ρ².

    Parameters
    ----------
    correlations : list of float
        ρ of outcome and covariate within the arms, −1…1.

    Returns
    -------
    DataFrame
        One row a correlation: `correlation`, `variance_reduction_rate` (ρ²), `interval_share` (of the width, √(1 − ρ²))
        and `users_share` (of the people needed for the same width, 1 − ρ²).

    Raises
    ------
    ExperimentError
        A correlation outside −1…1.

    References
    ----------
    Deng, Xu, Kohavi & Walker (2013): deng2013.

    Examples
    --------
    >>> expected_gain([0.6])
       correlation  variance_reduction_rate  interval_share  users_share
    0          0.6                     0.36             0.8         0.64
    """
    if not all(-1 <= r <= 1 for r in correlations):
        raise ExperimentError(f"correlations {correlations!r}: take numbers from -1 to 1")
    squared = [r * r for r in correlations]
    return pd.DataFrame(
        {
            "correlation": correlations,
            "variance_reduction_rate": squared,
            "interval_share": [math.sqrt(1 - r) for r in squared],
            "users_share": [1 - r for r in squared],
        }
    )
