"""Measures of return by hand, the tables behind them, and the door of notebook 54."""

from contextlib import nullcontext

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import budget
from helpers.campaigns.errors import ExperimentError

DAY = 86_400
ROW = pd.DataFrame({"channel": ["tv"], "spend": [200.0], "sales": [900.0], "margin": [300.0], "new_customers": [8]})


def test_roi_roas_cac_payback_by_hand():
    row = budget.measures(ROW, margin_per_customer_week=2.5).iloc[0]
    # 900/200, (300 − 200)/200, 200/8, 25/2.5
    assert (row.roas, row.roi, row.cac, row.payback_weeks) == (4.5, 0.5, 25.0, 10.0)
    assert budget.payback(cac=25.0, margin_per_period=-1.0) is None


def test_zero_spend_and_no_customers_have_no_ratio():
    row = budget.measures(ROW.assign(spend=0.0, new_customers=0)).iloc[0]
    assert row[["roas", "roi", "cac", "payback_weeks"]].isna().all()
    assert list(budget.measures(ROW.head(0)).columns[:2]) == ["channel", "spend"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spend": np.nan}, "spend of tv is missing"),
        ({"spend": -1.0}, "spend: -1 is negative"),
        ({"sales": -5.0}, "sales: -5 is negative"),
        ({"new_customers": -1}, "new_customers"),
    ],
)
def test_missing_cost_and_negative_money_are_refused(change, message):
    with pytest.raises(ExperimentError, match=message):
        budget.measures(ROW.assign(**change))


def test_a_table_without_margin_is_refused():
    with pytest.raises(ExperimentError, match="no column margin"):
        budget.measures(ROW.drop(columns="margin"))
    with pytest.raises(ExperimentError, match="cac"):
        budget.payback(cac=float("nan"), margin_per_period=1.0)


def tables():
    orders = pd.DataFrame({"order_id": [1, 1, 2, 3], "user_id": [1, 1, 2, 1], "item_id": [5, 6, 5, 5]})
    orders["timestamp"] = np.array([10, 10, 12, 14]) * DAY
    orders = orders.assign(quantity=[1, 2, 1, 1], unit_price=10.0, discount=[0.0, 2, 0, 0])
    orders["day"] = pd.to_datetime(orders.timestamp, unit="s").dt.date
    spend = pd.DataFrame({"day": pd.to_datetime(["1970-01-11", "1970-01-13"]).date, "channel": ["tv", "web"]})
    touches = pd.DataFrame({"user_id": [1, 1, 2], "channel": ["tv", "web", "tv"], "timestamp": [8, 9, 1]})
    touches["timestamp"] *= DAY
    items = pd.DataFrame({"item_id": [5, 6], "unit_margin": [4.0, 3.0]})
    money = budget.spend_days(ibis.memtable(spend.assign(amount=[6.0, 8.0])))
    return ibis.memtable(orders), money, ibis.memtable(touches), ibis.memtable(items)


def test_the_daily_table_by_hand():
    orders, spend, *_ = tables()
    table = budget.daily(spend, orders, window=(pd.Timestamp("1970-01-11"), pd.Timestamp("1970-01-15")))
    assert table.orders.tolist() == [1, 0, 1, 0, 1] and table.sales.tolist() == [28, 0, 10, 0, 10]
    assert table.tv.tolist() == [6, 0, 0, 0, 0] and table.web.tolist() == [0, 0, 8, 0, 0]
    assert table.attrs["channels"] == ["tv", "web"]


def test_last_touch_by_hand():
    orders, spend, touches, items = tables()
    found = budget.attributed(touches, orders, spend, items=items, quiet_days=0).set_index("channel")
    # orders 1 and 3 of user 1 have the last touch 'web'; user 2's touch is 11 days old
    assert found.orders.to_dict() == {"tv": 0, "web": 2}
    assert found.loc["web", ["sales", "margin", "new_customers"]].tolist() == [38, 4 + 6 - 2 + 4, 1]
    longer = budget.attributed(touches, orders, spend, items=items, quiet_days=2, lookback_days=20)
    assert longer.set_index("channel").new_customers.to_dict() == {"tv": 1, "web": 0}


@pytest.mark.parametrize(("options", "taken"), [((1, 0), True), ((0, 0), False), ((365, 365), True), ((366, 0), False)])
def test_touches_are_looked_for_over_a_day_to_a_year(options, taken):
    orders, spend, touches, _ = tables()
    given = dict(zip(("lookback_days", "quiet_days"), options, strict=True))
    with nullcontext() if taken else pytest.raises(ExperimentError):
        budget.attributed(touches, orders, spend, **given)


def test_without_touchpoints_or_margins():
    orders, spend, touches, items = tables()
    assert "touchpoints" in budget.attributed(None, orders, spend).attrs["reason"]
    assert budget.attributed(touches, orders, spend).margin.isna().all()
    assert budget.customer_margin(orders, None) is None
    # margin 4 + 6 − 2 + 4 + 4 of two customers over four days
    assert budget.customer_margin(orders, items) == pytest.approx(16 / 2 / (4 / 7))


def test_a_margin_that_is_not_known_is_none():
    orders, _, _, items = tables()
    assert budget.customer_margin(orders, items.filter(items.item_id == 5)) is None
    assert budget.customer_margin(orders, items.drop("unit_margin")) is None
    assert budget.customer_margin(orders.filter(orders.timestamp == 10 * DAY), items) is None  # no time passes
    assert budget.customer_margin(orders.filter(False), items) is None
    # without discounts two more are earned
    assert budget.customer_margin(orders.drop("discount"), items) == pytest.approx(18 / 2 / (4 / 7))


def test_controls_have_a_term_for_each_campaign_and_each_peak():
    days = pd.date_range("2024-01-01", periods=60)
    table = pd.DataFrame({"day": days, "orders": [10.0] * 59 + [90.0]})
    start = int(pd.Timestamp("2024-01-08", tz="UTC").timestamp())
    plan = ibis.memtable({"campaign_id": ["c"], "starts_at": [start], "ends_at": [start + 7 * DAY - 1]})
    found = budget.controls(table, campaigns=plan, zone="UTC")
    assert found.shape == (60, 6 + 1 + 1 + 1) and found[:, -1].nonzero()[0].tolist() == list(range(7, 14))
    assert budget.controls(table, campaigns=None, zone="UTC").shape == (60, 8)
    # a Monday first, so the first column is that of Tuesdays; then the trend, then the peak
    assert found[:, 0].nonzero()[0].tolist() == list(range(1, 60, 7)) and found[:, 7].nonzero()[0].tolist() == [59]
    assert found[[0, 59], 6].tolist() == [0.0, 1.0]


def holdout(users=2000, sales=6.0, unit_cost=0.0, truth=None, day="1970-01-03", spread=None):
    rng = np.random.default_rng(1)
    arm = np.where(rng.random(users) < 0.5, "control", "treated")
    people = pd.DataFrame({"campaign_id": "h", "arm": arm, "starts_at": 0, "randomised": True, "purchased": 1})
    people["spend"] = rng.gamma(2.0, 20.0, users) + sales * (arm == "treated")
    plan = {"campaign_id": ["h"], "channel": ["tv"], "starts_at": [0], "ends_at": [14 * DAY - 1]}
    money = {"day": [pd.Timestamp(day).date()], "channel": ["tv"], "amount": [4000.0]}
    spend = budget.spend_days(ibis.memtable(money))
    found = {"campaigns": ibis.memtable(plan | {"unit_cost": [unit_cost]}), "spend": spend}
    reached = users if spread is None else spread
    return budget.holdouts(people, people=reached, zone="UTC", **found, truth=truth)


def test_a_holdout_gives_the_incremental_return():
    row = holdout().iloc[0]
    # 2 of spend a person bring 6 of sales: 3
    assert row.spend_per_person == 2.0 and row.roas_ci_low < 3.0 < row.roas_ci_high
    assert row.roas == pytest.approx(row.sales_per_person / 2)
    assert "switched off" in holdout(unit_cost=0.1).attrs["reason"]


def test_a_holdout_beside_its_truth_and_the_days_of_its_window():
    truth = pd.DataFrame({"campaign_id": ["h", "h"], "arm": ["other", "treated"], "ate_spend": [1.0, 5.0]})
    row = holdout(truth=truth).iloc[0]
    assert row.truth == 2.5 and row.users == 2000 and (row.campaign_id, row.channel) == ("h", "tv")
    assert holdout(truth=truth.head(1)).truth.isna().all() and holdout(truth=truth.head(0)).truth.isna().all()
    assert row.roas_ci_low == pytest.approx(2 * row.roas - row.roas_ci_high)
    assert [len(holdout(day=f"1970-01-{d}")) for d in ("01", "14", "15")] == [1, 1, 0]
    assert holdout(spread=0).attrs["reason"] == "no campaign has participants" and len(holdout(spread=1)) == 1


def test_true_curves_add_up_to_the_added_orders():
    table = pd.DataFrame({"tv": [0.0, 20, 40, 20], "orders": 5.0})
    truth = pd.DataFrame({"channel": ["tv", "gone"], "incremental_orders": [12, 0]})
    truth = truth.assign(half_spend_per_user=[2.0, 0.0], carry=[0.5, 0.0])
    row = budget.true_curves(truth, table, people=10).iloc[0]
    added = row.ceiling * budget.saturation(budget.adstock(table.tv, carry=0.5), half=20)
    assert added.sum() == pytest.approx(12) and row.half == 20
    assert budget.true_curves(truth.head(0), table, people=10).empty


def test_straight_lines_meet_the_true_line():
    rng, covered = np.random.default_rng(8), []
    truth = pd.DataFrame({"channel": ["tv"], "ceiling": [40.0], "half": [50.0], "carry": [0.3]})
    for _run in range(100):
        spend = rng.choice([0.0, 20, 60], 150)
        sales = 100 + 40 * budget.saturation(budget.adstock(spend, carry=0.3), half=50) + rng.normal(0, 8, 150)
        table = pd.DataFrame({"tv": spend, "sales": sales})
        row = budget.straight_lines(table, channels=["tv"], outcome="sales", truth=truth).iloc[0]
        covered.append(row.ci_low <= row.truth <= row.ci_high)
    assert 0.88 <= np.mean(covered) <= 1.0


def test_points_of_unknown_curves():
    unknown = pd.DataFrame({"channel": ["tv"], "status": ["unknown"]})
    assert budget.curve_points(unknown, most={"tv": 1.0}).empty
    true = pd.DataFrame({"channel": ["tv"], "ceiling": [10.0], "half": [4.0], "carry": [0.0]})
    assert budget.curve_points(true, most={"tv": 4.0}, points=2).added.tolist() == [0, 5]


def test_coverage_is_a_rate():
    study = pd.DataFrame({"number": ["marginal_return"], "known": [100], "covered": [95]})
    assert budget.coverage(study).value == 0.95
    assert budget.definitions().formula.str.len().min() > 0


def test_regrets_are_summed_up_over_shops_with_known_curves():
    lost = pd.DataFrame({"regret_share": [0.0, 0.02, None], "regret_before_share": [0.1, 0.3, 0.9]})
    table = budget.regret_summary(lost)
    assert table.shops.tolist() == [2, 2] and table.median_share.tolist() == pytest.approx([0.01, 0.2])
    assert "no simulated shop" in budget.regret_summary(lost.tail(1)).attrs["reason"]


def test_the_finding_takes_the_best_supported_channel_and_the_deepest_cut():
    lines = pd.DataFrame({"channel": ["a", "b"], "slope": [3.0, 2.0], "ci_low": [-3.0, 1.0], "ci_high": [9.0, 3.0]})
    value, more = budget.best_line(lines.assign(truth=1.5))
    assert (value.value, more["channel"], more["truth"]) == (2.0, "b", 1.5)
    prices = pd.DataFrame(
        {"campaign_id": ["x", "y"], "profit": [1.0, -2.0], "ci_low": -3.0, "ci_high": 4.0, "truth": 0.0}
    )
    value, more = budget.last_price(prices)
    assert (value.value, more["campaign"]) == (-2.0, "y")
    assert budget.last_price(prices.head(0))[0].value is budget.best_line(lines.head(0))[0].value is None


def test_channels_that_follow_demand_are_left_out():
    table = pd.DataFrame({"day": [1]})
    table.attrs["channels"] = ["search", "tv", "web"]
    assert budget.planned_channels(table, follows_demand="search, web") == ["tv"]
    assert budget.planned_channels(table) == ["search", "tv", "web"]


def study_tables():
    orders, spend, _touches, items = tables()
    plan = {
        "campaign_id": ["c"],
        "starts_at": [9 * DAY],
        "ends_at": [15 * DAY],
        "unit_cost": [0.0],
        "randomised": [True],
    }
    who = ibis.memtable({"campaign_id": ["c", "c"], "user_id": [1, 2], "arm": ["control", "cut"]})
    users = ibis.memtable({"user_id": [1, 2, 3], "city_tier": [1, 2, 2]})
    given = {"orders": orders, "spend": spend, "items": items, "assignments": who, "users": users}
    return given | {"campaigns": ibis.memtable(plan)}


def test_price_people_by_hand():
    people = budget.price_people(study_tables()).set_index("user_id")
    assert people.list_value.to_dict() == {1: 40.0, 2: 10.0} and people.discount.to_dict() == {1: 2.0, 2: 0.0}
    assert people.city_tier.to_dict() == {1: 1, 2: 2}
    none = budget.price_people({"orders": 0, "assignments": 0})
    assert "no table campaigns" in none.attrs["reason"] and {"margin", "list_value", "discount"} <= set(none.columns)
    assert budget.customers(study_tables()["orders"], None) == 2
    assert budget.customers(study_tables()["orders"], study_tables()["users"]) == 3


def test_the_most_doubtful_cut_or_the_named_one():
    people = pd.DataFrame({"campaign_id": ["a", "b"], "user_id": [1, 2]})
    prices = pd.DataFrame({"campaign_id": ["a", "b"], "profit": [-9.0, 1.0], "ci_low": [-12.0, -1.0]})
    prices["ci_high"] = [-6.0, 3.0]
    assert budget.doubtful_cut(people, prices).reset_index().to_numpy().tolist() == [[0, "b", 2]]
    assert budget.doubtful_cut(people, prices.assign(profit=None)).user_id.tolist() == [2]
    assert budget.doubtful_cut(people, prices, campaign="a").user_id.tolist() == [1]
    assert "no price experiment" in budget.doubtful_cut(people, prices, campaign="z").attrs["reason"]
    assert budget.doubtful_cut(people, prices.head(0)).empty


def test_a_missing_split_stays_missing():
    split = budget.split_budget(pd.DataFrame({"channel": []}), total=1.0)
    assert budget.beside_old(split, {}).attrs["reason"] == split.attrs["reason"]
