"""A finished report replaces the old one at once or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.report import publish


def stage(target: Path, **files: str) -> None:
    for name, text in files.items():
        publish.write(publish.staging_folder(target), name.replace("_", "."), text)


def read(target: Path) -> dict[str, str]:
    return {f.name: f.read_text() for f in sorted(target.rglob("*")) if f.is_file()}


def test_files_take_their_places_and_old_ones_go(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    stage(target, a_html="1", b_html="1")
    publish.publish(target, gone=[])
    stage(target, a_html="2")
    publish.publish(target, gone=["b.html"])
    assert read(tmp_path) == {"a.html": "2"}


def test_a_run_that_was_cut_short_leaves_the_old_report(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    stage(target, a_html="1")
    publish.publish(target, gone=[])
    stage(target, a_html="2", b_html="2")
    publish.recover(target)
    assert read(tmp_path) == {"a.html": "1"}


def test_a_publication_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    stage(target, a_html="2", b_html="2", READY_json='{"gone": ["c.html"]}')
    target.mkdir()
    (publish.staging_folder(target) / "a.html").rename(target / "a.html")
    (target / "c.html").write_text("1")
    publish.recover(target)
    assert read(tmp_path) == {"a.html": "2", "b.html": "2"}


def test_a_half_written_mark_counts_as_none(tmp_path: Path) -> None:
    target = tmp_path / "demo"
    stage(target, a_html="2", READY_json='{"gone": [')
    publish.recover(target)
    assert read(tmp_path) == {}


def test_the_second_run_is_told_and_the_lock_falls_with_the_first(tmp_path: Path) -> None:
    lock = tmp_path / "cache" / "reports.lock"
    holder = (
        "import sys; from pathlib import Path; from helpers.report.publish import one_at_a_time\n"
        "with one_at_a_time(Path(sys.argv[1]), 'demo'): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", holder, lock], stdin=-1, stdout=-1) as other:
        other.stdout.readline()
        with (
            pytest.raises(publish.Busy, match="Another run works on the study 'demo'"),
            publish.one_at_a_time(lock, "demo"),
        ):
            pass
        other.kill()
    with publish.one_at_a_time(lock, "demo"):
        pass


def test_folders_are_made_as_deep_as_needed_and_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "linux":
        pytest.skip("asks /proc what was flushed")
    target, flushed, flush = tmp_path / "a" / "b" / "demo", [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: flushed.append(str(Path(f"/proc/self/fd/{handle}").readlink())) or flush(handle)
    )
    publish.write(publish.staging_folder(target), "results/20/x.csv", "1")
    publish.publish(target, gone=[])
    assert read(target) == {"x.csv": "1"} and flushed[-1] == str(target)
    with publish.one_at_a_time(tmp_path / "c" / "d" / "lock", "demo"):
        pass


def test_the_record_of_the_run_and_the_front_page_come_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved, move = [], Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, place: moved.append(self.name) or move(self, place))
    stage(tmp_path / "demo", run_json="1", a_html="1", index_html="1", z_html="1")
    publish.publish(tmp_path / "demo", gone=[])
    assert moved[:2] == ["a.html", "z.html"] and sorted(moved[2:]) == ["index.html", "run.json"]


def test_a_copy_makes_its_folders(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("1\n")
    publish.copy(tmp_path / "x.csv", tmp_path / "new", "results/20/x.csv")
    publish.copy(tmp_path / "x.csv", tmp_path / "new", "results/20/y.csv")
    assert read(tmp_path / "new") == {"x.csv": "1\n", "y.csv": "1\n"}


def test_signs_that_act_unseen_are_shown_on_pages_and_stay_in_tables(tmp_path: Path) -> None:
    stage(tmp_path / "demo", a_html="a\u202eb", a_csv="a\u202eb")
    staged = read(publish.staging_folder(tmp_path / "demo"))
    assert "\u202e" not in staged["a.html"] and staged["a.csv"] == "a\u202eb"


def test_a_file_is_whole_when_it_is_flushed_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(publish.os, "fsync", lambda number: sizes.append(os.fstat(number).st_size))
    publish.write(tmp_path, "a.html", "12345")
    publish.copy(tmp_path / "a.html", tmp_path / "new", "b.html")
    assert sizes == [5, 5]


def test_the_lock_of_a_report_is_beside_it() -> None:
    assert publish.lock_file(Path("reports/demo")) == Path("reports/.demo.lock")
