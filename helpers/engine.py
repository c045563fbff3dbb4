"""Where event-level work runs: Ibis expressions on DuckDB by default, on PySpark when a study says so.

This is the one place that knows the engines. Notebooks and helpers get Ibis tables and never see a connection.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

from helpers.study import CACHE, Engine

SPILL = "SMN_SPILL"
"""Names the folder for what does not fit into memory: the runner takes it away, even after a kernel was killed."""
JOBS = "SMN_JOBS"
"""Names how many kernels run side by side: they share memory and cores."""
SMALL = 20_000_000
"""Bytes of Parquet, about two million events, up to which one thread does all."""
LARGE = 250_000_000
"""Bytes of Parquet, about 27 million events, from which on held tables are kept compressed, a fifth of the memory for
half as much work again, and work within users is done for some users after the others."""
PART = 4_000_000
"""Events of the users that are worked on together in a large log."""
CONTAINERS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may take: control groups of version 2 and 1."""
HELD = "held"
STARTS = "starts"


def connect(engine: Engine, files: dict[str, Path | str]) -> dict[str, ir.Table]:
    """Open verified Parquet files as Ibis tables.

    Parameters
    ----------
    engine : Engine
        Kind, memory limit and threads, from the study file.
    files : dict of str to Path
        Table name → its cleaned Parquet file; for Spark also a folder of files, or the URI of one.

    Returns
    -------
    dict of str to ibis Table
        The same names; the files are only read.
    """
    return _spark(engine, files) if engine.kind == "spark" else _duckdb(engine, files)


def _duckdb(engine: Engine, files: dict[str, Path]) -> dict[str, ir.Table]:
    """DuckDB in this process: bounded memory, a spill folder, and no way out to other files or the network."""
    spill = Path(os.environ.get(SPILL) or Path(tempfile.gettempdir()) / f"spill-{os.getpid()}")
    threads = _threads(engine, files)
    options = {} if threads is None else {"threads": threads}
    con = ibis.duckdb.connect(":memory:", memory_limit=memory_limit(engine), temp_directory=str(spill), **options)
    places = {str(f.parent) for f in files.values()}
    # the right to read is asked for the escaped name, too
    folders = sorted({str(CACHE), str(spill), *places, *map(glob.escape, places)})
    if sum(map(_stored, files.values())) > LARGE:
        con.con.execute(f"ATTACH ':memory:' AS {HELD} (COMPRESS)")
        con.create_table(STARTS, ibis.memtable(_starts(files.get("events"))), database=(HELD, "main"))
    con.con.execute("SET preserve_insertion_order = false")
    con.con.execute("SET allowed_directories = $1", [folders])
    con.con.execute("SET enable_external_access = false")
    con.con.execute("SET lock_configuration = true")
    # a folder's name may hold [ or *: escaped, it is taken literally
    return {name: con.read_parquet(glob.escape(str(file)), table_name=name) for name, file in files.items()}


def _starts(events: Path | None) -> pa.Table:
    """The first user of each part but the first one: intake stores events by user, so a part is a piece of the file."""
    if events is None:
        return pa.table({"user_id": pa.array([], pa.int64())})
    stored = pq.ParquetFile(events)
    column = stored.schema_arrow.names.index("user_id")
    rows, users = 0, []
    for piece in map(stored.metadata.row_group, range(stored.num_row_groups)):
        known = piece.column(column).statistics
        if rows >= PART and known is not None and known.has_min_max and known.min not in users:
            rows = 0
            users.append(known.min)
        rows += piece.num_rows
    return pa.table({"user_id": pa.array(users, stored.schema_arrow.field("user_id").type)})


def _threads(engine: Engine, files: dict[str, Path]) -> int | None:
    """What the study says; else 1 for a small study, and for a large one the cores by the kernels that share them.

    Fractions that several threads add up are added in another order each time, and the last digits differ. One thread
    adds always in the same order, so two runs of a small study are equal to the last digit. Threads of several kernels
    on one core take the processor's cache from each other (docs/scale.md). None: as many as the machine has.
    """
    if engine.threads:
        return engine.threads
    if sum(map(_stored, files.values())) <= SMALL:
        return 1
    jobs = _jobs()
    return None if jobs == 1 else max(1, _cores() // jobs)


def _jobs() -> int:
    """How many kernels run side by side: the runner says it."""
    return int(os.environ.get(JOBS, "1"))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _spark(engine: Engine, files: dict[str, Path | str]) -> dict[str, ir.Table]:
    """PySpark, local or on a cluster; the same expressions run unchanged."""
    from helpers.engine_spark import open_tables, spark_session

    stored = sum(_stored(f) for f in files.values() if isinstance(f, Path))
    memory = memory_limit(engine).removesuffix("B").lower()
    return open_tables(spark_session(engine, memory=memory, inputs=stored), files)


def _stored(place: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(f.stat().st_size for f in (place.rglob("*.parquet") if place.is_dir() else [place]) if f.is_file())


def memory_limit(engine: Engine, *, total: int | None = None) -> str:
    """The limit in bytes for this process: a share of the machine's memory, or what the study file names.

    Kernels that run side by side share the limit.

    >>> memory_limit(Engine(memory_limit="50%"), total=8_000_000_000)
    '4000MB'
    >>> memory_limit(Engine(memory_limit="2 GB"), total=8_000_000_000)
    '2000MB'
    """
    number, unit = re.fullmatch(r"([\d.]+)\s?(%|MB|GB|TB)", engine.memory_limit).groups()  # type: ignore[union-attr]
    scale = {"%": (total or machine_memory()) / 100, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    return f"{max(256, int(float(number) * scale / _jobs() / 1e6))}MB"


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container it is (8 GB where the system does not tell)."""
    limits = [8_000_000_000]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for container in CONTAINERS:
        if container.is_file() and (text := container.read_text().strip()).isdigit():
            limits.append(int(text))
    return min(limits)


def hold(table: ir.Table) -> ir.Table:
    """Compute an expression once and keep its rows for the rest of the session.

    What is built on the result does not read the files again: this is how a notebook gets by with a few passes
    over the events. The rows live in the engine, within its memory limit and spill folder, never in pandas.
    """
    if _is_held(table):
        return table
    backend = ibis.get_backend(table)
    if backend.name == "pyspark":
        from helpers.engine_spark import held

        return held(table)
    name = ibis.util.gen_name(HELD)
    if not _is_large(backend):
        return backend.create_table(name, table, temp=True)
    return _keep(backend, name, [table])


def in_parts(build: Callable[..., ir.Table], table: ir.Table, *beside: ir.Table) -> ir.Table:
    """`build(table, *beside)`; for a large log made for some users after the others, put together and held.

    So the groups and windows of a part fit into memory, and into the processor's cache, whatever the size of the log.

    Parameters
    ----------
    build : function
        From tables to one table. Each of its rows must come from one user alone; where it counts something over users,
        the caller adds up the rows of the parts.
    table, beside : ibis Table
        What it works on, all with `user_id`. It gets the rows of the same users of each. The tables beside the first
        should be small: their part is copied, so that DuckDB sees at once which users a part has.

    Examples
    --------
    >>> log = as_table(pd.DataFrame({"user_id": [1, 1, 2]}))
    >>> people = in_parts(lambda some: some.group_by("user_id").agg(actions=some.count()), log)
    >>> people.order_by("user_id").execute()["actions"].tolist()
    [2, 1]
    """
    backend = ibis.get_backend(table)
    starts = _read_starts(backend)
    if not starts:
        return build(table, *beside)

    def parts() -> Iterator[ir.Table]:
        for low, high in zip([None, *starts], [*starts, None], strict=True):
            names = [ibis.util.gen_name("part") for _ in beside]
            copies = [
                backend.create_table(name, _some_users(each, low, high), temp=True)
                for name, each in zip(names, beside, strict=True)
            ]
            yield build(_some_users(table, low, high), *copies)
            for name in names:
                backend.con.execute(f'DROP TABLE "{name}"')

    return _keep(backend, ibis.util.gen_name(HELD), parts())


def _read_starts(backend: ibis.BaseBackend) -> list:
    if backend.name != "duckdb" or not _is_large(backend):
        return []
    return backend.table(STARTS, database=(HELD, "main")).user_id.execute().sort_values().tolist()


def _some_users(table: ir.Table, low: object, high: object) -> ir.Table:
    """The rows of the users from `low` on, before `high`; those without a user belong to the first part."""
    if low is None:
        return table.filter((table.user_id < high) | table.user_id.isnull())
    table = table.filter(table.user_id >= low)
    return table if high is None else table.filter(table.user_id < high)


def _keep(backend: ibis.BaseBackend, name: str, parts: Iterable[ir.Table]) -> ir.Table:
    """The rows of all parts in one compressed table."""
    place, known = (HELD, "main"), False
    for part in parts:
        if known:
            backend.insert(name, part, database=place)
        else:
            backend.create_table(name, part, database=place)
        known = True
        backend.con.execute(f"CHECKPOINT {HELD}").fetchall()  # this is when it is compressed
    return backend.table(name, database=place)


def _is_large(backend: ibis.BaseBackend) -> bool:
    query = "SELECT 1 FROM duckdb_databases() WHERE database_name = $1"
    return bool(backend.con.execute(query, [HELD]).fetchall())


def _is_held(table: ir.Table) -> bool:
    return isinstance(table.op(), ops.DatabaseTable) and table.op().name.startswith(f"ibis_{HELD}")


def latest(values: ir.Column, window: object) -> ir.Column:
    """The last value so far that is not missing, in the order of a window; missing before the first.

    For values that never fall it is the greatest so far, and DuckDB finds it faster than a maximum (docs/scale.md).

    >>> log = as_table(pd.DataFrame({"time": [1, 2, 3], "seen": [None, 2, None]}))
    >>> found = log.mutate(latest=latest(log.seen, ibis.window(order_by="time", range=(None, 0))))
    >>> found.order_by("time").execute()["latest"].tolist()
    [nan, 2.0, 2.0]
    """
    return values.last().over(window)


def _skip_missing(compiler: DuckDBCompiler, op: object, *, arg: sge.Expression) -> sge.Expression:
    """Ibis leaves missing values out of `last` over a window on Spark, but not on DuckDB; here on both."""
    return sge.IgnoreNulls(this=compiler.f.last_value(arg))


DuckDBCompiler.visit_LastValue = _skip_missing


def as_table(frame: pd.DataFrame) -> ir.Table:
    """A small pandas table as an Ibis table, for examples, simulations and tests.

    >>> as_table(pd.DataFrame({"item": ["tea", "rice"]})).count().execute()
    2
    """
    # by way of Arrow: Ibis would ask pandas for an option that pandas 3 has given up
    return ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False))
