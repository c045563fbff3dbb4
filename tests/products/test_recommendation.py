"""Judging, choosing, explaining: by hand, on worlds whose truth is known, on awkward labels and degenerate logs."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from helpers import charts
from helpers.engine import as_table
from helpers.findings import show
from helpers.products import interactions as inter
from helpers.products import ranking
from helpers.products import recommendation as rec
from helpers.products import recommendation_truth as rec_truth
from helpers.products import recommenders as models_
from tests.behaviour.scans import notebook_scans

FIRST, DAYS = date(2017, 11, 25), 20
SPLIT = inter.time_split(FIRST, FIRST + timedelta(days=DAYS - 1), share=0.2, recent_days=4)
PLAIN = rec.Settings(factors=3, min_count=3)


def log_of(rows) -> inter.Log:
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "category_id", "behavior", "number"])
    days = [pd.Timestamp(FIRST + timedelta(days=int(n))) for n in table["number"]]
    table = table.assign(day=pd.Series(days, dtype="datetime64[us]"))
    counts = inter.counted(as_table(table), split=SPLIT, level="item", target="buy")
    return inter.read(counts, split=SPLIT, target="buy")


def world(seed: int, *, users: int = 150, things: int = 24, groups: int = 3, taste: float = 0.8) -> pd.DataFrame:
    """Purchases by known tastes: a share `taste` of them goes to the own group's things, the rest to any.

    Within a group all things are equally likely, so what a customer did before says nothing but the group.
    """
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), 14)
    own = rng.integers(0, things // groups, len(user)) * groups + user % groups
    thing = np.where(rng.random(len(user)) < taste, own, rng.integers(0, things, len(user)))
    day = rng.integers(0, DAYS, len(user))
    return pd.DataFrame({"u": user, "i": thing, "c": 1, "b": "buy", "d": day})


def judged_world(seed: int, **how) -> tuple[inter.Log, rec.Judged, pd.DataFrame]:
    log = log_of(world(seed, **how).to_numpy().tolist())
    now = inter.trial(log)
    judged = rec.judge(rec.fit(now, PLAIN), now, k=8)
    return log, judged, rec.compare(judged, boots=800, seed=1)


def verdict(table: pd.DataFrame) -> dict[str, str]:
    return dict(zip(table["model"], table["verdict"], strict=True))


# simulated truth


@pytest.mark.parametrize("seed", range(3))
def test_tastes_that_exist_are_found(seed):
    _, _, table = judged_world(seed)
    found = verdict(table)
    assert found["item kNN"] == found["EASE"] == found["ALS"] == "better"
    assert found["recently popular"] != "better"


def test_where_all_tastes_are_equal_nothing_is_better_than_popularity():
    wrong = [m for seed in range(6) for m, v in verdict(judged_world(seed, taste=0)[2]).items() if v == "better"]
    assert len(wrong) <= 1  # one run in twenty may err, over all models together


def test_no_model_beats_the_true_tastes():
    log, judged, _ = judged_world(7)
    chance = np.where(log.users[:, None] % 3 == log.things[None, :] % 3, 0.8 / 8 + 0.2 / 24, 0.2 / 24)
    table = rec_truth.against_ideal(judged, rec_truth.Known(chance), boots=200)
    assert table["model"].iloc[0] == "ideal" and table["reached_share"].iloc[0] == 1
    reached = table.set_index("model")["reached_share"]
    assert reached["popularity"] == 0 and 0.5 < reached["ALS"] < 1


def test_the_mixture_is_not_worse_than_its_best_part_where_it_was_chosen():
    log = log_of(world(2).to_numpy().tolist())
    then = inter.trial(log, moment="validation")
    weights = rec.choose_mixture(rec.fit(then, PLAIN), then, k=8)
    judged = rec.judge(rec.with_mixture(rec.fit(then, PLAIN), weights), then, k=8)
    assert weights["weight"].sum() == pytest.approx(1)
    assert judged.ndcg["mixture"].mean() >= weights["ndcg_alone"].max() - 1e-12


def test_random_rows_flatter_whoever_remembers():
    """Two purchases of the same thing a minute apart: random rows leave one of each pair in the history."""
    twice = pd.concat([world(3, taste=0).assign(b=b) for b in ("pv", "buy")])
    log = log_of(twice.to_numpy().tolist())
    now = inter.trial(log)
    weights = rec.choose_mixture({"popularity": models_.SameForAll(now.popular)}, now)
    drill = rec.split_drill(log, rec.judge(rec.fit(now, PLAIN), now, k=3), PLAIN, mixture=weights, seed=1)
    own = drill.set_index("model").loc["own history"]
    assert own.recall_random_rows > 1.5 * own.recall_later_days
    assert rec.inflation(drill, "own history").value == own.recall_random_rows / own.recall_later_days


def test_the_ideal_recommender_by_hand():
    tastes = pd.DataFrame({"user_id": [1], "category_id": [11], "share": [0.6]})
    chances = pd.DataFrame({"need_id": [0, 0, 11, 11, 12], "category_id": [11, 12, 11, 12, 12]})
    chances["chance"] = [0.2, 0.3, 1.0, 0.4, 1.0]
    log = log_of([(1, 12, 1, "buy", 0), (1, 11, 1, "pv", 1), (2, 12, 1, "pv", 1)])
    best = rec_truth.ideal(log, tastes, chances, level="category")
    # user 1: 0.6·1 + 0.4·0.2 and 0.6·0.4 + 0.4·0.3; user 2 has no known taste
    assert best.scores[0].tolist() == pytest.approx([0.36, 0.68]) and best.scores[1].tolist() == [0.3, 0.2]
    assert rec_truth.ideal(log, tastes, chances, level="item") is None


def test_a_planted_pair_is_ranked_first():
    rows = [(u, i, 1, "buy", u % 12) for u in range(40) for i in ((1, 2) if u < 15 else (3 + u % 5,))]
    log = log_of(rows)
    now = inter.trial(log)
    truth = pd.DataFrame({"kind": ["planted"], "antecedent": ["x"], "consequent": ["y"], "antecedent_id": [1]})
    table = rec_truth.planted(rec.fit(now, PLAIN), now, log, truth.assign(consequent_id=2), level="category")
    assert table[["item kNN", "EASE", "ALS", "rules"]].iloc[0].tolist() == [1] * 4
    assert rec_truth.planted_counts(table)["pairs"].tolist() == [1]


# by hand


@pytest.fixture
def two() -> rec.Judged:
    """Two customers: the first takes what is popular, the second what only the other model shows."""
    now = inter.Trial(
        models_.Histories(csr_matrix((2, 3)), csr_matrix((2, 3), dtype=bool), np.arange(2)),
        csr_matrix([[True, False, False], [False, False, True]]), np.zeros(2, int), np.array([5, 3, 1]),
        np.zeros(3, int), np.array([4, 2, 1]), pd.DataFrame(columns=["basket_id", "item"]), np.array([0, 8]),
    )  # fmt: skip
    models = {"popularity": models_.SameForAll(now.popular), "odd": models_.SameForAll(np.array([0, 1, 2]))}
    return rec.judge(models, now, k=1)


def test_comparison_by_hand(two):
    table = rec.compare(two).set_index("model")
    assert table.loc["odd", ["recall", "ndcg", "ndcg_gain"]].tolist() == [0.5, 0.5, 0]
    assert (table["coverage_share"] == 1 / 3).all() and table.loc["odd", "verdict"] == "cannot tell"
    assert rec.others(rec.compare(two))["model"].tolist() == ["odd"]


def test_a_few_hits_are_no_proof():
    """Nine of 400 customers are served better, nobody worse: the interval is above 0, the verdict is careful."""
    n, served = 400, 9
    taken = csr_matrix((np.ones(n, bool), (np.arange(n), np.where(np.arange(n) < served, 1, 0))), shape=(n, 3))
    nothing = models_.Histories(csr_matrix((n, 3)), csr_matrix((n, 3), dtype=bool), np.arange(n))
    flat = {"popular": np.array([5, 3, 1]), "recent": np.zeros(3), "holders": np.ones(3), "active": np.ones(n, int)}
    now = inter.Trial(nothing, taken, np.zeros(n, int), baskets=pd.DataFrame(), **flat)
    knowing = rec_truth.Known(taken.toarray().astype(float))
    models = {"popularity": models_.SameForAll(now.popular), "knowing": knowing}
    row = rec.compare(rec.judge(models, now, k=1)).set_index("model").loc["knowing"]
    assert row["gain_ci_low"] > 0 and row["verdict"] == "cannot tell"
    assert rec.verdict_of(row.to_frame().T.reset_index(names="model"), "knowing") == "too close to tell"


def test_groups_by_hand(two):
    table = rec.by_activity(two)
    assert table["group"].tolist() == ["no history", "light"]
    assert table[["popularity", "odd"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    hidden = rec.by_activity(two, min_cell=2)
    assert hidden[["popularity", "odd"]].isna().all(axis=None) and (hidden["hidden"] != "").all()


def test_fewer_than_min_cell_customers_are_not_judged(two):
    judged = rec.judge({"popularity": models_.OwnHistory()}, two.now, k=1, min_cell=3)
    assert "only 2 customers" in rec.compare(judged).attrs["reason"]


def test_parts_and_cold_start_by_hand():
    log = log_of([(1, 11, 1, "buy", 0), (2, 11, 1, "pv", 0), (2, 11, 1, "buy", 17), (3, 12, 1, "buy", 19)])
    assert rec.parts(log)["taken"].tolist() == [1, 0, 2]
    few = rec.parts(log, min_cell=2)
    assert few["taken"].fillna(-1).tolist() == [-1, -1, 2] and few["customers"].fillna(-1).tolist() == [-1, -1, 2]
    cold = rec.cold_start(log, inter.trial(log))
    assert cold["count"].tolist() == [1, 1, 1, 0] and cold["total"].tolist() == [2, 2, 2, 2]
    hidden = rec.cold_start(log, inter.trial(log), min_cell=2)
    assert hidden["count"].isna().tolist() == [True, True, True, False]
    assert rec.estimate(hidden, "cold_share").reason == "too few customers"


def test_features_of_items_and_categories():
    items = pd.DataFrame({"item_id": [11, 12, 13], "category_id": [1, 1, 2], "brand": ["a", "b", "a"]})
    items = as_table(items.assign(price=[1.0, 2.0, 3.0]))
    log = log_of([(1, 11, 1, "buy", 0), (1, 13, 2, "buy", 0)])
    own = rec.features(items, log, level="item")
    assert own.groupby("thing")["feature"].agg(set).tolist()[0] == {"category 1", "a", "price band 2"}
    wide = inter.Log(log.rows, log.users, np.array([1, 2]), np.array([1, 2]), SPLIT, "buy", 2, 1)
    by_category = rec.features(items, wide, level="category").set_index(["thing", "feature"])["value"]
    assert by_category[0, "a"] == 0.5 and by_category[1, "a"] == 1
    assert "nothing is known" in rec.features(None, wide, level="category").attrs["reason"]


# why


class Shop:
    """As much of a study as labels need."""

    def __init__(self, titles: dict | None = None) -> None:
        self.titles = titles

    def category_labels(self, ids: pd.Series) -> pd.Series:
        return ids.map(lambda i: f"category {i}")

    def pseudonyms(self, ids: pd.Series, kind: str) -> pd.Series:
        return ids.map(lambda i: f"{kind} p{hash(i) % 97}")

    def has(self, table: str) -> bool:
        return self.titles is not None

    @property
    def items(self):
        return as_table(pd.DataFrame(self.titles.items(), columns=["item_id", "title"]))


def explained(words: np.ndarray, now: inter.Trial, min_cell: int = 1) -> pd.DataFrame:
    user = rec.a_customer(now, seed=1)
    return rec.why(rec.fit(now, PLAIN), now, user, words=words, min_cell=min_cell, rows=2)


def test_reasons_sum_to_the_score():
    log = log_of(world(4).to_numpy().tolist())
    now = inter.trial(log)
    table = explained(np.array([f"thing {i}" for i in log.things]), now)
    user, models = rec.a_customer(now, seed=1), rec.fit(now, PLAIN)
    for name in ("item kNN", "EASE"):
        score = models[name].score(now.histories.of(np.array([user])))
        own = rec.reasons_of(table, name)["contribution"]
        assert own.sum() == pytest.approx(score.max()) and len(own) <= 3


def test_rare_things_are_not_named():
    log = log_of(world(4).to_numpy().tolist())
    now = inter.trial(log)
    table = explained(log.things.astype(str), now, min_cell=int(np.median(now.holders)) + 1)
    rare = set(log.things[now.holders <= np.median(now.holders)].astype(str))
    assert not rare & {*table["recommended"], *table["because_of"]}
    assert explained(log.things.astype(str), now, min_cell=10_000).attrs["reason"]


TITLES = [
    np.str_("numpy 文字"), "茶叶 🍵", "x" * 10_000, "<script>alert(1)</script>", "$\\href{evil}$", "=1+1", "_hidden",
]  # fmt: skip


def test_awkward_titles_pass_through_tables_and_figures():
    log = log_of(world(4, things=9, groups=3).to_numpy().tolist())
    shop = Shop(dict(zip(range(9), [str(t) for t in TITLES], strict=False)))
    words = rec.labels(log, shop, level="item")
    assert len(set(words)) == len(words) and max(map(len, words)) <= 60
    table = explained(words, inter.trial(log))
    page = show(table, "why")._repr_html_()
    assert "<script>" not in page
    drawn = charts.bars(table, x="because_of", y="contribution", title="t", x_label="x", y_label="y")
    assert "<script>" not in drawn.svg()


def test_text_ids_and_numbers_are_never_shown():
    rows = [(f"user{u}", f"secret{i}", "c", b, d) for u, i, _, b, d in world(4).to_numpy().tolist()]
    log = log_of(rows)
    words = rec.labels(log, Shop(), level="item")
    assert not any("secret" in w for w in words)


# degenerate logs


DEGENERATE = {
    "one user": [(1, 11, 1, "buy", 0), (1, 11, 1, "buy", 19)],
    "one thing": [(u, 11, 1, "buy", d) for u in range(30) for d in (0, 15, 19)],
    "nothing later": [(1, 11, 1, "buy", 0), (2, 12, 1, "pv", 1)],
    "nothing earlier": [(1, 11, 1, "buy", 19), (2, 12, 1, "pv", 19)],
    "no purchase": [(1, 11, 1, "pv", 0), (2, 12, 1, "pv", 19)],
}


@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=DEGENERATE.keys())
@pytest.mark.parametrize("min_cell", [1, 10])
def test_degenerate_logs_finish(rows, min_cell):
    log = log_of(rows)
    now, then = inter.trial(log), inter.trial(log, moment="validation")
    weights = rec.choose_mixture(rec.fit(then, PLAIN), then)
    models = rec.with_mixture(rec.fit(now, PLAIN), weights)
    judged = rec.judge(models, now, min_cell=min_cell)
    compared = rec.compare(judged, boots=20)
    drill = rec.split_drill(log, judged, PLAIN, mixture=weights, seed=1)
    tables = [compared, drill, rec.others(compared), rec.parts(log), rec.cold_start(log, now)]
    tables += [rec.by_activity(judged, min_cell=min_cell), rec.ridges(then, [1.0], min_cell=min_cell)]
    tables += [rec.weightings(log, [(1, 2, 3, 4)], PLAIN, min_cell=min_cell)]
    tables += [rec.candidate_trap(models, now, names=["EASE"], among=[1], min_cell=min_cell)]
    tables += [rec.why(models, now, rec.a_customer(now, seed=1), words=log.things.astype(str), min_cell=1)]
    assert all("nan" not in show(t)._repr_html_().lower() for t in tables)
    rec.estimate(compared, "ndcg_gain", model="mixture"), rec.best_single(compared), rec.inflation(drill, "mixture")


def test_weights_must_leave_a_history():
    with pytest.raises(models_.RecommendationError, match="all four weights are 0"):
        rec.check_weights(0, 0, 0, 0)


def test_estimates_of_missing_tables_carry_the_reason():
    judged = rec.Judged(None, 5, reason="too few")
    assert rec.estimate(rec.compare(judged), "ndcg").reason == "too few"
    assert rec.long(rec.by_activity(judged), id_column="group", value="v", name="m").attrs["reason"] == "too few"


def test_long_tables_have_a_row_a_model(two):
    stacked = rec.long(rec.by_activity(two), id_column="group", value="ndcg", name="model")
    assert stacked[["group", "model", "ndcg"]].to_numpy().tolist()[1] == ["light", "popularity", 0.0]


def test_the_timeline_names_the_parts():
    days = pd.DataFrame({"day": pd.to_datetime([FIRST, FIRST, FIRST + timedelta(days=19)])})
    table = rec.timeline(as_table(days), SPLIT)
    assert table[["events", "part"]].to_numpy().tolist() == [[2, "learning"], [1, "test"]]


def test_ties_go_to_the_popular_thing(two):
    same = rec.judge({"popularity": models_.SameForAll(np.zeros(3))}, two.now, k=2)
    assert same.lists["popularity"].tolist() == [[0, 1], [0, 1]]
    assert ranking.coverage(same.lists["popularity"], things=3) == pytest.approx(2 / 3)


# the notebook


@pytest.mark.notebooks
def test_the_notebook_reads_the_events_at_most_twice(study_file, monkeypatch):
    frame = world(5, users=60).rename(
        columns=dict(zip("uicb", ["user_id", "item_id", "category_id", "behavior"], strict=True))
    )
    start = pd.Timestamp(FIRST, tz="Asia/Shanghai").timestamp()
    frame = frame.assign(timestamp=int(start) + 86_400 * frame["d"] + 3_600 * (1 + frame["item_id"] % 20)).drop(
        columns="d"
    )
    frame["category_id"] = 1 + frame["item_id"] % 7
    study = study_file(events=frame, window=("2017-11-25", "2017-12-14"))
    assert 1 <= sum(n for n, _ in notebook_scans("42_recommendation", study, monkeypatch)) <= 2
