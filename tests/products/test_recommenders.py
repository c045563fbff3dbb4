"""Each recommender by hand, and against slow independent code on hundreds of random small matrices."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import hypergeom

from helpers.products import recommenders as rec

CASES = 50
seeds = st.integers(0, 2**32)
crowd = settings(max_examples=10, deadline=None)
"""Ten seeds of 50 matrices each: 500 cases a test."""


def matrices(seed: int):
    """Random small matrices: some with empty rows and columns, some with equal entries."""
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        shape = rng.integers(1, 8, 2)
        values = rng.choice([0.0, 0.0, 0.0, 1.0, 2.0, 0.7], shape)
        yield csr_matrix(values), values, rng


def histories(values) -> rec.Histories:
    table = csr_matrix(np.atleast_2d(values).astype(float))
    return rec.Histories(table, table.astype(bool), np.arange(table.shape[0]))


# by hand: Ann took tea and milk, Bo all three, Cy rice
THREE = csr_matrix([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 1.0]])


def test_cosine_by_hand():
    weights = rec.item_knn(THREE, shrinkage=0).weights.toarray()
    assert weights == pytest.approx(np.array([[0, 1, 1 / 2], [1, 0, 1 / 2], [1 / 2, 1 / 2, 0]]))


def test_shrinkage_by_hand():
    assert rec.item_knn(THREE, shrinkage=2).weights.toarray()[0].tolist() == pytest.approx([0, 2 / 4, 1 / 4])


def test_one_neighbour_is_the_nearest():
    weights = rec.item_knn(THREE, shrinkage=0, neighbours=1).weights.toarray()
    assert weights.tolist() == [[0, 1, 0.5], [1, 0, 0], [0, 0, 0]]  # rice: tea and milk tie, the first stays


def test_ease_by_hand():
    # tea from milk and rice: (2 + 1) a + b = 2 and a + (2 + 1) b = 1, so a = 5/8 and b = 1/8
    assert rec.ease(THREE, ridge=1).weights[:, 0].tolist() == pytest.approx([0, 5 / 8, 1 / 8])


def test_als_half_step_by_hand():
    # one thing with factor 2, strength 3, ridge 1, alpha 1: (2·4·2 + 1) a = 4·2
    user = rec.als_half(csr_matrix([[3.0]]), np.array([[2.0]]), ridge=1, alpha=1)
    assert user.item() == pytest.approx(8 / 17)


def test_scores_of_the_plain_models():
    three = histories(THREE.toarray())
    assert rec.SameForAll(np.array([2, 2, 5])).score(three).tolist() == [[2, 2, 5]] * 3
    assert rec.OwnHistory().score(three).tolist() == THREE.toarray().tolist()


def test_rules_by_hand():
    # tea in 6 of 20 baskets, always with milk, milk nowhere else; bread in all others
    rows = [(b, i) for b in range(6) for i in (0, 1)] + [(b, 2) for b in range(6, 20)]
    model = rec.from_rules(pd.DataFrame(rows, columns=["basket_id", "item"]), things=3)
    assert model.weights.toarray().tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert model.score(histories([5.0, 0.0, 1.0])).tolist() == [[0, 1, 0]]  # bought or not; the strength is no matter


def test_mixture_by_hand():
    models = {"a": rec.SameForAll(np.array([0, 10, 5])), "b": rec.SameForAll(np.array([2, 1, 1]))}
    mixed = rec.Mixture(models, {"a": 0.75, "b": 0.25}).score(histories(THREE.toarray()))
    assert mixed[0].tolist() == [0.25, 0.75, 0.375]


# against slow code


def slow_knn(x: np.ndarray, beta: float, count: int) -> np.ndarray:
    n = x.shape[1]
    near = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            below = math.sqrt(sum(v * v for v in x[:, i])) * math.sqrt(sum(v * v for v in x[:, j])) + beta
            if i != j and below > 0:
                near[i][j] = sum(a * b for a, b in zip(x[:, i], x[:, j], strict=True)) / below
    weights = np.zeros((n, n))
    for i in range(n):
        for j in sorted(range(n), key=lambda j, i=i: (-round(near[i][j], 12), j))[:count]:
            weights[j, i] = near[i][j]
    return weights


@crowd
@given(seeds)
def test_knn_against_loops(seed):
    for sparse, dense, rng in matrices(seed):
        beta = float(rng.choice([0.0, 1.0, 10.0]))
        got = rec.item_knn(sparse, shrinkage=beta, neighbours=99, chunk=int(rng.integers(1, 5))).weights.toarray()
        assert np.allclose(got, slow_knn(dense, beta, 99))


@crowd
@given(seeds)
def test_fewer_neighbours_keep_the_largest_of_each_column(seed):
    for sparse, _, rng in matrices(seed):
        count, full = int(rng.integers(1, 4)), rec.item_knn(sparse).weights.toarray()
        few = rec.item_knn(sparse, neighbours=count).weights.toarray()
        assert ((few == 0) | (few == full)).all()
        assert np.allclose(np.sort(few, axis=0)[-count:], np.sort(full, axis=0)[-count:])
        assert (np.count_nonzero(few, axis=0) <= count).all()


@crowd
@given(seeds)
def test_ease_is_a_ridge_regression_of_each_thing_on_the_others(seed):
    for sparse, dense, rng in matrices(seed):
        ridge, n = float(rng.choice([0.5, 1.0, 50.0])), dense.shape[1]
        weights = rec.ease(sparse, ridge=ridge).weights
        for j in range(n):
            rest = [i for i in range(n) if i != j]
            left = np.vstack([dense[:, rest], math.sqrt(ridge) * np.eye(n - 1)])
            right = np.concatenate([dense[:, j], np.zeros(n - 1)])
            assert np.allclose(weights[rest, j], np.linalg.lstsq(left, right)[0])
            assert weights[j, j] == 0


@crowd
@given(seeds)
def test_als_half_steps_solve_the_dense_normal_equations(seed):
    for sparse, dense, rng in matrices(seed):
        fixed, ridge, alpha = rng.normal(size=(dense.shape[1], 3)), 0.5, 2.0
        got = rec.als_half(sparse, fixed, ridge=ridge, alpha=alpha, chunk=2)
        for u, row in enumerate(dense):
            weight = np.diag(1 + alpha * row)
            left = fixed.T @ weight @ fixed + ridge * np.eye(3)
            assert np.allclose(left @ got[u], fixed.T @ weight @ (row > 0))


@crowd
@given(seeds)
def test_the_objective_of_als_never_rises(seed):
    for sparse, dense, rng in matrices(seed):
        users, things = rng.normal(size=(dense.shape[0], 2)), rng.normal(size=(dense.shape[1], 2))
        how, before = {"ridge": 0.1, "alpha": 1.5}, np.inf
        for _ in range(2):
            users = rec.als_half(sparse, things, **how)
            middle = rec.als_objective(sparse, users, things, **how)
            things = rec.als_half(sparse.T.tocsr(), users, **how)
            after = rec.als_objective(sparse, users, things, **how)
            assert after <= middle + 1e-9 <= before + 2e-9
            before = after


def slow_objective(x: np.ndarray, a: np.ndarray, b: np.ndarray, ridge: float, alpha: float) -> float:
    total = ridge * (sum(v * v for v in a.ravel()) + sum(v * v for v in b.ravel()))
    for u in range(x.shape[0]):
        for i in range(x.shape[1]):
            total += (1 + alpha * x[u, i]) * (float(x[u, i] > 0) - sum(a[u] * b[i])) ** 2
    return total


@crowd
@given(seeds)
def test_the_objective_against_loops(seed):
    for sparse, dense, rng in matrices(seed):
        a, b = rng.normal(size=(dense.shape[0], 2)), rng.normal(size=(dense.shape[1], 2))
        assert np.isclose(rec.als_objective(sparse, a, b, ridge=0.3, alpha=2), slow_objective(dense, a, b, 0.3, 2))


def test_als_finds_two_groups_with_two_factors():
    block = np.kron(np.eye(2), np.ones((6, 4)))
    model = rec.als(csr_matrix(block), factors=2, ridge=0.1, alpha=5, seed=3)
    score = model.score(histories([1, 1, 0, 0, 0, 0, 0, 0]))[0]
    assert score[2:4].min() > 0.7 and abs(score[4:]).max() < 0.2


def slow_rules(rows: set, things: int, least: int, baskets: int) -> np.ndarray:
    weights = np.zeros((things, things))
    held = {i: {b for b, j in rows if j == i} for i in range(things)}
    frequent = [i for i in held if len(held[i]) >= least]
    candidates = len(frequent) * (len(frequent) - 1)
    for i in frequent:
        for j in frequent:
            both = len(held[i] & held[j])
            p = hypergeom.sf(both - 1, baskets, len(held[i]), len(held[j]))
            if i != j and both >= least and p * candidates <= 0.05:
                weights[i, j] = both / len(held[i])
    return weights


@crowd
@given(seeds)
def test_rules_against_counting(seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES // 10):
        kind = rng.integers(0, 3, 30)
        held = rng.random((30, 5)) < np.where(np.arange(5) % 3 == kind[:, None], 0.8, 0.1)
        rows = np.argwhere(held)
        model = rec.from_rules(
            pd.DataFrame(rows, columns=["basket_id", "item"]), things=5, min_count=4, correction="bonferroni"
        )
        expected = slow_rules({tuple(r) for r in rows.tolist()}, 5, 4, len(set(rows[:, 0])))
        assert np.allclose(model.weights.toarray(), expected)


@crowd
@given(seeds)
def test_content_against_loops(seed):
    rng = np.random.default_rng(seed)
    for _ in range(CASES):
        n = int(rng.integers(1, 6))
        pairs = [(t, f, float(rng.choice([1, 0.5]))) for t in range(n) for f in "abc" if rng.random() < 0.5]
        history = rng.choice([0.0, 1.0, 2.0], n)
        model = rec.content(pd.DataFrame(pairs, columns=["thing", "feature", "value"]), things=n)
        assert np.allclose(model.score(histories(history))[0], slow_content(pairs, history, n))


def slow_content(pairs: list, history: np.ndarray, n: int) -> list[float]:
    having = {f: sum(g == f for _, g, _ in pairs) for _, f, _ in pairs}
    vectors = [{f: v * math.log(n / having[f]) for t, f, v in pairs if t == i} for i in range(n)]
    for vector in vectors:
        length = math.sqrt(sum(v * v for v in vector.values()))
        for f in vector:
            vector[f] = vector[f] / length if length else 0.0
    profile = {f: sum(h * v.get(f, 0) for h, v in zip(history, vectors, strict=True)) for f in having}
    return [sum(profile[f] * w for f, w in v.items()) for v in vectors]


@crowd
@given(seeds)
def test_contributions_sum_to_the_score(seed):
    for sparse, dense, _ in matrices(seed):
        own = histories(dense)
        for model in (rec.item_knn(sparse), rec.ease(sparse), rec.Links(rec.ease(sparse).weights, of_bought=True)):
            score = model.score(own)
            parts = model.contributions(own, row=0, thing=dense.shape[1] - 1)
            assert np.isclose(parts.sum(), score[0, -1])
            assert (parts[dense[0] == 0] == 0).all()


# edges


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_empty_and_tiny_matrices(shape):
    x = csr_matrix(shape)
    own = rec.Histories(x, x.astype(bool), np.arange(shape[0]))
    nothing = pd.DataFrame(columns=["basket_id", "item"])
    models = {"a": rec.item_knn(x), "b": rec.ease(x), "c": rec.als(x), "d": rec.from_rules(nothing, things=shape[1])}
    models["e"] = rec.content(pd.DataFrame(columns=["thing", "feature", "value"]), things=shape[1])
    models["f"] = rec.Mixture(dict(models), {"a": 0.5, "b": 0.5})
    assert all(m.score(own).shape == shape and np.isfinite(m.score(own)).all() for m in models.values())


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: rec.item_knn(THREE, shrinkage=-1), "shrinkage=-1"),
        (lambda: rec.item_knn(THREE, neighbours=0), "neighbours=0"),
        (lambda: rec.ease(THREE, ridge=0), "ridge=0"),
        (lambda: rec.als(THREE, factors=0), "factors=0"),
        (lambda: rec.als(THREE, alpha=0), "alpha=0"),
    ],
)
def test_wrong_arguments_are_named(call, word):
    with pytest.raises(rec.RecommendationError, match=word):
        call()


def test_the_same_seed_gives_the_same_factors():
    assert (rec.als(THREE, seed=5).things == rec.als(THREE, seed=5).things).all()
