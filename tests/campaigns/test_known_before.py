"""What was known before the draw: nothing later gets in, and the balance of the arms."""

import ibis
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.known_before import balance, balance_test, design, known_before

DAY = 86_400
START = 100 * DAY
PEOPLE = pd.DataFrame({"campaign_id": "aug", "user_id": [3, 1, 2], "starts_at": START})


def drawn(at=START - 3600):
    return ibis.memtable({"campaign_id": ["aug"] * 3 + ["jul"], "user_id": [1, 2, 3, 1], "assigned_at": [at] * 3 + [9]})


def orders(*times, user=1):
    rows = [(100 + k, user, 2, 10.0, 4.0, int(t)) for k, t in enumerate(times)]
    columns = ["order_id", "user_id", "quantity", "unit_price", "discount", "timestamp"]
    return ibis.memtable(pd.DataFrame(rows, columns=columns))


def test_orders_before_the_draw_by_hand():
    found = known_before(PEOPLE, drawn(), orders(START - 2 * DAY, START - 10 * DAY), history_days=30)
    assert found.index.tolist() == [3, 1, 2]
    assert found.loc[1].to_dict() == {"orders_before": 2.0, "spend_before": 32.0, "recency_days": 1.0}
    assert found.loc[2].to_dict() == {"orders_before": 0.0, "spend_before": 0.0, "recency_days": 31.0}


@pytest.mark.parametrize("moment", [START - 3600, START - 1800, START, START + DAY, START - 31 * DAY])
def test_nothing_from_the_draw_on_is_seen_and_nothing_older_than_the_history(moment):
    found = known_before(PEOPLE, drawn(), orders(moment), history_days=30)
    assert found.orders_before.sum() == 0


def test_the_cut_off_is_never_after_the_start():
    late = known_before(PEOPLE, drawn(START + 5 * DAY), orders(START - 60, START + 60), history_days=30)
    without = known_before(PEOPLE, drawn().drop("assigned_at"), orders(START - 60, START + 60), history_days=30)
    assert late.orders_before.loc[1] == without.orders_before.loc[1] == 1.0


def test_actions_and_traits():
    log = pd.DataFrame({"user_id": 2, "behavior": ["pv", "pv", "cart", "buy"], "timestamp": START - 2 * DAY})
    log.loc[1, "timestamp"] = START - 5 * DAY
    traits = ibis.memtable({"user_id": [1, 2], "city_tier": [4, 2], "age_band": ["55+", None]})
    found = known_before(PEOPLE, drawn(), orders(START), users=traits, events=ibis.memtable(log))
    row = found.loc[2]
    assert (row.views_before, row.carts_before, row.active_days_before) == (2.0, 1.0, 2.0)
    assert found.age_band.to_dict() == {3: "unknown", 1: "55+", 2: "unknown"}
    assert found.city_tier.to_dict() == {3: 3.0, 1: 4.0, 2: 2.0}  # the median for the unknown


def test_nobody():
    assert "no participants" in known_before(PEOPLE.head(0), drawn(), orders()).attrs["reason"]
    with pytest.raises(ExperimentError, match="history_days 0"):
        known_before(PEOPLE, drawn(), orders(), history_days=0)


def test_features_as_numbers():
    table = pd.DataFrame({"age": ["a", "b", "a"], "many": [0.0, 99, 1], "few": [1, 2, 3], "flat": 7})
    found = design(table.assign(names=["x", "y", "z"]))
    assert list(found.columns) == ["age = a", "age = b", "log(1 + many)", "few", *(f"names = {n}" for n in "xyz")]
    assert found["log(1 + many)"].tolist() == pytest.approx([0, np.log(100), np.log(2)])
    assert design(pd.DataFrame({"name": [f"n{k}" for k in range(13)]})).shape == (13, 0)


def test_standardised_difference_by_hand():
    known = pd.DataFrame({"orders": [2.0, 4, 6, 1, 3, 5]})
    row = balance(known, np.array([1, 1, 1, 0, 0, 0])).iloc[0]
    assert (row.difference, row.mean_treated, row.mean_control) == (0.5, 4.0, 3.0)  # 1 / √((4 + 4)/2)
    assert row.by_chance == pytest.approx(1.959964 * (2 / 3) ** 0.5) and row.inside


def test_the_balance_test_keeps_its_promise():
    rng, found = np.random.default_rng(1), []
    for _ in range(150):
        letters = rng.choice(["x", "y", "z"], 300)
        known = pd.DataFrame({"a": rng.random(300), "b": letters, "c": rng.exponential(1, 300)})
        found.append(balance_test(known, rng.integers(0, 2, 300)))
    assert np.mean(np.array(found) < 0.05) < 0.10
    assert 0.42 < np.mean(found) < 0.58


def test_one_feature_is_the_square_of_its_z():
    rng = np.random.default_rng(2)
    x, t = rng.random(500), rng.integers(0, 2, 500)
    pooled = (x[t == 1].var(ddof=1) * (t.sum() - 1) + x[t == 0].var(ddof=1) * ((1 - t).sum() - 1)) / 498
    z = (x[t == 1].mean() - x[t == 0].mean()) / np.sqrt(pooled * (1 / t.sum() + 1 / (1 - t).sum()))
    assert balance_test(pd.DataFrame({"x": x}), t) == pytest.approx(2 * norm.sf(abs(z)))


def test_chosen_people_are_found_out():
    rng = np.random.default_rng(3)
    x = rng.random(600)
    assert balance_test(pd.DataFrame({"x": x}), (rng.random(600) < x).astype(int)) < 1e-6


def test_nothing_to_balance():
    flat = pd.DataFrame({"x": [1.0, 1, 1, 1]})
    assert balance_test(flat, np.array([1, 1, 0, 0])) is None
    assert "nothing that differs" in balance(flat, np.array([1, 1, 0, 0])).attrs["reason"]
    assert "fewer than two" in balance(pd.DataFrame({"x": [1.0, 2, 3]}), np.array([1, 0, 0])).attrs["reason"]
