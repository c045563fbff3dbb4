"""All methods side by side: what they promise, intervals, sensitivity, and the simulated shop's truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.campaigns import attribution
from helpers.campaigns.attribution import METHODS, AttributionError, attribute, credit_table, touches_of
from helpers.engine import as_table
from helpers.findings import missing

TRUTH = pd.DataFrame({"channel": ["a", "b", "c"], "incremental_orders": [6, 4, 0]})


def random_paths(seed: int, paths: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    words = [" > ".join(rng.choice(list("abcd"), rng.integers(1, 6))) for _ in range(paths)]
    conversions, nulls = rng.integers(0, 4, paths), rng.integers(1, 6, paths)
    return pd.DataFrame({"path": words, "conversions": conversions, "nulls": nulls, "value": conversions * 2.5})


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32))
def test_every_method_gives_out_every_order_and_every_coin(seed):
    paths = random_paths(seed)
    found = attribute(touches_of(paths), boots=0)
    assert found.credit[..., 0].sum(axis=1) == pytest.approx(paths["conversions"].sum())
    assert found.credit[..., 1].sum(axis=1) == pytest.approx(paths["value"].sum())
    assert found.credit[found.methods.index("Shapley of counts")].min() >= 0


def test_equal_channels_get_equal_credit():
    both = pd.DataFrame({"path": ["a > b", "b > a", "a", "b"], "conversions": [3, 3, 2, 2], "nulls": [1, 1, 4, 4]})
    found = attribute(touches_of(both), boots=0)
    assert found.credit[:, 0] == pytest.approx(found.credit[:, 1])


def test_a_channel_of_null_paths_only_gets_nothing_but_by_rates():
    found = attribute(touches_of(pd.DataFrame({"path": ["a", "b"], "conversions": [4, 0], "nulls": [1, 3]})), boots=0)
    shares = credit_table(found).query("channel == 'b' and method != 'Shapley of rates'")["credit_share"]
    assert shares.astype(float).abs().max() < 1e-12


def test_a_path_with_one_channel_gives_it_all():
    found = attribute(touches_of(pd.DataFrame({"path": ["a > a"], "conversions": [4]})), boots=0)
    assert found.credit[..., 0] == pytest.approx(np.full((len(found.methods), 1), 4))


def test_no_conversion_is_said():
    found = attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [0], "nulls": [3]})))
    tables = [credit_table(found), attribution.removal_table(found), attribution.errors_against_truth(found, TRUTH)]
    assert {t.attrs["reason"] for t in tables} == {"no order has a touch before it"}
    assert attribution.shares_by_method(tables[0]).empty
    assert attribution.harvest_share(found, channels=["a"]).reason == "no order has a touch before it"


def test_the_bootstrap_agrees_with_theory():
    # first touch is a for half of 200 people, so its share has a standard error of √(¼ / 200)
    paths = pd.DataFrame({"path": ["a", "b"] * 100, "conversions": 1})
    row = credit_table(attribute(touches_of(paths), methods=["first touch"], boots=2_000)).iloc[0]
    half = 1.96 * np.sqrt(0.25 / 200)
    assert [row["credit_share_ci_low"], row["credit_share_ci_high"]] == pytest.approx(
        [0.5 - half, 0.5 + half], abs=0.01
    )


def test_intervals_cover_the_shares_of_the_population():
    # 500 samples of the simulated shop, all methods: 93 to 95 %; here a small part of it, for two methods
    rng, hits = np.random.default_rng(5), []
    kinds = pd.DataFrame({"path": ["a > b", "a", "b > c", "c", "a > c > b"], "chance": [0.3, 0.3, 0.2, 0.1, 0.1]})
    whole = kinds.assign(conversions=kinds.chance * [0.6, 0.2, 0.5, 0.1, 0.8], nulls=lambda t: t.chance - t.conversions)
    how = {"methods": ["linear", "Markov removal"]}
    truth = credit_table(attribute(touches_of(whole), boots=0, **how))["credit_share"].astype(float)
    for seed in range(12):
        kind = rng.choice(5, 400, p=kinds.chance)
        bought = rng.random(400) < (whole.conversions / whole.chance).to_numpy()[kind]
        paths = pd.DataFrame({"path": kinds.path.to_numpy()[kind], "conversions": bought * 1, "nulls": ~bought * 1})
        table = credit_table(attribute(touches_of(paths), boots=200, seed=seed, **how))
        hits.append((table["credit_share_ci_low"] <= truth) & (truth <= table["credit_share_ci_high"]))
    assert np.mean(hits) >= 0.86


def test_few_samples_give_no_interval():
    table = credit_table(attribute(touches_of(random_paths(1)), boots=5))
    assert table["credit_share_ci_low"].isna().all() and table["credit_share"].notna().all()


def test_every_row_says_that_it_is_not_causal():
    found = attribute(touches_of(random_paths(1)), boots=0)
    assert set(credit_table(found)["causal"]) | set(attribution.removal_table(found)["causal"]) == {"not causal"}


def test_error_by_hand():
    found = attribute(touches_of(pd.DataFrame({"path": ["a > b > c"], "conversions": [10]})), boots=0)
    table = attribution.errors_against_truth(found, TRUTH).set_index("method")
    assert table.loc[["first touch", "last touch", "linear"], "error_share"].tolist() == pytest.approx([0.4, 1, 1 / 3])
    assert table.loc["linear", "harvest_share"] == pytest.approx(1 / 3)


def test_without_caused_orders_there_is_no_share_of_them():
    found = attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [10]})), boots=0)
    nothing = pd.DataFrame({"channel": ["a", "b"], "incremental_orders": [0, 0]})
    assert attribution.errors_against_truth(found, nothing).attrs["reason"] == "none of these channels causes an order"


def test_real_data_have_no_truth():
    found = attribute(touches_of(random_paths(1)), boots=0)
    none = missing(["truth"], "these are not simulated data")
    assert attribution.errors_against_truth(found, none).attrs["reason"] == "these are not simulated data"
    assert attribution.true_orders(none).empty


@pytest.mark.parametrize(("options", "word"), [({"methods": ["U-shape"]}, "U-shape"), ({"boots": -1}, "boots")])
def test_wrong_arguments(options, word):
    with pytest.raises(AttributionError, match=word):
        attribute(touches_of(random_paths(1)), **options)


def test_wrong_half_life_and_level():
    with pytest.raises(AttributionError, match="half_life_days"):
        attribute(touches_of(random_paths(1)), half_life_days=0)
    with pytest.raises(AttributionError, match="level"):
        credit_table(attribute(touches_of(random_paths(1)), boots=0), level=1)


def test_every_method_has_a_name_of_its_own():
    assert len(set(METHODS)) == len(METHODS) == 9


# Ends of the allowed, ties, what is empty ----------------------------------------------------------------------------

TWO = pd.DataFrame({"path": ["a", "b"] * 100, "conversions": 1})
HALF = 1.96 * np.sqrt(0.25 / 200)


def test_no_conversion_and_no_sample_leave_tables_of_no_rows():
    none = attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [0]})))
    assert (none.credit.shape, none.draws.shape, none.removal.shape) == ((0, 0, 2), (1, 0, 0, 2), (0,))
    found = attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [1]})), methods=["linear"], boots=0)
    assert found.draws.shape == (0, 1, 2, 2) and found.removal.shape == (0,) and found.reason == ""
    assert "not asked for" in attribution.removal_table(found).attrs["reason"]
    assert "not asked for" in attribution.harvest_share(found, channels=["a"]).reason
    assert "the channels are a, b" in attribution.harvest_share(found, channels=["z"], method="linear").reason


def test_five_thousand_samples_are_the_most():
    touches = touches_of(TWO.head(2))
    assert len(attribute(touches, methods=["linear"], boots=5_000).draws) == 5_000
    with pytest.raises(AttributionError, match="boots 5001"):
        attribute(touches, boots=5_001)


def test_the_seed_decides_and_twenty_samples_are_enough():
    first, again, other = (attribute(touches_of(TWO), methods=["linear"], boots=20, seed=s) for s in (1, 1, 2))
    assert (first.draws == again.draws).all() and (first.draws != other.draws).any()
    few = attribute(touches_of(TWO), methods=["linear"], boots=19, seed=1)
    assert credit_table(first).notna().iloc[:, :6].all(axis=None)
    assert credit_table(few)[["credit_share_ci_low", "credit_share_ci_high"]].isna().all(axis=None)


def test_samples_without_a_conversion_are_left_out_of_the_interval():
    paths = pd.DataFrame({"path": ["a", "b"], "conversions": [1, 0], "nulls": [0, 1]})
    row = credit_table(attribute(touches_of(paths), methods=["linear"], boots=100)).iloc[0]
    assert row[["credit_share", "credit_share_ci_low", "credit_share_ci_high"]].tolist() == [1, 1, 1]
    assert row["value"] == 0 and row["value_share"] is None  # no value is known


def test_a_lower_level_is_a_narrower_interval_and_its_ends_are_refused():
    found = attribute(touches_of(TWO), methods=["first touch"], boots=1_000)
    row = credit_table(found, level=0.5).iloc[0]
    assert row["credit_share_ci_high"] - row["credit_share_ci_low"] == pytest.approx(2 * HALF * 0.674 / 1.96, abs=0.01)
    for level in (0, 1):
        with pytest.raises(AttributionError, match="level"):
            credit_table(found, level=level)


def test_errors_and_shares_have_the_intervals_of_theory():
    # all caused orders are a's, so the error is the share of b; of both channels together nothing can vary
    found = attribute(touches_of(TWO), methods=["first touch"], boots=2_000)
    error = attribution.errors_against_truth(found, TRUTH.assign(incremental_orders=[4, 0, 0]).head(2)).iloc[0]
    share = attribution.harvest_share(found, channels=["b"], method="first touch")
    low_high = pytest.approx([0.5, 0.5 - HALF, 0.5 + HALF], abs=0.01)
    assert [error["error_share"], error["error_share_ci_low"], error["error_share_ci_high"]] == low_high
    assert [share.value, share.ci_low, share.ci_high] == low_high
    assert error[["harvest_share", "given_orders", "caused_orders"]].tolist() == [0.5, 200, 4]
    assert len(attribution.errors_against_truth(found, TRUTH.assign(incremental_orders=[1, 0, 0]))) == 1
    both = attribution.harvest_share(found, channels=["b", "a"], method="first touch")
    assert [both.value, both.ci_low, both.ci_high] == pytest.approx([1, 1, 1])


def by_hand(credit: list[list[float]], removal: tuple = ()) -> attribution.Attribution:
    """Methods Markov removal, m1, …, of the channels a, b; no samples."""
    array = np.repeat(np.array(credit)[:, :, None], 2, axis=2)
    methods = ["Markov removal", *(f"m{i}" for i in range(1, len(credit)))]
    return attribution.Attribution(methods, ["a", "b"], array, np.zeros((0, *array.shape)), np.array(removal))


def test_a_channel_unknown_to_the_truth_causes_nothing():
    found = by_hand([[2.0, 2.0]])
    row = attribution.errors_against_truth(found, TRUTH.head(1)).iloc[0]
    assert row[["error_share", "harvest_share", "given_orders", "caused_orders"]].tolist() == [0.5, 0.5, 4, 6]


def test_differences_in_the_tenth_digit_are_ties():
    tiny = 3e-10
    errors = attribution.errors_against_truth(by_hand([[1.0, 1.0], [1 + tiny, 1 - tiny], [2.0, 0.0]]), TRUTH.head(1))
    assert errors["method"].tolist() == ["m2", "Markov removal", "m1"]
    assert attribution.removal_table(by_hand([[1.0, 1.0]], (0.5, 0.5 + tiny)))["channel"].tolist() == ["a", "b"]
    assert attribution.removal_table(by_hand([[1.0, 1.0]], (0.5, 0.6)))["channel"].tolist() == ["b", "a"]


def test_beside_the_truth_of_real_data_the_credit_stays():
    credit = credit_table(by_hand([[1.0, 3.0]]))
    none = attribution.beside_truth(credit, missing(["truth"], "real"), method="Markov removal")
    assert none["credit_share"].tolist() == [0.25, 0.75] and none["caused_share"].isna().all()
    known = attribution.beside_truth(credit, TRUTH.head(1), method="Markov removal")
    assert known["channel"].tolist() == ["a", "b"] and known["caused_share"].fillna(0).tolist() == [1, 0]
    assert "no credit by 'linear'" in attribution.beside_truth(credit, TRUTH, method="linear").attrs["reason"]
    assert attribution.least_error(missing(["method"], "real"))[0].reason == "real"
    best = attribution.least_error(attribution.errors_against_truth(by_hand([[1.0, 3.0]]), TRUTH.head(1)))
    assert best[0].value == 0.75 and best[0].ci_low is None and best[1]["orders_ratio"] == pytest.approx(4 / 6)


def test_the_square_keeps_the_order_of_the_methods():
    square = attribution.shares_by_method(credit_table(by_hand([[1.0, 3.0], [1.0, 1.0]])), value="value_share")
    assert square.index.tolist() == ["Markov removal", "m1"] and square.to_numpy().tolist() == [[0.25, 0.75], [0.5] * 2]


# A shop whose truth is known -----------------------------------------------------------------------------------------


def shop(seed: int = 5, users: int = 3_000):
    """Advert a causes a third of the orders; search c meets nine of ten buyers just before, and causes nothing."""
    rng = np.random.default_rng(seed)
    user, bought_at = np.arange(users), rng.integers(50, 90, users) * 86_400
    seen, buys = rng.random(users) < 0.5, rng.random(users) < 0.2
    caused = seen & ~buys & (rng.random(users) < 0.25)
    order = buys | caused
    late = order & (rng.random(users) < 0.9)
    touches = pd.DataFrame({
        "user_id": np.concatenate([user[seen], user[late]]),
        "channel": ["a"] * seen.sum() + ["c"] * late.sum(),
        "timestamp": np.concatenate([bought_at[seen] - 86_400, bought_at[late] - 60]),
    })  # fmt: skip
    lines = pd.DataFrame({"order_id": user, "user_id": user, "quantity": 1, "unit_price": 9.0, "timestamp": bought_at})
    truth = pd.DataFrame({"channel": ["a", "c"], "incremental_orders": [caused.sum(), 0]})
    return as_table(touches), as_table(lines[order]), truth


def test_who_stands_last_gets_the_credit_without_causing_anything():
    touches, orders, truth = shop()
    found = attribute(attribution.touch_paths(touches, orders), boots=50)
    table = attribution.errors_against_truth(found, truth).set_index("method")
    assert table.loc["last touch", "harvest_share"] > 0.7
    assert table["harvest_share"].min() > 0.2 and table["given_orders"].min() > 2 * truth["incremental_orders"].sum()


def test_definitions_of_a_path_move_the_shares():
    touches, orders, _ = shop()
    table = attribution.sensitivity(touches, orders, lookbacks=[0.5, 30], method="linear", others=False)
    table = table.set_index("definition")
    assert table.loc["0.5 days back", "c_share"] == 1 and table.loc["30 days back", "c_share"] < 0.9
    assert table.loc["0.5 days back", "orders_with_touch"] < table.loc["30 days back", "orders_with_touch"]


def test_sensitivity_without_orders():
    touches, orders, _ = shop()
    assert attribution.sensitivity(touches, orders.filter(False)).attrs["reason"] == "no order has a touch before it"


def two_orders() -> tuple:
    """One person's touches a, a, b, a before the first order and b before the second; c, which leads nowhere."""
    touches = pd.DataFrame({"user_id": [1] * 5 + [2], "channel": list("aababc"), "timestamp": [0, 1, 4, 5, 8, 5]})
    lines = pd.DataFrame({"order_id": [7, 8], "user_id": 1, "quantity": 1, "unit_price": 5.0, "timestamp": [6, 9]})
    return tuple(as_table(t.assign(timestamp=t["timestamp"] * 86_400)) for t in (touches, lines))


def test_each_definition_by_hand():
    # b's part of the first order: 1 of 2 touches in 4 days, 1 of 4 in 30, 1 of 3 once collapsed, 1 of 2 once distinct
    table = attribution.sensitivity(*two_orders(), lookbacks=[4, 30], method="linear").set_index("definition")
    assert list(table.index) == ["4 days back", "30 days back", *attribution.OTHER_CUTS]
    assert table["orders_with_touch"].tolist() == [2, 2, 1, 2, 2] and table["null_paths"].tolist() == [2, 1, 1, 1, 1]
    assert table["b_share"].astype(float).tolist() == pytest.approx([3 / 4, 5 / 8, 1 / 4, 2 / 3, 3 / 4])
    base = {"lookback_days": 4, "repeats": "collapsed", "most_channels": 1}  # a, and all others together
    part = attribution.sensitivity(*two_orders(), lookbacks=[30], method="linear", base=base)
    assert part["other channels_share"].astype(float).tolist() == pytest.approx([2 / 3, 1 / 2, 3 / 4, 3 / 4])


def test_without_touches_no_order_has_one():
    touches, orders = two_orders()
    assert attribution.sensitivity(touches.filter(False), orders).attrs["reason"] == "no order has a touch before it"
