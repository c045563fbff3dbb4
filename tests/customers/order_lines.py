"""A small simulated shop's orders with the truth behind them, in memory, for grading over many seeds."""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from helpers.engine import as_table
from helpers.simulate.block import make_world, simulate_block
from helpers.simulate.catalogue import category_ids
from helpers.simulate.market import wallet_table
from helpers.simulate.settings import DAY, START, ShopSettings
from helpers.simulate.truth import users_truth


@dataclass(frozen=True)
class Shop:
    """Order lines with `day`, the truth of the customers and of their wallets, and the window."""

    orders: ibis.Table
    truth: pd.DataFrame
    wallets: pd.DataFrame
    window: tuple[pd.Timestamp, pd.Timestamp]
    end: int


def simulate_orders(n: int, *, seed: int) -> Shop:
    """Orders of `n` customers over 26 weeks without campaigns and without dirt."""
    world = make_world(ShopSettings(seed=seed, users=n, dirt=False, campaigns=()))
    block = simulate_block(world, 0)
    lines, placed = block.lines, block.orders
    first = pd.Timestamp("2017-06-19")
    table = pd.DataFrame({
        "order_id": lines.order, "user_id": block.user_id[placed.user[lines.order]],
        "item_id": lines.item, "category_id": category_ids(world.catalogue.item_category[lines.item]),
        "quantity": lines.quantity, "unit_price": world.catalogue.price[lines.item] / 100,
        "discount": lines.discount / 100, "day": first + pd.to_timedelta(placed.second[lines.order] // DAY, unit="D"),
    })  # fmt: skip
    truth = pd.DataFrame(users_truth(world, block)).replace({"left_at": {"": np.nan}})
    wallets = pd.DataFrame(wallet_table(world, block, 0))
    window = (first, first + pd.Timedelta(days=world.days - 1))
    return Shop(as_table(table), truth, wallets, window, START + world.days * DAY - 1)
