"""The behaviour log: shopping episodes of sessions of views, favourites and carts, and the purchases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.simulate.catalogue import Catalogue, category_ids, item_ids, pick_items
from helpers.simulate.orders import Lines, Orders
from helpers.simulate.people import People, draw_needs
from helpers.simulate.season import BROWSING, CRAWLER_DAY, CRAWLER_VIEWS, OUTAGE, clock_time, in_outage
from helpers.simulate.settings import DAY, START, Lottery, sorted_unique
from helpers.tables import BEHAVIORS

PV, FAV, CART, BUY = range(4)
SESSION_BREAK = 0.205  # probability that an action opens a new session
MEAN_GAP, LONGEST_GAP = 75.0, 1_500  # seconds between the actions of a session
OFFSETS = (-5, -4, -3, -2, -1, 0, 1)  # days from the order (or, without order, from the episode's centre)
OFFSET_WEIGHTS = (0.0, 0.4, 0.8, 1.8, 4.0, 18.0, 1.2)
SESSION_FOCUS = (0.45, 0.85)  # up to here the episode's need, up to here an interest, beyond: anything
ORDER_DEPTH = 0.35  # an episode's actions grow with its lines: 1 − depth + depth · lines / mean lines
MEAN_LINES = 2.1
SEEN_TODAY = 0.37  # of the bought items are viewed on the same day before
SEEN_EARLIER = 0.12
CARTED, FAVED = 0.17, 0.05
_ITEM_BITS, _SECOND_BITS = 18, 25


@dataclass(frozen=True)
class Episodes:
    """Shopping episodes: customer, central day, main category and number of actions."""

    user: np.ndarray
    day: np.ndarray
    need: np.ndarray
    size: np.ndarray


def pack(user: np.ndarray, second: np.ndarray, item: np.ndarray, behavior: np.ndarray | int) -> np.ndarray:
    """One sortable number an event: user, second, item, behaviour (exact, so any sort gives the same order)."""
    key = (user.astype(np.int64) << _SECOND_BITS) | second.astype(np.int64)
    return (((key << _ITEM_BITS) | item.astype(np.int64)) << 2) | behavior


def unpack(key: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """User, second, item and behaviour of packed events."""
    item = (key >> 2) & ((1 << _ITEM_BITS) - 1)
    second = (key >> (2 + _ITEM_BITS)) & ((1 << _SECOND_BITS) - 1)
    return key >> (2 + _ITEM_BITS + _SECOND_BITS), second, item, key & 3


def order_episodes(rng: np.random.Generator, people: People, orders: Orders, lines: Lines) -> Episodes:
    """The episode around each order; larger baskets take more looking."""
    count = np.bincount(lines.order, minlength=len(orders))
    mean = people.actions[orders.user] * (1 - ORDER_DEPTH + ORDER_DEPTH * count / MEAN_LINES)
    return Episodes(orders.user, orders.second // DAY, orders.need, rng.poisson(mean))


def look_episodes(
    rng: np.random.Generator, people: People, catalogue: Catalogue, *, days: int, gone: np.ndarray
) -> Episodes:
    """Episodes that end without an order, until the customer leaves."""
    count = rng.poisson(people.look_rate * days)
    user = np.repeat(np.arange(len(people)), count)
    day = rng.integers(0, days, len(user))
    keep = (day >= people.join_day[user]) & (day * DAY < gone[user])
    user, day = user[keep], day[keep]
    need = draw_needs(rng, people, catalogue, user)
    return Episodes(user, day, need, rng.poisson(people.actions[user]))


def browse(rng: np.random.Generator, people: People, catalogue: Catalogue, episodes: Episodes) -> np.ndarray:
    """Packed views, favourites and carts of the episodes.

    An episode is a chain of sessions (on average five to six actions, seconds to minutes apart); a session starts
    on a day near the episode's centre, at an hour of the browsing curve, and keeps to one category most of the time.
    """
    size = episodes.size
    n = int(size.sum())
    if n == 0:
        return np.zeros(0, np.int64)
    opens = rng.random(n, np.float32) < SESSION_BREAK
    opens[(np.cumsum(size) - size)[size > 0]] = True
    session = np.cumsum(opens) - 1
    episode = np.repeat(np.arange(len(size)), size)[opens]
    user = episodes.user[episode]
    start = _session_starts(rng, episodes.day[episode])
    focus = _session_focus(rng, people, catalogue, user, episodes.need[episode])
    gap = np.minimum(1 + rng.exponential(MEAN_GAP, n).astype(np.int64), LONGEST_GAP)
    since = np.cumsum(gap)
    second = (start - since[opens])[session] + since
    category = focus[session]
    user = user[session]
    stray = np.flatnonzero(rng.random(n, np.float32) < people.wander[user])
    category[stray] = catalogue.viewed.draw(rng, len(stray))
    keep = second >= 0
    item = pick_items(
        rng, catalogue, category, quality=people.quality[user], novelty=people.novelty[user], second=second
    )
    u = rng.random(n)
    cart = people.cart[user]
    behavior = np.where(u < cart, CART, np.where(u < cart + people.fav[user], FAV, PV))
    return pack(user[keep], second[keep], item[keep], behavior[keep])


def _session_starts(rng: np.random.Generator, day: np.ndarray) -> np.ndarray:
    offset = np.array(OFFSETS)[_OFFSET.draw(rng, len(day))]
    return (day + offset) * DAY + clock_time(rng, BROWSING, len(day))


_OFFSET = Lottery(OFFSET_WEIGHTS)


def _session_focus(
    rng: np.random.Generator, people: People, catalogue: Catalogue, user: np.ndarray, need: np.ndarray
) -> np.ndarray:
    u = rng.random(len(user))
    pick = (rng.random(len(user)) * people.breadth[user]).astype(np.int64)
    interest = people.interests[user, pick]
    anything = catalogue.viewed.draw(rng, len(user))
    return np.where(u < SESSION_FOCUS[0], need, np.where(u < SESSION_FOCUS[1], interest, anything))


def before_buying(rng: np.random.Generator, catalogue: Catalogue, orders: Orders, lines: Lines) -> np.ndarray:
    """Packed actions on the very item before it is bought: many purchases have none, as in the published log."""
    user, bought = orders.user[lines.order], orders.second[lines.order]
    midnight, launch = bought // DAY * DAY, np.maximum(catalogue.launch_day[lines.item], 0) * DAY
    u = rng.random((4, len(user)))
    minutes = rng.integers(20, 7_200, (4, len(user)))
    earlier = rng.integers(1, 5, len(user)) * DAY
    parts = []
    for k, (chance, kind, shift) in enumerate(
        ((SEEN_TODAY, PV, 0), (SEEN_EARLIER, PV, earlier), (CARTED, CART, 0), (FAVED, FAV, earlier))
    ):
        when = np.maximum(bought - minutes[k], midnight) - shift
        hit = (u[k] < chance) & (when >= launch) & (when < bought)
        parts.append(pack(user[hit], when[hit], lines.item[hit], kind))
    return np.concatenate(parts)


def buying(orders: Orders, lines: Lines) -> np.ndarray:
    """Packed purchases: one an order line."""
    return pack(orders.user[lines.order], orders.second[lines.order], lines.item, BUY)


def crawl(rng: np.random.Generator, catalogue: Catalogue, robots: np.ndarray) -> np.ndarray:
    """Packed views of the planted crawler: evenly over the day and over the catalogue."""
    user = np.repeat(robots, CRAWLER_VIEWS)
    second = CRAWLER_DAY * DAY + rng.integers(0, DAY, len(user))
    ready = np.flatnonzero(catalogue.launch_day <= CRAWLER_DAY)
    return pack(user, second, ready[rng.integers(0, len(ready), len(user))], PV)


def finish(rng: np.random.Generator, keys: list[np.ndarray], people: People, *, days: int) -> np.ndarray:
    """Sort and de-duplicate packed events; keep the log's window and the time since joining; apply the outage."""
    key = sorted_unique(np.concatenate(keys))
    user, second, _, behavior = unpack(key)
    joined = np.maximum(people.join_day, 0) * DAY
    inside = (second < days * DAY) & (second >= joined[user])
    lost = in_outage(second) & (behavior != BUY) & (rng.random(len(key)) < OUTAGE[3])
    return key[inside & ~lost]


def events_table(key: np.ndarray, catalogue: Catalogue, user_id: np.ndarray) -> dict[str, np.ndarray]:
    """The table `events` of a block, columns as in the contract; `behavior` as index in tables.BEHAVIORS."""
    user, second, item, behavior = unpack(key)
    category = category_ids(np.arange(catalogue.categories))[catalogue.item_category[item]]
    return {
        "user_id": user_id[user],
        "item_id": item_ids(item),
        "category_id": category,
        "behavior": np.array(_CODE, np.int8)[behavior],
        "timestamp": START + second,
    }


_CODE = tuple(BEHAVIORS.index(name) for name in ("pv", "fav", "cart", "buy"))
