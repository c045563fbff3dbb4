"""The truth beside the shop: what an analysis of the tables should find."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from helpers.simulate import adverts, feedback, season
from helpers.simulate.block import Block, World, stays
from helpers.simulate.campaigns import (
    CAMPAIGNS,
    DOSES,
    FREQUENCY_CEILING,
    FREQUENCY_HALF,
    OPEN_FATIGUE,
    OPENED,
    SRM_LOSS,
    Trial,
    frequency_lift,
    opt_out_chance,
    planned,
)  # fmt: skip
from helpers.simulate.catalogue import RULES, SEQUENCES, STAPLES, Catalogue, category_ids, item_ids
from helpers.simulate.orders import SECOND_NEED
from helpers.simulate.people import (
    AGES,
    LIFESTYLES,
    MAX_INTERESTS,
    NO_LABEL,
    SEGMENTS,
    TASTE_SHARE,
    need_shares,
)
from helpers.simulate.settings import DAY, START, ShopSettings, date_of

TYPES = ("lost cause", "persuadable", "sleeping dog", "sure thing")
FUTURE_VALUE = 60.0  # margin lost for good by one opt-out, currency units


def users_truth(world: World, block: Block) -> dict[str, np.ndarray]:
    """Latent traits of each customer."""
    people, kept = block.people, block.kept
    leaves = ~stays(block.gone) & (block.gone <= world.days * DAY)
    robot = np.isin(np.arange(len(people)), block.robots)
    return {
        "user_id": block.user_id[kept],
        "segment": labels(SEGMENTS, people.segment)[kept],
        "lifestyle": labels(LIFESTYLES, people.lifestyle)[kept],
        "orders_per_week": np.round(7 * people.order_rate, 5)[kept],
        "leave_probability": np.round(people.leave, 5)[kept],
        "left_at": np.where(leaves, (START + block.gone).astype(str), "").astype(object)[kept],
        "price_taste": np.round(people.quality, 4)[kept],
        "novelty_taste": np.round(people.novelty, 4)[kept],
        "deal_taste": np.round(people.deal, 4)[kept],
        "interests": people.breadth[kept].astype(np.int64),
        "satisfaction": np.round(people.satisfaction, 4)[kept],
        "robot": robot[kept],
    }


def tastes_truth(world: World, block: Block) -> dict[str, np.ndarray]:
    """Share of each customer's needs that comes from each own interest; the rest comes from all categories."""
    people, count = block.people, world.catalogue.categories
    mine = np.arange(MAX_INTERESTS) < people.breadth[:, None]
    user = np.nonzero(mine)[0]
    cell = user * count + people.interests[mine]
    share = np.bincount(cell, TASTE_SHARE / people.breadth[user], len(people) * count).reshape(-1, count)
    user, category = np.nonzero((share > 0) & block.kept[:, None])
    return {
        "user_id": block.user_id[user],
        "category_id": category_ids(category),
        "share": np.round(share[user, category], 6),
    }


def order_chances_truth(catalogue: Catalogue) -> dict[str, np.ndarray]:
    """Chance that an order holds a category, by its main need; need 0: one that does not come from an interest."""
    needs = [catalogue.bought.share, *np.eye(catalogue.categories)]
    chance = np.stack([basket_probabilities(catalogue, need).diagonal() for need in needs])
    row, category = np.nonzero(chance)
    return {
        "need_id": np.where(row > 0, category_ids(row - 1), 0),
        "category_id": category_ids(category),
        "chance": np.round(chance[row, category], 6),
    }


def labels(names: tuple[str, ...], index: np.ndarray) -> np.ndarray:
    """Words of indices; −1 becomes the word for `no segment`."""
    return np.array([*names, NO_LABEL], object)[index]


def potential_outcomes(block: Block, trial: Trial, world: World) -> dict[str, np.ndarray]:
    """Both outcomes of every participant, one row a participant and non-control arm."""
    taking = np.flatnonzero((trial.arm >= 0) & block.kept)
    names = np.array(list(trial.campaign.arms), object)
    parts = [_against_control(block, trial, k, taking, names) for k in range(1, len(names))]
    return {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}


def _against_control(block: Block, trial: Trial, k: int, taking: np.ndarray, names: np.ndarray) -> dict:
    spend, bought, profit = trial.spend[:, taking], trial.bought[:, taking], profits(trial)[:, taking]
    later = trial.later[:, taking]
    return {
        "campaign_id": np.full(len(taking), trial.campaign.name, object),
        "user_id": block.user_id[taking],
        "arm": np.full(len(taking), names[k], object),
        "assigned": names[trial.arm[taking]],
        "y0": spend[0] / 100, "y1": spend[k] / 100, "effect": (spend[k] - spend[0]) / 100,
        "purchased0": bought[0], "purchased1": bought[k],
        "profit0": np.round(profit[0], 2), "profit1": np.round(profit[k], 2),
        "later0": later[0] / 100, "later1": later[k] / 100,
        "type": np.array(TYPES, object)[2 * bought[0] + bought[k]],
    }  # fmt: skip


def profits(trial: Trial) -> np.ndarray:
    """Margin less discounts and contact costs, currency units, arm × user."""
    return trial.margin / 100 - trial.messages * trial.campaign.unit_cost


@dataclass
class Totals:
    """Sums over the blocks, for the truths of the whole shop."""

    arms: dict = field(default_factory=dict)
    cate: dict = field(default_factory=dict)
    touched: np.ndarray | None = None
    sales: np.ndarray | None = None
    needs: np.ndarray | None = None
    caused: np.ndarray | None = None
    caused_sales: np.ndarray | None = None
    answers: dict = field(default_factory=dict)
    doses: tuple[int, np.ndarray] | None = None

    def add(self, name: str, value: np.ndarray) -> None:
        """Add to an array that starts empty."""
        now = getattr(self, name)
        setattr(self, name, value if now is None else now + value)

    def add_trial(self, trial: Trial, block: Block) -> None:
        """Count participants and effects by arm, and by the visible features on which they depend."""
        taking = (trial.arm >= 0) & block.kept
        profit = profits(trial)
        for k, arm in enumerate(trial.campaign.arms):
            effects = np.stack([
                (trial.spend[k] - trial.spend[0]) / 100, trial.bought[k].astype(float) - trial.bought[0],
                profit[k] - profit[0], (trial.later[k] - trial.later[0]) / 100, trial.messages[k],
            ])  # fmt: skip
            sums = [taking.sum(), (taking & (trial.arm == k)).sum(), *effects[:, taking].sum(axis=1)]
            key = (trial.campaign.name, arm)
            self.arms[key] = self.arms.get(key, 0) + np.array(sums, float)
            for feature, value, mask in _visible_groups(block):
                here = taking & mask
                sums = np.array([here.sum(), *effects[:3, here].sum(axis=1)], float)
                self.cate[(*key, feature, value)] = self.cate.get((*key, feature, value), 0) + sums
        if len(trial.doses):
            n, margin = self.doses or (0, 0)
            self.doses = (n + int(taking.sum()), margin + trial.doses[:, taking].sum(axis=1))

    def add_answers(self, block: Block) -> None:
        """Count promoters and detractors among all customers with an order and among those who answered."""
        nps, given = block.answers["nps"], block.answers["answered"]
        for name, mask in (("all", np.ones(len(nps), bool)), ("answered", given)):
            sums = np.array([mask.sum(), (nps[mask] >= 9).sum(), (nps[mask] <= 6).sum()])
            self.answers[name] = self.answers.get(name, 0) + sums


def _visible_groups(block: Block):
    for tier in range(1, 5):
        yield "city_tier", str(tier), block.people.city_tier == tier
    for k, age in enumerate(AGES):
        yield "age_band", age, block.people.age == k


def expected_needs(block: Block, world: World) -> np.ndarray:
    """Expected main needs by category of the block's base orders: taste, and the steps of planted sequences."""
    base = block.base[0]
    free = np.bincount(base.user[~block.followed], minlength=len(block.people))
    steps = np.bincount(base.need[block.followed], minlength=world.catalogue.categories)
    return need_shares(block.people, world.catalogue, free) + steps


def basket_probabilities(catalogue: Catalogue, need: np.ndarray) -> np.ndarray:
    """Probability that a basket holds both categories, category × category (diagonal: the category itself).

    Exact: a sum over the basket's two needs; given the needs, rules and staples are drawn independently.
    """
    count = catalogue.categories
    second = np.append(SECOND_NEED * catalogue.bought.share, 1 - SECOND_NEED)
    both, alone = np.zeros((count, count)), np.zeros(count)
    for a in np.flatnonzero(need):
        inside = 1 - (1 - catalogue.rule_chance[a]) * (1 - np.vstack([catalogue.rule_chance, np.zeros(count)]))
        inside[:, a] = 1
        inside[np.arange(count), np.arange(count)] = 1
        inside[a] = 1 - (1 - catalogue.rule_chance[a])
        inside[a, a] = 1
        inside = 1 - (1 - inside) * (1 - catalogue.staple_chance)
        weight = need[a] * second
        both += (inside * weight[:, None]).T @ inside
        alone += weight @ inside
    both[np.arange(count), np.arange(count)] = alone
    return both


def rules_truth(catalogue: Catalogue, needs: np.ndarray) -> dict[str, np.ndarray]:
    """Planted rules, pairs that they imply, and decoys, with their true support, confidence and lift."""
    both = basket_probabilities(catalogue, needs / needs.sum())
    single = both.diagonal()
    planted_pairs = [(a, b, "planted") for a, b, _ in RULES]
    implied = [(b, d, "implied") for a, b, _ in RULES for c, d, _ in RULES if a == c and b < d]
    staples = [name for name, _ in STAPLES]
    decoys = [(a, b, "decoy") for k, a in enumerate(staples) for b in staples[k + 1 :]]
    rows = []
    for first, second, kind in [*planted_pairs, *implied, *decoys]:
        a, b = catalogue.category(first), catalogue.category(second)
        lift = both[a, b] / (single[a] * single[b])
        rows.append((kind, first, second, a, b, both[a, b], both[a, b] / single[a], lift))
    columns = list(zip(*rows, strict=True))
    return {
        "kind": np.array(columns[0], object),
        "antecedent": np.array(columns[1], object), "consequent": np.array(columns[2], object),
        "antecedent_id": category_ids(np.array(columns[3])), "consequent_id": category_ids(np.array(columns[4])),
        "support": np.round(columns[5], 7), "confidence": np.round(columns[6], 5), "lift": np.round(columns[7], 4),
    }  # fmt: skip


def sequences_truth(catalogue: Catalogue) -> dict[str, np.ndarray]:
    """Planted sequences of the main categories of successive orders."""
    names = [np.array([s[k] for s in SEQUENCES], object) for k in range(3)]
    ids = [category_ids(np.array([catalogue.category(s[k]) for s in SEQUENCES])) for k in range(3)]
    return {
        **{f"step_{k + 1}": names[k] for k in range(3)},
        **{f"step_{k + 1}_id": ids[k] for k in range(3)},
        "probability_2_after_1": np.array([s[3] for s in SEQUENCES]),
        "probability_3_after_1_2": np.array([s[4] for s in SEQUENCES]),
    }


def arms_truth(totals: Totals) -> dict[str, np.ndarray]:
    """True mean effects of each arm against control over all participants."""
    keys, sums = list(totals.arms), np.array(list(totals.arms.values())).reshape(-1, 7)
    n = np.maximum(sums[:, 0], 1)
    names = ("ate_spend", "ate_purchase", "ate_profit", "ate_later_spend", "messages_per_user")
    return {
        "campaign_id": np.array([k[0] for k in keys], object), "arm": np.array([k[1] for k in keys], object),
        "participants": sums[:, 0].astype(np.int64), "assigned": sums[:, 1].astype(np.int64),
        **{name: np.round(sums[:, 2 + k] / n, 6) for k, name in enumerate(names)},
    }  # fmt: skip


def cate_truth(totals: Totals) -> dict[str, np.ndarray]:
    """True mean effects by city tier (reactions) and age band (customers who are put off)."""
    keys, sums = list(totals.cate), np.array(list(totals.cate.values())).reshape(-1, 4)
    n = np.maximum(sums[:, 0], 1)
    return {
        "campaign_id": np.array([k[0] for k in keys], object), "arm": np.array([k[1] for k in keys], object),
        "feature": np.array([k[2] for k in keys], object), "value": np.array([k[3] for k in keys], object),
        "participants": sums[:, 0].astype(np.int64),
        **{f"cate_{m}": np.round(sums[:, 1 + k] / n, 6) for k, m in enumerate(("spend", "purchase", "profit"))},
    }  # fmt: skip


def channels_truth(totals: Totals, world: World) -> dict[str, np.ndarray]:
    """What each channel really adds: orders and sales that would not be there without it, and its curve."""
    channels, k = adverts.CHANNELS, len(adverts.CHANNELS) - len(adverts.PLANNED)
    return {
        "channel": np.array(adverts.NAMES, object),
        "incremental_orders": np.append(totals.caused, np.zeros(k, np.int64)),
        "incremental_sales": np.append(totals.caused_sales, np.zeros(k)) / 100,
        "ceiling": np.array([c.ceiling for c in channels]),
        "half_spend_per_user": np.array([c.half if c.ceiling else 0.0 for c in channels]),
        "carry": np.array([c.carry for c in channels]),
    }


def contact_truth(totals: Totals, settings: ShopSettings) -> dict[str, np.ndarray]:
    """The dose–response behind frequency-oct, by messages a week.

    `profit`: true mean over the participants of margin − cost of the messages − opt-outs × future value, against no
    message. `added_order_probability` is before the customer's own factors (city tier, still there or not).
    """
    campaign, dose = CAMPAIGNS["frequency-oct"], np.array(DOSES)
    null, count = settings.assignment == "aa", dose * campaign.weeks
    chance = np.array([opt_out_chance(d) for d in dose])
    left = 1 - (1 - chance) ** count
    sent = np.where(chance > 0, left / np.maximum(chance, 1e-12), 0)
    n, margin = totals.doses if totals.doses else (1, np.zeros(len(dose)))
    gain = (margin - margin[0]) / 100 / max(n, 1)
    return {
        "per_week": dose,
        "added_order_probability": np.round([0.0 if null else frequency_lift(d) for d in dose], 5),
        "opt_out_probability": np.round(left, 5),
        "messages_sent": np.round(sent, 4),
        "open_rate_last": np.round(OPENED * np.exp(-OPEN_FATIGUE * np.maximum(count - 1, 0)), 5),
        "margin": np.round(gain, 5),
        "profit": np.round(gain - campaign.unit_cost * sent - FUTURE_VALUE * left, 5),
    }


def anomalies_truth(days: int) -> dict[str, np.ndarray]:
    """Days on which something was planted, and the known festivals."""
    rows = [*season.ANOMALIES, *((d, "festival", "orders", f"ordering × {f}") for d, f in season.FESTIVALS.items())]
    rows = [r for r in sorted(rows) if r[0] in set(date_of(np.arange(days)))]
    names = ("day", "kind", "metric", "meaning")
    return {n: np.array([r[k].replace(",", " and") for r in rows], object) for k, n in enumerate(names)}


def feedback_truth(block: Block, keep: np.ndarray) -> dict[str, np.ndarray]:
    """The meaning of each written answer, in the order of the table `feedback`."""
    answers = block.answers
    return {
        "user_id": block.user_id[answers["user"][keep]],
        "item_id": item_ids(answers["item"][keep]),
        "created_at": START + answers["second"][keep],
        "sentiment": np.array(feedback.SENTIMENTS, object)[answers["sentiment"][keep]],
        "topic": np.array(feedback.TOPICS, object)[answers["topic"][keep]],
        "satisfaction": np.round(answers["mood"][keep], 4),
    }


def scalars(world: World, totals: Totals, rows: dict[str, int]) -> dict[str, dict]:
    """The scalar truths: name → value, unit, meaning."""
    settings = world.settings
    truth: dict[str, dict] = {}

    def say(key: str, value, unit: str, meaning: str) -> None:
        truth[key] = {"value": value, "unit": unit, "meaning": meaning}

    say("segments", len(SEGMENTS) if settings.segments else 1, "groups", "number of customer segments")
    say("assignment", settings.assignment, "", "how the voucher was given: randomised, confounded, or aa (no effect)")
    say("srm_loss", SRM_LOSS if settings.srm_fault else 0.0, "share", "treated rows of voucher-aug that were lost")
    for row in zip(*arms_truth(totals).values(), strict=True):
        name, arm, n, _, spend, purchase, profit, later, _ = row
        if arm != "control":
            key = f"{name}.{arm}"
            say(f"{key}.participants", int(n), "users", "customers of all arms, over whom the means are taken")
            say(f"{key}.ate_spend", float(spend), "currency units", "mean effect on spend in the window")
            say(f"{key}.ate_purchase", float(purchase), "share", "mean effect on the share with a purchase")
            say(f"{key}.ate_profit", float(profit), "currency units", "mean effect on margin − discount − contacts")
            say(f"{key}.ate_later_spend", float(later), "currency units", "mean effect on the next three weeks' spend")
    _say_feedback(say, totals)
    _say_contacts(say, totals, settings)
    _say_traffic(say, settings)
    for name, count in rows.items():
        say(f"rows.{name}", count, "rows", f"rows of {name}, planted faults not counted")
    return truth


def _say_feedback(say, totals: Totals) -> None:
    for name, meaning in (("all", "all orders, answered or not"), ("answered", "the orders with an answer")):
        n, up, down = totals.answers[name]
        score = round(100 * float(up - down) / max(int(n), 1), 4)
        say(f"nps.{name}", score, "points", f"net promoter score over {meaning}")
    n, m = totals.answers["all"][0], totals.answers["answered"][0]
    say("feedback.response_rate", round(float(m) / max(int(n), 1), 6), "share", "orders that got an answer")
    for mood, chance in zip(("unhappy", "between", "happy"), feedback.RESPONSE, strict=True):
        say(f"feedback.response.{mood}", chance, "share", f"probability that the customer answers when {mood}")


def _say_contacts(say, totals: Totals, settings: ShopSettings) -> None:
    zero = settings.assignment == "aa"
    say("contact.lift_ceiling", 0.0 if zero else FREQUENCY_CEILING, "share", "added orders at endless frequency")
    say("contact.half", FREQUENCY_HALF, "messages a week", "scale of the saturation: 1 − exp(−f / half)")
    say("contact.opt_out_one", opt_out_chance(1), "share", "opt-out on one message at one a week; grows with f^0.7")
    say("contact.future_value", FUTURE_VALUE, "currency units", "margin lost for good by one opt-out")
    curve = contact_truth(totals, settings)
    best = float(curve["per_week"][np.argmax(curve["profit"])])
    say("contact.best_frequency", best, "messages a week", "frequency with the highest true profit")
    say("attribution.no_effect", ["search", "retargeting"], "", "channels that cause no order")


def campaigns_table(settings: ShopSettings) -> dict[str, np.ndarray]:
    """The table `campaigns`, columns as in the contract."""
    rows = sorted(planned(settings), key=lambda c: c.name)
    return {
        "campaign_id": np.array([c.name for c in rows], object),
        "channel": np.array([c.channel for c in rows], object),
        "objective": np.array([c.objective for c in rows], object),
        "starts_at": np.array([START + c.start for c in rows], np.int64),
        "ends_at": np.array([START + c.end - 1 for c in rows], np.int64),
        "unit_cost": np.array([c.unit_cost for c in rows], float),
        "randomised": np.array([not c.targeted for c in rows], bool),
    }


def _say_traffic(say, settings: ShopSettings) -> None:
    day, first, last, lost = season.OUTAGE
    if day < settings.days:
        say("traffic.outage_day", str(date_of([day])[0]), "day", "the tracking outage")
        say("traffic.outage_hours", [first, last], "hour", "its first hour, and the hour in which it is over")
        say("traffic.outage_lost", lost, "share", "views, favourites and carts of these hours that are not in the log")
    if settings.days > season.CRAWLER_DAY:
        say("traffic.crawler_day", str(date_of([season.CRAWLER_DAY])[0]), "day", "the crawler's day")
        say("traffic.crawler_views", season.CRAWLER_VIEWS, "page views", "views of each robot on that day")
