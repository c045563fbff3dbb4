"""Every page and deck in a real browser without a network: each is visited once, then all is asked of what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.reports.browser import Browser
from tests.reports.visit import DECK_FAULTS, PAGE_FAULTS, Seen, outline, page_count, visit, visit_deck

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]

BAD_PAGE = """
<title>Bad</title><style>a { outline: none !important } @media print { h2 { display: none } } p { color: #aaa }</style>
<h1>Bad</h1><h2>Section</h2><p>pale</p><img src="https://evil.example/x.png"><div style="width: 3000px">wide</div>
<nav class="contents"><a href="#nowhere">nowhere</a></nav><details class="code"><pre>x = 1</pre></details>
"""


@pytest.fixture(scope="session")
def seen(pages: dict[str, Path], browser: Browser) -> dict[str, Seen]:
    """Page → what a visit saw."""
    return {name: visit(browser, file) for name, file in pages.items()}


@pytest.fixture(scope="session")
def seen_decks(report, browser: Browser) -> dict[str, Seen]:
    """Deck → what a visit saw."""
    return {f.stem: visit_deck(browser, f) for f in sorted((report.folder / "slides").glob("*.html"))}


def test_a_bad_page_is_found_out(tmp_path: Path, browser: Browser) -> None:
    file = tmp_path / "bad.html"
    file.write_text(BAD_PAGE, encoding="utf-8")
    found = visit(browser, file)
    assert [what for what in PAGE_FAULTS if not found[what]] == []


def test_an_empty_print_has_no_page(tmp_path: Path, browser: Browser) -> None:
    (tmp_path / "empty.html").write_text("<title>Empty</title>", encoding="utf-8")
    browser.open(tmp_path / "empty.html")
    assert page_count(browser.printed()) == 0 and outline(browser.printed()) == {"Empty"}


@pytest.mark.parametrize("what", PAGE_FAULTS)
def test_no_page_has(seen: dict[str, Seen], what: str) -> None:
    assert {name: s[what] for name, s in seen.items() if s[what]} == {}


@pytest.mark.parametrize("what", DECK_FAULTS)
def test_no_deck_has(seen_decks: dict[str, Seen], what: str) -> None:
    assert {name: s[what] for name, s in seen_decks.items() if s[what]} == {}


def test_every_page_and_deck_says_what_it_is(seen: dict[str, Seen], seen_decks: dict[str, Seen]) -> None:
    both = [*seen.values(), *seen_decks.values()]
    assert len({s["title"] for s in both}) == len(both)
    assert all(s["lang"] == "en" and s["description"] and "width=device-width" in s["viewport"] for s in both)
    assert all(s["headings"] and s["printed"] > 0 and s["elements"] > 50 for s in both)


def test_a_table_is_sorted_by_keyboard(pages: dict[str, Path], browser: Browser) -> None:
    browser.open(pages["index"])
    browser.ask("document.querySelector('#check ~ .smn-table th:nth-child(3) button').focus()")
    rows = "[...document.querySelectorAll('#check ~ .smn-table tbody td:nth-child(3)')].map(e => e.textContent)"
    browser.press("Enter")
    numbers = [int(text.replace(",", "")) for text in browser.ask(rows)]
    browser.press("Enter")
    assert numbers == sorted(numbers) and len(numbers) > 5
    assert [int(text.replace(",", "")) for text in browser.ask(rows)] == numbers[::-1]


def test_the_front_page_is_searched_by_keyboard(pages: dict[str, Path], browser: Browser) -> None:
    browser.open(pages["index"])
    browser.ask("document.getElementById('search').focus()")
    browser.press(*"funnel")
    shown = browser.ask("[...document.querySelectorAll('.card:not([hidden])')].map(e => e.textContent.toLowerCase())")
    assert 0 < len(shown) < len(pages) - 5 and all("funnel" in text for text in shown)
    assert browser.ask("document.getElementById('search-told').textContent").startswith(f"{len(shown)} of ")


def test_keys_walk_through_a_deck_and_open_its_notes(report, browser: Browser) -> None:
    browser.open(sorted((report.folder / "slides").glob("*.html"))[0], height=720)
    browser.press("ArrowRight", "s")
    browser.settle()
    assert browser.ask("Reveal.getIndices().h") == 1
    assert browser.ask("Reveal.getConfig().showNotes") is True
    browser.reload()
