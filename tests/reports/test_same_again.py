"""Two runs of a notebook from one cache are equal, byte for byte; what is published differs in the time alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.report.build import Report
from helpers.study import CACHE, ROOT

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("demo")]
NOTEBOOKS = ("31_value_tiers", "52_attribution")
"""Money, and money shared out by many rules: where the order of sums would show first."""
TIME = re.compile(rb"Run on [-0-9]{10} [:0-9]{5} UTC")


def copy_without_runs(folder: Path) -> Path:
    """A cache with the same tables and the same key of pseudonyms that knows of no run."""
    (folder / "demo").mkdir(parents=True)
    for table in (CACHE / "demo").glob("*/data.parquet"):
        shutil.copytree(table.parent, folder / "demo" / table.parent.name)
    for name in ("demo/pseudonym.key", "demo/inputs.json", "demo/facts.json", "demo-shop.stamp"):
        shutil.copy(CACHE / name, folder / name)
    return folder


def outputs(run: Path) -> dict[str, bytes]:
    """What the run of a notebook left: all its outputs, findings and tables."""
    files = {str(f.relative_to(run)): f.read_bytes() for f in sorted(run.rglob("*")) if f.is_file()}
    return {n: content for n, content in files.items() if n != "outcome.json"}  # which tells when and how long


def test_what_is_run_again_comes_out_the_same(report: Report, tmp_path: Path) -> None:
    cache = copy_without_runs(tmp_path / "cache")
    command = [sys.executable, "-m", "helpers", "reports", "demo", "--only", ",".join(n[:2] for n in NOTEBOOKS)]
    command += ["--jobs", "2", "--output", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=os.environ | {"SMN_CACHE": str(cache)})
    for name in NOTEBOOKS:
        first = outputs(report.runs[name])
        second = outputs(cache / "demo" / "runs" / report.runs[name].name)
        assert len(first) > 10 and first == second, [n for n in first if first[n] != second.get(n)]
        for table in sorted((report.folder / "results" / name).iterdir()):
            assert table.read_bytes() == (tmp_path / "out" / "demo" / "results" / name / table.name).read_bytes()


def test_a_page_tells_the_time_once(report: Report) -> None:
    for page in sorted(report.folder.glob("[0-9][0-9]_*.html")):
        assert len(TIME.findall(page.read_bytes())) == 1, page.name
