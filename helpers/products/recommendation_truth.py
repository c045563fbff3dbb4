"""Recommenders against the truth of a simulated shop: the best that is possible, and the planted rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.findings import missing
from helpers.products import ranking
from helpers.products import recommenders as rec
from helpers.products.interactions import WEIGHTS, Log, Trial
from helpers.products.recommendation import REFERENCE, Judged, judge
from helpers.products.recommenders import Model


def ideal(log: Log, tastes: pd.DataFrame, chances: pd.DataFrame, *, level: str) -> Model | None:
    r"""The recommender that knows every customer's true tastes: the chance that an order holds each category.

    $$P(c \mid u) = \sum_a t_{ua}\, P(c \mid a) + \Big(1 - \sum_a t_{ua}\Big) P(c \mid \text{any})$$

    with $t_{ua}$ the share of u's needs for a. Only chance keeps it from being perfect, so no method can expect to do
    much better. It does not know the planted sequences.

    Returns
    -------
    Model or None
        None where the truth is not known, and at the level of items.
    """
    if level != "category" or "share" not in tastes.columns or "chance" not in chances.columns:
        return None
    given = chances.pivot(index="need_id", columns="category_id", values="chance").fillna(0.0)
    needs = given.index[given.index != 0]
    share = tastes.pivot(index="user_id", columns="category_id", values="share").reindex(log.users, columns=needs)
    share = share.fillna(0.0).to_numpy()
    own = share @ given.loc[needs].to_numpy() + (1 - share.sum(axis=1, keepdims=True)) * given.loc[0].to_numpy()
    table = pd.DataFrame(own, columns=given.columns).reindex(columns=log.things).fillna(0.0)
    return Known(table.to_numpy())


@dataclass(frozen=True)
class Known:
    """Scores that are given, one row a customer of the log."""

    scores: np.ndarray

    def score(self, histories: rec.Histories) -> np.ndarray:
        """The rows of these customers."""
        return self.scores[histories.users]


def against_ideal(judged: Judged, best: Model | None, *, boots: int = 2_000, seed: int = 1) -> pd.DataFrame:
    """How much of what is possible each model reaches: 0 = popularity, 1 = the recommender that knows the tastes.

    Returns
    -------
    DataFrame
        model, ndcg with its 95 % interval, reached_share = (ndcg − popularity) / (ideal − popularity); by falling ndcg.
    """
    columns = ["model", "ndcg", "ndcg_ci_low", "ndcg_ci_high", "reached_share"]
    if best is None:
        return missing(columns, "the true tastes are known for categories of a simulated shop only")
    if judged.reason:
        return missing(columns, judged.reason)
    top = judge({"ideal": best}, judged.now, k=judged.k)
    ndcg = pd.concat([judged.ndcg, top.ndcg], axis=1)
    found = ranking.bootstrap_means(ndcg.to_numpy(), boots=boots, seed=seed)
    table = found.set_axis(["ndcg", "ndcg_ci_low", "ndcg_ci_high"], axis=1).assign(model=ndcg.columns)
    low, high = (float(table.loc[table["model"] == n, "ndcg"].iloc[0]) for n in (REFERENCE, "ideal"))
    table["reached_share"] = (table["ndcg"] - low) / (high - low) if high > low else None
    return table.sort_values("ndcg", ascending=False, kind="stable", ignore_index=True)[columns]


def planted(models: Mapping[str, Model], now: Trial, log: Log, truth: pd.DataFrame, *, level: str) -> pd.DataFrame:
    """Does somebody who bought only X get Y recommended, where X → Y is planted? And where it is a decoy?

    Returns
    -------
    DataFrame
        kind, if, then, one column a model: the rank of Y among all other things, 1 = first.
    """
    names = [n for n in (REFERENCE, "item kNN", "EASE", "ALS", "rules") if n in models]
    columns = ["kind", "if", "then", *names]
    if "antecedent_id" not in truth.columns or level != "category":
        return missing(columns, "the planted rules are about the categories of a simulated shop")
    place, rows = {v: k for k, v in enumerate(log.things)}, []
    for rule in truth.itertuples():
        a, b = place.get(rule.antecedent_id, -1), place.get(rule.consequent_id, -1)
        if a < 0 or b < 0:
            continue
        own = rec.single(a, things=now.things, strength=np.log1p(WEIGHTS["buy"]))
        at = [_rank(models[n].score(own)[0], a, b, now.popular) for n in names]
        rows.append((rule.kind, rule.antecedent, rule.consequent, *at))
    return pd.DataFrame(rows, columns=columns) if rows else missing(columns, "no planted thing is in the catalogue")


def _rank(scores: np.ndarray, bought: int, wanted: int, popularity: np.ndarray) -> int:
    scores = scores.copy()
    scores[bought] = -np.inf
    return int(ranking.ranks(scores[None, :], popularity)[0, wanted])


def planted_counts(table: pd.DataFrame, *, k: int = 5) -> pd.DataFrame:
    """Of each kind of rule: how many consequents stand among the first k of each model."""
    names = [c for c in table.columns if c not in ("kind", "if", "then")]
    if table.empty:
        return missing(["kind", "pairs", *names], table.attrs.get("reason", "no pairs"))
    groups = table.groupby("kind", sort=False)
    counts = groups[names].agg(lambda ranks: int((ranks <= k).sum()))
    return counts.assign(pairs=groups.size()).reset_index()[["kind", "pairs", *names]]
