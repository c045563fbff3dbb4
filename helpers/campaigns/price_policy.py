"""Differentiated prices: is a discount for some groups only worth more than one price for all?

Who picks the groups and measures their profit in the same data finds too much: the best of many groups looks good by
chance. Here the groups are picked in some people and measured in others (cross-fitting).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.power import minimum_sample_size
from helpers.campaigns.profit import profit_per_user
from helpers.findings import missing
from helpers.intervals import rate, z_value

FOLDS = 5
GAIN = "by group, less that for all"
POLICIES = ("the discount for all", "the discount by group", GAIN)


def price_policies(
    users: pd.DataFrame,
    *,
    group: str,
    truth: pd.DataFrame | None = None,
    control: str = "control",
    level: float = 0.95,
    min_cell: int = 10,
    seed: int = 0,
) -> pd.DataFrame:
    """The profit of a discount for all, and of one for the groups in which it pays, a person against the old price.

    The people are dealt into five parts. For each part the other four say which groups get the discount (profit above
    0), and the part itself says what that earns:
    τ_i = μ₁ − μ₀ + T_i(Y_i − μ₁)/e − (1 − T_i)(Y_i − μ₀)/(1 − e), value = mean of τ_i over those with the discount. μ
    are the means of a group in the other parts, e the share that was drawn for the discount. Intervals: normal, over
    people. Different prices are worth it where the last two intervals are above 0: by group is then better than no
    discount, and better than one for all.

    Parameters
    ----------
    users : DataFrame
        Participants of one experiment, as `profit_per_user` takes them, and `group`. Of several treated arms the first
        by name is taken.
    group : str
        A column known before the campaign, such as city_tier; people without it are left out.
    truth : DataFrame, optional
        True profit of the discount in each group: `group` (its value), `profit`, and `arm` where there are several.
    control, level
        As in `helpers.campaigns.profit.incremental_profit`.
    min_cell : int
        Groups with fewer people in an arm are left out.
    seed : int
        Of the parts.

    Returns
    -------
    DataFrame
        One row for each of `POLICIES`: `policy`, `offered_share` (of the people; missing in the last row), `profit`
        (currency units a person) with `ci_low`, `ci_high`, `truth`. Empty, with its reason, where no policy can be
        measured.

    References
    ----------
    Athey & Wager (2021), policy learning: athey2021. Chernozhukov et al. (2018), cross-fitting: chernozhukov2018.

    Examples
    --------
    See the notebook.
    """
    names = ["policy", "offered_share", "profit", "ci_low", "ci_high", "truth"]
    kept, reason = _comparable(users, group, control, max(min_cell, 2 * FOLDS))
    if reason:
        return missing(names, reason)
    codes, labels = pd.factorize(kept[group], sort=True)
    treated = (kept["arm"] != control).to_numpy()
    part = _parts(codes, treated, np.random.default_rng(seed))
    effect, by_group = _cross_fit(profit_per_user(kept, control=control).to_numpy(float), treated, codes, part)
    known = _known(truth, labels, arm=kept.loc[treated, "arm"].iloc[0])[codes]
    rows = []
    for policy, chosen in zip(POLICIES, (np.ones(len(kept)), by_group, by_group - 1), strict=True):
        value, half = (effect * chosen).mean(), z_value(level) * (effect * chosen).std() / math.sqrt(len(kept))
        offered = None if policy == GAIN else chosen.mean()
        rows.append((policy, offered, value, value - half, value + half, (known * chosen).mean()))
    return pd.DataFrame(rows, columns=names)


def _comparable(users: pd.DataFrame, group: str, control: str, least: int) -> tuple[pd.DataFrame, str]:
    """The people of the control and of one arm, in groups that are large enough; and why there are none."""
    if users.empty or group not in users.columns or users[group].notna().sum() == 0:
        return users, users.attrs.get("reason") or f"{group} of the participants is not known"
    if users["margin"].isna().any() or users["contact_cost"].isna().any():
        return users, "the margin of some participants, or the cost of a contact, is not known"
    arms = sorted(set(users["arm"]) - {control})
    kept = users[users["arm"].isin([control, *arms[:1]]) & users[group].notna()]
    sizes = kept.groupby([group, "arm"]).size().unstack(fill_value=0)
    large = sizes.index[(sizes.min(axis=1) >= least) & (sizes.shape[1] == 2)]
    if len(large) < 2:
        return users, f"fewer than two groups have {least} people in each arm"
    return kept[kept[group].isin(large)].reset_index(drop=True), ""


def _parts(codes: np.ndarray, treated: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each group and arm dealt out evenly over the parts, by chance."""
    order = np.lexsort((rng.random(len(codes)), treated, codes))
    part = np.empty(len(codes), dtype=int)
    part[order] = np.arange(len(codes)) % FOLDS
    return part


def _cross_fit(
    profit: np.ndarray, treated: np.ndarray, codes: np.ndarray, part: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Each person's effect, and whether the other parts give the discount to the person's group."""
    share, groups = treated.mean(), codes.max() + 1
    effect, by_group = np.zeros(len(profit)), np.zeros(len(profit))
    for fold in range(FOLDS):
        own, rest = part == fold, part != fold
        means = []
        for arm in (treated, ~treated):
            at = codes[rest & arm]
            means.append(np.bincount(at, profit[rest & arm], groups) / np.bincount(at, minlength=groups))
        gap = means[0] - means[1]
        up, low = means[0][codes[own]], means[1][codes[own]]
        t, y = treated[own], profit[own]
        effect[own] = up - low + t * (y - up) / share - (1 - t) * (y - low) / (1 - share)
        by_group[own] = gap[codes[own]] > 0
    return effect, by_group


def _known(truth: pd.DataFrame | None, labels: Iterable, *, arm: str) -> np.ndarray:
    """The true profit of each group under the arm; missing where it is not known."""
    if truth is None or truth.empty:
        return np.full(len(labels), math.nan)
    truth = truth[truth["arm"] == arm] if "arm" in truth else truth
    known = truth.assign(group=truth["group"].astype(str)).set_index("group")["profit"]
    return known.reindex([f"{v:g}" if isinstance(v, float) else str(v) for v in labels]).to_numpy(float)


def price_planner(
    users: pd.DataFrame,
    *,
    group: str,
    differences: Iterable[float],
    control: str = "control",
    power: float = 0.8,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """How many people must be drawn so that a difference in profit is found: in one price for all, and in each group.

    People an arm by `minimum_sample_size` with the standard deviation of the profit; for groups with alpha / groups,
    and so many that the smallest group has enough.

    Parameters
    ----------
    users : DataFrame
        Participants of an earlier experiment.
    group : str
        As in `price_policies`.
    differences : iterable of float
        Profits that are worth finding, currency units a person, above 0.
    control : str
        As in `price_policies`.
    power, alpha : float
        As in `minimum_sample_size`.

    Returns
    -------
    DataFrame
        One row a difference: `difference`, `people_one_price`, `people_by_group` (both arms together), `people_now`.
        Empty, with its reason, where the spread of the profit is not known.

    References
    ----------
    As in `minimum_sample_size`.

    Examples
    --------
    Standard deviation 2, two groups of the same size:

    >>> users = pd.DataFrame({"arm": ["control", "cut"] * 4, "margin": [0.0, 0, 4, 4] * 2, "contact_cost": 0.0,
    ...                       "tier": [1] * 4 + [2] * 4})
    >>> price_planner(users, group="tier", differences=[1.0]).iloc[0].tolist()
    [1.0, 128.0, 310.0, 8.0]
    """
    names = ["difference", "people_one_price", "people_by_group", "people_now"]
    kept, reason = _comparable(users, group, control, 2)
    if reason:
        return missing(names, reason)
    profit = profit_per_user(kept, control=control).astype(float)
    spread = float(np.sqrt(profit.groupby(kept["arm"]).var(ddof=0).mean()))
    shares = kept[group].value_counts(normalize=True)
    if not spread > 0:
        return missing(names, "the profit is the same for all, so chance cannot be measured")
    rows = []
    for difference in differences:
        if not difference > 0:
            raise ExperimentError(f"differences: {difference!r} is not above 0; take a profit that is worth finding")
        one, each = (
            2 * minimum_sample_size(effect=difference, sd=spread, power=power, alpha=a)
            for a in (alpha, alpha / len(shares))
        )
        rows.append((difference, math.ceil(one), math.ceil(each / shares.min()), len(kept)))
    return pd.DataFrame(rows, columns=names)


def simulate_price_groups(
    *, people: int = 4_000, differ: bool = True, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A price cut of 15 % drawn by chance in a shop with four customer groups, and its true profit in each.

    A person would buy for about 100 (gamma, shape 2) at a margin of 40 %; the cut makes it 1 + lift times as much,
    lift 0…1.2 by chance, in each group (differ) or for all alike. profit = 100·((1 + lift)·0.25 − 0.40).

    Parameters
    ----------
    people : int
        Participants, 80…10,000,000.
    differ : bool
        False: all groups answer alike, so different prices can earn nothing.
    seed : int
        Of all random draws.

    Returns
    -------
    (DataFrame, DataFrame)
        One row a participant, as `price_policies` takes it, with `group` a, b, c or d. One row a group: `group`,
        `profit`: the truth.

    Raises
    ------
    ExperimentError
        people is out of range.

    Examples
    --------
    >>> users, truth = simulate_price_groups(people=400, differ=False, seed=1)
    >>> sorted(users.group.unique()), truth.profit.nunique()
    (['a', 'b', 'c', 'd'], 1)
    """
    if not 80 <= people <= 10_000_000:
        raise ExperimentError(f"people {people!r}: take 80 to 10,000,000 participants")
    rng = np.random.default_rng(seed)
    lift = rng.uniform(0, 1.2, 4) if differ else np.full(4, rng.uniform(0, 1.2))
    group, cut = rng.choice(4, people, p=[0.4, 0.3, 0.2, 0.1]), rng.random(people) < 0.5
    bought = rng.gamma(2.0, 50.0, people) * np.where(cut, 1 + lift[group], 1.0)
    users = pd.DataFrame({"arm": np.where(cut, "cut", "control"), "group": np.array(list("abcd"))[group]})
    users = users.assign(margin=bought * np.where(cut, 0.25, 0.40), contact_cost=0.0)
    return users, pd.DataFrame({"group": list("abcd"), "profit": 100 * ((1 + lift) * 0.25 - 0.40)})


def price_study(*, shops: int = 100, people: int = 4_000, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Many simulated shops whose groups differ, or not: do intervals cover, and is a gain claimed wrongly?

    Parameters
    ----------
    shops : int
        Simulated shops of each kind, 1…100000.
    people, seed
        As in `simulate_price_groups`.
    level : float
        As in `price_policies`.

    Returns
    -------
    DataFrame
        One row a kind of shop: `groups` ('differ', 'are alike'), `shops`, `true_gain` and `found_gain` (of the discount
        by group over the better one price; means, currency units a person), `same_people_gain` (where groups are
        picked and measured in the same people: too high), `covered_share` (of the difference to the discount for all)
        with its Wilson interval, `claimed_share` (both intervals above 0, see `price_policies`).

    References
    ----------
    As in `price_policies`.

    Examples
    --------
    >>> price_study(shops=2, people=400).groups.tolist()
    ['differ', 'are alike']
    """
    rows = []
    for words, differ in (("differ", True), ("are alike", False)):
        found = []
        for number in range(shops):
            users, truth = simulate_price_groups(people=people, differ=differ, seed=seed * 100_003 + number)
            table = price_policies(users, group="group", truth=truth, level=level, seed=number)
            every, chosen, gain = table.itertuples()
            true, seen = chosen.truth - max(every.truth, 0.0), chosen.profit - max(every.profit, 0.0)
            covered = gain.ci_low <= gain.truth <= gain.ci_high
            claimed = gain.ci_low > 0 and chosen.ci_low > 0
            found.append((true, seen, _same_people_gain(users), covered, claimed))
        true, seen, naive, covered, claimed = np.array(found, dtype=float).T
        share = rate(int(covered.sum()), shops)
        ends = (share.value, share.ci_low, share.ci_high)
        rows.append((words, shops, true.mean(), seen.mean(), naive.mean(), *ends, claimed.mean()))
    names = ["groups", "shops", "true_gain", "found_gain", "same_people_gain", "covered_share"]
    return pd.DataFrame(rows, columns=[*names, "covered_share_ci_low", "covered_share_ci_high", "claimed_share"])


def _same_people_gain(users: pd.DataFrame) -> float:
    """The gain that is found when groups are picked and measured in the same people."""
    means = users.groupby(["group", "arm"])["margin"].mean().unstack()
    effect, share = means["cut"] - means["control"], users["group"].value_counts(normalize=True)
    return float((effect.clip(lower=0) * share).sum() - max((effect * share).sum(), 0.0))
