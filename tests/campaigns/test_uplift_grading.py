"""Spread over splits, calibration, and many simulated campaigns."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.uplift_grading import (
    beats,
    calibration,
    calibration_slope,
    interval_coverage,
    many_campaigns,
    repeated_splits,
    spread,
    within_spread,
)
from helpers.simulate import simulate_uplift

SPLITS = pd.DataFrame({
    "split": np.repeat([1, 2, 3], 3), "method": ["one rule", "a", "b"] * 3,
    "qini_auc": [0.02, 0.03, 0.00, 0.04, 0.07, 0.00, 0.03, 0.05, 0.00],
})  # fmt: skip


def test_spread_by_hand():
    table = spread(SPLITS).set_index("method")
    assert table.index.tolist() == ["a", "one rule", "b"]
    assert table["mean"].tolist() == pytest.approx([0.05, 0.03, 0.0])
    assert table.won_share.tolist() == [1.0, 0.0, 0.0]
    # differences .01, .03, .02: mean .02, s .01, error .01·√(1/3 + 1)
    wide = student.ppf(0.975, 2) * 0.01 * (4 / 3) ** 0.5
    assert table.ci_high["a"] == pytest.approx(0.02 + wide) and not table.differs["a"]


def test_methods_that_cannot_be_told_from_the_best():
    assert within_spread(spread(SPLITS), SPLITS) == "a, one rule, b"
    clear = SPLITS.assign(qini_auc=SPLITS.qini_auc + (SPLITS.method == "a"))
    assert within_spread(spread(clear), clear) == "a"
    assert within_spread(spread(SPLITS.head(0)), SPLITS.head(0)) == "none"


def test_unknown_baselines_and_single_splits():
    with pytest.raises(ExperimentError, match="against 'c'"):
        spread(SPLITS, against="c")
    assert "fewer than two splits" in spread(SPLITS.assign(qini_auc=np.nan)).attrs["reason"]
    with pytest.raises(ExperimentError, match="repeats 1"):
        repeated_splits(np.zeros((9, 1)), np.zeros(9), np.zeros(9), repeats=1)


def planted(n, seed, slope=1.0):
    """Scores whose true slope is known: effect = slope · score."""
    rng = np.random.default_rng(seed)
    score, t = rng.normal(0.1, 0.2, n), rng.integers(0, 2, n)
    return score, t, rng.normal(0, 1, n) + slope * score * t


def test_the_interval_of_the_slope_keeps_its_promise():
    held = [calibration_slope(*planted(400, seed, slope=0.5)).covers(0.5) for seed in range(300)]
    assert 0.92 < np.mean(held) < 0.98


def test_no_slope():
    assert calibration_slope(np.ones(20), np.tile([0, 1], 10), np.ones(20)).reason == "all predictions are equal"
    assert "too few" in calibration_slope(np.arange(4), np.tile([0, 1], 2), np.ones(4)).reason


def test_calibration_by_hand():
    score, t = np.repeat([0.4, 0.2], 4), np.tile([1, 1, 0, 0], 2)
    table = calibration(score, t, np.array([6.0, 8, 1, 3, 2, 2, 2, 2]), parts=2, min_cell=2, effect=score)
    assert table.measured.tolist() == [5.0, 0.0] and table.truth.tolist() == pytest.approx([0.4, 0.2])
    assert table.ci_high[0] - 5 == pytest.approx(1.959964 * (2 / 2 + 2 / 2) ** 0.5, rel=1e-5)
    assert table.label[0] == "1: predicted 0.40"
    assert "too small" in calibration(score, t, score, parts=2).attrs["reason"]
    with pytest.raises(ExperimentError, match="parts 1"):
        calibration(score, t, score, parts=1)


@pytest.fixture(scope="module")
def study():
    return many_campaigns(simulate_uplift, campaigns=16, seed=300)


def test_the_uplift_list_beats_random_and_the_likely_buyers(study):
    table = beats(study).set_index("against")
    assert (table.ci_low[["random", "response model"]] > 0).all()
    assert (table.won_share[["random", "response model"]] >= 14 / 16).all()
    assert 0 < table.proved_share["random"] < 1  # one campaign is often too small to prove it


def test_random_is_its_share_of_everybody(study):
    wide = study.pivot(index="campaign", columns="policy", values="truth")
    assert np.allclose(wide.random, 0.3 * wide.everybody)


def test_intervals_of_values_cover(study):
    assert interval_coverage(study).covered_rate[0] >= 13 / 16
    assert study.covered.mean() > 0.88


def test_campaigns_are_the_same_at_equal_seeds():
    one, two = (many_campaigns(simulate_uplift, campaigns=2, customers=400, seed=5) for _ in range(2))
    assert one.equals(two)
    with pytest.raises(ExperimentError, match="campaigns 1"):
        many_campaigns(simulate_uplift, campaigns=1)
