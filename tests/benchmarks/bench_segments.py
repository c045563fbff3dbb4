"""Benchmark: clustering a table of one million customers, against k-means and silhouette on all rows.

python tests/benchmarks/bench_segments.py [CUSTOMERS]      prints one line of JSON
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from helpers.customers import clusters, segments

MOST_SECONDS = 30.0
GROUPS = 4


def customers(n: int, *, seed: int = 1) -> pd.DataFrame:
    """Counts and rates of a shop with four kinds of customers, one row a user."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, GROUPS, n)
    days = rng.poisson(np.array([4, 12, 30, 60])[level]) + 1
    actions = days * (1 + rng.poisson(np.array([3, 12, 5, 9])[level]))
    pv = rng.binomial(actions, 0.9)
    table = {"active_days": days, "actions": actions, "actions_per_day": actions / days, "pv": pv}
    table |= {"cart": rng.binomial(pv, 0.06), "fav": rng.binomial(pv, 0.03), "buy": rng.binomial(pv, 0.02)}
    return pd.DataFrame(table).assign(categories=1 + rng.binomial(actions, 0.2))


def all_of_it(table: pd.DataFrame) -> None:
    """Prepare, compare k = 2…6 with 19 copies of two kinds, decide, assign every user, describe the segments."""
    prepared = segments.prepare(
        table, columns="active_days, actions_per_day, categories, fav_rate, cart_rate, buy_rate"
    )
    said = clusters.verdict(clusters.compare(prepared, seed=1))
    labels = segments.segment(prepared, k=said.k, seed=1)
    segments.centres(prepared, labels, min_cell=10)
    segments.profile(table, prepared, labels, min_cell=10)


def one_k(table: pd.DataFrame) -> None:
    """One k: fitted on 100,000, all assigned."""
    prepared = segments.prepare(table, columns="active_days, actions_per_day, categories")
    clusters.kmeans(prepared.z, k=GROUPS, seed=1)


def the_usual_way(table: pd.DataFrame) -> None:
    """The same k on all rows, as notebooks do it."""
    logs = np.log1p(table[["active_days", "actions_per_day", "categories"]].to_numpy(float))
    KMeans(GROUPS, n_init=4, random_state=1).fit((logs - logs.mean(0)) / logs.std(0))


def seconds(work: Callable[[pd.DataFrame], None], table: pd.DataFrame) -> tuple[float, float]:
    """Wall and processor time of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(table)
    return time.perf_counter() - wall, time.process_time() - cpu


def main(n: int = 1_000_000) -> None:
    table = customers(n)
    whole, ours, usual = (seconds(work, table) for work in (all_of_it, one_k, the_usual_way))
    print(json.dumps({
        "customers": n, "all_seconds": round(whole[0], 2), "all_cpu_seconds": round(whole[1], 2),
        "most_seconds": MOST_SECONDS, "within": whole[0] <= MOST_SECONDS, "one_k_cpu_seconds": round(ours[1], 2),
        "alternative": "scikit-learn KMeans on all rows", "alternative_cpu_seconds": round(usual[1], 2),
        "ratio_to_alternative": round(ours[1] / usual[1], 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:2]))
