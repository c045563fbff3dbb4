"""Where every line went, how the rows were chosen, and what follows for the analysis (notebook 10).

Works from the intake's manifests and ledgers, from the facts about the log, and from at most one scan a question.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from helpers.engine import hold
from helpers.facts import NEVER, selection_test
from helpers.findings import missing
from helpers.intake import Ingested
from helpers.intake.ledger import REASONS
from helpers.intervals import z_value
from helpers.study import Study, TableInput, zone
from helpers.tables import BEHAVIORS

MOST_REJECTS_READ = 100_000
MOST_ROWS_COMPARED = 5_000_000
ROW = ("user_id", "item_id", "category_id", "behavior", "timestamp")
DEDUP_KEYS: dict[str, tuple[str, ...]] = {
    "the whole row": ROW,
    "user, item, action, second": ("user_id", "item_id", "behavior", "timestamp"),
    "user, action, second (item left out)": ("user_id", "behavior", "timestamp"),
    "user, item, action, day": ("user_id", "item_id", "behavior", "day"),
    "user, item, action (the first one ever)": ("user_id", "item_id", "behavior"),
}
"""What two rows may have in common to count as one, from the narrowest to the widest."""


# -- the account ------------------------------------------------------------------------------------------------------


def recount(study: Study, ingested: dict[str, Ingested]) -> pd.DataFrame:
    """Count the lines of every text file once more, byte by byte, and compare with the account.

    A line ends with LF, CR LF or CR; bytes after the last end are one more line. This count shares no code with the
    intake: it only looks for these two bytes.

    Returns
    -------
    DataFrame
        One row a file: table, file, lines (of the account), recounted, agree. Packed and Parquet files are left out,
        and what a cluster took in: there the lines are counted a second time while they are read.
    """
    rows = []
    for table, result in ingested.items():
        if result.manifest.get("engine") == "spark":
            continue
        for path, account in zip(study.tables[table].paths, result.manifest["inputs"], strict=True):
            if study.tables[table].format == "csv" and path.suffix != ".gz" and path.is_file():
                n = count_lines(path)
                row = {"table": table, "file": path.name, "lines": account["lines"], "recounted": n}
                rows.append(row | {"agree": n == account["lines"]})
    if not rows:
        return missing(["table", "file", "lines", "recounted", "agree"], "no plain text file to count again")
    return pd.DataFrame(rows)


def count_lines(path: Path) -> int:
    """Lines of a file by its raw bytes, 1 MiB at a time."""
    ends, last = 0, b""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            split_pair = last == b"\r" and piece[:1] == b"\n"
            returns = piece.count(b"\r")
            ends += piece.count(b"\n") + returns - (piece.count(b"\r\n") if returns else 0) - split_pair
            last = piece[-1:]
    return ends + (last not in (b"", b"\n", b"\r"))


def rejects_by_reason(ingested: dict[str, Ingested]) -> pd.DataFrame:
    """What was not taken, and why.

    Returns
    -------
    DataFrame
        One row a table and reason: table, reason, lines, share (of the table's lines), meaning; most frequent first.
        Empty, with its reason, when nothing was rejected.
    """
    rows = []
    for table, result in ingested.items():
        total = sum(f["lines"] for f in result.manifest["inputs"])
        counts = sum((Counter(f["rejects"]) for f in result.manifest["inputs"]), Counter())
        rows += [
            {"table": table, "reason": r, "lines": n, "share": n / total, "meaning": REASONS.get(r, "")}
            for r, n in counts.items()
            if n
        ]
    columns = ["table", "reason", "lines", "share", "meaning"]
    if not rows:
        return missing(columns, "no line was rejected")
    order = {"by": ["lines", "table", "reason"], "ascending": [False, True, True]}
    return pd.DataFrame(rows).sort_values(**order, ignore_index=True)


def shape_of(raw: bytes, *, longest: int = 60) -> str:
    """The shape of a line: every letter is a, every digit 9, long runs shortened; no value can be read from it.

    >>> shape_of(b"1,2268318,2520377,pv,1511544070")
    '9,9×7,9×7,aa,9×10'
    >>> shape_of("5,女装,=cmd|x".encode())
    '9,字字,=aaa|a'
    """
    text = raw[: longest * 8].decode("utf-8", errors="replace")
    text = "".join(_masked(c) for c in text)
    text = re.sub(r"([9a字])\1{3,}", lambda m: f"{m[1]}×{len(m[0])}", text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _masked(char: str) -> str:
    if char.isdigit() or char.isnumeric():
        return "9"
    if char.isalpha():
        return "a" if char.isascii() else "字"
    if char.isascii():
        return char if char.isprintable() else f"\\x{ord(char):02x}"
    return "?"


def reject_shapes(ingested: dict[str, Ingested], *, most: int = 2) -> pd.DataFrame:
    """The most frequent shapes of rejected lines for every reason: what to look for in the source system.

    Parameters
    ----------
    ingested : dict of str to Ingested
        The verified tables with their ledgers.
    most : int
        Shapes a reason.

    Returns
    -------
    DataFrame
        One row a table, reason and shape: table, reason, column (complained about), shape, lines, first_line.
        At most 100,000 ledger rows a table are read.
    """
    parts = [_shapes(table, result.rejects) for table, result in ingested.items()]
    found = pd.concat([p for p in parts if len(p)], ignore_index=True) if any(len(p) for p in parts) else None
    if found is None:
        return missing(["table", "reason", "column", "shape", "lines", "first_line"], "no line was rejected")
    found = found.groupby(["table", "reason", "column", "shape"], as_index=False)["line"].agg(["size", "min"])
    found = found.rename(columns={"size": "lines", "min": "first_line"})
    found = found.sort_values(["table", "reason", "lines", "first_line"], ascending=[True, True, False, True])
    return found.groupby(["table", "reason"]).head(most).reset_index(drop=True)


def _shapes(table: str, ledger: Path) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for batch in pq.ParquetFile(ledger).iter_batches(columns=["reason", "column", "raw", "line"]):
        for row in batch.to_pylist():
            shape = shape_of(row["raw"] or b"")
            rows.append({"reason": row["reason"], "column": row["column"] or "", "shape": shape, "line": row["line"]})
        if len(rows) >= MOST_REJECTS_READ:
            break
    return pd.DataFrame(rows[:MOST_REJECTS_READ]).assign(table=table)


def notes(ingested: dict[str, Ingested]) -> pd.DataFrame:
    """How the files were read: encoding, line ends, delimiter, times, and what the intake had to decide."""
    rows = []
    for table, result in ingested.items():
        m = result.manifest
        said = "; ".join(m.get("notes", ())) or "nothing to decide"
        read = {k: m.get(k) for k in ("encoding", "newline", "delimiter")}
        read["delimiter"] = {"\t": "tab"}.get(str(read["delimiter"]), read["delimiter"])
        policy = m.get("duplicates", {})
        rows.append({"table": table, **read, "duplicates": policy.get("policy"), "notes": said})
    return pd.DataFrame(rows)


def size_table(facts: dict[str, Any], manifest: dict[str, Any], *, min_cell: int = 1) -> pd.DataFrame:
    """The log in figures: lines, rejects that concern everybody, and what is left.

    Parameters
    ----------
    facts : dict
        From `helpers.facts.log_facts`.
    manifest : dict
        Intake's manifest of the log.
    min_cell : int
        Fewer buyers than that, but more than none, are not counted out.

    Returns
    -------
    DataFrame
        One row a figure: figure, value (missing where hidden), meaning.
    """
    accounts = manifest["inputs"]
    rejects = sum((Counter(a["rejects"]) for a in accounts), Counter())
    lines, cut = sum(a["lines"] for a in accounts), rejects["truncated last line"]
    rows = [
        ("lines", lines, "in all files of the log"),
        ("complete rows", lines - sum(a["header"] + a["blank"] + a["continuation"] for a in accounts) - cut, ""),
        ("truncated last line", cut, REASONS["truncated last line"]),
        ("out of window", rejects["out of window"], REASONS["out of window"]),
        ("duplicates", manifest["duplicates"]["exact"], "equal in every column to an earlier row of the window"),
        ("clean rows", facts["rows"], "that every notebook works with"),
        *((k, facts[k], f"different {k} in the clean rows") for k in ("users", "items", "categories")),
        ("days", facts["days"], "from the first to the last, both counted"),
        ("buyers", facts["buyers"], "users with a purchase in the window"),
        ("repeat buyers", facts["repeat_buyers"], "buyers with two or more purchase rows"),
    ]
    table = pd.DataFrame(rows, columns=["figure", "value", "meaning"]).astype({"value": "Int64"})
    people = table["figure"].isin(["buyers", "repeat buyers"]) & table["value"].between(1, min_cell - 1)
    return table.assign(value=table["value"].mask(people))


def missing_values(tables: dict[str, ir.Table], ingested: dict[str, Ingested]) -> pd.DataFrame:
    """How much is missing in every column that the files bring.

    Returns
    -------
    DataFrame
        One row a column: table, column, rows, missing_rows, missing_share; most missing first. Columns that no file
        brings are left out.
    """
    rows = []
    for name, table in tables.items():
        brought = [c for c in ingested[name].manifest["columns"] if c in table.columns]
        counts = table.agg(rows=table.count(), **{f"c_{c}": table[c].isnull().sum() for c in brought}).execute().iloc[0]
        total = int(counts["rows"])
        for column in brought:
            n = 0 if pd.isna(counts[f"c_{column}"]) else int(counts[f"c_{column}"])
            share = n / total if total else None
            rows.append({"table": name, "column": column, "rows": total, "missing_rows": n, "missing_share": share})
    table = pd.DataFrame(rows)
    return table.sort_values("missing_rows", ascending=False, kind="stable", ignore_index=True)


# -- duplicates -------------------------------------------------------------------------------------------------------


def dedup_sensitivity(study: Study, events: ir.Table, ingested: Ingested) -> pd.DataFrame:
    """How many rows would be left, had *duplicate* meant something else, or had the window been cut later?

    A key that holds the time gives the same rows in both orders: equal rows lie on the same side of the window. Only a
    key without time depends on the order: the first row may lie before the window and take the later one with it.

    Parameters
    ----------
    study : Study
        Says how the file of the log is read, so that the out-of-window rows can be read from the ledger.
    events : ibis Table
        The clean log (already without equal rows where the policy is *drop*).
    ingested : Ingested
        The log's manifest and ledger.

    Returns
    -------
    DataFrame
        One row a key: key, window_first (rows left when the window is cut before duplicates are dropped), dedup_first
        (the other order), dropped_share (of the rows of the window), order_matters. Above 5 million rows these are
        counts of a part of the users, the same for all keys.
    """
    part = -(-int(ingested.manifest["rows"]) // MOST_ROWS_COMPARED)
    log = events.select(*(c for c in (*ROW, "day", "pause") if c in events.columns))
    log = log if part == 1 else hold(log.filter(log.user_id.hash() % part == 0))
    rows, different = _different(log)
    doubles = int(ingested.manifest["duplicates"]["exact"]) if part == 1 else 0
    dropped = doubles if ingested.manifest["duplicates"]["policy"] == "drop" else 0
    before = rows + dropped
    earlier = _taken_by_earlier(study, log, ingested)
    found = []
    for words, key in DEDUP_KEYS.items():
        left = different[words]
        other = left if {"timestamp", "day"} & set(key) else left - earlier
        share = 1 - left / before if before else None
        found.append({"key": words, "window_first": left, "dedup_first": other, "dropped_share": share})
    return pd.DataFrame(found).assign(order_matters=lambda t: t["window_first"] != t["dedup_first"])


def _different(log: ir.Table) -> tuple[int, dict[str, int]]:
    """The rows of a log, and how many of them differ in each of the keys."""
    rows = int(log.count().execute())
    # two rows can only be equal in a key with the time in it where a user has several rows in one second
    doubt = hold(log.semi_join(_busy_seconds(log), ["user_id", "timestamp"]).select(*ROW))
    sure, found = rows - int(doubt.count().execute()), {}
    for words, key in DEDUP_KEYS.items():
        if "timestamp" in key:
            found[words] = sure + int(doubt.select(*key).distinct().count().execute())
    by_day, ever = list(DEDUP_KEYS)[-2:]
    days = log.select(*DEDUP_KEYS[by_day]).distinct().group_by(*DEDUP_KEYS[ever]).agg(days=ibis._.count())
    counts = days.agg(ever=days.count(), by_day=days.days.sum()).execute().fillna(0).iloc[0]
    return rows, found | {by_day: int(counts["by_day"]), ever: int(counts["ever"])}


def _busy_seconds(log: ir.Table) -> ir.Table:
    """The users and seconds with several rows."""
    if "pause" in log.columns:
        return log.filter(log.pause == 0).select("user_id", "timestamp").distinct()
    seconds = log.group_by("user_id", "timestamp").agg(n=log.count())
    return seconds.filter(seconds.n > 1).drop("n")


def _taken_by_earlier(study: Study, events: ir.Table, ingested: Ingested) -> int:
    """(user, item, action) of the window that a row before the window already holds."""
    outside = _out_of_window(study, ingested)
    if outside.empty:
        return 0
    earlier = ibis.memtable(outside.drop_duplicates())
    key = [events[c].cast("string").name(c) for c in ("user_id", "item_id", "behavior")]
    inside = events.select(*key).semi_join(earlier, list(outside.columns)).distinct()
    return int(inside.count().execute())


def _out_of_window(study: Study, ingested: Ingested) -> pd.DataFrame:
    """User, item and action of the ledger's rows before the window, as text."""
    given = study.tables[ingested.table]
    columns = ["user_id", "item_id", "behavior"]
    where = _positions(given, [*columns, "timestamp"])
    if where is None:
        return pd.DataFrame(columns=columns)
    rows = []
    ledger = pq.ParquetFile(ingested.rejects)
    for batch in ledger.iter_batches(columns=["reason", "raw"]):
        lines = [r["raw"].decode("utf-8", "replace") for r in batch.to_pylist() if r["reason"] == "out of window"]
        rows += [r for r in csv.reader(lines, delimiter=given.delimiter) if len(r) > max(where.values())]
        if len(rows) >= MOST_REJECTS_READ:
            break
    table = pd.DataFrame([{c: r[i].strip() for c, i in where.items()} for r in rows], columns=list(where))
    table["behavior"] = table["behavior"].replace(given.behavior_codes or {})
    before = [_is_before(t, study.start_epoch) for t in table["timestamp"]]
    return table.loc[np.array(before, dtype=bool), columns]


def _is_before(text: str, start: int) -> bool:
    """Is a written time before `start`? Seconds, milliseconds and microseconds are told apart by their length."""
    if re.fullmatch(r"-?\d{1,17}", text):
        number = int(text)
        return number / {True: 1, False: 1000 if abs(number) < 10**14 else 10**6}[abs(number) < 10**11] < start
    try:
        return datetime.fromisoformat(text).timestamp() < start
    except ValueError:
        return False


def _positions(given: TableInput, columns: list[str]) -> dict[str, int] | None:
    """Column → place in a row, from the study file or from the first file's header."""
    named = {c: (given.columns or {}).get(c, c) for c in columns}
    if given.format != "csv":
        return None
    if all(isinstance(v, int) for v in named.values()):
        return {c: int(v) - 1 for c, v in named.items()}
    path = given.paths[0]
    if path.suffix == ".gz" or not path.is_file():
        return None
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = [h.strip() for h in next(csv.reader([file.readline()], delimiter=given.delimiter), [])]
    if not all(v in header for v in named.values() if isinstance(v, str)):
        return None
    return {c: v - 1 if isinstance(v, int) else header.index(v) for c, v in named.items()}


# -- time -------------------------------------------------------------------------------------------------------------


def days_table(facts: dict[str, Any]) -> pd.DataFrame:
    """Events and users by day; see `helpers.facts.daily_table`."""
    columns = ["day", "events", "users", "first_seen", "comeback_rate"]
    if not facts["daily"]:
        return missing(columns, "the log holds no rows")
    table = pd.DataFrame(facts["daily"], columns=columns)
    return table.assign(day=pd.to_datetime(table["day"]), comeback_rate=table["comeback_rate"].astype(float))


def first_seen_table(facts: dict[str, Any]) -> pd.DataFrame:
    """Users by the day on which they were first seen; by week where the log spans more than a month.

    Returns
    -------
    DataFrame
        One row a day or week: start (its first day), first_seen.
    """
    days = days_table(facts)
    if days.empty:
        return missing(["start", "first_seen"], days.attrs["reason"])
    every = 1 if len(days) <= 31 else 7
    start = days["day"].iloc[0] + pd.to_timedelta(np.arange(len(days)) // every * every, unit="D")
    return days.assign(start=start).groupby("start", as_index=False)["first_seen"].sum()


def hours_table(facts: dict[str, Any], *, time_zone: str) -> pd.DataFrame:
    """Events by hour of the day, and the curve that the same log would show if its times were read as UTC.

    Returns
    -------
    DataFrame
        24 rows: hour, events, share (of all events), utc_events (missing where the zone's offset is not whole hours).
    """
    if not facts["rows"]:
        return missing(["hour", "events", "share", "utc_events"], "the log holds no rows")
    hours = np.asarray(facts["hours"])
    offset = datetime.fromisoformat(facts["first"]).astimezone(zone(time_zone)).utcoffset() or timedelta(0)
    shift, rest = divmod(int(offset.total_seconds()), 3600)
    table = pd.DataFrame({"hour": range(24), "events": hours, "share": hours / hours.sum()})
    return table.assign(utc_events=None if rest else np.roll(hours, -shift))


def hour_readings(hours: pd.DataFrame) -> pd.DataFrame:
    """One row an hour and reading, for a figure: hour, reading (local time or UTC), share."""
    if hours.empty:
        return missing(["hour", "reading", "share"], hours.attrs["reason"])
    local = hours.assign(reading="in the study's zone")[["hour", "reading", "share"]]
    shifted = hours.assign(reading="read as UTC by mistake", share=hours["utc_events"] / hours["events"].sum())
    return pd.concat([local, shifted[["hour", "reading", "share"]].dropna()], ignore_index=True)


# -- mix, selection ---------------------------------------------------------------------------------------------------


def behaviour_mix(events: ir.Table, *, level: float = 0.95) -> pd.DataFrame:
    """The share of each action among all rows, with an interval that knows that rows of one user belong together.

    p = Σ x_u / Σ n_u over users u, range 0…1; variance by linearisation, m/(m − 1) · Σ (x_u − p·n_u)² / (Σ n_u)². The
    interval of independent rows would be several times too narrow: the users, not the rows, are the sample.

    Parameters
    ----------
    events : ibis Table
        The log.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        Four rows: behavior, rows, users (who did it), share, share_ci_low, share_ci_high (missing with one user).

    References
    ----------
    Cochran (1977), ratio estimator: cochran1977.

    Examples
    --------
    Two users with 2 of 4 and 2 of 2 purchases: p = 4/6, residuals −2/3 and 2/3.

    >>> log = ibis.memtable({"user_id": [1, 1, 1, 1, 2, 2], "behavior": ["buy", "buy", "pv", "pv", "buy", "buy"]})
    >>> behaviour_mix(log).round(3)[["behavior", "rows", "users", "share", "share_ci_low"]].tail(1)
      behavior  rows  users  share  share_ci_low
    3      buy     4      2  0.667         0.231
    """
    counts = {b: (events.behavior == b).sum().cast("float64") for b in BEHAVIORS}
    users = events.group_by("user_id").agg(n=events.count().cast("float64"), **counts)
    sums = {"users": users.count(), "n": users.n.sum(), "nn": (users.n * users.n).sum()}
    for b in BEHAVIORS:
        x = users[b]
        sums |= {f"x_{b}": x.sum(), f"xx_{b}": (x * x).sum(), f"xn_{b}": (x * users.n).sum(), f"u_{b}": (x > 0).sum()}
    found = users.agg(**sums).execute().iloc[0]
    columns = ["behavior", "rows", "users", "share", "share_ci_low", "share_ci_high"]
    if not found["users"]:
        return missing(columns, "the log holds no rows")
    return pd.DataFrame([_share(found, b, z_value(level)) for b in BEHAVIORS], columns=columns)


def _share(sums: pd.Series, behavior: str, z: float) -> dict[str, Any]:
    """The ratio of two totals over users, and its interval."""
    m, n, x = int(sums["users"]), float(sums["n"]), float(sums[f"x_{behavior}"])
    p = x / n
    spread = max(sums[f"xx_{behavior}"] - 2 * p * sums[f"xn_{behavior}"] + p * p * sums["nn"], 0.0)
    half = z * np.sqrt(m / (m - 1) * spread) / n if m > 1 else np.nan
    return {
        "behavior": behavior,
        "rows": int(x),
        "users": int(sums[f"u_{behavior}"]),
        "share": p,
        "share_ci_low": max(0.0, p - half) if m > 1 else np.nan,
        "share_ci_high": min(1.0, p + half) if m > 1 else np.nan,
    }


def selection_table(facts: dict[str, Any]) -> pd.DataFrame:
    """The selection guard in figures.

    Returns
    -------
    DataFrame
        One row a figure: figure, value (text), meaning.
    """
    test = facts.get("selection", {"verdict": "cannot tell", "known_users": 0})
    rows = [("verdict", test["verdict"], "selected: users were chosen because they were active at the end")]
    rows.append(("known users", f"{test['known_users']:,}", "seen in the first third of the log"))
    if "end_days" in test:
        w = test["end_days"]
        rows += [
            ("active in the last two days", f"{test['active_end_rate']:.1%}", "share of the known users"),
            ("active in two days, usually", f"{test['usual_active_rate']:.1%}", "mean of the earlier pairs of days"),
            (f"absent from the last {w} days", f"{test['absent_rate']:.1%}", "share of the known users"),
            (f"absent from {w} days, at least", f"{test['usual_absent_rate']:.1%}", "least of the earlier stretches"),
            ("odds ratio, at least", f"{test['odds_ratio']:,.2f}", "lower bound; selected takes 5 or more"),
        ]
    return pd.DataFrame(rows, columns=["figure", "value", "meaning"])


def guards_table(facts: dict[str, Any]) -> pd.DataFrame:
    """One row a guard: guard, verdict, evidence."""
    if not facts["rows"]:
        return missing(["guard", "verdict", "evidence"], "the log holds no rows")
    clock, edges, thin, selection = (facts[k] for k in ("clock", "edges", "thinning", "selection"))
    few = "too few events or users"
    curve = f"quietest around {clock['trough']} h, peak at {clock['peak']} h" if "trough" in clock else few
    whole = ", ".join("cut" if e["cut"] else "whole" for e in edges.values())
    day = f"first day from {edges['first']['hour']:.1f} h; last day to {edges['last']['hour']:.1f} h"
    chained = f"{thin['chained_rate']:.0%} of further events are chained" if "chained_rate" in thin else few
    active = selection.get("active_end_rate")
    known = few if active is None else f"{active:.0%} of the known users are active in the last two days"
    rows = [
        ("hour curve", clock["verdict"], curve),
        ("first and last day", whole, day),
        ("selection on activity at the end", selection["verdict"], known),
        ("users' logs whole", thin["verdict"], chained),
    ]
    return pd.DataFrame(rows, columns=["guard", "verdict", "evidence"])


# -- how often the selection guard errs -------------------------------------------------------------------------------

WORLDS = {
    "stationary": {},
    "growth: 9 in 10 join later": {"join": 0.9},
    "drop-out: 5 % a day": {"leave": 0.05},
    "shop closed at weekends": {"weekend": 0.1},
    "sale at the end, odds × 3": {"sale": 3.0},
    "selected on the last two days": {"select": 2},
    "selected on the last day": {"select": 1},
}
"""Kinds of logs; the last two are selected."""


def presence(
    rng: np.random.Generator,
    *,
    users: int,
    days: int,
    mean_rate: float = 0.4,
    spread: float = 3.0,
    join: float = 0.0,
    leave: float = 0.0,
    weekend: float = 1.0,
    sale: float = 1.0,
    select: int = 0,
) -> np.ndarray:
    """A simulated log as a table user × day: was the user there?

    Each user comes on a day with a chance of his own (Beta with mean `mean_rate`), moved on the odds scale by weekends
    and by a sale on the last two days; a share `join` arrives during the log; each day a share `leave` goes for good;
    with `select`, only users active in so many last days are kept.
    """
    rate = np.clip(rng.beta(mean_rate * spread, (1 - mean_rate) * spread, users), 1e-9, 1 - 1e-9)
    logit = np.log(rate / (1 - rate))[:, None] + rng.normal(0, 0.15, days)
    logit[:, np.arange(days) % 7 >= 5] += np.log(weekend)
    logit[:, -2:] += np.log(sale)
    here = rng.random((users, days)) < 1 / (1 + np.exp(-logit))
    day = np.arange(days)
    start = np.where(rng.random(users) < join, rng.integers(0, days, users), 0)
    end = start + (rng.geometric(leave, users) if leave else days)
    here &= (day >= start[:, None]) & (day < end[:, None])
    return here[here[:, days - select :].any(axis=1)] if select else here[here.any(axis=1)]


def gaps_of(here: np.ndarray) -> pd.DataFrame:
    """Successive active days of a table user × day, in the form that `helpers.facts.selection_test` reads.

    One row a user and active day: day, next_day, known, users (1).
    """
    user, day = np.nonzero(here)
    following = np.append(day[1:], NEVER)
    following[np.append(user[1:] != user[:-1], True)[: len(user)]] = NEVER
    known = here[:, : here.shape[1] // 3].any(axis=1)[user]
    return pd.DataFrame({"day": day, "next_day": following[: len(day)], "known": known, "users": 1})


def selection_error_rates(*, runs: int = 40, users: int = 1000, days: int = 30, seed: int = 1) -> pd.DataFrame:
    """How often does the selection guard say *selected*, by kind of log?

    Returns
    -------
    DataFrame
        One row a kind of log: world, truly_selected, runs, said_selected_rate, cannot_tell_rate.
    """
    rows = []
    for i, (world, settings) in enumerate(WORLDS.items()):
        rng = np.random.default_rng([seed, i])
        logs = (presence(rng, users=users, days=days, **settings) for _ in range(runs))
        said = [selection_test(gaps_of(here), days=days)["verdict"] for here in logs]
        row = {"world": world, "truly_selected": "select" in settings, "runs": runs}
        row["said_selected_rate"] = said.count("selected") / runs
        rows.append(row | {"cannot_tell_rate": said.count("cannot tell") / runs})
    return pd.DataFrame(rows)


# -- the simulated shop -----------------------------------------------------------------------------------------------


def planted_dirt(study: Study, ingested: dict[str, Ingested]) -> pd.DataFrame:
    """The faulty lines that the simulated shop planted, against what the ledger holds.

    Returns
    -------
    DataFrame
        One row a kind: table, kind, planted, found, agree. Empty, with its reason, for real data.
    """
    columns = ["table", "kind", "planted", "found", "agree"]
    file = study.truth_folder / "dirt.json" if study.truth_folder else None
    if file is None or not file.is_file():
        return missing(columns, "these are not simulated data, so nobody knows what was planted")
    rows = []
    for table, kinds in json.loads(file.read_text(encoding="utf-8")).items():
        if table not in ingested:
            continue
        accounts = ingested[table].manifest["inputs"]
        found = sum((Counter(a["rejects"]) for a in accounts), Counter())
        found |= {"blank": sum(a["blank"] for a in accounts), "clean rows": ingested[table].manifest["rows"]}
        kinds = kinds | {k: 0 for k in found if k not in kinds}
        rows += [
            {"table": table, "kind": k, "planted": n, "found": found.get(k, 0), "agree": n == found.get(k, 0)}
            for k, n in kinds.items()
        ]
    return pd.DataFrame(rows, columns=columns) if rows else missing(columns, "nothing was planted in these tables")
