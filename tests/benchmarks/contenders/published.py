"""The usual way as published notebooks on this log go: a Python function a row for dates, a table joined with itself.

Dates by `apply` with a function a row, weekdays likewise, unique users by `pd.Series.nunique` and retention from the
table of users and days merged with itself are taken from the notebook in
https://github.com/ryanng9672/Taobao-User-Behavior-Data-Analysis (README, section Python); others differ in words.
What such notebooks do not compute (visits, a funnel in order, top lists with users) is the well-written script's.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.benchmarks.contenders import FIRST_DAY, LAST_DAY, LONGEST, PAUSE, ZONE, run, usual


def clean(folder: Path) -> pd.DataFrame:
    """The log in memory: without doubled rows and days outside the window, with date, hour and weekday."""
    log = pd.read_csv(folder / "events.csv").drop_duplicates()
    moment = pd.to_datetime(log["timestamp"], unit="s", utc=True).dt.tz_convert(ZONE)
    log["date"] = pd.to_datetime(moment.apply(lambda t: t.date()))
    log["hour"] = moment.apply(lambda t: t.hour)
    log["weekday"] = moment.apply(lambda t: t.weekday())
    log = log[(log["date"] >= FIRST_DAY) & (log["date"] <= LAST_DAY)]
    return log.sort_values(["user_id", "timestamp"])


def days(log: pd.DataFrame) -> list:
    """Page views, users and visits by day."""
    table = log.groupby("date").agg(users=("user_id", pd.Series.nunique))
    table.insert(0, "pv", log[log["behavior"] == "pv"].groupby("date").agg(pv=("user_id", "count")).pv)
    pause = log.groupby("user_id")["timestamp"].diff()
    table["visits"] = log[pause.isna() | (pause > PAUSE)].groupby("date").size()
    table.index = table.index.strftime("%Y-%m-%d")
    return table.fillna(0).reset_index().values.tolist()


def retention(log: pd.DataFrame) -> list:
    """Users who are there on exactly the n-th day after their first: every day of a user beside every other one."""
    seen = log.groupby(["user_id", "date"]).size().reset_index(name="counts")
    pairs = seen.merge(seen, on="user_id", suffixes=("_a", "_b"))
    first = pairs.groupby("user_id")["date_a"].transform("min")
    pairs = pairs[pairs["date_a"] == first]
    age = (pairs["date_b"] - pairs["date_a"]).dt.days
    room = (pd.Timestamp(LAST_DAY) - pairs.loc[age == 0, "date_a"]).dt.days
    return [[n, (room >= n).sum(), (age == n).sum()] for n in range(1, LONGEST + 1)]


RESULTS = usual.RESULTS | {"days": days, "retention": retention}

if __name__ == "__main__":
    run(clean, RESULTS)
