"""The glossary: every helper that it names is there, links stand where a term is used first, and nowhere else."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from helpers.report.glossary import Linker, Term, read_glossary, table
from helpers.study import ROOT


def a_term(term: str, *words: str, part: str = "") -> Term:
    return Term(term, "", "", "", f"what {term} <means>", "", term.replace(" ", "-"), words or (term,), part)


@pytest.mark.parametrize("term", read_glossary(), ids=lambda t: t.id)
def test_every_row_is_whole_and_its_helper_is_there(term: Term) -> None:
    assert term.term and term.meaning
    for helper in filter(None, (h.strip() for h in term.helper.split(","))):
        module, _, name = helper.partition(".")
        files = [f.relative_to(ROOT) for f in Path(ROOT / "helpers").rglob(f"{module}.py")]
        files += [f.relative_to(ROOT) for f in (ROOT / "helpers" / module,) if f.is_dir()]
        assert files, helper
        found = [importlib.import_module(".".join(f.with_suffix("").parts)) for f in files]
        assert not name or any(hasattr(m, name) for m in found), helper


def test_ids_are_unique_and_stand_on_the_page() -> None:
    ids = [t.id for t in read_glossary()]
    assert len(set(ids)) == len(ids) > 150
    assert all(f'<tr id="{i}">' in table() for i in ids)


def test_the_longest_term_wins_and_each_is_linked_once() -> None:
    linked = Linker([a_term("lift"), a_term("lift beyond size")]).link("<p>Lift beyond size, lift, lift.</p>")
    assert linked.count("<a ") == 2 and linked.endswith(">lift</a>, lift.</p>")
    assert 'href="glossary.html#lift-beyond-size"' in linked and "what lift &lt;means&gt;" in linked


def test_headings_code_links_and_formulas_are_left_alone() -> None:
    block = '<h2>lift</h2><p><code>lift</code> <a href="#x">lift</a> <math><mi>lift</mi></math> uplift shop-lift</p>'
    assert Linker([a_term("lift")]).link(block) == block


def test_no_more_links_than_a_page_bears() -> None:
    terms = [a_term(f"term{i}") for i in range(9)]
    assert Linker(terms, most=4).link(" ".join(t.term for t in terms)).count("<a ") == 4
