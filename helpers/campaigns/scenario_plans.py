"""A plan and its simulation: who is reached, what is expected of it, and what customers may happen to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.stats import poisson

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_inputs import GRID, OLDER, Response, World, response
from helpers.findings import NotAnswerable
from helpers.study import nearest

AUDIENCES = ("all", "recent buyers", "big cities out", "under 45", "top spenders", "predicted uplift")
OUTCOMES = ("added_sales", "profit_at_end", "later_sales", "later_profit", "opt_outs", "lost_value", "profit_long_run")
CHUNK = 250_000  # customers × draws computed at a time
MOST_STRETCH = 2.0  # planned weeks as a multiple of the tested ones


@dataclass(frozen=True)
class Plan:
    """What would be done: who gets which offer, how often, how long, for how much money.

    `audience`: one of AUDIENCES; `offer`: a tested arm, see `scenario_inputs.response`; `channel`: '' as tested;
    `per_week`: messages a person, 0 as tested; `weeks`: 0 as tested; `budget`: most money for messages, above 0.
    """

    name: str
    audience: str = "all"
    offer: str = ""
    channel: str = ""
    per_week: float = 0.0
    weeks: float = 0.0
    budget: float = 10_000.0

    def __post_init__(self) -> None:
        if self.audience not in AUDIENCES:
            raise ExperimentError(f"audience {self.audience!r} is not known. {nearest(self.audience, AUDIENCES)}")
        for what in ("per_week", "weeks"):
            if not (math.isfinite(getattr(self, what)) and getattr(self, what) >= 0):
                raise ExperimentError(f"{what} {getattr(self, what)!r}: take 0 (as tested) or more")
        if not (math.isfinite(self.budget) and self.budget > 0):
            raise ExperimentError(
                f"budget {self.budget!r}: take an amount of money above 0; without it nobody is reached"
            )


@dataclass(frozen=True)
class Launch:
    """A plan on these customers: who is reached, what he gets, and what is known of its effect.

    `reached`: positions of the customers; `group`: their column in the response; `stretch`: planned weeks / tested
    weeks; `carries`: share of the tested effect that returns; `weight`: customers a row stands for.
    """

    plan: Plan
    response: Response
    reached: np.ndarray
    group: np.ndarray
    customers: int
    stretch: float
    carries: float
    unit_cost: float
    consent_value: float
    weight: float
    steps: tuple[tuple[str, int], ...]
    assumptions: tuple[str, ...]

    @property
    def cost(self) -> float:
        """Cost of the messages to one person, currency units."""
        return self.response.messages * self.stretch * self.unit_cost

    @property
    def factor(self) -> float:
        """By what the tested effect is multiplied."""
        return self.stretch * self.carries

    @property
    def opted_out(self) -> np.ndarray:
        """Share of the reached who withdraw consent, draw."""
        return 1 - (1 - self.response.opted_out) ** self.stretch


def prepare(
    plan: Plan,
    people: pd.DataFrame,
    everyone: pd.DataFrame,
    *,
    top_share: float = 0.3,
    carries: float = 1.0,
    consent_value: float = 60.0,
    draws: int = 1000,
    control: str = "control",
    min_cell: int = 10,
    seed: int = 55,
    known: Response | None = None,
) -> Launch:
    """Turn a plan into the list of customers who are reached, with what is known of the offer's effect on them.

    The audience's rule comes first, then consent (flag of the channel, and no earlier opt-out on it), then the budget:
    budget / cost of a person's messages. If it does not reach all, top spenders and predicted uplift take the best
    first; the other rules draw lots, the same lots for every plan.

    Parameters
    ----------
    plan : Plan
        What would be done.
    people : DataFrame
        Customers at the launch, from `customers`.
    everyone : DataFrame
        Participants of the past campaigns, from `past_participants`.
    top_share : float
        Share of the customers who are top spenders, 0…1.
    carries : float
        Share of the tested effect that returns at the launch, 0…2: an assumption.
    consent_value : float
        Profit lost for good by one opt-out, currency units, ≥ 0: an assumption.
    draws : int
        Draws of what is known, 2 or more.
    control, min_cell, seed
        As in `scenario_inputs.response`.
    known : Response, optional
        What is known of the offer, where it was computed before for these customers.

    Returns
    -------
    Launch

    Raises
    ------
    NotAnswerable
        The offer was not tested, a cost or margin is not known, the channel is not known, or nobody is reached.
    ExperimentError
        An argument out of its range.

    Examples
    --------
    See the notebook.
    """
    _check(top_share=(top_share, 0, 1), carries=(carries, 0, 2), consent_value=(consent_value, 0, math.inf))
    if people.empty:
        raise NotAnswerable(f"There is nobody to plan for: {people.attrs.get('reason', 'no customers')}.")
    names = tuple(sorted(people.group.unique()))
    found = known or response(
        everyone, offer=plan.offer, per_week=plan.per_week, group_names=names, draws=draws, control=control,
        min_cell=min_cell, seed=seed,
    )  # fmt: skip
    stretch = _stretch(plan, found)
    unit_cost = _message_cost(plan, found, everyone)
    weight = float(people.weight.iloc[0]) if "weight" in people else 1.0
    group = np.searchsorted(names, people.group.to_numpy(dtype=str))
    launch = Launch(
        plan, found, np.arange(len(people)), group, len(people), stretch, carries, unit_cost, consent_value, weight,
        (), _assumptions(plan, found, stretch, carries),
    )  # fmt: skip
    reached, steps = _reach(launch, people, top_share=top_share, seed=seed)
    if not len(reached):
        said = ", ".join(f"{word} {n:,}" for word, n in steps)
        raise NotAnswerable(f"Plan {plan.name} reaches nobody ({said}). Take another audience or a larger budget.")
    return replace(launch, reached=reached, group=group[reached], steps=steps)


def _check(**given: tuple[float, float, float]) -> None:
    for name, (value, low, high) in given.items():
        if not (math.isfinite(value) and low <= value <= high):
            raise ExperimentError(f"{name} {value!r}: take {low:g} to {high:g}")


def _stretch(plan: Plan, found: Response) -> float:
    """Planned weeks as a multiple of the tested ones."""
    stretch = plan.weeks / found.weeks if plan.weeks else 1.0
    if stretch > MOST_STRETCH:
        raise NotAnswerable(
            f"Plan {plan.name} runs {plan.weeks:g} weeks, but {found.offer!r} was tested for {found.weeks:g}: at most "
            f"{MOST_STRETCH:g} times as long can be planned from it."
        )
    return stretch


def _message_cost(plan: Plan, found: Response, everyone: pd.DataFrame) -> float:
    """Cost of one message: the tested campaign's, or the mean of the campaigns in another channel."""
    if plan.channel in ("", found.channel):
        return found.unit_cost
    costs = everyone.drop_duplicates("campaign_id").groupby("channel").unit_cost.mean()
    if plan.channel not in costs.index:
        raise NotAnswerable(
            f"Plan {plan.name}: no campaign used the channel {plan.channel!r}. "
            f"{nearest(plan.channel, list(costs.index))} An empty name takes the tested channel."
        )
    if not math.isfinite(costs[plan.channel]):
        raise NotAnswerable(f"The cost of a message by {plan.channel!r} is not known; give its campaigns a unit_cost.")
    return float(costs[plan.channel])


def _assumptions(plan: Plan, found: Response, stretch: float, carries: float) -> tuple[str, ...]:
    """What the plan takes for granted beyond the experiment."""
    said = [found.note]
    if plan.channel not in ("", found.channel):
        said.append(f"by {plan.channel} the effect is that by {found.channel}")
    if stretch != 1:
        said.append(f"effect in proportion to the weeks ({found.weeks:g} tested)")
    if carries != 1:
        said.append(f"{carries:.0%} of the tested effect returns")
    if found.split == "faulty":
        said.append("the experiment's draw was faulty: do not trust it")
    return tuple(s for s in said if s)


def _reach(launch: Launch, people: pd.DataFrame, *, top_share: float, seed: int) -> tuple[np.ndarray, tuple]:
    """Positions of the customers who are reached, and how many are left after each step."""
    plan, weight = launch.plan, launch.weight
    lot = np.random.default_rng([seed, 1]).permutation(len(people))
    past = people.past_spend.to_numpy(dtype=float)
    value = value_per_person(launch)[launch.group]
    inside = _rule(plan.audience, people, past, value, lot, top_share)
    allowed = inside & consent(people, plan.channel or launch.response.channel)
    first = {"top spenders": -past, "predicted uplift": -value}.get(plan.audience, np.zeros(len(people)))
    order = np.lexsort((lot, first))
    order = order[allowed[order]]
    if launch.cost > 0:
        # a hair more, so that a budget of exactly n messages reaches n people
        order = order[: int(plan.budget / launch.cost / weight * (1 + 1e-9))]
    counts = (len(people), inside.sum(), allowed.sum(), len(order))
    words = ("customers", "in the audience", "with consent", "within the budget")
    return np.sort(order), tuple((w, round(float(n) * weight)) for w, n in zip(words, counts, strict=True))


def _rule(audience: str, people: pd.DataFrame, past, value, lot, top_share: float) -> np.ndarray:
    if audience == "recent buyers":
        return past > 0
    if audience == "big cities out":
        tier = pd.to_numeric(people.city_tier).to_numpy(dtype=float, na_value=np.nan)
        return tier > 2
    if audience == "under 45":
        first = pd.to_numeric(people.age_band.astype("string").str.extract(r"(\d+)")[0])
        return (first < OLDER).fillna(False).to_numpy(dtype=bool)
    if audience == "top spenders":
        best = np.lexsort((lot, -past))[: math.ceil(top_share * len(people))]
        return np.isin(np.arange(len(people)), best)
    return value > 0 if audience == "predicted uplift" else np.ones(len(people), bool)


def consent(people: pd.DataFrame, channel: str) -> np.ndarray:
    """Who may be reached by a channel: consent where it is asked for, and no opt-out from that channel before.

    E-mail and push need their flags in `users`; where the study does not know them, nobody is left out for them.

    >>> people = pd.DataFrame({"consent_email": [1, 0, 1], "consent_push": 1, "opted_out_of": ["", "", "email"]})
    >>> consent(people, "email").tolist()
    [True, False, False]
    """
    low = channel.lower()
    column = "consent_email" if "mail" in low else "consent_push" if "push" in low else ""
    left = people.opted_out_of.str.split("|").map(lambda names: channel in names).to_numpy(dtype=bool)
    if not column or people[column].isna().all():
        return ~left
    return ~left & (pd.to_numeric(people[column]).fillna(0).to_numpy(dtype=float) > 0)


def value_per_person(launch: Launch) -> np.ndarray:
    """Expected long-run profit of reaching one customer of each group, mean over what is known, currency units."""
    with_, without = launch.response.treated, launch.response.untreated
    now = with_.per_person("margin") - without.per_person("margin")
    later = with_.per_person("later_margin") - without.per_person("later_margin")
    draws = launch.factor * (now + later) - launch.cost - (launch.opted_out * launch.consent_value)[:, None]
    return draws.mean(axis=0)


def expected(launch: Launch) -> pd.DataFrame:
    """The plan's expected result, incremental to doing nothing, once for each draw of what is known.

    With N reached, λ the orders a person and m the margin of an order with (1) and without (0) the offer, c the cost of
    the messages to one person:

        profit at the end = N · (λ₁m₁ − λ₀m₀) − N·c
        long run = profit at the end + N · (ℓ₁ − ℓ₀) − N·q·V

    ℓ: margin a person in the follow-up, q: share who opt out, V: value of a consent.

    Parameters
    ----------
    launch : Launch
        From `prepare`.

    Returns
    -------
    DataFrame
        One row a draw: OUTCOMES (currency units; `opt_outs` are people).
    """
    size = np.bincount(launch.group, minlength=len(launch.response.groups)) * launch.weight
    with_, without = launch.response.treated, launch.response.untreated

    def gain(amount: str) -> np.ndarray:
        return launch.factor * ((with_.per_person(amount) - without.per_person(amount)) * size).sum(axis=1)

    later = {a: with_.per_person(a)[:, 0] - without.per_person(a)[:, 0] for a in ("later_spend", "later_margin")}
    return _outcomes(
        launch,
        gain("spend"),
        gain("margin"),
        launch.factor * size.sum() * later["later_spend"],
        launch.factor * size.sum() * later["later_margin"],
        size.sum() * launch.opted_out,
    )


def _outcomes(launch: Launch, sales, margin, later_sales, later_margin, opt_outs) -> pd.DataFrame:
    end = margin - len(launch.reached) * launch.weight * launch.cost
    lost = opt_outs * launch.consent_value
    columns = (sales, end, later_sales, later_margin, opt_outs, lost, end + later_margin - lost)
    return pd.DataFrame(dict(zip(OUTCOMES, columns, strict=True)))


def simulate(launches: list[Launch], *, seed: int = 55, common: str = "all") -> list[pd.DataFrame]:
    """Play every plan on the same customers, once for each draw of what is known.

    Each customer has one set of five uniform numbers a draw: does he order (and how often), how much, does he withdraw
    consent, does he buy later, how much later. See `orders_of` for the first. The world with the plan and the world
    without it, and all plans, use the same numbers: they differ only by the plan.

    Parameters
    ----------
    launches : list of Launch
        Plans on the same customers.
    seed : int
        Start of the random numbers.
    common : str
        'all': common random numbers; 'plan': each plan has its own, with and without it the same; 'none': every world
        has its own.

    Returns
    -------
    list of DataFrame
        One a plan: one row a draw, OUTCOMES, incremental to doing nothing.

    Raises
    ------
    ExperimentError
        An unknown kind of `common`, or plans on different customers.

    References
    ----------
    Law (2015), section 11.2, common random numbers: law2015.

    Examples
    --------
    See the tests, where two customers are computed by hand.
    """
    if common not in ("all", "plan", "none"):
        raise ExperimentError(f"common {common!r} is not known. {nearest(common, ['all', 'plan', 'none'])}")
    if len({(x.customers, len(x.response.opted_out)) for x in launches}) > 1:
        raise ExperimentError("launches: give plans on the same customers, with equally many draws")
    draws, people = len(launches[0].response.opted_out), launches[0].customers
    parts: list[list[pd.DataFrame]] = [[] for _x in launches]
    for piece in _pieces(draws, people):
        shape = (piece.stop - piece.start, people, 5)
        streams = [np.random.default_rng([seed, piece.start, k]) for k in range(2 * len(launches))]
        shared = streams[0].random(shape, dtype=np.float32)
        for k, launch in enumerate(launches):
            u = streams[2 * k].random(shape, dtype=np.float32) if common != "all" and k else shared
            other = streams[2 * k + 1].random(shape, dtype=np.float32) if common == "none" else u
            parts[k].append(play(launch, u, other, draws=piece))
    return [pd.concat(p, ignore_index=True) for p in parts]


def _pieces(draws: int, people: int) -> Iterator[slice]:
    step = max(1, CHUNK // max(people, 1))
    return (slice(k, min(k + step, draws)) for k in range(0, draws, step))


def play(launch: Launch, u: np.ndarray, other: np.ndarray, *, draws: slice) -> pd.DataFrame:
    """One plan with given uniform numbers.

    Parameters
    ----------
    launch : Launch
        From `prepare`.
    u, other : array
        draw × customer × 5, for the world with the plan and for the world without it (the same array for common
        random numbers).
    draws : slice
        Which draws of what is known they belong to.

    Returns
    -------
    DataFrame
        As in `simulate`.
    """
    sums = {}
    for word, world, own in (("with", launch.response.treated, u), ("without", launch.response.untreated, other)):
        mine = own[:, launch.reached]
        now = orders_of(mine[:, :, 0], world.rate[draws], launch.group)
        later = *np.nonzero(mine[:, :, 3] < world.later_rate[draws][:, None]), 1.0
        for (row, place, times), rank, amounts in (
            (now, 1, ("margin", "spend")),
            (later, 4, ("later_margin", "later_spend")),
        ):
            step = (mine[row, place, rank] * GRID).astype(np.int64)
            for amount in amounts:
                value = times * (world.mean[amount][draws][row] + world.spread[amount][step])
                sums[word, amount] = np.bincount(row, value, len(mine))
    gain = {a: launch.factor * (sums["with", a] - sums["without", a]) for a in ("spend", "margin")}
    after = {a: launch.factor * (sums["with", a] - sums["without", a]) for a in ("later_spend", "later_margin")}
    left = (u[:, launch.reached, 2] < launch.opted_out[draws][:, None]).sum(axis=1).astype(float)
    found = (gain["spend"], gain["margin"], after["later_spend"], after["later_margin"], left)
    if launch.weight == 1:
        return _outcomes(launch, *found)
    return _scaled(launch, found, draws)


def orders_of(u: np.ndarray, rate: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who orders, and how often: the number of orders is the largest k with u below the Poisson chance of k or more.

    So a lower u never means fewer orders, and a customer who orders at one rate also orders at a higher rate.

    Parameters
    ----------
    u : array
        draw × customer, uniform numbers.
    rate : array
        draw × group, mean number of orders.
    group : array
        Each customer's column of `rate`.

    Returns
    -------
    tuple of arrays
        Rows, columns and numbers of orders of those who order at least once.

    Examples
    --------
    With a mean of 0.5, one order or more has the chance 39.3 %, two or more 9.0 %:

    >>> orders_of(np.array([[0.05, 0.2, 0.5]]), np.array([[0.5]]), np.array([0, 0, 0]))[1:]
    (array([0, 1]), array([2., 1.]))
    """
    row, place = np.nonzero(u < -np.expm1(-rate)[:, group])
    drawn, times = u[row, place], np.ones(len(row))
    left = np.arange(len(row))  # who may have one more
    k = 0
    while len(left):
        k += 1
        left = left[drawn[left] < poisson.sf(k, rate)[row[left], group[place[left]]]]
        times[left] += 1
    return row, place, times


def _scaled(launch: Launch, found: tuple, draws: slice) -> pd.DataFrame:
    """A sample stands for all: chance grows with the root of the number of customers, the mean with the number."""
    one = replace(launch, weight=1.0)
    mean = expected(one).iloc[draws].reset_index(drop=True)
    gap = _outcomes(one, *found) - mean
    return launch.weight * mean + math.sqrt(launch.weight) * gap


def at_mean(launch: Launch, *, draws: int) -> Launch:
    """The same plan as if the experiment had told the truth exactly: every draw of knowledge is the mean."""

    def flat(a: np.ndarray) -> np.ndarray:
        return np.repeat(a.mean(axis=0, keepdims=True), draws, axis=0)

    def still(world: World) -> World:
        mean = {name: flat(a) for name, a in world.mean.items()}
        return World(flat(world.rate), flat(world.later_rate), mean, world.spread)

    x = launch.response
    fixed = replace(x, treated=still(x.treated), untreated=still(x.untreated), opted_out=flat(x.opted_out))
    return replace(launch, response=fixed)
