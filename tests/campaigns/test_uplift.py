"""Notebook 51 as a whole: checks and refusals, types, groups, and the published Hillstrom values."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import uplift
from helpers.campaigns.errors import ExperimentError
from helpers.findings import NotAnswerable
from helpers.simulate import simulate_uplift
from helpers.simulate.campaigns import Offer

TRAITS = ["age_band", "gender", "city_tier", "orders_before", "spend_before", "recency_days"]


def campaign(n=2000, *, seed=1, offer=None):
    table = simulate_uplift(n, seed=seed, offer=offer)
    table = table.assign(campaign_id="aug", margin=table.profit, contact_cost=0.0)
    return table, table[TRAITS].set_axis(table.user_id, axis=0)


def truth_of(users):
    kinds = np.array(["lost cause", "persuadable", "sleeping dog", "sure thing"])
    outcomes = ["campaign_id", "user_id", "purchased0", "purchased1", "profit0", "profit1"]
    return users[outcomes].assign(arm="treated", type=kinds[2 * users.purchased0 + users.purchased1])


@pytest.fixture(scope="module")
def trial():
    users, known = campaign(4000)
    return uplift.prepare(users, known, truth=truth_of(users))


def test_a_sound_draw_passes_and_carries_its_truth(trial):
    assert len(trial) == 4000 and trial.campaign == "aug"
    observed = np.where(trial.truth.type.isin(["sure thing", "persuadable"]), 1, 0)[trial.treated == 1]
    assert (trial.purchased[trial.treated == 1] == observed).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda u: u.assign(randomised=False), "not drawn by chance"),
        (lambda u: u[(u.arm == "control") | (u.user_id % 3 > 0)], "planned sizes"),
        (lambda u: u.head(150), "fewer than 100 people"),
        (lambda u: u.assign(purchased=0), "fewer than 20 buyers"),
        (lambda u: u.assign(purchased=1), "20 who did not buy"),
        (lambda u: u[(u.arm == "control") ^ (u.orders_before > 0)], "differed before the campaign"),
    ],
)
def test_without_a_sound_draw_uplift_is_refused(change, words):
    users = change(campaign()[0])
    known = users[TRAITS]
    with pytest.raises(NotAnswerable, match=words):
        uplift.prepare(users, known)


def test_nothing_known_is_refused():
    users, known = campaign(600)
    with pytest.raises(NotAnswerable, match="nothing that differs between people is known"):
        uplift.prepare(users, known.assign(**dict.fromkeys(known, 1.0))[["gender"]])


def test_a_campaign_without_draw_is_shown_as_an_example():
    users, known = campaign(600)
    table = uplift.naive_draw(users.assign(randomised=False), known)
    assert table.passed.tolist() == [False, True, True, True, True]
    assert "every campaign was randomised" in uplift.naive_draw(users.head(0), known).attrs["reason"]
    assert "no control" in uplift.naive_draw(users[users.arm == "treated"], known).attrs["reason"]


def test_two_of_several_arms():
    users = pd.DataFrame({"arm": ["control", "a", "b", "b"]})
    assert set(uplift.two_arms(users, arm="a").arm) == {"control", "a"}
    with pytest.raises(NotAnswerable, match="no treated arm 'aa'"):
        uplift.two_arms(users, arm="aa")
    with pytest.raises(NotAnswerable, match="There is no arm"):
        uplift.two_arms(users[users.arm != "control"])


def test_unknown_cost_means_no_profit_and_no_learning_from_it():
    users, known = campaign(800)
    trial = uplift.prepare(users.assign(contact_cost=np.nan), known)
    lists = uplift.policies_at(uplift.scores(trial, methods=("one rule",)), share=0.3)
    assert "unit_cost" in uplift.policy_values(trial.profit, trial.treated, lists).attrs["reason"]
    assert "profit is not known" in uplift.effect_by_group(trial, by="gender").attrs["reason"]
    assert uplift.scores(trial, learn_from="profit").isna().all(axis=None)
    with pytest.raises(ExperimentError, match="learn_from 'visits'"):
        uplift.scores(trial, learn_from="visits")


def test_bounds_hold_the_true_types(trial):
    table = uplift.type_bounds(trial)
    assert (table.outer_share_ci_low <= table.truth_share).all() and (
        table.truth_share <= table.outer_share_ci_high
    ).all()
    assert table.truth_share.sum() == pytest.approx(1.0)


def test_bounds_by_hand():
    t, y = np.repeat([1, 0], 200), np.repeat([1, 0, 1, 0], [80, 120, 50, 150])  # p₁ = .4, p₀ = .25
    known = pd.DataFrame({"x": np.tile([0.0, 1.0], 200)})
    trial = uplift.Trial("c", known, known, t, y, y.astype(float))
    table = uplift.type_bounds(trial).set_index("type")
    assert table.lowest_share.tolist() == pytest.approx([0.15, 0, 0.35, 0])
    assert table.highest_share.tolist() == pytest.approx([0.4, 0.25, 0.6, 0.25])
    assert table.truth_share.isna().all()


def test_types_by_prediction_are_ordered_in_truth(trial):
    scores = uplift.scores(trial, methods=("T-learner", "response model"))
    table = uplift.predicted_types(
        trial, uplift=scores["T-learner"].to_numpy(), base=scores["response model"].to_numpy()
    ).set_index("named")
    assert table.customers.sum() == 4000
    assert table.persuadable_share["persuadable"] > table.persuadable_share["sure thing"]
    assert table.sleeping_dog_share["sleeping dog"] > table.sleeping_dog_share["persuadable"]


def test_older_customers_are_the_sleeping_dogs():
    users, known = campaign(12_000, offer=Offer(extra=0.1, put_off=0.9))
    trial = uplift.prepare(users, known, truth=truth_of(users))
    table = uplift.effect_by_group(trial, by="age_band").set_index("group")
    assert table.ci_high["55+"] < 0 < table.ci_low["25-34"]
    cost = uplift.without_group(trial, np.ones(12_000), by="age_band", groups="45-54, 55+").iloc[2]
    assert cost.profit_ci_low > 0 and cost.profit_ci_low < cost.truth < cost.profit_ci_high


def test_groups_that_are_not_there(trial):
    assert "income is not known" in uplift.effect_by_group(trial, by="income").attrs["reason"]
    assert (
        "nobody has age_band 99"
        in uplift.without_group(trial, np.ones(4000), by="age_band", groups="99").attrs["reason"]
    )
    assert "too small" in uplift.effect_by_group(trial, by="gender", min_cell=5000).attrs["reason"]
    quarters = uplift.effect_by_group(trial, by="spend_before", outcome="purchased")
    assert quarters.customers.sum() == 4000 and 2 <= len(quarters) <= 4


def test_a_tree_in_words_is_measured_on_other_people(trial):
    table = uplift.tree_groups(trial, depth=2)
    assert 1950 < table.customers.sum() < 2050 and table.found_rate.is_monotonic_decreasing
    assert table.group.str.contains("city_tier|age_band").any()  # what the shop planted


@pytest.fixture(scope="module")
def women(shared_data):
    table = pd.read_csv(shared_data("hillstrom.csv"))
    table = table[table.segment != "Mens E-Mail"].reset_index(drop=True)
    known = table[["recency", "mens", "womens", "newbie", "zip_code", "channel", "history"]]
    return uplift.design(known), (table.segment == "Womens E-Mail").to_numpy(int), table.visit.to_numpy()


def test_hillstrom_rule_t_learner_and_response_model(women):
    # reference: 'bought women's before' .068 ± .010, a T-learner about .06, a response model .011
    x, t, y = women
    given = {"repeats": 4, "methods": ("T-learner", "response model"), "seed": 1}
    found = uplift.repeated_splits(x.to_numpy(), t, y, **given).groupby("method").qini_auc.mean()
    assert found["T-learner"] == pytest.approx(0.06, abs=0.015)
    assert found["response model"] == pytest.approx(0.011, abs=0.015)
    assert uplift.qini_auc(y, t, x["womens"].to_numpy()) == pytest.approx(0.068, abs=0.010)


def test_hillstrom_one_rule_is_women_before(women):
    x, t, y = women
    rule = uplift.predict("one rule", x.to_numpy(), t, y, new=x.to_numpy())
    assert np.corrcoef(rule, x["womens"])[0, 1] == pytest.approx(1.0)
