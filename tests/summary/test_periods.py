"""Periods: names, choice, the days before, and days that can be compared."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.summary.periods import (
    Period,
    ScorecardError,
    choose_period,
    days_of,
    like_for_like,
    read_period,
    unreadable_periods,
    whole_months,
    whole_weeks,
)

WINDOW = (pd.Timestamp("2017-06-19"), pd.Timestamp("2017-12-17"))
NO_TARGETS = pd.DataFrame({"period": pd.Series(dtype="object")})


@pytest.mark.parametrize(
    ("name", "first", "last", "before"),
    [
        ("2016", "2016-01-01", "2016-12-31", "2015"),
        ("2017-Q1", "2017-01-01", "2017-03-31", "2016-Q4"),
        ("2017Q1", "2017-01-01", "2017-03-31", "2016-Q4"),
        ("2016-02", "2016-02-01", "2016-02-29", "2016-01"),
    ],
)
def test_names(name, first, last, before):
    period = read_period(name)
    assert (f"{period.start:%Y-%m-%d}", f"{period.end:%Y-%m-%d}", period.before().label) == (first, last, before)


@pytest.mark.parametrize("name", ["", "Q4", "2017-Q5", "2017-13", "9999", "last month", "2017-11-11", "=1+1"])
def test_names_that_are_none(name):
    with pytest.raises(ScorecardError, match="cannot be read"):
        read_period(name)


def test_the_choice():
    targets = pd.DataFrame({"period": ["2017-Q3", "2017-Q4", "2018-Q1", "2017-W40"]})
    assert choose_period(WINDOW, targets).label == "2017-Q4" and unreadable_periods(targets) == ["2017-W40"]
    early = (WINDOW[0], pd.Timestamp("2017-11-01"))
    assert choose_period(early, targets).label == "2017-Q3"
    assert choose_period((WINDOW[0], pd.Timestamp("2017-08-05")), NO_TARGETS).label == "2017-07"
    assert choose_period((WINDOW[0], pd.Timestamp("2017-06-27")), NO_TARGETS).days == 9
    with pytest.raises(ScorecardError, match="no day in the window"):
        choose_period(WINDOW, NO_TARGETS, period="2018-02")


def test_a_free_span_has_a_before_and_a_share():
    span = Period("trial", pd.Timestamp("2017-06-20"), pd.Timestamp("2017-06-24"))
    assert (span.before().start, span.before().days) == (pd.Timestamp("2017-06-15"), 5)
    # from the 15th to the 19th; the window starts on the 19th
    assert span.before().share_in(WINDOW) == 1 / 5
    assert days_of(None, "now").empty and span.year_before().start == pd.Timestamp("2016-06-20")


DAYS = st.lists(st.integers(0, 80), min_size=1, max_size=60, unique=True).map(sorted)


def rows(numbers, span):
    return pd.DataFrame({"span": span, "day": pd.Timestamp("2017-10-01") + pd.to_timedelta(numbers, unit="D")})


@settings(max_examples=25, deadline=None)
@given(DAYS, DAYS, DAYS)
def test_like_for_like_days_have_equal_weekdays_and_no_known_day(now, then, special):
    known = rows(special, "known")
    a, b = like_for_like(rows(now, "now"), rows(then, "then"), known)
    counts = [t["day"].dt.day_of_week.value_counts().sort_index().to_dict() for t in (a, b)]
    assert counts[0] == counts[1] and not pd.concat([a, b])["day"].isin(known["day"]).any()
    left = [sorted((d + 6) % 7 for d in set(x) - set(special)) for x in (now, then)]
    assert len(a) == sum(min(left[0].count(w), left[1].count(w)) for w in range(7))


def test_weeks_and_months_are_whole():
    weeks = whole_weeks((pd.Timestamp("2017-06-20"), pd.Timestamp("2017-07-09")))
    assert weeks["span"].unique().tolist() == ["week 2017-06-26", "week 2017-07-03"] and len(weeks) == 14
    assert whole_weeks((pd.Timestamp("2017-06-20"),) * 2).empty
    assert whole_months(WINDOW) == ["2017-07", "2017-08", "2017-09", "2017-10", "2017-11"]
