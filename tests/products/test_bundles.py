"""What a bundle earns: by hand, against potential outcomes, and against the exact truth of simulated shops."""

from __future__ import annotations

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.findings import Estimate, missing, show
from helpers.products import bundles as b
from helpers.products.rules import RulesError
from helpers.simulate import BUNDLES, SettingsError, bundle_truth, simulate_bundle

PAIR = ("Foundation", "Make-up remover")


def lines(rows) -> pd.DataFrame:
    """(order, good, price, margin); every order has its own user."""
    table = pd.DataFrame(rows, columns=["basket_id", "item", "price", "margin"])
    return table.assign(user=table["basket_id"])


TWO = lines([(0, "X", 100, 30), (0, "Y", 20, 8), (1, "X", 200, 50), (2, "Y", 40, 12)])


# by hand


@pytest.mark.parametrize(
    ("on", "value"),
    [
        # margin of Y 10, its mean price 30, 10 % off: an added Y earns 10 − 3; the order with both loses 2
        ("then", 1_000 * (0.5 * 0.5 * 7 - 0.5 * 2)),
        # off both: the order with both loses 12; who adds Y to the X of 200 costs 20 more
        ("both", 1_000 * (0.5 * 0.5 * (7 - 20) - 0.5 * 12)),
    ],
)
def test_margin_by_hand(on, value):
    assert b.margin(TWO, "X", "Y", discount=0.1, on=on, take_up=Estimate(0.5)).value == pytest.approx(value)


def test_break_even_is_where_the_margin_is_zero():
    needed = b.break_even(TWO, "X", "Y", discount=0.1)
    assert needed.value == pytest.approx(2 / 7)
    assert b.margin(TWO, "X", "Y", discount=0.1, take_up=needed).value == pytest.approx(0)


def test_a_discount_larger_than_the_margin_never_breaks_even():
    assert "earns less" in b.break_even(TWO, "X", "Y", discount=0.1, on="both").reason


def test_take_up_by_hand():
    found = b.take_up(offered_both=60, offered=100, control_both=20, control=100)
    assert found.value == pytest.approx((0.6 - 0.2) / 0.8)
    spread = np.sqrt(0.6 * 0.4 / 100 + 0.5**2 * 0.2 * 0.8 / 100) / 0.8
    assert found.ci_high - found.value == pytest.approx(1.959964 * spread, rel=1e-6)


def test_the_spread_of_the_margin_by_hand():
    # discount 0: nothing is given away; known take-up; five orders of one price with X, two of them with Y
    table = lines([(k, "X", 10, 1) for k in range(5)] + [(k, "Y", 10, 4) for k in range(2)])
    found = b.margin(table, "X", "Y", discount=0, take_up=Estimate(1.0))
    assert found.value == pytest.approx(1_000 * 0.6 * 4)
    assert found.ci_high - found.value == pytest.approx(1_000 * 1.959964 * 4 * np.sqrt(0.6 * 0.4 / 5), rel=1e-6)


def test_orders_of_one_user_are_not_independent():
    alone = lines([(k, "X", 10, 1) for k in range(8)] + [(k, "Y", 10, 4) for k in range(4)])
    together = alone.assign(user=alone["user"] // 4)
    narrow, wide = (b.margin(t, "X", "Y", discount=0.1, take_up=Estimate(1.0)) for t in (alone, together))
    assert narrow.value == wide.value
    assert wide.ci_high - wide.ci_low > narrow.ci_high - narrow.ci_low


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 1), st.sampled_from(b.ON))
def test_margin_equals_the_sum_over_orders(seed, discount, t, on):
    rng = np.random.default_rng(seed)
    rows = [
        (k, g, p, p / 3) for k in range(12) for g in "XY" if rng.random() < 0.7 for p in [float(rng.integers(9, 99))]
    ]
    table = lines([*rows, (90, "X", 5.0, 1.0), (91, "Y", 8.0, 2.0)])
    x, y = (table[table["item"] == g].set_index("basket_id") for g in "XY")
    total = 0.0
    for order, price in x["price"].items():
        off = discount * price if on == "both" else 0.0
        cost, gain = discount * y["price"].mean() + off, y["margin"].mean()
        total += -(off + discount * y["price"][order]) if order in y.index else t * (gain - cost)
    found = b.margin(table, "X", "Y", discount=discount, on=on, take_up=Estimate(t)).value
    assert found == pytest.approx(1_000 * total / len(x), abs=1e-6)


# simulated truth


def test_the_exact_truth_equals_the_mean_of_many_orders():
    table = simulate_bundle(200_000, first=PAIR[0], second=PAIR[1], take_up=0.3, seed=2)
    offered = table[table["phase"] == "offered"]
    x, y = (offered[offered["item"] == name].set_index("basket_id") for name in PAIR)
    meets = y[y.index.isin(x.index)]
    earned = np.where(meets["added"], meets["margin"], 0.0) - 0.1 * meets["price"]
    spread = 1_000 * earned.std() * np.sqrt(len(meets)) / len(x)
    assert abs(1_000 * earned.sum() / len(x) - bundle_truth(*PAIR, discount=0.1, take_up=0.3)) < 4 * spread


@pytest.mark.parametrize("on", b.ON)
def test_predicted_margins_cover_the_truth(on):
    found = b.graded(7, shops=30, take_up_truth=0.25, discount=0.1, on=on, orders=6_000, seed=5)
    assert found["covered"].sum() >= 26  # 28.5 expected; fewer than 26 has a chance below 2 %


def test_an_offer_that_moves_nobody_only_gives_away():
    assert bundle_truth(*PAIR, discount=0.1, take_up=0) < 0
    table = simulate_bundle(6_000, first=PAIR[0], second=PAIR[1], take_up=0, seed=1)
    assert not table["added"].any()
    assert b.predicted(table, *PAIR, discount=0.1).ci_low < 0


def test_the_bound_from_the_confidence_lies_above_a_weaker_response():
    table = simulate_bundle(20_000, first=PAIR[0], second=PAIR[1], take_up=0.2, seed=3)
    row = b.worth(table[table["phase"] == "log"], rule(*PAIR), discount=0.1).iloc[0]
    assert row["confidence"] > 0.2
    assert row["margin_at_most"] > bundle_truth(*PAIR, discount=0.1, take_up=0.2)


def test_the_same_seed_gives_the_same_offer():
    once, again = (simulate_bundle(500, first=PAIR[0], second=PAIR[1], take_up=0.5, seed=4) for _ in range(2))
    assert once.equals(again)


def test_a_stronger_response_changes_only_the_added_lines():
    weak, strong = (simulate_bundle(3_000, first=PAIR[0], second=PAIR[1], take_up=t, seed=4) for t in (0.0, 1.0))
    kept = ["basket_id", "item", "phase"]
    assert weak[kept].equals(strong.loc[~strong["added"], kept].reset_index(drop=True))


# the table of the page


def rule(*pairs: str) -> pd.DataFrame:
    sides = list(zip(pairs[::2], pairs[1::2], strict=True))
    return pd.DataFrame({"antecedents": [(a,) for a, _ in sides], "consequents": [(c,) for _, c in sides]})


def test_worth_says_what_each_bundle_needs():
    row = b.worth(TWO, rule("X", "Y"), discount=0.1).iloc[0]
    assert (row["orders_with_if"], row["confidence"], row["verdict"]) == (2, 0.5, "test it")
    assert row["break_even_rate"] == pytest.approx(2 / 7)
    assert row["given_away"] == pytest.approx(1_000)
    assert row["margin_at_most"] == pytest.approx(750)


@pytest.mark.parametrize(("discount", "on", "word"), [(0.2, "then", "hardly pays"), (0.1, "both", "never pays")])
def test_verdicts(discount, on, word):
    assert b.worth(TWO, rule("X", "Y"), discount=discount, on=on)["verdict"].tolist() == [word]


def test_longer_rules_and_pairs_of_few_people_stay_out():
    longer = pd.DataFrame({"antecedents": [("X", "Z")], "consequents": [("Y",)]})
    assert "of two goods" in b.worth(TWO, longer, discount=0.1).attrs["reason"]
    assert "2 people" in b.worth(TWO, rule("X", "Y"), discount=0.1, min_users=2).attrs["reason"]


def test_nothing_to_price_says_why():
    none = missing(["antecedents", "consequents"], "no rule passes both tests")
    assert b.worth(TWO, none, discount=0.1).attrs["reason"] == "no rule passes both tests"
    assert "unit_margin" in b.worth(b.priced(None, None), rule("X", "Y"), discount=0.1).attrs["reason"]
    assert "no order holds Q" in b.margin(TWO, "X", "Q", discount=0.1, take_up=Estimate(0.1)).reason
    assert b.margin(TWO, "X", "Y", discount=0.1, take_up=Estimate.missing("no pilot")).reason == "no pilot"
    assert "control" in b.take_up(offered_both=0, offered=0, control_both=0, control=3).reason


def test_priced_takes_the_discount_off_each_piece():
    orders = ibis.memtable(
        pd.DataFrame({
            "order_id": [1, 1], "user_id": [7, 7], "item_id": [11, 21], "category_id": [1, 2],
            "quantity": [2, 1], "unit_price": [10.0, 5.0], "discount": [4.0, 0.0],
        })
    )  # fmt: skip
    items = ibis.memtable(pd.DataFrame({"item_id": [11, 21], "unit_margin": [3.0, 2.0]}))
    found = b.priced(orders, items)
    assert found[["item", "price", "margin"]].to_numpy().tolist() == [[1, 8, 1], [2, 5, 2]]


@pytest.mark.parametrize("wrong", [{"discount": 2}, {"discount": 0.1, "on": "first"}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(RulesError, match=list(wrong)[-1]):
        b.margin(TWO, "X", "Y", take_up=Estimate(0.5), **wrong)


@pytest.mark.parametrize("wrong", [{"first": "Unicorn"}, {"second": "Laptop"}, {"take_up": 1.1}, {"n": 2}])
def test_wrong_simulations_are_named(wrong):
    call = {"n": 100, "first": "Laptop", "second": "Mouse", "take_up": 0.1, "seed": 1} | wrong
    with pytest.raises(SettingsError):
        simulate_bundle(call.pop("n"), **call)


def test_every_planted_pair_can_be_bundled():
    assert all(np.isfinite(bundle_truth(*pair, discount=0.1, take_up=0.2)) for pair in BUNDLES)


@pytest.mark.parametrize("label", ["手机壳", "<script>alert(1)</script>", "x" * 10_000, "$\\frac"])
def test_any_label_passes(label):
    table = TWO.assign(item=TWO["item"].replace("Y", label))
    page = show(b.worth(table, rule("X", label), discount=0.1))._repr_html_()
    assert "<script>" not in page
    assert "test it" in page
