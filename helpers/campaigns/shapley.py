"""Channels as players of a game: credit by the Shapley value, on counts and on the conversion rate."""

from __future__ import annotations

from math import comb

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.errors import AttributionError


def sets_of_channels(touches: ir.Table, *, channels: list[str]) -> pd.DataFrame:
    """Which channels do the paths hold, whatever their order? Counted by group of users.

    Parameters
    ----------
    touches : Table
        One row a touch, from `helpers.campaigns.paths_to_purchase`.
    channels : list of str
        All channels, at most 12; the k-th has the bit 2^k.

    Returns
    -------
    DataFrame
        One row a group and set: `bag`, `members` (the sum of the bits), `conversions`, `value`, `paths`.

    Raises
    ------
    AttributionError
        More than 12 channels, or a channel of the touches that is not among them.

    Examples
    --------
    >>> from helpers.campaigns.paths_to_purchase import touches_of
    >>> touches = touches_of(pd.DataFrame({"path": ["a > b > a"], "conversions": [2], "nulls": [1]}))
    >>> sets_of_channels(touches, channels=["a", "b"])[["members", "conversions", "paths"]]
       members  conversions  paths
    0        3          2.0    3.0
    """
    if not 1 <= len(channels) <= 12:
        raise AttributionError(f"channels: {len(channels)} are too many or none; give 1 to 12")
    bits = touches.channel.cases(*[(c, 2**i) for i, c in enumerate(channels)], else_=-1).cast("int64")
    each = touches.mutate(bit=bits)
    amounts = {c: each[c].max().cast("float64") for c in ("conversions", "value", "nulls")}
    single = each.group_by("bag", "path_id", "bit").agg(**amounts)
    whole = single.group_by("bag", "path_id").agg(
        members=_.bit.sum(), least=_.bit.min(), **{c: single[c].max() for c in amounts}
    )
    table = whole.group_by("bag", "members").agg(
        conversions=_.conversions.sum(),
        value=_.value.sum(),
        paths=(_.conversions + _.nulls).sum(),
        least=_.least.min(),
    )
    found = table.execute().sort_values(["bag", "members"], ignore_index=True)
    if (found["least"] < 0).any():
        raise AttributionError(f"channels {', '.join(channels)}: the touches hold a channel that is not among them")
    return found.drop(columns="least")


def set_arrays(table: pd.DataFrame, *, channels: int, bags: int) -> np.ndarray:
    """Conversions, value and paths of every set of channels: bags × 3 × 2^channels.

    >>> table = pd.DataFrame({"bag": [0], "members": [3], "conversions": [2.0], "value": [5.0], "paths": [3.0]})
    >>> set_arrays(table, channels=2, bags=1)[0].tolist()
    [[0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 5.0], [0.0, 0.0, 0.0, 3.0]]
    """
    sets = np.zeros((bags, 3, 2**channels))
    for i, name in enumerate(("conversions", "value", "paths")):
        np.add.at(sets[:, i], (table["bag"].astype(int), table["members"].astype(int)), table[name].to_numpy(float))
    return sets


def shapley_of_counts(amount: np.ndarray) -> np.ndarray:
    """The Shapley value of the game *v(S) = conversions of the paths that need no channel outside S*.

    Each set of channels T adds its conversions to every S ⊇ T, and the Shapley value of such a game shares them
    equally within T: credit_k = Σ_{T ∋ k} conversions(T) / |T|. That is *linear* credit over the distinct channels of
    each path: no more fair than that rule, only slower to explain.

    Parameters
    ----------
    amount : array
        … × 2^channels: conversions or value of the paths with exactly these channels.

    Returns
    -------
    array
        … × channels; they add up to the amount of all paths. A channel in no converting path gets 0.

    References
    ----------
    Shapley (1953): shapley1953. Zhao, Mahboobi & Bagheri (2018): zhao2018.

    Examples
    --------
    >>> shapley_of_counts(np.array([0.0, 1.0, 0.0, 4.0])).tolist()  # 1 by a alone, 4 by a and b
    [3.0, 2.0]
    """
    members = _members(amount.shape[-1])
    return (amount / np.maximum(members.sum(axis=1), 1)) @ members


def shapley_of_rates(amount: np.ndarray, paths: np.ndarray) -> np.ndarray:
    """The Shapley value of the game *v(S) = conversion rate of the paths that need no channel outside S*, v(∅) = 0.

    φ_k = Σ_{S ∌ k} |S|! (n − 1 − |S|)! / n! · (v(S ∪ k) − v(S)), times the number of paths, so that the credits add
    up to the conversions. A channel of paths that seldom convert can get less than 0.

    Parameters
    ----------
    amount, paths : array
        … × 2^channels: conversions or value, and number, of the paths with exactly these channels.

    Returns
    -------
    array
        … × channels, in conversions or currency units. Sets that no path fits have the rate 0.

    References
    ----------
    Shapley (1953): shapley1953.

    Examples
    --------
    Alone a converts 1 of 2 paths; with b, 4 of 4:

    >>> shapley_of_rates(np.array([0.0, 1.0, 0.0, 4.0]), np.array([0.0, 2.0, 0.0, 4.0])).round(3).tolist()
    [4.0, 1.0]
    """
    within, seen = _subset_sums(amount), _subset_sums(paths)
    worth = np.divide(within, seen, out=np.zeros_like(within), where=seen > 0)
    members = _members(amount.shape[-1]).astype(bool)
    n, size = members.shape[1], members.sum(axis=1)
    credit = []
    for k in range(n):
        without = np.flatnonzero(~members[:, k])
        weight = np.array([1 / (n * comb(n - 1, s)) for s in size[without]])
        credit.append((worth[..., without + 2**k] - worth[..., without]) @ weight)
    return np.stack(credit, axis=-1) * paths.sum(axis=-1, keepdims=True)


def _members(sets: int) -> np.ndarray:
    """Which channels does each set hold? sets × channels, 0/1."""
    k = sets.bit_length() - 1
    return (np.arange(sets)[:, None] >> np.arange(k) & 1).astype(float)


def _subset_sums(amount: np.ndarray) -> np.ndarray:
    """For every set, the sum over its subsets, one channel after the other."""
    total = np.array(amount, dtype=float)
    for k in range(amount.shape[-1].bit_length() - 1):
        pairs = total.reshape(*total.shape[:-1], -1, 2, 2**k)
        pairs[..., 1, :] += pairs[..., 0, :]
    return total
