"""Where the columns of the contract stand in one CSV file: found in its header, or refused with what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from helpers.intake.errors import IntakeError, shown
from helpers.intake.preflight import Preflight
from helpers.intake.records import Shape, split_record
from helpers.study import TableInput, nearest
from helpers.tables import Table

HEADER_LINES = 20
NEAR = 50
LONG = 60
"""A column's name of more characters is cut in a message."""
DELIMITERS = {",": "','", ";": "';'", "\t": '"\\t"', "|": "'|'"}


@dataclass(frozen=True)
class Layout:
    """The shape of the rows, the header's line (from 1; 0: none) and bytes, and what is worth saying."""

    shape: Shape
    header_line: int
    header: bytes
    notes: tuple[str, ...]


def layout_of(file: Preflight, contract: Table, given: TableInput) -> Layout:
    """Find the header and the columns of a file.

    Raises
    ------
    IntakeError
        No header where one is declared, a header where none is declared, doubled or missing names, another
        delimiter, or rows of another width than the header.
    """
    top, quoting = top_lines(file), file.quotes != 1
    if given.header:
        number, header = _find_header(file.name, top, contract, given, quoting)
        names = _names(header, given.delimiter, quoting)
        positions = _by_name(file.name, number, names, contract, given)
        width = len(names)
        _check_common_width(file.name, sample_records(file, below=number), width, given.delimiter, quoting)
    else:
        number, header, records = 0, b"", sample_records(file)
        width = common_width(records, given.delimiter, quoting)
        positions = {c: int(p) - 1 for c, p in (given.columns or {}).items()}
        _refuse_hidden_header(file.name, top, contract, given)
        _check_positions(file.name, records, positions, width, given.delimiter, quoting)
    wide = _wide(positions, width, contract)
    return Layout(
        Shape(given.delimiter, width, quoting, positions, wide), number, header, _notes(positions, width, given)
    )


def top_lines(file: Preflight) -> list[bytes]:
    """The first lines of the file as UTF-8."""
    return [_as_utf8(line, file.encoding) for line in file.sample[0].splitlines()[:HEADER_LINES]]


def sample_records(file: Preflight, *, below: int = 0) -> list[bytes]:
    """Records of the sample below a line, as UTF-8; those over several lines in one piece; a NUL if not valid text."""
    pieces = [piece.splitlines(keepends=True) for piece in file.sample]
    pieces[0] = pieces[0][below:]
    whole = (_joined(lines) if file.quotes > 1 else [line.rstrip(b"\r\n") for line in lines] for lines in pieces)
    return [_as_utf8(record, file.encoding) for records in whole for record in records]


def _joined(lines: list[bytes]) -> list[bytes]:
    """Lines, with a line that holds an odd number of quotes joined to the next such line when these are near."""
    records, at = [], 0
    while at < len(lines):
        last = at
        if lines[at].count(b'"') % 2:
            odd = (i for i in range(at + 1, min(at + NEAR, len(lines))) if lines[i].count(b'"') % 2)
            last = next(odd, at)
        records.append(b"".join(lines[at : last + 1]).rstrip(b"\r\n"))
        at = last + 1
    return records


def _as_utf8(line: bytes, encoding: str) -> bytes:
    try:
        return line.decode(encoding).encode()
    except UnicodeDecodeError:
        return b"\0"


def _names(line: bytes, delimiter: str, quoting: bool) -> list[str]:
    found = split_record(line, delimiter, quoting=quoting)
    return [f.decode("utf-8", "replace").strip() for f in found[0]] if found else []


def _wanted(contract: Table, given: TableInput) -> list[str]:
    """Names that the header must hold."""
    if given.columns is None:
        return contract.required
    return [v for v in given.columns.values() if isinstance(v, str)]


def _find_header(name: str, lines: list[bytes], contract: Table, given: TableInput, quoting: bool) -> tuple[int, bytes]:
    """Line number and bytes of the header: the first line that holds all names."""
    wanted = _wanted(contract, given)
    top = [(i, line) for i, line in enumerate(lines[:HEADER_LINES], start=1) if line]
    if not top:
        raise IntakeError(f"{name}: the file holds no lines with text. Check that it was copied whole.")
    fits = [
        (n, line)
        for n, line in top
        if len(names := _names(line, given.delimiter, quoting)) > 1 and set(wanted) <= set(names)
    ]
    if len({line for _, line in fits}) > 1 and wanted:
        raise IntakeError(
            f"{name}, lines {fits[0][0]} and {fits[1][0]}: two different lines name the columns "
            f"({shown(fits[0][1])}, {shown(fits[1][1])}). Take away the wrong one."
        )
    if fits and b"\0" in fits[0][1]:
        raise IntakeError(f"{name}, line {fits[0][0]}: the header holds a NUL byte. Write the file again, or mend it.")
    if fits:
        return fits[0]
    found = _names(top[0][1], given.delimiter, quoting)
    _refuse_delimiter(name, top, wanted, given, quoting)
    missing = next((w for w in wanted if w not in found), "")
    hint = nearest(missing, found) if missing and found and len(missing) < LONG else ""
    expected = ", ".join(w if len(w) < LONG else shown(w) for w in wanted)
    raise IntakeError(
        f"{name}, line {top[0][0]}: expected a header with {expected}; "
        f"found {shown(', '.join(found) or top[0][1])}. Column {shown(missing)} is missing. {hint} "
        "Map it under columns in the study file, or say header: false."
    )


def _refuse_delimiter(
    name: str, top: list[tuple[int, bytes]], wanted: list[str], given: TableInput, quoting: bool
) -> None:
    for other, written in DELIMITERS.items():
        fits = other != given.delimiter and any(
            set(wanted) <= set(_names(line, other, quoting)) for _, line in top
        )  # fmt: skip
        if fits and wanted:
            raise IntakeError(
                f"{name}, line {top[0][0]}: the columns are separated by {written}, not by "
                f"{DELIMITERS[given.delimiter]}. Say delimiter: {written} in the study file."
            )


def _by_name(name: str, number: int, names: list[str], contract: Table, given: TableInput) -> dict[str, int]:
    """Contract column → field."""
    doubled = [n for n, count in Counter(names).items() if n and count > 1]
    if doubled:
        raise IntakeError(
            f"{name}, line {number}: the column {shown(doubled[0])} stands twice in the header. Rename one of them."
        )
    mapped = given.columns or {c: c for c in contract.names if c in names}
    positions = {c: names.index(v) if isinstance(v, str) else v - 1 for c, v in mapped.items()}
    over = [c for c, p in positions.items() if p >= len(names)]
    twice = [c for c, p in positions.items() if list(positions.values()).count(p) > 1]
    if over or twice:
        column = (over or twice)[0]
        raise IntakeError(
            f"{name}, line {number}: {column} is mapped to field {positions[column] + 1}, which "
            f"{'the header does not have' if over else 'another column uses too'}. Mend columns in the study file."
        )
    return positions


def _width(line: bytes, delimiter: str, quoting: bool) -> int | None:
    if not quoting or b'"' not in line:
        return line.count(delimiter.encode()) + 1
    found = split_record(line, delimiter)
    return len(found[0]) if found else None


def _widths(lines: list[bytes], delimiter: str, quoting: bool) -> Counter:
    """How many lines have how many fields; lines that are out anyhow (blank, NUL, broken quotes) do not count."""
    whole = (line for line in lines if line and b"\0" not in line)
    return Counter(w for line in whole if (w := _width(line, delimiter, quoting)))


def common_width(lines: list[bytes], delimiter: str, quoting: bool) -> int:
    """The number of fields that most lines have; the smaller of two that are equally common."""
    return _most_common(_widths(lines, delimiter, quoting))


def _most_common(counts: Counter) -> int:
    return min(counts.items(), key=lambda pair: (-pair[1], pair[0]))[0] if counts else 0


def _check_common_width(name: str, lines: list[bytes], width: int, delimiter: str, quoting: bool) -> None:
    counts = _widths(lines, delimiter, quoting)
    common = _most_common(counts)
    if counts[common] <= counts[width]:
        return
    trailing = common == width + 1 and all(line.endswith(delimiter.encode()) for line in lines if line)
    why = " (a delimiter ends every row, but not the header)" if trailing else ""
    raise IntakeError(
        f"{name}: the header names {width} columns, most rows have {common} fields{why}. "
        "Columns would shift, so nothing is read. Write the file again with a header that fits its rows."
    )


def _check_positions(
    name: str, lines: list[bytes], positions: dict[str, int], width: int, delimiter: str, quoting: bool
) -> None:
    need = max(positions.values()) + 1
    if width >= max(2, need):
        return
    for other, written in DELIMITERS.items():
        if other != delimiter and common_width(lines, other, quoting) >= need:
            raise IntakeError(
                f"{name}, line 1: the columns are separated by {written}, not by {DELIMITERS[delimiter]}. "
                f"Say delimiter: {written} in the study file."
            )
    raise IntakeError(
        f"{name}, line 1: most lines have {width} fields, but columns in the study file go up to position {need}. "
        f"The first line is {shown(lines[0] if lines else b'')}. Mend columns, or check that this is the right file."
    )


def _refuse_hidden_header(name: str, lines: list[bytes], contract: Table, given: TableInput) -> None:
    for number, line in enumerate(lines[:HEADER_LINES], start=1):
        if len(set(contract.names) & set(_names(line, given.delimiter, True))) >= 2:
            raise IntakeError(
                f"{name}, line {number}: this line names columns ({shown(line)}), but the study file says "
                "header: false. Say header: true, and map the columns by name."
            )


def _wide(positions: dict[str, int], width: int, contract: Table) -> frozenset[int]:
    """Fields that may hold a line end: free text, and fields that are not read."""
    kinds = {p: contract.column(c).kind for c, p in positions.items()}
    return frozenset(i for i in range(width) if kinds.get(i, "text") == "text")


def _notes(positions: dict[str, int], width: int, given: TableInput) -> tuple[str, ...]:
    unread = width - len(positions)
    return (f"{unread} of the {width} fields of a row are not read",) if unread else ()


def first_row_is_data(layout: Layout, given: TableInput) -> bool:
    """Is the header only believed because the study file says so, all columns being mapped by position?"""
    return bool(layout.header_line and given.columns and all(isinstance(v, int) for v in given.columns.values()))
