"""What a page must not tell of people: an id of the data, a phone number, or a group too small to be shown.

The helpers hide both where they arise. This is the last look before publishing, at what really stands in the files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from helpers.report.phones import phones, seen

IDS = ("user_id", "item_id", "order_id", "contact_id", "category_id")
PEOPLE = {"users", "customers", "people", "persons", "buyers", "members", "respondents", "participants"}
"""Columns whose numbers are sizes of groups of people, by their name or unit."""
_WORD = re.compile(r"(?<![\w@.,/-])[\w@.-]*\d[\w@-]*")
LEAST = 6
"""An id of fewer characters cannot be told from a number, but in a column that is called an id."""
_NAMED = re.compile(r"(?:\w+_)?(user|customer|person|item|order|contact|category)(_id)?")
_CALLED = re.compile(r"(?:.*_)?(?:phone|mobile|telephone|tel|手机|电话)(?:_.*)?", flags=re.I)


def words(page: str) -> set[str]:
    """Words of a page that could be ids: six or more characters, a digit among them.

    >>> sorted(words("<p>customer u-829113 of 1,234 in 2017, <b>57291044</b></p>"))
    ['57291044', 'u-829113']
    """
    return {w for w in _WORD.findall(seen(page)) if len(w) >= LEAST}


def table_phones(file: Path) -> list[str]:
    """Phone numbers of a result table: in its texts, and whole numbers in a column that is called a phone."""
    found = []
    for name, cells in _columns(file):
        if any(isinstance(c, str) for c in cells):
            found += phones("\n".join(map(str, cells)))
        elif _CALLED.fullmatch(name):
            found += [str(c) for c in cells if isinstance(c, int) and c >= 10**6]
    return found


def _columns(file: Path) -> list[tuple[str, list]]:
    """The columns of a result table with their different values: texts, and whole numbers of any type."""
    stored = pq.read_table(file)
    kinds, found = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating), []
    for name, column in zip(stored.column_names, stored.columns, strict=True):
        if any(kind(column.type) for kind in kinds):
            values = [v for v in column.unique().to_pylist() if v is not None]
            floats = pa.types.is_floating(column.type)
            found.append((name, [int(v) for v in values if v.is_integer()] if floats else values))
    return found


def table_words(file: Path) -> set[str]:
    """Words of a result table that could be ids: in its texts, and in columns that are called an id."""
    cells = [str(v) for name, values in _columns(file) for v in values if isinstance(v, str) or name in IDS]
    return {w for cell in cells for w in _WORD.findall(cell) if len(w) >= LEAST}


def id_cells(file: Path) -> dict[str, set[str]]:
    """Whole cells of the columns of a result table that are called an id, however short: column of ids → its cells.

    Texts of a column `item`, `best_customer` or `item_id` are looked for among the ids of their kind; whole numbers
    only where the name ends in `_id`, for a column `order` may hold ranks.
    """
    found: dict[str, set[str]] = {}
    for name, values in _columns(file):
        if called := _NAMED.fullmatch(name):
            kind = {"customer": "user", "person": "user"}.get(called[1], called[1])
            cells = {str(v).strip() for v in values if called[2] or isinstance(v, str)}
            if kind == "category":  # 'other' may be an id, too
                cells = {c for c in cells if re.search(r"\d", c)}
            found.setdefault(f"{kind}_id", set()).update(cells)
    return found


def ids_among(
    found: Iterable[str], tables: Iterable[ir.Table], *, cells: Mapping[str, Iterable[str]] | None = None
) -> list[str]:
    """The columns of ids that hold one of these words; one scan a column, and none where there is nothing to look for.

    Parameters
    ----------
    found : iterable of str
        Words that are looked for in all columns of ids.
    tables : iterable of ibis Table
        The study's tables.
    cells : mapping of str to iterable of str
        Column of ids → words that are looked for there only.

    Notes
    -----
    A category's id that is a category's name, too, is no secret.
    """
    everywhere, tables, told = set(found), list(tables), []
    for table in tables:
        for name in [c for c in IDS if c in table.columns]:
            hits = _hits(table, name, everywhere.union((cells or {}).get(name, ())))
            if name == "category_id" and hits:
                hits -= _category_names(tables)
            told += [name] if hits else []
    return list(dict.fromkeys(told))


def _hits(table: ir.Table, name: str, asked: set[str]) -> set[str]:
    """Those of the words that stand in the column."""
    sought: list = sorted(asked)
    if table[name].type().is_integer():
        sought = [int(w) for w in sought if re.fullmatch(r"0|[1-9]\d{0,17}", w)]
    if not sought:
        return set()
    held = table.filter(table[name].isin(sought)).select(name).distinct().execute()[name]
    return set(held.astype(str))


def _category_names(tables: list[ir.Table]) -> set[str]:
    named = [t for t in tables if "category_name" in t.columns]
    return {str(v) for t in named for v in t.select("category_name").distinct().execute()["category_name"].dropna()}


def small_group(file: Path, min_cell: int) -> str:
    """The first column of a result table that shows a group of 1 … min_cell − 1 people; empty when none does."""
    stored = pq.read_table(file)
    for field, column in zip(stored.schema, stored.columns, strict=True):
        unit = (field.metadata or {}).get(b"unit", b"").decode()
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        sizes = [v for v in column.to_pylist() if v is not None] if number and PEOPLE & {field.name, unit} else []
        whole = all(float(v).is_integer() for v in sizes)  # a column with a fraction holds means, not sizes
        if whole and any(0 < v < min_cell for v in sizes):
            return field.name
    return ""
