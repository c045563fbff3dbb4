"""Uplift models: from a randomised campaign to the predicted effect of the offer on each person (Künzel et al. 2019).

Every method has the same form: what was known, who was treated and what happened teach it; it predicts for new people.
The treated and the control must have been drawn by chance, with the same chances for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import ThreadpoolController

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.uplift_tree import grow_forest, grow_tree, predict_tree

INVERSE_PENALTY = 0.05
"""Of the logistic regressions, on standardised features; the same in both arms, as unequal shrinkage would look like an
effect."""
PENALTY = 100.0
"""Of the ridge regressions."""
LEAST = 5
"""People an arm must have in the training part."""
Method = Callable[..., np.ndarray]


def t_learner(known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51):
    """Two models, one an arm: what is expected with the offer less what is expected without it.

    τ(x) = μ₁(x) − μ₀(x). μ is a logistic regression for a 0/1 outcome, else a ridge regression.

    Parameters
    ----------
    known : array, people × features
        What was known before the draw.
    treated : array of 0/1
        Drawn by chance.
    outcome : array
        0/1, or an amount.
    new : array, people × features
        Whom to predict.
    seed : int
        Not used; all methods take it.

    Returns
    -------
    array
        Predicted uplift of each row of `new`, unit of the outcome; below 0 the offer is expected to do harm.

    References
    ----------
    Künzel et al. (2019): kunzel2019.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)  # the offer works on the second group only
    >>> treated = np.tile([0, 1], 400)
    >>> outcome = np.where(known[:, 0] == 1, treated, 0)
    >>> (t_learner(known, treated, outcome, new=np.array([[0.0], [1.0]])) > 0.5).tolist()
    [False, True]
    """
    with_, without = (_model(known[treated == arm], outcome[treated == arm]) for arm in (1, 0))
    return with_(new) - without(new)


def x_learner(known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51):
    """The effect on each person is guessed first, from the other arm's model, and then learned.

    D₁ = y − μ₀(x) for the treated, D₀ = μ₁(x) − y for the control; τ₁, τ₀ are ridge regressions of D on x in their arm;
    τ(x) = e·τ₀(x) + (1 − e)·τ₁(x) with e the share of treated. Helps most where one arm is much larger.

    Parameters, returns and source as in `t_learner`.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)
    >>> treated = np.tile([0, 1], 400)
    >>> outcome = np.where(known[:, 0] == 1, treated, 0)
    >>> (x_learner(known, treated, outcome, new=np.array([[0.0], [1.0]])) > 0.5).tolist()
    [False, True]
    """
    one = treated == 1
    guessed = outcome[one] - _model(known[~one], outcome[~one])(known[one])
    other = _model(known[one], outcome[one])(known[~one]) - outcome[~one]
    effect_1, effect_0 = _ridge(known[one], guessed), _ridge(known[~one], other)
    share = one.mean()
    return share * effect_0(new) + (1 - share) * effect_1(new)


def class_transformation(
    known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51
):
    """One model of one new outcome whose mean is the uplift itself.

    0/1 outcome: z = 1 when a treated person answered or a control did not; with each arm weighted to one half,
    τ(x) = 2·P(z = 1 | x) − 1. Amounts: τ(x) = E[y·(t − e) / (e·(1 − e)) | x], where e is the share of treated.

    Parameters and returns as in `t_learner`.

    References
    ----------
    Jaskowski & Jaroszewicz (2012): jaskowski2012; amounts: atheyimbens2016.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)
    >>> treated = np.tile([0, 1], 400)
    >>> outcome = np.where(known[:, 0] == 1, treated, 0)
    >>> (class_transformation(known, treated, outcome, new=np.array([[0.0], [1.0]])) > 0.5).tolist()
    [False, True]
    """
    share = treated.mean()
    if not is_binary(outcome):
        return _ridge(known, outcome * (treated - share) / (share * (1 - share)))(new)
    weight = np.where(treated == 1, 0.5 / share, 0.5 / (1 - share))
    return 2 * _model(known, np.where(treated == 1, outcome, 1 - outcome), weight)(new) - 1


def uplift_forest(
    known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51, trees: int = 20
):
    """The mean of many small uplift trees, each grown on people drawn anew and on some of the features.

    Parameters, returns and source as in `t_learner` and `helpers.campaigns.uplift_tree.grow_tree`; `trees` ≥ 1.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)
    >>> treated = np.tile([0, 1], 400)
    >>> outcome = np.where(known[:, 0] == 1, treated, 0)
    >>> (uplift_forest(known, treated, outcome, new=np.array([[0.0], [1.0]])) > 0.5).tolist()
    [False, True]
    """
    grown = grow_forest(known, treated, outcome, trees=trees, seed=seed)
    return np.mean([predict_tree(tree, new) for tree in grown], axis=0)


def one_rule(known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51):
    """The best single question: one split of one feature, and the measured uplift on each side.

    Parameters, returns as in `t_learner`; an uplift tree of depth 1. A model that does not beat it is not needed.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)
    >>> treated = np.tile([0, 1], 400)
    >>> outcome = np.where(known[:, 0] == 1, treated, 0)
    >>> one_rule(known, treated, outcome, new=np.array([[0.0], [1.0]])).tolist()
    [0.0, 1.0]
    """
    return predict_tree(grow_tree(known, treated, outcome, depth=1), new)


def response_model(known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51):
    """What people are expected to do, not what the offer changes: the usual mistake, kept as a baseline.

    m(x) = E[y | x], learned from both arms together. Parameters as in `t_learner`; returns the outcome's unit. It ranks
    those first who buy anyway.

    Examples
    --------
    >>> known = np.repeat([[0.0], [1.0]], 400, axis=0)
    >>> treated = np.tile([0, 1], 400)
    >>> buys_anyway = 1 - known[:, 0]
    >>> (response_model(known, treated, buys_anyway, new=np.array([[0.0], [1.0]])) > 0.5).tolist()
    [True, False]
    """
    return _model(known, outcome)(new)


METHODS: dict[str, Method] = {
    "one rule": one_rule,
    "T-learner": t_learner,
    "X-learner": x_learner,
    "class transformation": class_transformation,
    "uplift forest": uplift_forest,
    "response model": response_model,
}
"""Name of a method → its function; the last one does not predict uplift."""


def is_binary(outcome: np.ndarray) -> bool:
    """Does the outcome hold nothing but 0 and 1?"""
    return bool(np.isin(outcome, (0, 1)).all())


def _model(known: np.ndarray, outcome: np.ndarray, weight: np.ndarray | None = None) -> Callable:
    """The expected outcome as a function of the features: logistic for 0/1, else ridge; constant for one class."""
    if not is_binary(outcome):
        return _ridge(known, outcome)
    if outcome.min() == outcome.max():
        return lambda new: np.full(len(new), float(outcome[0]))
    scaled = _scale(known)
    model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky")
    model.fit(scaled(known), outcome.astype(int), sample_weight=weight)
    return lambda new: model.predict_proba(scaled(new))[:, 1]


def _ridge(known: np.ndarray, outcome: np.ndarray) -> Callable:
    scaled = _scale(known)
    model = Ridge(PENALTY).fit(scaled(known), outcome)
    return lambda new: model.predict(scaled(new))


def _scale(known: np.ndarray) -> Callable:
    """Features in standard deviations from their mean; what does not vary stays 0."""
    mean, spread = known.mean(axis=0), known.std(axis=0)
    return lambda x: (x - mean) / np.where(spread > 0, spread, 1.0)


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def predict(
    method: str, known: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, new: np.ndarray, seed: int = 51
) -> np.ndarray:
    """One method by name; parameters and returns as in `t_learner`.

    Raises
    ------
    ExperimentError
        An unknown method, an arm with fewer than 5 people, or values that are missing or not finite.
    """
    if method not in METHODS:
        raise ExperimentError(f"method {method!r}: take one of {', '.join(METHODS)}")
    if min(treated.sum(), (1 - treated).sum()) < LEAST:
        raise ExperimentError(f"treated: an arm has fewer than {LEAST} people to learn from; use a larger campaign")
    if not (np.isfinite(known).all() and np.isfinite(outcome).all()):
        raise ExperimentError("known, outcome: there are missing or infinite values; fill them before")
    with _threads().limit(limits=1):  # the tables are small: more threads only wait for each other
        return METHODS[method](known, treated, outcome, new=new, seed=seed)


def halves(treated: np.ndarray, outcome: np.ndarray, *, repeats: int, seed: int) -> Iterator[np.ndarray]:
    """Random halves, drawn within each arm and, for a 0/1 outcome, each answer: True is the training half."""
    strata = treated * 2 + (outcome if is_binary(outcome) else 0)
    rng = np.random.default_rng(seed)
    for _ in range(repeats):
        yield _dealt(strata, 2, rng) == 0


def folds(treated: np.ndarray, outcome: np.ndarray, *, parts: int, seed: int) -> np.ndarray:
    """A fold 0 … parts − 1 for each person, with the same arms (and, for 0/1, answers) in every fold."""
    strata = treated * 2 + (outcome if is_binary(outcome) else 0)
    return _dealt(strata, parts, np.random.default_rng(seed))


def _dealt(strata: np.ndarray, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Deal the people of each stratum round the parts, like cards."""
    order = np.lexsort((rng.random(len(strata)), strata))
    dealt = np.empty(len(strata), int)
    dealt[order] = np.arange(len(strata)) % parts
    return dealt


def cross_fitted(
    known: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    *,
    methods: tuple[str, ...] = tuple(METHODS),
    parts: int = 5,
    seed: int = 51,
) -> pd.DataFrame:
    """Each person's score by models that never saw that person, so that lists by it can be graded on the same people.

    Parameters
    ----------
    known, treated, outcome
        As in `t_learner`.
    methods : tuple of str
        Names of `METHODS`.
    parts : int
        Folds, ≥ 2.
    seed : int
        Start of the random draws.

    Returns
    -------
    DataFrame
        One row a person, one column a method: predicted uplift (for the response model the expected outcome).

    Raises
    ------
    ExperimentError
        As in `predict`, or fewer than two parts.
    """
    if parts < 2:
        raise ExperimentError(f"parts {parts!r}: take 2 or more")
    fold = folds(treated, outcome, parts=parts, seed=seed)
    found = pd.DataFrame(0.0, index=range(len(treated)), columns=list(methods))
    for k in range(parts):
        out = fold == k
        for method in methods:
            said = predict(method, known[~out], treated[~out], outcome[~out], new=known[out], seed=seed)
            found.loc[out, method] = said
    return found
