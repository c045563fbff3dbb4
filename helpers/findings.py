"""What a notebook concludes: estimates, findings, result tables, and what cannot be computed.

Everything that a notebook shows as a number goes through here, so that the page, `findings.json` and the CSV files
say the same thing, text from the data is always escaped, and a missing number always has its reason.
"""

from __future__ import annotations

import html
import json
import math
import numbers
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.result_files import write_parquet

MOST_FINDINGS = 5
RESULTS_ENV = "SMN_RESULTS"
"""The runner names here the folder for findings and result tables; in JupyterLab nothing is written."""


class NotAnswerable(Exception):
    """This data cannot answer this notebook's question. Ends a notebook politely; the message is the reason."""

    def _render_traceback_(self) -> list[str]:
        return [f"This notebook stops here. {self}"]


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, or the reason why there is none.

    >>> Estimate(0.25, 0.2, 0.3).covers(0.21)
    True
    >>> Estimate.missing("no purchases").reason
    'no purchases'
    """

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str = ""

    @classmethod
    def missing(cls, reason: str) -> Estimate:
        """No number, because of `reason`."""
        return cls(None, reason=reason)

    def covers(self, truth: float) -> bool | None:
        """Does the interval hold `truth`? None without an interval."""
        if self.ci_low is None or self.ci_high is None:
            return None
        return self.ci_low <= truth <= self.ci_high


def missing(columns: list[str] | tuple[str, ...], reason: str) -> pd.DataFrame:
    """An empty table that carries the reason why it is empty; `show` and every chart print the reason.

    >>> missing(["user_id"], "no purchases").attrs["reason"]
    'no purchases'
    """
    table = pd.DataFrame({c: pd.Series(dtype="object") for c in columns})
    table.attrs["reason"] = reason
    return table


class Note:
    """A quiet box with one sentence: a caveat, or why there is nothing to show."""

    def __init__(self, text: str, kind: str = "note") -> None:
        self.text, self.kind = text, kind

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<p class="smn-{self.kind}" role="note">{html.escape(self.text)}</p>'


class Shown:
    """A table as the page shows it: escaped, formatted, with caption and units, at most `rows` rows."""

    def __init__(self, table: pd.DataFrame, caption: str, units: dict[str, str], rows: int) -> None:
        self.table, self.caption, self.units, self.rows = table.rename(columns=str), caption, units, rows

    def __repr__(self) -> str:
        body = self.table.head(self.rows).astype(object)
        cells = {c: [format_value(v, c) for v in body[c]] for c in body.columns}
        return f"{self.caption}\n{pd.DataFrame(cells).to_string(index=False)}{self._more()}"

    def _more(self) -> str:
        left = len(self.table) - self.rows
        return f"\n… and {left:,} more rows" if left > 0 else ""

    def _repr_html_(self) -> str:
        columns = [(c, high, _is_number_column(self.table[c])) for c, high in self._columns()]
        head = "".join(self._head(*c) for c in columns)
        records = self.table.head(self.rows).astype(object).to_dict("records")
        rows = "".join(f"<tr>{''.join(self._cell(r, *c) for c in columns)}</tr>" for r in records)
        more = f'<p class="smn-more">{self._more().strip()}, in the CSV file of this table.</p>' if self._more() else ""
        caption = f"<caption>{html.escape(self.caption)}</caption>"
        return (
            f'<div class="smn-table" tabindex="0" role="region" aria-label="{html.escape(self.caption, quote=True)}">'
            f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>{more}"
        )

    def _columns(self) -> list[tuple[str, str]]:
        """The columns of the page: (name, ''), or (low end, high end) where two columns are one interval."""
        names = list(self.table.columns)
        highs = {n: f"{n.removesuffix('low')}high" for n in names if n == "ci_low" or n.endswith("_ci_low")}
        pairs = {low: high for low, high in highs.items() if high in names}
        return [(n, pairs.get(n, "")) for n in names if n not in pairs.values()]

    def _head(self, column: str, high: str, number: bool) -> str:
        unit = self.units.get(column, "")
        small = f" <small>{html.escape(unit)}</small>" if unit else ""
        name = self._interval_of(column) if high else column.replace("_", " ")
        side = ' class="num"' if number else ""
        return f'<th scope="col"{side}>{html.escape(name)}{small}</th>'

    def _interval_of(self, low: str) -> str:
        """The heading of an interval, which needs no name of its own where it stands right behind its estimate."""
        estimate = low.removesuffix("ci_low").removesuffix("_")
        before = self.table.columns[max(0, list(self.table.columns).index(low) - 1)]
        return "interval" if estimate in ("", before) else f"{estimate} interval".replace("_", " ")

    def _cell(self, record: dict[str, Any], column: str, high: str, number: bool) -> str:
        text = format_value(record[column], column)
        if high and text != format_value(None):
            text = f"{text.removesuffix(' %')} to {format_value(record[high], high)}"
        side = ' class="num"' if number else ' class="day"' if DAY.fullmatch(text) else ""
        return f"<td{side}>{html.escape(text)}</td>"


DAY = re.compile(r"\d{4}-\d\d(-\d\d)?")


def _is_number_column(column: pd.Series) -> bool:
    filled = column.dropna()
    return len(filled) > 0 and all(isinstance(v, numbers.Number) and not isinstance(v, bool) for v in filled.head(50))


def show(
    table: pd.DataFrame, caption: str = "", *, units: dict[str, str] | None = None, rows: int = 20
) -> Shown | Note:
    """Show a small table, or the reason why it is empty.

    Parameters
    ----------
    table : DataFrame
        One row a line of the page. Columns named `*_rate`, `*_share`, `support` or `confidence` are printed as
        percentages, p-values with three digits, whole numbers with separators.
    caption : str
        What the table says, in a few words.
    units : dict, optional
        Column → unit, printed beside the heading.
    rows : int
        At most so many rows on the page; the CSV file has all.
    """
    if table.empty:
        return Note(f"Not computable: {table.attrs.get('reason', 'no rows')}.", "refusal")
    if "hidden" in table and not table["hidden"].fillna("").astype(bool).any():
        table = table.drop(columns="hidden")  # the reasons of `privacy.suppress`, where nothing was hidden
    return Shown(table, caption, units or {}, rows)


LONGEST = 200
"""Longer texts are cut on the page; the CSV file has them whole."""
PERCENT = re.compile(r"(^|_)(rate|share|support|confidence)(_ci_low|_ci_high)?$")


def format_value(value: Any, column: str = "") -> str:
    """One cell as people read it; a missing value is an en dash.

    >>> format_value(0.0225, "buy_rate"), format_value(75837), format_value(None), format_value(1.8e-6, "p_value")
    ('2.25 %', '75,837', '–', '1.8e-06')
    """
    if value is pd.NaT or _is_gap(value):
        return "–"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d" if value == value.normalize() else "%Y-%m-%d %H:%M")
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        number = float(value)
        if number == 0:
            return "0 %" if PERCENT.search(column) else "0"
        if PERCENT.search(column):
            return f"{number:.{1 if abs(number) >= 0.1 else 2 if abs(number) >= 0.001 else 4}%}".replace("%", " %")
        if column.startswith("p_") or column == "p":
            return f"{number:.2g}" if number < 0.001 else f"{number:.3f}"
        return (
            f"{number:,.4g}"
            if abs(number) < 1000
            else f"{number:,.0f}"
            if abs(number) >= 10_000 or number.is_integer()
            else f"{number:,.1f}"
        )
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


class Findings:
    """At most five sentences with their numbers, and the tables behind them.

    Parameters
    ----------
    notebook : str
        The notebook's name, such as '21_funnel'.
    folder : Path, optional
        Where `findings.json` and `*.csv` go; by default what the runner named, else nothing is written.
    """

    def __init__(self, notebook: str, folder: Path | None = None) -> None:
        named = os.environ.get(RESULTS_ENV)
        self.notebook = notebook
        self.folder = folder or (Path(named) if named else None)
        self.entries: list[dict[str, Any]] = []

    def add(
        self,
        key: str,
        value: Estimate | float | int | None,
        *,
        unit: str,
        text: str,
        ci: tuple[float | None, float | None] | None = None,
        truth: float | None = None,
        reason: str = "too few data",
        **more: Any,
    ) -> Note:
        """Record one finding and show it.

        Parameters
        ----------
        key : str
            A short name, unique in the notebook, such as 'buyers_share'.
        value : Estimate or number or None
            The number; None or NaN is recorded as *not computable* with its reason.
        unit : str
            The number's unit in words, such as 'share of users'.
        text : str
            One sentence. `{value}`, `{ci_low}`, `{ci_high}`, `{truth}` and the names in `more` are filled in with a
            format, such as 'Of all users {value:.1%} bought.': no number is typed by hand.
        ci : (low, high), optional
            The interval, when `value` is a plain number.
        truth : float, optional
            The known truth of a simulated shop.
        """
        others = [e for e in self.entries if e["key"] != key]  # a cell that is run again replaces its finding
        if len(others) >= MOST_FINDINGS:
            raise ValueError(f"finding {key!r} is one too many: a notebook concludes at most {MOST_FINDINGS} things")
        estimate = value if isinstance(value, Estimate) else Estimate(value, *(ci or (None, None)), reason)
        numbers_ = {k: _plain(v) for k, v in asdict(estimate).items() if k != "reason"}
        known = numbers_["value"] is not None
        truth = _plain(truth)
        sentence = (
            text.format(**{k: _Dash() if _is_gap(v) else v for k, v in (numbers_ | {"truth": truth} | more).items()})
            if known
            else f"{key.replace('_', ' ')}: not computable, because {estimate.reason or reason}."
        )
        entry = {"notebook": self.notebook, "key": key, "value": numbers_["value"], "unit": unit, "text": sentence}
        entry |= {k: numbers_[k] for k in ("ci_low", "ci_high") if numbers_[k] is not None}
        if truth is not None:
            entry["truth"] = truth
        self.entries = [*others, entry]
        self._write()
        return Note(sentence, "finding")

    def table(
        self,
        name: str,
        table: pd.DataFrame,
        caption: str = "",
        *,
        units: dict[str, str] | None = None,
        rows: int = 20,
    ) -> Shown | Note:
        """Save a result table as `<name>.csv` and `<name>.parquet` beside the report and show it.

        Raw user ids do not belong in a result table; `name` is lower case with underscores.
        """
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name):
            raise ValueError(f"result table {name!r}: take lower-case letters, digits and underscores")
        if "user_id" in table.columns:
            raise ValueError(f"result table {name!r} holds user_id: raw ids never leave the machine; drop the column")
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            formula_safe(table).to_csv(self.folder / f"{name}.csv", index=False, lineterminator="\n")
            write_parquet(table, self.folder / f"{name}.parquet", caption=caption, units=units)
        return show(table, caption, units=units, rows=rows)

    def _write(self) -> None:
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.entries, ensure_ascii=False, indent=1, allow_nan=False)
            (self.folder / "findings.json").write_text(text, encoding="utf-8")


class _Dash:
    """Stands for a number that is not there, whatever its format."""

    def __format__(self, spec: str) -> str:
        return "–"


def _is_gap(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value))


def _plain(value: Any) -> float | int | None:
    """A Python number, or None for what is missing or not finite."""
    if _is_gap(value):
        return None
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, bool):
        return int(number)
    return number if math.isfinite(number) else None


FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Text that starts so is a formula to some spreadsheet; the wide signs to Chinese and Japanese ones."""


def formula_safe(table: pd.DataFrame) -> pd.DataFrame:
    """The table with text that a spreadsheet would run as a formula made harmless by a leading apostrophe.

    >>> formula_safe(pd.DataFrame({"title": ["=1+1", "tea"], "n": [-1, 2]}))["title"].tolist()
    ["'=1+1", 'tea']
    """
    safe = table.copy()
    for column in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[column]):
            # as objects, so that whole numbers beside others stay whole
            cells = [_harmless(v) if isinstance(v, str) else v for v in safe[column]]
            safe[column] = pd.Series(cells, index=safe.index, dtype="object")
    return safe.rename(columns={c: _harmless(str(c)) for c in safe.columns})


def _harmless(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # a bare return would end the row, and the next could compute
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text
