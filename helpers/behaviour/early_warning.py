"""Early warning: which day is out of the ordinary, by how much, and which part of the shop moved it.

One pass over the events is enough: `measure`. History is judged by STL (cleveland1990) and the generalised ESD test
(rosner1983), the running day by a CUSUM (page1954). An alert says *when* and *where*; it does not say *why*.
"""

from __future__ import annotations

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from statsmodels.tsa.seasonal import STL

from helpers.behaviour.sessions import BehaviourError, check_choice, check_positive, count_behaviors
from helpers.engine import hold
from helpers.findings import missing
from helpers.outliers import critical_values, cusum, generalised_esd, robust_scale
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
PARTS = ("part", "observed", "expected", "difference", "own_change_share", "usual_share", "deviation_share")
SPREAD = "no single part"
Labels = Callable[[pd.Series], pd.Series]
"""Ids → names, in the same order."""


# One pass over the events ---------------------------------------------------------------------------------------------


def measure(events: ir.Table, *, orders: ir.Table | None = None) -> ir.Table:
    """The one pass over the events: one row a day, user and category, in amounts that add up to every daily metric.

    Parameters
    ----------
    events : ibis Table
        One row an action, with `day` in the study's zone.
    orders : ibis Table, optional
        The order lines, with `day`; None: no orders and no sales.

    Returns
    -------
    ibis Table
        `day, user_id, category_id`, the counts `pv, fav, cart, buy`, and in fractions: `users` (the user's actions in
        the category / all of the user's actions that day), `buyers` (the same of purchases), `orders` (lines of the
        order in the category / all its lines), `sales` (price × quantity − discount). Computed once and held.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": 1, "item_id": [5, 5, 6], "category_id": [1, 1, 2],
    ...     "behavior": ["pv", "buy", "pv"], "timestamp": [0, 1, 2], "day": pd.Timestamp("2017-11-25")}))
    >>> measure(log).order_by("category_id").execute()[["category_id", "pv", "buy", "users", "buyers"]].round(2)
       category_id  pv  buy  users  buyers
    0            1   1    1   0.67     1.0
    1            2   1    0   0.33     0.0
    """
    keys = ["day", "user_id", "category_id"]
    table = events.group_by(keys).agg(**count_behaviors(events))
    table = table.mutate(orders=ibis.literal(0.0), sales=ibis.literal(0.0))
    if orders is not None:
        table = ibis.union(*_same_ids(table, _order_amounts(orders, keys)), distinct=False)
        table = table.group_by(keys).agg(**{c: table[c].sum() for c in (*BEHAVIORS, "orders", "sales")})
    user_day = ibis.window(group_by=["day", "user_id"])
    actions = sum(table[b] for b in BEHAVIORS)
    shares = {"users": actions / actions.sum().over(user_day).nullif(0)}
    shares["buyers"] = table.buy / table.buy.sum().over(user_day).nullif(0)
    return hold(table.mutate(**{name: share.fill_null(0.0) for name, share in shares.items()}))


def _order_amounts(orders: ir.Table, keys: list[str]) -> ir.Table:
    lines = orders.mutate(whole=orders.count().over(ibis.window(group_by="order_id")))
    paid = lines.quantity * lines.unit_price - lines.discount.cast("float64").fill_null(0.0)
    amounts = lines.group_by(keys).agg(orders=(1.0 / lines.whole).sum(), sales=paid.sum().cast("float64"))
    return amounts.mutate(**{b: ibis.literal(0).cast("int64") for b in BEHAVIORS})


def _same_ids(first: ir.Table, second: ir.Table) -> tuple[ir.Table, ir.Table]:
    """Both with the columns of the first, in its order and types; ids of different types become text."""
    both = []
    for table in (first, second):
        columns = {}
        for name, kind in first.schema().items():
            differs = kind != second.schema()[name] and name.endswith("_id")
            columns[name] = table[name].cast("string" if differs else kind)
        both.append(table.select(**columns))
    return both[0], both[1]


def add_channel(measures: ir.Table, touchpoints: ir.Table | None, *, lookback_days: int = 7) -> ir.Table:
    """Give each user's day the channel of the last advertising touch.

    The last touch on the day itself or in the days before it counts, of one second the last by name; it may have come
    after the purchase of that day. Who was touched last is not who was moved: this is a way to sort, not a cause.

    Parameters
    ----------
    measures : ibis Table
        From `measure`.
    touchpoints : ibis Table or None
        `user_id, channel, timestamp, day`; None leaves the table as it is, and `contributions` says so.
    lookback_days : int
        So many days before the day still count, 0 or more.

    Returns
    -------
    ibis Table
        The same rows with `channel` ('no touch' where there was none). Computed once and held.
    """
    if touchpoints is None:
        return measures
    if lookback_days < 0:
        raise BehaviourError(f"lookback_days {lookback_days!r} is below zero; give a number of days, 0 or more")
    names = sorted(touchpoints.select("channel").distinct().execute()["channel"].dropna())
    if not names:
        return measures.mutate(channel=ibis.literal("no touch"))
    latest, base = _latest_channel(measures, touchpoints, names), len(names)
    fresh = latest.number - latest.code // base <= lookback_days
    channel = (latest.code % base).cases(*enumerate(names), else_="no touch")
    latest = latest.select("user_id", "day", channel=ibis.ifelse(fresh.fill_null(False), channel, "no touch"))
    return hold(measures.join(latest, ["user_id", "day"]))


def _latest_channel(measures: ir.Table, touchpoints: ir.Table, names: list[str]) -> ir.Table:
    """One row a user and day of either table: `number` of the day, and `code` = day × channels + channel so far."""
    base = len(names)
    touched = touchpoints.mutate(channel_number=touchpoints.channel.cases(*zip(names, range(base), strict=True)))
    last = (touched.timestamp * base + touched.channel_number).max() % base
    touched = touched.group_by(["user_id", "day"]).agg(channel_number=last)
    touched = touched.mutate(code=_day_number(touched) * base + touched.channel_number).drop("channel_number")
    days = measures.select("user_id", "day").distinct().mutate(code=ibis.null("int64"))
    both = ibis.union(*_same_ids(days, touched), distinct=False)
    both = both.group_by(["user_id", "day"]).agg(code=both.code.max())
    so_far = ibis.window(group_by="user_id", order_by="day", rows=(None, 0))
    return both.mutate(number=_day_number(both), code=both.code.max().over(so_far))


def _day_number(table: ir.Table) -> ir.IntegerColumn:
    return (table.day.cast("timestamp").epoch_seconds() // 86_400).cast("int64")


def daily(measures: ir.Table, *, window: tuple[pd.Timestamp, pd.Timestamp], min_cell: int = 1) -> pd.DataFrame:
    """All metrics by day.

    Parameters
    ----------
    measures : ibis Table
        From `measure`.
    window : (first, last)
        The study's days, both inclusive.
    min_cell : int
        Days with fewer people show no numbers.

    Returns
    -------
    DataFrame
        `day` and the columns of `METRICS`. A day without a row of its kind in the data is missing: nobody knows whether
        the shop was closed or the counter broken. Where there were actions but no order, orders are 0.
    """
    acted, bought = sum(measures[b] for b in BEHAVIORS) > 0, measures.buy > 0
    found = measures.group_by("day").agg(
        **{c: measures[c].sum() for c in (*BEHAVIORS, "orders", "sales")},
        users=measures.user_id.nunique(where=acted),
        buyers=measures.user_id.nunique(where=bought),
        people=measures.user_id.nunique(),
    )
    found = found.execute().assign(day=lambda t: pd.to_datetime(t.day)).set_index("day").astype(float)
    found.loc[found.users == 0, [*BEHAVIORS, "users", "buyers"]] = np.nan
    if not (found[["orders", "sales"]] != 0).any(axis=None):
        found[["orders", "sales"]] = np.nan
    found["orders"] = found.orders.round(6)
    found["conversion"] = found.buyers / found.users
    found = found.where(found.people >= min_cell)
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
    fit = STL(_fill(y.where(usable), table.day).to_numpy(), period=WEEK, robust=True, **odd).fit()
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
    table["event"] = table.day.map(events).astype(object).where(table.day.isin(list(events)), None)
    absent, special = table.observed.isna(), table.day.isin(list(events))
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
    usual = y.groupby(day.dt.weekday).transform("median").fillna(y.median())
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

    z = (y − weekday mean) / σ, both learned from the base robustly; then `outliers.cusum`, and beside it a limit for a
    single day, |z| > `jump`: one bad day does not fill the sums (lucas1982). After an alarm the sums start at 0, and the base is learned anew from the last `base_days` days that were usable and raised no alarm: a
    level that stays new becomes the usual one in time.

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
    watched = _watch(y, table.day.dt.weekday.to_numpy(), usable.to_numpy(), base_days, (k, h, jump))
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
    out = pd.DataFrame(np.nan, index=range(len(y)), columns=["center", "sd", "z", "upper", "lower", "began"])
    out["alarm"] = False
    quiet = usable.copy()
    start = int(np.flatnonzero(usable)[base_days - 1]) + 1
    while start < len(y):
        base = np.flatnonzero(quiet[:start])[-base_days:]
        center, sd = _learn(y[base], weekday[base])
        if not sd > 0:
            break
        z = np.where(usable[start:], (y[start:] - center[weekday[start:]]) / sd, np.nan)
        run, end = _first_alarm(z, limits)
        rows = slice(start, start + len(run) - 1)
        out.loc[rows, ["upper", "lower"]] = run[["upper", "lower"]].to_numpy()
        out.loc[rows, "center"], out.loc[rows, "z"] = center[weekday[start : start + len(run)]], z[: len(run)]
        out.loc[rows, "sd"] = sd
        if end is not None:
            place = start + len(run) - 1
            out.loc[place, ["alarm", "began"]] = [True, start + end]
            quiet[place] = False
        start += len(run)
    return out.astype({"alarm": bool})


def _first_alarm(z: np.ndarray, limits: tuple[float, float, float]) -> tuple[pd.DataFrame, int | None]:
    """The sums up to the first alarm, and the position where what alarmed began (None: no alarm)."""
    k, h, jump = limits
    run = cusum(z, k=k, h=h)
    jumped = np.abs(np.nan_to_num(z)) > jump
    alarms = np.flatnonzero(jumped | (run.alarm != ""))
    if not len(alarms):
        return run, None
    first = int(alarms[0])
    return run.iloc[: first + 1], first if jumped[first] else int(run.began[first])


def _learn(y: np.ndarray, weekday: np.ndarray) -> tuple[np.ndarray, float]:
    """The usual value of each weekday and the standard deviation, without the days that stick out of the base."""
    values = pd.Series(y)
    rough = values - values.groupby(weekday).transform("median")
    kept = rough.abs() <= 3 * robust_scale(rough)
    means = values[kept].groupby(weekday[kept]).mean().reindex(range(WEEK))
    center = means.fillna(means.mean()).to_numpy()
    # seven means were fitted to these days: without the factor they would seem calmer than they are
    return center, robust_scale(values - center[weekday]) * np.sqrt(len(y) / (len(y) - WEEK))


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


# Which part moved it --------------------------------------------------------------------------------------------------


def contributions(
    measures: ir.Table,
    judged: pd.DataFrame,
    *,
    day: pd.Timestamp | None,
    metric: str = "pv",
    by: str = "category_id",
    top: int = 5,
    min_cell: int = 1,
    labels: Labels | None = None,
    reference_days: int = 28,
) -> pd.DataFrame:
    """Which part of the shop moved a day's figure: parts that add up to the deviation.

    expected of a part = expected of the day × the part's share of the usual days around it; so
    Σ (observed − expected) of the parts = observed − expected of the day, exactly. A part of 100 % of the deviation is
    the deviation; a part moved like all others where `deviation_share` = `usual_share`.

    Parameters
    ----------
    measures : ibis Table
        From `measure`, or from `add_channel` for `by='channel'`.
    judged : DataFrame
        From `history` or `live`.
    day : Timestamp or None
        The day to explain; None (there is no alarm) gives an empty table that says so.
    metric : str
        As in `history`. For 'conversion' the parts are buyers of the part / all users of the day.
    by : str
        'category_id' or 'channel'.
    top : int
        So many parts, those with the largest differences; all others are added up in the row 'rest'.
    min_cell : int
        Parts with fewer people on that day are in 'rest', too.
    labels : function, optional
        Ids → their names, such as the study's `category_labels`.
    reference_days : int
        The usual days at most so far from `day` teach the shares.

    Returns
    -------
    DataFrame
        `part` (id or channel, 'rest', 'all'), `observed, expected, difference`, `own_change_share` (of the part's
        expected), `usual_share`, `deviation_share`; the row 'all' is the day itself.
    """
    check_choice("by", by, ("category_id", "channel"))
    check_choice("metric", metric, list(METRICS))
    if judged.empty or day is None or day is pd.NaT:
        return missing(PARTS, judged.attrs.get("reason", "there is no alarm to explain"))
    if by not in measures.columns:
        return missing(PARTS, "the study brings no table touchpoints")
    whole = judged.set_index("day").loc[day]
    close = (judged.day - day).abs() <= pd.Timedelta(days=reference_days)
    near = judged[judged.state.isin(["usual", "base"]) & close]
    parts = _parts_of(measures, by, "buyers" if metric == "conversion" else metric, day, near.day)
    if parts.empty or not parts.usual.sum() > 0:
        return missing(PARTS, "the usual days around it hold nothing to compare with")
    seen, usual = parts.observed.sum(), parts.usual / parts.usual.sum()
    parts = parts.assign(
        observed=parts.observed * (whole.observed / seen if seen else 0.0),
        expected=usual * whole.expected, usual_share=usual,
    )  # fmt: skip
    return _close(parts, whole, top, min_cell, labels)


def _parts_of(measures: ir.Table, by: str, metric: str, day: pd.Timestamp, near: pd.Series) -> pd.DataFrame:
    """One row a part: its amount on the day, its people on the day, and its amount on the days near it."""
    today = measures.day == ibis.literal(day.date())
    table = measures.filter(measures[metric] != 0)
    usual = table.day.isin([d.date() for d in near]) if len(near) else ibis.literal(False)
    amounts = {
        "observed": table[metric].sum(where=today),
        "people": table.user_id.nunique(where=today),
        "usual": table[metric].sum(where=usual),
    }
    found = table.group_by(by).agg(**amounts).order_by(by).execute().rename(columns={by: "part"})
    found = found.fillna({"observed": 0, "usual": 0}).astype({"observed": float, "usual": float, "part": object})
    return found[(found.observed != 0) | (found.usual != 0)]


def _close(parts: pd.DataFrame, whole: pd.Series, top: int, min_cell: int, labels: Labels | None) -> pd.DataFrame:
    """The largest parts, what is left, and the sum; hidden parts are never alone in what is left."""
    parts = parts.assign(difference=parts.observed - parts.expected).sort_values(["people", "part"], key=_sortable)
    small = int((parts.people < min_cell).sum())
    # a single hidden part, or a few with too few people, would be the total less the others
    while 0 < small < len(parts) and (small == 1 or parts.people.iloc[:small].sum() < min_cell):
        small += 1
    shown = parts.iloc[small:].sort_values("difference", key=abs, ascending=False, kind="stable").head(top)
    shown = shown.assign(part=labels(shown.part) if labels else shown.part)
    columns = ["part", "observed", "expected", "difference", "usual_share"]
    left = {c: parts[c].sum() - shown[c].sum() for c in ("observed", "expected", "usual_share")}
    rest = {"part": "rest", **left, "difference": whole.difference - shown.difference.sum()}
    total = {"part": "all", "observed": whole.observed, "expected": whole.expected, "difference": whole.difference,
             "usual_share": 1.0}  # fmt: skip
    table = pd.concat([shown[columns], pd.DataFrame([rest, total])[columns]], ignore_index=True)
    table["own_change_share"] = table.difference / table.expected.where(table.expected > 0)
    table["deviation_share"] = table.difference / whole.difference if whole.difference else np.nan
    return table[list(PARTS)]


def _sortable(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.name == "part" else column


def main_part(contributions: pd.DataFrame, *, least: float = 0.2, times: float = 3.0) -> tuple[object, float | None]:
    """The part that stands out of a deviation, or 'no single part'.

    A part is named when it brings at least `least` of the deviation and at least `times` its usual share of it: a part
    that is always half of the shop brings half of every change.

    >>> shares = {"usual_share": [0.1, 0.9, 1.0], "deviation_share": [0.8, 0.2, 1.0]}
    >>> main_part(pd.DataFrame({"part": ["tea", "rest", "all"], **shares}))
    ('tea', 0.8)
    """
    if contributions.empty:
        return None, None
    named = contributions.iloc[:-2]
    strong = named[(named.deviation_share >= least) & (named.deviation_share >= times * named.usual_share)]
    if strong.empty:
        return SPREAD, None
    best = strong.loc[strong.deviation_share.idxmax()]
    return best.part, float(best.deviation_share)


def explain(
    alerts: pd.DataFrame,
    measures: ir.Table,
    judged: pd.DataFrame,
    *,
    metric: str = "pv",
    min_cell: int = 1,
    labels: Labels | None = None,
) -> pd.DataFrame:
    """The alert table with the part that moved each day, by category and by channel.

    `alerts` comes from `alerts` or `shifts`, the other arguments are those of `contributions`; `labels` names the
    categories.

    Returns
    -------
    DataFrame
        The columns of `alerts`, `category` and `channel` (a part, 'no single part', or missing where there is nothing
        to compare), `category_part_share` and `channel_part_share` (of the deviation).
    """
    if alerts.empty:
        columns = [*alerts.columns, "category", "category_part_share", "channel", "channel_part_share"]
        return missing(columns, alerts.attrs.get("reason", "no alarm"))
    table = alerts.copy()
    for name, by, names in (("category", "category_id", labels), ("channel", "channel", None)):
        options = {"metric": metric, "by": by, "min_cell": min_cell, "labels": names}
        found = [main_part(contributions(measures, judged, day=day, **options)) for day in table.day]
        table[name] = pd.Series([part for part, _ in found], index=table.index, dtype=object)
        table[f"{name}_part_share"] = pd.Series([value for _, value in found], index=table.index, dtype=float)
    return table


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
        table[metric] = pd.Series(
            [words.get(states.get(day, "")) for day in table.day], index=table.index, dtype=object
        )
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
