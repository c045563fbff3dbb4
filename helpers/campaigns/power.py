"""Planning an experiment before it starts: how many people, which power, which smallest effect (Fleiss 1981).

Two kinds of outcome: a rate (purchased: yes or no), for which the formula with the pooled variance under *no effect* is
used, and a mean with a known standard deviation (spend), for which the t distribution is used.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

MOST_USERS = 1e15


def minimum_sample_size(
    *,
    effect: float,
    base: float | None = None,
    sd: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    pooled: bool = True,
) -> float:
    """People per arm that a two-sided test needs to find `effect` with the wished power.

    Rates, p₁ = base, p₂ = base + effect, p̄ their mean:
    n = (z₁₋α⸝₂·√(2p̄(1 − p̄)) + z_power·√(p₁(1 − p₁) + p₂(1 − p₂)))² / (p₁ − p₂)².
    Means with standard deviation sd: the n at which the two-sample t-test reaches the power. Range > 0; high means that
    the effect is small against the noise.

    Parameters
    ----------
    effect : float
        Difference to be found: of rates (0.02 is two percentage points), or of means in the outcome's unit; not 0.
    base : float
        Rate without treatment, 0…1. Give either `base` or `sd`.
    sd : float
        Standard deviation of the outcome between people, > 0.
    power : float
        Probability to find the effect when it is there, alpha…1 exclusive.
    alpha : float
        Probability of a false alarm, 0…1 exclusive.
    pooled : bool
        Rates only. True: under *no effect* the variance is that of the pooled rate, as in R's `power.prop.test`.
        False: √(p₁(1 − p₁) + p₂(1 − p₂)) in both places, as in many web calculators; a little smaller.

    Returns
    -------
    float
        People per arm, not yet rounded up.

    Raises
    ------
    ExperimentError
        An argument out of its range, or not exactly one of `base` and `sd`.

    References
    ----------
    Fleiss (1981): fleiss1981. Cohen (1988) for means: cohen1988. R: `power.prop.test`, `power.t.test`.

    Examples
    --------
    >>> round(minimum_sample_size(base=0.5, effect=0.25, power=0.9), 1)
    76.7
    >>> math.ceil(minimum_sample_size(base=0.10, effect=0.02))
    3841
    >>> math.ceil(minimum_sample_size(effect=0.5, sd=1))
    64
    """
    _check_plan(effect=effect, base=base, sd=sd, alpha=alpha)
    if not alpha < power < 1:
        raise ExperimentError(f"power {power!r}: take a number between alpha ({alpha}) and 1, such as 0.8")
    if sd is not None:
        # never fewer than two an arm: below, the t-test does not exist
        return float(_solve(lambda n: _power_mean(n, effect / sd, alpha) - power, 2.0, MOST_USERS))
    p1, p2 = base, base + effect
    own = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    null = math.sqrt((p1 + p2) * (2 - p1 - p2) / 2) if pooled else own
    return float(((norm.ppf(1 - alpha / 2) * null + norm.ppf(power) * own) / effect) ** 2)


def power(
    *, users: float, effect: float, base: float | None = None, sd: float | None = None, alpha: float = 0.05
) -> float:
    """Probability that the two-sided test finds `effect` with `users` people per arm.

    Rates: Φ((|p₁ − p₂|·√n − z₁₋α⸝₂·√(2p̄(1 − p̄))) / √(p₁(1 − p₁) + p₂(1 − p₂))); means: the noncentral t distribution.
    Range alpha/2…1; below 0.8 a *not significant* result says little.

    Parameters
    ----------
    users : float
        People per arm, ≥ 2.
    effect, base, sd, alpha : float
        As in `minimum_sample_size`.

    Returns
    -------
    float
        A probability.

    Raises
    ------
    ExperimentError
        As in `minimum_sample_size`.

    References
    ----------
    As in `minimum_sample_size`.

    Examples
    --------
    >>> round(power(users=3841, base=0.10, effect=0.02), 3)
    0.8
    >>> round(power(users=64, effect=0.5, sd=1), 2)
    0.8
    """
    _check_plan(effect=effect, base=base, sd=sd, alpha=alpha)
    if not users >= 2:
        raise ExperimentError(f"users {users!r}: an arm needs at least 2 people")
    if sd is not None:
        return _power_mean(users, effect / sd, alpha)
    return _power_rate(users, base, effect, alpha)


def minimum_effect(
    *, users: float, base: float | None = None, sd: float | None = None, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest rise that `users` people per arm show with the wished power: the minimum detectable effect.

    The effect at which `power(...)` reaches the wish; for means about (z₁₋α⸝₂ + z_power)·sd·√(2/n).

    Parameters
    ----------
    users : float
        People per arm, ≥ 2.
    base, sd, power, alpha : float
        As in `minimum_sample_size`.

    Returns
    -------
    float
        A positive difference, in the unit of the outcome; NaN where even a rise to 100 % would not be found.

    Raises
    ------
    ExperimentError
        As in `minimum_sample_size`.

    References
    ----------
    Bloom (1995): bloom1995.

    Examples
    --------
    >>> round(minimum_effect(users=3841, base=0.10), 4)
    0.02
    >>> round(minimum_effect(users=64, sd=1), 2)
    0.5
    """
    _check_plan(effect=-1e-12 if base == 1 else 1e-12, base=base, sd=sd, alpha=alpha)
    if not users >= 2 or not alpha < power < 1:
        raise ExperimentError(f"users {users!r}, power {power!r}: take at least 2 people and a power of alpha…1")
    if sd is not None:
        return sd * _solve(lambda d: _power_mean(users, d, alpha) - power, 1e-12, 1e6)
    most = 1 - base
    # at p2 = 1 the formula's own variance may be 0
    if most <= 1e-9 or _power_rate(users, base, most * (1 - 1e-9), alpha) < power:
        return math.nan
    return _solve(lambda e: _power_rate(users, base, e, alpha) - power, 1e-12, most * (1 - 1e-9))


def planner(
    effects: list[float],
    *,
    base: float | None = None,
    sd: float | None = None,
    arms: int = 2,
    available: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """The planner: for each effect that would matter, the people an experiment needs.

    Parameters
    ----------
    effects : list of float
        Differences worth finding, in the unit of the outcome.
    base, sd, power, alpha : float
        As in `minimum_sample_size`.
    arms : int
        Number of arms with the control, ≥ 2. With more than two, alpha is shared by the arms − 1 comparisons.
    available : int, optional
        People that can take part, over all arms.

    Returns
    -------
    DataFrame
        One row an effect, in the order given: `effect`, `users_per_arm`, `users_in_all` (rounded up, people) and, with
        `available`, `enough` (yes or no). Effects that lead out of 0…1 are left out.

    Raises
    ------
    ExperimentError
        As in `minimum_sample_size`; fewer than two arms.

    References
    ----------
    As in `minimum_sample_size`.

    Examples
    --------
    >>> planner([0.02, 0.05], base=0.10, available=2000)
       effect  users_per_arm  users_in_all  enough
    0    0.02           3841          7682   False
    1    0.05            686          1372    True
    """
    if arms < 2:
        raise ExperimentError(f"arms {arms!r}: a comparison needs at least 2")
    possible = [e for e in effects if base is None or 0 <= base + e <= 1]
    if not possible:
        return missing(["effect", "users_per_arm", "users_in_all"], f"from a base of {base} no effect stays in 0…1")
    share = alpha / (arms - 1)
    need = [math.ceil(minimum_sample_size(effect=e, base=base, sd=sd, power=power, alpha=share)) for e in possible]
    table = pd.DataFrame({"effect": possible, "users_per_arm": need, "users_in_all": [arms * n for n in need]})
    return table if available is None else table.assign(enough=table.users_in_all <= available)


def power_curve(
    effects: list[float],
    *,
    users: list[int],
    base: float | None = None,
    sd: float | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """The chance to find an effect, by its size and by the number of people: the picture beside the planner.

    Parameters
    ----------
    effects : list of float
        Differences, in the unit of the outcome, not 0; impossible ones (a rate above 100 %) are left out.
    users : list of int
        People per arm, each ≥ 2.
    base, sd, alpha : float
        As in `minimum_sample_size`.

    Returns
    -------
    DataFrame
        One row a number of people and effect: `users_per_arm` (text), `effect`, `power_rate`.

    Raises
    ------
    ExperimentError
        As in `power`.

    References
    ----------
    As in `minimum_sample_size`.

    Examples
    --------
    >>> power_curve([0.02], users=[1000, 3841], base=0.10).round(2)
      users_per_arm  effect  power_rate
    0         1,000    0.02         0.3
    1         3,841    0.02         0.8
    """
    possible = [e for e in effects if base is None or 0 <= base + e <= 1]
    rows = [(f"{n:,}", e, power(users=n, effect=e, base=base, sd=sd, alpha=alpha)) for n in users for e in possible]
    names = ["users_per_arm", "effect", "power_rate"]
    return pd.DataFrame(rows, columns=names) if rows else missing(names, f"from a base of {base} no effect is possible")


def _power_rate(users: float, base: float, effect: float, alpha: float) -> float:
    p1, p2 = base, base + effect
    own = math.sqrt(p1 * (1 - p1) + p2 * (1 - p2))
    null = math.sqrt((p1 + p2) * (2 - p1 - p2) / 2)
    return float(norm.cdf((abs(effect) * math.sqrt(users) - norm.ppf(1 - alpha / 2) * null) / own))


def _power_mean(users: float, d: float, alpha: float) -> float:
    degrees, shift = 2 * (users - 1), abs(d) * math.sqrt(users / 2)
    edge = t.ppf(1 - alpha / 2, degrees)
    if degrees > 1e5 or shift > 30:  # the noncentral t is the normal there, and its series fails
        return float(norm.sf(edge - shift) + norm.cdf(-edge - shift))
    # the other tail is below 1e-10 from a shift of 5 on, where its series fails
    other = nct.cdf(-edge, degrees, shift) if shift < 5 else 0.0
    return float(nct.sf(edge, degrees, shift) + other)


def _solve(gap: Callable[[float], float], low: float, high: float) -> float:
    """Where `gap` turns from below to above 0; `low` where it is never below."""
    return low if gap(low) >= 0 else float(brentq(gap, low, high, xtol=1e-12, rtol=1e-10, maxiter=500))


def _check_plan(*, effect: float, base: float | None, sd: float | None, alpha: float) -> None:
    if (base is None) == (sd is None):
        raise ExperimentError("give either base (the rate without treatment) or sd (of a mean), and not both")
    if not math.isfinite(effect) or effect == 0:
        raise ExperimentError(f"effect {effect!r}: take the difference worth finding, not 0")
    if sd is not None and not (math.isfinite(sd) and sd > 0):
        raise ExperimentError(f"sd {sd!r}: take the standard deviation between people, above 0")
    if base is not None and not (0 <= base <= 1 and 0 <= base + effect <= 1):
        raise ExperimentError(f"base {base!r} with effect {effect!r}: both rates must lie within 0…1")
    if not 0 < alpha < 1:
        raise ExperimentError(f"alpha {alpha!r}: take a number between 0 and 1, such as 0.05")
