"""Dose–response of contacts: orders gained and customers lost by messages a week, and the cap where one more costs.

The arms of a randomised frequency test give both curves. The cap is where the marginal profit, with the lost future
value of those who opt out, is zero; its interval holds all caps that the data do not contradict (likelihood ratio).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.stats import chi2

from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, missing

STEP = 0.05  # messages a week between two points of the search
SCALES = 90  # candidates for the scale of the saturation
POWERS = np.linspace(0, 4, 81)  # candidates for the power of the opt-outs
LEAST, MOST = 1e-12, 50.0  # bounds of a risk, so that logarithms stay finite


def _nothing() -> np.ndarray:
    return np.zeros((0, 0))


@dataclass(frozen=True)
class DoseFit:
    """Both fitted curves of a frequency test; every array has a first axis of tests (one, but in a simulation).

    `ceiling`, `error`, `misfit` hold, for each candidate in `scales`, the best ceiling (orders a person), its standard
    error and χ². `kappa`, `beta` and `cov` (of log κ and β) describe the opt-outs. `order_value` is the margin of one
    order, currency units, `order_value_error` its standard error. `most` is the largest dose tested (messages a week),
    `weeks` the length of the test. With a `reason` there is no fit.
    """

    scales: np.ndarray = field(default_factory=_nothing)
    ceiling: np.ndarray = field(default_factory=_nothing)
    error: np.ndarray = field(default_factory=_nothing)
    misfit: np.ndarray = field(default_factory=_nothing)
    kappa: np.ndarray = field(default_factory=_nothing)
    beta: np.ndarray = field(default_factory=_nothing)
    cov: np.ndarray = field(default_factory=_nothing)
    order_value: np.ndarray = field(default_factory=_nothing)
    order_value_error: np.ndarray = field(default_factory=_nothing)
    most: float = 0.0
    weeks: float = 0.0
    reason: str = ""

    @property
    def doses(self) -> np.ndarray:
        """Messages a week at which the curves are computed: 0 to the largest dose that was tested."""
        return np.linspace(0, self.most, max(2, round(self.most / STEP) + 1))

    def parameters(self) -> tuple[np.ndarray, np.ndarray]:
        """Ceiling (orders a person) and scale (messages a week) of each test."""
        best = self.misfit.argmin(axis=1)
        return self.ceiling[np.arange(len(best)), best], self.scales[best]


def fit_curves(
    per_week: np.ndarray,
    orders: np.ndarray,
    errors: np.ndarray,
    opt_outs: np.ndarray,
    users: np.ndarray,
    *,
    order_value: np.ndarray | float,
    order_value_error: np.ndarray | float = 0.0,
    weeks: float = 1.0,
) -> DoseFit:
    """Fit both curves to the arms of one or of many frequency tests at once.

    orders(f) = μ + A·(1 − e^(−f/h)): weighted least squares with A ≥ 0 and h from a grid. Share that opts out:
    1 − exp(−κ·f^β): maximum likelihood (binomial, complementary log-log link) with β from a grid.

    Parameters
    ----------
    per_week : array, one an arm
        Messages a week: the control with 0 first, then ascending.
    orders, errors : array, tests × arms
        Mean orders a person in the test, and their standard errors (above 0).
    opt_outs, users : array, tests × arms
        People who withdrew consent during the test, and all people.
    order_value, order_value_error : number or array of tests
        Margin of one order (currency units, above 0) and its standard error.
    weeks : float
        Length of the test, above 0.

    Returns
    -------
    DoseFit
        The curves of every test.

    Raises
    ------
    ExperimentError
        Doses that do not start with 0 and rise, with at least two above 0; errors or an order value that are not
        above 0.

    References
    ----------
    Dose–response as in McCullagh & Nelder (1989), chapter 4: mccullagh1989.

    Examples
    --------
    Orders that were made with ceiling 0.2 and scale 2, without any noise:

    >>> f = np.array([0.0, 1, 2, 4, 8])
    >>> fit = fit_curves(f, 1 + 0.2 * (1 - np.exp(-f / 2)), np.full(5, 0.01), np.zeros(5), np.full(5, 100),
    ...                  order_value=50.0)
    >>> [round(float(x[0]), 1) for x in fit.parameters()]
    [0.2, 2.0]
    """
    f, y, v = np.asarray(per_week, float), np.atleast_2d(orders).astype(float), np.atleast_2d(errors).astype(float) ** 2
    value, value_error = (np.broadcast_to(np.asarray(x, float), len(y)) for x in (order_value, order_value_error))
    _check_test(f, v, value)
    scales = np.geomspace(f[1] / 5, 5 * f[-1], SCALES)
    line = _lines(y, 1 / v, 1 - np.exp(-f[None, :] / scales[:, None]))
    left, people = (np.atleast_2d(x).astype(float)[:, 1:] for x in (opt_outs, users))
    return DoseFit(scales, *line, *_opt_out_curve(f[1:], left, people), value, value_error, float(f[-1]), float(weeks))


def _check_test(f: np.ndarray, v: np.ndarray, value: np.ndarray) -> None:
    if len(f) < 3 or f[0] != 0 or (np.diff(f) <= 0).any():
        raise ExperimentError(f"per_week {f.tolist()}: give the control with 0 first, then at least two rising doses")
    if not ((v > 0).all() and (value > 0).all()):
        raise ExperimentError("errors and order_value: standard errors and the margin of an order are above 0")


def _lines(y: np.ndarray, w: np.ndarray, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted line of the arms' means on each candidate's shape: slope (0 or more), its error, and χ²."""
    total = w.sum(axis=1)[:, None]
    x_mean, y_mean = w @ shape.T / total, (w * y).sum(axis=1)[:, None] / total
    squares = w @ (shape**2).T - total * x_mean**2
    slope = ((w * y) @ shape.T - total * x_mean * y_mean) / squares
    spread = (w * y**2).sum(axis=1)[:, None] - total * y_mean**2
    held = np.maximum(slope, 0)
    return held, 1 / np.sqrt(squares), spread - held * (2 * slope - held) * squares


def _opt_out_curve(f: np.ndarray, left: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """κ, β and the covariance of (log κ, β); κ = 0 where nobody left."""
    power, some = f[None, :] ** POWERS[:, None], left.sum(axis=1) > 0
    kappa = np.maximum(left.sum(axis=1)[:, None], 0.5) / np.maximum(n @ power.T, LEAST)
    for _ in range(15):  # Fisher scoring of log κ at each β
        risk = np.clip(kappa[..., None] * power, LEAST, MOST)
        score = (left[:, None, :] * risk / np.expm1(risk) - (n - left)[:, None, :] * risk).sum(axis=2)
        information = (n[:, None, :] * risk**2 / np.expm1(risk)).sum(axis=2)
        kappa = kappa * np.exp(np.clip(score / np.maximum(information, LEAST), -1, 1))
    risk = np.clip(kappa[..., None] * power, LEAST, MOST)
    likelihood = (left[:, None, :] * np.log(-np.expm1(-risk)) - (n - left)[:, None, :] * risk).sum(axis=2)
    best, row = likelihood.argmax(axis=1), np.arange(len(left))
    kappa, beta = np.where(some, kappa[row, best], 0.0), np.where(some, POWERS[best], 1.0)
    return kappa, beta, _opt_out_covariance(f, n, kappa, beta)


def _opt_out_covariance(f: np.ndarray, n: np.ndarray, kappa: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Inverse of the expected information of (log κ, β); zeros where it cannot be inverted or nobody left."""
    risk = np.minimum(kappa[:, None] * f[None, :] ** beta[:, None], MOST)
    weight, x = n * risk**2 / np.maximum(np.expm1(risk), LEAST), np.log(f)
    a, b, d = weight.sum(axis=1), (weight * x).sum(axis=1), (weight * x**2).sum(axis=1)
    det = a * d - b * b
    safe = np.where(det > LEAST, det, np.inf)
    return np.moveaxis(np.array([[d, -b], [-b, a]]) / safe, 2, 0)


def opt_out_share(fit: DoseFit, *, shift: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Share of people who opt out during the test at each dose, tests × doses; `shift` moves log κ and β."""
    beta = np.maximum(fit.beta + shift[1], 0.0)[:, None]
    base = np.maximum(fit.doses, LEAST)[None, :]  # nobody leaves without a message, whatever β is
    return -np.expm1(-(fit.kappa * math.exp(shift[0]))[:, None] * base**beta * (fit.doses > 0))


def messages_sent(fit: DoseFit, share: np.ndarray) -> np.ndarray:
    """Messages that a person gets during the test at each dose: none after the opt-out.

    With n planned messages and the chance p at each, 1 − (1 − p)^n of the people leave and (1 − (1 − p)^n)/p messages
    are sent.
    """
    planned = np.broadcast_to(fit.doses[None, :] * fit.weeks, share.shape)
    each = -np.expm1(np.log1p(-np.minimum(share, 1 - LEAST)) / np.maximum(planned, LEAST))
    return np.where(each > LEAST, share / np.maximum(each, LEAST), planned)


def gain(fit: DoseFit) -> np.ndarray:
    """Margin gained a person at each dose, before any cost: tests × doses."""
    ceiling, scale = fit.parameters()
    return (fit.order_value * ceiling)[:, None] * -np.expm1(-fit.doses[None, :] / scale[:, None])


def burden(
    fit: DoseFit, *, unit_cost: float, future_value: float, shift: tuple[float, float] = (0.0, 0.0)
) -> np.ndarray:
    """Cost of the messages and lost future value of a person at each dose: tests × doses."""
    share = opt_out_share(fit, shift=shift)
    return unit_cost * messages_sent(fit, share) + future_value * share


def caps(fit: DoseFit, *, unit_cost: float, future_value: float, level: float = 0.95) -> np.ndarray:
    """The most profitable dose of each test and its interval.

    Columns: cap, low, high (messages a week). profit(f) = margin(f) − unit_cost·messages(f) − future_value·opt-outs(f);
    the search stays within the doses that were tested. A test without a usable interval has that of all doses.

    Parameters
    ----------
    fit : DoseFit
        From `fit_curves`.
    unit_cost : float
        Cost of one message, currency units, ≥ 0.
    future_value : float
        What the shop loses for good when a subscriber opts out, currency units, ≥ 0.
    level : float
        How often such intervals cover the true cap, 0…1 exclusive.

    Raises
    ------
    ExperimentError
        A cost or value below 0, or a level outside 0…1.

    Examples
    --------
    >>> f = np.array([0.0, 1, 2, 4, 8])
    >>> fit = fit_curves(f, 1 + 0.2 * (1 - np.exp(-f / 2)), np.full(5, 1e-4), np.zeros(5), np.full(5, 100),
    ...                  order_value=50.0)

    The gain is 10·(1 − e^(−f/2)); the next message pays while 5·e^(−f/2) > 0.5, so up to 2·ln 10 = 4.61.

    >>> abs(float(caps(fit, unit_cost=0.5, future_value=0.0)[0, 0]) - 4.61) < 0.1
    True
    """
    for name, amount in (("unit_cost", unit_cost), ("future_value", future_value)):
        if not (math.isfinite(amount) and amount >= 0):
            raise ExperimentError(f"{name} {amount!r}: an amount of money of 0 or more")
    if not 0 < level < 1:
        raise ExperimentError(f"level {level!r}: take a share between 0 and 1, such as 0.95")
    best = (gain(fit) - burden(fit, unit_cost=unit_cost, future_value=future_value)).argmax(axis=1)
    held = _not_contradicted(fit, unit_cost=unit_cost, future_value=future_value, level=level)
    low, high = held.argmax(axis=1), held.shape[1] - 1 - held[:, ::-1].argmax(axis=1)
    return fit.doses[np.stack([best, np.minimum(low, best), np.maximum(high, best)], axis=1)]


def _not_contradicted(fit: DoseFit, *, unit_cost: float, future_value: float, level: float) -> np.ndarray:
    """Which doses can be the best one: tests × doses.

    At the best dose f the slope of the gain is that of the burden: A·m/h·e^(−f/h) = C(f), so A = k·C(f) with
    k = h·e^(f/h)/m. The fit under that condition is found for each h in closed form, with the error of C by the delta
    method; the dose stays where its χ² is not too far above the best fit's. At the ends the condition has one side.
    """
    money = {"unit_cost": unit_cost, "future_value": future_value}
    price, tiny = np.gradient(burden(fit, **money), STEP, axis=1), 0.01
    moved = [np.gradient(burden(fit, **money, shift=s), STEP, axis=1) for s in ((tiny, 0.0), (0.0, tiny))]
    slopes = [(m - price) / tiny for m in moved]
    variance = sum(fit.cov[:, i, j, None] * slopes[i] * slopes[j] for i in (0, 1) for j in (0, 1))
    k = fit.scales[:, None] * np.exp(np.minimum(fit.doses / fit.scales[:, None], 300)) / fit.order_value[:, None, None]
    gap = fit.ceiling[:, :, None] - k * price[:, None, :]
    gap[:, :, 0], gap[:, :, -1] = np.maximum(gap[:, :, 0], 0), np.minimum(gap[:, :, -1], 0)
    relative = (fit.order_value_error / fit.order_value)[:, None, None]
    spread = fit.error[:, :, None] ** 2 + k**2 * np.maximum(variance, 0)[:, None, :]
    spread = spread + (fit.ceiling[:, :, None] * relative) ** 2
    worse = (fit.misfit[:, :, None] + gap**2 / spread).min(axis=1) - fit.misfit.min(axis=1)[:, None]
    return worse <= chi2.ppf(level, 1)


def cap(fit: DoseFit, *, unit_cost: float | None, future_value: float | None, level: float = 0.95) -> Estimate:
    """The cap of one test as an estimate with its interval, messages a week; parameters as in `caps`.

    >>> cap(DoseFit(reason="no frequency test"), unit_cost=0.1, future_value=1.0).reason
    'no frequency test'
    """
    if fit.reason or unit_cost is None or future_value is None:
        return Estimate.missing(fit.reason or "the cost of a message or the future value is not known")
    best, low, high = caps(fit, unit_cost=unit_cost, future_value=future_value, level=level)[0]
    return Estimate(float(best), float(low), float(high))


def profit_curve(
    fit: DoseFit,
    *,
    unit_cost: float | None,
    future_value: float | None,
    redrawn: DoseFit | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """The fitted profit by messages a week, and what it is made of.

    Parameters
    ----------
    fit, unit_cost, future_value, level
        As in `caps`; a missing cost or value gives an empty table.
    redrawn : DoseFit, optional
        Many fits to redrawn data, for the interval of the profit at each dose (percentiles).

    Returns
    -------
    DataFrame
        One row a dose, ascending: `per_week`, `margin` (gained), `messages` (really sent) and their `message_cost`,
        `opt_out_rate`, `lost_future`, `profit` (the balance), `profit_ci_low`, `profit_ci_high`: a person over the
        test, against no message; money in currency units.

    Examples
    --------
    >>> f = np.array([0.0, 1, 2])
    >>> fit = fit_curves(f, f * 0.0 + 1, np.full(3, 0.1), np.zeros(3), np.full(3, 9), order_value=50.0, weeks=4)
    >>> profit_curve(fit, unit_cost=0.5, future_value=0.0)[["message_cost", "profit"]].iloc[-1].round(6).tolist()
    [4.0, -4.0]
    """
    names = ["per_week", "margin", "messages", "message_cost", "opt_out_rate", "lost_future", "profit"]
    names += ["profit_ci_low", "profit_ci_high"]
    if fit.reason or unit_cost is None or future_value is None:
        return missing(names, fit.reason or "the cost of a message or the future value is not known")
    share = opt_out_share(fit)
    earned, sent = gain(fit)[0], messages_sent(fit, share)[0]
    cost, lost = unit_cost * sent, future_value * share[0]
    balance = earned - cost - lost
    low = high = np.full(len(balance), np.nan)
    if redrawn is not None and not redrawn.reason:
        drawn = gain(redrawn) - burden(redrawn, unit_cost=unit_cost, future_value=future_value)
        low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    columns = (fit.doses, earned, sent, cost, share[0], lost, balance, low, high)
    return pd.DataFrame(dict(zip(names, columns, strict=True)))


def at_cap(curve: pd.DataFrame, found: Estimate, *, people: int = 1000) -> pd.DataFrame:
    """What the cap costs and saves against the largest dose that was tested, for so many subscribers over the test.

    Parameters
    ----------
    curve : DataFrame
        From `profit_curve`.
    found : Estimate
        From `cap`.
    people : int
        Number of subscribers.

    Returns
    -------
    DataFrame
        Three rows: `dose` ('at the cap', 'at the largest dose', 'the cap changes'), `per_week`, `margin`, `messages`,
        `opt_outs`, `lost_future`, `profit` (currency units, or numbers, for all of them).

    Examples
    --------
    >>> two = pd.DataFrame({"per_week": [1.0, 7.0], "margin": [8.0, 9.0], "messages": [4.0, 25.0],
    ...                     "opt_out_rate": [0.01, 0.2], "lost_future": [0.6, 12.0], "profit": [7.2, -4.2]})
    >>> at_cap(two, Estimate(1.0, 0.5, 2.0), people=100)[["opt_outs", "profit"]].iloc[-1].round(1).tolist()
    [-19.0, 1140.0]
    """
    names = ["dose", "per_week", "margin", "messages", "opt_outs", "lost_future", "profit"]
    if curve.empty or found.value is None:
        return missing(names, curve.attrs.get("reason", found.reason or "there is no cap"))
    totals = curve.rename(columns={"opt_out_rate": "opt_outs"})[names[1:]].astype(float)
    totals[names[2:]] *= people
    rows = totals.iloc[[(totals["per_week"] - found.value).abs().argmin(), len(totals) - 1]]
    table = pd.concat([rows, rows.diff().iloc[[1]] * -1], ignore_index=True)
    return table.assign(dose=["at the cap", "at the largest dose", "the cap changes"])[names]


def sensitivity(
    fit: DoseFit, *, unit_cost: float | None, value_per_week: float | None, weeks: tuple[int, ...], level: float = 0.95
) -> pd.DataFrame:
    """The cap under several beliefs about how long an opted-out subscriber would have stayed.

    Parameters
    ----------
    fit, unit_cost, level
        As in `caps`.
    value_per_week : float or None
        What a subscriber is worth a week, currency units; None where it is not known.
    weeks : tuple of int
        The horizons: weeks for which the value is lost.

    Returns
    -------
    DataFrame
        One row a horizon: `horizon_weeks`, `lost_value` (of one opt-out, currency units), `cap` with `cap_ci_low`,
        `cap_ci_high` (messages a week), and `reading` in words.
    """
    names = ["horizon_weeks", "lost_value", "cap", "cap_ci_low", "cap_ci_high", "reading"]
    if fit.reason or value_per_week is None or unit_cost is None:
        return missing(names, fit.reason or "the cost of a message or the value of a subscriber is not known")
    rows = []
    for horizon in weeks:
        lost = horizon * max(value_per_week, 0.0)
        found = cap(fit, unit_cost=unit_cost, future_value=lost, level=level)
        rows.append((horizon, lost, found.value, found.ci_low, found.ci_high, reading(found, fit.most)))
    return pd.DataFrame(rows, columns=names)


def reading(found: Estimate, most: float) -> str:
    """What a cap and its interval say, in words; `most`: the largest dose tested.

    >>> reading(Estimate(2.5, 1.0, 4.0), 7.0), reading(Estimate(2.5, 0.0, 7.0), 7.0)
    ('between 1 and 4', 'cannot tell: the interval holds every dose tested')
    """
    if found.value is None:
        return f"not computable: {found.reason}"
    if found.ci_low <= 0 and found.ci_high >= most:
        return "cannot tell: the interval holds every dose tested"
    if found.ci_high >= most:
        return f"at least {found.ci_low:.2g}; how many more, this test cannot say"
    return f"at most {found.ci_high:.2g}; perhaps none" if found.ci_low <= 0 else (
        f"between {found.ci_low:.2g} and {found.ci_high:.2g}"
    )  # fmt: skip


def true_profit(curve: pd.DataFrame, *, unit_cost: float | None, future_value: float | None) -> pd.DataFrame:
    """The true profit by messages a week of the simulated shop, for any cost and future value.

    Parameters
    ----------
    curve : DataFrame
        The truth `contact_curve`: `per_week`, `margin`, `messages_sent`, `opt_out_probability`.
    unit_cost, future_value
        As in `caps`.

    Returns
    -------
    DataFrame
        One row a dose: `per_week`, `profit` (currency units a person over the test). Empty for real data.
    """
    if curve.empty or "margin" not in curve or unit_cost is None or future_value is None:
        return missing(["per_week", "profit"], curve.attrs.get("reason", "the truth is not known"))
    profit = curve["margin"] - unit_cost * curve["messages_sent"] - future_value * curve["opt_out_probability"]
    return pd.DataFrame({"per_week": curve["per_week"].astype(float), "profit": profit})


def curve_lines(curve: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The fitted profit and the true one as two series for a chart: `per_week`, `series`, `profit`, `low`, `high`."""
    names = ["per_week", "series", "profit", "low", "high"]
    if curve.empty:
        return missing(names, curve.attrs.get("reason", "there is no curve"))
    ends = {"profit_ci_low": "low", "profit_ci_high": "high"}
    parts = [curve.rename(columns=ends).assign(series="fitted, with its interval")[names]]
    if not truth.empty:
        parts.append(truth.assign(series="truth", low=truth["profit"], high=truth["profit"])[names])
    return pd.concat(parts, ignore_index=True)


def whole_cap(found: Estimate, *, chosen: int = 0) -> int:
    """Messages a week for the plan: the number chosen, or with 0 the cap found, rounded down; 1 where there is none.

    >>> whole_cap(Estimate(2.85)), whole_cap(Estimate(2.85), chosen=4), whole_cap(Estimate.missing("no test"))
    (2, 4, 1)
    """
    return chosen or max(1, math.floor(found.value or 1))


def best_dose(curve: pd.DataFrame) -> float | None:
    """The dose with the highest profit of a curve; None where there is none.

    >>> best_dose(pd.DataFrame({"per_week": [0.0, 1.0, 2.0], "profit": [0.0, 3.0, 1.0]}))
    1.0
    """
    return None if curve.empty else float(curve["per_week"].iloc[curve["profit"].to_numpy().argmax()])


def cap_against_truth(found: Estimate, truth: pd.DataFrame) -> pd.DataFrame:
    """The cap beside the dose with the highest true profit, and the share of that profit which it reaches.

    Parameters
    ----------
    found : Estimate
        From `cap`.
    truth : DataFrame
        From `true_profit`.

    Returns
    -------
    DataFrame
        One row: `cap`, `ci_low`, `ci_high`, `truth`, `error` (messages a week), `covered`, `profit_share` (true profit
        at the cap / the best one).
    """
    names = ["cap", "ci_low", "ci_high", "truth", "error", "covered", "profit_share"]
    best = best_dose(truth)
    if found.value is None or best is None:
        return missing(names, found.reason or truth.attrs.get("reason", "the truth is not known"))
    reached = float(np.interp(found.value, truth["per_week"], truth["profit"]))
    most = float(truth["profit"].max())
    share = reached / most if most > 0 else None
    row = (found.value, found.ci_low, found.ci_high, best, found.value - best, found.covers(best), share)
    return pd.DataFrame([row], columns=names)
