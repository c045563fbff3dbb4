"""How far can an uplift model be trusted? Spread over splits, calibration, and many simulated campaigns."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.stats import t as student

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.known_before import design
from helpers.campaigns.qini import qini_auc, uplift_at
from helpers.campaigns.uplift_models import METHODS, cross_fitted, halves, predict
from helpers.campaigns.uplift_policy import PER, influence, policies_at
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, wilson, z_value


def repeated_splits(
    known: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    *,
    learn: np.ndarray | None = None,
    repeats: int = 20,
    share: float = 0.3,
    methods: tuple[str, ...] = tuple(METHODS),
    seed: int = 51,
) -> pd.DataFrame:
    """Learn on one half of the people, rank the other half, and again: how much of a Qini value is luck?

    Parameters
    ----------
    known : array, people × features
        What was known before the draw.
    treated, outcome : array of 0/1
        The arms, and who answered: the ranking is graded by it.
    learn : array, optional
        What the models learn from; by default the outcome.
    repeats : int
        Random halves, ≥ 2.
    share : float
        For the uplift among the best-ranked, 0…1.
    methods : tuple of str
        Names of `METHODS`.
    seed : int
        Start of the random draws.

    Returns
    -------
    DataFrame
        One row a split and method: `split`, `method`, `qini_auc`, `uplift_at`. The method 'random' ranks by lot.

    Raises
    ------
    ExperimentError
        Fewer than two repeats.
    """
    if repeats < 2:
        raise ExperimentError(f"repeats {repeats!r}: a spread needs at least 2 splits")
    target, rows = outcome if learn is None else learn, []
    for k, train in enumerate(halves(treated, outcome, repeats=repeats, seed=seed)):
        test = ~train
        for method in methods:
            s = predict(method, known[train], treated[train], target[train], new=known[test], seed=seed + k)
            rows.append((k + 1, method, *_graded(outcome[test], treated[test], s, share)))
        lot = np.random.default_rng(seed + k).random(test.sum())
        rows.append((k + 1, "random", *_graded(outcome[test], treated[test], lot, share)))
    return pd.DataFrame(rows, columns=["split", "method", "qini_auc", "uplift_at"])


def _graded(outcome: np.ndarray, treated: np.ndarray, score: np.ndarray, share: float) -> tuple[float, float]:
    return qini_auc(outcome, treated, score), uplift_at(outcome, treated, score, share=share)


def spread(
    splits: pd.DataFrame, *, value: str = "qini_auc", against: str = "one rule", level: float = 0.95
) -> pd.DataFrame:
    """Mean and spread of each method over the splits, and whether it differs from a baseline.

    The halves of different splits share people, so the splits are not independent and the plain t interval is far too
    narrow. Nadeau & Bengio's correction: var(mean) = s²·(1/J + n_test/n_train), with J − 1 degrees of freedom, applied
    to the differences to the baseline in the same split.

    Parameters
    ----------
    splits : DataFrame
        From `repeated_splits` (equal halves).
    value : str
        Column that is compared.
    against : str
        The baseline method.
    level : float
        Of the intervals, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a method, the highest mean first: `method`, `mean`, `sd` (over the splits), `won_share` (of the splits,
        among all methods), `difference` to the baseline with `ci_low`, `ci_high`, `differs`.

    Raises
    ------
    ExperimentError
        The baseline is none of the methods.

    References
    ----------
    Nadeau & Bengio (2003): nadeau2003.

    Examples
    --------
    >>> splits = pd.DataFrame({"split": [1, 1, 2, 2], "method": ["one rule", "T-learner"] * 2,
    ...                        "qini_auc": [0.02, 0.03, 0.04, 0.07]})
    >>> spread(splits)[["method", "mean", "won_share", "difference", "differs"]].round(3)
          method  mean  won_share  difference  differs
    0  T-learner  0.05        1.0        0.02    False
    1   one rule  0.03        0.0        0.00    False
    """
    names = ["method", "mean", "sd", "won_share", "difference", "ci_low", "ci_high", "differs"]
    if splits.empty:
        return missing(names, splits.attrs.get("reason", "there are no splits"))
    table = splits.pivot(index="split", columns="method", values=value).dropna()
    if against not in table.columns:
        raise ExperimentError(f"against {against!r}: take one of {', '.join(table.columns)}")
    if len(table) < 2:
        return missing(names, "in fewer than two splits anybody bought")
    j, won = len(table), table.idxmax(axis=1)
    rows = []
    for method in table.columns:
        gap = table[method] - table[against]
        wide = student.ppf(0.5 + level / 2, j - 1) * gap.std() * math.sqrt(1 / j + 1)
        differs = bool(abs(gap.mean()) > wide)
        own = table[method]
        rows.append((method, own.mean(), own.std(), (won == method).mean(), gap.mean(), gap.mean() - wide,
                     gap.mean() + wide, differs))  # fmt: skip
    found = pd.DataFrame(rows, columns=names)
    return found.sort_values(["mean", "method"], ascending=[False, True], ignore_index=True)


def within_spread(table: pd.DataFrame, splits: pd.DataFrame, *, value: str = "qini_auc", level: float = 0.95) -> str:
    """Which methods cannot be told from the best one, in words.

    Parameters
    ----------
    table, splits, value, level
        From and as in `spread`.

    Returns
    -------
    str
        The names, the best first; 'none' without a table.
    """
    if table.empty:
        return "none"
    best = spread(splits, value=value, against=str(table["method"].iloc[0]), level=level)
    return ", ".join(best.loc[~best["differs"], "method"])


def calibration(
    score: np.ndarray,
    treated: np.ndarray,
    outcome: np.ndarray,
    *,
    parts: int = 10,
    effect: np.ndarray | None = None,
    level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:
    """Predicted against measured uplift in equal parts of the ranking.

    Parameters
    ----------
    score : array
        Predicted uplift of people that the model did not see.
    treated, outcome : array
        Arms 0/1, and the outcome 0/1 or in currency units.
    parts : int
        Groups of equal size, 2…50.
    effect : array, optional
        The true effects of a simulated shop.
    level : float
        Of each interval, 0…1 exclusive.
    min_cell : int
        Parts with an arm of fewer people are left out.

    Returns
    -------
    DataFrame
        One row a part, the highest predictions first: `part`, `customers`, `predicted`, `measured` with `ci_low`,
        `ci_high` (normal), `truth` (missing for real data), `label` (part and prediction).
        Empty with a reason where all are too small.

    Raises
    ------
    ExperimentError
        parts out of its range.

    Examples
    --------
    >>> score = np.repeat([0.5, 0.0], 4)
    >>> calibration(score, np.tile([1, 0], 4), np.array([1, 0, 1, 1, 0, 0, 1, 1]), parts=2, min_cell=1)[
    ...     ["part", "customers", "predicted", "measured"]]
       part  customers  predicted  measured
    0     1          4        0.5       0.5
    1     2          4        0.0       0.0
    """
    names = ["part", "customers", "predicted", "measured", "ci_low", "ci_high", "truth"]
    if not 2 <= parts <= 50:
        raise ExperimentError(f"parts {parts!r}: take 2 to 50")
    order, rows = np.argsort(-score, kind="stable"), []
    for k, at in enumerate(np.array_split(order, parts), start=1):
        arms = [outcome[at][treated[at] == arm] for arm in (1, 0)]
        if min(map(len, arms)) < max(min_cell, 2):
            continue
        gap = arms[0].mean() - arms[1].mean()
        wide = z_value(level) * math.sqrt(sum(a.var(ddof=1) / len(a) for a in arms))
        known = np.asarray(effect)[at].mean() if effect is not None else math.nan
        rows.append((k, len(at), score[at].mean(), gap, gap - wide, gap + wide, known))
    if not rows:
        return missing([*names, "label"], "every part is too small to be shown")
    table = pd.DataFrame(rows, columns=names)
    return table.assign(label=[f"{r.part}: predicted {r.predicted:.2f}" for r in table.itertuples()])


def calibration_slope(score: np.ndarray, treated: np.ndarray, outcome: np.ndarray, *, level: float = 0.95) -> Estimate:
    """Does one unit of predicted uplift bring one unit of measured uplift?

    y = a + b·s + (t − e)·(c + β·(s − s̄)) by least squares, with the error that allows unequal variances (HC1). β = 1:
    the predictions have the right size; between 0 and 1: they exaggerate; interval holds 0: the model may have found
    nothing.

    Parameters
    ----------
    score, treated, outcome, level
        As in `calibration`.

    Returns
    -------
    Estimate
        β with its normal interval; missing where all scores are equal, or there are fewer than 10 people.

    References
    ----------
    Chernozhukov, Demirer, Duflo & Fernández-Val (2018), best linear predictor: chernozhukov2018b.

    Examples
    --------
    >>> score = np.repeat([0.0, 1.0], 8)
    >>> treated = np.tile([0, 1], 8)
    >>> calibration_slope(score, treated, 3.0 * score * treated).value  # the effect is three times the score
    3.0
    """
    n, s = len(score), np.asarray(score, dtype=float)
    if n < 10 or np.ptp(s) == 0:
        return Estimate.missing("all predictions are equal" if n >= 10 else "there are too few people")
    centred, arm = s - s.mean(), treated - treated.mean()
    x = np.column_stack([np.ones(n), centred, arm, arm * centred])
    inverse = np.linalg.pinv(x.T @ x)
    beta = inverse @ x.T @ outcome
    meat = x * (outcome - x @ beta)[:, None]
    error = math.sqrt((inverse @ (meat.T @ meat) @ inverse)[3, 3] * n / (n - 4))
    value, wide = round(float(beta[3]), 12), z_value(level) * error
    return Estimate(value, value - wide, value + wide)


TRAITS = ("age_band", "gender", "city_tier", "orders_before", "spend_before", "recency_days")


def many_campaigns(
    simulate: Callable[..., pd.DataFrame],
    *,
    campaigns: int = 30,
    customers: int = 2_600,
    share: float = 0.3,
    method: str = "T-learner",
    learn_from: str = "purchased",
    parts: int = 2,
    level: float = 0.95,
    seed: int = 51,
    **offer,
) -> pd.DataFrame:
    """Many simulated shops with the same kind of campaign: what do the lists truly earn, and do the intervals cover it?

    Parameters
    ----------
    simulate : callable
        `simulate(n, seed=…, **offer)` gives one row a participant with the features, arm, purchased, profit, and the
        profit of both arms; such as `helpers.simulate.simulate_uplift`.
    campaigns, customers : int
        How many shops, ≥ 2, and participants of each.
    share : float
        The budget: part of the customers that can get the offer.
    method : str
        The uplift method.
    learn_from : str
        'purchased' or 'profit'.
    parts : int
        Folds of the cross-fitting.
    level, seed
        As usual; the shops use the seeds seed … seed + campaigns − 1.

    Returns
    -------
    DataFrame
        One row a campaign and policy: `campaign`, `policy` ('uplift', 'response model', 'random', 'everybody'), `truth`
        and `measured` (profit for 1,000 customers more than with nobody contacted), `ci_low`, `ci_high`, `covered`,
        `proved` (the campaign's own interval says that 'uplift' earns more than this policy).

    Raises
    ------
    ExperimentError
        Fewer than two campaigns.

    References
    ----------
    Morris, White & Crowther (2019), on simulation studies: morris2019.
    """
    if campaigns < 2:
        raise ExperimentError(f"campaigns {campaigns!r}: take at least 2")
    rows, z = [], z_value(level)
    for k in range(campaigns):
        one = simulate(customers, seed=seed + k, **offer)
        treated = (one["arm"] != "control").to_numpy(int)
        x, y = design(one[list(TRAITS)]).to_numpy(), one[learn_from].to_numpy(float)
        found = cross_fitted(x, treated, y, methods=(method, "response model"), parts=parts, seed=seed + k)
        lists = policies_at(found.rename(columns={method: "uplift"}), share=share, seed=seed + k).drop(columns="nobody")
        effect, profit = (one["profit1"] - one["profit0"]).to_numpy(), one["profit"].to_numpy()
        found = {name: influence(profit, treated, chance.to_numpy()) for name, chance in lists.items()}
        for name, (value, psi) in found.items():
            wide, true = z * math.sqrt((psi**2).sum()), float((effect * lists[name]).mean())
            gap, apart = found["uplift"][0] - value, z * math.sqrt(((found["uplift"][1] - psi) ** 2).sum())
            money = [PER * v for v in (true, value, value - wide, value + wide)]
            rows.append((k + 1, name, *money, abs(value - true) <= wide, gap > apart))
    names = ["campaign", "policy", "truth", "measured", "ci_low", "ci_high", "covered", "proved"]
    return pd.DataFrame(rows, columns=names)


def beats(study: pd.DataFrame, *, policy: str = "uplift", level: float = 0.95) -> pd.DataFrame:
    """Does a policy truly earn more than the others, over all simulated campaigns?

    Parameters
    ----------
    study : DataFrame
        From `many_campaigns`.
    policy : str
        The policy that is compared with all others.
    level : float
        Of the intervals, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row another policy: `against`, `difference` (mean of the true values' differences, currency units for 1,000
        customers) with `ci_low`, `ci_high` (t interval over the campaigns), `won_share` (campaigns in which it earned
        more) with `won_share_ci_low`, `won_share_ci_high` (Wilson), and `proved_share` (campaigns that could prove it
        by themselves) where the study has it.

    Examples
    --------
    >>> study = pd.DataFrame({"campaign": [1, 1, 2, 2], "policy": ["uplift", "random"] * 2, "truth": [3.0, 1, 5, 2]})
    >>> beats(study)[["against", "difference", "won_share"]]
      against  difference  won_share
    0  random         2.5        1.0
    """
    table = study.pivot(index="campaign", columns="policy", values="truth")
    rows = []
    for other in [c for c in table.columns if c != policy]:
        gap = table[policy] - table[other]
        wide = student.ppf(0.5 + level / 2, len(gap) - 1) * gap.std() / math.sqrt(len(gap))
        won = int((gap > 0).sum())
        low, high = wilson(won, len(gap), level=level)
        rows.append((other, gap.mean(), gap.mean() - wide, gap.mean() + wide, won / len(gap), float(low), float(high)))
    names = ["against", "difference", "ci_low", "ci_high", "won_share", "won_share_ci_low", "won_share_ci_high"]
    found = pd.DataFrame(rows, columns=names)
    if policy == "uplift" and "proved" in study:
        found["proved_share"] = found["against"].map(study.groupby("policy")["proved"].mean())
    return found


def interval_coverage(study: pd.DataFrame, *, policy: str = "uplift") -> pd.DataFrame:
    """How often the measured value's interval holds the true value of a policy, over the simulated campaigns.

    Parameters
    ----------
    study : DataFrame
        From `many_campaigns`.
    policy : str
        One policy: those of one campaign share people, so they do not count as separate trials.

    Returns
    -------
    DataFrame
        One row: `campaigns`, `covered_rate` with `covered_rate_ci_low`, `covered_rate_ci_high` (Wilson).

    Examples
    --------
    >>> study = pd.DataFrame({"policy": ["uplift", "random"] * 2, "covered": [True, False, True, True]})
    >>> interval_coverage(study)[["campaigns", "covered_rate"]]
       campaigns  covered_rate
    0          2           1.0
    """
    mine = study[study["policy"] == policy]
    return add_rate(
        pd.DataFrame({"campaigns": [len(mine)], "covered": [int(mine["covered"].sum())]}),
        successes="covered",
        trials="campaigns",
        name="covered_rate",
    )
