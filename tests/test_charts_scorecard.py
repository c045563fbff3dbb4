"""The scorecard's figures: the distance says what the light says, in words as well."""

import numpy as np
import pandas as pd
import pytest

from helpers.charts import Chart
from helpers.charts_scorecard import _distance, sparklines, target_distance
from helpers.findings import Estimate, Note
from helpers.summary.lights import light


def rows(*cases, good="high"):
    names = ["value", "ci_low", "ci_high", "target"]
    table = pd.DataFrame(cases, columns=names).assign(good=good, name=[f"n{i}" for i in range(len(cases))])
    found = [light(Estimate(*r[:3]), r[3], good=good) for r in cases]
    return table.assign(light=found)


@pytest.mark.parametrize("good", ["high", "low"])
@pytest.mark.parametrize("target", [1.0, 3.9, 4.1, 5.0, 5.9, 6.1, 9.0])
def test_between_minus_one_and_one_it_cannot_be_told(good, target):
    row = rows((5.0, 4.0, 6.0, target), good=good).iloc[0]
    away = _distance(row.to_dict())
    assert (row.light == "amber") == (abs(away) < 1) and (row.light == "green") == (away >= 1)


def test_the_figure_says_the_lights_in_words():
    figure = target_distance(rows((5.0, 4.0, 6.0, 1.0), (5.0, 4.9, 5.1, 90.0), (5.0, 5.0, 5.0, 4.0)), title="T")
    assert isinstance(figure, Chart) and "n0 on target; n1 off target; n2 on target" in figure.alt
    assert "<svg" in figure.svg()


def test_without_lights_or_values_there_is_a_note():
    grey = rows((5.0, 4.0, 6.0, 1.0)).assign(light="grey")
    assert isinstance(target_distance(grey, title="T"), Note)
    assert isinstance(sparklines(grey.head(0), x="x", y="value", panel="name", title="T"), Note)


def test_small_lines_leave_gaps_and_name_their_ends():
    weeks = pd.date_range("2017-11-06", periods=3, freq="7D")
    table = pd.DataFrame(
        {"week": [*weeks, *weeks], "name": ["a"] * 3 + ["none"] * 3, "y": [0.5, None, 0.25] + [np.nan] * 3}
    )
    figure = sparklines(table, x="week", y="y", panel="name", title="T", special=pd.Series(weeks[:1]))
    assert "a 50.0 % … 25.0 %" in figure.alt and "none" not in figure.alt and "<svg" in figure.svg()
