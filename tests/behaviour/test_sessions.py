"""Visits against an independent count."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from random_logs import crowd, crowds, relabelled, shuffled

from helpers.behaviour.sessions import BehaviourError, add_visits
from helpers.engine import as_table


def visits(log: pd.DataFrame, minutes: float = 30) -> pd.DataFrame:
    return add_visits(as_table(log), session_minutes=minutes).execute()


def walk(log: pd.DataFrame, minutes: float = 30) -> dict[int, int]:
    """Visits a user, by walking along each user's clock."""
    clocks = {user: sorted(part) for user, part in log.groupby("user_id").timestamp}
    return {user: 1 + sum(b - a > minutes * 60 for a, b in pairwise(clock)) for user, clock in clocks.items()}


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_visits_agree_with_a_walk_along_the_clock(log):
    found = visits(log)
    assert found.groupby("user_id").visit.max().to_dict() == walk(log)
    assert found.groupby("user_id").begins.sum().to_dict() == walk(log)


def test_order_and_names_of_rows_do_not_matter():
    log = crowd(3)
    count = visits(log).groupby("user_id").visit.max()
    assert visits(shuffled(log)).groupby("user_id").visit.max().equals(count)
    assert visits(relabelled(log)).groupby("user_id").visit.max().tolist() == count.tolist()[::-1]


def test_a_pause_of_exactly_the_limit_does_not_end_a_visit():
    log = pd.DataFrame({"user_id": 1, "item_id": 1, "behavior": "pv", "timestamp": [0, 1800, 3601]})
    assert visits(log).sort_values("timestamp").visit.tolist() == [1, 1, 2]
    assert visits(log, minutes=60).visit.max() == 1


def test_actions_of_one_second_are_one_visit():
    log = pd.DataFrame({"user_id": 1, "item_id": np.arange(4), "behavior": "pv", "timestamp": 5})
    assert visits(log).visit.tolist() == [1, 1, 1, 1]


def test_no_pause_at_all_is_refused():
    with pytest.raises(BehaviourError, match="session_minutes 0 is not above zero"):
        visits(pd.DataFrame({"user_id": [1], "item_id": 1, "behavior": "pv", "timestamp": 5}), minutes=0)
