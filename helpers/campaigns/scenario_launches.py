"""The whole way graded: many simulated shops test two offers, plan, decide, launch; the true outcome is known.

The shops do not follow the model of `scenario`: customers differ in their rates and in the size of their orders, some
are put off, some only buy earlier.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_inputs import Trial, from_arms
from helpers.campaigns.scenario_plans import Launch, Plan, at_mean, expected, simulate
from helpers.findings import Estimate
from helpers.intervals import rate

MARGIN_RATE, MESSAGE_COST, MESSAGES = 0.35, 0.1, 4
STRONGEST = {"extra": 0.22, "discount": 0.10, "forward": 0.35, "put_off": 0.30, "opt_out": 0.02}
CHANCE_DRAWS = 25  # draws from which the variance of the customers' chance is measured
CITY = np.array([0.5, 0.85, 1.15, 1.5])  # added orders by city tier
LATER = 1.5  # length of the follow-up as a multiple of the window


def draw_people(size: int, *, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Customers who differ: `group`, `rate` (orders a window), `ticket` (their mean order), `tier`, `older`."""
    rates = 0.3 * rng.gamma(0.7, 1 / 0.7, size)
    tier, older = rng.integers(1, 5, size), rng.random(size) < 0.26
    lately = rng.random(size) < -np.expm1(-2 * rates)
    group = 4 * (tier > 2) + 2 * older + lately
    return {
        "group": group, "rate": rates, "ticket": 150 * rng.lognormal(-0.08, 0.4, size), "tier": tier,
        "older": older,
    }  # fmt: skip


GROUPS = tuple(f"group {k}" for k in range(8))
"""Large or smaller city × under 45 or older × not lately or bought lately."""


def draw_offer(rng: np.random.Generator) -> dict[str, float]:
    """An offer whose strength nobody knows: added orders, price cut, orders brought forward, put-off, opt-out."""
    return {name: float(rng.uniform(0, top)) for name, top in STRONGEST.items()}


def outcomes(people: dict[str, np.ndarray], offers: list[dict], *, rng: np.random.Generator) -> list[dict]:
    """What every customer does without an offer and with each: from one set of draws, so that only the offer differs.

    Returns
    -------
    list of dict
        The world without an offer, then one an offer: arrays `orders`, `spend`, `margin`, `later_spend`, `opted_out`.
    """
    n = len(people["rate"])
    base, after = rng.poisson(people["rate"]), rng.poisson(LATER * people["rate"])
    size, later_size, extra_size = people["ticket"] * rng.lognormal(-0.18, 0.6, (3, n))
    react, put_off, early, left = rng.random((4, n))
    worlds = []
    for offer in (dict.fromkeys(STRONGEST, 0.0), *offers):
        stays = ~((put_off < offer["put_off"]) & people["older"])
        added = react < offer["extra"] * CITY[people["tier"] - 1]
        moved = np.where(early < offer["forward"], after, 0)
        gross = base * size * stays + added * extra_size + moved * later_size
        cut = offer["discount"] * gross
        worlds.append({
            "orders": base * stays + added + moved, "spend": gross - cut, "margin": MARGIN_RATE * gross - cut,
            "later_spend": (after - moved) * later_size, "opted_out": (left < offer["opt_out"]).astype(int),
        })  # fmt: skip
    return worlds


def past_test(offer: dict, *, size: int, rng: np.random.Generator) -> tuple[dict, dict]:
    """A past experiment with an offer: half of `size` customers, drawn by chance, and the others."""
    people = draw_people(size, rng=rng)
    without, with_ = outcomes(people, [offer], rng=rng)
    treated = rng.permutation(size) < size // 2
    arms = []
    for world, own in ((with_, treated), (without, ~treated)):
        seen = {name: values[own].astype(float) for name, values in world.items()}
        more = {"later_margin": MARGIN_RATE * seen["later_spend"], "code": people["group"][own]}
        arms.append(seen | more | {"contacts": np.full(own.sum(), MESSAGES if own is treated else 0)})
    return arms[0], arms[1]


def one_launch(*, people: int, draws: int, consent_value: float, level: float, seed: int) -> dict[str, float]:
    """One shop: two tests, two plans for the same customers, the prediction, the choice, and what really happens."""
    rng = np.random.default_rng([seed, 9])
    pair = [draw_offer(rng), draw_offer(rng)]
    here = draw_people(people, rng=rng)
    launches = []
    for name, offer in zip("AB", pair, strict=True):
        tested = Trial(name, "treated", "email", 2.0, MESSAGES / 2, MESSAGE_COST)
        known = from_arms(tested, *past_test(offer, size=people, rng=rng), names=GROUPS, draws=draws, seed=seed)
        launches.append(
            Launch(
                Plan(name), known, np.arange(people), here["group"], people, 1.0, 1.0, MESSAGE_COST, consent_value, 1.0,
                (), (),
            )
        )  # fmt: skip
    truth = [_profit(w, consent_value) for w in outcomes(here, pair, rng=rng)]
    return _graded(launches, truth[1] - truth[2], level=level, seed=seed, rng=rng)


def _profit(world: dict[str, np.ndarray], consent_value: float) -> float:
    return float(
        world["margin"].sum() + MARGIN_RATE * world["later_spend"].sum() - consent_value * world["opted_out"].sum()
    )


def _graded(launches: list[Launch], true: float, *, level: float, seed: int, rng: np.random.Generator) -> dict:
    means = [expected(x) for x in launches]
    knowledge = (means[0].profit_long_run - means[1].profit_long_run).to_numpy()
    # the customers' chance is close to normal for hundreds of them, and small beside what is not known
    still = simulate([at_mean(x, draws=CHANCE_DRAWS) for x in launches], seed=seed)
    chance = (still[0].profit_long_run - still[1].profit_long_run).std(ddof=1)
    gap = knowledge + chance * rng.standard_normal(len(knowledge))
    low, high = np.quantile(gap, [0.5 - level / 2, 0.5 + level / 2])
    chosen = 1 if knowledge.mean() > 0 else -1
    end = 1 if (means[0].profit_at_end - means[1].profit_at_end).mean() > 0 else -1
    return {
        "predicted": gap.mean(), "error": gap.std(ddof=1), "ci_low": low, "ci_high": high, "truth": true,
        "covered": low <= true <= high, "right": chosen * true > 0, "regret": max(0.0, -chosen * true),
        "predicted_regret": np.maximum(0.0, -chosen * gap).mean(), "sure_share": (chosen * gap > 0).mean(),
        "right_short": end * true > 0, "regret_short": max(0.0, -end * true), "regret_coin": abs(true) / 2,
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
        One row a launch: `predicted` long-run profit of A less B with its `error`, `ci_low`, `ci_high`; the `truth`,
        `covered`; `right` (was the better plan chosen?), `regret` and `predicted_regret` (currency units),
        `sure_share` (predicted chance to be right), `sceptical_share` (the same with a prior from all launches);
        `right_short`, `regret_short`: of who looks at the end of the campaign only; `regret_coin`: of a coin.

    Raises
    ------
    ExperimentError
        A number out of its range.

    Examples
    --------
    >>> launch_study(launches=1, people=100, draws=50).shape
    (1, 14)
    """
    if launches < 1 or people < 100 or draws < 50 or not 0 < level < 1:
        raise ExperimentError(
            f"launches {launches!r}, people {people!r}, draws {draws!r}, level {level!r}: take 1, 100, 50 or more, and "
            "a level between 0 and 1"
        )
    common = {"people": people, "draws": draws, "consent_value": consent_value, "level": level}
    study = pd.DataFrame([one_launch(seed=seed * 100_000 + k, **common) for k in range(launches)])
    return study.assign(sceptical_share=_sceptical_share(study))


def _sceptical_share(study: pd.DataFrame) -> np.ndarray:
    """Chance to be right for someone who knows how large the differences of all these launches are."""
    scale2 = max(0.0, (study.predicted**2).mean() - (study.error**2).mean())
    kept = scale2 / (scale2 + study.error**2)
    return norm.cdf(np.sqrt(kept) * study.predicted.abs() / study.error)


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
        "sure_share": "predicted chance to be right, these two tests alone",
        "sceptical_share": "predicted chance to be right, knowing usual differences",
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
