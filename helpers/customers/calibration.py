"""Does 30 % mean 30 %? The quality of predicted probabilities (Brier 1950; Murphy 1973)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers.customers.features_before import IntentError
from helpers.customers.measures import why
from helpers.customers.ranking import HAPPENED, checked
from helpers.findings import missing
from helpers.intervals import add_rate

LEAST_CHANCE = 1e-6
"""In the log loss no probability is nearer to 0 or 1: one sure mistake would cost infinitely much."""


def _probabilities(happened: ArrayLike, chance: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    y, p = checked(happened, chance)
    if ((p < 0) | (p > 1)).any():
        raise IntentError("chance holds a value outside 0…1; give probabilities, not scores")
    return y, p


def brier(happened: ArrayLike, chance: ArrayLike) -> float | None:
    """The Brier score: mean squared distance of the predicted probability from what happened.

    BS = (1/n) Σ (p − y)², 0…1, low is good. Always saying the base rate π gives π (1 − π).

    Parameters
    ----------
    happened : array of 0/1
        One value a user.
    chance : array of float
        Predicted probability, 0…1.

    Returns
    -------
    float or None
        None without users.

    Raises
    ------
    IntentError
        As in `average_precision`, or a probability outside 0…1.

    References
    ----------
    Brier (1950): brier1950.

    Examples
    --------
    (0.1² + 0.2² + 0.5²) / 3 = 0.30 / 3:

    >>> round(brier([1, 0, 1], [0.9, 0.2, 0.5]), 6)
    0.1
    """
    y, p = _probabilities(happened, chance)
    return float(((p - y) ** 2).mean()) if len(y) else None


def brier_skill(happened: ArrayLike, chance: ArrayLike, *, reference: float) -> float | None:
    """Brier skill: the part of the reference's Brier score that the prediction saves.

    BSS = 1 − BS / BS_ref, where the reference gives everybody the same probability. −∞…1: 1 is perfect, 0 no better
    than the reference, below 0 worse.

    Parameters
    ----------
    happened, chance
        As in `brier`.
    reference : float
        The reference's probability, 0…1: the base rate as it was known at the time.

    Returns
    -------
    float or None
        None without users, or where the reference makes no error.

    References
    ----------
    Murphy (1973): murphy1973.

    Examples
    --------
    BS = 0.1 as above; 0.5 for all has 0.25:

    >>> round(brier_skill([1, 0, 1], [0.9, 0.2, 0.5], reference=0.5), 6)
    0.6
    """
    y, p = _probabilities(happened, chance)
    base = ((reference - y) ** 2).mean() if len(y) else 0
    return float(1 - ((p - y) ** 2).mean() / base) if base > 0 else None


def log_loss(happened: ArrayLike, chance: ArrayLike) -> float | None:
    """The log loss: the mean surprise at what happened, in nats.

    −(1/n) Σ [y ln p + (1 − y) ln(1 − p)], 0…∞, low is good; p is kept within 1e-6 … 1 − 1e-6. None without users.

    References
    ----------
    Good (1952): good1952.

    Examples
    --------
    ln 2 for a coin:

    >>> round(log_loss([1, 0], [0.5, 0.5]), 4)
    0.6931
    """
    y, p = _probabilities(happened, chance)
    p = np.clip(p, LEAST_CHANCE, 1 - LEAST_CHANCE)
    return float(-np.where(y == 1, np.log(p), np.log1p(-p)).mean()) if len(y) else None


def quality(
    chances: pd.DataFrame, *, reference: float, boots: int = 500, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Brier score, Brier skill with a bootstrap interval, and log loss of every prediction.

    Parameters
    ----------
    chances : DataFrame
        One row a user: `happened` (0/1) and one column a prediction (0…1).
    reference : float
        Base rate of the training table, 0…1.
    boots, level, seed
        Percentile bootstrap over users; the same draws for all.

    Returns
    -------
    DataFrame
        prediction (last: 'the same for all', the reference), brier, brier_skill with _ci_low, _ci_high (missing for
        the reference), log_loss, mean_predicted_rate, happened_rate.
    """
    columns = ["prediction", "brier", "brier_skill", "brier_skill_ci_low", "brier_skill_ci_high", "log_loss"]
    columns += ["mean_predicted_rate", "happened_rate"]
    if chances.empty:
        return missing(columns, why(chances))
    y, rng = chances[HAPPENED].to_numpy(float), np.random.default_rng(seed)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(boots)]
    even = (y - reference) ** 2
    rows = []
    for name in [c for c in chances.columns if c != HAPPENED]:
        p = chances[name].to_numpy(float)
        error = (p - y) ** 2
        tried = np.array([1 - error[d].mean() / even[d].mean() if even[d].any() else np.nan for d in draws])
        tried = tried[np.isfinite(tried)]
        bounds = np.quantile(tried, [(1 - level) / 2, (1 + level) / 2]) if len(tried) else (np.nan, np.nan)
        skill = brier_skill(y, p, reference=reference)
        rows.append(
            [name, error.mean(), np.nan if skill is None else skill, *bounds, log_loss(y, p), p.mean(), y.mean()]
        )
    rest = [log_loss(y, np.full(len(y), reference)), reference, y.mean()]
    rows.append(["the same for all", even.mean(), np.nan, np.nan, np.nan, *rest])
    return pd.DataFrame(rows, columns=columns)


def calibration_curve(chances: pd.DataFrame, *, bins: int = 10, least: int = 30, level: float = 0.95) -> pd.DataFrame:
    """The calibration curve: users in groups of like predictions; predicted against observed rate.

    Groups hold nearly equal numbers of users, in the order of the prediction; equal predictions stay together. A
    prediction is calibrated where the observed rate agrees with the mean prediction in every group.

    Parameters
    ----------
    chances : DataFrame
        One row a user: `happened` (0/1) and one column a prediction (0…1).
    bins : int
        At most so many groups, ≥ 1.
    least : int
        Users that a group holds at the least; with fewer users there are fewer groups.
    level : float
        Level of the Wilson intervals.

    Returns
    -------
    DataFrame
        prediction, users, predicted_rate (mean of the group), observed_rate with _ci_low, _ci_high; by prediction and
        predicted_rate. Groups of fewer than `least` users, which ties can leave, are left out.

    Raises
    ------
    IntentError
        bins or least below 1.

    References
    ----------
    Murphy (1973): murphy1973; Wilson (1927): wilson1927.

    Examples
    --------
    >>> four = pd.DataFrame({"happened": [0, 1, 1, 1], "model": [0.2, 0.4, 0.6, 0.8]})
    >>> calibration_curve(four, bins=2, least=2)[["users", "predicted_rate", "observed_rate"]]
       users  predicted_rate  observed_rate
    0      2             0.3            0.5
    1      2             0.7            1.0
    """
    if bins < 1 or least < 1:
        raise IntentError(f"bins {bins!r}, least {least!r}: give 1 or more")
    columns = ["prediction", "users", "predicted_rate", *(f"observed_rate{e}" for e in ("", "_ci_low", "_ci_high"))]
    if chances.empty:
        return missing(columns, why(chances))
    parts = [_groups(chances[HAPPENED], chances[n], bins, least).assign(prediction=n) for n in chances if n != HAPPENED]
    found = pd.concat(parts, ignore_index=True)
    found = add_rate(found, successes="hits", trials="users", name="observed_rate", level=level)[columns]
    return found if len(found) else missing(columns, f"fewer than {least} users")


def _groups(happened: pd.Series, chance: pd.Series, bins: int, least: int) -> pd.DataFrame:
    y, p = _probabilities(happened, chance)
    bins = max(1, min(bins, len(p) // least))
    rank = pd.Series(p).rank(method="average").to_numpy()
    group = np.minimum(((rank - 0.5) / len(p) * bins).astype(int), bins - 1)
    table = pd.DataFrame({"group": group, "p": p, "y": y}).groupby("group")
    found = pd.DataFrame({"users": table.size(), "predicted_rate": table["p"].mean(), "hits": table["y"].sum()})
    return found[found["users"] >= least].reset_index(drop=True)
