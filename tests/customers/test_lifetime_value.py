"""Lifetime value: forecasts against simulated futures and the shop's truth, CDNOW's holdout, and degenerate tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.customers import bgnbd, histories
from helpers.customers import lifetime_value as lifetime
from helpers.customers.bgnbd import Parameters
from helpers.engine import as_table
from tests.customers.cdnow import transactions
from tests.customers.shops import BUSY, WINDOW, shop

CUT = pd.Timestamp("2017-11-05")


@pytest.fixture(scope="module")
def shops() -> list[tuple[lifetime.Model, pd.DataFrame, float]]:
    """Six shops with their models."""
    made = []
    for seed in range(6):
        days, users = shop(seed, 1_000)
        days, weeks = as_table(days), histories.clock(WINDOW, busy_days=BUSY)
        model = lifetime.fit(histories.histories(days, as_table(users), weeks=weeks, until=CUT), boots=15, seed=1)
        ahead = float(weeks.iloc[-1] - weeks[CUT])
        made.append((lifetime.shared_weeks(model, days, weeks=weeks, until=CUT), users, ahead))
    return made


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


def test_week_variance_by_hand() -> None:
    # n = 8, E = 100: Σ (8/7 · 30² − 100) / Σ 100² = 0.0928571; the level has an eighth of it
    shared = lifetime.week_variance(np.array([130.0, 70.0] * 4), np.full(8, 50.0))
    assert (shared.week, shared.level) == pytest.approx((0.0928571, 0.0928571 / 8), rel=1e-5)
    assert lifetime.week_variance(np.array([101.0, 99.0] * 4), np.full(8, 100.0)) == lifetime.Shared()
    assert lifetime.week_variance(np.full(7, 9.0), np.full(7, 5.0)) == lifetime.Shared()


def test_week_variance_finds_what_the_weeks_were_drawn_with() -> None:
    rng, expected = np.random.default_rng(1), np.linspace(300, 150, 20)
    factors = rng.gamma(1 / 0.004, 0.004, (400, 20))
    found = [lifetime.week_variance(rng.poisson(expected * f), expected).week for f in factors]
    chance = [lifetime.week_variance(rng.poisson(expected), expected).week for _number in range(400)]
    assert np.mean(found) == pytest.approx(0.004, rel=0.1) and np.mean(chance) < 0.001


def test_shared_weeks_widen_the_futures_by_their_variance(shops) -> None:
    model = shops[0][0]
    wide = replace(model, shared=lifetime.Shared(week=0.04, level=0.01))
    alone, together = (lifetime.futures(m, steps=[4.0], each=25)[0][:, 0] for m in (model, wide))
    added = together.var() / together.mean() ** 2 - alone.var() / alone.mean() ** 2
    assert together.mean() == pytest.approx(alone.mean(), rel=0.03)
    assert added == pytest.approx(0.04 / 4 + 0.01, rel=0.3)  # customers who leave buy a little less in long weeks


def test_shared_weeks_read_nothing_after_the_cut() -> None:
    days, users = shop(2, 600)
    weeks = histories.clock(WINDOW, busy_days=BUSY)
    model = lifetime.fit(histories.histories(as_table(days), as_table(users), weeks=weeks, until=CUT), boots=0)
    cut = days[days["day"] <= CUT]
    found = [lifetime.shared_weeks(model, as_table(d), weeks=weeks, until=CUT).shared for d in (days, cut)]
    assert found[0] == found[1] and found[0].week >= 0


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
    assert model.reason and lifetime.shared_weeks(model, day, weeks=histories.clock(WINDOW)) is model
    made.append(lifetime.scatter(model))
    assert all(t.empty and t.attrs["reason"] for t in made)
