"""Eight schools as published, and simulated groups with a known scatter."""

import numpy as np

from helpers.campaigns.shrinkage import between_groups, shrink

EFFECT = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
ERROR = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])


def rng(seed=1):
    return np.random.default_rng(seed)


def test_eight_schools():
    # Gelman et al. (2013), table 5.3: posterior medians of the schools
    raw = EFFECT + ERROR * rng().standard_normal((20_000, 8))
    found = shrink(raw, estimate=EFFECT, error=ERROR, weight=np.ones(8), rng=rng(2))
    assert np.abs(np.median(found, axis=0) - [10, 8, 7, 7, 5, 6, 10, 8]).max() < 2.5
    low, high = np.quantile(found[:, 0], [0.025, 0.975])
    assert abs(low + 2) < 4 and abs(high - 31) < 4


def test_the_weighted_mean_stays():
    raw, weight = rng().normal(size=(50, 4)), np.array([1.0, 2, 3, 4])
    found = shrink(raw, estimate=raw[0], error=np.ones(4), weight=weight, rng=rng(2))
    assert np.allclose(found @ weight, raw @ weight)


def test_far_apart_groups_keep_their_own_effects():
    estimate = np.array([0.0, 100.0, 200.0])
    raw = estimate + 0.1 * rng().standard_normal((500, 3))
    found = shrink(raw, estimate=estimate, error=np.full(3, 0.1), weight=np.ones(3), rng=rng(2))
    assert np.abs(found.mean(axis=0) - estimate).max() < 0.1


def test_a_group_without_data_gets_the_mean_and_the_scatter():
    raw = np.array([0.0, 4.0, 8.0, 0.0]) + 0.1 * rng().standard_normal((5000, 4))
    error, weight = np.full(4, 0.1), np.array([1.0, 1, 1, 0])
    found = shrink(raw, estimate=raw.mean(axis=0), error=error, weight=weight, rng=rng(2))
    assert abs(found[:, 3].mean() - 4) < 0.5 and found[:, 3].std() > 2


def test_simulated_groups_are_covered_and_nearer_than_the_raw_ones():
    covered, own, raw_error = [], [], []
    for seed in range(150):
        r = rng(seed)
        truth, error = r.normal(1, 0.7, 8), r.uniform(0.5, 2, 8)
        seen = truth + error * r.standard_normal(8)
        draws = seen + error * r.standard_normal((400, 8))
        found = shrink(draws, estimate=seen, error=error, weight=np.ones(8), rng=r)
        low, high = np.quantile(found, [0.025, 0.975], axis=0)
        covered.append((low <= truth) & (truth <= high))
        own.append((found.mean(axis=0) - truth) ** 2)
        raw_error.append((seen - truth) ** 2)
    assert 0.92 < np.mean(covered) < 0.98 and np.mean(own) < 0.6 * np.mean(raw_error)


def test_two_groups_and_equal_groups_are_total():
    assert np.isfinite(between_groups(np.ones(2), np.ones(2), draws=5, rng=rng())).all()
    assert (between_groups(np.ones(9), np.full(9, 0.01), draws=50, rng=rng()) < 0.03).all()
    assert np.isfinite(between_groups(np.zeros(3), np.zeros(3), draws=5, rng=rng())).all()
