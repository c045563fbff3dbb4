"""A large log is worked on by ranges of users: every table says what it says when the log is read as a whole."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from random_logs import START, WINDOW, crowd

from helpers.behaviour import funnel, funnel_steps, paths, traffic, traffic_change
from helpers.engine import connect
from helpers.study import Engine

END = START + 3 * 86_400 - 1
JOURNEYS = {
    "definitions": funnel.definitions,
    "by category": lambda j: funnel.funnel(j, unit="user-item", rule="set", by="category"),
    "by activity": lambda j: funnel.funnel(j, by="activity"),
    "visits": lambda j: funnel.funnel(j, unit="visit"),
    "routes": funnel.routes,
    "waiting": lambda j: funnel.durations(j, end=END, unit="user-item"),
    "unseen": funnel.unseen,
    "unseen by day": funnel.unseen_by_day,
}
TRAFFIC = {
    "overview": traffic.overview,
    "behaviours": lambda v, c: traffic.by_behavior(v),
    "days": lambda v, c: traffic.by_day(v, window=WINDOW),
    "hours": lambda v, c: traffic.by_hour(v),
    "bounce": lambda v, c: traffic.bounce(v),
    "periods": lambda v, c: traffic_change.period_segments(v, traffic_change.two_periods(WINDOW)),
    "items": lambda v, c: traffic.top(c),
    "categories": lambda v, c: traffic.top(c, unit="category"),
    "conversion": lambda v, c: traffic.category_conversion(c, min_viewers=1),
    "tail": lambda v, c: traffic.tail(c),
}
PATHS = {
    "unseen": paths.unseen,
    "accounting": paths.accounting,
    "steps": paths.steps,
    "moves": lambda p: paths.user_moves(p).reset_index(),
}


@pytest.fixture(scope="module", params=["numbers", "text"])
def logs(request, tmp_path_factory):
    """One log as a whole and in parts, with ids of both kinds."""
    log = crowd(3)
    if request.param == "text":
        log = log.assign(user_id="u" + log.user_id.astype(str))
    file = tmp_path_factory.mktemp("log") / "data.parquet"
    log.sort_values(["user_id", "timestamp"]).to_parquet(file, row_group_size=50, index=False)
    with pytest.MonkeyPatch.context() as change:
        whole = connect(Engine(), {"events": file})["events"]
        change.setattr("helpers.engine.LARGE", 0)
        change.setattr("helpers.engine.PART", 100)
        return whole, connect(Engine(), {"events": file})["events"]


def computed(make, logs):
    """What the two logs come to."""
    return [make(events) for events in logs]


@pytest.fixture(scope="module")
def journeys(logs):
    return computed(funnel_steps.journeys, logs)


@pytest.fixture(scope="module")
def passes(logs):
    return computed(lambda events: (traffic.visits(events), traffic.catalogue(events)), logs)


@pytest.fixture(scope="module")
def visits(logs):
    return computed(paths.sessions, logs)


@pytest.mark.parametrize("name", JOURNEYS)
def test_journeys(journeys, name):
    assert_frame_equal(*(JOURNEYS[name](j) for j in journeys))


@pytest.mark.parametrize("name", TRAFFIC)
def test_traffic(passes, name):
    assert_frame_equal(*(TRAFFIC[name](v, c) for v, c in passes))


@pytest.mark.parametrize("name", PATHS)
def test_paths(visits, name):
    assert_frame_equal(*(PATHS[name](p) for p in visits))


def test_the_parts_are_several(logs):
    from helpers.engine import _read_starts

    whole, parts = (_read_starts(events.get_backend()) for events in logs)
    assert whole == [] and len(parts) >= 5 and pd.Index(parts).is_monotonic_increasing
