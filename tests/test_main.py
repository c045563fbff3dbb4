"""The command line: what a user can mend is one message and an exit status, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.__main__ import _disk
from helpers.report import check
from helpers.report.check import new_study
from helpers.study import ROOT, StudyError, load_study

LOG = "user_id,item_id,category_id,behavior,timestamp\n1,2,3,pv,1497888000\n2,2,3,buy,1497974400\n"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"SMN_CACHE": str(folder / "cache"), "PYTHONUTF8": "1"}
    command = [sys.executable, "-P", "-m", "helpers", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["reports", "demmo"], "Did you mean 'demo'?"),
        (["reports", "../x"], "cannot be used"),
        (["reports", "x.yaml"], "no study file 'x.yaml'"),
        (["reports", "--only", "99"], "there is no notebook '99'"),
        (["reports", "--set", "21_funel.window_hours=1"], "Did you mean '21_funnel'?"),
        (["reports", "--set", "21.window_hours=0"], "out of range"),
        (["reports", "--set", "21.__import__('os')=0"], "there is no parameter"),
        (["check", "nosuch"], "There is no study"),
        (["simulate", "--weeks", "99"], "weeks"),
        (["simulate", "--assignment", "random"], "did you mean 'randomised'?"),
        (["new", "nosuch.csv"], "nosuch.csv"),
        (["convert", "cdnov", "x"], "Did you mean 'cdnow'?"),
        (["nosuch"], "nosuch"),
    ],
)
def test_mistakes_end_in_one_message(tmp_path: Path, arguments: list[str], told: str) -> None:
    ended = run(tmp_path, *arguments)
    assert ended.returncode != 0 and told in ended.stderr
    assert "Traceback" not in ended.stderr and ended.stdout == ""


def test_a_study_is_checked_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "a[1].csv").write_text(LOG)
    study = (
        "name: tiny\ntitle: Tiny\nwindow: {start: 2017-06-19, end: 2017-06-25}\ntables:\n  events: {path: 'a[1].csv'}\n"
    )
    (tmp_path / "tiny.yaml").write_text(study)
    ended = run(tmp_path, "check", "tiny.yaml")
    assert ended.returncode == 0, ended.stderr
    assert "3 lines = 1 header + 2 accepted" in ended.stdout and "What these data can answer" in ended.stdout


def test_a_new_study_file_replaces_none_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "STUDIES", tmp_path / "studies")
    (tmp_path / "My Log.csv").write_text(LOG)
    said: list[str] = []
    made = new_study(tmp_path / "My Log.csv", name="", force=False, say=said.append)
    assert made.name == "my-log.yaml" and "python run.py check my-log" in said[1]
    with pytest.raises(StudyError, match="--force"):
        new_study(tmp_path / "My Log.csv", name="", force=False, say=said.append)
    new_study(tmp_path / "My Log.csv", name="", force=True, say=said.append)
    assert [p.name for p in made.parent.iterdir()] == ["my-log.yaml"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_new_study_finds_its_file_from_wherever_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr(check, "STUDIES", tmp_path / "data" / "studies")
    monkeypatch.setattr(check, "ROOT", tmp_path if inside else tmp_path / "elsewhere")
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)
    made = new_study(Path("log.csv"), name="", force=False, say=lambda _: None)
    assert load_study(made).tables["events"].paths == [tmp_path / "log.csv"]
    assert ('path: "../../log.csv"' in made.read_text()) == inside


def test_the_help_lists_the_commands() -> None:
    ended = run(ROOT, "--help")
    assert all(word in ended.stdout for word in ("reports", "test", "lab", "new", "check", "simulate"))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "The disk is full. Free some space"),
        (OSError(28, "No space left on device", "/srv/x/index.html"), "index.html: the disk is full."),
        (OSError(30, "Read-only file system", "/srv/x/.demo.new"), ".demo.new: its folder is read-only. Make it"),
        (PermissionError(13, "Permission denied", "/srv/x/demo.yaml"), "demo.yaml: no permission to read or write it."),
        (OSError(5, "Input/output error"), "Input/output error. Reports that stood before"),
    ],
)
def test_trouble_with_a_disk_is_one_line_without_a_path(error: OSError, told: str) -> None:
    said = _disk(error)
    assert said.startswith(told) and "/srv" not in said and "\n" not in said and said.endswith("are untouched.")
