"""Why the page views changed between two periods: how many came, who they were, how much each looked (sun1998)."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.sessions import WEEKDAYS, BehaviourError, check_choice, check_positive
from helpers.behaviour.traffic import Visits
from helpers.findings import Estimate, missing

SEGMENTS = ("weekday", "daypart", "activity", "purchase")
DAYPARTS = ("night 0–5 h", "morning 6–11 h", "afternoon 12–17 h", "evening 18–23 h")


def two_periods(window: tuple[pd.Timestamp, pd.Timestamp], *, days: int = 28) -> pd.DataFrame:
    """The last `days` of the window and the same weekdays before them.

    The earlier period is shifted by whole weeks, so that weekends meet weekends. Where the window does not hold both,
    the periods are made shorter (same weekdays, one week apart); below eight days they are the two halves.

    Parameters
    ----------
    window : (first, last)
        The study's days, both inclusive.
    days : int
        Wished length, 1 or more.

    Returns
    -------
    DataFrame
        `period` ('first', 'second'), `start`, `end` (days, inclusive); empty with a reason for a window of one day.

    Examples
    --------
    >>> two_periods((pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03")), days=28)
       period      start        end
    0   first 2017-11-25 2017-11-26
    1  second 2017-12-02 2017-12-03
    """
    check_positive("days", days)
    first, last = window
    length = (last - first).days + 1
    if length < 2:
        return missing(["period", "start", "end"], "the window is one day, so there are no two periods")
    fits = [d for d in range(1, days + 1) if d + _whole_weeks(d) <= length]
    days, shift = (fits[-1], _whole_weeks(fits[-1])) if fits else (length // 2, length // 2)
    start = last - pd.Timedelta(days=days - 1)
    back = pd.Timedelta(days=shift)
    rows = [("first", start - back, last - back), ("second", start, last)]
    return pd.DataFrame(rows, columns=["period", "start", "end"])


def _whole_weeks(days: int) -> int:
    return -(-days // 7) * 7


def period_segments(visits: Visits, periods: pd.DataFrame, *, by: str = "activity") -> pd.DataFrame:
    """User-days and views of two periods by segment: what `decompose` needs.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    periods : DataFrame
        From `two_periods`.
    by : str
        'weekday'; 'daypart' (of the user's first action that day); 'activity': light or heavy users, cut at the
        median number of active days; 'purchase': did the user buy that day?

    Returns
    -------
    DataFrame
        `segment, first_users, second_users` (user-days), `first_value, second_value` (page views), one row a segment.
    """
    check_choice("by", by, SEGMENTS)
    columns = ["segment", "first_users", "second_users", "first_value", "second_value"]
    if periods.empty:
        return missing(columns, periods.attrs["reason"])
    parts = []
    for period in periods.itertuples():
        inside = visits.hours.day.between(period.start.date(), period.end.date())
        days = _user_days(Visits(visits.hours.filter(inside), visits.users), by)
        found = days.group_by("segment").agg(users=days.count(), value=days.pv.sum()).execute()
        parts.append(found.set_index("segment").add_prefix(f"{period.period}_"))
    table = pd.concat(parts, axis=1).fillna(0).astype(int).rename_axis("segment").sort_index().reset_index()
    table["segment"] = table.segment.map(dict(enumerate(_segment_names(by))))
    return table[columns] if len(table) else missing(columns, "no actions in the two periods")


def _user_days(visits: Visits, by: str) -> ir.Table:
    """One row a user and day: views, and the number of the day's segment."""
    hours, people = visits.hours, visits.users[["user_id", "days"]]
    days = hours.group_by(["user_id", "day"]).agg(pv=hours.pv.sum(), buy=hours.buy.sum(), hour=hours.hour.min())
    if by == "weekday":
        return days.mutate(segment=days.day.day_of_week.index().cast("int64"))
    if by == "daypart":
        return days.mutate(segment=(days.hour / 6).floor().cast("int64"))
    if by == "purchase":
        return days.mutate(segment=(days.buy > 0).cast("int64"))
    median = float(people.days.median().execute() or 0)
    joined = days.join(people, "user_id")
    return joined.mutate(segment=(joined.days > median).cast("int64"))


def _segment_names(by: str) -> tuple[str, ...]:
    names = {"weekday": WEEKDAYS, "daypart": DAYPARTS, "purchase": ("no purchase that day", "purchase that day")}
    return names.get(by, ("light users", "heavy users"))


def decompose(table: pd.DataFrame) -> pd.DataFrame:
    """Why did the total change? Volume, mix and intensity by segment, adding up exactly.

    PV = V · Σ m_s · i_s with V user-days, m_s the segment's share of them, i_s views per user-day. Each factor's
    effect is its Shapley value: its change, averaged over the six orders in which the three factors may change one
    after the other. For the volume that is ΔV · ((m₀i₀ + m₁i₁)/3 + (m₀i₁ + m₁i₀)/6), for the others alike. A segment
    absent from one period keeps the other period's intensity, so that its coming or going counts as mix.

    Parameters
    ----------
    table : DataFrame
        From `period_segments`: one row a segment, `first_users, second_users, first_value, second_value`, 0 or more.

    Returns
    -------
    DataFrame
        `segment, volume, mix, intensity, change` in units of the value: each row adds up to the segment's change, and
        the rows add up to the total change. Empty with a reason where a period has no users at all.

    References
    ----------
    Sun (1998), complete decomposition: sun1998; Ang (2004) compares it with logarithmic means: ang2004.

    Examples
    --------
    >>> periods = pd.DataFrame({"segment": ["all"], "first_users": [10], "second_users": [20],
    ...                         "first_value": [30], "second_value": [100]})
    >>> decompose(periods)
      segment  volume  mix  intensity  change
    0     all    40.0  0.0       30.0    70.0
    """
    columns = ["segment", "volume", "mix", "intensity", "change"]
    if table.empty:
        return missing(columns, table.attrs.get("reason", "no segments"))
    u0, u1, x0, x1 = (table[c].to_numpy(float) for c in ("first_users", "second_users", "first_value", "second_value"))
    if (x0[u0 == 0] != 0).any() or (x1[u1 == 0] != 0).any():
        raise BehaviourError("a segment has a value but no users; give one row a segment with both counts")
    if not (u0.sum() and u1.sum()):
        return missing(columns, "a period has no users")
    i0, i1 = x0 / np.maximum(u0, 1), x1 / np.maximum(u1, 1)
    i0, i1 = np.where(u0 == 0, i1, i0), np.where(u1 == 0, i0, i1)
    volume, mix = (u0.sum(), u1.sum()), (u0 / u0.sum(), u1 / u1.sum())
    effects = {
        "volume": _effect(volume, mix, (i0, i1)),
        "mix": _effect(mix, volume, (i0, i1)),
        "intensity": _effect((i0, i1), volume, mix),
    }
    return pd.DataFrame({"segment": table.segment.to_numpy(), **effects, "change": x1 - x0})


def _effect(factor: tuple, other: tuple, third: tuple) -> np.ndarray:
    """Shapley value of one factor of a product of three."""
    same = other[0] * third[0] + other[1] * third[1]
    crossed = other[0] * third[1] + other[1] * third[0]
    return (factor[1] - factor[0]) * (same / 3 + crossed / 6)


def total_change(parts: pd.DataFrame) -> Estimate:
    """The whole change of a decomposition, or why there is none."""
    return Estimate.missing(parts.attrs["reason"]) if parts.empty else Estimate(float(parts.change.sum()))


def caption(periods: pd.DataFrame) -> str:
    """The two periods in words.

    >>> caption(two_periods((pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03"))))
    'Why the page views changed from 2017-11-25 … 2017-11-26 to 2017-12-02 … 2017-12-03'
    """
    spans = [f"{p.start:%Y-%m-%d} … {p.end:%Y-%m-%d}" for p in periods.itertuples()]
    return " to ".join(["Why the page views changed from " + spans[0], *spans[1:]]) if spans else "Why they changed"


def waterfall_steps(table: pd.DataFrame, parts: pd.DataFrame, *, names: tuple[str, str]) -> pd.DataFrame:
    """The steps from the first period's total to the second's, as `charts.waterfall` draws them.

    Parameters
    ----------
    table, parts : DataFrame
        From `period_segments` and `decompose`.
    names : (first, second)
        What to call the two totals.

    Returns
    -------
    DataFrame
        `step, value, total`: the first total, one row a factor, the second total.
    """
    if parts.empty:
        return missing(["step", "value", "total"], parts.attrs["reason"])
    effects = [
        ("volume: number of user-days", parts.volume.sum()),
        ("mix: who they are", parts.mix.sum()),
        ("intensity: views per user-day", parts.intensity.sum()),
    ]
    rows = [(names[0], table.first_value.sum(), True)]
    rows += [(name, value, False) for name, value in effects]
    rows += [(names[1], table.second_value.sum(), True)]
    return pd.DataFrame(rows, columns=["step", "value", "total"])
