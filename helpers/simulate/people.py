"""The customers of the demo shop: segments, lifestyles, tastes, and how often they order until they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.simulate.catalogue import Catalogue
from helpers.simulate.settings import Lottery, date_of

FIRST_USER = 1_000_001
SEGMENTS = ("loyal", "bargain hunter", "browser", "occasional")
LIFESTYLES = ("quality-life", "fashion-forward", "rational-saving")
NO_LABEL = "none"

# One value a segment, in the order of SEGMENTS.
SHARE = (0.14, 0.24, 0.20, 0.42)
ORDERS = (13.5, 3.8, 0.8, 1.25)  # orders in 26 weeks while the customer stays
LOOKS = (0.15, 0.05, 1.75, 0.02)  # shopping episodes in 26 weeks that end without an order
ACTIONS = (80.0, 108.0, 130.0, 29.0)  # events of an episode, without its purchases
CART = (0.035, 0.1145, 0.012, 0.015)  # share of the events
FAV = (0.016, 0.010, 0.078, 0.006)
DEAL = (0.12, 0.80, 0.15, 0.12)  # probability that a line is bought at a discount
WANDER = (0.45, 0.12, 0.80, 0.10)  # share of the views outside the session's category
INTERESTS = (6, 3, 9, 2)  # categories the customer comes back to
LEAVE = (1.0, 14.0)  # Beta: probability to leave after an order
# The continuous population of the no-segments mode, as (mean of log, sd of log).
ONE_POPULATION = {"orders": (1.25, 0.40), "looks": (-0.7, 0.40), "actions": (4.4, 0.25)}

QUALITY = (0.88, 0.52, 0.10)  # one value a lifestyle: taste for expensive items, 0…1
NOVELTY = (0.12, 0.50, 0.06)  # probability to choose from the new items
LIFESTYLE_DEAL = (-0.05, 0.0, 0.12)
TASTE_SHARE = 0.6  # share of needs that come from the customer's own interests
MAX_INTERESTS = 10
AT_HOME = 0.6

AGES, AGE_SHARE = ("18-24", "25-34", "35-44", "45-54", "55+"), (0.22, 0.33, 0.20, 0.15, 0.10)
GENDERS, GENDER_SHARE = ("female", "male", "not stated"), (0.56, 0.40, 0.04)
TIER_SHARE = (0.22, 0.28, 0.30, 0.20)
JOINED_BEFORE = 0.82
CONSENT_EMAIL, CONSENT_PUSH = 0.80, 0.70
LAST_JOIN_DAY = 175


@dataclass(frozen=True)
class People:
    """Latent traits, one entry a customer; rates are per day of operational time."""

    segment: np.ndarray  # index in SEGMENTS, −1 without segments
    lifestyle: np.ndarray  # index in LIFESTYLES, −1 without segments
    order_rate: np.ndarray
    look_rate: np.ndarray
    actions: np.ndarray
    cart: np.ndarray
    fav: np.ndarray
    wander: np.ndarray
    deal: np.ndarray
    quality: np.ndarray
    novelty: np.ndarray
    leave: np.ndarray  # probability to leave after an order
    interests: np.ndarray  # customer × MAX_INTERESTS: categories
    breadth: np.ndarray  # how many of them count
    satisfaction: np.ndarray
    age: np.ndarray
    gender: np.ndarray
    city_tier: np.ndarray
    join_day: np.ndarray
    consent_email: np.ndarray
    consent_push: np.ndarray

    def __len__(self) -> int:
        return len(self.order_rate)


def draw_people(rng: np.random.Generator, n: int, catalogue: Catalogue, *, segments: bool = True) -> People:
    """Draw `n` customers: from four segments and three lifestyles, or from one continuous population."""
    segment = rng.choice(4, n, p=SHARE) if segments else np.full(n, -1)
    lifestyle = rng.integers(0, 3, n) if segments else np.full(n, -1)
    rates = _segment_traits(rng, segment) if segments else _smooth_traits(rng, n)
    style = _style_traits(rng, lifestyle) if segments else _smooth_style(rng, n)
    deal = np.clip(rates.pop("deal") + style.pop("deal"), 0.02, 0.95)
    interests = _interests(rng, n, catalogue)
    return People(
        segment=segment, lifestyle=lifestyle, deal=deal, **rates, **style, interests=interests,
        leave=rng.beta(*LEAVE, n), satisfaction=rng.standard_normal(n),
        age=rng.choice(5, n, p=AGE_SHARE), gender=rng.choice(3, n, p=GENDER_SHARE),
        city_tier=1 + rng.choice(4, n, p=TIER_SHARE), join_day=_join_days(rng, n),
        consent_email=rng.random(n) < CONSENT_EMAIL, consent_push=rng.random(n) < CONSENT_PUSH,
    )  # fmt: skip


def _segment_traits(rng: np.random.Generator, segment: np.ndarray) -> dict[str, np.ndarray]:
    def spread(values: tuple, sd: float) -> np.ndarray:
        return np.array(values)[segment] * np.exp(sd * rng.standard_normal(len(segment)) - sd**2 / 2)

    return {
        "order_rate": spread(ORDERS, 0.30) / 182,
        "look_rate": spread(LOOKS, 0.30) / 182,
        "actions": spread(ACTIONS, 0.20),
        "cart": spread(CART, 0.15),
        "fav": spread(FAV, 0.15),
        "wander": spread(WANDER, 0.10),
        "deal": np.array(DEAL)[segment] + 0.05 * rng.standard_normal(len(segment)),
        "breadth": np.array(INTERESTS)[segment] + rng.integers(-1, 2, len(segment)),
    }


def _smooth_traits(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    level = rng.standard_normal(n)  # one common factor: how much the customer shops

    def spread(mean: float, sd: float) -> np.ndarray:
        return np.exp(mean + sd * (0.6 * level + 0.8 * rng.standard_normal(n)))

    return {
        "order_rate": spread(*ONE_POPULATION["orders"]) / 182,
        "look_rate": spread(*ONE_POPULATION["looks"]) / 182,
        "actions": spread(*ONE_POPULATION["actions"]),
        "cart": 0.055 * np.exp(0.2 * rng.standard_normal(n)),
        "fav": 0.029 * np.exp(0.2 * rng.standard_normal(n)),
        "wander": np.clip(0.35 + 0.06 * rng.standard_normal(n), 0, 1),
        "deal": 0.30 + 0.08 * rng.standard_normal(n),
        "breadth": np.clip(np.rint(5 + 1.2 * rng.standard_normal(n)), 1, MAX_INTERESTS).astype(int),
    }


def _style_traits(rng: np.random.Generator, lifestyle: np.ndarray) -> dict[str, np.ndarray]:
    noise = rng.standard_normal((2, len(lifestyle)))
    return {
        "quality": np.clip(np.array(QUALITY)[lifestyle] + 0.06 * noise[0], 0, 1),
        "novelty": np.clip(np.array(NOVELTY)[lifestyle] + 0.04 * noise[1], 0, 1),
        "deal": np.array(LIFESTYLE_DEAL)[lifestyle],
    }


def _smooth_style(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    noise = rng.standard_normal((2, n))
    return {
        "quality": np.clip(0.5 + 0.15 * noise[0], 0, 1),
        "novelty": np.clip(0.2 + 0.06 * noise[1], 0, 1),
        "deal": np.zeros(n),
    }


def _interests(rng: np.random.Generator, n: int, catalogue: Catalogue) -> np.ndarray:
    # each customer has a home department; six interests in ten are drawn from it
    home = catalogue.home.draw(rng, n)
    anywhere = catalogue.bought.draw(rng, n * MAX_INTERESTS).reshape(n, MAX_INTERESTS)
    inside = catalogue.at_home[home[:, None], rng.integers(0, Lottery.TICKETS, (n, MAX_INTERESTS))]
    return np.where(rng.random((n, MAX_INTERESTS)) < AT_HOME, inside, anywhere)


def _join_days(rng: np.random.Generator, n: int) -> np.ndarray:
    before = rng.random(n) < JOINED_BEFORE
    return np.where(before, -rng.integers(1, 900, n), rng.integers(0, LAST_JOIN_DAY, n))


def draw_needs(rng: np.random.Generator, people: People, catalogue: Catalogue, user: np.ndarray) -> np.ndarray:
    """What a customer looks for: one of the own interests, else any category by how often it is bought."""
    pick = (rng.random(len(user), np.float32) * people.breadth[user]).astype(np.int64)
    own = people.interests[user, pick]
    anything = catalogue.bought.draw(rng, len(user))
    return np.where(rng.random(len(user), np.float32) < TASTE_SHARE, own, anything)


def need_shares(people: People, catalogue: Catalogue, weight: np.ndarray) -> np.ndarray:
    """Expected number of needs by category, when customer u has `weight[u]` of them."""
    column = np.arange(MAX_INTERESTS)
    counts = column < people.breadth[:, None]
    each = TASTE_SHARE * weight[:, None] / people.breadth[:, None] * counts
    own = np.bincount(people.interests.ravel(), each.ravel(), catalogue.categories)
    return own + (1 - TASTE_SHARE) * weight.sum() * catalogue.bought.share


def users_table(people: People, first: int) -> dict[str, np.ndarray]:
    """The table `users`, columns as in the contract."""
    return {
        "user_id": user_ids(first + np.arange(len(people))),
        "age_band": np.array(AGES, object)[people.age],
        "gender": np.array(GENDERS, object)[people.gender],
        "city_tier": people.city_tier.astype(np.int64),
        "joined_on": date_of(people.join_day).astype(object),
        "consent_email": people.consent_email,
        "consent_push": people.consent_push,
    }


def user_ids(index: np.ndarray) -> np.ndarray:
    """Public ids of user indices."""
    return FIRST_USER + np.asarray(index, np.int64)
