"""Short against long term: does a campaign add sales, or only bring them forward?"""

from __future__ import annotations

import pandas as pd

from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import overview
from helpers.findings import Estimate, missing

SEEN = 0.95
"""Share of the follow-up that the log must hold: the last order lies a little before the log's end."""


def long_term(
    everyone: pd.DataFrame, *, control: str = "control", level: float = 0.95, min_cell: int = 10
) -> pd.DataFrame:
    """The effect in the window, in the weeks after it, and of both together, for every experiment.

    net = Welch's difference of spend + spend_later, so that what one person bought earlier and later is taken together.
    A dip afterwards says that orders were only brought forward; then the net effect is what the campaign gave.

    Parameters
    ----------
    everyone : DataFrame
        One row a participant of each campaign, from `participants`, with the follow-up days chosen there.
    control, level, min_cell
        As in `helpers.campaigns.participants.overview` and `helpers.campaigns.comparison.welch`.

    Returns
    -------
    DataFrame
        One row an experiment and treated arm, by start: `campaign_id`, `arm`, `label`, `in_window`, `later`,
        `later_ci_low`, `later_ci_high`, `net`, `ci_low`, `ci_high` (of net; currency units a person), `reading`: 'new
        sales' or 'lost sales' where the net interval excludes 0, 'brought forward' where only the dip is sure.
        Campaigns after which the log ends too early are left out; without any, a missing table with its reason.

    Raises
    ------
    ExperimentError
        As in `welch`.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapter 23: kohavi2020.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": "nov", "arm": ["control"] * 3 + ["x"] * 3, "starts_at": 1,
    ...     "randomised": True, "purchased": 1, "spend": [0.0, 2, 4, 6, 8, 10], "spend_later": [6.0, 8, 10, 0, 1, 2]})
    >>> long_term(everyone, min_cell=1)[["in_window", "later", "net", "reading"]]
       in_window  later  net          reading
    0        6.0   -7.0 -1.0  brought forward
    """
    names = ["campaign_id", "arm", "label", "in_window", "later", "later_ci_low", "later_ci_high"]
    names += ["net", "ci_low", "ci_high", "reading"]
    table = overview(everyone, control=control, min_cell=min_cell)
    chosen = table[table.status == "experiment"] if len(table) else table
    parts, reasons = [], []
    for campaign in chosen.campaign_id if len(chosen) else []:
        part = _effects(everyone[everyone.campaign_id == campaign], control=control, level=level)
        (reasons if part.empty else parts).append(part.attrs["reason"] if part.empty else part)
    if not parts:
        reason = (reasons or [table.attrs.get("reason", "no campaign can be read as an experiment")])[0]
        return missing(names, reason)
    return pd.concat(parts, ignore_index=True)[names]


def _effects(users: pd.DataFrame, *, control: str, level: float) -> pd.DataFrame:
    if "later_seen_share" in users.columns and users["later_seen_share"].iloc[0] < SEEN:
        return missing(["arm"], "the log ends before the weeks after the campaign have passed")
    tables = {"now": users["spend"], "later": users["spend_later"], "net": users["spend"] + users["spend_later"]}
    found = {
        name: welch(users.assign(value=value), outcome="value", control=control, level=level)
        for name, value in tables.items()
    }
    if empty := [t for t in found.values() if t.empty]:
        return empty[0]
    later, net = found["later"], found["net"]
    return pd.DataFrame(
        {
            "campaign_id": users["campaign_id"].iloc[0],
            "arm": net.arm,
            "label": [f"{users['campaign_id'].iloc[0]} · {arm}" for arm in net.arm],
            "in_window": found["now"].difference,
            "later": later.difference,
            "later_ci_low": later.ci_low,
            "later_ci_high": later.ci_high,
            "net": net.difference,
            "ci_low": net.ci_low,
            "ci_high": net.ci_high,
            "reading": [_words(*row) for row in zip(later.ci_high, net.ci_low, net.ci_high, strict=True)],
        }
    )


def _words(later_high: float, net_low: float, net_high: float) -> str:
    lasts = "new sales" if net_low > 0 else "lost sales" if net_high < 0 else ""
    if later_high < 0:
        return f"{lasts}, a dip later" if lasts else "brought forward"
    return lasts or "cannot tell"


def with_long_term_truth(table: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """`long_term` with the true later and net effects of the simulated shop beside it; unchanged for real data.

    `truth` has one row a campaign and arm with `ate_spend` and `ate_later_spend`; added are `later_truth`, `net_truth`
    and `covered` (the interval of the net effect holds the truth).

    >>> table = pd.DataFrame({"campaign_id": ["nov"], "arm": ["x"], "net": [2.0], "ci_low": [0.0], "ci_high": [4.0]})
    >>> truth = pd.DataFrame({"campaign_id": ["nov"], "arm": ["x"], "ate_spend": [9.0], "ate_later_spend": [-6.0]})
    >>> with_long_term_truth(table, truth)[["net", "net_truth", "covered"]]
       net  net_truth  covered
    0  2.0        3.0     True
    """
    if table.empty or truth.empty:
        return table
    if absent := [c for c in ("ate_spend", "ate_later_spend") if c not in truth.columns]:
        raise ExperimentError(f"the truth has no column {', '.join(absent)}; it has {', '.join(truth.columns)}")
    known = truth.assign(later_truth=truth.ate_later_spend, net_truth=truth.ate_spend + truth.ate_later_spend)
    joined = table.merge(known[["campaign_id", "arm", "later_truth", "net_truth"]], on=["campaign_id", "arm"])
    return joined.assign(covered=(joined.ci_low <= joined.net_truth) & (joined.net_truth <= joined.ci_high))


def deepest_dip(
    table: pd.DataFrame, everyone: pd.DataFrame, *, control: str = "control", level: float = 0.95
) -> tuple[Estimate, dict]:
    """The arm with the lowest later effect, for a finding: its later effect, and the words around it.

    The lowest of m effects was picked because it is low. So its interval has the level 1 − (1 − level)/m (Bonferroni):
    with chance `level` such intervals of all m arms hold together, and the picked one, too.

    Parameters
    ----------
    table : DataFrame
        From `long_term`.
    everyone, control, level
        As in `long_term`.

    Returns
    -------
    (Estimate, dict)
        The later effect (currency units a person), and `campaign`, `arm`, `arms` (m), `in_window`, `net`, `truth`.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": "nov", "arm": ["control"] * 3 + ["x"] * 3, "starts_at": 1,
    ...     "randomised": True, "purchased": 1, "spend": [0.0, 2, 4, 6, 8, 10], "spend_later": [6.0, 8, 10, 0, 1, 2]})
    >>> value, words = deepest_dip(long_term(everyone, min_cell=1), everyone)
    >>> value.value, words["campaign"], words["arms"], words["net"]
    (-7.0, 'nov', 1, -1.0)
    """
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no experiment")), {"truth": None}
    row = table.loc[table["later"].astype(float).idxmin()]
    users = everyone[everyone["campaign_id"] == row["campaign_id"]]
    found = welch(users, outcome="spend_later", control=control, level=1 - (1 - level) / len(table))
    wide = found[found["arm"] == row["arm"]].iloc[0]
    words = {k: float(row[k]) for k in ("in_window", "net")} | {"campaign": row["campaign_id"], "arm": row["arm"]}
    words |= {"arms": len(table), "truth": row.get("later_truth")}
    return Estimate(float(wide["difference"]), float(wide["ci_low"]), float(wide["ci_high"])), words
