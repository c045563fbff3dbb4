"""The whole way graded: many simulated shops test two offers, plan, decide, launch; the true outcome is known.

The shops do not follow the model of `scenario`: customers differ in their rates and in the size of their orders, some
are put off, some only buy earlier.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario import Launch, Plan, expected, simulate
from helpers.campaigns.scenario_inputs import groups, one_arm
from helpers.findings import Estimate
from helpers.intervals import rate

MARGIN_RATE, MESSAGE_COST, MESSAGES = 0.35, 0.1, 4
CITY = np.array([0.5, 0.85, 1.15, 1.5])  # added orders by city tier
LATER = 1.5  # length of the follow-up as a multiple of the window
AGES = np.array(["18-24", "25-34", "35-44", "45-54", "55+"], object)


def draw_people(size: int, *, rng: np.random.Generator) -> pd.DataFrame:
    """Customers who differ: `group`, `rate` (orders a window), `ticket` (their mean order), `tier`, `older`."""
    rates = 0.3 * rng.gamma(0.7, 1 / 0.7, size)
    tier = rng.integers(1, 5, size)
    age = rng.choice(5, size, p=[0.22, 0.33, 0.19, 0.15, 0.11])
    past = (rng.random(size) < -np.expm1(-2 * rates)).astype(float)
    people = pd.DataFrame({"city_tier": tier, "age_band": AGES[age], "past_spend": past})
    ticket = 150 * rng.lognormal(-0.08, 0.4, size)
    return pd.DataFrame({"group": groups(people), "rate": rates, "ticket": ticket, "tier": tier, "older": age >= 3})


def draw_offer(rng: np.random.Generator) -> dict[str, float]:
    """An offer whose strength nobody knows: added orders, price cut, orders brought forward, put-off, opt-out."""
    most = {"extra": 0.22, "discount": 0.10, "forward": 0.35, "put_off": 0.30, "opt_out": 0.02}
    return {name: float(rng.uniform(0, top)) for name, top in most.items()}


def outcomes(people: pd.DataFrame, offers: list[dict], *, rng: np.random.Generator) -> list[pd.DataFrame]:
    """What every customer does without an offer and with each: from one set of draws, so that only the offer differs.

    Returns
    -------
    list of DataFrame
        The world without an offer, then one an offer: `orders`, `spend`, `margin`, `later_spend`, `opted_out`.
    """
    n = len(people)
    base, after = rng.poisson(people.rate), rng.poisson(LATER * people.rate)
    size, later_size, extra_size = people.ticket.to_numpy() * rng.lognormal(-0.18, 0.6, (3, n))
    react, put_off, early, left = rng.random((4, n))
    worlds = []
    for offer in ({"extra": 0, "discount": 0, "forward": 0, "put_off": 0, "opt_out": 0}, *offers):
        stays = ~((put_off < offer["put_off"]) & people.older)
        added = react < offer["extra"] * CITY[people.tier - 1]
        moved = np.where(early < offer["forward"], after, 0)
        gross = base * size * stays + added * extra_size + moved * later_size
        orders = base * stays + added + moved
        cut = offer["discount"] * gross
        worlds.append(pd.DataFrame({
            "orders": orders, "spend": gross - cut, "margin": MARGIN_RATE * gross - cut,
            "later_spend": (after - moved) * later_size, "opted_out": (left < offer["opt_out"]).astype(int),
        }))  # fmt: skip
    return worlds


def past_test(name: str, offer: dict, *, size: int, rng: np.random.Generator) -> pd.DataFrame:
    """A past experiment with an offer: half of `size` customers, drawn by chance, got it."""
    people = draw_people(size, rng=rng)
    without, with_ = outcomes(people, [offer], rng=rng)
    treated = rng.permutation(size) < size // 2
    seen = with_.where(pd.Series(treated), without)
    arm = np.where(treated, "treated", "control")
    return seen.assign(
        campaign_id=name, arm=arm, group=people.group, later_margin=MARGIN_RATE * seen.later_spend,
        contacts=np.where(treated, MESSAGES, 0), channel="email", weeks=2.0, unit_cost=MESSAGE_COST,
    )  # fmt: skip


def one_launch(*, people: int, draws: int, consent_value: float, level: float, seed: int) -> dict[str, float]:
    """One shop: two tests, two plans for the same customers, the prediction, the choice, and what really happens."""
    rng = np.random.default_rng([seed, 9])
    pair = [draw_offer(rng), draw_offer(rng)]
    here = draw_people(people, rng=rng)
    names = tuple(sorted(here.group.unique()))
    group = np.searchsorted(names, here.group.to_numpy(dtype=str))
    launches = []
    for name, offer in zip("AB", pair, strict=True):
        test = past_test(name, offer, size=people, rng=rng)
        known = one_arm(test, "treated", 2.0, names=names, draws=draws, seed=seed)
        launches.append(
            Launch(
                Plan(name), known, np.arange(people), group, people, 1.0, 1.0, MESSAGE_COST, consent_value, 1.0, (), ()
            )
        )
    truth = [_profit(w, consent_value) for w in outcomes(here, pair, rng=rng)]
    return _graded(launches, truth, level=level, seed=seed)


def _profit(world: pd.DataFrame, consent_value: float) -> dict[str, float]:
    end = world.margin.sum()
    return {"end": end, "long": end + MARGIN_RATE * world.later_spend.sum() - consent_value * world.opted_out.sum()}


def _graded(launches: list[Launch], truth: list[dict[str, float]], *, level: float, seed: int) -> dict[str, float]:
    drawn = [t.profit_long_run.to_numpy() for t in simulate(launches, seed=seed)]
    gap = drawn[0] - drawn[1]
    low, high = np.quantile(gap, [0.5 - level / 2, 0.5 + level / 2])
    true = truth[1]["long"] - truth[2]["long"]
    means = [expected(x) for x in launches]
    knowledge = (means[0].profit_long_run - means[1].profit_long_run).to_numpy()
    end = (means[0].profit_at_end - means[1].profit_at_end).mean()
    chosen = 1 if knowledge.mean() > 0 else -1
    return {
        "predicted": gap.mean(), "ci_low": low, "ci_high": high, "truth": true, "covered": low <= true <= high,
        "right": chosen * true > 0, "regret": max(0.0, -chosen * true),
        "predicted_regret": np.maximum(0.0, -chosen * gap).mean(),
        "sure_share": (chosen * gap > 0).mean(),
        "right_short": np.sign(end) * true > 0, "regret_short": max(0.0, -np.sign(end) * true),
        "regret_coin": abs(true) / 2,
    }  # fmt: skip


def launch_study(
    *, launches: int = 200, people: int = 600, draws: int = 200, consent_value: float = 20.0, level: float = 0.95,
    seed: int = 55,
) -> pd.DataFrame:  # fmt: skip
    """Many simulated launches: is the interval as wide as it says, is the choice right, and what does a wrong one cost?

    Parameters
    ----------
    launches : int
        Simulated shops, 1 or more; each has two offers of its own strength.
    people : int
        Participants of each test, and customers at the launch, 100 or more.
    draws : int
        Draws of each prediction, 50 or more.
    consent_value : float
        Profit lost by one opt-out, currency units.
    level : float
        Level of the predictive interval, 0…1 exclusive.
    seed : int
        Start of the random numbers.

    Returns
    -------
    DataFrame
        One row a launch: `predicted` long-run profit of A less B with `ci_low`, `ci_high`, its `truth`, `covered`;
        `right` (was the better plan chosen?), `regret` (currency units), `predicted_regret`, `sure_share` (predicted
        chance to be right); the same of who looks only at the end of the campaign (`right_short`, `regret_short`);
        `regret_coin` of who tosses a coin.

    Raises
    ------
    ExperimentError
        A number out of its range.

    Examples
    --------
    >>> launch_study(launches=1, people=100, draws=50).shape
    (1, 12)
    """
    if launches < 1 or people < 100 or draws < 50 or not 0 < level < 1:
        raise ExperimentError(
            f"launches {launches!r}, people {people!r}, draws {draws!r}, level {level!r}: take 1, 100, 50 or more, and "
            "a level between 0 and 1"
        )
    common = {"people": people, "draws": draws, "consent_value": consent_value, "level": level}
    return pd.DataFrame([one_launch(seed=seed * 100_000 + k, **common) for k in range(launches)])


def launch_summary(study: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """The study in a few lines, each with its Wilson or normal interval.

    Returns
    -------
    DataFrame
        `measure`, `value`, `ci_low`, `ci_high`, `launches`.
    """
    rows = []
    shares = {
        "covered": "intervals that hold the truth, share", "right": "right choices, share",
        "right_short": "right choices by the profit at the end alone, share",
    }  # fmt: skip
    for column, word in shares.items():
        found = rate(int(study[column].sum()), len(study), level=level)
        rows.append((word, found.value, found.ci_low, found.ci_high))
    money = {
        "sure_share": "predicted chance to be right",
        "regret": "regret, mean",
        "predicted_regret": "predicted regret, mean",
        "regret_short": "regret by the profit at the end alone, mean",
        "regret_coin": "regret of a coin, mean",
    }
    for column, word in money.items():
        mean, half = study[column].mean(), 1.96 * study[column].sem() if len(study) > 1 else 0.0
        rows.append((word, mean, mean - half, mean + half))
    table = pd.DataFrame(rows, columns=["measure", "value", "ci_low", "ci_high"])
    return table.assign(launches=len(study))


def coverage(study: pd.DataFrame, *, level: float = 0.95) -> Estimate:
    """Share of the predictive intervals that hold the truth, with its Wilson interval."""
    return rate(int(study.covered.sum()), len(study), level=level)
