"""What a report says about its data and itself: accounting, versions, hashes, the stamp."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers.intake import Ingested
from helpers.intake.errors import ABSENT
from helpers.report.collection import Notebook
from helpers.study import ROOT, Study

PACKAGES = (
    "pandas", "numpy", "ibis-framework", "duckdb", "pyarrow", "scipy", "scikit-learn", "statsmodels", "mlxtend",
    "matplotlib", "seaborn", "papermill",
)  # fmt: skip
HELPERS = ROOT / "helpers"


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of what computes and draws."""
    return {"python": platform.python_version()} | {p: importlib.metadata.version(p) for p in PACKAGES}


@dataclass(frozen=True)
class Data:
    """The verified tables of a study: one hash, the account of every input line, the tables without rows."""

    data_hash: str
    inputs: list[dict[str, Any]]
    empty: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, ingested: dict[str, Ingested]) -> Data:
        """From what intake returns; the hash is the one that a notebook prints."""
        joined = "".join(f"{name}{ingested[name].data_hash}" for name in sorted(ingested))
        inputs = [_ordered(entry) for found in ingested.values() for entry in found.manifest["inputs"]]
        empty = [name for name, found in ingested.items() if not found.rows]
        return cls(hashlib.sha256(joined.encode()).hexdigest(), inputs, empty)

    def absent(self) -> list[str]:
        """One sentence a table without rows."""
        return [f"{name}: {ABSENT}." for name in self.empty]

    def lines(self) -> list[tuple[str, str]]:
        """One (table, account) an input: rows in = rows out + rejects by reason."""
        return [(f"Lines of {i['path_name']}", account_line(i)) for i in self.inputs]


def _ordered(entry: dict[str, Any]) -> dict[str, Any]:
    """The same account with its keys in the order of the interface, so that equal runs write equal bytes."""
    first = ("table", "path_name", "sha256", "bytes", "lines", "header", "blank", "continuation", "accepted")
    known = {k: entry[k] for k in first if k in entry}
    rest = {k: entry[k] for k in sorted(set(entry) - set(known) - {"rejects"})}
    return known | {"rejects": dict(sorted(entry["rejects"].items()))} | rest


def account_line(entry: dict[str, Any]) -> str:
    """The accounting identity of one input in words.

    >>> account_line({"lines": 5, "header": 1, "blank": 0, "accepted": 3, "rejects": {"bad value": 1}})
    '5 lines = 1 header + 3 accepted + 1 bad value'
    """
    parts = [(entry.get(k, 0), k) for k in ("header", "blank", "continuation")]
    parts += [(entry["accepted"], "accepted")]
    parts += [(n, reason.replace("_", " ")) for reason, n in entry["rejects"].items()]
    terms = " + ".join(f"{n:,} {word}" for n, word in parts if n or word == "accepted")
    return f"{entry['lines']:,} lines = {terms}"


def fingerprint(study: Study, data: Data, notebook: Notebook, parameters: dict[str, Any]) -> str:
    """One hash of all that decides what a notebook shows: its code, its parameters, the data, the versions."""
    parts = {
        "notebook": _sha(notebook.path),
        "parameters": parameters,
        "code": {str(f.relative_to(HELPERS)): _sha(f) for f in code_of(notebook)},
        "lock": _sha(ROOT / "requirements.txt"),
        "python": platform.python_version(),
        "system": [platform.system(), platform.machine()],
        "study": study.model_dump(mode="json", exclude={"notebooks", "engine"}),
        "data": data.data_hash,
        "truth": _truth(study.truth_folder),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def code_of(notebook: Notebook) -> list[Path]:
    """The helper files that a notebook can reach: the shared ones, intake, and the parts that it imports."""
    folders = [HELPERS, HELPERS / "intake", *(HELPERS / part for part in sorted(notebook.parts))]
    return sorted({f for folder in folders if folder.is_dir() for f in folder.glob("*.py") if f.name != "__main__.py"})


def report_code() -> str:
    """One hash of the code and templates that turn a run into pages."""
    files = sorted(f for f in (HELPERS / "report").rglob("*") if f.suffix in (".py", ".html", ".css", ".js", ".csv"))
    return hashlib.sha256("".join(_sha(f) for f in [*files, ROOT / "GLOSSARY.md"]).encode()).hexdigest()


def _truth(folder: Path | None) -> dict[str, str]:
    if folder is None or not folder.is_dir():
        return {}
    return {f.name: _sha(f) for f in sorted(folder.iterdir()) if f.is_file()}


def _sha(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def stamp(study: Study, data: Data, *, parameters: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    """The rows at the end of a page: what was computed, from what, with what."""
    rows = [
        ("Study", f"{study.title} ({study.name})"),
        ("Window", f"{window(study)} ({study.time_zone})"),
        ("Data", f"sha256 {data.data_hash[:16]}"),
        *data.lines(),
    ]
    if parameters is not None:
        shown = ", ".join(f"{name} = {_shown(value)}" for name, value in parameters.items())
        rows.append(("Parameters", shown or "none"))
    rows.append(("Versions", ", ".join(f"{name} {v}" for name, v in versions().items())))
    return rows


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)


def window(study: Study) -> str:
    """First and last day.

    Both belong to the window.
    """
    return f"{study.window.start:%Y-%m-%d} … {study.window.end:%Y-%m-%d}"
