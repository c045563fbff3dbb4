"""Every payload through the boxes, tables, charts and pages; the proof itself sees what comes alive."""

from __future__ import annotations

import html
from pathlib import Path

import pandas as pd
import pytest

from helpers import charts
from helpers.findings import Findings, Note, show
from helpers.report.collection import all_notebooks
from helpers.report.exporter import Page, page_script, render_page
from helpers.report.gate import faults
from helpers.report.publish import write
from helpers.visible import visible
from tests.reports.browser import Browser, find_browser
from tests.torture import hostile
from tests.torture.payloads import PAYLOADS, Names, spread

TEXTS = list(PAYLOADS.values())
TABLE = pd.DataFrame({"name": TEXTS, "=head": TEXTS, "n": range(len(TEXTS))})


@pytest.fixture(scope="module")
def browser():
    """A browser of this module's own, or a skip."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here: install one (Debian: sudo apt install chromium) to run the browser tests")
    with Browser(program) as open_browser:
        yield open_browser


def hostile_page() -> str:
    """A notebook's page with all payloads in every kind of output and in every text that a page gets."""
    words = {"title": TEXTS[3], "x_label": TEXTS[4], "y_label": TEXTS[0]}
    drawn = charts.bars(TABLE.tail(30), x="name", y="n", horizontal=True, **words)
    boxes = [show(TABLE, TEXTS[0], rows=99), *map(Note, TEXTS)]
    outputs = [{"output_type": "display_data", "data": {"text/html": box._repr_html_()}} for box in boxes]
    data, about = drawn._repr_mimebundle_()
    outputs.append({"output_type": "display_data", "data": data, "metadata": about})
    outputs += [{"output_type": "stream", "name": "stdout", "text": text} for text in TEXTS]
    cells = [{"cell_type": "markdown", "source": text, "metadata": {}} for text in TEXTS]
    cells.append({"cell_type": "code", "source": "x = 1", "outputs": outputs, "metadata": {}})
    stamp, said = [("data", text) for text in TEXTS], [{"text": text} for text in TEXTS]
    about_page = Page("".join(TEXTS), TEXTS[0], stamp=stamp, findings=said)
    return render_page(all_notebooks()[0], {"cells": cells}, about_page)


def test_a_page_shows_every_payload_and_the_gate_lets_it_pass() -> None:
    page = hostile_page()
    assert faults(page, trusted=[page_script()]) == []
    assert hostile.shown(html.unescape(visible(page))) == len(PAYLOADS)


def test_nothing_comes_alive_with_the_policy_and_without(tmp_path: Path, browser: Browser) -> None:
    write(tmp_path, "page.html", hostile_page())
    proofs = hostile.in_browser(browser, tmp_path, [], tmp_path)
    assert [(p.name, p.faults) for p in proofs if p.faults] == []
    assert [p.tried for p in proofs] == [1, 1, 0]


def test_a_page_without_escapes_is_found_out(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "raw.html").write_text(PAYLOADS["image"] + PAYLOADS["script link"], encoding="utf-8")
    found = " ".join(hostile.live(browser, tmp_path / "raw.html"))
    assert all(word in found for word in ("scripts run", "asks for", "IMG has onerror", "A href=javascript"))


def test_no_cell_of_a_saved_table_is_a_formula(tmp_path: Path) -> None:
    Findings("00", tmp_path / "results").table("all", TABLE.assign(both=TABLE.name + ", " + TABLE.name))
    proof = hostile.safe_tables(tmp_path)
    assert proof.faults == [] and proof.tried == 4 * (len(TABLE) + 1)
    (tmp_path / "bad.csv").write_text("a\n=1\n", encoding="utf-8")
    assert hostile.safe_tables(tmp_path).faults == ["bad.csv: '=1'"]


def test_names_and_parameters_that_are_code_are_refused(tmp_path: Path) -> None:
    for proof in (hostile.inert_names(tmp_path), hostile.inert_parameters()):
        assert proof.faults == [] and proof.outcomes["refused"] >= 4 * len(PAYLOADS)


def test_a_chart_takes_any_name() -> None:
    words = {"title": "\x1b[2J", "x_label": "", "y_label": ""}
    drawn = charts.bars(pd.DataFrame({"name": ["a\x00", "\ufffe", "\x1b"], "n": [1, 2, 3]}), x="name", y="n", **words)
    assert not set(drawn.svg()) & {"\x1b", "\x00", "\ufffe"}


def test_names_stay_the_same_and_every_payload_is_used() -> None:
    names = Names(3)
    first = names(pd.Series(["email", "search", "email"]))
    assert first[0] == first[2] != first[1] and list(names(pd.Series(["search"]))) == [first[1]]
    assert set(spread(len(PAYLOADS), 7, without=())) == set(PAYLOADS.values())
