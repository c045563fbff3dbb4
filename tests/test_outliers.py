"""Outliers and CUSUM: published values, exact run lengths from a Markov chain, brute force."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from scipy.stats import t as student

from helpers import outliers
from helpers.outliers import OutlierError

PRINTED = """
-0.25 0.68 0.94 1.15 1.20 1.26 1.26 1.34 1.38 1.43 1.49 1.49 1.55 1.56 1.58 1.65 1.69 1.70 1.76 1.77 1.81 1.91
1.94 1.96 1.99 2.06 2.09 2.10 2.14 2.15 2.23 2.24 2.26 2.35 2.37 2.40 2.47 2.54 2.62 2.64 2.90 2.92 2.92 2.93 3.21
3.26 3.30 3.59 3.68 4.30 4.64 5.34 5.42 6.01"""
ROSNER = np.array(PRINTED.split(), dtype=float)
SERIES = st.lists(st.floats(-6, 6, allow_nan=False).map(lambda x: round(x, 2)), min_size=5, max_size=40)


def test_rosners_data_as_the_nist_handbook_prints_them():
    table = outliers.generalised_esd(ROSNER, most=10, alpha=0.05)
    assert table.statistic.round(3).tolist()[:3] == [3.119, 2.943, 3.179]
    assert table.critical.round(3).tolist()[:3] == [3.159, 3.151, 3.144]
    assert sorted(table.value[table.outlier]) == [5.34, 5.42, 6.01]


def brute_esd(values, most, alpha):
    """The number of outliers, with lists and no shared code."""
    left, found, n = list(values), 0, len(values)
    for i in range(1, most + 1):
        mean, sd = np.mean(left), np.std(left, ddof=1)
        far = max(left, key=lambda x: abs(x - mean))
        quantile = student(n - i - 1).ppf(1 - alpha / (2 * (n - i + 1)))
        limit = (n - i) * quantile / np.sqrt((n - i - 1 + quantile**2) * (n - i + 1))
        found = i if abs(far - mean) / sd > limit else found
        left.remove(far)
    return found


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(10, 60), st.sampled_from([0.01, 0.05, 0.2]))
def test_esd_agrees_with_brute_force(seed, n, alpha):
    values = np.random.default_rng(seed).standard_t(2, n)
    assert outliers.generalised_esd(values, most=5, alpha=alpha).outlier.sum() == brute_esd(values, 5, alpha)


def test_esd_does_not_care_for_units_and_order():
    rng = np.random.default_rng(1)
    values = rng.standard_t(2, 80)
    place = rng.permutation(80)
    first, second = (outliers.generalised_esd(v) for v in (values, 7 - 3 * values[place]))
    assert np.allclose(first.statistic, second.statistic) and (first.outlier == second.outlier).all()
    assert (place[second.position] == first.position).all()


def test_a_normal_series_gives_a_false_alarm_as_often_as_alpha_says():
    rng = np.random.default_rng(2)
    hits = [outliers.generalised_esd(rng.standard_normal(60), most=3, alpha=0.1).outlier.any() for _ in range(1000)]
    assert 0.07 < np.mean(hits) < 0.13


def test_equal_values_have_no_outlier():
    table = outliers.generalised_esd([2.0] * 30)
    assert len(table) == 0 and table.outlier.sum() == 0


def test_robust_scale_is_the_standard_deviation_of_normal_values():
    rng = np.random.default_rng(3)
    assert abs(outliers.robust_scale(rng.normal(5, 2, 100_000)) - 2) < 0.03
    assert outliers.robust_scale([1, 1, 1, 1, 2]) == pytest.approx(1.2533 / 5)
    assert outliers.robust_scale([np.nan]) == outliers.robust_scale([]) == outliers.robust_scale([3, 3]) == 0


# CUSUM ---------------------------------------------------------------------------------------------------------------


def brute_cusum(z, k, h):
    """Sums and alarms with plain numbers."""
    up = down = 0.0
    rows = []
    for x in z:
        up, down = max(up + x - k, 0), max(down - x - k, 0)
        rows.append((up, down, "up" if up > h else "down" if down > h else ""))
        if rows[-1][2]:
            up = down = 0.0
    return rows


@settings(max_examples=300, deadline=None)
@given(SERIES, st.sampled_from([0, 0.5, 1]), st.sampled_from([2.0, 5.0]))
def test_cusum_agrees_with_plain_numbers(z, k, h):
    table = outliers.cusum(z, k=k, h=h)
    assert np.allclose(table[["upper", "lower"]], [r[:2] for r in brute_cusum(z, k, h)])
    assert table.alarm.tolist() == [r[2] for r in brute_cusum(z, k, h)]


@settings(max_examples=100, deadline=None)
@given(SERIES)
def test_the_mirror_image_alarms_the_other_way(z):
    table, mirror = outliers.cusum(z, h=3), outliers.cusum([-x for x in z], h=3)
    assert table.upper.tolist() == mirror.lower.tolist() and table.began.equals(mirror.began)
    assert table.alarm.tolist() == [{"up": "down", "down": "up", "": ""}[a] for a in mirror.alarm]


def test_the_change_began_when_the_sum_left_zero():
    table = outliers.cusum([0, -3, 0, 2, 2, 2, 2, 0], k=0.5, h=5)
    assert table.alarm.tolist() == ["", "", "", "", "", "", "up", ""] and table.began[6] == 3


def test_a_missing_day_leaves_the_sums():
    table = outliers.cusum([2, np.nan, 2, 2, 2], k=0.5, h=5)
    assert table.upper.tolist() == [1.5, 1.5, 3.0, 4.5, 6.0] and table.began[4] == 0


def chain_run_length(shift, k=0.5, h=5.0, cells=400):
    """Exact but for the grid: a one-sided CUSUM as a Markov chain with `cells` states (Brook & Evans 1972)."""
    width = 2 * h / (2 * cells - 1)
    middle = np.arange(cells) * width
    edges = np.append(middle - width / 2, middle[-1] + width / 2)
    edges[0] = -np.inf
    moves = np.diff(norm.cdf(edges[None, :] - middle[:, None] + k - shift), axis=1)
    return np.linalg.solve(np.eye(cells) - moves, np.ones(cells))[0]


def exact_run_length(shift):
    return 1 / (1 / chain_run_length(shift) + 1 / chain_run_length(-shift))


@pytest.mark.parametrize(("shift", "published"), [(0, 465), (1, 10.4)])
def test_published_run_lengths(shift, published):
    exact = exact_run_length(shift)
    simulated = outliers.run_lengths(shift=shift, runs=20_000, seed=1).mean()
    approximate = outliers.average_run_length(shift=shift)
    assert all(abs(x / published - 1) < 0.03 for x in (exact, simulated, approximate))


@pytest.mark.parametrize("shift", [0.25, 0.5, 0.75, 1.5, 2])
def test_run_lengths_against_the_markov_chain(shift):
    exact = exact_run_length(shift)
    assert outliers.average_run_length(shift=shift) == pytest.approx(exact, rel=0.05)
    assert outliers.run_lengths(shift=shift, runs=10_000, seed=2).mean() == pytest.approx(exact, rel=0.04)


def test_the_simulation_runs_the_same_cusum():
    rng = np.random.default_rng(4)
    first = []
    for _ in range(400):
        alarm = outliers.cusum(rng.standard_normal(120) + 1).alarm.to_numpy()
        first.append(np.flatnonzero(alarm != "")[0] + 1)
    assert np.mean(first) == pytest.approx(exact_run_length(1), rel=0.1)


def test_nothing_to_watch():
    assert outliers.cusum([]).empty and list(outliers.cusum([]).columns) == ["upper", "lower", "alarm", "began"]
    assert outliers.average_run_length(shift=40) < 1.5 and outliers.average_run_length(shift=0.5) > 30


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: outliers.generalised_esd([1, 2, np.nan], most=1), "missing"),
        (lambda: outliers.generalised_esd([1, 2, 3], most=2), "most"),
        (lambda: outliers.generalised_esd(ROSNER, alpha=1.5), "alpha"),
        (lambda: outliers.cusum([1.0], h=0), "h"),
        (lambda: outliers.cusum([1.0], k=-1), "k"),
    ],
)
def test_impossible_arguments_are_refused(call, word):
    with pytest.raises(OutlierError, match=word):
        call()


def test_began_is_a_whole_number_or_missing():
    assert outliers.cusum(pd.Series([9.0, 0.0])).began.dtype == "Int64"
