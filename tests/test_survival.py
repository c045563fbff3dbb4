"""Kaplan–Meier against a published example, statsmodels, and simulated truth."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from helpers.survival import SurvivalError, happened_by, kaplan_meier, quantile

# Remission of 21 leukaemia patients on 6-MP, weeks; Freireich et al. (1963), in Cox & Oakes (1984), table 1.1
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23]
STILL = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def counts(ended: list, waiting: list) -> pd.DataFrame:
    rows = [(t, 1, 0) for t in ended] + [(t, 0, 1) for t in waiting]
    return pd.DataFrame(rows, columns=["time", "events", "censored"])


def leukaemia() -> pd.DataFrame:
    curve = kaplan_meier(counts(WEEKS, STILL))
    return curve[curve.events > 0]


def test_survival_of_the_published_example():
    assert leukaemia().survival.round(4).tolist() == [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    assert leukaemia().at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]


def test_standard_errors_of_the_published_example():
    assert leukaemia().se.round(4).tolist() == [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]


def test_log_log_intervals_of_the_published_example():
    curve = leukaemia()
    assert curve.ci_low.round(3).tolist() == [0.620, 0.563, 0.503, 0.432, 0.368, 0.268, 0.188]
    assert curve.ci_high.round(3).tolist() == [0.952, 0.923, 0.889, 0.849, 0.805, 0.747, 0.680]


def test_the_median_of_the_published_example_is_23_weeks():
    median = quantile(kaplan_meier(counts(WEEKS, STILL)))
    assert (median.value, median.ci_low, median.ci_high) == (23, 13, None)


times = st.lists(st.integers(1, 12), max_size=20)


@given(times, times)
def test_curves_agree_with_statsmodels(ended, waiting):
    if not ended:
        return
    curve = kaplan_meier(counts(ended, waiting))
    other = SurvfuncRight(ended + waiting, [1] * len(ended) + [0] * len(waiting))
    ours = curve[curve.events > 0]
    assert np.allclose(ours.survival, other.surv_prob)
    inside = other.surv_prob > 1e-9
    assert np.allclose(ours.se[inside], other.surv_prob_se[inside])


@given(times, times)
def test_curves_stay_between_their_bounds_and_never_rise(ended, waiting):
    curve = kaplan_meier(counts(ended, waiting))
    if curve.empty:
        assert curve.attrs["reason"] == "nobody was observed"
        return
    assert (curve.ci_low <= curve.survival + 1e-12).all() and (curve.survival <= curve.ci_high + 1e-12).all()
    assert (curve.survival.diff().dropna() <= 0).all()
    assert np.isfinite(curve.to_numpy(float)).all()


def test_without_censoring_it_is_the_plain_share():
    curve = kaplan_meier(counts([1, 2, 3, 4], []))
    assert curve.survival.tolist() == pytest.approx([0.75, 0.5, 0.25, 0])
    assert happened_by(curve, [0, 2.5]).share.tolist() == pytest.approx([0, 0.5])


def test_nothing_is_said_beyond_the_last_observation():
    curve = kaplan_meier(counts([1], [5]))
    assert happened_by(curve, [5, 6]).time.tolist() == [5]
    assert happened_by(curve, [6]).attrs["reason"] == "all times lie after the last observation"


def test_those_at_risk_at_a_time_wait_until_it_or_longer():
    curve = kaplan_meier(counts([2, 4], [3]))
    assert happened_by(curve, [0, 2, 3, 3.5]).at_risk.tolist() == [3, 3, 2, 1]


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, covered = np.random.default_rng(11), []
    for _ in range(400):
        wait, seen = rng.exponential(10, 150), rng.uniform(0, 30, 150)
        bought = wait <= seen
        log = pd.DataFrame({"time": np.minimum(wait, seen), "events": bought * 1, "censored": ~bought * 1})
        row = happened_by(kaplan_meier(log), [10]).iloc[0]
        covered.append(row.share_ci_low <= 1 - np.exp(-1) <= row.share_ci_high)
    assert 0.93 <= np.mean(covered) <= 0.97


def test_negative_times_are_refused():
    with pytest.raises(SurvivalError, match="time -1 is negative"):
        kaplan_meier(counts([0, -1], [2]))
    with pytest.raises(SurvivalError, match="share 1 is not between"):
        quantile(kaplan_meier(counts([1], [2])), share=1)


def test_when_all_go_at_once_nothing_bounds_survival_from_above():
    curve = kaplan_meier(counts([3, 3], []))
    assert curve[["survival", "ci_low", "ci_high"]].to_numpy().tolist() == [[0.0, 0.0, 1.0]]


def test_rows_without_people_are_nobody():
    nobody = pd.DataFrame({"time": [1, 2], "events": 0, "censored": 0})
    assert kaplan_meier(nobody).empty and kaplan_meier(nobody).attrs["reason"] == "nobody was observed"


def test_nobody_is_nobody_in_every_table():
    nobody = kaplan_meier(counts([], []))
    assert happened_by(nobody, [1]).attrs["reason"] == quantile(nobody).reason == "nobody was observed"
    assert list(happened_by(nobody, [1])) == ["time", "at_risk", "share", "share_ci_low", "share_ci_high"]
    assert happened_by(kaplan_meier(counts([1], [])), []).attrs["reason"] == "all times lie after the last observation"


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.1])
def test_a_quantile_is_of_a_share_between_0_and_1(share):
    with pytest.raises(SurvivalError, match="share"):
        quantile(kaplan_meier(counts([1], [2])), share=share)


def test_quantiles_by_hand():
    # S = 3/4, 1/2, 1/4, 0 at 1, 2, 3, 4; a share that is just reached counts
    curve = kaplan_meier(counts([1, 2, 3, 4], []))
    assert [quantile(curve, share=s).value for s in (0.25, 0.26, 0.5, 0.75, 0.99)] == [1, 2, 2, 3, 4]
    tenths = kaplan_meier(counts(list(range(1, 11)), []))
    assert [quantile(tenths, share=s / 10).value for s in range(1, 10)] == list(range(1, 10))


def test_the_shares_by_a_time_have_the_turned_bounds_of_survival():
    curve = kaplan_meier(counts(WEEKS, STILL))
    row, start = (happened_by(curve, [t]).iloc[0] for t in (6, 5.9))
    assert row.round(3).tolist() == [6, 21, 0.143, 0.048, 0.380]
    assert start.tolist() == [5.9, 21, 0, 0, 0]
    assert happened_by(curve, [35, 35.1]).at_risk.tolist() == [1]


def test_before_the_first_end_and_once_nobody_is_left():
    curve = kaplan_meier(counts([2, 2, 3], [1]))
    assert list(curve) == ["time", "at_risk", "events", "censored", "survival", "se", "ci_low", "ci_high"]
    assert curve.iloc[:, :4].to_numpy().tolist() == [[1, 4, 0, 1], [2, 3, 2, 0], [3, 1, 1, 0]]
    assert curve[["survival", "se", "ci_low", "ci_high"]].iloc[0].tolist() == [1, 0, 1, 1]
    # 2 of 3 end at 2: S = 1/3, ln S = −1.0986, Greenwood √(2 / 3) = 0.8165; exponents e^(±1.96 · 0.8165 / 1.0986)
    reach = np.exp(1.959964 * np.sqrt(2 / 3) / np.log(3))
    assert curve[["ci_low", "ci_high"]].iloc[1].tolist() == pytest.approx([3**-reach, 3 ** -(1 / reach)], rel=1e-5)
    assert curve[["survival", "se", "ci_low"]].iloc[2].tolist() == [0, 0, 0]
    assert curve.ci_high[2] == curve.ci_high[1]


@pytest.mark.parametrize(("column", "value"), [("events", -1), ("censored", -3), ("time", np.inf), ("time", np.nan)])
def test_wrong_columns_are_named(column, value):
    with pytest.raises(SurvivalError, match=f"{column} {value:g} is negative or missing"):
        kaplan_meier(counts([1.0], [2.0]).assign(**{column: [1, value]}))
    assert kaplan_meier(pd.DataFrame({"time": [0, 0], "events": [1, 0], "censored": [0, 3]})).at_risk.tolist() == [4]
