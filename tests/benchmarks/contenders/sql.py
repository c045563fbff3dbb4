"""Hand-written SQL for DuckDB: one cleaned table in the engine, one query a result."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from tests.benchmarks.contenders import END, LAST_DAY, LONGEST, PAUSE, START, TOP, WINDOW, ZONE_SECONDS, run

COLUMNS = (
    "{'user_id': 'BIGINT', 'item_id': 'BIGINT', 'category_id': 'BIGINT', "
    "'behavior': 'ENUM(''pv'', ''fav'', ''cart'', ''buy'')', 'timestamp': 'BIGINT'}"
)


def read(file: Path) -> str:
    """The log as a table expression: types as declared, distinct rows, inside the window."""
    lines = f"read_csv('{file}', header = true, columns = {COLUMNS})"
    return f"(SELECT DISTINCT * FROM {lines} WHERE timestamp BETWEEN {START} AND {END})"


def clean(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the cleaned table `log`."""
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order = false")
    con.execute(f"SET temp_directory = '{folder / f'spill-sql-{os.getpid()}'}'")
    local = f"timestamp + {ZONE_SECONDS}"
    con.execute(
        f"CREATE TABLE log AS SELECT *, (DATE '1970-01-01' + (({local}) // 86400)::INTEGER)::DATE AS day, "
        f"(({local}) % 86400 // 3600)::TINYINT AS hour FROM {read(folder / 'events.csv')}"
    )
    return con


QUERIES = {
    "days": f"""
        WITH marked AS (SELECT user_id, day, behavior, timestamp - lag(timestamp) OVER
            (PARTITION BY user_id ORDER BY timestamp) AS pause FROM log)
        SELECT day::VARCHAR, count(*) FILTER (behavior = 'pv'), count(DISTINCT user_id),
            count(*) FILTER (pause IS NULL OR pause > {PAUSE}) FROM marked GROUP BY day ORDER BY day""",
    "week": """
        SELECT isodow(day) - 1 AS weekday, hour, count(*) FROM log WHERE behavior = 'pv'
        GROUP BY ALL ORDER BY ALL""",
    "funnel": f"""
        WITH first AS (SELECT user_id, timestamp, behavior,
            max(timestamp) FILTER (behavior = 'pv') OVER so_far AS viewed
            FROM log WINDOW so_far AS (PARTITION BY user_id ORDER BY timestamp)),
        second AS (SELECT *, max(viewed) FILTER (behavior IN ('cart', 'fav') AND timestamp - viewed <= {WINDOW}) OVER
            (PARTITION BY user_id ORDER BY timestamp) AS wished FROM first),
        users AS (SELECT user_id, bool_or(behavior = 'pv') AS one, bool_or(wished IS NOT NULL) AS two,
            bool_or(behavior = 'buy' AND timestamp - wished <= {WINDOW}) AS three FROM second GROUP BY user_id)
        SELECT unnest([1, 2, 3]), unnest([count_if(one), count_if(two), count_if(three)]) FROM users""",
    "retention": f"""
        WITH seen AS (SELECT DISTINCT user_id, day FROM log),
        aged AS (SELECT day - min(day) OVER (PARTITION BY user_id) AS age, day FROM seen)
        SELECT n, (SELECT count(*) FROM aged WHERE age = 0 AND DATE '{LAST_DAY}' - day >= n),
            (SELECT count(*) FROM aged WHERE age = n) FROM range(1, {LONGEST + 1}) r(n) ORDER BY n""",
    "rfm": f"""
        WITH users AS (SELECT user_id, DATE '{LAST_DAY}' - max(day) AS recency, count(DISTINCT day) AS days,
            count(*) AS buys FROM log WHERE behavior = 'buy' GROUP BY user_id)
        SELECT recency, days, count(*), sum(buys) FROM users GROUP BY ALL ORDER BY recency, days""",
    **{
        name: f"""
        SELECT {key}, count(*) FILTER (behavior = 'pv') AS pv, count(*) FILTER (behavior = 'buy'),
            count(DISTINCT user_id) FROM log GROUP BY {key} ORDER BY pv DESC, {key} LIMIT {TOP}"""
        for name, key in (("items", "item_id"), ("categories", "category_id"))
    },
}
RESULTS = {name: (lambda con, query=query: con.execute(query).fetchall()) for name, query in QUERIES.items()}

if __name__ == "__main__":
    run(clean, RESULTS)
