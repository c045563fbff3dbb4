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


def test_every_public_name_exists():
    assert all(hasattr(experiment, name) for name in experiment.__all__)
