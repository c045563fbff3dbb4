"""The whole path: raw CSV → intake → the computations of all event-level notebooks, without plotting.

    python -m tests.benchmarks.whole FOLDER OUT

What is run is not a copy: the statements are taken from the notebooks themselves. Of 10, 20, 21, 22, 23 and 24 all code
above the hand check, but for simulated drills, whose cost does not grow with the log. Of the notebooks on customers
and products the calls that scan the log; their models work on tables of users and are not part of the path. Charts are
not drawn; tables are computed, written as CSV and shown to nobody. Intake and each notebook have a process of their
own, one after the other, as in a report made with one job.
"""

from __future__ import annotations

import ast
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat

from helpers import charts, charts_cards, charts_sankey
from helpers.intake import ingest_all
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


def alone(work: Callable[..., dict[str, Any]], *given: object) -> dict[str, Any]:
    """What `work` gives, done in a process of its own, forked from this one as the runner forks its kernels."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as process:
        return process.submit(work, *given).result()


def main() -> None:
    """Run the path and write what each part took."""
    file, out = Path(sys.argv[1]) / "bench.yaml", Path(sys.argv[2])
    without_pictures()
    parts = [alone(take_in, file)]
    rows = parts[0].pop("rows")
    for name in (*WHOLE, *SCANS):
        print(name, flush=True)  # the last one in the log is the one that failed
        parts.append(alone(run, name, file))
    out.write_text(json.dumps({"rows": rows, "parts": parts}), encoding="utf-8")


if __name__ == "__main__":
    main()
