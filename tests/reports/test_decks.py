"""The slides of the collection in a real browser: they fit, ask for nothing, can be walked through and printed."""

from __future__ import annotations

import base64
import re

import pytest

from helpers.report.build import Report
from helpers.report.deck import trusted
from helpers.report.gate import faults
from tests.reports.browser import Browser

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]

TOO_LARGE = """
(() => {
  const slide = Reveal.getCurrentSlide(), frame = slide.getBoundingClientRect(), say = slide.querySelector('.say');
  const parts = [...slide.querySelectorAll('h1, h2, li, dd, .end > p, figure, .smn-table > table, .part, .say')];
  const over = parts.filter(p => {
    const r = p.getBoundingClientRect();
    const bottom = say && !say.contains(p) ? say.getBoundingClientRect().top : frame.bottom;
    return r.right > frame.right + 2 || r.bottom > bottom + 2;
  });
  return over.map(p => p.tagName + ' ' + p.textContent.slice(0, 30)).join('; ');
})()
"""

PRINT_READY = """
new Promise(done => {
  const look = () => document.querySelector('.pdf-page') ? done(1) : setTimeout(look, 50);
  look();
})
"""


def test_every_rendered_notebook_has_its_slides(report: Report) -> None:
    decks = {f.stem: f.read_text(encoding="utf-8") for f in (report.folder / "slides").glob("*.html")}
    assert set(decks) == {e["name"] for e in report.entries if e["status"] == "rendered"}
    for name, deck in decks.items():
        assert faults(deck, trusted=trusted()) == [], name
        assert "unsafe-inline" not in deck.split("script-src")[1].split(";")[0]
        assert len(re.findall(r'<section class="(?:section|truth)">', deck)) >= 4, name


def test_every_slide_fits_and_nothing_is_asked_for(report: Report, browser: Browser) -> None:
    found = {}
    for deck in sorted((report.folder / "slides").glob("*.html")):
        browser.open(deck, width=1280, height=720)
        browser.settle()
        assert (browser.requests(), browser.complaints()) == ([], []), deck.stem
        for place in range(browser.ask("Reveal.getTotalSlides()")):
            browser.ask(f"Reveal.slide({place})")
            browser.settle()
            if over := browser.ask(TOO_LARGE):
                found[f"{deck.stem} {place + 1}"] = over
    assert found == {}


def test_keys_walk_and_open_the_notes(report: Report, browser: Browser) -> None:
    browser.open(sorted((report.folder / "slides").glob("*.html"))[0], width=1280, height=720)
    for key, code in (("ArrowRight", 39), ("s", 83)):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code)
    browser.settle()
    assert browser.ask("Reveal.getIndices().h") == 1
    assert browser.ask("Reveal.getConfig().showNotes") is True
    browser.call("Page.reload")


def test_a_deck_prints_one_page_a_slide(report: Report, browser: Browser) -> None:
    deck = sorted((report.folder / "slides").glob("*.html"))[1]
    browser.open(deck, width=1280, height=720)
    slides = browser.ask("Reveal.getTotalSlides()")
    browser.call("Page.navigate", url=f"{deck.as_uri()}?view=print")
    browser.call("Runtime.evaluate", expression=PRINT_READY, awaitPromise=True)
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == slides
