"""Days of which everybody knows in advance that they are not like others: festivals, holidays, days of one's own."""

from __future__ import annotations

import re
from datetime import date

import pandas as pd

YEARLY = {
    "New Year": ("12-31", "01-01"),
    "Labour Day": ("05-01", "05-05"),
    "618": ("06-16", "06-20"),
    "National Day": ("10-01", "10-07"),
    "double-11": ("11-09", "11-12"),
    "double-12": ("12-11", "12-12"),
}
"""Event → first and last day, month-day. The sales begin before their day and end after it."""
SPRING_FESTIVAL = (
    "2014-01-31", "2015-02-19", "2016-02-08", "2017-01-28", "2018-02-16", "2019-02-05", "2020-01-25", "2021-02-12",
    "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06",
)  # fmt: skip
"""First day of the lunar year; no other year is known here."""
BEFORE, AFTER = 3, 7
"""Days before and after it that are unlike others: deliveries stop, people travel."""
CALENDARS = ("china retail", "none")


class CalendarError(ValueError):
    """A calendar or a day that is not known; the message names the argument and the cure."""


def known_days(
    window: tuple[pd.Timestamp, pd.Timestamp], *, calendar: str = "china retail", own: str = ""
) -> pd.DataFrame:
    """The days in the window that are special by the calendar.

    Parameters
    ----------
    window : (first, last)
        The study's days, both inclusive.
    calendar : str
        'china retail': double-11, double-12, 618, National Day, Labour Day, New Year, and Spring Festival (2014–2027);
        'none': no day.
    own : str
        Your own days, such as '2017-08-30, 2017-09-02..2017-09-04': ISO days or ranges, with commas between.

    Returns
    -------
    DataFrame
        `day`, `event`; one row a day, in order. A day of two events has the name of the first.

    Raises
    ------
    CalendarError
        An unknown calendar, a day that cannot be read, or a range that ends before it starts.

    Examples
    --------
    >>> known_days((pd.Timestamp("2017-11-11"), pd.Timestamp("2017-12-11")), own="2017-11-20")
             day      event
    0 2017-11-11  double-11
    1 2017-11-12  double-11
    2 2017-11-20        own
    3 2017-12-11  double-12
    """
    if calendar not in CALENDARS:
        raise CalendarError(f"calendar {calendar!r} is not known; take one of: {', '.join(CALENDARS)}")
    first, last = (pd.Timestamp(day).normalize() for day in window)
    spans = [("own", *span) for span in _own(own)]
    if calendar != "none":
        spans += _yearly(range(first.year - 1, last.year + 1)) + _spring()
    days = [(day, event) for event, start, end in spans for day in pd.date_range(start, end, unit="us")]
    table = pd.DataFrame(days, columns=["day", "event"]).astype({"day": "datetime64[us]", "event": object})
    table = table[table.day.between(first, last)].drop_duplicates("day")
    return table.sort_values("day", ignore_index=True)


def _yearly(years: range) -> list[tuple[str, str, str]]:
    found = []
    for year in years:
        for event, (start, end) in YEARLY.items():
            # the New Year's span ends in the next year
            found.append((event, f"{year}-{start}", f"{year + (end < start)}-{end}"))
    return found


def _spring() -> list[tuple[str, pd.Timestamp, pd.Timestamp]]:
    days = [pd.Timestamp(day) for day in SPRING_FESTIVAL]
    return [("Spring Festival", d - pd.Timedelta(days=BEFORE), d + pd.Timedelta(days=AFTER)) for d in days]


def _own(text: str) -> list[tuple[str, str]]:
    spans = []
    for word in filter(None, (w.strip() for w in text.split(","))):
        start, _, end = (part.strip() for part in word.partition(".."))
        end = end or start
        for day in (start, end):
            _check_day(day, word)
        if end < start:
            raise CalendarError(f"own: the range {word!r} ends before it starts; swap its days")
        spans.append((start, end))
    return spans


def _check_day(day: str, word: str) -> None:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day) and date.fromisoformat(day):
            return
    except ValueError:
        pass
    raise CalendarError(f"own: {word[:40]!r} is no day or range; write 2017-08-30 or 2017-09-02..2017-09-04")
