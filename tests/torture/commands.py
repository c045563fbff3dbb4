"""Kills during the other commands: simulate, workbook, compare."""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections import Counter
from pathlib import Path

from tests.torture.corner import TIMES, Corner, empty
from tests.torture.proof import Proof

COMMANDS = {
    "workbook": ("workbook",),
    "compare": ("compare", "../kept/A/reports/corner", "corner"),
    "simulate": ("simulate", "--users", "300", "--weeks", "4", "--no-dirt", "--output", "reports/shop"),
}
"""All of them write below `reports`."""


def whole_or_none(corner: Corner, draw: random.Random, *, trials: int) -> Proof:
    """Kill each command at random moments, in turn over nothing and over an older result; then run it again."""
    started, faults, outcomes, rows = time.monotonic(), [], Counter(), []
    for name, arguments in COMMANDS.items():
        corner.restore("B")
        lasts = corner.host(*arguments)["seconds"]
        shutil.copytree(corner.reports, corner.folder / name)
        row = Counter()
        for number in range(trials):
            after = draw.random() * lasts
            killed, found = one(corner, arguments, corner.folder / name, after=after, over=bool(number % 2))
            row["killed" if killed else "ended before the kill"] += 1
            outcomes["fault" if found else "rerun equal"] += 1
            faults += [f"{name}, killed after {after:.3f} s: {f}" for f in found]
        rows.append({"command": name, **{k: row[k] for k in ("killed", "ended before the kill")}})
    return Proof(
        "faults: kill -9 in the other commands",
        "A killed simulate, workbook or compare leaves every file as it was or whole; the next run gives what an "
        "undisturbed one gives, and sweeps away what was left.",
        sum(outcomes.values()),
        "runs",
        dict(outcomes),
        faults,
        time.monotonic() - started,
        rows,
    )


def one(corner: Corner, arguments: tuple[str, ...], good: Path, *, after: float, over: bool) -> tuple[bool, list[str]]:
    """One kill and the run after it: was it killed, and what is not as it should be."""
    corner.restore("B")
    if over:
        empty(corner.reports)
        shutil.copytree(good, corner.reports, dirs_exist_ok=True)
    told = corner.host(*arguments, kill={"phase": "start", "after": after, "whom": "group"})
    whole, now = files(good), files(corner.reports)
    found = [f"{n} is not whole" for n in now if not n.startswith(".") and "/." not in n and now[n] != whole.get(n)]
    found += [f"the process is still there: {p}" for p in told["left"]]
    again = corner.host(*arguments)
    found += [] if again["status"] == 0 else [f"the rerun ended with {again['status']}: {again['said'][-200:]!r}"]
    now = files(corner.reports)
    found += [f"after the rerun {n} differs" for n in sorted(now.keys() | whole.keys()) if now.get(n) != whole.get(n)]
    return bool(told["killed_in"]), found


def files(folder: Path) -> dict[str, bytes]:
    """Every file with the sha256 of its content, but for moments and durations."""
    found = [f for f in folder.rglob("*") if f.is_file()]
    return {str(f.relative_to(folder)): hashlib.sha256(TIMES.sub(b"", f.read_bytes())).digest() for f in found}
