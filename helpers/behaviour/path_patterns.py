"""Which paths lead to a purchase or to the exit, and a small language to ask for any path.

The language: steps joined by `->`, each a behaviour (`pv`, `fav`, `cart`, `buy`), `any`, alternatives (`cart|fav`), or
`not-` before a behaviour or before alternatives in brackets (`not-(cart|buy)`); `*` behind a step: none or more of it,
`+`: one or more; `start` may stand first and `exit` last. `cart -> not-buy* -> exit`: a cart, and no purchase after it.
Steps follow each other directly; a pattern may lie anywhere in a visit unless `start` or `exit` ties it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, partial

import ibis
import numpy as np
import pandas as pd

from helpers.behaviour.paths import DIGITS, FROM, STATES, Paths
from helpers.behaviour.sessions import BehaviourError, check_choice, check_positive, hide_small
from helpers.engine import as_table
from helpers.findings import missing
from helpers.intervals import add_rate_by_cluster
from helpers.study import nearest
from helpers.tables import BEHAVIORS

ARROW = " → "
MOST_STEPS, MOST_REPEATS = 12, 4
"""Limits of a pattern: what is longer cannot be read, and more repeats could take very long to match."""
STEP = re.compile(r"(?P<no>not-)?(?P<words>\(\s*[^()]*\s*\)|[^()*+]*?)\s*(?P<repeat>[*+]?)")
TARGETS = ("buy", "exit")
MOST_BLOCKS = 30
"""Visits of more blocks of repeats are not shuffled."""
LEAST_EXPECTED = 5
"""Paths that shuffled visits lead to the target less often than this are not tested: chance alone rules them."""
SUMS = {"xx": ("x", "x"), "xy": ("x", "y"), "yy": ("y", "y")}


# The language ---------------------------------------------------------------------------------------------------------


def parse(pattern: str) -> re.Pattern:
    """A pattern of the language as a regular expression over the strings of `paths.sessions`.

    >>> parse("cart -> not-buy* -> exit").pattern
    '3[123]*$'
    >>> parse("start -> pv -> cart|fav+").pattern
    '^1[23]+'

    Raises
    ------
    BehaviourError
        An empty or unknown step, `start` or `exit` at a wrong place, too many steps or repeats.
    """
    steps = [step.strip() for step in pattern.replace("→", "->").split("->")]
    if len(steps) > MOST_STEPS:
        raise BehaviourError(f"pattern {pattern!r} has {len(steps)} steps; take at most {MOST_STEPS}")
    parts = [_step(step, i == 0, i == len(steps) - 1, pattern) for i, step in enumerate(steps)]
    repeats = sum(part[-1] in "*+" for part in parts)
    if repeats > MOST_REPEATS:
        raise BehaviourError(f"pattern {pattern!r} has {repeats} steps with * or +; take at most {MOST_REPEATS}")
    return re.compile("".join(parts))


def _step(step: str, first: bool, last: bool, pattern: str) -> str:
    """One step as a piece of a regular expression."""
    if not step:
        raise BehaviourError(f"pattern {pattern!r}: a step is empty; put a behaviour on both sides of '->'")
    if step in ("start", "exit"):
        if not (first if step == "start" else last):
            place = "first" if step == "start" else "last"
            raise BehaviourError(f"pattern {pattern!r}: {step!r} can only stand {place}")
        return "^" if step == "start" else "$"
    found = STEP.fullmatch(step)
    if not found or not found["words"]:
        raise BehaviourError(f"pattern {pattern!r}: {step!r} cannot be read; write for example pv, not-buy*, cart|fav+")
    bare = found["words"][0] != "("
    words = [w.strip() for w in found["words"].strip("() ").split("|")]
    if found["no"] and bare and len(words) > 1:
        raise BehaviourError(f"pattern {pattern!r}: write not-({'|'.join(words)}), or it is not clear what 'not' spans")
    return _letters(words, bool(found["no"]), pattern) + found["repeat"]


def _letters(words: list[str], negative: bool, pattern: str) -> str:
    """The digits that a step allows, in square brackets where there is more than one."""
    for word in words:
        if word not in (*BEHAVIORS, "any"):
            hint = nearest(word, (*BEHAVIORS, "any", "start", "exit"))
            raise BehaviourError(f"pattern {pattern!r}: {word!r} is no behaviour. {hint}")
    named = set(BEHAVIORS) if "any" in words else set(words)
    allowed = [b for b in BEHAVIORS if (b in named) != negative]
    if not allowed:
        raise BehaviourError(f"pattern {pattern!r}: a step allows nothing; take 'not-' away or name fewer behaviours")
    digits = "".join(str(STATES.index(b)) for b in allowed)
    return digits if len(digits) == 1 else f"[{digits}]"


def query(
    paths: Paths, pattern: str, *, given: str = "", groups: pd.DataFrame | None = None, compress: bool = True,
    min_cell: int = 1, level: float = 0.95,
) -> pd.DataFrame:  # fmt: skip
    """How many visits hold a pattern?

    Parameters
    ----------
    paths : Paths
        From `paths.sessions`.
    pattern : str
        In the language of this module.
    given : str
        A second pattern: only visits that hold it are counted; empty: all visits.
    groups : DataFrame, optional
        From `paths.groups`: one row a segment instead of one for all.
    compress : bool
        True: repeats are one step, so `pv` stands for a whole run of views.
    min_cell : int
        Segments of fewer users show no numbers.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `segment, users` (with a counted visit), `sessions, matches, match_rate` with its interval by users.

    Raises
    ------
    BehaviourError
        A pattern that cannot be read.
    """
    wanted, base = parse(pattern), parse(given) if given else re.compile("")
    columns = ["segment", "users", "sessions", "matches", "match_rate", "match_rate_ci_low", "match_rate_ci_high"]
    if groups is not None and groups.empty:
        return missing(columns, groups.attrs.get("reason", "there are no segments"))
    words = _words(paths, compress)
    x = words.word.map(lambda w: bool(base.search(w))).astype("int64")
    y = words.word.map(lambda w: bool(wanted.search(w))).astype("int64") * x
    sums = _sum_by_user(paths, pd.DataFrame({"word": words.word, "x": x, "y": y})[x > 0], compress, groups)
    if sums.empty:
        return missing(columns, f"no visit holds {given!r}" if given else "no visit is short enough to be a path")
    table = sums.rename(columns={"x": "sessions", "y": "matches"})
    options = {"successes": "matches", "trials": "sessions", "clusters": "users", "name": "match_rate", "level": level}
    table = add_rate_by_cluster(table, **options)[columns].sort_values("segment", ignore_index=True)
    return hide_small(table, count="users", min_cell=min_cell, values=columns[2:], additive=groups is not None)


def _words(paths: Paths, compress: bool) -> pd.DataFrame:
    """The different strings and their number of visits: a small table, whatever the size of the log."""
    table = paths.kept
    table = table.mutate(word=table.short if compress else table.path)
    return table.group_by("word").agg(sessions=table.count()).execute().sort_values("word", ignore_index=True)


def _sum_by_user(
    paths: Paths, counted: pd.DataFrame, compress: bool, groups: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Sums over users of what was counted on each different string: x of trials, y of successes.

    `counted` has `word, x, y` and perhaps `path`, which keeps several counts apart. Returns `segment` (or `path`),
    `users` (with x > 0), x, y, and the sums of products xx, xy, yy.
    """
    part = "path" if "path" in counted else "segment"
    if counted.empty:
        return missing([part, "users", "x", "y", *SUMS], "nothing was counted")
    table = paths.kept
    table = table.select("user_id", word=table.short if compress else table.path)
    if groups is not None:
        table = table.join(as_table(groups), "user_id")
    elif part == "segment":
        table = table.mutate(segment=ibis.literal("all"))
    table = table.join(as_table(counted), "word")
    people = table.group_by([part, "user_id"]).agg(x=table.x.sum(), y=table.y.sum())
    products = {name: (people[a] * people[b]).sum() for name, (a, b) in SUMS.items()}
    sums = people.group_by(part).agg(users=(people.x > 0).sum(), x=people.x.sum(), y=people.y.sum(), **products)
    return sums.execute().astype(dict.fromkeys(["users", "x", "y", *SUMS], "int64"))


def common(paths: Paths, *, rows: int = 12, min_cell: int = 1) -> pd.DataFrame:
    """The most frequent whole visits, repeats collapsed.

    Returns
    -------
    DataFrame
        `path` (words), `sessions, users, session_share` of all visits, `buys` (does it hold a purchase?), the most
        frequent first; visits that fewer than `min_cell` users made are left out.
    """
    columns = ["path", "sessions", "users", "session_share", "buys"]
    table = paths.kept
    found = table.group_by(word=table.short).agg(sessions=table.count(), users=table.user_id.nunique()).execute()
    total = found.sessions.sum()
    found = found[found.users >= max(min_cell, 1)].sort_values(["sessions", "word"], ascending=[False, True])
    if found.empty:
        return missing(columns, f"no path was taken by {max(min_cell, 1)} users")
    found = found.head(rows).reset_index(drop=True)
    named = found.assign(path=[in_words(f"0{w}5") for w in found.word], buys=found.word.str.contains("4"))
    return named.assign(session_share=found.sessions / total)[columns]


def in_words(digits: str) -> str:
    """A string of states as people read it.

    >>> in_words("0135")
    'start → pv → cart → exit'
    """
    return ARROW.join(STATES[int(d)] for d in digits)


# Paths to a purchase and to the exit ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grams:
    """How often each chain of 2 … `longest` + 1 states occurs, in the log and in the same visits with shuffled order.

    `seen[k]` has one entry a chain of k states and the one that follows; `shuffled[k]` one such row a run, made of
    `sampled` of all `sessions` visits; `sampled_seen[k]` counts those as they were.
    """

    compress: bool
    seen: dict[int, np.ndarray]
    sampled_seen: dict[int, np.ndarray]
    shuffled: dict[int, np.ndarray]
    sessions: int
    sampled: int


def grams(
    paths: Paths, *, longest: int = 3, compress: bool = True, runs: int = 50, most_sessions: int = 150_000,
    seed: int = 23,
) -> Grams:  # fmt: skip
    """Count all chains of states, and count them again where the order of each visit's actions is shuffled.

    Parameters
    ----------
    paths : Paths
        From `paths.sessions`.
    longest : int
        States before the next one, 1…4.
    compress : bool
        True: repeats are one step. Then whole blocks of repeats are shuffled, with equal chance for all orders in
        which no two blocks of one kind meet: so many blocks stay, and an order of four lines stays one purchase. If
        actions come in random order, the blocks do, too. Visits of more than 30 blocks keep their order.
    runs : int
        Number of shuffles, 2 or more.
    most_sessions : int
        From larger logs so many visits are drawn for the shuffles.
    seed : int
        Seed of draw and shuffles.

    Returns
    -------
    Grams
        For `ways`.
    """
    check_choice("longest", str(longest), ["1", "2", "3", "4"])
    check_positive("runs - 1", runs - 1)
    rng = np.random.default_rng(seed)
    words = _words(paths, compress)
    text, count = words.word.to_numpy(), words.sessions.to_numpy(np.int64)
    seen = _count(*_spread(text, count), longest, compress)
    drawn, total = count, int(count.sum())
    if total > most_sessions:
        drawn = rng.multivariate_hypergeometric(count, most_sessions, method="marginals")
    free = _can_be_shuffled(text, compress)
    fixed = _count(*_spread(text[~free], drawn[~free]), longest, compress)
    own = _count(*_spread(text[free], drawn[free]), longest, compress)
    visits = np.repeat(text[free], drawn[free])
    deal = _Blocks(visits).deal if compress else partial(_shuffle, visits)
    results = [_count(*deal(rng), longest, compress) for _ in range(runs)]
    lengths = range(1, longest + 1)
    shuffled = {k: np.array([fixed[k] + r[k] for r in results]) for k in lengths}
    sampled_seen = {k: fixed[k] + own[k] for k in lengths}
    return Grams(compress, seen, sampled_seen, shuffled, total, int(drawn.sum()))


def _spread(text: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All strings in one row of states, each from its start to its exit, and how often each state counts."""
    digits = "".join(f"0{w}5" for w in text)
    weight = np.repeat(count, [len(w) + 2 for w in text]) if len(text) else np.zeros(0, np.int64)
    return np.frombuffer(digits.encode(), np.uint8) - 48, weight


def _shuffle(text: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As `_spread` for single visits, the actions of each in random order."""
    state, _ = _spread(text, np.ones(len(text), np.int64))
    visit = np.repeat(np.arange(len(text), dtype=np.int64), [len(w) + 2 for w in text])
    # one sortable number: visit, a random number (start first, exit last), state
    chance = rng.integers(1, 2**32 - 1, len(state), dtype=np.int64)
    chance[state == 0], chance[state == 5] = 0, 2**32 - 1
    key = np.sort((visit << 35) | (chance << 3) | state)
    return (key & 7).astype(np.uint8), np.ones(len(state), np.int64)


def _can_be_shuffled(text: np.ndarray, compress: bool) -> np.ndarray:
    """Has a visit more than one order?"""
    if not compress:
        return np.array([len(set(w)) > 1 for w in text], bool)
    short = np.array([len(w) <= MOST_BLOCKS for w in text], bool)
    orders = np.zeros(len(text))
    orders[short] = _orders()[0][tuple(_blocks(text[short]).T)]
    return orders > 1


def _blocks(text: np.ndarray) -> np.ndarray:
    """Visits × four behaviours: the number of blocks."""
    return np.array([[w.count(d) for d in DIGITS] for w in text], int).reshape(-1, 4)


@cache
def _orders() -> np.ndarray:
    """The number of orders of n₁ … n₄ blocks in which no two of a kind meet, after a block of kind 0 … 4 (0: none).

    w(n, last) = Σ over kinds a ≠ last of w(n less one a, a), and w(0, ·) = 1.
    """
    most = (MOST_BLOCKS + 1) // 2 + 1
    ways = np.zeros((5, *[most] * 4))
    ways[:, 0, 0, 0, 0] = 1
    for _ in range(MOST_BLOCKS):
        next_is = np.zeros((4, *[most] * 4))
        for a in range(4):
            one_more, one_less = [slice(None)] * 4, [slice(None)] * 4
            one_more[a], one_less[a] = slice(1, None), slice(None, -1)
            next_is[a][tuple(one_more)] = ways[a + 1][tuple(one_less)]
        total = next_is.sum(axis=0)
        ways = np.stack([total, *(total - next_is)])
        ways[:, 0, 0, 0, 0] = 1
    return ways


class _Blocks:
    """Visits whose blocks are dealt into random orders, block by block: each with its exact chance."""

    def __init__(self, text: np.ndarray) -> None:
        by_length = sorted(text, key=len, reverse=True)
        self.blocks = _blocks(np.array(by_length, object))
        self.length = self.blocks.sum(axis=1)

    def deal(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """As `_spread` for single visits, in a new order."""
        ways, left = _orders(), self.blocks.copy()
        last = np.zeros(len(left), int)
        states = np.full((len(left), int(self.length.max(initial=0)) + 2), 9, np.uint8)
        states[:, 0] = 0
        states[np.arange(len(left)), self.length + 1] = 5
        for step in range(states.shape[1] - 2):
            n = int((self.length > step).sum())
            chance = np.stack([self._ways(ways, left[:n], last[:n], a) for a in range(4)], axis=1).cumsum(axis=1)
            drawn = (rng.random(n)[:, None] * chance[:, 3:] >= chance[:, :3]).sum(axis=1)
            left[np.arange(n), drawn] -= 1
            last[:n] = states[:n, step + 1] = drawn + 1
        flat = states[states != 9]
        return flat, np.ones(len(flat), np.int64)

    @staticmethod
    def _ways(ways: np.ndarray, left: np.ndarray, last: np.ndarray, kind: int) -> np.ndarray:
        """The number of orders of what is left that begin with a block of this kind."""
        rest = [left[:, a] - (a == kind) for a in range(4)]
        possible = (rest[kind] >= 0) & (last != kind + 1)
        rest[kind] = np.maximum(rest[kind], 0)
        return ways[kind + 1][tuple(rest)] * possible


def _count(state: np.ndarray, weight: np.ndarray, longest: int, compress: bool) -> dict[int, np.ndarray]:
    """Number of each chain of k + 1 states, k = 1 … longest; chains across two visits fall on codes nobody asks for."""
    if compress and len(state):
        new = np.append(True, state[1:] != state[:-1])
        state, weight = state[new], weight[new]
    base, code, found = len(STATES), state.astype(np.int64), {}
    for k in range(1, longest + 1):
        code = code[:-1] * base + state[k:] if len(code) else code
        last = weight[k:] if len(code) else weight[:0]
        found[k] = np.bincount(code, last[: len(code)], minlength=base ** (k + 1)).round().astype(np.int64)
    return found


def _follow(counts: dict[int, np.ndarray], chains: list[str], to: str, compress: bool) -> tuple[np.ndarray, ...]:
    """Of each chain (last axis): how often it occurs, and how often `to` follows; and the same of all states."""
    at, base = STATES.index(to), len(STATES)
    times, hits = [], []
    for chain in chains:
        table = counts[len(chain)]
        rows = table.reshape(*table.shape[:-1], -1, base)[..., int(chain, base), :]
        times.append(rows.sum(axis=-1))
        hits.append(rows[..., at])
    pairs = counts[1].reshape(*counts[1].shape[:-1], base, base)[..., _origins(to, compress), :]
    return np.stack(times, -1), np.stack(hits, -1), pairs.sum(axis=(-1, -2)), pairs[..., at].sum(axis=-1)


def _origins(to: str, compress: bool) -> list[int]:
    """The states that `to` can follow: the exit not the start, and nothing itself once repeats are collapsed."""
    return [k for k, s in enumerate(FROM) if not (to == "exit" and s == "start") and not (compress and s == to)]


def _chains(grams: Grams, to: str) -> list[str]:
    """All chains that occur and that `to` could follow."""
    found, origins = [], {str(k) for k in _origins(to, grams.compress)}
    for k, counts in grams.seen.items():
        rows = counts.reshape(-1, len(STATES)).sum(axis=1)
        names = [np.base_repr(i, len(STATES)).zfill(k) for i in np.flatnonzero(rows)]
        found += [n for n in names if "5" not in n and "0" not in n[1:] and n[-1] in origins]
    return found


def ways(paths: Paths, grams: Grams, *, to: str = "buy", min_cell: int = 1, level: float = 0.95) -> pd.DataFrame:
    """What comes right before a purchase, or before the exit: common, effective, and what the order adds.

    rate = how often `to` follows the path at once / how often the path occurs, 0…1. lift = rate / rate of all states
    together; above 1 the path is followed by `to` more often than usual. A visit's *mix* of actions gives lift without
    any order: `shuffled_lift` is the mean lift in the same visits with shuffled order, and order_lift = lift /
    shuffled_lift is what the order adds.

    Parameters
    ----------
    paths : Paths
        From `paths.sessions`.
    grams : Grams
        From `grams`.
    to : str
        'buy' or 'exit'.
    min_cell : int
        Paths of fewer users are left out.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    DataFrame
        `path` (words), `steps` (states before), `times, hits, users, hit_share` (of all `to`: how common),
        `rate` with its interval by users, `lift` and `order_lift` with theirs (base rate and shuffled lift taken as
        known), `shuffled_lift`, and `p_family`: the chance that, were order nothing, *any* path in the table would be
        as far from
        its shuffled lift as this one (max-T of westfall1993, both sides, on the roots of the lifts); missing where
        shuffled visits lead to `to` fewer than 5 times. In order of lift.
    """
    check_choice("to", to, TARGETS)
    columns = ["path", "steps", "times", "hits", "users", "hit_share", "rate", "rate_ci_low", "rate_ci_high", "lift",
               "lift_ci_low", "lift_ci_high", "shuffled_lift", "order_lift", "order_lift_ci_low", "order_lift_ci_high",
               "p_family"]  # fmt: skip
    chains = _chains(grams, to)
    times, hits, of, all_hits = _follow(grams.seen, chains, to, grams.compress) if chains else ([], [], 0, 0)
    if not all_hits:
        return missing(columns, f"no visit leads to {to}")
    sums = _sum_by_user(paths, _occurrences(paths, chains, to, grams.compress), grams.compress)
    table = pd.DataFrame({"path": chains}).merge(sums, on="path", how="left")
    options = {"successes": "y", "trials": "x", "clusters": "users", "level": level}
    table = add_rate_by_cluster(table.assign(times=times, hits=hits), **options)
    base = all_hits / of
    table = table.assign(hit_share=hits / all_hits, lift=table["rate"] / base, steps=table.path.str.len())
    table = table.assign(lift_ci_low=table.rate_ci_low / base, lift_ci_high=table.rate_ci_high / base)
    table = table[table.users >= max(min_cell, 1)].reset_index(drop=True)
    if table.empty:
        return missing(columns, f"no path was taken by {max(min_cell, 1)} users")
    table = table.assign(**_against_order(grams, table.path.tolist(), to))
    expected = table.shuffled_lift.where(table.shuffled_lift > 0)
    for end in ("", "_ci_low", "_ci_high"):
        table[f"order_lift{end}"] = table[f"lift{end}"] / expected
    named = table.assign(path=[in_words(w) for w in table.path])
    return named.sort_values(["lift", "path"], ascending=[False, True], ignore_index=True)[columns]


def beyond_order(table: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """The rows of `ways` whose order adds lift beyond chance: order_lift > 1 and p_family ≤ alpha.

    Returns
    -------
    DataFrame
        The same columns, the largest order_lift first; missing with a reason where there are none.
    """
    if table.empty:
        return table
    found = table[(table.order_lift > 1) & (table.p_family <= alpha)]
    if found.empty:
        return missing(list(table.columns), "no order of actions adds lift beyond chance")
    return found.sort_values(["order_lift", "path"], ascending=[False, True], ignore_index=True)


def base_rate(grams: Grams, *, to: str = "buy") -> float | None:
    """The share of all moves that lead to `to`, out of all states that it can follow; None where there are none."""
    _, _, of, hits = _follow(grams.seen, ["1"], to, grams.compress)
    return float(hits / of) if of else None


def _occurrences(paths: Paths, chains: list[str], to: str, compress: bool) -> pd.DataFrame:
    """How often each chain occurs in each different string (x), and how often `to` follows (y)."""
    end, parts = str(STATES.index(to)), []
    words = _words(paths, compress).word
    framed = "0" + words + "5"
    for chain in chains:
        ahead = f"(?={chain}.)"  # occurrences may overlap, and one state must follow
        x = framed.str.count(ahead)
        y = framed.str.count(f"(?={chain}{end})")
        parts.append(pd.DataFrame({"word": words, "path": chain, "x": x, "y": y})[x > 0])
    return pd.concat(parts, ignore_index=True).astype({"x": "int64", "y": "int64"})


def _against_order(grams: Grams, chains: list[str], to: str) -> dict[str, np.ndarray]:
    """Mean lift in shuffled visits, and the p-value of the family."""
    shuffled = _follow(grams.shuffled, chains, to, grams.compress)
    null, own = _lift(shuffled), _lift(_follow(grams.sampled_seen, chains, to, grams.compress))
    # the root takes most of the skew from rare paths, which would rule the largest of all otherwise
    every = np.sqrt(np.vstack([own, null]))
    spread = every.std(axis=0)
    tested = (shuffled[1].mean(axis=0) >= LEAST_EXPECTED) & (spread > 1e-12)
    far = np.abs(every - every.mean(axis=0)) / np.where(tested, spread, 1) * tested
    largest = far.max(axis=1)
    p = (largest[:, None] >= far[0] - 1e-9).mean(axis=0)
    return {"shuffled_lift": null.mean(axis=0), "p_family": np.where(tested, p, np.nan)}


def _lift(counts: tuple[np.ndarray, ...]) -> np.ndarray:
    """One row a count, one column a chain; 0 where a chain does not occur."""
    times, hits, of, all_hits = (np.atleast_1d(np.asarray(c, float)) for c in counts)
    rate = np.atleast_2d(hits) / np.maximum(np.atleast_2d(times), 1)
    return rate / np.maximum(all_hits / np.maximum(of, 1), 1e-300)[:, None] * (all_hits > 0)[:, None]
