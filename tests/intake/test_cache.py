"""The cache: verified at every read, whole or absent, one writer a study."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from helpers.intake import IntakeError, ingest, ingest_all
from helpers.intake.cache import Remembered, lock, new_temporary

GOOD = b"1,10,100,pv,1511544070\n2,11,101,buy,1511544071\n3,12,102,cart,1511544072\n"


@pytest.fixture
def study(tmp_path, study_of):
    """A study of three rows."""
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD)
    os.utime(path, (1_600_000_000, 1_600_000_000))
    return study_of(path, header=False)


def bytes_of(result) -> dict[str, bytes]:
    """All files of a cached table."""
    return {p.name: p.read_bytes() for p in result.data.parent.iterdir()}


def test_a_second_call_reads_the_cache(study):
    first, again = ingest(study, "events"), ingest_all(study)["events"]
    assert again == first and "self" not in again.manifest


def test_the_same_input_gives_the_same_bytes(study, cache):
    first = bytes_of(ingest(study, "events"))
    shutil.rmtree(cache)
    assert bytes_of(ingest(study, "events")) == first


@pytest.mark.parametrize("name", ["data.parquet", "rejects.parquet", "manifest.json"])
def test_a_flipped_bit_is_found_and_the_table_rebuilt(name, study):
    result = ingest(study, "events")
    whole, path, r = bytes_of(result), result.data.parent / name, random.Random(1)
    for _ in range(8):
        broken = bytearray(whole[name])
        broken[r.randrange(len(broken))] ^= 1 << r.randrange(8)
        path.write_bytes(broken)
        again = ingest(study, "events")
        assert again.data.read_bytes() == whole["data.parquet"]
        assert "damaged" in " ".join(again.manifest["notes"]) and json.loads(
            path.with_name("manifest.json").read_bytes()
        )


def test_a_manifest_is_in_the_order_of_its_keys(study):
    text = (ingest(study, "events").data.parent / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert list(manifest) == sorted(manifest) and list(manifest["inputs"][0]) == sorted(manifest["inputs"][0])


def test_a_missing_file_is_rebuilt(study):
    result = ingest(study, "events")
    result.rejects.unlink()
    assert ingest(study, "events").rejects.is_file()


def test_a_changed_input_is_noticed_although_its_size_and_time_are_the_same(study):
    path = study.tables["events"].paths[0]
    before = ingest(study, "events")
    path.write_bytes(GOOD.replace(b"pv", b"fav").replace(b",10,", b",9,"))
    os.utime(path, (1_600_000_000, 1_600_000_000))
    assert ingest(study, "events").data_hash != before.data_hash


@pytest.mark.parametrize(("place", "kept"), [(1, None), (2, None), (3, "hash")], ids=["written", "changed", "long ago"])
def test_only_a_file_that_has_been_still_is_remembered(place, kept, tmp_path, monkeypatch):
    state = [1, 0, 0, 0]
    state[place] = time.time_ns()
    monkeypatch.setattr(Remembered, "state", staticmethod(lambda _: state))
    Remembered(tmp_path).keep(tmp_path / "log.csv", "hash", state=state)
    assert Remembered(tmp_path).sha256(tmp_path / "log.csv") == kept


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"a": 1}', '{"seal": "x"}'])
def test_a_damaged_memory_is_no_memory(damage, study, cache):
    first = ingest(study, "events")
    (cache / "test" / "inputs.json").write_text(damage)
    assert ingest(study, "events") == first


def test_settings_make_another_table(study, study_of):
    other = study_of(study.tables["events"].paths[0], header=False, ids="text")
    assert ingest(other, "events").data_hash != ingest(study, "events").data_hash


def test_left_temporaries_are_swept_and_nothing_else(study, cache):
    folder = cache / "test"
    folder.mkdir(parents=True)
    left, other = new_temporary(folder, "events"), folder / "pseudonym.key"
    other.write_bytes(b"secret")
    (folder / f"{left.name}-file").touch()  # cannot be removed as a folder: it stands in nobody's way
    ingest(study, "events")
    assert not left.exists() and other.read_bytes() == b"secret"


def test_a_second_writer_waits_for_a_short_run(study, cache):
    held = threading.Event()

    def hold() -> None:
        with lock(cache / "test", "test"):
            held.set()
            time.sleep(0.3)

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    assert ingest(study, "events").manifest["rows"] == 3
    other.join()


def test_a_second_writer_is_told_to_wait_for_a_long_run(study, cache, monkeypatch):
    monkeypatch.setattr("helpers.intake.cache.PATIENCE", 0.1)
    with lock(cache / "test", "test"), pytest.raises(IntakeError, match=f"process {os.getpid()}"):
        ingest(study, "events")


def test_a_cached_table_can_be_read_while_another_run_works(study, cache):
    first = ingest(study, "events")
    path = study.tables["events"].paths[0]
    assert time.time() - path.stat().st_ctime < 60
    time.sleep(2.1)  # only files that have been still for two seconds are remembered
    shutil.rmtree(first.data.parent)
    ingest(study, "events")
    with lock(cache / "test", "test"):
        assert ingest(study, "events").data == first.data


def test_who_waits_for_the_lock_looks_again_soon(cache, monkeypatch):
    looks, waits = iter([False, False, True]), []
    monkeypatch.setattr("helpers.intake.cache._take", lambda file: next(looks))
    monkeypatch.setattr("helpers.intake.cache.time.sleep", waits.append)
    with lock(cache / "test", "test"):
        assert len(waits) == 2 and 0 < max(waits) <= 0.1


def test_the_lock_names_its_holder_and_nobody_before(cache):
    (cache / "test").mkdir(parents=True)
    (cache / "test" / "intake.lock").write_text("9" * 30)
    with lock(cache / "test", "test"):
        assert (cache / "test" / "intake.lock").read_text() == f"{os.getpid()}\n"


def test_a_table_reaches_the_disk_before_it_gets_its_name(study, monkeypatch):
    flushed, flush = [], os.fsync
    monkeypatch.setattr("os.fsync", lambda handle: flushed.append(os.fstat(handle).st_ino) or flush(handle))
    folder = ingest(study, "events").data.parent
    assert {f.stat().st_ino for f in (*folder.iterdir(), folder.parent)} <= set(flushed)


def test_the_lock_of_a_dead_process_holds_nobody_up(study, cache):
    folder = cache / "test"
    folder.mkdir(parents=True)
    (folder / "intake.lock").write_text("999999999\n")
    assert ingest(study, "events").manifest["rows"] == 3


KILLED = """
import os, sys
from pathlib import Path
from helpers import study as s
s.CACHE = Path(sys.argv[1])
from helpers.intake import build, ingest
if sys.argv[3] == "write":
    build._Writer.close = lambda self: os._exit(9)
else:
    build.write_manifest = lambda folder, manifest: os._exit(9)
ingest(s.load_study(sys.argv[2]), "events")
"""


@pytest.mark.parametrize("moment", ["write", "manifest"])
def test_a_killed_run_leaves_nothing_under_a_final_name(moment, study, cache):
    command = [sys.executable, "-c", KILLED, str(cache), str(study.source), moment]
    ended = subprocess.run(command, check=False, cwd=Path(__file__).parents[2])
    left = [p.name for p in (cache / "test").iterdir() if p.is_dir()]
    assert ended.returncode == 9 and len(left) == 1 and left[0].startswith(".intake-tmp-")
    assert ingest(study, "events").manifest["rows"] == 3
    assert not [p for p in (cache / "test").iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "is full"),
        (OSError(30, "Read-only file system"), "cannot be written"),
        (PermissionError(13, "Permission denied"), "cannot be written"),
    ],
    ids=["disk full", "read-only", "permission denied"],
)
def test_trouble_with_the_disk_is_said_and_leaves_nothing(error, words, study, cache, monkeypatch):
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("helpers.intake.build.write_manifest", fail)
    with pytest.raises(IntakeError, match=words):
        ingest(study, "events")
    assert not [p for p in (cache / "test").iterdir() if p.is_dir()]
