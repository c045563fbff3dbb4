"""The tables of notebook 55: layers, common random numbers, distributions, audiences, and the shop's truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import scenario
from tests.campaigns.scenario_cases import customers, past

PEOPLE = customers()
EVERYONE = pd.concat([past("one", added=0.4), past("two", added=0.1, seed=5, starts_at=2)], ignore_index=True)


def plans(draws=300, **b):
    both = (scenario.Plan("A", offer="one"), scenario.Plan("B", **({"offer": "two"} | b)))
    return [scenario.prepare(p, PEOPLE, EVERYONE, draws=draws) for p in both]


@pytest.fixture(scope="module")
def pair():
    return plans()


@pytest.fixture(scope="module")
def played(pair):
    return scenario.simulate(pair)


def test_distribution_has_both_plans_and_their_difference(pair, played):
    table = scenario.distribution(played, pair).set_index(["outcome", "plan"])
    long = table.loc["profit in the long run"]
    assert np.isclose(long.loc["A less B", "mean"], long.loc["A", "mean"] - long.loc["B", "mean"])
    assert (long.ci_low <= long.ci_high).all() and len(table) == 18
    by_hand = (played[0].profit_long_run > played[1].profit_long_run).mean()
    assert long.loc["A less B", "above_zero_share"] == by_hand


def test_the_two_layers_add_up(pair):
    many = plans(draws=3000)
    table = scenario.layers(scenario.simulate(many), many, draws=600)
    one, two, both = table.standard_deviation
    assert abs(both / np.hypot(one, two) - 1) < 0.06 and table.variance_share.iloc[:2].sum() == pytest.approx(1)


def test_common_numbers_save_most_where_plans_share_customers():
    pair = plans(offer="one", audience="under 45")
    table = scenario.common_numbers(pair, draws=300)
    variance = table.variance.to_numpy()
    assert variance[1] > 1.5 * variance[0] and variance[2] > 1.5 * variance[1]
    assert np.allclose(table.times_as_many_draws.astype(float), variance / variance[0])


def test_equal_plans_leave_nothing_to_save():
    table = scenario.common_numbers(plans(offer="one"), draws=50)
    assert table.variance.iloc[0] == 0 and table.times_as_many_draws.isna().all()
    assert (
        scenario.layers(scenario.simulate(plans(offer="one")), plans(offer="one"), draws=50).variance_share.eq(0).all()
    )


def test_pull_forward_by_hand():
    drawn = pd.DataFrame({"added_sales": [100.0, 200.0, 100.0], "later_sales": [-50.0, -100.0, -50.0]})
    none = pd.DataFrame({"added_sales": [-1.0, 1.0, 2.0], "later_sales": [0.0, 0.0, 0.0]})
    table = scenario.pull_forward([drawn, none], plans(draws=5))
    assert table.pull_forward_share.tolist()[0] == 0.5 and table.pull_forward_share.isna().tolist() == [False, True]
    assert "may add no sales" in table.reason.iloc[1]


def test_reach_and_response_by_group(pair):
    table = scenario.reach(pair)
    assert table.spent.tolist() == pytest.approx([200 * 2 * 0.1] * 2) and table.assumptions.eq("none").all()
    found = scenario.response_by_group(pair[0])
    assert found.reached.sum() == 200 and (found.added_orders_ci_low < found.added_orders).all()
    assert "fewer than 500" in scenario.response_by_group(pair[0], min_cell=500).attrs["reason"]


def test_audiences_compare_with_all():
    table = scenario.audiences(scenario.Plan("A", offer="one"), PEOPLE, EVERYONE, draws=200).set_index("audience")
    assert pd.isna(table.loc["all", "beats_all_share"]) and table.truth.isna().all()
    assert table.loc["under 45", "reached"] == 100 and table.profit.is_monotonic_decreasing


def potential(effect):
    frame = pd.DataFrame({"campaign_id": "one", "arm": "treated", "user_id": np.arange(150), "profit0": 1.0})
    frame = frame.assign(profit1=1.0 + effect, later0=9.0, later1=6.0)
    return pd.concat([frame, frame.assign(campaign_id="two", profit1=2.0)], ignore_index=True)


def test_truth_by_hand(pair, played):
    table = scenario.against_truth(played, pair, PEOPLE, potential(3.0)).set_index("label")
    assert table.loc["plan A, at the end", "truth"] == 200 * 3.0
    assert table.loc["plan A less plan B, at the end", "truth"] == 200 * 2.0
    # a third of the sales is margin in these cases: 3 less later, 1 less margin
    assert np.isclose(table.loc["plan A, in the long run", "truth"], 200 * (3.0 - 1.0))
    assert scenario.true_difference(table.reset_index()) == pytest.approx(400.0)


def test_true_opt_outs_follow_the_curve(pair, played):
    # one message a week for four weeks: 1 − 0.99⁴; the plan runs two weeks with one a week
    curve = pd.DataFrame({"per_week": [0.0, 1.0], "opt_out_probability": [0.0, 1 - 0.99**4], "messages_sent": [0, 4]})
    with_, without = (scenario.against_truth(played, pair, PEOPLE, potential(3.0), curve=c) for c in (curve, None))
    lost = (without.truth - with_.truth).iloc[3]
    assert np.isclose(lost, 200 * (1 - 0.99**2) * 60)


def test_without_truth_or_beyond_the_test_there_is_a_reason(pair, played):
    real = pd.DataFrame().assign(truth=[])
    real.attrs["reason"] = "real data"
    assert scenario.against_truth(played, pair, PEOPLE, real).attrs["reason"] == "real data"
    longer = plans(weeks=3.0)
    table = scenario.against_truth(played, longer, PEOPLE, potential(1.0))
    assert "plan B differs from what was tested" in table.attrs["reason"] and scenario.true_difference(table) is None


def test_the_difference_is_that_of_the_expected_profits(pair):
    gap = [scenario.expected(x).profit_long_run for x in pair]
    assert np.allclose(scenario.difference(pair), gap[0] - gap[1])
