"""Opening a study: what a notebook sees, what it never sees, and when it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers import notebook as notebook_module
from helpers import study as study_module
from helpers.findings import NotAnswerable
from helpers.notebook import KeyDamaged, OpenStudy, _read_key, _write_once, accounting, contents, open_study
from helpers.study import StudyError
from helpers.tables import NEEDS, absent
from tests.logs import random_log

ITEMS = pd.DataFrame({"item_id": [1, 2, 3, 4], "category_id": [1, 2, 3, 4]})
ITEMS["category_name"] = ["tea", "rice", "tea", None]


@pytest.fixture
def log() -> pd.DataFrame:
    return random_log(users=40, days=9, seed=4)


@pytest.fixture
def shop(study_file: Callable[..., Path], log: pd.DataFrame) -> OpenStudy:
    """A log and a small catalogue."""
    return open_study(study_file(events=log, items=ITEMS), "20_traffic")


def test_a_study_shows_its_size_window_and_hash(shop: OpenStudy, log: pd.DataFrame) -> None:
    size = f"{len(log):,} events of {log['user_id'].nunique()} users"
    line = f"Test · {size} · 2017-11-25 … 2017-12-03 (Asia/Shanghai) · data {shop.data_hash[:12]}"
    assert repr(shop) == line and re.fullmatch(r"[0-9a-f]{64}", shop.data_hash)


def test_users_and_buyers_agree_with_pandas(shop: OpenStudy, log: pd.DataFrame) -> None:
    assert shop.users == log["user_id"].nunique()
    assert shop.buyers == log.loc[log["behavior"] == "buy", "user_id"].nunique()


def test_tables_are_attributes_with_day_and_hour(shop: OpenStudy) -> None:
    assert {"day", "hour"} <= set(shop.events.columns) and shop.has("events", "items") and not shop.has("orders")
    with pytest.raises(NotAnswerable, match="no table 'orders'"):
        _ = shop.orders
    with pytest.raises(AttributeError):
        _ = shop.nonsense


def test_other_data_have_another_hash(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    hashes = [open_study(study_file(events=t), "20_traffic").data_hash for t in (log, log.head(-1), log)]
    assert hashes[0] == hashes[2] != hashes[1]


def test_no_path_or_file_name_on_the_page(shop: OpenStudy, tmp_path: Path) -> None:
    assert str(tmp_path) not in shop._repr_html_() + repr(shop) + shop.overview().to_string()


# -- refusals and caveats ---------------------------------------------------------------------------------------------


def test_missing_tables_refuse(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    with pytest.raises(NotAnswerable, match=r"campaigns, assignments, orders.*'test'"):
        open_study(study_file(events=log), "50_experiment")


def test_a_log_of_views_refuses_the_funnel_only(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    views = study_file(events=log.assign(behavior="pv"))
    with pytest.raises(NotAnswerable, match=r"These data cannot answer it: .*one kind of action only \(pv\)"):
        open_study(views, "21_funnel")
    assert open_study(views, "20_traffic").buyers == 0


def test_caveats_stand_under_the_opening_line(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    page = open_study(study_file(events=log), "21_funnel")._repr_html_()
    first, *rest = re.findall(r'<p class="smn-note" role="note">(.*?)</p>', page)
    assert first.startswith("Test · ") and any("With caveat: some first looks" in r for r in rest)


ORDERS = {"order_id": [1, 2, 3], "user_id": [7, 7, 8], "item_id": 1, "category_id": 1, "quantity": 2, "unit_price": 5.0}
ORDERS = pd.DataFrame(ORDERS).assign(timestamp=1_511_604_000 + 86_400 * np.array([0, 4, 8]))


def test_a_study_of_orders_alone_is_read_as_purchases(study_file: Callable[..., Path]) -> None:
    many = [ORDERS.assign(user_id=n, order_id=9 * n + ORDERS["order_id"]) for n in range(60)]
    study = open_study(study_file(orders=pd.concat(many)), "32_segments")
    log = study.log.execute()
    assert set(log["behavior"]) == {"buy"} and len(log) == 180 and {"day", "hour"} <= set(log)
    assert (study.users, study.buyers) == (60, 60) and "180 order lines of 60 users" in repr(study)
    assert study.assessment.facts["days"] == 9 and not any("day" in w for w in study.assessment.warnings)


def test_questions_about_events_are_not_asked_of_orders(study_file: Callable[..., Path]) -> None:
    with pytest.raises(NotAnswerable, match="It needs the tables events, which"):
        open_study(study_file(orders=ORDERS), "21_funnel")
    answers = open_study(study_file(orders=ORDERS), "31_value_tiers").assessment.of("21_funnel")
    assert {a.because for a in answers} == {"needs the table events"}


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("notebook", [n for n, needs in NEEDS.items() if not absent(needs, ["events"])])
def test_tiny_logs_open_or_refuse(study_file: Callable[..., Path], log: pd.DataFrame, rows: int, notebook: str) -> None:
    try:
        assert open_study(study_file(events=log.head(rows)), notebook).users == 1
    except NotAnswerable as refusal:
        assert str(refusal).startswith("These data cannot answer it: ")


def test_a_second_opening_reads_no_event(
    study_file: Callable[..., Path], log: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = study_file(events=log)
    first = open_study(file, "20_traffic")
    monkeypatch.setattr("helpers.answerability.log_facts", lambda *a, **k: pytest.fail("a scan"))
    assert open_study(file, "21_funnel").assessment == first.assessment


def test_a_wrong_study_name_says_what_there_is() -> None:
    with pytest.raises(StudyError, match="Did you mean 'demo'"):
        open_study("dmeo", "20_traffic")


# -- pseudonyms and labels --------------------------------------------------------------------------------------------


def test_pseudonyms_are_stable_distinct_and_tell_nothing(shop: OpenStudy) -> None:
    ids = pd.Series([1, 2, 1, None, 2**53 + 1], dtype="Int64")
    names = shop.pseudonyms(ids, "item")
    assert names[0] == names[2] != names[1] and pd.isna(names[3]) and names.nunique() == 3
    assert names.dropna().str.fullmatch(r"item [a-z2-9]{8}").all()


def test_an_item_and_a_user_of_one_number_have_two_names(shop: OpenStudy) -> None:
    one = pd.Series([1])
    assert shop.pseudonyms(one, "item")[0].split()[1] != shop.pseudonyms(one, "user")[0].split()[1]


def test_another_machine_gives_other_pseudonyms(
    shop: OpenStudy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = shop.pseudonyms(pd.Series([1]), "item")[0]
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "elsewhere")
    shop.__dict__.pop("_key")
    assert shop.pseudonyms(pd.Series([1]), "item")[0] != before


def test_a_hundred_thousand_ids_have_as_many_names(shop: OpenStudy) -> None:
    assert shop.pseudonyms(pd.Series(range(100_000)), "item").nunique() == 100_000


def test_the_key_of_the_first_process_stays(tmp_path: Path) -> None:
    _write_once(tmp_path / "k", b"first")
    _write_once(tmp_path / "k", b"second")
    assert (tmp_path / "k").read_bytes() == b"first" and [p.name for p in tmp_path.iterdir()] == ["k"]


def test_a_damaged_key_is_refused_with_what_to_do(shop: OpenStudy) -> None:
    before = shop.pseudonyms(pd.Series([1]), "item")[0]
    file = study_module.CACHE / shop.name / "pseudonym.key"
    whole = file.read_bytes()
    for damaged in (b"", whole[:31], bytes([whole[0] ^ 1]) + whole[1:], whole[:63] + bytes([whole[63] ^ 128])):
        file.write_bytes(damaged)
        with pytest.raises(KeyDamaged, match="Delete the folder test"):
            _read_key(file)
    file.write_bytes(whole[:32])
    shop.__dict__.pop("_key")
    assert shop.pseudonyms(pd.Series([1]), "item")[0] == before


def test_category_names_where_there_are_any(shop: OpenStudy) -> None:
    names = shop.category_labels(pd.Series([2, 1, 3, 4, 9]))
    assert names[0] == "rice" and names[3].startswith("category ") and names[4].startswith("category ")
    # two categories are called tea: both stay, told apart
    assert names[1] != names[2] and names[1].startswith("tea ") and names[2].startswith("tea ")


def test_without_a_catalogue_categories_are_pseudonyms(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    study = open_study(study_file(events=log), "20_traffic")
    assert study.category_labels(pd.Series([1, 2])).str.startswith("category ").all()


def test_a_catalogue_without_names_gives_pseudonyms(study_file: Callable[..., Path], log: pd.DataFrame) -> None:
    study = open_study(study_file(events=log, items=ITEMS.drop(columns="category_name")), "20_traffic")
    assert study.category_labels(pd.Series([1, 2])).str.startswith("category ").all()


# -- truth, account, contents -----------------------------------------------------------------------------------------


def test_real_data_have_no_truth(shop: OpenStudy) -> None:
    assert "not simulated" in shop.truth("users").attrs["reason"] and shop.truths() == {}


def test_a_simulated_shop_s_truth(study_file: Callable[..., Path], log: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "truth.json").write_text(json.dumps({"ate": 0.5}), encoding="utf-8")
    (tmp_path / "truth" / "rules.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    study = open_study(study_file(events=log, top={"truth": "truth"}), "20_traffic")
    assert study.truths() == {"ate": 0.5} and study.truth("rules")["b"].tolist() == [2]
    assert study.truth("wallets").attrs["reason"] == "the simulated shop keeps no wallets.csv"


def test_the_account_adds_up_by_hand(shop: OpenStudy, log: pd.DataFrame) -> None:
    table = accounting(shop.ingested).set_index("table")
    assert table.loc["events", ["lines", "header", "accepted", "rejected"]].tolist() == [len(log) + 1, 1, len(log), 0]
    assert table["adds_up"].all() and table.loc["items", "lines"] == 5


def test_an_account_that_does_not_add_up_is_seen(shop: OpenStudy) -> None:
    shop.ingested["events"].manifest["inputs"][0]["accepted"] -= 1
    assert not accounting(shop.ingested).set_index("table").loc["events", "adds_up"]


def test_the_overview_lists_tables_with_their_rows(shop: OpenStudy, log: pd.DataFrame) -> None:
    assert shop.overview()[["table", "rows"]].values.tolist() == [["events", len(log)], ["items", 4]]


def test_contents_come_from_the_titles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    cell = {"cell_type": "markdown", "source": ["# 21 · Funnel: how many buy?\n", "more"]}
    (tmp_path / "notebooks" / "21_funnel.ipynb").write_text(json.dumps({"cells": [cell]}), encoding="utf-8")
    monkeypatch.setattr(notebook_module, "ROOT", tmp_path)
    assert contents().values.tolist() == [["21", "Funnel", "how many buy?", "events"]]
