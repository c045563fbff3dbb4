"""Runs the data door on one broken file and judges the outcome against the oracle."""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import ValidationError

from helpers import study as study_module
from helpers.intake import Ingested, IntakeError, ingest, lines
from helpers.intake.errors import shown
from helpers.study import Study, TableInput, Window
from tests.intake import mutations, mutations_files, mutations_values, oracle  # noqa: F401
from tests.intake.logs_to_break import SWAPPED, Log, any_log
from tests.intake.operators import OPERATORS

GOOD = ("clean", "ledger", "refused")
"""What may become of a file: all its rows taken; all good rows taken and the others in the ledger; refused."""
RARE = {"gz_bomb": 25}
"""Operators that take long are tried once in so many rounds."""


@dataclass(frozen=True)
class Verdict:
    """What became of one file: its operator, its class, and what is wrong ('' for the good classes)."""

    operator: str
    outcome: str
    fault: str = ""


class Wrong(Exception):
    """Something that may not be: class and fault."""

    def __init__(self, outcome: str, fault: str) -> None:
        super().__init__(fault)
        self.outcome, self.fault = outcome, fault


def broken_log(seed: int) -> Log:
    """The log of a number: all operators take turns."""
    r = random.Random(seed)
    names = sorted(OPERATORS)
    turn, at = divmod(seed, len(names))
    name = "gz" if turn % RARE.get(names[at], 1) else names[at]
    log = any_log(r)
    while OPERATORS[name].kinds and not log.places(*OPERATORS[name].kinds):
        log = any_log(r)
    if r.random() < 0.2 and log.told.encoding == "auto":
        log.tell(delimiter=r.choice(";\t|"))
    OPERATORS[name].change(log, r)
    log.operator, log.must = name, log.must or OPERATORS[name].must
    if log.told.delimiter != ",":
        _write_with_delimiter(log)
    return log


def _write_with_delimiter(log: Log) -> None:
    """The same file with the delimiter that the study says: it and the comma change places."""
    table = SWAPPED[log.told.delimiter]
    log.data = log.data.translate(table)
    log.more = [(name, data.translate(table)) for name, data in log.more]


def judge(seed: int, folder: Path) -> Verdict:
    """Take in the log of a number, and say what became of it."""
    log, place = broken_log(seed), folder / f"{seed}"
    place.mkdir()
    try:
        with own_cache(place / "cache"), _own_chunk(random.Random(seed), log):
            outcome, fault = _outcome(log, seed, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Verdict(log.operator, outcome, f"file {seed} ({log.operator}): {fault}" if fault else "")


def _outcome(log: Log, seed: int, place: Path) -> tuple[str, str]:
    try:
        study = study_of(log, place, random.Random(seed))
    except ValidationError as error:
        return ("mute refusal" if log.must == "taken" else "refused"), str(error) if log.must == "taken" else ""
    try:
        result = ingest(study, log.told.table)
    except IntakeError as error:
        return _refusal(log, str(error))
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    try:
        return judge_taken(log, result, study), ""
    except Wrong as wrong:
        return wrong.outcome, wrong.fault


def _refusal(log: Log, message: str) -> tuple[str, str]:
    names = [log.name, shown(log.name), *(Path(name).name for name, _ in log.more)]
    if not any(name in message for name in names) or len(message) > 2000:
        return "mute refusal", message[:300]
    if log.must == "taken" and log.header in _own_lines(log) and (_utf8(log.data) or log.told.encoding != "auto"):
        return "refused without need", message[:300]
    return "refused", ""


def _own_lines(log: Log) -> list[bytes]:
    header = [b""] if not log.told.header else []
    return [line.translate(SWAPPED.get(log.told.delimiter)) for line in oracle.lines_of(log.data)[:20]] + header


@contextmanager
def own_cache(cache: Path):
    before, study_module.CACHE = study_module.CACHE, cache
    try:
        yield
    finally:
        study_module.CACHE = before


@contextmanager
def _own_chunk(r: random.Random, log: Log):
    """Now and then a small file is read in several blocks, as large ones are."""
    before = lines.CHUNK
    if len(log.data) < 60_000 and r.random() < 0.4:
        lines.CHUNK = max(40, len(log.data) // r.randint(2, 7))
    try:
        yield
    finally:
        lines.CHUNK = before


def study_of(log: Log, place: Path, r: random.Random) -> Study:
    """Write the files; a study of them."""
    told, paths = log.told, []
    for name, data in [(log.name, log.data if log.packed is None else log.packed), *log.more]:
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        paths.append(str(path))
    given = TableInput(
        path=paths if len(paths) > 1 else paths[0],
        header=told.header,
        columns=told.columns,
        delimiter=told.delimiter,
        encoding=told.encoding,
        ids=told.ids,
        behavior_codes=told.words,
        timestamp_unit=told.unit if told.unit != "s" and r.random() < 0.3 else "auto",
        duplicates=told.duplicates,
    )
    window = Window(start=told.days[0], end=told.days[1])  # type: ignore[arg-type]
    return Study(name="fuzz", title="Fuzz", time_zone=told.zone, window=window, tables={told.table: given})


def judge_taken(log: Log, result: Ingested, study: Study) -> str:
    """'clean' or 'ledger'; raises `Wrong` for anything that may not be."""
    if log.must == "refused":
        raise Wrong("silently wrong", f"was taken, with {result.manifest['rows']} rows")
    if not result.manifest["rows"]:
        raise Wrong("silently empty", "was taken without a row")
    unit = study.tables[log.told.table].timestamp_unit
    log.tell(unit=_said_unit(result) if unit == "auto" else unit)
    contents = [log.data, *(data for _, data in log.more)]
    rejects = pq.ParquetFile(result.rejects).read(use_threads=False).to_pylist()
    account(log, contents, result, rejects)
    try:
        truth = oracle.truth(contents, log.told)
    except oracle.Unreadable as error:
        raise Wrong("silently wrong", f"was taken: {error}") from None
    compare(log, truth, result, rejects)
    return "ledger" if rejects else "clean"


def _said_unit(result: Ingested) -> str:
    notes = " ".join(result.manifest["notes"])
    words = {"milliseconds": "ms", "microseconds": "us", "ISO 8601 texts": "iso"}
    return next((u for word, u in words.items() if f"times are {word}" in notes), "s")


# --- the account ------------------------------------------------------------------------------------------------------


def account(log: Log, contents: list[bytes], result: Ingested, rejects: list[dict]) -> None:
    """Every line of every file stands in the account, and the ledger's bytes are the file's."""
    inputs = {a["path_name"]: a for a in result.manifest["inputs"]}
    names = [Path(n).name for n in (log.name, *(n for n, _ in log.more))]
    if sum(a["accepted"] for a in inputs.values()) != pq.read_metadata(result.data).num_rows:
        raise Wrong("unaccounted", "the rows written are not the rows accepted")
    if len(rejects) != sum(sum(a["rejects"].values()) for a in inputs.values()):
        raise Wrong("unaccounted", "the ledger does not hold what the account says")
    for name, data in zip(names, contents, strict=True):
        _account_of(data, inputs[name], [r for r in rejects if r["file"] == name])


def _account_of(data: bytes, said: dict, rejects: list[dict]) -> None:
    starts, ends = _bounds(data)
    if said["lines"] != len(starts):
        raise Wrong("unaccounted", f"{said['lines']} lines are said, {len(starts)} there")
    known = sum(said[k] for k in ("header", "blank", "continuation", "accepted")) + sum(said["rejects"].values())
    if known != len(starts):
        raise Wrong("unaccounted", f"{known} of {len(starts)} lines")
    if len({r["line"] for r in rejects}) != len(rejects):
        raise Wrong("unaccounted", "a line stands twice in the ledger")
    last = set(ends)
    for r in rejects:
        start, stop = starts[r["line"] - 1], r["byte_offset"] + r["bytes"]
        whole = r["byte_offset"] == start and stop in last and stop >= ends[r["line"] - 1]
        if not whole or r["raw"] != data[start : min(stop, start + 4096)]:
            raise Wrong("unaccounted", f"the ledger's bytes of line {r['line']} are not the file's")


def _bounds(data: bytes) -> tuple[list[int], list[int]]:
    """Where each line starts and ends, without the mark at the top."""
    at = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    at = 4 if data.startswith(b"\x84\x31\x95\x33") and not _utf8(data) else at
    starts, ends = [], []
    for line in re.finditer(rb"[^\r\n]*(\r\n|\n|\r|\Z)", data[at:]):
        if line.end() > line.start():
            starts.append(at + line.start())
            ends.append(at + line.start(1))
    return starts, ends


def _utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


# --- the rows ---------------------------------------------------------------------------------------------------------


def compare(log: Log, truth: oracle.Truth, result: Ingested, rejects: list[dict]) -> None:
    """The rows taken are those that the files hold; each other good row stands in the ledger as a late loss."""
    names, table = list(oracle.TABLES[log.told.table]), pq.ParquetFile(result.data).read(use_threads=False)
    taken = list(zip(*(table[n].to_pylist() for n in names), strict=True))
    files = [Path(n).name for n in (log.name, *(n for n, _ in log.more))]
    out = {(r["file"], r["line"]): r["reason"] for r in rejects}
    kept = [r for r in truth.kept if out.get((files[r.file], r.line)) != "truncated last line"]
    cut = len(truth.kept) - len(kept)
    if cut > len(files) or any(d.endswith((b"\n", b"\r")) for d in [log.data][: cut if not log.more else 0]):
        raise Wrong("lost", f"{cut} good rows are called truncated")
    wanted, there = Counter(r.values for r in kept), Counter(taken)
    if extra := there - wanted:
        raise Wrong("silently wrong", f"{sum(extra.values())} rows that the file does not hold: {next(iter(extra))}")
    if lost := wanted - there:
        row = next(r for r in kept if r.values in lost)
        raise Wrong("lost", f"line {row.line}: {row.values}; ledger: {out.get((files[row.file], row.line))}")
    _compare_doubles(truth, files, out)
    _compare_calendar(log, table)
    _compare_order(log, names, taken)


def _compare_doubles(truth: oracle.Truth, files: list[str], out: dict) -> None:
    said = {place for place, reason in out.items() if reason in ("duplicate", "duplicate key")}
    there = {(files[r.file], r.line) for r in truth.doubled}
    if said - there:
        raise Wrong("lost", f"called a duplicate, but is none: {sorted(said - there)[0]}")
    if wrong := [p for p in there - said if out.get(p) != "truncated last line"]:
        raise Wrong("unaccounted", f"a duplicate that the ledger does not know: {wrong[0]}")


def _compare_calendar(log: Log, table) -> None:
    if "timestamp" not in table.column_names:
        return
    seen = set(zip(*(table[n].to_pylist() for n in ("timestamp", "day", "hour")), strict=True))
    for second, day, hour in seen:
        if oracle.day_and_hour(second, log.told.zone) != (day, hour):
            raise Wrong("silently wrong", f"{second} is put on {day}, hour {hour}")


def _compare_order(log: Log, names: list[str], taken: list[tuple]) -> None:
    at = [names.index(n) for n in oracle.ORDER[log.told.table]]
    keys = [tuple(row[i] if not isinstance(row[i], str) else row[i].encode() for i in at) for row in taken]
    if keys != sorted(keys):
        raise Wrong("silently wrong", "the rows are not in the order of the contract")
