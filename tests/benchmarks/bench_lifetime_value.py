"""Benchmark: BG/NBD fitted to one million customers, against a row-wise likelihood climbed by Nelder-Mead.

python tests/benchmarks/bench_lifetime_value.py [CUSTOMERS]      prints one line of JSON

The alternative sees the first 20,000 customers only: on all of them it takes minutes.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from helpers.customers import bgnbd
from helpers.customers.bgnbd import Parameters

MOST_SECONDS = 60.0
TRUE = Parameters(0.7, 5.5, 0.3, 2.0)
SAMPLE = 20_000


def customers(n: int) -> pd.DataFrame:
    """Histories of `n` customers drawn from the model, in whole days, up to 39 weeks old."""
    ages = np.random.default_rng(1).integers(1, 274, n)
    table = bgnbd.simulate(TRUE, ages=ages / 7, seed=3)
    recency = np.minimum(np.ceil(table["recency"] * 7), ages) / 7
    return table.assign(recency=np.where(table["frequency"] > 0, recency, 0.0))


def plain(table: pd.DataFrame) -> np.ndarray:
    """Every row apart, no gradient."""
    rows = bgnbd.group(table)
    # as many rows as customers: nothing is grouped
    order = np.repeat(np.arange(len(rows.x)), rows.count.astype(int))
    single = bgnbd._Rows(
        rows.x[order], rows.recency[order], rows.age[order], np.ones(len(order)), rows.levels, rows.level[order]
    )
    found = minimize(
        lambda at: bgnbd._loss(at, single)[0], np.zeros(4), method="Nelder-Mead", options={"maxiter": 2_000}
    )
    return np.exp(found.x)


def timed(function, table: pd.DataFrame) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(table)
    return time.perf_counter() - start, result


def main(n: int) -> None:
    table = customers(n)
    seconds, fit = timed(bgnbd.fit, table)
    slow, other = timed(plain, table.head(SAMPLE))
    small, _ = timed(bgnbd.fit, table.head(SAMPLE))
    print(json.dumps({
        "benchmark": "bgnbd fit", "customers": n, "distinct_histories": len(bgnbd.group(table).x),
        "seconds": round(seconds, 2), "limit_seconds": MOST_SECONDS,
        "parameters": [round(float(v), 4) for v in fit.parameters.vector()], "true": list(TRUE.vector()),
        "alternative": "row-wise likelihood, Nelder-Mead", "sample": min(SAMPLE, n),
        "alternative_seconds": round(slow, 2),
        "alternative_parameters": [round(float(v), 4) for v in other], "seconds_on_sample": round(small, 3),
        "times_faster_on_sample": round(slow / small, 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
