"""A phone number is seen in every usual form; amounts, counts, dates, hashes and rows of numbers are none."""

from __future__ import annotations

import pytest

from helpers.report.gate import faults
from helpers.report.phones import phones, seen

CALLED = [
    "13955570001", "139-5557-0001", "139 5557 0001", "+86 139 5557 0001", "+8613955570001", "008613955570001",
    "86-13955570001", "+86-139-5557-0001", "010-65321234", "0571-88881234", "+14155552671", "+442079460958",
    "+44 20 7946 0958", "+1 (415) 555-2671", "+1-415-555-2671", "+33 1 23 45 67 89", "+49 (0)30 123456",
    "+852 2345 6789",
]  # fmt: skip
NOT_CALLED = [
    "13,955,570,001", "1,395,557 orders", "¥13955570001.50", "0.13955570001", "1.3955570001e+10", "1502640000",
    "1502640000000", "2017-06-19 13:45", "2017-06-19", "20170619", "sha256 a13955570001f", "13955570001f3a90",
    "id-13955570001", "-13955570001", "10.1145/13955570001", "139 2017 2018 2019", "12 139 5557 2018",
    "157 users, 2017 orders", "+12,345,678", "+12 345 678", "+12 of 345", "+20170619", "12 + 13 = 25", "010-2017",
    "100-200-3000", "+0.1234567890", "19955570001234", "+1 2 3 4 5 6 7 8 9",
]  # fmt: skip


@pytest.mark.parametrize("number", CALLED)
def test_a_phone_number_is_seen_among_words_of_any_language(number):
    assert phones(f"call {number}.") == [number] and phones(f"电话{number},张") == [number]


@pytest.mark.parametrize("number", ["１３９５５５７０００１", "139\u200b5557\u200b0001"])
def test_wide_digits_and_unseen_characters_hide_nothing(number):
    assert phones(number) == ["13955570001"]


@pytest.mark.parametrize("text", NOT_CALLED)
def test_other_numbers_are_no_phone_numbers(text):
    assert phones(text) == []


def test_cells_of_a_table_are_not_read_together_and_drawings_not_at_all():
    row = "<tr><td>139</td><td>5557</td><td>2018</td></tr><svg aria-label='x'><path d='M13955570001 0'/></svg>"
    assert phones(seen(row)) == [] and faults(row, words=[]) == []


@pytest.mark.parametrize(
    "page", ["<p>call 13955570001</p>", "<p title='x' aria-label=\"call +86 139 5557 0001\">y</p>"]
)
def test_the_gate_stops_a_page_with_a_phone_number(page):
    assert faults(page, words=[]) == ["a phone number"]
