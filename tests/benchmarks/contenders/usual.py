"""pandas as well as it can be written: the steps of public notebooks on such logs, without their detours."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.benchmarks.contenders import END, LAST_DAY, LONGEST, PAUSE, START, TOP, WINDOW, ZONE, run


def clean(folder: Path) -> pd.DataFrame:
    """The log in memory: without doubled rows and moments outside the window, with day, hour and weekday."""
    log = pd.read_csv(folder / "events.csv").drop_duplicates()
    log = log[(log["timestamp"] >= START) & (log["timestamp"] <= END)].copy()
    moment = pd.to_datetime(log["timestamp"], unit="s", utc=True).dt.tz_convert(ZONE)
    log["date"] = moment.dt.tz_localize(None).dt.normalize()
    log["hour"] = moment.dt.hour
    log["weekday"] = moment.dt.day_of_week
    return log.sort_values(["user_id", "timestamp"])


def days(log: pd.DataFrame) -> list:
    """Page views, users and visits by day."""
    pause = log.groupby("user_id")["timestamp"].diff()
    begins = log[pause.isna() | (pause > PAUSE)]
    views = log[log["behavior"] == "pv"].groupby("date").size()
    users = log.groupby("date")["user_id"].nunique()
    table = pd.DataFrame({"pv": views, "users": users, "visits": begins.groupby("date").size()}).fillna(0)
    table.index = table.index.strftime("%Y-%m-%d")
    return table.reset_index().values.tolist()


def week(log: pd.DataFrame) -> list:
    """Page views by weekday and hour."""
    return log[log["behavior"] == "pv"].groupby(["weekday", "hour"]).size().reset_index().values.tolist()


def funnel(log: pd.DataFrame) -> list:
    """Users by step, in order and in time; within one second the steps count as in order."""
    step = log["behavior"].map({"pv": 1, "cart": 2, "fav": 2, "buy": 3})
    log = log.assign(step=step).sort_values(["user_id", "timestamp", "step"])
    user, time = log["user_id"], log["timestamp"]
    viewed = time.where(log["step"] == 1).groupby(user).ffill()
    second = viewed.where((log["step"] == 2) & (time - viewed <= WINDOW)).groupby(user).ffill()
    third = (log["step"] == 3) & (time - second <= WINDOW)
    reached = [user[log["step"] == 1].nunique(), user[second.notna()].nunique(), user[third].nunique()]
    return list(enumerate(reached, start=1))


def retention(log: pd.DataFrame) -> list:
    """Users who are there on exactly the n-th day after their first."""
    seen = log[["user_id", "date"]].drop_duplicates()
    start = seen.groupby("user_id")["date"].transform("min")
    age = (seen["date"] - start).dt.days
    back = age.value_counts()
    room = (pd.Timestamp(LAST_DAY) - start[age == 0]).dt.days
    return [[n, (room >= n).sum(), back.get(n, 0)] for n in range(1, LONGEST + 1)]


def rfm(log: pd.DataFrame) -> list:
    """Buyers by days since the last purchase and days with a purchase."""
    bought = log[log["behavior"] == "buy"]
    users = bought.groupby("user_id").agg(last=("date", "max"), days=("date", "nunique"), buys=("date", "size"))
    users["recency"] = (pd.Timestamp(LAST_DAY) - users["last"]).dt.days
    table = users.groupby(["recency", "days"]).agg(users=("buys", "size"), buys=("buys", "sum"))
    return table.reset_index().values.tolist()


def top(log: pd.DataFrame, key: str) -> list:
    """The busiest by page views."""
    views = log[log["behavior"] == "pv"].groupby(key).size()
    buys = log[log["behavior"] == "buy"].groupby(key).size()
    users = log.groupby(key)["user_id"].nunique()
    table = pd.DataFrame({"pv": views, "buy": buys, "users": users}).fillna(0).rename_axis("id").reset_index()
    return table.sort_values(["pv", "id"], ascending=[False, True]).head(TOP).values.tolist()


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
