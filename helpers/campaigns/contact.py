"""Contact pressure: how many messages people get, whether they may be sent, when, and how much is too much.

This module is the one door of notebook 53. It describes the contacts; the frequency test (`contact_arms`), its two
curves and the cap (`contact_response`), the plan under the cap (`contact_allocation`) and the tests with a known answer
(`contact_simulation`) are reached through it.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd
from ibis import _

from helpers.campaigns.arms import ALARM, arm_counts, sample_ratio_test
from helpers.campaigns.contact_allocation import (
    Scene,
    against_first_come,
    allocate,
    compare_plans,
    first_come,
    plan_changes,
    plan_table,
    shadow_prices,
    usual_plans,
)
from helpers.campaigns.contact_arms import (
    believed_value,
    dose_arms,
    dose_effects,
    fit_doses,
    frequency_people,
    lost_value,
    message_cost,
    observed_doses,
    order_value,
    people,
    subscriber_value,
    value_origin,
)
from helpers.campaigns.contact_messages import (
    NO_CONSENT,
    message_values,
    set_scene,
    slot_prices,
    true_slots,
    true_values,
)
from helpers.campaigns.contact_response import (
    at_cap,
    best_dose,
    cap,
    cap_against_truth,
    curve_lines,
    fit_curves,
    profit_curve,
    reading,
    sensitivity,
    true_profit,
    whole_cap,
)
from helpers.campaigns.contact_simulation import (
    FrequencyTruth,
    frequency_study,
    grade,
    simulate_frequency,
    study_summary,
)
from helpers.campaigns.errors import ExperimentError
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate
from helpers.study import nearest

__all__ = [
    "FrequencyTruth",
    "Scene",
    "against_first_come",
    "allocate",
    "at_cap",
    "believed_value",
    "best_dose",
    "cap",
    "cap_against_truth",
    "checks",
    "compare_plans",
    "consent",
    "consent_columns",
    "curve_lines",
    "dose_arms",
    "dose_effects",
    "first_come",
    "fit_curves",
    "fit_doses",
    "frequency_people",
    "frequency_study",
    "grade",
    "incidents",
    "lost_value",
    "message_cost",
    "message_values",
    "observed_doses",
    "order_value",
    "overlap",
    "overlap_matrix",
    "people",
    "plan_changes",
    "plan_table",
    "profit_curve",
    "quiet_hours",
    "reading",
    "sends_by_hour",
    "sensitivity",
    "set_scene",
    "shadow_prices",
    "simulate_frequency",
    "slot_prices",
    "study_summary",
    "subscriber_value",
    "true_profit",
    "true_slots",
    "true_values",
    "usual_plans",
    "value_origin",
    "weekly_contacts",
    "weekly_load",
    "whole_cap",
]

DAYS = 7
ALL = "all channels"


def weekly_contacts(contacts: ir.Table, *, start: pd.Timestamp, most: int = 8, min_cell: int = 10) -> pd.DataFrame:
    """How many messages a person gets in a week: the distribution, for all channels together and for each.

    Weeks of seven days from `start`. A row counts the weeks of people with so many messages; weeks without any message
    are not counted. share = weeks with so many / all weeks with a message, range 0…1 within a channel.

    Parameters
    ----------
    contacts : Table
        One row a message: `user_id`, `channel`, `day` (in the study's time zone).
    start : Timestamp
        First day of the first week.
    most : int
        So many messages and more are one row, 1 or more.
    min_cell : int
        Rows with fewer people are left out.

    Returns
    -------
    DataFrame
        One row a channel and number: `channel`, `messages`, `people`, `person_weeks`, `share`.

    Raises
    ------
    ExperimentError
        most below 1.

    Examples
    --------
    >>> sent = ibis.memtable({"user_id": [1, 1, 2], "channel": ["email"] * 3,
    ...                       "day": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-09"]).date})
    >>> table = weekly_contacts(sent, start=pd.Timestamp("2024-01-01"), min_cell=1)
    >>> table[table.channel == "email"][["messages", "person_weeks", "share"]].values.tolist()
    [[1.0, 1.0, 0.5], [2.0, 1.0, 0.5]]
    """
    if most < 1:
        raise ExperimentError(f"most {most!r}: take 1 or more messages")
    names = ["channel", "messages", "people", "person_weeks", "share"]
    weeks = _weeks(contacts, start)
    each = weeks.group_by("user_id", "week", "channel").agg(n=_.count())
    every = weeks.group_by("user_id", "week").agg(n=_.count()).mutate(channel=ibis.literal(ALL))
    both = each.union(every.select(*each.columns)).mutate(messages=ibis.least(_.n, most))
    table = both.group_by("channel", "messages").agg(people=_.user_id.nunique(), person_weeks=_.count()).execute()
    if table.empty:
        return missing(names, "no messages were sent")
    table["share"] = table["person_weeks"] / table.groupby("channel")["person_weeks"].transform("sum")
    first = (table["channel"] != ALL).rename("first")
    table = table.assign(first=first).sort_values(["first", "channel", "messages"], ignore_index=True)
    shown = table.loc[table["people"] >= min_cell, names].reset_index(drop=True)
    return missing(names, f"fewer than {min_cell} people got a message") if shown.empty else shown


def _weeks(contacts: ir.Table, start: pd.Timestamp) -> ir.Table:
    first = ibis.date(pd.Timestamp(start).date())
    days = contacts.day.cast("date").delta(first, unit="day")
    return contacts.select("user_id", "channel", week=(days // DAYS).cast("int64"))


def weekly_load(contacts: ir.Table, *, start: pd.Timestamp, min_cell: int = 10) -> pd.DataFrame:
    """The pressure week by week: who is reached, and how often on average and among the most contacted.

    Parameters
    ----------
    contacts, start, min_cell
        As in `weekly_contacts`.

    Returns
    -------
    DataFrame
        Two rows a week with messages: `week` (its first day), `people` (reached), `who` ('mean', 'the most contacted
        5 %'), `messages` (a person reached: the mean, and the 95th percentile).
    """
    names, words = ["week", "people", "who", "messages"], {"mean": "mean", "most": "the most contacted 5 %"}
    each = _weeks(contacts, start).group_by("user_id", "week").agg(n=_.count())
    table = each.group_by("week").agg(people=_.count(), mean=_.n.mean(), most=_.n.quantile(0.95)).execute()
    table = table[table["people"] >= min_cell].sort_values("week", ignore_index=True)
    if table.empty:
        return missing(names, f"in no week {min_cell} people got a message")
    table["week"] = pd.Timestamp(start) + pd.to_timedelta(table["week"] * DAYS, unit="D")
    return table.rename(columns=words).melt(["week", "people"], list(words.values()), "who", "messages")


def _memberships(contacts: ir.Table) -> ir.Table:
    """One row a person and campaign: got at least one message of it."""
    named = contacts.filter(_.campaign_id.notnull())
    return named.select(campaign=_.campaign_id.cast("string"), user_id=_.user_id).distinct()


def overlap(contacts: ir.Table, *, within_days: int = 0, min_cell: int = 10) -> pd.DataFrame:
    """In how many campaigns are people at the same time?

    A campaign runs from its first message to its last, and `within_days` longer: so long it is still fresh in mind. For
    each person: the largest number of his campaigns that run on one day.

    Parameters
    ----------
    contacts : Table
        One row a message: `campaign_id`, `user_id`, `sent_at`.
    within_days : int
        Days after its last message that a campaign still counts, 0 or more.
    min_cell : int
        Rows with fewer people are merged into the row before (so `campaigns` is then 'n or more').

    Returns
    -------
    DataFrame
        One row a number: `campaigns_at_once`, `people`, `share` (of all people who got a message of a campaign).

    Raises
    ------
    ExperimentError
        within_days below 0.

    Examples
    --------
    >>> sent = ibis.memtable({"campaign_id": ["a", "b", "a"], "user_id": [1, 1, 2], "sent_at": [0, 0, 90_000]})
    >>> overlap(sent, min_cell=1)[["campaigns_at_once", "people"]].values.tolist()
    [['1', 1], ['2', 1]]
    """
    if within_days < 0:
        raise ExperimentError(f"within_days {within_days!r}: take 0 or more days")
    names = ["campaigns_at_once", "people", "share"]
    if "campaign_id" not in contacts.columns:
        return missing(names, "the messages do not say to which campaign they belong")
    together = _running(contacts, within_days)
    members = _memberships(contacts)
    own = members.join(together, members.campaign == together.at_start_of)
    also = members.select(other=_.campaign, user_id=_.user_id)
    at_once = own.join(also, ["user_id", "other"]).group_by("user_id", "at_start_of").agg(n=_.count())
    table = at_once.group_by("user_id").agg(n=_.n.max()).group_by("n").agg(people=_.count()).order_by("n").execute()
    if table.empty:
        return missing(names, "no message belongs to a campaign")
    return _merged(table, min_cell)[names]


def _running(contacts: ir.Table, within_days: int) -> ir.Table:
    """Pairs of campaigns: `other` still runs when the campaign `at_start_of` starts (itself included)."""
    named = contacts.filter(_.campaign_id.notnull())
    spans = named.group_by(campaign=_.campaign_id.cast("string")).agg(first=_.sent_at.min(), last=_.sent_at.max())
    later = spans.select(at_start_of=_.campaign, moment=_.first)
    pairs = spans.cross_join(later)
    end = pairs.last + within_days * 86_400
    return pairs.filter((pairs.first <= pairs.moment) & (pairs.moment <= end)).select("at_start_of", other="campaign")


def _merged(table: pd.DataFrame, min_cell: int) -> pd.DataFrame:
    """The numbers of campaigns as words; rare large numbers are one row 'n or more'."""
    rows, rest = [], 0
    for n, people_ in sorted(zip(table["n"], table["people"], strict=True), reverse=True):
        rest += people_
        if rest >= min_cell or n == table["n"].min():
            more = n != table["n"].max() and rest != people_
            rows.append((f"{n} or more" if more else f"{n}", rest))
            rest = 0
    found = pd.DataFrame(rows[::-1], columns=["campaigns_at_once", "people"])
    found = found[found["people"] >= min_cell]
    if found.empty:
        return missing(["campaigns_at_once", "people", "share"], f"fewer than {min_cell} people got a message")
    return found.assign(share=found["people"] / table["people"].sum()).reset_index(drop=True)


def overlap_matrix(contacts: ir.Table, *, min_cell: int = 10) -> pd.DataFrame:
    """How many of a campaign's people got the other campaign, too.

    Parameters
    ----------
    contacts : Table
        One row a message: `campaign_id`, `user_id`.
    min_cell : int
        Cells that rest on fewer people are blank.

    Returns
    -------
    DataFrame
        Campaigns (index, in order of their first message) × campaigns: share of the row's people who are in the
        column's campaign, 0…1.

    Examples
    --------
    >>> sent = ibis.memtable({"campaign_id": ["a", "a", "b"], "user_id": [1, 2, 1], "sent_at": [0, 1, 2]})
    >>> overlap_matrix(sent, min_cell=1).loc["a", "b"]
    np.float64(0.5)
    """
    if "campaign_id" not in contacts.columns:
        return missing(["campaign"], "the messages do not say to which campaign they belong")
    members = _memberships(contacts)
    other = members.select(other=_.campaign, user_id=_.user_id)
    pairs = members.join(other, "user_id").group_by("campaign", "other").agg(n=_.count()).execute()
    if pairs.empty:
        return missing(["campaign"], "no message belongs to a campaign")
    named = contacts.filter(_.campaign_id.notnull())
    first = named.group_by(campaign=_.campaign_id.cast("string")).agg(first=_.sent_at.min())
    order = first.order_by("first", "campaign").execute()["campaign"].tolist()
    wide = pairs.pivot(index="campaign", columns="other", values="n").reindex(index=order, columns=order).fillna(0)
    size = pd.Series({c: wide.loc[c, c] for c in order})
    shares = wide.div(size, axis=0).where((wide >= min_cell) | ((wide == 0) & (size.to_numpy()[:, None] >= min_cell)))
    return shares.rename_axis(index="campaign", columns="with")


def consent(contacts: ir.Table, users: ir.Table | None, *, columns: str, min_cell: int = 10) -> pd.DataFrame:
    """Were the messages allowed? Consent and opt-outs by channel: the first filter of every plan.

    A message without consent, or after an opt-out from the same channel, is an *incident*, whatever it earned.

    Parameters
    ----------
    contacts : Table
        One row a message: `user_id`, `channel`, `sent_at`, and `opted_out` where known.
    users : Table or None
        One row a customer with consent flags; None: consent is unknown.
    columns : str
        Which flag a channel needs, such as 'email: consent_email, app: none' ('none': it needs none). Channels that
        are not named: unknown.
    min_cell : int
        Channels with fewer people are left out.

    Returns
    -------
    DataFrame
        One row a channel: `channel`, `people`, `messages`, `allowed`, `without_consent`, `consent_unknown`,
        `after_opt_out` (messages; a message can be in both of the last and one of the others), `incident_share` (of
        the messages: without consent or after an opt-out).

    Raises
    ------
    ExperimentError
        `columns` cannot be read.

    Examples
    --------
    >>> sent = ibis.memtable({"contact_id": [1, 2], "user_id": [1, 2], "channel": ["email"] * 2, "sent_at": [5, 6]})
    >>> who = ibis.memtable({"user_id": [1, 2], "consent_email": [True, False]})
    >>> consent(sent, who, columns="email: consent_email", min_cell=1)[["allowed", "without_consent"]].values.tolist()
    [[1, 1]]
    """
    names = ["channel", "people", "messages", "allowed", "without_consent", "consent_unknown", "after_opt_out"]
    marked = _with_opt_outs(_with_consent(contacts, users, consent_columns(columns)))
    incident = (_.given == False) | _.after  # noqa: E712
    table = marked.group_by("channel").agg(
        people=_.user_id.nunique(),
        messages=_.count(),
        allowed=(_.given & ~_.after).fill_null(False).sum(),
        without_consent=(~_.given).fill_null(False).sum(),
        consent_unknown=_.given.isnull().sum(),
        after_opt_out=_.after.sum(),
        incidents=incident.fill_null(False).sum(),
    )
    table = table.order_by("channel").execute()
    table = table[table["people"] >= min_cell].reset_index(drop=True)
    if table.empty:
        return missing([*names, "incident_share"], f"no channel reached {min_cell} people")
    return table.assign(incident_share=table["incidents"] / table["messages"])[[*names, "incident_share"]]


def incidents(table: pd.DataFrame) -> Estimate:
    """Share of the messages that were sent without consent or after an opt-out; missing where most consent is unknown.

    >>> incidents(pd.DataFrame({"messages": [90, 10], "incident_share": [0.0, 0.5], "consent_unknown": [0, 0]})).value
    0.05
    """
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no messages were sent"))
    unknown = table["consent_unknown"].sum() / table["messages"].sum()
    if unknown > 0.5:
        return Estimate.missing(
            f"consent is unknown for {unknown:.0%} of the messages; give users a flag for each channel"
        )
    return Estimate(float((table["messages"] * table["incident_share"]).sum() / table["messages"].sum()))


def consent_columns(words: str) -> dict[str, str]:
    """Channel → consent flag, from words such as 'email: consent_email'; 'none' for a channel that needs no consent.

    >>> consent_columns("email: consent_email, push: consent_push")
    {'email': 'consent_email', 'push': 'consent_push'}
    """
    flags = ("consent_email", "consent_push", NO_CONSENT)
    found = {}
    for part in filter(None, (p.strip() for p in words.split(","))):
        channel, colon, column = (p.strip() for p in part.partition(":"))
        if not (channel and colon and column):
            raise ExperimentError(f"consent {part!r}: write channel and flag, such as 'email: consent_email'")
        if column not in flags:
            raise ExperimentError(f"consent {part!r}: there is no flag {column!r}. {nearest(column, list(flags))}")
        found[channel] = column
    return found


def _with_consent(contacts: ir.Table, users: ir.Table | None, columns: dict[str, str]) -> ir.Table:
    """Each message with `given`: true, false, or null where nobody knows."""
    left = contacts.opted_out if "opted_out" in contacts.columns else ibis.literal(False)
    sent = contacts.select("contact_id", "user_id", "channel", "sent_at", left=left.cast("boolean").fill_null(False))
    known = {ch: col for ch, col in columns.items() if users is not None and col in users.columns}
    flags = list(dict.fromkeys(known.values()))
    joined = sent.left_join(users.select("user_id", *flags), "user_id").drop("user_id_right") if known else sent
    cases = [(joined.channel == ch, joined[col].cast("boolean")) for ch, col in known.items()]
    cases += [(joined.channel == ch, True) for ch, col in columns.items() if col == NO_CONSENT]
    given = ibis.cases(*cases, else_=ibis.null("boolean")) if cases else ibis.null("boolean")
    return joined.mutate(given=given).drop(*flags)


def _with_opt_outs(sent: ir.Table) -> ir.Table:
    """With `after`: was the message sent after the person's first opt-out from that channel?"""
    first = sent.filter(_.left).group_by("user_id", "channel").agg(out_at=_.sent_at.min())
    joined = sent.left_join(first, ["user_id", "channel"]).drop("user_id_right", "channel_right")
    return joined.mutate(after=(joined.sent_at > joined.out_at).fill_null(False))


def quiet_hours(
    contacts: ir.Table, *, quiet_from: int, quiet_until: int, level: float = 0.95, min_cell: int = 10
) -> pd.DataFrame:
    """Messages in quiet hours and outside, with the opt-outs that they brought.

    An hour h is quiet from `quiet_from` on and before `quiet_until`; over midnight where `quiet_from` is the larger.
    Hours are those of the study's time zone.

    Parameters
    ----------
    contacts : Table
        One row a message: `user_id`, `hour` (0…23), and `opted_out` where known.
    quiet_from, quiet_until : int
        Hours, 0…23; equal hours mean that there is no quiet time.
    level : float
        Of the Wilson interval of the opt-out rate.
    min_cell : int
        Messages to fewer people are not shown.

    Returns
    -------
    DataFrame
        Two rows: `time`, `messages`, `share` (of all messages), `opt_outs`, `opt_out_rate` (a message) with interval.

    Raises
    ------
    ExperimentError
        An hour outside 0…23.

    Examples
    --------
    >>> sent = ibis.memtable({"user_id": [1, 2, 3, 4], "hour": [23, 3, 12, 15], "opted_out": [1, 0, 0, 0]})
    >>> quiet_hours(sent, quiet_from=22, quiet_until=8, min_cell=1)[["time", "messages", "opt_outs"]].values.tolist()
    [['quiet hours', 2, 1], ['other hours', 2, 0]]
    """
    if not (0 <= quiet_from <= 23 and 0 <= quiet_until <= 23):
        raise ExperimentError(f"quiet_from {quiet_from!r}, quiet_until {quiet_until!r}: take hours from 0 to 23")
    by_hour = _hours(contacts, min_cell)
    if by_hour.empty:
        names = ["time", "messages", "share", "opt_outs", "opt_out_rate", "opt_out_rate_ci_low", "opt_out_rate_ci_high"]
        return missing(names, by_hour.attrs["reason"])
    hour, wraps = by_hour["hour"], quiet_from > quiet_until
    late, early = hour >= quiet_from, hour < quiet_until
    by_hour["time"] = ((late | early) if wraps else (late & early)).map({True: "quiet hours", False: "other hours"})
    table = (
        by_hour.groupby("time")[["messages", "opt_outs"]].sum().reindex(["quiet hours", "other hours"], fill_value=0)
    )
    table = table.reset_index().assign(share=table["messages"].to_numpy() / by_hour["messages"].sum())
    rated = add_rate(table, successes="opt_outs", trials="messages", name="opt_out_rate", level=level)
    told = "opted_out" in contacts.columns and contacts.opted_out.notnull().any().execute()
    return rated if told else rated.drop(columns=[c for c in rated if "opt_out" in c])


def _hours(contacts: ir.Table, min_cell: int) -> pd.DataFrame:
    """One row an hour of the day: `hour`, `messages`, `opt_outs`; empty where fewer people got a message."""
    if contacts.user_id.nunique().execute() < min_cell:
        return missing(["hour", "messages", "opt_outs"], f"fewer than {min_cell} people got a message")
    left = contacts.opted_out.cast("int64").fill_null(0) if "opted_out" in contacts.columns else ibis.literal(0)
    found = contacts.select(hour=_.hour.cast("int64"), left=left).group_by("hour")
    table = found.agg(messages=_.count(), opt_outs=_.left.sum()).execute().set_index("hour")
    return table.reindex(range(24), fill_value=0).rename_axis("hour").reset_index().astype("int64")


def sends_by_hour(contacts: ir.Table, *, min_cell: int = 10) -> pd.DataFrame:
    """Share of the messages by hour of the day (study's time zone): `hour`, `messages`, `share`.

    >>> sends_by_hour(ibis.memtable({"user_id": [1, 2, 2, 3], "hour": [9, 9, 20, 21]}), min_cell=1).iloc[9].tolist()
    [9.0, 2.0, 0.5]
    """
    table = _hours(contacts, min_cell)[["hour", "messages"]]
    if table.empty:
        return missing(["hour", "messages", "share"], f"fewer than {min_cell} people got a message")
    return table.assign(share=table["messages"] / table["messages"].sum())


def checks(everyone: pd.DataFrame, users: pd.DataFrame, contacts: ir.Table, *, unit_cost: float | None) -> pd.DataFrame:
    """What stands in the way of a cap: each check, its answer, and the cure where it is needed.

    Parameters
    ----------
    everyone : DataFrame
        From `people`.
    users : DataFrame
        From `frequency_people`.
    contacts : Table
        One row a message.
    unit_cost : float or None
        Cost of a message, where known.

    Returns
    -------
    DataFrame
        One row a check: `check`, `answer` ('yes', or what is wrong), `cure` (missing where the answer is yes).

    Examples
    --------
    >>> nobody = missing(["arm"], "there is no test")
    >>> checks(nobody, nobody, ibis.memtable({"user_id": [1]}), unit_cost=None).iloc[2].tolist()
    ['cost of a message', 'not known', 'give campaigns.unit_cost or the parameter unit_cost']
    """
    asked = [
        ("a randomised test of frequencies", users.attrs.get("reason", "no participants") if users.empty else "",
         "draw people by chance for 0, 1, 2, 4, … messages a week"),
        ("the arms have the planned sizes", _faulty_draw(users), "find who was lost or added after the draw"),
        ("cost of a message", "" if unit_cost is not None else "not known",
         "give campaigns.unit_cost or the parameter unit_cost"),
        ("no negative sales", _negative(everyone), "take returned goods off the order that they belong to"),
        ("margins of the orders", _no_margins(everyone), "give items.unit_margin"),
        ("no other campaign pressed one arm more", _pressed(users, contacts),
         "keep other campaigns away from the people of the test"),
    ]  # fmt: skip
    rows = [(check, problem or "yes", cure if problem else None) for check, problem, cure in asked]
    return pd.DataFrame(rows, columns=["check", "answer", "cure"])


def _faulty_draw(users: pd.DataFrame) -> str:
    if users.empty:
        return "no test"
    draw = sample_ratio_test(arm_counts(users))
    p = 1.0 if draw.empty else draw["p_value"].iloc[0]
    return "" if p >= ALARM else f"sample-ratio test p = {p:.1e}"


def _negative(everyone: pd.DataFrame) -> str:
    count = 0 if everyone.empty else int((everyone["spend"] < 0).sum())
    return f"{count:,} participants have sales below 0 in a campaign's window" if count else ""


def _no_margins(everyone: pd.DataFrame) -> str:
    if everyone.empty:
        return everyone.attrs.get("reason", "no participants")
    lost = int(everyone["margin"].isna().sum())
    return f"not known for {lost:,} participants" if lost else ""


def _pressed(users: pd.DataFrame, contacts: ir.Table) -> str:
    """Do the arms differ in the messages of other campaigns during the test? Welch's p-values below 0.001."""
    if users.empty or "campaign_id" not in contacts.columns:
        return ""
    own, first = users["campaign_id"].iloc[0], int(users["starts_at"].iloc[0])
    last = first + int(users["weeks"].iloc[0] * DAYS * 86_400)
    during = contacts.filter(
        (_.sent_at >= first) & (_.sent_at < last) & _.campaign_id.notnull() & (_.campaign_id != own)
    )
    sent = during.group_by("user_id").agg(n=_.count()).execute().set_index("user_id")["n"]
    got = users["user_id"].map(sent).fillna(0)
    if got.sum() == 0:
        return ""
    means = got.groupby(users["per_week"]).agg(["mean", "sem"])
    gap = (means["mean"] - means["mean"].iloc[0]).abs() / (means["sem"] ** 2 + means["sem"].iloc[0] ** 2) ** 0.5
    return f"{got.sum():,.0f} messages of other campaigns, not alike in all arms" if (gap > 3.3).any() else ""
