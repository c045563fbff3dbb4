"""The experiment as a whole: plan against participants, all campaigns, and simulated truth."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import experiment
from helpers.campaigns.comparison import welch_row
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.simulate import simulate_experiment

EXPERIMENTS = 400


@pytest.fixture(scope="module")
def shops():
    """Simulated experiments with a known effect, by seed."""
    return [simulate_experiment(400, effect=0.15, seed=s) for s in range(EXPERIMENTS)]


@pytest.fixture(scope="module")
def with_effect(shops):
    return experiment.coverage_study(
        lambda users, *, effect, seed: shops[seed], experiments=EXPERIMENTS, users=400, effect=0.15, seed=0
    )


def test_intervals_cover_the_known_effect(with_effect):
    assert 0.93 <= with_effect.covered.mean() <= 0.97
    assert experiment.coverage(with_effect).covers(0.95)


def test_estimates_are_unbiased(with_effect):
    error = with_effect.difference - with_effect.truth
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(EXPERIMENTS)


def test_aa_experiments_raise_false_alarms_as_promised(shops):
    # the same spend in both arms, the lottery drawn anew: 40 shops, 150 lotteries each
    rng, alarms = np.random.default_rng(1), 0
    for users in shops[:40]:
        spend = users.y0.to_numpy()
        for treated in rng.random((150, len(spend))) < 0.5:
            alarms += welch_row(spend[treated], spend[~treated], level=0.95)["p_value"] < 0.05
    assert 0.04 <= alarms / 6_000 <= 0.06


def test_newcombe_covers_the_known_effect_on_purchases(shops):
    # who would buy without the voucher does not depend on the arm: the true difference is 0
    rows = [experiment.newcombe_difference(u.assign(purchased=u.y0 > 0)).iloc[0] for u in shops]
    assert 0.93 <= np.mean([r.ci_low <= 0 <= r.ci_high for r in rows]) <= 0.97


def test_a_lost_part_of_an_arm_is_detected():
    whole, lost = (simulate_experiment(3_000, effect=0.15, seed=4, srm_fault=f) for f in (False, True))
    p = [experiment.sample_ratio_test(experiment.arm_counts(u)).p_value[0] for u in (whole, lost)]
    assert p[0] > 0.001 > p[1]


def test_a_confounded_assignment_is_biased():
    users = simulate_experiment(4_000, effect=0.15, seed=5, assignment="confounded")
    row = experiment.welch(users, outcome="spend").iloc[0]
    before = experiment.welch(users, outcome="pre_spend").iloc[0]
    assert row.ci_low > (users.y1 - users.y0).mean()
    assert before.ci_low > 0


def test_cuped_keeps_the_truth_on_the_shop(shops):
    rows = [experiment.cuped(u, outcome="spend", covariate="pre_spend").iloc[0] for u in shops]
    truth = [(u.y1 - u.y0).mean() for u in shops]
    assert 0.93 <= np.mean([r.ci_low <= t <= r.ci_high for r, t in zip(rows, truth, strict=True)]) <= 0.97


def everyone():
    rng = np.random.default_rng(2)
    parts = []
    for i, (name, randomised) in enumerate([("aug", True), ("jul", False), ("tiny", True)]):
        n = 6 if name == "tiny" else 200
        part = pd.DataFrame({"campaign_id": name, "arm": ["control", "x"] * (n // 2), "starts_at": i})
        parts.append(part.assign(randomised=randomised, spend=rng.exponential(10, n), purchased=1))
    return pd.concat(parts, ignore_index=True)


def test_all_campaigns_at_once():
    table = experiment.effects_by_campaign(everyone())
    assert table.label.tolist() == ["aug · x"]
    assert (
        table.difference[0] == experiment.welch(everyone().query("campaign_id == 'aug'"), outcome="spend").difference[0]
    )
    every = experiment.effects_by_campaign(everyone(), experiments_only=False)
    assert every.campaign_id.tolist() == ["aug", "jul"]


def test_all_campaigns_degenerate():
    none = experiment.effects_by_campaign(missing(["campaign_id"], "no campaign"))
    assert none.attrs["reason"] == "no campaign"
    assert experiment.effects_by_campaign(everyone().query("campaign_id == 'jul'")).empty
    with pytest.raises(ExperimentError, match="method"):
        experiment.effects_by_campaign(everyone(), method="t")


def test_truth_beside_the_estimates():
    truth = pd.DataFrame({"campaign_id": ["aug", "aug"], "arm": ["x", "control"], "ate_spend": [1000.0, 0.0]})
    effects = experiment.effects_by_campaign(everyone())
    graded = experiment.against_truth(effects, truth)
    assert graded.covered.tolist() == [False]
    assert graded.error[0] == pytest.approx(graded.estimate[0] - 1000)
    assert experiment.coverage(graded).value == 0.0


def test_truth_of_real_data_is_missing():
    effects = experiment.effects_by_campaign(everyone())
    graded = experiment.against_truth(effects, missing(["truth"], "these are not simulated data"))
    assert "not simulated" in graded.attrs["reason"]
    assert "not simulated" in experiment.coverage(graded).reason
    with pytest.raises(ExperimentError, match="ate_spend"):
        experiment.against_truth(effects, pd.DataFrame({"campaign_id": ["aug"], "arm": ["x"]}))
    other = pd.DataFrame({"campaign_id": ["sep"], "arm": ["x"], "ate_spend": [0.0]})
    assert experiment.against_truth(effects, other).empty


def test_readiness_by_hand():
    # R: power.prop.test(n = 3841, p1 = .10, p2 = .12) => power 0.80
    before = [1.0] * 1 + [0.0] * 9
    users = pd.DataFrame({"arm": ["control"] * 3841 + ["x"] * 3841, "spend_before": (before * 769)[:7682]})
    row = experiment.readiness(users, effect=0.02).iloc[0]
    assert row.power_rate == pytest.approx(0.80, abs=0.002)
    assert row.smallest_effect == pytest.approx(0.02, abs=0.0002)


def test_readiness_degenerate():
    users = pd.DataFrame({"arm": ["control", "x"] * 10, "spend_before": 1.0})
    assert "no room" in experiment.readiness(users, effect=0.02).attrs["reason"]
    assert "nobody bought" in experiment.readiness(users.assign(spend_before=0.0), effect=0.02).attrs["reason"]
    assert experiment.readiness(users.head(0), effect=0.02).empty


def test_profit_of_all_campaigns_at_once():
    table = everyone().assign(margin=lambda t: t.spend / 2, contact_cost=lambda t: (t.arm == "x") * 3.0)
    pays = experiment.verdicts_by_campaign(table)
    aug = table.query("campaign_id == 'aug'").groupby("arm").spend.mean()
    assert pays.difference[0] == pytest.approx((aug["x"] - aug["control"]) / 2 - 3)
    assert "not known" in experiment.verdicts_by_campaign(table.assign(margin=np.nan)).attrs["reason"]


def test_truth_of_one_campaign():
    truth = pd.DataFrame({"campaign_id": ["aug"], "arm": ["x"], "ate_spend": [4.0]})
    effects = experiment.effects_by_campaign(everyone())
    assert experiment.true_effect(effects, everyone(), truth, column="ate_spend") == 4.0
    assert experiment.true_effect(effects, everyone(), missing(["truth"], "real"), column="ate_spend") is None


def test_estimate_of_a_table():
    table = pd.DataFrame({"arm": ["a", "b"], "profit": [1.0, 2.0], "ci_low": [0.0, 1.0], "ci_high": [2.0, 3.0]})
    assert experiment.estimate(table, value="profit").value == 2.0
    assert "'c'" in experiment.estimate(table, arm="c", value="profit").reason
    assert experiment.estimate(missing(["arm", "profit"], "no margins"), value="profit").reason == "no margins"


def test_arms_that_differ_without_a_campaign_raise_the_alarm():
    def shop(users, *, effect, seed):
        table = pd.DataFrame({"arm": ["control", "x"] * 20, "y0": [0.0, 9.0 * seed, 2.0, 2 + 9.0 * seed] * 10})
        table["y1"] = table.y0 + 1
        return table.assign(spend=table.y0.where(table.arm == "control", table.y1))

    study = experiment.coverage_study(shop, experiments=2, users=40, effect=1.0, seed=0)
    assert study.aa_alarm.tolist() == [False, True] and study.covered.tolist() == [True, False]
    assert list(study)[:2] == ["experiment", "difference"] and study.experiment.tolist() == [1, 2]
    assert study.truth.tolist() == [1.0, 1.0] and study.difference.tolist() == pytest.approx([1.0, 10.0])


def test_coverage_needs_experiments_and_buyers():
    with pytest.raises(ExperimentError, match="experiments"):
        experiment.coverage_study(simulate_experiment, experiments=0)
    with pytest.raises(ExperimentError, match="nobody bought"):
        experiment.coverage_study(simulate_experiment, experiments=40, users=4, effect=0.0)


# Ends of the rules, ties, what is not there --------------------------------------------------------------------------


def plan(*sizes: int, base: float = 0.5, **options) -> pd.DataFrame:
    """`readiness` of arms of these sizes, the control first, of whom a part bought before."""
    arms = np.repeat(["control", "x", "y"][: len(sizes)], sizes)
    before = np.arange(len(arms)) < base * len(arms)
    return experiment.readiness(pd.DataFrame({"arm": arms, "spend_before": before * 9.0}), **options)


def test_the_smallest_arm_plans_and_arms_share_alpha():
    row, three = plan(300, 200, effect=0.1, alpha=0.02).iloc[0], plan(300, 200, 200, effect=0.1, alpha=0.04).iloc[0]
    assert row["users_per_arm"] == 200 and row["base_rate"] == 0.5 and row["effect"] == 0.1
    assert three.tolist()[:1] + three.tolist()[2:] == pytest.approx(row.tolist()[:1] + row.tolist()[2:], rel=1e-9)
    need = experiment.minimum_sample_size(base=0.5, effect=0.1, power=0.8, alpha=0.02)
    assert row["users_needed"] == int(need) + 1 and plan(300, 200, effect=0.1)["users_needed"][0] < need


def test_an_arm_of_two_and_a_rate_of_one_leave_room():
    assert len(plan(2, 2, effect=0.5)) == 1
    assert "an arm of 1 people" in plan(3, 1, effect=0.1).attrs["reason"]
    assert "a base of 50.0% leave no room for +51.0%" in plan(2, 2, effect=0.51).attrs["reason"]
    assert "nothing to compare" in plan(4, effect=0.1).attrs["reason"]


def test_words_of_the_arms_by_hand():
    effects = pd.DataFrame({"arm": ["a", "b", "c"], "profit": [1.0, None, 1.5], "ci_low": -0.5, "ci_high": 2.0})
    words = experiment.arms_words(effects, value="profit", form=".0f", scale=10)
    assert words == "c 15 (-5 to 20); a 10 (-5 to 20)"
    ties = experiment.arms_words(effects.fillna(1.5), value="profit", form=".1f")
    assert [w.split()[0] for w in ties.split("; ")] == ["b", "c", "a"]
    assert experiment.arms_words(missing(["difference"], "too few")) == "not computable, because too few"
    assert experiment.arms_words(effects.iloc[1:2], value="profit").endswith("because no arm can be compared")
    assert experiment.estimate(effects, arm="a", value="profit").value == 1.0
    assert experiment.estimate(effects, arm="b", value="profit").value is None
    assert experiment.estimate(effects, value="profit").ci_high == 2.0


def test_one_treated_arm_needs_no_sharing():
    levels = [experiment.shared_level(pd.DataFrame({"arm": list(arms)}), level=0.9) for arms in ("c", "cx", "cxyz")]
    assert levels == pytest.approx([0.9, 0.9, 1 - 0.1 / 3])
    assert experiment.campaign_of(pd.DataFrame({"campaign_id": []})) == "–"


def test_a_truth_at_the_end_of_an_interval_is_covered():
    effects = pd.DataFrame({"campaign_id": list("abcd"), "label": "", "arm": "x", "difference": 2.0})
    effects = effects.assign(ci_low=1.0, ci_high=3.0)
    truth = pd.DataFrame({"campaign_id": list("abcd"), "arm": "x", "ate_spend": [1.0, 3.0, 0.9, 3.1]})
    graded = experiment.against_truth(effects, truth)
    assert graded.covered.tolist() == [True, True, False, False]
    assert graded.error.tolist() == pytest.approx([1, -1, 1.1, -1.1])


def test_the_truth_of_another_arm_or_campaign_is_none():
    truth = pd.DataFrame({"campaign_id": ["aug", "sep"], "arm": ["x", "y"], "ate_spend": [4.0, 5.0]})
    effects, users = pd.DataFrame({"arm": ["x"], "difference": [1.0]}), pd.DataFrame({"campaign_id": ["aug"]})
    found = [(effects, users), (effects.assign(arm="y"), users), (effects, users.assign(campaign_id="sep"))]
    found += [(effects, users.head(0)), (effects.assign(difference=None), users), (effects.head(0), users)]
    known = [experiment.true_effect(e, u, truth, column="ate_spend") for e, u in found]
    assert known == [4.0, None, None, None, None, None]


def test_purchases_of_all_campaigns_and_why_there_are_none():
    table = everyone().assign(purchased=lambda t: (t.arm == "x") | (t.spend > 10))
    rates = experiment.effects_by_campaign(table, outcome="purchased", method="newcombe", level=0.9, control="control")
    own = experiment.newcombe_difference(table.query("campaign_id == 'aug'"), outcome="purchased", level=0.9)
    assert rates[["difference", "ci_low", "ci_high"]].equals(own[["difference", "ci_low", "ci_high"]])
    assert experiment.effects_by_campaign(everyone(), min_cell=3).campaign_id.tolist() == ["aug", "tiny"]
    none = experiment.effects_by_campaign(table.query("campaign_id == 'tiny'"))
    assert none.attrs["reason"] == "no campaign can be compared"
    empty = experiment.effects_by_campaign(table.assign(spend=np.nan))
    assert "spend" in empty.attrs["reason"] and list(empty)[:2] == ["campaign_id", "label"]


def test_verdicts_of_all_campaigns_and_a_faulty_split():
    table = everyone().assign(margin=lambda t: t.spend + 20.0 * (t.arm == "x"), contact_cost=1.0, randomised=True)
    lost = (table.campaign_id == "jul") & (table.arm == "x") & (np.arange(len(table)) % 4 < 2)
    judged = experiment.verdicts_by_campaign(table[~lost])
    assert judged[["label", "verdict"]].to_numpy().tolist() == [["aug · x", "ship"], ["jul · x", "cannot tell"]]
    assert experiment.verdicts_by_campaign(table, minimum_profit=100.0).verdict.tolist() == ["stop", "stop"]


def same_for_all(seen: list):
    """A shop without chance in its spend; keeps what it is asked."""

    def shop(users, *, effect, seed):
        seen.append((users, effect, seed))
        table = pd.DataFrame({"arm": ["control", "x"] * 20, "y0": [4.0, 4.0, 4.01, 4.01] * 10})
        table["y1"] = table.y0 + effect
        return table.assign(spend=table.y0.where(table.arm == "control", table.y1))

    return shop


def test_an_effect_is_found_where_its_interval_leaves_zero():
    seen = []
    for effect in (0.5, -0.5, 0.0):
        study = experiment.coverage_study(same_for_all(seen), experiments=1, users=40, effect=effect, seed=7)
        assert study.found.tolist() == [effect != 0] and study.covered.tolist() == [True]
        assert study.truth[0] == pytest.approx(effect) and not study.aa_alarm[0]
    experiment.coverage_study(same_for_all(seen), experiments=2, users=40, effect=1.0)
    assert seen == [(40, 0.5, 7), (40, -0.5, 7), (40, 0.0, 7), (40, 1.0, 50), (40, 1.0, 51)]


@pytest.mark.parametrize(("low", "high", "found"), [(0, 1, False), (0.1, 1, True), (-1, 0, False), (-1, -0.1, True)])
def test_an_interval_that_ends_at_zero_finds_nothing(monkeypatch, low, high, found):
    row = {"difference": 0.0, "ci_low": low, "ci_high": high, "p_value": 0.5}
    monkeypatch.setattr(experiment, "welch_row", lambda *given, level: dict(row))
    study = experiment.coverage_study(same_for_all([]), experiments=1, users=40, effect=0.0)
    assert study.found.tolist() == [found] and study.covered.tolist() == [not found]  # the truth is 0


def test_promises_by_hand():
    study = pd.DataFrame({"covered": [True] * 9 + [False], "found": [True] * 4 + [False] * 6})
    table = experiment.promises(study.assign(aa_alarm=[True] + [False] * 9), level=0.9)
    assert table.promised_rate.fillna(-1).tolist() == pytest.approx([0.9, 0.1, -1])
    assert table.seen_rate.tolist() == [0.9, 0.1, 0.4] and set(table.experiments) == {10}
    # Wilson, 4 of 10: (0.4 + 0.19207 ± 1.95996 √(0.024 + 0.0096037)) / 1.38415
    assert table.iloc[2][["seen_rate_ci_low", "seen_rate_ci_high"]].tolist() == pytest.approx(
        [0.1682, 0.6873], abs=1e-4
    )
    assert experiment.coverage(study, column="found").value == 0.4
    assert experiment.coverage(study.head(0)).reason == "no intervals"


def test_every_public_name_exists():
    assert all(hasattr(experiment, name) for name in experiment.__all__)
