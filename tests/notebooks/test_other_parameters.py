"""papermill with other parameters than the defaults: the results move the way they must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.report.collection import NOTEBOOKS, Notebook
from helpers.report.kernels import run_notebook
from helpers.report.parameters import merge
from tests.demo import ready_demo

Compare = Callable[[pd.DataFrame, pd.DataFrame], bool]


@dataclass(frozen=True)
class Move:
    """Two runs of a notebook, and what must hold between the two versions of one result table."""

    notebook: str
    base: tuple[tuple[str, Any], ...]
    changed: tuple[tuple[str, Any], ...]
    table: str
    holds: Compare
    says: str

    def __str__(self) -> str:
        return f"{self.notebook}-{self.says.replace(' ', '_')}"


MOVES = [
    Move(
        "00_start_here",
        (("level", 0.8),),
        (("level", 0.99),),
        "coverage",
        lambda low, high: float(high["coverage"].min()) > float(low["coverage"].min()),
        "a higher level covers more often",
    ),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`results(notebook, parameters)`: the folder with its result tables; each run is made once."""
    ready_demo()

    @cache
    def results(name: str, parameters: tuple) -> Path:
        notebook = Notebook(NOTEBOOKS / f"{name}.ipynb")
        given = merge(name, notebook.parameters, from_study=dict(parameters))
        folder = tmp_path_factory.mktemp("run") / "run"
        outcome = run_notebook(notebook, folder, study="demo", parameters=given, jobs=2)
        assert (outcome.status, outcome.warnings) == ("rendered", []), outcome.reason
        return folder / "results"

    return results


@pytest.mark.notebooks
@pytest.mark.parametrize("move", MOVES, ids=str)
def test_results_move_the_right_way(move: Move, results: Callable[..., Path]) -> None:
    before, after = (results(move.notebook, p) / f"{move.table}.csv" for p in (move.base, move.changed))
    assert move.holds(pd.read_csv(before), pd.read_csv(after)), move.says
