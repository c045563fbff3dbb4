"""Stickiness, return frequency and lifecycle against hand counts, brute force over users, truth, and changed logs."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from random_logs import doubled, relabelled, shuffled
from test_retention import DAYS, FIRST, FIVE, LAST, days_of, log_of, manies, many

from helpers.behaviour import lifecycle, retention
from helpers.behaviour.sessions import BehaviourError
from helpers.engine import as_table

WEEKS = [
    w for w in pd.period_range(FIRST, LAST, freq="W-SUN") if w.start_time >= FIRST and w.end_time.normalize() <= LAST
]


def users_on(log: pd.DataFrame, first: pd.Timestamp, last: pd.Timestamp) -> set:
    return set(log.user_id[log.day.between(first, last)])


# Stickiness -----------------------------------------------------------------------------------------------------------


def test_stickiness_of_three_users_by_hand():
    # A comes daily, B on day 0 only, C on day 39 only
    table = lifecycle.stickiness(days_of(log_of([("A", d) for d in range(DAYS)] + [("B", 0), ("C", 39)])))
    assert table.dau.tolist() == [2, *[1] * 38, 2]
    assert table.wau.tolist() == [None] * 6 + [2, *[1] * 32, 2]
    assert table.mau.tolist() == [None] * 29 + [2, *[1] * 9, 2]
    assert np.allclose(table.dau_mau_rate.dropna(), [1 / 2, *[1] * 9, 1])


@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_stickiness_agrees_with_pandas(log):
    table = lifecycle.stickiness(days_of(log))
    for row in table.iloc[::3].itertuples():
        for name, length in lifecycle.LENGTHS.items():
            full = (row.day - FIRST).days >= length - 1
            users = len(users_on(log, row.day - pd.Timedelta(days=length - 1), row.day))
            assert getattr(row, name) == (users if full else None)


def test_segments_of_users_add_up():
    log, users = many(1), pd.DataFrame({"user_id": range(1, 126), "city_tier": np.arange(125) % 3 + 1})
    whole, parts = days_of(log), lifecycle.stickiness(days_of(log), by="city tier", users=as_table(users))
    assert parts.segment.unique().tolist() == ["tier 1", "tier 2", "tier 3"]
    sums = parts.groupby("day")[["dau", "mau"]].sum(min_count=3)
    known = lifecycle.stickiness(whole).set_index("day")[["dau", "mau"]].astype(float)
    assert np.allclose(sums.astype(float), known, equal_nan=True)


def test_segments_by_activity_are_older_than_what_they_show():
    rows = [("A", d) for d in range(0, 90)] + [("B", 3), ("B", 70), ("C", 60)]
    table = lifecycle.stickiness(days_of(log_of(rows), days=90), by="activity").set_index(["segment", "day"])
    assert set(table.index.levels[0]) == {"often at first", "rarely at first", "not seen at first"}
    days = table[table.mau.notna()].index.get_level_values("day")
    assert days.min() == FIRST + pd.Timedelta(days=28 + 29)
    assert table.loc[("rarely at first", FIRST + pd.Timedelta(days=75)), "mau"] == 1


def test_segments_without_their_table_give_a_reason():
    table = lifecycle.stickiness(days_of(log_of(FIVE)), by="age band")
    assert table.attrs["reason"] == "no table of the users says their age band"
    assert lifecycle.smoothed(table).attrs["reason"] == table.attrs["reason"]


def test_a_mean_of_seven_days_takes_out_the_weekday():
    log = log_of([(u, d) for d in range(DAYS) for u in range(20 if d % 7 == 0 else 10)])
    rate = lifecycle.smoothed(lifecycle.stickiness(days_of(log))).rate
    assert len(rate) == DAYS - 29 - 6 and np.allclose(rate, (20 + 6 * 10) / 7 / 20)


# How often ------------------------------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_thresholds_agree_with_pandas(log):
    table = lifecycle.frequency(days_of(log), least=(1, 2, 4)).set_index(["starts_on", "k"])
    for week in WEEKS:
        days = log[log.day.dt.to_period("W-SUN") == week].groupby("user_id").day.nunique()
        expected = [((days >= k).sum(), len(days)) for k in (1, 2, 4)]
        got = (
            [tuple(table.loc[(week.start_time, k), ["users", "active"]]) for k in (1, 2, 4)] if len(days) else expected
        )
        assert got == expected


@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_the_power_user_curve_agrees_with_pandas(log):
    table = lifecycle.power_users(days_of(log), days=28)
    days = log[log.day > LAST - pd.Timedelta(days=28)].groupby("user_id").day.nunique()
    assert table.users.tolist() == [(days == k).sum() for k in range(1, int(days.max()) + 1)]
    assert (table.active == len(days)).all()


def test_the_last_row_of_the_power_user_curve_holds_enough_users():
    rows = [(u, 39 - d) for u in range(30) for d in range(1 + u % 10)]
    table = lifecycle.power_users(days_of(log_of(rows)), min_cell=5)
    assert table.on_days.iloc[-1] == "9+" and table.users.iloc[-1] == 6 and table.users.isna().iloc[:-1].all()


def test_a_log_shorter_than_a_period_has_no_frequency():
    found = days_of(log_of(FIVE), days=4)
    assert "whole week" in lifecycle.frequency(found).attrs["reason"]
    assert "shorter than 28 days" in lifecycle.power_users(found).attrs["reason"]


# Lifecycle ------------------------------------------------------------------------------------------------------------


def joined(days: dict) -> object:
    frame = pd.DataFrame({"user_id": list(days), "joined_on": [FIRST + pd.Timedelta(days=d) for d in days.values()]})
    return as_table(frame)


def test_five_users_lifecycle_by_hand():
    # B is an old customer seen first on day 1, D is new on day 1; A stays, C falls asleep and is won back on day 2
    rows = [("A", 0), ("A", 1), ("A", 2), ("B", 1), ("C", 0), ("C", 2), ("D", 1), ("D", 3)]
    users = joined({"A": 0, "B": -99, "C": 0, "D": 1})
    table = lifecycle.lifecycle(days_of(log_of(rows), days=4, users=users), period="day")
    columns = ["active", "new", "resurrected", "returning", "dormant", "asleep"]
    expected = [[2, None, None, None, None, None], [3, 1, 1, 1, 1, 1], [2, 0, 1, 1, 2, 2], [1, 0, 1, 0, 2, 3]]
    assert table[columns].to_numpy().tolist() == expected
    assert np.allclose(table.quick_ratio[1:], [2 / 1, 1 / 2, 1 / 2])


def test_the_interval_of_the_quick_ratio_is_that_of_the_share():
    # 81 arrivals and 182 dormant: Wilson for 81 of 263 is 0.2553 to 0.3662, as odds 0.3428 to 0.5778
    rows = [(u, 0) for u in range(182)] + [(u, 1) for u in range(200, 281)]
    row = lifecycle.lifecycle(days_of(log_of(rows), days=2), period="day").iloc[1]
    assert np.allclose([row.quick_ratio_ci_low, row.quick_ratio_ci_high], [0.2553 / 0.7447, 0.3662 / 0.6338], atol=3e-4)


@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_flows_agree_with_sets_of_users(log):
    old = joined({u: -10 if u % 3 else 1 for u in range(1, 126)})
    table = lifecycle.lifecycle(days_of(log, users=old)).set_index("starts_on")
    for before, week in pairwise(WEEKS):
        now, last = (users_on(log, w.start_time, w.end_time) for w in (week, before))
        past = set(log.user_id[log.day < week.start_time])
        new = {u for u in now - past if u % 3 == 0}
        expected = [len(now), len(new), len(now - last - new), len(now & last), len(last - now), len(past - now)]
        row = table.loc[week.start_time]
        assert row[["active", "new", "resurrected", "returning", "dormant", "asleep"]].tolist() == expected


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_flows_add_up(period):
    found = days_of(many(7), days=DAYS, users=joined({u: u % 50 - 20 for u in range(1, 126)}))
    table = lifecycle.lifecycle(found, period=period).drop(columns="not_told_apart")
    known = table.dropna(subset=["returning"])
    assert (known.active == known.new + known.resurrected + known.returning).all()
    change = table.active.diff().iloc[1:]
    assert (change[known.index] == (known.new + known.resurrected - known.dormant)[known.index]).all()


def test_a_period_that_the_window_cuts_is_not_shown_and_blanks_the_next_one():
    table = lifecycle.lifecycle(days_of(many(8)), period="week")
    assert table.starts_on.tolist() == [w.start_time for w in WEEKS]
    assert table.returning.isna().tolist() == [True] + [False] * (len(WEEKS) - 1)
    assert lifecycle.flows(lifecycle.lifecycle(days_of(many(8)), period="month")).attrs["reason"]


def test_without_registration_new_and_won_back_are_told_apart_after_the_lead_in_only():
    rows = [(u, d) for u in range(40) for d in (u, u + 20) if d < 84]
    table = lifecycle.lifecycle(days_of(log_of(rows), days=84)).set_index("starts_on")
    early = table.index < FIRST + pd.Timedelta(days=28)
    assert table.new.isna().equals(pd.Series(early, index=table.index))
    assert table.not_told_apart.notna().tolist() == [False, *early.tolist()[1:]]


@pytest.mark.parametrize("seed", range(5))
def test_no_small_flow_can_be_had_by_subtraction(seed):
    found = days_of(many(seed), users=joined({u: u % 50 - 20 for u in range(1, 126)}))
    table, true = (lifecycle.lifecycle(found, min_cell=m) for m in (10, 1))
    shown = table.dropna(subset=["returning"])
    truth = true.loc[shown.index]
    assert (shown[["active", "returning", "dormant"]] >= 10).all(axis=None)
    assert (truth.active - truth.returning >= 10).all() and (shown.new.isna() == shown.resurrected.isna()).all()


def test_flows_for_a_picture_hang_dormant_below_zero():
    table = lifecycle.flows(lifecycle.lifecycle(days_of(many(9)), period="week"))
    assert (table.users[table.state == "dormant"] <= 0).all() and (table.users[table.state != "dormant"] >= 0).all()
    arrivals = table[table.state != "dormant"].groupby("starts_on").users.sum()
    assert arrivals.tolist() == lifecycle.lifecycle(days_of(many(9)), period="week").active[1:].tolist()


# Truth ----------------------------------------------------------------------------------------------------------------


def test_dormant_against_the_truth_by_hand():
    # active in the first whole week, silent in the second: A has left, B leaves in the third week, C comes again
    rows = [("A", 5), ("B", 5), ("C", 5), ("C", 20), ("D", 5), ("D", 12)]
    left = pd.DataFrame({"user_id": ["A", "B"], "left_at": [6 * 86_400, 21 * 86_400]})
    table = lifecycle.dormant_truth(days_of(log_of(rows)), left, start_epoch=0, period="week")
    assert table[["dormant", "left"]].to_numpy().tolist()[0] == [3, 1]


def test_silence_finds_those_who_left_the_better_the_longer_it_is():
    # every user comes with chance 0.3 a day and leaves with chance 0.02: a silent day says little, a silent week much
    rng = np.random.default_rng(1)
    stay, shape = rng.geometric(0.02, 4_000), (4_000, 70)
    active = (np.arange(70) < stay[:, None]) & (rng.random(shape) < 0.3)
    user, day = np.nonzero(active)
    found = days_of(log_of(list(zip(user.tolist(), day.tolist(), strict=True))), days=70)
    truth = pd.DataFrame({"user_id": range(4_000), "left_at": (stay - 1) * 86_400 + 9})
    rates = {
        p: lifecycle.dormant_truth(found, truth, start_epoch=0, period=p).left_rate.mean() for p in ("day", "week")
    }
    # of a day: P(left | active yesterday, silent today) = 0.02 / (0.02 + 0.98 · 0.7)
    assert abs(rates["day"] - 0.02 / (0.02 + 0.98 * 0.7)) < 0.03 and rates["week"] > 5 * rates["day"]


# Changes of the log, degenerate logs, refusals ------------------------------------------------------------------------


def everything(log: pd.DataFrame) -> list[pd.DataFrame]:
    found = days_of(log)
    tables = [lifecycle.stickiness(found), lifecycle.stickiness(found, by="activity"), lifecycle.frequency(found)]
    return [*tables, lifecycle.power_users(found), lifecycle.lifecycle(found, period="week", event="pv")]


@pytest.mark.parametrize("change", [shuffled, relabelled, lambda log: pd.concat([log, log])])
def test_order_names_and_repeats_of_rows_do_not_matter(change):
    for before, after in zip(everything(many(1)), everything(change(many(1))), strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_twice_the_users_are_twice_the_counts_and_the_same_rates():
    counts = ["dau", "wau", "mau", "users", "active", "returning", "dormant", "not_told_apart"]
    for once, twice in zip(everything(many(2)), everything(doubled(many(2))), strict=True):
        own = [c for c in once if c in counts]
        assert np.allclose(2 * once[own].astype(float), twice[own].astype(float), equal_nan=True)
        rates = [c for c in once if c.endswith("_rate") or c == "quick_ratio"]
        assert np.allclose(once[rates], twice[rates], equal_nan=True)


@pytest.mark.parametrize("rows", [[("A", 0)], [("A", DAYS - 1)], [("A", 9), ("A", 10)]])
@pytest.mark.parametrize("min_cell", [1, 10])
def test_one_user_is_enough_for_every_table(rows, min_cell):
    found = days_of(log_of(rows))
    tables = [lifecycle.stickiness(found, by=by, min_cell=min_cell) for by in (None, "activity")]
    tables += [lifecycle.frequency(found, min_cell=min_cell), lifecycle.power_users(found, min_cell=min_cell)]
    tables += [lifecycle.lifecycle(found, period=p, min_cell=min_cell) for p in ("day", "week", "month")]
    for table in [*tables, lifecycle.smoothed(tables[0]), lifecycle.flows(tables[-2])]:
        assert len(table) or table.attrs["reason"]
        assert not np.isinf(table.select_dtypes("number").to_numpy(float)).any()


def test_an_empty_log_gives_reasons():
    found = days_of(log_of([("A", 0)]).head(0))
    tables = [lifecycle.stickiness(found), lifecycle.frequency(found), lifecycle.power_users(found)]
    for table in [*tables, lifecycle.lifecycle(found), lifecycle.flows(lifecycle.lifecycle(found))]:
        assert table.empty and table.attrs["reason"]


def test_no_purchase_no_lifecycle_of_buyers():
    assert lifecycle.lifecycle(days_of(log_of(FIVE)), event="buy").attrs["reason"]


@pytest.mark.parametrize("call", [
    lambda d: lifecycle.stickiness(d, by="gender"), lambda d: lifecycle.frequency(d, period="day"),
    lambda d: lifecycle.lifecycle(d, period="year"), lambda d: lifecycle.power_users(d, days=0),
])  # fmt: skip
def test_impossible_options_are_refused(call):
    with pytest.raises(BehaviourError):
        call(days_of(log_of(FIVE)))


def test_missing_truth_gives_a_reason():
    nothing = retention.missing(["truth"], "these are not simulated data")
    table = lifecycle.dormant_truth(days_of(log_of(FIVE)), nothing, start_epoch=0)
    assert table.attrs["reason"] == "these are not simulated data"
