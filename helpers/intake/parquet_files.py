"""One Parquet file → checked rows and rejects: the same contract checks and the same ledger as for text.

A line is a row here: lines = accepted + rejects. What a column's type cannot hold exactly is refused, not converted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from helpers.intake import ledger
from helpers.intake.cache import sha256_of
from helpers.intake.checks import Checked, Rules, check
from helpers.intake.errors import IntakeError, shown
from helpers.intake.files import LINE_BITS, SAMPLE_ROWS, Part, Places, typed_rows
from helpers.intake.ledger import CODE, OK, RAW_CAP
from helpers.intake.lines import LINE_CAP, open_file, unreadable
from helpers.study import TableInput, nearest
from helpers.tables import Column, Table

BATCH = 1 << 18
BATCH_BYTES = 256 << 20
ROWS_FREE, ROWS_PER_BYTE = 1_000_000, 20
EXPANSION_FREE, EXPANSION_RATIO = 1 << 30, 200


@dataclass(frozen=True)
class ParquetFlight:
    """What the footer and the bytes of a Parquet file say."""

    name: str
    sha256: str
    bytes: int
    lines: int
    encoding: str = "parquet"
    newline: str = "none"
    quotes: int = 0
    terminated: bool = True


def parquet_flight(path: Path) -> ParquetFlight:
    """Look at a Parquet file's first bytes and footer; refuse what is not Parquet, empty, or a bomb."""
    with _understood(path):
        size = path.stat().st_size
        with open_file(path) as file:
            if file.read(4) != b"PAR1":
                raise IntakeError(
                    f"{path.name}: this is not a Parquet file ({'it is empty' if not size else 'no PAR1 signature'}). "
                    "Say format: csv in the study file, or fetch the file again."
                )
        footer = pq.read_metadata(path)
        rows, groups = footer.num_rows, footer.num_row_groups
        unpacked = sum(footer.row_group(i).total_byte_size for i in range(groups))
    if not rows:
        raise IntakeError(f"{path.name}: the Parquet file holds no rows. Check that it was written whole.")
    if rows > ROWS_FREE + ROWS_PER_BYTE * size or unpacked > max(EXPANSION_FREE, EXPANSION_RATIO * size):
        raise IntakeError(
            f"{path.name}: {rows} rows and {unpacked} bytes are said to be in a file of {size} bytes; taken for a "
            "bomb. If the file is right, split it."
        )
    return ParquetFlight(path.name, sha256_of(path), size, rows)


class _understood:
    """Turns what goes wrong while reading Parquet into a message."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise unreadable(self.path, error) from None
        if isinstance(error, pa.ArrowException | OSError | OverflowError | MemoryError):
            what = shown(str(error).splitlines()[0] if str(error) else type(error).__name__)
            raise IntakeError(
                f"{self.path.name}: the Parquet file is damaged or cut off ({what}). Write or fetch it again."
            ) from None


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file with all that is needed to read it; the counterpart of `files.CsvFile`."""

    path: Path
    number: int
    before: ParquetFlight
    sources: dict[str, str]
    rules: Rules
    notes: tuple[str, ...] = ()

    @property
    def columns(self) -> list[str]:
        """Columns of the contract that the file brings."""
        return list(self.sources)

    @cached_property
    def sample(self) -> pa.Table:
        """Some rows, spread over the row groups."""
        with _understood(self.path):
            count = pq.read_metadata(self.path).num_row_groups
            groups = sorted({i * count // 8 for i in range(min(8, count))})
            parts = [
                _plain(self._renamed(pa.Table.from_batches([batch.slice(0, SAMPLE_ROWS // len(groups))])))[0]
                for i in groups
                for batch in islice(self._batches(row_groups=[i]), 1)
            ]
            if not parts:  # Arrow reads some damaged pages as the end of the rows
                raise pa.ArrowInvalid("no row can be read, and the footer says that there are some")
        return pa.concat_tables(parts)

    def _batches(self, **some: Any) -> Iterator[pa.RecordBatch]:
        """All rows in batches. Texts are read as dictionaries, which a giant text cannot blow up; a file that writes
        them as differences from each other can be read plainly only."""
        schema, done = pq.read_schema(self.path), 0
        texts = [name for name in self.sources.values() if _is_text(schema.field(name).type)]
        for way in (texts, []):
            try:
                with pq.ParquetFile(self.path, read_dictionary=way, page_checksum_verification=True) as file:
                    row = 0
                    for batch in file.iter_batches(BATCH, columns=list(self.sources.values()), **some):
                        row += batch.num_rows
                        if row > done:
                            fresh, done = row - done, row
                            yield batch.slice(batch.num_rows - fresh)
                return
            except OSError as error:
                if not way or "Not yet implemented" not in str(error):
                    raise

    def _renamed(self, table: pa.Table) -> pa.Table:
        return pa.table({c: table[name] for c, name in self.sources.items()})

    def parts(self) -> Iterator[Part]:
        """All parts of the file in order."""
        row = 1
        with _understood(self.path):
            for batch in self._batches():
                for piece in _bounded(self._renamed(pa.Table.from_batches([batch]))):
                    yield self._part(piece, row)
                    row += piece.num_rows

    def _part(self, table: pa.Table, first: int) -> Part:
        plain, out = _plain(table)
        checked = check(plain, self.rules)
        for reason, rows in out.items():
            checked.why[rows], checked.column[rows] = CODE[reason], -1
        good = checked.why == OK
        rows = typed_rows(checked, self.rules, (self.number << LINE_BITS) + first + np.arange(len(good)))
        tally = Counter({OK: int(good.sum())})
        return Part(rows, self._rejects(plain, checked, first), tally, None, len(good))

    def _rejects(self, table: pa.Table, checked: Checked, first: int) -> pa.Table:
        index = np.flatnonzero(checked.why > OK)
        column = checked.column[index]
        names = pa.array(self.rules.contract.names)
        details: list[str | None] = [None] * len(index)
        for c in np.unique(column[column >= 0]).tolist():
            at = np.flatnonzero(column == c)
            values = table[names[c].as_py()].take(pa.array(index[at])).to_pylist()
            for i, value in zip(at.tolist(), values, strict=True):
                details[i] = None if value is None else shown(str(value))[1:-1]
        return self._ledger(
            table, index, first, checked.why[index], names.take(pa.array(column, mask=column < 0)), details
        )

    def _ledger(
        self, table: pa.Table, index: np.ndarray, first: int, why: np.ndarray, column: pa.Array, details: list
    ) -> pa.Table:
        raw = [
            json.dumps(row, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
            for row in table.take(pa.array(index)).to_pylist()
        ]
        return pa.table(
            [
                pa.repeat(self.path.name, len(index)),
                pa.array(first + index),
                pa.nulls(len(index), pa.int64()),
                pa.array([len(r) for r in raw], pa.int64()),
                pa.array([r[:RAW_CAP] for r in raw], pa.binary()),
                ledger.reason_words(why),
                column,
                pa.array(details, pa.string()),
            ],
            schema=ledger.SCHEMA,
        )

    def located(self, lines: np.ndarray, reasons: np.ndarray, details: list[str], _: Places) -> Iterator[pa.Table]:
        """The ledger's rows for rows found later, given by their number, in order."""
        first, done = 1, 0
        with _understood(self.path):
            for batch in self._batches():
                upto = int(np.searchsorted(lines, first + batch.num_rows))
                if upto > done:
                    table, _ = _plain(self._renamed(pa.Table.from_batches([batch])))
                    nothing = pa.nulls(upto - done, pa.string())
                    index = lines[done:upto] - first
                    yield self._ledger(table, index, first, reasons[done:upto], nothing, details[done:upto])
                first, done = first + batch.num_rows, upto


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)


def _bounded(table: pa.Table) -> Iterator[pa.Table]:
    """Halves of a batch until the text in it fits in memory: a dictionary can repeat a giant text for nothing."""
    total = sum(
        int(pc.sum(pc.binary_length(c.chunk(0).dictionary).take(c.chunk(0).indices)).as_py() or 0)
        for c in table.columns
        if pa.types.is_dictionary(c.type) and c.num_chunks and not pa.types.is_primitive(c.type.value_type)
    )
    if total <= BATCH_BYTES or table.num_rows == 1:
        yield table
        return
    half = table.num_rows // 2
    yield from _bounded(table.slice(0, half))
    yield from _bounded(table.slice(half))


def _plain(table: pa.Table) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """Dictionaries as plain text, and rows that are out because of a text: too long, with NUL, not UTF-8."""
    columns, out = {}, {}
    for name in table.column_names:
        values = table[name].combine_chunks()
        if pa.types.is_null(values.type):
            values = values.cast(pa.string())
        if _is_text(values.type):
            values = values.cast(pa.large_binary()).dictionary_encode()
        if pa.types.is_dictionary(values.type):
            words = values.dictionary
            texts = [_text(w) for w in words.cast(pa.large_binary()).to_pylist()]
            for reason in {t[1] for t in texts if t[1]}:
                bad = np.array([t[1] == reason for t in texts])
                at = pc.fill_null(values.indices, -1).to_numpy(zero_copy_only=False)
                out[reason] = out.get(reason, np.zeros(len(at), bool)) | (np.append(bad, False)[at])
            values = pa.array([t[0] for t in texts], pa.string()).take(values.indices)
        columns[name] = values
    return pa.table(columns), out


def _text(word: bytes | None) -> tuple[str | None, str]:
    if word is None:
        return None, ""
    if len(word) > LINE_CAP:
        return word[:100].decode("utf-8", "replace"), "line too long"
    try:
        return word.decode(), "NUL byte" if b"\0" in word else ""
    except UnicodeDecodeError:
        return word.decode("utf-8", "backslashreplace"), "bad encoding"


def sources_of(path: Path, contract: Table, given: TableInput, id_types: dict[str, str]) -> dict[str, str]:
    """As `sources_in`, with the schema that stands in the file."""
    with _understood(path):
        schema = pq.read_schema(path)
    return sources_in(schema, path, contract, given, id_types)


def sources_in(
    schema: pa.Schema, path: Path, contract: Table, given: TableInput, id_types: dict[str, str]
) -> dict[str, str]:
    """Contract column → the file's column, by name or position, of a type that holds it exactly.

    Raises
    ------
    IntakeError
        A column is missing, stands twice, or has a type that cannot hold what the contract asks for.
    """
    mapped = given.columns or {c: c for c in contract.names if c in schema.names}
    if given.columns is None:
        missing = [c for c in contract.required if c not in schema.names]
        if missing:
            raise IntakeError(_missing(path, missing[0], schema.names, contract.required))
    sources = {}
    for column, source in mapped.items():
        name = (
            source if isinstance(source, str) else (schema.names[source - 1] if source <= len(schema.names) else None)
        )
        if name is None or schema.names.count(name) == 0:
            raise IntakeError(_missing(path, str(source), schema.names, [str(v) for v in mapped.values()]))
        if schema.names.count(name) > 1:
            raise IntakeError(f"{path.name}: the column {shown(name)} stands twice in the file. Rename one of them.")
        _check_type(path, contract.column(column), schema.field(name), id_types)
        sources[column] = name
    return sources


def _missing(path: Path, name: str, found: list[str], wanted: list[str]) -> str:
    return (
        f"{path.name}: expected the columns {', '.join(wanted)}; found {shown(', '.join(found))}. "
        f"Column {shown(name)} is missing. {nearest(name, found) if found else ''} Map it under columns in the study."
    )


def _check_type(path: Path, column: Column, source: pa.Field, id_types: dict[str, str]) -> None:
    kind = source.type.value_type if pa.types.is_dictionary(source.type) else source.type
    text = _is_text(kind) or pa.types.is_null(kind)
    whole = pa.types.is_integer(kind)
    fits = {
        "id": text or whole,
        "text": text,
        "month": text,
        "code": text or whole,
        "integer": text or whole or pa.types.is_floating(kind),
        "number": text or whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind),
        "flag": text or whole or pa.types.is_boolean(kind),
        "instant": text or whole or (pa.types.is_timestamp(kind) and kind.tz is not None),
        "date": text or pa.types.is_date(kind),
    }[column.kind]
    if fits:
        return
    why = ""
    if column.kind == "id":
        why = " Floats cannot hold large ids exactly." if pa.types.is_floating(kind) else ""
        why += f" Write it as {id_types[column.name]}."
    if column.kind == "instant" and pa.types.is_timestamp(kind):
        why = (
            " Its times have no time zone, so they are no instants. Write them in UTC with a zone, or as epoch seconds."
        )
    raise IntakeError(f"{path.name}, column {shown(source.name)}: {column.name} cannot be of type {source.type}.{why}")
