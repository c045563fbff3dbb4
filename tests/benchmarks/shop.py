"""The log that is measured: the demo shop at any size, with doubled rows and moments outside the window at its end.

The lines are well formed, so that every contender can read them in its usual way. What a loader does with broken ones
is the matter of `run.py torture`.
"""

from __future__ import annotations

import shutil
import sys
from itertools import islice
from pathlib import Path

import yaml

from helpers.simulate.settings import DAY, START, ShopSettings
from helpers.simulate.shop import make_shop
from helpers.study import load_study

TABLES = ("events", "orders", "items", "users", "touchpoints")
STUDY, CORE = "bench", "core"
OUTSIDE = 20
"""Rows with a moment outside the study's window."""
DOUBLED = 1000
"""Of so many rows one is written twice."""


def make_log(folder: Path, *, events: int, seed: int = 20_171_111) -> Path:
    """Write the shop and its study file; a folder that holds them already is taken as it is.

    Parameters
    ----------
    folder : Path
        Gets the tables and the study files `bench.yaml` (all of `TABLES`) and `core.yaml` (the events).
    events : int
        Wished number of events, 10,000 or more; the shop comes within some per cent of it.
    seed : int
        Start of the random numbers.

    Returns
    -------
    Path
        The study file.
    """
    file = folder / f"{STUDY}.yaml"
    if file.is_file():
        return file
    settings = ShopSettings(events=events, seed=seed, dirt=False)
    make_shop(folder, settings)
    shutil.rmtree(folder / "truth")
    _soil(folder / "events.csv", rows=events)
    demo = load_study("demo")
    window = {"start": demo.window.start, "end": demo.window.end}
    study = {"title": "Benchmark", "currency": demo.currency, "time_zone": demo.time_zone, "window": window}
    for name, tables in ((CORE, ("events",)), (STUDY, TABLES)):
        own = study | {"name": name, "tables": {t: {"path": f"{t}.csv"} for t in tables}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    return file


def _soil(log: Path, *, rows: int) -> None:
    """Append doubles of rows from the start of the file, and rows before and after the window."""
    with log.open("rb") as lines:
        next(lines)
        first = list(islice(lines, max(OUTSIDE, rows // DOUBLED)))
    moments = [START - DAY, START + 400 * DAY]
    outside = [b",".join([*line.split(b",")[:4], b"%d\n" % moments[i % 2]]) for i, line in enumerate(first[:OUTSIDE])]
    with log.open("ab") as lines:
        lines.writelines([*first, *outside])


if __name__ == "__main__":
    make_log(Path(sys.argv[1]), events=int(sys.argv[2]))
