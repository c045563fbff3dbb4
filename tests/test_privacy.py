"""Small groups and small traces: nothing comes back by subtraction, and unicity is counted right."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import privacy
from helpers.notebook import open_study
from helpers.privacy import SHARES, PrivacyError, suppress, unicity
from tests.logs import as_events, random_log


def hidden_rows(counts: list[int], **options: object) -> list[int]:
    """Positions of the hidden rows of a table with these counts."""
    table = pd.DataFrame({"g": range(len(counts)), "n": counts})
    result = suppress(table, count="n", values=[], **{"min_cell": 10, **options})
    return np.flatnonzero(result["n"].isna()).tolist()


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ([30, 12, 15, 3], [1, 3]),  # 3 alone would be the total less the rest
        ([30, 40, 50], []),
        ([30, 40, 4, 5], [0, 2, 3]),  # 4 + 5 = 9 people are still too few
        ([30, 40, 6, 7], [2, 3]),  # 13 people in two rows are enough
        ([30, 40, 5, 5], [2, 3]),  # and so are 10
        ([30, 0], [0, 1]),  # a group of nobody says something about everybody
        ([3], [0]),
        ([10, 10], []),
    ],
)
def test_rows_hidden_by_hand(counts: list[int], hidden: list[int]) -> None:
    assert hidden_rows(counts) == hidden


def test_overlapping_groups_need_no_complement() -> None:
    assert hidden_rows([30, 12, 15, 3], additive=False) == [3]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(1, 20))
def test_no_small_group_comes_back_from_the_total(counts: list[int], min_cell: int) -> None:
    hidden = hidden_rows(counts, min_cell=min_cell)
    rest = sum(counts[i] for i in hidden)
    assert {i for i, n in enumerate(counts) if n < min_cell} <= set(hidden)
    assert not hidden or len(hidden) == len(counts) or (len(hidden) >= 2 and rest >= min_cell)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=12, max_size=12))
def test_no_line_of_a_cross_table_gives_a_cell_away(counts: list[int]) -> None:
    rows, columns = np.divmod(np.arange(12), 4)
    table = pd.DataFrame({"row": rows, "column": columns, "n": counts})
    gone = suppress(table, count="n", min_cell=10, values=[], by=["row", "column"])["n"].isna().to_numpy()
    for line in [rows == i for i in range(3)] + [columns == j for j in range(4)]:
        assert (
            not gone[line].any() or gone[line].all() or (gone[line].sum() >= 2 and sum(table["n"][line & gone]) >= 10)
        )


def test_zeros_and_rates_of_small_groups_go_with_them() -> None:
    table = pd.DataFrame({"g": list("abc"), "n": [50, 4, 20], "buy_rate": [0.3, 1.0, 0.0], "sure": [True, False, True]})
    result = suppress(table, count="n", min_cell=10, values=["buy_rate", "sure"])
    assert [str(result[c].dtype) for c in ("buy_rate", "sure")] == ["float64", "boolean"]
    assert result["buy_rate"].isna().tolist() == result["sure"].isna().tolist() == [False, True, True]
    assert result["hidden"].tolist() == ["", *["fewer than 10, or protects such a group"] * 2]


def test_both_kinds_of_hidden_rows_look_alike_and_whole_numbers_stay_whole() -> None:
    result = suppress(pd.DataFrame({"n": [30, 12, 3]}), count="n", min_cell=10, values=[])
    assert result["hidden"].nunique() == 2 and str(result["n"].dtype) == "Int64" and result["n"][0] == 30


def test_the_given_table_is_left_alone_and_an_empty_one_comes_back() -> None:
    table = pd.DataFrame({"n": [3, 30]})
    suppress(table, count="n", min_cell=10, values=[])
    assert table.to_dict("list") == {"n": [3, 30]}
    assert suppress(table.head(0), count="n", min_cell=10, values=[]).empty


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ([1], {"count": "m"}, "'m' is not in"),
        ([-1], {}, "negative"),
        ([np.nan], {}, "missing"),
        ([1], {"min_cell": 0}, "0"),
    ],
)
def test_wrong_arguments_are_named(counts: list, options: dict, words: str) -> None:
    with pytest.raises(PrivacyError, match=words):
        suppress(pd.DataFrame({"n": counts}), **{"count": "n", "min_cell": 10, "values": [], **options})


def test_as_many_people_as_the_smallest_group_are_shown() -> None:
    assert hidden_rows([1, 9], min_cell=1) == [] and hidden_rows([0, 9], min_cell=1) == [0, 1]
    assert hidden_rows([9, 10, 30]) == [0, 1] and hidden_rows([10, 30]) == []
    words, people = pd.Series(["f", "f", "m", "m", "Anna"]), pd.Series([1, 1, 2, 3, 4])
    assert privacy.common_words(words, people, min_cell=2).tolist() == ["another", "another", "m", "m", "another"]
    assert privacy.common_words(words, people, min_cell=1).tolist() == words.tolist()


def test_each_total_hides_a_second_row_of_its_own() -> None:
    table = pd.DataFrame({"g": ["a", "a", None, None, "b"], "h": 1, "n": [3, 50, 4, 40, 60]})
    own = [suppress(table, count="n", min_cell=10, values=[], by=by)["n"].isna().tolist() for by in ("g", ["g", "h"])]
    assert own == [[True, True, True, True, False]] * 2  # a missing name is a group, too
    assert suppress(table, count="n", min_cell=5, values=[])["n"].isna().tolist() == [True, False, True, False, False]


# -- unicity ----------------------------------------------------------------------------------------------------------


def by_hand(log: pd.DataFrame, k: int) -> float:
    """Expected share of users whom k random own (item, day) points single out, over all subsets of k points."""
    day = (log["timestamp"] + 8 * 3600) // 86400
    traces = {u: set(zip(t["item_id"], day[t.index], strict=True)) for u, t in log.groupby("user_id")}
    shares = []
    for user, trace in traces.items():
        draws = list(combinations(sorted(trace), min(k, len(trace))))
        others = [t for u, t in traces.items() if u != user]
        shares.append(np.mean([not any(set(d) <= t for t in others) for d in draws]))
    return float(np.mean(shares))


@pytest.fixture(scope="module")
def crowd() -> pd.DataFrame:
    """60 users whose traces overlap: 12 items, three days."""
    log = random_log(users=60, days=3, events_a_day=4, rate=0.7, seed=3)
    return log.assign(item_id=log["item_id"] % 12)


def test_one_point_is_exact(crowd: pd.DataFrame) -> None:
    found = unicity(as_events(crowd), points=1).iloc[0]
    assert found["singled_out_share"] == pytest.approx(by_hand(crowd, 1)) and found["method"] == "exact"


@pytest.mark.parametrize("k", [2, 3])
def test_more_points_are_estimated_without_bias(crowd: pd.DataFrame, k: int) -> None:
    draws = [unicity(as_events(crowd), points=k, seed=s)["singled_out_share"].iloc[0] for s in range(25)]
    assert np.mean(draws) == pytest.approx(by_hand(crowd, k), abs=4 * np.std(draws) / 5 + 0.005)


def test_a_hand_made_crowd() -> None:
    log = pd.DataFrame({"user_id": [1, 1, 2, 3], "item_id": [1, 2, 1, 3]}).assign(category_id=1, behavior="pv")
    log = log.assign(timestamp=1511539200)
    # user 1: item 1 is shared, item 2 is not; user 2: shared; user 3: alone → (0.5 + 0 + 1) / 3
    found = unicity(as_events(log), points=(1, 2))["singled_out_share"].tolist()
    assert found == pytest.approx([0.5, 2 / 3])


def test_coarser_traces_single_out_fewer(crowd: pd.DataFrame) -> None:
    events = as_events(crowd)
    fine, coarse = (unicity(events, points=1, item=i)["singled_out_share"].iloc[0] for i in ("item_id", "category_id"))
    rough = unicity(events, points=1, item="category_id", time_unit="month", top=2)
    assert rough["singled_out_share"].iloc[0] <= coarse <= fine and "2 most frequent" in rough["item"].iloc[0]


def test_two_days_of_a_week_are_one_time() -> None:
    log = pd.DataFrame({"user_id": [1, 2], "item_id": 7, "category_id": 1, "behavior": "pv"})
    events = as_events(log.assign(timestamp=[1511539200, 1511539200 + 86_400]))  # a Saturday and its Sunday
    shares = [unicity(events, points=1, time_unit=u)["singled_out_share"].iloc[0] for u in ("day", "week", "month")]
    assert shares == [1.0, 0.0, 0.0]


def test_rare_things_are_one_place_together() -> None:
    log = pd.DataFrame({"user_id": [1, 2, 3, 4], "item_id": [7, 7, 8, 9], "category_id": 1, "behavior": "pv"})
    events = as_events(log.assign(timestamp=1511539200))
    # users 3 and 4 are alone with items 8 and 9; where only item 7 has a name, they share the place 'other'
    shares = [unicity(events, points=1, top=top)["singled_out_share"].iloc[0] for top in (None, 1, 2)]
    assert shares == [0.5, 0.0, 0.5]


def test_how_many_are_looked_at_first_does_not_matter(crowd: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = unicity(as_events(crowd), points=(2, 3))
    monkeypatch.setattr(privacy, "FIRST_LOOK", 1)
    pd.testing.assert_frame_equal(unicity(as_events(crowd), points=(2, 3)), whole)


def test_the_seed_decides(crowd: pd.DataFrame) -> None:
    first, again = (unicity(as_events(crowd), points=2, sample=20, seed=4) for _ in range(2))
    pd.testing.assert_frame_equal(first, again)


def test_nobody_cannot_be_singled_out(crowd: pd.DataFrame) -> None:
    table = unicity(as_events(crowd.head(0)))
    assert table["users"].tolist() == [0, 0, 0] and table["singled_out_share"].isna().all()


def test_a_crowd_that_is_too_small_to_be_shown_is_hidden(crowd: pd.DataFrame) -> None:
    events, users = as_events(crowd), crowd["user_id"].nunique()
    shown, hidden = (unicity(events, points=(1, 2), min_cell=least) for least in (users, users + 1))
    pd.testing.assert_frame_equal(shown.astype({"users": int}), unicity(events, points=(1, 2)))
    assert hidden[["users", *SHARES]].isna().all(axis=None) and hidden["points"].tolist() == [1, 2]


def three_alone(**options: object) -> pd.DataFrame:
    """Three users who share nothing: items 1 and 2, 3 and 4, 5 and 6, on one day."""
    log = pd.DataFrame({"user_id": [1, 1, 2, 2, 3, 3], "item_id": range(1, 7), "category_id": 1, "behavior": "pv"})
    return unicity(as_events(log.assign(timestamp=1511539200)), **options)


def test_who_shares_nothing_is_singled_out_by_any_number_of_points() -> None:
    table = three_alone(points=(1, 2, 10))
    assert table["singled_out_share"].tolist() == [1, 1, 1] and table["users"].tolist() == [3, 3, 3]
    assert table["method"].tolist() == ["exact", "sample", "sample"] and table["points"].tolist() == [1, 2, 10]
    # Wilson by hand, 3 of 3: 3 / (3 + 1.96²)
    assert table["singled_out_share_ci_low"].tolist()[1:] == pytest.approx([3 / (3 + 1.96**2)] * 2, abs=1e-4)
    assert pd.isna(table["singled_out_share_ci_low"][0]) and table["singled_out_share_ci_high"][1] == 1


def test_only_the_rows_of_few_users_are_hidden() -> None:
    table = three_alone(points=(1, 2), sample=2, min_cell=3)
    assert table["users"].fillna(0).tolist() == [3, 0] and table["singled_out_share"].fillna(0).tolist() == [1, 0]
    assert three_alone(points=(1, 2), sample=2)["users"].tolist() == [3, 2]


@pytest.mark.parametrize("first_look", [1, 2, 3, 1000])
def test_one_other_holder_is_found_wherever_he_stands(first_look: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privacy, "FIRST_LOOK", first_look)
    # the first and the last user have the same two items; the one between them is alone
    log = pd.DataFrame({"user_id": [1, 1, 2, 2, 3, 3], "item_id": [1, 2, 1, 5, 1, 2], "category_id": 1})
    table = unicity(as_events(log.assign(behavior="pv", timestamp=1511539200)), points=(2, 3))
    assert table["singled_out_share"].tolist() == [1 / 3, 1 / 3]


def test_of_equally_frequent_things_the_first_keeps_its_name() -> None:
    log = pd.DataFrame({"user_id": [1, 2, 3, 3], "item_id": [9, 7, 8, 8], "category_id": 1, "behavior": "pv"})
    events = as_events(log.assign(timestamp=1511539200))
    # 8 is the most frequent, then 7; with two names only user 1 is 'other', with one users 1 and 2 are
    assert [unicity(events, points=1, top=top)["singled_out_share"].iloc[0] for top in (2, 1)] == [1, 1 / 3]
    assert unicity(events, points=1, top=2)["item"].tolist() == ["item_id, the 2 most frequent"]


@pytest.mark.parametrize(
    "wrong", [{"item": "user_id"}, {"time_unit": "hour"}, {"points": 0}, {"points": 11}, {"points": ()}]
)
def test_wrong_points_are_refused(crowd: pd.DataFrame, wrong: dict) -> None:
    with pytest.raises(PrivacyError):
        unicity(as_events(crowd), **wrong)


def test_real_head_is_personal_data(shared_data, study_file) -> None:
    head: Path = study_file(events=shared_data("UserBehavior_head.csv"))
    table = unicity(open_study(head, "10_data_quality").events, points=(1, 2), sample=815)
    assert table["users"].tolist() == [815, 815] and table["singled_out_share"].iloc[1] == 1
    assert 0.94 <= table["singled_out_share"].iloc[0] < 0.95
