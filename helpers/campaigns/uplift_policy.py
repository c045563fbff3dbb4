"""What a list of people earns: the value of a targeting policy, measured in the experiment itself.

A policy says who gets the offer. Those of its people whom chance treated show what happens with the offer, those whom
chance left out show what happens without it (inverse-probability weighting: Horvitz & Thompson 1952; policies: Hitsch,
Misra & Zhang 2024).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, missing
from helpers.intervals import z_value

VALUE = (
    "policy",
    "customers",
    "share",
    "profit",
    "profit_ci_low",
    "profit_ci_high",
    "profit_per_contact",
    "truth",
    "covered",
)
PER = 1_000
"""Values are for so many customers of the shop, on the list or not."""
LEAST_ON_LIST = 2


def take_best(score: np.ndarray, *, share: float, positive: bool = False, seed: int = 51) -> np.ndarray:
    """Who is on the list: the `share` of people with the highest score, equal scores in a random order.

    Parameters
    ----------
    score : array
        One number a person.
    share : float
        Part of the people, 0…1; the list has the nearest whole number of them.
    positive : bool
        True: nobody whose score is not above 0, so the list may be shorter.
    seed : int
        Start of the draw that decides between equals.

    Returns
    -------
    array of float
        1 on the list, else 0.

    Raises
    ------
    ExperimentError
        A share out of its range.

    Examples
    --------
    >>> take_best(np.array([0.1, 0.4, -0.2, 0.3]), share=0.5).tolist()
    [0.0, 1.0, 0.0, 1.0]
    >>> take_best(np.array([0.1, 0.4, -0.2, -0.3]), share=1.0, positive=True).tolist()
    [1.0, 1.0, 0.0, 0.0]
    """
    if not 0 <= share <= 1:
        raise ExperimentError(f"share {share!r}: take a part of the people from 0 to 1")
    s = np.asarray(score, dtype=float)
    order = np.lexsort((np.random.default_rng(seed).random(len(s)), -s))
    chosen = np.zeros(len(s))
    chosen[order[: round(share * len(s))]] = 1.0
    return chosen * (s > 0) if positive else chosen


def policies_at(scores: pd.DataFrame, *, share: float, seed: int = 51) -> pd.DataFrame:
    """The lists that are compared: one a score at the budget, with random, everybody and nobody.

    Parameters
    ----------
    scores : DataFrame
        One row a person, one column a method.
    share : float
        The budget: part of the people who can get the offer, 0…1.
    seed : int
        As in `take_best`.

    Returns
    -------
    DataFrame
        One row a person, one column a policy: the chance of getting the offer, 0…1. 'random' gives everyone the same
        chance, so its value is the mean over all random lists.

    Examples
    --------
    >>> policies_at(pd.DataFrame({"rule": [2.0, 1.0]}), share=0.5).to_dict("list")
    {'rule': [1.0, 0.0], 'random': [0.5, 0.5], 'everybody': [1.0, 1.0], 'nobody': [0.0, 0.0]}
    """
    lists = {name: take_best(score, share=share, seed=seed) for name, score in scores.items()}
    n = len(scores)
    return pd.DataFrame(
        lists | {"random": np.full(n, share), "everybody": np.ones(n), "nobody": np.zeros(n)}, index=scores.index
    )


def influence(profit: np.ndarray, treated: np.ndarray, chance: np.ndarray) -> tuple[float, np.ndarray]:
    """The value of one policy more than contacting nobody, a person of the shop, and each person's part in its error.

    With the chance π of getting the offer under the policy, and the weighted means ȳ₁ and ȳ₀ (weights π) of the treated
    and of the control:

        V = π̄ · (ȳ₁ − ȳ₀)        error² = Σ ψ²,  ψ = π̄·π·[t·(y − ȳ₁)/Σπt − (1 − t)·(y − ȳ₀)/Σπ(1 − t)]

    This is inverse-probability weighting with weights that add up to one within each arm (Hájek). The list is taken as
    given.

    Parameters
    ----------
    profit : array
        What each person earned, contact cost taken off.
    treated : array of 0/1
        Drawn by chance, with equal chances for all.
    chance : array
        π, 0…1.

    Returns
    -------
    (float, array)
        V, and ψ of each person. V is 0 where nobody is on the list; nan where an arm has fewer than two people on it.

    References
    ----------
    horvitz1952, hitsch2024.

    Examples
    --------
    Half of the people are on the list; there 10 with and 4 without the offer: ½ · 6.

    >>> profit, treated = np.array([10.0, 10, 4, 4, 1, 1, 1, 1]), np.array([1, 1, 0, 0, 1, 1, 0, 0])
    >>> influence(profit, treated, np.repeat([1.0, 0.0], 4))[0]
    3.0
    """
    y, t, p = (np.asarray(x, dtype=float) for x in (profit, treated, chance))
    if not p.any():
        return 0.0, np.zeros(len(y))
    if min(((p > 0) & (t == arm)).sum() for arm in (0, 1)) < LEAST_ON_LIST:
        return math.nan, np.full(len(y), math.nan)
    weights = [p * a / (p * a).sum() for a in (t, 1 - t)]
    means = [w @ y for w in weights]
    psi = p.mean() * (weights[0] * (y - means[0]) - weights[1] * (y - means[1]))
    return float(p.mean() * (means[0] - means[1])), psi


def policy_values(
    profit: np.ndarray,
    treated: np.ndarray,
    policies: pd.DataFrame,
    *,
    effect: np.ndarray | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """What each policy earns for 1,000 customers, more than contacting nobody, with interval and truth.

    Parameters
    ----------
    profit, treated
        As in `influence`.
    policies : DataFrame
        From `policies_at`.
    effect : array, optional
        True profit with less without the offer of each person; known for a simulated shop only.
    level : float
        How often such intervals cover the true value, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a policy: `policy`, `customers` (contacted), `share`, `profit` (currency units for 1,000 customers of
        the shop) with `profit_ci_low`, `profit_ci_high` (normal), `profit_per_contact` (currency units), `truth` and
        `covered` (missing for real data). A value is missing where an arm has fewer than two people on the list.
        Empty, with the reason, where the profit is not known.

    References
    ----------
    As in `influence`.

    Examples
    --------
    >>> profit, treated = np.array([10.0, 10, 4, 4, 1, 1, 1, 1]), np.array([1, 1, 0, 0, 1, 1, 0, 0])
    >>> lists = policies_at(pd.DataFrame({"rule": np.arange(8, 0, -1)}), share=0.5)
    >>> policy_values(profit, treated, lists)[["policy", "customers", "profit", "profit_per_contact"]]
          policy  customers  profit  profit_per_contact
    0       rule          4  3000.0                 6.0
    1     random          4  1500.0                 3.0
    2  everybody          8  3000.0                 3.0
    3     nobody          0     0.0                 NaN
    """
    if reason := _unknown(profit):
        return missing(VALUE, reason)
    z, rows = z_value(level), []
    for name, chance in policies.items():
        chance = chance.to_numpy(float)
        value, psi = influence(profit, treated, chance)
        wide = z * math.sqrt((psi**2).sum())
        known = float((effect * chance).mean()) if effect is not None and len(effect) else math.nan
        share = float(chance.mean())
        covered = None if math.isnan(known) or math.isnan(value) else bool(abs(value - known) <= wide + 1e-12)
        money = [PER * x for x in (value, value - wide, value + wide)]
        each = value / share if share else math.nan
        rows.append((name, round(chance.sum()), share, *money, each, PER * known, covered))
    return pd.DataFrame(rows, columns=list(VALUE))


def policy_differences(
    profit: np.ndarray,
    treated: np.ndarray,
    policies: pd.DataFrame,
    *,
    policy: str,
    against: tuple[str, ...] = (),
    effect: np.ndarray | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """What one policy earns more than the others, with the interval of the difference on the same people.

    People who are on both lists drop out of the difference, so it is known better than the two values.

    Parameters
    ----------
    profit, treated, policies, effect, level
        As in `policy_values`.
    policy : str
        The policy that is compared with `against`.
    against : tuple of str
        Other policies; by default all others.

    Returns
    -------
    DataFrame
        One row a policy: `against`, `in_both_share` (of the people of `policy`), `difference` (currency units for 1,000
        customers) with `ci_low`, `ci_high`, `truth`, `covered`. Missing as in `policy_values`.

    Raises
    ------
    ExperimentError
        An unknown policy.

    Examples
    --------
    >>> profit, treated = np.array([10.0, 10, 4, 4, 1, 1, 1, 1]), np.array([1, 1, 0, 0, 1, 1, 0, 0])
    >>> lists = policies_at(pd.DataFrame({"rule": np.arange(8, 0, -1)}), share=0.5)
    >>> policy_differences(profit, treated, lists, policy="rule", against=("random",))[["against", "difference"]]
      against  difference
    0  random      1500.0
    """
    names = ["against", "in_both_share", "difference", "ci_low", "ci_high", "truth", "covered"]
    if unknown := [p for p in (policy, *against) if p not in policies.columns]:
        raise ExperimentError(f"policy {unknown[0]!r}: take one of {', '.join(map(str, policies.columns))}")
    if reason := _unknown(profit):
        return missing(names, reason)
    mine = policies[policy].to_numpy(float)
    value, psi = influence(profit, treated, mine)
    rows = []
    for other in against or [p for p in policies.columns if p != policy]:
        theirs = policies[other].to_numpy(float)
        value_2, psi_2 = influence(profit, treated, theirs)
        gap, wide = value - value_2, z_value(level) * math.sqrt(((psi - psi_2) ** 2).sum())
        known = float((effect * (mine - theirs)).mean()) if effect is not None and len(effect) else math.nan
        covered = None if math.isnan(known) or math.isnan(gap) else bool(abs(gap - known) <= wide + 1e-12)
        both = float((mine * theirs).sum() / mine.sum()) if mine.any() else math.nan
        rows.append((other, both, *(PER * x for x in (gap, gap - wide, gap + wide, known)), covered))
    return pd.DataFrame(rows, columns=names)


def value_curve(
    profit: np.ndarray,
    treated: np.ndarray,
    scores: pd.DataFrame,
    *,
    steps: int = 20,
    effect: np.ndarray | None = None,
    seed: int = 51,
) -> pd.DataFrame:
    """The value of the best-first lists at every budget: where should the shop stop?

    Parameters
    ----------
    profit, treated, effect
        As in `policy_values`.
    scores : DataFrame
        One row a person, one column a method.
    steps : int
        Budgets between nobody and everybody, ≥ 2.
    seed : int
        As in `take_best`.

    Returns
    -------
    DataFrame
        `policy`, `share`, `profit` (currency units for 1,000 customers; the true one where `effect` is known, and so
        said in `attrs["of"]`: 'truth' or 'experiment'). Steps where an arm is nearly empty are left out.

    Examples
    --------
    >>> profit, treated = np.array([10.0, 10, 4, 4, 1, 1, 1, 1]), np.array([1, 1, 0, 0, 1, 1, 0, 0])
    >>> value_curve(profit, treated, pd.DataFrame({"rule": np.arange(8, 0, -1)}), steps=2)
      policy  share  profit
    0   rule    0.0     0.0
    1   rule    0.5  3000.0
    2   rule    1.0  3000.0
    """
    names = ["policy", "share", "profit"]
    if reason := _unknown(profit):
        return missing(names, reason)
    known = effect is not None and len(effect) > 0
    rows = []
    for name, score in scores.items():
        for share in np.linspace(0, 1, steps + 1):
            chance = take_best(score.to_numpy(), share=float(share), seed=seed)
            value = float((effect * chance).mean()) if known else influence(profit, treated, chance)[0]
            rows.append((name, float(share), PER * value))
    table = pd.DataFrame(rows, columns=names).dropna().reset_index(drop=True)
    table.attrs["of"] = "truth" if known else "experiment"
    return table


def value_estimate(values: pd.DataFrame, *, row: str, label: str = "policy", value: str = "profit") -> Estimate:
    """One row of `policy_values` or `policy_differences` as an estimate, for a finding.

    >>> value_estimate(pd.DataFrame({"against": ["random"], "difference": [2.0], "ci_low": [1.0], "ci_high": [3.0]}),
    ...                row="random", label="against", value="difference")
    Estimate(value=2.0, ci_low=1.0, ci_high=3.0, reason='')
    """
    if values.empty:
        return Estimate.missing(values.attrs.get("reason", "the value is not known"))
    mine = values[values[label] == row]
    if mine.empty or pd.isna(mine[value].iloc[0]):
        return Estimate.missing(f"too few people of both arms are on the list '{row}'")
    low, high = (f"{value}_ci_low", f"{value}_ci_high") if f"{value}_ci_low" in mine else ("ci_low", "ci_high")
    return Estimate(*(float(mine[c].iloc[0]) for c in (value, low, high)))


def true_value(values: pd.DataFrame, *, row: str, label: str = "policy") -> float | None:
    """The truth of one row of `policy_values` or `policy_differences`; None for real data.

    >>> true_value(pd.DataFrame({"policy": ["random"], "truth": [3.0]}), row="random")
    3.0
    """
    mine = values.loc[values[label] == row, "truth"].dropna() if len(values) else []
    return float(mine.iloc[0]) if len(mine) else None


def _unknown(profit: np.ndarray) -> str:
    """Why the profit cannot be used; '' when it can."""
    values = np.asarray(pd.to_numeric(pd.Series(profit)), dtype=float)
    lost = int((~np.isfinite(values)).sum())
    if len(values) == 0:
        return "there are no participants"
    if lost:
        return (
            f"the profit of {lost:,} of {len(values):,} participants is not known: give items a unit_margin and the "
            "campaign a unit_cost"
        )
    return ""
