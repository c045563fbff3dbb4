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
        sorter.add(whole.slice(start, 70))
    given = [i for part in sorter.ranges() for i in sorted_rows(part, by)["_at"].to_pylist()]
    assert given == expected(rows, by) and not list(tmp_path.iterdir())


def test_one_value_in_all_rows_is_dealt_by_the_next_key(tmp_path, monkeypatch):
    for name, value in {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30, "WAITING_ROWS": 30}.items():
        monkeypatch.setattr(sorting, name, value)
    rows = [(1, "same", None, float(-i)) for i in range(500)]
    sorter = Sorter(tmp_path, SCHEMA, ["n", "t", "b", "f", "_at"], [])
    sorter.add(table_of(rows))
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


SMALL = {"RANGE_ROWS": 10, "MOST_ROWS": 40, "MEMORY_ROWS": 30, "WAITING_ROWS": 30, "MOST_RANGES": 5}


@pytest.fixture
def small(monkeypatch):
    """Limits of a few rows."""
    for name, value in SMALL.items():
        monkeypatch.setattr(sorting, name, value)


def a_range(path, values: list, kind: pa.DataType) -> sorting._Range:
    """Rows of one column `k`, in two pieces."""
    table = pa.table({"k": pa.array(values, kind)})
    found = sorting._Range(path, table.schema)
    for part in (table.slice(0, len(values) // 2), table.slice(len(values) // 2)):
        found.add(part)
        found.spill()
    found.seal()
    return found


@pytest.mark.parametrize(
    ("values", "cuts"),
    [
        ([None] * 50, []),
        ([7] * 50, []),
        ([None] * 49 + [7], [7]),  # the gaps go before the 7
        ([7] * 900 + [8, 9], [8]),  # no hundredth row is above 7
        ([7] * 50 + [None] * 50 + [9], [9]),
        ([n // 100 for n in range(500)], [1, 2, 3]),  # fifths of the hundredth rows 0, 1, 2 and 2, 3, 4
    ],
)
def test_cuts_of_a_range_split_it(values, cuts, tmp_path, small):
    assert sorting._own_cuts(a_range(tmp_path / "r", values, pa.int64()), "k") == cuts
    words = [None if v is None else f"w{v}" for v in values]
    assert sorting._own_cuts(a_range(tmp_path / "w", words, pa.string()), "k") == [f"w{c}" for c in cuts]


def test_what_is_dealt_again_waits_in_files(tmp_path, small):
    sorter = Sorter(tmp_path, SCHEMA, ["n", "_at"], [])
    sorter.add(table_of([(i, "a", None, 0.0) for i in range(200)]))
    given = sorter.ranges()
    first = next(given)
    assert first.num_rows <= 40 and len(list((tmp_path / "0").iterdir())) >= 2 and sorter.rows == 200
    assert first.num_rows + sum(part.num_rows for part in given) == 200 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(("rows", "again"), [(40, False), (41, True)])
def test_a_range_of_most_rows_is_given_whole(rows, again, tmp_path, small):
    sorter = Sorter(tmp_path, SCHEMA, ["n", "_at"], [])
    sorter.add(table_of([(i, "a", None, 0.0) for i in range(rows)]))
    assert (len(list(sorter.ranges())) > 1) is again


@pytest.mark.parametrize(("rows", "files"), [(30, 0), (31, 1)])
def test_more_than_the_waiting_rows_are_spilled(rows, files, tmp_path, small):
    sorter = Sorter(tmp_path, SCHEMA, ["n", "_at"], [100])
    for start in range(rows):  # one by one; the second range stays empty
        sorter.add(table_of([(start, "a", None, 0.0)]))
    assert len(list(tmp_path.iterdir())) == files and sorter.rows == rows
    assert sorter._waiting == (0 if files else rows)


def test_rows_of_one_range_stay_one_table():
    table = pa.table({"k": ["b", "c", None]})
    assert [(i, t.num_rows) for i, t in deal(table, "k", [])] == [(0, 3)] and deal(table.slice(3), "k", ["b"]) == []
    assert [(i, t["k"].to_pylist()) for i, t in deal(table, "k", ["a", "b"])] == [(0, [None]), (2, ["b", "c"])]
    one = deal(table.slice(0, 2), "k", ["a", "b"])
    assert [(i, t.num_rows) for i, t in one] == [(2, 2)] and one[0][1].slice(0, 1)["k"].to_pylist() == ["b"]
    assert [(i, t.num_rows) for i, t in deal(pa.table({"k": pa.array([None], pa.string())}), "k", ["a"])] == [(0, 1)]


def test_the_first_keys_are_packed_as_far_as_there_is_room():
    far, near = pa.chunked_array([[-(2**62), 2**62, 0]]), pa.chunked_array([[5, 6, 8]])
    packed, used = sorting._packed([far, near], 4)
    assert used == 2 and packed.tolist() == [0 * 4 + 0, 2 * 4 + 1, 1 * 4 + 3]  # ranks 0 to 2 and 0 to 3: two bits each
    assert sorting._packed([far, near], 3)[1] == 1 and sorting._packed([near, near, near], 4)[1] == 2
    assert sorting._packed([near, far], 4)[1] == 1  # only the first is ranked to make room
    assert sorting._packed([near.slice(3)], 4)[1] == 1


@pytest.mark.parametrize(
    ("values", "kind", "places"),
    [
        ([3, None, 1, 3], pa.date32(), [2, 0, 1, 2]),
        ([-0.5, None, 2.0, -3.0, 0.0], pa.float64(), [2, 0, 4, 1, 3]),
        ([None, -7, 7, None], pa.int64(), [0, 1, 2, 0]),
        ([True, None, False], pa.bool_(), [2, 0, 1]),
        (["b", "", None, "a"], pa.string(), [3, 1, 0, 2]),
        ([None, None], pa.string(), [0, 0]),
        ([2, 5, 2], pa.int64(), [0, 1, 0]),
    ],
)
def test_ranks_order_like_the_values_gaps_first(values, kind, places):
    rank = sorting._rank(pa.chunked_array([pa.array(values, kind)]))
    assert [sorted(set(rank.tolist())).index(r) for r in rank.tolist()] == places


def test_equal_neighbours_by_hand():
    table = pa.table({"t": ["a", "a", None, None, "b"], "n": [1, 1, 1, 1, 1], "m": [1, None, None, None, 2]})
    same = [same_as_before(table, columns).tolist() for columns in (["t", "n"], ["m"], ["n"], [])]
    assert same[0] == [False, True, False, True, False] and same[1] == [False, False, True, True, False]
    assert same[2] == same[3] == [False, True, True, True, True]
    assert same_as_before(table.slice(0, 1), ["t"]).tolist() == [False]
    assert same_as_before(table.slice(0, 2), ["t"]).tolist() == [False, True]
