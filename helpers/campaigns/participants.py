"""From the tables to one row a participant: who was in which arm, and what he did in the campaign's window."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from helpers.campaigns.errors import ExperimentError
from helpers.findings import NotAnswerable, missing
from helpers.study import nearest

DAY = 86_400
OUTCOMES = ("spend", "purchased", "orders", "margin", "visits", "spend_before", "spend_later")


def participants(
    assignments: ir.Table,
    campaigns: ir.Table,
    orders: ir.Table,
    *,
    campaign_id: str | int | None = None,
    events: ir.Table | None = None,
    items: ir.Table | None = None,
    contacts: ir.Table | None = None,
    follow_up_days: int = 21,
    control: str = "control",
) -> ir.Table:
    """One row a participant of each campaign, with the outcomes of the campaign's window.

    spend = Σ quantity·unit_price − discount over the order lines from starts_at to ends_at, both inclusive; who bought
    nothing has 0. margin = Σ quantity·unit_margin − discount, so a voucher's cost is in it; missing where a line's item
    has no unit_margin. spend_before: the same length of time just before starts_at. spend_later: `follow_up_days` after
    ends_at.

    Parameters
    ----------
    assignments, campaigns, orders : Table
        As in `helpers.tables`: one row a user and campaign; one row a campaign; one row an order line.
    campaign_id : str or int, optional
        One campaign; by default all.
    events : Table, optional
        The behaviour log, for `visits`.
    items : Table, optional
        The catalogue, for `margin`.
    contacts : Table, optional
        The messages; without it every participant outside the control counts as contacted once.
    follow_up_days : int
        Days after the window in which orders brought forward would be missing, 0…365.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    Table
        `campaign_id`, `user_id`, `arm`, `randomised`, `starts_at`, `spend` and `margin` (currency units), `purchased`
        (0/1), `orders`, `visits` (24-hour days with an event, counted from starts_at), `contacts`, `contact_cost`,
        `spend_before`, `spend_later`, `later_seen_share` (of the follow-up days, before the last order of the log);
        ordered by campaign_id, user_id. Columns whose table is absent are missing.

    Raises
    ------
    ExperimentError
        follow_up_days is out of its range.

    References
    ----------
    Kohavi, Tang & Xu (2020), chapters 6 and 18: kohavi2020.

    Examples
    --------
    >>> who = ibis.memtable({"campaign_id": ["c", "c"], "user_id": [1, 2], "arm": ["control", "voucher"]})
    >>> what = ibis.memtable({"campaign_id": ["c"], "starts_at": [100], "ends_at": [199], "randomised": [True]})
    >>> lines = ibis.memtable({"order_id": [7, 8], "user_id": [2, 2], "item_id": [5, 5], "quantity": [2, 1],
    ...                        "unit_price": [10.0, 10.0], "discount": [3.0, 0.0], "timestamp": [150, 50]})
    >>> participants(who, what, lines).execute()[["user_id", "arm", "spend", "purchased", "spend_before"]]
       user_id      arm  spend  purchased  spend_before
    0        1  control    0.0          0           0.0
    1        2  voucher   17.0          1          10.0
    """
    if not 0 <= follow_up_days <= 365:
        raise ExperimentError(f"follow_up_days {follow_up_days!r}: take 0 to 365")
    people = _people(assignments, campaigns, campaign_id)
    seen = (orders.timestamp.max().as_scalar() - people.ends_at) / (max(1, follow_up_days) * DAY)
    people = people.mutate(later_seen_share=ibis.greatest(0.0, ibis.least(1.0, seen)))
    bought = _bought(people, orders, items, follow_up_days)
    table = people.left_join(bought, ["campaign_id", "user_id"]).drop("campaign_id_right", "user_id_right")
    table = _with_visits(table, people, events)
    table = _with_contacts(table, contacts, control)
    zero = dict.fromkeys(("spend", "orders", "spend_before", "spend_later"), 0)
    table = table.fill_null(zero).mutate(purchased=(_.orders.fill_null(0) > 0).cast("int64"))
    table = table.mutate(
        margin=ibis.ifelse(_.orders == 0, 0.0, _.margin) if items is not None else ibis.null("float64"),
        contact_cost=(_.contacts * _.unit_cost).cast("float64"),
    )
    first = ["campaign_id", "user_id", "arm", "randomised", "starts_at"]
    rest = ["spend", "margin", "purchased", "orders", "visits", "contacts", "contact_cost"]
    return table.select(*first, *rest, "spend_before", "spend_later", "later_seen_share").order_by(
        "campaign_id", "user_id"
    )


def _people(assignments: ir.Table, campaigns: ir.Table, campaign_id: str | int | None) -> ir.Table:
    """One row a participant with the campaign's window and cost."""
    if campaign_id is not None:
        assignments = assignments.filter(_.campaign_id == campaign_id)
    cost = campaigns.unit_cost if "unit_cost" in campaigns.columns else ibis.null("float64")
    plan = campaigns.select("campaign_id", "starts_at", "ends_at", "randomised", unit_cost=cost)
    return assignments.select("campaign_id", "user_id", "arm").inner_join(plan, "campaign_id")


def _bought(people: ir.Table, orders: ir.Table, items: ir.Table | None, follow_up_days: int) -> ir.Table:
    """Orders of each participant in, before and after the window."""
    discount = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    lines = orders.select(
        "user_id",
        "order_id",
        "item_id",
        "timestamp",
        "quantity",
        paid=(orders.quantity * orders.unit_price - discount).cast("float64"),
        taken_off=discount,
    )
    if items is not None and "unit_margin" in items.columns:
        lines = lines.left_join(items.select("item_id", "unit_margin"), "item_id").drop("item_id_right")
    else:
        lines = lines.mutate(unit_margin=ibis.null("float64"))
    lines = lines.mutate(earned=(_.quantity * _.unit_margin - _.taken_off).cast("float64"))
    length = people.ends_at - people.starts_at + 1
    window = people.select("campaign_id", "user_id", "starts_at", "ends_at", before=people.starts_at - length)
    near = window.inner_join(lines, "user_id").filter(
        (_.timestamp >= _.before) & (_.timestamp <= _.ends_at + follow_up_days * DAY)
    )
    inside = (near.timestamp >= near.starts_at) & (near.timestamp <= near.ends_at)
    unknown = (inside & near.earned.isnull()).sum()
    return near.group_by("campaign_id", "user_id").agg(
        spend=near.paid.sum(where=inside),
        orders=near.order_id.nunique(where=inside),
        margin=ibis.ifelse(unknown > 0, ibis.null("float64"), near.earned.sum(where=inside)),
        spend_before=near.paid.sum(where=near.timestamp < near.starts_at),
        spend_later=near.paid.sum(where=near.timestamp > near.ends_at),
    )


def _with_visits(table: ir.Table, people: ir.Table, events: ir.Table | None) -> ir.Table:
    """With the number of 24-hour days on which the participant was seen in the window."""
    if events is None:
        return table.mutate(visits=ibis.null("int64"))
    seen = people.select("campaign_id", "user_id", "starts_at", "ends_at").inner_join(
        events.select("user_id", "timestamp"), "user_id"
    )
    seen = seen.filter((_.timestamp >= _.starts_at) & (_.timestamp <= _.ends_at))
    days = seen.mutate(seen_on=(_.timestamp - _.starts_at) // DAY).group_by("campaign_id", "user_id")
    counts = days.agg(visits=_.seen_on.nunique())
    joined = table.left_join(counts, ["campaign_id", "user_id"]).drop("campaign_id_right", "user_id_right")
    return joined.mutate(visits=_.visits.fill_null(0))


def _with_contacts(table: ir.Table, contacts: ir.Table | None, control: str) -> ir.Table:
    """With the number of messages of the campaign to the participant."""
    if contacts is None or "campaign_id" not in contacts.columns:
        return table.mutate(contacts=(_.arm != control).cast("int64"))
    sent = contacts.filter(contacts.campaign_id.notnull()).group_by("campaign_id", "user_id").agg(contacts=_.count())
    joined = table.left_join(sent, ["campaign_id", "user_id"]).drop("campaign_id_right", "user_id_right")
    return joined.mutate(contacts=_.contacts.fill_null(0))


def overview(everyone: pd.DataFrame, *, control: str = "control", min_cell: int = 10) -> pd.DataFrame:
    """Which campaigns can be read as experiments, and why the others cannot.

    Parameters
    ----------
    everyone : DataFrame
        One row a participant of each campaign, from `participants`.
    control : str
        Name of the arm without treatment.
    min_cell : int
        Smallest number of participants, and of buyers, of an arm that may be shown.

    Returns
    -------
    DataFrame
        One row a campaign, in the order of their start: `campaign_id`, `arms`, `participants` (missing where an arm
        is too small to be shown), `randomised`, `status` ('experiment', 'refused' or 'too small'), `because`.

    Raises
    ------
    ExperimentError
        A column of `participants` is absent.

    References
    ----------
    Kohavi, Tang & Xu (2020): kohavi2020.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": ["a", "a", "b"], "arm": ["control", "x", "x"], "starts_at": [1, 1, 2],
    ...                          "randomised": [True, True, False], "purchased": [1, 1, 1]})
    >>> overview(everyone, min_cell=1)[["campaign_id", "arms", "status"]]
      campaign_id  arms      status
    0           a     2  experiment
    1           b     1     refused
    """
    names = ["campaign_id", "arms", "participants", "randomised", "status", "because"]
    need = ["campaign_id", "arm", "starts_at", "randomised", "purchased"]
    if everyone.empty:
        return missing(names, everyone.attrs.get("reason", "no campaign has participants"))
    if absent := [c for c in need if c not in everyone.columns]:
        raise ExperimentError(f"everyone has no column {', '.join(absent)}; make it with participants(...)")
    rows = []
    for (_start, campaign), part in everyone.groupby(["starts_at", "campaign_id"], sort=True):
        sizes = part.groupby("arm").purchased.agg(["size", "sum"])
        randomised = bool(part.randomised.iloc[0])
        small, refused = _too_small(sizes, min_cell), _why_refused(sizes, randomised, control)
        shown = len(part) if sizes["size"].min() >= min_cell else None
        status = "too small" if small else "refused" if refused else "experiment"
        rows.append((campaign, len(sizes), shown, randomised, status, small or refused))
    return pd.DataFrame(rows, columns=names).astype({"participants": "Int64"})


def _too_small(sizes: pd.DataFrame, min_cell: int) -> str:
    if sizes["size"].min() < min_cell:
        return f"an arm has fewer than {min_cell} participants"
    return f"an arm has fewer than {min_cell} buyers" if sizes["sum"].min() < min_cell else ""


def _why_refused(sizes: pd.DataFrame, randomised: bool, control: str) -> str:
    if not randomised:
        return "its arms were not drawn by chance, so a difference may come from who was chosen"
    if control not in sizes.index:
        return f"it has no arm {control!r}"
    return f"it has only the arm {control!r}" if len(sizes) < 2 else ""


def choose(everyone: pd.DataFrame, *, campaign: str = "", control: str = "control", min_cell: int = 10) -> pd.DataFrame:
    """The participants of one randomised campaign, or a refusal with its reason.

    Parameters
    ----------
    everyone : DataFrame
        As in `overview`.
    campaign : str
        A campaign_id; '' takes the experiment with the most participants (the first of equals).
    control, min_cell
        As in `overview`.

    Returns
    -------
    DataFrame
        The rows of `everyone` of that campaign.

    Raises
    ------
    NotAnswerable
        No such campaign (with the nearest right name), not randomised, no control, or arms too small.

    References
    ----------
    As in `overview`.

    Examples
    --------
    >>> everyone = pd.DataFrame({"campaign_id": ["aug", "aug", "sep"], "arm": ["control", "x", "x"],
    ...     "starts_at": [1, 1, 2], "randomised": [True, True, False], "purchased": [1, 1, 1]})
    >>> len(choose(everyone, campaign="aug", min_cell=1))
    2
    >>> choose(everyone, campaign="agu", min_cell=1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    helpers.findings.NotAnswerable: There is no campaign 'agu' with participants. Did you mean 'aug'? An empty ...
    """
    table = overview(everyone, control=control, min_cell=min_cell)
    if table.empty:
        raise NotAnswerable(f"There is nothing to compare: {table.attrs['reason']}.")
    experiments = table[table.status == "experiment"]
    if campaign == "":
        if experiments.empty:
            reasons = "; ".join(f"{r.campaign_id}: {r.because}" for r in table.itertuples())
            raise NotAnswerable(f"No campaign can be read as an experiment. {reasons}.")
        campaign = str(experiments.campaign_id[experiments.participants.astype(int).idxmax()])
    known = table.campaign_id.astype(str)
    if campaign not in set(known):
        raise NotAnswerable(
            f"There is no campaign {campaign!r} with participants. {nearest(campaign, list(known))} "
            "An empty name takes the largest experiment."
        )
    row = table[known == campaign].iloc[0]
    if row.status != "experiment":
        raise NotAnswerable(f"The campaign {campaign!r} cannot be read as an experiment: {row.because}.")
    return everyone[everyone.campaign_id == row.campaign_id].reset_index(drop=True)


def observational(everyone: pd.DataFrame) -> pd.DataFrame:
    """The participants of the first campaign whose arms were not drawn by chance: for the example of a wrong reading.

    Empty, with the reason, where there is none.

    >>> observational(pd.DataFrame({"campaign_id": ["a"], "starts_at": [1], "randomised": [True]})).attrs["reason"]
    'every campaign was randomised'
    """
    chosen = everyone[~everyone.randomised.astype(bool)] if len(everyone) else everyone
    if chosen.empty:
        return missing(list(everyone.columns), "every campaign was randomised")
    first = chosen.sort_values(["starts_at", "campaign_id"], kind="stable").campaign_id.iloc[0]
    return chosen[chosen.campaign_id == first].reset_index(drop=True)


def most_arms(everyone: pd.DataFrame, *, control: str = "control", min_cell: int = 10) -> pd.DataFrame:
    """The participants of the experiment with the most arms, at least two beside the control.

    Empty, with the reason, where every experiment has one treated arm; the earliest of equals. Parameters as in
    `overview`.

    >>> everyone = pd.DataFrame({"campaign_id": "sep", "arm": ["control", "a", "b"], "starts_at": 1,
    ...                          "randomised": True, "purchased": 1})
    >>> len(most_arms(everyone, min_cell=1))
    3
    """
    table = overview(everyone, control=control, min_cell=min_cell)
    several = table[(table.status == "experiment") & (table.arms > 2)] if len(table) else table
    if several.empty:
        return missing(list(everyone.columns), "no experiment has more than one arm beside the control")
    chosen = several.campaign_id[several.arms.idxmax()]
    return everyone[everyone.campaign_id == chosen].reset_index(drop=True)
