"""Probabilities: by hand, by scikit-learn, and on draws whose true chance is known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from sklearn.metrics import log_loss as sk_log_loss

from helpers.customers import calibration as cal
from helpers.customers.features_before import IntentError

PAIRS = st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 0.999)), min_size=2, max_size=40)


def test_by_hand() -> None:
    happened, chance = [1, 0, 1, 1, 0], [0.9, 0.7, 0.6, 0.5, 0.2]
    assert cal.brier(happened, chance) == pytest.approx((0.01 + 0.49 + 0.16 + 0.25 + 0.04) / 5)
    assert cal.brier_skill(happened, chance, reference=0.6) == pytest.approx(1 - 0.19 / 0.24)
    assert cal.log_loss([1, 0], [0.8, 0.5]) == pytest.approx((np.log(1.25) + np.log(2)) / 2)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_as_scikit_learn(rows: list) -> None:
    happened, chance = map(list, zip(*rows, strict=True))
    assert cal.brier(happened, chance) == pytest.approx(brier_score_loss(happened, chance, pos_label=1))
    assert cal.log_loss(happened, chance) == pytest.approx(sk_log_loss(happened, chance, labels=[0, 1]))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_the_base_rate_of_the_table_itself_has_skill_zero_and_perfection_one(rows: list) -> None:
    happened = np.array([h for h, _ in rows])
    rate = happened.mean()
    assert cal.brier(happened, np.full(len(rows), rate)) == pytest.approx(rate * (1 - rate))
    if 0 < rate < 1:
        assert cal.brier_skill(happened, np.full(len(rows), rate), reference=rate) == pytest.approx(0)
        assert cal.brier_skill(happened, happened, reference=rate) == 1
    else:
        assert cal.brier_skill(happened, happened, reference=rate) is None


def test_a_sure_mistake_costs_much_but_not_infinitely_much() -> None:
    assert cal.log_loss([1], [0.0]) == pytest.approx(-np.log(1e-6)) and cal.brier([1], [0.0]) == 1


def draws(n: int = 4_000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 5, n)
    return pd.DataFrame({"happened": (rng.random(n) < chance).astype(int), "true": chance, "halved": chance / 2})


def test_true_chances_lie_on_the_diagonal_and_halved_ones_do_not() -> None:
    inside = {"true": 0, "halved": 0}
    for seed in range(20):
        curve = cal.calibration_curve(draws(seed=seed))
        hit = (curve.observed_rate_ci_low <= curve.predicted_rate) & (
            curve.predicted_rate <= curve.observed_rate_ci_high
        )
        for name, hits in hit.groupby(curve.prediction).sum().items():
            inside[name] += hits
    assert inside["true"] >= 180 and inside["halved"] <= 20  # of 200 groups


def test_the_curve_by_hand() -> None:
    table = pd.DataFrame({"happened": [0, 0, 1, 0, 1, 1], "p": [0.1, 0.2, 0.3, 0.6, 0.7, 0.8]})
    curve = cal.calibration_curve(table, bins=2, least=3)
    assert curve.users.tolist() == [3, 3] and np.allclose(curve.predicted_rate, [0.2, 0.7])
    assert np.allclose(curve.observed_rate, [1 / 3, 2 / 3])


def test_groups_are_large_enough_and_equal_predictions_stay_together() -> None:
    table = draws(500).assign(halved=0.3)
    curve = cal.calibration_curve(table, bins=10, least=30)
    assert (curve.users >= 30).all() and (curve.prediction == "halved").sum() == 1
    assert curve.groupby("prediction").users.sum().eq(500).all()


def test_quality_puts_the_true_chance_first_and_ends_with_the_reference() -> None:
    table = draws()
    found = cal.quality(table, reference=0.3, boots=50).set_index("prediction")
    assert found.index[-1] == "the same for all" and found.log_loss.idxmin() == "true" == found.brier.idxmin()
    row = found.loc["true"]
    assert row.brier_skill_ci_low < row.brier_skill < row.brier_skill_ci_high
    assert row.brier == pytest.approx(cal.brier(table.happened, table.true))
    assert row.brier_skill == pytest.approx(cal.brier_skill(table.happened, table.true, reference=0.3))


def test_nobody_has_no_quality() -> None:
    empty = draws().head(0)
    assert cal.brier([], []) is None and cal.log_loss([], []) is None
    assert cal.quality(empty, reference=0.3).empty and cal.calibration_curve(empty).attrs["reason"]
    assert cal.calibration_curve(draws(20)).attrs["reason"] == "fewer than 30 users"


def test_scores_are_no_probabilities() -> None:
    with pytest.raises(IntentError, match="0…1"):
        cal.brier([1, 0], [1.5, 0.2])
    with pytest.raises(IntentError, match="bins"):
        cal.calibration_curve(draws(50), bins=0)
