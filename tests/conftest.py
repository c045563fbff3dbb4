"""What all tests share: the folder of private real data, and a small study on the fly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import settings

from helpers import study as study_module

ROOT = Path(__file__).resolve().parent.parent
settings.register_profile("unhurried", deadline=None)  # on a busy machine an example may take any time
settings.load_profile("unhurried")
collect_ignore = ["benchmarks/contenders/frames.py"]  # runs under an interpreter of its own, which has Polars


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data(name)`: a private real data file, or a skip that says how to get it."""
    folder = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{name} is not here: put it into the folder that SHARED_DATA names (see data/README.md)")
        return path

    return find


@pytest.fixture
def study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`study_file(events=frame or path, …, window=(first, last))`: a study with a cache of its own; its file.

    A frame is written as CSV with a header; a path is taken as a log of five columns without one.
    """
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "cache")

    def make(*, window: tuple[str, str] = ("2017-11-25", "2017-12-03"), top: dict | None = None, **tables) -> Path:
        inputs = {name: _input(tmp_path / f"{name}.csv", given) for name, given in tables.items()}
        span = {"start": window[0], "end": window[1]}
        content = {"name": "test", "title": "Test", "window": span, "tables": inputs, **(top or {})}
        file = tmp_path / "test.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return file

    return make


def _input(path: Path, given: pd.DataFrame | Path) -> dict:
    if isinstance(given, pd.DataFrame):
        given.to_csv(path, index=False, lineterminator="\n")
        return {"path": str(path)}
    names = ("user_id", "item_id", "category_id", "behavior", "timestamp")
    return {"path": str(given), "header": False, "columns": {c: i for i, c in enumerate(names, start=1)}}
