"""Incremental profit and the verdict, by hand and against simulated truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.arms import sample_ratio_test
from helpers.campaigns.comparison import welch_row
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.profit import incremental_profit, profit_per_user, verdict


def frame(margin, *, arm, cost):
    users = pd.DataFrame({"arm": arm, "margin": margin, "contact_cost": cost, "purchased": 1})
    return users.assign(spend=3 * users.margin, contacts=(users.arm != "control").astype(int))


SIX = frame([0.0, 1, 2, 2, 3, 4], arm=["control"] * 3 + ["x"] * 3, cost=[0.0] * 3 + [0.5] * 3)


def test_profit_by_hand():
    row = incremental_profit(SIX).iloc[0]
    assert (row.sales_difference, row.margin_difference, row.contact_cost_difference) == (6.0, 2.0, 0.5)
    # 2 − 0.5; variances 1 and 1, SE² = 2/3, t of 4 degrees 2.776445
    assert (row.profit, row.profit_per_1000) == (1.5, 1500.0)
    assert row.ci_low == pytest.approx(1.5 - 2.776445 * (2 / 3) ** 0.5, abs=1e-5)


def test_vouchers_and_own_contact_costs():
    assert profit_per_user(SIX, unit_cost=1.0, voucher_cost=0.25).tolist() == [0, 1, 2, 0.75, 1.75, 2.75]
    assert incremental_profit(SIX, unit_cost=1.0, voucher_cost=0.25).profit[0] == 0.75


def test_several_arms_share_the_error():
    users = pd.concat([SIX, SIX[SIX.arm == "x"].assign(arm="y")])
    row = incremental_profit(users).iloc[0]
    # 97.5 % of the t distribution with 4 degrees, two-sided: 3.495406
    assert row.ci_high == pytest.approx(1.5 + 3.495406 * (2 / 3) ** 0.5, abs=1e-4)


def test_unknown_margin_or_cost_has_no_profit():
    assert "1 of 6 participants" in incremental_profit(SIX.assign(margin=[None, 1, 2, 2, 3, 4])).attrs["reason"]
    assert "unit_cost" in incremental_profit(SIX.assign(contact_cost=np.nan)).attrs["reason"]
    assert "same for all" in incremental_profit(SIX.assign(margin=1.0)).attrs["reason"]
    assert "no participants" in incremental_profit(SIX.head(0)).attrs["reason"]


def test_negative_costs_are_refused():
    with pytest.raises(ExperimentError, match="0 or more"):
        incremental_profit(SIX, unit_cost=-1.0)


PROFITS = pd.DataFrame({"arm": list("abc"), "profit": [2.0, 1, -3], "ci_low": [1.0, -1, -4], "ci_high": [3.0, 3, -2]})


def test_verdict_of_the_interval():
    assert verdict(PROFITS).verdict.tolist() == ["ship", "cannot tell", "stop"]
    assert verdict(PROFITS, minimum_profit=1.5).verdict.tolist() == ["cannot tell", "cannot tell", "stop"]


def test_a_faulty_split_decides_nothing():
    faulty = sample_ratio_test({"control": 500, "a": 700})
    assert set(verdict(PROFITS, split=faulty).verdict) == {"cannot tell"}
    assert verdict(PROFITS, split=sample_ratio_test({"control": 500, "a": 510})).verdict[0] == "ship"


def test_verdict_of_nothing():
    assert "no participants" in verdict(incremental_profit(SIX.head(0))).attrs["reason"]
    with pytest.raises(ExperimentError, match="minimum_profit"):
        verdict(PROFITS, minimum_profit=float("nan"))


def test_a_worthless_campaign_is_rarely_shipped():
    rng = np.random.default_rng(8)
    rows = [welch_row(*rng.exponential(5, (2, 150)), level=0.95) for _ in range(2_000)]
    words = verdict(pd.DataFrame(rows).assign(arm="x", profit=0.0)).verdict
    assert 0.015 <= (words == "ship").mean() <= 0.035
    assert 0.015 <= (words == "stop").mean() <= 0.035
