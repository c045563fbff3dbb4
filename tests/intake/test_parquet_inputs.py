"""Parquet inputs: the same checks and the same ledger as for text."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.intake import IntakeError, ingest


def log(**columns) -> pa.Table:
    """A log of two rows, with some columns replaced."""
    base = {
        "user_id": pa.array([1, 2]),
        "item_id": pa.array([10, 11]),
        "category_id": pa.array([100, 101]),
        "behavior": pa.array(["pv", "buy"]),
        "timestamp": pa.array([1511544070, 1511544071]),
    }
    return pa.table({**base, **columns})


def put(table: pa.Table, tmp_path, study_of, **settings):
    """Write a Parquet file and take it in."""
    path = tmp_path / "log[1].parquet"
    pq.write_table(table, path)
    return ingest(study_of(path, format="parquet", **settings), "events")


FITS = {
    "int32 ids": {"user_id": pa.array([1, 2], pa.int32())},
    "uint64 ids": {"user_id": pa.array([1, 2], pa.uint64())},
    "ids in text": {"user_id": pa.array(["1", "2"])},
    "words in a dictionary": {"behavior": pa.array(["pv", "buy"]).dictionary_encode()},
    "large text": {"behavior": pa.array(["pv", "buy"], pa.large_string())},
    "times with a zone": {"timestamp": pa.array([1511544070, 1511544071], pa.timestamp("s", "UTC"))},
    "times in nanoseconds": {
        "timestamp": pa.array([1511544070 * 10**9, 1511544071 * 10**9], pa.timestamp("ns", "UTC"))
    },
    "milliseconds": {"timestamp": pa.array([1511544070000, 1511544071000])},
    "ISO texts": {
        "timestamp": pa.array([datetime.fromtimestamp(t, UTC).isoformat() for t in (1511544070, 1511544071)])
    },
}


@pytest.mark.parametrize("columns", FITS.values(), ids=FITS)
def test_types_that_fit_give_the_same_rows(columns, tmp_path, study_of):
    result = put(log(**columns), tmp_path, study_of)
    assert pq.read_table(result.data).select(["user_id", "behavior", "timestamp"]).to_pylist() == [
        {"user_id": 1, "behavior": "pv", "timestamp": 1511544070},
        {"user_id": 2, "behavior": "buy", "timestamp": 1511544071},
    ]


UNFIT = {
    "float ids": ({"user_id": pa.array([1.0, 2.0])}, "Floats cannot hold large ids"),
    "times without a zone": ({"timestamp": pa.array([1, 2], pa.timestamp("s"))}, "no time zone"),
    "float times": ({"timestamp": pa.array([1.5e9, 1.5e9])}, "cannot be of type double"),
    "lists": ({"item_id": pa.array([[1], [2]])}, "cannot be of type list"),
    "days as times": ({"timestamp": pa.array([17495, 17496], pa.date32())}, "cannot be of type date32"),
}


@pytest.mark.parametrize(("columns", "words"), UNFIT.values(), ids=UNFIT)
def test_types_that_do_not_fit_are_refused(columns, words, tmp_path, study_of):
    with pytest.raises(IntakeError, match=r"log\[1\]\.parquet") as error:
        put(log(**columns), tmp_path, study_of)
    assert words in str(error.value)


OUT = {
    "null key": ({"user_id": pa.array([1, None])}, "missing key"),
    "id beyond int64": ({"user_id": pa.array([1, 2**63], pa.uint64())}, "bad integer"),
    "leading zeros": ({"user_id": pa.array(["1", "02"])}, "bad integer"),
    "unknown behaviour": ({"behavior": pa.array(["pv", "share"])}, "unknown behaviour"),
    "out of window": ({"timestamp": pa.array([1511544070, 1])}, "out of window"),
    "NUL": ({"behavior": pa.array(["pv", "b\0uy"])}, "NUL byte"),
    "a giant text": ({"behavior": pa.array(["pv", "x" * (1 << 20) + "y"])}, "line too long"),
}


@pytest.mark.parametrize(("columns", "reason"), OUT.values(), ids=OUT)
def test_rows_that_do_not_fit_are_in_the_ledger(columns, reason, tmp_path, study_of):
    result = put(log(**columns), tmp_path, study_of)
    account = result.manifest["inputs"][0]
    assert (account["lines"], account["accepted"], account["rejects"]) == (2, 1, {reason: 1})
    row = pq.read_table(result.rejects).to_pylist()[0]
    assert row["line"] == 2 and row["raw"].startswith(b'{"user_id"')


def test_large_ids_beside_a_null_stay_exact(tmp_path, study_of):
    result = put(log(user_id=pa.array([2**53 + 1, None])), tmp_path, study_of)
    assert pq.read_table(result.data)["user_id"].to_pylist() == [2**53 + 1]


def test_text_that_is_not_utf8_is_in_the_ledger(tmp_path, study_of):
    words = pa.Array.from_buffers(pa.string(), 2, pa.array([b"pv", b"\xff\xfe"]).buffers())
    result = put(log(behavior=words), tmp_path, study_of)
    assert result.manifest["inputs"][0]["rejects"] == {"bad encoding": 1}


def test_duplicates_are_found_and_located(tmp_path, study_of):
    result = put(pa.concat_tables([log(), log()]), tmp_path, study_of)
    rows = pq.read_table(result.rejects).to_pylist()
    assert [(r["line"], r["reason"], r["detail"]) for r in rows] == [
        (3, "duplicate", "first in line 1"),
        (4, "duplicate", "first in line 2"),
    ]
    assert json.loads(rows[0]["raw"])["user_id"] == 1


@pytest.mark.parametrize("cut", [0, 3, 60, -1, -9], ids=["empty", "3 bytes", "60 bytes", "last byte", "footer"])
def test_a_damaged_file_is_refused(cut, tmp_path, study_of):
    path = tmp_path / "log.parquet"
    pq.write_table(log(), path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(IntakeError, match=r"log\.parquet"):
        ingest(study_of(path, format="parquet"), "events")


def test_no_rows_and_missing_columns_are_refused(tmp_path, study_of):
    with pytest.raises(IntakeError, match="no rows"):
        put(log().slice(0, 0), tmp_path, study_of)
    with pytest.raises(IntakeError, match="'behavior' is missing"):
        put(log().drop_columns(["behavior"]), tmp_path, study_of)


def test_a_parquet_bomb_is_refused(tmp_path, study_of, monkeypatch):
    monkeypatch.setattr("helpers.intake.parquet_files.ROWS_FREE", 1000)
    zeros = pa.array([0] * 500_000)
    with pytest.raises(IntakeError, match="bomb"):
        put(
            pa.table(dict.fromkeys(("user_id", "item_id", "category_id", "behavior", "timestamp"), zeros)),
            tmp_path,
            study_of,
        )


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_written_as_differences_are_read(encoding, tmp_path, study_of):
    path = tmp_path / "log.parquet"
    table = pa.concat_tables([log(behavior=pa.array(["pv", "share"])), log(user_id=pa.array([3, 4]))])
    pq.write_table(table, path, use_dictionary=False, column_encoding={"behavior": encoding}, row_group_size=2)
    result = ingest(study_of(path, format="parquet"), "events")
    assert pq.read_table(result.data)["behavior"].to_pylist() == ["pv", "pv", "buy"]
    assert [(r["line"], r["reason"]) for r in pq.read_table(result.rejects).to_pylist()] == [(2, "unknown behaviour")]


def test_a_column_of_nothing_is_a_missing_column(tmp_path, study_of):
    days = pa.table({"item_id": [1, 2], "category_id": [7, 7], "launched_on": pa.nulls(2)})
    assert put_items(days, tmp_path, study_of)["launched_on"].null_count == 2


def put_items(table: pa.Table, tmp_path, study_of) -> pa.Table:
    """Take in a catalogue; its rows."""
    pq.write_table(table, tmp_path / "items.parquet")
    return pq.read_table(ingest(study_of(tmp_path / "items.parquet", table="items", format="parquet"), "items").data)
