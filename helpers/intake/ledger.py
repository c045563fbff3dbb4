"""The ledger of rejects: every line that was not taken, with its raw bytes and the reason in plain words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

REASONS = {
    "too few fields": "the row has fewer fields than the file's other rows or its header",
    "too many fields": "the row has more fields than the file's other rows or its header",
    "bad integer": "not a whole number that int64 can hold, or an id with leading zeros",
    "bad number": "not a finite decimal number written with a point",
    "bad time": "not a moment in the column's unit, or ISO 8601 without an offset",
    "bad date": "not a calendar day YYYY-MM-DD or a month YYYY-MM",
    "bad flag": "not one of 0, 1, true, false",
    "unknown behaviour": "a code that neither the contract nor behavior_codes knows",
    "missing key": "an id that must be there is empty",
    "missing value": "a value that must be there is empty",
    "out of range": "a number below or above what the contract allows, such as a negative price",
    "out of window": "the moment lies outside the study's window",
    "duplicate": "equal in every column to a row further up",
    "duplicate key": "the key stands further up with other content",
    "truncated last line": "the file ends without a line end, inside this row",
    "unclosed quote": "a quote opens a field and is not closed",
    "stray quote": "a quote inside a field that is not quoted, or text after a closing quote",
    "NUL byte": "the line holds a NUL byte",
    "bad encoding": "the line is not valid in the file's encoding",
    "line too long": "the line is longer than 1 MiB",
    "repeated header": "the header stands again",
    "preamble": "a line above the header",
}
"""Reason → meaning. This list is fixed: every reject has one of these reasons."""

OK, BLANK, HEADER, CONTINUATION = 0, -1, -2, -3
CODE = {reason: i for i, reason in enumerate(REASONS, start=1)}
RAW_CAP = 4096

SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("byte_offset", pa.int64()),
        ("bytes", pa.int64()),
        ("raw", pa.binary()),
        ("reason", pa.string()),
        ("column", pa.string()),
        ("detail", pa.string()),
    ]
)
"""One row a reject: file name, line from 1, where it starts, its full length, its first 4 KiB, why."""


def reason_words(codes: np.ndarray) -> pa.Array:
    """Reason codes → the words of `REASONS`."""
    words = pa.array([None, *REASONS])
    return words.take(pa.array(codes))


class Ledger:
    """Writes rejects.parquet piece by piece and keeps the count by file and reason."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd")
        self._waiting: list[pa.Table] = []
        self.counts: dict[str, dict[str, int]] = {}

    def add(self, rows: pa.Table) -> None:
        """Append rows in the ledger's schema."""
        if not rows.num_rows:
            return
        for pair in rows.group_by(["file", "reason"]).aggregate([([], "count_all")]).to_pylist():
            of_file = self.counts.setdefault(pair["file"], {})
            of_file[pair["reason"]] = of_file.get(pair["reason"], 0) + pair["count_all"]
        self._waiting.append(rows)
        if sum(t.num_rows for t in self._waiting) >= 1 << 17:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []

    def close(self) -> None:
        """Write what waits and the file's end."""
        if self._waiting:
            self._flush()
        self._writer.close()
