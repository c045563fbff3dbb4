"""Retention: who comes back, how long after the start, and what the end of the log hides.

One pass over the events is enough: `user_days`. Each question about a start and a return event takes one small table
more, `returns`; all curves and triangles are read off it. The rates are shares of users, each user once, so that
Wilson's interval (wilson1927) holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.sessions import BehaviourError, check_choice, check_positive, count_behaviors, hide_small
from helpers.engine import hold
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate
from helpers.tables import BEHAVIORS

EVENTS = ("any", *BEHAVIORS)
WHO = ("new", "seen")
PERIODS = {"day": "D", "week": "W-SUN", "month": "M"}
CURVE = ["n", "users", "returned", *(f"retention_rate{end}" for end in ("", "_ci_low", "_ci_high"))]
RATE = CURVE[3:]
OBSERVED, UNOBSERVABLE, SMALL = "observed", "not observable", "hidden"


@dataclass(frozen=True)
class UserDays:
    """One row a user and active day, the users, and the window; days are counted from its first day, 0, 1, 2, …

    `table` holds `user_id, day, pv, fav, cart, buy`; `people` holds `user_id, first` (first day seen) and `new` (came
    to the shop within the window, as far as the data tell). `lead_in` is the first day on which new users can be told
    from old ones; `reason` says why nobody can, if so.
    """

    table: ir.Table
    people: ir.Table
    window: tuple[pd.Timestamp, pd.Timestamp]
    lead_in: int = 0
    reason: str = ""

    @property
    def days(self) -> int:
        """Number of days of the window."""
        return (self.window[1] - self.window[0]).days + 1

    def date(self, day: pd.Series) -> pd.Series:
        """The calendar days of day numbers."""
        return self.window[0] + pd.to_timedelta(day, unit="D")


def user_days(
    events: ir.Table,
    *,
    window: tuple[pd.Timestamp, pd.Timestamp],
    users: ir.Table | None = None,
    lead_in_days: int = 28,
) -> UserDays:
    """The one pass over the events: what each user did on each day, and who is new.

    A user is *new* when the users table says that he joined within the window. Without that day a user is taken for new
    when the log first sees him after `lead_in_days` days: a guess, since old users who stayed away so long look new.

    Parameters
    ----------
    events : ibis Table
        One row an action: at least `user_id`, `behavior`, `day`.
    window : (Timestamp, Timestamp)
        First and last day of the log, inclusive.
    users : ibis Table, optional
        One row a user: `user_id`, `joined_on` (may be missing).
    lead_in_days : int
        Days at the start of the log in which everybody is seen for the first time, above 0.

    Returns
    -------
    UserDays
        Computed once and held. Where some users have no `joined_on` and the log is shorter than twice the lead-in, new
        users cannot be told: `reason` says so.

    Examples
    --------
    >>> log = pd.DataFrame({"user_id": [1, 1, 2], "behavior": ["pv", "buy", "pv"],
    ...     "day": pd.to_datetime(["2017-07-01", "2017-07-01", "2017-07-03"])})
    >>> from helpers.engine import as_table
    >>> found = user_days(as_table(log), window=(pd.Timestamp("2017-07-01"), pd.Timestamp("2017-07-03")))
    >>> found.table.order_by("user_id").execute()
       user_id  day  pv  fav  cart  buy
    0        1    0   1    0     0    1
    1        2    2   1    0     0    0
    """
    check_positive("lead_in_days", lead_in_days)
    first, last = window
    dated = events.mutate(day=_number(events.day, first))
    dated = dated.filter(dated.day.between(0, (last - first).days))
    table = hold(dated.group_by(["user_id", "day"]).agg(**count_behaviors(dated)))
    people = _people(table, users, first, lead_in_days)
    if not int(people.guessed.sum().execute() or 0):
        return UserDays(table, people, window)
    days = (last - first).days + 1
    short = f"first seen is not new: the log spans {days} days, and not every user has a day of registration"
    return UserDays(table, people, window, lead_in_days, short if days < 2 * lead_in_days else "")


def _number(day: ir.Column, first: pd.Timestamp) -> ir.IntegerColumn:
    return day.cast("date").delta(ibis.literal(first.date()), unit="day").cast("int64")


def _people(table: ir.Table, users: ir.Table | None, first: pd.Timestamp, lead_in: int) -> ir.Table:
    """One row a user: first day seen, new (0 or 1), and guessed (1 where no day of registration is known)."""
    people = table.group_by("user_id").agg(first=table.day.min())
    guess = (people["first"] >= lead_in).cast("int64")
    if users is None or "joined_on" not in users.columns:
        return hold(people.mutate(new=guess, guessed=ibis.literal(1, "int64")))
    joined = users.select("user_id", joined=_number(users.joined_on, first))
    people = people.left_join(joined, "user_id").drop("user_id_right")
    unknown = people.joined.isnull()
    guess = (people["first"] >= lead_in).cast("int64")
    new = ibis.ifelse(unknown, guess, (people.joined >= 0).cast("int64"))
    return hold(people.select("user_id", "first", new=new, guessed=unknown.cast("int64")))


def did(table: ir.Table, event: str) -> ir.BooleanColumn:
    """Did the user do this on the day? 'any' is any of the four."""
    check_choice("event", event, EVENTS)
    return sum(table[b] for b in BEHAVIORS) > 0 if event == "any" else table[event] > 0


def late_arrivals(found: UserDays, *, lead_in_days: int = 28, level: float = 0.95) -> pd.DataFrame:
    """Is *first seen* new? Of the users whom the log first sees after a lead-in, the share that joined in the window.

    Parameters
    ----------
    found : UserDays
        From `user_days`.
    lead_in_days : int
        Days at the start of the log that are left out.

    Returns
    -------
    DataFrame
        One row: `users` (all), `late` (first seen after the lead-in, day of registration known), `joined` (of these
        within the window), `joined_rate` with its Wilson interval. Empty with a reason without days of registration.
    """
    people = found.people
    late = (people["first"] >= lead_in_days) & (people.guessed == 0)
    joined = (late & (people.new == 1)).sum()
    table = people.agg(users=people.count(), late=late.sum(), joined=joined).execute().fillna(0).astype("int64")
    if not table.late.iloc[0]:
        return missing([*table.columns, "joined_rate"], "no user seen late has a day of registration")
    return add_rate(table, successes="joined", trials="late", name="joined_rate", level=level)


# From a start to the returns ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Returns:
    """When the users of each cohort came back.

    `cohorts`: `start` (day), `users`. `gaps`: `start, previous, age, users`: so many users of the cohort returned on
    their day `age` (0: the start's own day) and had returned before that last on their day `previous` (−1: never).
    """

    cohorts: pd.DataFrame
    gaps: pd.DataFrame
    window: tuple[pd.Timestamp, pd.Timestamp]
    start_event: str = "any"
    return_event: str = "any"
    reason: str = ""

    @property
    def days(self) -> int:
        """Number of days of the window."""
        return (self.window[1] - self.window[0]).days + 1


def starts(found: UserDays, *, start_event: str = "any", who: str = "new") -> ir.Table:
    """Each user's `start`: the first day with the start event; arguments as in `returns`."""
    check_choice("who", who, WHO)
    table = found.table
    begun = table.filter(did(table, start_event)).group_by("user_id").agg(start=ibis._.day.min())
    people = found.people
    return begun.semi_join(people.filter(people.new == 1), "user_id") if who == "new" else begun


def returns(found: UserDays, *, start_event: str = "any", return_event: str = "any", who: str = "new") -> Returns:
    """Each user's start and the days on which he returned.

    Parameters
    ----------
    found : UserDays
        From `user_days`.
    start_event, return_event : str
        'any', 'pv', 'fav', 'cart' or 'buy'. A user starts on the first day with the start event in the log, and returns
        on each day with the return event from that day on.
    who : str
        'new': new users only; 'seen': everybody, from the first start event *in the log*, which is no first one.

    Returns
    -------
    Returns
        Empty with a reason where nobody started, or where new users cannot be told.
    """
    table, begun = found.table, starts(found, start_event=start_event, who=who)
    reason = found.reason if who == "new" else ""
    back = table.filter(did(table, return_event)).join(begun, "user_id")
    back = back.filter(back.day >= back.start).mutate(age=ibis._.day - ibis._.start)
    back = back.mutate(previous=back.age.lag().over(ibis.window(group_by="user_id", order_by="age")).fill_null(-1))
    cohorts = begun.group_by("start").agg(users=ibis._.count()).execute().sort_values("start", ignore_index=True)
    keys = ["start", "previous", "age"]
    gaps = back.group_by(keys).agg(users=ibis._.count()).execute().sort_values(keys, ignore_index=True)
    if reason or cohorts.empty:
        cohorts, gaps = cohorts.head(0), gaps.head(0)
        reason = reason or ("no new user started" if who == "new" else "nobody started")
    return Returns(cohorts.astype("int64"), gaps.astype("int64"), found.window, start_event, return_event, reason)


def classic(returns: Returns, *, days: int = 28, min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Classic (day-n) retention: the share that returned on exactly the n-th day after the start.

    R(n) = users with a return on day start + n / users whose day start + n lies in the log; 0…1. High: many are here on
    that very day; it falls with the rhythm of visits as well as with users who leave.

    Parameters
    ----------
    returns : Returns
        From `returns`.
    days : int
        Longest n, 1 or more. An n that no user's log reaches is left out, not 0.
    min_cell : int
        Rows with fewer returned users show no numbers.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `n` (days since the start, 1, 2, …), `users` (those who could be observed), `returned`, `retention_rate` with
        its Wilson interval. The users change with n: who started late is not in the later rows.
    """
    return _curve(returns, returns.gaps.age, returns.gaps.age, days=days, min_cell=min_cell, level=level)


def rolling(
    returns: Returns, *, days: int = 28, follow_days: int | None = None, min_cell: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """Rolling (unbounded) retention: the share that returned on the n-th day or at any time after it.

    U(n) = users with a return on day start + n or later / users whose day start + n lies in the log; 0…1, never below
    classic retention. *Later* ends where the log ends: near the end few days are left in which anybody could show up,
    so U sinks towards the end for users who stay as well. With `follow_days` H everybody is given the same H days, n …
    n + H − 1, and only users whose H days lie in the log are counted.

    Parameters
    ----------
    returns, days, min_cell, level
        As in `classic`.
    follow_days : int, optional
        H, 1 or more; without it to the end of the log.

    Returns
    -------
    DataFrame
        As `classic`.
    """
    if follow_days is not None:
        check_positive("follow_days", follow_days)
    reach = returns.days if follow_days is None else follow_days
    gaps = returns.gaps
    low = np.maximum(gaps.previous + 1, gaps.age - reach + 1)
    extra = 0 if follow_days is None else follow_days - 1
    return _curve(returns, low, gaps.age, days=days, extra=extra, min_cell=min_cell, level=level)


def _curve(
    returns: Returns, low: pd.Series, high: pd.Series, *, days: int, min_cell: int, level: float, extra: int = 0
) -> pd.DataFrame:
    """Each gap counts for every n in low … high, if n + extra days after the start lie in the log."""
    check_positive("days", days)
    if returns.reason:
        return missing(CURVE, returns.reason)
    gaps, cohorts, end = returns.gaps, returns.cohorts, returns.days - 1 - extra
    returned = cover(np.maximum(low, 0), np.minimum(high, end - gaps.start), gaps.users, returns.days)
    users = cover(0 * cohorts.start, end - cohorts.start, cohorts.users, returns.days)
    table = pd.DataFrame({"n": np.arange(returns.days), "users": users, "returned": returned})
    table = table[(table.users > 0) & table.n.between(1, days)].reset_index(drop=True)
    if table.empty:
        return missing(CURVE, "the log ends before anybody could return")
    table = add_rate(table, successes="returned", trials="users", name="retention_rate", level=level)
    return _without_few(table, min_cell)


def _without_few(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """No number of fewer users: neither of those who could be observed nor of those who returned."""
    table = hide_small(table, count="users", min_cell=min_cell, values=[])
    return hide_small(table, count="returned", min_cell=min_cell, values=RATE)


def cover(low: pd.Series, high: pd.Series, weight: pd.Series, length: int) -> np.ndarray:
    """For n = 0 … length − 1 the sum of the weights of all ranges low … high that hold n."""
    low, high, weight = (np.asarray(x, dtype="int64") for x in (low, high, weight))
    real = high >= low
    change = np.zeros(length + 1, dtype="int64")
    np.add.at(change, low[real], weight[real])
    np.add.at(change, high[real] + 1, -weight[real])
    return change.cumsum()[:length]


def curves(
    returns: Returns, *, days: int = 28, follow_days: int = 28, min_cell: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """Classic, rolling, and rolling retention with equal time for everybody, one under the other.

    Returns
    -------
    DataFrame
        `kind` ('classic', 'rolling', 'within 28 days') and the columns of `classic`.
    """
    options = {"days": days, "min_cell": min_cell, "level": level}
    equal = rolling(returns, follow_days=follow_days, **options)
    named = {
        "classic": classic(returns, **options),
        "rolling": rolling(returns, **options),
        f"within {follow_days} days": equal,
    }
    filled = [t.assign(kind=k) for k, t in named.items() if len(t)]
    return pd.concat(filled, ignore_index=True)[["kind", *CURVE]] if filled else named["classic"].assign(kind=[])


def parse_brackets(text: str) -> tuple[tuple[int, int], ...]:
    """Brackets of days from words.

    >>> parse_brackets("1-7, 8-14, 30")
    ((1, 7), (8, 14), (30, 30))

    Raises
    ------
    BehaviourError
        A bracket that is not two whole numbers in order, from 0 on.
    """
    found = []
    for part in text.split(","):
        words = [w.strip() for w in part.split("-")]
        if len(words) > 2 or not all(w.isascii() and w.isdigit() for w in words) or int(words[0]) > int(words[-1]):
            raise BehaviourError(f"brackets {text!r}: write days since the start, such as '1-7, 8-14, 15-28'")
        found.append((int(words[0]), int(words[-1])))
    return tuple(found)


def ranges(
    returns: Returns, *, brackets: str = "1-7, 8-14, 15-28", min_cell: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """Range (bracket) retention: the share that returned at least once within days a … b after the start.

    B(a, b) = users with a return on a day start + a … start + b / users whose day start + b lies in the log; 0…1. Days
    outside the visiting rhythm do no harm as long as the bracket is longer than the rhythm. Brackets of different
    lengths do not compare.

    Parameters
    ----------
    returns, min_cell, level
        As in `classic`.
    brackets : str
        As in `parse_brackets`.

    Returns
    -------
    DataFrame
        `bracket` ('1–7'), `first`, `last`, `users`, `returned`, `retention_rate` with its Wilson interval, in the given
        order. A bracket that nobody's log reaches has 0 users and no rate.
    """
    parsed = parse_brackets(brackets)
    columns = ["bracket", "first", "last", *CURVE[1:]]
    if returns.reason:
        return missing(columns, returns.reason)
    gaps, cohorts, rows = returns.gaps, returns.cohorts, []
    for first, last in parsed:
        # the first return of each user within the bracket
        inside = gaps.age.between(first, last) & (gaps.previous < first) & (gaps.start + last < returns.days)
        could = cohorts.users[cohorts.start + last < returns.days].sum()
        rows.append((f"{first}–{last}", first, last, int(could), int(gaps.users[inside].sum())))
    table = pd.DataFrame(rows, columns=columns[:5])
    table = add_rate(table, successes="returned", trials="users", name="retention_rate", level=level)
    return _without_few(table, min_cell)


def by_return_event(
    found: UserDays,
    *,
    start_event: str = "any",
    events: tuple[str, ...] = EVENTS,
    who: str = "new",
    brackets: str = "1-7, 8-14, 15-28",
    min_cell: int = 1,
) -> pd.DataFrame:
    """Range retention for several return events after the same start, side by side.

    Parameters
    ----------
    found, start_event, who
        As in `returns`.
    events : tuple of str
        Return events, each as in `returns`.
    brackets, min_cell
        As in `ranges`.

    Returns
    -------
    DataFrame
        `return_event` and the columns of `ranges`.
    """
    tables = []
    for event in events:
        came = returns(found, start_event=start_event, return_event=event, who=who)
        tables.append(ranges(came, brackets=brackets, min_cell=min_cell))
    if all(t.empty for t in tables):
        return tables[0].assign(return_event=[])
    return pd.concat([t.assign(return_event=e) for t, e in zip(tables, events, strict=True)], ignore_index=True)


# Cohorts --------------------------------------------------------------------------------------------------------------


def calendar(window: tuple[pd.Timestamp, pd.Timestamp], period: str) -> pd.DataFrame:
    """The calendar periods that the window touches: days, weeks from Monday, or months.

    Returns
    -------
    DataFrame
        `starts_on` (first day of the period), `first`, `last` (day numbers; outside the window for a period that the
        window cuts) and `whole` (does all of it lie in the window?), in order.

    Examples
    --------
    >>> calendar((pd.Timestamp("2017-07-01"), pd.Timestamp("2017-08-15")), "month")
       starts_on  first  last  whole
    0 2017-07-01      0    30   True
    1 2017-08-01     31    61  False
    """
    check_choice("period", period, list(PERIODS))
    first, last = window
    spans = pd.period_range(first, last, freq=PERIODS[period])
    table = pd.DataFrame({"starts_on": spans.start_time, "ends_on": spans.end_time.normalize()})
    days = {"first": (table.starts_on - first).dt.days, "last": (table.ends_on - first).dt.days}
    whole = (table.starts_on >= first) & (table.ends_on <= last)
    return table[["starts_on"]].assign(**days, whole=whole)


def period_of(day: pd.Series | np.ndarray, spans: pd.DataFrame) -> np.ndarray:
    """The row of `calendar` in which each day lies; −1 for days before the window."""
    return np.searchsorted(spans["first"].to_numpy(), np.asarray(day, dtype="int64"), side="right") - 1


def triangle(returns: Returns, *, period: str = "month", min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """The cohort triangle: of those who started in a period, the share that returned in the k-th period after it.

    R(c, k) = users of cohort c with a return in period c + k / users of cohort c; 0…1. Known only where period c and
    period c + k lie wholly in the log: all other cells are missing, *not* 0. In period c itself (k = 0) the start
    counts as a return where start and return event are the same.

    Parameters
    ----------
    returns, min_cell, level
        As in `classic`; small cohorts and cells with fewer returned users show no numbers.
    period : str
        'day', 'week' (from Monday) or 'month', by the calendar.

    Returns
    -------
    DataFrame
        One row a cohort and k: `cohort` (its first day), `k`, `users`, `returned`, `retention_rate` with its Wilson
        interval, `state`: 'observed', 'not observable' or 'hidden'. Cohorts without users are left out;
        a cohort that the window cuts has no size.
    """
    columns = ["cohort", "k", "users", "returned", *RATE, "state"]
    if returns.reason:
        return missing(columns, returns.reason)
    spans = calendar(returns.window, period)
    cells = _cells(returns, spans)
    whole = spans.whole.to_numpy()
    seen = whole[cells.c] & whole[cells.c + cells.k]
    cells = cells.assign(cohort=spans.starts_on.to_numpy()[cells.c], state=np.where(seen, OBSERVED, UNOBSERVABLE))
    trials = cells.users.where(seen, 0)
    cells = add_rate(
        cells.assign(x=cells.returned.where(seen, 0), n=trials), successes="x", trials="n", name=RATE[0], level=level
    )
    cells["returned"] = cells.returned.where(seen)
    return _hide_cells(cells, whole, min_cell)[columns]


def _cells(returns: Returns, spans: pd.DataFrame) -> pd.DataFrame:
    """Every cohort with users and every k up to the last period, with users and returned users."""
    cohorts, gaps = returns.cohorts, returns.gaps
    sizes = cohorts.users.groupby(period_of(cohorts.start, spans)).sum()
    rows = [(c, k, n) for c, n in sizes.items() for k in range(len(spans) - c)]
    cells = pd.DataFrame(rows, columns=["c", "k", "users"])
    now = period_of(gaps.start + gaps.age, spans)
    before = np.where(gaps.previous < 0, -1, period_of(gaps.start + gaps.previous, spans))
    came = gaps.assign(c=period_of(gaps.start, spans), now=now)[now != before]
    came = came.assign(k=came.now - came.c).groupby(["c", "k"], as_index=False).agg(returned=("users", "sum"))
    cells = cells.merge(came, on=["c", "k"], how="left")
    return cells.assign(returned=cells.returned.fillna(0).astype("int64"))


def _hide_cells(cells: pd.DataFrame, whole: np.ndarray, min_cell: int) -> pd.DataFrame:
    """Small cohorts (and one more where their sum is known), cells with few returned users, sizes of cut cohorts."""
    sizes = cells[(cells.k == 0) & whole[cells.c]][["c", "users"]]
    shown = hide_small(sizes, count="users", min_cell=min_cell, values=[], additive=True)
    cut, small = ~whole[cells.c], cells.c.isin(shown.c[shown.users.isna()])
    few = small | (cells.returned < min_cell) if min_cell > 1 else small
    numbers = cells[["returned", *RATE]].astype(float).mask(few)
    state = cells.state.where(~(few & (cells.state == OBSERVED)), SMALL)
    return cells.assign(**numbers, users=cells.users.where(~(small | cut)), state=state)


def wide(table: pd.DataFrame, *, value: str = "retention_rate", from_k: int = 1, rows: int = 26) -> pd.DataFrame:
    """The triangle as a picture wants it: a line a cohort with its size, a column a period, blanks where unknown.

    Parameters
    ----------
    table : DataFrame
        From `triangle`.
    value : str
        Column for the cells.
    from_k : int
        First column; k = 0 is often 1 by definition.
    rows : int
        The last so many cohorts with at least one number, and as many columns.

    Returns
    -------
    DataFrame
        Index such as '2017-07-01 (35)', columns k. Empty with a reason where no cell is known.
    """
    known = table[(table.k >= from_k) & table[value].notna()] if len(table) else table
    if known.empty:
        reason = "no cohort of enough users has a whole period after its own"
        return missing([], table.attrs.get("reason", reason))
    cohorts = known.cohort.drop_duplicates().tail(rows)
    part = table[table.cohort.isin(cohorts) & table.k.between(from_k, min(known.k.max(), from_k + rows - 1))]
    return part.assign(name=_named(part)).pivot(index="name", columns="k", values=value)


def _named(table: pd.DataFrame) -> pd.Series:
    """'2017-07-01 (35)': the cohort and its size."""
    return table.cohort.dt.strftime("%Y-%m-%d") + " (" + table.users.map("{:.0f}".format) + ")"


def at_age(table: pd.DataFrame, *, k: int = 1, rows: int = 26) -> pd.DataFrame:
    """One column of the triangle: the last cohorts at the same age, those that are known.

    Parameters
    ----------
    table : DataFrame
        From `triangle`.
    k : int
        Periods since the cohort's own.
    rows : int
        The last so many cohorts.

    Returns
    -------
    DataFrame
        Rows of the triangle with a `name` such as '2017-07-01 (35)'; empty with a reason where nothing is known.
    """
    known = table[(table.k == k) & table.retention_rate.notna()] if len(table) else table
    if known.empty:
        return missing([*table.columns, "name"], table.attrs.get("reason", "no cohort of enough users is known"))
    return known.assign(name=_named(known)).tail(rows).reset_index(drop=True)


# Age or date? ---------------------------------------------------------------------------------------------------------


def by_day(found: UserDays) -> pd.DataFrame:
    """Users and first-seen users of every day of the window: `day, users, first_seen`."""
    table, people = found.table, found.people
    users = table.group_by("day").agg(n=ibis._.user_id.count()).execute().set_index("day").n
    first = people.group_by("first").agg(n=ibis._.user_id.count()).execute().set_index("first").n
    every = pd.RangeIndex(found.days)
    users, first = (x.reindex(every, fill_value=0).to_numpy("int64") for x in (users, first))
    return pd.DataFrame({"day": found.date(every.to_series()).array, "users": users, "first_seen": first})


def seen_again(daily: pd.DataFrame, *, min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """Of all users seen before a day, the share that is here on it.

    A(t) = (users of day t − first seen on day t) / Σ users first seen before t; 0…1. For the second day of a log this
    *is* the first cohort's day-1 retention. A retention curve that bends because of the age of its users leaves A
    smooth. Where A itself jumps, the date did it: a sale, a fault, or the way the users were chosen.

    Parameters
    ----------
    daily : DataFrame
        One row a day in order: `day`, `users` (active), `first_seen`.
    min_cell, level
        As in `classic`.

    Returns
    -------
    DataFrame
        `day, known, again, again_rate` with its Wilson interval; from the second day on.

    Examples
    --------
    The first two days that are published for the whole UserBehavior file:

    >>> seen_again(pd.DataFrame({"day": [1, 2], "users": [706_641, 715_516], "first_seen": [706_641, 158_188]}))[
    ...     ["day", "known", "again", "again_rate"]].round(4)
       day   known   again  again_rate
    0    2  706641  557328      0.7887
    """
    known = daily.first_seen.cumsum().shift(1, fill_value=0)
    table = pd.DataFrame({"day": daily.day, "known": known, "again": daily.users - daily.first_seen}).iloc[1:]
    if table.empty:
        return missing([*table.columns, "again_rate"], "the log has one day only")
    table = add_rate(table.reset_index(drop=True), successes="again", trials="known", name="again_rate", level=level)
    values = ["again_rate", "again_rate_ci_low", "again_rate_ci_high"]
    return hide_small(table, count="again", min_cell=min_cell, values=values)


def estimate(table: pd.DataFrame, value: str, *, row: int = -1, reason: str = "no rows") -> Estimate:
    """One cell of a table with its interval, for a finding; missing where the table or the cell is empty.

    >>> estimate(pd.DataFrame({"r": [0.5], "r_ci_low": [0.4], "r_ci_high": [0.6]}), "r")
    Estimate(value=0.5, ci_low=0.4, ci_high=0.6, reason='')
    >>> estimate(missing(["r"], "nobody came"), "r").reason
    'nobody came'
    """
    if not -len(table) <= row < len(table):
        return Estimate.missing(table.attrs.get("reason", reason))
    found = table.iloc[row]
    numbers = (found[value], found[f"{value}_ci_low"], found[f"{value}_ci_high"])
    return Estimate.missing(reason) if pd.isna(numbers[0]) else Estimate(*map(float, numbers))
