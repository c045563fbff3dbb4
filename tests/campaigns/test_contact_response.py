"""Dose–response and the cap: formulas by hand, an independent fit, and the intervals over many simulated tests."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from helpers.campaigns import contact_response as response
from helpers.campaigns.contact_simulation import FrequencyTruth, frequency_study, simulate_frequency, study_summary
from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, missing

DOSES = np.array([0.0, 1.0, 2.0, 4.0, 7.0])
PEOPLE = np.full(5, 10_000)


@pytest.mark.parametrize(("most", "doses"), [(0.05, [0, 0.05]), (0.15, [0, 0.05, 0.1, 0.15]), (0.0, [0, 0])])
def test_the_curves_are_computed_every_twentieth_of_a_message(most, doses):
    assert response.DoseFit(most=most).doses.tolist() == pytest.approx(doses)


def exact(*, ceiling=0.2, scale=1.6, kappa=0.0, beta=1.0, error=1e-4, weeks=4.0, value=90.0):
    left = PEOPLE * -np.expm1(-kappa * DOSES**beta)
    means = 0.5 + ceiling * -np.expm1(-DOSES / scale)
    return response.fit_curves(DOSES, means, np.full(5, error), left, PEOPLE, order_value=value, weeks=weeks)


@pytest.mark.parametrize(("ceiling", "scale"), [(0.2, 1.6), (0.05, 0.5), (1.0, 6.0)])
def test_a_curve_without_noise_is_recovered(ceiling, scale):
    found = exact(ceiling=ceiling, scale=scale).parameters()
    assert (found[0][0], found[1][0]) == pytest.approx((ceiling, scale), rel=0.06)


@pytest.mark.parametrize(("kappa", "beta"), [(0.008, 1.7), (0.05, 1.0), (0.001, 2.5)])
def test_opt_outs_without_noise_are_recovered(kappa, beta):
    fit = exact(kappa=kappa, beta=beta)
    assert (fit.kappa[0], fit.beta[0]) == pytest.approx((kappa, beta), rel=0.03)


def test_opt_outs_agree_with_an_independent_maximum_likelihood():
    left, n = np.array([5, 11, 43, 101]), np.array([425, 444, 462, 449])
    f = DOSES[1:]

    def deviance(beta, log_kappa):
        p = -np.expm1(-np.exp(log_kappa) * f**beta)
        return -(left * np.log(p) + (n - left) * np.log1p(-p)).sum()

    def profiled(beta):
        return minimize_scalar(lambda k: deviance(beta, k), bounds=(-12, 0), method="bounded").fun

    beta = minimize_scalar(profiled, bounds=(0.2, 4), method="bounded").x
    fit = response.fit_curves(DOSES, DOSES * 0.01, np.full(5, 0.01), [0, *left], [450, *n], order_value=1.0)
    assert fit.beta[0] == pytest.approx(beta, abs=0.026)  # half a step of the grid


def test_the_error_of_the_opt_out_curve_is_that_of_many_redraws():
    rng = np.random.default_rng(0)
    share = -np.expm1(-0.01 * DOSES**1.6)
    left = rng.binomial(450, share, (1500, 5))
    same = {"order_value": 90.0, "weeks": 4.0}
    many = response.fit_curves(
        DOSES, np.tile(DOSES, (1500, 1)), np.ones((1500, 5)), left, np.full((1500, 5), 450), **same
    )
    claimed = np.sqrt(np.median(many.cov[:, [0, 1], [0, 1]], axis=0))
    assert [np.log(many.kappa).std(), many.beta.std()] == pytest.approx(claimed, rel=0.12)


@pytest.mark.parametrize("unit_cost", [0.2, 1.0, 4.0])
def test_the_cap_without_opt_outs_by_hand(unit_cost):
    # 90·0.2/1.6·e^(−f/1.6) = 4·unit_cost
    by_hand = max(0.0, min(7.0, 1.6 * np.log(90 * 0.2 / 1.6 / (4 * unit_cost))))
    found = response.cap(exact(), unit_cost=unit_cost, future_value=0.0)
    assert found.value == pytest.approx(by_hand, abs=0.1) and found.ci_low <= by_hand + 0.05
    assert found.ci_high >= by_hand - 0.05


def test_the_cap_with_opt_outs_is_the_maximum_of_the_exact_profit():
    fit, f = exact(kappa=0.008, beta=1.7), np.linspace(0, 7, 7001)
    share = -np.expm1(-0.008 * f**1.7)
    each = -np.expm1(-0.008 * f**0.7 / 4)
    sent = np.where(f > 0, share / np.maximum(each, 1e-300), 0)
    best = f[(18 * -np.expm1(-f / 1.6) - 0.05 * sent - 60 * share).argmax()]
    assert response.cap(fit, unit_cost=0.05, future_value=60.0).value == pytest.approx(best, abs=0.1)


def test_more_future_value_never_raises_the_cap():
    fit = exact(kappa=0.008, beta=1.7)
    found = [response.cap(fit, unit_cost=0.05, future_value=v).value for v in (0, 10, 30, 60, 120, 1000)]
    assert found == sorted(found, reverse=True) and found[0] > 6.9 and found[-1] < 1


def test_messages_stop_after_the_opt_out():
    fit = exact(kappa=0.5, beta=1.0)
    sent = response.messages_sent(fit, response.opt_out_share(fit))[0]
    rng = np.random.default_rng(1)
    p = -np.expm1(-0.5 * 7 / 28)  # 28 messages at 7 a week for 4 weeks
    walks = np.minimum(rng.geometric(p, 200_000), 28)
    assert sent[-1] == pytest.approx(walks.mean(), rel=0.01) and sent[0] == 0


def test_where_everybody_leaves_messages_are_finite():
    fit = exact()
    sent = response.messages_sent(fit, np.ones((1, len(fit.doses))))[0]
    # a chance p with 1 − (1 − p)^28 = 1 − 10⁻¹² at 28 messages: 1/p of them
    assert sent[-1] == pytest.approx(1 / (1 - 10 ** (-12 / 28)), rel=1e-3) and np.isfinite(sent).all()


def test_the_profit_has_the_quantiles_of_the_redrawn_fits():
    fit, some = exact(), np.arange(101.0)[:, None]
    means = 0.5 + 0.001 * some * DOSES / 7  # 101 tests, whose gains differ by equal steps
    redrawn = response.fit_curves(
        DOSES, means, np.full(5, 1e-3), np.zeros((101, 5)), np.tile(PEOPLE, (101, 1)), order_value=90.0, weeks=4.0
    )
    curve = response.profit_curve(fit, unit_cost=0.5, future_value=0.0, redrawn=redrawn, level=0.8)
    profits = np.sort(response.gain(redrawn)[:, -1] - 0.5 * 28)
    assert curve[["profit_ci_low", "profit_ci_high"]].iloc[-1].tolist() == pytest.approx(profits[[10, 90]].tolist())
    assert curve["message_cost"].iloc[-1] == pytest.approx(14) and curve["lost_future"].eq(0).all()


def test_no_opt_outs_and_no_gain():
    fit = response.fit_curves(DOSES, np.full(5, 0.4), np.full(5, 0.02), np.zeros(5), PEOPLE, order_value=50.0, weeks=4)
    found = response.cap(fit, unit_cost=0.5, future_value=100.0)
    assert found.value == 0 and found.ci_low == 0
    curve = response.profit_curve(fit, unit_cost=0.5, future_value=100.0)
    assert np.isfinite(curve.drop(columns=["profit_ci_low", "profit_ci_high"]).to_numpy()).all()


@pytest.mark.parametrize("left", [[0, 0, 0, 0, 1], [0, 9, 0, 0, 0], [0, 50, 50, 50, 50], [0, 100, 100, 100, 100]])
def test_odd_opt_outs_give_finite_curves(left):
    fit = response.fit_curves(DOSES, DOSES * 0.01, np.full(5, 0.02), left, np.full(5, 100), order_value=50.0, weeks=4)
    found = response.caps(fit, unit_cost=0.1, future_value=30.0)[0]
    assert np.isfinite(found).all() and found[1] <= found[0] <= found[2]


@pytest.mark.parametrize("doses", [[0.0, 1.0], [1.0, 2.0, 3.0], [0.0, 2.0, 2.0]])
def test_wrong_doses_are_refused(doses):
    k = len(doses)
    with pytest.raises(ExperimentError, match="rising doses"):
        response.fit_curves(doses, np.ones(k), np.ones(k), np.zeros(k), np.ones(k), order_value=1.0)


@pytest.mark.parametrize("wrong", [{"unit_cost": -1.0}, {"future_value": float("nan")}, {"level": 1.0}])
def test_wrong_money_is_refused(wrong):
    with pytest.raises(ExperimentError, match=next(iter(wrong))):
        response.caps(exact(), **({"unit_cost": 0.1, "future_value": 1.0} | wrong))
    with pytest.raises(ExperimentError, match="above 0"):
        exact(value=0.0)


def test_a_missing_fit_or_price_flows_through():
    none, money = response.DoseFit(reason="no test"), {"unit_cost": 0.1, "future_value": 1.0}
    curve = response.profit_curve(none, **money)
    assert curve.attrs["reason"] == "no test"
    assert response.cap(exact(), unit_cost=None, future_value=1.0).value is None
    assert response.at_cap(curve, Estimate.missing("no test")).attrs["reason"] == "no test"
    assert response.sensitivity(none, unit_cost=0.1, value_per_week=1.0, weeks=(1,)).empty
    assert response.curve_lines(curve, curve).attrs["reason"] == "no test"
    assert response.true_profit(missing(["truth"], "real data"), **money).attrs["reason"] == "real data"
    assert response.cap_against_truth(Estimate(1.0), missing(["per_week"], "real data")).attrs["reason"] == "real data"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 6.9, "at most 6.9; perhaps none"),
        (0.1, 7.0, "at least 0.1; how many more, this test cannot say"),
        (0.0, 7.0, "cannot tell: the interval holds every dose tested"),
        (0.1, 6.9, "between 0.1 and 6.9"),
    ],
)
def test_an_interval_in_words(low, high, words):
    assert response.reading(Estimate(0.05, low, high), 7.0) == words
    assert response.reading(Estimate.missing("no test"), 7.0) == "not computable: no test"


def test_the_fitted_and_the_true_profit_are_two_lines():
    curve = response.profit_curve(exact(), unit_cost=0.5, future_value=1.0).iloc[[0, -1]]
    truth = pd.DataFrame({"per_week": [0.0, 1.0, 7.0], "profit": [0.0, 4.0, 3.0]})
    lines = response.curve_lines(curve, truth)
    assert lines["series"].tolist() == ["fitted, with its interval"] * 2 + ["truth"] * 3
    assert lines["low"].tolist()[2:] == lines["high"].tolist()[2:] == [0, 4, 3] and lines.index.tolist() == list(
        range(5)
    )
    assert len(response.curve_lines(curve, truth.head(0))) == 2


def test_the_plan_and_the_ends_of_what_is_allowed():
    assert [response.whole_cap(Estimate(v)) for v in (0.0, 0.9, 1.0, 3.0)] == [1, 1, 1, 3]
    assert response.best_dose(pd.DataFrame({"per_week": [], "profit": []})) is None
    assert response.caps(exact(), unit_cost=0.0, future_value=0.0)[0, 0] == pytest.approx(7)
    for level in (0, 1):
        with pytest.raises(ExperimentError, match="level"):
            response.caps(exact(), unit_cost=0.1, future_value=0.0, level=level)
    free = response.sensitivity(exact(), unit_cost=0.5, value_per_week=-2.0, weeks=(1, 9))
    assert free.lost_value.tolist() == [0, 0] and free.cap.nunique() == 1
    burdened = pd.DataFrame({"per_week": [0.0, 1.0], "profit": [0.0, -1.0]})
    row = response.cap_against_truth(Estimate(0.5, 0.0, 1.0), burdened).iloc[0]
    assert row.truth == 0 and row.error == 0.5 and row.profit_share is None and row.covered


def test_sensitivity_says_what_each_belief_means():
    found = response.sensitivity(exact(kappa=0.008, beta=1.7), unit_cost=0.05, value_per_week=3.0, weeks=(0, 20, 400))
    assert found.lost_value.tolist() == [0, 60, 1200] and found.cap.is_monotonic_decreasing
    assert found.reading.iloc[0].startswith("at least") and found.reading.iloc[1].startswith("between")


def test_the_cap_beside_the_truth_by_hand():
    truth = pd.DataFrame({"per_week": [0.0, 1.0, 2.0], "profit": [0.0, 4.0, 3.0]})
    row = response.cap_against_truth(Estimate(2.0, 0.5, 2.5), truth).iloc[0]
    assert (row.truth, row.error, bool(row.covered), row.profit_share) == (1.0, 1.0, True, 0.75)


def test_true_profit_by_hand():
    curve = {"per_week": [0, 1], "margin": [0.0, 9.0], "messages_sent": [0.0, 4.0], "opt_out_probability": [0.0, 0.1]}
    found = response.true_profit(pd.DataFrame(curve), unit_cost=0.5, future_value=20.0)
    assert found.profit.tolist() == [0.0, 9 - 2 - 2] and response.best_dose(found) == 1.0


def test_many_simulated_tests_find_the_cap_and_cover_it():
    study = frequency_study(300, people=2000, seed=5)
    assert study.within_one.mean() >= 0.9 and 0.925 <= study.covered.mean() <= 0.975
    small = frequency_study(400, people=450, seed=6)
    assert 0.5 <= small.within_one.mean() <= 0.85 and 0.925 <= small.covered.mean() <= 0.985
    assert small.profit_share.mean() > 0.8


def test_the_simulated_orders_are_those_that_were_asked_for():
    truth = FrequencyTruth(base=0.3, ceiling=0.5, scale=1.0)
    drawn = simulate_frequency(20, 5000, seed=1, truth=truth)
    expected = 0.3 + 0.5 * -np.expm1(-np.array(truth.doses))
    assert drawn["orders"].mean(axis=0) == pytest.approx(expected, abs=0.01)
    assert drawn["orders"].std(axis=0) == pytest.approx(drawn["errors"].mean(axis=0), rel=0.5)
    assert drawn["opt_outs"].mean(axis=0) / 5000 == pytest.approx(truth.leave(np.array(truth.doses)), abs=0.005)


def test_orders_put_off_are_lost_and_lower_the_true_cap():
    truth = FrequencyTruth(base=0.4, ceiling=0.0, put_off=0.05, order_value=10.0, unit_cost=0.0, future_value=0.0)
    assert truth.profit(np.array([0.0, 2.0])) == pytest.approx([0, -10 * 0.4 * 0.05 * 2]) and truth.best == 0
    drawn = simulate_frequency(20, 5000, seed=2, truth=truth)
    assert drawn["orders"].mean(axis=0) == pytest.approx(0.4 * (1 - 0.05 * np.array(truth.doses)), abs=0.01)


def test_where_messages_cost_own_orders_the_cap_is_low_but_near():
    truth = FrequencyTruth(put_off=0.016)
    study = frequency_study(200, people=4000, seed=3, truth=truth)
    table = study_summary(study).iloc[0]
    assert table.error < 0 and table.covered_share < 0.95  # the curves have no term for it
    assert table.within_one_share > 0.95 and table.profit_share > 0.97 and table.people_an_arm == 4000


def test_a_study_needs_tests_and_people():
    with pytest.raises(ExperimentError, match="at least 1 test"):
        simulate_frequency(0, 100, seed=1)
