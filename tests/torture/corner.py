"""A project of its own for the fault proofs: a copy of the code, a small shop, two short notebooks."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.report.cells import code, document, markdown

ROOT = Path(__file__).resolve().parents[2]
FILES = ("GLOSSARY.md", "REFERENCES.md", "requirements.txt", "pyproject.toml")
START = 1_497_888_000
STUDY = """\
name: corner
title: The corner shop
window: {start: 2017-06-19, end: 2017-07-02}
tables:
  events: {path: ../corner/events.csv}
"""
PARAMETERS = """\
study_file: str = "demo"  # a study
fate: str = "none"  # how it ends, none | exit | kill | sleep | memory"""
FATES = """\
if fate == "exit":
    os._exit(3)
if fate == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
if fate == "sleep":
    time.sleep(60)
if fate == "memory":
    np.ones(1 << 33)"""
TIMES = re.compile(rb'\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\dZ| UTC)|"seconds": [\d.]+')


def notebooks() -> dict[str, dict]:
    """One notebook that opens the study, saves a table, labels categories and draws, and one that does little."""
    opened = [
        code("import os, signal, time\nimport numpy as np\nfrom helpers import charts\n"
             "from helpers.notebook import open_study"),
        code("study = open_study(study_file, '20_traffic')\nstudy"),
        code(FATES),
        code("n = study.events.count()\nkinds = study.events.group_by('category_id').agg(n=n)\n"
             "kinds = kinds.order_by('category_id').execute()\n"
             "kinds['category_id'] = study.category_labels(kinds['category_id'])"),
        code("study.findings.table('kinds', kinds, 'Events a category')"),
        code("charts.bars(kinds, x='category_id', y='n', title='Events', x_label='category', y_label='events')"),
        code("study.findings.add('events', int(kinds['n'].sum()), unit='events', text='{value:,.0f} events')"),
    ]  # fmt: skip
    little = [
        code("from helpers.findings import Findings"),
        code("Findings('21_funnel').add('two', 2, unit='steps', text='{value:.0f} steps')"),
    ]
    return {"20_traffic": _document("20", opened), "21_funnel": _document("21", little)}


def _document(number: str, cells: list[dict]) -> dict:
    return document(
        markdown(f"# {number} · Trial: does it last?\n\nYou will learn."), code(PARAMETERS, "parameters"), *cells
    )


def log(users: int, *, seed: int) -> str:
    """A log of 20 events a user."""
    draw = random.Random(seed)
    kinds = ("pv", "pv", "pv", "cart", "fav", "buy")
    rows = [
        f"{u},{10 + draw.randrange(50)},{1 + draw.randrange(5)},{draw.choice(kinds)},{START + draw.randrange(950_000)}"
        for u in range(1, users + 1)
        for _ in range(20)
    ]
    return "\n".join(["user_id,item_id,category_id,behavior,timestamp", *rows]) + "\n"


class Corner:
    """The copy with its shop; data A and B, and what undisturbed runs on them leave behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.kept, self.tmp, self.home = (folder / n for n in ("project", "kept", "tmp", "home"))
        for made in (self.tree, self.kept, self.tmp, self.home):
            made.mkdir(parents=True)
        shutil.copytree(ROOT / "helpers", self.tree / "helpers")
        for name in FILES:
            shutil.copy2(ROOT / name, self.tree)
        for part in ("notebooks", "data/studies", "data/corner"):
            (self.tree / part).mkdir(parents=True)
        for name, content in notebooks().items():
            (self.tree / "notebooks" / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
        self.study = self.tree / "data" / "studies" / "corner.yaml"
        self.study.write_text(STUDY, encoding="utf-8")
        self.cache, self.reports = self.tree / "data" / "cache", self.tree / "reports"
        self.events = self.tree / "data" / "corner" / "events.csv"
        self.host = Host(self)
        self.old: dict[str, bytes] = {}
        self.new: dict[str, bytes] = {}
        self.lasts: dict[str, float] = {}
        self.clean: set[str] = set()
        self.again: Callable[[], None] = lambda: None

    def data(self, which: str) -> None:
        """Put the data A or B in place."""
        self.events.write_text(log(200, seed=1) if which == "A" else log(210, seed=2), encoding="utf-8")

    def keep(self, name: str) -> None:
        """Keep cache and reports under a name."""
        for part in (self.cache, self.reports):
            shutil.copytree(part, self.kept / name / part.name)

    def restore(self, name: str) -> None:
        """Cache and reports as they were kept; nothing else is left of earlier runs."""
        for part in (self.cache, self.reports):
            empty(part)
            shutil.copytree(self.kept / name / part.name, part, dirs_exist_ok=True)
        empty(self.tmp)

    def published(self, folder: Path | None = None) -> dict[str, bytes]:
        """The files of the report, with every moment and duration made equal."""
        folder = (folder or self.reports) / "corner"
        files = [f for f in folder.rglob("*") if f.is_file()]
        return {str(f.relative_to(folder)): TIMES.sub(b"TIME", f.read_bytes()) for f in files}

    def paths(self) -> set[str]:
        """Every file and folder in cache, reports, the folder for temporary files and the home."""
        parts = (self.cache, self.reports, self.tmp, self.home)
        found = {str(f.relative_to(self.folder)) for part in parts for f in part.rglob("*")}
        return {re.sub(r"/(kernel|fontlist)-[^/]*$", r"/\1", f) if "/.cache/" in f else f for f in found}

    def differs(self, told: dict[str, Any]) -> list[str]:
        """What is not as after an undisturbed run of B: the end, the report, what is left in all folders."""
        found = [] if told["status"] == 0 else [f"the run ended with {told['status']}: {told['said'][-300:]!r}"]
        now, paths = self.published(), self.paths()
        found += [f"its {n} differs" for n in sorted(now.keys() | self.new.keys()) if now.get(n) != self.new.get(n)]
        found += [f"{p} is left" for p in sorted(paths - self.clean)]
        return found + [f"{p} is missing" for p in sorted(self.clean - paths)]

    def half_files(self) -> list[str]:
        """Files under a final name in the cache that cannot be read to their end."""
        return [str(f.relative_to(self.cache)) for f in self.cache.rglob("*") if _final(f) and not _whole(f)]


def empty(folder: Path) -> None:
    """Take away what a folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()


def _final(file: Path) -> bool:
    return file.is_file() and not any(p.startswith(".") for p in file.parts) and file.suffix != ".tmp"


def _whole(file: Path) -> bool:
    if file.suffix in (".json", ".ipynb"):
        try:
            return json.loads(file.read_text(encoding="utf-8")) is not None
        except ValueError:
            return False
    if file.suffix == ".parquet":
        return file.read_bytes()[-4:] == b"PAR1"
    return file.suffix != ".csv" or file.read_bytes().endswith(b"\n")


class Host:
    """The process in which runs are forked, so that a run does not import everything anew; see forks.py."""

    def __init__(self, corner: Corner) -> None:
        self.corner, self.process = corner, None

    def __enter__(self) -> Host:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SMN_", "JPY_"))}
        environment |= {"SMN_TORTURE": str(self.corner.folder), "TMPDIR": str(self.corner.tmp)}
        environment |= {"HOME": str(self.corner.home), "JUPYTER_RUNTIME_DIR": str(self.corner.home / "runtime")}
        command = [sys.executable, "-P", str(Path(__file__).with_name("forks.py"))]
        self.process = subprocess.Popen(
            command, cwd=self.corner.tree, env=environment, stdin=-1, stdout=-1, stderr=None, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def __call__(self, *arguments: str, **how: Any) -> dict[str, Any]:
        """Run a command; what it said, how it ended, and which of its processes are left."""
        self.process.stdin.write(json.dumps({"arguments": list(arguments), **how}) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("the host of the runs has ended")
        return json.loads(answer)
