"""The shop against published figures of the UserBehavior log (Taobao, nine days of 2017)."""

import numpy as np
import pandas as pd
import pytest

from helpers.simulate.settings import START, day_of

CLEAN = {"pv": 89_660_671, "cart": 5_530_446, "fav": 2_888_258, "buy": 2_015_807}
FESTIVE_WEEKS = [(day_of("2017-11-06"), day_of("2017-11-12")), (day_of("2017-12-11"), day_of("2017-12-17"))]


def windows(events: pd.DataFrame) -> pd.DataFrame:
    """Users, buyers and views of the disjoint nine-day windows outside the festival weeks."""
    number = (events.timestamp - START) // (9 * 86_400)
    counts = pd.DataFrame({
        "users": events.groupby(number).user_id.nunique(),
        "buyers": events[events.behavior == "buy"].groupby(number).user_id.nunique(),
        "views": (events.behavior == "pv").groupby(number).sum(),
    })  # fmt: skip
    festive = [w for w in counts.index if any(9 * w <= last and 9 * w + 8 >= first for first, last in FESTIVE_WEEKS)]
    return counts.drop(index=[*festive, 20], errors="ignore")


def hour_shares(events: pd.DataFrame) -> pd.Series:
    views = events[events.behavior == "pv"]
    return ((views.timestamp + 8 * 3_600) // 3_600 % 24).value_counts(normalize=True).sort_index()


def test_the_mix_of_behaviours_is_the_published_one(shop):
    mix = shop["events"].behavior.value_counts(normalize=True)
    published = pd.Series(CLEAN) / sum(CLEAN.values())
    assert mix[published.index].to_numpy() == pytest.approx(published.to_numpy(), abs=0.003)


def test_buyers_among_users_of_nine_days_are_the_published_share(shop):
    nine = windows(shop["events"])
    assert len(nine) >= 16
    assert (nine.buyers / nine.users).mean() == pytest.approx(672_404 / 987_991, abs=0.03)


def test_views_of_a_user_in_nine_days_have_the_published_size(shop):
    nine = windows(shop["events"])
    assert 60 <= (nine.views / nine.users).mean() <= 91  # published 90.75: the file was sampled on activity


def test_the_day_peaks_at_21_and_is_lowest_at_4(shop):
    share = hour_shares(shop["events"])
    assert (share.idxmax(), share.idxmin()) == (21, 4)
    assert share[4] / share[21] == pytest.approx(449_628 / 7_538_382, abs=0.01)


def test_the_hours_correlate_with_the_real_log(shop, shared_data):
    names = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    real = pd.read_csv(shared_data("UserBehavior_head.csv"), names=names).dropna()
    real = real[real.timestamp.between(1_511_539_200, 1_512_316_799)].astype({"timestamp": "int64"})
    assert np.corrcoef(hour_shares(real), hour_shares(shop["events"]))[0, 1] >= 0.98


def test_sessions_have_about_six_actions(shop):
    events = shop["events"]
    new = (events.user_id != events.user_id.shift()) | (events.timestamp.diff() > 1_800)
    assert len(events) / new.sum() == pytest.approx(6.05, abs=0.4)


def test_about_half_of_the_purchases_were_viewed_on_the_same_day(shop):
    events = shop["events"].assign(day=lambda e: (e.timestamp + 8 * 3_600) // 86_400)
    keys = ["user_id", "item_id", "day"]
    bought, seen = (events.loc[events.behavior == b, keys].drop_duplicates() for b in ("buy", "pv"))
    assert len(bought.merge(seen)) / len(bought) == pytest.approx(1_053_586 / 1_966_120, abs=0.04)


def test_views_have_a_long_tail(shop):
    views = shop["events"].query("behavior == 'pv'")
    share = views.category_id.value_counts(normalize=True)
    items = views.item_id.value_counts(normalize=True)
    assert len(share) == 94
    assert 0.03 <= share.iloc[0] <= 0.08
    assert items.head(len(items) // 10).sum() > 0.35


def test_double_11_is_the_busiest_day_of_the_orders(shop):
    day = (shop["orders"].timestamp - START) // 86_400
    assert day.value_counts().idxmax() == day_of("2017-11-11")


def test_the_planted_anomalies_move_the_daily_views(shop):
    events = shop["events"]
    day = ((events.timestamp - START) // 86_400)[events.behavior == "pv"].value_counts().sort_index()
    usual = day.rolling(15, center=True, min_periods=8).median()
    assert day[day_of("2017-09-05")] < 0.6 * usual[day_of("2017-09-05")]
    assert day[day_of("2017-10-18")] > 1.3 * usual[day_of("2017-10-18")]
