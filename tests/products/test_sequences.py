"""From the log to steps by hand, next goods, repeats, waiting times, labels, the planted truth, and real rows."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers import charts
from helpers.engine import hold
from helpers.findings import show
from helpers.products import sequences as sq
from helpers.products.prefixspan import arrows
from tests.behaviour.scans import counted, notebook_scans
from tests.products.sequence_shops import shop

LIMITS = {"min_support": 0.0, "min_users": 1, "max_gap_days": 30, "max_window_days": 60, "max_length": 3}
NULL = {"shuffles": 39, "seed": 41}
ONE, TWO, THREE = (date(2017, 11, d) for d in (25, 26, 28))
END = pd.Timestamp("2017-11-30")

# user, item, category, behavior, second, day
LOG = [
    (1, 11, 1, "pv", 0, ONE),
    (1, 11, 1, "buy", 10, ONE),
    (1, 12, 1, "buy", 20, ONE),  # the same category on the same day: once
    (1, 21, 2, "buy", 90_000, TWO),
    (1, 11, 1, "buy", 250_000, THREE),
    (2, 21, 2, "cart", 5, ONE),
    (2, 31, 3, "buy", 90_000, TWO),
]
TRUTH = pd.DataFrame([("Mobile phone", "Phone case", "Screen film")], columns=["step_1", "step_2", "step_3"])
DECOYS = pd.DataFrame([("decoy", "Tissues", "Snacks")], columns=["kind", "antecedent", "consequent"])


def events(rows=LOG) -> ibis.Table:
    columns = ["user_id", "item_id", "category_id", "behavior", "timestamp", "day"]
    schema = dict.fromkeys(columns[:3], "int64") | {"behavior": "string", "timestamp": "int64", "day": "date"}
    return ibis.memtable(pd.DataFrame(rows, columns=columns), schema=schema)


def steps(rows: list[tuple]) -> pd.DataFrame:
    """user, day number, item"""
    table = pd.DataFrame(rows, columns=["user", "time", "item"])
    start = pd.Timestamp("2017-11-01").timestamp()
    time = (start + sq.DAY * table["time"]).astype("int64")
    return table.assign(time=time, kind="category", parent=None)


class Shop:
    """As much of a study as labels need."""

    def __init__(self, names: list) -> None:
        self.names = names

    def category_labels(self, ids: pd.Series) -> pd.Series:
        return ids.map(lambda i: self.names[int(i)])


# steps by hand


def test_steps_by_day():
    own = sq.steps(sq.activity(events()))
    days = [(u, pd.to_datetime(t, unit="s").day, i) for u, t, i in own[["user", "time", "item"]].values]
    assert days == [(0, 25, 1), (0, 26, 2), (0, 28, 1), (1, 26, 3)]


@pytest.mark.parametrize(("behavior", "rows"), [("buy", 4), ("cart", 1), ("interest", 5), ("pv", 1), ("fav", 0)])
def test_steps_of_each_behavior(behavior, rows):
    own = sq.steps(sq.activity(events()), behavior=behavior)
    assert len(own) == rows and list(own) == sq.STEP_COLUMNS
    assert rows or "no event of the kind fav" in own.attrs["reason"]


def test_steps_by_item_and_by_order():
    assert sorted(sq.steps(sq.activity(events(), level="item"), level="item")["item"]) == [11, 11, 12, 21, 31]
    orders = ibis.memtable(pd.DataFrame({"user_id": [1, 1, 1], "timestamp": [7, 7, 9], "category_id": [1, 2, 1]}))
    own = sq.steps(sq.activity(events()), orders=orders, unit="order")
    assert own[["time", "item"]].values.tolist() == [[7, 1], [7, 2], [9, 1]]
    assert "no orders table" in sq.steps(sq.activity(events()), unit="order").attrs["reason"]


def test_rare_items_go_but_their_baskets_stay():
    own = sq.steps(sq.activity(events([*LOG, (3, 21, 2, "buy", 1, ONE)])), min_users=2)
    assert own["item"].dropna().tolist() == [2, 2] and own["user"].nunique() == 3
    assert sq.describe(own)[["users", "users_twice", "baskets"]].values.tolist() == [[3, 1, 5]]


def test_the_events_are_read_once():
    held = hold(events())
    with counted(held) as scans:
        activity = sq.activity(held)
        sq.steps(activity, behavior="interest")
        sq.choices(activity)
    assert sum(n for n, _ in scans) == 1


def test_choices_by_hand():
    table = sq.choices(sq.activity(events())).set_index("behavior")
    assert table.loc["buy"].tolist() == [2, 1, 4, 2.0] and table.loc["interest", "baskets"] == 5
    assert table.loc["fav", "users"] == 0 and pd.isna(table.loc["fav", "baskets_per_user"])


def test_choices_hide_few_customers():
    table = sq.choices(sq.activity(events()), min_cell=2).set_index("behavior")
    assert table.loc["buy", "users"] == 2 and table.loc["buy", ["users_twice", "baskets"]].isna().all()
    assert table.loc["cart"].isna().all() and table.loc["fav", "users"] == 0
    own = sq.describe(steps([(1, 0, "a"), (1, 5, "b"), (2, 0, "a")]), min_cell=2).iloc[0]
    assert own["users"] == 2 and own[["users_twice", "baskets", "median_gap_days"]].isna().all()


def test_wrong_words():
    with pytest.raises(sq.SequenceError, match="unit='week'"):
        sq.steps(sq.activity(events()), unit="week")
    with pytest.raises(sq.SequenceError, match="level='brand'"):
        sq.activity(events(), level="brand")


# next goods, repeats, waiting times


def test_next_items_by_hand():
    rows = [(1, 0, "a"), (1, 2, "b"), (1, 3, "a"), (2, 0, "a"), (2, 1, "c"), (3, 0, "a"), (4, 0, "a"), (4, 40, "b")]
    table = sq.next_items(steps(rows), max_gap_days=30, min_cell=1).set_index(["last", "next"])
    # of the two with a next basket after their first a, one took b; all next baskets: b, a, c
    own = table.loc[("a", "b")]
    assert (own["users_with_next"], own["users"], own["next_rate"]) == (2, 1, 0.5)
    assert own["base_rate"] == pytest.approx(1 / 3) and own["times_base"] == pytest.approx(1.5)


def test_small_groups_are_not_shown():
    rows = [(u, t, i) for u in range(9) for t, i in enumerate("ab")]
    assert sq.next_items(steps(rows), max_gap_days=30, min_cell=9)["users"].tolist() == [9]
    assert "by 10 people" in sq.next_items(steps(rows), max_gap_days=30, min_cell=10).attrs["reason"]
    assert sq.next_matrix(sq.next_items(steps(rows), max_gap_days=30, min_cell=9)).loc["a", "b"] == 1.0


def test_repeats_by_hand():
    rows = [(1, 0, "a"), (1, 10, "a"), (1, 12, "a"), (2, 0, "a"), (2, 20, "a"), (3, 0, "a"), (4, 29, "a"), (4, 29, "b")]
    table = sq.repeats(steps(rows), end=END, days=15, min_cell=1).set_index("item")
    assert table.loc["a", ["buyers", "users", "again_rate", "median_days"]].tolist() == [4, 2, 0.5, 15.0]
    # one of three still waiting after ten days; the fourth buyer was censored on the last day
    assert table.loc["a", "within_rate"] == pytest.approx(1 / 3)


def test_items_with_few_repeaters_are_left_out():
    rows = [(u, t, "a") for u in range(10) for t in (0, 5)] + [(u, t, "b") for u in range(9) for t in (0, 5)]
    assert sq.repeats(steps(rows), end=END, days=15, min_cell=10)["item"].tolist() == ["a"]
    assert "by 11 people" in sq.repeats(steps(rows), end=END, days=15, min_cell=11).attrs["reason"]


def test_waiting_by_hand():
    rows = [(1, 0, "a"), (1, 3, "b"), (2, 0, "b"), (2, 1, "a"), (2, 9, "b"), (3, 24, "a")]
    found = sq.patterns(steps(rows), **LIMITS)
    table = sq.waiting(steps(rows), found, end=END, days=[2, 3, 7, 8], min_cell=1, rows=1)
    # user 3 is censored after five days: of two still waiting at day 8 ... one is left
    assert arrows(found[found["length"] == 2]["pattern"].iloc[0]) == "a → b"
    # told is the time when one more came and one still waits: day 3, but neither day 7 nor day 8
    assert table[["days", "users"]].values.tolist() == [[3, 3]] and table["share"].round(4).tolist() == [0.3333]


def test_a_waiting_time_gives_no_small_group_away():
    came = dict.fromkeys(range(12), 2) | dict.fromkeys(range(12, 16), 6) | dict.fromkeys(range(16, 30), 9)
    rows = [(u, 0, "a") for u in range(120)] + [(u, day, "b") for u, day in came.items()]
    found = sq.patterns(steps(rows), **LIMITS)
    table = sq.waiting(steps(rows), found, end=END, days=[1, 2, 6, 9, 20], min_cell=10, rows=1)
    # four people more on day 6, nobody on day 20: neither is told; 12 and 30 of 120, in whole percent
    assert table[["days", "share"]].values.tolist() == [[2, 0.10], [9, 0.25]] and "at_risk" not in table.columns
    assert sq.waiting(steps(rows), found, end=END, days=[9], min_cell=31, rows=1).attrs["reason"].startswith("between")
    assert sq.waiting(steps(rows), found, end=END, days=[9], min_cell=91, rows=1).empty


@pytest.mark.parametrize(("early", "late", "told"), [(10, 10, True), (9, 11, False), (11, 9, False)])
def test_a_share_that_gives_few_repeaters_away_is_hidden(early, late, told):
    rows = [(u, 0, "a") for u in range(40)] + [(u, 5, "a") for u in range(early)]
    rows += [(early + u, 20, "a") for u in range(late)]
    table = sq.repeats(steps(rows), end=END, days=9, min_cell=10)
    assert table["users"].tolist() == [20] and table["within_rate"].notna().tolist() == [told]
    assert sq.repeats(steps(rows), end=END, days=9, min_cell=11)["median_days"].isna().all()


def test_flows_by_hand():
    rows = [(u, t, i) for u, text in enumerate(["abc", "ab", "a", "abc"]) for t, i in enumerate(text)]
    found = sq.patterns(steps(rows), **LIMITS)
    good = found[found["pattern"].map(arrows).isin(["a → b → c", "a → b"])]
    table = sq.flows(good, found)
    assert table[["sofar", "then"]].values.tolist() == [["a", "b"], ["a → b", "c"]]
    assert table["going_on_share"].round(4).tolist() == [0.75, 0.6667]


# the planted truth


def test_the_planted_chain_is_found_and_its_reverse_and_decoys_are_not():
    own = shop(3_000, seed=7)
    limits = LIMITS | {"min_support": 0.004, "min_users": 10}
    test = sq.tested(own, **limits, **NULL)
    gaps = {k: limits[k] for k in ("max_gap_days", "max_window_days")}
    table = sq.against_truth(TRUTH, DECOYS, test.patterns, own, level="category", **gaps).set_index("sequence")
    assert table.loc["Mobile phone → Phone case → Screen film", "found"] and table.loc["Tissues → Snacks", "count"] > 90
    assert not table.loc[table["kind"].isin(["reversed", "decoy"]), "found"].any()
    assert table.loc["Mobile phone → Phone case", "order_lift"] > 1.3


def test_nothing_planted_nothing_found():
    test = sq.tested(shop(1_500, seed=8, planted=False), **LIMITS | {"min_users": 10}, **NULL)
    assert len(test.patterns) > 20 and test.patterns["adds"].sum() == 0


def test_without_a_truth_there_is_a_reason():
    real = sq.missing(["truth"], "these are not simulated data")
    table = sq.against_truth(real, real, sq.missing(["pattern"], "x"), steps([(1, 0, "a")]), level="category")
    assert table.attrs["reason"] == "these are not simulated data"
    assert sq.share_found(table, "planted").reason and sq.truth_counts(table).empty


# labels, degenerate logs, notebooks


def test_strange_labels_pass_through_every_table_and_chart():
    names = [np.str_("np"), 7, "手机壳", "长" * 10_000, "<script>alert(1)</script>", "$x_1$ =1+1"]
    raw = steps([(u, t, i) for u in range(40) for t, i in enumerate(range(len(names)))])
    own = sq.named(raw, Shop(names))
    found, test = sq.patterns(own, **LIMITS), sq.tested(own, **LIMITS, **NULL)
    after, good = sq.next_items(own, max_gap_days=30, min_cell=1), sq.keep(test.patterns, "adds")
    for table in (sq.readable(found), sq.readable(test.patterns), after, sq.flows(good, found)):
        page = show(table, "t", rows=2_000)._repr_html_()
        assert "手机壳" in page and "&lt;script&gt;" in page and "<script" not in page and "长" * 61 not in page
    arrow = {"source": "sofar", "target": "then", "weight": "going_on_share"}
    chart = charts.network(sq.flows(good, found), **arrow, title="t", source_label="", target_label="", weight_label="")
    heat = charts.heatmap(sq.next_matrix(after), title="t", x_label="", y_label="", unit="", percent=True)
    assert all("<script" not in c.svg() and "<svg" in c.svg() for c in (chart, heat))


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [(1, 0, "a")],
        [(1, 0, None)],
        [(1, t, "a") for t in range(9)],
        [(u, 0, "a") for u in range(40)],
        [(u, t, "a") for u in range(40) for t in (0, 1)],
    ],
)
def test_degenerate_logs(rows):
    own = steps(rows) if rows else sq.missing(sq.STEP_COLUMNS, "no purchase")
    limits = LIMITS | {"min_users": 10}
    found, test = sq.patterns(own, **limits), sq.tested(own, **limits, **NULL)
    good = sq.keep(test.patterns, "adds")
    assert test.patterns.empty and good.attrs["reason"] and sq.first_value(good, "order_lift").reason
    tables = [sq.describe(own), sq.length_counts(found), sq.null_summary(test.runs), sq.flows(good, found)]
    tables += [sq.next_items(own, max_gap_days=9, min_cell=10), sq.repeats(own, end=END, days=9, min_cell=10)]
    tables += [
        sq.waiting(own, good, end=END, days=[1], min_cell=10),
        sq.longer(found),
        sq.readable(test.patterns),
        sq.next_matrix(tables[4]),
    ]
    assert all("nan" not in repr(show(t)).lower() and "inf" not in repr(show(t)).lower() for t in tables)


def test_the_notebook_reads_the_events_once(study_file, monkeypatch):
    log = events([(u, 10 + c, c, "buy", 1_511_600_000 + 90_000 * c, ONE) for u in range(40) for c in range(3)])
    file = study_file(events=log.execute().drop(columns="day"))
    scans = notebook_scans("41_sequences", file, monkeypatch)
    assert sum(n for n, _ in scans) <= 2, scans


def test_views_of_real_rows(shared_data, study_file):
    from helpers.notebook import open_study

    study = open_study(study_file(events=shared_data("UserBehavior_head.csv")), "41_sequences")
    activity = sq.activity(study.events)
    table = sq.choices(activity).set_index("behavior")
    days = study.events.filter(study.events.behavior == "buy").select("user_id", "day").execute().drop_duplicates()
    assert table.loc["buy", "baskets"] == len(days)
    assert table.loc["buy", "users_twice"] == (days["user_id"].value_counts() > 1).sum()
