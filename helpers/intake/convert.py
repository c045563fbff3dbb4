"""Public order files that are not laid out as a table of orders → a CSV that a ready-made study reads.

One line in, one line out, and nothing is judged here: what is wrong with a line, intake says in its ledger.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from helpers.intake.errors import IntakeError
from helpers.study import DATA, nearest, zone
from helpers.whole_files import put

COLUMNS = ["order_id", "user_id", "item_id", "category_id", "quantity", "unit_price", "timestamp"]


def cdnow(text: str) -> pd.DataFrame:
    """The CDNOW sample (Fader and Hardie): customer, number in the sample, day, CDs, dollars, between blanks.

    Each line is an order of one kind of item. The days have no hour: each stands at noon UTC. The price of one CD is
    the dollars over the number of CDs, so that quantity × unit_price is the amount of the file.

    >>> cdnow(" 00004 0001 19970101  2   29.33").iloc[0].to_dict()["timestamp"]
    '1997-01-01T12:00:00Z'
    """
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if not lines or any(len(line) != 5 for line in lines):
        raise IntakeError("This is not the CDNOW sample: each line holds five values between blanks.")
    rows = pd.DataFrame(lines, columns=["customer", "number", "day", "cds", "dollars"])
    pieces, paid = (pd.to_numeric(rows[c], errors="coerce") for c in ("cds", "dollars"))
    day = rows["day"].str.replace(r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3T12:00:00Z", regex=True)
    return pd.DataFrame({
        "order_id": range(1, len(rows) + 1), "user_id": rows["customer"].str.lstrip("0"), "item_id": 1,
        "category_id": 1, "quantity": rows["cds"], "unit_price": paid / pieces.where(pieces > 0), "timestamp": day,
    })  # fmt: skip


def online_retail(text: str) -> pd.DataFrame:
    """The UCI *Online Retail* file as CSV: one row a line of an invoice, with its own column names.

    Times are those of London without a zone ('12/1/2010 8:26', the month first). There are no categories. A
    cancellation keeps its negative quantity and a line without a customer its gap: intake rejects both by name.
    """
    rows = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    wanted = {"InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"}
    if lacking := sorted(wanted - set(rows.columns)):
        raise IntakeError(f"This is not the Online Retail file: the column {lacking[0]} is missing from its header.")
    local = pd.to_datetime(rows["InvoiceDate"], format="%m/%d/%Y %H:%M", errors="coerce")
    moment = local.dt.tz_localize(zone("Europe/London"), ambiguous=False, nonexistent="shift_forward")
    iso = moment.dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return pd.DataFrame({
        "order_id": rows["InvoiceNo"], "user_id": rows["CustomerID"].str.removesuffix(".0"),
        "item_id": rows["StockCode"], "category_id": "all", "quantity": rows["Quantity"],
        "unit_price": rows["UnitPrice"], "timestamp": iso.where(local.notna(), rows["InvoiceDate"]),
    })  # fmt: skip


LAYOUTS: dict[str, Callable[[str], pd.DataFrame]] = {"cdnow": cdnow, "online_retail": online_retail}


def convert(layout: str, file: Path, *, output: Path | None = None) -> Path:
    """Convert a file of a known layout; the path of the CSV, by default where the ready-made study looks for it.

    Parameters
    ----------
    layout : str
        'cdnow' or 'online_retail'.
    file : Path
        The file as its publisher gives it: UTF-8, else Latin-1.
    output : Path, optional
        The CSV to write; by default data/<layout>.csv.

    Raises
    ------
    IntakeError
        An unknown layout, no such file, or a file of another layout.
    """
    if layout not in LAYOUTS:
        raise IntakeError(f"layout {layout!r} is not known. {nearest(layout, tuple(LAYOUTS))}")
    if not file.is_file():
        raise IntakeError(f"{file.name}: there is no such file. Check the path.")
    table = LAYOUTS[layout](_text(file.read_bytes()))
    target = output or DATA / f"{layout}.csv"
    put(target, table[COLUMNS].to_csv(index=False, lineterminator="\n"))
    return target


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
