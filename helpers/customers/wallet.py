"""Share of category on this platform, and share of wallet: what orders show, and what only a survey can tell.

Main reference: [keiningham2011].
"""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.customers.measures import inside, why
from helpers.customers.rfm import correlations_with_last, rank_correlation
from helpers.findings import Estimate, missing


class WalletError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


def category_shares(orders: ir.Table | None, *, window: tuple) -> pd.DataFrame:
    """What part of a customer's money here goes to each category.

    s = money of the customer in the category here ÷ money of the customer here, 0…1. It says what the customer buys
    *here*; it does not say what he buys elsewhere, so it is no share of wallet.

    Parameters
    ----------
    orders : Ibis table or None
        The order lines with `day`.
    window : (first, last)
        Whole days, both inclusive.

    Returns
    -------
    DataFrame
        One row a customer and category with money: user_id, category_id, spend, category_share; ordered by both ids.
        Lines with a net amount of zero or less bring nothing.
    """
    columns = ["user_id", "category_id", "spend", "category_share"]
    if orders is None:
        return missing(columns, "this study has no orders")
    lines = inside(orders, window=window)
    paid = lines.quantity * lines.unit_price
    paid = paid - lines.discount.fill_null(0.0) if "discount" in lines.columns else paid
    pairs = lines.mutate(paid=paid.cast("float64")).group_by("user_id", "category_id").agg(spend=lambda t: t.paid.sum())
    found = pairs.filter(pairs.spend > 0).execute().sort_values(["user_id", "category_id"], ignore_index=True)
    if found.empty:
        return missing(columns, "nobody paid anything in the window")
    return found.assign(category_share=found["spend"] / found.groupby("user_id")["spend"].transform("sum"))


def main_category(shares: pd.DataFrame) -> pd.DataFrame:
    """Each customer's largest category: one row a customer; of two equal ones the smaller id.

    Parameters
    ----------
    shares : DataFrame
        From `category_shares`.
    """
    ordered = shares.sort_values("spend", ascending=False, kind="stable") if len(shares) else shares
    return ordered.drop_duplicates("user_id").sort_values("user_id", ignore_index=True) if len(shares) else shares


def breadth(shares: pd.DataFrame, *, min_cell: int) -> pd.DataFrame:
    """Customers by the number of categories they buy here, with the mean share of the largest one.

    Returns
    -------
    DataFrame
        One row a number: categories ('1', '2', …, '6 or more'), customers, main_category_share, mean_spend. Rows of
        fewer than `min_cell` customers are left out.
    """
    columns = ["categories", "customers", "main_category_share", "mean_spend"]
    if shares.empty:
        return missing(columns, why(shares))
    users = shares.groupby("user_id").agg(n=("spend", "size"), main=("category_share", "max"), spend=("spend", "sum"))
    label = users["n"].astype(str).where(users["n"] < 6, "6 or more")
    found = users.groupby(label).agg(customers=("n", "size"), main_category_share=("main", "mean"),
                                     mean_spend=("spend", "mean"))  # fmt: skip
    found = found[found["customers"] >= min_cell].rename_axis("categories").reset_index()
    return found if len(found) else missing(columns, f"every group has fewer than {min_cell} customers")


def wallet_rule(rank: float, brands: int) -> float:
    """The wallet allocation rule: share of wallet from the rank that a customer gives a shop among those he uses.

    share = (1 − rank / (n + 1)) · 2 / n, between 0 and 1; the shares of ranks 1 … n add up to 1. It needs a survey:
    which shops do you use for this, and which do you like best?

    Parameters
    ----------
    rank : float
        1 = best liked; ties get the mean of their ranks, such as 1.5.
    brands : int
        Number n of shops the customer uses, 1 or more.

    Raises
    ------
    WalletError
        A number of shops under 1, or a rank outside 1…n.

    Examples
    --------
    >>> [round(wallet_rule(r, 3), 3) for r in (1, 2, 3)]
    [0.5, 0.333, 0.167]
    """
    if brands < 1 or brands != int(brands):
        raise WalletError(f"brands: {brands!r} is no number of shops; give 1 or more")
    if not 1 <= rank <= brands:
        raise WalletError(f"rank: {rank!r} is outside 1…{brands}; give the place among the {brands} shops")
    return (1 - rank / (brands + 1)) * 2 / brands


def wallet_rules(most: int = 5) -> pd.DataFrame:
    """The rule for 1 … `most` shops: one row a number of shops, one column a rank; blank where there is no such rank.

    >>> wallet_rules(2).round(3)
       shops  rank_1_share  rank_2_share
    0      1         1.000           NaN
    1      2         0.667         0.333
    """
    rows = [[n, *(wallet_rule(r, n) if r <= n else np.nan for r in range(1, most + 1))] for n in range(1, most + 1)]
    return pd.DataFrame(rows, columns=["shops", *(f"rank_{r}_share" for r in range(1, most + 1))])


def true_share(wallets: pd.DataFrame, *, boots: int = 500, level: float = 0.95, seed: int) -> Estimate:
    """The true share of wallet of the shop: Σ spent here ÷ Σ wallet, 0…1, with a bootstrap interval over customers.

    Parameters
    ----------
    wallets : DataFrame
        wallets.csv of the shop's truth: user_id, category_id, spent_here, wallet.
    """
    if wallets.empty:
        return Estimate.missing(why(wallets))
    users = wallets.groupby("user_id")[["spent_here", "wallet"]].sum().to_numpy()
    if users[:, 1].sum() <= 0:
        return Estimate.missing("all wallets are empty")
    draws = np.random.default_rng(seed).integers(0, len(users), (boots, len(users)))
    ratios = [s / w for s, w in (users[d].sum(axis=0) for d in draws) if w > 0]
    low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(float(users[:, 0].sum() / users[:, 1].sum()), float(low), float(high))


def with_wallets(shares: pd.DataFrame, wallets: pd.DataFrame) -> pd.DataFrame:
    """Each customer's main category here, and the true share of that wallet: user_id, category_share, wallet_share."""
    columns = ["user_id", "category_share", "wallet_share"]
    if wallets.empty or shares.empty:
        return missing(columns, why(wallets if wallets.empty else shares))
    both = main_category(shares).merge(wallets, on=["user_id", "category_id"])
    both = both[both["wallet"] > 0].assign(wallet_share=lambda t: t["spent_here"] / t["wallet"])
    return both[columns].reset_index(drop=True) if len(both) else missing(columns, "no customer is in both")


def link(both: pd.DataFrame, *, boots: int = 300, level: float = 0.95, seed: int) -> Estimate:
    """Rank correlation of the share of category here and the true share of wallet, with a bootstrap interval.

    Near 0: whoever buys only tea here may buy all his tea here, or a tenth of it.
    """
    if len(both) < 3:
        return Estimate.missing(why(both) if both.empty else "too few customers")
    value = rank_correlation(both["category_share"], both["wallet_share"])
    if value is None:
        return Estimate.missing("one of the shares is the same for all")
    ranks = both[["category_share", "wallet_share"]].rank().to_numpy()
    draws = np.random.default_rng(seed).integers(0, len(both), (boots, len(both)))
    tried = [correlations_with_last(ranks[d])[0] for d in draws]
    return Estimate(value, *(float(q) for q in np.nanquantile(tried, [(1 - level) / 2, (1 + level) / 2])))
