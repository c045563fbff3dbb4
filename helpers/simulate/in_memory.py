"""Small parts of the shop without files, for grading a method over hundreds of seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from helpers.simulate import behaviour, market, orders, season
from helpers.simulate.block import make_world, simulate_block
from helpers.simulate.campaigns import CAMPAIGNS, Offer, assign, orders_before, outcome, set_scene
from helpers.simulate.catalogue import Catalogue, make_catalogue
from helpers.simulate.people import AGES, GENDERS, SEGMENTS, People, draw_people, user_ids
from helpers.simulate.settings import ASSIGNMENTS, DAY, SettingsError, ShopSettings, sorted_unique, stream
from helpers.simulate.truth import labels
from helpers.tables import BEHAVIORS

CATALOGUE_SEED = 20_171_111
HISTORY_DAYS = 56
"""Days before the window whose spend is `pre_spend`: 2017-06-19 … 2017-08-13."""
LOST = 0.15


def simulate_experiment(
    n_users: int, *, effect: float | Offer, seed: int, assignment: str = "randomised", srm_fault: bool = False
) -> pd.DataFrame:
    """One voucher experiment with both potential outcomes, by the shop's own mechanism.

    Parameters
    ----------
    n_users : int
        Participants, 2 or more.
    effect : float or Offer
        Mean probability of one added order in the three weeks' window (0…0.6), or a whole offer with discount and
        put-off. 0 makes an A/A test.
    seed : int
        Start of the random streams.
    assignment : str
        'randomised' (equal chances), 'confounded' (by earlier orders) or 'aa' (randomised, effect zero).
    srm_fault : bool
        True: 15 % of the treated rows are lost, without regard to anything else.

    Returns
    -------
    DataFrame
        One row a participant: user_id, arm, pre_spend (currency units, eight weeks before), spend and purchased
        (observed, in the window), y0 and y1 (spend in the window without and with treatment). The sample's true
        effect is the mean of y1 − y0.

    Examples
    --------
    >>> table = simulate_experiment(200, effect=0.0, seed=1)
    >>> bool((table.y0 == table.y1).all()), bool((table.spend == table.y0).all())
    (True, True)
    """
    drawn = _draw_experiment(n_users, _checked_offer(n_users, effect, assignment), assignment, seed)
    (y0, bought0, _, _), (y1, bought1, _, _) = drawn.outcomes
    arm = drawn.arm
    table = pd.DataFrame({
        "user_id": user_ids(np.arange(n_users)), "arm": np.array(["control", "treated"], object)[arm],
        "pre_spend": _spend_before(drawn, n_users),
        "spend": np.where(arm == 1, y1, y0) / 100, "purchased": np.where(arm == 1, bought1, bought0),
        "y0": y0 / 100, "y1": y1 / 100,
    })  # fmt: skip
    lost = srm_fault & (arm == 1) & (drawn.rngs["lost"].random(n_users) < LOST)
    return table[~lost].reset_index(drop=True)


@dataclass(frozen=True)
class _Drawn:
    """One experiment: the customers, their orders without it, their arms and the outcomes of both arms."""

    people: People
    catalogue: Catalogue
    base: tuple
    start: int
    arm: np.ndarray
    outcomes: list[tuple]
    rngs: dict[str, np.random.Generator]


def _draw_experiment(n_users: int, offer: Offer, assignment: str, seed: int) -> _Drawn:
    campaign = replace(CAMPAIGNS["voucher-aug"], first="2017-08-14", arms={"control": Offer(), "treated": offer})
    purposes = ("people", "orders", "needs", "lines", "arms", "react", "extra", "lost")
    rngs = {purpose: stream(seed, f"experiment {purpose}") for purpose in purposes}
    catalogue, days = make_catalogue(CATALOGUE_SEED), campaign.end // DAY
    people = draw_people(rngs["people"], n_users, catalogue)
    people = replace(people, join_day=np.full(n_users, -1))
    placed, gone = orders.draw_orders(
        rngs["orders"], people, factor=season.festival_factor(days), caused=np.zeros((4, days))
    )
    placed, _ = orders.with_needs(rngs["needs"], people, catalogue, placed)
    base = placed, orders.fill_orders(rngs["lines"], people, catalogue, placed)
    arm = assign(
        rngs["arms"], campaign, people, orders_before(placed, campaign, n_users), confounded=assignment == "confounded"
    )
    scene = set_scene(rngs["react"], rngs["extra"], campaign, people, catalogue, base, gone)
    outcomes = [outcome(scene, o) for o in campaign.arms.values()]
    return _Drawn(people, catalogue, base, campaign.start, arm, outcomes, rngs)


def simulate_uplift(n_users: int, *, seed: int, offer: Offer | None = None) -> pd.DataFrame:
    """One randomised campaign with what is known of each customer before it, and the profit of both arms.

    Parameters
    ----------
    n_users : int
        Participants, 2 or more.
    seed : int
        Start of the random streams; the customers are those of `simulate_experiment` with the same seed.
    offer : Offer, optional
        What the treated get, by default the offer of voucher-aug; for each of them one contact is paid.

    Returns
    -------
    DataFrame
        One row a participant: user_id, arm, randomised, age_band, gender, city_tier, orders_before, spend_before
        (currency units, eight weeks before), recency_days (since the last order; 57 without one), purchased and profit
        (margin less the contact's cost; both observed), purchased0, purchased1, profit0, profit1 (without and with the
        offer).

    Examples
    --------
    >>> table = simulate_uplift(200, offer=Offer(), seed=1)
    >>> bool((table.purchased0 == table.purchased1).all()), round(float((table.profit0 - table.profit1).mean()), 2)
    (True, 0.05)
    """
    offer = offer or CAMPAIGNS["voucher-aug"].arms["treated"]
    drawn = _draw_experiment(n_users, _checked_offer(n_users, offer, "randomised"), "randomised", seed)
    (_, bought0, margin0, _), (_, bought1, margin1, _) = drawn.outcomes
    profit0, profit1 = margin0 / 100, margin1 / 100 - CAMPAIGNS["voucher-aug"].unit_cost
    arm, people, placed = drawn.arm, drawn.people, drawn.base[0]
    before = placed.second < drawn.start
    last = np.full(n_users, drawn.start - (HISTORY_DAYS + 1) * DAY)
    np.maximum.at(last, placed.user[before], placed.second[before])
    return pd.DataFrame({
        "user_id": user_ids(np.arange(n_users)), "arm": np.array(["control", "treated"], object)[arm],
        "randomised": True, "age_band": np.array(AGES, object)[people.age],
        "gender": np.array(GENDERS, object)[people.gender], "city_tier": people.city_tier,
        "orders_before": np.bincount(placed.user[before], minlength=n_users),
        "spend_before": _spend_before(drawn, n_users), "recency_days": (drawn.start - last) // DAY,
        "purchased": np.where(arm == 1, bought1, bought0).astype(np.int64),
        "profit": np.where(arm == 1, profit1, profit0),
        "purchased0": bought0.astype(np.int64), "purchased1": bought1.astype(np.int64),
        "profit0": profit0, "profit1": profit1,
    })  # fmt: skip


def _checked_offer(n_users: int, effect: float | Offer, assignment: str) -> Offer:
    if n_users < 2:
        raise SettingsError(f"n_users: {n_users} is too few; give 2 or more")
    if assignment not in ASSIGNMENTS:
        raise SettingsError(f"assignment: {assignment!r} is not known; give one of {', '.join(ASSIGNMENTS)}")
    if not isinstance(effect, Offer) and not 0 <= effect <= 0.6:
        raise SettingsError(f"effect: {effect!r} is out of range; give a probability from 0 to 0.6, or an Offer")
    if assignment == "aa":
        return Offer()
    return effect if isinstance(effect, Offer) else Offer(extra=float(effect))


def _spend_before(drawn: _Drawn, users: int) -> np.ndarray:
    placed, lines = drawn.base
    before = placed.second[lines.order] < drawn.start
    paid = lines.quantity * drawn.catalogue.price[lines.item] - lines.discount
    return np.bincount(placed.user[lines.order][before], paid[before], users) / 100


def simulate_customers(n: int, *, segments: bool, seed: int) -> pd.DataFrame:
    """Behaviour features of `n` customers over 26 weeks without campaigns, with their true segment.

    Made by the shop's own code (about half a second for 1,000 customers); customers without any action are left out.

    Parameters
    ----------
    n : int
        Customers, 20 or more.
    segments : bool
        True: four segments; False: one continuous population (true segment 'none').
    seed : int
        Start of the random streams.

    Returns
    -------
    DataFrame
        One row a customer: user_id, pv, fav, cart, buy, actions, active_days, actions_per_day, categories, cart_rate,
        fav_rate, buy_rate (per view), orders, spend, list_amount, discount_amount (currency units; spend =
        list_amount − discount_amount), discount_share (of lines), segment.

    Examples
    --------
    >>> sorted(simulate_customers(60, segments=False, seed=1).segment.unique())
    ['none']
    """
    settings = ShopSettings(seed=seed, users=n, segments=segments, dirt=False, campaigns=())
    world = make_world(settings)
    table = pd.concat([_features(world, number) for number in range(settings.blocks)], ignore_index=True)
    return table[table.actions > 0].reset_index(drop=True)


def _features(world, number: int) -> pd.DataFrame:
    block = simulate_block(world, number)
    n, count = len(block.people), world.catalogue.categories
    user, second, item, kind = behaviour.unpack(block.events)
    kinds = np.bincount(user * 4 + kind, minlength=4 * n).reshape(n, 4)
    views = np.maximum(kinds[:, behaviour.PV], 1)
    buyer = block.orders.user[block.lines.order]
    pieces = np.maximum(np.bincount(buyer, minlength=n), 1)
    paid, off = (np.bincount(buyer, x, n) / 100 for x in (market.line_amounts(world, block), block.lines.discount))
    days = _distinct(user, second // DAY, 256, n)
    columns = {
        "user_id": block.user_id,
        **{name: kinds[:, code] for code, name in enumerate(BEHAVIORS)},
        "actions": kinds.sum(axis=1),
        "active_days": days,
        "actions_per_day": kinds.sum(axis=1) / np.maximum(days, 1),
        "categories": _distinct(user, world.catalogue.item_category[item], count, n),
        "cart_rate": kinds[:, behaviour.CART] / views,
        "fav_rate": kinds[:, behaviour.FAV] / views,
        "buy_rate": kinds[:, behaviour.BUY] / views,
        "orders": np.bincount(block.orders.user, minlength=n),
        "spend": paid,
        "list_amount": paid + off,
        "discount_amount": off,
        "discount_share": np.bincount(buyer, block.lines.discount > 0, n) / pieces,
        "segment": labels(SEGMENTS, block.people.segment),
    }
    return pd.DataFrame(columns)


def _distinct(user: np.ndarray, value: np.ndarray, size: int, n: int) -> np.ndarray:
    return np.bincount(sorted_unique(user * size + value) // size, minlength=n)


def simulate_baskets(n: int, *, seed: int, planted: bool = True) -> pd.DataFrame:
    """Baskets of categories with the planted rules and the decoys, drawn as the shop draws them.

    Parameters
    ----------
    n : int
        Baskets, 1 or more.
    seed : int
        Start of the random streams.
    planted : bool
        False: without the rules; then no pair is positively associated.

    Returns
    -------
    DataFrame
        One row a category in a basket: basket_id, item (the category's English name); ordered by both.

    Examples
    --------
    >>> baskets = simulate_baskets(1_000, seed=1)
    >>> baskets.basket_id.nunique(), bool(baskets.duplicated().any())
    (1000, False)
    """
    if n < 1:
        raise SettingsError(f"n: {n} is too few; give 1 or more")
    catalogue = make_catalogue(CATALOGUE_SEED)
    need = catalogue.bought.draw(stream(seed, "basket needs"), n)
    basket, category = orders.draw_baskets(stream(seed, "baskets"), catalogue, need, planted=planted)
    return pd.DataFrame({"basket_id": basket, "item": catalogue.name[category]}).sort_values(
        ["basket_id", "item"], ignore_index=True
    )
