"""The whole collection rendered on the demo shop, once a session; unchanged notebooks are taken from the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.report.build import Report, make_reports
from helpers.report.publish import Busy
from tests.demo import ready_demo
from tests.reports.browser import Browser, find_browser


def make_when_free(folder: Path) -> Report:
    """The demo's report; waits while another worker makes its own."""
    while True:
        try:
            return make_reports("demo", output=folder, slides=True, say=lambda _: None)
        except Busy:
            time.sleep(1)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the demo shop in a folder of its own."""
    ready_demo()
    return make_when_free(tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="session")
def pages(report: Report) -> dict[str, Path]:
    """Name → file of every page, the index first."""
    return {f.stem: f for f in sorted(report.folder.glob("*.html"), key=lambda f: (f.stem != "index", f.stem))}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real browser, or a skip that says how to get one."""
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here: install one (Debian: sudo apt install chromium) to run the browser tests")
    with Browser(program) as open_browser:
        yield open_browser
