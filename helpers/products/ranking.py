"""How good is a ranked list? Recall, NDCG, coverage, novelty, and the difference to popularity with its interval."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.stats import hypergeom

from helpers.products.recommenders import RecommendationError

DISCOUNTS = ("log2(rank + 1)", "log2(rank) from rank 2")


def discount(ranks: np.ndarray, kind: str = DISCOUNTS[0]) -> np.ndarray:
    """What a hit at each rank (1, 2, …) is worth: 1/log2(rank + 1), or Järvelin & Kekäläinen's first proposal."""
    if kind not in DISCOUNTS:
        raise RecommendationError(f"discount={kind!r} is not known; take one of {', '.join(DISCOUNTS)}")
    if kind == DISCOUNTS[0]:
        return 1 / np.log2(ranks + 1)
    return 1 / np.log2(np.maximum(ranks, 2))


def dcg(gains: list[float] | np.ndarray, *, kind: str = DISCOUNTS[0]) -> np.ndarray:
    r"""Discounted cumulated gain after each rank: $\mathrm{DCG}_k = \sum_{r=1}^{k} g_r / \log_2(r + 1)$, 0…∞.

    References
    ----------
    Järvelin & Kekäläinen (2002): jarvelin2002; their own discount is 1 at rank 1 and 1/log2(rank) from rank 2.

    Examples
    --------
    >>> dcg([3, 2, 3, 0, 1, 2]).round(3).tolist()[-1]
    6.861
    """
    gains = np.asarray(gains, float)
    return np.cumsum(gains * discount(np.arange(1, len(gains) + 1), kind))


def top(scores: np.ndarray, *, k: int, popularity: np.ndarray, without: csr_matrix | None = None) -> np.ndarray:
    """The k best things of each row, best first; ties go to the more popular thing, then to the smaller number.

    Parameters
    ----------
    scores : array
        Customers × things.
    k : int
        Length of the lists, at most the number of things.
    popularity : array
        One number a thing.
    without : csr_matrix, optional
        Customers × things that must not be recommended; they come last, as −1.

    Examples
    --------
    >>> top(np.array([[0.0, 0.0, 1.0]]), k=2, popularity=np.array([1, 5, 2])).tolist()
    [[2, 1]]
    """
    scores = np.round(scores, 10)  # sums that differ by rounding only are ties
    if without is not None:
        scores = np.where(without.toarray().astype(bool), -np.inf, scores)
    order = np.argsort(-np.asarray(popularity), kind="stable")
    best = order[_best(scores[:, order], min(k, scores.shape[1]))]
    return np.where(np.isneginf(np.take_along_axis(scores, best, axis=1)), -1, best)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Places of the k largest of each row, largest first; of equal ones the first. Only k of a row are sorted."""
    if k == 0:
        return np.zeros((len(scores), 0), int)
    border = np.partition(scores, scores.shape[1] - k, axis=1)[:, [scores.shape[1] - k]]
    above, level = scores > border, scores == border
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= room))
    place = np.nonzero(chosen)[1].reshape(len(scores), k)
    own = np.argsort(-np.take_along_axis(scores, place, axis=1), axis=1, kind="stable")
    return np.take_along_axis(place, own, axis=1)


def hits(lists: np.ndarray, relevant: csr_matrix) -> np.ndarray:
    """Customers × ranks: is the thing at that rank relevant?"""
    rows = np.repeat(np.arange(len(lists)), lists.shape[1])
    flat = lists.ravel()
    found = np.asarray(relevant.astype(bool)[rows, np.maximum(flat, 0)]).ravel() if len(flat) else np.zeros(0, bool)
    return (found & (flat >= 0)).reshape(lists.shape)


def recall(hit: np.ndarray, total: np.ndarray) -> np.ndarray:
    r"""Share of what a customer took that the list held: $\lvert L_k \cap R\rvert / \lvert R\rvert$, 0…1.

    Missing (NaN) for a customer who took nothing. Lists of k cannot reach 1 for whoever took more than k things.

    >>> recall(np.array([[True, False, True]]), np.array([4])).tolist()
    [0.5]
    """
    total = np.asarray(total)
    return np.divide(hit.sum(axis=1), total, out=np.full(len(hit), np.nan), where=total > 0)


def ndcg(hit: np.ndarray, total: np.ndarray) -> np.ndarray:
    r"""Discounted hits over those of the perfect list, 0…1: a hit counts more, the higher it stands.

    $$\mathrm{NDCG}_k = \frac{\sum_{r=1}^k [L_r \in R] / \log_2(r+1)}{\sum_{r=1}^{\min(k, |R|)} 1/\log_2(r+1)}$$

    Missing (NaN) for a customer who took nothing.

    >>> ndcg(np.array([[False, True]]), np.array([1])).round(4).tolist()
    [0.6309]
    """
    worth = discount(np.arange(1, hit.shape[1] + 1))
    perfect = np.concatenate([[0.0], np.cumsum(worth)])[np.minimum(total, hit.shape[1]).astype(int)]
    return np.divide(hit @ worth, perfect, out=np.full(len(hit), np.nan), where=perfect > 0)


def coverage(lists: np.ndarray, *, things: int) -> float:
    """Share of the catalogue that stands in at least one list, 0…1; low: everybody is shown the same."""
    shown = np.unique(lists[lists >= 0])
    return len(shown) / things if things else np.nan


def novelty(lists: np.ndarray, *, holders: np.ndarray, users: int) -> float:
    r"""Mean surprise of a recommended thing in bits: $-\log_2 (n_i / n)$, 0…log2 n.

    $n_i$ of $n$ customers had it before. 0: all had it; one bit more: half as many. A thing that nobody had counts as
    one customer's.

    >>> novelty(np.array([[0, 1]]), holders=np.array([4, 1]), users=4)
    1.0
    """
    shown = lists[lists >= 0]
    if not len(shown) or users < 1:
        return np.nan
    return float(np.mean(-np.log2(np.maximum(holders[shown], 1) / users)) + 0.0)


def ranks(scores: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """The rank (1 = best) of every thing in each row, ties as in `top`."""
    by_popularity = np.argsort(-np.asarray(popularity), kind="stable")
    order = by_popularity[_best(np.round(scores, 10)[:, by_popularity], scores.shape[1])]
    place = np.empty_like(order)
    np.put_along_axis(place, order, np.broadcast_to(np.arange(1, order.shape[1] + 1), order.shape), axis=1)
    return place


def sampled_recall(scores: np.ndarray, relevant: csr_matrix, popularity: np.ndarray, *, k: int, among: int) -> float:
    r"""Recall when each thing taken competes with few others only, drawn from those that the customer did not take.

    With $b$ of the $m$ others ranked above it, $n$ of them drawn: $P(\text{hit}) = P(H \le k - 1)$, $H$ hypergeometric
    ($m$, $b$, $n$). This is the exact mean over all draws. `among` ≥ m gives the honest figure: all others compete.

    Returns
    -------
    float
        Mean over all (customer, thing taken), 0…1; NaN where nothing was taken.
    """
    user, thing = relevant.nonzero()
    if not len(user):
        return np.nan
    place, taken = ranks(scores, popularity), np.asarray(relevant.sum(axis=1)).ravel().astype(int)
    own = np.zeros_like(place, bool)
    own[user, thing] = True
    by_rank = np.zeros_like(own)
    np.put_along_axis(by_rank, place - 1, own, axis=1)
    better = place[user, thing] - np.cumsum(by_rank, axis=1)[user, place[user, thing] - 1]
    others = scores.shape[1] - taken[user]
    chance = hypergeom.cdf(k - 1, np.maximum(others, 1), better, np.minimum(among, others))  # no others: a sure hit
    return float(np.mean(chance))


def bootstrap_means(values: np.ndarray, *, boots: int = 2_000, seed: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Means of columns with percentile intervals, customers drawn with replacement, the same draw for all columns.

    Parameters
    ----------
    values : array
        Customers × columns, such as differences of two models: one customer's row stays together.

    Returns
    -------
    DataFrame
        mean, ci_low, ci_high, one row a column; missing without customers; no interval with one.

    References
    ----------
    Efron & Tibshirani (1993): efron1993.
    """
    n, columns = values.shape
    if n == 0:
        return pd.DataFrame(np.full((columns, 3), np.nan), columns=["mean", "ci_low", "ci_high"])
    rng, means = np.random.default_rng(seed), values.mean(axis=0)
    if n == 1:
        return pd.DataFrame({"mean": means, "ci_low": np.nan, "ci_high": np.nan})
    drawn = np.stack([rng.multinomial(n, np.full(n, 1 / n)) @ values / n for _ in range(boots)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame({"mean": means, "ci_low": low, "ci_high": high})
