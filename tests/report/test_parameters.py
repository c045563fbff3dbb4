"""Parameters: read, typed, ranged, merged; everything else refused before a kernel starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.report.parameters import ParameterError, _short, find_notebook, merge, parse_sets, read_parameters

CELL = """\
study_file: str = "demo"     # a study's name, or the path of a study file
window_hours: int = 24       # hours from first, to last step, 1..720
level: str = "category"      # what a basket holds, category | item
min_support: float = 0.002   # share of baskets, 0.0001..1
shift: float = -1.5          # a number, -2..1e3
log: bool = True             # logarithmic axes
days: int = 7                # days of a week, 7 | 28
"""
DECLARED = read_parameters(CELL, "21_funnel")
NOTEBOOKS = ["20_traffic", "21_funnel", "40_association_rules"]


def test_types_defaults_meanings_and_limits() -> None:
    hours = DECLARED["window_hours"]
    assert (hours.type, hours.default, hours.low, hours.high) == ("int", 24, 1, 720)
    assert hours.meaning == "hours from first, to last step"
    assert DECLARED["level"].choices == ("category", "item") and DECLARED["days"].choices == (7, 28)
    assert (DECLARED["shift"].default, DECLARED["shift"].high) == (-1.5, 1000)
    assert DECLARED["log"].default is True and DECLARED["log"].meaning == "logarithmic axes"


def test_defaults_then_study_then_command() -> None:
    given = merge(
        "21_funnel", DECLARED, from_study={"window_hours": 48, "log": False}, from_command={"window_hours": "72"}
    )
    assert (given["window_hours"], given["log"], given["level"]) == (72, False, "category")
    assert "study_file" not in given


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("window_hours", "48", 48),
        ("min_support", "1e-3", 0.001),
        ("min_support", "1", 1.0),
        ("log", "false", False),
        ("level", "item", "item"),
        ("days", "28", 28),
        ("shift", "-2", -2.0),
    ],
)
def test_text_of_the_command_becomes_a_typed_value(name: str, text: str, value: object) -> None:
    found = merge("21_funnel", DECLARED, from_command={name: text})[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("min_suport", "0.1", "Did you mean 'min_support'?"),
        ("window_hours", "0", "out of range; take 1 to 720"),
        ("window_hours", "721", "out of range"),
        ("window_hours", "2.5", "a whole number"),
        ("window_hours", "1_0", "a whole number"),
        ("window_hours", "0x10", "a whole number"),
        ("window_hours", "9" * 400, "a whole number"),
        ("min_support", "nan", "a number"),
        ("min_support", "inf", "a number"),
        ("min_support", "1e999", "finite"),
        ("level", "user", "take one of category, item"),
        ("log", "1", "true or false"),
        ("days", "8", "take one of 7, 28"),
        ("study_file", "other", "there is no parameter"),
        ("import os", "1", "there is no parameter 'import os'"),
        ("__import__('os').system('x')", "1", "there is no parameter"),
        ("x\nimport os", "1", "there is no parameter"),
        ("", "1", "there is no parameter"),
    ],
)
def test_wrong_names_and_values_are_refused(name: str, text: str, told: str) -> None:
    with pytest.raises(ParameterError, match="21_funnel") as caught:
        merge("21_funnel", DECLARED, from_command={name: text})
    assert told in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("value", ["24", 24.0, True, None, [24], {"a": 1}])
def test_a_study_file_must_give_the_type(value: object) -> None:
    with pytest.raises(ParameterError, match="a whole number is needed"):
        merge("21_funnel", DECLARED, from_study={"window_hours": value})


@pytest.mark.parametrize("value", ["a\nb", "a\x00", "x" * 301])
def test_text_is_one_plain_line(value: str) -> None:
    declared = read_parameters('word: str = ""  # a word')
    with pytest.raises(ParameterError, match="plain text"):
        merge("20_traffic", declared, from_study={"word": value})


@given(st.text(max_size=40))
def test_any_text_is_taken_as_text_or_refused(text: str) -> None:
    declared = read_parameters('word: str = ""  # a word')
    try:
        assert merge("20_traffic", declared, from_command={"word": text})["word"] == text
    except ParameterError:
        assert any(ord(c) < 32 for c in text)


@pytest.mark.parametrize(
    "cell",
    [
        "import os",
        "x = 1",
        "x: int = len('a')",
        "x: list = []",
        "x: int",
        "x: int = 1.5",
        "x: int = 0  # n, 1..3",
        "x: int = 1\nx: int = 2",
        "x: int = (",
        "obj.x: int = 1",
    ],
)
def test_a_parameters_cell_holds_declarations_only(cell: str) -> None:
    with pytest.raises(ParameterError):
        read_parameters(cell, "21_funnel")


def test_sets_by_name_and_number() -> None:
    sets = parse_sets(["40.min_support=0.1", "21_funnel.level=a=b"], NOTEBOOKS)
    assert sets == {"40_association_rules": {"min_support": "0.1"}, "21_funnel": {"level": "a=b"}}


@pytest.mark.parametrize("text", ["min_support=1", "40.min_support", "", "40_asociation_rules.x=1", "../x.y=1"])
def test_malformed_sets_are_refused(text: str) -> None:
    with pytest.raises(ParameterError):
        parse_sets([text], NOTEBOOKS)


def test_the_nearest_notebook_is_named() -> None:
    with pytest.raises(ParameterError, match="Did you mean '40_association_rules'"):
        find_notebook("40_asociation_rules", NOTEBOOKS)


def test_choices_have_a_meaning_too() -> None:
    declared = read_parameters('study_file: str = "demo"  # a study\nlevel: str = "a"  # what it holds, a | b', "n")
    assert (declared["level"].meaning, declared["level"].choices) == ("what it holds", ("a", "b"))


@pytest.mark.parametrize(("length", "shown"), [(58, 60), (59, 60), (200, 60)])
def test_a_long_value_is_cut_to_sixty_signs(length: int, shown: int) -> None:
    text = _short("x" * length)
    assert len(text) == shown and text.endswith("..." if length > 58 else "x'")


def test_text_of_several_words_is_plain_text() -> None:
    declared = read_parameters('word: str = ""  # a word')
    assert merge("20_traffic", declared, from_study={"word": "a b~"})["word"] == "a b~"
