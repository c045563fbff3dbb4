"""Which product lines complaints hit, without naming a line in which only a few customers complained.

Small lines are counted together, and cells that could be found by subtraction are hidden with them. Whether the lines
differ at all is tested over every line, also those that are not named.
"""

from __future__ import annotations

from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import beta, binomtest

from helpers.findings import missing
from helpers.privacy import HIDDEN, suppress
from helpers.products.complaints import shown_topics
from helpers.products.feedback import FeedbackError

KINDS = ("category", "brand", "price band")
"""What a product line may be."""
OTHERS = "all other lines"
UNKNOWN = "line not known"
LINES = ["line", "topic", "customers", "complaints", "rate_ratio", "ci_low", "ci_high", "p_value", "p_adjusted"]
DIFFER = ["topic", "complaints", "lines", "spread", "p_value", "p_adjusted"]
BANDS = 5


def item_lines(items: ir.Table | None, orders: ir.Table | None, *, by: str = "category") -> pd.Series:
    """item_id → its product line: the raw category_id, the brand, or one of five price bands of equally many items.

    From the catalogue; without one from the order lines (price: the mean paid). Empty where neither tells it.
    """
    if by not in KINDS:
        raise FeedbackError(f"line {by!r}: take one of {', '.join(KINDS)}")
    source = items if items is not None else orders
    column = {"category": "category_id", "brand": "brand"}.get(by, "price" if items is not None else "unit_price")
    if source is None or column not in source.columns:
        return pd.Series(dtype="object")
    told = source[column].mean() if by == "price band" else source[column].min()
    table = source.group_by("item_id").agg(line=told).order_by("item_id").execute().dropna(subset=["line"])
    lines = table.set_index("item_id")["line"]
    return _price_bands(lines) if by == "price band" else lines.astype("object")


def named(line_of: pd.Series, study: object, *, by: str) -> pd.Series:
    """The lines with the study's names for people in place of raw ids of categories."""
    if by != "category" or line_of.empty:
        return line_of
    ids = pd.Series(line_of.unique(), dtype="object")
    return line_of.map(dict(zip(ids, study.category_labels(ids), strict=True)))


def _price_bands(price: pd.Series) -> pd.Series:
    """Five bands of equally many items, with borders of two digits."""
    ends = [float(f"{v:.2g}") for v in price.quantile(np.arange(1, BANDS) / BANDS)] if len(price) else []
    ends = sorted(set(ends))
    if not ends:
        return price.astype("object")
    names = [f"below {ends[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(ends))]
    names = np.array([*names, f"{ends[-1]:g} and more"], dtype=object)
    return pd.Series(names[np.searchsorted(ends, price, side="right")], index=price.index)


def exposure(table: pd.DataFrame, line_of: pd.Series, *, orders: ir.Table | None, per: str) -> pd.Series:
    """What complaints of a line are counted against: line → answers about it, or order lines of it; only above 0."""
    if per not in ("answers", "order lines"):
        raise FeedbackError(f"per {per!r}: take 'answers' or 'order lines'")
    if per == "answers":
        return _by_name(_line(table, line_of).value_counts().drop(UNKNOWN, errors="ignore"))
    if orders is None or line_of.empty:
        return pd.Series(dtype="float64")
    sold = orders.group_by("item_id").agg(n=ibis._.count()).execute().set_index("item_id")["n"]
    return _by_name(sold.groupby(line_of.reindex(sold.index), sort=False).sum())


def _by_name(counts: pd.Series) -> pd.Series:
    """Ordered by name; names of several kinds (numbers, texts) as texts."""
    return counts.sort_index(key=lambda names: names.map(str))


def _line(table: pd.DataFrame, line_of: pd.Series) -> pd.Series:
    """The line of every answer; UNKNOWN where it names no product, or one of no known line."""
    line = table["item_id"].map(line_of) if len(line_of) else pd.Series(None, index=table.index)
    return line.astype("object").where(line.notna(), UNKNOWN)


def differ(
    found: pd.DataFrame, line_of: pd.Series, against: pd.Series, *, min_cell: int, draws: int = 2_000, seed: int
) -> pd.DataFrame:
    """Are the lines hit unequally at all? One test over all lines, small ones too: for all complaints and by topic.

    χ² = Σ (x − e)² / e, with e the complaints that a line's share of the exposure lets expect; its p-value by drawing
    the complaints again with these shares, (1 + #{χ² drawn ≥ χ²}) / (draws + 1). The p-values by topic are corrected by
    Bonferroni. spread: standard deviation between the lines of their true rate, in parts of the mean rate, by the
    method of moments; 0: no more than chance between them.

    Parameters
    ----------
    found, line_of, against
        As in `lines`.
    min_cell : int
        Topics of fewer complaining customers are left out.
    draws, seed : int
        Number of drawn copies of the complaints, and the seed of the draws.

    Returns
    -------
    DataFrame
        topic ('all', then by name), complaints (of a known line), lines (with exposure), spread, p_value, p_adjusted.
    """
    if reason := _why_not(found, line_of, against):
        return missing(DIFFER, reason)
    hit = found.assign(line=_line(found, line_of))
    hit = hit[hit["line"].isin(against.index)]
    rng = np.random.default_rng(seed)
    parts = {"all": hit} | {t: hit[hit["topic"] == t] for t in shown_topics(found, min_cell=min_cell)}
    rows = []
    for topic, some in parts.items():
        if some["user_id"].nunique() >= min_cell:
            x = some["line"].value_counts().reindex(against.index, fill_value=0).to_numpy()
            rows.append((topic, len(some), len(against), *unequal(x, against.to_numpy(float), draws=draws, rng=rng)))
    if not rows:
        return missing(DIFFER, f"fewer than {min_cell} customers complained about a product of a known line")
    table = pd.DataFrame(rows, columns=DIFFER[:-1])
    tests = np.where(table["topic"] == "all", 1, max(len(table) - 1, 1))
    return table.assign(p_adjusted=np.minimum(table["p_value"] * tests, 1.0))


def unequal(x: np.ndarray, against: np.ndarray, *, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Spread of the true rates and p-value of *all rates alike*, from events and exposure of every part.

    E Σ (x − e)² = Σ e (1 − s) + spread² Σ e² (1 − 2 s + Σ s²), with shares s of the exposure, e = s · all events.
    """
    share = against / against.sum()
    e = share * x.sum()
    drawn = rng.multinomial(int(x.sum()), share, size=draws)
    chi, chis = ((x - e) ** 2 / e).sum(), ((drawn - e) ** 2 / e).sum(axis=1)
    weight = (e**2 * (1 - 2 * share + (share**2).sum())).sum()
    more = ((x - e) ** 2).sum() - (e * (1 - share)).sum()
    spread = float(np.sqrt(max(more, 0.0) / weight)) if weight > 0 else 0.0
    return spread, float((1 + (chis >= chi - 1e-9).sum()) / (draws + 1))


def lines(
    found: pd.DataFrame, line_of: pd.Series, against: pd.Series, *, min_cell: int, level: float = 0.95
) -> pd.DataFrame:
    """Lines with enough complaining customers against all others: in all, and by topic.

    Rate ratio = (complaints of the line / its exposure) ÷ (complaints of all others / their exposure), 0…∞; 1: like the
    others. Exact: given all complaints, those of the line are binomial with its share of the exposure. The p-values are
    corrected by Bonferroni for *all* lines (by topic: times all topics), since all were looked at.

    Parameters
    ----------
    found : DataFrame
        From `complaints.complaints`.
    line_of, against : Series
        From `item_lines` and `exposure`.
    min_cell : int
        Lines in which fewer customers complained are one row, 'all other lines'; cells by topic of fewer are left out,
        and others with them where they would give one away.

    Returns
    -------
    DataFrame
        line, topic ('all' or one), customers (who complained), complaints, rate_ratio with ci_low and ci_high (missing
        upper end: without bound), p_value, p_adjusted; smallest p first, 'all' before the topics. 'all other lines' has
        counts only: it was put together for its few complaints, so its ratio would be too low.

    References
    ----------
    Przyborowski and Wilenski (1940): przyborowski1940.
    """
    if reason := _why_not(found, line_of, against):
        return missing(LINES, reason)
    line = _line(found, line_of)
    hit = found.assign(line=line.where(line.isin(against.index), UNKNOWN))
    large = _large_enough(hit, against, min_cell)
    if not large:
        return missing(LINES, f"no line has complaints of {min_cell} customers beside those of the other lines")
    hit["line"] = hit["line"].where(hit["line"].isin([*large, UNKNOWN]), OTHERS)
    row = pd.Series(against.index, index=against.index, dtype="object")
    share = against.groupby(row.where(row.isin(large), OTHERS), sort=False).sum() / against.sum()
    topics = shown_topics(found, min_cell=min_cell)
    every = _shown(_counted(hit.assign(topic="all"), share.index, ["all"], ["all"]), [], min_cell)
    cells = _shown(_counted(hit, share.index, sorted(hit["topic"].unique()), topics), ["line", "topic"], min_cell)
    of_lines = hit.loc[hit["line"] != UNKNOWN, "topic"]
    totals = {"all": len(of_lines)} | of_lines.value_counts().to_dict()
    tests = {"all": len(against)} | dict.fromkeys(topics, len(against) * len(topics))
    cells = cells[cells["customers"].notna() & (cells["line"] != OTHERS)]
    return pd.concat([_compared(part, share, totals, tests, level) for part in (every, cells)], ignore_index=True)


def _why_not(found: pd.DataFrame, line_of: pd.Series, against: pd.Series) -> str:
    if found.empty:
        return found.attrs.get("reason", "there are no complaints")
    return "" if len(line_of) and len(against) else "no answer names a product of a known line"


def _large_enough(hit: pd.DataFrame, against: pd.Series, min_cell: int) -> list:
    """Lines to be named: so many that those of the remaining ones, together, also come from `min_cell` customers."""
    people = hit[hit["line"] != UNKNOWN].groupby("line", sort=False)["user_id"].nunique()
    people = _by_name(people).sort_values(kind="stable")
    large = people.index[people >= min_cell].tolist()  # fewest customers first
    while 0 < len(large) < len(against):
        if hit.loc[~hit["line"].isin([*large, UNKNOWN]), "user_id"].nunique() >= min_cell:
            break
        large = large[1:]
    return large


def _counted(hit: pd.DataFrame, names: pd.Index, topics: list, shown: list) -> pd.DataFrame:
    """Complaints and complaining customers of every line and topic, zeros too; none in topics that are hidden."""
    cells = pd.MultiIndex.from_product([[*names, UNKNOWN], topics], names=["line", "topic"])
    counted = hit.groupby(["line", "topic"], sort=False)["user_id"].agg(customers="nunique", complaints="size")
    table = counted.reindex(cells, fill_value=0).reset_index()
    hidden = ~table["topic"].isin(shown)
    return table.assign(customers=table["customers"].mask(hidden, 0))


def _shown(table: pd.DataFrame, margins: list[str], min_cell: int) -> pd.DataFrame:
    """Small cells hidden, with a second one where it takes one; the unknown line only counts for that."""
    if not table.loc[table["line"] == UNKNOWN, "complaints"].sum():
        table = table[table["line"] != UNKNOWN]
    table = suppress(table, count="customers", min_cell=min_cell, values=["complaints"], by=margins or None)
    return table[table["line"] != UNKNOWN].drop(columns=HIDDEN)


def _compared(table: pd.DataFrame, share: pd.Series, totals: dict, tests: dict, level: float) -> pd.DataFrame:
    """The rows with their rate ratios; hidden ones without."""
    rows = []
    for line, topic, customers, complaints in table.itertuples(index=False):
        numbers = (np.nan,) * 5
        if line != OTHERS and not pd.isna(customers):
            ratio = rate_ratio(int(complaints), totals[topic], share=float(share[line]), level=level)
            numbers = (*ratio, min(1.0, ratio[3] * tests[topic]))
        rows.append((line, topic, customers, complaints, *numbers))
    compared = pd.DataFrame(rows, columns=LINES).astype({"customers": "Int64", "complaints": "Int64"})
    return compared.sort_values(["p_value", "topic", "line"], key=lambda c: c.map(_sortable), ignore_index=True)


def _sortable(value: object) -> object:
    return value if isinstance(value, float) else str(value)


def told(table: pd.DataFrame, against: pd.Series, *, min_cell: int) -> str:
    """One sentence: how many lines the table names, and why not the others."""
    named = table.loc[table["topic"] == "all", "line"].ne(OTHERS).sum() if len(table) else 0
    return (
        f"Product lines: {named} of {len(against)} are named; in each of the others fewer than {min_cell} customers "
        "complained"
    )


def rate_ratio(events: int, total: int, *, share: float, level: float = 0.95) -> tuple[float, float, float, float]:
    """Rate of one part against the rest, from its events of the total and its share of the exposure.

    With p = events / total: ratio = p / (1 − p) · (1 − share) / share, its interval from the exact (Clopper–Pearson)
    interval of p, and the two-sided binomial p-value of p = share.

    Returns
    -------
    (ratio, low, high, p_value) : floats
        Missing where there is no event or no rest; a missing upper end has no bound.

    Examples
    --------
    30 of 40 events in half of the exposure: three times as many as the rest.

    >>> [round(v, 2) for v in rate_ratio(30, 40, share=0.5)[:3]]
    [3.0, 1.43, 6.88]
    """
    if total == 0 or not 0 < share < 1:
        return np.nan, np.nan, np.nan, 1.0
    tail, odds = (1 - level) / 2, (1 - share) / share
    low = float(beta.ppf(tail, events, total - events + 1)) if events else 0.0
    high = float(beta.ppf(1 - tail, events + 1, total - events)) if events < total else 1.0
    ends = [p / (1 - p) * odds if p < 1 else np.nan for p in (events / total, low, high)]
    return ends[0], ends[1], ends[2], float(binomtest(events, total, share).pvalue)
