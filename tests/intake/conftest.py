"""A study and its files on the fly, with a cache of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from helpers import study as study_module
from helpers.study import Study, load_study

EVENTS = {"user_id": 1, "item_id": 2, "category_id": 3, "behavior": 4, "timestamp": 5}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own cache."""
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def study_of(tmp_path: Path) -> Callable[..., Study]:
    """`study_of(path, table="events", **settings)`: a study of one table."""

    def make(
        path: Path | list[Path] | str, *, table: str = "events", top: dict | None = None, **settings: object
    ) -> Study:
        paths = [str(p) for p in path] if isinstance(path, list) else str(path)
        if table == "events" and settings.get("header") is False:
            settings.setdefault("columns", EVENTS)
        content = {
            "name": "test",
            "title": "Test",
            "window": {"start": "2017-11-25", "end": "2017-12-03"},
            "tables": {table: {"path": paths, **settings}},
            **(top or {}),
        }
        file = tmp_path / "test.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return load_study(file)

    return make
