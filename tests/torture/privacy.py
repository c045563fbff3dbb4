"""Privacy: canaries in every id, text and variable of the surroundings; groups too small to be shown; the gate."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from helpers.study import ROOT
from tests.torture.canaries import ENVIRONMENT, canary_shop, found_in
from tests.torture.doctored import gate_stops
from tests.torture.hostile import some_notebooks
from tests.torture.proof import Proof

USERS = 300
MIN_CELL = 10
PEOPLE = re.compile(
    r"(?:\w+_)?(?:users|customers|people|persons|buyers|members|respondents|participants|visitors)(?:_now|_twice)?"
)
NOT_COUNTED = ("users_needed", "users_per_arm", "events_of_users")
"""Columns that say how many people there should be; nobody is behind them."""
TOTALS = {"all", "total", "everybody", "everyone", "all users", "all customers", "all people", "all channels"}


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """The report of a shop full of canaries, its groups, and doctored notebooks."""
    started = time.monotonic()
    notebooks = some_notebooks(size, seed)
    report = render(canary_shop(folder, users=USERS, seed=seed), notebooks, folder)
    entries = json.loads((report / "run.json").read_text(encoding="utf-8"))["notebooks"]
    return [
        no_canary(report, entries, time.monotonic() - started),
        no_small_group(report),
        gate_stops(folder, seed=seed),
    ]


def render(study: Path, notebooks: list[str], folder: Path) -> Path:
    """The report with slides, made where the surroundings hold canaries."""
    home = folder / "zqxenvhome"
    home.mkdir()
    given = ["--only", ",".join(notebooks), "--slides", "--output", str(folder / "reports")]
    environment = os.environ | ENVIRONMENT | {"SMN_CACHE": str(folder / "cache"), "HOME": str(home)}
    command = [sys.executable, "-m", "helpers", "reports", str(study), *given]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    report = folder / "reports" / "canaries"
    if not (report / "run.json").is_file():
        raise RuntimeError(f"no report was made: {(ran.stdout + ran.stderr)[-300:]!r}")
    return report


def no_canary(report: Path, entries: list[dict], seconds: float) -> Proof:
    """Every published file. The letters in a chart are shapes: of a chart its alternative text is searched."""
    told = found_in(report)
    faults = [f"{file} tells the {canary}" for file, canaries in told.items() for canary in canaries]
    failed = [f"{e['name']}: {e.get('reason', '')}" for e in entries if e["status"] == "failed"]
    counts = Counter("with a canary" if canaries else "clean" for canaries in told.values())
    rows = [{"notebook": e["name"], "status": e["status"]} for e in entries]
    return Proof(
        "privacy: canaries",
        "No published file tells an id, a customer's name, address, phone number or words, or anything of the machine.",
        len(told), "files", {"clean": 0} | dict(counts), faults + failed, seconds, rows,
    )  # fmt: skip


def no_small_group(report: Path) -> Proof:
    """Every column of a published table that counts people."""
    started, counts, faults = time.monotonic(), Counter({"large enough": 0}), []
    for file in sorted(report.glob("results/*/*.parquet")):
        table = pq.read_table(file)
        for column in counts_of_people(table):
            told = small_groups(table, column, MIN_CELL)
            counts["too small" if told else "large enough"] += 1
            faults += [f"{file.parent.name}/{file.stem}: {t}" for t in told]
    return Proof(
        "privacy: small groups",
        f"No published table counts 1 to {MIN_CELL - 1} people, nor is such a count a total less the groups shown.",
        sum(counts.values()), "columns", dict(counts), faults, time.monotonic() - started,
    )  # fmt: skip


def counts_of_people(table: pa.Table) -> list[str]:
    """The columns whose numbers are people, by their name or unit; all their numbers are whole."""
    found = []
    for field, column in zip(table.schema, table.columns, strict=True):
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        named = PEOPLE.fullmatch(field.name) or PEOPLE.fullmatch(unit)
        if not named or field.name in NOT_COUNTED or not _numbers(field.type):
            continue
        if all(float(v).is_integer() for v in column.to_pylist() if v is not None):
            found.append(field.name)
    return found


def _numbers(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def small_groups(table: pa.Table, column: str, min_cell: int) -> list[str]:
    """What a column tells of fewer than `min_cell` people: outright, or as a total less all other rows.

    >>> t = pa.table({"tier": ["a", "b", "all"], "users": [30, None, 33]})
    >>> small_groups(t, "users", 10)
    ['users: all less the groups shown is 3']
    """
    numbers = table[column].to_pylist()
    told = [f"{column}: {n:g}" for n in numbers if n is not None and 0 < n < min_cell]
    for name in [f.name for f in table.schema if pa.types.is_string(f.type)]:
        labels = [str(v).strip().lower() for v in table[name].to_pylist()]
        for total in sorted(set(labels) & TOTALS):
            if labels.count(total) == 1 and numbers[labels.index(total)] is not None:
                whole = numbers[labels.index(total)]
                left = whole - sum(n for n, label in zip(numbers, labels, strict=True) if n and label != total)
                told += [f"{column}: {total} less the groups shown is {left:g}"] if 0 < left < min_cell else []
    return told
