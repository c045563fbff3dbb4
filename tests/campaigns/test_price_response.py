"""Prices drawn by chance: by hand, against known elasticities, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.price_response import (
    break_even_lift,
    bundle_break_even,
    price_by_group,
    price_experiments,
    price_response,
)


def people(seed=0, users=4000, lift=1.4, cut=0.2, group=False):
    rng = np.random.default_rng(seed)
    arm = np.where(rng.random(users) < 0.5, "control", "cut")
    tier = rng.integers(1, 3, users)
    factor = np.where(arm == "cut", np.where(tier == 2, 3.0, 1.0) if group else lift, 1.0)
    value = rng.gamma(2.0, 50.0, users) * factor
    off = np.where(arm == "cut", cut, 0.0) * value
    table = pd.DataFrame({"campaign_id": "c", "user_id": np.arange(users), "arm": arm, "list_value": value})
    table = table.assign(discount=off, spend=value - off, margin=0.4 * value - off, contact_cost=0.0, purchased=1)
    return table.assign(starts_at=1, randomised=True, city_tier=tier)


def test_lift_elasticity_and_subsidy_by_hand():
    users = pd.DataFrame({"arm": ["control"] * 2 + ["cut"] * 2, "list_value": [90.0, 110, 190, 210]})
    row = price_response(users.assign(discount=[0.0, 0, 95, 105])).iloc[0]
    assert (row.lift_share, row.price_cut_share, row.subsidised_share) == pytest.approx((1.0, 0.5, 0.5))
    # ln 2 / ln ½; SE² = 200/2/100² + 200/2/200² = 0.0125
    assert row.elasticity == pytest.approx(-1.0)
    assert row.elasticity_ci_low == pytest.approx(-1 - 1.959964 * 0.0125**0.5 / np.log(2))


def test_intervals_cover_a_known_elasticity():
    true = np.log(1.4) / np.log(0.8)
    found = pd.concat([price_response(people(seed, users=600)) for seed in range(200)])
    share = ((found.elasticity_ci_low <= true) & (true <= found.elasticity_ci_high)).mean()
    assert 0.91 <= share <= 0.99


def test_break_even_by_hand():
    # margin 40 of 100; a discount of 20 leaves 20: twice the quantity is needed
    assert break_even_lift(margin_rate=0.4, discount=0.2) == pytest.approx(1.0)
    assert break_even_lift(margin_rate=0.2, discount=0.2) is None
    # of 100 buyers 20 take both anyway: 20·5 given away, 10 new pairs at 15 − 5 bring it back
    assert bundle_break_even(both_share=0.2, second_margin=15, discount=5) == pytest.approx(0.1)
    assert bundle_break_even(both_share=0.2, second_margin=5, discount=5) is None


def test_profit_of_a_price_against_the_truth():
    # a person's list value has mean 100: 1.4·100·(0.4 − 0.2) − 100·0.4 = −12
    truth = pd.DataFrame({"campaign_id": ["c"], "arm": ["cut"], "ate_profit": [-12.0]})
    row = price_experiments(people(), truth=truth).iloc[0]
    assert row.ci_low <= row.truth <= row.ci_high < 0
    assert row.break_even_lift_share == pytest.approx(1.0) and row.lift_share_ci_high < 1.0


def test_the_offer_depends_on_the_group():
    # tier 1: 0.2·100 − 40 = −20; tier 2: 3·100·0.2 − 40 = +20
    found = price_by_group(people(group=True), group="city_tier")
    assert found.offer.tolist() == ["stop", "ship"]
    assert found.profit.tolist() == pytest.approx([-20, 20], abs=5)


def test_small_groups_and_missing_groups_are_not_shown():
    users = people(users=300)
    users.loc[users.index[:4], "city_tier"] = 9
    assert len(price_by_group(users, group="city_tier")) == 2
    assert "not known" in price_by_group(users, group="age_band").attrs["reason"]
    assert "no group" in price_by_group(users, group="city_tier", min_cell=1000).attrs["reason"]


def test_no_price_to_compare():
    assert "another price" in price_response(people(cut=0.0)).attrs["reason"]
    assert "nobody bought" in price_response(people().assign(list_value=0.0, discount=0.0)).attrs["reason"]
    assert "no participants" in price_response(people().head(0)).attrs["reason"]
    assert "by chance" in price_experiments(people().assign(randomised=False)).attrs["reason"]
    assert price_experiments(people().head(0)).empty


def test_bad_money_is_refused():
    with pytest.raises(ExperimentError, match="discount"):
        price_response(people().assign(discount=1e9))
    with pytest.raises(ExperimentError, match="list_value"):
        price_response(people().assign(list_value=-1.0, discount=-2.0))
    with pytest.raises(ExperimentError, match="margin_rate"):
        break_even_lift(margin_rate=1.2, discount=0.1)
    with pytest.raises(ExperimentError, match="both_share"):
        bundle_break_even(both_share=2.0, second_margin=1, discount=0)
