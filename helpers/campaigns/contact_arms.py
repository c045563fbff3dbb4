"""The randomised frequency test: who was to get how many messages a week, and what each arm did."""

from __future__ import annotations

from collections.abc import Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.campaigns.arms import ALARM, arm_counts, sample_ratio_test
from helpers.campaigns.comparison import welch
from helpers.campaigns.contact_response import DoseFit, fit_curves
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import overview, participants
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, z_value

WEEK = 7 * 86_400
TABLES = ("contacts", "campaigns", "assignments", "orders")
PEOPLE = ("campaign_id", "user_id", "arm", "starts_at", "randomised", "weeks", "orders", "spend", "margin")
PEOPLE += ("purchased", "spend_before", "contacts", "contact_cost", "unit_cost", "opted_out")


def people(tables: Mapping[str, ir.Table]) -> pd.DataFrame:
    """One row a participant of each campaign, with the messages, their cost and whether he opted out.

    Parameters
    ----------
    tables : mapping
        The study's tables by name. Needs contacts, campaigns, assignments and orders; items for the margin.

    Returns
    -------
    DataFrame
        `campaign_id`, `user_id`, `arm`, `starts_at`, `randomised`, `weeks` (length of the window), `orders`, `spend`,
        `margin`, `purchased`, `spend_before`, `contacts`, `contact_cost`, `unit_cost`, `opted_out` (0/1, missing
        where the contacts do not tell). Empty with its reason where a table is absent.

    Examples
    --------
    >>> people({}).attrs["reason"]
    'the study has no table contacts, campaigns, assignments, orders'
    """
    if absent := [name for name in TABLES if name not in tables]:
        return missing(PEOPLE, f"the study has no table {', '.join(absent)}")
    contacts, campaigns = tables["contacts"], tables["campaigns"]
    outcome = participants(
        tables["assignments"], campaigns, tables["orders"], items=tables.get("items"), contacts=contacts
    ).execute()
    if outcome.empty:
        return missing(PEOPLE, "no campaign has participants")
    cost = campaigns.unit_cost if "unit_cost" in campaigns.columns else ibis.null("float64")
    plan = campaigns.select(
        "campaign_id", unit_cost=cost.cast("float64"), weeks=(campaigns.ends_at - campaigns.starts_at + 1) / WEEK
    ).execute()
    table = outcome.merge(plan, on="campaign_id", how="left").merge(
        _opted_out(contacts), on=["campaign_id", "user_id"], how="left"
    )
    known = "opted_out" in contacts.columns and contacts.opted_out.notnull().any().execute()
    table["opted_out"] = table["opted_out"].fillna(0).astype(float) if known else np.nan
    return table[list(PEOPLE)]


def _opted_out(contacts: ir.Table) -> pd.DataFrame:
    """Who withdrew consent on a message of a campaign."""
    if "opted_out" not in contacts.columns or "campaign_id" not in contacts.columns:
        return pd.DataFrame({"campaign_id": [], "user_id": [], "opted_out": []}).astype({"opted_out": float})
    left = contacts.filter(contacts.opted_out & contacts.campaign_id.notnull())
    return left.select("campaign_id", "user_id").distinct().mutate(opted_out=1.0).execute()


def planned_doses(users: pd.DataFrame) -> pd.Series:
    """Messages a week that each arm was to get: the median of those who did not opt out.

    People who opt out get fewer, so the mean of an arm is below its plan; the arm was drawn for the plan.

    >>> planned_doses(pd.DataFrame({"arm": ["a", "a", "a", "b"], "contacts": [8, 8, 3, 0], "opted_out": [0, 0, 1, 0],
    ...                             "weeks": 4.0})).to_dict()
    {'a': 2.0, 'b': 0.0}
    """
    stayed = users[~(users["opted_out"] > 0)]
    weekly = (stayed["contacts"] / stayed["weeks"]).groupby(stayed["arm"].astype(str)).median()
    return weekly.reindex(sorted(users["arm"].astype(str).unique())).round(3)


def frequency_people(
    everyone: pd.DataFrame, *, campaign: str = "", control: str = "control", min_cell: int = 10
) -> pd.DataFrame:
    """The participants of the randomised frequency test, with the planned dose of their arm.

    A frequency test is a randomised campaign whose arms were to get different numbers of messages: a control with
    none and at least two doses.

    Parameters
    ----------
    everyone : DataFrame
        From `people`.
    campaign : str
        Its campaign_id; '' takes the test with the most doses (the earliest of equals).
    control : str
        Name of the arm without messages.
    min_cell : int
        Smallest number of participants and buyers of an arm.

    Returns
    -------
    DataFrame
        The rows of that campaign with `per_week` (planned messages a week), ordered by dose. Empty with its reason
        where there is no such test, the draw is faulty, or the opt-outs are not known.
    """
    names = [*everyone.columns, "per_week"]
    if everyone.empty:
        return missing(names, everyone.attrs.get("reason", "no campaign has participants"))
    table = overview(everyone, control=control, min_cell=min_cell)
    good = table[table["status"] == "experiment"]
    if campaign:
        good = good[good["campaign_id"].astype(str) == campaign]
    tests = [_with_doses(everyone[everyone["campaign_id"] == c], control) for c in good["campaign_id"]]
    tests = [t for t in tests if not t.empty]
    if not tests:
        which = f"the campaign {campaign!r} is no" if campaign else "no campaign is a"
        return missing(
            names, f"{which} randomised test of several message frequencies, with a control without messages"
        )
    chosen = max(tests, key=lambda t: t["per_week"].nunique())
    reason = _not_usable(chosen)
    return missing(names, reason) if reason else chosen


def _with_doses(users: pd.DataFrame, control: str) -> pd.DataFrame:
    """The participants with the dose of their arm; none where the doses do not differ or the control got messages."""
    doses = planned_doses(users)
    treated = doses.drop(control)
    if doses[control] != 0 or (treated > 0).sum() < 2 or treated.nunique() < 2 or doses.isna().any():
        return users.head(0)
    dosed = users.assign(per_week=users["arm"].astype(str).map(doses))
    return dosed.sort_values(["per_week", "arm", "user_id"], kind="stable").reset_index(drop=True)


def _not_usable(users: pd.DataFrame) -> str:
    """Why the curves cannot be fitted to this test; '' when they can."""
    if users["opted_out"].isna().any():
        return "the contacts do not say who opted out (column opted_out)"
    draw = sample_ratio_test(arm_counts(users))
    if not draw.empty and draw["p_value"].iloc[0] < ALARM:
        return "the arms do not have the sizes that an equal draw gives: find the fault first"
    return ""


def dose_arms(users: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """What each arm of the frequency test got and did, control first.

    Parameters
    ----------
    users : DataFrame
        From `frequency_people`.
    level : float
        Of the Wilson interval of the opt-out rate.

    Returns
    -------
    DataFrame
        One row a dose: `per_week` (planned), `users`, `sent_per_week` (messages a person really got), `orders` (a
        person), `orders_error`, `opt_outs`, `opt_out_rate` with its interval. Arms with the same dose are one row.

    Examples
    --------
    >>> users = pd.DataFrame({"per_week": [0.0, 0.0, 2.0, 2.0], "orders": [0, 1, 1, 2], "contacts": [0, 0, 8, 4],
    ...                       "weeks": 4.0, "opted_out": [0, 0, 0, 1]})
    >>> dose_arms(users)[["per_week", "sent_per_week", "orders", "opt_outs"]]
       per_week  sent_per_week  orders  opt_outs
    0       0.0            0.0     0.5         0
    1       2.0            1.5     1.5         1
    """
    names = ["per_week", "users", "sent_per_week", "orders", "orders_error", "opt_outs"]
    if users.empty:
        interval = ["opt_out_rate", "opt_out_rate_ci_low", "opt_out_rate_ci_high"]
        return missing([*names, *interval], users.attrs.get("reason", "there are no participants"))
    table = users.assign(sent_per_week=users["contacts"] / users["weeks"]).groupby("per_week", as_index=False)
    table = table.agg(
        users=("orders", "size"),
        sent_per_week=("sent_per_week", "mean"),
        orders=("orders", "mean"),
        orders_error=("orders", "sem"),
        opt_outs=("opted_out", "sum"),
    ).astype({"opt_outs": int})
    return add_rate(table, successes="opt_outs", trials="users", name="opt_out_rate", level=level)


def dose_effects(
    users: pd.DataFrame, *, future_value: float | None, unit_cost: float | None, level: float = 0.95
) -> pd.DataFrame:
    """Each dose against the control by intention to treat: orders, margin, and profit with the lost future value.

    A person's profit = orders·(margin of an order) − messages·unit_cost − future_value·opted_out. All differences have
    Welch's intervals. Margin scatters more than orders do, because a few orders are large.

    Parameters
    ----------
    users : DataFrame
        From `frequency_people`.
    future_value : float or None
        What one opt-out costs for good, currency units, ≥ 0; None where it is not known.
    unit_cost : float or None
        Cost of one message, currency units.
    level : float
        Of each interval.

    Returns
    -------
    DataFrame
        One row a dose: `per_week`, then `orders`, `margin` and `profit` (a person over the test, more than the
        control), each followed by its `_ci_low` and `_ci_high`.

    Raises
    ------
    ExperimentError
        future_value below 0.
    """
    names = [f"{name}{end}" for name in ("orders", "margin", "profit") for end in ("", "_ci_low", "_ci_high")]
    if users.empty or unit_cost is None or future_value is None:
        reason = users.attrs.get("reason", "the cost of a message or the future value is not known")
        return missing(["per_week", *names], reason)
    if not future_value >= 0:
        raise ExperimentError(f"future_value {future_value!r}: an amount of money of 0 or more")
    value = order_value(users).value or 0.0
    profit = users["orders"] * value - users["contacts"] * unit_cost - future_value * users["opted_out"]
    labelled = users.assign(arm=users["per_week"].astype(str), profit=profit, orders=users["orders"].astype(float))
    parts = [_difference(labelled, name, level) for name in ("orders", "margin", "profit")]
    parts = [part for part in parts if not part.empty]
    table = pd.concat([part.set_index("per_week") for part in parts], axis=1).reindex(columns=names)
    return table.sort_index().reset_index()


def _difference(users: pd.DataFrame, name: str, level: float) -> pd.DataFrame:
    """Each dose against the control in one outcome: `per_week`, the outcome's difference and its interval."""
    found = welch(users, outcome=name, control="0.0", level=level)
    renamed = found.rename(columns={"difference": name, "ci_low": f"{name}_ci_low", "ci_high": f"{name}_ci_high"})
    renamed = renamed.assign(per_week=found["arm"].astype(float))
    return renamed[["per_week", name, f"{name}_ci_low", f"{name}_ci_high"]]


def fit_doses(users: pd.DataFrame, *, redraws: int = 0, seed: int = 0) -> DoseFit:
    """Both curves of the frequency test: orders gained and opt-outs by messages a week.

    An added order is taken to be worth what the test's orders are worth on average: orders scatter far less than
    money, so the curve of orders is known better. The means of each dose go into `fit_curves`.

    Parameters
    ----------
    users : DataFrame
        From `frequency_people`.
    redraws : int
        0: the fit. Above 0: so many fits to means and opt-outs drawn anew around the observed ones (parametric
        bootstrap), for intervals of whole curves.
    seed : int
        Start of the random numbers of the redraws.

    Returns
    -------
    DoseFit
        The fit, or the reason why there is none: no test, unknown margins, no orders.
    """
    if users.empty:
        return DoseFit(reason=users.attrs.get("reason", "there are no participants"))
    if users["margin"].isna().any():
        return DoseFit(reason="the margin of the orders is not known; give items with unit_margin")
    value = order_value(users)
    if value.value is None or value.value <= 0:
        return DoseFit(reason=value.reason or "the orders of the test earned no margin")
    arms = dose_arms(users)
    if not (arms["orders_error"] > 0).all():
        return DoseFit(reason="in some arm everybody ordered equally often, so there is no scatter to judge by")
    money = {"order_value": value.value, "order_value_error": (value.ci_high - value.value) / z_value(0.95)}
    drawn = _redrawn(arms, redraws, seed) if redraws else (arms["orders"], arms["opt_outs"])
    shape, weeks = (max(redraws, 1), len(arms)), float(users["weeks"].iloc[0])
    orders, left = (np.broadcast_to(np.asarray(x, float), shape) for x in drawn)
    errors, people_ = (np.broadcast_to(arms[c].to_numpy(float), shape) for c in ("orders_error", "users"))
    return fit_curves(arms["per_week"], orders, errors, left, people_, weeks=weeks, **money)


def _redrawn(arms: pd.DataFrame, redraws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of orders and numbers of opt-outs as other draws of people might have given them."""
    rng = np.random.default_rng(seed)
    orders = rng.normal(arms["orders"], arms["orders_error"], (redraws, len(arms)))
    return orders, rng.binomial(arms["users"], arms["opt_out_rate"], (redraws, len(arms)))


def order_value(users: pd.DataFrame) -> Estimate:
    """Mean margin of an order of the participants, with its 95 % interval (delta method for a ratio of means).

    >>> order_value(pd.DataFrame({"orders": [0, 1, 2, 1], "margin": [0.0, 10.0, 20.0, 10.0]})).value
    10.0
    """
    orders, margin = users["orders"].to_numpy(float), users["margin"].to_numpy(float)
    if orders.sum() == 0:
        return Estimate.missing("there are no orders")
    value = float(margin.sum() / orders.sum())
    error = float(np.sqrt(((margin - value * orders) ** 2).sum()) / orders.sum())
    return Estimate(value, value - z_value(0.95) * error, value + z_value(0.95) * error)


def message_cost(users: pd.DataFrame, *, unit_cost: float = -1.0) -> Estimate:
    """What one message costs: the given amount, or with −1 that of the campaign; missing where neither is known.

    >>> message_cost(pd.DataFrame({"unit_cost": [0.05, 0.05]})).value
    0.05
    >>> message_cost(pd.DataFrame({"unit_cost": [None, None]})).reason
    'the cost of a message is not known; give unit_cost'
    """
    if unit_cost >= 0:
        return Estimate(float(unit_cost))
    if users.empty:
        return Estimate.missing(users.attrs.get("reason", "there are no participants"))
    cost = pd.to_numeric(users["unit_cost"], errors="coerce").dropna()
    if cost.empty:
        return Estimate.missing("the cost of a message is not known; give unit_cost")
    return Estimate(float(cost.iloc[0]))


def subscriber_value(users: pd.DataFrame, *, unit_cost: float | None, level: float = 0.95) -> Estimate:
    """What a subscriber is worth a week: the profit a week of being written to, over all doses of the test.

    (mean of orders·(margin of an order) − messages·unit_cost of all treated people, less that of the control) / weeks,
    with Welch's interval. Who opts out is lost to such messages from then on.

    Parameters
    ----------
    users : DataFrame
        From `frequency_people`.
    unit_cost : float or None
        Cost of one message, currency units.
    level : float
        Of the interval.

    Examples
    --------
    >>> users = pd.DataFrame({"per_week": [0.0, 0, 1, 1], "orders": [0, 1, 1, 2], "margin": [0.0, 6, 6, 12],
    ...                       "contacts": [0, 0, 2, 2], "weeks": 2.0})

    An order is worth 6; the treated ordered once more, for two messages of 0.5, in two weeks: (6 − 1) / 2.

    >>> subscriber_value(users, unit_cost=0.5).value
    2.5
    """
    if users.empty or unit_cost is None:
        return Estimate.missing(users.attrs.get("reason", "the cost of a message is not known"))
    if users["margin"].isna().any():
        return Estimate.missing("the margin of the orders is not known; give items with unit_margin")
    value = order_value(users)
    if value.value is None or value.value <= 0:
        return Estimate.missing(value.reason or "the orders of the test earned no margin")
    earned = (users["orders"] * value.value - users["contacts"] * unit_cost) / users["weeks"]
    two = pd.DataFrame({"arm": np.where(users["per_week"] > 0, "messages", "control"), "earned": earned})
    found = welch(two, outcome="earned", level=level)
    if found.empty or found["difference"].isna().any():
        return Estimate.missing(found.attrs.get("reason", "the value of a subscriber cannot be computed"))
    row = found.iloc[0]
    return Estimate(float(row["difference"]), float(row["ci_low"]), float(row["ci_high"]))


def believed_value(worth: Estimate, *, value_per_week: float = -1.0) -> Estimate:
    """What a subscriber is worth a week: the given amount, or with −1 the estimate `worth`; never below 0.

    >>> believed_value(Estimate(2.5, -1.0, 4.0)), believed_value(Estimate.missing("no test"), value_per_week=3).value
    (Estimate(value=2.5, ci_low=0.0, ci_high=4.0, reason=''), 3.0)
    """
    if value_per_week >= 0:
        return Estimate(float(value_per_week))
    if worth.value is None:
        return worth
    return Estimate(*(max(x, 0.0) for x in (worth.value, worth.ci_low, worth.ci_high)))


def value_origin(worth: Estimate, *, currency: str, value_per_week: float = -1.0) -> str:
    """Where the value of a subscriber comes from, in words for a finding.

    >>> value_origin(Estimate(2.5, -1.0, 4.0), currency="CNY")
    'an estimated 2.5 CNY a week (0.0 to 4.0)'
    >>> value_origin(Estimate(2.5, -1.0, 4.0), currency="CNY", value_per_week=3)
    'a given 3.0 CNY a week'
    """
    if value_per_week >= 0:
        return f"a given {value_per_week:,.1f} {currency} a week"
    believed = believed_value(worth)
    if believed.value is None:
        return f"not known: {believed.reason}"
    interval = f"{believed.ci_low:,.1f} to {believed.ci_high:,.1f}"
    return f"an estimated {believed.value:,.1f} {currency} a week ({interval})"


def lost_value(believed: Estimate, *, horizon_weeks: int) -> Estimate:
    """What one opt-out costs for good: value a week × weeks that the subscriber would have stayed.

    >>> lost_value(Estimate(2.5, 1.0, 4.0), horizon_weeks=20).value
    50.0
    """
    if horizon_weeks < 0:
        raise ExperimentError(f"horizon_weeks {horizon_weeks!r}: take 0 or more weeks")
    ends = (believed.value, believed.ci_low, believed.ci_high)
    return Estimate(*(None if x is None else x * horizon_weeks for x in ends), reason=believed.reason)


def observed_doses(everyone: pd.DataFrame, *, most: int = 8, min_cell: int = 10) -> pd.DataFrame:
    """The misleading curve: spend by the messages that people happened to get. *Not used* for any decision.

    Engaged customers get more messages and spend more, with or without them. `spend_before` gives it away: those with
    more messages later spent more already before.

    Parameters
    ----------
    everyone : DataFrame
        From `people`: the campaigns that were not randomised, or all where there are none.
    most : int
        So many messages and more are one row.
    min_cell : int
        Rows of fewer people are left out.

    Returns
    -------
    DataFrame
        Two rows a number of messages: `messages`, `people`, `when` ('during the campaign', 'as long before'), `spend`
        (a person, currency units).

    Examples
    --------
    >>> everyone = pd.DataFrame({"randomised": False, "contacts": [0, 0, 2], "user_id": [1, 2, 3],
    ...                          "spend": [0.0, 2.0, 9.0], "spend_before": [1.0, 1.0, 8.0]})
    >>> observed_doses(everyone, min_cell=1).query("when == 'as long before'")["spend"].tolist()
    [1.0, 8.0]
    """
    names = ["messages", "people", "when", "spend"]
    if everyone.empty:
        return missing(names, everyone.attrs.get("reason", "no campaign has participants"))
    chosen = everyone[~everyone["randomised"].astype(bool)]
    chosen = everyone if chosen.empty else chosen
    grouped = chosen.assign(messages=chosen["contacts"].clip(upper=most)).groupby("messages", as_index=False)
    table = grouped.agg(people=("user_id", "nunique"), during=("spend", "mean"), before=("spend_before", "mean"))
    table = table[table["people"] >= min_cell]
    if len(table) < 2:
        return missing(names, "all people got the same number of messages")
    words = {"during": "during the campaign", "before": "as long before"}
    long = table.rename(columns=words).melt(["messages", "people"], list(words.values()), "when", "spend")
    return long[names]
