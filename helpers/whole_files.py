"""Files that stand in their place whole or not at all, and records that tell when a bit of them was changed."""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

LONGEST = 3600.0
"""Seconds after which a temporary file belongs to nobody, where the system does not tell who is running."""


def put(file: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Write a file beside its place, flush it to disk, and put it there at once.

    What a run that was killed had begun to write goes away first.

    Parameters
    ----------
    file : Path
        The place; an older file there is replaced.
    content : str or bytes
        Text is written as UTF-8 with `\\n`.
    mode : int, optional
        Permissions, where they are not the usual ones.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    sweep(file)
    new = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with new.open("wb") as handle:
            if mode is not None:
                new.chmod(mode)
            handle.write(content.encode("utf-8") if isinstance(content, str) else content)
            handle.flush()
            os.fsync(handle.fileno())
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def sweep(file: Path) -> None:
    """Take away what killed runs had begun to write for this place."""
    for left in file.parent.glob(f".{glob.escape(file.name)}.*.tmp"):
        if not _in_use(left):
            left.unlink(missing_ok=True)


def _in_use(left: Path) -> bool:
    """May its writer still be running?"""
    number = left.name.split(".")[-2]
    if os.name == "nt" or not number.isdigit():  # there, asking for a process may end it
        return time.time() - left.stat().st_mtime < LONGEST
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def seal(content: dict[str, Any]) -> str:
    """A record as JSON with its own sha256 in it.

    >>> unseal(seal({"rows": 3}))
    {'rows': 3}
    >>> unseal(seal({"rows": 3}).replace("3", "7", 1))
    Traceback (most recent call last):
    ...
    ValueError: the record is not as it was written
    """
    return json.dumps(content | {"seal": _digest(content)}, ensure_ascii=False)


def unseal(text: str) -> dict[str, Any]:
    """A sealed record without its seal.

    Raises
    ------
    ValueError
        A bit was changed, the text is cut short, or it was never sealed.
    """
    content = json.loads(text)
    if not isinstance(content, dict) or content.pop("seal", None) != _digest(content):
        raise ValueError("the record is not as it was written")
    return content


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
