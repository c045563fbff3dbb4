"""Lifecycle: how often users come, how sticky the shop is, and who is new, returning, won back or gone quiet.

Everything is built on `retention.user_days`, the one pass over the events. The flows add up by construction: what is
active now is what was active, less who went quiet, plus who came.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.retention import UserDays, calendar, did, period_of
from helpers.behaviour.retention_truth import true_last_days
from helpers.behaviour.sessions import check_choice, check_positive, hide_small
from helpers.engine import as_table
from helpers.findings import missing
from helpers.intervals import add_rate, wilson

LENGTHS = {"dau": 1, "wau": 7, "mau": 30}
"""Days that a user counts as active after an action: daily, weekly and monthly active users."""
RATIOS = (("dau", "mau"), ("dau", "wau"), ("wau", "mau"))
SEGMENTS = ("city tier", "age band", "activity")
STATES = ("new", "resurrected", "not told apart", "returning", "dormant")
EARLY = 28
"""The first days of the log, by which users are sorted into the segments of *activity*."""
NEVER = 1_000_000


# Stickiness -----------------------------------------------------------------------------------------------------------


def _segments(found: UserDays, by: str, users: ir.Table | None) -> ir.Table | None:
    """One row a user: `user_id`, `segment` (text); None where the tables do not tell."""
    check_choice("by", by, SEGMENTS)
    if by == "activity":
        return _activity(found)
    column = by.replace(" ", "_")
    if users is None or column not in users.columns:
        return None
    known = users.filter(users[column].notnull())
    word = "tier " if by == "city tier" else ""
    return known.select("user_id", segment=ibis.literal(word) + known[column].cast("string"))


def _activity(found: UserDays) -> ir.Table:
    early = found.table.filter(found.table.day < EARLY).group_by("user_id").agg(n=ibis._.count())
    median = float(early.n.median().execute() or 0)
    people = found.people.left_join(early, "user_id").drop("user_id_right")
    word = ibis.cases(
        (people.n.isnull(), "not seen at first"), (people.n > median, "often at first"), else_="rarely at first"
    )
    return people.select("user_id", segment=word)


def stickiness(
    found: UserDays, *, event: str = "any", by: str | None = None, users: ir.Table | None = None, min_cell: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """Daily, weekly and monthly active users of every day, and their ratios.

    DAU(t), WAU(t), MAU(t) = users active on day t, on one of the 7, of the 30 days that end with t. Stickiness =
    DAU / MAU, 0…1: the share of the month's users who are here on day t; on average over a month it is about the share
    of days on which such a user comes. 1: everybody every day; 1/30: everybody once a month. A ratio also rises when
    new users stop coming, because MAU forgets them last.

    Parameters
    ----------
    found : UserDays
        From `retention.user_days`.
    event : str
        'any', 'pv', 'fav', 'cart' or 'buy': what counts as active.
    by : str, optional
        'city tier' or 'age band' from the users table; 'activity': what the user did in the first 28 days of the log.
        *Often at first*: active on more days than the median user of that time; *rarely at first*: on fewer or as
        many; *not seen at first*. Such a segment must be older than what is measured on it, so
        its numbers begin when all of their days lie after it: who is called a heavy user because of this month is
        sticky this month by definition.
    users : ibis Table, optional
        The users table of the contract, for 'city tier' and 'age band'. Users without a segment are left out.
    min_cell : int
        Counts of fewer users are not shown, nor ratios that need them.
    level : float
        Confidence of the ratios, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a day (and `segment`, with `by`): `day`, `dau, wau, mau` (users), `dau_mau_rate, dau_wau_rate,
        wau_mau_rate` with their Wilson intervals. A number is missing until its days lie in the log.
    """
    columns = ["day", *LENGTHS, *(f"{a}_{b}_rate" for a, b in RATIOS)]
    groups = None if by is None else _segments(found, by, users)
    if by is not None and groups is None:
        return missing(["segment", *columns], f"no table of the users says their {by}")
    gaps = _presence(found, event, groups)
    if gaps.empty:
        return missing(columns if by is None else ["segment", *columns], "nobody was active")
    since = EARLY if by == "activity" else 0
    tables = [_sticky(part, found, since, min_cell, level).assign(segment=n) for n, part in gaps.groupby("segment")]
    table = pd.concat(tables, ignore_index=True)
    return table.drop(columns="segment") if by is None else table[["segment", *table.columns.drop("segment")]]


def _presence(found: UserDays, event: str, groups: ir.Table | None) -> pd.DataFrame:
    """How many users of a segment are active on `day` and next on `next_day`."""
    table = found.table.filter(did(found.table, event)).select("user_id", "day")
    table = table.mutate(segment=ibis.literal("all")) if groups is None else table.join(groups, "user_id")
    order = ibis.window(group_by="user_id", order_by="day")
    table = table.mutate(next_day=table.day.lead().over(order).fill_null(NEVER))
    keys = ["segment", "day", "next_day"]
    return table.group_by(keys).agg(users=ibis._.count()).execute().sort_values(keys, ignore_index=True)


def _sticky(gaps: pd.DataFrame, found: UserDays, since: int, min_cell: int, level: float) -> pd.DataFrame:
    day = pd.RangeIndex(found.days).to_series(index=range(found.days))
    table = pd.DataFrame({"day": found.date(day)})
    least = min_cell if min_cell > 1 else 0
    for name, length in LENGTHS.items():
        active = _active(gaps, found.days, length)
        table[name] = pd.Series(active, dtype="object").where((day >= since + length - 1) & (active >= least), None)
    for a, b in RATIOS:
        known = table[a].notna() & table[b].notna()
        trials = table.assign(x=table[a].where(known, 0).astype("int64"), n=table[b].where(known, 0).astype("int64"))
        rated = add_rate(trials, successes="x", trials="n", name=f"{a}_{b}_rate", level=level)
        table = table.join(rated[[c for c in rated if c.startswith(f"{a}_{b}_rate")]])
    return table


def _active(gaps: pd.DataFrame, days: int, length: int) -> np.ndarray:
    """Users active on one of the `length` days that end with each day.

    After an active day a user counts for `length` days, or until the next active day, which then counts for itself.
    """
    start = gaps.day.to_numpy("int64")
    stop = np.minimum(np.minimum(start + length, gaps.next_day.to_numpy("int64")), days)
    weight = gaps.users.to_numpy("int64")
    change = np.bincount(start, weight, minlength=days + 1) - np.bincount(stop, weight, minlength=days + 1)
    return change.cumsum()[:days].astype("int64")


def smoothed(table: pd.DataFrame, *, values: dict[str, str] | None = None, days: int = 7) -> pd.DataFrame:
    """Ratios without their weekly rhythm: means of the last `days` days, as a picture wants them.

    Parameters
    ----------
    table : DataFrame
        From `stickiness`.
    values : dict, optional
        Column → name of the ratio; by default DAU/MAU.
    days : int
        Days of the mean, 1 or more; 7 takes out the weekday.

    Returns
    -------
    DataFrame
        `day`, `segment` where the table has it, `ratio` (name), `rate`; days on which not all values of the mean are
        known are left out.
    """
    check_positive("days", days)
    values = values or {"dau_mau_rate": "DAU/MAU"}
    keys = [c for c in ("segment", "day") if c in table]
    columns = [*keys, "ratio", "rate"]
    if table.empty:
        return missing(columns, table.attrs.get("reason", "no days"))
    groups = table["segment"] if "segment" in table else pd.Series("all", index=table.index)
    parts = []
    for column, name in values.items():
        mean = table[column].astype(float).groupby(groups).rolling(days, min_periods=days).mean().droplevel(0)
        parts.append(table[keys].assign(ratio=name, rate=mean.sort_index()))
    known = pd.concat(parts, ignore_index=True).dropna(subset=["rate"]).reset_index(drop=True)
    return known if len(known) else missing(columns, "the log is too short, or the groups are too small")


# How often ------------------------------------------------------------------------------------------------------------


def frequency(
    found: UserDays, *, period: str = "week", event: str = "any", least: tuple[int, ...] = (1, 2, 3, 4, 5),
    min_cell: int = 1, level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """Return-frequency thresholds: of the users active in a period, the share active on k or more of its days.

    F(k) = users active on ≥ k days of the period / users active in it; 0…1, falling in k. High for a large k: a core
    that comes again and again.

    Parameters
    ----------
    found : UserDays
        From `retention.user_days`.
    period : str
        'week' (from Monday) or 'month'; only periods that lie wholly in the log.
    event : str
        As in `stickiness`.
    least : tuple of int
        The thresholds k, each 1 or more.
    min_cell, level
        As in `stickiness`.

    Returns
    -------
    DataFrame
        `starts_on` (of the period), `k`, `users` (active on ≥ k days), `active`, `users_rate` with its Wilson interval,
        by period and k. Periods without an active user are left out.
    """
    check_choice("period", period, ["week", "month"])
    spans = calendar(found.window, period)
    counts = _days_active(found, spans, event)
    counts = counts[spans.whole.to_numpy()[counts.span.to_numpy("int64")]] if len(counts) else counts
    columns = ["starts_on", "k", "users", "active", "users_rate"]
    if counts.empty:
        return missing(columns, f"no whole {period} lies in the log, or nobody was active in one")
    rows = [
        (spans.starts_on[span], k, int(part.users[part.days >= k].sum()), int(part.users.sum()))
        for span, part in counts.groupby("span")
        for k in least
    ]
    table = pd.DataFrame(rows, columns=columns[:4])
    table = add_rate(table, successes="users", trials="active", name="users_rate", level=level)
    return hide_small(table, count="users", min_cell=min_cell, values=["active", *table.columns[4:]])


def _days_active(found: UserDays, spans: pd.DataFrame, event: str) -> pd.DataFrame:
    """How many users were active on how many days of each period: `span, days, users`."""
    active = found.table.filter(did(found.table, event)).select("user_id", "day")
    active = active.join(_lookup(found, spans), "day")
    each = active.group_by("user_id", "span").agg(days=ibis._.count())
    return each.group_by("span", "days").agg(users=ibis._.count()).execute().sort_values(["span", "days"])


def _lookup(found: UserDays, spans: pd.DataFrame) -> ir.Table:
    """Day number → number of its period."""
    day = np.arange(found.days, dtype="int64")
    return as_table(pd.DataFrame({"day": day, "span": period_of(day, spans).astype("int64")}))


def power_users(
    found: UserDays, *, days: int = 28, event: str = "any", min_cell: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """The power-user curve: how many users were active on exactly k of the last days.

    A curve that only falls is a shop that people visit now and then; one that smiles, with a second peak at the right,
    has users who come daily.

    Parameters
    ----------
    found : UserDays
        From `retention.user_days`.
    days : int
        Length, the last days of the window, 1 or more; 28 days hold each weekday four times.
    event, min_cell, level
        As in `stickiness`.

    Returns
    -------
    DataFrame
        `k` (1, 2, …, days), `on_days` (k as a word; the last row, such as '9+', holds so many higher k together that it
        has `min_cell` users), `users`, `active` (of all k), `users_rate` (users / active) with its Wilson interval.
    """
    check_positive("days", days)
    columns = ["k", "on_days", "users", "active", "users_rate"]
    if days > found.days:
        return missing(columns, f"the log is shorter than {days} days")
    counts = _days_active(found, pd.DataFrame({"first": [0, found.days - days]}), event)
    counts = counts[counts.span == 1].set_index("days").users
    if counts.empty:
        return missing(columns, f"nobody was active in the last {days} days")
    users = counts.reindex(range(1, days + 1), fill_value=0).to_numpy("int64")
    or_more = users[::-1].cumsum()[::-1]
    last = max(int((or_more >= max(min_cell, 1)).sum()), 1)
    table = pd.DataFrame({"k": range(1, last + 1), "users": [*users[: last - 1], or_more[last - 1]]})
    table.insert(1, "on_days", [*map(str, range(1, last)), f"{last}+" if last < days else str(last)])
    table = add_rate(
        table.assign(active=users.sum()), successes="users", trials="active", name="users_rate", level=level
    )
    rates = [c for c in table if c.startswith("users_rate")]
    return hide_small(table, count="users", min_cell=min_cell, values=rates, additive=True)


# Lifecycle ------------------------------------------------------------------------------------------------------------


def lifecycle(
    found: UserDays, *, period: str = "week", event: str = "any", min_cell: int = 1, level: float = 0.95
) -> pd.DataFrame:
    """New, returning, resurrected and dormant users of every period, with flows that add up.

    A user active in period t is *returning* when active in t − 1, else *new* when this is the first activity of a new
    user, else *resurrected* (won back). *Dormant* are those of t − 1 who are not active in t. So

    active(t) = new + resurrected + returning,  active(t) = active(t − 1) − dormant + new + resurrected.

    Quick ratio = (new + resurrected) / dormant, 0…∞: above 1 the active base grows. It says nothing of *who*: a shop
    can replace good customers by passers-by at a ratio of 1.

    Parameters
    ----------
    found : UserDays
        From `retention.user_days`.
    period : str
        'day', 'week' (from Monday) or 'month'. Only periods that lie wholly in the log are given.
    event : str
        'any', 'pv', 'fav', 'cart' or 'buy': what counts as active.
    min_cell : int
        Flows of fewer users are not shown, nor what would give them away.
    level : float
        Confidence of the quick ratio, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `starts_on`, `active`, `new`, `resurrected`, `not_told_apart` (new + resurrected, where old users look new
        because the log has just begun, or where one of the two is too small to be shown), `returning`, `dormant`
        (users), `asleep` (users with an earlier activity in the log, not active in t), `quick_ratio` with its interval
        `quick_ratio_ci_low, _high` (of two independent Poisson counts one is binomial given their sum: Wilson's
        interval of that share, turned into a ratio; missing where nobody went dormant). In the first period of the
        log, and after one that the window cuts, all but `active` is missing.
    """
    spans = calendar(found.window, period)
    pairs = _transitions(found, spans, event)
    whole = spans.whole.to_numpy()
    if pairs.empty or not whole.any():
        return missing(["starts_on", "active", *STATES, "quick_ratio"], f"no whole {period} with activity in the log")
    table = _quick_ratio(_flows(pairs, len(spans)), level)
    told = spans["first"].to_numpy() >= found.lead_in if not found.reason else np.zeros(len(spans), dtype=bool)
    known = whole & np.append(False, whole[:-1])
    table = _blank(table.astype(object), told=told, known=known, min_cell=min_cell)
    table.insert(0, "starts_on", spans.starts_on)
    return table[whole].reset_index(drop=True)


def _blank(table: pd.DataFrame, *, told: np.ndarray, known: np.ndarray, min_cell: int) -> pd.DataFrame:
    """Blank what cannot be known, what is too small, and what would give it away by a sum."""
    few = table < (min_cell if min_cell > 1 else 0)
    split = told & ~few.new & ~few.resurrected
    shown = known & ~few.not_told_apart & ~few.returning & ~few.dormant
    keep = pd.DataFrame(dict.fromkeys(table, shown))
    keep["new"], keep["resurrected"], keep["not_told_apart"] = shown & split, shown & split, shown & ~split
    keep["active"], keep["asleep"] = ~few.active, shown & ~few.asleep
    blanked = table.where(keep, None)
    return blanked.astype({c: float for c in table if c.startswith("quick_ratio")})


def _transitions(found: UserDays, spans: pd.DataFrame, event: str) -> pd.DataFrame:
    """How many users were active in period `span` and before that last in `previous` (−1: never), by new or not."""
    active = found.table.filter(did(found.table, event)).select("user_id", "day")
    each = active.join(_lookup(found, spans), "day").select("user_id", "span").distinct()
    order = ibis.window(group_by="user_id", order_by="span")
    each = each.mutate(previous=each.span.lag().over(order).fill_null(-1))
    each = each.join(found.people.select("user_id", "new"), "user_id")
    keys = ["span", "previous", "new"]
    return each.group_by(keys).agg(users=ibis._.count()).execute().sort_values(keys, ignore_index=True)


def _flows(pairs: pd.DataFrame, length: int) -> pd.DataFrame:
    """Counts of every period, whole or not."""
    first, back = pairs.previous < 0, pairs.previous == pairs.span - 1

    def count(which: pd.Series) -> pd.Series:
        return pairs[which].groupby("span").users.sum().reindex(range(length), fill_value=0).astype("int64")

    active, returning = count(pairs.users > 0), count(back & ~first)
    new = count(first & (pairs.new == 1))
    dormant = active.shift(1, fill_value=0) - returning
    asleep = count(first).cumsum() - active
    arrived = active - returning
    flows = {"new": new, "resurrected": arrived - new, "not_told_apart": arrived, "returning": returning}
    return pd.DataFrame({"active": active, **flows, "dormant": dormant, "asleep": asleep})


def _quick_ratio(table: pd.DataFrame, level: float) -> pd.DataFrame:
    arrived, some = table.not_told_apart, (table.dormant > 0).to_numpy()
    share = (np.where(some, x, 0) for x in wilson(arrived, arrived + table.dormant, level=level))
    low, high = (x / (1 - x) for x in share)
    ratio = arrived / table.dormant.where(some, 1)
    numbers = {"quick_ratio": ratio, "quick_ratio_ci_low": low, "quick_ratio_ci_high": high}
    return table.assign(**{k: np.where(some, v, np.nan) for k, v in numbers.items()})


def flows(table: pd.DataFrame) -> pd.DataFrame:
    """The flows as a picture wants them: one row a period and state, dormant below zero.

    Parameters
    ----------
    table : DataFrame
        From `lifecycle`.

    Returns
    -------
    DataFrame
        `starts_on`, `state` ('new', 'resurrected', 'not told apart', 'returning', 'dormant'), `users` (negative for
        dormant). Periods without known flows, and states that never occur, are left out.
    """
    if table.empty:
        return missing(["starts_on", "state", "users"], table.attrs.get("reason", "no flows"))
    named = table.rename(columns={"not_told_apart": "not told apart"})
    long = named.melt(id_vars="starts_on", value_vars=list(STATES), var_name="state", value_name="users")
    long = long.assign(users=long.users.astype(float)).dropna(subset=["users"])
    long["users"] = long.users.where(long.state != "dormant", -long.users)
    long = long[long.groupby("state").users.transform(lambda x: (x != 0).any())]
    if long.empty:
        return missing(["starts_on", "state", "users"], "there are no two whole periods in a row with enough users")
    return long.reset_index(drop=True)


def dormant_truth(
    found: UserDays, truth: pd.DataFrame, *, start_epoch: int, period: str = "month", event: str = "any",
    min_cell: int = 1, level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """How many of those who went dormant have truly left?

    Parameters
    ----------
    found, period, event, min_cell, level
        As in `lifecycle`.
    truth : DataFrame
        One row a user: `user_id`, `left_at` (epoch seconds; missing: never).
    start_epoch : int
        First second of the window.

    Returns
    -------
    DataFrame
        One row a period: `starts_on`, `dormant`, `left` (of the dormant: had truly left by the end of the period),
        `left_rate` (left / dormant) with its Wilson interval. Empty with a reason without a truth.
    """
    columns = ["starts_on", "dormant", "left", "left_rate"]
    if "left_at" not in truth:
        return missing(columns, truth.attrs.get("reason", "the truth holds no left_at"))
    spans = calendar(found.window, period)
    gone = _newly_dormant(found, spans, event)
    if gone.empty:
        return missing(columns, f"no whole {period} follows another")
    left = true_last_days(truth, gone.user_id, start_epoch=start_epoch)
    gone = gone.assign(left=(left <= spans["last"].to_numpy()[gone.span]).astype("int64"))
    table = gone.groupby("span").agg(dormant=("left", "size"), left=("left", "sum")).reset_index()
    table.insert(0, "starts_on", spans.starts_on.to_numpy()[table.span])
    table = add_rate(table.drop(columns="span"), successes="left", trials="dormant", name="left_rate", level=level)
    return hide_small(table, count="dormant", min_cell=min_cell, values=["left", *table.columns[3:]])


def _newly_dormant(found: UserDays, spans: pd.DataFrame, event: str) -> pd.DataFrame:
    """Users active in a whole period and not in the next whole one: `user_id`, `span` (the latter)."""
    active = found.table.filter(did(found.table, event)).select("user_id", "day")
    each = active.join(_lookup(found, spans), "day").select("user_id", "span").distinct()
    order = ibis.window(group_by="user_id", order_by="span")
    each = each.mutate(following=each.span.lead().over(order).fill_null(NEVER))
    gone = each.filter(each.following > each.span + 1).select("user_id", span=each.span + 1).execute()
    whole = np.append(spans.whole.to_numpy(), False)
    here = gone.span.to_numpy("int64")
    gone = gone[whole[here] & whole[here - 1]]
    return gone.sort_values(["span", "user_id"], ignore_index=True)
