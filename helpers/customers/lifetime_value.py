"""Lifetime value: what the customers of today will buy and earn in the time to come, and how sure that is.

Purchases by BG/NBD (`bgnbd`), amounts by Gamma-Gamma (`gamma_gamma`), intervals by refits on resampled customers and
simulated futures. A purchase is a *day* with an order; times are weeks. Main reference: [faderhardielee2005b].

The customers of one shop share its weeks: advertising, weather and news move all of them together. How much, the weekly
totals of the past tell (`shared_weeks`), and the simulated futures draw such weeks, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.customers import bgnbd, gamma_gamma
from helpers.customers.bgnbd import FitError, Parameters
from helpers.customers.gamma_gamma import Spend
from helpers.customers.histories import STARTS, clock, from_sums, sums
from helpers.findings import missing
from helpers.intervals import add_rate
from helpers.privacy import suppress

FEWEST_WEEKS = 8
"""From fewer weeks the scatter that customers share cannot be told from chance; it is then taken as 0."""
HOLDOUT = ("quantity", "actual", "expected", "ci_low", "ci_high", "covered", "error_rate")
# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shared:
    """How much the weeks of the shop scatter for all customers together.

    `week` is the variance τ² of a week's factor, `level` that of the mean factor of the weeks that the model learnt
    from, τ² Σ E_w² / (Σ E_w)²: the fitted rates hold their luck.
    """

    week: float = 0.0
    level: float = 0.0


@dataclass(frozen=True)
class Model:
    """Both models fitted to one table, with refits on resampled customers; or the reason why there is none."""

    table: pd.DataFrame
    purchases: bgnbd.Fit | None = None
    spend: Spend | None = None
    draws: tuple[tuple[Parameters, Spend | None], ...] = ()
    reason: str = ""
    spend_reason: str = ""
    shared: Shared = Shared()
    dispersion: float = 1.0

    @property
    def why_no_money(self) -> str:
        """Why amounts cannot be forecast; empty where they can."""
        return self.reason or self.spend_reason


def fit(table: pd.DataFrame, *, boots: int = 50, seed: int = 33) -> Model:
    """Fit purchases and amounts, and refit both on `boots` samples of the customers, drawn with replacement.

    Parameters
    ----------
    table : DataFrame
        From `histories`.
    boots : int
        Resamples, ≥ 0; they carry the uncertainty of the parameters, whether or not the model is right.
    seed : int
        Start of the random numbers.

    Returns
    -------
    Model
        Where a fit is refused, its reason; every table made from it is then empty with that reason.
    """
    if table.empty:
        return Model(table, reason=table.attrs.get("reason", "no customers"))
    try:
        purchases = bgnbd.fit(table)
    except FitError as error:
        return Model(table, reason=str(error))
    try:
        spend, why = gamma_gamma.fit(table), ""
    except FitError as error:
        spend, why = None, str(error)
    rng, draws = np.random.default_rng(seed), []
    share = np.full(len(table), 1 / len(table))
    for _number in range(boots):
        draws += _redrawn(table, rng.multinomial(len(table), share), purchases, spend)
    extra = gamma_gamma.dispersion(spend, table) if spend else 1.0
    return Model(table, purchases, spend, tuple(draws), spend_reason=why, dispersion=extra)


def _redrawn(table: pd.DataFrame, weights: np.ndarray, start: bgnbd.Fit, spend: Spend | None) -> list:
    """One refit; none where the resample allows none (no repeat customer in it)."""
    try:
        again = gamma_gamma.fit(table, weights=weights, start=spend) if spend else None
        return [(bgnbd.refit(table, weights=weights, start=start), again)]
    except FitError:
        return []


def week_variance(actual: np.ndarray, expected: np.ndarray) -> Shared:
    """Variance of the factor that all customers share in a week, by moments; 0…∞, 0: the weeks scatter by chance only.

    With N_w purchases in week w, E_w = expected_w · Σ N / Σ expected, and factors of mean 1 and variance τ²,
    Var N_w = E_w + τ² E_w². So τ² = max(0, Σ (n / (n − 1) · (N_w − E_w)² − E_w) / Σ E_w²).
    A week's factor moves with τ, standard deviation: 0.05 means that weeks differ by about 5 % for reasons of the shop.

    Parameters
    ----------
    actual, expected : arrays
        Purchases of all customers in each of n weeks, and what the model expects; n below 8 gives 0.

    Returns
    -------
    Shared

    References
    ----------
    McCullagh and Nelder (1989), overdispersion: mccullagh1989.

    Examples
    --------
    Eight weeks of 100 expected, ± 20 in turn: (8/7 · 400 − 100) / 100² = 0.0357.

    >>> round(week_variance(np.array([120.0, 80.0] * 4), np.full(8, 100.0)).week, 4)
    0.0357
    """
    n = len(actual)
    if n < FEWEST_WEEKS or not (actual.sum() > 0 and expected.sum() > 0):
        return Shared()
    mean = expected * actual.sum() / expected.sum()
    squares = (mean**2).sum()
    week = max(0.0, float((n / (n - 1) * (actual - mean) ** 2 - mean).sum() / squares))
    return Shared(week, week * float(squares / mean.sum() ** 2))


def shared_weeks(model: Model, days: ir.Table, *, weeks: pd.Series, until: pd.Timestamp | None = None) -> Model:
    """The model with the scatter that its customers share, measured on the weeks that it learnt from.

    Parameters
    ----------
    model : Model
        From `fit`.
    days : Ibis table
        From `order_days`.
    weeks : Series
        From `clock`, as the model's histories.
    until : day, optional
        Last day of the calibration, as the model's histories; by default the window's last day. No later day is read.

    Returns
    -------
    Model
        The same, with `shared` from `week_variance` on whole calendar weeks; unchanged without a fit.
    """
    if model.purchases is None:
        return model
    until = weeks.index[-1] if until is None else pd.Timestamp(until)
    ends = weeks.index[6::7]
    ends = ends[ends <= until]
    if not len(ends):
        return model
    actual, expected = _weekly(days, model.table, ends), _expected_by(model, weeks, ends, until)
    return replace(model, shared=week_variance(np.diff(actual, prepend=0), np.diff(expected, prepend=0)))


def _expected_by(model: Model, weeks: pd.Series, ends: pd.DatetimeIndex, until: pd.Timestamp) -> np.ndarray:
    """Cumulative purchases that the model expects when it knows only when each clock started."""
    born, size = np.unique((weeks[until] - model.table["T"]).round(9), return_counts=True)
    ages = np.maximum(weeks[ends].to_numpy()[:, None] - born, 0.0)
    expected = bgnbd.expected_since_first(model.purchases.parameters, ages.reshape(-1))
    return expected.reshape(ages.shape) @ size


def scatter(model: Model) -> pd.DataFrame:
    """What makes totals less certain than the model of independent customers says.

    Returns
    -------
    DataFrame
        Two rows: source, value, harmless (the value that adds nothing). 'weeks': τ, the standard deviation of a week's
        factor; 'amounts': φ of `gamma_gamma.dispersion`. Empty with a reason without a model.
    """
    columns = ("source", "value", "harmless")
    if model.purchases is None:
        return missing(columns, model.reason)
    rows = [("weeks shared by all: τ", math.sqrt(model.shared.week), 0.0)]
    rows += [("amounts of a customer: φ", model.dispersion, 1.0)] if model.spend else []
    return pd.DataFrame(rows, columns=list(columns))


def parameters(model: Model) -> pd.DataFrame:
    """The fitted parameters with two kinds of interval.

    Returns
    -------
    DataFrame
        One row a parameter: parameter, meaning, value, ci_low, ci_high (bootstrap, 95 %), curvature_ci_low,
        curvature_ci_high (from the second derivative; BG/NBD only). Much wider bootstrap intervals say that the model
        describes these customers badly.
    """
    columns = ("parameter", "meaning", "value", "ci_low", "ci_high", "curvature_ci_low", "curvature_ci_high")
    if model.purchases is None:
        return missing(columns, model.reason)
    values = _named(model.purchases.parameters, model.spend)
    boots = pd.DataFrame([_named(*d) for d in model.draws], columns=list(values))
    curved = model.purchases.table().set_index("parameter")
    rows = []
    for name, value in values.items():
        low, high = np.quantile(boots[name], [0.025, 0.975]) if len(boots) else (np.nan, np.nan)
        sides = [curved.loc[name, c] if name in curved.index else np.nan for c in ("ci_low", "ci_high")]
        rows.append((name, MEANINGS[name], value, low, high, *sides))
    return pd.DataFrame(rows, columns=list(columns))


MEANINGS = {
    "r": "purchases: the larger, the more alike the rates",
    "alpha": "purchases: weeks; the mean rate is r / alpha",
    "a": "leaving: the mean chance after a purchase is a / (a + b)",
    "b": "leaving: the larger a + b, the more alike the chances",
    "p": "amounts: the larger, the steadier a customer's orders",
    "q": "amounts: the larger, the more alike the customers",
    "v": "amounts: scale, currency units",
}


def _named(purchases: Parameters, spend: Spend | None) -> dict[str, float]:
    return vars(purchases) | (vars(spend) if spend else {})


def futures(model: Model, *, steps: Sequence[float], each: int = 5, seed: int = 33) -> tuple[np.ndarray, np.ndarray]:
    """Simulated futures of all customers together: what is unknown of the parameters, of the people, and of chance.

    Weeks are good or bad for all: each future draws a level (gamma, mean 1, variance `shared.level`), and for each step
    of l weeks a factor (gamma, mean 1, variance τ² / l, at most τ²). Steps are so much longer or shorter.

    Parameters
    ----------
    model : Model
        From `fit`, with draws; `shared` from `shared_weeks`, else customers are taken as independent.
    steps : sequence of float
        Lengths of the successive steps, weeks, > 0.
    each : int
        Futures a draw of the parameters.
    seed : int
        Start of the random numbers.

    Returns
    -------
    purchases, spend : arrays
        Future × step: sums over customers within the step. Spend is missing where amounts cannot be modelled.
    """
    rng, bought, paid = np.random.default_rng(seed), [], []
    steps, people = np.asarray(steps, float), pd.DataFrame(model.table)
    people.attrs = {}  # pandas would copy them with each column
    for purchases, spend in model.draws:
        alive = bgnbd.p_alive(purchases, people)
        for _number in range(each):
            lived = steps * _factor(model.shared.level, rng) * _factor(model.shared.week / np.maximum(steps, 1), rng)
            counts = bgnbd.simulate_future(purchases, people, steps=lived, rng=rng, alive=alive)
            within = np.diff(counts, axis=1, prepend=0)
            bought.append(within.sum(axis=0))
            paid.append(
                _amounts(people, spend, within, model.dispersion, rng) if spend else np.full(len(steps), np.nan)
            )
    return np.array(bought).reshape(-1, len(steps)), np.array(paid).reshape(-1, len(steps))


def _factor(variance: float | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gamma with mean 1 and the given variance; 1 where it is 0."""
    shape = 1 / np.maximum(variance, 1e-9)
    return rng.gamma(shape) / shape


def _amounts(
    people: pd.DataFrame, spend: Spend, within: np.ndarray, dispersion: float, rng: np.random.Generator
) -> np.ndarray:
    total = within.sum(axis=1)
    amounts = gamma_gamma.simulate_amounts(spend, people, purchases=total, rng=rng, dispersion=dispersion)
    # an order's amount does not depend on its step: a customer's total is shared out by the number of orders
    return (amounts / np.maximum(total, 1)) @ within


def bounds(values: np.ndarray, level: float) -> tuple[float, float]:
    """The middle `level` of simulated values; missing without any."""
    known = values[np.isfinite(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


# -- does it forecast? ------------------------------------------------------------------------------------------------


def holdout(model: Model, *, weeks: float, level: float = 0.95, seed: int = 33) -> pd.DataFrame:
    """Purchases and spend of the customers after the calibration, forecast and actual.

    Parameters
    ----------
    model : Model
        Fitted to histories up to the cut.
    weeks : float
        Length of the holdout on the study's clock, > 0.
    level : float
        Confidence level of the interval, which holds the uncertainty of the parameters and of the future.
    seed : int
        Start of the random numbers.

    Returns
    -------
    DataFrame
        Rows 'purchases' (days with an order) and 'spend': quantity, actual, expected, ci_low, ci_high, covered,
        error_rate (expected / actual − 1). Empty with a reason when there is no model or no holdout.
    """
    if model.purchases is None or not weeks > 0:
        return missing(HOLDOUT, model.reason or "the calibration leaves no holdout")
    table, bought_paid = model.table, futures(model, steps=[weeks], seed=seed)
    bought = bgnbd.expected_purchases(model.purchases.parameters, table, horizon=weeks)
    amount = gamma_gamma.expected_amount(model.spend, table) if model.spend else np.full(len(table), np.nan)
    rows = []
    for name, actual, expected, drawn in zip(
        ("purchases", "spend"), (table["later_orders"].sum(), table["later_spend"].sum()),
        (bought.sum(), (bought * amount).sum()), bought_paid, strict=True,
    ):  # fmt: skip
        low, high = bounds(drawn[:, 0], level)
        covered = None if math.isnan(low) else bool(low <= actual <= high)
        error = expected / actual - 1 if actual > 0 else np.nan
        rows.append((name, float(actual), expected, low, high, covered, error))
    return pd.DataFrame(rows, columns=list(HOLDOUT)).dropna(subset="expected", ignore_index=True)


def clocks_compared(
    days: ir.Table,
    users: ir.Table | None,
    *,
    window: tuple[pd.Timestamp, pd.Timestamp],
    until: pd.Timestamp,
    busy_days: str = "",
    campaigns: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The same holdout with each start of the customers' clock, and with more and more of the calendar counted.

    Returns
    -------
    DataFrame
        One row a choice: start, counted (which days count for more than one), customers, actual, expected (purchases
        after `until`), error_rate. Empty with a reason when no choice can be fitted.
    """
    columns = ("start", "counted", "customers", "actual", "expected", "error_rate")
    rows, reason = [], "no customer bought in the window"
    plans = {"nothing": ("", None), "busy days": (busy_days, None), "busy days, campaigns": (busy_days, campaigns)}
    read = sums(days, users, weeks=clock(window), until=until)
    for start in reversed(STARTS):
        for word, (busy, sizes) in plans.items():
            weeks = clock(window, busy_days=busy, campaigns=sizes)
            table = from_sums(*read, weeks=weeks, until=until, start=start)
            if table.empty or table.attrs["start"] != start:
                continue
            try:
                fitted = bgnbd.fit(table).parameters
            except FitError as error:
                reason = str(error)
                continue
            ahead = float(weeks.iloc[-1] - weeks[until])
            expected = bgnbd.expected_purchases(fitted, table, horizon=ahead).sum()
            actual = float(table["later_orders"].sum())
            rows.append((start, word, len(table), actual, expected, expected / actual - 1 if actual else np.nan))
    return pd.DataFrame(rows, columns=list(columns)) if rows else missing(columns, reason)


def tracking(model: Model, days: ir.Table, *, weeks: pd.Series, until: pd.Timestamp, seed: int = 33) -> pd.DataFrame:
    """Cumulative purchases by calendar week: actual, expected from the model alone, and forecast from the cut on.

    Returns
    -------
    DataFrame
        Long: day (last of the week), series ('actual', 'model', 'forecast'), purchases, ci_low and ci_high (of the
        forecast). 'model' knows only when each clock started; 'forecast' knows each history up to the cut. The
        customers are those of the calibration.
    """
    columns = ("day", "series", "purchases", "ci_low", "ci_high")
    if model.purchases is None:
        return missing(columns, model.reason)
    ends = weeks.index[6::7]
    ends = ends if len(ends) and ends[-1] == weeks.index[-1] else ends.append(weeks.index[-1:])
    table = model.table
    fitted = model.purchases.parameters
    actual, expected = _weekly(days, table, ends), _expected_by(model, weeks, ends, until)
    parts = [_series(ends, "actual", actual), _series(ends, "model", expected)]
    after = ends[ends > until]
    if len(after):
        steps = np.diff(weeks[after].to_numpy(), prepend=weeks[until])
        drawn = futures(model, steps=steps, seed=seed)[0].cumsum(axis=1)
        base = float(table["frequency"].sum())
        mean = [bgnbd.expected_purchases(fitted, table, horizon=weeks[e] - weeks[until]).sum() for e in after]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0) if len(drawn) else (np.full(len(after), np.nan),) * 2
        parts.append(_series(after, "forecast", base + np.array(mean), base + low, base + high))
    return pd.concat(parts, ignore_index=True)


def _series(ends: pd.DatetimeIndex, name: str, values: np.ndarray, low=np.nan, high=np.nan) -> pd.DataFrame:
    return pd.DataFrame({"day": ends, "series": name, "purchases": values, "ci_low": low, "ci_high": high})


def _weekly(days: ir.Table, table: pd.DataFrame, ends: pd.DatetimeIndex) -> np.ndarray:
    """Cumulative counted purchases of the table's customers, without a first order that starts the clock."""
    known = days.filter(_.user_id.isin(table["user_id"].tolist())) if len(table) <= 2_000 else days
    first = known.group_by("user_id").agg(first=_.day.min())
    counted = known.join(first, "user_id")
    if table.attrs.get("start") == "first order":
        counted = counted.filter(_.day > _.first)
    by_day = counted.group_by("user_id", "day").agg().execute()
    by_day = by_day[by_day["user_id"].isin(table["user_id"])]
    moment = np.sort(pd.to_datetime(by_day["day"]).to_numpy())
    return np.searchsorted(moment, ends.to_numpy(), side="right").astype(float)


def by_frequency(model: Model, *, weeks: float, most: int = 7, min_cell: int = 10) -> pd.DataFrame:
    """Purchases after the cut by purchases before it: actual and expected mean a customer.

    Returns
    -------
    DataFrame
        One row a frequency 0, 1, … `most`+: frequency, customers, actual, expected, ci_low, ci_high (of the actual
        mean, ± 1.96 standard errors). Small groups are hidden.
    """
    columns = ("frequency", "customers", "actual", "expected", "ci_low", "ci_high")
    if model.purchases is None or not weeks > 0:
        return missing(columns, model.reason or "the calibration leaves no holdout")
    table = model.table.assign(
        expected=bgnbd.expected_purchases(model.purchases.parameters, model.table, horizon=weeks),
        frequency=model.table["frequency"].clip(upper=most),
    )
    groups = table.groupby("frequency")
    means = groups.agg(
        customers=("user_id", "size"), actual=("later_orders", "mean"), expected=("expected", "mean"),
        spread=("later_orders", "std"),
    ).reset_index()  # fmt: skip
    error = 1.96 * means.pop("spread").fillna(0) / np.sqrt(means["customers"])
    means = means.assign(ci_low=(means["actual"] - error).clip(lower=0), ci_high=means["actual"] + error)
    means["frequency"] = [f"{f}+" if f == most else str(f) for f in means["frequency"]]
    hidden = suppress(means, count="customers", min_cell=min_cell, values=["actual", "expected", "ci_low", "ci_high"])
    return hidden.drop(columns="hidden")


def alive_check(
    model: Model, truth: pd.DataFrame, *, until: pd.Timestamp, time_zone: str, bins: int = 8
) -> pd.DataFrame:
    """P(alive) beside the share of customers who truly were still there, in groups of equal size.

    Parameters
    ----------
    model : Model
        From `fit`.
    truth : DataFrame
        One row a customer: user_id, left_at (epoch seconds; missing: never left). Empty for real data.
    until : day
        The day for which P(alive) holds.
    time_zone : str
        Zone of the study's days.
    bins : int
        Groups by P(alive); customers with x = 0, whose P is 1 by construction, are a group of their own.

    Returns
    -------
    DataFrame
        One row a group, from low to high: group, customers, alive (number), expected_share, actual_share with its
        Wilson interval. Empty with a reason for real data.
    """
    columns = ("group", "customers", "alive", "expected_share", "actual_share")
    if model.purchases is None or "left_at" not in truth.columns:
        return missing(columns, model.reason or truth.attrs.get("reason", "the truth is not known"))
    end = (pd.Timestamp(until) + pd.Timedelta(days=1)).tz_localize(time_zone).timestamp()
    table = model.table.assign(p=bgnbd.p_alive(model.purchases.parameters, model.table))
    table = table.merge(truth[["user_id", "left_at"]], on="user_id")
    table["alive"] = ~(table["left_at"] <= end)
    known = table[table["frequency"] > 0]
    rank = known["p"].rank(method="first") if len(known) else known["p"]
    table["group"] = ((rank - 1) * bins // max(len(known), 1) + 1).reindex(table.index)
    table["group"] = table["group"].fillna(bins + 1).astype(int)
    means = table.groupby("group").agg(customers=("p", "size"), alive=("alive", "sum"), expected_share=("p", "mean"))
    rated = add_rate(means.reset_index(), successes="alive", trials="customers", name="actual_share")
    rated["group"] = ["no order counted" if g > bins else f"{g} of {bins}" for g in rated["group"]]
    return rated


def alive_curve(model: Model, *, quiet_weeks: int = 20) -> pd.DataFrame:
    """P(alive) of three made-up customers by the weeks since their last purchase.

    Each has been observed for half a year before the silence: with 2, 6 and 13 purchases.

    Returns
    -------
    DataFrame
        Long: customer, quiet_weeks, p_alive. Empty with a reason without a model.
    """
    if model.purchases is None:
        return missing(("customer", "quiet_weeks", "p_alive"), model.reason)
    quiet, parts = np.arange(quiet_weeks + 1), []
    for bought in (2, 6, 13):
        known = pd.DataFrame({"frequency": bought, "recency": 26.0, "T": 26.0 + quiet})
        p = bgnbd.p_alive(model.purchases.parameters, known)
        parts.append(pd.DataFrame({"customer": f"{bought} purchases in 26 weeks", "quiet_weeks": quiet, "p_alive": p}))
    return pd.concat(parts, ignore_index=True)
