"""Before the launch: plan A against plan B on the same customers, with common random numbers.

This module is the one door of notebook 55. A plan is an audience, a tested offer, a channel, a frequency, a length and
a budget. What the offer does comes from past experiments (`scenario_inputs`); `scenario_decision` decides between the
plans, `scenario_launches` grades the whole way on simulated launches.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from helpers.campaigns.scenario_decision import (
    advice,
    both_horizons,
    decision,
    information_value,
    sceptical,
    second_opinion,
    tornado,
    unit_normal_loss,
    usual_effect,
    worth_of_test,
)
from helpers.campaigns.scenario_inputs import customers, offers, past_effects, past_participants
from helpers.campaigns.scenario_launches import coverage, launch_study, launch_summary
from helpers.campaigns.scenario_plans import (
    AUDIENCES,
    Launch,
    Plan,
    at_mean,
    expected,
    orders_of,
    play,
    prepare,
    simulate,
)
from helpers.findings import NotAnswerable, missing

__all__ = [
    "AUDIENCES",
    "Launch",
    "Plan",
    "advice",
    "against_truth",
    "audiences",
    "both_horizons",
    "common_numbers",
    "coverage",
    "customers",
    "decision",
    "difference",
    "distribution",
    "expected",
    "information_value",
    "launch_study",
    "launch_summary",
    "layers",
    "offers",
    "orders_of",
    "past_effects",
    "past_participants",
    "play",
    "prepare",
    "pull_forward",
    "reach",
    "response_by_group",
    "sceptical",
    "second_opinion",
    "simulate",
    "tornado",
    "true_difference",
    "unit_normal_loss",
    "usual_effect",
    "worth_of_test",
]


def reach(launches: list[Launch]) -> pd.DataFrame:
    """How many customers each plan reaches, step by step, and what its messages cost.

    Returns
    -------
    DataFrame
        One row a plan: `plan`, `offer`, `audience`, `customers`, `in_the_audience`, `with_consent`,
        `within_the_budget`, `messages_a_person`, `message_cost`, `spent` (currency units), `assumptions`.
    """
    rows = []
    for x in launches:
        row = {"plan": x.plan.name, "offer": x.response.offer, "audience": x.plan.audience}
        row |= {word.replace(" ", "_"): n for word, n in x.steps}
        row |= {"messages_a_person": x.response.messages * x.stretch, "message_cost": x.unit_cost}
        row |= {"spent": len(x.reached) * x.weight * x.cost, "assumptions": "; ".join(x.assumptions) or "none"}
        rows.append(row)
    return pd.DataFrame(rows)


def response_by_group(launch: Launch, *, level: float = 0.95, min_cell: int = 10) -> pd.DataFrame:
    """What the experiment says for each group of the reached: orders and profit a person, shrunken.

    Returns
    -------
    DataFrame
        One row a group of at least `min_cell` reached, by size: `plan`, `group`, `reached`, `orders_without` (a
        person), `added_orders` with its interval, `profit` a
        person at the end of the campaign with its interval (currency units).
    """
    names = [
        "plan",
        "group",
        "reached",
        "orders_without",
        "added_orders",
        "added_orders_ci_low",
        "added_orders_ci_high",
    ]
    names += ["profit", "profit_ci_low", "profit_ci_high"]
    with_, without = launch.response.treated, launch.response.untreated
    added = launch.factor * (with_.rate - without.rate)
    profit = launch.factor * (with_.per_person("margin") - without.per_person("margin")) - launch.cost
    size = np.bincount(launch.group, minlength=len(launch.response.groups))
    rows = []
    for g in np.lexsort((np.arange(len(size)), -size)):
        if size[g] >= min_cell:
            ends = [x for a in (added[:, g], profit[:, g]) for x in (a.mean(), *_ends(a, level))]
            count = round(size[g] * launch.weight)
            rows.append((launch.plan.name, launch.response.groups[g], count, without.rate[:, g].mean(), *ends))
    if not rows:
        return missing(names, f"every group of the audience has fewer than {min_cell} customers")
    return pd.DataFrame(rows, columns=names)


def _ends(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


WORDS = {
    "added_sales": "added sales in the campaign",
    "profit_at_end": "profit at the end of the campaign",
    "later_sales": "sales in the weeks after",
    "later_profit": "profit in the weeks after",
    "opt_outs": "opt-outs, people",
    "profit_long_run": "profit in the long run",
}


def distribution(played: list[pd.DataFrame], launches: list[Launch], *, level: float = 0.95) -> pd.DataFrame:
    """What each plan may bring, incremental to doing nothing, and the difference.

    Parameters
    ----------
    played : list of DataFrame
        From `simulate` (or `expected`), two plans.
    launches : list of Launch
        The plans.
    level : float
        Share of the draws inside the interval.

    Returns
    -------
    DataFrame
        One row an outcome and plan, then the difference: `outcome`, `plan`, `mean`, `ci_low`, `ci_high`,
        `above_zero_share` (share of the draws above 0). Lost consents are not shown: they follow the opt-outs.
    """
    rows = []
    for outcome in WORDS:
        values = {x.plan.name: table[outcome].to_numpy() for x, table in zip(launches, played, strict=True)}
        first, second = list(values)[:2]
        values[f"{first} less {second}"] = values[first] - values[second]
        for name, draw in values.items():
            rows.append((WORDS[outcome], name, draw.mean(), *_ends(draw, level), (draw > 0).mean()))
    return pd.DataFrame(rows, columns=["outcome", "plan", "mean", "ci_low", "ci_high", "above_zero_share"])


def pull_forward(played: list[pd.DataFrame], launches: list[Launch], *, level: float = 0.95) -> pd.DataFrame:
    """Which share of the added sales is missing afterwards, because it only came earlier.

    share = − later sales / added sales. Not computable where the added sales may well be 0 (more than 2.5 % of the
    draws at or below it): then a share of them means nothing.

    Returns
    -------
    DataFrame
        One row a plan: `plan`, `added_sales`, `later_sales` (means, currency units), `pull_forward_share` with its
        interval, `reason`.
    """
    rows = []
    for x, table in zip(launches, played, strict=True):
        row = {"plan": x.plan.name, "added_sales": table.added_sales.mean(), "later_sales": table.later_sales.mean()}
        share = ["pull_forward_share", "pull_forward_share_ci_low", "pull_forward_share_ci_high"]
        if (table.added_sales <= 0).mean() > 0.025:
            row |= dict.fromkeys(share) | {"reason": "the plan may add no sales at all"}
        else:
            ratio = (-table.later_sales / table.added_sales.where(table.added_sales > 0)).dropna().to_numpy()
            row |= dict(zip(share, (np.median(ratio), *_ends(ratio, level)), strict=True)) | {"reason": ""}
        rows.append(row)
    found = pd.DataFrame(rows)
    return found if found.reason.any() else found.drop(columns="reason")


def layers(played: list[pd.DataFrame], launches: list[Launch], *, draws: int = 300, seed: int = 55) -> pd.DataFrame:
    """Where the uncertainty of the difference comes from: what we do not know, and what customers happen to do.

    Returns
    -------
    DataFrame
        Three rows: `layer`, `standard_deviation` of the long-run difference (currency units), `variance_share` of the
        sum of both layers.
    """
    knowledge = _gap([expected(x) for x in launches]).std(ddof=1)
    chance = _gap(simulate([at_mean(x, draws=draws) for x in launches], seed=seed)).std(ddof=1)
    sizes = np.array([knowledge, chance, _gap(played).std(ddof=1)])
    total = knowledge**2 + chance**2
    shares = np.array([knowledge**2, chance**2, total]) / total if total else np.zeros(3)
    words = ["knowledge: the tests were finite", "chance: what customers happen to do", "both, as simulated"]
    return pd.DataFrame({"layer": words, "standard_deviation": sizes, "variance_share": shares})


def difference(launches: list[Launch], *, outcome: str = "profit_long_run") -> np.ndarray:
    """Expected outcome of the first plan less the second, once for each draw of what is known."""
    return _gap([expected(x) for x in launches], outcome)


def _gap(played: list[pd.DataFrame], outcome: str = "profit_long_run") -> np.ndarray:
    return (played[0][outcome] - played[1][outcome]).to_numpy()


def common_numbers(launches: list[Launch], *, draws: int = 300, seed: int = 55) -> pd.DataFrame:
    """What common random numbers save: the variance of the long-run difference of two plans, chance alone.

    Knowledge is held at its mean, so that only the customers' draws differ. With the variance v of one draw, the mean
    of n draws has the variance v / n: a smaller v saves draws.

    Returns
    -------
    DataFrame
        Three rows: `random_numbers`, `standard_deviation` (currency units), `variance`, `times_as_many_draws` that give
        the same precision as common random numbers (missing where nothing varies).
    """
    kinds = {
        "all": "the same in all worlds",
        "plan": "the same with and without a plan, new for each plan",
        "none": "new in every world",
    }
    still = [at_mean(x, draws=draws) for x in launches]
    found = [_gap(simulate(still, seed=seed, common=kind)).var(ddof=1) for kind in kinds]
    times = [v / found[0] if found[0] > 0 else None for v in found]
    table = pd.DataFrame({"random_numbers": list(kinds.values()), "standard_deviation": np.sqrt(found)})
    return table.assign(variance=found, times_as_many_draws=times)


def audiences(
    plan: Plan, people: pd.DataFrame, everyone: pd.DataFrame, *, potential: pd.DataFrame | None = None,
    level: float = 0.95, **common: float,
) -> pd.DataFrame:  # fmt: skip
    """One offer for each audience rule: whom should it go to?

    Parameters
    ----------
    plan : Plan
        The offer; its own audience is replaced by each rule in turn.
    people, everyone
        As in `prepare`.
    potential : DataFrame, optional
        The simulated shop's potential outcomes, for the true profit at the end of the campaign.
    level : float
        Level of the interval.
    common
        Further arguments of `prepare`.

    Returns
    -------
    DataFrame
        One row a rule that reaches anybody, best first: `audience`, `reached`, `profit` in the long run with its
        interval, `beats_all_share` (of the draws of what is known; missing where as many are reached as without a
        rule), `profit_at_end` and, where known, its `truth` (currency units).
    """
    found = [("all", prepare(replace(plan, audience="all"), people, everyone, **common))]
    for rule in AUDIENCES[1:]:
        try:
            launch = prepare(replace(plan, audience=rule), people, everyone, known=found[0][1].response, **common)
        except NotAnswerable:  # nobody follows this rule
            continue
        found.append((rule, launch))
    everybody = expected(found[0][1]).profit_long_run
    rows = []
    for rule, launch in found:
        drawn = expected(launch)
        long, known = drawn.profit_long_run, potential is not None and "profit1" in potential and not launch.assumptions
        # who reaches the same people can neither win nor lose
        beats = None if len(launch.reached) == len(found[0][1].reached) else float((long > everybody).mean())
        true = _truth(launch, people, potential, None)["profit_at_end"] if known else None
        size = round(len(launch.reached) * launch.weight)
        rows.append((rule, size, long.mean(), *_ends(long, level), beats, drawn.profit_at_end.mean(), true))
    names = ["audience", "reached", "profit", "ci_low", "ci_high", "beats_all_share", "profit_at_end", "truth"]
    return pd.DataFrame(rows, columns=names).sort_values("profit", ascending=False, kind="stable", ignore_index=True)


def against_truth(
    played: list[pd.DataFrame],
    launches: list[Launch],
    people: pd.DataFrame,
    potential: pd.DataFrame,
    *,
    curve: pd.DataFrame | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """The simulated shop only: the predicted profits beside the true ones of the same customers.

    Truth: the mean effect over those reached who took part in the tested campaign, times the number reached. In the
    long run the later spend counts with its margin and the true opt-outs with the value of a consent.

    Parameters
    ----------
    played, launches
        As in `distribution`.
    people : DataFrame
        The customers.
    potential : DataFrame
        The shop's potential outcomes: `campaign_id`, `arm`, `user_id`, `profit0`, `profit1`, `later0`, `later1`.
    curve : DataFrame, optional
        True opt-out by messages: `per_week`, `opt_out_probability`, `messages_sent`.
    level : float
        Share of the draws inside the interval.

    Returns
    -------
    DataFrame
        One row a plan (and the difference) and horizon: `label`, `predicted`, `ci_low`, `ci_high`, `truth`, `covered`.
        Empty with its reason for real data, or where a plan does not repeat a tested arm.
    """
    names = ["label", "predicted", "ci_low", "ci_high", "truth", "covered"]
    if potential.empty or "profit1" not in potential:
        return missing(names, potential.attrs.get("reason", "the truth is not known"))
    if changed := [x.plan.name for x in launches if x.assumptions]:
        return missing(names, f"plan {' and '.join(changed)} differs from what was tested, so its truth is not known")
    truths = [_truth(x, people, potential, curve) for x in launches]
    rows = []
    for outcome in ("profit_at_end", "profit_long_run"):
        values = {
            f"plan {x.plan.name}": (p[outcome], t[outcome]) for x, p, t in zip(launches, played, truths, strict=True)
        }
        (one, two), (draw, known) = list(values)[:2], zip(*values.values(), strict=True)
        values[f"{one} less {two}"] = draw[0] - draw[1], known[0] - known[1]
        for label, (drawn, true) in values.items():
            low, high = _ends(drawn.to_numpy(), level)
            rows.append((f"{label}, {HORIZON[outcome]}", drawn.mean(), low, high, true, low <= true <= high))
    return pd.DataFrame(rows, columns=names)


CURVE_WEEKS = 4  # length of the campaign that the true opt-out curve belongs to
HORIZON = {"profit_at_end": "at the end", "profit_long_run": "in the long run"}


def true_difference(graded: pd.DataFrame) -> float | None:
    """The true long-run profit of the first plan less the second, from `against_truth`; None where not known."""
    return float(graded.truth.iloc[-1]) if len(graded) else None


def _truth(launch: Launch, people: pd.DataFrame, potential: pd.DataFrame, curve: pd.DataFrame | None) -> dict:
    campaign, _slash, arm = launch.response.offer.partition("/")
    known = potential[(potential.campaign_id == campaign) & (potential.arm == arm)].set_index("user_id")
    own = known.reindex(people.user_id.iloc[launch.reached]).dropna(subset=["profit1"])
    size = len(launch.reached) * launch.weight
    end = size * float((own.profit1 - own.profit0).mean())
    # the margin of a unit of later sales, as in the shop's own orders
    world = launch.response.untreated
    spend = float(world.per_person("spend").mean())
    rate = float(world.per_person("margin").mean()) / spend if spend else 0.0
    later = size * rate * float((own.later1 - own.later0).mean())
    lost = size * _true_opt_out(launch, curve) * launch.consent_value
    return {"profit_at_end": end, "profit_long_run": end + later - lost}


def _true_opt_out(launch: Launch, curve: pd.DataFrame | None) -> float:
    """True share who opt out: the chance a message at this frequency, over all its messages."""
    if curve is None or curve.empty or "per_week" not in curve or not launch.response.messages:
        return 0.0
    sent = curve[curve.messages_sent > 0].reset_index(drop=True)
    near = sent.iloc[int((sent.per_week - launch.response.per_week).abs().argmin())]
    stay = (1 - near.opt_out_probability) ** (1 / (near.per_week * CURVE_WEEKS))  # after one message
    return 1 - stay ** (launch.response.per_week * launch.response.weeks)
