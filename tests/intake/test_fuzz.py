"""Broken logs, made by seeded mutations and judged by an oracle that shares no code with the data door."""

from __future__ import annotations

from collections import Counter

import oracle
import pytest
from judge import judge
from mutations import MUTATIONS


@pytest.mark.parametrize("number", range(len(MUTATIONS)), ids=sorted(MUTATIONS))
def test_no_broken_log_is_silently_wrong(number, tmp_path):
    outcomes = Counter(judge(number + len(MUTATIONS) * i, tmp_path) for i in range(6))
    assert set(outcomes) <= {"taken", "refused"}


def test_the_oracle_knows_a_good_row_from_bad_ones():
    data = b"1,2,3,pv,1511539200\n1,2,3,pv,1511539199\n01,2,3,pv,1511539200\n1,2,3,pv\n"
    assert oracle.rows_of(data) == {(1, 2, 3, "pv", 1511539200): 1}
