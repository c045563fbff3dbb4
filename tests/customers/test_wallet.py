"""Share of category here by hand, the published rule, and the simulated wallets."""

import numpy as np
import pandas as pd
import pytest

from helpers.customers import wallet
from helpers.customers.wallet import WalletError, wallet_rule
from helpers.engine import as_table
from helpers.findings import missing
from tests.customers.order_lines import simulate_orders

WINDOW = ("2017-11-25", "2017-12-03")


@pytest.fixture(scope="module")
def shop():
    return simulate_orders(800, seed=4)


def orders(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["user_id", "category_id", "quantity", "unit_price", "discount", "day"])
    return table.assign(order_id=1)


def test_shares_by_hand():
    rows = [(1, 7, 2, 10.0, 5.0, "2017-11-25"), (1, 8, 1, 5.0, 0.0, "2017-11-26"), (2, 7, 1, 3.0, 3.0, "2017-11-26"),
            (1, 8, 9, 99.0, 0.0, "2017-12-04")]  # fmt: skip
    found = wallet.category_shares(as_table(orders(rows)), window=WINDOW)
    assert found[["category_id", "spend", "category_share"]].values.tolist() == [[7, 15, 0.75], [8, 5, 0.25]]
    assert wallet.main_category(found)["category_id"].tolist() == [7]


def test_shares_agree_with_pandas_and_add_up(shop):
    found = wallet.category_shares(shop.orders, window=shop.window)
    lines = shop.orders.execute()
    paid = lines["quantity"] * lines["unit_price"] - lines["discount"]
    expected = paid.groupby([lines["user_id"], lines["category_id"]]).sum()[lambda s: s > 0]
    assert found["spend"].tolist() == pytest.approx(expected.tolist())
    assert found.groupby("user_id")["category_share"].sum().to_numpy() == pytest.approx(1)


def test_breadth_counts_customers_once(shop):
    shares = wallet.category_shares(shop.orders, window=shop.window)
    found = wallet.breadth(shares, min_cell=1)
    assert found["customers"].sum() == shares["user_id"].nunique()
    assert found.set_index("categories").loc["1", "main_category_share"] == 1


@pytest.mark.parametrize(("n", "shares"), [(1, [1]), (2, [0.667, 0.333]), (3, [0.5, 0.333, 0.167])])
def test_the_wallet_allocation_rule_gives_the_published_shares(n, shares):
    assert [round(wallet_rule(r, n), 3) for r in range(1, n + 1)] == shares
    assert sum(wallet_rule(r, n) for r in range(1, n + 1)) == pytest.approx(1)


def test_tied_ranks_share_and_the_table_holds_the_rule():
    assert 2 * wallet_rule(1.5, 2) == pytest.approx(1)
    table = wallet.wallet_rules(4).set_index("shops")
    assert table.sum(axis=1).tolist() == pytest.approx([1] * 4) and table.loc[3, "rank_1_share"] == 0.5


@pytest.mark.parametrize(("rank", "n"), [(0, 2), (3, 2), (1, 0), (1, 2.5)])
def test_impossible_ranks_are_refused(rank, n):
    with pytest.raises(WalletError, match=r"rank|brands"):
        wallet_rule(rank, n)


def test_true_share_by_hand():
    truth = pd.DataFrame(
        {"user_id": [1, 1, 2], "category_id": 7, "spent_here": [1.0, 0.0, 3.0], "wallet": [4.0, 2.0, 4.0]}
    )
    assert wallet.true_share(truth, boots=50, seed=1).value == pytest.approx(0.4)
    assert wallet.true_share(truth.assign(wallet=0.0), seed=1).reason == "all wallets are empty"


def test_the_share_of_category_here_says_nothing_of_the_wallet(shop):
    shares = wallet.category_shares(shop.orders, window=shop.window)
    both = wallet.with_wallets(shares, shop.wallets)
    found = wallet.link(both, boots=100, seed=1)
    assert abs(found.value) < 0.15 and found.ci_low < 0.05 and found.ci_high > -0.05
    assert both["wallet_share"].between(0, 1.02).all()


def test_link_finds_a_share_that_is_there():
    both = pd.DataFrame({"category_share": np.linspace(0.1, 1, 50), "wallet_share": np.linspace(0.2, 0.9, 50)})
    assert wallet.link(both, boots=20, seed=1).value == pytest.approx(1)
    assert wallet.link(both.head(1), seed=1).reason == "too few customers"
    assert wallet.link(both.assign(wallet_share=0.5), seed=1).reason == "one of the shares is the same for all"


def test_without_orders_or_truth_all_say_why():
    none = wallet.category_shares(None, window=WINDOW)
    assert none.attrs["reason"] == "this study has no orders"
    assert wallet.breadth(none, min_cell=1).empty and wallet.main_category(none).empty
    truth = missing(["truth"], "not simulated")
    both = wallet.with_wallets(none, truth)
    assert both.attrs["reason"] == wallet.link(both, seed=1).reason == "not simulated"
    assert wallet.true_share(truth, seed=1).reason == "not simulated"
    free = orders([(1, 7, 1, 0.0, 0.0, "2017-11-25")])
    assert "nobody paid" in wallet.category_shares(as_table(free), window=WINDOW).attrs["reason"]
