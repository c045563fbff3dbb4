"""The price of a bundle: by hand, against simulated truth, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.bundle_price import bundle_prices, simulate_bundle_prices
from helpers.campaigns.errors import ExperimentError


def buyers(**change) -> pd.DataFrame:
    """20 % take both anyway, 30 % when both are shown, 60 % at 5 off; the second good earns 15."""
    takes = [1] * 20 + [0] * 80 + [1] * 30 + [0] * 70 + [1] * 60 + [0] * 40
    table = pd.DataFrame({"arm": np.repeat(["no offer", "full price", "5 off"], 100), "takes": takes, "margin": 15.0})
    return table.assign(discount=np.where(table.arm == "5 off", 5.0, 0.0)).assign(**change)


def test_message_and_price_by_hand():
    table = bundle_prices(buyers()).set_index(["against", "arm"])
    # 0.3·15 − 0.2·15; 0.6·10 − 0.2·15; 0.6·10 − 0.3·15
    assert table["profit"].tolist() == pytest.approx([1.5, 3.0, 1.5])
    # 0.2·5/(15 − 5); from the full price 0.3·5/(15 − 5)
    assert table["needed_share"].tolist() == pytest.approx([0.0, 0.1, 0.15])
    assert table["won_share"].tolist() == pytest.approx([0.1, 0.4, 0.3])


def test_all_intervals_hold_together():
    held = []
    for seed in range(20):
        users, truth = simulate_bundle_prices(people=1_500, seed=seed)
        table = bundle_prices(users, truth=truth)
        held.append(((table["ci_low"] <= table["truth"]) & (table["truth"] <= table["ci_high"])).all())
    assert np.mean(held) >= 0.85  # in 20 shops two misses are as many as chance allows


def test_a_shop_with_many_buyers_meets_its_truth():
    users, truth = simulate_bundle_prices(people=200_000, seed=5)
    table = bundle_prices(users, truth=truth)
    assert len(table) == 5 and (table["profit"] - table["truth"]).abs().max() < 0.3
    assert not ((table["offer"] == "ship") & (table["truth"] < 0)).any()


def test_what_cannot_be_compared_is_said():
    assert "nobody" in bundle_prices(buyers().head(0)).attrs["reason"]
    assert "can be compared" in bundle_prices(buyers(arm="5 off")).attrs["reason"]
    assert "can be compared" in bundle_prices(buyers(takes=0)).attrs["reason"]
    two = bundle_prices(buyers().query("arm != 'no offer'"))
    assert two["against"].tolist() == ["full price"]


def test_wrong_arguments():
    with pytest.raises(ExperimentError, match="no column margin"):
        bundle_prices(buyers().drop(columns="margin"))
    with pytest.raises(ExperimentError, match="discount"):
        bundle_prices(buyers(discount=-1.0))
    with pytest.raises(ExperimentError, match="people"):
        simulate_bundle_prices(people=3)
