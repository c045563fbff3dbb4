"""Adstock, saturation and their fit: by hand, against known curves, and where the data cannot tell."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.response_curves import (
    adstock,
    curves,
    fit_response,
    marginal_response,
    returns,
    saturation,
    steady_response,
    straight_lines,
)

RNG = np.random.default_rng(4)
SPEND = RNG.choice([0.0, 20, 40, 80], 120)
CURVE = {"ceiling": 30.0, "half": 50.0, "carry": 0.4}


def shop(spend=SPEND, noise=0.3, **more):
    sales = 50 + 30 * saturation(adstock(spend, carry=0.4), half=50) + RNG.normal(0, noise, len(spend))
    return pd.DataFrame({"tv": spend, "sales": sales, **more})


def fit(table, channels=("tv",), **how):
    return fit_response(table, channels=list(channels), outcome="sales", **how)


def test_adstock_by_hand():
    assert adstock([100, 0, 0], carry=0.5).tolist() == [100, 50, 25]
    assert adstock([10, 20, 30], carry=0.0).tolist() == [10, 20, 30]
    assert adstock(np.ones(200), carry=0.75)[-1] == pytest.approx(4)


def test_saturation_by_hand():
    assert saturation([30], half=30)[0] == saturation([30], half=30, shape="exponential")[0] == 0.5
    # 3² / (3² + 1²) and 1 − 2^−2
    assert saturation([3], half=1, slope=2)[0] == pytest.approx(0.9)
    assert saturation([2], half=1, shape="exponential")[0] == pytest.approx(0.75)


@pytest.mark.parametrize("shape", ["hill", "exponential"])
def test_marginal_is_the_slope_of_the_steady_response(shape):
    s = np.array([0.0, 5, 50])
    rise = steady_response(CURVE, s + 1e-5, shape=shape) - steady_response(CURVE, s, shape=shape)
    assert marginal_response(CURVE, s, shape=shape) == pytest.approx(rise / 1e-5, rel=1e-4)


def test_steady_response_is_where_the_adstock_ends():
    long = 30 * saturation(adstock(np.full(200, 25.0), carry=0.4), half=50)[-1]
    assert steady_response(CURVE, [25.0])[0] == pytest.approx(long)


@pytest.mark.parametrize("lags", [0, 4])
def test_a_known_curve_is_recovered(lags):
    row = curves(fit(shop(), lags=lags)).iloc[0]
    assert row.status == "known"
    for name, true in CURVE.items():
        assert row[name] == pytest.approx(true, rel=0.15)
        assert row[f"{name}_ci_low"] < row[name] < row[f"{name}_ci_high"]


def test_the_exponential_shape_fits_its_own_data():
    table = shop()
    table["sales"] = 50 + 30 * saturation(adstock(SPEND, carry=0.4), half=50, shape="exponential")
    row = curves(fit(table, shape="exponential")).iloc[0]
    assert (row.ceiling, row.half, row.carry) == pytest.approx((30, 50, 0.4), rel=1e-3)


def test_returns_by_hand_without_noise():
    row = returns(fit(shop(noise=0.0)), value=2.0).iloc[0]
    mean, h = SPEND.mean(), 50 * 0.6
    assert row.average_return == pytest.approx(2 * 30 / (mean + h), rel=1e-3)
    assert row.marginal_return == pytest.approx(2 * 30 * h / (mean + h) ** 2, rel=1e-3)


def test_more_noise_widens_the_interval_until_the_curve_is_unknown():
    quiet, loud = (curves(fit(shop(noise=n))).iloc[0] for n in (0.2, 0.8))
    assert loud.half_ci_high - loud.half_ci_low > quiet.half_ci_high - quiet.half_ci_low
    lost = curves(fit(shop(noise=15.0))).iloc[0]
    assert lost.status == "unknown" and np.isnan(lost.ceiling) and "bend" in lost.because


def test_a_spend_that_never_varies_is_refused():
    flat = curves(fit(shop(still=100.0), channels=("tv", "still"))).set_index("channel")
    assert flat.status.to_dict() == {"tv": "known", "still": "refused"}
    assert "never varies" in flat.because["still"]


def test_a_spend_that_moves_with_the_season_is_refused():
    season = np.sin(np.arange(120) / 8)
    found = fit(shop(winter=100 + 50 * season), channels=("winter",), controls=season)
    assert not found.channels and "season" in found.refused["winter"]
    assert "tell its effect" in returns(found).attrs["reason"]


def test_two_channels_that_move_together_are_refused():
    table = shop().assign(radio=lambda t: 3 * t.tv + 1)
    assert all("told apart" in why for why in fit(table, channels=("tv", "radio")).refused.values())


def test_lines_need_something_to_explain():
    flat = straight_lines(shop().assign(sales=0.0), channels=["tv"], outcome="sales")
    assert "nothing is left" in flat.attrs["reason"]
    assert "too few" in straight_lines(shop().head(9), channels=["tv"], outcome="sales").attrs["reason"]


def test_no_money_few_periods_equal_sales():
    assert "no money" in fit(shop(zero=0.0), channels=("zero",)).refused["zero"]
    once = shop().assign(once=[5.0] * 3 + [0.0] * 117)
    assert "fewer than 5" in fit(once, channels=("once",)).refused["once"]
    assert "too few" in curves(fit(shop().head(8))).attrs["reason"]
    assert "too few" in fit(shop().assign(sales=1.0)).reason
    assert fit(shop().head(0)).channels == []


@pytest.mark.parametrize(
    ("change", "message"),
    [({"tv": -1.0}, "negative"), ({"tv": np.nan}, "missing"), ({"sales": -2.0}, "sales: -2 is negative")],
)
def test_bad_amounts_are_refused(change, message):
    with pytest.raises(ExperimentError, match=message):
        fit(shop().assign(**change))


def test_bad_arguments_are_refused():
    with pytest.raises(ExperimentError, match="no column radio"):
        fit(shop(), channels=("radio",))
    with pytest.raises(ExperimentError, match="hill, exponential"):
        fit(shop(), shape="cubic")
    with pytest.raises(ExperimentError, match="carry"):
        adstock([1.0], carry=1.0)
    with pytest.raises(ExperimentError, match="above 0"):
        saturation([1.0], half=0.0)
    with pytest.raises(ExperimentError, match="value"):
        returns(fit(shop()), value=-1.0)
