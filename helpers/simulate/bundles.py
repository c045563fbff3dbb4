"""A bundle offer with a known response: orders of the demo shop's kind, and what the offer truly earns."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from helpers.simulate import orders
from helpers.simulate.catalogue import RULES, make_catalogue
from helpers.simulate.settings import SettingsError, stream
from helpers.simulate.truth import basket_probabilities

CATALOGUE_SEED = 20_171_111
BUNDLES = tuple((first, second) for first, second, _ in RULES)
"""The planted pairs: who takes the first may be offered the second."""
PHASES = ("log", "control", "offered")
LOG_SHARE = 0.5


def simulate_bundle(n: int, *, first: str, second: str, take_up: float, seed: int) -> pd.DataFrame:
    """Orders before an offer (log) and in a pilot of it, in which chance says who gets it.

    With the offer, an order that holds the first good alone gets the second with the probability `take_up`; nothing
    else changes. Every category stands with one piece of a random item of the catalogue.

    Parameters
    ----------
    n : int
        Orders, 4 or more; half of them are the log, a quarter each the pilot's arms (by chance).
    first, second : str
        English names of two categories.
    take_up : float
        0…1.
    seed : int
        Start of the random streams.

    Returns
    -------
    DataFrame
        One row a category in an order: basket_id, item, user (every order has its own), price and margin (currency
        units, one piece, list price), phase (log, control, offered), added (only because of the offer: the truth); by
        basket_id and category.

    Examples
    --------
    >>> lines = simulate_bundle(2_000, first="Laptop", second="Mouse", take_up=1.0, seed=1)
    >>> lines.loc[lines.added, ["item", "phase"]].drop_duplicates().to_numpy().tolist()
    [['Mouse', 'offered']]
    """
    catalogue = make_catalogue(CATALOGUE_SEED)
    a, b = _pair(catalogue, first, second, take_up)
    if n < 4:
        raise SettingsError(f"n: {n} is too few; give 4 or more")
    need = catalogue.bought.draw(stream(seed, "bundle needs"), n)
    basket, category = orders.draw_baskets(stream(seed, "bundle baskets"), catalogue, need)
    phase = np.searchsorted([LOG_SHARE, (1 + LOG_SHARE) / 2], stream(seed, "bundle phase").random(n), side="right")
    holds = [np.isin(np.arange(n), basket[category == c]) for c in (a, b)]
    moved = (phase == 2) & holds[0] & ~holds[1] & (stream(seed, "bundle response").random(n) < take_up)
    more = np.flatnonzero(moved)
    basket, category = np.append(basket, more), np.append(category, np.full(len(more), b))
    item = _any_item(stream(seed, "bundle items"), catalogue, category)
    table = pd.DataFrame({
        "basket_id": basket, "item": catalogue.name[category], "user": basket,
        "price": catalogue.price[item] / 100, "margin": catalogue.margin[item] / 100,
        "phase": np.array(PHASES, object)[phase[basket]], "added": np.arange(len(basket)) >= len(basket) - len(more),
    })  # fmt: skip
    return table.sort_values(["basket_id", "item"], ignore_index=True)


def bundle_truth(first: str, second: str, *, discount: float, take_up: float, on: str = "then") -> float:
    """The exact expected incremental margin of the offer, currency units per 1,000 orders with the first good.

    Summed over all pairs of needs; prices do not depend on what else is in the order.

    Parameters
    ----------
    first, second : str
        English names of two categories.
    discount, take_up : float
        Share of the price that is taken off, and share of the orders with the first alone that add the second; 0…1.
    on : str
        What the discount is taken off: then (the second good) or both.
    """
    catalogue = make_catalogue(CATALOGUE_SEED)
    a, b = _pair(catalogue, first, second, take_up)
    chance = _chances()
    both = chance[a, b] / chance[a, a]
    price = [catalogue.price[catalogue.item_category == c].mean() / 100 for c in (a, b)]
    margin = catalogue.margin[catalogue.item_category == b].mean() / 100
    off = discount * (price[1] + (price[0] if on == "both" else 0.0))
    return float(1_000 * (take_up * (1 - both) * (margin - off) - both * off))


@lru_cache(maxsize=1)
def _chances() -> np.ndarray:
    catalogue = make_catalogue(CATALOGUE_SEED)
    return basket_probabilities(catalogue, catalogue.bought.share)


def _pair(catalogue, first: str, second: str, take_up: float) -> tuple[int, int]:
    for name in (first, second):
        if name not in catalogue.name:
            raise SettingsError(
                f"category: {name!r} is not in the catalogue; give an English name such as 'Phone case'"
            )
    if first == second:
        raise SettingsError(f"second: {second!r} is the first category, too; give another one")
    if not 0 <= take_up <= 1:
        raise SettingsError(f"take_up: {take_up!r} is out of range; give a share from 0 to 1")
    return catalogue.category(first), catalogue.category(second)


def _any_item(rng: np.random.Generator, catalogue, category: np.ndarray) -> np.ndarray:
    """A random item of each category; the items of a category lie together."""
    start = np.searchsorted(catalogue.item_category, np.arange(catalogue.categories + 1))
    size = np.diff(start)[category]
    return start[category] + np.minimum((rng.random(len(category)) * size).astype(np.int64), size - 1)
