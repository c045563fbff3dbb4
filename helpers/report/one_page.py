"""The scorecard on one sheet of A4 paper, made of the results of notebook 60: to print, for the management."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.report.account import Data, window
from helpers.report.exporter import templates
from helpers.study import Study

NOTEBOOK, FILE = "60_scorecard", "one_page.html"
SENTENCES = 3
KINDS = {"✓": "green", "≈": "amber", "✗": "red", "–": "grey"}
"""The sign of a light → its colour; the sign and the words say the same."""


@dataclass(frozen=True)
class Sheet:
    """What stands on the sheet: `groups` of rows, each a dict of texts; the sentences; what is not measurable."""

    groups: list[tuple[str, list[dict[str, str]]]]
    sentences: list[str]
    needs: list[str]
    days: list[str]


def read_sheet(results: Path, findings: list[dict[str, Any]]) -> Sheet | None:
    """The sheet's texts from the result tables of notebook 60; None where there is no scorecard."""
    file = results / "scorecard.csv"
    if not file.is_file():
        return None
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    numbers = _texts(results / "definitions.csv")
    pages = dict(zip(numbers["name"], numbers["notebook"], strict=True)) if len(numbers) else {}
    moves = _texts(results / "changes.csv")
    moved = {r["indicator"]: r for r in moves.to_dict("records")}
    table["group"] = table["group"].where(table["group"] != "").ffill()  # a group is named once
    rows = [_row(record | moved.get(record["indicator"], {}), pages) for record in table.to_dict("records")]
    groups = [(g, [r for r in rows if r["group"] == g]) for g in dict.fromkeys(table["group"])]
    spans = _texts(results / "periods.csv")
    days = [f"{r['days_of']}: {r['first_day']} … {r['last_day']} ({r['days']} days)" for r in spans.to_dict("records")]
    said = [f["text"] for f in findings[:SENTENCES]]
    return Sheet(groups, said, [f"{r['indicator']} {r['needs']}" for r in rows if r["needs"]], days)


def _texts(file: Path) -> pd.DataFrame:
    return pd.read_csv(file, dtype=str, keep_default_na=False) if file.is_file() else pd.DataFrame()


def _row(record: dict[str, str], pages: dict[str, str]) -> dict[str, str]:
    """One line of the sheet; the apostrophe that keeps a spreadsheet from computing is taken off again."""
    plain = {"benchmark": "–", "against_last_period": "–", "trend": "–"} | {
        k: v.removeprefix("'") for k, v in record.items()
    }
    light, _, needs = plain["light"].partition(": ")
    light = light.replace(" with these tables", "")
    beside = plain.get("light_against_benchmark", "–")[:1]
    return plain | {
        "kind": KINDS.get(plain["light"][:1], "grey"), "light": light, "needs": needs,
        "beside": "" if beside == "–" else beside,
        "number": pages.get(plain["indicator"], ""), "trend": plain["trend"].replace("no clear trend", "unclear"),
    }  # fmt: skip


def render_one_page(
    study: Study, data: Data, sheet: Sheet, *, pages: dict[str, str], finished_at: str, level: str = ""
) -> str:
    """The sheet as a page: no script, nothing from outside, one A4 page when it is printed.

    Parameters
    ----------
    pages : dict of str to str
        Number → name of the notebooks that have a page beside this one; others are named without a link.
    finished_at : str
        When notebook 60 ran.
    level : str
        The level of the intervals, such as '95 %'.
    """
    return (
        templates()
        .get_template("one_page.html")
        .render(
            title=f"Scorecard on one page · {study.title}",
            study_title=study.title,
            window=f"{window(study)} ({study.time_zone})",
            sheet=sheet,
            pages=pages,
            level=level,
            data=data.data_hash[:16],
            finished_at=finished_at,
        )
    )
