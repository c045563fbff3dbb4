"""How many orders get an answer from their customer, and whose orders those are (Wilson 1927: wilson1927)."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, rate
from helpers.privacy import suppress

COLUMNS = ["customer", "users", "orders", "answers", "answer_rate", "answer_rate_ci_low", "answer_rate_ci_high"]


def by_loyalty(orders: ir.Table, feedback: ir.Table, *, few: int = 3, min_cell: int = 10) -> pd.DataFrame:
    """The answer rate of customers with one, some and many orders.

    answers / orders, 0…1: low where most customers stay silent, 1 where each order has its answer.

    Parameters
    ----------
    orders, feedback : Table
        As the study gives them: one row an order line, one row an answer.
    few : int
        *Some* orders are 2 to `few`, *many* are more. At least 2.
    min_cell : int
        Groups of fewer users are hidden.

    Returns
    -------
    DataFrame
        One row a kind of customer, from one order to many: customer (words), users, orders, answers (counts),
        answer_rate with its Wilson interval (0…1), hidden (why a row shows no numbers).

    Raises
    ------
    ValueError
        `few` is below 2.

    References
    ----------
    wilson1927

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> orders = as_table(pd.DataFrame({"user_id": [1, 2, 2, 2, 2], "order_id": [1, 2, 3, 4, 4]}))
    >>> feedback = as_table(pd.DataFrame({"user_id": [2, 2]}))
    >>> by_loyalty(orders, feedback, min_cell=1)[["customer", "users", "orders", "answers"]]
          customer  users  orders  answers
    0    one order      1       1        0
    1  2 to 3 orders      1       3        2
    """
    if few < 2:
        raise ValueError(f"few = {few}: 'some orders' begin at 2; take 2 or more")
    names = {0: "one order", 1: f"2 to {few} orders", 2: f"more than {few} orders"}
    counts = _by_user(orders, feedback).mutate(
        kind=(ibis._.orders > 1).cast("int8") + (ibis._.orders > few).cast("int8")
    )
    table = counts.group_by("kind").agg(users=ibis._.count(), orders=ibis._.orders.sum(), answers=ibis._.answers.sum())
    table = table.order_by("kind").execute()
    if table.empty:
        return missing(COLUMNS, "there are no orders")
    table.insert(0, "customer", table.pop("kind").map(names))
    # a customer may answer more than once; a rate has at most one answer an order
    table["answers"] = np.minimum(table["answers"], table["orders"])
    table = add_rate(table, successes="answers", trials="orders", name="answer_rate")
    return suppress(table, count="users", min_cell=min_cell, values=COLUMNS[2:])


def _by_user(orders: ir.Table, feedback: ir.Table) -> ir.Table:
    """One row a customer: orders and answers."""
    counts = orders.group_by("user_id").agg(orders=ibis._.order_id.nunique())
    answers = feedback.group_by("user_id").agg(answers=ibis._.count())
    joined = counts.left_join(answers, "user_id")
    return joined.select("user_id", "orders", answers=ibis.coalesce(joined.answers, 0))


def overall(orders: ir.Table, feedback: ir.Table) -> Estimate:
    """The answer rate of all orders, with its Wilson interval; missing where there are no orders."""
    counts = _by_user(orders, feedback)
    total = counts.agg(orders=counts.orders.sum(), answers=counts.answers.sum()).execute().fillna(0).iloc[0]
    answered = min(int(total["answers"]), int(total["orders"]))
    return rate(answered, int(total["orders"]), reason="there are no orders")
