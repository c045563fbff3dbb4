"""The report of the benchmark: bench.json keeps the latest measurement of each size, index.html shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from helpers.findings import show
from helpers.report import publish
from helpers.report.exporter import page_script, templates
from helpers.report.gate import faults
from helpers.report.markup import clean_html
from tests.benchmarks.names import CONTENDERS, FIXED, FLOOR

NAMES = CONTENDERS | {"whole": "whole path"} | FLOOR | {name: words for name, (words, _) in FIXED.items()}
METHODS = {p.stem: p for p in sorted(Path(__file__).parent.glob("bench_*.py"))}
SLOWEST = 12


def write(folder: Path, found: dict[str, Any]) -> None:
    """Add a measurement to bench.json and write the page of all sizes."""
    file = folder / "bench.json"
    sizes = json.loads(file.read_text(encoding="utf-8"))["sizes"] if file.is_file() else {}
    sizes[str(found["events"])] = found
    sizes = {key: sizes[key] for key in sorted(sizes, key=int)}
    html = page(sizes)
    if stopped := faults(html, trusted=[page_script()]):
        raise RuntimeError(f"the page may not be published: {stopped[0]}")
    publish.write(folder, "bench.json", json.dumps({"sizes": sizes}, ensure_ascii=False, indent=1) + "\n")
    publish.write(folder, "index.html", html)


def page(sizes: dict[str, dict[str, Any]]) -> str:
    """The page: targets, then each size."""
    parts = [(_size(found), [_table(*each) for each in tables(found)], _about(found)) for found in sizes.values()]
    source = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    kept = targets(sizes)
    missed = int((kept["verdict"] == "✗ missed").sum())
    return (
        templates()
        .from_string(source)
        .render(
            targets=_table(kept, "Targets, on two cores"), missed=missed, judged=int((kept["verdict"] != "–").sum()),
            parts=parts, methods=[(name, _first_line(path)) for name, path in METHODS.items()],
        )
    )  # fmt: skip


def _first_line(path: Path) -> str:
    text = path.read_text(encoding="utf-8").split('"""')[1].splitlines()[0]
    return text.removeprefix("Benchmark: ")


def _size(found: dict[str, Any]) -> str:
    return f"{found['events']:,} events, {found['bytes'] / 1e6:,.0f} MB of CSV"


def _about(found: dict[str, Any]) -> str:
    load = " to ".join(f"{x:g}" for x in found["load"])
    equal = ", ".join(CONTENDERS[name] for name in CONTENDERS if name in found["equal"])
    words = f"Made {found['made']} with {found['with']}" + (f"; load average {load}." if load else ".")
    return words + (f" Equal results, number by number: {equal}." if equal else "")


def _table(table: pd.DataFrame, caption: str) -> Markup:
    return Markup(clean_html(show(table, caption, rows=60)._repr_html_()))


def tables(found: dict[str, Any]) -> list[tuple[pd.DataFrame, str]]:
    """The tables of one size: contenders, floor and intake, whole path, fixed costs; those without a row are left out.

    >>> one = {"cpu": 2.0, "wall": 1.0, "megabytes": 100.0, "runs": 1}
    >>> table, caption = tables({"events": 20_000, "costs": {"sql": one}, "parts": []})[0]
    >>> table.values.tolist()
    [['DuckDB, SQL by hand', 2.0, 1.0, 100, 1, 1.0]]
    """
    costs, made = found["costs"], []
    for names, caption, base in (
        (CONTENDERS, "The same results in several ways", "sql"),
        (FLOOR, "The floor, and intake above it", "parse"),
        (FIXED, "What every start costs, whatever the log", ""),
    ):
        rows = [_row(name, costs, base) for name in names if name in costs]
        made += [(pd.DataFrame(rows), caption)] if rows else []
    if found["parts"]:
        made.append((_whole(found), "The whole path: raw file → intake → event-level notebooks"))
        made.append((_slowest(found), "Where the whole path spends most"))
    return made


def _row(name: str, costs: dict[str, dict[str, float]], base: str) -> dict[str, Any]:
    own = costs[name]
    row = {"what": NAMES[name], "processor s": own["cpu"], "wall s": own["wall"], "peak MB": round(own["megabytes"])}
    row |= {"runs": own["runs"]}
    if base:
        row[f"times {'SQL' if base == 'sql' else 'the parse'}"] = ratio(costs, name, base)
    return row


def ratio(costs: dict[str, dict[str, float]], name: str, base: str, value: str = "cpu") -> float | None:
    """How many times as much as the base; None where one of them was not measured."""
    known = name in costs and base in costs and costs[base][value]
    return round(costs[name][value] / costs[base][value], 2) if known else None


def _whole(found: dict[str, Any]) -> pd.DataFrame:
    rows = [{"part": p["notebook"]} | _cost(p) for p in found["parts"]]
    jobs = found["jobs"]
    rows.append({"part": f"all, {jobs} at a time" if jobs > 1 else "all"} | _cost(found["costs"]["whole"]))
    return pd.DataFrame(rows)


def _cost(of: dict[str, Any]) -> dict[str, Any]:
    return {"processor s": of["cpu"], "wall s": of["wall"], "peak MB": round(of["megabytes"])}


def _slowest(found: dict[str, Any]) -> pd.DataFrame:
    rows = [(s, p["notebook"][:2], text) for p in found["parts"] for s, text in p["slowest"]]
    return pd.DataFrame(sorted(rows, reverse=True)[:SLOWEST], columns=["processor s", "notebook", "statement"])


def targets(sizes: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """The targets with what was measured at their size; '–' where that size was not measured.

    Returns
    -------
    DataFrame
        `target, at, wanted, measured, verdict`.
    """
    costs = {size: sizes.get(str(size), {}).get("costs", {}) for size in (1_000_000, 10_000_000, 100_000_000)}
    ten, hundred, cap = costs[10_000_000], costs[100_000_000], sizes.get("100000000", {}).get("cap")
    growth = None
    if "whole" in ten and "whole" in hundred:
        growth = round(hundred["whole"]["cpu"] / ten["whole"]["cpu"], 2)
    whole, four = hundred.get("whole", {}), "at least 4 times"
    rows = [
        ("pandas, as published notebooks go, against ours", "10 M", four, ratio(ten, "published", "ours"), 4, True),
        ("pandas, well written, against ours", "10 M", four, ratio(ten, "usual", "ours"), 4, True),
        ("ours against SQL by hand", "10 M", "at most 1.3 times", ratio(ten, "ours", "sql"), 1.3, False),
        ("intake against plain CSV → Parquet", "10 M", "at most 2 times", ratio(ten, "intake", "plain"), 2, False),
        ("intake against plain CSV → Parquet", "100 M", "at most 2 times", ratio(hundred, "intake", "plain"), 2, False),
        ("whole path, wall", "100 M", "at most 360 s", whole.get("wall"), 360, False),
        ("whole path, memory", "100 M", "at most 8,000 MB", whole.get("megabytes"), 8000, False),
        ("whole path under a cap of 4 GB", "100 M", "ends", 4.0 if cap and cap <= 4 and whole else None, 4, False),
        ("whole path, growth from 10 M", "100 M", "at most 12 times", growth, 12, False),
    ]
    made = [(name, at, wanted, value, _verdict(value, bound, more)) for name, at, wanted, value, bound, more in rows]
    return pd.DataFrame(made, columns=["target", "at", "wanted", "measured", "verdict"])


def _verdict(value: float | None, bound: float, more: bool) -> str:
    if value is None:
        return "–"
    return "✓ kept" if (value >= bound if more else value <= bound) else "✗ missed"
