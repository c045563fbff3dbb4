"""Does a score find the people whom the offer changes? Qini curve, uplift curve, their areas, uplift among the first k.

All definitions rank people from the highest score down; equal scores are one step of the curve. The outcome is 0/1
('answered', here mostly 'bought') and the arms were drawn by chance. After the first people of the ranking, n₁ of them
treated with y₁ answers and n₀ control with y₀ answers:

    Qini    Q = y₁ − y₀·n₁/n₀              answers won among the treated so far (Radcliffe 2007)
    uplift  U = (y₁/n₁ − y₀/n₀)·(n₁ + n₀)  answers won if all so far were treated (Jaskowski & Jaroszewicz 2012)
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing

STRATEGIES = ("overall", "by_group")


def uplift_curve(outcome: np.ndarray, treated: np.ndarray, score: np.ndarray) -> pd.DataFrame:
    """Answers won by treating the best-ranked people first, at every step of the ranking.

    Parameters
    ----------
    outcome : array of 0/1
        Did the person answer?
    treated : array of 0/1
        Drawn by chance.
    score : array
        Predicted uplift, or any number that ranks; the highest first.

    Returns
    -------
    DataFrame
        One row a step, from nobody to everybody: `people`, `share` (of all people, 0…1), `qini` and `uplift` (answers;
        definitions above; 0 while one arm is still empty), `random` (the straight line of the Qini curve from nobody to
        everybody: what a ranking by lot gives on average).

    Raises
    ------
    ExperimentError
        Outcomes or arms other than 0/1, an empty arm, unequal lengths, or a score that is not finite.

    References
    ----------
    radcliffe2007, jaskowski2012.

    Examples
    --------
    Two people are ranked first: one treated who answered, one control who did not.

    >>> curve = uplift_curve(np.array([1, 0, 1, 1]), np.array([1, 0, 1, 0]), np.array([9.0, 8.0, 1.0, 1.0]))
    >>> curve[["people", "qini", "uplift", "random"]]
       people  qini  uplift  random
    0       0   0.0     0.0    0.00
    1       1   1.0     1.0    0.25
    2       2   1.0     2.0    0.50
    3       4   1.0     2.0    1.00
    """
    y, t, s = _checked(outcome, treated, score)
    people, qini, uplift = _steps(y, t, s)
    share = people / len(y)
    return pd.DataFrame(
        {"people": people.astype(int), "share": share, "qini": qini, "uplift": uplift, "random": share * qini[-1]}
    )


def _steps(y: np.ndarray, t: np.ndarray, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """People so far, Qini and uplift at every distinct score."""
    order = np.argsort(-s, kind="stable")
    last = np.flatnonzero(np.append(np.diff(s[order]) != 0, True))
    n1, y1 = np.cumsum(t[order])[last], np.cumsum((y * t)[order])[last]
    n0, y0 = last + 1 - n1, np.cumsum((y * (1 - t))[order])[last]
    qini = y1 - _ratio(y0, n0) * n1
    uplift = (_ratio(y1, n1) - _ratio(y0, n0)) * (n1 + n0)
    people, qini, uplift = (np.append(0.0, x) for x in (last + 1, qini, uplift))
    return people, qini, uplift


def qini_curves(outcome: np.ndarray, treated: np.ndarray, scores: pd.DataFrame, *, steps: int = 40) -> pd.DataFrame:
    """The Qini curves of several scores at equal steps, for a chart.

    Parameters
    ----------
    outcome, treated
        As in `uplift_curve`.
    scores : DataFrame
        One row a person, one column a method.
    steps : int
        Points a curve after its start.

    Returns
    -------
    DataFrame
        `method` ('by lot' is the straight line), `share` (of people, best first), `won` (purchases won for 1,000
        treated people of the whole campaign: 1000·Q / Σt). Empty, with a reason, where an arm is empty.
    """
    names = ["method", "share", "won"]
    if len(scores) == 0 or np.min(treated) == np.max(treated):
        return missing(names, "an arm is empty, so nothing can be compared")
    shares, rows = np.linspace(0, 1, steps + 1), []
    for method, score in scores.items():
        people, qini, _ = _steps(*_checked(outcome, treated, score))
        won = np.interp(shares * len(scores), people, qini) / np.sum(treated) * 1000
        rows.append(pd.DataFrame({"method": method, "share": shares, "won": won}))
    lot = pd.DataFrame({"method": "by lot", "share": shares, "won": shares * rows[0]["won"].iloc[-1]})
    return pd.concat([*rows, lot], ignore_index=True)[names]


def qini_auc(outcome: np.ndarray, treated: np.ndarray, score: np.ndarray) -> float:
    """Area between the Qini curve and the random line, as a part of what a perfect ranking has.

    0 = as good as a ranking by lot, below 0 = worse. 1 = as good as one that knows everything and puts treated who
    answered first, control who answered last. Nobody can reach that, so values such as 0.06 are usual.

    Parameters and errors as in `uplift_curve`. Missing (nan) where the perfect curve is the random line, as when nobody
    answered.

    References
    ----------
    radcliffe2007; the definition is that of scikit-uplift's `qini_auc_score` (negative_effect=True).

    Examples
    --------
    >>> y, t = np.array([1, 0, 0, 1]), np.array([1, 1, 0, 0])
    >>> qini_auc(y, t, np.array([4.0, 3.0, 2.0, 1.0])), round(qini_auc(y, t, np.array([1.0, 2.0, 3.0, 4.0])), 3)
    (1.0, -0.167)
    """
    return _normalised("qini", outcome, treated, score, perfect=np.asarray(outcome) * (2 * np.asarray(treated) - 1))


def uplift_auc(outcome: np.ndarray, treated: np.ndarray, score: np.ndarray) -> float:
    """The same area (AUUC) for the uplift curve.

    The perfect ranking: treated who answered, control who did not, and last those whose answer does not fit their arm
    (control who answered, treated who did not), the more frequent of the two first.

    Parameters, errors and missing values as in `qini_auc`.

    References
    ----------
    jaskowski2012; the definition is that of scikit-uplift's `uplift_auc_score`.

    Examples
    --------
    >>> y, t = np.array([1, 0, 0, 1]), np.array([1, 1, 0, 0])
    >>> round(uplift_auc(y, t, np.array([4.0, 3.0, 2.0, 1.0])), 3)
    0.778
    """
    y, t = np.asarray(outcome), np.asarray(treated)
    control_answers, treated_silent = ((y == 1) & (t == 0)).sum(), ((y == 0) & (t == 1)).sum()
    perfect = 2 * (y == t) + (y if control_answers > treated_silent else t)
    return _normalised("uplift", outcome, treated, score, perfect=perfect)


def uplift_at(
    outcome: np.ndarray, treated: np.ndarray, score: np.ndarray, *, share: float = 0.3, strategy: str = "overall"
) -> float:
    """The measured effect among the best-ranked people: mean outcome of the treated less that of the control.

    Parameters
    ----------
    outcome : array
        0/1 or amounts.
    treated, score
        As in `uplift_curve`; equal scores in reverse order of the table.
    share : float
        How many count as the best, above 0, at most 1.
    strategy : str
        'overall': the first share of all people; 'by_group': the first share of each arm.

    Returns
    -------
    float
        Unit of the outcome; missing (nan) where the best hold one arm only.

    Raises
    ------
    ExperimentError
        An unknown strategy, or a share out of its range.

    References
    ----------
    The definition is that of scikit-uplift's `uplift_at_k`.

    Examples
    --------
    >>> y, t, s = np.array([1, 0, 1, 1]), np.array([1, 0, 1, 0]), np.array([9.0, 8.0, 2.0, 1.0])
    >>> uplift_at(y, t, s, share=0.5), uplift_at(y, t, s, share=1.0)
    (1.0, 0.5)
    """
    if strategy not in STRATEGIES:
        raise ExperimentError(f"strategy {strategy!r}: take one of {', '.join(STRATEGIES)}")
    if not 0 < share <= 1:
        raise ExperimentError(f"share {share!r}: take a part of the people above 0 and at most 1")
    y, t, s = (np.asarray(x, dtype=float) for x in (outcome, treated, score))
    order = np.argsort(s, kind="stable")[::-1]
    y, t = y[order], t[order]
    arms = []
    for arm in (1, 0):
        answers = y[t == arm]
        first = int(len(answers) * share) if strategy == "by_group" else int((t[: int(len(t) * share)] == arm).sum())
        arms.append(answers[:first])
    return float(arms[0].mean() - arms[1].mean()) if min(map(len, arms)) else float("nan")


def compare_rankings(outcome: np.ndarray, treated: np.ndarray, scores: pd.DataFrame, *, share: float) -> pd.DataFrame:
    """The three numbers for several scores of the same people.

    Parameters
    ----------
    outcome, treated, share
        As in `uplift_at`; the outcome is 0/1.
    scores : DataFrame
        One row a person, one column a method.

    Returns
    -------
    DataFrame
        `method`, `qini_auc`, `uplift_auc`, `uplift_at` (share `share`); in the order of the columns. Missing, with a
        reason, where nobody or everybody answered.
    """
    names = ["method", "qini_auc", "uplift_auc", "uplift_at"]
    if len(scores) == 0 or np.min(outcome) == np.max(outcome):
        return missing(names, "nobody answered, or everybody did: there is nothing to rank")
    rows = [
        (m, qini_auc(outcome, treated, s), uplift_auc(outcome, treated, s), uplift_at(outcome, treated, s, share=share))
        for m, s in scores.items()
    ]
    return pd.DataFrame(rows, columns=names)


def _normalised(curve: str, outcome, treated, score, *, perfect: np.ndarray) -> float:
    """(area − area of random) / (perfect area − area of random)."""
    own, best = (_area(curve, *_checked(outcome, treated, s)) for s in (score, perfect))
    return own / best if best > 0 else float("nan")


def _area(curve: str, y: np.ndarray, t: np.ndarray, s: np.ndarray) -> float:
    """Area between a curve and the straight line from its start to its end."""
    people, qini, uplift = _steps(y, t, s)
    values = qini if curve == "qini" else uplift
    return float(np.trapezoid(values, people) - people[-1] * values[-1] / 2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


def _checked(outcome, treated, score) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, t, s = np.asarray(outcome), np.asarray(treated), np.asarray(score, dtype=float)
    if not len(y) == len(t) == len(s):
        raise ExperimentError(f"outcome, treated, score: {len(y)}, {len(t)}, {len(s)} values; give one each a person")
    for name, values in (("outcome", y), ("treated", t)):
        if not np.isin(values, (0, 1)).all():
            raise ExperimentError(f"{name}: it holds values other than 0 and 1; amounts have no perfect ranking")
    if len(t) == 0 or t.min() == t.max():
        raise ExperimentError("treated: an arm is empty, so nothing can be compared; give people of both arms")
    if not np.isfinite(s).all():
        raise ExperimentError("score: it holds missing or infinite values; give every person a number")
    return y.astype(float), t.astype(float), s
