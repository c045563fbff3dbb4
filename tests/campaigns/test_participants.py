"""From the tables to one row a participant: hand arithmetic, refusals, and the simulated shop's potential outcomes."""

import ibis
import pandas as pd
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import choose, most_arms, observational, overview, participants
from helpers.findings import NotAnswerable, missing

DAY = 86_400
WHO = {"campaign_id": ["c", "c", "c", "d"], "user_id": [1, 2, 3, 1], "arm": ["control", "x", "x", "x"]}
CAMPAIGNS = {
    "campaign_id": ["c", "d"],
    "starts_at": [10 * DAY, 30 * DAY],
    "ends_at": [12 * DAY - 1, 31 * DAY - 1],
    "unit_cost": [0.5, 0.1],
    "randomised": [True, False],
}
LINES = [  # order, user, item, quantity, unit price, discount, time
    (1, 2, 7, 2, 10.0, 3.0, 10 * DAY),  # first moment of the window: 17 paid, 2·4 − 3 = 5 earned
    (1, 2, 8, 1, 5.0, 0.0, 10 * DAY),  # 5 paid, 1 earned, the same order
    (2, 2, 7, 1, 10.0, None, 12 * DAY - 1),  # last moment: 10 paid, 4 earned
    (3, 2, 7, 1, 10.0, 0.0, 12 * DAY),  # later
    (4, 2, 7, 1, 10.0, 0.0, 10 * DAY - 1),  # before
    (5, 2, 7, 1, 10.0, 0.0, 8 * DAY),  # first moment of the time before
    (6, 2, 7, 1, 10.0, 0.0, 8 * DAY - 1),  # too early
    (7, 9, 7, 1, 10.0, 0.0, 10 * DAY),  # takes no part
]


def orders(lines=LINES):
    names = ["order_id", "user_id", "item_id", "quantity", "unit_price", "discount", "timestamp"]
    return ibis.memtable(pd.DataFrame(lines, columns=names).astype({"discount": "float64"}))


def collect(**more):
    return participants(ibis.memtable(WHO), ibis.memtable(CAMPAIGNS), orders(), **more).execute()


ITEMS = {"item_id": [7, 8], "unit_margin": [4.0, 1.0]}


def test_outcomes_by_hand():
    row = collect(campaign_id="c", items=ibis.memtable(ITEMS)).set_index("user_id").loc[2]
    assert (row.spend, row.margin, row.orders, row.purchased) == (32.0, 10.0, 2, 1)
    assert (row.spend_before, row.spend_later) == (20.0, 10.0)


def test_who_did_nothing_counts_as_zero():
    table = collect(campaign_id="c", items=ibis.memtable(ITEMS)).set_index("user_id")
    assert table.loc[[1, 3], ["spend", "margin", "purchased", "spend_before"]].to_numpy().sum() == 0


def test_one_row_a_participant_of_every_campaign():
    table = collect()
    assert list(zip(table.campaign_id, table.user_id, strict=True)) == [("c", 1), ("c", 2), ("c", 3), ("d", 1)]
    assert table.randomised.tolist() == [True, True, True, False]


def test_visits_are_days_counted_from_the_start():
    times = [10 * DAY, 10 * DAY + 5, 11 * DAY, 12 * DAY, 10 * DAY - 1]
    events = ibis.memtable({"user_id": [2] * 5, "timestamp": times})
    assert collect(campaign_id="c", events=events).visits.tolist() == [0, 2, 0]
    assert collect(campaign_id="c").visits.isna().all()


def test_contacts_of_the_campaign_and_their_cost():
    sent = ibis.memtable({"campaign_id": ["c", "c", "d"], "user_id": [2, 2, 2]})
    assert collect(campaign_id="c", contacts=sent).contact_cost.tolist() == [0.0, 1.0, 0.0]
    assert collect(campaign_id="c").contact_cost.tolist() == [0.0, 0.5, 0.5]


def test_unknown_margins_stay_unknown():
    only_seven = ibis.memtable({"item_id": [7], "unit_margin": [4.0]})
    assert collect(campaign_id="c", items=only_seven).margin.isna().tolist() == [False, True, False]
    assert collect(campaign_id="c").margin.isna().all()


def test_optional_columns_may_be_absent():
    plan = ibis.memtable(CAMPAIGNS).drop("unit_cost")
    table = participants(ibis.memtable(WHO), plan, orders().drop("discount"), campaign_id="c").execute()
    assert table.spend.tolist() == [0.0, 35.0, 0.0]
    assert table.contact_cost.isna().all()


def test_no_orders_at_all():
    table = participants(ibis.memtable(WHO), ibis.memtable(CAMPAIGNS), orders([LINES[-1]])).execute()
    assert table[["spend", "purchased", "orders"]].to_numpy().sum() == 0
    with pytest.raises(ExperimentError, match="follow_up_days"):
        collect(follow_up_days=-1)


def everyone(arms, *, campaign="aug", randomised=True, purchased=1, starts_at=1):
    return pd.DataFrame(
        {"campaign_id": campaign, "arm": arms, "starts_at": starts_at, "randomised": randomised, "purchased": purchased}
    )


GOOD = everyone(["control"] * 12 + ["x"] * 12)
REFUSALS = [
    (everyone(["control"] * 12 + ["x"] * 12, randomised=False), "not drawn by chance"),
    (everyone(["a"] * 12 + ["x"] * 12), "no arm 'control'"),
    (everyone(["control"] * 12), "only the arm"),
    (everyone(["control"] * 12 + ["x"] * 3), "fewer than 10 participants"),
    (everyone(["control"] * 12 + ["x"] * 12, purchased=0), "fewer than 10 buyers"),
]


@pytest.mark.parametrize(("table", "reason"), REFUSALS)
def test_refusals_carry_their_reason(table, reason):
    assert reason in overview(table).because[0]
    with pytest.raises(NotAnswerable, match=reason):
        choose(table, campaign="aug")
    with pytest.raises(NotAnswerable, match=reason):
        choose(table)


def test_small_arms_are_not_counted_on_the_page():
    assert overview(REFUSALS[3][0]).participants.isna().all()
    assert overview(GOOD).participants.tolist() == [24]


def test_the_largest_experiment_is_the_default():
    small, wrong = GOOD.assign(campaign_id="jul", starts_at=0), everyone(["control", "x"] * 40, randomised=False)
    table = pd.concat([small, pd.concat([GOOD, GOOD]), wrong.assign(campaign_id="sep", starts_at=9)])
    assert choose(table).campaign_id.unique().tolist() == ["aug"]
    assert choose(pd.concat([small, GOOD])).campaign_id.unique().tolist() == ["jul"]


def test_unknown_campaigns_are_refused_with_the_right_name():
    with pytest.raises(NotAnswerable, match="Did you mean 'aug'"):
        choose(GOOD, campaign="aug1")
    with pytest.raises(NotAnswerable, match="no campaign has participants"):
        choose(GOOD.head(0), campaign="aug")


def test_numbers_as_campaign_ids():
    assert len(choose(GOOD.assign(campaign_id=7), campaign="7")) == 24


def test_the_experiment_with_the_most_arms():
    three = everyone(["control"] * 12 + ["x"] * 12 + ["y"] * 12, campaign="sep", starts_at=2)
    assert most_arms(pd.concat([GOOD, three])).arm.nunique() == 3
    assert "more than one arm" in most_arms(GOOD).attrs["reason"]


def test_observational_example():
    table = pd.concat([GOOD, GOOD.assign(campaign_id="sep", randomised=False)])
    assert observational(table).campaign_id.unique().tolist() == ["sep"]
    assert "randomised" in observational(GOOD).attrs["reason"]
    assert observational(missing(["campaign_id"], "nothing")).empty
    with pytest.raises(ExperimentError, match="starts_at"):
        overview(GOOD.drop(columns="starts_at"))
