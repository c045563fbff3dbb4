"""Self-checks: what a student reads, whatever stands in the exercise's cell."""

from __future__ import annotations

import pytest

from helpers import exercises
from helpers.exercises import exercise


@pytest.fixture
def read(monkeypatch):
    shown = []
    monkeypatch.setattr(exercises, "display", shown.append)
    return shown


def test_a_right_answer(read):
    with exercise(1):
        assert 1 + 1 == 2
    assert [str(n) for n in read] == ["Exercise 1: looks right."]


def test_a_wrong_answer_is_told_what_is_off_and_the_notebook_goes_on(read):
    with exercise(2):
        raise AssertionError("A share lies between 0 and 1.")
    assert str(read[0]) == "Exercise 2: not yet. A share lies between 0 and 1."


def test_no_answer_yet(read):
    with exercise(3):
        assert 0 <= share <= 1  # noqa: F821
    assert str(read[0]) == "Exercise 3: not done yet; nothing here is called share."


def test_an_answer_of_another_kind_and_markup_are_harmless(read):
    with exercise(4):
        assert None < 1
    with exercise(5):
        raise AssertionError("<b>")
    assert "(TypeError)" in str(read[0]) and "<b>" not in read[1]._repr_html_()


def test_an_interrupt_is_no_answer():
    with pytest.raises(KeyboardInterrupt), exercise(6):
        raise KeyboardInterrupt
