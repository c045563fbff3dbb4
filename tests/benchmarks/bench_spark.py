"""Spark on this machine against DuckDB: intake and the four heaviest passes, in CPU-seconds. Linux only.

    python -m tests.benchmarks.bench_spark FOLDER --engine spark --events 1000000

FOLDER gets a demo shop of that size, unless one is there. One JSON line a run; the passes are timed one by one.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import yaml

from helpers import engine
from helpers import study as study_module
from helpers.behaviour import funnel, paths, retention, traffic
from helpers.intake import ingest
from helpers.simulate import ShopSettings, make_shop
from helpers.study import Engine, Study, load_study


def java() -> int | None:
    """The process of Spark's Java, where it runs."""
    try:
        from pyspark import SparkContext
    except ImportError:
        return None
    return getattr(getattr(SparkContext._gateway, "proc", None), "pid", None)


def cpu() -> float:
    """CPU-seconds of this process, its finished children, Java and Java's workers."""
    own, ticks = os.times(), os.sysconf("SC_CLK_TCK")
    total = own.user + own.system + own.children_user + own.children_system
    if pid := java():
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(map(int, fields[11:15])) / ticks
        total += sum(_ticks(child) for child in _below(pid)) / ticks
    return total


def _below(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(p) for f in Path(f"/proc/{pid}/task").glob("*/children") for p in f.read_text().split()]
    return found + [p for child in found for p in _below(child)] if children.exists() else []


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15]))


def peak() -> float:
    """Peak memory of this process and Java, GB."""
    total = 0
    for pid in filter(None, ("self", java())):
        line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM"))
        total += int(line.split()[1])
    return total / 2**20


def study_of(folder: Path, kind: str, intake: str) -> Study:
    """The study file of the shop."""
    spec = {"kind": kind, "memory_limit": "4 GB"}
    spec |= {"master": "local[2]", "intake": intake} if kind == "spark" else {"threads": 2}
    content = {"name": f"bench-{kind}", "title": "Bench", "engine": spec}
    content |= {
        "window": {"start": "2017-06-19", "end": "2017-12-17"},
        "tables": {"events": {"path": "shop/events.csv"}},
    }
    (folder / f"{kind}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_study(folder / f"{kind}.yaml")


def main() -> None:
    """Measure one engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=["duckdb", "spark"], default="spark")
    parser.add_argument("--intake", choices=["machine", "cluster"], default="cluster")
    parser.add_argument("--events", type=int, default=1_000_000)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / "shop").exists():
        make_shop(given.folder / "shop", ShopSettings(events=given.events))
    study_module.CACHE = engine.CACHE = given.folder / "cache"
    study = study_of(given.folder, given.engine, given.intake)
    taken: dict[str, tuple[float, float]] = {}

    def measure(name: str, work: Callable[[], object]) -> object:
        wall, used = time.monotonic(), cpu()
        result = work()
        taken[name] = (round(time.monotonic() - wall, 1), round(cpu() - used, 1))
        return result

    measure("session", lambda: _warm(study.engine))
    found = measure("intake", lambda: ingest(study, "events"))
    events = engine.connect(study.engine, {"events": found.data})["events"]
    window = (pd.Timestamp(study.window.start), pd.Timestamp(study.window.end))
    measure("21 funnel", lambda: funnel.definitions(funnel.journeys(events)))
    measure("20 traffic", lambda: traffic.by_hour(traffic.visit_hours(events)))
    measure("22 retention", lambda: retention.user_days(events, window=window))
    measure("23 paths", lambda: paths.accounting(paths.sessions(events)))
    rows = found.manifest["rows"]
    print(json.dumps({"engine": given.engine, "rows": rows, "wall, cpu": taken, "peak GB": round(peak(), 1)}))


def _warm(spec: Engine) -> None:
    if spec.kind == "spark":
        from helpers.engine_spark import spark_session

        spark_session(spec, memory="4000m")


if __name__ == "__main__":
    main()
