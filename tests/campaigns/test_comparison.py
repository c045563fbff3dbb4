"""Effects of arms against hand arithmetic, scipy and statsmodels, and Hillstrom's e-mail experiment."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from helpers.campaigns.arms import arm_counts, sample_ratio_test
from helpers.campaigns.comparison import newcombe_difference, ratio_difference, welch
from helpers.campaigns.errors import ExperimentError


def two_arms(control, treated, **columns):
    arm = ["control"] * len(control) + ["x"] * len(treated)
    return pd.DataFrame({"arm": arm, "spend": [*control, *treated], **columns})


@pytest.fixture(scope="module")
def skewed():
    """Spend as shops know it: most people 0, a few much; the treated arm is larger."""
    rng = np.random.default_rng(7)
    n = 900
    spend = (rng.random(n) < 0.25) * rng.lognormal(4, 1, n)
    return pd.DataFrame(
        {"arm": np.where(np.arange(n) < 400, "control", "x"), "spend": spend, "visits": 1 + (spend > 0)}
    )


@pytest.fixture(scope="module")
def hillstrom(shared_data):
    table = pd.read_csv(shared_data("hillstrom.csv"), usecols=["segment", "visit", "conversion", "spend"])
    return table.rename(columns={"segment": "arm"})


NO_MAIL = "No E-Mail"
PRINTED = [
    ("Mens E-Mail", "visit", 0.076590, 0.0700, 0.0832, 0.182757, 0.106167),
    ("Mens E-Mail", "conversion", 0.006805, 0.0050, 0.0086, 0.012531, 0.005726),
    ("Mens E-Mail", "spend", 0.769827, 0.4851, 1.0545, 1.422617, 0.652789),
    ("Womens E-Mail", "visit", 0.045233, 0.0389, 0.0516, 0.151400, 0.106167),
    ("Womens E-Mail", "conversion", 0.003111, 0.0015, 0.0047, 0.008837, 0.005726),
    ("Womens E-Mail", "spend", 0.424412, 0.1690, 0.6799, 1.077202, 0.652789),
]


@pytest.mark.parametrize(("arm", "outcome", "difference", "low", "high", "mean", "base"), PRINTED)
def test_hillstrom_to_the_printed_digits(hillstrom, arm, outcome, difference, low, high, mean, base):
    row = welch(hillstrom, outcome=outcome, control=NO_MAIL).set_index("arm").loc[arm]
    assert round(row.difference, 6) == difference
    assert (round(row["mean"], 6), round(row.control_mean, 6)) == (mean, base)
    assert (round(row.ci_low, 4), round(row.ci_high, 4)) == (low, high)


@pytest.mark.parametrize("arm_row", [r for r in PRINTED if r[1] != "spend"])
def test_hillstrom_rates_by_newcombe_print_the_same_digits(hillstrom, arm_row):
    arm, outcome, difference, low, high, *_ = arm_row
    row = newcombe_difference(hillstrom, outcome=outcome, control=NO_MAIL).set_index("arm").loc[arm]
    assert (round(row.difference, 6), round(row.ci_low, 4), round(row.ci_high, 4)) == (difference, low, high)


def test_hillstrom_split(hillstrom):
    counts = arm_counts(hillstrom)
    assert counts.to_dict() == {"Mens E-Mail": 21_307, "No E-Mail": 21_306, "Womens E-Mail": 21_387}
    assert round(sample_ratio_test(counts).p_value[0], 3) == 0.904


def test_welch_by_hand():
    # means 2 and 5, variances 4 and 4, SE² = 8/3, four degrees of freedom
    row = welch(two_arms([0, 2, 4], [3, 5, 7]), outcome="spend").iloc[0]
    half = 2.776445 * math.sqrt(8 / 3)
    assert (row.difference, row.ci_low) == (3.0, pytest.approx(3 - half, abs=1e-5))


def test_welch_agrees_with_scipy(skewed):
    row = welch(skewed, outcome="spend", level=0.9).iloc[0]
    x, c = (skewed.spend[skewed.arm == a] for a in ("x", "control"))
    oracle = stats.ttest_ind(x, c, equal_var=False)
    low, high = oracle.confidence_interval(0.9)
    assert np.allclose([row.ci_low, row.ci_high, row.p_value], [low, high, oracle.pvalue])


def test_negative_spend_is_a_returned_good():
    users = two_arms([-5, 0, 5], [-2, 4, 10])
    assert welch(users, outcome="spend").difference[0] == 4.0


def test_newcombe_published_example():
    users = two_arms([1] * 48 + [0] * 32, [1] * 56 + [0] * 14)
    row = newcombe_difference(users, outcome="spend").iloc[0]
    assert [round(v, 4) for v in (row.difference, row.ci_low, row.ci_high)] == [0.2, 0.0524, 0.3339]
    assert (row["mean"], row.control_mean) == pytest.approx((0.8, 0.6))
    assert row.standard_error == pytest.approx((0.8 * 0.2 / 70 + 0.6 * 0.4 / 80) ** 0.5)


def test_newcombe_agrees_with_statsmodels(skewed):
    users = skewed.assign(purchased=skewed.spend > 0)
    row = newcombe_difference(users).iloc[0]
    x, n = users.groupby("arm").purchased.agg(["sum", "size"]).loc[["x", "control"]].to_numpy().T
    low, high = confint_proportions_2indep(x[0], n[0], x[1], n[1], method="newcomb", compare="diff")
    assert np.allclose([row.ci_low, row.ci_high, row.p_value], [low, high, proportions_ztest(x, n)[1]])


def test_nobody_bought():
    users = two_arms([0] * 30, [0] * 30, purchased=0)
    assert "same for all" in welch(users, outcome="spend").attrs["reason"]
    row = newcombe_difference(users).iloc[0]
    assert (row.difference, row.p_value) == (0, 1)
    assert row.ci_low < 0 < row.ci_high


def test_ratio_agrees_with_the_regression_of_its_residuals():
    # oracle: delta method written out with variances and the covariance
    rng = np.random.default_rng(3)
    x = rng.poisson(4, 500) + 1
    users = pd.DataFrame(
        {"arm": np.where(np.arange(500) < 200, "control", "x"), "orders": rng.binomial(x, 0.2), "x": x}
    )
    parts = []
    for arm in ("x", "control"):
        y, v = (users[c][users.arm == arm].to_numpy(float) for c in ("orders", "x"))
        r, cov = y.sum() / v.sum(), np.cov(y, v)
        parts.append((r, (cov[0, 0] - 2 * r * cov[0, 1] + r * r * cov[1, 1]) / (len(y) * v.mean() ** 2)))
    row = ratio_difference(users, numerator="orders", denominator="x").iloc[0]
    assert row.difference == pytest.approx(parts[0][0] - parts[1][0])
    assert row.standard_error == pytest.approx(math.sqrt(parts[0][1] + parts[1][1]))


def test_ratio_interval_covers_where_the_naive_one_does_not():
    # users differ in their own rate, so visits of one user are alike: the naive interval is too narrow
    rng, delta, naive = np.random.default_rng(5), 0, 0
    for _ in range(400):
        own, visits = rng.beta(0.6, 2, 400), rng.poisson(8, 400) + 1
        users = pd.DataFrame({"arm": ["control", "x"] * 200, "orders": rng.binomial(visits, own), "visits": visits})
        row = ratio_difference(users, numerator="orders", denominator="visits").iloc[0]
        x, n = users.groupby("arm")[["orders", "visits"]].sum().to_numpy().T
        delta += row.ci_low <= 0 <= row.ci_high
        naive += proportions_ztest(x, n)[1] >= 0.05
    assert 0.93 <= delta / 400 <= 0.97
    assert naive / 400 < 0.85


def test_a_ratio_counts_people_without_visits():
    users = two_arms([0, 0, 0], [0, 0, 0], orders=[0, 1, 1, 0, 2, 2], visits=[0, 2, 4, 0, 3, 3])
    row = ratio_difference(users, numerator="orders", denominator="visits").iloc[0]
    assert (row["mean"], row.control_mean) == pytest.approx((4 / 6, 2 / 6))


def test_ratio_degenerate():
    users = two_arms([0, 1], [1, 1], visits=[1, 1, 0, 0])
    assert "denominator is 0" in ratio_difference(users, numerator="spend", denominator="visits").attrs["reason"]
    with pytest.raises(ExperimentError, match="negative"):
        ratio_difference(users.assign(visits=-1), numerator="spend", denominator="visits")
    for one_arm in ([1, 1, 1, -1], [1, -1, 1, 1]):
        with pytest.raises(ExperimentError, match="negative"):
            ratio_difference(users.assign(visits=one_arm), numerator="spend", denominator="visits")


def test_one_arm_and_no_control_are_missing_with_reason():
    one = pd.DataFrame({"arm": ["control"] * 3, "spend": [1.0, 2, 3]})
    assert "nothing to compare" in welch(one, outcome="spend").attrs["reason"]
    assert "no arm 'control'" in welch(one.assign(arm="b"), outcome="spend").attrs["reason"]
    assert welch(one.head(0), outcome="spend").attrs["reason"] == "there are no participants"


def test_a_tiny_arm_is_missing_and_the_other_is_not():
    users = pd.DataFrame({"arm": ["control"] * 3 + ["a"] + ["b"] * 3, "spend": [1.0, 2, 3, 9, 2, 3, 4]})
    table = welch(users, outcome="spend").set_index("arm")
    assert math.isnan(table.difference["a"]) and "fewer than two" in table.reason["a"]
    assert (table.difference["b"], table.reason["b"]) == (1.0, "")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_outcomes_are_refused(value):
    with pytest.raises(ExperimentError, match="1 of 4 participants"):
        welch(two_arms([1, value], [2, 3]), outcome="spend")


def test_wrong_columns_are_refused_with_the_right_name():
    users = two_arms([1, 2], [2, 3])
    with pytest.raises(ExperimentError, match="Did you mean 'spend'"):
        welch(users, outcome="spent")
    with pytest.raises(ExperimentError, match="0 and 1"):
        newcombe_difference(users, outcome="spend")
    with pytest.raises(ExperimentError, match="not a number"):
        welch(users.assign(spend="a"), outcome="spend")
    with pytest.raises(ExperimentError, match="level"):
        welch(users, outcome="spend", level=1)
    with pytest.raises(ExperimentError, match="arm"):
        welch(users.drop(columns="arm"), outcome="spend")


@pytest.mark.parametrize(
    ("visits", "words"),
    [([0, 0, 3, 4], "denominator is 0"), ([3, 4, 0, 0], "denominator is 0"), ([2, 2, 2, 2], "the same for all")],
)
def test_why_a_ratio_cannot_be_compared(visits, words):
    users = pd.DataFrame({"arm": ["control"] * 2 + ["x"] * 2, "orders": 1, "visits": visits})
    assert words in ratio_difference(users, numerator="orders", denominator="visits").attrs["reason"]
    few = ratio_difference(users.head(3), numerator="orders", denominator="visits")
    assert few.attrs["reason"] == "an arm has fewer than two participants"
    one = users.assign(visits=[1, 3, 2, 2])  # R = 1/2 in both arms; the second has no spread
    row = ratio_difference(one, numerator="orders", denominator="visits").iloc[0]
    # control: y − R·x = 1/2, −1/2, variance 1/2; SE² = 1/2 / (2 · 2²)
    assert (row.difference, row.standard_error) == pytest.approx((0, (0.5 / 8) ** 0.5))
    for arm in (0, 2):
        with pytest.raises(ExperimentError, match="negative"):
            wrong = one.assign(visits=[-1 if k == arm else 2 for k in range(4)])
            ratio_difference(wrong, numerator="orders", denominator="visits")
