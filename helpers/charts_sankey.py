"""A static Sankey diagram: how a whole splits and flows from step to step, in the style of `charts`."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from helpers.charts import COLORS, INK, QUIET, THEME, Chart, _reason, _text, canvas
from helpers.findings import Note

GAP, HALF_BOX = 0.05, 0.19
"""Between boxes of one step, as a share of the whole; half a box's width, as a share of the distance of two steps."""
LABELLED = 0.03
"""Flows from this share of the whole on carry their number."""


def sankey(
    table: pd.DataFrame,
    *,
    step: str,
    source: str,
    target: str,
    share: str,
    title: str,
    x_label: str,
    order: list[str] | tuple[str, ...],
    ends: tuple[str, ...] = ("exit",),
    least: float = 0.002,
    caption: str = "",
    alt: str = "",
) -> Chart | Note:
    """Boxes stand for states at each step, bands for the flows between them; heights are to scale.

    One row a flow: `source` at `step` to `target` at the next one, with its `share` of the whole. States stand from top
    to bottom as in `order`; those in `ends` are drawn in grey and have no flows on. Flows thinner than `least` are not
    drawn; the alt text says how much they are together.
    """
    if note := _reason(table, share):
        return note
    boxes = _boxes(table, step, source, target, share)
    places = _places(boxes, order)
    colors = {s: QUIET if s in ends else COLORS[i % len(COLORS)] for i, s in enumerate(order)}
    drawn = table[table[share] >= least]
    figure, axes = canvas(height=4.6)
    with mpl.rc_context(THEME):
        _bands(axes, drawn, places, colors, (step, source, target, share), order)
        for (at, state), height in boxes.items():
            top = places[at, state]
            box = {"facecolor": colors[state], "alpha": 0.35, "edgecolor": "none"}
            axes.add_patch(Rectangle((at - HALF_BOX, top - height), 2 * HALF_BOX, height, **box))
            words = f"{_text(state, 12)} {_percent(height)}"
            axes.text(at, top - height / 2, words, ha="center", va="center", fontsize=8.5, color=INK)
        steps = sorted({at for at, _ in boxes})
        bottom = min(places[key] - boxes[key] for key in boxes)
        for at in steps:
            axes.text(at, 0.045, f"{x_label} {at}", ha="center", va="bottom", fontsize=9, color=QUIET)
        axes.set(xlim=(steps[0] - 0.3, steps[-1] + 0.3), ylim=(bottom - 0.03, 0.13))
        axes.set_axis_off()
        axes.set_title(title)
    thin = float(table[share].sum() - drawn[share].sum())
    return Chart(figure, alt=alt or _said(table, title, (step, source, target, share), thin), caption=caption)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def _boxes(table: pd.DataFrame, step: str, source: str, target: str, share: str) -> dict[tuple[int, str], float]:
    """(step, state) → its share: what flows out of it at the first step, what flows into it at all others."""
    first = int(table[step].min())
    out = table[table[step] == first].groupby(source, sort=False)[share].sum()
    boxes = {(first, str(state)): float(v) for state, v in out.items()}
    into = table.groupby([step, target], sort=False)[share].sum()
    return boxes | {(int(at) + 1, str(state)): float(v) for (at, state), v in into.items()}


def _places(boxes: dict[tuple[int, str], float], order: list[str] | tuple[str, ...]) -> dict[tuple[int, str], float]:
    """(step, state) → the height of its upper edge; all steps begin at 0 and go down."""
    places, down = {}, dict.fromkeys((at for at, _ in boxes), 0.0)
    for at, state in sorted(boxes, key=lambda key: (key[0], list(order).index(key[1]))):
        places[at, state] = down[at]
        down[at] -= boxes[at, state] + GAP
    return places


def _bands(
    axes: Axes, table: pd.DataFrame, places: dict, colors: dict, names: tuple[str, ...], order: list | tuple
) -> None:
    """Each flow leaves its box below the flow before, and arrives below the one before."""
    step, source, target, share = names
    place = {s: i for i, s in enumerate(order)}
    table = table.assign(a=table[source].map(place), b=table[target].map(place)).sort_values([step, "a", "b"])
    leave, arrive = dict(places), dict(places)
    for _, row in table.iterrows():
        at, width = int(row[step]), float(row[share])
        left, right = leave[at, row[source]], arrive[at + 1, row[target]]
        leave[at, row[source]] -= width
        arrive[at + 1, row[target]] -= width
        band = _band(at + HALF_BOX, at + 1 - HALF_BOX, left, right, width)
        axes.add_patch(PathPatch(band, facecolor=colors[row[source]], alpha=0.22, linewidth=0))
        if width >= LABELLED:
            near = (at + HALF_BOX + 0.03, left - width / 2)
            axes.text(*near, _percent(width), ha="left", va="center", fontsize=7.5, color=INK)


def _band(x0: float, x1: float, y0: float, y1: float, width: float) -> Path:
    """A band of even height with level ends."""
    middle = (x0 + x1) / 2
    there = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
    back = [(x1, y1 - width), (middle, y1 - width), (middle, y0 - width), (x0, y0 - width)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
    return Path([*there, *back, (x0, y0)], codes)


def _said(table: pd.DataFrame, title: str, names: tuple[str, ...], thin: float) -> str:
    """The largest flows in words, for those who do not see the figure."""
    step, source, target, share = names
    largest = table.sort_values(share, ascending=False, kind="stable").head(8)
    flows = "; ".join(
        f"step {int(r[step])} {_text(r[source])} to {_text(r[target])} {_percent(float(r[share]))}"
        for _, r in largest.iterrows()
    )
    rest = f" Thin flows that are not drawn: {_percent(thin)} together." if thin > 0 else ""
    return f"Sankey diagram. {title}. Largest flows, as shares of all: {flows}.{rest}"
