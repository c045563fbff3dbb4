"""The data dictionary: every column of every result table with its type, unit and meaning, as a CSV file and a page.

Types, units, captions and gaps come from the Parquet files; meanings from the names that mean the same everywhere
(`columns.csv`), the glossary and the table contracts. What none of them knows stays empty.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.findings import formula_safe
from helpers.report.collection import Notebook
from helpers.report.glossary import read_glossary
from helpers.result_files import FileColumn, StoredTable, read_about
from helpers.tables import TABLES

CSV, PAGE = "results/dictionary.csv", "dictionary.html"
COLUMNS = ["notebook", "table", "caption", "rows", "reason", "column", "type", "unit", "missing", "meaning"]

VOCABULARY = Path(__file__).with_name("columns.csv")
"""Names that mean the same in every table: column, unit, meaning."""
MONEY = "currency units"
"""Stands in units for the currency of the study."""
NONE = "–"
"""The unit of what has none: words, days, pure numbers."""
WORDS = ("text", "flag", "date", "time")
"""Types of columns that have no unit."""

_ENDS = {"_ci_low": "lower", "_ci_high": "upper"}
_UNITS = {"rate": "share of 1", "share": "share of 1", "days": "days", "hours": "hours", "weeks": "weeks"}
"""Last words of names → unit."""


@dataclass(frozen=True)
class Entry:
    """One result table: whose it is, its file's stem, what its file says of itself, is there a Parquet file, and the
    unit of its money."""

    notebook: Notebook
    name: str
    about: StoredTable
    typed: bool
    currency: str = MONEY


def explain(column: str, parts: Iterable[str] = ()) -> tuple[str, str]:
    """Meaning and unit of a column; '' for what is not known, the unit '–' for what has none.

    Parameters
    ----------
    column : str
        The column's name.
    parts : iterable of str
        The parts of the collection that the notebook belongs to: a term of another part may mean something else.

    >>> explain("recency_days_ci_low")
    ('lower end of the interval of recency_days', 'days')
    >>> explain("p_holm")[1], explain("zzz")
    ('–', ('', ''))
    """
    if column in _vocabulary():
        return _vocabulary()[column]
    for end, word in _ENDS.items():
        if column.endswith(end):
            of = column.removesuffix(end)
            return f"{word} end of the interval of {of}", explain(of, parts)[1]
    meaning, unit = _from_glossary(column, frozenset(parts))
    by_name = _UNITS.get(column.rpartition("_")[2], "")
    return meaning or _contracts().get(column, ""), by_name or unit


@cache
def _vocabulary() -> dict[str, tuple[str, str]]:
    """Column → (meaning, unit)."""
    with VOCABULARY.open(encoding="utf-8", newline="") as file:
        return {row["column"]: (row["meaning"], row["unit"]) for row in csv.DictReader(file)}


@cache
def _from_glossary(column: str, parts: frozenset[str]) -> tuple[str, str]:
    words = column.replace("_", " ").lower()
    for term in read_glossary():
        if words in {w.lower() for w in term.words} and (not term.part or term.part in parts):
            return term.meaning, term.unit
    return "", ""


@cache
def _contracts() -> dict[str, str]:
    """Columns of the input tables that mean the same in all of them."""
    told: dict[str, set[str]] = {}
    for table in TABLES.values():
        for column in table.columns:
            told.setdefault(column.name, set()).add(column.meaning)
    return {name: meanings.pop() for name, meanings in told.items() if len(meanings) == 1}


def entries(notebooks: list[Notebook], files: Iterable[Path], *, currency: str) -> list[Entry]:
    """The result tables among these files, `…/results/NN_name/table.csv`, in the order of the notebooks."""
    found = []
    for file in sorted(f for f in files if f.suffix == ".csv"):
        notebook = next((n for n in notebooks if n.name == file.parent.name), None)
        if notebook is not None:
            typed = file.with_suffix(".parquet")
            about = read_about(typed) if typed.is_file() else _about_csv(file)
            found.append(Entry(notebook, file.stem, about, typed.is_file(), currency))
    return sorted(found, key=lambda e: (e.notebook.name, e.name))


def _about_csv(file: Path) -> StoredTable:
    """What can be said of a table of an earlier version, which has no Parquet file: no types, no units."""
    try:
        table = pd.read_csv(file, dtype=str)
    except pd.errors.EmptyDataError:
        return StoredTable(0)
    return StoredTable(len(table), columns=[FileColumn(c, "", "", int(table[c].isna().sum())) for c in table])


def described(entry: Entry) -> list[dict[str, Any]]:
    """One row a column of a result table; one row without a column where the table has none."""
    table = {"notebook": entry.notebook.name, "table": entry.name, "caption": entry.about.caption}
    table |= {"rows": entry.about.rows, "reason": entry.about.reason}
    rows = []
    for column in entry.about.columns:
        meaning, unit = explain(column.name, entry.notebook.parts)
        unit = NONE if column.type in WORDS else unit.replace(MONEY, entry.currency)
        own = {"column": column.name, "type": column.type, "unit": column.unit or unit}
        rows.append(table | own | {"missing": column.missing, "meaning": meaning})
    return rows or [table]


def as_csv(found: list[Entry]) -> str:
    """The dictionary as CSV: one row a column of a result table."""
    rows = pd.DataFrame([row for entry in found for row in described(entry)], columns=COLUMNS)
    rows["missing"] = rows["missing"].astype("Int64")
    return formula_safe(rows).to_csv(index=False, lineterminator="\n")


def sections(found: list[Entry]) -> list[dict[str, Any]]:
    """The same for the page, in short: one section a notebook, in it one row a result table."""
    made: dict[str, dict[str, Any]] = {}
    for entry in found:
        notebook = entry.notebook
        own = made.setdefault(
            notebook.name, {"name": notebook.name, "heading": f"{notebook.number} {notebook.title}", "tables": []}
        )
        about = {"caption": entry.about.caption, "reason": entry.about.reason, "rows": f"{entry.about.rows:,}"}
        files = [f"{entry.name}.{end}" for end in ("csv", "parquet")[: 1 + entry.typed]]
        own["tables"].append(about | {"files": files, "columns": in_short(described(entry))})
    return list(made.values())


def in_short(rows: list[dict[str, Any]]) -> str:
    """The columns of a result table in one line: an interval stands with its estimate.

    >>> rate = {"column": "rate", "type": "number", "unit": "share of 1", "missing": 2}
    >>> in_short([rate, rate | {"column": "rate_ci_low"}, rate | {"column": "rate_ci_high"}])
    'rate (number, share of 1, with interval, 2 empty)'
    """
    names = {row.get("column", "") for row in rows}
    with_interval = {n for n in names if n and {f"{n}{end}" for end in _ENDS} <= names}
    ends = {f"{n}{end}" for n in with_interval for end in _ENDS}
    told = []
    for row in (r for r in rows if "column" in r and r["column"] not in ends):
        empty = f"{row['missing']:,} empty" if row["missing"] else ""
        unit = "" if row["unit"] == NONE else row["unit"]
        words = [row["type"], unit, "with interval" if row["column"] in with_interval else "", empty]
        told.append(f"{row['column']} ({', '.join(filter(None, words))})" if any(words) else row["column"])
    return " · ".join(told)


def meanings(found: list[Entry]) -> list[tuple[str, str]]:
    """Every column whose meaning is known, in alphabetical order; the ends of intervals are left out."""
    rows = [row for entry in found for row in described(entry) if row.get("meaning")]
    return sorted({(r["column"], r["meaning"]) for r in rows if not r["column"].endswith(tuple(_ENDS))})
