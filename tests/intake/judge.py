"""Runs the data door on one broken file and judges the outcome against the oracle."""

from __future__ import annotations

import random
from pathlib import Path

import oracle
import pyarrow.parquet as pq
from mutations import MUTATIONS, clean_log

from helpers.intake import IntakeError, ingest
from helpers.study import Study, TableInput, Window

KEEPS = {"identity", "crlf", "cr", "mixed_ends", "bom", "all_quoted", "quoted_fields", "no_last_line_end", "duplicates"}
KEEPS |= {"blank_lines", "edge_id", "odd_word", "odd_time", "short_rows", "long_rows", "stray_quote", "stray_quotes"}
KEEPS |= {
    "unclosed_quotes",
    "line_end_in_quotes",
    "quoted_delimiters",
    "nul_bytes",
    "header_inside",
    "footer",
    "truncated",
}
KEEPS |= {"giant_line", "chinese", "backslashes", "spaces", "unicode_lines", "column_swapped_rows"}
HEADERS = [
    ["user_id", "item_id", "category_id", "behavior", "timestamp"],
    ["timestamp", "behavior", "user_id", "item_id", "category_id"],
    ["behavior", "user_id", "note", "item_id", "timestamp", "category_id"],
]


def study_of(path: Path, header: bool) -> Study:
    """A study of one log, without a study file."""
    columns = None if header else {n: i for i, n in enumerate(oracle.NAMES, start=1)}
    given = TableInput(path=str(path), header=header, columns=columns)
    window = Window(start="2017-11-25", end="2017-12-03")  # type: ignore[arg-type]
    return Study(name="fuzz", title="Fuzz", window=window, tables={"events": given})


def broken_file(seed: int) -> tuple[str, bytes, list[str] | None]:
    """Name of the mutation, bytes, and the header they began with (None: no header)."""
    r = random.Random(seed)
    name = sorted(MUTATIONS)[seed % len(MUTATIONS)]
    data, header = clean_log(r), None
    if r.random() < 0.4:
        header = r.choice(HEADERS)
        rows = [dict(zip(oracle.NAMES, line.split(b","), strict=True)) for line in data.split(b"\n")[:-1]]
        lines = [",".join(header).encode(), *(b",".join(row.get(n, b"x") for n in header) for row in rows)]
        data = b"\n".join(lines) + b"\n"
    return name, MUTATIONS[name](data, r), header


def judge(seed: int, folder: Path) -> str:
    """'taken', 'refused', or what is wrong."""
    name, data, header = broken_file(seed)
    path = folder / f"log-{seed}.csv"
    path.write_bytes(data)
    try:
        result = ingest(study_of(path, header is not None), "events")
    except IntakeError as error:
        must = name in KEEPS and header is None
        return f"refused without need: {error}" if must else "refused" if path.name in str(error) else f"mute: {error}"
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}"
    return wrong_account(data, result) or wrong_rows(data, result, header) or "taken"


def wrong_account(data: bytes, result) -> str:
    """What does not add up, or ''."""
    account = result.manifest["inputs"][0]
    lines = oracle.lines_of(data.removeprefix(b"\xef\xbb\xbf"))
    if account["lines"] != len(lines):
        return f"lines: {account['lines']} are said, {len(lines)} there"
    known = sum(account[k] for k in ("header", "blank", "continuation", "accepted")) + sum(account["rejects"].values())
    if known != len(lines) or account["accepted"] != pq.read_metadata(result.data).num_rows:
        return f"unaccounted lines: {known} of {len(lines)}"
    rejects = pq.read_table(result.rejects).to_pylist()
    if len(rejects) != sum(account["rejects"].values()) or len({r["line"] for r in rejects}) != len(rejects):
        return "the ledger does not hold what the account says"
    for r in rejects:
        line = lines[r["line"] - 1]
        there = data[r["byte_offset"] : r["byte_offset"] + len(line)]
        if r["raw"] != line[:4096] or r["bytes"] != len(line) or there != line:
            return f"the ledger's bytes of line {r['line']} are not the file's"
    return ""


def wrong_rows(data: bytes, result, header: list[str] | None) -> str:
    """Rows that are not in the file, or are lost; ''."""
    names = oracle.NAMES
    table = pq.read_table(result.data)
    taken = list(zip(*(table[n].to_pylist() for n in names), strict=True))
    there = oracle.rows_of(data, header=oracle.header_of(data) if header else None)
    rejects = result.manifest["inputs"][0]["rejects"]
    extra = set(taken) - set(there)
    if extra or len(set(taken)) != len(taken):
        return f"silently wrong: {sorted(extra)[:2]}"
    lost = set(there) - set(taken)
    if len(lost) > rejects.get("truncated last line", 0) + rejects.get("preamble", 0):
        return f"lost: {sorted(lost)[:2]} of {len(lost)}; {rejects}"
    doubled = sum(there.values()) - len(there)
    elsewhere = rejects.get("truncated last line") or rejects.get("preamble")
    if rejects.get("duplicate", 0) != doubled and not elsewhere:
        return f"duplicates: {rejects.get('duplicate', 0)} are said, {doubled} there"
    return ""
