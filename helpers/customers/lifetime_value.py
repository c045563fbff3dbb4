"""Lifetime value: what the customers of today will buy and earn in the time to come, and how sure that is.

Purchases by BG/NBD (`bgnbd`), amounts by Gamma-Gamma (`gamma_gamma`), intervals by refits on resampled customers and
simulated futures. A purchase is a *day* with an order; times are weeks. Main reference: [faderhardielee2005b].
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.customers import bgnbd, gamma_gamma
from helpers.customers.bgnbd import FitError, Parameters
from helpers.customers.gamma_gamma import Spend
from helpers.engine import hold
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate
from helpers.privacy import suppress

STARTS = ("registration", "first order")
HISTORY = ("user_id", "frequency", "recency", "T", "monetary", "later_orders", "later_spend")
HOLDOUT = ("quantity", "actual", "expected", "ci_low", "ci_high", "covered", "error_rate")
STAGES = ("new", "no order yet", "active", "at risk", "probably gone")
TIERS = ("high", "middle", "low")
TOP, MIDDLE = 0.2, 0.5
NEW_WEEKS = 4.0
PRESENT, GONE = 0.7, 0.3
ACTIONS = {
    ("new", "*"): "welcome, and help with the first choice; no discount yet",
    ("no order yet", "*"): "ask once what they were looking for; a small first-order offer, tested",
    ("active", "high"): "serve first, thank, never annoy; no discount needed",
    ("active", "middle"): "show a second category; test an offer against a control group",
    ("active", "low"): "serve cheaply and well; automatic messages only",
    ("at risk", "high"): "call or write in person; ask what went wrong",
    ("at risk", "middle"): "one reminder with a reason to come, tested",
    ("at risk", "low"): "one automatic reminder",
    ("probably gone", "high"): "win back by hand: few people, worth an hour",
    ("probably gone", "*"): "let go: stop paying for messages",
}
"""Stage and value tier → what a small shop would do; '*' stands for all other tiers."""


class LifetimeError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


# -- the clock and the histories --------------------------------------------------------------------------------------


def clock(
    window: tuple[pd.Timestamp, pd.Timestamp], *, busy_days: str = "", campaigns: pd.DataFrame | None = None
) -> pd.Series:
    """Weeks gone at the end of each day, where a busy day counts for several ordinary ones.

    Customers order evenly in this time: a sale day on which four times as many orders come takes four days of it.

    Parameters
    ----------
    window : (first, last)
        Days of the study, inclusive.
    busy_days : str
        Sizes beside an ordinary day, such as '2017-11-11: 4, 2017-12-12: 2.4' (above 0; what is past from the book,
        what is to come from the plan). Days outside the window have no effect. Empty: all days count alike.
    campaigns : DataFrame, optional
        From `campaign_sizes`: the days first … last of a campaign count for `size` days each.

    Returns
    -------
    Series
        Day → weeks since the start of the first day; index: all days of the window.

    Raises
    ------
    LifetimeError
        A word that is not `day: size`.

    Examples
    --------
    >>> clock((pd.Timestamp("2017-11-10"), pd.Timestamp("2017-11-12")), busy_days="2017-11-11: 5").round(3).tolist()
    [0.143, 0.857, 1.0]
    """
    size = pd.Series(1.0, index=pd.date_range(window[0], window[1], freq="D"))
    for word in filter(None, (w.strip() for w in busy_days.split(","))):
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d)\s*:\s*(\d+(?:\.\d+)?)", word)
        if not match or float(match[2]) <= 0:
            raise LifetimeError(f"busy_days: {word!r} is not a day and its size; write for example '2017-11-11: 4'")
        if (day := pd.Timestamp(match[1])) in size.index:
            size[day] = float(match[2])
    for row in () if campaigns is None else campaigns.to_dict("records"):
        size[row["first"] : row["last"]] *= row["size"]
    return size.cumsum() / 7


CAMPAIGN_SIZES = ("campaign", "first", "last", "people", "orders", "added", "size")


def campaign_sizes(
    days: ir.Table,
    campaigns: ir.Table | None,
    assignments: ir.Table | None,
    *,
    time_zone: str,
    until: pd.Timestamp | None = None,
    control: str = "control",
) -> pd.DataFrame:
    """How much busier each randomised campaign made its days, measured against the people left out by chance.

    added = people × (mean purchases of all assigned − mean of the control arm); size = orders / (orders − added), about
    1 where a campaign added nothing. Campaigns that were not randomised have no such measure and are left out.

    Parameters
    ----------
    days : Ibis table
        From `order_days`.
    campaigns, assignments : Ibis tables or None
        As in the contracts.
    time_zone : str
        Zone of the study's days.
    until : day, optional
        Campaigns that end later are left out: at that day they are not known yet.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        One row a randomised campaign with a control arm, by first day: campaign, first, last (days), people (assigned),
        orders (purchases of all customers on these days), added, size. Empty with a reason when there is none.
    """
    if campaigns is None or assignments is None:
        return missing(CAMPAIGN_SIZES, "the study has no campaigns with arms")
    plans = campaigns.filter(_.randomised).select("campaign_id", "starts_at", "ends_at").execute()
    rows = []
    for plan in plans.sort_values(["starts_at", "campaign_id"]).itertuples():
        first, last = (_day(v, time_zone) for v in (plan.starts_at, plan.ends_at))
        if until is not None and last > until:
            continue
        inside = days.filter(_.day.between(first.date(), last.date())).group_by("user_id").agg(bought=_.count())
        arms = assignments.filter(_.campaign_id == plan.campaign_id).left_join(inside, "user_id").group_by("arm")
        arms = arms.agg(people=_.count(), bought=_.bought.fill_null(0).sum()).execute().set_index("arm")
        orders = inside.bought.sum().execute()
        if control not in arms.index or len(arms) < 2 or not pd.notna(orders):
            continue
        people, bought = arms.sum()
        added = float(bought - people * arms.loc[control, "bought"] / arms.loc[control, "people"])
        rows.append((plan.campaign_id, first, last, int(people), int(orders), added, orders / max(orders - added, 1)))
    return (
        pd.DataFrame(rows, columns=list(CAMPAIGN_SIZES)) if rows else missing(CAMPAIGN_SIZES, "no randomised campaign")
    )


def _day(instant: int, time_zone: str) -> pd.Timestamp:
    return pd.Timestamp(instant, unit="s", tz=time_zone).tz_localize(None).normalize()


def order_days(orders: ir.Table) -> ir.Table:
    """One row a customer and day with an order: user_id, day, paid (currency units), computed once.

    paid = Σ quantity × unit_price − discount. Several orders on one day are one purchase.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> lines = pd.DataFrame({"user_id": [1, 1, 1], "day": pd.to_datetime(["2017-01-01", "2017-01-01", "2017-01-09"])})
    >>> lines = lines.assign(quantity=[1, 2, 1], unit_price=[5.0, 1.0, 4.0], discount=[0.0, 1.0, 0.0])
    >>> order_days(as_table(lines)).order_by("day").execute()["paid"].tolist()
    [6.0, 4.0]
    """
    paid = _.quantity * _.unit_price - _.discount.fill_null(0.0)
    return hold(orders.group_by("user_id", day=_.day.cast("date")).agg(paid=paid.sum()))


def histories(
    days: ir.Table,
    users: ir.Table | None,
    *,
    weeks: pd.Series,
    until: pd.Timestamp | None = None,
    start: str = "registration",
) -> pd.DataFrame:
    """Frequency, recency, age and amount of each customer up to a day, and what came later.

    With start 'first order' (the usual choice, right for a cohort of new customers) a customer's clock starts with the
    first order seen, and frequency x counts the further days with an order. With 'registration' it starts on the day of
    registration, or on the window's first day for those who registered before; x counts all days with an order, and
    customers without one are in the table. Then a log that begins in the middle of customers' lives does no harm:
    with 'first order' those seen early are the heavy buyers, and the forecast is too high.

    Parameters
    ----------
    days : Ibis table
        From `order_days`.
    users : Ibis table or None
        Customers with joined_on; without it (or where nobody has a day) the start is the first order.
    weeks : Series
        From `clock`; its first and last day are the window.
    until : day, optional
        Last day of the calibration; by default the window's last day.
    start : str
        'registration' or 'first order'.

    Returns
    -------
    DataFrame
        One row a customer, by user_id: user_id, frequency x, recency (weeks from the start to the last order; 0 where
        x = 0), T (weeks from the start to the end of `until`), monetary (mean paid a counted day; missing where x = 0),
        later_orders, later_spend (days with an order, and paid, after `until`). `attrs['start']` names the start.
        Customers whose clock starts after `until` are left out. Empty with a reason when there is none.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> d = pd.DataFrame({"user_id": [1, 1, 2], "day": pd.to_datetime(["2017-01-01", "2017-01-08", "2017-01-02"])})
    >>> weeks = clock((pd.Timestamp("2017-01-01"), pd.Timestamp("2017-01-15")))
    >>> histories(as_table(d.assign(paid=[9.0, 7.0, 1.0])), None, weeks=weeks).round(2)[list(HISTORY[:5])]
       user_id  frequency  recency     T  monetary
    0        1          1      1.0  2.00       7.0
    1        2          0      0.0  1.86       NaN
    """
    if start not in STARTS:
        raise LifetimeError(f"start: {start!r} is not known; give one of {', '.join(STARTS)}")
    until = weeks.index[-1] if until is None else pd.Timestamp(until)
    table = _sums(days, until, weeks.index[-1])
    joined = _joined(users, weeks.index[0]) if start == "registration" else None
    if joined is not None:
        table = joined.merge(table, on="user_id", how="left")
        table = _from_registration(table[table["origin"] <= until], weeks, until)
    else:
        table = _from_first_order(table[table["orders"] > 0], weeks, until)
    if table.empty:
        return missing(HISTORY, "no customer bought in the window")
    table = table.sort_values("user_id", ignore_index=True)[list(HISTORY)]
    table.attrs["start"] = "first order" if joined is None else "registration"
    return table


def _sums(days: ir.Table, until: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    cut, end = until.date(), last.date()
    early, later = _.day <= cut, (_.day > cut) & (_.day <= end)
    sums = days.group_by("user_id").agg(
        orders=_.count(where=early),
        spend=_.paid.sum(where=early),
        first=_.day.min(where=early),
        last=_.day.max(where=early),
        first_spend=_.paid.argmin(_.day, where=early),
        later_orders=_.count(where=later),
        later_spend=_.paid.sum(where=later),
    )
    table = sums.execute()
    return table.assign(first=pd.to_datetime(table["first"]), last=pd.to_datetime(table["last"]))


def _joined(users: ir.Table | None, first: pd.Timestamp) -> pd.DataFrame | None:
    if users is None or "joined_on" not in users.columns:
        return None
    table = users.filter(_.joined_on.notnull()).select("user_id", origin=_.joined_on.cast("date")).execute()
    if table.empty:
        return None
    return table.assign(origin=pd.to_datetime(table["origin"]).clip(lower=first))


def _from_first_order(table: pd.DataFrame, weeks: pd.Series, until: pd.Timestamp) -> pd.DataFrame:
    begin = weeks.reindex(table["first"]).to_numpy()
    x = table["orders"].to_numpy() - 1
    amount = (table["spend"] - table["first_spend"]) / np.where(x > 0, x, 1)
    recency = weeks.reindex(table["last"]).to_numpy() - begin
    return _filled(table, x, recency, weeks[until] - begin, amount)


def _from_registration(table: pd.DataFrame, weeks: pd.Series, until: pd.Timestamp) -> pd.DataFrame:
    # the clock starts with the day: at the end of the day before
    begin = weeks.reindex(table["origin"] - pd.Timedelta(days=1)).fillna(0.0).to_numpy()
    early = (table["first"] < table["origin"]).to_numpy()  # an order before the registration's day moves the start
    if early.any():
        begin = np.where(early, weeks.reindex(table["first"]).fillna(0.0).to_numpy() - 1 / 7, begin).clip(min=0)
    x = table["orders"].fillna(0).astype(int).to_numpy()
    last = weeks.reindex(table["last"]).to_numpy()
    recency = np.where(x > 0, np.nan_to_num(last) - begin, 0.0)
    return _filled(table, x, recency, weeks[until] - begin, table["spend"] / np.where(x > 0, x, 1))


def _filled(
    table: pd.DataFrame, x: np.ndarray, recency: np.ndarray, age: np.ndarray, amount: pd.Series
) -> pd.DataFrame:
    later = table[["later_orders", "later_spend"]].fillna(0).astype({"later_orders": "int64"})
    recency = np.minimum(np.where(x > 0, recency, 0.0), age)
    known = {"frequency": x, "recency": recency, "T": age, "monetary": amount.where(x > 0)}
    return table[["user_id"]].assign(**known, **{c: later[c] for c in later})


# -- the model --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Model:
    """Both models fitted to one table, with refits on resampled customers; or the reason why there is none."""

    table: pd.DataFrame
    purchases: bgnbd.Fit | None = None
    spend: Spend | None = None
    draws: tuple[tuple[Parameters, Spend | None], ...] = ()
    reason: str = ""
    spend_reason: str = ""

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
        draws += _redrawn(table, rng.multinomial(len(table), share), purchases.parameters, spend)
    return Model(table, purchases, spend, tuple(draws), spend_reason=why)


def _redrawn(table: pd.DataFrame, weights: np.ndarray, start: Parameters, spend: Spend | None) -> list:
    """One refit; none where the resample allows none (no repeat customer in it)."""
    try:
        again = gamma_gamma.fit(table, weights=weights, start=spend) if spend else None
        return [(bgnbd.refit(table, weights=weights, start=start), again)]
    except FitError:
        return []


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


def futures(model: Model, *, steps: Sequence[float], each: int = 8, seed: int = 33) -> tuple[np.ndarray, np.ndarray]:
    """Simulated futures of all customers together: what is unknown of the parameters, of the people, and of chance.

    Parameters
    ----------
    model : Model
        From `fit`, with draws.
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
    for purchases, spend in model.draws:
        for _number in range(each):
            counts = bgnbd.simulate_future(purchases, model.table, steps=np.asarray(steps, float), rng=rng)
            within = np.diff(counts, axis=1, prepend=0)
            bought.append(within.sum(axis=0))
            paid.append(_amounts(model, spend, within, rng) if spend else np.full(len(steps), np.nan))
    return np.array(bought).reshape(-1, len(steps)), np.array(paid).reshape(-1, len(steps))


def _amounts(model: Model, spend: Spend, within: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    total = within.sum(axis=1)
    buyers = np.flatnonzero(total)
    amounts = gamma_gamma.simulate_amounts(spend, model.table.iloc[buyers], purchases=total[buyers], rng=rng)
    # an order's amount does not depend on its step: a customer's total is shared out by the number of orders
    return (amounts / total[buyers]) @ within[buyers]


def _bounds(values: np.ndarray, level: float) -> tuple[float, float]:
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
        low, high = _bounds(drawn[:, 0], level)
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
    for start in reversed(STARTS):
        for word, (busy, sizes) in plans.items():
            weeks = clock(window, busy_days=busy, campaigns=sizes)
            table = histories(days, users, weeks=weeks, until=until, start=start)
            model = fit(table, boots=0)
            if model.purchases is None or table.attrs["start"] != start:
                reason = model.reason or reason
                continue
            ahead = float(weeks.iloc[-1] - weeks[until])
            expected = bgnbd.expected_purchases(model.purchases.parameters, table, horizon=ahead).sum()
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
    origin = weeks[until] - table["T"].to_numpy()
    born, size = np.unique(origin, return_counts=True)
    fitted = model.purchases.parameters
    expected = [size @ bgnbd.expected_since_first(fitted, np.maximum(weeks[e] - born, 0.0)) for e in ends]
    actual = _weekly(days, table, ends)
    parts = [_series(ends, "actual", actual), _series(ends, "model", np.array(expected))]
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


# -- money ------------------------------------------------------------------------------------------------------------


def margin_share(orders: ir.Table, items: ir.Table | None, *, given: float = 0.0) -> Estimate:
    """Margin as a share of what customers pay: Σ (quantity × margin − discount) / Σ (quantity × price − discount).

    Parameters
    ----------
    orders, items : Ibis tables
        Order lines; catalogue with unit_margin (or None).
    given : float
        A share that you know better, 0…1; 0 measures it.

    Returns
    -------
    Estimate
        The share; missing with a reason where nothing says it.

    Examples
    --------
    >>> margin_share(None, None, given=0.3).value
    0.3
    """
    if given:
        return Estimate(float(given))
    if items is None or "unit_margin" not in items.columns:
        return Estimate.missing("no items table says the margin; give margin as a parameter")
    off = _.discount.fill_null(0.0)
    lines = orders.join(items.filter(_.unit_margin.notnull()).select("item_id", "unit_margin"), "item_id")
    sums = lines.agg(
        margin=(_.quantity * _.unit_margin - off).sum(), paid=(_.quantity * _.unit_price - off).sum()
    ).execute()
    margin, paid = (float(v) if pd.notna(v) else 0.0 for v in sums.iloc[0])
    if paid <= 0 or margin <= 0:
        return Estimate.missing("the orders earn no margin, or no item has one; give margin as a parameter")
    return Estimate(margin / paid)


VALUED = ("p_alive", "purchases", "amount", "value")


def value(model: Model, *, margin: Estimate, weeks: float, discount_rate: float) -> pd.DataFrame:
    """Discounted expected residual value of each customer: the margin still to come.

    CLV = margin share × E[amount] × P(alive) ∫₀ʰ e^(−δ s) E[rate at s] ds, δ = ln(1 + annual rate) / 52.18 a week; ≥ 0.
    What the customer has already spent is not in it.

    Parameters
    ----------
    model : Model
        Fitted to all histories.
    margin : Estimate
        Margin as a share of spend.
    weeks : float
        Horizon, > 0; beyond about the length of the log it is an extrapolation.
    discount_rate : float
        A year, ≥ 0.

    Returns
    -------
    DataFrame
        The histories with p_alive, purchases (expected in the horizon, not discounted), amount (expected, an order),
        value (currency units). Empty with a reason where it cannot be computed.
    """
    if weeks <= 0 or discount_rate < 0:
        raise LifetimeError(f"weeks {weeks!r}, discount_rate {discount_rate!r}: give weeks above 0 and a rate ≥ 0")
    if model.why_no_money or margin.value is None:
        return missing([*HISTORY, *VALUED], model.why_no_money or margin.reason)
    table, fitted = model.table, model.purchases.parameters
    delta = math.log1p(discount_rate) * 7 / 365.25
    bought = bgnbd.expected_purchases(fitted, table, horizon=weeks)
    worth = bgnbd.expected_purchases(fitted, table, horizon=weeks, discount=delta)
    amount = gamma_gamma.expected_amount(model.spend, table)
    known = {"p_alive": bgnbd.p_alive(fitted, table), "purchases": bought, "amount": amount}
    return table.assign(**known, value=margin.value * amount * worth)


def total_value(
    model: Model, *, margin: Estimate, weeks: float, discount_rate: float, level: float = 0.95, seed: int = 33
) -> Estimate:
    """Value of all customers of today together, with an interval that includes the randomness of the future.

    Parameters as for `value`; the futures run in steps of at most four weeks, each discounted from its middle.
    """
    if model.why_no_money or margin.value is None:
        return Estimate.missing(model.why_no_money or margin.reason)
    expected = value(model, margin=margin, weeks=weeks, discount_rate=discount_rate)["value"].sum()
    count = math.ceil(weeks / 4)
    middle = (np.arange(count) + 0.5) * weeks / count
    factor = np.exp(-math.log1p(discount_rate) * 7 / 365.25 * middle)
    paid = futures(model, steps=[weeks / count] * count, seed=seed)[1]
    low, high = _bounds(margin.value * paid @ factor, level)
    return Estimate(float(expected), *(None if math.isnan(v) else v for v in (low, high)))


def stages(valued: pd.DataFrame, *, min_cell: int = 10) -> pd.DataFrame:
    """Lifecycle stage by value: how many customers, what they are worth, what to do.

    Stages: new (clock younger than 4 weeks, at most one counted order), no order yet (x = 0: none since registration,
    or none after the first), then by P(alive): active ≥ 0.7, at risk 0.3…0.7, probably gone < 0.3. Tiers by value: the
    top 20 % of customers high, the next 30 % middle, the rest low; equal values share a tier.

    Parameters
    ----------
    valued : DataFrame
        From `value`.
    min_cell : int
        Smaller groups are hidden.

    Returns
    -------
    DataFrame
        One row a stage and tier that occurs: stage, tier, customers, p_alive, purchases, value (means a customer),
        value_share (of the value of all), action.
    """
    columns = ("stage", "tier", "customers", "p_alive", "purchases", "value", "value_share", "action")
    if valued.empty:
        return missing(columns, valued.attrs.get("reason", "no customers"))
    table = valued.assign(stage=_stage(valued), tier=_tier(valued["value"]))
    means = table.groupby(["stage", "tier"], observed=True).agg(
        customers=("value", "size"), p_alive=("p_alive", "mean"), purchases=("purchases", "mean"),
        value=("value", "mean"), total=("value", "sum"),
    ).reset_index()  # fmt: skip
    means["value_share"] = means.pop("total") / max(table["value"].sum(), 1e-12)
    pairs = zip(means["stage"].astype(str), means["tier"].astype(str), strict=True)
    means["action"] = [ACTIONS.get((s, t), ACTIONS.get((s, "*"), "")) for s, t in pairs]
    shown = suppress(
        means, count="customers", min_cell=min_cell, values=["p_alive", "purchases", "value", "value_share"]
    )
    return shown.drop(columns="hidden")[list(columns)]


def _stage(table: pd.DataFrame) -> pd.Categorical:
    p, x = table["p_alive"], table["frequency"]
    conditions = [(table["T"] < NEW_WEEKS) & (x <= 1), x == 0, p >= PRESENT, p >= GONE]
    return pd.Categorical(np.select(conditions, STAGES[:4], STAGES[4]), STAGES, ordered=True)


def _tier(value: pd.Series) -> pd.Categorical:
    rank = value.rank(method="min", ascending=False) - 1  # customers worth more
    return pd.Categorical(np.select([rank < TOP * len(value), rank < MIDDLE * len(value)], TIERS[:2], TIERS[2]), TIERS)


def acquisition(
    model: Model,
    spend: ir.Table | None,
    users: ir.Table | None,
    *,
    window: tuple[pd.Timestamp, pd.Timestamp],
    margin: Estimate,
    weeks: float,
    discount_rate: float,
) -> pd.DataFrame:
    """What a new customer costs and earns, week by week since registration.

    Cost = Σ advertising / customers who registered in the window (a *blended* cost: all advertising is charged to new
    customers). Earned by week t = margin share × mean amount × ∫₀ᵗ e^(−δ s) E[rate at s] ds of a customer of whom
    nothing is known; its interval comes from the refits.

    Returns
    -------
    DataFrame
        One row a week 0 … horizon: week, earned, ci_low, ci_high, cost, paid_back. Empty with a reason without a spend
        table, or where no table says who is new.
    """
    columns = ("week", "earned", "ci_low", "ci_high", "cost", "paid_back")
    if model.why_no_money or margin.value is None:
        return missing(columns, model.why_no_money or margin.reason)
    if spend is None:
        return missing(columns, "the study has no table of advertising money (spend)")
    if model.table.attrs.get("start") != "registration":
        return missing(columns, "no table says who is new (joined_on), so the cost of a new customer is not known")
    first, last = (d.date() for d in window)
    new = int(users.filter(_.joined_on.cast("date").between(first, last)).count().execute())
    total = spend.filter(_.day.cast("date").between(first, last)).amount.sum().execute()
    if not new:
        return missing(columns, "nobody registered in the window")
    ends, delta = np.arange(math.ceil(weeks) + 1), math.log1p(discount_rate) * 7 / 365.25
    curves = np.array([
        margin.value * s.population_mean * _earned(p, ends, delta) for p, s in model.draws if s is not None
    ]).reshape(-1, len(ends))  # fmt: skip
    earned = margin.value * model.spend.population_mean * _earned(model.purchases.parameters, ends, delta)
    low, high = np.quantile(curves, [0.025, 0.975], axis=0) if len(curves) else np.full((2, len(ends)), np.nan)
    cost = float(total) / new if pd.notna(total) else np.nan
    return pd.DataFrame(dict(zip(columns, (ends, earned, low, high, cost, earned >= cost), strict=True)))


def _earned(purchases: Parameters, ends: np.ndarray, delta: float) -> np.ndarray:
    """Discounted expected purchases of a new customer by each week."""
    none = pd.DataFrame({"frequency": 0, "recency": 0.0, "T": np.zeros(len(ends))})
    return bgnbd.expected_purchases(purchases, none, horizon=ends.astype(float), discount=delta)


def payback(table: pd.DataFrame) -> Estimate:
    """First week by which a new customer has earned its cost, with the weeks of the interval's two curves."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no customers"))
    week, high, low = (_first_week(table, c) for c in ("earned", "ci_low", "ci_high"))
    if week is None:
        return Estimate.missing("a new customer does not earn its cost within the horizon")
    return Estimate(week, low, high)


def _first_week(table: pd.DataFrame, column: str) -> float | None:
    back = table.loc[table[column] >= table["cost"], "week"]
    return float(back.iloc[0]) if len(back) else None
