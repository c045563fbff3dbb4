"""Planting faults: each one differs from the source, a draw is stable, and the list of harmless ones is of today."""

from __future__ import annotations

import ast

import pytest

from tests.torture.mutants import MODULES, ROOT, drawn, equivalents, judged, stale
from tests.torture.planted import Site, mutated, sites

SOURCE = """
def first(a, b):
    return a - b if a > 0 else 0

def second(rows):
    rows.append(1)
    return not rows
"""
SITE = Site(0, 1, "first", "return a", "return nothing")


def test_every_fault_changes_the_source_and_has_a_name_of_its_own() -> None:
    found, as_it_is = sites(SOURCE), ast.unparse(ast.parse(SOURCE))
    texts = {mutated(SOURCE, site.number) for site in found}
    assert len({site.key for site in found}) == len(found) and as_it_is not in texts
    told = {site.change for site in found}
    assert {"arithmetic: a - b → a + b", "statement dropped: rows.append(1) → pass"} <= told


def test_an_edit_elsewhere_changes_no_draw() -> None:
    more = SOURCE.replace("def second", "def between():\n    pass\n\ndef second")
    draws = [[s.key for s in drawn(source, module="m", seed=3, each=4)] for source in (SOURCE, more)]
    assert draws[0] == draws[1] and draws[0] != [s.key for s in drawn(SOURCE, module="m", seed=4, each=4)]


def test_the_list_of_harmless_faults_names_lines_that_are_there() -> None:
    assert stale(ROOT) == []
    assert all(key[0] in MODULES and reason for key, reason in equivalents().items())


@pytest.mark.parametrize(("found", "missed", "kept"), [(2, 1, True), (18, 2, True), (17, 3, False), (1, 2, False)])
def test_the_share_is_judged(found: int, missed: int, kept: bool) -> None:
    ended = ["found"] * found + ["not found"] * missed + ["changes nothing"] * 50
    proof = judged({"m": [(SITE, how) for how in ended]}, [], 1.0)
    assert (proof.result == "kept") is kept and proof.tried == found + missed


def test_a_stale_row_breaks_the_promise() -> None:
    assert judged({"m": [(SITE, "found")]}, ["a row names no line"], 1.0).result == "broken"


@pytest.mark.parametrize("module", MODULES)
def test_the_tests_that_are_asked_are_there(module: str) -> None:
    assert all((ROOT / file).is_file() for file in (f"helpers/{module}.py", *MODULES[module]))
