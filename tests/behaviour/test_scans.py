"""The counter of scans against plans that are known, and the notebooks' event-level work."""

import pandas as pd
import pytest
from random_logs import DAY, START, complete, crowd
from scans import counted, notebook_scans

from helpers.engine import as_table, hold


def test_a_query_that_reads_the_table_twice_counts_twice():
    events = hold(as_table(crowd(2)))
    with counted(events) as scans:
        events.join(events.group_by("user_id").agg(n=events.count()), "user_id").count().execute()
    assert [n for n, _ in scans] == [2]


def test_what_is_held_is_not_read_again():
    events = hold(as_table(crowd(2)))
    with counted(events) as scans:
        held = hold(events.group_by("user_id").agg(n=events.count()))
        held.count().execute()
        held.n.max().execute()
    assert [n for n, _ in scans] == [1]


def test_after_the_block_nothing_is_counted():
    events = hold(as_table(crowd(2)))
    with counted(events) as scans:
        pass
    events.count().execute()
    assert scans == []


@pytest.fixture
def shop(study_file):
    """A study of eight weeks: the same crowd comes again every few days, on other days each time."""
    log = crowd(3, users=200)
    parts = [log.assign(timestamp=log.timestamp + (4 * k + log.user_id % 3) * DAY) for k in range(14)]
    days = [part[(part.user_id + k) % 3 > 0] for k, part in enumerate(parts)]
    events = complete(pd.concat(days, ignore_index=True)).drop(columns=["day", "hour"])
    return study_file(events=events[events.timestamp < START + 56 * DAY], window=("2017-11-25", "2018-01-19"))


@pytest.mark.notebooks
@pytest.mark.filterwarnings("ignore:The set_bad function")  # seaborn's, in a heat map
@pytest.mark.parametrize("name", ["20_traffic", "21_funnel", "22_retention", "23_paths"])
def test_a_notebook_reads_the_events_at_most_twice(name, shop, monkeypatch):
    assert 1 <= sum(n for n, _ in notebook_scans(name, shop, monkeypatch)) <= 2
