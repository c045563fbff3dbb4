"""PrefixSpan against the paper, against brute force, and against the search for large logs."""

from itertools import combinations, pairwise, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.products import prefixspan as method

PAPER = ["a abc ac d cf", "ad c bc ae", "ef ab df c b", "e g af c b c"]
"""Pei et al. (2001), Table 1: the items of each element as letters."""
LIMITS = [(None, None, True), (2, None, True), (None, 4, False), (2, 5, True), (3, 4, False), (0, 3, True)]


def steps(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user", "time", "item"])


def database(texts: list[str]) -> pd.DataFrame:
    return steps([(u, t, i) for u, row in enumerate(texts) for t, element in enumerate(row.split()) for i in element])


def random_log(rng: np.random.Generator, users: int = 5, items: str = "abc") -> pd.DataFrame:
    n = int(rng.integers(1, 20))
    return pd.DataFrame({
        "user": rng.integers(0, users, n), "time": rng.integers(0, 8, n), "item": rng.choice(list(items), n),
    })  # fmt: skip


def follows(baskets: list, pattern: tuple, gap: float, window: float) -> bool:
    """The definition, by trying all choices of baskets."""
    for chosen in combinations(baskets, len(pattern)):
        times = [t for t, _ in chosen]
        near = all(b - a <= gap for a, b in pairwise(times)) and times[-1] - times[0] <= window
        if near and all(set(e) <= set(items) for e, (_, items) in zip(pattern, chosen, strict=True)):
            return True
    return False


def brute_force(log: pd.DataFrame, least: int, gap: int | None, window: int | None, repeats: bool) -> dict:
    """Every pattern of up to three items over every customer."""
    people = [[(t, sorted(set(own["item"]))) for t, own in mine.groupby("time")] for _, mine in log.groupby("user")]
    letters = sorted(set(log["item"]))
    elements = [c for k in (1, 2, 3) for c in combinations(letters, k)]
    limits, found = [np.inf if limit is None else limit for limit in (gap, window)], {}
    for pattern in (p for k in (1, 2, 3) for p in product(elements, repeat=k) if sum(map(len, p)) <= 3):
        flat = [i for e in pattern for i in e]
        count = sum(follows(baskets, pattern, *limits) for baskets in people)
        if (repeats or len(set(flat)) == len(flat)) and count >= least:
            found[pattern] = count
    return found


def as_dict(table: pd.DataFrame) -> dict:
    return dict(zip(table["pattern"], table["count"].tolist(), strict=True))


def test_the_paper_has_53_patterns():
    found = method.prefixspan(database(PAPER), min_count=2)
    by_first = found["pattern"].str[0].str[0].value_counts().to_dict()
    assert len(found) == 53 and by_first == {"a": 19, "b": 8, "c": 4, "d": 4, "e": 13, "f": 5}


def test_patterns_that_the_paper_names():
    found = as_dict(method.prefixspan(database(PAPER), min_count=2))
    assert found[("a",),] == 4 and found[("a", "b"), ("c",)] == 2 and found[("a",), ("b", "c"), ("a",)] == 2
    assert found[("e",), ("f",), ("c",), ("b",)] == 2


def test_the_fast_search_finds_the_single_item_patterns_of_the_paper():
    slow = as_dict(method.prefixspan(database(PAPER), min_count=2))
    fast = as_dict(method.chains(database(PAPER), min_count=2))
    assert fast == {p: n for p, n in slow.items() if all(len(e) == 1 for e in p)}


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_both_searches_agree_on_random_logs(seed):
    rng = np.random.default_rng(seed)
    for k in range(100):  # five examples: 500 logs
        log, (gap, window, repeats) = random_log(rng, items="abcd"), LIMITS[k % len(LIMITS)]
        how = {"min_count": 2, "max_gap": gap, "max_window": window, "max_length": 4, "repeats": repeats}
        slow = as_dict(method.prefixspan(log, **how))
        assert as_dict(method.chains(log, **how)) == {p: n for p, n in slow.items() if all(len(e) == 1 for e in p)}


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32))
def test_the_readable_search_agrees_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    for k in range(24):
        log, (gap, window, repeats) = random_log(rng, users=3), LIMITS[k % len(LIMITS)]
        how = {"min_count": 1, "max_gap": gap, "max_window": window, "max_length": 3, "repeats": repeats}
        assert as_dict(method.prefixspan(log, **how)) == brute_force(log, 1, gap, window, repeats)


@pytest.mark.parametrize("search", [method.prefixspan, method.chains])
@pytest.mark.parametrize(
    ("limits", "count"),
    [({}, 1), ({"max_gap": 5}, 1), ({"max_gap": 4}, 0), ({"max_window": 8}, 1), ({"max_window": 7}, 0)],
)
def test_gap_and_window_include_their_ends(search, limits, count):
    log = steps([(1, 0, "a"), (1, 5, "b"), (1, 8, "c")])
    assert as_dict(search(log, min_count=1, **limits)).get((("a",), ("b",), ("c",)), 0) == count


@pytest.mark.parametrize("search", [method.prefixspan, method.chains])
def test_a_later_beginning_saves_the_window(search):
    log = steps([(1, 0, "a"), (1, 6, "a"), (1, 9, "b")])
    assert as_dict(search(log, min_count=1, max_window=3))[("a",), ("b",)] == 1


@pytest.mark.parametrize("search", [method.prefixspan, method.chains])
def test_one_basket_is_no_sequence(search):
    log = steps([(1, 0, "a"), (1, 0, "b")])
    assert as_dict(search(log, min_count=1, repeats=False)).get((("a",), ("b",)), 0) == 0


@pytest.mark.parametrize("search", [method.prefixspan, method.chains])
def test_order_of_rows_and_doubled_rows_do_not_matter(search):
    log = database(PAPER)
    mixed = pd.concat([log, log]).sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(search(log, min_count=2), search(mixed, min_count=2))


def test_small_pieces_of_work_give_the_same(monkeypatch):
    log = random_log(np.random.default_rng(1), items="abcdef")
    whole = method.chains(log, min_count=1, max_length=4)
    monkeypatch.setattr(method, "CHUNK", 1)
    pd.testing.assert_frame_equal(method.chains(log, min_count=1, max_length=4), whole)


def test_a_row_without_an_item_keeps_its_user():
    log = steps([(1, 0, "a"), (2, 0, None)])
    for search in (method.prefixspan, method.chains):
        assert search(log, min_count=1)[["count", "users", "support"]].values.tolist() == [[1, 2, 0.5]]


@pytest.mark.parametrize("rows", [[], [(1, 0, "a")], [(1, 0, None)], [(u, 0, "a") for u in range(5)]])
def test_degenerate_logs(rows):
    for search in (method.prefixspan, method.chains):
        found = search(steps(rows), min_count=1)
        assert list(found.columns) == method.PATTERN_COLUMNS and len(found) <= 1
        assert len(method.closed(found)) == len(found)


def test_closed_by_the_definition():
    table = method.prefixspan(database(PAPER), min_count=2)
    counts = as_dict(table)
    inside = {p for p in counts for q, n in counts.items() if p != q and n == counts[p] and within(p, q)}
    assert set(method.closed(table)["pattern"]) == set(counts) - inside


def within(short: tuple, long: tuple) -> bool:
    some = combinations(long, len(short))
    return any(all(set(a) <= set(b) for a, b in zip(short, chosen, strict=True)) for chosen in some)


def test_shuffling_keeps_people_times_and_baskets():
    log = method.occurrences(random_log(np.random.default_rng(3), users=3))
    mixed = method.shuffled(log, seed=1)
    assert contents(mixed) == contents(log)
    assert (mixed.slot_time == log.slot_time).all() and (np.diff(mixed.slot) >= 0).all()


def contents(log: method.Occurrences) -> list:
    baskets = pd.DataFrame({"slot": log.slot, "item": log.item}).groupby("slot")["item"].apply(sorted)
    return sorted((int(log.slot_user[slot]), items) for slot, items in baskets.items())


def test_every_order_is_equally_likely():
    log = method.occurrences(steps([(1, t, i) for t, i in enumerate("abc")]))
    orders = pd.Series([tuple(method.shuffled(log, seed=[9, s]).item) for s in range(600)]).value_counts()
    assert len(orders) == 6 and ((orders - 100).abs() < 4.5 * np.sqrt(100 * 5 / 6)).all()


def test_too_much_is_refused():
    with pytest.raises(method.TooManyPatterns, match="raise min_support"):
        method.chains(database(PAPER), min_count=1, limit=10)
    with pytest.raises(method.SequenceError, match="min_count=0"):
        method.prefixspan(database(PAPER), min_count=0)
    with pytest.raises(method.SequenceError, match="max_gap=-1"):
        method.chains(database(PAPER), min_count=1, max_gap=-1)


def test_labels_of_any_kind_become_texts():
    labels = [np.str_("np"), 7, "手机", "x" * 10_000, "<script>alert(1)</script>"]
    log = steps([(u, t, label) for u in (1, 2) for t, label in enumerate(labels)])
    found = method.chains(log, min_count=2, max_length=2)
    assert {type(i) for p in found["pattern"] for e in p for i in e} == {str}
    assert len(found) == 5 + 10 and as_dict(found) == as_dict(method.prefixspan(log, min_count=2, max_length=2))


def test_two_items_with_one_text_are_refused():
    with pytest.raises(method.SequenceError, match="two different items read '1'"):
        method.chains(steps([(1, 0, 1), (1, 1, "1")]), min_count=1)
