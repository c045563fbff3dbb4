"""Short against long term: hand arithmetic, early ends of the log, and planted pull-forward."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.long_term import deepest_dip, long_term, with_long_term_truth
from helpers.findings import missing


def everyone(seed, *, n=2000, early=20.0, extra=0.0):
    """Orders of 20 that come early, and `extra` that are new, in the arm x."""
    rng = np.random.default_rng(seed)
    treated, now, later = rng.random(n) < 0.5, rng.exponential(30, n), rng.exponential(30, n)
    return pd.DataFrame({
        "campaign_id": "nov", "arm": np.where(treated, "x", "control"), "starts_at": 1, "randomised": True,
        "purchased": 1, "spend": now + treated * (early + extra), "spend_later": later - treated * early,
    })  # fmt: skip


def test_net_is_the_sum_of_both_windows():
    row = long_term(everyone(1, extra=15)).iloc[0]
    assert row.net == pytest.approx(row.in_window + row.later)
    assert row.reading == "new sales, a dip later"


def test_pure_pull_forward_is_found_and_covered():
    truth = pd.DataFrame({"campaign_id": ["nov"], "arm": ["x"], "ate_spend": [20.0], "ate_later_spend": [-20.0]})
    graded = [with_long_term_truth(long_term(everyone(s)), truth).iloc[0] for s in range(40)]
    assert np.mean([g.covered for g in graded]) >= 0.9
    assert np.mean([g.reading.startswith("brought forward") for g in graded]) >= 0.9


def test_a_log_that_ends_too_early_tells_nothing():
    table = long_term(everyone(1).assign(later_seen_share=0.5))
    assert "the log ends" in table.attrs["reason"]
    assert with_long_term_truth(table, missing(["x"], "real")).empty
    assert "the log ends" in deepest_dip(table, everyone(1))[0].reason


def test_the_deepest_dip():
    table = pd.concat([everyone(1), everyone(2, early=0.0).assign(campaign_id="oct")])
    value, words = deepest_dip(long_term(table), table)
    assert (words["campaign"], words["arm"], words["arms"]) == ("nov", "x", 2)
    assert value.ci_low < -20 < value.ci_high


def test_the_picked_dip_has_the_interval_of_two_looks():
    table = pd.concat([everyone(1), everyone(2, early=0.0).assign(campaign_id="oct")])
    here = everyone(1)
    a, b = (here.spend_later[here.arm == arm] for arm in ("x", "control"))
    wide = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.975)
    found = deepest_dip(long_term(table), table)[0]
    assert (found.ci_low, found.ci_high) == pytest.approx((wide.low, wide.high))


def test_nothing_to_compare():
    assert "no campaign" in long_term(missing(["campaign_id"], "no campaign")).attrs["reason"]
    assert "no campaign can" in long_term(everyone(1).assign(randomised=False)).attrs["reason"]
    assert "same for all" in long_term(everyone(1).assign(spend_later=0.0)).attrs["reason"]
    with pytest.raises(ExperimentError, match="ate_later_spend"):
        with_long_term_truth(long_term(everyone(1)), pd.DataFrame({"ate_spend": [1.0]}))
