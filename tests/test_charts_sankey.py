"""The Sankey diagram: heights to scale, nothing lost, said in words."""

from itertools import pairwise

import pandas as pd
import pytest
from matplotlib.patches import PathPatch, Rectangle

from helpers.charts import Chart
from helpers.charts_sankey import sankey
from helpers.findings import missing

ORDER = ["pv", "<b>", "other", "exit"]
FLOWS = pd.DataFrame(
    [(1, "pv", "exit", 0.6), (1, "pv", "<b>", 0.299), (1, "pv", "other", 0.001), (1, "<b>", "pv", 0.1),
     (2, "pv", "exit", 0.1), (2, "<b>", "exit", 0.299), (2, "other", "exit", 0.001)],
    columns=["step", "from", "to", "share"],
)  # fmt: skip


def draw(table: pd.DataFrame) -> Chart:
    names = {"step": "step", "source": "from", "target": "to", "share": "share"}
    return sankey(table, order=ORDER, title="Three steps", x_label="step", **names)


def patches(kind: type) -> list:
    return [p for p in draw(FLOWS).figure.axes[0].patches if isinstance(p, kind)]


def test_boxes_are_as_high_as_what_flows_through_them():
    heights = {(round(p.get_x() + p.get_width() / 2), round(p.get_height(), 6)) for p in patches(Rectangle)}
    assert heights == {(1, 0.9), (1, 0.1), (2, 0.6), (2, 0.299), (2, 0.001), (2, 0.1), (3, 0.4)}


def test_bands_are_as_thick_as_the_flows_and_thin_ones_are_not_drawn():
    ends = [p.get_path().vertices[[0, -2], 1] for p in patches(PathPatch)]
    assert sorted(round(top - bottom, 6) for top, bottom in ends) == [0.1, 0.1, 0.299, 0.299, 0.6]


def test_boxes_of_one_step_do_not_overlap():
    boxes = sorted((round(p.get_x()), p.get_y(), p.get_y() + p.get_height()) for p in patches(Rectangle))
    for (at, _, top), (then, bottom, _) in pairwise(boxes):
        assert at != then or top < bottom


def test_the_words_name_the_main_flows_and_what_is_left_out():
    alt = draw(FLOWS).alt
    assert "step 1 pv to exit 60%; step 1 pv to <b> 30%" in alt and "not drawn: 0.2%" in alt
    assert "&lt;b&gt;" in draw(FLOWS).svg() and "<b>" not in draw(FLOWS).svg()


@pytest.mark.parametrize("table", [missing(["step", "from", "to", "share"], "nobody came"), FLOWS.head(0)])
def test_nothing_to_draw_is_a_note(table):
    assert "No chart" in repr(draw(table))


def test_one_visit_is_drawn():
    assert "100%" in draw(pd.DataFrame([(1, "pv", "exit", 1.0)], columns=FLOWS.columns)).alt
