"""Broken files at the data door: nothing may come in wrong, nothing may get lost without a word."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.intake.judge import GOOD, Verdict, judge
from tests.intake.judge_parquet import judge_parquet
from tests.intake.large_logs import PARQUET, WAYS, Large, judge_large, judge_large_parquet
from tests.torture.proof import Proof

PROMISE = (
    "Whatever is wrong with {}: every row that is taken stands in it, every line is accounted for, "
    "every other line is in the ledger, or the file is refused by name. "
    "Nothing is silently wrong, silently empty or lost; nothing crashes."
)
FULL = 10_000
"""From so many files on the large ones have a million rows."""


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """`size` broken text files, a fifth as many Parquet files, and large files."""
    start, parquet = seed * 10_000_000, max(60, size // 5)
    rows = 1_000_000 if size >= FULL else max(5_000, 50 * size)
    large = Large(rows, seed)
    names = list(WAYS) if size >= FULL else random.Random(seed).sample(list(WAYS), 6)
    return [
        _proof("intake: text files", "a text file", "files", (judge(start + i, folder) for i in range(size))),
        _proof(
            "intake: Parquet files",
            "a Parquet file",
            "files",
            (judge_parquet(start + i, folder) for i in range(parquet)),
        ),
        _proof(
            "intake: large files",
            f"the quotes or the long lines of a file of {rows:,} rows",
            "files",
            (judge_large(name, large, folder) for name in names),
        ),
        _proof(
            "intake: large Parquet files",
            f"the row groups of a Parquet file of {rows:,} rows",
            "files",
            (judge_large_parquet(name, large, folder) for name in PARQUET),
        ),
    ]


def _proof(name: str, what: str, unit: str, verdicts: Iterable[Verdict]) -> Proof:
    started = time.monotonic()
    counts: dict[str, Counter] = defaultdict(Counter)
    faults = []
    for each in verdicts:
        counts[each.operator][each.outcome] += 1
        faults += [f"{each.outcome}: {each.fault}"] if each.outcome not in GOOD else []
    total = sum(counts.values(), Counter())
    classes = [*GOOD, *sorted(set(total) - set(GOOD))]
    details = [
        {"how it was broken": operator.replace("_", " ")} | {c: counts[operator][c] for c in classes}
        for operator in sorted(counts)
    ]
    return Proof(
        name=name,
        promise=PROMISE.format(what),
        tried=sum(total.values()),
        unit=unit,
        outcomes={c: total[c] for c in classes},
        faults=faults,
        seconds=time.monotonic() - started,
        details=details,
    )
