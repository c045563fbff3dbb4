"""Blind spots: faults are planted in the core modules, one at a time; their own tests must find them.

`python run.py torture --only mutants --files 20000` plants the six of every module that RELIABILITY.md speaks of; each
seed draws others. A smaller size takes the first modules and faults of the same draw.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
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
EACH = 6
OUTCOMES = ("found", "not found", "changes nothing")
EQUIVALENT = Path(__file__).with_name("equivalent.csv")
"""Faults that change nothing: judged by hand, with the reason; not counted in the share."""

MODULES = {
    "findings": ("tests/test_findings.py",),
    "whole_files": ("tests/test_whole_files.py",),
    "report/gate": ("tests/report/test_gate.py",),
    "intervals": ("tests/test_intervals.py",),
    "report/publish": ("tests/report/test_publish.py",),
    "report/parameters": ("tests/report/test_parameters.py",),
    "campaigns/qini": ("tests/campaigns/test_qini.py",),
    "campaigns/uplift_policy": ("tests/campaigns/test_uplift_policy.py",),
    "intake/times": ("tests/intake/test_times.py", "tests/intake/test_bad_inputs.py"),
    "campaigns/contact_response": ("tests/campaigns/test_contact_response.py",),
    "campaigns/budget": ("tests/campaigns/test_budget.py",),
    "intake/cache": ("tests/intake/test_cache.py",),
    "campaigns/comparison": ("tests/campaigns/test_comparison.py",),
    "customers/rfm": ("tests/customers/test_rfm.py",),
    "intake/sorting": ("tests/intake/test_sorting.py",),
    "survival": ("tests/test_survival.py",),
    "privacy": ("tests/test_privacy.py",),
    "campaigns/attribution": ("tests/campaigns/test_attribution.py",),
    "campaigns/experiment": ("tests/campaigns/test_experiment.py",),
    "customers/segments": ("tests/customers/test_segments.py",),
    "products/association_rules": ("tests/products/test_association_rules.py",),
    "intake/checks": (
        "tests/intake/test_checks.py",
        "tests/intake/test_parquet_inputs.py",
        "tests/intake/test_bad_inputs.py",
        "tests/intake/test_fuzz.py",
    ),
    "products/rules_itemsets": ("tests/products/test_rules.py",),
    "products/rules": ("tests/products/test_rules.py", "tests/products/test_association_rules.py"),
    "behaviour/retention": ("tests/behaviour/test_retention.py",),
    "behaviour/funnel": ("tests/behaviour/test_funnel.py",),
    "behaviour/funnel_steps": ("tests/behaviour/test_funnel.py",),
}
"""Module below helpers → the tests that answer for it, after its own examples; modules with quick tests first."""


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """Plant faults evenly over the modules."""
    if not sys.platform.startswith("linux"):
        raise NotRun("the tests run in forks")
    started, tree = time.monotonic(), folder / "project"
    copy(tree)
    each, modules = max(1, min(EACH, size // 3000)), list(MODULES)[: max(6, size // 600)]
    old = stale(tree)
    with Runs(tree) as run:
        results = {m: one_module(run, tree, m, seed=seed, each=each) for m in modules}
    return [judged(results, old, time.monotonic() - started)]


def drawn(source: str, *, module: str, seed: int, each: int) -> list[Site]:
    """A seed's faults for one module: each fault has its own lot, so that an edit elsewhere changes no draw."""

    def lot(site: Site) -> str:
        return hashlib.sha256(repr((seed, module, site.key)).encode()).hexdigest()

    return sorted(sites(source), key=lot)[:each]


def equivalents() -> dict[tuple[str, ...], str]:
    """(module, function, line as written, change) → why this change is none."""
    with EQUIVALENT.open(encoding="utf-8", newline="") as file:
        return {(r["module"], r["function"], r["line"], r["change"]): r["reason"] for r in csv.DictReader(file)}


def stale(tree: Path) -> list[str]:
    """Rows of the list whose line is no longer there."""
    listed = equivalents()
    there = {(m, *s.key) for m in {key[0] for key in listed} for s in sites(_source(tree, m))}
    return [f"{EQUIVALENT.name}: {key} names no line of the source; judge again" for key in listed if key not in there]


def judged(results: dict[str, list[tuple[Site, str]]], old: list[str], seconds: float) -> Proof:
    """The promise is the share; below it, every fault that no test found is told. One may be missed in any case: fewer
    than ten show no share of 90 %."""
    rows = [{"module": f"helpers/{m}.py", **_counts(r)} for m, r in results.items()]
    found, missed, equal = (sum(row[what] for row in rows) for what in ("found", "not found", "changes nothing"))
    unseen = [f"helpers/{m}.py, {told(s)}" for m, result in results.items() for s, how in result if how == "not found"]
    kept = missed <= 1 or found >= PROMISED * (found + missed)
    return Proof(
        "mutants: faults planted in our own code",
        f"The tests of a core module find at least {PROMISED:.0%} of the faults planted in it; changes that change "
        f"nothing are judged by hand, listed with a reason and not counted (here {equal}).",
        found + missed,
        "faults",
        {"found": found, "not found": missed},
        old + ([] if kept else unseen),
        seconds,
        [*rows, *({"module": text, **dict.fromkeys(OUTCOMES, 0), "not found": 1} for text in unseen if kept)],
    )


def one_module(run: Runs, tree: Path, module: str, *, seed: int, each: int) -> list[tuple[Site, str]]:
    """Plant a seed's faults in one module, and say how each one ended."""
    source, file = _source(tree, module), f"helpers/{module}.py"
    asked = {"module": f"helpers.{module.replace('/', '.')}", "file": file, "tests": [file, *MODULES[module]]}
    asked["seconds"] = str(tree.parent / f"{module.replace('/', '-')}.json")
    whole = run(asked | {"source": source, "longest": 300})
    if whole["ended"] != "passed":
        raise RuntimeError(f"{file}: its tests fail on the source as it is")
    asked["longest"], equal, results = int(3 * whole["cpu"]) + 10, equivalents(), []
    for site in drawn(source, module=module, seed=seed, each=each):
        if (module, *site.key) in equal:
            results.append((site, "changes nothing"))
            continue
        ended = run(asked | {"source": mutated(source, site.number)})["ended"]
        results.append((site, "not found" if ended == "passed" else "found"))
    return results


def told(site: Site) -> str:
    """Where, and what."""
    return f"{site.function}, line {site.line}: {site.change}"


def _counts(results: list[tuple[Site, str]]) -> dict[str, int]:
    counts = Counter(how for _, how in results)
    return {how: counts[how] for how in OUTCOMES}


def _source(tree: Path, module: str) -> str:
    return (tree / "helpers" / f"{module}.py").read_text(encoding="utf-8")


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
