"""Reviews: wordings kept apart, the simulator's meaning found, shares corrected, odd texts harmless."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from helpers.findings import show
from helpers.products import review_sentiment as rv
from helpers.products.feedback import FeedbackError
from helpers.simulate import feedback as simulated
from tests.products.feedback_shops import ODD, frame, shop

WORDING = rv.PLANS[2]


def reviews(n: int = 60) -> pd.DataFrame:
    """Half good, half bad, every text another number of a few phrases."""
    good, bad = (
        ["非常满意的一次购物", "做工精细手感很棒", "家里人都很喜欢"],
        ["用了两天就坏了", "客服半天不回消息", "和图片完全不同"],
    )
    rows = [{"text": (good if i % 2 else bad)[i // 2 % 3], "rating": 5 if i % 2 else 1} for i in range(n)]
    return frame(rows)


@pytest.fixture(scope="module")
def simulated_reviews():
    _, answers, truth, _ = shop(1)
    texts = rv.labelled(answers)
    return answers, truth, texts, {p: rv.held_out(texts, tested_on=p, seed=1) for p in (rv.PLANS[1], WORDING)}


def test_families_hold_the_simulators_phrases_together(simulated_reviews):
    texts = simulated_reviews[2]
    phrases = sorted({rv.clean(p) for own in simulated._BODY.values() for p in own}, key=len, reverse=True)
    body = texts["text"].map(lambda t: next(p for p in phrases if p in t))
    split = texts.groupby(body)["family"].agg(lambda f: f.value_counts().iloc[0] / len(f))
    assert np.average(split, weights=body.value_counts()[split.index]) > 0.9


def test_no_customer_and_no_wording_on_both_sides(monkeypatch):
    texts, seen = rv.labelled(reviews(120).assign(user_id=np.arange(120) % 50)), []

    class Spy:
        def fit(self, words, labels):
            seen.append(words)
            return self

        def predict_proba(self, words):
            train = texts.loc[seen[-1].index]
            test = texts.loc[words.index]
            assert not set(train["family"]) & set(test["family"]) and not set(train["user_id"]) & set(test["user_id"])
            return np.full((len(words), 2), 0.5)

    monkeypatch.setattr(rv, "model", lambda strength: Spy())
    rv.held_out(texts, tested_on=WORDING, folds=3, seed=1)
    assert seen


def test_remembering_looks_like_reading():
    rng = np.random.default_rng(2)
    words = ["".join(chr(0x4E00 + c) for c in rng.integers(0, 3000, 8)) for _ in range(40)]
    rows = [{"text": words[i % 40], "rating": 5 if i % 40 < 20 else 1} for i in range(400)]  # nothing to be read
    texts = rv.labelled(frame(rows))
    scored = {p: rv.held_out(texts, tested_on=p, seed=1) for p in (rv.PLANS[0], WORDING)}
    right = rv.quality(scored, boots=20, seed=1)["accuracy"]
    assert right[0] > 0.99 and right[1] < 0.75


def test_it_finds_what_the_simulator_meant(simulated_reviews):
    answers, truth, _, scored = simulated_reviews
    found = rv.against_truth(scored[WORDING], truth, answers).set_index("question")["agreement_rate"]
    assert found["model against meaning"] > 0.9
    # the labels hold errors; a model that reads agrees with the meaning more than with the stars
    assert found["stars against meaning"] < 1 and found["model against meaning"] > found["model against stars"]


def test_it_beats_the_baselines(simulated_reviews):
    table = rv.quality(simulated_reviews[3], boots=40, seed=1)
    model, often, words = table["accuracy"].iloc[1:]
    assert model > words > often and table["f1"].iloc[2] == 0
    assert (table["accuracy_ci_low"] <= table["accuracy"]).all() and rv.accuracy(table).value == model


def test_the_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(8)
    t = pd.DataFrame({"user_id": range(200), "positive": rng.integers(0, 2, 200).astype(float)})
    t = t.assign(score=rng.integers(0, 12, 200) / 12, dictionary=0, share_positive=0.5)  # many equal scores
    found = rv.quality({"customers": t}, boots=20, seed=1)["average_precision"].iloc[0]
    assert found == pytest.approx(average_precision_score(t["positive"] == 0, -t["score"]))


def test_driving_words_are_moods_of_many_customers(simulated_reviews):
    words = rv.driving_words(simulated_reviews[2], min_cell=10)
    assert {"好评"} <= set(words[words["speaks_for"] == "positive"]["words"])
    assert {"差评"} <= set(words[words["speaks_for"] == "negative"]["words"])
    assert (words["customers"] >= 10).all()


def test_words_of_few_customers_are_never_shown():
    texts = rv.labelled(reviews(80).assign(user_id=np.arange(80) % 4))
    assert "no words" in rv.driving_words(texts, min_cell=10).attrs["reason"]


def test_rogan_gladen_by_hand():
    found = rv.rogan_gladen(40, 100, hits=90, positives=100, passes=80, negatives=100)
    assert found.value == pytest.approx(0.2 / 0.7)
    var = (0.24 / 100 + found.value**2 * 0.09 / 100 + (1 - found.value) ** 2 * 0.16 / 100) / 0.49
    assert found.ci_high - found.value == pytest.approx(1.959964 * var**0.5, rel=1e-6)


def test_rogan_gladen_at_its_ends():
    assert rv.rogan_gladen(1, 100, hits=9, positives=10, passes=8, negatives=10).value == 0
    assert rv.rogan_gladen(100, 100, hits=9, positives=10, passes=8, negatives=10).value == 1
    assert "chance" in rv.rogan_gladen(5, 10, hits=5, positives=10, passes=5, negatives=10).reason
    assert rv.rogan_gladen(0, 0, hits=5, positives=10, passes=5, negatives=10).value is None


def test_the_corrected_share_covers_the_true_one():
    rng, covered = np.random.default_rng(4), 0
    for _ in range(400):
        hits, passes = rng.binomial(300, 0.9), rng.binomial(200, 0.7)
        said = rng.binomial(400, 0.35 * 0.9 + 0.65 * 0.3)
        found = rv.rogan_gladen(said, 400, hits=hits, positives=300, passes=passes, negatives=200)
        covered += bool(found.covers(0.35))
    assert 0.92 * 400 <= covered <= 0.985 * 400


def test_hidden_stars_are_found_again_and_raw_counts_are_not():
    _, answers, _, _ = shop(2)
    hidden, truth = rv.hide_stars(answers, share=0.4, seed=2)
    found = rv.share_positive(rv.labelled(hidden), rv.unrated(hidden), seed=2)
    assert found["positive_share"].iloc[0] - truth > 0.05  # three stars are called positive
    assert found["positive_share_ci_low"].iloc[1] <= truth <= found["positive_share_ci_high"].iloc[1]


def test_calibration_groups_hold_all_texts(simulated_reviews):
    scored = simulated_reviews[3][WORDING]
    table = rv.calibration(scored)
    assert table["texts"].sum() == scored["positive"].notna().sum() and table["predicted_rate"].is_monotonic_increasing


@pytest.mark.parametrize(
    "rows",
    [[], [{"text": "好", "rating": 5}] * 50, [{"text": None, "rating": 5}] * 50, [{"text": "，。", "rating": 1}] * 5],
)
def test_what_cannot_be_learned_says_why(rows):
    texts = rv.labelled(frame(rows))
    scored = {p: rv.held_out(texts, tested_on=p, seed=1) for p in rv.PLANS}
    for table in (rv.quality(scored, seed=1), rv.calibration(scored[WORDING]), rv.driving_words(texts, min_cell=1)):
        assert "fewer than 20" in repr(show(table))
    assert rv.accuracy(rv.quality(scored, seed=1)).value is None
    assert rv.share_positive(texts, rv.unrated(frame(rows)), seed=1).empty


def test_all_texts_of_one_customer_or_one_wording():
    texts = rv.labelled(reviews().assign(user_id=1))
    assert "one customer" in rv.held_out(texts, tested_on="customers", seed=1).attrs["reason"]
    rows = [{"text": "一样的话", "rating": 5 if i % 2 else 1} for i in range(60)]
    assert "one wording" in rv.held_out(rv.labelled(frame(rows)), tested_on=WORDING, seed=1).attrs["reason"]


def test_odd_texts_pass_unharmed():
    rows = [{"text": t, "rating": r} for t in ODD for r in (1, 5)]
    table = pd.concat([reviews(), frame(rows).assign(user_id=lambda t: t["user_id"] + 100)], ignore_index=True)
    texts = rv.labelled(table)
    scored = {p: rv.held_out(texts, tested_on=p, folds=3, seed=1) for p in rv.PLANS}
    assert np.isfinite(rv.quality(scored, boots=20, seed=1)["accuracy"]).all()
    assert texts["text"].str.len().max() <= rv.LONGEST
    assert "<script>" not in show(rv.driving_words(texts, min_cell=1))._repr_html_()


@pytest.mark.parametrize("wrong", [{"tested_on": "luck"}, {"tested_on": "customers", "folds": 1}])
def test_unknown_plans_are_named(wrong):
    with pytest.raises(FeedbackError, match="tested_on"):
        rv.held_out(rv.labelled(reviews()), **wrong, seed=1)
    with pytest.raises(FeedbackError, match="share"):
        rv.hide_stars(reviews(), share=1.0, seed=1)
