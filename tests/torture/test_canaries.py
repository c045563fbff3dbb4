"""The search for canaries and small groups finds what is planted, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from helpers.result_files import write_parquet
from tests.torture import privacy
from tests.torture.canaries import CANARIES, ENVIRONMENT, canaries_in, found_in, plant, secret
from tests.torture.doctored import end, long_ids


def test_every_kind_of_canary_of_a_person_is_seen():
    kinds = {"name", "e-mail", "host", "phone", "path", "token"}
    assert {k for k in kinds if any(t.startswith(k) for t in canaries_in(secret(17)))} == kinds
    assert all(canaries_in(text)[0].startswith("environment") for text in ENVIRONMENT.values())


@pytest.mark.parametrize("text", ["918,273", "0.918273220751", "1,395,557 orders", "2017-06-19 13955 users"])
def test_numbers_of_a_shop_are_no_canaries(text):
    assert canaries_in(text) == []


def test_canaries_are_found_in_every_kind_of_file(tmp_path: Path):
    files = {
        "a.html": "<p title='&#122;qxname&#x61;'>918<b>273</b>220751</p>",
        "b.json": '{"x": "\\u007aqxhosta"}',
        "c.csv": "n,t\n1,ZQX\u200bTOKENA\n",
        "zqxfolder.txt": "",
        "clean.html": "<p>anna</p>",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = found_in(tmp_path)
    assert told["a.html"] == ["item id 918273220751", "name zqxnamea"] and told["clean.html"] == []
    assert [told[n] for n in list(files)[1:4]] == [["host zqxhosta"], ["token zqxtokena"], ["folder zqxfolder"]]


@pytest.mark.parametrize(
    ("table", "about"),
    [
        ({"who": ["zqxua1", None]}, {}),
        ({"zqxua1": [1]}, {}),
        ({"n": [1]}, {"caption": "of zqxua1"}),
        ({"n": [1]}, {"units": {"n": "of zqxua1"}}),
    ],
)
def test_canaries_are_found_in_cells_names_and_metadata_of_parquet(tmp_path: Path, table, about):
    write_parquet(pd.DataFrame(table), tmp_path / "t.parquet", **about)
    assert found_in(tmp_path) == {"t.parquet": ["user id zqxua1"]}


def test_every_id_of_a_planted_shop_is_a_canary():
    row = {"user_id": "1000001", "item_id": "220751", "category_id": "17", "order_id": "5", "timestamp": "1"}
    tables = {"events": pd.DataFrame([row] * 20), "items": pd.DataFrame([row | {"category_name": "Pens"}])}
    tables["users"] = pd.DataFrame([{"user_id": "1000001", "gender": "f", "age_band": "25-34"}])
    tables["feedback"] = pd.DataFrame([{"user_id": "1000001", "text": "good"}] * 2)
    tables["campaigns"] = pd.DataFrame([{"objective": "sell"}])
    plant(tables)
    first = tables["events"].iloc[0]
    assert [len(canaries_in(first[c])) for c in ("user_id", "item_id", "category_id", "order_id")] == [1, 1, 1, 1]
    assert len(tables["events"]) == 40 and canaries_in(tables["feedback"].text[1]) and set(CANARIES) >= {"user id"}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"users": [12, 3]}, ["users: 3"]),
        ({"users": [12, None, 0]}, []),
        ({"tier": ["a", "b", "All"], "buyers": [30, None, 34]}, ["buyers: all less the groups shown is 4"]),
        ({"tier": ["a", "b", "all"], "buyers": [30, None, 44]}, []),
        ({"tier": ["a", "b", "all"], "first_users": [30, 14, 44]}, []),
        ({"tier": ["a", "all"], "days": [3, 4]}, []),
        ({"users": [2.5, 3.0]}, []),
    ],
)
def test_small_groups_are_seen_outright_and_by_subtraction(table, told):
    table = pa.table(table)
    assert [t for c in privacy.counts_of_people(table) for t in privacy.small_groups(table, c, 10)] == told


def test_a_published_table_of_three_people_breaks_the_promise(tmp_path: Path):
    (tmp_path / "results" / "20").mkdir(parents=True)
    write_parquet(pd.DataFrame({"users": [3]}), tmp_path / "results" / "20" / "few.parquet")
    assert privacy.no_small_group(tmp_path).faults == ["20/few: users: 3"]


def test_the_end_of_a_doctored_notebook(tmp_path: Path):
    (tmp_path / "run.json").write_text(json.dumps({"a": "829113"}), encoding="utf-8")
    assert end(tmp_path, {"status": "failed"}, "829113") == "told: in run.json"
    assert end(tmp_path, {"status": "rendered"}, "x") == "published"
    stopped = {"status": "refused", "reason": "its table few would show fewer than 10 people in the column users"}
    assert end(tmp_path, stopped, "x") == "stopped" and end(tmp_path, {}, "x").startswith("not tried")
    assert long_ids("user_id,x\n7,12\n113,4\n") == "user_id,x\n829007,12\n829113,4\n"
