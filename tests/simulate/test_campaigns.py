import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.simulate.campaigns import CAMPAIGNS, opt_out_chance


def spend_in_windows(shop) -> pd.Series:
    """Σ quantity · unit price − discount of the orders in each campaign's window, by campaign and user."""
    orders, windows = shop["orders"], shop["campaigns"].set_index("campaign_id")
    amount = (orders.quantity * orders.unit_price - orders.discount).groupby([orders.user_id, orders.timestamp]).sum()
    rows = amount.rename("spend").reset_index()
    parts = {c: rows[rows.timestamp.between(w.starts_at, w.ends_at)] for c, w in windows.iterrows()}
    return pd.concat({c: p.groupby("user_id").spend.sum() for c, p in parts.items()}).round(2)


@pytest.mark.parametrize("setting", [{}, {"assignment": "confounded", "srm_fault": True}, {"assignment": "aa"}])
def test_the_observed_spend_is_the_outcome_of_the_assigned_arm(make, setting):
    shop = make(users=1_500, **setting)
    truth = shop["truth/potential_outcomes"]
    mine = truth[(truth.assigned == truth.arm) | (truth.assigned == "control")]
    expected = mine.y1.where(mine.assigned == mine.arm, mine.y0).set_axis([mine.campaign_id, mine.user_id])
    observed = spend_in_windows(shop).reindex(expected.index).fillna(0.0)
    assert (observed - expected).abs().max() < 0.005


def test_the_assignments_are_those_of_the_truth(shop):
    truth = shop["truth/potential_outcomes"].drop_duplicates(["campaign_id", "user_id"])
    both = shop["assignments"].merge(truth, on=["campaign_id", "user_id"], how="outer", suffixes=("", "_true"))
    assert (both.arm == both.assigned).all()


def test_mean_effects_are_the_means_of_the_outcomes(shop):
    truth, arms = shop["truth/potential_outcomes"], shop["truth/arms"].set_index(["campaign_id", "arm"])
    means = truth.groupby(["campaign_id", "arm"])[["effect", "profit0", "profit1"]].mean()
    stated = arms.loc[means.index]
    assert stated.ate_spend.to_numpy() == pytest.approx(means.effect.to_numpy(), abs=1e-5)
    assert stated.ate_profit.to_numpy() == pytest.approx((means.profit1 - means.profit0).to_numpy(), abs=0.006)


def test_types_follow_from_both_purchases(shop):
    truth = shop["truth/potential_outcomes"]
    table = truth.groupby(["purchased0", "purchased1"]).type.unique().map(list)
    assert table.to_dict() == {
        (0, 0): ["lost cause"], (0, 1): ["persuadable"], (1, 0): ["sleeping dog"], (1, 1): ["sure thing"]
    }  # fmt: skip


def test_each_campaign_does_what_it_is_planted_for(shop):
    arms = shop["truth/arms"].set_index(["campaign_id", "arm"])
    assert arms.ate_purchase["voucher-aug", "treated"] > 0.05
    assert arms.ate_profit["voucher-aug", "treated"] > 0
    assert arms.ate_spend["aa-jul", "treated"] == arms.ate_spend["retargeting-holdout", "treated"] == 0
    assert arms.ate_spend["discount-sep", "treated"] > 0 > arms.ate_profit["discount-sep", "treated"]
    assert arms.ate_purchase["email-sep", "creative_b"] > arms.ate_purchase["email-sep", "creative_a"] > 0
    assert arms.ate_spend["flash-nov", "treated"] > 0 > arms.ate_later_spend["flash-nov", "treated"]


def test_the_vouchers_purchase_effect_is_visible(shop):
    truth = shop["truth/potential_outcomes"].query("campaign_id == 'voucher-aug'")
    bought = truth.purchased1.where(truth.assigned == "treated", truth.purchased0)
    one, zero = (bought[truth.assigned == a] for a in ("treated", "control"))
    z = (one.mean() - zero.mean()) / np.sqrt(one.var() / len(one) + zero.var() / len(zero))
    assert len(truth) >= 2_500
    assert z > 3


def test_the_effect_depends_on_visible_features(shop):
    cate = shop["truth/cate"].query("campaign_id == 'voucher-aug' and arm == 'treated'").set_index("value")
    assert cate.cate_purchase["4"] > cate.cate_purchase["1"] > 0
    assert cate.cate_purchase["18-24"] > cate.cate_purchase["55+"] + 0.05


def test_the_frequency_profit_peaks_inside(shop):
    curve = shop["truth/contact_curve"].set_index("per_week").profit
    assert 1 < curve.idxmax() < 6
    assert curve.max() > curve[7] + 2 > curve[0] + 2
    assert shop.json("truth")["contact.best_frequency"]["value"] == curve.idxmax()


def test_opt_outs_come_at_their_rate_and_end_the_messages(make):
    contacts = make(users=3_000)["contacts"].query("campaign_id == 'frequency-oct'")
    arms = make(users=3_000)["assignments"].query("campaign_id == 'frequency-oct'").set_index("user_id").arm
    seven = contacts[contacts.user_id.map(arms) == "freq_7"]
    n, out = len(seven), seven.opted_out.sum()
    assert out == pytest.approx(n * opt_out_chance(7), abs=4 * np.sqrt(n * opt_out_chance(7)))
    assert (seven.groupby("user_id").opted_out.sum() <= 1).all()
    assert seven.sort_values(["user_id", "sent_at", "contact_id"]).groupby("user_id").opted_out.last().sum() >= out - 2


def test_messages_go_only_to_those_who_agreed(shop):
    sent = shop["contacts"].merge(shop["users"], on="user_id")
    assert sent.loc[sent.channel == "email", "consent_email"].all()
    assert sent.loc[sent.campaign_id.isin(["aa-jul", "members-jul"]), "consent_push"].all()


def test_windows_do_not_overlap(shop):
    windows = shop["campaigns"].sort_values("starts_at")
    assert (windows.starts_at.to_numpy()[1:] > windows.ends_at.to_numpy()[:-1]).all()


@pytest.mark.parametrize(("assignment", "low", "high"), [("randomised", 0.0, 0.12), ("confounded", 0.3, 9.0)])
def test_the_switch_confounds_the_voucher(make, assignment, low, high):
    shop = make(users=1_500, assignment=assignment)
    start = shop["campaigns"].set_index("campaign_id").starts_at["voucher-aug"]
    orders = shop["orders"]
    before = orders[orders.timestamp < start].groupby("user_id").order_id.nunique()
    arms = shop["assignments"].query("campaign_id == 'voucher-aug'").set_index("user_id").arm
    mean = before.reindex(arms.index).fillna(0).groupby(arms).mean()
    assert low <= abs(mean["treated"] - mean["control"]) <= high
    assert shop["campaigns"].set_index("campaign_id").randomised["voucher-aug"] == 1


def test_in_the_aa_shop_no_arm_changes_anything(make):
    truth = make(users=1_500, assignment="aa")["truth/potential_outcomes"]
    assert (truth.y0 == truth.y1).all()
    assert (truth.purchased0 == truth.purchased1).all()


@pytest.mark.parametrize(("fault", "low", "high"), [(False, 1e-3, 1.0), (True, 0.0, 1e-3)])
def test_the_fault_breaks_the_sample_ratio(make, fault, low, high):
    arms = make(users=3_000, srm_fault=fault)["assignments"].query("campaign_id == 'voucher-aug'").arm
    assert low <= stats.chisquare(arms.value_counts()).pvalue <= high


def test_leaving_a_campaign_out_changes_nothing_else(make):
    with_it, without = make(), make(campaigns=tuple(c for c in CAMPAIGNS if c != "voucher-aug"))
    window = with_it["campaigns"].set_index("campaign_id").loc["voucher-aug"]
    same = ["user_id", "item_id", "quantity", "discount", "timestamp"]
    orders = [s["orders"] for s in (with_it, without)]
    outside = [o.loc[~o.timestamp.between(window.starts_at, window.ends_at), same] for o in orders]
    assert outside[0].reset_index(drop=True).equals(outside[1].reset_index(drop=True))
    assert with_it["users"].equals(without["users"])
    truth = with_it["truth/potential_outcomes"].query("campaign_id != 'voucher-aug'").reset_index(drop=True)
    assert truth.equals(without["truth/potential_outcomes"])
