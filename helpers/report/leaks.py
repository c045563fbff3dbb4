"""What a page must not tell of people: an id of the data, or a group too small to be shown.

The helpers hide both where they arise. This is the last look before publishing, at what really stands in the files.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

IDS = ("user_id", "item_id", "order_id", "contact_id")
PEOPLE = {"users", "customers", "people", "persons", "buyers", "members", "respondents", "participants"}
"""Columns whose numbers are sizes of groups of people, by their name or unit."""
_UNSEEN = re.compile(r"<(script|style|svg)\b.*?</\1>", flags=re.S)
_HEARD = re.compile(r'\b(?:aria-label|alt|title)="([^"]*)"')
"""What is read aloud in place of a chart names its highest and lowest bar."""
_WORD = re.compile(r"(?<![\w@.,/-])[\w@.-]*\d[\w@-]*")
LEAST = 6
"""An id of fewer characters cannot be told from a number."""


def words(page: str) -> set[str]:
    """Words of a page that could be ids: six or more characters, a digit among them.

    >>> sorted(words("<p>customer u-829113 of 1,234 in 2017, <b>57291044</b></p>"))
    ['57291044', 'u-829113']
    """
    heard = " ".join(_HEARD.findall(page))
    text = html.unescape(re.sub(r"<[^>]+>", " ", _UNSEEN.sub(" ", page)) + " " + heard)
    return {w for w in _WORD.findall(text) if len(w) >= LEAST}


def table_words(file: Path) -> set[str]:
    """Words of a result table that could be ids: in its texts, and in columns that are called an id."""
    stored = pq.read_table(file)
    found: set[str] = set()
    for name, column in zip(stored.column_names, stored.columns, strict=True):
        if pa.types.is_string(column.type) or (name in IDS and pa.types.is_integer(column.type)):
            cells = {str(v) for v in column.unique().to_pylist() if v is not None}
            found |= {w for cell in cells for w in _WORD.findall(cell) if len(w) >= LEAST}
    return found


def ids_among(found: Iterable[str], tables: Iterable[ir.Table]) -> list[str]:
    """The columns of ids that hold one of these words; one scan a column, and none where there are no words."""
    asked = sorted(set(found))
    numbers = [int(w) for w in asked if re.fullmatch(r"[1-9]\d{0,17}", w)]
    told = []
    for table in tables:
        for name in [c for c in IDS if c in table.columns]:
            sought = numbers if table[name].type().is_integer() else asked
            if sought and table.filter(table[name].isin(sought)).count().execute():
                told.append(name)
    return list(dict.fromkeys(told))


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
