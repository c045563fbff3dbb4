"""Paths against five visits by hand, plain Python on random logs, known Markov chains, and changes of the log."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import groupby, pairwise, product

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from random_logs import START, complete, crowd, crowds, doubled, head, relabelled, shuffled

from helpers.behaviour import path_patterns, path_simulation, paths
from helpers.behaviour.path_patterns import parse, query
from helpers.behaviour.sessions import BehaviourError
from helpers.engine import as_table, hold
from helpers.tables import BEHAVIORS

HOUR = 3_600
VISITS = [(1, 0, "pv pv cart buy"), (1, 9, "pv"), (2, 0, "cart pv"), (3, 0, "buy"), (3, 9, "pv fav pv pv buy pv")]
ROWS = [(u, b, h * HOUR + 60 * k) for u, h, words in VISITS for k, b in enumerate(words.split())]


def log_of(rows: list) -> pd.DataFrame:
    log = pd.DataFrame(rows, columns=["user_id", "behavior", "timestamp"])
    return complete(log.assign(item_id=1, category_id=1, timestamp=log.timestamp + START))


def found(log: pd.DataFrame, **options) -> paths.Paths:
    return paths.sessions(hold(as_table(log)), **options)


def counts(table: pd.DataFrame, value: str = "moves") -> dict:
    return {(r["from"], r["to"]): r[value] for r in table.to_dict("records") if r[value]}


# Five visits by hand --------------------------------------------------------------------------------------------------

FIVE = {
    ("start", "pv"): 3, ("start", "cart"): 1, ("start", "buy"): 1, ("pv", "pv"): 2, ("pv", "fav"): 1, ("pv", "cart"): 1,
    ("pv", "buy"): 1, ("pv", "exit"): 3, ("fav", "pv"): 1, ("cart", "pv"): 1, ("cart", "buy"): 1, ("buy", "pv"): 1,
    ("buy", "exit"): 2,
}  # fmt: skip


def test_five_visits_as_strings():
    table = found(log_of(ROWS)).table.order_by(["user_id", "visit"]).execute()
    assert table.path.tolist() == ["1134", "1", "31", "4", "121141"]
    assert table.short.tolist() == ["134", "1", "31", "4", "12141"]


def test_five_visits_moves_and_rates():
    table = paths.transitions(paths.user_moves(found(log_of(ROWS))))
    assert counts(table) == FIVE
    rates = paths.matrix(table)
    assert rates.loc["pv", "exit"] == 3 / 8 and rates.loc["cart", "buy"] == 1 / 2
    assert np.isnan(rates.loc["start", "exit"])


def test_collapsed_repeats_have_no_move_to_themselves():
    table = paths.transitions(paths.user_moves(found(log_of(ROWS)), compress=True))
    assert counts(table) == {k: v for k, v in FIVE.items() if k != ("pv", "pv")}


def test_five_visits_step_by_step():
    wide = paths.step_matrix(paths.steps(found(log_of(ROWS)), length=3))
    assert (wide * 5).round(9)[1].tolist() == [3, 0, 1, 1, 0]
    assert (wide * 5).round(9)[2].tolist() == [2, 1, 0, 0, 2]
    assert (wide * 5).round(9)[3].tolist() == [1, 0, 1, 0, 3]


def test_five_visits_flow():
    table = paths.flows(found(log_of(ROWS)), length=3, min_share=0)
    first = counts(table[table.step == 1], "sessions")
    assert first == {("pv", "fav"): 1, ("pv", "cart"): 1, ("pv", "exit"): 1, ("cart", "pv"): 1, ("buy", "exit"): 1}
    second = counts(table[table.step == 2], "sessions")
    assert second == {("pv", "exit"): 1, ("fav", "pv"): 1, ("cart", "buy"): 1}


def test_thin_states_are_merged_and_no_visit_is_lost():
    table = paths.flows(found(log_of(ROWS)), length=2, min_share=0.3)
    expected = {("pv", "other"): 2, ("pv", "exit"): 1, ("other", "other"): 1, ("other", "exit"): 1}
    assert counts(table, "sessions") == expected


def test_five_visits_ways_to_a_purchase():
    mine = found(log_of(ROWS))
    table = path_patterns.ways(mine, path_patterns.grams(mine, compress=False)).set_index("path")
    assert path_patterns.base_rate(path_patterns.grams(mine, compress=False)) == 3 / 19
    assert table.loc["cart", ["times", "hits", "users", "lift"]].tolist() == [2, 1, 2, pytest.approx(0.5 * 19 / 3)]
    assert table.loc["pv → cart", ["times", "hits"]].tolist() == [1, 1]
    assert table.loc["start", ["times", "hits", "hit_share"]].tolist() == [5, 1, pytest.approx(1 / 3)]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("cart -> not-buy* -> exit", 1), ("cart", 2), ("start -> pv", 3), ("pv -> exit", 3), ("buy -> pv", 1),
        ("start -> any -> exit", 2), ("start -> any+ -> buy", 2), ("cart|fav -> pv", 2), ("not-(pv|buy)+", 3),
        ("fav → pv → buy", 1), ("start -> not-cart* -> exit", 3), ("start -> exit", 0),
    ],
)  # fmt: skip
def test_five_visits_patterns(pattern, matches):
    assert query(found(log_of(ROWS)), pattern).matches.tolist() == [matches]


def test_a_condition_is_the_base_of_the_rate():
    row = query(found(log_of(ROWS)), "cart -> not-buy* -> exit", given="cart").iloc[0]
    assert (row.users, row.sessions, row.matches, row.match_rate) == (2, 2, 1, 0.5)


def test_purchases_without_a_view_before():
    log = log_of(ROWS)
    log.loc[log.user_id == 3, "item_id"] = [1, 1, 1, 1, 2, 2, 1]  # user 3 buys item 1 unseen, then item 2 after a look
    log.loc[(log.user_id == 3) & (log.behavior == "buy"), "item_id"] = [1, 3]
    table = paths.unseen(found(log))
    assert table["of"].tolist() == [3, 3] and table.without_view.tolist() == [2, 2]


def test_a_view_in_an_earlier_visit_is_seen_by_the_log_only():
    table = paths.unseen(found(log_of([(1, "pv", 0), (1, "buy", 9 * HOUR)])))
    assert table.without_view.tolist() == [0, 1]


def test_the_most_frequent_whole_visits():
    table = path_patterns.common(found(log_of([*ROWS, (4, "pv", 0)])), rows=1)
    assert table.iloc[0].tolist() == ["start → pv → exit", 2, 2, pytest.approx(2 / 6), False]


# Plain Python on random logs ------------------------------------------------------------------------------------------


def plain(log: pd.DataFrame, compress: bool = False) -> list[tuple[int, list[str]]]:
    """(user, states) of each visit, cut and ordered in plain Python."""
    visits = []
    for user, part in log.groupby("user_id"):
        rows = sorted(zip(part.timestamp, part.behavior.map(BEHAVIORS.index), strict=True))
        blocks = [[rows[0]]]
        for before, now in pairwise(rows):
            if now[0] - before[0] > 1_800:
                blocks.append([])
            blocks[-1].append(now)
        for block in blocks:
            states = [BEHAVIORS[k] for _, k in block]
            states = [k for k, _ in groupby(states)] if compress else states
            visits.append((user, ["start", *states, "exit"]))
    return visits


@pytest.mark.parametrize("compress", [False, True])
@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_moves_agree_with_plain_python(log, compress):
    visits = plain(log, compress)
    table = paths.transitions(paths.user_moves(found(log), compress=compress))
    assert counts(table) == Counter(pair for _, states in visits for pair in pairwise(states))
    people = {s: len({u for u, states in visits if s in states}) for s in paths.FROM}
    assert (table.users == table["from"].map(people)).all()


@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_steps_agree_with_plain_python(log):
    visits = [states[1:-1] for _, states in plain(log)]
    table = paths.steps(found(log), length=5).set_index(["step", "state"]).sessions
    for step in range(1, 6):
        at = Counter(v[step - 1] if step <= len(v) else "exited" for v in visits)
        assert {s: table[step, s] for s in (*BEHAVIORS, "exited")} == {s: at[s] for s in (*BEHAVIORS, "exited")}


@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_flows_agree_with_plain_python(log):
    visits = [states[1:] for _, states in plain(log, True)]
    table = paths.flows(found(log), length=3, min_share=0)
    for step in (1, 2):
        pairs = Counter((v[step - 1], v[step]) for v in visits if len(v) > step)
        assert counts(table[table.step == step], "sessions") == pairs


@pytest.mark.parametrize(("to", "compress"), list(product(path_patterns.TARGETS, [False, True])))
@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_ways_agree_with_plain_python(log, to, compress):
    mine = found(log)
    table = path_patterns.ways(mine, path_patterns.grams(mine, compress=compress, runs=2), to=to)
    times, hits, users = Counter(), Counter(), {}
    for user, states in plain(log, compress):
        for k in (1, 2, 3):
            for i in range(len(states) - k):
                chain = " → ".join(states[i : i + k])
                times[chain] += 1
                hits[chain] += states[i + k] == to
                users.setdefault(chain, set()).add(user)
    assert len(table) > 10
    assert table.times.tolist() == [times[p] for p in table.path]
    assert table.hits.tolist() == [hits[p] for p in table.path]
    assert table.users.tolist() == [len(users[p]) for p in table.path]


PATTERNS = {
    "cart -> not-buy* -> exit": lambda s: "cart" in s and "buy" not in s[len(s) - s[::-1].index("cart") :],
    "start -> pv -> any* -> buy": lambda s: s[1] == "pv" and "buy" in s,
    "fav|cart -> buy": lambda s: any(a in ("fav", "cart") and b == "buy" for a, b in pairwise(s)),
    "start -> not-(fav|cart)+ -> exit": lambda s: not {"fav", "cart"} & set(s),
}


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_patterns_agree_with_plain_python(log, pattern):
    visits = plain(log, True)
    row = query(found(log), pattern).iloc[0]
    assert (row.sessions, row.matches) == (len(visits), sum(PATTERNS[pattern](states) for _, states in visits))


@settings(max_examples=4, deadline=None)
@given(log=crowds())
def test_unseen_purchases_agree_with_pandas(log):
    first = log[log.behavior == "pv"].groupby(["user_id", "item_id"]).timestamp.min()
    bought = log[log.behavior == "buy"]
    rows = zip(bought.user_id, bought.item_id, bought.timestamp, strict=True)
    seen = [first.get((u, i), np.inf) <= t for u, i, t in rows]
    row = paths.unseen(found(log)).iloc[0]
    assert (row["of"], row.without_view) == (len(seen), len(seen) - sum(seen))


# Changes of the log ---------------------------------------------------------------------------------------------------


@cache
def everything(change: Callable | None) -> list[pd.DataFrame]:
    """All tables of one crowd, or of what a change makes of it."""
    mine = found(change(crowd(5)) if change else crowd(5))
    grams = path_patterns.grams(mine, runs=3)
    return [
        paths.transitions(paths.user_moves(mine)), paths.steps(mine), paths.flows(mine), paths.unseen(mine),
        path_patterns.ways(mine, grams), path_patterns.ways(mine, grams, to="exit"), path_patterns.common(mine),
        query(mine, "cart -> not-buy* -> exit"),
    ]  # fmt: skip


@pytest.mark.parametrize("change", [shuffled, relabelled])
def test_order_of_rows_and_ids_do_not_matter(change):
    for before, after in zip(everything(None), everything(change), strict=True):
        pd.testing.assert_frame_equal(before, after)


def test_every_user_twice_doubles_counts_and_leaves_rates():
    once, twice = (paths.transitions(paths.user_moves(found(x))) for x in (crowd(6), doubled(crowd(6))))
    assert (twice[["users", "moves", "of"]] == 2 * once[["users", "moves", "of"]]).all(axis=None)
    assert np.allclose(twice.move_rate, once.move_rate)
    a, b = (query(found(x), "pv -> cart").iloc[0] for x in (crowd(6), doubled(crowd(6))))
    assert (b.sessions, b.matches, b.match_rate) == (2 * a.sessions, 2 * a.matches, a.match_rate)


# Known Markov chains --------------------------------------------------------------------------------------------------


def test_the_expected_moves_are_the_mean_of_many_visits():
    moves = path_simulation.simulated_moves(*path_simulation.simulated_visits(users=20_000, seed=1))
    truth = path_simulation.true_rates()
    assert np.allclose(paths.transitions(moves).move_rate, truth.truth_rate, atol=0.012)


def test_a_simulated_log_is_read_as_it_was_made():
    options = {"users": 150, "seed": 4}
    expected = path_simulation.simulated_moves(*path_simulation.simulated_visits(**options))
    moves = paths.user_moves(paths.sessions(path_simulation.simulated_log(**options)))
    assert (moves.to_numpy() == expected.to_numpy()).all()


def test_intervals_by_users_cover_the_truth_and_are_unbiased():
    table = path_simulation.coverage(runs=200, users=200)
    assert table.covered_rate.mean() == pytest.approx(0.95, abs=0.02) and table.covered_rate.min() > 0.89
    assert (table.mean_rate - table.truth_rate).abs().max() < 0.006
    assert table.naive_rate.min() < 0.90  # moves of one user are not independent


def test_planted_order_is_found_and_shuffled_order_is_not():
    options = {"users": 800, "seed": 8}
    tables = []
    for shuffle in (False, True):
        mine = paths.sessions(path_simulation.simulated_log(shuffle=shuffle, **options))
        tables.append(path_patterns.ways(mine, path_patterns.grams(mine, compress=False, runs=39), min_cell=10))
    planted, null = (t.set_index("path") for t in tables)
    assert planted.loc["cart", "order_lift"] > 1.2 and planted.loc["cart", "p_family"] <= 0.05
    assert null.loc["cart", "order_lift"] == pytest.approx(1, abs=0.15)


def test_no_order_is_rarely_called_an_order():
    alarms = 0
    for seed in range(8):
        mine = paths.sessions(path_simulation.simulated_log(users=100, seed=seed, shuffle=True))
        table = path_patterns.ways(mine, path_patterns.grams(mine, longest=2, runs=19, seed=seed))
        alarms += bool((table.p_family <= 0.05).any())
    assert alarms <= 2  # 5 % of 8 is less than one


def test_the_mean_over_shuffles_is_the_exact_expectation():
    """Of visits pv-cart-buy in random order, 'cart, then buy at once' holds for 2 orders of 6."""
    mine = found(log_of([(u, b, 60 * k) for u in range(300) for k, b in enumerate(["pv", "cart", "buy"])]))
    grams = path_patterns.grams(mine, runs=40)
    pairs = grams.shuffled[1].reshape(40, 6, 6)[:, 3, 4] / 300
    assert pairs.mean() == pytest.approx(1 / 3, abs=0.015)


def test_all_orders_of_blocks_have_the_same_chance():
    """Of pv, pv, fav, cart the orders without two pv side by side are six."""
    blocks = path_patterns._Blocks(np.array(["1213"] * 12_000, object))
    states, _ = blocks.deal(np.random.default_rng(1))
    words = Counter("".join(map(str, states)).strip("05").split("50"))
    assert len(words) == 6 and max(abs(n - 2_000) for n in words.values()) < 200


def test_a_visit_with_one_order_is_left_alone():
    text = np.array(["1", "121", "12", "1213" * 8], object)
    assert path_patterns._can_be_shuffled(text, True).tolist() == [False, False, True, False]


# Two groups -----------------------------------------------------------------------------------------------------------


def two_kinds(users: int, seed: int, *, truly: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Moves and groups: browsers and buyers, or two random halves of a mixture."""
    shares = (0.0, 1.0) if truly else (0.5, 0.5)
    parts = []
    for k, share in enumerate(shares):
        visits = path_simulation.simulated_visits(users=users, buyers_share=share, seed=seed + k)
        parts.append(path_simulation.simulated_moves(*visits))
    moves = pd.concat(parts, ignore_index=True).rename_axis("user_id")
    return moves, pd.DataFrame({"user_id": moves.index, "segment": np.repeat(["a", "b"], [len(p) for p in parts])})


def test_a_true_difference_is_found():
    table = paths.compare(*two_kinds(150, 1, truly=True), runs=199).set_index(["from", "to"])
    cell = table.loc[("pv", "buy")]
    assert cell.ci_low < 0.01 - 0.10 < cell.ci_high and cell.p_holm <= 0.2 and cell.p_value == pytest.approx(1 / 200)


def test_equal_groups_are_rarely_called_different():
    tables = [paths.compare(*two_kinds(80, 10 * s, truly=False), runs=79, min_cell=10, seed=s) for s in range(20)]
    small = pd.concat(tables).p_value <= 0.05
    assert 0.02 <= small.mean() <= 0.09
    assert sum((t.p_holm <= 0.05).any() for t in tables) <= 4


def test_the_p_value_is_exact_on_a_small_case():
    """Two against two users: of six deals, two are as extreme as the one that happened (it and its mirror)."""
    moves = path_simulation.simulated_moves(np.array([0, 1, 2, 3]), np.array([[1, 5], [1, 5], [1, 5], [1, 5]]))
    moves["pv > exit"] = [10, 9, 2, 1]
    moves["pv > buy"] = [1, 2, 8, 9]
    groups = pd.DataFrame({"user_id": range(4), "segment": ["a", "a", "b", "b"]})
    table = paths.compare(moves, groups, runs=3_000).set_index(["from", "to"])
    assert table.loc[("pv", "buy"), "p_value"] == pytest.approx(1 / 3, abs=0.03)


def test_groups_are_what_they_say():
    mine = found(log_of([*ROWS, (4, "pv", 20 * HOUR)]))
    users = as_table(pd.DataFrame({"user_id": [1, 2, 3], "city_tier": [1, 2, None], "age_band": ["a", "b", "c"]}))
    said = {by: paths.groups(mine, by, users=users).set_index("user_id").segment.to_dict() for by in paths.SEGMENTS}
    assert said["activity"] == {1: "heavy users", 2: "light users", 3: "heavy users", 4: "light users"}
    assert said["daypart"][4] == "evening users" and said["daypart"][2] == "daytime users"
    assert set(said["city tier"]) == {1, 2} and said["age band"][3] == "age band c"
    assert sorted(said["halves"].values()) == ["half A", "half A", "half B", "half B"]


def test_a_segment_that_no_table_knows_is_missing_with_its_reason():
    mine = found(log_of(ROWS))
    groups = paths.groups(mine, "city tier")
    assert "city tier" in groups.attrs["reason"]
    assert "city tier" in query(mine, "cart", groups=groups).attrs["reason"]
    assert "city tier" in paths.compare(paths.user_moves(mine), groups).attrs["reason"]


def test_queries_by_segment_add_up():
    mine = found(crowd(3))
    groups = paths.groups(mine, "halves")
    parts, whole = query(mine, "pv -> cart", groups=groups), query(mine, "pv -> cart")
    columns = ["users", "sessions", "matches"]
    assert parts[columns].sum().tolist() == whole[columns].iloc[0].tolist()


# Limits and faults ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("", "empty"), ("pv ->", "empty"), ("view", "no behaviour"), ("pv -> crat", "Did you mean 'cart'"),
        ("pv -> start", "only stand first"), ("exit -> pv", "only stand last"), ("not-any", "allows nothing"),
        ("not-cart|buy", "not-\\(cart\\|buy\\)"), ("pv**", "cannot be read"), ("pv[1]", "no behaviour"),
        (" -> ".join(["pv"] * 13), "at most 12"), ("pv* -> fav* -> pv* -> fav* -> pv*", "at most 4"),
        ("()", "no behaviour"),
        ("(pv", "cannot be read"), ("start*", "no behaviour"),
    ],
)  # fmt: skip
def test_faulty_patterns_are_refused_with_the_cure(pattern, says):
    with pytest.raises(BehaviourError, match=says):
        parse(pattern)


def test_patterns_cannot_smuggle_in_a_regular_expression():
    for pattern in ("pv -> .*", "1", "pv|", "^", "pv{3}", "not-1"):
        with pytest.raises(BehaviourError):
            parse(pattern)


def test_the_worst_pattern_ends_soon():
    text = "12" * 100
    assert not re.search(parse("any* -> pv* -> not-fav* -> any* -> cart"), text)


def test_a_machine_of_100_000_actions_is_left_out_and_counted():
    robot = complete(pd.DataFrame({"user_id": 9, "item_id": 1, "category_id": 1, "behavior": "pv",
                                   "timestamp": START + np.arange(100_000)}))  # fmt: skip
    mine = found(pd.concat([log_of(ROWS), robot]))
    table = paths.accounting(mine)
    assert table.sessions.tolist() == [5, 1] and table.actions.tolist() == [14, 100_000]
    assert counts(paths.transitions(paths.user_moves(mine))) == FIVE


@pytest.mark.parametrize("longest", [3, 4])
def test_exactly_the_longest_length_is_kept(longest):
    mine = found(log_of([(1, "pv", k) for k in range(4)]), longest=longest)
    assert paths.accounting(mine).sessions.tolist() == ([1, 0] if longest == 4 else [0, 1])


DEGENERATE = {
    "one user": log_of([(1, "pv", 0), (1, "cart", 60)]),
    "one action": log_of([(1, "buy", 0)]),
    "all equal": log_of([(u, "pv", 0) for u in range(30)]),
    "nothing": log_of(ROWS).head(0),
    "machines only": log_of([(1, "pv", k) for k in range(300)]),
}


@pytest.mark.parametrize("name", DEGENERATE)
@pytest.mark.parametrize("min_cell", [1, 10])
def test_degenerate_logs_give_tables_or_reasons(name, min_cell):
    mine = found(DEGENERATE[name])
    moves, grams = paths.user_moves(mine), path_patterns.grams(mine, runs=2)
    groups = paths.groups(mine, "activity")
    tables = [
        paths.transitions(moves, min_cell=min_cell), paths.steps(mine, min_cell=min_cell), paths.unseen(mine),
        paths.flows(mine, min_cell=min_cell), path_patterns.common(mine, min_cell=min_cell),
        query(mine, "cart -> not-buy* -> exit", groups=groups, min_cell=min_cell),
        query(mine, "pv", min_cell=min_cell), paths.compare(moves, groups, runs=9, min_cell=min_cell),
        *(path_patterns.ways(mine, grams, to=to, min_cell=min_cell) for to in path_patterns.TARGETS),
    ]  # fmt: skip
    assert all(len(t) or t.attrs["reason"] for t in tables)
    assert paths.matrix(tables[0]).shape[1] == 5
    assert paths.step_matrix(tables[1]).empty == tables[1].empty


def test_small_groups_are_hidden():
    mine = found(log_of(ROWS))
    table = paths.transitions(paths.user_moves(mine), min_cell=2)
    assert set(table[table.move_rate.isna()]["from"]) == {"fav"}
    assert path_patterns.common(mine, min_cell=2).attrs["reason"] == "no path was taken by 2 users"
    assert not path_patterns.ways(mine, path_patterns.grams(mine), min_cell=3).path.str.contains("fav").any()


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda m: paths.steps(m, length=0), "length"), (lambda m: paths.flows(m, length=1), "length"),
        (lambda m: paths.groups(m, "colour"), "by"), (lambda m: path_patterns.grams(m, longest=9), "longest"),
        (lambda m: path_patterns.ways(m, path_patterns.grams(m), to="cart"), "to"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused(call, name):
    with pytest.raises(BehaviourError, match=name):
        call(found(log_of(ROWS)))


# One pass, two engines, and the real head -----------------------------------------------------------------------------


def test_the_one_pass_is_the_only_scan_of_the_events():
    events = hold(as_table(crowd(2)))
    mine = paths.sessions(events)
    events.get_backend().con.execute(f'DROP TABLE "{events.op().name}"')
    assert not paths.steps(mine).empty and not query(mine, "pv").empty and len(paths.user_moves(mine)) == 125


def test_the_one_pass_reads_the_events_once(monkeypatch):
    monkeypatch.setattr(paths, "hold", lambda table: table)
    events = ibis.duckdb.connect().create_table("events", schema=as_table(crowd(2)).schema())
    query = str(ibis.to_sql(paths.sessions(events).table))
    plan = events.get_backend().con.execute("EXPLAIN " + query).fetchall()[0][1]
    assert plan.count("Seq Scan") == 1


def test_pass_and_counts_can_be_written_for_spark(monkeypatch):
    monkeypatch.setattr(paths, "hold", lambda table: table)
    mine = paths.sessions(as_table(crowd(2)))
    assert "ARRAY_SORT" in ibis.to_sql(mine.table, dialect="pyspark").upper()
    moves = mine.kept.group_by("user_id").agg(n=paths._count_moves(mine.kept, False)["pv > cart"].sum())
    assert "REPLACE" in ibis.to_sql(moves, dialect="pyspark").upper()


def test_the_real_head_agrees_with_plain_python(shared_data):
    log = head(shared_data("UserBehavior_head.csv"))
    visits = plain(log)
    table = paths.transitions(paths.user_moves(found(log, longest=10_000)))
    assert counts(table) == Counter(pair for _, states in visits for pair in pairwise(states))
