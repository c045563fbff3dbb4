"""Retention against hand arithmetic, published counts, brute force over users, known truths, and changes of the log."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_logs import complete, crowd, doubled, head, relabelled, shuffled
from scans import counted

from helpers.answerability import assess
from helpers.behaviour import retention, retention_truth
from helpers.behaviour.sessions import BehaviourError
from helpers.engine import as_table, hold
from helpers.findings import NotAnswerable
from helpers.notebook import open_study
from helpers.simulate import ShopSettings, behaviour
from helpers.simulate.block import make_world, simulate_block
from helpers.study import load_study

FIRST = pd.Timestamp("2017-06-28")
DAYS = 40  # to 6 August: July is the one whole month, with five whole weeks
LAST = FIRST + pd.Timedelta(days=DAYS - 1)
FIVE = [("A", 0), ("A", 1), ("A", 2), ("A", 3), ("B", 0), ("B", 3), ("C", 0), ("D", 1), ("D", 2), ("E", 1)]


def log_of(rows: list, behavior: str = "pv") -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["user_id", "day"]).assign(behavior=behavior)
    return log.assign(day=FIRST + pd.to_timedelta(log.day, unit="D"))


def days_of(log: pd.DataFrame, *, days: int = DAYS, **options) -> retention.UserDays:
    window = (FIRST, FIRST + pd.Timedelta(days=days - 1))
    return retention.user_days(hold(as_table(log)), window=window, **options)


def back(log: pd.DataFrame, *, who: str = "seen", days: int = DAYS, users=None, **events) -> retention.Returns:
    return retention.returns(days_of(log, days=days, users=users), who=who, **events)


def many(seed: int, users: int = 125) -> pd.DataFrame:
    """A random log of each user over the window: 1 to 12 actions on few days. A user is an example of its own."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(1, users + 1), rng.integers(1, 13, users))
    late = np.repeat(rng.integers(0, DAYS, users), np.bincount(user)[1:])
    day = np.minimum(late + rng.geometric(rng.choice([0.1, 0.5]), len(user)) - 1, DAYS - 1)
    kind = rng.choice(["pv", "pv", "fav", "cart", "buy"], len(user))
    log = pd.DataFrame({"user_id": user, "behavior": kind, "day": FIRST + pd.to_timedelta(day, unit="D")})
    return log.assign(item_id=1)


def manies() -> st.SearchStrategy[pd.DataFrame]:
    return st.integers(0, 2**32).map(many)


# Five users by hand ---------------------------------------------------------------------------------------------------


def five(**options) -> retention.Returns:
    return back(log_of(FIVE), days=4, **options)


def test_five_users_classic():
    table = retention.classic(five())
    assert table[["n", "users", "returned"]].to_numpy().tolist() == [[1, 5, 2], [2, 5, 1], [3, 3, 2]]
    assert np.allclose(table.retention_rate, [2 / 5, 1 / 5, 2 / 3])


def test_five_users_rolling():
    assert retention.rolling(five()).returned.tolist() == [3, 2, 2]


def test_five_users_rolling_with_two_days_each():
    table = retention.rolling(five(), follow_days=2)
    assert table[["n", "users", "returned"]].to_numpy().tolist() == [[1, 5, 2], [2, 3, 2]]


def test_five_users_ranges():
    table = retention.ranges(five(), brackets="0, 1-2, 2-3, 3-9")
    assert table[["users", "returned"]].to_numpy().tolist() == [[5, 5], [5, 2], [3, 2], [0, 0]]
    assert np.isnan(table.retention_rate.iloc[-1])


def test_five_users_by_return_event():
    log = pd.concat([log_of(FIVE), log_of([("C", 2)], "buy")])
    table = retention.by_return_event(days_of(log, days=4), who="seen", events=("pv", "buy"), brackets="1-2")
    assert table[["return_event", "users", "returned"]].to_numpy().tolist() == [["pv", 5, 2], ["buy", 5, 1]]


def test_five_users_triangle_by_day_with_blanks():
    wide = retention.wide(retention.triangle(five(), period="day"), from_k=0)
    expected = [[1, 1 / 3, 1 / 3, 2 / 3], [1, 1 / 2, 0, np.nan]]
    assert np.allclose(wide.to_numpy(float), expected, equal_nan=True)
    assert list(wide.index) == ["2017-06-28 (3)", "2017-06-29 (2)"]


def test_another_return_event():
    log = log_of([("A", 0), ("A", 2), ("B", 0)]).assign(behavior=["pv", "buy", "pv"])
    assert retention.classic(back(log, days=4, return_event="buy")).returned.tolist() == [0, 1, 0]
    assert retention.classic(back(log, days=4, start_event="buy")).users.tolist() == [1]
    assert retention.classic(back(log, days=4, start_event="fav")).attrs["reason"] == "nobody started"


def test_wilson_in_every_row():
    row = retention.classic(back(log_of([(u, d) for u in range(263) for d in ([0, 1] if u < 81 else [0])]))).iloc[0]
    assert (round(row.retention_rate_ci_low, 4), round(row.retention_rate_ci_high, 4)) == (0.2553, 0.3662)


# Published counts of the whole UserBehavior file ----------------------------------------------------------------------

FIRST_SEEN = [706_641, 158_188, 63_825, 31_331, 17_931, 9_801, 255, 18, 1]
DAILY = [706_641, 715_516, 710_094, 709_257, 718_922, 730_597, 740_139, 970_401, 966_977]


def published() -> pd.Series:
    daily = pd.DataFrame({"day": range(9), "users": DAILY, "first_seen": FIRST_SEEN})
    return retention.seen_again(daily).again_rate


def test_published_first_seen_users_are_all_users():
    assert sum(FIRST_SEEN) == 987_991


def test_published_day_1_of_the_cohort_of_25_november():
    assert f"{published().iloc[0]:.2%}" == "78.87%"


def test_published_day_7_is_a_matter_of_the_date_not_of_the_age():
    # 98.55 % of the cohort of 25 November are here on 2 December, but so are 98.2 % of *all* users seen before: those
    # of the other cohorts alone come at (970,401 − 18 − 0.9855 · 706,641) / (987,972 − 706,641), about the same
    assert f"{published().iloc[6]:.1%}" == "98.2%" and published().iloc[:6].max() < 0.79
    others = (DAILY[7] - FIRST_SEEN[7] - 0.9855 * FIRST_SEEN[0]) / (sum(FIRST_SEEN[:7]) - FIRST_SEEN[0])
    assert 0.97 < others < 0.98


# Brute force over users -----------------------------------------------------------------------------------------------


def traces(log: pd.DataFrame, start: str = "any", back: str = "any") -> list[tuple[int, set]]:
    """For each user who starts: the first day, and the ages of all later days with a return."""
    begun, came = {}, {}
    for user, kind, day in zip(log.user_id, log.behavior, (log.day - FIRST).dt.days, strict=True):
        if start in ("any", kind):
            begun[user] = min(day, begun.get(user, DAYS))
        if back in ("any", kind):
            came.setdefault(user, set()).add(day)
    return [(first, {d - first for d in came.get(user, ()) if d >= first}) for user, first in begun.items()]


PAIRS = [("any", "any"), ("pv", "buy"), ("buy", "buy"), ("cart", "any")]


def check_curve(table: pd.DataFrame, users: list, hit) -> None:
    """Compare with a count over users: `hit(start, ages, n)` says None (not observable), False or True."""
    got = {row.n: (row.users, row.returned) for row in table.itertuples()}
    for n in range(1, DAYS):
        known = [h for h in (hit(start, ages, n) for start, ages in users) if h is not None]
        assert got.get(n, (0, 0)) == (len(known), sum(known))


@pytest.mark.parametrize(("start", "event"), PAIRS)
@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_curves_agree_with_pandas(start, event, log):
    found, users = back(log, start_event=start, return_event=event), traces(log, start, event)
    here = [lambda s, ages, n: None if s + n >= DAYS else n in ages]
    here += [lambda s, ages, n: None if s + n >= DAYS else any(a >= n for a in ages)]
    here += [lambda s, ages, n: None if s + n + 6 >= DAYS else any(n <= a <= n + 6 for a in ages)]
    tables = [retention.classic(found, days=DAYS), retention.rolling(found, days=DAYS)]
    tables += [retention.rolling(found, days=DAYS, follow_days=7)]
    for table, hit in zip(tables, here, strict=True):
        check_curve(table, users, hit)


@pytest.mark.parametrize(("start", "event"), PAIRS)
@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_ranges_agree_with_pandas(start, event, log):
    table = retention.ranges(back(log, start_event=start, return_event=event), brackets="0, 1-7, 5-20, 30-39")
    people = traces(log, start, event)
    for row in table.itertuples():
        users = [ages for s, ages in people if s + row.last < DAYS]
        hits = [any(row.first <= a <= row.last for a in ages) for ages in users]
        assert (row.users, row.returned) == (len(hits), sum(hits))


@pytest.mark.parametrize(("period", "freq"), [("day", "D"), ("week", "W-SUN"), ("month", "M")])
@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_triangles_agree_with_pandas(period, freq, log):
    table = retention.triangle(back(log), period=period)
    spans = list(pd.period_range(FIRST, LAST, freq=freq))
    whole = [p.start_time >= FIRST and p.end_time.normalize() <= LAST for p in spans]
    each = log.assign(p=log.day.dt.to_period(freq).map(spans.index))
    here = {p: set(rows.user_id) for p, rows in each.groupby("p")}
    own = {p: set(rows.index) for p, rows in each.groupby("user_id").p.min().to_frame().groupby("p")}
    for row in table.itertuples():
        c = spans.index(row.cohort.to_period(freq))
        known = whole[c] and whole[c + row.k]
        assert row.state == (retention.OBSERVED if known else retention.UNOBSERVABLE)
        came = own[c] & here.get(c + row.k, set())
        assert not known or (row.users, row.returned) == (len(own[c]), len(came))
        assert known or np.isnan(row.retention_rate)


@settings(max_examples=5, deadline=None)
@given(log=manies())
def test_users_seen_again_agree_with_pandas(log):
    table = retention.seen_again(retention.by_day(days_of(log)))
    first = log.groupby("user_id").day.min()
    for row in table.itertuples():
        before = set(first.index[first < row.day])
        assert (row.known, row.again) == (len(before), len(before & set(log.user_id[log.day == row.day])))


@settings(max_examples=5, deadline=None)
@given(log=manies(), seed=st.integers(0, 99))
def test_new_users_agree_with_pandas(log, seed):
    rng = np.random.default_rng(seed)
    joined = FIRST + pd.to_timedelta(rng.integers(-30, 30, 125), unit="D")
    users = pd.DataFrame({"user_id": range(1, 126), "joined_on": joined.where(rng.random(125) < 0.7)})
    people = days_of(log, users=as_table(users), lead_in_days=20).people.execute().set_index("user_id")
    first = (log.groupby("user_id").day.min() - FIRST).dt.days
    day = users.set_index("user_id").joined_on.reindex(first.index)
    expected = (day >= FIRST).where(day.notna(), first >= 20)
    assert people.new.sort_index().tolist() == expected.astype(int).tolist()


# Changes of the log ---------------------------------------------------------------------------------------------------


def everything(log: pd.DataFrame) -> list[pd.DataFrame]:
    found = back(log, start_event="pv")
    tables = [retention.curves(found, days=30), retention.ranges(found), retention.triangle(found, period="week")]
    return [*tables, retention.seen_again(retention.by_day(days_of(log)))]


@pytest.mark.parametrize("change", [shuffled, relabelled, lambda log: pd.concat([log, log])])
def test_order_names_and_repeats_of_rows_do_not_matter(change):
    for before, after in zip(everything(many(1)), everything(change(many(1))), strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_twice_the_users_are_twice_the_counts_and_the_same_rates():
    for once, twice in zip(everything(many(2)), everything(doubled(many(2))), strict=True):
        counts = [c for c in once if c in ("users", "returned", "known", "again")]
        rate = "again_rate" if "again_rate" in once else "retention_rate"
        assert (2 * once[counts].fillna(0)).equals(twice[counts].fillna(0))
        assert np.allclose(once[rate], twice[rate], equal_nan=True)


def test_classic_is_never_above_the_others():
    table = retention.curves(back(many(3)), days=39, follow_days=7).pivot(index="n", columns="kind", values="returned")
    assert (table["classic"] <= table["rolling"]).all()


def test_days_after_the_window_change_nothing_that_was_observed():
    cut = many(4)[lambda t: t.day < FIRST + pd.Timedelta(days=20)]
    short, full = back(cut, days=20), back(many(4))
    early = full.cohorts.merge(short.cohorts, on=["start", "users"])
    assert len(early) == len(short.cohorts)
    cells = [retention.triangle(r, period="day").set_index(["cohort", "k"]).returned for r in (short, full)]
    assert (cells[0] == cells[1].reindex(cells[0].index)).all()


# Who is new, small groups, degenerate logs, refusals ------------------------------------------------------------------


def test_old_users_seen_late_are_not_new():
    long_ago = pd.Timestamp("2016-01-01")
    users = as_table(pd.DataFrame({"user_id": ["A", "B", "D"], "joined_on": [FIRST, long_ago, long_ago]}))
    found = days_of(log_of([("A", 30), ("B", 30), ("C", 30), ("D", 30)]), users=users)
    row = retention.late_arrivals(found).iloc[0]
    assert (row.users, row.late, row.joined) == (4, 3, 1)
    assert found.people.order_by("user_id").execute().new.tolist() == [1, 0, 1, 0]


def test_without_a_day_of_registration_a_short_log_has_no_new_users():
    found = back(many(5), who="new")
    for table in (retention.classic(found), retention.ranges(found), retention.triangle(found)):
        assert table.empty and "first seen is not new" in table.attrs["reason"]
    assert "day of registration" in retention.late_arrivals(days_of(many(5))).attrs["reason"]


def test_small_cohorts_are_blank_with_a_second_one_and_say_so():
    rows = [(u, 5) for u in range(20)] + [(u, 12) for u in range(15)]
    rows += [(u, 12) for u in range(50, 54)] + [(u, 19) for u in range(60, 72)]
    table = retention.triangle(back(log_of(rows)), period="week", min_cell=10).query("k == 1")
    assert table.state.tolist() == ["observed", "hidden", "hidden"]
    assert table.users.fillna(0).tolist() == [20, 0, 0] and table.returned.fillna(0).tolist() == [15, 0, 0]


def test_few_returned_users_are_not_shown():
    log = log_of([(u, 0) for u in range(20)] + [(u, 3) for u in range(10)] + [(u, 4) for u in range(9)])
    table = retention.classic(back(log), days=4, min_cell=10)
    assert table.returned.tolist() == [None, None, 10, None] and table.users.tolist() == [20] * 4


def test_few_users_who_could_be_observed_are_not_shown():
    early, late = [(u, d) for u in range(9) for d in (0, 20)], [(u, DAYS - 5) for u in range(10, 40)]
    found = days_of(log_of([*early, *late]))
    for table in (
        retention.by_return_event(found, who="seen", events=("any",), brackets="1-2, 15-28", min_cell=10),
        retention.classic(back(log_of([*early, *late])), min_cell=10).iloc[[0, -1]],
    ):
        assert table.users.tolist() == [39, None] and table.returned.tolist() == [None, None]
        assert table.retention_rate.isna().all()


@pytest.mark.parametrize("rows", [[("A", 0)], [("A", DAYS - 1)], [("A", 0), ("A", 1)], [("A", 5), ("B", 5)]])
@pytest.mark.parametrize("min_cell", [1, 10])
def test_one_action_is_enough_for_every_table(rows, min_cell):
    found = back(log_of(rows))
    for table in (retention.curves(found, min_cell=min_cell), retention.ranges(found, min_cell=min_cell)):
        assert np.isfinite(table.select_dtypes("number").fillna(0)).all().all()
    triangle = retention.triangle(found, min_cell=min_cell)
    for table in (retention.wide(triangle), retention.at_age(triangle)):
        assert len(table) or table.attrs["reason"]


def test_an_empty_log_gives_reasons():
    found = back(log_of([("A", 0)]).head(0))
    for table in (retention.curves(found), retention.ranges(found), retention.triangle(found)):
        assert table.empty and table.attrs["reason"] == "nobody started"


@pytest.mark.parametrize("text", ["", "7-1", "a", "1-2-3", "1--2", "1.5"])
def test_impossible_brackets_are_refused(text):
    with pytest.raises(BehaviourError, match="brackets"):
        retention.parse_brackets(text)


@pytest.mark.parametrize("option", [{"who": "old"}, {"start_event": "click"}, {"return_event": ""}])
def test_impossible_options_are_refused(option):
    with pytest.raises(BehaviourError, match="is not known"):
        back(log_of(FIVE), **option)


# Ends of the rules, order of rows, what is not there ------------------------------------------------------------------


def test_days_outside_the_window_are_not_looked_at():
    log = log_of([("A", -1), ("A", 0), ("A", 3), ("A", 4), ("B", -1), ("C", 4)])
    found = days_of(log, days=4)
    assert found.table.order_by("day").execute()[["user_id", "day", "pv"]].to_numpy().tolist() == [
        ["A", 0, 1],
        ["A", 3, 1],
    ]
    assert found.days == back(log, days=4).days == 4
    assert found.date(pd.Series([0, 3])).tolist() == [FIRST, FIRST + pd.Timedelta(days=3)]
    daily = retention.by_day(found)
    assert daily[["users", "first_seen"]].to_numpy().tolist() == [[1, 1], [0, 0], [0, 0], [1, 0]]
    assert daily.day.tolist() == [FIRST + pd.Timedelta(days=d) for d in range(4)]


def test_a_log_of_twice_the_lead_in_tells_who_is_new():
    long, short = (days_of(log_of([("A", 0), ("B", 20), ("C", 19)]), lead_in_days=n) for n in (20, 21))
    assert long.reason == "" and "the log spans 40 days" in short.reason and (long.lead_in, short.lead_in) == (20, 21)
    assert retention.returns(long).cohorts.to_numpy().tolist() == [[20, 1]]
    users = as_table(pd.DataFrame({"user_id": ["A", "B", "C"], "joined_on": FIRST}))
    known = days_of(log_of([("A", 0), ("B", 20), ("C", 19)]), users=users, lead_in_days=21)
    assert (known.reason, known.lead_in) == ("", 0)
    with pytest.raises(BehaviourError, match="lead_in_days 0"):
        days_of(log_of(FIVE), lead_in_days=0)


def test_whom_nobody_can_be_compared_with():
    empty = back(log_of(FIVE).head(0))
    assert empty.cohorts.empty and empty.gaps.empty and empty.reason == "nobody started"
    unknown = back(log_of(FIVE), who="new")
    assert unknown.cohorts.empty and unknown.gaps.empty and "first seen is not new" in unknown.reason
    late = back(log_of([("A", 30), ("A", 31)]), who="new")  # seen after the lead-in of a log that is too short
    assert late.cohorts.empty and late.gaps.empty and "first seen is not new" in late.reason
    joined = as_table(pd.DataFrame({"user_id": list("ABCDE"), "joined_on": pd.Timestamp("2016-01-01")}))
    assert back(log_of(FIVE), who="new", users=joined).reason == "no new user started"
    never = log_of([("A", 0), ("A", 2)]).assign(behavior=["buy", "pv"])
    assert back(never, start_event="fav", return_event="pv").gaps.empty
    assert retention.late_arrivals(days_of(log_of(FIVE).head(0), users=joined)).empty
    assert (
        retention.classic(back(log_of([("A", 3)]), days=4)).attrs["reason"]
        == "the log ends before anybody could return"
    )


def test_cohorts_and_gaps_by_hand_in_their_order():
    found = back(log_of([("B", 2), ("B", 3), *FIVE[::-1]]), days=4)
    assert found.cohorts.reset_index().to_numpy().tolist() == [[0, 0, 3], [1, 1, 2]]
    gaps = [[0, -1, 0, 3], [0, 0, 1, 1], [0, 0, 2, 1], [0, 1, 2, 1], [0, 2, 3, 2], [1, -1, 0, 2], [1, 0, 1, 1]]
    assert found.gaps.reset_index().to_numpy().tolist() == [[i, *row] for i, row in enumerate(gaps)]
    assert (found.gaps.dtypes == "int64").all() and (found.cohorts.dtypes == "int64").all()


def test_seen_late_from_the_lead_in_on():
    users = as_table(
        pd.DataFrame({"user_id": ["A", "B", "C"], "joined_on": [FIRST, FIRST, pd.Timestamp("2016-01-01")]})
    )
    found = days_of(log_of([("A", 27), ("B", 28), ("C", 29), ("D", 30)]), users=users)
    rows = [retention.late_arrivals(found, lead_in_days=n).iloc[0, :4].tolist() for n in (27, 28, 29)]
    assert rows == [[4, 3, 2, pytest.approx(2 / 3)], [4, 2, 1, 0.5], [4, 1, 0, 0]]


@pytest.mark.parametrize("wrong", [{"days": 0}, {"follow_days": 0}, {"follow_days": -1}])
def test_no_days_are_refused(wrong):
    with pytest.raises(BehaviourError, match=f"{next(iter(wrong))} .* is not above zero"):
        retention.rolling(five(), **wrong)
    assert retention.rolling(five(), follow_days=1).equals(retention.classic(five()))
    assert len(retention.classic(five(), days=1)) == 1 and len(retention.classic(five(), days=2)) == 2


def test_all_three_kinds_one_under_the_other():
    table = retention.curves(five(), days=3, follow_days=2)
    assert table[["kind", "n"]].to_numpy().tolist() == [
        *[[kind, n] for kind in ("classic", "rolling") for n in (1, 2, 3)],
        ["within 2 days", 1],
        ["within 2 days", 2],
    ]
    long = retention.curves(five(), follow_days=9)
    assert set(long.kind) == {"classic", "rolling"}  # nobody is seen for nine days
    none = retention.curves(back(log_of(FIVE).head(0)))
    assert none.empty and list(none)[-1] == "kind" and none.attrs["reason"] == "nobody started"


def test_cells_of_min_cell_returned_users_are_shown():
    rows = [(u, d) for u in range(6) for d in ((0, 1) if u < 3 else (0,))] + [(u, 2) for u in range(2)]
    table = retention.triangle(back(log_of(rows), days=3), period="day", min_cell=3).query("cohort == @FIRST")
    assert table.state.tolist() == ["observed", "observed", "hidden"] and table.users.tolist() == [6, 6, 6]
    assert table.returned.fillna(-1).tolist() == [6, 3, -1]
    small = retention.triangle(back(log_of(rows), days=3), period="day", min_cell=7)
    assert small.users.isna().all() and set(small.state) == {"hidden"}


def test_a_picture_of_the_last_cohorts_and_as_many_columns():
    rows = [(10 * d + u, d + k) for d in range(6) for u in range(3) for k in range(6 - d)]
    table = retention.triangle(back(log_of(rows), days=6), period="day")
    whole, last, few = (retention.wide(table, **o) for o in ({}, {"from_k": 0, "rows": 2}, {"from_k": 2, "rows": 2}))
    assert list(whole.columns) == [1, 2, 3, 4, 5] and len(whole) == 5
    assert list(last.columns) == [0, 1] and list(last.index) == ["2017-07-02 (3)", "2017-07-03 (3)"]
    assert list(few.columns) == [2, 3] and list(few.index) == ["2017-06-30 (3)", "2017-07-01 (3)"]
    early = retention.triangle(back(log_of([(u, d) for u in range(2) for d in range(u, 6)]), days=6), period="day")
    assert list(retention.wide(early, rows=2).columns) == [1, 2] and len(retention.wide(early, rows=2)) == 2
    assert retention.wide(table, value="returned", from_k=5).to_numpy().tolist() == [[3]]
    assert retention.at_age(table, k=2, rows=3).name.tolist() == [f"2017-{d} (3)" for d in ("06-29", "06-30", "07-01")]
    assert "no cohort of enough users" in retention.at_age(table, k=6).attrs["reason"]
    assert "no cohort of enough users" in retention.wide(table, from_k=6).attrs["reason"]


def test_weeks_and_days_of_the_calendar():
    weeks = retention.calendar((FIRST, FIRST + pd.Timedelta(days=10)), "week")  # a Wednesday to a Saturday
    assert weeks[["first", "last", "whole"]].to_numpy().tolist() == [[-2, 4, False], [5, 11, False]]
    exact = retention.calendar((FIRST - pd.Timedelta(days=2), FIRST + pd.Timedelta(days=4)), "week")
    assert exact[["first", "last", "whole"]].to_numpy().tolist() == [[0, 6, True]]
    assert retention.period_of([-3, -2, 4, 5, 12], weeks).tolist() == [-1, 0, 0, 1, 1]


def test_ranges_cover_their_ends():
    cover = retention.cover(pd.Series([0, 2, 3]), pd.Series([2, 2, 1]), pd.Series([1, 10, 100]), 4)
    assert cover.tolist() == [1, 1, 11, 0]


def test_seen_again_of_few_and_of_one_day():
    daily = pd.DataFrame({"day": [1, 2, 3], "users": [20, 12, 9], "first_seen": [20, 2, 0]})
    table = retention.seen_again(daily, min_cell=10)
    assert table.known.tolist() == [20, 22] and table.again.tolist() == [10, None]
    assert table.again_rate.fillna(-1).tolist() == [0.5, -1] and table.day.tolist() == [2, 3]
    assert list(table) == ["day", "known", "again", "again_rate", "again_rate_ci_low", "again_rate_ci_high"]
    assert table.index.tolist() == [0, 1]
    assert retention.seen_again(daily.head(1)).attrs["reason"] == "the log has one day only"


def test_one_cell_for_a_finding():
    table = pd.DataFrame({"r": [0.5, None], "r_ci_low": [0.4, None], "r_ci_high": [0.6, None]})
    assert [retention.estimate(table, "r", row=k).value for k in (-3, -2, -1, 0, 1, 2)] == [
        *(None, 0.5, None, 0.5, None, None),
    ]
    assert retention.estimate(table, "r", row=2, reason="too late").reason == "too late"


# Truth ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def simulated():
    log, window = retention_truth.simulated_log(users=20_000)
    return retention.returns(retention.user_days(log, window=window), who="seen")


def test_the_formula_of_the_truth_agrees_with_the_geometric_series():
    stay = 0.7 * 0.98
    assert np.isclose(retention_truth.simulated_truth(7, follow_days=28), 0.98**7 * 0.3 * (1 - stay**28) / (1 - stay))


def test_classic_and_equal_time_find_the_truth(simulated):
    for days, table in ((1, retention.classic(simulated)), (7, retention.rolling(simulated, follow_days=7))):
        truth = retention_truth.simulated_truth(table.n, follow_days=days)
        assert (table.retention_rate - truth).abs().max() < 0.02
        assert truth.between(table.retention_rate_ci_low, table.retention_rate_ci_high).mean() >= 0.9


def test_rolling_is_not_the_share_that_stays_and_worst_near_the_end(simulated):
    table = retention.rolling(simulated, days=59)
    missed = retention_truth.simulated_truth(table.n, follow_days=None) - table.retention_rate
    assert missed.iloc[6] > 0.05 and missed.iloc[49] > missed.iloc[6] and (missed > -0.01).all()
    assert missed.iloc[55] / retention_truth.simulated_truth(56, follow_days=None) > 0.4


def test_the_intervals_of_the_cells_keep_their_promise(simulated):
    cells = retention.triangle(simulated, period="day").query("k > 0 and state == 'observed'")
    truth = retention_truth.simulated_truth(cells.k)
    covered = truth.between(cells.retention_rate_ci_low, cells.retention_rate_ci_high).mean()
    assert len(cells) == 1770 and 0.93 < covered < 0.97


def test_alive_by_hand():
    # A leaves on day 2, B never, C on its first day; the window has four days
    log = log_of([("A", 0), ("B", 1), ("C", 0)])
    truth = pd.DataFrame({"user_id": ["A", "B", "C"], "left_at": [2 * 86_400 + 5, np.nan, 60]})
    table = retention_truth.alive(days_of(log, days=4), truth, start_epoch=0, who="seen")
    assert table[["n", "users", "alive"]].to_numpy().tolist() == [[1, 3, 2], [2, 3, 2], [3, 2, 0]]


def test_without_a_truth_there_is_a_reason():
    nothing = retention_truth.alive(days_of(log_of(FIVE)), pd.DataFrame(), start_epoch=0)
    table = retention_truth.against_truth(retention.curves(five()), nothing)
    assert table.empty and "no left_at" in retention_truth.long(table).attrs["reason"]


# Logs selected on activity --------------------------------------------------------------------------------------------


def test_the_real_head_is_refused_with_the_figures_of_the_test(shared_data, study_file):
    with pytest.raises(NotAnswerable, match=r"100.0% of the 766 users .* last 2 days, at other times at most 89.6%"):
        open_study(study_file(events=shared_data("UserBehavior_head.csv")), "22_retention")


def test_the_real_head_day_7_is_an_artefact(shared_data):
    log = head(shared_data("UserBehavior_head.csv"))
    window = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03"))
    found = retention.user_days(hold(as_table(log)), window=window)
    cohort = retention.triangle(retention.returns(found, who="seen"), period="day").query("k == 7").iloc[0]
    daily = retention.seen_again(retention.by_day(found)).again_rate
    assert cohort.retention_rate > 0.95 and daily.iloc[6] > 0.95 and daily.iloc[1:6].max() < 0.8


def shop_facts(study_file, *, selected: bool):
    """What is found in the events of a small shop of 26 weeks."""
    settings_ = ShopSettings(users=1_500, dirt=False, campaigns=(), selected_on_activity=selected, seed=5)
    world = make_world(settings_)
    block = simulate_block(world, 0)
    table = behaviour.events_table(block.events, world.catalogue, 1 + np.arange(len(block.people)))
    kinds = np.array(["pv", "fav", "cart", "buy"])[table["behavior"]]
    if selected:
        last = table["timestamp"] >= table["timestamp"].max() - 2 * 86_400
        keep = np.isin(table["user_id"], table["user_id"][last])
        table, kinds = {k: v[keep] for k, v in table.items()}, kinds[keep]
    log = complete(pd.DataFrame(table | {"behavior": kinds}))
    study = load_study(study_file(events=log.head(1), window=("2017-06-19", "2017-12-17")))
    users = pd.DataFrame({"user_id": [1], "joined_on": [FIRST]})
    return assess(study, {"events": hold(as_table(log)), "users": as_table(users)})


def test_a_demo_shop_selected_on_activity_is_refused_with_the_figures(study_file):
    refusal = shop_facts(study_file, selected=True).refusal("22_retention")
    assert "selected on activity at its end" in refusal and "100.0% of the" in refusal
    assert shop_facts(study_file, selected=False).refusal("22_retention") == ""


# Scans and the other engine -------------------------------------------------------------------------------------------


def test_the_events_are_read_once():
    events = hold(as_table(crowd(2)))
    with counted(events) as scans:
        found = retention.user_days(events, window=(pd.Timestamp("2017-11-25"), pd.Timestamp("2017-11-27")))
        retention.by_return_event(found, who="seen")
        retention.seen_again(retention.by_day(found))
    assert [n for n, _ in scans] == [1]
