"""Shifted-beta-geometric: how long customers with a contract stay (Fader and Hardie 2007).

At every renewal a customer cancels with the own probability θ, and θ is beta (α, β) over customers. The retention rate
of a cohort rises with time although no single customer gets more loyal: those who cancel easily have gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, digamma, hyp2f1

from helpers.customers.bgnbd import FitError
from helpers.findings import missing

COLUMNS = ("period", "customers", "survival_share", "expected_share", "retention_rate", "expected_retention_rate")


@dataclass(frozen=True)
class Contract:
    """Parameters α, β > 0 (mean probability to cancel α / (α + β)) and the log-likelihood of the fit."""

    alpha: float
    beta: float
    log_likelihood: float = np.nan


def survival(contract: Contract, periods: np.ndarray | Sequence[int]) -> np.ndarray:
    """Share of a cohort that is left after so many renewals: S(t) = B(α, β + t) / B(α, β), 1 at t = 0, falling.

    Examples
    --------
    α = β = 1: S(1) = 1/2, S(2) = 1/3.

    >>> survival(Contract(1, 1), [0, 1, 2]).round(3)
    array([1.   , 0.5  , 0.333])
    """
    t = np.asarray(periods, float)
    return np.exp(betaln(contract.alpha, contract.beta + t) - betaln(contract.alpha, contract.beta))


def retention(contract: Contract, periods: np.ndarray | Sequence[int]) -> np.ndarray:
    """Share of those left who renew at time t: r(t) = (β + t − 1) / (α + β + t − 1), t ≥ 1; it rises with t.

    Examples
    --------
    >>> retention(Contract(1, 1), [1, 2]).round(3)
    array([0.5  , 0.667])
    """
    t = np.asarray(periods, float)
    return (contract.beta + t - 1) / (contract.alpha + contract.beta + t - 1)


def fit(survivors: Sequence[float]) -> Contract:
    """Fit by maximum likelihood to the number of customers left after 0, 1, 2, … renewals.

    ln L = Σ (n_(t−1) − n_t) ln(S(t−1) − S(t)) + n_T ln S(T).

    Parameters
    ----------
    survivors : sequence of numbers
        One number a period, not rising, of one cohort; the first is its size, > 0.

    Returns
    -------
    Contract

    Raises
    ------
    FitError
        Fewer than three numbers, rising numbers, nobody cancelled, or no convergence (a likelihood without a maximum,
        as when the retention rate falls with time).

    References
    ----------
    Fader and Hardie (2007): faderhardie2007.

    Examples
    --------
    >>> fit([10, 10, 10])
    Traceback (most recent call last):
    helpers.customers.bgnbd.FitError: survivors: nobody cancelled, so nothing is known about cancelling; wait longer
    """
    left = np.asarray(survivors, float)
    if len(left) < 3 or not np.isfinite(left).all() or left[0] <= 0 or left.min() < 0 or (np.diff(left) > 0).any():
        raise FitError(f"survivors: {list(survivors)!r}; give three or more numbers ≥ 0 that do not rise")
    if left[-1] == left[0]:
        raise FitError("survivors: nobody cancelled, so nothing is known about cancelling; wait longer")
    found = minimize(
        _loss, np.log([1.0, 1.0]), args=(left,), jac=True, method="L-BFGS-B", bounds=[(-9, 9)] * 2,
        options={"ftol": 1e-15, "gtol": 1e-9},
    )  # fmt: skip
    if np.abs(found.x).max() > 8.9:
        raise FitError("the retention rate does not rise with time: the model's spread of customers finds no maximum")
    return Contract(*map(float, np.exp(found.x)), log_likelihood=-float(found.fun) * left[0])


def _loss(logs: np.ndarray, left: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log-likelihood a customer, and its gradient in the logs of α and β."""
    alpha, beta = np.exp(logs)
    t = np.arange(1, len(left))
    lost = left[:-1] - left[1:]
    both = digamma(alpha + beta)
    # P(cancels at t) = B(α + 1, β + t − 1) / B(α, β)
    value = lost @ (betaln(alpha + 1, beta + t - 1) - betaln(alpha, beta))
    value += left[-1] * (betaln(alpha, beta + t[-1]) - betaln(alpha, beta))
    total, last = digamma(alpha + beta + t), digamma(alpha + beta + t[-1])
    d_alpha = lost @ (digamma(alpha + 1) - total - digamma(alpha) + both) + left[-1] * (both - last)
    d_beta = lost @ (digamma(beta + t - 1) - total - digamma(beta) + both)
    d_beta += left[-1] * (digamma(beta + t[-1]) - last - digamma(beta) + both)
    return -value / left[0], -np.array([d_alpha * alpha, d_beta * beta]) / left[0]


def residual_periods(contract: Contract, *, renewals: int, discount_rate: float) -> float:
    """Discounted expected payments still to come from a customer who has renewed so many times and is due again.

    DERL = Σ_(t ≥ n) S(t) / S(n − 1) / (1 + d)^(t − n), n = renewals + 1, the payment at the next renewal undiscounted
    = (β + n − 1) / (α + β + n − 1) · ₂F₁(1, β + n; α + β + n; 1 / (1 + d)); > 0, higher after more renewals.

    Parameters
    ----------
    contract : Contract
        A fit.
    renewals : int
        Renewals so far, ≥ 0.
    discount_rate : float
        Per period, > 0.

    Returns
    -------
    float
        Payments (multiply by the margin of one).

    References
    ----------
    Fader and Hardie (2010): faderhardie2010.

    Examples
    --------
    α = β = 1, no renewal yet, d = 1: Σ_(t ≥ 1) 1/(t + 1) / 2^(t − 1) = 4 (ln 2 − 1/2).

    >>> round(residual_periods(Contract(1, 1), renewals=0, discount_rate=1.0), 4)
    0.7726
    """
    if discount_rate <= 0 or renewals < 0:
        raise FitError(f"discount_rate {discount_rate!r}, renewals {renewals!r}: give a rate above 0 and renewals ≥ 0")
    a, b, n = contract.alpha, contract.beta, renewals + 1
    return float((b + n - 1) / (a + b + n - 1) * hyp2f1(1, b + n, a + b + n, 1 / (1 + discount_rate)))


def table(survivors: str | Sequence[float], *, fitted: int = 5, periods: int = 12) -> pd.DataFrame:
    """A cohort's survivors beside the model fitted to its first `fitted` periods (period 0 included).

    Parameters
    ----------
    survivors : str or sequence
        Customers left after 0, 1, 2, … renewals, such as '1000 869 743'.
    fitted : int
        Periods that the model sees, ≥ 3.
    periods : int
        Last period of the projection.

    Returns
    -------
    DataFrame
        One row a period 0 … periods: period, customers (missing beyond the data), survival_share, expected_share,
        retention_rate, expected_retention_rate. Empty with a reason where the model cannot be fitted.

    Examples
    --------
    >>> table("100 60 45 37", fitted=4, periods=4)[["period", "customers"]].tail(2)
       period  customers
    3       3       37.0
    4       4        NaN
    """
    try:
        left = np.array([float(w) for w in survivors.split()] if isinstance(survivors, str) else survivors, float)
        contract = fit(left[:fitted])
    except ValueError as reason:
        return missing(COLUMNS, str(reason))
    t = np.arange(max(periods, len(left) - 1) + 1)
    customers = np.full(len(t), np.nan)
    customers[: len(left)] = left
    before = np.concatenate([[np.nan], customers[:-1]])
    kept = np.divide(customers, before, out=np.full(len(t), np.nan), where=np.nan_to_num(before) > 0)
    expected = np.where(t > 0, retention(contract, np.maximum(t, 1)), np.nan)
    values = (t, customers, customers / left[0], survival(contract, t), kept, expected)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
