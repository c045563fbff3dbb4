"""Orders: when customers order until they leave (BG/NBD), what lies in the basket, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.simulate.adverts import NO_CAUSE, draw_causes
from helpers.simulate.catalogue import RULES, STAPLES, Catalogue, pick_items
from helpers.simulate.people import People, draw_needs
from helpers.simulate.season import ORDERING, clock_time, to_calendar
from helpers.simulate.settings import DAY, sorted_unique

SECOND_NEED = 0.40  # probability that an order serves a second need, drawn without regard to the customer
SEQUENCE_DAYS = 60  # a planted sequence goes on only when the next order comes within so many days
MORE_PIECES = 0.10
DISCOUNTS = (0.05, 0.30)  # depth of a shop discount, uniform
NEVER = 1 << 40


@dataclass(frozen=True)
class Orders:
    """Orders of a block, one entry an order, by (user, second)."""

    user: np.ndarray
    second: np.ndarray
    need: np.ndarray
    cause: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def where(self, mask: np.ndarray) -> Orders:
        """The orders that a mask or index chooses."""
        return Orders(self.user[mask], self.second[mask], self.need[mask], self.cause[mask])


@dataclass(frozen=True)
class Lines:
    """Order lines: `order` points into Orders; money in cents."""

    order: np.ndarray
    item: np.ndarray
    quantity: np.ndarray
    discount: np.ndarray

    def where(self, mask: np.ndarray) -> Lines:
        """The lines that a mask or index chooses."""
        return Lines(self.order[mask], self.item[mask], self.quantity[mask], self.discount[mask])


def draw_orders(
    rng: np.random.Generator, people: People, *, factor: np.ndarray, caused: np.ndarray
) -> tuple[Orders, np.ndarray]:
    """Moments of the orders, and the second in which each customer leaves (NEVER: stays).

    While a customer stays, orders come as a Poisson process with the own rate in operational time; after each
    order the customer leaves with the own probability: the BG/NBD model. At most one order a day.
    `factor` and `caused` are by day: the size of the day, and the share of orders each channel causes.
    """
    days = len(factor)
    user, moment, leaves = _buy_till_you_leave(rng, people, factor)
    day = np.minimum(to_calendar(moment, factor), days - 1)
    gone = np.full(len(people), NEVER)
    gone[user[leaves]] = (day[leaves] + 1) * DAY
    again = np.zeros(len(user), bool)
    again[1:] = (user[1:] == user[:-1]) & (day[1:] == day[:-1])
    user, day = user[~again], day[~again]
    second = day * DAY + clock_time(rng, ORDERING, len(day))
    cause = draw_causes(rng, caused, day)
    return Orders(user, second, np.full(len(user), -1), cause), gone


def _buy_till_you_leave(rng: np.random.Generator, people: People, factor: np.ndarray) -> tuple[np.ndarray, ...]:
    """User, moment in operational time and 'leaves afterwards' of each order, by (user, moment)."""
    bounds = np.concatenate([[0.0], np.cumsum(factor / factor.mean())])
    now = bounds[np.clip(people.join_day, 0, len(factor))]
    here, rounds = np.arange(len(people)), []
    while len(here):
        now[here] += rng.standard_exponential(len(here)) / people.order_rate[here]
        here = here[now[here] < len(factor)]
        leaves = rng.random(len(here)) < people.leave[here]
        rounds.append((here, now[here], leaves))
        here = here[~leaves]
    user, moment, leaves = (np.concatenate(part) for part in zip(*rounds, strict=True))
    rank = np.argsort(user, kind="stable")  # rounds are in the order of time
    return user[rank], moment[rank], leaves[rank]


def with_needs(
    rng: np.random.Generator, people: People, catalogue: Catalogue, orders: Orders
) -> tuple[Orders, np.ndarray]:
    """Give each order its main category: the customer's taste, or the next step of a planted sequence (mask)."""
    need = draw_needs(rng, people, catalogue, orders.user)
    u, followed = rng.random(len(need)), np.zeros(len(need), bool)
    place = _place_in_history(orders.user)
    for k in range(1, place.max(initial=0) + 1):
        now = np.flatnonzero(place == k)
        before = np.where(place[now] >= 2, need[now - 2], -1)
        follow = catalogue.next_category[need[now - 1], before + 1]
        soon = orders.second[now] - orders.second[now - 1] < SEQUENCE_DAYS * DAY
        go_on = (u[now] < catalogue.next_chance[need[now - 1], before + 1]) & soon & (follow >= 0)
        need[now[go_on]] = follow[go_on]
        followed[now[go_on]] = True
    return Orders(orders.user, orders.second, need, orders.cause), followed


def _place_in_history(user: np.ndarray) -> np.ndarray:
    first = np.concatenate([[True], user[1:] != user[:-1]]) if len(user) else np.zeros(0, bool)
    start = np.flatnonzero(first)
    return np.arange(len(user)) - np.repeat(start, np.diff(np.append(start, len(user))))


def draw_baskets(
    rng: np.random.Generator, catalogue: Catalogue, need: np.ndarray, *, planted: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The categories of each basket as (basket, category), each category once, ordered.

    A basket holds its need; sometimes a second need, independent of the first; what a planted rule adds; and
    each staple with its own probability. So the only positive dependence inside a basket is the planted one.
    """
    n = len(need)
    more = np.flatnonzero(rng.random(n) < SECOND_NEED)
    other = np.full(n, -1)
    other[more] = catalogue.bought.draw(rng, len(more))
    basket, category = [np.arange(n), more], [need, other[more]]
    for first, second, chance in RULES:
        a, b = catalogue.category(first), catalogue.category(second)
        u = rng.random(n)
        fired = np.flatnonzero(((need == a) | (other == a)) & (u < chance)) if planted else np.zeros(0, np.int64)
        basket.append(fired)
        category.append(np.full(len(fired), b))
    for name, chance in STAPLES:
        inside = np.flatnonzero(rng.random(n) < chance)
        basket.append(inside)
        category.append(np.full(len(inside), catalogue.category(name)))
    pair = sorted_unique(np.concatenate(basket) * catalogue.categories + np.concatenate(category))
    return pair // catalogue.categories, pair % catalogue.categories


def fill_orders(rng: np.random.Generator, people: People, catalogue: Catalogue, orders: Orders) -> Lines:
    """The lines of each order: item, pieces and the shop's own discount."""
    order, category = draw_baskets(rng, catalogue, orders.need)
    user = orders.user[order]
    item = pick_items(
        rng, catalogue, category,
        quality=people.quality[user], novelty=people.novelty[user], second=orders.second[order],
    )  # fmt: skip
    quantity = 1 + (rng.random(len(order)) < MORE_PIECES) + (rng.random(len(order)) < MORE_PIECES / 2)
    deal = rng.random(len(order)) < people.deal[user]
    depth = rng.uniform(*DISCOUNTS, len(order))
    discount = np.where(deal, np.rint(depth * quantity * catalogue.price[item]), 0).astype(np.int64)
    return Lines(order, item, quantity.astype(np.int64), discount)


def no_orders() -> tuple[Orders, Lines]:
    """An empty set of orders."""
    none = np.zeros(0, np.int64)
    return Orders(none, none, none, none), Lines(none, none, none, none)


def stack_orders(parts: list[tuple[Orders, Lines]]) -> tuple[Orders, Lines]:
    """Put sets of orders one after the other."""
    shift = np.cumsum([0] + [len(orders) for orders, _ in parts[:-1]])
    orders = Orders(*(np.concatenate([getattr(o, k) for o, _ in parts]) for k in Orders.__dataclass_fields__))
    order = np.concatenate([lines.order + s for (_, lines), s in zip(parts, shift, strict=True)])
    rest = [np.concatenate([getattr(x, k) for _, x in parts]) for k in ("item", "quantity", "discount")]
    return orders, Lines(order, *rest)


def sort_orders(orders: Orders, lines: Lines) -> tuple[Orders, Lines]:
    """Sort orders by (user, second) and lines by (order, item)."""
    rank = np.lexsort((np.arange(len(orders)), orders.second, orders.user))
    place = np.empty(len(rank), np.int64)
    place[rank] = np.arange(len(rank))
    order = place[lines.order]
    sort = np.lexsort((lines.item, order))
    return orders.where(rank), Lines(order[sort], lines.item[sort], lines.quantity[sort], lines.discount[sort])


def keep_orders(orders: Orders, lines: Lines, keep: np.ndarray) -> tuple[Orders, Lines]:
    """The orders of a mask, with their lines renumbered."""
    place = np.cumsum(keep) - 1
    kept = lines.where(keep[lines.order])
    return orders.where(keep), Lines(place[kept.order], kept.item, kept.quantity, kept.discount)


def plain_orders(user: np.ndarray, second: np.ndarray, need: np.ndarray) -> Orders:
    """Orders without an advertising cause."""
    return Orders(user, second, need, np.full(len(user), NO_CAUSE))
