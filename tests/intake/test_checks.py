"""Columns of a file by hand: which cells fit, as what, and why the others do not."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from helpers.intake import checks
from helpers.intake.checks import Checked, Rules, check
from helpers.intake.ledger import CODE
from helpers.tables import Column, Table

KINDS = ("id", "code", "integer", "number", "flag", "instant", "date", "month", "text")
OWN = tuple(Column(k, k, "", required=k in ("id", "number"), low=-1 if k == "number" else None) for k in KINDS)
BOUND = (
    Column("level", "integer", "", required=False, low=0, high=5),
    Column("top", "number", "", required=False, high=9),
)
CONTRACT = Table("t", "", (*OWN, *BOUND), clock="instant")
WORDS = {"1": "pv", "4": "buy", "c": "cart"}


def rules(ids: str = "int64", **options) -> Rules:
    return Rules(CONTRACT, {"id": ids}, WORDS, **options)


def checked(rules: Rules, **columns) -> Checked:
    return check(pa.table(columns), rules)


def reasons(found: Checked) -> list[str]:
    """The reason of each row, '' for a good one."""
    return [{v: k for k, v in CODE.items()}.get(c, "") for c in found.why.tolist()]


# rows


def test_types_of_a_table_that_is_taken_in():
    plain = ["int64", "int8", "int64", "double", "bool", "int64", "date32[day]", "string", "string", "int64", "double"]
    assert [str(f.type) for f in rules().schema] == [*plain, "int64"]
    fine = rules("text", fractions=True).schema
    assert fine.names[-2:] == ["_sub", "_at"] and [str(fine.field(n).type) for n in ("id", "_sub")] == [
        "string",
        "int32",
    ]


def test_a_table_by_hand():
    found = checked(rules(), id=["1", "", "x", "2"], code=["c", "1", "4", ""], number=["-1", "2", "-1.01", "nan"])
    assert found.columns["id"].to_pylist()[::3] == [1, 2] and found.columns["id"].null_count == 1
    assert found.columns["code"].to_pylist() == [1, 2, 0, None]  # buy, cart, pv
    assert reasons(found) == ["", "missing key", "bad integer", "bad number"]
    assert found.column.tolist() == [-1, 0, 0, 3] and found.why.dtype == found.column.dtype == np.int8
    assert found.columns["month"].null_count == 4 and found.columns["month"].type == pa.string()


def test_the_first_reason_of_a_row_stands():
    found = checked(rules(), id=["x", "1", "1"], number=["x", "-2", ""], level=["6", "-1", "0"])
    assert reasons(found) == ["bad integer", "out of range", "missing value"] and found.column.tolist() == [0, 3, 3]
    found.mark(np.array([True, True, True]), "duplicate", 7)
    assert found.column.tolist() == [0, 3, 3]


@pytest.mark.parametrize(
    ("column", "cells", "out"),
    [
        ("level", ["-1", "0", "5", "6", ""], [True, False, False, True, False]),
        ("level", ["0", "5"], [False, False]),
        ("top", ["9", "9.01", "-1e300", ""], [False, True, False, False]),
        ("number", ["-1", "-1.001", "1e300"], [False, True, False]),
        ("integer", ["-99"], [False]),
    ],
)
def test_both_ends_of_a_range_belong_to_it(column, cells, out):
    number = {} if column == "number" else {"number": ["1"] * len(cells)}
    found = checked(rules(), id=["1"] * len(cells), **number, **{column: cells})
    assert reasons(found) == ["out of range" if o else "" for o in out]


def test_both_ends_of_the_window_belong_to_it():
    found = checked(rules(window=(10, 20)), id=["1"] * 5, instant=["9", "10", "20", "21", ""])
    assert reasons(found) == ["out of window", "", "", "out of window", ""]
    assert found.column.tolist() == [5, -1, -1, 5, -1]


def test_moments_with_fractions_and_of_no_clock():
    found = checked(rules(units={"instant": "ms"}, fractions=True), id=["1"] * 2, instant=["1500", "-1"])
    assert found.columns["instant"].to_pylist() == [1, -1] and found.columns["_sub"].to_pylist() == [500_000, 999_000]
    assert "_sub" not in checked(rules(), id=["1"], instant=["1"]).columns
    other = Rules(Table("t", "", CONTRACT.columns, clock="level"), {"id": "int64"}, WORDS)
    first, last = -2_208_988_800, 7_258_118_399  # 1900-01-01 and the last second of 2199
    cells = [str(t) for t in (first - 1, first, last, last + 1)]
    assert reasons(checked(other, id=["1"] * 4, instant=cells)) == ["bad time", "", "", "bad time"]
    assert reasons(checked(rules(), id=["1"] * 4, instant=cells)) == [""] * 4


# cells


def test_whole_numbers_in_text():
    cells = ["9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809"]
    found, good = checks.integers(pa.array([*cells, "007", "-07", "+1", "1 ", "", None, "999999999999999999"]))
    assert good.tolist() == [True, True, False, False, True, True, False, False, False, False, True]
    assert found.to_pylist()[:2] == [2**63 - 1, -(2**63)] and found.to_pylist()[4:6] == [7, -7]
    assert found.to_pylist()[-1] == 10**18 - 1 and found.type == pa.int64()
    assert checks.integers(pa.array(["12", "7"]))[0].to_pylist() == [12, 7]
    assert checks.integers(pa.array(["1" * 20, "0" * 18 + "1"]))[1].tolist() == [False, True]


@pytest.mark.parametrize(
    ("values", "kind", "good"),
    [
        ([2.0**53, 2.0**53 + 2, -(2.0**53), 1.5, math.inf, math.nan, None], pa.float64(), [1, 0, 1, 0, 0, 0, 0]),
        ([2**63 - 1, 2**63, None], pa.uint64(), [1, 0, 0]),
        ([7, None], pa.int16(), [1, 0]),
    ],
)
def test_whole_numbers_of_a_parquet_file(values, kind, good):
    found, fits = checks.integers(pa.array(values, kind))
    assert fits.tolist() == [bool(g) for g in good] and found.type == pa.int64()
    assert [v for v, g in zip(found.to_pylist(), good, strict=True) if g] == [
        int(v) for v, g in zip(values, good, strict=True) if g
    ]


def test_ids_are_written_in_one_way():
    cells = ["0", "00", "01", "-0", "-01", "10", "-10", None]
    assert checks.ids(pa.array(cells))[1].tolist() == [True, False, False, False, False, True, True, False]
    assert checks.ids(pa.array(["10", "11"]))[1].all() and checks.ids(pa.array(["0", "5"]))[1].all()
    assert checks.ids(pa.array(["-0", "5"]))[1].tolist() == [False, True]
    assert checks.ids(pa.array([0, -1]))[0].to_pylist() == [0, -1]
    words, good = checks.texts(pa.array([7, 8]))
    assert words.to_pylist() == ["7", "8"] and good.tolist() == [True, True]


def test_numbers_in_text_and_of_a_parquet_file():
    cells = [".5", "-0", "1.", "1e308", "1e309", "1e-400", "-1E+2", "1e1000", "0x1", "1_0", "9" * 26, None]
    found, good = checks.numbers(pa.array(cells))
    assert good.tolist() == [True, True, False, True, False, True, True, False, False, False, True, False]
    assert [found.to_pylist()[i] for i in (0, 3, 5, 6, 10)] == [0.5, 1e308, 0.0, -100.0, 1e26]
    assert math.copysign(1, found[1].as_py()) == 1  # −0 is 0
    plain = checks.numbers(pa.array(["-0.0", "2"]))[0].to_pylist()
    assert plain == [0, 2] and math.copysign(1, plain[0]) == 1
    native, fits = checks.numbers(pa.array([1.5, math.inf, math.nan, None, -0.0]))
    assert fits.tolist() == [True, False, False, False, True] and native.to_pylist()[::4] == [1.5, 0]
    assert math.copysign(1, native[4].as_py()) == 1
    assert checks.numbers(pa.array([3, 4], pa.int8()))[0].to_pylist() == [3.0, 4.0]


def test_flags_codes_days_and_months():
    found, good = checks.flags(pa.array(["0", "1", "TRUE", "False", "yes", None]))
    assert found.to_pylist() == [False, True, True, False, None, None] and good.tolist() == [True] * 4 + [False] * 2
    assert checks.flags(pa.array([1, 0, 2]))[0].to_pylist() == [True, False, None]
    assert checks.flags(pa.array([True, False]))[0].to_pylist() == [True, False]
    assert checks.flags(pa.array([True, False]))[1].tolist() == [True, True]
    assert checks.codes(pa.array([4, 1, 2]), WORDS)[0].to_pylist() == [0, 2, None]
    words, good = checks.codes(pa.array(["c", "C", None]), WORDS)
    assert words.to_pylist() == [1, None, None] and good.tolist() == [True, False, False] and words.type == pa.int8()
    days, good = checks.dates(pa.array(["2017-02-28", "2017-02-29"]))
    assert days[0].as_py() == date(2017, 2, 28) and good.tolist() == [True, False] and days.type == pa.date32()
    native = checks.dates(pa.array([date(2017, 2, 28), None], pa.date64()))
    assert native[0].to_pylist() == [date(2017, 2, 28), None] and native[1].tolist() == [True, False]
    assert checks.months(pa.array(["2017-12", "2017-13", "2017-1", None]))[1].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("unit", "cell", "seconds", "micro"),
    [
        ("s", "-7", -7, 0),
        ("ms", "-1", -1, 999_000),
        ("ms", "2001", 2, 1_000),
        ("us", "1000001", 1, 1),
        ("us", "-1", -1, 999_999),
        ("iso", "1970-01-01T00:00:01.5Z", 1, 500_000),
    ],
)
def test_moments_of_every_unit(unit, cell, seconds, micro):
    found = checks.instants(pa.array([cell, "x"]), unit)
    assert [part.tolist()[0] for part in found] == [seconds, micro, True] and found[2].tolist() == [True, False]


def test_native_moments_and_missing_cells():
    found = checks.instants(pa.array([1_500, -1, None], pa.timestamp("ms", "UTC")), "s")
    assert [part.tolist()[:2] for part in found] == [[1, -1], [500_000, 999_000], [True, True]] and not found[2][2]
    assert checks._missing(pa.array(["", None, " ", "NA"])).tolist() == [True, True, False, False]
    assert checks._missing(pa.array([0, None])).tolist() == [False, True]
