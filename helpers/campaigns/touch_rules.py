"""Rules that deal the credit of an order out to the touches before it: first, last, linear, position, time decay."""

from __future__ import annotations

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir
import pandas as pd

from helpers.campaigns.errors import AttributionError

COLUMNS = ["bag", "method", "channel", "conversions", "value"]
RULES = ("first touch", "last touch", "last non-direct touch", "linear", "position 40-20-40", "time decay")


def rule_credit(
    touches: ir.Table, *, half_life_days: float = 7, direct: str = "direct", rules: Iterable[str] = RULES
) -> pd.DataFrame:
    """Credit of each channel under each rule, by group of users.

    In a path of n touches the credit of touch i is w_i / Σ w: *first* w_1 = 1; *last* w_n = 1; *last non-direct*: the
    last touch that is not `direct` (the last one where all are); *linear* w_i = 1; *position*: 0.4 for both ends and
    0.2 for all touches between them together (n = 2: half each); *time decay* w_i = 2^(−hours_i / half-life).

    Parameters
    ----------
    touches : Table
        One row a touch, from `helpers.campaigns.paths_to_purchase`.
    half_life_days : float
        Time in which a touch loses half of its weight, days, above 0.
    direct : str
        Name of the channel of people who come by themselves.
    rules : iterable of str
        Some of `RULES`.

    Returns
    -------
    DataFrame
        One row a group of users, rule and channel with credit: `bag`, `method`, `channel`, `conversions`, `value`
        (currency units). *Last non-direct* only where the channel `direct` occurs, *time decay* only where hours are
        known. Empty where no path converts.

    Raises
    ------
    AttributionError
        half_life_days is not above 0.

    References
    ----------
    Berman (2018), on what such rules do: berman2018.

    Examples
    --------
    >>> from helpers.campaigns.paths_to_purchase import touches_of
    >>> touches = touches_of(pd.DataFrame({"path": ["a > b > c > b"], "conversions": [10]}))
    >>> credit = rule_credit(touches).set_index(["method", "channel"])["conversions"].unstack(fill_value=0.0)
    >>> credit.loc[["first touch", "last touch", "linear", "position 40-20-40"]].round(6).to_numpy().tolist()
    [[10.0, 0.0, 0.0], [0.0, 10.0, 0.0], [2.5, 5.0, 2.5], [4.0, 5.0, 1.0]]
    """
    if not half_life_days > 0:
        raise AttributionError(f"half_life_days {half_life_days!r}: take a number of days above 0, such as 7")
    ended = touches.filter(touches.conversions > 0)
    ended = _with_lasts(ended, direct)
    weights = dict(zip(RULES, _weights(ended, half_life_days).items(), strict=True))
    names = {rule: weight for rule, (weight, _expression) in weights.items() if rule in set(rules)}
    path = ibis.window(group_by="path_id")
    weighted = ended.mutate(**dict(weights[rule] for rule in names))
    shares = weighted.mutate(**{w: weighted[w] / weighted[w].sum().over(path) for w in names.values()})
    sums = {f"conversions_{w}": (shares[w] * shares.conversions).sum() for w in names.values()}
    sums |= {f"value_{w}": (shares[w] * shares.value).sum() for w in names.values()}
    wide = shares.group_by("bag", "channel").agg(**sums, direct=(shares.channel == direct).any()).execute()
    wide = wide.sort_values(["bag", "channel"], ignore_index=True)
    if not wide["direct"].astype(bool).any():
        names.pop(RULES[2], None)
    long = [_of_rule(wide, rule, w) for rule, w in names.items()]
    return pd.concat(long, ignore_index=True) if long else pd.DataFrame(columns=COLUMNS)


def _with_lasts(ended: ir.Table, direct: str) -> ir.Table:
    """With the place of the last touch that is not direct, and the hours between the last touch and the end."""
    path = ibis.window(group_by="path_id")
    return ended.mutate(
        last_named=ibis.ifelse(ended.channel != direct, ended.place, 0).max().over(path),
        last_hours=ended.hours.min().over(path),
    )


def _weights(ended: ir.Table, half_life_days: float) -> dict:
    first, last = ended.place == 1, ended.place == ended["length"]
    middle = ibis.ifelse(ended["length"] > 2, 0.2 / (ended["length"] - 2).nullif(0), 0.0)
    named = ibis.ifelse(ended.last_named > 0, ended.place == ended.last_named, last)
    # counted from the last touch, so that no path's weights are all zero by rounding
    age = (ended.hours - ended.last_hours) / 24
    return {
        "w_first": first.cast("float64"),
        "w_last": last.cast("float64"),
        "w_named": named.cast("float64"),
        "w_linear": ibis.literal(1.0),
        "w_position": ibis.ifelse(first | last, 0.4, middle),
        "w_decay": ibis.literal(0.5) ** (age / half_life_days),
    }


def _of_rule(wide: pd.DataFrame, rule: str, weight: str) -> pd.DataFrame:
    amounts = {c: wide[f"{c}_{weight}"] for c in ("conversions", "value")}
    table = wide[["bag", "channel"]].assign(method=rule, **amounts)
    return table[table["conversions"] > 0][COLUMNS]
