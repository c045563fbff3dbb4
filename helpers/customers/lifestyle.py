"""Lifestyle types as declared scores: quality-life, fashion-forward and rational-saving.

The three types come from marketing theory; they are drawn by a formula, not found in the data [wells1975]. So the
question is not whether they exist, but how well the formula tells people apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.customers.clusters import agreement
from helpers.customers.measures import why
from helpers.customers.tags import Tag, TagError
from helpers.findings import Estimate, missing
from helpers.intervals import rate, z_value
from helpers.privacy import HIDDEN, suppress

TYPES: dict[str, dict[str, float]] = {
    "quality-life": {"price_level": 1.0},
    "fashion-forward": {"novelty": 1.0},
    "rational-saving": {"price_level": -0.5, "discount_share": 0.5},
}
"""Type → the weight of each tag's percentile; a negative weight counts 1 − percentile."""
MIXED = "mixed"
MARGIN = 0.05
TAG = Tag(
    "lifestyle", "preference", "named", "the highest of three declared scores; mixed where two are nearly equal", "",
    ("log", "items"), "choose what to show",
)  # fmt: skip
"""The type's line in the tag dictionary."""
TASTES = {"price_level": "price_taste", "novelty": "novelty_taste", "discount_share": "deal_taste"}
"""Tag → the taste behind it in the truth of the simulated shop."""


def formula() -> pd.DataFrame:
    """The declared formula of each type in words: type, score."""
    rows = [(name, " + ".join(_term(tag, w) for tag, w in weights.items())) for name, weights in TYPES.items()]
    return pd.DataFrame(rows, columns=["type", "score"])


def _term(tag: str, weight: float) -> str:
    side = f"P({tag})" if weight > 0 else f"(1 − P({tag}))"
    return side if abs(weight) == 1 else f"{abs(weight):g} · {side}"


def percentiles(values: pd.Series) -> pd.Series:
    """P(x) = (users below + ½ · users equal) ÷ users with a value: 0…1, equal users alike; missing stays missing.

    >>> percentiles(pd.Series([5.0, 7.0, 7.0, None])).round(3).tolist()
    [0.167, 0.667, 0.667, nan]
    """
    known = values.notna().sum()
    return (values.rank(method="average") - 0.5) / max(known, 1)


def scores(tags: pd.DataFrame) -> pd.DataFrame:
    """The three scores of every user.

    score = Σ |w| · (P where w > 0, 1 − P where w < 0) ÷ Σ |w|, over the tags that the user has, with P the percentile
    among users. Range 0…1; ½ is the middle customer. At least half of the weight must be known, else it is missing.

    Parameters
    ----------
    tags : DataFrame
        One row a user with price_level, novelty and discount_share, from `tags.tags`.

    Returns
    -------
    DataFrame
        One row a user, one column a type.

    Examples
    --------
    >>> users = pd.DataFrame({"price_level": [0.9, 0.2], "novelty": [0.1, 0.1], "discount_share": [0.0, 0.3]})
    >>> scores(users).round(2)
       quality-life  fashion-forward  rational-saving
    0          0.75              0.5             0.25
    1          0.25              0.5             0.75
    """
    needed = {tag for weights in TYPES.values() for tag in weights}
    known = {tag: percentiles(tags[tag].astype(float)) for tag in needed}
    return pd.DataFrame({name: _score(known, weights) for name, weights in TYPES.items()}, index=tags.index)


def _score(known: dict[str, pd.Series], weights: dict[str, float]) -> pd.Series:
    parts = pd.DataFrame({tag: abs(w) * (known[tag] if w > 0 else 1 - known[tag]) for tag, w in weights.items()})
    weight = sum(abs(w) * known[tag].notna() for tag, w in weights.items())
    return (parts.sum(axis=1) / weight.where(weight > 0)).where(weight >= sum(map(abs, weights.values())) / 2)


def types(scores: pd.DataFrame, *, margin: float = MARGIN) -> pd.Series:
    """The type of every user: the highest score, or 'mixed' where it leads by less than `margin`.

    Parameters
    ----------
    scores : DataFrame
        From `scores`.
    margin : float
        Least distance to the second score, 0…1.

    Returns
    -------
    Series
        A word for each user with all three scores, missing for the others.

    Raises
    ------
    TagError
        `margin` outside 0…1.
    """
    if not 0 <= margin <= 1:
        raise TagError(f"margin: {margin!r} is no distance of two scores; give a number from 0 to 1, such as {MARGIN}")
    full = scores.dropna()
    if full.empty:
        return pd.Series(None, index=scores.index, dtype=object, name="lifestyle")
    values = np.sort(full.to_numpy(), axis=1)
    found = full.idxmax(axis=1).astype(object)
    found[values[:, -1] - values[:, -2] < max(margin, 1e-12)] = MIXED
    return found.reindex(scores.index).rename("lifestyle")


# ── against the truth ───────────────────────────────────────────────────────────────────────────────────────────────


def auc(score: pd.Series, positive: pd.Series, *, level: float = 0.95) -> Estimate:
    """The chance that a random member of a group scores higher than a random non-member (ties count half).

    AUC = (Σ ranks of members − m(m + 1)/2) ÷ (m·k), 0…1; ½ is a coin, 1 tells all apart. Interval by Hanley and
    McNeil's standard error, √((A(1 − A) + (m − 1)(A/(2 − A) − A²) + (k − 1)(2A²/(1 + A) − A²)) / (m·k)).

    Parameters
    ----------
    score : Series
        One number a user; users without one are left out.
    positive : Series
        True for members, under the same index.

    References
    ----------
    Hanley and McNeil (1982): hanley1982.

    Examples
    --------
    >>> auc(pd.Series([0.1, 0.4, 0.35, 0.8]), pd.Series([False, False, True, True])).value
    0.75
    """
    both = pd.concat([score.rename("score"), positive.rename("positive")], axis=1, join="inner").dropna()
    inside = both["positive"].astype(bool)
    m, k = int(inside.sum()), int((~inside).sum())
    if not m or not k:
        return Estimate.missing("the group has no members, or nobody is outside it")
    a = float((both["score"].rank()[inside].sum() - m * (m + 1) / 2) / (m * k))
    spread = a * (1 - a) + (m - 1) * (a / (2 - a) - a * a) + (k - 1) * (2 * a * a / (1 + a) - a * a)
    reach = z_value(level) * float(np.sqrt(max(spread, 0) / (m * k)))
    return Estimate(a, max(a - reach, 0.0), min(a + reach, 1.0))


def _truth(truth: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """The truth of these users; empty, with the reason, for real data and for a shop without types."""
    if truth.empty or "lifestyle" not in truth.columns:
        return missing(["lifestyle"], why(truth))
    known = truth.set_index("user_id").reindex(index)
    known = known[known["lifestyle"].isin(TYPES)]
    return known if len(known) else missing(["lifestyle"], "this simulated shop has no lifestyle types")


def graded_scores(tags: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """How well each score tells the members of its type from all others, from the log and from the true tastes.

    Parameters
    ----------
    tags : DataFrame
        From `tags.tags`.
    truth : DataFrame
        The simulated shop's users: user_id, lifestyle and the tastes.

    Returns
    -------
    DataFrame
        type, auc with auc_ci_low and auc_ci_high, best_auc: the same formula on the true tastes (what no log can beat
        by much), users.
    """
    columns = ["type", "users", "auc", "auc_ci_low", "auc_ci_high", "best_auc"]
    known = _truth(truth, tags.index)
    if known.empty:
        return missing(columns, why(known))
    found = scores(tags)
    best = scores(known.rename(columns={taste: tag for tag, taste in TASTES.items()}))
    if not found.notna().all(axis=1).any():
        return missing(columns, "nobody has all three scores")
    rows = []
    for name in TYPES:
        member = known["lifestyle"] == name
        told = auc(found[name], member)
        users = int(found[name].reindex(known.index).notna().sum())
        rows.append((name, users, told.value, told.ci_low, told.ci_high, auc(best[name], member).value))
    return pd.DataFrame(rows, columns=columns)


def right(types: pd.Series, truth: pd.DataFrame) -> Estimate:
    """The share of users whose declared type is the true one, of those who have a type; 'mixed' counts as wrong."""
    known = _truth(truth, types.index)
    if known.empty:
        return Estimate.missing(why(known))
    both = pd.concat([types.rename("found"), known["lifestyle"].rename("true")], axis=1, join="inner").dropna()
    return rate(int((both["found"] == both["true"]).sum()), len(both), reason="nobody has a type")


def graded_types(types: pd.Series, truth: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Agreement of the declared types with the true ones.

    Returns
    -------
    DataFrame
        measure, value, ci_low, ci_high: the share of users whose type is right ('mixed' counts as wrong), the same
        without the mixed, and the adjusted Rand index.
    """
    columns = ["measure", "value", "ci_low", "ci_high"]
    known = _truth(truth, types.index)
    if known.empty:
        return missing(columns, why(known))
    both = pd.concat([types.rename("found"), known["lifestyle"].rename("true")], axis=1, join="inner").dropna()
    clear = both[both["found"] != MIXED]
    told = [right(types, truth), right(types[types != MIXED], truth)]
    told.append(agreement(clear["found"], clear["true"], seed=seed))
    names = ("right type, mixed counts as wrong", "right type, without the mixed", "adjusted Rand index")
    if both.empty:
        return missing(columns, "nobody has a type")
    rows = [(name, e.value, e.ci_low, e.ci_high) for name, e in zip(names, told, strict=True)]
    return pd.DataFrame(rows, columns=columns)


def sizes(types: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """Users of each type, in the order of `TYPES`, then 'mixed'; groups of fewer than `min_cell` are hidden.

    Returns
    -------
    DataFrame
        type, users, user_share (of those with a type). Types that nobody has are left out.
    """
    counts = types.dropna().value_counts()
    if counts.empty:
        return missing(["type", "users", "user_share"], "nobody has all three scores: they take prices and launch days")
    counts = counts.reindex([name for name in (*TYPES, MIXED) if name in counts.index])
    table = pd.DataFrame({"type": counts.index, "users": counts.to_numpy(), "user_share": counts / counts.sum()})
    table = suppress(table.reset_index(drop=True), count="users", min_cell=min_cell, values=["user_share"])
    return table.drop(columns=HIDDEN)
