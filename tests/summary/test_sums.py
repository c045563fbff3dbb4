"""Sums by span against independent pandas sums, on random shops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.engine import as_table
from helpers.summary import sums
from tests.summary.tiny_shop import FRAMES, second

FIRST = pd.Timestamp("2017-11-06")


def shop(seed, lines=300):
    rng = np.random.default_rng(seed)
    order = rng.integers(0, 120, lines)
    who, at = rng.integers(0, 40, 120), rng.integers(0, 21, 120)
    day = FIRST + pd.to_timedelta(at[order], unit="D")
    return pd.DataFrame({
        "order_id": order, "user_id": who[order], "item_id": rng.integers(7, 9, lines), "category_id": 1,
        "quantity": rng.integers(1, 4, lines), "unit_price": rng.integers(1, 30, lines) / 2.0,
        "discount": np.where(rng.random(lines) < 0.3, np.nan, rng.integers(0, 9, lines)), "day": day,
        "timestamp": [second(f"{d:%Y-%m-%d}") for d in day],
    })  # fmt: skip


def spans(seed):
    rng = np.random.default_rng(seed + 1)
    parts = [pd.DataFrame({"span": s, "day": FIRST + pd.to_timedelta(rng.choice(21, 9, replace=False), unit="D")})
             for s in ("now", "last")]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**31))
def test_order_sums_are_those_of_pandas(seed):
    log, days = shop(seed), spans(seed)
    found = sums.order_sums({"orders": as_table(log), "items": as_table(FRAMES["items"])}, days)
    for span in found.index:
        part = log[log.day.isin(days[days.span == span].day)]
        paid = part.quantity * part.unit_price - part.discount.fillna(0)
        sales, placed = paid.groupby(part.user_id).sum(), part.groupby("user_id").order_id.nunique()
        margin = (part.quantity * part.item_id.map({7: 4, 8: 1}) - part.discount.fillna(0)).groupby(part.user_id).sum()
        row = found.loc[span]
        assert row.customers == len(sales) and row.repeaters == (placed >= 2).sum() and row.orders == placed.sum()
        assert row[["sales", "sales_squares", "sales_largest"]].tolist() == pytest.approx(
            [sales.sum(), (sales**2).sum(), sales.max()]
        )
        assert row.sales_orders == pytest.approx((sales * placed).sum())
        assert row.margin_sales == pytest.approx((margin * sales).sum())


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**31))
def test_people_are_those_of_pandas(seed):
    log, days = shop(seed), spans(seed)
    seen = log.sample(frac=0.7, random_state=1).assign(behavior="pv", user_id=lambda t: t.user_id + 10)
    tables = {"orders": as_table(log), "events": as_table(seen)}
    found, first = sums.people_sums(tables, days), log.groupby("user_id").day.min()
    sets = {s: set(days[days.span == s].day) for s in ("now", "last")}
    buyers = {s: set(log[log.day.isin(d)].user_id) for s, d in sets.items()}
    for s, d in sets.items():
        visitors = set(seen[seen.day.isin(d)].user_id)
        assert found.loc[s].tolist() == [len(buyers[s]), len(visitors), len(visitors & buyers[s])]
        assert sums.new_buyers(tables, days).get(s, 0) == first.isin(d).sum()
    kept = sums.kept_buyers(tables, days, base="last", later="now")
    assert kept == (len(buyers["last"] & buyers["now"]), len(buyers["last"]))


def test_ids_of_two_kinds_still_meet():
    log = shop(3)
    seen = log.assign(behavior="pv", user_id=log.user_id.astype(str))
    found = sums.people_sums({"orders": as_table(log), "events": as_table(seen)}, spans(3))
    assert (found.visiting_buyers == found.buyers).all()
