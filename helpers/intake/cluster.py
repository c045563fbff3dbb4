"""The data door on a cluster: inputs that one machine should not touch → partitioned Parquet, with the same account.

Spark cuts the files into lines and brings them to workers, where the parser and the checks of one machine judge them:
the same lines are taken, and the same reasons given. A first pass counts lines on its own; where the two counts do not
agree, nothing is used. What needs a view over many lines (a quoted field that runs over lines, an encoding other than
UTF-8) is refused.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from helpers import study as _study
from helpers.intake import ledger
from helpers.intake.build import TableBuild, Tally, rules_of
from helpers.intake.cache import (
    FILES,
    VERSION,
    lock,
    new_temporary,
    publish,
    self_hash,
    settings_hash,
    sha256_of,
    sweep,
    sync_folder,
)
from helpers.intake.cluster_files import Listed, head_of, last_line, listed, same_name
from helpers.intake.cluster_parts import BOM, REJECT, ROW, TALLY, Parser, Source, block_of
from helpers.intake.errors import ABSENT, IntakeError
from helpers.intake.files import LINE_BITS
from helpers.intake.parquet_files import ParquetFile, ParquetFlight, sources_in
from helpers.intake.preflight import Preflight
from helpers.intake.times import Calendar
from helpers.study import Study, is_remote, zone
from helpers.tables import TABLES, VISIT_PAUSE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LEDGER_ROWS = 100_000
"""So many rejects are kept beside the manifest; all of them lie with the data."""
MOST_BAD = 0.001
"""A larger share of lines that are not UTF-8 says that the file is in another encoding."""
ROWS_PER_FILE = 4_000_000
SPARK = "read through Spark: line numbers hold, byte offsets are not kept"


def ingest_on_cluster(study: Study, table: str, said: Callable[[str, float], None]) -> tuple[Any, ...]:
    """Take in one table through Spark, or find it in the cache.

    Returns
    -------
    tuple
        Where its rows are (a folder or URI), where its rejects are, manifest, data hash: the fields of `Ingested`.
    """
    from helpers.engine_spark import without_pandas_warning

    with without_pandas_warning():
        return _ingest(study, table, said)


def _ingest(study: Study, table: str, said: Callable[[str, float], None]) -> tuple[Any, ...]:
    from helpers.engine import memory_limit
    from helpers.engine_spark import spark_session

    memory = memory_limit(study.engine).removesuffix("B").lower()
    files = listed(spark_session(study.engine, memory=memory), study.tables[table], table)
    session = spark_session(study.engine, memory=memory, inputs=sum(f.bytes for f in files))
    data_hash = settings_hash(study, table, [f.identity for f in files])
    folder = _study.CACHE / study.name
    final = folder / f"{table}-{data_hash[:16]}"
    with lock(folder, study.name):
        sweep(folder)
        manifest = read_manifest(final, data_hash)
        if manifest is None or not _is_whole(session, _data(study, final)):
            temporary = new_temporary(folder, table)
            try:
                store = _store(study, temporary, final)
                manifest = _Build(session, study, table, temporary, store, said).run(files, data_hash)
                publish(temporary, final)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return _data(study, final), final / FILES[1], manifest, data_hash


def read_manifest(folder: Path, data_hash: str) -> dict[str, Any] | None:
    """The manifest of a table that was written whole; else None. The data's own checksums are the store's affair."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = manifest.pop("self") == self_hash(manifest) and manifest["data_hash"] == data_hash
        whole = whole and sha256_of(folder / FILES[1]) == manifest["files"][FILES[1]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return manifest if whole else None


def _data(study: Study, final: Path) -> Path | str:
    """Where the rows lie: beside the manifest, or in the store that the study names."""
    store = study.engine.store
    if store is None:
        return final / "data"
    if is_remote(store):
        return f"{store.rstrip('/')}/{study.name}/{final.name}/data"
    return (study.folder / store / study.name / final.name / "data").absolute()


def _store(study: Study, temporary: Path, final: Path) -> str:
    """The folder, as a URI, in which Spark writes; what it writes beside the manifest takes its place as a whole."""
    if study.engine.store is None:
        return temporary.absolute().as_uri()
    data = _data(study, final)
    return data.parent.as_uri() if isinstance(data, Path) else data.removesuffix("/data")


def _is_whole(session: SparkSession, data: Path | str) -> bool:
    """Has Spark left its mark that the rows were written to their end?"""
    mark = data / "_SUCCESS" if isinstance(data, Path) else f"{data}/_SUCCESS"
    if isinstance(mark, Path):
        return mark.is_file()
    path = session._jvm.org.apache.hadoop.fs.Path(mark)
    return bool(path.getFileSystem(session._jsc.hadoopConfiguration()).exists(path))


class _Build:
    """The making of one table on a cluster."""

    def __init__(
        self, session: SparkSession, study: Study, table: str, folder: Path, store: str, said: Callable
    ) -> None:
        self.session, self.study, self.table, self.folder, self.store = session, study, table, folder, store
        self.said, self.given, self.contract = said, study.tables[table], TABLES[table]
        self.build = TableBuild(study, table, folder, said)
        if self.given.encoding == "gb18030":
            raise IntakeError(
                f"tables.{table}.encoding: gb18030 cannot be read on a cluster. Save the files as UTF-8, or say "
                "engine.intake: machine."
            )

    def run(self, files: list[Listed], data_hash: str) -> dict[str, Any]:
        """Count, parse, remove duplicates, write; the manifest."""
        self.said(f"{self.table}: counting lines on the cluster", 0.0)
        lines = self._lines(files)
        counted = self._counted(lines)
        sources = self._sources(files, counted)
        parser = self._parser(sources)
        self.said(f"{self.table}: reading on the cluster", 0.2)
        parsed = f"{self.store}/parsed"
        schema = _spark_schema(parser.fields)
        lines.mapInArrow(parser, schema).write.mode("overwrite").partitionBy("_kind").parquet(parsed)
        found = self.session.read.schema(schema).parquet(parsed)
        tallies, shortest = self._tallies(found, files, sources)
        if extra := self._open_ends(files, sources, parser, shortest, tallies):
            more = self.session.createDataFrame(pa.Table.from_batches(extra), schema=schema)
            more.write.mode("append").partitionBy("_kind").parquet(parsed)
            found = self.session.read.schema(schema).parquet(parsed)
        self.said(f"{self.table}: removing duplicates and writing", 0.7)
        manifest = self._written(found, tallies, sources, data_hash)
        self._forget(parsed)
        return manifest

    # files --------------------------------------------------------------------------------------------------------

    def _lines(self, files: list[Listed]) -> DataFrame:
        """One row a line (or row), with the file and the block it lies in."""
        from helpers.engine_spark import literal

        places, reader = [literal(f.uri) for f in files], self.session.read
        if self.given.format == "parquet":
            frame = reader.parquet(*places)
            if clash := {"file", "block"} & set(frame.columns):
                raise IntakeError(f"{self.table}: rename the column {clash.pop()!r}; the cluster's intake uses it.")
            columns = [f"`{c}`" for c in frame.columns]
        else:
            frame = reader.option("lineSep", "\n").text(places)
            columns = ["cast(value as binary) as value"]
        return frame.selectExpr("_metadata.file_path as file", "_metadata.file_block_start as block", *columns)

    def _counted(self, lines: DataFrame) -> list[dict[str, Any]]:
        """One row a block: lines, and for text what tells whether they can be read one by one."""
        sums = ["count(*) as lines"]
        if self.given.format == "csv":
            marks = "length(value) - length(replace(value, '\"', ''))"
            returns = "length(value) - length(replace(value, '\\r', ''))"
            lines = lines.selectExpr("file", "block", "cast(value as string) as value")
            sums += [
                f"sum({marks}) as quotes",
                f"sum(({marks}) % 2) as odd",
                f"sum(({returns}) - if(endswith(value, '\\r'), 1, 0)) as lone",
                "sum(if(endswith(value, '\\r'), 1, 0)) as pairs",
            ]
        lines.createOrReplaceTempView("smn_lines")
        query = f"SELECT file, block, {', '.join(sums)} FROM smn_lines GROUP BY file, block"
        return self.session.sql(query).toArrow().to_pylist()

    def _sources(self, files: list[Listed], counted: list[dict[str, Any]]) -> dict[str, Source]:
        """Spark's name of each file → how it is read."""
        blocks: dict[str, list[dict[str, Any]]] = {}
        for row in counted:
            blocks.setdefault(same_name(row["file"]), []).append(row)
        opened = [self._opened(i, f, blocks.get(same_name(f.uri), [])) for i, f in enumerate(files)]
        units = [replace(s.file.rules, units=self.build._units(s.file)) for s in opened]
        fractions = any(u != "s" for rules in units for u in rules.units.values())
        sources = {}
        for listed_, source, rules in zip(files, opened, units, strict=True):
            rows = blocks.get(same_name(listed_.uri), [])
            file = replace(source.file, rules=replace(rules, fractions=fractions))
            for key in {row["file"] for row in rows} or {listed_.uri}:
                sources[key] = replace(source, file=file)
        return sources

    def _opened(self, number: int, file: Listed, blocks: list[dict[str, Any]]) -> Source:
        first, line = {}, 1
        for row in sorted(blocks, key=lambda r: r["block"]):
            first[row["block"]] = line
            line += row["lines"]
        if self.given.format == "parquet":
            return Source(self._parquet(number, file, line - 1), first, line - 1)
        sums = {k: sum(int(row[k] or 0) for row in blocks) for k in ("quotes", "odd", "lone", "pairs")}
        if sums["lone"]:
            raise IntakeError(f"{file.name}: {sums['lone']:,} line ends are a lone CR. Write the file with LF.")
        if sums["odd"] and sums["quotes"] > 1:
            raise IntakeError(
                f"{file.name}: in {sums['odd']:,} lines a quote is not closed. A cluster reads each line by itself, so "
                "a quoted field must not run over lines. Mend the lines, or say engine.intake: machine."
            )
        head, rest = head_of(self.session, file), last_line(self.session, file)
        newline = "LF" if not sums["pairs"] else "CRLF" if sums["pairs"] == line - 1 else "mixed"
        before = Preflight(
            file.name, file.identity, file.bytes, line - 1, sums["quotes"], 1, "utf-8", False,
            len(BOM) if head.startswith(BOM) else 0, newline, not rest, (head.removeprefix(BOM),),
        )  # fmt: skip
        return Source(self.build._csv(number, Path(file.name), before), first, line - 1, bool(rest))

    def _parquet(self, number: int, file: Listed, rows: int) -> ParquetFile:
        rules = rules_of(self.study, self.table)
        schema = self.session.read.parquet(file.uri).limit(0).toArrow().schema
        sources = sources_in(schema, Path(file.name), self.contract, self.given, rules.id_types)
        sample = self.session.read.parquet(file.uri).limit(1_000).toArrow()
        opened = ParquetFile(
            Path(file.name), number, ParquetFlight(file.name, file.identity, file.bytes, rows), sources, rules
        )
        opened.__dict__["sample"] = opened._renamed(sample)
        return opened

    def _parser(self, sources: dict[str, Source]) -> Parser:
        calendar = None
        if self.contract.clock:
            calendar = Calendar(zone(self.study.time_zone), self.study.start_epoch, self.study.end_epoch)
        words = tuple(sorted(set(rules_of(self.study, self.table).codes.values())))
        light = {key: replace(s, file=_light(s.file)) for key, s in sources.items()}
        return Parser(light, self.contract, words, calendar)

    # what was found -----------------------------------------------------------------------------------------------

    def _tallies(
        self, found: DataFrame, files: list[Listed], sources: dict[str, Source]
    ) -> tuple[dict[str, Tally], dict[str, int | None]]:
        lines = {s.file.before.name: s.lines for s in sources.values()}
        tallies = {f.name: Tally(f.name, f.identity, f.bytes, lines.get(f.name, 0)) for f in files}
        shortest: dict[str, int | None] = {}
        sums = found.where(f"_kind = '{TALLY}'").groupBy("_file")
        told = sums.agg({"_header": "sum", "_blank": "sum", "_rows": "sum", "_shortest": "min"}).toArrow().to_pylist()
        for row in told:
            each = tallies[row["_file"]]
            each.header, each.blank, each.rows = (row[f"sum(_{k})"] for k in ("header", "blank", "rows"))
            shortest[each.name] = row["min(_shortest)"]
        return tallies, shortest

    def _open_ends(
        self,
        files: list[Listed],
        sources: dict[str, Source],
        parser: Parser,
        shortest: dict[str, int | None],
        tallies: dict[str, Tally],
    ) -> list[pa.RecordBatch]:
        """The last lines of files that do not end in a line end: each is judged with its whole file in view."""
        batches = []
        by_name = {s.file.before.name: s for s in sources.values()}
        for each in files:
            source = by_name[each.name]
            if source.open_end:
                block = block_of(last_line(self.session, each), source.lines, open_end=True)
                part = source.file.part(block, final=True, shortest=shortest.get(each.name))
                tallies[each.name].add(part.tally)
                batches += parser.emit(each.name, part)
        return batches

    # writing ------------------------------------------------------------------------------------------------------

    def _written(
        self, found: DataFrame, tallies: dict[str, Tally], sources: dict[str, Source], data_hash: str
    ) -> dict[str, Any]:
        from pyspark.sql import functions as F

        names = [s.file.before.name for s in sorted(sources.values(), key=lambda s: s.file.number)]
        rows = self._with_doubles(found.where(f"_kind = '{ROW}'"))
        dropped = F.col("_double").isNotNull() if self._drops() else F.lit(False)
        doubles = self._count_doubles(rows, names)
        kept = self._with_visits(rows.where(~dropped))
        number = sum(t.rows for t in tallies.values()) - sum(doubles["by_file"].values())
        self._write_data(kept, number)
        rejects = found.where(f"_kind = '{REJECT}'").select(*[F.col(f"_{f.name}").alias(f.name) for f in ledger.SCHEMA])
        if self._drops():
            rejects = rejects.unionByName(self._doubles_told(rows.where(dropped), names))
        rejects.write.mode("overwrite").option("compression", "zstd").parquet(f"{self.store}/rejects")
        counts = self._ledger_counts()
        files = sorted({s.file.before.name: s.file for s in sources.values()}.values(), key=lambda f: f.number)
        self._check_encoding(tallies, counts)
        return self._manifest(files, tallies, counts, doubles, data_hash)

    def _drops(self) -> bool:
        return (bool(self.contract.key) and not self.contract.repeats) or self.given.duplicates == "drop"

    def _with_doubles(self, rows: DataFrame) -> DataFrame:
        """Add `_first` (the place of the first row with the key) and `_double`: null for that row, else the reason."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        content = [*self.contract.names, *(["_sub"] if "_sub" in rows.columns else [])]
        key = list(self.contract.key) or content
        same = Window.partitionBy(*key).orderBy("_at").rowsBetween(Window.unboundedPreceding, 0)
        first = F.first(F.struct("_at", *content)).over(same)
        rows = rows.withColumn("_one", first)
        equal = F.lit(True)
        for name in content:
            equal = equal & F.col(name).eqNullSafe(F.col(f"_one.{name}"))
        double = F.when(F.col("_at") == F.col("_one._at"), None).when(equal, "duplicate").otherwise("duplicate key")
        return rows.withColumn("_double", double).withColumn("_first", F.col("_one._at")).drop("_one")

    def _with_visits(self, rows: DataFrame) -> DataFrame:
        """Add `pause` and `visit` where the contract wants them: see `tables.Table.visits`."""
        from pyspark.sql import Window
        from pyspark.sql import functions as F

        if not self.contract.visits:
            return rows
        user, *order = self.contract.order
        log = Window.partitionBy(user).orderBy(*order)
        pause = (F.col(self.contract.clock) - F.lag(self.contract.clock).over(log)).cast("int")
        begins = F.when(F.col("pause") <= VISIT_PAUSE, 0).otherwise(1)
        until_now = Window.partitionBy(user).orderBy(self.contract.clock)
        return rows.withColumn("pause", pause).withColumn("visit", F.sum(begins).over(until_now).cast("int"))

    def _count_doubles(self, rows: DataFrame, names: list[str]) -> dict[str, Any]:
        doubled = rows.where("_double is not null").selectExpr("_double", f"shiftright(_at, {LINE_BITS}) as number")
        counts: dict[str, Any] = {"exact": 0, "key": 0, "by_file": Counter()}
        for row in doubled.groupBy("_double", "number").count().toArrow().to_pylist():
            counts["exact" if row["_double"] == "duplicate" else "key"] += row["count"]
            if self._drops():
                counts["by_file"][names[row["number"]]] += row["count"]
        return counts

    def _doubles_told(self, rows: DataFrame, names: list[str]) -> DataFrame:
        """The ledger's rows for duplicates: their line and that of the first; their bytes are not kept."""
        from pyspark.sql import functions as F

        line, mask = F.col("_at").bitwiseAND((1 << LINE_BITS) - 1), (1 << LINE_BITS) - 1
        named = F.array(*[F.lit(n) for n in names])
        first = F.concat(F.lit("first in line "), F.col("_first").bitwiseAND(mask).cast("string"))
        if len(names) > 1:
            first = F.concat(first, F.lit(" of "), F.get(named, F.shiftright("_first", LINE_BITS).cast("int")))
        told = {
            "file": F.get(named, F.shiftright("_at", LINE_BITS).cast("int")),
            "line": line,
            "reason": F.col("_double"),
            "detail": first,
        }
        kinds = {f.name: f.dataType for f in _spark_schema(ledger.SCHEMA)}
        return rows.select(*[told.get(c, F.lit(None)).cast(kinds[c]).alias(c) for c in ledger.SCHEMA.names])

    def _write_data(self, rows: DataFrame, number: int) -> None:
        """Partitioned by day where the table has a clock, each file sorted in the order on disk."""
        names = [*self.contract.names, *(["day", "hour"] if self.contract.clock else [])]
        names += ["pause", "visit"] if self.contract.visits else []
        files = max(1, -(-number // ROWS_PER_FILE))
        whole, order = rows.select(*names), list(self.contract.order)
        if not self.contract.clock:
            writer = whole.repartition(files).sortWithinPartitions(*order).write
        else:
            days = max(1, self.study.window.days)
            salt = f"pmod(xxhash64({order[0]}), {max(1, -(-number // (days * ROWS_PER_FILE)))})"
            whole = whole.selectExpr("*", f"{salt} as _salt")
            tasks = int(self.session.conf.get("spark.sql.shuffle.partitions", "200"))
            whole = whole.repartition(max(files, tasks), "day", "_salt").drop("_salt")
            writer = whole.sortWithinPartitions("day", *order).write.partitionBy("day")
        writer.mode("overwrite").option("compression", "zstd").parquet(f"{self.store}/data")

    def _ledger_counts(self) -> dict[str, dict[str, int]]:
        """Rejects by file and reason, counted in what was written; the first of them beside the manifest."""
        frame = self.session.read.schema(_spark_schema(ledger.SCHEMA)).parquet(f"{self.store}/rejects")
        counts: dict[str, dict[str, int]] = {}
        for row in frame.groupBy("file", "reason").count().toArrow().to_pylist():
            counts.setdefault(row["file"], {})[row["reason"]] = row["count"]
        some = frame.orderBy("file", "line").limit(LEDGER_ROWS).toArrow().cast(ledger.SCHEMA)
        pq.write_table(some, self.folder / FILES[1], compression="zstd")
        return counts

    def _check_encoding(self, tallies: dict[str, Tally], counts: dict[str, dict[str, int]]) -> None:
        for name, each in tallies.items():
            bad = counts.get(name, {}).get("bad encoding", 0)
            if bad > max(1, MOST_BAD * each.lines):
                raise IntakeError(
                    f"{name}: {bad:,} of {each.lines:,} lines are not UTF-8. A cluster reads UTF-8 only: save the "
                    "file as UTF-8, or say engine.intake: machine."
                )

    def _manifest(
        self,
        files: list,
        tallies: dict[str, Tally],
        counts: dict[str, dict[str, int]],
        doubles: dict[str, Any],
        data_hash: str,
    ) -> dict[str, Any]:
        rows = self.session.read.parquet(f"{self.store}/data").count() if any(t.rows for t in tallies.values()) else 0
        inputs = [self.build._account(t, counts.get(t.name, {}), doubles) for t in tallies.values()]
        if sum(i["accepted"] for i in inputs) != rows:
            raise IntakeError(f"{self.table}: {rows} rows were written, which is not the number accepted.")
        if not rows and any(i["rejects"] for i in inputs):
            raise IntakeError(self.build._nothing(inputs))
        manifest = {
            "table": self.table,
            "data_hash": data_hash,
            "version": VERSION,
            "engine": "spark",
            "inputs": inputs,
            "encoding": "parquet" if self.given.format == "parquet" else "utf-8",
            "newline": ", ".join(sorted({f.before.newline for f in files})),
            "delimiter": self.given.delimiter,
            "rows": rows,
            "columns": [c for c in self.contract.names if any(c in f.columns for f in files)],
            "notes": [*self.build._notes(files), SPARK, *([] if rows else [ABSENT])],
            "duplicates": {"policy": self.given.duplicates, "exact": doubles["exact"], "key": doubles["key"]},
            "files": {FILES[1]: sha256_of(self.folder / FILES[1])},
        }
        text = json.dumps({**manifest, "self": self_hash(manifest)}, indent=1, ensure_ascii=False, sort_keys=True)
        (self.folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
        sync_folder(self.folder)
        return manifest

    def _forget(self, uri: str) -> None:
        path = self.session._jvm.org.apache.hadoop.fs.Path(uri)
        path.getFileSystem(self.session._jsc.hadoopConfiguration()).delete(path, True)


def _light(file: Any) -> Any:
    """The file without its sample, which no worker needs."""
    if isinstance(file, ParquetFile):
        return replace(file)
    return replace(file, before=replace(file.before, sample=()))


def _spark_schema(schema: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
