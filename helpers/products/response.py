"""Who answers? Response rates, weights for those who do not answer, and what weights cannot mend.

Weights by known groups mend silence that depends on the groups. Silence that depends on the answer itself (the content
keep quiet) they cannot mend: for that one has to ask some of the silent.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate_by_cluster
from helpers.privacy import common_words, suppress
from helpers.products.feedback import IN_WORDS, FeedbackError, effective_answers, nps

DAY = 86_400
KNOWN = ("age_band", "gender", "city_tier", "month", "orders_before")
"""What is known of every order, answered or not."""
RATES = ["group", "value", "customers", "orders", "answers", "response_rate", "response_rate_ci_low"]
RATES += ["response_rate_ci_high"]
COMPARED = ["weights", "nps", "ci_low", "ci_high", "answers", "effective_answers", "largest_weight"]
LEAST_ANSWERS = 10
NOT_KNOWN = "not stated"
DEMO_CHANCES = (0.29, 0.15, 0.18)
"""Share of the simulated shop's orders that are answered, by the stars they would get: 1–2, 3, 4–5."""


def asked(
    feedback: ir.Table,
    orders: ir.Table | None,
    users: pd.DataFrame | None,
    *,
    answer_days: int = 14,
    last_second: int,
    min_cell: int = 1,
) -> pd.DataFrame:
    """Every order that could have been answered, with its answer where there is one.

    An answer belongs to the customer's latest order (with that product, where the answer names one) in the
    `answer_days` before it. Orders of the last `answer_days` may still be answered and are left out.

    Parameters
    ----------
    feedback, orders : ibis Table
        Tables of the contract; `orders` may be None.
    users : DataFrame, optional
        From `feedback.people`.
    answer_days : int
        Longest time from order to answer, days, ≥ 1.
    last_second : int
        End of the study's window, epoch seconds.
    min_cell : int
        Empty where orders of fewer customers were answered.

    Returns
    -------
    DataFrame
        One row an order: order_id, user_id, month, orders_before ('first order', '1 to 2 before', '3 or more before'),
        what `users` tells, answered (bool), rating, nps.
    """
    columns = ["order_id", "user_id", *KNOWN, "answered", "rating", "nps"]
    if answer_days < 1:
        raise FeedbackError(f"answer_days {answer_days!r}: give 1 day or more")
    if orders is None:
        return missing(columns, "the study has no table of orders")
    table = _orders(orders, last_second - answer_days * DAY).execute()
    if table.empty:
        return missing(columns, "no order is old enough to have its answer")
    given = _matched(feedback, orders, answer_days).execute().drop_duplicates("order_id").set_index("order_id")
    table["answered"] = table["order_id"].isin(given.index)
    if 0 < table.loc[table["answered"], "user_id"].nunique() < min_cell:
        return missing(columns, f"orders of fewer than {min_cell} customers were answered")
    for name in ("rating", "nps"):
        table[name] = pd.to_numeric(table["order_id"].map(given[name])).astype("float64")
    before = table.pop("before")
    table["orders_before"] = np.select([before == 0, before <= 2], ["first order", "1 to 2 before"], "3 or more before")
    known = users.set_index("user_id") if users is not None else pd.DataFrame()
    for name in ("age_band", "gender", "city_tier"):
        told = table["user_id"].map(known[name]) if name in known.columns else pd.Series(None, index=table.index)
        table[name] = told.astype("object").where(told.notna(), NOT_KNOWN)
    return table[columns]


def _orders(orders: ir.Table, until: int) -> ir.Table:
    one = orders.group_by("order_id").agg(
        user_id=orders.user_id.min(), placed=orders.timestamp.min(), month=orders.day.min().cast("string").substr(0, 7)
    )
    turn = ibis.window(group_by=one.user_id, order_by=[one.placed, one.order_id])
    one = one.mutate(before=ibis.row_number().over(turn))
    return one.filter(one.placed <= until).order_by("placed", "order_id")


def _matched(feedback: ir.Table, orders: ir.Table, answer_days: int) -> ir.Table:
    """order_id, rating, nps of every answer with an order; the first answer of an order comes first."""
    lines = orders.select("order_id", buyer=orders.user_id, bought=orders.item_id, placed=orders.timestamp)
    value = {n: feedback[n] if n in feedback.columns else ibis.null("int64") for n in ("rating", "nps")}
    item = feedback.item_id if "item_id" in feedback.columns else ibis.null(orders.item_id.type())
    ties = ["created_at", *(n for n in ("item_id", "rating", "nps", "text") if n in feedback.columns)]
    turn = ibis.window(group_by=feedback.user_id, order_by=[feedback[n] for n in ties])
    given = feedback.select("user_id", "created_at", item=item, **value, answer=ibis.row_number().over(turn))
    both = given.join(lines, given.user_id == lines.buyer)
    near = (both.placed <= both.created_at) & (both.created_at <= both.placed + answer_days * DAY)
    both = both.filter(near & (both.item.isnull() | (both.item == both.bought)))
    latest = ibis.window(group_by=[both.user_id, both.answer], order_by=[both.placed.desc(), both.order_id])
    both = both.mutate(place=ibis.row_number().over(latest)).filter(ibis._.place == 0)
    return both.order_by("created_at", "user_id", "answer").select("order_id", "rating", "nps")


def response_rates(
    table: pd.DataFrame, *, groups: tuple[str, ...] = KNOWN, min_cell: int, level: float = 0.95
) -> pd.DataFrame:
    """The response rate of every known group: answered orders / orders, 0…1, with an interval that minds customers.

    Returns
    -------
    DataFrame
        group, value, customers, orders, answers, response_rate with its interval; groups of fewer than `min_cell`
        customers are hidden, and what fewer of them wrote as their age or gender is called 'another'.
    """
    if table.empty:
        return missing(RATES, table.attrs.get("reason", "there are no orders"))
    named = [name for name in IN_WORDS if name in groups]
    table = table.assign(**{name: common_words(table[name], table["user_id"], min_cell=min_cell) for name in named})
    parts = [_rates(table, group) for group in groups if table[group].nunique() > 1]
    if not parts:
        return missing(RATES, "all orders are of one group")
    rates = add_rate_by_cluster(
        pd.concat(parts), successes="answers", trials="orders", clusters="customers", name="response_rate", level=level
    )[RATES].reset_index(drop=True)
    return suppress(rates, count="customers", min_cell=min_cell, values=RATES[3:], by="group")


def _rates(table: pd.DataFrame, group: str) -> pd.DataFrame:
    one = table.groupby([group, "user_id"])["answered"].agg(x="size", y="sum").reset_index()
    one = one.assign(xx=one.x**2, xy=one.x * one.y, yy=one.y**2)
    sums = one.groupby(group).agg(
        customers=("user_id", "size"), orders=("x", "sum"), answers=("y", "sum"), xx=("xx", "sum"), xy=("xy", "sum"),
        yy=("yy", "sum"),
    )  # fmt: skip
    return sums.reset_index(names="value").assign(group=group)


def group_weights(table: pd.DataFrame, *, by: tuple[str, ...], least: int = LEAST_ANSWERS) -> pd.Series:
    """Inverse response rates by post-stratification: weight of an answer in cell h = orders in h / answers in h.

    After weighting, every cell has the share among the answers that it has among all orders. Cells with fewer than
    `least` answers are put together. Mean weight: orders / answers.

    Parameters
    ----------
    table : DataFrame
        From `asked`.
    by : tuple of str
        Known groups that make the cells, such as ('age_band', 'orders_before').

    Returns
    -------
    Series
        One weight an answered order, with the table's index.

    Raises
    ------
    FeedbackError
        An unknown group.

    References
    ----------
    Little (1993): little1993.

    Examples
    --------
    Of four orders of the young one is answered, of two of the old both:

    >>> t = pd.DataFrame({"age_band": ["young"] * 4 + ["old"] * 2, "answered": [1, 0, 0, 0, 1, 1]})
    >>> group_weights(t.astype({"answered": bool}), by=("age_band",), least=1).tolist()
    [4.0, 1.0, 1.0]
    """
    if unknown := [g for g in by if g not in KNOWN]:
        raise FeedbackError(f"weight_by holds {unknown[0]!r}; take some of {', '.join(KNOWN)}")
    if table.empty:
        return pd.Series(dtype="float64")
    cell = table.groupby(list(by), dropna=False).ngroup() if by else pd.Series(0, index=table.index)
    given = table["answered"].groupby(cell).transform("sum")
    cell = cell.where(given >= least, -1)  # all small cells together
    rate = table["answered"].groupby(cell).transform("mean")
    return 1 / rate[table["answered"]]


def parse_groups(text: str) -> tuple[str, ...]:
    """'age_band, month' as a tuple of names.

    >>> parse_groups(" age_band ,month")
    ('age_band', 'month')
    """
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def parse_chances(text: str, *, simulated: bool = False) -> tuple[float, float, float] | None:
    """Chances to answer of the unhappy, those in between and the happy; None where they are not known.

    'demo' stands for what a follow-up of very many silent customers of the simulated shop finds; in any other shop it
    is not known.

    >>> parse_chances("0.3, 0.1, 0.2"), parse_chances(""), parse_chances("demo")
    ((0.3, 0.1, 0.2), None, None)
    """
    if text.strip() in ("", "demo"):
        return DEMO_CHANCES if text.strip() and simulated else None
    try:
        chances = tuple(float(part) for part in text.split(","))
    except ValueError:
        chances = ()
    if len(chances) != 3 or not all(0 < c <= 1 for c in chances):
        raise FeedbackError(f"follow_up {text!r}: give three chances above 0 and up to 1, such as 0.29, 0.15, 0.18")
    return chances  # type: ignore[return-value]


def mood_weights(table: pd.DataFrame, chances: tuple[float, float, float]) -> pd.Series:
    """Inverse chances to answer by the answer's own stars: up to two, three, four and five.

    The chances cannot be seen in the answers. They come from asking a random part of the silent once more (a
    follow-up), or are assumed, to see how much hangs on them.

    References
    ----------
    Hansen and Hurwitz (1946): hansen1946.

    Examples
    --------
    >>> t = pd.DataFrame({"answered": [True, True, False], "rating": [1.0, 5.0, None], "nps": [0.0, 9.0, None]})
    >>> mood_weights(t, (0.5, 0.2, 0.25)).tolist()
    [2.0, 4.0]
    """
    given = table[table["answered"].astype(bool)]
    stars = np.select([given["rating"] <= 2, given["rating"] == 3, given["rating"] >= 4], [0, 1, 2], -1)
    points = np.select([given["nps"] <= 6, given["nps"] <= 8, given["nps"] >= 9], [0, 1, 2], 1)
    level = np.where(stars >= 0, stars, points)
    return pd.Series(1 / np.array(chances)[level], index=given.index, dtype="float64")


def compare(
    table: pd.DataFrame, *, by: tuple[str, ...], chances: tuple[float, float, float] | None, level: float = 0.95
) -> pd.DataFrame:
    """The score three times: as answered, weighted by known groups, weighted by the follow-up.

    Returns
    -------
    DataFrame
        weights, nps, ci_low, ci_high (points), answers, effective_answers, largest_weight (over the mean weight). The
        row of the follow-up has no numbers where its chances are not known.
    """
    if table.empty or not table["answered"].any():
        return missing(COMPARED, table.attrs.get("reason", "no answer belongs to an order"))
    given = table[table["answered"]]
    plans = {
        "none: as answered": pd.Series(1.0, index=given.index),
        f"known groups: {', '.join(by) or 'none'}": group_weights(table, by=by),
        "follow-up: chances by stars": mood_weights(table, chances) if chances else None,
    }
    return pd.DataFrame([(name, *_weighted(given, w, level)) for name, w in plans.items()], columns=COMPARED)


def _weighted(given: pd.DataFrame, weights: pd.Series | None, level: float) -> tuple:
    known = given[given["nps"].notna()]
    if weights is None or known.empty:
        return (np.nan,) * 3 + (len(known), np.nan, np.nan)
    found = nps(known, weights=weights, level=level)
    w = weights.loc[known.index].to_numpy()
    x = (known["nps"] >= 9).to_numpy(float) - (known["nps"] <= 6).to_numpy(float)
    size = effective_answers(x, weights=w, clusters=known["user_id"].to_numpy())
    return found.value, found.ci_low, found.ci_high, len(known), size, float(w.max() / w.mean())


def what_if(table: pd.DataFrame, *, ratios: tuple[float, ...] = (0.5, 1, 1.5, 2, 3)) -> pd.DataFrame:
    """The score if the unhappy answer `ratio` times as often as all others: unhappy_ratio, nps, ci_low, ci_high.

    Nothing in the answers says which row is true; the table says how much it matters.
    """
    columns = ["unhappy_ratio", "nps", "ci_low", "ci_high"]
    if table.empty or not table["answered"].any():
        return missing(columns, table.attrs.get("reason", "no answer belongs to an order"))
    rows = []
    for ratio in ratios:
        base = 1 / max(ratios)
        weights = mood_weights(table, (ratio * base, base, base))
        found: Estimate = nps(table[table["answered"]], weights=weights)
        rows.append((float(ratio), found.value, found.ci_low, found.ci_high))
    return pd.DataFrame(rows, columns=columns)


def against_truth(compared: pd.DataFrame, truths: dict) -> pd.DataFrame:
    """The rows of `compare` beside the score of all orders, answered or not: truth, bias (points), covered."""
    columns = ["weights", "nps", "ci_low", "ci_high", "truth", "bias", "covered"]
    truth = truths.get("nps.all", {}).get("value")
    if truth is None or compared.empty:
        return missing(columns, compared.attrs.get("reason", "these are not simulated data, so the truth is not known"))
    known = compared.dropna(subset=["nps"])
    covered = (known["ci_low"] <= truth) & (truth <= known["ci_high"])
    return known.assign(truth=float(truth), bias=known["nps"] - truth, covered=covered)[columns].reset_index(drop=True)


def score(compared: pd.DataFrame, row: int) -> Estimate:
    """One row of `compare` as an estimate, for the findings."""
    if compared.empty or pd.isna(compared["nps"].iloc[row]):
        return Estimate.missing(compared.attrs.get("reason", "it was not measured"))
    return Estimate(*(float(compared[c].iloc[row]) for c in ("nps", "ci_low", "ci_high")))
