"""Different prices for groups: by hand, against simulated truth, honest about the people it needs."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.price_policy import (
    GAIN,
    price_planner,
    price_policies,
    price_study,
    simulate_price_groups,
)


def people(effects: dict, each: int = 40) -> pd.DataFrame:
    """Without any scatter within a group and arm: the answer is known by hand."""
    rows = [(g, arm, e * (arm == "cut")) for g, e in effects.items() for arm in ("control", "cut") for _ in range(each)]
    return pd.DataFrame(rows, columns=["group", "arm", "margin"]).assign(contact_cost=0.0, purchased=1)


def test_value_of_policies_by_hand():
    table = price_policies(people({"a": 4.0, "b": -2.0}), group="group").set_index("policy")
    # all: (4 − 2)/2 = 1; only a: half of the people, 4 each: 2; gain 1
    assert table["profit"].tolist() == pytest.approx([1, 2, 1])
    assert table.loc["the discount by group", "offered_share"] == 0.5


def test_a_discount_that_nobody_should_get():
    table = price_policies(people({"a": -4.0, "b": -2.0}), group="group").set_index("policy")
    assert table["profit"].tolist() == pytest.approx([-3, 0, 3])


def test_the_truth_of_a_policy_is_that_of_its_groups():
    truth = pd.DataFrame({"group": ["a", "b"], "profit": [10.0, 30.0], "arm": "cut"})
    other = truth.assign(arm="other", profit=0.0)
    table = price_policies(people({"a": 4.0, "b": -2.0}), group="group", truth=pd.concat([truth, other]))
    assert table["truth"].tolist() == pytest.approx([20, 5, -15])


def test_the_gain_is_covered_and_not_claimed_where_groups_are_alike():
    table = price_study(shops=25, people=1_500, seed=2).set_index("groups")
    assert (table["covered_share"] >= 0.84).all() and table.loc["are alike", "claimed_share"] <= 0.08
    assert (table["same_people_gain"] > table["true_gain"]).all()
    assert table.loc["differ", "claimed_share"] > 0.2


def test_a_large_experiment_finds_the_true_values():
    users, truth = simulate_price_groups(people=60_000, seed=3)  # truth: a, b lose; c, d win
    table = price_policies(users, group="group", truth=truth)
    assert (table["profit"] - table["truth"]).abs().max() < 1.5
    assert table["policy"].iloc[-1] == GAIN and table["ci_low"].iloc[-1] > 0


def test_people_needed_by_hand():
    users = pd.DataFrame({"arm": ["control", "cut"] * 40, "tier": [1, 1, 2, 2] * 20, "contact_cost": 0.0})
    users["margin"] = np.repeat([0.0, 4.0], 40)
    row = price_planner(users, group="tier", differences=[1.0]).iloc[0]
    # standard deviation 2: 2·(1.96 + 0.8416)²·4 ≈ 63 an arm; with 2.2414 (two groups) 76 an arm, for each half
    assert row["people_one_price"] == pytest.approx(126, abs=3) and row["people_by_group"] == pytest.approx(304, abs=8)
    assert row["people_now"] == 80


def test_what_cannot_be_measured_is_said():
    users = people({"a": 4.0, "b": -2.0})
    assert "not known" in price_policies(users, group="tier").attrs["reason"]
    assert "margin" in price_policies(users.assign(margin=None), group="group").attrs["reason"]
    assert "fewer than two groups" in price_policies(people({"a": 1.0}), group="group").attrs["reason"]
    assert "fewer than two groups" in price_policies(users[users.arm == "cut"], group="group").attrs["reason"]
    assert (
        price_policies(users.head(0), group="group").empty
        and price_planner(users.head(0), group="group", differences=[1]).empty
    )


def test_wrong_arguments():
    with pytest.raises(ExperimentError, match="differences"):
        price_planner(simulate_price_groups(people=200)[0], group="group", differences=[0])
    with pytest.raises(ExperimentError, match="people"):
        simulate_price_groups(people=3)
