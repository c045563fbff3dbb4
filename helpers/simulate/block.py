"""One block of customers from first to last: people, orders, campaigns, behaviour, touches and feedback."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.simulate import adverts, behaviour, feedback, orders, season
from helpers.simulate.campaigns import Trial, planned, run_campaign
from helpers.simulate.catalogue import Catalogue, make_catalogue
from helpers.simulate.orders import NEVER, Lines, Orders
from helpers.simulate.people import People, draw_people, user_ids
from helpers.simulate.settings import BLOCK, DAY, ShopSettings, sorted_unique, stream

MARGIN_DAYS = 7  # orders shortly after the log's end leave views inside it
ROBOT_EVERY = 1_000


@dataclass(frozen=True)
class World:
    """What all blocks share."""

    settings: ShopSettings
    catalogue: Catalogue
    plan: np.ndarray  # spend a user, planned channel × day
    caused: np.ndarray  # orders caused, as a share of the orders without advertising, channel × day
    factor: np.ndarray  # size of each day
    appeal: np.ndarray  # of the items

    @property
    def days(self) -> int:
        """Days of the log."""
        return self.settings.days


@dataclass(frozen=True)
class Block:
    """A simulated block; `base` is the shop without campaigns, `orders` and `lines` are what was observed."""

    first: int
    people: People
    gone: np.ndarray
    robots: np.ndarray
    base: tuple[Orders, Lines]
    followed: np.ndarray
    trials: list[Trial]
    orders: Orders
    lines: Lines
    events: np.ndarray
    touches: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]
    kept: np.ndarray  # users in the files

    @property
    def user_id(self) -> np.ndarray:
        """Public ids of the block's users."""
        return user_ids(self.first + np.arange(len(self.people)))


def make_world(settings: ShopSettings) -> World:
    """Catalogue, spend plan and calendar of one seed."""
    days = settings.days + MARGIN_DAYS
    catalogue = make_catalogue(settings.seed)
    plan = adverts.spend_plan(settings.seed, days)
    caused = adverts.response(plan)
    factor = season.festival_factor(days) * (1 + caused.sum(axis=0))
    appeal = feedback.item_appeal(stream(settings.seed, "appeal"), len(catalogue.price))
    return World(settings, catalogue, plan, caused, factor, appeal)


def simulate_block(world: World, number: int) -> Block:
    """Simulate one block. Every step draws from its own stream, so a step never shifts another one's draws."""
    settings, catalogue = world.settings, world.catalogue

    def rng(purpose: str) -> np.random.Generator:
        return stream(settings.seed, purpose, number)

    people = draw_people(rng("people"), settings.block_users(number), catalogue, segments=settings.segments)
    placed, gone = orders.draw_orders(rng("orders"), people, factor=world.factor, caused=world.caused)
    placed, followed = orders.with_needs(rng("needs"), people, catalogue, placed)
    lines = orders.fill_orders(rng("lines"), people, catalogue, placed)
    visits = behaviour.order_episodes(rng("episodes"), people, placed, lines)
    looks = behaviour.look_episodes(rng("looks"), people, catalogue, days=len(world.factor), gone=gone)
    inside = placed.second < world.days * DAY
    base = orders.keep_orders(placed, lines, inside)
    trials = [
        run_campaign(c, people, catalogue, base, gone=gone, settings=settings, block=number) for c in planned(settings)
    ]
    more = _added(rng("price error"), world, people, gone, trials)
    dropped = np.any([t.dropped for t in trials], axis=0) if trials else np.zeros(len(base[0]), bool)
    final = orders.sort_orders(*orders.stack_orders([_after_campaigns(base, dropped, trials), more]))
    first = number * BLOCK
    robots = np.flatnonzero((first + np.arange(len(people))) % ROBOT_EVERY == ROBOT_EVERY // 2)
    keys = _keys(rng, world, people, [visits, looks], base, more, final)
    events = behaviour.finish(rng("outage"), keys, people, days=world.days)
    if world.days > season.CRAWLER_DAY:
        events = sorted_unique(np.concatenate([events, behaviour.crawl(rng("crawler"), catalogue, robots)]))
    touches = _touches(rng, world, people, base[0], more[0], looks, trials)
    return Block(
        first, people, gone, robots, base, followed[inside], trials, *final, events, touches,
        _answers(rng, world, people, base, more, dropped), _kept(settings, people, events),
    )  # fmt: skip


def _added(rng, world: World, people: People, gone: np.ndarray, trials: list[Trial]) -> tuple[Orders, Lines]:
    """Orders that campaigns and the planted price error add."""
    rush = _price_error(rng, world, people, gone)
    return orders.sort_orders(*orders.stack_orders([*[t.added for t in trials], rush]))


def _price_error(rng, world: World, people: People, gone: np.ndarray) -> tuple[Orders, Lines]:
    start = season.PRICE_ERROR_DAY * DAY
    u, clock = rng.random(len(people)), rng.integers(9 * 3_600, DAY, len(people))
    pieces = rng.integers(1, 4, len(people))
    here = (people.join_day * DAY < start) & (gone > start) & (start < world.days * DAY)
    user = np.flatnonzero(here & (u < season.PRICE_ERROR_SHARE))
    need = world.catalogue.category("Headphones")
    item = world.catalogue.group_start[need * 6 + 2]
    cut = np.rint(season.PRICE_ERROR_CUT * pieces[user] * world.catalogue.price[item]).astype(np.int64)
    rush = orders.plain_orders(user, start + clock[user], np.full(len(user), need))
    return rush, Lines(np.arange(len(user)), np.full(len(user), item), pieces[user], cut)


def _after_campaigns(base: tuple[Orders, Lines], dropped: np.ndarray, trials: list[Trial]) -> tuple[Orders, Lines]:
    # windows do not overlap, so the cuts of several campaigns never meet on one line
    lines = base[1]
    cut = np.sum([t.cut for t in trials], axis=0) if trials else 0
    cheaper = Lines(lines.order, lines.item, lines.quantity, lines.discount + cut)
    return orders.keep_orders(base[0], cheaper, ~dropped)


def _keys(rng, world: World, people: People, episodes: list, base, more, final) -> list[np.ndarray]:
    names = ("browse orders", "browse looks")
    keys = [behaviour.browse(rng(n), people, world.catalogue, e) for n, e in zip(names, episodes, strict=True)]
    extra = behaviour.order_episodes(rng("episodes added"), people, *more)
    keys.append(behaviour.browse(rng("browse added"), people, world.catalogue, extra))
    keys.append(behaviour.before_buying(rng("before orders"), world.catalogue, *base))
    keys.append(behaviour.before_buying(rng("before added"), world.catalogue, *more))
    keys.append(behaviour.buying(*final))
    return keys


def _touches(rng, world: World, people: People, base: Orders, more: Orders, looks, trials) -> dict[str, np.ndarray]:
    looked = {"user": looks.user, "second": looks.day * DAY + 12 * 3_600}
    plan = world.plan[:, : world.days]
    parts = [
        adverts.ambient(rng("touches ambient"), len(people), plan),
        adverts.around(rng("touches orders"), {"user": base.user, "second": base.second, "cause": base.cause}),
        adverts.around(rng("touches added"), {"user": more.user, "second": more.second, "cause": more.cause}),
        adverts.around(rng("touches looks"), looked),
    ]
    user, channel, second = (np.concatenate(column) for column in zip(*parts, strict=True))
    keep = (second >= np.maximum(people.join_day, 0)[user] * DAY) & (second < world.days * DAY)
    for trial in trials:
        for k, offer in enumerate(trial.campaign.arms.values()):
            if offer.silence:
                window = (second >= trial.campaign.start) & (second < trial.campaign.end)
                keep &= ~(window & (channel == adverts.NAMES.index(offer.silence)) & (trial.arm[user] == k))
    user, channel, second = user[keep], channel[keep], second[keep]
    rank = np.lexsort((channel, second, user))
    return {"user": user[rank], "channel": channel[rank], "second": second[rank]}


def _answers(rng, world: World, people: People, base, more, dropped: np.ndarray) -> dict[str, np.ndarray]:
    usual = feedback.draw_feedback(rng("feedback"), people, world.catalogue, *base, world.appeal)
    usual = {k: v[~dropped] for k, v in usual.items()}
    extra = feedback.draw_feedback(rng("feedback added"), people, world.catalogue, *more, world.appeal)
    joined = {k: np.concatenate([usual[k], extra[k]]) for k in usual}
    rank = np.lexsort((joined["item"], joined["second"], joined["user"]))
    return {k: v[rank] for k, v in joined.items()}


def _kept(settings: ShopSettings, people: People, events: np.ndarray) -> np.ndarray:
    if not settings.selected_on_activity:
        return np.ones(len(people), bool)
    user, second, _, _ = behaviour.unpack(events)
    active = user[second >= (settings.days - 2) * DAY]
    return np.bincount(active, minlength=len(people)) > 0


def stays(gone: np.ndarray) -> np.ndarray:
    """True for customers who never leave within the simulated time."""
    return gone == NEVER
