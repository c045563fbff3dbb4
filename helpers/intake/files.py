"""One CSV file → checked rows and rejects, block by block."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from helpers.intake import ledger
from helpers.intake.checks import Checked, Rules, check
from helpers.intake.errors import shown
from helpers.intake.layout import Layout
from helpers.intake.ledger import BLANK, CODE, CONTINUATION, HEADER, OK, RAW_CAP
from helpers.intake.lines import LINE_CAP, Block, blocks, is_packed
from helpers.intake.preflight import Preflight
from helpers.intake.records import Rows, rows_of, split_record

LINE_BITS = 40
WORKERS = 2
SAMPLE_ROWS = 40_000
CUT_SHOWS = {"code", "flag", "date", "month"}


@dataclass
class Part:
    """What one block gave: good rows with their place in `_at`, rejects, and the count of its lines.

    `start` is its first line and the offset of that; `spans` says of records over several lines, by the line they start
    on, how many these are.
    """

    rows: pa.Table
    rejects: pa.Table
    tally: Counter
    shortest_last: int | None
    used: int
    start: tuple[int, int] = (1, 0)
    spans: dict[int, int] = field(default_factory=dict)


@dataclass
class Places:
    """Where the parts of a file start, and its records over several lines: what it takes to find a line again."""

    starts: list[tuple[int, int]] = field(default_factory=list)
    spans: dict[int, int] = field(default_factory=dict)

    def add(self, part: Part) -> None:
        """Remember the next part."""
        self.starts.append(part.start)
        self.spans.update(part.spans)

    def before(self, line: int) -> tuple[int, int]:
        """The latest start that is not behind a line."""
        return self.starts[bisect_right(self.starts, line, key=itemgetter(0)) - 1]


def typed_rows(checked: Checked, rules: Rules, at: np.ndarray) -> pa.Table:
    """The good rows in the schema that intake works with; `at` tells file and row."""
    good, columns = checked.why == OK, {**checked.columns, "_at": pa.array(at)}
    table = pa.table([columns.get(f.name, pa.nulls(len(at), f.type)) for f in rules.schema], schema=rules.schema)
    return table if good.all() else table.filter(pa.array(good))


@dataclass(frozen=True)
class CsvFile:
    """A file with all that is needed to read it."""

    path: Path
    number: int
    before: Preflight
    layout: Layout
    rules: Rules

    @property
    def columns(self) -> list[str]:
        """Columns of the contract that the file brings."""
        return list(self.layout.shape.positions)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth saying about the layout."""
        return self.layout.notes

    @cached_property
    def sample(self) -> pa.Table:
        """Some rows of the pre-flight sample as text columns."""
        shape = self.layout.shape
        lines = [line for piece in self.before.sample for line in piece.splitlines()]
        found = (
            split_record(line, shape.delimiter, quoting=shape.quoting)
            for line in lines[:: max(1, len(lines) // SAMPLE_ROWS)]
        )
        rows = [f[0] for f in found if f and len(f[0]) == shape.width]
        return pa.table(
            {
                c: pa.array([r[i].decode("utf-8", "replace") for r in rows], pa.string())
                for c, i in shape.positions.items()
            }
        )

    def parts(self) -> Iterator[Part]:
        """All parts of the file in order. Without quotes blocks are independent and two are worked on at once."""
        source = self._blocks((1, self.before.bom))
        quoted = self.layout.shape.quoting and self.before.quotes > 0
        yield from self._one_by_one(source) if quoted else self._side_by_side(source)

    def _blocks(self, start: tuple[int, int]) -> Iterator[Block]:
        return blocks(self.path, start=start, encoding=self.before.encoding, valid=self.before.valid)

    def _side_by_side(self, source: Iterator[Block]) -> Iterator[Part]:
        shortest: int | None = None
        with ThreadPoolExecutor(WORKERS) as pool:
            running: deque[Future[Part]] = deque()
            for block in source:
                if block.unterminated:
                    while running:
                        part = running.popleft().result()
                        shortest = _least(shortest, part.shortest_last)
                        yield part
                    yield self.part(block, final=True, shortest=shortest)
                    return
                running.append(pool.submit(self.part, block, final=True, shortest=None))
                if len(running) > WORKERS:
                    part = running.popleft().result()
                    shortest = _least(shortest, part.shortest_last)
                    yield part
            while running:
                yield running.popleft().result()

    def _one_by_one(self, source: Iterator[Block]) -> Iterator[Part]:
        shortest, rest = None, None
        following = next(source, None)
        while following is not None:
            block, following = following, next(source, None)
            block = _joined(rest, block) if rest is not None else block
            final = following is None or following.cut is not None
            part = self.part(block, final=final, shortest=shortest)
            shortest, rest = _least(shortest, part.shortest_last), None
            if part.used < len(block):
                rest = _tail(block, part.used)
            yield part

    def part(self, block: Block, *, final: bool, shortest: int | None) -> Part:
        """Work on one block. `shortest` is the shortest last field so far, for a last line without an end."""
        why = self._settled(block)
        rows = rows_of(
            block,
            self.layout.shape,
            why=why,
            final=final,
            is_row=self.is_row,
            measure_last=not self.before.terminated,
        )
        checked = check(rows.table, self.rules)
        if block.unterminated and rows.used == len(block):
            self._doubt_last(block, rows, checked, _least(shortest, rows.shortest_last))
        rows.why[rows.line] = checked.why
        table = typed_rows(checked, self.rules, (self.number << LINE_BITS) + block.first_line + rows.line)
        start = (block.first_line, block.offset)
        return Part(
            table,
            self._rejects(block, rows, checked),
            self._tally(rows.why),
            rows.shortest_last,
            rows.used,
            start,
            {block.first_line + i: n for i, n in rows.spans.items()},
        )

    def fields(self, line: bytes) -> list[bytes]:
        """The fields of one line; none where it is broken."""
        found = split_record(line, self.layout.shape.delimiter, quoting=self.layout.shape.quoting)
        return found[0] if found else []

    def is_row(self, fields: list[bytes]) -> bool:
        """Do these fields pass all checks, but for the window?"""
        if len(fields) != self.layout.shape.width:
            return False
        cells = {c: pa.array([fields[i].decode("utf-8", "replace")]) for c, i in self.layout.shape.positions.items()}
        return bool((check(pa.table(cells), replace(self.rules, window=None)).why == OK).all())

    def _settled(self, block: Block) -> np.ndarray:
        """Reasons that need no fields: blank, header, NUL, too long, not valid text."""
        n = len(block)
        why = np.zeros(n, np.int8)
        lengths = block.ends - block.starts
        why[lengths == 0] = BLANK
        if block.bad is not None:
            why[block.bad] = CODE["bad encoding"]
        if not block.text.isascii() and b"\xef\xbb\xbf" in block.text:
            why[_starting_with(block, b"\xef\xbb\xbf")] = CODE["bad encoding"]
        if self.before.nuls and b"\0" in block.text:
            at = np.flatnonzero(np.frombuffer(block.text, np.uint8) == 0)
            why[np.searchsorted(block.nexts, at, side="right")] = CODE["NUL byte"]
        why[lengths > LINE_CAP] = CODE["line too long"]
        if block.cut is not None:
            why[:] = CODE["line too long"]
        if self.layout.header_line:
            self._settle_header(block, why, lengths)
        return why

    def _settle_header(self, block: Block, why: np.ndarray, lengths: np.ndarray) -> None:
        header, at = self.layout.header, self.layout.header_line - block.first_line
        for i in np.flatnonzero((lengths == len(header)) & (why == OK)).tolist():
            if block.text[block.starts[i] : block.ends[i]] == header:
                why[i] = CODE["repeated header"]
        if at >= 0:
            above = why[: min(at, len(why))]
            above[above == OK] = CODE["preamble"]
            if at < len(why):
                why[at] = HEADER

    def _doubt_last(self, block: Block, rows: Rows, checked: Checked, shortest: int | None) -> None:
        """A last line without a line end that fails, or whose last field may have been cut, is a truncated line."""
        last = len(block) - 1
        start = last
        while start > 0 and rows.why[start] == CONTINUATION:
            start -= 1
        if rows.why[start] > OK and rows.why[start] != CODE["line too long"]:
            rows.why[start] = CODE["truncated last line"]
        if rows.why[start] != OK or not len(rows.line) or rows.line[-1] != start:
            return
        if checked.why[-1] not in (OK, CODE["out of window"]) or self._may_be_cut(block, shortest):
            checked.why[-1] = CODE["truncated last line"]

    def _may_be_cut(self, block: Block, shortest: int | None) -> bool:
        shape, content = self.layout.shape, block.text[block.starts[-1] : block.ends[-1]]
        column = next((c for c, p in shape.positions.items() if p == shape.width - 1), None)
        kind = self.rules.contract.column(column).kind if column else "text"
        if kind in CUT_SHOWS or (shape.quoting and content.endswith(b'"')) or shortest is None:
            return False
        return len(content) - content.rfind(shape.delimiter.encode()) - 1 < shortest

    def _tally(self, why: np.ndarray) -> Counter:
        counts = np.bincount(why.astype(np.intp) - CONTINUATION)
        return Counter({i + CONTINUATION: n for i, n in enumerate(counts.tolist()) if n})

    def _rejects(self, block: Block, rows: Rows, checked: Checked) -> pa.Table:
        """The ledger's rows for all lines of the block that were not taken."""
        index = np.flatnonzero(rows.why > OK)
        if not len(index):
            return ledger.SCHEMA.empty_table()
        number = np.full(len(rows.why), -1)
        number[rows.line] = np.arange(len(rows.line))
        row = number[index]
        names = pa.array(self.rules.contract.names)
        column = np.where(row >= 0, checked.column[row], -1) if len(checked.column) else np.full(len(index), -1)
        starts, lengths, raw = raw_lines(block, index, rows.spans)
        return pa.table(
            [
                pa.repeat(self.path.name, len(index)),
                pa.array(block.first_line + index),
                pa.array(block.offset + starts),
                pa.array(lengths),
                raw,
                ledger.reason_words(rows.why[index]),
                names.take(pa.array(column, mask=column < 0)),
                self._details(rows, index, row, column),
            ],
            schema=ledger.SCHEMA,
        )

    def _details(self, rows: Rows, index: np.ndarray, row: np.ndarray, column: np.ndarray) -> pa.Array:
        """The value a reject is about, or the number of its fields."""
        places, texts = [np.flatnonzero(column < 0)], []
        wrong = np.isin(rows.why[index[places[0]]], [CODE["too few fields"], CODE["too many fields"]])
        found = pa.array(rows.found[index[places[0]]], mask=~wrong).dictionary_encode()
        texts.append(_by_word(found, lambda n: f"{n} fields, {self.layout.shape.width} expected"))
        for c in np.unique(column[column >= 0]).tolist():
            places.append(np.flatnonzero(column == c))
            values = rows.table[self.rules.contract.names[c]].combine_chunks().take(pa.array(row[places[-1]]))
            short = pc.utf8_slice_codeunits(values, 0, 80).dictionary_encode()
            texts.append(_by_word(short, lambda v: shown(v)[1:-1]))
        order = np.argsort(np.concatenate(places), kind="stable")
        return pa.concat_arrays(texts).take(pa.array(order))

    def located(self, lines: np.ndarray, reasons: np.ndarray, details: list[str], places: Places) -> Iterator[pa.Table]:
        """The ledger's rows for records found later, given by the line they start on, in order.

        Only the parts that hold such a record are read again, or all up to the last of them where the file is packed.
        """
        done, block, source = 0, None, None
        while done < len(lines):
            start = places.before(int(lines[done])) if not is_packed(self.path) else (1, self.before.bom)
            if source is None or start[0] > block.first_line + len(block):
                source = self._blocks(start)
            if (block := next(source, None)) is None:
                return
            block = self._to_the_end(block, source, lines[done:], places.spans)
            upto = int(np.searchsorted(lines, block.first_line + len(block)))
            if upto == done:
                continue
            index = lines[done:upto] - block.first_line
            mine = _spans_in(block, lines[done:upto], places.spans)
            starts, lengths, raw = raw_lines(block, index, mine)
            yield pa.table(
                [
                    pa.repeat(self.path.name, len(index)),
                    pa.array(block.first_line + index),
                    pa.array(block.offset + starts),
                    pa.array(lengths),
                    raw,
                    ledger.reason_words(reasons[done:upto]),
                    pa.nulls(len(index), pa.string()),
                    pa.array(details[done:upto]),
                ],
                schema=ledger.SCHEMA,
            )
            done = upto

    def _to_the_end(self, block: Block, source: Iterator[Block], lines: np.ndarray, spans: dict[int, int]) -> Block:
        """The block with so many of the following ones that each of these records that starts in it ends in it."""
        while True:
            mine = _spans_in(block, lines, spans)
            if max((i + n for i, n in mine.items()), default=0) <= len(block):
                return block
            if (more := next(source, None)) is None:
                return block
            block = _joined(block, more)


def _spans_in(block: Block, lines: np.ndarray, spans: dict[int, int]) -> dict[int, int]:
    """Of the records that start on some lines: place in the block → number of lines, where these are several."""
    if not spans:
        return {}
    inside = lines[: np.searchsorted(lines, block.first_line + len(block))].tolist()
    return {line - block.first_line: spans[line] for line in inside if line in spans}


def _by_word(coded: pa.DictionaryArray, words: Callable[[Any], str]) -> pa.Array:
    """Each different value put into words once."""
    return pa.array([words(v) for v in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def raw_lines(block: Block, index: np.ndarray, spans: dict[int, int]) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """Start, full length and first bytes of some records of a block, as they stand in the file."""
    starts, ends = block.raw_bounds()
    last = index.copy()
    for i in np.flatnonzero(np.isin(index, list(spans))).tolist() if spans else ():
        last[i] = index[i] + spans[int(index[i])] - 1
    lengths = ends[last] - starts[index]
    raw = _slices(block.raw, starts[index], np.minimum(lengths, RAW_CAP))
    return starts[index], np.full(len(index), block.cut) if block.cut is not None else lengths, raw


def _slices(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """Pieces of `data` as an array of bytes, without a step of Python a piece."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
    content = np.frombuffer(data, np.uint8)[at]
    return pa.Array.from_buffers(pa.binary(), len(starts), [None, pa.py_buffer(offsets), pa.py_buffer(content)])


def _starting_with(block: Block, prefix: bytes) -> np.ndarray:
    at = [s for s in block.starts.tolist() if block.text.startswith(prefix, s)]
    return np.searchsorted(block.starts, at)


def _least(a: int | None, b: int | None) -> int | None:
    return min((x for x in (a, b) if x is not None), default=None)


def _tail(block: Block, used: int) -> Block:
    """The lines of a block that wait for more."""
    starts, _ = block.raw_bounds()
    cut, bad = int(starts[used]), block.bad[used:] if block.bad is not None else None
    text = b"" if block.text is block.raw else block.text[block.starts[used] :]
    return Block(block.raw[cut:], block.offset + cut, block.first_line + used, block.unterminated, text=text, bad=bad)


def _joined(a: Block, b: Block) -> Block:
    same = a.text is a.raw and b.text is b.raw
    bad = None
    if a.bad is not None or b.bad is not None:
        bad = np.concatenate([x.bad if x.bad is not None else np.zeros(len(x), bool) for x in (a, b)])
    return Block(a.raw + b.raw, a.offset, a.first_line, b.unterminated, text=b"" if same else a.text + b.text, bad=bad)
