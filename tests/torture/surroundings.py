"""A world that fails around the run: full disks, closed folders, two runs at once, kernels that die or hang."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.torture.corner import Corner
from tests.torture.proof import Proof

PAGES = ("20_traffic.html", "results/20_traffic/kinds.csv", "results/20_traffic/kinds.parquet", "21_funnel.html")


@dataclass(frozen=True)
class Case:
    """One fault. `around` holds while the run goes on; `page` says that only one notebook fails, not the whole run."""

    name: str
    around: Callable[[Corner], Any]
    arguments: tuple[str, ...] = ("reports", "corner")
    how: dict[str, Any] = field(default_factory=dict)
    page: bool = False
    mounts: bool = False


@contextmanager
def calm(corner: Corner) -> Iterator[None]:
    """Nothing special."""
    yield


@contextmanager
def small_disk(corner: Corner, *, place: str, free: int) -> Iterator[None]:
    """One of the folders on a disk of its own with little room."""
    folder, kept = getattr(corner, place), corner.folder / "moved"
    shutil.copytree(folder, kept)
    mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", folder)
    try:
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        filler = folder / "filler"
        filler.write_bytes(b"\0" * max(0, room(folder) - free))
        yield
        filler.unlink()
        corner.again()
    finally:
        subprocess.run(["umount", folder], check=True)
        shutil.rmtree(kept)


@contextmanager
def read_only(corner: Corner, *, place: str) -> Iterator[None]:
    """One of the folders on a disk that cannot be written."""
    folder = getattr(corner, place)
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,ro,bind", folder)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
    corner.again()


@contextmanager
def closed(corner: Corner, *, place: str) -> Iterator[None]:
    """No right to write one of the folders, or to read one of the files."""
    shut = getattr(corner, place)
    paths = [p for p in (shut, *shut.rglob("*")) if p.is_dir()] if shut.is_dir() else [shut]
    for path in paths:
        path.chmod(0o500 if path.is_dir() else 0o000)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)
    corner.again()


def mount(*arguments: str | Path) -> None:
    """Mount, or say that this machine does not allow it."""
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Does this machine let us have disks of our own?"""
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        return False
    subprocess.run(["umount", folder], check=True)
    return True


def room(folder: Path) -> int:
    """Bytes that a disk still takes."""
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize


def cases() -> list[Case]:
    """All faults."""
    full = [
        Case(f"disk full: {place}, {free // 1024} KB free", partial(small_disk, place=place, free=free), mounts=True)
        for place, steps in {"cache": (0, 24, 56, 80, 110), "reports": (0, 40, 120)}.items()
        for free in (1024 * s for s in steps)
    ]
    shut = [Case(f"read-only: {place}", partial(read_only, place=place), mounts=True) for place in ("cache", "reports")]
    denied = [
        Case(f"no permission: {words}", partial(closed, place=place), how={"plain": True})
        for place, words in {"cache": "cache", "reports": "reports", "events": "input", "study": "study file"}.items()
    ]
    fate = {"exit": "the kernel ends itself", "kill": "the kernel is killed", "memory": "a cell asks for 64 GB"}
    dying = [
        Case(f"kernel: {words}", calm, ("reports", "corner", "--set", f"20.fate={how}"), page=True)
        for how, words in fate.items()
    ]
    limit = Case(
        "kernel: 64 GB wanted, 8 GB allowed", calm, ("reports", "corner", "--set", "20.fate=memory"),
        {"limits": {"AS": 8 << 30}}, page=True,
    )  # fmt: skip
    slow = Case(
        "kernel: a cell takes too long", calm, ("reports", "corner", "--timeout", "4", "--set", "20.fate=sleep"),
        page=True,
    )  # fmt: skip
    return [*full, *shut, *denied, *dying, limit, slow]


def surroundings(corner: Corner, draw: random.Random, *, trials: int) -> Proof:
    """Every fault once, or some: one clear message, the old report untouched, and all is well when it is gone."""
    started, rows, faults, outcomes = time.monotonic(), [], [], Counter()
    mounts = can_mount(corner.folder / "mount")
    for case in some(cases(), draw, trials):
        if case.mounts and not mounts:
            rows.append({"fault": case.name, "said": "not tried: this machine allows no mounts"})
            continue
        row, found = one_case(corner, case)
        rows.append(row)
        outcomes["clear message, old report kept" if not found else "fault"] += 1
        faults += [f"{case.name}: {f}" for f in found]
    return Proof(
        "faults: disk, rights, kernels, memory",
        "A full disk, a closed folder, a kernel that dies, hangs or wants too much: the run says in words what it is "
        "and what to do, the old report stays, and the next run makes the new one.",
        sum(outcomes.values()),
        "faults",
        dict(outcomes),
        faults,
        time.monotonic() - started,
        rows,
    )


def some(all_cases: list[Case], draw: random.Random, trials: int) -> list[Case]:
    """So many of the cases, in their order."""
    chosen = draw.sample(range(len(all_cases)), min(trials, len(all_cases)))
    return [all_cases[n] for n in sorted(chosen)]


def one_case(corner: Corner, case: Case) -> tuple[dict[str, Any], list[str]]:
    """Let one fault happen; what was said, and what was wrong."""
    corner.restore("A")
    corner.data("A" if case.page else "B")
    found: list[str] = []
    told: dict[str, Any] = {}
    corner.again = lambda: found.extend(corner.differs(corner.host("reports", "corner", **case.how)))
    with case.around(corner):
        told = corner.host(*case.arguments, **case.how)
        found += wrong(corner, case, told)
    if case.page:
        found += [] if corner.host("reports", "corner")["status"] == 0 else ["the next run failed"]
        found += [] if corner.published() == corner.old else ["the next report differs"]
    return {"fault": case.name, "said": message(told["said"])}, found


def wrong(corner: Corner, case: Case, told: dict[str, Any]) -> Iterator[str]:
    """What is not as promised after a fault."""
    lines = told["said"].splitlines() or [""]
    if told["status"] != 1 or not lines[-1].startswith("Error: "):
        yield f"it ended with {told['status']}, and its last line is: {lines[-1][:200]}"
    shown = [x for x in lines if not x.startswith("Open ")]
    if any("Traceback" in x or str(corner.folder) in x for x in shown):
        yield f"a traceback or a path was shown: {told['said'][-600:]!r}"
    now = corner.published()
    kept = PAGES if " failed; the page of an earlier run" in lines[-1] else corner.old
    if changed := [n for n in kept if now.get(n) != corner.old.get(n)]:
        yield f"the old report is not as it was: {sorted(changed)}"
    yield from (f"the process is still there: {p}" for p in told["left"])


def message(said: str) -> str:
    """What the user is told: the cause, the remedy, the end."""
    kept = [x.strip() for x in said.splitlines() if " failed " in x or "what to do" in x or x.startswith("Error: ")]
    return " | ".join(kept)


def two_at_once(corner: Corner, *, gaps: list[float]) -> Proof:
    """Two runs of one study, the second some seconds after the first."""
    started, faults, outcomes = time.monotonic(), [], Counter()
    for gap in gaps:
        corner.restore("A")
        corner.data("B")
        asked = ("reports", "corner")
        told = corner.host(*asked, second={"arguments": asked}, gap=gap)
        ends = [told["first"], told["second"]]
        busy = [t for t in ends if t["status"] == 1 and "Another run works on the study 'corner'" in t["said"]]
        good = [t for t in ends if t["status"] == 0]
        outcomes["the second is told" if busy else "both finish"] += 1
        if len(busy) + len(good) < 2 or not good:
            faults.append(f"{gap:.2f} s apart: {[t['said'][-300:] for t in ends]}")
        faults += [f"{gap:.2f} s apart: {f}" for f in corner.differs(good[0] if good else ends[0])]
    return Proof(
        "faults: two runs at once",
        "Of two runs of one study at a time the second finishes, too, or is told that the first works; the report is "
        "that of one run.",
        len(gaps),
        "pairs",
        dict(outcomes),
        faults,
        time.monotonic() - started,
    )
