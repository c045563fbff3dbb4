"""A file stands in its place whole or not at all; a sealed record tells when it was changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.whole_files import LONGEST, put, seal, unseal


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def test_a_new_file_replaces_the_old_one_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "sub" / "a.txt", "one\n")
    put(tmp_path / "sub" / "a.txt", "two 茶\n")
    assert (tmp_path / "sub" / "a.txt").read_bytes() == "two 茶\n".encode() and names(tmp_path / "sub") == ["a.txt"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_trouble_before_the_rename_leaves_the_old_file(moment: str, tmp_path: Path, monkeypatch) -> None:
    put(tmp_path / "a.txt", "old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if moment == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OSError, match="No space"):
        put(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_what_a_killed_run_had_begun_goes_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    killed = "import os, pathlib, sys; from helpers.whole_files import put; os.fsync = lambda _: os._exit(9)"
    subprocess.run([sys.executable, "-c", f"{killed}; put(pathlib.Path(sys.argv[1]), 'half')", tmp_path / "a[1].txt"])
    (tmp_path / f".a[1].txt.{os.getppid()}.tmp").touch()
    assert len(names(tmp_path)) == 2
    put(tmp_path / "a[1].txt", "whole")
    assert names(tmp_path) == [f".a[1].txt.{os.getppid()}.tmp", "a[1].txt"]


def test_folders_are_made_and_a_leftover_that_another_run_takes_away_is_no_trouble(tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "new" / "folder" / "a"
    put(file, "1")
    file.with_name(".a.7.tmp").touch()
    monkeypatch.setattr("helpers.whole_files._in_use", lambda left: left.unlink())
    put(file, "2")
    assert file.read_text() == "2" and names(file.parent) == ["a"]


def test_where_nobody_tells_who_is_running_only_old_leftovers_go(tmp_path: Path) -> None:
    for name, age in {"now": 0, "old": LONGEST + 60}.items():
        left = tmp_path / f".a.{name}.tmp"
        left.touch()
        os.utime(left, (left.stat().st_mtime - age,) * 2)
    put(tmp_path / "a", "x")
    assert names(tmp_path) == [".a.now.tmp", "a"]


def test_every_flipped_bit_of_a_sealed_record_is_found() -> None:
    whole = seal({"rows": 3, "name": "茶"}).encode()
    for place in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError):
            unseal(bytes(flipped).decode("utf-8"))


@pytest.mark.parametrize("text", ["", "[]", "3", "{}", '{"rows": 3}', '{"seal": "x"}'])
def test_what_was_never_sealed_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        unseal(text)


def test_a_sealed_record_keeps_the_order_of_its_keys() -> None:
    assert list(unseal(seal({"b": {"z": 1, "a": 2}, "a": 1}))["b"]) == ["z", "a"]


def test_a_seal_is_the_sum_of_the_text_as_it_stands() -> None:
    told = hashlib.sha256('{"name": "茶"}'.encode()).hexdigest()
    assert unseal(f'{{"name": "茶", "seal": "{told}"}}') == {"name": "茶"}
