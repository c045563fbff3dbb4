"""What complaints are about, which product lines they hit, and what they may cost.

Topics come from a short list of keywords, so that everybody can see why a text has its topic. Words are shown only
where enough customers wrote them; whole texts are never shown.
"""

from __future__ import annotations

import re

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import beta, binomtest, false_discovery_control

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, newcombe
from helpers.privacy import suppress
from helpers.products.feedback import FeedbackError, is_complaint
from helpers.products.review_sentiment import clean

TOPIC_WORDS: dict[str, tuple[str, ...]] = {
    "logistics": ("快递", "物流", "发货", "送货", "配送", "派送", "到货", "地址", "没收到", "delivery", "shipping"),
    "quality": (
        "质量",
        "做工",
        "坏",
        "异味",
        "材质",
        "假货",
        "线头",
        "图片",
        "开不了",
        "破损",
        "掉色",
        "quality",
        "broken",
    ),
    "size": ("尺码", "尺寸", "大小", "偏小", "偏大", "合身", "一号", "size"),
    "service": ("客服", "售后", "退货", "退款", "换货", "卖家", "回复", "不理", "service", "refund"),
    "price": ("价格", "降价", "涨价", "差价", "优惠", "价", "贵", "便宜", "划算", "price", "expensive"),
    "packaging": ("包装", "盒", "压坏", "漏", "保护", "拆过", "package", "packaging"),
}
"""Topic → words that speak for it. A text's topic is the one with most words; of equal ones the first in this list."""
OTHER = "other"
TOPICS = ["topic", "complaints", "customers", "topic_share", "topic_share_ci_low", "topic_share_ci_high"]
LINES = ["line", "topic", "customers", "answers", "complaints", "rate_ratio", "ci_low", "ci_high"]
LINES += ["p_value", "p_adjusted"]
LOSS = ["topic", "complaints", "loss", "ci_low", "ci_high"]
DAY = 86_400


def topic_of(text: object, *, words: dict[str, tuple[str, ...]] | None = None) -> str:
    """The topic whose words the text holds most often; 'other' where it holds none.

    >>> topic_of("快递等了十天，客服不理，退款没收到"), topic_of("唉")
    ('service', 'other')
    """
    own, plain = words or TOPIC_WORDS, clean(text)
    hits = {topic: sum(plain.count(w) for w in some) for topic, some in own.items()}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] else OTHER


def complaints(table: pd.DataFrame, *, words: dict[str, tuple[str, ...]] | None = None) -> pd.DataFrame:
    """The answers that are complaints, with `topic`; those without words have the topic 'no words'."""
    found = table[is_complaint(table)] if len(table) else table
    topic = [topic_of(t, words=words) if clean(t) else "no words" for t in found["text"]]
    return found.assign(topic=pd.Series(topic, index=found.index, dtype="object"))


def topics(found: pd.DataFrame, *, min_cell: int, level: float = 0.95) -> pd.DataFrame:
    """How many complaints each topic has: topic, complaints, customers, topic_share with its Wilson interval.

    Topics of fewer than `min_cell` customers are put together as 'all smaller topics'; if those are still too few, they
    are hidden. Most frequent first.
    """
    if found.empty:
        return missing(TOPICS, "there are no complaints")
    people = found.groupby("topic")["user_id"].nunique()
    name = found["topic"].where(found["topic"].map(people) >= min_cell, "all smaller topics")
    counted = found.groupby(name)["user_id"].agg(complaints="size", customers="nunique").reset_index(names="topic")
    table = counted.sort_values(["complaints", "topic"], ascending=[False, True], ignore_index=True)
    table = add_rate(table.assign(n=len(found)), successes="complaints", trials="n", name="topic_share", level=level)
    return suppress(table[TOPICS], count="customers", min_cell=min_cell, values=["complaints", *TOPICS[3:]])


def topic_words(found: pd.DataFrame, *, min_cell: int, most: int = 5) -> pd.DataFrame:
    """What each topic's texts say more often than the others, without regard to the list of keywords.

    Class-based TF-IDF with shares: weight = s · ln(1 + topics / S), with s the share of the topic's texts that hold the
    piece, and S the sum of these shares over all topics; high = often said in this topic and hardly elsewhere. Pieces
    are runs of two to four characters and whole parts of sentences; only those that `min_cell` customers or more have
    written in the topic, and that are said there more than in all other topics together.

    Returns
    -------
    DataFrame
        topic, words, weight, texts, customers; the best `most` of each topic.

    References
    ----------
    Grootendorst (2022): grootendorst2022.
    """
    columns = ["topic", "words", "weight", "texts", "customers"]
    if found.empty:
        return missing(columns, "there are no complaints")
    own = [
        (t, u, g) for t, u, x in found[["topic", "user_id", "text"]].itertuples(index=False) for g in grams(clean(x))
    ]
    counted = pd.DataFrame(own, columns=["topic", "user_id", "words"]).groupby(["topic", "words"])["user_id"]
    table = counted.agg(texts="size", customers="nunique").reset_index()
    share = table["texts"] / table["topic"].map(found["topic"].value_counts())
    everywhere = share.groupby(table["words"]).transform("sum")
    table["weight"] = share * np.log1p(found["topic"].nunique() / everywhere)
    table = table[(table["customers"] >= min_cell) & (share > everywhere / 2)]
    length = table["words"].str.len()
    table = table.assign(length=-length).sort_values(["weight", "length", "words"], ascending=[False, True, True])
    rows = [row for topic in sorted(table["topic"].unique()) for row in _best(table[table["topic"] == topic], most)]
    return pd.DataFrame(rows)[columns] if rows else missing(columns, f"no words of {min_cell} customers or more")


def grams(text: str) -> set[str]:
    """All runs of two to four characters without punctuation and digits, and the parts of sentences up to twelve.

    >>> sorted(grams("很好,退款"))
    ['很好', '退款']
    """
    runs = re.findall(r"[^\W\d_]+", text)
    short = {run[i : i + n] for run in runs for n in (2, 3, 4) for i in range(len(run) - n + 1)}
    return short | {run for run in runs if 2 <= len(run) <= 12}


def _best(table: pd.DataFrame, most: int) -> list[dict]:
    """The heaviest pieces of one topic; of pieces of one word or phrase only the first."""
    rows: list[dict] = []
    for row in table.to_dict("records"):
        if len(rows) == most:
            break
        if not any(_same(row["words"], r["words"]) for r in rows):
            rows.append(row)
    return rows


def _same(new: str, shown: str) -> bool:
    """Is the new piece inside the shown one, or does one end as the other begins?"""
    ends = any(new[-k:] == shown[:k] or shown[-k:] == new[:k] for k in range(2, min(len(new), len(shown))))
    return new in shown or (ends and shown not in new)


def item_categories(items: ir.Table | None, orders: ir.Table | None) -> pd.Series:
    """item_id → category_id, from the catalogue, else from the order lines; empty without both."""
    source = items if items is not None else orders
    if source is None:
        return pd.Series(dtype="object")
    table = source.group_by("item_id").agg(category_id=source.category_id.min()).order_by("item_id").execute()
    return table.set_index("item_id")["category_id"]


def lines(
    table: pd.DataFrame,
    found: pd.DataFrame,
    categories: pd.Series,
    *,
    orders: ir.Table | None = None,
    per: str = "answers",
    min_cell: int,
    level: float = 0.95,
) -> pd.DataFrame:
    """Which product lines are hit more, or less, than the others: in all, and by topic.

    Rate ratio = (complaints of the line / its exposure) ÷ (complaints of all others / their exposure), 0…∞; 1: like the
    others. Exact: given all complaints, those of the line are binomial with its share of the exposure. The p-values are
    corrected by Benjamini and Hochberg: those of all complaints together, and those by topic together.

    Parameters
    ----------
    table, found : DataFrame
        From `feedback.answers` and `complaints`.
    categories : Series
        item_id → category_id, from `item_categories`.
    per : str
        The exposure: 'answers' about the line, or 'order lines' of it.
    min_cell : int
        Lines with answers of fewer customers are left out; topics with fewer complaints, too.

    Returns
    -------
    DataFrame
        line (the category's raw id: replace it before it is shown), topic ('all' or one), customers, answers,
        complaints, rate_ratio with ci_low and ci_high (missing upper end: without
        bound), p_value, p_adjusted; smallest p first.

    References
    ----------
    Przyborowski and Wilenski (1940): przyborowski1940; Benjamini and Hochberg (1995): benjamini1995.
    """
    if per not in ("answers", "order lines"):
        raise FeedbackError(f"per {per!r}: take 'answers' or 'order lines'")
    line = table["item_id"].map(categories) if len(categories) else pd.Series(dtype="object")
    if found.empty or line.notna().sum() == 0:
        return missing(LINES, "there are no complaints" if found.empty else "no answer names a product of a known line")
    seen = table.assign(line=line).groupby("line")["user_id"].agg(answers="size", customers="nunique")
    exposure = seen["answers"] if per == "answers" else _sold(orders).reindex(seen.index).fillna(0)
    shown = seen.index[(seen["customers"] >= min_cell) & (exposure > 0)]
    hit = found.assign(line=line).dropna(subset=["line"])
    big = [t for t, n in hit["topic"].value_counts().items() if n >= min_cell]
    parts = {"all": hit} | {t: hit[hit["topic"] == t] for t in sorted(big)}
    rows = []
    for topic, some in parts.items():
        count = some["line"].value_counts()
        for one in shown:
            x, share = int(count.get(one, 0)), float(exposure[one] / exposure.sum())
            found_ratio = rate_ratio(x, len(some), share=share, level=level)
            rows.append((one, topic, seen["customers"][one], seen["answers"][one], x, *found_ratio))
    if not rows:
        return missing(LINES, f"no line has answers of {min_cell} customers")
    result = pd.DataFrame(rows, columns=LINES[:-1]).astype({"line": seen.index.dtype})
    first = (result["topic"] == "all").to_numpy()  # two questions: which lines, and which lines in one topic
    result["p_adjusted"] = 1.0
    for own in (first, ~first):
        if own.any():
            result.loc[own, "p_adjusted"] = false_discovery_control(result.loc[own, "p_value"])
    return result.sort_values(["p_value", "topic", "line"], ignore_index=True)


def _sold(orders: ir.Table | None) -> pd.Series:
    """Order lines by category."""
    if orders is None:
        return pd.Series(dtype="float64")
    table = orders.group_by("category_id").agg(n=ibis._.count()).execute()
    return table.set_index("category_id")["n"].astype(float)


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


def named(table: pd.DataFrame, labels: pd.Series) -> pd.DataFrame:
    """The table of `lines` with readable names in place of the raw ids."""
    return table if table.empty else table.assign(line=labels.to_numpy())


def come_back(table: pd.DataFrame, orders: ir.Table | None, *, days: int = 56, last_second: int) -> pd.DataFrame:
    """Do those who complained order again? Share with an order in the `days` after the answer.

    Each customer counts once, with the first answer that leaves `days` to look at. Not causal: those who complain may
    differ in other ways.

    Returns
    -------
    DataFrame
        after ('a complaint', 'another answer'), customers, returned, return_rate with its Wilson interval.
    """
    columns = ["after", "customers", "returned", "return_rate", "return_rate_ci_low", "return_rate_ci_high"]
    if orders is None or table.empty:
        return missing(columns, "the study has no table of orders" if orders is None else "there are no answers")
    first = table.assign(after=np.where(is_complaint(table), "a complaint", "another answer"))
    first = first[first["created_at"] <= last_second - days * DAY].drop_duplicates("user_id")
    if first.empty:
        return missing(columns, f"no answer leaves {days} days to look at")
    placed = orders.select("user_id", "timestamp").distinct().execute()
    later = placed.merge(first[["user_id", "created_at"]], on="user_id")
    wait = later["timestamp"] - later["created_at"]
    again = later.loc[(wait > 0) & (wait <= days * DAY), "user_id"].unique()
    counted = first.assign(x=first["user_id"].isin(again)).groupby("after")["x"].agg(customers="size", returned="sum")
    return add_rate(counted.reset_index(), successes="returned", trials="customers", name="return_rate")


def difference(back: pd.DataFrame) -> Estimate:
    """Return rate after a complaint less that after another answer, −1…1, with Newcombe's interval."""
    if len(back) < 2:
        return Estimate.missing(back.attrs.get("reason", "all customers complained, or none"))
    (n1, x1), (n2, x2) = back[["customers", "returned"]].to_numpy().tolist()
    return newcombe(x1, n1, x2, n2)


def value_at_risk(
    found: pd.DataFrame,
    orders: ir.Table | None,
    *,
    days: int,
    margin: float,
    months_at_risk: float,
    level: float = 0.95,
) -> Estimate:
    """What a customer who complained earns in the months at risk: mean spend a month · margin · months, currency units.

    Interval: normal, from the spread over these customers.

    Parameters
    ----------
    days : int
        Days of the study's window.
    margin : float
        Margin as a share of spend, 0…1.
    months_at_risk : float
        How long a customer who leaves would have stayed, months, ≥ 0.
    """
    if orders is None or found.empty:
        return Estimate.missing("the study has no table of orders" if orders is None else "there are no complaints")
    off = orders.discount.fill_null(0.0) if "discount" in orders.columns else 0.0
    paid = orders.group_by("user_id").agg(paid=(orders.quantity * orders.unit_price - off).sum()).execute()
    spend = paid.set_index("user_id")["paid"].reindex(found["user_id"].unique()).fillna(0.0)
    worth = spend / max(days, 1) * 365 / 12 * margin * months_at_risk
    if len(worth) < 2:
        return Estimate.missing("fewer than two customers complained")
    half = 1.96 * float(worth.std(ddof=1)) / np.sqrt(len(worth))
    half, mean = float(half), float(worth.mean())
    return Estimate(mean, max(mean - half, 0.0), mean + half)


def expected_loss(
    topic_table: pd.DataFrame, value: Estimate, *, leave_low: float, leave_high: float, draws: int = 4_000, seed: int
) -> pd.DataFrame:
    """What the complaints may cost: complaints × added chance to leave × value at risk.

    The interval holds the chance in the number of complaints (Poisson), the range of the assumed added chance to leave
    (uniform from `leave_low` to `leave_high`) and the uncertainty of the value.

    Returns
    -------
    DataFrame
        topic ('all topics' last), complaints, loss, ci_low, ci_high (currency units, for the complaints of the window).
    """
    if not 0 <= leave_low <= leave_high <= 1:
        raise FeedbackError(f"leave_low {leave_low!r}, leave_high {leave_high!r}: give 0 ≤ low ≤ high ≤ 1")
    shown = topic_table.dropna(subset=["complaints"]) if len(topic_table) else topic_table
    if shown.empty or value.value is None:
        reason = value.reason or topic_table.attrs.get("reason", "all topics are hidden")
        return missing(LOSS, reason)
    rng = np.random.default_rng(seed)
    counts = shown["complaints"].astype(int).to_numpy()
    chance = rng.uniform(leave_low, leave_high, draws)
    worth = np.maximum(rng.normal(value.value, (value.ci_high - value.ci_low) / 3.92, draws), 0)
    drawn = rng.gamma(counts + 0.5, size=(draws, len(counts))) * (chance * worth)[:, None]
    drawn = np.column_stack([drawn, drawn.sum(axis=1)])
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    counts = np.append(counts, counts.sum())
    mean = counts * (leave_low + leave_high) / 2 * value.value
    names = [*shown["topic"], "all topics"]
    return pd.DataFrame({"topic": names, "complaints": counts, "loss": mean, "ci_low": low, "ci_high": high})


def against_truth(found: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The keyword topics beside the true ones of the simulated shop.

    Returns
    -------
    DataFrame
        topic, true_complaints, found_complaints, right, recall_share (of the true ones found), precision_share (of the
        found ones true).
    """
    columns = ["topic", "true_complaints", "found_complaints", "right", "recall_share", "precision_share"]
    if found.empty or truth.empty or "topic" not in truth:
        why = "there are no complaints" if found.empty else truth.attrs.get("reason", "no truth of the topics")
        return missing(columns, why)
    keys = ["user_id", "item_id", "created_at"]
    told = truth.drop_duplicates(keys).set_index(keys)["topic"]
    real = told.reindex(pd.MultiIndex.from_frame(found[keys])).to_numpy()
    rows = []
    for topic in TOPIC_WORDS:
        true, said = real == topic, (found["topic"] == topic).to_numpy()
        right = int((true & said).sum())
        shares = [right / n if n else None for n in (int(true.sum()), int(said.sum()))]
        rows.append((topic, int(true.sum()), int(said.sum()), right, *shares))
    return pd.DataFrame(rows, columns=columns)
