"""The rendered collection: complete, self-contained, without a raw id, equal on a second run."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from helpers.report.build import Report
from helpers.report.collection import all_notebooks, tags
from helpers.report.exporter import page_script, script_hash
from helpers.report.gate import faults
from helpers.study import load_study
from tests.reports.conftest import make_when_free

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]
POLICY = "default-src 'none'; {script}style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


class Outline(HTMLParser):
    """Headings, ids, links, landmarks and figures of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.levels: list[int] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        if known.get("id"):
            self.ids.append(known["id"] or "")
        if tag == "a":
            self.links.append(known.get("href") or "")


def text_of(page: str) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r"<(style|svg|math).*?</\1>", " ", page, flags=re.S))


def test_every_notebook_is_rendered_without_a_warning(report: Report) -> None:
    assert {e["name"]: (e["status"], e.get("reason", "")) for e in report.entries} == {
        n.name: ("rendered", "") for n in all_notebooks()
    }
    assert report.warnings == {}


def test_the_files_of_the_interface(report: Report) -> None:
    run = json.loads((report.folder / "run.json").read_text(encoding="utf-8"))
    assert run["study"] == "demo" and run["notebooks"] and run["versions"]["pandas"]
    for i in run["inputs"]:
        rejected = sum(i["rejects"].values())
        assert i["lines"] == i["header"] + i["blank"] + i.get("continuation", 0) + i["accepted"] + rejected
    found = json.loads((report.folder / "findings.json").read_text(encoding="utf-8"))
    assert {f["notebook"] for f in found} == {n.name for n in all_notebooks()}
    assert all({"notebook", "key", "value", "unit", "text"} <= set(f) for f in found)
    assert all((report.folder / "results" / n.name).is_dir() for n in all_notebooks())


def test_every_page_passes_the_gate_and_has_the_policy(pages: dict[str, Path]) -> None:
    for name, file in pages.items():
        page = file.read_text(encoding="utf-8")
        assert faults(page, trusted=[page_script()]) == [], name
        policy = POLICY.format(script=f"script-src {script_hash(page_script())}; " if "<script>" in page else "")
        assert f'content="{policy}"' in page and "http-equiv" in page.split("<style>")[0]


def test_pages_are_outlined(pages: dict[str, Path]) -> None:
    for name, file in pages.items():
        outline = Outline(file.read_text(encoding="utf-8"))
        assert outline.levels[0] == 1 and outline.levels.count(1) == 1, name
        assert all(b - a <= 1 for a, b in zip(outline.levels, outline.levels[1:], strict=False)), name
        assert len(set(outline.ids)) == len(outline.ids), name
        assert {"main", "header", "footer"} <= set(outline.tags)
        inside = {u[1:] for u in outline.links if u.startswith("#")}
        assert inside <= set(outline.ids), name
        assert all(
            (file.parent / u.split("#")[0]).is_file() for u in outline.links if u.split("#")[0].endswith(".html")
        )


def test_no_nan_and_no_inf_on_a_page_or_in_a_table(pages: dict[str, Path], report: Report) -> None:
    for name, file in pages.items():
        words = re.findall(
            r"\b(?:nan|inf|NaN|NaT|None)\b(?! of)",
            re.sub(r"<(pre|script)\b.*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.S),
        )
        assert not [w for w in words if w != "None"], name
    for csv in report.folder.glob("results/*/*.csv"):
        assert not re.search(r"(?:^|,)(?:nan|inf|-inf|NaN)(?:,|$)", csv.read_text(encoding="utf-8"), flags=re.M), (
            csv.name
        )


def test_no_raw_id_is_published(pages: dict[str, Path], report: Report) -> None:
    events = load_study("demo").tables["events"].paths[0]
    raw = pd.read_csv(events, usecols=["user_id", "item_id"], dtype=str, on_bad_lines="skip", nrows=200_000)
    ids = {i for c in raw for i in raw[c].dropna().unique() if re.fullmatch(r"\d{6,}", i)}
    published = [text_of(f.read_text(encoding="utf-8")) for f in pages.values()]
    published += [f.read_text(encoding="utf-8") for f in report.folder.rglob("*.csv")]
    published.append((report.folder / "findings.json").read_text(encoding="utf-8"))
    assert len(ids) > 1000
    assert not [t for text in published for t in re.findall(r"(?<![\w.])\d{6,}(?![\w.])", text) if t in ids]


def test_every_self_check_finds_the_solution_right(pages: dict[str, Path]) -> None:
    for notebook in all_notebooks():
        exercises = sum("solution" in tags(c) for c in notebook.cells("code"))
        said = re.findall(r'class="smn-check"[^>]*>([^<]*)<', pages[notebook.name].read_text(encoding="utf-8"))
        assert said == [f"Exercise {n}: looks right." for n in range(1, exercises + 1)], notebook.name


def test_pages_stay_small(pages: dict[str, Path]) -> None:
    for name, file in pages.items():
        charts = file.read_text(encoding="utf-8").count("<figure>")
        assert file.stat().st_size < 300_000 + 40_000 * max(0, charts - 8), name


def test_a_second_run_changes_no_byte(report: Report) -> None:
    before = {f: f.read_bytes() for f in report.folder.rglob("*") if f.is_file()}
    again = make_when_free(report.folder.parent)
    assert not again.fresh and {f: f.read_bytes() for f in report.folder.rglob("*") if f.is_file()} == before
