"""What the experiments of a shop earned in all: by hand, what is left out and why, and beside the truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.profit_totals import channel_holdouts, profit_totals, total_profit
from helpers.engine import as_table


def users(treated=100, control=50, *, gain=2.0, cost=0.5, seed=1):
    rng = np.random.default_rng(seed)
    arm = np.array(["control"] * control + ["a"] * (treated // 2) + ["b"] * (treated - treated // 2))
    margin = rng.normal(10, 3, len(arm)) + gain * (arm != "control")
    return pd.DataFrame({"arm": arm, "margin": margin, "contacts": arm != "control",
                         "contact_cost": cost * (arm != "control")})  # fmt: skip


def test_arms_are_taken_together_by_hand():
    """Profits 1.5, 2.5, 3.5 against 0, 1, 2: 3 · 1.5 in all; SE = 3 · √(1/3 + 1/3)."""
    six = pd.DataFrame({"arm": ["control"] * 3 + ["a", "b", "b"], "margin": [0.0, 1, 2, 2, 3, 4],
                        "contacts": [0, 0, 0, 1, 1, 1], "contact_cost": [0, 0, 0, 0.5, 0.5, 0.5]})  # fmt: skip
    found = total_profit(six)
    assert (found["treated"], found["cost"], found["profit"]) == (3, 1.5, 4.5)
    assert found["standard_error"] == pytest.approx(3 * (2 / 3) ** 0.5)


@pytest.mark.parametrize(
    ("people", "word"),
    [
        (users().assign(margin=np.nan), "margin"),
        (users(treated=100, control=100), "planned sizes"),
        (users(cost=0.0), "stands elsewhere"),
        (users().assign(margin=1.0), "same for all"),
    ],
)
def test_what_is_left_out_says_why(people, word):
    found = total_profit(people)
    assert word in found["because"] and "profit" not in found


def test_totals_of_redrawn_experiments_are_covered():
    errors = []
    for seed in range(300):
        found = total_profit(users(100, 50, seed=seed))
        errors.append(abs(found["profit"] - 100 * 1.5) / found["standard_error"])
    assert np.mean(np.array(errors) < 1.96) == pytest.approx(0.95, abs=0.04)


def test_a_table_that_is_absent_is_named():
    orders = as_table(pd.DataFrame({"order_id": [1]}))
    found = profit_totals({"orders": orders}, zone="Asia/Shanghai")
    assert found.empty and found.attrs["reason"] == "needs the tables assignments, campaigns"
    window = (pd.Timestamp("2017-01-01"),) * 2
    assert "spend" in channel_holdouts({"orders": orders}, window=window, zone="Asia/Shanghai").attrs["reason"]
