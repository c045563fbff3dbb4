"""The whole path: raw CSV → intake → the computations of all event-level notebooks, without plotting.

    python -m tests.benchmarks.whole FOLDER OUT [JOBS]

What is run is not a copy: the statements are taken from the notebooks themselves. Of 10, 20, 21, 22, 23 and 24 all code
above the hand check, but for simulated drills, whose cost does not grow with the log. Of the notebooks on customers
and products the calls that scan the log; their models work on tables of users and are not part of the path. Charts are
not drawn; tables are computed, written as CSV and shown to nobody. Intake, the facts about the log and each notebook
have a process of their own, a fork of one that has imported what all share, so many notebooks at once as a report has
jobs.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

from helpers import charts, charts_cards, charts_sankey
from helpers.engine import JOBS
from helpers.intake import ingest_all
from helpers.report.account import Data
from helpers.report.build import assessed, opened
from helpers.report.warm import CONSTANT, SHARED
from helpers.study import ROOT, load_study

WHOLE = ("10_data_quality", "20_traffic", "21_funnel", "22_retention", "23_paths", "24_early_warning")
SCANS = {
    "30_profiles": ("tags.touches(", "sources = {", "profiles.profiles("),
    "31_value_tiers": ("rfm.rfe_table(",),
    "34_intent": ("intent.plan(", "intent.tables("),
    "40_association_rules": ("basket = {", "ar.holdout_day(", "ar.baskets(study.events, **basket"),
    "42_recommendation": ("interactions.time_split(", "rec.timeline(", "interactions.counted(", "interactions.read("),
}
"""Notebook → what a statement must hold to be part of the path, besides imports, parameters and `open_study`."""
LEFT_OUT = ("selection_error_rates(", "study.truth(", "study.truths(", "alarm_drill.", "outliers.run_lengths(")
"""Simulated drills and comparisons with the truth."""


def statements(name: str, study_file: Path) -> Iterator[ast.stmt]:
    """The statements of one notebook that belong to the path, with the study's file in place of the demo."""
    lost: set[str] = set()
    for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type == "markdown" and "## Hand check" in cell.source:
            return
        if cell.cell_type != "code":
            continue
        given = "parameters" in cell.metadata.get("tags", [])
        more = f"\nstudy_file = {str(study_file)!r}" if given else ""
        for node in ast.parse(cell.source + more).body:
            names = {(n.id, type(n.ctx)) for n in ast.walk(node) if isinstance(n, ast.Name)}
            if given or (_wanted(name, node) and not lost & {n for n, how in names if how is ast.Load}):
                yield node
            else:
                lost |= {n for n, how in names if how is ast.Store}


def _wanted(name: str, node: ast.stmt) -> bool:
    text = ast.unparse(node)
    if isinstance(node, ast.Import | ast.ImportFrom) or "open_study(" in text:
        return True
    if name in WHOLE:
        return not any(words in text for words in LEFT_OUT)
    return any(words in text for words in SCANS[name])


def run(name: str, study_file: Path) -> dict[str, Any]:
    """Run one notebook's part; its seconds of processor, and those of each statement that took long."""
    print(name, flush=True)  # the last ones in the log are those that failed
    scope: dict[str, Any] = {"display": lambda *_: None}
    slow, begun, wall = [], time.process_time(), time.perf_counter()
    for node in statements(name, study_file):
        started = time.process_time()
        code = compile(ast.Module([node], []), name, "exec")
        exec(code, scope)  # the collection's own notebooks
        slow.append((round(time.process_time() - started, 2), ast.unparse(node)[:90]))
    scope.clear()
    took = round(time.process_time() - begun, 2)
    slowest = sorted((s for s in slow if s[0] >= 0.05), reverse=True)[:8]
    return {"notebook": name, "cpu": took, "wall": round(time.perf_counter() - wall, 2), "slowest": slowest}


def without_pictures() -> None:
    """Charts are asked for and not drawn."""
    for module in (charts, charts_cards, charts_sankey):
        for name, what in vars(module).items():
            if callable(what) and getattr(what, "__module__", "") == module.__name__ and name[0].islower():
                setattr(module, name, lambda *_, **__: SimpleNamespace())


def take_in(study_file: Path) -> dict[str, Any]:
    """Intake; the number of events, and its seconds."""
    begun, wall = time.process_time(), time.perf_counter()
    rows = ingest_all(load_study(study_file))["events"].manifest["rows"]
    spent = {"cpu": round(time.process_time() - begun, 2), "wall": round(time.perf_counter() - wall, 2)}
    return {"notebook": "intake", **spent, "slowest": [], "rows": rows}


def ask(study_file: Path) -> dict[str, Any]:
    """The facts about the log, which the runner asks for before it starts a notebook."""
    begun, wall = time.process_time(), time.perf_counter()
    study = load_study(study_file)
    ingested = ingest_all(study)
    assessed(study, opened(study, ingested), ingested, Data.of(ingested))
    spent = {"cpu": round(time.process_time() - begun, 2), "wall": round(time.perf_counter() - wall, 2)}
    return {"notebook": "facts", **spent, "slowest": []}


def side_by_side(work: Sequence[tuple], *, jobs: int) -> list[dict[str, Any]]:
    """What functions give, each called in a process of its own, `jobs` at a time; with the peak memory of each.

    Parameters
    ----------
    work : sequence of tuple
        A function and what it gets.

    Raises
    ------
    RuntimeError
        One of them ended without a result; its traceback stands in the log.
    """
    fork, given, running = get_context("fork"), dict(enumerate(work)), {}
    done: dict[int, dict[str, Any]] = {}
    while given or running:
        while given and len(running) < jobs:
            number, (call, *values) = next(iter(given.items()))
            del given[number]
            here, there = fork.Pipe(duplex=False)
            child = fork.Process(target=_tell, args=(there, call, values))
            child.start()
            there.close()
            running[here] = number, child
        for here in wait(list(running)):
            number, child = running.pop(here)
            try:
                done[number] = here.recv()
            except EOFError:
                raise RuntimeError(f"{work[number][1]} ended without a result") from None
            child.join()
    return [done[number] for number in sorted(done)]


def _tell(there: Connection, call: Callable[..., dict[str, Any]], values: list) -> None:
    found = call(*values)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    there.send(found | {"megabytes": round(peak / (1e6 if sys.platform == "darwin" else 1e3))})


def main() -> None:
    """Run the path and write what each part took."""
    file, out = Path(sys.argv[1]) / "bench.yaml", Path(sys.argv[2])
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    os.environ |= CONSTANT
    for name in SHARED:
        importlib.import_module(name)
    without_pictures()
    parts = side_by_side([(take_in, file)], jobs=1)
    rows = parts[0].pop("rows")
    parts += side_by_side([(ask, file)], jobs=1)
    os.environ[JOBS] = str(jobs)
    parts += side_by_side([(run, name, file) for name in (*WHOLE, *SCANS)], jobs=jobs)
    out.write_text(json.dumps({"rows": rows, "parts": parts}), encoding="utf-8")


if __name__ == "__main__":
    main()
