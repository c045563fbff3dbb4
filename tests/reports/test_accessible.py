"""The rules of axe-core on every page and deck, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.report.build import Report
from tests.reports.browser import Browser

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
RULES = """
axe.run({resultTypes: ['violations']}).then(found => JSON.stringify(
  found.violations.map(v => `${v.id}: ${v.nodes.length} times, first ${v.nodes[0].html.slice(0, 120)}`)))
"""


@pytest.mark.parametrize("kind", ["*.html", "slides/*.html"], ids=["pages", "slides"])
def test_no_rule_is_broken(report: Report, browser: Browser, kind: str) -> None:
    axe, broken = AXE.read_text(encoding="utf-8"), {}
    for file in sorted(report.folder.glob(kind)):
        browser.open(file)
        browser.call("Runtime.evaluate", expression=axe)
        found = browser.call("Runtime.evaluate", expression=RULES, awaitPromise=True, returnByValue=True)
        if said := json.loads(found["result"]["value"]):
            broken[file.name] = said
    assert broken == {}
