"""An optional table without rows counts as absent, and says so; the events and a study's only table must have rows."""

from __future__ import annotations

import pytest

from helpers.findings import NotAnswerable
from helpers.intake import IntakeError, ingest, ingest_all, with_rows
from helpers.notebook import open_study
from helpers.report.account import Data
from helpers.report.index import accounting

HEADS = {
    "events": "user_id,item_id,category_id,behavior,timestamp\n",
    "orders": "order_id,user_id,item_id,category_id,quantity,unit_price,discount,timestamp\n",
    "items": "item_id,category_id\n",
}
ROWS = {"events": "1,10,100,pv,1511600000\n1,10,100,buy,1511600001\n", "items": "10,100\n"}
EMPTY = "the file has a header but no rows"


@pytest.fixture
def shop(tmp_path, study_of):
    """`shop(events=rows, orders=rows)`: a study of tables with these lines under their header."""

    def make(**lines: str):
        for table, rows in lines.items():
            (tmp_path / f"{table}.csv").write_text(HEADS[table] + rows, encoding="utf-8")
        tables = {t: {"path": f"{t}.csv"} for t in lines}
        return study_of(tmp_path / "events.csv", top={"tables": tables, "time_zone": "UTC"})

    return make


def test_a_table_without_rows_is_in_the_account_and_not_among_the_tables(shop):
    study = shop(events=ROWS["events"], orders="")
    found = ingest_all(study)
    assert list(with_rows(found)) == ["events"] and found["orders"].manifest["notes"] == [
        f"{EMPTY}; it counts as absent"
    ]
    assert ingest_all(study) == found and found["orders"].manifest["inputs"][0]["lines"] == 1


def test_a_line_that_is_added_later_is_seen(shop):
    assert ingest_all(shop(events=ROWS["events"], items=""))["items"].rows == 0
    assert ingest_all(shop(events=ROWS["events"], items=ROWS["items"]))["items"].rows == 1


@pytest.mark.parametrize(
    ("lines", "file"),
    [
        ({"events": "", "items": ROWS["items"]}, "events.csv"),
        ({"orders": "", "items": ""}, "items.csv"),
        ({"events": ""}, "events.csv"),
    ],
    ids=["no events beside items", "nothing at all", "the only table"],
)
def test_a_study_that_has_nothing_to_ask_is_refused(shop, lines, file):
    with pytest.raises(IntakeError, match=rf"{file}: {EMPTY}\. Check that it was copied whole"):
        ingest_all(shop(**lines))


def test_one_table_that_was_asked_for_must_have_rows(shop):
    with pytest.raises(IntakeError, match=EMPTY):
        ingest(shop(events=ROWS["events"], orders=""), "orders")


def test_a_table_of_which_every_row_was_rejected_is_refused_with_the_reasons(shop):
    with pytest.raises(IntakeError, match=r"no row of items can be used: 1 × bad integer"):
        ingest_all(shop(events=ROWS["events"], items="ten,100\n"))


def test_only_the_notebooks_that_need_the_table_are_refused(shop):
    study = shop(events=ROWS["events"], orders="").source
    opened = open_study(study, "10_data_quality")
    told = opened.accounting().fillna("none").set_index("table")["reasons"]
    assert told["orders"] == "no rows: the table counts as absent" and told["events"] == "none"
    assert not opened.has("orders")
    with pytest.raises(NotAnswerable, match="needs the tables orders"):
        open_study(study, "33_lifetime_value")


def test_the_front_page_says_it(shop):
    data = Data.of(ingest_all(shop(events=ROWS["events"], orders="")))
    assert data.absent() == [f"orders: {EMPTY}; it counts as absent."]
    assert list(accounting(data)["reasons"]) == ["none", "no rows: the table counts as absent"]
