"""Logs of up to a million rows with quotes and long lines in the wrong places, and which rows must survive."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from helpers.intake import IntakeError, ingest
from helpers.study import Study, TableInput, Window
from tests.intake.judge import Verdict, own_cache

HEADER = b"user_id,item_id,category_id,behavior,timestamp,note"
START, SECONDS = 1511539200, 777_600
WORDS = ("buy", "cart", "fav", "pv")
Way = Callable[[list[bytes], random.Random], tuple[set[int], int]]
WAYS: dict[str, Way] = {}


def way(change: Way) -> Way:
    """Enter a function that changes lines in place; it gives the rows that must be in the ledger, and the number of
    lines by which records are longer than one line."""
    WAYS[change.__name__] = change
    return change


@dataclass(frozen=True)
class Large:
    """Rows whose item is their number, so that no two are equal."""

    rows: int
    seed: int

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The values, row by row."""
        r = np.random.default_rng(self.seed)
        return {
            "user_id": r.integers(1, 5000, self.rows),
            "item_id": np.arange(self.rows),
            "category_id": r.integers(1, 900, self.rows),
            "behavior": r.integers(0, 4, self.rows),
            "timestamp": START + r.integers(0, SECONDS, self.rows),
        }

    @cached_property
    def lines(self) -> tuple[bytes, ...]:
        """The rows as text."""
        rows = zip(*(c.tolist() for c in self.columns.values()), strict=True)
        return tuple(f"{u},{i},{c},{WORDS[b]},{t},x".encode() for u, i, c, b, t in rows)


def _some(lines: list[bytes], r: random.Random, many: int) -> list[int]:
    return r.sample(range(len(lines)), min(many, len(lines) // 4))


@way
def nothing_wrong(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    return set(), 0


@way
def one_quote(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    at = len(lines) // 3
    lines[at] = b'"' + lines[at]
    return {at}, 0


@way
def an_open_quote_far_from_its_end(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    a, b = len(lines) // 10, len(lines) * 9 // 10
    lines[a] = lines[a][:-1] + b'"open'
    lines[b] = lines[b][:-1] + b'shut"'
    return {a, b}, 0


@way
def open_quotes_everywhere(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    out = _some(lines, r, len(lines) // 100)
    for i in out:
        lines[i] = lines[i][:-1] + b'"x'
    return set(out), 0


@way
def quotes_inside_fields(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    out = _some(lines, r, len(lines) // 100)
    for i in out:
        lines[i] += b'5" wide'
    return set(out), 0


@way
def everything_quoted(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    lines[:] = [b'"' + line.replace(b",", b'","') + b'"' for line in lines]
    return set(), 0


@way
def notes_over_two_lines(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    longer = _some(lines, r, len(lines) // 50)
    for i in longer:
        lines[i] = lines[i][:-1] + b'"a ""b"",\nc"'
    return set(), len(longer)


@way
def rows_inside_a_note(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    # a note that seems to hold whole rows: one open quote and one that closes it, two lines further down
    out = {i + k for i in range(5, len(lines) - 9, max(20, len(lines) // 500)) for k in (0, 2)}
    for i in out:
        lines[i] = lines[i][:-1] + (b'"open' if i - 2 not in out else b'shut"')
    return out, 0


@way
def lines_over_the_cap(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    out = _some(lines, r, 4)
    for i, size in zip(out, ((1 << 20) + 1, 3 << 20, 17 << 20, 50 << 20), strict=True):
        lines[i] = lines[i] + b"x" * (size - len(lines[i]))
    return set(out), 0


@way
def long_lines_below_the_cap(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    for i in _some(lines, r, max(8, len(lines) // 25_000)):
        lines[i] += b"x" * r.choice([4095, 4096, 70_000, (1 << 20) - len(lines[i])])
    return set(), 0


@way
def long_quoted_lines(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    for i in _some(lines, r, max(8, len(lines) // 25_000)):
        lines[i] = lines[i][:-1] + b'"' + b"x," * r.choice([2000, 35_000, 500_000]) + b'"'
    return set(), 0


@way
def a_giant_line_that_opens_a_quote(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    at = len(lines) // 2
    lines[at] = lines[at][:-1] + b'"' + b"x" * (20 << 20)
    lines[at + 7] = lines[at + 7][:-1] + b'x"'
    return {at, at + 7}, 0


@way
def nul_bytes(lines: list[bytes], r: random.Random) -> tuple[set[int], int]:
    out = _some(lines, r, 200)
    for i in out:
        lines[i] = lines[i].replace(b",", b"\0,", 1)
    return set(out), 0


def judge_large(name: str, large: Large, folder: Path) -> Verdict:
    """Take in a large log, and say what became of it."""
    r = random.Random(f"{name} {large.seed}")
    lines = list(large.lines)
    out, longer = WAYS[name](lines, r)
    end, packed = r.choice([b"\n", b"\r\n", b"\r"]) if not longer else b"\n", r.random() < 0.2
    path = folder / ("log.csv.gz" if packed else "log.csv")
    data = end.join([HEADER, *lines, b""])
    path.write_bytes(gzip.compress(data, 1) if packed else data)
    del data
    outcome, fault = _outcome(path, large, out, longer, folder / "cache")
    path.unlink()
    return Verdict(name, outcome, f"{large.rows} rows, {name}: {fault}" if fault else "")


PARQUET = {
    "one_row_group": {"row_group_size": 1 << 30},
    "a_thousand_row_groups": {"row_group_size": 0},
    "small_pages_as_differences": {"use_dictionary": False, "data_page_size": 4096, "column_encoding": "DELTA"},
}
"""Ways to write a large Parquet file, by the writer's options; every thousandth row misses its user."""


def judge_large_parquet(name: str, large: Large, folder: Path) -> Verdict:
    """Take in a large Parquet file, and say what became of it."""
    columns, options = dict(large.columns), dict(PARQUET[name])
    out = set(range(0, large.rows, 1000))
    users = pa.array(columns["user_id"], mask=np.isin(columns["item_id"], list(out)))
    words = pa.array(np.array(WORDS, object)[columns["behavior"]], pa.string())
    options["row_group_size"] = options.get("row_group_size") or max(100, large.rows // 1000)
    if "column_encoding" in options:
        whole = dict.fromkeys(columns, "DELTA_BINARY_PACKED")
        options["column_encoding"] = whole | {"behavior": "DELTA_BYTE_ARRAY"}
    path = folder / "log.parquet"
    pq.write_table(pa.table(columns | {"user_id": users, "behavior": words}), path, **options)
    outcome, fault = _outcome(path, large, out, -1, folder / "cache")
    path.unlink()
    return Verdict(name, outcome, f"Parquet of {large.rows} rows, {name}: {fault}" if fault else "")


def _outcome(path: Path, large: Large, out: set[int], longer: int, cache: Path) -> tuple[str, str]:
    """`longer` is -1 for Parquet, where a row is a line and nothing else is one."""
    window = Window(start="2017-11-25", end="2017-12-03")  # type: ignore[arg-type]
    given = TableInput(path=str(path), format="parquet" if longer < 0 else "csv")
    study = Study(name="large", title="Large", window=window, tables={"events": given})
    try:
        with own_cache(cache):
            result = ingest(study, "events")
    except IntakeError as error:
        return "refused without need", str(error)[:300]
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    account = result.manifest["inputs"][0]
    said = (account["lines"], account["continuation"], account["accepted"], sum(account["rejects"].values()))
    if said != (large.rows + 1 + longer, max(0, longer), large.rows - len(out), len(out)):
        return "unaccounted", f"lines, continuation, accepted, rejects: {said}; {len(out)} rows were broken"
    table = pq.read_table(result.data)
    stays = np.ones(large.rows, bool)
    stays[list(out)] = False
    order = np.argsort(table["item_id"].to_numpy())
    for column, values in large.columns.items():
        wanted = np.array(WORDS, object)[values[stays]] if column == "behavior" else values[stays]
        if not (table[column].to_numpy()[order] == wanted).all():
            return "silently wrong", f"{column} is not what stood in the file"
    return "ledger" if out else "clean", ""
