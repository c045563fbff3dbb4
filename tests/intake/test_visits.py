"""Pauses and visits as intake stores them, against counting by hand, however the rows are cut into tables."""

from itertools import pairwise

import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from helpers.intake.visits import Visits
from helpers.notebook import open_study
from tests.logs import random_log

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20_000)), max_size=40).map(sorted)


def _by_hand(log: list[tuple[object, int]]) -> list[tuple[int | None, int]]:
    last, visit, found = {}, {}, []
    for user, second in log:
        pause = second - last[user] if user in last else None
        visit[user] = visit.get(user, 0) + (pause is None or pause > 1800)
        last[user] = second
        found.append((pause, visit[user]))
    return found


def _cut(log: list, cuts: list[int], visits: Visits) -> list[tuple[int | None, int]]:
    found, edges = [], [0, *sorted(min(c, len(log)) for c in cuts), len(log)]
    kind = pa.string() if log and isinstance(log[0][0], str) else pa.int64()
    schema = pa.schema([("user_id", kind), ("at", pa.int64())])
    for a, b in pairwise(edges):
        part = pa.table({"user_id": [u for u, _ in log[a:b]], "at": [t for _, t in log[a:b]]}, schema=schema)
        columns = visits.columns(part)
        found += list(zip(columns["pause"].to_pylist(), columns["visit"].to_pylist(), strict=True))
    return found


@given(rows, st.lists(st.integers(0, 40), max_size=4), st.booleans())
def test_equal_to_counting_by_hand(log, cuts, text):
    log = [(f"u{user}" if text else user, second) for user, second in log]
    assert _cut(log, cuts, Visits("at")) == _by_hand(log)


def test_stored_beside_the_rows_whatever_their_order_in_the_file(study_file):
    log = random_log(users=60, days=9, events_a_day=3)
    stored = open_study(study_file(events=log.sample(frac=1, random_state=1)), "20_traffic").events.execute()
    stored = stored.sort_values(["user_id", "timestamp", "item_id", "behavior"], ignore_index=True)
    by_hand = _by_hand(list(zip(stored.user_id, stored.timestamp, strict=True)))
    assert [(None if pd.isna(p) else p, v) for p, v in zip(stored.pause, stored.visit, strict=True)] == by_hand
