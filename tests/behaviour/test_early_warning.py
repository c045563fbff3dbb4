"""Early warning: independent pandas oracles on random logs, planted faults, calendars, exact contributions."""

from dataclasses import replace
from functools import cache

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.behaviour import alarm_drill, early_warning, moved_parts
from helpers.behaviour.sessions import BehaviourError
from helpers.engine import as_table, hold
from helpers.findings import missing
from helpers.known_days import CalendarError, known_days
from tests.behaviour.random_logs import DAY, START, WINDOW, complete, crowd, crowds, doubled, relabelled, shuffled
from tests.behaviour.scans import counted

COUNTS = ["pv", "fav", "cart", "buy"]
HALF_YEAR = (pd.Timestamp("2017-06-19"), pd.Timestamp("2017-12-17"))


def order_lines(seed: int, users: int = 125) -> pd.DataFrame:
    """Random orders of one to three lines over three categories, on the three days of the crowds."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 4, users)
    order = np.repeat(np.arange(users), size)
    user, second = rng.integers(1, users + 1, users)[order], rng.integers(0, 3 * DAY, users)[order]
    discount = np.where(rng.random(len(order)) < 0.5, np.nan, rng.integers(0, 3, len(order)))
    log = {"order_id": order, "user_id": user, "item_id": rng.integers(1, 9, len(order)),
           "category_id": rng.integers(1, 4, len(order)), "quantity": rng.integers(1, 4, len(order)),
           "unit_price": rng.integers(5, 90, len(order)) / 2, "discount": discount,
           "timestamp": START + second}  # fmt: skip
    return complete(pd.DataFrame(log))


def measured(log: pd.DataFrame, orders: pd.DataFrame | None = None) -> early_warning.Measures:
    return early_warning.measure(as_table(log), orders=None if orders is None else as_table(orders))


def daily_oracle(log: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """The daily figures with pandas alone."""
    table = pd.crosstab(log.day, log.behavior).reindex(columns=COUNTS, fill_value=0)
    table["users"] = log.groupby("day").user_id.nunique()
    table["buyers"] = log[log.behavior == "buy"].groupby("day").user_id.nunique()
    table = table.fillna({"buyers": 0})
    table["conversion"] = table.buyers / table.users
    table["orders"] = orders.groupby("day").order_id.nunique()
    paid = orders.quantity * orders.unit_price - orders.discount.fillna(0)
    return table.assign(sales=paid.groupby(orders.day).sum()).astype(float)


@settings(max_examples=5, deadline=None)
@given(crowds(), st.integers(0, 99))
def test_daily_figures_agree_with_pandas(log, seed):
    orders = order_lines(seed)
    found = early_warning.daily(measured(log, orders), window=WINDOW).set_index("day")
    expected = daily_oracle(log, orders)
    assert list(found.columns) == list(early_warning.METRICS)
    assert list(found.index) == list(expected.index)
    assert np.allclose(found, expected[found.columns], equal_nan=True)


@settings(max_examples=5, deadline=None)
@given(crowds(), st.integers(0, 99))
def test_parts_of_users_and_buyers_and_orders_agree_with_pandas(log, seed):
    lines = order_lines(seed)
    keys, measures = ["day", "user_id", "category_id"], measured(log, lines)
    bought, parts = log[log.behavior == "buy"], lines.assign(part=1 / lines.groupby("order_id").day.transform("size"))
    expected = {"orders": parts.groupby(keys).part.sum(), "buy": bought.groupby(keys).size()}
    for name, rows in (("users", log), ("buyers", bought)):
        expected[name] = rows.groupby(keys).size() / rows.groupby(keys[:2]).size()
    for name, share in expected.items():
        found = early_warning.amounts(measures, metric=name).execute()
        found = found.assign(day=pd.to_datetime(found.day)).groupby(["day", "user_id", "part"]).amount.sum()
        assert found.index.tolist() == share.sort_index().index.tolist() and np.allclose(found, share.sort_index())


def touches(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    log = {"user_id": rng.integers(1, 126, 300), "channel": rng.choice(["mail", "ads", "social"], 300),
           "timestamp": START + rng.integers(-4, 3, 300) * DAY + rng.choice([0, 5_000, 80_000], 300)}  # fmt: skip
    return complete(pd.DataFrame(log))


def last_channel(ads: pd.DataFrame, user: int, day: pd.Timestamp, lookback: int) -> str:
    past = ads[(ads.user_id == user) & (ads.day <= day) & (ads.day >= day - pd.Timedelta(days=lookback))]
    return "no touch" if past.empty else past.sort_values(["timestamp", "channel"]).channel.iloc[-1]


@settings(max_examples=5, deadline=None)
@given(crowds(), st.integers(0, 99), st.sampled_from([0, 2, 7]))
def test_channels_agree_with_pandas(log, seed, lookback):
    ads = touches(seed)
    found = moved_parts.add_channel(measured(log), as_table(ads), lookback_days=lookback).by_user.execute()
    assert found.channel.tolist() == [
        last_channel(ads, user, pd.Timestamp(day), lookback) for user, day in zip(found.user_id, found.day, strict=True)
    ]


def test_no_touchpoints_and_no_touches():
    measures = measured(crowd(1))
    assert moved_parts.add_channel(measures, None) is measures
    empty = as_table(touches(1)).filter(ibis.literal(False))
    assert set(moved_parts.add_channel(measures, empty).by_user.execute().channel) == {"no touch"}


def test_the_measures_are_one_scan_of_the_events():
    events = hold(as_table(crowd(2)))
    with counted(events) as scans:
        measures = moved_parts.add_channel(early_warning.measure(events), as_table(touches(2)))
        early_warning.daily(measures, window=WINDOW)
    assert sum(n for n, _ in scans) == 1


@pytest.mark.parametrize("change", [shuffled, relabelled])
def test_order_and_names_of_rows_do_not_matter(change):
    before, after = (early_warning.daily(measured(x), window=WINDOW) for x in (crowd(3), change(crowd(3))))
    pd.testing.assert_frame_equal(before, after)


def test_twice_the_users_are_twice_the_counts_and_the_same_conversion():
    once, twice = (early_warning.daily(measured(x), window=WINDOW) for x in (crowd(4), doubled(crowd(4))))
    whole = ["pv", "fav", "cart", "buy", "users", "buyers"]
    assert np.allclose(2 * once[whole], twice[whole]) and np.allclose(once.conversion, twice.conversion)


def test_ids_of_different_types_in_events_and_orders_meet_as_text():
    orders = order_lines(5).astype({"user_id": str})
    found = early_warning.daily(measured(crowd(5), orders), window=WINDOW)
    assert found.orders.sum() == orders.order_id.nunique()


def test_days_without_rows_are_missing_and_small_days_hidden():
    log = complete(pd.DataFrame({"user_id": [1, 2, 1], "item_id": 1, "category_id": 1, "behavior": "pv",
                                 "timestamp": [START, START, START + 2 * DAY]}))  # fmt: skip
    found = early_warning.daily(measured(log), window=WINDOW)
    assert found.pv.fillna(-1).tolist() == [2, -1, 1] and found.buy.fillna(-1).tolist() == [0, -1, 0]
    assert found.sales.isna().all()
    assert early_warning.daily(measured(log), window=WINDOW, min_cell=2).pv.fillna(-1).tolist() == [2, -1, -1]


def test_few_buyers_of_many_users_are_hidden_and_the_rest_of_the_day_is_shown():
    rows = [(u, 1, "pv", DAY * day) for day in range(3) for u in range(4)]
    rows += [(u, 1, "buy", DAY * day) for day, buyers in enumerate((3, 0, 2)) for u in range(buyers)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "behavior", "second"]).assign(category_id=1)
    log = complete(log.assign(timestamp=START + log.second).drop(columns="second"))
    table = early_warning.daily(measured(log), window=WINDOW, min_cell=3)
    assert table.users.tolist() == [4, 4, 4] and table.buy.tolist() == [3, 0, 2]
    assert table.buyers.fillna(-1).tolist() == [3, 0, -1] and table.conversion.fillna(-1).tolist() == [0.75, 0, -1]


def test_a_day_of_few_users_and_many_orders_shows_the_orders_only():
    orders = order_lines(7)
    few = crowd(7)[lambda t: t.user_id <= 2].drop_duplicates(["user_id", "day"])
    table = early_warning.daily(measured(few, orders), window=WINDOW, min_cell=3)
    assert table[["pv", "buy", "users", "buyers", "conversion"]].isna().all(axis=None)
    assert table.orders.notna().all() and table.sales.notna().all()


# History --------------------------------------------------------------------------------------------------------------


def shop(*, noise: float = 0.06, level: float = 1000.0) -> alarm_drill.Shop:
    return alarm_drill.Shop(np.log([level]), np.array([-0.03, -0.03, -0.02, -0.02, -0.02, 0.05, 0.07]), noise)


def series(*, days: int = 182, faults: dict | None = None, seed: int = 20, start: str = "2017-06-19", **kind):
    return alarm_drill.simulate(shop(**kind), days=days, faults=faults, seed=seed, start=start)


def alarm_places(table: pd.DataFrame) -> list[int]:
    return np.flatnonzero(table.state == "alarm").tolist()


def judge(days: pd.DataFrame, **options) -> pd.DataFrame:
    return early_warning.history(days, metric="value", **options)


def test_planted_days_are_found_with_their_size():
    table = judge(series(faults={50: -0.6, 51: -0.6, 120: 1.0}))
    assert alarm_places(table) == [50, 51, 120]
    assert np.allclose(table.difference_share[[50, 51, 120]], [-0.6, -0.6, 1.0], atol=0.25)
    found = early_warning.alerts(table)
    assert found.robust_sd.abs().is_monotonic_decreasing and np.allclose(
        found.observed - found.expected, found.difference
    )


def test_the_pieces_make_the_expected_value_and_alarms_lie_outside_the_band():
    for scale, join in (("multiplicative", np.multiply), ("additive", np.add)):
        table = judge(series(faults={50: -0.6, 120: 1.0}), scale=scale)
        assert np.allclose(join(table.trend, table.weekday), table.expected)
        outside = ~table.observed.between(table.low, table.high)
        assert (outside == (table.state == "alarm")).all()


def test_the_weekday_pattern_is_learned():
    table = judge(series(noise=0.001, days=364))
    by_day = np.log(table.weekday).groupby(table.day.dt.day_of_week).mean()
    assert np.allclose(by_day, shop().weekday - shop().weekday.mean(), atol=0.002)


def test_another_unit_gives_the_same_alarms_and_shares():
    days = series(faults={50: -0.6, 120: 1.0})
    first, second = judge(days), judge(days.assign(value=days["value"] / 7))
    assert alarm_places(first) == alarm_places(second) and np.allclose(first.robust_sd, second.robust_sd)
    assert np.allclose(first.difference_share, second.difference_share)


def test_double_11_is_an_alarm_without_the_calendar_and_none_with_it():
    places = {143: 0.2, 144: 0.5, 145: 2.0, 146: 0.3}
    days = series(faults=places)
    known = known_days(HALF_YEAR)
    assert 145 in alarm_places(judge(days)) and not alarm_places(judge(days, known=known))
    effects = early_warning.known_effects(judge(days, known=known)).set_index("event")
    assert effects.difference_share["double-11"] == pytest.approx(0.75, abs=0.15)
    assert effects.days.to_dict() == {"618": 2, "National Day": 7, "double-11": 4, "double-12": 2}


def test_holidays_on_weekdays_do_not_disturb_the_weekday_pattern():
    # Sundays are three times other days, and so are the seven days of the holiday
    rest = alarm_drill.Shop(np.log([100.0]), np.array([0, 0, 0, 0, 0, 0, np.log(3)]), 0.05)
    days = alarm_drill.simulate(rest, days=182, seed=2, start="2017-06-19")
    holiday = days.day.between("2017-10-01", "2017-10-07")
    days["value"] = days["value"].where(~holiday | (days.day.dt.day_of_week == 6), 3 * days["value"])
    with_calendar = judge(days, known=known_days(HALF_YEAR))
    assert len(alarm_places(judge(days))) >= 5 and not alarm_places(with_calendar)
    assert with_calendar.expected[holiday & (days.day.dt.day_of_week != 6)].between(90, 112).all()


def test_missing_days_are_neither_judged_nor_learned_from():
    days = series(faults={50: -0.6})
    days.loc[[10, 11, 12, 90], "value"] = np.nan
    table = judge(days)
    assert alarm_places(table) == [50] and (table.state[[10, 11, 12, 90]] == "missing").all()
    assert table.expected.notna().all() and table.difference[90:91].isna().all()


def test_a_day_of_zero_is_far_below_all_others():
    for scale in early_warning.SCALES:
        days = series(faults={60: -0.999})
        days.loc[60, "value"] = 0.0
        assert alarm_places(judge(days, scale=scale)) == [60]


def test_small_changes_are_no_alarm_however_calm_the_shop():
    days = series(noise=0.001, faults={60: 0.03, 90: 0.2})
    assert alarm_places(judge(days)) == [90] and 60 in alarm_places(judge(days, least_change=0.01))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([5.0] * 60, "same on every day"),
        ([0.0] * 60, "same on every day"),
        ([np.nan] * 60, "no such figures"),
        ([1.0], "it takes 28 days"),
        (list(range(27)), "it takes 28 days"),
    ],
)
def test_what_cannot_be_judged_says_why(values, reason):
    days = pd.DataFrame({"day": pd.date_range("2017-06-19", periods=len(values), unit="us"), "value": values})
    table, live = judge(days), early_warning.live(days, metric="value")
    assert table.empty and reason in table.attrs["reason"] and live.empty
    for made in (early_warning.alerts(table), early_warning.known_effects(table), early_warning.shifts(live)):
        assert made.empty and made.attrs["reason"]
    assert alarm_drill.drill(alarm_drill.calibrate(table)).attrs["reason"] and early_warning.sums(live).empty


def test_a_flat_series_with_one_spike():
    days = pd.DataFrame({"day": pd.date_range("2017-06-19", periods=60, unit="us"), "value": [7.0] * 59 + [70.0]})
    assert alarm_places(judge(days)) == [59] and early_warning.live(days, metric="value").empty


def test_many_zeros_give_finite_tables():
    rng = np.random.default_rng(5)
    days = pd.DataFrame({"day": pd.date_range("2017-06-19", periods=90, unit="us"), "value": rng.poisson(0.3, 90)})
    for scale in early_warning.SCALES:
        for table in (judge(days, scale=scale), early_warning.live(days, metric="value", scale=scale)):
            assert not np.isinf(table.select_dtypes("number").to_numpy(dtype=float)).any()


# Live -----------------------------------------------------------------------------------------------------------------


def watch(days: pd.DataFrame, **options) -> pd.DataFrame:
    return early_warning.live(days, metric="value", **options)


def test_live_knows_nothing_of_the_future():
    days = series(faults=dict.fromkeys(range(100, 140), 0.3))
    whole = watch(days)
    for end in (70, 110, 150):
        pd.testing.assert_frame_equal(watch(days.head(end)), whole.head(end))


def test_a_lasting_shift_is_found_with_its_beginning_and_size():
    table = early_warning.shifts(watch(series(noise=0.05, faults=dict.fromkeys(range(100, 130), -0.15), seed=3)))
    first = table.iloc[0]
    assert first.direction == "down" and abs((first.began - pd.Timestamp("2017-09-27")).days) <= 3
    assert first.day - first.began <= pd.Timedelta(days=7) and first.shift_share == pytest.approx(-0.15, abs=0.05)


def test_a_single_bad_day_needs_the_limit_for_one_day():
    days = series(faults={100: -0.3})
    assert 100 in alarm_places(watch(days)) and 100 not in alarm_places(watch(days, jump=float("inf")))


def test_the_first_z_agree_with_plain_numbers():
    days = series(seed=5, days=70)
    y, weekday = np.log(days["value"]), days.day.dt.day_of_week
    rough = y[:56] - y[:56].groupby(weekday[:56]).transform("median")
    kept = rough[rough.abs() <= 3 * 1.4826 * (rough - rough.median()).abs().median()].index
    means = y[kept].groupby(weekday[kept]).mean()
    sd = np.sqrt(((y[kept] - weekday[kept].map(means)) ** 2).sum() / (len(kept) - 7))
    assert np.allclose(watch(days).z[56:60], ((y - weekday.map(means)) / sd)[56:60])


def test_the_base_is_learned_anew_after_an_alarm():
    days = series(noise=0.05, faults=dict.fromkeys(range(80, 182), 1.0), seed=6)
    found = alarm_places(watch(days))
    assert found[0] == 80 and found[-1] < 150


def test_known_and_missing_days_do_not_add_to_the_sums():
    days, known = series(faults={145: 2.0}), known_days(HALF_YEAR)
    days.loc[100, "value"] = np.nan
    table = watch(days, known=known)
    assert not alarm_places(table) and table.z[[100, 145]].isna().all()
    assert table.upper[100] == table.upper[99] and (table.state[145], table.state[100]) == ("known day", "missing")


# Which part moved it --------------------------------------------------------------------------------------------------


@cache
def long_log() -> pd.DataFrame:
    """Sixty days; on day 40 a rush on category 3 by people who came by mail."""
    rng = np.random.default_rng(7)
    n = 12_000
    log = {"user_id": rng.integers(1, 400, n), "category_id": rng.integers(1, 9, n)}
    log["timestamp"] = rng.permutation(n) % 60
    rush = {"user_id": rng.integers(1, 400, 150), "category_id": 3, "timestamp": 40}
    table = pd.concat([pd.DataFrame(log), pd.DataFrame(rush)], ignore_index=True)
    table["behavior"] = rng.choice(COUNTS, len(table), p=[0.8, 0.05, 0.05, 0.1])
    return complete(table.assign(item_id=table.category_id, timestamp=START + table.timestamp * DAY))


@cache
def case() -> tuple:
    rng = np.random.default_rng(8)
    ads = {"user_id": np.arange(1, 400), "channel": rng.choice(["mail", "ads"], 399), "timestamp": START + 40 * DAY}
    measures = moved_parts.add_channel(measured(long_log()), as_table(complete(pd.DataFrame(ads))))
    window = (pd.Timestamp("2017-11-25"), pd.Timestamp("2018-01-23"))
    return measures, early_warning.daily(measures, window=window), pd.Timestamp("2018-01-04")


@pytest.mark.parametrize("metric", ["pv", "buy", "users", "buyers", "conversion"])
@pytest.mark.parametrize("by", ["category_id", "channel"])
@pytest.mark.parametrize("min_cell", [1, 25])
def test_parts_add_up_to_the_deviation(metric, by, min_cell):
    measures, days, day = case()
    judged = early_warning.history(days, metric=metric)
    table = moved_parts.contributions(measures, judged, day=day, metric=metric, by=by, min_cell=min_cell, top=3)
    parts, whole = table.iloc[:-1], table.iloc[-1]
    sums = ["observed", "expected", "difference", "usual_share", "deviation_share"]
    assert np.allclose(parts[sums].sum(), whole[sums].astype(float))
    assert np.allclose(table.observed - table.expected, table.difference)
    row = judged.set_index("day").loc[day]
    assert (whole.observed, whole.expected) == (row.observed, row.expected)


def test_parts_agree_with_pandas():
    measures, days, day = case()
    judged = early_warning.history(days)
    views = long_log()[long_log().behavior == "pv"]
    near = judged.day[(judged.state == "usual") & ((judged.day - day).abs() <= pd.Timedelta(days=28))]
    usual = views[views.day.isin(near)].category_id.value_counts(normalize=True)
    today = views[views.day == day].category_id.value_counts()
    table = moved_parts.contributions(measures, judged, day=day, top=8).iloc[:-2].set_index("part")
    expected = judged.set_index("day").expected[day] * usual
    assert np.allclose(table.observed, today[table.index]) and np.allclose(table.expected, expected[table.index])


def test_the_part_of_the_rush_is_named_and_a_common_rise_has_none():
    measures, days, day = case()
    judged = early_warning.history(days)
    alert = early_warning.alerts(judged).head(1)
    named = moved_parts.explain(alert, measures, judged, labels=lambda ids: "no. " + ids.astype(str))
    assert named.day.tolist() == [day] and named.category.tolist() == ["no. 3"] and named.category_part_share[0] > 0.7
    usual = moved_parts.contributions(measures, judged, day=day - pd.Timedelta(days=1))
    assert moved_parts.main_part(usual.assign(deviation_share=usual.usual_share)) == ("no single part", None)


def test_small_parts_are_never_shown_nor_left_alone():
    parts = pd.DataFrame({"part": [1, 2, 3], "observed": [9.0, 30.0, 50.0], "people": [3, 20, 40],
                          "expected": [5.0] * 3, "usual_share": [0.2, 0.3, 0.5]})  # fmt: skip
    whole = pd.Series({"observed": 89.0, "expected": 15.0, "difference": 74.0})
    found = moved_parts._close(parts, whole, 5, 10, None)
    assert found.part.tolist() == [3, "rest", "all"] and found.observed.tolist() == [50, 39, 89]


def test_nothing_to_explain_says_why():
    measures, days, day = case()
    judged = early_warning.history(days)
    plain = replace(measures, by_user=measures.by_user.drop("channel"))
    for table in (
        moved_parts.contributions(measures, judged, day=None),
        moved_parts.contributions(plain, judged, day=day, by="channel"),
        moved_parts.contributions(measures, missing(["day"], "too short"), day=day),
        moved_parts.explain(missing(["day"], "no alarm"), measures, judged),
    ):
        assert table.empty and table.attrs["reason"]


def test_one_user_on_one_day():
    log = complete(pd.DataFrame({"user_id": [1], "item_id": 1, "category_id": 1, "behavior": "pv", "timestamp": START}))
    days = early_warning.daily(measured(log), window=WINDOW)
    judged = {m: early_warning.history(days, metric=m) for m in early_warning.METRICS}
    assert all(t.empty and t.attrs["reason"] for t in judged.values())
    assert early_warning.tally(pd.DataFrame({"day": ["2017-11-25"], "kind": ["x"]}), judged).attrs["reason"]


# The drill and the truth ----------------------------------------------------------------------------------------------


def test_the_drill_finds_large_faults_and_few_false_ones():
    table = alarm_drill.drill(shop(), sizes=[0, -0.2, -0.6], months=30, seed=1).set_index("size_share")
    assert table.found_rate[-0.6] == 1 and table.found_rate[0] < 0.1
    assert table.found_rate[0] <= table.found_rate[-0.2] <= table.found_rate[-0.6]
    assert table.other_alarms_a_month[0] < 0.5 and table.months.eq(30).all()


def test_live_finds_the_bad_week_that_history_takes_for_the_level():
    week = {m: alarm_drill.drill(shop(), sizes=[-0.3], mode=m, lasting_days=7, months=30) for m in alarm_drill.MODES}
    assert week["live"].found_rate[0] > 0.8 > 0.3 > week["history"].found_rate[0]


def test_a_larger_fault_is_found_at_least_as_often():
    rates = alarm_drill.drill(shop(), sizes=[-0.1, -0.3, -0.5, -0.7], months=18, seed=3).found_rate
    assert rates.is_monotonic_increasing


def test_the_shop_is_calibrated_to_its_own_truth():
    truth = shop(noise=0.12)
    found = [alarm_drill.calibrate(judge(alarm_drill.simulate(truth, days=182, seed=s))) for s in range(12)]
    assert np.mean([f.noise_sd for f in found]) == pytest.approx(0.12, rel=0.08)
    weekday = np.mean([f.weekday for f in found], axis=0)
    assert np.allclose(weekday, truth.weekday - truth.weekday.mean(), atol=0.02)


def test_carried_noise_has_its_size_and_its_memory():
    kept = alarm_drill.Shop(np.zeros(1), np.zeros(7), 0.2, carry=0.6)
    y = np.log(alarm_drill.simulate(kept, days=20_000, seed=1)["value"])
    assert y.std() == pytest.approx(0.2, rel=0.05) and y.autocorr() == pytest.approx(0.6, abs=0.03)


def test_hits_misses_and_other_alarms_are_counted():
    days = pd.date_range("2017-06-19", periods=5, unit="us")
    judged = pd.DataFrame({"day": days, "state": ["alarm", "usual", "alarm", "known day", "missing"]})
    truth = pd.DataFrame({"day": days[[0, 1, 3]].strftime("%Y-%m-%d"), "kind": ["a", "b", "c"]})
    planted = early_warning.planted(truth, {"pv": judged, "sales": missing(["day"], "none")})
    assert planted.pv.tolist() == ["found", "missed", "known day"] and planted.sales.isna().all()
    row = early_warning.tally(truth, {"pv": judged}).iloc[0]
    assert row[["planted", "found", "missed", "other_alarms", "judged_days"]].tolist() == [2, 1, 1, 1, 3]


# Known days and refusals ----------------------------------------------------------------------------------------------


def test_the_calendar_knows_its_days():
    table = known_days((pd.Timestamp("2016-12-01"), pd.Timestamp("2018-03-01"))).set_index("day").event
    assert table["2017-11-11"] == "double-11" and table["2017-01-28"] == "Spring Festival"
    assert table["2017-01-01"] == table["2017-12-31"] == "New Year" and table["2018-02-16"] == "Spring Festival"
    assert table.index.is_monotonic_increasing and table.index.is_unique


def test_own_days_come_first_and_the_calendar_can_be_left_out():
    table = known_days(HALF_YEAR, own="2017-11-11, 2017-08-30..2017-08-31, 2030-01-01")
    assert table.set_index("day").event["2017-11-11"] == "own" and (table.event == "own").sum() == 3
    assert known_days(HALF_YEAR, calendar="none").empty


@pytest.mark.parametrize("own", ["11-11", "2017-02-30", "2017-11-12..2017-11-11", "yesterday"])
def test_impossible_days_are_refused(own):
    with pytest.raises(CalendarError, match="own"):
        known_days(HALF_YEAR, own=own)


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: early_warning.history(series(), metric="visits"), "metric"),
        (lambda: judge(series(), scale="log"), "scale"),
        (lambda: judge(series(), trend_days=3), "trend_days"),
        (lambda: judge(series(), least_change=-1), "least_change"),
        (lambda: watch(series(), base_days=7), "base_days"),
        (lambda: watch(series(), jump=0), "jump"),
        (lambda: alarm_drill.drill(shop(), sizes=[-1.0]), "sizes"),
        (lambda: alarm_drill.drill(shop(), lasting_days=20), "lasting_days"),
        (lambda: alarm_drill.drill(shop(), months=0), "months"),
        (lambda: moved_parts.add_channel(measured(crowd(1)), as_table(touches(1)), lookback_days=-1), "lookback_days"),
    ],
)
def test_impossible_arguments_are_refused(call, word):
    with pytest.raises(BehaviourError, match=word):
        call()
