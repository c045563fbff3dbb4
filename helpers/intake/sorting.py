"""Sorting more rows than memory holds: rows are dealt into ranges of the first key, each range is sorted alone.

A range that turns out too large is dealt again, by its own quantiles or by the next key.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from helpers.intake.columns import filled, nulls

RANGE_ROWS = 2_000_000
MOST_ROWS = 8_000_000
MEMORY_ROWS = 4_000_000
WAITING_ROWS = 12_000_000
"""So many rows, about half a gigabyte, wait in memory before they are spilled."""
MOST_RANGES = 200


def cuts_of(sample: pa.Array, rows: int) -> list:
    """Values that deal about `rows` rows like the sample into ranges of about `RANGE_ROWS`; none if all fit."""
    ranges = min(MOST_RANGES, -(-rows // RANGE_ROWS))
    sample = sample.drop_null()
    if rows <= MEMORY_ROWS or not len(sample):
        return []
    ordered = sample.take(pc.sort_indices(sample))
    places = pa.array([len(ordered) * i // ranges for i in range(1, ranges)], pa.int64())
    return sorted(set(ordered.take(places).to_pylist()))


def deal(table: pa.Table, key: str, cuts: Sequence) -> list[tuple[int, pa.Table]]:
    """Split rows by the range their key falls in: range i holds cuts[i-1] <= key < cuts[i]; nulls go first."""
    if not cuts or not table.num_rows:
        return [(0, table)] if table.num_rows else []
    column = table[key].combine_chunks()
    if pa.types.is_string(column.type):
        coded = column.dictionary_encode()
        of_word = np.array([bisect.bisect_right(cuts, w) for w in coded.dictionary.to_pylist()] or [0], np.int16)
        at = np.where(nulls(column), 0, of_word[filled(coded.indices, 0)])
    else:
        values = filled(column, cuts[0])
        bounds = np.array(cuts, dtype=values.dtype)
        at = np.where(nulls(column), 0, np.searchsorted(bounds, values, side="right")).astype(np.int16)
    if (at == at[0]).all():
        return [(int(at[0]), table)]
    order = np.argsort(at, kind="stable")
    table, at = table.take(pa.array(order)), at[order]
    edges = [0, *(np.flatnonzero(np.diff(at)) + 1).tolist(), len(at)]
    return [(int(at[a]), table.slice(a, b - a)) for a, b in pairwise(edges)]


class _Range:
    """Rows of one range: in memory, and beyond that in a file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path, self.schema, self.rows = path, schema, 0
        self._waiting: list[pa.Table] = []
        self._writer: pa.ipc.RecordBatchFileWriter | None = None

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self.rows += table.num_rows

    def spill(self) -> None:
        if not self._waiting:
            return
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self.path), self.schema)
        self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks())
        self._waiting = []

    def seal(self) -> None:
        """No more rows will come; what was spilled once is wholly in the file."""
        if self._writer is not None:
            self.spill()
            self._writer.close()

    def pieces(self) -> Iterator[pa.Table]:
        """All rows in the order they came; as often as wanted, after `seal`."""
        if self._writer is None:
            yield from self._waiting
            return
        with pa.OSFile(str(self.path)) as file:
            reader = pa.ipc.open_file(file)
            for i in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(i)])

    def drop(self) -> None:
        """Free the memory or the disk."""
        self._waiting = []
        if self._writer is not None:
            self.path.unlink()


class Sorter:
    """Takes tables of one schema, gives them back sorted.

    Parameters
    ----------
    folder : Path
        Where ranges are kept that do not fit in memory.
    schema : pyarrow.Schema
        Of every table given.
    by : list of str
        The sort keys, the last of them unique; nulls come first, text in the order of its UTF-8 bytes.
    cuts : list
        Bounds of the ranges of the first key, from `cuts_of`; empty for one range.
    """

    def __init__(self, folder: Path, schema: pa.Schema, by: list[str], cuts: list) -> None:
        self.folder, self.schema, self.by, self.cuts = folder, schema, by, cuts
        self._ranges = [_Range(folder / f"{i}.arrow", schema) for i in range(len(cuts) + 1)]
        self._waiting = self.rows = 0

    def add(self, table: pa.Table) -> None:
        """Take rows."""
        for i, part in deal(table, self.by[0], self.cuts):
            self._ranges[i].add(part)
            self._waiting += part.num_rows
            self.rows += part.num_rows
        if self._waiting > WAITING_ROWS:
            for each in self._ranges:
                each.spill()
            self._waiting = 0

    def ranges(self) -> Iterator[pa.Table]:
        """The rows range by range, each range unsorted and small enough to sort in memory."""
        for each in self._ranges:
            yield from self._whole(each)

    def _whole(self, rows: _Range) -> Iterator[pa.Table]:
        rows.seal()
        if rows.rows > MOST_ROWS:
            yield from self._again(rows)
        elif rows.rows:
            whole = pa.concat_tables(list(rows.pieces())).combine_chunks()
            rows.drop()
            yield whole

    def _again(self, rows: _Range) -> Iterator[pa.Table]:
        """Deal a range that is too large by the first key that is not the same in all its rows."""
        folder = rows.path.with_suffix("")
        folder.mkdir()
        key, cuts = next(found for key in self.by if (found := (key, _own_cuts(rows, key)))[1])
        parts = [_Range(folder / f"{i}.arrow", self.schema) for i in range(len(cuts) + 1)]
        for piece in rows.pieces():
            for i, part in deal(piece, key, cuts):
                parts[i].add(part)
                parts[i].spill()
        rows.drop()
        for part in parts:
            yield from self._whole(part)
        folder.rmdir()


def _own_cuts(rows: _Range, key: str) -> list:
    """Quantiles of a key from every hundredth row, with at least one real split; empty when it is constant."""
    known = [b for p in rows.pieces() if (b := pc.min_max(p[key]).as_py())["min"] is not None]
    if not known:
        return []
    least, most = min(b["min"] for b in known), max(b["max"] for b in known)
    if least == most:
        return [least] if any(p[key].null_count for p in rows.pieces()) else []
    sample = pa.concat_arrays([p[key].combine_chunks()[::100] for p in rows.pieces()])
    cuts = [c for c in cuts_of(sample, rows.rows) if c > least]
    # almost all rows have the least value: they make one range, so that the next key can part them
    return cuts or [min(v for p in rows.pieces() if (v := _least_above(p[key], least)) is not None)]


def _least_above(values: pa.ChunkedArray, bound: object) -> object:
    return pc.min(values.filter(pc.greater(values, pa.scalar(bound, values.type)))).as_py()


def sorted_rows(table: pa.Table, by: list[str]) -> pa.Table:
    """The rows of a table in the order of its keys; nulls first, text by its UTF-8 bytes.

    >>> sorted_rows(pa.table({"a": [2, 1, 2], "b": ["z", "y", "x"]}), ["a", "b"])["b"].to_pylist()
    ['y', 'x', 'z']
    """
    return table.take(pa.array(_order(table, by)))


def _order(table: pa.Table, by: list[str]) -> np.ndarray:
    """Row numbers in order. The first keys and the row number are packed into one whole number, sorted as such."""
    room = 63 - table.num_rows.bit_length()
    packed, used = _packed([table[key] for key in by], room)
    shift = table.num_rows.bit_length()
    both = np.sort((packed << shift) | np.arange(table.num_rows))
    order, values = both & ((1 << shift) - 1), both >> shift
    rest = by[used:]
    same = values[1:] == values[:-1]
    if not rest or not same.any():
        return order
    tied = np.zeros(len(order), bool)
    tied[1:] |= same
    tied[:-1] |= same
    at = np.flatnonzero(tied)
    rows = order[at]
    few = table.select(rest).take(pa.array(rows))
    order[at] = rows[np.lexsort([*[_rank(few[key]) for key in reversed(rest)], packed[rows]])]
    return order


def _packed(columns: list[pa.ChunkedArray], room: int) -> tuple[np.ndarray, int]:
    """One whole number a row, of at most `room` bits, that orders like the first keys together; how many went in."""
    packed, bits, used = np.zeros(len(columns[0]), np.int64), 0, 0
    for column in columns:
        rank = _rank(column)
        least, most = (int(rank.min()), int(rank.max())) if len(rank) else (0, 0)
        need = (most - least).bit_length()
        if used == 0 and need > room:
            rank = np.unique(rank, return_inverse=True)[1].astype(np.int64)
            least, need = 0, int(rank.max()).bit_length()
        if bits + need > room:
            break
        packed = (packed << need) | (rank - least)
        bits, used = bits + need, used + 1
    return packed, used


def _rank(column: pa.ChunkedArray) -> np.ndarray:
    """Whole numbers that order like the values of a column, nulls first."""
    values = column.combine_chunks()
    if pa.types.is_string(values.type):
        coded = values.dictionary_encode()
        place = np.empty(len(coded.dictionary), np.int64)
        place[pc.sort_indices(coded.dictionary).to_numpy()] = np.arange(len(place))
        at = filled(coded.indices, 0)
        ranks = place[at] if len(place) else np.zeros(len(values), np.int64)
    elif pa.types.is_floating(values.type):
        bits = filled(values, 0.0).view(np.int64)
        ranks = np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
    else:
        plain = values.cast(pa.int32()) if pa.types.is_date(values.type) else values
        ranks = filled(plain.cast(pa.int64()), 0)
    if not values.null_count:
        return ranks
    dense = np.unique(ranks, return_inverse=True)[1].astype(np.int64) + 1
    return np.where(nulls(values), 0, dense)


def same_as_before(table: pa.Table, columns: list[str]) -> np.ndarray:
    """Which rows equal the row before them in all these columns (null equals null); the first never does.

    >>> same_as_before(pa.table({"a": [1, 1, None, None]}), ["a"]).tolist()
    [False, True, False, True]
    """
    same = np.zeros(table.num_rows, bool)
    if table.num_rows < 2:
        return same
    same[1:] = True
    for name in columns:
        values = table[name].combine_chunks()
        if not pa.types.is_string(values.type) and not values.null_count:
            raw = values.to_numpy(zero_copy_only=False)
            same[1:] &= raw[1:] == raw[:-1]
            continue
        equal = pc.fill_null(pc.equal(values[1:], values[:-1]), False)
        both = pc.and_(pc.is_null(values[1:]), pc.is_null(values[:-1]))
        same[1:] &= pc.or_(equal, both).to_numpy(zero_copy_only=False)
    return same
