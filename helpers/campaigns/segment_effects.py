"""For whom did it work? Effects by customer group: one test of 'the same for all' first, then corrected intervals."""

from __future__ import annotations

import math

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import chi2

from helpers.campaigns.arms import holm
from helpers.campaigns.comparison import outcome_values, welch_row, why_not
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.privacy import suppress

BEHAVIOUR = "bought_before"
"""The group that needs no table of customers: did the participant buy in the weeks before the start?"""
UNKNOWN = "not known"
DIFFERENT = 0.05
"""Below this p-value of the interaction test the groups are said to differ."""


def with_group(users: pd.DataFrame, *, by: str, customers: ir.Table | None = None) -> pd.DataFrame:
    """The participants with their customer group, known before the campaign, in a column `group`.

    Parameters
    ----------
    users : DataFrame
        One row a participant, from `helpers.campaigns.participants.participants`.
    by : str
        A column of `customers`, such as city_tier, or 'bought_before' (from `spend_before`).
    customers : Table, optional
        The users table.

    Returns
    -------
    DataFrame
        `users` with the column `group` (text; 'not known' where the customer has no value). Empty with its reason where
        the column does not exist.

    Examples
    --------
    >>> with_group(pd.DataFrame({"spend_before": [0.0, 5.0]}), by="bought_before").group.tolist()
    ['did not buy before', 'bought before']
    """
    if users.empty:
        return missing([*users.columns, "group"], users.attrs.get("reason", "there are no participants"))
    if by == BEHAVIOUR:
        return users.assign(group=np.where(users["spend_before"] > 0, "bought before", "did not buy before"))
    if customers is None or by not in customers.columns:
        where = "no users table" if customers is None else f"no column {by!r} in its users table"
        return missing([*users.columns, "group"], f"the study has {where}; take {BEHAVIOUR!r}")
    known = customers.select("user_id", group=customers[by].cast("string")).execute()
    joined = users.merge(known, on="user_id", how="left")
    return joined.assign(group=joined["group"].fillna(UNKNOWN).astype(str))


def segment_effects(
    users: pd.DataFrame, *, outcome: str, control: str = "control", level: float = 0.95, min_cell: int = 10
) -> pd.DataFrame:
    """The effect in every customer group, corrected for looking at several groups.

    Welch's difference in each group. The simultaneous intervals hold together with chance `level`: groups share no
    people, so each has the level level^(1/m) (Šidák), m the number of groups and arms. p-values with Holm's correction.
    `shrunk` pulls each effect to the mean of its arm, by as much as the spread of the groups is chance:
    d̄ + τ²/(τ² + SE²)·(d − d̄), τ² by DerSimonian and Laird; it is nearer to the truth on average than the raw effect.

    Parameters
    ----------
    users : DataFrame
        One row a participant, from `with_group`: `arm`, `group`, the outcome and, where there is one, `purchased`.
    outcome : str
        A numeric column.
    control, level
        As in `helpers.campaigns.comparison.welch`.
    min_cell : int
        Groups of which an arm has fewer participants or buyers are hidden (`helpers.privacy.suppress`).

    Returns
    -------
    DataFrame
        One row a treated arm and group: `arm`, `group`, `users`, `difference`, `simultaneous_ci_low`,
        `simultaneous_ci_high`, `standard_error`, `p_holm`, `shrunk` (unit of the outcome), `hidden`.

    Raises
    ------
    ExperimentError
        As in `welch`, or no column `group`.

    References
    ----------
    Šidák (1967): sidak1967. Holm (1979): holm1979. DerSimonian & Laird (1986): dersimonian1986. Efron & Morris (1975):
    efron1975.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "x"] * 8, "group": ["a"] * 8 + ["b"] * 8,
    ...                       "spend": [1.0, 2, 2, 4, 1, 2, 2, 4, 1, 5, 2, 9, 1, 5, 2, 9]})
    >>> segment_effects(users, outcome="spend", min_cell=1)[["group", "users", "difference", "shrunk"]].round(2)
      group  users  difference  shrunk
    0     a      8         1.5    1.60
    1     b      8         5.5    5.15
    """
    names = ["arm", "group", "users", "difference", "simultaneous_ci_low", "simultaneous_ci_high"]
    names += ["standard_error", "p_holm", "shrunk", "hidden"]
    if reason := why_not(users, control=control):
        return missing(names, reason)
    if "group" not in users.columns:
        raise ExperimentError("users has no column 'group'; make it with with_group(...)")
    table = _cells(users, outcome, control)
    table = suppress(table, count="smallest", min_cell=min_cell, values=["users"], by="arm")
    shown = (table.hidden == "") & (table.smallest.notna())
    if not shown.any():
        return missing(names, f"no group has {min_cell} participants and buyers in both arms")
    found = [_effect(users, row, outcome, control, level ** (1 / shown.sum())) for row in table[shown].itertuples()]
    table = table.join(pd.DataFrame(found, index=table.index[shown]))
    if table.difference.isna().all():
        return missing(names, "the outcome is the same for all participants of every group")
    table["p_holm"] = holm(table.p_value.dropna()).reindex(table.index)
    table["shrunk"] = np.nan
    for _, part in table.dropna(subset=["difference"]).groupby("arm"):
        table.loc[part.index, "shrunk"] = _shrunk(part.difference.to_numpy(), part.standard_error.to_numpy())
    return table[names]


def _cells(users: pd.DataFrame, outcome: str, control: str) -> pd.DataFrame:
    """One row a treated arm and group: its participants with those of the control, and the smallest number in it."""
    outcome_values(users, [outcome])
    bought = users["purchased"] > 0 if "purchased" in users.columns else np.True_
    keyed = users.assign(arm=users["arm"].astype(str), bought=bought).groupby(["group", "arm"])["bought"]
    people, buyers = (count.unstack("arm", fill_value=0) for count in (keyed.size(), keyed.sum()))
    arms = [a for a in people.columns if a != control]
    rows = [
        (a, g, int(people.at[g, a] + people.at[g, control]), int(min(buyers.at[g, a], buyers.at[g, control])))
        for a in arms
        for g in people.index
    ]
    return pd.DataFrame(rows, columns=["arm", "group", "users", "smallest"])


def _effect(users: pd.DataFrame, row, outcome: str, control: str, level: float) -> dict:
    here = users[users["group"] == row.group]
    arms, values = here["arm"].astype(str).to_numpy(), here[outcome].to_numpy(float)
    found = welch_row(values[arms == row.arm], values[arms == control], level=level)
    names = {"difference": "difference", "ci_low": "simultaneous_ci_low", "ci_high": "simultaneous_ci_high"}
    names |= {"standard_error": "standard_error", "p_value": "p_value"}
    return {new: found.get(old, math.nan) for old, new in names.items()}


def _shrunk(effects: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Each effect pulled to their mean, as DerSimonian and Laird's spread between the groups asks for."""
    spread, _ = _spread(effects, errors)
    weight = 1 / (spread + errors**2)
    center = (weight @ effects) / weight.sum()
    return center + spread * weight * (effects - center)


def _spread(effects: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """τ², the variance of the true effects between the groups, and Cochran's Q."""
    weight = errors**-2.0
    q = float(weight @ (effects - (weight @ effects) / weight.sum()) ** 2)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return (max(0.0, (q - len(effects) + 1) / scale) if scale > 1e-12 * weight.sum() else 0.0), q


def interaction_test(effects: pd.DataFrame) -> pd.DataFrame:
    """Do the groups differ at all? The test to make before a single group is read.

    Cochran's Q = Σ (d − d̄)²/SE² over the groups, d̄ weighted by 1/SE²; χ² with groups − 1 degrees of freedom when the
    true effect is the same in all. This is the test of arm × group with a variance of its own in every cell.

    Parameters
    ----------
    effects : DataFrame
        From `segment_effects`.

    Returns
    -------
    DataFrame
        One row a treated arm: `arm`, `groups`, `q`, `p_value`, `spread` (τ, the standard deviation of the true effects
        between groups, unit of the outcome), `groups_differ` ('yes, more than chance' where p < 0.05, else 'not
        shown'). Missing with one group.

    References
    ----------
    Cochran (1954): cochran1954. Gail & Simon (1985): gail1985.

    Examples
    --------
    Effects 1 and 3 with errors 0.5: Q = (1 + 1)/0.25 = 8.

    >>> effects = pd.DataFrame({"arm": ["x", "x"], "difference": [1.0, 3.0], "standard_error": [0.5, 0.5]})
    >>> interaction_test(effects).round(4)[["q", "p_value", "groups_differ"]]
         q  p_value          groups_differ
    0  8.0   0.0047  yes, more than chance
    """
    names = ["arm", "groups", "q", "p_value", "spread", "groups_differ"]
    known = effects.dropna(subset=["difference"]) if len(effects) else effects
    rows = []
    for arm, part in known.groupby("arm") if len(known) else []:
        if len(part) < 2:
            continue
        spread, q = _spread(part.difference.to_numpy(float), part.standard_error.to_numpy(float))
        p = float(chi2.sf(q, len(part) - 1))
        rows.append((arm, len(part), q, p, math.sqrt(spread), _words(p)))
    if not rows:
        return missing(names, effects.attrs.get("reason", "there is only one group that can be shown"))
    return pd.DataFrame(rows, columns=names)


def _words(p: float) -> str:
    return "yes, more than chance" if p < DIFFERENT else "not shown"


def with_segment_truth(
    effects: pd.DataFrame, truth: pd.DataFrame, *, campaign: str, by: str, column: str = "cate_spend"
) -> pd.DataFrame:
    """`segment_effects` with the true mean effect of each group's participants beside it; unchanged for real data.

    Parameters
    ----------
    effects : DataFrame
        From `segment_effects`.
    truth : DataFrame
        One row a campaign, arm, feature and value, with the true effect: cate.csv of the simulated shop.
    campaign, by : str
        The campaign_id and the feature.
    column : str
        The true effect's column.

    Returns
    -------
    DataFrame
        `effects` with `truth` and `covered` (missing where the group is hidden), where the truth knows the feature.

    Examples
    --------
    >>> effects = pd.DataFrame({"arm": ["x"], "group": ["1"], "difference": [2.0], "simultaneous_ci_low": [0.0],
    ...                         "simultaneous_ci_high": [4.0]})
    >>> truth = pd.DataFrame({"campaign_id": ["aug"], "arm": ["x"], "feature": ["city_tier"], "value": ["1"],
    ...                       "cate_spend": [3.0]})
    >>> with_segment_truth(effects, truth, campaign="aug", by="city_tier")[["group", "truth", "covered"]]
      group  truth  covered
    0     1    3.0     True
    """
    if effects.empty or truth.empty:
        return effects
    known = truth[(truth["campaign_id"].astype(str) == str(campaign)) & (truth["feature"] == by)]
    known = known.assign(group=known["value"].astype(str), truth=known[column])[["arm", "group", "truth"]]
    joined = effects.merge(known, on=["arm", "group"], how="left")
    if joined.truth.isna().all():
        return effects
    inside = (joined.simultaneous_ci_low <= joined.truth) & (joined.truth <= joined.simultaneous_ci_high)
    shown = joined.difference.notna() & joined.truth.notna()
    return joined.assign(truth=joined.truth.where(shown), covered=inside.astype("boolean").where(shown))
