"""What to show to whom: the recommenders side by side, judged on later days, against popularity and against the truth.

The methods are in `helpers.products.recommenders`, the measures in `helpers.products.ranking`, the way from the log to
histories in `helpers.products.interactions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate
from helpers.privacy import HIDDEN, suppress
from helpers.products import association_rules, ranking
from helpers.products import recommenders as rec
from helpers.products.interactions import OUTSIDE, UNSEEN, WEIGHTS, Log, Split, Trial, random_trial, trial
from helpers.products.recommenders import Links, Mixture, Model, RecommendationError

REFERENCE = "popularity"
PERSONAL = ("own history", "item kNN", "EASE", "ALS", "rules", "content")
LEAST_DIFFERENT = 10
"""With fewer customers whom a model serves otherwise than popularity does, a bootstrap interval promises too much."""


# the days


def timeline(events: ir.Table, split: Split) -> pd.DataFrame:
    """Events by day and part of the split: day, events, part. One pass over the events."""
    table = events.group_by("day").agg(events=events.count()).order_by("day").to_pandas()
    if table.empty:
        return missing(["day", "events", "part"], "the log is empty")
    day = pd.to_datetime(table["day"])
    return table.assign(day=day, part=[split.part(d) for d in day.dt.date])


def parts(log: Log, *, min_cell: int = 1) -> pd.DataFrame:
    """What each part of the days holds: part, first_day, last_day, taken (customer–thing pairs), customers who took.

    Parts of fewer than `min_cell` customers show no numbers.
    """
    days = {
        "learning": (log.split.first, log.split.valid),
        "validation": (log.split.valid, log.split.cut),
        "test": (log.split.cut, log.split.last + pd.Timedelta(days=1)),
    }
    own = log.rows[log.rows["day"].notna()]
    part = own["day"].map(lambda d: log.split.part(pd.Timestamp(d).date()))
    rows = []
    for name, (first, end) in days.items():
        pairs = own[part == name].drop_duplicates(["user", "thing_id"])
        last = pd.Timestamp(end) - pd.Timedelta(days=1)
        rows.append((name, pd.Timestamp(first), last, len(pairs), pairs["user"].nunique()))
    table = pd.DataFrame(rows, columns=["part", "first_day", "last_day", "taken", "customers"])
    if min_cell <= 1:
        return table
    hidden = suppress(table, count="customers", min_cell=min_cell, values=["taken"], additive=False)
    return hidden.drop(columns=HIDDEN)


def cold_start(log: Log, test: Trial, *, min_cell: int = 1) -> pd.DataFrame:
    """Whom and what the past knows nothing of, in the test days.

    Parameters
    ----------
    log : Log
        What was read.
    test : Trial
        The test days.
    min_cell : int
        A number from 1 to min_cell − 1 is not told, nor one that leaves so few others.

    Returns
    -------
    DataFrame
        Two rows on customers who took something, two on the customer–thing pairs taken: what, count, total, cold_share,
        for customers with its Wilson interval.
    """
    columns = ["what", "count", "total", "cold_share", "cold_share_ci_low", "cold_share_ci_high"]
    judged = test.judged
    if not len(judged):
        return missing(columns, nothing_taken(log))
    after = log.rows[log.rows["day"].notna() & (log.rows["slice"] >= log.split.slices_before(log.split.cut))]
    pairs = after.drop_duplicates(["user", "thing_id"])
    rows = [
        ("customers: never seen before", int((test.active[judged] == 0).sum()), len(judged)),
        ("customers: seen, but took nothing before", _without_taking(test, judged), len(judged)),
        ("pairs: thing never seen before", int((pairs["thing"] == UNSEEN).sum()), len(pairs)),
        ("pairs: thing too rare for the catalogue", int((pairs["thing"] == OUTSIDE).sum()), len(pairs)),
    ]
    table = pd.DataFrame(rows, columns=columns[:3])
    table = add_rate(table, successes="count", trials="total", name="cold_share")[columns]
    table.loc[2:, columns[4:]] = None  # several pairs of one customer are no independent trials
    few = table["count"].between(1, min_cell - 1) | (table["total"] - table["count"]).between(1, min_cell - 1)
    table["count"] = table["count"].astype("Int64")
    table.loc[few, ["count", *columns[3:]]] = None
    return table


def _without_taking(test: Trial, judged: np.ndarray) -> int:
    took = np.asarray(test.histories.bought[judged].sum(axis=1)).ravel() > 0
    return int(((test.active[judged] > 0) & ~took).sum())


def nothing_taken(log: Log) -> str:
    """Why there is nobody to judge by."""
    return f"nobody did what is to be foreseen ({log.target}) in the days that are held back"


# models


@dataclass(frozen=True)
class Settings:
    """How the models learn: the arguments of `item_knn`, `ease`, `als` and `from_rules`."""

    shrinkage: float = 10.0
    neighbours: int = 50
    ridge: float = 100.0
    factors: int = 8
    als_ridge: float = 10.0
    als_alpha: float = 1.0
    als_rounds: int = 8
    als_engine: str = "numpy"
    min_count: int = 5
    seed: int = 42


def features(items: ir.Table | None, log: Log, *, level: str, bands: int = 5) -> pd.DataFrame:
    """What is known of each thing: its category, brand and price band (fifths of the shop's prices).

    A category has the brands and price bands of its items, each with its share. Without a table of items an item has
    its category only, and a category nothing.

    Returns
    -------
    DataFrame
        thing, feature, value (0…1); empty, with the reason, where nothing is known.
    """
    own = pd.DataFrame({"thing": np.arange(len(log.things)), "id": log.things})
    known = [own.assign(feature=pd.Series(log.category).astype(str).radd("category "))] if level == "item" else []
    if items is not None:
        names = [c for c in ("brand", "price") if c in items.columns]
        table = items.select(*names, id=items[f"{level}_id"]).to_pandas()
        if "price" in names and table["price"].notna().any():
            rank = table["price"].rank(pct=True)
            table["price"] = np.ceil(rank * bands).map(lambda b: f"price band {b:.0f}", na_action="ignore")
        table = table.merge(own, on="id")
        known += [table.assign(feature=table[c]).dropna(subset="feature") for c in names]
    stacked = pd.concat([k[["thing", "feature"]] for k in known]) if known else pd.DataFrame()
    if stacked.empty:
        return missing(["thing", "feature", "value"], "nothing is known of the things but their names")
    counts = stacked.groupby(["thing", "feature"], sort=True).size().rename("value").reset_index()
    total = pd.Series(np.maximum(_items_of(items, own, level), 1), own["thing"])
    return counts.assign(value=counts["value"] / counts["thing"].map(total))


def _items_of(items: ir.Table | None, own: pd.DataFrame, level: str) -> np.ndarray:
    if items is None or level == "item":
        return np.ones(len(own))
    counts = items.group_by("category_id").agg(n=items.count()).to_pandas().set_index("category_id")["n"]
    return own["id"].map(counts).fillna(1).to_numpy()


def fit(now: Trial, settings: Settings, known: pd.DataFrame | None = None) -> dict[str, Model]:
    """All recommenders, learnt from a trial's histories; `known` are the `features`."""
    strength, s = now.histories.strength, settings
    weights = {"ridge": s.als_ridge, "alpha": s.als_alpha, "rounds": s.als_rounds, "engine": s.als_engine}
    models: dict[str, Model] = {
        REFERENCE: rec.SameForAll(now.popular),
        "recently popular": rec.SameForAll(now.recent),
        "own history": rec.OwnHistory(),
        "item kNN": rec.item_knn(strength, shrinkage=s.shrinkage, neighbours=s.neighbours),
        "EASE": rec.ease(strength, ridge=s.ridge),
        "ALS": rec.als(strength, factors=s.factors, seed=s.seed, **weights),
        "rules": rec.from_rules(now.baskets, things=now.things, min_count=s.min_count),
    }
    if known is not None and len(known):
        models["content"] = rec.content(known, things=now.things)
    return models


# judging


@dataclass(frozen=True)
class Judged:
    """The lists of some models for the customers who took something, and how good each list was."""

    now: Trial
    k: int
    lists: dict[str, np.ndarray] = field(default_factory=dict)
    recall: pd.DataFrame = field(default_factory=pd.DataFrame)
    ndcg: pd.DataFrame = field(default_factory=pd.DataFrame)
    reason: str = ""


def judge(models: Mapping[str, Model], now: Trial, *, k: int = 10, min_cell: int = 1) -> Judged:
    """The lists of k for every customer who took something afterwards, also those without a history, and their hits.

    Fewer than `min_cell` customers are not judged: the figures would be those of single people.
    """
    rows = now.judged
    if len(rows) < max(min_cell, 1):
        return Judged(now, k, reason=f"only {len(rows)} customers took something in the days that are held back")
    histories, relevant, total = now.histories.of(rows), now.relevant[rows], now.taken[rows]
    without = histories.bought if now.repeats == "new" else None
    lists = {
        name: ranking.top(model.score(histories), k=k, popularity=now.popular, without=without)
        for name, model in models.items()
    }
    hit = {name: ranking.hits(own, relevant) for name, own in lists.items()}
    recall = pd.DataFrame({name: ranking.recall(h, total) for name, h in hit.items()})
    return Judged(now, k, lists, recall, pd.DataFrame({name: ranking.ndcg(h, total) for name, h in hit.items()}))


def compare(judged: Judged, *, boots: int = 2_000, seed: int = 1, level: float = 0.95) -> pd.DataFrame:
    r"""Every model against popularity.

    The gain is a mean over customers of differences, each customer's with himself. The intervals hold *jointly*: with m
    models each has the level $1 - (1 - \text{level})/m$ (Bonferroni).
    Where a model serves fewer than ten customers otherwise than popularity does, the verdict is *cannot tell*.

    Returns
    -------
    DataFrame
        model, recall, ndcg (means over customers, 0…1), ndcg_gain with gain_ci_low and _high, verdict (better, worse,
        cannot tell; reference), coverage_share, novelty (bits); by falling ndcg.
    """
    columns = [
        "model", "recall", "ndcg", "ndcg_gain", "gain_ci_low", "gain_ci_high", "verdict", "coverage_share", "novelty",
    ]  # fmt: skip
    if judged.reason:
        return missing(columns, judged.reason)
    names, now = list(judged.lists), judged.now
    gains = judged.ndcg.sub(judged.ndcg[REFERENCE], axis=0).to_numpy()
    joint = 1 - (1 - level) / max(len(names) - 1, 1)
    found = ranking.bootstrap_means(gains, boots=boots, seed=seed, level=joint)
    table = pd.DataFrame({
        "model": names, "recall": judged.recall.mean().to_numpy(), "ndcg": judged.ndcg.mean().to_numpy(),
        "ndcg_gain": found["mean"], "gain_ci_low": found["ci_low"], "gain_ci_high": found["ci_high"],
        "coverage_share": [ranking.coverage(judged.lists[n], things=now.things) for n in names],
        "novelty": [ranking.novelty(judged.lists[n], holders=now.holders, users=_known(now)) for n in names],
    })  # fmt: skip
    few = (gains != 0).sum(axis=0) < LEAST_DIFFERENT
    table["verdict"] = np.select(
        [table["model"] == REFERENCE, few, table["gain_ci_low"] > 0, table["gain_ci_high"] < 0],
        ["reference", "cannot tell", "better", "worse"], "cannot tell",
    )  # fmt: skip
    return table.sort_values("ndcg", ascending=False, kind="stable", ignore_index=True)[columns]


def _known(now: Trial) -> int:
    return int((now.active > 0).sum())


def others(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `compare` without popularity itself, for the figure of differences."""
    if table.empty:
        return table
    kept = table[table["model"] != REFERENCE].reset_index(drop=True)
    return kept if len(kept) else missing(table.columns, "there is only one model")


def by_activity(judged: Judged, *, models: list[str] | None = None, min_cell: int = 1) -> pd.DataFrame:
    """NDCG by how much each customer had done before: nothing, or a third of those with a history.

    Returns
    -------
    DataFrame
        group, customers, events (median before), then one column a model; groups under `min_cell` are hidden.
    """
    names = models or list(judged.lists)
    if judged.reason:
        return missing(["group", "customers", "events", *names], judged.reason)
    active = judged.now.active[judged.now.judged]
    groups, words = _thirds(active), ("no history", "light", "medium", "heavy")
    rows = []
    for number, word in enumerate(words):
        own = groups == number
        if own.any():
            rows.append((word, int(own.sum()), float(np.median(active[own])), *judged.ndcg.loc[own, names].mean()))
    table = pd.DataFrame(rows, columns=["group", "customers", "events", *names])
    hidden = suppress(table, count="customers", min_cell=min_cell, values=["events", *names])
    return hidden.drop(columns="hidden") if (hidden["hidden"] == "").all() else hidden


def _thirds(active: np.ndarray) -> np.ndarray:
    """0: nothing before; 1, 2, 3: thirds of the others, equal numbers of events in the same third."""
    group = np.zeros(len(active), int)
    some = active > 0
    if some.any():
        edges = np.quantile(active[some], [1 / 3, 2 / 3])
        group[some] = 1 + (active[some][:, None] > edges).sum(axis=1)
    return group


def long(table: pd.DataFrame, *, id_column: str, value: str, name: str) -> pd.DataFrame:
    """One row a (group, model) instead of one column a model, for figures with a line a model."""
    columns = [c for c in table.columns if c not in ("customers", "events", "hidden", id_column)]
    if table.empty:
        return missing([id_column, name, value], table.attrs.get("reason", "no rows"))
    stacked = table.melt(id_column, columns, var_name=name, value_name=value)
    return stacked.astype({value: float})


# choices made on the validation days


def choose_mixture(judged_models: Mapping[str, Model], now: Trial, *, k: int = 10, steps: int = 10) -> pd.DataFrame:
    """Weights of a mixture by forward selection on a trial: at each step the model that helps most gets one more part.

    Caruana et al. (2004). Scores are brought to 0…1 within each customer before they are added.

    Returns
    -------
    DataFrame
        model, weight (0…1, sum 1), ndcg_alone; by falling weight. With nobody to judge by, all weight is on popularity.
    """
    names, rows = list(judged_models), now.judged
    if not len(rows):
        weights = [float(n == REFERENCE) for n in names]
        return pd.DataFrame({"model": names, "weight": weights, "ndcg_alone": None})
    histories, relevant, total = now.histories.of(rows), now.relevant[rows], now.taken[rows]
    without = histories.bought if now.repeats == "new" else None
    scaled = {n: rec.unit_range(m.score(histories)) for n, m in judged_models.items()}

    def quality(scores: np.ndarray) -> float:
        own = ranking.top(scores, k=k, popularity=now.popular, without=without)
        return float(ranking.ndcg(ranking.hits(own, relevant), total).mean())

    alone = {n: quality(s) for n, s in scaled.items()}
    chosen = [max(names, key=alone.get)]
    for _ in range(steps - 1):
        sofar = np.sum([scaled[n] for n in chosen], axis=0)
        chosen.append(max(names, key=lambda n: (quality(sofar + scaled[n]), alone[n])))
    table = pd.DataFrame({"model": names, "weight": [chosen.count(n) / steps for n in names]})
    table["ndcg_alone"] = table["model"].map(alone)
    return table.sort_values(["weight", "ndcg_alone"], ascending=False, kind="stable", ignore_index=True)


def with_mixture(models: Mapping[str, Model], weights: pd.DataFrame) -> dict[str, Model]:
    """The models and, last, their mixture."""
    chosen = dict(zip(weights["model"], weights["weight"], strict=True))
    return {**models, "mixture": Mixture(models, {n: w for n, w in chosen.items() if n in models})}


def weightings(
    log: Log, choices: list[tuple[float, float, float, float]], settings: Settings, *, k: int = 10, **how
) -> pd.DataFrame:
    """NDCG in the validation days for several weights of pv, fav, cart and buy; `how`: repeats, and min_cell.

    Returns
    -------
    DataFrame
        weights (text), then one column a model that uses the weights, and popularity, which does not.
    """
    names = [REFERENCE, "own history", "item kNN", "EASE", "ALS"]
    rows, reason, min_cell = [], "", how.pop("min_cell", 1)
    for choice in choices:
        own = trial(log, moment="validation", weights=dict(zip(WEIGHTS, choice, strict=True)), **how)
        judged = judge({n: m for n, m in fit(own, settings).items() if n in names}, own, k=k, min_cell=min_cell)
        reason = judged.reason
        if not reason:
            text = " · ".join(f"{b} {w:g}" for b, w in zip(WEIGHTS, choice, strict=True))
            rows.append((text, *judged.ndcg[names].mean()))
    return pd.DataFrame(rows, columns=["weights", *names]) if rows else missing(["weights", *names], reason)


def ridges(now: Trial, values: list[float], *, k: int = 10, min_cell: int = 1) -> pd.DataFrame:
    """EASE with several ridge parameters on one trial: ridge, ndcg, largest_weight."""
    models = {str(v): rec.ease(now.histories.strength, ridge=v) for v in values}
    judged = judge(models, now, k=k, min_cell=min_cell)
    if judged.reason:
        return missing(["ridge", "ndcg", "largest_weight"], judged.reason)
    largest = [np.abs(m.weights).max(initial=0.0) for m in models.values()]
    return pd.DataFrame({"ridge": values, "ndcg": judged.ndcg.mean().to_numpy(), "largest_weight": largest})


# two ways to deceive oneself


def split_drill(
    log: Log,
    honest: Judged,
    settings: Settings,
    known: pd.DataFrame | None = None,
    *,
    mixture: pd.DataFrame,
    seed: int,
    **how,
) -> pd.DataFrame:
    """The same models judged on later days, and on rows held back at random as if time did not matter.

    Parameters
    ----------
    honest : Judged
        On later days.
    mixture : DataFrame
        The weights that `choose_mixture` gave.
    how
        weights, repeats: as in `trial`.

    Returns
    -------
    DataFrame
        model, ndcg_later_days, ndcg_random_rows, recall_later_days, recall_random_rows. The share of rows held back is
        the test days' share of all that was taken.
    """
    columns = ["model", "ndcg_later_days", "ndcg_random_rows", "recall_later_days", "recall_random_rows"]
    if honest.reason:
        return missing(columns, honest.reason)
    target = log.rows[log.rows["day"].notna()]
    share = float((target["slice"] >= log.split.slices_before(log.split.cut)).mean())
    mixed = random_trial(log, share=share, seed=seed, **how)
    wrong = judge(with_mixture(fit(mixed, settings, known), mixture), mixed, k=honest.k)
    if wrong.reason:
        return missing(columns, wrong.reason)
    names = [n for n in honest.lists if n in wrong.lists]
    values = [j[names].mean().to_numpy() for j in (honest.ndcg, wrong.ndcg, honest.recall, wrong.recall)]
    return pd.DataFrame(dict(zip(columns, [names, *values], strict=True)))


def candidate_trap(
    models: Mapping[str, Model], now: Trial, *, names: list[str], among: list[int], k: int = 10, min_cell: int = 1
) -> pd.DataFrame:
    """Recall when each thing taken competes with a few drawn others, and with all: others, then one column a model."""
    rows, wanted = now.judged, [n for n in names if n in models]
    if len(rows) < max(min_cell, 1):
        return missing(["others", *names], f"only {len(rows)} customers took something in the days that are held back")
    histories, relevant = now.histories.of(rows), now.relevant[rows]
    scores = {n: models[n].score(histories) for n in wanted}
    sizes = [a for a in sorted(among) if a < now.things] + [now.things]
    table = [
        (f"{a:,}" if a < now.things else "all",
         *(ranking.sampled_recall(scores[n], relevant, now.popular, k=k, among=a) for n in wanted))
        for a in sizes
    ]  # fmt: skip
    return pd.DataFrame(table, columns=["others", *wanted]).dropna().reset_index(drop=True)


# why this thing


def labels(log: Log, study, *, level: str) -> np.ndarray:
    """Words for people, one a thing of the catalogue: names or titles where the shop has them, else pseudonyms."""
    table = pd.DataFrame({"basket_id": 0, "item": pd.Series(log.things), "kind": level, "parent": None})
    return association_rules.named(table, study)["item"].to_numpy(object) if len(table) else np.zeros(0, object)


def a_customer(now: Trial, *, seed: int, least: int = 3) -> int:
    """Somebody with a history of `least` things or more, drawn at random; −1 where there is nobody."""
    held = np.flatnonzero(np.diff(now.histories.strength.indptr) >= least)
    judged = np.intersect1d(held, now.judged)
    pool = judged if len(judged) else held
    return int(np.random.default_rng(seed).choice(pool)) if len(pool) else -1


def why(
    models: Mapping[str, Model], now: Trial, user: int, *, words: np.ndarray, min_cell: int, rows: int = 5
) -> pd.DataFrame:
    """Why the first things on a customer's list are there: what each thing of the history adds to the score.

    Exact for models that are sums over the history. Things of fewer than `min_cell` customers are not named.

    Parameters
    ----------
    models : dict
        Those that are `Links` are explained, the others passed over.
    user : int
        As `a_customer` gives it.
    words : array
        As `labels` gives them.

    Returns
    -------
    DataFrame
        model, recommended, because_of (the `rows` largest, then *all other things*), contribution; for each model the
        contributions sum to its score.
    """
    columns = ["model", "recommended", "because_of", "contribution"]
    if user < 0:
        return missing(columns, "nobody has a history of three things or more")
    shown = np.where(now.holders >= min_cell, words, f"a thing of fewer than {min_cell} customers")
    own, found = now.histories.of(np.array([user])), []
    for name, model in models.items():
        if not isinstance(model, Links):
            continue
        scores = np.where(now.holders >= min_cell, model.score(own)[0], -np.inf)
        if now.repeats == "new":
            scores = np.where(own.bought.toarray()[0], -np.inf, scores)
        best = int(ranking.top(scores[None, :], k=1, popularity=now.popular)[0, 0])
        parts_ = model.contributions(own, row=0, thing=best)
        if np.isfinite(scores[best]) and parts_.any():
            found += _reasons(name, shown[best], parts_, shown, rows)
    return pd.DataFrame(found, columns=columns) if found else missing(columns, "no model has a reason to give")


def _reasons(name: str, thing: str, parts_: np.ndarray, shown: np.ndarray, rows: int) -> list[tuple]:
    held = parts_ != 0
    by_word = pd.Series(parts_[held]).groupby(shown[held], sort=True).sum()  # rare things have one word together
    by_word = by_word.reindex(by_word.abs().sort_values(ascending=False, kind="stable").index)
    first = [(name, thing, word, float(v)) for word, v in by_word.head(rows).items()]
    rest = float(by_word.iloc[rows:].sum())
    return [*first, (name, thing, "all other things", rest)] if len(by_word) > rows else first


def reasons_of(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows of one model of `why`."""
    if table.empty:
        return table
    kept = table[table["model"] == model].reset_index(drop=True)
    return kept if len(kept) else missing(table.columns, f"{model} has no reason to give for this customer")


# findings


def estimate(table: pd.DataFrame, column: str, *, low: str = "", high: str = "", **where: str) -> Estimate:
    """A number of the first row where columns have the given values, with its interval; missing with the reason."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no rows"))
    for name, value in where.items():
        table = table[table[name] == value]
    if table.empty:
        return Estimate.missing("no such row")
    if pd.isna(table[column].iloc[0]):
        return Estimate.missing("too few customers")
    row = table.iloc[0]
    ends = [None if not c or pd.isna(row[c]) else float(row[c]) for c in (low, high)]
    return Estimate(float(row[column]), *ends)


def verdict_of(table: pd.DataFrame, model: str) -> str:
    """The verdict of `compare` on one model, in words; empty text where there is none."""
    words = {"better": "better than popularity", "worse": "worse than popularity", "cannot tell": "too close to tell"}
    own = table.loc[table["model"] == model, "verdict"]
    return words.get(str(own.iloc[0]), "") if len(own) else ""


def best_single(table: pd.DataFrame) -> str:
    """The model with the highest ndcg of `compare`, mixture and popularity aside; empty text where there is none."""
    if table.empty:
        return ""
    own = table[~table["model"].isin([REFERENCE, "mixture"])]
    return str(own["model"].iloc[0]) if len(own) else ""


def inflation(drill: pd.DataFrame, model: str) -> Estimate:
    """Recall on random rows over recall on later days, for one model."""
    if drill.empty:
        return Estimate.missing(drill.attrs.get("reason", "no drill"))
    own = drill[(drill["model"] == model) & (drill["recall_later_days"] > 0)]
    if own.empty:
        return Estimate.missing("the model has no hit in the later days")
    return Estimate(float((own["recall_random_rows"] / own["recall_later_days"]).iloc[0]))


def check_weights(pv: float, fav: float, cart: float, buy: float) -> dict[str, float]:
    """Behaviour → weight; at least one must be above 0.

    >>> check_weights(1, 2, 3, 4)["buy"]
    4.0
    """
    weights = {b: float(w) for b, w in zip(WEIGHTS, (pv, fav, cart, buy), strict=True)}
    if not any(weights.values()):
        raise RecommendationError("all four weights are 0: no history is left; give one of them a weight above 0")
    return weights
