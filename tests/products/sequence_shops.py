"""Simulated orders of categories with the planted sequences, or without any, as the shop draws them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.products.sequences import DAY
from helpers.simulate import orders as simulated
from helpers.simulate.block import make_world
from helpers.simulate.people import draw_people
from helpers.simulate.settings import ShopSettings, stream


def shop(users: int, *, seed: int, planted: bool = True) -> pd.DataFrame:
    """Steps of 26 weeks: user, time (midnight, seconds), item (the category's name)."""
    world = make_world(ShopSettings(seed=seed, users=users, dirt=False, campaigns=()))
    catalogue = world.catalogue
    if not planted:
        catalogue = replace(catalogue, next_chance=np.zeros_like(catalogue.next_chance))
    people = draw_people(stream(seed, "people"), users, catalogue)
    placed, _ = simulated.draw_orders(stream(seed, "orders"), people, factor=world.factor, caused=world.caused)
    placed, _ = simulated.with_needs(stream(seed, "needs"), people, catalogue, placed)
    basket, category = simulated.draw_baskets(stream(seed, "baskets"), catalogue, placed.need)
    own = pd.DataFrame({
        "user": placed.user[basket], "time": placed.second[basket] // DAY * DAY, "item": catalogue.name[category],
    })  # fmt: skip
    own = own[own["time"] < world.days * DAY].drop_duplicates()
    return own.assign(kind="category", parent=None).sort_values(["user", "time", "item"], ignore_index=True)
