"""What past experiments tell about a plan: for each group of customers the response to an offer, with its uncertainty.

Everything comes from arms that were drawn by chance, in the study's own campaigns. The uncertainty is kept as draws
(Bayesian bootstrap over the participants), so that a simulation can carry it on.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.arms import arm_counts, sample_ratio_test
from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.participants import DAY, choose, participants
from helpers.campaigns.shrinkage import shrink
from helpers.engine import as_table
from helpers.findings import NotAnswerable, missing
from helpers.study import nearest

OLDER = 45
"""Age from which customers count as older: the first number of an age band."""
GRID = 500  # steps of a kept distribution of amounts
NEAR = 0.15  # a frequency this close to a tested one is that one
WEEK = 7 * DAY
AMOUNTS = ("margin", "spend", "later_margin", "later_spend")


@dataclass(frozen=True)
class World:
    """One arm as draws of knowledge: how many orders come, and what an order brings.

    `rate`: orders a person in the window, draw × group; `later_rate`: share of people who buy in the follow-up, draw.
    `mean`: amount → mean of an order (of a buyer in the follow-up), draw, currency units; `spread`: amount → its
    distribution around the mean, on a grid of equal shares, lowest first.
    """

    rate: np.ndarray
    later_rate: np.ndarray
    mean: dict[str, np.ndarray]
    spread: dict[str, np.ndarray]

    def per_person(self, amount: str) -> np.ndarray:
        """Expected amount a person: draw × group in the window, draw × 1 in the follow-up."""
        rate = self.later_rate[:, None] if amount.startswith("later") else self.rate
        return rate * self.mean[amount][:, None]


@dataclass(frozen=True)
class Response:
    """What is known of an offer: the world with it and the world without it, from one experiment.

    `messages`: mean number a person in the tested weeks; `opted_out`: share of people who withdraw consent, draw;
    `groups`: the columns of `World.rate`; `note`: an assumption behind it, or ''.
    """

    offer: str
    campaign: str
    channel: str
    weeks: float
    per_week: float
    messages: float
    unit_cost: float
    users: int
    control_users: int
    groups: tuple[str, ...]
    treated: World
    untreated: World
    opted_out: np.ndarray
    split: str
    note: str = ""


def past_participants(
    tables: Mapping[str, ir.Table], *, past_days: int = 56, follow_up_days: int = 21, control: str = "control"
) -> pd.DataFrame:
    """One row a participant of every past campaign: what he did, and what was known of him before the start.

    Parameters
    ----------
    tables : mapping
        The study's tables: campaigns, assignments, orders, items; users, contacts where the study has them.
    past_days : int
        Days before the start in which an order makes a recent buyer, 1…365.
    follow_up_days : int
        Days after the window in which orders brought forward would be missing, 0…365.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        The columns of `participants`, `weeks` of the window, `channel`, `unit_cost`, `past_spend`, `opted_out` (0/1),
        `later_margin` (later spend × the campaign's margin rate in the control), `group` (see `groups`).

    Raises
    ------
    ExperimentError
        past_days out of its range.

    Examples
    --------
    See the notebook.
    """
    if not 1 <= past_days <= 365:
        raise ExperimentError(f"past_days {past_days!r}: take 1 to 365 days")
    more = {name: tables.get(name) for name in ("items", "contacts")}
    plan = tables["campaigns"]
    people = participants(
        tables["assignments"], plan, tables["orders"], follow_up_days=follow_up_days, control=control, **more
    )
    frame = people.execute()
    if frame.empty:
        return missing([*frame.columns, *MORE], "no campaign has participants")
    starts = as_table(frame[["campaign_id", "user_id", "starts_at"]])
    frame = frame.merge(past_spend(starts, tables["orders"], past_days=past_days), on=["campaign_id", "user_id"])
    frame = frame.merge(_campaigns(plan), on="campaign_id")
    frame = _with_traits(frame, tables.get("users"))
    frame["opted_out"] = _opted_out(frame, tables.get("contacts"))
    rate = _margin_rates(frame, control)
    frame["later_margin"] = frame.spend_later.astype(float) * frame.campaign_id.map(rate)
    return frame.rename(columns={"spend_later": "later_spend"}).assign(group=groups(frame))


MORE = ("weeks", "channel", "unit_cost", "past_spend", "opted_out", "later_margin", "group")


def _campaigns(campaigns: ir.Table) -> pd.DataFrame:
    cost = campaigns.unit_cost if "unit_cost" in campaigns.columns else ibis.null("float64")
    weeks = (campaigns.ends_at - campaigns.starts_at + 1) / WEEK
    return campaigns.select("campaign_id", "channel", unit_cost=cost.cast("float64"), weeks=weeks).execute()


def _margin_rates(frame: pd.DataFrame, control: str) -> pd.Series:
    """Margin of a unit of sales in each campaign's control; missing where it sold nothing."""
    base = frame[frame.arm.astype(str) == control]
    sums = base.assign(margin=pd.to_numeric(base.margin)).groupby("campaign_id")[["margin", "spend"]].sum(min_count=1)
    return sums.margin / sums.spend.where(sums.spend > 0)


def _opted_out(frame: pd.DataFrame, contacts: ir.Table | None) -> pd.Series:
    """Did the participant withdraw consent on a message of the campaign?"""
    if contacts is None or not {"campaign_id", "opted_out"} <= set(contacts.columns):
        return pd.Series(0, index=frame.index)
    left = contacts.filter(_.opted_out.cast("int64") > 0).select("campaign_id", "user_id").distinct().execute()
    gone = pd.MultiIndex.from_frame(left)
    return pd.Series(pd.MultiIndex.from_frame(frame[["campaign_id", "user_id"]]).isin(gone).astype(int), frame.index)


def past_spend(people: ir.Table, orders: ir.Table, *, past_days: int) -> pd.DataFrame:
    """What each person spent in the days before his start.

    Σ quantity·unit_price − discount over the lines with starts_at − past_days ≤ timestamp < starts_at.

    >>> people = ibis.memtable({"user_id": [1, 2], "starts_at": [900_000, 900_000]})
    >>> lines = ibis.memtable({"user_id": [1, 1], "quantity": [2, 9], "unit_price": [5.0, 5.0],
    ...                        "timestamp": [899_999, 900_000]})
    >>> past_spend(people, lines, past_days=7).past_spend.tolist()
    [10.0, 0.0]
    """
    off = orders.discount.fill_null(0) if "discount" in orders.columns else ibis.literal(0.0)
    lines = orders.select("user_id", "timestamp", paid=(orders.quantity * orders.unit_price - off).cast("float64"))
    keys = [c for c in people.columns if c != "starts_at"]
    near = people.inner_join(lines, "user_id")
    near = near.filter((near.timestamp < near.starts_at) & (near.timestamp >= near.starts_at - past_days * DAY))
    sums = near.group_by(keys).agg(past_spend=_.paid.sum())
    joined = people.left_join(sums, keys).select(*keys, "past_spend")
    return joined.fill_null({"past_spend": 0.0}).order_by(keys).execute()


def customers(
    tables: Mapping[str, ir.Table], *, launch: int, past_days: int = 56, most: int = 20_000, seed: int = 55
) -> pd.DataFrame:
    """One row a customer at the launch: his group, what he spent lately, and by which channels he may be reached.

    Parameters
    ----------
    tables : mapping
        The study's tables: orders; users, contacts where the study has them.
    launch : int
        Epoch second of the launch; later orders are not looked at.
    past_days : int
        As in `past_participants`.
    most : int
        Above so many customers a sample of them stands for all.
    seed : int
        Start of the random numbers of that sample.

    Returns
    -------
    DataFrame
        `user_id`, `city_tier`, `age_band`, `consent_email`, `consent_push` (missing where not known), `past_spend`,
        `opted_out_of` (channels, joined by '|'), `group`, `weight` (customers that the row stands for); by user_id.

    Examples
    --------
    See the notebook.
    """
    orders = tables["orders"]
    known = tables["users"] if "users" in tables else orders.filter(orders.timestamp < launch)
    ids = known.select("user_id").distinct().order_by("user_id").execute()
    total = len(ids)
    if total > most:
        ids = ids.iloc[np.sort(np.random.default_rng(seed).choice(total, most, replace=False))]
    if ids.empty:
        names = ["user_id", "city_tier", "age_band", "consent_email", "consent_push", "past_spend", "opted_out_of"]
        return missing([*names, "group", "weight"], "the study has no customers")
    frame = past_spend(as_table(ids.assign(starts_at=launch)), orders, past_days=past_days)
    frame = _with_traits(frame, tables.get("users"))
    frame["opted_out_of"] = frame.user_id.map(_left_channels(tables.get("contacts"))).fillna("")
    frame = frame.assign(group=groups(frame), weight=total / len(frame))
    return frame.sort_values("user_id", ignore_index=True)


def _with_traits(frame: pd.DataFrame, users: ir.Table | None) -> pd.DataFrame:
    """With the users' traits; missing where the study does not have them."""
    names = ("city_tier", "age_band", "consent_email", "consent_push")
    here = [n for n in names if users is not None and n in users.columns]
    if here:
        frame = frame.merge(users.select("user_id", *here).execute(), on="user_id", how="left")
    return frame.assign(**{n: None for n in names if n not in here})


def _left_channels(contacts: ir.Table | None) -> dict:
    if contacts is None or "opted_out" not in contacts.columns:
        return {}
    left = contacts.filter(_.opted_out.cast("int64") > 0).select("user_id", "channel").distinct()
    left = left.order_by("user_id", "channel").execute()
    return left.groupby("user_id").channel.agg("|".join).to_dict()


def groups(people: pd.DataFrame) -> pd.Series:
    """The group of each customer: city, age and recent purchase, each known before the campaign.

    Large city: tier 1 or 2. Older: the age band starts at 45 or above. What is not known for anybody is left out.

    Parameters
    ----------
    people : DataFrame
        One row a person: `past_spend` (currency units), `city_tier`, `age_band` where known.

    Examples
    --------
    >>> groups(pd.DataFrame({"city_tier": [1, 3], "age_band": ["45-54", None], "past_spend": [0.0, 9.0]})).tolist()
    ['large city, 45 and over, not lately', 'smaller city, age not known, bought lately']
    """
    parts = []
    for column, cut in (("city_tier", _city), ("age_band", _age)):
        if column in people and people[column].notna().any():
            parts.append(people[column].map(cut, na_action=None))
    parts.append(pd.Series(np.where(people.past_spend.astype(float) > 0, "bought lately", "not lately"), people.index))
    whole = parts[0].astype(str)
    for part in parts[1:]:
        whole = whole + ", " + part.astype(str)
    return whole


def _city(tier: object) -> str:
    return "city not known" if pd.isna(tier) else "large city" if float(tier) <= 2 else "smaller city"


def _age(band: object) -> str:
    number = re.search(r"\d+", str(band)) if isinstance(band, str) else None
    if number is None:
        return "age not known"
    return "45 and over" if int(number.group()) >= OLDER else "under 45"


def offers(everyone: pd.DataFrame, *, control: str = "control", min_cell: int = 10) -> pd.DataFrame:
    """The offers that a plan can make: every treated arm of a randomised campaign, with what was tested.

    Parameters
    ----------
    everyone : DataFrame
        From `past_participants`.
    control : str
        Name of the arm without treatment.
    min_cell : int
        Fewest participants and buyers of an arm.

    Returns
    -------
    DataFrame
        One row an arm, by start: `offer` (campaign/arm), `channel`, `weeks`, `messages_a_week` (median of the people),
        `users`, `message_cost` (currency units each). Empty with its reason where no campaign was randomised.

    Examples
    --------
    See the notebook.
    """
    names = ["offer", "channel", "weeks", "messages_a_week", "users", "message_cost"]
    rows, reasons = [], []
    if everyone.empty:
        return missing(names, everyone.attrs.get("reason", "no campaign has participants"))
    for (_start, campaign), part in everyone.groupby(["starts_at", "campaign_id"], sort=True):
        try:
            users = choose(part.reset_index(drop=True), campaign=str(campaign), control=control, min_cell=min_cell)
        except NotAnswerable as error:
            reasons.append(str(error))
            continue
        for arm, own in users[users.arm.astype(str) != control].groupby("arm", sort=True):
            first = own.iloc[0]
            rate = round(float(own.contacts.median() / first.weeks), 3)
            rows.append((f"{campaign}/{arm}", first.channel, round(first.weeks, 2), rate, len(own), first.unit_cost))
    if not rows:
        return missing(names, f"no campaign can be read as an experiment. {' '.join(reasons)}".rstrip("."))
    return pd.DataFrame(rows, columns=names)


def past_effects(everyone: pd.DataFrame, *, control: str = "control", min_cell: int = 10) -> pd.DataFrame:
    """What each tested offer earned a person, follow-up included: how large effects usually are in this shop.

    y = margin − contact cost + margin of the follow-up; Welch's difference to the control.

    Returns
    -------
    DataFrame
        One row an offer: `offer`, `profit`, `standard_error`, `ci_low`, `ci_high` (currency units a person). Offers
        without known margins or costs are left out; empty, with its reason, where none is left.
    """
    names = ["offer", "profit", "standard_error", "ci_low", "ci_high"]
    listed = offers(everyone, control=control, min_cell=min_cell)
    rows = []
    for name in listed.offer:
        campaign, _slash, arm = name.rpartition("/")
        own = everyone[(everyone.campaign_id.astype(str) == campaign) & everyone.arm.astype(str).isin([control, arm])]
        parts = [pd.to_numeric(own[c]) for c in ("margin", "contact_cost", "later_margin")]
        profit = parts[0] - parts[1] + parts[2]
        if profit.notna().all():
            found = welch(own.assign(profit=profit.astype(float)), outcome="profit", control=control)
            rows += [(name, r.difference, r.standard_error, r.ci_low, r.ci_high) for r in found.itertuples()]
    if not rows:
        return missing(names, listed.attrs.get("reason", "the margins or costs of the past campaigns are not known"))
    return pd.DataFrame(rows, columns=names).dropna(ignore_index=True)


def response(
    everyone: pd.DataFrame,
    *,
    offer: str,
    per_week: float = 0.0,
    group_names: tuple[str, ...],
    draws: int = 1000,
    control: str = "control",
    min_cell: int = 10,
    seed: int = 55,
) -> Response:
    """What the experiment behind an offer tells, as draws.

    Between two tested frequencies of one campaign everything is taken as linear; outside there is no number.

    Parameters
    ----------
    everyone : DataFrame
        From `past_participants`.
    offer : str
        'campaign/arm', or the campaign alone where it has one treated arm or `per_week` picks it; '' takes the
        experiment with the most participants.
    per_week : float
        Messages a person and week; 0 takes what was tested.
    group_names : tuple of str
        The groups of the customers at the launch.
    draws : int
        Draws of the Bayesian bootstrap, 2 or more.
    control, min_cell
        As in `offers`.
    seed : int
        Start of the random numbers; equal for all plans, so that two plans share what they know of one control.

    Returns
    -------
    Response

    Raises
    ------
    NotAnswerable
        The campaign was not randomised, or its arm, its costs, its margins or this frequency are not known.

    References
    ----------
    Rubin (1981), Bayesian bootstrap: rubin1981.

    Examples
    --------
    See the notebook.
    """
    campaign, _slash, arm = offer.partition("/")
    users = choose(everyone, campaign=campaign, control=control, min_cell=min_cell)
    users = users.assign(arm=users.arm.astype(str))
    _check_money(users)
    tested = users[users.arm != control].groupby("arm").contacts.median() / users.weeks.iloc[0]
    (low, high), share = _arms(str(users.campaign_id.iloc[0]), arm, float(per_week), tested)
    common = {"names": group_names, "draws": draws, "control": control, "seed": seed}
    ends = [_one_arm(users, name, float(tested[name]), **common) for name in dict.fromkeys((low, high))]
    return ends[0] if len(ends) == 1 else between(*ends, share=share)


def _check_money(users: pd.DataFrame) -> None:
    name = str(users.campaign_id.iloc[0])
    lost = int(users.margin.isna().sum() + users.later_margin.isna().sum())
    if lost:
        raise NotAnswerable(f"The margin of the orders in {name!r} is not known; give the items a unit_margin.")
    if users.unit_cost.isna().any():
        raise NotAnswerable(f"The cost of a message of {name!r} is not known; give the campaign a unit_cost.")


def _arms(campaign: str, arm: str, per_week: float, tested: pd.Series) -> tuple[tuple[str, str], float]:
    """The arm, or the two arms and the share of the second, that an offer at this frequency means."""
    if arm and arm not in tested.index:
        raise NotAnswerable(f"The campaign {campaign!r} has no treated arm {arm!r}. {nearest(arm, list(tested.index))}")
    known = tested.loc[[arm]] if arm else tested.sort_values(kind="stable")
    listed = ", ".join(f"{name}: {rate:g} a week" for name, rate in known.items())
    if not per_week:
        if len(known) > 1:
            raise NotAnswerable(f"The campaign {campaign!r} has several arms. Name one, or its per_week: {listed}.")
        return (known.index[0], known.index[0]), 0.0
    gap = (known - per_week).abs()
    if gap.min() <= NEAR * per_week:
        return (gap.idxmin(), gap.idxmin()), 0.0
    if not known.min() < per_week < known.max():
        raise NotAnswerable(
            f"{per_week:g} messages a week lie outside of what {campaign!r} tested ({listed}): there is no number for "
            "it. Take 0 for the tested frequency."
        )
    low, high = known[known < per_week].idxmax(), known[known > per_week].idxmin()
    return (low, high), float((per_week - known[low]) / (known[high] - known[low]))


COLUMNS = ("orders", "margin", "spend", "later_spend", "later_margin", "contacts", "opted_out")
Arm = Mapping[str, np.ndarray]
"""The participants of one arm as arrays: COLUMNS, and `code`, the column of their group (−1: of none)."""


@dataclass(frozen=True)
class Trial:
    """What was tested: the facts of a `Response` that need no arithmetic."""

    campaign: str
    arm: str
    channel: str
    weeks: float
    per_week: float
    unit_cost: float
    split: str = "as planned"


def _one_arm(users: pd.DataFrame, arm: str, per_week: float, *, names, draws, control, seed) -> Response:
    """The response to one arm of the campaign whose participants are `users`."""
    first = users.iloc[0]
    split = sample_ratio_test(arm_counts(users)).split.iloc[0]
    facts = (
        str(first.campaign_id),
        arm,
        str(first.channel),
        float(first.weeks),
        per_week,
        float(first.unit_cost),
        split,
    )
    code = pd.Index(names).get_indexer(users.group)
    arms = []
    for name in (arm, control):
        own = (users.arm == name).to_numpy()
        arms.append({c: users[c].to_numpy(dtype=float)[own] for c in COLUMNS} | {"code": code[own]})
    return from_arms(Trial(*facts), *arms, names=names, draws=draws, control=control, seed=seed)


def from_arms(
    tested: Trial, treated: Arm, base: Arm, *, names: tuple[str, ...], draws: int, control: str = "control",
    seed: int = 55,
) -> Response:  # fmt: skip
    """The response to an offer from the arrays of its two arms: `response` without its questions.

    Parameters
    ----------
    tested : Trial
        The offer.
    treated, base : Arm
        Participants with and without it.
    names : tuple of str
        The groups.
    draws, control, seed
        As in `response`.
    """
    campaign, arm, size = tested.campaign, tested.arm, len(treated["orders"])
    without = _world(base, len(names), draws, _rng(seed, campaign, control))
    with_ = _world(treated, len(names), draws, _rng(seed, campaign, arm))
    rng = _rng(seed, campaign, arm, "groups")
    added = shrunken_orders(treated, base, with_.rate - without.rate, rng=rng)
    left = int(treated["opted_out"].sum())
    # Jeffreys' prior; who gets no message cannot withdraw consent on one
    opted_out = rng.beta(left + 0.5, size - left + 0.5, draws) if treated["contacts"].sum() else np.zeros(draws)
    return Response(
        offer=f"{campaign}/{arm}",
        campaign=campaign,
        channel=tested.channel,
        weeks=tested.weeks,
        per_week=tested.per_week,
        messages=float(treated["contacts"].mean()),
        unit_cost=tested.unit_cost,
        users=size,
        control_users=len(base["orders"]),
        groups=names,
        treated=World(np.maximum(without.rate + added, 0), with_.later_rate, with_.mean, with_.spread),
        untreated=without,
        opted_out=opted_out,
        split=tested.split,
    )


def _rng(seed: int, *words: str) -> np.random.Generator:
    """A stream for each arm: two plans that use one arm know the same of it."""
    return np.random.default_rng([seed, zlib.crc32("/".join(words).encode())])


def _world(people: Arm, groups: int, draws: int, rng: np.random.Generator) -> World:
    """Bayesian bootstrap: every participant gets a random weight, exponential with mean 1."""
    orders, later = people["orders"], (people["later_spend"] > 0).astype(float)
    inside = (people["code"][:, None] == np.arange(groups)).astype(float)
    times = {a: later if a.startswith("later") else orders for a in AMOUNTS}
    values = {a: np.where(times[a] > 0, people[a], 0.0) for a in AMOUNTS}
    columns = [inside, inside * orders[:, None], np.stack([np.ones(len(orders)), orders, later, *values.values()], 1)]
    sums = rng.standard_exponential((draws, len(orders))) @ np.hstack(columns)
    size, ordered, (whole, count, back, *amounts) = sums[:, :groups], sums[:, groups:-7], sums[:, -7:].T
    # a group that nobody of the arm belongs to is taken to order like all
    rate = np.where(size > 0, ordered / np.where(size > 0, size, 1), (count / whole)[:, None])
    mean, spread = {}, {}
    for amount, total in zip(AMOUNTS, amounts, strict=True):
        own = back if amount.startswith("later") else count
        mean[amount] = np.where(own > 0, total / np.where(own > 0, own, 1), 0.0)
        some = times[amount] > 0
        spread[amount] = _spread(values[amount][some] / times[amount][some])
    return World(rate, back / whole, mean, spread)


def _spread(values: np.ndarray) -> np.ndarray:
    """The amounts of an order around their mean, at GRID equally likely ranks."""
    if not len(values):
        return np.zeros(GRID)
    points = np.sort(values)[((np.arange(GRID) + 0.5) / GRID * len(values)).astype(np.int64)]
    return points - points.mean()


def shrunken_orders(treated: Arm, base: Arm, raw: np.ndarray, *, rng: np.random.Generator) -> np.ndarray:
    """Draws of the added orders a person of each group, pulled towards the mean effect as far as the data ask for it.

    The mean over the participants' groups stays that of the experiment. The squared error of a group's rate is
    φ·rate/n, φ the arm's variance of orders over their mean. Parameters: participants of the two arms and the draws of
    the raw differences (draw × group). See `shrinkage.shrink`.
    """
    rate1, error1, n1 = _counts(treated, raw.shape[1])
    rate0, error0, n0 = _counts(base, raw.shape[1])
    known = (n1 > 1) & (n0 > 1)
    gap = np.where(known, rate1 - rate0, 0.0)
    return shrink(raw, estimate=gap, error=np.hypot(error1, error0), weight=np.where(known, n1 + n0, 0.0), rng=rng)


def _counts(people: Arm, groups: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orders a person, their standard error, and people, of each group."""
    orders, here = people["orders"], people["code"] >= 0
    x = np.bincount(people["code"][here], orders[here], groups)
    n = np.bincount(people["code"][here], minlength=groups).astype(float)
    over = orders.var() / orders.mean() if orders.mean() > 0 else 1.0
    # half an order added, so that a group without orders is not taken as certain
    return x / np.maximum(n, 1), np.sqrt(over * (x + 0.5) / (n + 1) / np.maximum(n, 1)), n


def between(low: Response, high: Response, *, share: float) -> Response:
    """The response between two tested frequencies, linear in all its parts: `share` of the way from low to high."""

    def mix(a, b):
        return (1 - share) * a + share * b

    def mix_all(a: dict, b: dict) -> dict:
        return {name: mix(a[name], b[name]) for name in a}

    one, two = low.treated, high.treated
    world = World(
        mix(one.rate, two.rate), mix(one.later_rate, two.later_rate), mix_all(one.mean, two.mean),
        mix_all(one.spread, two.spread),
    )  # fmt: skip
    rate = mix(low.per_week, high.per_week)
    return Response(
        offer=f"{low.campaign} at {rate:g} a week",
        campaign=low.campaign,
        channel=low.channel,
        weeks=low.weeks,
        per_week=rate,
        messages=mix(low.messages, high.messages),
        unit_cost=low.unit_cost,
        users=low.users + high.users,
        control_users=low.control_users,
        groups=low.groups,
        treated=world,
        untreated=low.untreated,
        opted_out=mix(low.opted_out, high.opted_out),
        split=low.split,
        note=f"linear between {low.per_week:g} and {high.per_week:g} messages a week",
    )
