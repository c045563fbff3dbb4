"""Small simulated logs for the tests of the foundation; nothing here uses the code that is tested."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd

START = 1511539200  # 2017-11-25 00:00:00 in Shanghai
NIGHT_CURVE = np.array([3, 1, 1, 1, 1, 1, 2, 3, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 8, 9, 8, 6])


def random_log(
    *, users: int = 300, days: int = 30, events_a_day: int = 6, rate: float = 0.4, seed: int = 0
) -> pd.DataFrame:
    """user_id, item_id, category_id, behavior, timestamp: every user comes on a day with the same chance."""
    rng = np.random.default_rng(seed)
    user, day = np.nonzero(rng.random((users, days)) < rate)
    user, day = np.repeat(user, events_a_day), np.repeat(day, events_a_day)
    hour = rng.choice(24, len(user) // events_a_day, p=NIGHT_CURVE / NIGHT_CURVE.sum()).repeat(events_a_day)
    minute = rng.integers(0, 58, len(user) // events_a_day).repeat(events_a_day)
    second = np.tile(np.arange(events_a_day) * 20, len(user) // events_a_day) + 60 * minute
    item = rng.integers(1, 200, len(user))
    return pd.DataFrame(
        {
            "user_id": user + 1,
            "item_id": item,
            "category_id": item % 10,
            "behavior": rng.choice(["pv", "fav", "cart", "buy"], len(user), p=[0.85, 0.05, 0.05, 0.05]),
            "timestamp": START + day * 86400 + hour * 3600 + second,
        }
    )


def as_events(log: pd.DataFrame, *, offset_hours: int = 8) -> ibis.Table:
    """The log as intake leaves it: with day and hour, `offset_hours` ahead of UTC."""
    local = log["timestamp"] + offset_hours * 3600
    table = log.assign(day=pd.to_datetime(local // 86400 * 86400, unit="s").dt.date, hour=local // 3600 % 24)
    return ibis.memtable(table, schema=SCHEMA)


SCHEMA = {
    "user_id": "int64",
    "item_id": "int64",
    "category_id": "int64",
    "behavior": "string",
    "timestamp": "int64",
    "day": "date",
    "hour": "int8",
}
