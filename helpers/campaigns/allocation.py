"""The split of a budget over channels: where the last unit of money brings the same everywhere.

With concave curves the best split has equal marginal returns, except where a channel sits at its least or most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.response_curves import marginal_response, steady_response
from helpers.findings import missing

Wanted = Callable[[float], float]
"""Marginal return → the spend at which a channel has it (falling)."""


def equal_marginal(
    wanted: list[Wanted], *, total: float, least: np.ndarray, most: np.ndarray, worth: float = 0.0
) -> np.ndarray:
    """The best split by Lagrange: spend wanted(λ), held between least and most, with λ such that the total is spent.

    λ is the marginal return of the budget. It is found by bisection of its logarithm. With `worth` the search stops at
    λ = worth: money that would bring less stays unspent.

    Parameters
    ----------
    wanted : list of functions
        One a channel: the spend at which its marginal return is λ; falling in λ (concave response).
    total : float
        The budget, currency units.
    least, most : array
        Bounds of each channel, currency units.
    worth : float
        Least marginal return for which money is spent, ≥ 0.

    Returns
    -------
    array
        Spend of each channel.

    Raises
    ------
    ExperimentError
        Bounds that contradict each other or the total.

    References
    ----------
    Boyd & Vandenberghe (2004), section 5.5 (water-filling): boyd2004.

    Examples
    --------
    Two responses 3√s and 4√s: f′ = a/(2√s) = λ at s = (a/2λ)², so money goes 9 : 16.

    >>> roots = [lambda x: (3 / (2 * x)) ** 2, lambda x: (4 / (2 * x)) ** 2]
    >>> equal_marginal(roots, total=100.0, least=np.zeros(2), most=np.full(2, 100.0)).round(6).tolist()
    [36.0, 64.0]
    """
    least, most = np.asarray(least, dtype=float), np.asarray(most, dtype=float)
    _check_bounds(total, least, most)

    def spend(price: float) -> np.ndarray:
        return np.clip([w(price) for w in wanted], least, most)

    low, high = 1e-290, 1e15
    if worth > 0:
        if spend(worth).sum() <= total:
            return spend(worth)
        low = worth
    elif most.sum() <= total:
        return most.copy()
    for _ in range(200):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if spend(middle).sum() > total else (low, middle)
    return spend(high)


def _check_bounds(total: float, least: np.ndarray, most: np.ndarray) -> None:
    if not (math.isfinite(total) and total >= 0):
        raise ExperimentError(f"total {total!r}: a budget is 0 or more")
    if (least < 0).any() or (least > most).any():
        raise ExperimentError("least and most: each channel needs 0 ≤ least ≤ most")
    if least.sum() > total * (1 + 1e-12):
        raise ExperimentError(f"least: the channels' least spends add up to {least.sum():g}, above the total {total:g}")


def split_budget(
    curves: pd.DataFrame,
    *,
    total: float,
    least: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
    shape: str = "hill",
    worth: float = 0.0,
) -> pd.DataFrame:
    """The split of a budget that adds most, under bounds: equal marginal returns.

    maximise Σ f_c(s_c) with Σ s_c ≤ total and least ≤ s_c ≤ most; f is the steady response.

    Parameters
    ----------
    curves : DataFrame
        One row a channel: `channel`, `ceiling`, `half`, `carry`; from `curves` or the truth. Rows whose `status` is not
        'known' make a split impossible.
    total : float
        The budget a period, currency units, ≥ 0.
    least, most : mapping, optional
        Channel → bound; by default 0 and the total. Beyond the spends that were tried a curve is only a guess.
    shape : str
        As in `steady_response`.
    worth : float
        Least marginal return for which money is spent. With margin rate m take 1/m; 0 spends all.

    Returns
    -------
    DataFrame
        One row a channel, in the order of `curves`: `channel`, `spend`, `budget_share`, `added` (outcome a period),
        `marginal_return`, `bound` ('', 'least' or 'most'). Missing where a curve is unknown.

    Raises
    ------
    ExperimentError
        As in `equal_marginal`.

    References
    ----------
    boyd2004.

    Examples
    --------
    >>> two = pd.DataFrame({"channel": ["a", "b"], "ceiling": [100.0, 400], "half": [10.0, 10], "carry": [0.0, 0]})
    >>> split_budget(two, total=40.0).round(3)[["channel", "spend", "marginal_return"]]
      channel  spend  marginal_return
    0       a   10.0              2.5
    1       b   30.0              2.5
    """
    names = ["channel", "spend", "budget_share", "added", "marginal_return", "bound"]
    if reason := _not_splittable(curves):
        return missing(names, reason)
    order = curves["channel"].tolist()
    low = np.array([float((least or {}).get(c, 0.0)) for c in order])
    high = np.array([float((most or {}).get(c, total)) for c in order])
    rows = [row for _, row in curves.iterrows()]
    wanted = [_inverse(row, shape) for row in rows]
    spend = equal_marginal(wanted, total=total, least=low, most=high, worth=worth)
    return _split_table(rows, spend, low, high, shape)


def _split_table(
    rows: list[pd.Series], spend: np.ndarray, low: np.ndarray, high: np.ndarray, shape: str
) -> pd.DataFrame:
    """What each channel gets and adds."""
    used, pairs = spend.sum(), list(zip(rows, spend, strict=True))
    at = ["least" if s <= a else "most" if s >= b else "" for s, a, b in zip(spend, low, high, strict=True)]
    return pd.DataFrame({
        "channel": [row["channel"] for row in rows],
        "spend": spend,
        "budget_share": spend / used if used else 0.0,
        "added": [float(steady_response(row, s, shape=shape)) for row, s in pairs],
        "marginal_return": [float(marginal_response(row, s, shape=shape)) for row, s in pairs],
        "bound": at,
    })  # fmt: skip


def _not_splittable(curves: pd.DataFrame) -> str:
    if curves.empty:
        return curves.attrs.get("reason", "there are no curves")
    if "status" in curves and (curves["status"] != "known").any():
        lost = ", ".join(map(str, curves.loc[curves["status"] != "known", "channel"]))
        return f"the response of {lost} is not known; vary its spend by plan, or test it in an experiment"
    return ""


def _inverse(curve: pd.Series, shape: str) -> Wanted:
    """The spend at which the marginal return is λ; 0 where even the first unit brings less."""
    h, top = curve["half"] * (1 - curve["carry"]), curve["ceiling"]

    def hill(price: float) -> float:
        return max(math.sqrt(top * h / price) - h, 0.0)

    def exponential(price: float) -> float:
        return max(-h / math.log(2) * math.log(price * h / (top * math.log(2))), 0.0) if top > 0 else 0.0

    return hill if shape == "hill" else exponential


def regret(
    chosen: Mapping[str, float], *, truth: pd.DataFrame, most: Mapping[str, float] | None = None, shape: str = "hill"
) -> float | None:
    """What a split loses against the best one with the same money: 1 − added(chosen) / added(best), by the true curves.

    0: nothing is lost; 1: all. None where even the best split adds nothing.

    Parameters
    ----------
    chosen : mapping
        Channel → spend, currency units a period.
    truth : DataFrame
        The true curves: `channel`, `ceiling`, `half`, `carry`.
    most, shape
        As in `split_budget`; the best split obeys the same bounds.

    Returns
    -------
    float or None
        Share of the best split's added outcome, 0…1.

    References
    ----------
    boyd2004.

    Examples
    --------
    >>> two = pd.DataFrame({"channel": ["a", "b"], "ceiling": [100.0, 400], "half": [10.0, 10], "carry": [0.0, 0]})
    >>> round(regret({"a": 20.0, "b": 20.0}, truth=two), 4)
    0.0476
    """
    spend = {c: float(chosen[c]) for c in truth["channel"]}
    best = split_budget(truth, total=sum(spend.values()), most=most, shape=shape)
    top = best["added"].sum()
    if top <= 0:
        return None
    got = sum(float(steady_response(row, spend[row["channel"]], shape=shape)) for _, row in truth.iterrows())
    return max(1 - float(got / top), 0.0)
