"""Runs the tests of one module on a mutated source, in a fork of a process that has imported what all tests need.

Started by mutants.py in the folder of a copied project. The fault stands in memory only: the module is loaded from the
changed source, and no file is touched. One JSON request a line on stdin, one answer on stdout.
"""

from __future__ import annotations

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


def answer(asked: dict) -> dict:
    """Run the tests; 'passed', 'failed' or 'took too long'."""
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _become(asked)
    _, status, used = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    ended = "passed" if code == 0 else "took too long" if code == -signal.SIGXCPU else "failed"
    seconds = used.ru_utime + used.ru_stime
    return {"ended": ended, "code": code, "cpu": seconds, "seconds": time.monotonic() - started}


def _become(asked: dict) -> None:
    nothing = os.open(asked.get("log", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for place in (1, 2):
        os.dup2(nothing, place)
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (asked["longest"], asked["longest"] + 5))
    status = 70
    try:
        import pytest

        name, file = asked["module"], str(Path.cwd() / asked["file"])
        sys.meta_path.insert(0, Planted(name, file, asked["source"]))
        importlib.import_module(name)  # before pytest, which would read the file itself
        options = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "_hypothesis_pytestplugin",
            "--hypothesis-seed=0",
            *IGNORED,
        ]
        status = int(pytest.main([*options, *asked["tests"], asked["file"]]))
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
