"""A shop whose response to advertising is known: it grades the fit of the curves and the split of the budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.campaigns.allocation import regret, split_budget
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.response_curves import (
    ResponseFit,
    adstock,
    curves,
    fit_response,
    marginal_response,
    returns,
    saturation,
)

CHANNELS = ("video", "social", "newspaper")
FLIGHTS = (0.0, 0.5, 1.0, 1.0, 2.0)
"""A week's spend as a multiple of the plan's mean, drawn by chance: without such flights nothing could be learned."""
BASE = 100_000.0


def simulate_budget(*, weeks: int = 104, noise: float = 0.02, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Weeks of spend and sales of three channels whose curves are drawn at random, and these curves.

    sales = base·(1 + season + trend) + Σ ceiling·hill(adstock) + noise. Ceilings are 10 to 30 % of the base, half is
    0.5 to 1.5 times the mean adstock, carry 0.1 to 0.6.

    Parameters
    ----------
    weeks : int
        Length of the record, 20…1000.
    noise : float
        Standard deviation of the sales around the model, share of the base, 0…1.
    seed : int
        Of all random draws.

    Returns
    -------
    (DataFrame, DataFrame)
        One row a week: `week`, `sales`, `season_sin`, `season_cos`, `trend`, and the spend of each channel, all money
        in currency units. One row a channel: `channel`, `ceiling`, `half`, `carry`: the truth.

    Raises
    ------
    ExperimentError
        weeks or noise out of range.

    References
    ----------
    Jin et al. (2017): jin2017.

    Examples
    --------
    >>> table, truth = simulate_budget(weeks=30, seed=1)
    >>> table.shape, truth.channel.tolist()
    ((30, 8), ['video', 'social', 'newspaper'])
    """
    if not (20 <= weeks <= 1000 and 0 <= noise <= 1):
        raise ExperimentError(f"weeks {weeks!r}, noise {noise!r}: take 20 to 1000 weeks and a noise of 0 to 1")
    rng = np.random.default_rng(seed)
    week = np.arange(weeks)
    angle = 2 * np.pi * week / 52
    table = pd.DataFrame({"week": week, "season_sin": np.sin(angle), "season_cos": np.cos(angle)})
    table["trend"] = week / 52
    sales = BASE * (1 + 0.10 * table.season_sin - 0.05 * table.season_cos + 0.05 * table.trend)
    rows = []
    for name, mean in zip(CHANNELS, (2_000.0, 1_500.0, 1_000.0), strict=True):
        spend = mean * np.array(FLIGHTS)[rng.integers(0, len(FLIGHTS), weeks)] * rng.uniform(0.8, 1.2, weeks)
        carry = rng.uniform(0.1, 0.6)
        half = rng.uniform(0.5, 1.5) * mean / (1 - carry)
        rows.append((name, rng.uniform(0.10, 0.30) * BASE, half, carry))
        sales = sales + rows[-1][1] * saturation(adstock(spend, carry=carry), half=half)
        table[name] = spend
    table["sales"] = np.maximum(sales + rng.normal(0, noise * BASE, weeks), 0)
    return table, pd.DataFrame(rows, columns=["channel", "ceiling", "half", "carry"])


CONTROLS = ["season_sin", "season_cos", "trend"]


def fit_simulated(table: pd.DataFrame, *, starts: int = 3, seed: int = 0) -> ResponseFit:
    """The fit of a simulated record, with its season and trend as controls."""
    return fit_response(
        table, channels=list(CHANNELS), outcome="sales", controls=table[CONTROLS], starts=starts, seed=seed
    )


def by_number(graded: pd.DataFrame) -> pd.DataFrame:
    """The fitted numbers of each channel one below the other, beside the true ones: a table that fits a page.

    `graded` has one row a channel, from `curves`, with the columns of the truth named `ceiling_true` and so on.

    >>> ends = {f"{n}{end}": [x] for n in ("ceiling", "half", "carry")
    ...         for end, x in (("", 2.0), ("_ci_low", 1.0), ("_ci_high", 3.0), ("_true", 2.5))}
    >>> by_number(pd.DataFrame({"channel": ["tv"]} | ends)).head(2)
      channel   number  fitted  ci_low  ci_high  truth
    0      tv  ceiling     2.0     1.0      3.0    2.5
    1      tv     half     2.0     1.0      3.0    2.5
    """
    ends = {"fitted": "", "ci_low": "_ci_low", "ci_high": "_ci_high", "truth": "_true"}
    parts = [
        graded[["channel"]].assign(number=name, **{new: graded[name + old] for new, old in ends.items()})
        for name in ("ceiling", "half", "carry")
    ]
    return pd.concat(parts).sort_values("channel", kind="stable", ignore_index=True)


def budget_study(
    *, budgets: int = 200, weeks: int = 104, noise: float = 0.02, level: float = 0.95, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Many simulated shops: do the intervals cover the truth, and what does a split by the fitted curves lose?

    Each shop's mean budget is split anew, each channel between 0 and twice its mean spend.

    Parameters
    ----------
    budgets : int
        Number of simulated shops, 1…100000.
    weeks, noise, seed
        As in `simulate_budget`.
    level : float
        As in `curves`.

    Returns
    -------
    (DataFrame, DataFrame)
        One row a number that has an interval (ceiling, half, carry, average and marginal return): `number`, `known`
        (intervals given, of `asked`), `covered`, `coverage_share`. One row a shop: `regret_share` of the chosen split
        and `regret_before_share` of the split that the shop had, shares of the best split's added sales; missing where
        some curve is unknown and no split is proposed.

    References
    ----------
    As in `simulate_budget`.

    Examples
    --------
    >>> covered, lost = budget_study(budgets=2, noise=0.005, seed=3)
    >>> covered.number.tolist(), len(lost)
    (['ceiling', 'half', 'carry', 'average_return', 'marginal_return'], 2)
    """
    counts: dict[str, list[int]] = {}
    lost = []
    for number in range(budgets):
        table, truth = simulate_budget(weeks=weeks, noise=noise, seed=seed * 100_003 + number)
        fit = fit_simulated(table)
        found, back = curves(fit, level=level), returns(fit, level=level)
        for name, hits in _hits(found, back, truth, fit.mean_spend):
            known = [h for h in hits if h is not None]
            old = counts.setdefault(name, [0, 0, 0])
            counts[name] = [old[0] + len(hits), old[1] + len(known), old[2] + sum(known)]
        lost.append(_lost(found, truth, fit.mean_spend))
    rows = [(n, a, k, c, c / k if k else None) for n, (a, k, c) in counts.items()]
    names = ["number", "asked", "known", "covered", "coverage_share"]
    return pd.DataFrame(rows, columns=names), pd.DataFrame(lost, columns=["regret_share", "regret_before_share"])


def _hits(
    found: pd.DataFrame, back: pd.DataFrame, truth: pd.DataFrame, spend: dict[str, float]
) -> Iterator[tuple[str, list[bool | None]]]:
    """For every number: is the truth of each channel in its interval? None where the number is unknown."""
    money = [spend.get(c, 0.0) for c in truth.channel]
    slope = [float(marginal_response(r, s)) for (_, r), s in zip(truth.iterrows(), money, strict=True)]
    average = [r.ceiling / (s + r.half * (1 - r.carry)) for (_, r), s in zip(truth.iterrows(), money, strict=True)]
    wanted = truth.assign(marginal_return=slope, average_return=average).set_index("channel")
    for name in ("ceiling", "half", "carry", "average_return", "marginal_return"):
        table = (found if name in found else back).set_index("channel").reindex(wanted.index)
        low, high = table[f"{name}_ci_low"].astype(float), table[f"{name}_ci_high"].astype(float)
        inside = (low <= wanted[name]) & (wanted[name] <= high)
        yield name, [None if np.isnan(a) else bool(i) for a, i in zip(low, inside, strict=True)]


def _lost(found: pd.DataFrame, truth: pd.DataFrame, spend: dict[str, float]) -> tuple:
    """Regret of the split by the fitted curves, and of the split before."""
    most = {c: 2 * s for c, s in spend.items()}
    before = regret(spend, truth=truth, most=most)
    if len(found) < len(truth) or (found.status != "known").any():
        return None, before
    chosen = split_budget(found, total=sum(spend.values()), most=most)
    return regret(chosen.set_index("channel").spend, truth=truth, most=most), before
