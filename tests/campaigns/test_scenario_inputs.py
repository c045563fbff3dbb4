"""What past experiments tell: the experiment's own mean and error, interpolation, and everything that is refused."""

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_inputs import customers, groups, offers, past_effects, past_participants, response
from helpers.findings import NotAnswerable
from tests.campaigns.scenario_cases import frequencies, past

NAMES = ("x", "y")


def ask(people, **more):
    return response(people, group_names=NAMES, **({"offer": "", "draws": 4000} | more))


def person_profit(found):
    size = np.array([0.5, 0.5])
    gap = found.treated.per_person("margin") - found.untreated.per_person("margin")
    return gap @ size


def test_the_mean_and_the_error_are_those_of_the_experiment():
    people = past(size=1000, group=np.where(np.arange(1000) // 2 % 2, "x", "y"))
    by_welch = welch(people, outcome="margin").iloc[0]
    found = person_profit(ask(people))
    assert abs(found.mean() - by_welch.difference) < 0.12 * by_welch.standard_error
    assert abs(found.std() / by_welch.standard_error - 1) < 0.06


def test_two_plans_know_the_same_of_one_arm():
    one, two = ask(past(), draws=5), ask(past(), draws=5)
    assert np.array_equal(one.treated.rate, two.treated.rate)
    often = [ask(frequencies(), offer=f"often/{arm}", draws=5) for arm in ("one", "four")]
    assert np.array_equal(often[0].untreated.rate, often[1].untreated.rate)


def test_between_two_frequencies_all_is_linear():
    low, high = (ask(frequencies(), offer="often", per_week=f, draws=50) for f in (1, 4))
    middle = ask(frequencies(), offer="often", per_week=2.5, draws=50)
    assert np.allclose(middle.treated.rate, (low.treated.rate + high.treated.rate) / 2)
    assert middle.messages == (2 + 8) / 2 and "linear between 1 and 4" in middle.note
    assert ask(frequencies(), offer="often", per_week=1.1, draws=5).offer == "often/one"


@pytest.mark.parametrize(
    ("people", "how", "says"),
    [
        (past(), {"offer": "sael"}, "Did you mean 'sale'"),
        (past(), {"offer": "sale/traeted"}, "Did you mean 'treated'"),
        (past(), {"offer": "sale", "per_week": 3.0}, "outside of what 'sale' tested"),
        (frequencies(), {"offer": "often"}, "several arms"),
        (frequencies(), {"offer": "often", "per_week": 9.0}, "there is no number"),
        (past(randomised=False), {"offer": "sale"}, "not drawn by chance"),
        (past(arm="treated"), {"offer": "sale"}, "no arm 'control'"),
        (past(unit_cost=np.nan), {}, "give the campaign a unit_cost"),
        (past(margin=np.nan), {}, "give the items a unit_margin"),
        (past(later_margin=np.nan), {}, "give the items a unit_margin"),
        (past(purchased=0, orders=0), {}, "fewer than 10 buyers"),
        (past().head(0), {}, "nothing to compare"),
    ],
)
def test_what_was_not_tested_or_is_not_known_is_refused(people, how, says):
    with pytest.raises(NotAnswerable, match=says):
        ask(people, **how)


def test_offers_lists_the_treated_arms_of_experiments_only():
    both = pd.concat([past(), past("chosen", randomised=False, starts_at=2), frequencies().assign(starts_at=3)])
    table = offers(both)
    assert table.offer.tolist() == ["sale/treated", "often/four", "often/one"]
    assert table.messages_a_week.tolist() == [1.0, 4.0, 1.0]
    none = offers(past(randomised=False))
    assert none.empty and "not drawn by chance" in none.attrs["reason"]
    assert offers(past().head(0)).empty


def test_past_effects_count_margin_cost_and_the_weeks_after():
    people = past()
    by_hand = people.margin - people.contact_cost + people.later_margin
    mean = by_hand.groupby(people.arm).mean()
    assert np.isclose(past_effects(people).profit.iloc[0], mean["treated"] - mean["control"])
    assert past_effects(past(margin=np.nan)).empty


def test_groups_leave_out_what_nobody_has():
    people = pd.DataFrame({"city_tier": [None, None], "age_band": ["45-54", "young"], "past_spend": [0.0, 2.0]})
    assert groups(people).tolist() == ["45 and over, not lately", "age not known, bought lately"]


DAY = 86_400
TABLES = {
    "campaigns": {"campaign_id": ["c"], "channel": ["push"], "starts_at": [10 * DAY], "ends_at": [17 * DAY - 1],
                  "unit_cost": [0.5], "randomised": [True]},
    "assignments": {"campaign_id": ["c"] * 2, "user_id": [1, 2], "arm": ["control", "treated"]},
    "orders": {"order_id": [1, 2, 3, 4], "user_id": [1, 1, 2, 2], "item_id": [7] * 4, "quantity": [1, 1, 2, 1],
               "unit_price": [10.0] * 4, "discount": [0.0, 0.0, 5.0, 0.0],
               "timestamp": [9 * DAY, 11 * DAY, 12 * DAY, 18 * DAY]},
    "items": {"item_id": [7], "unit_margin": [4.0]},
    "users": {"user_id": [1, 2, 3], "city_tier": [1, 4, 2], "age_band": ["18-24", "55+", None]},
    "contacts": {"contact_id": [1], "campaign_id": ["c"], "user_id": [2], "channel": ["push"], "opted_out": [1]},
}  # fmt: skip


def tables(*left_out):
    return {name: ibis.memtable(columns) for name, columns in TABLES.items() if name not in left_out}


def test_participants_by_hand():
    found = past_participants(tables(), past_days=7).set_index("user_id")
    assert found.past_spend.tolist() == [10.0, 0.0] and found.opted_out.tolist() == [0, 1]
    assert found.margin.tolist() == [4.0, 3.0] and found.later_spend.tolist() == [0.0, 10.0]
    assert found.later_margin.tolist() == [0.0, 4.0]  # 40 % of the later spend, as in the control
    assert found.group.tolist() == ["large city, under 45, bought lately", "smaller city, 45 and over, not lately"]
    assert found.weeks.tolist() == [1.0, 1.0]


def test_participants_without_users_and_contacts():
    found = past_participants(tables("users", "contacts"), past_days=7)
    assert found.group.tolist() == ["bought lately", "not lately"] and found.opted_out.tolist() == [0, 0]
    with pytest.raises(ExperimentError, match="past_days 0"):
        past_participants(tables(), past_days=0)


def test_customers_by_hand():
    found = customers(tables(), launch=13 * DAY, past_days=7)
    assert found.past_spend.tolist() == [20.0, 15.0, 0.0] and found.opted_out_of.tolist() == ["", "push", ""]
    assert found.weight.tolist() == [1.0] * 3
    assert customers(tables("users"), launch=11 * DAY).user_id.tolist() == [1]
    assert customers(tables("users"), launch=0).empty


def test_of_many_customers_a_sample_stands_for_all():
    found = customers(tables(), launch=13 * DAY, most=2)
    assert len(found) == 2 and found.weight.tolist() == [1.5, 1.5]
