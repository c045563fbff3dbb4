"""Flipped bits, cut, swapped and edited files in the cache: found, or refused, and never used in silence."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from pathlib import Path

from tests.torture.corner import Corner
from tests.torture.proof import Proof


def bits(corner: Corner, *, seed: int, trials: int) -> Proof:
    """`trials` flipped bits, and a tenth as many cut, swapped and edited files each."""
    started = time.monotonic()
    corner.restore("B")
    corner.data("B")
    inside = {"file": str(Path(__file__).with_name("damage.py")), "given": {"seed": seed, "trials": trials}}
    told = corner.host(inside=inside)
    rows = [json.loads(line) for line in told["said"].splitlines() if line.startswith("{")]
    good = ("made anew", "refused")
    bad = [r for r in rows if r["outcome"] not in good]
    faults = [f"{r['way']} in {r['file']} (trial {r['trial']}): {r['outcome']}" for r in bad]
    if told["status"]:
        faults.append(f"it ended with {told['status']}: {told['said'][-500:]}")
    table: dict[tuple, Counter] = defaultdict(Counter)
    for row in rows:
        table[row["way"], row["file"]][row["outcome"] if row["outcome"] in good else "in silence"] += 1
    return Proof(
        "faults: damage in the cache",
        "Whatever is changed in a file that the cache keeps, the next run finds it and makes that part anew, or "
        "refuses it with a message; nothing is used in silence.",
        len(rows),
        "damaged files",
        dict(Counter(r["outcome"] if r["outcome"] in good else "used in silence" for r in rows)),
        faults,
        time.monotonic() - started,
        [
            {"way": way, "file": file, **{k: c[k] for k in (*good, "in silence")}}
            for (way, file), c in sorted(table.items())
        ],
    )
