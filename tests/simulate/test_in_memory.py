import numpy as np
import pytest
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from helpers.simulate import SettingsError, simulate_baskets, simulate_customers, simulate_experiment, simulate_uplift
from helpers.simulate.campaigns import Offer


def test_the_experiment_shows_the_outcome_of_the_drawn_arm():
    table = simulate_experiment(500, effect=0.2, seed=3)
    assert list(table.columns) == ["user_id", "arm", "pre_spend", "spend", "purchased", "y0", "y1"]
    assert (table.spend == table.y1.where(table.arm == "treated", table.y0)).all()
    assert (table.purchased == (table.spend > 0)).all()


def test_only_added_orders_distinguish_the_outcomes():
    table = simulate_experiment(4_000, effect=0.2, seed=3)
    assert (table.y1 >= table.y0).all()
    # 0.2 on average over city tiers (0.993) and over customers who have left (half)
    assert (table.y1 > table.y0).mean() == pytest.approx(0.19, abs=0.02)


@pytest.mark.parametrize("given", [{"effect": 0.0}, {"effect": 0.3, "assignment": "aa"}])
def test_without_effect_both_outcomes_are_equal(given):
    table = simulate_experiment(500, seed=4, **given)
    assert (table.y0 == table.y1).all()


def test_confounding_gives_the_treated_a_richer_past():
    table = simulate_experiment(4_000, effect=0.0, seed=5, assignment="confounded")
    mean = table.groupby("arm")[["pre_spend", "spend"]].mean()
    assert (mean.loc["treated"] > 1.3 * mean.loc["control"]).all()


def test_randomised_arms_have_the_same_past():
    table = simulate_experiment(4_000, effect=0.1, seed=6)
    groups = [group.pre_spend for _, group in table.groupby("arm")]
    assert stats.mannwhitneyu(*groups).pvalue > 0.001


def test_the_fault_loses_treated_rows():
    whole, rest = (simulate_experiment(4_000, effect=0.1, seed=7, srm_fault=f) for f in (False, True))
    lost = set(whole.user_id) - set(rest.user_id)
    assert (whole.set_index("user_id").arm[list(lost)] == "treated").all()
    assert len(lost) == pytest.approx(0.15 * 2_000, abs=60)


def test_the_normal_interval_covers_the_effect():
    covered = []
    for seed in range(100):
        table = simulate_experiment(2_000, effect=0.15, seed=seed)
        one, zero = (table.spend[table.arm == a] for a in ("treated", "control"))
        error = np.sqrt(one.var() / len(one) + zero.var() / len(zero))
        covered.append(abs(one.mean() - zero.mean() - (table.y1 - table.y0).mean()) < 1.96 * error)
    assert sum(covered) >= 89  # 95 expected; below 89 with probability 0.001


def test_a_discount_without_added_orders_only_costs():
    table = simulate_experiment(500, effect=Offer(discount=0.5), seed=8)
    assert (table.y1 <= table.y0).all()
    assert table.y1.sum() < 0.7 * table.y0.sum()


@pytest.mark.parametrize("given", [{"n_users": 1}, {"effect": 0.9}, {"assignment": "chance"}])
def test_a_wrong_argument_of_the_experiment_is_named(given):
    with pytest.raises(SettingsError, match=next(iter(given))):
        simulate_experiment(**{"n_users": 100, "effect": 0.1, "seed": 1, **given})


def clusters(table, k: int):
    columns = ["active_days", "categories", "cart_rate", "fav_rate", "buy_rate", "discount_share"]
    ready = table[table.actions >= 10]
    scaled = StandardScaler().fit_transform(np.log(ready[columns] + [1, 1, 0.01, 0.01, 0.01, 0.1]))
    return ready.segment, KMeans(k, n_init=4, random_state=1).fit_predict(scaled)


def test_segments_are_visible_in_behaviour():
    truth, found = clusters(simulate_customers(1_500, segments=True, seed=1), 4)
    assert adjusted_rand_score(truth, found) > 0.7


def test_without_segments_one_label_is_left_and_no_trait_has_two_peaks():
    table = simulate_customers(1_500, segments=False, seed=1)
    assert set(table.segment) == {"none"}
    logs = np.log(table.actions[table.actions >= 10])
    assert abs(stats.skew(logs)) < 1
    assert stats.kurtosis(logs) > -1.2  # a uniform density has −1.2, two separate peaks less


def test_baskets_hold_planted_rules_only_when_planted():
    def lift(baskets, a, b):
        has = baskets.groupby("item").basket_id.agg(set)
        return len(has[a] & has[b]) * baskets.basket_id.nunique() / (len(has[a]) * len(has[b]))

    with_rules, without = (simulate_baskets(30_000, seed=1, planted=p) for p in (True, False))
    assert lift(with_rules, "Mobile phone", "Phone case") > 5
    assert lift(without, "Mobile phone", "Phone case") < 1.3
    assert lift(with_rules, "Tissues", "Snacks") == pytest.approx(1, abs=0.1)


def test_baskets_of_no_size_are_refused():
    with pytest.raises(SettingsError, match="n: 0"):
        simulate_baskets(0, seed=1)


def test_an_uplift_campaign_shows_the_outcome_of_the_drawn_arm():
    table = simulate_uplift(500, seed=3)
    treated = table.arm == "treated"
    assert (table.profit == table.profit1.where(treated, table.profit0)).all()
    assert (table.purchased == table.purchased1.where(treated, table.purchased0)).all()
    assert (table.spend_before > 0).eq(table.orders_before > 0).all()


def test_only_older_customers_give_up_orders_and_small_cities_react_more():
    table = simulate_uplift(6_000, seed=4)
    lost = table[table.purchased1 < table.purchased0]
    assert set(lost.age_band) == {"45-54", "55+"}
    change = (table.purchased1 - table.purchased0).groupby(table.city_tier).mean()
    assert change.is_monotonic_increasing
