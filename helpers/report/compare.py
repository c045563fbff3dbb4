"""What changed between two runs: every finding beside its earlier value, and whether chance alone could move it so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from helpers.findings import show
from helpers.report.exporter import page_script, templates
from helpers.report.gate import faults
from helpers.report.markup import MarkupError, clean_html
from helpers.study import REPORTS

WORDS = ("only before", "only now", "unchanged", "within the intervals", "beyond the intervals", "no interval")


class CompareError(ValueError):
    """Two runs cannot be compared; the message says why and what to give."""


def read_run(run: str | Path) -> dict[str, Any]:
    """A report's record and findings.

    Parameters
    ----------
    run : str or Path
        A study's name, whose report stands in `reports`, or the path of a report's folder.

    Raises
    ------
    CompareError
        There is no finished report.
    """
    folder = next((f for f in (Path(run), REPORTS / str(run)) if (f / "run.json").is_file()), None)
    if folder is None:
        raise CompareError(
            f"{run}: there is no report. Give a study's name or the folder of a report, the one that holds run.json; "
            "to keep an older report, render the new one with --output."
        )
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        record["findings"] = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CompareError(f"{run}: its run.json or findings.json cannot be read. Render the report again.") from None
    return record


def findings(before: dict[str, Any], now: dict[str, Any]) -> pd.DataFrame:
    """One row a finding of either run.

    *beyond the intervals*: |b − a| > √(h_a² + h_b²), h the half-widths of the two intervals: the change is larger than
    what two independent samples of one truth would show. Runs on overlapping data are not independent; then the rule
    calls too few changes, not too many.

    Returns
    -------
    DataFrame
        `notebook, finding, unit, before, now, change, verdict` (one of `WORDS`), in reading order.

    Examples
    --------
    >>> a = {"notebook": "21", "key": "k", "unit": "", "value": 10.0, "ci_low": 9.0, "ci_high": 11.0}
    >>> found = findings({"findings": [a]}, {"findings": [a | {"value": 13.0, "ci_low": 12.0, "ci_high": 14.0}]})
    >>> found[["change", "verdict"]].values.tolist()
    [[3.0, 'beyond the intervals']]
    """
    old, new = ({(f["notebook"], f["key"]): f for f in run["findings"]} for run in (before, now))
    rows = []
    for key in sorted(old | new):
        a, b = old.get(key), new.get(key)
        told = b or a
        values = [None if f is None else f.get("value") for f in (a, b)]
        known = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values)
        change = values[1] - values[0] if known else None
        verdict = _verdict(a, b, change)
        row = [key[0], key[1].replace("_", " "), told.get("unit", ""), *values, change, verdict]
        rows.append(row)
    return pd.DataFrame(rows, columns=["notebook", "finding", "unit", "before", "now", "change", "verdict"])


def _verdict(a: dict | None, b: dict | None, change: float | None) -> str:
    if a is None or b is None:
        return "only now" if a is None else "only before"
    if a.get("value") == b.get("value"):
        return "unchanged"
    halves = [_half(a), _half(b)]
    if change is None or None in halves:
        return "no interval"
    return "beyond the intervals" if change**2 > halves[0] ** 2 + halves[1] ** 2 else "within the intervals"


def _half(finding: dict) -> float | None:
    low, high = finding.get("ci_low"), finding.get("ci_high")
    return None if low is None or high is None else (high - low) / 2


def settings(before: dict[str, Any], now: dict[str, Any]) -> pd.DataFrame:
    """What differs in the making: data, packages, parameters, what was rendered. Empty when nothing does."""
    rows = [("data", "sha256", before["data_hash"][:16], now["data_hash"][:16])]
    names = sorted(before["versions"] | now["versions"])
    rows += [("package", n, before["versions"].get(n, "–"), now["versions"].get(n, "–")) for n in names]
    old, new = ({e["name"]: e for e in run["notebooks"]} for run in (before, now))
    for name in sorted(old | new):
        a, b = old.get(name, {}), new.get(name, {})
        rows.append((name, "status", a.get("status", "–"), b.get("status", "–")))
        ours, theirs = a.get("parameters", {}), b.get("parameters", {})
        rows += [(name, p, str(ours.get(p, "–")), str(theirs.get(p, "–"))) for p in sorted(ours | theirs)]
    differing = [r for r in rows if r[2] != r[3]]
    return pd.DataFrame(differing, columns=["where", "what", "before", "now"])


def compare(before: str | Path, now: str | Path) -> str:
    """The page that tells what changed from one report to the other.

    Parameters
    ----------
    before, now
        As in `read_run`.
    """
    a, b = read_run(before), read_run(now)
    found, made = findings(a, b), settings(a, b)
    counts = found["verdict"].value_counts()
    summary = ", ".join(f"{counts[w]} {w}" for w in WORDS if w in counts) or "neither run has a finding"
    changed = found[~found["verdict"].isin(["unchanged"])]
    page = (
        templates()
        .get_template("compare.html")
        .render(
            title=f"{a['study']} and {b['study']}: what changed",
            runs=[(r["study"], r["finished_at"][:16].replace("T", " ") + " UTC") for r in (a, b)],
            summary=f"Findings: {summary}.",
            made=Markup(_table(made, "Data, packages, parameters, status")) if len(made) else "",
            changed=Markup(_table(changed, "Findings that differ")) if len(changed) else "",
        )
    )
    if stopped := faults(page, trusted=[page_script()]):
        raise MarkupError(f"the comparison may not be published: {stopped[0]}")
    return page


def _table(table: pd.DataFrame, caption: str) -> str:
    return clean_html(show(table, caption, rows=400)._repr_html_())
