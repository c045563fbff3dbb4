"""Workbooks: what a class gets, and that it is a notebook which runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from typer.testing import CliRunner

from helpers.__main__ import app
from helpers.report.collection import Notebook, all_notebooks
from helpers.report.workbook import OWN, workbook, write_workbooks
from tests.report.cells import code, markdown

Write = Callable[..., Notebook]


def a_notebook(write_notebook: Write) -> Notebook:
    printed = [{"output_type": "stream", "name": "stdout", "text": "2"}]
    asked, answer = markdown("**Exercise 1.** Two and two?"), code("2 + 2", "solution", outputs=printed)
    checked = code("1 + 1", "keep_output", "nbval-check-output", outputs=printed)
    return write_notebook("20_traffic", code("rows: int = 3", "parameters"), checked, asked, answer)


def test_solutions_go_and_an_empty_cell_stays(write_notebook: Write) -> None:
    cells = workbook(a_notebook(write_notebook), solutions=False)["cells"]
    assert cells[-1]["source"] == OWN and cells[-1]["metadata"] == {}
    assert "2 + 2" not in json.dumps(cells) and cells[-3]["source"] == "1 + 1"
    assert all(c["outputs"] == [] and c["execution_count"] is None for c in cells if c["cell_type"] == "code")


def test_with_solutions_they_are_folded_and_parameters_stay(write_notebook: Write) -> None:
    cells = workbook(a_notebook(write_notebook), solutions=True)["cells"]
    assert cells[-1]["source"] == "2 + 2" and cells[-1]["metadata"]["jupyter"] == {"source_hidden": True}
    tagged = [c["metadata"]["tags"] for c in cells if c["metadata"].get("tags")]
    assert tagged[0] == ["parameters"] and tagged[-1] == ["solution"]


def test_what_somebody_has_worked_in_is_kept(write_notebook: Write, tmp_path: Path) -> None:
    notebook = a_notebook(write_notebook)
    assert len(write_workbooks([notebook], tmp_path / "w", solutions=False)) == 1
    (tmp_path / "w" / "20_traffic.ipynb").write_text("mine")
    assert write_workbooks([notebook], tmp_path / "w", solutions=False) == []
    assert (tmp_path / "w" / "20_traffic.ipynb").read_text() == "mine"


def test_a_run_that_ends_while_it_writes_leaves_no_half_workbook(
    write_notebook: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = a_notebook(write_notebook)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="full"):
        patch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
        write_workbooks([notebook], tmp_path / "w", solutions=False)
    assert not (tmp_path / "w" / "20_traffic.ipynb").exists()
    assert len(write_workbooks([notebook], tmp_path / "w", solutions=False)) == 1


def test_every_workbook_is_valid_and_has_no_solution(tmp_path: Path) -> None:
    for file in write_workbooks(all_notebooks(), tmp_path, solutions=False):
        made = nbformat.read(file, as_version=4)
        nbformat.validate(made)
        assert not [c for c in made.cells if "solution" in c.metadata.get("tags", [])]


def test_only_may_be_given_again(tmp_path: Path) -> None:
    asked = ["workbook", "--only", "20", "--only", "21,22", "--output", str(tmp_path / "w")]
    assert CliRunner().invoke(app, asked).exit_code == 0
    assert sorted(f.name[:2] for f in (tmp_path / "w").iterdir()) == ["20", "21", "22"]
