"""Bad input of the advertising tables: each case gets its message, its missing value or its refusal."""

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import attribution, budget
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.incrementality import holdout_costs, holdout_effects
from helpers.engine import as_table
from helpers.findings import NotAnswerable, missing
from helpers.notebook import open_study
from helpers.study import StudyError
from tests.campaigns.test_incrementality import shop

DAY = 86_400
WINDOW = (pd.Timestamp("2017-11-25"), pd.Timestamp("2017-12-03"))
START = int(pd.Timestamp("2017-11-25", tz="Asia/Shanghai").timestamp())


def money(*rows: tuple) -> ibis.Table:
    return as_table(pd.DataFrame(rows, columns=["day", "channel", "amount"]).astype({"amount": float}))


def orders(price: float = 9.0, users: int = 30) -> pd.DataFrame:
    ids = np.arange(1, users + 1)
    table = pd.DataFrame({"order_id": ids, "user_id": ids, "item_id": 1, "category_id": 1, "quantity": 1})
    return table.assign(unit_price=price, discount=0.0, timestamp=START + DAY + ids * 3_600)


def touches(channel: str = "tv", users: int = 30) -> pd.DataFrame:
    ids = np.arange(1, users + 1)
    return pd.DataFrame({"user_id": ids, "channel": channel, "timestamp": START + ids * 3_600, "cost": 0.5})


@pytest.mark.parametrize(("code", "word"), [("ZZZ", "such as CNY"), ("RMB", "Did you mean 'CNY'")])
def test_an_unknown_currency_is_refused(study_file, code, word):
    with pytest.raises(StudyError, match=f"line .*'{code}' is no currency's code.*{word}"):
        open_study(study_file(top={"currency": code}, orders=orders(), touchpoints=touches()), "52_attribution")


def test_equal_touches_count_once(study_file):
    doubled = pd.concat([touches(), touches()], ignore_index=True)
    study = open_study(study_file(orders=orders(), touchpoints=doubled), "52_attribution")
    assert study.touchpoints.count().execute() == 30
    assert study.ingested["touchpoints"].manifest["duplicates"]["exact"] == 30


def test_touches_that_the_study_keeps_twice_give_the_order_once():
    doubled = as_table(pd.concat([touches("a"), touches("a"), touches("b")], ignore_index=True))
    found = attribution.attribute(attribution.touch_paths(doubled, as_table(orders())), boots=0)
    assert found.credit[..., 0].sum(axis=1) == pytest.approx(np.full(len(found.methods), 30))


def test_money_before_the_window_is_said_and_left_out():
    days = budget.spend_days(money(("2017-11-24", "tv", 7), ("2017-11-25", "tv", 2)), window=WINDOW)
    checks = budget.spend_oddities(days).set_index("check")
    assert days.amount.tolist() == [2.0]
    assert checks.loc["spent outside the window", ["channels", "amount"]].tolist() == ["tv", 7.0]


def test_all_money_outside_the_window():
    days = budget.spend_days(money(("2016-01-01", "tv", 7)), window=WINDOW)
    booked = budget.attributed(as_table(touches()), as_table(orders()), days)
    assert "no money was spent in the study's window" in booked.attrs["reason"]
    assert budget.measures(booked).attrs["reason"] == booked.attrs["reason"]


@pytest.mark.parametrize("amount", [None, float("nan"), -3.0, float("inf")])
def test_missing_or_negative_money_is_refused(amount):
    with pytest.raises(ExperimentError, match="amount of tv on 2017-11-25"):
        budget.spend_days(money(("2017-11-25", "tv", amount), ("2017-11-25", "web", 1)))


def test_channels_with_only_one_side():
    days = budget.spend_days(money(("2017-11-25", "radio", 5)), window=WINDOW)
    checks = budget.spend_oddities(days, as_table(touches("tv"))).set_index("check")
    assert checks.loc["money without touches", ["channels", "amount"]].tolist() == ["radio", 5.0]
    assert checks.loc["touches without money", "channels"] == "tv"
    assert pd.isna(checks.loc["touches without money", "amount"])


def test_money_that_is_all_zero_has_no_return():
    rows = [(str(day.date()), "tv", 0) for day in pd.date_range(*WINDOW)]
    days = budget.spend_days(money(*rows), window=WINDOW)
    table = pd.DataFrame({"tv": np.zeros(60), "orders": np.arange(60.0)})
    fit = budget.fit_response(table, channels=["tv"], outcome="orders")
    row = pd.DataFrame({"channel": ["tv"], "spend": [0.0], "sales": 9.0, "margin": 1.0, "new_customers": 0})
    assert budget.spend_oddities(days).set_index("check").loc["all amounts are 0", "channels"] == "tv"
    assert budget.curves(fit).because.tolist() == ["no money was spent"]
    assert "can tell its effect" in budget.straight_lines(table, channels=["tv"], outcome="orders").attrs["reason"]
    assert budget.measures(row)[["roas", "roi", "cac", "payback_weeks"]].isna().all(axis=None)


def test_one_channel_takes_everything():
    paths = attribution.touch_paths(as_table(touches()), as_table(orders()))
    found = attribution.attribute(paths, boots=30)
    table = attribution.credit_table(found)
    assert set(table["credit_share"].astype(float).round(9)) == {1.0}
    assert attribution.sensitivity(as_table(touches()), as_table(orders()))["tv_share"].dropna().eq(1).all()


def test_an_order_below_zero_ends_politely():
    back = as_table(orders(price=-9.0).assign(day=pd.Timestamp("2017-11-26")))
    days = budget.spend_days(money(("2017-11-25", "tv", 5)))
    with pytest.raises(NotAnswerable, match="negative value"):
        budget.daily(days, back, window=WINDOW)
    with pytest.raises(NotAnswerable, match="negative value"):
        budget.attributed(as_table(touches()), back, days)


def test_one_touch_without_its_cost_makes_the_cost_unknown():
    tables = shop()
    first = tables["touchpoints"].user_id == 0
    tables["touchpoints"] = tables["touchpoints"].mutate(cost=ibis.ifelse(first, ibis.null("float64"), 0.5))
    paths = attribution.touch_paths(tables["touchpoints"], tables["orders"])
    effects = holdout_effects(paths, tables, min_cell=5)
    assert effects["cost"].isna().all() and effects["incremental"].notna().all()
    assert holdout_costs(effects, order_margin=9).attrs["reason"] == "the cost of the touches is not known"


def test_without_spend_there_are_no_costs():
    days = attribution.spend_days(None)
    none = missing(["truth"], "real data")
    credit = pd.DataFrame({"method": ["last touch"], "channel": ["tv"], "orders": [4.0]})
    assert attribution.channel_costs(credit, days, none).attrs["reason"] == "the study has no table spend"
