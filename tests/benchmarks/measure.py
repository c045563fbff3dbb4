"""A program in a process of its own: what it cost, counted by the system.

This process stays small on purpose: the system takes the memory of the one who starts a program as its first peak.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GROUPS = Path("/sys/fs/cgroup")


class Failed(RuntimeError):
    """A measured program did not end well; the message holds its last words."""


@dataclass(frozen=True)
class Cost:
    """Seconds of processor (user and system, with all children that have ended), of wall time, and peak memory."""

    cpu: float
    wall: float
    megabytes: float


def measure(command: list[str], *, cache: Path, log: Path, cap: float | None = None) -> Cost:
    """Run a command and count.

    Parameters
    ----------
    command : list of str
        The program; a first word `python` is this interpreter.
    cache : Path
        The study cache that it works with.
    log : Path
        Gets what it prints.
    cap : float, optional
        GB of memory beyond which the system ends it: of a control group where this user may make one, else of address
        space (`RLIMIT_AS`), which is stricter, because much of it is never used.

    Raises
    ------
    Failed
        It ended with an error.
    """
    command = [sys.executable if command[0] == "python" else command[0], *command[1:]]
    environment = os.environ | {"SMN_CACHE": str(cache), "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
    started = time.perf_counter()
    with log.open("wb") as out, _group(cap) as group:
        child = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, preexec_fn=_capped(cap, group)
        )
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    if child.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["nothing"]
        raise Failed(f"{' '.join(command[1:4])} ended with {child.returncode}; it said: {said[0][:300]}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Cost(used.ru_utime + used.ru_stime, wall, used.ru_maxrss / unit)


@contextmanager
def _group(gigabytes: float | None) -> Iterator[Path | None]:
    """A control group of Linux with so much memory, as containers have one; None where that cannot be."""
    made = None
    for parent, limit in ((GROUPS / "memory", "memory.limit_in_bytes"), (GROUPS, "memory.max")) if gigabytes else ():
        folder = parent / f"smn-bench-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / limit).write_text(str(int(gigabytes * 1e9)))
        except OSError:
            _take_away(folder)
            continue
        made = folder
        break
    try:
        yield made
    finally:
        if made:
            _take_away(made)


def _take_away(group: Path) -> None:
    with suppress(OSError):
        group.rmdir()


def _capped(gigabytes: float | None, group: Path | None) -> Callable[[], None] | None:
    if not gigabytes:
        return None

    def cap() -> None:
        import resource

        if group:
            (group / "cgroup.procs").write_text(str(os.getpid()))
        else:
            resource.setrlimit(resource.RLIMIT_AS, (int(gigabytes * 1e9), int(gigabytes * 1e9)))

    return cap
