"""Lifetime value: forecasts against simulated futures and the shop's truth, CDNOW's holdout, and degenerate tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.customers import bgnbd, histories
from helpers.customers import lifetime_value as lifetime
from helpers.customers.bgnbd import Parameters
from helpers.engine import as_table
from tests.customers.cdnow import transactions
from tests.customers.shops import BUSY, WINDOW, learnt, shop

CUT = pd.Timestamp("2017-11-05")


@pytest.fixture(scope="module")
def shops() -> list[tuple[lifetime.Model, pd.DataFrame, float]]:
    """Six shops with their models."""
    made = [learnt(seed, customers=1_000) for seed in range(6)]
    return [(lifetime.fit(table, boots=15, seed=1), users, ahead) for table, users, ahead in made]


def test_intervals_of_the_weeks_kept_back_cover_as_promised(shops) -> None:
    held = pd.concat([lifetime.holdout(m, weeks=ahead, seed=k) for k, (m, _, ahead) in enumerate(shops)])
    assert held["covered"].mean() >= 0.75  # twelve intervals of 95 %: fewer than nine would be a wonder
    assert abs(held.groupby("quantity")["error_rate"].mean()).max() < 0.08


def test_p_alive_orders_the_shops_customers_rightly(shops) -> None:
    checks = pd.concat([lifetime.alive_check(m, users, until=CUT, time_zone="UTC") for m, users, _ in shops])
    groups = checks.groupby("group")[["customers", "alive"]].sum()
    share = checks.groupby("group")["expected_share"].mean()
    actual = groups["alive"] / groups["customers"]
    assert actual["1 of 8"] < actual["2 of 8"] < actual["4 of 8"] and share["no order counted"] == 1
    # the shop's customers are of four kinds, not one beta: P(alive) is too low for the quiet, never by more than this
    assert (actual - share).abs().max() < 0.2


def test_the_first_order_as_start_forecasts_too_much_in_a_log_that_starts_in_the_middle() -> None:
    days, users = shop(3, 1_000)
    table = lifetime.clocks_compared(as_table(days), as_table(users), window=WINDOW, until=CUT, busy_days=BUSY)
    error = table.set_index(["start", "counted"])["error_rate"]
    assert error["first order", "busy days"] > error["registration", "busy days"] + 0.05
    assert error["registration", "nothing"] < error["registration", "busy days"]


def test_cdnow_forecast_of_the_second_half(shared_data) -> None:
    # Fader, Hardie and Lee (2005): the forecast of total repeat transactions by week 78 is 4 % too low
    days = as_table(transactions(shared_data("cdnow_sample.txt")))
    weeks, cut = histories.clock((pd.Timestamp("1997-01-01"), pd.Timestamp("1998-06-30"))), pd.Timestamp("1997-09-30")
    model = lifetime.fit(histories.histories(days, None, weeks=weeks, until=cut), boots=5)
    track = lifetime.tracking(model, days, weeks=weeks, until=cut).groupby("series").last()["purchases"]
    assert track["model"] / track["actual"] - 1 == pytest.approx(-0.04, abs=0.015)
    assert track["actual"] == (days.count().execute() - 2357)


def test_simulated_totals_agree_with_expectation() -> None:
    people = bgnbd.simulate(Parameters(0.8, 6.0, 0.9, 3.0), ages=np.full(2_000, 40.0), seed=1)
    model = lifetime.fit(people.assign(user_id=range(2_000), monetary=10.0, later_orders=0, later_spend=0.0), boots=20)
    drawn, paid = lifetime.futures(model, steps=[4.0, 4.0], each=10)
    expected = bgnbd.expected_purchases(model.purchases.parameters, people, horizon=8).sum()
    assert drawn.sum(axis=1).mean() == pytest.approx(expected, rel=0.03)
    assert drawn.shape == paid.shape == (200, 2) and np.isnan(paid).all() and "same amount" in model.why_no_money


def test_classes_add_up_to_the_total(shops) -> None:
    model, _, ahead = shops[0]
    classes = lifetime.by_frequency(model, weeks=ahead, min_cell=1)
    assert (classes["customers"] * classes["actual"]).sum() == pytest.approx(model.table["later_orders"].sum())
    held = lifetime.holdout(model, weeks=ahead)
    assert (classes["customers"] * classes["expected"]).sum() == pytest.approx(held["expected"].iloc[0])


def test_same_seed_same_intervals(shops) -> None:
    table = shops[0][0].table
    one, two = (lifetime.holdout(lifetime.fit(table, boots=5, seed=2), weeks=4.0) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_parameters_have_both_intervals(shops) -> None:
    table = lifetime.parameters(shops[0][0])
    assert table["parameter"].tolist() == ["r", "alpha", "a", "b", "p", "q", "v"]
    assert (table["ci_low"] < table["ci_high"]).all() and table["curvature_ci_low"].notna().sum() == 4


@pytest.mark.parametrize("rows", [[], [(0, 0.0, 9.0)], [(0, 0.0, 9.0)] * 20, [(2, 4.0, 9.0)] * 20, [(0, 0.0, 0.0)]])
def test_degenerate_tables_give_a_reason_everywhere(rows) -> None:
    table = pd.DataFrame(rows, columns=["frequency", "recency", "T"])
    table = table.assign(user_id=range(len(table)), monetary=5.0, later_orders=0, later_spend=0.0)
    model, day = lifetime.fit(table, boots=2), as_table(pd.DataFrame({"user_id": [0], "day": [CUT], "paid": [1.0]}))
    made = [lifetime.parameters(model), lifetime.holdout(model, weeks=4), lifetime.by_frequency(model, weeks=4)]
    made += [lifetime.tracking(model, day, weeks=histories.clock(WINDOW), until=CUT), lifetime.alive_curve(model)]
    assert model.reason and all(t.empty and t.attrs["reason"] for t in made)
