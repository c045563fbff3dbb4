"""One theme, one figure a function; every figure carries its alt text and says its units.

Each function takes a small table and column names and returns a `Chart`, which JupyterLab and the report show as
inline SVG with text as outlines, so that it looks the same on every machine. An empty table gives a `Note` with the
reason. Labels that come from the data are drawn as plain text, never as formulas or markup.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
from itertools import accumulate
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from helpers.findings import Note, format_value
from helpers.visible import visible

INK, QUIET, GRID = "#1f2328", "#59636e", "#d1d9e0"
"""Text, secondary text and grid; the report maps them to the reader's light or dark scheme."""
COLORS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#cf222e", "#0b7f8a", "#6e7781")
"""Told apart by colour-blind readers and on grey paper; the first is the default."""
TRUTH = "#cf222e"

_FONT = Path(__file__).parent / "fonts" / "NotoSansCJKsc-subset.otf"
font_manager.fontManager.addfont(_FONT)
THEME = {
    "font.family": [font_manager.FontProperties(fname=_FONT).get_name(), "DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": INK,
    "axes.edgecolor": QUIET,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "axes.prop_cycle": mpl.cycler(color=COLORS),
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "savefig.dpi": 200,
    "svg.fonttype": "path",
    "svg.hashsalt": "smart-marketing-notebooks",
}


class Chart:
    """A finished figure with its alt text and caption."""

    def __init__(self, figure: Figure, *, alt: str, caption: str = "") -> None:
        self.figure, self.alt, self.caption = figure, visible(alt), visible(caption)

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def svg(self) -> str:
        """The figure as a small, deterministic SVG with its alt text as label."""
        buffer = io.StringIO()
        with mpl.rc_context(THEME):
            _lay_out(self.figure)
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return _slim(buffer.getvalue(), self.alt)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        data = {"image/svg+xml": self.svg(), "text/plain": repr(self)}
        return data, {"image/svg+xml": {"alt": self.alt, "caption": self.caption}}


def _lay_out(figure: Figure) -> None:
    """Find the places once, as the SVG measures them: left to savefig, the whole figure is drawn twice for it."""
    engine = figure.get_layout_engine()
    if engine is not None:
        FigureCanvasSVG(figure)
        figure.dpi = 72
        engine.execute(figure)
        figure.set_layout_engine(None)


def _slim(svg: str, alt: str) -> str:
    """Without prologue, comments and metadata, with two decimals, and labelled for a screen reader."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", svg, flags=re.S)
    svg = re.sub(r"(scale\([^)]*\))|(\d+\.\d{2})\d+", lambda m: m[1] or m[2], svg)
    svg = re.sub(r"\n\s*", "\n", svg)
    # blank cells of a heat map have white edges and nothing else: unseen on white, a grid of lines in the dark
    svg = re.sub(r'<path [^>]*style="fill: none; stroke: #ffffff;[^>]*/>\n?', "", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(alt, quote=True)}" ', 1)


def canvas(width: float = 7.2, height: float = 3.8, **grid: Any) -> tuple[Figure, Any]:
    """An empty figure in the theme and its axes (inches); `grid` goes to `Figure.subplots`."""
    with mpl.rc_context(THEME):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots(**grid)


def _reason(table: pd.DataFrame, value: str = "") -> Note | None:
    """Why there is nothing to draw: no rows, or no number in the column `value`."""
    if table.empty or (value and table[value].isna().all()):
        return Note(f"No chart: {table.attrs.get('reason', 'no values' if len(table) else 'no rows')}.", "refusal")
    return None


def _drawable(text: str) -> str:
    """In characters that a font has: no tabs, returns or controls."""
    return re.sub("[\t\r\u2028\u2029]", " ", visible(text))


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(_drawable(title))
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _legend_below(figure: Figure, axes: Axes) -> None:
    """The legend under the plot, where it covers no data; long names take a line each."""
    names = axes.get_legend_handles_labels()[1]
    columns = max(1, min(len(names), 90 // (max(len(n) for n in names) + 6)))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=columns)


def _number_axis(axis: Any, percent: bool) -> None:
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v * 100:g} %" if percent else f"{v:,.10g}"))


def _log_axis(axis: Any) -> None:
    """Plain numbers at 1, 2 and 5 of each power of ten: the usual labels are formulas."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _ends(table: pd.DataFrame, label: str, value: str) -> str:
    """'highest: a 5, lowest: b 1' for alt texts."""
    known = table.dropna(subset=[value])
    if known.empty:
        return "no values"
    high, low = known.loc[known[value].idxmax()], known.loc[known[value].idxmin()]
    return (
        f"highest: {_text(high[label])} {format_value(high[value], value)}, "
        f"lowest: {_text(low[label])} {format_value(low[value], value)}"
    )


def _text(value: object, longest: int = 40) -> str:
    """A label of at most so many letters; a Chinese character is as wide as two."""
    text = value.strftime("%Y-%m-%d") if isinstance(value, pd.Timestamp) else _drawable(str(value))
    ends = list(accumulate(1 + (east_asian_width(c) in "WF") for c in text[: longest + 1]))
    if not ends or ends[-1] <= longest:
        return text
    return text[: sum(end < longest for end in ends)] + "…"


def _in_legend(value: object) -> str:
    """As text; a blank before '_', because matplotlib leaves such names out of a legend."""
    text = _text(value)
    return f" {text}" if text.startswith("_") else text


def _places(values: pd.Series, axes: Axes) -> dict[Any, Any]:
    """Value → place on the x axis: words stand at 0, 1, 2, … with shortened names; all else stands for itself."""
    words = list(dict.fromkeys(values))
    if not words or not all(isinstance(w, str) for w in words):
        return {}
    turned = sum(len(_text(w, 24)) for w in words) > 80
    axes.set_xticks(range(len(words)), [_text(w, 24) for w in words], rotation=40 if turned else 0)
    return {w: i for i, w in enumerate(words)}


def bars(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    title: str,
    x_label: str,
    y_label: str,
    low: str | None = None,
    high: str | None = None,
    horizontal: bool = False,
    percent: bool = False,
    color: str = COLORS[0],
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One bar a row, with interval whiskers where `low` and `high` name columns.

    `x_label` and `y_label` name the category axis and the value axis (with its unit), whichever way the bars lie.
    """
    if note := _reason(table, y):
        return note
    labels, values = [_text(v) for v in table[x]], table[y].astype(float)
    figure, axes = canvas(height=max(2.2, 0.32 * len(table) + 1.1) if horizontal else 3.8)
    error = None
    if low and high:
        error = np.clip([values - table[low].astype(float), table[high].astype(float) - values], 0, None)
    place = np.arange(len(table))
    style = {"color": color, "ecolor": INK, "capsize": 3}
    with mpl.rc_context(THEME):
        if horizontal:
            axes.barh(place, values, xerr=error, **style)
            axes.set_yticks(place, labels)
            axes.invert_yaxis()
            axes.grid(visible=False, axis="y")
            _number_axis(axes.xaxis, percent)
            _label(axes, title, y_label, x_label)
        else:
            axes.bar(place, values, yerr=error, **style)
            turned = max(map(len, labels)) * len(labels) > 80
            axes.set_xticks(place, labels, rotation=40 if turned else 0, ha="right" if turned else "center")
            axes.grid(visible=False, axis="x")
            _number_axis(axes.yaxis, percent)
            _label(axes, title, x_label, y_label)
    alt = alt or f"Bar chart. {title}. {len(table)} bars, {_ends(table, x, y)}."
    return Chart(figure, alt=alt, caption=caption)


def lines(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    title: str,
    x_label: str,
    y_label: str,
    series: str | None = None,
    low: str | None = None,
    high: str | None = None,
    percent: bool = False,
    from_zero: bool = True,
    marks: dict[Any, str] | None = None,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One line a series over `x`, with an interval band where `low` and `high` name columns.

    `marks` maps positions on the x axis to a short word, drawn as dotted vertical lines.
    """
    if note := _reason(table, y):
        return note
    figure, axes = canvas()
    groups = [("", table)] if series is None else list(table.groupby(series, sort=False, observed=True))
    with mpl.rc_context(THEME):
        at = _places(table[x], axes)
        for i, (name, part) in enumerate(groups):
            color = COLORS[i % len(COLORS)]
            marker = "o" if len(part) <= 40 else None
            across = [at.get(v, v) for v in part[x]]
            axes.plot(across, part[y], color=color, marker=marker, markersize=3.5, label=_in_legend(name))
            if low and high:
                axes.fill_between(across, part[low], part[high], color=color, alpha=0.18, linewidth=0)
        for place, word in (marks or {}).items():
            axes.axvline(at.get(place, place), color=QUIET, linewidth=0.8, linestyle=":")
            axes.annotate(
                word,
                (at.get(place, place), 1),
                xycoords=("data", "axes fraction"),
                fontsize=8,
                rotation=90,
                ha="right",
                va="top",
            )
        if from_zero:
            axes.set_ylim(bottom=min(0, table[low or y].min()))
        if len(groups) > 1:
            _legend_below(figure, axes)
        _number_axis(axes.yaxis, percent)
        _label(axes, title, x_label, y_label)
        if pd.api.types.is_datetime64_any_dtype(table[x]):
            figure.autofmt_xdate(rotation=30)
    names = f"{len(groups)} series ({', '.join(_text(n) for n, _ in groups)}), " if series else ""
    alt = alt or f"Line chart. {title}. {names}{len(table)} points, {_ends(table, x, y)}."
    return Chart(figure, alt=alt, caption=caption)


def expected_range(
    table: pd.DataFrame,
    *,
    x: str,
    observed: str,
    expected: str,
    low: str,
    high: str,
    state: str,
    title: str,
    x_label: str,
    y_label: str,
    percent: bool = False,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """What was observed against what was expected, day by day: a line, a band, and the alarms.

    `state` names a column of words: rows with 'alarm' get a filled triangle with their day beside it, rows with
    'known day' an open circle; missing values leave gaps.
    """
    if note := _reason(table, observed):
        return note
    figure, axes = canvas()
    values = table.assign(**{c: table[c].astype(float) for c in (observed, expected, low, high)})
    with mpl.rc_context(THEME):
        at = _places(values[x], axes)
        values = values.assign(across=[at.get(v, v) for v in values[x]])
        alarms, known = values[values[state] == "alarm"], values[values[state] == "known day"]
        axes.fill_between(values.across, values[low], values[high], color=QUIET, alpha=0.18, linewidth=0, label="range")
        axes.plot(values.across, values[expected], color=QUIET, linewidth=1, linestyle="--", label="expected")
        axes.plot(values.across, values[observed], color=COLORS[0], linewidth=1.2, label="observed")
        style = {"markersize": 6, "linestyle": "none", "color": TRUTH}
        axes.plot(alarms.across, alarms[observed], marker="^", label="alarm", **style)
        axes.plot(
            known.across, known[observed], marker="o", fillstyle="none", label="known day", **style | {"color": INK}
        )
        for day, place, value in alarms[[x, "across", observed]].head(12).itertuples(index=False):
            axes.annotate(_text(day)[-5:], (place, value), xytext=(5, 2), textcoords="offset points", fontsize=8)
        axes.set_ylim(bottom=min(0, values[[observed, low]].min(axis=None)))
        axes.legend(loc="upper left", ncols=5, fontsize=8, bbox_to_anchor=(0, -0.2), borderaxespad=0)
        _number_axis(axes.yaxis, percent)
        _label(axes, title, x_label, y_label)
    said = ", ".join(f"{_text(d)} {format_value(float(v))}" for d, v in alarms[[x, observed]].itertuples(index=False))
    counts = f"{len(table)} points, {len(alarms)} alarms{': ' if said else ''}{said}"
    return Chart(figure, alt=alt or f"Line with its expected range. {title}. {counts}.", caption=caption)


def heatmap(
    table: pd.DataFrame,
    *,
    title: str,
    x_label: str,
    y_label: str,
    unit: str,
    percent: bool = False,
    annotate: bool | None = None,
    diverging: bool = False,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """A wide table as colours: index down, columns across; missing cells stay blank.

    `diverging` centres the colours on 0. Cells carry their number up to 120 cells unless `annotate` says otherwise.
    """
    if note := _reason(table):
        return note
    values = table.astype(float)
    if values.isna().all(axis=None):
        return Note(f"No chart: {table.attrs.get('reason', 'no values')}.", "refusal")
    above = [_wrapped(c, 60 // len(table.columns)) for c in table.columns]
    figure, axes = canvas(height=max(2.4, 0.3 * len(table) + 1.2 + 0.16 * max(a.count("\n") for a in above)))
    annotate = values.size <= 120 if annotate is None else annotate
    form = ".0%" if percent else ",.3g"
    with mpl.rc_context(THEME):
        sns.heatmap(
            values,
            ax=axes,
            cmap="vlag" if diverging else "Blues",
            center=0 if diverging else None,
            annot=annotate,
            fmt=form,
            annot_kws={"fontsize": 8},
            linewidths=0.4,
            linecolor="#ffffff",
            rasterized=values.size > 400,  # a path a cell would make the page ten times as large as a picture of them
            cbar_kws={"label": unit, "format": FuncFormatter(lambda v, _: f"{v:.0%}" if percent else f"{v:,.6g}")},
            xticklabels=above,
            yticklabels=[_text(i, 28) for i in table.index],
        )
        axes.tick_params(length=0)
        axes.set_yticklabels(axes.get_yticklabels(), rotation=0)
        _label(axes, title, x_label, y_label)
    alt = alt or f"Heat map. {title}. {len(table)} rows by {table.shape[1]} columns, {_extremes(values)}."
    return Chart(figure, alt=alt, caption=caption)


def _wrapped(label: object, width: int) -> str:
    """A column's heading; words go onto several lines where that fits the column."""
    text = _text(label, 24) if " " not in str(label) else _text(label, 36)
    lines = textwrap.wrap(text, max(width, 8), break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) if lines and max(map(len, lines)) <= width else _text(label, 24)


def _extremes(values: pd.DataFrame) -> str:
    """The highest and the lowest cell of a wide table, in words."""
    cells = values.stack()
    if cells.empty:
        return "no values"
    return ", ".join(
        f"{word} {format_value(float(cells[place]))} at {_text(place[0])} / {_text(place[1])}"
        for word, place in (("highest", cells.idxmax()), ("lowest", cells.idxmin()))
    )


def intervals(
    table: pd.DataFrame,
    *,
    label: str,
    value: str,
    low: str,
    high: str,
    title: str,
    x_label: str,
    truth: str | None = None,
    reference: float | None = 0.0,
    percent: bool = False,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One estimate a row as a dot with its interval; `truth` names a column, drawn as a red cross.

    `reference` is a vertical line, such as 0 for *no effect*; None draws none.
    """
    if note := _reason(table, value):
        return note
    figure, axes = canvas(height=max(1.9, 0.42 * len(table) + 1.2))
    place = np.arange(len(table))
    center = table[value].astype(float)
    error = np.clip([center - table[low].astype(float), table[high].astype(float) - center], 0, None)
    with mpl.rc_context(THEME):
        axes.errorbar(center, place, xerr=error, fmt="o", color=COLORS[0], capsize=4, label="estimate, interval")
        if truth and table[truth].notna().any():
            axes.plot(table[truth].astype(float), place, "x", color=TRUTH, markersize=9, mew=2, label="truth")
            _legend_below(figure, axes)
        if reference is not None:
            axes.axvline(reference, color=QUIET, linewidth=1, linestyle="--")
        axes.set_yticks(place, [_text(v) for v in table[label]])
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        _number_axis(axes.xaxis, percent)
        _label(axes, title, x_label, "")
    rows = "; ".join(
        f"{_text(r[label])} {format_value(r[value], value)} "
        f"[{format_value(r[low], value)}, {format_value(r[high], value)}]"
        for _, r in table.head(8).iterrows()
    )
    return Chart(figure, alt=alt or f"Estimates with intervals. {title}. {rows}.", caption=caption)


def network(
    table: pd.DataFrame,
    *,
    source: str,
    target: str,
    weight: str,
    title: str,
    source_label: str,
    target_label: str,
    weight_label: str,
    rows: int = 15,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """Arrows from `source` (left) to `target` (right), the thicker the larger `weight`, which is written on each.

    At most `rows` arrows, the first of the table: more cannot be read. A target stands near its sources.
    """
    if note := _reason(table):
        return note
    table = table.head(rows)
    left, right = _two_columns(table, source, target)
    thick = table[weight].astype(float) / table[weight].astype(float).max()
    figure, axes = canvas(height=max(2.2, 0.34 * max(len(left), len(right)) + 1.1))
    with mpl.rc_context(THEME):
        again = table.groupby(source, sort=False).cumcount()
        for a, b, value, share, k in zip(table[source], table[target], table[weight], thick, again, strict=True):
            arrow = {"arrowstyle": "-|>", "color": COLORS[0], "alpha": 0.75, "linewidth": 0.8 + 3.2 * share}
            axes.annotate("", (1, right[b]), (0, left[a]), arrowprops=arrow | {"shrinkA": 4, "shrinkB": 4})
            along = min(0.1 + 0.1 * k, 0.9)  # near its source, and beside the number of the arrow before
            near = (along, left[a] + along * (right[b] - left[a]))
            word = format_value(float(value), weight)
            axes.annotate(word, near, (0, 3), textcoords="offset points", fontsize=8, ha="center", va="bottom")
        for names, x, side in ((left, -0.01, "right"), (right, 1.01, "left")):
            for name, y in names.items():
                axes.text(x, y, _text(name, 32), ha=side, va="center", fontsize=9)
        for x, word, side in (
            (-0.01, source_label, "right"),
            (0.5, weight_label, "center"),
            (1.01, target_label, "left"),
        ):
            axes.text(x, 0.9, word, ha=side, color=QUIET, fontsize=9)
        axes.set(xlim=(-0.75, 1.75), ylim=(min([*left.values(), *right.values()]) - 0.6, 1.3))
        axes.set_axis_off()
        axes.set_title(title)
    said = "; ".join(
        f"{_text(a)} to {_text(b)} {format_value(float(v), weight)}"
        for a, b, v in zip(table[source], table[target], table[weight], strict=True)
    )
    return Chart(figure, alt=alt or f"Arrows. {title}. {weight_label}: {said}.", caption=caption)


def _two_columns(table: pd.DataFrame, source: str, target: str) -> tuple[dict, dict]:
    """Heights of the names on the left and on the right; a name on the right stands near its partners."""
    left = {name: -float(k) for k, name in enumerate(dict.fromkeys(table[source]))}
    partners = table[source].map(left).groupby(table[target], sort=False).mean()
    names = partners.sort_values(ascending=False, kind="stable").index
    step = max(len(left) - 1, 1) / max(len(names) - 1, 1)
    return left, {name: -k * max(step, 1.0) for k, name in enumerate(names)}


def points(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    title: str,
    x_label: str,
    y_label: str,
    group: str | None = None,
    labels: str | None = None,
    log_x: bool = False,
    log_y: bool = False,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One dot a row, coloured by `group`; `labels` names a column of words written beside the dots.

    A dot costs about 60 bytes on the page: show a seeded sample of at most 1,500 rows.
    """
    if note := _reason(table, y):
        return note
    figure, axes = canvas(height=4.4)
    if group and not pd.api.types.is_numeric_dtype(table[group]):
        table = table.assign(**{group: [_in_legend(v) for v in table[group]]})
    kinds = table[group].nunique() if group else 0
    with mpl.rc_context(THEME):
        sns.scatterplot(
            data=table,
            x=x,
            y=y,
            hue=group,
            palette=[COLORS[i % len(COLORS)] for i in range(kinds)] if group else None,
            color=None if group else COLORS[0],
            ax=axes,
            s=22,
            linewidth=0,
            alpha=0.75,
        )
        for _, row in table.iterrows() if labels else ():
            axes.annotate(
                _text(row[labels], 24), (row[x], row[y]), xytext=(4, 3), textcoords="offset points", fontsize=8
            )
        if log_x:
            axes.set_xscale("log")
            _log_axis(axes.xaxis)
        if log_y:
            axes.set_yscale("log")
            _log_axis(axes.yaxis)
        _label(axes, title, x_label, y_label)
    alt = alt or f"Scatter plot. {title}. {len(table)} points; {y_label} against {x_label}."
    return Chart(figure, alt=alt, caption=caption)


def histogram(
    values: pd.Series,
    *,
    title: str,
    x_label: str,
    y_label: str,
    bins: int = 40,
    marks: dict[float, str] | None = None,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """How often each range of values occurs; `marks` are named vertical lines (such as the observed value)."""
    known = values.dropna().astype(float)
    if known.empty:
        return Note(f"No chart: {values.attrs.get('reason', 'no values')}.", "refusal")
    figure, axes = canvas()
    with mpl.rc_context(THEME):
        sns.histplot(x=known.to_numpy(), bins=bins, ax=axes, color=COLORS[0], alpha=0.75, edgecolor="none")
        for i, (place, word) in enumerate((marks or {}).items()):
            axes.axvline(place, color=TRUTH, linewidth=1.6)
            axes.annotate(
                word, (place, 0.96 - 0.08 * i), xycoords=("data", "axes fraction"), xytext=(5, 0),
                textcoords="offset points", fontsize=9, color=INK,
            )  # fmt: skip
        _label(axes, title, x_label, y_label)
    lines_ = "; ".join(f"{w} at {format_value(float(p))}" for p, w in (marks or {}).items())
    alt = alt or (
        f"Histogram. {title}. {len(known)} values from {format_value(known.min())} to {format_value(known.max())}, "
        f"median {format_value(known.median())}. {lines_}"
    )
    return Chart(figure, alt=alt.strip(), caption=caption)


def waterfall(
    table: pd.DataFrame,
    *,
    label: str,
    value: str,
    total: str,
    title: str,
    x_label: str,
    y_label: str,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """How one total becomes another, step by step.

    One bar a row: where the column `total` is true it stands on zero and `value` is a level; elsewhere it hangs between
    the level before and after, and `value` is a change. Signs stand beside the bars, so that colour is not needed.
    """
    if note := _reason(table):
        return note
    values, whole = table[value].astype(float).to_numpy(), table[total].astype(bool).to_numpy()
    after = np.array([values[i] if whole[i] else 0.0 for i in range(len(table))])
    for i in np.flatnonzero(~whole):
        after[i] = (after[i - 1] if i else 0.0) + values[i]
    before = np.where(whole, 0.0, after - values)
    color = [QUIET if w else COLORS[0] if v >= 0 else COLORS[1] for w, v in zip(whole, values, strict=True)]
    words = [f"{v:,.0f}" if w else f"{v:+,.0f}" for w, v in zip(whole, values, strict=True)]
    figure, axes = canvas(height=max(2.4, 0.45 * len(table) + 1.1))
    place = np.arange(len(table))
    with mpl.rc_context(THEME):
        axes.barh(place, after - before, left=before, color=color, height=0.62)
        for i, word in enumerate(words):
            axes.annotate(
                word, (max(before[i], after[i]), i), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9
            )
        axes.set_yticks(place, [_text(v) for v in table[label]])
        axes.invert_yaxis()
        axes.margins(x=0.14)
        axes.set_xlim(left=min(0.0, before.min(), after.min()))
        axes.grid(visible=False, axis="y")
        _number_axis(axes.xaxis, False)
        _label(axes, title, y_label, x_label)
    steps = "; ".join(f"{_text(name)} {word}" for name, word in zip(table[label], words, strict=True))
    return Chart(figure, alt=alt or f"Waterfall chart. {title}. {steps}.", caption=caption)


def stacked(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    series: str,
    title: str,
    x_label: str,
    y_label: str,
    percent: bool = False,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One bar a value of `x`, built of one piece a series; negative pieces hang below zero.

    One row a piece. Rows without a value are gaps; at most about 60 bars can be read.
    """
    if note := _reason(table, y):
        return note
    names = list(dict.fromkeys(table[series]))
    places = {v: i for i, v in enumerate(dict.fromkeys(table[x].sort_values()))}
    figure, axes = canvas()
    with mpl.rc_context(THEME):
        ends = {1: np.zeros(len(places)), -1: np.zeros(len(places))}
        for i, name in enumerate(names):
            part = table[(table[series] == name) & table[y].notna()]
            at, value = part[x].map(places).to_numpy(int), part[y].to_numpy(float)
            base = np.where(value < 0, ends[-1][at], ends[1][at])
            axes.bar(at, value, bottom=base, color=COLORS[i % len(COLORS)], width=0.8, label=_in_legend(name))
            for sign in (1, -1):
                np.add.at(ends[sign], at, np.where(value * sign > 0, value, 0))
        axes.axhline(0, color=QUIET, linewidth=1)
        step = -(-len(places) // 12)
        shown = list(places.items())[::step]
        axes.set_xticks([i for _, i in shown], [_text(v) for v, _ in shown], rotation=30, ha="right")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        _number_axis(axes.yaxis, percent)
        _label(axes, title, x_label, y_label)
    totals = table[y].astype(float).groupby(table[series], sort=False).mean()
    said = ", ".join(f"{_text(n)} {format_value(float(v), y)}" for n, v in totals.items())
    alt = alt or f"Stacked bars. {title}. {len(places)} bars; mean of each piece: {said}."
    return Chart(figure, alt=alt, caption=caption)


def spans(
    table: pd.DataFrame,
    *,
    row: str,
    part: str,
    first: str,
    last: str,
    title: str,
    x_label: str,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """Spans of whole days, both ends included, as bars: one line a value of `row`, one colour a value of `part`."""
    if note := _reason(table):
        return note
    rows, parts = list(dict.fromkeys(table[row])), list(dict.fromkeys(table[part]))
    figure, axes = canvas(height=1.5 + 0.5 * len(rows))
    starts, ends = (pd.to_datetime(table[c]) for c in (first, last))
    with mpl.rc_context(THEME):
        for k, name in enumerate(parts):
            own = (table[part] == name).to_numpy()
            at = [rows.index(v) for v in table[row][own]]
            long = ends[own] - starts[own] + pd.Timedelta(days=1)
            axes.barh(at, long, left=starts[own], color=COLORS[k % len(COLORS)], height=0.5, label=_in_legend(name))
        axes.set_yticks(range(len(rows)), [_text(v) for v in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        _label(axes, title, x_label, "")
        figure.autofmt_xdate(rotation=30)
    pieces = zip(table[row], table[part], starts, ends, strict=True)
    said = "; ".join(f"{_text(r)} {_text(p)} {a:%Y-%m-%d} to {b:%Y-%m-%d}" for r, p, a, b in list(pieces)[:12])
    return Chart(figure, alt=alt or f"Spans of time. {title}. {said}.", caption=caption)
