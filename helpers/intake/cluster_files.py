"""Files of a cluster: named by folder, pattern or URI, listed and looked into through Hadoop's file systems."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from helpers.intake.errors import IntakeError
from helpers.intake.lines import LINE_CAP
from helpers.intake.preflight import check_signature
from helpers.study import TableInput, is_remote

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

HEAD = 256 << 10
PACKED = (".gz", ".bz2", ".zst", ".xz", ".zip", ".lz4", ".snappy")


@dataclass(frozen=True)
class Listed:
    """One file: its URI, its name below the folder that all files share, its size and when it was changed (ms)."""

    uri: str
    name: str
    bytes: int
    changed: int

    @property
    def identity(self) -> str:
        """Stands for the content: a cluster's files are too large to hash."""
        return hashlib.sha256(f"{self.uri}\n{self.bytes}\n{self.changed}".encode()).hexdigest()


def same_name(uri: str) -> str:
    """One writing of a file's URI: Hadoop says file:/x, Spark file:///x, and either may escape blanks.

    >>> same_name("file:///a%20b.csv"), same_name("file:/a b.csv")
    ('file:/a b.csv', 'file:/a b.csv')
    """
    return unquote(re.sub(r"^file:/+", "file:/", uri))


def listed(session: SparkSession, given: TableInput, table: str) -> list[Listed]:
    """All files that a table's paths name, in order; hidden ones (_x, .x) are passed over.

    Raises
    ------
    IntakeError
        A path names nothing, cannot be reached, or names a packed file, which a cluster cannot share out.
    """
    found: list[tuple[str, int, int]] = []
    for path in [given.path] if isinstance(given.path, str) else given.path:
        full = path if is_remote(path) else os.path.abspath(given._folder / path)  # noqa: PTH100  (a link stays one)
        below = _below(session, full, table)
        if not below:
            raise IntakeError(f"tables.{table}.path: {path!r} names no file. Check the path or the pattern.")
        found += [f for f in sorted(below) if f not in found]
    packed = next((uri for uri, *_ in found if uri.lower().endswith(PACKED)), None)
    if packed:
        raise IntakeError(
            f"{packed.rsplit('/', 1)[-1]}: one packed file cannot be shared out over a cluster. Unpack it, or say "
            "engine.intake: machine."
        )
    # up to a slash, so that no name is cut in two
    start = len(os.path.commonprefix([uri.rsplit("/", 1)[0] + "/" for uri, *_ in found]).rsplit("/", 1)[0]) + 1  # noqa: RUF071
    return [Listed(uri, uri[start:], size, changed) for uri, size, changed in found]


def _below(session: SparkSession, path: str, table: str) -> list[tuple[str, int, int]]:
    jvm, conf = session._jvm, session._jsc.hadoopConfiguration()
    try:
        where = jvm.org.apache.hadoop.fs.Path(path)
        system = where.getFileSystem(conf)
        files, waiting = [], list(system.globStatus(where) or [])
        while waiting:
            status = waiting.pop()
            if status.isDirectory():
                inside = [s for s in system.listStatus(status.getPath()) if s.getPath().getName()[0] not in "_."]
                waiting += inside
            else:
                files.append((status.getPath().toString(), status.getLen(), status.getModificationTime()))
    except Exception as error:  # py4j has no narrower class for what Java throws
        java = getattr(error, "java_exception", None)
        said = str(java.getMessage() if java else error).splitlines()[0][:200]
        raise IntakeError(
            f"tables.{table}.path: {path[:80]!r} cannot be reached: {said}. Check the address and the cluster's "
            "settings for it (docs/spark.md)."
        ) from None
    return files


def head_of(session: SparkSession, file: Listed) -> bytes:
    """The first bytes of a text file, cut after a whole line; refused where they are no text."""
    head = _read(session, file, 0, min(HEAD, file.bytes))
    check_signature(head, file.name)
    return head if file.bytes <= HEAD else head[: head.rfind(b"\n") + 1] or head


def last_line(session: SparkSession, file: Listed) -> bytes:
    """What stands behind the last line feed: empty where the file ends as it should."""
    tail = _read(session, file, max(0, file.bytes - LINE_CAP - 2), min(file.bytes, LINE_CAP + 2))
    return tail[tail.rfind(b"\n") + 1 :]


def _read(session: SparkSession, file: Listed, start: int, length: int) -> bytes:
    if not length:
        return b""
    jvm = session._jvm
    path = jvm.org.apache.hadoop.fs.Path(file.uri)
    stream = path.getFileSystem(session._jsc.hadoopConfiguration()).open(path)
    try:
        stream.seek(start)
        return bytes(jvm.org.apache.commons.io.IOUtils.toByteArray(stream, length))
    finally:
        stream.close()
