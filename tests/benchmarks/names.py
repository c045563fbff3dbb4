"""What is measured, by name: the words of the report, and the commands where they are fixed."""

from __future__ import annotations

CONTENDERS = {
    "ours": "ours, from the raw file",
    "again": "ours, tables in the cache",
    "published": "pandas, as published notebooks go",
    "usual": "pandas, well written",
    "sql": "DuckDB, SQL by hand",
    "frames": "Polars",
}
FLOOR = {
    "parse": "floor: one parse of the file",
    "plain": "floor: plain CSV → Parquet, duplicates removed",
    "scan": "floor: one scan of the columns",
    "intake": "intake with the account of every line",
}
IMPORTS = "import helpers.notebook, helpers.charts, helpers.behaviour.funnel"
REPORT = ["python", "-m", "helpers", "reports", "STUDY", "--only", "21", "--output", "OUT"]
FIXED = {
    "python": ("Python, nothing else", ["python", "-c", "pass"]),
    "import": ("import what a notebook needs", ["python", "-c", IMPORTS]),
    "command": ("a command that only says its help", ["python", "-m", "helpers", "reports", "--help"]),
    "kernel": ("start and end of one kernel", ["python", "-m", "tests.benchmarks.kernel"]),
    "report": ("report of one notebook: intake, kernel, page", REPORT),
    "nothing": ("the same again: nothing has changed", REPORT),
}
"""Name → its words and its command; STUDY and OUT stand for places."""
