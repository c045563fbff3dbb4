"""Spark: a session whose results equal DuckDB's, and what to do when there is none.

All that differs between the engines lives here and in `helpers.engine`; pyspark is imported inside functions only.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis.formats.pandas import PandasData

from helpers.study import Engine, StudyError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

INSTALL = "python run.py pip install -r requirements-spark.txt"
OLDEST_JAVA = 17
PATIENCE = 5.0
"""Seconds to wait for an answer from a cluster's master."""
PARTITION_BYTES = 64 << 20
"""Bytes of input, as stored, that one task of a shuffle takes on one machine."""
GATEWAY = ("PYSPARK_GATEWAY_PORT", "PYSPARK_GATEWAY_SECRET")
"""How `spark-submit` tells this process where its Java is."""


class EngineError(StudyError):
    """The engine that the study file names cannot be used; the message says why and what to do."""


@contextmanager
def without_pandas_warning() -> Iterator[None]:
    """What pyspark says of pandas 3 on import does not concern us: all tables travel as Arrow."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
        yield


@without_pandas_warning()
def spark_session(engine: Engine, *, memory: str = "1g", inputs: int = 0) -> SparkSession:
    """The one Spark session of this process: the one that runs already, or a new one.

    Parameters
    ----------
    engine : Engine
        `master` says where; without it, where Spark's own settings say (`spark-submit`, spark-defaults.conf), or here.
    memory : str
        Memory of the Java process where the work runs on this machine, such as '4g'.
    inputs : int
        Bytes of the tables, as stored: how finely work is cut on one machine.

    Raises
    ------
    EngineError
        pyspark or Java is missing or too old, or the master does not answer.
    """
    try:
        from pyspark import SparkContext
        from pyspark.sql import SparkSession
    except ImportError:
        raise EngineError(f"engine.kind is spark, but pyspark is not installed. Install it: {INSTALL}") from None
    if SparkContext._active_spark_context is None:
        if GATEWAY[0] not in os.environ:  # else spark-submit has started Java
            check_java()
            check_master(_master(engine))
        _start(_settings(engine, memory, inputs))
    session = SparkSession.builder.getOrCreate()
    for key, value in (SAME_RESULTS | (_fineness(engine, inputs) if inputs else {})).items():
        session.conf.set(key, value)
    return session


def end_session() -> None:
    """End the session of this process, and its Java: what it held of the machine or the cluster is free again.

    The next session starts a Java of its own, in this process and in its children, also where `spark-submit` has
    started this one.
    """
    context = getattr(sys.modules.get("pyspark"), "SparkContext", None)
    if context is None or context._active_spark_context is None:
        return
    gateway, java = context._gateway, getattr(context._gateway, "proc", None)
    context._active_spark_context.stop()
    gateway.shutdown()
    context._gateway = context._jvm = None
    if java is not None:
        java.stdin.close()
        java.wait()
    for name in GATEWAY:
        os.environ.pop(name, None)


SAME_RESULTS = {
    "spark.sql.session.timeZone": "UTC",
    # a number that does not fit is an error, as in DuckDB, never another number
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
"""Settings that decide results: set in every session, whatever the cluster's own are."""


def _settings(engine: Engine, memory: str, inputs: int) -> dict[str, str]:
    """Settings of a new session; on a cluster memory and cores are the cluster's affair."""
    settings = {
        "spark.app.name": "smart-marketing-notebooks",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / f"warehouse-{os.getpid()}"),
        "spark.ui.showConsoleProgress": "false",
        **SAME_RESULTS,
    }
    if engine.master:
        settings["spark.master"] = engine.master
    if not _master(engine).startswith("local"):
        return settings
    return settings | {
        "spark.driver.memory": memory,
        # nobody but this machine can speak to the session
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": tempfile.gettempdir(),
        **_fineness(engine, inputs),
    }


def _master(engine: Engine) -> str:
    """Where the work runs: the study says it, else Spark's own settings; empty where only `spark-submit` knows."""
    if engine.master or GATEWAY[0] in os.environ:
        return engine.master or ""
    home = os.environ.get("SPARK_HOME")
    folder = os.environ.get("SPARK_CONF_DIR") or (f"{home}/conf" if home else None)
    own = Path(folder, "spark-defaults.conf") if folder else None
    said = own.read_text("utf-8", "replace") if own and own.is_file() else ""
    options = re.search(r"--master[ =](\S+)", os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    found = options or re.search(r"^\s*spark\.master[\s=:]+(\S+)", said, flags=re.M)
    return found[1] if found else "local[*]"


def _fineness(engine: Engine, inputs: int) -> dict[str, str]:
    """How finely work on so many bytes is cut on one machine; on a cluster its own settings say so.

    >>> _fineness(Engine(kind="spark", master="local[2]"), 10 << 30)["spark.sql.shuffle.partitions"]
    '160'
    >>> _fineness(Engine(kind="spark", master="yarn"), 10 << 30)
    {}
    """
    master = _master(engine)
    if not master.startswith("local"):
        return {}
    return {
        "spark.sql.shuffle.partitions": str(min(2_000, max(_cores(master), inputs // PARTITION_BYTES))),
        "spark.sql.files.maxPartitionBytes": str(PARTITION_BYTES),
    }


def _cores(master: str) -> int:
    """Cores of a local master.

    >>> _cores("local[2]"), _cores("local")
    (2, 1)
    """
    number = re.match(r"local\[(\d+|\*)", master)
    if number is None:
        return 1
    return os.cpu_count() or 1 if number[1] == "*" else int(number[1])


def _start(settings: dict[str, str]) -> None:
    """Start Java and the Spark context. What Java writes goes to a file, never into a notebook's cell."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    conf = SparkConf().setAll(list(settings.items()))
    log = Path(tempfile.gettempdir()) / f"spark-{os.getpid()}.log"
    try:
        with log.open("wb") as file:
            gateway = launch_gateway(conf, {"stdout": file, "stderr": file})
        context = SparkContext(conf=conf, gateway=gateway)
        context.setLogLevel("ERROR")
        if settings.get("spark.driver.host"):  # on this machine the workers are of this very Python
            context.pythonExec = sys.executable
    except Exception as error:  # py4j has no narrower class for what Java throws
        where = settings.get("spark.master", "the master of Spark's own settings")
        raise EngineError(
            f"engine.master: Spark could not start on {where}: {_reason(error, log)} Look into {log}, "
            "check the cluster, or try master: local[2]."
        ) from None


def _reason(error: Exception, log: Path) -> str:
    """The first line of an error, or the last line of Java's log, as one sentence."""
    java = getattr(error, "java_exception", None)
    text = str(java.getMessage() if java else error).strip().splitlines()
    if not text or "JAVA_GATEWAY_EXITED" in text[0]:
        text = [line for line in log.read_text("utf-8", "replace").splitlines() if "rror" in line][:1] or text
    return f"{text[0][:200].rstrip('.')}." if text else f"{type(error).__name__}."


def check_java() -> None:
    """Refuse a machine without Java, or with one that is too old for Spark."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    remedy = f"Install Java {OLDEST_JAVA} (Debian: apt install openjdk-17-jre-headless; else adoptium.net)"
    if java is None:
        where = f"JAVA_HOME ({home}) holds no Java" if home else "no Java was found"
        raise EngineError(f"engine.kind is spark, but {where}. {remedy}, and let JAVA_HOME name its folder.")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False).stderr
    version = java_version(said)
    if version is None or version < OLDEST_JAVA:
        raise EngineError(
            f"engine.kind is spark, but {java} is Java {version or 'of an unknown version'}; Spark needs "
            f"{OLDEST_JAVA} or newer. {remedy}, and let JAVA_HOME name its folder."
        )


def java_version(said: str) -> int | None:
    """The main version in what `java -version` says; None where it says none.

    >>> java_version('openjdk version "17.0.15" 2025-04-15'), java_version('java version "1.8.0_292"')
    (17, 8)
    """
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found[1]) if found else None


def check_master(master: str) -> None:
    """Refuse a master that does not answer, within seconds: Spark itself would try for minutes."""
    if master == "yarn" and not any(os.environ.get(v) for v in ("HADOOP_CONF_DIR", "YARN_CONF_DIR")):
        raise EngineError(
            "engine.master is yarn, but neither HADOOP_CONF_DIR nor YARN_CONF_DIR says where the cluster is. "
            "Set one of them to the folder that holds yarn-site.xml."
        )
    addresses = re.findall(r"(?:^spark://|^k8s://(?:https?://)?|,)([^,/:]+):(\d+)", master)
    if addresses and not any(_answers(host, int(port)) for host, port in addresses):
        shown = ", ".join(f"{host}:{port}" for host, port in addresses)
        raise EngineError(
            f"engine.master: {shown} does not answer within {PATIENCE:.0f} seconds. Check the address, that the "
            "cluster runs, and that no firewall lies between; or try master: local[2]."
        )


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PATIENCE):
            return True
    except OSError:
        return False


def open_tables(session: SparkSession, files: dict[str, Path | str]) -> dict[str, ir.Table]:
    """Parquet files or folders as Ibis tables; names and folders are taken literally."""
    con = _backend()
    con.do_connect(session)
    tables = {}
    for name, file in files.items():
        session.read.parquet(literal(str(file))).createOrReplaceTempView(name)
        tables[name] = con.table(name)
    return tables


@cache
def _backend() -> Any:
    """Ibis' Spark backend, with results that come as Arrow tables: with the very types of DuckDB's."""
    with without_pandas_warning():
        from ibis.backends.pyspark import Backend
        from ibis.backends.sql.compilers.pyspark import PySparkCompiler
    ibis.pyspark  # noqa: B018  (its options are known from here on)

    class DoubleCompiler(PySparkCompiler):
        def visit_DefaultLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:
            found = super().visit_DefaultLiteral(op, value=value, dtype=dtype)
            # Spark reads 0.2 as a decimal, and 0.2 / 7 then ends after six digits
            return self.cast(found, dtype) if dtype.is_floating() else found

    class ArrowBackend(Backend):
        compiler = DoubleCompiler()

        def to_pyarrow(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None, **kwargs: Any) -> Any:
            table = self._arrow(expr, params=params, limit=limit, **kwargs)
            return expr.__pyarrow_result__(table.cast(expr.as_table().schema().to_pyarrow()))

        def execute(self, expr: ir.Expr, /, *, params: Any = None, limit: Any = None, **kwargs: Any) -> Any:
            table = self._arrow(expr, params=params, limit=limit, **kwargs)
            # as Ibis does for DuckDB: whole numbers with gaps never pass through floats
            plain = {n: c.to_pylist() if _needs_objects(c) else c.to_pandas() for n, c in _columns(table)}
            return expr.__pandas_result__(PandasData.convert_table(pd.DataFrame(plain), expr.as_table().schema()))

        def _arrow(self, expr: ir.Expr, **how: Any) -> pa.Table:
            self._run_pre_execute_hooks(expr)
            return self.raw_sql(self.compile(expr.as_table(), **how)).toArrow()

        def _register_in_memory_table(self, op: Any) -> None:
            self._session.createDataFrame(op.data.to_pyarrow(op.schema)).createOrReplaceTempView(op.name)

    return ArrowBackend()


def _columns(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    return zip(table.column_names, table.columns, strict=True)


def _needs_objects(column: pa.ChunkedArray) -> bool:
    return pa.types.is_nested(column.type) or column.null_count > 0


def literal(path: str) -> str:
    r"""A path in which Spark finds no pattern.

    >>> print(literal("/data/a[1]*"))
    /data/a\[1\]\*
    """
    return re.sub(r"([\\*?\[\]{}^])", r"\\\1", path)


def held(table: ir.Table) -> ir.Table:
    """Compute an expression once and keep its rows in the cluster, in memory or on its disks."""
    from pyspark import StorageLevel

    backend = ibis.get_backend(table)
    name = ibis.util.gen_name("held")
    backend._run_pre_execute_hooks(table)
    frame = backend.raw_sql(backend.compile(table)).persist(StorageLevel.MEMORY_AND_DISK)
    frame.count()
    frame.createOrReplaceTempView(name)
    return backend.table(name)
