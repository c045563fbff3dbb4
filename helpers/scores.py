"""Scores of customers' answers: recommendation (NPS), satisfaction (CSAT) and what counts as a complaint.

Several answers of one customer say less than as many answers of different ones; the intervals take that into account.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import wilson, z_value

ANSWERS = ["user_id", "item_id", "rating", "nps", "complaint", "text", "created_at", "month"]
ORDER = ("item_id", "text", "rating", "nps", "complaint")
PROMOTER, DETRACTOR, SATISFIED = 9, 6, 4
"""From 9 up a promoter, up to 6 a detractor; from four stars up satisfied."""
ADDED = 3.0
"""The adjusted-Wald interval adds three answers: ¾ promoter, 1½ passives, ¾ detractor."""


class FeedbackError(ValueError):
    """Counts or parameters that no score can be made of; the message names the argument and the cure."""


def answers(feedback: ir.Table, *, min_cell: int = 1) -> pd.DataFrame:
    """The answers as a pandas table, one row an answer, ordered by time, customer, product and words.

    Empty, with the reason, where fewer than `min_cell` customers answered.

    Returns
    -------
    DataFrame
        user_id, item_id, rating (1…5), nps (0…10), complaint (True, False or missing), text, created_at, month (text).
    """
    month = feedback.day.cast("string").substr(0, 7) if "day" in feedback.columns else ibis.literal("")
    have = [c for c in ANSWERS if c in feedback.columns]
    found = feedback.select(*have, month=month).order_by("created_at", "user_id", *(c for c in have if c in ORDER))
    table = found.execute()
    for name in ("rating", "nps"):
        table[name] = pd.to_numeric(table[name]).astype("float64") if name in table else np.nan
    table["complaint"] = table["complaint"].astype("boolean") if "complaint" in table else pd.NA
    for name in ("item_id", "text"):
        table[name] = table[name].astype("object") if name in table else None
    if 0 < table["user_id"].nunique() < min_cell:
        return missing(ANSWERS, f"fewer than {min_cell} customers answered")
    return table.reindex(columns=ANSWERS)


def nps_interval(promoters: float, detractors: float, answers: float, *, level: float = 0.95) -> Estimate:
    """The net promoter score with its adjusted-Wald interval.

    NPS = 100 (p − d), with p and d the shares of promoters (9, 10) and detractors (0…6); −100…100 points, high is good.
    Interval: add ¾ promoter, 1½ passives and ¾ detractor, then 100 (p − d ± z √((p + d − (p − d)²) / n)).

    Parameters
    ----------
    promoters, detractors, answers : float
        Counts; fractions where answers are weighted.
    level : float
        How often such intervals cover the true score, 0…1 exclusive.

    Returns
    -------
    Estimate
        Points; missing without answers.

    Raises
    ------
    FeedbackError
        A negative count, or more promoters and detractors than answers.

    References
    ----------
    Reichheld (2003): reichheld2003; Rocks (2016): rocks2016.

    Examples
    --------
    >>> s = nps_interval(250, 75, 1000)
    >>> s.value, round(s.ci_low, 1), round(s.ci_high, 1)
    (17.5, 14.1, 20.8)
    """
    if min(promoters, detractors, answers) < 0 or promoters + detractors > answers * (1 + 1e-9):
        raise FeedbackError(
            f"promoters {promoters:g}, detractors {detractors:g} of answers {answers:g}: give counts ≥ 0 that fit"
        )
    if answers == 0:
        return Estimate.missing("nobody was asked, or nobody answered")
    n = answers + ADDED
    p, d = (promoters + ADDED / 4) / n, (detractors + ADDED / 4) / n
    half = z_value(level) * np.sqrt((p + d - (p - d) ** 2) / n)
    low, high = max(-1.0, p - d - half), min(1.0, p - d + half)
    return Estimate(100 * float(promoters - detractors) / answers, 100 * float(low), 100 * float(high))


def nps_standard_error(promoters: float, detractors: float, answers: float) -> float:
    """The plain standard error of the score, 100 √((p + d − (p − d)²) / n), points.

    >>> round(nps_standard_error(250, 75, 1000), 3)
    1.716
    """
    p, d = promoters / answers, detractors / answers
    return float(100 * np.sqrt((p + d - (p - d) ** 2) / answers))


def effective_answers(values: np.ndarray, *, weights: np.ndarray, clusters: np.ndarray) -> float:
    """How many independent, equally weighted answers say as much as these.

    n_eff = s² / var, with s² the variance of one answer and var that of the weighted mean when whole customers are
    drawn, m/(m − 1) · Σ_customers (Σ w (x − mean))² / (Σ w)². Range 1…n: few where weights differ much, or where few
    customers gave most answers. Where all answers are equal: the smaller of Kish's (Σw)²/Σw² and the customers.

    References
    ----------
    Kish (1965): kish1965.

    Examples
    --------
    Two customers, each says the same twice: two answers' worth, less what m/(m − 1) takes off.

    >>> effective_answers(np.array([1, 1, 0, 0]), weights=np.ones(4), clusters=np.array([7, 7, 8, 8]))
    1.0
    """
    x, w = np.asarray(values, float), np.asarray(weights, float)
    if not len(x):
        return 0.0
    codes, names = pd.factorize(clusters)
    mean = np.average(x, weights=w)
    spread, kish = np.average((x - mean) ** 2, weights=w), w.sum() ** 2 / (w**2).sum()
    m = len(names)
    if spread == 0 or m < 2:
        return float(min(kish, m))
    variance = m / (m - 1) * (np.bincount(codes, w * (x - mean)) ** 2).sum() / w.sum() ** 2
    return float(min(len(x), spread / variance)) if variance > 0 else float(len(x))


def nps(table: pd.DataFrame, *, weights: pd.Series | None = None, level: float = 0.95) -> Estimate:
    """The net promoter score of a table of answers; interval for the effective number of answers."""
    known, w = _known(table, "nps", weights)
    if known.empty:
        return Estimate.missing(table.attrs.get("reason", "no answer to 'would you recommend us?'"))
    x = (known["nps"] >= PROMOTER).astype(int).to_numpy() - (known["nps"] <= DETRACTOR).astype(int).to_numpy()
    n = effective_answers(x, weights=w, clusters=known["user_id"].to_numpy())
    up, down = (float(np.average(x == side, weights=w)) * n for side in (1, -1))
    return nps_interval(up, down, n, level=level)


def csat(table: pd.DataFrame, *, weights: pd.Series | None = None, level: float = 0.95) -> Estimate:
    """Customer satisfaction: the share of answers with four or five stars, 0…1, with a Wilson interval."""
    known, w = _known(table, "rating", weights)
    if known.empty:
        return Estimate.missing(table.attrs.get("reason", "no answer with stars"))
    x = (known["rating"] >= SATISFIED).to_numpy(float)
    n = effective_answers(x, weights=w, clusters=known["user_id"].to_numpy())
    p = float(np.average(x, weights=w))
    low, high = wilson(min(p * n, n), n, level=level)
    return Estimate(p, low, high)


def _known(table: pd.DataFrame, column: str, weights: pd.Series | None) -> tuple[pd.DataFrame, np.ndarray]:
    known = table[table[column].notna()]
    return known, np.ones(len(known)) if weights is None else weights.loc[known.index].to_numpy(float)


def is_complaint(table: pd.DataFrame) -> pd.Series:
    """Which answers are complaints: those marked so; in a table without marks, those with one or two stars."""
    marked = table["complaint"].astype("boolean")
    return (marked if marked.notna().any() else (table["rating"] <= 2).astype("boolean")).fillna(False).astype(bool)
