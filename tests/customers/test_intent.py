"""Rules, models and their grading: small worked cases, refusals, and simulated shops whose truth is known."""

from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from helpers.answerability import NO, YES, Answer, Assessment
from helpers.customers import intent
from helpers.engine import as_table
from tests.customers.behaviour_shops import simulate_log

FIRST = pd.Timestamp("2017-06-19")
CUTS = intent.plan((FIRST, FIRST + pd.Timedelta(days=181)), horizon_days=14, history_days=28)


def made_up(n: int = 400, seed: int = 1) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables in which `recency_days` and `actions` decide, and nothing else."""
    tables = []
    for k in (0, 1):
        rng = np.random.default_rng(2 * seed + k)
        table = pd.DataFrame(rng.integers(0, 9, (n, len(intent.FEATURES))).astype(float), columns=list(intent.FEATURES))
        chance = 1 / (1 + np.exp(table.recency_days - table.actions / 2))
        buy = (rng.random(n) < chance).astype(int)
        tables.append(table.assign(label_buy=buy, label_churn=1 - buy))
    return tables[0], tables[1]


@cache
def fitted() -> intent.Fitted:
    return intent.fit(intent.case(made_up(), cuts=CUTS, label="buy"))


@cache
def shop(seed: int) -> SimpleNamespace:
    log = simulate_log(700, seed=seed)
    cuts = intent.plan(log.window, horizon_days=14, history_days=28)
    at = intent.moment(cuts.test_cut, "Asia/Shanghai")
    return SimpleNamespace(both=intent.tables(as_table(log.events), cuts=cuts), cuts=cuts, truth=log.truth, at=at)


@cache
def shop_fit(seed: int, label: str) -> intent.Fitted:
    return intent.fit(intent.case(shop(seed).both, cuts=shop(seed).cuts, label=label))


def test_scores_hold_rules_and_chances() -> None:
    found = fitted()
    assert list(found.scores) == ["happened", *intent.RULES["buy"], *found.models]
    assert found.chances.iloc[:, 1:].stack().between(0, 1).all() and len(found.scores) == len(found.case.test)


def test_the_contest_is_between_the_best_rule_and_the_models() -> None:
    assert list(fitted().contest) == ["happened", fitted().rule, *fitted().models]


def test_the_rule_is_chosen_on_the_training_table() -> None:
    one = fitted().case
    turned = intent.fit(intent.Case("buy", CUTS, one.train, one.test.assign(happened=1 - one.test.happened)))
    assert fitted().rule == turned.rule == "seen lately"


def test_the_test_table_teaches_nothing() -> None:
    one = fitted().case
    other = intent.fit(intent.Case("buy", CUTS, one.train, one.test.assign(happened=0)))
    pd.testing.assert_frame_equal(other.scores.drop(columns="happened"), fitted().scores.drop(columns="happened"))


def test_models_find_what_decides_and_their_chances_are_calibrated() -> None:
    table = fitted().chances
    rates = intent.compare(fitted().scores, against="seen lately", boots=50).set_index("score")
    assert (rates.loc[list(fitted().models), "difference_ci_low"] > 0).all()
    assert table["logistic regression"].mean() == pytest.approx(table.happened.mean(), abs=0.07)


@pytest.mark.parametrize("model", ["logistic regression", "gradient boosting"])
def test_importance_finds_the_two_features_and_their_groups(model: str) -> None:
    single = intent.importance(fitted(), model=model, repeats=3)
    groups = intent.importance(fitted(), model=model, together=True, repeats=3)
    assert set(single.feature[:2]) == {"recency_days", "actions"} and set(groups.group[:2]) == {"recency", "activity"}
    assert (single.lowest <= single.lost).all() and (single.lost <= single.highest).all()


def test_two_equal_features_hide_each_other_and_the_group_does_not() -> None:
    train, test = made_up()
    twins = [t.assign(known_days=t.recency_days) for t in (train, test)]
    found = intent.fit(intent.case(tuple(twins), cuts=CUTS, label="buy"))
    alone, before = (intent.importance(f, repeats=3).set_index("feature").lost for f in (found, fitted()))
    groups = intent.importance(found, together=True, repeats=3).set_index("group").lost
    assert alone["recency_days"] < before["recency_days"] * 0.7 and groups["recency"] > alone["recency_days"] * 1.5


@pytest.mark.parametrize("happened", [0, 1])
def test_one_class_is_refused_everywhere_with_its_reason(happened: int) -> None:
    train, test = made_up()
    one = intent.case((train.assign(label_buy=happened), test), cuts=CUTS, label="buy")
    none = intent.fit(one)
    tables = [one.sizes(), none.scores, none.chances, intent.importance(none), intent.gain(none.scores, share=0.2)]
    tables += [intent.compare(none.scores, against=none.rule), intent.quality(none.chances, reference=none.base_rate)]
    tables += [intent.calibration_curve(none.chances), intent.precision_recall(none.contest)]
    assert all(t.empty and "fewer than 30 users" in t.attrs["reason"] for t in tables)


def test_a_refusal_of_the_data_is_handed_through() -> None:
    no = Assessment(answers=(Answer("34_intent", intent.QUESTIONS["churn"], NO, "whoever left is not in it"),))
    yes = Assessment(answers=(Answer("34_intent", intent.QUESTIONS["churn"], YES),))
    assert intent.refused(no, "churn") == "whoever left is not in it" and intent.refused(yes, "churn") == ""
    one = intent.case(made_up(), cuts=CUTS, label="churn", refusal=intent.refused(no, "churn"))
    assert intent.fit(one).scores.attrs["reason"] == "whoever left is not in it"


def test_the_questions_are_those_of_the_collection() -> None:
    from helpers.answerability import QUESTIONS

    asked = {q.question for q in QUESTIONS if q.notebook == "34_intent"}
    assert set(intent.QUESTIONS.values()) == asked


@pytest.mark.parametrize("days", [1, 3])
def test_a_log_too_short_for_two_tables_says_so(days: int) -> None:
    cuts = intent.plan((FIRST, FIRST + pd.Timedelta(days=days - 1)), horizon_days=14, history_days=28)
    both = intent.tables(as_table(simulate_log(30, seed=1).events), cuts=cuts)
    assert "four or more" in intent.fit(intent.case(both, cuts=cuts, label="buy")).scores.attrs["reason"]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(intent.IntentError, match="label"):
        intent.case(made_up(), cuts=CUTS, label="leave")
    with pytest.raises(intent.IntentError, match="model"):
        intent.importance(fitted(), model="oracle")
    with pytest.raises(intent.IntentError, match="repeats"):
        intent.importance(fitted(), repeats=1)


def test_an_estimate_is_read_from_its_row() -> None:
    table = pd.DataFrame({"score": ["a"], "x": [1.0], "x_ci_low": [0.5], "x_ci_high": [2.0]})
    assert intent.estimate(table, "score", "a", "x") == intent.Estimate(1.0, 0.5, 2.0)
    assert intent.estimate(table, "score", "b", "x").reason and intent.estimate(table.head(0), "score", "a", "x").reason


def test_who_left_and_the_true_rate_by_hand() -> None:
    truth = pd.DataFrame({"user_id": [1, 2, 3], "orders_per_week": [0.5, 0.5, 0.0], "left_at": [np.nan, 100, 300]})
    users = pd.Index([3, 1, 2])
    assert intent.gone(truth, users, at=200).tolist() == [0, 0, 1]
    assert np.allclose(intent.oracle(truth, users, at=200, horizon_days=14), [0, 1 - np.exp(-1), 0])


def test_without_a_truth_the_grading_says_so() -> None:
    nothing = pd.DataFrame()
    nothing.attrs["reason"] = "these are not simulated data"
    found = [f(fitted(), nothing, at=0) for f in (intent.against_oracle, intent.risk_against_truth, intent.drop_out)]
    assert all(t.empty and t.attrs["reason"] == "these are not simulated data" for t in found)


SEEDS = range(4)


def test_in_simulated_shops_models_rank_buyers_and_silence_better_than_the_rule() -> None:
    for label in intent.LABELS:
        gaps = [
            intent.compare(f.scores, against=f.rule, boots=20).set_index("score").difference[list(f.models)]
            for f in (shop_fit(seed, label) for seed in SEEDS)
        ]
        assert np.mean(gaps) > 0.02


def test_but_they_do_not_rank_those_who_really_left_better_than_the_rule() -> None:
    gaps = []
    for seed in SEEDS:
        found = intent.drop_out(shop_fit(seed, "churn"), shop(seed).truth, at=shop(seed).at, boots=20)
        gaps.append(found.difference.dropna().mean())
    assert np.mean(gaps) < 0.01


def test_the_silent_of_the_highest_risk_are_mostly_still_here() -> None:
    states = [
        intent.risk_against_truth(shop_fit(seed, "churn"), shop(seed).truth, at=shop(seed).at, parts=2)
        for seed in SEEDS
    ]
    last = pd.concat(t.tail(1) for t in states)
    assert (last.silent_rate > 0.5).all() and (last.gone_rate < 0.3).all()
    assert all(t.silent_rate.is_monotonic_increasing for t in states)
