"""Files → blocks of whole physical lines, within bounded memory, with line numbers and byte offsets.

A line ends with LF, CR LF or a lone CR. Nothing here knows about fields.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from helpers.intake.errors import IntakeError
from helpers.intake.ledger import RAW_CAP

CHUNK = 16 << 20
LINE_CAP = 1 << 20
EXPANSION_RATIO = 200
EXPANSION_FREE = 256 << 20


@dataclass
class Block:
    """Some whole lines. `text` is UTF-8 and has line by line the same lines as `raw`, the bytes of the file.

    `starts` and `ends` bound each line's content in `text`, `nexts` is where the next line starts. `cut` is
    the full length of a line too long to be kept (the block is then that one line). `bad` marks lines that
    are not valid in the file's encoding.
    """

    raw: bytes
    offset: int
    first_line: int
    unterminated: bool = False
    cut: int | None = None
    text: bytes = b""
    bad: np.ndarray | None = None
    starts: np.ndarray = field(init=False)
    ends: np.ndarray = field(init=False)
    nexts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.text or self.raw
        self.starts, self.ends, self.nexts = line_bounds(self.text)

    def __len__(self) -> int:
        return len(self.starts)

    def raw_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Start and content end of each line in `raw`."""
        if self.text is self.raw:
            return self.starts, self.ends
        starts, ends, _ = line_bounds(self.raw)
        return starts, ends


def line_bounds(data: bytes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r"""Start, content end and next start of every line.

    >>> [a.tolist() for a in line_bounds(b"ab\r\nc\rd\n")]
    [[0, 4, 6], [2, 5, 7], [4, 6, 8]]
    """
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == 10)
    nexts = ends + 1
    if b"\r" in data:
        ends, nexts = _with_returns(array, ends)
    if len(data) and (not len(nexts) or nexts[-1] < len(data)):
        ends, nexts = np.append(ends, len(data)), np.append(nexts, len(data))
    starts = np.concatenate([[0], nexts[:-1]]).astype(np.int64) if len(nexts) else np.zeros(0, np.int64)
    return starts, ends.astype(np.int64), nexts.astype(np.int64)


def _with_returns(array: np.ndarray, feeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Line ends where CR LF and lone CR occur besides LF."""
    returns = np.flatnonzero(array == 13)
    padded = np.append(array, 0)
    lone = returns[padded[returns + 1] != 10]
    after_return = (feeds > 0) & (array[feeds - 1] == 13)
    ends = np.concatenate([feeds - after_return, lone])
    nexts = np.concatenate([feeds + 1, lone + 1])
    order = np.argsort(ends, kind="stable")
    return ends[order], nexts[order]


def is_packed(path: Path) -> bool:
    """Is it an archive, by its name?"""
    return path.name.lower().endswith(".gz")


@contextmanager
def open_bytes(path: Path, *, via: BinaryIO | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when its name ends in .gz; every failure says what to do."""
    try:
        with via or path.open("rb") as file:
            yield _Unpacked(file, path) if is_packed(path) else file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise IntakeError(
            f"{path.name}: the gzip archive is truncated or corrupt ({error}). Fetch or pack the file again."
        ) from None
    except OSError as error:
        raise unreadable(path, error) from None


class _Unpacked:
    """A gzip stream that stops a bomb."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._stream, self._path, self._given = gzip.GzipFile(fileobj=file), path, 0
        self._cap = max(EXPANSION_FREE, EXPANSION_RATIO * path.stat().st_size)

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._given += len(data)
        if self._given > self._cap:
            raise IntakeError(
                f"{self._path.name}: unpacks to more than {EXPANSION_RATIO} times its size; taken for a bomb. "
                "If the file is right, unpack it yourself and give the plain file."
            )
        return data


def open_file(path: Path) -> BinaryIO:
    """A regular file, opened; a pipe or a device would never end."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise IntakeError(f"{path.name}: this is a pipe or a device, not a file. Save its content as a file first.")
        return path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Path, error: OSError) -> IntakeError:
    """What to do about a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return IntakeError(f"{path.name}: there is no such file. Check the path in the study file.")
    if isinstance(error, IsADirectoryError):
        return IntakeError(f"{path.name}: this is a folder. Name its files one by one in the study file.")
    if isinstance(error, PermissionError):
        return IntakeError(f"{path.name}: no permission to read it. Change the file's permissions.")
    return IntakeError(f"{path.name}: cannot be read ({error.strerror or error}). Check the disk and try again.")


def blocks(
    path: Path, *, start: tuple[int, int], encoding: str, valid: bool = True, chunk: int | None = None
) -> Iterator[Block]:
    """The lines of a file in blocks of about `chunk` bytes, from `start` on: the number of a line and its offset.

    `valid` says that pre-flight found the whole file valid in `encoding`; otherwise the lines that are not are marked.
    """
    size = chunk or CHUNK
    (line, offset), carry = start, b""
    with open_bytes(path) as file:
        _pass_over(file, offset)
        while more := file.read(size):
            carry += more
            cut = _last_line_end(carry)
            if cut:
                block = _block(carry[:cut], offset, line, encoding, valid)
                offset, line, carry = offset + cut, line + len(block), carry[cut:]
                yield block
            if len(carry) > LINE_CAP:
                giant, passed, carry = _giant(file, carry, offset, line, size)
                yield giant
                offset, line = offset + passed, line + 1
        if carry:
            yield _block(carry, offset, line, encoding, valid)


def _pass_over(file: BinaryIO | _Unpacked, size: int) -> None:
    """Go to an offset; an archive must be read up to there."""
    if not isinstance(file, _Unpacked):
        file.seek(size)
        return
    while size and (passed := file.read(min(size, CHUNK))):
        size -= len(passed)


def _last_line_end(data: bytes) -> int:
    """Length of the part of `data` that is whole lines. A CR at the very end may be half of a CR LF."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1


def _giant(file: BinaryIO, head: bytes, offset: int, line: int, size: int) -> tuple[Block, int, bytes]:
    """Pass over a line longer than the cap: the block with its first bytes, its whole length, what follows it.

    `head` has no line end, but perhaps a CR as its last byte.
    """
    length, kept, rest = len(head), head[:RAW_CAP], b""
    if head.endswith(b"\r"):
        length, rest = length - 1, head[-1:]
    found = 0 if rest else -1
    while found < 0 and (rest := file.read(size)):
        found = min((i for i in (rest.find(b"\n"), rest.find(b"\r")) if i >= 0), default=-1)
        length += len(rest) if found < 0 else found
    rest = rest[found:] if found >= 0 else b""
    if rest == b"\r":
        rest += file.read(1)
    end = 2 if rest.startswith(b"\r\n") else min(1, len(rest))
    block = Block(kept + b"\n", offset, line, cut=length, unterminated=not end)
    return block, length + end, rest[end:]


def _block(raw: bytes, offset: int, line: int, encoding: str, valid: bool) -> Block:
    unterminated = raw[-1:] not in (b"\n", b"\r")
    if encoding == "utf-8" and (valid or raw.isascii()):
        return Block(raw, offset, line, unterminated)
    if encoding == "gb18030" and valid:
        return Block(raw, offset, line, unterminated, text=raw.decode("gb18030").encode())
    return _marked(raw, offset, line, unterminated, encoding)


def _marked(raw: bytes, offset: int, line: int, unterminated: bool, encoding: str) -> Block:
    """A block with invalid lines: they are marked, and emptied in `text`."""
    starts, ends, nexts = line_bounds(raw)
    bad, parts = np.zeros(len(starts), bool), []
    for i, (start, end, after) in enumerate(zip(starts.tolist(), ends.tolist(), nexts.tolist(), strict=True)):
        try:
            parts.append(raw[start:end].decode(encoding).encode() + raw[end:after])
        except UnicodeDecodeError:
            bad[i] = True
            parts.append(b"?" + raw[end:after])
    return Block(raw, offset, line, unterminated, text=b"".join(parts), bad=bad)
