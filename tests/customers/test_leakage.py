"""Each leak raises the figure where nothing is to be learned, and the right way does not."""

import numpy as np
import pandas as pd
import pytest

from helpers.customers import intent, leakage
from helpers.customers.ranking import average_precision
from helpers.engine import as_table
from tests.customers.test_features_before import FIRST, crowd

CUTS = intent.plan((FIRST, FIRST + pd.Timedelta(days=11)), horizon_days=2, history_days=5)


def noise(n: int = 300, rate: float = 0.2, seed: int = 1) -> pd.DataFrame:
    """Features and a label that have nothing to do with each other."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.random((n, len(intent.FEATURES))), columns=list(intent.FEATURES))
    return table.assign(happened=(rng.random(n) < rate).astype(int))


def value(scores: pd.DataFrame) -> float:
    return average_precision(scores.happened, scores.forest) / scores.happened.mean()


def test_copies_before_the_split_predict_pure_noise() -> None:
    wrong, right = leakage.oversampled_before_split(noise(), seed=1)
    assert average_precision(wrong.happened, wrong.forest) > 0.85 and value(right) < 1.6


def test_a_later_count_predicts_pure_noise() -> None:
    one = intent.Case("buy", CUTS, noise(seed=1), noise(seed=2))
    after = tuple(t.happened * 10.0 for t in (one.train, one.test))
    wrong, right = leakage.feature_from_later(one, after, seed=1)
    assert value(wrong) > 3 and value(right) < 1.6


def test_a_user_on_both_sides_predicts_pure_noise() -> None:
    table = noise()
    rows = pd.concat([table, table + 0.0, table])
    wrong, right = leakage.same_user_on_both_sides(rows, seed=1)
    assert value(wrong) > 3 and value(right) < 1.6


def test_oversampling_copies_only_the_rarer_class() -> None:
    table = noise(50)
    more = leakage.oversample(table, seed=1)
    assert more.happened.mean() == 0.5 and set(more.index) == set(table.index)
    assert (more.happened == 0).sum() == (table.happened == 0).sum()
    assert len(leakage.oversample(table.assign(happened=0), seed=1)) == 50


def test_halves_share_nothing_and_miss_nothing() -> None:
    first, second = leakage.halves(11, seed=3)
    assert sorted([*first, *second]) == list(range(11)) and abs(len(first) - len(second)) == 1


def test_snapshots_end_before_the_test_and_the_last_is_the_training() -> None:
    events = as_table(crowd(1))
    one = intent.case(intent.tables(events, cuts=CUTS), cuts=CUTS, label="churn")
    rows = leakage.snapshots(events, one)
    pd.testing.assert_frame_equal(rows.head(len(one.train)), one.train)
    assert len(rows) > 2 * len(one.train) and set(rows.happened) == {0, 1}


@pytest.mark.parametrize("label", intent.LABELS)
def test_the_whole_drill_has_a_row_a_mistake_or_a_reason(label: str) -> None:
    events = as_table(crowd(2, users=300))
    both = intent.tables(events, cuts=CUTS)
    one = intent.case(both, cuts=CUTS, label=label)
    found = leakage.drill(events, one, both, boots=20)
    assert len(found) == (0 if one.reason else 3) and found.shape[1] == len(leakage.COLUMNS)
    assert len(leakage.stacked(found)) == 2 * len(found)
    assert (leakage.largest(found).value is None) == found.empty


def test_a_refused_case_has_no_drill() -> None:
    one = intent.Case("buy", CUTS, noise(), noise(), reason="too few")
    found = leakage.drill(as_table(crowd(1)), one, (noise(), noise()))
    assert found.attrs["reason"] == "too few" == leakage.largest(found).reason == leakage.stacked(found).attrs["reason"]
