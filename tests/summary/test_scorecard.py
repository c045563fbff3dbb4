"""The scorecard of a shop counted by hand: every indicator, its target, its change, and what is not measurable."""

import numpy as np
import pandas as pd
import pytest

from helpers.summary import scorecard
from helpers.summary.indicators import BY_KEY, GROUPS, INDICATORS, NOT_MEASURABLE
from helpers.tables import TABLES, absent
from tests.summary.tiny_shop import CAMPAIGNS, FRAMES, NONE_KNOWN, NOVEMBER, ORDERS, WINDOW, ZONE, second, tables

HOW = {"window": WINDOW, "zone": ZONE, "known": NONE_KNOWN, "quiet_days": 0, "min_cell": 1}


def judge(shop, **more):
    given = {"period": "2017-11", "campaigns": CAMPAIGNS, "brand": {"brand_awareness": (30, 200)}}
    return scorecard.measured(shop, **HOW | given | more)


@pytest.fixture(scope="module")
def found():
    return judge(tables())


@pytest.fixture(scope="module")
def card(found):
    return scorecard.card(found)


def test_there_are_seven_groups_and_every_need_is_a_table():
    assert tuple(dict.fromkeys(i.group for i in INDICATORS)) == GROUPS and len(GROUPS) == 7
    assert all(n in TABLES for i in INDICATORS for need in i.needs for n in need.split(" or "))
    assert len(BY_KEY) == len(INDICATORS) == len(scorecard.definitions())


@pytest.mark.parametrize("key", NOVEMBER)
def test_every_indicator_by_hand(found, key):
    value = found.of("now", key)
    assert value.value is None if NOVEMBER[key] is None else value.value == pytest.approx(NOVEMBER[key])
    assert value.ci_low is None or value.ci_low <= value.value <= value.ci_high


@pytest.mark.parametrize("gone", ["orders", "spend", "feedback", "campaigns"])
def test_without_a_table_its_indicators_say_what_they_need(gone):
    shop = tables(without=(gone,))
    found = judge(shop)
    for i in INDICATORS:
        value = found.of("now", i.key)
        if absent(i.needs, tuple(shop)):
            assert value.value is None and NOT_MEASURABLE in value.reason and gone in value.reason
        elif NOVEMBER[i.key] is not None and (gone != "orders" or i.group == "feedback"):
            assert value.value == pytest.approx(NOVEMBER[i.key])


def test_targets_lights_and_facts(card):
    row = card.set_index("indicator")
    assert row.light[["sales_amount", "nps", "complaint_rate", "orders"]].tolist() == ["amber", "red", "amber", "grey"]
    assert row.reached[["sales_amount", "nps", "complaint_rate", "orders"]].tolist() == ["yes", "no", "yes", ""]
    assert row.because["orders"] == "no target" and row.benchmark_light["nps"] == "grey"
    assert row.target["sales_amount"] == 40 and row.benchmark["sales_amount"] == 30


def test_the_target_of_a_total_is_scaled_to_the_days_that_are_seen():
    shop = tables()
    part = scorecard.card(judge(shop, window=(WINDOW[0], pd.Timestamp("2017-11-20")))).set_index("indicator")
    assert part.target["sales_amount"] == pytest.approx(40 * 20 / 30) and part.target["complaint_rate"] == 0.5


def test_the_change_is_that_of_like_for_like_days():
    """Of the 30 and 31 days 28 can be compared; the last ones hold all orders: 57 against 15."""
    row = scorecard.card(judge(tables())).set_index("indicator").loc["sales_amount"]
    assert row["last"] == 15 and row.change == pytest.approx(57 / 15 - 1)
    assert row.change_ci_low < row.change < row.change_ci_high


def test_a_known_day_is_left_out_of_the_change_only():
    known = pd.DataFrame({"day": pd.to_datetime(["2017-11-14"]), "event": "own"})
    found = judge(tables(), known=known)
    assert found.of("now", "sales_amount").value == 57 and found.of("like now, last", "sales_amount").value == 42


def test_other_changes(card):
    row = card.set_index("indicator")
    assert row.change["market_share"] == pytest.approx(57 / 1200 / (15 / 600) - 1)
    assert row.change["nps"] == 125 and row.change["incremental_profit"] == 150
    assert pd.isna(row.change["retention_rate"]) and row.year_change.isna().all()


def test_the_same_period_of_the_year_before():
    earlier = ORDERS.assign(day=ORDERS.day - pd.DateOffset(years=1), order_id=ORDERS.order_id + 50)
    shop = tables(orders=pd.concat([ORDERS, earlier.assign(quantity=2 * earlier.quantity)]))
    table = scorecard.card(judge(shop, window=(pd.Timestamp("2016-10-01"), WINDOW[1])))
    assert table.set_index("indicator").year_change["units_sold"] == pytest.approx(-0.5)
    assert "against_last_year" in scorecard.changes(table)


def test_a_category_that_the_market_table_does_not_know_counts_on_neither_side():
    market = FRAMES["market"].query("category_id == 1")
    assert judge(tables(market=market)).of("now", "market_share").value == pytest.approx(37 / 1000)
    shares = scorecard.categories(tables(), judge(tables())).set_index("category_id")
    assert shares.value_share.to_dict() == pytest.approx({1: 37 / 1000, 2: 20 / 200})


def test_small_groups_are_not_shown():
    found = judge(tables(), min_cell=10)
    keys = ["sales_amount", "buyers", "market_share", "nps", "return_on_ad_spend", "repeat_purchase_rate"]
    assert {found.of("now", k).reason for k in keys} == {"fewer than 10 customers"}
    assert scorecard.categories(tables(), found)["sales"].isna().all()


def test_an_unknown_margin_is_no_margin():
    items = FRAMES["items"].assign(unit_margin=[4.0, None])
    found = judge(tables(items=items))
    assert "margin of 2 order lines" in found.of("now", "gross_margin").reason
    assert found.of("now", "sales_amount").value == 57


def test_channels_are_a_booking_beside_an_experiment(found):
    tested = pd.DataFrame({"channel": ["tv"], "roas": [1.5], "roas_ci_low": [-1.0], "roas_ci_high": [4.0]})
    table = scorecard.channel_table(found, tested=tested).set_index("channel")
    assert table.spend_share.to_dict() == {"tv": 0.6, "web": 0.4}
    assert table.booked_roas.to_dict() == {"tv": pytest.approx(np.nan, nan_ok=True), "web": 11.0}
    assert table.incremental_roas["tv"] == 1.5 and pd.isna(table.incremental_roas["web"])


def test_words_for_people(found, card):
    words = scorecard.in_words(card, currency="CNY").set_index("indicator")
    figures = [v.replace("\N{NO-BREAK SPACE}", " ") for v in words.value[["sales", "value share", "NPS", "retention"]]]
    assert figures == ["57 CNY", "4.75 %", "25", "50.0 %"]
    assert words.light["NPS"] == "✗ off target" and words.light["share of searches"].startswith("– not measurable")
    said = scorecard.sentences(card, found, currency="CNY").sentence
    assert said[0].startswith("2017-11: of 3 indicators with a target 0 are on target, 1 are off target")
    assert said[1] == "Off target: NPS (25, target 90)." and scorecard.unknown_targets(found) == ["own_idea"]


def test_targets_that_cannot_be_used_are_named(found):
    assert "no indicator own_idea" in repr(scorecard.target_notes(found))
    odd = FRAMES["targets"].assign(period="2017-W45", indicator=["nps", "orders", "buyers", "csat_rate"])
    assert "period 2017-W45 is neither" in repr(scorecard.target_notes(judge(tables(targets=odd))))
    assert "no table of targets" in repr(scorecard.target_notes(judge(tables(without=("targets",)))))


def test_changes_in_words(found, card):
    trend = pd.DataFrame({"indicator": ["orders"], "trend": ["↗ rising"]})
    moves = scorecard.changes(card, trend=trend, currency="CNY").set_index("indicator")
    assert (
        moves.trend["orders"] == "↗ rising" and moves.trend["sales"] == "–" and "share of searches" not in moves.index
    )
    assert moves.benchmark["sales"] == "30 CNY" and moves.light_against_benchmark["sales"] == "≈ cannot tell"
    assert moves.against_last_period["sales"].startswith("+280.0 % (") and moves.benchmark["NPS"] == "–"


def test_without_targets_there_is_no_light():
    found = judge(tables(without=("targets",)))
    card = scorecard.card(found)
    assert set(card.light) == {"grey"} and "no indicator has a target" in scorecard.sentences(card, found).sentence[0]


def test_weeks_are_a_series(found):
    weekly = scorecard.series(found)
    sums = weekly[weekly.indicator == "sales_amount"].set_index("week").value
    assert sums[pd.Timestamp("2017-11-06")] == 22 and sums[pd.Timestamp("2017-11-13")] == 25
    assert not set(weekly.indicator) & {"retention_rate", "market_share", "incremental_profit"}


@pytest.mark.parametrize("brand", [{"brand_awareness": (5, 3)}, {"brand_search_share": (-1, 3)}])
def test_counts_of_the_brand_must_fit(brand):
    with pytest.raises(scorecard.ScorecardError, match="brand"):
        judge(tables(), brand=brand)


EMPTY = {
    "nobody": ORDERS.head(0),
    "one": ORDERS.head(1),
    "one day": ORDERS.assign(day=pd.Timestamp("2017-11-06"), timestamp=second("2017-11-06")),
    "all equal": ORDERS.assign(quantity=1, unit_price=1.0, discount=0.0),
    "free": ORDERS.assign(unit_price=0.0, discount=0.0),
}


@pytest.mark.parametrize("case", EMPTY)
def test_degenerate_shops_have_a_scorecard(case):
    found = judge(tables(orders=EMPTY[case].astype(ORDERS.dtypes)))
    card = scorecard.card(found)
    numbers = card[["value", "ci_low", "ci_high", "change"]].astype(float)
    assert len(card) == len(INDICATORS) and not np.isinf(numbers).any(axis=None)
    moves = scorecard.changes(card, trend=scorecard.trends(scorecard.series(found)))
    for words in (scorecard.in_words(card), moves):
        assert not words.astype(str).isin(["nan", "inf", "None"]).any(axis=None)
