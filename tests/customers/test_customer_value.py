"""Customer value: arithmetic by hand, relations that must hold, and reasons instead of numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.customers import bgnbd, customer_value, gamma_gamma
from helpers.customers import lifetime_value as lifetime
from helpers.engine import as_table
from helpers.findings import Estimate
from tests.customers.shops import WINDOW, learnt

THIRD = Estimate(0.3)


@pytest.fixture(scope="module")
def model() -> lifetime.Model:
    return lifetime.fit(learnt(5, until="2017-12-17")[0], boots=15)


def test_value_without_discount_is_margin_times_amount_times_purchases(model) -> None:
    valued = customer_value.value(model, margin=THIRD, weeks=26, discount_rate=0)
    assert valued["value"].to_numpy() == pytest.approx((0.3 * valued["amount"] * valued["purchases"]).to_numpy())
    wanted = bgnbd.expected_purchases(model.purchases.parameters, model.table, horizon=26)
    assert valued["purchases"].to_numpy() == pytest.approx(wanted)
    assert valued["amount"].to_numpy() == pytest.approx(gamma_gamma.expected_amount(model.spend, model.table))


def test_value_is_the_discounted_sum_of_weeks(model) -> None:
    valued = customer_value.value(model, margin=THIRD, weeks=52, discount_rate=0.2)
    ends = [bgnbd.expected_purchases(model.purchases.parameters, model.table, horizon=h) for h in range(53)]
    factor = 1.2 ** (-(np.arange(52) + 0.5) * 7 / 365.25)
    by_week = 0.3 * valued["amount"] * (np.diff(ends, axis=0).T @ factor)
    assert valued["value"].to_numpy() == pytest.approx(by_week.to_numpy(), rel=1e-4)


def test_more_margin_more_value_more_discount_less(model) -> None:
    terms = [(0.3, 26, 0.1), (0.6, 26, 0.1), (0.3, 52, 0.1), (0.3, 26, 0.5)]
    base, margin, longer, discounted = (
        customer_value.value(model, margin=Estimate(m), weeks=w, discount_rate=d)["value"].sum() for m, w, d in terms
    )
    assert margin == pytest.approx(2 * base) and longer > base > discounted


def test_the_interval_holds_the_expected_total(model) -> None:
    total = customer_value.total_value(model, margin=THIRD, weeks=26, discount_rate=0.1)
    assert total.ci_low < total.value < total.ci_high
    assert 0.03 < (total.ci_high - total.ci_low) / total.value < 0.6


def test_stages_hold_every_customer_once(model) -> None:
    valued = customer_value.value(model, margin=THIRD, weeks=26, discount_rate=0.1)
    stages = customer_value.stages(valued, min_cell=1)
    assert stages["customers"].sum() == len(valued) and stages["value_share"].sum() == pytest.approx(1)
    assert (stages["action"] != "").all()
    hidden = customer_value.stages(valued, min_cell=50)
    assert (hidden["customers"].dropna() >= 50).all()


def test_stages_by_hand() -> None:
    rows = [(0, 2.0, 1.0, 9), (0, 9.0, 1.0, 8), (3, 9.0, 0.9, 50), (3, 9.0, 0.5, 7), (3, 9.0, 0.1, 1)]
    table = pd.DataFrame(rows, columns=["frequency", "T", "p_alive", "value"]).assign(purchases=1.0)
    stages = customer_value.stages(table, min_cell=1).set_index("stage")["tier"].to_dict()
    assert stages == {
        "new": "middle",
        "no order yet": "middle",
        "active": "high",
        "at risk": "low",
        "probably gone": "low",
    }


def test_equal_values_share_a_tier() -> None:
    table = pd.DataFrame({"frequency": 3, "T": 9.0, "p_alive": 0.9, "value": [5.0] * 10, "purchases": 1.0})
    assert customer_value.stages(table, min_cell=1)[["tier", "customers"]].to_numpy().tolist() == [["high", 10]]


def test_margin_share_by_hand() -> None:
    # margin 2·3 − 1 = 5 of paid 2·10 − 1 = 19
    line = pd.DataFrame({"item_id": [1], "quantity": [2], "unit_price": [10.0], "discount": [1.0]})
    items = as_table(pd.DataFrame({"item_id": [1], "unit_margin": [3.0]}))
    assert customer_value.margin_share(as_table(line), items).value == pytest.approx(5 / 19)
    assert "margin" in customer_value.margin_share(as_table(line), None).reason


def test_cost_of_a_new_customer_by_hand(model) -> None:
    spend = as_table(
        pd.DataFrame({"day": [WINDOW[0], WINDOW[1], pd.Timestamp("2019-01-01")], "amount": [60.0, 40.0, 1e9]})
    )
    joined = [WINDOW[0], WINDOW[1], pd.Timestamp("2017-01-01")]
    users = as_table(pd.DataFrame({"user_id": [1, 2, 3], "joined_on": joined}))
    terms = {"window": WINDOW, "margin": THIRD, "weeks": 26, "discount_rate": 0.0}
    curve = customer_value.acquisition(model, spend, users, **terms)
    assert (curve["cost"] == 50).all() and curve["earned"].is_monotonic_increasing
    once = (
        0.3 * model.spend.population_mean * bgnbd.expected_since_first(model.purchases.parameters, np.array([26.0]))[0]
    )
    assert curve["earned"].iloc[-1] == pytest.approx(once)
    week = customer_value.payback(curve).value
    assert curve.set_index("week")["paid_back"][week] and not curve.set_index("week")["paid_back"][week - 1]


def test_a_cost_that_is_never_earned_says_so() -> None:
    curve = pd.DataFrame({"week": [0, 1], "earned": [0.0, 1.0], "ci_low": 0.0, "ci_high": 2.0, "cost": 9.0})
    assert "does not earn" in customer_value.payback(curve).reason


def test_reasons_instead_of_numbers(model) -> None:
    terms = {"margin": Estimate.missing("no margin"), "weeks": 26, "discount_rate": 0.1}
    valued = customer_value.value(model, **terms)
    total = customer_value.total_value(model, **terms)
    assert valued.attrs["reason"] == total.reason == "no margin"
    assert customer_value.stages(valued).attrs["reason"] == "no margin"
    assert customer_value.value_summary(valued, total, margin=terms["margin"]).empty
    none = customer_value.acquisition(model, None, None, window=WINDOW, margin=THIRD, weeks=26, discount_rate=0.1)
    assert "spend" in customer_value.payback(none).reason
    with pytest.raises(ValueError, match="weeks 0"):
        customer_value.value(model, margin=THIRD, weeks=0, discount_rate=0.1)
