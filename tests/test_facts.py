"""Facts about a log and the tests of how it was made."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import facts
from helpers.intake.data_quality import gaps_of, presence
from tests.logs import START, as_events, random_log


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return random_log()


@pytest.fixture(scope="module")
def found(log: pd.DataFrame) -> dict:
    return facts.log_facts(as_events(log), time_zone="Asia/Shanghai")


def test_counts_agree_with_pandas(log: pd.DataFrame, found: dict) -> None:
    distinct = {k: log[f"{c}_id"].nunique() for k, c in (("users", "user"), ("items", "item"))}
    bought = log[log["behavior"] == "buy"].groupby("user_id").size()
    assert {k: found[k] for k in distinct} == distinct
    assert found["behaviors"] == {b: int((log["behavior"] == b).sum()) for b in ("pv", "fav", "cart", "buy")}
    assert (found["rows"], found["buyers"], found["repeat_buyers"]) == (len(log), len(bought), (bought >= 2).sum())


def test_days_on_which_buyers_buy(log: pd.DataFrame, found: dict) -> None:
    bought = log[log["behavior"] == "buy"]
    days = ((bought["timestamp"] - START) // 86400).groupby(bought["user_id"]).nunique()
    assert found["repeat_day_buyers"] == (days >= 2).sum()


def test_stored_pauses_give_the_same_facts(log: pd.DataFrame, found: dict) -> None:
    events = as_events(log)
    before = events.timestamp.lag().over(ibis.window(group_by="user_id", order_by="timestamp"))
    again = facts.log_facts(events.mutate(pause=events.timestamp - before), time_zone="Asia/Shanghai")
    assert again == found


def test_hours_and_span(log: pd.DataFrame, found: dict) -> None:
    hours = (log["timestamp"] + 8 * 3600) // 3600 % 24
    assert found["hours"] == [int((hours == h).sum()) for h in range(24)]
    assert (found["days"], found["active_days"], len(found["daily"])) == (30, 30, 30)
    assert found["first"].startswith("2017-11-25T") and found["last"].endswith("+08:00")


def test_daily_users_first_seen_and_comebacks(log: pd.DataFrame, found: dict) -> None:
    here = pd.crosstab(log["user_id"], (log["timestamp"] - START) // 86400).to_numpy() > 0
    daily = pd.DataFrame(found["daily"])
    assert daily["users"].tolist() == here.sum(axis=0).tolist()
    assert daily["first_seen"].tolist() == np.bincount(here.argmax(axis=1), minlength=30).tolist()
    away = ~here[:, 3]
    assert daily["comeback_rate"][4] == pytest.approx((away & here[:, 4]).sum() / away.sum())


def test_an_ordinary_log_raises_nothing(found: dict) -> None:
    verdicts = {k: found[k]["verdict"] for k in ("selection", "clock", "thinning")}
    assert verdicts == {"selection": "ordinary", "clock": "plausible", "thinning": "full"}
    assert not found["edges"]["first"]["cut"] and not found["edges"]["last"]["cut"]


def test_users_chosen_by_their_last_two_days_are_found(log: pd.DataFrame) -> None:
    late = log.loc[log["timestamp"] >= START + 28 * 86400, "user_id"]
    chosen = facts.log_facts(as_events(log[log["user_id"].isin(late)]), time_zone="Asia/Shanghai")["selection"]
    assert chosen["verdict"] == "selected" and chosen["end_days"] == 2 and chosen["absent_rate"] == 0


def test_a_log_read_in_utc_is_found(log: pd.DataFrame) -> None:
    clock = facts.log_facts(as_events(log, offset_hours=0), time_zone="UTC")["clock"]
    assert clock["verdict"] == "shifted" and 6 <= clock["shift_hours"] <= 10


def test_a_log_cut_at_midnight_utc_starts_at_eight(log: pd.DataFrame) -> None:
    cut = log[log["timestamp"] >= START + 8 * 3600]
    edges = facts.log_facts(as_events(cut), time_zone="Asia/Shanghai")["edges"]
    assert edges["first"]["cut"] and 8 <= edges["first"]["hour"] < 9 and not edges["last"]["cut"]


def test_a_tenth_of_the_rows_looks_thinned_a_tenth_of_the_users_does_not() -> None:
    visits = [random_log(users=200, days=10, events_a_day=3, rate=0.9, seed=s) for s in range(6)]
    log = pd.concat(visits, ignore_index=True)
    rows, users = log.sample(frac=0.1, random_state=1), log[log["user_id"] % 10 == 0]
    verdicts = [facts.log_facts(as_events(t), time_zone="Asia/Shanghai")["thinning"]["verdict"] for t in (rows, users)]
    assert verdicts == ["thinned", "full"]


def test_no_rows_give_zeros_and_no_verdicts(log: pd.DataFrame) -> None:
    empty = facts.log_facts(as_events(log.head(0)), time_zone="Asia/Shanghai")
    assert empty == facts.NO_EVENTS


@pytest.mark.parametrize("part", [slice(0, 1), slice(0, 6)])
def test_one_user_on_one_day_cannot_be_judged(log: pd.DataFrame, part: slice) -> None:
    one = facts.log_facts(as_events(log.iloc[part]), time_zone="Asia/Shanghai")
    assert {one[k]["verdict"] for k in ("selection", "clock", "thinning")} == {"cannot tell"}
    assert one["days"] == 1 and one["daily"][0]["comeback_rate"] is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(6, 20), st.integers(1, 3))
def test_absent_users_agree_with_counting(seed: int, days: int, length: int) -> None:
    here = presence(np.random.default_rng(seed), users=40, days=days)
    known = here[here[:, : days // 3].any(axis=1)]
    # from the end of the first third on; before it, known users may not have come yet
    by_hand = [int((~known[:, s : s + length].any(axis=1)).sum()) for s in range(days // 3, days - length + 1)]
    assert facts.absent_users(gaps_of(here), days=days, length=length)[days // 3 :].tolist() == by_hand


ORDINARY = {
    "plain": {},
    "light users": {"mean_rate": 0.05},
    "heavy users": {"mean_rate": 0.8},
    "growth": {"join": 0.9},
    "drop-out": {"leave": 0.05},
    "weekends off": {"weekend": 0.1},
    "sale, odds times three": {"sale": 3.0},
}


def _selected(runs: int, *, users: int, days: int, seed: int, **world: float) -> float:
    """Share of simulated logs that the test calls selected."""
    rng = np.random.default_rng([seed, users, days])
    logs = (presence(rng, users=users, days=days, **world) for _ in range(runs))
    return float(np.mean([facts.selection_test(gaps_of(h), days=days)["verdict"] == "selected" for h in logs]))


@pytest.mark.parametrize("world", ORDINARY)
@pytest.mark.parametrize(("users", "days"), [(800, 9), (800, 30), (3000, 60)])
def test_ordinary_logs_are_not_called_selected(world: str, users: int, days: int) -> None:
    assert _selected(15, users=users, days=days, seed=1, **ORDINARY[world]) == 0


def test_false_alarms_over_many_ordinary_logs() -> None:
    rates = [_selected(40, users=1000, days=14, seed=s, **w) for s, w in enumerate(ORDINARY.values())]
    assert np.mean(rates) <= 0.01  # 280 logs; the bounds promise a joint error of 1 %


@pytest.mark.parametrize("select", [1, 2, 7])
@pytest.mark.parametrize("mean_rate", [0.1, 0.3, 0.6])
def test_selected_logs_are_found(select: int, mean_rate: float) -> None:
    found = _selected(20, users=3000, days=30, seed=2, select=select, mean_rate=mean_rate)
    absent_otherwise = (1 - mean_rate) ** select  # where hardly anybody would be absent, nothing can be seen
    assert found >= 0.95 or absent_otherwise < 0.1


def test_few_users_give_no_verdict() -> None:
    here = presence(np.random.default_rng(1), users=30, days=30, select=1)
    assert facts.selection_test(gaps_of(here), days=30)["verdict"] == "cannot tell"


def test_published_hour_signature() -> None:
    # UserBehavior read in UTC: peak at 13 h, quietest around 20 h; in its own zone 21 h and 4 h
    local = np.roll(np.array([1.5, 2, 3, 4, 5, 6, 6, 6, 6, 6, 6, 6, 7, 7, 8, 9, 10, 9, 6, 3, 1.5, 1, 1, 1]), 5)
    assert facts.clock_test(local.tolist(), user_days=1000) == {"verdict": "plausible", "trough": 3, "peak": 21}
    assert facts.clock_test(np.roll(local, -8).tolist(), user_days=1000)["peak"] == 13


def test_a_flat_curve_says_nothing() -> None:
    assert facts.clock_test([10] * 24, user_days=1000)["verdict"] == "cannot tell"
