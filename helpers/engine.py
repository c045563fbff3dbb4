"""Where event-level work runs: Ibis expressions on DuckDB by default, on PySpark when a study says so.

This is the one place that knows the engines. Notebooks and helpers get Ibis tables and never see a connection.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

from helpers.study import CACHE, Engine

SPILL = "SMN_SPILL"
"""Names the folder for what does not fit into memory: the runner takes it away, even after a kernel was killed."""
SMALL = 20_000_000
"""Bytes of Parquet, about two million events, up to which one thread does all."""
LARGE = 250_000_000
"""Bytes of Parquet, about 27 million events, from which on held tables are kept compressed: a fifth of the memory for
half as much work again."""
HELD = "held"


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
    threads = engine.threads or _one_thread(files)
    options = {} if threads is None else {"threads": threads}
    con = ibis.duckdb.connect(":memory:", memory_limit=memory_limit(engine), temp_directory=str(spill), **options)
    places = {str(f.parent) for f in files.values()}
    # the right to read is asked for the escaped name, too
    folders = sorted({str(CACHE), str(spill), *places, *map(glob.escape, places)})
    if sum(map(_stored, files.values())) > LARGE:
        con.con.execute(f"ATTACH ':memory:' AS {HELD} (COMPRESS)")
    con.con.execute("SET preserve_insertion_order = false")
    con.con.execute("SET allowed_directories = $1", [folders])
    con.con.execute("SET enable_external_access = false")
    con.con.execute("SET lock_configuration = true")
    # a folder's name may hold [ or *: escaped, it is taken literally
    return {name: con.read_parquet(glob.escape(str(file)), table_name=name) for name, file in files.items()}


def _one_thread(files: dict[str, Path]) -> int | None:
    """1 for a small study, else None: as many as the machine has.

    Fractions that several threads add up are added in another order each time, and the last digits differ. One thread
    adds always in the same order, so two runs of a small study are equal to the last digit. Kernels run side by side,
    so no core is idle for it.
    """
    return 1 if sum(map(_stored, files.values())) <= SMALL else None


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

    Kernels that run side by side share the limit: the runner sets SMN_JOBS to their number.

    >>> memory_limit(Engine(memory_limit="50%"), total=8_000_000_000)
    '4000MB'
    >>> memory_limit(Engine(memory_limit="2 GB"), total=8_000_000_000)
    '2000MB'
    """
    number, unit = re.fullmatch(r"([\d.]+)\s?(%|MB|GB|TB)", engine.memory_limit).groups()  # type: ignore[union-attr]
    scale = {"%": (total or machine_memory()) / 100, "MB": 1e6, "GB": 1e9, "TB": 1e12}[unit]
    return f"{max(256, int(float(number) * scale / int(os.environ.get('SMN_JOBS', '1')) / 1e6))}MB"


def machine_memory() -> int:
    """Bytes of memory of this machine, or of the container it is (8 GB where the system does not tell)."""
    limits = [8_000_000_000]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    container = Path("/sys/fs/cgroup/memory.max")
    if container.is_file() and (text := container.read_text().strip()).isdigit():
        limits.append(int(text))
    return min(limits)


def hold(table: ir.Table) -> ir.Table:
    """Compute an expression once and keep its rows for the rest of the session.

    What is built on the result does not read the files again: this is how a notebook gets by with one or two passes
    over the events. The rows live in the engine, within its memory limit and spill folder, never in pandas.
    """
    backend = ibis.get_backend(table)
    if backend.name == "pyspark":
        from helpers.engine_spark import held

        return held(table)
    name = ibis.util.gen_name(HELD)
    if not backend.con.execute("SELECT 1 FROM duckdb_databases() WHERE database_name = $1", [HELD]).fetchall():
        return backend.create_table(name, table, temp=True)
    table = backend.create_table(name, table, database=(HELD, "main"))
    backend.con.execute(f"CHECKPOINT {HELD}").fetchall()  # this is when it is compressed
    return table


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
