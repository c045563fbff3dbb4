"""What sales answer to advertising: adstock, saturation, and the fit of both by non-linear least squares.

The curve of a channel is ceiling · S(adstock(spend)): advertising lingers (carry), and more of it adds less (half). The
fit is observational. It is only as good as the variation of the spend: a spend that never varies, or that moves with
the season, says nothing about its effect, and is refused here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.optimize import least_squares
from scipy.signal import lfilter
from scipy.stats import t as student

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

SHAPES = ("hill", "exponential")
LEAST_VARIATION = 0.05
LEAST_PERIODS = 5
MOST_EXPLAINED = 0.95
WIDE = 0.75
"""Standard error of a logarithm from which a number is called unknown: its 95 % interval spans a factor of 19."""
CARRY_EDGES = (0.005, 0.95)
PARAMETERS = ("ceiling", "half", "carry")


def adstock(spend: ArrayLike, *, carry: float) -> np.ndarray:
    """Geometric adstock: the spend of this period and what is left of the earlier ones.

    A(t) = x(t) + carry·A(t−1), from A = 0 before the first period. carry 0: no memory; near 1: long memory. A constant
    spend x ends at x / (1 − carry).

    Parameters
    ----------
    spend : array
        One value a period, in the order of time, currency units, 0 or more.
    carry : float
        Share of the adstock that is left after one period, 0…1 exclusive.

    Returns
    -------
    array
        Currency units, one a period.

    Raises
    ------
    ExperimentError
        A negative or missing spend, or carry outside its range.

    References
    ----------
    Jin et al. (2017): jin2017; Broadbent (1979).

    Examples
    --------
    >>> adstock([100, 0, 0], carry=0.5).tolist()
    [100.0, 50.0, 25.0]
    """
    if not 0 <= carry < 1:
        raise ExperimentError(f"carry {carry!r}: take a share from 0 to below 1")
    return lfilter([1.0], [1.0, -carry], _amounts(spend, "spend"))


def saturation(stock: ArrayLike, *, half: float, shape: str = "hill", slope: float = 1.0) -> np.ndarray:
    """Share of the ceiling that is reached: 0 at no advertising, one half at `half`, near 1 at very much.

    hill: x^slope / (x^slope + half^slope); exponential: 1 − 2^(−x/half). With slope 1 both are concave: each further
    unit adds less.

    Parameters
    ----------
    stock : array
        Adstock or spend, currency units, 0 or more.
    half : float
        Where half of the ceiling is reached, in the unit of `stock`, > 0.
    shape : str
        'hill' or 'exponential'.
    slope : float
        Steepness of the Hill curve, > 0; above 1 it is S-shaped. The fit takes 1.

    Returns
    -------
    array
        Shares, 0…1.

    Raises
    ------
    ExperimentError
        An unknown shape, half or slope not above 0, a negative or missing stock.

    References
    ----------
    Jin et al. (2017): jin2017.

    Examples
    --------
    >>> saturation([0, 30, 90], half=30).tolist(), saturation([30], half=30, shape="exponential").tolist()
    ([0.0, 0.5, 0.75], [0.5])
    """
    _check_shape(shape)
    if not (half > 0 and slope > 0):
        raise ExperimentError(f"half {half!r}, slope {slope!r}: both must be above 0")
    stock = _amounts(stock, "stock")
    if shape == "exponential":
        return -np.expm1(-math.log(2) * stock / half)
    powered = stock**slope
    return powered / (powered + half**slope)


def _check_shape(shape: str) -> None:
    if shape not in SHAPES:
        raise ExperimentError(f"shape {shape!r}: take one of {', '.join(SHAPES)}")


def _amounts(values: ArrayLike, name: str) -> np.ndarray:
    numbers = np.asarray(values, dtype=float)
    if not np.isfinite(numbers).all():
        raise ExperimentError(f"{name}: {int((~np.isfinite(numbers)).sum())} values are missing; write 0 for no money")
    if (numbers < 0).any():
        raise ExperimentError(f"{name}: {numbers.min():g} is negative; book a refund on the day of its spend")
    return numbers


@dataclass(frozen=True)
class ResponseFit:
    """A fitted model: `theta` holds log ceiling, log half, logit carry a channel, then the base; `cov` its covariance.

    `refused` says why a channel is not in it; `mean_spend` is money a period.
    """

    channels: list[str]
    theta: np.ndarray
    cov: np.ndarray
    degrees: int
    shape: str
    mean_spend: dict[str, float]
    most_spend: dict[str, float]
    refused: dict[str, str]
    r_squared: float
    reason: str = ""


def fit_response(
    table: pd.DataFrame,
    *,
    channels: list[str],
    outcome: str,
    controls: ArrayLike | None = None,
    shape: str = "hill",
    starts: int = 6,
    lags: int = 0,
    seed: int = 0,
) -> ResponseFit:
    """Fit outcome(t) = base(t) + Σ ceiling·S(adstock(spend(t))) over all channels, by bounded non-linear least squares.

    base = intercept + controls·γ. The search runs from several starts (the best is kept). The covariance is that of the
    delta method, (JᵀJ)⁻¹s²; with `lags` it is Newey and West's, which allows errors that are related over so many
    periods. Both assume that the model's form is right and that spend was not set by looking at the coming sales.

    Parameters
    ----------
    table : DataFrame
        One row a period in the order of time, without gaps: the outcome and one column of spend a channel.
    channels : list of str
        Columns of spend, currency units a period.
    outcome : str
        Column of orders or sales a period.
    controls : array, optional
        Period × control: weekdays, season, festivals, campaigns.
    shape : str
        'hill' (slope 1) or 'exponential'.
    starts : int
        Number of starting points, 1…100.
    lags : int
        Periods over which errors may be related, 0…n/4.
    seed : int
        Of the starting points.

    Returns
    -------
    ResponseFit
        Channels whose spend cannot tell their effect are left out, with the reason in `refused`.

    Raises
    ------
    ExperimentError
        An unknown column or shape, missing values, negative spend or outcome.

    References
    ----------
    Jin et al. (2017): jin2017; Newey & West (1987): neweywest1987.

    Examples
    --------
    >>> spend = np.tile([0.0, 10, 40, 20, 80, 5], 10)
    >>> sales = 50 + 30 * saturation(adstock(spend, carry=0.3), half=25)
    >>> fit = fit_response(pd.DataFrame({"tv": spend, "sales": sales}), channels=["tv"], outcome="sales")
    >>> curves(fit).round(3)[["channel", "ceiling", "half", "carry"]]
      channel  ceiling  half  carry
    0      tv     30.0  25.0    0.3
    """
    _check_shape(shape)
    if absent := [c for c in [*channels, outcome] if c not in table.columns]:
        raise ExperimentError(f"table has no column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    spend = {c: _amounts(table[c], f"spend of {c}") for c in channels}
    y = _amounts(table[outcome], outcome)
    base = _base(len(table), controls)
    refused = {c: why for c in channels if (why := _not_separable(c, spend, base))}
    kept = [c for c in channels if c not in refused]
    empty = ResponseFit(kept, np.empty(0), np.empty((0, 0)), 0, shape, {}, {}, refused, math.nan)
    degrees = len(y) - base.shape[1] - 3 * len(kept)
    if not kept:
        return replace(empty, channels=[], reason="no channel's spend can tell its effect")
    if degrees < 10 or np.ptp(y) == 0:
        reason = f"{len(y)} periods are too few, or all alike, for {3 * len(kept) + base.shape[1]} unknowns"
        return replace(empty, channels=[], reason=reason)
    money = np.column_stack([spend[c] for c in kept])
    theta, jacobian, residual = _search(money, y, base, shape=shape, starts=starts, seed=seed)
    return replace(
        empty,
        theta=theta,
        cov=_covariance(jacobian, residual, degrees, lags),
        degrees=degrees,
        mean_spend=dict(zip(kept, map(float, money.mean(axis=0)), strict=True)),
        most_spend=dict(zip(kept, map(float, money.max(axis=0)), strict=True)),
        r_squared=1 - float(residual @ residual) / float(((y - y.mean()) ** 2).sum()),
    )


def _base(periods: int, controls: ArrayLike | None) -> np.ndarray:
    ones = np.ones((periods, 1))
    if controls is None:
        return ones
    controls = np.asarray(controls, dtype=float).reshape(periods, -1)
    return np.hstack([ones, controls[:, np.ptp(controls, axis=0) > 0]]) if periods else ones


def _not_separable(channel: str, spend: dict[str, np.ndarray], base: np.ndarray) -> str:
    """Why this channel's effect cannot be told from the base or from other channels; '' when it can."""
    x = spend[channel]
    if not len(x) or x.max() == 0:
        return "no money was spent"
    if (x > 0).sum() < LEAST_PERIODS:
        return f"money was spent in fewer than {LEAST_PERIODS} periods"
    if x.std() / x.mean() < LEAST_VARIATION:
        return "its spend never varies: nothing shows what sales would be at another spend"
    others = [v for c, v in spend.items() if c != channel]
    for beside, words in ((base, "the season and the other controls"), (np.column_stack([base, *others]), "the rest")):
        left = x - beside @ np.linalg.lstsq(beside, x, rcond=None)[0]
        if left.var() / x.var() < 1 - MOST_EXPLAINED:
            return f"its spend moves with {words}: their effects cannot be told apart"
    return ""


def _parts(theta: np.ndarray, money: np.ndarray, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Effect of each channel, period × channel, and its derivatives by log ceiling, log half, logit carry."""
    effects, slopes = [], []
    for k in range(money.shape[1]):
        ceiling, half = np.exp(theta[3 * k : 3 * k + 2])
        carry = 1 / (1 + math.exp(-theta[3 * k + 2]))
        stock = lfilter([1.0], [1.0, -carry], money[:, k])
        drift = lfilter([0.0, 1.0], [1.0, -carry], stock)  # derivative of the adstock by carry
        if shape == "hill":
            share, by_stock = stock / (stock + half), half / (stock + half) ** 2
        else:
            rate = math.log(2) / half
            share, by_stock = -np.expm1(-rate * stock), rate * np.exp(-rate * stock)
        effects.append(ceiling * share)
        by_carry = ceiling * by_stock * drift * carry * (1 - carry)
        slopes += [ceiling * share, -ceiling * by_stock * stock, by_carry]
    return np.column_stack(effects), np.column_stack(slopes)


def _search(
    money: np.ndarray, y: np.ndarray, base: np.ndarray, *, shape: str, starts: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best of several bounded searches: parameters, Jacobian and residuals."""
    k, rng = money.shape[1], np.random.default_rng(seed)
    low, high = _edges(money, y, base.shape[1])
    count = 3 * k

    def residual(theta: np.ndarray) -> np.ndarray:
        return _parts(theta[:count], money, shape)[0].sum(axis=1) + base @ theta[count:] - y

    def jacobian(theta: np.ndarray) -> np.ndarray:
        return np.hstack([_parts(theta[:count], money, shape)[1], base])

    best = None
    for number in range(starts):
        theta = _start(rng if number else None, money, y, base, shape)
        theta = np.clip(theta, low + 1e-6, high - 1e-6)
        found = least_squares(residual, theta, jac=jacobian, bounds=(low, high), x_scale="jac", max_nfev=200)
        if best is None or found.cost < best.cost:
            best = found
    return best.x, jacobian(best.x), best.fun


def _edges(money: np.ndarray, y: np.ndarray, controls: int) -> tuple[np.ndarray, np.ndarray]:
    low, high = [], []
    for k in range(money.shape[1]):
        largest = money[:, k].max()
        low += [math.log(1e-4 * y.mean()), math.log(largest / 100), math.log(CARRY_EDGES[0] / (1 - CARRY_EDGES[0]))]
        high += [math.log(20 * y.max()), math.log(100 * largest), math.log(CARRY_EDGES[1] / (1 - CARRY_EDGES[1]))]
    return np.array(low + [-np.inf] * controls), np.array(high + [np.inf] * controls)


def _start(
    rng: np.random.Generator | None, money: np.ndarray, y: np.ndarray, base: np.ndarray, shape: str
) -> np.ndarray:
    """Half and carry at the middle or at random; ceilings and base by linear least squares, given these."""
    theta = np.zeros(3 * money.shape[1])
    for k in range(money.shape[1]):
        carry = 0.3 if rng is None else rng.uniform(0.05, 0.8)
        scale = 1.0 if rng is None else math.exp(rng.uniform(-1.2, 1.2))
        theta[3 * k + 1] = math.log(money[:, k].mean() / (1 - carry) * scale)
        theta[3 * k + 2] = math.log(carry / (1 - carry))
    shares = _parts(theta, money, shape)[0]
    solved = np.linalg.lstsq(np.hstack([shares, base]), y, rcond=None)[0]
    theta[::3] = np.log(np.maximum(solved[: money.shape[1]], 0.01 * y.mean()))
    return np.concatenate([theta, solved[money.shape[1] :]])


def _covariance(jacobian: np.ndarray, residual: np.ndarray, degrees: int, lags: int) -> np.ndarray:
    """Delta method; with `lags` the sandwich of Newey and West with its small-sample factor."""
    size = np.maximum(np.linalg.norm(jacobian, axis=0), 1e-12)
    scaled = jacobian / size
    bread = np.linalg.pinv(scaled.T @ scaled, rcond=1e-10)
    if lags == 0:
        core = bread * float(residual @ residual) / degrees
    else:
        scores = scaled * residual[:, None]
        meat = scores.T @ scores
        for lag in range(1, lags + 1):
            cross = scores[lag:].T @ scores[:-lag]
            meat += (1 - lag / (lags + 1)) * (cross + cross.T)
        core = bread @ meat @ bread * len(residual) / degrees
    return core / np.outer(size, size)


def curves(fit: ResponseFit, *, level: float = 0.95) -> pd.DataFrame:
    """The curve of each channel with the intervals of its parameters.

    The intervals are symmetric in log ceiling, log half and logit carry (delta method, t distribution), so they stay in
    the possible range. They hold where the data fix the curve. Where a standard error of log ceiling or log half
    passes 0.75, or an estimate lies at the edge of what is searched, the row is 'unknown' and has no numbers.

    Parameters
    ----------
    fit : ResponseFit
        From `fit_response`.
    level : float
        How often an interval shall cover the truth, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a channel: `channel`, `ceiling` (unit of the outcome a period), `half` (adstock, currency units),
        `carry` (share) each with `_ci_low` and `_ci_high`, `status` ('known', 'unknown' or 'refused'), `because`.

    References
    ----------
    As in `fit_response`.

    Examples
    --------
    See `fit_response`.
    """
    names = ["channel", *(f"{p}{e}" for p in PARAMETERS for e in ("", "_ci_low", "_ci_high")), "status", "because"]
    if not fit.channels and not fit.refused:
        return missing(names, fit.reason or "no channel")
    rows = [_curve_row(fit, k, level) for k in range(len(fit.channels))]
    rows += [{"channel": c, "status": "refused", "because": why} for c, why in fit.refused.items()]
    return pd.DataFrame(rows, columns=names)


def _curve_row(fit: ResponseFit, k: int, level: float) -> dict:
    at = slice(3 * k, 3 * k + 3)
    theta, error = fit.theta[at], np.sqrt(np.diag(fit.cov)[at])
    row = {"channel": fit.channels[k]}
    if max(error[:2]) > WIDE or _at_edge(fit, k):
        return row | {"status": "unknown", "because": "the record does not fix its bend"}
    reach = student.ppf((1 + level) / 2, fit.degrees) * error
    for j, name in enumerate(PARAMETERS):
        back = np.exp if name != "carry" else _logistic
        ends = theta[j] + np.array([0, -reach[j], reach[j]])
        row |= dict(zip((name, f"{name}_ci_low", f"{name}_ci_high"), map(float, back(ends)), strict=True))
    return row | {"status": "known", "because": "its spend varies and its curve bends"}


def _at_edge(fit: ResponseFit, k: int) -> bool:
    """Does the search end at the edge for half: an on/off effect, or a straight line? Then its errors mean nothing."""
    return abs(fit.theta[3 * k + 1] - math.log(fit.most_spend[fit.channels[k]])) > math.log(100) - 0.05


def _logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def steady_response(curve: pd.Series | dict, spend: ArrayLike, *, shape: str = "hill") -> np.ndarray:
    """Outcome a period that a channel adds when it spends the same in every period.

    f(s) = ceiling · S(s / (1 − carry)).

    >>> steady_response({"ceiling": 100.0, "half": 40.0, "carry": 0.5}, [0, 20]).tolist()
    [0.0, 50.0]
    """
    level = np.asarray(spend, dtype=float) / (1 - curve["carry"])
    return curve["ceiling"] * saturation(level, half=curve["half"], shape=shape)


def marginal_response(curve: pd.Series | dict, spend: ArrayLike, *, shape: str = "hill") -> np.ndarray:
    """Outcome that one more currency unit a period adds, at a steady spend: the slope f′(s) of `steady_response`.

    With h = half·(1 − carry): hill ceiling·h/(s + h)²; exponential ceiling·(ln 2/h)·2^(−s/h).

    >>> marginal_response({"ceiling": 100.0, "half": 40.0, "carry": 0.5}, [0, 20]).tolist()
    [5.0, 1.25]
    """
    _check_shape(shape)
    s, h = _amounts(spend, "spend"), curve["half"] * (1 - curve["carry"])
    if shape == "hill":
        return curve["ceiling"] * h / (s + h) ** 2
    return curve["ceiling"] * math.log(2) / h * np.exp(-math.log(2) * s / h)


def returns(fit: ResponseFit, *, value: float = 1.0, level: float = 0.95) -> pd.DataFrame:
    """Average and marginal return of each channel at its mean spend, with intervals.

    average = f(s)·value/s; marginal = f′(s)·value; money back for one unit of money. The marginal one decides about the
    next unit; it lies below the average one, because the curve bends. Intervals: delta method in the logarithm.

    Parameters
    ----------
    fit : ResponseFit
        From `fit_response`.
    value : float
        Sales or margin of one unit of the outcome, currency units, ≥ 0; it is taken as known.
    level : float
        As in `curves`.

    Returns
    -------
    DataFrame
        One row a fitted channel: `channel`, `spend` (mean a period), `average_return`, `marginal_return`, each with
        `_ci_low`, `_ci_high`, `status`, `because`. A return whose logarithm has a standard error above 0.75, or
        whose curve ends at the edge of the search, is 'unknown' and missing.

    Raises
    ------
    ExperimentError
        A negative value.

    References
    ----------
    As in `fit_response`.

    Examples
    --------
    >>> spend = np.tile([0.0, 10, 40, 20, 80, 5], 10)
    >>> sales = 50 + 30 * saturation(adstock(spend, carry=0.5), half=50)
    >>> fit = fit_response(pd.DataFrame({"tv": spend, "sales": sales}), channels=["tv"], outcome="sales")
    >>> returns(fit, value=2.0).round(2)[["channel", "average_return", "marginal_return"]]
      channel  average_return  marginal_return
    0      tv            1.18             0.58
    """
    kinds = ("average_return", "marginal_return")
    names = ["channel", "spend", *(f"{k}{e}" for k in kinds for e in ("", "_ci_low", "_ci_high")), "status", "because"]
    if not value >= 0:
        raise ExperimentError(f"value {value!r}: sales or margin of one unit are 0 or more")
    if not fit.channels:
        return missing(names, fit.reason or "no channel's spend can tell its effect")
    rows = [_return_row(fit, k, value, level) for k in range(len(fit.channels))]
    return pd.DataFrame(rows, columns=names)


def _return_row(fit: ResponseFit, k: int, value: float, level: float) -> dict:
    name = fit.channels[k]
    theta, cov = fit.theta[3 * k : 3 * k + 3], fit.cov[3 * k : 3 * k + 3, 3 * k : 3 * k + 3]
    spend, row = fit.mean_spend[name], {"channel": name, "spend": fit.mean_spend[name]}
    reach, known = student.ppf((1 + level) / 2, fit.degrees), []
    for kind, log_return in (("average_return", _log_average), ("marginal_return", _log_marginal)):
        middle = log_return(theta, spend, fit.shape)
        steps = np.eye(3) * 1e-5
        slope = np.array(
            [(log_return(theta + d, spend, fit.shape) - log_return(theta - d, spend, fit.shape)) / 2e-5 for d in steps]
        )
        error = math.sqrt(max(slope @ cov @ slope, 0.0))
        known.append(error <= WIDE)
        error = math.inf if _at_edge(fit, k) else error
        ends = np.exp(middle + error * np.array([0, -reach, reach])) if error <= WIDE else [None] * 3
        keys = (kind, f"{kind}_ci_low", f"{kind}_ci_high")
        row |= {key: None if v is None else value * float(v) for key, v in zip(keys, ends, strict=True)}
    words = "the data fix it" if all(known) else "its effect cannot be told from the noise of the sales"
    return row | {"status": "known" if all(known) else "unknown", "because": words}


def _curve(theta: np.ndarray) -> dict[str, float]:
    return {"ceiling": math.exp(theta[0]), "half": math.exp(theta[1]), "carry": float(_logistic(theta[2]))}


def _log_average(theta: np.ndarray, spend: float, shape: str) -> float:
    return math.log(float(steady_response(_curve(theta), spend, shape=shape)) / spend)


def _log_marginal(theta: np.ndarray, spend: float, shape: str) -> float:
    return math.log(max(float(marginal_response(_curve(theta), spend, shape=shape)), 1e-300))


def straight_lines(
    table: pd.DataFrame, *, channels: list[str], outcome: str, controls: ArrayLike | None = None, lags: int = 0,
    truth: pd.DataFrame | None = None, level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """The mean slope of the response over the spends that were tried: what is left to learn where no curve shows.

    outcome(t) = base(t) + Σ slope·spend(t) by ordinary least squares. The interval takes the larger of the plain
    standard error and Newey and West's over `lags`, which is too small in short records. The slope is that of the
    straight line that fits the true response best; it says nothing about the next unit.

    Parameters
    ----------
    table, channels, outcome, controls, lags
        As in `fit_response`.
    truth : DataFrame, optional
        True curves (`channel`, `ceiling`, `half`, `carry`): the same line is drawn through the true response.
    level : float
        As in `curves`.

    Returns
    -------
    DataFrame
        One row a channel: `channel`, `spend` (mean), `slope` (outcome a currency unit) with `ci_low`, `ci_high`, and
        `truth`. Empty with its reason where periods are too few or no spend varies.

    Raises
    ------
    ExperimentError
        As in `fit_response`.

    References
    ----------
    Newey & West (1987): neweywest1987.

    Examples
    --------
    >>> table = pd.DataFrame({"tv": [0.0, 1, 2, 3] * 5, "sales": [5.0, 8, 9, 12] * 5})
    >>> straight_lines(table, channels=["tv"], outcome="sales").round(3)[["slope", "ci_low"]]
       slope  ci_low
    0    2.2   2.002
    """
    names = ["channel", "spend", "slope", "ci_low", "ci_high", "truth"]
    spend = {c: _amounts(table[c], f"spend of {c}") for c in channels}
    y, base = _amounts(table[outcome], outcome), _base(len(table), controls)
    kept = [c for c in channels if not _not_separable(c, spend, base)]
    degrees = len(y) - base.shape[1] - len(kept)
    if not kept or degrees < 10:
        return missing(names, "no channel's spend can tell its effect, or the periods are too few")
    design = np.column_stack([*(spend[c] for c in kept), base])
    solve = np.linalg.pinv(design)
    found = solve @ y
    left = y - design @ found
    if left @ left <= 1e-20 * (y @ y):
        return missing(names, "the outcome is the same in all periods, but for peaks: nothing is left to explain")
    error = np.sqrt(np.maximum(*(np.diag(_covariance(design, left, degrees, n)) for n in (0, lags))))[: len(kept)]
    reach = student.ppf((1 + level) / 2, degrees) * error
    known = _true_lines(spend, kept, solve, truth)
    slope = found[: len(kept)]
    columns = [kept, [spend[c].mean() for c in kept], slope, slope - reach, slope + reach, known]
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def _true_lines(
    spend: dict[str, np.ndarray], kept: list[str], solve: np.ndarray, truth: pd.DataFrame | None
) -> list[float]:
    """The slopes of the same regression on the true response without noise."""
    if truth is None or truth.empty:
        return [math.nan] * len(kept)
    response = np.zeros(solve.shape[1])
    for row in truth[truth.channel.isin(list(spend))].itertuples():
        response += row.ceiling * saturation(adstock(spend[row.channel], carry=row.carry), half=row.half)
    return list((solve @ response)[: len(kept)])
