"""A small simulated shop's behaviour log with the truth of its customers, in memory, for grading over many seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.simulate.behaviour import events_table
from helpers.simulate.block import make_world, simulate_block
from helpers.simulate.settings import DAY, START, ShopSettings
from helpers.simulate.truth import users_truth
from helpers.tables import BEHAVIORS

FIRST = pd.Timestamp("2017-06-19")


@dataclass(frozen=True)
class Log:
    """Events with `day` and `hour` (a plain table), the truth of the customers, and the window."""

    events: pd.DataFrame
    truth: pd.DataFrame
    window: tuple[pd.Timestamp, pd.Timestamp]


def simulate_log(n: int, *, seed: int) -> Log:
    """The events of `n` customers over 26 weeks without campaigns and without dirt."""
    world = make_world(ShopSettings(seed=seed, users=n, dirt=False, campaigns=()))
    block = simulate_block(world, 0)
    events = pd.DataFrame(events_table(block.events, world.catalogue, block.user_id))
    second = events["timestamp"] - START
    events["behavior"] = np.array(BEHAVIORS, object)[events["behavior"]]
    events["day"] = FIRST + pd.to_timedelta(second // DAY, unit="D")
    events["hour"] = (second % DAY // 3600).astype("int64")
    truth = pd.DataFrame(users_truth(world, block)).replace({"left_at": {"": np.nan}})
    return Log(events, truth, (FIRST, FIRST + pd.Timedelta(days=world.days - 1)))
