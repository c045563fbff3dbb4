"""What a file must become, worked out line by line in plain Python. Shares no code with the data door.

It knows only the log of events with int64 ids, five columns, comma, epoch seconds. For a line it says what the row
must be, or that it must not be taken. It says nothing about the reason.
"""

from __future__ import annotations

import re
from collections import Counter

START, END = 1511539200, 1512316799
NAMES = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
WORDS = {"pv", "fav", "cart", "buy"}
Row = tuple[int, int, int, str, int]


def lines_of(data: bytes) -> list[bytes]:
    """Physical lines, ended by LF, CR LF or CR."""
    lines = re.split(rb"\r\n|\n|\r", data)
    return lines if lines[-1] else lines[:-1]


def identifier(text: str) -> int | None:
    """A whole number without leading zeros within int64."""
    value = int(text) if re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", text) and text != "-0" else None
    return value if value is not None and -(2**63) <= value <= 2**63 - 1 else None


def row_of(fields: list[str], places: list[int], *, windowed: bool = True) -> Row | None:
    """The event in these fields, or None where any check fails."""
    user, item, category, behavior, time = (fields[p] for p in places)
    ids = [identifier(t) for t in (user, item, category)]
    moment = int(time) if re.fullmatch(r"-?[0-9]{1,19}", time) else None
    if None in ids or behavior not in WORDS or moment is None:
        return None
    inside = START <= moment <= END or not windowed
    return (*ids, behavior, moment) if inside else None  # type: ignore[return-value]


def records_of(line: str) -> list[str] | None:
    """Fields of one line by RFC 4180, character by character; None where the grammar is broken."""
    fields, field, state = [], "", "start"
    for c in line:
        if state == "quoted":
            if c == '"':
                state = "closing"
            else:
                field += c
        elif state == "closing" and c == '"':
            field, state = field + '"', "quoted"
        elif c == ",":
            fields, field, state = [*fields, field], "", "start"
        elif c == '"' and state == "start":
            state = "quoted"
        elif c == '"' or state == "closing":
            return None
        else:
            field, state = field + c, "plain"
    return None if state == "quoted" else [*fields, field]


def header_of(data: bytes, wanted: list[str] = NAMES) -> list[str] | None:
    """The names in the first of the top lines that holds all names."""
    for line in lines_of(data.removeprefix(b"\xef\xbb\xbf"))[:20]:
        fields = fields_of(line, quoting=data.count(b'"') != 1) or []
        names = [f.strip() for f in fields]
        if set(wanted) <= set(names):
            return names
    return None


def rows_of(data: bytes, *, header: list[str] | None = None) -> Counter[Row]:
    """Every row that the file holds, with how often.

    `header` names the columns where the file has a header line; rows then have its width, else the commonest.
    A record may go over lines only inside a column that is not read, and only if no line in it is a row itself.
    """
    lines, quoting = lines_of(data.removeprefix(b"\xef\xbb\xbf")), data.count(b'"') != 1
    parsed = [fields_of(line, quoting=quoting) for line in lines]
    widths = Counter(len(f) for f in parsed if f and f != [""])
    width = len(header) if header else min(widths, key=lambda w: (-widths[w], w), default=0)
    places = [header.index(n) for n in NAMES] if header else [0, 1, 2, 3, 4]
    rows, i = [], 0
    while i < len(lines) and width >= 5:
        fields, used = parsed[i], 1
        if fields is None and quoting:
            fields, used = _long_record(lines[i : i + 1000], width, places)
        rows.append(row_of(fields, places) if fields and len(fields) == width else None)
        i += used
    return Counter(r for r in rows if r is not None)


def _long_record(lines: list[bytes], width: int, places: list[int]) -> tuple[list[str] | None, int]:
    for n in range(2, len(lines) + 1):
        fields = fields_of(b"\n".join(lines[:n]), quoting=True)
        if fields is None:
            continue
        broken = [i for i, f in enumerate(fields) if "\n" in f]
        inner = [fields_of(line, quoting=True) for line in lines[1:n]]
        hidden = any(f and len(f) == width and row_of(f, places, windowed=False) for f in inner)
        good = len(fields) == width and not set(broken) & set(places) and not hidden
        return (fields, n) if good else (None, 1)
    return None, 1


def fields_of(line: bytes, *, quoting: bool) -> list[str] | None:
    """Fields of one record; None where it is not text or its quotes are broken."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text or text.startswith("\ufeff"):
        return None
    return records_of(text) if quoting else text.split(",")
