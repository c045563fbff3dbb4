import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.simulate.catalogue import SEQUENCES


@pytest.fixture(scope="module")
def baskets(shop) -> pd.DataFrame:
    """User-days × categories: was it bought?"""
    buys = shop["events"].query("behavior == 'buy'").assign(day=lambda e: (e.timestamp + 8 * 3_600) // 86_400)
    return pd.crosstab([buys.user_id, buys.day], buys.category_id) > 0


def fisher(baskets: pd.DataFrame, rule: pd.Series) -> tuple[float, float]:
    """Lift and one-sided p-value of a pair."""
    a, b = baskets[rule.antecedent_id], baskets[rule.consequent_id]
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    return (a & b).mean() / (a.mean() * b.mean()), stats.fisher_exact(table, "greater").pvalue


def test_planted_rules_are_found_after_correction_over_all_pairs(shop, baskets):
    rules = shop["truth/rules"].query("kind == 'planted'")
    tested = 94 * 93
    for _, rule in rules.iterrows():
        lift, p = fisher(baskets, rule)
        assert p * tested < 0.01
        assert lift == pytest.approx(rule.lift, rel=0.40)


def test_decoys_are_frequent_but_independent(shop, baskets):
    rules = shop["truth/rules"]
    for _, rule in rules[rules.kind == "decoy"].iterrows():
        lift, p = fisher(baskets, rule)
        assert rule.lift == 1
        assert lift == pytest.approx(1, abs=0.25)
        assert p * len(rules) > 0.01
    support = rules.groupby("kind").support
    assert support.min()["decoy"] > support.median()["planted"]


def test_a_planted_sequence_shows_in_successive_orders(shop):
    orders = shop["orders"].drop_duplicates(["order_id", "category_id"])
    names = shop["items"].drop_duplicates("category_id").set_index("category_id").category_name
    held = orders.assign(name=orders.category_id.map(names)).groupby(["user_id", "timestamp", "order_id"]).name.agg(set)
    users = held.index.get_level_values("user_id")
    follows = pd.Series(held.to_numpy()[1:], index=held.index[:-1])[users[1:] == users[:-1]]
    for first, second, *_ in SEQUENCES:
        after = follows[[first in s for s in held[follows.index]]]
        base = np.mean([second in s for s in follows])
        assert np.mean([second in s for s in after]) > 3 * base


def test_only_planned_channels_cause_orders(shop):
    truth = shop["truth/channels"].set_index("channel").incremental_orders
    assert truth["search"] == truth["retargeting"] == 0
    assert (truth[["display", "social", "email", "affiliate"]] > 0).all()
    assert shop["truth/caused_orders"].channel.value_counts().to_dict() == truth[truth > 0].to_dict()


def test_search_and_retargeting_take_most_of_the_last_touch(shop):
    orders = shop["orders"][["user_id", "timestamp", "order_id"]].drop_duplicates("order_id").sort_values("timestamp")
    touches = shop["touchpoints"].sort_values("timestamp", kind="stable")
    last = pd.merge_asof(orders, touches, on="timestamp", by="user_id", tolerance=14 * 86_400)
    credit = last.channel.value_counts(normalize=True)
    assert credit["search"] + credit["retargeting"] > 0.5


def test_the_causing_touch_comes_before_its_order(shop):
    caused = shop["truth/caused_orders"].merge(shop["orders"].drop_duplicates("order_id"), on="order_id")
    seen = caused.merge(shop["touchpoints"], on=["user_id", "channel"], suffixes=("", "_touch"))
    before = seen[(seen.timestamp - seen.timestamp_touch).between(0, 4 * 86_400)].order_id.nunique()
    # some causing touches lie before the log or before the user joined, some belong to moved orders
    assert before / len(caused) > 0.9


def test_without_campaigns_nobody_orders_after_leaving(make):
    shop = make(users=1_500, campaigns=())
    left = shop["truth/users"].set_index("user_id").left_at
    gone = shop["orders"].user_id.map(left)
    assert not (shop["orders"].timestamp > gone).any()
    assert 0.1 < left.notna().mean() < 0.5


def test_orders_of_those_who_stay_come_at_their_rate(make):
    shop = make(users=1_500, campaigns=())
    users = shop["truth/users"].merge(shop["users"]).query("left_at.isna() and joined_on < '2017-06-19'")
    counts = shop["orders"].groupby("user_id").order_id.nunique().reindex(users.user_id).fillna(0)
    # who leaves late has ordered more often, so those who stay order a little below their rate
    assert counts.sum() == pytest.approx(26 * users.orders_per_week.sum(), rel=0.20)


def test_the_market_share_is_sales_over_market(shop):
    both = shop["market"].merge(shop["truth/market_share"], on=["month", "category_id"])
    assert (both.shop_sales / both.total_sales).to_numpy() == pytest.approx(both.share.to_numpy(), abs=1e-6)
    orders = shop["orders"]
    assert both.shop_sales.sum() == pytest.approx((orders.quantity * orders.unit_price - orders.discount).sum())


def test_the_unhappy_answer_more_so_the_score_is_biased(shop):
    truth = shop.json("truth")
    assert truth["feedback.response.unhappy"]["value"] > truth["feedback.response.happy"]["value"]
    assert truth["nps.answered"]["value"] < truth["nps.all"]["value"] - 2
    nps = shop["feedback"].nps
    observed = 100 * ((nps >= 9).mean() - (nps <= 6).mean())
    assert observed == pytest.approx(truth["nps.answered"]["value"], abs=2)  # answers after the log's end are missing


def test_reviews_are_varied_and_fit_their_label(shop):
    reviews, labels = shop["feedback"], shop["truth/feedback"]
    assert (reviews[["user_id", "item_id", "created_at"]] == labels[["user_id", "item_id", "created_at"]]).all().all()
    assert reviews.text.nunique() > 0.5 * len(reviews)
    rating = reviews.groupby(labels.sentiment).rating.mean()
    assert rating["negative"] < rating["neutral"] < rating["positive"]
    assert not reviews.text.str.contains('[,"\n]').any()


def test_wallets_hold_at_least_what_was_spent_here(shop):
    wallets = shop["truth/wallets"]
    assert (wallets.wallet >= wallets.spent_here - 0.01).all()
    assert (wallets.query("spent_here == 0").wallet > 0).all()


def test_every_truth_table_is_explained(shop):
    text = (shop.folder / "truth" / "README.md").read_text(encoding="utf-8")
    assert all(p.name in text for p in (shop.folder / "truth").iterdir() if p.name != "README.md")
    assert all(set(v) == {"value", "unit", "meaning"} for v in shop.json("truth").values())


def test_lifestyles_show_in_price_novelty_and_discounts(shop):
    lines = shop["orders"].merge(shop["items"], on=["item_id", "category_id"]).merge(shop["truth/users"], on="user_id")
    level = lines.unit_price / lines.groupby("category_id").unit_price.transform("mean")
    new = lines.launched_on >= "2017-06-19"
    means = pd.DataFrame({"level": level, "new": new, "deal": lines.discount > 0}).groupby(lines.lifestyle).mean()
    assert (means.level.idxmax(), means.level.idxmin()) == ("quality-life", "rational-saving")
    assert means.new.idxmax() == "fashion-forward"
    assert means.deal.idxmax() == "rational-saving"


def test_tastes_and_chances_give_the_share_of_orders_with_each_category(shop):
    """Main needs follow tastes, and each need fills its basket with the stated chances: the staples and all others."""
    chances = shop["truth/order_chances"].pivot(index="need_id", columns="category_id", values="chance").fillna(0)
    tastes = shop["truth/tastes"].pivot(index="user_id", columns="category_id", values="share").fillna(0)
    assert tastes.sum(axis=1).to_numpy() == pytest.approx(0.6, abs=1e-4)
    orders = shop["orders"].drop_duplicates(["order_id", "category_id"])
    buyers = orders.drop_duplicates("order_id").user_id
    own = chances.loc[tastes.columns].to_numpy()
    per_user = pd.DataFrame(tastes.to_numpy() @ own + 0.4 * chances.loc[0].to_numpy(), tastes.index, chances.columns)
    expected = per_user.reindex(buyers).mean()
    seen = orders.category_id.value_counts().reindex(expected.index).fillna(0) / len(buyers)
    assert np.corrcoef(expected, seen)[0, 1] > 0.97
    assert np.abs(expected - seen).max() < 0.03
