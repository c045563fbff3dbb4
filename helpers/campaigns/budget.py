"""Budget and return: what advertising money brings back, and how to split it.

This module is the one door of notebook 54: it measures the return (ROI, ROAS, CAC, payback), attributed and, where an
experiment gives it, incremental; the fit of response curves (`response_curves`), the split (`allocation`), the price
(`price_response`) and the shop with known curves (`budget_simulation`) are reached through it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.allocation import equal_marginal, regret, split_budget
from helpers.campaigns.budget_simulation import budget_study, by_number, fit_simulated, simulate_budget
from helpers.campaigns.bundle_price import bundle_prices, simulate_bundle_prices
from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import DAY, overview, participants
from helpers.campaigns.paths_to_purchase import sound_orders
from helpers.campaigns.price_policy import price_planner, price_policies, price_study, simulate_price_groups
from helpers.campaigns.price_response import (
    break_even_lift,
    bundle_break_even,
    group_truth,
    list_values,
    price_by_group,
    price_experiments,
    price_response,
)
from helpers.campaigns.response_curves import (
    adstock,
    curves,
    fit_response,
    marginal_response,
    returns,
    saturation,
    steady_response,
    straight_lines,
)
from helpers.campaigns.spend import spend_days, spend_oddities
from helpers.findings import Estimate, missing
from helpers.intervals import rate
from helpers.order_lines import last_touch, order_totals
from helpers.study import nearest

__all__ = [
    "adstock",
    "attributed",
    "beside_old",
    "best_line",
    "break_even_lift",
    "budget_study",
    "bundle_break_even",
    "bundle_prices",
    "by_number",
    "controls",
    "coverage",
    "curve_points",
    "curves",
    "customer_margin",
    "customers",
    "daily",
    "definitions",
    "doubtful_cut",
    "equal_marginal",
    "fit_response",
    "fit_simulated",
    "group_truth",
    "holdouts",
    "last_price",
    "list_values",
    "marginal_response",
    "measures",
    "participants",
    "payback",
    "planned_channels",
    "price_by_group",
    "price_experiments",
    "price_people",
    "price_planner",
    "price_policies",
    "price_response",
    "price_study",
    "regret",
    "regret_summary",
    "returns",
    "saturation",
    "simulate_budget",
    "simulate_bundle_prices",
    "simulate_price_groups",
    "spend_days",
    "spend_oddities",
    "split_budget",
    "steady_response",
    "straight_lines",
    "true_curves",
]

DEFINITIONS = (
    ("spend", "Σ amounts", "money for advertising in the window; other costs of selling are not in it"),
    ("incremental sales", "sales with − without", "what the money caused; only an experiment measures it"),
    ("ROAS", "sales / spend", "money back for one unit spent; sales, not profit"),
    ("ROI", "(margin − spend) / spend", "profit for one unit spent; 0: the money is back, below 0: a loss"),
    ("CAC", "spend / new customers", "money for one new customer"),
    ("payback", "CAC / margin a customer and week", "weeks until the customer has earned the CAC"),
    ("marginal ROI", "margin of the next unit − 1", "what one more unit would bring; it decides"),
)


def definitions() -> pd.DataFrame:
    """The measures of return with their formulas.

    >>> definitions().measure.tolist()
    ['spend', 'incremental sales', 'ROAS', 'ROI', 'CAC', 'payback', 'marginal ROI']
    """
    return pd.DataFrame(DEFINITIONS, columns=["measure", "formula", "meaning"])


def payback(*, cac: float, margin_per_period: float) -> float | None:
    """Periods until a new customer has earned what it cost to win him: CAC / margin a period.

    None where the margin is 0 or below: the money never comes back.

    >>> payback(cac=30.0, margin_per_period=2.5), payback(cac=30.0, margin_per_period=0.0)
    (12.0, None)

    Raises
    ------
    ExperimentError
        A negative or missing cost.
    """
    if not cac >= 0:
        raise ExperimentError(f"cac {cac!r}: a cost is 0 or more")
    return cac / margin_per_period if margin_per_period > 0 else None


def customer_margin(orders: ir.Table, items: ir.Table | None) -> float | None:
    """Margin that a customer earns a week: Σ margin of the order lines / (customers · weeks of the orders).

    All customers with an order count, over the whole time. None where a line's margin is not known, or there is none.
    """
    if items is None or "unit_margin" not in items.columns:
        return None
    off = orders.discount.fill_null(0) if "discount" in orders.columns else 0.0
    lines = orders.mutate(off=off).left_join(items.select("item_id", "unit_margin"), "item_id")
    earned = (lines.quantity * lines.unit_margin - lines.off).cast("float64")
    sums = lines.agg(
        margin=earned.sum(), unknown=earned.isnull().sum(), users=lines.user_id.nunique(),
        seconds=lines.timestamp.max() - lines.timestamp.min(),
    ).execute().iloc[0]  # fmt: skip
    if not sums.users or sums.unknown or not sums.seconds:
        return None
    return float(sums.margin / sums.users / (sums.seconds / (7 * DAY)))


def measures(table: pd.DataFrame, *, margin_per_customer_week: float | None = None) -> pd.DataFrame:
    """ROAS, ROI, CAC and payback of each row.

    ROAS = sales/spend; ROI = (margin − spend)/spend; CAC = spend/new customers; payback = CAC/margin a customer and
    week. They say what happened only if the sales are incremental; for attributed sales they are a booking.

    Parameters
    ----------
    table : DataFrame
        One row a channel: `channel`, `spend`, `sales`, `margin` (currency units), `new_customers`, and where new
        customers are counted over a shorter time `spend_for_new`. Missing values stay missing.
    margin_per_customer_week : float, optional
        Margin that a new customer earns a week, currency units.

    Returns
    -------
    DataFrame
        `table` with `roas`, `roi`, `cac`, `payback_weeks`; missing where a part is missing or a denominator is 0.

    Raises
    ------
    ExperimentError
        A missing column, missing or negative spend, negative sales or number of customers.

    References
    ----------
    Farris et al. (2010): farris2010.

    Examples
    --------
    >>> table = pd.DataFrame({"channel": ["tv"], "spend": [100.0], "sales": [400.0], "margin": [150.0],
    ...                       "new_customers": [5]})
    >>> measures(table, margin_per_customer_week=2.5)[["roas", "roi", "cac", "payback_weeks"]]
       roas  roi   cac  payback_weeks
    0   4.0  0.5  20.0            8.0
    """
    need = ["channel", "spend", "sales", "margin", "new_customers"]
    if table.empty:
        names = [*table.columns, "roas", "roi", "cac", "payback_weeks"]
        return missing(names, table.attrs.get("reason", "no spend is known"))
    if absent := [c for c in need if c not in table.columns]:
        raise ExperimentError(f"table has no column {', '.join(absent)}; write missing values where they are not known")
    numbers = table[need[1:]].apply(pd.to_numeric).astype(float)
    if numbers.spend.isna().any():
        lost = ", ".join(map(str, table.channel[numbers.spend.isna()]))
        raise ExperimentError(f"spend of {lost} is missing: no return without its cost; write 0 for no money")
    for column in ("spend", "sales", "new_customers"):
        if (numbers[column] < 0).any():
            raise ExperimentError(f"{column}: {numbers[column].min():g} is negative; book refunds with their sale")
    spend, new = numbers.spend.where(numbers.spend > 0), numbers.new_customers.where(numbers.new_customers > 0)
    won = pd.to_numeric(table["spend_for_new"]) if "spend_for_new" in table else numbers.spend
    cac = won / new
    weeks = margin_per_customer_week if margin_per_customer_week and margin_per_customer_week > 0 else math.nan
    return table.assign(
        roas=numbers.sales / spend, roi=(numbers.margin - spend) / spend, cac=cac, payback_weeks=cac / weeks
    )


def daily(spend: pd.DataFrame, orders: ir.Table, *, window: tuple[pd.Timestamp, pd.Timestamp]) -> pd.DataFrame:
    """One row a day of the window: orders, sales, and the spend of each channel; no row means no money.

    Parameters
    ----------
    spend : DataFrame
        From `spend_days`.
    orders : Table
        As in `helpers.tables`, with `day`.
    window : (Timestamp, Timestamp)
        First and last day, inclusive.

    Returns
    -------
    DataFrame
        `day`, `orders`, `sales` (currency units), one column a channel (currency units), by day. `attrs['channels']`
        names the channels.
    """
    sound_orders(orders)
    off = orders.discount.fill_null(0) if "discount" in orders.columns else 0.0
    paid = orders.mutate(paid=(orders.quantity * orders.unit_price - off).cast("float64"))
    sold = paid.group_by("day").agg(orders=_.order_id.nunique(), sales=_.paid.sum()).order_by("day").execute()
    days = pd.date_range(*window, freq="D")
    wide = spend.pivot(index="day", columns="channel", values="amount")
    sold = sold.assign(day=pd.to_datetime(sold.day)).set_index("day")
    table = sold.reindex(days).join(wide.reindex(days)).astype(float).fillna(0.0)
    table = table.rename_axis("day").reset_index()
    table.attrs["channels"] = list(wide.columns)
    return table


def planned_channels(table: pd.DataFrame, *, follows_demand: str = "") -> list[str]:
    """The channels of a daily table whose spend is set by plan: all but those named, separated by commas.

    >>> table = pd.DataFrame({"day": [1]})
    >>> table.attrs["channels"] = ["search", "tv"]
    >>> planned_channels(table, follows_demand="search, retargeting")
    ['tv']
    """
    named = {name.strip() for name in follows_demand.split(",")}
    return [c for c in table.attrs["channels"] if c not in named]


def price_people(tables: Mapping[str, ir.Table]) -> pd.DataFrame:
    """Participants of all campaigns with list values, discounts and, where known, city_tier; empty with its reason.

    `tables`: the tables of a study by name; assignments, campaigns and orders are needed.
    """
    need = ("assignments", "campaigns", "orders")
    columns = ["campaign_id", "arm", "starts_at", "randomised", "purchased", "spend", "margin", "contact_cost"]
    columns += ["list_value", "discount"]
    if absent := [t for t in need if t not in tables]:
        return missing(columns, f"the study has no table {', '.join(absent)}")
    core = [tables[t] for t in need]
    rest = {t: tables.get(t) for t in ("items", "contacts")}
    keys = ["campaign_id", "user_id"]
    people = participants(*core, **rest).execute().merge(list_values(*core).execute(), on=keys, how="left")
    if people.empty:
        return missing(columns, "no campaign has participants")
    users = tables.get("users")
    if users is not None and "city_tier" in users.columns:
        people = people.merge(users.select("user_id", "city_tier").execute(), on="user_id", how="left")
    return people


def doubtful_cut(people: pd.DataFrame, prices: pd.DataFrame, *, campaign: str = "") -> pd.DataFrame:
    """The participants of one price experiment: the named one, or the one with the most doubtful profit; else empty.

    Most doubtful: the middle of the interval is fewest half-widths away from 0. Where a cut surely pays, or surely
    loses, there is less to gain by different prices.

    `people` from `price_people`, `prices` from `price_experiments`.
    """
    if prices.empty:
        return missing(list(people.columns), prices.attrs.get("reason", "no price was drawn by chance"))
    known = prices.campaign_id.astype(str)
    strength = (prices.profit / (prices.ci_high - prices.ci_low)).astype(float).abs()
    wanted = campaign or known[strength.idxmin() if strength.notna().any() else known.index[-1]]
    if wanted not in set(known):
        return missing(list(people.columns), f"{wanted!r} is no price experiment. {nearest(wanted, list(known))}")
    return people[people.campaign_id.astype(str) == wanted].reset_index(drop=True)


def customers(orders: ir.Table, users: ir.Table | None) -> int:
    """Number of customers whom advertising can reach: the rows of `users`, else everybody with an order."""
    count = users.user_id.nunique() if users is not None else orders.user_id.nunique()
    return int(count.execute())


def controls(table: pd.DataFrame, *, campaigns: ir.Table | None, zone: str, peak: float = 1.5) -> np.ndarray:
    """What else moves orders: weekday, trend, each campaign's window, and single days far above their month.

    Parameters
    ----------
    table : DataFrame
        From `daily`.
    campaigns : Table, optional
        With `starts_at`, `ends_at`.
    zone : str
        The study's time zone.
    peak : float
        A day with more than `peak` times the median of the 29 days around it gets its own term, > 1.

    Returns
    -------
    array
        Day × control.
    """
    columns = [(table.day.dt.day_of_week == d).astype(float) for d in range(1, 7)]
    columns.append(pd.Series(np.linspace(0, 1, len(table))))
    usual = table.orders.rolling(29, center=True, min_periods=8).median()
    columns += [(table.index == i).astype(float) for i in table.index[table.orders > peak * usual]]
    spans = [] if campaigns is None else campaigns.order_by("starts_at", "campaign_id").execute().itertuples()
    for row in spans:
        ends = pd.to_datetime([row.starts_at, row.ends_at], unit="s", utc=True).tz_convert(zone)
        first, last = ends.tz_localize(None).normalize()
        columns.append(((table.day >= first) & (table.day <= last)).astype(float))
    return np.column_stack(columns)


def attributed(
    touchpoints: ir.Table | None, orders: ir.Table, spend: pd.DataFrame, *, items: ir.Table | None = None,
    lookback_days: int = 7, quiet_days: int = 56,
) -> pd.DataFrame:  # fmt: skip
    """Spend of each channel and the sales booked to it by last touch: a booking, not an effect.

    An order goes to the last touch of its customer in the `lookback_days` before it. New: the customer's first order in
    the tables, at least `quiet_days` after their start (before, everybody looks new).

    Parameters
    ----------
    touchpoints, orders, items : Table
        As in `helpers.tables`; without touchpoints nothing is booked, without unit_margin the margin is missing.
    spend : DataFrame
        From `spend_days`.
    lookback_days, quiet_days : int
        Days, 1…365 and 0…365.

    Returns
    -------
    DataFrame
        One row a channel of `spend`, by name: `channel`, `spend`, `orders`, `sales`, `margin`, `new_customers`,
        `spend_for_new` (spend after the quiet days).

    Raises
    ------
    ExperimentError
        A number of days out of range.
    """
    if not (1 <= lookback_days <= 365 and 0 <= quiet_days <= 365):
        raise ExperimentError(f"lookback_days {lookback_days!r}, quiet_days {quiet_days!r}: take 1 to 365, 0 to 365")
    names = ["channel", "spend", "orders", "sales", "margin", "new_customers", "spend_for_new"]
    if spend.empty or touchpoints is None:
        return missing(names, spend.attrs.get("reason", "the sales of a channel are not known: no touchpoints"))
    sound_orders(orders)
    booked, start = _booked(touchpoints, orders, items, lookback_days, quiet_days)
    late = spend.day >= start + pd.Timedelta(days=quiet_days)
    table = pd.DataFrame({"spend": spend.groupby("channel").amount.sum()})
    table["spend_for_new"] = spend[late].groupby("channel").amount.sum()
    table = table.join(booked, how="left")
    filled = [c for c in ("spend_for_new", "orders", "sales", "new_customers") if c in table]
    table[filled] = table[filled].astype(float).fillna(0.0)
    return table.rename_axis("channel").reset_index().sort_values("channel", ignore_index=True)[names]


def _booked(
    touchpoints: ir.Table, orders: ir.Table, items: ir.Table | None, lookback_days: int, quiet_days: int
) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Orders, sales, margin and new customers by the channel of the last touch, and the first day of the orders."""
    whole = order_totals(orders, items)
    first = whole.group_by("user_id").agg(first=whole.placed.min())
    begin = whole.placed.min().as_scalar()
    whole = whole.inner_join(first, "user_id").select(*whole.columns, "first")
    whole = whole.mutate(new=((_.placed == _.first) & (_.placed >= begin + quiet_days * DAY)).cast("int64"))
    joined = last_touch(whole, touchpoints, lookback_days=lookback_days)
    booked = joined.group_by("channel").agg(
        orders=_.order_id.nunique(), sales=_.sales.sum(), margin=_.margin.sum(), new_customers=_.new.sum()
    )
    table = booked.order_by("channel").execute()
    table = table.assign(channel=table.channel.astype(str)).set_index("channel")
    return table, pd.to_datetime(orders.day.min().execute())


def holdouts(
    everyone: pd.DataFrame, *, campaigns: ir.Table | None, spend: pd.DataFrame, people: int, zone: str,
    truth: pd.DataFrame | None = None, control: str = "control", level: float = 0.95, min_cell: int = 10,
) -> pd.DataFrame:  # fmt: skip
    """Incremental return of the channels that were switched off for people drawn by chance.

    A campaign without unit cost on a channel with spend is such a holdout: its treated arm sees the advertising, its
    control does not. incremental ROAS = (difference of sales a person) / (spend a person in the window); Welch's
    interval; the spend counts as known, and as even over `people`.

    Parameters
    ----------
    everyone : DataFrame
        Participants of all campaigns.
    campaigns : Table
        As in `helpers.tables`.
    spend : DataFrame
        From `spend_days`.
    people : int
        Customers whom the spend reaches.
    zone : str
        The study's time zone.
    truth : DataFrame, optional
        `campaign_id`, `arm`, `ate_spend`.
    control, level, min_cell
        As in `helpers.campaigns.experiment.choose`.

    Returns
    -------
    DataFrame
        One row a holdout: `campaign_id`, `channel`, `users`, `spend_per_person`, `sales_per_person`, `roas` with
        `roas_ci_low`, `roas_ci_high`, and `truth` (of roas). Empty with its reason where no channel was held out.
    """
    names = ["campaign_id", "channel", "users", "spend_per_person", "sales_per_person", "roas"]
    names += ["roas_ci_low", "roas_ci_high", "truth"]
    if campaigns is None or everyone.empty or people == 0 or spend.empty:
        reason = everyone.attrs.get("reason") or spend.attrs.get("reason", "no campaign has participants")
        return missing(names, reason)
    table = overview(everyone, control=control, min_cell=min_cell)
    sound = set(table.campaign_id[table.status == "experiment"]) if len(table) else set()
    rows = []
    for plan in campaigns.order_by("starts_at", "campaign_id").execute().itertuples():
        channel = getattr(plan, "channel", None)
        free = getattr(plan, "unit_cost", None) == 0
        part = everyone[everyone.campaign_id == plan.campaign_id] if plan.campaign_id in sound else everyone.head(0)
        ends = pd.to_datetime([plan.starts_at, plan.ends_at], unit="s", utc=True).tz_convert(zone)
        first, last = ends.tz_localize(None).normalize()
        paid = spend.amount[(spend.channel == channel) & spend.day.between(first, last)].sum() / people
        found = welch(part, outcome="spend", control=control, level=level) if free and len(part) and paid > 0 else []
        if len(found) == 1:
            row = found.iloc[0]
            known = _true_effect(truth, plan.campaign_id, row.arm)
            back = [row.difference / paid, row.ci_low / paid, row.ci_high / paid, known / paid]
            rows.append((plan.campaign_id, channel, len(part), paid, row.difference, *back))
    if not rows:
        return missing(names, "no advertising channel was switched off for people drawn by chance")
    return pd.DataFrame(rows, columns=names)


def _true_effect(truth: pd.DataFrame | None, campaign: object, arm: str) -> float:
    if truth is None or truth.empty:
        return math.nan
    hit = truth.ate_spend[(truth.campaign_id == campaign) & (truth.arm == arm)]
    return float(hit.iloc[0]) if len(hit) else math.nan


def true_curves(truth: pd.DataFrame, table: pd.DataFrame, *, people: int) -> pd.DataFrame:
    """The true steady curve of each channel of the demo shop, in orders a day and currency units.

    The shop's truth gives half (a person) and carry; the ceiling in orders follows from the orders that the channel
    really added over the window: ceiling = added / Σ_t S(adstock(t)).

    Parameters
    ----------
    truth : DataFrame
        `channel`, `incremental_orders`, `half_spend_per_user`, `carry`; empty for real data.
    table : DataFrame
        From `daily`.
    people : int
        Customers of the shop.

    Returns
    -------
    DataFrame
        `channel`, `ceiling`, `half`, `carry`; channels without effect have ceiling 0 and half 1.
    """
    names = ["channel", "ceiling", "half", "carry"]
    if truth.empty:
        return missing(names, truth.attrs.get("reason", "the truth is not known"))
    rows = []
    for row in truth[truth.channel.isin(table.columns)].itertuples():
        half = row.half_spend_per_user * people
        reached = saturation(adstock(table[row.channel], carry=row.carry), half=half).sum() if half > 0 else 0.0
        ceiling = row.incremental_orders / reached if reached else 0.0
        rows.append((row.channel, float(ceiling), float(half) or 1.0, float(row.carry)))
    return pd.DataFrame(rows, columns=names)


def curve_points(found: pd.DataFrame, *, most: dict[str, float], points: int = 60) -> pd.DataFrame:
    """Points of the steady curves for a chart: `channel`, `spend`, `added`, from 0 to each channel's most spend."""
    known = found[found["status"] == "known"] if "status" in found else found
    if known.empty:
        return missing(["channel", "spend", "added"], found.attrs.get("reason", "no curve is known"))
    parts = []
    for _at, row in known.iterrows():
        spend = np.linspace(0, most[row["channel"]], points)
        parts.append(pd.DataFrame({"channel": row["channel"], "spend": spend, "added": steady_response(row, spend)}))
    return pd.concat(parts, ignore_index=True)


def coverage(study: pd.DataFrame, *, number: str = "marginal_return") -> Estimate:
    """Share of the intervals of one number that cover the truth, with Wilson's interval; from `budget_study`."""
    row = study[study.number == number].iloc[0]
    return rate(int(row.covered), int(row.known), reason="no interval was given")


def beside_old(split: pd.DataFrame, old: Mapping[str, float]) -> pd.DataFrame:
    """A split with the spend of each channel before it, `spend_before`; a missing split stays missing.

    >>> split = pd.DataFrame({"channel": ["tv"], "spend": [3.0], "added": [9.0]})
    >>> beside_old(split, {"tv": 2.0})
      channel  spend_before  spend  added
    0      tv           2.0    3.0    9.0
    """
    if split.empty:
        return missing(["channel", "spend_before", *split.columns[1:]], split.attrs.get("reason", "there is no split"))
    table = split.copy()
    table.insert(1, "spend_before", [float(old[c]) for c in split["channel"]])
    return table


def regret_summary(lost: pd.DataFrame) -> pd.DataFrame:
    """Regret over simulated shops: median and 95th percentile of the split by fitted curves and of the split before.

    `lost` from `budget_study`. Columns: `split`, `shops`, `median_share`, `high_share` (95th percentile); only shops in
    which all curves are known. Empty with its reason where there is none.

    >>> lost = pd.DataFrame({"regret_share": [0.0, 0.02], "regret_before_share": [0.1, 0.3]})
    >>> regret_summary(lost).median_share.tolist()
    [0.01, 0.2]
    """
    known = lost.astype(float).dropna()
    if known.empty:
        return missing(["split", "shops", "median_share", "high_share"], "in no simulated shop all curves were known")
    rows = [
        (words, len(known), known[column].median(), known[column].quantile(0.95))
        for words, column in (("by fitted curves", "regret_share"), ("as it was before", "regret_before_share"))
    ]
    return pd.DataFrame(rows, columns=["split", "shops", "median_share", "high_share"])


def best_line(lines: pd.DataFrame) -> tuple[Estimate, dict]:
    """The channel whose slope is most standard errors above 0, as an Estimate, and its name and truth for a finding."""
    if lines.empty:
        return Estimate.missing(lines.attrs.get("reason", "no channel was fitted")), {"channel": ""}
    strength = lines.slope / (lines.ci_high - lines.ci_low).where(lines.ci_high > lines.ci_low)
    row = lines.loc[strength.idxmax()] if strength.notna().any() else lines.iloc[0]
    more = {"channel": row.channel, "truth": float(row.truth)}
    return Estimate(float(row.slope), float(row.ci_low), float(row.ci_high)), more


def last_price(prices: pd.DataFrame) -> tuple[Estimate, dict]:
    """The profit of the deepest price cut, as an Estimate, and its name and truth for a finding."""
    if prices.empty or pd.isna(prices.profit.iloc[-1]):
        reason = prices.attrs.get("reason", "the margins or costs are not known")
        return Estimate.missing(reason), {"campaign": ""}
    row = prices.iloc[-1]
    more = {"campaign": str(row.campaign_id), "truth": float(row.truth)}
    return Estimate(float(row.profit), float(row.ci_low), float(row.ci_high)), more
