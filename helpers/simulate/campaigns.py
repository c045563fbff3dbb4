"""Campaigns with both potential outcomes: who takes part, what each arm would do, what was observed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from helpers.simulate.adverts import PLANNED
from helpers.simulate.catalogue import Catalogue
from helpers.simulate.orders import Lines, Orders, fill_orders, keep_orders, plain_orders, stack_orders
from helpers.simulate.people import People, draw_needs
from helpers.simulate.season import ORDERING, clock_time
from helpers.simulate.settings import DAY, ShopSettings, day_of, stream

PLANNED_NAMES = tuple(c.name for c in PLANNED)
FREQUENCIES = (1, 2, 4, 7)
FREQUENCY_CEILING, FREQUENCY_HALF, FREQUENCY_PUT_OFF = 0.22, 1.6, 0.03


def frequency_lift(per_week: float) -> float:
    """Probability of an added order in four weeks at so many contacts a week: it saturates.

    Examples
    --------
    >>> round(frequency_lift(1.6 * math.log(2)), 2)
    0.11
    """
    return FREQUENCY_CEILING * (1 - math.exp(-per_week / FREQUENCY_HALF))


def opt_out_chance(per_week: float) -> float:
    """Probability that one contact makes the customer withdraw consent: it rises with the frequency.

    Examples
    --------
    >>> round(opt_out_chance(1.0), 4), round(opt_out_chance(4.0), 4)
    (0.002, 0.0053)
    """
    return 0.002 * per_week**0.7


@dataclass(frozen=True)
class Offer:
    """What one arm does to a customer during the campaign's window.

    `extra`: mean probability of one added order. `discount`: share of the list price taken off all lines.
    `put_off`: probability that a customer of 45 or more gives up the orders that he would have placed.
    `forward`: share of the next three weeks' orders that come early. `per_week`: messages a week.
    `silence`: advertising channel that is switched off.
    """

    extra: float = 0.0
    discount: float = 0.0
    put_off: float = 0.0
    forward: float = 0.0
    per_week: float = 0.0
    silence: str = ""


@dataclass(frozen=True)
class Campaign:
    """One campaign; `targeted`: who gets it depends on earlier orders, not on chance."""

    name: str
    channel: str
    objective: str
    first: str
    weeks: int
    unit_cost: float
    arms: dict[str, Offer] = field(hash=False)
    consent: str = ""
    targeted: bool = False

    @property
    def start(self) -> int:
        """First second of the outcome window, from the start of the log."""
        return day_of(self.first) * DAY

    @property
    def end(self) -> int:
        """First second after the outcome window."""
        return self.start + self.weeks * 7 * DAY


def frequency_offer(per_week: float) -> Offer:
    """What so many e-mails a week do: added orders, and older customers who have had enough."""
    return Offer(extra=frequency_lift(per_week), put_off=FREQUENCY_PUT_OFF * per_week, per_week=per_week)


CITY_FACTOR = (0.0, 0.50, 0.85, 1.15, 1.50)  # by city_tier: the visible feature on which the effect depends
GONE_FACTOR = 0.5  # customers who left react half as often
OLD_AGE = 3  # age bands from 45-54 on may be put off
FOLLOW_UP = 21 * DAY  # after the window: where a pull-forward leaves its dip
ENGAGED_CHANCE = (0.20, 0.50, 0.72, 0.86)  # of treatment by number of orders in the six weeks before, if targeted
ENGAGED_DAYS = 42
DOSES = tuple(np.arange(0, 7.25, 0.25).tolist())
"""Messages a week at which the true profit of the frequency test is computed."""
OPENED, OPEN_FATIGUE, CLICKED = 0.34, 0.06, 0.18
SRM_LOSS = 0.15
FREQUENCY_ARMS = {"control": Offer()} | {
    f"freq_{f}": frequency_offer(f) for f in FREQUENCIES
}  # fmt: skip

CAMPAIGNS = {
    c.name: c
    for c in (
        Campaign(
            "social-holdout", "social", "measure what social advertising adds", "2017-06-19", 2, 0.0,
            {"control": Offer(silence="social"), "treated": Offer()},
        ),
        Campaign(
            "aa-jul", "push", "check the experiment itself: both arms get the same", "2017-07-03", 2, 0.02,
            {"control": Offer(), "treated": Offer(per_week=0.5)}, consent="push",
        ),
        Campaign(
            "members-jul", "push", "news for engaged customers", "2017-07-17", 2, 0.02,
            {"control": Offer(), "treated": Offer(extra=0.06, per_week=2)}, consent="push", targeted=True,
        ),
        Campaign(
            "voucher-aug", "app voucher", "win orders with 5 % off", "2017-08-07", 3, 0.05,
            {"control": Offer(), "treated": Offer(extra=0.18, discount=0.05, put_off=0.45, per_week=1 / 3)},
        ),
        Campaign(
            "email-sep", "email", "choose between two creatives", "2017-09-04", 2, 0.03,
            {"control": Offer(), "creative_a": Offer(extra=0.03, per_week=0.5),
             "creative_b": Offer(extra=0.11, per_week=0.5)}, consent="email",
        ),
        Campaign(
            "discount-sep", "app voucher", "win orders with 25 % off", "2017-09-18", 2, 0.05,
            {"control": Offer(), "treated": Offer(extra=0.18, discount=0.25, per_week=0.5)},
        ),
        Campaign(
            "retargeting-holdout", "retargeting", "measure what retargeting adds", "2017-10-02", 1, 0.0,
            {"control": Offer(silence="retargeting"), "treated": Offer()},
        ),
        Campaign(
            "frequency-oct", "email", "find the right number of messages a week", "2017-10-09", 4, 0.05,
            FREQUENCY_ARMS, consent="email",
        ),
        Campaign(
            "flash-nov", "push", "bring orders forward with 8 % off", "2017-11-13", 2, 0.02,
            {"control": Offer(), "treated": Offer(extra=0.04, discount=0.08, forward=0.45, per_week=1)},
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """One campaign in one block: arms by user (−1: takes no part) and the outcomes of every arm.

    `spend`, `margin` (before contact costs) and `later` are in cents, arm × user; `messages` counts contacts.
    `doses`: margin in cents, dose × user, in the frequency test only (else empty): see DOSES.
    `added`, `dropped` and `cut` are what the drawn arms change in the block's base orders and lines.
    """

    campaign: Campaign
    arm: np.ndarray
    lost: np.ndarray
    spend: np.ndarray
    bought: np.ndarray
    margin: np.ndarray
    later: np.ndarray
    messages: np.ndarray
    doses: np.ndarray
    contacts: dict[str, np.ndarray]
    added: tuple[Orders, Lines]
    dropped: np.ndarray
    cut: np.ndarray


@dataclass(frozen=True)
class _Scene:
    """All that decides the outcomes of one campaign in one block.

    The pool holds every order that some arm may show. `kind` 0: a base order of the window or the follow-up;
    1: a later base order moved into the window; 2: an order that the campaign adds. `source` is the base order,
    −1 for added ones; `u_move` decides whether a later order comes early.
    """

    campaign: Campaign
    people: People
    catalogue: Catalogue
    gone: np.ndarray
    u_react: np.ndarray
    u_put_off: np.ndarray
    orders: Orders
    lines: Lines
    kind: np.ndarray
    source: np.ndarray
    u_move: np.ndarray

    @property
    def in_window(self) -> np.ndarray:
        """Orders of the pool inside the outcome window."""
        return self.orders.second < self.campaign.end


def planned(settings: ShopSettings) -> list[Campaign]:
    """The campaigns of the settings whose window lies inside the log; without effects in the A/A shop."""
    chosen = [c for n, c in CAMPAIGNS.items() if n in settings.campaigns and c.end <= settings.days * DAY]
    return [_without_effect(c) for c in chosen] if settings.assignment == "aa" else chosen


def _without_effect(campaign: Campaign) -> Campaign:
    arms = {name: Offer(per_week=offer.per_week) for name, offer in campaign.arms.items()}
    return Campaign(**{**campaign.__dict__, "arms": arms})


def run_campaign(
    campaign: Campaign, people: People, catalogue: Catalogue, base: tuple[Orders, Lines], *,
    gone: np.ndarray, settings: ShopSettings, block: int,
) -> Trial:  # fmt: skip
    """Draw the arms and compute every arm's outcome for every customer of a block.

    The same draws decide in all arms (who reacts, who is put off, which order comes early), so outcomes of two
    arms differ only by the offers.
    """

    def rng(purpose: str) -> np.random.Generator:
        return stream(settings.seed, f"{campaign.name} {purpose}", block)

    history = orders_before(base[0], campaign, len(people))
    arm = assign(rng("arms"), campaign, people, history, confounded=settings.assignment == "confounded")
    scene = set_scene(rng("react"), rng("extra"), campaign, people, catalogue, base, gone)
    outcomes = [outcome(scene, offer) for offer in campaign.arms.values()]
    spend, bought, margin, later = (np.stack(part) for part in zip(*outcomes, strict=True))
    doses = [outcome(scene, frequency_offer(d))[2] for d in _doses(campaign)]
    messages, contacts = _send(rng("contacts"), campaign, arm, history)
    added, dropped, cut = _observed(scene, arm, base)
    lost = _lost_rows(arm, campaign, settings, block)
    return Trial(
        campaign, arm, lost, spend, bought, margin, later, messages, np.array(doses), contacts, added, dropped, cut
    )


def _doses(campaign: Campaign) -> tuple[float, ...]:
    return DOSES if any(offer.extra for offer in campaign.arms.values()) and campaign.name == "frequency-oct" else ()


def orders_before(orders: Orders, campaign: Campaign, users: int) -> np.ndarray:
    """Number of orders in the six weeks before the window: the engagement that targeting looks at."""
    recent = (orders.second < campaign.start) & (orders.second >= campaign.start - ENGAGED_DAYS * DAY)
    return np.bincount(orders.user[recent], minlength=users)


def assign(
    rng: np.random.Generator, campaign: Campaign, people: People, history: np.ndarray, *, confounded: bool
) -> np.ndarray:
    """The arm of each customer: equal chances, or by earlier orders; −1 without consent or not yet a customer."""
    u = rng.random(len(people))
    joined = people.join_day * DAY < max(campaign.start, 1)
    consent = {"": True, "email": people.consent_email, "push": people.consent_push}[campaign.consent]
    arm = np.minimum((u * len(campaign.arms)).astype(np.int64), len(campaign.arms) - 1)
    if campaign.targeted or (confounded and campaign.name == "voucher-aug"):
        arm = (u < np.array(ENGAGED_CHANCE)[np.minimum(history, 3)]).astype(np.int64)
    return np.where(joined & consent, arm, -1)


def _lost_rows(arm: np.ndarray, campaign: Campaign, settings: ShopSettings, block: int) -> np.ndarray:
    if not (settings.srm_fault and campaign.name == "voucher-aug"):
        return np.zeros(len(arm), bool)
    return (arm == 1) & (stream(settings.seed, "lost rows", block).random(len(arm)) < SRM_LOSS)


def set_scene(rng, rng_extra, campaign: Campaign, people: People, catalogue: Catalogue, base, gone) -> _Scene:
    """Collect the orders that any arm may show; the draws do not depend on the arms."""
    orders, lines = base
    u_react, u_put_off = rng.random((2, len(people)))
    u_move = rng.random(len(orders))
    kept = (orders.second >= campaign.start) & (orders.second < campaign.end + FOLLOW_UP)
    forward = max(offer.forward for offer in campaign.arms.values())
    later = kept & (orders.second >= campaign.end)
    early, when = _come_early(rng_extra, campaign, catalogue, base, later & (u_move < forward))
    u_move = np.where(later & ~early, 1.0, u_move)
    most = max(offer.extra for offer in campaign.arms.values())
    reacts = u_react < reaction(most, campaign, people, gone)
    parts = [
        keep_orders(orders, lines, kept),
        (replace(orders.where(early), second=when), keep_orders(orders, lines, early)[1]),
        _extra(rng_extra, campaign, people, catalogue, np.flatnonzero(reacts)),
    ]
    kind = np.repeat([0, 1, 2], [len(p[0]) for p in parts])
    source = np.concatenate([np.flatnonzero(kept), np.flatnonzero(early), np.full(len(parts[2][0]), -1)])
    moving = np.concatenate([u_move[kept], u_move[early], np.ones(len(parts[2][0]))])
    return _Scene(campaign, people, catalogue, gone, u_react, u_put_off, *stack_orders(parts), kind, source, moving)


def _come_early(rng, campaign: Campaign, catalogue: Catalogue, base, wished: np.ndarray) -> tuple:
    """Which later orders can come early, and when: an item cannot be bought before its launch."""
    orders, lines = base
    when = np.zeros(len(orders), np.int64)
    when[wished] = _moments(rng, campaign, wished.sum())
    waits = catalogue.launch_day[lines.item] > when[lines.order] // DAY
    early = wished & (np.bincount(lines.order[waits], minlength=len(orders)) == 0)
    return early, when[early]


def _extra(rng, campaign: Campaign, people: People, catalogue: Catalogue, user: np.ndarray) -> tuple[Orders, Lines]:
    need = draw_needs(rng, people, catalogue, user)
    orders = plain_orders(user, _moments(rng, campaign, len(user)), need)
    return orders, fill_orders(rng, people, catalogue, orders)


def _moments(rng: np.random.Generator, campaign: Campaign, size: int) -> np.ndarray:
    day = campaign.start // DAY + rng.integers(0, campaign.weeks * 7, size)
    return day * DAY + clock_time(rng, ORDERING, size)


def reaction(extra: float, campaign: Campaign, people: People, gone: np.ndarray) -> np.ndarray:
    """Each customer's probability of an added order: more in smaller cities, less when the customer has left."""
    here = np.where(gone <= campaign.start, GONE_FACTOR, 1.0)
    return extra * np.array(CITY_FACTOR)[people.city_tier] * here


def _present(scene: _Scene, offer: Offer) -> np.ndarray:
    """Which orders of the pool are placed under an offer."""
    user, inside = scene.orders.user, scene.in_window
    reacts = scene.u_react < reaction(offer.extra, scene.campaign, scene.people, scene.gone)
    put_off = (scene.u_put_off < offer.put_off) & (scene.people.age >= OLD_AGE)
    early = scene.u_move < offer.forward
    cause = PLANNED_NAMES.index(offer.silence) if offer.silence in PLANNED_NAMES else len(PLANNED_NAMES)
    stays = np.where(inside, ~put_off[user] & (scene.orders.cause != cause), ~early)
    return np.select([scene.kind == 0, scene.kind == 1], [stays, early], reacts[user])


def _price_cut(scene: _Scene, offer: Offer) -> np.ndarray:
    """Further discount of each line of the pool under an offer, cents; no price falls below zero."""
    gross = scene.lines.quantity * scene.catalogue.price[scene.lines.item]
    cut = np.rint(offer.discount * gross).astype(np.int64)
    return np.where(scene.in_window[scene.lines.order], np.minimum(cut, gross - scene.lines.discount), 0)


def outcome(scene: _Scene, offer: Offer) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Spend, purchase, margin in the window and spend in the follow-up of every customer under an offer."""
    lines, n = scene.lines, len(scene.people)
    user = scene.orders.user[lines.order]
    there, inside = _present(scene, offer)[lines.order], scene.in_window[lines.order]
    less = lines.discount + _price_cut(scene, offer)
    paid = lines.quantity * scene.catalogue.price[lines.item] - less
    earned = lines.quantity * scene.catalogue.margin[lines.item] - less
    now, after = there & inside, there & ~inside & (scene.kind[lines.order] == 0)
    bought = np.bincount(user[now], minlength=n) > 0
    return _sum(user, paid, now, n), bought, _sum(user, earned, now, n), _sum(user, paid, after, n)


def _sum(user: np.ndarray, cents: np.ndarray, mask: np.ndarray, n: int) -> np.ndarray:
    # whole cents far below 2**53 add exactly in floating point
    return np.rint(np.bincount(user[mask], cents[mask], n)).astype(np.int64)


def _observed(scene: _Scene, arm: np.ndarray, base: tuple[Orders, Lines]):
    """What the drawn arms change: added orders, dropped base orders, further discount on base lines."""
    mine = arm[scene.orders.user]
    there, cut = np.zeros(len(scene.orders), bool), np.zeros(len(scene.lines.order), np.int64)
    for k, offer in enumerate(scene.campaign.arms.values()):
        there |= (mine == k) & _present(scene, offer)
        cut = np.where(mine[scene.lines.order] == k, _price_cut(scene, offer), cut)
    old = scene.kind == 0
    dropped = np.zeros(len(base[0]), bool)
    dropped[scene.source[old & ~there & (mine >= 0)]] = True
    base_cut = np.zeros(len(base[1].order), np.int64)
    old_lines = old[scene.lines.order]
    kept = np.isin(base[1].order, scene.source[old])
    base_cut[kept] = cut[old_lines]
    priced = Lines(scene.lines.order, scene.lines.item, scene.lines.quantity, scene.lines.discount + cut)
    return keep_orders(scene.orders, priced, ~old & there), dropped, base_cut


def _send(rng: np.random.Generator, campaign: Campaign, arm: np.ndarray, history: np.ndarray):
    """Number of messages by arm and user, and the messages of the drawn arms.

    Each message may end in an opt-out, after which no more are sent. In a targeted campaign the engaged get more:
    then the observed frequency says more about the customer than about the messages.
    """
    factor = 0.5 + 0.5 * np.minimum(history, 3) if campaign.targeted else np.ones(len(arm))
    rates = [offer.per_week for offer in campaign.arms.values()]
    most = round(max(rates) * campaign.weeks * factor.max(initial=1))
    u = rng.random((4, len(arm), max(most, 1)))
    counts = np.zeros((len(rates), len(arm)), np.int64)
    out_at = np.full(counts.shape, -1)
    for k, rate in enumerate(rates):
        wanted = np.rint(rate * campaign.weeks * factor).astype(np.int64)
        leaves = (u[0] < opt_out_chance(rate)) & (np.arange(u.shape[2]) < wanted[:, None])
        first = np.where(leaves.any(axis=1), leaves.argmax(axis=1), -1)
        counts[k], out_at[k] = np.where(first >= 0, first + 1, wanted), first
    return counts, _messages(campaign, arm, counts, out_at, u, factor)


def _messages(campaign: Campaign, arm, counts, out_at, u, factor) -> dict[str, np.ndarray]:
    taking = np.flatnonzero(arm >= 0)
    own = counts[arm[taking], taking]
    user = np.repeat(taking, own)
    k = np.arange(len(user)) - np.repeat(np.cumsum(own) - own, own)
    rate = np.array([offer.per_week for offer in campaign.arms.values()])[arm[user]]
    planned_count = np.maximum(1, np.rint(rate * campaign.weeks * factor[user]))
    days = campaign.weeks * 7
    day = np.floor((k + u[1, user, k]) / planned_count * days).astype(np.int64)
    # most messages go out from 9 to 21 h; one in twenty-five at any hour
    clock = np.where(u[2, user, k] < 0.04, u[2, user, k] / 0.04 * DAY, (9 + 12 * u[2, user, k]) * 3_600)
    opened = u[3, user, k] < OPENED * np.exp(-OPEN_FATIGUE * k)
    return {
        "user": user,
        "second": campaign.start + np.minimum(day, days - 1) * DAY + clock.astype(np.int64),
        "opened": opened,
        "clicked": u[3, user, k] < CLICKED * OPENED * np.exp(-OPEN_FATIGUE * k),
        "opted_out": out_at[arm[user], user] == k,
    }
