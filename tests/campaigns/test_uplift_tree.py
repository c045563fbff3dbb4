"""Uplift trees: the best split by hand and by trying all, and small leaves."""

import numpy as np
import pytest

from helpers.campaigns.uplift_tree import Node, grow_forest, grow_tree, predict_tree


def people(seed, n=300):
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.integers(0, 5, n), rng.integers(0, 2, n)]).astype(float)
    t = rng.integers(0, 2, n)
    return x, t, rng.integers(0, 2, n)


def gain(x, t, y, k, cut, least):
    low = x[:, k] <= cut
    sides = [(y[s & (t == 1)], y[s & (t == 0)]) for s in (low, ~low)]
    if min(len(a) for side in sides for a in side) < least:
        return -1
    (a, b), (c, d) = sides
    return low.mean() * (1 - low.mean()) * ((a.mean() - b.mean()) - (c.mean() - d.mean())) ** 2


@pytest.mark.parametrize("seed", range(10))
def test_the_split_is_the_best_of_all(seed):
    x, t, y = people(seed)
    tree = grow_tree(x, t, y, depth=1, least=20)
    tried = {(k, c): gain(x, t, y, k, c, 20) for k in (0, 1) for c in np.unique(x[:, k])[:-1]}
    assert tried[tree.feature, tree.cut] == pytest.approx(max(tried.values()))


def test_leaves_hold_the_measured_uplift():
    x, t, y = people(11)
    tree = grow_tree(x, t, y, depth=1)
    low = x[:, tree.feature] <= tree.cut
    expected = y[low & (t == 1)].mean() - y[low & (t == 0)].mean()
    assert predict_tree(tree, x[low])[0] == pytest.approx(expected)
    assert len(np.unique(predict_tree(tree, x))) == 2


def test_a_long_feature_is_cut_at_its_quantiles():
    rng = np.random.default_rng(2)
    x, t = rng.random((4000, 1)), rng.integers(0, 2, 4000)
    y = np.where(x[:, 0] > 0.5, t, 0)
    tree = grow_tree(x, t, y, depth=1)
    assert abs(tree.cut - 0.5) < 0.04 and (tree.below.uplift, tree.above.uplift)[0] < 0.1


def test_too_few_people_make_no_split():
    x, t, y = people(3, n=30)
    assert grow_tree(x, t, y).below is None
    assert grow_tree(np.zeros((300, 1)), *people(3)[1:]).below is None
    alone = grow_tree(x, np.ones(30, int), y)
    assert (alone.uplift, alone.below) == (0.0, None)


def test_a_forest_differs_from_tree_to_tree_and_not_from_run_to_run():
    x, t, y = people(5)
    first, again = (grow_forest(x, t, y, trees=5, seed=7) for _ in range(2))
    assert first == again and len(set(map(repr, first))) > 1


def test_prediction_follows_the_questions():
    tree = Node(0, 0, 1.0, Node(0.5), Node(0, 1, 3.0, Node(-0.5), Node(0.2)))
    assert predict_tree(tree, np.array([[1.0, 9], [2.0, 3], [2.0, 4]])).tolist() == [0.5, -0.5, 0.2]
