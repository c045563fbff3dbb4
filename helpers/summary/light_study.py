"""How often is a light wrong? Shops drawn again and again whose true values are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import nbinom

from helpers.findings import missing
from helpers.intervals import wilson, z_value
from helpers.scores import ADDED
from helpers.summary.lights import colours, error_rates
from helpers.summary.periods import ScorecardError
from helpers.summary.uncertainty import ratio_interval, total_interval

ORDERS, SHAPE = 1.6, 0.9
"""Orders of a customer: gamma-Poisson with this mean and shape; few customers buy much."""
AMOUNT, SIGMA = 220.0, 1.0
"""Money of an order: log-normal with this mean and spread of logarithms."""
STUDY = ["indicator", "true_share_of_target", "shops", "green_share", "amber_share", "red_share"]
STUDY += ["red_share_ci_low", "red_share_ci_high"]


def light_study(
    *, shops: int = 300, customers: int = 500, worse: tuple[float, ...] = (1.0, 0.9, 0.8), level: float = 0.95,
    seed: int = 60,
) -> pd.DataFrame:  # fmt: skip
    """Lights of many simulated shops, with the true value exactly on the target and below it.

    A true value on the target must turn red in (1 − level)/2 of the shops at most. How often a worse one turns red is
    the power of the light.

    Parameters
    ----------
    shops : int
        Shops drawn, 20…20000.
    customers : int
        Customers a shop, 20…20000; about two thirds of them buy.
    worse : tuple of float
        True value as a share of the target, above 0; 1 is on the target.
    level : float
        Of the intervals, 0…1 exclusive.
    seed : int
        Start of the random numbers.

    Returns
    -------
    DataFrame
        One row an indicator and share: indicator, true_share_of_target, shops, green_share, amber_share, red_share with
        its Wilson interval.

    Raises
    ------
    ScorecardError
        A number out of its range.
    """
    if not (20 <= shops <= 20_000 and 20 <= customers <= 20_000 and all(w > 0 for w in worse)):
        raise ScorecardError(f"shops {shops!r}, customers {customers!r}, worse {worse!r}: see their ranges")
    rng = np.random.default_rng(seed)
    bounds = {**_shops(rng, shops, customers, level), **_surveys(rng, shops, customers, level)}
    rows = []
    for name, (low, high, truth) in bounds.items():
        for share in worse:
            # NPS lies around 0, so its truth is moved by points: 100 (share − 1)
            target = truth - 100 * (share - 1) if name == "nps" else truth / share
            rates = error_rates(colours(low, high, target, good="high"), level=level)
            rows.append({"indicator": name, "true_share_of_target": share, "shops": len(low), **rates})
    return pd.DataFrame(rows, columns=STUDY) if rows else missing(STUDY, "no share was given")


def _shops(rng: np.random.Generator, shops: int, customers: int, level: float) -> dict:
    """Low, high and truth of sales, orders, average order value and repeat rate of every shop."""
    orders = rng.poisson(rng.gamma(SHAPE, ORDERS / SHAPE, (shops, customers)))
    mu = np.log(AMOUNT) - SIGMA**2 / 2
    amounts = rng.lognormal(mu, SIGMA, int(orders.sum()))
    spent = np.bincount(np.repeat(np.arange(orders.size), orders.ravel()), amounts, orders.size).reshape(orders.shape)
    x, y, n = spent.sum(1), orders.sum(1), (orders > 0).sum(1)
    sums = pd.DataFrame({"n": n, "x": x, "y": y, "xx": (spent**2).sum(1), "xy": (spent * orders).sum(1),
                         "yy": (orders**2).sum(1), "largest": spent.max(1)})  # fmt: skip
    none, one = nbinom.pmf([0, 1], SHAPE, SHAPE / (SHAPE + ORDERS))
    repeat = wilson((orders >= 2).sum(1), n, level=level)
    return {
        "sales_amount": (*total_interval(x, sums.xx, spent.max(1), level=level), customers * ORDERS * AMOUNT),
        "orders": (*total_interval(y, sums.yy, orders.max(1), level=level), customers * ORDERS),
        "average_order_value": (*ratio_interval(sums, level=level)[1:], AMOUNT),
        "repeat_purchase_rate": (*repeat, (1 - none - one) / (1 - none)),
    }


def _surveys(rng: np.random.Generator, shops: int, customers: int, level: float) -> dict:
    """Low, high and truth of the NPS of every shop, from one answer of every second customer."""
    n = customers // 2
    counts = rng.multinomial(n, [0.30, 0.40, 0.30], shops)
    p, d = (counts[:, [0, 2]].T + ADDED / 4) / (n + ADDED)
    half = z_value(level) * np.sqrt((p + d - (p - d) ** 2) / (n + ADDED))
    return {"nps": (100 * (p - d - half), 100 * (p - d + half), 0.0)}
