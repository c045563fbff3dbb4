"""A campaign as an experiment: was the draw sound, what did the campaign change, and does it pay (Kohavi et al. 2020)?

This module is the one door of notebook 50: the plan (`power`), the participants (`participants`), the draw and several
arms (`arms`), what else could spoil it (`draw_checks`), the effects (`comparison`, `bootstrap`), narrower intervals
(`adjustment`), looks at a running experiment (`sequential`, `always_valid`), customer groups (`segment_effects`), the
time after (`long_term`) and the verdict (`profit`) are all reached through it. What it adds itself: the plan against
the participants, all campaigns of a shop at once, and the grading against a known truth.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from helpers.campaigns.adjustment import adjusted_effects, cuped, expected_gain, regression_adjusted
from helpers.campaigns.always_valid import running_effect
from helpers.campaigns.arms import arm_counts, holm, planned_shares, sample_ratio_test, several_arms
from helpers.campaigns.bootstrap import bootstrap_difference, checked_means
from helpers.campaigns.comparison import (
    EFFECT,
    newcombe_difference,
    ratio_difference,
    welch,
    welch_row,
    why_not,
)
from helpers.campaigns.draw_checks import aa_study, conditions, overlaps
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.long_term import deepest_dip, long_term, with_long_term_truth
from helpers.campaigns.participants import choose, most_arms, observational, overview, participants
from helpers.campaigns.power import minimum_effect, minimum_sample_size, planner, power, power_curve
from helpers.campaigns.profit import VERDICTS, incremental_profit, profit_per_user, verdict, verdict_words
from helpers.campaigns.segment_effects import interaction_test, segment_effects, with_group, with_segment_truth
from helpers.campaigns.sequential import (
    boundaries,
    false_positive_rate,
    mixture_boundary,
    monitoring_cost,
    path_table,
    peeking_drill,
)
from helpers.findings import Estimate, missing
from helpers.intervals import rate

__all__ = [
    "EFFECT",
    "VERDICTS",
    "ExperimentError",
    "aa_study",
    "adjusted_effects",
    "against_truth",
    "arm_counts",
    "arms_words",
    "bootstrap_difference",
    "boundaries",
    "campaign_of",
    "checked_means",
    "choose",
    "conditions",
    "coverage",
    "coverage_study",
    "cuped",
    "deepest_dip",
    "effects_by_campaign",
    "estimate",
    "expected_gain",
    "false_positive_rate",
    "holm",
    "incremental_profit",
    "interaction_test",
    "long_term",
    "minimum_effect",
    "minimum_sample_size",
    "mixture_boundary",
    "monitoring_cost",
    "most_arms",
    "newcombe_difference",
    "observational",
    "overlaps",
    "overview",
    "participants",
    "path_table",
    "peeking_drill",
    "planned_shares",
    "planner",
    "power",
    "power_curve",
    "profit_per_user",
    "promises",
    "ratio_difference",
    "readiness",
    "regression_adjusted",
    "running_effect",
    "sample_ratio_test",
    "segment_effects",
    "several_arms",
    "shared_level",
    "true_effect",
    "verdict",
    "verdict_words",
    "verdicts_by_campaign",
    "welch",
    "with_group",
    "with_long_term_truth",
    "with_segment_truth",
]

METHODS = {"welch": welch, "newcombe": newcombe_difference}


def readiness(
    users: pd.DataFrame, *, effect: float, control: str = "control", power_wish: float = 0.8, alpha: float = 0.05
) -> pd.DataFrame:
    """The plan against the participants: can this experiment find the effect that matters?

    The purchase rate of the time before the start is the base; with several treated arms alpha is shared by the
    comparisons. n per arm is the size of the smaller arm of each pair.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`, `spend_before`.
    effect : float
        Smallest rise of the purchase rate that would matter, 0…1.
    control : str
        Name of the arm without treatment.
    power_wish, alpha : float
        As in `helpers.campaigns.power.minimum_sample_size`.

    Returns
    -------
    DataFrame
        One row: `users_per_arm` (smallest arm), `base_rate`, `effect`, `users_needed` an arm, `power_rate` (chance to
        find `effect`), `smallest_effect` (found with the wished power). Missing where nobody bought before,
        or base + effect passes 100 %.

    Raises
    ------
    ExperimentError
        As in `minimum_sample_size`.

    References
    ----------
    fleiss1981, bloom1995.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "x"] * 1000, "spend_before": ([5.0] + [0.0] * 9) * 200})
    >>> readiness(users, effect=0.02).round(2)[["users_per_arm", "base_rate", "users_needed", "power_rate"]]
       users_per_arm  base_rate  users_needed  power_rate
    0           1000        0.1          3841         0.3
    """
    names = ["users_per_arm", "base_rate", "effect", "users_needed", "power_rate", "smallest_effect"]
    if reason := why_not(users, control=control):
        return missing(names, reason)
    counts = arm_counts(users)
    smallest, alpha = int(counts.min()), alpha / (len(counts) - 1)
    base = float((users["spend_before"] > 0).mean())
    if base == 0:
        return missing(
            names, "nobody bought in the time before the start (does the log begin later?): there is no base"
        )
    if base + effect > 1 or smallest < 2:
        return missing(names, f"an arm of {smallest} people and a base of {base:.1%} leave no room for {effect:+.1%}")
    need = minimum_sample_size(base=base, effect=effect, power=power_wish, alpha=alpha)
    found = power(users=smallest, base=base, effect=effect, alpha=alpha)
    least = minimum_effect(users=smallest, base=base, power=power_wish, alpha=alpha)
    return pd.DataFrame([(smallest, base, effect, math.ceil(need), found, least)], columns=names)


def estimate(effects: pd.DataFrame, *, arm: str = "", value: str = "difference") -> Estimate:
    """One row of a table of effects as an estimate with its interval, for a finding.

    Parameters
    ----------
    effects : DataFrame
        One row a treated arm: `arm`, the value, `ci_low`, `ci_high`.
    arm : str
        The arm; '' takes the one with the highest value.
    value : str
        Column of the value.

    Returns
    -------
    Estimate
        Missing with the table's reason where there is no such number.

    Examples
    --------
    >>> effects = pd.DataFrame({"arm": ["a", "b"], "difference": [1.0, 2.0], "ci_low": [0.0, 1.0], "ci_high": [2, 3]})
    >>> estimate(effects).value, estimate(effects, arm="a").ci_low
    (2.0, 0.0)
    """
    known = effects.dropna(subset=[value]) if len(effects) else effects
    chosen = known[known.arm == arm] if arm and len(known) else known
    if chosen.empty:
        return Estimate.missing(effects.attrs.get("reason", f"the arm {arm!r} could not be compared"))
    best = chosen.loc[chosen[value].astype(float).idxmax()]
    return Estimate(float(best[value]), float(best.ci_low), float(best.ci_high))


def shared_level(users: pd.DataFrame, *, level: float) -> float:
    """The level of each arm's interval with which all arms hold together (Bonferroni): 1 − (1 − level)/k for k arms.

    >>> round(shared_level(pd.DataFrame({"arm": ["control", "a", "b"]}), level=0.95), 3)
    0.975
    """
    return 1 - (1 - level) / max(1, arm_counts(users).size - 1)


def arms_words(effects: pd.DataFrame, *, value: str = "difference", form: str = "+.2f", scale: float = 1.0) -> str:
    """Every treated arm with its number and interval, times `scale`, the highest first, for a sentence.

    >>> effects = pd.DataFrame({"arm": ["a", "b"], "difference": [1.0, 2.0], "ci_low": [-1.0, 1.0], "ci_high": [3, 3]})
    >>> arms_words(effects, form="+.1f")
    'b +2.0 (+1.0 to +3.0); a +1.0 (-1.0 to +3.0)'
    """
    known = effects.dropna(subset=[value]) if len(effects) else effects
    if known.empty:
        return f"not computable, because {effects.attrs.get('reason', 'no arm can be compared')}"
    ordered = known.sort_values(value, ascending=False, kind="stable", key=lambda column: column.astype(float))
    numbers = scale * ordered[[value, "ci_low", "ci_high"]].astype(float).to_numpy()
    return "; ".join(
        f"{arm} {mean:{form}} ({low:{form}} to {high:{form}})"
        for arm, (mean, low, high) in zip(ordered.arm, numbers, strict=True)
    )


def campaign_of(users: pd.DataFrame) -> str:
    """The campaign_id of these participants, for a sentence; '–' where there are none.

    >>> campaign_of(pd.DataFrame({"campaign_id": ["aug", "aug"]}))
    'aug'
    """
    return str(users["campaign_id"].iloc[0]) if len(users) else "–"


def effects_by_campaign(
    everyone: pd.DataFrame,
    *,
    outcome: str = "spend",
    method: str = "welch",
    experiments_only: bool = True,
    control: str = "control",
    level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:
    """The effect of every campaign of a shop, one row a campaign and treated arm.

    Parameters
    ----------
    everyone : DataFrame
        One row a participant of each campaign, from `participants`.
    outcome : str
        A numeric column.
    method : str
        'welch' for means, 'newcombe' for rates.
    experiments_only : bool
        True: only campaigns that `overview` accepts. False: all that are large enough, also those whose arms were not
        drawn by chance, whose differences are not effects.
    control, level, min_cell
        As in `welch` and `overview`.

    Returns
    -------
    DataFrame
        `campaign_id`, `label` (campaign and arm), and the columns of `welch`; in the order of the campaigns' start.

    Raises
    ------
    ExperimentError
        An unknown method; as in `welch`.

    References
    ----------
    As in `welch` and `newcombe_difference`.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": ["aug"] * 4, "arm": ["control", "control", "x", "x"], "starts_at": 1,
    ...                          "randomised": True, "purchased": [0, 1, 1, 1], "spend": [0.0, 2.0, 3.0, 4.0]})
    >>> effects_by_campaign(everyone, min_cell=1)[["label", "difference"]]
         label  difference
    0  aug · x         2.5
    """
    if method not in METHODS:
        raise ExperimentError(f"method {method!r}: take one of {', '.join(METHODS)}")

    def effect(users: pd.DataFrame) -> pd.DataFrame:
        return METHODS[method](users, outcome=outcome, control=control, level=level)

    table = overview(everyone, control=control, min_cell=min_cell)
    if len(table):
        table = table[table.status.isin(["experiment"] if experiments_only else ["experiment", "refused"])]
    return _by_campaign(everyone, table, effect, columns=list(EFFECT))


def verdicts_by_campaign(
    everyone: pd.DataFrame,
    *,
    minimum_profit: float = 0.0,
    control: str = "control",
    level: float = 0.95,
    min_cell: int = 10,
) -> pd.DataFrame:
    """Sales and profit of every experiment of a shop, with the verdict.

    Parameters
    ----------
    everyone : DataFrame
        As in `effects_by_campaign`.
    minimum_profit : float
        As in `helpers.campaigns.profit.verdict`.
    control, level, min_cell
        As in `incremental_profit` and `overview`.

    Returns
    -------
    DataFrame
        One row a campaign and treated arm: `campaign_id`, `label`, `arm`, `sales_difference`, `difference` (incremental
        profit), `ci_low`, `ci_high` (currency units a person), `verdict`, `because`. A faulty split: *cannot tell*.

    Raises
    ------
    ExperimentError
        As in `verdict`.

    References
    ----------
    As in `incremental_profit`.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": "aug", "arm": ["control"] * 3 + ["x"] * 3, "starts_at": 1,
    ...     "randomised": True, "purchased": 1, "spend": [0.0, 2, 4, 3, 5, 7], "margin": [0.0, 1, 2, 2, 3, 4],
    ...     "contact_cost": 0.5})
    >>> verdicts_by_campaign(everyone, min_cell=1)[["label", "sales_difference", "difference", "verdict"]]
         label  sales_difference  difference      verdict
    0  aug · x               3.0         2.0  cannot tell
    """
    columns = ["arm", "sales_difference", "difference", "ci_low", "ci_high", "verdict", "because"]

    def judge(users: pd.DataFrame) -> pd.DataFrame:
        profits = incremental_profit(users, control=control, level=level)
        split = sample_ratio_test(arm_counts(users))
        judged = verdict(profits, minimum_profit=minimum_profit, split=split)
        words = {name: judged[name] for name in ("verdict", "because")} if len(judged) else {}
        return profits.rename(columns={"profit": "difference"}).assign(**words)

    table = overview(everyone, control=control, min_cell=min_cell)
    chosen = table[table.status == "experiment"] if len(table) else table
    return _by_campaign(everyone, chosen, judge, columns=columns)


def _by_campaign(
    everyone: pd.DataFrame,
    table: pd.DataFrame,
    function: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    columns: list[str],
) -> pd.DataFrame:
    """`function` of the participants of each campaign of `table`, one below the other, with campaign and label."""
    names, parts, reasons = ["campaign_id", "label", *columns], [], []
    for campaign in table.campaign_id if len(table) else []:
        found = function(everyone[everyone.campaign_id == campaign])
        if found.empty:
            reasons.append(found.attrs.get("reason", ""))
            continue
        parts.append(found.assign(campaign_id=campaign, label=[f"{campaign} · {arm}" for arm in found.arm])[names])
    if not parts:
        return missing(names, (reasons or [table.attrs.get("reason", "no campaign can be compared")])[0])
    return pd.concat(parts, ignore_index=True)


def against_truth(effects: pd.DataFrame, truth: pd.DataFrame, *, column: str = "ate_spend") -> pd.DataFrame:
    """Each effect beside the truth of the simulated shop: did the interval cover it?

    Parameters
    ----------
    effects : DataFrame
        From `effects_by_campaign`.
    truth : DataFrame
        One row a campaign and arm: `campaign_id`, `arm`, and the true mean effect over the participants.
    column : str
        The true effect's column.

    Returns
    -------
    DataFrame
        `campaign_id`, `arm`, `label`, `estimate`, `ci_low`, `ci_high`, `truth`, `error` (estimate − truth), `covered`.
        Empty, with its reason, for real data.

    Raises
    ------
    ExperimentError
        The truth has no such column.

    Examples
    --------
    >>> effects = pd.DataFrame({"campaign_id": ["aug"], "label": ["aug · x"], "arm": ["x"], "difference": [2.5],
    ...                         "ci_low": [1.0], "ci_high": [4.0]})
    >>> truth = pd.DataFrame({"campaign_id": ["aug"], "arm": ["x"], "ate_spend": [3.0]})
    >>> against_truth(effects, truth)[["label", "truth", "error", "covered"]]
         label  truth  error  covered
    0  aug · x    3.0   -0.5     True
    """
    names = ["campaign_id", "arm", "label", "estimate", "ci_low", "ci_high", "truth", "error", "covered"]
    for table in (effects, truth):
        if table.empty:
            return missing(names, table.attrs.get("reason", "no rows"))
    if column not in truth.columns:
        raise ExperimentError(f"column {column!r}: the truth has {', '.join(truth.columns)}")
    known = truth[["campaign_id", "arm", column]].rename(columns={column: "truth"})
    joined = effects.rename(columns={"difference": "estimate"}).merge(known, on=["campaign_id", "arm"])
    if joined.empty:
        return missing(names, "the truth knows none of these campaigns")
    inside = (joined.ci_low <= joined.truth) & (joined.truth <= joined.ci_high)
    return joined.assign(error=joined.estimate - joined.truth, covered=inside)[names]


def true_effect(
    effects: pd.DataFrame, users: pd.DataFrame, truth: pd.DataFrame, *, column: str, value: str = "difference"
) -> float | None:
    """The truth that belongs to `estimate(effects)`: of the same campaign and arm; None for real data.

    Parameters
    ----------
    effects : DataFrame
        As in `estimate`.
    users : DataFrame
        The participants of the campaign: `campaign_id`.
    truth, column
        As in `against_truth`.
    value : str
        As in `estimate`.

    Examples
    --------
    >>> effects = pd.DataFrame({"arm": ["a", "b"], "difference": [1.0, 2.0]})
    >>> truth = pd.DataFrame({"campaign_id": ["aug"] * 2, "arm": ["a", "b"], "ate_spend": [1.5, 1.8]})
    >>> true_effect(effects, pd.DataFrame({"campaign_id": ["aug"]}), truth, column="ate_spend")
    1.8
    """
    known = effects.dropna(subset=[value]) if len(effects) else effects
    if known.empty or truth.empty or users.empty:
        return None
    arm = known.arm[known[value].astype(float).idxmax()]
    row = truth[(truth.campaign_id == users.campaign_id.iloc[0]) & (truth.arm == arm)]
    return float(row[column].iloc[0]) if len(row) else None


def coverage_study(
    simulate: Callable[..., pd.DataFrame],
    *,
    experiments: int = 400,
    users: int = 500,
    effect: float = 0.15,
    level: float = 0.95,
    seed: int = 50,
) -> pd.DataFrame:
    """Many simulated experiments with a known effect: does Welch's interval keep its promise?

    Parameters
    ----------
    simulate : callable
        `simulate(n_users, effect=…, seed=…)` gives one row a participant: `arm` ('control' or another), `spend`, and
        the outcomes without and with treatment, `y0` and `y1`; such as `helpers.simulate.simulate_experiment`.
    experiments : int
        Number of experiments, ≥ 1.
    users : int
        Participants of each.
    effect : float
        What is planted, as `simulate` takes it; 0 makes A/A experiments.
    level : float
        As in `welch`.
    seed : int
        The experiments use the seeds seed … seed + experiments − 1.

    Returns
    -------
    DataFrame
        One row an experiment: `experiment`, `difference`, `ci_low`, `ci_high`, `truth` (mean of y1 − y0 of its
        participants), `aa_alarm` (the same arms and people without any campaign: was a difference seen?), `covered`,
        `found` (the interval excludes 0).

    Raises
    ------
    ExperimentError
        Fewer than one experiment, or so few users that nobody bought.

    References
    ----------
    Morris, White & Crowther (2019), on simulation studies: morris2019.

    Examples
    --------
    >>> def simulate(n_users, *, effect, seed):
    ...     users = pd.DataFrame({"arm": ["control", "x"] * (n_users // 2)})
    ...     users["y0"] = [0.0, 0.0, 4.0, 4.0] * (n_users // 4)
    ...     users["y1"] = users.y0 + effect
    ...     return users.assign(spend=users.y0.where(users.arm == "control", users.y1))
    >>> coverage_study(simulate, experiments=2, users=80, effect=5.0)[["experiment", "difference", "covered", "found"]]
       experiment  difference  covered  found
    0           1         5.0     True   True
    1           2         5.0     True   True
    """
    if experiments < 1:
        raise ExperimentError(f"experiments {experiments!r}: take at least 1")
    rows = [_trial(simulate(users, effect=effect, seed=seed + i), level) for i in range(experiments)]
    table = pd.DataFrame(rows, columns=["difference", "ci_low", "ci_high", "truth", "aa_alarm"])
    if table.isna().any(axis=None):
        raise ExperimentError(f"users {users!r}: in one of the experiments nobody bought; take more users")
    table.insert(0, "experiment", range(1, experiments + 1))
    table["aa_alarm"] = table["aa_alarm"] < 1 - level
    covered = (table.ci_low <= table.truth) & (table.truth <= table.ci_high)
    return table.assign(covered=covered, found=(table.ci_low > 0) | (table.ci_high < 0))


def _trial(users: pd.DataFrame, level: float) -> dict:
    arms, spend, y0, y1 = (users[name].to_numpy() for name in ("arm", "spend", "y0", "y1"))
    treated = arms.astype(str) != "control"
    row = welch_row(spend[treated], spend[~treated], level=level)
    alarm = welch_row(y0[treated], y0[~treated], level=level).get("p_value", math.nan)
    return row | {"truth": float((y1 - y0).mean()), "aa_alarm": alarm}


def promises(study: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """What the interval promises, and what many simulated experiments saw.

    Parameters
    ----------
    study : DataFrame
        From `coverage_study`.
    level : float
        Level of its intervals.

    Returns
    -------
    DataFrame
        One row a promise: `promise`, `experiments`, `promised_rate` (missing for the effect found: the power is no
        promise), `seen_rate`, `seen_rate_ci_low`, `seen_rate_ci_high` (Wilson).

    References
    ----------
    Morris, White & Crowther (2019): morris2019.

    Examples
    --------
    >>> study = pd.DataFrame({"covered": [True] * 19 + [False], "found": [True] * 20, "aa_alarm": [False] * 20})
    >>> promises(study).round(2)[["promise", "promised_rate", "seen_rate"]]
                                promise  promised_rate  seen_rate
    0  the interval covers the true effect           0.95       0.95
    1        A/A: an effect is seen, falsely           0.05       0.00
    2            the planted effect is found            NaN       1.00
    """
    asked = (
        ("the interval covers the true effect", study["covered"], level),
        ("A/A: an effect is seen, falsely", study["aa_alarm"], 1 - level),
        ("the planted effect is found", study["found"], math.nan),
    )
    rows = []
    for words, seen, promised in asked:
        share = rate(int(seen.sum()), len(seen))
        rows.append((words, len(seen), promised, share.value, share.ci_low, share.ci_high))
    names = ["promise", "experiments", "promised_rate", "seen_rate", "seen_rate_ci_low", "seen_rate_ci_high"]
    return pd.DataFrame(rows, columns=names)


def coverage(graded: pd.DataFrame, *, column: str = "covered") -> Estimate:
    """The share of intervals that cover the truth, with its own Wilson interval.

    Parameters
    ----------
    graded : DataFrame
        From `against_truth` or `coverage_study`: one row an interval.
    column : str
        A column of true/false.

    Returns
    -------
    Estimate
        A share 0…1; missing with the table's reason without rows.

    Examples
    --------
    >>> coverage(pd.DataFrame({"covered": [True, True, True, False]})).value
    0.75
    """
    if graded.empty:
        return Estimate.missing(graded.attrs.get("reason", "no intervals"))
    return rate(int(graded[column].sum()), len(graded))
