"""Simulated logs whose waiting times are known, and how well the curve of `funnel.time_to_convert` finds them."""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers import survival
from helpers.engine import as_table
from helpers.intervals import add_rate


def simulated_log(
    *, users: int = 2_000, days: int = 9, cart_rate: float = 0.4, buy_rate: float = 0.5, mean_hours: float = 24,
    seed: int = 21,
) -> ir.Table:  # fmt: skip
    """Users with one item each, who view, then perhaps put it into the cart, then perhaps buy: with known chances.

    Each views at a moment spread evenly over the window. With chance `cart_rate` a cart follows, and after it with
    chance `buy_rate` a purchase, each after an exponential time with mean `mean_hours`. What lies after the window is
    not seen.

    Returns
    -------
    ibis Table
        A log with `user_id, item_id, category_id, behavior, timestamp, day, hour`; day 0 is 1970-01-01.
    """
    view, cart, buy, carted, bought = _simulated_times(users, days, cart_rate, buy_rate, mean_hours, seed)
    person = np.arange(users)
    parts = [(person, "pv", view), (person[carted], "cart", cart[carted]), (person[bought], "buy", buy[bought])]
    log = pd.concat([pd.DataFrame({"user_id": u, "behavior": b, "timestamp": t}) for u, b, t in parts])
    log = log[log.timestamp < days * 86_400].assign(item_id=lambda t: t.user_id, category_id=1)
    moment = pd.to_datetime(log.timestamp, unit="s")
    return as_table(log.assign(day=moment.dt.normalize(), hour=moment.dt.hour))


def _simulated_times(
    users: int, days: int, cart_rate: float, buy_rate: float, mean_hours: float, seed: int
) -> tuple[np.ndarray, ...]:
    """Seconds of view, cart and purchase, and who ever gets to cart and purchase."""
    rng = np.random.default_rng(seed)
    view = rng.integers(0, days * 86_400, users)
    cart = view + 1 + (rng.exponential(mean_hours * 3600, users)).astype(int)
    buy = cart + 1 + (rng.exponential(mean_hours * 3600, users)).astype(int)
    carted = rng.random(users) < cart_rate
    bought = carted & (rng.random(users) < buy_rate)
    return view, cart, buy, carted, bought


def curve_coverage(
    hours: list[float], *, runs: int = 200, users: int = 1_000, days: int = 9, seed: int = 21, level: float = 0.95
) -> pd.DataFrame:
    """How often the curve's interval covers the truth, and what the plain share says, over many simulated logs.

    Parameters
    ----------
    hours : list of float
        When to read the curve, below `days` · 24.
    runs : int
        Number of logs, 1 or more, made as by `simulated_log` with seeds `seed`, `seed` + 1, …
    users, days, level
        Size and length of each log; confidence of the intervals.

    Returns
    -------
    DataFrame
        `hours, truth_share, mean_share` (of the curve), `covered_rate` with its Wilson interval, and `plain_share`: the
        mean share of all users who have bought within so many hours as far as the log shows.
    """
    truth = np.array([simulated_truth(h) for h in hours])
    found, covered, plain = [], [], []
    for run in range(runs):
        view, _, buy, _, bought = _simulated_times(users, days, 0.4, 0.5, 24, seed + run)
        seen = bought & (buy < days * 86_400)
        time = np.where(seen, buy - view, days * 86_400 - 1 - view) / 3600
        log = pd.DataFrame({"time": time, "events": seen.astype(int), "censored": (~seen).astype(int)})
        row = survival.happened_by(survival.kaplan_meier(log, level=level), hours)
        found.append(row.share)
        covered.append((row.share_ci_low <= truth) & (truth <= row.share_ci_high))
        plain.append([(seen & (time <= h)).mean() for h in hours])
    table = pd.DataFrame({"hours": hours, "truth_share": truth, "mean_share": np.mean(found, axis=0)})
    table = table.assign(x=np.sum(covered, axis=0), n=runs, plain_share=np.mean(plain, axis=0))
    return add_rate(table, successes="x", trials="n", name="covered_rate").drop(columns=["x", "n"])


def simulated_truth(hours: float, *, cart_rate: float = 0.4, buy_rate: float = 0.5, mean_hours: float = 24) -> float:
    """The true share of `simulated_log`'s users who have bought within `hours` of their view, had all been followed.

    The two waiting times add up to a gamma distribution: cart_rate · buy_rate · (1 − (1 + x)·exp(−x)), x = hours /
    mean_hours; 0…1.

    >>> round(simulated_truth(24), 4), round(simulated_truth(10_000), 4)
    (0.0528, 0.2)
    """
    x = hours / mean_hours
    return cart_rate * buy_rate * float(1 - (1 + x) * np.exp(-x))
