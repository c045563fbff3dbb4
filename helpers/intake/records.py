"""Lines → rows of text fields, in the strict grammar of RFC 4180: nothing is guessed, mended or swallowed.

Most lines hold no quote: they are proved to have the right number of fields by counting delimiters, then a fast
parser splits them, and its rows are counted. Lines with quotes are checked quote by quote. A record that goes
over several lines is taken only where it is complete, belongs to a text column and holds no row of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from helpers.intake.errors import IntakeError
from helpers.intake.ledger import CODE, CONTINUATION, OK
from helpers.intake.lines import LINE_CAP, Block

RECORD_LINES = 1000
QUOTE = 34


@dataclass(frozen=True)
class Shape:
    """How rows are written: delimiter, number of fields, whether quotes mean anything, which fields are read.

    `positions` maps a contract column to its field, from 0. `wide` are the fields that may hold a line end.
    """

    delimiter: str
    width: int
    quoting: bool
    positions: dict[str, int]
    wide: frozenset[int]


@dataclass
class Rows:
    """The rows of a block: text columns, the line each row starts on, how many lines it covers.

    `why` has a code for each line of the block (0: a row starts here), `found` the number of fields where that
    was wrong. `shortest_last` is the shortest last field, in bytes, of the unquoted rows that end in a line end.
    """

    table: pa.Table
    line: np.ndarray
    why: np.ndarray
    found: np.ndarray
    spans: dict[int, int]
    shortest_last: int | None
    used: int


def split_record(text: bytes, delimiter: str, *, quoting: bool = True) -> tuple[list[bytes], int] | None:
    r"""The fields of the record at the start of `text` and its length with the line end; None where it is broken.

    >>> split_record(b'1,"a ""b""\nc",\n2', ",")
    ([b'1', b'a "b"\nc', b''], 15)
    >>> split_record(b'1,"a"b\n', ",") is None
    True
    """
    sep = delimiter.encode()
    if not quoting or b'"' not in text:
        line = re.match(rb"[^\r\n]*", text)[0]
        return line.split(sep), len(line) + _line_end(text, len(line))
    fields, at = [], 0
    pattern = _FIELD[delimiter]
    while match := pattern.match(text, at):
        quoted = match[1]
        fields.append(match[2] if quoted is None else quoted.replace(b'""', b'"'))
        at = match.end()
        if match[3] != sep:
            return fields, at
    return None


def _line_end(text: bytes, at: int) -> int:
    return 2 if text[at : at + 2] == b"\r\n" else min(1, len(text) - at)


def _field(delimiter: str) -> re.Pattern[bytes]:
    """One field with what ends it: group 1 its content when quoted, 2 when not, 3 the delimiter or line end."""
    sep = re.escape(delimiter.encode())
    return re.compile(rb'(?:"((?:[^"]++|"")*+)"|([^"\r\n' + sep + rb"]*+))(" + sep + rb"|\r\n|\r|\n|\Z)")


_FIELD = {delimiter: _field(delimiter) for delimiter in (",", ";", "\t", "|")}


def rows_of(
    block: Block,
    shape: Shape,
    *,
    why: np.ndarray,
    final: bool,
    is_row: Callable[[list[bytes]], bool],
    measure_last: bool = True,
) -> Rows:
    """Split a block into rows.

    `why` comes with the lines already settled (blank, header, NUL, …). `final` says that no more lines follow, so
    that a record still open at the end is broken rather than waiting. `is_row` tells whether fields pass the checks.
    `measure_last` asks for the shortest last field, which only a file without a line end at its end needs.
    """
    rows = _Splitter(block, shape, why, final, is_row)
    return rows.split(measure_last=measure_last)


class _Splitter:
    def __init__(
        self, block: Block, shape: Shape, why: np.ndarray, final: bool, is_row: Callable[[list[bytes]], bool]
    ) -> None:
        self.block, self.shape, self.why, self.final, self.is_row = block, shape, why, final, is_row
        self.bytes = np.frombuffer(block.text, np.uint8)
        self.found = np.zeros(len(block), np.int64)
        self.spans: dict[int, int] = {}
        self.used = len(block)

    def split(self, *, measure_last: bool) -> Rows:
        block, shape = self.block, self.shape
        delimiters = np.flatnonzero(self.bytes == ord(shape.delimiter))
        quotes = np.flatnonzero(self.bytes == QUOTE) if shape.quoting else np.zeros(0, np.int64)
        quoted = np.zeros(len(block), bool)
        records: dict[int, list[bytes]] = {}
        if len(quotes):
            quoted, delimiters, records = self._with_quotes(quotes, delimiters)
        plain = self._check_width(delimiters, quoted)
        table, line = self._parse(plain, quoted & (self.why == OK), records)
        simple = (self.why == OK) & ~quoted
        return Rows(
            table, line, self.why[: self.used], self.found[: self.used], self.spans,
            self._shortest(delimiters, simple) if measure_last else None, self.used,
        )  # fmt: skip

    # quotes ---------------------------------------------------------------------------------------------------

    def _with_quotes(
        self, quotes: np.ndarray, delimiters: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[int, list[bytes]]]:
        """Which lines hold quotes; the delimiters outside of them; the records over several lines."""
        block = self.block
        line_of = np.searchsorted(block.nexts, quotes, side="right")
        quoted = np.zeros(len(block), bool)
        quoted[line_of] = True
        counts = np.bincount(line_of, minlength=len(block))
        first = np.cumsum(counts) - counts
        opens = (np.arange(len(quotes)) - first[line_of]) % 2 == 0
        stray = self._stray_lines(quotes, line_of, opens)
        odd = counts % 2 == 1
        records = self._long_records(np.flatnonzero(odd & (self.why == OK)))
        self.why[stray & ~odd & (self.why == OK)] = CODE["stray quote"]
        before = np.searchsorted(quotes, delimiters)
        at = np.searchsorted(block.nexts, delimiters, side="right")
        outside = (before - first[at]) % 2 == 0
        return quoted, delimiters[outside], records

    def _stray_lines(self, quotes: np.ndarray, line_of: np.ndarray, opens: np.ndarray) -> np.ndarray:
        """Lines where a quote neither bounds a field nor is doubled, taking each line by itself."""
        block, sep = self.block, ord(self.shape.delimiter)
        starts, ends = block.starts[line_of], block.ends[line_of]
        before = np.where(quotes > starts, self.bytes[np.maximum(quotes - 1, 0)], sep)
        after = np.where(quotes + 1 < ends, self.bytes[np.minimum(quotes + 1, len(self.bytes) - 1)], sep)
        previous = np.zeros(len(quotes), bool)
        previous[1:] = (quotes[1:] == quotes[:-1] + 1) & (line_of[1:] == line_of[:-1])
        following = np.zeros(len(quotes), bool)
        following[:-1] = previous[1:]
        good = np.where(opens, (before == sep) | previous, (after == sep) | following)
        stray = np.zeros(len(block), bool)
        stray[line_of[~good]] = True
        return stray

    def _long_records(self, odd: np.ndarray) -> dict[int, list[bytes]]:
        """Records that start on a line with an odd number of quotes."""
        records, skip_to = {}, -1
        for start in odd.tolist():
            if start < skip_to or start >= self.used:
                continue
            outcome = self._long_record(start)
            if outcome is None:
                self.used = start
            elif isinstance(outcome, str):
                self.why[start] = CODE[outcome]
            else:
                fields, lines = outcome
                skip_to = start + lines
                self.why[start + 1 : skip_to] = CONTINUATION
                self.spans[start] = lines
                records[start] = fields
        return records

    def _long_record(self, start: int) -> tuple[list[bytes], int] | str | None:
        """(fields, lines) of a whole record; a reason where it is broken; None where more lines are needed."""
        block = self.block
        last, more_may_come = self._last_usable(start)
        begin = int(block.starts[start])
        text = block.text[begin : int(block.nexts[last])]
        found = split_record(text, self.shape.delimiter)
        if found is None:
            if more_may_come and self._still_open(text):
                return None
            return "unclosed quote" if self._still_open(block.text[begin : int(block.ends[start])]) else "stray quote"
        fields, length = found
        lines = int(np.searchsorted(block.nexts, begin + length)) - start + 1
        return (fields, lines) if self._believable(start, fields, lines) else "unclosed quote"

    def _last_usable(self, start: int) -> tuple[int, bool]:
        """The last line that may belong to a record from `start`, and whether the next block may hold more of it."""
        block = self.block
        by_bytes = int(np.searchsorted(block.nexts, block.starts[start] + LINE_CAP, side="right"))
        stop = max(start + 1, min(len(block), start + RECORD_LINES, by_bytes))
        out = np.flatnonzero(self.why[start:stop] > OK)  # a line that is already out ends every record
        stop = start + int(out[0]) if len(out) else stop
        return stop - 1, stop == len(block) and not self.final

    def _still_open(self, text: bytes) -> bool:
        """Is `text` right up to its end, inside a quoted field?"""
        return split_record(text + b'"', self.shape.delimiter) is not None

    def _believable(self, start: int, fields: list[bytes], lines: int) -> bool:
        """Right width, line ends in text columns only, and no line inside that is a row by itself."""
        shape = self.shape
        broken = {i for i, f in enumerate(fields) if b"\n" in f or b"\r" in f}
        if len(fields) != shape.width or not broken <= shape.wide:
            return False
        block = self.block
        for i in range(start + 1, start + lines):
            line = block.text[block.starts[i] : block.ends[i]]
            inner = split_record(line, shape.delimiter, quoting=b'"' in line)
            if inner and len(inner[0]) == shape.width and self.is_row(inner[0]):
                return False
        return True

    # widths and parsing -----------------------------------------------------------------------------------------

    def _check_width(self, delimiters: np.ndarray, quoted: np.ndarray) -> np.ndarray:
        """Mark lines with the wrong number of fields; give the lines without quotes that are right."""
        block, per_line = self.block, self.shape.width - 1
        n = len(block)
        if per_line and len(delimiters) == n * per_line:
            grid = delimiters.reshape(n, per_line)
            if (grid[:, 0] >= block.starts).all() and (grid[:, -1] < block.ends).all() and self.used == n:
                return (self.why == OK) & ~quoted
        upto = np.searchsorted(delimiters, block.nexts)
        self.found = np.diff(upto, prepend=0) + 1
        single = self.why == OK
        single[list(self.spans)] = False
        self.why[single & (self.found < self.shape.width)] = CODE["too few fields"]
        self.why[single & (self.found > self.shape.width)] = CODE["too many fields"]
        plain = (self.why == OK) & ~quoted
        plain[self.used :] = False
        return plain

    def _parse(
        self, plain: np.ndarray, quoted: np.ndarray, records: dict[int, list[bytes]]
    ) -> tuple[pa.Table, np.ndarray]:
        quoted[self.used :] = False
        quoted[list(records)] = False
        parts = [(self._fast(plain, quote=False), np.flatnonzero(plain))]
        if quoted.any():
            parts.append((self._fast(quoted, quote=True), np.flatnonzero(quoted)))
        if records:
            parts.append((self._slow(records), np.array(list(records), np.int64)))
        if len(parts) == 1:
            return parts[0]
        line = np.concatenate([p[1] for p in parts])
        order = np.argsort(line, kind="stable")
        return pa.concat_tables([p[0] for p in parts]).take(pa.array(order)).combine_chunks(), line[order]

    def _fast(self, lines: np.ndarray, *, quote: bool) -> pa.Table:
        """Lines proved to be one row each, through the fast parser; the rows are counted."""
        schema = {str(i): pa.string() for i in self.shape.positions.values()}
        expected = int(lines.sum())
        if not expected:
            return pa.table({c: pa.array([], pa.string()) for c in self.shape.positions})
        data = self._join(lines)
        table = pcsv.read_csv(
            pa.BufferReader(data),
            pcsv.ReadOptions(
                use_threads=False,
                block_size=len(data) + 1,
                column_names=[str(i) for i in range(self.shape.width)],
            ),
            pcsv.ParseOptions(
                delimiter=self.shape.delimiter, quote_char='"' if quote else False, double_quote=quote
            ),
            pcsv.ConvertOptions(
                column_types=schema, include_columns=list(schema), null_values=[], strings_can_be_null=False,
                check_utf8=False,
            ),
        )  # fmt: skip
        if table.num_rows != expected:
            raise IntakeError(f"{expected} rows went into the parser, {table.num_rows} came out; the file is not used.")
        return pa.table({c: table[str(i)] for c, i in self.shape.positions.items()})

    def _join(self, lines: np.ndarray) -> bytes | memoryview:
        """The bytes of some lines, one after the other."""
        block = self.block
        if lines.all():
            return block.text
        edges = np.flatnonzero(np.diff(np.concatenate([[0], lines.view(np.int8), [0]])))
        view = memoryview(block.text)
        pairs = zip(block.starts[edges[::2]].tolist(), block.nexts[edges[1::2] - 1].tolist(), strict=True)
        return b"".join([view[a:b] for a, b in pairs])

    def _slow(self, records: dict[int, list[bytes]]) -> pa.Table:
        return pa.table(
            {
                c: pa.array([f[i].decode() for f in records.values()], pa.string())
                for c, i in self.shape.positions.items()
            }
        )

    def _shortest(self, delimiters: np.ndarray, simple: np.ndarray) -> int | None:
        """Shortest last field of the unquoted rows that end in a line end."""
        block, keep = self.block, simple.copy()
        keep[self.used :] = False
        if block.unterminated and len(keep):
            keep[-1] = False
        if not keep.any() or self.shape.width < 2:
            return None
        last = delimiters[np.searchsorted(delimiters, block.ends[keep]) - 1]
        return int((block.ends[keep] - last - 1).min())
