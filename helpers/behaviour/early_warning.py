"""Early warning: which day is out of the ordinary, by how much, and which part of the shop moved it.

One pass over the events gives all figures: `measure`. History is judged by STL (cleveland1990) and by the generalised
ESD test (rosner1983), the running day by a CUSUM (page1954); `moved_parts` says where it came from. An alert is not
a cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.tsa.seasonal import STL

from helpers.behaviour.sessions import BehaviourError, check_choice, check_positive
from helpers.engine import hold
from helpers.findings import missing
from helpers.outliers import critical_values, first_run, generalised_esd, robust_scale
from helpers.tables import BEHAVIORS

METRICS = {
    "pv": "page views",
    "fav": "favourites",
    "cart": "items put into the cart",
    "buy": "purchases",
    "users": "users",
    "buyers": "users who bought",
    "conversion": "buyers per user",
    "orders": "orders",
    "sales": "currency units",
}
"""What can be watched, and its unit, a day."""
SCALES = ("multiplicative", "additive")
WEEK, LEAST_DAYS, LEAST_BASE = 7, 28, 28
HISTORY = (
    "day", "observed", "trend", "weekday", "expected", "low", "high", "difference", "difference_share", "robust_sd",
    "state", "event",
)  # fmt: skip
LIVE = ("day", "observed", "expected", "difference", "difference_share", "z", "upper", "lower", "state", "began",
        "event")  # fmt: skip
ALERTS = ("day", "observed", "expected", "low", "high", "difference", "difference_share", "robust_sd")
SHIFTS = ("day", "began", "days", "direction", "observed", "expected", "shift_share", "shift_sd")

# One pass over the events ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measures:
    """What the figures of all days are sums of.

    `by_user`: one row a day and user with the columns of `measure`, held. `log`: the events (day, user_id, category_id,
    behavior); `lines`: the order lines (day, user_id, category_id, orders, sales), or None. Ids have one type in all.
    """

    by_user: ir.Table
    log: ir.Table
    lines: ir.Table | None = None


def measure(events: ir.Table, *, orders: ir.Table | None = None) -> Measures:
    """The one pass over the events: what each user did on each day, in amounts that add up to every daily metric.

    Parameters
    ----------
    events : ibis Table
        One row an action, with `day` in the study's zone.
    orders : ibis Table, optional
        The order lines, with `day`; None: no orders and no sales.

    Returns
    -------
    Measures
        `by_user`, computed once and held, has `day, user_id`, the counts `pv, fav, cart, buy`, `users` (1 with an
        action, else 0), `buyers` (1 with a purchase, else 0), `orders` (lines / all lines of their order) and `sales`
        (price × quantity − discount).

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": [1, 1, 2], "category_id": [1, 1, 2], "behavior": ["pv", "buy", "pv"],
    ...     "day": pd.Timestamp("2017-11-25")}))
    >>> measure(log).by_user.order_by("user_id").execute()[["user_id", "pv", "buy", "users", "buyers"]]
       user_id  pv  buy  users  buyers
    0        1   1    1      1       1
    1        2   1    0      1       0
    """
    log, lines = events.select("day", "user_id", "category_id", "behavior"), None
    if orders is not None:
        lines = _order_lines(orders)
        log, lines = _alike(log, lines, ["day", "user_id", "category_id"])
    table = log.group_by("day", "user_id").agg(**{b: log.count(where=log.behavior == b) for b in BEHAVIORS})
    table = table.mutate(orders=ibis.literal(0.0), sales=ibis.literal(0.0))
    if lines is not None:
        bought = lines.group_by("day", "user_id").agg(orders=lines.orders.sum(), sales=lines.sales.sum())
        bought = bought.mutate(**{b: ibis.literal(0).cast("int64") for b in BEHAVIORS})
        table = ibis.union(*same_ids(table, bought), distinct=False)
        amounts = {c: table[c].sum().cast(table[c].type()) for c in (*BEHAVIORS, "orders", "sales")}
        table = table.group_by("day", "user_id").agg(**amounts)
    acted = sum(table[b] for b in BEHAVIORS) > 0
    table = table.mutate(users=acted.cast("int64"), buyers=(table.buy > 0).cast("int64"))
    return Measures(hold(table), log, lines)


def _order_lines(orders: ir.Table) -> ir.Table:
    whole = orders.count().over(ibis.window(group_by="order_id"))
    paid = orders.quantity * orders.unit_price - orders.discount.cast("float64").fill_null(0)
    amounts = {"orders": (1 / whole).cast("float64"), "sales": paid.cast("float64")}
    return orders.select("day", "user_id", "category_id", **amounts)


def amounts(measures: Measures, *, metric: str, by: str = "category_id") -> ir.Table:
    """What a metric is the sum of, by day, user and part of the shop.

    Parameters
    ----------
    measures : Measures
        From `measure`.
    metric : str
        One of `METRICS`, but not 'conversion', which is no sum.
    by : str
        'category_id', or a column of `by_user`.

    Returns
    -------
    ibis Table
        `day, user_id, part, amount`; a user may have many rows a day and part. An action is one of `users` / all of the
        user's actions that day, a purchase one of `buyers` / all purchases of the user's day.
    """
    if by != "category_id":
        table = measures.by_user
        return table.filter(table[metric] != 0).select(*_keys(table), part=by, amount=table[metric].cast("float64"))
    if metric in ("orders", "sales"):
        lines = measures.log.filter(ibis.literal(False)) if measures.lines is None else measures.lines
        amount = ibis.literal(0.0) if measures.lines is None else lines[metric]
        return lines.select(*_keys(lines), part=by, amount=amount)
    log = measures.log
    if metric != "users":
        log = log.filter(log.behavior == ("buy" if metric == "buyers" else metric))
    if metric in BEHAVIORS:
        return log.select(*_keys(log), part=by, amount=ibis.literal(1.0))
    own = measures.by_user
    whole = own.buy if metric == "buyers" else sum(own[b] for b in BEHAVIORS)
    shared = log.join(own.select("day", "user_id", whole=whole), ["day", "user_id"])
    return shared.select(*_keys(shared), part=by, amount=(1 / shared.whole).cast("float64"))


def _keys(table: ir.Table) -> list[ir.Column]:
    return [table.day.cast("date").name("day"), table.user_id]


def same_ids(first: ir.Table, second: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Both with the columns of the first, in its order and types; ids of different types become text."""
    first, second = _alike(first, second, [name for name in first.columns if name.endswith("_id")])
    return first, second.select(**{name: second[name].cast(kind) for name, kind in first.schema().items()})


def _alike(first: ir.Table, second: ir.Table, names: list[str]) -> tuple[ir.Table, ir.Table]:
    """Both with one type in these columns: days become dates, ids of different types text."""
    for name in names:
        if first[name].type() != second[name].type():
            kind = "date" if name == "day" else "string"
            first, second = (t.mutate(**{name: t[name].cast(kind)}) for t in (first, second))
    return first, second


def daily(measures: Measures, *, window: tuple[pd.Timestamp, pd.Timestamp], min_cell: int = 1) -> pd.DataFrame:
    """All metrics by day.

    Parameters
    ----------
    measures : Measures
        From `measure`.
    window : (first, last)
        The study's days, both inclusive.
    min_cell : int
        Days with fewer people show no numbers, days with fewer users only orders and sales, days with fewer buyers
        neither buyers nor conversion.

    Returns
    -------
    DataFrame
        `day` and the columns of `METRICS`. A day without a row of its kind in the data is missing: nobody knows whether
        the shop was closed or the counter broken. Where there were actions but no order, orders are 0.
    """
    table = measures.by_user
    sums = {c: table[c].sum() for c in (*BEHAVIORS, "users", "buyers", "orders", "sales")}
    found = table.group_by("day").agg(**sums, people=table.count())
    found = found.execute().assign(day=lambda t: pd.to_datetime(t.day)).set_index("day").astype(float)
    found.loc[found.users == 0, [*BEHAVIORS, "users", "buyers"]] = np.nan
    if not (found[["orders", "sales"]] != 0).any(axis=None):
        found[["orders", "sales"]] = np.nan
    found["orders"] = found.orders.round(6)
    found["conversion"] = found.buyers / found.users
    found = found.where(found.people >= min_cell)
    found.loc[found.users.between(1, min_cell - 1), [*BEHAVIORS, "users", "buyers", "conversion"]] = np.nan
    found.loc[found.buyers.between(1, min_cell - 1), ["buyers", "conversion"]] = np.nan
    days = pd.date_range(*window, freq="D", name="day", unit="us")
    return found.reindex(days)[list(METRICS)].reset_index()


# History: STL and the generalised ESD test ----------------------------------------------------------------------------


def history(
    days: pd.DataFrame,
    *,
    metric: str = "pv",
    known: pd.DataFrame | None = None,
    scale: str = "multiplicative",
    alpha: float = 0.05,
    trend_days: int = 15,
    season_weeks: int = 35,
    least_change: float = 0.05,
) -> pd.DataFrame:
    """Which past days are out of the ordinary: STL, then the generalised ESD test on what it leaves over.

    y = trend + weekday + remainder, with y = log(metric) on the multiplicative scale; expected = exp(trend + weekday).
    The band is what the test lets pass: mean of the remainder ± λ s, without the outliers found.

    Parameters
    ----------
    days : DataFrame
        One row a day without gaps in the calendar: `day` and `metric` (missing where nothing was counted).
    metric : str
        A column of `days`.
    known : DataFrame, optional
        `day, event`, as from `known_days`: these days are left out, neither learned from nor judged.
    scale : str
        'multiplicative': weekdays and noise are a share of the level (the usual case); 'additive': fixed amounts. On
        the multiplicative scale a day of 0 counts as half of the smallest day above 0.
    alpha : float
        Chance of a false alarm in the whole series, if the remainder were normal and STL knew the truth.
    trend_days, season_weeks : int
        Width of STL's windows: the trend follows what lasts longer than `trend_days`; the weekday pattern may change
        over `season_weeks`. Small windows follow the noise, and the test then finds outliers in what they leave.
    least_change : float
        Smaller changes are never an alarm, share of the expected value, 0…1.

    Returns
    -------
    DataFrame
        One row a day: `observed, trend, weekday, expected, low, high, difference` (observed − expected),
        `difference_share` (of expected), `robust_sd` (the difference on the scale of the model, in robust standard
        deviations of the remainder), `state` ('usual', 'alarm', 'known day', 'missing') and `event`. Without 28 days to
        learn from, or without any variation, the table is empty with that reason.

    References
    ----------
    cleveland1990, rosner1983.
    """
    check_choice("scale", scale, SCALES)
    _check_windows(trend_days, season_weeks, least_change)
    table, usable = _calendar(days, metric, known)
    if reason := _too_little(table, usable, LEAST_DAYS):
        return missing(HISTORY, reason)
    y = _to_scale(table.observed, scale)
    odd = {"seasonal": season_weeks | 1, "trend": trend_days | 1}
    filled = _fill(y.where(usable), table.day).to_numpy()
    # one inner pass is what cleveland1990 advise beside robust weights
    fit = STL(filled, period=WEEK, robust=True, **odd).fit(inner_iter=1)
    remainder = (y - fit.trend - fit.seasonal).where(usable)
    spread = robust_scale(remainder)
    outlier, mean, reach = _judge(remainder, alpha)
    reach = max(reach, np.log1p(least_change) if scale == "multiplicative" else 0.0)
    center = fit.trend + fit.seasonal
    table = table.assign(trend=fit.trend, weekday=fit.seasonal, expected=center, low=center + mean - reach,
                         high=center + mean + reach)  # fmt: skip
    if scale == "multiplicative":
        log = ["trend", "weekday", "expected", "low", "high"]
        table[log] = np.exp(table[log])
    table = _differences(table).assign(robust_sd=(y - center) / spread if spread else np.nan)
    large = table.difference.abs() >= least_change * table.expected.abs()
    table["state"] = table.state.mask(outlier & large, "alarm")
    return table[list(HISTORY)]


def _check_windows(trend_days: int, season_weeks: int, least_change: float) -> None:
    for name, value in (("trend_days", trend_days), ("season_weeks", season_weeks)):
        if value < WEEK:
            raise BehaviourError(f"{name} {value!r} is below {WEEK}; STL needs at least that")
    if not 0 <= least_change < 1:
        raise BehaviourError(f"least_change {least_change!r} is not in 0 to 1; give a share, such as 0.05")


def _calendar(days: pd.DataFrame, metric: str, known: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.Series]:
    """`day, observed, event, state`, and which days can be learned from."""
    check_choice("metric", metric, list(days.columns.drop("day")))
    table = days[["day"]].assign(observed=days[metric].astype(float))
    events = {} if known is None else dict(zip(known.day, known.event, strict=True))
    names = [events.get(day) for day in table.day]
    table["event"] = pd.Series(names, index=table.index, dtype=object)
    absent, special = table.observed.isna(), table.event.notna()
    state = np.where(absent, "missing", np.where(special, "known day", "usual"))
    return table.assign(state=state.astype(object)), ~absent & ~special


def _too_little(table: pd.DataFrame, usable: pd.Series, least: int) -> str:
    if not table.observed.notna().any():
        return "this study has no such figures"
    if usable.sum() < least:
        return f"it takes {least} days with figures and without known events, there are {usable.sum()}"
    if table.observed[usable].nunique() == 1:
        return "the figure is the same on every day"
    return ""


def _to_scale(values: pd.Series, scale: str) -> pd.Series:
    if scale == "additive":
        return values
    above = values[values > 0]
    # log(0) is no number; half of the smallest day keeps an empty day far below all others
    return np.log(values.mask(values <= 0, above.min() / 2)) if len(above) else values


def _fill(y: pd.Series, day: pd.Series) -> pd.Series:
    """Stand-ins for days that are not learned from: the weekday's usual place above a line between the neighbours."""
    if not y.isna().any():
        return y
    usual = y.groupby(day.dt.day_of_week).transform("median").fillna(y.median())
    return (y - usual).interpolate(limit_direction="both") + usual


def _judge(remainder: pd.Series, alpha: float, *, most_rate: float = 0.1) -> tuple[np.ndarray, float, float]:
    """Which days are outliers; and the middle and half-width of what the test lets pass."""
    values = remainder.dropna()
    most = max(1, int(most_rate * len(values)))
    steps = generalised_esd(values, most=most, alpha=alpha)
    places = steps.position[steps.outlier].to_numpy(dtype=int)
    rest = np.delete(values.to_numpy(), places)
    limit = critical_values(len(values), most=min(len(places) + 1, len(values) - 2), alpha=alpha)[-1]
    return remainder.index.isin(values.index[places]), rest.mean(), limit * rest.std(ddof=1)


def _differences(table: pd.DataFrame) -> pd.DataFrame:
    difference = table.observed - table.expected
    return table.assign(difference=difference, difference_share=difference / table.expected.where(table.expected != 0))


def alerts(history: pd.DataFrame) -> pd.DataFrame:
    """The days with an alarm, the largest first: size in units, as a share of expected, in robust standard deviations.

    No alarm gives an empty table that says so; what could not be judged keeps its reason.
    """
    if history.empty:
        return missing(ALERTS, history.attrs.get("reason", "no days"))
    found = history.loc[history.state == "alarm", list(ALERTS)]
    if found.empty:
        return missing(ALERTS, "no day is out of the ordinary")
    return found.sort_values("robust_sd", key=abs, ascending=False, kind="stable", ignore_index=True)


def known_effects(history: pd.DataFrame) -> pd.DataFrame:
    """What the known events were like: the mean day of each, against what its weekdays and neighbours let expect.

    Before against after is no experiment: what would have happened without the event, nobody saw.

    Returns
    -------
    DataFrame
        `event, first_day, last_day, days, observed, expected, difference` (all three a day) and `difference_share`, by
        first day; an event that comes every year has a row each time.
    """
    columns = ["event", "first_day", "last_day", "days", "observed", "expected", "difference", "difference_share"]
    if history.empty:
        return missing(columns, history.attrs.get("reason", "no days"))
    seen = history[history.state == "known day"]
    if seen.empty:
        return missing(columns, "no known event lies in these days")
    apart = (seen.day.diff() > pd.Timedelta(days=1)) | (seen.event != seen.event.shift())
    grouped = seen.groupby(apart.cumsum())
    table = grouped.agg(event=("event", "first"), first_day=("day", "min"), last_day=("day", "max"),
                        days=("day", "size"), observed=("observed", "mean"), expected=("expected", "mean"))  # fmt: skip
    return _differences(table).reset_index(drop=True)[columns]


# Live: CUSUM ----------------------------------------------------------------------------------------------------------


def live(
    days: pd.DataFrame,
    *,
    metric: str = "pv",
    known: pd.DataFrame | None = None,
    base_days: int = 56,
    k: float = 0.5,
    h: float = 5.0,
    jump: float = 4.0,
    scale: str = "multiplicative",
) -> pd.DataFrame:
    """Watch day by day: a CUSUM of the deviations from what a base period taught, and nothing from the future.

    z = (y − weekday mean) / σ, both learned from the base without the days that stick out of it (beyond three robust
    standard deviations); then `outliers.cusum`, and beside it a limit for a single day, |z| > `jump`: one bad day does
    not fill the sums (lucas1982). After an alarm the sums start at 0, and the base is learned anew from the last
    `base_days` usable days: a level that stays new becomes the usual one in time.

    Parameters
    ----------
    days, metric, known, scale
        As in `history`. Known days are neither learned from nor added to the sums.
    base_days : int
        Days of the base period, 28 or more; eight weeks know each weekday eight times.
    k, h : float
        As in `outliers.cusum`, in standard deviations.
    jump : float
        The limit for one day, in standard deviations, above 0; 'inf' leaves the CUSUM alone.

    Returns
    -------
    DataFrame
        One row a day: `observed, expected, difference, difference_share, z, upper, lower` (the sums), `state` ('base',
        'usual', 'alarm', 'known day', 'missing'), `began` (day on which the alarming sum left 0) and `event`.
    """
    check_choice("scale", scale, SCALES)
    if base_days < LEAST_BASE:
        raise BehaviourError(f"base_days {base_days!r} is below {LEAST_BASE}; a base needs each weekday four times")
    check_positive("h", h)
    check_positive("jump", jump)
    table, usable = _calendar(days, metric, known)
    if reason := _too_little(table, usable, base_days + 1):
        return missing(LIVE, reason)
    y = _to_scale(table.observed, scale).to_numpy()
    watched = _watch(y, table.day.dt.day_of_week.to_numpy(), usable.to_numpy(), base_days, (k, h, jump))
    if not watched["sd"].notna().any():
        return missing(LIVE, "the base period does not vary, so there is no scale for a deviation")
    expected = np.exp(watched.center) if scale == "multiplicative" else watched.center
    table = _differences(table.assign(expected=expected, **watched[["z", "upper", "lower"]]))
    table["began"] = table.day.reindex(watched.began).set_axis(table.index)
    state = table.state.mask(usable & watched.z.isna(), "base")
    return table.assign(state=state.mask(watched.alarm, "alarm"))[list(LIVE)]


def _watch(
    y: np.ndarray, weekday: np.ndarray, usable: np.ndarray, base_days: int, limits: tuple[float, float, float]
) -> pd.DataFrame:
    """One row a day: centre, sd, z, both sums, alarm and the position where it began; one run after another."""
    out = {name: np.full(len(y), np.nan) for name in ("center", "sd", "z", "upper", "lower", "began")}
    alarm = np.zeros(len(y), dtype=bool)
    start = int(np.flatnonzero(usable)[base_days - 1]) + 1
    while start < len(y):
        base = np.flatnonzero(usable[:start])[-base_days:]
        center, sd = _learn(y[base], weekday[base])
        if not sd > 0:
            break
        z = np.where(usable[start:], (y[start:] - center[weekday[start:]]) / sd, np.nan)
        upper, lower, began = _first_alarm(z, limits)
        rows = slice(start, start + len(upper))
        out["upper"][rows], out["lower"][rows], out["z"][rows] = upper, lower, z[: len(upper)]
        out["center"][rows], out["sd"][rows] = center[weekday[rows]], sd
        if began is not None:
            place = rows.stop - 1
            alarm[place], out["began"][place] = True, start + began
        start = rows.stop
    return pd.DataFrame({**out, "alarm": alarm})


def _first_alarm(z: np.ndarray, limits: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, int | None]:
    """Both sums up to the first alarm, and the position where what alarmed began (None: no alarm)."""
    k, h, jump = limits
    # the sums cannot alarm after the first jump, so they need not be followed farther
    jumps = np.flatnonzero(np.abs(np.nan_to_num(z)) > jump)
    upper, lower, began = first_run(z[: jumps[0] + 1] if len(jumps) else z, k=k, h=h)
    if len(jumps) and len(upper) == jumps[0] + 1:
        return upper, lower, int(jumps[0])
    return upper, lower, began


def _learn(y: np.ndarray, weekday: np.ndarray) -> tuple[np.ndarray, float]:
    """The usual value of each weekday and the standard deviation, without the days that stick out of the base."""
    here = [weekday == day for day in range(WEEK)]
    rough = y - np.array([np.median(y[rows]) if rows.any() else 0.0 for rows in here])[weekday]
    kept = np.abs(rough) <= 3 * robust_scale(rough)
    means = np.array([y[rows & kept].mean() if (rows & kept).any() else np.nan for rows in here])
    center = np.where(np.isnan(means), np.nanmean(means), means)
    left = (y - center[weekday])[kept]
    # seven means were fitted to these days: without counting them the days would seem calmer than they are
    return center, float(np.sqrt((left**2).sum() / max(len(left) - WEEK, 1)))


def shifts(live: pd.DataFrame) -> pd.DataFrame:
    """The alarms of the CUSUM, in order: when each began, and how large the change has been in the mean since then.

    Returns
    -------
    DataFrame
        `day` (of the alarm), `began`, `days` (with figures, from `began` to `day`), `direction` ('up', 'down'),
        `observed` and `expected` (means of those days), `shift_share` (of expected) and `shift_sd` (mean z).
    """
    if live.empty:
        return missing(SHIFTS, live.attrs.get("reason", "no days"))
    rows = []
    for alarm in live[live.state == "alarm"].itertuples():
        since = live[live.day.between(alarm.began, alarm.day) & live.z.notna()]
        observed, expected = since.observed.mean(), since.expected.mean()
        change = (observed - expected) / expected if expected else np.nan
        way = "up" if since.z.mean() > 0 else "down"
        rows.append((alarm.day, alarm.began, len(since), way, observed, expected, change, since.z.mean()))
    return pd.DataFrame(rows, columns=list(SHIFTS)) if rows else missing(SHIFTS, "the sums never passed the limit")


def sums(live: pd.DataFrame, *, h: float = 5.0) -> pd.DataFrame:
    """Both sums and the limit by day, one below the other, for a figure: `day, sum, value` (standard deviations)."""
    if live.empty:
        return missing(["day", "sum", "value"], live.attrs.get("reason", "no days"))
    watched = live.loc[live.upper.notna(), ["day", "upper", "lower"]].assign(limit=h)
    names = {"upper": "too high, C⁺", "lower": "too low, C⁻", "limit": "limit h"}
    return watched.rename(columns=names).melt("day", var_name="sum")


# Against the truth ----------------------------------------------------------------------------------------------------


def planted(truth: pd.DataFrame, judged: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The planted days of a simulated shop: found or missed, in each metric.

    Parameters
    ----------
    truth : DataFrame
        `day, kind` of the planted days; empty for real data.
    judged : dict
        Metric → its `history`.

    Returns
    -------
    DataFrame
        `day, kind` and one column a metric: 'found', 'missed', 'known day' (told by the calendar, not judged), or
        missing where the metric could not be judged.
    """
    if truth.empty:
        return missing(["day", "kind", *judged], truth.attrs.get("reason", "nothing was planted"))
    table = truth[["day", "kind"]].assign(day=pd.to_datetime(truth.day).astype("datetime64[us]"))
    words = {"alarm": "found", "usual": "missed", "known day": "known day"}
    for metric, found in judged.items():
        states = {} if found.empty else dict(zip(found.day, found.state, strict=True))
        table[metric] = pd.Series([words.get(states.get(day)) for day in table.day], index=table.index, dtype=object)
    return table


def tally(truth: pd.DataFrame, judged: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Hits, misses and other alarms by metric, in a simulated shop.

    Returns
    -------
    DataFrame
        `metric, planted` (days of the truth that were judged), `found, missed, other_alarms` (on days on which nothing
        was planted), `judged_days`, `other_alarms_a_quarter` (91 days).
    """
    columns = ["metric", "planted", "found", "missed", "other_alarms", "judged_days", "other_alarms_a_quarter"]
    if truth.empty:
        return missing(columns, truth.attrs.get("reason", "nothing was planted"))
    true_days, rows = set(pd.to_datetime(truth.day)), []
    for metric, found in judged.items():
        if found.empty:
            continue
        tested = found[found.state.isin(["usual", "alarm"])]
        real, alarm = tested.day.isin(true_days), tested.state == "alarm"
        hits, other = int((real & alarm).sum()), int((~real & alarm).sum())
        days = len(tested)
        rows.append((metric, int(real.sum()), hits, int(real.sum()) - hits, other, days, other / days * 91))
    return pd.DataFrame(rows, columns=columns) if rows else missing(columns, "no metric could be judged")
