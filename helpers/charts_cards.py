"""Cards as pictures: what may be shown of one person, and what sets a segment apart, in the style of `charts`."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch, Wedge

from helpers.charts import COLORS, INK, QUIET, THEME, Chart, _reason, _text, canvas
from helpers.findings import Note

HEAD, ROW = 0.75, 0.3
"""Height of a card's head and of a row, inches."""
WIDTH = 7.2


def person_card(
    table: pd.DataFrame,
    *,
    name: str,
    note: str,
    kind: str = "kind",
    tag: str = "tag",
    value: str = "value",
    shared: str = "shared_by",
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One person under a pseudonym: a row a tag with its word, and how many others share all that is shown so far.

    `shared` is missing where a value is withheld: such rows are drawn in grey. `note` stands below the name.
    """
    if note_ := _reason(table):
        return note_
    axes, figure, top = _card(len(table), name, note)
    most = max(table[shared].max(), 1) if table[shared].notna().any() else 1
    with mpl.rc_context(THEME):
        _person(axes, top)
        axes.text(WIDTH - 0.2, top + 0.12, "users who share all this", ha="right", fontsize=8, color=QUIET)
        for i, row in enumerate(table.to_dict("records")):
            y, hidden = top - ROW * (i + 0.5), pd.isna(row[shared])
            _words(axes, y, row[kind], row[tag], row[value], hidden)
            if not hidden:
                axes.barh(y, 1.5 * int(row[shared]) / int(most), left=4.75, height=0.13, color=COLORS[0])
                axes.text(WIDTH - 0.2, y, f"{int(row[shared]):,}+", ha="right", va="center", fontsize=9)
    said = "; ".join(
        f"{_text(r[tag])} {_text(r[value])}" + ("" if pd.isna(r[shared]) else f", shared by {int(r[shared])} or more")
        for r in table.to_dict("records")
    )
    return Chart(figure, alt=alt or f"Card of a person. {_text(name)}. {_text(note, 200)}. {said}.", caption=caption)


def segment_card(
    table: pd.DataFrame,
    *,
    name: str,
    note: str,
    kind: str = "kind",
    tag: str = "tag",
    value: str = "value",
    inside: str = "segment_share",
    everyone: str = "all_share",
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """One segment: a row a tag value, with its share in the segment (filled) and among all (open)."""
    if note_ := _reason(table, inside):
        return note_
    axes, figure, top = _card(len(table), name, note)
    with mpl.rc_context(THEME):
        for shift in (0.42, 0.0, 0.21):
            _person(axes, top, 0.75, shift)
        axes.text(WIDTH - 0.2, top + 0.12, "● in the segment   ○ among all", ha="right", fontsize=8, color=QUIET)
        for i, row in enumerate(table.to_dict("records")):
            y = top - ROW * (i + 0.5)
            _words(axes, y, row[kind], row[tag], row[value], False)
            ours, all_ = (4.75 + 1.5 * float(row[c]) for c in (inside, everyone))
            axes.plot([4.75, 6.25], [y, y], color=QUIET, linewidth=0.6)
            axes.plot([all_, ours], [y, y], color=COLORS[0], linewidth=2.5, alpha=0.5)
            axes.plot(all_, y, "o", color=COLORS[0], fillstyle="none", markersize=6)
            axes.plot(ours, y, "o", color=COLORS[0], markersize=6)
            axes.text(WIDTH - 0.2, y, f"{float(row[inside]):.0%} / {float(row[everyone]):.0%}", ha="right", va="center",
                      fontsize=9)  # fmt: skip
    said = "; ".join(
        f"{_text(r[tag])} {_text(r[value])} {float(r[inside]):.0%} of the segment, {float(r[everyone]):.0%} of all"
        for r in table.to_dict("records")
    )
    return Chart(figure, alt=alt or f"Card of a segment. {_text(name)}. {_text(note, 200)}. {said}.", caption=caption)


def _card(rows: int, name: str, note: str) -> tuple[Axes, object, float]:
    """An empty card with its head: axes in inches, the figure, and the height of the line below the head."""
    height = HEAD + ROW * rows + 0.4
    figure, axes = canvas(WIDTH, height)
    top = height - HEAD - 0.25
    with mpl.rc_context(THEME):
        axes.set(xlim=(0, WIDTH), ylim=(0, height))
        axes.set_axis_off()
        frame = FancyBboxPatch((0.08, 0.06), WIDTH - 0.16, height - 0.12, boxstyle="round,pad=0,rounding_size=0.12",
                               facecolor="none", edgecolor=QUIET, linewidth=1)  # fmt: skip
        axes.add_patch(frame)
        axes.text(1.15, height - 0.4, _text(name, 48), fontsize=14, va="center")
        axes.text(1.15, height - 0.68, _text(note, 90), fontsize=9, color=QUIET, va="center")
        axes.plot([0.2, WIDTH - 0.2], [top + 0.05, top + 0.05], color=QUIET, linewidth=0.8)
    return axes, figure, top


def _person(axes: Axes, top: float, size: float = 1.0, right: float = 0.21) -> None:
    """Head and shoulders in the card's upper left corner."""
    x, y = 0.45 + right, top + 0.2
    axes.add_patch(Wedge((x, y), 0.23 * size, 0, 180, facecolor=COLORS[0], edgecolor="none"))
    axes.add_patch(Circle((x, y + 0.33 * size), 0.12 * size, facecolor=COLORS[0], edgecolor="none"))


def _words(axes: Axes, y: float, kind: object, tag: object, value: object, hidden: bool) -> None:
    axes.text(0.25, y, _text(kind, 14), fontsize=8, color=QUIET, va="center")
    axes.text(1.3, y, _text(tag, 20).replace("_", " "), fontsize=10, va="center")
    axes.text(2.95, y, _text(value, 20), fontsize=10, va="center", color=QUIET if hidden else INK,
              style="italic" if hidden else "normal", weight="normal" if hidden else "bold")  # fmt: skip
