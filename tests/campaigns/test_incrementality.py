"""Credit beside experiments: a channel that was switched off, costs by hand, and shops without experiments."""

import pandas as pd
import pytest

from helpers.campaigns.errors import AttributionError
from helpers.campaigns.incrementality import channel_costs, holdout_costs, holdout_effects
from helpers.campaigns.paths_to_purchase import touch_paths
from helpers.campaigns.spend import spend_days
from helpers.engine import as_table
from helpers.findings import missing

DAY, PEOPLE = 86_400, 40


def shop(*, channel: str = "advert", randomised: bool = True, silent: bool = True) -> dict:
    """20 treated people see the advert, 10 of them buy; of the 20 control people 6 buy."""
    user = list(range(PEOPLE))
    buyers = [*range(10), *range(20, 26)]
    met = user[:20] if silent else user
    return {
        "campaigns": as_table(pd.DataFrame({
            "campaign_id": ["hold"], "channel": [channel], "starts_at": [10 * DAY], "ends_at": [20 * DAY],
            "randomised": [randomised]
        })),
        "assignments": as_table(pd.DataFrame({
            "campaign_id": "hold", "user_id": user, "arm": ["treated"] * 20 + ["control"] * 20
        })),
        "orders": as_table(pd.DataFrame({
            "order_id": buyers, "user_id": buyers, "item_id": 1, "quantity": 1, "unit_price": 9.0, "timestamp": 15 * DAY
        })),
        "touchpoints": as_table(
            pd.DataFrame({"user_id": met, "channel": "advert", "timestamp": 14 * DAY, "cost": 0.5})
        ),
    }  # fmt: skip


def effects(tables: dict, **options) -> pd.DataFrame:
    touches = touch_paths(tables["touchpoints"], tables["orders"])
    return holdout_effects(touches, tables, min_cell=5, **options)


def test_credit_and_effect_for_a_thousand_people():
    caused = pd.DataFrame({"order_id": [0, 1, 2, 25], "channel": "advert"})
    row = effects(shop(), caused=caused).iloc[0]
    assert (row["treated"], row["credited"], row["cost"]) == (20, 500, 500)
    assert row["incremental"] == pytest.approx(1000 * (10 / 20 - 6 / 20))
    assert row["truth"] == pytest.approx(1000 * 3 / 20) and row["ci_low"] < 200 < row["ci_high"]


@pytest.mark.parametrize("change", [{"channel": "other"}, {"randomised": False}, {"silent": False}])
def test_only_a_channel_that_was_switched_off_by_chance_counts(change):
    assert effects(shop(**change)).attrs["reason"].startswith("no channel was switched off")


def test_a_shop_without_experiments():
    tables = {k: v for k, v in shop().items() if k != "assignments"}
    found = effects(tables)
    assert found.attrs["reason"].startswith("the study has no experiment")
    assert holdout_costs(found, order_margin=1).attrs["reason"] == found.attrs["reason"]


def test_only_a_whole_interval_gives_advice():
    table = pd.DataFrame({"channel": list("abc"), "credited": 5.0, "incremental": [9.0, 1.0, 5.0], "cost": 50.0})
    table = table.assign(ci_low=[6.0, 0.0, 0.0], ci_high=[12.0, 2.0, 10.0])
    found = holdout_costs(table, order_margin=10)
    assert found["advice"].tolist() == ["keep", "cut", "cannot tell: run it longer"]
    assert found["profit"].tolist() == [40, -40, 0]


def test_no_incremental_order_has_no_cost():
    table = pd.DataFrame({"channel": ["a"], "credited": 0.0, "incremental": -1.0, "cost": 50.0, "ci_low": -3.0})
    row = holdout_costs(table.assign(ci_high=1.0), order_margin=10).iloc[0]
    assert pd.isna(row["cost_per_incremental_order"]) and pd.isna(row["cost_per_credited_order"])


def test_unknown_costs_are_said():
    table = pd.DataFrame({"channel": ["a"], "credited": [1.0], "incremental": [1.0], "cost": [None]})
    assert holdout_costs(table, order_margin=1).attrs["reason"] == "the cost of the touches is not known"
    with pytest.raises(AttributionError, match="order_margin"):
        holdout_costs(table, order_margin=-1)


def test_costs_without_spend_or_truth():
    credit = pd.DataFrame({"method": ["last touch"], "channel": ["a"], "orders": [4.0]})
    none = missing(["truth"], "real data")
    assert channel_costs(credit, spend_days(None), none).attrs["reason"] == "the study has no table spend"
    money = pd.DataFrame({"channel": ["a", "z"], "amount": [8.0, 1.0]})
    table = channel_costs(credit, money, none).set_index("channel")
    assert table.loc["a", "per order, last touch"] == 2 and pd.isna(table.loc["a", "cost_per_caused_order"])
    assert table.loc["z", "spend"] == 1 and pd.isna(table.loc["z", "per order, last touch"])
    assert "none of the channels" in channel_costs(credit, money.tail(1), none).attrs["reason"]
