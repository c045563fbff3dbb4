"""Writing tables in pieces: CSV (UTF-8, one header, no quotes) or Parquet, always the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

_PLAIN = pa_csv.WriteOptions(include_header=False, quoting_style="none")


class TableFile:
    """One table that grows by blocks of columns.

    Text must hold no comma, quote or line break (the shop's texts use Chinese punctuation); flags are written
    as 1/0 in CSV.
    """

    def __init__(self, path: Path, format: str) -> None:
        self.path = path.with_name(f"{path.name}.{format}")
        self.format, self.rows, self._writer = format, 0, None
        self._file = self.path.open("wb")

    def add(self, columns: dict[str, np.ndarray], edit: Callable[[bytes], bytes] | None = None) -> None:
        """Append rows, given as equally long columns; `edit` may change the CSV text of these rows."""
        table = pa.table({name: _column(values, self.format) for name, values in columns.items()})
        self.rows += table.num_rows
        if self.format == "parquet":
            self._writer = self._writer or _parquet_writer(self._file, table.schema)
            self._writer.write_table(table)
            return
        if self._file.tell() == 0:
            self._file.write((",".join(table.schema.names) + "\n").encode())
        text = pa.BufferOutputStream()
        pa_csv.write_csv(table, text, write_options=_PLAIN)
        content = text.getvalue()
        self._file.write(edit(content.to_pybytes()) if edit else content)

    def __enter__(self) -> TableFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left and close the file; a table without a row is not kept."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()
        if not self.rows:
            self.path.unlink()


def _parquet_writer(file: BinaryIO, schema: pa.Schema) -> pa_parquet.ParquetWriter:
    # dictionaries pay for words only; for ids and times they cost more time than they save space
    wordy = [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_dictionary(f.type)]
    return pa_parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=wordy)


def _column(values: np.ndarray | pa.Array, format: str) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if values.dtype == bool and format == "csv":
        return pa.array(values.astype(np.int8))
    if values.dtype == object or values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values)


def words(codes: np.ndarray, vocabulary: tuple[str, ...], format: str) -> pa.Array:
    """A text column from codes, without making one Python object a row."""
    coded = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(vocabulary, pa.string()))
    return coded.cast(pa.string()) if format == "csv" else coded


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
