"""The slides of the collection: one deck a notebook, which the gate lets pass."""

from __future__ import annotations

import re

import pytest

from helpers.report.build import Report
from helpers.report.deck import trusted
from helpers.report.gate import faults

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]


def test_every_rendered_notebook_has_its_slides(report: Report) -> None:
    decks = {f.stem: f.read_text(encoding="utf-8") for f in (report.folder / "slides").glob("*.html")}
    assert set(decks) == {e["name"] for e in report.entries if e["status"] == "rendered"}
    for name, deck in decks.items():
        assert faults(deck, trusted=trusted()) == [], name
        assert "unsafe-inline" not in deck.split("script-src")[1].split(";")[0]
        assert len(re.findall(r'<section class="(?:section|truth)">', deck)) >= 4, name
