"""`lab`, `test`, `torture` and `bench`: the collection's own programs with this interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from helpers.study import ROOT


def open_lab() -> int:
    """JupyterLab in the notebooks folder; ends with it."""
    command = [sys.executable, "-m", "jupyterlab", "--notebook-dir", str(ROOT), "notebooks/00_start_here.ipynb"]
    try:
        return subprocess.run(command, cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 0


def run_tests(*, fast: bool, say: Callable[[str], None]) -> int:
    """Lint, then all tests; every step is run even when one before it failed."""
    pytest = ["-m", "pytest", "-n", "2", "--dist"]
    steps = [
        ("lint", ["-m", "ruff", "check", "."]),
        ("format", ["-m", "ruff", "format", "--check", "."]),
        ("tests", [*pytest, "loadfile", "-m", "not notebooks"]),
    ]
    if not fast:
        # the reports first: the tests of the notebooks take from their cache what has been run already
        steps.append(("reports", [*pytest, "loadfile", "-m", "notebooks", "tests/reports"]))
        steps.append(("notebooks", [*pytest, "loadgroup", "-m", "notebooks", "--ignore", "tests/reports"]))
    failed = []
    for name, arguments in steps:
        say(f"== {name}")
        started = time.monotonic()
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
        ended = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=False)
        say(f"== {name}: {'passed' if ended.returncode == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s")
        failed += [name] if ended.returncode else []
    say(f"FAILED: {', '.join(failed)}" if failed else "All passed.")
    return 1 if failed else 0


def run_torture(*, files: int, seed: int, only: list[str], output: Path | None) -> int:
    """Put the promises of RELIABILITY.md to the test, in a process of its own; its exit status."""
    command = [sys.executable, "-m", "tests.torture", "--files", str(files), "--seed", str(seed)]
    command += [word for name in only for word in ("--only", name)]
    command += ["--output", str(output.absolute())] if output else []
    return _run(command)


def run_bench(words: list[str]) -> int:
    """Measure the collection against other ways, in a process of its own; its exit status."""
    return _run([sys.executable, "-m", "tests.benchmarks", *words])


def _run(command: list[str]) -> int:
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    except KeyboardInterrupt:
        return 130
