"""The last look at what a report tells of people: ids of the data, and groups too small to be shown."""

from __future__ import annotations

from pathlib import Path

import ibis
import pandas as pd
import pytest

from helpers.report import gate, leaks
from helpers.result_files import write_parquet

NUMBERS = ibis.memtable(pd.DataFrame({"user_id": [829113, 829114, 7], "item_id": [5, 6, 100200]}))
KEYS = ibis.memtable(pd.DataFrame({"user_id": ["u-829113", "anna.b7", "0000017"]}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<b>829113</b> bought most", ["user_id"]),
        ("item 100200 of 829114", ["user_id", "item_id"]),
        ("829,113 views, 0.829113, 8291130", []),
        ("7 of 5 and 6", []),
        ("<svg><path d='M829113 0'/></svg><style>a{x:829113}</style>", []),
        ('<svg aria-label="Bar chart. 2 bars, highest: 829113 12."><path/></svg>', ["user_id"]),
    ],
)
def test_ids_that_are_numbers(text, told):
    assert leaks.ids_among(leaks.words(text) - {"0", "829"}, [NUMBERS]) == told


def test_ids_that_are_keys():
    assert leaks.ids_among(leaks.words("<td>u-829113</td>"), [KEYS]) == ["user_id"]
    assert leaks.ids_among(leaks.words("0000017"), [KEYS]) == ["user_id"]
    assert leaks.ids_among(leaks.words("u-829"), [KEYS]) == []


def test_result_tables_are_searched_in_texts_and_id_columns(tmp_path: Path):
    table = pd.DataFrame({"who": ["customer 829113", None], "user_id": [829114, 7], "sales": [829999, 1]})
    write_parquet(table, tmp_path / "t.parquet")
    assert leaks.table_words(tmp_path / "t.parquet") == {"829113", "829114"}


@pytest.mark.parametrize(
    ("table", "units", "column"),
    [
        ({"users": [12, 3]}, {}, "users"),
        ({"n": [12, 9]}, {"n": "customers"}, "n"),
        ({"users": [0, 10, None]}, {}, ""),
        ({"users": [2.5, 11.0]}, {}, ""),
        ({"users": [12.0, None, 3.0]}, {}, "users"),
        ({"days": [1, 2]}, {"days": "days"}, ""),
        ({"users": []}, {}, ""),
    ],
)
def test_small_groups_are_seen(tmp_path: Path, table, units, column):
    frame = pd.DataFrame(table)
    write_parquet(frame, tmp_path / "t.parquet", units=units)
    assert leaks.small_group(tmp_path / "t.parquet", 10) == column


def test_the_gate_knows_mail_and_secrets(monkeypatch):
    monkeypatch.setenv("SHOP_API_TOKEN", "canary-77aa")
    assert gate.told("ask li.wei@shop.example or canary-77aa") == [
        "an e-mail address",
        "a word that tells of this machine",
    ]
    assert gate.told("a@b, @media, 5 @ 3.20") == []
