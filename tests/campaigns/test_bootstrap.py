"""The bootstrap against scipy's, Welch, the delta method and simulated truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.campaigns.bootstrap import bootstrap_difference, checked_means
from helpers.campaigns.comparison import ratio_difference, welch
from helpers.campaigns.errors import ExperimentError

NO_MAIL = "No E-Mail"


def two_arms(control, treated, **columns):
    arm = ["control"] * len(control) + ["x"] * len(treated)
    return pd.DataFrame({"arm": arm, "spend": [*control, *treated], **columns})


def shop(seed, *, n=900, buyers=0.25):
    """Spend as shops know it: most people 0, a few much; the treated arm is larger."""
    rng = np.random.default_rng(seed)
    spend = (rng.random(n) < buyers) * rng.lognormal(4, 1, n)
    arm = np.where(np.arange(n) < n * 4 // 9, "control", "x")
    return pd.DataFrame({"arm": arm, "spend": spend, "visits": 1 + (spend > 0)})


@pytest.fixture(scope="module")
def skewed():
    return shop(7)


def test_hillstrom_bootstrap_agrees_with_welch(shared_data):
    hillstrom = pd.read_csv(shared_data("hillstrom.csv"), usecols=["segment", "spend"]).rename(
        columns={"segment": "arm"}
    )
    boot = bootstrap_difference(hillstrom, outcome="spend", control=NO_MAIL, repeats=400, seed=1)
    assert np.allclose(boot[["ci_low", "ci_high"]], [[0.4851, 1.0545], [0.1690, 0.6799]], atol=0.06)


def test_bootstrap_agrees_with_welch_on_many_people(skewed):
    users = pd.concat([skewed] * 5)
    boot, welch_ = bootstrap_difference(users, outcome="spend", seed=2).iloc[0], welch(users, outcome="spend").iloc[0]
    assert boot.standard_error == pytest.approx(welch_.standard_error, rel=0.06)
    assert boot.ci_low == pytest.approx(welch_.ci_low, abs=0.15 * welch_.standard_error)


def test_bootstrap_of_a_ratio_agrees_with_the_delta_method(skewed):
    boot = bootstrap_difference(skewed, outcome="spend", denominator="visits", seed=4).iloc[0]
    delta = ratio_difference(skewed, numerator="spend", denominator="visits").iloc[0]
    assert boot.difference == pytest.approx(delta.difference)
    assert boot.standard_error == pytest.approx(delta.standard_error, rel=0.1)


def test_bootstrap_is_seeded(skewed):
    first, again = (bootstrap_difference(skewed, outcome="spend", repeats=200, seed=9) for _ in range(2))
    assert first.equals(again)


def test_the_bootstrap_of_ones_is_ones():
    row = bootstrap_difference(two_arms([1] * 5, [1] * 5), outcome="spend", repeats=100).iloc[0]
    assert (row.ci_low, row.ci_high, row.p_value) == (0, 0, 1)


def test_interval_agrees_with_scipy(skewed):
    row = bootstrap_difference(skewed, outcome="spend", repeats=20_000, seed=3).iloc[0]
    arms = [skewed.spend[skewed.arm == a].to_numpy() for a in ("x", "control")]
    oracle = stats.bootstrap(
        arms,
        lambda x, c, axis: x.mean(axis=axis) - c.mean(axis=axis),
        n_resamples=5_000,
        batch=500,
        rng=1,
        method="percentile",
    ).confidence_interval
    assert np.allclose([row.ci_low, row.ci_high], oracle, atol=0.06 * (oracle.high - oracle.low))


def test_intervals_cover_the_truth():
    rows = [bootstrap_difference(shop(s, n=450), outcome="spend", repeats=400, seed=s).iloc[0] for s in range(300)]
    assert 0.93 <= np.mean([r.ci_low <= 0 <= r.ci_high for r in rows]) <= 0.97


def test_who_did_nothing_is_drawn_as_often_as_others(skewed):
    # oracle: every person drawn by an index, zeros and all
    rng, arms = np.random.default_rng(5), [skewed.spend[skewed.arm == a].to_numpy() for a in ("x", "control")]
    x, c = (a[rng.integers(0, len(a), (4_000, len(a)))].mean(axis=1) for a in arms)
    row = bootstrap_difference(skewed, outcome="spend", repeats=4_000, seed=6).iloc[0]
    assert row.standard_error == pytest.approx((x - c).std(), rel=0.04)


def test_an_arm_of_zeros():
    row = bootstrap_difference(two_arms([0] * 20, [0] * 19 + [5]), outcome="spend", repeats=200).iloc[0]
    assert row.difference == 0.25
    assert (np.isfinite(row[["ci_low", "ci_high", "p_value"]].astype(float))).all()


def test_too_few_repeats_are_refused():
    with pytest.raises(ExperimentError, match="repeats"):
        bootstrap_difference(two_arms([1, 2], [2, 3]), outcome="spend", repeats=10)
    assert checked_means(two_arms([1, 1], [1, 1]), outcome="spend").empty
