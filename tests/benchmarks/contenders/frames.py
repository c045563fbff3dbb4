"""Polars: one lazy plan to the cleaned log, then lazy expressions for each result."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from tests.benchmarks.contenders import END, LAST_DAY, LONGEST, PAUSE, START, TOP, WINDOW, ZONE_SECONDS, run

LAST = date.fromisoformat(LAST_DAY)
VIEW, BUY = pl.col("behavior") == "pv", pl.col("behavior") == "buy"


def clean(folder: Path) -> pl.LazyFrame:
    """The cleaned log in memory, sorted by user and time."""
    types = dict.fromkeys(("user_id", "item_id", "category_id", "timestamp"), pl.Int64)
    types["behavior"] = pl.Enum(["pv", "fav", "cart", "buy"])
    local = pl.col("timestamp") + ZONE_SECONDS
    log = (
        pl.scan_csv(folder / "events.csv", schema_overrides=types)
        .filter(pl.col("timestamp").is_between(START, END))
        .unique()
        .with_columns(day=(local // 86_400).cast(pl.Int32).cast(pl.Date), hour=(local % 86_400 // 3_600).cast(pl.Int8))
        .sort("user_id", "timestamp")
    )
    return log.collect(engine="streaming").lazy()


def days(log: pl.LazyFrame) -> list:
    """Page views, users and visits by day."""
    # the log is sorted: a visit begins where the user changes or the pause is long
    begins = (pl.col("user_id") != pl.col("user_id").shift(1)).fill_null(True) | (pl.col("timestamp").diff() > PAUSE)
    sums = {"pv": VIEW.sum(), "users": pl.col("user_id").n_unique(), "visits": pl.col("begins").sum()}
    table = log.with_columns(begins=begins).group_by("day").agg(**sums).sort("day")
    return table.with_columns(pl.col("day").cast(pl.String)).collect().rows()


def week(log: pl.LazyFrame) -> list:
    """Page views by weekday and hour."""
    weekday = pl.col("day").dt.weekday() - 1
    return log.filter(VIEW).group_by(weekday, "hour").agg(pl.len()).sort("day", "hour").collect().rows()


def funnel(log: pl.LazyFrame) -> list:
    """Users by step, in order and in time; within one second the steps count as in order."""
    step = pl.col("behavior").replace_strict({"pv": 1, "cart": 2, "fav": 2, "buy": 3}, return_dtype=pl.Int8)
    time = pl.col("timestamp")
    log = log.select("user_id", "timestamp", step=step).sort("user_id", "timestamp", "step")
    log = log.with_columns(viewed=pl.when(pl.col("step") == 1).then(time).forward_fill().over("user_id"))
    wished = pl.when((pl.col("step") == 2) & (time - pl.col("viewed") <= WINDOW)).then("viewed")
    log = log.with_columns(wished=wished.forward_fill().over("user_id"))
    third = (pl.col("step") == 3) & (time - pl.col("wished") <= WINDOW)
    users = log.group_by("user_id").agg(
        one=(pl.col("step") == 1).any(), two=pl.col("wished").is_not_null().any(), three=third.any()
    )
    return list(enumerate(users.select(pl.col("one", "two", "three").sum()).collect().row(0), start=1))


def retention(log: pl.LazyFrame) -> list:
    """Users who are there on exactly the n-th day after their first."""
    seen = log.select("user_id", "day").unique()
    aged = seen.with_columns(age=(pl.col("day") - pl.col("day").min().over("user_id")).dt.total_days())
    back = dict(aged.group_by("age").agg(pl.len()).collect().rows())
    room = aged.filter(pl.col("age") == 0).select((pl.lit(LAST) - pl.col("day")).dt.total_days()).collect().to_series()
    return [(n, (room >= n).sum(), back.get(n, 0)) for n in range(1, LONGEST + 1)]


def rfm(log: pl.LazyFrame) -> list:
    """Buyers by days since the last purchase and days with a purchase."""
    recency = (pl.lit(LAST) - pl.col("day").max()).dt.total_days()
    users = log.filter(BUY).group_by("user_id").agg(recency=recency, days=pl.col("day").n_unique(), buys=pl.len())
    table = users.group_by("recency", "days").agg(users=pl.len(), buys=pl.col("buys").sum())
    return table.sort("recency", "days").collect().rows()


def top(log: pl.LazyFrame, key: str) -> list:
    """The busiest by page views."""
    table = log.group_by(key).agg(pv=VIEW.sum(), buy=BUY.sum(), users=pl.col("user_id").n_unique())
    return table.sort("pv", key, descending=[True, False]).head(TOP).collect().rows()


RESULTS = {
    "days": days,
    "week": week,
    "funnel": funnel,
    "retention": retention,
    "rfm": rfm,
    "items": lambda log: top(log, "item_id"),
    "categories": lambda log: top(log, "category_id"),
}

if __name__ == "__main__":
    run(clean, RESULTS)
