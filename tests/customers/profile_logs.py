"""Crowds of small random shops for the tests of tags, and a whole simulated shop with its truth, in memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from helpers.customers.value_tiers import two_periods
from helpers.engine import as_table, hold
from helpers.simulate import behaviour
from helpers.simulate.block import make_world, simulate_block
from helpers.simulate.catalogue import category_ids, items_table
from helpers.simulate.people import users_table
from helpers.simulate.settings import DAY, ShopSettings
from helpers.simulate.truth import users_truth
from helpers.tables import BEHAVIORS

FIRST = pd.Timestamp("2017-11-25")
WINDOW = (FIRST, FIRST + pd.Timedelta(days=8))
USERS = 125


@dataclass(frozen=True)
class Tables:
    """Plain tables of a small shop."""

    log: pd.DataFrame
    items: pd.DataFrame
    orders: pd.DataFrame
    users: pd.DataFrame

    @property
    def engine(self) -> dict:
        """The same as Ibis tables: log, items, orders, users."""
        return {name: as_table(getattr(self, name)) for name in ("log", "items", "orders", "users")}


def crowd(seed: int, users: int = USERS) -> Tables:
    """A random small history of each of `users`; a user's history is an example of its own."""
    rng = np.random.default_rng(seed)
    items = pd.DataFrame({"item_id": range(1, 13), "category_id": [1 + i // 4 for i in range(12)]})
    price = rng.integers(1, 5, 12) * 10.0
    items["price"] = np.where(rng.random(12) < 0.2, np.nan, price)
    launched = FIRST + pd.to_timedelta(rng.integers(-120, 9, 12), unit="D")
    items["launched_on"] = pd.Series(launched).where(rng.random(12) > 0.2)
    user = np.repeat(np.arange(1, users + 1), rng.integers(1, 15, users))
    item = rng.integers(1, 14, len(user))  # item 13 is not in the catalogue
    log = pd.DataFrame({
        "user_id": user, "item_id": item, "category_id": 1 + (item - 1) // 4,
        "behavior": rng.choice(["pv", "pv", "fav", "cart", "buy"], len(user)),
        "day": FIRST + pd.to_timedelta(rng.integers(-1, 10, len(user)), unit="D"),
        "hour": rng.integers(0, 24, len(user)),
    })  # fmt: skip
    return Tables(log, items, _orders(rng, users), _users(rng, users))


def _orders(rng: np.random.Generator, users: int) -> pd.DataFrame:
    n = 3 * users
    table = pd.DataFrame({"user_id": rng.integers(1, users + 1, n), "order_id": rng.integers(1, n, n)})
    table["order_id"] += 1_000 * table["user_id"]  # an order has one user
    table = table.assign(quantity=rng.integers(1, 4, n), unit_price=rng.integers(1, 9, n) * 5.0)
    table["discount"] = np.where(rng.random(n) < 0.5, 0.0, table["quantity"] * table["unit_price"] * 0.25)
    return table.assign(day=FIRST + pd.to_timedelta(rng.integers(-1, 10, n), unit="D"))


def _users(rng: np.random.Generator, users: int) -> pd.DataFrame:
    return pd.DataFrame({
        "user_id": np.arange(1, users + 1),
        "age_band": rng.choice(["18-24", "25-34", "Unknown", ""], users),
        "gender": rng.choice(["female", "male", " not stated"], users),
        "city_tier": rng.integers(1, 5, users),
        "joined_on": FIRST + pd.to_timedelta(rng.integers(-300, 15, users), unit="D"),
    })  # fmt: skip


def crowds() -> st.SearchStrategy[Tables]:
    """Random crowds."""
    return st.integers(0, 2**32).map(crowd)


@dataclass(frozen=True)
class Shop:
    """A simulated shop in the engine, its window and halves, and the truth of its customers."""

    log: object
    items: object
    orders: object
    users: object
    window: tuple
    halves: tuple
    truth: pd.DataFrame


def simulate(n: int, *, seed: int, segments: bool = True) -> Shop:
    """Events, orders, items and users of `n` customers over 26 weeks, without campaigns and dirt."""
    world = make_world(ShopSettings(seed=seed, users=n, segments=segments, dirt=False, campaigns=()))
    block, first = simulate_block(world, 0), pd.Timestamp("2017-06-19")
    user, second, item, kind = behaviour.unpack(block.events)
    log = pd.DataFrame({
        "user_id": block.user_id[user], "item_id": item, "category_id": world.catalogue.item_category[item],
        "behavior": np.array(BEHAVIORS, object)[kind], "day": first + pd.to_timedelta(second // DAY, unit="D"),
        "hour": second % DAY // 3600,
    })  # fmt: skip
    lines, placed = block.lines, block.orders
    orders = pd.DataFrame({
        "order_id": lines.order, "user_id": block.user_id[placed.user[lines.order]], "quantity": lines.quantity,
        "unit_price": world.catalogue.price[lines.item] / 100, "discount": lines.discount / 100,
        "day": first + pd.to_timedelta(placed.second[lines.order] // DAY, unit="D"),
    })  # fmt: skip
    items = pd.DataFrame(items_table(world.catalogue))[["item_id", "category_id", "price", "launched_on"]]
    items = items.assign(item_id=range(len(items)), launched_on=pd.to_datetime(items["launched_on"]))
    items["category_id"] = items["category_id"].map({c: i for i, c in enumerate(category_ids(np.arange(999)))})
    users = pd.DataFrame(users_table(block.people, 0)).assign(user_id=block.user_id)
    users["joined_on"] = pd.to_datetime(users["joined_on"])
    window = (first, first + pd.Timedelta(days=world.days - 1))
    tables = [hold(as_table(t)) for t in (log, items, orders, users)]
    return Shop(*tables, window, two_periods(window), pd.DataFrame(users_truth(world, block)))
