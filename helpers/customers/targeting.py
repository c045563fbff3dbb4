"""Whom to contact to keep customers: those at risk, or those whom the contact changes (Ascarza 2018)?

A past campaign whose arms were drawn by chance grades any list of customers: compare, inside the list, those who were
contacted with those who were not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from helpers.customers.features_before import FEATURES, IntentError, examples, features_before
from helpers.customers.intent import LEAST, MODELS, THREADS, make_models
from helpers.customers.measures import why
from helpers.findings import Estimate, missing
from helpers.intervals import z_value
from helpers.study import zone

PENALTY = 300.0
"""Of the ridge regressions, the same in both arms: unequal shrinkage would look like an effect.

Chosen by hand on the demo shop, so the uplift list looks a little better there than on a new one.
"""
LEAST_HISTORY = 7
"""Days of log that the features of the risk model need at the least."""
TRAITS = ("city_tier", "age_band", "gender")
PEOPLE = ("campaign_id", "user_id", "treated", "profit", "starts_at")
LISTS = ("most at risk", "highest uplift", "random")


def trials(
    participants: Callable[..., ir.Table], tables: dict[str, ir.Table], *, names: str, control: str = "control"
) -> pd.DataFrame:
    """The participants of past campaigns with one treated arm drawn by chance, and what each earned the shop.

    profit = margin less discounts of the orders in the campaign's window − cost of the contacts.

    Parameters
    ----------
    participants : function
        `helpers.campaigns.experiment.participants`: the tables → one row a participant.
    tables : dict of str to Ibis table
        The study's tables; needs campaigns, assignments, orders and items.
    names : str
        campaign_ids with commas between them; unknown ones are left out.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        campaign_id, user_id, treated (0/1), profit (currency units), starts_at (epoch seconds); campaigns in the order
        of `names`. Empty with the reason where no campaign can be used.
    """
    lacking = [t for t in ("campaigns", "assignments", "orders", "items") if t not in tables]
    if lacking:
        return missing(PEOPLE, f"this study has no table {', '.join(lacking)}, so no past experiment can grade a list")
    main = (tables[t] for t in ("assignments", "campaigns", "orders"))
    everyone = participants(*main, items=tables["items"], contacts=tables.get("contacts")).execute()
    parts = []
    for name in dict.fromkeys(n.strip() for n in names.split(",")):
        part = everyone[everyone["campaign_id"].astype(str) == name]
        if len(part) and part["randomised"].all() and part["arm"].nunique() == 2 and (part["arm"] == control).any():
            parts.append(part)
    if not parts:
        return missing(PEOPLE, "none of the campaigns named has a control and one treated arm drawn by chance")
    table = pd.concat(parts, ignore_index=True)
    cost = pd.to_numeric(table["contact_cost"]).fillna(0.0)
    table = table.assign(treated=(table["arm"] != control).astype("int64"), profit=table["margin"].astype(float) - cost)
    known = table.dropna(subset=["profit"])
    return known[list(PEOPLE)].reset_index(drop=True) if len(known) else missing(PEOPLE, "no margin is known")


def candidates(
    people: pd.DataFrame, events: ir.Table, *, users: ir.Table | None, first: pd.Timestamp, horizon_days: int,
    history_days: int, time_zone: str, seed: int = 1,
) -> pd.DataFrame:  # fmt: skip
    """What was known of every participant at the start of his campaign: predicted risk, and predicted uplift.

    risk: chance of no action in the next `horizon_days` days, by a logistic regression that learned at a cut-off so
    many days before the first campaign. uplift: predicted profit with less predicted profit without the contact.

    Parameters
    ----------
    people : DataFrame
        From `trials`.
    events : Ibis table
        The behaviour log with `day` and `hour`.
    users : Ibis table, optional
        The customers, for city tier, age band and gender.
    first : Timestamp
        First day of the log.
    horizon_days, history_days : int
        Lengths for the risk model; the history is shorter where the log starts later.
    time_zone : str
        Zone of the days.
    seed : int
        Start of the random draws.

    Returns
    -------
    DataFrame
        The columns of `people` with risk (0…1), uplift (currency units a person) and a random number. Participants not
        seen in the history count as silent for all of it. Campaigns that start too early in the log are left out. Empty
        with a reason where no campaign is left, or where too few were silent to learn from.
    """
    columns = [*PEOPLE, "risk", "uplift", "random"]
    if people.empty:
        return missing(columns, why(people))
    day, first = pd.Timedelta(days=1), pd.Timestamp(first)
    local = pd.to_datetime(people["starts_at"], unit="s", utc=True).dt.tz_convert(zone(time_zone))
    people = people.assign(start=local.dt.tz_localize(None).dt.normalize())
    people = people[people["start"] >= first + day * (horizon_days + LEAST_HISTORY)]
    if people.empty:
        return missing(
            columns, f"the campaigns start within {horizon_days + LEAST_HISTORY} days of the log's first day"
        )
    cut = people["start"].min() - day * horizon_days
    history = min(history_days, (cut - first).days)
    before = examples(events, cut=cut, history_days=history, horizon_days=horizon_days)
    silent = before["label_churn"].to_numpy()
    if min(silent.sum(), (1 - silent).sum()) < LEAST:
        return missing(columns, f"fewer than {LEAST} users stayed away, or came back, before the first campaign")
    with threadpool_limits(THREADS):
        model = make_models(seed)[MODELS[0]].fit(before[list(FEATURES)].to_numpy(), silent)
    traits = _traits(users)
    parts = [_score(one, events, traits, model, history, seed) for _, one in people.groupby("campaign_id", sort=False)]
    return pd.concat(parts, ignore_index=True)[columns]


def _traits(users: ir.Table | None) -> pd.DataFrame:
    """One column a value of each trait of the users, 0/1."""
    if users is None:
        return pd.DataFrame()
    known = [t for t in TRAITS if t in users.columns]
    table = users.select("user_id", *known).execute().set_index("user_id")
    return pd.get_dummies(table.astype("string").fillna("unknown")).astype(float)


def _score(
    one: pd.DataFrame, events: ir.Table, traits: pd.DataFrame, model: Any, history: int, seed: int
) -> pd.DataFrame:
    """The participants of one campaign with risk, uplift and a random number, from what was known at its start."""
    now = features_before(events, cut=one["start"].iloc[0], history_days=history)
    now = not_seen(now.reindex(one["user_id"]), history_days=history)
    risk = model.predict_proba(now.to_numpy())[:, 1]
    known = np.log1p(now).join(traits.reindex(now.index).fillna(0.0)) if len(traits) else np.log1p(now)
    gain = uplift(known.to_numpy(), one["treated"].to_numpy(), one["profit"].to_numpy(), seed=seed)
    return one.assign(risk=risk, uplift=gain, random=np.random.default_rng(seed).random(len(one)))


def not_seen(features: pd.DataFrame, *, history_days: int) -> pd.DataFrame:
    """The features with the values of a user without any action, where they are missing: silent for the history."""
    longest = dict.fromkeys(("recency_days", "days_since_cart", "days_since_buy"), float(history_days))
    return features.fillna({name: longest.get(name, 0.0) for name in features.columns})


def uplift(known: np.ndarray, treated: np.ndarray, profit: np.ndarray, *, folds: int = 5, seed: int = 1) -> np.ndarray:
    """Predicted effect of the contact on each participant's profit, by a T-learner with ridge regression.

    τ(x) = m₁(x) − m₀(x), with one model for the treated and one for the control. Each participant is predicted by
    models that were fitted without him (cross-fitting), so a list by τ can be graded on the same participants.

    Parameters
    ----------
    known : array, participant × feature
        What was known before the start.
    treated : array of 0/1
        Drawn by chance.
    profit : array
        Currency units, in the campaign's window.
    folds : int
        Parts for the cross-fitting, ≥ 2.
    seed : int
        Start of the draw of the parts.

    Returns
    -------
    array
        Currency units a person, one a participant; zeros where an arm has fewer than `folds` participants.

    References
    ----------
    Künzel et al. (2019): kunzel2019.
    """
    found = np.zeros(len(treated))
    if min(treated.sum(), (1 - treated).sum()) < folds:
        return found
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    with threadpool_limits(THREADS):
        for inside, out in parts.split(known, treated):
            said = []
            for arm in (1, 0):
                rows = inside[treated[inside] == arm]
                model = make_pipeline(StandardScaler(), Ridge(PENALTY))
                said.append(model.fit(known[rows], profit[rows]).predict(known[out]))
            found[out] = said[0] - said[1]
    return found


def choose(one: pd.DataFrame, *, by: str, share: float) -> np.ndarray:
    """Is each participant among the best `share` by the column `by`? Equal values in the order of `random`.

    Nobody is on a list by uplift whose predicted uplift is not above 0.
    """
    k = round(share * len(one))
    order = np.lexsort((one["random"].to_numpy(), -one[by].to_numpy()))
    chosen = np.zeros(len(one), bool)
    chosen[order[:k]] = True
    return chosen & (one["uplift"].to_numpy() > 0) if by == "uplift" else chosen


def list_profit(
    treated: np.ndarray, profit: np.ndarray, chosen: np.ndarray, *, weight: np.ndarray | None = None
) -> float:
    """What contacting a list earns per 1,000 customers more than contacting nobody, by the experiment.

    1000 · (part on the list) · (mean profit of the contacted on the list − mean of the control on the list). Arms are
    drawn with equal chances for all, so this is the estimate by inverse probability with the arms' own sizes. 0 for an
    empty list; missing where one arm only has nobody on the list.

    Examples
    --------
    Half on the list, 10 with and 4 without the contact: 1000 · ½ · 6.

    >>> list_profit(np.array([1, 0, 1, 0]), np.array([10.0, 4, 1, 1]), np.array([True, True, False, False]))
    3000.0
    """
    w = (np.ones(len(treated)) if weight is None else weight) * chosen
    with_, without = w * treated, w * (1 - treated)
    if w.sum() == 0:
        return 0.0
    if with_.sum() == 0 or without.sum() == 0:
        return float("nan")
    gained = with_ @ profit / with_.sum() - without @ profit / without.sum()
    total = len(treated) if weight is None else weight.sum()
    return float(1000 * w.sum() / total * gained)


def policies(
    table: pd.DataFrame, truth: pd.DataFrame, *, share: float, boots: int = 300, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Profit of four lists in every campaign: by risk, by uplift, at random, and nobody.

    The lists have the same length; that by uplift is shorter where fewer customers have a predicted uplift above 0.

    Parameters
    ----------
    table : DataFrame
        From `candidates`.
    truth : DataFrame
        potential_outcomes.csv of the shop's truth: profit0, profit1 of every participant; empty for real data.
    share : float
        Part of the customers that is contacted, above 0, below 1.
    boots, level, seed
        Percentile bootstrap over participants, the lists held fixed.

    Returns
    -------
    DataFrame
        campaign_id, contact, customers (contacted), profit (per 1,000 customers, more than with nobody contacted, by
        the experiment) with _ci_low, _ci_high, truth (the same from the true outcomes; missing for real data).

    Raises
    ------
    IntentError
        A share outside 0…1.
    """
    columns = ["campaign_id", "contact", "customers", "profit", "profit_ci_low", "profit_ci_high", "truth"]
    if not 0 < share < 1:
        raise IntentError(f"share {share!r}: give a part of the customers above 0 and below 1")
    if table.empty:
        return missing(columns, why(table))
    rows = []
    for name, one in table.groupby("campaign_id", sort=False):
        lists, true = _lists(one, share), true_effects(one, truth)
        found = _boot(one, lists, boots=boots, level=level, seed=seed)
        for (label, chosen), numbers in zip(lists.items(), found, strict=True):
            known = float((true * chosen).sum() / len(one) * 1000) if len(true) else np.nan
            rows.append((name, label, round(chosen.sum()), *numbers, known))
        rows.append((name, "nobody", 0, 0.0, 0.0, 0.0, 0.0 if len(true) else np.nan))
    return pd.DataFrame(rows, columns=columns)


def _lists(one: pd.DataFrame, share: float) -> dict[str, np.ndarray]:
    even = np.full(len(one), share)  # every customer with the same chance: the mean of all random lists
    return dict(
        zip(LISTS, (choose(one, by="risk", share=share), choose(one, by="uplift", share=share), even), strict=True)
    )


def true_effects(one: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """True profit with less without the contact of each participant; empty where the truth is not known."""
    if truth.empty:
        return np.array([])
    own = truth[truth["campaign_id"].astype(str) == str(one["campaign_id"].iloc[0])].set_index("user_id")
    return (own["profit1"] - own["profit0"]).reindex(one["user_id"]).fillna(0.0).to_numpy()


def _boot(one: pd.DataFrame, lists: dict[str, np.ndarray], *, boots: int, level: float, seed: int) -> list[tuple]:
    """Estimate and interval of every list, and of the difference of the first two, from the same draws."""
    treated, profit, n = one["treated"].to_numpy(), one["profit"].to_numpy(), len(one)
    rng, tried = np.random.default_rng(seed), []
    for _ in range(boots):
        weight = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        tried.append([list_profit(treated, profit, chosen, weight=weight) for chosen in lists.values()])
    low, high = np.nanquantile(np.array(tried), [(1 - level) / 2, (1 + level) / 2], axis=0)
    value = [list_profit(treated, profit, chosen) for chosen in lists.values()]
    return list(zip(value, low, high, strict=True))


def uplift_over_risk(
    table: pd.DataFrame, truth: pd.DataFrame, *, share: float, boots: int = 300, level: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """What the list by uplift earns more than the list by risk, per 1,000 customers, with a paired interval.

    Returns
    -------
    DataFrame
        campaign_id, in_both_share (of the list by risk, also on the other), difference with _ci_low, _ci_high, truth.
        Parameters as in `policies`.
    """
    columns = ["campaign_id", "in_both_share", "difference", "difference_ci_low", "difference_ci_high", "truth"]
    if table.empty:
        return missing(columns, why(table))
    rows = []
    for name, one in table.groupby("campaign_id", sort=False):
        risk, gain, _ = _lists(one, share).values()
        treated, profit, n, true = (
            one["treated"].to_numpy(),
            one["profit"].to_numpy(),
            len(one),
            true_effects(one, truth),
        )
        rng, tried = np.random.default_rng(seed), []
        for _ in range(boots):
            w = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
            tried.append(list_profit(treated, profit, gain, weight=w) - list_profit(treated, profit, risk, weight=w))
        bounds = np.nanquantile(tried, [(1 - level) / 2, (1 + level) / 2])
        value = list_profit(treated, profit, gain) - list_profit(treated, profit, risk)
        known = float((true * (gain.astype(int) - risk.astype(int))).sum() / n * 1000) if len(true) else np.nan
        rows.append((name, (risk & gain).sum() / max(risk.sum(), 1), value, *bounds, known))
    return pd.DataFrame(rows, columns=columns)


def by_risk(
    table: pd.DataFrame, truth: pd.DataFrame, *, parts: int = 5, least: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """The measured and the true effect of the contact by predicted risk: is the risk also what can be changed?

    Returns
    -------
    DataFrame
        campaign_id, risk_group ('1 (lowest)' …), customers, mean_risk_rate, effect (profit a contacted person, by the
        experiment) with _ci_low, _ci_high (of a difference of two means, unequal variances), truth. Groups of fewer
        than `least` in an arm are left out.
    """
    columns = ["campaign_id", "risk_group", "customers", "mean_risk_rate", "effect", "effect_ci_low", "effect_ci_high"]
    columns += ["truth"]
    if table.empty:
        return missing(columns, why(table))
    names = [str(k + 1) for k in range(parts)]
    names[0], names[-1] = "1 (lowest)", f"{parts} (highest)"
    rows = []
    for campaign, one in table.groupby("campaign_id", sort=False):
        true = true_effects(one, truth)
        order = np.lexsort((one["random"].to_numpy(), one["risk"].to_numpy()))
        for name, at in zip(names, np.array_split(order, parts), strict=True):
            group = one.iloc[at]
            arms = [group["profit"][group["treated"] == k].to_numpy() for k in (1, 0)]
            if min(map(len, arms)) >= max(least, 2):
                gained = arms[0].mean() - arms[1].mean()
                wide = z_value(level) * np.sqrt(sum(a.var(ddof=1) / len(a) for a in arms))
                known = true[at].mean() if len(true) else np.nan
                numbers = (len(at), group["risk"].mean(), gained, gained - wide, gained + wide, known)
                rows.append((campaign, name, *numbers))
    return pd.DataFrame(rows, columns=columns) if rows else missing(columns, "the groups are too small to be shown")


def estimate(table: pd.DataFrame, campaign: str = "") -> tuple[str, Estimate, float | None]:
    """Campaign, uplift less risk with its interval, and the truth: of the named campaign, or of the first."""
    if table.empty:
        return "no campaign", Estimate.missing(why(table)), None
    named = table[table["campaign_id"].astype(str) == campaign]
    row = (named if len(named) else table).iloc[0]
    numbers = (float(row[c]) for c in ("difference", "difference_ci_low", "difference_ci_high"))
    return str(row["campaign_id"]), Estimate(*numbers), None if pd.isna(row["truth"]) else float(row["truth"])
