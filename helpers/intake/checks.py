"""Columns as they stand in a file → columns of the contract, and a reason for every row that does not fit.

Text is matched against an explicit pattern before anything is cast. Only the empty text is missing: 'NA' and
'null' are words.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from helpers.intake.columns import filled, nulls
from helpers.intake.ledger import CODE, OK
from helpers.intake.times import MONTH, PER_SECOND, PLAUSIBLE, parse_days, parse_iso
from helpers.tables import Column, Table

NUMBER = re.compile(r"-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
SHORT_NUMBER = r"^-?([0-9]{1,25}(\.[0-9]{1,25})?|\.[0-9]{1,25})$"
INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
FLAGS = {
    "0": False,
    "1": True,
    "false": False,
    "true": True,
    "False": False,
    "True": True,
    "FALSE": False,
    "TRUE": True,
}
WRONG = {
    "id": "bad integer",
    "integer": "bad integer",
    "number": "bad number",
    "instant": "bad time",
    "date": "bad date",
    "month": "bad date",
    "flag": "bad flag",
    "code": "unknown behaviour",
    "text": "bad encoding",
}


@dataclass(frozen=True)
class Rules:
    """How the columns of one table are read: id types, words for codes, units of instants, the window."""

    contract: Table
    id_types: dict[str, str]
    codes: dict[str, str]
    units: dict[str, str] = field(default_factory=dict)
    window: tuple[int, int] | None = None
    fractions: bool = False

    def type_of(self, column: Column) -> pa.DataType:
        """The Arrow type of a column while intake works on it; a code is the number of its word in sorted order."""
        if column.kind == "id":
            return pa.int64() if self.id_types[column.name] == "int64" else pa.string()
        return _TYPES[column.kind]

    @property
    def schema(self) -> pa.Schema:
        """Contract columns in order, then `_sub` (microseconds, where instants have any) and `_at` (file and row)."""
        columns = [(c.name, self.type_of(c)) for c in self.contract.columns]
        return pa.schema([*columns, *([("_sub", pa.int32())] if self.fractions else []), ("_at", pa.int64())])


_TYPES = {
    "text": pa.string(),
    "code": pa.int8(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "instant": pa.int64(),
    "date": pa.date32(),
    "month": pa.string(),
}


@dataclass
class Checked:
    """Typed columns, and per row the reason code (0: good) and the number of the column it is about (-1: none)."""

    columns: dict[str, pa.Array]
    why: np.ndarray
    column: np.ndarray

    def mark(self, rows: np.ndarray, reason: str, column: int) -> None:
        """Give `reason` to those of the rows that have none yet."""
        rows = rows & (self.why == OK)
        self.why[rows] = CODE[reason]
        self.column[rows] = column


def check(table: pa.Table, rules: Rules) -> Checked:
    """Convert and check the columns of `table` (text, or native types from Parquet); absent ones become null."""
    n = table.num_rows
    checked = Checked({}, np.zeros(n, np.int8), np.full(n, -1, np.int8))
    for i, column in enumerate(rules.contract.columns):
        if column.name not in table.column_names:
            checked.columns[column.name] = pa.nulls(n, rules.type_of(column))
            continue
        values = _one(table[column.name])
        missing = _missing(values)
        typed, good = _convert(values, column, rules, checked)
        if missing.any():
            typed = pc.if_else(pa.array(missing), pa.scalar(None, typed.type), typed)
            if column.required:
                checked.mark(missing, "missing key" if column.kind == "id" else "missing value", i)
        if not good.all():
            checked.mark(~good & ~missing, WRONG[column.kind], i)
        checked.columns[column.name] = typed
        _check_range(typed, column, checked, i)
    if rules.window:
        clock = checked.columns[rules.contract.clock]
        moments = filled(clock, rules.window[0])
        outside = (moments < rules.window[0]) | (moments > rules.window[1])
        checked.mark(outside, "out of window", rules.contract.names.index(rules.contract.clock))
    return checked


def _one(values: pa.ChunkedArray) -> pa.Array:
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def _missing(values: pa.Array) -> np.ndarray:
    if not pa.types.is_string(values.type):
        return nulls(values)
    lengths = filled(pc.binary_length(values), 0)
    return lengths == 0 if len(lengths) and not lengths.min() else np.zeros(len(lengths), bool)


def _check_range(typed: pa.Array, column: Column, checked: Checked, i: int) -> None:
    if column.low is None and column.high is None:
        return
    values, there = filled(typed, column.low or 0), ~nulls(typed)
    low = values < column.low if column.low is not None else False
    high = values > column.high if column.high is not None else False
    checked.mark((low | high) & there, "out of range", i)


def _convert(values: pa.Array, column: Column, rules: Rules, checked: Checked) -> tuple[pa.Array, np.ndarray]:
    """Typed values (anything where bad) and which are good."""
    if column.kind == "id":
        return ids(values) if rules.id_types[column.name] == "int64" else texts(values)
    if column.kind == "code":
        return codes(values, rules.codes)
    if column.kind == "instant":
        seconds, micro, good = instants(values, rules.units.get(column.name, "s"))
        if column.name == rules.contract.clock:
            if rules.fractions:
                checked.columns["_sub"] = pa.array(micro.astype(np.int32))
        else:
            good &= (seconds >= PLAUSIBLE[0]) & (seconds <= PLAUSIBLE[1])
        return pa.array(seconds), good
    return _SIMPLE[column.kind](values)


def texts(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Text as it stands; whole numbers of a Parquet file in their decimal digits."""
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    return values, np.ones(len(values), bool)


def _by_unique(
    values: pa.Array, parse: Callable[[str], int | float | None], kind: type
) -> tuple[np.ndarray, np.ndarray]:
    """Parse each different text once."""
    coded = values.dictionary_encode()
    parsed = [parse(v) for v in coded.dictionary.to_pylist()]
    good = np.array([p is not None for p in parsed] or [False])
    table = np.array([0 if p is None else p for p in parsed] or [0], kind)
    at = filled(coded.indices, 0)
    return table[at], good[at] & ~nulls(values)


def _int64(text: str) -> int | None:
    value = int(text) if INTEGER.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def integers(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Whole numbers of up to 19 digits within int64, exactly.

    >>> integers(pa.array(["12", "2.5", "9223372036854775808"]))[1].tolist()
    [True, False, False]
    """
    if not pa.types.is_string(values.type):
        return _native_integers(values)
    digits = pc.and_(pc.ascii_is_decimal(values), pc.less(pc.binary_length(values), 19))
    if not values.null_count and pc.all(digits).as_py():
        return values.cast(pa.int64()), np.ones(len(values), bool)
    plain = filled(digits, False)
    numbers, good = np.zeros(len(values), np.int64), plain.copy()
    numbers[plain] = values.filter(pa.array(plain)).cast(pa.int64()).to_numpy()
    numbers[~plain], good[~plain] = _by_unique(values.filter(pa.array(~plain)), _int64, np.int64)
    return pa.array(numbers), good


def _native_integers(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Numbers of a Parquet file that are whole and fit into int64."""
    there = ~nulls(values)
    if pa.types.is_floating(values.type):
        floats = filled(values.cast(pa.float64()), 0)
        good = np.isfinite(floats) & (np.abs(floats) <= 2**53) & (floats == np.floor(floats))
        return pa.array(np.where(good, floats, 0).astype(np.int64)), good & there
    if pa.types.is_uint64(values.type):
        good = filled(pc.less_equal(values, pa.scalar(2**63 - 1, pa.uint64())), False)
        return pc.if_else(pa.array(good), values, pa.scalar(0, pa.uint64())).cast(pa.int64()), good
    return pc.fill_null(values.cast(pa.int64()), 0), there


def ids(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Ids as int64. A number with leading zeros, or '-0', would lose its writing and is not taken.

    >>> ids(pa.array(["12", "0012", "-7"]))[1].tolist()
    [True, False, True]
    """
    numbers, good = integers(values)
    if not pa.types.is_string(values.type):
        return numbers, good
    zero = pc.starts_with(values, "0")
    if pc.any(zero).as_py():
        good = good & ~filled(pc.and_(zero, pc.greater(pc.binary_length(values), 1)), False)
    least = pc.min(numbers).as_py()
    if least is not None and least <= 0:  # '-0' and '-07' are 0 and -7
        good = good & ~filled(pc.starts_with(values, "-0"), False)
    return numbers, good


def _finite(text: str) -> float | None:
    value = float(text) if NUMBER.fullmatch(text) else math.inf
    return value + 0.0 if math.isfinite(value) else None


def numbers(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Finite decimal numbers with a point, such as -12.50 or 1e-05; no grouping, no inf, no NaN.

    >>> numbers(pa.array(["12.5", "1,234", "inf", "1e3"]))[1].tolist()
    [True, False, False, True]
    """
    if not pa.types.is_string(values.type):
        floats = filled(values.cast(pa.float64()), math.nan)
        return pa.array(np.where(np.isfinite(floats), floats, 0) + 0.0), np.isfinite(floats)
    plain = filled(pc.match_substring_regex(values, SHORT_NUMBER), False)
    floats, good = np.zeros(len(values)), plain.copy()
    floats[plain] = values.filter(pa.array(plain)).cast(pa.float64()).to_numpy()
    if not plain.all():
        floats[~plain], good[~plain] = _by_unique(values.filter(pa.array(~plain)), _finite, np.float64)
    return pa.array(floats + 0.0), good


def flags(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """0, 1, true, false (also True, TRUE, …)."""
    if pa.types.is_boolean(values.type):
        return values, np.ones(len(values), bool)
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    at = pc.index_in(values, value_set=pa.array(list(FLAGS)))
    return pa.array(list(FLAGS.values())).take(at), ~nulls(at)


def codes(values: pa.Array, words: dict[str, str]) -> tuple[pa.Array, np.ndarray]:
    """The file's codes → numbers of the contract's words in sorted order.

    >>> codes(pa.array(["4", "1", "9"]), {"1": "pv", "4": "buy"})[0].to_pylist()
    [0, 1, None]
    """
    if not pa.types.is_string(values.type):
        values = values.cast(pa.string())
    order = sorted(set(words.values()))
    at = pc.index_in(values, value_set=pa.array(list(words)))
    return pa.array([order.index(w) for w in words.values()], pa.int8()).take(at), ~nulls(at)


def instants(values: pa.Array, unit: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Instants → epoch seconds (downwards), microseconds beyond them, which are good."""
    if pa.types.is_timestamp(values.type):
        there = ~nulls(values)
        micro = filled(values.cast(pa.timestamp("us", "UTC"), safe=False).cast(pa.int64()), 0)
        return micro // 1_000_000, micro % 1_000_000, there
    if unit == "iso":
        micro, good = parse_iso(values)
        return micro // 1_000_000, micro % 1_000_000, good
    numbers, good = integers(values)
    count, per = numbers.to_numpy(zero_copy_only=False), PER_SECOND[unit]
    if per == 1:
        return count, np.zeros(len(count), np.int64), good
    return count // per, count % per * (1_000_000 // per), good


def dates(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Calendar days YYYY-MM-DD."""
    if pa.types.is_date(values.type):
        return values.cast(pa.date32()), ~nulls(values)
    days, good = parse_days(values)
    return pa.array(days.astype(np.int32)).cast(pa.date32()), good


def months(values: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Calendar months YYYY-MM."""
    return values, filled(pc.match_substring_regex(values, MONTH), False)


_SIMPLE = {"text": texts, "integer": integers, "number": numbers, "flag": flags, "date": dates, "month": months}
