"""Runs the tests of one module on a mutated source, in a fork of a process that has imported what all tests need.

Started by mutants.py in the folder of a copied project. The fault stands in memory only: the module is loaded from the
changed source, and no file is touched. One JSON request a line on stdin, one answer on stdout.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

USED = (
    "duckdb", "hypothesis", "ibis.backends.duckdb", "matplotlib.pyplot", "numpy", "pandas", "pyarrow.dataset",
    "pyarrow.parquet", "pydantic", "pytest", "scipy.optimize", "scipy.stats", "typer.testing",
)  # fmt: skip

IGNORED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""Plugins have been imported before pytest."""


class Planted(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Finds one module with a source of its own."""

    def __init__(self, name: str, file: str, source: str) -> None:
        super().__init__(name, file)
        self.source = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        """The spec of that module; None for all others."""
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, name: str) -> object:
        """Its own source, compiled."""
        return compile(self.source, self.path, "exec")


class Cheapest:
    """Runs the examples of the module, then its tests, those of a file by the seconds they took before."""

    def __init__(self, seconds: Path) -> None:
        self.seconds, self.now = seconds, Counter()
        self.before = json.loads(seconds.read_text(encoding="utf-8")) if seconds.exists() else {}

    def pytest_collection_modifyitems(self, items: list) -> None:
        """A function of the module that is called test… is none."""
        places = list(dict.fromkeys(i.path for i in items))
        wanted = [i for i in items if i.path.name.startswith("test_") or type(i).__name__ == "DoctestItem"]
        items[:] = sorted(wanted, key=lambda i: (places.index(i.path), self.before.get(i.nodeid, 0)))

    def pytest_runtest_logreport(self, report: object) -> None:
        """Count the seconds."""
        self.now[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        """Keep them."""
        if not self.before:
            self.seconds.write_text(json.dumps(self.now), encoding="utf-8")


def answer(asked: dict) -> dict:
    """Run the tests; 'passed', 'failed' or 'took too long'."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(asked)
    _, status, used = os.wait4(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # what the tests have started and not ended
    code = os.waitstatus_to_exitcode(status)
    ended = "passed" if code == 0 else "took too long" if code in (-signal.SIGXCPU, -signal.SIGALRM) else "failed"
    seconds = used.ru_utime + used.ru_stime
    return {"ended": ended, "code": code, "cpu": seconds, "seconds": time.monotonic() - started}


def _become(asked: dict) -> None:
    nothing = os.open(asked.get("log", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for place in (1, 2):
        os.dup2(nothing, place)
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (asked["longest"], asked["longest"] + 5))
    signal.alarm(6 * asked["longest"] + 60)  # one that waits for ever uses no CPU
    status = 70
    try:
        import pytest
        from hypothesis import settings

        settings.register_profile("no deadline", deadline=None)  # a busy machine finds no fault
        settings.load_profile("no deadline")
        name, file = asked["module"], str(Path.cwd() / asked["file"])
        sys.meta_path.insert(0, Planted(name, file, asked["source"]))
        importlib.import_module(name)  # before pytest, which would read the file itself
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0"]
        status = int(pytest.main([*options, *IGNORED, *asked["tests"]], [Cheapest(Path(asked["seconds"]))]))
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    for used in USED:
        importlib.import_module(used)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
    os._exit(0)  # DuckDB would complain of objects that are still there
