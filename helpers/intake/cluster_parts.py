"""What the workers of a cluster do with their part of a file: the same parser and checks as on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from helpers.intake import ledger
from helpers.intake.files import CsvFile, Part
from helpers.intake.ledger import BLANK, HEADER, OK
from helpers.intake.lines import Block
from helpers.intake.parquet_files import ParquetFile
from helpers.intake.times import Calendar
from helpers.tables import Table

ROW, REJECT, TALLY = "row", "reject", "tally"
BOM = b"\xef\xbb\xbf"
COUNTED = ("header", "blank", "rows", "shortest")


@dataclass(frozen=True)
class Source:
    """One file of the cluster: how it is read, and on which line each of its blocks begins.

    `lines` counts all lines; `open_end` says that the last one has no line end: the driver judges that one.
    """

    file: CsvFile | ParquetFile
    first: dict[int, int]
    lines: int
    open_end: bool = False


@dataclass(frozen=True)
class Parser:
    """Turns lines (or rows of Parquet files) into rows, rejects and counts. It travels to the workers."""

    sources: dict[str, Source]
    contract: Table
    words: tuple[str, ...]
    calendar: Calendar | None
    fields: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        rules = next(iter(self.sources.values())).file.rules
        own = [(c.name, pa.string() if c.kind == "code" else rules.type_of(c)) for c in self.contract.columns]
        own += [("_sub", pa.int32())] if rules.fractions else []
        own += [("day", pa.date32()), ("hour", pa.int8())] if self.calendar else []
        told = [(f"_{f.name}", f.type) for f in ledger.SCHEMA]
        counts = [(f"_{name}", pa.int64()) for name in COUNTED]
        object.__setattr__(
            self, "fields", pa.schema([("_kind", pa.string()), *own, ("_at", pa.int64()), *told, *counts])
        )

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches with `file`, `block` and the lines (or columns) → batches of `fields`, in order."""
        at: dict[tuple[str, int], int] = {}
        for batch in batches:
            for file, block, rows in _runs(batch):
                source = self.sources[file]
                first = at.get((file, block), source.first[block])
                at[file, block] = first + rows.num_rows
                if source.open_end and first + rows.num_rows > source.lines:
                    rows = rows.slice(0, rows.num_rows - 1)
                if rows.num_rows:
                    yield from self.emit(source.file.before.name, self._part(source, rows, first))

    def _part(self, source: Source, rows: pa.Table, first: int) -> Part:
        if isinstance(source.file, ParquetFile):
            return source.file._part(source.file._renamed(rows), first)
        raw = b"\n".join(rows["value"].to_pylist()) + b"\n"
        return source.file.part(block_of(raw, first), final=True, shortest=None)

    def emit(self, name: str, part: Part) -> Iterator[pa.RecordBatch]:
        """A part's rows, rejects and counts as batches of `fields`."""
        counts = {"header": part.tally[HEADER], "blank": part.tally[BLANK], "rows": part.tally[OK]}
        counts["shortest"] = part.shortest_last
        tally = {f"_{k}": pa.array([v], pa.int64()) for k, v in counts.items()} | {"_file": pa.array([name])}
        rejects = {f"_{c}": part.rejects[c] for c in part.rejects.column_names}
        rejects["_byte_offset"] = pa.nulls(part.rejects.num_rows, pa.int64())
        rejects["_file"] = pa.repeat(name, part.rejects.num_rows)
        for kind, columns, n in (
            (ROW, self._finished(part.rows), part.rows.num_rows),
            (REJECT, rejects, part.rejects.num_rows),
            (TALLY, tally, 1),
        ):
            if n:
                whole = [columns.get(f.name, pa.nulls(n, f.type)) for f in self.fields]
                whole[0] = pa.repeat(kind, n)
                yield from pa.table(whole, schema=self.fields).combine_chunks().to_batches()

    def _finished(self, rows: pa.Table) -> dict[str, pa.ChunkedArray]:
        columns = {c: rows[c] for c in rows.column_names}
        for column in self.contract.columns:
            if column.kind == "code":
                columns[column.name] = pa.array(self.words).take(rows[column.name].combine_chunks())
        if self.calendar:
            day, hour = self.calendar.local(rows[self.contract.clock].to_numpy())
            columns |= {"day": pa.array(day).cast(pa.date32()), "hour": pa.array(hour)}
        return columns


def block_of(raw: bytes, first: int, *, open_end: bool = False) -> Block:
    """Whole lines as a block; the mark at the very start of a file (BOM) is passed over."""
    from helpers.intake.lines import _block

    raw = raw.removeprefix(BOM) if first == 1 else raw
    try:
        raw.decode("utf-8")
        block = _block(raw, 0, first, "utf-8", True)
    except UnicodeDecodeError:
        block = _block(raw, 0, first, "utf-8", False)
    block.unterminated = open_end
    return block


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[str, int, pa.Table]]:
    """Pieces of a batch that lie in one block of one file."""
    table = pa.Table.from_batches([batch])
    file = pc.dictionary_encode(batch["file"])
    code, block = file.indices.to_numpy(zero_copy_only=False), batch["block"].to_numpy(zero_copy_only=False)
    new = np.flatnonzero((np.diff(code) != 0) | (np.diff(block) != 0)) + 1
    for a, b in zip([0, *new.tolist()], [*new.tolist(), len(code)], strict=True):
        if b > a:
            yield file.dictionary[int(code[a])].as_py(), int(block[a]), table.slice(a, b - a)
