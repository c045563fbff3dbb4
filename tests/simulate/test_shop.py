import hashlib
import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from helpers.simulate import SettingsError, ShopSettings, make_shop
from helpers.tables import TABLES

TINY = ShopSettings(seed=1, users=25)
RECORDED = "1708b37a0b407112d78bc42d1cb05451b5f16615a7555f4b586b1c3c6532b9cd"
"""sha256 of the tiny shop's events.csv. It changes only when the shop is meant to change."""


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_the_columns_of_its_contract(shop, name):
    assert list(shop[name].columns) == TABLES[name].names
    assert not shop[name][TABLES[name].required].isna().any().any()


@pytest.mark.parametrize("name", [n for n, t in TABLES.items() if t.key])
def test_keys_are_unique(shop, name):
    assert not shop[name].duplicated(list(TABLES[name].key)).any()


@pytest.mark.parametrize("name", TABLES)
def test_values_keep_within_their_bounds(shop, name):
    for column in TABLES[name].columns:
        values = shop[name][column.name].dropna()
        assert column.low is None or (values >= column.low).all()
        assert column.high is None or (values <= column.high).all()
        assert not column.values or set(values) <= set(column.values)


def test_events_are_sorted_by_user_and_time_and_lie_in_the_window(shop):
    events = shop["events"]
    order = ["user_id", "timestamp"]
    assert events[order].equals(events[order].sort_values(order))
    assert events.timestamp.between(1_497_801_600, 1_497_801_600 + 182 * 86_400 - 1).all()
    assert not events.duplicated().any()


@pytest.mark.parametrize("table", ["events", "orders", "feedback", "touchpoints", "assignments", "contacts"])
def test_every_reference_leads_somewhere(shop, table):
    rows = shop[table]
    assert rows.user_id.isin(shop["users"].user_id).all()
    if "item_id" in rows:
        assert rows.item_id.isin(shop["items"].item_id).all()
    if "campaign_id" in rows:
        assert rows.campaign_id.isin(shop["campaigns"].campaign_id).all()


def test_an_item_has_the_category_that_the_log_says(shop):
    known = shop["items"].set_index("item_id").category_id
    assert (shop["events"].category_id == shop["events"].item_id.map(known)).all()


def test_every_order_line_has_its_purchase_in_the_log(shop):
    columns = ["user_id", "item_id", "category_id", "timestamp"]
    bought = shop["events"].query("behavior == 'buy'")[columns].sort_values(columns, ignore_index=True)
    assert bought.equals(shop["orders"][columns].sort_values(columns, ignore_index=True))


def test_nobody_acts_before_joining_and_nothing_is_seen_before_its_launch(shop):
    for key, table, column in (("user_id", "users", "joined_on"), ("item_id", "items", "launched_on")):
        since = pd.to_datetime(shop[table].set_index(key)[column]).dt.as_unit("s").astype("int64") - 8 * 3_600
        assert (shop["events"].timestamp >= shop["events"][key].map(since)).all()


def test_a_discount_never_exceeds_the_price(shop):
    orders = shop["orders"]
    assert (orders.discount <= orders.quantity * orders.unit_price).all()


def test_the_same_settings_give_the_same_bytes_in_another_process(tmp_path):
    code = (
        "from pathlib import Path; from helpers.simulate import *;"
        f"make_shop(Path({str(tmp_path / 'b')!r}), ShopSettings(seed=1, users=25))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "12345"})
    manifest = make_shop(tmp_path / "a", TINY)
    assert json.loads((tmp_path / "b" / "manifest.json").read_text()) == manifest


def test_the_tiny_shop_has_its_recorded_bytes(tmp_path):
    make_shop(tmp_path / "a", TINY)
    assert hashlib.sha256((tmp_path / "a" / "events.csv").read_bytes()).hexdigest() == RECORDED


def test_the_manifest_seals_every_file(make):
    shop = make()
    names = {p.relative_to(shop.folder).as_posix() for p in shop.folder.rglob("*") if p.is_file()}
    assert set(shop.manifest["files"]) == names - {"manifest.json"}
    for name in ("orders.csv", "truth/truth.json"):
        assert shop.sha(name) == hashlib.sha256((shop.folder / name).read_bytes()).hexdigest()
    assert shop.manifest["settings"]["users"] == 400


def test_more_users_do_not_change_the_first_block(make):
    few, many = make(users=2_000), make(users=2_100)
    for name in ("events", "orders", "touchpoints", "truth/wallets"):
        assert few[name].equals(many[name][many[name].user_id < 1_002_001])


def test_parquet_holds_what_csv_holds(make):
    csv, parquet = make(), make(format="parquet")
    for name in TABLES:
        same = pd.read_parquet(parquet.folder / f"{name}.parquet")
        for column in csv[name].columns:
            assert same[column].astype(csv[name][column].dtype).tolist() == csv[name][column].tolist()


def test_a_shop_replaces_a_shop_but_nothing_else(tmp_path):
    make_shop(tmp_path / "a", TINY)
    make_shop(tmp_path / "a", ShopSettings(seed=2, users=25))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(SettingsError, match="no demo shop"):
        make_shop(tmp_path / "mine", TINY)


def test_a_run_that_fails_leaves_the_old_shop_and_no_rest(tmp_path):
    before = make_shop(tmp_path / "a", TINY)

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_shop(tmp_path / "a", ShopSettings(seed=2, users=25), progress=stop)
    assert json.loads((tmp_path / "a" / "manifest.json").read_text()) == before
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_wished_number_of_events_is_about_met(make):
    assert len(make(events=200_000, users=400)["events"]) == pytest.approx(200_000, rel=0.10)


def test_a_selected_log_holds_only_users_of_the_last_two_days(make):
    events = make(users=3_000, selected_on_activity=True)["events"]
    last = events.groupby("user_id").timestamp.max()
    assert (last >= ShopSettings().end - 2 * 86_400).all()


def test_a_table_without_rows_is_left_out(make):
    assert not {"campaigns.csv", "assignments.csv", "contacts.csv"} & set(make(campaigns=()).manifest["files"])
