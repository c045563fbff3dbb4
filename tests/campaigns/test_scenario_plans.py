"""A plan by hand: who is reached, two customers with given dice, and chance around the expected result."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_inputs import GRID, Response, World
from helpers.campaigns.scenario_plans import (
    AUDIENCES,
    Launch,
    Plan,
    at_mean,
    expected,
    orders_of,
    play,
    prepare,
    simulate,
    value_per_person,
)
from helpers.findings import NotAnswerable
from tests.campaigns.scenario_cases import customers, frequencies, past


def world(rate, *, later=0.0, draws=1):
    mean = {"margin": 10.0, "spend": 30.0, "later_margin": 4.0, "later_spend": 12.0}
    flat = {name: np.full(draws, value) for name, value in mean.items()}
    return World(np.full((draws, 1), rate), np.full(draws, later), flat, dict.fromkeys(mean, np.zeros(GRID)))


def launch(size=2, *, rate=(0.5, 0.8), later=(0.0, 0.0), out=0.0, draws=1, **more):
    without, with_ = (world(r, later=b, draws=draws) for r, b in zip(rate, later, strict=True))
    found = Response(
        "c/x", "c", "email", 2.0, 1.0, 2.0, 0.5, 9, 9, ("all",), with_, without, np.full(draws, out), "as planned"
    )  # fmt: skip
    group = np.zeros(size, int)
    whole = Launch(Plan("A"), found, np.arange(size), group, size, 1.0, 1.0, 0.5, 60.0, 1.0, (), ())
    return replace(whole, **more)


def test_two_customers_by_hand():
    # chances of an order 39.3 % and 55.1 %, of two 9.0 % and 19.1 %: the first orders once and then twice,
    # the second not at all and then once; messages cost 2 · 0.5 a person
    u = np.array([[[0.15, 0.5, 0.5, 0.5, 0.5], [0.45, 0.5, 0.5, 0.5, 0.5]]])
    row = play(launch(), u, u, draws=slice(0, 1)).iloc[0]
    assert row.added_sales == 60.0 and row.profit_at_end == 20.0 - 2.0


def test_pull_forward_and_opt_out_by_hand():
    # both buy later without the plan, only the first with it; the second withdraws consent: 60
    u = np.array([[[0.9, 0.5, 0.5, 0.15, 0.5], [0.9, 0.5, 0.05, 0.45, 0.5]]])
    row = play(launch(later=(0.5, 0.2), out=0.1), u, u, draws=slice(0, 1)).iloc[0]
    assert row.later_sales == -12.0 and row.opt_outs == 1
    assert row.profit_long_run == -2.0 - 4.0 - 60.0


def test_the_expected_result_by_hand():
    row = expected(launch(later=(0.5, 0.2), out=0.1)).iloc[0]
    assert np.isclose(row.profit_at_end, 2 * (0.8 * 10 - 0.5 * 10) - 2 * 1.0)
    assert np.isclose(row.profit_long_run, row.profit_at_end + 2 * (0.2 - 0.5) * 4 - 2 * 0.1 * 60)
    assert np.isclose(value_per_person(launch(later=(0.5, 0.2), out=0.1))[0], row.profit_long_run / 2)


def test_half_the_effect_for_twice_the_weeks():
    once, other = expected(launch()).iloc[0], expected(launch(stretch=2.0, carries=0.5)).iloc[0]
    assert np.isclose(other.added_sales, once.added_sales)
    assert np.isclose(once.profit_at_end - other.profit_at_end, 2.0)  # twice the messages


def test_orders_follow_poisson():
    u = np.random.default_rng(1).random((1, 200_000))
    _row, _who, times = orders_of(u, np.array([[1.7]]), np.zeros(u.shape[1], int))
    assert abs(times.sum() / u.size - 1.7) < 0.02 and abs((times**2).sum() / u.size - 1.7 - 1.7**2) < 0.1


def test_a_higher_rate_never_means_fewer_orders():
    u = np.random.default_rng(2).random((1, 500))
    counts = []
    for rate in (0.3, 0.9, 2.5):
        _row, who, times = orders_of(u, np.array([[rate]]), np.zeros(500, int))
        counts.append(np.bincount(who, times, 500))
    assert (np.diff(counts, axis=0) >= 0).all()


def test_chance_is_centred_on_the_expected_result():
    whole = launch(300, later=(0.4, 0.3), out=0.05, draws=400)
    played, mean = simulate([whole])[0], expected(whole)
    error = played.std() / np.sqrt(len(played))
    assert (np.abs(played.mean() - mean.mean()) < 4 * error + 1e-9).all()


def test_a_sample_has_the_mean_and_the_chance_of_all():
    all_, part = launch(400, draws=600), launch(100, draws=600, weight=4.0)
    one, two = (simulate([x], seed=s)[0].profit_at_end for s, x in enumerate((all_, part)))
    assert np.allclose(expected(all_), expected(part))
    assert abs(two.std() / one.std() - 1) < 0.12 and abs(two.mean() - one.mean()) < 5 * one.std() / np.sqrt(300)


def test_equal_plans_do_not_differ_and_other_dice_do():
    pair = [launch(50, draws=100), launch(50, draws=100)]
    same, other = simulate(pair), simulate(pair, common="plan")
    assert same[0].equals(same[1]) and not other[0].equals(other[1])
    with pytest.raises(ExperimentError, match="common 'some'"):
        simulate(pair, common="some")
    with pytest.raises(ExperimentError, match="same customers"):
        simulate([launch(50), launch(51)])


def test_at_mean_only_chance_is_left():
    whole = prepare(Plan("A"), customers(), past(), draws=50)
    assert expected(whole).profit_at_end.std() > 0
    still = expected(at_mean(whole, draws=7))
    assert len(still) == 7 and np.allclose(still.std(), 0)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"audience": "recent buyer"}, "Did you mean 'recent buyers'"),
        ({"budget": 0.0}, "budget 0.0: take an amount of money above 0"),
        ({"budget": float("nan")}, "budget nan"),
        ({"per_week": -1.0}, "per_week -1.0"),
        ({"weeks": float("inf")}, "weeks inf"),
    ],
)
def test_a_wrong_plan_is_refused(how, says):
    with pytest.raises(ExperimentError, match=says):
        Plan("A", **how)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"weeks": 5.0}, "at most 2 times as long"),
        ({"channel": "emial"}, "Did you mean 'email'"),
        ({"budget": 0.1}, "Plan A reaches nobody .*within the budget 0"),
        ({"offer": "nothing"}, "no campaign 'nothing'"),
    ],
)
def test_a_plan_that_cannot_be_forecast_stops(how, says):
    with pytest.raises(NotAnswerable, match=says):
        prepare(Plan("A", **how), customers(), past(), draws=20)


@pytest.mark.parametrize("how", [{"top_share": 1.5}, {"carries": -0.1}, {"consent_value": float("nan")}])
def test_assumptions_out_of_range_are_refused(how):
    with pytest.raises(ExperimentError, match=next(iter(how))):
        prepare(Plan("A"), customers(), past(), draws=20, **how)


def test_nobody_to_plan_for():
    with pytest.raises(NotAnswerable, match="nobody to plan for"):
        prepare(Plan("A"), customers().head(0), past(), draws=20)


def reached(audience="all", people=None, **how):
    people = customers() if people is None else people
    found = prepare(Plan("A", audience=audience, **how), people, past(), draws=20, top_share=0.25)
    return people.iloc[found.reached], found


def test_each_audience_is_its_rule():
    assert len(reached()[0]) == 200
    assert (reached("big cities out")[0].city_tier >= 3).all() and len(reached("big cities out")[0]) == 100
    assert (reached("under 45")[0].age_band == "25-34").all()
    top = reached("top spenders")[0].past_spend
    assert len(top) == 50 and top.min() >= customers().past_spend.quantile(0.74)
    some = customers().assign(past_spend=lambda t: t.past_spend.where(t.user_id < 30, 0.0))
    assert len(reached("recent buyers", some)[0]) == 30


def test_predicted_uplift_takes_the_groups_that_pay():
    found = prepare(Plan("A", audience="predicted uplift"), customers(), past(), draws=200)
    worth = value_per_person(found)[found.group]
    assert (worth > 0).all()


def test_consent_and_earlier_opt_outs_come_before_the_budget():
    people = customers().assign(consent_email=lambda t: (t.user_id < 60).astype(int))
    people.loc[:9, "opted_out_of"] = "push|email"
    chosen, found = reached(people=people, budget=0.2 * 30)
    assert dict(found.steps) == {"customers": 200, "in the audience": 200, "with consent": 50, "within the budget": 30}
    assert chosen.user_id.between(10, 59).all()
    assert len(reached(people=people.assign(consent_email=None))[0]) == 190  # not known: nobody is left out for it


def test_the_budget_takes_the_best_first_or_draws_the_same_lots():
    top = reached("top spenders", budget=0.2 * 10)[0].past_spend
    assert len(top) == 10 and top.min() >= customers().past_spend.nlargest(10).min()
    assert reached(budget=2.0)[0].equals(reached(budget=2.0)[0]) and len(reached(budget=2.0)[0]) == 10


def test_what_goes_beyond_the_test_is_said():
    people = past().assign(channel="push", unit_cost=0.3, campaign_id="other", starts_at=2)
    both = pd.concat([past(), people], ignore_index=True)
    found = prepare(Plan("A", offer="sale", channel="push", weeks=3.0), customers(), both, draws=20, carries=0.8)
    assert found.unit_cost == 0.3 and found.stretch == 1.5
    assert len(found.assumptions) == 3
    linear = prepare(Plan("A", offer="often", per_week=2.0), customers(), frequencies(), draws=20)
    assert linear.assumptions == ("linear between 1 and 4 messages a week",)


def test_every_audience_name_is_a_rule():
    for name in AUDIENCES:
        assert len(reached(name)[0]) > 0
