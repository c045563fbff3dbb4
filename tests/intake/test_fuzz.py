"""Broken logs, made by seeded operators and judged by an oracle that shares no code with the data door."""

from __future__ import annotations

import pkgutil
from dataclasses import replace

import pyarrow.compute as pc
import pytest

from helpers.intake.ledger import CODE
from tests.intake import oracle
from tests.intake.judge import GOOD, broken_log, judge
from tests.intake.judge_parquet import judge_parquet
from tests.intake.large_logs import PARQUET as PARQUET_WAYS
from tests.intake.large_logs import WAYS, Large, judge_large, judge_large_parquet
from tests.intake.mutations_parquet import OPERATORS as PARQUET
from tests.intake.operators import OPERATORS


@pytest.mark.parametrize("number", range(len(OPERATORS)), ids=sorted(OPERATORS))
def test_no_broken_log_is_silently_wrong(number, tmp_path):
    verdict = judge(number, tmp_path)
    assert verdict.outcome in GOOD, verdict.fault


@pytest.mark.parametrize("number", range(len(PARQUET)), ids=sorted(PARQUET))
def test_no_broken_parquet_file_is_silently_wrong(number, tmp_path):
    verdict = judge_parquet(number, tmp_path)
    assert verdict.outcome in GOOD, verdict.fault


def test_pages_that_arrow_takes_for_the_end_are_refused(tmp_path):
    assert judge_parquet(10_000_524, tmp_path).outcome == "refused"


@pytest.mark.parametrize("name", [n for n in WAYS if n != "lines_over_the_cap"])
def test_quotes_and_long_lines_swallow_nothing(name, tmp_path):
    verdict = judge_large(name, Large(2000, 1), tmp_path)
    assert verdict.outcome in GOOD, verdict.fault


@pytest.mark.parametrize("name", PARQUET_WAYS)
def test_large_row_groups_lose_nothing(name, tmp_path):
    verdict = judge_large_parquet(name, Large(3000, 1), tmp_path)
    assert verdict.outcome == "ledger", verdict.fault


def test_all_operators_take_their_turn():
    assert {broken_log(n).operator for n in range(len(OPERATORS))} == set(OPERATORS)


def _ids_one_higher(check):
    def wrong(table, rules):
        found = check(table, rules)
        return replace(found, columns=found.columns | {"item_id": pc.add(found.columns["item_id"], 1)})

    return wrong


def _unknown_words_as_missing(check):
    def wrong(table, rules):
        found = check(table, rules)
        found.why[found.why == CODE["unknown behaviour"]] = 0
        return found

    return wrong


def _a_row_less(typed_rows):
    return lambda *given: typed_rows(*given).slice(1)


def _an_hour_later(local):
    return lambda *given: (local(*given)[0], local(*given)[1] + 1)


SABOTAGE = {
    "a wrong value": ("helpers.intake.files.check", _ids_one_higher, "silently wrong"),
    "a wrong word": ("helpers.intake.files.check", _unknown_words_as_missing, "silently wrong"),
    "a wrong hour": ("helpers.intake.build.Calendar.local", _an_hour_later, "silently wrong"),
    "a row lost": ("helpers.intake.files.typed_rows", _a_row_less, "mute refusal"),
    "a reject lost": ("helpers.intake.build.Ledger.add", lambda f: lambda *a: None, "refused without need"),
    "an error": ("helpers.intake.files.check", lambda f: lambda *a: {}["x"], "crash"),
}


@pytest.mark.parametrize(("place", "change", "outcome"), SABOTAGE.values(), ids=SABOTAGE)
def test_the_judge_sees_what_is_wrong(place, change, outcome, tmp_path, monkeypatch):
    path, _, name = place.rpartition(".")
    owner = pkgutil.resolve_name(path)
    monkeypatch.setattr(owner, name, change(getattr(owner, name)))
    number = sorted(OPERATORS).index("odd_words")
    assert outcome in {judge(number + len(OPERATORS) * turn, tmp_path).outcome for turn in range(4)}


def test_the_oracle_knows_a_good_row_from_bad_ones():
    data = b"1,2,3,pv,1511539200\n1,2,3,pv,1511539199\n01,2,3,pv,1511539200\n1,2,3,pv\n1,2,3,pv,1511539200\n"
    told = oracle.Told(columns={n: i for i, n in enumerate(oracle.TABLES["events"], start=1)})
    found = oracle.truth([data], told)
    assert [r.values for r in found.kept] == [(1, 2, 3, "pv", 1511539200)]
    assert [(r.line, r.values[3]) for r in found.doubled] == [(5, "pv")]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T08:00:01.5+08:00", (1, 500_000)),
        ("1969-12-31 23:59:59.25Z", (-1, 250_000)),
        ("1970-01-01 00:00:00 UTC", (0, 0)),
        ("1970-01-01T00:00:00", None),
        ("1970-02-30T00:00:00Z", None),
    ],
)
def test_the_oracle_reads_moments(text, moment):
    assert oracle.moment_of(text, "iso") == moment
