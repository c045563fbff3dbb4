"""Result tables as Parquet: the same values as the CSV, with types, and equal bytes for equal tables."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.findings import Findings, missing
from helpers.result_files import read_about, write_parquet

DAYS = pd.to_datetime(["2017-11-25", "2017-11-26", None])
TABLE = pd.DataFrame(
    {
        "day": DAYS,
        "on": [datetime.date(2017, 11, 25), None, datetime.date(2017, 11, 27)],
        "users": pd.array([12, None, 14], dtype="Int64"),
        "buy_rate": [0.1, np.nan, 1 / 3],
        "differs": [True, None, False],
        "category": pd.Categorical(["茶", "=1+1", None]),
        "value": [1, "two", 3.5],
        "large": [2**70, None, 1],
        "waited": pd.to_timedelta([1, None, 2], unit="h"),
    }
)
TYPES = ["time", "date", "integer", "number", "flag", "text", "text", "number", "text"]


def stored(table: pd.DataFrame, folder: Path, **more: dict) -> tuple[pd.DataFrame, pd.DataFrame]:
    Findings("21_funnel", folder).table("t", table, "A caption", **more)
    csv = pd.read_csv(folder / "t.csv") if table.shape[1] else pd.DataFrame()
    return csv, pd.read_parquet(folder / "t.parquet")


def test_parquet_and_csv_hold_the_same_values(tmp_path: Path) -> None:
    csv, typed = stored(TABLE, tmp_path)
    assert list(csv) == list(typed) and csv.isna().equals(typed.isna())
    again = csv.assign(day=pd.to_datetime(csv["day"]), category=csv["category"].str.removeprefix("'"))
    for name in ("day", "users", "buy_rate", "category", "value", "large", "waited"):
        assert again[name].dropna().tolist() == typed[name].dropna().tolist(), name
    assert csv["on"].dropna().tolist() == [str(d) for d in typed["on"].dropna()]
    assert csv["differs"].dropna().tolist() == typed["differs"].dropna().tolist()


def test_the_file_tells_types_units_caption_and_gaps(tmp_path: Path) -> None:
    stored(TABLE, tmp_path, units={"buy_rate": "of visits"})
    about = read_about(tmp_path / "t.parquet")
    assert (about.rows, about.caption, about.reason) == (3, "A caption", "")
    assert [c.type for c in about.columns] == TYPES and [c.missing for c in about.columns] == [1] * 6 + [0, 1, 1]
    assert {c.name: c.unit for c in about.columns if c.unit} == {"buy_rate": "of visits"}


def test_formulas_are_text_in_parquet_as_they_came(tmp_path: Path) -> None:
    csv, typed = stored(pd.DataFrame({"title": ["=1+1"]}), tmp_path)
    assert (csv["title"][0], typed["title"][0]) == ("'=1+1", "=1+1")


def test_equal_tables_give_equal_bytes_without_a_path(tmp_path: Path) -> None:
    for name in ("a", "b"):
        stored(TABLE, tmp_path / name)
    first, second = ((tmp_path / name / "t.parquet").read_bytes() for name in ("a", "b"))
    assert first == second and str(tmp_path).encode() not in first


@pytest.mark.parametrize("table", [missing(["a", "b"], "no purchases"), missing([], "no purchases")])
def test_an_empty_table_keeps_its_reason(table: pd.DataFrame, tmp_path: Path) -> None:
    _, typed = stored(table, tmp_path)
    about = read_about(tmp_path / "t.parquet")
    assert list(typed) == list(table) and (about.rows, about.reason) == (0, "no purchases")


CELLS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3) | st.dates()


@settings(max_examples=40)
@given(st.lists(CELLS, max_size=4))
def test_any_column_is_stored(cells: list) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_parquet(pd.DataFrame({"a": pd.Series(cells, dtype=object)}), Path(folder) / "t.parquet")
        about = read_about(Path(folder) / "t.parquet")
    assert about.rows == len(cells) and about.columns[0].missing == sum(c is None for c in cells)
