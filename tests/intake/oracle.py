"""What a file must become, worked out line by line in plain Python. Shares no code with the data door.

For every line it says what the row must be, or that it must not be taken. It says nothing about the reason.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

LIMIT = 1 << 20
"""Longest line and longest record, in bytes."""
MOST_LINES = 1000

# column → kind; '?' at the end: may be missing; then the bounds of numbers
TABLES: dict[str, dict[str, str]] = {
    "events": {"user_id": "id", "item_id": "id", "category_id": "id", "behavior": "word", "timestamp": "moment"},
    "orders": {
        "order_id": "id", "user_id": "id", "item_id": "id", "category_id": "id", "quantity": "whole",
        "unit_price": "number", "discount": "number?", "timestamp": "moment",
    },
    "items": {
        "item_id": "id", "category_id": "id", "category_name": "text?", "title": "text?", "price": "number?",
        "unit_margin": "number?", "brand": "text?", "launched_on": "date?",
    },
    "users": {
        "user_id": "id", "age_band": "text?", "gender": "text?", "city_tier": "whole?", "joined_on": "date?",
        "consent_email": "flag?", "consent_push": "flag?",
    },
}  # fmt: skip
KEYS = {"events": (), "orders": ("order_id", "item_id"), "items": ("item_id",), "users": ("user_id",)}
BOUNDS = {"quantity": (1, math.inf), "city_tier": (1, 6)}
BOUNDS |= dict.fromkeys(("unit_price", "discount", "price"), (0, math.inf))
ORDER = {
    "events": ("user_id", "timestamp", "item_id", "behavior"),
    "orders": ("user_id", "timestamp", "order_id", "item_id"),
    "items": ("item_id",),
    "users": ("user_id",),
}
WORDS = ("pv", "fav", "cart", "buy")
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}


@dataclass(frozen=True)
class Told:
    """What the study says about a table and its files."""

    table: str = "events"
    header: bool = False
    columns: dict[str, str | int] | None = None
    delimiter: str = ","
    unit: str = "s"
    zone: str = "Asia/Shanghai"
    days: tuple[str, str] = ("2017-11-25", "2017-12-03")
    ids: str = "int64"
    words: dict[str, str] | None = None
    duplicates: str = "drop"
    encoding: str = "auto"

    @cached_property
    def window(self) -> tuple[int, int]:
        """First and last second."""
        first, last = (datetime.combine(date.fromisoformat(d), time(), ZoneInfo(self.zone)) for d in self.days)
        after = datetime.combine(last.date() + timedelta(days=1), time(), ZoneInfo(self.zone))
        return int(first.timestamp()), int(after.timestamp()) - 1


@dataclass(frozen=True)
class Row:
    """A good row: where it stands, over how many lines, its values, and the microseconds beyond its second."""

    file: int
    line: int
    lines: int
    values: tuple
    beyond: int = 0


@dataclass
class Truth:
    """What must come out: rows to keep, and those that are equal to one further up, or share its key."""

    kept: list[Row] = field(default_factory=list)
    doubled: list[Row] = field(default_factory=list)


class Unreadable(Exception):
    """The files must be refused."""


# --- values -----------------------------------------------------------------------------------------------------------


def value_of(text: str, kind: str, told: Told) -> Any:
    """The value that a cell's text means; None where it means none."""
    if kind == "id":
        return text if told.ids == "text" else _identifier(text)
    if kind == "word":
        return (told.words or dict(zip(WORDS, WORDS, strict=True))).get(text)
    if kind == "text":
        return text
    return {"whole": _whole, "number": _number, "flag": _flag, "date": _date}[kind](text)


def _identifier(text: str) -> int | None:
    return int(text) if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", text) and -(2**63) <= int(text) < 2**63 else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) and -(2**63) <= int(text) < 2**63 else None


def _number(text: str) -> float | None:
    plain = re.fullmatch(r"-?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", text)
    return float(text) if plain and math.isfinite(float(text)) else None


def _flag(text: str) -> bool | None:
    return {"0": False, "1": True, "false": False, "true": True}.get(text if text.islower() else _one_case(text))


def _one_case(text: str) -> str:
    return text.lower() if text in ("False", "True", "FALSE", "TRUE") else text


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def moment_of(text: str, unit: str) -> tuple[int, int] | None:
    """Whole seconds since 1970, rounded down, and the microseconds beyond."""
    if unit == "iso":
        micro = _iso(text)
        return None if micro is None else divmod(micro, 1_000_000)
    count = _whole(text)
    if count is None:
        return None
    return count // PER_SECOND[unit], count % PER_SECOND[unit] * (1_000_000 // PER_SECOND[unit])


def _iso(text: str) -> int | None:
    found = re.fullmatch(
        r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:[.,]([0-9]{1,9}))?"
        r"(?:(Z| UTC)|([+-])([0-9]{2}):?([0-9]{2}))",
        text,
    )
    if not found:
        return None
    try:
        moment = datetime.combine(date.fromisoformat(found[1]), time(*(int(found[i]) for i in (2, 3, 4))), UTC)
    except ValueError:
        return None
    ahead = 0 if found[6] else int(found[8]) * 60 + int(found[9])
    if not found[6] and (int(found[8]) > 18 or int(found[9]) > 59):
        return None
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    seconds -= (-1 if found[7] == "-" else 1) * ahead * 60
    return seconds * 1_000_000 + int((found[5] or "").ljust(6, "0")[:6])


def row_values(cells: dict[str, str], told: Told, *, windowed: bool = True) -> tuple[tuple, int] | None:
    """The values of a row in the order of the table, and microseconds; None where any cell does not fit."""
    values, beyond = [], 0
    for name, said in TABLES[told.table].items():
        kind, optional, text = said.rstrip("?"), said.endswith("?"), cells.get(name, "")
        if text == "":
            if not optional:
                return None
            values.append(None)
            continue
        if kind == "moment":
            found = moment_of(text, told.unit)
            if found is None or (windowed and not told.window[0] <= found[0] <= told.window[1]):
                return None
            value, beyond = found
        else:
            value = value_of(text, kind, told)
        low, high = BOUNDS.get(name, (-math.inf, math.inf))
        if value is None or (name in BOUNDS and not low <= value <= high):
            return None
        values.append(value)
    return tuple(values), beyond


# --- lines and fields -------------------------------------------------------------------------------------------------


def lines_of(data: bytes) -> list[bytes]:
    """Physical lines, ended by LF, CR LF or CR."""
    lines = re.split(rb"\r\n|\n|\r", data)
    return lines if lines[-1] else lines[:-1]


def decoded(data: bytes, encoding: str) -> list[str | None]:
    """All lines as text: the whole file in UTF-8, else in GB18030; None for a line that is not text where the study
    names the encoding."""
    if encoding == "auto":
        for each in ("utf-8", "gb18030"):
            try:
                data.decode(each)
            except UnicodeDecodeError:
                continue
            return [line.decode(each) for line in lines_of(data)]
        raise Unreadable("neither UTF-8 nor GB18030")
    return [_text(line, encoding) for line in lines_of(data)]


def _text(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def split(line: str, delimiter: str) -> list[str] | None:
    """Fields by RFC 4180, from left to right; None where the grammar is broken."""
    fields, at = [], 0
    while True:
        if line[at : at + 1] == '"':
            found = _quoted(line, at + 1)
            if found is None:
                return None
            cell, at = found
        else:
            end = line.find(delimiter, at)
            end = len(line) if end < 0 else end
            cell, at = line[at:end], end
            if '"' in cell:
                return None
        fields.append(cell)
        if at == len(line):
            return fields
        if line[at] != delimiter:
            return None
        at += 1


def _quoted(line: str, at: int) -> tuple[str, int] | None:
    """The content of a quoted field and where its closing quote ends; None where it has none."""
    cell = []
    while (end := line.find('"', at)) >= 0:
        cell.append(line[at:end])
        at = end + 1
        if line[at : at + 1] != '"':
            return "".join(cell), at
        cell.append('"')
        at += 1
    return None


class _File:
    """One file's lines with their fields."""

    def __init__(self, number: int, data: bytes, told: Told) -> None:
        mark = b"\xef\xbb\xbf" if data.startswith(b"\xef\xbb\xbf") else b""
        content = data.removeprefix(mark)
        if not mark and content.startswith(b"\x84\x31\x95\x33") and not _is_utf8(content):
            content = content[4:]
        self.number, self.told, self.raw = number, told, lines_of(content)
        self.quoting = data.count(b'"') != 1
        self.ends = [e.decode() for e in re.findall(rb"\r\n|\n|\r", content)]
        self.lines = decoded(content, told.encoding)
        self.fields = [self._fields(raw, text) for raw, text in zip(self.raw, self.lines, strict=True)]
        self.top, self.names = self._header() if told.header else (-1, None)
        widths = Counter(len(f) for f in self.fields if f and f != [""])
        common = min(widths, key=lambda w: (-widths[w], w), default=0)
        self.width = len(self.names) if self.names else common
        self.places = self._places()

    def _fields(self, raw: bytes, text: str | None) -> list[str] | None:
        if text is None or "\0" in text or text.startswith("\ufeff") or len(text.encode()) > LIMIT:
            return None
        return split(text, self.told.delimiter) if self.quoting else text.split(self.told.delimiter)

    def _header(self) -> tuple[int, list[str]]:
        told = self.told.columns
        wanted = {n for n, k in TABLES[self.told.table].items() if k[-1] != "?"}
        wanted = {v for v in told.values() if isinstance(v, str)} if told else wanted
        for i, fields in enumerate(self.fields[:20]):
            names = [f.strip() for f in fields or []]
            if len(names) > 1 and wanted <= set(names):
                return i, names
        raise Unreadable("no header")

    def _places(self) -> dict[str, int]:
        told = self.told.columns
        if self.names is None:
            return {n: int(p) - 1 for n, p in (told or {}).items()}
        named = told or {n: n for n in TABLES[self.told.table] if n in self.names}
        return {n: self.names.index(v) if isinstance(v, str) else v - 1 for n, v in named.items()}

    def rows(self) -> list[Row]:
        """The good rows in their order."""
        rows, i = [], self.top + 1
        if self.width <= max(self.places.values()):
            return []
        while i < len(self.lines):
            fields, used = self.fields[i], 1
            if self.names is not None and self.raw[i] == self.raw[self.top]:
                fields = None
            elif fields is None and self.quoting and self.lines[i] is not None:
                fields, used = self._long_record(i)
            found = self._values(fields) if fields and fields != [""] else None
            if found:
                rows.append(Row(self.number, i + 1, used, *found))
            i += used
        return rows

    def _values(self, fields: list[str], *, windowed: bool = True) -> tuple[tuple, int] | None:
        if len(fields) != self.width:
            return None
        return row_values({n: fields[p] for n, p in self.places.items()}, self.told, windowed=windowed)

    def _long_record(self, at: int) -> tuple[list[str] | None, int]:
        """A record over several lines: only with line ends in free text or in columns that are not read, and no line
        within it may be a row itself."""
        text, kinds = self.lines[at] or "", TABLES[self.told.table]
        narrow = {p for n, p in self.places.items() if kinds[n].rstrip("?") != "text"}
        for n in range(1, min(MOST_LINES, len(self.lines) - at)):
            more = self.lines[at + n]
            if more is None or "\0" in more or more.startswith("\ufeff"):
                return None, 1
            if self.names is not None and self.raw[at + n] == self.raw[self.top]:
                return None, 1
            text += self.ends[at + n - 1] + more
            if len(text.encode()) + len("".join(self.ends[at + n : at + n + 1])) > LIMIT:
                return None, 1
            fields = split(text, self.told.delimiter) if '"' in more else None
            if fields is None:
                continue
            broken = {i for i, f in enumerate(fields) if re.search(r"[\r\n]", f)}
            inner = [self.fields[at + k] for k in range(1, n + 1)]
            hidden = any(f and self._values(f, windowed=False) for f in inner)
            good = len(fields) == self.width and not broken & narrow and not hidden
            return (fields, n + 1) if good else (None, 1)
        return None, 1


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def truth(contents: list[bytes], told: Told) -> Truth:
    """What must come out of some files, read in their order.

    Raises
    ------
    Unreadable
        They must be refused.
    """
    names, found, seen = list(TABLES[told.table]), Truth(), set()
    unique = KEYS[told.table]
    for number, data in enumerate(contents):
        for row in _File(number, data, told).rows():
            key = tuple(row.values[names.index(k)] for k in unique) if unique else (*row.values, row.beyond)
            if key in seen and told.duplicates == "drop":
                found.doubled.append(row)
            else:
                found.kept.append(row)
            seen.add(key)
    return found


def day_and_hour(second: int, zone: str) -> tuple[date, int]:
    """The calendar day and the hour of a second in a zone."""
    there = datetime.fromtimestamp(second, UTC).astimezone(ZoneInfo(zone))
    return there.date(), there.hour
