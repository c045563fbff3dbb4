"""Histories: a plain-Python oracle on random order logs, the published CDNOW table, the clock, and its edges."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.customers import histories
from helpers.customers.histories import LifetimeError
from helpers.engine import as_table
from tests.customers.cdnow import calibration, transactions

WINDOW = (pd.Timestamp("2017-01-01"), pd.Timestamp("2017-01-30"))
CUT = pd.Timestamp("2017-01-20")


def crowd(seed: int, users: int = 125) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random order lines of customers (some without any), several a day, and their days of registration."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rng.integers(0, 7, users))
    day = WINDOW[0] + pd.to_timedelta(rng.integers(0, 30, len(user)), unit="D")
    lines = pd.DataFrame({"user_id": user, "day": day, "quantity": rng.integers(1, 4, len(user))})
    lines["unit_price"], lines["discount"] = (
        rng.integers(1, 50, len(user)).astype(float),
        rng.choice([0.0, 0.5], len(user)),
    )
    first = lines.groupby("user_id")["day"].min().reindex(range(users)).fillna(WINDOW[1])
    joined = first - pd.to_timedelta(rng.integers(0, 40, users), unit="D")
    return lines, pd.DataFrame({"user_id": range(users), "joined_on": joined.to_numpy()})


def by_hand(lines: pd.DataFrame, users: pd.DataFrame | None, size: dict) -> dict:
    """user → (x, recency, T, monetary, later orders, variance of amounts), counted day by day."""

    calendar = list(pd.date_range(*WINDOW))

    def span(first, last) -> float:  # weeks of the days after `first` up to `last`
        return sum(size.get(d, 1.0) for d in calendar if first < d <= last) / 7

    found = {}
    lines_of, nobody = dict(list(lines.groupby("user_id"))), lines.head(0)
    for user in range(125) if users is not None else sorted(lines_of):
        own = lines_of.get(user, nobody)
        paid = {}
        for row in own.itertuples():
            paid[row.day] = paid.get(row.day, 0) + row.quantity * row.unit_price - row.discount
        early = sorted(d for d in paid if d <= CUT)
        if users is not None:
            start = max(users["joined_on"].iloc[user], WINDOW[0]) - pd.Timedelta(days=1)
            if start >= CUT:
                continue
            counted = early
        elif early:
            start, counted = early[0], early[1:]
        else:
            continue
        amounts = [paid[d] for d in counted]
        mean = np.mean(amounts) if counted else np.nan
        found[user] = (
            len(counted),
            span(start, counted[-1]) if counted else 0,
            span(start, CUT),
            mean,
            len(paid) - len(early),
            np.var(amounts, ddof=1) if len(amounts) > 1 else np.nan,
        )
    return found


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(histories.STARTS))
def test_random_logs_agree_with_the_oracle(seed: int, start: str) -> None:
    lines, users = crowd(seed)
    weeks = histories.clock(WINDOW, busy_days="2017-01-05: 3, 2017-01-19: 0.5, 2018-01-01: 9")
    days = histories.order_days(as_table(lines))
    found = histories.histories(days, as_table(users), weeks=weeks, until=CUT, start=start)
    size = {pd.Timestamp("2017-01-05"): 3.0, pd.Timestamp("2017-01-19"): 0.5}
    wanted = by_hand(lines, users if start == "registration" else None, size)
    columns = ["frequency", "recency", "T", "monetary", "later_orders", "amount_variance"]
    wanted = pd.DataFrame.from_dict(wanted, orient="index", columns=columns).astype(float)
    pd.testing.assert_frame_equal(found.set_index("user_id")[columns].astype(float), wanted, check_names=False)


def test_cdnow_gives_the_table_that_plain_pandas_gives(shared_data) -> None:
    path = shared_data("cdnow_sample.txt")
    weeks = histories.clock((pd.Timestamp("1997-01-01"), pd.Timestamp("1998-06-30")))
    found = histories.histories(as_table(transactions(path)), None, weeks=weeks, until=pd.Timestamp("1997-09-30"))
    wanted = calibration(path)
    assert found.attrs["start"] == "first order" and (found["frequency"] == wanted["frequency"]).all()
    assert np.allclose(found[["recency", "T"]], wanted[["recency", "T"]])
    assert np.allclose(found["monetary"].dropna(), wanted["monetary"].dropna())


def test_order_and_names_of_customers_do_not_matter() -> None:
    lines, _ = crowd(1)
    weeks = histories.clock(WINDOW)
    one = histories.histories(histories.order_days(as_table(lines)), None, weeks=weeks)
    mixed = lines.sample(frac=1, random_state=1).assign(user_id=1_000 - lines["user_id"])
    other = histories.histories(histories.order_days(as_table(mixed)), None, weeks=weeks)
    other = other.assign(user_id=1_000 - other["user_id"]).sort_values("user_id", ignore_index=True)
    pd.testing.assert_frame_equal(one, other)


def test_a_second_order_on_the_same_day_is_no_second_purchase() -> None:
    lines, _ = crowd(2)
    weeks, more = histories.clock(WINDOW), lines.assign(unit_price=1.0)
    tables = [
        histories.histories(histories.order_days(as_table(t)), None, weeks=weeks)
        for t in (lines, pd.concat([lines, more]))
    ]
    columns = ["user_id", "frequency", "recency", "T"]
    pd.testing.assert_frame_equal(tables[0][columns], tables[1][columns])


def test_no_orders_gives_an_empty_table_with_its_reason() -> None:
    lines, users = crowd(3)
    table = as_table(lines)
    nothing = histories.order_days(table.filter(table.quantity < 0))
    weeks = histories.clock(WINDOW)
    assert "no customer bought" in histories.histories(nothing, None, weeks=weeks).attrs["reason"]
    registered = histories.histories(nothing, as_table(users), weeks=weeks)
    assert (registered["frequency"] == 0).all() and registered["monetary"].isna().all()


def test_one_customer_on_one_day() -> None:
    line = pd.DataFrame({"user_id": [7], "day": [WINDOW[1]], "quantity": [1], "unit_price": [5.0], "discount": [0.0]})
    found = histories.histories(histories.order_days(as_table(line)), None, weeks=histories.clock(WINDOW))
    assert found.iloc[0][["frequency", "recency", "T"]].tolist() == [0, 0, 0]


def test_wrong_words_are_named() -> None:
    with pytest.raises(LifetimeError, match="'11-11: 4' is not a day"):
        histories.clock(WINDOW, busy_days="11-11: 4")
    with pytest.raises(LifetimeError, match="start: 'birth'"):
        histories.histories(as_table(crowd(1)[0]), None, weeks=histories.clock(WINDOW), start="birth")
    with pytest.raises(LifetimeError, match="share: 1"):
        histories.cut_day(WINDOW, share=1)


def test_the_size_of_a_campaign_by_hand() -> None:
    # 4 people: both treated order on the campaign's day, one of two left out does: 3 orders, 4 × (3/4 − 1/2) = 1 added
    days = pd.DataFrame({"user_id": [1, 2, 3], "day": [WINDOW[0]] * 3, "paid": [1.0] * 3})
    arms = pd.DataFrame({"campaign_id": "c", "user_id": [1, 2, 3, 4], "arm": ["new", "new", "control", "control"]})
    second = int(WINDOW[0].timestamp())
    plan = pd.DataFrame(
        {"campaign_id": ["c"], "starts_at": [second], "ends_at": [second + 86_399], "randomised": [True]}
    )
    sizes = histories.campaign_sizes(as_table(days), as_table(plan), as_table(arms), time_zone="UTC")
    assert sizes[["people", "orders", "added", "size"]].iloc[0].tolist() == [4, 3, 1.0, 1.5]
    assert histories.clock(WINDOW, campaigns=sizes).iloc[0] == pytest.approx(1.5 / 7)
    assert histories.campaign_sizes(as_table(days), None, None, time_zone="UTC").empty
