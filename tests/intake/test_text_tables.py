"""Tables with free text: what a CSV writer writes comes back as it was; broken copies are accounted for."""

from __future__ import annotations

import csv
import io
import random
import re
import tempfile
from pathlib import Path

import oracle
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import MUTATIONS

from helpers.intake import IntakeError, ingest
from helpers.study import Study, TableInput, Window

NAMES = ["item_id", "category_id", "title", "price", "brand"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
TRICKY = st.text(st.sampled_from(list(",;\"\n\r\t |aé智\\'0")), max_size=10)
ROWS = st.lists(st.tuples(st.one_of(TEXT, TRICKY), st.one_of(TEXT, TRICKY)), min_size=1, max_size=12)


def items_study(path: Path, **settings_: object) -> Study:
    """A study of one table of items."""
    window = Window(start="2017-11-25", end="2017-12-03")  # type: ignore[arg-type]
    given_ = TableInput(path=str(path), **settings_)
    return Study(name="items", title="Items", window=window, tables={"items": given_})


def read(data: bytes, delimiter: str = ",", **settings_: object):
    """The manifest and the rows of some bytes as a table of items."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "items.csv"
        path.write_bytes(data)
        result = ingest(items_study(path, delimiter=delimiter, **settings_), "items")
        return result.manifest, pq.read_table(result.data).to_pylist(), pq.read_table(result.rejects).to_pylist()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL], ids=["minimal", "all"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@settings(max_examples=15, deadline=None)
@given(rows=ROWS)
def test_written_text_comes_back(quoting, end, delimiter, rows):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)
    if quoting == csv.QUOTE_MINIMAL:  # Python before 3.13 forgets to quote a lone CR
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    writer.writerow(NAMES)
    for i, (title, brand) in enumerate(rows):
        writer.writerow([i, 7, title, "1.5", brand])
    data = out.getvalue().encode()
    _, taken, rejects = read(data, delimiter)
    there = [(t or None, b or None) for t, b in rows]
    if data.count(b'"') != 1 and not any("\ufeff" in "".join(r) for r in rows):
        assert [(r["title"], r["brand"]) for r in taken] == there and not rejects


def possible_items(data: bytes) -> tuple[set[tuple], dict[int, tuple]]:
    """Every item that a strict reader could see on a run of lines, and those on one line by its number."""
    ends = re.split(rb"(\r\n|\n|\r)", data.removeprefix(b"\xef\xbb\xbf"))
    lines, ends = ends[::2], [*ends[1::2], b""]
    runs, single, quoting = set(), {}, data.count(b'"') != 1
    header = oracle.header_of(data, NAMES[:2]) or NAMES
    for i in range(len(lines)):
        for n in range(1, 8):
            run = zip(lines[i : i + n], [*ends[i : i + n - 1], b""], strict=False)
            fields = oracle.fields_of(b"".join(line + end for line, end in run), quoting=quoting)
            item = item_of(dict(zip(header, fields, strict=True))) if fields and len(fields) == len(header) else None
            if item and n == 1:
                single[i + 1] = item
            runs.add(item)
    return runs, single


def item_of(fields: dict[str, str]) -> tuple | None:
    """The item in these fields, or None."""
    item, category, title, price, brand = (fields.get(n, "") for n in NAMES)
    ids = oracle.identifier(item), oracle.identifier(category)
    good = None not in ids and re.fullmatch(r"(-?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d{1,3})?)?", price, re.ASCII)
    amount = float(price) if good and price else None
    if not good or (amount is not None and not 0 <= amount < float("inf")):
        return None
    return (*ids, title or None, amount, brand or None)


def item_log(r: random.Random) -> bytes:
    """A table of items with quotes and line ends in it."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n", quoting=r.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer.writerow(NAMES)
    titles = ["plain", "a, b", 'say "hi"', "two\nlines", "智能手机", "", "5' x", "=1+1", "<script>", '"', "\n"]
    for i in range(80):
        writer.writerow([i, r.randrange(9), r.choice(titles) + str(i), round(r.random() * 100, 2), r.choice(titles)])
    return out.getvalue().encode()


@pytest.mark.parametrize("name", sorted(set(MUTATIONS) - {"odd_time", "column_swapped_rows", "noise_only", "empty"}))
def test_broken_text_tables_are_never_silently_wrong(name):
    for seed in range(4):
        r = random.Random(f"{name}{seed}")
        data = MUTATIONS[name](item_log(r), r)
        try:
            manifest, taken, rejects = read(data)
        except IntakeError:
            continue
        there, single = possible_items(data)
        account = manifest["inputs"][0]
        assert account["lines"] == len(oracle.lines_of(data.removeprefix(b"\xef\xbb\xbf")))
        assert sum(account["rejects"].values()) == len(rejects) and account["accepted"] == len(taken)
        rows, out = {tuple(row[n] for n in NAMES) for row in taken}, {r["line"] for r in rejects}
        assert not rows - there
        assert not [n for n, item in single.items() if item not in rows and n not in out]
