"""What a message is worth: shrinkage by hand, places of a week, the scene, and the truth of a known campaign."""

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import contact_messages as messages
from helpers.campaigns.contact_response import DoseFit, fit_curves
from helpers.engine import as_table
from helpers.findings import missing

CONSENT = {"email": "consent_email"}
PLACES = pd.DataFrame({"place": [1, 2], "response_share": [1.0, 0.5], "opt_out_rate": 0.01, "lost_future": [0.1, 0.2]})


def test_shrinkage_by_hand():
    # weights 1, 1: mean 4, Q = 32, τ² = (32 − 1) / (2 − 1) = 31, so B = 31 / 32
    found = messages.shrink(np.array([0.0, 8.0]), np.array([1.0, 1.0]))
    assert found == pytest.approx([4 - 4 * 31 / 32, 4 + 4 * 31 / 32])
    assert messages.shrink(np.array([7.0]), np.array([2.0])).tolist() == [7.0]


def test_shrinkage_comes_closer_to_the_truth_over_many_draws():
    rng = np.random.default_rng(0)
    truth = rng.normal(5, 2, (500, 6))
    seen = truth + rng.normal(0, 4, truth.shape)
    drawn = np.array([messages.shrink(row, np.full(6, 4.0)) for row in seen])
    assert ((drawn - truth) ** 2).mean() < 0.6 * ((seen - truth) ** 2).mean()


def tables(n=6000, *, seed=0):
    """One campaign with effect 2 for the young and −3 for the old, in margin."""
    rng = np.random.default_rng(seed)
    old, treated = rng.random(n) < 0.5, rng.random(n) < 0.5
    margin = rng.gamma(2.0, 2.0, n) + np.where(treated, np.where(old, -3.0, 2.0), 0.0)
    everyone = pd.DataFrame({"campaign_id": "c", "user_id": range(n), "arm": np.where(treated, "x", "control")})
    everyone = everyone.assign(randomised=True, starts_at=5, margin=margin, spend=3 * margin, unit_cost=0.1)
    everyone["contacts"] = 2 * treated
    users = pd.DataFrame({"user_id": range(n), "age_band": np.where(old, "old", "young")})
    users["consent_email"] = pd.array(rng.choice([True, False, None], n), "boolean")
    plan = as_table(pd.DataFrame({"campaign_id": ["c"], "channel": ["email"]}))
    return everyone, as_table(users), plan


def test_values_of_a_message_recover_the_known_effects():
    everyone, users, plan = tables()
    found = messages.message_values(everyone, users, plan, group="age_band").set_index("group")
    # two messages a person, so half of the effect each
    assert found.value.to_dict() == pytest.approx({"old": -1.5, "young": 1.0}, abs=0.2)
    assert (found.effect - [-3, 2]).abs().max() < 4 * found.error.max() and found.per_person.tolist() == [2, 2]
    assert found.sales.to_dict() == pytest.approx({"old": -4.5, "young": 3.0}, abs=0.6)


def test_without_the_feature_there_is_one_group():
    everyone, _users, plan = tables()
    assert messages.message_values(everyone, None, plan, group="age_band").group.tolist() == ["all"]


def test_campaigns_that_cannot_tell_are_left_out():
    everyone, users, plan = tables(600)
    ask = {"group": "age_band"}
    assert messages.message_values(everyone.assign(randomised=False), users, plan, **ask).empty
    assert messages.message_values(everyone.assign(unit_cost=None), users, plan, **ask).empty
    assert messages.message_values(everyone, users, plan, without=everyone, **ask).empty
    assert messages.message_values(everyone.assign(contacts=0), users, plan, **ask).empty
    assert "campaigns" in messages.message_values(everyone, users, None, **ask).attrs["reason"]


def test_the_scene_has_a_group_for_each_consent_and_unknown_is_no():
    everyone, users, plan = tables()
    values = messages.message_values(everyone, users, plan, group="age_band")
    found = messages.set_scene(values, users, PLACES, group="age_band", consent=CONSENT)
    assert found.groups == ("old, email no", "old, email yes", "young, email no", "young, email yes")
    assert found.allowed[:, 0].tolist() == [False, True, False, True] and found.people.sum() == 6000
    assert found.people[1] / 6000 == pytest.approx(1 / 6, abs=0.02)


def test_without_consent_nothing_may_be_planned():
    everyone, users, plan = tables(600)
    values, ask = messages.message_values(everyone, users, plan, group="age_band"), {"group": "age_band"}
    assert "consent is unknown" in messages.set_scene(values, None, PLACES, consent=CONSENT, **ask).reason
    bare = users.drop("consent_email")
    assert "no consent_email" in messages.set_scene(values, bare, PLACES, consent=CONSENT, **ask).reason
    blank = bare.mutate(consent_email=ibis.null("boolean"))
    assert "no consent_email" in messages.set_scene(values, blank, PLACES, consent=CONSENT, **ask).reason
    assert "which consent" in messages.set_scene(values, users, PLACES, consent={}, **ask).reason
    open_channel = messages.set_scene(values, bare, PLACES, consent={"email": "none"}, **ask)
    assert open_channel.allowed.all() and open_channel.groups == ("old", "young")


def test_places_of_a_week_by_hand():
    f = np.array([0.0, 1, 2, 4])
    left = 1e6 * -np.expm1(-0.02 * f)
    fit = fit_curves(f, -np.expm1(-f / 2), np.full(4, 1e-4), left, np.full(4, 1e6), order_value=1.0, weeks=2)
    found = messages.slot_prices(fit, future_value=50.0, slots=3)
    # e^(−1/2), e^(−1); with 0.02·s over two weeks the weekly chance is 1 − e^(−0.01·s)
    assert found.response_share.tolist() == pytest.approx([1, np.exp(-0.5), np.exp(-1)], rel=0.03)
    assert found.opt_out_rate.cumsum().tolist() == pytest.approx(-np.expm1(-0.01 * np.array([1, 2, 3])), rel=0.03)
    assert found.lost_future.tolist() == pytest.approx((50 * found.opt_out_rate).tolist())
    assert messages.slot_prices(DoseFit(reason="no test"), future_value=1.0).attrs["reason"] == "no test"


def test_true_places_by_hand():
    curve = pd.DataFrame({"per_week": [0, 1, 2], "added_order_probability": [0, 0.1, 0.15]})
    curve["opt_out_probability"] = [0, 0.19, 0.36]
    found = messages.true_slots(curve, future_value=10.0, weeks=2, slots=2)
    assert found.response_share.tolist() == pytest.approx([1, 0.5])
    assert found.opt_out_rate.tolist() == pytest.approx([0.1, 0.1]) and found.lost_future.tolist() == pytest.approx(
        [1, 1]
    )


def test_true_values_add_the_cost_that_the_truth_has_taken_off():
    everyone, users, plan = tables(600)
    values = messages.message_values(everyone, users, plan, group="age_band")
    truth = pd.DataFrame({"campaign_id": "c", "arm": "x", "feature": "age_band", "value": ["old", "young"]})
    truth = truth.assign(cate_spend=[-4.0, 6.0], cate_profit=[-1.2, 3.8])
    found = messages.true_values(values, truth, group="age_band")
    assert found.value.tolist() == pytest.approx([-0.5, 2.0]) and found.sales.tolist() == [-2, 3]
    assert messages.true_values(values, truth.head(1), group="age_band").empty
    assert (
        messages.true_values(values, missing(["truth"], "real data"), group="age_band").attrs["reason"] == "real data"
    )


def test_empty_tables_flow_through():
    nothing = missing(list(messages.VALUES), "no campaign")
    assert messages.set_scene(nothing, None, PLACES, group="age_band", consent={}).reason == "no campaign"
    assert messages.message_values(missing(["arm"], "no people"), None, None, group="x").attrs["reason"] == "no people"
