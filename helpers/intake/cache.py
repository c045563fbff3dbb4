"""The cache of verified tables: one writer a study, whole folders or none, hashes checked at every read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from helpers.intake.errors import IntakeError
from helpers.study import Study
from helpers.tables import TABLES
from helpers.whole_files import put, seal, unseal

VERSION = 2
"""Raised whenever the same input would become another table: old caches are then not used."""

FILES = ("data.parquet", "rejects.parquet")
TEMPORARY = ".intake-tmp-"
SETTLED_NS = 2_000_000_000


def settings_hash(study: Study, table: str, inputs: list[str]) -> str:
    """sha256 that identifies the inputs and everything that decides what becomes of them."""
    given, contract = study.tables[table], TABLES[table]
    settings = {
        "version": VERSION,
        "inputs": inputs,
        "contract": asdict(contract),
        "input": {k: v for k, v in given.model_dump(mode="json").items() if k != "path"},
        "names": [p.name for p in given.paths],
        "window": [study.start_epoch, study.end_epoch],
        "zone": study.time_zone,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_verified(folder: Path, data_hash: str) -> dict[str, Any] | None:
    """The manifest of a cached table whose files are whole and unchanged; else None."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = manifest["data_hash"] == data_hash and all(
            sha256_of(folder / name) == manifest["files"][name] for name in FILES
        )
        whole = whole and manifest.pop("self") == self_hash(manifest)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if whole else None


def self_hash(manifest: dict[str, Any]) -> str:
    """sha256 of a manifest without its own hash, so that a flipped bit in the manifest shows too."""
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest as the last file, after the others have reached the disk."""
    for name in FILES:
        _sync(folder / name)
    path = folder / "manifest.json"
    text = json.dumps({**manifest, "self": self_hash(manifest)}, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
    _sync(path)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def publish(temporary: Path, final: Path) -> None:
    """Put a finished folder in its place; one that stands there is damaged and goes."""
    if final.exists():
        old = temporary.with_name(temporary.name + "-old")
        final.rename(old)
        shutil.rmtree(old)
    temporary.rename(final)
    sync_folder(final.parent)


def new_temporary(folder: Path, label: str) -> Path:
    """An empty folder to build in."""
    temporary = folder / f"{TEMPORARY}{label}-{os.getpid()}-{time.time_ns():x}"
    temporary.mkdir()
    return temporary


def sweep(folder: Path) -> None:
    """Take away what runs that were killed left behind. Only the holder of the lock may do this."""
    for left in folder.iterdir():
        if left.name.startswith(TEMPORARY):
            shutil.rmtree(left, ignore_errors=True)


PATIENCE = 30.0


@contextmanager
def lock(folder: Path, study: str) -> Iterator[None]:
    """Hold the study's lock, or refuse. The system frees it when a process dies, so it is never stale.

    Two notebooks that open a study of fresh files at one time both want to hash them: so it waits for `PATIENCE`
    seconds. Whoever takes in a large log holds it longer, and the other one is told.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "intake.lock").open("a+", encoding="ascii") as file:
        until = time.monotonic() + PATIENCE
        while not (taken := _take(file)) and time.monotonic() < until:
            time.sleep(0.05)
        if not taken:
            file.seek(0)
            holder = file.read(40).strip() or "unknown"
            raise IntakeError(
                f"Another run is working on this study ({study!r}, process {holder}). Wait until it has ended."
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def _take(file: Any) -> bool:
        try:
            file.seek(1 << 20)  # beyond the text, which others must be able to read
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: Any) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class Remembered:
    """sha256 of inputs that did not change since they were hashed: same size, times and inode."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "inputs.json"
        try:
            self._known = unseal(self.path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            self._known = {}

    @staticmethod
    def _key(path: Path) -> str:
        return hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()

    @staticmethod
    def state(path: Path) -> list[int]:
        stat = path.stat()
        return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]

    def sha256(self, path: Path) -> str | None:
        """The hash of an unchanged file, else None."""
        known = self._known.get(self._key(path))
        return known["sha256"] if known and known["state"] == self.state(path) else None

    def keep(self, path: Path, sha256: str, *, state: list[int]) -> None:
        """Remember a hash. `state` was taken before hashing.

        A file changed a moment ago may change again within the same tick of its clock, so it is not remembered.
        """
        fresh = time.time_ns() - max(state[1], state[2]) < SETTLED_NS
        if fresh or state != self.state(path):
            return
        self._known[self._key(path)] = {"state": state, "sha256": sha256}
        put(self.path, seal(self._known))
