"""Paths as a Markov chain: what is lost when a channel is taken away? Exact, by linear algebra."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

START, CONVERSION, NULL = "(start)", "(conversion)", "(null)"


def steps(touches: ir.Table) -> pd.DataFrame:
    """The steps of all paths from state to state, counted by group of users.

    Parameters
    ----------
    touches : Table
        One row a touch, from `helpers.campaigns.paths_to_purchase`.

    Returns
    -------
    DataFrame
        One row a group and pair of states: `bag`, `source` (a channel or '(start)'), `target` (a channel,
        '(conversion)' or '(null)'), `steps`, `value` (currency units, of steps into '(conversion)').

    Examples
    --------
    >>> from helpers.campaigns.paths_to_purchase import touches_of
    >>> touches = touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [2], "nulls": [1]}))
    >>> steps(touches)[["source", "target", "steps"]]
        source        target  steps
    0  (start)             a    3.0
    1        a             b    3.0
    2        b  (conversion)    2.0
    3        b        (null)    1.0
    """
    path = ibis.window(group_by="path_id", order_by="place")
    following = touches.mutate(target=touches.channel.lead().over(path), weight=_.conversions + _.nulls)
    inner = following.filter(_.target.notnull())
    first, last = touches.filter(_.place == 1), touches.filter(_.place == _["length"])
    parts = [
        inner.select("bag", "target", source=_.channel, steps=_.weight, value=ibis.literal(0.0)),
        first.select(
            "bag",
            source=ibis.literal(START),
            target=_.channel,
            steps=_.conversions + _.nulls,
            value=ibis.literal(0.0),
        ),
        last.select("bag", source=_.channel, target=ibis.literal(CONVERSION), steps=_.conversions, value=_.value),
        last.select("bag", source=_.channel, target=ibis.literal(NULL), steps=_.nulls, value=ibis.literal(0.0)),
    ]
    states = ["bag", "source", "target"]
    # the union matches columns by place
    moves = ibis.union(*[p.select(*states, steps=p.steps.cast("float64"), value=p.value) for p in parts])
    counts = moves.group_by(states).agg(steps=_.steps.sum(), value=_.value.sum()).filter(_.steps > 0)
    return counts.execute().sort_values(states, ignore_index=True)


def matrices(counts: pd.DataFrame, *, channels: list[str], bags: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts of steps (bags × states × targets) and value of conversions (bags × channels), for `removal_credit`.

    States are the channels and, as the last one, the start; targets are the channels, conversion and null.

    >>> table = pd.DataFrame({"bag": 0, "source": ["(start)", "a"], "target": ["a", "(conversion)"], "steps": 2.0,
    ...                       "value": [0.0, 7.0]})
    >>> [m.tolist() for m in matrices(table, channels=["a"], bags=1)]
    [[[[0.0, 2.0, 0.0], [2.0, 0.0, 0.0]]], [[7.0]]]
    """
    k = len(channels)
    source = {c: i for i, c in enumerate([*channels, START])}
    target = {c: i for i, c in enumerate([*channels, CONVERSION, NULL])}
    moved, value = np.zeros((bags, k + 1, k + 2)), np.zeros((bags, k))
    at = counts["bag"].astype(int), counts["source"].map(source), counts["target"].map(target)
    np.add.at(moved, at, counts["steps"].to_numpy(float))
    ended = counts[counts["target"] == CONVERSION]
    np.add.at(value, (ended["bag"].astype(int), ended["source"].map(source)), ended["value"].to_numpy(float))
    return moved, value


def conversion_chance(moved: np.ndarray, reward: np.ndarray | None = None) -> np.ndarray:
    """The chance to convert, as it is and without each channel, for each set of counts.

    x = (I − Q)⁻¹ r: x_i is the chance to convert from channel i, Q the chances to go from channel to channel, r those
    to convert at once; the chance of the whole is Σ start_i · x_i. Without channel k, who would go to k is lost:
    x_k = 0. Range 0…1. With `reward`, the expected value of a path instead.

    A channel that follows itself changes nothing here: the chain leaves it with the same chances. So touches that are
    repeated at once may be collapsed or not.

    Parameters
    ----------
    moved : array
        sets × (channels + 1) × (channels + 2), from `matrices`.
    reward : array, optional
        sets × channels: the value of the conversions at each channel.

    Returns
    -------
    array
        sets × (channels + 1): the whole, then without each channel.

    References
    ----------
    Kemeny & Snell (1960): kemeny1960. Anderl et al. (2016): anderl2016.

    Examples
    --------
    >>> counts = np.array([[[0, 1, 0, 1], [0, 0, 1, 0], [2, 0, 0, 0]]])
    >>> conversion_chance(counts).round(3).tolist()  # start > a; from a half to b and half to nothing; b converts
    [[0.5, 0.0, 0.0]]
    """
    k = moved.shape[2] - 2
    # a state without steps keeps the row of zeros
    chance = moved / np.maximum(moved.sum(axis=2, keepdims=True), 1e-300)
    if reward is None:
        reward = moved[:, :k, k]
    paid = reward / np.maximum(moved[:, :k].sum(axis=2), 1e-300)
    kept = 1 - np.vstack([np.zeros((1, k)), np.eye(k)])
    inner = np.eye(k) - kept[None, :, :, None] * chance[:, None, :k, :k]
    solved = np.linalg.solve(inner, (kept[None] * paid[:, None])[..., None])[..., 0]
    return (solved * chance[:, None, k, :k]).sum(axis=2)


def removal_credit(moved: np.ndarray, reward: np.ndarray | None = None) -> np.ndarray:
    """Conversions (or value) shared out by the removal effects.

    R_k = 1 − P(conversion without k) / P(conversion), 0…1; credit_k = conversions · R_k / Σ R. The removal effects add
    up to more than 1 where paths have several channels; so the credit of a channel is not what it adds.

    Parameters
    ----------
    moved, reward
        As in `conversion_chance`.

    Returns
    -------
    array
        sets × channels; zeros where nothing converts.

    References
    ----------
    Anderl et al. (2016): anderl2016.

    Examples
    --------
    a > b > c converts; a and b > c do not:

    >>> from helpers.campaigns.paths_to_purchase import touches_of
    >>> paths = pd.DataFrame({"path": ["a > b > c", "a", "b > c"], "conversions": [1, 0, 0], "nulls": [0, 1, 1]})
    >>> moved, _ = matrices(steps(touches_of(paths)).assign(bag=0), channels=["a", "b", "c"], bags=1)
    >>> removal_credit(moved).round(6).tolist()
    [[0.2, 0.4, 0.4]]
    """
    k = moved.shape[2] - 2
    total = moved[:, :k, k].sum(axis=1) if reward is None else reward.sum(axis=1)
    chance = conversion_chance(moved, reward)
    lost = np.clip(chance[:, :1] - chance[:, 1:], 0, None)
    sums = lost.sum(axis=1, keepdims=True)
    return np.divide(lost, sums, out=np.zeros_like(lost), where=sums > 0) * total[:, None]
