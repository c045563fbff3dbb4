"""The benchmark's own rules: equal results, a page that may be published. Nothing here is timed."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from tests.benchmarks import page, whole
from tests.benchmarks.contenders import plain
from tests.benchmarks.measure import ROOT, Failed, measure

ONE = {"cpu": 2.0, "wall": 1.0, "megabytes": 100.0, "runs": 1}
HAND = {
    "days": [["2017-06-19", 1, 1, 1], ["2017-06-20", 1, 2, 3]],
    "funnel": [[1, 2], [2, 1], [3, 1]],
    "rfm": [[180, 1, 1, 1]],
}
"""Two users over midnight: one views, carts and buys in two visits; the other wishes before he views."""


def found(events: int, **costs: float) -> dict:
    """A measurement as bench.json keeps it."""
    told = {name: ONE | {"cpu": cpu, "wall": cpu} for name, cpu in costs.items()}
    parts = [{"notebook": "21_funnel", "cpu": 3.0, "wall": 2.0, "megabytes": 80, "slowest": [[2.5, "journeys = <b>"]]}]
    about = {"load": [0.5, 0.7], "made": "2026-01-01 00:00 UTC", "with": "Python", "equal": ["ours", "sql"]}
    more = {"parts": parts if "whole" in costs else [], "bytes": 10**6, "cap": None, "jobs": 2}
    return {"events": events, "costs": told, **about, **more}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A run of 20,000 events with all contenders that are here."""
    out = tmp_path_factory.mktemp("bench")
    words = ["--events", "20000", "--whole", "0", "--no-fixed", "--quick"]
    words += ["--folder", str(out / "log"), "--output", str(out)]
    ended = subprocess.run([sys.executable, "-m", "tests.benchmarks", *words], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return out, ended.stdout


def test_all_contenders_have_equal_results(small):
    told = json.loads((small[0] / "bench.json").read_text(encoding="utf-8"))["sizes"]["20000"]
    assert {"ours", "sql", "usual", "published"} <= set(told["equal"])


def test_polars_has_equal_results_where_it_is_installed(small):
    if find_spec("polars") is None:
        assert "Polars is not installed" in small[1]
        pytest.skip("Polars is not installed: pip install -r tests/benchmarks/requirements.txt")
    assert "frames" in json.loads((small[0] / "bench.json").read_text(encoding="utf-8"))["sizes"]["20000"]["equal"]


def test_the_page_passes_the_gate_and_names_every_contender(small):
    text = (small[0] / "index.html").read_text(encoding="utf-8")
    assert all(name in text for name in ("DuckDB, SQL by hand", "pandas, well written", "bench_rules.py"))


def test_the_log_has_its_doubles_and_moments_outside(small):
    from tests.benchmarks.contenders import END, START
    from tests.benchmarks.shop import OUTSIDE

    lines = (small[0] / "log" / "events.csv").read_text(encoding="utf-8").splitlines()[1:]
    inside = [x for x in lines if START <= int(x.rsplit(",", 1)[1]) <= END]
    assert len(lines) - len(inside) == OUTSIDE and len(inside) - len(set(inside)) == OUTSIDE


@pytest.mark.parametrize("name", ["usual", "published", "sql"])
def test_two_users_by_hand(name, tmp_path):
    midnight = 1_497_801_600 + 86_400
    rows = [(1, 7, 3, "pv", midnight - 60), (1, 7, 3, "cart", midnight + 10), (1, 7, 3, "buy", midnight + 3_000)]
    rows += [(2, 8, 3, "fav", midnight + 10), (2, 8, 3, "fav", midnight + 10), (2, 8, 3, "pv", midnight + 5_000)]
    text = "\n".join(["user_id,item_id,category_id,behavior,timestamp", *(",".join(map(str, r)) for r in rows), ""])
    (tmp_path / "events.csv").write_text(text, encoding="utf-8")
    module = importlib.import_module(f"tests.benchmarks.contenders.{name}")
    log = module.clean(tmp_path)
    assert {what: plain(module.RESULTS[what](log)) for what in HAND} == HAND


def test_targets_are_judged_at_their_size_only():
    sizes = {"10000000": found(10**7, ours=20, sql=10, usual=60, published=100, intake=3, plain=2, whole=50)}
    sizes["100000000"] = found(10**8, whole=700)
    verdicts = page.targets(sizes).set_index(["target", "at"])["verdict"].tolist()
    assert verdicts == ["✓ kept", "✗ missed", "✗ missed", "✓ kept", "–", "✗ missed", "✓ kept", "–", "✗ missed"]


def test_sizes_are_kept_side_by_side_and_nothing_is_markup(tmp_path):
    page.write(tmp_path, found(20_000, ours=3, sql=1, whole=9))
    page.write(tmp_path, found(10_000, ours=2, sql=1))
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert text.index("10,000 events") < text.index("20,000 events") and "journeys = &lt;b&gt;" in text


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path):
    from tests.benchmarks.measure import Failed, measure

    with pytest.raises(Failed, match="no such luck"):
        measure(["python", "-c", "raise SystemExit('no such luck')"], cache=tmp_path, log=tmp_path / "log")


def test_work_side_by_side_is_told_in_its_order():
    found = whole.side_by_side([(_named, name, wait) for name, wait in (("a", 0.3), ("b", 0), ("c", 0))], jobs=2)
    assert [f["notebook"] for f in found] == ["a", "b", "c"] and all(f["megabytes"] > 1 for f in found)
    assert len({f["process"] for f in found} | {os.getpid()}) == 4


def test_work_that_fails_is_named():
    with pytest.raises(RuntimeError, match="b ended without a result"):
        whole.side_by_side([(_named, "a", 0), (_named, "b", "long")], jobs=1)


def _named(name: str, seconds: float) -> dict:
    time.sleep(seconds)
    return {"notebook": name, "process": os.getpid()}


def test_a_cap_ends_what_takes_more_memory(tmp_path):
    files = {"cache": tmp_path / "cache", "log": tmp_path / "log"}
    assert measure(["python", "-c", "x = b'x' * 10**6"], cap=0.5, **files).cpu > 0
    with pytest.raises(Failed):
        measure(["python", "-c", "x = b'x' * 10**9"], cap=0.5, **files)
