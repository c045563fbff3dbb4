"""A campaign without a control group drawn by chance: what the time before, and the people it did not reach, can tell.

None of this is an experiment. Every method here rests on an assumption that the data cannot prove: that without the
campaign the treated would have moved like the others. Placebos can only show that it is wrong.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import chi2

from helpers.campaigns.comparison import welch_row
from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, NotAnswerable, missing
from helpers.study import nearest

WEEK = 604_800
LABEL = "not an experiment"
"""What every estimate of this module is called on the page."""


@dataclass(frozen=True)
class Rollout:
    """A campaign followed over time: its people with their spend in each week, and its last week (0 is the first)."""

    campaign: str
    table: pd.DataFrame
    last: int

    @property
    def length(self) -> int:
        """Weeks of the campaign."""
        return self.last + 1

    def sizes(self) -> pd.DataFrame:
        """Both sides: `side`, `people`, `spend_before` and `spend_in_campaign` (currency units a person and week)."""
        names = ["side", "people", "spend_before", "spend_in_campaign"]
        if self.table.empty:
            return missing(names, self.table.attrs["reason"])
        before, after = weeks_of(self.table)
        rows = []
        for words, treated in (("reached", True), ("not reached", False)):
            part = self.table[self.table.treated == treated]
            during = part[[w for w in after if w <= self.last]]
            rows.append((words, len(part), part[before].to_numpy().mean(), during.to_numpy().mean()))
        return pd.DataFrame(rows, columns=names)


def follow(
    campaign: str,
    *,
    assignments: ir.Table,
    campaigns: ir.Table,
    orders: ir.Table,
    users: ir.Table | None = None,
    feature: str = "city_tier",
    only: str = "",
    weeks_before: int = 6,
    weeks_later: int = 3,
    control: str = "control",
    min_cell: int = 10,
    strict: bool = True,
) -> Rollout:
    """The people of a campaign with their spend in the weeks before, during and after it.

    Parameters
    ----------
    campaign, assignments, users, feature, only, control, min_cell
        As in `reached`.
    campaigns, orders : Table
        As in `helpers.tables`.
    weeks_before, weeks_later : int
        As in `weekly_spend`; later counts from the campaign's end.
    strict : bool
        False: what cannot be read gives an empty table with its reason in place of a refusal.

    Returns
    -------
    Rollout
        With the table of `weekly_spend`.

    Raises
    ------
    NotAnswerable
        As in `reached` and `weekly_spend`, when strict.

    Examples
    --------
    >>> who = ibis.memtable({"campaign_id": ["c"], "user_id": [1], "arm": ["x"]})
    >>> plan = ibis.memtable({"campaign_id": ["c"], "starts_at": [0], "ends_at": [9]})
    >>> lines = ibis.memtable({"user_id": [1], "quantity": [1], "unit_price": [5.0], "timestamp": [0]})
    >>> follow("c", assignments=who, campaigns=plan, orders=lines, strict=False).table.attrs["reason"]
    "Fewer than 10 people were reached by 'c', or were not"
    """
    try:
        people = reached(
            campaign,
            assignments=assignments,
            users=users,
            feature=feature,
            only=only,
            control=control,
            min_cell=min_cell,
        )
        window = campaigns.filter(campaigns.campaign_id.cast("string") == str(campaign)).execute().iloc[0]
        last = max(0, math.ceil((window.ends_at + 1 - window.starts_at) / WEEK) - 1)
        weeks = {"weeks_before": weeks_before, "weeks_after": last + 1 + weeks_later}
        return Rollout(campaign, weekly_spend(people, orders, start=int(window.starts_at), **weeks), last)
    except NotAnswerable as refusal:
        if strict:
            raise
        return Rollout(campaign, missing(["user_id", "treated", "group"], str(refusal).rstrip(".")), 0)


def reached(
    campaign: str,
    *,
    assignments: ir.Table,
    users: ir.Table | None = None,
    feature: str = "city_tier",
    only: str = "",
    control: str = "control",
    min_cell: int = 10,
) -> pd.DataFrame:
    """Who was reached by a campaign and who was not, as a shop without a draw would know it.

    With `only` a roll-out to one group is staged from an experiment: of that group only the treated are kept, of the
    other groups only the control. So nobody in the group is left to compare with, and the experiment itself can grade
    what the methods here make of it.

    Parameters
    ----------
    campaign : str
        A campaign_id.
    assignments : Table
        As in `helpers.tables`.
    users : Table, optional
        The customers; needed for groups. Without it every person not reached forms one group.
    feature : str
        The column of `users` that forms the groups.
    only : str
        The value of `feature` to which the roll-out is confined; '' keeps everybody as he was assigned.
    control : str
        Name of the arm without treatment.
    min_cell : int
        Fewest people on either side.

    Returns
    -------
    DataFrame
        One row a person: `user_id`, `treated` (true/false), `group` (text).

    Raises
    ------
    NotAnswerable
        No such campaign, no such group, or too few people on a side.

    Examples
    --------
    >>> who = ibis.memtable({"campaign_id": ["c"] * 4, "user_id": [1, 2, 3, 4], "arm": ["x", "control"] * 2})
    >>> people = ibis.memtable({"user_id": [1, 2, 3, 4], "city_tier": [1, 1, 2, 2]})
    >>> reached("c", assignments=who, users=people, only="1", min_cell=1)[["user_id", "treated", "group"]]
       user_id  treated group
    0        1     True     1
    1        4    False     2
    """
    here = assignments.filter(assignments.campaign_id.cast("string") == str(campaign)).select(
        "user_id", treated=_.arm != control
    )
    if users is not None and feature in users.columns:
        groups = users.select("user_id", group=users[feature].cast("string").fill_null("not known"))
        here = here.left_join(groups, "user_id").drop("user_id_right").fill_null({"group": "not known"})
    else:
        here = here.mutate(group=ibis.literal("all"))
    table = here.order_by("user_id").execute()
    if table.empty:
        known = sorted(map(str, assignments.campaign_id.as_table().distinct().execute().iloc[:, 0]))
        raise NotAnswerable(f"There is no campaign {campaign!r} with participants. {nearest(campaign, known)}")
    if only:
        table = table[(table.group == only) == table.treated].reset_index(drop=True)
    smallest = min(int(table.treated.sum()), int((~table.treated).sum()))
    if smallest < min_cell:
        where = f" with {feature} {only!r}" if only else ""
        raise NotAnswerable(f"Fewer than {min_cell} people{where} were reached by {campaign!r}, or were not.")
    return table


def weekly_spend(
    people: pd.DataFrame, orders: ir.Table, *, start: int, weeks_before: int, weeks_after: int
) -> pd.DataFrame:
    """What each person spent in each week around the start.

    Parameters
    ----------
    people : DataFrame
        One row a person, from `reached`.
    orders : Table
        As in `helpers.tables`.
    start : int
        First second of the campaign; weeks are counted from it.
    weeks_before, weeks_after : int
        Weeks that are kept; only whole weeks that the log holds count.

    Returns
    -------
    DataFrame
        `people` and one column a week, named by a number: −1 is the week before the start, 0 the first week of the
        campaign (currency units; 0 where nothing was bought).

    Raises
    ------
    NotAnswerable
        The log holds fewer than two weeks before the start, or none after it.

    Examples
    --------
    >>> people = pd.DataFrame({"user_id": [1, 2], "treated": [True, False], "group": ["a", "b"]})
    >>> lines = ibis.memtable({"user_id": [1, 1, 2, 1], "quantity": [1, 1, 2, 1], "unit_price": [5.0, 7.0, 2.0, 1.0],
    ...                        "timestamp": [0, 700_000, 1_300_000, 1_900_000]})
    >>> weekly_spend(people, lines, start=1_209_600, weeks_before=2, weeks_after=1)[[-2, -1, 0]].values.tolist()
    [[5.0, 7.0, 0.0], [0.0, 0.0, 4.0]]
    """
    span = orders.agg(first=_.timestamp.min(), last=_.timestamp.max()).execute().iloc[0]
    if pd.isna(span["first"]):
        raise NotAnswerable("There are no orders.")
    slack = WEEK // 7  # the first and last order lie a little inside the log
    weeks = range(
        max(-weeks_before, -int((start - span["first"] + slack) // WEEK)),
        min(weeks_after, int((span["last"] - start + slack) // WEEK)),
    )
    if len(weeks) == 0 or weeks[0] > -2 or weeks[-1] < 0:
        raise NotAnswerable("The log needs two whole weeks before the campaign and one after its start.")
    discount = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    lines = orders.mutate(
        week=((orders.timestamp - start) / WEEK).floor().cast("int64"),
        paid=(orders.quantity * orders.unit_price - discount).cast("float64"),
    ).filter(_.week >= weeks[0], _.week <= weeks[-1])
    sums = lines.group_by("user_id", "week").agg(paid=_.paid.sum()).execute()
    wide = sums.pivot(index="user_id", columns="week", values="paid").reindex(columns=list(weeks))
    return people.join(wide, on="user_id").fillna(dict.fromkeys(weeks, 0.0))


def weeks_of(table: pd.DataFrame) -> tuple[list[int], list[int]]:
    """The weeks before and after the start that a table of `weekly_spend` holds.

    >>> weeks_of(pd.DataFrame(columns=["user_id", -2, -1, 0, 1]))
    ([-2, -1], [0, 1])
    """
    weeks = sorted(c for c in table.columns if isinstance(c, (int, np.integer)))
    return [w for w in weeks if w < 0], [w for w in weeks if w >= 0]


def simple_comparisons(table: pd.DataFrame, *, last: int, level: float = 0.95) -> pd.DataFrame:
    """Three readings of the same campaign, from naive to less naive.

    After only: treated less others after the start; it takes who was chosen for what was done. Before and after: the
    treated alone; it takes the season for the campaign. Difference in differences (DiD):
    (ȳ₁ after − ȳ₁ before) − (ȳ₀ after − ȳ₀ before), right when both would have changed alike. Intervals by Welch over
    persons, on each person's mean a week.

    Parameters
    ----------
    table : DataFrame
        From `weekly_spend`.
    last : int
        The last week of the campaign, ≥ 0.
    level : float
        Level of the intervals, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a reading: `method`, `difference`, `ci_low`, `ci_high`, `p_value`, `assumes`; currency units a person
        and week. Missing where spend does not vary.

    Raises
    ------
    ExperimentError
        No week of the campaign is in the table.

    References
    ----------
    Card & Krueger (1994): card1994. Bertrand, Duflo & Mullainathan (2004), why persons and not weeks are the unit:
    bertrand2004.

    Examples
    --------
    Treated 4 → 9, others 3 → 5: (9 − 4) − (5 − 3) = 3.

    >>> table = pd.DataFrame({"treated": [True, True, False, False], -2: [3.0, 5, 2, 4], -1: [3.0, 5, 2, 4],
    ...                       0: [7.0, 11, 5, 5]})
    >>> simple_comparisons(table, last=0)[["method", "difference"]]
                          method  difference
    0                 after only         4.0
    1           before and after         5.0
    2  difference in differences         3.0
    """
    names = ["method", "difference", "ci_low", "ci_high", "p_value", "assumes"]
    if table.empty:
        return missing(names, table.attrs["reason"])
    before, after = weeks_of(table)
    after = [w for w in after if w <= last]
    if not before or not after:
        raise ExperimentError(f"last {last!r}: the table has no week before, or none of the campaign")
    old, new = table[before].mean(axis=1).to_numpy(float), table[after].mean(axis=1).to_numpy(float)
    treated = table["treated"].to_numpy(bool)
    rows = {
        "after only": (welch_row(new[treated], new[~treated], level=level), "both spend alike without the campaign"),
        "before and after": (_paired(new[treated] - old[treated], level), "no season, no other event"),
        "difference in differences": (
            welch_row((new - old)[treated], (new - old)[~treated], level=level),
            "both change alike without the campaign",
        ),
    }
    if any("reason" in row for row, _words in rows.values()):
        return missing(names, "the spend does not vary, or a side has fewer than two people")
    found = [(m, r["difference"], r["ci_low"], r["ci_high"], r["p_value"], words) for m, (r, words) in rows.items()]
    return pd.DataFrame(found, columns=names)


def _paired(change: np.ndarray, level: float) -> dict:
    """The mean change of the same people, as a Welch row against a group without any."""
    if len(change) < 2 or np.ptp(change) == 0:
        return {"reason": "the change is the same for all"}
    return welch_row(change, np.zeros(2), level=level)


def weekly_gaps(table: pd.DataFrame, *, last: int, level: float = 0.95) -> pd.DataFrame:
    """The event study: how far apart the treated and the others are in each week, less what is usual between them.

    gap_w = (ȳ₁w − ȳ₀w) − mean of the gaps of the *other* weeks before the start. Before the start it should be 0 but
    for chance: these are placebos in time. In the weeks after the end they show whether the
    effect stays, or a bias does.

    Parameters
    ----------
    table, last, level
        As in `simple_comparisons`.

    Returns
    -------
    DataFrame
        One row a week: `week`, `when` ('before', 'campaign', 'after it'), `gap`, `ci_low`, `ci_high` (currency units a
        person), `label`.

    References
    ----------
    Freyaldenhoven, Hansen & Shapiro (2019), events that the past foretells: freyaldenhoven2019.

    Examples
    --------
    >>> table = pd.DataFrame({"treated": [True, True, False, False], -2: [3.0, 5, 2, 5], -1: [3.0, 5, 2, 4],
    ...                       0: [7.0, 11, 5, 5]})
    >>> weekly_gaps(table, last=0)[["week", "when", "gap"]].values.tolist()
    [[-2, 'before', -0.5], [-1, 'before', 0.5], [0, 'campaign', 3.25]]
    """
    names = ["week", "when", "gap", "ci_low", "ci_high", "label"]
    if table.empty:
        return missing(names, table.attrs["reason"])
    before, after = weeks_of(table)
    treated, rows = table["treated"].to_numpy(bool), []
    for week in [*before, *after]:
        usual = table[[w for w in before if w != week]].mean(axis=1) if len(before) > 1 else 0.0
        own = (table[week] - usual).to_numpy(float)
        row = welch_row(own[treated], own[~treated], level=level)
        if "reason" not in row:
            when = "before" if week < 0 else "campaign" if week <= last else "after it"
            rows.append((week, when, row["difference"], row["ci_low"], row["ci_high"], f"week {week:+d} · {when}"))
    return pd.DataFrame(rows, columns=names) if rows else missing(names, "the spend does not vary")


def placebo_in_time(table: pd.DataFrame, *, last: int, level: float = 0.95) -> pd.DataFrame:
    """Two tests of the assumption: did both move alike before the start, and do they agree again after the end?

    Before: all weekly gaps at once, χ² with weeks − 1 degrees of freedom, covariance over persons. After: DiD with the
    weeks after the campaign's end in place of the campaign. A small p-value says that the assumption is wrong, or that
    the effect lasts. A large one proves nothing.

    Parameters
    ----------
    table, last, level
        As in `simple_comparisons`.

    Returns
    -------
    DataFrame
        One row a test: `test`, `difference`, `ci_low`, `ci_high` (missing for the joint test), `p_value`, `reading`.

    References
    ----------
    Roth (2022), what a passed test of trends before is worth: roth2022.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> table = pd.DataFrame(rng.exponential(5, (60, 5)), columns=[-3, -2, -1, 0, 1]).assign(treated=[True, False] * 30)
    >>> placebo_in_time(table, last=0)["test"].tolist()
    ['weeks before the start, together', 'weeks after the end']
    """
    names = ["test", "difference", "ci_low", "ci_high", "p_value", "reading"]
    if table.empty:
        return missing(names, table.attrs["reason"])
    before, after = weeks_of(table)
    later = [w for w in after if w > last]
    rows = [("weeks before the start, together", math.nan, math.nan, math.nan, _trend_p(table, before))]
    if later:
        gap = simple_comparisons(table[[*before, "treated"]].join(table[later]), last=max(later), level=level)
        if len(gap):
            rows.append(("weeks after the end", *gap.iloc[-1][["difference", "ci_low", "ci_high", "p_value"]]))
    rows = [(*row, _reading(row[0], row[-1], 1 - level)) for row in rows if not math.isnan(row[-1])]
    return pd.DataFrame(rows, columns=names) if rows else missing(names, "too few weeks for a placebo")


def _reading(test: str, p: float, alpha: float) -> str:
    if p >= alpha:
        return "no contradiction, no proof"
    return "FAILED: not alike before" if "before" in test else "FAILED: not alike, or the effect lasts"


def _trend_p(table: pd.DataFrame, before: list[int]) -> float:
    """p-value of 'the gap is the same in all weeks before'; NaN with fewer than two weeks or without spread."""
    if len(before) < 2:
        return math.nan
    values, treated = table[before].to_numpy(float), table["treated"].to_numpy(bool)
    contrasts = values[:, :-1] - values.mean(axis=1, keepdims=True)
    gap = contrasts[treated].mean(axis=0) - contrasts[~treated].mean(axis=0)
    cover = sum(
        np.atleast_2d(np.cov(part, rowvar=False)) / len(part) for part in (contrasts[treated], contrasts[~treated])
    )
    if np.linalg.matrix_rank(cover) < len(gap):
        return math.nan
    return float(chi2.sf(gap @ np.linalg.solve(cover, gap), len(gap)))


def group_panel(
    table: pd.DataFrame, *, users: ir.Table | None, by: list[str], last: int, min_cell: int = 10
) -> pd.DataFrame:
    """The mean spend of the treated and of each group of the others, week by week: a panel for `panel_methods`.

    Parameters
    ----------
    table : DataFrame
        From `weekly_spend`.
    users : Table
        The customers.
    by : list of str
        Columns of `users` whose combinations form the groups of the people who were not reached.
    last : int
        The last week of the campaign; later weeks are left out.
    min_cell : int
        Smaller groups are left out.

    Returns
    -------
    DataFrame
        One row a week, one column a group, 'treated' first (currency units a person). Missing with fewer than three
        groups.

    Examples
    --------
    >>> table = pd.DataFrame({"user_id": [1, 2, 3, 4], "treated": [True, False, False, False], -1: [1.0, 2, 3, 4]})
    >>> people = ibis.memtable({"user_id": [1, 2, 3, 4], "tier": [1, 2, 3, 4]})
    >>> group_panel(table, users=people, by=["tier"], last=0, min_cell=1).columns.tolist()
    ['treated', '2', '3', '4']
    """
    if table.empty:
        return missing(["treated"], table.attrs["reason"])
    known = [c for c in by if users is not None and c in users.columns]
    if not known:
        return missing(["treated"], f"the study's customers have none of the columns {', '.join(by)}")
    people = users.select("user_id", *known).execute().astype(dict.fromkeys(known, str))
    unit = people.assign(unit=people[known].agg(" · ".join, axis=1))[["user_id", "unit"]]
    joined = table.merge(unit, on="user_id", how="left").fillna({"unit": "not known"})
    joined["unit"] = joined["unit"].where(~joined["treated"], "treated")
    sizes = joined.groupby("unit").size()
    units = ["treated", *sorted(u for u in sizes.index if u != "treated" and sizes[u] >= min_cell)]
    if len(units) < 4:
        return missing(units, f"fewer than three groups of {min_cell} people were not reached")
    before, after = weeks_of(joined)
    weeks = [*before, *(w for w in after if w <= last)]
    return joined.groupby("unit")[weeks].mean().T[units].rename_axis(index=None, columns=None)


def graded(
    estimates: pd.DataFrame, people: pd.DataFrame, outcomes: pd.DataFrame, *, campaign: str, weeks: int
) -> pd.DataFrame:
    """Each method's estimate beside the true mean effect on the people reached, a person and week.

    Parameters
    ----------
    estimates : DataFrame
        `method`, `difference`, `ci_low`, `ci_high`.
    people : DataFrame
        From `reached`.
    outcomes : DataFrame
        One row a participant with `campaign_id`, `user_id`, `effect` (on his spend in the window):
        potential_outcomes.csv of the simulated shop.
    campaign : str
        The campaign_id.
    weeks : int
        Length of the window, weeks.

    Returns
    -------
    DataFrame
        `method`, `difference`, `ci_low`, `ci_high`, `truth`, `error`, `covered`; without truth the first four columns.

    Examples
    --------
    >>> estimates = pd.DataFrame({"method": ["DiD"], "difference": [3.0], "ci_low": [1.0], "ci_high": [5.0]})
    >>> people = pd.DataFrame({"user_id": [1, 2], "treated": [True, False]})
    >>> outcomes = pd.DataFrame({"campaign_id": ["c", "c"], "user_id": [1, 2], "effect": [8.0, 0.0]})
    >>> graded(estimates, people, outcomes, campaign="c", weeks=2)[["difference", "truth", "covered"]]
       difference  truth  covered
    0         3.0    4.0     True
    """
    names = ["method", "difference", "ci_low", "ci_high"]
    if estimates.empty:
        return estimates
    truth = true_effect_of_reached(people, outcomes, campaign=campaign, weeks=weeks)
    if truth is None:
        return estimates[names]
    inside = (estimates.ci_low <= truth) & (truth <= estimates.ci_high)
    return estimates[names].assign(truth=truth, error=estimates.difference - truth, covered=inside)


def true_effect_of_reached(people: pd.DataFrame, outcomes: pd.DataFrame, *, campaign: str, weeks: int) -> float | None:
    """The true mean effect on the people reached, a person and week; None for real data. Arguments as in `graded`."""
    if outcomes.empty or people.empty:
        return None
    known = outcomes[outcomes.campaign_id.astype(str) == campaign].merge(people[people.treated], on="user_id")
    return float(known.effect.mean() / weeks) if len(known) else None


def fit_words(table: pd.DataFrame) -> str:
    """Does the synthetic control follow the treated before the start as well as the placebos follow theirs?

    `table` is from `helpers.campaigns.panel_methods.placebos`.

    >>> fit_words(pd.DataFrame({"placebo": [False, True], "fit_error": [9.0, 1.0]}))
    'POOR: 9.0 times the usual error before the start'
    """
    if table.empty:
        return f"not known, because {table.attrs['reason']}"
    is_placebo = table["placebo"].astype(bool)
    usual = float(table.fit_error[is_placebo].median())
    ratio = float(table.fit_error[~is_placebo].iloc[0]) / usual if usual > 0 else math.inf
    if ratio > 2:
        return f"POOR: {ratio:.1f} times the usual error before the start" if math.isfinite(ratio) else "POOR"
    return f"as good as the placebos': {ratio:.1f} times their error before the start"


def first_without_draw(campaigns: ir.Table) -> str:
    """The campaign_id of the earliest campaign whose arms were not drawn by chance; '' where there is none.

    >>> first_without_draw(ibis.memtable({"campaign_id": ["a"], "starts_at": [1], "randomised": [True]}))
    ''
    """
    chosen = campaigns.filter(~campaigns.randomised.cast("boolean")).order_by("starts_at", "campaign_id")
    found = chosen.select("campaign_id").limit(1).execute()
    return str(found.campaign_id[0]) if len(found) else ""


def chosen_estimate(
    table: pd.DataFrame, rollout: Rollout, outcomes: pd.DataFrame, *, method: str = "difference in differences"
) -> tuple[Estimate, float | None]:
    """One method's estimate for a finding, and the truth a person and week (None for real data).

    >>> table = pd.DataFrame({"method": ["m"], "difference": [2.0], "ci_low": [1.0], "ci_high": [3.0]})
    >>> chosen_estimate(table, Rollout("c", pd.DataFrame(), 0), pd.DataFrame(), method="m")[0].value
    2.0
    """
    truth = true_effect_of_reached(rollout.table, outcomes, campaign=rollout.campaign, weeks=rollout.length)
    row = table[table["method"] == method] if len(table) else table
    if row.empty:
        return Estimate.missing(table.attrs.get("reason", f"{method} could not be computed")), truth
    return Estimate(*(float(row[c].iloc[0]) for c in ("difference", "ci_low", "ci_high"))), truth


def placebo_words(tests: pd.DataFrame) -> str:
    """The last placebo in time in words, for a sentence.

    >>> placebo_words(pd.DataFrame({"test": ["weeks after the end"], "reading": ["FAILED"], "p_value": [0.001]}))
    'weeks after the end: FAILED (p = 0.001)'
    """
    if tests.empty:
        return f"not made: {tests.attrs['reason']}"
    row = tests.iloc[-1]
    return (
        f"{row.test}: {row.reading} (p = {row.p_value:.3f})"
        if row.p_value >= 0.001
        else f"{row.test}: {row.reading} (p < 0.001)"
    )
