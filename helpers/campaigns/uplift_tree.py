"""Uplift trees: groups of people on whom the offer works differently (Rzepakowski & Jaroszewicz 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 16
"""A number is cut at its quantiles into at most so many bins; splits lie between bins."""
LEAST_IN_LEAF = 20
"""People of each arm in a leaf, at the least."""


@dataclass(frozen=True)
class Node:
    """A question `feature <= cut`, with the answers' branches, or a leaf with its measured uplift."""

    uplift: float
    feature: int = -1
    cut: float = 0.0
    below: Node | None = None
    above: Node | None = None


def grow_tree(
    known: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    *,
    depth: int = 3,
    features: np.ndarray | None = None,
    least: int = LEAST_IN_LEAF,
) -> Node:
    """Split people again and again where the measured uplift differs most.

    A split is worth n_L·n_R/n² · (τ_L − τ_R)², where τ = mean outcome of the treated − mean of the control on a side.
    With equal shares of treated on both sides this is the squared Euclidean gain of Rzepakowski & Jaroszewicz. A leaf
    predicts its τ.

    Parameters
    ----------
    known : array, people × features
        Numbers; the cuts are quantiles, at most 15 a feature.
    treated : array of 0/1
        Drawn by chance.
    outcome : array
        0/1, or an amount.
    depth : int
        Questions from the root to a leaf, at most.
    features : array of int, optional
        Columns that may be asked for; by default all.
    least : int
        People of each arm in a leaf, at the least.

    Returns
    -------
    Node
        The root; a leaf alone where no split leaves enough people on both sides. Of equal splits the first.

    References
    ----------
    Rzepakowski & Jaroszewicz (2012): rzepakowski2012.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 80, axis=0)
    >>> treated, outcome = np.tile([0, 1], 80), np.tile([0, 1, 0, 0], 40)
    >>> outcome[:80] = 0  # nobody in the first group buys, half of the treated in the second do
    >>> tree = grow_tree(known, treated, outcome, depth=1)
    >>> tree.feature, tree.cut, tree.below.uplift, tree.above.uplift
    (0, 0.0, 0.0, 0.5)
    """
    chosen = np.arange(known.shape[1]) if features is None else features
    cuts = [_cuts(known[:, k]) for k in chosen]
    binned = np.stack([np.searchsorted(c, known[:, k]) for c, k in zip(cuts, chosen, strict=True)], axis=1)
    found = _grow(binned, treated.astype(bool), outcome.astype(float), depth, least)
    return _named(found, chosen, cuts)


def _cuts(column: np.ndarray) -> np.ndarray:
    """Values to cut at: x ≤ cut goes below; every distinct value but the last where there are few of them."""
    values = np.unique(column)
    if len(values) > BINS:
        values = np.unique(np.quantile(column, np.arange(1, BINS) / BINS, method="lower"))
        return values[values < column.max()]
    return values[:-1]


def _grow(binned: np.ndarray, treated: np.ndarray, outcome: np.ndarray, depth: int, least: int) -> Node:
    uplift = _uplift(treated, outcome)
    split = _best_split(binned, treated, outcome, least) if depth > 0 else None
    if split is None:
        return Node(uplift)
    column, cut = split
    below = binned[:, column] <= cut
    sides = (_grow(binned[s], treated[s], outcome[s], depth - 1, least) for s in (below, ~below))
    return Node(uplift, column, cut, *sides)


def _uplift(treated: np.ndarray, outcome: np.ndarray) -> float:
    if treated.all() or not treated.any():
        return 0.0
    return float(outcome[treated].mean() - outcome[~treated].mean())


def _best_split(binned: np.ndarray, treated: np.ndarray, outcome: np.ndarray, least: int) -> tuple[int, int] | None:
    """The column and bin with the largest gain; None where no split leaves `least` of each arm on both sides."""
    columns = binned.shape[1]
    cell = (binned + np.arange(columns) * BINS).ravel()

    def below(weight: np.ndarray) -> np.ndarray:
        # sums over all people up to each bin, column × bin
        table = np.bincount(cell, np.repeat(weight, columns), columns * BINS)
        return table.reshape(columns, BINS).cumsum(axis=1)

    n1, n0 = below(treated.astype(float)), below((~treated).astype(float))
    y1, y0 = below(outcome * treated), below(outcome * ~treated)
    rest1, rest0 = n1[:, -1:] - n1, n0[:, -1:] - n0
    allowed = np.minimum(np.minimum(n1, n0), np.minimum(rest1, rest0)) >= max(least, 1)
    if not allowed.any():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        low = y1 / n1 - y0 / n0
        high = (y1[:, -1:] - y1) / rest1 - (y0[:, -1:] - y0) / rest0
        gain = np.where(allowed, (n1 + n0) * (rest1 + rest0) * (low - high) ** 2, -1.0)
    best = int(gain.argmax())
    return best // BINS, best % BINS


def _named(node: Node, features: np.ndarray, cuts: list[np.ndarray]) -> Node:
    """The tree with columns and values of the table instead of bins."""
    if node.below is None:
        return node
    cut = float(cuts[node.feature][int(node.cut)])
    sides = (_named(side, features, cuts) for side in (node.below, node.above))
    return Node(node.uplift, int(features[node.feature]), cut, *sides)


def predict_tree(tree: Node, new: np.ndarray) -> np.ndarray:
    """The uplift of the leaf that each row of `new` falls into.

    >>> tree = Node(0.1, feature=0, cut=2.0, below=Node(0.0), above=Node(0.3))
    >>> predict_tree(tree, np.array([[2.0], [2.5]])).tolist()
    [0.0, 0.3]
    """
    if tree.below is None:
        return np.full(len(new), tree.uplift)
    low = new[:, tree.feature] <= tree.cut
    found = np.empty(len(new))
    found[low], found[~low] = predict_tree(tree.below, new[low]), predict_tree(tree.above, new[~low])
    return found


def grow_forest(
    known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, trees: int = 20, depth: int = 3, seed: int = 51
) -> list[Node]:
    """Many uplift trees: each on people drawn anew within their arm, and on two thirds of the features.

    Parameters as in `grow_tree`; `trees` ≥ 1; `seed` starts the random draws. The mean of their predictions is the
    forest's (Guelman, Guillén & Pérez-Marín 2015: guelman2015).

    >>> known = np.repeat([[0.0], [1.0]], 80, axis=0)
    >>> treated = np.tile([0, 1], 80)
    >>> len(grow_forest(known, treated, known[:, 0] * treated, trees=3))
    3
    """
    rng = np.random.default_rng(seed)
    arms = [np.flatnonzero(treated == arm) for arm in (0, 1)]
    columns = known.shape[1]
    grown = []
    for _ in range(trees):
        rows = np.concatenate([arm[rng.integers(0, len(arm), len(arm))] for arm in arms])
        features = np.sort(rng.choice(columns, max(1, round(columns * 2 / 3)), replace=False))
        grown.append(grow_tree(known[rows], treated[rows], outcome[rows], depth=depth, features=features))
    return grown
