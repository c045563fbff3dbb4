"""Spark on this machine against DuckDB: intake and the heaviest passes of six notebooks, one by one. Linux only.

    python -m tests.benchmarks.bench_spark FOLDER --engine spark --events 1000000 --passes 20,21

FOLDER gets a demo shop of that size, unless one is there. Each step prints a line as soon as it has ended: wall and
CPU-seconds, peak memory, or why it failed; then the next begins. The last line is all of it as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd
import yaml

from helpers import engine, facts
from helpers import study as study_module
from helpers.behaviour import early_warning, funnel, funnel_steps, paths, retention, traffic
from helpers.intake import data_quality, ingest
from helpers.simulate import ShopSettings, make_shop
from helpers.study import Engine, Study, load_study

WINDOW = ("2017-06-19", "2017-12-17")
DAYS = tuple(map(pd.Timestamp, WINDOW))


def _path_counts(events: ir.Table) -> pd.DataFrame:
    visits = paths.sessions(events)
    return paths.transitions(paths.user_moves(visits))


def _returns(events: ir.Table) -> pd.DataFrame:
    return retention.triangle(retention.returns(retention.user_days(events, window=DAYS), who="seen"))


PASSES: dict[str, Callable[[ir.Table], object]] = {
    "00": lambda events: facts.log_facts(events, time_zone="Asia/Shanghai"),
    "10": data_quality.behaviour_mix,
    "20": lambda events: traffic.by_hour(traffic.visits(events)),
    "20 items": lambda events: traffic.quadrants(traffic.catalogue(events)),
    "21": lambda events: funnel.definitions(funnel_steps.journeys(events)),
    "22": _returns,
    "23": _path_counts,
    "24": lambda events: early_warning.daily(early_warning.measure(events), window=DAYS),
}
"""The facts that every notebook asks for, and the scans of the events by notebook, each to its first table."""


def java() -> int | None:
    """The process of Spark's Java, where it runs."""
    try:
        from pyspark import SparkContext
    except ImportError:
        return None
    return getattr(getattr(SparkContext._gateway, "proc", None), "pid", None)


def processes() -> Iterator[Path]:
    """This process, Java, and Java's Python workers, as folders of /proc; what has ended is left out."""
    yield Path("/proc/self")
    waiting = [java()]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}")
        with suppress(OSError):
            waiting += [p for f in place.glob("task/*/children") for p in f.read_text().split()]
            if place.is_dir():
                yield place


def cpu() -> float:
    """CPU-seconds so far of these processes and of their children that have ended."""
    ticks = 0
    for place in processes():
        with suppress(OSError):
            ticks += sum(map(int, (place / "stat").read_text().rsplit(")", 1)[1].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def peak(*, forget: bool = False) -> float:
    """Peak memory of these processes, GB: the sum of their own peaks since they were last made to forget them."""
    total = 0
    for place in processes():
        with suppress(OSError):
            lines = (place / "status").read_text().splitlines()
            total += next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
            if forget:
                (place / "clear_refs").write_text("5")
    return total / 2**20


class Steps:
    """Runs one step after the other, and goes on after one that fails."""

    def __init__(self) -> None:
        self.taken: dict[str, dict[str, Any]] = {}

    def run(self, name: str, work: Callable[[], Any]) -> Any:
        """What the step gives; None where it failed. Its costs are printed at once."""
        peak(forget=True)
        wall, used, result, costs = time.monotonic(), cpu(), None, {}
        try:
            result = work()
        except Exception as error:  # whatever it is, the next step is measured
            costs["failed"] = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"[:300]
        costs |= {"wall": round(time.monotonic() - wall, 1), "cpu": round(cpu() - used, 1), "GB": round(peak(), 1)}
        self.taken[name] = costs
        told = f"{name:9}{costs['wall']:8.1f} s{costs['cpu']:8.1f} CPU-s{costs['GB']:6.1f} GB"
        print(told, costs.get("failed", ""), flush=True)
        return result


def study_of(folder: Path, given: argparse.Namespace) -> Study:
    """The study file of the shop."""
    spec = {"kind": given.engine, "memory_limit": given.memory}
    spec |= {"master": "local[2]", "intake": given.intake} if given.engine == "spark" else {"threads": 2}
    content = {"name": f"bench-{given.engine}", "title": "Bench", "engine": spec}
    content |= {"window": dict(zip(("start", "end"), WINDOW, strict=True))}
    content |= {"tables": {"events": {"path": "shop/events.csv"}}}
    (folder / f"{given.engine}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_study(folder / f"{given.engine}.yaml")


def main() -> None:
    """Measure one engine."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", choices=["duckdb", "spark"], default="spark")
    parser.add_argument("--intake", choices=["machine", "cluster"], default="cluster")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--memory", default="4 GB", help="memory_limit of the study")
    parser.add_argument("--passes", default=",".join(PASSES), help="which, by name: %(default)s")
    given = parser.parse_args()
    wanted = given.passes.split(",")
    if unknown := [name for name in wanted if name not in PASSES]:
        parser.error(f"--passes: {unknown[0]!r} is not known; take some of {', '.join(PASSES)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    if not (given.folder / "shop").exists():
        make_shop(given.folder / "shop", ShopSettings(events=given.events))
    study_module.CACHE = engine.CACHE = given.folder / "cache"
    study, steps = study_of(given.folder, given), Steps()
    steps.run("session", lambda: _warm(study.engine))
    found = steps.run("intake", lambda: ingest(study, "events"))
    if found:
        events = engine.connect(study.engine, {"events": found.data})["events"]
        for name in wanted:
            steps.run(name, lambda work=PASSES[name]: work(events))
    rows = found.manifest["rows"] if found else None
    print(json.dumps({"engine": given.engine, "rows": rows, "steps": steps.taken}))


def _warm(spec: Engine) -> None:
    if spec.kind == "spark":
        from helpers.engine_spark import spark_session

        spark_session(spec, memory=engine.memory_limit(spec).removesuffix("B").lower())


if __name__ == "__main__":
    main()
