"""A finished report replaces the old one at once or not at all.

Everything is written to a folder beside the report, flushed to disk and marked complete. Only then its files are
moved, each by one atomic rename. A run that is killed before the mark leaves the old report untouched; one that is
killed after it is completed by the next run.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.visible import visible

READY = "READY.json"


class Busy(RuntimeError):
    """Another run works on this study."""


@contextmanager
def one_at_a_time(file: Path, study: str) -> Iterator[None]:
    """Hold the study's lock; it falls with the process, however that ends.

    Raises
    ------
    Busy
        Another process holds it.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as handle:
        try:
            _lock(handle)
        except OSError:
            raise Busy(
                f"Another run works on the study {study!r}. Wait until it has ended, or end it, then try again."
            ) from None
        yield


def _lock(handle) -> None:
    if os.name == "nt":
        import msvcrt

        handle.seek(1 << 20)
        msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write(folder: Path, name: str, text: str) -> None:
    """Write one file of the staged report and flush it to disk; a page shows characters that act unseen as a sign."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write(visible(text) if name.endswith(".html") else text)
        handle.flush()
        os.fsync(handle.fileno())


def copy(source: Path, folder: Path, name: str) -> None:
    """Copy one file into the staged report and flush it to disk."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, file)
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())


def staging_folder(target: Path) -> Path:
    """Where the new report is put together: beside the old one, so that renaming is atomic."""
    return target.parent / f".{target.name}.new"


def lock_file(target: Path) -> Path:
    """The lock of a report's folder, beside it: runs with caches of their own may share one output."""
    return target.parent / f".{target.name}.lock"


def publish(target: Path, *, gone: list[str]) -> None:
    """Move the staged report into its place.

    Parameters
    ----------
    target : Path
        The report's folder.
    gone : list of str
        Files of the old report, relative to its folder, that the new one does not have.
    """
    staging = staging_folder(target)
    write(staging, READY, json.dumps({"gone": gone}))
    recover(target)


def recover(target: Path) -> None:
    """Complete a publication that was cut short; sweep away a report that was never finished."""
    staging = staging_folder(target)
    if not staging.is_dir():
        return
    ready = staging / READY
    if ready.is_file() and (plan := _plan(ready)) is not None:
        files = sorted(f for f in staging.rglob("*") if f.is_file() and f != ready)
        # the record of the run comes last: what it tells of is then in its place
        for file in sorted(files, key=lambda f: f.name in ("run.json", "index.html")):
            place = target / file.relative_to(staging)
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)
        for name in plan["gone"]:
            (target / name).unlink(missing_ok=True)
        _flush(target)
    shutil.rmtree(staging)


def _plan(ready: Path) -> dict | None:
    try:
        return json.loads(ready.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _flush(folder: Path) -> None:
    if os.name != "nt":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
