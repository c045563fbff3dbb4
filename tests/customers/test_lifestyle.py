"""Lifestyle scores by hand, the area under the curve by counting, and the types of simulated shops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import lifestyle as ls
from helpers.customers.lifestyle import MIXED, TYPES
from helpers.customers.tags import TagError, tags, touches
from helpers.findings import missing
from tests.customers.profile_logs import simulate

FIVE = pd.DataFrame({"price_level": [0.9, 0.7, 0.5, 0.3, 0.1], "novelty": [0.0, 0.9, 0.1, 0.1, 0.05],
                     "discount_share": [0.0, 0.1, 0.2, 0.3, None]}, index=[1, 2, 3, 4, 5])  # fmt: skip


def test_scores_of_five_users():
    found = ls.scores(FIVE)
    assert found["quality-life"].tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1])
    assert found["fashion-forward"].tolist() == pytest.approx([0.1, 0.9, 0.6, 0.6, 0.3])
    # P(discount) among four: 1/8, 3/8, 5/8, 7/8; user 5 has half of the weight, so 1 − P(price) alone
    assert found["rational-saving"].tolist() == pytest.approx([0.1125, 0.3375, 0.5625, 0.7875, 0.9])


def test_types_of_five_users():
    assert ls.types(ls.scores(FIVE)).tolist() == ["quality-life", "fashion-forward", MIXED, *["rational-saving"] * 2]
    assert ls.types(ls.scores(FIVE), margin=0).loc[3] == "fashion-forward"
    assert set(ls.types(ls.scores(FIVE), margin=1)) == {MIXED}


def test_without_a_price_there_is_no_type():
    bare = ls.types(ls.scores(FIVE.assign(price_level=np.nan)))
    assert bare.isna().all() and ls.sizes(bare, min_cell=1).attrs["reason"].startswith("nobody has all three scores")
    assert ls.types(ls.scores(FIVE.head(0))).empty


def test_a_tie_is_mixed_even_without_a_margin():
    same = pd.DataFrame({"price_level": [0.5] * 4, "novelty": [0.2] * 4, "discount_share": [0.0] * 4})
    assert set(ls.types(ls.scores(same), margin=0)) == {MIXED}


def test_unit_and_other_scales_do_not_matter():
    stretched = FIVE.assign(price_level=np.exp(FIVE["price_level"]), discount_share=100 * FIVE["discount_share"])
    pd.testing.assert_frame_equal(ls.scores(stretched), ls.scores(FIVE))
    assert ls.formula()["score"].tolist()[:2] == ["P(price_level)", "P(novelty)"]


def test_small_types_are_hidden():
    types = pd.Series(["quality-life"] * 30 + ["fashion-forward"] * 25 + ["rational-saving"] * 3)
    assert ls.sizes(types, min_cell=10)["users"].tolist() == [30, pd.NA, pd.NA]
    assert ls.sizes(types, min_cell=1)["user_share"].sum() == pytest.approx(1)


# the area under the curve


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=30))
def test_auc_agrees_with_counting_pairs(rows):
    table = pd.DataFrame(rows, columns=["score", "member"])
    members, others = (table.loc[table["member"] == m, "score"].tolist() for m in (True, False))
    found = ls.auc(table["score"].astype(float), table["member"])
    if not members or not others:
        assert found.reason
        return
    wins = [1.0 if a > b else 0.5 if a == b else 0.0 for a in members for b in others]
    assert found.value == pytest.approx(np.mean(wins)) and 0 <= found.ci_low <= found.value <= found.ci_high <= 1


def test_standard_error_of_hanley_and_mcneil():
    # Hanley and McNeil (1982): 51 abnormal and 58 normal images with an area of .893 have a standard error of .032
    lost = 317 / 51  # pairs lost by each abnormal image: 51 · 58 · (1 − .893) = 317 of 2,958
    members = [58 - lost + i / 1_000 for i in range(51)]
    found = ls.auc(pd.Series([*members, *range(58)], dtype=float), pd.Series([True] * 51 + [False] * 58))
    assert found.value == pytest.approx(0.893, abs=0.005)
    assert (found.value - found.ci_low) / 1.96 == pytest.approx(0.032, abs=0.001)


# truth


def graded(seed: int, n: int = 400) -> tuple[pd.DataFrame, pd.DataFrame]:
    shop = simulate(n, seed=seed)
    table = tags(touches(shop.log, items=shop.items), window=shop.window, orders=shop.orders, users=shop.users)
    types = ls.types(ls.scores(table))
    return ls.graded_scores(table, shop.truth), ls.graded_types(types, shop.truth, seed=1)


def test_scores_find_the_types_of_simulated_shops():
    found = [graded(seed) for seed in (1, 2)]
    areas = pd.concat([scores for scores, _ in found]).groupby("type")["auc"].agg(["mean", "min"])
    assert (areas["min"] > [0.93, 0.98, 0.82]).all()  # fashion-forward, quality-life, rational-saving
    right = pd.concat([types for _, types in found]).set_index("measure")["value"]
    assert right["right type, mixed counts as wrong"].min() > 0.85 and right["adjusted Rand index"].min() > 0.8


def test_a_shuffled_truth_is_a_coin():
    shop = simulate(500, seed=4)
    table = tags(touches(shop.log, items=shop.items), window=shop.window, orders=shop.orders)
    other = shop.truth["lifestyle"].sample(frac=1, random_state=1).to_numpy()
    found = ls.graded_scores(table, shop.truth.assign(lifestyle=other))
    assert found["auc"].between(0.42, 0.58).all() and list(found["type"]) == list(TYPES)


def test_a_shop_without_types_and_real_data_have_no_truth():
    shop = simulate(60, seed=5, segments=False)
    table = tags(touches(shop.log, items=shop.items), window=shop.window, orders=shop.orders)
    types = ls.types(ls.scores(table))
    assert types.nunique() == 4  # the formula gives types all the same: it draws borders, it does not find them
    assert "no lifestyle types" in ls.graded_scores(table, shop.truth).attrs["reason"]
    real = missing(["truth"], "these are not simulated data")
    assert ls.graded_types(types, real, seed=1).attrs["reason"] == ls.right(types, real).reason == real.attrs["reason"]


def test_a_wrong_margin_is_named():
    with pytest.raises(TagError, match="margin: 2"):
        ls.types(ls.scores(FIVE), margin=2)
