"""What is known of each user at a cut-off day, and what happened after it: the two sides of a prediction.

Features look at whole days before the cut-off only, labels at whole days from the cut-off on. The two are made by
different functions, so that no feature can see the future (Kaufman et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pandas as pd

from helpers.customers import measures
from helpers.findings import missing

LABELS = ("buy", "churn")
RECENT_DAYS = 3
_SHARED = ("recency_days", "active_days", "actions", "pv", "fav", "cart", "buy", "items", "categories", "night_share")
FEATURES: dict[str, tuple[str, str]] = {
    **{name: measures.FEATURES[name] for name in _SHARED},
    "recency_days": ("days from the last active day to the day before the cut-off; 0 = active then", "days"),
    "known_days": ("days from the first action in the history to the day before the cut-off", "days"),
    "recent_actions": ("actions in the last 3 days", "actions"),
    "recent_carts": ("items put into the cart in the last 3 days", "actions"),
    "recent_purchases": ("purchases in the last 3 days", "actions"),
    "purchase_days": ("days with a purchase", "days"),
    "open_carts": ("items put into the cart and not bought since", "items"),
    "recent_open_carts": ("the same, into the cart in the last 3 days", "items"),
    "days_since_cart": ("days since the last cart; the length of the history where there is none", "days"),
    "days_since_buy": ("days since the last purchase; the length of the history where there is none", "days"),
    "evening_share": ("share of actions from 18:00 to 23:59", "share of actions"),
}
"""Column of the feature table → definition and unit; all from the days of the history, which end at the cut-off."""
GROUPS: dict[str, tuple[str, ...]] = {
    "recency": ("recency_days", "known_days"),
    "activity": ("active_days", "actions", "pv", "fav"),
    "last days": ("recent_actions", "recent_carts", "recent_purchases"),
    "carts": ("cart", "open_carts", "recent_open_carts", "days_since_cart"),
    "purchases": ("buy", "purchase_days", "days_since_buy"),
    "breadth": ("items", "categories"),
    "hour profile": ("night_share", "evening_share"),
}
"""Features that say nearly the same thing; together they are all features."""


class IntentError(ValueError):
    """An argument of a prediction that makes no sense; the message names it, its value and the cure."""


@dataclass(frozen=True)
class Plan:
    """Where time is cut: `history_days` before each cut-off for features, `horizon_days` from it on for labels.

    The model learns at `train_cut`, whose label window ends where `test_cut` begins. `reason`: why no plan fits.
    """

    history_days: int
    horizon_days: int
    train_cut: pd.Timestamp
    test_cut: pd.Timestamp
    reason: str = ""

    def spans(self) -> pd.DataFrame:
        """The four spans of time: table ('training', 'test'), part ('features', 'label'), first, last, days."""
        columns = ["table", "part", "first", "last", "days"]
        if self.reason:
            return missing(columns, self.reason)
        day, rows = pd.Timedelta(days=1), []
        for name, cut in (("training", self.train_cut), ("test", self.test_cut)):
            rows.append((name, "features", cut - day * self.history_days, cut - day, self.history_days))
            rows.append((name, "label", cut, cut + day * (self.horizon_days - 1), self.horizon_days))
        return pd.DataFrame(rows, columns=columns)


def plan(window: tuple[pd.Timestamp, pd.Timestamp], *, horizon_days: int, history_days: int) -> Plan:
    """Cut the log in time: training before, test after, nothing of the test's label window in the training.

    The test's cut-off is h days before the end of the log, the training's h days earlier. In a short log h is at most a
    quarter of the days, and the history what is left before the training's cut-off, the same for both tables.

    Parameters
    ----------
    window : (first, last)
        Whole days of the log, both inclusive.
    horizon_days : int
        Length h of the label window, ≥ 1.
    history_days : int
        Days before the cut-off that features look at, ≥ 1.

    Returns
    -------
    Plan
        With a `reason` where the log has fewer than four days.

    Raises
    ------
    IntentError
        A length below 1.

    References
    ----------
    Kaufman et al. (2012): kaufman2012.

    Examples
    --------
    >>> nine_days = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03"))
    >>> plan(nine_days, horizon_days=14, history_days=28).spans()
          table      part      first       last  days
    0  training  features 2017-11-25 2017-11-29     5
    1  training     label 2017-11-30 2017-12-01     2
    2      test  features 2017-11-27 2017-12-01     5
    3      test     label 2017-12-02 2017-12-03     2
    """
    for name, value in (("horizon_days", horizon_days), ("history_days", history_days)):
        if value < 1:
            raise IntentError(f"{name} {value!r}: give 1 or more days")
    first, last = map(pd.Timestamp, window)
    days = (last - first).days + 1
    h = min(horizon_days, days // 4)
    test_cut = last + pd.Timedelta(days=1 - h)
    train_cut = test_cut - pd.Timedelta(days=h)
    history = min(history_days, days - 2 * h)
    reason = "" if h >= 1 else f"the log has {days} days; a training and a test table need four or more"
    return Plan(history, h, train_cut, test_cut, reason)


def features_before(events: ir.Table, *, cut: pd.Timestamp, history_days: int) -> pd.DataFrame:
    """The feature table of one cut-off: what each user did in the `history_days` days before it.

    Parameters
    ----------
    events : Ibis table
        The behaviour log with `day` and `hour` in the study's time zone.
    cut : Timestamp
        The first day that features must not see.
    history_days : int
        Days before the cut-off that they may see, ≥ 1.

    Returns
    -------
    DataFrame
        One row a user with an action in the history, index user_id in order, the columns of `FEATURES` as numbers,
        none missing. An open cart is an item whose last cart lies after its last purchase by the user; where both
        have the same second it counts as bought.

    Raises
    ------
    IntentError
        history_days below 1.

    References
    ----------
    Kaufman et al. (2012): kaufman2012.

    Examples
    --------
    >>> log = ibis.memtable({"user_id": [1, 1, 1], "item_id": [7, 8, 8], "category_id": [3, 3, 3],
    ...     "behavior": ["cart", "cart", "buy"], "timestamp": [10, 20, 30], "hour": [20, 9, 9],
    ...     "day": ["2017-11-25", "2017-11-26", "2017-11-26"]})
    >>> found = features_before(log, cut=pd.Timestamp("2017-11-28"), history_days=7)
    >>> found[["recency_days", "cart", "open_carts", "days_since_buy"]].loc[1].tolist()
    [1.0, 2.0, 1.0, 2.0]
    """
    if history_days < 1:
        raise IntentError(f"history_days {history_days!r}: give 1 or more days")
    cut, day = pd.Timestamp(cut), pd.Timedelta(days=1)
    window = (cut - day * history_days, cut - day)
    log = measures.inside(events, window=window)
    users = measures.features(log, window=window, more=lambda t: _further(t, cut))
    users = users.left_join(_open_carts(log, cut), "user_id").drop("user_id_right")
    users = users.mutate(**{c: users[c].fill_null(0) for c in ("open_carts", "recent_open_carts")})
    last = ibis.date(window[1].strftime("%Y-%m-%d"))
    since = {
        f"days_since_{kind}": (last.delta(users[f"{kind}_on"], unit="day") + 1).fill_null(history_days)
        for kind in ("cart", "buy")
    }
    users = users.mutate(known_days=last.delta(users.first_on, unit="day"), **since)
    return measures.user_table(users.select("user_id", *FEATURES)).astype("float64")


def _open_carts(log: ir.Table, cut: pd.Timestamp) -> ir.Table:
    """One row a user with an open cart: an item that was not bought in the second of its last cart or later."""
    log = log.filter(log.behavior.isin(["cart", "buy"]))
    cart = log.behavior == "cart"
    each = log.group_by("user_id", "item_id").agg(
        carted=log.timestamp.max(where=cart), bought=log.timestamp.max(where=~cart),
        day=log.day.argmax(log.timestamp, where=cart),
    )  # fmt: skip
    each = each.filter(each.carted.notnull() & (each.bought.isnull() | (each.carted > each.bought)))
    return each.group_by("user_id").agg(open_carts=each.count(), recent_open_carts=each.count(where=_recent(each, cut)))


def _recent(table: ir.Table, cut: pd.Timestamp) -> ir.BooleanColumn:
    """Does the row lie in the last days before the cut-off?"""
    return table.day >= ibis.date((cut - pd.Timedelta(days=RECENT_DAYS)).strftime("%Y-%m-%d"))


def _further(days: ir.Table, cut: pd.Timestamp) -> dict[str, ir.Value]:
    """The aggregates over a user's days that the shared measures do not have."""
    recent, cart, buy = _recent(days, cut), days.cart > 0, days.buy > 0
    sums = {"recent_actions": days.actions, "recent_carts": days.cart, "recent_purchases": days.buy}
    return {
        "first_on": days.day.min(), "cart_on": days.day.max(where=cart), "buy_on": days.day.max(where=buy),
        "purchase_days": days.count(where=buy), "evening_share": days.evening.sum() / days.actions.sum(),
        **{name: number.sum(where=recent).fill_null(0).cast("int64") for name, number in sums.items()},
    }  # fmt: skip


def labels_after(events: ir.Table, *, cut: pd.Timestamp, horizon_days: int) -> pd.DataFrame:
    """What each user did in the `horizon_days` days from the cut-off on: user_id, actions_after, purchases_after.

    Users without an action in these days have no row.
    """
    cut = pd.Timestamp(cut)
    log = measures.inside(events, window=(cut, cut + pd.Timedelta(days=horizon_days - 1)))
    buy = (log.behavior == "buy").ifelse(1, 0).sum().cast("int64")
    found = log.group_by("user_id").agg(actions_after=log.count(), purchases_after=buy)
    return found.execute().sort_values("user_id").set_index("user_id")


def examples(events: ir.Table, *, cut: pd.Timestamp, history_days: int, horizon_days: int) -> pd.DataFrame:
    """Features and both labels of every user seen in the history before a cut-off.

    label_buy = 1 with a purchase in the `horizon_days` days from the cut-off on; label_churn = 1 without any action in
    them.

    Parameters
    ----------
    events, cut, history_days
        As in `features_before`.
    horizon_days : int
        Days from the cut-off on, ≥ 1.

    Returns
    -------
    DataFrame
        The rows of `features_before` with actions_after, purchases_after, label_buy and label_churn (0/1). Users who
        first come after the cut-off are in no table: nothing was known of them.

    Raises
    ------
    IntentError
        A length below 1.
    """
    if horizon_days < 1:
        raise IntentError(f"horizon_days {horizon_days!r}: give 1 or more days")
    before = features_before(events, cut=cut, history_days=history_days)
    after = labels_after(events, cut=cut, horizon_days=horizon_days).reindex(before.index).fillna(0)
    return before.join(after).assign(
        label_buy=(after["purchases_after"] > 0).astype("int64"),
        label_churn=(after["actions_after"] == 0).astype("int64"),
    )


def definitions() -> pd.DataFrame:
    """The features in words: feature, meaning, unit, and the group of features that say nearly the same."""
    group = {name: label for label, names in GROUPS.items() for name in names}
    rows = [(name, meaning, unit, group[name]) for name, (meaning, unit) in FEATURES.items()]
    return pd.DataFrame(rows, columns=["feature", "meaning", "unit", "group"])
