"""Workbooks: the notebooks as a lecturer hands them out, without outputs, and without the solutions."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from helpers.report.collection import Notebook, tags
from helpers.whole_files import put

OWN = "# Your code; run the cell below to check it\n"
KEPT = ("parameters", "solution", "check")
"""Tags that mean something to a reader's tools; those of the project's own tests go."""


def workbook(notebook: Notebook, *, solutions: bool) -> dict:
    """A notebook for the class: outputs and counts stripped, parameters kept; an empty cell in place of each solution.

    Parameters
    ----------
    notebook : Notebook
        The notebook of the collection.
    solutions : bool
        Keep the solutions, folded in JupyterLab.

    Returns
    -------
    dict
        The content of an .ipynb file.
    """
    made = copy.deepcopy(notebook.content)
    made["cells"] = [_cell(c, solutions) for c in made["cells"]]
    return made


def _cell(cell: dict, solutions: bool) -> dict:
    kept = [t for t in tags(cell) if t in KEPT]
    cell["metadata"] = {"tags": kept} if kept else {}
    if cell["cell_type"] != "code":
        return cell
    cell["outputs"], cell["execution_count"] = [], None
    if "solution" in kept and solutions:
        cell["metadata"]["jupyter"] = {"source_hidden": True}
    elif "solution" in kept:
        cell["metadata"], cell["source"] = {}, OWN
    return cell


def write_workbooks(notebooks: list[Notebook], folder: Path, *, solutions: bool) -> list[Path]:
    """Write one .ipynb a notebook; a file that stands there already is kept: somebody may have worked in it.

    Returns
    -------
    list of Path
        The files that were written.
    """
    written = []
    for notebook in notebooks:
        file = folder / notebook.path.name
        if not file.exists():
            content = workbook(notebook, solutions=solutions)
            put(file, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
            written.append(file)
    return written
