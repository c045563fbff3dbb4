"""Measures of ranked lists: published values, by hand, and against slow independent code."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from helpers.products import ranking
from helpers.products.recommenders import RecommendationError

CASES = 100
seeds = st.integers(0, 2**32)
crowd = settings(max_examples=5, deadline=None)
"""Five seeds of 100 cases each."""


def cases(seed: int):
    """Random scores with many ties, what was taken, popularity with ties, k, and pairs that are barred."""
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        users, things = rng.integers(1, 4), rng.integers(1, 8)
        scores = rng.choice([0.0, 1.0, 1.0, 2.5, -1.0], (users, things))
        taken = rng.random((users, things)) < 0.4
        yield scores, taken, rng.integers(0, 3, things), int(rng.integers(1, 9)), rng.random((users, things)) < 0.2


def slow_list(scores, popularity, k, barred) -> list[int]:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], -popularity[i], i))
    kept = [i for i in order if not barred[i]]
    return (kept + [-1] * len(scores))[: min(k, len(scores))]


# published


def test_dcg_as_published():
    gains = [3, 2, 3, 0, 0, 1, 2, 2, 3, 0]  # Järvelin & Kekäläinen (2002), section 2
    series = ranking.dcg(gains, kind="log2(rank) from rank 2")
    assert series.round(2).tolist() == [3, 5, 6.89, 6.89, 6.89, 7.28, 7.99, 8.66, 9.61, 9.61]


def test_the_usual_dcg_example():
    found, best = ranking.dcg([3, 2, 3, 0, 1, 2])[-1], ranking.dcg([3, 3, 3, 2, 2, 2])[-1]
    assert (round(found, 3), round(best, 3), round(found / best, 3)) == (6.861, 8.740, 0.785)


def test_an_unknown_discount_is_named():
    with pytest.raises(RecommendationError, match="log3"):
        ranking.dcg([1], kind="log3")


# by hand


def test_recall_and_ndcg_by_hand():
    relevant = csr_matrix([[1, 0, 1, 0, 1], [0, 1, 0, 0, 0]])
    hit = ranking.hits(np.array([[2, 1, 0], [0, 2, 1]]), relevant)
    assert ranking.recall(hit, np.array([3, 1])).tolist() == pytest.approx([2 / 3, 1])
    perfect = 1 + 1 / math.log2(3) + 1 / 2
    assert ranking.ndcg(hit, np.array([3, 1])).tolist() == pytest.approx([1.5 / perfect, 0.5])


def test_things_outside_the_catalogue_are_misses():
    hit = np.array([[True]])
    assert ranking.recall(hit, np.array([2])).tolist() == [0.5]


def test_who_took_nothing_has_no_measure():
    hit = np.array([[False, False]])
    assert np.isnan(ranking.recall(hit, np.array([0]))).all() and np.isnan(ranking.ndcg(hit, np.array([0]))).all()


def test_coverage_and_novelty_by_hand():
    lists = np.array([[0, 1], [0, -1]])
    assert ranking.coverage(lists, things=4) == 0.5
    assert ranking.novelty(lists, holders=np.array([8, 2, 0, 1]), users=8) == pytest.approx((0 + 2 + 0) / 3)


def test_measures_of_nothing():
    none = np.zeros((0, 3), int)
    assert np.isnan(ranking.coverage(none, things=0)) and np.isnan(ranking.novelty(none, holders=np.ones(3), users=0))
    assert ranking.hits(none, csr_matrix((0, 3))).shape == (0, 3)
    assert ranking.bootstrap_means(np.zeros((0, 2)))["mean"].isna().all()
    assert ranking.top(np.zeros((2, 0)), k=3, popularity=np.zeros(0)).shape == (2, 0)


# against slow code


@crowd
@given(seeds)
def test_lists_and_ranks_against_sorting(seed):
    for scores, _, popularity, k, barred in cases(seed):
        lists = ranking.top(scores, k=k, popularity=popularity, without=csr_matrix(barred))
        places = ranking.ranks(scores, popularity)
        for u in range(len(scores)):
            assert lists[u].tolist() == slow_list(scores[u], popularity, k, barred[u])
            order = slow_list(scores[u], popularity, 99, [False] * 99)
            assert places[u].tolist() == [order.index(i) + 1 for i in range(len(order))]


@crowd
@given(seeds)
def test_recall_ndcg_coverage_novelty_against_loops(seed):
    for scores, taken, popularity, k, _ in cases(seed):
        lists = ranking.top(scores, k=k, popularity=popularity)
        total = taken.sum(axis=1) + popularity[0]  # some were taken outside the catalogue
        hit = ranking.hits(lists, csr_matrix(taken))
        recall, ndcg = ranking.recall(hit, total), ranking.ndcg(hit, total)
        for u in range(len(scores)):
            good = [bool(taken[u, i]) for i in lists[u]]
            best = sum(1 / math.log2(r + 2) for r in range(min(lists.shape[1], total[u])))
            dcg = sum(g / math.log2(r + 2) for r, g in enumerate(good))
            assert not total[u] or np.allclose([recall[u], ndcg[u]], [sum(good) / total[u], dcg / best])
        shown = [i for row in lists.tolist() for i in row]
        surprise = [-math.log2(max(popularity[i], 1) / 9) for i in shown]
        assert ranking.coverage(lists, things=scores.shape[1]) == len(set(shown)) / scores.shape[1]
        assert np.isclose(ranking.novelty(lists, holders=popularity, users=9), sum(surprise) / len(surprise))


def slow_sampled(scores, taken, popularity, k, among) -> float:
    hits = []
    for u in range(len(scores)):
        order = slow_list(scores[u], popularity, 99, [False] * 99)
        others = [i for i in order if not taken[u, i]]
        for thing in np.flatnonzero(taken[u]):
            draws = list(combinations(others, min(among, len(others))))
            inside = [sum(order.index(o) < order.index(thing) for o in draw) < k for draw in draws]
            hits.append(sum(inside) / len(draws))
    return sum(hits) / len(hits) if hits else math.nan


@crowd
@given(seeds)
def test_sampled_recall_is_the_mean_over_all_draws(seed):
    for scores, taken, popularity, k, _ in cases(seed):
        for among in (1, 3, 99):
            got = ranking.sampled_recall(scores, csr_matrix(taken), popularity, k=k, among=among)
            assert np.isclose(got, slow_sampled(scores, taken, popularity, k, among), equal_nan=True)


def test_fewer_candidates_never_lower_the_recall():
    rng = np.random.default_rng(1)
    scores, taken = rng.normal(size=(40, 60)), csr_matrix(rng.random((40, 60)) < 0.1)
    found = [ranking.sampled_recall(scores, taken, np.ones(60), k=5, among=n) for n in (5, 10, 20, 60)]
    assert found == sorted(found, reverse=True)


# the bootstrap


def test_the_bootstrap_of_equal_values_is_that_value():
    found = ranking.bootstrap_means(np.full((30, 1), 0.25), boots=50)
    assert found.to_numpy().ravel().tolist() == pytest.approx([0.25] * 3)


def test_the_bootstrap_interval_is_close_to_the_normal_one():
    values = np.random.default_rng(4).normal(1, 2, (800, 1))
    found = ranking.bootstrap_means(values, seed=2).iloc[0]
    half = 1.96 * values.std() / math.sqrt(800)
    assert [found.ci_low, found.ci_high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.02)


def test_bootstrap_intervals_cover():
    rng, covered = np.random.default_rng(9), 0
    for run in range(100):
        found = ranking.bootstrap_means(rng.exponential(1, (120, 1)), boots=300, seed=run).iloc[0]
        covered += found.ci_low <= 1 <= found.ci_high
    assert 86 <= covered <= 99
