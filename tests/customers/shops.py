"""Small shops in memory, made by the demo shop's own code without campaigns: purchase days and registrations."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.customers import histories
from helpers.engine import as_table
from helpers.simulate.block import make_world
from helpers.simulate.orders import draw_orders, fill_orders, with_needs
from helpers.simulate.people import draw_people
from helpers.simulate.season import FESTIVALS
from helpers.simulate.settings import DAY, START_DATE, ShopSettings, stream

WINDOW = (pd.Timestamp("2017-06-19"), pd.Timestamp("2017-12-17"))
BUSY = ", ".join(f"{day}: {size}" for day, size in FESTIVALS.items())


def shop(seed: int, customers: int = 1_500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(user_id, day, paid) and (user_id, joined_on, left_at) of one seed, 26 weeks with their seasons."""
    world = make_world(ShopSettings(seed=seed, users=customers, dirt=False, campaigns=()))
    people = draw_people(stream(seed, "people"), customers, world.catalogue)
    orders, gone = draw_orders(stream(seed, "orders"), people, factor=world.factor, caused=world.caused)
    orders, _ = with_needs(stream(seed, "needs"), people, world.catalogue, orders)
    lines = fill_orders(stream(seed, "lines"), people, world.catalogue, orders)
    cents = np.bincount(lines.order, lines.quantity * world.catalogue.price[lines.item] - lines.discount, len(orders))
    day = orders.second // DAY
    days = pd.DataFrame({"user_id": orders.user, "day": START_DATE + day.astype("timedelta64[D]"), "paid": cents / 100})
    joined = START_DATE + people.join_day.astype("timedelta64[D]")
    left = np.where(gone < 10**9, gone + pd.Timestamp(START_DATE).timestamp(), np.nan)
    return days[day < 182], pd.DataFrame({"user_id": range(customers), "joined_on": joined, "left_at": left})


def learnt(seed: int, *, until: str = "2017-11-05", customers: int = 1_500) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Histories up to a day, the customers' truth, and the weeks that are left."""
    days, users = shop(seed, customers)
    weeks = histories.clock(WINDOW, busy_days=BUSY)
    table = histories.histories(as_table(days), as_table(users), weeks=weeks, until=pd.Timestamp(until))
    return table, users, float(weeks.iloc[-1] - weeks[pd.Timestamp(until)])
