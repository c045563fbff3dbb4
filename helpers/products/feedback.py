"""What customers say in numbers: recommendation (NPS), satisfaction (CSAT) and complaints, with their intervals.

Several answers of one customer say less than as many answers of different ones; all intervals of scores take that into
account. Who answers at all is the question of `helpers.products.response`.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2

from helpers.findings import Estimate, missing
from helpers.intervals import wilson, z_value
from helpers.privacy import suppress

ANSWERS = ["user_id", "item_id", "rating", "nps", "complaint", "text", "created_at", "month"]
SCORES = ["measure", "value", "ci_low", "ci_high", "unit", "answers", "customers", "effective_answers"]
GROUPS = ["group", "value", "customers", "answers", "nps", "ci_low", "ci_high", "csat_rate"]
MONTHS = ["month", "measure", "value", "ci_low", "ci_high", "answers", "customers"]
PROMOTER, DETRACTOR, SATISFIED = 9, 6, 4
"""From 9 up a promoter, up to 6 a detractor; from four stars up satisfied."""
ADDED = 3.0
"""The adjusted-Wald interval adds three answers: ¾ promoter, 1½ passives, ¾ detractor."""
PER = 1_000


class FeedbackError(ValueError):
    """Counts or parameters that no score can be made of; the message names the argument and the cure."""


def answers(feedback: ir.Table) -> pd.DataFrame:
    """The answers as a pandas table, one row an answer, ordered by time, customer, product and words.

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
    return table.reindex(columns=ANSWERS)


ORDER = ("item_id", "text", "rating", "nps", "complaint")


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """What the answers hold: question, answers (rows with a value), customers, filled_share of all rows."""
    if table.empty:
        return missing(["question", "answers", "customers", "filled_share"], "there are no answers")
    words = {"rating": "stars (1…5)", "nps": "would you recommend us? (0…10)", "complaint": "is it a complaint?"}
    rows = []
    for column, name in {**words, "text": "words", "item_id": "the product"}.items():
        filled = table[table[column].notna()]
        rows.append((name, len(filled), filled["user_id"].nunique(), len(filled) / len(table)))
    return pd.DataFrame(rows, columns=["question", "answers", "customers", "filled_share"])


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


def poisson_interval(events: int, *, exposure: float = 1.0, per: float = 1.0, level: float = 0.95) -> Estimate:
    """The rate of rare events with its exact Poisson interval.

    λ = per · x / exposure, from 0; low = ½ χ²(α/2; 2x), high = ½ χ²(1 − α/2; 2x + 2), both times per / exposure. With
    no event the interval still ends above 0.

    Parameters
    ----------
    events : int
        Events counted, ≥ 0.
    exposure : float
        What could have had an event, such as orders, > 0.
    per : float
        The rate is given per so many, such as 1,000.

    References
    ----------
    Garwood (1936): garwood1936.

    Examples
    --------
    >>> ten, none = poisson_interval(10), poisson_interval(0)
    >>> round(ten.ci_low, 2), round(ten.ci_high, 2), round(none.ci_high, 2)
    (4.8, 18.39, 3.69)
    """
    if events < 0 or exposure < 0:
        raise FeedbackError(f"events {events!r}, exposure {exposure!r}: give numbers of 0 or more")
    z_value(level)  # checks it
    if exposure == 0:
        return Estimate.missing("nothing that could have had an event")
    tail = (1 - level) / 2
    low = chi2.ppf(tail, 2 * events) / 2 if events else 0.0
    high, scale = chi2.ppf(1 - tail, 2 * events + 2) / 2, per / exposure
    return Estimate(float(events * scale), float(low * scale), float(high * scale))


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
        return Estimate.missing("no answer to 'would you recommend us?'")
    x = (known["nps"] >= PROMOTER).astype(int).to_numpy() - (known["nps"] <= DETRACTOR).astype(int).to_numpy()
    n = effective_answers(x, weights=w, clusters=known["user_id"].to_numpy())
    up, down = (float(np.average(x == side, weights=w)) * n for side in (1, -1))
    return nps_interval(up, down, n, level=level)


def csat(table: pd.DataFrame, *, weights: pd.Series | None = None, level: float = 0.95) -> Estimate:
    """Customer satisfaction: the share of answers with four or five stars, 0…1, with a Wilson interval."""
    known, w = _known(table, "rating", weights)
    if known.empty:
        return Estimate.missing("no answer with stars")
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


def count_orders(orders: ir.Table | None) -> pd.DataFrame:
    """Orders by month: month (text), orders; empty with a reason where there is no orders table."""
    if orders is None:
        return missing(["month", "orders"], "the study has no table of orders")
    month = orders.day.cast("string").substr(0, 7)
    counted = orders.mutate(month=month).group_by("month").agg(orders=orders.order_id.nunique()).order_by("month")
    table = counted.execute()
    return table if len(table) else missing(["month", "orders"], "there are no orders")


def complaint_rate(table: pd.DataFrame, orders: pd.DataFrame, *, level: float = 0.95) -> Estimate:
    """Complaints received per 1,000 orders; without orders per 1,000 answers. Exact Poisson interval."""
    if table.empty:
        return Estimate.missing("there are no answers")
    exposure = float(orders["orders"].sum()) if len(orders) else float(len(table))
    return poisson_interval(int(is_complaint(table).sum()), exposure=exposure, per=PER, level=level)


def scores(table: pd.DataFrame, orders: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """The three scores: one row a measure.

    Returns
    -------
    DataFrame
        measure, value, ci_low, ci_high, unit, answers, customers, effective_answers (as many independent answers would
        have the same interval; missing for complaints, which are counted).
    """
    if table.empty:
        return missing(SCORES, "there are no answers")
    per = "per 1,000 orders" if len(orders) else "per 1,000 answers"
    rows = []
    for name, column, unit, found in (
        ("recommendation (NPS)", "nps", "points", nps(table, level=level)),
        ("satisfaction (CSAT)", "rating", "share of answers", csat(table, level=level)),
        ("complaints", "complaint", per, complaint_rate(table, orders, level=level)),
    ):
        known = table if column == "complaint" else table[table[column].notna()]
        effective = None if column == "complaint" else _effective(known, column)
        rows.append((name, *_numbers(found), unit, len(known), known["user_id"].nunique(), effective))
    return pd.DataFrame(rows, columns=SCORES)


def _effective(known: pd.DataFrame, column: str) -> float:
    values = known[column].to_numpy(float)
    sides = [(values >= PROMOTER) * 1 - (values <= DETRACTOR) * 1, (values >= SATISFIED) * 1]
    x = sides[0 if column == "nps" else 1]
    return effective_answers(x, weights=np.ones(len(x)), clusters=known["user_id"].to_numpy())


def _numbers(found: Estimate) -> tuple:
    return found.value, found.ci_low, found.ci_high


def monthly(table: pd.DataFrame, orders: pd.DataFrame, *, min_cell: int, level: float = 0.95) -> pd.DataFrame:
    """The three scores month by month, in order of time.

    Returns
    -------
    DataFrame
        month, measure, value, ci_low, ci_high, answers, customers. Months with answers of fewer than `min_cell`
        customers are hidden.
    """
    if table.empty:
        return missing(MONTHS, "there are no answers")
    bought = dict(zip(orders["month"], orders["orders"], strict=True)) if len(orders) else {}
    rows = []
    for month, part in table.groupby("month"):
        sold = pd.DataFrame({"orders": [bought[month]]}) if month in bought else orders.iloc[:0]
        found = {"NPS": nps(part, level=level), "CSAT": csat(part, level=level)}
        if not bought or month in bought:  # per order, or per answer, but never both in one line
            found["complaints"] = complaint_rate(part, sold, level=level)
        people = part["user_id"].nunique()
        rows += [(month, name, *_numbers(f), len(part), people) for name, f in found.items()]
    shown = pd.DataFrame(rows, columns=MONTHS)
    values = ["value", "ci_low", "ci_high", "answers"]
    return suppress(shown, count="customers", min_cell=min_cell, values=values, by="measure")


def by_group(
    table: pd.DataFrame, users: pd.DataFrame | None, *, group: str, min_cell: int, level: float = 0.95
) -> pd.DataFrame:
    """The score and the satisfaction of every group of customers.

    Parameters
    ----------
    table : DataFrame
        From `answers`.
    users : DataFrame, optional
        One row a customer: user_id and the column `group`.
    group : str
        What divides the customers, such as 'age_band'.
    min_cell : int
        Groups of fewer customers are hidden, and another with them where it would give them away.

    Returns
    -------
    DataFrame
        group, value, customers, answers, nps with ci_low and ci_high (points), csat_rate; ordered by value.
    """
    if table.empty or users is None or group not in users.columns or users[group].isna().all():
        why = "there are no answers" if table.empty else f"the study does not tell the customers' {group}"
        return missing(GROUPS, why)
    own = table["user_id"].map(users.set_index("user_id")[group])
    rows = []
    for value, part in table.groupby(own.astype("object").where(own.notna(), "not stated").map(str)):
        found = nps(part, level=level)
        rows.append((group, value, part["user_id"].nunique(), len(part), *_numbers(found), csat(part).value))
    shown = pd.DataFrame(rows, columns=GROUPS)
    return suppress(
        shown, count="customers", min_cell=min_cell, values=["answers", "nps", "ci_low", "ci_high", "csat_rate"]
    )


def people(users: ir.Table | None) -> pd.DataFrame | None:
    """The customers with what they told of themselves: user_id, age_band, gender, city_tier; None without the table."""
    if users is None:
        return None
    table = users.select("user_id", *(c for c in ("age_band", "gender", "city_tier") if c in users.columns)).execute()
    for name in table.columns.drop("user_id"):
        table[name] = table[name].map(lambda v: None if pd.isna(v) else str(int(v)) if isinstance(v, float) else str(v))
    return table
