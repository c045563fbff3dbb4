"""Public order files: one line in, one line out, and intake accounts for every line."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

from helpers import study as study_module
from helpers.intake import IntakeError, ingest
from helpers.intake.convert import convert
from helpers.study import STUDIES, load_study

RETAIL = """InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,"HOLDER, 1 \xa3",6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom
536365,85123A,HOLDER,2,12/1/2010 8:26,2.55,17850,United Kingdom
C536379,D,Discount,-1,6/1/2011 9:41,27.50,14527,United Kingdom
536414,22139,,56,12/1/2010 11:52,0,,United Kingdom
536370,22728,CLOCK,24,6/1/2011 8:45,3.75,12583,France
"""


@pytest.fixture
def taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`taken_in(layout, file)`: the converted file through the ready-made study; intake's result."""
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "cache")

    def run(layout: str, file: Path):
        made = convert(layout, file, output=tmp_path / f"{layout}.csv")
        content = yaml.safe_load((STUDIES / f"{layout}.yaml").read_text(encoding="utf-8"))
        content["tables"]["orders"]["path"] = str(made)
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return ingest(load_study(tmp_path / "s.yaml"), "orders")

    return run


@pytest.fixture
def retail(tmp_path: Path) -> Path:
    file = tmp_path / "raw.csv"
    file.write_bytes(RETAIL.encode("latin-1"))
    return file


def test_online_retail_keeps_lines_of_one_item_and_rejects_the_rest_by_name(taken_in, retail):
    found = taken_in("online_retail", retail)
    (account,) = found.manifest["inputs"]
    assert (account["lines"], account["header"], account["accepted"]) == (7, 1, 4)
    assert sum(account["rejects"].values()) == 2 and found.manifest["duplicates"]["policy"] == "keep"
    assert (found.manifest["duplicates"]["exact"], found.manifest["duplicates"]["key"]) == (1, 1)


def test_london_times_become_instants_in_winter_and_in_summer(taken_in, retail):
    orders = pd.read_parquet(taken_in("online_retail", retail).data)
    moments = pd.to_datetime(orders["timestamp"], unit="s").astype(str).tolist()
    assert set(moments) == {"2010-12-01 08:26:00", "2011-06-01 07:45:00"}
    assert set(orders["hour"]) == {8} and orders["quantity"].sum() == 38


def test_cdnow_by_hand(taken_in, tmp_path: Path):
    (tmp_path / "raw.txt").write_text(" 00004 0001 19970101  2   29.33\r\n 00021 0002 19980101  3   63.34\r\n")
    orders = pd.read_parquet(taken_in("cdnow", tmp_path / "raw.txt").data)
    assert orders["user_id"].tolist() == [4, 21] and orders["day"].astype(str).tolist() == ["1997-01-01", "1998-01-01"]
    assert (orders["quantity"] * orders["unit_price"]).tolist() == pytest.approx([29.33, 63.34])


def test_the_real_cdnow_sample_is_taken_whole(taken_in, shared_data):
    orders = pd.read_parquet(taken_in("cdnow", shared_data("cdnow_sample.txt")).data)
    assert (len(orders), orders["user_id"].nunique()) == (6919, 2357)
    first = orders.sort_values("timestamp").groupby("user_id")["day"].first()
    # reference-values, section 5: 946 customers come back on a later day up to 1997-09-30
    early = orders[pd.to_datetime(orders["day"]) <= "1997-09-30"]
    assert len(first) == 2357 and (early.groupby("user_id")["day"].nunique() > 1).sum() == 946


@pytest.mark.parametrize(
    ("layout", "text", "told"),
    [("cdnow", "a,b\n", "not the CDNOW sample"), ("online_retail", "a,b\n1,2\n", "not the Online Retail file"),
     ("cdnov", "", "Did you mean 'cdnow'")],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, layout: str, text: str, told: str):
    (tmp_path / "x").write_text(text)
    with pytest.raises(IntakeError, match=told):
        convert(layout, tmp_path / "x", output=tmp_path / "out.csv")
    with pytest.raises(IntakeError, match="no such file"):
        convert("cdnow", tmp_path / "nosuch")
