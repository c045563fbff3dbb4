"""Customer segments: what users did inside a window, made comparable; who the segments are and what to do with each.

Main reference: [wedel2000]. How clusters are found, and when there are none: `helpers.customers.clusters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.customers.clusters import Prepared, Verdict, agreement, ceiling, kmeans
from helpers.customers.measures import FEATURES, why
from helpers.findings import Estimate, missing
from helpers.privacy import HIDDEN, suppress

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


def dictionary(users: pd.DataFrame) -> pd.DataFrame:
    """Definition, unit, mean over users and coverage of each feature: column, definition, unit, mean, known_share."""
    columns = ["column", "definition", "unit", "mean", "known_share"]
    named = [c for c in FEATURES if c in users.columns]
    if not named or users.empty:
        return missing(columns, "no user in the window")
    rows = [(c, *FEATURES[c], users[c].astype(float).mean(), users[c].notna().mean()) for c in named]
    return pd.DataFrame(rows, columns=columns)


def tagged(prepared: Prepared, users: ir.Table | None) -> pd.DataFrame:
    """The prepared features beside what customers said of themselves: numbers and words in one table.

    Parameters
    ----------
    prepared : Prepared
        From `prepare`.
    users : Ibis table or None
        The customers; age band, gender and city tier are added as words ('not stated' where missing).
    """
    tags = [] if users is None else [c for c in ("age_band", "gender", "city_tier") if c in users.columns]
    if users is None or not tags:
        return prepared.z
    words = users.select("user_id", *tags).execute().set_index("user_id").astype("string")
    return prepared.z.join(words.reindex(prepared.z.index).fillna("not stated").astype(object))


# ── preparation ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
        One row a user, from `measures.user_table`.
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


# ── segments: who they are, what to do ──────────────────────────────────────────────────────────────────────────────

NOTABLE = 0.5
"""A segment's mean this many standard deviations from the mean of all users gets a word in its name."""

WORDS: dict[str, tuple[str, str]] = {
    "active_days": ("frequent", "rare"),
    "actions_per_day": ("long visits", "short visits"),
    "categories": ("broad", "narrow"),
    "fav_rate": ("many favourites", "few favourites"),
    "cart_rate": ("full carts", "empty carts"),
    "buy_rate": ("buys readily", "rarely buys"),
    "discount_share": ("on discount", "at full price"),
    "recency_days": ("not seen lately", "seen lately"),
    "night_share": ("at night", "by day"),
    "average_price": ("expensive goods", "cheap goods"),
    "spend": ("high spend", "low spend"),
    "orders": ("many orders", "few orders"),
}
"""Feature → the word for a high and for a low mean."""

ACTIONS: tuple[tuple[dict[str, int], str], ...] = (
    ({"discount_share": 1}, "Test a smaller discount on half of them: it costs margin, and some would buy anyway."),
    ({"cart_rate": 1, "buy_rate": -1}, "Ask why carts are left: show delivery cost early, remind once."),
    ({"buy_rate": -1}, "Help them decide: reviews, comparisons, what is new in what they favour. No discount at once."),
    ({"active_days": 1}, "Keep them: reliable service, early access, ask for reviews. No discount: they come anyway."),
    ({"active_days": -1}, "One cheap reason to return, such as what goes with the last purchase. Few messages."),
)  # fmt: skip
"""The first rule whose features are all notably high (1) or low (−1) gives the advice; each is a plan to be tested."""
_NO_RULE = "The usual programme: nothing sets them apart enough to treat them differently."


def segment(prepared: Prepared, *, k: int | None, seed: int, engine: str = "sklearn") -> pd.Series:
    """The segment of every user by k-means: 0 the largest. Without clusters (k None) all are in segment 0.

    `engine` as in `clusters.kmeans`.
    """
    everyone = pd.Series(0, index=prepared.z.index)
    if k is None or prepared.reason:
        return everyone
    fit = kmeans(prepared.z, k=k, seed=seed, engine=engine)
    return everyone if fit.reason else fit.labels


def centres(prepared: Prepared, labels: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """Mean of every feature in standard units: one row a segment (its name), one column a feature.

    0 is the mean of all users; 1 is one standard deviation above. Segments under `min_cell` users are left out.
    """
    if prepared.z.empty or labels.nunique() < 2:
        return missing(list(prepared.z.columns), "all users are one group")
    means = prepared.z.groupby(labels).mean()
    large = labels.value_counts().reindex(means.index) >= min_cell
    means.index = pd.Index(names(prepared, labels).reindex(means.index), name="segment")
    return (
        means[large.to_numpy()] if large.any() else missing(list(means.columns), "every segment is too small to show")
    )


def names(prepared: Prepared, labels: pd.Series) -> pd.Series:
    """A name for every segment by rule: the words of its (up to two) most notable means; label → name."""
    if prepared.z.empty or labels.nunique() < 2:
        return pd.Series("all users", index=sorted(labels.dropna().unique()))
    means = prepared.z.groupby(labels).mean()
    given = pd.Series([_name(row) for _, row in means.iterrows()], index=means.index)
    again = given.groupby(given).cumcount()
    return given.where(again == 0, given + " (" + (again + 1).astype(str) + ")")


def _name(means: pd.Series) -> str:
    top = means[means.abs() >= NOTABLE].abs().nlargest(2).index
    words = [WORDS.get(c, (f"high {c}", f"low {c}"))[int(means[c] < 0)] for c in means.index if c in top]
    return ", ".join(words) or "average"


def profile(
    users: pd.DataFrame, prepared: Prepared, labels: pd.Series, *, min_cell: int, columns: Iterable[str] = FEATURES
) -> pd.DataFrame:
    """Size and means of every segment in original units.

    Parameters
    ----------
    users : DataFrame
        One row a user, from `measures.user_table`.
    prepared, labels
        What was clustered, and the segment of every user.
    min_cell : int
        Smaller segments are hidden, with the next smallest where subtraction would bring them back.
    columns : list of str
        Features to show; those that the table lacks are left out.

    Returns
    -------
    DataFrame
        segment (name), users, user_share, and per feature the mean over users, or for a ratio Σ numerator ÷ Σ
        denominator; largest segment first.
    """
    shown = [c for c in columns if c in users.columns]
    if users.empty:
        return missing(["segment", "users", "user_share", *shown], "no user in the window")
    groups = users.groupby(labels)
    counts = groups.size()
    table = pd.DataFrame({"segment": names(prepared, labels), "users": counts, "user_share": counts / len(users)})
    for name in shown:
        table[name] = _group_mean(groups, users, name)
    table = table.sort_values(["users", "segment"], ascending=[False, True]).reset_index(drop=True)
    return suppress(table, count="users", min_cell=min_cell, values=["user_share", *shown]).drop(columns=HIDDEN)


def leading(profile: pd.DataFrame, *, by: str = "buy") -> tuple[str, Estimate]:
    """The segment with the largest part of all that `by` counts, and its share (0…1) of the shown segments.

    Examples
    --------
    >>> shown = pd.DataFrame({"segment": ["rare", "frequent"], "users": [80, 20], "buy": [1.0, 16.0]})
    >>> name, share = leading(shown)
    >>> name, share.value
    ('frequent', 0.8)
    """
    known = profile.dropna(subset=["users", by]) if by in profile.columns else profile.head(0)
    parts = (known["users"] * known[by]).astype(float) if len(known) > 1 else pd.Series(dtype=float)
    if not parts.sum() > 0:
        return "no segment", Estimate.missing(f"there are not two segments to compare by {by}")
    return known.loc[parts.idxmax(), "segment"], Estimate(float(parts.max() / parts.sum()))


def _group_mean(groups: pd.api.typing.DataFrameGroupBy, users: pd.DataFrame, name: str) -> pd.Series:
    top, bottom, _ = RATIOS.get(name, ("", "", 0.0))
    if top in users.columns and bottom in users.columns:
        below = groups[bottom].sum().astype(float)
        return groups[top].sum().astype(float) / below.where(below > 0)
    return groups[name].mean().astype(float)


def advice(centres: pd.DataFrame) -> pd.DataFrame:
    """What to do with each segment, by the first rule of `ACTIONS` that fits: segment, to_do.

    Parameters
    ----------
    centres : DataFrame
        From `centres`.
    """
    if centres.empty:
        return missing(["segment", "to_do"], why(centres))
    return pd.DataFrame({"segment": centres.index, "to_do": [_advice(row) for _, row in centres.iterrows()]})


def _advice(means: pd.Series) -> str:
    fits = (all(sign * means.get(c, 0.0) >= NOTABLE for c, sign in rule.items()) for rule, _ in ACTIONS)
    return next((text for fit, (_, text) in zip(fits, ACTIONS, strict=True) if fit), _NO_RULE)


# ── truth ──


def true_segments(truth: pd.DataFrame) -> pd.Series:
    """The true segment of every simulated customer, user_id → name; empty, with the reason, for real data."""
    if truth.empty:
        empty = pd.Series(dtype="object")
        empty.attrs["reason"] = why(truth)
        return empty
    return truth.set_index("user_id")["segment"]


def confusion(found: pd.Series, true: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """Where each true segment went: one row a true segment, one column a found one, shares of the row.

    Cells of fewer than `min_cell` users are blank.
    """
    both = pd.concat([found.rename("found"), true.rename("true")], axis=1, join="inner").dropna()
    if both.empty:
        return missing(["true"], true.attrs.get("reason", "no user is in both"))
    counts = pd.crosstab(both["true"], both["found"])
    return counts.div(counts.sum(axis=1), axis=0).where(counts >= min_cell)


def against_truth(said: Verdict, prepared: Prepared, labels: pd.Series, true: pd.Series, *, seed: int) -> pd.DataFrame:
    """The verdict and the segments beside the truth of a simulated shop.

    Returns
    -------
    DataFrame
        figure, estimate, ci_low, ci_high, truth, covered (does the interval hold the truth?); a figure that cannot be
        computed is left out. For real data: empty, with the reason.
    """
    columns = ["figure", "estimate", "ci_low", "ci_high", "truth", "covered"]
    if true.empty:
        return missing(columns, why(true))
    groups = true.nunique() if true.nunique() > 1 else 0
    rows = [("number of clusters", said.k or 0, None, None, groups, (said.k or 0) == groups)]
    for figure, found in (
        ("agreement with the true segments (ARI)", agreement(labels, true, seed=seed)),
        ("the same, had the method been told the truth", ceiling(prepared, true, seed=seed)),
    ):
        if not found.reason:
            rows.append((figure, found.value, found.ci_low, found.ci_high, 1.0, found.covers(1.0)))
    return pd.DataFrame(rows, columns=columns)
