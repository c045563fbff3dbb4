"""Looking at a running experiment: what repeated looks do to false alarms, and boundaries that allow for them.

After each of K looks at equal steps the sum of independent normal increments is compared with a boundary. The chance to
cross it at any look, without or with an effect, is computed exactly, by recursive integration over the sum (Armitage,
McPherson & Rowe 1969), and shown by simulation. Three boundaries keep the promise of 5 %: Pocock and O'Brien–Fleming
for a number of looks planned before, and Robbins' mixture for any number of looks at any time (*always valid*).
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import lambertw, ndtr
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.intervals import rate, z_value

SHAPES = {
    "fixed": "1.96 at every look",
    "pocock": "Pocock",
    "obrien_fleming": "O'Brien–Fleming",
    "always_valid": "always valid",
}
"""Kinds of boundary, and their names for a chart."""
NODES = 96  # Gauss–Legendre nodes over the continuation region: error under 1e-6 up to 200 looks


def false_positive_rate(*, looks: int, boundary: float | None = None, shape: str = "fixed") -> float:
    """The chance of at least one false alarm in `looks` looks at an experiment without effect.

    P(|Z_k| > c_k for some k ≤ K), Z_k = S_k/√k with S_k the sum of k standard normal increments;
    c_k = c for 'fixed' and 'pocock', c·√(K/k) for 'obrien_fleming'; 'always_valid' as in `mixture_boundary`, with the
    alpha of a single test at c. Range 0…1; 0.05 is what one look promises.

    Parameters
    ----------
    looks : int
        Number of equally spaced looks, 1…200.
    boundary : float, optional
        The constant c, > 0; by default 1.96, the boundary of a single look at 5 %.
    shape : str
        'fixed', 'pocock', 'obrien_fleming' or 'always_valid'.

    Returns
    -------
    float
        A probability, exact to about 1e-6.

    Raises
    ------
    ExperimentError
        An argument out of its range.

    References
    ----------
    Armitage, McPherson & Rowe (1969): armitage1969.

    Examples
    --------
    >>> [round(false_positive_rate(looks=k), 3) for k in (1, 2, 5, 10)]
    [0.05, 0.083, 0.142, 0.193]
    """
    c = z_value(0.95) if boundary is None else boundary
    return float(stopping(_boundaries(looks, c, shape)).sum())


def boundaries(*, looks: int, shape: str = "pocock", alpha: float = 0.05) -> pd.DataFrame:
    """Boundaries that keep the chance of any false alarm at `alpha` over all looks.

    The constant c is solved from P(cross at some look | no effect) = alpha; c_k as in `false_positive_rate`.
    Pocock asks for the same |Z| at every look, O'Brien–Fleming for much at first and almost 1.96 at the end. The always
    valid boundary (`mixture_boundary`) is not solved for these looks: it holds for any others, too, and is higher.

    Parameters
    ----------
    looks : int
        Number of looks planned before the start, 1…200.
    shape : str
        'fixed' (no protection: the usual quantile), 'pocock', 'obrien_fleming' or 'always_valid'.
    alpha : float
        Chance of a false alarm over all looks, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a look: `look`, `data_share` (of the planned users), `boundary` (of |Z|), `p_boundary` (the p-value
        that stops the experiment at this look).

    Raises
    ------
    ExperimentError
        An argument out of its range.

    References
    ----------
    Pocock (1977): pocock1977. O'Brien & Fleming (1979): obrien1979. Robbins (1970): robbins1970.

    Examples
    --------
    >>> boundaries(looks=5, shape="pocock").boundary.round(3).tolist()
    [2.413, 2.413, 2.413, 2.413, 2.413]
    >>> boundaries(looks=5, shape="obrien_fleming").boundary.round(2).tolist()
    [4.56, 3.23, 2.63, 2.28, 2.04]
    """
    edge = _boundaries(looks, _constant(looks, shape, alpha), shape)
    k = np.arange(1, looks + 1)
    return pd.DataFrame({"look": k, "data_share": k / looks, "boundary": edge, "p_boundary": 2 * norm.sf(edge)})


def peeking_drill(looks: list[int], *, experiments: int = 4000, seed: int = 50, level: float = 0.95) -> pd.DataFrame:
    """A/A experiments looked at several times: how often does each rule call a winner that does not exist?

    Parameters
    ----------
    looks : list of int
        Numbers of looks to try, each 1…200.
    experiments : int
        Simulated experiments without effect, ≥ 1.
    seed : int
        Start of the random stream.
    level : float
        Of the Wilson interval of the simulated rate.

    Returns
    -------
    DataFrame
        One row a rule and number of looks: `rule`, `looks`, `expected_rate` (exact), `alarm_rate` (simulated),
        `alarm_rate_ci_low`, `alarm_rate_ci_high`. Rules are the names of `SHAPES`.

    Raises
    ------
    ExperimentError
        An argument out of its range.

    References
    ----------
    As in `false_positive_rate`.

    Examples
    --------
    >>> drill = peeking_drill([1, 5], experiments=500)
    >>> drill[["rule", "looks", "expected_rate"]].round(3).tail(4)
                     rule  looks  expected_rate
    4  1.96 at every look      5          0.142
    5              Pocock      5          0.050
    6     O'Brien–Fleming      5          0.050
    7        always valid      5          0.007
    """
    if experiments < 1:
        raise ExperimentError(f"experiments {experiments!r}: take at least 1")
    z = aa_paths(looks=max(looks), experiments=experiments, seed=seed)
    rows = []
    for k in looks:
        for shape in SHAPES:
            edge = boundaries(looks=k, shape=shape).boundary.to_numpy()
            alarms = int((np.abs(z[:, :k]) > edge).any(axis=1).sum())
            seen = rate(alarms, experiments, level=level)
            rows.append((SHAPES[shape], k, stopping(edge).sum(), seen.value, seen.ci_low, seen.ci_high))
    columns = ["rule", "looks", "expected_rate", "alarm_rate", "alarm_rate_ci_low", "alarm_rate_ci_high"]
    return pd.DataFrame(rows, columns=columns)


def aa_paths(*, looks: int, experiments: int, seed: int) -> np.ndarray:
    """The z statistic of experiments without effect at each look: experiments × looks.

    >>> aa_paths(looks=3, experiments=2, seed=1).shape
    (2, 3)
    """
    steps = np.random.default_rng(seed).standard_normal((experiments, looks))
    return np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, looks + 1))


def path_table(*, looks: int, paths: int, seed: int) -> pd.DataFrame:
    """Some A/A experiments look by look, for a chart: `experiment`, `look`, `z`.

    >>> path_table(looks=2, paths=1, seed=1).columns.tolist()
    ['experiment', 'look', 'z']
    """
    z = aa_paths(looks=looks, experiments=paths, seed=seed)
    names = [f"A/A {i}" for i in range(1, paths + 1)]
    return pd.DataFrame(
        {"experiment": np.repeat(names, looks), "look": np.tile(np.arange(1, looks + 1), paths), "z": z.ravel()}
    )


def mixture_boundary(information: np.ndarray | float, *, alpha: float = 0.05) -> np.ndarray:
    """The boundary of |Z| that holds at every moment of an experiment without end: Robbins' normal mixture.

    c(t) = √((1 + r)·ln((1 + 1/r)/α²)), r = ρ/t, t the information so far as a share of the planned one. P(|Z_t| > c(t)
    for some t) ≤ α, whatever the number and the times of the looks. ρ makes the boundary narrowest at t = 1:
    ρ = 1/(w − 1) with w − ln w = 1 − ln α². There c(1) = √w, 3.03 for 5 %.

    Parameters
    ----------
    information : array
        Shares of the planned people, > 0; may pass 1.
    alpha : float
        Chance of any false alarm, 0…1 exclusive.

    Returns
    -------
    array
        The boundaries, one a share; > 0.

    Raises
    ------
    ExperimentError
        An argument out of its range.

    References
    ----------
    Robbins (1970): robbins1970. Howard, Ramdas, McAuliffe & Sekhon (2021), eq. 14: howard2021. Johari, Koomen,
    Pekelis & Walsh (2022), mixture sequential probability ratio test: johari2022.

    Examples
    --------
    >>> mixture_boundary(np.array([0.2, 0.5, 1.0, 2.0])).round(3)
    array([3.347, 3.079, 3.035, 3.064])
    """
    share = np.asarray(information, float)
    if not 0 < alpha < 1:
        raise ExperimentError(f"alpha {alpha!r}: take a number between 0 and 1, such as 0.05")
    if not (share > 0).all():
        raise ExperimentError(f"information {information!r}: take shares of the planned people above 0")
    w = -float(lambertw(-(alpha**2) / math.e, k=-1).real)
    ratio = 1 / (w - 1) / share
    return np.sqrt((1 + ratio) * (np.log1p(1 / ratio) - 2 * math.log(alpha)))


def monitoring_cost(*, looks: int, power: float = 0.8, alpha: float = 0.05) -> pd.DataFrame:
    """What each rule costs and saves, for an experiment planned with one look at the end.

    The effect is the one that a single look finds with the wished power. With the same people each rule then finds it
    with a lower power; `users_factor` is how many times more people must be planned to keep it. Against that stands
    that the experiment may stop early: `users_share` is the mean share of the planned people at the stop.

    Parameters
    ----------
    looks : int
        Number of equally spaced looks, 1…200.
    power : float
        Power of the single look, alpha…1 exclusive.
    alpha : float
        Chance of a false alarm, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a rule, those of `SHAPES` without 'fixed', after 'one look at the end': `rule`, `last_boundary` (of
        |Z|), `false_alarm_rate`, `power_rate` (same people), `users_share` (with the effect), `users_factor`.

    Raises
    ------
    ExperimentError
        An argument out of its range.

    References
    ----------
    Jennison & Turnbull (2000), tables 2.1–2.4: jennison2000.

    Examples
    --------
    >>> monitoring_cost(looks=5).round(3)[["rule", "power_rate", "users_factor"]]
                      rule  power_rate  users_factor
    0  one look at the end       0.800         1.000
    1               Pocock       0.709         1.228
    2      O'Brien–Fleming       0.789         1.028
    3         always valid       0.453         1.826
    """
    if not alpha < power < 1:
        raise ExperimentError(f"power {power!r}: take a number between alpha ({alpha}) and 1, such as 0.8")
    effect = _wished_drift(np.array([z_value(1 - alpha)]), power)
    rows = [("one look at the end", z_value(1 - alpha), alpha, power, 1.0, 1.0)]
    for shape in list(SHAPES)[1:]:
        edge = boundaries(looks=looks, shape=shape, alpha=alpha).boundary.to_numpy()
        stops = stopping(edge, effect)
        share = (stops @ np.arange(1, looks + 1)) / looks + 1 - stops.sum()
        factor = (_wished_drift(edge, power) / effect) ** 2
        rows.append((SHAPES[shape], edge[-1], stopping(edge).sum(), stops.sum(), share, factor))
    columns = ["rule", "last_boundary", "false_alarm_rate", "power_rate", "users_share", "users_factor"]
    return pd.DataFrame(rows, columns=columns)


def _wished_drift(edge: np.ndarray, power: float) -> float:
    """The mean of Z at the last look with which the boundary is crossed with chance `power`."""
    return float(brentq(lambda drift: stopping(edge, drift).sum() - power, 0, edge[-1] + 10, xtol=1e-8))


def _boundaries(looks: int, c: float, shape: str) -> np.ndarray:
    if shape not in SHAPES:
        raise ExperimentError(f"shape {shape!r}: take one of {', '.join(SHAPES)}")
    if not 1 <= looks <= 200 or int(looks) != looks:
        raise ExperimentError(f"looks {looks!r}: take a whole number from 1 to 200")
    if not c > 0:
        raise ExperimentError(f"boundary {c!r}: take a number above 0, such as 1.96")
    k = np.arange(1, looks + 1)
    if shape == "always_valid":
        return mixture_boundary(k / looks, alpha=float(2 * norm.sf(c)))
    return c * np.sqrt(looks / k) if shape == "obrien_fleming" else np.full(looks, float(c))


@lru_cache(maxsize=256)
def _constant(looks: int, shape: str, alpha: float) -> float:
    """The constant c with a chance `alpha` of any false alarm."""
    single = z_value(1 - alpha)
    if shape in ("fixed", "always_valid") or looks == 1:
        return single
    return brentq(lambda c: stopping(_boundaries(looks, c, shape)).sum() - alpha, single, single + 4, xtol=1e-6)


def stopping(edge: np.ndarray, drift: float = 0.0) -> np.ndarray:
    """The chance to cross the boundary for the first time at each look, exact to about 1e-6.

    Parameters
    ----------
    edge : array
        The boundary of |Z| at each of the equally spaced looks.
    drift : float
        Mean of Z at the last look, 0 without an effect: the effect over its standard error with all people.

    Returns
    -------
    array
        One probability a look; their sum is the false alarm rate, or with a drift the power.

    Examples
    --------
    >>> stopping(np.array([1.96, 1.96])).round(3)
    array([0.05 , 0.033])
    """
    looks = len(edge)
    step = drift / math.sqrt(looks)  # the sum grows by this mean and by a standard normal at every look
    node, weight = _nodes()
    alarms = np.empty(looks)
    place, mass = np.zeros(1), np.ones(1)
    for k in range(looks):
        limit = edge[k] * math.sqrt(k + 1)
        alarms[k] = mass @ (ndtr(place + step - limit) + ndtr(-limit - place - step))
        new = limit * node
        mass = limit * weight * (_density(new[:, None] - place - step) @ mass)
        place = new
    return alarms


@lru_cache(maxsize=1)
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(NODES)


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
