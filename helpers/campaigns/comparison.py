"""Arms of an experiment compared with the control, one row a treated arm (Welch, Newcombe, delta method).

The user is what was drawn, so the user is the unit: every table here has one row a participant with the column `arm`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import norm, t

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.intervals import newcombe
from helpers.study import nearest

EFFECT = (
    "arm",
    "users",
    "control_users",
    "mean",
    "control_mean",
    "difference",
    "ci_low",
    "ci_high",
    "standard_error",
    "p_value",
)
"""Columns of every table of effects; what cannot be computed is missing, with its cause in a column `reason`."""


def compare(
    users: pd.DataFrame,
    *,
    columns: list[str],
    control: str,
    effect: Callable[[np.ndarray, np.ndarray], dict],
    extra: tuple[str, ...] = (),
) -> pd.DataFrame:
    """Apply `effect(treated, untreated)` to every arm against the control.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm` and the outcome columns.
    columns : list of str
        The outcome columns that `effect` gets, as arrays of users × columns.
    control : str
        Name of the arm without treatment.
    effect : callable
        Gives a dict of columns of `EFFECT` and `extra`, or of `reason` alone.
    extra : tuple of str
        Further columns of the result.

    Returns
    -------
    DataFrame
        `EFFECT` and `extra`, one row a treated arm, by name; an empty table with its reason when there are no users,
        no control, or only one arm; a column `reason` when a row could not be computed.

    Raises
    ------
    ExperimentError
        A column is absent, is not numeric, or holds missing or infinite values.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "b", "b"], "spend": [1.0, 2.0, 4.0]})
    >>> gap = lambda a, b: {"difference": a.mean() - b.mean()}
    >>> compare(users, columns=["spend"], control="control", effect=gap)[["arm", "users", "difference"]]
      arm  users  difference
    0   b      2         2.0
    """
    names = [*EFFECT, *extra]
    if reason := why_not(users, control=control) or _without_values(users, columns):
        return missing(names, reason)
    values = outcome_values(users, columns)
    arms = users["arm"].astype(str).to_numpy()
    base = values[arms == control]
    rows = []
    for arm in sorted(set(arms) - {control}):
        treated = values[arms == arm]
        rows.append({"arm": arm, "users": len(treated), "control_users": len(base)} | effect(treated, base))
    if all("reason" in row for row in rows):
        return missing(names, "; ".join(dict.fromkeys(row["reason"] for row in rows)))
    named = [*names, "reason"] if any("reason" in row for row in rows) else names
    table = pd.DataFrame(rows, columns=named)
    return table.fillna({"reason": ""}) if "reason" in named else table


def why_not(users: pd.DataFrame, *, control: str) -> str:
    """Why these participants cannot be compared; '' when they can.

    >>> why_not(pd.DataFrame({"arm": ["a", "b"]}), control="control")
    "there is no arm 'control'; the arms are a, b"
    """
    if users.empty:
        return users.attrs.get("reason", "there are no participants")
    if "arm" not in users.columns:
        raise ExperimentError(f"users has no column 'arm'. {nearest('arm', list(users.columns))}")
    arms = sorted(users["arm"].astype(str).unique())
    if control not in arms:
        return f"there is no arm {control!r}; the arms are {', '.join(arms)}"
    return "" if len(arms) > 1 else f"all participants are in the arm {control!r}: there is nothing to compare it with"


def _without_values(users: pd.DataFrame, columns: list[str]) -> str:
    """Which columns hold nothing at all, because the table behind them is absent; '' when none."""
    empty = [c for c in columns if c in users.columns and users[c].isna().all()]
    return f"{', '.join(empty)} is not known: the study lacks the table that it comes from" if empty else ""


def outcome_values(users: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """The outcome columns as floats, users × columns, checked."""
    for column in columns:
        if column not in users.columns:
            raise ExperimentError(f"outcome {column!r} is no column. {nearest(column, list(users.columns))}")
        if not (pd.api.types.is_numeric_dtype(users[column]) or pd.api.types.is_bool_dtype(users[column])):
            raise ExperimentError(f"outcome {column!r} is not a number; give counts, amounts or 0/1")
    values = users[columns].to_numpy(dtype=float, na_value=np.nan)
    lost = int((~np.isfinite(values)).any(axis=1).sum())
    if lost:
        raise ExperimentError(
            f"outcome {', '.join(columns)}: {lost} of {len(values)} participants have no finite value. Who did nothing "
            "counts as 0; do not drop people after the draw"
        )
    return values


def welch(users: pd.DataFrame, *, outcome: str, control: str = "control", level: float = 0.95) -> pd.DataFrame:
    """The difference of means with Welch's interval: the average treatment effect of a randomised experiment.

    d = ȳ₁ − ȳ₀, SE² = s₁²/n₁ + s₀²/n₀, d ± t_ν·SE with ν = SE⁴ / Σ (s²/n)²/(n − 1). Unit of the outcome; above 0 the
    treated arm has more. Negative outcomes (returned goods) are allowed.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm` and the outcome.
    outcome : str
        A numeric column, 0 for people who did nothing.
    control : str
        Name of the arm without treatment.
    level : float
        How often such intervals cover the true difference, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a treated arm, by name: `arm`, `users`, `control_users`, `mean`, `control_mean`, `difference`,
        `ci_low`, `ci_high`, `standard_error`, `p_value`. Missing, with a reason, where an arm has fewer than two
        people or the outcome is the same for all.

    Raises
    ------
    ExperimentError
        An unknown column, or values that are missing or not finite.

    References
    ----------
    Welch (1947): welch1947.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["voucher"] * 3, "spend": [0.0, 2, 4, 3, 5, 7]})
    >>> welch(users, outcome="spend").round(3)[["arm", "difference", "ci_low", "ci_high", "p_value"]]
           arm  difference  ci_low  ci_high  p_value
    0  voucher         3.0  -1.534    7.534     0.14
    """
    return compare(
        users, columns=[outcome], control=control, effect=lambda a, b: welch_row(a[:, 0], b[:, 0], level=level)
    )


def welch_row(treated: np.ndarray, base: np.ndarray, *, level: float) -> dict:
    """Welch's interval of two samples, as columns of `EFFECT`."""
    n1, n0 = len(treated), len(base)
    if min(n1, n0) < 2:
        return {"reason": "an arm has fewer than two participants"}
    v1, v0 = treated.var(ddof=1) / n1, base.var(ddof=1) / n0
    if v1 + v0 == 0:
        return {"reason": "the outcome is the same for all participants of an arm, so chance cannot be measured"}
    degrees = (v1 + v0) ** 2 / (v1**2 / (n1 - 1) + v0**2 / (n0 - 1))
    return difference_row(treated.mean(), base.mean(), math.sqrt(v1 + v0), degrees=degrees, level=level)


def difference_row(mean: float, base: float, error: float, *, degrees: float, level: float) -> dict:
    """A difference with the interval and p-value of the t distribution (normal for infinite degrees)."""
    if not 0 < level < 1:
        raise ExperimentError(f"level {level!r} is not between 0 and 1; take 0.95 for a 95 % interval")
    gap = mean - base
    half = t.ppf(0.5 + level / 2, degrees) * error
    return {
        "mean": mean,
        "control_mean": base,
        "difference": gap,
        "ci_low": gap - half,
        "ci_high": gap + half,
        "standard_error": error,
        "p_value": 2 * t.sf(abs(gap) / error, degrees),
    }


def newcombe_difference(
    users: pd.DataFrame, *, outcome: str = "purchased", control: str = "control", level: float = 0.95
) -> pd.DataFrame:
    """The difference of two rates with Newcombe's interval, which stays right for rare outcomes.

    d = p₁ − p₀; bounds from the Wilson bounds of both rates (`helpers.intervals.newcombe`). Range −1…1; above 0 the
    treated arm has the higher rate. The p-value is that of the pooled z-test (chi-square without correction).

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm` and the outcome.
    outcome : str
        A column of 0/1 or of flags.
    control, level
        As in `welch`.

    Returns
    -------
    DataFrame
        As in `welch`; `mean` and `control_mean` are rates. `standard_error` is the unpooled one.

    Raises
    ------
    ExperimentError
        As in `welch`, or an outcome other than 0 and 1.

    References
    ----------
    Newcombe (1998), method 10: newcombe1998.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["voucher"] * 70 + ["control"] * 80,
    ...                       "purchased": [1] * 56 + [0] * 14 + [1] * 48 + [0] * 32})
    >>> newcombe_difference(users).round(4)[["arm", "difference", "ci_low", "ci_high"]]
           arm  difference  ci_low  ci_high
    0  voucher         0.2  0.0524   0.3339
    """

    def effect(a: np.ndarray, b: np.ndarray) -> dict:
        return _rate_row(a[:, 0], b[:, 0], level=level, outcome=outcome)

    return compare(users, columns=[outcome], control=control, effect=effect)


def _rate_row(treated: np.ndarray, base: np.ndarray, *, level: float, outcome: str) -> dict:
    both = np.concatenate([treated, base])
    if not np.isin(both, (0, 1)).all():
        raise ExperimentError(f"outcome {outcome!r} holds values other than 0 and 1; for amounts use welch")
    n1, n0, pooled = len(treated), len(base), both.mean()
    p1, p0 = treated.mean(), base.mean()
    found = newcombe(int(treated.sum()), n1, int(base.sum()), n0, level=level)
    null = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n0))
    return {
        "mean": p1,
        "control_mean": p0,
        "difference": found.value,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "standard_error": math.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0),
        # nobody or everybody did it: the arms are equal
        "p_value": 2 * norm.sf(abs(found.value) / null) if null else 1.0,
    }


def ratio_difference(
    users: pd.DataFrame, *, numerator: str, denominator: str, control: str = "control", level: float = 0.95
) -> pd.DataFrame:
    """The difference of two ratios of sums, such as orders per visit, by the delta method.

    In each arm R = Σy/Σx and var(R) = (s_y² − 2R·s_xy + R²·s_x²) / (n·x̄²): the user was drawn, so visits of one user
    count as one observation, not as independent ones. Unit of y per x; above 0 the treated arm has more.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`, numerator and denominator.
    numerator, denominator : str
        Numeric columns; the denominator's sum must be above 0 in every arm.
    control, level
        As in `welch`.

    Returns
    -------
    DataFrame
        As in `welch`; `mean` and `control_mean` are the ratios. The interval is the normal one.

    Raises
    ------
    ExperimentError
        As in `welch`, or a negative denominator.

    References
    ----------
    Deng, Knoblich & Lu (2018): deng2018.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 3 + ["voucher"] * 3,
    ...                       "orders": [0, 1, 1, 1, 2, 1], "visits": [2, 2, 4, 2, 3, 3]})
    >>> ratio_difference(users, numerator="orders", denominator="visits").round(3)[["mean", "control_mean", "ci_low"]]
       mean  control_mean  ci_low
    0   0.5          0.25   -0.05
    """
    return compare(
        users, columns=[numerator, denominator], control=control, effect=lambda a, b: _ratio_row(a, b, level=level)
    )


def _ratio_row(treated: np.ndarray, base: np.ndarray, *, level: float) -> dict:
    if (treated[:, 1] < 0).any() or (base[:, 1] < 0).any():
        raise ExperimentError("denominator: it holds negative values; give counts such as visits")
    if min(len(treated), len(base)) < 2:
        return {"reason": "an arm has fewer than two participants"}
    if treated[:, 1].sum() == 0 or base[:, 1].sum() == 0:
        return {"reason": "the denominator is 0 for all participants of an arm"}
    (r1, v1), (r0, v0) = _ratio(treated), _ratio(base)
    if v1 + v0 <= 0:
        return {"reason": "the ratio is the same for all participants of an arm, so chance cannot be measured"}
    return difference_row(r1, r0, math.sqrt(v1 + v0), degrees=math.inf, level=level)


def _ratio(part: np.ndarray) -> tuple[float, float]:
    """Σy/Σx and its variance by the delta method: that of the residuals y − R·x."""
    y, x = part.T
    ratio = y.sum() / x.sum()
    return ratio, (y - ratio * x).var(ddof=1) / (len(y) * x.mean() ** 2)
