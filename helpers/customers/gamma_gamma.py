"""Gamma-Gamma: what a customer spends on an average order (Fader, Hardie and Lee 2005; Fader and Hardie 2013).

The amount of an order is gamma (p, ν) distributed with the customer's own rate ν, and ν is gamma (q, v) over customers.
Customers with few orders are pulled towards the mean of all. The model takes for granted that amount and frequency are
unrelated over customers: look at `spend_frequency` first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import digamma, gammaln
from scipy.stats import norm

from helpers.customers.bgnbd import FitError, climb
from helpers.findings import Estimate

BOX = 12.0


@dataclass(frozen=True)
class Spend:
    """The three parameters, all > 0; v in currency units."""

    p: float
    q: float
    v: float

    def __post_init__(self) -> None:
        for name in ("p", "q", "v"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise FitError(f"{name}: {value!r} is out of range; give a finite number above 0")

    @property
    def population_mean(self) -> float:
        """Mean amount of an order over all customers, p v / (q − 1); infinite for q ≤ 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else np.inf


def log_likelihood(spend: Spend, table: pd.DataFrame) -> float:
    """Log-likelihood of the customers' mean amounts.

    ln L = Σ lnΓ(px + q) − lnΓ(px) − lnΓ(q) + q ln v + (px − 1) ln m + px ln x − (px + q) ln(v + x m);
    higher is better.

    Parameters
    ----------
    spend : Spend
        p, q, v.
    table : DataFrame
        One row a customer: frequency x (number of orders behind the mean), monetary m (mean amount, currency units).
        Rows without an order or with m ≤ 0 or missing say nothing and are left out.

    Returns
    -------
    float

    Examples
    --------
    x = 1, m = 1 and p = q = v = 1: L = v / (v + m)² = 1/4.

    >>> round(log_likelihood(Spend(1, 1, 1), pd.DataFrame({"frequency": [1], "monetary": [1.0]})), 4)
    -1.3863
    """
    x, m, _ = _used(table, None)
    return float(-_loss(np.log([spend.p, spend.q, spend.v]), x, m, np.ones(len(x)))[0])


def _used(table: pd.DataFrame, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, m = table["frequency"].to_numpy(float), table["monetary"].to_numpy(float, na_value=np.nan)
    count = np.ones(len(x)) if weights is None else np.asarray(weights, float)
    known = (x > 0) & (np.nan_to_num(m) > 0) & (count > 0)
    return x[known], m[known], count[known]


def _loss(logs: np.ndarray, x: np.ndarray, m: np.ndarray, count: np.ndarray) -> tuple[float, np.ndarray]:
    """Minus the log-likelihood and its gradient in the logs of p, q, v."""
    p, q, v = np.exp(logs)
    shape, total = p * x, v + x * m
    value = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    value += (shape - 1) * np.log(m) + shape * np.log(x) - (shape + q) * np.log(total)
    both = digamma(shape + q) - np.log(total)
    d_p = x * (both - digamma(shape) + np.log(m) + np.log(x))
    d_q = both - digamma(q) + np.log(v)
    d_v = q / v - (shape + q) / total
    return -count @ value, -np.array([count @ d for d in (d_p, d_q, d_v)]) * (p, q, v)


def fit(table: pd.DataFrame, *, weights: np.ndarray | None = None, start: Spend | None = None) -> Spend:
    """Fit the Gamma-Gamma model by maximum likelihood, with the exact gradient.

    Parameters
    ----------
    table : DataFrame
        As for `log_likelihood`.
    weights : array, optional
        How often each customer counts, ≥ 0.
    start : Spend, optional
        Where to begin, for refits.

    Returns
    -------
    Spend

    Raises
    ------
    FitError
        Fewer than ten customers with amounts, all amounts equal, no convergence, or q ≤ 1 (the mean would be infinite).

    References
    ----------
    Fader and Hardie (2013): faderhardie2013.

    Examples
    --------
    >>> fit(pd.DataFrame({"frequency": [1, 2], "monetary": [3.0, 3.0]}))
    Traceback (most recent call last):
    helpers.customers.bgnbd.FitError: 2 customers with repeat orders of known amount; it takes 10
    """
    x, m, count = _used(table, weights)
    if len(x) < 10:
        raise FitError(f"{len(x)} customers with repeat orders of known amount; it takes 10")
    if m.max() - m.min() < 1e-9 * m.max():
        raise FitError("all customers spend the same amount: there is no spread to model; use that amount")
    scale, total = float(np.average(m, weights=count)), count.sum()
    begin = np.log([start.p, start.q, start.v / scale]) if start else np.log([2.0, 3.0, 1.0])

    def mean_loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _loss(at, x, m / scale, count)
        return value / total, gradient / total

    at, _ = climb(mean_loss, begin, edge=BOX)
    p, q, v = np.exp(at)
    if np.abs(mean_loss(at)[1]).max() > 1e-4 or np.abs(at).max() > 0.99 * BOX:
        raise FitError(f"no convergence (p = {p:.3g}, q = {q:.3g}, v = {v * scale:.3g}); take more customers")
    if q <= 1:
        raise FitError(f"q = {q:.3g} is not above 1: a few huge orders make the mean infinite; check the amounts")
    return Spend(float(p), float(q), float(v * scale))


def expected_amount(spend: Spend, table: pd.DataFrame) -> np.ndarray:
    """Expected amount of an order of each customer, given the orders seen.

    E[Z | x, m] = p (v + x m) / (p x + q − 1): between the customer's mean and the mean of all; a customer without a
    known amount gets the mean of all.

    Parameters
    ----------
    spend, table
        As for `log_likelihood`.

    Returns
    -------
    array
        One value a row, currency units.

    Examples
    --------
    >>> two = pd.DataFrame({"frequency": [0, 2], "monetary": [np.nan, 9.0]})
    >>> expected_amount(Spend(2.0, 3.0, 6.0), two)
    array([6., 8.])
    """
    x, m = table["frequency"].to_numpy(float), table["monetary"].to_numpy(float, na_value=np.nan)
    x = np.where(np.nan_to_num(m) > 0, x, 0)
    return spend.p * (spend.v + x * np.nan_to_num(m)) / (spend.p * x + spend.q - 1)


def dispersion(spend: Spend, table: pd.DataFrame) -> float:
    """How many times more a customer's amounts vary than the model says, ≥ 1; by moments.

    φ = Σ (x − 1) s² / Σ (x − 1) E[ζ² | x, m] / p, with s² the variance of a customer's x amounts and the model's mean
    square E[ζ² | x, m] = p² (v + x m)² / ((p x + q − 1)(p x + q − 2)). The mean amounts stay right when φ is large, but
    totals are less certain: real amounts have longer tails than a gamma distribution.

    Parameters
    ----------
    spend : Spend
        p, q, v.
    table : DataFrame
        As for `log_likelihood`, with amount_variance s² (missing where x < 2).

    Returns
    -------
    float
        1 where amounts vary less than the model says, and where no customer has two.

    Examples
    --------
    x = 2, m = 3, p = 2, q = 2, v = 4: E[ζ²] = 4 · 100 / (5 · 4) = 20, so the model's variance is 10.

    >>> one = pd.DataFrame({"frequency": [2], "monetary": [3.0], "amount_variance": [25.0]})
    >>> round(dispersion(Spend(2, 2, 4), one), 6)
    2.5
    """
    if "amount_variance" not in table.columns:
        return 1.0
    known = table[(table["frequency"] > 1) & (table["monetary"] > 0) & table["amount_variance"].notna()]
    x, m, variance = (known[c].to_numpy(float) for c in ("frequency", "monetary", "amount_variance"))
    shape = spend.p * x + spend.q
    usable = shape > 2
    if not usable.any():
        return 1.0
    square = (spend.p * (spend.v + x * m)) ** 2 / np.where(usable, (shape - 1) * (shape - 2), 1)
    weight = (x - 1) * usable
    return max(1.0, float((weight @ variance) / (weight @ square / spend.p)))


def simulate_amounts(
    spend: Spend, table: pd.DataFrame, *, purchases: np.ndarray, rng: np.random.Generator, dispersion: float = 1.0
) -> np.ndarray:
    """One random total amount of `purchases` further orders of each customer: own rate ν drawn, then the orders.

    ν | x, m ~ gamma (p x + q, v + x m), and the sum of n orders is φ · gamma (p n / φ, ν): its mean is p n / ν whatever
    the `dispersion` φ, its variance φ times that of the model.
    """
    x, m = table["frequency"].to_numpy(float), table["monetary"].to_numpy(float, na_value=np.nan)
    x = np.where(np.nan_to_num(m) > 0, x, 0)
    rate = rng.gamma(spend.p * x + spend.q) / (spend.v + x * np.nan_to_num(m))
    return dispersion * rng.gamma(spend.p * np.asarray(purchases, float) / dispersion) / rate


def spend_frequency(table: pd.DataFrame, *, level: float = 0.95) -> Estimate:
    """Correlation of frequency and mean amount over customers with purchases, −1…1; the model wants about 0.

    Pearson's r: where amounts do not depend on frequency, every frequency has the same mean amount, and r is 0. (A rank
    correlation would not be 0: means of many skewed amounts have a higher median than single amounts.) The interval is
    r ± z · sd(h) / √n with h = z_x z_m − r (z_x² + z_m²) / 2, which does not ask for normal amounts.

    Parameters
    ----------
    table : DataFrame
        As for `log_likelihood`.
    level : float
        Confidence level, 0.5…0.999.

    Returns
    -------
    Estimate
        Missing with fewer than ten customers with purchases, or when one of the two does not vary.

    Examples
    --------
    >>> spend_frequency(pd.DataFrame({"frequency": [1], "monetary": [2.0]})).reason
    'fewer than ten customers with purchases of known amount'
    """
    x, m, _ = _used(table, None)
    if len(x) < 10:
        return Estimate.missing("fewer than ten customers with purchases of known amount")
    if x.min() == x.max() or m.min() == m.max():
        return Estimate.missing("frequency or amount does not vary")
    z_x, z_m = (x - x.mean()) / x.std(), (m - m.mean()) / m.std()
    r = float((z_x * z_m).mean())
    spread = norm.ppf(0.5 + level / 2) * (z_x * z_m - r * (z_x**2 + z_m**2) / 2).std() / np.sqrt(len(x))
    return Estimate(r, float(max(r - spread, -1)), float(min(r + spread, 1)))
