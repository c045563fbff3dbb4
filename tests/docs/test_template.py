"""The template of docs/new-notebook.md is a real notebook: it obeys the rules, its tests pass, and it runs."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

import helpers.products
from helpers.findings import RESULTS_ENV
from helpers.report.collection import Notebook, tags
from helpers.study import ROOT
from helpers.tables import NEEDS
from tests.notebooks import test_structure as rules

TEMPLATE = ROOT / "docs" / "template"
NOTEBOOK = Notebook(TEMPLATE / "44_answers.ipynb")
OF_THE_COLLECTION = {"test_the_module_and_its_test_have_the_same_name", "test_the_last_line_leads_to_its_neighbours"}
RULES = {
    name: rule
    for name, rule in vars(rules).items()
    if name.startswith("test_") and list(inspect.signature(rule).parameters) == ["notebook"]
}


@pytest.fixture(autouse=True)
def in_its_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The template as if its files had been copied to where the guide says."""
    import sys

    monkeypatch.setattr(helpers.products, "__path__", [*helpers.products.__path__, str(TEMPLATE)])
    monkeypatch.setitem(NEEDS, "44_answers", ("orders", "feedback"))
    yield
    sys.modules.pop("helpers.products.answers", None)
    vars(helpers.products).pop("answers", None)


def its_tests() -> ModuleType:
    spec = importlib.util.spec_from_file_location("template_tests", TEMPLATE / "test_answers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("rule", sorted(set(RULES) - OF_THE_COLLECTION))
def test_it_obeys_the_rules_of_the_collection(rule: str) -> None:
    RULES[rule](NOTEBOOK)


def test_its_own_tests_pass() -> None:
    found = [test for name, test in vars(its_tests()).items() if name.startswith("test_")]
    assert len(found) == 5
    for test in found:
        test()


def test_its_example_is_right() -> None:
    import doctest

    from helpers.products import answers

    found = doctest.testmod(answers, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert (found.attempted, found.failed) == (4, 0)


def shop(people: int = 60) -> dict[str, pd.DataFrame]:
    """Customer i buys i % 5 + 1 times; every third answers once."""
    orders = [
        {"order_id": 10 * i + k, "user_id": i, "item_id": 7, "category_id": 1, "quantity": 1, "unit_price": 2.5,
         "timestamp": 1_511_571_600 + 3_600 * i + 60 * k}
        for i in range(people) for k in range(i % 5 + 1)
    ]  # fmt: skip
    given = [{"user_id": i, "item_id": 7, "nps": 9, "created_at": 1_511_700_000 + i} for i in range(0, people, 3)]
    return {"orders": pd.DataFrame(orders), "feedback": pd.DataFrame(given)}


def test_it_runs_from_the_first_cell_to_the_last(
    study_file: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RESULTS_ENV, str(tmp_path / "results"))
    names: dict = {"display": lambda shown: None}
    for cell in NOTEBOOK.cells("code"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(cell["source"], cell["id"], "exec"), names)
        if "parameters" in tags(cell):
            names["study_file"] = str(study_file(**shop()))
        kept = "".join(o["text"] for o in cell["outputs"] for o["text"] in ["".join(o["text"])])
        assert said.getvalue() == kept or "check" in tags(cell), cell["id"]
    assert names["rate"].value == pytest.approx(20 / 180) and names["share"] == pytest.approx(4 / 12)
    assert {f.name for f in (tmp_path / "results").iterdir()} >= {"findings.json", "answers_by_loyalty.parquet"}
