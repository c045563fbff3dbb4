"""Whom does the offer change? Effects by group, the four types of customers, and what a group costs (Ascarza 2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from helpers.campaigns.comparison import welch_row
from helpers.campaigns.uplift_models import halves
from helpers.campaigns.uplift_policy import policy_differences, policy_values
from helpers.campaigns.uplift_tree import Node, grow_tree
from helpers.campaigns.uplift_trial import Trial
from helpers.findings import missing
from helpers.intervals import newcombe, z_value

TYPES = ("persuadable", "sure thing", "lost cause", "sleeping dog")


def type_bounds(trial: Trial, *, level: float = 0.95) -> pd.DataFrame:
    """How many customers are of each type? Only bounds can be known: nobody is seen both with and without the offer.

    With p₁ and p₀ the share of buyers with and without the offer:

        persuadable   max(0, p₁ − p₀) … min(p₁, 1 − p₀)      buys only with the offer
        sleeping dog  max(0, p₀ − p₁) … min(p₀, 1 − p₁)      buys only without it
        sure thing    max(0, p₀ + p₁ − 1) … min(p₀, p₁)      buys in any case
        lost cause    max(0, 1 − p₀ − p₁) … min(1 − p₀, 1 − p₁)

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    level : float
        The outer interval holds both bounds' ends with at least this chance each, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a type: `type`, `lowest_share`, `highest_share` (of all customers), `outer_share_ci_low`,
        `outer_share_ci_high` (the bounds less and plus their error of chance), `truth_share` (missing for real data).

    References
    ----------
    Imbens & Rubin (2015); bounds: fan2010.
    """
    t, y = trial.treated == 1, trial.purchased
    p1, p0 = y[t].mean(), y[~t].mean()
    e1, e0 = (math.sqrt(p * (1 - p) / n) for p, n in ((p1, t.sum()), (p0, (~t).sum())))
    both = z_value(level) * math.hypot(e1, e0)
    wide = {True: z_value(level) * e1, False: z_value(level) * e0}
    ends = {
        TYPES[0]: (p1 - p0, p1, 1 - p0),
        TYPES[1]: (p0 + p1 - 1, p1, p0),
        TYPES[2]: (1 - p0 - p1, 1 - p1, 1 - p0),
        TYPES[3]: (p0 - p1, 1 - p1, p0),
    }
    rows = []
    for kind, (low, high1, high0) in ends.items():
        low, high = max(0.0, low), min(high1, high0)
        outer = max(0.0, low - both), min(1.0, high + wide[bool(high1 <= high0)])
        known = float((trial.truth["type"] == kind).mean()) if len(trial.truth) else math.nan
        rows.append((kind, low, high, *outer, known))
    names = ["type", "lowest_share", "highest_share", "outer_share_ci_low", "outer_share_ci_high", "truth_share"]
    return pd.DataFrame(rows, columns=names)


def predicted_types(
    trial: Trial, *, uplift: np.ndarray, base: np.ndarray, margin: float = 0.05, min_cell: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Customers named by what is *predicted*, with the measured effect of each name, and who they really are.

    persuadable: predicted uplift above `margin`; sleeping dog: below −`margin`; in between sure thing or lost cause, by
    whether the predicted chance to buy is above its mean. The name is a guess about a group, not a fact about a person.

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    uplift, base : array
        Predicted uplift, and predicted chance to buy, of each participant.
    margin : float
        Uplift that matters, share of people, 0…1.
    min_cell : int
        Groups with an arm of fewer people show their size only.
    level : float
        As in `effect_by_group`.

    Returns
    -------
    DataFrame
        One row a name: `named`, `customers`, `measured_rate` with
        `measured_rate_ci_low`, `measured_rate_ci_high`, and the true shares of the four types among them
        (`persuadable_share`, …; missing for real data).
    """
    likely = base > base.mean()
    kinds = np.select([uplift > margin, uplift < -margin, likely], [TYPES[0], TYPES[3], TYPES[1]], TYPES[2])
    rows = []
    for kind in TYPES:
        at = kinds == kind
        measured = _measured(trial.purchased[at], trial.treated[at], level, min_cell)
        real = [float((trial.truth["type"].to_numpy()[at] == k).mean()) if len(trial.truth) and at.any() else math.nan
                for k in TYPES]  # fmt: skip
        shown = int(at.sum()) if at.sum() == 0 or at.sum() >= min_cell else None
        rows.append((kind, shown, *measured, *real))
    names = ["named", "customers", "measured_rate", "measured_rate_ci_low"]
    names += ["measured_rate_ci_high", *(f"{k.replace(' ', '_')}_share" for k in TYPES)]
    return pd.DataFrame(rows, columns=names).astype({"customers": "Int64"})


def _measured(outcome: np.ndarray, treated: np.ndarray, level: float, least: int) -> tuple[float, float, float]:
    """Difference of the arms with its interval: Newcombe for 0/1, Welch for amounts; nan where an arm is too small."""
    one, zero = outcome[treated == 1], outcome[treated == 0]
    nothing = (math.nan,) * 3
    if min(len(one), len(zero)) < max(least, 2) or not np.isfinite(outcome).all():
        return nothing
    if np.isin(outcome, (0, 1)).all():
        found = newcombe(int(one.sum()), len(one), int(zero.sum()), len(zero), level=level)
        return found.value, found.ci_low, found.ci_high
    row = welch_row(one, zero, level=level)
    return nothing if "reason" in row else (row["difference"], row["ci_low"], row["ci_high"])


def effect_by_group(
    trial: Trial, *, by: str | pd.Series, outcome: str = "profit", min_cell: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """The measured effect of the offer in groups that were known before the draw.

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    by : str or Series
        A column of `trial.known`, or one label a participant; numbers with more than 12 values are cut at their
        quarters.
    outcome : str
        'profit' (currency units) or 'purchased' (share of people).
    min_cell : int
        Groups with an arm of fewer people are left out.
    level : float
        How often all intervals *together* cover (Bonferroni over the groups), 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a group: `group`, `customers`, `effect` with `ci_low`, `ci_high`, `truth` (missing for real data); by
        the groups' order. Empty, with a reason, where no group can be shown or the feature is not known.
    """
    names = ["group", "customers", "effect", "ci_low", "ci_high", "truth"]
    if isinstance(by, str) and by not in trial.known.columns:
        return missing(names, f"{by} is not known for these participants")
    labels = _labels(trial.known[by] if isinstance(by, str) else by)
    values = trial.profit if outcome == "profit" else trial.purchased
    known = {"profit": "profit_effect", "purchased": "purchase_effect"}[outcome]
    groups = sorted(set(labels))
    rows = []
    for group in groups:
        at = labels == group
        found = _measured(values[at], trial.treated[at], 1 - (1 - level) / len(groups), min_cell)
        rows.append((group, int(at.sum()), *found, _true_mean(trial, known, at)))
    table = pd.DataFrame(rows, columns=names).dropna(subset=["effect"]).reset_index(drop=True)
    if table.empty:
        reason = "the profit is not known" if not np.isfinite(values).all() else "every group is too small to be shown"
        return missing(names, reason)
    return table


def _true_mean(trial: Trial, column: str, at: np.ndarray) -> float:
    """The mean true effect of some people; nan for real data."""
    return float(trial.truth[column].to_numpy()[at].mean()) if len(trial.truth) and at.any() else math.nan


def _labels(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        if column.nunique() > 12:
            cuts = np.unique(column.quantile([0.25, 0.5, 0.75]))
            names = [f"{k + 1}: {'up to' if k < len(cuts) else 'above'} {cuts[min(k, len(cuts) - 1)]:g}"
                     for k in range(len(cuts) + 1)]  # fmt: skip
            return np.array(names, object)[np.searchsorted(cuts, column)]
        return column.map("{:g}".format).to_numpy(object)
    return column.astype(str).to_numpy(object)


def without_group(trial: Trial, policy: np.ndarray, *, by: str, groups: str, level: float = 0.95) -> pd.DataFrame:
    """What it costs to include a group: a list with and without its people.

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    policy : array
        Who is on the list, 0/1.
    by : str
        A column of `trial.known`.
    groups : str
        Values of it with commas between them.
    level : float
        As in `policy_values`.

    Returns
    -------
    DataFrame
        `list` ('with the group', 'without the group', and below them 'cost of including the group': the second less the
        first), `customers`, `profit` with its interval, `truth`. Empty with a reason where the feature or the groups
        are not known.
    """
    names = ["list", "customers", "profit", "profit_ci_low", "profit_ci_high", "truth"]
    wanted = {g.strip() for g in groups.split(",")}
    if by not in trial.known.columns:
        return missing(names, f"{by} is not known for these participants")
    inside = np.isin(_labels(trial.known[by]), list(wanted))
    if not inside.any():
        return missing(names, f"nobody has {by} {groups}")
    lists = pd.DataFrame({"with the group": policy, "without the group": policy * ~inside})
    values = policy_values(trial.profit, trial.treated, lists, effect=trial.effect, level=level)
    if values.empty:
        return missing(names, values.attrs["reason"])
    gap = policy_differences(
        trial.profit, trial.treated, lists, policy="without the group", against=("with the group",),
        effect=trial.effect, level=level,
    )  # fmt: skip
    cost = {"policy": "cost of including the group", "customers": int((policy * inside).sum())}
    cost |= dict(zip(names[2:], gap[["difference", "ci_low", "ci_high", "truth"]].iloc[0], strict=True))
    return pd.concat([values, pd.DataFrame([cost])], ignore_index=True).rename(columns={"policy": "list"})[names]


def tree_groups(
    trial: Trial, *, depth: int = 2, min_cell: int = 10, level: float = 0.95, seed: int = 51
) -> pd.DataFrame:
    """An uplift tree in words: found on one half of the people, measured on the other.

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    depth : int
        Questions from the root to a leaf, 1…4; 1 is the one rule.
    min_cell, level
        As in `effect_by_group`.
    seed : int
        Start of the draw of the halves.

    Returns
    -------
    DataFrame
        One row a leaf, the highest uplift first: `group` (in words), `customers` (of the second half), `found_rate`
        (uplift in the half that was searched), `measured_rate` (in the other) with `measured_rate_ci_low` and
        `measured_rate_ci_high`, `truth_rate` (of the second half; missing for real data).
    """
    half = next(halves(trial.treated, trial.purchased, repeats=1, seed=seed))
    x = trial.design.to_numpy()
    tree = grow_tree(x[half], trial.treated[half], trial.purchased[half], depth=depth)
    rows = []
    leaves = list(_leaves(tree, list(trial.design.columns), np.ones(len(trial), bool), x, ()))
    for words, inside, found in leaves:
        at = inside & ~half
        measured = _measured(trial.purchased[at], trial.treated[at], 1 - (1 - level) / len(leaves), min_cell)
        known = (
            float(trial.truth["purchase_effect"].to_numpy()[at].mean()) if len(trial.truth) and at.any() else math.nan
        )
        rows.append((words, int(at.sum()), found, *measured, known))
    names = ["group", "customers", "found_rate", "measured_rate", "measured_rate_ci_low", "measured_rate_ci_high"]
    table = pd.DataFrame(rows, columns=[*names, "truth_rate"]).dropna(subset=["measured_rate"])
    if table.empty:
        return missing([*names, "truth_rate"], "every group is too small to be shown")
    return table.sort_values("found_rate", ascending=False, kind="stable", ignore_index=True)


def _leaves(node: Node, names: list[str], inside: np.ndarray, x: np.ndarray, path: tuple[str, ...]) -> Iterator:
    if node.below is None:
        yield " and ".join(path) or "everybody", inside, node.uplift
        return
    low = x[:, node.feature] <= node.cut
    for side, branch, answer in ((low, node.below, True), (~low, node.above, False)):
        words = _question(names[node.feature], node.cut, answer)
        yield from _leaves(branch, names, inside & side, x, (*path, words))


def _question(name: str, cut: float, below: bool) -> str:
    """A branch in words: 'age_band is not 55+', 'orders_before above 2'."""
    if " = " in name:
        feature, level = name.split(" = ", 1)
        return f"{feature} is {'not ' if below else ''}{level}"
    if name.startswith("log(1 + "):
        name, cut = name.removeprefix("log(1 + ").removesuffix(")"), math.expm1(cut)
    return f"{name} {'at most' if below else 'above'} {cut:.4g}"
