"""Study files: every key checked; a wrong one refused with file, line, value and the nearest right name."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from helpers.study import STUDIES, Study, StudyError, check_name, find_study, is_remote, load_study, nearest, zone

GOOD = """\
name: shop
title: A shop
window: {start: 2017-11-25, end: 2017-12-03}
tables:
  events:
    path: a[1].csv
    header: false
    columns: {user_id: 1, item_id: 2, category_id: 3, behavior: 4, timestamp: 5}
"""


@pytest.fixture
def load(tmp_path: Path):
    """`load(text)`: the study that this text is."""

    def load(text: str) -> Study:
        (tmp_path / "shop.yaml").write_text(text, encoding="utf-8")
        return load_study(tmp_path / "shop.yaml")

    return load


def test_a_good_file_with_its_defaults(load, tmp_path: Path) -> None:
    study = load(GOOD)
    assert (study.currency, study.time_zone, study.engine.kind, study.privacy.min_cell) == (
        "CNY",
        "Asia/Shanghai",
        "duckdb",
        10,
    )
    assert study.tables["events"].paths == [tmp_path / "a[1].csv"]
    assert study.window.days == 9 and study.notebooks is None and study.truth_folder is None


def test_the_window_is_whole_days_in_the_study_zone(load) -> None:
    # 2017-11-25 00:00 and 2017-12-03 23:59:59 in UTC+8, counted by hand from 2017-11-25 00:00 UTC = 1511568000
    study = load(GOOD)
    assert (study.start_epoch, study.end_epoch) == (1_511_568_000 - 28_800, 1_511_568_000 - 28_800 + 9 * 86_400 - 1)


def test_summer_time_makes_a_day_of_23_hours(load) -> None:
    one_day = GOOD.replace("2017-11-25", "2017-03-26").replace("2017-12-03", "2017-03-26")
    study = load(one_day + "time_zone: Europe/Berlin\n")
    assert study.end_epoch - study.start_epoch + 1 == 23 * 3600


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="this system cannot change its zone in a process")
@pytest.mark.parametrize("local", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_the_machine_zone_changes_nothing(load, local: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", local)
    time.tzset()
    try:
        assert load(GOOD).start_epoch == 1_511_539_200
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("title: A shop", "titel: A shop", ["line 2", "titel", "Did you mean 'title'?"]),
        ("title: A shop", "title: 7", ["line 2", "title = 7"]),
        ("name: shop", "name: ../x", ["'../x' cannot be used"]),
        ("2017-12-03", "2017-11-01", ["line 3", "ends (2017-11-01) before it starts"]),
        ("2017-12-03", "2017-13-03", ["line 3", "window.end"]),
        ("events:", "event:", ["line 5", "'event' is no table", "Did you mean 'events'?"]),
        ("header: false", "heder: false", ["line 7", "Did you mean 'header'?"]),
        ("header: false", "header: nein", ["line 7", "tables.events.header"]),
        ("user_id: 1", "user: 1", ["'user' is no column", "Did you mean 'user_id'?"]),
        ("user_id: 1, ", "", ["user_id must be mapped"]),
        ("item_id: 2", "item_id: 1", ["1 is mapped twice"]),
        ("item_id: 2", "item_id: 0", ["positions count from 1"]),
        ("item_id: 2", "item_id: item", ["every column needs a position"]),
        ("title: A shop", "title: A\ntitle: B", ["line 3", "'title' stands twice"]),
        ("title: A shop", "title: [A", ["not valid YAML"]),
        ("title: A shop", "title: A\ntime_zone: Asia/Shangai", ["'Asia/Shangai' is not known"]),
        ("title: A shop", "title: A\ntime_zone: ../../etc/passwd", ["is not the name of a zone"]),
        ("title: A shop", "title: A\ncurrency: yuan", ["line 3", "currency: 'yuan' is no currency", "'CNY'"]),
        ("title: A shop", "title: A\ncurrency: ZZZ", ["line 3", "currency: 'ZZZ' is no currency", "such as CNY"]),
        ("title: A shop", "title: A\ncurrency: CNU", ["line 3", "Did you mean"]),
        ("title: A shop", "title: A\nprivacy: {min_cell: 0}", ["privacy.min_cell"]),
        ("title: A shop", "title: A\nengine: {kind: sparc}", ["engine.kind", "'spark'"]),
        ("title: A shop", "title: A\nengine: {memory_limit: lots}", ["engine.memory_limit"]),
        ("title: A shop", "title: A\nnotebooks: {21_funel: null}", ["Did you mean '21_funnel'?"]),
        ("name: shop", "- shop", ["shop.yaml"]),
    ],
)
def test_wrong_files_are_refused_with_place_and_cure(load, old: str, new: str, told: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        load(GOOD.replace(old, new, 1))
    assert all(t in str(caught.value) for t in ["shop.yaml", *told] if t != "shop.yaml" or "line" in told[0])


@pytest.mark.parametrize(
    "text", ["", "just words", "!!python/object/apply:os.system ['x']", "a: &a [*a, *a]", "{", "[" * 5000]
)
def test_what_is_no_study_file_is_refused(load, text: str) -> None:
    with pytest.raises(StudyError):
        load(text)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_bytes(GOOD.replace("A shop", "商店").encode("gb18030"))
    with pytest.raises(StudyError, match="not UTF-8"):
        load_study(tmp_path / "shop.yaml")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "CON", "con", "nul", "com1", "a" * 41, "", ".", "Shop", "a b", "商店", "cache", "x\n"]
)
def test_dangerous_names_are_refused(name: str) -> None:
    with pytest.raises(StudyError, match="cannot be used"):
        check_name(name)


def test_a_study_is_found_by_name_or_path_and_the_nearest_is_named(tmp_path: Path) -> None:
    assert find_study("demo") == STUDIES / "demo.yaml"
    with pytest.raises(StudyError, match="Did you mean 'demo'"):
        find_study("demmo")
    with pytest.raises(StudyError, match=r"no study file 'x\.yaml'"):
        find_study(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", sorted(p.stem for p in STUDIES.glob("*.yaml") if p.stem in ("demo", "userbehavior")))
def test_ready_made_studies_are_valid(name: str) -> None:
    assert load_study(name).name == name


def test_small_words() -> None:
    assert is_remote("s3://b/x") and is_remote("http://x") and not is_remote("C:/x") and not is_remote("a[1].csv")
    assert nearest("tabels", ["tables"]) == "Did you mean 'tables'?"
    assert zone("Asia/Shanghai").key == "Asia/Shanghai"
