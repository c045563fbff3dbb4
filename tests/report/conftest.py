"""A small shop of its own for report tests: a log of four users, a cache and a folder of notebooks made on the fly."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import answerability, engine, intake, notebook  # noqa: F401  (their CACHE is moved below)
from helpers.report import build, collection  # noqa: F401
from tests.report.cells import PARAMETERS, code, document, markdown

START = 1_497_888_000  # 2017-06-20, 00:00 in Shanghai, is 1497888000
STUDY = """\
name: corner
title: The corner shop
window: {start: 2017-06-19, end: 2017-07-02}
tables:
  events: {path: events.csv}
"""


@pytest.fixture
def write_notebook(tmp_path: Path) -> Callable[..., collection.Notebook]:
    """`write_notebook(name, *cells)`: a notebook file with title and parameters before the given cells."""
    folder = tmp_path / "notebooks"
    folder.mkdir()

    def write(name: str, *cells: dict, parameters: str = PARAMETERS) -> collection.Notebook:
        title = markdown(f"# {name[:2]} · Trial: does it run?\n\nYou will learn.")
        file = folder / f"{name}.ipynb"
        file.write_text(json.dumps(document(title, code(parameters, "parameters"), *cells)), encoding="utf-8")
        return collection.Notebook(file)

    return write


@pytest.fixture
def corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study file of the corner shop; cache, notebooks and reports lie beside it."""
    rows = [
        f"{u},{10 + d % 3},1,{b},{START + 86_400 * d + 3_600 * u}"
        for u in range(1, 5)
        for d in range(12)
        for b in ("pv", "buy")
    ]
    (tmp_path / "events.csv").write_text("\n".join(["user_id,item_id,category_id,behavior,timestamp", *rows]) + "\n")
    study = tmp_path / "corner.yaml"
    study.write_text(STUDY, encoding="utf-8")
    for module in [m for name, m in sys.modules.items() if name.startswith("helpers.") and hasattr(m, "CACHE")]:
        monkeypatch.setattr(module, "CACHE", tmp_path / "cache")
    monkeypatch.setenv("SMN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(collection, "NOTEBOOKS", tmp_path / "notebooks")
    return study
