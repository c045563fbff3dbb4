"""Benchmark: frequent itemsets of many baskets, against mlxtend as it is usually called.

python tests/benchmarks/bench_rules.py [BASKETS [MANY]]      prints one line of JSON

The usual way: TransactionEncoder, a dense table, mlxtend's `fpgrowth`. All times are from the table of (basket, item)
to the table of itemsets. `processor_ratio` is the usual way's processor seconds by ours.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from mlxtend.frequent_patterns import fpgrowth
from mlxtend.preprocessing import TransactionEncoder

from helpers.products import rules

SUPPORT = 0.002
CATEGORIES = 2_000


def baskets(n: int, *, mean_size: float = 6, seed: int = 1) -> pd.DataFrame:
    """Baskets of about six categories: popular and rare ones, and every fifth brings its own companion."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, CATEGORIES + 1) ** 0.9
    basket = np.repeat(np.arange(n), 1 + rng.poisson(mean_size / 1.2 - 1, n))
    item = rng.choice(CATEGORIES, len(basket), p=share / share.sum())
    brings = rng.random(len(item)) < 0.2
    table = {"basket_id": np.append(basket, basket[brings])}
    table["item"] = np.append(item, (item[brings] * 7 + 1) % CATEGORIES)
    return pd.DataFrame(table).drop_duplicates(ignore_index=True).astype({"item": str})


def the_usual_way(table: pd.DataFrame) -> dict[frozenset, int]:
    """As tutorials do it."""
    lists = table.groupby("basket_id")["item"].agg(list)
    encoder = TransactionEncoder()
    wide = pd.DataFrame(encoder.fit_transform(lists), columns=encoder.columns_)
    found = fpgrowth(wide, min_support=SUPPORT, use_colnames=True)
    return dict(zip(found["itemsets"], (found["support"] * len(lists)).round().astype(int), strict=True))


def ours(table: pd.DataFrame, miner: str) -> dict[frozenset, int]:
    found = rules.itemsets(table, min_support=SUPPORT, miner=miner)
    return dict(zip(map(frozenset, found["itemset"]), found["count"], strict=True))


def timed(work: Callable[..., dict], *arguments: object) -> tuple[dict, dict[str, float]]:
    """The result of one run, and its wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return result, {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def main(n: int = 100_000, many: int = 1_000_000) -> None:
    table, said = baskets(many), {}
    for miner in rules.MINERS:
        found, said[f"{miner}_{many}"] = timed(ours, table, miner)
        said[f"{miner}_{many}"] |= {"itemsets": len(found)}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # kilobytes on Linux
    table = baskets(n)
    usual, said["usual"] = timed(the_usual_way, table)
    for miner in rules.MINERS:
        found, said[miner] = timed(ours, table, miner)
        said[miner] |= {"same_itemsets": found == usual}
        said[miner] |= {"processor_ratio": round(said["usual"]["cpu_seconds"] / said[miner]["cpu_seconds"], 1)}
    facts = {"baskets": n, "mean_size": round(len(table) / n, 1), "itemsets": len(usual)}
    print(json.dumps(facts | {f"peak_gb_{many}": round(peak, 2)} | said))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
