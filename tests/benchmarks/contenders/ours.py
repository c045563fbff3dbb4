"""Ours: intake with the account of every line, the questions that the data can answer, then the helpers' own results.

With the tables in the cache already it shows what a second notebook, or the next morning, pays.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from helpers.behaviour import funnel_steps, traffic
from helpers.behaviour import retention as returning
from helpers.customers import rfm as value
from helpers.notebook import OpenStudy, open_study
from tests.benchmarks.contenders import LONGEST, TOP, run


def clean(folder: Path) -> dict:
    """The opened study; the two passes of notebook 20 are kept for all that is built on them."""
    study = open_study(folder / "core.yaml", "20_traffic")
    return {"study": study}


def _hours(log: dict):
    if "hours" not in log:
        log["hours"] = traffic.visits(log["study"].events)
    return log["hours"]


def _items(log: dict):
    if "items" not in log:
        log["items"] = traffic.catalogue(log["study"].events)
    return log["items"]


def days(log: dict) -> list:
    """Page views, users and visits by day."""
    table = traffic.by_day(_hours(log), window=log["study"].window)
    table["day"] = table["day"].dt.strftime("%Y-%m-%d")
    return table.loc[table["users"] > 0, ["day", "pv", "users", "visits"]].values.tolist()


def week(log: dict) -> list:
    """Page views by weekday and hour; the helper gives means, so they are multiplied back."""
    window = log["study"].window
    grid = traffic.week_grid(_hours(log), window=window)
    count = pd.Series(pd.date_range(*window).day_of_week).value_counts().sort_index()
    sums = grid.mul(count.to_numpy(), axis=0).round().astype(int).reset_index(drop=True)
    return [[day, hour, n] for day, row in sums.iterrows() for hour, n in row.items() if n]


def funnel(log: dict) -> list:
    """Users by step, in order and in time."""
    deepest = funnel_steps.deepest_step(log["study"].events, steps="pv > cart+fav > buy", window_hours=24)
    counts = deepest.group_by("step").agg(users=deepest.count()).execute().set_index("step")["users"]
    return [[k, counts[counts.index >= k].sum()] for k in (1, 2, 3)]


def retention(log: dict) -> list:
    """Users who are there on exactly the n-th day after their first."""
    study = log["study"]
    found = returning.returns(returning.user_days(study.events, window=study.window), who="seen")
    return returning.classic(found, days=LONGEST)[["n", "users", "returned"]].values.tolist()


def rfm(log: dict) -> list:
    """Buyers by days since the last purchase and days with a purchase."""
    study: OpenStudy = log["study"]
    bought = study.events.filter(study.events.behavior == "buy")
    users = value.rfe_table(bought, window=study.window)
    users["buys"] = (users["frequency"] * users["engagement"]).round()
    table = users.groupby(["recency_days", "frequency"]).agg(users=("buys", "size"), buys=("buys", "sum"))
    return table.reset_index().values.tolist()


def top(log: dict, unit: str) -> list:
    """The busiest by page views."""
    table = traffic.top(_items(log), unit=unit, rows=TOP)
    return table[[f"{unit}_id", "pv", "buy", "users"]].values.tolist()


RESULTS = {
    "days": days,
    "week": week,
    "funnel": funnel,
    "retention": retention,
    "rfm": rfm,
    "items": lambda log: top(log, "item"),
    "categories": lambda log: top(log, "category"),
}

if __name__ == "__main__":
    run(clean, RESULTS)
