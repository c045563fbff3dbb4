"""BG/NBD: published values, an independent integral as oracle, recovery of known parameters, and loud refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import dblquad
from scipy.special import hyp2f1

from helpers.customers import bgnbd
from helpers.customers.bgnbd import FitError, Parameters
from tests.customers.cdnow import calibration

PUBLISHED = Parameters(0.2426, 4.4136, 0.7930, 2.4262)


def one(x: float, recency: float, age: float) -> pd.DataFrame:
    return pd.DataFrame({"frequency": [x], "recency": [recency], "T": [age]})


@pytest.fixture(scope="module")
def cdnow(shared_data) -> pd.DataFrame:
    return calibration(shared_data("cdnow_sample.txt"))


def test_cdnow_gives_the_published_parameters(cdnow) -> None:
    fit = bgnbd.fit(cdnow)
    assert fit.parameters.vector() == pytest.approx([0.2426, 4.4136, 0.7930, 2.4262], abs=4e-4)
    assert fit.log_likelihood == pytest.approx(-9582.43, abs=0.005)
    assert (fit.customers, int((cdnow["frequency"] > 0).sum())) == (2357, 946)


def test_published_conditional_expectation() -> None:
    assert bgnbd.expected_purchases(PUBLISHED, one(2, 30.43, 38.86), horizon=39)[0] == pytest.approx(1.226, abs=5e-4)


def test_likelihood_is_the_integral_over_rates_and_chances_to_leave() -> None:
    # L = ∫∫ λ^x [ (1 − p)^x e^(−λT) + p (1 − p)^(x−1) e^(−λt) ] over gamma(2, 3) and beta(2, 2)
    x, t, age = 2, 3.0, 5.0

    def density(p: float, rate: float) -> float:
        history = rate**x * ((1 - p) ** x * np.exp(-rate * age) + p * (1 - p) ** (x - 1) * np.exp(-rate * t))
        return history * 9 * rate * np.exp(-3 * rate) * 6 * p * (1 - p)

    integral = dblquad(density, 0, 15, 0, 1)[0]
    assert bgnbd.log_likelihood(Parameters(2, 3, 2, 2), one(x, t, age)) == pytest.approx(np.log(integral), abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.floats(-2, 3)] * 4), st.integers(0, 30), st.floats(0, 50), st.floats(0.1, 100))
def test_expectation_is_the_closed_form_of_the_paper(logs, x, age, horizon) -> None:
    r, alpha, a, b = np.exp(logs)
    if abs(a - 1) < 1e-3:
        return
    z, whole = horizon / (alpha + age + horizon), alpha + age + horizon
    tail = ((alpha + age) / whole) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    closed = (a + b + x - 1) / (a - 1) * (1 - tail)
    ours = bgnbd.expected_purchases(Parameters(r, alpha, a, b), one(x, age if x else 0, age), horizon=horizon)[0]
    ours /= bgnbd.p_alive(Parameters(r, alpha, a, b), one(x, age if x else 0, age))[0]
    if np.isfinite(closed) and 1e-6 < abs(tail) < 1e6:
        assert ours == pytest.approx(closed, rel=1e-5, abs=1e-8)


def test_gradient_is_the_slope_of_the_likelihood() -> None:
    rows = bgnbd.group(bgnbd.simulate(Parameters(1, 5, 1, 3), ages=np.full(50, 30.0), seed=1))
    at, step = np.log([0.7, 4.0, 0.6, 2.0]), 1e-6
    slope = [(bgnbd._loss(at + m, rows)[0] - bgnbd._loss(at - m, rows)[0]) / (2 * step) for m in np.eye(4) * step]
    assert bgnbd._loss(at, rows)[1] == pytest.approx(slope, rel=1e-4)


def test_known_parameters_are_recovered_as_often_as_the_intervals_promise() -> None:
    true, inside = Parameters(0.8, 6.0, 0.9, 3.0), []
    for seed in range(25):
        found = bgnbd.fit(bgnbd.simulate(true, ages=np.full(3_000, 60.0), seed=seed)).table().assign(true=true.vector())
        inside.append(found["true"].between(found["ci_low"], found["ci_high"]).to_numpy())
    assert (np.mean(inside, axis=0) >= 0.84).all()


def test_p_alive_is_calibrated_on_simulated_customers() -> None:
    true = Parameters(0.8, 6.0, 0.9, 3.0)
    people = bgnbd.simulate(true, ages=np.full(40_000, 60.0), seed=6)
    p = bgnbd.p_alive(true, people)
    groups = people.assign(p=p, bin=(p * 10).astype(int)).groupby("bin").agg(p=("p", "mean"), alive=("alive", "mean"))
    assert (groups["p"] - groups["alive"]).abs().max() < 0.03


def test_simulated_future_has_the_expected_mean() -> None:
    true = Parameters(0.8, 6.0, 0.9, 3.0)
    people = bgnbd.simulate(true, ages=np.full(20_000, 30.0), seed=7)
    future = bgnbd.simulate_future(true, people, steps=np.full(3, 4.0), rng=np.random.default_rng(8))
    expected = [bgnbd.expected_purchases(true, people, horizon=h).sum() for h in (4, 8, 12)]
    assert future.sum(axis=0) == pytest.approx(expected, rel=0.03)
    assert (np.diff(future, axis=1) >= 0).all()


def test_time_unit_and_order_of_rows_change_nothing_but_the_scale() -> None:
    people = bgnbd.simulate(Parameters(1, 5, 1, 3), ages=np.full(2_000, 40.0), seed=2)
    fit, mixed = bgnbd.fit(people), bgnbd.fit(people.sample(frac=1, random_state=1))
    days = bgnbd.fit(people.assign(recency=people.recency * 7, T=people["T"] * 7))
    assert mixed.parameters.vector() == pytest.approx(fit.parameters.vector(), rel=1e-4)
    assert days.parameters.vector() == pytest.approx(fit.parameters.vector() * [1, 7, 1, 1], rel=1e-3)


def test_doubled_customers_and_weights_of_two_agree() -> None:
    people = bgnbd.simulate(Parameters(1, 5, 1, 3), ages=np.full(500, 40.0), seed=3)
    twice, weighted = bgnbd.fit(pd.concat([people, people])), bgnbd.fit(people, weights=np.full(500, 2))
    assert twice.log_likelihood == pytest.approx(weighted.log_likelihood, rel=1e-9)
    assert twice.parameters.vector() == pytest.approx(bgnbd.fit(people).parameters.vector(), rel=1e-3)


def test_discount_lowers_and_horizon_raises() -> None:
    table = one(3, 20, 30)
    values = [
        bgnbd.expected_purchases(PUBLISHED, table, horizon=h, discount=d)[0] for h, d in ((10, 0.1), (10, 0), (20, 0))
    ]
    assert 0 < values[0] < values[1] < values[2]
    assert bgnbd.expected_purchases(PUBLISHED, table, horizon=0)[0] == 0


def test_a_chance_to_leave_shared_by_all_gives_finite_numbers() -> None:
    # a in the hundreds: p = 1/2 for all, so E = Σ of halves; no 0 · ∞
    value = bgnbd.expected_purchases(Parameters(5, 1, 1000, 1000), one(0, 0, 0), horizon=100)[0]
    assert value == pytest.approx(2.0, abs=0.02)


def test_nobody_leaves_is_refused() -> None:
    rng = np.random.default_rng(1)
    x = rng.poisson(rng.gamma(2, 1, 500) * 9)
    recency = np.where(x > 0, 9 * rng.random(500) ** (1 / np.maximum(x, 1)), 0)
    with pytest.raises(FitError, match=r"nobody seems to leave.*longer window"):
        bgnbd.fit(pd.DataFrame({"frequency": x, "recency": recency, "T": 9.0}))


@pytest.mark.parametrize("rows", [[(0, 0, 5)], [(0, 0, 5)] * 50, [(3, 4, 5)], [(3, 4, 5)] * 50, [(1, 0, 0)] * 3])
def test_degenerate_tables_are_refused_with_a_reason(rows) -> None:
    with pytest.raises(FitError, match=r"take|wait"):
        bgnbd.fit(pd.DataFrame(rows, columns=["frequency", "recency", "T"]))


@pytest.mark.parametrize("row", [(1, 6, 5), (-1, 0, 5), (1.5, 1, 5), (1, np.nan, 5), (1, 1, np.inf)])
def test_impossible_rows_are_named(row) -> None:
    with pytest.raises(FitError, match="row 0: frequency"):
        bgnbd.p_alive(PUBLISHED, one(*row))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(FitError, match="alpha: -1"):
        Parameters(1, -1, 1, 1)
    with pytest.raises(FitError, match="no column recency"):
        bgnbd.fit(pd.DataFrame({"frequency": [1], "T": [2]}))
