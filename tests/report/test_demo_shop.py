"""Making the demo shop: one run at a time, and nothing is left of runs that were killed."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers.report import demo, publish


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What stood in the folder each time a shop was made there."""
    seen: list[list[str]] = []
    monkeypatch.setattr(demo, "CACHE", tmp_path / "cache")
    stand_in = SimpleNamespace(make_shop=lambda folder, *_, **__: seen.append(names(folder.parent)) or {})
    monkeypatch.setitem(sys.modules, "helpers.simulate.shop", stand_in)
    return seen


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.name != "cache")


def test_what_killed_runs_left_is_swept(tmp_path: Path, made: list[list[str]]) -> None:
    for name in ("demo", ".demo.12.partial", ".demo.12.old", ".other.12.partial"):
        (tmp_path / name).mkdir()
    demo._make(tmp_path / "demo", None)
    assert made == [[".other.12.partial", "demo"]]


def test_a_shop_that_was_moved_away_comes_back(tmp_path: Path, made: list[list[str]]) -> None:
    (tmp_path / ".demo.12.old").mkdir()
    (tmp_path / ".demo.12.old" / "manifest.json").touch()
    demo._make(tmp_path / "demo", None)
    assert names(tmp_path / "demo") == ["manifest.json"] and names(tmp_path) == ["demo"]


def test_two_runs_do_not_make_one_shop(tmp_path: Path, made: list[list[str]], monkeypatch) -> None:
    demo._make(tmp_path / "demo", None)
    (lock,) = (tmp_path / "cache").glob("shop-*.lock")
    with publish.one_at_a_time(lock, "demo"), pytest.raises(publish.Busy, match="Another run"):
        demo._make(tmp_path / "demo", None)
    assert len(made) == 1
