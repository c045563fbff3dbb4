"""Benchmark: RFM scores and value tiers of a table of one million customers, against the usual pandas way.

python tests/benchmarks/bench_value_tiers.py [CUSTOMERS]      prints one line of JSON
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from helpers.customers import rfm
from helpers.customers import value_tiers as vt

MOST_SECONDS = 10.0
EDGES = {"recency_days": [7, 30, 60, 120], "frequency": [2, 3, 5, 10], "monetary": [100, 300, 600, 1500]}


def customers(n: int, *, seed: int = 1) -> pd.DataFrame:
    """A user table with many ties in recency and frequency, as shops have."""
    rng = np.random.default_rng(seed)
    table = {"recency_days": rng.integers(0, 182, n), "frequency": rng.geometric(0.35, n)}
    return pd.DataFrame(table).assign(monetary=rng.lognormal(5.5, 1.1, n).round(2))


def all_of_it(table: pd.DataFrame) -> None:
    """Three scorings, named segments, ABC, CVA, the curve and the top share with its interval."""
    for scored in rfm.three_scorings(table, edges=EDGES).values():
        rfm.segment_sizes(table, rfm.named(scored), min_cell=10)
    for tiers in (vt.abc(table["monetary"]), vt.cva(table)):
        vt.tier_sizes(table, tiers, min_cell=10)
    vt.pareto(table["monetary"], min_cell=10)
    vt.top_share(table["monetary"], seed=1)


def one_scoring(table: pd.DataFrame) -> None:
    """What the usual way gives: quantile scores with their code, a named segment, ABC."""
    rfm.named(rfm.scores(table))
    vt.abc(table["monetary"])


def the_usual_way(table: pd.DataFrame) -> None:
    """qcut of rank('first') for each measure, digits joined as text, segments by regular expressions."""
    table = table.copy()
    for name, column in (("r", "recency_days"), ("f", "frequency"), ("m", "monetary")):
        values = -table[column] if name == "r" else table[column]
        table[name] = pd.qcut(values.rank(method="first"), 5, labels=range(1, 6)).astype(int)
    table["code"] = table["r"].astype(str) + table["f"].astype(str) + table["m"].astype(str)
    names = {"[4-5][4-5].": "champions", "3[4-5].": "loyal", "[4-5][2-3].": "potential loyalists", "51.": "new"}
    names |= {"41.": "promising", "33.": "need attention", "3[1-2].": "about to sleep", "[1-2]5.": "cannot lose"}
    names |= {"[1-2][3-4].": "at risk", "[1-2][1-2].": "hibernating"}
    table["segment"] = table["code"].replace(names, regex=True)
    ordered = table.sort_values("monetary", ascending=False)
    table["abc"] = pd.cut(
        ordered["monetary"].cumsum() / ordered["monetary"].sum(), [0, 0.8, 0.95, 1.1], labels=list("ABC")
    )


def seconds(work: Callable[[pd.DataFrame], None], table: pd.DataFrame) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    work(table)
    return time.perf_counter() - start


def main(n: int = 1_000_000) -> None:
    table = customers(n)
    whole = seconds(all_of_it, table)
    ours, usual = seconds(one_scoring, table), seconds(the_usual_way, table)
    print(json.dumps({
        "customers": n, "all_seconds": round(whole, 2), "most_seconds": MOST_SECONDS, "within": whole <= MOST_SECONDS,
        "scores_segment_abc_seconds": round(ours, 2), "alternative": "pandas: qcut of rank('first'), text, regex",
        "alternative_seconds": round(usual, 2), "ratio_to_alternative": round(ours / usual, 2),
    }))  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
