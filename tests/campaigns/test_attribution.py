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
