"""An executed notebook to hand on: outputs and parameters kept, nothing of this machine in it."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.report.build import Say, make_reports
from helpers.report.failure import first_line
from helpers.report.gate import machine_words
from helpers.report.parameters import STUDY_PARAMETER


class ExportError(ValueError):
    """The notebook cannot be exported; the message says why."""


def export(
    study: str, *, notebook: str, output: Path | None = None, reports: Path | None = None, say: Say = print
) -> Path:
    """Run the notebook on the study where that is needed, and write it with its outputs.

    Parameters
    ----------
    study : str
        A study's name or the path of a study file.
    notebook : str
        Its number or name.
    output : Path, optional
        The file to write; by default `<report>/notebooks/<name>.ipynb`.

    reports : Path, optional
        The folder of all reports, as in `make_reports`.

    Raises
    ------
    ExportError
        The data cannot answer the notebook's question, or it failed.
    """
    made = make_reports(study, only=notebook, output=reports, say=say)
    if len(made.entries) != 1:
        raise ExportError(f"{notebook!r} stands for {len(made.entries)} notebooks; give one number or name.")
    entry = made.entries[0]
    if entry["status"] != "rendered":
        raise ExportError(f"{entry['name']}: {entry['status']}, {entry['reason']}")
    content = json.loads((made.runs[entry["name"]] / "executed.ipynb").read_text(encoding="utf-8"))
    file = output or made.folder / "notebooks" / f"{entry['name']}.ipynb"
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(cleaned(content, study=made.folder.name), ensure_ascii=False, indent=1) + "\n"
    file.write_text(text, encoding="utf-8")
    return file


def cleaned(executed: dict, *, study: str, words: set[str] | None = None) -> dict:
    """The executed notebook without paths: the study by its name, messages cut to names, words of this machine gone.

    >>> cell = {"cell_type": "code", "metadata": {"tags": ["injected-parameters"]}, "outputs": [],
    ...         "source": 'study_file = "/home/li/shop.yaml"'}
    >>> cleaned({"cells": [cell], "metadata": {}}, study="shop", words=set())["cells"][0]["source"]
    'study_file = "shop"'
    """
    words = machine_words() if words is None else words
    for cell in executed["cells"]:
        source = "".join(cell["source"])
        if "injected-parameters" in cell["metadata"].get("tags", []):
            lines = source.split("\n")
            source = "\n".join(f'{STUDY_PARAMETER} = "{study}"' if _names_study(x) else x for x in lines)
        cell["source"] = source
        for output in cell.get("outputs", []):
            if "text" in output:
                output["text"] = _without(("".join(output["text"])), words)
            for kind, value in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = _without("".join(value), words)
    executed["metadata"]["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return executed


def _names_study(line: str) -> bool:
    return line.split("=")[0].strip() == STUDY_PARAMETER


def _without(text: str, words: set[str]) -> str:
    """Lines that hold a word of this machine are cut to names."""
    return "\n".join(first_line(x) if any(w in x for w in words) else x for x in text.split("\n"))
