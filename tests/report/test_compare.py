"""Two runs side by side: hand-made findings whose verdicts are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.report.compare import CompareError, compare, findings, settings


def finding(key: str, value: float, half: float | None = None) -> dict:
    ends = {} if half is None else {"ci_low": value - half, "ci_high": value + half}
    return {"notebook": "21_funnel", "key": key, "unit": "share", "text": "", "value": value} | ends


def run(*found: dict, **about: object) -> dict:
    usual = {"study": "shop", "finished_at": "2026-01-31T12:00:00Z", "data_hash": "a" * 64, "versions": {"pandas": "3"}}
    entry = {"name": "21_funnel", "status": "rendered", "parameters": {"window_hours": 24}}
    return usual | {"notebooks": [entry], "findings": list(found)} | about


def written(folder: Path, content: dict) -> Path:
    folder.mkdir()
    (folder / "findings.json").write_text(json.dumps(content["findings"]))
    (folder / "run.json").write_text(json.dumps({k: v for k, v in content.items() if k != "findings"}))
    return folder


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        (finding("k", 1.0, 0.3), finding("k", 1.0, 0.4), "unchanged"),
        (finding("k", 1.0, 0.3), finding("k", 1.49, 0.4), "within the intervals"),  # 3-4-5: the edge is 0.5
        (finding("k", 1.0, 0.3), finding("k", 0.49, 0.4), "beyond the intervals"),
        (finding("k", 1.0), finding("k", 2.0, 0.4), "no interval"),
    ],
)
def test_a_change_is_judged_by_the_two_half_widths(before: dict, now: dict, verdict: str) -> None:
    assert findings(run(before), run(now))["verdict"].tolist() == [verdict]


def test_findings_of_one_run_only_are_listed() -> None:
    found = findings(run(finding("a", 1)), run(finding("b", 1)))
    assert found[["finding", "verdict"]].values.tolist() == [["a", "only before"], ["b", "only now"]]


def test_what_was_done_differently() -> None:
    entry = {"name": "21_funnel", "status": "refused", "parameters": {"window_hours": 48}}
    made = settings(run(), run(data_hash="b" * 64, notebooks=[entry]))
    assert made["what"].tolist() == ["sha256", "status", "window_hours"]
    assert settings(run(), run()).empty


def test_the_page_tells_it(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", run(finding("k", 1, 0.1))), written(tmp_path / "b", run(finding("k", 9, 0.1)))
    page = compare(a, b)
    assert "1 beyond the intervals" in page and "the same data, parameters and packages" in page


def test_a_folder_without_a_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompareError, match=r"no report.*run\.json"):
        compare(tmp_path / "none", tmp_path / "none")
    (written(tmp_path / "a", run()) / "findings.json").write_text("{")
    with pytest.raises(CompareError, match="Render the report again"):
        compare(tmp_path / "a", tmp_path / "a")
