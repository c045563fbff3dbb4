"""What complaints are about, which product lines they hit, and what they may cost.

Topics come from a short list of keywords, so that everybody can see why a text has its topic. Words are shown only
where enough customers wrote them; whole texts are never shown.
"""

from __future__ import annotations

import re

import ibis.expr.types as ir
import numpy as np
import pandas as pd

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
LOSS = ["complaints", "loss", "ci_low", "ci_high"]
SMALLER = "all smaller topics"
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


def complaints(
    table: pd.DataFrame, *, words: dict[str, tuple[str, ...]] | None = None, min_cell: int = 1
) -> pd.DataFrame:
    """The answers that are complaints, with `topic`; those without words have the topic 'no words'.

    Empty, with the reason, where fewer than `min_cell` customers complained.
    """
    if table.empty:
        return missing([*table.columns, "topic"], _reason(table))
    found = table[is_complaint(table)]
    if len(found) and found["user_id"].nunique() < min_cell:
        return missing([*table.columns, "topic"], f"fewer than {min_cell} customers complained")
    topic = [topic_of(t, words=words) if clean(t) else "no words" for t in found["text"]]
    return found.assign(topic=pd.Series(topic, index=found.index, dtype="object"))


def _reason(table: pd.DataFrame, what: str = "complaints") -> str:
    return table.attrs.get("reason", f"there are no {what}")


def topics(found: pd.DataFrame, *, min_cell: int, level: float = 0.95) -> pd.DataFrame:
    """How many complaints each topic has: topic, complaints, customers, topic_share with its Wilson interval.

    Topics of fewer than `min_cell` customers are put together as 'all smaller topics'; if those are still too few, they
    are hidden. Most frequent first.
    """
    if found.empty:
        return missing(TOPICS, _reason(found))
    counted = (
        found.groupby(_merged(found, min_cell))["user_id"]
        .agg(complaints="size", customers="nunique")
        .reset_index(names="topic")
    )
    table = counted.sort_values(["complaints", "topic"], ascending=[False, True], ignore_index=True)
    table = add_rate(table.assign(n=len(found)), successes="complaints", trials="n", name="topic_share", level=level)
    return suppress(table[TOPICS], count="customers", min_cell=min_cell, values=["complaints", *TOPICS[3:]])


def _merged(found: pd.DataFrame, min_cell: int) -> pd.Series:
    """The topic of every complaint, with topics of few customers put together."""
    people = found.groupby("topic")["user_id"].nunique()
    return found["topic"].where(found["topic"].map(people) >= min_cell, SMALLER)


def shown_topics(found: pd.DataFrame, *, min_cell: int) -> list[str]:
    """The single topics that `topics` shows, by name: not those hidden, nor those put together."""
    if found.empty:
        return []
    table = topics(found, min_cell=min_cell).dropna(subset=["customers"])
    return sorted(set(table["topic"]) - {SMALLER})


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
        return missing(columns, _reason(found))
    shown = shown_topics(found, min_cell=min_cell)
    found = found[found["topic"].isin(shown)]
    if found.empty:
        return missing(columns, f"no topic of {min_cell} customers that may be shown")
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


def come_back(
    table: pd.DataFrame, orders: ir.Table | None, *, days: int = 56, last_second: int, min_cell: int = 1
) -> pd.DataFrame:
    """Do those who complained order again? Share with an order in the `days` after the answer.

    Each customer counts once, with the first answer that leaves `days` to look at. Not causal: those who complain may
    differ in other ways.

    Returns
    -------
    DataFrame
        after ('a complaint', 'another answer'), customers, returned, return_rate with its Wilson interval; both are
        hidden where one has fewer than `min_cell` customers.
    """
    columns = ["after", "customers", "returned", "return_rate", "return_rate_ci_low", "return_rate_ci_high"]
    if orders is None or table.empty:
        return missing(columns, "the study has no table of orders" if orders is None else _reason(table, "answers"))
    first = table.assign(after=np.where(is_complaint(table), "a complaint", "another answer"))
    first = first[first["created_at"] <= last_second - days * DAY].drop_duplicates("user_id")
    if first.empty:
        return missing(columns, f"no answer leaves {days} days to look at")
    placed = orders.select("user_id", "timestamp").distinct().execute()
    later = placed.merge(first[["user_id", "created_at"]], on="user_id")
    wait = later["timestamp"] - later["created_at"]
    again = later.loc[(wait > 0) & (wait <= days * DAY), "user_id"].unique()
    counted = first.assign(x=first["user_id"].isin(again)).groupby("after")["x"].agg(customers="size", returned="sum")
    back = add_rate(counted.reset_index(), successes="returned", trials="customers", name="return_rate")
    return suppress(back, count="customers", min_cell=min_cell, values=columns[2:])


def difference(back: pd.DataFrame) -> Estimate:
    """Return rate after a complaint less that after another answer, −1…1, with Newcombe's interval."""
    if len(back) < 2 or back["customers"].isna().any():
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
        return Estimate.missing("the study has no table of orders" if orders is None else _reason(found))
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
    counted: pd.DataFrame,
    value: Estimate,
    *,
    of: str = "topic",
    total: int,
    leave_low: float,
    leave_high: float,
    draws: int = 4_000,
    seed: int,
) -> pd.DataFrame:
    """What the complaints may cost: complaints × added chance to leave × value at risk.

    The interval holds the chance in the number of complaints (Poisson), the range of the assumed added chance to leave
    (uniform from `leave_low` to `leave_high`) and the uncertainty of the value.

    Parameters
    ----------
    counted : DataFrame
        From `topics`, or the rows 'all' of `complaint_lines.lines`: the column `of` and complaints; hidden rows have no
        row in the result.
    of : str
        'topic' or 'line'.
    total : int
        All complaints, also the hidden ones: the last row.

    Returns
    -------
    DataFrame
        topic or line ('all complaints' last), complaints, loss, ci_low, ci_high (currency units, for the complaints of
        the window).
    """
    if not 0 <= leave_low <= leave_high <= 1:
        raise FeedbackError(f"leave_low {leave_low!r}, leave_high {leave_high!r}: give 0 ≤ low ≤ high ≤ 1")
    if value.value is None or not total or counted.empty:
        reason = value.reason or counted.attrs.get("reason", "there are no complaints")
        return missing([of, *LOSS], reason)
    shown = counted.dropna(subset=["complaints"])
    counts = np.append(shown["complaints"].astype(int).to_numpy(), total)
    rng = np.random.default_rng(seed)
    chance = rng.uniform(leave_low, leave_high, draws)
    worth = np.maximum(rng.normal(value.value, (value.ci_high - value.ci_low) / 3.92, draws), 0)
    # the total is drawn first: it has the same interval beside topics and beside lines
    drawn = rng.gamma(counts[::-1, None] + 0.5, size=(len(counts), draws))[::-1] * chance * worth
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    mean = counts * (leave_low + leave_high) / 2 * value.value
    table = pd.DataFrame({"complaints": counts, "loss": mean, "ci_low": low, "ci_high": high})
    table.insert(0, of, [*shown[of], "all complaints"])
    return table


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
        why = _reason(found) if found.empty else truth.attrs.get("reason", "no truth of the topics")
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
