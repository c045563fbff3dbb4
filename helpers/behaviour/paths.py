"""Paths: what follows what within a visit, from its start to its exit.

One pass over the events holds one string a visit (`sessions`), a second asks which purchases had been viewed before;
everything else is counted on these strings. A visit of `longest` actions or fewer is a path; longer ones are machines
or faults, left out whole and counted, since a cut path would end in an exit that never was.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.behaviour.sessions import add_visits, check_choice, check_positive, hide_small
from helpers.engine import hold, in_parts
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, add_rate_by_cluster, z_value
from helpers.tables import BEHAVIORS

STATES = ("start", *BEHAVIORS, "exit")
"""Where a visit can be; in the strings each state is one digit, its place in this tuple."""
DIGITS = "1234"
FROM, TO = STATES[:-1], STATES[1:]
MOVES = [(a, b) for a in FROM for b in TO if (a, b) != ("start", "exit")]
"""All 24 moves that a visit can make."""
ORIGIN = [FROM.index(a) for a, _ in MOVES]
SEGMENTS = ("activity", "daypart", "city tier", "age band", "halves")
OTHER = "other"


@dataclass(frozen=True)
class Paths:
    """One row a user and visit, computed once and held.

    `table` has `user_id, visit, hour` (of the first action), `actions, buys`, `path` (the behaviours as digits, in
    order) and `short` (the same with repeats collapsed); both are missing where the visit has more than `longest`
    actions. `unseen` has one row: `buys, unseen_log, unseen_visit`, all purchases and those without a view of the item
    before, in the log and in the visit.
    """

    table: ir.Table
    unseen: ir.Table
    longest: int

    @property
    def kept(self) -> ir.Table:
        """The visits that are paths."""
        return self.table.filter(self.table.path.notnull())


def sessions(events: ir.Table, *, session_minutes: float = 30, longest: int = 200) -> Paths:
    """The passes over the events: each visit as a string of its behaviours, and the purchases of unseen items.

    Actions of one second are taken in the order of commitment (view, favourite, cart, purchase), whatever their items,
    so that neither the order of the rows nor the ids matter.

    Parameters
    ----------
    events : ibis Table
        One row an action, with `hour`.
    session_minutes : float
        As in `sessions.add_visits`.
    longest : int
        Most actions of a visit, 1 or more; longer visits are left out whole.

    Returns
    -------
    Paths
        Computed once and held.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> log = as_table(pd.DataFrame({"user_id": 1, "item_id": 7, "behavior": ["pv", "pv", "cart", "buy"],
    ...     "timestamp": [0, 10, 20, 9000], "hour": 0}))
    >>> sessions(log).table.order_by("visit").execute()[["visit", "path", "short"]]
       visit path short
    0      1  113    13
    1      2    4     4
    """
    check_positive("longest", longest)
    table = add_visits(events, session_minutes=session_minutes)
    visits = hold(in_parts(lambda some: _strings(some, longest), table))
    unseen = in_parts(_unseen, table, visits.filter(visits.buys > 0).select("user_id", "visit", "bought"))
    return Paths(visits.drop("bought"), hold(unseen.agg(**{c: unseen[c].sum() for c in unseen.columns})), int(longest))


def _strings(table: ir.Table, longest: float) -> ir.Table:
    """One row a visit: its actions as a string of digits, the same without repeats, and what was bought in it."""
    digit = table.behavior.cases(*((b, STATES.index(b)) for b in BEHAVIORS), else_=0).cast("int64")
    # one sortable number an action: the second, then the digit
    code, what = table.timestamp * 8 + digit, ibis.struct({"item_id": table.item_id, "timestamp": table.timestamp})
    visits = table.group_by(["user_id", "visit"]).agg(
        hour=table.hour.argmin(table.timestamp), actions=table.count(), codes=code.collect(),
        bought=what.collect(where=table.behavior == "buy"), buys=table.count(where=table.behavior == "buy"),
    )  # fmt: skip
    path = visits.codes.sort().map(lambda code: (code % 8).cast("string")).join("")
    visits = visits.mutate(path=ibis.ifelse(visits.actions <= longest, path, None)).drop("codes")
    short = visits.path
    for one in DIGITS:  # most visits have no repeat: to look for one costs less than a pattern
        short = ibis.ifelse(short.contains(one + one), short.re_replace(f"{one}+", one), short)
    return visits.mutate(short=short)


def _unseen(table: ir.Table, visits: ir.Table) -> ir.Table:
    """All purchases, and those whose item the user had not viewed at or before that second: ever, in the visit.

    The second pass looks at the views of what a user bought alone; no window goes over all events.
    """
    bought = visits.select("user_id", "visit", what=ibis._.bought.unnest())
    bought = bought.select("user_id", "visit", item_id=bought.what.item_id, timestamp=bought.what.timestamp)
    bought = bought.group_by(["user_id", "item_id", "visit", "timestamp"]).agg(rows=ibis._.count())
    views = table.filter(table.behavior == "pv").semi_join(bought, ["user_id", "item_id"])
    views = views.group_by(["user_id", "item_id", "visit"]).agg(viewed=ibis._.timestamp.min())
    both = bought.left_join(views.rename(viewed_in="visit"), ["user_id", "item_id"])
    before = (both.viewed <= both.timestamp).fill_null(False)
    here = before & (both.viewed_in == both.visit).fill_null(False)
    each = both.group_by(["user_id", "item_id", "visit", "timestamp"])
    seen = each.agg(rows=both.rows.min(), ever=before.max(), here=here.max())
    return seen.agg(buys=seen.rows.sum(), unseen_log=_rows(seen, ~seen.ever), unseen_visit=_rows(seen, ~seen.here))


def _rows(table: ir.Table, where: ir.BooleanColumn) -> ir.IntegerScalar:
    return table.rows.sum(where=where).fill_null(0)


def accounting(paths: Paths) -> pd.DataFrame:
    """Which visits are paths, and which were left out for their length.

    Returns
    -------
    DataFrame
        `visits` (words), `sessions, actions, buys` and `session_share`; two rows that add up to the log.
    """
    table = paths.table.mutate(kept=paths.table.path.notnull())
    found = table.group_by("kept").agg(sessions=table.count(), actions=table.actions.sum(), buys=table.buys.sum())
    counts = found.execute().set_index("kept").reindex([True, False]).fillna(0).astype(int).reset_index(drop=True)
    counts.insert(0, "visits", [f"up to {paths.longest} actions", "longer: left out"])
    return counts.assign(session_share=counts.sessions / max(int(counts.sessions.sum()), 1))


def unseen(paths: Paths, *, level: float = 0.95) -> pd.DataFrame:
    """Left-censoring: purchases of an item that the user has not viewed before, as far as the log knows.

    Returns
    -------
    DataFrame
        `counted, without_view, of, unseen_rate` with its Wilson interval: against the whole log before, and against the
        same visit. The first says what the log cannot know; the second, how many purchases a path within a visit cannot
        explain.
    """
    row = paths.unseen.execute().fillna(0).astype(int).iloc[0]
    if not row.buys:
        return missing(["counted", "without_view", "of", "unseen_rate"], "nobody bought")
    words = ["no view of the item before, in the log", "no view of the item before, in the same visit"]
    rows = pd.DataFrame({"counted": words, "without_view": [row.unseen_log, row.unseen_visit], "of": row.buys})
    return add_rate(rows, successes="without_view", trials="of", name="unseen_rate", level=level)


def estimate_at(table: pd.DataFrame, column: str) -> Estimate:
    """The number in the first row of a table with its interval, or the reason why there is none.

    >>> estimate_at(pd.DataFrame({"rate": [0.5], "rate_ci_low": [0.4], "rate_ci_high": [0.6]}), "rate").ci_high
    0.6
    """
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no visit shows it"))
    values = [table[c].iloc[0] for c in (column, f"{column}_ci_low", f"{column}_ci_high")]
    if any(pd.isna(v) for v in values):
        return Estimate.missing("too few users to be shown")
    return Estimate(*(float(v) for v in values))


# Transitions ----------------------------------------------------------------------------------------------------------


def user_moves(paths: Paths, *, compress: bool = False) -> pd.DataFrame:
    """How often each user made each move: one row a user, one column a move.

    Parameters
    ----------
    paths : Paths
        From `sessions`.
    compress : bool
        True: repeats count once, so that no state follows itself.

    Returns
    -------
    DataFrame
        Index `user_id` in ascending order; columns 'start > pv' … 'buy > exit', whole numbers.
    """
    table = paths.kept
    counts = table.group_by("user_id").agg(**{name: move.sum() for name, move in _count_moves(table, compress).items()})
    return counts.execute().set_index("user_id").sort_index().astype("int64")


def _count_moves(table: ir.Table, compress: bool) -> dict[str, ir.IntegerColumn]:
    """Each visit's number of moves of each kind, from its string alone."""
    path = table.short if compress else table.path

    def count(text: ir.StringColumn, word: str) -> ir.IntegerColumn:
        return (text.length() - text.replace(word, "").length()) // len(word)

    found = {}
    for a, b in MOVES:
        x, y = str(STATES.index(a)), str(STATES.index(b))
        if a == "start":
            move = (path.left(1) == y).cast("int64")
        elif b == "exit":
            move = (path.right(1) == x).cast("int64")
        else:
            # pairs of unlike digits cannot overlap; a run of n like ones holds n − 1 moves
            move = count(path, x + y) if a != b else count(path, x) - count(table.short, x)
        found[f"{a} > {b}"] = move
    return found


def _arrays(moves: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Users × moves: how often the move was made, and how often its first state was left."""
    made = moves[[f"{a} > {b}" for a, b in MOVES]].to_numpy(float)
    left = np.column_stack([made[:, np.equal(ORIGIN, k)].sum(axis=1) for k in range(len(FROM))])
    return made, left[:, ORIGIN]


def transitions(moves: pd.DataFrame, *, min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """The transition matrix as a table: of all times that a state was left, which share went where?

    p(a → b) = n(a → b) / Σ_b n(a → b), 0…1; a row of the matrix adds up to 1.

    Parameters
    ----------
    moves : DataFrame
        From `user_moves`.
    min_cell : int
        Rows of states that fewer users were in show no numbers.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `from, to, users` (in the first state), `moves, of, move_rate` with its interval by users
        (`intervals.add_rate_by_cluster`): the moves of one user are not independent.
    """
    columns = ["from", "to", "users", "moves", "of", "move_rate", "move_rate_ci_low", "move_rate_ci_high"]
    if moves.empty:
        return missing(columns, "no visit is short enough to be a path")
    made, left = _arrays(moves)
    table = pd.DataFrame(MOVES, columns=["from", "to"]).assign(
        users=(left > 0).sum(axis=0), moves=made.sum(axis=0).astype(int), of=left.sum(axis=0).astype(int),
        xx=(left**2).sum(axis=0), xy=(left * made).sum(axis=0), yy=(made**2).sum(axis=0),
    )  # fmt: skip
    options = {"successes": "moves", "trials": "of", "clusters": "users", "name": "move_rate", "level": level}
    table = add_rate_by_cluster(table, **options)[columns]
    return hide_small(table, count="users", min_cell=min_cell, values=columns[3:])


def matrix(table: pd.DataFrame, *, value: str = "move_rate") -> pd.DataFrame:
    """Moves as a wide table: from down, to across, in the order of commitment.

    >>> moves = pd.DataFrame({"from": ["start", "pv"], "to": ["pv", "exit"], "move_rate": [1.0, 0.5]})
    >>> float(matrix(moves).loc["pv", "exit"])
    0.5
    """
    if table.empty:
        return missing(list(TO), table.attrs.get("reason", "no rows"))
    wide = table.pivot(index="from", columns="to", values=value).reindex(index=list(FROM), columns=list(TO))
    return wide.rename_axis(index=None, columns=None)


# Steps and flows ------------------------------------------------------------------------------------------------------


def _prefixes(paths: Paths, length: int, compress: bool) -> pd.DataFrame:
    """The different beginnings of `length` actions, as `word`, and their number of visits."""
    table = paths.kept
    table = table.mutate(word=(table.short if compress else table.path).left(length))
    return table.group_by("word").agg(sessions=table.count(), users=table.user_id.nunique()).execute()


def _few(paths: Paths, min_cell: int) -> str:
    """Why nothing can be shown of these visits; empty where it can."""
    users = int(paths.kept.user_id.nunique().execute())
    return "" if users >= max(min_cell, 1) else f"fewer than {max(min_cell, 1)} users have a path"


def steps(paths: Paths, *, length: int = 8, compress: bool = False, min_cell: int = 1) -> pd.DataFrame:
    """The step matrix: where are all visits at their first, second, third … action?

    Parameters
    ----------
    paths : Paths
        From `sessions`.
    length : int
        Number of steps, 1 or more.
    compress : bool
        True: repeats are one step.
    min_cell : int
        With fewer users nothing is shown.

    Returns
    -------
    DataFrame
        `step` 1…, `state` (the four behaviours and 'exited': the visit is over before this step), `sessions`,
        `session_share` of all visits; each step adds up to 1.
    """
    check_positive("length", length)
    columns = ["step", "state", "sessions", "session_share"]
    if reason := _few(paths, min_cell):
        return missing(columns, reason)
    words = _prefixes(paths, length, compress)
    parts = []
    for step in range(1, length + 1):
        state = words.word.str[step - 1 : step].map(_state_of)
        counts = words.sessions.groupby(state).sum().reindex([*BEHAVIORS, "exit"], fill_value=0)
        parts.append(pd.DataFrame({"step": step, "state": [*BEHAVIORS, "exited"], "sessions": counts.to_numpy()}))
    table = pd.concat(parts, ignore_index=True)
    return table.assign(session_share=table.sessions / words.sessions.sum())


def _state_of(digit: str) -> str:
    return STATES[int(digit)] if digit else "exit"


def step_matrix(table: pd.DataFrame) -> pd.DataFrame:
    """Steps as a wide table: states down, steps across, shares of all visits."""
    if table.empty:
        return missing(["step"], table.attrs.get("reason", "no rows"))
    wide = table.pivot(index="state", columns="step", values="session_share")
    return wide.reindex([*BEHAVIORS, "exited"]).rename_axis(index=None, columns=None)


def flows(
    paths: Paths, *, length: int = 4, compress: bool = True, min_share: float = 0.01, min_cell: int = 1
) -> pd.DataFrame:
    """How visits flow from step to step: the table behind a Sankey diagram.

    Parameters
    ----------
    paths, compress, min_cell
        As in `steps`.
    length : int
        Number of steps, 2 or more.
    min_share : float
        States that hold a smaller share of all visits at a step are merged into 'other' there; 0…1.

    Returns
    -------
    DataFrame
        `step` (of the origin, 1…), `from, to, sessions, session_share` of all visits, in order of steps and states.
        A visit that is over flows into 'exit' once and is not drawn further.
    """
    check_positive("length - 1", length - 1)
    columns = ["step", "from", "to", "sessions", "session_share"]
    if reason := _few(paths, min_cell):
        return missing(columns, reason)
    words = _prefixes(paths, length, compress)
    total = words.sessions.sum()
    at = [_merged(words, step, min_share * total) for step in range(1, length + 1)]
    parts = []
    for step in range(1, length):
        pair = pd.DataFrame({"from": at[step - 1], "to": at[step], "sessions": words.sessions})
        pair = pair[pair["from"] != "exit"]
        parts.append(pair.groupby(["from", "to"], as_index=False).sessions.sum().assign(step=step))
    table = pd.concat(parts, ignore_index=True).assign(session_share=lambda t: t.sessions / total)
    order = {s: i for i, s in enumerate([*BEHAVIORS, OTHER, "exit"])}
    places = table.assign(a=table["from"].map(order), b=table["to"].map(order)).sort_values(["step", "a", "b"])
    return places[columns].reset_index(drop=True)


def _merged(words: pd.DataFrame, step: int, least: float) -> pd.Series:
    """Each beginning's state at a step; thin ones are 'other'."""
    state = words.word.str[step - 1 : step].map(_state_of)
    held = words.sessions.groupby(state).sum()
    thin = [s for s in held.index if held[s] < least and s != "exit"]
    return state.replace(dict.fromkeys(thin, OTHER)) if len(thin) > 1 else state


# Two groups of users --------------------------------------------------------------------------------------------------


def groups(paths: Paths, by: str, *, users: ir.Table | None = None, seed: int = 23) -> pd.DataFrame:
    """Each user's segment.

    Parameters
    ----------
    paths : Paths
        From `sessions`.
    by : str
        'activity' (heavy: more actions than the median user), 'daypart' (evening: at least half of the visits begin at
        18 h or later), 'city tier' and 'age band' (from the table of users), or 'halves' (by lot: nothing may differ).
    users : ibis Table, optional
        The contract's table of users, for 'city tier' and 'age band'.
    seed : int
        Seed of the lot.

    Returns
    -------
    DataFrame
        `user_id, segment` (text), one row a user with a known segment; missing where no table says it.
    """
    check_choice("by", by, SEGMENTS)
    if by in ("city tier", "age band"):
        return _from_users(users, by.replace(" ", "_"), by)
    table = paths.kept
    late = (table.hour >= 18).cast("int64")
    people = table.group_by("user_id").agg(actions=table.actions.sum(), late=late.sum(), visits=table.count())
    people = people.execute().sort_values("user_id", ignore_index=True)
    if people.empty:
        return missing(["user_id", "segment"], "no visit is short enough to be a path")
    if by == "activity":
        segment = np.where(people.actions > people.actions.median(), "heavy users", "light users")
    elif by == "daypart":
        segment = np.where(2 * people.late >= people.visits, "evening users", "daytime users")
    else:
        lot = np.random.default_rng(seed).permutation(len(people))
        segment = np.where(lot < len(people) / 2, "half A", "half B")
    return pd.DataFrame({"user_id": people.user_id, "segment": segment})


def _from_users(users: ir.Table | None, column: str, by: str) -> pd.DataFrame:
    known = None if users is None else users.filter(users[column].notnull())
    found = None if known is None else known.select("user_id", segment=known[column].cast("string")).execute()
    if found is None or found.empty:
        return missing(["user_id", "segment"], f"no table of users says the {by}")
    return found.assign(segment=f"{by} " + found.segment).sort_values("user_id", ignore_index=True)


def compare(
    moves: pd.DataFrame, groups: pd.DataFrame, *, first: str | None = None, second: str | None = None, runs: int = 999,
    min_cell: int = 1, most_users: int = 20_000, level: float = 0.95, seed: int = 23,
) -> pd.DataFrame:  # fmt: skip
    """Two segments' transition matrices, move by move: differences, and a permutation test by users.

    The moves of a user hang together, so whole users are dealt out anew. Statistic: z = (p₁ − p₂) / √(v₁ + v₂), v the
    variance of a ratio of sums over users. p = (1 + number of deals with |z*| ≥ |z|) / (1 + runs). By z, and not by the
    bare difference, the test stays right where the groups differ in size or spread (chung2013). Holm's correction over
    all moves tested.

    Parameters
    ----------
    moves : DataFrame
        From `user_moves`.
    groups : DataFrame
        From `groups`: `user_id, segment`.
    first, second : str, optional
        Two segments; by default the two with most users.
    runs : int
        Number of deals, 1 or more; no p-value is below 1 / (1 + runs).
    min_cell : int
        Moves whose first state fewer users of either segment were in are left out.
    most_users : int
        From larger logs so many users are drawn.
    level, seed
        Confidence of the intervals; seed of draw and deals.

    Returns
    -------
    DataFrame
        `from, to, first_users, second_users, first_rate, second_rate, difference, ci_low, ci_high, p_value, p_holm`, in
        order of the p-values. Moves that neither segment made are not tested.
    """
    columns = ["from", "to", "first_users", "second_users", "first_rate", "second_rate", "difference", "ci_low",
               "ci_high", "p_value", "p_holm"]  # fmt: skip
    check_positive("runs", runs)
    if moves.empty or groups.empty:
        empty = moves if moves.empty else groups
        return missing(columns, empty.attrs.get("reason", "no visit is short enough to be a path"))
    rng = np.random.default_rng(seed)
    segment = groups.set_index("user_id").segment.reindex(moves.index).dropna()
    first, second = _two(segment, first, second)
    segment = segment[segment.isin([first, second])].sort_index()
    if len(segment) > most_users:
        segment = segment.iloc[np.sort(rng.permutation(len(segment))[:most_users])]
    mine = (segment == first).to_numpy()
    if not 2 <= mine.sum() <= len(mine) - 2:
        return missing(columns, "there are no two segments with two users each")
    sums = _Sums(*_arrays(moves.loc[segment.index]))
    table = sums.table(mine, level).assign(p_value=sums.p_values(mine, runs, rng))
    enough = (table[["first_users", "second_users"]] >= max(min_cell, 1)).all(axis=1) & table.p_value.notna()
    table = table[enough].sort_values("p_value", ignore_index=True, kind="stable")
    if table.empty:
        return missing(columns, f"no move has {min_cell} users in both segments and a difference that can be tested")
    table = table.assign(p_holm=_holm(table.p_value))[columns]
    table.attrs["segments"] = (first, second)
    return table


def _two(segment: pd.Series, first: str | None, second: str | None) -> tuple[str, str]:
    """The two segments asked for, else the two with most users."""
    sizes = (
        segment.value_counts().rename_axis("name").reset_index().sort_values(["count", "name"], ascending=[False, True])
    )
    names = [n for n in sizes["name"] if n not in (first, second)]
    first = first or (names.pop(0) if names else "")
    return first, second or (names.pop(0) if names else "")


class _Sums:
    """What ratios of sums over users and their variances need, for any split of the users into two."""

    def __init__(self, made: np.ndarray, left: np.ndarray) -> None:
        # one column a first state, not a move, for what all moves out of it share
        own = left[:, [ORIGIN.index(k) for k in range(len(FROM))]]
        self.columns = np.hstack([made, made**2, made * left, own, own**2, own > 0])
        self.total = self.columns.sum(axis=0)

    def split(self, mine: np.ndarray) -> tuple[np.ndarray, ...]:
        """Rates, variances and numbers of users of both groups, one row a split."""
        sums = mine.astype(float) @ self.columns
        return (*self._rates(sums), *self._rates(self.total - sums))

    def _rates(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        n = len(MOVES)
        y, yy, xy, shared = np.split(sums, [n, 2 * n, 3 * n], axis=-1)
        x, xx, m = (part[..., ORIGIN] for part in np.split(shared, 3, axis=-1))
        x = np.maximum(x, 1)
        rate = y / x
        spread = np.maximum(yy - 2 * rate * xy + rate**2 * xx, 0)
        return rate, spread / x**2 * m / np.maximum(m - 1, 1), m

    def z(self, mine: np.ndarray) -> np.ndarray:
        """The statistic; missing where nothing varies."""
        p1, v1, _, p2, v2, _ = self.split(mine)
        spread = np.sqrt(v1 + v2)
        return np.where(spread > 1e-9, (p1 - p2) / np.where(spread > 1e-9, spread, 1), np.nan)

    def table(self, mine: np.ndarray, level: float) -> pd.DataFrame:
        """Rates and their difference with a normal interval, one row a move."""
        p1, v1, m1, p2, v2, m2 = self.split(mine)
        half = z_value(level) * np.sqrt(v1 + v2)
        table = pd.DataFrame(MOVES, columns=["from", "to"])
        table = table.assign(first_users=m1.round().astype(int), second_users=m2.round().astype(int))
        table = table.assign(first_rate=p1, second_rate=p2, difference=p1 - p2)
        return table.assign(ci_low=p1 - p2 - half, ci_high=p1 - p2 + half)

    def p_values(self, mine: np.ndarray, runs: int, rng: np.random.Generator) -> np.ndarray:
        """Share of deals, with the one that happened, whose |z| is as large; missing where z is."""
        seen = np.abs(self.z(mine))
        larger = np.ones(len(seen))
        for start in range(0, runs, 100):
            deals = np.tile(mine, (min(100, runs - start), 1))
            z = np.abs(self.z(rng.permuted(deals, axis=1)))
            larger += (np.nan_to_num(z) >= seen - 1e-9).sum(axis=0)
        return np.where(np.isnan(seen), np.nan, larger / (1 + runs))


def _holm(p: pd.Series) -> np.ndarray:
    """Holm's correction of ascending p-values (holm1979).

    >>> _holm(pd.Series([0.01, 0.02, 0.6])).round(2).tolist()
    [0.03, 0.04, 0.6]
    """
    left = len(p) - np.arange(len(p))
    return np.minimum(np.maximum.accumulate(left * p.to_numpy(float)), 1)
