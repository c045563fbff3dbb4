"""Tables with free text: what a CSV writer writes comes back as it was."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.intake import ingest
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
