"""The price of a bundle as an experiment: shown at the full price, and at lower ones, to people drawn by chance.

Two things are told apart: what the *message* adds (both goods shown together, full price) and what the *price* adds.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers.campaigns.comparison import newcombe_difference, welch
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.price_response import bundle_break_even
from helpers.campaigns.profit import VERDICTS
from helpers.findings import missing

NO_OFFER, FULL_PRICE = "no offer", "full price"
CUTS = (0.0, 0.10, 0.25)
MARGIN_RATE = 0.35


def bundle_prices(
    users: pd.DataFrame,
    *,
    controls: Iterable[str] = (NO_OFFER, FULL_PRICE),
    truth: pd.DataFrame | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """What each price of a bundle won and earned, against no offer and against the bundle at its full price.

    profit = mean of takes·(margin − discount) in the arm, less the same in the control, for each buyer of the first
    good; Welch's interval. won = share that takes the second good, less that of the control; Newcombe's interval. All
    intervals of a kind hold together (Bonferroni).

    Parameters
    ----------
    users : DataFrame
        One row a buyer of the first good: `arm`, `takes` (the second good, 0/1), `margin` (of the second good at its
        list price, a piece) and `discount` (a piece, where it is taken), currency units.
    controls : iterable of str
        Arms that the others are compared with; each with all arms behind it in the order of the discounts.
    truth : DataFrame, optional
        `against`, `arm`, `profit`.
    level : float
        How often all intervals of a kind together cover, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a comparison: `against`, `arm`, `users`, `won_share` with its interval, `needed_share` (break-even of
        `bundle_break_even`; missing where no share pays), `profit` (currency units a buyer) with `ci_low`, `ci_high`,
        `truth`, `offer` ('ship', 'stop', 'cannot tell'). Empty, with its reason, where there is nothing to compare.

    Raises
    ------
    ExperimentError
        A column is absent, or a discount is negative or missing.

    References
    ----------
    Adams & Yellen (1976): adams1976.

    Examples
    --------
    Of ten 2 take both anyway; at the full price 3, at 5 off 6:

    >>> takes = [1] * 2 + [0] * 8 + [1] * 3 + [0] * 7 + [1] * 6 + [0] * 4
    >>> users = pd.DataFrame({"arm": ["no offer"] * 10 + ["full price"] * 10 + ["5 off"] * 10, "takes": takes,
    ...                       "margin": 15.0, "discount": [0.0] * 20 + [5.0] * 10})
    >>> bundle_prices(users).round(3)[["against", "arm", "won_share", "needed_share", "profit"]]
          against         arm  won_share  needed_share  profit
    0    no offer  full price        0.1          0.00     1.5
    1    no offer       5 off        0.4          0.10     3.0
    2  full price       5 off        0.3          0.15     1.5
    """
    names = ["against", "arm", "users", "won_share", "won_share_ci_low", "won_share_ci_high", "needed_share"]
    names += ["profit", "ci_low", "ci_high", "truth", "offer"]
    if users.empty:
        return missing(names, users.attrs.get("reason", "nobody was offered a bundle"))
    if absent := [c for c in ("arm", "takes", "margin", "discount") if c not in users]:
        raise ExperimentError(f"users has no column {', '.join(absent)}; see bundle_prices for what they mean")
    if not (users["discount"] >= 0).all():
        raise ExperimentError("discount: it holds a negative or missing value; write 0 where nothing is taken off")
    cut = users.groupby("arm")["discount"].mean().sort_values(kind="stable")
    pairs = [(c, cut.index[(cut.index != c) & ((cut > cut[c]) | (c == NO_OFFER))]) for c in controls if c in cut]
    count = sum(len(arms) for _, arms in pairs)
    parts = [_against(users, c, list(arms), 1 - (1 - level) / count) for c, arms in pairs if len(arms)]
    if not any(len(p) for p in parts):
        return missing(names, f"no arm can be compared with {' or '.join(controls)}")
    table = pd.concat(parts, ignore_index=True)
    known = pd.DataFrame(columns=["against", "arm", "profit"]) if truth is None or truth.empty else truth
    keys = {"against": object, "arm": object}
    known = known.rename(columns={"profit": "truth"})[["against", "arm", "truth"]].astype(keys)
    table = table.astype(keys).merge(known, on=["against", "arm"], how="left")
    ship, stop, unclear = VERDICTS
    table["offer"] = np.select([table["ci_low"] > 0, table["ci_high"] < 0], [ship, stop], unclear)
    return table[names]


def _against(users: pd.DataFrame, control: str, arms: list[str], level: float) -> pd.DataFrame:
    """The arms against one control."""
    own = users[users["arm"].isin([control, *arms])]
    own = own.assign(profit=own["takes"] * (own["margin"] - own["discount"]))
    how = {"control": control, "level": level}
    earned, won = welch(own, outcome="profit", **how), newcombe_difference(own, outcome="takes", **how)
    if earned.empty or won.empty:
        return missing(["arm"], earned.attrs.get("reason", "nothing can be compared"))
    share = {c: f"won_share{e}" for c, e in (("difference", ""), ("ci_low", "_ci_low"), ("ci_high", "_ci_high"))}
    won = won[["arm", *share]].rename(columns=share)
    earned = earned.rename(columns={"difference": "profit"})[["arm", "users", "profit", "ci_low", "ci_high"]]
    earned = earned.set_index("arm").loc[arms].reset_index()
    return earned.merge(won, on="arm").assign(against=control, needed_share=lambda t: _needed(own, control, t["arm"]))


def _needed(users: pd.DataFrame, control: str, arms: pd.Series) -> list[float | None]:
    """The share that each arm must newly win, with the control's pairs as those who take both anyway."""
    means = users.groupby("arm")[["takes", "margin", "discount"]].mean()
    base = means.loc[control]
    return [
        bundle_break_even(
            both_share=base["takes"], second_margin=means.loc[a, "margin"] - base["discount"],
            discount=max(means.loc[a, "discount"] - base["discount"], 0.0),
        )
        for a in arms
    ]  # fmt: skip


def simulate_bundle_prices(*, people: int = 8_000, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Buyers of a first good, drawn into four arms: no offer, and the bundle at full price, 10 % and 25 % off.

    takes ~ Bernoulli(both + (1 − both)·(shown + slope·cut)), both 0.1…0.3, shown 0.02…0.08, slope 0.1…0.7; the second
    good costs about 60 and has a margin of 35 % of its list price.

    Parameters
    ----------
    people : int
        Buyers of the first good, 8…10,000,000.
    seed : int
        Of all random draws.

    Returns
    -------
    (DataFrame, DataFrame)
        One row a buyer, as `bundle_prices` takes it. One row a comparison: `against`, `arm`, `profit`: the truth.

    Raises
    ------
    ExperimentError
        people is out of range.

    Examples
    --------
    >>> users, truth = simulate_bundle_prices(people=400, seed=1)
    >>> users.arm.unique().tolist(), len(truth)
    (['no offer', 'full price', '10 % off', '25 % off'], 5)
    """
    if not 8 <= people <= 10_000_000:
        raise ExperimentError(f"people {people!r}: take 8 to 10,000,000 buyers")
    rng = np.random.default_rng(seed)
    both, shown, slope = rng.uniform(0.1, 0.3), rng.uniform(0.02, 0.08), rng.uniform(0.1, 0.7)
    names = np.array([NO_OFFER, FULL_PRICE, *(f"{c:.0%} off".replace("%", " %") for c in CUTS[1:])], object)
    cut = np.array([0.0, *CUTS])
    chance = both + (1 - both) * np.array([0.0, *(shown + slope * c for c in CUTS)])
    price, spread = 60.0, 0.3
    arm = np.sort(rng.permutation(people) % len(names))
    paid = price * np.exp(rng.normal(-(spread**2) / 2, spread, people))
    takes = (rng.random(people) < chance[arm]).astype(int)
    users = pd.DataFrame({"arm": names[arm], "takes": takes, "margin": MARGIN_RATE * paid, "discount": cut[arm] * paid})
    worth = price * chance * (MARGIN_RATE - cut)
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    rows = [(names[a], names[b], worth[b] - worth[a]) for a, b in pairs]
    return users, pd.DataFrame(rows, columns=["against", "arm", "profit"])
