"""What nobody can go below: python -m tests.benchmarks.floor parse|scan|plain LOG [OUT].

- `parse`: DuckDB's CSV reader over the whole file, every column, one sum each;
- `plain`: DuckDB's CSV → Parquet with duplicate removal (`SELECT DISTINCT *`), without any check or account;
- `scan`: one pass over the needed columns of that Parquet file.
"""

from __future__ import annotations

import sys

import duckdb

from tests.benchmarks.contenders.sql import COLUMNS

NEEDED = ("user_id", "item_id", "category_id", "timestamp")


def main(what: str, log: str, out: str) -> None:
    """Do one of the three."""
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"SET temp_directory = '{out}.spill'")
    lines = f"read_csv('{log}', header = true, columns = {COLUMNS})"
    sums = ", ".join(f"sum({name})" for name in NEEDED)
    if what == "plain":
        con.execute(f"COPY (SELECT DISTINCT * FROM {lines}) TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
    else:
        source = lines if what == "parse" else f"read_parquet('{out}')"
        con.execute(f"SELECT {sums}, count_if(behavior = 'pv') FROM {source}").fetchall()


if __name__ == "__main__":
    main(*sys.argv[1:4])
