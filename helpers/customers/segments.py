"""Customer segments: features of a window, clustering, and the verdict whether there are clusters at all.

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

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata
from sklearn import config_context
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score, silhouette_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import ThreadpoolController

from helpers.findings import Estimate, Note, missing

FIT_ON, SILHOUETTE_ON, COMPARE_ON = 100_000, 10_000, 1_000
"""Most users that a fit, a silhouette and a comparison with copies look at; above it a seeded sample is drawn."""

FEATURES: dict[str, tuple[str, str]] = {
    "recency_days": ("days from the last active day to the end of the window; 0 = active on its last day", "days"),
    "active_days": ("days with at least one action", "days"),
    "actions": ("actions of all four kinds", "actions"),
    "actions_per_day": ("actions ÷ active days", "actions a day"),
    "pv": ("page views", "actions"),
    "fav": ("favourites", "actions"),
    "cart": ("items put into the cart", "actions"),
    "buy": ("purchases", "actions"),
    "items": ("different items touched", "items"),
    "categories": ("different categories touched", "categories"),
    "fav_rate": ("favourites ÷ page views", "per view"),
    "cart_rate": ("carts ÷ page views", "per view"),
    "buy_rate": ("purchases ÷ page views: conversion", "per view"),
    "night_share": ("share of actions from 0:00 to 5:59", "share of actions"),
    "orders": ("orders placed", "orders"),
    "pieces": ("pieces bought", "pieces"),
    "list_amount": ("pieces × list price, before discounts", "money"),
    "discount_amount": ("money taken off", "money"),
    "spend": ("money paid: list amount − discounts", "money"),
    "discount_share": ("discounts ÷ list amount", "share of list price"),
    "average_price": ("list amount ÷ pieces", "money a piece"),
}
"""Column of the feature table → definition and unit. All are measured inside the window only."""

RATIOS: dict[str, tuple[str, str, float]] = {
    "fav_rate": ("fav", "pv", 20.0),
    "cart_rate": ("cart", "pv", 20.0),
    "buy_rate": ("buy", "pv", 20.0),
    "night_share": ("night", "actions", 20.0),
    "discount_share": ("discount_amount", "list_amount", 300.0),
    "average_price": ("list_amount", "pieces", 2.0),
}
"""Ratio → numerator, denominator, and how much of an average user's denominator is mixed in before clustering."""

CLUSTER_BY = "active_days, actions_per_day, categories, fav_rate, cart_rate, buy_rate, discount_share"
"""What segments are made of by default: how often, how intensely, how broadly, doing what, at what price."""


class SegmentsError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


# ── features ────────────────────────────────────────────────────────────────────────────────────────────────────────


def features(events: ir.Table, *, window: tuple, orders: ir.Table | None = None) -> ir.Table:
    """What each user did inside the window: one row a user.

    Parameters
    ----------
    events : Ibis table
        The behaviour log with `day` and `hour` in the study's time zone.
    window : (first, last)
        Whole days, both inclusive; rows outside are left out.
    orders : Ibis table, optional
        The order lines with `day`; adds the money columns (missing for users without an order).

    Returns
    -------
    Ibis table
        user_id, night (actions from 0:00 to 5:59) and the columns of `FEATURES`. A ratio without a denominator
        is missing. No order of rows.

    Examples
    --------
    >>> log = ibis.memtable({"user_id": [1, 1, 1], "item_id": [7, 7, 8], "category_id": [3, 3, 3],
    ...     "behavior": ["pv", "buy", "pv"], "day": ["2017-11-25", "2017-11-25", "2017-11-27"], "hour": [21, 22, 1]})
    >>> user_table(features(log, window=("2017-11-25", "2017-12-03")))[["recency_days", "active_days", "buy_rate"]]
             recency_days  active_days  buy_rate
    user_id
    1                   6            2       0.5
    """
    first, last = (ibis.date(pd.Timestamp(day).strftime("%Y-%m-%d")) for day in window)
    log = _inside(events, first, last)
    counts = {b: log.behavior.cases((b, 1), else_=0).sum().cast("int64") for b in ("pv", "fav", "cart", "buy")}
    users = log.group_by("user_id").agg(
        last_day=log.day.max(), active_days=log.day.nunique(), actions=log.count(), **counts,
        items=log.item_id.nunique(), categories=log.category_id.nunique(),
        night=(log.hour < 6).ifelse(1, 0).sum().cast("int64"),
    )  # fmt: skip
    users = users.mutate(recency_days=last.delta(users.last_day, unit="day"), **_ratios(users)).drop("last_day")
    if orders is None:
        return users
    money = _money(_inside(orders, first, last))
    return users.left_join(money, "user_id").drop("user_id_right")


def _inside(table: ir.Table, first: ir.DateScalar, last: ir.DateScalar) -> ir.Table:
    table = table.mutate(day=table.day.cast("date"))
    return table.filter((table.day >= first) & (table.day <= last))


def _ratios(users: ir.Table) -> dict[str, ir.Value]:
    return {
        "actions_per_day": users.actions / users.active_days,
        **{f"{b}_rate": users[b] / users.pv.nullif(0) for b in ("fav", "cart", "buy")},
        "night_share": users.night / users.actions,
    }


def _money(lines: ir.Table) -> ir.Table:
    off = lines.discount.fill_null(0.0) if "discount" in lines.columns else ibis.literal(0.0)
    users = lines.group_by("user_id").agg(
        orders=lines.order_id.nunique(),
        pieces=lines.quantity.sum().cast("int64"),
        list_amount=(lines.quantity * lines.unit_price).sum().cast("float64"),
        discount_amount=off.sum().cast("float64") if "discount" in lines.columns else off,
    )
    return users.mutate(
        spend=users.list_amount - users.discount_amount,
        discount_share=users.discount_amount / users.list_amount.nullif(0),
        average_price=users.list_amount / users.pieces.nullif(0),
    )


def user_table(users: ir.Table) -> pd.DataFrame:
    """The features in memory: one row a user, indexed and ordered by user_id.

    The index never leaves the machine: pages and result tables show groups only.
    """
    return users.execute().sort_values("user_id").set_index("user_id")


def dictionary(users: pd.DataFrame) -> pd.DataFrame:
    """Definition, unit and coverage of each feature: column, definition, unit, known_share."""
    named = [c for c in FEATURES if c in users.columns]
    if not named or users.empty:
        return missing(["column", "definition", "unit", "known_share"], "no user in the window")
    rows = [(c, *FEATURES[c], float(users[c].notna().mean())) for c in named]
    return pd.DataFrame(rows, columns=["column", "definition", "unit", "known_share"])


# ── preparation ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Prepared:
    """What clustering sees.

    `z` has one row a user (indexed by user_id) and one column a feature, in standard units. `steps` has one row a
    column asked for: column, treatment, used, reason. `reason` says why there is nothing to cluster, when so.
    """

    z: pd.DataFrame
    steps: pd.DataFrame
    reason: str = ""


def prepare(
    users: pd.DataFrame, *, columns: str | Iterable[str] = CLUSTER_BY, log: bool = True, scale: str = "standard"
) -> Prepared:
    """Put features on one scale: logarithm, then centre and divide by the spread.

    Counts and money become ln(1 + x). A ratio a ÷ b becomes ln((a + m·p) ÷ (b + m)), where p is the ratio over all
    users and m the weight in `RATIOS`: a user with few views moves towards the average instead of jumping between 0
    and 1, and a user without any is average. A column that is the same for all, or is not there, is left out.

    Parameters
    ----------
    users : DataFrame
        One row a user, from `user_table`.
    columns : str or list of str
        Features to use, as a list or as text with commas.
    log : bool
        False keeps raw values (missing becomes 0): the trap that the notebook shows.
    scale : str
        'standard' (mean 0, standard deviation 1), 'robust' (median 0, interquartile range 1) or 'none'.

    Raises
    ------
    SegmentsError
        An unknown feature or scale.

    Examples
    --------
    >>> users = pd.DataFrame({"pv": [0, 1, 3], "buy": [2, 2, 2]}, index=[7, 8, 9])
    >>> prepared = prepare(users, columns="pv, buy")
    >>> prepared.z["pv"].round(3).tolist(), prepared.steps["reason"].tolist()
    ([-1.225, 0.0, 1.225], ['', 'the same for all users'])
    """
    wanted = _names(columns)
    if scale not in _SCALES:
        raise SegmentsError(f"scale: {scale!r} is not known; take one of {', '.join(_SCALES)}")
    kept, steps = {}, []
    for name in wanted:
        values, treatment = _treated(users, name, log)
        reason = _unusable(values, name)
        if not reason:
            center, spread = _SCALES[scale](values)
            kept[name] = (values - center) / spread
        steps.append((name, treatment, not reason, reason))
    z = pd.DataFrame(kept, index=users.index, dtype=float)
    table = pd.DataFrame(steps, columns=["column", "treatment", "used", "reason"])
    return Prepared(z, table, _nothing(z))


_SCALES: dict[str, Callable[[np.ndarray], tuple[float, float]]] = {
    "standard": lambda x: (x.mean(), x.std()),
    # a column whose middle half is one value (most users: no favourite) has no interquartile range
    "robust": lambda x: (np.median(x), np.subtract(*np.percentile(x, [75, 25])) or x.std()),
    "none": lambda x: (0.0, 1.0),
}


def _names(columns: str | Iterable[str]) -> list[str]:
    names = [c.strip() for c in columns.split(",")] if isinstance(columns, str) else list(columns)
    unknown = [c for c in names if c not in FEATURES]
    if unknown:
        raise SegmentsError(f"columns: {unknown[0]!r} is not a feature; take some of {', '.join(FEATURES)}")
    return list(dict.fromkeys(names))


def _treated(users: pd.DataFrame, name: str, log: bool) -> tuple[np.ndarray | None, str]:
    """The column as clustering sees it before scaling, and in words what was done to it."""
    if name not in users.columns:
        return None, "none"
    if not log:
        return users[name].astype(float).fillna(0.0).to_numpy(), "raw, missing = 0"
    top, bottom, weight = RATIOS.get(name, ("", "", 0.0))
    if top in users.columns and bottom in users.columns:
        above, below = (users[c].astype(float).fillna(0.0).to_numpy() for c in (top, bottom))
        if below.sum() <= 0 or above.sum() <= 0:
            return np.zeros(len(users)), "none"
        average = above.sum() / below.sum()
        return np.log((above + weight * average) / (below + weight)), f"ln of the ratio, with {weight:g} × the average"
    return np.log1p(users[name].astype(float).fillna(0.0).to_numpy()), "ln(1 + x)"


def _unusable(values: np.ndarray | None, name: str) -> str:
    if values is None:
        return "this study has no orders" if name in list(FEATURES)[-7:] else "not in this table"
    if len(values) == 0:
        return "no user in the window"
    return "the same for all users" if np.ptp(values) < 1e-12 else ""


def _nothing(z: pd.DataFrame) -> str:
    if len(z) < 2:
        return f"{len(z)} user{'' if len(z) == 1 else 's'} in the window: clusters need more"
    return "no feature differs between users" if z.shape[1] == 0 else ""


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
        raise SegmentsError(f"k: {k} clusters cannot be made; give 1 or more")
    different = len(np.unique(z.to_numpy(), axis=0)) if z.shape[1] else 1
    if k > len(z):
        return f"{k} clusters need at least {k} users; there are {len(z)}"
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


def kmeans(z: pd.DataFrame, *, k: int, seed: int, starts: int = 4, fit_on: int = FIT_ON) -> Fit:
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
    if reason := _too_few(z, k):
        return _no_fit(z, reason)
    model = _kmeans(_sampled(z, fit_on, seed).to_numpy(), k, seed, starts)
    return Fit(
        pd.Series(_by_size(_assigned(z.to_numpy(), model.cluster_centers_)), index=z.index),
        within=float(model.inertia_),
    )


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
    0.7466
    """
    sample = _sampled(z, on, seed)
    own = labels.loc[sample.index]
    if own.isna().any() or not 1 < own.nunique() < len(own):
        return Estimate.missing("a silhouette needs at least two clusters, and fewer clusters than users")
    with _one_thread():
        return Estimate(float(silhouette_score(sample.to_numpy(), own.to_numpy().astype(int))))


def _silhouettes(values: np.ndarray, labelings: list[np.ndarray]) -> np.ndarray:
    """Mean silhouettes of several clusterings of the same small table: the distances are computed once."""
    square = (values**2).sum(axis=1)
    distance = np.sqrt(np.maximum(square[:, None] + square - 2 * values @ values.T, 0))
    np.fill_diagonal(distance, 0)
    return np.array([_mean_silhouette(distance, labels) for labels in labelings])


def _mean_silhouette(distance: np.ndarray, labels: np.ndarray) -> float:
    member = np.eye(labels.max() + 1)[labels]
    size, rows = member.sum(axis=0), np.arange(len(labels))
    total = distance @ member
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
        raise SegmentsError(f"reference: {reference!r} is not known; take one of {', '.join(_REFERENCES)}")
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
    starts: int = 2,
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
        raise SegmentsError(f"copies, boots: {copies}, {boots}; give 1 or more of each")
    if ks and ks[0] < 2:
        raise SegmentsError(f"ks: {ks[0]} cannot be compared; give numbers of clusters from 2")
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
    min_excess: float = 0.05,
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
        From `compare`.

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
