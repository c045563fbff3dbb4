"""Sorting in ranges gives what sorting at once gives."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.intake import sorting
from helpers.intake.sorting import Sorter, cuts_of, deal, same_as_before, sorted_rows

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
    for name, value in {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30, "WAITING_ROWS": 30}.items():
        monkeypatch.setattr(sorting, name, value)
    rows = [(i * 7919 % 13, [None, "x", f"t{i % 5}"][i % 3], [None, True, False][i % 3], 0.5) for i in range(900)]
    whole = table_of(rows)
    sorter = Sorter(tmp_path, SCHEMA, by, cuts_of(whole[by[0]].combine_chunks()[::20], 900))
    for start in range(0, 900, 70):
        sorter.add(sorter.deal(whole.slice(start, 70)))
    given = [i for part in sorter.ranges() for i in sorted_rows(part, by)["_at"].to_pylist()]
    assert given == expected(rows, by) and not list(tmp_path.iterdir())


def test_one_value_in_all_rows_is_dealt_by_the_next_key(tmp_path, monkeypatch):
    for name, value in {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30, "WAITING_ROWS": 30}.items():
        monkeypatch.setattr(sorting, name, value)
    rows = [(1, "same", None, float(-i)) for i in range(500)]
    sorter = Sorter(tmp_path, SCHEMA, ["n", "t", "b", "f", "_at"], [])
    sorter.add(sorter.deal(table_of(rows)))
    parts = [sorted_rows(part, sorter.by)["_at"].to_pylist() for part in sorter.ranges()]
    assert [i for part in parts for i in part] == list(range(499, -1, -1)) and max(map(len, parts)) <= 40


def test_cuts_deal_a_sample_into_equal_parts(monkeypatch):
    for name, value in {"RANGE_ROWS": 10, "MEMORY_ROWS": 30, "WAITING_ROWS": 30, "MOST_RANGES": 5}.items():
        monkeypatch.setattr(sorting, name, value)
    sample = pa.array([None, *range(20)])
    assert cuts_of(sample, 31) == [5, 10, 15] and cuts_of(sample, 41) == [4, 8, 12, 16]
    assert cuts_of(sample, 1000) == [4, 8, 12, 16] and cuts_of(sample, 30) == cuts_of(sample[:1], 1000) == []


@pytest.mark.parametrize("kind", [str, int])
def test_a_cut_opens_its_range_and_gaps_go_first(kind):
    keys = [None if k is None else kind(k) for k in (30, 19, None, 20, 10, 9)]
    parts = deal(pa.table({"k": keys, "row": range(6)}), "k", [kind(10), kind(20)])
    # as texts '9' comes after '20'
    expected = {int: [(0, [2, 5]), (1, [1, 4]), (2, [0, 3])], str: [(0, [2]), (1, [1, 4]), (2, [0, 3, 5])]}
    assert [(at, part["row"].to_pylist()) for at, part in parts] == expected[kind]


def test_rows_that_come_after_a_spill_are_kept(tmp_path):
    part = sorting._Range(tmp_path / "part", SCHEMA)
    rows = table_of([(n, "a", None, 0.0) for n in range(5)])
    for first, spilled in ((0, True), (2, True), (4, False)):
        part.add(rows.slice(first, 2))
        if spilled:
            part.spill()
    part.seal()
    assert [n for piece in part.pieces() for n in piece["n"].to_pylist()] == [0, 1, 2, 3, 4] and part.rows == 5


@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.sampled_from([None, "", "a"]), st.none(), st.just(0.0)), max_size=9)
)
def test_repeated_rows_are_those_of_python(rows):
    same = [i > 0 and rows[i] == rows[i - 1] for i in range(len(rows))]
    assert same_as_before(table_of(rows), ["n", "t", "b", "f"]).tolist() == same
