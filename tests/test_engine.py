"""The engine: bounded, read-only, without a way out."""

from __future__ import annotations

from pathlib import Path

import ibis
import pandas as pd
import pytest

from helpers.engine import as_table, connect, hold, machine_memory, memory_limit
from helpers.study import Engine


@pytest.fixture
def events(tmp_path: Path) -> ibis.Table:
    """A table of three rows in a folder with a difficult name."""
    for name, rows in (("a1b", 9), ("a[1]*'b", 3)):  # the first is what the second would match as a pattern
        (tmp_path / name).mkdir()
        table = pd.DataFrame({"user_id": [1, 1, 2, 2, 2, 2, 2, 2, 2], "v": range(9)}).head(rows)
        table.to_parquet(tmp_path / name / "data.parquet")
    folder = tmp_path / "a[1]*'b"
    return connect(Engine(), {"events": folder / "data.parquet"})["events"]


def test_a_file_with_a_difficult_name_is_taken_literally(events: ibis.Table) -> None:
    assert events.count().execute() == 3


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "SELECT * FROM 'https://example.org/x.parquet'",
        "COPY (SELECT 1) TO '/tmp/out-of-the-engine.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '99GB'",
        "ATTACH '/tmp/other.db'",
    ],
)
def test_there_is_no_way_out(events: ibis.Table, query: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    with pytest.raises(duckdb.Error):
        ibis.get_backend(events).con.execute(query)
    assert not Path("/tmp/out-of-the-engine.csv").exists()


def test_small_tables_can_join(events: ibis.Table) -> None:
    names = as_table(pd.DataFrame({"user_id": [1], "name": ["x"]}))
    assert events.join(names, "user_id").count().execute() == 2


def test_held_rows_do_not_read_the_file_again(events: ibis.Table) -> None:
    held = hold(events.group_by("user_id").agg(n=events.count()))
    assert held.n.sum().execute() == 3 and held.count().execute() == 2


@pytest.mark.parametrize(
    ("text", "limit"),
    [("50%", "4000MB"), ("2 GB", "2000MB"), ("300MB", "300MB"), ("1%", "256MB"), ("0.5TB", "500000MB")],
)
def test_memory_limits(text: str, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMN_JOBS", raising=False)
    assert memory_limit(Engine(memory_limit=text), total=8_000_000_000) == limit


def test_kernels_side_by_side_share_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMN_JOBS", "4")
    assert memory_limit(Engine(memory_limit="50%"), total=8_000_000_000) == "1000MB"


def test_this_machine_has_memory() -> None:
    assert machine_memory() > 10**8


def test_spark_that_is_not_installed_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pyspark"):
        connect(Engine(kind="spark"), {"events": tmp_path / "x.parquet"})
