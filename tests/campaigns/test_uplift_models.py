"""Every uplift method finds a planted effect, and none sees the people it predicts."""

import numpy as np
import pytest

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.uplift_models import METHODS, cross_fitted, folds, halves, is_binary, predict

UPLIFT = [m for m in METHODS if m != "response model"]


def planted(n=4000, seed=1, treated_share=0.5, amounts=False):
    """Three features: the first moves the effect from −0.1 to 0.3, the second the answers anyway, the third nothing."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 2, (n, 3)).astype(float)
    t = (rng.random(n) < treated_share).astype(int)
    effect = np.where(x[:, 0] == 1, 0.3, -0.1)
    chance = 0.2 + 0.4 * x[:, 1] + t * effect
    y = (rng.random(n) < chance).astype(int)
    return x, t, y * rng.uniform(8, 12, n) if amounts else y, effect


@pytest.mark.parametrize("method", UPLIFT)
@pytest.mark.parametrize("treated_share", [0.5, 0.15])
def test_the_planted_effect_is_found(method, treated_share):
    x, t, y, _ = planted(treated_share=treated_share)
    new = np.array([[1.0, 0, 0], [0.0, 0, 0], [1.0, 1, 0], [0.0, 1, 0]])
    said = predict(method, x, t, y, new=new)
    assert np.abs(said - [0.3, -0.1, 0.3, -0.1]).max() < 0.13


@pytest.mark.parametrize("method", UPLIFT)
def test_amounts(method):
    x, t, y, _ = planted(amounts=True)
    high, low = predict(method, x, t, y, new=np.array([[1.0, 0.5, 0.5], [0.0, 0.5, 0.5]]))
    assert high == pytest.approx(3.0, abs=1.2) and low == pytest.approx(-1.0, abs=1.2)


def test_the_response_model_follows_the_answers_not_the_effect():
    x, t, y, _ = planted()
    likely, moved = predict("response model", x, t, y, new=np.array([[0.0, 1, 0], [1.0, 0, 0]]))
    assert likely > moved


def test_class_transformation_of_one_group_is_the_difference_of_rates():
    # one group: P(z = 1) with each arm weighted one half is ½·p₁ + ½·(1 − p₀), so 2P − 1 = p₁ − p₀ = 0.75 − 0.25
    t, y = np.repeat([1, 0], [40, 120]), np.repeat([1, 0, 1, 0], [30, 10, 30, 90])
    said = predict("class transformation", np.zeros((160, 1)), t, y, new=np.zeros((1, 1)))
    assert said[0] == pytest.approx(0.5, abs=1e-3)


def test_arms_of_one_class_are_constants():
    x, t, _, _ = planted(n=200)
    said = predict("T-learner", x, t, t, new=x)  # all treated answer, no control does
    assert (said == 1.0).all()


def test_scores_are_made_without_the_person():
    # the outcome is pure chance: models that saw the person would find it again
    rng = np.random.default_rng(3)
    x, t, y = rng.random((600, 40)), rng.integers(0, 2, 600), rng.integers(0, 2, 600)
    z = (y - 0.5) * (2 * t - 1)
    scores = cross_fitted(x, t, y, methods=("T-learner", "uplift forest"))
    assert all(abs(np.corrcoef(scores[m], z)[0, 1]) < 0.15 for m in scores)
    assert np.corrcoef(predict("T-learner", x, t, y, new=x), z)[0, 1] > 0.2


def test_equal_seeds_give_equal_scores():
    x, t, y, _ = planted(n=400)
    first, again = (cross_fitted(x, t, y, methods=("uplift forest",), seed=4) for _ in range(2))
    assert first.equals(again)


def test_folds_and_halves_hold_both_arms_alike():
    _, t, y, _ = planted(n=403)
    part = folds(t, y, parts=5, seed=1)
    sizes = [(t[part == k].sum(), y[part == k].sum()) for k in range(5)]
    assert np.ptp(np.array(sizes), axis=0).max() <= 2
    drawn = list(halves(t, y, repeats=3, seed=1))
    assert all(abs(h.mean() - 0.5) < 0.01 for h in drawn) and (drawn[0] != drawn[1]).any()


def test_wrong_input_is_named():
    x, t, y, _ = planted(n=100)
    with pytest.raises(ExperimentError, match="take one of one rule, T-learner"):
        predict("S-learner", x, t, y, new=x)
    with pytest.raises(ExperimentError, match="fewer than 5 people"):
        predict("T-learner", x, np.ones(100, int), y, new=x)
    with pytest.raises(ExperimentError, match="missing or infinite"):
        predict("T-learner", np.where(x == 1, np.nan, x), t, y, new=x)
    with pytest.raises(ExperimentError, match="parts 1"):
        cross_fitted(x, t, y, parts=1)


def test_outcomes_of_two_kinds():
    assert is_binary(np.array([0, 1.0])) and not is_binary(np.array([0, 2.5]))
