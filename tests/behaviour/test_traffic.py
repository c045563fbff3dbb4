"""Traffic against hand arithmetic, the published figures, an independent pandas count, and changes of the log."""

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_logs import START, WINDOW, complete, crowd, crowds, doubled, head, relabelled, shuffled

from helpers import charts
from helpers.behaviour import traffic, traffic_change, traffic_truth
from helpers.behaviour.sessions import BehaviourError
from helpers.engine import as_table, hold

PUBLISHED = {"pv": 89_660_671, "cart": 5_530_446, "fav": 2_888_258, "buy": 2_015_807, "users": 987_991}
NINE_DAYS = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03"))


def passes(log: pd.DataFrame):
    events = hold(as_table(log))
    return traffic.visits(events), traffic.catalogue(events)


@pytest.fixture(scope="module")
def real(shared_data):
    return passes(head(shared_data("UserBehavior_head.csv")))


# The real head file: reference values, section 1 ---------------------------------------------------------------------


def test_head_totals(real):
    value = traffic.overview(*real).set_index("indicator")["value"]
    assert value[["actions", "UV", "items", "categories", "PV"]].tolist() == [84_440, 815, 55_344, 2_913, 75_837]
    assert value["PV per UV"] == 75_837 / 815


def test_head_behaviours_and_their_users(real):
    table = traffic.by_behavior(real[0]).set_index("behavior")
    order = ["pv", "cart", "fav", "buy", "cart or fav"]
    assert table.actions[order[:4]].tolist() == [75_837, 4_497, 2_356, 1_750]
    assert table.users[order].tolist() == [813, 601, 305, 559, 695]
    assert round(table.per_user["buy"], 4) == 3.1306


def test_head_buyers(real):
    table = traffic.buyers(real[0])
    assert table.users[:4].tolist() == [559, 558, 499, 373]


def test_head_days(real):
    table = traffic.by_day(real[0], window=NINE_DAYS)
    assert table.pv.tolist() == [7884, 7890, 7452, 7961, 7869, 7731, 8497, 10397, 10156]
    assert table.users.tolist() == [576, 603, 592, 603, 596, 599, 607, 799, 801]
    assert table.buy.tolist() == [143, 187, 220, 199, 185, 204, 191, 193, 228]


def test_head_busiest_hours(real):
    table = traffic.busiest_hours(traffic.by_hour(real[0]))
    assert table.to_numpy().tolist() == [[21, 6792], [22, 6028], [20, 5954]]


# The whole file: reference values, section 2, from its published totals ---------------------------------------------


def test_published_ratios():
    value = traffic.ratios(PUBLISHED).set_index("ratio")["value"]
    assert round(value["PV per UV"], 2) == 90.75
    assert [f"{v:.2%}" for v in value[1:]] == ["2.25%", "9.39%", "23.94%"]


def test_published_repeat_rates():
    table = traffic.buyer_rates({"buyers": 672_404, "two rows": 443_858, "two days": 370_274})
    assert [f"{v:.2%}" for v in table.of_buyers_rate[1:]] == ["66.01%", "55.07%"]


# An independent count ----------------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_days_agree_with_pandas(log):
    found = traffic.by_day(passes(log)[0], window=WINDOW).set_index("day")
    by_day = log.groupby("day")
    assert found.users.loc[list(by_day.groups)].tolist() == by_day.user_id.nunique().tolist()
    wide = pd.crosstab(log.day, log.behavior).reindex(columns=["pv", "fav", "cart", "buy"], fill_value=0)
    assert found.loc[wide.index, wide.columns].to_numpy().tolist() == wide.to_numpy().tolist()
    bought = log[log.behavior == "buy"].groupby("day").user_id.nunique()
    assert found.buyers.loc[bought.index].tolist() == bought.tolist()


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_hours_and_users_agree_with_pandas(log):
    visits = passes(log)[0]
    counts = log[log.behavior == "pv"].hour.value_counts().reindex(range(24), fill_value=0)
    assert traffic.by_hour(visits).pv.tolist() == counts.tolist()
    people = visits.users.execute().set_index("user_id").sort_index()
    assert people.days.to_dict() == log.groupby("user_id").day.nunique().to_dict()
    bought = log[log.behavior == "buy"].groupby("user_id").day.nunique()
    assert people.buy_days.to_dict() == bought.reindex(people.index, fill_value=0).to_dict()


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_bounces_agree_with_pandas(log):
    ordered = log.sort_values(["user_id", "timestamp"])
    visit = (ordered.groupby("user_id").timestamp.diff() > 1800).groupby(ordered.user_id).cumsum()
    kinds = ordered.groupby([ordered.user_id, visit]).behavior.agg(list)
    people = log.groupby("user_id").behavior.agg(list)
    expected = [sum(map(len, [[k for k in kinds if len(k) == 1]])), sum(k == ["pv"] for k in kinds)]
    expected += [sum(set(k) == {"pv"} for k in kinds), sum(len(k) == 1 for k in people)]
    expected += [(visit.groupby(ordered.user_id).max() == 0).sum(), sum(set(k) == {"pv"} for k in people)]
    assert traffic.bounce(passes(log)[0]).bounced.tolist() == expected


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_categories_agree_with_pandas(log):
    found = traffic.category_conversion(passes(log)[1], min_viewers=1).set_index("category_id")
    for category, part in log.groupby("category_id"):
        viewers = set(part.user_id[part.behavior == "pv"])
        assert found.viewers[category] == len(viewers)
        assert found.buyers[category] == len(viewers & set(part.user_id[part.behavior == "buy"]))


def test_an_item_in_two_categories_by_hand():
    log = {"user_id": [1, 1, 2], "item_id": 5, "category_id": [1, 2, 2], "behavior": ["pv", "buy", "pv"]}
    found = traffic.catalogue(as_table(pd.DataFrame(log)))
    assert found.items.execute()[["item_id", "actions", "users"]].to_numpy().tolist() == [[5, 3, 2]]
    assert found.categories.order_by("category_id").users.execute().tolist() == [1, 2]


@settings(max_examples=20, deadline=None)
@given(crowds())
def test_an_item_in_several_categories_counts_each_user_once(log):
    log = log.assign(item_id=log.user_id % 3 + log.timestamp % 2)
    items = passes(log)[1].items.execute().set_index("item_id").sort_index()
    assert items.users.to_dict() == log.groupby("item_id").user_id.nunique().to_dict()
    assert items.actions.to_dict() == log.groupby("item_id").size().to_dict()


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_tail_and_quadrants_agree_with_pandas(log):
    items = passes(log.assign(item_id=log.item_id * log.user_id % 37))[1]
    each = pd.crosstab(log.item_id * log.user_id % 37, log.behavior)
    tail = traffic.tail(items)
    assert dict(zip(tail["count"], tail.units, strict=True)) == each.pv.value_counts().to_dict()
    many = [each.pv >= each.pv.mean(), each.buy >= each.buy.mean()]
    expected = [(many[0] & many[1]).sum(), (many[0] & ~many[1]).sum(), (~many[0] & many[1]).sum()]
    assert traffic.quadrants(items).units[:3].tolist() == expected


def test_the_dots_are_the_bought_units_of_their_quadrants():
    items = passes(crowd(5).assign(item_id=lambda t: t.item_id * t.user_id % 37))[1]
    dots = traffic.quadrant_points(items, unit="item").quadrant.value_counts()
    table = traffic.quadrants(items)
    assert dots["stars"] == table.units[0] and dots["quiet sellers"] <= table.units[2]


# Changes of the log that must not change what it says ---------------------------------------------------------------


@pytest.mark.parametrize("change", [shuffled, relabelled])
def test_order_and_names_of_rows_do_not_matter(change):
    log = crowd(8)
    before, after = passes(log), passes(change(log))
    pd.testing.assert_frame_equal(traffic.overview(*before), traffic.overview(*after))
    pd.testing.assert_frame_equal(traffic.bounce(before[0]), traffic.bounce(after[0]))
    pd.testing.assert_frame_equal(traffic.quadrants(before[1]), traffic.quadrants(after[1]))


def test_twice_the_users_are_twice_the_counts_and_the_same_rates():
    log = crowd(9)
    once, twice = passes(log), passes(doubled(log))
    columns = ["pv", "fav", "cart", "buy", "actions", "users", "buyers", "visits"]
    a, b = (traffic.by_day(x[0], window=WINDOW) for x in (once, twice))
    assert (2 * a[columns]).equals(b[columns]) and a.pv_per_user.equals(b.pv_per_user)
    assert traffic.bounce(once[0]).bounce_rate.equals(traffic.bounce(twice[0]).bounce_rate)


# Hand arithmetic ----------------------------------------------------------------------------------------------------


def test_a_weekday_that_comes_twice_is_a_mean_not_a_sum():
    log = complete(pd.DataFrame({"user_id": 1, "item_id": 1, "category_id": 1, "behavior": "pv",
                                 "timestamp": [START, START + 1, START + 7 * 86_400]}))  # fmt: skip
    grid = traffic.week_grid(passes(log)[0], window=NINE_DAYS)
    assert grid.loc["Sat", 0] == 1.5 and grid.loc["Mon", 0] == 0


def test_concentration_by_hand():
    counts = pd.DataFrame({"count": [6, 2, 0], "units": [1, 2, 2]})
    assert traffic.top_share(counts, share=0.2) == 0.6
    assert traffic.top_share(counts, share=0.4) == pytest.approx(0.8)
    assert traffic.top_share(pd.DataFrame({"count": [3], "units": [9]}), share=0.2) == pytest.approx(0.2)


def test_a_thinned_curve_keeps_its_ends_and_stays_on_the_curve():
    counts = pd.DataFrame({"count": range(3_000, 0, -1), "units": 1})
    whole, thin = traffic.pareto(counts, points=10**6), traffic.pareto(counts, points=50)
    assert len(thin) < 110 and thin.iloc[[0, -1]].to_numpy().tolist() == [[0, 0], [1, 1]]
    assert np.isin(thin.actions_share, whole.actions_share).all()


def test_decomposition_by_hand():
    table = pd.DataFrame({"segment": ["a", "b"], "first_users": [10, 10], "second_users": [30, 10],
                          "first_value": [20, 40], "second_value": [60, 40]})  # fmt: skip
    total = traffic_change.decompose(table).drop(columns="segment").sum()
    # twice the user-days at unchanged intensity; the mix moves from 1/2 to 3/4 a: 20 · 3 → 40 · 2.5
    assert total["intensity"] == 0 and total["change"] == 40
    assert total["volume"] == pytest.approx(20 * (3 + 2.5) / 2)
    assert total["mix"] == pytest.approx((2.5 - 3) * 30)


counts = st.integers(0, 50)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=6))
def test_every_decomposition_adds_up(rows):
    table = pd.DataFrame(rows, columns=["first_users", "second_users", "first_value", "second_value"])
    table["first_value"] *= table.first_users > 0
    table["second_value"] *= table.second_users > 0
    parts = traffic_change.decompose(table.assign(segment=range(len(table))))
    by_row = parts[["volume", "mix", "intensity"]].sum(axis=1).astype(float)
    assert np.allclose(by_row, parts.change.astype(float), atol=1e-9)
    assert parts.empty == (table.first_users.sum() == 0 or table.second_users.sum() == 0)


def test_the_waterfall_goes_from_one_total_to_the_other():
    hours, _ = passes(crowd(4))
    table = traffic_change.period_segments(hours, traffic_change.two_periods(WINDOW))
    steps = traffic_change.waterfall_steps(table, traffic_change.decompose(table), names=("before", "after"))
    assert steps["value"][:4].sum() == pytest.approx(steps["value"].iloc[-1])
    drawn = charts.waterfall(steps, label="step", value="value", total="total", title="", x_label="", y_label="views")
    assert f"before {steps['value'][0]:,.0f}" in drawn.alt and f"after {steps['value'].iloc[-1]:,.0f}" in drawn.alt


def test_a_new_segment_is_mix_and_volume_not_intensity():
    table = pd.DataFrame({"segment": ["old", "new"], "first_users": [10, 0], "second_users": [10, 5],
                          "first_value": [30, 0], "second_value": [30, 25]})  # fmt: skip
    assert traffic_change.decompose(table).intensity.tolist() == [0, 0]


def test_a_value_without_users_is_refused():
    table = pd.DataFrame({"segment": [1], "first_users": [0], "second_users": [1], "first_value": [3],
                          "second_value": [1]})  # fmt: skip
    with pytest.raises(BehaviourError, match="a value but no users"):
        traffic_change.decompose(table)


@pytest.mark.parametrize("by", traffic_change.SEGMENTS)
def test_segments_hold_all_views_of_their_periods(by):
    hours, _ = passes(crowd(4))
    periods = traffic_change.two_periods(WINDOW)
    table = traffic_change.period_segments(hours, periods, by=by)
    days = traffic.by_day(hours, window=WINDOW).set_index("day").loc[[periods.start[0], periods.start[1]]]
    assert table[["first_value", "second_value"]].sum().tolist() == days.pv.tolist()
    assert table[["first_users", "second_users"]].sum().tolist() == days.users.tolist()


@pytest.mark.parametrize(("days", "wished", "length", "shift"), [(182, 28, 28, 28), (182, 3, 3, 7), (9, 28, 2, 7),
                                                                 (4, 28, 2, 2), (2, 1, 1, 1)])  # fmt: skip
def test_two_periods_fit_into_the_window(days, wished, length, shift):
    first = pd.Timestamp("2017-06-19")
    table = traffic_change.two_periods((first, first + pd.Timedelta(days=days - 1)), days=wished)
    assert ((table.end - table.start).dt.days + 1).tolist() == [length, length]
    assert (table.start[1] - table.start[0]).days == shift and table.start[0] >= first


# Truth ---------------------------------------------------------------------------------------------------------------


def usual_log(rng, weeks: int, kept: float) -> pd.DataFrame:
    """Poisson views of one weekday in so many weeks; in the middle week only a part of the morning's is kept."""
    days = np.repeat(np.arange(weeks) * 7, 24)
    hour = np.tile(np.arange(24), weeks)
    mean = np.where((days == weeks // 2 * 7) & (hour < 12), 60 * kept, 60)
    day = pd.Timestamp("2017-09-05") + pd.to_timedelta(days, unit="D")
    return pd.DataFrame({"day": day, "hour": hour, "pv": rng.poisson(mean)})


def planned(hours: pd.DataFrame) -> traffic.Visits:
    return traffic.Visits(as_table(hours), as_table(hours))


def test_the_outage_interval_covers_as_often_as_it_says():
    rng, covered = np.random.default_rng(5), []
    for _ in range(200):
        hours = planned(usual_log(rng, 9, 0.15))
        covered.append(traffic_truth.against_other_weeks(hours, day="2017-10-03", to_hour=12).covers(0.15))
    assert 0.90 <= np.mean(covered) <= 0.99


def test_planted_faults_need_a_truth():
    hours = planned(usual_log(np.random.default_rng(1), 9, 0.5))
    assert traffic_truth.planted_faults(hours, {}).attrs["reason"].startswith("these are not simulated")


# Degenerate logs and scans ------------------------------------------------------------------------------------------


def test_one_view_is_enough_for_every_table():
    log = complete(pd.DataFrame({"user_id": [1], "item_id": 1, "category_id": 1, "behavior": "pv", "timestamp": START}))
    hours, items = passes(log)
    assert traffic.buyers(hours).of_buyers_rate.isna().all()
    assert traffic.ratios(traffic.totals(hours))["value"].isna().tolist() == [False, False, False, True]
    assert traffic.pareto(traffic.tail(items, value="buy")).empty
    assert traffic.quadrants(items).buy_share.isna().all()
    assert traffic.category_conversion(items).attrs["reason"] == "no category has 50 viewers"
    assert traffic_change.two_periods((WINDOW[0], WINDOW[0])).empty


def test_small_groups_are_hidden_in_every_table():
    hours, items = passes(crowd(2, users=8))
    assert traffic.by_behavior(hours, min_cell=9).users.isna().all()
    assert traffic.by_day(hours, window=WINDOW, min_cell=9).pv.isna().all()
    assert traffic.buyers(hours, min_cell=9).of_buyers_rate.isna().all()
    assert traffic.bounce(hours, min_cell=9).query("unit == 'user'").bounced.isna().all()
    assert traffic.category_conversion(items, min_viewers=1, min_cell=9).attrs["reason"] == "no category has 9 buyers"


def test_the_two_passes_are_the_only_scans_of_the_events():
    events = hold(as_table(crowd(2)))
    hours, items = traffic.visits(events), traffic.catalogue(events)
    events.get_backend().con.execute(f'DROP TABLE "{events.op().name}"')
    # the source is gone: whatever still computes reads the held results
    assert len(traffic.overview(hours, items)) == 11 and len(traffic.bounce(hours)) == 6
    assert not traffic_change.period_segments(hours, traffic_change.two_periods(WINDOW)).empty
    assert not traffic.tail(items).empty and not traffic.quadrants(items).empty


@pytest.fixture(params=[traffic.visits, traffic.catalogue])
def passed(request, monkeypatch):
    """What a pass computes first."""
    held = []
    monkeypatch.setattr(traffic, "hold", lambda table: held.append(table) or table)
    request.param(ibis.duckdb.connect().create_table("events", schema=as_table(crowd(2)).schema()))
    return held[0]


def test_a_pass_reads_the_events_once(passed):
    plan = ibis.get_backend(passed).con.execute("EXPLAIN " + str(ibis.to_sql(passed))).fetchall()[0][1]
    assert plan.count("Seq Scan") == 1


def test_the_passes_can_be_written_for_spark(passed):
    assert "SELECT" in ibis.to_sql(passed, dialect="pyspark")
