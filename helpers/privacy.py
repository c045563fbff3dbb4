"""What must not be read off a published table: small groups, and people singled out by a few points of their trace.

Small groups are hidden together with a second group, so that no subtraction brings them back (Hundepool et al. 2012).
Unicity says how many people a few points of their trace single out (de Montjoye et al. 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.engine import as_table, hold
from helpers.intervals import wilson

HIDDEN = "hidden"
"""The column that `suppress` adds: why a row shows no numbers."""
TIME_UNITS = {"day": "D", "week": "W", "month": "M"}
FIRST_LOOK = 1_000
"""Among so many users another holder of drawn points is looked for first."""
SHARES = ["singled_out_share", "singled_out_share_ci_low", "singled_out_share_ci_high"]
UNICITY = ("points", "item", "time_unit", "users", *SHARES, "method")


class PrivacyError(ValueError):
    """An argument that no private table can be made with; the message names it and the cure."""


def suppress(
    table: pd.DataFrame,
    *,
    count: str,
    min_cell: int,
    values: list[str] | tuple[str, ...],
    by: str | list[str] | None = None,
    additive: bool = True,
) -> pd.DataFrame:
    """Hide groups of fewer than `min_cell` people, and what would bring them back by subtraction.

    A row with count < min_cell loses its count and values: also a count of 0 and a rate of 0 or 1, which say of every
    member what he did. Where groups add up to a total that the reader can know, a single hidden row is that total less
    the others; so in every such total the smallest shown rows are hidden, too, until at least two rows are hidden and
    together hold `min_cell` people. Both kinds carry the same words, so that nobody can tell them apart.

    Parameters
    ----------
    table : DataFrame
        One row a group.
    count : str
        The column with the number of people of the group, ≥ 0.
    min_cell : int
        The smallest group that may be shown.
    values : list of str
        The columns that are lost with the count: everything measured on the group.
    by : str or list of str, optional
        Columns whose groups of rows have a total of their own: rows and columns of a cross table, for example. Without
        it the whole table has one total.
    additive : bool
        False where the groups overlap, such as buyers by category: then there is no total to subtract from.

    Returns
    -------
    DataFrame
        The same rows in the same order; hidden numbers are missing, and a column `hidden` says 'fewer than 10, or
        protects such a group' (empty where the row is shown).

    Raises
    ------
    PrivacyError
        A column that the table does not have, a missing or negative count, or min_cell < 1.

    Notes
    -----
    A group that is the only one of its total has no second row to hide with it: hide that total as well. With two
    sets of totals every line of the cross table is safe from subtraction within that line.

    References
    ----------
    Hundepool et al. (2012): hundepool2012.

    Examples
    --------
    West alone would be 60 − 30 − 12 − 15 = 3, so the smallest other group is hidden with it:

    >>> t = pd.DataFrame({"region": ["N", "E", "S", "W"], "users": [30, 12, 15, 3], "buy_rate": [.5, .4, .2, 1.]})
    >>> suppress(t, count="users", min_cell=10, values=["buy_rate"])[["region", "users", "buy_rate"]]
      region  users  buy_rate
    0      N     30       0.5
    1      E   <NA>       NaN
    2      S     15       0.2
    3      W   <NA>       NaN
    """
    margins = [by] if isinstance(by, str) else list(by or [])
    counts = _checked(table, count, min_cell, [*values, *margins])
    hidden = counts < min_cell
    lines = [np.arange(len(table))] if not margins else _lines(table, margins)
    while additive and any(_hide_one_more(line, counts, hidden, min_cell) for line in lines):
        pass
    result = table.copy()
    for column in dict.fromkeys([count, *values]):
        result[column] = _masked(result[column], hidden)
    result[HIDDEN] = np.where(hidden, f"fewer than {min_cell}, or protects such a group", "")
    return result


def common_words(words: pd.Series, people: pd.Series, *, min_cell: int) -> pd.Series:
    """The words with 'another' in place of those that fewer than `min_cell` people hold: such a word may be a name.

    Parameters
    ----------
    words, people : Series
        A word and its person, one row each; a person may have many rows.
    min_cell : int
        The smallest number of people whose word is repeated.

    Examples
    --------
    >>> common_words(pd.Series(["f", "Anna", "f"]), pd.Series([1, 2, 3]), min_cell=2).tolist()
    ['f', 'another', 'f']
    """
    held = people.groupby(words).nunique()
    return words.where(words.map(held) >= min_cell, "another")


def _checked(table: pd.DataFrame, count: str, min_cell: int, columns: list[str]) -> np.ndarray:
    for name in (count, *columns):
        if name not in table.columns:
            raise PrivacyError(f"column {name!r} is not in the table; it has {', '.join(map(str, table.columns))}")
    if min_cell < 1:
        raise PrivacyError(f"min_cell {min_cell!r} hides nothing; take 1 or more (10 is usual)")
    counts = pd.to_numeric(table[count]).to_numpy(dtype=float, na_value=np.nan)
    if len(counts) and not (counts >= 0).all():
        raise PrivacyError(f"column {count!r} holds a missing or negative number of people; count again")
    return counts


def _lines(table: pd.DataFrame, margins: list[str]) -> list[np.ndarray]:
    """Positions of the rows of every total."""
    return [np.asarray(rows) for m in margins for rows in table.groupby(m, dropna=False).indices.values()]


def _hide_one_more(line: np.ndarray, counts: np.ndarray, hidden: np.ndarray, min_cell: int) -> bool:
    """Hide the smallest shown row of a line that gives a hidden one away; was there one?"""
    there = hidden[line]
    safe = not there.any() or (there.sum() >= 2 and counts[line][there].sum() >= min_cell)
    if safe or there.all():
        return False
    shown = line[~there]
    hidden[shown[np.argmin(counts[shown])]] = True
    return True


def _masked(column: pd.Series, hidden: np.ndarray) -> pd.Series:
    """The column with missing values where hidden; whole numbers stay whole."""
    if pd.api.types.is_integer_dtype(column):
        return column.astype("Int64").mask(hidden)
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean").mask(hidden)
    return column.mask(hidden)


def unicity(
    events: ir.Table,
    *,
    points: int | tuple[int, ...] = (1, 2, 3),
    item: str = "item_id",
    time_unit: str = "day",
    top: int | None = None,
    sample: int = 500,
    seed: int = 1,
    min_cell: int = 1,
) -> pd.DataFrame:
    """How many users do a few points of their trace single out?

    A point is *this item on this day*. unicity(k) = share of users of whom k random own points belong to no other user,
    range 0…1; 1: k points known from elsewhere (a bill, a post) find everybody's whole trace. One point: the exact
    expectation over all users and all their points. More points: one random draw for each of `sample` users, with a
    Wilson interval. A user with fewer points gives all that he has.

    Parameters
    ----------
    events : ibis Table
        The log, with `day`.
    points : int or tuple of int
        Numbers of points, 1…10.
    item : str
        'item_id', or 'category_id' for a coarser trace.
    time_unit : str
        'day', 'week' or 'month'.
    top : int, optional
        Keep so many of the most frequent items or categories and call the rest *other*: coarser still.
    sample, seed : int
        Number of users drawn for two and more points, and the seed of the draw.
    min_cell : int
        Rows with fewer users show no numbers.

    Returns
    -------
    DataFrame
        One row a number of points: points, item, time_unit, users (looked at), singled_out_share with its
        singled_out_share_ci_low and _ci_high (missing where exact), method ('exact' or 'sample').

    Raises
    ------
    PrivacyError
        An unknown item column or time unit, or points outside 1…10.

    References
    ----------
    de Montjoye et al. (2013): demontjoye2013.
    """
    wanted = (points,) if isinstance(points, int) else tuple(points)
    if item not in ("item_id", "category_id") or time_unit not in TIME_UNITS:
        raise PrivacyError(f"item {item!r}, time_unit {time_unit!r}: take item_id or category_id, and day, week, month")
    if not wanted or min(wanted) < 1 or max(wanted) > 10:
        raise PrivacyError(f"points {points!r}: take numbers from 1 to 10")
    log = events.select("user_id", "day", thing=events[item])
    points = _points(log, time_unit, top)
    people = log.select("user_id").distinct().order_by("user_id").execute()["user_id"]
    drawn = {k: _draw(points, people, k, sample, seed) for k in wanted if k > 1 and len(people)}
    shared = _shared(points, people, drawn)
    rows = [_sampled(drawn.get(k), shared.get(k, 0)) if k > 1 else _exact(points, len(people)) for k in wanted]
    table = pd.DataFrame(rows).assign(points=wanted, item=item, time_unit=time_unit)
    if top is not None:
        table["item"] = f"{item}, the {top} most frequent"
    table = suppress(table, count="users", min_cell=min_cell, values=SHARES, additive=False) if min_cell > 1 else table
    return table[list(UNICITY)]


@dataclass(frozen=True)
class _Points:
    """The rows of a log (user_id, day, thing), and how a row's point is called: by place and time.

    `cells`: one row a thing and day, with place and time of its point and its first and last user by id. Held.
    """

    log: ir.Table
    cells: ir.Table
    often: list | None
    time_unit: str

    def of(self, users: ir.Table) -> ir.Table:
        """One row a point of these users: user_id, place, time."""
        rows = _named(self.log.semi_join(users, "user_id"), self.time_unit, self.often)
        return rows.select("user_id", "place", "time").distinct()


def _points(log: ir.Table, time_unit: str, top: int | None) -> _Points:
    cells = log.group_by("thing", "day").agg(n=log.count(), first=log.user_id.min(), last=log.user_id.max())
    cells, often = hold(cells), None
    if top is not None:
        places = cells.group_by(place=cells.thing.cast("string")).agg(n=cells.n.sum())
        often = places.order_by(places.n.desc(), places.place).limit(top).execute()["place"].tolist()
    return _Points(log, _named(cells, time_unit, often), often, time_unit)


def _named(table: ir.Table, time_unit: str, often: list | None) -> ir.Table:
    """With place and time of the point that a thing and a day are."""
    time = table.day.cast("date")
    time = time if time_unit == "day" else time.truncate(TIME_UNITS[time_unit]).cast("date")
    place = table.thing.cast("string") if often else table.thing
    return table.mutate(place=place.isin(often).ifelse(place, "other") if often else place, time=time)


def _exact(points: _Points, users: int) -> dict:
    """A point with one holder is found without a look at who holds it; only its holder's points are counted."""
    held = points.cells.group_by("place", "time")
    held = held.agg(first=points.cells["first"].min(), last=points.cells["last"].max())
    alone = held.filter(held["first"] == held["last"]).group_by(user_id="first").agg(alone=ibis._.count())
    alone = hold(alone)
    own = points.of(alone).group_by("user_id").agg(points=ibis._.count())
    shares = alone.join(own, "user_id")
    total = shares.agg(share=(shares.alone / shares.points).sum()).execute()["share"].iloc[0]
    return _row(users, (0.0 if pd.isna(total) else float(total)) / users if users else None, "exact")


def _row(users: int, share: float | None, method: str, low: float | None = None, high: float | None = None) -> dict:
    interval = {"singled_out_share_ci_low": low, "singled_out_share_ci_high": high}
    return {"users": users, "singled_out_share": share, **interval, "method": method}


def _sampled(drawn: pd.DataFrame | None, shared: int) -> dict:
    users = 0 if drawn is None else int(drawn["draw"].nunique())
    if not users:
        return _row(0, None, "sample")
    alone = users - shared
    return _row(users, alone / users, "sample", *wilson(alone, users))


def _draw(points: _Points, people: pd.Series, k: int, sample: int, seed: int) -> pd.DataFrame:
    """k random own points of each of `sample` random users: draw, needed, user_id, place, time."""
    rng = np.random.default_rng([seed, k])
    chosen = people.iloc[np.sort(rng.permutation(len(people))[:sample])]
    mine = points.of(as_table(pd.DataFrame({"user_id": chosen})))
    mine = mine.order_by("user_id", mine.place.cast("string"), "time").execute()
    mine = mine.assign(chance=rng.random(len(mine)), draw=mine.groupby("user_id").ngroup())
    drawn = mine.sort_values(["draw", "chance"]).groupby("draw").head(k).drop(columns="chance")
    return drawn.assign(needed=drawn.groupby("draw")["place"].transform("size"))


def _shared(points: _Points, people: pd.Series, drawn: dict[int, pd.DataFrame]) -> dict[int, int]:
    """How many draws of each number of points somebody else holds, too.

    One other holder is enough. So few users are looked at first, and more only for the draws that are left.
    """
    if not drawn:
        return {}
    left = pd.concat([t.assign(k=k) for k, t in drawn.items()], ignore_index=True).rename(columns={"user_id": "owner"})
    left = left.assign(draw=left.groupby(["k", "draw"]).ngroup(), point=left.groupby(["place", "time"]).ngroup())
    draws = left.drop_duplicates("draw").set_index("draw")["k"]
    known = points.cells.join(as_table(left), ["place", "time"])
    known = hold(known.select("thing", "day", "draw", "needed", "owner", "point"))
    found, begin, end = set(), 0, FIRST_LOOK
    while begin < len(people) and len(found) < len(draws):
        users = people.iloc[begin:end]
        log = points.log.filter(points.log.user_id.between(users.iloc[0], users.iloc[-1]))
        open_draws = as_table(pd.DataFrame({"draw": draws.index.difference(found)}))
        held = log.join(known.semi_join(open_draws, "draw"), ["thing", "day"])
        held = held.filter(held.user_id != held.owner).select("draw", "needed", "user_id", "point").distinct()
        held = held.group_by("draw", "needed", "user_id").agg(n=ibis._.count())
        found |= set(held.filter(held.n == held.needed).select("draw").distinct().execute()["draw"])
        begin, end = end, end * 8
    return draws[draws.index.isin(found)].value_counts().to_dict()
