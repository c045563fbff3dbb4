"""Frequency tests with a known answer: many of them, to see how often the cap is found and its interval is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.campaigns.contact_response import STEP, caps, fit_curves
from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate
from helpers.intervals import rate

PEOPLE_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class FrequencyTruth:
    """What is true in the simulated tests.

    A person orders about `base` times in `weeks` weeks, people differ (gamma with shape `spread`); f messages a week
    add one order with probability ceiling·(1 − e^(−f/scale)); each message makes him opt out with probability
    `opt_out`·f^`power`. An order earns a gamma-distributed margin with mean `order_value`. With the chance `put_off`·f
    a person is annoyed and gives up all orders of the test; the fitted curves have no term for that. Money in currency
    units.
    """

    doses: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 7.0)
    base: float = 0.45
    spread: float = 0.8
    ceiling: float = 0.2
    scale: float = 1.6
    opt_out: float = 0.002
    power: float = 0.7
    order_value: float = 94.0
    order_shape: float = 0.4
    weeks: int = 4
    unit_cost: float = 0.05
    future_value: float = 60.0
    put_off: float = 0.0

    def added(self, dose: np.ndarray) -> np.ndarray:
        """Chance of an added order."""
        return self.ceiling * -np.expm1(-np.asarray(dose) / self.scale)

    def leave(self, dose: np.ndarray) -> np.ndarray:
        """Share that opts out during the test."""
        return 1 - (1 - self.opt_out * np.asarray(dose) ** self.power) ** (np.asarray(dose) * self.weeks)

    def profit(self, dose: np.ndarray) -> np.ndarray:
        """Profit a person at a dose, against no message."""
        dose = np.asarray(dose, float)
        each = self.opt_out * dose**self.power
        sent = np.where(each > 0, self.leave(dose) / np.where(each > 0, each, 1), dose * self.weeks)
        cost = self.unit_cost * sent + self.future_value * self.leave(dose)
        return self.order_value * (self.added(dose) - self.base * self.put_off * dose) - cost

    @property
    def best(self) -> float:
        """The dose with the highest profit within the doses tested."""
        fine = np.linspace(0, max(self.doses), 7001)
        return float(fine[self.profit(fine).argmax()])


def simulate_frequency(
    experiments: int, people: int, *, seed: int, truth: FrequencyTruth | None = None
) -> dict[str, np.ndarray]:
    """Draw frequency tests: `people` in each arm of each test, person by person.

    Parameters
    ----------
    experiments : int
        Number of tests, 1 or more.
    people : int
        Participants an arm, 2 or more.
    seed : int
        Start of the random numbers.
    truth : FrequencyTruth, optional
        What is true; by default values like those of the demo shop.

    Returns
    -------
    dict of arrays
        `orders`, `errors` (mean orders a person and standard error), `opt_outs`, `users`: tests × arms;
        `order_value`, `order_value_error`: one a test. These are the arguments of `fit_curves`.

    Raises
    ------
    ExperimentError
        Too few tests or people.

    Examples
    --------
    >>> simulate_frequency(3, 100, seed=1)["orders"].shape
    (3, 5)
    """
    if experiments < 1 or people < 2:
        raise ExperimentError(f"experiments {experiments!r}, people {people!r}: take at least 1 test, 2 people")
    truth = truth or FrequencyTruth()
    rng, dose = np.random.default_rng(seed), np.array(truth.doses)
    step = max(1, PEOPLE_AT_ONCE // (people * len(dose)))
    parts = [_orders(rng, min(step, experiments - k), people, truth) for k in range(0, experiments, step)]
    orders, errors, total = (np.concatenate(p) for p in zip(*parts, strict=True))
    shape = truth.order_shape * np.maximum(total, 1)
    value = truth.order_value * rng.gamma(shape) / shape  # the mean of so many gamma-distributed margins
    left = rng.binomial(people, truth.leave(dose), (experiments, len(dose)))
    return {
        "orders": orders,
        "errors": errors,
        "opt_outs": left,
        "users": np.full(left.shape, people),
        "order_value": value,
        "order_value_error": value / np.sqrt(shape),
    }


def _orders(rng, tests: int, people: int, truth: FrequencyTruth) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean orders a person with standard error, tests × arms, and all orders of each test."""
    dose = np.array(truth.doses)
    size = (tests, len(dose), people)
    own = rng.negative_binomial(truth.spread, truth.spread / (truth.spread + truth.base), size)
    if truth.put_off:
        own *= rng.random(size) >= truth.put_off * dose[None, :, None]
    own += rng.random(size) < truth.added(dose)[None, :, None]
    spread = np.maximum(own.std(axis=2, ddof=1), 1e-9)
    return own.mean(axis=2), spread / np.sqrt(people), own.sum(axis=(1, 2))


def frequency_study(
    experiments: int = 200, *, people: int = 2000, seed: int, level: float = 0.95, truth: FrequencyTruth | None = None
) -> pd.DataFrame:
    """Many simulated frequency tests: the cap that each finds, beside the true one.

    Parameters
    ----------
    experiments, people, seed, truth
        As in `simulate_frequency`.
    level : float
        Of the interval of the cap.

    Returns
    -------
    DataFrame
        One row a test: `people` (an arm), `put_off` (true share of the own orders lost for each message a week),
        `cap`, `ci_low`, `ci_high`, `truth` (messages a week), `within_one` (is the cap within one message a week of the
        truth?), `covered`, and `profit_share` (the true profit at the found cap as a share of the best).
    """
    truth = truth or FrequencyTruth()
    drawn = simulate_frequency(experiments, people, seed=seed, truth=truth)
    fit = fit_curves(np.array(truth.doses), **drawn, weeks=truth.weeks)
    found = caps(fit, unit_cost=truth.unit_cost, future_value=truth.future_value, level=level)
    table = pd.DataFrame(found, columns=["cap", "ci_low", "ci_high"])
    best, half = truth.best, STEP / 2  # an end of the interval stands for half a step of the search on either side
    return table.assign(
        people=people,
        put_off=truth.put_off,
        truth=best,
        within_one=(table["cap"] - best).abs() <= 1,
        covered=(table["ci_low"] - half <= best) & (best <= table["ci_high"] + half),
        profit_share=truth.profit(table["cap"].to_numpy()) / truth.profit(np.array([best])),
    )


def grade(study: pd.DataFrame, *, column: str) -> Estimate:
    """The share of simulated tests with `column` true, with its Wilson interval.

    >>> grade(pd.DataFrame({"within_one": [True, True, False, True]}), column="within_one").value
    0.75
    """
    return rate(int(study[column].sum()), len(study), reason="no test was simulated")


def study_summary(*studies: pd.DataFrame) -> pd.DataFrame:
    """Mean of each study, one row a study: how well the cap is found.

    Returns
    -------
    DataFrame
        `people_an_arm`, `orders_put_off_rate` (true, for each message a week), `tests`, `within_one_share`,
        `covered_share`, `error` (cap less the truth) and `width` of the interval (messages a week), `profit_share`.
    """
    rows = [
        (
            int(s["people"].iloc[0]),
            float(s["put_off"].iloc[0]),
            len(s),
            *(float(s[name].mean()) for name in ("within_one", "covered")),
            float((s["cap"] - s["truth"]).mean()),
            float((s["ci_high"] - s["ci_low"]).mean()),
            float(s["profit_share"].mean()),
        )
        for s in studies
    ]
    names = ["people_an_arm", "orders_put_off_rate", "tests", "within_one_share", "covered_share", "error", "width"]
    return pd.DataFrame(rows, columns=[*names, "profit_share"])
