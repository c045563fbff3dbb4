"""What a notebook shows as a number: formats, escapes, missing values, files."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.findings import (
    MOST_FINDINGS,
    RESULTS_ENV,
    Estimate,
    Findings,
    NotAnswerable,
    format_value,
    formula_safe,
    missing,
    show,
)

HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="x">',
    "</table>",
    "$\\href{x}{y}$",
    "=cmd|' /C calc'!A0",
    '& < > "',
]


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (0.0225, "buy_rate", "2.25 %"),
        (0.5, "share_ci_low", "50.0 %"),
        (0.00004, "support", "0.0040 %"),
        (0.0, "buy_rate", "0 %"),
        (0.0, "x", "0"),
        (75837, "rows", "75,837"),
        (np.int64(75837), "rows", "75,837"),
        (1234.56, "x", "1,234.6"),
        (12345.6, "x", "12,346"),
        (10000.4, "x", "10,000"),
        (9999.4, "x", "9,999.4"),
        (0.0123, "p_value", "0.012"),
        (1.8e-6, "p_value", "1.8e-06"),
        (True, "x", "yes"),
        (np.bool_(False), "x", "no"),
        (pd.Timestamp("2017-11-25"), "day", "2017-11-25"),
        (pd.Timestamp("2017-11-25 08:30"), "at", "2017-11-25 08:30"),
        ("0.5", "rate", "0.5"),
    ],
)
def test_values_as_people_read_them(value: object, column: str, text: str) -> None:
    assert format_value(value, column) == text


@pytest.mark.parametrize("gap", [None, math.nan, math.inf, -math.inf, pd.NA, pd.NaT, np.float64("nan")])
def test_what_is_missing_is_a_dash(gap: object) -> None:
    assert format_value(gap, "rate") == "–"
    assert "–" in show(pd.DataFrame({"rate": pd.Series([gap, 1.0], dtype=object)}))._repr_html_()


def test_estimates_cover_or_cannot_say() -> None:
    assert Estimate(1.0, 0.5, 1.5).covers(1.5) and not Estimate(1.0, 0.5, 1.5).covers(1.6)
    assert Estimate(1.0).covers(1.0) is None and Estimate.missing("why") == Estimate(None, reason="why")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_the_data_is_text_everywhere(text: str) -> None:
    page = show(pd.DataFrame({text: [text]}), text, units={text: text})._repr_html_()
    note = Findings("x").add("k", 1, unit="u", text="{name}", name=text)._repr_html_()
    for raw in ("<script", "<img", "</table>&", 'onerror="'):
        assert raw not in page and raw not in note


def test_numbers_stand_right_and_words_left() -> None:
    page = show(pd.DataFrame({"n": [1, None], "word": ["a", "b"], "flag": [True, False]}))._repr_html_()
    assert page.count('class="num"') == 3  # the heading and two cells of n


def test_a_long_text_is_cut_on_the_page() -> None:
    shown = show(pd.DataFrame({"title": ["长" * 200, "长" * 10_000], "n": [1, 2]}), "c")
    assert "长" * 200 in repr(shown) and "长" * 199 + "…" in shown._repr_html_() and len(shown._repr_html_()) < 1_500


def test_a_long_table_says_how_much_is_left() -> None:
    shown = show(pd.DataFrame({"n": range(25)}), "c", rows=20)
    assert "… and 5 more rows" in shown._repr_html_() and "… and 5 more rows" in repr(shown)
    assert repr(shown).startswith("c\n")


def test_an_empty_table_is_its_reason() -> None:
    assert repr(show(missing(["a"], "no purchases"))) == "Not computable: no purchases."
    assert repr(show(pd.DataFrame())) == "Not computable: no rows."


def test_findings_and_tables_go_to_files(tmp_path: Path) -> None:
    findings = Findings("21_funnel", tmp_path / "out")
    findings.add("share", Estimate(0.25, 0.2, 0.3), unit="share", text="{value:.0%} [{ci_low:.0%}]", truth=0.24)
    findings.table("t", pd.DataFrame({"a": ["=1", "ü"], "n": [-1, 2]}))
    (entry,) = json.loads((tmp_path / "out" / "findings.json").read_text(encoding="utf-8"))
    assert entry == {"notebook": "21_funnel", "key": "share", "value": 0.25, "unit": "share", "text": "25% [20%]"} | {
        "ci_low": 0.2, "ci_high": 0.3, "truth": 0.24
    }  # fmt: skip
    assert (tmp_path / "out" / "t.csv").read_bytes() == "a,n\n'=1,-1\nü,2\n".encode()


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RESULTS_ENV, raising=False)
    Findings("x").add("k", 1, unit="u", text="t")
    assert list(tmp_path.iterdir()) == []


def test_the_runner_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RESULTS_ENV, str(tmp_path / "r"))
    Findings("x").add("k", 1, unit="u", text="t")
    assert (tmp_path / "r" / "findings.json").is_file()


@pytest.mark.parametrize("value", [None, math.nan, np.float64("inf"), Estimate.missing("nobody bought")])
def test_a_missing_value_is_a_finding_with_its_reason(value: object) -> None:
    findings = Findings("x")
    said = repr(findings.add("buy_share", value, unit="u", text="{value:.1%}", reason="nobody bought"))
    assert said == "buy share: not computable, because nobody bought."
    assert findings.entries[0]["value"] is None and "ci_low" not in findings.entries[0]


def test_a_known_value_without_interval_or_truth_prints_dashes() -> None:
    said = Findings("x").add("k", 0.5, unit="u", text="{value:.0%} {ci_low:.1f} {truth:.2f} {n:,}", n=math.nan)
    assert repr(said) == "50% – – –"


def test_numpy_numbers_and_flags_become_plain_json() -> None:
    findings = Findings("x")
    findings.add("a", np.int64(3), unit="u", text="{value}", ci=(np.float64(1), np.float32(5)))
    findings.add("b", True, unit="u", text="{value}")
    assert json.loads(json.dumps(findings.entries))[0]["ci_high"] == 5.0 and findings.entries[1]["value"] == 1


def test_a_cell_run_again_replaces_its_finding_and_five_are_enough() -> None:
    findings = Findings("x")
    for i in [*range(MOST_FINDINGS), 0]:
        findings.add(f"k{i}", i, unit="u", text="t")
    assert len(findings.entries) == MOST_FINDINGS
    with pytest.raises(ValueError, match="one too many"):
        findings.add("another", 1, unit="u", text="t")


@pytest.mark.parametrize("name", ["", "A", "1a", "../x", "a b", "x" * 61])
def test_names_of_result_tables(name: str) -> None:
    with pytest.raises(ValueError, match="result table"):
        Findings("x").table(name, pd.DataFrame({"a": [1]}))


def test_user_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="raw ids"):
        Findings("x").table("t", pd.DataFrame({"user_id": [1]}))


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\nx", "＝1", "＠x"])
def test_formulas_are_made_harmless_in_cells_and_headings(text: str) -> None:
    safe = formula_safe(pd.DataFrame({text: [text, "tea", None]}))
    assert safe.columns[0] == f"'{text}" and safe.iloc[0, 0] == f"'{text}" and safe.iloc[1, 0] == "tea"


def test_a_bare_return_does_not_end_a_row_of_a_saved_table(tmp_path) -> None:
    Findings("00", tmp_path).table("t", pd.DataFrame({"a": ["tea\r=1+1", "x\r\ny"]}))
    assert (tmp_path / "t.csv").read_bytes() == b'a\n"tea\n=1+1"\n"x\ny"\n'


def test_numbers_and_categories_stay_what_they_are() -> None:
    table = pd.DataFrame({"n": [-1.5, 2], "c": pd.Categorical(["=x", "y"]), "d": pd.to_datetime(["2017-11-25"] * 2)})
    safe = formula_safe(table)
    assert safe["n"].tolist() == [-1.5, 2] and safe["c"].tolist() == ["'=x", "y"] and safe["d"].iloc[0].year == 2017


def test_a_refusal_ends_a_notebook_in_one_line() -> None:
    assert NotAnswerable("No orders.")._render_traceback_() == ["This notebook stops here. No orders."]


def test_the_two_ends_of_an_interval_are_one_column_of_the_page() -> None:
    table = pd.DataFrame({"day": ["2017-11-25", "x"], "buy_rate": [0.5, None]})
    table = table.assign(buy_rate_ci_low=[0.4, None], buy_rate_ci_high=[0.6, None], gain_ci_low=[1, 2])
    page = show(table, "t")._repr_html_()
    assert re.findall(r"<th scope[^>]*>([^<]*)", page) == ["day", "buy rate", "interval", "gain ci low"]
    assert ">interval<" in show(pd.DataFrame({"ci_low": [1], "ci_high": [2]}), "t")._repr_html_()
    cells = re.findall(r"<td[^>]*>([^<]*)", page)
    assert cells == ["2017-11-25", "50.0 %", "40.0 to 60.0 %", "1", "x", "–", "–", "2"]
    assert '<td class="day">2017-11-25' in page and "ci_high" in repr(show(table, "t"))


def test_columns_of_a_page_may_have_numbers_as_names() -> None:
    assert re.findall(r"<t[hd] ?[^>]*>([^<]+)", show(pd.DataFrame({0: [5]}), "t")._repr_html_()) == ["0", "5"]


def test_a_column_of_reasons_is_shown_only_where_there_is_one() -> None:
    table = pd.DataFrame({"users": [30, 20], "hidden": ["", ""]})
    assert "hidden" not in repr(show(table)) and "hidden" in repr(show(table.assign(hidden=["", "fewer than 10"])))


def test_the_folder_of_the_results_is_made_as_deep_as_needed(tmp_path: Path) -> None:
    findings = Findings("20_traffic", tmp_path / "a" / "b")
    findings.add("visits", 3, unit="visits", text="{value:.0f}")
    findings.add("people", 2, unit="people", text="{value:.0f}")
    findings.table("t", pd.DataFrame({"n": [1]}), "T")
    assert {f.name for f in (tmp_path / "a" / "b").iterdir()} >= {"findings.json", "t.csv"}


def test_the_file_of_findings_can_be_read_in_any_language(tmp_path: Path) -> None:
    Findings("x", tmp_path).add("k", 1, unit="份额", text="市场份额 {value}")
    assert '"市场份额 1"' in (tmp_path / "findings.json").read_text(encoding="utf-8")


def test_a_table_alone_makes_the_folder_and_is_shown(tmp_path: Path) -> None:
    shown = Findings("20_traffic", tmp_path / "a" / "b").table("t", pd.DataFrame({"n": [1, 2]}), "Two rows", rows=1)
    assert {"t.csv", "t.parquet"} <= {f.name for f in (tmp_path / "a" / "b").iterdir()}
    assert "Two rows" in shown._repr_html_() and type(shown).__name__ == "Shown"
    assert Findings("20_traffic", tmp_path / "a").table("t", pd.DataFrame()).text.startswith("Not computable")
