"""Benchmark: item-kNN on one million interactions, against a pandas self-join and a dense cosine of scikit-learn.

python tests/benchmarks/bench_recommendation.py [INTERACTIONS]      prints one line of JSON
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.metrics.pairwise import cosine_similarity

from helpers.products.recommenders import item_knn

MOST_SECONDS = 10.0
NEIGHBOURS = 50


def interactions(n: int, *, users: int = 100_000, things: int = 5_000, seed: int = 1) -> csr_matrix:
    """About n customer-thing pairs with a long tail of things, each once."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, n)
    thing = np.minimum((things * rng.random(n) ** 2.5).astype(int), things - 1)
    matrix = csr_matrix((np.ones(n), (user, thing)), shape=(users, things))
    matrix.data[:] = 1.0
    return matrix


def by_self_join(matrix: csr_matrix) -> pd.DataFrame:
    """The usual pandas way: join the pairs with themselves by customer, count, divide, take the first of each thing."""
    pairs = pd.DataFrame({"user": np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)), "i": matrix.indices})
    length = pairs["i"].value_counts()
    both = pairs.merge(pairs.rename(columns={"i": "j"}), on="user").query("i != j")
    near = both.groupby(["i", "j"]).size().rename("both").reset_index()
    near["cosine"] = near["both"] / np.sqrt(near["i"].map(length) * near["j"].map(length))
    return near.sort_values("cosine", ascending=False).groupby("i").head(NEIGHBOURS)


def by_dense_cosine(matrix: csr_matrix) -> np.ndarray:
    """All things against all things as one dense table, then the first of each row."""
    near = cosine_similarity(matrix.T.tocsr())
    np.fill_diagonal(near, 0)
    return np.argsort(-near, axis=1)[:, :NEIGHBOURS]


def seconds(function: Callable, *args: object, **how: object) -> tuple[float, float, object]:
    """Wall seconds, CPU seconds, result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*args, **how)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def main() -> None:
    """Time the three ways on one table and compare their results."""
    matrix = interactions(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    wall, cpu, model = seconds(item_knn, matrix, shrinkage=0.0, neighbours=NEIGHBOURS)
    join_wall, join_cpu, joined = seconds(by_self_join, matrix)
    dense_wall, dense_cpu, _ = seconds(by_dense_cosine, matrix)
    own = np.asarray(model.weights.sum(axis=0)).ravel()
    theirs = joined.groupby("i")["cosine"].sum().reindex(range(matrix.shape[1]), fill_value=0).to_numpy()
    result = {
        "interactions": int(matrix.nnz), "users": matrix.shape[0], "things": matrix.shape[1],
        "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), "within": wall <= MOST_SECONDS,
        "self_join_seconds": round(join_wall, 2), "self_join_cpu_seconds": round(join_cpu, 2),
        "dense_seconds": round(dense_wall, 2), "dense_cpu_seconds": round(dense_cpu, 2),
        "times_self_join": round(join_cpu / cpu, 1), "times_dense": round(dense_cpu / cpu, 1),
        "same_neighbours": bool(np.allclose(own, theirs)),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
