"""All promises put to the test, with a report: python run.py torture [--files N] [--seed S] [--only NAME] …"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from helpers.report import publish
from helpers.report.exporter import page_script, templates
from helpers.report.gate import faults
from helpers.study import REPORTS
from tests.torture.proof import NotRun, Proof

MODULES = ("intake", "faults", "hostile", "privacy", "shapes", "mutants")
SHOWN = 50
"""Faults of one proof that the page shows; all stand in torture.json."""


def run_all(*, only: list[str], size: int, seed: int, say: Callable[[str], None]) -> list[Proof]:
    """Every proof of the wanted modules, one after the other; each has a folder of its own that goes with it."""
    done = []
    for name in [m for m in MODULES if not only or m in only]:
        with tempfile.TemporaryDirectory(prefix="smn-torture-", ignore_cleanup_errors=True) as folder:
            found = run_one(name, size=size, seed=seed, folder=Path(folder))
        for proof in found:
            say(proof.said)
        done += found
    return done


def run_one(name: str, *, size: int, seed: int, folder: Path) -> list[Proof]:
    """The proofs of one module; one that is missing or cannot run here is said to be not run, one that ends in an
    error is broken."""
    started = time.monotonic()
    if find_spec(f"tests.torture.{name}") is None:
        return [Proof(name, "", 0, "trials", not_run="this proof is not there")]
    try:
        return importlib.import_module(f"tests.torture.{name}").prove(size=size, seed=seed, folder=folder)
    except NotRun as error:
        return [Proof(name, "", 0, "trials", not_run=str(error))]
    except Exception as error:
        told = [f"the proof itself ended in {type(error).__name__}: {error}"]
        return [Proof(name, "", 0, "trials", faults=told, seconds=time.monotonic() - started)]


def report(proofs: list[Proof], folder: Path, *, size: int, seed: int) -> None:
    """Write index.html and torture.json."""
    proofs = [replace(p, faults=[short(f) for f in p.faults], not_run=short(p.not_run)) for p in proofs]
    counts = Counter(p.result for p in proofs)
    made = {
        "Size": f"{size:,} files, seed {seed}",
        "Made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "With": f"Python {platform.python_version()}, DuckDB {version('duckdb')}, {platform.system()}, "
        f"{os.cpu_count()} cores",
        "Again": f"python run.py torture --files {size} --seed {seed}",
    }
    rows = [asdict(p) | {"result": p.result, "seconds": round(p.seconds, 1)} for p in proofs]
    told = {"size": size, "seed": seed, "made": made["Made"], "with": made["With"], "proofs": rows}
    publish.write(folder, "torture.json", json.dumps(told, ensure_ascii=False, indent=1) + "\n")
    source = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    page = templates().from_string(source).render(proofs=proofs, counts=counts, made=made, most=SHOWN)
    if stopped := faults(page, trusted=[page_script()]):
        raise RuntimeError(f"the page may not be published: {stopped[0]}")
    publish.write(folder, "index.html", page)


def short(text: str) -> str:
    """A text with paths cut to their last part: a report says nothing about the machine that made it.

    >>> short("cannot write /srv/x/y/log.csv: no")
    'cannot write …/log.csv: no'
    """
    return re.sub(r"(?:[A-Za-z]:)?(?:[/\\][\w.@+-]+)+[/\\]([\w.@+-]+)", r"…/\1", text)


def main(arguments: list[str] | None = None) -> int:
    """Run the proofs; exit status 1 if a promise broke."""
    parser = argparse.ArgumentParser(prog="python run.py torture", description=__doc__)
    parser.add_argument("--files", type=int, default=300, help="broken files to try; the other proofs scale with it")
    parser.add_argument("--seed", type=int, default=0, help="start of all random numbers")
    parser.add_argument("--only", action="append", choices=MODULES, default=[], help="one proof; may be given again")
    parser.add_argument("--output", type=Path, default=REPORTS / "torture", help="folder of the report")
    given = parser.parse_args(arguments)
    if given.files < 1:
        parser.error("--files must be at least 1")
    proofs = run_all(only=given.only, size=given.files, seed=given.seed, say=lambda text: print(text, flush=True))
    report(proofs, given.output, size=given.files, seed=given.seed)
    counts = Counter(p.result for p in proofs)
    print(f"{counts['kept']} promises kept, {counts['broken']} broken, {counts['not run']} not run.")
    print(f"Open {given.output / 'index.html'}")
    return 1 if counts["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
