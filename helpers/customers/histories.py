"""Purchase histories: frequency, recency, age and amount of each customer, on a clock that knows the busy days.

A purchase is a *day* with an order; times are weeks. Recency is counted from the start of a customer's clock, as in
[faderhardielee2005], not back from today as in RFM.
"""

from __future__ import annotations

import re

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.engine import hold
from helpers.findings import missing

STARTS = ("registration", "first order")
HISTORY = ("user_id", "frequency", "recency", "T", "monetary", "later_orders", "later_spend", "amount_variance")


class LifetimeError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


def clock(
    window: tuple[pd.Timestamp, pd.Timestamp], *, busy_days: str = "", campaigns: pd.DataFrame | None = None
) -> pd.Series:
    """Weeks gone at the end of each day, where a busy day counts for several ordinary ones.

    Customers order evenly in this time: a sale day on which four times as many orders come takes four days of it.

    Parameters
    ----------
    window : (first, last)
        Days of the study, inclusive.
    busy_days : str
        Sizes beside an ordinary day, such as '2017-11-11: 4, 2017-12-12: 2.4' (above 0; what is past from the book,
        what is to come from the plan). Days outside the window have no effect. Empty: all days count alike.
    campaigns : DataFrame, optional
        From `campaign_sizes`: the days first … last of a campaign count for `size` days each.

    Returns
    -------
    Series
        Day → weeks since the start of the first day; index: all days of the window.

    Raises
    ------
    LifetimeError
        A word that is not `day: size`.

    Examples
    --------
    >>> clock((pd.Timestamp("2017-11-10"), pd.Timestamp("2017-11-12")), busy_days="2017-11-11: 5").round(3).tolist()
    [0.143, 0.857, 1.0]
    """
    size = pd.Series(1.0, index=pd.date_range(window[0], window[1], freq="D"))
    for word in filter(None, (w.strip() for w in busy_days.split(","))):
        match = re.fullmatch(r"(\d{4}-\d\d-\d\d)\s*:\s*(\d+(?:\.\d+)?)", word)
        if not match or float(match[2]) <= 0:
            raise LifetimeError(f"busy_days: {word!r} is not a day and its size; write for example '2017-11-11: 4'")
        if (day := pd.Timestamp(match[1])) in size.index:
            size[day] = float(match[2])
    for row in () if campaigns is None else campaigns.to_dict("records"):
        size[row["first"] : row["last"]] *= row["size"]
    return size.cumsum() / 7


def cut_day(window: tuple[pd.Timestamp, pd.Timestamp], *, share: float) -> pd.Timestamp:
    """Last day of the calibration: so many whole weeks as come next to `share` of the window (0…1), at least one.

    Examples
    --------
    >>> cut_day((pd.Timestamp("1997-01-01"), pd.Timestamp("1998-06-30")), share=0.5)
    Timestamp('1997-09-30 00:00:00')
    """
    if not 0 < share < 1:
        raise LifetimeError(f"share: {share!r} is out of range; give a number between 0 and 1")
    weeks = ((window[1] - window[0]).days + 1) / 7
    return min(window[0] + pd.Timedelta(days=7 * max(round(share * weeks), 1) - 1), window[1])


CAMPAIGN_SIZES = ("campaign", "first", "last", "people", "orders", "added", "size")


def campaign_sizes(
    days: ir.Table,
    campaigns: ir.Table | None,
    assignments: ir.Table | None,
    *,
    time_zone: str,
    until: pd.Timestamp | None = None,
    control: str = "control",
) -> pd.DataFrame:
    """How much busier each randomised campaign made its days, measured against the people left out by chance.

    added = people × (mean purchases of all assigned − mean of the control arm); size = orders / (orders − added), about
    1 where a campaign added nothing. Campaigns that were not randomised have no such measure and are left out.

    Parameters
    ----------
    days : Ibis table
        From `order_days`.
    campaigns, assignments : Ibis tables or None
        As in the contracts.
    time_zone : str
        Zone of the study's days.
    until : day, optional
        Campaigns that end later are left out: at that day they are not known yet.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        One row a randomised campaign with a control arm, by first day: campaign, first, last (days), people (assigned),
        orders (purchases of all customers on these days), added, size. Empty with a reason when there is none.
    """
    if campaigns is None or assignments is None:
        return missing(CAMPAIGN_SIZES, "the study has no campaigns with arms")
    plans = campaigns.filter(_.randomised).select("campaign_id", "starts_at", "ends_at").execute()
    rows = []
    for plan in plans.sort_values(["starts_at", "campaign_id"]).itertuples():
        first, last = (_day(v, time_zone) for v in (plan.starts_at, plan.ends_at))
        if until is not None and last > until:
            continue
        inside = days.filter(_.day.between(first.date(), last.date())).group_by("user_id").agg(bought=_.count())
        arms = assignments.filter(_.campaign_id == plan.campaign_id).left_join(inside, "user_id").group_by("arm")
        arms = arms.agg(people=_.count(), bought=_.bought.fill_null(0).sum()).execute().set_index("arm")
        orders = inside.bought.sum().execute()
        if control not in arms.index or len(arms) < 2 or not pd.notna(orders):
            continue
        people, bought = arms.sum()
        added = float(bought - people * arms.loc[control, "bought"] / arms.loc[control, "people"])
        rows.append((plan.campaign_id, first, last, int(people), int(orders), added, orders / max(orders - added, 1)))
    return (
        pd.DataFrame(rows, columns=list(CAMPAIGN_SIZES)) if rows else missing(CAMPAIGN_SIZES, "no randomised campaign")
    )


def _day(instant: int, time_zone: str) -> pd.Timestamp:
    return pd.Timestamp(instant, unit="s", tz=time_zone).tz_localize(None).normalize()


def order_days(orders: ir.Table) -> ir.Table:
    """One row a customer and day with an order: user_id, day, paid (currency units), computed once.

    paid = Σ quantity × unit_price − discount. Several orders on one day are one purchase.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> lines = pd.DataFrame({"user_id": [1, 1, 1], "day": pd.to_datetime(["2017-01-01", "2017-01-01", "2017-01-09"])})
    >>> lines = lines.assign(quantity=[1, 2, 1], unit_price=[5.0, 1.0, 4.0], discount=[0.0, 1.0, 0.0])
    >>> order_days(as_table(lines)).order_by("day").execute()["paid"].tolist()
    [6.0, 4.0]
    """
    paid = _.quantity * _.unit_price - _.discount.fill_null(0.0)
    return hold(orders.group_by("user_id", day=_.day.cast("date")).agg(paid=paid.sum()))


def histories(
    days: ir.Table,
    users: ir.Table | None,
    *,
    weeks: pd.Series,
    until: pd.Timestamp | None = None,
    start: str = "registration",
) -> pd.DataFrame:
    """Frequency, recency, age and amount of each customer up to a day, and what came later.

    With start 'first order' (the usual choice, right for a cohort of new customers) a customer's clock starts with the
    first order seen, and frequency x counts the further days with an order. With 'registration' it starts on the day of
    registration, or on the window's first day for those who registered before; x counts all days with an order, and
    customers without one are in the table. Then a log that begins in the middle of customers' lives does no harm:
    with 'first order' those seen early are the heavy buyers, and the forecast is too high.

    Parameters
    ----------
    days : Ibis table
        From `order_days`.
    users : Ibis table or None
        Customers with joined_on; without it (or where nobody has a day) the start is the first order.
    weeks : Series
        From `clock`; its first and last day are the window.
    until : day, optional
        Last day of the calibration; by default the window's last day.
    start : str
        'registration' or 'first order'.

    Returns
    -------
    DataFrame
        One row a customer, by user_id: user_id, frequency x, recency (weeks from the start to the last order; 0 where
        x = 0), T (weeks from the start to the end of `until`), monetary (mean paid a counted day; missing where x = 0),
        later_orders, later_spend (days with an order, and paid, after `until`), amount_variance (of the paid amounts
        of counted days, within the customer; missing where x < 2). `attrs['start']` names the start.
        Customers whose clock starts after `until` are left out. Empty with a reason when there is none.

    Examples
    --------
    >>> from helpers.engine import as_table
    >>> d = pd.DataFrame({"user_id": [1, 1, 2], "day": pd.to_datetime(["2017-01-01", "2017-01-08", "2017-01-02"])})
    >>> weeks = clock((pd.Timestamp("2017-01-01"), pd.Timestamp("2017-01-15")))
    >>> histories(as_table(d.assign(paid=[9.0, 7.0, 1.0])), None, weeks=weeks).round(2)[list(HISTORY[:5])]
       user_id  frequency  recency     T  monetary
    0        1          1      1.0  2.00       7.0
    1        2          0      0.0  1.86       NaN
    """
    if start not in STARTS:
        raise LifetimeError(f"start: {start!r} is not known; give one of {', '.join(STARTS)}")
    until = weeks.index[-1] if until is None else pd.Timestamp(until)
    return from_sums(*sums(days, users, weeks=weeks, until=until), weeks=weeks, until=until, start=start)


def sums(
    days: ir.Table, users: ir.Table | None, *, weeks: pd.Series, until: pd.Timestamp
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """What `histories` reads from the log, the same for each clock and start: sums by customer, and registrations."""
    return _sums(days, until, weeks.index[-1]), _joined(users, weeks.index[0])


def from_sums(
    table: pd.DataFrame, joined: pd.DataFrame | None, *, weeks: pd.Series, until: pd.Timestamp, start: str
) -> pd.DataFrame:
    """`histories` from what `sums` read."""
    joined = joined if start == "registration" else None
    if joined is not None:
        table = joined.merge(table, on="user_id", how="left")
        table = _from_registration(table[table["origin"] <= until], weeks, until)
    else:
        table = _from_first_order(table[table["orders"] > 0], weeks, until)
    if table.empty:
        return missing(HISTORY, "no customer bought in the window")
    table = table.sort_values("user_id", ignore_index=True)[list(HISTORY)]
    table.attrs["start"] = "first order" if joined is None else "registration"
    return table


def _sums(days: ir.Table, until: pd.Timestamp, last: pd.Timestamp) -> pd.DataFrame:
    cut, end = until.date(), last.date()
    early, later = _.day <= cut, (_.day > cut) & (_.day <= end)
    sums = days.group_by("user_id").agg(
        orders=_.count(where=early),
        spend=_.paid.sum(where=early),
        squares=(_.paid * _.paid).sum(where=early),
        first=_.day.min(where=early),
        last=_.day.max(where=early),
        first_spend=_.paid.argmin(_.day, where=early),
        later_orders=_.count(where=later),
        later_spend=_.paid.sum(where=later),
    )
    table = sums.execute()
    return table.assign(first=pd.to_datetime(table["first"]), last=pd.to_datetime(table["last"]))


def _joined(users: ir.Table | None, first: pd.Timestamp) -> pd.DataFrame | None:
    if users is None or "joined_on" not in users.columns:
        return None
    table = users.filter(_.joined_on.notnull()).select("user_id", origin=_.joined_on.cast("date")).execute()
    if table.empty:
        return None
    return table.assign(origin=pd.to_datetime(table["origin"]).clip(lower=first))


def _from_first_order(table: pd.DataFrame, weeks: pd.Series, until: pd.Timestamp) -> pd.DataFrame:
    begin = weeks.reindex(table["first"]).to_numpy()
    x = table["orders"].to_numpy() - 1
    amount = (table["spend"] - table["first_spend"]) / np.where(x > 0, x, 1)
    squares = table["squares"] - table["first_spend"] ** 2
    recency = weeks.reindex(table["last"]).to_numpy() - begin
    return _filled(table, x, recency, weeks[until] - begin, amount, squares)


def _from_registration(table: pd.DataFrame, weeks: pd.Series, until: pd.Timestamp) -> pd.DataFrame:
    # the clock starts with the day: at the end of the day before
    begin = weeks.reindex(table["origin"] - pd.Timedelta(days=1)).fillna(0.0).to_numpy()
    early = (table["first"] < table["origin"]).to_numpy()  # an order before the registration's day moves the start
    if early.any():
        begin = np.where(early, weeks.reindex(table["first"]).fillna(0.0).to_numpy() - 1 / 7, begin).clip(min=0)
    x = table["orders"].fillna(0).astype(int).to_numpy()
    last = weeks.reindex(table["last"]).to_numpy()
    recency = np.where(x > 0, np.nan_to_num(last) - begin, 0.0)
    amount = table["spend"] / np.where(x > 0, x, 1)
    return _filled(table, x, recency, weeks[until] - begin, amount, table["squares"])


def _filled(
    table: pd.DataFrame, x: np.ndarray, recency: np.ndarray, age: np.ndarray, amount: pd.Series, squares: pd.Series
) -> pd.DataFrame:
    later = table[["later_orders", "later_spend"]].fillna(0).astype({"later_orders": "int64"})
    recency = np.minimum(np.where(x > 0, recency, 0.0), age)
    variance = ((squares - x * amount**2) / np.maximum(x - 1, 1)).clip(lower=0).where(x > 1)
    known = {"frequency": x, "recency": recency, "T": age, "monetary": amount.where(x > 0), "amount_variance": variance}
    return table[["user_id"]].assign(**known, **{c: later[c] for c in later})


def overview(table: pd.DataFrame, *, most: int = 5) -> pd.DataFrame:
    """Customers by frequency, with the means of what the model reads of them.

    Returns
    -------
    DataFrame
        One row a frequency 0, 1, … `most`+: frequency, customers, recency, T (weeks), monetary (currency units).
    """
    columns = ("frequency", "customers", "recency", "T", "monetary")
    if table.empty:
        return missing(columns, table.attrs.get("reason", "no customers"))
    groups = table.assign(frequency=table["frequency"].clip(upper=most)).groupby("frequency")
    means = groups.agg(
        customers=("T", "size"), recency=("recency", "mean"), T=("T", "mean"), monetary=("monetary", "mean")
    )
    means = means.reset_index()
    means["frequency"] = [f"{f}+" if f == most else str(f) for f in means["frequency"]]
    return means
