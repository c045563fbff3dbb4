"""One visit to a page or a deck: everything that a browser can say of it after one load and one more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.reports.browser import Browser

HERE = Path(__file__).parent
WIDTHS = (1280, 1920, 768, 390, 360)
PRINT_READY = """
new Promise(done => {
  const look = () => document.querySelector('.pdf-page') ? done(1) : setTimeout(look, 50);
  look();
})
"""

Seen = dict[str, Any]
"""What was measured; the keys in FAULTS hold nothing on a good page."""
FAULTS = ("requests", "console", "axe", "contrast", "print", "reload", "unnamed")
PAGE_FAULTS = (*FAULTS, "keyboard", "contents", "code", "widths")
DECK_FAULTS = (*FAULTS, "slides")


def visit(browser: Browser, file: Path) -> Seen:
    """A page: as it loads, by keyboard, in light and dark, at all widths, on paper, by rule, and loaded again."""
    seen = _arrive(browser, file)
    browser.ask("probe.listen()")
    browser.press(*["Tab"] * browser.ask("probe.stops()"))
    seen["keyboard"] = browser.ask("probe.missed()")
    seen["contents"] = browser.ask("probe.contents()")
    seen["code"] = browser.ask("probe.code()")
    browser.ask("probe.open(true)")
    seen["contrast"] = _contrast(browser)
    seen["widths"] = [width for width in WIDTHS if _sideways(browser, width)]
    browser.ask("probe.open(false)")
    printed = browser.printed()
    on_paper = {squeeze(heading) for heading in outline(printed)}
    lost = [heading for heading in browser.ask("probe.sections()") if squeeze(heading) not in on_paper]
    seen |= {"printed": page_count(printed), "print": lost}
    seen["axe"] = browser.ask("probe.axe()")
    head = browser.ask("document.querySelector('h1').textContent")
    browser.reload()
    same = browser.ask("document.querySelector('h1')?.textContent") == head
    return seen | {"reload": [*browser.requests(), *browser.complaints(), *([] if same else ["another page"])]}


def visit_deck(browser: Browser, file: Path) -> Seen:
    """A deck: as it loads, its slides one by one, in light and dark, by rule, and loaded again for paper."""
    seen = _arrive(browser, file, height=720) | {"slides": [], "frames": browser.ask("Reveal.getTotalSlides()")}
    for place in range(seen["frames"]):
        if over := browser.ask(f"probe.outside({place})"):
            seen["slides"].append(f"{place + 1}: {over}")
    seen |= {"contrast": _contrast(browser), "axe": browser.ask("probe.axe(probe.unfold())")}
    browser.open(file, height=720, how="?view=print")
    browser.ask(PRINT_READY)
    seen["printed"] = page_count(browser.printed(preferCSSPageSize=True, printBackground=True))
    seen["print"] = [] if seen["printed"] == seen["frames"] else [f"{seen['printed']} pages of {seen['frames']}"]
    return seen | {"reload": browser.requests() + browser.complaints()}


def _arrive(browser: Browser, file: Path, *, height: int = 900) -> Seen:
    browser.open(file, width=1280, height=height)
    browser.settle()
    for script in ("vendor/axe.min.js", "probes.js"):
        browser.ask(f"{(HERE / script).read_text(encoding='utf-8')};0")
    seen = {"size": file.stat().st_size, **browser.ask("probe.facts()")}
    return seen | {"requests": browser.requests(), "console": browser.complaints()}


def _contrast(browser: Browser) -> dict[str, str]:
    weak = {}
    for dark in (True, False):
        browser.scheme(dark=dark)
        weak |= {f"{'dark' if dark else 'light'} {e}": much for e, much in browser.ask("probe.contrast()").items()}
    return weak


def _sideways(browser: Browser, width: int) -> bool:
    browser.resize(width)
    return browser.ask("document.documentElement.clientWidth < document.documentElement.scrollWidth")


def page_count(printed: bytes) -> int:
    """Number of pages with text in a PDF."""
    return len(re.findall(rb"/Type\s*/Page\b", printed)) if b"/ToUnicode" in printed else 0


def outline(printed: bytes) -> set[str]:
    """The headings in a PDF's outline, and its title."""
    found = re.findall(rb"/Title\s*(?:\(((?:[^()\\]|\\.)*)\)|<([0-9A-Fa-f]*)>)", printed)
    return {_heading(plain, code) for plain, code in found}


def _heading(plain: bytes, code: bytes) -> str:
    raw = bytes.fromhex(code.decode()) if code else re.sub(rb"\\(.)", rb"\1", plain)
    text = raw.decode("utf-16") if raw[:2] in (b"\xfe\xff", b"\xff\xfe") else raw.decode("latin-1")
    return text.strip()


def squeeze(text: str) -> str:
    """Without blanks: an outline has none where a heading's line ends."""
    return "".join(text.split())
