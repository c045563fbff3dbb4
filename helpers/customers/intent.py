"""Purchase intent and churn: who will buy, and who will stay away, after a cut-off day (Verbeke et al. 2012).

One door for notebook 34: the tables (`features_before`), the ranking (`ranking`) and the probabilities (`calibration`).
What it adds itself: rules, models, what a model looks at, and the grading against a simulated truth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from helpers.answerability import NO, Assessment
from helpers.customers.calibration import brier, brier_skill, calibration_curve, log_loss, quality
from helpers.customers.features_before import (
    FEATURES,
    GROUPS,
    LABELS,
    IntentError,
    Plan,
    definitions,
    examples,
    features_before,
    labels_after,
    plan,
)
from helpers.customers.measures import why
from helpers.customers.ranking import HAPPENED, Ranked, average_precision, compare, gain, gain_curve, precision_recall
from helpers.findings import Estimate, missing
from helpers.intervals import wilson
from helpers.study import zone

__all__ = [
    "FEATURES",
    "GROUPS",
    "HAPPENED",
    "LABELS",
    "Case",
    "Fitted",
    "IntentError",
    "Plan",
    "against_oracle",
    "average_precision",
    "brier",
    "brier_skill",
    "calibration_curve",
    "case",
    "compare",
    "definitions",
    "drop_out",
    "estimate",
    "examples",
    "features_before",
    "fit",
    "gain",
    "gain_curve",
    "gone",
    "importance",
    "labels_after",
    "log_loss",
    "moment",
    "oracle",
    "plan",
    "precision_recall",
    "quality",
    "refused",
    "risk_against_truth",
    "tables",
    "with_diagonal",
]

QUESTIONS = {"buy": "Who will buy next within the window?", "churn": "Who is about to leave (churn)?"}
RULES: dict[str, dict[str, tuple[str, int]]] = {
    "buy": {"cart in the last 3 days": ("recent_carts", 1), "seen lately": ("recency_days", -1),
            "bought often": ("buy", 1)},
    "churn": {"long silence": ("recency_days", 1), "few active days": ("active_days", -1)},
}  # fmt: skip
"""Label → rule → its one feature, and whether much of it (1) or little of it (−1) makes the label likely."""
LEAST = 30
"""Users with and without the label that each of the two tables must hold."""
MODELS = ("logistic regression", "gradient boosting")
THREADS = 1
"""Tables of some thousand rows are fitted fastest by one thread; several would wait for each other."""
LARGEST = 20_000
"""Users at most whose features are shuffled for the importance."""


@dataclass(frozen=True)
class Case:
    """One prediction: training and test table with `happened`, or the `reason` why there is none."""

    label: str
    plan: Plan
    train: pd.DataFrame
    test: pd.DataFrame
    reason: str = ""

    def sizes(self, *, min_cell: int = 10) -> pd.DataFrame:
        """One row a table: table, cut_off, users, happened_rate with its Wilson interval."""
        columns = ["table", "cut_off", "users", "happened_rate", "happened_rate_ci_low", "happened_rate_ci_high"]
        if self.reason:
            return missing(columns, self.reason)
        named = (("training", self.plan.train_cut, self.train), ("test", self.plan.test_cut, self.test))
        rows = [
            (n, cut, len(t), t[HAPPENED].mean(), *wilson(int(t[HAPPENED].sum()), len(t)))
            for n, cut, t in named
            if len(t) >= min_cell
        ]
        return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class Fitted:
    """Models learned on the training table of a case, and what they and the rules say of the users of its test."""

    case: Case
    models: dict[str, Any] = field(default_factory=dict)
    rule: str = "none"
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    chances: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def contest(self) -> pd.DataFrame:
        """The scores of the best rule and of the models alone, with what happened."""
        return self.scores if self.scores.empty else self.scores[[HAPPENED, self.rule, *self.models]]

    @property
    def base_rate(self) -> float:
        """Share of the training's users with the label: what one knew without a model."""
        return 0.0 if self.case.reason else float(self.case.train[HAPPENED].mean())


def refused(assessment: Assessment, label: str) -> str:
    """Why these data cannot answer the question of a label; empty where they can."""
    _check_label(label)
    own = [a for a in assessment.answers if a.question == QUESTIONS[label] and a.answer == NO]
    return own[0].because if own else ""


def _check_label(label: str) -> None:
    if label not in LABELS:
        raise IntentError(f"label {label!r} is not known; take one of {', '.join(LABELS)}")


def tables(events: ir.Table, *, cuts: Plan) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The training and the test table: `examples` at both cut-offs of the plan."""
    columns = [*FEATURES, *(f"label_{name}" for name in LABELS)]
    if cuts.reason:
        return missing(columns, cuts.reason), missing(columns, cuts.reason)
    lengths = {"history_days": cuts.history_days, "horizon_days": cuts.horizon_days}
    return examples(events, cut=cuts.train_cut, **lengths), examples(events, cut=cuts.test_cut, **lengths)


def case(both: tuple[pd.DataFrame, pd.DataFrame], *, cuts: Plan, label: str, refusal: str = "") -> Case:
    """Choose the label, and see whether the tables hold enough of it.

    Parameters
    ----------
    both : (DataFrame, DataFrame)
        From `tables`.
    cuts : Plan
        Where time was cut.
    label : {'buy', 'churn'}
        What is to be predicted.
    refusal : str
        Why the data cannot answer this question, from `refused`; empty where they can.

    Returns
    -------
    Case
        With a `reason` where there is a refusal, or where one table has fewer than 30 users with or without the label.

    Raises
    ------
    IntentError
        An unknown label.
    """
    _check_label(label)
    train, test = (t[list(FEATURES)].assign(**{HAPPENED: t[f"label_{label}"]}) for t in both)
    reason = refusal or cuts.reason or _too_few(train, "training", label) or _too_few(test, "test", label)
    return Case(label, cuts, train, test, reason)


def _too_few(table: pd.DataFrame, name: str, label: str) -> str:
    yes = int(table[HAPPENED].sum()) if len(table) else 0
    verb = {"buy": "bought", "churn": "stayed away"}[label]
    for number, word in ((yes, verb), (len(table) - yes, f"of those seen before have not {verb}")):
        if number < LEAST:
            return f"fewer than {LEAST} users {word} in the {name} table's label window; a model of them is noise"
    return ""


def rule_scores(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The score of every rule of a label, high = likely."""
    return pd.DataFrame({name: sign * table[f] for name, (f, sign) in RULES[label].items()}, index=table.index)


def make_models(seed: int) -> dict[str, Any]:
    """The two untrained models, by name.

    Logistic regression on ln(1 + x), standardised, with a ridge penalty (C = 0.1: it holds back features that say the
    same); gradient boosting of small trees with few, slow steps.
    """
    boosting = HistGradientBoostingClassifier(
        max_iter=80, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=30, l2_regularization=1.0,
        early_stopping=False, random_state=seed,
    )  # fmt: skip
    linear = make_pipeline(FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000))
    return dict(zip(MODELS, (linear, boosting), strict=True))


def fit(one: Case, *, seed: int = 1) -> Fitted:
    """Learn both models on the training table, score the test table with them and with the rules.

    The rule that the models are compared with is the one that ranks the *training* users best: the test is not asked.

    Parameters
    ----------
    one : Case
        From `case`.
    seed : int
        Start of the random draws of the models.

    Returns
    -------
    Fitted
        `scores`: one row a user of the test, `happened`, the rules and the models' probabilities; `chances`: `happened`
        and the probabilities only. Both empty, with the reason, where the case has one.

    References
    ----------
    Hastie, Tibshirani and Friedman (2009): hastie2009.
    """
    if one.reason:
        empty = missing([HAPPENED, *MODELS], one.reason)
        return Fitted(one, scores=empty, chances=empty)
    models = make_models(seed)
    with threadpool_limits(THREADS):
        for model in models.values():
            model.fit(_numbers(one.train), one.train[HAPPENED].to_numpy())
        said = {name: model.predict_proba(_numbers(one.test))[:, 1] for name, model in models.items()}
    chances = pd.DataFrame({HAPPENED: one.test[HAPPENED], **said}, index=one.test.index)
    before = rule_scores(one.train, one.label)
    rule = max(before.columns, key=lambda name: average_precision(one.train[HAPPENED], before[name]))
    rules = rule_scores(one.test, one.label)
    return Fitted(one, models, rule, pd.concat([chances[[HAPPENED]], rules, chances[list(MODELS)]], axis=1), chances)


def _numbers(table: pd.DataFrame) -> np.ndarray:
    return table[list(FEATURES)].to_numpy(float)


def importance(
    fitted: Fitted, *, model: str = MODELS[0], together: bool = False, repeats: int = 10, seed: int = 1
) -> pd.DataFrame:
    """Permutation importance: how much average precision is lost when a feature is shuffled among the test's users?

    Near 0: the model does not need it; that is not the same as 'it says nothing', for the model may read the same in
    another feature. So `together` shuffles a whole group of like features at once.

    Parameters
    ----------
    fitted : Fitted
        From `fit`.
    model : str
        Name of the model.
    together : bool
        False: one feature at a time. True: one group of `GROUPS` at a time, its columns with one shuffle.
    repeats : int
        Shuffles, ≥ 2.
    seed : int
        Start of the draws. Above 20,000 users a sample is shuffled.

    Returns
    -------
    DataFrame
        feature (or group), lost (mean loss of average precision), lowest, highest (over the shuffles); largest first.

    Raises
    ------
    IntentError
        An unknown model or fewer than two shuffles.

    References
    ----------
    Breiman (2001): breiman2001.
    """
    columns = ["group" if together else "feature", "lost", "lowest", "highest"]
    if repeats < 2:
        raise IntentError(f"repeats {repeats!r}: give 2 or more shuffles")
    if fitted.case.reason:
        return missing(columns, fitted.case.reason)
    if model not in fitted.models:
        raise IntentError(f"model {model!r} is not known; take one of {', '.join(fitted.models)}")
    sample = fitted.case.test
    sample = sample.sample(LARGEST, random_state=seed) if len(sample) > LARGEST else sample
    sets = GROUPS if together else {name: (name,) for name in FEATURES}
    rng, rows = np.random.default_rng(seed), []
    shuffles = [rng.permutation(len(sample)) for _ in range(repeats)]
    happened, numbers = sample[HAPPENED].to_numpy(), _numbers(sample)
    with threadpool_limits(THREADS):
        whole = _precision(fitted.models[model], numbers, happened)
        for name, chosen in sets.items():
            at = [list(FEATURES).index(c) for c in chosen]
            lost = [whole - _precision(fitted.models[model], _shuffled(numbers, at, s), happened) for s in shuffles]
            rows.append((name, np.mean(lost), min(lost), max(lost)))
    return pd.DataFrame(rows, columns=columns).sort_values("lost", ascending=False, ignore_index=True)


def _precision(model: Any, numbers: np.ndarray, happened: np.ndarray) -> float:
    return Ranked(happened, model.predict_proba(numbers)[:, 1]).average_precision()


def _shuffled(numbers: np.ndarray, columns: list[int], order: np.ndarray) -> np.ndarray:
    """The columns in another order of rows, all in the same one."""
    mixed = numbers.copy()
    mixed[:, columns] = numbers[np.ix_(order, columns)]
    return mixed


def estimate(table: pd.DataFrame, label: str, row: str, value: str) -> Estimate:
    """The number `value` with its interval from the row whose column `label` is `row`; missing where there is none."""
    if table.empty:
        return Estimate.missing(why(table))
    found = table[table[label] == row]
    if found.empty or pd.isna(found[value].iloc[0]):
        return Estimate.missing(f"there is no {row!r} in the table")
    bounds = (found[c].iloc[0] if c in found else None for c in (f"{value}_ci_low", f"{value}_ci_high"))
    return Estimate(float(found[value].iloc[0]), *(None if b is None or pd.isna(b) else float(b) for b in bounds))


def with_diagonal(curve: pd.DataFrame) -> pd.DataFrame:
    """The calibration curve with the line of a perfect prediction behind it."""
    if curve.empty:
        return curve
    ends = [0.0, float(max(curve["predicted_rate"].max(), curve["observed_rate_ci_high"].max()))]
    both = {"predicted_rate": ends, "observed_rate": ends, "observed_rate_ci_low": ends, "observed_rate_ci_high": ends}
    return pd.concat([curve, pd.DataFrame({"prediction": "perfect", **both})], ignore_index=True)


# ── truth ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def moment(day: pd.Timestamp, time_zone: str) -> int:
    """The first second of a day in a time zone, epoch seconds.

    >>> moment(pd.Timestamp("2017-11-25"), "Asia/Shanghai")
    1511539200
    """
    return int(pd.Timestamp(day).tz_localize(zone(time_zone)).timestamp())


def gone(truth: pd.DataFrame, users: pd.Index, *, at: int) -> pd.Series:
    """Had each simulated customer really left before the moment `at` (epoch seconds)? 0/1.

    Parameters
    ----------
    truth : DataFrame
        users.csv of the shop's truth: user_id, left_at (missing: stays).
    users : Index
        The customers asked about.
    at : int
        Epoch seconds.
    """
    if truth.empty:
        return pd.Series(dtype="float64")
    left = pd.to_numeric(truth.set_index("user_id")["left_at"]).reindex(users)
    return (left < at).astype("int64")


def oracle(truth: pd.DataFrame, users: pd.Index, *, at: int, horizon_days: int) -> pd.Series:
    """The true chance to order within the horizon: 1 − exp(−weekly rate · h / 7), and 0 for who has left.

    What one could know at best of a customer in the long run. It is no ceiling: whoever is looking around today orders
    sooner than the own rate says, and a model that sees the looks may do better. Parameters as in `gone`.

    >>> truth = pd.DataFrame({"user_id": [1, 2], "orders_per_week": [0.5, 3.0], "left_at": [None, 100]})
    >>> oracle(truth, pd.Index([1, 2]), at=200, horizon_days=14).round(3).tolist()
    [0.632, 0.0]
    """
    if truth.empty:
        return pd.Series(dtype="float64")
    rate = truth.set_index("user_id")["orders_per_week"].reindex(users).fillna(0).astype(float)
    return (1 - np.exp(-rate * horizon_days / 7)) * (1 - gone(truth, users, at=at))


def against_oracle(fitted: Fitted, truth: pd.DataFrame, *, at: int, boots: int = 200, seed: int = 1) -> pd.DataFrame:
    """Average precision beside that of the true long-run chances (`oracle`). Columns as in `compare`."""
    if truth.empty or fitted.case.reason:
        return missing(["score", "average_precision"], fitted.case.reason or why(truth))
    true = oracle(truth, fitted.scores.index, at=at, horizon_days=fitted.case.plan.horizon_days)
    true = true if fitted.case.label == "buy" else 1 - true
    scores = fitted.contest.assign(**{"true rate, and still here": true})
    return compare(scores, against=fitted.rule, boots=boots, seed=seed)


def risk_against_truth(
    fitted: Fitted, truth: pd.DataFrame, *, at: int, model: str = MODELS[0], parts: int = 5, least: int = 10
) -> pd.DataFrame:
    """Users by predicted chance of churn: how many were silent afterwards, and how many had really left?

    Parameters
    ----------
    fitted : Fitted
        A fit with the label churn.
    truth : DataFrame
        users.csv of the shop's truth.
    at : int
        The test's cut-off, epoch seconds.
    model : str
        Name of the model.
    parts : int
        Equally large groups by predicted chance, ≥ 1.
    least : int
        Users that a group holds at the least.

    Returns
    -------
    DataFrame
        group ('lowest risk' … 'highest risk'), users, predicted_rate, silent_rate (no action in the label window),
        gone_rate (had left at the cut-off) with _ci_low, _ci_high (Wilson).
    """
    columns = ["group", "users", "predicted_rate", "silent_rate", "gone_rate", "gone_rate_ci_low", "gone_rate_ci_high"]
    if truth.empty or fitted.case.reason:
        return missing(columns, fitted.case.reason or why(truth))
    table = fitted.chances[[HAPPENED, model]].assign(gone=gone(truth, fitted.chances.index, at=at))
    parts = max(1, min(parts, len(table) // least))
    part = np.minimum(((table[model].rank(method="first") - 1) / len(table) * parts).astype(int), parts - 1)
    groups = table.groupby(part)
    low, high = wilson(groups["gone"].sum().to_numpy(), groups.size().to_numpy())
    names = [f"{k + 1} of {parts}" for k in range(parts)]
    names[0], names[-1] = f"1 of {parts} (lowest risk)", f"{parts} of {parts} (highest risk)"
    found = {"group": names, "users": groups.size(), "predicted_rate": groups[model].mean()}
    found |= {"silent_rate": groups[HAPPENED].mean(), "gone_rate": groups["gone"].mean()}
    return pd.DataFrame({**found, "gone_rate_ci_low": low, "gone_rate_ci_high": high}).reset_index(drop=True)


def drop_out(fitted: Fitted, truth: pd.DataFrame, *, at: int, boots: int = 200, seed: int = 1) -> pd.DataFrame:
    """How well rule and models rank those first who had really left at the cut-off: columns as in `compare`."""
    if truth.empty or fitted.case.reason:
        return missing(["score", "average_precision"], fitted.case.reason or why(truth))
    asked = fitted.scores[[fitted.rule, *MODELS]]
    scores = pd.concat([gone(truth, asked.index, at=at).rename(HAPPENED), asked], axis=1)
    return compare(scores, against=fitted.rule, boots=boots, seed=seed)
