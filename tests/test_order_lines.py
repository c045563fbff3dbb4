"""Order values and last touches against an independent pandas walk over every order."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.engine import as_table
from helpers.order_lines import DAY, last_touch, order_totals


def shop(seed):
    rng = np.random.default_rng(seed)
    order = np.repeat(np.arange(60), rng.integers(1, 4, 60))
    who, when = rng.integers(0, 15, 60), rng.integers(0, 20, 60) * DAY // 2
    lines = pd.DataFrame({
        "order_id": order, "user_id": who[order], "item_id": rng.integers(0, 3, len(order)),
        "quantity": rng.integers(1, 4, len(order)), "unit_price": 10.0, "timestamp": when[order],
        "discount": np.where(rng.random(len(order)) < 0.5, np.nan, 1.0),
    })  # fmt: skip
    touches = pd.DataFrame({"user_id": rng.integers(0, 15, 80), "channel": rng.choice(["a", "b", "c"], 80),
                            "timestamp": rng.integers(0, 20, 80) * DAY // 2})  # fmt: skip
    return lines.assign(day=pd.to_datetime(lines.timestamp // DAY, unit="D")), touches


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 5))
def test_every_order_has_its_last_touch(seed, days):
    lines, touches = shop(seed)
    items = as_table(pd.DataFrame({"item_id": [0, 1], "unit_margin": [4.0, 2.0]}))
    totals = order_totals(as_table(lines), items)
    found = last_touch(totals, as_table(touches), lookback_days=days).execute().set_index("order_id")
    for number, part in lines.groupby("order_id"):
        at, who = part.timestamp.iloc[0], part.user_id.iloc[0]
        own = touches[(touches.user_id == who) & touches.timestamp.between(at - days * DAY, at)]
        assert (number in found.index) == (len(own) > 0)
        if len(own):
            row = found.loc[number]
            assert row.channel == own[own.timestamp == own.timestamp.max()].channel.min()
            assert row.sales == (part.quantity * 10).sum() - part.discount.sum()
            earned = part.quantity * part.item_id.map({0: 4.0, 1: 2.0}) - part.discount.fillna(0)
            assert row.margin == earned.sum() if earned.notna().any() else pd.isna(row.margin)
