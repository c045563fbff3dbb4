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


def test_short_ids_are_found_in_columns_that_are_called_an_id(tmp_path: Path):
    table = {"item": ["5", "item k3f9q2ab"], "best_customer": ["b7", None], "order": [7, 8], "users": [7, 12]}
    write_parquet(pd.DataFrame(table | {"item_id": [6.0, None], "rank": ["7", "5"]}), tmp_path / "t.parquet")
    cells = leaks.id_cells(tmp_path / "t.parquet")
    assert cells == {"item_id": {"5", "item k3f9q2ab", "6"}, "user_id": {"b7"}, "order_id": set()}
    keys = ibis.memtable(pd.DataFrame({"user_id": ["b7", "7"], "order_id": ["7", "8"]}))
    assert leaks.ids_among([], [NUMBERS, keys], cells=cells) == ["item_id", "user_id"]


def test_a_category_is_told_by_its_id_and_not_by_its_name(tmp_path: Path):
    items = {"category_id": ["c-100", "c-200x", "other"], "category_name": ["Pens", "c-200x", None]}
    items = ibis.memtable(pd.DataFrame(items))
    assert leaks.ids_among(leaks.words("<td>c-200x</td>"), [items]) == []
    assert leaks.ids_among(leaks.words("<td>c-200x and c-1000</td>") | {"c-100"}, [items]) == ["category_id"]
    write_parquet(pd.DataFrame({"category": ["Pens", "c-200x", "other"]}), tmp_path / "t.parquet")
    assert leaks.ids_among([], [items], cells=leaks.id_cells(tmp_path / "t.parquet")) == []


def test_phone_numbers_are_found_in_texts_and_columns_of_phones_and_not_in_amounts(tmp_path: Path):
    table = {"sales": [13955570001, 13800138000], "cents": [1.3955570001e10, None], "who": ["ask 13955570001", None]}
    write_parquet(pd.DataFrame(table | {"phone": [1.3800138e10, None], "mobile_no": [15812345678, 7]}), tmp_path / "t")
    assert leaks.table_phones(tmp_path / "t") == ["13955570001", "13800138000", "15812345678"]


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
