"""A result table as files: CSV for people and spreadsheets, Parquet with types for programs.

The Parquet file carries what the CSV cannot: the type of each column, its unit, the caption, and why a table is empty.
It holds no time and no path, so that equal tables give equal bytes (within one version of pyarrow).
"""

from __future__ import annotations

import datetime
import numbers
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

TYPES = (
    (pa.types.is_boolean, "flag"),
    (pa.types.is_integer, "integer"),
    (pa.types.is_floating, "number"),
    (pa.types.is_timestamp, "time"),
    (pa.types.is_date, "date"),
)


@dataclass(frozen=True)
class FileColumn:
    """One column of a stored table: its name, its type in a word, its unit, and how many cells are empty."""

    name: str
    type: str
    unit: str
    missing: int


@dataclass(frozen=True)
class StoredTable:
    """What a Parquet file of `write_parquet` says of itself; `reason` tells why a table has no rows."""

    rows: int
    caption: str = ""
    reason: str = ""
    columns: list[FileColumn] = field(default_factory=list)


def write_parquet(table: pd.DataFrame, file: Path, *, caption: str = "", units: dict[str, str] | None = None) -> None:
    """Store a result table with its types.

    Parameters
    ----------
    table : DataFrame
        The rows and columns of the CSV file; the index is not stored.
    file : Path
        Where to.
    caption : str
        What the table says, in a few words.
    units : dict, optional
        Column → unit.
    """
    arrays = [_array(table.iloc[:, i]) for i in range(table.shape[1])]
    units = {str(name): unit for name, unit in (units or {}).items()}
    fields = [
        pa.field(str(name), array.type, metadata={"unit": units[str(name)]} if str(name) in units else None)
        for name, array in zip(table.columns, arrays, strict=True)
    ]
    about = {"caption": caption, "reason": str(table.attrs.get("reason", "")) if table.empty else ""}
    schema = pa.schema(fields, metadata=about)
    pq.write_table(pa.table(arrays, schema=schema), file, store_schema=True)


def read_about(file: Path) -> StoredTable:
    """What a Parquet file says of itself: caption, reason, rows, and one entry a column."""
    with pq.ParquetFile(file) as stored:
        schema, groups = stored.schema_arrow, [stored.metadata.row_group(i) for i in range(stored.num_row_groups)]
        rows = stored.metadata.num_rows
    about = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    columns = [
        FileColumn(f.name, _word(f.type), (f.metadata or {}).get(b"unit", b"").decode(), _empty(groups, i))
        for i, f in enumerate(schema)
    ]
    return StoredTable(rows, about.get("caption", ""), about.get("reason", ""), columns)


def _empty(groups: list[pq.RowGroupMetaData], column: int) -> int:
    """Empty cells of a column, as the file's own statistics count them."""
    return sum(g.column(column).statistics.null_count for g in groups if g.column(column).statistics)


def _word(kind: pa.DataType) -> str:
    return next((word for is_kind, word in TYPES if is_kind(kind)), "text")


def _array(column: pd.Series) -> pa.Array:
    """A column with the narrowest type that holds all its values; mixed ones become the text that the CSV shows."""
    column = column.astype(column.cat.categories.dtype) if isinstance(column.dtype, pd.CategoricalDtype) else column
    if pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        return _one_chunk(pa.array(column, from_pandas=True))
    gaps = column.isna().to_numpy()
    filled = [v.item() if isinstance(v, np.generic) else v for v in column[~gaps]]
    kind = _kind(filled)
    as_stored = {pa.string(): str, pa.float64(): float}.get(kind)
    values = iter([as_stored(v) for v in filled] if as_stored else filled)
    return pa.array([None if gap else next(values) for gap in gaps], type=kind)


def _one_chunk(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


OF_OBJECTS = {"flag": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "date": pa.date32()}


def _kind(filled: list[object]) -> pa.DataType:
    """The type of a column of Python objects without its gaps."""
    kinds = {_python_kind(v) for v in filled}
    if kinds == {"time"}:
        return pa.timestamp("us")
    if kinds == {"integer", "number"}:
        return pa.float64()
    return OF_OBJECTS.get(kinds.pop(), pa.string()) if len(kinds) == 1 else pa.string()


def _python_kind(value: object) -> str:
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, numbers.Integral):
        return "integer" if -(2**63) <= int(value) < 2**63 else "number" if abs(value) < 10**300 else "text"
    if isinstance(value, numbers.Real):
        return "number"
    if isinstance(value, datetime.datetime):
        return "time" if value.tzinfo is None else "text"
    return "date" if isinstance(value, datetime.date) else "text"
