"""Shifted-beta-geometric: the published fits of 2007, sums as oracles, recovery, and loud refusals."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.customers import sbg
from helpers.customers.bgnbd import FitError

HIGH_END = [1000, 869, 743, 653, 593, 551, 517, 491]
REGULAR = [1000, 631, 468, 382, 326, 289, 262, 241]


@pytest.mark.parametrize(
    ("survivors", "alpha", "beta", "likelihood"), [(HIGH_END, 0.668, 3.806, -1611.2), (REGULAR, 0.704, 1.182, -1680.3)]
)
def test_published_fits(survivors, alpha, beta, likelihood) -> None:
    fit = sbg.fit(survivors)
    assert (fit.alpha, fit.beta) == pytest.approx((alpha, beta), abs=5e-4)
    assert fit.log_likelihood == pytest.approx(likelihood, abs=0.05)


def test_survival_is_the_product_of_retention_rates() -> None:
    contract = sbg.Contract(0.7, 1.2)
    assert sbg.survival(contract, range(1, 20)) == pytest.approx(np.cumprod(sbg.retention(contract, range(1, 20))))


def test_known_parameters_are_recovered() -> None:
    rng = np.random.default_rng(1)
    stays = rng.geometric(rng.beta(1.5, 4.0, 50_000))
    fit = sbg.fit([int((stays > t).sum()) for t in range(8)])
    assert (fit.alpha, fit.beta) == pytest.approx((1.5, 4.0), rel=0.08)


@pytest.mark.parametrize("renewals", [0, 1, 4])
def test_residual_value_is_the_discounted_sum(renewals) -> None:
    contract, n = sbg.Contract(0.668, 3.806), renewals + 1
    t = np.arange(n, 3_000)
    by_hand = (sbg.survival(contract, t) / sbg.survival(contract, [n - 1]) / 1.1 ** (t - n)).sum()
    assert sbg.residual_periods(contract, renewals=renewals, discount_rate=0.1) == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("survivors", [[10, 10, 10], [10, 12, 8], [10, 5], [0, 0, 0], [10, np.nan, 3]])
def test_wrong_survivors_are_refused(survivors) -> None:
    with pytest.raises(FitError, match="survivors"):
        sbg.fit(survivors)


def test_a_falling_retention_rate_is_refused() -> None:
    with pytest.raises(FitError, match="does not rise"):
        sbg.fit([1000, 990, 900, 500, 50, 1])


def test_the_table_holds_data_and_forecast_or_the_reason() -> None:
    table = sbg.table(HIGH_END, fitted=5, periods=12)
    assert table["customers"].notna().sum() == 8 and len(table) == 13
    gap = (table["expected_share"] - table["survival_share"]).abs()
    assert gap[:5].max() < 0.015 and gap.max() < 0.05  # fitted to five numbers, the rest is a forecast
    assert "do not rise" in sbg.table("10 20 30").attrs["reason"]
    assert sbg.table("ten five").empty
