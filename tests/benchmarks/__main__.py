"""How large a log may be, measured, with a report: python run.py bench [--events N] [--runs R] …

Every contender computes the same results from the same raw file, each in a process of its own, one after the other in
turns; their results must be equal. Processor seconds are what to look at: wall time depends on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import ROOT, Cost, Failed, measure
from tests.benchmarks.names import CONTENDERS, FIXED

SHARE = 0.4
"""Of a cap of memory DuckDB is given so much; the rest is for tables of users in pandas."""
Say = Callable[[str], None]


class Unequal(RuntimeError):
    """Two contenders computed different results; the message says which."""


class Bench:
    """One size of log: its folder, and the costs that were measured, by name."""

    def __init__(self, folder: Path, *, polars: str, cap: float | None, jobs: int, say: Say) -> None:
        self.folder, self.polars, self.cap, self.jobs, self.say = folder, polars, cap, jobs, say
        self.work = folder / "work"
        self.costs: dict[str, list[Cost]] = {}
        self.results: dict[str, dict[str, list]] = {}
        self.seconds: dict[str, dict[str, list[float]]] = {}

    def run(self, name: str, command: list[str], *, cache: str = "cache", cap: float | None = None) -> Cost:
        """Measure one program and keep what it cost."""
        cost = measure(command, cache=self.work / cache, log=self.work / f"{name}.log", cap=cap)
        self.costs.setdefault(name, []).append(cost)
        self.say(f"{name}: {cost.cpu:.1f} s of processor, {cost.wall:.1f} s, {cost.megabytes:,.0f} MB")
        return cost

    def contender(self, name: str) -> None:
        """One contender; its results must be those of the others."""
        out = self.work / f"{name}.json"
        module = "ours" if name == "again" else name
        python = self.polars if name == "frames" else "python"
        self.run(name, [python, "-m", f"tests.benchmarks.contenders.{module}", str(self.folder), str(out)])
        told = json.loads(out.read_text(encoding="utf-8"))
        self.results[name], self.seconds[name] = told["results"], told["seconds"]
        first = next(iter(self.results))
        for what, rows in self.results[first].items():
            if rows != told["results"][what]:
                raise Unequal(f"{what}: {CONTENDERS[name]} differs from {CONTENDERS[first]}.")

    def one_round(self, turn: int, *, quick: bool) -> None:
        """All contenders once; each round begins with another one, so that none has always the warm disk.

        Quick: no second run from the cache, no floor.
        """
        self._forget("cache")
        names = [n for n in CONTENDERS if n != "again" and (n != "frames" or self.polars)]
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            self.contender(name)
            if name == "ours" and not quick:
                self.contender("again")
        if not quick:
            self._floor()

    def _floor(self) -> None:
        log, parquet = self.folder / "events.csv", self.work / "plain.parquet"
        for name in ("parse", "plain", "scan"):
            self.run(name, ["python", "-m", "tests.benchmarks.floor", name, str(log), str(parquet)])
        parquet.unlink()
        self._forget("cache")
        self.run("intake", ["python", "-m", "tests.benchmarks.take_in", str(self.folder / "core.yaml")])

    def whole(self) -> dict[str, Any]:
        """The whole path once; under the cap where one is given, with the engine told of it as a user would.

        Its memory is the sum of the largest processes that can have run side by side.
        """
        self._forget("whole")
        out = self.work / "whole.json"
        command = ["python", "-m", "tests.benchmarks.whole", str(self.folder), str(out), str(self.jobs)]
        with self._told_of_cap():
            cost = self.run("whole", command, cache="whole", cap=self.cap)
        self._forget("whole")
        told = json.loads(out.read_text(encoding="utf-8"))
        largest = sum(sorted(p["megabytes"] for p in told["parts"])[-self.jobs :])
        self.costs["whole"][-1] = replace(cost, megabytes=max(cost.megabytes, largest))
        return told

    @contextmanager
    def _told_of_cap(self):
        file = self.folder / "bench.yaml"
        before = file.read_text(encoding="utf-8")
        if self.cap:
            more = f"engine: {{memory_limit: {self.cap * SHARE:g} GB}}\n"
            file.write_text(before + more, encoding="utf-8")
        try:
            yield
        finally:
            file.write_text(before, encoding="utf-8")

    def fixed(self) -> None:
        """What every start costs, whatever the log."""
        self._forget("fixed")
        places = {"STUDY": str(self.folder / "core.yaml"), "OUT": str(self.work / "reports")}
        for name, (_, command) in FIXED.items():
            self.run(name, [places.get(word, word) for word in command], cache="fixed")

    def _forget(self, cache: str) -> None:
        shutil.rmtree(self.work / cache, ignore_errors=True)
        (self.work / cache).mkdir(parents=True)

    def told(self) -> dict[str, dict[str, float]]:
        """Medians by name, and how many runs they are of."""
        keys = ("cpu", "wall", "megabytes")
        return {
            name: {k: round(statistics.median(getattr(c, k) for c in costs), 2) for k in keys} | {"runs": len(costs)}
            for name, costs in self.costs.items()
        }


def measured(folder: Path, given: argparse.Namespace, say: Say) -> dict[str, Any]:
    """All measurements of one size, as they go into bench.json."""
    started = time.perf_counter()
    log = folder.with_name(f"{folder.name}.log")
    measure(["python", "-m", "tests.benchmarks.shop", str(folder), str(given.events)], cache=folder, log=log)
    log.unlink()
    say(f"simulated {given.events:,} events in {time.perf_counter() - started:.0f} s")
    bench = Bench(folder, polars=given.polars, cap=given.cap, jobs=given.jobs, say=say)
    load = [os.getloadavg()[0]] if hasattr(os, "getloadavg") else []
    bench.work.mkdir(exist_ok=True)
    try:
        for turn in range(given.runs):
            bench.one_round(turn, quick=given.quick)
        parts: dict[str, Any] = {"parts": []}
        for _ in range(given.whole):
            parts = bench.whole()
        if given.fixed:
            bench.fixed()
    finally:
        shutil.rmtree(bench.work, ignore_errors=True)
    load += [os.getloadavg()[0]] if load else []
    return {
        "events": given.events, "bytes": (folder / "events.csv").stat().st_size, "cap": given.cap,
        "jobs": given.jobs,
        "costs": bench.told(), "seconds": bench.seconds, "parts": parts["parts"], "equal": sorted(bench.results),
        "load": [round(x, 1) for x in load], "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "with": f"Python {platform.python_version()}, DuckDB {version('duckdb')}, pandas {version('pandas')}, "
        f"{platform.system()}, {os.cpu_count()} cores",
    }  # fmt: skip


def with_polars(asked: str) -> str:
    """The interpreter for Polars: the one that was named, else this one if it has the package; empty: none."""
    if asked:
        known = subprocess.run([asked, "-c", "import polars"], capture_output=True, check=False).returncode == 0
        return asked if known else ""
    return sys.executable if find_spec("polars") else ""


def arguments(words: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python run.py bench", description=__doc__)
    parser.add_argument("--events", type=int, default=300_000, help="size of the log, 10,000 or more")
    parser.add_argument("--runs", type=int, default=1, help="rounds of all contenders; the median is told")
    parser.add_argument("--whole", type=int, default=1, help="runs of the whole path; 0: none")
    parser.add_argument("--no-fixed", dest="fixed", action="store_false", help="without the costs of a start")
    parser.add_argument("--quick", action="store_true", help="the contenders alone, without floor and second start")
    jobs = min(2, os.cpu_count() or 1)  # as a report has them
    parser.add_argument("--jobs", type=int, default=jobs, help="notebooks side by side in the whole path")
    parser.add_argument("--cap", type=float, help="GB of memory that the whole path may take")
    parser.add_argument("--polars", default="", help="interpreter with tests/benchmarks/requirements.txt")
    parser.add_argument("--folder", type=Path, help="keep the log here, and take it from here the next time")
    parser.add_argument("--output", type=Path, default=ROOT / "reports" / "bench", help="folder of the report")
    given = parser.parse_args(words)
    if given.events < 10_000 or given.runs < 0 or given.whole < 0 or given.jobs < 1:
        parser.error("--events is at least 10000, --jobs is at least 1, --runs and --whole are at least 0")
    given.polars = with_polars(given.polars)
    return given


def main(words: list[str] | None = None) -> int:
    """Measure and write the report."""
    given = arguments(words)
    from tests.benchmarks.page import write  # here: what is measured must not inherit a large parent

    def say(text: str) -> None:
        print(text, flush=True)

    if not given.polars:
        say("Polars is not installed and is left out; see tests/benchmarks/requirements.txt.")
    try:
        if given.folder:
            given.folder.mkdir(parents=True, exist_ok=True)
            found = measured(given.folder.absolute(), given, say)
        else:
            with tempfile.TemporaryDirectory(prefix="smn-bench-", ignore_cleanup_errors=True) as folder:
                found = measured(Path(folder), given, say)
    except (Failed, Unequal) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    write(given.output, found)
    say(f"Open {given.output / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
