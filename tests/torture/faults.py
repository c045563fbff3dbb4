"""Power cuts, full disks, closed folders, dying kernels, flipped bits: nothing is lost, nothing is silently wrong."""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.torture.bits import bits
from tests.torture.commands import whole_or_none
from tests.torture.corner import Corner
from tests.torture.proof import NotRun, Proof
from tests.torture.surroundings import surroundings, two_at_once

PHASES = ("intake", "kernels", "export", "index", "publish")
KILLED = {"main": "the main process alone", "group": "its process group", "all": "every process at once"}


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """Kills, faults of the surroundings, damage to the cache.

    `size` 20,000 stands for the whole proof: 200 kills and 300 flipped bits.
    """
    if not sys.platform.startswith("linux"):
        raise NotRun("processes are forked and looked for as on Linux")
    corner, draw = Corner(folder / "faults"), random.Random(seed)
    with corner.host:
        reference(corner)
        return [
            kills(corner, draw, trials=max(5, min(200, size // 100))),
            surroundings(corner, draw, trials=max(5, size // 250)),
            two_at_once(corner, gaps=[draw.uniform(0, sum(corner.lasts.values())) for _ in range(1 + size // 5000)]),
            bits(corner, seed=seed, trials=max(12, min(300, size // 60))),
            whole_or_none(corner, draw, trials=max(1, min(12, size // 1500))),
        ]


def reference(corner: Corner) -> None:
    """Undisturbed runs: A on an empty folder, then B after A."""
    for which in ("A", "B"):
        corner.data(which)
        told = corner.host("reports", "corner")
        if told["status"]:
            raise RuntimeError(f"the undisturbed run failed: {told['said'].splitlines()[-1]}")
        corner.keep(which)
        corner.lasts = lasts(told["marks"], told["seconds"])
        corner.clean = corner.paths()
    corner.old, corner.new = (corner.published(corner.kept / which / "reports") for which in ("A", "B"))


def lasts(marks: dict[str, float], end: float) -> dict[str, float]:
    """How long each phase took."""
    names = [p for p in PHASES if p in marks]
    return {p: after - marks[p] for p, after in zip(names, [*(marks[n] for n in names[1:]), end], strict=True)}


# --- kills ----------------------------------------------------------------------------------------------------------


@dataclass
class Kills:
    """What came out of all kills."""

    rows: dict[str, Counter] = field(default_factory=lambda: {p: Counter() for p in ("start", *PHASES)})
    outcomes: Counter = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def kills(corner: Corner, draw: random.Random, *, trials: int) -> Proof:
    """Kill a run at a random moment of each phase in turn; look at what is there; run again and compare."""
    started, found = time.monotonic(), Kills()
    times = {p: [t] for p, t in corner.lasts.items()}
    while (done := sum(found.outcomes.values())) < trials:
        phase = PHASES[done % len(PHASES)]
        early = 3 if phase == "publish" else 1  # the files take their places in its first milliseconds
        after = draw.random() ** early * statistics.median(times[phase][-7:])
        kill = {"phase": phase, "after": after, "whom": draw.choice(list(KILLED))}
        whole = draw.random() < 0.05
        told = one_kill(corner, kill, whole=whole, found=found, number=done)
        for name, took in lasts(told["marks"], told["seconds"]).items() if not whole else ():
            if name != told["killed_in"]:
                times[name].append(took)
    rows = [{"killed in": p, "kills": sum(c[s] for s in BEFORE), **shown(c)} for p, c in found.rows.items()]
    return Proof(
        "faults: kill -9 while a report is made",
        "After a kill at any moment every published file is the old one or the whole new one, nothing blocks the next "
        "run, and the next run gives, byte for byte but for the times, the report of an undisturbed run.",
        trials,
        "kills",
        dict(found.outcomes),
        found.faults,
        time.monotonic() - started,
        rows,
    )


BEFORE = ("old report", "some files new", "new report")


def shown(counts: Counter) -> dict[str, int]:
    """One row of the table of phases."""
    return {name: counts[name] for name in (*BEFORE, "reruns equal")}


def one_kill(corner: Corner, kill: dict, *, whole: bool, found: Kills, number: int) -> dict[str, Any]:
    """Kill one run of B after A and judge; a run that ended before its kill is no trial."""
    corner.restore("A")
    corner.data("B")
    told = corner.host("reports", "corner", kill=kill, whole=whole)
    if not told["killed_in"]:
        return told
    now, faults = corner.published(), []
    mixed = [n for n in now.keys() | corner.old.keys() if now.get(n) not in (corner.old.get(n), corner.new.get(n))]
    faults += [f"{n} is neither the old nor the new file" for n in mixed]
    faults += [f"{n} is half a file" for n in corner.half_files()]
    faults += [f"the process is still there: {p}" for p in told["left"]]
    faults += corner.differs(corner.host("reports", "corner"))
    state = BEFORE[0] if now == corner.old else BEFORE[2] if now == corner.new else BEFORE[1]
    found.outcomes["rerun equal" if not faults else "fault"] += 1
    found.rows[told["killed_in"]][state] += 1
    found.rows[told["killed_in"]]["reruns equal"] += not faults
    place = f"kill {number}, {kill['after']:.3f} s into {kill['phase']}, {KILLED[kill['whom']]}"
    found.faults += [f"{place}: {fault}" for fault in faults]
    return told
