"""Regret by hand, the value of information by its formula, and the tornado against the full calculation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_decision import (
    advice,
    both_horizons,
    decision,
    information_value,
    pieces,
    profit_of,
    sceptical,
    second_opinion,
    tornado,
    unit_normal_loss,
    usual_effect,
    worth_of_test,
)
from helpers.campaigns.scenario_plans import Plan, expected, prepare
from helpers.findings import Estimate
from tests.campaigns.scenario_cases import customers, past


@pytest.fixture(scope="module")
def pair():
    both = pd.concat([past("one", added=0.3), past("two", added=0.1, seed=5, starts_at=2)], ignore_index=True)
    return [prepare(Plan(n, offer=o), customers(), both, draws=500) for n, o in (("A", "one"), ("B", "two"))]


def test_regret_by_hand():
    found = decision({"A": np.array([4.0, -1.0]), "B": np.array([1.0, 2.0])}).set_index("choice")
    assert found.expected_regret.to_dict() == {"A": 1.5, "B": 1.5, "nothing": 3.0}
    assert found.best_share.to_dict() == {"A": 0.5, "B": 0.5, "nothing": 0.0}


def test_nothing_is_best_when_all_plans_lose():
    found = decision({"A": np.array([-4.0, -2.0]), "B": np.array([-1.0, -3.0])})
    assert found.choice.iloc[0] == "nothing" and found.expected_regret.iloc[0] == 0
    assert advice(found, pd.DataFrame(), test_cost=1.0).startswith("By the tests alone, do nothing")


def test_ties_are_shared_and_no_draws_have_a_reason():
    assert decision({"A": np.ones(3), "B": np.ones(3)}, nothing=False).best_share.tolist() == [0.5, 0.5]
    assert decision({"A": np.array([])}).attrs["reason"] == "no draws"
    with pytest.raises(ExperimentError, match="finite"):
        decision({"A": np.array([np.nan])})
    with pytest.raises(ExperimentError, match="same number"):
        decision({"A": np.ones(2), "B": np.ones(3)})


def test_normal_case_chance_regret_and_perfect_information():
    # A − B normal with mean 300 and standard deviation 400: P(A better) = Φ(0.75), EVPI = 400·L(0.75)
    gap = norm.ppf((np.arange(20_000) + 0.5) / 20_000, 300, 400)
    found = decision({"A": gap, "B": np.zeros(20_000)}, nothing=False)
    assert abs(found.best_share.iloc[0] - norm.cdf(0.75)) < 1e-3
    loss = norm.pdf(0.75) - 0.75 * norm.sf(0.75)
    assert abs(found.expected_regret.iloc[0] - 400 * loss) < 0.2
    assert abs(information_value(gap).worth.iloc[0] - 400 * loss) < 0.2


def test_unit_normal_loss_as_tabulated():
    # tables of the unit normal loss: L(0) .3989, L(0.5) .1978, L(1) .0833, L(2) .0085
    assert np.allclose([unit_normal_loss(z) for z in (0, 0.5, 1, 2)], [0.3989, 0.1978, 0.0833, 0.0085], atol=5e-5)


def test_a_half_test_is_worth_less_and_none_nothing():
    worth = information_value(np.array([-1.0, 1.0, 3.0]), shares=(1.0, 0.5, 0.25, 0.0)).worth
    assert (np.diff(worth) < 0).all() and worth.iloc[-1] == 0
    assert information_value(np.zeros(5)).worth.eq(0).all()
    assert information_value(np.array([1.0])).attrs["reason"] == "fewer than two draws"
    with pytest.raises(ExperimentError, match="shares"):
        information_value(np.ones(3), shares=(1.2,))


def test_a_test_is_worth_its_preposterior_value():
    # see half of the variance, choose, lose: by simulation without the formula
    rng = np.random.default_rng(1)
    mean, error = 100.0, 300.0
    after = rng.normal(mean, error * np.sqrt(0.5), 400_000)
    by_simulation = np.maximum(after, 0).mean() - max(mean, 0)
    by_formula = information_value(norm.ppf((np.arange(9999) + 0.5) / 9999, mean, error)).worth.iloc[1]
    assert abs(by_simulation - by_formula) < 1.5


def test_the_sceptic_by_the_normal_posterior():
    gap = norm.ppf((np.arange(5000) + 0.5) / 5000, 10, 4)
    found = sceptical(gap, scale=3.0)  # precision 1/9 + 1/16: variance 144/25, mean 10·9/25
    assert abs(found.mean() - 3.6) < 1e-3 and abs(found.std() - 12 / 5) < 0.01
    assert np.allclose(sceptical(gap, scale=0.0), 0) and np.allclose(sceptical(np.full(3, 2.0), scale=0.0), 2.0)
    with pytest.raises(ExperimentError, match="scale -1"):
        sceptical(gap, scale=-1)


def test_the_sceptic_is_right_as_often_as_he_says():
    rng = np.random.default_rng(3)
    truth = rng.normal(0, 2, 400)
    seen = truth + rng.normal(0, 3, 400)
    draws = seen[:, None] + rng.normal(0, 3, (400, 300))
    sure = np.array([(np.sign(s) * sceptical(d, scale=2.0) > 0).mean() for s, d in zip(seen, draws, strict=True)])
    naive = (np.sign(seen)[:, None] * draws > 0).mean()
    right = (np.sign(seen) == np.sign(truth)).mean()
    assert abs(sure.mean() - right) < 0.06 < naive - right


def test_usual_effects_need_three_offers():
    effects = pd.DataFrame({"profit": [10.0, -10, 0], "standard_error": [0.1] * 3})
    assert usual_effect(effects.head(2)).value is None and usual_effect(effects).value > 5


def test_the_pieces_make_up_the_expected_profit(pair):
    for launch in pair:
        by_pieces = [profit_of(launch, p, carries=1.0, consent_value=60.0) for _k, p in pieces(launch).iterrows()]
        assert np.allclose(by_pieces, expected(launch).profit_long_run)


def test_tornado_moves_one_assumption_at_a_time(pair):
    bars = tornado(pair).set_index("assumption")
    assert ((bars.from_ <= bars.base + 1e-9) & (bars.base <= bars.to + 1e-9)).all()
    widths = (bars.to - bars.from_).to_numpy()
    assert (np.diff(widths) <= 1e-9).all() and len(bars) == 13
    # the share of A's effect that returns, by hand: the gain of 0.4 of the effect
    row, part = bars.loc["A: share of the effect that returns"], pieces(pair[0]).mean()
    gain = (part.base + part.added) * (part.margin + part.margin_gap) - part.base * part.margin + part.later
    assert np.isclose(row.at_high - row.at_low, 0.4 * gain * len(pair[0].reached))
    with pytest.raises(ExperimentError, match="level 1"):
        tornado(pair, level=1)


def test_both_horizons_and_two_views(pair):
    table = both_horizons(pair)
    assert (
        table.groupby("horizon").expected_regret.min().tolist()
        == table.groupby("horizon").expected_regret.first().tolist()
    )
    views = second_opinion(pair, usual=Estimate(1.0))
    assert abs(views.difference.iloc[1]) < abs(views.difference.iloc[0])
    assert len(second_opinion(pair, usual=Estimate.missing("too few"))) == 1
    assert len(second_opinion([pair[0], pair[0]], usual=Estimate(1.0))) == 1


def test_a_test_of_plans_that_both_lose_money_is_worth_nothing(pair):
    dear = [replace(x, unit_cost=1000.0 + k) for k, x in enumerate(pair)]
    assert dear[0].cost > 0 and worth_of_test(dear).worth.eq(0).all()


def test_the_worth_of_a_test_is_the_lowest_regret_and_follows_the_formula(pair):
    drawn = expected(pair[0]).profit_long_run.to_numpy()
    worth = worth_of_test(pair[:1], shares=(1.0, 0.5, 0.0)).worth
    assert np.isclose(worth.iloc[0], decision({"A": drawn}).expected_regret.min())
    # one plan that earns nothing in the mean, against doing nothing: the normal formula
    even = replace(pair[0], unit_cost=pair[0].unit_cost + drawn.mean() / len(pair[0].reached) / messages(pair[0]))
    by_formula = information_value(expected(even).profit_long_run.to_numpy()).worth
    assert np.allclose(worth_of_test([even]).worth, by_formula, rtol=0.05) and worth.iloc[2] == 0


def messages(launch):
    return launch.response.messages * launch.stretch


def test_advice_says_whether_a_test_pays():
    choices = decision({"plan A": np.array([4.0, -2.0]), "plan B": np.array([1.0, 0.0])})
    worth = pd.DataFrame({"variance_taken_share": [0.5], "worth": [5.0]})
    assert "is worth its cost: 5 CNY against 1" in advice(choices, worth, test_cost=1.0, currency="CNY")
    assert "more than it can bring" in advice(choices, worth, test_cost=9.0)
    assert advice(decision({"A": np.array([])}), worth, test_cost=1.0) == "No decision: no draws."
