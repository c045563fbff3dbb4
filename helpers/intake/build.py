"""One table of a study: its files → data.parquet, rejects.parquet and manifest.json, every line accounted for."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from helpers.intake.beside import Beside
from helpers.intake.cache import FILES, VERSION, sha256_of, write_manifest
from helpers.intake.checks import Rules
from helpers.intake.errors import ABSENT, IntakeError
from helpers.intake.files import LINE_BITS, CsvFile, Places
from helpers.intake.layout import first_row_is_data, layout_of
from helpers.intake.ledger import BLANK, CODE, CONTINUATION, HEADER, Ledger
from helpers.intake.lines import CHUNK
from helpers.intake.parquet_files import ParquetFile, ParquetFlight, sources_of
from helpers.intake.preflight import Preflight
from helpers.intake.sorting import Sorter, cuts_of, same_as_before, sorted_rows
from helpers.intake.times import Calendar, unit_of
from helpers.intake.visits import Visits
from helpers.study import Study, zone
from helpers.tables import TABLES, Table

ROW_GROUP = 1 << 20
Progress = Callable[[str, float], None]
Flight = Preflight | ParquetFlight
File = CsvFile | ParquetFile


@dataclass
class Tally:
    """The account of one input file."""

    name: str
    sha256: str
    bytes: int
    lines: int
    header: int = 0
    blank: int = 0
    continuation: int = 0
    rows: int = 0

    def add(self, counts: Counter) -> None:
        """Count the lines of one part."""
        self.header += counts[HEADER]
        self.blank += counts[BLANK]
        self.continuation += counts[CONTINUATION]
        self.rows += counts[0]


def rules_of(study: Study, table: str) -> Rules:
    """How the columns of a table of this study are read; units of instants are found later, file by file."""
    contract, given = TABLES[table], study.tables[table]
    ids = {c.name: given.id_type(c.name) for c in contract.columns if c.kind == "id"}
    words = {w: w for c in contract.columns for w in c.values}
    window = (study.start_epoch, study.end_epoch) if contract.clock else None
    return Rules(contract, ids, given.behavior_codes or words, window=window)


class TableBuild:
    """The making of one cached table in a temporary folder."""

    def __init__(self, study: Study, table: str, folder: Path, progress: Progress) -> None:
        self.study, self.table, self.folder, self.progress = study, table, folder, progress
        self.given, self.contract = study.tables[table], TABLES[table]
        self.notes: list[str] = []
        self.places: dict[int, Places] = defaultdict(Places)

    def run(self, flights: list[Flight], data_hash: str) -> dict[str, Any]:
        """Read, check, sort and write; the manifest."""
        files = self._files(flights)
        book = Ledger(self.folder / FILES[1])
        tallies = [Tally(f.before.name, f.before.sha256, f.before.bytes, f.before.lines) for f in files]
        sorter = self._read(files, book, tallies)
        writer = _Writer(self.folder / FILES[0], self)
        doubles = self._write(sorter, writer, book, files)
        book.close()
        rows = writer.close()
        for spilled in ("ranges", "ranges-2"):
            shutil.rmtree(self.folder / spilled, ignore_errors=True)
        manifest = self._manifest(files, tallies, book, rows, doubles, data_hash)
        write_manifest(self.folder, manifest)
        return manifest

    # files ------------------------------------------------------------------------------------------------------

    def _files(self, flights: list[Flight]) -> list[File]:
        open_one = self._parquet if self.given.format == "parquet" else self._csv
        files = [open_one(i, p, f) for i, (p, f) in enumerate(zip(self.given.paths, flights, strict=True))]
        files = [replace(f, rules=replace(f.rules, units=self._units(f))) for f in files]
        fractions = any(u != "s" for f in files for u in f.rules.units.values())
        return [replace(f, rules=replace(f.rules, fractions=fractions)) for f in files]

    def _parquet(self, number: int, path: Path, before: ParquetFlight) -> ParquetFile:
        rules = rules_of(self.study, self.table)
        sources = sources_of(path, self.contract, self.given, rules.id_types)
        return ParquetFile(path, number, before, sources, rules)

    def _csv(self, number: int, path: Path, before: Preflight) -> CsvFile:
        layout = layout_of(before, self.contract, self.given)
        file = CsvFile(path, number, before, layout, rules_of(self.study, self.table))
        if first_row_is_data(layout, self.given) and file.is_row(file.fields(layout.header)):
            raise IntakeError(
                f"{path.name}, line {layout.header_line}: the study file says header: true, but this line is a "
                "row of data. Say header: false."
            )
        return file

    def _units(self, file: File) -> dict[str, str]:
        """Units of all columns of instants, declared or found by range in a sample."""
        units = {}
        for column in self.contract.columns:
            if column.kind != "instant" or column.name not in file.columns:
                continue
            values, unit = file.sample[column.name], self.given.timestamp_unit
            if pa.types.is_timestamp(values.type):
                unit = "us"  # its type says the rest
            elif unit == "auto":
                unit = unit_of([str(v) for v in values.to_pylist() if v is not None]) or "s"
                self._note_unit(column.name, unit)
            units[column.name] = unit
        return units

    def _note_unit(self, column: str, unit: str) -> None:
        words = {"ms": "milliseconds", "us": "microseconds", "iso": "ISO 8601 texts"}
        if unit in words:
            self._note(f"{column}: times are {words[unit]}, converted to seconds")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    # reading ----------------------------------------------------------------------------------------------------

    def _read(self, files: list[File], book: Ledger, tallies: list[Tally]) -> Sorter:
        sorter = self._sorter(files)
        for file, tally in zip(files, tallies, strict=True):
            done = 0
            for part in file.parts():
                book.add(part.rejects)
                tally.add(part.tally)
                self.places[file.number].add(part)
                sorter.add(part.rows)
                done += part.used
                self.progress(f"{self.table}: reading {file.path.name}", done / max(1, file.before.lines))
        return sorter

    def _sorter(self, files: list[File]) -> Sorter:
        schema, by = files[0].rules.schema, self._keys(files[0].rules)
        rows = sum(f.before.lines for f in files)
        sample = [f.sample[by[0]] for f in files] if rows > CHUNK // 8 else []
        cuts = []
        if sample:
            wanted = schema.field(by[0]).type
            cuts = cuts_of(_as_key(pa.chunked_array(sample), wanted), rows)
        folder = self.folder / "ranges"
        folder.mkdir()
        return Sorter(folder, schema, by, cuts)

    def _keys(self, rules: Rules) -> list[str]:
        """Sort keys: of the key's columns where the table has a key, else of all columns in the order on disk."""
        if self.contract.key:
            return [*self.contract.key, "_at"]
        return self._order_on_disk(rules)

    def _order_on_disk(self, rules: Rules) -> list[str]:
        rest = [n for n in rules.schema.names if n not in (*self.contract.order, "_at")]
        return [*self.contract.order, *rest, "_at"]

    # duplicates, order, writing -------------------------------------------------------------------------------------

    def _write(self, sorter: Sorter, writer: _Writer, book: Ledger, files: list[File]) -> dict[str, int]:
        """Drop duplicates, sort in the order on disk, write; the counts of duplicates."""
        doubles = _Doubles(self, sorter.by)
        kept = (doubles.drop(t) for t in _in_order(sorter))
        if self.contract.key and self.contract.order != self.contract.key:
            again = Sorter(self._second_folder(), sorter.schema, self._order_on_disk(files[0].rules), [])
            for table in kept:
                again.add(table)
            kept = _in_order(again)
        done = 0
        for table in kept:
            writer.add(table)
            done += table.num_rows
            self.progress(f"{self.table}: sorting and writing", done / max(1, sorter.rows))
        for rows in doubles.ledger_rows(files):
            book.add(rows)
        return doubles.counts

    def _second_folder(self) -> Path:
        folder = self.folder / "ranges-2"
        folder.mkdir()
        return folder

    # the account ----------------------------------------------------------------------------------------------------

    def _manifest(
        self,
        files: list[File],
        tallies: list[Tally],
        book: Ledger,
        rows: int,
        doubles: dict[str, int],
        data_hash: str,
    ) -> dict[str, Any]:
        inputs = [self._account(t, book.counts.get(t.name, {}), doubles) for t in _merged(tallies)]
        if sum(i["accepted"] for i in inputs) != rows:
            raise IntakeError(
                f"{self.table}: {rows} rows were written, which is not the number accepted. Nothing is used."
            )
        if not rows and any(i["rejects"] for i in inputs):
            raise IntakeError(self._nothing(inputs))
        return {
            "table": self.table,
            "data_hash": data_hash,
            "version": VERSION,
            "inputs": inputs,
            "encoding": _together(f.before.encoding for f in files),
            "newline": _together(f.before.newline for f in files),
            "delimiter": self.given.delimiter,
            "rows": rows,
            "columns": [c for c in self.contract.names if any(c in f.columns for f in files)],
            "notes": [*self._notes(files), *([] if rows else [ABSENT])],
            "duplicates": {"policy": self.given.duplicates, "exact": doubles["exact"], "key": doubles["key"]},
            "files": {name: sha256_of(self.folder / name) for name in FILES},
        }

    def _account(self, tally: Tally, rejects: dict[str, int], doubles: dict[str, Any]) -> dict[str, Any]:
        """One file's account; refused where it does not reconcile with the count of the raw bytes."""
        accepted = tally.rows - doubles["by_file"].get(tally.name, 0)
        counted = tally.header + tally.blank + tally.continuation + accepted + sum(rejects.values())
        if counted != tally.lines:
            raise IntakeError(
                f"{tally.name}: the bytes hold {tally.lines} lines, but {counted} are accounted for. Nothing is used."
            )
        return {
            "table": self.table,
            "path_name": tally.name,
            "sha256": tally.sha256,
            "bytes": tally.bytes,
            "lines": tally.lines,
            "header": tally.header,
            "blank": tally.blank,
            "continuation": tally.continuation,
            "accepted": accepted,
            "rejects": dict(sorted(rejects.items())),
        }

    def _nothing(self, inputs: list[dict[str, Any]]) -> str:
        reasons: Counter = Counter()
        for each in inputs:
            reasons.update(each["rejects"])
        names = ", ".join(i["path_name"] for i in inputs)
        said = "; ".join(f"{n} × {reason}" for reason, n in reasons.most_common())
        window = f"{self.study.window.start} … {self.study.window.end}, {self.study.time_zone}"
        return (
            f"{names}: no row of {self.table} can be used: {said}. "
            f"Check columns, ids, codes and units in the study file (its window is {window})."
        )

    def _notes(self, files: list[File]) -> list[str]:
        for file in files:
            for note in file.notes:
                self._note(note)
            if file.before.encoding == "gb18030":
                self._note(f"{file.path.name} was read as GB18030")
            if file.before.newline == "mixed":
                self._note(f"{file.path.name} has mixed line ends")
            if file.before.quotes == 1:
                self._note(f"{file.path.name} holds a single quote mark, so quotes were read as plain characters")
            if not file.before.terminated:
                self._note(f"{file.path.name} does not end with a line end")
        return self.notes


def _together(values: Iterator[str]) -> str:
    return ", ".join(sorted(set(values)))


def _merged(tallies: list[Tally]) -> list[Tally]:
    """One account a file name: files of the same name in two folders are told apart by nothing else."""
    by_name: dict[str, Tally] = {}
    for each in tallies:
        if each.name in by_name:
            raise IntakeError(
                f"{each.name}: two input files have this name. Rename one, so that rejects can be told apart."
            )
        by_name[each.name] = each
    return list(by_name.values())


def _as_key(values: pa.ChunkedArray, wanted: pa.DataType) -> pa.Array:
    """Sampled texts as the type of the sort key; what does not fit is left out."""
    values = values.combine_chunks()
    if pa.types.is_string(wanted):
        return values
    plain = pc.and_(pc.ascii_is_decimal(values), pc.less(pc.binary_length(values), 19))
    return values.filter(plain).cast(pa.int64()).cast(wanted)


def _in_order(sorter: Sorter) -> Iterator[pa.Table]:
    """Sorted tables, one range after the other; the next range is sorted while this one is used."""
    with ThreadPoolExecutor(2) as pool:
        waiting: list = []
        for table in sorter.ranges():
            waiting.append(pool.submit(sorted_rows, table, sorter.by))
            if len(waiting) > 2:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()


class _Doubles:
    """Finds rows that stand twice in sorted tables: equal in all columns, or only in the key."""

    def __init__(self, build: TableBuild, by: list[str]) -> None:
        self.build = build
        self.key = list(build.contract.key)
        must_be_unique = bool(self.key) and not build.contract.repeats
        self.drop_equal = must_be_unique or build.given.duplicates == "drop"
        self.counts: dict[str, Any] = {"exact": 0, "key": 0, "by_file": Counter()}
        self.found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.before: pa.Table | None = None

    def drop(self, table: pa.Table) -> pa.Table:
        """The rows that stay."""
        if self.before is not None:
            table = pa.concat_tables([self.before, table])
        content = [n for n in table.column_names if n != "_at"]
        same_key = same_as_before(table, self.key or content)
        first = np.maximum.accumulate(np.where(same_key, 0, np.arange(table.num_rows)))
        doubled = np.flatnonzero(same_key)
        at = table["_at"].to_numpy()
        equal = _equal_rows(table, content, doubled, first[doubled]) if self.key else np.ones(len(doubled), bool)
        keep = ~same_key
        if not self.drop_equal:
            self.counts["exact"] += int(equal.sum())
            self.counts["key"] += int((~equal).sum())
            keep[:] = True
        else:
            self._count(at[doubled], at[first[doubled]], equal)
        keep[: 0 if self.before is None else 1] = False
        self.before = table.slice(int(first[-1]), 1).combine_chunks() if table.num_rows else self.before
        return table if keep.all() else table.filter(pa.array(keep))

    def _count(self, at: np.ndarray, first: np.ndarray, equal: np.ndarray) -> None:
        self.counts["exact"] += int(equal.sum())
        self.counts["key"] += int((~equal).sum())
        for number, n in zip(*np.unique(at >> LINE_BITS, return_counts=True), strict=True):
            self.counts["by_file"][self.build.given.paths[int(number)].name] += int(n)
        if len(at):
            self.found.append((at, first, equal))

    def ledger_rows(self, files: list[File]) -> Iterator[pa.Table]:
        """The ledger's rows for all duplicates, file by file in the order of lines."""
        if not self.found:
            return
        at, first, equal = (np.concatenate(c) for c in zip(*self.found, strict=True))
        order = np.argsort(at, kind="stable")
        at, first, equal = at[order], first[order], equal[order]
        names = [f.path.name for f in files]
        for file in files:
            mine = at >> LINE_BITS == file.number
            if not mine.any():
                continue
            lines = at[mine] & ((1 << LINE_BITS) - 1)
            details = [
                f"first in line {a & ((1 << LINE_BITS) - 1)}"
                + (f" of {names[a >> LINE_BITS]}" if len(files) > 1 else "")
                for a in first[mine].tolist()
            ]
            reasons = np.where(equal[mine], CODE["duplicate"], CODE["duplicate key"])
            yield from file.located(lines, reasons, details, self.build.places[file.number])


def _equal_rows(table: pa.Table, columns: list[str], rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which pairs of rows are equal in all these columns."""
    if not len(rows):
        return np.zeros(0, bool)
    pairs = table.select(columns).take(pa.array(np.column_stack([others, rows]).ravel()))
    return same_as_before(pairs, columns)[1::2]


class _Writer:
    """Writes data.parquet: contract columns, day, hour, pause and visit, in row groups of one million rows."""

    def __init__(self, path: Path, build: TableBuild) -> None:
        self.build, self.rows = build, 0
        self._rules = rules_of(build.study, build.table)
        contract = build.contract
        self._words = pa.array(sorted(set(self._rules.codes.values())), pa.string())
        study = build.study
        self._calendar = Calendar(zone(study.time_zone), study.start_epoch, study.end_epoch) if contract.clock else None
        self._visits = Visits(contract.clock) if contract.visits else None
        self._writer = pq.ParquetWriter(path, self._schema(contract), **self._encodings(contract))
        self._waiting: list[pa.Table] = []
        self._beside = Beside()

    def _schema(self, contract: Table) -> pa.Schema:
        word = pa.dictionary(pa.int8(), pa.string())
        types = [(c.name, word if c.kind == "code" else self._rules.type_of(c)) for c in contract.columns]
        types += [("day", pa.date32()), ("hour", pa.int8())] if contract.clock else []
        return pa.schema([*types, *([("pause", pa.int32()), ("visit", pa.int32())] if contract.visits else [])])

    def _encodings(self, contract: Table) -> dict[str, Any]:
        """Whole numbers are stored as differences, but for the sorted ones; everything else in dictionaries."""
        schema = self._schema(contract)
        whole = [f.name for f in schema if pa.types.is_integer(f.type) and f.name not in (contract.order[0], "hour")]
        return {
            "compression": "zstd",
            "compression_level": 1,
            "store_schema": False,
            "use_dictionary": [n for n in schema.names if n not in whole],
            "column_encoding": dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
        }

    def add(self, table: pa.Table) -> None:
        """Take the next rows in order; they are written while the caller makes the next ones."""
        self._waiting.append(self._finished(table))
        if sum(t.num_rows for t in self._waiting) >= ROW_GROUP:
            whole = pa.concat_tables(self._waiting)
            cut = whole.num_rows // ROW_GROUP * ROW_GROUP
            self._waiting = [whole.slice(cut)]
            self._beside.start(self._writer.write_table, whole.slice(0, cut), ROW_GROUP)
        self.rows += table.num_rows

    def _finished(self, table: pa.Table) -> pa.Table:
        columns = {}
        for column in self.build.contract.columns:
            values = table[column.name].combine_chunks()
            coded = column.kind == "code"  # written as a dictionary already, words are not looked up row by row
            columns[column.name] = pa.DictionaryArray.from_arrays(values, self._words) if coded else values
        if self._calendar:
            day, hour = self._calendar.local(table[self.build.contract.clock].to_numpy())
            columns |= {"day": pa.array(day).cast(pa.date32()), "hour": pa.array(hour)}
        if self._visits:
            columns |= self._visits.columns(table)
        return pa.table(columns)

    def close(self) -> int:
        """Write the rest; the number of rows in the file."""
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        with self._beside:
            if rest is not None and rest.num_rows:
                self._beside.start(self._writer.write_table, rest, ROW_GROUP)
            self._beside.wait()
        self._writer.close()
        return self.rows
