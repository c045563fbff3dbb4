"""Which part of the shop moved a day's figure: by category and by channel, in parts that add up to the deviation.

Built on `early_warning.measure`. A part says *where*; it does not say *why*.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.early_warning import METRICS, Measures, amounts, same_ids
from helpers.behaviour.sessions import BehaviourError, check_choice
from helpers.engine import hold
from helpers.findings import missing

PARTS = ("part", "observed", "expected", "difference", "own_change_share", "usual_share", "deviation_share")
SPREAD = "no single part"
Labels = Callable[[pd.Series], pd.Series]
"""Ids → names, in the same order."""


def add_channel(measures: Measures, touchpoints: ir.Table | None, *, lookback_days: int = 7) -> Measures:
    """Give each user's day the channel of the last advertising touch.

    The last touch on the day itself or in the days before it counts, of one second the last by name; it may have come
    after the purchase of that day. Who was touched last is not who was moved: this is a way to sort, not a cause.

    Parameters
    ----------
    measures : Measures
        From `measure`.
    touchpoints : ibis Table or None
        `user_id, channel, timestamp, day`; None leaves the table as it is, and `contributions` says so.
    lookback_days : int
        So many days before the day still count, 0 or more.

    Returns
    -------
    Measures
        `by_user` has `channel`, too ('no touch' where there was none). Computed once and held.
    """
    if touchpoints is None:
        return measures
    if lookback_days < 0:
        raise BehaviourError(f"lookback_days {lookback_days!r} is below zero; give a number of days, 0 or more")
    names = sorted(touchpoints.select("channel").distinct().execute()["channel"].dropna())
    days = measures.by_user
    if not names:
        return replace(measures, by_user=days.mutate(channel=ibis.literal("no touch")))
    latest, base = _latest_channel(days, touchpoints, names), len(names)
    fresh = latest.number - latest.code // base <= lookback_days
    channel = (latest.code % base).cases(*enumerate(names), else_="no touch")
    latest = latest.select("user_id", "day", channel=ibis.ifelse(fresh.fill_null(False), channel, "no touch"))
    return replace(measures, by_user=hold(days.join(latest, ["user_id", "day"])))


def _latest_channel(days: ir.Table, touchpoints: ir.Table, names: list[str]) -> ir.Table:
    """One row a user and day of either table: `number` of the day, and `code` = day × channels + channel so far."""
    base = len(names)
    touched = touchpoints.mutate(channel_number=touchpoints.channel.cases(*zip(names, range(base), strict=True)))
    last = (touched.timestamp * base + touched.channel_number).max() % base
    touched = touched.group_by(["user_id", "day"]).agg(channel_number=last)
    touched = touched.mutate(code=_day_number(touched) * base + touched.channel_number).drop("channel_number")
    empty = days.select("user_id", "day").mutate(code=ibis.null("int64"))
    both = ibis.union(*same_ids(empty, touched), distinct=False)
    both = both.group_by(["user_id", "day"]).agg(code=both.code.max())
    so_far = ibis.window(group_by="user_id", order_by="day", rows=(None, 0))
    return both.mutate(number=_day_number(both), code=both.code.max().over(so_far))


def _day_number(table: ir.Table) -> ir.IntegerColumn:
    return (table.day.cast("timestamp").epoch_seconds() // 86_400).cast("int64")


def contributions(
    measures: Measures,
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
    measures : Measures
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
    by_day = _by_day(measures, days=pd.Series([day]), metric=metric, by=by, reference_days=reference_days)
    return _moved(by_day, judged, day, top=top, min_cell=min_cell, labels=labels, reference_days=reference_days)


def _near(judged: pd.DataFrame, day: pd.Timestamp, reference_days: int) -> pd.Series:
    """The days that teach the usual shares of a day."""
    close = (judged.day - day).abs() <= pd.Timedelta(days=reference_days)
    return judged.day[judged.state.isin(["usual", "base"]) & close]


def _by_day(measures: Measures, *, days: pd.Series, metric: str, by: str, reference_days: int) -> pd.DataFrame | None:
    """One row a day and part: amount, and people on the days to explain; None where the parts are not known."""
    if by != "category_id" and by not in measures.by_user.columns:
        return None
    table = amounts(measures, metric="buyers" if metric == "conversion" else metric, by=by)
    asked, reach = sorted({d.date() for d in days}), pd.Timedelta(days=reference_days)
    # a span is read faster than a list of days; days of it that teach nothing are left out later
    rows = table.filter(table.day.between((days.min() - reach).date(), (days.max() + reach).date()))
    sums = rows.group_by("day", "part").agg(amount=rows.amount.sum()).execute()
    rows = table.filter(table.day.isin(asked))
    users = rows.group_by("day", "part", "user_id").agg(amount=rows.amount.sum())
    users = users.filter(users.amount != 0).group_by("day", "part").agg(people=ibis._.count()).execute()
    found = sums.merge(users, on=["day", "part"], how="left")
    return found.assign(day=pd.to_datetime(found.day), people=found.people.fillna(0).astype("int64"))


def _moved(
    by_day: pd.DataFrame | None,
    judged: pd.DataFrame,
    day: pd.Timestamp,
    *,
    top: int = 5,
    min_cell: int = 1,
    labels: Labels | None = None,
    reference_days: int = 28,
) -> pd.DataFrame:
    """`contributions` of one day, from the sums by day and part."""
    if by_day is None:
        return missing(PARTS, "the study brings no table touchpoints")
    parts = _parts_of(by_day, day, _near(judged, day, reference_days))
    if parts.empty or not parts.usual.sum() > 0:
        return missing(PARTS, "the usual days around it hold nothing to compare with")
    whole = judged.set_index("day").loc[day]
    seen, usual = parts.observed.sum(), parts.usual / parts.usual.sum()
    parts = parts.assign(
        observed=parts.observed * (whole.observed / seen if seen else 0.0),
        expected=usual * whole.expected, usual_share=usual,
    )  # fmt: skip
    return _close(parts, whole, top, min_cell, labels)


def _parts_of(by_day: pd.DataFrame, day: pd.Timestamp, near: pd.Series) -> pd.DataFrame:
    """One row a part: its amount on the day, its people on the day, and its amount on the days near it."""
    today = by_day[by_day.day == day].set_index("part")
    usual = by_day[by_day.day.isin(near)].groupby("part").amount.sum()
    found = pd.DataFrame({"observed": today.amount, "people": today.people, "usual": usual})
    found = found.fillna(0.0).astype(float).rename_axis("part").reset_index().astype({"part": object})
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
    measures: Measures,
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
    check_choice("metric", metric, list(METRICS))
    table = alerts.copy()
    for name, by, names in (("category", "category_id", labels), ("channel", "channel", None)):
        by_day = _by_day(measures, days=table.day, metric=metric, by=by, reference_days=28)
        found = [main_part(_moved(by_day, judged, day, min_cell=min_cell)) for day in table.day]
        parts = pd.Series([part for part, _ in found], index=table.index, dtype=object)
        single = parts.notna() & (parts != SPREAD)
        table[name] = parts.mask(single, names(parts[single])) if names and single.any() else parts
        table[f"{name}_part_share"] = pd.Series([value for _, value in found], index=table.index, dtype=float)
    return table
