"""First study files: what is recognised, what is guessed, what is refused."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.intake import IntakeError, ingest
from helpers.intake.propose import propose
from helpers.study import load_study


def loaded(text: str, tmp_path):
    """The proposed study, through the study file's own checks."""
    file = tmp_path / "proposed.yaml"
    file.write_text(text, encoding="utf-8")
    return load_study(file)


def test_user_behavior_is_recognised_and_works_unchanged(shared_data, tmp_path):
    text = propose(shared_data("UserBehavior_head.csv"))
    study = loaded(text, tmp_path)
    assert "# guess" not in text and str(study.window.start) == "2017-11-25" and str(study.window.end) == "2017-12-03"
    assert ingest(study, "events").manifest["rows"] == 84_440


LOGS = {
    "Tianchi mobile": (
        "user_id,item_id,behavior_type,user_geohash,item_category,time\n"
        "1,2,1,,3,2014-12-06T02:00:00+08:00\n1,2,4,9t,3,2014-12-07T02:00:00+08:00\n",
        {"behavior": "behavior_type", "category_id": "item_category"},
        {"1": "pv", "2": "fav", "3": "cart", "4": "buy"},
    ),
    "REES46": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2014-12-06 00:00:00 UTC,view,44,21,,x,35.79,541,a-b\n2014-12-06 18:00:00 UTC,purchase,45,21,,y,1.0,541,a-b\n",
        {"user_id": "user_id", "item_id": "product_id", "timestamp": "event_time"},
        {"view": "pv", "purchase": "buy"},
    ),
    "semicolons and text ids": (
        "customer;sku;category;action;ts\nc01;A1;shoes;addtocart;1417804800\nc02;A2;hats;view;1417891200\n",
        {"user_id": "customer", "item_id": "sku", "behavior": "action"},
        {"addtocart": "cart", "view": "pv"},
    ),
}


@pytest.mark.parametrize(("text", "columns", "codes"), LOGS.values(), ids=LOGS)
def test_columns_and_codes_are_guessed_and_marked(text, columns, codes, tmp_path):
    path = tmp_path / "My log (1).csv"
    path.write_text(text)
    proposed = propose(path)
    study = loaded(proposed, tmp_path)
    given = study.tables["events"]
    assert columns.items() <= given.columns.items() and given.behavior_codes == codes
    assert str(study.window.start) == "2014-12-06" and str(study.window.end) == "2014-12-07"
    assert proposed.count("# guess:") >= 5 and ingest(study, "events").manifest["rows"] == 2


def test_a_file_without_header_is_guessed_by_content(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("1417804800000,view,7,70,700\n1417891200000,cart,8,80,800\n")
    study = loaded(propose(path, name="mine"), tmp_path)
    assert study.name == "mine" and study.tables["events"].timestamp_unit == "ms"
    assert study.tables["events"].columns == {
        "user_id": 3,
        "item_id": 4,
        "category_id": 5,
        "behavior": 2,
        "timestamp": 1,
    }


def test_a_few_wild_days_do_not_stretch_the_window(tmp_path):
    path = tmp_path / "log.csv"
    days = "".join(f"{u},1,1,pv,{1417804800 + 86400 * d}\n" for d in range(3) for u in range(1, 2001))
    path.write_text(days + "1,1,1,pv,0\n1,1,1,pv,1917804800\n")
    study = loaded(propose(path), tmp_path)
    assert (str(study.window.start), str(study.window.end)) == ("2014-12-06", "2014-12-08")


def test_parquet_is_proposed_too(tmp_path):
    path = tmp_path / "log.parquet"
    base = {"visitor_id": [1], "product_id": [2], "category": ["a"], "event": ["view"], "timestamp": [1417804800]}
    pq.write_table(pa.table(base), path)
    study = loaded(propose(path), tmp_path)
    assert study.tables["events"].id_type("category_id") == "text" and ingest(study, "events").manifest["rows"] == 1


REFUSED = {
    "no category": ("timestamp,visitorid,event,itemid\n1,2,view,3\n", "columns"),
    "no behaviour": ("user,item,category,price,time\n1,2,3,4,1417804800\n", "behavior"),
    "codes not known": ("user,item,category,event,time\n1,2,3,zoom,1417804800\n", "zoom"),
    "times without offset": ("user,item,category,event,time\n1,2,3,view,2014-12-06 02\n", "offset"),
    "words": ("the quick brown fox\njumps\n", "fewer than 5 columns"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_told_is_refused_with_help(text, words, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(IntakeError, match=words):
        propose(path)
