"""BG/NBD: how often customers without a contract buy, and whether they are still there (Fader, Hardie and Lee 2005).

While a customer stays, orders come at random with the own rate λ; after each repeat order the customer leaves for good
with the own probability p. Over customers λ is gamma (r, α) and p is beta (a, b) distributed, independently.

Why an own likelihood: `lifetimes` 0.11.3 finds the same maximum on the CDNOW sample (four parameters to five digits) in
about the same time, but it has had no release since July 2020; `pymc-marketing` is kept, but brings PyMC, PyTensor,
Numba and more, 50 packages in all. The likelihood and its gradient are thirty lines over SciPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaincinv, digamma, expit, gammaln, hyp2f1

NAMES = ("r", "alpha", "a", "b")
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
NEVER_LEAVES = 1e-3
"""A smaller mean probability to leave after an order cannot be told from none."""
EDGE = 7.0
"""The search box: logs of the parameters, time in units of its mean, from −7 to 7 (0.0009 … 1,097)."""


class FitError(ValueError):
    """The model cannot be fitted to these data; the message says why and what would help."""


@dataclass(frozen=True)
class Parameters:
    """The four parameters; purchase rates per unit of time of the table (weeks), r, alpha, a, b > 0.

    The mean purchase rate is r / alpha, the mean probability to leave after an order a / (a + b).
    """

    r: float
    alpha: float
    a: float
    b: float

    def __post_init__(self) -> None:
        for name in NAMES:
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise FitError(f"{name}: {value!r} is out of range; give a finite number above 0")

    def vector(self) -> np.ndarray:
        """r, alpha, a, b."""
        return np.array([self.r, self.alpha, self.a, self.b])


@dataclass(frozen=True)
class Fit:
    """A fitted model: its parameters, log-likelihood, customers, and the covariance of the *logs* of the parameters."""

    parameters: Parameters
    log_likelihood: float
    customers: int
    covariance: np.ndarray

    def table(self) -> pd.DataFrame:
        """One row a parameter: parameter, value, ci_low, ci_high (95 %, from the curvature, on the log scale)."""
        error = 1.96 * np.sqrt(np.diag(self.covariance))
        value = self.parameters.vector()
        bounds = {"ci_low": value * np.exp(-error), "ci_high": value * np.exp(error)}
        return pd.DataFrame({"parameter": NAMES, "value": value, **bounds})


@dataclass(frozen=True)
class _Rows:
    """Equal customers counted once; what depends on the frequency alone is computed once a frequency."""

    x: np.ndarray
    recency: np.ndarray
    age: np.ndarray
    count: np.ndarray
    levels: np.ndarray
    level: np.ndarray


def log_likelihood(parameters: Parameters, table: pd.DataFrame) -> float:
    """Log-likelihood of customers' purchase histories.

    ln L = Σ ln[ B(a, b + x) / B(a, b) · Γ(r + x) αʳ / Γ(r) · g ],
    g = (α + T)^−(r+x) + [x > 0] · a / (b + x − 1) · (α + t)^−(r+x),

    with x = frequency, t = recency; −∞…∞, higher is better. (The paper's B(a + 1, b + x − 1) / B(a, b + x) is
    a / (b + x − 1).) Sums of logs, so nothing over- or underflows.

    Parameters
    ----------
    parameters : Parameters
        r, alpha, a, b.
    table : DataFrame
        One row a customer: frequency (repeat purchases, ≥ 0), recency (age at the last purchase, 0 … T), T (age at the
        end), the last two in one unit of time.

    Returns
    -------
    float

    Raises
    ------
    FitError
        A missing column, a negative or missing value, or recency > T.

    References
    ----------
    Fader, Hardie and Lee (2005): faderhardielee2005.

    Examples
    --------
    With r = α = a = b = 1 and x = 0, L = (α + T)^−1 = 1/2:

    >>> one = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [1.0]})
    >>> round(log_likelihood(Parameters(1, 1, 1, 1), one), 4)
    -0.6931
    """
    return float(-_loss(np.log(parameters.vector()), group(table))[0])


def group(table: pd.DataFrame, *, weights: np.ndarray | None = None) -> _Rows:
    """Distinct rows with their number of customers: most of a million customers share their history with others.

    `weights` counts each customer so many times, as a bootstrap sample does.
    """
    columns = _checked(table)
    count = np.ones(len(table)) if weights is None else np.asarray(weights, float)
    order = np.lexsort(columns)
    sorted_ = [c[order] for c in columns]
    new = np.ones(len(order), bool)
    new[1:] = np.any([c[1:] != c[:-1] for c in sorted_], axis=0)
    start = np.flatnonzero(new)
    x, recency, age = (c[start] for c in sorted_)
    count = np.add.reduceat(count[order], start) if len(start) else count
    used = count > 0
    levels, level = np.unique(x[used], return_inverse=True)
    return _Rows(x[used], recency[used], age[used], count[used], levels, level)


def _checked(table: pd.DataFrame) -> list[np.ndarray]:
    absent = [c for c in ("frequency", "recency", "T") if c not in table.columns]
    if absent:
        raise FitError(f"table has no column {', '.join(absent)}; give frequency, recency and T")
    x, recency, age = (table[c].to_numpy(float) for c in ("frequency", "recency", "T"))
    good = (x >= 0) & (recency >= 0) & (recency <= age + 1e-9) & np.isfinite(age) & (x == np.floor(x))
    if not good.all():
        row = int(np.argmin(good))
        raise FitError(
            f"row {row}: frequency {x[row]:g}, recency {recency[row]:g}, T {age[row]:g}; "
            "give a whole frequency ≥ 0 and 0 ≤ recency ≤ T"
        )
    return [x, recency, age]


def _loss(logs: np.ndarray, rows: _Rows) -> tuple[float, np.ndarray]:
    """Minus the log-likelihood and its gradient in the logs of the parameters."""
    r, alpha, a, b = np.exp(logs)
    by_level, slope_r, slope_a, slope_b = _by_frequency(r, alpha, a, b, rows.levels)
    power, log_age, log_recency = r + rows.x, np.log(alpha + rows.age), np.log(alpha + rows.recency)
    repeat = rows.x > 0
    before = np.where(repeat, b + rows.x - 1, 1.0)
    stayed = -power * log_age
    left = np.where(repeat, np.log(a) - np.log(before) - power * log_recency, -np.inf)
    both = np.logaddexp(stayed, left)
    gone = np.exp(left - both)
    value = rows.count @ (by_level[rows.level] + both)
    d_r = slope_r[rows.level] - (1 - gone) * log_age - gone * log_recency
    d_alpha = r / alpha - power * ((1 - gone) / (alpha + rows.age) + gone / (alpha + rows.recency))
    d_a = slope_a[rows.level] + gone / a
    d_b = slope_b[rows.level] - np.where(repeat, gone / before, 0)
    gradient = np.array([rows.count @ d for d in (d_r, d_alpha, d_a, d_b)]) * (r, alpha, a, b)
    return -value, -gradient


def _by_frequency(r: float, alpha: float, a: float, b: float, x: np.ndarray) -> tuple[np.ndarray, ...]:
    """What depends on the frequency alone: the gamma functions of the likelihood, and their slopes in r, a and b."""
    value = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    value += gammaln(a + b) - gammaln(a + b + x) + gammaln(b + x) - gammaln(b)
    slope_a = digamma(a + b) - digamma(a + b + x)
    return value, digamma(r + x) - digamma(r) + np.log(alpha), slope_a, slope_a + digamma(b + x) - digamma(b)


def fit(table: pd.DataFrame, *, weights: np.ndarray | None = None, start: Parameters | None = None) -> Fit:
    """Fit the BG/NBD model by maximum likelihood.

    Quasi-Newton steps (BFGS) with the exact gradient, on the logs of the parameters, from two starts unless `start`
    names one. Time is scaled by its mean, so that hours and years converge alike.

    Parameters
    ----------
    table : DataFrame
        As for `log_likelihood`; at least one customer with a repeat purchase.
    weights : array, optional
        How often each customer counts, ≥ 0.
    start : Parameters, optional
        Where to begin, for refits such as those of a bootstrap.

    Returns
    -------
    Fit
        Parameters in the table's unit of time.

    Raises
    ------
    FitError
        No repeat purchase, no convergence, or a maximum at the edge: nobody seems to leave (a / (a + b) → 0, as on logs
        of a few days), or all customers seem to be alike (a parameter → ∞).

    References
    ----------
    Fader, Hardie and Lee (2005): faderhardielee2005.

    Examples
    --------
    >>> fit(pd.DataFrame({"frequency": [0, 0], "recency": [0.0, 0.0], "T": [9.0, 5.0]}))
    Traceback (most recent call last):
    helpers.customers.bgnbd.FitError: no customer bought again; wait until there are repeat purchases
    """
    rows = group(table, weights=weights)
    logs = _maximum(rows, start)
    value, gradient = _loss(logs, rows)
    _refuse_edges(np.exp(logs), gradient, rows)
    return Fit(Parameters(*map(float, np.exp(logs))), -float(value), int(rows.count.sum()), _covariance(logs, rows))


def refit(table: pd.DataFrame, *, weights: np.ndarray, start: Fit) -> Parameters:
    """The maximum for reweighted customers, such as a bootstrap sample, inside the search box or on its edge.

    It begins at a fit of all of them and steps by its curvature, so that few steps do.
    """
    rows = group(table, weights=weights)
    return Parameters(*map(float, np.exp(_maximum(rows, start.parameters, start.covariance * start.customers))))


def _maximum(rows: _Rows, start: Parameters | None, inverse: np.ndarray | None = None) -> np.ndarray:
    """Logs of the best parameters inside a wide box; time is scaled by its mean on the way."""
    if not (rows.x > 0).any():
        raise FitError("no customer bought again; wait until there are repeat purchases")
    if not rows.age.any():
        raise FitError("no time has passed since the customers' clocks started; take a longer window")
    scale = float(rows.age @ rows.count / rows.count.sum())
    scaled = replace(rows, recency=rows.recency / scale, age=rows.age / scale)
    total = rows.count.sum()

    def mean_loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = _loss(at, scaled)
        return value / total, gradient / total

    best = min(
        (climb(mean_loss, s, inverse=inverse) for s in _starts(scaled, start, scale)), key=lambda found: found[1]
    )
    return best[0] + np.array([0, np.log(scale), 0, 0])


def climb(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    *,
    edge: float = EDGE,
    inverse: np.ndarray | None = None,
) -> tuple:
    """Where a smooth loss (with its gradient) is smallest inside the box ±edge, and its value there, by BFGS.

    `inverse` is a first guess of the inverse of the curvature. Outside the box the loss goes on at its value on the
    edge and rises with the distance.
    """

    def boxed(at: np.ndarray) -> tuple[float, np.ndarray]:
        inside = np.clip(at, -edge, edge)
        value, gradient = loss(inside)
        return value + ((at - inside) ** 2).sum(), np.where(at == inside, gradient, 2 * (at - inside))

    with np.errstate(all="ignore"):
        options = {"gtol": 1e-7, "maxiter": 300, "hess_inv0": inverse}
        found = minimize(boxed, start, jac=True, method="BFGS", options=options)
    at = np.clip(found.x, -edge, edge)
    return at, loss(at)[0]


def _starts(rows: _Rows, start: Parameters | None, scale: float) -> list[np.ndarray]:
    if start is not None:
        return [np.clip(np.log(start.vector() / (1, scale, 1, 1)), -EDGE, EDGE)]
    rate = float(rows.x @ rows.count / (rows.age @ rows.count))
    guesses = ((0.5, 0.5, 2.0), (1.0, 1.0, 10.0))
    return [np.clip(np.log([r, r / rate, a, b]), -EDGE, EDGE) for r, a, b in guesses]


def _refuse_edges(values: np.ndarray, gradient: np.ndarray, rows: _Rows) -> None:
    r, _, a, b = values
    if a < 1.01 * np.exp(-EDGE) or a / (a + b) < NEVER_LEAVES:
        raise FitError(
            f"nobody seems to leave (a = {a:.2g}, b = {b:.4g}): every customer would be alive for ever, so a lifetime "
            "has no end; take a longer window, months rather than days"
        )
    if max(r, a, b) > 0.99 * np.exp(EDGE) or min(r, b) < 1.01 * np.exp(-EDGE):
        raise FitError(
            f"the spread between customers cannot be estimated (r = {r:.3g}, a = {a:.3g}, b = {b:.3g}); take more "
            "customers or a longer window"
        )
    steepest = float(np.abs(gradient).max() / rows.count.sum())
    if not steepest < 1e-4:
        raise FitError(f"no convergence: the likelihood still rises by {steepest:.1g} a customer; take more customers")


def _covariance(logs: np.ndarray, rows: _Rows, step: float = 1e-4) -> np.ndarray:
    """Inverse curvature of the log-likelihood at its maximum, in the logs of the parameters."""
    moves = np.eye(len(logs)) * step
    curvature = np.array([(_loss(logs + m, rows)[1] - _loss(logs - m, rows)[1]) / (2 * step) for m in moves])
    curvature = (curvature + curvature.T) / 2
    if np.linalg.eigvalsh(curvature).min() <= 0:
        raise FitError(
            "the likelihood is flat at its maximum: the parameters cannot be told apart; take more customers"
        )
    inverse = np.linalg.inv(curvature)
    return (inverse + inverse.T) / 2


def p_alive(parameters: Parameters, table: pd.DataFrame) -> np.ndarray:
    """Probability that each customer is still there at T.

    P = 1 / (1 + [x > 0] · a / (b + x − 1) · ((α + T) / (α + t))^(r + x)), 0…1. Near 1: the silence is no longer than
    usual for this customer. A customer without a repeat purchase has P = 1 by construction: the model lets customers
    leave after a *repeat* purchase only.

    Parameters
    ----------
    parameters, table
        As for `log_likelihood`.

    Returns
    -------
    array
        One value a row, in the order of the table.

    Examples
    --------
    r = α = a = b = 1, one purchase at 0 of T = 1: 1 / (1 + 1 · 2²) = 0.2.

    >>> p_alive(Parameters(1, 1, 1, 1), pd.DataFrame({"frequency": [1], "recency": [0.0], "T": [1.0]})).round(3)
    array([0.2])
    """
    x, recency, age = _checked(table)
    r, alpha, a, b = parameters.vector()
    before = np.log(a) - np.log(np.maximum(b + x - 1, 1e-300)) + (r + x) * np.log((alpha + age) / (alpha + recency))
    return np.where(x > 0, expit(-before), 1.0)


def purchase_rate(parameters: Parameters, x: np.ndarray, age: np.ndarray, ahead: np.ndarray | float) -> np.ndarray:
    """Expected purchases per unit of time, `ahead` from now, of a customer who is there now.

    E[λ e^(−λ p s)] with λ ~ gamma (r + x, α + T) and p ~ beta (a, b + x)
    = (r + x) / (α + T) · (1 + z)^−a · ₂F₁(a, a + b − r − 1; a + b + x; z / (1 + z)), z = s / (α + T); > 0, and it
    falls with s, since the customer may leave.

    Examples
    --------
    Now (s = 0) it is the mean rate (r + x) / (α + T):

    >>> float(purchase_rate(Parameters(1, 1, 1, 1), np.array([2.0]), np.array([5.0]), 0.0)[0])
    0.5
    """
    r, alpha, a, b = parameters.vector()
    z = ahead / (alpha + age)
    with np.errstate(all="ignore"):
        decay = (1 + z) ** -a * hyp2f1(a, a + b - r - 1, a + b + x, z / (1 + z))
    lost = ~np.isfinite(decay)  # 0 · ∞, where a is in the hundreds
    if lost.any():
        x_, z_ = (np.broadcast_to(v, lost.shape)[lost] for v in (x, z))
        share = (np.arange(200) + 0.5) / 200
        leave = betaincinv(a, b + x_[:, None], share)
        decay[lost] = ((1 + z_[:, None] * leave) ** -(r + x_[:, None] + 1)).mean(axis=1)
    return (r + x) / (alpha + age) * decay


def expected_purchases(
    parameters: Parameters, table: pd.DataFrame, *, horizon: float | np.ndarray, discount: float = 0.0
) -> np.ndarray:
    """Expected purchases of each customer in the next `horizon`, given what the customer did.

    E[Y(h) | x, t, T] = P(alive) · ∫₀ʰ e^(−δ s) rate(s) ds, ≥ 0; the integral by Gauss–Legendre. With δ = 0 it is
    the paper's closed form, which divides by a − 1 and so fails at a = 1.

    Parameters
    ----------
    parameters, table
        As for `log_likelihood`.
    horizon : float or array
        Length of the future, in the table's unit of time, ≥ 0; one value, or one a customer.
    discount : float
        Continuous discount rate δ per unit of time, ≥ 0: a purchase after s counts e^(−δ s).

    Returns
    -------
    array
        One value a row, purchases.

    References
    ----------
    Fader, Hardie and Lee (2005): faderhardielee2005.

    Examples
    --------
    The published example of the CDNOW data: 1.226 purchases in the next 39 weeks.

    >>> customer = pd.DataFrame({"frequency": [2], "recency": [30.43], "T": [38.86]})
    >>> expected_purchases(Parameters(0.2426, 4.4136, 0.7930, 2.4262), customer, horizon=39).round(3)
    array([1.226])
    """
    x, _, age = _checked(table)
    return p_alive(parameters, table) * _integral(parameters, x, age, horizon, discount)


def expected_since_first(parameters: Parameters, time: np.ndarray) -> np.ndarray:
    """Expected repeat purchases of a new customer by `time` after the first purchase, nothing else known.

    E[X(t)] = ∫₀ᵗ E[λ e^(−λ p s)] ds with λ ~ gamma (r, α), p ~ beta (a, b); 0 at 0, rising.

    Examples
    --------
    With r = α = a = b = 1 it is ln(1 + t):

    >>> expected_since_first(Parameters(1, 1, 1, 1), np.array([0.0, np.e - 1])).round(6)
    array([0., 1.])
    """
    time = np.asarray(time, float)
    return _integral(parameters, np.zeros(len(time)), np.zeros(len(time)), time, 0.0)


def _integral(
    parameters: Parameters, x: np.ndarray, age: np.ndarray, horizon: float | np.ndarray, discount: float
) -> np.ndarray:
    # many customers share frequency and age: the costly hypergeometric function is needed once for each such pair
    keys, place = np.unique(np.column_stack(np.broadcast_arrays(x, age, horizon)), axis=0, return_inverse=True)
    x, age, horizon = keys.T
    total = np.zeros(len(keys))
    for node, weight in zip((1 + NODES) / 2, WEIGHTS / 2, strict=True):
        ahead = horizon * node**2  # more nodes near now, where the rate falls fastest
        total += weight * 2 * node * horizon * np.exp(-discount * ahead) * purchase_rate(parameters, x, age, ahead)
    return total[place.reshape(-1)]


def simulate_future(
    parameters: Parameters,
    table: pd.DataFrame,
    *,
    steps: np.ndarray,
    rng: np.random.Generator,
    alive: np.ndarray | None = None,
) -> np.ndarray:
    """One random future: purchases of each customer up to the end of each step.

    Draws who is there (P(alive)), the rate and the probability to leave given the history, Poisson purchases, and the
    purchase after which the customer leaves. So its spread holds both what is unknown about a customer and pure chance.

    Parameters
    ----------
    parameters, table
        As for `log_likelihood`.
    steps : array
        Lengths of the successive steps, in the table's unit of time, > 0.
    rng : Generator
        Source of random numbers.
    alive : array, optional
        `p_alive` of the same parameters and table, where it is known already.

    Returns
    -------
    array
        Customer × step: cumulative number of purchases.
    """
    x, _, age = _checked(table)
    r, alpha, a, b = parameters.vector()
    rate = rng.gamma(r + x) / (alpha + age)
    leave = np.maximum(rng.beta(a, b + x), 1e-12)
    alive = p_alive(parameters, table) if alive is None else alive
    last = np.where(rng.random(len(x)) < alive, rng.geometric(leave), 0)
    counts = np.zeros((len(x), len(steps)), np.int64)
    here = last > 0
    bought = rng.poisson(rate[here, None] * np.asarray(steps, float)).cumsum(axis=1)
    counts[here] = np.minimum(bought, last[here, None])
    return counts


def simulate(parameters: Parameters, *, ages: np.ndarray, seed: int) -> pd.DataFrame:
    """Histories of customers of the given ages, drawn from the model itself, with who has left.

    Returns
    -------
    DataFrame
        One row a customer: frequency, recency, T (= ages), alive.

    Examples
    --------
    >>> simulate(Parameters(1, 1, 1, 1), ages=np.array([3.0]), seed=1).columns.tolist()
    ['frequency', 'recency', 'T', 'alive']
    """
    rng, n, ages = np.random.default_rng(seed), len(ages), np.asarray(ages, float)
    r, alpha, a, b = parameters.vector()
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    frequency, recency, here = np.zeros(n, int), np.zeros(n), np.arange(n)
    alive, now = np.ones(n, bool), np.zeros(n)
    while len(here):
        now[here] += rng.exponential(size=len(here)) / np.maximum(rate[here], 1e-300)
        here = here[now[here] <= ages[here]]
        frequency[here] += 1
        recency[here] = now[here]
        stays = rng.random(len(here)) >= leave[here]
        alive[here[~stays]] = False
        here = here[stays]
    return pd.DataFrame({"frequency": frequency, "recency": recency, "T": ages, "alive": alive})
