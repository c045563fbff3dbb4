"""From simulated plans to a decision: chance of being best, regret, the worth of another test, and what it hangs on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.scenario_plans import Launch, expected
from helpers.campaigns.shrinkage import between_groups
from helpers.findings import Estimate, missing

NOTHING = "nothing"


def decision(played: dict[str, np.ndarray], *, level: float = 0.95, nothing: bool = True) -> pd.DataFrame:
    """Which plan to choose, and what a wrong choice would cost.

    Regret of a choice in one draw: the best plan's profit less the chosen one's, ≥ 0. Its mean is the *expected
    regret*. The plan with the highest mean has the lowest expected regret, and that is the *expected value of perfect
    information*: what it would be worth at most to know the truth before choosing.

    Parameters
    ----------
    played : dict
        Plan → its expected profit in each draw of what is known (currency units), the same draws for all.
    level : float
        Share of the draws inside the interval.
    nothing : bool
        Add the choice to do nothing, with profit 0.

    Returns
    -------
    DataFrame
        One row a choice, best first: `choice`, `profit` with `ci_low`, `ci_high`, `best_share` (share of the draws in
        which it is the best; ties shared), `expected_regret` (currency units). Empty with its reason without draws.

    Raises
    ------
    ExperimentError
        Draws of different length, or not finite.

    References
    ----------
    Raiffa & Schlaifer (1961), chapter 4: raiffa1961.

    Examples
    --------
    >>> decision({"A": np.array([4.0, 0.0]), "B": np.array([1.0, 1.0])}, nothing=False).drop(
    ...     columns=["ci_low", "ci_high"])
      choice  profit  best_share  expected_regret
    0      A     2.0         0.5              0.5
    1      B     1.0         0.5              1.5
    """
    names = ["choice", "profit", "ci_low", "ci_high", "best_share", "expected_regret"]
    drawn = {name: np.asarray(x, dtype=float) for name, x in played.items()}
    if len({len(x) for x in drawn.values()}) > 1 or not all(np.isfinite(x).all() for x in drawn.values()):
        raise ExperimentError("played: give every plan the same number of finite draws")
    if not drawn or not len(next(iter(drawn.values()))):
        return missing(names, "no draws")
    if nothing:
        drawn[NOTHING] = np.zeros(len(next(iter(drawn.values()))))
    values = np.stack(list(drawn.values()), axis=1)
    best = values.max(axis=1, keepdims=True)
    winner = values == best
    ends = np.quantile(values, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    table = pd.DataFrame({
        "choice": list(drawn), "profit": values.mean(axis=0), "ci_low": ends[0], "ci_high": ends[1],
        "best_share": (winner / winner.sum(axis=1, keepdims=True)).mean(axis=0),
        "expected_regret": (best - values).mean(axis=0),
    })  # fmt: skip
    return table.sort_values("expected_regret", kind="stable", ignore_index=True)


def usual_effect(effects: pd.DataFrame, *, draws: int = 2000, seed: int = 55) -> Estimate:
    """How far the true profits of this shop's offers lie from each other: the posterior median of their scatter τ.

    From the hierarchical model over all past experiments (`shrinkage.between_groups`); fewer than three tested
    offers say too little.

    Parameters
    ----------
    effects : DataFrame
        From `past_effects`: `profit` and `standard_error`, currency units a person.
    draws : int
        Draws of the posterior.
    seed : int
        Start of the random numbers.
    """
    if len(effects) < 3:
        return Estimate.missing(f"only {len(effects)} offers were tested; three or more are needed")
    rng = np.random.default_rng(seed)
    found = between_groups(effects.profit.to_numpy(), effects.standard_error.to_numpy(), draws=draws, rng=rng)
    low, middle, high = np.quantile(found, [0.025, 0.5, 0.975])
    return Estimate(float(middle), float(low), float(high))


def sceptical(difference: np.ndarray, *, scale: float) -> np.ndarray:
    """The draws of a difference as someone sees them who knows how large differences usually are.

    Prior N(0, scale²), estimate with mean μ and error σ: the posterior has the mean Bμ and the error √B·σ, with
    B = scale²/(scale² + σ²). A noisy estimate is pulled to 0: of many offers, the one that looks best is mostly lucky.

    Parameters
    ----------
    difference : array
        Expected profit of A less B in each draw, currency units.
    scale : float
        Usual size of such a difference, currency units, ≥ 0.

    Raises
    ------
    ExperimentError
        A negative scale.

    References
    ----------
    Gelman et al. (2013), section 2.5: gelman2013.

    Examples
    --------
    >>> sceptical(np.array([1.0, 2.0, 3.0]), scale=1.0).round(3).tolist()
    [0.293, 1.0, 1.707]
    """
    if not scale >= 0:
        raise ExperimentError(f"scale {scale!r}: take an amount of money, 0 or more")
    drawn = np.asarray(difference, dtype=float)
    error = drawn.std(ddof=1) if len(drawn) > 1 else 0.0
    kept = scale**2 / (scale**2 + error**2) if scale or error else 1.0
    return kept * drawn.mean() + math.sqrt(kept) * (drawn - drawn.mean())


def second_opinion(launches: list[Launch], *, usual: Estimate, level: float = 0.95) -> pd.DataFrame:
    """The decision as the experiments alone say, and as someone says who also knows all past experiments.

    Parameters
    ----------
    launches : list of Launch
        Two plans.
    usual : Estimate
        From `usual_effect`, currency units a person.
    level : float
        Share of the draws inside the interval.

    Returns
    -------
    DataFrame
        One row a view: `view`, `difference` of the long-run profit (first plan less second) with its interval,
        `first_better_share`, `expected_regret` of the better choice (currency units). Without `usual`, or where both
        plans make the same offer (what offers earn says nothing about whom to reach), only the first.
    """
    tables = [expected(x).profit_long_run.to_numpy() for x in launches]
    gap = tables[0] - tables[1]
    views = {"the tests alone": gap}
    if usual.value is not None and len({x.response.offer for x in launches}) > 1:
        scale = usual.value * math.sqrt(sum((len(x.reached) * x.weight) ** 2 for x in launches))
        views["the tests and what offers usually earn here"] = sceptical(gap, scale=scale)
    rows = []
    for name, drawn in views.items():
        low, high = np.quantile(drawn, [0.5 - level / 2, 0.5 + level / 2])
        regret = np.maximum(0.0, -drawn if drawn.mean() > 0 else drawn).mean()
        rows.append((name, drawn.mean(), low, high, (drawn > 0).mean(), regret))
    names = ["view", "difference", "ci_low", "ci_high", "first_better_share", "expected_regret"]
    return pd.DataFrame(rows, columns=names)


def unit_normal_loss(z: float) -> float:
    """Expected shortfall of a standard normal beyond z: L(z) = φ(z) − z·(1 − Φ(z)).

    >>> round(unit_normal_loss(0.0), 4), round(unit_normal_loss(1.0), 4)
    (0.3989, 0.0833)
    """
    return float(norm.pdf(z) - z * norm.sf(z))


def information_value(difference: np.ndarray, *, shares: tuple[float, ...] = (1.0, 0.5)) -> pd.DataFrame:
    """Is another test worth it? What knowing more about the difference of two plans would bring.

    For a normal difference with mean μ and standard deviation σ of what is *not known*, perfect information is worth
    σ·L(|μ|/σ). A test that takes away the share r of the variance is worth the same with σ·√r. A test as large as the
    last takes away one half.

    Parameters
    ----------
    difference : array
        Expected profit of A less B in each draw of what is known, currency units.
    shares : tuple of float
        Shares r of the variance that would be taken away, 0…1.

    Returns
    -------
    DataFrame
        One row a test: `test`, `variance_taken_share`, `worth` (currency units: the most that it may cost).

    Raises
    ------
    ExperimentError
        A share outside 0…1.

    References
    ----------
    Raiffa & Schlaifer (1961), chapter 5: raiffa1961.

    Examples
    --------
    >>> information_value(np.array([-1.0, 1.0]), shares=(1.0,)).round(3)
                      test  variance_taken_share  worth
    0  perfect information                   1.0  0.564
    """
    if any(not 0 <= r <= 1 for r in shares):
        raise ExperimentError(f"shares {shares!r}: take shares of the variance, 0 to 1")
    drawn = np.asarray(difference, dtype=float)
    names = ["test", "variance_taken_share", "worth"]
    if len(drawn) < 2:
        return missing(names, "fewer than two draws")
    mean, error = float(drawn.mean()), float(drawn.std(ddof=1))
    return pd.DataFrame([(_test(r), r, _worth(mean, error, r)) for r in shares], columns=names)


def _test(share: float) -> str:
    words = {1.0: "perfect information", 0.5: "a test as large as the last", 0.0: "no test"}
    return words.get(share, f"a test that takes {share:.0%} of the variance")


def _worth(mean: float, error: float, share: float) -> float:
    scale = error * math.sqrt(share)
    return scale * unit_normal_loss(abs(mean) / scale) if scale > 0 else 0.0


def worth_of_test(
    launches: list[Launch], *, outcome: str = "profit_long_run", shares: tuple[float, ...] = (1.0, 0.5)
) -> pd.DataFrame:
    """`information_value` for the choice between all plans and doing nothing.

    With the drawn profits π_k of the choices and their means μ_k, a test that takes away the share r of the variance is
    worth E max_k(μ_k + √r(π_k − μ_k)) − max_k μ_k. Two normal choices give information_value's formula. Where no plan
    can beat doing nothing, a test is worth 0, however unlike the plans are.

    Returns
    -------
    DataFrame
        The columns of `information_value`; with r = 1 the worth is the lowest expected regret of `decision`.
    """
    drawn = np.stack([np.zeros(len(launches[0].opted_out)), *(expected(x)[outcome] for x in launches)], axis=1)
    mean = drawn.mean(axis=0)
    seen = [(mean + math.sqrt(r) * (drawn - mean)).max(axis=1).mean() - mean.max() for r in shares]
    rows = [(_test(r), r, max(0.0, float(v))) for r, v in zip(shares, seen, strict=True)]
    return pd.DataFrame(rows, columns=["test", "variance_taken_share", "worth"])


def both_horizons(launches: list[Launch], *, level: float = 0.95) -> pd.DataFrame:
    """The decision at the end of the campaign beside the one in the long run.

    Returns
    -------
    DataFrame
        The columns of `decision` after `horizon`; one row a horizon and choice.
    """
    tables = [expected(x) for x in launches]
    parts = []
    for outcome, word in (("profit_at_end", "end of the campaign"), ("profit_long_run", "long run")):
        drawn = {f"plan {x.plan.name}": t[outcome].to_numpy() for x, t in zip(launches, tables, strict=True)}
        parts.append(decision(drawn, level=level).assign(horizon=word))
    table = pd.concat(parts, ignore_index=True)
    return table[["horizon", *table.columns.drop("horizon")]]


def advice(choices: pd.DataFrame, worth: pd.DataFrame, *, test_cost: float, currency: str = "") -> str:
    """The decision in one plain sentence.

    Parameters
    ----------
    choices : DataFrame
        From `decision`, one horizon.
    worth : DataFrame
        From `worth_of_test`, with the row of a test as large as the last.
    test_cost : float
        What another test would cost, currency units.
    currency : str
        Name of the unit.

    Examples
    --------
    >>> choices = decision({"plan A": np.array([4.0, 2.0]), "plan B": np.array([1.0, 1.0])})
    >>> worth = pd.DataFrame({"variance_taken_share": [0.5], "worth": [0.2]})
    >>> advice(choices, worth, test_cost=1.0, currency="CNY")  # doctest: +ELLIPSIS
    'By the tests alone, choose plan A: it is the best choice with probability more than 99 %, and its expected...'
    """
    if choices.empty:
        return f"No decision: {choices.attrs.get('reason', 'no draws')}."
    best = choices.iloc[0]
    unit = f" {currency}" if currency else ""
    what = "do nothing" if best.choice == NOTHING else f"choose {best.choice}"
    chance = "more than 99 %" if best.best_share > 0.99 else f"{100 * best.best_share:.0f} %"
    said = (
        f"By the tests alone, {what}: it is the best choice with probability {chance}, and its expected regret is "
        f"{best.expected_regret:,.0f}{unit}."
    )
    half = worth[worth.variance_taken_share == 0.5] if len(worth) else worth
    if half.empty:
        return said
    gain = float(half.worth.iloc[0])
    pays = "is worth its cost" if gain > test_cost else "would cost more than it can bring"
    return f"{said} Another test as large as the last {pays}: {gain:,.0f}{unit} against {test_cost:,.0f}{unit}."


PIECES = ("base", "added", "margin", "margin_gap", "later", "opted_out")


def pieces(launch: Launch) -> pd.DataFrame:
    """The few numbers that a plan's profit hangs on, once for each draw of what is known.

    Returns
    -------
    DataFrame
        One row a draw: `base` (orders a person without the offer), `added` (by the offer), `margin` of an order without
        the offer, `margin_gap` (with less without), `later` (change of the margin a person afterwards), `opted_out`
        (share): means over those reached, currency units.
    """
    with_, without = launch.response.treated, launch.response.untreated
    share = np.bincount(launch.group, minlength=len(launch.response.groups)) / len(launch.group)
    base = without.rate @ share
    later = with_.per_person("later_margin") - without.per_person("later_margin")
    columns = (
        base,
        with_.rate @ share - base,
        without.mean["margin"],
        with_.mean["margin"] - without.mean["margin"],
        later[:, 0],
        launch.opted_out,
    )
    return pd.DataFrame(dict(zip(PIECES, columns, strict=True)))


def profit_of(launch: Launch, part: pd.Series, *, carries: float, consent_value: float) -> float:
    """Long-run profit of a plan from its pieces, currency units.

    N·s·[(λ + δ)(m + Δ) − λ·m + ℓ] − N·c − N·q·V, with s = stretch × carries.
    """
    size = len(launch.reached) * launch.weight
    now = (part.base + part.added) * (part.margin + part.margin_gap) - part.base * part.margin
    gain = launch.stretch * carries * (now + part.later)
    return float(size * (gain - launch.cost - part.opted_out * consent_value))


def tornado(
    launches: list[Launch],
    *,
    level: float = 0.8,
    carries: tuple[float, float] = (0.7, 1.1),
    consent_factor: tuple[float, float] = (0.5, 2.0),
) -> pd.DataFrame:
    """What the difference hangs on: each assumption alone at its low and its high value, all others at their mean.

    Estimated pieces go from the lower to the upper end of their interval; assumed ones between stated values. An
    assumption whose bar holds 0 can turn the decision by itself.

    Parameters
    ----------
    launches : list of Launch
        Two plans, from `prepare`.
    level : float
        Level of the intervals of the estimated pieces, 0…1 exclusive.
    carries : tuple of float
        Low and high share of the tested effect that returns, for each plan alone.
    consent_factor : tuple of float
        Low and high value of a consent, as multiples of the assumed one.

    Returns
    -------
    DataFrame
        One row an assumption, widest bar first: `assumption`, `low`, `high` (its values), `at_low`, `at_high`
        (long-run profit of A less B, currency units), `base` (all at their mean), `from_`, `to` (the bar's ends),
        `turns` (does the sign change?).

    Raises
    ------
    ExperimentError
        level outside 0…1.

    References
    ----------
    Howard (1988): howard1988.

    Examples
    --------
    See the notebook.
    """
    if not 0 < level < 1:
        raise ExperimentError(f"level {level!r} is not between 0 and 1; take 0.8 for the middle 80 %")
    start, rows = _bars(launches, level, carries, consent_factor)
    table = pd.DataFrame(rows, columns=["assumption", "low", "high", "at_low", "at_high"])
    table["base"] = start
    table["from_"], table["to"] = table[["at_low", "at_high"]].min(axis=1), table[["at_low", "at_high"]].max(axis=1)
    table["turns"] = (table.from_ < 0) & (table.to > 0)
    order = (table.to - table.from_).sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _bars(launches: list[Launch], level: float, carries: tuple, consent_factor: tuple) -> tuple[float, list[tuple]]:
    """The difference with all assumptions at their mean, and a row for each that goes from low to high."""
    drawn = [pieces(x) for x in launches]
    means = [d.mean() for d in drawn]
    kept = [{"carries": x.carries, "consent_value": x.consent_value} for x in launches]
    start = _gap(launches, means, kept)
    rows = []
    for k, x in enumerate(launches):
        for piece, word in WORDS.items():
            low, high = np.quantile(drawn[k][piece], [0.5 - level / 2, 0.5 + level / 2])
            ends = [_gap(launches, _set(means, k, piece, v), kept) for v in (low, high)]
            rows.append((f"{x.plan.name}: {word}", low, high, *ends))
        ends = [_gap(launches, means, _replace(kept, k, carries=v * x.carries)) for v in carries]
        rows.append((f"{x.plan.name}: share of the effect that returns", *(v * x.carries for v in carries), *ends))
    values = [f * launches[0].consent_value for f in consent_factor]
    ends = [_gap(launches, means, [k | {"consent_value": v} for k in kept]) for v in values]
    rows.append(("value of a consent", *values, *ends))
    return start, rows


WORDS = {
    "added": "added orders a person",
    "margin_gap": "margin of an order, offer less none",
    "base": "orders anyway",
    "later": "margin afterwards",
    "opted_out": "opt-out share",
}


def _gap(launches: list[Launch], parts: list[pd.Series], kept: list[dict]) -> float:
    profits = [profit_of(x, p, **k) for x, p, k in zip(launches, parts, kept, strict=True)]
    return profits[0] - profits[1]


def _set(means: list[pd.Series], k: int, piece: str, value: float) -> list[pd.Series]:
    changed = list(means)
    changed[k] = means[k].copy()
    changed[k][piece] = value
    return changed


def _replace(kept: list[dict], k: int, **new: float) -> list[dict]:
    return [given | new if i == k else given for i, given in enumerate(kept)]
