"""The answer rate: counted by hand, found in a simulated shop, total on empty tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.engine import as_table
from helpers.products.answers import by_loyalty, overall


def tables(orders: list[int], answers: list[int]) -> dict:
    """Customer i has orders[i] orders and answers[i] answers."""
    people = range(len(orders))
    lines = pd.DataFrame({"user_id": np.repeat(people, orders)}).astype("int64")
    given = pd.DataFrame({"user_id": np.repeat(people, answers)}).astype("int64")
    return {"orders": as_table(lines.assign(order_id=np.arange(len(lines)))), "feedback": as_table(given)}


def test_counted_by_hand() -> None:
    found = by_loyalty(**tables([1, 1, 3, 4], [1, 0, 1, 4]), min_cell=1)
    assert found["customer"].tolist() == ["one order", "2 to 3 orders", "more than 3 orders"]
    assert found[["users", "orders", "answers"]].values.tolist() == [[2, 2, 1], [1, 3, 1], [1, 4, 4]]
    assert found["answer_rate"].tolist() == pytest.approx([0.5, 1 / 3, 1])


def test_the_published_interval_of_81_answers_to_263_orders() -> None:
    found = overall(**tables([263], [81]))
    assert (round(found.ci_low, 4), round(found.ci_high, 4)) == (0.2553, 0.3662)  # Newcombe 1998


def test_a_simulated_shop_gives_back_its_chance() -> None:
    rng = np.random.default_rng(1)
    orders = rng.poisson(2, 4_000)
    found = overall(**tables(orders.tolist(), rng.binomial(orders, 0.2).tolist()))
    assert abs(found.value - 0.2) < 4 * (0.2 * 0.8 / orders.sum()) ** 0.5  # four standard errors


def test_small_groups_are_hidden_and_empty_tables_say_why() -> None:
    assert by_loyalty(**tables([1] * 30 + [5], [0] * 31))["answers"].isna().all()
    assert by_loyalty(**tables([], [])).attrs["reason"] == "there are no orders"
    assert overall(**tables([], [])).reason == "there are no orders"


def test_a_limit_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="few = 1"):
        by_loyalty(**tables([1], [1]), few=1)
