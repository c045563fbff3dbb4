"""How often is a table read? Counted in the plans of all queries that the engine is given.

`counted(table)` counts while a block runs; `notebook_scans(name, study, monkeypatch)` runs a notebook's cells in this
process and counts for its events, from the moment the study is open. DuckDB's plan of each query is asked for before
the query runs; every leaf that reads the table is one scan, also where one query reads it twice. What is `hold`ed is
another table and is not counted again.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import ibis.expr.types as ir
import nbformat
import pytest

from helpers import notebook as notebook_module
from helpers.report.collection import NOTEBOOKS

COPY = "whole_"


class _Recorder:
    """A DuckDB connection that notes, for each query, how often its plan reads one table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: str) -> None:
        self.connection, self.table, self.scans = connection, table, []

    def __getattr__(self, name: str) -> object:
        return getattr(self.connection, name)

    def execute(self, query: str, *args: object, **kwargs: object) -> object:
        self._note(query)
        result = self.connection.execute(query, *args, **kwargs)
        return self if result is self.connection else result  # what comes next on it counts, too

    def sql(self, query: str, *args: object, **kwargs: object) -> object:
        self._note(query)
        return self.connection.sql(query, *args, **kwargs)

    def _note(self, query: str) -> None:
        try:
            plan = self.connection.execute(f"EXPLAIN (FORMAT json) {query}").fetchall()[0][1]
        except duckdb.Error:
            return  # a statement without a plan, such as SET
        if n := _reads(json.loads(plan), self.table):
            self.scans.append((n, query))


def _reads(nodes: list[dict], table: str) -> int:
    own = [str(node.get("extra_info", {}).get("Table", "")).split(".")[-1] == table for node in nodes]
    return sum(own) + sum(_reads(node.get("children", []), table) for node in nodes)


@contextmanager
def counted(table: ir.Table) -> Iterator[list[tuple[int, str]]]:
    """Within the block, a list of (scans, query) for every query that reads the held `table`."""
    backend = table.get_backend()
    recorder = _Recorder(backend.con, table.op().name)
    backend.con = recorder
    try:
        yield recorder.scans
    finally:
        backend.con = recorder.connection


def notebook_scans(name: str, study: object, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """(scans, query) for every query of a notebook's cells that reads the events of `study` (a study file's path)."""
    _open, found = notebook_module.open_study, {}

    def open_study(_: object, own: str) -> object:
        opened = _open(study, own)
        events = opened.tables["events"]
        held = events.get_backend().create_table(f"{COPY}events", events)  # a file has no name in a plan
        opened.tables["events"] = held
        found["counter"] = counted(held)
        found["scans"] = found["counter"].__enter__()
        return opened

    monkeypatch.setattr(notebook_module, "open_study", open_study)
    try:
        names: dict = {}
        for cell in nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, f"{name} {cell.id}", "exec"), names)
    finally:
        if "counter" in found:
            found["counter"].__exit__(None, None, None)
    return found["scans"]
