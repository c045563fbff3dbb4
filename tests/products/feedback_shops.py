"""Answers for the tests of notebook 43: by hand, and from the simulated shop's own mechanism."""

from __future__ import annotations

from functools import cache

import ibis
import numpy as np
import pandas as pd

from helpers.simulate import feedback as simulated
from helpers.simulate.block import make_world, simulate_block
from helpers.simulate.settings import ShopSettings

SCHEMA = {
    "user_id": "int64", "item_id": "int64", "rating": "int64", "nps": "int64", "complaint": "boolean",
    "text": "string", "created_at": "int64", "day": "date",
}  # fmt: skip
DAY = 86_400
ODD = [
    "<script>alert(1)</script>很差",
    "好" * 10_000,
    "😀😀",
    "=1+1",
    "",
    "  ",
    None,
    "中文\n换行",
    "{x} %s $y$",
    "‮abc",
]


def frame(rows: list[dict]) -> pd.DataFrame:
    """Answers as `feedback.answers` gives them; what a row does not say is missing."""
    usual = {"item_id": 1, "rating": np.nan, "nps": np.nan, "complaint": pd.NA, "text": None, "created_at": 0}
    table = pd.DataFrame([usual | {"user_id": i, "month": "2017-11"} | row for i, row in enumerate(rows)])
    if table.empty:
        table = pd.DataFrame(columns=[*usual, "user_id", "month"])
    return table.astype({"rating": float, "nps": float, "complaint": "boolean"})


def ibis_feedback(table: pd.DataFrame) -> ibis.Table:
    """The table `feedback` of the contract, as intake gives it."""
    day = pd.to_datetime(table["created_at"], unit="s").dt.date
    rows = table.assign(day=day).reindex(columns=list(SCHEMA)).astype({"rating": "Int64", "nps": "Int64"})
    return ibis.memtable(rows, schema=SCHEMA)


def ibis_orders(rows: list[tuple]) -> ibis.Table:
    """Order lines from (order_id, user_id, item_id, timestamp)."""
    table = pd.DataFrame(rows, columns=["order_id", "user_id", "item_id", "timestamp"])
    day = pd.to_datetime(table["timestamp"], unit="s").dt.date
    table = table.assign(category_id=table["item_id"] // 10, quantity=1, unit_price=10.0, discount=0.0, day=day)
    ids = dict.fromkeys(["order_id", "user_id", "item_id", "timestamp", "category_id", "quantity"], "int64")
    return ibis.memtable(table, schema=ids | {"unit_price": "float64", "discount": "float64", "day": "date"})


@cache
def shop(seed: int, users: int = 900) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, float]:
    """One simulated shop: all orders with or without an answer, the answers, their truth, the score of all orders."""
    world = make_world(ShopSettings(seed=seed, users=users, dirt=False, campaigns=()))
    block = simulate_block(world, 0)
    a, given = block.answers, block.answers["answered"]
    orders = pd.DataFrame({"order_id": np.arange(len(given)), "user_id": a["user"], "answered": given, "month": "m"})
    orders["age_band"], orders["gender"] = block.people.age[a["user"]], block.people.gender[a["user"]]
    orders["city_tier"] = block.people.city_tier[a["user"]]
    orders["orders_before"] = np.minimum(orders.groupby("user_id").cumcount(), 3).astype(str)
    # what only the simulator knows, also of the silent: the stars, and the chance to answer
    orders["stars"], level = a["rating"], np.searchsorted(simulated.BOUNDS, a["mood"], side="right")
    orders["chance"] = np.array(simulated.RESPONSE)[level]
    for name in ("rating", "nps"):
        orders[name] = np.where(given, a[name], np.nan)
    keys = pd.DataFrame({"user_id": a["user"], "item_id": a["item"], "created_at": a["second"]})[given]
    said = {n: a[n][given] for n in ("rating", "nps", "complaint")} | {"text": simulated._TEXTS[a["text"][given]]}
    answers = keys.assign(**said, month="2017-11").astype({"rating": float, "nps": float, "complaint": "boolean"})
    sentiment = np.array(simulated.SENTIMENTS, object)[a["sentiment"][given]]
    truth = keys.assign(sentiment=sentiment, topic=np.array(simulated.TOPICS, object)[a["topic"][given]])
    score = 100 * float((a["nps"] >= 9).mean() - (a["nps"] <= 6).mean())
    return orders, answers.reset_index(drop=True), truth.reset_index(drop=True), score
