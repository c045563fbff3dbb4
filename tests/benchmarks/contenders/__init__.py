"""The same results computed in four ways: python -m tests.benchmarks.contenders.NAME FOLDER OUT.

The core set, all in whole numbers, so that the ways can be compared exactly:

- `days`: day, page views, users, visits that begin on it (a pause of more than 30 minutes ends a visit);
- `week`: weekday (0 Monday), hour, page views;
- `funnel`: step, users who came so far: view, then cart or favourite, then purchase, in order and within 24 hours;
- `retention`: n, users whose n-th day after the first lies in the window, those of them who are there on that day;
- `rfm`: days since the last purchase, days with a purchase, users, purchases;
- `items`, `categories`: the twenty with most page views (of equal ones the smaller id), page views, purchases, users.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ZONE, ZONE_SECONDS = "Asia/Shanghai", 8 * 3600
FIRST_DAY, LAST_DAY = "2017-06-19", "2017-12-17"
START = 1_497_801_600
END = START + 182 * 86_400 - 1
PAUSE, WINDOW, LONGEST, TOP = 30 * 60, 24 * 3600, 28, 20


def run(clean: Callable, results: dict[str, Callable]) -> None:
    """Clean the log of the folder named first on the command line, compute all results, write them and the times."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    seconds, found = {}, {}
    log = _timed("clean", seconds, lambda: clean(folder))
    for name, compute in results.items():
        found[name] = _timed(name, seconds, lambda compute=compute: compute(log))
    results = {name: plain(rows) for name, rows in found.items()}
    out.write_text(json.dumps({"results": results, "seconds": seconds}), encoding="utf-8")


def _timed(name: str, seconds: dict[str, float], work: Callable):
    started, wall = time.process_time(), time.perf_counter()
    done = work()
    seconds[name] = [round(time.process_time() - started, 3), round(time.perf_counter() - wall, 3)]
    return done


def plain(rows: Iterable) -> list[list]:
    """Rows of whole numbers and words as plain Python."""
    return [[v if isinstance(v, str) else int(v) for v in row] for row in rows]
