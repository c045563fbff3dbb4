"""The data door: files → verified Parquet tables, a ledger of rejects and a manifest.

Every line of every input is accounted for: lines = header + blank + continuation + accepted + rejects by reason,
checked against an independent count of the raw bytes. Where the count does not reconcile, nothing is used.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import study as _study
from helpers.intake.cache import (
    Remembered,
    lock,
    new_temporary,
    publish,
    read_verified,
    settings_hash,
    sweep,
)
from helpers.intake.errors import IntakeError, shown
from helpers.study import Study, TableInput, nearest

__all__ = ["Ingested", "IntakeError", "ingest", "ingest_all", "with_rows"]

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Ingested:
    """One table, verified: where its rows and rejects are, and its account."""

    table: str
    data: Path | str
    rejects: Path
    manifest: dict[str, Any]
    data_hash: str

    @property
    def rows(self) -> int:
        """Rows of the table; 0 where the files hold a header and nothing else."""
        return self.manifest["rows"]


def ingest(study: Study, table: str, *, progress: Progress | None = None) -> Ingested:
    """Take in one table of a study, or find it in the cache.

    Parameters
    ----------
    study : Study
        A validated study.
    table : str
        A table that the study brings, such as 'events'.
    progress : callable, optional
        Called with what is being done and the part of it that is done, 0 … 1.

    Returns
    -------
    Ingested
        `data`: Parquet with the columns of the contract in its order, and `day` and `hour` in the study's zone for
        tables with a clock; sorted by the contract's order. `rejects`: Parquet, one row a reject (`ledger.SCHEMA`).

    Raises
    ------
    IntakeError
        The input cannot be used or holds no rows, or another run is working on the study.
    """
    if table not in study.tables:
        raise IntakeError(f"The study {study.name!r} has no table {table!r}. {nearest(table, tuple(study.tables))}")
    return _with_rows(_ingest(study, table, progress or (lambda what, part: None)))


def ingest_all(study: Study, *, progress: Progress | None = None) -> dict[str, Ingested]:
    """Take in all tables of a study; see `ingest`.

    A table whose files hold a header and no rows counts as absent: it is in the account with 0 rows, and `with_rows`
    leaves it out. The events, or the only table of a study, must have rows.

    Raises
    ------
    IntakeError
        See `ingest`.
    """
    said = progress or (lambda what, part: None)
    found = {table: _ingest(study, table, said) for table in study.tables}
    for table, each in found.items():
        if table == "events" or not with_rows(found):
            _with_rows(each)
    return found


def with_rows(ingested: dict[str, Ingested]) -> dict[str, Ingested]:
    """The tables that can be asked: those that have rows."""
    return {table: each for table, each in ingested.items() if each.rows}


def _with_rows(found: Ingested) -> Ingested:
    """The same table; refused where it has no rows."""
    if not found.rows:
        names = ", ".join(i["path_name"] for i in found.manifest["inputs"])
        raise IntakeError(f"{names}: the file has a header but no rows. Check that it was copied whole.")
    return found


def _ingest(study: Study, table: str, said: Progress) -> Ingested:
    """One table from the cache or from its files; it may be without rows."""
    _refuse_remote(study, table)
    _refuse_nameless(study, table)
    if study.engine.intake == "cluster":
        from helpers.intake.cluster import ingest_on_cluster

        return Ingested(table, *ingest_on_cluster(study, table, said))
    folder = _study.CACHE / study.name
    remembered = Remembered(folder)
    try:
        known = [remembered.sha256(p) for p in study.tables[table].paths]
    except OSError:
        known = [None]  # reading will say what is wrong with the file
    if all(known) and (found := _cached(study, table, folder, [k for k in known if k])):
        return found
    try:
        with lock(folder, study.name):
            sweep(folder)
            return _build(study, table, folder, remembered, said)
    except OSError as error:
        raise IntakeError(_disk(error, folder)) from error


def _refuse_remote(study: Study, table: str) -> None:
    for url in study.tables[table].remote:
        if not study.allow_remote:
            raise IntakeError(f"tables.{table}.path: {url[:60]!r} is a URL. Fetch the file and give its path.")
        if study.engine.intake != "cluster":
            raise IntakeError(
                f"tables.{table}.path: {url[:60]!r}: remote files cannot be read on this engine, although the study "
                "allows them. Fetch the file and give its path, or read it with engine: {kind: spark, intake: cluster}."
            )


def _refuse_nameless(study: Study, table: str) -> None:
    """A name that is not text cannot stand in a ledger or on a page."""
    for path in study.tables[table].paths:
        if any(0xD800 <= ord(c) <= 0xDFFF for c in path.name):
            raise IntakeError(f"{shown(path.name)}: the file's name is not text in UTF-8. Rename the file.")


def _place(folder: Path, table: str, data_hash: str) -> Path:
    return folder / f"{table}-{data_hash[:16]}"


def _cached(study: Study, table: str, folder: Path, inputs: list[str]) -> Ingested | None:
    data_hash = settings_hash(study, table, inputs)
    final = _place(folder, table, data_hash)
    manifest = read_verified(final, data_hash)
    if manifest is None:
        return None
    return Ingested(table, final / "data.parquet", final / "rejects.parquet", manifest, data_hash)


def _build(study: Study, table: str, folder: Path, remembered: Remembered, said: Progress) -> Ingested:
    from helpers.intake.build import TableBuild

    given = study.tables[table]
    states = [_state(p) for p in given.paths]
    flights = [_flight(p, given, lambda part, p=p: said(f"{table}: hashing {p.name}", part)) for p in given.paths]
    inputs = [f.sha256 for f in flights]
    for path, sha256, state in zip(given.paths, inputs, states, strict=True):
        remembered.keep(path, sha256, state=state)
    if found := _cached(study, table, folder, inputs):
        return found
    data_hash = settings_hash(study, table, inputs)
    final = _place(folder, table, data_hash)
    temporary = new_temporary(folder, table)
    try:
        build = TableBuild(study, table, temporary, said)
        if final.exists():
            build.notes.append("the cached table was damaged and has been made again")
            said(f"{table}: the cached table is damaged; making it again", 0.0)
        manifest = build.run(flights, data_hash)
        changed = [p.name for p, state in zip(given.paths, states, strict=True) if _state(p) != state]
        if changed:
            raise IntakeError(
                f"{changed[0]}: the file changed while it was read. Wait until it is whole, then try again."
            )
        publish(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Ingested(table, final / "data.parquet", final / "rejects.parquet", manifest, data_hash)


def _state(path: Path) -> list[int]:
    from helpers.intake.lines import unreadable

    try:
        return Remembered.state(path)
    except OSError as error:
        raise unreadable(path, error) from None


def _flight(path: Path, given: TableInput, said: Callable[[float], None]) -> Any:
    """Pre-flight of one file."""
    from helpers.intake.parquet_files import parquet_flight
    from helpers.intake.preflight import preflight

    return parquet_flight(path) if given.format == "parquet" else preflight(path, given.encoding, progress=said)


def _disk(error: OSError, folder: Path) -> str:
    import errno

    if error.errno == errno.ENOSPC:
        return "The disk that holds data/cache is full. Free some space (about the size of the input), then try again."
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return (
            f"data/cache/{folder.name} cannot be written ({error.strerror}). Make the folder writable, then try again."
        )
    return f"data/cache/{folder.name}: {error.strerror or error}. Check the disk, then try again."
