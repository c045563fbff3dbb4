"""What could spoil a comparison beside the sizes of the arms, and A/A tests on the shop's own people."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import t

from helpers.campaigns.arms import arm_counts, sample_ratio_test
from helpers.campaigns.comparison import outcome_values
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.intervals import rate

CELLS = 4_000_000  # people × experiments held in memory at a time


def overlaps(users: pd.DataFrame, assignments: ir.Table, campaigns: ir.Table) -> pd.DataFrame:
    """Who of the participants was in another campaign at the same time, and was he so in all arms alike?

    Two windows overlap when neither ends before the other starts. Overlap is harmless as long as the other campaign was
    given to all arms alike; the sample-ratio test over those people says whether it was.

    Parameters
    ----------
    users : DataFrame
        One row a participant of one campaign: `campaign_id`, `user_id`, `arm`.
    assignments, campaigns : Table
        As in `helpers.tables`.

    Returns
    -------
    DataFrame
        One row an overlapping campaign, by name: `other_campaign`, `people` (of `users`, in both), `share`, `p_value`
        (of the shares of the arms). Missing, with its reason, where no window overlaps.

    Examples
    --------
    >>> import ibis
    >>> users = pd.DataFrame({"campaign_id": "a", "user_id": [1, 2], "arm": ["control", "x"]})
    >>> who = ibis.memtable({"campaign_id": ["b", "b"], "user_id": [2, 3]})
    >>> when = ibis.memtable({"campaign_id": ["a", "b"], "starts_at": [0, 50], "ends_at": [60, 99]})
    >>> overlaps(users, who, when)[["other_campaign", "people", "share"]]
      other_campaign  people  share
    0              b       1    0.5
    """
    names = ["other_campaign", "people", "share", "p_value"]
    if users.empty:
        return missing(names, users.attrs.get("reason", "there are no participants"))
    here = users["campaign_id"].iloc[0]
    plan = campaigns.select("campaign_id", "starts_at", "ends_at").execute().set_index("campaign_id")
    window = plan.loc[here]
    at_once = plan[(plan.starts_at <= window.ends_at) & (window.starts_at <= plan.ends_at) & (plan.index != here)]
    if at_once.empty:
        return missing(names, "no other campaign runs in its window")
    who = assignments.filter(assignments.campaign_id.isin(list(at_once.index))).select("campaign_id", "user_id")
    both = users[["user_id", "arm"]].merge(who.distinct().execute(), on="user_id")
    planned = (arm_counts(users) / len(users)).to_dict()
    rows = []
    for other, part in both.groupby("campaign_id", sort=True):
        counts = arm_counts(part).reindex(planned, fill_value=0)
        test = sample_ratio_test(counts, expected=planned)
        rows.append((str(other), len(part), len(part) / len(users), None if test.empty else test.p_value[0]))
    return pd.DataFrame(rows, columns=names) if rows else missing(names, "no participant is in another campaign")


def conditions(
    users: pd.DataFrame,
    *,
    assignments: ir.Table,
    campaigns: ir.Table,
    control: str = "control",
    min_cell: int = 10,
) -> pd.DataFrame:
    """What a fair comparison needs beside the draw, checked one by one.

    Parameters
    ----------
    users : DataFrame
        One row a participant of one campaign, from `participants`.
    assignments, campaigns : Table
        As in `helpers.tables`.
    control : str
        Name of the arm without treatment.
    min_cell : int
        Smallest number of people that is printed.

    Returns
    -------
    DataFrame
        One row a check: `check`, `found` ('none', 'fewer than 10 people', or how many), `meaning` (what it does to the
        comparison; '–' where nothing was found). Missing without participants.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapters 3 and 22: kohavi2020.

    Examples
    --------
    >>> import ibis
    >>> users = pd.DataFrame({"campaign_id": "a", "user_id": [1, 2], "arm": ["control", "x"], "contacts": [2, 1],
    ...                       "spend": [0.0, 5.0], "margin": [0.0, 2.0], "contact_cost": [0.2, 0.1]})
    >>> who = ibis.memtable({"campaign_id": ["a", "a"], "user_id": [1, 2], "assigned_at": [5, 5]})
    >>> when = ibis.memtable({"campaign_id": ["a"], "starts_at": [9], "ends_at": [60]})
    >>> conditions(users, assignments=who, campaigns=when, min_cell=1)[["check", "found"]].head(2)
                                       check     found
    0  people of the control who got messages  1 person
    1               people drawn after the start      none
    """
    names = ["check", "found", "meaning"]
    if users.empty:
        return missing(names, users.attrs.get("reason", "there are no participants"))
    plain = [*_contacted(users, control), *_late(users, assignments, campaigns), *_amounts(users)]
    rows = [(check, _people(n, min_cell), meaning if n else "–") for check, n, meaning in plain]
    return pd.DataFrame(rows + _overlap_rows(users, assignments, campaigns, min_cell), columns=names)


def _contacted(users: pd.DataFrame, control: str) -> list[tuple[str, int, str]]:
    n = int(((users["arm"] == control) & (users["contacts"] > 0)).sum())
    return [("people of the control who got messages", n, "the control was treated, too: the effect is understated")]


def _late(users: pd.DataFrame, assignments: ir.Table, campaigns: ir.Table) -> list[tuple[str, int, str]]:
    if "assigned_at" not in assignments.columns:
        return []
    here = users["campaign_id"].iloc[0]
    start = int(campaigns.filter(campaigns.campaign_id == here).starts_at.max().execute())
    late = assignments.filter((assignments.campaign_id == here) & (assignments.assigned_at > start))
    meaning = "what they did before the draw is counted: leave their earlier days out"
    return [("people drawn after the start", int(late.count().execute()), meaning)]


def _amounts(users: pd.DataFrame) -> list[tuple[str, int, str]]:
    return [
        (
            "people with a negative spend",
            int((users["spend"] < 0).sum()),
            "discounts above the price, or returned goods",
        ),
        ("people whose margin is not known", int(users["margin"].isna().sum()), "no profit: give items a unit_margin"),
        ("people whose cost is not known", int(users["contact_cost"].isna().sum()), "no profit: give a unit_cost"),
    ]


def _overlap_rows(users, assignments: ir.Table, campaigns: ir.Table, min_cell: int) -> list[tuple[str, str, str]]:
    table = overlaps(users, assignments, campaigns)
    check = "people in another campaign at the same time"
    if table.empty:
        return [(check, "none", "–")]
    rows = []
    for row in table.itertuples():
        even = pd.isna(row.p_value) or row.p_value >= 0.001
        meaning = f"{row.other_campaign}: " + (
            "over the arms as the draw would give; the effect is that beside the other campaign"
            if even
            else "NOT over the arms as the draw would give; part of the difference may be that campaign's"
        )
        rows.append((check, _people(row.people, min_cell), meaning))
    return rows


def _people(n: int, min_cell: int) -> str:
    if n == 0:
        return "none"
    if n < min_cell:
        return f"fewer than {min_cell} people"
    return f"{n:,} {'person' if n == 1 else 'people'}"


def aa_study(
    users: pd.DataFrame,
    *,
    outcomes: tuple[str, ...] = ("spend", "purchased"),
    control: str = "control",
    experiments: int = 10_000,
    alpha: float = 0.05,
    seed: int = 50,
) -> pd.DataFrame:
    """A/A: the people of the control are split by a coin many times; how often does Welch see a difference?

    Nothing was done to any of them, so every alarm is a false one. The alarm rate, the share of p-values below alpha,
    should be alpha. Far above: the test's formula does not fit this outcome (a few people carry all sales).

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm` and the outcomes.
    outcomes : tuple of str
        Numeric columns.
    control : str
        Name of the arm without treatment.
    experiments : int
        Number of splits, 1…100,000.
    alpha : float
        Chance of a false alarm that the test promises, 0…1 exclusive.
    seed : int
        Start of the random stream.

    Returns
    -------
    DataFrame
        One row an outcome: `outcome`, `people`, `experiments`, `promised_rate`, `alarm_rate`, `alarm_rate_ci_low`,
        `alarm_rate_ci_high` (Wilson). Missing with fewer than 20 people in the control, or where all are equal.

    Raises
    ------
    ExperimentError
        An argument out of its range; values that are not numbers.

    Notes
    -----
    The splits reuse the same people, so this tests the formula on their amounts, not the draw of the shop.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapter 19: kohavi2020.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": "control", "spend": range(50)})
    >>> aa_study(users, outcomes=("spend",), experiments=100)[["outcome", "people", "promised_rate"]]
      outcome  people  promised_rate
    0   spend      50           0.05
    """
    names = ["outcome", "people", "experiments", "promised_rate", "alarm_rate", "alarm_rate_ci_low"]
    names.append("alarm_rate_ci_high")
    if not 1 <= experiments <= 100_000 or not 0 < alpha < 1:
        raise ExperimentError(f"experiments {experiments!r}, alpha {alpha!r}: take 1 to 100,000 and a number in 0…1")
    if users.empty:
        return missing(names, users.attrs.get("reason", "there are no participants"))
    base = users[users["arm"].astype(str) == control]
    if len(base) < 20:
        return missing(names, f"the arm {control!r} has fewer than 20 people to split")
    values = outcome_values(base, list(outcomes))
    varied = [i for i in range(len(outcomes)) if np.ptp(values[:, i]) > 0]
    if not varied:
        return missing(names, "the outcome is the same for all people of the control")
    alarms = _alarms(values[:, varied], experiments, alpha, np.random.default_rng(seed))
    rows = []
    for column, n in zip(varied, alarms, strict=True):
        seen = rate(int(n), experiments)
        rows.append((outcomes[column], len(base), experiments, alpha, seen.value, seen.ci_low, seen.ci_high))
    return pd.DataFrame(rows, columns=names)


def _alarms(values: np.ndarray, experiments: int, alpha: float, rng: np.random.Generator) -> np.ndarray:
    """False alarms of Welch's test an outcome, many splits at a time: sums of y and y² are matrix products."""
    n, step = len(values), max(1, CELLS // len(values))
    centred = values - values.mean(axis=0)
    moments = np.hstack([centred, centred**2])
    total, alarms = moments.sum(axis=0), np.zeros(values.shape[1], int)
    for first in range(0, experiments, step):
        coin = rng.random((min(step, experiments - first), n)) < 0.5
        size, ours = coin.sum(axis=1)[:, None], coin.astype(float) @ moments
        alarms += (_welch_p(ours, size, total - ours, n - size) < alpha).sum(axis=0)
    return alarms


def _welch_p(ours: np.ndarray, n1: np.ndarray, theirs: np.ndarray, n0: np.ndarray) -> np.ndarray:
    """Welch's two-sided p from (Σy, Σy²) of both halves: experiments × outcomes; 1 where chance cannot be measured."""
    k = ours.shape[1] // 2
    means, squares = [], []
    for sums, n in ((ours, n1), (theirs, n0)):
        mean = sums[:, :k] / np.maximum(n, 1)
        means.append(mean)
        squares.append(np.maximum(sums[:, k:] - n * mean**2, 0) / np.maximum(n - 1, 1) / np.maximum(n, 1))
    variance = squares[0] + squares[1]
    below = squares[0] ** 2 / np.maximum(n1 - 1, 1) + squares[1] ** 2 / np.maximum(n0 - 1, 1)
    some = variance > 0
    gap = np.divide(np.abs(means[0] - means[1]), np.sqrt(variance), out=np.zeros_like(variance), where=some)
    degrees = np.divide(variance**2, below, out=np.ones_like(variance), where=some)
    return 2 * t.sf(gap, degrees)
