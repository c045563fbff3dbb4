"""Effects of several groups or offers that borrow strength from each other: the normal hierarchical model.

Gelman et al. (2013), *Bayesian data analysis*, section 5.4: gelman2013.
"""

from __future__ import annotations

import numpy as np


def shrink(
    raw: np.ndarray, *, estimate: np.ndarray, error: np.ndarray, weight: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Draws of group effects in the normal hierarchical model: groups borrow strength from each other.

    Group effects scatter with standard deviation τ around their mean; τ has a flat prior and is drawn anew each time.
    A group's own deviation is kept to the share τ²/(τ² + s²), s its standard error; the rest of its uncertainty is
    added as noise. The weighted mean of the groups is left as it was.

    Parameters
    ----------
    raw : array
        Draws of the groups' effects, draw × group, each around `estimate` with scatter `error`.
    estimate, error : array
        One a group: the effect and its standard error.
    weight : array
        One a group: its people, 0 for a group without data.
    rng : Generator
        Source of chance.

    Returns
    -------
    array
        Draws, draw × group.

    References
    ----------
    Gelman et al. (2013), section 5.4 (eight schools): gelman2013.

    Examples
    --------
    One group has nothing to lean on:

    >>> raw = np.array([[0.1], [0.3]])
    >>> shrink(raw, estimate=np.array([0.2]), error=np.array([0.1]), weight=np.ones(1),
    ...        rng=np.random.default_rng(1)).tolist()
    [[0.1], [0.3]]
    """
    known = weight > 0
    if not known.any():
        return raw
    share = weight / weight.sum()
    centre = raw @ share
    spread = between_groups(estimate[known], error[known], draws=len(raw), rng=rng)[:, None]
    kept = np.where(known, spread**2 / np.maximum(spread**2 + error**2, 1e-300), 0.0)
    scatter = np.where(known, np.sqrt(kept * (1 - kept)) * error, spread)
    own = kept * (raw - centre[:, None]) + scatter * rng.standard_normal(raw.shape)
    own = own - (own @ share)[:, None]
    return centre[:, None] + own


def between_groups(
    estimate: np.ndarray, error: np.ndarray, *, draws: int, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Draws of τ, the scatter of true effects between groups, from its posterior on a grid (flat prior).

    The grid ends at three times the largest deviation plus the mean standard error; with one group τ is 0.

    >>> between_groups(np.array([1.0]), np.array([1.0]), draws=2, rng=np.random.default_rng(1)).tolist()
    [0.0, 0.0]
    """
    if len(estimate) < 2:
        return np.zeros(draws)
    top = 3 * (np.abs(estimate - estimate.mean()).max() + error.mean())
    tau = (np.arange(400) + 0.5) / 400 * top
    variance = tau[:, None] ** 2 + np.maximum(error, 1e-12) ** 2
    pooled = 1 / (1 / variance).sum(axis=1)
    mean = pooled * (estimate / variance).sum(axis=1)
    log = np.log(pooled) / 2 - np.log(variance).sum(axis=1) / 2
    log -= ((estimate - mean[:, None]) ** 2 / variance).sum(axis=1) / 2
    chance = np.exp(log - log.max())
    return rng.choice(tau, draws, p=chance / chance.sum())
