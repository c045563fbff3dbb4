"""Crowds of small random logs, and changes of a log that must not change what it says."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

START = 1_511_539_200
"""2017-11-25 00:00 in UTC+8."""
DAY = 86_400
WINDOW = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-11-27"))
USERS = 125


def complete(log: pd.DataFrame) -> pd.DataFrame:
    """The log with day and hour in UTC+8, as intake gives them."""
    moment = pd.to_datetime(log.timestamp + 8 * 3600, unit="s")
    return log.assign(day=moment.dt.normalize(), hour=moment.dt.hour.astype("int64"))


def crowd(seed: int, users: int = USERS) -> pd.DataFrame:
    """A random log of each of `users`: one to twelve actions on three items, with many short pauses and equal seconds.

    A user's log is an example of its own: five crowds are more than 500 examples.
    """
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 13, users)
    user = np.repeat(np.arange(1, users + 1), size)
    step = np.repeat(rng.choice([1, 60, 900, 1_800, 5_000, 43_200], users), size)
    item = rng.integers(1, 4, len(user))
    log = pd.DataFrame({
        "user_id": user, "item_id": item, "category_id": 1 + item % 2,
        "behavior": rng.choice(["pv", "pv", "fav", "cart", "buy"], len(user)),
        "timestamp": START + (rng.integers(0, 10, len(user)) * step) % (3 * DAY),
    })  # fmt: skip
    return complete(log)


def crowds() -> st.SearchStrategy[pd.DataFrame]:
    """Random crowds."""
    return st.integers(0, 2**32).map(crowd)


def shuffled(log: pd.DataFrame) -> pd.DataFrame:
    """The same rows in another order."""
    return log.sample(frac=1, random_state=1).reset_index(drop=True)


def relabelled(log: pd.DataFrame) -> pd.DataFrame:
    """Other ids for users and items, in the opposite order."""
    return log.assign(user_id=9_000 - 7 * log.user_id, item_id=500 - log.item_id)


def doubled(log: pd.DataFrame) -> pd.DataFrame:
    """Every user twice, under a second id."""
    return pd.concat([log, log.assign(user_id=log.user_id + 10_000)], ignore_index=True)


def head(path) -> pd.DataFrame:
    """The real head file, read independently of the helpers: clean rows of the published window."""
    names = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    rows = pd.read_csv(path, header=None, names=names, dtype=str).dropna()
    rows = rows.astype({c: "int64" for c in names if c != "behavior"})
    return complete(rows[rows.timestamp.between(START, START + 9 * DAY - 1)].reset_index(drop=True))
