"""Attribution: which channels get the credit for an order, by every method, and why that is not what they cause.

This module is the one door of notebook 52: paths (`paths_to_purchase`), rules (`touch_rules`), removal effects
(`markov`), Shapley values (`shapley`) and the comparison with experiments (`incrementality`) are reached through it.
What it adds itself: all methods side by side with intervals, their sensitivity, and their error against a known truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.campaigns.errors import AttributionError
from helpers.campaigns.incrementality import (
    channel_costs,
    holdout_costs,
    holdout_effects,
    sharpest_holdout,
    true_orders,
    true_share,
)
from helpers.campaigns.markov import conversion_chance, matrices, removal_credit, steps
from helpers.campaigns.paths_to_purchase import (
    GROUPS,
    cut_paths,
    distinct_paths,
    keep,
    path_summary,
    touch_paths,
    touched_share,
    touches_of,
    touches_with_orders,
)
from helpers.campaigns.shapley import set_arrays, sets_of_channels, shapley_of_counts, shapley_of_rates
from helpers.campaigns.spend import spend_days, spend_oddities
from helpers.campaigns.touch_rules import RULES, rule_credit
from helpers.findings import Estimate, missing

__all__ = [
    "METHODS",
    "Attribution",
    "AttributionError",
    "attribute",
    "beside_truth",
    "channel_costs",
    "credit_table",
    "distinct_paths",
    "errors_against_truth",
    "harvest_share",
    "holdout_costs",
    "holdout_effects",
    "keep",
    "least_error",
    "path_summary",
    "removal_table",
    "sensitivity",
    "shares_by_method",
    "sharpest_holdout",
    "spend_days",
    "spend_oddities",
    "touch_paths",
    "touched_share",
    "touches_of",
    "true_orders",
    "true_share",
]

METHODS = (*RULES, "Markov removal", "Shapley of counts", "Shapley of rates")
OTHER_CUTS = {
    "until the first order": {"until": "first order"},
    "repeats collapsed": {"repeats": "collapsed"},
    "channels once": {"repeats": "distinct"},
}
NOT_CAUSAL = "not causal"
NO_ORDER = "no order has a touch before it"


@dataclass(frozen=True)
class Attribution:
    """Credit by every method.

    `credit` has the axes method × channel × (conversions, value), `draws` the same for each bootstrap sample, in front;
    `removal` the removal effects of the channels; `reason` says why there is none.
    """

    methods: list[str]
    channels: list[str]
    credit: np.ndarray
    draws: np.ndarray
    removal: np.ndarray
    reason: str = ""


def attribute(
    touches: ir.Table,
    *,
    half_life_days: float = 7,
    direct: str = "direct",
    methods: Iterable[str] = METHODS,
    boots: int = 500,
    seed: int = 52,
) -> Attribution:
    """Credit of all channels by all methods, with a bootstrap over groups of users.

    Each bootstrap sample draws the 200 groups of users anew, with replacement, so all paths of a user stay together.

    Parameters
    ----------
    touches : Table
        From `touch_paths` or `touches_of`; at most 12 channels.
    half_life_days : float
        Of the time decay, days, above 0.
    direct : str
        Name of the channel of people who come by themselves, for *last non-direct touch*.
    methods : iterable of str
        Some of `METHODS`.
    boots : int
        Bootstrap samples, 0…5000.
    seed : int
        Start of the random numbers.

    Returns
    -------
    Attribution
        Without methods, and with its reason, where no path converts. The credits of a method add up to all conversions
        with a touch, and to their value.

    Raises
    ------
    AttributionError
        An unknown method, or an argument out of its range.

    References
    ----------
    Efron & Tibshirani (1993): efron1993. The methods: see their modules.

    Examples
    --------
    >>> paths = pd.DataFrame({"path": ["a > b > c", "a", "b > c"], "conversions": [1, 0, 0], "nulls": [0, 1, 1]})
    >>> found = attribute(touches_of(paths), methods=["linear", "Markov removal"], boots=0)
    >>> found.credit[:, :, 0].round(3).tolist()
    [[0.333, 0.333, 0.333], [0.2, 0.4, 0.4]]
    """
    methods = list(methods)
    if unknown := [m for m in methods if m not in METHODS]:
        raise AttributionError(f"methods: {unknown[0]!r} is none of {', '.join(METHODS)}")
    if not 0 <= boots <= 5000:
        raise AttributionError(f"boots {boots!r}: take 0 to 5000 bootstrap samples, such as 500")
    seen = touches.group_by("channel").agg(conversions=touches.conversions.sum()).execute()
    if seen["conversions"].sum() == 0:
        none = np.zeros((0, 0, 2))
        return Attribution([], [], none, none[None], np.zeros(0), NO_ORDER)
    parts = _Parts(touches, sorted(seen["channel"]), methods, half_life_days, direct)
    credit = parts.credit(np.ones((1, GROUPS)))[0]
    times = np.random.default_rng(seed).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), size=boots)
    draws = parts.credit(times.astype(float))
    return Attribution(parts.methods, parts.channels, credit, draws, parts.removal())


class _Parts:
    """Everything that the methods need, as sums by group of users: a bootstrap sample only weights the groups."""

    def __init__(
        self, touches: ir.Table, channels: list[str], methods: list[str], half_life_days: float, direct: str
    ) -> None:
        self.channels, self.methods, k = channels, methods, len(channels)
        self.rules: dict[str, np.ndarray] = {}
        if chosen := set(methods) & set(RULES):
            rules = rule_credit(touches, half_life_days=half_life_days, direct=direct, rules=chosen)
            self.methods = [m for m in methods if m not in RULES or m in set(rules["method"])]
            self.rules = {m: self._dealt(rules[rules["method"] == m]) for m in self.methods if m in RULES}
        if "Markov removal" in methods:
            self.moved, self.reward = matrices(steps(touches), channels=channels, bags=GROUPS)
        if set(methods) & {"Shapley of counts", "Shapley of rates"}:
            self.sets = set_arrays(sets_of_channels(touches, channels=channels), channels=k, bags=GROUPS)

    def _dealt(self, part: pd.DataFrame) -> np.ndarray:
        """The credit of one rule: groups × channels × (conversions, value)."""
        array = np.zeros((GROUPS, len(self.channels), 2))
        at = part["bag"].astype(int), part["channel"].map({c: i for i, c in enumerate(self.channels)})
        np.add.at(array, at, part[["conversions", "value"]].to_numpy(float))
        return array

    def credit(self, times: np.ndarray) -> np.ndarray:
        """Samples × methods × channels × (conversions, value), each group of users counted so many times."""
        if not len(times):
            return np.zeros((0, len(self.methods), len(self.channels), 2))
        found = {m: np.tensordot(times, a, axes=1) for m, a in self.rules.items()}
        if "Markov removal" in self.methods:
            moved, reward = np.tensordot(times, self.moved, axes=1), np.tensordot(times, self.reward, axes=1)
            found["Markov removal"] = np.stack([removal_credit(moved), removal_credit(moved, reward)], axis=-1)
        if hasattr(self, "sets"):
            sets = np.tensordot(times, self.sets, axes=1)
            counts = [shapley_of_counts(sets[:, i]) for i in (0, 1)]
            rates = [shapley_of_rates(sets[:, i], sets[:, 2]) for i in (0, 1)]
            found |= {"Shapley of counts": np.stack(counts, axis=-1), "Shapley of rates": np.stack(rates, axis=-1)}
        return np.stack([found[m] for m in self.methods], axis=1)

    def removal(self) -> np.ndarray:
        """The removal effect of each channel, 0…1; none where the chain was not asked for."""
        if "Markov removal" not in self.methods:
            return np.zeros(0)
        chance = conversion_chance(self.moved.sum(axis=0, keepdims=True))[0]
        return 1 - chance[1:] / chance[0]


def credit_table(found: Attribution, *, level: float = 0.95) -> pd.DataFrame:
    """Credit by method and channel, with intervals. Not causal.

    Parameters
    ----------
    found : Attribution
        From `attribute`.
    level : float
        How often the percentile intervals shall cover the credit in a new sample of users, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a method and channel: `method`, `channel`, `orders`, `credit_share` with `credit_share_ci_low` and
        `_high` (of the orders with a touch), `value` (currency units), `value_share`, `causal` ('not causal').

    Examples
    --------
    >>> found = attribute(touches_of(pd.DataFrame({"path": ["a > b", "b"], "conversions": [3, 1]})), boots=0)
    >>> credit_table(found)[["method", "channel", "orders", "credit_share"]].head(2)
            method channel  orders  credit_share
    0  first touch       a     3.0          0.75
    1  first touch       b     1.0          0.25
    """
    names = ["method", "channel", "orders", "credit_share", "credit_share_ci_low", "credit_share_ci_high"]
    names += ["value", "value_share", "causal"]
    if found.reason:
        return missing(names, found.reason)
    if not 0 < level < 1:
        raise AttributionError(f"level {level!r} is not between 0 and 1; take 0.95 for a 95 % interval")
    share, draws = _shares(found.credit), _shares(found.draws)
    low, high = _quantiles(draws[..., 0], share[..., 0].shape, level)
    k = len(found.channels)
    return pd.DataFrame(
        {
            "method": np.repeat(found.methods, k),
            "channel": np.tile(found.channels, len(found.methods)),
            "orders": found.credit[..., 0].ravel(),
            "credit_share": share[..., 0].ravel(),
            "credit_share_ci_low": low.ravel(),
            "credit_share_ci_high": high.ravel(),
            "value": found.credit[..., 1].ravel(),
            "value_share": share[..., 1].ravel(),
            "causal": NOT_CAUSAL,
        }
    ).replace({np.nan: None})


def _shares(credit: np.ndarray) -> np.ndarray:
    """Credit as a share of all channels' credit; missing where there is none."""
    total = credit.sum(axis=-2, keepdims=True)
    return np.divide(credit, total, out=np.full_like(credit, np.nan), where=total > 0)


def _quantiles(draws: np.ndarray, shape: tuple, level: float) -> tuple[np.ndarray, np.ndarray]:
    known = draws[~np.isnan(draws).any(axis=tuple(range(1, draws.ndim)))]
    if len(known) < 20:
        return np.full(shape, np.nan), np.full(shape, np.nan)
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2], axis=0)
    return low, high


def shares_by_method(table: pd.DataFrame, *, value: str = "credit_share") -> pd.DataFrame:
    """The credit as a square, methods down and channels across, for a heat map.

    >>> table = pd.DataFrame({"method": ["linear"] * 2, "channel": ["a", "b"], "credit_share": [0.4, 0.6]})
    >>> shares_by_method(table).loc["linear"].tolist()
    [0.4, 0.6]
    """
    if table.empty:
        return missing(["channel"], table.attrs.get("reason", NO_ORDER))
    square = table.pivot(index="method", columns="channel", values=value)
    return square.loc[list(dict.fromkeys(table["method"]))].astype(float)


def removal_table(found: Attribution) -> pd.DataFrame:
    """What the chain loses without each channel, and the credit that this gives. Not causal.

    Returns
    -------
    DataFrame
        One row a channel, largest first: `channel`, `removal_share` (of the conversions that is lost without it),
        `orders` (credit), `causal`.

    Examples
    --------
    >>> paths = pd.DataFrame({"path": ["a > b > c", "a", "b > c"], "conversions": [1, 0, 0], "nulls": [0, 1, 1]})
    >>> removal_table(attribute(touches_of(paths), boots=0)).round(3)[["channel", "removal_share", "orders"]]
      channel  removal_share  orders
    0       b            1.0     0.4
    1       c            1.0     0.4
    2       a            0.5     0.2
    """
    names = ["channel", "removal_share", "orders", "causal"]
    if found.reason or "Markov removal" not in found.methods:
        return missing(names, found.reason or "the method 'Markov removal' was not asked for")
    orders = found.credit[found.methods.index("Markov removal"), :, 0]
    table = pd.DataFrame({"channel": found.channels, "removal_share": found.removal, "orders": orders})
    table = table.assign(causal=NOT_CAUSAL, rank=-table["removal_share"].round(9))
    return table.sort_values(["rank", "channel"], ignore_index=True)[names]


def sensitivity(
    touchpoints: ir.Table,
    orders: ir.Table,
    *,
    lookbacks: Iterable[float] = (7, 30, 60),
    method: str = "last touch",
    base: dict | None = None,
    others: bool = True,
) -> pd.DataFrame:
    """The same orders under other definitions of a path: how far do the shares move? Not causal.

    Parameters
    ----------
    touchpoints, orders : Table
        As in `touch_paths`.
    lookbacks : iterable of float
        Lookback windows, days.
    method : str
        One of `METHODS`.
    base : dict, optional
        Arguments of `touch_paths` for all rows; the variants change one of them at a time.
    others : bool
        Also another end of the paths, and repeats collapsed or left out.

    Returns
    -------
    DataFrame
        One row a definition: `definition`, `orders_with_touch`, `null_paths`, then one column a channel,
        `<channel>_share` of the credit; missing where no path converts.

    Raises
    ------
    AttributionError
        As in `touch_paths` and `attribute`.

    Examples
    --------
    >>> import ibis
    >>> touches = ibis.memtable({"user_id": [1, 1], "channel": ["a", "b"], "timestamp": [0, 500_000]})
    >>> lines = ibis.memtable({"order_id": [7], "user_id": [1], "quantity": [2], "unit_price": [5.0],
    ...                        "timestamp": [600_000]})
    >>> sensitivity(touches, lines, lookbacks=[2, 30], method="first touch", others=False).iloc[:, :3]
          definition  orders_with_touch  null_paths
    0   2 days back                  1           1
    1  30 days back                  1           0
    """
    base = base or {}
    pooling = {k: base[k] for k in ("most_channels", "min_cell") if k in base}
    cuts = {k: base[k] for k in ("lookback_days", "until", "repeats") if k in base}
    touches = keep(touches_with_orders(touchpoints, orders, **pooling))
    changes = {f"{days:g} days back": {"lookback_days": days} for days in lookbacks} | (OTHER_CUTS if others else {})
    rows = [
        {"definition": name} | _definition_row(keep(cut_paths(touches, **(cuts | change))), method)
        for name, change in changes.items()
    ]
    if not any(r["orders_with_touch"] for r in rows):
        return missing(["definition", "orders_with_touch", "null_paths"], NO_ORDER)
    return pd.DataFrame(rows).replace({np.nan: None})


def _definition_row(touches: ir.Table, method: str) -> dict:
    """What one definition of a path makes of the orders, and the shares of credit."""
    found = attribute(touches, methods=[method], boots=0)
    ends = touches.filter(touches.place == 1)
    sums = ends.agg(n=ends.conversions.sum(), lost=ends.nulls.sum()).execute().fillna(0).iloc[0]
    shares = {} if found.reason else dict(zip(found.channels, _shares(found.credit)[0, :, 0], strict=True))
    row = {"orders_with_touch": int(sums["n"]), "null_paths": int(sums["lost"])}
    return row | {f"{c}_share": v for c, v in shares.items()}


def errors_against_truth(found: Attribution, truth: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """How far is each method's credit from the orders that the channels really cause?

    error = ½ Σ |share of credit − share of caused orders|, 0…1: the share of the credit that stands at a wrong channel;
    above 1 only where credits are negative.

    Parameters
    ----------
    found : Attribution
        From `attribute`.
    truth : DataFrame
        One row a channel: `channel`, `incremental_orders`.
    level : float
        As in `credit_table`.

    Returns
    -------
    DataFrame
        One row a method, smallest error first: `method`, `error_share` with `error_share_ci_low`, `_high`,
        `harvest_share` (credit of channels that cause nothing), `given_orders` (all credit), `caused_orders`.
        Empty, with its reason, for real data.

    Examples
    --------
    >>> found = attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [10]})), boots=0)
    >>> truth = pd.DataFrame({"channel": ["a", "b"], "incremental_orders": [4, 0]})
    >>> errors_against_truth(found, truth).iloc[:3, [0, 1, 4]].replace({None: 0.0})
            method  error_share  harvest_share
    0  first touch          0.0            0.0
    1       linear          0.5            0.5
    2  position 40-20-40          0.5            0.5
    """
    names = ["method", "error_share", "error_share_ci_low", "error_share_ci_high", "harvest_share"]
    names += ["given_orders", "caused_orders"]
    if found.reason or truth.empty:
        return missing(names, found.reason or truth.attrs.get("reason", "the truth is not known"))
    caused = truth.set_index("channel")["incremental_orders"].reindex(found.channels).fillna(0).to_numpy(float)
    if caused.sum() <= 0:
        return missing(names, "none of these channels causes an order")
    share, draws = _shares(found.credit)[..., 0], _shares(found.draws)[..., 0]
    wrong = np.abs(share - caused / caused.sum()).sum(axis=-1) / 2
    low, high = _quantiles(np.abs(draws - caused / caused.sum()).sum(axis=-1) / 2, wrong.shape, level)
    table = pd.DataFrame({"method": found.methods, "error_share": wrong})
    table = table.assign(error_share_ci_low=low, error_share_ci_high=high)
    table = table.assign(harvest_share=share[:, caused == 0].sum(axis=1), given_orders=found.credit[..., 0].sum(axis=1))
    table = table.assign(caused_orders=float(caused.sum()), rank=table["error_share"].round(9))
    return table.sort_values("rank", kind="stable", ignore_index=True)[names].replace({np.nan: None})


def harvest_share(
    found: Attribution, *, channels: Iterable[str], method: str = "last touch", level: float = 0.95
) -> Estimate:
    """The share of a method's credit that some channels get together, with its bootstrap interval.

    Parameters
    ----------
    found : Attribution
        From `attribute`.
    channels : iterable of str
        Names of channels; unknown ones get nothing, and where all are unknown there is no share.
    method : str
        One of the methods that were asked for.
    level : float
        As in `credit_table`.

    Returns
    -------
    Estimate
        A share 0…1; missing with its reason.

    Examples
    --------
    >>> found = attribute(touches_of(pd.DataFrame({"path": ["a > b", "b"], "conversions": [3, 1]})), boots=0)
    >>> harvest_share(found, channels=["b"], method="first touch").value
    0.25
    """
    if found.reason or method not in found.methods:
        return Estimate.missing(found.reason or f"the method {method!r} was not asked for")
    at, chosen = found.methods.index(method), np.isin(found.channels, list(channels))
    if not chosen.any():
        return Estimate.missing(f"none of these channels has touches; the channels are {', '.join(found.channels)}")
    value = float(_shares(found.credit)[at, chosen, 0].sum())
    low, high = _quantiles(_shares(found.draws)[:, at, chosen, 0].sum(axis=-1), (), level)
    return Estimate(value, *(None if np.isnan(v) else float(v) for v in (low, high)))


def beside_truth(credit: pd.DataFrame, truth: pd.DataFrame, *, method: str) -> pd.DataFrame:
    """The credit of one method beside the share of the orders that each channel really causes. Not causal.

    Parameters
    ----------
    credit : DataFrame
        From `credit_table`.
    truth : DataFrame
        One row a channel: `channel`, `incremental_orders`; empty for real data.
    method : str
        One of the methods of `credit`.

    Returns
    -------
    DataFrame
        One row a channel: `channel`, `orders` (credit), `incremental_orders`, `credit_share` with its interval,
        `caused_share`. What only the truth knows is missing for real data.

    Examples
    --------
    >>> credit = credit_table(attribute(touches_of(pd.DataFrame({"path": ["a > b"], "conversions": [10]})), boots=0))
    >>> truth = pd.DataFrame({"channel": ["a", "b"], "incremental_orders": [4, 0]})
    >>> beside_truth(credit, truth, method="linear")[["channel", "orders", "credit_share", "caused_share"]]
      channel  orders  credit_share  caused_share
    0       a     5.0           0.5           1.0
    1       b     5.0           0.5           0.0
    """
    names = ["channel", "orders", "incremental_orders", "credit_share", "credit_share_ci_low", "credit_share_ci_high"]
    own = credit[credit["method"] == method] if len(credit) else credit
    if own.empty:
        return missing([*names, "caused_share"], credit.attrs.get("reason", f"there is no credit by {method!r}"))
    known = true_orders(truth)
    table = own.merge(known, on="channel", how="left") if len(known) else own.assign(**dict.fromkeys(known.columns[1:]))
    return table[[*names, "caused_share"]].reset_index(drop=True)


def least_error(errors: pd.DataFrame) -> tuple[Estimate, dict]:
    """The smallest error of all methods, and for a sentence: `method` and `orders_ratio` (credit over caused orders).

    >>> table = pd.DataFrame({"method": ["linear"], "error_share": [0.3], "error_share_ci_low": [0.2],
    ...                       "error_share_ci_high": [0.4], "given_orders": [50.0], "caused_orders": [10.0]})
    >>> least_error(table)[0].value, least_error(table)[1]
    (0.3, {'method': 'linear', 'orders_ratio': 5.0})
    """
    if errors.empty:
        return Estimate.missing(errors.attrs.get("reason", NO_ORDER)), {"method": "", "orders_ratio": None}
    best = errors.iloc[0]
    bounds = [None if pd.isna(v) else float(v) for v in best[["error_share_ci_low", "error_share_ci_high"]]]
    ratio = float(best["given_orders"] / best["caused_orders"])
    return Estimate(float(best["error_share"]), *bounds), {"method": best["method"], "orders_ratio": ratio}
