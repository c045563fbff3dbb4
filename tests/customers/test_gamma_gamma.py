"""Gamma-Gamma: the published CDNOW values, an integral as oracle, recovery, and loud refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import gamma

from helpers.customers import gamma_gamma
from helpers.customers.bgnbd import FitError
from helpers.customers.gamma_gamma import Spend
from tests.customers.cdnow import calibration


def people(spend: Spend, n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.integers(1, 9, n)
    rate = rng.gamma(spend.q, 1 / spend.v, n)
    return pd.DataFrame({"frequency": x, "monetary": rng.gamma(spend.p * x) / rate / x, "mean": spend.p / rate})


def test_cdnow_gives_the_published_values(shared_data) -> None:
    table = calibration(shared_data("cdnow_sample.txt"))
    spend = gamma_gamma.fit(table)
    assert (spend.p, spend.q, spend.v) == pytest.approx((6.25, 3.74, 15.45), abs=0.01)
    assert spend.population_mean == pytest.approx(35.17, abs=0.005)
    assert gamma_gamma.spend_frequency(table).value == pytest.approx(0.1139, abs=5e-5)  # Fader and Hardie print 0.11


def test_likelihood_is_the_integral_over_the_customers_rate() -> None:
    p, q, v, x, m = 2.0, 3.0, 5.0, 4, 1.7
    # the mean of x gamma (p, ν) amounts is gamma (p x, ν x)
    integral = quad(lambda rate: gamma.pdf(m, p * x, scale=1 / (rate * x)) * gamma.pdf(rate, q, scale=1 / v), 0, 50)[0]
    table = pd.DataFrame({"frequency": [x], "monetary": [m]})
    assert gamma_gamma.log_likelihood(Spend(p, q, v), table) == pytest.approx(np.log(integral), abs=1e-6)


def test_known_parameters_and_customers_means_are_recovered() -> None:
    true = Spend(4.0, 4.0, 30.0)
    table = people(true, 20_000, 1)
    spend = gamma_gamma.fit(table)
    assert (spend.p, spend.q, spend.v) == pytest.approx((4, 4, 30), rel=0.1)
    guess = gamma_gamma.expected_amount(spend, table)
    assert ((guess - table["mean"]) ** 2).mean() < ((table["monetary"] - table["mean"]) ** 2).mean()


def test_money_in_cents_scales_v_only() -> None:
    table = people(Spend(4.0, 4.0, 30.0), 2_000, 2)
    one, cents = gamma_gamma.fit(table), gamma_gamma.fit(table.assign(monetary=table["monetary"] * 100))
    assert (cents.p, cents.q, cents.v / 100) == pytest.approx((one.p, one.q, one.v), rel=1e-3)


def test_simulated_amounts_have_the_expected_mean() -> None:
    true = Spend(4.0, 4.0, 30.0)
    table, rng = people(true, 5_000, 3), np.random.default_rng(4)
    drawn = gamma_gamma.simulate_amounts(true, table, purchases=np.full(5_000, 3), rng=rng)
    assert drawn.mean() / 3 == pytest.approx(gamma_gamma.expected_amount(true, table).mean(), rel=0.03)


def orders(n: int, seed: int, shape: float) -> pd.DataFrame:
    """Customers with six orders each: gamma (shape) amounts about own means, 4 / gamma (4, 30)."""
    rng = np.random.default_rng(seed)
    amounts = rng.gamma(shape, size=(n, 6)) / shape * (4.0 / rng.gamma(4.0, 1 / 30.0, n))[:, None]
    return pd.DataFrame(
        {"frequency": 6, "monetary": amounts.mean(axis=1), "amount_variance": amounts.var(axis=1, ddof=1)}
    )


def test_amounts_with_longer_tails_are_more_dispersed() -> None:
    # the model has p = 4, so amounts of shape 4 have φ = 1, and amounts of shape 1 vary four times as much
    found = [gamma_gamma.dispersion(Spend(4.0, 4.0, 30.0), orders(20_000, 1, shape)) for shape in (4.0, 1.0)]
    assert found[0] == pytest.approx(1.0, abs=0.1) and found[1] == pytest.approx(4.0, rel=0.2)


def test_dispersion_keeps_the_mean_and_multiplies_the_variance() -> None:
    # x = 10⁹ amounts of mean 20: ν = p / 20 for sure, so 3 orders have mean 60 and variance φ · 3 · 20² / p
    known, rng = pd.DataFrame({"frequency": [1e9] * 40_000, "monetary": 20.0}), np.random.default_rng(2)
    drawn = gamma_gamma.simulate_amounts(
        Spend(4.0, 4.0, 30.0), known, purchases=np.full(40_000, 3), rng=rng, dispersion=2.5
    )
    assert drawn.mean() == pytest.approx(60, rel=0.01) and drawn.var() == pytest.approx(2.5 * 300, rel=0.05)


def test_dispersion_without_two_amounts_is_one() -> None:
    single = pd.DataFrame({"frequency": [1, 0], "monetary": [5.0, np.nan], "amount_variance": np.nan})
    assert (
        gamma_gamma.dispersion(Spend(1, 2, 3), single)
        == gamma_gamma.dispersion(Spend(1, 2, 3), single.iloc[:, :2])
        == 1
    )


def test_independent_skewed_amounts_have_no_correlation() -> None:
    inside = [gamma_gamma.spend_frequency(people(Spend(1.0, 4.0, 30.0), 400, s)).covers(0.0) for s in range(100)]
    assert 88 <= sum(inside) <= 99


def test_amounts_that_rise_with_frequency_are_found() -> None:
    table = people(Spend(4.0, 4.0, 30.0), 2_000, 5)
    link = gamma_gamma.spend_frequency(table.assign(monetary=table["monetary"] * table["frequency"]))
    assert link.ci_low > 0.3


@pytest.mark.parametrize(
    ("x", "m", "word"),
    [
        ([1] * 5, [2.0] * 5, "it takes 10"),
        ([1] * 20, [3.0] * 20, "same amount"),
        ([0] * 20, [np.nan] * 20, "it takes 10"),
    ],
)
def test_degenerate_amounts_are_refused(x, m, word) -> None:
    with pytest.raises(FitError, match=word):
        gamma_gamma.fit(pd.DataFrame({"frequency": x, "monetary": m}))


def test_a_constant_has_no_correlation() -> None:
    assert (
        "does not vary"
        in gamma_gamma.spend_frequency(pd.DataFrame({"frequency": [1] * 20, "monetary": range(1, 21)})).reason
    )
