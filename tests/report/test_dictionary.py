"""The data dictionary: what it knows of a column, and what it leaves open."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest

from helpers.report import dictionary
from helpers.report.collection import all_notebooks
from helpers.result_files import write_parquet


def rows(folder: Path, **columns: list) -> dict[str, dict[str, str]]:
    """The dictionary's rows of one table of notebook 20, by column."""
    place = folder / "20_traffic"
    place.mkdir()
    pd.DataFrame(columns).to_csv(place / "visits.csv", index=False)
    write_parquet(pd.DataFrame(columns), place / "visits.parquet", units={"buyers": "thousand users"})
    found = dictionary.entries(all_notebooks(), place.glob("*.csv"), currency="EUR")
    return {r["column"]: r for r in csv.DictReader(dictionary.as_csv(found).splitlines())}


@pytest.mark.parametrize(
    ("column", "values", "unit"),
    [
        ("sales", [1.5], "EUR"),
        ("sales_ci_low", [1.5], "EUR"),
        ("credit_share", [0.5], "share of 1"),
        ("users", [3], "users"),
        ("buyers", [3], "thousand users"),  # the notebook knows best
        ("method", ["linear"], "–"),
        ("zzz", ["word"], "–"),
        ("zzz", [True], "–"),
        ("zzz", [1.5], ""),  # not known, not guessed
        ("p_holm", [0.5], "–"),
        ("recall_later_days", [0.5], "share of 1"),  # the name ends in days, and it is none
    ],
)
def test_units(tmp_path: Path, column: str, values: list, unit: str) -> None:
    assert rows(tmp_path, **{column: values})[column]["unit"] == unit


def test_a_unit_of_nothing_is_not_said_on_the_page() -> None:
    row = {"column": "method", "type": "text", "unit": "–", "missing": 0}
    assert dictionary.in_short([row]) == "method (text)"


def test_the_vocabulary_says_each_name_once_and_in_full() -> None:
    with dictionary.VOCABULARY.open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    names = [r["column"] for r in told]
    assert names == sorted(set(names), key=lambda n: (n.lower(), n))
    assert all(r["unit"] and r["meaning"] and r["meaning"] == r["meaning"].strip() for r in told)
