"""The messages that docs/troubleshooting.md quotes, each made by the program itself."""

from __future__ import annotations

import errno
import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import run
from helpers import study as study_module
from helpers.__main__ import _disk
from helpers.intake import ingest_all
from helpers.report import check, failure, kernels, publish
from helpers.report.build import make_plans
from helpers.report.compare import compare
from helpers.study import load_study

HEADER = "user_id,item_id,category_id,behavior,timestamp"
ROW = "1,2,3,pv,1511571600"
STUDY = """\
name: shop
title: My shop
window: {start: 2017-11-25, end: 2017-12-03}
tables:
  events: {path: log.csv}
"""


class Case:
    """What a message needs: a folder with a study file and a log, and the program's parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str = STUDY) -> Path:
        file = self.folder / "shop.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    def study(self, text: str) -> str:
        """What is said of a study file."""
        return self.said(lambda: load_study(self.write(text)))

    def log(self, content: str | bytes, events: str = "{path: log.csv}") -> str:
        """What intake says of a log."""
        raw = content if isinstance(content, bytes) else content.encode()
        name = "log.csv.gz" if "gz" in events else "log.csv"
        (self.folder / name).write_bytes(raw)
        study = load_study(self.write(STUDY.replace("{path: log.csv}", events)))
        return self.said(lambda: ingest_all(study))

    def new(self, *lines: str) -> str:
        """What `new` says of a log."""
        (self.folder / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.said(lambda: check.new_study(self.folder / "log.csv", name="shop", force=False, say=print))

    def plan(self, **options: object) -> str:
        """What `reports` says of its options."""
        study = load_study(self.write())
        return self.said(lambda: make_plans(study, **options))

    def busy(self) -> str:
        """What a second run says while a first one works."""
        lock = self.folder / "reports.lock"
        with publish.one_at_a_time(lock, "shop"):
            return self.said(lambda: publish.one_at_a_time(lock, "shop").__enter__())

    def said(self, call: Callable[[], object]) -> str:
        with pytest.raises((ValueError, RuntimeError, run.SetUpError)) as raised:
            call()
        return str(raised.value)


def gone(number: int) -> str:
    return _disk(OSError(number, "", "report.html"))


def full_cache(folder: Path) -> str:
    """What is said where a kernel died because the disk is full."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
        return kernels._full_disk(folder)[0]


def set_up(said: str) -> str:
    return run.explain(said)


MESSAGES: dict[str, Callable[[Case], str]] = {
    "old Python": lambda c: c.said(lambda: run.check_python((3, 9))),
    "no venv": lambda c: c.said(lambda: run.check_modules(find=lambda _: None)),
    "no room": lambda c: set_up("ENOSPC"),
    "no network": lambda c: set_up("ConnectionError"),
    "no package": lambda c: set_up("No matching distribution"),
    "no such study": lambda c: c.said(lambda: study_module.find_study("demmo")),
    "unknown key": lambda c: c.study(STUDY.replace("tables:", "tabels:")),
    "missing key": lambda c: c.study(STUDY.replace("title: My shop\n", "")),
    "unknown zone": lambda c: c.study(STUDY + "time_zone: Asia/Bejing\n"),
    "window turned round": lambda c: c.study(STUDY.replace("2017-12-03", "2016-12-03")),
    "column not mapped": lambda c: c.study(STUDY.replace("log.csv", "log.csv, columns: {user_id: uid}")),
    "no positions": lambda c: c.study(STUDY.replace("log.csv", "log.csv, header: false")),
    "no such file": lambda c: c.log("", "{path: gone.csv}"),
    "empty": lambda c: c.log(""),
    "web page": lambda c: c.log("<!doctype html><title>Sign in</title>"),
    "a workbook": lambda c: c.log(b"PK\x03\x04" + bytes(range(200))),
    "UTF-16": lambda c: c.log((HEADER + "\n" + ROW).encode("utf-16")),
    "cut archive": lambda c: c.log(gzip.compress((ROW + "\n").encode() * 99)[:-9], "{path: log.csv.gz}"),
    "other header": lambda c: c.log("user,item_id,category_id,behavior,timestamp\n" + ROW),
    "semicolons": lambda c: c.log((HEADER + "\n" + ROW).replace(",", ";")),
    "no header": lambda c: c.log(ROW + "\n" + ROW + "\n"),
    "a header": lambda c: c.log(
        HEADER + "\n" + ROW,
        "{path: log.csv, header: false, columns: {user_id: 1, item_id: 2, category_id: 3, behavior: 4, timestamp: 5}}",
    ),
    "not Parquet": lambda c: c.log(HEADER + "\n" + ROW, "{path: log.csv, format: parquet}"),
    "URL": lambda c: c.log("", "{path: 'https://example.org/log.csv'}"),
    "too few columns": lambda c: c.new("user,item,time", "1,2,1511571600"),
    "codes": lambda c: c.new(HEADER, *(f"{i},2,3,{i % 9 + 20},1511571600" for i in range(9))),
    "local times": lambda c: c.new(HEADER, *["1,2,3,pv,2017-11-25 09:00"] * 9),
    "out of range": lambda c: c.plan(sets=["21.window_hours=0"]),
    "no such parameter": lambda c: c.plan(sets=["21.window_days=2"]),
    "no such notebook": lambda c: c.plan(only="99"),
    "not among those": lambda c: c.plan(only="20", sets=["21.window_hours=48"]),
    "busy": Case.busy,
    "no report": lambda c: c.said(lambda: compare("nosuch", "nosuch")),
    "memory": lambda c: failure.died()[0],
    "memory of the engine": lambda c: failure.of_error("MemoryError", "")[0],
    "no room for a run": lambda c: full_cache(c.folder),
    "too long": lambda c: failure.timed_out(1800)[0],
    "error": lambda c: failure.of_error("KeyError", "'price'")[0],
    "value": lambda c: failure.of_error("ValueError", "min_support = 2: take a share from 0 to 1")[0],
    "disk full": lambda c: gone(errno.ENOSPC),
    "no permission": lambda c: gone(errno.EACCES),
    "read-only": lambda c: gone(errno.EROFS),
}
