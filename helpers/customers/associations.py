"""Do tags go together with what customers do next? The right measure for each scale, and a correction for many tests.

Measures: Cramér's V [cramer1946], point-biserial and Spearman's correlation [spearman1904], Cohen's kappa [cohen1960].
Corrections: Holm [holm1979], Benjamini and Hochberg [benjamini1995]. An association is not an effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from helpers.customers.measures import why
from helpers.customers.tags import TagError
from helpers.findings import Estimate, missing
from helpers.intervals import z_value

MEASURES = {
    ("named", "yes-no"): "Cramér's V",
    ("named", "number"): "rank correlation ratio",
    ("number", "yes-no"): "point-biserial",
    ("number", "number"): "Spearman",
    ("ordered", "yes-no"): "Spearman",
    ("ordered", "number"): "Spearman",
}
"""Scale of the tag, kind of the outcome → the measure."""
COLUMNS = ["tag", "outcome", "measure", "users", "strength", "chance_high", "p_value", "p_holm", "p_bh", "p_shuffled",
           "reason"]  # fmt: skip
LEAST_USERS = 30
CHANCE = 0.95


@dataclass(frozen=True)
class Associations:
    """The tests of `associate` in a table, and the p-value of each test (rows) in each shuffle (columns)."""

    table: pd.DataFrame
    shuffled: np.ndarray


# ── measures ────────────────────────────────────────────────────────────────────────────────────────────────────────


def cramers_v(a: pd.Series, b: pd.Series) -> tuple[float, float] | tuple[None, None]:
    """Cramér's V of two named tags, and the p-value of the chi-square test without a continuity correction.

    V = √(χ² ÷ (n · (min(rows, columns) − 1))), χ² = Σ (observed − expected)² ÷ expected. Range 0…1: 0 no association in
    these data, 1 one of the two decides the other.

    Parameters
    ----------
    a, b : Series
        One word a user; users in only one of them, or with a missing one, are left out.

    Returns
    -------
    (V, p) : two floats
        Both None where one of the two is constant.

    Examples
    --------
    >>> v, p = cramers_v(pd.Series(list("aaabbb")), pd.Series(list("xxyyyy")))
    >>> round(v, 3), round(p, 3)
    (0.707, 0.083)
    """
    both = pd.concat([a.rename("a"), b.rename("b")], axis=1, join="inner").dropna()
    counts = pd.crosstab(both["a"], both["b"]).to_numpy(float)
    least = min(counts.shape) - 1 if counts.size else 0
    if least < 1:
        return None, None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    degrees = (counts.shape[0] - 1) * (counts.shape[1] - 1)
    return float(np.sqrt(chi2 / (counts.sum() * least))), float(stats.chi2.sf(chi2, degrees))


def kappa(a: pd.Series, b: pd.Series, *, level: float = 0.95) -> Estimate:
    """Cohen's kappa: how far two labellings of the same users agree, beyond chance.

    κ = (p_o − p_e) ÷ (1 − p_e), with p_o the share of users with the same word and p_e = Σ p_word,a · p_word,b what
    chance alone would give. Range −1…1: 1 the same, 0 no more than chance. Interval by the large-sample standard error
    of Fleiss, Cohen and Everitt.

    Parameters
    ----------
    a, b : Series
        user_id → word; users in only one of them, or with a missing one, are left out.

    References
    ----------
    Cohen (1960): cohen1960; Fleiss, Cohen and Everitt (1969): fleiss1969.

    Examples
    --------
    >>> round(kappa(pd.Series(list("aabb")), pd.Series(list("aabc"))).value, 3)
    0.6
    """
    both = pd.concat([a.rename("a"), b.rename("b")], axis=1, join="inner").dropna().astype(str)
    if both.empty:
        return Estimate.missing("no user has the tag in both halves")
    words = sorted(set(both["a"]) | set(both["b"]))
    counts = pd.crosstab(both["a"], both["b"]).reindex(index=words, columns=words, fill_value=0).to_numpy(float)
    n, p = counts.sum(), counts / counts.sum()
    left, right, same = p.sum(axis=1), p.sum(axis=0), np.diag(p)
    by_chance, agreed = float(left @ right), float(same.sum())
    if by_chance >= 1:
        return Estimate.missing("all users have the same word")
    value = (agreed - by_chance) / (1 - by_chance)
    margins = left[None, :] + right[:, None]  # of the word in the column among `a`, and in the row among `b`
    on = float((same * (1 - (left + right) * (1 - value)) ** 2).sum())
    off = float((p * margins**2).sum() - (same * (left + right) ** 2).sum()) * (1 - value) ** 2
    spread = max(on + off - (value - by_chance * (1 - value)) ** 2, 0) / (n * (1 - by_chance) ** 2)
    reach = z_value(level) * float(np.sqrt(spread))
    return Estimate(value, max(value - reach, -1.0), min(value + reach, 1.0))


def spearman(a: pd.Series, b: pd.Series, *, level: float = 0.95) -> Estimate:
    """Spearman's rank correlation with its interval.

    ρ is Pearson's correlation of the ranks (equal values share their mean rank). Range −1…1: 1 the same order, 0 no
    order in common. Interval by Fisher's z with the variance of Bonett and Wright, (1 + ρ²/2) ÷ (n − 3).

    Parameters
    ----------
    a, b : Series
        user_id → number; users in only one of them, or with a missing one, are left out.

    References
    ----------
    Spearman (1904): spearman1904; Bonett and Wright (2000): bonett2000.

    Examples
    --------
    >>> round(spearman(pd.Series([1, 2, 3, 4, 5]), pd.Series([2, 1, 4, 3, 5])).value, 3)
    0.8
    """
    both = pd.concat([a.rename("a"), b.rename("b")], axis=1, join="inner").dropna().astype(float)
    if len(both) < 2 or both["a"].nunique() < 2 or both["b"].nunique() < 2:
        return Estimate.missing("all users have the same value" if len(both) > 1 else "no two users have the tag")
    ranks = both.rank().to_numpy()
    value = float(np.clip(np.corrcoef(ranks.T)[0, 1], -1, 1))
    if len(both) < 4 or abs(value) > 1 - 1e-12:
        return Estimate(value)
    reach = z_value(level) * np.sqrt((1 + value**2 / 2) / (len(both) - 3))
    return Estimate(value, *(float(np.tanh(np.arctanh(value) + side * reach)) for side in (-1, 1)))


# ── one test: a tag against an outcome and against shuffled outcomes ────────────────────────────────────────────────


def _strengths(tag: pd.Series, y: np.ndarray, deal: np.ndarray, measure: str) -> np.ndarray:
    """The measure of one tag with each deal of the outcome (one a column; the first is the observed one)."""
    y = y if measure in ("Cramér's V", "point-biserial") else stats.rankdata(y)
    y = y - y.mean()
    total, y = (y**2).sum(), y[deal]
    if measure in ("Cramér's V", "rank correlation ratio"):
        # with a yes-no outcome V² is the part of the sum of squares that lies between the words
        codes, words = pd.factorize(tag)
        one = np.zeros((len(words), len(tag)))
        one[codes, np.arange(len(tag))] = 1
        return np.sqrt(((one @ y) ** 2 / one.sum(axis=1)[:, None]).sum(axis=0) / total)
    x = tag.to_numpy(float) if measure == "point-biserial" else stats.rankdata(tag.to_numpy(float))
    x = x - x.mean()
    return np.clip(x @ y / np.sqrt((x**2).sum() * total), -1, 1)


def _p_values(tag: pd.Series, strengths: np.ndarray, measure: str) -> np.ndarray:
    """The two-sided p-values: chi-square for words, Student's t for correlations."""
    n, part = len(tag), strengths**2
    if measure == "Cramér's V":
        return stats.chi2.sf(n * part, tag.nunique() - 1)
    if measure == "rank correlation ratio":  # Kruskal and Wallis
        return stats.chi2.sf((n - 1) * part, tag.nunique() - 1)
    return 2 * stats.t.sf(np.sqrt((n - 2) * part / np.maximum(1 - part, 1e-300)), n - 2)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's correction: $\\max_{j \\le i} (m - j + 1)\\,p_{(j)}$, at most a chance α of *any* false finding.

    >>> holm(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(np.asarray(p, float)[order] * np.arange(len(p), 0, -1))
    out = np.empty(len(p))
    out[order] = np.minimum(steps, 1)
    return out


def associate(
    tags: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    scales: dict[str, str],
    permutations: int = 99,
    seed: int,
    least_users: int = LEAST_USERS,
    within: pd.Series | None = None,
) -> Associations:
    """Every tag of the first half against every outcome of the second half.

    Parameters
    ----------
    tags : DataFrame
        One row a user: the tags to test; words should be coarsened before.
    outcomes : DataFrame
        One row a user under the same index; a column of 0 and 1 is a yes-no outcome.
    scales : dict of str to str
        Tag → 'named', 'ordered' or 'number'.
    permutations : int
        How often the outcomes are dealt out among the users at random, 1…10000.
    seed : int
        Start of the random draws.
    least_users : int
        With fewer users with the tag there is no test.
    within : Series, optional
        user_id → group: outcomes are dealt out only among users of one group. Then chance_high and p_shuffled ask
        whether the tag says more than the group does; the other p-values do not change. Users without a group are
        left out.

    Returns
    -------
    Associations
        `table`: one row a pair, strongest evidence first: tag, outcome, measure (as in `MEASURES`), users (missing
        where they are too few for a test: the group may be too small to be shown), strength
        (−1…1; V and correlation ratio 0…1), chance_high (95 % of the shuffled strengths are below, in absolute value),
        p_value, p_holm and p_bh (corrected over all tests of the table), p_shuffled ((1 + shuffles at least as
        strong) ÷ (1 + shuffles)), reason (why there is no number).

    Raises
    ------
    TagError
        A tag without a scale, or `permutations` out of range.
    """
    if not 1 <= permutations <= 10_000:
        raise TagError(f"permutations: {permutations!r} is out of range; give 1 to 10000, such as 99")
    unscaled = [t for t in tags.columns if scales.get(t) not in ("named", "ordered", "number")]
    if unscaled:
        raise TagError(f"scales: {unscaled[0]!r} has none; give named, ordered or number")
    groups = pd.Series(0, index=tags.index) if within is None else within.dropna()
    joined = tags.index.intersection(outcomes.index).intersection(groups.index)
    if outcomes.empty or not len(joined):
        reason = why(outcomes) if outcomes.empty else "nobody is in both halves"
        return Associations(missing(COLUMNS, reason), np.empty((0, 0)))
    keys = np.random.default_rng(seed).random((len(joined), permutations))
    keys += pd.factorize(groups[joined])[0][:, None]  # in the order of the keys, the groups stand one after the other
    rows, shuffled, deals = [], [], {}
    for tag in tags.columns:
        known = tags.loc[joined, tag].notna().to_numpy()
        if known.tobytes() not in deals:  # the same keys for every tag: tests of one shuffle depend as they do in life
            deals[known.tobytes()] = _deals(keys[known])
        values, deal = tags.loc[joined[known], tag], deals[known.tobytes()]
        for outcome in outcomes.columns:
            y = outcomes.loc[joined[known], outcome].to_numpy(float)
            row, p = _one(values, y, deal, scales[tag], least_users)
            rows.append({"tag": tag, "outcome": outcome, **row})
            shuffled.append(p)
    return _corrected(pd.DataFrame(rows).reindex(columns=COLUMNS), np.array(shuffled))


def _deals(keys: np.ndarray) -> np.ndarray:
    """Positions to take outcomes from: as observed in the first column, dealt out by the keys in the others."""
    deals = np.empty((len(keys), keys.shape[1] + 1), dtype=np.int64)
    deals[:, 0] = np.arange(len(keys))
    deals[np.argsort(np.floor(keys[:, 0]), kind="stable"), 1:] = np.argsort(keys, axis=0)
    return deals


def _one(tag: pd.Series, y: np.ndarray, deal: np.ndarray, scale: str, least_users: int) -> tuple[dict, np.ndarray]:
    """One row of `associate`, and the p-values of the shuffled outcomes."""
    measure = MEASURES[scale, "yes-no" if np.isin(y, (0, 1)).all() else "number"]
    row, none = {"measure": measure, "users": len(tag)}, np.full(deal.shape[1] - 1, np.nan)
    if len(tag) < max(least_users, 4):
        return row | {"users": None, "reason": f"fewer than {max(least_users, 4)} users have the tag"}, none
    if tag.nunique() < 2 or np.ptp(y) == 0:
        return row | {"reason": "the tag or the outcome is the same for all"}, none
    strength = _strengths(tag, y, deal, measure)
    p, chance = _p_values(tag, strength, measure), np.abs(strength[1:])
    found = {
        "strength": float(strength[0]), "chance_high": float(np.quantile(chance, CHANCE)), "p_value": float(p[0]),
        "p_shuffled": float((1 + (chance >= abs(strength[0]) - 1e-12).sum()) / (1 + len(chance))), "reason": "",
    }  # fmt: skip
    return row | found, p[1:]


def _corrected(table: pd.DataFrame, shuffled: np.ndarray) -> Associations:
    numbers = ["strength", "chance_high", "p_value", "p_holm", "p_bh", "p_shuffled"]
    table = table.astype(dict.fromkeys(numbers, "float64"))
    table["users"] = table["users"].astype("Int64" if table["users"].hasnans else "int64")
    tested = table["p_value"].notna()
    if tested.any():
        p = table.loc[tested, "p_value"].to_numpy()
        table.loc[tested, "p_holm"] = holm(p)
        table.loc[tested, "p_bh"] = stats.false_discovery_control(p)
    order = table.assign(size=-table["strength"].abs()).sort_values(["p_value", "size", "tag", "outcome"]).index
    return Associations(table.loc[order].reset_index(drop=True), shuffled[tested.to_numpy()])


def discoveries(associations: Associations, *, alpha: float = 0.05) -> pd.DataFrame:
    """How many associations each rule finds, in the data and in data whose outcomes were dealt out at random.

    Parameters
    ----------
    associations : Associations
        From `associate`.
    alpha : float
        Accepted error, 0…1.

    Returns
    -------
    DataFrame
        rule ('no correction', 'Benjamini-Hochberg', 'Holm'), tests, found, found_shuffled (mean over the shuffles; all
        of them are false), any_shuffled_share (shuffles with at least one false finding; Holm promises at most alpha).
    """
    columns = ["rule", "tests", "found", "found_shuffled", "any_shuffled_share"]
    if not associations.shuffled.size:
        return missing(columns, associations.table.attrs.get("reason", "no tag and outcome could be tested"))
    rules = {
        "no correction": lambda p: p,
        "Benjamini-Hochberg": stats.false_discovery_control,
        "Holm": holm,
    }
    observed = associations.table["p_value"].dropna().to_numpy()
    rows = []
    for name, rule in rules.items():
        false = [int((rule(p) <= alpha).sum()) for p in associations.shuffled.T]
        found = int((rule(observed) <= alpha).sum())
        rows.append((name, len(observed), found, float(np.mean(false)), float(np.mean(np.array(false) > 0))))
    return pd.DataFrame(rows, columns=columns)


def found_by(discoveries: pd.DataFrame, rule: str) -> int | None:
    """Associations that a rule of `discoveries` finds in the data; None where nothing could be tested."""
    row = discoveries[discoveries["rule"] == rule]
    return int(row["found"].iloc[0]) if len(row) else None
