"""What customers say in numbers: recommendation (NPS), satisfaction (CSAT) and complaints, with their intervals.

Several answers of one customer say less than as many answers of different ones; all intervals of scores take that into
account. Who answers at all is the question of `helpers.products.response`.
"""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import poisson_interval
from helpers.privacy import common_words, suppress
from helpers.scores import (
    ANSWERS,
    DETRACTOR,
    PROMOTER,
    SATISFIED,
    FeedbackError,
    answers,
    csat,
    effective_answers,
    is_complaint,
    nps,
    nps_interval,
    nps_standard_error,
)

__all__ = [
    "ANSWERS",
    "FeedbackError",
    "answers",
    "by_group",
    "complaint_rate",
    "count_orders",
    "csat",
    "effective_answers",
    "is_complaint",
    "monthly",
    "nps",
    "nps_interval",
    "nps_standard_error",
    "overview",
    "people",
    "poisson_interval",
    "scores",
]

SCORES = ["measure", "value", "ci_low", "ci_high", "unit", "answers", "customers", "effective_answers"]
GROUPS = ["group", "value", "customers", "answers", "nps", "ci_low", "ci_high", "csat_rate"]
MONTHS = ["month", "measure", "value", "ci_low", "ci_high", "answers", "customers"]
PER = 1_000
IN_WORDS = ("age_band", "gender")
"""What customers told of themselves in words; a word that few of them hold may be a name."""


def _reason(table: pd.DataFrame) -> str:
    return table.attrs.get("reason", "there are no answers")


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """What the answers hold: question, answers (rows with a value), customers, filled_share of all rows."""
    if table.empty:
        return missing(["question", "answers", "customers", "filled_share"], _reason(table))
    words = {"rating": "stars (1…5)", "nps": "would you recommend us? (0…10)", "complaint": "is it a complaint?"}
    rows = []
    for column, name in {**words, "text": "words", "item_id": "the product"}.items():
        filled = table[table[column].notna()]
        rows.append((name, len(filled), filled["user_id"].nunique(), len(filled) / len(table)))
    return pd.DataFrame(rows, columns=["question", "answers", "customers", "filled_share"])


def count_orders(orders: ir.Table | None) -> pd.DataFrame:
    """Orders by month: month (text), orders; empty with a reason where there is no orders table."""
    if orders is None:
        return missing(["month", "orders"], "the study has no table of orders")
    month = orders.day.cast("string").substr(0, 7)
    counted = orders.mutate(month=month).group_by("month").agg(orders=orders.order_id.nunique()).order_by("month")
    table = counted.execute()
    return table if len(table) else missing(["month", "orders"], "there are no orders")


def per_what(orders: pd.DataFrame) -> str:
    """The unit of the complaint rate.

    >>> per_what(pd.DataFrame({"orders": [3]}))
    'per 1,000 orders'
    """
    return "per 1,000 orders" if len(orders) else "per 1,000 answers"


def complaint_rate(table: pd.DataFrame, orders: pd.DataFrame, *, min_cell: int = 1, level: float = 0.95) -> Estimate:
    """Complaints received per 1,000 orders; without orders per 1,000 answers. Exact Poisson interval.

    Missing where some, but fewer than `min_cell`, customers complained.
    """
    if table.empty:
        return Estimate.missing(_reason(table))
    if 0 < table.loc[is_complaint(table), "user_id"].nunique() < min_cell:
        return Estimate.missing(f"fewer than {min_cell} customers complained")
    exposure = float(orders["orders"].sum()) if len(orders) else float(len(table))
    return poisson_interval(int(is_complaint(table).sum()), exposure=exposure, per=PER, level=level)


def scores(table: pd.DataFrame, orders: pd.DataFrame, *, min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """The three scores: one row a measure.

    Returns
    -------
    DataFrame
        measure, value, ci_low, ci_high, unit, answers, customers, effective_answers (as many independent answers would
        have the same interval; missing for complaints, which are counted).
    """
    if table.empty:
        return missing(SCORES, _reason(table))
    rows = []
    for name, column, unit, found in (
        ("recommendation (NPS)", "nps", "points", nps(table, level=level)),
        ("satisfaction (CSAT)", "rating", "share of answers", csat(table, level=level)),
        ("complaints", "complaint", per_what(orders), complaint_rate(table, orders, min_cell=min_cell, level=level)),
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
        customers are hidden, complaints of a month also where fewer customers complained.
    """
    if table.empty:
        return missing(MONTHS, _reason(table))
    bought = dict(zip(orders["month"], orders["orders"], strict=True)) if len(orders) else {}
    rows = []
    for month, part in table.groupby("month"):
        sold = pd.DataFrame({"orders": [bought[month]]}) if month in bought else orders.iloc[:0]
        found = {"NPS": nps(part, level=level), "CSAT": csat(part, level=level)}
        found["complaints"] = complaint_rate(part, sold, level=level)
        people, angry = part["user_id"].nunique(), part.loc[is_complaint(part), "user_id"].nunique()
        rows += [(month, name, *_numbers(f), len(part), people, angry) for name, f in found.items()]
    table = _hide_months(pd.DataFrame(rows, columns=[*MONTHS, "angry"]), min_cell)
    # per order, or per answer, but never both in one line
    known = (table["measure"] != "complaints") | table["month"].isin(bought) | (not bought)
    return table[known].drop(columns="angry").reset_index(drop=True)


def _hide_months(rows: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """Small months lose all their numbers; months with few complaining customers only those of the complaints."""
    numbers = ["value", "ci_low", "ci_high"]
    shown = suppress(rows, count="customers", min_cell=min_cell, values=[*numbers, "answers"], by="measure")
    calm = suppress(rows, count="angry", min_cell=min_cell, values=numbers, by="measure")
    blank = (rows["measure"] == "complaints") & (calm["hidden"] != "")
    shown[numbers] = shown[numbers].mask(blank)
    return shown.assign(hidden=shown["hidden"].mask(blank, calm["hidden"]))


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
        Groups of fewer customers are hidden, and another with them where it would give them away. What fewer of them
        wrote as their age or gender is called 'another'.

    Returns
    -------
    DataFrame
        group, value, customers, answers, nps with ci_low and ci_high (points), csat_rate; ordered by value.
    """
    if table.empty or users is None or group not in users.columns or users[group].isna().all():
        why = _reason(table) if table.empty else f"the study does not tell the customers' {group}"
        return missing(GROUPS, why)
    own = table["user_id"].map(users.set_index("user_id")[group])
    own = own.astype("object").where(own.notna(), "not stated").map(str)
    own = common_words(own, table["user_id"], min_cell=min_cell) if group in IN_WORDS else own
    rows = []
    for value, part in table.groupby(own):
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
