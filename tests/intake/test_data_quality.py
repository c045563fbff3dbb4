"""The account, the ledger's shapes, duplicates, clocks, and every figure of the real head file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.intake import data_quality as dq
from helpers.notebook import OpenStudy, open_study
from helpers.simulate import ShopSettings, make_shop
from tests.logs import START, as_events, random_log

DIRTY = """user_id,item_id,category_id,behavior,timestamp
1,100,7,pv,{day1}
1,100,7,pv,{day1}
1,101,7,look,{day1}
1,x1,7,pv,{day1}
2,102,8
2,102,8,buy,{day2}

2,103,8,buy,{before}
"""


@pytest.fixture
def dirty(tmp_path: Path, study_file: Callable[..., Path]) -> OpenStudy:
    """Nine lines: header, blank, two clean rows, and one reject of five kinds."""
    text = DIRTY.format(day1=START + 3600, day2=START + 90_000, before=START - 5)
    log = pd.DataFrame({"user_id": [1]})
    file = study_file(events=log)
    (tmp_path / "events.csv").write_text(text, encoding="utf-8")
    return open_study(file, "10_data_quality")


def test_the_account_of_a_dirty_file(dirty: OpenStudy) -> None:
    row = dirty.accounting().iloc[0]
    assert row[["lines", "header", "blank", "accepted", "rejected"]].tolist() == [9, 1, 1, 2, 5]
    assert row["adds_up"]


def test_rejects_by_reason_with_their_meaning(dirty: OpenStudy) -> None:
    table = dq.rejects_by_reason(dirty.ingested)
    kinds = {"bad integer", "duplicate", "out of window", "too few fields", "unknown behaviour"}
    assert set(table["reason"]) == kinds and table["lines"].tolist() == [1] * 5
    assert table["share"].tolist() == pytest.approx([1 / 9] * 5) and table["meaning"].str.len().min() > 10


def test_shapes_hold_no_value(dirty: OpenStudy) -> None:
    table = dq.reject_shapes(dirty.ingested)
    shapes = dict(zip(table["reason"], table["shape"], strict=True))
    assert shapes["too few fields"] == "9,999,9" and shapes["unknown behaviour"] == "9,999,9,a×4,9×10"
    assert not set("0123456781") & set("".join(shapes.values()).replace("×10", "")) - set("4")


@pytest.mark.parametrize(
    ("raw", "shape"),
    [
        (b"", ""),
        (b"\x00\x01<b>", "\\x00\\x01<a>"),
        ("ab\u202e٣".encode(), "aa?9"),
        (b"\xff\xfe", "??"),
        (b"7" * 5000, "9×480"),
    ],
)
def test_shapes_of_odd_bytes(raw: bytes, shape: str) -> None:
    assert dq.shape_of(raw) == shape


def test_no_rejects_say_so(study_file: Callable[..., Path]) -> None:
    study = open_study(study_file(events=random_log(users=5, days=9, seed=2)), "10_data_quality")
    if len(study.ingested["events"].manifest["inputs"][0]["rejects"]) == 0:
        assert dq.rejects_by_reason(study.ingested).attrs["reason"] == "no line was rejected"
        assert dq.reject_shapes(study.ingested).attrs["reason"] == "no line was rejected"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"a", 1),
        (b"a\n", 1),
        (b"a\nb", 2),
        (b"a\r\nb\r\n", 2),
        (b"a\rb\r", 2),
        (b"a\n\r\n\rb", 4),
        (b"x" * (2**20 - 1) + b"\r\ny\n", 2),  # CR and LF on two sides of a piece
    ],
)
def test_lines_by_raw_bytes(tmp_path: Path, content: bytes, lines: int) -> None:
    (tmp_path / "f").write_bytes(content)
    assert dq.count_lines(tmp_path / "f") == lines


def test_recount_agrees_and_leaves_packed_files_out(dirty: OpenStudy) -> None:
    assert dq.recount(dirty.study, dirty.ingested)["agree"].tolist() == [True]


def test_missing_values_count_nulls(study_file: Callable[..., Path]) -> None:
    users = pd.DataFrame({"user_id": [1, 2, 3, 4], "gender": ["f", None, None, "m"]})
    log = random_log(users=4, days=9, seed=1)
    study = open_study(study_file(events=log, users=users), "10_data_quality")
    first = dq.missing_values(study.tables, study.ingested).iloc[0]
    assert first.tolist() == ["users", "gender", 4, 2, 0.5]
    assert not study.assessment.facts["joined_on"]  # the contract knows it, the file does not bring it


# -- duplicates -------------------------------------------------------------------------------------------------------


@pytest.fixture
def doubled(study_file: Callable[..., Path]) -> OpenStudy:
    """Seven rows, one before the window; by hand below."""
    at = [-60, 10, 10, 10, 10, 7200, 90_000]
    log = pd.DataFrame({"user_id": [1, 1, 1, 1, 2, 2, 2], "item_id": [5, 5, 5, 6, 5, 5, 5], "category_id": 1})
    log = log.assign(behavior="pv", timestamp=[START + s for s in at])
    return open_study(study_file(events=log), "10_data_quality")


def test_dedup_keys_by_hand(doubled: OpenStudy) -> None:
    table = dq.dedup_sensitivity(doubled.study, doubled.events, doubled.ingested["events"])
    # in the window: (1,5,10s) twice, (1,6,10s), (2,5,10s), (2,5,2h), (2,5,next day)
    assert table["window_first"].tolist() == [5, 5, 4, 4, 3]
    # dropping duplicates first lets the row before the window take user 1's item 5 with it
    assert table["dedup_first"].tolist() == [5, 5, 4, 4, 2]
    assert table["dropped_share"].tolist() == pytest.approx([1 / 6, 1 / 6, 2 / 6, 2 / 6, 3 / 6])


def test_stored_pauses_do_not_matter(doubled: OpenStudy) -> None:
    assert dq._different(doubled.events) == dq._different(doubled.events.drop("pause"))


def test_only_the_key_without_time_depends_on_the_order(doubled: OpenStudy) -> None:
    table = dq.dedup_sensitivity(doubled.study, doubled.events, doubled.ingested["events"])
    assert table["order_matters"].tolist() == [False] * 4 + [True]


def test_without_rows_before_the_window_the_order_never_matters(study_file: Callable[..., Path]) -> None:
    study = open_study(study_file(events=random_log(users=5, days=9, seed=1)), "10_data_quality")
    table = dq.dedup_sensitivity(study.study, study.events, study.ingested["events"])
    assert not table["order_matters"].any()


def test_order_by_brute_force(study_file: Callable[..., Path]) -> None:
    log = random_log(users=30, days=12, seed=5).assign(item_id=lambda t: t["item_id"] % 6)
    study = open_study(study_file(events=log, window=("2017-11-28", "2017-12-03")), "10_data_quality")
    found = dq.dedup_sensitivity(study.study, study.events, study.ingested["events"]).iloc[-1]
    key, first = ["user_id", "item_id", "behavior"], START + 3 * 86400
    inside = log["timestamp"].between(first, first + 6 * 86400 - 1)
    dedup_first = log.sort_values("timestamp", kind="stable").drop_duplicates(key)["timestamp"]
    assert found["window_first"] == len(log[inside].drop_duplicates(key))
    assert found["dedup_first"] == dedup_first.between(first, first + 6 * 86400 - 1).sum()


def test_a_large_log_is_compared_on_a_part_of_its_users(doubled: OpenStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dq, "MOST_ROWS_COMPARED", 3)
    table = dq.dedup_sensitivity(doubled.study, doubled.events, doubled.ingested["events"])
    assert table["window_first"].max() <= 5 and table["dropped_share"].dropna().between(0, 1).all()


@pytest.mark.parametrize(
    ("text", "before"),
    [("99", True), ("100", False), ("99000", True), ("-5", True), ("x", False), ("1970-01-01T00:01:39+00:00", True)],
)
def test_times_before_the_window(text: str, before: bool) -> None:
    start = 100 if len(text) < 5 or text.startswith("1970") else 10**8
    assert dq._is_before(text, start) is before


# -- time, mix, guards -------------------------------------------------------------------------------------------------


def test_hours_read_in_utc_are_eight_hours_earlier() -> None:
    facts = {"rows": 24 * 25 // 2, "hours": list(range(1, 25)), "first": "2017-11-25T00:00:00+08:00"}
    table = dq.hours_table(facts, time_zone="Asia/Shanghai")
    assert table["utc_events"].tolist() == [*range(9, 25), *range(1, 9)]
    assert dq.hour_readings(table).groupby("reading")["share"].sum().tolist() == pytest.approx([1, 1])


def test_a_zone_of_half_hours_has_no_utc_curve() -> None:
    facts = {"rows": 24, "hours": [1] * 24, "first": "2017-11-25T00:00:00+05:30"}
    table = dq.hours_table(facts, time_zone="Asia/Kolkata")
    assert table["utc_events"].isna().all() and len(dq.hour_readings(table)) == 24


def test_mix_interval_by_pandas() -> None:
    log = random_log(users=80, days=5, seed=9)
    users = log.groupby("user_id").agg(n=("behavior", "size"), x=("behavior", lambda b: (b == "cart").sum()))
    p = users["x"].sum() / users["n"].sum()
    m, residual = len(users), users["x"] - p * users["n"]
    half = 1.959964 * np.sqrt(m / (m - 1) * (residual**2).sum()) / users["n"].sum()
    found = dq.behaviour_mix(as_events(log)).set_index("behavior").loc["cart"]
    interval = found[["share", "share_ci_low", "share_ci_high"]].tolist()
    assert interval == pytest.approx([p, p - half, p + half], abs=1e-6)
    assert found["users"] == (users["x"] > 0).sum()


def test_mix_interval_covers_the_truth_where_rows_cluster() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(80):
        buys = rng.binomial(20, rng.beta(2, 18, 150))  # users differ: their mean share is 0.1
        log = pd.DataFrame({"user_id": np.arange(150).repeat(20), "k": np.tile(np.arange(20), 150)})
        log["behavior"] = np.where(log["k"] < buys.repeat(20), "buy", "pv")
        row = dq.behaviour_mix(ibis.memtable(log)).iloc[-1]
        covered += row["share_ci_low"] <= 0.1 <= row["share_ci_high"]
    assert covered / 80 >= 0.95 - 3 * 0.025  # three standard errors; rows as the sample would cover 84 %


def test_mix_without_rows_or_with_one_user_has_no_interval() -> None:
    one = as_events(random_log(users=1, days=5, rate=1.0))
    assert dq.behaviour_mix(one)["share_ci_low"].isna().all()
    assert dq.behaviour_mix(one.filter(one.user_id < 0)).attrs["reason"] == "the log holds no rows"


def test_first_seen_by_day_or_week() -> None:
    days = pd.date_range("2017-11-25", periods=40).strftime("%Y-%m-%d")
    daily = [{"day": d, "events": 1, "users": 1, "first_seen": 1, "comeback_rate": None} for d in days]
    assert dq.first_seen_table({"daily": daily})["first_seen"].tolist() == [7] * 5 + [5]
    assert len(dq.first_seen_table({"daily": daily[:31]})) == 31


def test_tables_of_an_empty_log_carry_their_reason() -> None:
    empty = {"daily": [], "rows": 0}
    tables = [dq.days_table(empty), dq.first_seen_table(empty), dq.guards_table(empty)]
    tables.append(dq.hour_readings(dq.hours_table(empty, time_zone="UTC")))
    assert {t.attrs["reason"] for t in tables} == {"the log holds no rows"}


def test_guard_error_rates_name_the_truth() -> None:
    table = dq.selection_error_rates(runs=5, users=800, days=20, seed=3)
    right = table["said_selected_rate"] == table["truly_selected"].astype(float)
    assert right.all() and table["truly_selected"].sum() == 2


# -- truth and real rows -----------------------------------------------------------------------------------------------


def test_planted_dirt_is_compared_kind_by_kind(dirty: OpenStudy, tmp_path: Path) -> None:
    planted = {"events": {"duplicate": 1, "too few fields": 2, "blank": 1, "clean rows": 2}}
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "dirt.json").write_text(json.dumps(planted), encoding="utf-8")
    study = dirty.study.model_copy(update={"truth": "truth"})
    table = dq.planted_dirt(study, dirty.ingested).set_index("kind")["agree"]
    assert table[["duplicate", "blank", "clean rows"]].all() and not table["too few fields"]
    assert not table["out of window"]  # found, but nobody planted it


def test_real_data_have_no_planted_dirt(dirty: OpenStudy) -> None:
    assert "not simulated" in dq.planted_dirt(dirty.study, dirty.ingested).attrs["reason"]


def test_a_parquet_log_has_no_lines_to_recount(tmp_path: Path, study_file: Callable[..., Path]) -> None:
    random_log(users=40, days=9).to_parquet(tmp_path / "log.parquet")
    content = {"tables": {"events": {"path": str(tmp_path / "log.parquet"), "format": "parquet"}}}
    study = open_study(study_file(top=content), "10_data_quality")
    assert "no plain text" in dq.recount(study.study, study.ingested).attrs["reason"]
    table = dq.dedup_sensitivity(study.study, study.events, study.ingested["events"])
    assert not table["order_matters"].any()


@pytest.fixture
def head(shared_data: Callable[[str], Path], study_file: Callable[..., Path]) -> OpenStudy:
    """The real head file."""
    return open_study(study_file(events=shared_data("UserBehavior_head.csv")), "10_data_quality")


REFERENCE = {
    **{"lines": 84476, "complete rows": 84475, "truncated last line": 1, "out of window": 35, "duplicates": 0},
    **{"clean rows": 84440, "users": 815, "items": 55344, "categories": 2913},
    **{"buyers": 559, "repeat buyers": 373},
}
"""reference-values, section 1."""


def test_real_head_in_figures(head: OpenStudy) -> None:
    table = dq.size_table(head.assessment.facts, head.ingested["events"].manifest).set_index("figure")["value"]
    assert {k: int(table[k]) for k in REFERENCE} == REFERENCE


def test_a_handful_of_buyers_is_not_counted_out(dirty: OpenStudy) -> None:
    manifest, facts = dirty.ingested["events"].manifest, dirty.assessment.facts
    table = dq.size_table(facts, manifest, min_cell=10).set_index("figure")["value"]
    assert pd.isna(table["buyers"]) and table["repeat buyers"] == 0 and table["clean rows"] == 2


def test_real_head_account_and_rejects(head: OpenStudy) -> None:
    row = head.accounting().iloc[0]
    assert (row["lines"], row["accepted"], row["rejected"], row["adds_up"]) == (84476, 84440, 36, True)
    rejects = dq.rejects_by_reason(head.ingested).set_index("reason")["lines"].to_dict()
    assert rejects == {"out of window": 35, "truncated last line": 1}
    assert dq.recount(head.study, head.ingested)["recounted"].tolist() == [84476]


def test_real_head_behaviour_users(head: OpenStudy) -> None:
    mix = dq.behaviour_mix(head.events).set_index("behavior")
    assert mix["users"].to_dict() == {"pv": 813, "fav": 305, "cart": 601, "buy": 559}
    assert mix["rows"].to_dict() == {"pv": 75837, "fav": 2356, "cart": 4497, "buy": 1750}


def test_real_head_duplicates_by_pandas(head: OpenStudy, shared_data: Callable[[str], Path]) -> None:
    log = pd.read_csv(shared_data("UserBehavior_head.csv"), header=None, names=list(dq.ROW), nrows=84475)
    kept = log.sort_values("timestamp", kind="stable").drop_duplicates(["user_id", "item_id", "behavior"])
    inside = [t["timestamp"].between(1511539200, 1512316799).sum() for t in (log, kept)]
    found = dq.dedup_sensitivity(head.study, head.events, head.ingested["events"])
    assert found["window_first"].iloc[0] == inside[0] and found["dedup_first"].iloc[-1] == inside[1]


def _shop(folder: Path, study_file: Callable[..., Path], **settings: object) -> OpenStudy:
    """The log of a demo shop of eight weeks, opened."""
    make_shop(folder, ShopSettings(weeks=8, campaigns=(), **settings))
    content = {"tables": {"events": {"path": str(folder / "events.csv")}}, "truth": str(folder / "truth")}
    return open_study(study_file(top=content, window=("2017-06-19", "2017-08-13")), "10_data_quality")


def test_the_demo_shop_s_dirt_is_found_exactly(tmp_path: Path, study_file: Callable[..., Path]) -> None:
    study = _shop(tmp_path / "shop", study_file, users=600)
    table = dq.planted_dirt(study.study, study.ingested)
    assert table["agree"].all() and table["planted"].drop(table.index[-1]).sum() >= 70
    assert study.assessment.facts["selection"]["verdict"] == "ordinary" and not study.assessment.warnings


def test_a_demo_shop_selected_on_activity_is_found(tmp_path: Path, study_file: Callable[..., Path]) -> None:
    study = _shop(tmp_path / "shop", study_file, users=5000, selected_on_activity=True)
    assert study.assessment.facts["selection"]["verdict"] == "selected"
    assert study.assessment.warnings[0].startswith("Selected on activity: 100.0%")
