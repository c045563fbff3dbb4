"""Pre-flight: one pass over the raw bytes, before anything is interpreted.

It knows the file by its signature, hashes it, settles the encoding on the whole file, and counts lines in its
own way: the count that the rest of intake must reconcile with.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers.intake.beside import Beside
from helpers.intake.errors import IntakeError, shown
from helpers.intake.lines import CHUNK, open_bytes, open_file

SLICE = 16 << 10
SLICES = 4
UTF8_BOM, GB18030_BOM = codecs.BOM_UTF8, b"\x84\x31\x95\x33"

SIGNATURES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "export the sheet as CSV (UTF-8), or unpack the archive"),
    (b"PK\x05\x06", "an empty zip archive", "unpack the archive that holds the data"),
    (b"\x1f\x8b", "a gzip archive", "give the file a name that ends in .csv.gz, or unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ\x00", "an xz archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"Rar!", "a rar archive", "unpack it"),
    (b"PAR1", "a Parquet file", "say format: parquet in the study file"),
    (b"ARROW1", "an Arrow file", "save the table as CSV or Parquet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook", "export the sheet as CSV (UTF-8)"),
    (b"SQLite format 3\x00", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "save the table as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy file", "save the table as CSV or Parquet"),
    (b"%PDF", "a PDF document", "get the data as CSV"),
    (b"\xff\xfe", "UTF-16 text", "save the file as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save the file as UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32 text", "save the file as UTF-8"),
    *(
        (bytes([0x80, n]), "a Python pickle, which is never opened", "save the table as CSV or Parquet")
        for n in range(2, 6)
    ),
)


@dataclass(frozen=True)
class Preflight:
    """What the raw bytes of one CSV file say. `lines`, `quotes` and `nuls` count in the unpacked bytes."""

    name: str
    sha256: str
    bytes: int
    lines: int
    quotes: int
    nuls: int
    encoding: str
    valid: bool
    bom: int
    newline: str
    terminated: bool
    sample: tuple[bytes, ...]


def check_signature(head: bytes, name: str) -> None:
    """Refuse what is not text, by its first bytes."""
    for magic, what, remedy in SIGNATURES:
        if head.startswith(magic):
            raise IntakeError(f"{name}: this is {what}, not CSV text. To use it, {remedy}.")
    if head[257:262] == b"ustar":
        raise IntakeError(f"{name}: this is a tar archive, not CSV text. To use it, unpack the archive.")
    if head and head.count(0) * 5 >= len(head):
        raise IntakeError(f"{name}: every few bytes are NUL: UTF-16 text or a binary file. Save the file as UTF-8 CSV.")
    start = head.removeprefix(UTF8_BOM).lstrip()[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script", b"<body", b"<table", b"<!--")):
        raise IntakeError(f"{name}: this is a web page or XML, not CSV text. Download the data file itself.")
    if start.startswith(b"version https://git-lfs"):
        raise IntakeError(f"{name}: this is a Git LFS pointer, not the data. Fetch the file with: git lfs pull")


class _Hashed:
    """A binary file that hashes what passes through, while the caller looks at it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0
        self._beside = Beside()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if len(data) < SLICE:  # an archive is read in pieces so small that to hand them over would cost more
            self._beside.wait()
            self._digest.update(data)
        else:
            self._beside.start(self._digest.update, data)
        self.size += len(data)
        return data

    def hexdigest(self) -> str:
        self._beside.wait()
        return self._digest.hexdigest()

    def __enter__(self) -> _Hashed:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file, self._beside:
            pass


class _Lines:
    """Counts line ends across chunks by searching for bytes, and remembers which kinds there were."""

    def __init__(self) -> None:
        self.feeds = self.returns = self.pairs = 0
        self.last = b""

    def add(self, data: bytes) -> None:
        self.feeds += data.count(b"\n")
        if b"\r" in data:
            self.returns += data.count(b"\r")
            self.pairs += data.count(b"\r\n")
        if self.last == b"\r" and data[:1] == b"\n":
            self.pairs += 1
        self.last = data[-1:] or self.last

    @property
    def count(self) -> int:
        open_end = self.last not in (b"", b"\n", b"\r")
        return self.feeds + self.returns - self.pairs + open_end

    @property
    def kind(self) -> str:
        seen = {"LF": self.feeds - self.pairs, "CR LF": self.pairs, "CR": self.returns - self.pairs}
        kinds = [name for name, n in seen.items() if n]
        return kinds[0] if len(kinds) == 1 else "mixed" if kinds else "none"


def preflight(path: Path, encoding: str = "auto", *, progress: Callable[[float], None] | None = None) -> Preflight:
    """Look at all bytes of a CSV file once.

    Parameters
    ----------
    path : Path
        The file; a name that ends in .gz is unpacked on the way.
    encoding : 'auto', 'utf-8' or 'gb18030'
        'auto' tries UTF-8, then GB18030, each strictly on the whole file; nothing else is ever tried.

    Raises
    ------
    IntakeError
        Not readable, empty, not CSV text by its signature, or in neither encoding.
    """
    raw = open_file(path)
    hashed, scan, total = _Hashed(raw), _Scan(path.name), max(1, path.stat().st_size)
    with open_bytes(path, via=hashed) as file:
        while chunk := file.read(CHUNK):
            scan.add(chunk)
            if progress:
                progress(hashed.size / total)
        while hashed.read(CHUNK):
            pass
    if not scan.lines.last:
        raise IntakeError(f"{path.name}: the file is empty. Check that it was copied whole.")
    found, valid = _settle(path, encoding, scan.utf8)
    return scan.result(hashed, found, valid)


class _Scan:
    """All that is counted while the bytes pass."""

    def __init__(self, name: str) -> None:
        self.name, self.lines, self.utf8 = name, _Lines(), _Strict("utf-8")
        self.quotes = self.nuls = 0
        self.sample: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        if not self.sample:
            check_signature(chunk[: 64 << 10], self.name)
        self.sample += _slices(chunk, first=not self.sample)
        self.lines.add(chunk)
        # to look whether there is one costs a tenth of counting
        self.quotes += chunk.count(b'"') if b'"' in chunk else 0
        self.nuls += chunk.count(b"\0") if b"\0" in chunk else 0
        self.utf8.add(chunk)

    def result(self, hashed: _Hashed, encoding: str, valid: bool) -> Preflight:
        bom = _bom(self.sample[0], encoding)
        return Preflight(
            name=self.name,
            sha256=hashed.hexdigest(),
            bytes=hashed.size,
            lines=self.lines.count,
            quotes=self.quotes,
            nuls=self.nuls,
            encoding=encoding,
            valid=valid,
            bom=bom,
            newline=self.lines.kind,
            terminated=self.lines.last in (b"\n", b"\r"),
            sample=(self.sample[0][bom:], *self.sample[1:]),
        )


def _bom(head: bytes, encoding: str) -> int:
    if head.startswith(UTF8_BOM):
        return len(UTF8_BOM)
    return len(GB18030_BOM) if encoding == "gb18030" and head.startswith(GB18030_BOM) else 0


def _slices(chunk: bytes, *, first: bool) -> list[bytes]:
    """Some whole lines of a chunk: all of a small one, else four pieces."""
    if len(chunk) <= SLICES * SLICE:
        starts, width = [0], len(chunk)
    else:
        starts, width = [len(chunk) * i // SLICES for i in range(SLICES)], SLICE
    return [_whole_lines(chunk[s : s + width], top=first and s == 0, end=width == len(chunk)) for s in starts]


def _whole_lines(piece: bytes, *, top: bool, end: bool) -> bytes:
    """A piece without the half lines at its ends; the top of the file is kept even where it has no line end."""
    begin = 0 if top else piece.find(b"\n") + 1
    stop = len(piece) if end else piece.rfind(b"\n") + 1
    if b"\n" not in piece:
        return piece if top else b""
    return piece[begin : max(stop, begin)]


class _Strict:
    """Strict decoding across chunks; remembers where the first wrong byte was."""

    def __init__(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._seen, self.wrong_at = 0, None

    def add(self, data: bytes, *, final: bool = False) -> None:
        if self.wrong_at is not None:
            return
        pending = self._decoder.getstate()[0]
        if not pending and data.isascii():
            self._seen += len(data)
            return
        try:
            self._decoder.decode(data, final)
            self._seen += len(data)
        except UnicodeDecodeError as error:
            self.wrong_at = self._seen - len(pending) + error.start

    @property
    def fits(self) -> bool:
        self.add(b"", final=True)
        return self.wrong_at is None


def _settle(path: Path, asked: str, utf8: _Strict) -> tuple[str, bool]:
    """The encoding to read in, and whether the whole file is valid in it."""
    if asked == "utf-8" or (asked == "auto" and utf8.fits):
        return "utf-8", utf8.fits
    gb18030 = _Strict("gb18030")
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            gb18030.add(chunk)
    if asked == "gb18030":
        return "gb18030", gb18030.fits
    line, piece, other = _first_wrong_line(path)
    if gb18030.fits and not other:
        return "gb18030", True
    why = "other lines are valid UTF-8 text" if gb18030.fits else "the file is not GB18030 either"
    raise IntakeError(
        f"{path.name}, line {line}: bytes that are not UTF-8 ({shown(piece)}), and {why}. Save the file as UTF-8, "
        "or say encoding: utf-8 in the study file: then the lines that are not go to the ledger."
    )


def _first_wrong_line(path: Path) -> tuple[int, bytes, bool]:
    """Number and bytes of the first line that is not UTF-8; are many other lines beyond ASCII valid UTF-8?"""
    wrong, right, first, line, carry = 0, 0, (1, b""), 0, b""
    with open_bytes(path) as file:
        while chunk := file.read(CHUNK):
            *whole, carry = (carry + chunk).splitlines(keepends=True) if len(carry) < CHUNK else [carry, chunk]
            for piece in whole:
                line += 1
                verdict = _utf8_beyond_ascii(piece)
                right += verdict is True
                wrong += verdict is False
                first = (line, piece) if verdict is False and wrong == 1 else first
    verdict = _utf8_beyond_ascii(carry)
    right, wrong = right + (verdict is True), wrong + (verdict is False)
    first = (line + 1, carry) if verdict is False and wrong == 1 else first
    # short Chinese words in GB18030 can look like UTF-8 by chance, about one line in seven
    return first[0], first[1].rstrip(b"\r\n"), right > 0 and wrong <= 2 * right


def _utf8_beyond_ascii(piece: bytes) -> bool | None:
    """None for plain ASCII, else whether the line is valid UTF-8."""
    if piece.isascii():
        return None
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
