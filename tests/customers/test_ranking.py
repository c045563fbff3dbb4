"""Average precision and gain: by hand, by scikit-learn, by shuffling ties, and the coverage of the intervals."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from helpers.customers import ranking
from helpers.customers.features_before import IntentError

LISTS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=40)
MANY = settings(max_examples=60, deadline=None)


@pytest.mark.parametrize(
    ("happened", "score", "value"),
    [
        ([1, 0, 0, 0], [4, 3, 2, 1], 1.0),
        ([0, 0, 0, 1], [4, 3, 2, 1], 1 / 4),
        ([0, 1, 0, 1], [4, 3, 2, 1], (1 / 2 + 2 / 4) / 2),
        ([1, 0, 1, 1, 0], [0.9, 0.7, 0.6, 0.5, 0.2], (1 + 2 / 3 + 3 / 4) / 3),
        ([1, 0, 1], [2, 2, 1], (1 / 2) * (1 / 2) + (1 / 2) * (2 / 3)),  # the first two are one step
        ([1, 1], [0, 0], 1.0),
    ],
)
def test_average_precision_by_hand(happened: list, score: list, value: float) -> None:
    assert ranking.average_precision(happened, score) == pytest.approx(value, abs=1e-12)


@MANY
@given(LISTS)
def test_average_precision_is_that_of_scikit_learn(rows: list) -> None:
    happened, score = map(list, zip(*rows, strict=True))
    found = ranking.average_precision(happened, score)
    assert found is None if not any(happened) else found == pytest.approx(average_precision_score(happened, score))


@MANY
@given(LISTS, st.floats(0, 1))
def test_ties_at_the_border_are_shared_out(rows: list, share: float) -> None:
    happened, score = np.array(rows).T
    top = round(share * len(rows))
    order = np.argsort(-score, kind="stable")
    border = score[order[top - 1]] if top else np.inf
    sure, tied = happened[score > border].sum(), happened[score == border]
    left = top - (score > border).sum()
    expected = sure + (left * tied.mean() if top else 0)
    assert ranking.Ranked(happened, score).reached(top) == pytest.approx(expected)


@MANY
@given(LISTS)
def test_only_the_order_of_the_scores_counts(rows: list) -> None:
    happened, score = np.array(rows).T
    assert ranking.average_precision(happened, score) == ranking.average_precision(happened, np.exp(score) * 7 - 3)


@MANY
@given(LISTS, st.integers(0, 2**32))
def test_a_weight_is_so_many_copies(rows: list, seed: int) -> None:
    happened, score = np.array(rows).T
    weight = np.random.default_rng(seed).integers(0, 4, len(rows))
    copies = ranking.average_precision(np.repeat(happened, weight), np.repeat(score, weight))
    found = ranking.Ranked(happened, score).average_precision(weight.astype(float))
    assert np.isnan(found) if copies is None else found == pytest.approx(copies)


def scores(n: int = 300, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    true = rng.beta(1, 3, n)
    happened = (rng.random(n) < true).astype(int)
    return pd.DataFrame({"happened": happened, "good": true, "noise": rng.random(n), "same": 1.0})


def test_a_score_is_not_different_from_itself_and_none_is_the_base_rate() -> None:
    table = scores().assign(twin=lambda t: t.good * 2)
    found = ranking.compare(table, against="good", boots=50).set_index("score")
    assert (found.loc["twin", ["difference", "difference_ci_low", "difference_ci_high"]] == 0).all()
    assert found.loc["same", "average_precision"] == pytest.approx(table.happened.mean())
    assert found.loc["noise", "difference_ci_high"] < 0


def test_bootstrap_intervals_cover_the_average_precision_of_the_population() -> None:
    everyone = scores(200_000, seed=0)
    truth = ranking.average_precision(everyone.happened, everyone.good)
    hits = 0
    for seed in range(120):
        sample = everyone.sample(400, random_state=seed)[["happened", "good"]]
        row = ranking.compare(sample, against="good", boots=100, seed=seed).iloc[0]
        hits += row.average_precision_ci_low <= truth <= row.average_precision_ci_high
    assert hits >= 105  # 95 % of 120 is 114; 105 or fewer has a chance of 1 in 4,000 at 95 %, 1 in 30 at 92 %


def test_gain_by_hand() -> None:
    table = pd.DataFrame({"happened": [1, 1, 0, 0, 1, 0, 0, 0, 0, 0], "a": range(10, 0, -1)})
    found = ranking.gain(table, share=0.2, boots=20).set_index("score")
    assert found.loc["a", ["contacted", "reached"]].tolist() == [2, 2]
    assert found.loc["a", "times_random"] == pytest.approx(2 / 0.6) and found.loc["a", "recall_share"] == pytest.approx(
        2 / 3
    )
    assert found.loc["random", "reached"] == pytest.approx(0.6)


def test_the_gain_curve_runs_from_nobody_to_all_and_never_falls() -> None:
    curve = ranking.gain_curve(scores())
    for _, one in curve.groupby("score"):
        assert (
            one.recall_share.iloc[[0, -1]].tolist() == pytest.approx([0, 1])
            and one.recall_share.is_monotonic_increasing
        )
    assert np.allclose(*(curve[curve.score == s].recall_share for s in ("random", "same")))


def test_the_precision_recall_curve_ends_at_all_users() -> None:
    table = scores()
    last = ranking.precision_recall(table).groupby("score").last()
    assert (last.recall_share == 1).all() and np.allclose(last.precision_share, table.happened.mean())


@pytest.mark.parametrize("table", [scores().head(0), scores().assign(happened=0)])
def test_nobody_and_no_hit_give_a_reason(table: pd.DataFrame) -> None:
    for found in (ranking.compare(table, against="good"), ranking.gain(table, share=0.2), ranking.gain_curve(table)):
        assert found.empty and found.attrs["reason"]


@pytest.mark.parametrize(
    ("happened", "score"), [([1, 0], [1.0]), ([2, 0], [1.0, 2.0]), ([1, 0], [np.nan, 1.0]), ([1, 0], [np.inf, 1.0])]
)
def test_what_cannot_be_ranked_is_refused(happened: list, score: list) -> None:
    with pytest.raises(IntentError):
        ranking.average_precision(happened, score)


@pytest.mark.parametrize("wrong", [{"against": "x"}, {"boots": 3}, {"level": 1.0}])
def test_wrong_arguments_of_a_comparison_are_named(wrong: dict) -> None:
    with pytest.raises(IntentError, match=next(iter(wrong))):
        ranking.compare(scores(), **({"against": "good"} | wrong))
    with pytest.raises(IntentError, match="share"):
        ranking.gain(scores(), share=0.0)
