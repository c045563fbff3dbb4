"""Qini and uplift curves by hand, against a slow oracle, and on the Hillstrom e-mails."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.qini import (
    compare_rankings,
    qini_auc,
    qini_curves,
    uplift_at,
    uplift_auc,
    uplift_curve,
)

Y, T = np.array([1, 0, 1, 1, 0, 0]), np.array([1, 0, 1, 0, 1, 0])
SCORE = np.array([6.0, 5, 4, 3, 2, 1])


def test_curves_by_hand():
    curve = uplift_curve(Y, T, SCORE)
    assert curve.people.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert curve.qini.tolist() == [0, 1, 1, 2, 1, 0.5, 1]
    # (y₁/n₁ − y₀/n₀)·n: 1·1, (1 − 0)·2, (1 − 0)·3, (1 − ½)·4, (⅔ − ½)·5, (⅔ − ⅓)·6
    np.testing.assert_allclose(curve.uplift, [0, 1, 2, 3, 2, 5 / 6, 2])
    np.testing.assert_allclose(curve.random, np.arange(7) / 6)


def test_areas_by_hand():
    # own area 6, straight line 3, perfect ranking 0, 2, 2, 1 at 0, 2, 5, 6 people: 9.5
    assert qini_auc(Y, T, SCORE) == pytest.approx(3 / 6.5)
    # uplift curve ½ + 1½ + 2½ + 2½ + 17/12 + 17/12 = 59/6, line 6; perfect ranking: two treated who answered (2), two
    # control who did not (4), the treated who did not (⅔·5), the control who did (2): 2 + 6 + 11/3 + 8/3
    assert uplift_auc(Y, T, SCORE) == pytest.approx((59 / 6 - 6) / (2 + 6 + 11 / 3 + 8 / 3 - 6))


def test_two_people_by_hand():
    # treated buyer first: Q = 0, 1, 1, its area 1½ less the line's 1; the other way round Q = 0, 0, 1
    y, t = np.array([1, 0]), np.array([1, 0])
    assert [qini_auc(y, t, s) for s in (np.array([2.0, 1.0]), np.array([1.0, 2.0]))] == [1.0, -1.0]


@pytest.mark.parametrize(("silent", "answers"), [(1, 2), (2, 1)])
def test_of_those_who_do_not_fit_their_arm_the_more_frequent_come_first(silent, answers):
    # two treated who answered, four control who did not; then treated who did not, control who did
    y = np.repeat([1, 0, 0, 1], [2, 4, silent, answers])
    t = np.repeat([1, 0, 1, 0], [2, 4, silent, answers])
    order = np.repeat([4.0, 3.0, float(silent > answers), float(answers > silent)], [2, 4, silent, answers])
    assert uplift_auc(y, t, order) == pytest.approx(1)
    assert uplift_auc(y, t, 1.0 * np.where(order < 2, 1 - order, order)) != pytest.approx(1, abs=0.01)


def test_uplift_among_the_first_by_hand():
    assert uplift_at(Y, T, SCORE, share=0.5) == 1.0  # treated 1, 1; control 0
    assert uplift_at(Y, T, SCORE, share=1.0) == pytest.approx(1 / 3)
    assert uplift_at(Y, T, SCORE, share=2 / 3, strategy="by_group") == pytest.approx(0.5)  # 1, 1 and 0, 1
    assert np.isnan(uplift_at(Y, T, SCORE, share=0.2))


def oracle(y, t, s):
    """Both curves after every distinct score, by counting anew each time."""
    steps = []
    for cut in sorted(set(s), reverse=True):
        top = [(a, b) for a, b, c in zip(y, t, s, strict=True) if c >= cut]
        n1, n0 = sum(b for _, b in top), sum(1 - b for _, b in top)
        y1, y0 = sum(a * b for a, b in top), sum(a * (1 - b) for a, b in top)
        rate1, rate0 = (y1 / n1 if n1 else 0), (y0 / n0 if n0 else 0)
        steps.append((len(top), y1 - rate0 * n1, (rate1 - rate0) * len(top)))
    return steps


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=40))
def test_the_curves_are_those_of_the_definition(people):
    y, t, s = (np.array(x) for x in zip(*people, strict=True))
    if t.min() == t.max():
        return
    curve = uplift_curve(y, t, s.astype(float)).iloc[1:]
    np.testing.assert_allclose(curve[["people", "qini", "uplift"]].to_numpy(), oracle(y, t, s))


def test_a_ranking_by_lot_is_worth_nothing():
    rng = np.random.default_rng(1)
    y, t = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    found = [qini_auc(y, t, rng.random(400)) for _ in range(300)]
    assert abs(np.mean(found)) < 4 * np.std(found) / 300**0.5


def test_only_the_order_of_the_scores_counts():
    assert qini_auc(Y, T, np.exp(SCORE)) == qini_auc(Y, T, SCORE)
    flat = qini_auc(Y, T, np.zeros(6))
    assert flat == 0.0  # one step from nobody to everybody


@pytest.fixture(scope="module")
def women(shared_data):
    table = pd.read_csv(shared_data("hillstrom.csv"))
    table = table[table.segment != "Mens E-Mail"].reset_index(drop=True)
    return table.assign(treated=(table.segment == "Womens E-Mail").astype(int))


def test_hillstrom_fixed_score(women):
    # reference: womens + .001·rank(history), rank as a share of all
    score = (women.womens + 0.001 * women.history.rank(pct=True)).to_numpy()
    given = women.visit.to_numpy(), women.treated.to_numpy(), score
    assert qini_auc(*given) == pytest.approx(0.06116, abs=5e-6)
    assert uplift_auc(*given) == pytest.approx(0.02805, abs=5e-6)
    assert uplift_at(*given, share=0.3) == pytest.approx(0.06877, abs=5e-6)


def test_curves_for_a_chart():
    table = qini_curves(Y, T, pd.DataFrame({"ours": SCORE}), steps=6)
    np.testing.assert_allclose(table[table.method == "ours"].won, np.array([0, 1, 1, 2, 1, 0.5, 1]) / 3 * 1000)
    np.testing.assert_allclose(table[table.method == "by lot"].won, np.arange(7) / 6 / 3 * 1000)
    assert "arm is empty" in qini_curves(Y, np.ones(6), pd.DataFrame({"ours": SCORE})).attrs["reason"]


def test_nobody_took_part():
    nobody = pd.DataFrame({"ours": []})
    assert "arm is empty" in qini_curves(np.array([]), np.array([]), nobody).attrs["reason"]
    assert "nobody answered" in compare_rankings(np.array([]), np.array([]), nobody, share=0.5).attrs["reason"]


def test_nobody_answered():
    assert np.isnan(qini_auc(np.zeros(6), T, SCORE))
    table = compare_rankings(np.zeros(6), T, pd.DataFrame({"ours": SCORE}), share=0.5)
    assert table.empty and "nobody answered" in table.attrs["reason"]
    assert compare_rankings(Y, T, pd.DataFrame({"ours": SCORE}), share=0.5).uplift_at[0] == 1.0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((Y * 2, T, SCORE), "other than 0 and 1"),
        ((Y, np.ones(6), SCORE), "an arm is empty"),
        ((Y, T, SCORE[:5]), "6, 6, 5 values"),
        ((Y, T, np.append(SCORE[:5], np.nan)), "missing or infinite"),
    ],
)
def test_what_cannot_be_ranked(given, words):
    with pytest.raises(ExperimentError, match=words):
        uplift_curve(*given)


def test_wrong_shares_and_strategies():
    with pytest.raises(ExperimentError, match="share 0"):
        uplift_at(Y, T, SCORE, share=0)
    with pytest.raises(ExperimentError, match="take one of overall, by_group"):
        uplift_at(Y, T, SCORE, strategy="both")
