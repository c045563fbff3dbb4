"""The periods of a scorecard: which one is judged, what it is compared with, and on which days that is fair."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

from helpers.findings import missing

DAY = pd.Timedelta(days=1)
SPAN_DAYS = ["span", "day"]
Window = tuple[pd.Timestamp, pd.Timestamp]


class ScorecardError(ValueError):
    """A period or a number that no scorecard can be made with; the message names the argument and the cure."""


@dataclass(frozen=True)
class Period:
    """A span of whole days: `label`, first and last day, both inclusive; `unit` is 'Q', 'M', 'Y' or '' (free)."""

    label: str
    start: pd.Timestamp
    end: pd.Timestamp
    unit: str = ""

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.end - self.start).days + 1

    def before(self) -> Period:
        """The period of the same kind before it; of a free span the same number of days."""
        if not self.unit:
            return Period(f"{self.days} days before", self.start - self.days * DAY, self.start - DAY)
        return _of(pd.Period(self.start, self.unit) - 1, self.unit)

    def year_before(self) -> Period:
        """The same period one year before."""
        years = pd.DateOffset(years=1)
        if not self.unit:
            return Period("a year before", self.start - years, self.end - years)
        return _of(pd.Period(self.start - years, self.unit), self.unit)

    def inside(self, window: Window) -> Period | None:
        """The part of it that the study's window holds; None where that is nothing."""
        start, end = max(self.start, window[0]), min(self.end, window[1])
        return Period(self.label, start, end, self.unit) if start <= end else None

    def share_in(self, window: Window) -> float:
        """Share of its days that lie in the window, 0…1."""
        part = self.inside(window)
        return part.days / self.days if part else 0.0


def read_period(text: str) -> Period:
    """A period from its name: a year '2017', a quarter '2017-Q4' or a month '2017-11'.

    >>> q = read_period("2017-Q4")
    >>> q.start.date().isoformat(), q.end.date().isoformat(), q.days, q.before().label, q.year_before().label
    ('2017-10-01', '2017-12-31', 92, '2017-Q3', '2016-Q4')

    Raises
    ------
    ScorecardError
        The name is none of these.
    """
    known = {r"\d{4}": "Y", r"\d{4}-?Q[1-4]": "Q", r"\d{4}-(?:0[1-9]|1[0-2])": "M"}
    unit = next((u for pattern, u in known.items() if re.fullmatch(pattern, text.strip())), None)
    if unit is None or not 1700 <= int(text.strip()[:4]) <= 2200:
        raise ScorecardError(f"period {text[:40]!r} cannot be read; write 2017, 2017-Q4 or 2017-11")
    return _of(pd.Period(text.strip().replace("-Q", "Q"), unit), unit)


def _of(period: pd.Period, unit: str) -> Period:
    label = {"Y": f"{period.year}", "Q": f"{period.year}-Q{period.quarter}"}.get(unit, f"{period.start_time:%Y-%m}")
    return Period(label, period.start_time.normalize(), period.end_time.normalize(), unit)


def choose_period(window: Window, targets: pd.DataFrame, *, period: str = "") -> Period:
    """The period that the scorecard judges.

    The named one; else the last with targets of which the window holds at least half; else the last whole quarter,
    the last whole month, or the whole window.

    Parameters
    ----------
    window : (first, last)
        The study's days, both inclusive.
    targets : DataFrame
        The table `targets`; empty where there is none.
    period : str
        A year, quarter or month; '' chooses.

    Raises
    ------
    ScorecardError
        A name that cannot be read, or a period with no day in the window.

    Examples
    --------
    >>> window = (pd.Timestamp("2017-06-19"), pd.Timestamp("2017-12-17"))
    >>> choose_period(window, pd.DataFrame({"period": ["2017-Q3", "2017-Q4", "2018-Q1"]})).label
    '2017-Q4'
    >>> none = pd.DataFrame({"period": []})
    >>> choose_period(window, none).label, choose_period(window, none, period="2017-08").label
    ('2017-Q3', '2017-08')
    """
    if period:
        named = read_period(period)
        if not named.share_in(window):
            raise ScorecardError(
                f"period {period!r} has no day in the window {window[0]:%Y-%m-%d} … {window[1]:%Y-%m-%d}"
            )
        return named
    planned = sorted(_readable(targets), key=lambda p: (p.end, p.days))
    planned = [p for p in planned if p.share_in(window) >= 0.5]
    if planned:
        return planned[-1]
    for unit in ("Q", "M"):
        last = _of(pd.Period(window[1] + DAY, unit) - 1, unit)
        if last.share_in(window) == 1:
            return last
    return Period(f"{window[0]:%Y-%m-%d} … {window[1]:%Y-%m-%d}", *window)


def _readable(targets: pd.DataFrame) -> list[Period]:
    found = []
    for name in targets["period"].astype(str).unique() if len(targets) else []:
        try:
            found.append(read_period(name))
        except ScorecardError:
            continue
    return found


def unreadable_periods(targets: pd.DataFrame) -> list[str]:
    """The periods of the targets that are neither year nor quarter nor month."""
    names = targets["period"].astype(str).unique() if len(targets) else []
    return [n for n in names if not _readable(pd.DataFrame({"period": [n]}))]


def days_of(period: Period | None, span: str) -> pd.DataFrame:
    """The days of a period as rows `span`, `day`."""
    if period is None:
        return missing(SPAN_DAYS, "no day of it is in the study's window")
    return pd.DataFrame({"span": span, "day": pd.date_range(period.start, period.end, unit="us")})


def like_for_like(now: pd.DataFrame, then: pd.DataFrame, known: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The days of two spans that can be compared: no known day, and as many of each weekday in both.

    Festivals and sales move from period to period, and months differ in their weekends; a change of a total that such
    days make says nothing about the shop. Of each weekday the last days of both spans are kept.

    Parameters
    ----------
    now, then : DataFrame
        One row a day: `span`, `day`.
    known : DataFrame
        Days known to be unlike others: `day`.

    Returns
    -------
    (now, then) : two DataFrames
        Parts of the same length, in order of days; both empty where nothing can be compared.

    Examples
    --------
    A week from Monday to Sunday against five days; the Wednesday of the week is a festival.

    >>> week = pd.DataFrame({"span": "now", "day": pd.date_range("2017-11-06", periods=7)})
    >>> five = pd.DataFrame({"span": "then", "day": pd.date_range("2017-10-30", periods=5)})
    >>> a, b = like_for_like(week, five, pd.DataFrame({"day": [pd.Timestamp("2017-11-08")]}))
    >>> a.day.dt.day.tolist(), b.day.dt.day.tolist()
    ([6, 7, 9, 10], [30, 31, 2, 3])
    """
    parts = [t[~t["day"].isin(known["day"])].reset_index(drop=True) for t in (now, then)]
    if any(p.empty for p in parts):
        return now.head(0), then.head(0)
    counts = [p["day"].dt.day_of_week.value_counts() for p in parts]
    keep = pd.concat(counts, axis=1).fillna(0).min(axis=1).astype(int)
    kept = []
    for part in parts:
        weekday = part["day"].dt.day_of_week
        from_end = part.iloc[::-1].groupby(weekday.iloc[::-1]).cumcount().sort_index()
        kept.append(part[from_end < weekday.map(keep)].reset_index(drop=True))
    return kept[0], kept[1]


def whole_weeks(window: Window) -> pd.DataFrame:
    """The days of all whole weeks of the window, Monday to Sunday, as rows `span` ('week 2017-06-19'), `day`."""
    days = pd.DataFrame({"day": pd.date_range(*window, unit="us")})
    monday = days["day"] - pd.to_timedelta(days["day"].dt.day_of_week, unit="D")
    whole = monday.map(monday.value_counts()) == 7
    return days.assign(span="week " + monday.dt.strftime("%Y-%m-%d"))[whole][SPAN_DAYS].reset_index(drop=True)


def whole_months(window: Window) -> list[str]:
    """The calendar months that lie wholly in the window, as 'YYYY-MM'.

    >>> whole_months((pd.Timestamp("2017-06-19"), pd.Timestamp("2017-09-01")))
    ['2017-07', '2017-08']
    """
    first, last = pd.Period(window[0], "M"), pd.Period(window[1], "M")
    months = pd.period_range(first, last, freq="M")
    return [str(m) for m in months if m.start_time >= window[0] and m.end_time.normalize() <= window[1]]
