"""Spark MLlib behind the helpers' calls: the sets of mlxtend, the groups of scikit-learn, the lists of our ALS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score

from helpers.customers import clusters
from helpers.products import rules_itemsets as method
from helpers.products.recommenders import Histories, RecommendationError, als


def test_groceries_itemsets_are_mlxtends(spark: object, shared_data: Callable) -> None:
    lines = shared_data("groceries.csv").read_text(encoding="utf-8").splitlines()
    baskets = pd.DataFrame([(i, item) for i, line in enumerate(lines) for item in line.split(",")])
    encoded = method.encode(baskets.set_axis(["basket_id", "item"], axis=1), min_support=0.005)
    tree, cluster = (method.itemsets(encoded, min_support=0.005, max_length=4, miner=m) for m in ("fpgrowth", "spark"))
    assert len(tree) > 500 and tree.equals(cluster)


def test_a_count_on_the_threshold_is_not_lost_in_floating_point(spark: object) -> None:
    # 7 % of 100 is 7; in floating point 0.07 · 100 is more than 7
    rows = [(i, "tea") for i in range(7)] + [(i, "milk") for i in range(6)] + [(i, None) for i in range(100)]
    found = method.itemsets(pd.DataFrame(rows, columns=["basket_id", "item"]), min_support=0.07, miner="spark")
    assert found["itemset"].tolist() == [("tea",)] and found["count"].tolist() == [7]


def test_no_basket_gives_no_set(spark: object) -> None:
    empty = pd.DataFrame({"basket_id": [1, 2], "item": [None, None]})
    assert method.itemsets(empty, min_support=0.5, miner="spark").empty


def test_kmeans_finds_the_groups_that_scikit_learn_finds(spark: object) -> None:
    rng = np.random.default_rng(1)
    truth = np.repeat([0, 1, 2], [500, 300, 200])
    centres = np.array([[0, 0, 0], [6, 0, 3], [0, 6, -3]])
    z = pd.DataFrame(centres[truth] + rng.normal(size=(1_000, 3)), index=range(7, 1_007))
    here, there = (clusters.kmeans(z, k=3, seed=1, engine=e) for e in ("sklearn", "spark"))
    assert adjusted_rand_score(here.labels, there.labels) >= 0.99 and adjusted_rand_score(truth, there.labels) >= 0.98
    assert there.within == pytest.approx(here.within, rel=0.001) and there.labels.index.equals(z.index)


def test_als_puts_the_same_things_on_top(spark: object) -> None:
    rng = np.random.default_rng(2)
    taste, things = rng.integers(0, 4, 400), np.arange(40)
    chance = np.where(things[None, :] // 10 == taste[:, None], 0.45, 0.03)
    seen = csr_matrix((rng.random(chance.shape) < chance) * rng.integers(1, 5, chance.shape).astype(float))
    histories = Histories(seen, seen > 0, np.arange(400))
    lists, own = {}, {}
    for engine in ("numpy", "spark"):
        scores = als(seen, factors=6, ridge=5.0, rounds=8, engine=engine).score(histories)
        lists[engine] = np.argsort(-scores, axis=1)[:, :10]
        own[engine] = (lists[engine] // 10 == taste[:, None]).mean()
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(lists["numpy"], lists["spark"], strict=True)])
    assert min(own.values()) > 0.9 and abs(own["numpy"] - own["spark"]) < 0.03 and overlap > 0.8


def test_unknown_engines_are_refused() -> None:
    with pytest.raises(RecommendationError, match="take numpy or spark"):
        als(csr_matrix((2, 2)), engine="torch")
    with pytest.raises(clusters.ClustersError, match="take sklearn or spark"):
        clusters.kmeans(pd.DataFrame({"a": [1.0, 2.0]}), k=1, seed=1, engine="torch")
