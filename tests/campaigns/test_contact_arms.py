"""The frequency test: found, refused, and read by intention to treat; the truth of the demo's numbers by simulation."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import contact_arms as arms
from helpers.campaigns.contact_response import cap
from helpers.campaigns.errors import ExperimentError
from helpers.engine import as_table
from helpers.findings import Estimate, missing

WEEK = 7 * 86_400


def people(n=4000, *, seed=0, doses=(0, 1, 3), effect=0.2, weeks=4.0):
    rng = np.random.default_rng(seed)
    dose = rng.choice(doses, n)
    left = rng.random(n) < 0.03 * dose
    sent = np.where(left, rng.integers(1, 3, n), dose * int(weeks))
    arm = pd.Series(dose).map({0: "control"} | {d: f"f{d}" for d in doses if d})
    table = pd.DataFrame({"campaign_id": "test", "user_id": range(n), "arm": arm, "starts_at": 0, "randomised": True})
    orders = rng.poisson(0.5, n) + (rng.random(n) < effect * -np.expm1(-dose / 1.5))
    table = table.assign(weeks=weeks, orders=orders, margin=orders * rng.gamma(1.0, 40.0, n), contacts=sent)
    table = table.assign(unit_cost=0.1, opted_out=left.astype(float), purchased=(orders > 0).astype(int))
    return table.assign(spend=3.0 * table.margin, spend_before=0.0)


def test_people_of_the_tables_by_hand():
    contacts = pd.DataFrame({"contact_id": [1, 2, 3], "campaign_id": ["c", "c", None], "user_id": [2, 2, 1]})
    contacts = contacts.assign(channel="email", sent_at=[10, 20, 30], opted_out=[False, True, True])
    plan = {"campaign_id": ["c"], "starts_at": [0], "ends_at": [2 * WEEK - 1], "unit_cost": [0.5], "randomised": [True]}
    lines = {"order_id": [1], "user_id": [2], "item_id": [7], "quantity": [1], "unit_price": [9.0], "timestamp": [5]}
    who = pd.DataFrame({"campaign_id": "c", "user_id": [1, 2], "arm": ["control", "x"]})
    given = {"contacts": contacts, "campaigns": pd.DataFrame(plan), "orders": pd.DataFrame(lines), "assignments": who}
    items = pd.DataFrame({"item_id": [7], "unit_margin": [4.0]})
    found = arms.people({name: as_table(t) for name, t in (given | {"items": items}).items()})
    assert found[["weeks", "orders", "margin", "contacts", "opted_out"]].values.tolist() == [
        [2, 0, 0, 0, 0], [2, 1, 4, 2, 1],
    ]  # fmt: skip
    unknown = contacts.assign(opted_out=pd.array([None] * 3, "boolean"))
    found = arms.people({name: as_table(t) for name, t in (given | {"contacts": unknown}).items()})
    assert found.opted_out.isna().all() and found.margin.iloc[1:].isna().all()
    assert "assignments" in arms.people({"contacts": as_table(contacts)}).attrs["reason"]


def test_the_planned_dose_does_not_fall_with_the_opt_outs():
    users = arms.frequency_people(people())
    assert sorted(users.per_week.unique()) == [0, 1, 3]
    table = arms.dose_arms(users)
    assert (table.sent_per_week <= table.per_week).all() and table.sent_per_week.iloc[2] < 2.95
    assert table.opt_outs.tolist() == users.groupby("per_week").opted_out.sum().tolist()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.assign(randomised=False), "no campaign is a randomised test"),
        (lambda t: t[t.arm != "control"], "no campaign is a randomised test"),
        (lambda t: t[t.arm != "f3"], "no campaign is a randomised test"),
        (lambda t: t.assign(contacts=t.contacts + 4), "no campaign is a randomised test"),
        (lambda t: t.assign(contacts=np.where(t.arm == "control", 0, 4)), "no campaign is a randomised test"),
        (lambda t: t.assign(opted_out=np.nan), "do not say who opted out"),
        (lambda t: t.drop(t.index[(t.arm == "f3") & (t.index < 2000)]), "find the fault"),
        (lambda t: t.head(12), "no campaign is a randomised test"),
    ],
)
def test_what_is_no_frequency_test_is_refused(change, reason):
    found = arms.frequency_people(change(people()))
    assert found.empty and reason in found.attrs["reason"]
    assert reason in arms.fit_doses(found).reason
    assert arms.dose_arms(found).empty and arms.subscriber_value(found, unit_cost=0.1).value is None


def test_a_campaign_that_is_not_there_is_named():
    assert "'other'" in arms.frequency_people(people(), campaign="other").attrs["reason"]
    assert len(arms.frequency_people(people(), campaign="test")) == 4000


def test_the_test_with_the_most_doses_is_taken():
    more = people(doses=(0, 1, 2, 4)).assign(campaign_id="large", starts_at=9)
    found = arms.frequency_people(pd.concat([people(), more], ignore_index=True))
    assert set(found.campaign_id) == {"large"}


def test_unknown_margins_and_costs_stop_the_fit():
    users = arms.frequency_people(people())
    assert "unit_margin" in arms.fit_doses(users.assign(margin=np.nan)).reason
    assert "earned no margin" in arms.fit_doses(users.assign(margin=-users.margin)).reason
    assert "unit_cost" in arms.message_cost(users.assign(unit_cost=None)).reason
    assert arms.message_cost(users, unit_cost=0.3).value == 0.3
    assert arms.dose_effects(users, future_value=1.0, unit_cost=None).empty
    assert arms.subscriber_value(users, unit_cost=None).value is None


def test_effects_by_intention_to_treat_by_hand():
    users = pd.DataFrame({"per_week": [0.0, 0, 2, 2], "orders": [0, 1, 1, 3], "contacts": [0, 0, 8, 2]})
    users = users.assign(margin=10.0 * users.orders, opted_out=[0, 0, 0, 1])
    row = arms.dose_effects(users, future_value=6.0, unit_cost=0.5).iloc[0]
    # orders 2 − 0.5; an order is worth 10; 5 messages of 0.5 and half an opt-out of 6 a person
    assert (row.orders, row.margin, row.profit) == pytest.approx((1.5, 15.0, 15 - 2.5 - 3))
    with pytest.raises(ExperimentError, match="future_value"):
        arms.dose_effects(users, future_value=-1.0, unit_cost=0.5)


def test_the_effects_cover_the_known_ones():
    hits = []
    for seed in range(20):
        users = arms.frequency_people(people(1500, seed=seed))
        found = arms.dose_effects(users, future_value=0.0, unit_cost=0.0)
        truth = 0.2 * -np.expm1(-found.per_week / 1.5)
        hits += list((found.orders_ci_low <= truth) & (truth <= found.orders_ci_high))
    assert np.mean(hits) >= 0.88


def test_the_value_of_an_order_has_the_error_of_many_redraws():
    values = [arms.order_value(people(400, seed=s)) for s in range(120)]
    claimed = np.mean([v.ci_high - v.value for v in values]) / 1.96
    assert np.std([v.value for v in values]) == pytest.approx(claimed, rel=0.2)


def test_redraws_spread_as_the_cap_does():
    users = arms.frequency_people(people(20_000, doses=(0, 1, 2, 4, 7)))
    fit, drawn = arms.fit_doses(users), arms.fit_doses(users, redraws=50, seed=1)
    assert len(drawn.kappa) == 50 and drawn.parameters()[0].std() > 0
    assert np.median(drawn.parameters()[0]) == pytest.approx(fit.parameters()[0][0], rel=0.25)
    assert cap(fit, unit_cost=0.1, future_value=30.0).value < 7


def test_the_future_value_of_an_opt_out():
    worth = Estimate(2.0, -1.0, 5.0)
    assert arms.lost_value(arms.believed_value(worth), horizon_weeks=10) == Estimate(20.0, 0.0, 50.0)
    assert arms.lost_value(arms.believed_value(worth, value_per_week=3.0), horizon_weeks=10).value == 30
    assert arms.lost_value(Estimate.missing("no test"), horizon_weeks=10).reason == "no test"
    with pytest.raises(ExperimentError, match="horizon_weeks"):
        arms.lost_value(worth, horizon_weeks=-1)


def test_the_value_of_a_subscriber_is_found():
    users = arms.frequency_people(people(40_000, doses=(0, 1, 3)))
    # 40 an order; mean of 0.2·(1 − e^(−1/1.5)) and 0.2·(1 − e^(−2)), less the messages
    gained = 40 * 0.2 * np.mean(-np.expm1([-1 / 1.5, -3 / 1.5]))
    cost = 0.1 * users.contacts[users.per_week > 0].mean()
    found = arms.subscriber_value(users, unit_cost=0.1)
    assert found.ci_low <= (gained - cost) / 4 <= found.ci_high


def test_the_observed_curve_shows_that_engagement_came_first():
    rng = np.random.default_rng(0)
    before = rng.gamma(1.0, 50.0, 5000)
    table = pd.DataFrame({"user_id": range(5000), "randomised": False, "spend_before": before})
    table = table.assign(contacts=(before // 40).astype(int), spend=before * rng.gamma(4.0, 0.25, 5000))
    found = arms.observed_doses(table, most=3)
    during, earlier = (found[found.when == w].spend.tolist() for w in ("during the campaign", "as long before"))
    # messages do nothing here, and both lines rise
    assert during == sorted(during) and earlier == sorted(earlier)
    assert arms.observed_doses(table.assign(contacts=1)).attrs["reason"]
    assert arms.observed_doses(missing(["arm"], "no people")).attrs["reason"] == "no people"
