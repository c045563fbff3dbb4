"""The scorecard's sheet: what it says, that it is harmless, and that it prints on one page of A4."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.report import build, kernels, one_page
from helpers.report.account import Data
from helpers.report.build import make_reports
from helpers.report.exporter import spaced
from helpers.report.gate import faults
from helpers.report.kernels import Outcome
from helpers.study import Study
from tests.reports.browser import find_browser

STUDY = Study(
    name="corner", title="The <b>corner</b> shop", window={"start": "2017-06-19", "end": "2017-12-17"}, tables={}
)
GROUPS = ("sales", "market share", "acquisition and retention", "brand", "channels", "return on marketing", "feedback")
LIGHTS = ("✓ on target", "≈ cannot tell", "✗ off target", "– not measurable with these tables: needs the table market")


def results(folder: Path, rows: int = 24, *, name: str = "indicator") -> Path:
    """Result tables as notebook 60 leaves them, with long words in every cell."""
    folder.mkdir(parents=True, exist_ok=True)
    number = range(rows)
    group = [GROUPS[i * 7 // rows] for i in number]
    once = [g if i == 0 or group[i - 1] != g else "" for i, g in enumerate(group)]
    card = pd.DataFrame({
        "group": once, "indicator": [f"{name} {i}" for i in number], "value": "1,962,333 CNY",
        "interval": "1,884,791 to 2,051,473", "target": "1,457,826 CNY", "light": [LIGHTS[i % 4] for i in number],
    })  # fmt: skip
    card.to_csv(folder / "scorecard.csv", index=False)
    moves = {"indicator": card.indicator, "against_last_period": "'+221.6 % (+8.5 to +856.0 %)", "trend": "↘ falling"}
    moves |= {"benchmark": "1,390,112 CNY", "light_against_benchmark": "✓ on benchmark"}
    pd.DataFrame(moves).to_csv(folder / "changes.csv", index=False)
    pd.DataFrame({"name": card.indicator, "notebook": "43"}).to_csv(folder / "definitions.csv", index=False)
    days = {"days_of": ["2017-Q4, judged"], "first_day": "2017-10-01", "last_day": "2017-12-17", "days": 78}
    pd.DataFrame(days).to_csv(folder / "periods.csv", index=False)
    return folder


def page(folder: Path, **more: Any) -> str:
    texts = [
        {"text": f"Sentence {i} of the management, which is as long as such sentences often are."} for i in range(5)
    ]
    sheet = one_page.read_sheet(results(folder, **more), texts)
    told = {"pages": {"43": "43_feedback"}, "finished_at": "2026-01-31 12:00 UTC", "level": "95 %"}
    return one_page.render_one_page(STUDY, Data("ab" * 32, []), sheet, **told)


def test_it_says_what_the_tables_say(tmp_path: Path) -> None:
    text = page(tmp_path)
    assert text.count("<tbody>") == 7 and text.count('<th scope="row">') == 24
    assert text.count('<a href="43_feedback.html">43</a>') == 24
    assert spaced("+221.6 % (+8.5 to +856.0 %)") in text and "'+221" not in text
    assert text.count('<td class="num">1,390,112 CNY ✓</td>') == 24
    assert [f"Sentence {i}" in text for i in range(5)] == [True] * 3 + [False] * 2
    assert "indicator 3 needs the table market" in text and "2017-Q4, judged: 2017-10-01" in text


def test_a_light_is_more_than_a_colour(tmp_path: Path) -> None:
    cells = re.findall(r'<td class="light (\w+)">([^<]+)</td>', page(tmp_path))
    assert set(cells) == {("green", "✓ on target"), ("amber", "≈ cannot tell"), ("red", "✗ off target"),
                          ("grey", "– not measurable")}  # fmt: skip


def test_it_passes_the_gate_and_escapes(tmp_path: Path) -> None:
    text = page(tmp_path, name="<script>alert(1)</script> =1+1")
    assert faults(text) == [] and "<script" not in text and "&lt;b&gt;corner" in text
    assert "default-src 'none'" in text


def test_without_a_scorecard_there_is_no_sheet(tmp_path: Path) -> None:
    assert one_page.read_sheet(tmp_path, []) is None


@pytest.mark.parametrize("rows", [7, 24, 28])
def test_it_prints_on_one_page_of_paper(tmp_path: Path, rows: int) -> None:
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here: install one (Debian: sudo apt install chromium) to print the page")
    (tmp_path / "sheet.html").write_text(page(tmp_path / "r", rows=rows), encoding="utf-8")
    switches = (
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --no-pdf-header-footer"
    )
    places = ["--no-pdf-header-footer", f"--user-data-dir={tmp_path / 'p'}", f"--print-to-pdf={tmp_path / 'sheet.pdf'}"]
    command = [program, *switches.split(), *places, (tmp_path / "sheet.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    width, height = map(float, re.search(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", pdf).groups())
    assert (round(width), round(height)) == (595, 842)


class Kernel:
    """Stands in for a kernel that leaves a scorecard; `refuses` makes it end politely."""

    refuses = False

    def __call__(self, notebook: Any, folder: Path, *, parameters: dict, **_: Any) -> Outcome:
        results(folder / "results")
        (folder / "results" / "findings.json").write_text(json.dumps([FOUND]), encoding="utf-8")
        (folder / "executed.ipynb").write_text(json.dumps(notebook.content), encoding="utf-8")
        word = ("refused", "too few data") if self.refuses else ("rendered", "")
        return Outcome(notebook.name, *word, 0.1, "2026-01-31T12:00:00Z", parameters)


FOUND = {"notebook": one_page.NOTEBOOK, "key": "on_target", "value": 3, "unit": "indicators", "text": "Three are."}


@pytest.fixture
def scorecard(write_notebook: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The collection is the one notebook 60, and no kernel is started for it."""
    monkeypatch.setattr(kernels, "run_notebook", Kernel())
    monkeypatch.setattr(build, "warm_kernels", nullcontext)
    write_notebook(one_page.NOTEBOOK)


@pytest.mark.usefixtures("scorecard")
def test_a_report_with_a_scorecard_has_the_sheet_first(corner: Path, tmp_path: Path) -> None:
    report = make_reports(corner, output=tmp_path / "out", jobs=1, say=lambda _: None)
    index = (report.folder / "index.html").read_text(encoding="utf-8")
    assert "Three are." in (report.folder / one_page.FILE).read_text(encoding="utf-8")
    assert 0 < index.index('href="one_page.html"') < index.index('id="reports"')
    assert not make_reports(corner, output=tmp_path / "out", jobs=1, say=lambda _: None).fresh


@pytest.mark.usefixtures("scorecard")
def test_the_sheet_goes_when_the_scorecard_does(corner: Path, tmp_path: Path, monkeypatch) -> None:
    first = make_reports(corner, output=tmp_path / "out", jobs=1, say=lambda _: None)
    assert (first.folder / one_page.FILE).is_file()
    monkeypatch.setattr(Kernel, "refuses", True)
    monkeypatch.setattr(build, "fingerprint", lambda *_: "f" * 64)
    make_reports(corner, output=tmp_path / "out", jobs=1, say=lambda _: None)
    assert not (first.folder / one_page.FILE).exists()
    assert "one_page.html" not in (first.folder / "index.html").read_text(encoding="utf-8")
