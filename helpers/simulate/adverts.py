"""Advertising: the spend plan, what it causes (saturation and adstock), and the touches that people see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.simulate.season import BROWSING, clock_time
from helpers.simulate.settings import DAY, date_of, stream


@dataclass(frozen=True)
class Channel:
    """One advertising channel. Money is in currency units a user and day; `ceiling` in shares of base orders."""

    name: str
    spend: float
    cost: float  # of one touch
    ceiling: float = 0.0  # orders it causes at endless spend, as a share of the orders without advertising
    half: float = 1.0  # adstocked spend at which half of the ceiling is reached
    carry: float = 0.0  # share of yesterday's adstock that is left today


CHANNELS = (
    Channel("display", 0.030, 0.30, 0.16, 0.060, 0.55),
    Channel("social", 0.040, 0.60, 0.24, 0.070, 0.40),
    Channel("email", 0.004, 0.08, 0.08, 0.005, 0.20),
    Channel("affiliate", 0.020, 0.90, 0.10, 0.025, 0.10),
    Channel("search", 0.0, 1.10),
    Channel("retargeting", 0.0, 0.50),
)
"""Search and retargeting cause nothing: they meet people who are about to order anyway."""
PLANNED = tuple(c for c in CHANNELS if c.ceiling)
NAMES = tuple(c.name for c in CHANNELS)
NO_CAUSE = -1

# (probability before an order, probability before an episode without order, hours before the order at most)
HARVEST = {"search": (0.55, 0.22, 2), "retargeting": (0.40, 0.25, 20)}
LEVELS = (0.0, 0.5, 1.0, 1.0, 2.0)  # a week's spend, as a multiple of the plan's mean


def spend_plan(seed: int, days: int) -> np.ndarray:
    """Spend a user and day, channel × day: flights of whole weeks at 0, half, normal or double level."""
    plan = np.zeros((len(PLANNED), days))
    for k, channel in enumerate(PLANNED):
        rng = stream(seed, f"spend {channel.name}")
        weekly = np.repeat(np.array(LEVELS)[rng.integers(0, len(LEVELS), 60)], 7)[:days]
        plan[k] = channel.spend * weekly * rng.uniform(0.8, 1.2, 60 * 7)[:days]
    return plan


def response(plan: np.ndarray) -> np.ndarray:
    """Orders that each channel causes a day, as a share of the orders without advertising.

    adstock(t) = spend(t) + carry · adstock(t−1); response = ceiling · adstock / (adstock + half).
    """
    caused = np.zeros(plan.shape)
    for k, channel in enumerate(PLANNED):
        stock = 0.0
        for day in range(plan.shape[1]):
            stock = plan[k, day] + channel.carry * stock
            caused[k, day] = channel.ceiling * stock / (stock + channel.half)
    return caused


def draw_causes(rng: np.random.Generator, caused: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The channel without which an order would not have been placed, or NO_CAUSE."""
    share = caused / (1 + caused.sum(axis=0))
    bounds = np.cumsum(share, axis=0)[:, day]
    cause = (rng.random(len(day)) >= bounds).sum(axis=0)
    return np.where(cause == len(PLANNED), NO_CAUSE, cause)


Touches = tuple[np.ndarray, np.ndarray, np.ndarray]
"""User, channel (index in NAMES) and second of each touch."""


def ambient(rng: np.random.Generator, users: int, plan: np.ndarray) -> Touches:
    """The paid-for touches of the planned channels: they reach anyone, whether about to order or not."""
    cost = np.array([c.cost for c in PLANNED])
    counts = rng.poisson(plan / cost[:, None] * users)
    channel = np.repeat(np.arange(len(PLANNED)), counts.sum(axis=1))
    day = np.concatenate([np.repeat(np.arange(plan.shape[1]), row) for row in counts])
    second = day * DAY + clock_time(rng, BROWSING, len(day))
    return rng.integers(0, users, len(day)), channel, second


def around(rng: np.random.Generator, episodes: dict[str, np.ndarray]) -> Touches:
    """Touches around orders (with `cause`) or around episodes without order (without `cause`).

    The causing channel is seen up to four days before; search and retargeting shortly before, as they meet people
    who have already made up their minds.
    """
    ordered = "cause" in episodes
    parts = [_caused(rng, episodes)] if ordered else []
    for name, (before_order, before_look, hours) in HARVEST.items():
        parts.append(_harvest(rng, name, episodes, before_order if ordered else before_look, hours))
    user, channel, second = (np.concatenate(column) for column in zip(*parts, strict=True))
    return user, channel, second


def _caused(rng: np.random.Generator, ordered: dict) -> Touches:
    hit = ordered["cause"] != NO_CAUSE
    before = rng.integers(6 * 3_600, 4 * DAY, hit.sum())
    return ordered["user"][hit], ordered["cause"][hit], ordered["second"][hit] - before


def _harvest(rng: np.random.Generator, name: str, episodes: dict, chance: float, hours: int) -> Touches:
    hit = rng.random(len(episodes["user"])) < chance
    before = rng.integers(60, hours * 3_600, hit.sum())
    return episodes["user"][hit], np.full(hit.sum(), NAMES.index(name)), episodes["second"][hit] - before


def spend_table(plan: np.ndarray, users: int, touched: np.ndarray) -> dict[str, np.ndarray]:
    """The table `spend`: the plan for the planned channels, what the touches cost for the harvesting ones.

    `touched` counts touches by channel and day.
    """
    days = plan.shape[1]
    cost = np.array([c.cost for c in CHANNELS])
    amount = touched * cost[:, None]
    amount[: len(PLANNED)] = plan * users
    return {
        "day": np.tile(date_of(np.arange(days)).astype(object), len(NAMES)),
        "channel": np.repeat(np.array(NAMES, object), days),
        "amount": np.rint(amount.ravel() * 100) / 100,
    }
