"""The demo shop for tests that run whole notebooks: made and taken in once, whoever comes first."""

from __future__ import annotations

import time

from helpers.intake import ingest_all
from helpers.report import publish
from helpers.report.demo import ensure_demo
from helpers.study import CACHE, load_study


def ready_demo() -> None:
    """Make the demo shop and take it in; other test processes wait meanwhile."""
    while True:
        try:
            with publish.one_at_a_time(CACHE / "demo" / "tests.lock", "demo"):
                ensure_demo(lambda _: None)
                ingest_all(load_study("demo"))
            return
        except publish.Busy:
            time.sleep(1)
