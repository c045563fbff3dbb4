"""Sequential patterns: what is taken after what, by how many people.

Pei et al. (2001, 2004) for PrefixSpan, written out to be read, and a search over occurrence arrays for size, which
gives the same patterns. Agrawal & Srikant (1995) for the problem, Srikant & Agrawal (1996) for gaps and windows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations, groupby

import numpy as np
import pandas as pd

PATTERN_COLUMNS = ["pattern", "length", "count", "users", "support"]
MOST_PATTERNS = 200_000
CHUNK = 2_000_000
"""Rows that the search expands at a time: bounds its memory."""
Element = tuple[str, ...]
Pattern = tuple[Element, ...]


class SequenceError(ValueError):
    """An argument of the search for sequences is not allowed; the message names it, its value and the cure."""


class TooManyPatterns(SequenceError):
    """The search would return more patterns than memory or a reader can hold."""


def prefixspan(
    steps: pd.DataFrame,
    *,
    min_count: int,
    max_gap: int | None = None,
    max_window: int | None = None,
    max_length: int = 10,
    repeats: bool = True,
) -> pd.DataFrame:
    r"""All patterns that enough people follow, found by PrefixSpan; elements may hold several items.

    A person follows $\langle e_1, \dots, e_k \rangle$ when there are baskets at times $t_1 < \dots < t_k$, the i-th of
    which holds all of $e_i$, with $t_{i+1} - t_i \le$ `max_gap` and $t_k - t_1 \le$ `max_window`. Other baskets may lie
    between. Everybody counts once. support = count / users, from 0 to 1.

    Parameters
    ----------
    steps : DataFrame
        One row a (basket, item): `user`, `time` (whole number in any unit), `item`. Rows of one user and one time are
        one basket. A row without an item only keeps its user in the number of users.
    min_count : int
        The fewest people, 1 or more.
    max_gap, max_window : int, optional
        Longest time between two successive elements, and from the first to the last, in the unit of `time`.
    max_length : int
        Most items in a pattern.
    repeats : bool
        False: no item twice in a pattern.

    Returns
    -------
    DataFrame
        pattern (tuple of elements, each a sorted tuple of texts), length (items), count (people), users, support; by
        length, falling count, pattern.

    Raises
    ------
    SequenceError
        A limit below its range, or two items with one text.

    Notes
    -----
    A pattern's beginning is followed by at least as many people, so a search from the front misses nothing. That does
    not hold for a pattern with its middle left out: with a gap, a → b → c may have more followers than a → c.

    References
    ----------
    Pei et al. (2001): pei2001.

    Examples
    --------
    >>> log = pd.DataFrame({"user": [1, 1, 2, 2], "time": [1, 5, 1, 2], "item": ["tent", "stove", "tent", "stove"]})
    >>> prefixspan(log, min_count=2)[["pattern", "count"]]
                   pattern  count
    0          ((stove,),)      2
    1           ((tent,),)      2
    2  ((tent,), (stove,))      2
    >>> len(prefixspan(log, min_count=2, max_gap=3))
    2
    """
    _check(min_count, max_gap, max_window, max_length)
    database = sequences(steps)
    gap, window = (np.inf if limit is None else limit for limit in (max_gap, max_window))
    found: list[tuple[Pattern, int]] = []

    def grow(pattern: Pattern, ends: dict[int, dict[int, int]]) -> None:
        """`ends`: person → place of the last element → the latest time at which such an occurrence begins."""
        for longer, projected in _extensions(database, pattern, ends, gap, window, repeats):
            if len(projected) >= min_count:
                found.append((longer, len(projected)))
                if sum(map(len, longer)) < max_length:
                    grow(longer, projected)

    grow((), {person: {} for person in range(len(database))})
    return _table(found, len(database))


def _extensions(
    database: list, pattern: Pattern, ends: dict[int, dict[int, int]], gap: float, window: float, repeats: bool
) -> Iterator[tuple[Pattern, dict[int, dict[int, int]]]]:
    """Every pattern with one item more, with its own ends."""
    used = {item for element in pattern for item in element}
    grown: dict[Pattern, dict[int, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for person, places in ends.items():
        for end, start, in_same in _reach(database[person], pattern, places, gap, window):
            for item in database[person][end][1]:
                if (in_same and item <= pattern[-1][-1]) or (not repeats and item in used):
                    continue
                longer = (*pattern[:-1], (*pattern[-1], item)) if in_same else (*pattern, (item,))
                known = grown[longer][person]
                known[end] = max(start, known.get(end, start))
    yield from sorted(grown.items())


def _reach(
    baskets: list, pattern: Pattern, places: dict[int, int], gap: float, window: float
) -> Iterator[tuple[int, int, bool]]:
    """Where a person's pattern can go on: (place, beginning of the occurrence, in the basket of the last element?)."""
    if not pattern:
        yield from ((place, time, False) for place, (time, _) in enumerate(baskets))
    for end, start in places.items():
        yield end, start, True
        for place in range(end + 1, len(baskets)):
            time = baskets[place][0]
            if time - baskets[end][0] <= gap and time - start <= window:
                yield place, start, False


def sequences(steps: pd.DataFrame) -> list[list[tuple[int, Element]]]:
    """Each person's baskets in time: a list of (time, sorted items).

    >>> sequences(pd.DataFrame({"user": [1, 1, 1], "time": [2, 1, 1], "item": ["c", "b", "a"]}))
    [[(1, ('a', 'b')), (2, ('c',))]]
    """
    code, names = _texts(steps["item"])
    rows = sorted(
        {(u, t, c) for u, t, c in zip(steps["user"].tolist(), steps["time"].tolist(), code.tolist(), strict=True)}
    )
    return [
        [(t, tuple(names[c] for *_, c in own if c >= 0)) for t, own in groupby(mine, key=lambda row: row[1])]
        for _, mine in groupby(rows, key=lambda row: row[0])
    ]


def _texts(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes (−1: no item) in the order of the texts, and the plain Python texts."""
    code, values = pd.factorize(column)
    names = [str(v) for v in values]
    if len(set(names)) < len(names):
        twice = next(n for n, k in Counter(names).items() if k > 1)
        raise SequenceError(f"steps: two different items read {twice[:60]!r}; rename one of them")
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names) + 1, np.int64)
    place[order], place[-1] = np.arange(len(names)), -1
    return place[code], [names[k] for k in order]


def _check(min_count: int, max_gap: int | None, max_window: int | None, max_length: int) -> None:
    if min_count < 1 or max_length < 1:
        raise SequenceError(f"min_count={min_count}, max_length={max_length}: give 1 or more")
    for name, limit in (("max_gap", max_gap), ("max_window", max_window)):
        if limit is not None and limit < 0:
            raise SequenceError(f"{name}={limit} is negative; give a length of time, or None for no limit")


def _table(found: list[tuple[Pattern, int]], users: int) -> pd.DataFrame:
    found = sorted(found, key=lambda f: (sum(map(len, f[0])), -f[1], f[0]))
    table = pd.DataFrame({"pattern": pd.Series([f[0] for f in found], dtype=object)})
    table["length"] = np.array([sum(map(len, f[0])) for f in found], np.int64)
    table["count"] = np.array([f[1] for f in found], np.int64)
    return table.assign(users=np.int64(users), support=table["count"] / max(users, 1))[PATTERN_COLUMNS]


@dataclass(frozen=True)
class Occurrences:
    """The log as arrays: one row an item in a basket, ordered by person, time and item.

    `slot` is the row's basket; `slot_user` and `slot_time` belong to the baskets, ordered by person and time. Only
    items of enough people have rows; `users` counts everybody.
    """

    item: np.ndarray
    slot: np.ndarray
    slot_user: np.ndarray
    slot_time: np.ndarray
    items: tuple[str, ...]
    users: int


def occurrences(steps: pd.DataFrame, *, min_count: int = 1) -> Occurrences:
    """The log as arrays, without the items that too few people took.

    Parameters
    ----------
    steps : DataFrame
        As in `prefixspan`.
    min_count : int
        The fewest people that must have taken an item.

    Examples
    --------
    >>> log = pd.DataFrame({"user": [1, 1, 2], "time": [1, 5, 1], "item": ["tent", "stove", "tent"]})
    >>> occurrences(log, min_count=2).items
    ('tent',)
    """
    code, names = _texts(steps["item"])
    user = pd.factorize(steps["user"], sort=True)[0]
    time = steps["time"].to_numpy(np.int64) if len(steps) else np.zeros(0, np.int64)
    slots = pd.MultiIndex.from_arrays([user, time])
    slot, pairs = pd.factorize(slots, sort=True)
    rows = np.unique(slot * (len(names) + 1) + code + 1)
    slot, item = rows // (len(names) + 1), rows % (len(names) + 1) - 1
    slot, item = slot[item >= 0], item[item >= 0]
    slot_user = np.asarray(pairs.get_level_values(0), np.int64)
    taken = np.unique(slot_user[slot] * max(len(names), 1) + item) % max(len(names), 1)
    keep = np.bincount(taken, minlength=len(names)) >= min_count
    place, good = np.cumsum(keep) - 1, keep[item]
    slot_time = np.asarray(pairs.get_level_values(1), np.int64)
    kept = tuple(n for n, k in zip(names, keep, strict=True) if k)
    return Occurrences(place[item[good]], slot[good], slot_user, slot_time, kept, len(np.unique(user)))


def shuffled(log: Occurrences, *, seed: int | list[int]) -> Occurrences:
    """The same people, times and baskets, but each person's baskets in a random order over his or her times.

    Examples
    --------
    >>> log = occurrences(pd.DataFrame({"user": [1, 1], "time": [1, 5], "item": ["tent", "stove"]}))
    >>> sorted({shuffled(log, seed=s).item[0].item() for s in range(9)})
    [0, 1]
    """
    rng = np.random.default_rng(seed)
    moved = np.empty(len(log.slot_user), np.int64)
    moved[np.lexsort((rng.random(len(moved)), log.slot_user))] = np.arange(len(moved))
    slot = moved[log.slot]
    order = np.argsort(slot, kind="stable")
    return replace(log, item=log.item[order], slot=slot[order])


def chains(
    steps: pd.DataFrame | Occurrences,
    *,
    min_count: int,
    max_gap: int | None = None,
    max_window: int | None = None,
    max_length: int = 10,
    repeats: bool = True,
    limit: int = MOST_PATTERNS,
) -> pd.DataFrame:
    """All patterns of single items that enough people follow: the same as `prefixspan` gives, for large logs.

    Level by level, for all patterns at once. Of each occurrence only its end and its latest beginning are kept. An item
    is then joined with the *nearest* end before it, and with no other: the nearest end is best for the gap, and its
    beginning is the latest, thus best for the window.

    Parameters
    ----------
    steps : DataFrame or Occurrences
        As in `prefixspan`.
    min_count, max_gap, max_window, max_length, repeats
        As in `prefixspan`.
    limit : int
        More patterns than that are refused before memory runs out.

    Returns
    -------
    DataFrame
        As `prefixspan`; every element holds one item.

    Raises
    ------
    TooManyPatterns
        With advice.

    Examples
    --------
    >>> log = pd.DataFrame({"user": [1, 1, 2, 2], "time": [1, 5, 1, 2], "item": ["tent", "stove", "tent", "stove"]})
    >>> chains(log, min_count=2)["pattern"].tolist()[-1]
    (('tent',), ('stove',))
    """
    log = steps if isinstance(steps, Occurrences) else occurrences(steps, min_count=min_count)
    found: list[tuple[Pattern, int]] = []
    how = {"max_gap": max_gap, "max_window": max_window, "max_length": max_length, "repeats": repeats}
    for length, codes, counts in counted(log, keep=lambda _, __, n: n >= min_count, min_count=min_count, **how):
        if len(found) + len(codes) > limit:
            raise TooManyPatterns(
                f"min_count={min_count} with max_length={max_length} gives more than {limit:,} sequences; raise "
                f"min_support, or lower max_length to {max(length - 1, 1)}"
            )
        found += zip(decoded(codes, length, log.items), counts.tolist(), strict=True)
    return _table(found, log.users)


def decoded(codes: np.ndarray, length: int, items: tuple[str, ...]) -> list[Pattern]:
    """Patterns of single items from their numbers: the items are the digits.

    >>> decoded(np.array([1, 2]), 2, ("a", "b"))
    [(('a',), ('b',)), (('b',), ('a',))]
    """
    digits = [codes // len(items) ** k % len(items) for k in reversed(range(length))]
    return [tuple((items[d],) for d in row) for row in zip(*(d.tolist() for d in digits), strict=True)]


def counted(
    log: Occurrences,
    *,
    keep: Callable[[int, np.ndarray, np.ndarray], np.ndarray],
    min_count: int = 1,
    max_gap: int | None = None,
    max_window: int | None = None,
    max_length: int = 10,
    repeats: bool = True,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Length by length, the patterns that `keep` lets pass: (length, codes, counts of people).

    `keep(length, codes, counts)` gives a mask; what it drops is not made longer. A code has the items as digits, see
    `decoded`; the codes ascend. A pattern that nobody follows does not come up.
    """
    _check(min_count, max_gap, max_window, max_length)
    size = len(log.items)
    if size ** float(max_length) > 2**62:
        raise SequenceError(f"max_length={max_length} is too long for {size:,} items; lower it or raise min_support")
    clock = _Clock.of(log, max_gap, max_window)
    rows = np.argsort(log.item, kind="stable")
    level = _kept(1, log.item[rows], rows, clock.key[rows], clock, keep)
    for length in range(1, max_length + 1):
        if not len(level.codes):
            return
        yield length, level.codes, level.counts
        if length < max_length:
            level = _longer(level, length + 1, log, clock, keep, repeats)


@dataclass(frozen=True)
class _Clock:
    """Times as keys that ascend over people and time; other people are further away than any gap or window.

    `last` is the row behind a person's last one.
    """

    key: np.ndarray
    user: np.ndarray
    last: np.ndarray
    width: int
    gap: int
    window: int

    @classmethod
    def of(cls, log: Occurrences, max_gap: int | None, max_window: int | None) -> _Clock:
        time = log.slot_time - log.slot_time.min(initial=0)
        span = int(time.max(initial=0))
        gap, window = (span if limit is None else min(limit, span) for limit in (max_gap, max_window))
        user, rows = log.slot_user[log.slot], np.bincount(log.slot_user[log.slot], minlength=log.users)
        key = user * (2 * span + 1) + time[log.slot]
        return cls(key, user, np.cumsum(rows), log.users * (2 * span + 1), gap, window)


@dataclass(frozen=True)
class _Level:
    """The patterns of one length, and their occurrences: pattern, row of the end, key of the latest beginning."""

    codes: np.ndarray
    counts: np.ndarray
    part: np.ndarray
    row: np.ndarray
    start: np.ndarray


def _kept(length: int, code: np.ndarray, row: np.ndarray, start: np.ndarray, clock: _Clock, keep: Callable) -> _Level:
    """Count people by code (ascending, and by time within it) and keep the occurrences of what passes."""
    new_code = np.diff(code, prepend=-1) != 0
    part = np.cumsum(new_code) - 1
    user = clock.user[row]
    new_user = new_code | (np.diff(user, prepend=-1) != 0)
    codes, counts = code[new_code], np.bincount(part[new_user], minlength=int(new_code.sum()))
    good = keep(length, codes, counts)
    here = good[part] if len(part) else np.zeros(0, bool)
    place = np.cumsum(good) - 1
    return _Level(codes[good], counts[good], place[part[here]], row[here], start[here])


def _longer(level: _Level, length: int, log: Occurrences, clock: _Clock, keep: Callable, repeats: bool) -> _Level:
    """All patterns with one item more, some patterns at a time."""
    person = np.diff(level.part * len(clock.last) + clock.user[level.row], prepend=-1) != 0
    row = level.row[person]
    work = np.bincount(level.part[person], clock.last[clock.user[row]] - row, len(level.codes))
    most = max(1, 2**62 // max(clock.width, 1))
    bins = np.maximum(np.cumsum(work) // CHUNK, np.arange(len(work)) // most)
    bounds = np.flatnonzero(np.diff(bins, prepend=-1))
    parts = []
    for a, b in zip(bounds, [*bounds[1:], len(work)], strict=True):
        ends = slice(*np.searchsorted(level.part, [a, b]))
        digits = 0 if repeats else length - 1
        parts.append(_kept(length, *_joined(level, ends, person, log, clock, digits), clock, keep))
    before = np.cumsum([0, *(len(p.codes) for p in parts)])[:-1]
    part = [p.part + k for p, k in zip(parts, before, strict=True)]
    columns = zip(*((p.codes, p.counts, q, p.row, p.start) for p, q in zip(parts, part, strict=True)), strict=True)
    return _Level(*map(np.concatenate, columns))


def _joined(
    level: _Level, ends: slice, person: np.ndarray, log: Occurrences, clock: _Clock, digits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Code, row and latest beginning of each longer occurrence; none of the last `digits` items comes again."""
    part, row, start = level.part[ends], level.row[ends], level.start[ends]
    low = int(part[0])
    once = person[ends]
    user = clock.user[row[once]]
    after = row[once] + 1  # the rows behind the person's first end
    times = clock.last[user] - after
    later = np.repeat(after - np.cumsum(times) + times, times) + np.arange(times.sum())
    of = np.repeat(part[once], times)
    end = (part - low) * clock.width + clock.key[row]
    now = (of - low) * clock.width + clock.key[later]
    near = np.searchsorted(end, now) - 1  # the nearest end strictly before
    good = (near >= 0) & (now - end[near] <= clock.gap) & (clock.key[later] - start[near] <= clock.window)
    near, later = near[good], later[good]
    size, item = len(log.items), log.item[later]
    prefix = level.codes[part[near]]
    if digits:
        fresh = np.all([prefix // size**k % size != item for k in range(digits)], axis=0)
        near, later, item, prefix = near[fresh], later[fresh], item[fresh], prefix[fresh]
    code = prefix * size + item
    order = np.argsort(code, kind="stable")
    return code[order], later[order], start[near][order]


def closed(patterns: pd.DataFrame) -> pd.DataFrame:
    """The patterns that no longer pattern of the table repeats: none holds them and has as many followers.

    Parameters
    ----------
    patterns : DataFrame
        As `prefixspan` or `chains` gives them, with all lengths. Of the longest ones all stay.

    Returns
    -------
    DataFrame
        Those rows, in the same order. With a gap, the followers of the longer pattern may be other people.

    Examples
    --------
    >>> log = pd.DataFrame({"user": [1, 1, 2, 2], "time": [1, 2, 1, 2], "item": ["a", "b", "a", "b"]})
    >>> closed(prefixspan(log, min_count=2))["pattern"].tolist()
    [(('a',), ('b',))]
    """
    counts = dict(zip(patterns["pattern"], patterns["count"], strict=True))
    repeated = {part for pattern, count in counts.items() for part in parts(pattern) if counts.get(part) == count}
    return patterns[np.array([p not in repeated for p in counts], bool)].reset_index(drop=True)


def parts(pattern: Pattern) -> set[Pattern]:
    """All shorter patterns that a pattern holds.

    >>> sorted(parts((("a",), ("b", "c"))))
    [(('a',),), (('a',), ('b',)), (('a',), ('c',)), (('b',),), (('b', 'c'),), (('c',),)]
    """
    flat = [(place, item) for place, element in enumerate(pattern) for item in element]
    some = (chosen for k in range(1, len(flat)) for chosen in combinations(flat, k))
    return {tuple(tuple(i for _, i in own) for _, own in groupby(chosen, key=lambda f: f[0])) for chosen in some}


def arrows(pattern: Pattern) -> str:
    """A pattern as text.

    >>> arrows((("tent",), ("stove", "lamp")))
    'tent → stove + lamp'
    """
    return " → ".join(" + ".join(element) for element in pattern)
