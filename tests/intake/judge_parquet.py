"""Runs the data door on one Parquet file and judges the outcome against what its rows had to become."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from helpers.intake import Ingested, IntakeError, ingest
from helpers.study import Study, TableInput, Window
from tests.intake import oracle
from tests.intake.judge import Verdict, Wrong, own_cache
from tests.intake.mutations_parquet import Case, case_of


def judge_parquet(seed: int, folder: Path) -> Verdict:
    """Take in the Parquet file of a number, and say what became of it."""
    case, place = case_of(seed), folder / f"p{seed}"
    place.mkdir()
    try:
        with own_cache(place / "cache"):
            outcome, fault = _outcome(case, place / "log[1].parquet")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return Verdict(case.operator, outcome, f"Parquet file {seed} ({case.operator}): {fault}" if fault else "")


def _outcome(case: Case, path: Path) -> tuple[str, str]:
    path.write_bytes(case.bytes())
    told = case.told
    given = TableInput(path=str(path), format="parquet", columns=told.columns, ids=told.ids)  # type: ignore[arg-type]
    window = Window(start=told.days[0], end=told.days[1])  # type: ignore[arg-type]
    study = Study(name="fuzz", title="Fuzz", time_zone=told.zone, window=window, tables={told.table: given})
    try:
        result = ingest(study, told.table)
    except IntakeError as error:
        if path.name not in str(error) or len(str(error)) > 2000:
            return "mute refusal", str(error)[:300]
        return ("refused without need", str(error)[:300]) if case.must == "taken" else ("refused", "")
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    try:
        return _judge_taken(case, path, result), ""
    except Wrong as wrong:
        return wrong.outcome, wrong.fault


def _judge_taken(case: Case, path: Path, result: Ingested) -> str:
    if case.must == "refused":
        raise Wrong("silently wrong", f"was taken, with {result.manifest['rows']} rows")
    if not result.manifest["rows"]:
        raise Wrong("silently empty", "was taken without a row")
    rejects = pq.ParquetFile(result.rejects).read(use_threads=False).to_pylist()
    names = list(oracle.TABLES[case.told.table])
    table = pq.ParquetFile(result.data).read(use_threads=False)
    taken = list(zip(*(table[n].to_pylist() for n in names), strict=True))
    try:
        _compare(case, case.rows, taken, rejects, result)
    except Wrong:
        if case.must != "as another reader":
            raise
        _compare(case, _as_another_reader(path), taken, rejects, result)
    return "ledger" if rejects else "clean"


def _compare(case: Case, rows: list[tuple | None], taken: list, rejects: list[dict], result: Ingested) -> None:
    account = result.manifest["inputs"][0]
    out = {r["line"]: r["reason"] for r in rejects}
    known = account["accepted"] + sum(account["rejects"].values())
    if not account["lines"] == len(rows) == known == len(taken) + len(out):
        raise Wrong("unaccounted", f"{known} of {len(rows)} rows")
    names, unique = list(oracle.TABLES[case.told.table]), oracle.KEYS[case.told.table]
    seen, kept = set(), []
    for line, row in enumerate(rows, 1):
        key = row if row is None or not unique else tuple(row[names.index(k)] for k in unique)
        must_out = row is None or (key in seen and _whole_seconds(case))
        seen.add(key)
        if must_out and line not in out:
            raise Wrong("silently wrong", f"row {line} was taken: {row}")
        if not must_out and line in out:
            raise Wrong("lost", f"row {line}: {row}; ledger: {out[line]}")
        kept += [] if must_out else [row]
    if Counter(kept) != Counter(taken):
        extra = Counter(taken) - Counter(kept)
        raise Wrong("silently wrong", f"rows that the file does not hold: {next(iter(extra), 'fewer')}")


def _whole_seconds(case: Case) -> bool:
    """Rows of one second may differ in what is below it; then equal rows are no duplicates."""
    return case.operator not in ("times_with_a_zone", "times_in_other_units", "int96")


def _as_another_reader(path: Path) -> list[tuple | None]:
    """What DuckDB's own Parquet reader finds in a damaged file of events, put through the rules."""
    names, told = list(oracle.TABLES["events"]), oracle.Told()
    try:
        with duckdb.connect() as connection:
            found = connection.from_parquet(str(path).replace("[", "[[]", 1)).project(", ".join(names)).fetchall()
    except duckdb.Error as error:
        raise Wrong("silently wrong", f"was taken, but another reader refuses it: {str(error)[:200]}") from None
    return [_row(dict(zip(names, row, strict=True)), told) for row in found]


def _row(cells: dict, told: oracle.Told) -> tuple | None:
    texts = {
        n: "" if v is None else v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v)
        for n, v in cells.items()
    }
    if any("\0" in t for t in texts.values()):
        return None
    found = oracle.row_values(texts, told)
    return found[0] if found else None
