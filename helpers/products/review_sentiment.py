"""Is a Chinese review positive? Learned from reviews with stars, tested on customers and wordings that it has not seen.

Pieces of one to three characters need no word list and no splitting into words. The stars are the labels: four and
five positive, one and two negative; three stars are never learned from.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, z_value
from helpers.products.feedback import FeedbackError

PLANS = ("single texts", "customers", "customers and wordings")
"""What a fold holds that the training has not seen."""
POSITIVE_WORDS = (
    "满意",
    "喜欢",
    "好评",
    "推荐",
    "不错",
    "很好",
    "舒服",
    "划算",
    "耐心",
    "漂亮",
    "快",
    "棒",
    "赞",
    "值",
)
NEGATIVE_WORDS = (
    "失望",
    "差评",
    "后悔",
    "生气",
    "不推荐",
    "退款",
    "退货",
    "太差",
    "坏了",
    "慢",
    "假货",
    "破",
    "不值",
    "难",
)
LEAST_TEXTS = 20
LONGEST = 2_000
SAME = 0.6
"""Pieces whose texts agree to this share are parts of one word; only the strongest is shown."""
PIECE = 4
"""A part of a sentence counts as wording from so many characters."""
QUALITY = ["tested_on", "method", "texts", "accuracy", "accuracy_ci_low", "accuracy_ci_high"]
QUALITY += [
    "f1",
    "f1_ci_low",
    "f1_ci_high",
    "average_precision",
    "average_precision_ci_low",
    "average_precision_ci_high",
]
WORDS = ["words", "speaks_for", "weight", "customers"]


def labelled(table: pd.DataFrame) -> pd.DataFrame:
    """The texts with stars: text (cleaned), user_id, rating, positive (1, 0, missing for three stars), family.

    Texts are cut after 2,000 characters; empty ones are left out. The index is that of `table`.
    """
    words = table["text"].map(clean)
    found = table.assign(text=words)[(words != "") & table["rating"].notna()]
    side = np.select([found["rating"] >= 4, found["rating"] <= 2], [1.0, 0.0], np.nan)
    return found.assign(positive=side, family=families(found["text"]))


def unrated(table: pd.DataFrame) -> pd.DataFrame:
    """The texts without stars, cleaned."""
    words = table["text"].map(clean)
    return table.assign(text=words)[(words != "") & table["rating"].isna()]


def clean(text: object) -> str:
    """One form for what looks alike: full-width letters, capitals, blanks.

    >>> clean("ＯＫ  很好！"), clean(None)
    ('ok 很好!', '')
    """
    if not isinstance(text, str):
        return ""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text[:LONGEST])).strip().lower()


def pieces(text: str) -> list[str]:
    """The parts of a sentence between punctuation; all numbers alike, long repetitions of a character cut.

    >>> pieces("很好很好，用了30天，！！！没坏")
    ['很好很好', '用了0天', '没坏']
    """
    alike = re.sub(r"(.)\1{2,}", r"\1", re.sub(r"\d+", "0", text))
    return [part.strip() for part in re.split(r"[^\w ]+|_", alike) if part.strip()]


def families(texts: pd.Series) -> pd.Series:
    """Texts of the same wording get the same number.

    A text's wording is the rarest part of its sentences (between punctuation, four characters or more) that is written
    at least twice; a text without such a part is its own wording, together with its exact copies. So openings and
    closings that many texts share do not tie them together, but the copied core does.

    Examples
    --------
    >>> families(pd.Series(["说实话,快递等了十天才到", "失望,快递等了十天才到!", "说实话,客服态度恶劣", "好"])).tolist()
    [0, 0, 1, 2]
    """
    parts = [[p for p in pieces(t) if len(p) >= PIECE] for t in texts]
    often = Counter(p for own in parts for p in set(own))
    core = []
    for text, own in zip(texts, parts, strict=True):
        shared = sorted((often[p], -len(p), p) for p in set(own) if often[p] > 1)
        core.append(shared[0][2] if shared else " ".join(pieces(text)) or text)
    return pd.Series(pd.factorize(np.array(core, dtype=object))[0], index=texts.index, dtype="int64")


def model(strength: float = 5.0) -> Pipeline:
    """Character pieces of length 1–3 weighted by TF-IDF, then a logistic regression.

    `strength` is its C: small is cautious. The constant is shrunk, too.
    """
    pieces_ = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True, max_features=50_000)
    return make_pipeline(pieces_, LogisticRegression(C=strength, solver="liblinear", max_iter=1_000))


def _why_not(texts: pd.DataFrame) -> str:
    """Why nothing can be learned from these texts; empty where it can."""
    sides = texts["positive"].value_counts() if len(texts) else pd.Series(dtype=int)
    if sides.get(1.0, 0) < LEAST_TEXTS or sides.get(0.0, 0) < LEAST_TEXTS:
        return f"fewer than {LEAST_TEXTS} positive or negative texts with stars"
    return ""


def held_out(texts: pd.DataFrame, *, tested_on: str, folds: int = 5, strength: float = 5.0, seed: int) -> pd.DataFrame:
    """The score of every text from a model that has seen neither the text nor what `tested_on` names.

    Parameters
    ----------
    texts : DataFrame
        From `labelled`. Texts with three stars get a score, too, but are never learned from.
    tested_on : str
        'single texts': random folds; copies of a text may be on both sides. 'customers': all texts of a customer in one
        fold. 'customers and wordings': all texts of a wording in one fold, and texts of the fold's customers are taken
        out of the training.
    folds : int
        Parts that are held out in turn, ≥ 2.
    strength : float
        C of the logistic regression, > 0: small is cautious.

    Returns
    -------
    DataFrame
        user_id, text, rating, positive, score (probability of *positive*, 0…1), dictionary (positive less negative
        words), share_positive (of the training).

    Raises
    ------
    FeedbackError
        An unknown plan, or folds < 2.
    """
    columns = ["user_id", "text", "rating", "positive", "score", "dictionary", "share_positive"]
    if tested_on not in PLANS or folds < 2:
        raise FeedbackError(f"tested_on {tested_on!r}, folds {folds!r}: take one of {', '.join(PLANS)} and 2 or more")
    if reason := _why_not(texts):
        return missing(columns, reason)
    users = pd.factorize(texts["user_id"])[0]
    unit = {"single texts": np.arange(len(texts)), "customers": users}.get(tested_on, texts["family"].to_numpy())
    folds = min(folds, len(np.unique(unit)))
    if folds < 2:
        return missing(columns, "all texts are of one customer or one wording")
    found = texts.assign(score=np.nan, share_positive=np.nan, dictionary=texts["text"].map(dictionary_score))
    for train, test in GroupKFold(folds, shuffle=True, random_state=seed).split(users, groups=unit):
        if tested_on == PLANS[2]:
            train = train[~np.isin(users[train], users[test])]
        known = texts.iloc[train].dropna(subset=["positive"])
        if known["positive"].nunique() == 2:
            fitted = model(strength).fit(known["text"], known["positive"])
            found.iloc[test, found.columns.get_loc("score")] = fitted.predict_proba(texts["text"].iloc[test])[:, 1]
            found.iloc[test, found.columns.get_loc("share_positive")] = known["positive"].mean()
    found = found.dropna(subset=["score"])
    return found[columns] if len(found) else missing(columns, "no fold left both kinds of texts to learn from")


def dictionary_score(text: str) -> int:
    """A tiny dictionary: positive words less negative words in the text.

    >>> dictionary_score("很满意,推荐"), dictionary_score("不推荐,坏了")
    (2, -1)
    """
    return sum(text.count(w) for w in POSITIVE_WORDS) - sum(text.count(w) for w in NEGATIVE_WORDS)


def quality(scored: dict[str, pd.DataFrame], *, boots: int = 100, level: float = 0.95, seed: int) -> pd.DataFrame:
    """Accuracy, F1 and average precision of each way of testing, and of two baselines on the hardest one.

    The *unhappy* (one and two stars) are what is looked for: F1 = 2 · hits / (2 · hits + false alarms + missed); the
    average precision is the area under precision over recall; without information it is the share of the unhappy.

    Parameters
    ----------
    scored : dict of str to DataFrame
        Way of testing → from `held_out`.
    boots, level, seed
        Percentile bootstrap over customers.

    Returns
    -------
    DataFrame
        tested_on, method, texts, accuracy, f1, average_precision, each 0…1 with its interval.
    """
    known = {name: t.dropna(subset=["positive"]) for name, t in scored.items() if len(t)}
    known = {name: t for name, t in known.items() if t["positive"].nunique() == 2}
    if not known:
        reason = next((t.attrs.get("reason") for t in scored.values() if "reason" in t.attrs), "nothing was scored")
        return missing(QUALITY, reason)
    rows = [(name, "model", t, (t["score"] < 0.5), -t["score"]) for name, t in known.items()]
    name, t = list(known.items())[-1]
    often = t["share_positive"] < 0.5
    rows.append((name, "always the more frequent", t, often, pd.Series(0.0, index=t.index)))
    rows.append(
        (name, "tiny dictionary", t, (t["dictionary"] < 0) | ((t["dictionary"] == 0) & often), -t["dictionary"])
    )
    out = [
        (name, method, len(t), *_measures(t, said, score, boots, level, seed)) for name, method, t, said, score in rows
    ]
    return pd.DataFrame(out, columns=QUALITY)


def _measures(t: pd.DataFrame, said: pd.Series, score: pd.Series, boots: int, level: float, seed: int) -> list[float]:
    bad, said, score = (t["positive"] == 0).to_numpy(), said.to_numpy(bool), score.to_numpy(float)
    codes, names = pd.factorize(t["user_id"])
    step = np.unique(-score, return_inverse=True)[1]  # equal scores are one step
    rng, tried = np.random.default_rng(seed), []
    for b in range(boots + 1):
        drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)) if b else np.ones(len(names))
        tried.append(_three(bad, said, step, drawn[codes].astype(float)))
    values = np.array(tried)
    low, high = np.nanquantile(values[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return [float(v) for trio in zip(values[0], low, high, strict=True) for v in trio]


def _three(bad: np.ndarray, said: np.ndarray, step: np.ndarray, w: np.ndarray) -> tuple[float, float, float]:
    hits, alarms, missed = w[bad & said].sum(), w[~bad & said].sum(), w[bad & ~said].sum()
    right = w[bad == said].sum() / w.sum()
    f1 = 2 * hits / max(2 * hits + alarms + missed, 1e-12)
    if not w[bad].sum():
        return right, f1, np.nan
    found, all_ = np.bincount(step, w * bad), np.bincount(step, w).cumsum()
    precision = found.cumsum() / np.maximum(all_, 1e-12)
    return right, f1, float((found * precision).sum() / found.sum())


def calibration(scored: pd.DataFrame, *, bins: int = 8, least: int = 30) -> pd.DataFrame:
    """Does 70 % mean 70 %? Texts in groups of like scores: mean score against the share with four and five stars.

    Returns
    -------
    DataFrame
        texts, predicted_rate, positives, observed_rate with its Wilson interval; ordered by predicted_rate.
    """
    columns = ["texts", "predicted_rate", "positives", "observed_rate", "observed_rate_ci_low", "observed_rate_ci_high"]
    known = scored.dropna(subset=["positive"]) if len(scored) else scored
    if known.empty:
        return missing(columns, scored.attrs.get("reason", "nothing was scored"))
    groups = max(1, min(bins, len(known) // least))
    rank = known["score"].rank(method="first").to_numpy() - 1
    by = known.groupby((rank * groups // len(known)).astype(int))
    table = pd.DataFrame({"texts": by.size(), "predicted_rate": by["score"].mean(), "positives": by["positive"].sum()})
    table["positives"] = table["positives"].astype(int)
    table = add_rate(table, successes="positives", trials="texts", name="observed_rate")
    return table.reset_index(drop=True)[columns]


def driving_words(texts: pd.DataFrame, *, min_cell: int, most: int = 12, strength: float = 5.0) -> pd.DataFrame:
    """The words that speak most for *positive* and for *negative*: the largest weights of the model on all texts.

    Only pieces of two and three characters, without punctuation, that `min_cell` customers or more have written; of
    pieces that stand in nearly the same texts only the strongest.

    Returns
    -------
    DataFrame
        words, speaks_for ('positive' or 'negative'), weight (of the logistic regression), customers.
    """
    if reason := _why_not(texts):
        return missing(WORDS, reason)
    known = texts.dropna(subset=["positive"])
    fitted = model(strength).fit(known["text"], known["positive"])
    names, weights = fitted[0].get_feature_names_out(), fitted[1].coef_[0]
    rows = []
    for side, word in ((1, "positive"), (-1, "negative")):
        order = np.argsort(-side * weights, kind="stable")[:400]
        rows += _readable(known, names[order], weights[order], side, word, min_cell, most)
    return pd.DataFrame(rows, columns=WORDS) if rows else missing(WORDS, f"no words of {min_cell} customers or more")


def _readable(known: pd.DataFrame, names, weights, side: int, word: str, min_cell: int, most: int) -> list[tuple]:
    rows: list[tuple] = []
    chosen: list[np.ndarray] = []
    for name, weight in zip(names, weights, strict=True):
        if weight * side <= 0 or len(rows) == most:
            break
        if len(name) < 2 or not re.fullmatch(r"[^\W\d_]+", name):
            continue
        texts = known["text"].str.contains(name, regex=False).to_numpy()
        people = known.loc[texts, "user_id"].nunique()
        # two pieces of one word stand in the same texts
        same = any((texts & t).sum() > SAME * (texts | t).sum() for t in chosen)
        if people >= min_cell and not same:
            rows.append((str(name), word, float(weight), people))
            chosen.append(texts)
    return rows


def rogan_gladen(
    said: int, texts: int, *, hits: int, positives: int, passes: int, negatives: int, level: float = 0.95
) -> Estimate:
    """The true share behind the share that an imperfect classifier reports.

    π = (q + Sp − 1) / (Se + Sp − 1), with q = said / texts, sensitivity Se = hits / positives, specificity
    Sp = passes / negatives; kept within 0…1. Interval by the delta method, from the chance in all three rates.

    Parameters
    ----------
    said, texts : int
        Texts called positive, of all texts of unknown truth.
    hits, positives : int
        Texts called positive, of those known to be positive.
    passes, negatives : int
        Texts called *not* positive, of those known not to be.

    Returns
    -------
    Estimate
        Missing where the classifier is no better than chance (Se + Sp ≤ 1), or without texts.

    References
    ----------
    Rogan and Gladen (1978): rogan1978.

    Examples
    --------
    40 of 100 called positive, Se 0.9, Sp 0.8: (0.4 − 0.2) / 0.7.

    >>> round(rogan_gladen(40, 100, hits=90, positives=100, passes=80, negatives=100).value, 4)
    0.2857
    """
    if min(texts, positives, negatives) == 0:
        return Estimate.missing("no text of unknown truth, or none to learn the classifier's errors from")
    q, se, sp = said / texts, hits / positives, passes / negatives
    if se + sp <= 1:
        return Estimate.missing("the classifier is no better than chance")
    youden = se + sp - 1
    raw = (q + sp - 1) / youden
    share = min(max(raw, 0.0), 1.0)
    spread = q * (1 - q) / texts + share**2 * se * (1 - se) / positives + (1 - share) ** 2 * sp * (1 - sp) / negatives
    half = z_value(level) * np.sqrt(spread) / youden
    low, high = (min(max(raw + side * half, 0.0), 1.0) for side in (-1, 1))
    return Estimate(float(share), float(low), float(high))


def share_positive(
    texts: pd.DataFrame, unknown: pd.DataFrame, *, folds: int = 5, strength: float = 5.0, level: float = 0.95, seed: int
) -> pd.DataFrame:
    """The share of texts without stars that would have got four or five: as called, and corrected.

    The classifier's errors are measured on held-out *customers*: unknown texts come from other customers, too, but use
    the same wordings; and on all known texts, those with three stars among the not positive.

    Returns
    -------
    DataFrame
        One row a way ('as called', 'corrected'): way, texts, positive_share with its interval, sensitivity_rate,
        specificity_rate.
    """
    columns = ["way", "texts", "positive_share", "positive_share_ci_low", "positive_share_ci_high"]
    columns += ["sensitivity_rate", "specificity_rate"]
    if unknown.empty:
        return missing(columns, "there is no text without stars")
    tested = held_out(texts, tested_on="customers", folds=folds, strength=strength, seed=seed)
    if tested.empty:
        return missing(columns, tested.attrs["reason"])
    known = texts.dropna(subset=["positive"])
    called = int((model(strength).fit(known["text"], known["positive"]).predict(unknown["text"]) == 1).sum())
    liked, yes = tested["rating"] >= 4, tested["score"] >= 0.5
    counts = {"hits": int((liked & yes).sum()), "positives": int(liked.sum())}
    counts |= {"passes": int((~liked & ~yes).sum()), "negatives": int((~liked).sum())}
    true = rogan_gladen(called, len(unknown), **counts, level=level)
    rates = counts["hits"] / max(counts["positives"], 1), counts["passes"] / max(counts["negatives"], 1)
    simple = add_rate(pd.DataFrame({"x": [called], "n": [len(unknown)]}), successes="x", trials="n", level=level)
    rows = [("as called", len(unknown), *simple.iloc[0, 2:], *rates)]
    rows.append(("corrected", len(unknown), true.value, true.ci_low, true.ci_high, *rates))
    return pd.DataFrame(rows, columns=columns)


def hide_stars(table: pd.DataFrame, *, share: float, seed: int) -> tuple[pd.DataFrame, float | None]:
    """The answers with the stars of a random share of the customers hidden, and the hidden share with four and five."""
    if not 0 < share < 1:
        raise FeedbackError(f"share {share!r}: give a share between 0 and 1, such as 0.3")
    ids = table["user_id"].drop_duplicates().to_numpy()
    chosen = ids[np.random.default_rng(seed).random(len(ids)) < share]
    hidden = table["user_id"].isin(chosen) & table["rating"].notna() & (table["text"].map(clean) != "")
    truth = float((table.loc[hidden, "rating"] >= 4).mean()) if hidden.any() else None
    # other texts without stars are left out: nobody knows their truth
    seen = table[hidden | table["rating"].notna()]
    return seen.assign(rating=seen["rating"].mask(hidden)), truth


def against_truth(scored: pd.DataFrame, truth: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """What the words really mean, from the simulated shop, beside the stars and the model.

    Returns
    -------
    DataFrame
        question, texts, agreement_rate with its Wilson interval: stars against meaning (label noise), model against
        stars, model against meaning; over texts with a clear meaning and one, two, four or five stars.
    """
    columns = ["question", "texts", "agree", "agreement_rate", "agreement_rate_ci_low", "agreement_rate_ci_high"]
    if scored.empty or truth.empty or "sentiment" not in truth:
        return missing(columns, (scored if scored.empty else truth).attrs.get("reason", "no truth of the words"))
    keys = ["user_id", "item_id", "created_at"]
    meaning = truth.drop_duplicates(keys).set_index(keys)["sentiment"]
    rows = table.loc[scored.index, keys]
    said = meaning.reindex(pd.MultiIndex.from_frame(rows)).to_numpy()
    both = scored.assign(meaning=np.select([said == "positive", said == "negative"], [1.0, 0.0], np.nan))
    both = both.dropna(subset=["positive", "meaning"])
    yes = (both["score"] >= 0.5).astype(float)
    pairs = {
        "stars against meaning": both["positive"] == both["meaning"],
        "model against stars": yes == both["positive"],
        "model against meaning": yes == both["meaning"],
    }
    counted = pd.DataFrame([(q, len(a), int(a.sum())) for q, a in pairs.items()], columns=columns[:3])
    return add_rate(counted, successes="agree", trials="texts", name="agreement_rate")


def accuracy(table: pd.DataFrame) -> Estimate:
    """The model's accuracy on the hardest way of testing of `quality`, for the findings."""
    if table.empty:
        return Estimate.missing(table.attrs["reason"])
    row = table[table["method"] == "model"].iloc[-1]
    return Estimate(*(float(row[c]) for c in ("accuracy", "accuracy_ci_low", "accuracy_ci_high")))


def short_names(table: pd.DataFrame) -> pd.Series:
    """Names of the rows of `quality` for a chart: the way of testing for the model, the method for the baselines."""
    return table["tested_on"].where(table["method"] == "model", table["method"]).astype("object")
