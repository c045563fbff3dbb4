"""The data door on the real head file, and what it writes."""

from __future__ import annotations

import pyarrow.parquet as pq

from helpers.intake import ingest


def test_head_of_user_behavior_is_accounted_for(shared_data, study_of):
    result = ingest(study_of(shared_data("UserBehavior_head.csv"), header=False), "events")
    account = result.manifest["inputs"][0]
    assert (account["lines"], account["accepted"]) == (84_476, 84_440)
    assert account["rejects"] == {"out of window": 35, "truncated last line": 1}


def test_head_of_user_behavior_has_the_published_mix(shared_data, study_of):
    result = ingest(study_of(shared_data("UserBehavior_head.csv"), header=False), "events")
    counts = pq.read_table(result.data).group_by("behavior").aggregate([([], "count_all")])
    mix = dict(zip(counts["behavior"].to_pylist(), counts["count_all"].to_pylist(), strict=True))
    assert mix == {"pv": 75_837, "cart": 4_497, "fav": 2_356, "buy": 1_750}
