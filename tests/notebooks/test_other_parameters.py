"""papermill with other parameters than the defaults: the results move the way they must."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.report.build import make_reports
from helpers.report.collection import NOTEBOOKS, Notebook, all_notebooks
from helpers.report.kernels import run_notebook
from helpers.report.parameters import merge
from helpers.report.publish import Busy
from tests.demo import ready_demo

Parameters = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Move:
    """Two runs of a notebook: a number read from one of its result tables must be larger in the second run."""

    notebook: str
    smaller: Parameters
    larger: Parameters
    table: str
    number: Callable[[pd.DataFrame], float]
    says: str

    def __str__(self) -> str:
        return f"{self.notebook}-{self.says.replace(' ', '_')}"


def rows(table: pd.DataFrame) -> int:
    return len(table)


def total(column: str) -> Callable[[pd.DataFrame], float]:
    return lambda table: float(table[column].sum())


def width(table: pd.DataFrame) -> float:
    return float((table["ci_high"] - table["ci_low"]).sum())


def last(column: str) -> Callable[[pd.DataFrame], float]:
    return lambda table: float(table[column].iloc[-1])


def first(column: str) -> Callable[[pd.DataFrame], float]:
    return lambda table: float(table[column].iloc[0])


FAST_RULES, FAST_TRIALS = (("null_runs", 1),), (("experiments", 20),)
FAST_PATHS = (("shuffles", 2), ("deals", 19))
FAST_SEGMENTS = (("boots", 5),)
FAST_INTENT = (("boots", 20),)
FAST_CREDIT = (("boots", 20),)
FAST_LAUNCHES = (("launches", 10), ("draws", 200))
FAST_BUDGETS = (("budgets", 2),)
FAST_UPLIFT = (("splits", 5), ("campaigns", 5))
FAST_LIGHTS = (("shops", 50),)
MOVES = [
    Move(
        "00_start_here", (("level", 0.8),), (("level", 0.99),), "coverage", total("coverage_rate"), "wider covers more"
    ),
    Move("10_data_quality", (("guard_runs", 5),), (("guard_runs", 8),), "guard_errors", total("runs"), "more runs"),
    Move("20_traffic", (), (("session_minutes", 5),), "by_day", total("visits"), "a shorter pause makes more visits"),
    Move("21_funnel", (("window_hours", 1.0),), (), "funnel_users", last("units"), "a longer window keeps more buyers"),
    Move("22_retention", (("return_event", "buy"),), (), "ranges", total("returned"), "any return counts more"),
    Move(
        "23_paths",
        FAST_PATHS,
        (*FAST_PATHS, ("session_minutes", 5)),
        "accounting",
        total("sessions"),
        "a shorter pause makes more visits",
    ),
    Move(
        "24_early_warning",
        (("drill_months", 6),),
        (("drill_months", 6), ("calendar", "none")),
        "alerts",
        rows,
        "festivals are alarms when nobody tells the calendar",
    ),
    Move("31_value_tiers", (("key_share", 0.1),), (), "migration", first("customers"), "a larger key tier keeps more"),
    Move(
        "30_profiles", (("bands", 2),), (("bands", 4),), "unicity", total("singled_out_share"), "finer bands single out"
    ),
    Move("32_segments", (*FAST_SEGMENTS, ("most_clusters", 3)), FAST_SEGMENTS, "criteria", rows, "more numbers tried"),
    Move(
        "33_lifetime_value",
        (("boots", 10), ("horizon_weeks", 13)),
        (("boots", 10),),
        "value",
        total("value"),
        "a longer horizon is worth more",
    ),
    Move(
        "34_intent",
        (*FAST_INTENT, ("horizon_days", 7)),
        FAST_INTENT,
        "tables",
        total("happened_rate"),
        "more days to buy",
    ),
    Move(
        "40_association_rules", (*FAST_RULES, ("min_support", 0.01)), FAST_RULES, "all_rules", rows, "rarer sets count"
    ),
    Move(
        "40_association_rules",
        (*FAST_RULES, ("min_confidence", 0.3)),
        FAST_RULES,
        "all_rules",
        rows,
        "weaker rules count",
    ),
    Move(
        "40_association_rules",
        FAST_RULES,
        (*FAST_RULES, ("discount", 0.2)),
        "bundles",
        total("given_away"),
        "a larger discount gives more away",
    ),
    Move("42_recommendation", (("k", 5),), (), "compare", total("recall"), "longer lists hold more"),
    Move(
        "43_feedback",
        (("leave_high", 0.05),),
        (),
        "loss",
        last("loss"),
        "more belief in leaving costs more",
    ),
    Move(
        "41_sequences",
        (("max_gap_days", 10), ("max_length", 2)),
        (("max_length", 2),),
        "all_sequences",
        rows,
        "a longer gap lets more people follow",
    ),
    Move("50_experiment", (*FAST_TRIALS, ("level", 0.8)), FAST_TRIALS, "spend_effect", width, "more level widens"),
    Move(
        "51_uplift",
        FAST_UPLIFT,
        (*FAST_UPLIFT, ("budget_share", 0.5)),
        "policies",
        total("customers"),
        "a larger budget contacts more",
    ),
    Move(
        "52_attribution",
        (*FAST_CREDIT, ("lookback_days", 3.0)),
        FAST_CREDIT,
        "paths_summary",
        first("with_touch"),
        "a longer lookback finds more touches",
    ),
    Move(
        "53_contact",
        (("experiments", 20), ("horizon_weeks", 104)),
        (),
        "at_cap",
        first("per_week"),
        "a shorter future allows more messages",
    ),
    Move("54_budget", (*FAST_BUDGETS, ("level", 0.8)), FAST_BUDGETS, "straight_lines", width, "more level widens"),
    Move(
        "55_scenario",
        (*FAST_LAUNCHES, ("budget_a", 10.0)),
        FAST_LAUNCHES,
        "plans",
        first("within_the_budget"),
        "more money reaches more people",
    ),
    Move(
        "56_quasi_experiment",
        (("panels", 2), ("level", 0.8)),
        (("panels", 2),),
        "readings",
        width,
        "more level widens",
    ),
    Move(
        "60_scorecard",
        (*FAST_LIGHTS, ("level", 0.8)),
        FAST_LIGHTS,
        "scorecard_numbers",
        width,
        "more level widens",
    ),
]


def test_every_notebook_has_a_move() -> None:
    assert {n.name for n in all_notebooks()} == {m.notebook for m in MOVES}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`results(notebook, parameters)`: the folder with its result tables; each run is made once."""
    ready_demo()

    @cache
    def results(name: str, parameters: tuple) -> Path:
        if not parameters:
            return by_default(name, tmp_path_factory.mktemp("report"))
        notebook = Notebook(NOTEBOOKS / f"{name}.ipynb")
        given = merge(name, notebook.parameters, from_study=dict(parameters))
        folder = tmp_path_factory.mktemp("run") / "run"
        outcome = run_notebook(notebook, folder, study="demo", parameters=given, jobs=2)
        assert (outcome.status, outcome.warnings) == ("rendered", []), outcome.reason
        return folder / "results"

    return results


def by_default(name: str, folder: Path) -> Path:
    """The results of a notebook's own parameters, from the cache of reports where it has been rendered before."""
    while True:
        try:
            report = make_reports("demo", only=name, output=folder, say=lambda _: None)
        except Busy:
            time.sleep(0.2)
        else:
            assert [(e["status"], report.warnings) for e in report.entries] == [("rendered", {})]
            return report.folder / "results" / name


@pytest.mark.notebooks
@pytest.mark.parametrize("move", [pytest.param(m, marks=pytest.mark.xdist_group(m.notebook)) for m in MOVES], ids=str)
def test_results_move_the_right_way(move: Move, results: Callable[..., Path]) -> None:
    small, large = (results(move.notebook, p) / f"{move.table}.csv" for p in (move.smaller, move.larger))
    assert move.number(pd.read_csv(small)) < move.number(pd.read_csv(large)), move.says
