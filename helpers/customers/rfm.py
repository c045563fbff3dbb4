"""Recency, frequency, monetary value: three measures, three ways to score them, ten named segments.

Main reference: [hughes1994]. Customers who are equal always get equal scores.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.customers.measures import inside, spending, user_table, why
from helpers.findings import Estimate, missing
from helpers.intervals import rate
from helpers.privacy import HIDDEN, suppress

LETTERS = {"recency_days": "r", "frequency": "f", "monetary": "m", "engagement": "e"}
"""Measure → letter of its score. A short recency is good; of all others much is good."""
BINS = 5
METHODS = ("quantile", "fixed", "log")

SEGMENTS: tuple[tuple[str, tuple[int, int], tuple[int, int], str], ...] = (
    ("champions", (4, 5), (4, 5), "Thank them; new things first; ask for reviews. No discount: they come anyway."),
    ("loyal", (3, 3), (4, 5), "Stay in touch; offer what goes with what they buy."),
    ("potential loyalists", (4, 5), (2, 3), "Show a second category; a membership with a clear use."),
    ("new", (5, 5), (1, 1), "Make the first order a good one; explain what else there is."),
    ("promising", (4, 4), (1, 1), "One reason for a second order, such as a small sample."),
    ("need attention", (3, 3), (3, 3), "One message with what is new in their category."),
    ("about to sleep", (3, 3), (1, 2), "One cheap reminder; then leave them in peace."),
    ("cannot lose", (1, 2), (5, 5), "A person asks what went wrong: these few were worth much."),
    ("at risk", (1, 2), (3, 4), "Win back with a reason, tested against a group without the message."),
    ("hibernating", (1, 2), (1, 2), "No paid messages. They may come back by themselves."),
)  # fmt: skip
"""Name, recency scores, value scores (mean of the two others, a half counted up), and what to do: a plan to test."""


class RfmError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


# ── the measures ────────────────────────────────────────────────────────────────────────────────────────────────────


def rfm_table(orders: ir.Table | None, *, window: tuple) -> pd.DataFrame:
    """Recency, frequency and monetary value of every customer with an order inside the window.

    Parameters
    ----------
    orders : Ibis table or None
        The order lines with `day`; None where the study has none.
    window : (first, last)
        Whole days, both inclusive.

    Returns
    -------
    DataFrame
        One row a customer, indexed and ordered by user_id: recency_days (last order to the end of the window, 0 = on
        its last day), frequency (orders), monetary (money paid). Without orders: empty, with the reason.
    """
    columns = ["recency_days", "frequency", "monetary"]
    if orders is None:
        return missing(columns, "this study has no orders, so nobody's money is known")
    users = spending(orders, window=window)
    users = users.select("user_id", recency_days="order_recency_days", frequency="orders", monetary="spend")
    table = user_table(users)
    return table if len(table) else missing(columns, "no order in the window")


def rfe_table(log: ir.Table, *, window: tuple) -> pd.DataFrame:
    """Recency, frequency and engagement of every user inside the window: RF(E) needs no money.

    Parameters
    ----------
    log : Ibis table
        The behaviour log with `day` and `hour`.
    window : (first, last)
        Whole days, both inclusive.

    Returns
    -------
    DataFrame
        One row a user, indexed and ordered by user_id: recency_days (last action to the end of the window), frequency
        (active days), engagement (actions an active day). An empty window: empty, with the reason.
    """
    days = inside(log, window=window).group_by("user_id", "day").agg(actions=ibis._.count())
    users = days.group_by("user_id").agg(last=days.day.max(), frequency=days.count(), actions=days.actions.sum())
    end = ibis.date(pd.Timestamp(window[1]).strftime("%Y-%m-%d"))
    recency, engagement = end.delta(users["last"], unit="day"), users.actions / users.frequency
    table = user_table(users.select("user_id", recency_days=recency, frequency="frequency", engagement=engagement))
    return table if len(table) else missing(list(table.columns), "no user in the window")


def summary(table: pd.DataFrame, *, min_cell: int) -> pd.DataFrame:
    """Quarters of each measure, and how many customers share its most common value: ties are the rule.

    Returns
    -------
    DataFrame
        One row a measure: measure, quarter, median, three_quarters, most_common, most_common_share (0…1).
    """
    columns = ["measure", "quarter", "median", "three_quarters", "most_common", "most_common_share"]
    if len(table) < min_cell:
        return missing(columns, why(table) if table.empty else f"fewer than {min_cell} customers")
    rows = []
    for name in table.columns:
        counts = table[name].value_counts(normalize=True)
        often = counts.index[counts == counts.max()].min()
        rows.append((name, *table[name].quantile([0.25, 0.5, 0.75]), often, counts.max()))
    found = pd.DataFrame(rows, columns=columns)
    few = found["most_common_share"] * len(table) < min_cell
    found[columns[4:]] = found[columns[4:]].astype(float).mask(few)
    return found


def either(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The first table, or the second where the first is empty: RFM where there are orders, else RF(E)."""
    return second if first.empty else first


# ── scores ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def score(
    values: pd.Series, *, method: str = "quantile", low_is_good: bool = False, edges: list[float] | None = None
) -> pd.Series:
    """Score one measure from 1 (worst) to 5 (best); equal values get equal scores.

    - quantile: ⌊5 p⌋ + 1 with p = (customers below + half of the equal ones) / n, so that about a fifth gets each
      score where there are no ties. If all are equal, all get 3.
    - fixed: 1 + the number of `edges` reached. Comparable between periods and shops.
    - log: five equally wide ranges of ln(1 + x) between the smallest and the largest value; below zero counts as zero.

    Parameters
    ----------
    values : Series
        One number a customer.
    method : str
        'quantile', 'fixed' or 'log'.
    low_is_good : bool
        True for recency: few days get the high score.
    edges : list of float, optional
        For 'fixed': four rising edges. A value equal to an edge has reached it; where low is good it keeps the better
        score: with edges 7, 30, 60, 120 up to 7 days score 5.

    Returns
    -------
    Series
        Whole numbers 1…5 under the index of `values`.

    Raises
    ------
    RfmError
        An unknown method, or edges that are not four rising numbers, or a missing value.

    Examples
    --------
    >>> score(pd.Series([1, 1, 1, 2, 9])).tolist()
    [2, 2, 2, 4, 5]
    >>> score(pd.Series([1, 1, 1, 2, 9]), method="log").tolist()
    [1, 1, 1, 2, 5]
    >>> score(pd.Series([7, 8, 200]), method="fixed", edges=[7, 30, 60, 120], low_is_good=True).tolist()
    [5, 4, 1]
    """
    x = values.to_numpy(dtype=float)
    if not np.isfinite(x).all():
        raise RfmError("values: a missing or infinite number cannot be scored; leave these customers out")
    if method not in METHODS:
        raise RfmError(f"method: {method!r} is not known; take one of {', '.join(METHODS)}")
    if method == "fixed":
        points = _by_edges(x, _checked(edges), low_is_good)
    else:
        points = _by_quantile(x, low_is_good) if method == "quantile" else _by_log(x, low_is_good)
    return pd.Series(points.astype(np.int64), index=values.index, name=values.name)


def _checked(edges: list[float] | None) -> np.ndarray:
    given = np.asarray(edges if edges is not None else [], dtype=float)
    if len(given) != BINS - 1 or not (np.diff(given) > 0).all():
        raise RfmError(f"edges: {edges!r} are not four rising numbers; give for example 7, 30, 60, 120")
    return given


def _by_quantile(x: np.ndarray, low_is_good: bool) -> np.ndarray:
    # twice the mid-rank is a whole number: no rounding can part equal customers or move a border
    ranked = pd.Series(-x if low_is_good else x).rank(method="average").to_numpy()
    twice = np.rint(2 * ranked - 1).astype(np.int64)
    return np.minimum(BINS, BINS * twice // (2 * max(len(x), 1)) + 1)


def _by_edges(x: np.ndarray, edges: np.ndarray, low_is_good: bool) -> np.ndarray:
    if low_is_good:
        return BINS - np.searchsorted(edges, x, side="left")
    return 1 + np.searchsorted(edges, x, side="right")


def _by_log(x: np.ndarray, low_is_good: bool) -> np.ndarray:
    y = np.log1p(np.maximum(x, 0.0))
    span = np.ptp(y) if len(y) else 0.0
    if span < 1e-12:
        return np.full(len(x), (BINS + 1) // 2)
    at = np.minimum(BINS - 1, np.floor(BINS * (y - y.min()) / span))
    return BINS - at if low_is_good else 1 + at


def scores(
    table: pd.DataFrame, *, method: str = "quantile", edges: dict[str, list[float]] | None = None
) -> pd.DataFrame:
    """Score all measures of a table and put the digits together: 555 are the best.

    Parameters
    ----------
    table : DataFrame
        One row a customer, from `rfm_table` or `rfe_table`.
    method : str
        As in `score`.
    edges : dict of str to list of float, optional
        For 'fixed': measure → four edges.

    Returns
    -------
    DataFrame
        Under the same index r, f and m (or e), 1…5; `code` (text such as '543') and `total` (3…15).

    Examples
    --------
    >>> t = pd.DataFrame({"recency_days": [0, 5, 5], "frequency": [9, 1, 1], "monetary": [90.0, 5.0, 5.0]})
    >>> scores(t)["code"].tolist()
    ['555', '222', '222']
    """
    names = [c for c in LETTERS if c in table.columns]
    if table.empty:
        return missing([*(LETTERS[c] for c in names), "code", "total"], why(table))
    found = {
        LETTERS[c]: score(table[c], method=method, low_is_good=c == "recency_days", edges=(edges or {}).get(c))
        for c in names
    }
    result = pd.DataFrame(found, index=table.index)
    number = result.to_numpy() @ 10 ** np.arange(len(names) - 1, -1, -1)
    # a look-up: a million numbers become text at once
    words = np.array([str(i) for i in range(10 ** len(names))], dtype=object)
    return result.assign(code=words[number], total=result.sum(axis=1))


def three_scorings(table: pd.DataFrame, *, edges: dict[str, list[float]]) -> dict[str, pd.DataFrame]:
    """The same table scored in the three ways of `score`: name of the scoring → `scores`."""
    return {method: scores(table, method=method, edges=edges) for method in METHODS}


def parse_edges(text: str) -> list[float]:
    """Edges written with commas, as a notebook's parameter.

    >>> parse_edges("7, 30, 60, 120")
    [7.0, 30.0, 60.0, 120.0]
    """
    try:
        return _checked([float(part) for part in text.split(",")]).tolist()
    except ValueError as error:
        raise RfmError(f"edges {text!r}: give four rising numbers with commas, such as 7, 30, 60, 120") from error


def traps(values: pd.Series) -> pd.DataFrame:
    """What the usual recipes do with ties: cut a measure into fifths by `qcut`, by `rank(method='first')`, and here.

    Returns
    -------
    DataFrame
        One row a recipe: recipe, what_happens, torn_customers (customers of whom an equal one has another score),
        scores_used. Missing numbers where the recipe gives no score.
    """
    columns = ["recipe", "what_happens", "torn_customers", "scores_used"]
    if values.empty:
        return missing(columns, why(values))
    recipes = {
        "qcut into 5": lambda: pd.qcut(values, BINS, labels=False) + 1,
        "qcut, duplicate edges dropped": lambda: pd.qcut(values, BINS, labels=False, duplicates="drop") + 1,
        "rank 'first', then qcut": lambda: pd.qcut(values.rank(method="first"), BINS, labels=False) + 1,
        "mid-ranks (here)": lambda: score(values),
    }
    return pd.DataFrame([_outcome(name, recipe, values) for name, recipe in recipes.items()], columns=columns)


def _outcome(name: str, recipe, values: pd.Series) -> tuple:
    try:
        given = recipe()
    except ValueError:
        return name, "stops with an error: bin edges must be unique", None, None
    torn = given.groupby(values).nunique()
    torn = int(values.isin(torn.index[torn > 1]).sum())
    used = int(given.nunique())
    said = "equal customers get different scores" if torn else "equal customers, equal scores"
    return name, said if used == BINS else f"{said}; {used} scores in place of {BINS}", torn, used


# ── named segments ──────────────────────────────────────────────────────────────────────────────────────────────────


def _grid() -> np.ndarray:
    """Position in `SEGMENTS` for [recency score, mean of the others]; −1 where no rule fits."""
    grid = np.full((BINS + 1, BINS + 1), -1)
    for i, (_, (r_low, r_high), (v_low, v_high), _) in enumerate(SEGMENTS):
        grid[r_low : r_high + 1, v_low : v_high + 1] = i
    return grid


def named(scored: pd.DataFrame) -> pd.Series:
    """The named segment of every customer: exactly one of `SEGMENTS`.

    The rule looks at the recency score and at the mean of the two other scores, a half counted up.

    Examples
    --------
    >>> named(pd.DataFrame({"r": [5, 1, 3], "f": [5, 1, 2], "m": [4, 2, 3]})).tolist()
    ['champions', 'hibernating', 'need attention']
    """
    names = np.array([s[0] for s in SEGMENTS], dtype=object)
    if scored.empty:
        empty = pd.Series(dtype="object", name="segment")
        empty.attrs["reason"] = why(scored)
        return empty
    r, *others = (scored[c].to_numpy() for c in LETTERS.values() if c in scored.columns)
    value = (sum(others) + 1) // 2
    return pd.Series(names[_grid()[r, value]], index=scored.index, name="segment")


def rules() -> pd.DataFrame:
    """The rules of the named segments and what to do with each: segment, recency_score, value_score, to_do."""
    rows = [(name, _range(r), _range(v), action) for name, r, v, action in SEGMENTS]
    return pd.DataFrame(rows, columns=["segment", "recency_score", "value_score", "to_do"])


def _range(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def segment_sizes(table: pd.DataFrame, segments: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """Size and means of each named segment, in the order of `SEGMENTS`; empty segments are left out.

    Parameters
    ----------
    table : DataFrame
        From `rfm_table` or `rfe_table`.
    segments : Series
        From `named`.
    min_cell : int
        Smaller segments are hidden, with the next smallest where subtraction would bring them back.

    Returns
    -------
    DataFrame
        segment, customers, customer_share, the mean of each measure, and sales_share where money is known.
    """
    names = [c for c in LETTERS if c in table.columns]
    columns = ["segment", "customers", "customer_share", *names]
    if table.empty:
        return missing(columns, why(table))
    groups = table.groupby(segments)
    order = [s[0] for s in SEGMENTS if s[0] in groups.groups]
    count = groups.size()[order]
    means = groups[names].mean().loc[order].add_prefix("mean_")
    found = pd.DataFrame({"segment": order, "customers": count.to_numpy()})
    found["customer_share"] = found["customers"] / len(table)
    found = found.join(means.reset_index(drop=True))
    if "monetary" in table.columns and table["monetary"].clip(lower=0).sum() > 0:
        paid = table["monetary"].clip(lower=0)
        found["sales_share"] = (paid.groupby(segments).sum()[order] / paid.sum()).to_numpy()
    values = [c for c in found.columns if c not in ("segment", "customers")]
    return suppress(found, count="customers", min_cell=min_cell, values=values).drop(columns=HIDDEN)


def largest(sizes: pd.DataFrame) -> tuple[str, Estimate]:
    """The named segment with the most customers, and its share of all with a Wilson interval.

    Parameters
    ----------
    sizes : DataFrame
        From `segment_sizes`.
    """
    known = sizes.dropna(subset=["customers"])
    if known.empty:
        return "no segment", Estimate.missing(why(sizes) if sizes.empty else "every segment is too small to show")
    row = known.loc[known["customers"].astype(float).idxmax()]
    return row["segment"], rate(int(row["customers"]), round(row["customers"] / row["customer_share"]))


def grid(scored: pd.DataFrame, *, across: str = "f", min_cell: int) -> pd.DataFrame:
    """Customers by recency score (down, best on top) and another score (across); small cells are blank.

    A blank cell may be empty or hold fewer than `min_cell` customers.
    """
    if scored.empty:
        return missing(["r"], why(scored))
    counts = pd.crosstab(scored["r"], scored[across])
    counts = counts.reindex(index=range(BINS, 0, -1), columns=range(1, BINS + 1), fill_value=0)
    return counts.where(counts >= min_cell)


def side_by_side(scored: dict[str, pd.DataFrame], *, min_cell: int) -> pd.DataFrame:
    """How many customers each scoring gives each score.

    Parameters
    ----------
    scored : dict of str to DataFrame
        Name of the scoring → its scores, from `scores`.
    min_cell : int
        Counts below are hidden.

    Returns
    -------
    DataFrame
        One row a scoring and measure: scoring, measure, and the customers of score_1 … score_5 (missing where few).
    """
    columns = ["scoring", "measure", *(f"score_{i}" for i in range(1, BINS + 1))]
    rows = [
        (name, measure, *table[letter].value_counts().reindex(range(1, BINS + 1), fill_value=0))
        for name, table in scored.items()
        if not table.empty
        for measure, letter in LETTERS.items()
        if letter in table.columns
    ]
    if not rows:
        return missing(columns, _reason(scored, "nothing was scored"))
    found = pd.DataFrame(rows, columns=columns)
    counts = found[columns[2:]]
    found[columns[2:]] = counts.astype("Int64").mask((counts > 0) & (counts < min_cell))
    return found


def agreement(scored: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """How far two scorings agree: share of customers in the same named segment, and rank correlation of the totals.

    Returns
    -------
    DataFrame
        One row a pair: first, second, same_segment_share (0…1), rank_correlation (−1…1; missing where all are equal).
    """
    columns = ["first", "second", "same_segment_share", "rank_correlation"]
    names = [n for n, t in scored.items() if not t.empty]
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            same = float((named(scored[a]) == named(scored[b])).mean())
            rows.append((a, b, same, rank_correlation(scored[a]["total"], scored[b]["total"])))
    if not rows:
        return missing(columns, _reason(scored, "there is one scoring only"))
    return pd.DataFrame(rows, columns=columns)


def _reason(scored: dict[str, pd.DataFrame], otherwise: str) -> str:
    return next((said for t in scored.values() if (said := t.attrs.get("reason"))), otherwise)


def rank_correlation(a: pd.Series, b: pd.Series) -> float | None:
    """Spearman's rank correlation over the shared index, −1…1, ties with mean ranks; None where one is constant.

    >>> rank_correlation(pd.Series([1, 2, 3]), pd.Series([10, 20, 20]))
    0.8660254037844387
    """
    both = pd.concat([a.rename("a"), b.rename("b")], axis=1, join="inner").dropna()
    if len(both) < 2 or both["a"].nunique() < 2 or both["b"].nunique() < 2:
        return None
    ranks = both.rank()
    return float(np.corrcoef(ranks["a"], ranks["b"])[0, 1])


def correlations_with_last(ranks: np.ndarray) -> np.ndarray:
    """Correlation of every column with the last one; missing where one does not vary."""
    centred = ranks - ranks.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    scale = length[:-1] * length[-1]
    return np.divide(centred[:, :-1].T @ centred[:, -1], scale, out=np.full(len(scale), np.nan), where=scale > 0)
