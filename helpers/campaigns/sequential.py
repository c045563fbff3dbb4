"""Looking at a running experiment: what repeated looks do to false alarms, and boundaries that allow for them.

After each of K looks at equal steps the sum of independent standard normal increments is compared with a boundary. The
chance to cross it at any look is computed exactly, by recursive integration over the sum (Armitage, McPherson & Rowe
1969), and shown by simulation.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.intervals import rate, z_value

SHAPES = {"fixed": "1.96 at every look", "pocock": "Pocock", "obrien_fleming": "O'Brien–Fleming"}
"""Kinds of boundary, and their names for a chart."""
NODES = 48  # Gauss–Legendre nodes over half of the continuation region: error under 1e-6 up to 200 looks


def false_positive_rate(*, looks: int, boundary: float | None = None, shape: str = "fixed") -> float:
    """The chance of at least one false alarm in `looks` looks at an experiment without effect.

    P(|Z_k| > c_k for some k ≤ K), Z_k = S_k/√k with S_k the sum of k standard normal increments;
    c_k = c for 'fixed' and 'pocock', c·√(K/k) for 'obrien_fleming'. Range 0…1; 0.05 is what one look promises.

    Parameters
    ----------
    looks : int
        Number of equally spaced looks, 1…200.
    boundary : float, optional
        The constant c, > 0; by default 1.96, the boundary of a single look at 5 %.
    shape : str
        'fixed', 'pocock' or 'obrien_fleming'.

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
    return _crossing(_boundaries(looks, c, shape))


def boundaries(*, looks: int, shape: str = "pocock", alpha: float = 0.05) -> pd.DataFrame:
    """Boundaries that keep the chance of any false alarm at `alpha` over all looks.

    The constant c is solved from P(cross at some look | no effect) = alpha; c_k as in `false_positive_rate`.
    Pocock asks for the same |Z| at every look, O'Brien–Fleming for much at first and almost 1.96 at the end.

    Parameters
    ----------
    looks : int
        Number of looks planned before the start, 1…200.
    shape : str
        'fixed' (no protection: the usual quantile), 'pocock' or 'obrien_fleming'.
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
    Pocock (1977): pocock1977. O'Brien & Fleming (1979): obrien1979.

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
    >>> drill[["rule", "looks", "expected_rate"]].round(3).head(3)
                     rule  looks  expected_rate
    0  1.96 at every look      1           0.05
    1              Pocock      1           0.05
    2     O'Brien–Fleming      1           0.05
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
            rows.append((SHAPES[shape], k, _crossing(edge), seen.value, seen.ci_low, seen.ci_high))
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


def _boundaries(looks: int, c: float, shape: str) -> np.ndarray:
    if shape not in SHAPES:
        raise ExperimentError(f"shape {shape!r}: take one of {', '.join(SHAPES)}")
    if not 1 <= looks <= 200 or int(looks) != looks:
        raise ExperimentError(f"looks {looks!r}: take a whole number from 1 to 200")
    if not c > 0:
        raise ExperimentError(f"boundary {c!r}: take a number above 0, such as 1.96")
    k = np.arange(1, looks + 1)
    return c * np.sqrt(looks / k) if shape == "obrien_fleming" else np.full(looks, float(c))


@lru_cache(maxsize=256)
def _constant(looks: int, shape: str, alpha: float) -> float:
    """The constant c with a chance `alpha` of any false alarm."""
    single = z_value(1 - alpha)
    if shape == "fixed" or looks == 1:
        return single
    return brentq(lambda c: _crossing(_boundaries(looks, c, shape)) - alpha, single, single + 4, xtol=1e-6)


def _crossing(edge: np.ndarray) -> float:
    """P(|S_k| > edge_k·√k for some k): the mass that leaves the continuation region at each look, added up.

    The sum is symmetric about 0, so its density is carried on the positive half only.
    """
    node, weight = np.polynomial.legendre.leggauss(NODES)
    node, weight = (node + 1) / 2, weight / 2
    limit = edge[0]
    alarm = 2 * ndtr(-limit)
    place, mass = limit * node, limit * weight * _density(limit * node)
    for k in range(2, len(edge) + 1):
        limit = edge[k - 1] * np.sqrt(k)
        alarm += 2 * (mass @ (ndtr(place - limit) + ndtr(-limit - place)))
        new = limit * node
        near = _density(new[:, None] - place) + _density(new[:, None] + place)
        mass, place = limit * weight * (near @ mass), new
    return float(alarm)


def _density(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
