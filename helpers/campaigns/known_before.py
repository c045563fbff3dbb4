"""What was known of each participant before the arms were drawn: the only features that an uplift model may see."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _
from scipy.stats import chi2

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.intervals import z_value
from helpers.privacy import common_words

DAY = 86_400
TRAITS = ("city_tier", "age_band", "gender")
FEATURES = {
    "city_tier": "size of the city, as the shop codes it",
    "age_band": "age group",
    "gender": "as stated",
    "orders_before": "orders",
    "spend_before": "amount paid, currency units",
    "recency_days": "days since the last order; the longest history plus one without an order",
    "views_before": "pages looked at",
    "carts_before": "items put into the cart",
    "active_days_before": "24-hour days with an action",
}
"""Column → meaning; all from `history_days` before the cut-off."""
MOST_LEVELS = 12
"""A text with more distinct values is no group that a model can learn."""


def known_before(
    people: pd.DataFrame,
    assignments: ir.Table,
    orders: ir.Table,
    *,
    users: ir.Table | None = None,
    events: ir.Table | None = None,
    history_days: int = 56,
    min_cell: int = 1,
) -> pd.DataFrame:
    """The participants of one campaign with what was known of them before their arm was drawn.

    The cut-off is the moment of the draw (assigned_at), or the start of the campaign where that is earlier, or the
    draw's moment is not known. Nothing at or after it is used.

    Parameters
    ----------
    people : DataFrame
        One row a participant of one campaign: `campaign_id`, `user_id`, `starts_at`.
    assignments, orders : Ibis table
        As in `helpers.tables`.
    users, events : Ibis table, optional
        The customers, for city tier, age band and gender; the behaviour log, for views, carts and active days.
    history_days : int
        Days before the cut-off that count, 1…365.
    min_cell : int
        A trait's word that fewer participants hold becomes 'another': it may be a name.

    Returns
    -------
    DataFrame
        One row a participant in the order of `people`, index user_id, the columns of `FEATURES` whose table is there.
        Who did nothing has 0; an unknown trait is 'unknown', an unknown number the median. Empty with its reason
        without people.

    Raises
    ------
    ExperimentError
        history_days out of its range.

    References
    ----------
    Kaufman et al. (2012), leakage: kaufman2012.

    Examples
    --------
    >>> people = pd.DataFrame({"campaign_id": "c", "user_id": [1, 2], "starts_at": 900_000})
    >>> drawn = ibis.memtable({"campaign_id": ["c", "c"], "user_id": [1, 2], "assigned_at": [864_000, 864_000]})
    >>> lines = ibis.memtable({"order_id": [7, 8], "user_id": [1, 1], "quantity": [2, 1], "unit_price": [5.0, 9.0],
    ...                        "timestamp": [777_600, 870_000]})
    >>> known_before(people, drawn, lines, history_days=10)
             orders_before  spend_before  recency_days
    user_id
    1                  1.0          10.0           1.0
    2                  0.0           0.0          11.0
    """
    if not 1 <= history_days <= 365:
        raise ExperimentError(f"history_days {history_days!r}: take 1 to 365")
    if people.empty:
        return missing(list(FEATURES), people.attrs.get("reason", "there are no participants"))
    drawn = _cut_offs(people, assignments, history_days)
    table = drawn.left_join(_orders_before(drawn, orders), "user_id").drop("user_id_right")
    if events is not None:
        table = table.left_join(_actions_before(drawn, events), "user_id").drop("user_id_right")
    traits = [c for c in TRAITS if users is not None and c in users.columns]
    if traits:
        table = table.left_join(users.select("user_id", *traits), "user_id").drop("user_id_right")
    found = table.drop("cut", "first").execute().set_index("user_id").reindex(people["user_id"])
    columns = [c for c in FEATURES if c in found.columns]
    filled = _filled(found[columns], history_days)
    words = [c for c in ("age_band", "gender") if c in columns]
    of_people = filled.index.to_series()
    return filled.assign(**{c: common_words(filled[c], of_people, min_cell=min_cell) for c in words})


def _cut_offs(people: pd.DataFrame, assignments: ir.Table, history_days: int) -> ir.Table:
    """One row a participant: the cut-off and the first second that counts."""
    mine = ibis.memtable(people[["user_id", "starts_at"]])
    at = assignments.filter(assignments.campaign_id == people["campaign_id"].iloc[0])
    at = at.mutate(at=at.assigned_at if "assigned_at" in at.columns else ibis.null("int64"))
    joined = mine.left_join(at.select("user_id", "at"), "user_id").drop("user_id_right")
    cut = ibis.least(_.starts_at, _.at.fill_null(_.starts_at)).cast("int64")
    return joined.mutate(cut=cut).mutate(first=_.cut - history_days * DAY).select("user_id", "cut", "first")


def _before(drawn: ir.Table, log: ir.Table) -> ir.Table:
    near = drawn.inner_join(log, "user_id")
    return near.filter((near.timestamp >= near.first) & (near.timestamp < near.cut))


def _orders_before(drawn: ir.Table, orders: ir.Table) -> ir.Table:
    discount = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    paid = (orders.quantity * orders.unit_price - discount).cast("float64")
    near = _before(drawn, orders.select("user_id", "order_id", "timestamp", paid=paid))
    return near.group_by("user_id").agg(
        orders_before=near.order_id.nunique(),
        spend_before=near.paid.sum(),
        recency_days=((near.cut - near.timestamp) // DAY).min(),
    )


def _actions_before(drawn: ir.Table, events: ir.Table) -> ir.Table:
    near = _before(drawn, events.select("user_id", "behavior", "timestamp"))
    return near.group_by("user_id").agg(
        views_before=(near.behavior == "pv").sum(),
        carts_before=(near.behavior == "cart").sum(),
        active_days_before=((near.cut - near.timestamp) // DAY).nunique(),
    )


def _filled(found: pd.DataFrame, history_days: int) -> pd.DataFrame:
    """Without gaps: nothing done is 0, no order in the history is one day longer than it."""
    traits = [c for c in found.columns if c in TRAITS]
    done = [c for c in found.columns if c not in TRAITS]
    number = {"recency_days": float(history_days + 1)}
    found = found.copy()
    found[done] = found[done].astype(float).fillna({c: number.get(c, 0.0) for c in done})
    for trait in traits:
        values = found[trait]
        if pd.api.types.is_numeric_dtype(values):
            found[trait] = values.astype(float).fillna(values.median() if values.notna().any() else 0.0)
        else:
            found[trait] = values.astype("object").where(values.notna(), "unknown")
    return found


def design(known: pd.DataFrame) -> pd.DataFrame:
    """The features as numbers: a 0/1 column for each value of a text, counts and amounts on a log scale.

    Parameters
    ----------
    known : DataFrame
        One row a participant, from `known_before`, or any table of features without gaps.

    Returns
    -------
    DataFrame
        One row a participant. Texts give 'age_band = 18-24', …; numbers keep their name, or are 'log(1 + name)' where
        all are 0 or more and one is above 20. Columns without any variation, and texts with more than 12 values, are
        left out.

    Examples
    --------
    >>> design(pd.DataFrame({"age_band": ["18-24", "55+"], "spend_before": [0.0, 99.0], "city_tier": [1, 4]})).round(1)
       age_band = 18-24  age_band = 55+  log(1 + spend_before)  city_tier
    0               1.0             0.0                    0.0        1.0
    1               0.0             1.0                    4.6        4.0
    """
    columns: dict[str, np.ndarray] = {}
    for name, values in known.items():
        if pd.api.types.is_numeric_dtype(values):
            number = values.to_numpy(float)
            long = len(number) and number.min() >= 0 and number.max() > 20
            columns[f"log(1 + {name})" if long else str(name)] = np.log1p(number) if long else number
        elif values.nunique() <= MOST_LEVELS:
            for level in sorted(values.astype(str).unique()):
                columns[f"{name} = {level}"] = (values.astype(str) == level).to_numpy(float)
    table = pd.DataFrame(columns, index=known.index)
    return table.loc[:, table.nunique() > 1]


def balance(known: pd.DataFrame, treated: np.ndarray, *, level: float = 0.95) -> pd.DataFrame:
    """Did the draw make the arms alike? Standardised differences of what was known before.

    d = (x̄₁ − x̄₀) / √((s₁² + s₀²)/2). By chance it lies within ± z·√(1/n₁ + 1/n₀) for `level` of the features.

    Parameters
    ----------
    known : DataFrame
        One row a participant.
    treated : array of 0/1
        The arms.
    level : float
        How often a fair draw stays inside the range, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a column of `design`, the largest difference first: `feature`, `mean_treated`, `mean_control`,
        `difference` (standard deviations), `by_chance` (largest that chance explains), `inside` (yes/no). Missing, with
        a reason, where an arm has fewer than two people or nothing varies.

    References
    ----------
    Imbens & Rubin (2015), chapter 14: imbensrubin2015.

    Examples
    --------
    >>> known = pd.DataFrame({"orders_before": [0.0, 1, 2, 0, 1, 2]})
    >>> balance(known, np.array([1, 1, 1, 0, 0, 0]))[["feature", "difference", "inside"]]
             feature  difference  inside
    0  orders_before         0.0    True
    """
    names = ["feature", "mean_treated", "mean_control", "difference", "by_chance", "inside"]
    table = design(known) if len(known) else pd.DataFrame()
    if reason := _cannot_balance(table, treated):
        return missing(names, reason)
    one, zero = table[treated == 1], table[treated == 0]
    spread = np.sqrt((one.var() + zero.var()) / 2)
    gap = (one.mean() - zero.mean()) / spread.where(spread > 0)
    chance = z_value(level) * np.sqrt(1 / len(one) + 1 / len(zero))
    found = pd.DataFrame({"mean_treated": one.mean(), "mean_control": zero.mean(), "difference": gap.fillna(0.0)})
    found = found.assign(by_chance=chance, inside=found.difference.abs() <= chance)
    order = found.difference.abs().sort_values(ascending=False, kind="stable").index
    return found.loc[order].rename_axis("feature").reset_index()[names]


def balance_test(known: pd.DataFrame, treated: np.ndarray) -> float | None:
    """One p-value for all features together: could a fair draw make arms that differ so much?

    The means' differences d and their covariance S give d'S⁻¹d, chi-square with as many degrees of freedom as S has
    rank (Hotelling's test for large arms). Below 0.001 the arms were not drawn by chance, or people were lost after it.
    None where it cannot be computed.

    >>> known = pd.DataFrame({"orders_before": [0.0, 1, 2, 0, 1, 2]})
    >>> balance_test(known, np.array([1, 1, 1, 0, 0, 0]))
    1.0
    """
    table = design(known) if len(known) else pd.DataFrame()
    if _cannot_balance(table, treated):
        return None
    x, t = table.to_numpy(), np.asarray(treated)
    gap = x[t == 1].mean(axis=0) - x[t == 0].mean(axis=0)
    within = x - np.where(t[:, None] == 1, x[t == 1].mean(axis=0), x[t == 0].mean(axis=0))
    spread = within.T @ within / (len(t) - 2) * (1 / t.sum() + 1 / (1 - t).sum())
    rank = int(np.linalg.matrix_rank(spread, hermitian=True))
    return float(chi2.sf(gap @ np.linalg.pinv(spread, hermitian=True) @ gap, max(rank, 1)))


def _cannot_balance(table: pd.DataFrame, treated: np.ndarray) -> str:
    if table.shape[1] == 0:
        return "nothing that differs between people is known from before the draw"
    few = min(np.sum(treated), len(treated) - np.sum(treated)) < 2
    return "an arm has fewer than two people" if few else ""
