"""Recommenders on sparse matrices: popularity, neighbours, EASE, factors, rules, content, and a mixture of them.

Each `fit` function learns from histories and returns a model; `model.score(histories)` gives one row of scores a
customer, one column a thing (an item or a category), the higher the better. `helpers.products.ranking` breaks the ties.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.linalg import inv
from scipy.sparse import csc_matrix, csr_matrix, issparse

from helpers.products import rules as method


class RecommendationError(ValueError):
    """An argument is not allowed; the message names it, its value and the cure."""


@dataclass(frozen=True)
class Histories:
    """What customers did before the moment of the recommendation: one row a customer, one column a thing.

    `strength` holds the weighted actions, `bought` marks what was taken (the target behaviour).
    `users` are the customers' places in the table of all customers.
    """

    strength: csr_matrix
    bought: csr_matrix
    users: np.ndarray

    def of(self, rows: np.ndarray) -> Histories:
        """The histories of some rows."""
        return Histories(self.strength[rows], self.bought[rows], self.users[rows])

    def __len__(self) -> int:
        return self.strength.shape[0]


class Model(Protocol):
    """What all recommenders can do."""

    def score(self, histories: Histories) -> np.ndarray:
        """Scores, customers × things."""


@dataclass(frozen=True)
class SameForAll:
    """One list for everybody."""

    scores: np.ndarray

    def score(self, histories: Histories) -> np.ndarray:
        """The same row for each customer."""
        return np.tile(self.scores.astype(float), (len(histories), 1))


@dataclass(frozen=True)
class OwnHistory:
    """Again what the customer did most with: the plainest personal list."""

    def score(self, histories: Histories) -> np.ndarray:
        """The strengths themselves."""
        return histories.strength.toarray().astype(float)


@dataclass(frozen=True)
class Links:
    """A score is a sum over the history: entry (j, i) of `weights` says how much thing j speaks for thing i."""

    weights: csr_matrix | np.ndarray
    of_bought: bool = False

    def score(self, histories: Histories) -> np.ndarray:
        """Histories times weights."""
        product = self._seen(histories) @ self.weights
        return product.toarray() if issparse(product) else np.asarray(product)

    def contributions(self, histories: Histories, *, row: int, thing: int) -> np.ndarray:
        """What each thing of one history adds to the score of `thing`; they sum to the score exactly."""
        history = self._seen(histories)[[row]].toarray().ravel()
        column = self.weights[:, [thing]]
        return history * (column.toarray() if issparse(column) else np.asarray(column)).ravel()

    def _seen(self, histories: Histories) -> csr_matrix:
        return (histories.bought if self.of_bought else histories.strength).astype(float)


@dataclass(frozen=True)
class Factors:
    """Implicit-feedback factors: the things' are kept, a customer's are solved for from the history at hand."""

    things: np.ndarray
    ridge: float
    alpha: float

    def score(self, histories: Histories) -> np.ndarray:
        """Inner products of the customers' and the things' factors."""
        users = als_half(histories.strength, self.things, ridge=self.ridge, alpha=self.alpha)
        return users @ self.things.T


@dataclass(frozen=True)
class Features:
    """Things like those in the history: inner product of a history's features and a thing's."""

    table: csr_matrix

    def score(self, histories: Histories) -> np.ndarray:
        """Cosine of thing and profile, times the length of the profile (the same for all things of a customer)."""
        return ((histories.strength @ self.table) @ self.table.T).toarray().astype(float)


@dataclass(frozen=True)
class Mixture:
    """A weighted mean of other models' scores, each brought to 0…1 within the customer."""

    models: Mapping[str, Model]
    weights: Mapping[str, float]

    def score(self, histories: Histories) -> np.ndarray:
        """The weighted mean; models with weight 0 are not asked."""
        parts = [w * unit_range(self.models[name].score(histories)) for name, w in self.weights.items() if w > 0]
        return np.sum(parts, axis=0)


def unit_range(scores: np.ndarray) -> np.ndarray:
    """Each row brought to 0…1; a row of equal scores becomes zeros.

    >>> unit_range(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    """
    if scores.shape[1] == 0:
        return scores
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    return np.divide(scores - low, high - low, out=np.zeros_like(scores, dtype=float), where=high > low)


def item_knn(strength: csr_matrix, *, shrinkage: float = 10.0, neighbours: int = 50, chunk: int = 512) -> Links:
    r"""Item-based nearest neighbours: things that the same customers like.

    $$s_{ij} = \frac{x_i \cdot x_j}{\lVert x_i\rVert \lVert x_j\rVert + \beta}, \qquad
    \mathrm{score}(u, i) = \sum_{j \in N(i)} x_{uj}\, s_{ij}$$

    0…1 for histories without negative entries; 0: no customer in common. The shrinkage β pulls pairs towards 0 that
    rest on few customers. N(i): the most similar things, never the thing itself.

    Parameters
    ----------
    strength : csr_matrix
        Customers × things, 0 or more.
    shrinkage : float
        β, 0 or more, in the unit of the inner product.
    neighbours : int
        Size of N(i), 1 or more; ties at the border go to the thing with the smaller number.
    chunk : int
        Things compared at a time; bounds the memory.

    Returns
    -------
    Links
        Sparse weights.

    References
    ----------
    Sarwar et al. (2001): sarwar2001. Bell & Koren (2007): bell2007.

    Examples
    --------
    >>> x = csr_matrix([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    >>> item_knn(x, shrinkage=0).weights.toarray().round(3).tolist()
    [[0.0, 1.0, 0.707], [1.0, 0.0, 0.707], [0.707, 0.707, 0.0]]
    """
    if shrinkage < 0 or neighbours < 1:
        raise RecommendationError(f"shrinkage={shrinkage}, neighbours={neighbours}: give 0 or more, and 1 or more")
    columns, n = strength.tocsc().astype(float), strength.shape[1]
    square = np.asarray(columns.multiply(columns).sum(axis=0)).ravel()
    row, column, value = [], [], []
    for start in range(0, n, chunk):
        own = np.arange(start, min(start + chunk, n))
        near = (columns[:, own].T @ columns).toarray()
        below = np.sqrt(np.outer(square[own], square)) + shrinkage
        near = np.divide(near, below, out=np.zeros_like(near), where=below > 0)
        near[np.arange(len(own)), own] = 0
        kept = _largest(near, neighbours)
        i, j = np.nonzero(kept)
        row.append(j)
        column.append(own[i])
        value.append(kept[i, j])
    flat = [np.concatenate(part) if part else np.zeros(0, int) for part in (value, row, column)]
    return Links(csr_matrix((flat[0], (flat[1], flat[2])), shape=(n, n)))


def _largest(near: np.ndarray, count: int) -> np.ndarray:
    """Each row with all but its `count` largest entries set to 0; of equal ones the first stay."""
    if count >= near.shape[1]:
        return near
    border = np.partition(near, near.shape[1] - count, axis=1)[:, [near.shape[1] - count]]
    keep = near >= border
    for row in np.flatnonzero((keep.sum(axis=1) > count) & (border[:, 0] > 0)):  # ties at the border; zeros do no harm
        level = np.flatnonzero(near[row] == border[row])
        keep[row, level[count - np.count_nonzero(near[row] > border[row]) :]] = False
    return np.where(keep, near, 0.0)


def ease(strength: csr_matrix, *, ridge: float = 100.0) -> Links:
    r"""EASE: each thing predicted from all others by one ridge regression, in closed form.

    $$\min_B \lVert X - XB\rVert_F^2 + \lambda \lVert B\rVert_F^2 \ \text{ with } B_{jj} = 0:\qquad
    B_{ij} = -\frac{P_{ij}}{P_{jj}},\quad P = (X^\top X + \lambda I)^{-1}$$

    Weights may be negative: who bought this needs that no more. A larger λ gives smaller, safer weights.

    Parameters
    ----------
    strength : csr_matrix
        Customers × things. The inverse takes (number of things)³ steps: give the most frequent things only.
    ridge : float
        λ, above 0.

    References
    ----------
    Steck (2019): steck2019.

    Examples
    --------
    XᵀX = [[1, 1], [1, 2]] and λ = 1: P = [[3, −1], [−1, 2]] / 5.

    >>> ease(csr_matrix([[1.0, 1.0], [0.0, 1.0]]), ridge=1.0).weights.round(3).tolist()
    [[0.0, 0.5], [0.333, 0.0]]
    """
    if ridge <= 0:
        raise RecommendationError(f"ridge={ridge!r}: give a number above 0, such as 100")
    x = strength.astype(float)
    gram = (x.T @ x).toarray() + ridge * np.eye(x.shape[1])
    precision = inv(gram) if len(gram) else gram
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    return Links(weights)


def als(
    strength: csr_matrix, *, factors: int = 16, ridge: float = 10.0, alpha: float = 1.0, rounds: int = 10,
    seed: int = 1, engine: str = "numpy",
) -> Factors:  # fmt: skip
    r"""Factors for implicit feedback by alternating least squares.

    $$\min_{a, b} \sum_{u,i} c_{ui} \left(p_{ui} - a_u \cdot b_i\right)^2
    + \lambda \Big(\sum_u \lVert a_u\rVert^2 + \sum_i \lVert b_i\rVert^2\Big),\qquad
    c_{ui} = 1 + \alpha\, x_{ui},\quad p_{ui} = [x_{ui} > 0]$$

    The sum runs over all pairs, also those never seen: not having looked is weak evidence, not none. Each half step is
    an exact solution, so the objective never rises.

    Parameters
    ----------
    strength : csr_matrix
        Customers × things, x, 0 or more.
    factors : int
        Length of a and b, 1 or more.
    ridge, alpha : float
        λ above 0, α above 0.
    rounds : int
        Number of rounds; each solves for all customers, then for all things.
    seed : int
        Start of the things' factors.
    engine : str
        numpy, or spark: Spark MLlib, by a cluster, whose penalty grows with the number of a row's entries.

    References
    ----------
    Hu, Koren & Volinsky (2008): hu2008.
    """
    if factors < 1 or ridge <= 0 or alpha <= 0:
        raise RecommendationError(f"factors={factors}, ridge={ridge}, alpha={alpha}: give 1 or more, and above 0")
    if engine not in ("numpy", "spark"):
        raise RecommendationError(f"engine={engine!r} is not known; take numpy or spark")
    if engine == "spark":
        from helpers import spark_ml

        how = {"factors": factors, "ridge": ridge, "alpha": alpha, "rounds": rounds, "seed": seed}
        return Factors(spark_ml.als(strength, **how), ridge, alpha)
    turned = strength.T.tocsr()
    things = np.random.default_rng(seed).normal(0, 0.1, (strength.shape[1], factors))
    for _ in range(rounds):
        users = als_half(strength, things, ridge=ridge, alpha=alpha)
        things = als_half(turned, users, ridge=ridge, alpha=alpha)
    return Factors(things, ridge, alpha)


def als_half(strength: csr_matrix, fixed: np.ndarray, *, ridge: float, alpha: float, chunk: int = 4_096) -> np.ndarray:
    r"""The best factors of all rows, given those of the columns: $(B^\top C_u B + \lambda I)\, a_u = B^\top C_u p_u$.

    $B^\top C_u B = B^\top B + \alpha \sum_i x_{ui}\, b_i b_i^\top$: one sparse product for all rows at once.
    """
    size = fixed.shape[1]
    base = fixed.T @ fixed + ridge * np.eye(size)
    outer = (fixed[:, :, None] * fixed[:, None, :]).reshape(len(fixed), size * size)
    found = []
    for start in range(0, strength.shape[0], chunk):
        weight = alpha * strength[start : start + chunk].astype(float)
        left = base + (weight @ outer).reshape(-1, size, size)
        right = weight @ fixed + (weight > 0).astype(float) @ fixed
        found.append(np.linalg.solve(left, right[:, :, None])[:, :, 0])
    return np.concatenate(found) if found else np.zeros((0, size))


def als_objective(strength: csr_matrix, users: np.ndarray, things: np.ndarray, *, ridge: float, alpha: float) -> float:
    """The sum that `als` makes small, computed densely: for small examples."""
    x = strength.toarray().astype(float)
    misfit = ((1 + alpha * x) * ((x > 0) - users @ things.T) ** 2).sum()
    return float(misfit + ridge * ((users**2).sum() + (things**2).sum()))


def from_rules(
    baskets: pd.DataFrame, *, things: int, min_count: int = 5, alpha: float = 0.05, correction: str = "bh"
) -> Links:
    r"""Association rules as a recommender: the rules *if j then i* that fire for what was bought.

    $$\mathrm{score}(u, i) = \sum_{j \in \text{bought}(u)} \mathrm{confidence}(j \to i)\,
    [\,j \to i \text{ significant}\,]$$

    Parameters
    ----------
    baskets : DataFrame
        One row a (basket, thing): basket_id, item (the thing's number).
    things : int
        Number of things.
    min_count : int
        Baskets that must hold both.
    alpha, correction
        Of Fisher's test over all pairs of frequent things, see `rules.significant`.
    """
    weights = csr_matrix((things, things))
    if len(baskets):
        encoded = method.encode(baskets, min_count=min_count)
        sets = method.itemsets(encoded, min_support=0.0, min_count=min_count, max_length=2, miner="bitmaps")
        found = method.rules(sets)
        space = method.search_space(len(encoded.items), max_length=2)
        if len(found):
            found = method.significant(found, alpha=alpha, correction=correction, candidates=space)
            found = found[found["significant"]]
            j, i = (found[c].map(lambda names: int(names[0])).to_numpy(int) for c in ("antecedents", "consequents"))
            weights = csr_matrix((found["confidence"].to_numpy(float), (j, i)), shape=(things, things))
    return Links(weights, of_bought=True)


def content(features: pd.DataFrame, *, things: int) -> Features:
    r"""Content-based: the more features a thing shares with the history, the higher, rare features counting more.

    Each feature f of a thing weighs $\ln(N / n_f)$ with $n_f$ of N things that have it; each thing is brought to
    length 1.

    Parameters
    ----------
    features : DataFrame
        One row a (thing, feature): thing (number), feature (text), value (0…1, share of the thing).
    things : int
        Number of things.

    Examples
    --------
    >>> two = pd.DataFrame({"thing": [0, 1, 2], "feature": ["red", "red", "blue"], "value": 1.0})
    >>> model = content(two, things=3)
    >>> likes = csr_matrix([[1.0, 0.0, 0.0]])
    >>> model.score(Histories(likes, likes, np.array([0]))).tolist()
    [[1.0, 1.0, 0.0]]
    """
    code, names = pd.factorize(features["feature"])
    cells = (features["value"].to_numpy(float), (features["thing"].to_numpy(int), code))
    table = csr_matrix(cells, shape=(things, max(len(names), 1)))
    having = np.maximum(np.asarray((table > 0).sum(axis=0)).ravel(), 1)
    table = csr_matrix(table.multiply(np.log(max(things, 1) / having)))
    length = np.sqrt(np.asarray(table.multiply(table).sum(axis=1)).ravel())
    scale = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    return Features(csr_matrix(table.multiply(scale[:, None])))


def single(thing: int, *, things: int, strength: float = 1.0) -> Histories:
    """The history of somebody who bought one thing and nothing else."""
    row = csc_matrix(([1.0], ([0], [thing])), shape=(1, things)).tocsr()
    return Histories(row * strength, row.astype(bool), np.array([-1]))
