"""Value tiers: how concentrated sales are (ABC), key, middle and low customers (CVA), and who changes tier.

Main references: [pareto1896], [zeithaml2001]. The scores are in `helpers.customers.rfm`, shares of purse in `wallet`.
"""

from __future__ import annotations

from datetime import timedelta

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.customers.measures import why
from helpers.customers.rfm import correlations_with_last, rfm_table
from helpers.findings import Estimate, missing
from helpers.intervals import wilson
from helpers.privacy import HIDDEN, suppress

TIERS = ("key", "middle", "low")
NONE = "no order"
CELLS = 2_000
"""Above so many customers the bootstrap draws groups of equally placed ones: the same up to rounding, and fast."""


class TierError(ValueError):
    """An argument of this module is wrong; the message names it, its value and the cure."""


# ── concentration ───────────────────────────────────────────────────────────────────────────────────────────────────


def _worth(values: pd.Series) -> np.ndarray:
    """Money as these methods count it: who got back more than was paid brings nothing."""
    return np.maximum(values.to_numpy(dtype=float), 0.0)


def pareto(values: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """The concentration curve: what the best part of the customers brings.

    L(p) = money of the best ⌈p n⌉ customers ÷ money of all, from 0 to 1; the diagonal would be equal customers.

    Parameters
    ----------
    values : Series
        Money, one number a customer; negative balances count as 0.
    min_cell : int
        The curve has no point that speaks of fewer customers.

    Returns
    -------
    DataFrame
        One row a point, rising: customer_share, sales_share, customers (0…1, 0…1, number); at most 101 rows.
    """
    columns = ["customer_share", "sales_share", "customers"]
    worth = np.sort(_worth(values))[::-1]
    if not worth.sum() > 0:
        return missing(columns, values.attrs.get("reason", "nobody paid anything"))
    if len(worth) < min_cell:
        return missing(columns, f"fewer than {min_cell} customers")
    steps = np.unique(np.ceil(np.linspace(0, 1, 101) * len(worth)).astype(int))
    steps = steps[(steps == 0) | (steps >= min_cell)]
    so_far = np.append(0.0, np.cumsum(worth))
    table = {"customer_share": steps / len(worth), "sales_share": so_far[steps] / so_far[-1], "customers": steps}
    return pd.DataFrame(table)


def top_share(
    values: pd.Series, *, top: float = 0.2, boots: int = 1_000, level: float = 0.95, seed: int, min_cell: int = 1
) -> Estimate:
    """The share of all money that the best `top` of the customers bring: computed, not assumed to be 80 %.

    The interval is a percentile bootstrap over customers. Where a few customers bring very much it is too narrow,
    because the next such customer is not in the sample: over 400 simulated shops of 500 customers a 95 % interval
    covered the true share in 92 % (exponential money) and 90 to 91 % (log-normal, s = 1.5 and 1.1).

    Parameters
    ----------
    values : Series
        Money, one number a customer; negative balances count as 0.
    top : float
        Part of the customers, 0…1; a fraction of a customer counts as that fraction of his money.
    boots : int
        Bootstrap samples.
    level : float
        Level of the interval.
    seed : int
        Seed of the draws.
    min_cell : int
        Fewer customers give no number.

    Returns
    -------
    Estimate
        0…1, at least `top`; missing where nobody paid or there are too few customers.

    Raises
    ------
    TierError
        `top` outside 0…1.

    Examples
    --------
    >>> top_share(pd.Series([50, 20, 15, 10, 5]), seed=1).value
    0.5
    """
    if not 0 < top < 1:
        raise TierError(f"top: {top!r} is no part of the customers; give a number between 0 and 1, such as 0.2")
    worth = np.sort(_worth(values))[::-1]
    if not worth.sum() > 0:
        return Estimate.missing(values.attrs.get("reason", "nobody paid anything"))
    if len(worth) < min_cell:
        return Estimate.missing(f"there are fewer than {min_cell} customers")
    groups = np.array_split(worth, min(CELLS, len(worth)))
    size, mean = np.array([len(g) for g in groups]), np.array([g.mean() for g in groups])
    draws = np.random.default_rng(seed).multinomial(len(worth), size / len(worth), size=boots)
    found = [_share(draw, mean, top) for draw in draws]
    low, high = np.nanquantile(found, [(1 - level) / 2, (1 + level) / 2]) if boots else (None, None)
    return Estimate(float(_share(size, mean, top)), *(None if v is None else float(v) for v in (low, high)))


def _share(count: np.ndarray, mean: np.ndarray, top: float) -> float:
    """Money of the first `top` of `count.sum()` customers, best first, as a share."""
    people, money = np.append(0, np.cumsum(count)), np.append(0.0, np.cumsum(count * mean))
    return float(np.interp(top * people[-1], people, money) / money[-1]) if money[-1] > 0 else np.nan


def abc(values: pd.Series, *, a: float = 0.8, b: float = 0.95) -> pd.Series:
    """ABC classes: A bring the first 80 % of the money, B the next 15 %, C the rest.

    A customer is in A when those who bring more than he does bring less than `a` of the money; so equal customers are
    in the same class, and the class ends with the customer who passes the border. Who brings nothing is in C.

    Parameters
    ----------
    values : Series
        Money, one number a customer; negative balances count as 0.
    a, b : float
        Borders as shares of the money, 0 < a < b ≤ 1.

    Returns
    -------
    Series
        'A', 'B' or 'C' under the index of `values`.

    Examples
    --------
    >>> abc(pd.Series([50, 20, 15, 10, 5, 0])).tolist()
    ['A', 'A', 'A', 'B', 'C', 'C']
    """
    if not 0 < a < b <= 1:
        raise TierError(f"a, b: {a!r}, {b!r} are no borders; give shares of the money with 0 < a < b <= 1")
    worth = _worth(values)
    before = _money_above(worth)
    grades = np.where(worth <= 0, "C", np.where(before < a, "A", np.where(before < b, "B", "C")))
    return pd.Series(grades.astype(object), index=values.index, name="abc", dtype=object)


def _money_above(worth: np.ndarray) -> np.ndarray:
    """For every customer the share of the money that richer customers bring."""
    levels, place = np.unique(-worth, return_inverse=True)
    money = np.bincount(place, worth, len(levels))
    return np.append(0.0, np.cumsum(money))[place] / max(money.sum(), 1e-300)


def _people_above(index: np.ndarray) -> np.ndarray:
    """For every customer the share of the customers whose index is higher."""
    levels, place = np.unique(-index, return_inverse=True)
    people = np.bincount(place, minlength=len(levels))
    return np.append(0, np.cumsum(people))[place] / max(len(index), 1)


def cva(table: pd.DataFrame, *, key: float = 0.2, middle: float = 0.3) -> pd.Series:
    """Customer value tiers from amount and number of bills: key, middle, low.

    vᵢ = ½ (amountᵢ / Σ amount + billsᵢ / Σ bills): the part of the shop that hangs on customer i; Σ v = 1. Key are the
    best 20 % of the customers by v, middle the next 30 %, low the others. Equal customers are in the same tier: it is
    the better one where the border runs through them.

    Parameters
    ----------
    table : DataFrame
        One row a customer: monetary (negative counts as 0), frequency (bills, ≥ 0).
    key, middle : float
        Parts of the customers, each > 0, together < 1.

    Returns
    -------
    Series
        'key', 'middle' or 'low' under the index of `table`.

    Examples
    --------
    >>> cva(pd.DataFrame({"monetary": [90, 5, 5, 0, 0], "frequency": [6, 3, 1, 0, 0]})).tolist()
    ['key', 'middle', 'middle', 'low', 'low']
    """
    if not (key > 0 and middle > 0 and key + middle < 1):
        raise TierError(f"key, middle: {key!r}, {middle!r} leave no low tier; give parts such as 0.2 and 0.3")
    value = value_index(table)
    above = np.round(_people_above(value), 12)
    grades = np.where(above < key, TIERS[0], np.where(above < key + middle, TIERS[1], TIERS[2]))
    grades = np.where(value <= 0, TIERS[2], grades)
    return pd.Series(grades.astype(object), index=table.index, name="tier", dtype=object)


def value_index(table: pd.DataFrame) -> np.ndarray:
    """vᵢ of `cva`: the mean of a customer's share of the money and of the bills, 0…1, rounded to 12 digits."""
    if table.empty:
        return np.zeros(0)
    parts = [_worth(table["monetary"]), _worth(table["frequency"])]
    shares = [p / p.sum() if p.sum() > 0 else np.zeros(len(p)) for p in parts]
    return np.round(sum(shares) / 2, 12)


def tier_sizes(table: pd.DataFrame, tiers: pd.Series, *, min_cell: int) -> pd.DataFrame:
    """What each class or tier brings: customers, money and bills, best first.

    Parameters
    ----------
    table : DataFrame
        From `rfm_table`.
    tiers : Series
        From `abc` or `cva`.
    min_cell : int
        Smaller groups are hidden, with the next smallest where subtraction would bring them back.

    Returns
    -------
    DataFrame
        tier, customers, customer_share, sales_share, order_share, mean_monetary, mean_frequency.
    """
    columns = ["tier", "customers", "customer_share", "sales_share", "order_share", "mean_monetary", "mean_frequency"]
    if table.empty:
        return missing(columns, why(table))
    worth = pd.DataFrame({"money": _worth(table["monetary"]), "bills": _worth(table["frequency"])}, index=table.index)
    groups = worth.groupby(tiers)
    sums, count = groups.sum(), groups.size()
    shares = (sums / sums.sum().where(lambda s: s > 0)).astype(float)
    found = pd.DataFrame({
        "customers": count, "customer_share": count / len(table), "sales_share": shares["money"],
        "order_share": shares["bills"], "mean_monetary": sums["money"] / count, "mean_frequency": sums["bills"] / count,
    })  # fmt: skip
    order = [t for t in (*TIERS, "A", "B", "C") if t in found.index]
    found = found.loc[order].rename_axis("tier").reset_index()
    return suppress(found, count="customers", min_cell=min_cell, values=columns[2:]).drop(columns=HIDDEN)


def compare_tiers(table: pd.DataFrame, schemes: dict[str, pd.Series], *, min_cell: int) -> pd.DataFrame:
    """`tier_sizes` of several schemes, one below the other, with the scheme's name in the first column."""
    parts = {name: tier_sizes(table, tiers, min_cell=min_cell) for name, tiers in schemes.items()}
    if table.empty:
        return missing(["scheme", *next(iter(parts.values())).columns], why(table))
    return pd.concat(parts, names=["scheme"]).reset_index("scheme").reset_index(drop=True)


# ── two periods ─────────────────────────────────────────────────────────────────────────────────────────────────────


def two_periods(window: tuple) -> tuple[tuple, tuple]:
    """The window cut into two halves of whole days; the earlier gives up the odd day.

    >>> first, second = two_periods((pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03")))
    >>> str(first[0].date()), str(first[1].date()), str(second[0].date()), str(second[1].date())
    ('2017-11-26', '2017-11-29', '2017-11-30', '2017-12-03')
    """
    start, end = (pd.Timestamp(day) for day in window)
    half = ((end - start).days + 1) // 2
    if half == 0:
        return (start, start - timedelta(days=1)), (start, end)
    return (end - timedelta(days=2 * half - 1), end - timedelta(days=half)), (end - timedelta(days=half - 1), end)


def tiers_of_periods(orders: ir.Table | None, *, window: tuple, key: float = 0.2, middle: float = 0.3) -> pd.DataFrame:
    """Tier and money of every customer in both halves of the window.

    Returns
    -------
    DataFrame
        One row a customer with an order in either half, indexed by user_id: tier_before, tier_after ('no order' where
        there is none), money_before, money_after. Each half has its own borders.
    """
    columns = ["tier_before", "tier_after", "money_before", "money_after"]
    if orders is None:
        return missing(columns, "this study has no orders, so there are no tiers of money")
    halves = [rfm_table(orders, window=w) for w in two_periods(window)]
    if any(h.empty for h in halves):
        return missing(columns, "one half of the window has no order")
    tiers = [cva(h, key=key, middle=middle) for h in halves]
    money = [pd.Series(_worth(h["monetary"]), index=h.index) for h in halves]
    found = pd.concat([*tiers, *money], axis=1, keys=columns).sort_index()
    return found.fillna({"tier_before": NONE, "tier_after": NONE, "money_before": 0.0, "money_after": 0.0})


def migration(periods: pd.DataFrame, *, min_cell: int, level: float = 0.95) -> pd.DataFrame:
    """Where the customers of each tier are in the second half.

    Parameters
    ----------
    periods : DataFrame
        From `tiers_of_periods`.
    min_cell : int
        Cells with fewer customers are hidden, with others of their row or column where subtraction would bring them
        back.
    level : float
        Level of each Wilson interval. A row is one multinomial draw: its intervals hold one at a time, not all at once.

    Returns
    -------
    DataFrame
        One row a pair: tier_before (key, middle, low), tier_after (and 'no order'), customers, share (of the tier
        before) with share_ci_low and share_ci_high.
    """
    columns = ["tier_before", "tier_after", "customers", "share", "share_ci_low", "share_ci_high"]
    known = periods[periods["tier_before"] != NONE] if len(periods) else periods
    if known.empty:
        return missing(columns, why(periods))
    counts = pd.crosstab(known["tier_before"], known["tier_after"])
    counts = counts.reindex(index=[t for t in TIERS if t in counts.index], columns=[*TIERS, NONE], fill_value=0)
    found = counts.rename_axis(columns="tier_after").stack().rename("customers").reset_index()
    total = found.groupby("tier_before")["customers"].transform("sum")
    low, high = wilson(found["customers"].to_numpy(), total.to_numpy(), level=level)
    found = found.assign(share=found["customers"] / total, share_ci_low=low, share_ci_high=high)
    lines = ["tier_before", "tier_after"]
    return suppress(found, count="customers", min_cell=min_cell, by=lines, values=columns[3:]).drop(columns=HIDDEN)


def matrix(moves: pd.DataFrame) -> pd.DataFrame:
    """The shares of `migration` as a wide table: tier before down, tier after across; hidden cells are blank."""
    if moves.empty:
        return missing(["key"], why(moves))
    wide = moves.pivot(index="tier_before", columns="tier_after", values="share").astype(float)
    return wide.reindex(index=[t for t in TIERS if t in wide.index], columns=[*TIERS, NONE])


def stayed(moves: pd.DataFrame, *, tier: str = "key") -> Estimate:
    """The share of a tier that is in it again in the second half, with its interval."""
    cell = moves[(moves["tier_before"] == tier) & (moves["tier_after"] == tier)] if len(moves) else moves
    if cell.empty or cell["share"].isna().all():
        return Estimate.missing(why(moves) if moves.empty else "too few customers to show")
    return Estimate(*(float(cell[c].iloc[0]) for c in ("share", "share_ci_low", "share_ci_high")))


def regression_to_the_mean(periods: pd.DataFrame, *, truth: pd.DataFrame | None = None, min_cell: int) -> pd.DataFrame:
    """Mean money of each tier in the half that chose it and in the other half, forwards and backwards in time.

    If the key customers only lost interest, those of the second half would have had more money in the first. Where the
    mean falls both ways, being chosen is a cause: luck does not repeat.

    Parameters
    ----------
    periods : DataFrame
        From `tiers_of_periods`.
    truth : DataFrame, optional
        users.csv of a simulated shop's truth: adds the customers who have not left, forwards. Nobody's rate changes
        there, so what they lose is luck (and season).
    min_cell : int
        Tiers of fewer customers are hidden.

    Returns
    -------
    DataFrame
        One row a direction ('forwards', 'backwards', 'forwards, not left') and tier: direction, tier, customers,
        mean_when_chosen, mean_other_half (money a customer, who did not order counts as 0), kept_share (their ratio).
    """
    columns = ["direction", "tier", "customers", "mean_when_chosen", "mean_other_half", "kept_share"]
    if periods.empty:
        return missing(columns, why(periods))
    ways = [("forwards", periods, "before", "after"), ("backwards", periods, "after", "before")]
    if truth is not None and not truth.empty:
        stay = truth.loc[pd.to_numeric(truth["left_at"]).isna(), "user_id"]
        ways.append(("forwards, not left", periods[periods.index.isin(stay)], "before", "after"))
    table = pd.concat([_kept(*way) for way in ways], ignore_index=True)
    table["kept_share"] = table["mean_other_half"] / table["mean_when_chosen"].where(table["mean_when_chosen"] > 0)
    hidden = suppress(table, count="customers", min_cell=min_cell, by="direction", values=columns[3:])
    return hidden[columns]


def _kept(direction: str, periods: pd.DataFrame, chosen: str, other: str) -> pd.DataFrame:
    groups = periods.groupby(f"tier_{chosen}")
    found = (
        groups[[f"money_{chosen}", f"money_{other}"]].mean().set_axis(["mean_when_chosen", "mean_other_half"], axis=1)
    )
    found.insert(0, "customers", groups.size())
    found = found.reindex([t for t in TIERS if t in found.index]).rename_axis("tier").reset_index()
    return found.assign(direction=direction)


# ── truth ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def true_value(truth: pd.DataFrame, *, end: int) -> pd.Series:
    """Orders a week that a simulated customer will still place: the own rate, and 0 for those who have left.

    Parameters
    ----------
    truth : DataFrame
        users.csv of the shop's truth: user_id, orders_per_week, left_at (epoch seconds, missing: stays).
    end : int
        Last second of the window.
    """
    if truth.empty:
        empty = pd.Series(dtype="float64", name="true_value")
        empty.attrs["reason"] = why(truth)
        return empty
    left = pd.to_numeric(truth["left_at"]).le(end).to_numpy()
    value = np.where(left, 0.0, truth["orders_per_week"].to_numpy(dtype=float))
    return pd.Series(value, index=truth["user_id"].to_numpy(), name="true_value")


def grade(
    scored: dict[str, pd.Series], true: pd.Series, *, boots: int = 200, level: float = 0.95, seed: int
) -> pd.DataFrame:
    """How well each score ranks the customers by their true value: Spearman's rank correlation.

    Parameters
    ----------
    scored : dict of str to Series
        Name → one number a customer, high is good.
    true : Series
        From `true_value`.
    boots, level, seed : int, float, int
        Percentile bootstrap over customers and their ranks; the same samples for every score.

    Returns
    -------
    DataFrame
        score, customers, rank_correlation (−1…1) with rank_correlation_ci_low and _ci_high; best first.
    """
    columns = ["score", "customers", "rank_correlation", "rank_correlation_ci_low", "rank_correlation_ci_high"]
    if true.empty:
        return missing(columns, true.attrs.get("reason", "the truth is not known"))
    both = pd.concat([s.astype(float).rename(n) for n, s in scored.items() if len(s)] + [true.rename("_true")], axis=1)
    both = both.dropna()
    names = [n for n in both.columns if n != "_true" and both[n].nunique() > 1]
    if len(both) < 3 or not names or both["_true"].nunique() < 2:
        return missing(columns, "too few customers to rank")
    ranks = both[[*names, "_true"]].rank().to_numpy()
    draws = np.random.default_rng(seed).integers(0, len(both), (boots, len(both)))
    tried = np.array([correlations_with_last(ranks[d]) for d in draws])
    # a sample in which all are equal has no correlation
    low, high = np.nanquantile(tried, [(1 - level) / 2, (1 + level) / 2], axis=0)
    table = zip(names, [len(both)] * len(names), correlations_with_last(ranks), low, high, strict=True)
    return pd.DataFrame(list(table), columns=columns).sort_values(columns[2], ascending=False, ignore_index=True)


def best(graded: pd.DataFrame) -> tuple[str, Estimate]:
    """The score that ranks best by the truth, with its rank correlation.

    Parameters
    ----------
    graded : DataFrame
        From `grade`.
    """
    if graded.empty:
        return "no score", Estimate.missing(why(graded))
    row = graded.iloc[0]
    return row["score"], Estimate(*(float(row[f"rank_correlation{end}"]) for end in ("", "_ci_low", "_ci_high")))


def silence(periods: pd.DataFrame, truth: pd.DataFrame, *, window: tuple, end: int, min_cell: int) -> pd.DataFrame:
    """Who had no order in the second half: how many of them had really left?

    Parameters
    ----------
    periods : DataFrame
        From `tiers_of_periods`.
    truth : DataFrame
        users.csv of the shop's truth, with left_at.
    window : (first, last)
        The window whose second half is meant.
    end : int
        Its last second; days are 86,400 seconds, as in the shop's zone.
    min_cell : int
        Groups with fewer customers are left out.

    Returns
    -------
    DataFrame
        One row a tier of the first half: tier_before, silent (customers without an order in the second half),
        gone_before_share (of the silent, had left before the second half), gone_within_share (left during it),
        still_here_share (have not left), and gone_before_share_ci_low / _ci_high (Wilson).
    """
    columns = ["tier_before", "silent", "gone_before_share", "gone_before_share_ci_low", "gone_before_share_ci_high"]
    columns += ["gone_within_share", "still_here_share"]
    if truth.empty or periods.empty:
        return missing(columns, why(truth if truth.empty else periods))
    first, last = two_periods(window)[1]
    start = end + 1 - 86_400 * ((last - first).days + 1)
    left = pd.to_numeric(truth.set_index("user_id")["left_at"])
    quiet = periods[(periods["tier_after"] == NONE) & (periods["tier_before"] != NONE)]
    at = left.reindex(quiet.index)
    state = pd.DataFrame({"silent": 1, "before": at < start, "within": (at >= start) & (at <= end)}, index=quiet.index)
    found = state.groupby(quiet["tier_before"]).sum()
    found = found.loc[[t for t in TIERS if t in found.index]]
    found = found[found["silent"] >= min_cell]
    if found.empty:
        return missing(columns, "too few customers were silent")
    low, high = wilson(found["before"].to_numpy(), found["silent"].to_numpy())
    before, within = found["before"] / found["silent"], found["within"] / found["silent"]
    result = found[["silent"]].assign(
        gone_before_share=before, gone_before_share_ci_low=low, gone_before_share_ci_high=high,
        gone_within_share=within, still_here_share=1 - before - within,
    )  # fmt: skip
    return result.reset_index()
