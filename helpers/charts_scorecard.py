"""Figures of the scorecard: lights by distance from the target, and small weekly lines, in the style of `charts`."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from helpers.charts import COLORS, GRID, INK, QUIET, THEME, Chart, _reason, _text, canvas
from helpers.findings import Note, format_value

LIGHTS = {"green": (COLORS[2], "o", "on target"), "amber": (COLORS[4], "D", "cannot tell"),
          "red": (COLORS[5], "X", "off target")}  # fmt: skip
"""Light → colour, marker and words: nobody needs to tell the colours apart."""
FARTHEST = 6.0
"""Distances beyond that are drawn at the rim, with an arrow."""


def target_distance(
    table: pd.DataFrame, *, label: str = "name", title: str, caption: str = "", alt: str = ""
) -> Chart | Note:
    """One indicator a row: how far its value is from the target, in half-widths of its interval; right is good.

    `table` has `value`, `ci_low`, `ci_high`, `target`, `good` ('high' or 'low') and `light`; grey rows are left out.
    The half-width is that on the side of the target: between −1 and 1 the interval holds the target.
    """
    drawn = table[table["light"].isin(LIGHTS)].dropna(subset=["ci_low", "ci_high"])
    if drawn.empty:
        return Note("No chart: no indicator has a target and an interval.", "refusal")
    away = [_distance(r) for r in drawn.to_dict("records")]
    figure, axes = canvas(height=max(1.9, 0.34 * len(drawn) + 1.5))
    with mpl.rc_context(THEME):
        axes.axvspan(-1, 1, color=GRID, alpha=0.6, linewidth=0)
        axes.axvline(0, color=QUIET, linewidth=1)
        for place, (d, light) in enumerate(zip(away, drawn["light"], strict=True)):
            _mark(axes, d, place, *LIGHTS[light][:2])
        axes.set_yticks(range(len(drawn)), [_text(v) for v in drawn[label]])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_xlim(-FARTHEST - 0.8, FARTHEST + 0.8)
        axes.grid(visible=False, axis="y")
        axes.set_title(title)
        axes.set_xlabel("distance from the target in half-widths of the interval; right is good")
        handles = [Line2D([], [], color=c, marker=m, linestyle="", label=w) for c, m, w in LIGHTS.values()]
        figure.legend(handles=handles, loc="outside lower left", ncols=3)
    said = "; ".join(f"{_text(n)} {LIGHTS[c][2]}" for n, c in zip(drawn[label], drawn["light"], strict=True))
    return Chart(figure, alt=alt or f"Distance from the target. {title}. {said}.", caption=caption)


def _distance(row: dict) -> float:
    """Signed distance from the target in half-widths of the side that looks at it; good is positive."""
    gap = row["value"] - row["target"]
    half = row["value"] - row["ci_low"] if gap > 0 else row["ci_high"] - row["value"]
    away = gap / half if half > 0 else np.sign(gap) * FARTHEST * 2
    return float(away if row["good"] == "high" else -away)


def _mark(axes: Axes, away: float, place: int, color: str, marker: str) -> None:
    shown = float(np.clip(away, -FARTHEST, FARTHEST))
    axes.plot([0, shown], [place, place], color=color, linewidth=1.5)
    axes.plot([shown], [place], marker=marker, color=color, markersize=8)
    if shown != away:
        axes.text(shown + 0.35 * np.sign(away), place, "→" if away > 0 else "←", ha="center", va="center", color=INK)


def sparklines(
    table: pd.DataFrame,
    *,
    x: str,
    y: str,
    panel: str,
    title: str,
    special: pd.Series | None = None,
    columns: int = 3,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """A small line a panel, each on its own scale, with its first and last value in words.

    `special`: values of x that are known to be unlike others; they are drawn as hollow points. Panels in the order of
    the table; missing values are gaps.
    """
    if note := _reason(table, y):
        return note
    names = [n for n in dict.fromkeys(table[panel]) if table.loc[table[panel] == n, y].notna().any()]
    columns = min(columns, len(names))
    rows = -(-len(names) // columns)
    figure, grid = canvas(height=0.5 + 1.05 * rows, nrows=rows, ncols=columns, squeeze=False, sharex=True)
    marked = set() if special is None else set(special)
    with mpl.rc_context(THEME):
        for place, axes in enumerate(grid.ravel()):
            if place < len(names):
                _spark(axes, table[table[panel] == names[place]], x, y, str(names[place]), marked)
            else:
                axes.set_visible(False)
        figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    said = "; ".join(f"{_text(n)} {_ends(table[table[panel] == n], y)}" for n in names)
    return Chart(figure, alt=alt or f"Small lines. {title}. {said}.", caption=caption)


def _spark(axes: Axes, part: pd.DataFrame, x: str, y: str, name: str, marked: set) -> None:
    at, value = part[x], part[y].astype(float)
    axes.plot(at, value, color=COLORS[0], linewidth=1.3)
    odd = at.isin(marked) & value.notna()
    axes.plot(at[odd], value[odd], linestyle="", marker="o", markersize=4, markerfacecolor="none", color=COLORS[1])
    axes.set_title(f"{_text(name, 26)}  {_ends(part, y)}", fontsize=8, pad=3)
    axes.grid(visible=False)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["left"].set_visible(False)
    low, high = value.min(), value.max()
    room = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)


def _ends(part: pd.DataFrame, y: str) -> str:
    """'first … last' of the known values."""
    known = part[y].dropna()
    column = "share" if len(known) and known.abs().max() <= 1 else ""
    return f"{format_value(float(known.iloc[0]), column)} … {format_value(float(known.iloc[-1]), column)}"
