"""Intake through Spark against intake on one machine: the same files, the same rows, the same reasons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
import yaml

from helpers import engine_spark
from helpers import study as study_module
from helpers.intake import Ingested, IntakeError, ingest, ingest_all, with_rows
from helpers.study import load_study

DIRTY = [
    b"\xef\xbb\xbfuser_id,item_id,category_id,behavior,timestamp,note",
    b"1,11,5,pv,1511544070,",
    b"1,11,5,pv,1511544070,",  # duplicate
    b"1,12,5,buy,1511544071,plain\r",
    b'2,12,5,buy,1511544071,"a, ""quoted"" note"',
    b'2,13,5,buy,1511544072,a "stray" quote',
    b"",
    b"\r",
    b"3,13,5,pv",  # too few fields
    b"3,13,5,pv,1511544073,x,y",  # too many
    b"three,13,5,pv,1511544073,",
    b"007,13,5,pv,1511544073,",  # leading zeros
    b",13,5,pv,1511544073,",  # missing key
    b"3,13,5,,1511544073,",  # missing value
    b"3,13,5,look,1511544073,",  # unknown behaviour
    b"3,13,5,pv,noon,",  # bad time
    b"3,13,5,pv,1311544073,",  # out of window
    b"4,14,5,pv,1511544\x00074,",
    b"4,14,5,pv,1511544074,\xff\xfe",
    "5,15,6,fav,1511544075,中文".encode(),
    b"user_id,item_id,category_id,behavior,timestamp,note",  # repeated header
    b"6,16,6,cart,1511544076," + b"x" * (1 << 20),  # too long
    b"9223372036854775808,16,6,cart,1511544076,",
    b"1,11,5,pv,1511544070,",  # duplicate, three times
]
WINDOW = {"start": "2017-11-25", "end": "2017-12-03"}


@pytest.fixture
def both(spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Ingested, Ingested]]:
    """`both(table={'path': …})`: the table taken in on this machine and through Spark."""

    def take(*, cluster_path: str | None = None, table: str = "events", **given: object) -> tuple[Ingested, Ingested]:
        results = []
        for engine in ({"kind": "duckdb"}, {"kind": "spark", "master": "local[2]", "intake": "cluster"}):
            monkeypatch.setattr(study_module, "CACHE", tmp_path / f"cache-{engine['kind']}")
            path = cluster_path if engine["kind"] == "spark" and cluster_path else given["path"]
            content = {"name": "t", "title": "t", "window": WINDOW, "engine": engine}
            content["tables"] = {table: {**given, "path": path}}
            file = tmp_path / f"{engine['kind']}.yaml"
            file.write_text(yaml.safe_dump(content), encoding="utf-8")
            results.append(ingest(load_study(file), table))
        return results[0], results[1]

    return take


def rows_of(result: Ingested) -> pd.DataFrame:
    """All rows, in a fixed order, whatever the files they lie in."""
    if Path(result.data).is_dir():
        table = ds.dataset(result.data, partitioning=ds.partitioning(flavor="hive")).to_table().to_pandas()
        if "day" in table:
            table["day"] = pd.to_datetime(table["day"].astype(str)).dt.date
    else:
        table = pq.read_table(result.data).to_pandas()
    table = table[sorted(table.columns)].astype({"hour": "int64"} if "hour" in table else {})
    return table.sort_values(list(table.columns), ignore_index=True)


def ledger_of(result: Ingested) -> pd.DataFrame:
    ledger = pq.read_table(result.rejects, columns=["file", "line", "reason", "column", "detail"]).to_pandas()
    return ledger.sort_values(["file", "line"], ignore_index=True)


def same(one: Ingested, many: Ingested) -> None:
    """The same rows, rejects with their lines and details, and the same account."""
    pd.testing.assert_frame_equal(rows_of(many), rows_of(one), check_dtype=False)
    pd.testing.assert_frame_equal(ledger_of(many), ledger_of(one))
    kept = ("lines", "header", "blank", "continuation", "accepted", "rejects")
    accounts = [[{k: i[k] for k in kept} for i in r.manifest["inputs"]] for r in (one, many)]
    assert accounts[0] == accounts[1] and one.manifest["duplicates"] == many.manifest["duplicates"]
    for i in accounts[1]:
        counted = sum(i[k] for k in kept[1:5]) + sum(i["rejects"].values())
        assert counted == i["lines"]


@pytest.mark.parametrize("end", [b"\n", b"", b"\n7,17,6,pv,15115440", b"\n7,17,6,pv,1511544079,whole"])
def test_a_dirty_file_gives_the_same_rows_and_the_same_reasons(both: Callable, tmp_path: Path, end: bytes) -> None:
    file = tmp_path / "dirty [1].csv"
    file.write_bytes(b"\n".join(DIRTY) + end)
    same(*both(path=str(file), cluster_path=str(tmp_path / "dirty*.csv"), encoding="utf-8"))


def test_a_folder_of_files_cut_into_blocks(both: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(3):
        log = pd.DataFrame(rng.integers(1, 60, (2_000, 3)), columns=["user_id", "item_id", "category_id"])
        log["behavior"] = rng.choice(["pv", "buy", "zz"], len(log), p=[0.8, 0.19, 0.01])
        log["timestamp"] = 1511544070 + rng.integers(0, 40, len(log)) * 3600
        log.to_csv(folder / f"part-{number}.csv", index=False, lineterminator="\n")
    monkeypatch.setattr(engine_spark, "PARTITION_BYTES", 20_000)
    same(*both(path=[str(f) for f in sorted(folder.iterdir())], cluster_path=str(folder)))


def test_a_key_that_stands_twice_keeps_its_first_row(both: Callable, tmp_path: Path) -> None:
    file = tmp_path / "items.csv"
    file.write_text("item_id,category_id,price\n1,5,2.5\n2,5,-1\n1,5,2.50\n1,6,3\n3,,4\n4,6,1e1\n", encoding="utf-8")
    same(*both(table="items", path=str(file)))


def test_parquet_files(both: Callable, tmp_path: Path) -> None:
    log = pd.DataFrame({"user_id": [1, 1, 2, -3], "item_id": [7, 7, 8, 9], "category_id": 1, "behavior": "pv"})
    moments = ["2017-11-26 01:00", "2017-11-26 01:00", "2016-01-01 00:00", "2017-11-27 09:30"]
    log["timestamp"] = pd.to_datetime(moments, utc=True)
    log.to_parquet(tmp_path / "log.parquet")
    same(*both(path=str(tmp_path / "log.parquet"), format="parquet"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b'1,2,3,pv,1511544070,"over\ntwo"\n' * 2, "a quote is not closed"),
        ("a.csv", b"1,2,3,pv,1511544070,x\r1,2,3,pv,1511544071,x\n", "a lone CR"),
        ("a.csv", b"1,2,3,pv,1511544070,\xc4\xe3\n" * 9 + b"1,2,3,pv,1511544070,\n", "are not UTF-8"),
        ("a.csv.gz", b"", "one packed file cannot be shared out"),
        ("b.csv", b"", "names no file"),
    ],
)
def test_what_a_cluster_cannot_do_is_refused(
    both: Callable, spark: object, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    fine = tmp_path / "fine.csv"
    fine.write_bytes(b"user_id,item_id,category_id,behavior,timestamp,note\n1,2,3,pv,1511544070,x\n")
    (tmp_path / name).write_bytes(fine.read_bytes() + content)
    wanted = str(tmp_path / ("nothing*.csv" if name == "b.csv" else name))
    with pytest.raises(IntakeError, match=said):
        both(path=str(fine), cluster_path=wanted, encoding="utf-8")


def test_a_table_without_rows_counts_as_absent(spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "cache")
    (tmp_path / "log.csv").write_text("user_id,item_id,category_id,behavior,timestamp\n1,11,5,pv,1511600000\n")
    (tmp_path / "items.csv").write_text("item_id,category_id\n")
    content = {"name": "t", "title": "t", "window": WINDOW, "tables": {"events": {"path": "log.csv"}}}
    content["tables"]["items"] = {"path": "items.csv"}
    content["engine"] = {"kind": "spark", "master": "local[2]", "intake": "cluster"}
    (tmp_path / "t.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    found = ingest_all(load_study(tmp_path / "t.yaml"))
    assert list(with_rows(found)) == ["events"] and found["items"].manifest["inputs"][0]["lines"] == 1
    assert ingest_all(load_study(tmp_path / "t.yaml")) == found
