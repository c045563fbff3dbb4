"""Clusters: k-means, mixture and k-medoids, their criteria, and the verdict whether there are clusters at all.

Every criterion is read beside two kinds of copies of the data in which there are no clusters. *Column-permuted* copies
keep each column and destroy everything between columns. *Same-correlation* copies keep each column and the rank
correlations (a Gaussian copula): one smooth, elongated cloud. A correlated cloud beats permuted data on every
criterion without holding a single cluster; only the second kind tells the two apart. Main reference: [hennig2015].
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict
from threadpoolctl import ThreadpoolController

from helpers.customers.measures import why
from helpers.findings import Estimate, Note, missing

FIT_ON, SILHOUETTE_ON, COMPARE_ON = 100_000, 10_000, 1_000
"""Most users that a fit, a silhouette and a comparison with copies look at; above it a seeded sample is drawn."""


class ClustersError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


@dataclass(frozen=True)
class Prepared:
    """What clustering sees.

    `z` has one row a user (indexed by user_id) and one column a feature, in standard units. `steps` has one row a
    column asked for: column, treatment, used, reason. `reason` says why there is nothing to cluster, when so.
    """

    z: pd.DataFrame
    steps: pd.DataFrame
    reason: str = ""


# ── copies without clusters ─────────────────────────────────────────────────────────────────────────────────────────


def permuted(z: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """A copy with every column shuffled on its own: the same columns, nothing between them.

    Examples
    --------
    >>> copy = permuted(pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}), seed=1)
    >>> sorted(copy["a"]), sorted(copy["b"])
    ([1, 2, 3], [4, 5, 6])
    """
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.permuted(z.to_numpy(), axis=0), index=z.index, columns=z.columns)


def same_correlation(z: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """A copy with the same columns and nearly the same rank correlations, but one smooth cloud (Gaussian copula).

    Correlations r of the normal scores Φ⁻¹((rank − ½)/n) are taken; normal vectors with correlation r are drawn; each
    column of the data is then put into the order of the drawn column. Every column keeps exactly its values.
    Two groups that differ in a *single* column stay two groups in this copy: a threshold finds them, no clustering
    is needed.

    Examples
    --------
    >>> z = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [1.0, 2, 3, 4]})
    >>> copy = same_correlation(z, seed=1)
    >>> bool((copy["a"] == copy["b"]).all())
    True
    """
    values, (n, d) = z.to_numpy(), z.shape
    rng = np.random.default_rng(seed)
    scores = ndtri((rankdata(values, axis=0) - 0.5) / n)
    r = np.atleast_2d(np.corrcoef(scores, rowvar=False))
    drawn = rng.standard_normal((n, d)) @ np.linalg.cholesky(r + 1e-9 * np.eye(d)).T
    order = drawn.argsort(axis=0).argsort(axis=0)
    return pd.DataFrame(np.take_along_axis(np.sort(values, axis=0), order, axis=0), index=z.index, columns=z.columns)


# ── methods ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Fit:
    """One clustering: `labels` (user_id → 0…k−1, 0 the largest cluster), or the reason why there is none.

    `within` is the sum of squared distances to the own centre over the users that were fitted; `bic` is set by the
    mixture: lower is better.
    """

    labels: pd.Series
    within: float | None = None
    bic: float | None = None
    reason: str = ""

    @property
    def k(self) -> int:
        """Number of clusters; 0 without a clustering."""
        return 0 if self.reason else int(self.labels.nunique())

    @property
    def smallest(self) -> int:
        """Users in the smallest cluster."""
        return 0 if self.reason else int(self.labels.value_counts().min())


def _no_fit(z: pd.DataFrame, reason: str) -> Fit:
    return Fit(pd.Series(pd.NA, index=z.index, dtype="Int64"), reason=reason)


def _too_few(z: pd.DataFrame, k: int) -> str:
    if k < 1:
        raise ClustersError(f"k: {k} clusters cannot be made; give 1 or more")
    if z.shape[1] == 0:
        return "no feature differs between users"
    if k > len(z):
        return f"{k} clusters need at least {k} users; there are {len(z)}"
    values = z.to_numpy()
    if len(np.unique(values[:1_000], axis=0)) >= k:  # sorting a million rows takes longer than clustering them
        return ""
    different = len(np.unique(values, axis=0))
    return f"{k} clusters need {k} different users; there are {different}" if k > different else ""


def _by_size(labels: np.ndarray) -> np.ndarray:
    """Labels renumbered by size, the largest 0; ties by first appearance."""
    values, first, counts = np.unique(labels, return_index=True, return_counts=True)
    rank = np.empty(values.max() + 1, int)
    rank[values[np.lexsort((first, -counts))]] = np.arange(len(values))
    return rank[labels]


def _sampled(z: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    if len(z) <= most:
        return z
    return z.iloc[np.sort(np.random.default_rng(seed).choice(len(z), most, replace=False))]


def kmeans(
    z: pd.DataFrame, *, k: int, seed: int, starts: int = 4, fit_on: int = FIT_ON, engine: str = "sklearn"
) -> Fit:
    """k-means: k centres that minimise W = Σ ‖x − centre of its cluster‖².

    Parameters
    ----------
    z : DataFrame
        One row a user, from `prepare`.
    k : int
        Number of clusters, 1 or more.
    seed : int
        Start of the random numbers.
    starts : int
        Random starts (k-means++); the one with the least W is kept.
    fit_on : int
        Above so many users the centres are fitted on a seeded sample of this size, and all users are then assigned.
    engine : str
        sklearn, or spark: Spark MLlib fits on all users, by a cluster.

    Returns
    -------
    Fit
        labels and within; with a reason instead when there are fewer than k different users.

    Examples
    --------
    >>> fit = kmeans(pd.DataFrame({"a": [0.0, 0.2, 0.1, 9.0]}), k=2, seed=1)
    >>> fit.labels.tolist(), round(fit.within, 3)
    ([0, 0, 0, 1], 0.02)
    """
    if engine not in ("sklearn", "spark"):
        raise ClustersError(f"engine: {engine!r} is not known; take sklearn or spark")
    if reason := _too_few(z, k):
        return _no_fit(z, reason)
    if engine == "spark":
        from helpers import spark_ml

        centers, within = spark_ml.kmeans(z.to_numpy(), k=k, seed=seed, starts=starts)
    else:
        model = _kmeans(_sampled(z, fit_on, seed).to_numpy(), k, seed, starts)
        centers, within = model.cluster_centers_, float(model.inertia_)
    return Fit(pd.Series(_by_size(_assigned(z.to_numpy(), centers)), index=z.index), within=within)


def _kmeans(values: np.ndarray, k: int, seed: int, starts: int) -> KMeans:
    with _one_thread():
        return KMeans(k, n_init=starts, random_state=seed % 2**32).fit(values)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in a fixed order, so the same labels on every machine; and faster on small tables."""
    with _threads().limit(limits=1), config_context(assume_finite=True, skip_parameter_validation=True):
        yield


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def _assigned(values: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """The nearest centre of each row."""
    return ((centers**2).sum(axis=1) - 2 * values @ centers.T).argmin(axis=1)


def mixture(z: pd.DataFrame, *, k: int, seed: int, fit_on: int = COMPARE_ON) -> Fit:
    """Gaussian mixture: k overlapping normal clouds, each with its own covariance, by maximum likelihood.

    BIC = −2·ln L + (number of parameters)·ln n; lower is better. Unlike k-means, k = 1 can win.

    Returns
    -------
    Fit
        labels (the most likely cloud) and bic, per user fitted: BIC ÷ n.
    """
    sample = _sampled(z, fit_on, seed)
    # every cloud needs more users than features, else its covariance is singular
    reason = _too_few(sample, k) or ("too few users for a covariance" if len(sample) < k * (z.shape[1] + 1) else "")
    if reason:
        return _no_fit(z, reason)
    with _one_thread():
        model = GaussianMixture(k, reg_covar=1e-3, tol=1e-2, max_iter=300, random_state=seed % 2**32)
        model.fit(sample.to_numpy())
        labels = pd.Series(_by_size(model.predict(z.to_numpy())), index=z.index)
        return Fit(labels, bic=float(model.bic(sample.to_numpy())) / len(sample))


def medoids(table: pd.DataFrame, *, k: int, seed: int, fit_on: int = COMPARE_ON) -> Fit:
    """k-medoids on Gower's distance, for numbers and words together.

    d(x, y) is the mean over columns of |x − y| ÷ range for numbers and of 0 (equal) or 1 (not) for words; 0…1. A
    cluster's centre is one of its own users. Greedy start, then assign and re-centre until nothing changes
    [park2009].

    Examples
    --------
    >>> table = pd.DataFrame({"pv": [1, 2, 9, 10], "city": ["A", "A", "B", "B"]})
    >>> medoids(table, k=2, seed=1).labels.tolist()
    [0, 0, 1, 1]
    """
    if k > len(table):
        return _no_fit(table, f"{k} clusters need at least {k} users; there are {len(table)}")
    coded = _gower_coded(table)
    sample = np.arange(len(table))[np.isin(table.index, _sampled(table, fit_on, seed).index)]
    distance = _gower(coded, sample, sample)
    centers = _greedy(distance, k)
    for _ in range(50):
        own = distance[:, centers].argmin(axis=1)
        new = [_middle(distance, np.flatnonzero(own == j)) for j in range(len(centers))]
        if new == centers:
            break
        centers = new
    labels = _gower(coded, np.arange(len(table)), sample[centers]).argmin(axis=1)
    return Fit(pd.Series(_by_size(labels), index=table.index))


def _gower_coded(table: pd.DataFrame) -> list[tuple[bool, np.ndarray]]:
    coded = []
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name]):
            values = table[name].astype(float).fillna(table[name].median()).to_numpy()
            coded.append((True, (values - values.min()) / (np.ptp(values) or 1.0)))
        else:
            coded.append((False, pd.factorize(table[name])[0]))
    return coded


def _gower(coded: list[tuple[bool, np.ndarray]], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    total = np.zeros((len(rows), len(columns)))
    for is_number, values in coded:
        a, b = values[rows][:, None], values[columns][None, :]
        total += np.abs(a - b) if is_number else a != b
    return total / max(len(coded), 1)


def _greedy(distance: np.ndarray, k: int) -> list[int]:
    """The most central user, then always the one who brings the others nearest to a centre (PAM's build step)."""
    centers = [int(distance.sum(axis=0).argmin())]
    for _ in range(k - 1):
        nearest = distance[:, centers].min(axis=1)
        gain = np.maximum(nearest[:, None] - distance, 0).sum(axis=0)
        gain[centers] = -1
        centers.append(int(gain.argmax()))
    return centers


def _middle(distance: np.ndarray, members: np.ndarray) -> int:
    return int(members[distance[np.ix_(members, members)].sum(axis=0).argmin()])


# ── criteria ────────────────────────────────────────────────────────────────────────────────────────────────────────


def silhouette(z: pd.DataFrame, labels: pd.Series, *, seed: int, on: int = SILHOUETTE_ON) -> Estimate:
    """Mean silhouette: how much nearer users are to their own cluster than to the next one.

    For one user s = (b − a) ÷ max(a, b), with a the mean distance to the own cluster's other users and b the smallest
    mean distance to another cluster; −1…1. High: compact and apart; 0: on the border; a user alone: 0 [rousseeuw1987].

    Parameters
    ----------
    z : DataFrame
        One row a user.
    labels : Series
        Cluster of each user, same index.
    seed, on : int
        Above `on` users a seeded sample of this size is used.

    Examples
    --------
    >>> z = pd.DataFrame({"a": [0.0, 1, 4, 5]})
    >>> round(silhouette(z, pd.Series([0, 0, 1, 1]), seed=1).value, 4)
    0.746
    """
    sample = _sampled(z, on, seed)
    own = labels.loc[sample.index]
    if own.isna().any() or not 1 < own.nunique() < len(own):
        return Estimate.missing("a silhouette needs at least two clusters, and fewer clusters than users")
    with _one_thread():
        return Estimate(float(silhouette_score(sample.to_numpy(), own.to_numpy().astype(int))))


def _silhouettes(values: np.ndarray, labelings: list[np.ndarray]) -> np.ndarray:
    """Mean silhouettes of several clusterings of the same small table: the distances are computed once."""
    members = [np.eye(labels.max() + 1)[labels] for labels in labelings]
    with _one_thread():
        square = (values**2).sum(axis=1)
        distance = np.sqrt(np.maximum(square[:, None] + square - 2 * values @ values.T, 0))
        np.fill_diagonal(distance, 0)
        total = distance @ np.hstack(members)
    totals = np.split(total, np.cumsum([m.shape[1] for m in members])[:-1], axis=1)
    pairs = zip(totals, members, labelings, strict=True)
    return np.array([_mean_silhouette(total, member.sum(axis=0), labels) for total, member, labels in pairs])


def _mean_silhouette(total: np.ndarray, size: np.ndarray, labels: np.ndarray) -> float:
    """From the sum of distances of each user (row) to the users of each cluster (column)."""
    rows = np.arange(len(labels))
    a = total[rows, labels] / np.maximum(size[labels] - 1, 1)
    others = total / size
    others[rows, labels] = np.inf
    b = others.min(axis=1)
    longest = np.maximum(a, b)
    alone = (size[labels] == 1) | (longest == 0)
    return float(np.where(alone, 0, (b - a) / np.where(longest == 0, 1, longest)).mean())


_REFERENCES = ("uniform", "permuted", "same correlation")


def gap(
    z: pd.DataFrame, *, ks: Iterable[int], seed: int, copies: int = 10, reference: str = "uniform", starts: int = 2
) -> pd.DataFrame:
    """Gap statistic: how much tighter k clusters are in the data than in copies without clusters.

    gap(k) = mean of ln W(k) over the copies − ln W(k) of the data; s(k) = its simulation error. The published rule
    takes the smallest k with gap(k) ≥ gap(k+1) − s(k+1); k = 1 means *no clusters* [tibshirani2001].

    Parameters
    ----------
    reference : str
        'uniform': evenly spread over the range of each column (as published); 'permuted'; 'same correlation'.

    Returns
    -------
    DataFrame
        k, gap, gap_se, chosen; by k. W(k) = 0 (as many clusters as different users) leaves a k out.
    """
    if reference not in _REFERENCES:
        raise ClustersError(f"reference: {reference!r} is not known; take one of {', '.join(_REFERENCES)}")
    ks = sorted(set(ks))
    usable = [k for k in ks if not _too_few(z, k + 1)]
    if z.shape[1] == 0 or not usable:
        return missing(["k", "gap", "gap_se", "chosen"], "too few different users")
    z = _sampled(z, COMPARE_ON, seed)
    own = _log_within(z.to_numpy(), usable, seed, starts)
    drawn = [_reference(z, reference, seed + 1 + b).to_numpy() for b in range(copies)]
    others = np.array([_log_within(copy, usable, seed, starts) for copy in drawn])
    value, error = others.mean(axis=0) - own, others.std(axis=0) * np.sqrt(1 + 1 / copies)
    enough = np.append(value[:-1] >= value[1:] - error[1:], True)
    chosen = np.arange(len(usable)) == enough.argmax()
    return pd.DataFrame({"k": usable, "gap": value, "gap_se": error, "chosen": chosen})


def _log_within(values: np.ndarray, ks: list[int], seed: int, starts: int) -> np.ndarray:
    return np.log([_kmeans(values, k, seed, starts).inertia_ for k in ks])


def _reference(z: pd.DataFrame, reference: str, seed: int) -> pd.DataFrame:
    if reference == "uniform":
        low, high = z.to_numpy().min(axis=0), z.to_numpy().max(axis=0)
        return pd.DataFrame(np.random.default_rng(seed).uniform(low, high, z.shape), z.index, z.columns)
    return permuted(z, seed=seed) if reference == "permuted" else same_correlation(z, seed=seed)


def bootstrap_ari(
    z: pd.DataFrame, *, k: int, seed: int, boots: int = 20, starts: int = 2, fit_on: int = SILHOUETTE_ON
) -> Estimate:
    """Stability: does k-means find the same groups when other users of the same kind had come?

    Refit on `boots` samples drawn with replacement, assign the original users with each refit, and compare with the
    original clusters by the adjusted Rand index (1 the same, 0 no more than chance). Below about 0.6 clusters are
    not stable, above 0.8 they are [hennig2007]. High stability alone proves nothing: one long cloud is cut in two
    at the same place every time.

    Returns
    -------
    Estimate
        Median, with the 10 % and 90 % points of the refits.
    """
    if reason := _too_few(z, k):
        return Estimate.missing(reason)
    values = _sampled(z, fit_on, seed).to_numpy()
    labels = _kmeans(values, k, seed, starts).labels_
    rng = np.random.default_rng(seed)
    indices = [_refit_ari(values, labels, k, rng, starts) for _ in range(boots)]
    low, middle, high = np.quantile(indices, [0.1, 0.5, 0.9])
    return Estimate(float(middle), float(low), float(high))


def _refit_ari(values: np.ndarray, labels: np.ndarray, k: int, rng: np.random.Generator, starts: int) -> float:
    drawn = values[rng.integers(0, len(values), len(values))]
    if len(values) < 100 and len(np.unique(drawn, axis=0)) < k:
        return 0.0  # a sample that holds fewer than k different users cannot give k groups back
    refit = _kmeans(drawn, k, int(rng.integers(2**31)), starts)
    return float(adjusted_rand_score(labels, _assigned(values, refit.cluster_centers_)))


# ── the verdict ─────────────────────────────────────────────────────────────────────────────────────────────────────

_CRITERIA = [
    "k", "silhouette", "silhouette_permuted", "silhouette_correlated", "p_permuted", "p_correlated", "excess",
    "stability", "stability_permuted", "stability_correlated", "gap_permuted", "gap_correlated", "smallest_share",
]  # fmt: skip


def compare(
    prepared: Prepared,
    *,
    ks: Iterable[int] = range(2, 7),
    seed: int,
    copies: int = 19,
    boots: int = 12,
    starts: int = 3,
    on: int = COMPARE_ON,
) -> pd.DataFrame:
    """Every criterion for every k, on the data and on copies without clusters.

    Parameters
    ----------
    prepared : Prepared
        From `prepare`.
    ks : list of int
        Numbers of clusters to try, each 2 or more.
    copies : int
        Copies of each kind. To beat all of 19 has chance 1 in 20 where the data are like the copies: a test at 5 %.
    boots : int
        Refits for the stability on the data; the first five copies of each kind have one refit each.
    on : int
        Above so many users data and copies are a seeded sample of this size.

    Returns
    -------
    DataFrame
        By k: silhouette on the data, mean over permuted and over same-correlation copies; p_* = (1 + copies at least
        as high) ÷ (1 + copies); excess = silhouette − mean over same-correlation copies; stability = median bootstrap
        ARI, same three; gap_* = mean ln W of the copies − ln W; smallest_share = share of the smallest cluster.
    """
    z = _sampled(prepared.z, on, seed)
    ks = sorted(set(ks))
    if copies < 1 or boots < 1:
        raise ClustersError(f"copies, boots: {copies}, {boots}; give 1 or more of each")
    if ks and ks[0] < 2:
        raise ClustersError(f"ks: {ks[0]} cannot be compared; give numbers of clusters from 2")
    usable = [] if prepared.reason else [k for k in ks if not _too_few(z, k + 1)]
    if not usable:
        return missing(_CRITERIA, prepared.reason or f"{len(z)} users are too few, or too much alike")
    own = _criteria(z.to_numpy(), usable, seed, starts, boots)
    drawn = {
        name: [
            _criteria(make(z, seed=seed + b).to_numpy(), usable, seed + b, starts, int(b <= _REFITTED))
            for b in range(1, copies + 1)
        ]
        for name, make in (("permuted", permuted), ("correlated", same_correlation))
    }
    return _side_by_side(usable, own, drawn)


_REFITTED = 5  # copies that are refitted for their stability: refits cost most of the time


def _criteria(values: np.ndarray, ks: list[int], seed: int, starts: int, boots: int) -> dict[str, np.ndarray]:
    """Silhouette, stability, ln W and smallest share of k-means for each k on one table."""
    rng = np.random.default_rng(seed)
    fits = [_kmeans(values, k, seed, starts) for k in ks]
    refits = [[_refit_ari(values, f.labels_, f.n_clusters, rng, starts) for _ in range(boots)] for f in fits]
    return {
        "silhouette": _silhouettes(values, [f.labels_ for f in fits]),
        "refits": np.array(refits).T.reshape(boots, len(ks)),
        "log_within": np.log([max(f.inertia_, 1e-300) for f in fits]),
        "smallest_share": np.array([np.bincount(f.labels_).min() / len(values) for f in fits]),
    }


def _side_by_side(ks: list[int], own: dict, drawn: dict[str, list[dict]]) -> pd.DataFrame:
    columns = {"k": ks, **{c: own[c] for c in ("silhouette", "smallest_share")}}
    columns["stability"] = np.median(own["refits"], axis=0)
    for name, copies in drawn.items():
        silhouettes, within = (np.array([copy[c] for copy in copies]) for c in ("silhouette", "log_within"))
        columns[f"silhouette_{name}"] = silhouettes.mean(axis=0)
        columns[f"p_{name}"] = (1 + (silhouettes >= own["silhouette"]).sum(axis=0)) / (1 + len(copies))
        columns[f"stability_{name}"] = np.median(np.vstack([copy["refits"] for copy in copies]), axis=0)
        columns[f"gap_{name}"] = within.mean(axis=0) - own["log_within"]
    columns["excess"] = own["silhouette"] - columns["silhouette_correlated"]
    return pd.DataFrame(columns)[_CRITERIA]


@dataclass(frozen=True)
class Verdict:
    """The number of clusters, or None for *no clusters*, the reason, and which k passed which test."""

    k: int | None
    reason: str
    tests: pd.DataFrame

    def __repr__(self) -> str:
        return self.reason

    def _repr_html_(self) -> str:
        return Note(self.reason)._repr_html_()


_TESTS = ("beats_permuted", "beats_correlated", "apart", "stable", "large_enough")


def verdict(
    criteria: pd.DataFrame,
    *,
    min_excess: float = 0.08,
    min_stability: float = 0.75,
    min_share: float = 0.05,
    level: float = 0.05,
) -> Verdict:
    """How many clusters the data hold, or *no clusters*: a rule fixed before looking.

    A k must pass all five: its silhouette beats the permuted copies and the same-correlation copies (p ≤ level), is
    materially above the mean of the latter (excess ≥ min_excess), its clusters come back in bootstrap samples
    (stability ≥ min_stability), and none is tiny (smallest share ≥ min_share). Among those that pass, the k with the
    largest excess is taken. The excess must be *material* because no log is exactly a copula: with many users a test
    notices every small curve in the cloud.

    Parameters
    ----------
    criteria : DataFrame
        From `compare`; with fewer than 1 ÷ level − 1 copies (19 at 0.05) no k can pass.
    min_excess : float
        Silhouette above that of same-correlation copies, 0…2. In 50 simulated shops without segments the largest
        was 0.055, in 50 with four segments the median was 0.21.
    min_stability, min_share : float
        Median bootstrap ARI, and share of users in the smallest cluster, 0…1.
    level : float
        Chance of a false alarm of each of the two tests against copies, 0…1.

    Returns
    -------
    Verdict
        k or None, the reason in words, and one row a k: k, the five tests (True/False), passed.

    Examples
    --------
    >>> row = {"k": 2, "p_permuted": 0.05, "p_correlated": 0.4, "excess": 0.01, "stability": 0.9, "smallest_share": 0.4}
    >>> verdict(pd.DataFrame([row])).reason
    'No clusters: with k = 2 the silhouette does not beat one smooth cloud with the same correlations.'
    """
    if criteria.empty:
        return Verdict(None, f"No clusters: {criteria.attrs.get('reason', 'nothing to compare')}.", _no_tests(criteria))
    tests = pd.DataFrame({
        "k": criteria["k"],
        "beats_permuted": criteria["p_permuted"] <= level + 1e-9,
        "beats_correlated": criteria["p_correlated"] <= level + 1e-9,
        "apart": criteria["excess"] >= min_excess,
        "stable": criteria["stability"] >= min_stability,
        "large_enough": criteria["smallest_share"] >= min_share,
    })  # fmt: skip
    tests["passed"] = tests[list(_TESTS)].all(axis=1)
    best = criteria["excess"].where(tests["passed"] | ~tests["passed"].any()).idxmax()
    k = int(criteria.loc[best, "k"])
    if not tests["passed"].any():
        return Verdict(None, f"No clusters: with k = {k} {_WHY[_first_failed(tests.loc[best])]}.", tests)
    return Verdict(k, f"{k} clusters: {_HELD.format(**criteria.loc[best].to_dict())}.", tests)


_HELD = (
    "silhouette {silhouette:.3f} against {silhouette_correlated:.3f} in one smooth cloud with the same correlations, "
    "stability {stability:.2f}, smallest cluster {smallest_share:.0%} of users"
)
_WHY = {
    "beats_permuted": "the silhouette does not beat shuffled columns",
    "beats_correlated": "the silhouette does not beat one smooth cloud with the same correlations",
    "apart": "the silhouette is hardly above that of one smooth cloud with the same correlations",
    "stable": "other samples of the same users give other groups",
    "large_enough": "one group is too small to act on",
}


def _first_failed(tests: pd.Series) -> str:
    return next(name for name in _TESTS if not tests[name])


def _no_tests(criteria: pd.DataFrame) -> pd.DataFrame:
    return missing(["k", *_TESTS, "passed"], criteria.attrs.get("reason", "nothing to compare"))


def error_rates(make: Callable[[int], Prepared], *, seeds: Iterable[int], **settings: object) -> pd.DataFrame:
    """What the verdict says on many simulated data sets: how often how many clusters.

    Parameters
    ----------
    make : function
        Seed → data whose truth is known.
    seeds : list of int
        One data set each.
    **settings
        For `compare`, such as copies=19, on=500.

    Returns
    -------
    DataFrame
        clusters (0 = no clusters), runs, run_share; by clusters.
    """
    found = [verdict(compare(make(s), seed=s, **settings)).k or 0 for s in seeds]  # type: ignore[arg-type]
    counts = pd.Series(found, dtype=int).value_counts().sort_index()
    return pd.DataFrame({"clusters": counts.index, "runs": counts.array, "run_share": counts.array / len(found)})


def mixture_gain(prepared: Prepared, *, ks: Iterable[int] = range(2, 7), seed: int) -> pd.DataFrame:
    """How much better k normal clouds describe the users than one: (BIC(1) − BIC(k)) ÷ n; above 0 k is better.

    Returns
    -------
    DataFrame
        k, gain on the data, gain_permuted and gain_correlated on one copy of each kind; by k.
    """
    columns = ["k", "gain", "gain_permuted", "gain_correlated"]
    z = _sampled(prepared.z, COMPARE_ON, seed)
    if prepared.reason:
        return missing(columns, prepared.reason)
    tables = {"gain": z, "gain_permuted": permuted(z, seed=seed), "gain_correlated": same_correlation(z, seed=seed)}
    rows = []
    for k in sorted(set(ks)):
        fits = {name: (mixture(t, k=1, seed=seed), mixture(t, k=k, seed=seed)) for name, t in tables.items()}
        if not any(fit.reason for pair in fits.values() for fit in pair):
            rows.append({"k": k} | {name: one.bic - many.bic for name, (one, many) in fits.items()})
    return pd.DataFrame(rows, columns=columns) if rows else missing(columns, "too few users for a mixture")


_SERIES = {"": "data", "_correlated": "same correlation", "_permuted": "shuffled columns"}


def beside(criteria: pd.DataFrame, name: str) -> pd.DataFrame:
    """One criterion on the data and on both kinds of copies, ready for a chart: k (as a word), series, value."""
    parts = [
        pd.DataFrame({"k": criteria["k"].astype(str), "series": word, "value": criteria[name + tail].astype(float)})
        for tail, word in _SERIES.items()
        if name + tail in criteria.columns and not criteria.empty
    ]
    return pd.concat(parts, ignore_index=True) if parts else missing(["k", "series", "value"], why(criteria))


def quality(
    tables: dict[str, Prepared],
    *,
    k: int,
    seed: int,
    min_cell: int,
    truth: pd.Series | None = None,
    copies: int = 5,
    on: int = COMPARE_ON,
) -> pd.DataFrame:
    """k-means with k clusters on several preparations of the same users: which one merely looks good?

    Returns
    -------
    DataFrame
        preparation, silhouette, silhouette_correlated (mean over copies without clusters), stability (median bootstrap
        ARI), smallest_cluster (users; 'fewer than …' below min_cell), truth_ari where a truth is given; in the order
        given.
    """
    columns = ["preparation", "silhouette", "silhouette_correlated", "stability", "smallest_cluster", "truth_ari"]
    rows = []
    for name, prepared in tables.items():
        fit = _no_fit(prepared.z, prepared.reason) if prepared.reason else kmeans(prepared.z, k=k, seed=seed)
        if not fit.reason:
            size = f"{fit.smallest:,}" if fit.smallest >= min_cell else f"fewer than {min_cell}"
            smooth = _smooth_silhouette(_sampled(prepared.z, on, seed), k, seed, copies)
            own = silhouette(prepared.z, fit.labels, seed=seed, on=on).value
            stability = bootstrap_ari(prepared.z, k=k, seed=seed, boots=12, fit_on=on).value
            right = None if truth is None else agreement(fit.labels, truth, seed=seed, boots=1).value
            rows.append((name, own, smooth, stability, size, right))
    table = pd.DataFrame(rows, columns=columns) if rows else missing(columns, "too few users, or no user differs")
    return table if table["truth_ari"].notna().any() else table.drop(columns="truth_ari")


def _smooth_silhouette(z: pd.DataFrame, k: int, seed: int, copies: int) -> float | None:
    """Mean silhouette of same-correlation copies; None where a copy cannot be clustered."""
    drawn = [same_correlation(z, seed=seed + b) for b in range(1, copies + 1)]
    found = [silhouette(copy, kmeans(copy, k=k, seed=seed, starts=2).labels, seed=seed).value for copy in drawn]
    return None if None in found else float(np.mean(found))


# ── agreement ───────────────────────────────────────────────────────────────────────────────────────────────────────


def agreement(first: pd.Series, second: pd.Series, *, seed: int, boots: int = 200, level: float = 0.95) -> Estimate:
    """Adjusted Rand index of two groupings of the same users: 1 the same groups, 0 no more than chance.

    ARI = (Σ C(nᵢⱼ,2) − E) ÷ (½(Σ C(aᵢ,2) + Σ C(bⱼ,2)) − E), E = Σ C(aᵢ,2)·Σ C(bⱼ,2) ÷ C(n,2), where nᵢⱼ users are in
    group i of the first and j of the second; names of groups do not matter [hubert1985].

    Parameters
    ----------
    first, second : Series
        user_id → group; users in only one of them, and missing groups, are left out.
    boots, level, seed
        Interval: percentiles over users drawn with replacement.

    Examples
    --------
    >>> a, b = pd.Series([0, 0, 1, 1]), pd.Series([0, 0, 1, 2])
    >>> round(agreement(a, b, seed=1).value, 4)
    0.5714
    """
    both = pd.concat([first.rename("first"), second.rename("second")], axis=1, join="inner").dropna()
    if both.empty:
        return Estimate.missing(why(second) if "reason" in second.attrs else "no user is in both groupings")
    if both["first"].nunique() < 2 or both["second"].nunique() < 2:
        return Estimate.missing("one of the two groupings has a single group")
    table = pd.crosstab(both["first"], both["second"]).to_numpy(float)
    n = int(table.sum())
    drawn = np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=boots).reshape(boots, *table.shape)
    low, high = np.quantile(_ari(drawn.astype(float)), [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(_ari(table[None])[0]), float(low), float(high))


def agreements(base: pd.Series, others: dict[str, pd.Series], *, seed: int) -> pd.DataFrame:
    """Adjusted Rand index of one grouping with several others.

    Returns
    -------
    DataFrame
        compared_with, users (in both), ari, ari_ci_low, ari_ci_high, reason (why there is no number); in the order
        given.
    """
    rows = []
    for name, other in others.items():
        found = agreement(base, other, seed=seed)
        users = len(base.index.intersection(other.dropna().index))
        rows.append((name, users, found.value, found.ci_low, found.ci_high, found.reason))
    return pd.DataFrame(rows, columns=["compared_with", "users", "ari", "ari_ci_low", "ari_ci_high", "reason"])


def _ari(tables: np.ndarray) -> np.ndarray:
    """Adjusted Rand index of each of several contingency tables (first axis)."""
    pairs = [x * (x - 1) / 2 for x in (tables, tables.sum(axis=2), tables.sum(axis=1), tables.sum(axis=(1, 2)))]
    cells, rows, columns, total = (p.reshape(len(tables), -1).sum(axis=1) for p in pairs)
    expected = rows * columns / np.maximum(total, 1)
    most = (rows + columns) / 2
    # both groupings one group, or all alone: they are the same grouping
    return np.where(most == expected, 1.0, (cells - expected) / np.where(most == expected, 1.0, most - expected))


def ceiling(prepared: Prepared, true: pd.Series, *, seed: int) -> Estimate:
    """The best to hope for: agreement with the truth of a method that was *told* the truth on the other users.

    Quadratic discriminant analysis, 5-fold cross-validated: what the features can tell about the segments.
    """
    known = true.reindex(prepared.z.index).dropna()
    if known.empty or known.nunique() < 2 or known.value_counts().min() < 5 * (prepared.z.shape[1] + 1):
        reason = true.attrs.get("reason", "the truth has a single group, or one too small")
        return Estimate.missing(reason)
    with _one_thread():
        told = cross_val_predict(
            QuadraticDiscriminantAnalysis(reg_param=0.01), prepared.z.loc[known.index], known, cv=5
        )
    return agreement(pd.Series(told, index=known.index), known, seed=seed)
