"""Blind spots: faults are planted in the core modules, one at a time; their own tests must find them."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.torture.planted import Site, mutated, sites
from tests.torture.proof import NotRun, Proof

ROOT = Path(__file__).resolve().parents[2]
PROMISED = 0.9
MODULES = {
    "intervals": ("tests/test_intervals.py",),
    "survival": ("tests/test_survival.py",),
    "privacy": ("tests/test_privacy.py",),
    "findings": ("tests/test_findings.py",),
    "whole_files": ("tests/test_whole_files.py",),
    "intake/cache": ("tests/intake/test_cache.py",),
    "intake/times": ("tests/intake/test_ingest.py",),
    "intake/checks": (
        "tests/intake/test_ingest.py",
        "tests/intake/test_parquet_inputs.py",
    ),
    "intake/sorting": ("tests/intake/test_sorting.py",),
    "behaviour/funnel": ("tests/behaviour/test_funnel.py",),
    "products/rules": ("tests/products/test_rules.py",),
    "campaigns/comparison": ("tests/campaigns/test_comparison.py",),
    "report/gate": ("tests/report/test_gate.py",),
    "report/publish": ("tests/report/test_publish.py",),
    "report/parameters": ("tests/report/test_parameters.py",),
}
"""Module below helpers → the tests that answer for it, besides its own examples."""

EQUIVALENT: dict[tuple[str, str, str], str] = {
    ("intervals", "add_rate_by_cluster", "constant + 1 in `simple = p * (1 - p) / np.maximum(n, 1)`"): (
        "one trial has p = 0 or 1, so the numerator is 0"
    ),
    ("intake/cache", "lock", "comparison in `while not (taken := _take(file)) and time.monotonic() < until:`"): (
        "the clock would have to show the very nanosecond"
    ),
}
"""(module, function, operator and line as written) → why this change is none: judged by hand, not counted."""


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """Plant faults evenly over the modules; `size` 20,000 stands for eight a module."""
    if not sys.platform.startswith("linux"):
        raise NotRun("the tests run in forks")
    started, tree = time.monotonic(), folder / "project"
    copy(tree)
    each, draw = max(1, min(8, size // 2500)), random.Random(seed)
    rows, missed, left_out = [], [], 0
    modules = dict(draw.sample(sorted(MODULES.items()), min(len(MODULES), max(3, size // 1000))))
    with Runs(tree) as run:
        for module, tests in modules.items():
            counts, unfound, equal = one_module(run, tree, module, tests, each=each, draw=draw)
            rows.append({"module": f"helpers/{module}.py", "planted": sum(counts.values()), **shown(counts)})
            missed += unfound
            left_out += equal
    return [judged(rows, missed, left_out, time.monotonic() - started)]


def shown(counts: Counter) -> dict[str, int]:
    """The columns of a row."""
    return {name: counts[name] for name in ("found", "not found")}


def judged(rows: list[dict], missed: list[str], left_out: int, seconds: float) -> Proof:
    """The promise is the share; below it, every fault that no test found is told."""
    found, planted = sum(r["found"] for r in rows), sum(r["planted"] for r in rows)
    kept = planted and found / planted >= PROMISED
    return Proof(
        "mutants: faults planted in our own code",
        f"The tests of a core module find at least {PROMISED:.0%} of the faults planted in it; changes that change "
        f"nothing are judged by hand and not counted (here {left_out}).",
        planted,
        "faults",
        {"found": found, "not found": planted - found},
        [] if kept else missed,
        seconds,
        [*rows, *({"module": m, "planted": 1, "found": 0, "not found": 1} for m in missed if kept)],
    )


def one_module(
    run: Runs, tree: Path, module: str, tests: tuple[str, ...], *, each: int, draw: random.Random
) -> tuple[Counter, list[str], int]:
    """Plant faults in one module; counts, those that no test found, and how many were left out as no change."""
    file = f"helpers/{module}.py"
    source = (tree / file).read_text(encoding="utf-8")
    asked = {"module": f"helpers.{module.replace('/', '.')}", "file": file, "tests": list(tests)}
    whole = run(asked | {"source": source, "longest": 300})
    if whole["ended"] != "passed":
        return Counter({"not found": 1}), [f"{file}: its tests fail on the source as it is"], 0
    longest = int(3 * whole["cpu"]) + 10
    counts, missed, equal = Counter(), [], 0
    for site in draw.sample(found := sites(source), min(each, len(found))):
        if (module, site.function, told(source, site)) in EQUIVALENT:
            equal += 1
            continue
        ended = run(asked | {"source": mutated(source, site.number), "longest": longest})["ended"]
        counts["not found" if ended == "passed" else "found"] += 1
        if ended == "passed":
            missed.append(f"{file}, {site.function}, line {site.line}: {told(source, site)} [{site.number}]")
    return counts, missed, equal


def told(source: str, site: Site) -> str:
    """The operator and the line as written."""
    return f"{site.operator} in `{source.splitlines()[site.line - 1].strip()[:80]}`"


def copy(tree: Path) -> None:
    """The project without data and reports."""
    tree.mkdir(parents=True)
    for name in ("helpers", "tests", "notebooks"):
        shutil.copytree(ROOT / name, tree / name)
    for file in ROOT.iterdir():
        if file.is_file() and file.suffix in (".md", ".toml", ".txt", ".in", ".py"):
            shutil.copy2(file, tree)
    shutil.copytree(ROOT / "data" / "studies", tree / "data" / "studies")


class Runs:
    """The process that runs the tests; see mutant_runs.py."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def __enter__(self) -> Runs:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SMN_", "PYTEST"))}
        environment |= {"PYTHONPATH": str(self.tree), "PYTHONHASHSEED": "0", "TMPDIR": str(self.tree)}
        environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # they cost four seconds, and the tests need one only
        command = [sys.executable, str(Path(__file__).with_name("mutant_runs.py"))]
        self.process = subprocess.Popen(command, cwd=self.tree, env=environment, stdin=-1, stdout=-1, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, asked: dict) -> dict:
        """Run the tests on one source."""
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        if not (answer := self.process.stdout.readline()):
            raise RuntimeError("the process that runs the tests has ended")
        return json.loads(answer)
