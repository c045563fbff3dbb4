"""CUPED and regression adjustment against statsmodels and simulated experiments."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from helpers.campaigns.adjustment import adjusted_effects, cuped, expected_gain, regression_adjusted
from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError


def draw(*, n=400, rho=0.7, effect=2.0, seed=1, slope=0.0):
    """Outcome with sd 1 (untreated) and correlation rho with the covariate; `slope`: the effect grows with it."""
    rng = np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, n))
    treated = rng.random(n) < 0.4
    y = rho * x + np.sqrt(1 - rho**2) * noise + treated * (effect + slope * x)
    return pd.DataFrame({"arm": np.where(treated, "x", "control"), "before": x, "spend": y})


GIVEN = {"outcome": "spend", "covariate": "before"}


def test_variance_shrinks_by_one_minus_rho_squared():
    rows = [cuped(draw(seed=s), **GIVEN).iloc[0] for s in range(100)]
    assert np.mean([r.variance_reduction_rate for r in rows]) == pytest.approx(0.49, abs=0.01)
    raw = [welch(draw(seed=s), outcome="spend").difference[0] for s in range(200)]
    adjusted = [cuped(draw(seed=s), **GIVEN).difference[0] for s in range(200)]
    assert np.var(adjusted) / np.var(raw) == pytest.approx(0.51, abs=0.12)


def test_a_covariate_that_tells_nothing_gives_no_gain():
    row = cuped(draw(rho=0.0), **GIVEN).iloc[0]
    assert row.gain == "no gain"
    assert abs(row.variance_reduction_rate) < 0.02


def test_theta_is_the_common_slope_of_the_arms():
    users = draw(seed=3)
    design = sm.add_constant(np.column_stack([users.before, users.arm == "x"]).astype(float))
    assert cuped(users, **GIVEN).theta[0] == pytest.approx(sm.OLS(users.spend, design).fit().params.iloc[1])


@pytest.mark.parametrize("slope", [0.0, 1.5])
def test_regression_agrees_with_statsmodels(slope):
    users = draw(seed=4, slope=slope)
    t, x = (users.arm == "x").to_numpy(float), (users.before - users.before.mean()).to_numpy()
    fit = sm.OLS(users.spend.to_numpy(), sm.add_constant(np.column_stack([t, x, t * x]))).fit(cov_type="HC2")
    row = regression_adjusted(users, **GIVEN).iloc[0]
    assert (row.difference, row.standard_error) == (pytest.approx(fit.params[1]), pytest.approx(fit.bse[1]))


@pytest.mark.parametrize("method", [cuped, regression_adjusted])
def test_intervals_cover_the_truth(method):
    found = [method(draw(n=200, seed=s), **GIVEN).iloc[0] for s in range(400)]
    assert 0.93 <= np.mean([r.ci_low <= 2 <= r.ci_high for r in found]) <= 0.97


def test_side_by_side():
    table = adjusted_effects(draw(), **GIVEN)
    assert table.method.tolist() == ["Welch", "CUPED", "regression, HC2"]
    assert table.gain.tolist() == ["baseline", "gain", "gain"]
    assert table.standard_error.iloc[1] < table.standard_error.iloc[0]


def test_a_constant_covariate_changes_nothing():
    users = draw().assign(before=3.0)
    table = adjusted_effects(users, **GIVEN)
    assert np.allclose(table.difference, table.difference[0])
    assert table.gain.tolist() == ["baseline", "no gain", "no gain"]


def test_degenerate_arms():
    users = pd.DataFrame({"arm": ["control"] * 3 + ["x"] * 2, "spend": [1.0, 2, 4, 3, 5], "before": [1.0, 2, 3, 1, 2]})
    assert "fewer than three" in regression_adjusted(users, **GIVEN).attrs["reason"]
    assert "there are no participants" in adjusted_effects(users.head(0), **GIVEN).attrs["reason"]
    assert "same for all" in adjusted_effects(users.assign(spend=1.0), **GIVEN).attrs["reason"]
    line = users.assign(arm=["control"] * 2 + ["x"] * 3).assign(spend=users.before)
    assert regression_adjusted(line, **GIVEN).empty


def test_expected_gain_by_hand():
    assert expected_gain([0.0, 0.6]).users_share.tolist() == [1.0, 0.64]
    with pytest.raises(ExperimentError, match="correlations"):
        expected_gain([1.1])
