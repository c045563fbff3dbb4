"""Sorting in ranges gives what sorting at once gives."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.intake import sorting
from helpers.intake.sorting import Sorter, cuts_of, sorted_rows

NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(2**63), 2**63 - 1))
TEXTS = st.one_of(st.none(), st.sampled_from(["", "a", "é", "智", "𝄞"]), st.text(max_size=3))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(NUMBERS, TEXTS, st.one_of(st.none(), st.booleans()), FLOATS), max_size=60)
SCHEMA = pa.schema([("n", pa.int64()), ("t", pa.string()), ("b", pa.bool_()), ("f", pa.float64()), ("_at", pa.int64())])


def table_of(rows: list[tuple]) -> pa.Table:
    """Rows with their number."""
    return pa.Table.from_pylist(
        [dict(zip(SCHEMA.names, (*r, i), strict=True)) for i, r in enumerate(rows)], schema=SCHEMA
    )


def expected(rows: list[tuple], by: list[str]) -> list[int]:
    """Row numbers in order, by Python's own sort; null first, text by its UTF-8 bytes."""

    def key(i: int) -> list:
        cells = dict(zip(SCHEMA.names, (*rows[i], i), strict=True))
        plain = [c.encode() if isinstance(c := cells[n], str) else c for n in by]
        return [(c is not None, c if c is not None else 0) for c in plain]

    return sorted(range(len(rows)), key=key)


@pytest.mark.parametrize("by", [["n", "t", "b", "f", "_at"], ["t", "n", "_at"], ["b", "f", "t", "_at"], ["f", "_at"]])
@given(rows=ROWS)
def test_order_is_that_of_python(by, rows):
    assert sorted_rows(table_of(rows), by)["_at"].to_pylist() == expected(rows, by)


@pytest.mark.parametrize("by", [["n", "t", "_at"], ["t", "n", "_at"], ["b", "t", "_at"]])
def test_spilled_ranges_are_the_same(by, tmp_path, monkeypatch):
    for name, value in {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30}.items():
        monkeypatch.setattr(sorting, name, value)
    rows = [(i * 7919 % 13, [None, "x", f"t{i % 5}"][i % 3], [None, True, False][i % 3], 0.5) for i in range(900)]
    whole = table_of(rows)
    sorter = Sorter(tmp_path, SCHEMA, by, cuts_of(whole[by[0]].combine_chunks()[::20], 900))
    for start in range(0, 900, 70):
        sorter.add(sorter.deal(whole.slice(start, 70)))
    given = [i for part in sorter.ranges() for i in sorted_rows(part, by)["_at"].to_pylist()]
    assert given == expected(rows, by) and not list(tmp_path.iterdir())


def test_one_value_in_all_rows_is_dealt_by_the_next_key(tmp_path, monkeypatch):
    for name, value in {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30}.items():
        monkeypatch.setattr(sorting, name, value)
    rows = [(1, "same", None, float(-i)) for i in range(500)]
    sorter = Sorter(tmp_path, SCHEMA, ["n", "t", "b", "f", "_at"], [])
    sorter.add(sorter.deal(table_of(rows)))
    parts = [sorted_rows(part, sorter.by)["_at"].to_pylist() for part in sorter.ranges()]
    assert [i for part in parts for i in part] == list(range(499, -1, -1)) and max(map(len, parts)) <= 40
