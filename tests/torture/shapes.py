"""Degenerate shops through all notebooks: each finishes or refuses, and no page shows a number that is none."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from helpers.simulate.settings import ShopSettings
from helpers.simulate.shop import make_shop
from helpers.study import ROOT
from helpers.tables import NEEDS
from tests.torture.degenerate import SHAPES, Tables, shape_of
from tests.torture.proof import Proof

USERS = 120
WINDOW = {"start": "2017-06-19", "end": "2017-12-17"}
ALL = 2400
"""From this size on every shape meets every notebook; below it some that the seed draws."""
ENDS = ("rendered", "refused", "skipped")
NO_NUMBER = re.compile(r"(?<![\w.])(?<!\w-)(?:nan|inf|NaN|NaT|<NA>|Infinity)(?![\w-])(?! of\b)|Traceback")
NO_CELL = re.compile(r"(?:^|,)(?:nan|-?inf|NaN|NaT|None|<NA>)(?:,|$)", flags=re.M)


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """Does every notebook finish or refuse on every shape, and do the pages show numbers only?"""
    shapes, notebooks = drawn(size, seed)
    make_shop(folder / "shop", ShopSettings(users=USERS, dirt=False, seed=seed))
    shop = read_shop(folder / "shop")
    trials = [trial(shape, shop, notebooks, folder, least=least(shape, seed)) for shape in shapes]
    return [ended(trials), pages(trials)]


def drawn(size: int, seed: int) -> tuple[list[str], list[str]]:
    """Shapes and notebooks to try: all of them, or as many of each as the size allows."""
    draw, part = random.Random(seed), min(1.0, size / ALL)
    shapes = draw.sample(sorted(SHAPES), max(2, round(part * len(SHAPES))))
    notebooks = draw.sample(sorted(NEEDS), max(2, round(part * len(NEEDS))))
    return sorted(shapes), sorted(notebooks)


def least(shape: str, seed: int) -> int:
    """The smallest group that is shown: 1 or 10, the other one under the next seed."""
    return (1, 10)[(sorted(SHAPES).index(shape) + seed) % 2]


def read_shop(folder: Path) -> Tables:
    """The tables of a shop as they are written: every cell a text."""
    return {f.stem: pd.read_csv(f, dtype=str, keep_default_na=False) for f in sorted(folder.glob("*.csv"))}


def write_study(shape: str, shop: Tables, folder: Path, *, least: int) -> Path:
    """The shop in a degenerate shape as CSV files; its study file."""
    name = re.sub(r"\W+", "-", shape)
    place = folder / name
    place.mkdir()
    tables, window = shape_of(shape, shop)
    inputs: dict[str, Any] = {}
    for table, rows in tables.items():
        rows.to_csv(place / f"{table}.csv", index=False, lineterminator="\n")
        inputs[table] = {"path": f"{table}.csv"}
        inputs[table] |= {"ids": {"campaign_id": "text"}} if "campaign_id" in rows else {}
    study = {"name": name, "title": shape, "window": WINDOW | window, "privacy": {"min_cell": least}, "tables": inputs}
    file = place / f"{name}.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return file


def trial(shape: str, shop: Tables, notebooks: list[str], folder: Path, *, least: int) -> dict[str, Any]:
    """The report of one shape: how each notebook ended, and what its page shows that is no number."""
    started = time.monotonic()
    study = write_study(shape, shop, folder, least=least)
    given = ["--only", ",".join(notebooks), "--jobs", "2", "--output", str(folder / "reports")]
    command = [sys.executable, "-m", "helpers", "reports", str(study), *given]
    environment = os.environ | {"SMN_CACHE": str(study.parent / "cache")}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    report = folder / "reports" / study.stem
    if (report / "run.json").is_file():
        entries = json.loads((report / "run.json").read_text(encoding="utf-8"))["notebooks"]
    else:
        entries = [at_the_door(name, ran.stdout + ran.stderr) for name in notebooks]
    odd = [f"{shape} × {place}" for place in odd_files(report)]
    shown = len(list(report.glob("**/*.html")))
    return {
        "shape": shape, "least": least, "entries": entries, "odd": odd, "pages": shown,
        "seconds": time.monotonic() - started,
    }  # fmt: skip


def at_the_door(name: str, said: str) -> dict[str, str]:
    """A notebook's end where the data were refused before any notebook began."""
    told = said.strip().splitlines()[-1:] or ["nothing was said"]
    return {"name": name, "status": "failed" if "Traceback" in said else "refused", "reason": told[0]}


def odd_files(report: Path) -> list[str]:
    """Pages and tables of a report that show no numbers: the file, and the words around the first one."""
    found = []
    for file in sorted(report.glob("**/*.html")):
        found += [f"{file.name}: {told}" for told in odd_words(file.read_text(encoding="utf-8"))[:1]]
    for file in sorted(report.glob("**/*.csv")):
        bad = NO_CELL.search(file.read_text(encoding="utf-8"))
        found += [f"{file.parent.name}/{file.name}: {bad[0]!r}"] if bad else []
    return found


def odd_words(page: str) -> list[str]:
    """Shown values that are no numbers, each with its surroundings.

    >>> odd_words("<p>nan % of 3</p><td>None</td><pre>x = None</pre><i>none</i>")
    ['nan % of 3', 'None']
    """
    seen = _Seen()
    seen.feed(page)
    seen.close()
    return [text.strip()[:120] for text in seen.texts if text.strip() in ("None", "<NA>") or NO_NUMBER.search(text)]


class _Seen(HTMLParser):
    """What a reader of a page sees or hears: its texts and alt texts, without code."""

    NOT_SEEN = ("script", "style", "code")
    HEARD = ("alt", "aria-label", "title")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.code: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag in self.NOT_SEEN or (tag == "pre" and known.get("class") != "plain"):
            self.code.append(tag)
        self.texts += [known[name] for name in self.HEARD if name in known]

    def handle_endtag(self, tag: str) -> None:
        if self.code and self.code[-1] == tag:
            self.code.pop()

    def handle_data(self, data: str) -> None:
        if not self.code:
            self.texts.append(data)


def ended(trials: list[dict[str, Any]]) -> Proof:
    """How the notebooks ended."""
    entries = [(t, e) for t in trials for e in t["entries"]]
    faults = [f"{t['shape']} × {e['name']}: {e.get('reason', '')}" for t, e in entries if e["status"] not in ENDS]
    return Proof(
        "degenerate data: notebooks",
        "On data of a degenerate shape a notebook finishes, or refuses with a reason.",
        len(entries), "shapes × notebooks", dict(Counter(e["status"] for _, e in entries)), faults,
        sum(t["seconds"] for t in trials), [row(t) for t in trials],
    )  # fmt: skip


def row(trial: dict[str, Any]) -> dict[str, Any]:
    """One shape: how its notebooks ended."""
    counts = Counter(e["status"] for e in trial["entries"])
    return {
        "shape": trial["shape"], "smallest group shown": trial["least"],
        **{end: counts[end] for end in (*ENDS, "failed")},
    }  # fmt: skip


def pages(trials: list[dict[str, Any]]) -> Proof:
    """What the pages and tables show."""
    faults = [told for t in trials for told in t["odd"]]
    shown = sum(t["pages"] for t in trials)
    odd = len({told.split(": ")[0] for told in faults if ".html" in told})
    return Proof(
        "degenerate data: pages",
        "No page and no result table shows NaN, an infinite number, None or a traceback.",
        shown, "pages", {"numbers only": shown - odd, "with others": odd}, faults,
    )  # fmt: skip
