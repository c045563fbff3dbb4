"""The notebooks of the collection as files: name, number, question, parameters. Nothing is run here."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers.report.parameters import Parameter, ParameterError, find_notebook, read_parameters
from helpers.study import ROOT

NOTEBOOKS = ROOT / "notebooks"
NAME = re.compile(r"\d\d_[a-z0-9_]+")
_TITLE = re.compile(r"^#\s+(?:\d\d\s*·\s*)?(?P<title>[^:\n]+?)(?:\s*:\s*(?P<question>.+?))?\s*$", re.M)


@dataclass(frozen=True)
class Notebook:
    """One notebook file."""

    path: Path

    @property
    def name(self) -> str:
        """Such as '21_funnel'."""
        return self.path.stem

    @property
    def number(self) -> str:
        """Such as '21'; the order of reading."""
        return self.name.split("_")[0]

    @cached_property
    def content(self) -> dict:
        """The file's JSON, with every source as one text."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            for cell in content["cells"]:
                cell["source"] = "".join(cell["source"])
        except (ValueError, KeyError, TypeError) as error:
            raise ParameterError(f"{self.path.name} is not a notebook: {error}.") from None
        return content

    def cells(self, kind: str, tag: str | None = None) -> list[dict]:
        """The cells of one kind ('code' or 'markdown'), with one tag when it is given."""
        return [c for c in self.content["cells"] if c["cell_type"] == kind and (tag is None or tag in tags(c))]

    @cached_property
    def _heading(self) -> re.Match[str] | None:
        first = next(iter(self.cells("markdown")), {"source": ""})
        return _TITLE.search(first["source"])

    @property
    def title(self) -> str:
        """The title without number and question, such as 'Funnel'."""
        fallback = self.name.partition("_")[2].replace("_", " ").capitalize()
        return self._heading["title"] if self._heading else fallback

    @property
    def question(self) -> str:
        """The question that the notebook answers, in one sentence."""
        text = (self._heading["question"] if self._heading else None) or self.title
        return text[:1].upper() + text[1:]

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """What its `parameters` cell declares."""
        found = self.cells("code", "parameters")
        if len(found) != 1:
            raise ParameterError(f"{self.name}: it has {len(found)} cells tagged `parameters`; it must have one.")
        return read_parameters(found[0]["source"], self.name)

    @cached_property
    def parts(self) -> set[str]:
        """The sub-packages of helpers that its cells import, such as {'behaviour'}."""
        found: set[str] = set()
        for cell in self.cells("code"):
            for node in ast.walk(_parsed(cell["source"])):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    names = [f"{node.module}.{a.name}" for a in node.names]
                found |= {n.split(".")[1] for n in names if n.startswith("helpers.")}
        return found


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def tags(cell: dict) -> list[str]:
    """The tags of a cell."""
    return cell.get("metadata", {}).get("tags", [])


def all_notebooks(folder: Path | None = None) -> list[Notebook]:
    """All notebooks of the collection in reading order."""
    return [Notebook(p) for p in sorted((folder or NOTEBOOKS).glob("*.ipynb")) if NAME.fullmatch(p.stem)]


def select(notebooks: list[Notebook], *, only: str = "", listed: list[str] | None = None) -> list[Notebook]:
    """The notebooks to run: those that `--only` names, else those that the study file lists, else all."""
    names = [n.name for n in notebooks]
    if only:
        wanted = {find_notebook(w.strip(), names) for w in only.split(",") if w.strip()}
    else:
        wanted = set(names if listed is None else listed)
    return [n for n in notebooks if n.name in wanted]
