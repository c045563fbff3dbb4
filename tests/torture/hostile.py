"""Hostile data: a shop whose every text tries to run or to load something, through all notebooks, in a browser."""

from __future__ import annotations

import ast
import csv
import html
import json
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from helpers.report.collection import all_notebooks
from helpers.report.parameters import ParameterError, merge, parse_sets
from helpers.study import ROOT, StudyError, check_name, find_study
from helpers.tables import NEEDS
from helpers.visible import visible
from tests.reports.browser import Browser, find_browser
from tests.torture.payloads import PAYLOADS, hostile_shop
from tests.torture.proof import NotRun, Proof

USERS = 400
FILES_A_NOTEBOOK = 100
"""At `--files 2400` all notebooks are run; with fewer, some that the seed draws."""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
RUNS_IN_A_SHEET = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
A_NUMBER = re.compile(r"[+-]?(\d[\d,]*)?(\.\d+)?([eE][+-]?\d+)?( ?%)?")

LIVE = """
(() => {
  for (const e of document.querySelectorAll("details")) e.open = true;
  for (const e of document.querySelectorAll("th button")) e.click();
  for (const e of document.querySelectorAll("a, input, summary, [tabindex]")) e.focus();
  const box = document.getElementById("search");
  if (box) { box.value = "<img src=x onerror=hit()>"; box.dispatchEvent(new Event("input")); }
  const found = [];
  for (const e of document.querySelectorAll("*")) {
    for (const a of e.attributes) {
      const flat = a.value.replace(/[\\s\\x00-\\x1f]/g, "").toLowerCase();
      if (/^on/.test(a.name)) found.push(`${e.tagName} has ${a.name}`);
      if (/^(javascript|vbscript):/.test(flat)) found.push(`${e.tagName} ${a.name}=${flat.slice(0, 40)}`);
      if (/(^|:)href$/.test(a.name) && /^data:/.test(flat) && e.tagName !== "image") found.push(`${e.tagName} data`);
    }
  }
  return found;
})()
"""


def prove(*, size: int, seed: int, folder: Path) -> list[Proof]:
    """Pages, slides and tables of a hostile shop; names and parameters that are code."""
    program = find_browser()
    if program is None:
        raise NotRun("no Chromium here: install one (Debian: sudo apt install chromium)")
    started = time.monotonic()
    chosen = some_notebooks(size, seed)
    report, executed, said = render(hostile_shop(folder, users=USERS, seed=seed), chosen, folder)
    entries = json.loads((report / "run.json").read_text(encoding="utf-8"))["notebooks"]
    with Browser(program) as browser:
        pages = in_browser(browser, report, executed, folder)
    return [
        finished(entries, report, said, time.monotonic() - started),
        *pages,
        safe_tables(report),
        inert_names(folder),
        inert_parameters(),
    ]


def some_notebooks(size: int, seed: int) -> list[str]:
    """All notebooks, or as many as the size allows."""
    wanted = min(len(NEEDS), max(2, size // FILES_A_NOTEBOOK))
    return sorted(random.Random(seed).sample(sorted(NEEDS), wanted))


def render(study: Path, notebooks: list[str], folder: Path) -> tuple[Path, list[Path], str]:
    """The report of a study with a cache of its own, the executed notebooks, and what the terminal was told."""
    given = ["--only", ",".join(notebooks), "--slides", "--output", str(folder / "reports")]
    environment = os.environ | {"SMN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "helpers", "reports", str(study), *given]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, encoding="utf-8")
    report = folder / "reports" / study.stem
    if not (report / "run.json").is_file():
        raise RuntimeError(f"no report was made: {(ran.stdout + ran.stderr)[-300:]!r}")
    return report, sorted((folder / "cache").glob("*/runs/*/executed.ipynb")), ran.stdout + ran.stderr


def finished(entries: list[dict], report: Path, said: str, seconds: float) -> Proof:
    """Did every notebook finish or refuse, and was the terminal told plain text only?"""
    texts = {e["name"]: html.unescape((report / f"{e['name']}.html").read_text(encoding="utf-8")) for e in entries}
    rows = [
        {"notebook": e["name"], "status": e["status"], "payloads on its page": shown(texts[e["name"]])} for e in entries
    ]
    faults = [f"{e['name']}: {e.get('reason', '')}" for e in entries if e["status"] not in ("rendered", "refused")]
    faults += [f"the terminal was told {c!r}" for c in sorted(set(re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", said)))]
    return Proof(
        "hostile data: notebooks",
        "A notebook finishes, or refuses with a reason, whatever the names in the data are.",
        len(entries), "notebooks", dict(Counter(e["status"] for e in entries)), faults, seconds, rows,
    )  # fmt: skip


def shown(page: str) -> int:
    """Payloads that can be read on a page, letter by letter."""
    return sum(visible(text).strip() in page for text in PAYLOADS.values())


def in_browser(browser: Browser, report: Path, executed: list[Path], folder: Path) -> list[Proof]:
    """Every page and deck with its policy and without it, and what each notebook would show in JupyterLab."""
    pages = [*sorted(report.glob("*.html")), *sorted(report.glob("slides/*.html"))]
    bare = folder / "bare" / "slides"
    bare.mkdir(parents=True)
    ways: dict[str, list[Path]] = {"with its policy": pages, "without a policy": [], "in JupyterLab": []}
    for page in pages:
        file = (bare if page.parent.name == "slides" else bare.parent) / page.name
        file.write_text(POLICY.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
        ways["without a policy"].append(file)
    for number, notebook in enumerate(executed):
        file = bare.parent / f"lab{number}.html"
        file.write_text(outputs(notebook), encoding="utf-8")
        ways["in JupyterLab"].append(file)
    return [_shown(browser, way, files) for way, files in ways.items()]


def outputs(notebook: Path) -> str:
    """What JupyterLab would put into its own page, as it is; kinds that run code are named for what they are."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            for kind, data in output.get("data", {}).items():
                text = "".join(data) if isinstance(data, list) else str(data)
                parts.append(text if kind in ("text/html", "image/svg+xml") else "")
                parts.append(f"<script>hit('{kind}')</script>" if kind in NOT_PLAIN else "")
    return "<!doctype html><meta charset=utf-8><title>Outputs</title>" + "\n".join(parts)


NOT_PLAIN = ("text/markdown", "text/latex", "application/javascript")
"""Kinds of output in which the data's text would be read as code."""


def _shown(browser: Browser, way: str, files: list[Path]) -> Proof:
    started, counts, faults = time.monotonic(), Counter({"quiet": 0}), []
    for file in files:
        found = live(browser, file)
        counts["quiet" if not found else "not quiet"] += 1
        faults += [f"{file.parent.name}/{file.name}: {f}" for f in found]
    return Proof(
        f"hostile data: pages {way}",
        f"A page {way} runs nothing, asks for nothing and has no link that runs, whatever texts the data hold.",
        len(files), "pages", dict(counts), faults, time.monotonic() - started,
    )  # fmt: skip


def live(browser: Browser, file: Path) -> list[str]:
    """What came alive on a page that only shows text: calls of `hit`, requests, dialogs, code in attributes."""
    browser.call("Runtime.addBinding", name="ran")
    told = browser.call("Page.addScriptToEvaluateOnNewDocument", source="globalThis.hit = () => ran('hit')")
    browser.open(file)
    found = browser.ask(LIVE)
    browser.settle()
    methods = Counter(e.get("method") for e in browser.events)
    found += [f"{methods[m]} {what}" for m, what in SIGNS.items() if methods[m]]
    found += [f"asks for {url[:80]}" for url in browser.requests()]
    gone = browser.ask("location.pathname.split('/').pop()")
    browser.call("Page.removeScriptToEvaluateOnNewDocument", **told)
    return found + ([] if gone == file.name else [f"went to {gone[:80]}"])


SIGNS = {
    "Runtime.bindingCalled": "scripts run",
    "Page.javascriptDialogOpening": "dialogs",
    "Runtime.exceptionThrown": "scripts broken",
}


def safe_tables(report: Path) -> Proof:
    """No cell of a CSV file is a formula; each row has the head's number of cells."""
    cells, counts, faults = 0, Counter({"plain": 0}), []
    for file in sorted(report.glob("**/*.csv")):
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.reader(lines))
        faults += [f"{file.name}: a row of {len(r)} cells, not {len(rows[0])}" for r in rows if len(r) != len(rows[0])]
        bad = [
            cell for row in rows for cell in row if cell.startswith(RUNS_IN_A_SHEET) and not A_NUMBER.fullmatch(cell)
        ]
        cells += sum(map(len, rows))
        faults += [f"{file.name}: {cell[:40]!r}" for cell in bad]
        counts["formula"] += len(bad)
    counts["plain"] = cells - counts["formula"]
    return Proof(
        "hostile data: result tables",
        "No cell of a result table is a formula to a spreadsheet.",
        cells, "cells", dict(counts), faults,
    )  # fmt: skip


def inert_names(folder: Path) -> Proof:
    """A payload as a study's name, or as the path of a study or a notebook, is refused and touches no file."""
    before = sorted(p.name for p in folder.iterdir())
    counts, faults = Counter({"refused": 0}), []
    for what, text, ask in _name_trials():
        try:
            ask()
        except (StudyError, ParameterError) as error:
            counts["refused"] += 1
            faults += [f"{what} {text!r}: the message is not plain"] if _not_plain(str(error)) else []
        else:
            counts["taken"] += 1
            faults.append(f"{what} {text!r} is taken")
    if sorted(p.name for p in folder.iterdir()) != before:
        faults.append("a file came or went")
    promise = "A name that is code, SQL or a path is refused with a message; nothing is run and no file is touched."
    return Proof("hostile data: names", promise, sum(counts.values()), "names", dict(counts), faults)


def _name_trials() -> Iterator[tuple]:
    known = [n.name for n in all_notebooks()]
    for text in PAYLOADS.values():
        yield "study name", text, lambda text=text: check_name(text)
        yield "study", text, lambda text=text: find_study(text)
        yield "study file", text, lambda text=text: find_study(f"{text}.yaml")
        yield "notebook", text, lambda text=text: parse_sets([f"{text}.x=1"], known)


def _not_plain(message: str) -> bool:
    return not message or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in message)


def inert_parameters() -> Proof:
    """A payload as a parameter's name is refused; as a value it is refused, or it stays the very same text."""
    from papermill.translators import PythonTranslator

    counts, faults = Counter({"refused": 0}), []
    for notebook in all_notebooks():
        trials = [(text, "1") for text in PAYLOADS.values()]
        trials += [(name, text) for name in notebook.parameters for text in PAYLOADS.values()]
        for name, value in trials:
            try:
                taken = merge(notebook.name, notebook.parameters, from_command={name: value})[name]
            except ParameterError as error:
                counts["refused"] += 1
                faults += [f"{notebook.name}.{name!r}: the message is not plain"] if _not_plain(str(error)) else []
                continue
            counts["taken as text"] += 1
            if taken != value or ast.literal_eval(PythonTranslator.translate(taken)) != value:
                faults.append(f"{notebook.name}.{name} = {value!r} becomes {taken!r}")
    promise = "A parameter's name that is code is refused; a value is refused, or is text and nothing else."
    return Proof("hostile data: parameters", promise, sum(counts.values()), "parameters", dict(counts), faults)
