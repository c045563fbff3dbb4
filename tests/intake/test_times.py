"""Instants against Python's own calendar, and the unit of a column of instants by the number of its digits."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helpers.intake.times import Calendar, parse_days, parse_iso, unit_of


@given(st.datetimes(), st.integers(-18 * 60, 18 * 60 + 59), st.text("0123456789", max_size=9), st.sampled_from("T "))
@example(datetime(2000, 2, 29, 23, 59, 59), 18 * 60, "123456789", "T")
@example(datetime(2000, 3, 1), -18 * 60, "1", " ")
def test_instants_agree_with_the_standard_library(moment: datetime, offset: int, digits: str, between: str) -> None:
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    text = moment.isoformat(between, "seconds") + ("." + digits if digits else "") + zone
    micro = int((digits + "000000")[:6])
    us, good = parse_iso(pa.array([text]))
    assert good.tolist() == [True]
    assert us.tolist() == [(calendar.timegm(moment.timetuple()) - 60 * offset) * 1_000_000 + micro]


@pytest.mark.parametrize(
    "text",
    [
        "2017-11-25T24:00:00Z",
        "2017-11-25T23:60:00Z",
        "2017-11-25T23:00:60Z",
        "2017-11-25T23:00:00+19:00",
        "2017-11-25T23:00:00+08:60",
        "2017-02-29T00:00:00Z",
        "2017-11-25T23:00:00",
    ],
)
def test_instants_that_are_none(text: str) -> None:
    assert [part.tolist() for part in parse_iso(pa.array([text]))] == [[0], [False]]


def test_days_agree_with_the_standard_library() -> None:
    numbers = range(1, 3_652_059, 997)
    texts = [datetime.fromordinal(n).strftime("%Y-%m-%d").zfill(10) for n in numbers]
    days, good = parse_days(pa.array(texts))
    assert good.all() and days.tolist() == [n - 719_163 for n in numbers]  # 719,163: 1970-01-01


def test_days_that_are_not_in_the_calendar() -> None:
    wrong = ["1900-02-29", "2017-04-31", "2017-12-32", "2017-01-00", "2017-00-01", "2017-13-01", "0000-01-01"]
    assert not parse_days(pa.array(wrong))[1].any() and parse_days(pa.array(["2000-02-29", "2017-12-31"]))[1].all()


def test_a_month_ends_with_its_last_day() -> None:
    for year, month in product((1900, 2000, 2016, 2017), range(1, 13)):
        last = calendar.monthrange(year, month)[1]
        texts = [f"{year}-{month:02}-{day:02}" for day in (last, last + 1)]
        assert parse_days(pa.array(texts))[1].tolist() == [True, False]


@pytest.mark.parametrize("name", ["Asia/Shanghai", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"])
def test_day_and_hour_agree_with_the_zone(name: str) -> None:
    first, zone = calendar.timegm((2017, 1, 1, 0, 0, 0)), ZoneInfo(name)
    seconds = np.arange(first, first + 400 * 86400, 3571)
    clock = calendar.timegm((2017, 11, 5, 6, 0, 0))  # New York's clocks went back
    seconds = np.append(seconds, [clock - 1, clock])
    there = [datetime.fromtimestamp(int(s), UTC).astimezone(zone) for s in seconds]
    day, hour = Calendar(zone, int(seconds.min()), int(seconds.max())).local(seconds)
    assert hour.tolist() == [t.hour for t in there]
    assert day.tolist() == [t.toordinal() - 719_163 for t in there]


@pytest.mark.parametrize(
    ("middle", "unit"),
    [
        (10**11 - 1, "s"),
        (10**11, "ms"),
        (10**14 - 1, "ms"),
        (10**14, "us"),
        (10**17 - 1, "us"),
        (10**17, None),
        (-(10**11), "ms"),
    ],
)
def test_the_limits_between_units(middle: int, unit: str | None) -> None:
    assert unit_of([str(middle)]) == unit


def test_the_middle_value_decides_and_gaps_do_not_count() -> None:
    assert unit_of(["", "5", "1511544070000", "1511544071000"]) == "ms"
    assert unit_of(["2017-11-25x01:21:10Z"]) is None and unit_of(["2017-11-25 01:21:10 UTC"]) == "iso"
    assert unit_of(["", ""]) is None and unit_of(["1511544070", "2017-11-25T01:21:10Z"]) == "s"
