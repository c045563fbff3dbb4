"""The unit of a column of instants, by the number of its digits."""

from __future__ import annotations

import pytest

from helpers.intake.times import unit_of


@pytest.mark.parametrize(
    ("middle", "unit"),
    [
        (10**11 - 1, "s"),
        (10**11, "ms"),
        (10**14 - 1, "ms"),
        (10**14, "us"),
        (10**17 - 1, "us"),
        (10**17, None),
        (-(10**11), "ms"),
    ],
)
def test_the_limits_between_units(middle: int, unit: str | None) -> None:
    assert unit_of([str(middle)]) == unit


def test_the_middle_value_decides_and_gaps_do_not_count() -> None:
    assert unit_of(["", "5", "1511544070000", "1511544071000"]) == "ms"
    assert unit_of(["", ""]) is None and unit_of(["1511544070", "2017-11-25T01:21:10Z"]) == "s"
