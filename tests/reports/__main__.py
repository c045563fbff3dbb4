"""A rendered report in a real browser, one row a page: python -m tests.reports [FOLDER]"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from helpers.study import REPORTS
from tests.reports.browser import Browser, find_browser
from tests.reports.visit import Seen, visit, visit_deck


def row(name: str, seen: Seen) -> dict[str, object]:
    """One line of the table; a number of faults where there may be some."""
    named = all(seen[key] for key in ("title", "lang", "description", "viewport"))
    return {
        "page": name,
        "size_kb": round(seen["size"] / 1000),
        "charts": seen["charts"],
        "requests": len(seen["requests"]),
        "console_errors": len(seen["console"]),
        "axe_violations": len(seen["axe"]),
        "weak_contrast": len(seen["contrast"]),
        "contents_lost": len(seen.get("contents", [])),
        "keyboard_missed": len(seen.get("keyboard", [])),
        "too_wide": len(seen.get("widths", [])) + len(seen.get("slides", [])),
        "not_printed": len(seen["print"]),
        "not_reloaded": len(seen["reload"]),
        "head": "ok" if named else "not ok",
        "headings": "ok" if seen["headings"] else "not ok",
        "unnamed": len(seen["unnamed"]),
        "elements": seen["elements"],
        "printed_pages": seen["printed"],
    }


def main(folder: Path) -> int:
    """Print the table and write it to checks.csv in the folder of all reports; 1 without a browser or a report."""
    program, files = find_browser(), [*sorted(folder.glob("*.html")), *sorted(folder.glob("slides/*.html"))]
    if program is None or not files:
        print("no Chromium here" if files else f"no page in {folder.name}: python run.py reports --slides")
        return 1
    rows = []
    with Browser(program) as browser:
        for file in files:
            deck = file.parent.name == "slides"
            rows.append(row(file.relative_to(folder).as_posix(), (visit_deck if deck else visit)(browser, file)))
    table = pd.DataFrame(rows)
    table.to_csv(folder.parent / "checks.csv", index=False)
    print(table.to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPORTS / "demo"))
