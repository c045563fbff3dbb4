"""Funnels against hand arithmetic, the published figures, brute force, and changes of the log."""

from itertools import pairwise, product

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from random_logs import START, complete, crowd, crowds, doubled, head, relabelled, shuffled

from helpers.behaviour import funnel, funnel_steps, funnel_truth
from helpers.behaviour.sessions import BehaviourError, add_visits
from helpers.engine import as_table, hold

END = START + 3 * 86_400 - 1
FIVE = [
    *[(1, "pv", 0), (1, "cart", 10), (1, "pv", 20), (1, "buy", 30)],
    *[(2, "cart", 0), (2, "pv", 10), (2, "buy", 20)],
    *[(3, "pv", 0), (3, "buy", 10)],
    *[(4, "pv", 0), (4, "cart", 200_000), (4, "buy", 200_100)],
    *[(5, "pv", 0), (5, "fav", 10), (5, "cart", 20), (5, "buy", 30)],
]


def log_of(rows: list) -> pd.DataFrame:
    return complete(pd.DataFrame(rows, columns=["user_id", "behavior", "timestamp"]).assign(item_id=1, category_id=1))


def depth(log: pd.DataFrame, unit: str = "user", **options) -> dict:
    found = funnel_steps.deepest_step(as_table(log), unit=unit, **options).execute()
    return found.set_index(funnel_steps.UNITS[unit]).step.sort_index().to_dict()


def journeys(log: pd.DataFrame, **options) -> funnel_steps.Journeys:
    return funnel_steps.journeys(hold(as_table(log)), **options)


# The five users of the methods page ----------------------------------------------------------------------------------


def test_five_users():
    assert list(depth(log_of(FIVE)).values()) == [3, 1, 1, 1, 3]


def test_five_users_in_strict_order():
    assert list(depth(log_of(FIVE), strict=True).values()) == [3, 1, 1, 1, 1]


def test_five_users_without_a_limit_of_time():
    assert depth(log_of(FIVE), window_hours=100)[4] == 3


@pytest.mark.parametrize(("seconds", "step"), [(86_400, 3), (86_401, 2)])
def test_the_window_holds_exactly_so_many_seconds(seconds, step):
    assert depth(log_of([(1, "pv", 0), (1, "cart", 5), (1, "buy", seconds)])) == {1: step}


def test_a_later_start_saves_a_chain():
    rows = [(1, "pv", 0), (1, "cart", 80_000), (1, "pv", 80_001), (1, "cart", 80_002), (1, "buy", 90_000)]
    assert depth(log_of(rows)) == {1: 3}


def test_equal_seconds_count_as_in_order_unless_told_otherwise():
    rows = [(1, "buy", 7), (1, "cart", 7), (1, "pv", 7)]
    assert depth(log_of(rows)) == {1: 3}
    assert depth(log_of(rows), same_second=False) == {1: 1}


@pytest.mark.parametrize("between", ["fav", "buy"])
def test_strict_order_bears_repeats_but_nothing_else(between):
    repeats = [(1, "pv", 0), (1, "pv", 1), (1, "cart", 2), (1, "pv", 3), (1, "buy", 4)]
    assert depth(log_of(repeats), strict=True) == {1: 3}
    assert depth(log_of([(1, "pv", 0), (1, between, 1), (1, "cart", 2), (1, "buy", 4)]), strict=True) == {1: 1}


# Brute force ---------------------------------------------------------------------------------------------------------


def clocks(log: pd.DataFrame, unit: str) -> dict:
    """Unit → its actions, (second, behaviour), in plain lists."""
    found: dict = {}
    for row in with_visits(log, unit).to_dict("records"):
        key = tuple(row[k] for k in funnel_steps.UNITS[unit])
        found.setdefault(key if len(key) > 1 else key[0], []).append((row["timestamp"], row["behavior"]))
    return found


def brute(actions: list, steps: tuple, window: int, same_second: bool) -> int:
    """The deepest chain, by trying every choice of one action a step."""
    for k in range(len(steps), 0, -1):
        for chain in product(*([t for t, b in actions if b in step] for step in steps[:k])):
            ordered = all(a <= b if same_second else a < b for a, b in pairwise(chain))
            if ordered and chain[-1] - chain[0] <= window:
                return k
    return 0


def brute_strict(actions: list, steps: tuple, window: int) -> int:
    """The deepest unbroken chain, by walking on from every possible start and end of each step."""
    number = {b: k for k, step in enumerate(steps) for b in step}
    rows = sorted((t, number.get(b, 99)) for t, b in actions)

    def reach(i: int, start: int) -> int:
        best = rows[i][1] + 1
        for j in range(i + 1, len(rows)):
            if rows[j][1] == rows[i][1] + 1 and rows[j][0] - start <= window:
                best = max(best, reach(j, start))
            if rows[j][1] > rows[i][1]:
                break
        return best

    return max((reach(i, t) for i, (t, k) in enumerate(rows) if k == 0), default=0)


CASES = [
    ("user", "pv > cart > buy", 1.0), ("user", "pv > cart+fav > buy", 24.0), ("visit", "pv > buy", 0.5),
    ("user-item", "pv > fav > cart > buy", 30.0),
]  # fmt: skip


def with_visits(log: pd.DataFrame, unit: str) -> pd.DataFrame:
    return add_visits(as_table(log)).execute() if unit == "visit" else log


@pytest.mark.parametrize(("unit", "steps", "hours"), CASES)
@pytest.mark.parametrize("same_second", [True, False])
@settings(max_examples=5, deadline=None)
@given(log=crowds())
def test_depth_agrees_with_brute_force(log, unit, steps, hours, same_second):
    parsed = funnel_steps.parse_steps(steps)
    window = int(hours * 3600)
    expected = {key: brute(actions, parsed, window, same_second) for key, actions in clocks(log, unit).items()}
    assert depth(log, unit, steps=steps, window_hours=hours, same_second=same_second) == expected


@pytest.mark.parametrize(("unit", "steps", "hours"), CASES)
@settings(max_examples=5, deadline=None)
@given(log=crowds())
def test_strict_depth_agrees_with_brute_force(log, unit, steps, hours):
    parsed = funnel_steps.parse_steps(steps)
    window = int(hours * 3600)
    expected = {key: brute_strict(actions, parsed, window) for key, actions in clocks(log, unit).items()}
    assert depth(log, unit, steps=steps, window_hours=hours, strict=True) == expected


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_the_one_pass_agrees_with_the_single_funnels(log):
    found = journeys(log, steps="pv > cart > buy", window_hours=1)
    for unit in funnel_steps.UNITS:
        steps = pd.Series(depth(log, unit, window_hours=1))
        table = funnel.funnel(found, unit=unit)
        assert table.units.tolist() == [(steps >= k).sum() for k in (1, 2, 3)]
        assert (table["base"] == len(steps)).all()


def kinds(log: pd.DataFrame, unit: str) -> pd.Series:
    return with_visits(log, unit).groupby(funnel_steps.UNITS[unit]).behavior.agg(set)


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_set_and_open_funnels_agree_with_pandas(log):
    found = journeys(log)
    for unit in funnel_steps.UNITS:
        sets = kinds(log, unit)
        did = [sets.map(lambda s, w=w: bool(s & w)) for w in ({"pv"}, {"cart", "fav"}, {"buy"})]
        view, wish, buy = did
        closed = [view.sum(), (view & wish).sum(), (view & wish & buy).sum()]
        assert funnel.funnel(found, unit=unit, rule="set").units.tolist() == closed
        assert funnel.funnel(found, unit=unit, rule="open").units.tolist() == [d.sum() for d in did]


@settings(max_examples=5, deadline=None)
@given(crowds())
def test_routes_agree_with_pandas(log):
    expected = dict.fromkeys(funnel.ROUTES, 0)
    for actions in clocks(log, "user-item").values():
        first = min([t for t, b in actions if b == "buy"], default=END)
        early = {b for t, b in actions if t <= first}
        place = 3 - 2 * ("cart" in early) - ("fav" in early)
        expected[funnel.ROUTES[place]] += 1
    assert funnel.routes(journeys(log)).set_index("route").user_items.to_dict() == expected


@pytest.mark.parametrize("steps", ["pv > cart+fav > buy", "cart > pv > buy"])
@settings(max_examples=5, deadline=None)
@given(log=crowds())
def test_unseen_purchases_agree_with_pandas(steps, log):
    views = log[log.behavior == "pv"].groupby(["user_id", "item_id"]).timestamp.min()
    bought = log[log.behavior == "buy"].join(views.rename("seen"), on=["user_id", "item_id"])
    late = ~(bought.seen <= bought.timestamp)
    table = funnel.unseen(journeys(log, steps=steps))
    assert table.loc[0, ["without_view", "of"]].tolist() == [late.sum(), len(bought)]
    daily = log.groupby(["user_id", "item_id", "day"]).behavior.agg(set)
    daily = daily[daily.map(lambda s: "buy" in s)]
    assert table.loc[2, ["without_view", "of"]].tolist() == [daily.map(lambda s: "pv" not in s).sum(), len(daily)]


def waits(log: pd.DataFrame, unit: str) -> list:
    """Seconds and outcome of each unit with a view, by walking along its clock."""
    found = []
    for actions in clocks(log, unit).values():
        start = min([t for t, b in actions if b == "pv"], default=None)
        if start is not None:
            buys = [t for t, b in actions if b == "buy" and t >= start]
            found.append((min(buys, default=END) - start, bool(buys)))
    return sorted(found)


@pytest.mark.parametrize("unit", ["user", "user-item"])
@settings(max_examples=5, deadline=None)
@given(log=crowds())
def test_waiting_times_agree_with_pandas(unit, log):
    assert spread(funnel.durations(journeys(log), end=END, unit=unit)) == waits(log, unit)


def spread(table):
    """Waiting times in seconds, one a unit, with True where it ended in a purchase."""
    seconds = (table["time"] * 3600).round().astype(int)
    found = [(s, True) for s, n in zip(seconds, table.events, strict=True) for _ in range(n)]
    found += [(s, False) for s, n in zip(seconds, table.censored, strict=True) for _ in range(n)]
    return sorted(found)


@settings(max_examples=5, deadline=None)
@given(log=crowds())
def test_nobody_is_followed_longer_than_asked(log):
    whole = waits(log, "user-item")
    cut = sorted((s, bought) if s <= 9_000 else (9_001, False) for s, bought in whole)
    assert spread(funnel.durations(journeys(log), end=END, unit="user-item", longest=2.5)) == cut


# The real head file --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared_data):
    return journeys(head(shared_data("UserBehavior_head.csv")))


def test_head_one_log_four_rates(real):
    table = funnel.definitions(real).set_index(["unit", "rule"]).rate
    assert f"{table['event', 'last step / first step']:.1%}" == "2.3%"
    assert f"{table['user-item', 'first and last, any order']:.1%}" == "1.9%"
    assert f"{table['visit', 'last step / all (open)']:.1%}" == "9.5%"
    assert f"{table['user', 'first and last, any order']:.1%}" == "68.6%"
    assert f"{table['user', 'last step / all (open)']:.1%}" == "68.6%"


def test_head_users_at_each_step(real):
    assert funnel.funnel(real, rule="open").units.tolist() == [813, 695, 559]


def test_published_funnels_of_the_whole_file():
    last = [funnel.step_rates(counts).of_first_rate.iloc[-1]
            for counts in ([984_105, 855_498, 600_278], [984_105, 850_377, 530_839])]  # fmt: skip
    assert [f"{rate:.2%}" for rate in last] == ["61.00%", "53.94%"]


def test_published_share_of_purchases_without_a_view_that_day():
    assert f"{1 - 1_053_586 / 1_966_120:.1%}" == "46.4%"


# Changes of the log --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [shuffled, relabelled])
def test_order_and_names_of_rows_do_not_matter(change):
    before, after = journeys(crowd(6)), journeys(change(crowd(6)))
    pd.testing.assert_frame_equal(funnel.definitions(before), funnel.definitions(after))
    pd.testing.assert_frame_equal(funnel.routes(before), funnel.routes(after))
    pd.testing.assert_frame_equal(funnel.unseen(before), funnel.unseen(after))


def test_twice_the_users_are_twice_the_counts_and_the_same_rates():
    once, twice = (funnel.definitions(journeys(x)) for x in (crowd(7), doubled(crowd(7))))
    assert (2 * once[["base", "converted"]]).equals(twice[["base", "converted"]])
    assert np.allclose(once.rate, twice.rate)
    curves = [funnel.time_to_convert(journeys(x), end=END, hours=[1, 20]) for x in (crowd(7), doubled(crowd(7)))]
    assert np.allclose(curves[0].bought_share, curves[1].bought_share)


def test_a_longer_window_never_loses_anyone():
    log = crowd(12)
    counts = [funnel.funnel(journeys(log, window_hours=h)).units.to_numpy() for h in (0.1, 1, 24, 72)]
    assert all((a <= b).all() for a, b in pairwise(counts))


def test_rules_are_nested():
    found = journeys(crowd(13))
    for unit in funnel_steps.UNITS:
        ordered, closed, opened = (funnel.funnel(found, unit=unit, rule=r).units for r in ("ordered", "set", "open"))
        assert (ordered <= closed).all() and (closed <= opened).all()


@pytest.mark.parametrize(("unit", "by"), [(u, by) for u, all_ in funnel.SEGMENTS.items() for by in all_])
def test_segments_add_up_to_the_whole(unit, by):
    found = journeys(crowd(14))
    parts, whole = (funnel.funnel(found, unit=unit, by=b) for b in (by, None))
    assert parts.groupby("step").units.sum().tolist() == whole.units.tolist()


# Intervals, comparison, truth ----------------------------------------------------------------------------------------


def test_the_interval_by_users_is_wilsons_where_each_user_is_one_unit():
    table = funnel.definitions(journeys(crowd(15))).set_index("unit").loc["user"]
    assert np.allclose(table.rate_ci_low, table.user_rate_ci_low, atol=0.005)


def test_the_interval_by_users_widens_when_units_repeat_each_other():
    # each user has ten items, bought all or none: ten units that say one thing
    rows = [(u, b, 10 * i) for u in range(40) for i in range(10) for b in (["pv", "buy"] if u % 4 == 0 else ["pv"])]
    log = log_of(rows).assign(item_id=lambda t: t.timestamp)
    row = funnel.definitions(journeys(log)).query("unit == 'user-item' and rule == 'first and last, any order'").iloc[0]
    widths = row.user_rate_ci_high - row.user_rate_ci_low, row.rate_ci_high - row.rate_ci_low
    assert row.rate == 0.25 and 2.5 < widths[0] / widths[1] < 3.6


def test_segments_by_hand():
    found = journeys(log_of(FIVE))  # 4, 3, 2, 3 and 4 actions: users 1 and 5 have more than the median
    parts = funnel.funnel(found, by="activity").groupby("segment").units.agg(list).to_dict()
    assert parts == {"light users": [3, 0, 0], "heavy users": [2, 2, 2]}
    rows = [(1, 7, "pv", 0), (2, 8, "pv", 0), (3, 8, "pv", 0), (3, 8, "cart", 9)]
    log = complete(pd.DataFrame(rows, columns=["user_id", "category_id", "behavior", "timestamp"]).assign(item_id=1))
    parts = funnel.funnel(journeys(log), unit="user-item", by="category").groupby("segment").units.agg(list).to_dict()
    assert parts == {8: [2, 1, 0], 7: [1, 0, 0]}


def test_segments_are_compared_with_newcombe():
    table = pd.DataFrame({"segment": list("aaabbb"), "units": [70, 60, 56, 80, 50, 48]})
    found = funnel.compare_segments(table, first="a", second="b")
    assert (round(found.ci_low, 4), round(found.ci_high, 4)) == (0.0524, 0.3339)
    assert funnel.compare_segments(table, first="a", second="c").reason == "there is no segment 'c'"


def test_the_censored_curve_finds_the_truth_and_the_plain_share_does_not():
    found = funnel_steps.journeys(hold(funnel_truth.simulated_log(users=20_000)))
    row = funnel.time_to_convert(found, end=9 * 86_400 - 1, hours=[96], level=0.999).iloc[0]
    assert row.bought_share_ci_low <= funnel_truth.simulated_truth(96) <= row.bought_share_ci_high
    assert row.bought_share_ci_high - row.bought_share_ci_low < 0.03
    assert funnel.funnel(found, rule="open").of_all_rate.iloc[-1] < 0.9 * funnel_truth.simulated_truth(10_000)


def test_the_intervals_of_the_curve_keep_their_promise():
    table = funnel_truth.curve_coverage([24, 96], runs=300, users=500)
    assert table.covered_rate.between(0.92, 0.98).all()
    assert np.allclose(table.mean_share, table.truth_share, atol=0.004)
    assert (table.plain_share < 0.95 * table.truth_share).all()


# Degenerate logs, refusals, scans, the other engine ------------------------------------------------------------------


@pytest.mark.parametrize("rows", [[(1, "pv", START)], [(1, "buy", START)], [(1, "cart", START), (1, "fav", START)]])
def test_one_action_is_enough_for_every_table(rows):
    found = journeys(log_of(rows))
    for table in (funnel.definitions(found), funnel.routes(found), funnel.unseen(found), funnel.funnel(found)):
        assert np.isfinite(table.select_dtypes("number").fillna(0)).all().all()
    curve = funnel.time_to_convert(found, end=END)
    assert curve.empty == (rows[0][1] != "pv")
    assert funnel.unseen_by_day(found).empty == (rows[0][1] != "buy")


def test_first_then_last_in_strict_order_bears_no_step_between():
    rows = [(1, "pv", 0), (1, "pv", 5), (1, "buy", 10), (2, "pv", 0), (2, "cart", 5), (2, "buy", 10)]
    log = log_of([*rows, (3, "pv", 0), (3, "buy", 90_000)])
    table = funnel.definitions(journeys(log, steps="pv > cart > buy", strict=True))
    table = table[(table.unit == "user") & (table.rule == "first then last, in 24 h")]
    assert table[["base", "converted"]].to_numpy().tolist() == [[3, 1]]
    steps = journeys(log, steps="pv > cart > buy", strict=True).visits.execute()
    assert steps.groupby("user_id").user_step_ends.max().to_dict() == {1: 1, 2: 0, 3: 0}


def test_a_funnel_that_begins_with_the_cart_still_asks_for_views():
    log = log_of([(1, "cart", 0), (1, "buy", 10), (2, "pv", 0), (2, "buy", 10)])
    bought = journeys(log, steps="cart > buy").bought.execute().set_index("user_id")
    assert bought.buy_unseen.to_dict() == {1: 1, 2: 0}


def test_routes_have_their_columns_and_no_others():
    table = funnel.routes(journeys(log_of(FIVE)))
    shares = [f"{c}{end}" for c in ("conversion_rate", "purchase_share") for end in ("", "_ci_low", "_ci_high")]
    assert table.columns.tolist() == ["route", "user_items", "bought", *shares]


def test_the_curve_is_read_at_sixty_even_steps_up_to_the_longest_wait():
    found = journeys(log_of([(1, "pv", START), (2, "pv", START), (2, "buy", START + 7200)]))
    curve = funnel.time_to_convert(found, end=START + 36_000)
    assert np.allclose(curve.hours, np.arange(61) / 6) and curve.bought_share.iloc[[0, 60]].tolist() == [0, 0.5]


def test_more_purchases_than_views_is_a_ratio_without_an_interval():
    row = funnel.definitions(journeys(log_of([(1, "pv", 0), (1, "buy", 1), (1, "buy", 2)]))).iloc[0]
    assert row.rate == 2 and np.isnan(row.rate_ci_low) and np.isnan(row.user_rate_ci_high)


def test_small_groups_are_hidden_in_every_table():
    table = funnel.funnel(journeys(log_of(FIVE)), min_cell=4)
    assert table.units.tolist() == [5, None, None] and table.of_first_rate.isna().tolist() == [False, True, True]
    assert funnel.drop_off(table).lost.isna().all()


@pytest.mark.parametrize("steps", ["pv", "pv > pv", "pv > click", "pv > cart+pv", ""])
def test_impossible_steps_are_refused(steps):
    with pytest.raises(BehaviourError, match="steps"):
        funnel_steps.parse_steps(steps)


@pytest.mark.parametrize("option", [{"unit": "basket"}, {"window_hours": 0}, {"session_minutes": -1, "unit": "visit"}])
def test_impossible_options_are_refused(option):
    with pytest.raises(BehaviourError, match=next(iter(option))):
        depth(log_of(FIVE), **option)


def test_journeys_alone_read_the_events():
    events = hold(as_table(crowd(2)))
    found = funnel_steps.journeys(events)
    events.get_backend().con.execute(f'DROP TABLE "{events.op().name}"')
    assert len(funnel.definitions(found)) == 16 and len(funnel.routes(found)) == 4
    assert not funnel.time_to_convert(found, end=END, by="activity").empty and len(funnel.unseen(found)) == 4


@pytest.fixture(params=[True, False], ids=["strict", "not strict"])
def passes(request, monkeypatch):
    """What is computed and held, one after the other, and a question about its plan."""
    held = []
    monkeypatch.setattr(funnel_steps, "hold", lambda table: held.append(table) or hold(table))
    events = ibis.duckdb.connect().create_table("events", as_table(crowd(2)))
    funnel_steps.journeys(events, strict=request.param)
    return held


def test_two_passes_read_the_events_once_each(passes):
    plans = [t.get_backend().con.execute("EXPLAIN " + str(ibis.to_sql(t))).fetchall()[0][1] for t in passes]
    # views by visit and by user-item; what is more than a look; the two put together, for visits and for user-items
    assert [plan.count("main.events") for plan in plans] == [1, 1, 0, 0]


def test_the_passes_can_be_written_for_spark(passes):
    queries = [ibis.to_sql(table, dialect="pyspark") for table in passes]
    assert "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW" in queries[1]
