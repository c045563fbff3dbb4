"""Figures: every one has alt text, says its units, survives odd data, and is the same every time."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from helpers import charts
from helpers.charts import Chart
from helpers.findings import Note, missing

TABLE = pd.DataFrame({"g": ["a", "b", "c"], "n": [3.0, 1.0, 2.0], "low": [2.0, 0.5, 1.0], "high": [4.0, 2.0, 3.0]})
LABELS = {"title": "Title", "x_label": "group", "y_label": "rows"}
ENDS = {"low": "low", "high": "high"}

FIGURES: dict[str, Callable[[pd.DataFrame], Chart | Note]] = {
    "bars": lambda t: charts.bars(t, x="g", y="n", **ENDS, **LABELS),
    "horizontal": lambda t: charts.bars(t, x="g", y="n", horizontal=True, percent=True, **ENDS, **LABELS),
    "lines": lambda t: charts.lines(t, x="g", y="n", **ENDS, **LABELS),
    "series": lambda t: charts.lines(t, x="low", y="n", series="g", marks={1.0: "start"}, **LABELS),
    "expected_range": lambda t: charts.expected_range(
        t.assign(s=["alarm", "usual", "known day"][: len(t)] if len(t) < 4 else "alarm"),
        x="g", observed="n", expected="n", low="low", high="high", state="s", **LABELS,
    ),
    "intervals": lambda t: charts.intervals(t, label="g", value="n", **ENDS, title="Title", x_label="x"),
    "points": lambda t: charts.points(t, x="low", y="n", group="g", labels="g", **LABELS),
    "heatmap": lambda t: charts.heatmap(t.set_index("g"), title="Title", x_label="x", y_label="y", unit="rows"),
    "histogram": lambda t: charts.histogram(t["n"], title="Title", x_label="x", y_label="y", marks={1.5: "seen"}),
    "waterfall": lambda t: charts.waterfall(t.assign(w=False), label="g", value="n", total="w", **LABELS),
    "stacked": lambda t: charts.stacked(t.assign(s="piece"), x="g", y="n", series="s", **LABELS),
    "network": lambda t: charts.network(
        t.assign(to="x"), source="g", target="to", weight="n", title="Title", source_label="from", target_label="to",
        weight_label="n",
    ),
}  # fmt: skip
HOSTILE = ["<script>x</script>", "$\\frac{a}{b}$", "--> <b>", "_hidden", "女装 👗", "x" * 9000, ""]
EACH = pytest.mark.parametrize("name", FIGURES)
FILLED = pytest.mark.parametrize("name", [n for n in FIGURES if n not in ("waterfall", "network")])


@EACH
def test_every_figure_has_alt_text_and_is_valid_svg(name: str) -> None:
    chart = FIGURES[name](TABLE)
    root = ElementTree.fromstring(chart.svg())
    assert "Title" in chart.alt and root.get("aria-label") == chart.alt and root.get("role") == "img"
    data, meta = chart._repr_mimebundle_()
    assert data["text/plain"] == f"Figure: {chart.alt}" and meta["image/svg+xml"]["alt"] == chart.alt


@EACH
def test_figures_are_the_same_every_time_and_small(name: str) -> None:
    first, again = FIGURES[name](TABLE).svg(), FIGURES[name](TABLE).svg()
    assert first == again and len(first) < 40_000


@EACH
def test_figures_ask_for_nothing_from_outside(name: str) -> None:
    svg = FIGURES[name](TABLE).svg()
    assert "<script" not in svg and "<text" not in svg
    # a colour bar is a small picture within the file
    assert not [a for a in svg.split('"') if a.startswith(("http:", "https:", "//", "data:text")) and "w3.org" not in a]


@EACH
def test_no_rows_give_the_reason(name: str) -> None:
    empty = missing(list(TABLE.columns), "no purchases")
    note = FIGURES[name](empty)
    assert isinstance(note, Note)
    assert name == "histogram" or repr(note) == "No chart: no purchases."


@FILLED
def test_missing_numbers_are_left_out(name: str) -> None:
    holes = TABLE.assign(n=[3.0, np.nan, 2.0], low=[2.0, np.nan, 1.0], high=[4.0, np.nan, 3.0])
    svg = FIGURES[name](holes).svg()
    assert "nan" not in svg.lower() and "inf" not in svg


@FILLED
def test_only_missing_numbers_say_so(name: str) -> None:
    gone = TABLE.assign(n=np.nan, low=np.nan, high=np.nan)
    assert repr(FIGURES[name](gone)) == "No chart: no values."


@EACH
def test_one_row_and_equal_values_are_drawn(name: str) -> None:
    assert isinstance(FIGURES[name](TABLE.head(1)), Chart)
    assert isinstance(FIGURES[name](TABLE.assign(n=1.0, low=1.0, high=1.0)), Chart)


@EACH
@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
def test_labels_are_plain_text(name: str, word: str) -> None:
    chart = FIGURES[name](TABLE.assign(g=[word, "b", "c"]))
    root = ElementTree.fromstring(chart.svg())
    assert root.get("aria-label") == chart.alt and len(chart.svg()) < 120_000 and "<script" not in chart.svg()


def test_alt_text_names_the_ends() -> None:
    assert FIGURES["bars"](TABLE).alt == "Bar chart. Title. 3 bars, highest: a 3, lowest: b 1."
    assert "a 3 [2, 4]" in FIGURES["intervals"](TABLE).alt
    assert "highest 4 at a / high, lowest 0.5 at b / low" in FIGURES["heatmap"](TABLE).alt


def test_own_alt_text_wins() -> None:
    assert charts.bars(TABLE, x="g", y="n", alt="Mine.", **LABELS).alt == "Mine."


@pytest.mark.parametrize("whole", ["Int64", "float64"])
def test_suppressed_numbers_can_be_drawn(whole: str) -> None:
    table = pd.DataFrame({"g": ["a", "b"], "n": pd.array([12, None], dtype=whole)})
    for figure in (charts.bars, charts.lines):
        assert isinstance(figure(table, x="g", y="n", **LABELS), Chart)


def test_days_on_the_axis_and_many_labels() -> None:
    days = pd.DataFrame({"day": pd.date_range("2017-11-25", periods=60), "n": range(60)})
    band = {"low": "low", "high": "n", "marks": {days["day"][3]: "sale"}}
    chart = charts.lines(days.assign(low=0), x="day", y="n", **band, **LABELS)
    assert "highest: 2018-01-23 59" in chart.alt and chart.svg()
    assert isinstance(charts.bars(days, x="day", y="n", **LABELS), Chart)


def test_more_groups_than_colours_and_numbered_groups() -> None:
    many = pd.DataFrame({"g": [f"g{i}" for i in range(12)], "k": range(12), "n": range(12), "low": range(12)})
    for group in ("g", "k"):
        assert isinstance(charts.points(many, x="low", y="n", group=group, **LABELS).svg(), str)
    assert "12 series" in charts.lines(many, x="low", y="n", series="g", **LABELS).alt


def test_lines_over_words_keep_words_apart_that_start_alike() -> None:
    table = pd.DataFrame({"g": ["x" * 50 + "1", "x" * 50 + "2"], "n": [1, 2]})
    ticks = charts.lines(table, x="g", y="n", marks={table["g"][1]: "here"}, **LABELS).figure.axes[0].get_xticks()
    assert list(ticks) == [0, 1]


def test_a_legend_shows_names_with_an_underscore() -> None:
    assert charts._in_legend("_x") == " _x" and charts._in_legend("x") == "x"


def test_truth_is_drawn_only_where_it_is_known() -> None:
    figure = partial(charts.intervals, label="g", value="n", **ENDS, title="T", x_label="x", truth="t")
    known, unknown = figure(TABLE.assign(t=2.0)).svg(), figure(TABLE.assign(t=np.nan)).svg()
    assert charts.TRUTH in known and charts.TRUTH not in unknown


def test_stacked_pieces_add_up_above_and_below_zero() -> None:
    table = pd.DataFrame({"g": ["a", "a", "a", "b"], "n": [3, 2, -4, 1], "s": ["x", "y", "z", "x"]})
    axes = charts.stacked(table, x="g", y="n", series="s", **LABELS).figure.axes[0]
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in axes.patches]
    assert ends == [(0, 3), (0, 1), (3, 5), (0, -4)]


def test_spans_cover_whole_days() -> None:
    days = pd.to_datetime(["2017-11-25", "2017-11-27"])
    table = pd.DataFrame({"g": ["x", "x"], "p": ["a", "b"], "from": days, "to": days + pd.Timedelta(days=1)})
    chart = charts.spans(table, row="g", part="p", first="from", last="to", title="T", x_label="day")
    assert [bar.get_width() for bar in chart.figure.axes[0].patches] == [2, 2]
    assert "x b 2017-11-27 to 2017-11-28" in chart.alt


def test_a_large_heat_map_is_a_picture_in_the_figure() -> None:
    table = pd.DataFrame(np.random.default_rng(1).random((25, 25)))
    drawn = charts.heatmap(table, title="t", x_label="x", y_label="y", unit="u").svg()
    assert "data:image/png;base64," in drawn and len(drawn) < 70_000


def test_blank_cells_of_a_heat_map_leave_no_edges() -> None:
    table = pd.DataFrame([[1.0, np.nan], [2.0, 3.0]])
    drawn = charts.heatmap(table, title="t", x_label="x", y_label="y", unit="u").svg()
    assert drawn.count("stroke: #ffffff") == 3


@pytest.mark.parametrize(("label", "shown"), [("x" * 40, "x" * 40), ("x" * 41, "x" * 39 + "…"), ("长" * 20, "长" * 20)])
def test_labels_are_as_long_as_they_look(label: str, shown: str) -> None:
    assert charts._text(label) == shown
    assert charts._text("长" * 10_000) == "长" * 19 + "…" and charts._text("") == ""
