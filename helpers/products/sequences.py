"""What follows what: from the log to everybody's baskets in time, patterns, their test, pictures and the truth.

The methods themselves, on any baskets, are in `helpers.products.prefixspan` and `helpers.products.sequence_null`.
"""

from __future__ import annotations

from collections import Counter
from unicodedata import east_asian_width

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.engine import hold
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, rate
from helpers.products import prefixspan as method
from helpers.products.association_rules import BEHAVIORS, named
from helpers.products.prefixspan import PATTERN_COLUMNS, SequenceError, TooManyPatterns, arrows
from helpers.products.rules import threshold
from helpers.products.sequence_null import (
    CORRECTIONS,
    RUN_COLUMNS,
    TESTED_COLUMNS,
    OrderTest,
    enough_shuffles,
    order_test,
)
from helpers.survival import happened_by, kaplan_meier

UNITS = ("day", "order")
LEVELS = ("category", "item")
DAY = 86_400
STEP_COLUMNS = ["user", "time", "item", "kind", "parent"]
NEXT_COLUMNS = [
    "last", "next", "users_with_next", "users", "next_rate", "next_rate_ci_low", "next_rate_ci_high", "base_rate",
    "times_base",
]  # fmt: skip
REPEAT_COLUMNS = [
    "item", "buyers", "users", "again_rate", "again_rate_ci_low", "again_rate_ci_high", "median_days", "within_rate",
    "within_rate_ci_low", "within_rate_ci_high",
]  # fmt: skip

__all__ = ["CORRECTIONS", "SequenceError", "named"]


def activity(events: ir.Table, *, level: str = "category") -> ir.Table:
    """Who did what with which category or item on which day: one pass over the events, then kept.

    Parameters
    ----------
    events : ibis Table
        The events of the contract, with `day`.
    level : str
        category or item.

    Returns
    -------
    ibis Table
        One row a (user_id, day, behavior, item), each once.
    """
    _known("level", level, LEVELS)
    return hold(events.select("user_id", "day", "behavior", item=events[f"{level}_id"]).distinct())


def steps(
    activity: ir.Table,
    *,
    min_users: int = 1,
    orders: ir.Table | None = None,
    unit: str = "day",
    behavior: str = "buy",
    level: str = "category",
) -> pd.DataFrame:
    """Everybody's baskets in time.

    Parameters
    ----------
    activity : ibis Table
        From `activity`, on the same level.
    min_users : int
        Items of fewer users are left out already in the engine. Their baskets still count.
    orders : ibis Table, optional
        The order lines, needed for the unit 'order'; `behavior` does not matter there.
    unit : str
        day: a basket is what one customer took on one day. order: one order; two orders of one second are one.
    behavior : str
        buy, interest (fav, cart or buy), cart, fav or pv.
    level : str
        category or item.

    Returns
    -------
    DataFrame
        One row a (basket, item): user (0…), time (whole seconds; days begin at midnight of the shop), item (raw id;
        None in a basket of rare items only), kind (the level), parent (None); by user, time, item. Empty, with the
        reason, where there is no basket.
    """
    _known("unit", unit, UNITS)
    _known("level", level, LEVELS)
    _known("behavior", behavior, tuple(BEHAVIORS))
    if unit == "order" and orders is None:
        return missing(STEP_COLUMNS, "the study has no orders table; take the unit day")
    if unit == "order":
        rows = orders.select("user_id", time="timestamp", item=orders[f"{level}_id"])
    else:
        rows = activity.filter(activity.behavior.isin(BEHAVIORS[behavior])).select("user_id", "item", time="day")
    table = _without_rare(rows, min_users).to_pyarrow().to_pandas(integer_object_nulls=True)
    if table.empty:
        return missing(STEP_COLUMNS, f"no event of the kind {behavior} in this time")
    time = table["time"] if unit == "order" else _seconds(table["time"])
    user = pd.factorize(table["user_id"], sort=True)[0]
    table = table.assign(user=user, time=time.astype(np.int64), kind=level, parent=None)
    return table.sort_values(["user", "time", "item"], kind="stable", ignore_index=True)[STEP_COLUMNS]


def _known(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SequenceError(f"{name}={value!r} is not known; take one of {', '.join(allowed)}")


def _seconds(days: pd.Series) -> pd.Series:
    return pd.to_datetime(days).astype("datetime64[s]").astype(np.int64)


def _without_rare(rows: ir.Table, min_users: int) -> ir.Table:
    """The distinct rows; in place of an item of too few users stands nothing."""
    rows = rows.distinct()
    counts = rows.select("user_id", "item").distinct().group_by("item").agg(held=ibis._.count())
    frequent = counts.filter(counts.held >= min_users).select(frequent="item")
    joined = rows.left_join(frequent, rows.item == frequent.frequent)
    kept = joined.frequent.isnull().ifelse(ibis.null(joined.item.type()), joined.item)
    return joined.select("user_id", "time", item=kept).distinct()


def choices(activity: ir.Table, *, min_cell: int = 1) -> pd.DataFrame:
    """What each kind of action leaves to work with.

    Parameters
    ----------
    activity : ibis Table
        From `activity`.
    min_cell : int
        A number of users from 1 to min_cell − 1 is not told, nor what would give it away.

    Returns
    -------
    DataFrame
        One row a behavior: behavior, users (with such an action), users_twice (on two or more days), baskets (days of
        users), baskets_per_user (missing without users).
    """
    rows = []
    for name, kinds in BEHAVIORS.items():
        days = activity.filter(activity.behavior.isin(kinds)).select("user_id", "day").distinct()
        each = days.group_by("user_id").agg(days=ibis._.count())
        facts = each.agg(users=each.count(), twice=(each.days > 1).sum(), baskets=each.days.sum()).execute().iloc[0]
        users, twice, baskets = (0 if pd.isna(v) else int(v) for v in facts[["users", "twice", "baskets"]])
        rows.append((name, *_hidden(users, twice, baskets, min_cell)))
    return pd.DataFrame(rows, columns=["behavior", "users", "users_twice", "baskets", "baskets_per_user"])


def _hidden(users: int, twice: int, baskets: int, min_cell: int) -> tuple:
    """users, users_twice, baskets, baskets_per_user, without those that give a small group away."""
    if 0 < users < min_cell:
        return None, None, None, None
    if any(0 < n < min_cell for n in (twice, users - twice)):
        return users, None, None, None
    return users, twice, baskets, baskets / users if users else None


def describe(steps: pd.DataFrame, *, min_cell: int = 1) -> pd.DataFrame:
    """One row: users, users_twice (two or more baskets), baskets, items, median_gap_days (between baskets).

    What gives fewer than `min_cell` people away is missing.
    """
    columns = ["users", "users_twice", "baskets", "items", "median_gap_days"]
    if steps.empty:
        return missing(columns, steps.attrs.get("reason", "no baskets"))
    slots = steps[["user", "time"]].drop_duplicates().sort_values(["user", "time"])
    gaps = slots.groupby("user")["time"].diff().dropna() / DAY
    twice = int((slots["user"].value_counts() > 1).sum())
    middle = float(gaps.median()) if len(gaps) else None
    users, twice, baskets, _ = _hidden(int(slots["user"].nunique()), twice, len(slots), min_cell)
    middle = None if len(gaps) < 2 * min_cell else middle
    return pd.DataFrame([(users, twice, baskets, int(steps["item"].nunique()), middle)], columns=columns)


def least_users(steps: pd.DataFrame, *, min_support: float, min_users: int) -> int:
    """The fewest people that a pattern needs: a share of all users, and never below the privacy limit."""
    users = int(steps["user"].nunique()) if len(steps) else 0
    return max(threshold(min_support, users), min_users, 1)


def patterns(
    steps: pd.DataFrame,
    *,
    min_support: float,
    min_users: int,
    max_gap_days: int,
    max_window_days: int,
    max_length: int,
) -> pd.DataFrame:
    """All sequences of different items that enough people follow; empty, with the reason, where there are none.

    Parameters
    ----------
    steps : DataFrame
        The named steps.
    min_support : float
        Share of the users, 0…1.
    min_users : int
        The privacy limit.
    max_gap_days, max_window_days : int
        Longest time between two successive steps, and from the first to the last, in days of 24 hours.
    max_length : int
        Most items in a pattern.

    Returns
    -------
    DataFrame
        As `prefixspan.chains` gives them, with column closed.
    """
    columns = [*PATTERN_COLUMNS, "closed"]
    if steps.empty:
        return missing(columns, steps.attrs.get("reason", "no baskets"))
    least = least_users(steps, min_support=min_support, min_users=min_users)
    limits = {"max_gap": max_gap_days * DAY, "max_window": max_window_days * DAY, "max_length": max_length}
    try:
        table = method.chains(steps, min_count=least, repeats=False, **limits)
    except TooManyPatterns as error:
        return missing(columns, str(error))
    if table.empty:
        return missing(columns, f"no item was taken by {least:,} people")
    kept = set(method.closed(table)["pattern"])
    return table.assign(closed=[p in kept for p in table["pattern"]])


def tested(
    steps: pd.DataFrame,
    *,
    min_support: float,
    min_users: int,
    max_gap_days: int,
    max_window_days: int,
    max_length: int,
    shuffles: int,
    seed: int,
    alpha: float = 0.05,
    correction: str = "max_t",
) -> OrderTest:
    """The sequences with their test against shuffled orders, see `sequence_null.order_test`.

    Parameters
    ----------
    steps, min_support, min_users, max_gap_days, max_window_days, max_length
        As in `patterns`.
    shuffles, seed, alpha, correction
        As in `order_test`; there are as many shuffles as `alpha` needs, where `shuffles` is fewer.

    Returns
    -------
    OrderTest
        Both tables empty, with the reason, where nobody has two baskets or no sequence is frequent.
    """
    if steps.empty:
        return _untested(steps.attrs.get("reason", "no baskets"))
    least = least_users(steps, min_support=min_support, min_users=min_users)
    enough = max(shuffles, enough_shuffles(alpha=alpha, max_length=max_length, correction=correction))
    try:
        found = order_test(
            method.occurrences(steps, min_count=least),
            min_count=least,
            max_gap=max_gap_days * DAY,
            max_window=max_window_days * DAY,
            max_length=max_length,
            shuffles=enough,
            seed=seed,
            alpha=alpha,
            correction=correction,
        )
    except TooManyPatterns as error:
        return _untested(str(error))
    if found.patterns.empty:
        return _untested(
            f"no two different goods were taken one after the other, within {max_gap_days} days, by {least:,} people"
        )
    return found


def _untested(reason: str) -> OrderTest:
    return OrderTest(missing(TESTED_COLUMNS, reason), missing(RUN_COLUMNS, reason))


def keep(table: pd.DataFrame, flag: str, *, reason: str = "no sequence passes every test") -> pd.DataFrame:
    """The rows with a flag; empty, with the reason, where there are none."""
    if table.empty:
        return table
    kept = table[table[flag].astype(bool)].reset_index(drop=True)
    return kept if len(kept) else missing(table.columns, reason)


def readable(table: pd.DataFrame, columns: list[str] | None = None) -> pd.DataFrame:
    """For the page and the CSV file: 'sequence' as text with arrows, then the named columns (by default all)."""
    columns = columns or [c for c in table.columns if c != "pattern"]
    if table.empty:
        return missing(["sequence", *columns], table.attrs.get("reason", "no sequences"))
    return pd.DataFrame({"sequence": table["pattern"].map(arrows), **{c: table[c] for c in columns}})


def longer(patterns: pd.DataFrame) -> pd.DataFrame:
    """The patterns of two steps and more; empty, with the reason, where there are none."""
    few = "no two different goods were taken one after the other by enough people, within the gap and the window"
    return keep(patterns.assign(several=patterns["length"] > 1), "several", reason=few).drop(columns="several")


def length_counts(patterns: pd.DataFrame) -> pd.DataFrame:
    """Number of patterns by length, and how many of them are closed."""
    columns = ["length", "patterns", "closed"]
    if patterns.empty:
        return missing(columns, patterns.attrs.get("reason", "no sequences"))
    groups = patterns.groupby("length")["closed"]
    return groups.agg(patterns="size", closed="sum").reset_index()[columns]


def null_summary(runs: pd.DataFrame) -> pd.DataFrame:
    """The real order beside the shuffled ones: orders, mean patterns, passing and significant, highest_excess."""
    columns = ["order", "orders", "patterns", "passing", "significant", "highest_excess"]
    if runs.empty:
        return missing(columns, runs.attrs.get("reason", "no sequences"))
    own = {"real": runs[runs["run"] == 0], "shuffled, mean": runs[runs["run"] > 0]}
    rows = [
        (name, len(part), *part[columns[2:5]].mean().astype(float), _highest(part["highest_excess"]))
        for name, part in own.items()
    ]
    return pd.DataFrame(rows, columns=columns)


def _highest(values: pd.Series) -> float | None:
    return None if values.isna().all() else float(values.max())


def repeats(steps: pd.DataFrame, *, end: pd.Timestamp, days: int, min_cell: int) -> pd.DataFrame:
    """Who takes the same again, and after how long: repeat purchases by item.

    again_rate = users with a second basket / buyers, within the log. within_rate: the share for whom the second basket
    came within `days` of the first, by Kaplan–Meier: buyers whose time was too short to come back are censored, and not
    counted as lost.

    Parameters
    ----------
    steps : DataFrame
        The named steps.
    end : Timestamp
        The last day of the log; what comes after it is not known.
    days : int
        The time within which the second one counts.
    min_cell : int
        Items with fewer repeaters are left out. The median needs twice as many repeaters, and the share within `days`
        as many before that time, after it, and still waiting; both are missing otherwise.

    Returns
    -------
    DataFrame
        item, buyers, users (repeaters), again_rate with its Wilson interval, median_days (from first to second, of
        those who came back), within_rate with its interval; by falling repeaters, item.
    """
    if steps.empty:
        return missing(REPEAT_COLUMNS, steps.attrs.get("reason", "no baskets"))
    first, second = _first_two(steps)
    last = _end(end)
    rows = []
    for item, mine in first.groupby("item", sort=True):
        again = second.get(item, pd.Series(dtype=float)).reindex(mine["user"])
        if again.notna().sum() >= min_cell:
            waits = _waits(mine["time"], again, last, days, min_cell)
            rows.append((item, len(mine), int(again.notna().sum()), *waits))
    if not rows:
        return missing(REPEAT_COLUMNS, f"no item was taken again, in a later basket, by {min_cell} people")
    names = ["item", "buyers", "users", "median_days", *REPEAT_COLUMNS[-3:]]
    table = pd.DataFrame(rows, columns=names)
    table = add_rate(table, successes="users", trials="buyers", name="again_rate")[REPEAT_COLUMNS]
    return table.sort_values(["users", "item"], ascending=[False, True], kind="stable", ignore_index=True)


def _first_two(steps: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.Series]]:
    """First time by user and item; and item → user → second time."""
    rows = steps.dropna(subset="item")[["user", "item", "time"]].drop_duplicates()
    rows = rows.sort_values(["user", "item", "time"], kind="stable")
    place = rows.groupby(["user", "item"]).cumcount()
    second = {item: own.set_index("user")["time"] for item, own in rows[place == 1].groupby("item")}
    return rows[place == 0], second


def _end(end: pd.Timestamp) -> int:
    """The last second of the last day, as in `steps`."""
    return int(pd.Timestamp(end).normalize().timestamp()) + DAY - 1


def _waits(start: pd.Series, then: pd.Series, last: int, days: int, min_cell: int) -> tuple:
    """Median days of those who came, and the share within `days` by Kaplan–Meier with its interval.

    Each is None where it gives fewer than `min_cell` people away: half of those who came lie below the median.
    """
    curve = _curve(start.to_numpy(), then.to_numpy(float), last)
    came = (then.to_numpy(float) - start.to_numpy()) / DAY
    came = came[np.isfinite(came)]
    middle = float(np.median(came)) if len(came) >= 2 * min_cell else None
    at = _told(curve, [days], min_cell)
    later = int(curve.loc[curve["time"] > days, "events"].sum())
    if at.empty or later < min_cell:
        return middle, None, None, None
    return middle, *at.iloc[0][["share", "share_ci_low", "share_ci_high"]]


def _curve(start: np.ndarray, then: np.ndarray, last: int) -> pd.DataFrame:
    """Kaplan–Meier from a first to a later time; where there is none, censored at the end of the log. In whole days."""
    came = np.isfinite(then)
    days = (np.where(came, then, np.maximum(last, start)) - start).astype(np.int64) // DAY
    table = pd.DataFrame({"time": days, "events": came.astype(int), "censored": (~came).astype(int)})
    return kaplan_meier(table.groupby("time", as_index=False).sum())


def next_items(steps: pd.DataFrame, *, max_gap_days: int, min_cell: int) -> pd.DataFrame:
    """Given the last category, what comes next?

    Of everybody who took *last*, the first basket with it counts, and the basket right after it, when that comes within
    `max_gap_days`. next_rate = users whose next basket holds *next* / users with such a next basket. base_rate: the
    share of all next baskets, after whatever, that hold *next*. times_base = next_rate / base_rate, from 0;
    1: as usual.

    Parameters
    ----------
    steps : DataFrame
        The named steps.
    max_gap_days : int
        Longest time to the next basket.
    min_cell : int
        Pairs that fewer people followed are left out.

    Returns
    -------
    DataFrame
        last, next (different), users_with_next, users, next_rate with its Wilson interval (everybody counts once),
        base_rate, times_base; by falling times_base, users, names.
    """
    reason = f"no two goods were taken in successive baskets, within {max_gap_days} days, by {min_cell} people"
    if steps.empty:
        return missing(NEXT_COLUMNS, steps.attrs.get("reason", "no baskets"))
    slots, rows = _successive(steps, max_gap_days)
    held = rows.merge(slots.loc[slots["follows"], ["slot", "next_slot"]], on="slot")
    first = held.sort_values("slot").drop_duplicates(["user", "item"])
    trials = first["item"].value_counts()
    later = rows[["slot", "item"]].rename(columns={"slot": "next_slot", "item": "next"})
    pairs = first.merge(later, on="next_slot")
    counts = pairs[pairs["item"] != pairs["next"]].groupby(["item", "next"]).size()
    counts = counts[counts >= min_cell].rename("users").reset_index().rename(columns={"item": "last"})
    if counts.empty:
        return missing(NEXT_COLUMNS, reason)
    total = int(slots["follows"].sum())
    base = later.merge(slots.loc[slots["follows"], ["next_slot"]], on="next_slot")["next"].value_counts() / total
    table = counts.assign(users_with_next=counts["last"].map(trials), base_rate=counts["next"].map(base).astype(float))
    table = add_rate(table, successes="users", trials="users_with_next", name="next_rate")
    table = table.assign(times_base=table["next_rate"] / table["base_rate"])
    order = ["times_base", "users", "last", "next"]
    return table.sort_values(order, ascending=[False, False, True, True], kind="stable", ignore_index=True)[
        NEXT_COLUMNS
    ]


def _successive(steps: pd.DataFrame, max_gap_days: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The baskets with the number of the next one (`follows`: there is one in time), and their items."""
    slots = steps[["user", "time"]].drop_duplicates().sort_values(["user", "time"], ignore_index=True)
    gap = slots.groupby("user")["time"].shift(-1) - slots["time"]
    slots = slots.assign(slot=slots.index, next_slot=slots.index + 1, follows=gap <= max_gap_days * DAY)
    rows = steps.dropna(subset="item").merge(slots[["user", "time", "slot"]], on=["user", "time"])
    return slots, rows[["user", "slot", "item"]].drop_duplicates()


def next_matrix(next_items: pd.DataFrame, *, rows: int = 10) -> pd.DataFrame:
    """The next-category table as a wide one, for a picture: last down, next across, next_rate in the cells.

    The `rows` last categories with the highest times_base, and as many next ones that follow them.
    """
    if next_items.empty:
        return missing(["last"], next_items.attrs.get("reason", "no pairs"))
    last = next_items["last"].drop_duplicates().head(rows)
    own = next_items[next_items["last"].isin(last)]
    wide = own.pivot(index="last", columns="next", values="next_rate").reindex(last.tolist())
    across = own["next"].drop_duplicates().head(rows)
    brief = brief_labels([*last, *across])
    return wide[across.tolist()].rename(index=brief, columns=brief).rename_axis(index=None, columns=None)


def brief_labels(labels: list[str], *, width: int = 20) -> dict[str, str]:
    """Labels that fit into a picture: a Chinese character is as wide as two letters; equal ones get a number.

    >>> list(brief_labels(["tea", "a very long name of a good", "很长很长很长很长很长的商品名"]).values())
    ['tea', 'a very long name of…', '很长很长很长很长很…']
    """
    seen: Counter[str] = Counter()
    brief = {}
    for label in dict.fromkeys(labels):
        wide = np.cumsum([1 + (east_asian_width(c) in "WF") for c in label])
        text = label if not len(wide) or wide[-1] <= width else label[: int((wide < width).sum())] + "…"
        seen[text] += 1
        brief[label] = text if seen[text] == 1 else f"{text} ({seen[text]})"
    return brief


def flows(good: pd.DataFrame, patterns: pd.DataFrame) -> pd.DataFrame:
    """The sequences step by step, for a picture with arrows: what share of those who came so far goes on?

    going_on_share = users who follow the pattern up to this step / users who follow it up to the step before.

    Parameters
    ----------
    good : DataFrame
        The sequences to draw.
    patterns : DataFrame
        All frequent ones, with their beginnings.

    Returns
    -------
    DataFrame
        sofar, then (texts; long names are cut), users, going_on_share; each arrow once, in the order of `good`.
    """
    columns = ["sofar", "then", "users", "going_on_share"]
    if good.empty:
        return missing(columns, good.attrs.get("reason", "no sequences"))
    counts = dict(zip(patterns["pattern"], patterns["count"].tolist(), strict=True))
    arrow = dict.fromkeys((p[:k], p[: k + 1]) for p in good["pattern"] for k in range(1, len(p)))
    brief = brief_labels(sorted({item for p in good["pattern"] for element in p for item in element}))
    cut = {p: arrows(tuple(tuple(map(brief.get, e)) for e in p)) for pair in arrow for p in (*pair, pair[1][-1:])}
    rows = [(cut[a], cut[b[-1:]], counts[b], counts[b] / counts[a]) for a, b in arrow]
    return pd.DataFrame(rows, columns=columns)


def waiting(
    steps: pd.DataFrame,
    patterns: pd.DataFrame,
    *,
    end: pd.Timestamp,
    days: list[int],
    min_cell: int,
    rows: int = 3,
) -> pd.DataFrame:
    """How long after the first step does the second come? Kaplan–Meier from the first basket with the first item.

    Parameters
    ----------
    steps : DataFrame
        The named steps.
    patterns : DataFrame
        The first `rows` with two steps are taken.
    end : Timestamp
        The last day of the log; who has not taken the second by then is censored.
    days : list of int
        Times to look at.
    min_cell : int
        A time is told where at least so many people took the second since the time told before, and at least so many
        still wait.

    Returns
    -------
    DataFrame
        sequence, users (who took the first), days, share with share_ci_low and _ci_high: who has taken the second,
        rounded so that one person does not show. Empty, with the reason, where no time may be told.
    """
    columns = ["sequence", "users", "days", "share", "share_ci_low", "share_ci_high"]
    two = patterns[patterns["length"] == 2].head(rows) if len(patterns) else patterns
    if two.empty:
        return missing(columns, patterns.attrs.get("reason", "no sequence of two steps passes every test"))
    tables = []
    for pattern in two["pattern"]:
        start, then = _first_then(steps, pattern[0][0], pattern[1][0])
        share = _told(_curve(start, then, _end(end)), days, min_cell)
        tables.append(share.rename(columns={"time": "days"}).assign(sequence=arrows(pattern)))
    known = [t[columns] for t in tables if len(t)]
    reason = f"between these times fewer than {min_cell} people took the second good, or are still waiting"
    return pd.concat(known, ignore_index=True) if known else missing(columns, reason)


def _told(curve: pd.DataFrame, times: list[int], min_cell: int) -> pd.DataFrame:
    """The curve at the times that give no small group away: time, users, share with its interval.

    Since the time told before, `min_cell` people took the second, and as many still wait. How many wait is not told: it
    would say how few were censored in between. Rounded to steps of one person or more, the interval outwards.
    """
    share = happened_by(curve, times)
    users = int(curve["at_risk"].iloc[0])
    before = [curve[curve["time"] <= t] for t in share["time"]]
    came = [int(part["events"].sum()) for part in before]
    left = [users - n - int(part["censored"].sum()) for n, part in zip(came, before, strict=True)]
    told: list[int] = []
    for place, (n, waiting) in enumerate(zip(came, left, strict=True)):
        if n - (came[told[-1]] if told else 0) >= min_cell and waiting >= min_cell:
            told.append(place)
    kept = share.iloc[told].drop(columns="at_risk").assign(users=users)
    return kept if min_cell == 1 else _coarse(kept, users)


def _coarse(table: pd.DataFrame, users: int) -> pd.DataFrame:
    """A share and its interval in steps of 1/10, from 100 users on of 1/100, and so on; the interval outwards."""
    steps = 10 ** int(np.log10(users))
    share = (table["share"] * steps).round() / steps
    low, high = (np.floor(table["share_ci_low"] * steps), np.ceil(table["share_ci_high"] * steps))
    return table.assign(share=share, share_ci_low=low / steps, share_ci_high=high / steps)


def _first_then(steps: pd.DataFrame, first: str, then: str) -> tuple[np.ndarray, np.ndarray]:
    """Of everybody who took the first: its first time, and the next time of the second after it (missing: none)."""
    start = steps[steps["item"] == first].groupby("user")["time"].min()
    later = steps[steps["item"] == then].merge(start.rename("start").reset_index(), on="user")
    came = later[later["time"] > later["start"]].groupby("user")["time"].min()
    return start.to_numpy(), came.reindex(start.index).to_numpy(float)


def against_truth(
    truth: pd.DataFrame, rules: pd.DataFrame, patterns: pd.DataFrame, steps: pd.DataFrame, *, level: str, **limits: int
) -> pd.DataFrame:
    """Every planted sequence of the demo shop, its reverse and the decoys, beside what was found.

    Parameters
    ----------
    truth : DataFrame
        `study.truth("sequences")`: step_1, step_2, step_3.
    rules : DataFrame
        `study.truth("rules")`: its decoys are popular goods whose order means nothing.
    patterns : DataFrame
        The tested patterns, with `adds`.
    steps : DataFrame
        The named steps.
    level : str
        The truth is about categories.
    limits : int
        max_gap_days, max_window_days.

    Returns
    -------
    DataFrame
        kind (planted; implied by a planted one; reversed; decoy), sequence, count (people who follow it), expected,
        order_lift (missing where the pattern was too rare to be tested), found.
    """
    columns = ["kind", "sequence", "count", "expected", "order_lift", "found"]
    if "step_1" not in truth.columns:
        return missing(columns, truth.attrs.get("reason", "no truth is known"))
    if level != "category" or steps.empty:
        return missing(columns, steps.attrs.get("reason", "the planted sequences are about categories"))
    asked = _asked(truth, rules)
    known = {row["pattern"]: row for row in patterns.to_dict("records")}
    counts = _counts(steps, [p for _, p in asked], **limits)
    rows = []
    for kind, pattern in asked:
        own = known.get(pattern, {})
        good = bool(own.get("adds", False))
        rows.append((kind, arrows(pattern), counts.get(pattern, 0), own.get("expected"), own.get("order_lift"), good))
    return pd.DataFrame(rows, columns=columns)


def _asked(truth: pd.DataFrame, rules: pd.DataFrame) -> list[tuple[str, method.Pattern]]:
    planted, implied, back = [], [], []
    for a, b, c in truth[["step_1", "step_2", "step_3"]].itertuples(index=False, name=None):
        planted += [(a, b), (a, b, c)]
        implied += [(b, c), (a, c)]
        back += [(b, a), (c, b), (c, a)]
    false = rules[rules["kind"] == "decoy"] if "kind" in rules.columns else pd.DataFrame()
    decoys = [
        p for a, b in zip(false.get("antecedent", ()), false.get("consequent", ()), strict=True) for p in _both(a, b)
    ]
    kinds = {"planted": planted, "implied": implied, "reversed": back, "decoy": decoys}
    return [(kind, tuple((name,) for name in names)) for kind, some in kinds.items() for names in some]


def _both(a: str, b: str) -> list[tuple[str, str]]:
    return [(a, b), (b, a)]


def _counts(
    steps: pd.DataFrame, asked: list[method.Pattern], *, max_gap_days: int, max_window_days: int
) -> dict[method.Pattern, int]:
    own = steps.assign(item=steps["item"].where(steps["item"].isin({i for p in asked for e in p for i in e})))
    limits = {"max_gap": max_gap_days * DAY, "max_window": max_window_days * DAY}
    found = method.chains(own, min_count=1, max_length=3, repeats=False, **limits)
    return dict(zip(found["pattern"], found["count"].tolist(), strict=True))


def truth_counts(compared: pd.DataFrame) -> pd.DataFrame:
    """Of each kind: how many there are, and how many were found."""
    columns = ["kind", "sequences", "found"]
    if compared.empty:
        return missing(columns, compared.attrs["reason"])
    groups = compared.groupby("kind", sort=False)["found"]
    return groups.agg(sequences="size", found="sum").reset_index()[columns]


def first_sequence(patterns: pd.DataFrame) -> str:
    """The first pattern as text; empty where there is none."""
    return arrows(patterns["pattern"].iloc[0]) if len(patterns) else ""


def first_value(table: pd.DataFrame, column: str) -> Estimate:
    """A number of the first row; missing, with the reason, where there is none."""
    if table.empty or pd.isna(table[column].iloc[0]):
        return Estimate.missing(table.attrs.get("reason", "no sequences"))
    return Estimate(float(table[column].iloc[0]))


def found_count(patterns: pd.DataFrame) -> Estimate:
    """How many sequences pass every test; missing where there was nothing to test."""
    if patterns.empty:
        return Estimate.missing(patterns.attrs.get("reason", "no sequences"))
    return Estimate(int(patterns["adds"].sum()))


def first_label(table: pd.DataFrame, column: str) -> str:
    """A label of the first row; empty where there is none."""
    return str(table[column].iloc[0]) if len(table) else ""


def first_rate(table: pd.DataFrame, name: str) -> Estimate:
    """A rate of the first row with its interval; missing, with the reason, where there is none."""
    if table.empty or pd.isna(table[name].iloc[0]):
        return Estimate.missing(table.attrs.get("reason", "too few people"))
    return Estimate(*(float(table[f"{name}{end}"].iloc[0]) for end in ("", "_ci_low", "_ci_high")))


def share_found(compared: pd.DataFrame, kind: str) -> Estimate:
    """Share of the sequences of one kind that were found, with its Wilson interval."""
    if compared.empty:
        return Estimate.missing(compared.attrs.get("reason", "no rows"))
    own = compared[compared["kind"] == kind]
    return rate(int(own["found"].sum()), len(own), reason="no rows")
