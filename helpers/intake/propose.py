"""A first study file for a file never seen before: what is certain is written, what is guessed is marked."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from helpers.intake.checks import Rules
from helpers.intake.errors import IntakeError, shown
from helpers.intake.files import CsvFile
from helpers.intake.layout import DELIMITERS, common_width, layout_of, sample_records
from helpers.intake.lines import open_file
from helpers.intake.parquet_files import ParquetFile, parquet_flight, sources_of
from helpers.intake.preflight import Preflight, preflight
from helpers.intake.records import split_record
from helpers.intake.times import Calendar, unit_of
from helpers.study import TableInput, zone
from helpers.tables import BEHAVIORS, TABLES

ZONE = "Asia/Shanghai"
EVENTS = TABLES["events"]
PUBLISHED = (date(2017, 11, 25), date(2017, 12, 3))
EPOCH = date(1970, 1, 1)
GAP_DAYS = 7
TAIL = 0.0005

ALIASES = {
    "user_id": ("user", "customer", "visitor", "member", "buyer", "client", "uid", "cust"),
    "item_id": ("item", "product", "sku", "article", "goods", "stockcode", "asin"),
    "category_id": ("category", "cat", "categ", "class", "department"),
    "behavior": ("behavior", "behaviour", "event", "action", "type"),
    "timestamp": ("timestamp", "time", "date", "datetime", "ts"),
}
CODES = {
    **{w: w for w in BEHAVIORS},
    **dict.fromkeys(("view", "pageview", "click", "detail", "browse", "impression"), "pv"),
    **dict.fromkeys(("fav", "favorite", "favourite", "collect", "like", "wishlist", "addtowishlist"), "fav"),
    **dict.fromkeys(("cart", "addtocart", "basket", "addtobasket"), "cart"),
    **dict.fromkeys(("transaction", "purchase", "order", "bought", "sale", "buy"), "buy"),
}
TIANCHI = {"1": "pv", "2": "fav", "3": "cart", "4": "buy"}


@dataclass(frozen=True)
class _Guess:
    """How the columns of a file are understood."""

    columns: dict[str, str | int]
    delimiter: str
    header: bool
    codes: dict[str, str]
    unknown: tuple[str, ...]
    ids: dict[str, str]
    unit: str
    certain: bool


def propose(file: Path, *, name: str | None = None, path: str | None = None) -> str:
    """The text of a study file for an event log, with every guess marked by a comment '# guess: …'.

    Parameters
    ----------
    file : Path
        CSV (also .csv.gz) or Parquet.
    name : str, optional
        The study's name; by default made from the file's name.
    path : str, optional
        The file as the study file shall name it; by default as it is given.

    Returns
    -------
    str
        YAML. The window is the published one where the file is Taobao UserBehavior, else the whole days that hold
        the rows, in Asia/Shanghai.

    Raises
    ------
    IntakeError
        The file cannot be read, or no columns for user, item, category, behaviour and time can be told.
    """
    parquet = _is_parquet(file)
    before = parquet_flight(file) if parquet else preflight(file)
    guess = _of_parquet(file) if parquet else _of_csv(before)
    given = TableInput(
        path=str(file),
        format="parquet" if parquet else "csv",
        header=guess.header,
        delimiter=guess.delimiter,  # type: ignore[arg-type]
        columns=guess.columns,
        ids=guess.ids,  # type: ignore[arg-type]
    )
    rules = Rules(EVENTS, {c: guess.ids.get(c, "int64") for c in ("user_id", "item_id", "category_id")}, _words(guess))
    rules = replace(rules, units={"timestamp": guess.unit})
    if parquet:
        source = ParquetFile(file, 0, before, sources_of(file, EVENTS, given, rules.id_types), rules)
    else:
        source = CsvFile(file, 0, before, layout_of(before, EVENTS, given), rules)
    days = _days(source)
    return _yaml(file, name or _name(file), guess, days, parquet, path or str(file))


def _is_parquet(file: Path) -> bool:
    with open_file(file) as head:
        return head.read(4) == b"PAR1"


def _words(guess: _Guess) -> dict[str, str]:
    return guess.codes or {w: w for w in BEHAVIORS}


# columns ------------------------------------------------------------------------------------------------------------


def _of_csv(before: Preflight) -> _Guess:
    lines = [line for line in sample_records(before) if line and b"\0" not in line]
    delimiter = _delimiter(before.name, lines)
    width = common_width(lines, delimiter, before.quotes != 1)
    rows = [r for line in lines[:20_000] if (r := _row(line, delimiter, before)) and len(r) == width]
    names = _row(lines[0], delimiter, before)
    header = not any(re.fullmatch(r"[-+.\d:TZ ]*\d[-+.\d:TZ ]*", n) for n in names) and len(names) == width
    cells = {i: [r[i] for r in (rows[1:] if header else rows)] for i in range(width)}
    if not any(cells.values()):
        raise IntakeError(f"{before.name}: the file holds no rows to look at. Check that it was copied whole.")
    places = _by_names(before.name, names) if header else _by_content(before.name, cells)
    columns = {c: names[i] if header else i + 1 for c, i in places.items()}
    return _complete(before.name, columns, {c: cells[i] for c, i in places.items()}, delimiter, header, width)


def _row(line: bytes, delimiter: str, before: Preflight) -> list[str]:
    found = split_record(line, delimiter, quoting=before.quotes != 1)
    return [f.decode("utf-8", "replace").strip() for f in found[0]] if found else []


def _delimiter(name: str, lines: list[bytes]) -> str:
    widths = {d: common_width(lines, d, True) for d in DELIMITERS}
    best = max(widths, key=lambda d: widths[d])
    if widths[best] < len(ALIASES):
        raise IntakeError(
            f"{name}, line 1: fewer than {len(ALIASES)} columns ({shown(lines[0] if lines else b'')}). "
            "An event log has a user, an item, a category, a behaviour and a time."
        )
    return best


def _by_names(name: str, names: list[str]) -> dict[str, int]:
    """Columns of the contract by words in the header; exact names first."""
    places: dict[str, int] = {}
    simple = [re.sub(r"[^a-z]", "", n.lower()) for n in names]
    for column, aliases in ALIASES.items():
        exact = [i for i, n in enumerate(names) if n == column]
        close = [i for a in aliases for i, s in enumerate(simple) if s in (a, f"{a}id", f"{a}type", f"{a}key")]
        within = [i for a in aliases for i, s in enumerate(simple) if a in s]
        free = [i for i in (*exact, *close, *within) if i not in places.values()]
        if not free:
            raise IntakeError(
                f"{name}, line 1: no column looks like {column} ({EVENTS.column(column).meaning}); found "
                f"{shown(', '.join(names))}. Write the study file by hand: see data/studies/userbehavior.yaml."
            )
        places[column] = free[0]
    return places


def _by_content(name: str, cells: dict[int, list[str]]) -> dict[str, int]:
    """Columns of a file without a header: codes and times by their look, ids in the usual order."""
    behavior = [i for i, values in cells.items() if _codes(values)[0]]
    times = [i for i, values in cells.items() if i not in behavior and _looks_like_times(values)]
    if not behavior or not times:
        what = "behaviour codes" if not behavior else "times"
        raise IntakeError(
            f"{name}, line 1: the file has no header, and no column looks like {what} "
            f"({shown(', '.join(v[0] for v in cells.values()))}). Write the study file by hand: see "
            "data/studies/userbehavior.yaml."
        )
    rest = [i for i in cells if i not in (behavior[0], times[-1])]
    if len(rest) < 3:
        raise IntakeError(f"{name}, line 1: no three columns are left for user, item and category.")
    return dict(
        zip(
            ("user_id", "item_id", "category_id", "behavior", "timestamp"),
            [*rest[:3], behavior[0], times[-1]],
            strict=True,
        )
    )


def _looks_like_times(values: list[str]) -> bool:
    unit = unit_of(values)
    if unit == "iso":
        return True
    numbers = [v for v in values if re.fullmatch(r"\d{9,16}", v)]
    return unit is not None and len(numbers) * 2 > len(values) and int(sorted(numbers)[len(numbers) // 2]) > 10**8


def _codes(values: list[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Codes of a column → the contract's words, and the codes that are not understood; nothing if most are not."""
    seen = Counter(values).most_common(30)
    words = {v: CODES[k] for v, _ in seen if (k := re.sub(r"[^a-z]", "", v.lower())) in CODES}
    numbered = {v for v, _ in seen if v in TIANCHI}
    if not words and len(numbered) >= 2 and sum(n for v, n in seen if v in TIANCHI) * 10 > len(values) * 9:
        words = {v: TIANCHI[v] for v in sorted(TIANCHI)}
    if sum(n for v, n in seen if v in words) * 2 <= len(values):
        return {}, ()
    return words, tuple(v for v, n in seen if v not in words and n * 1000 > len(values))


def _complete(
    name: str, columns: dict[str, str | int], cells: dict[str, list[str]], delimiter: str, header: bool, width: int
) -> _Guess:
    codes, unknown = _codes(cells["behavior"])
    if not codes:
        some = ", ".join(v for v, _ in Counter(cells["behavior"]).most_common(5))
        raise IntakeError(
            f"{name}, column {columns['behavior']!r}: the behaviour codes are not understood ({shown(some)}). Write "
            "the study file by hand, with behavior_codes that map them to pv, fav, cart, buy."
        )
    unit = unit_of(cells["timestamp"])
    if unit is None or (unit != "iso" and not _looks_like_times(cells["timestamp"])):
        raise IntakeError(
            f"{name}, column {columns['timestamp']!r}: {shown(cells['timestamp'][0])} is neither epoch seconds nor "
            "ISO 8601 with an offset, such as 2017-11-25T09:21:10+08:00. Write the times so, then try again."
        )
    plain = all(k == v for k, v in codes.items())
    ids = {c: "int64" if _whole(cells[c]) else "text" for c in ("user_id", "item_id", "category_id")}
    certain = not header and width == 5 and plain and list(columns.values()) == [1, 2, 3, 4, 5] and unit == "s"
    return _Guess(columns, delimiter, header, {} if plain else codes, unknown, ids, unit, certain)


def _whole(values: list[str]) -> bool:
    good = sum(1 for v in values if re.fullmatch(r"-?(0|[1-9]\d{0,17})", v, re.ASCII))
    return good * 100 >= sum(1 for v in values if v) * 95


def _of_parquet(file: Path) -> _Guess:
    names = pq.read_schema(file).names
    places = _by_names(file.name, names)
    columns = {c: names[i] for c, i in places.items()}
    with pq.ParquetFile(file) as source:
        head = next(source.iter_batches(20_000, columns=list(columns.values()))).to_pylist()
    cells = {c: ["" if r[n] is None else _cell(r[n]) for r in head] for c, n in columns.items()}
    return _complete(file.name, dict(columns), cells, ",", True, len(names))


def _cell(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


# the window ---------------------------------------------------------------------------------------------------------


def _days(source: CsvFile | ParquetFile) -> Counter:
    """Rows a day in Asia/Shanghai, over the whole file; day numbers from 1970-01-01."""
    calendar = Calendar(zone(ZONE), -2_208_988_800, 7_258_118_399)
    days: Counter = Counter()
    for part in source.parts():
        seconds = part.rows["timestamp"].to_numpy()
        seconds = seconds[(seconds >= -2_208_988_800) & (seconds <= 7_258_118_399)]
        values, counts = np.unique(calendar.local(seconds)[0], return_counts=True)
        days.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    if not days:
        raise IntakeError(f"{source.path.name}: no row has a user, an item, a category, a known behaviour and a time.")
    return days


def _window(days: Counter, certain: bool) -> tuple[date, date, bool]:
    """First and last day, and whether they are the published ones of UserBehavior."""
    total = sum(days.values())
    inside = sum(n for d, n in days.items() if PUBLISHED[0] <= EPOCH + timedelta(d) <= PUBLISHED[1])
    if certain and inside * 2 > total:
        return *PUBLISHED, True
    ordered, running = sorted(days), 0
    core = []
    for day in ordered:
        if running + days[day] > TAIL * total and running < (1 - TAIL) * total:
            core.append(day)
        running += days[day]
    first, last = core[0], core[-1]
    busy = [d for d in ordered if days[d] * 100 >= sorted(days[c] for c in core)[len(core) // 2]]
    for day in reversed([d for d in busy if d < first]):
        first = day if first - day <= GAP_DAYS else first
    for day in [d for d in busy if d > last]:
        last = day if day - last <= GAP_DAYS else last
    return EPOCH + timedelta(first), EPOCH + timedelta(last), False


# the text -----------------------------------------------------------------------------------------------------------


def _name(file: Path) -> str:
    stem = re.sub(r"\.(csv|gz|txt|tsv|parquet)", "", file.name.lower())
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")[:40] or "study"


def _quoted(text: str) -> str:
    """A YAML string in double quotes; what does not print is escaped."""
    plain = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)


def _yaml(file: Path, name: str, guess: _Guess, days: Counter, parquet: bool, path: str) -> str:
    first, last, published = _window(days, guess.certain)
    rows = sum(days.values())
    inside = sum(n for d, n in days.items() if first <= EPOCH + timedelta(d) <= last)
    window = (
        "the published window of Taobao UserBehavior, in UTC+8"
        if published
        else "guess: the whole days that hold the rows"
    )
    text = [
        f"# A first study file for {_quoted(file.name)}. Check every line that says 'guess'.",
        f"name: {name}",
        f"title: {_quoted('Taobao UserBehavior' if published else file.stem)}",
        "language: zh",
        "currency: CNY",
        f"time_zone: {ZONE}" + ("" if published else "   # guess: the file does not say it"),
        f"window: {{start: {first}, end: {last}}}   # {window}; {inside} of {rows} usable rows",
        "",
        "tables:",
        "  events:",
        f"    path: {_quoted(path)}",
        f"    format: {'parquet' if parquet else 'csv'}",
    ]
    if not parquet:
        text += [f"    header: {str(guess.header).lower()}", f"    delimiter: {json.dumps(guess.delimiter)}"]
    text += ["    columns:", *(_column(c, v, guess) for c, v in guess.columns.items()), *_code_lines(guess)]
    if guess.unit != "us" or not parquet:
        text.append(
            f"    timestamp_unit: {guess.unit}" + ("" if guess.certain else "   # guess: from the range of the times")
        )
    if "text" in guess.ids.values():
        text.append(
            f"    ids: {{{', '.join(f'{c}: {t}' for c, t in guess.ids.items())}}}   # guess: not all are whole numbers"
        )
    return "\n".join([*text, "", "privacy: {min_cell: 10}", ""])


def _column(column: str, source: str | int, guess: _Guess) -> str:
    written = _quoted(source) if isinstance(source, str) else source
    how = (
        ""
        if guess.certain or source == column
        else f"   # guess: {'by its name' if guess.header else 'by position and content'}"
    )
    return f"      {column}: {written}{how}"


def _code_lines(guess: _Guess) -> list[str]:
    if not guess.codes:
        return (
            [f"    # unknown behaviours go to the ledger: {', '.join(map(shown, guess.unknown))}"]
            if guess.unknown
            else []
        )
    lines = ["    behavior_codes:"]
    lines += [f"      {_quoted(k)}: {w}   # guess: what the code means" for k, w in guess.codes.items()]
    lines += [f"      # {shown(u)} is not understood; its rows go to the ledger" for u in guess.unknown]
    return lines
