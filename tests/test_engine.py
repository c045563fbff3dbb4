"""The engine: bounded, read-only, without a way out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ibis
import pandas as pd
import pytest

from helpers import engine_spark
from helpers.engine import SPILL, _threads, as_table, connect, hold, in_parts, machine_memory, memory_limit
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


def test_what_does_not_fit_goes_where_the_runner_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SPILL, str(tmp_path / "spill"))
    seen, connected = [], ibis.duckdb.connect
    note = lambda *a, **k: seen.append(k["temp_directory"]) or connected(*a, **k)  # noqa: E731
    monkeypatch.setattr(ibis.duckdb, "connect", note)
    connect(Engine(), {})
    assert seen == [str(tmp_path / "spill")]


def test_a_container_has_what_it_may_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_text("max\n")
    (tmp_path / "old").write_text("300000000\n")
    monkeypatch.setattr("helpers.engine.CONTAINERS", (tmp_path / "new", tmp_path / "none", tmp_path / "old"))
    assert machine_memory() == 300_000_000


def test_this_machine_has_memory() -> None:
    assert machine_memory() > 10**8


def test_spark_that_is_not_installed_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(engine_spark.EngineError, match=r"pip install -r requirements-spark\.txt"):
        connect(Engine(kind="spark"), {"events": tmp_path / "x.parquet"})


def test_a_machine_without_java_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(engine_spark.EngineError, match=r"holds no Java.*Install Java 17"):
        engine_spark.check_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(engine_spark.EngineError, match=r"no Java was found.*Install Java 17"):
        engine_spark.check_java()


@pytest.mark.parametrize("said", ['openjdk version "11.0.2" 2019', 'java version "1.8.0_292"', "nothing known"])
def test_java_that_is_too_old_is_refused(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.setattr(engine_spark.shutil, "which", lambda *_, **__: "java")
    answer = subprocess.CompletedProcess([], 0, stderr=said)
    monkeypatch.setattr(engine_spark.subprocess, "run", lambda *_, **__: answer)
    with pytest.raises(engine_spark.EngineError, match="needs 17 or newer"):
        engine_spark.check_java()


@pytest.mark.parametrize(
    ("master", "asked"),
    [
        ("spark://a:7077", [("a", 7077)]),
        ("spark://a:7077,b:7078", [("a", 7077), ("b", 7078)]),
        ("k8s://https://api.example:6443", [("api.example", 6443)]),
        ("local[2]", []),
    ],
)
def test_a_master_is_asked_before_spark_waits_for_it(monkeypatch: pytest.MonkeyPatch, master: str, asked: list) -> None:
    tried = []
    monkeypatch.setattr(engine_spark, "_answers", lambda host, port: tried.append((host, port)))
    if not asked:
        return engine_spark.check_master(master)
    with pytest.raises(engine_spark.EngineError, match="does not answer within 5 seconds"):
        engine_spark.check_master(master)
    assert tried == asked


def test_yarn_needs_to_know_where_its_cluster_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(engine_spark.EngineError, match=r"yarn-site\.xml"):
        engine_spark.check_master("yarn")


def test_on_one_machine_a_session_listens_to_this_machine_only() -> None:
    settings = engine_spark._settings(Engine(kind="spark", master="local[2]"), "2000m", 10 << 30)
    assert settings["spark.driver.bindAddress"] == "127.0.0.1" and settings["spark.ui.enabled"] == "false"
    assert settings["spark.driver.memory"] == "2000m" and settings["spark.sql.shuffle.partitions"] == "160"
    cluster = engine_spark._settings(Engine(kind="spark", master="yarn"), "2000m", 10 << 30)
    assert "spark.driver.memory" not in cluster and cluster["spark.sql.session.timeZone"] == "UTC"


def test_without_a_master_sparks_own_settings_say_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPARK_CONF_DIR", str(tmp_path))
    assert engine_spark._settings(Engine(kind="spark"), "2000m", 0)["spark.driver.host"] == "127.0.0.1"
    (tmp_path / "spark-defaults.conf").write_text("# spark.master local\nspark.master   yarn\n", encoding="utf-8")
    assert "spark.driver.host" not in engine_spark._settings(Engine(kind="spark"), "2000m", 10 << 30)


def test_a_session_of_spark_submit_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    settings = engine_spark._settings(Engine(kind="spark"), "2000m", 10 << 30)
    assert {"spark.master", "spark.driver.host", "spark.sql.shuffle.partitions"}.isdisjoint(settings)


def test_the_next_session_gets_a_java_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    gateway = SimpleNamespace(shutdown=lambda: ended.append("gateway"))
    running = SimpleNamespace(stop=lambda: ended.append("session"))
    context = SimpleNamespace(_active_spark_context=running, _gateway=gateway, _jvm=1)
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace(SparkContext=context))
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    engine_spark.end_session()
    assert ended == ["session", "gateway"] and context._gateway is None and "PYSPARK_GATEWAY_PORT" not in os.environ


def test_where_no_session_runs_none_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pyspark", raising=False)
    engine_spark.end_session()
    assert "pyspark" not in sys.modules


@pytest.mark.parametrize("master", ["local[2] --conf x=y", "http://a", "spark://a", "yarn;", "local[-1]"])
def test_a_master_is_one_of_sparks_kinds(master: str) -> None:
    with pytest.raises(ValueError, match="master"):
        Engine(kind="spark", master=master)


@pytest.mark.parametrize("key", [{"master": "yarn"}, {"store": "s3a://x"}, {"intake": "cluster"}])
def test_keys_of_spark_need_spark(key: dict) -> None:
    with pytest.raises(ValueError, match="for Spark only"):
        Engine(**key)


@pytest.mark.parametrize(
    ("least", "named", "threads"), [(10**6, None, 1), (10**6, 3, 3), (0, 2, 2)], ids=["small", "named", "large, named"]
)
def test_one_thread_adds_the_fractions_of_a_small_study(
    events: ibis.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: int, named: int | None, threads: int
) -> None:
    monkeypatch.setattr("helpers.engine.SMALL", least)
    table = connect(Engine(threads=named), {"events": tmp_path / "a1b" / "data.parquet"})["events"]
    assert ibis.get_backend(table).con.execute("SELECT current_setting('threads')").fetchone() == (threads,)


def test_a_large_study_takes_all_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMN_JOBS", raising=False)
    (tmp_path / "data.parquet").write_bytes(b"0123456789")
    monkeypatch.setattr("helpers.engine.SMALL", 9)
    assert _threads(Engine(), {"events": tmp_path / "data.parquet"}) is None
    monkeypatch.setattr("helpers.engine.SMALL", 10)
    assert _threads(Engine(), {"events": tmp_path / "data.parquet"}) == 1


@pytest.mark.parametrize(("cores", "jobs", "threads"), [(8, 2, 4), (8, 3, 2), (2, 2, 1), (1, 2, 1), (8, 1, None)])
def test_kernels_side_by_side_share_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, jobs: int, threads: int | None
) -> None:
    (tmp_path / "data.parquet").write_bytes(b"0123456789")
    monkeypatch.setattr("helpers.engine.SMALL", 9)
    monkeypatch.setattr("helpers.engine._cores", lambda: cores)
    monkeypatch.setenv("SMN_JOBS", str(jobs))
    assert _threads(Engine(), {"events": tmp_path / "data.parquet"}) == threads
    assert _threads(Engine(threads=7), {"events": tmp_path / "data.parquet"}) == 7


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ibis.Table:
    """Nine rows of four users in pieces of two rows, worked on by at least three rows at a time."""
    table = pd.DataFrame({"user_id": [1, 1, 1, 2, 2, 3, 3, 3, 4], "v": range(9)})
    table.to_parquet(tmp_path / "data.parquet", row_group_size=2, index=False)
    monkeypatch.setattr("helpers.engine.LARGE", 0)
    monkeypatch.setattr("helpers.engine.PART", 3)
    return connect(Engine(), {"events": tmp_path / "data.parquet"})["events"]


def test_the_parts_of_a_large_log_hold_whole_users(large: ibis.Table) -> None:
    # pieces begin with the users 1, 1, 2, 3, 4; a part begins where at least three rows came before in the part
    seen = in_parts(
        lambda some: some.agg(users=some.user_id.nunique(), rows=some.count(), first=some.user_id.min()), large
    )
    assert seen.order_by("first").execute().to_numpy().tolist() == [[1, 3, 1], [2, 5, 2], [1, 1, 4]]


def test_each_part_sees_the_same_users_of_all_tables(large: ibis.Table) -> None:
    names = as_table(pd.DataFrame({"user_id": [3, 1, None, 9], "name": ["c", "a", "nobody", "late"]}))
    parts = in_parts(
        lambda some, named: named.agg(all=named.name.collect().sort(), last=named.user_id.max()), large, names
    )
    assert parts.order_by("last")["all"].execute().map(list).tolist() == [["a", "nobody"], ["c"], ["late"]]


def test_the_copies_beside_a_part_are_gone_after_it(large: ibis.Table) -> None:
    names = as_table(pd.DataFrame({"user_id": [1, 2], "name": ["a", "b"]}))
    in_parts(lambda some, named: some.semi_join(named, "user_id"), large, names)
    left = ibis.get_backend(large).con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    assert len(left) == 2 and not [name for (name,) in left if "part" in name]  # the bounds, and what was made


def test_what_is_held_is_not_held_again(large: ibis.Table) -> None:
    parts = in_parts(lambda some: some, large)
    assert hold(parts) is parts and parts.v.sum().execute() == 36


def test_a_large_study_without_events_is_one_part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pd.DataFrame({"user_id": [2, 1]}).to_parquet(tmp_path / "orders.parquet")
    monkeypatch.setattr("helpers.engine.LARGE", 0)
    orders = connect(Engine(), {"orders": tmp_path / "orders.parquet"})["orders"]
    assert in_parts(lambda some: some, orders) is orders


def test_a_small_log_is_one_part(events: ibis.Table) -> None:
    assert in_parts(lambda some: some, events) is events


def test_a_large_log_is_held_compressed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pd.DataFrame({"user_id": range(200_000), "v": 7}).to_parquet(tmp_path / "data.parquet")
    used = {}
    for large in (0, 10**9):
        monkeypatch.setattr("helpers.engine.LARGE", large)
        events = connect(Engine(), {"events": tmp_path / "data.parquet"})["events"]
        held = hold(events)
        names = as_table(pd.DataFrame({"v": [7], "name": ["seven"]}))
        assert hold(held.join(names, "v")).name.count().execute() == 200_000
        memory = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
        used[large] = ibis.get_backend(held).con.execute(memory).fetchone()[0]
    assert used[0] < used[10**9] / 2
