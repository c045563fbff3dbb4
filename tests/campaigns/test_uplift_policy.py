"""The value of a list: by hand, against Welch's difference, and against simulated truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.profit import incremental_profit
from helpers.campaigns.uplift_policy import (
    influence,
    policies_at,
    policy_differences,
    policy_values,
    take_best,
    true_value,
    value_curve,
    value_estimate,
)

PROFIT = np.array([10.0, 8, 4, 2, 1, 3, 1, 5])
TREATED = np.array([1, 1, 0, 0, 1, 1, 0, 0])
LISTS = policies_at(pd.DataFrame({"rule": np.arange(8, 0, -1)}), share=0.5)


def test_values_by_hand():
    table = policy_values(PROFIT, TREATED, LISTS).set_index("policy")
    # list: ½·(9 − 3); everybody: 5.5 − 3; random: half of everybody
    assert table.profit.to_dict() == {"rule": 3000.0, "random": 1250.0, "everybody": 2500.0, "nobody": 0.0}
    assert table.customers.tolist() == [4, 4, 8, 0]
    assert table.profit_per_contact["rule"] == 6.0 and np.isnan(table.profit_per_contact["nobody"])
    # ½·√(Σ(1/2·±1)²·4) = ½·1
    assert table.profit_ci_high["rule"] - 3000 == pytest.approx(1000 * 1.959964 * 0.5, rel=1e-5)


def test_everybody_is_the_incremental_profit_of_the_campaign():
    rng = np.random.default_rng(2)
    t, y = rng.integers(0, 2, 900), rng.exponential(20, 900)
    users = pd.DataFrame({"arm": np.where(t == 1, "x", "control"), "margin": y, "contact_cost": 0.0, "spend": y})
    welch = incremental_profit(users).iloc[0]
    ours = policy_values(y, t, pd.DataFrame({"everybody": np.ones(900)})).iloc[0]
    assert ours.profit == pytest.approx(1000 * welch.profit)
    assert ours.profit_ci_low == pytest.approx(1000 * welch.ci_low, rel=0.01)


def test_differences_by_hand():
    table = policy_differences(PROFIT, TREATED, LISTS, policy="rule").set_index("against")
    assert table.difference.to_dict() == {"random": 1750.0, "everybody": 500.0, "nobody": 3000.0}
    assert table.in_both_share.to_dict() == {"random": 0.5, "everybody": 1.0, "nobody": 0.0}
    copied = {"policies": LISTS.assign(copy=LISTS.rule), "policy": "rule", "against": ("copy",), "effect": np.ones(8)}
    same = policy_differences(PROFIT, TREATED, **copied).iloc[0]
    assert (same.difference, same.ci_low, same.ci_high) == (0, 0, 0) and (same.truth, same.covered) == (0, True)


def test_lists():
    assert take_best(np.array([3.0, 1, 2, 0]), share=0.5).tolist() == [1, 0, 1, 0]
    assert take_best(np.array([3.0, -1, 2, 0]), share=1.0, positive=True).tolist() == [1, 0, 1, 0]
    ties = [take_best(np.zeros(4), share=0.5, seed=s).tolist() for s in range(20)]
    assert {sum(x) for x in ties} == {2} and len({tuple(x) for x in ties}) > 1
    with pytest.raises(ExperimentError, match=r"share 1\.5"):
        take_best(np.zeros(4), share=1.5)


def campaign(seed, n=600):
    """The offer earns 10 in the first half of the people and loses 6 in the second."""
    rng = np.random.default_rng(seed)
    good, t = np.arange(n) < n / 2, rng.integers(0, 2, n)
    y0 = rng.exponential(30, n)
    effect = np.where(good, 10.0, -6.0) + rng.normal(0, 5, n)
    return y0 + t * effect, t, effect, good.astype(float)


def test_intervals_cover_the_truth():
    held = []
    for seed in range(200):
        y, t, effect, good = campaign(seed)
        lists = pd.DataFrame({"good": good, "random": np.full(len(y), 0.5)})
        values = policy_values(y, t, lists, effect=effect)
        gap = policy_differences(y, t, lists, policy="good", effect=effect)
        held.append([*values.covered, *gap.covered])
    assert (np.array(held, float).mean(axis=0) > 0.92).all()
    assert (np.array(held, float).mean(axis=0) < 0.985).all()


def test_the_truth_of_a_list():
    y, t, effect, good = campaign(1)
    table = policy_values(y, t, pd.DataFrame({"good": good}), effect=effect)
    assert true_value(table, row="good") == pytest.approx(1000 * (effect * good).mean())
    assert true_value(policy_values(y, t, pd.DataFrame({"good": good})), row="good") is None
    assert np.isnan(policy_values(y, t, pd.DataFrame({"good": good})).truth[0])


def test_value_at_every_budget():
    score = pd.DataFrame({"rule": np.arange(8, 0, -1)})
    table = value_curve(PROFIT, TREATED, score, steps=2)
    assert table.profit.tolist() == [0.0, 3000.0, 2500.0] and table.attrs["of"] == "experiment"
    known = value_curve(PROFIT, TREATED, score, steps=2, effect=np.array([1.0, 1, 1, 1, -1, -1, -1, -1]))
    assert known.profit.tolist() == [0.0, 500.0, 0.0] and known.attrs["of"] == "truth"


def test_unknown_profit_and_short_lists_have_no_value():
    gap = np.append(PROFIT[:7], np.nan)
    for table in (policy_values(gap, TREATED, LISTS), value_curve(gap, TREATED, LISTS),
                  policy_differences(gap, TREATED, LISTS, policy="rule")):  # fmt: skip
        assert table.empty and "profit of 1 of 8 participants is not known" in table.attrs["reason"]
    assert "no participants" in policy_values(PROFIT[:0], TREATED[:0], LISTS.head(0)).attrs["reason"]
    one = policy_values(PROFIT, TREATED, pd.DataFrame({"one": np.eye(8)[0]}))
    assert np.isnan(one.profit[0])
    assert "too few people" in value_estimate(one, row="one").reason
    assert influence(PROFIT, TREATED, np.zeros(8))[0] == 0.0


def test_unknown_policies_are_refused():
    with pytest.raises(ExperimentError, match="'best': take one of rule, random"):
        policy_differences(PROFIT, TREATED, LISTS, policy="best")
