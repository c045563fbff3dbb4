"""The market around the shop: sales of all shops, customers' wallets, and the plan's targets."""

from __future__ import annotations

import numpy as np

from helpers.simulate.block import Block, World
from helpers.simulate.catalogue import category_ids
from helpers.simulate.people import MAX_INTERESTS
from helpers.simulate.settings import START_DATE, ShopSettings, stream

SHARE_RANGE = (0.004, 0.06)  # the shop's share of a category's sales, first month
SHARE_TREND = (-0.03, 0.05)  # its change a month
WALLET_SHARE = (2.0, 2.5)  # Beta: share of a customer's category spend that this shop gets
ELSEWHERE = 1.2  # mean pieces bought elsewhere of a category that the customer likes but does not buy here

# indicator, is it scaled by the number of users?, target and benchmark a quarter
TARGETS = (
    ("sales_amount", True, 180.0, 170.0),
    ("orders", True, 1.20, 1.10),
    ("units_sold", True, 2.60, 2.40),
    ("incremental_profit", True, 1.50, 1.00),
    ("buyers", True, 0.45, 0.40),
    ("new_buyers", True, 0.16, 0.14),
    ("market_share", False, 0.022, 0.020),
    ("repeat_purchase_rate", False, 0.50, 0.45),
    ("buyer_conversion_rate", False, 0.68, 0.68),
    ("retention_rate", False, 0.55, 0.50),
    ("nps", False, 20.0, 15.0),
    ("average_rating", False, 4.0, 3.9),
    ("complaint_rate", False, 0.06, 0.08),
    ("email_opt_out_rate", False, 0.02, 0.03),
    ("return_on_ad_spend", False, 4.0, 3.0),
)
QUARTER_ENDS = {"2017-Q3": 104, "2017-Q4": 182}


def months(day: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of each day's month in the log, and all months of the log as YYYY-MM."""
    month = (START_DATE + np.asarray(day).astype("timedelta64[D]")).astype("datetime64[M]")
    first = START_DATE.astype("datetime64[M]")
    return (month - first).astype(np.int64), np.datetime_as_string(first + np.arange(7))


def market_table(world: World, sales: np.ndarray) -> tuple[dict, dict]:
    """The table `market` and the true share behind it. `sales`: cents by month × category.

    total_sales = sales of the shop / true share. Where the shop sold nothing the market still has sales; the share
    is 0 there.
    """
    rng = stream(world.settings.seed, "market")
    count = sales.shape[1]
    share = np.exp(rng.uniform(*np.log(SHARE_RANGE), count))
    trend = 1 + rng.uniform(*SHARE_TREND, count)
    share = np.minimum(share * trend ** np.arange(len(sales))[:, None], 0.5)
    typical = np.bincount(world.catalogue.item_category, world.catalogue.price, count) * 10
    total = np.rint(np.where(sales > 0, sales / share, typical))
    month = np.repeat(months(np.zeros(1))[1][: len(sales)].astype(object), count)
    category = np.tile(category_ids(np.arange(count)), len(sales))
    table = {"month": month, "category_id": category, "total_sales": total.ravel() / 100}
    truth = {"month": month, "category_id": category, "shop_sales": sales.ravel() / 100}
    return table, {**truth, "share": np.round((sales / total).ravel(), 6)}


def wallet_table(world: World, block: Block, number: int) -> dict[str, np.ndarray]:
    """True wallets: what a customer spends in a category in all shops over the log (needs and interests only)."""
    people, catalogue, count = block.people, world.catalogue, world.catalogue.categories
    rng = stream(world.settings.seed, "wallets", number)
    share = rng.beta(*WALLET_SHARE, (len(people), count))
    pieces = rng.poisson(ELSEWHERE, (len(people), count))
    pair = block.orders.user[block.lines.order] * count + catalogue.item_category[block.lines.item]
    own = np.bincount(pair, line_amounts(world, block), len(people) * count).reshape(-1, count)
    typical = np.bincount(catalogue.item_category, catalogue.price) / np.bincount(catalogue.item_category)
    likes = np.zeros(own.shape, bool)
    mine = np.arange(MAX_INTERESTS) < people.breadth[:, None]
    likes[np.nonzero(mine)[0], people.interests[mine]] = True
    wallet = np.rint(np.where(own > 0, own / np.maximum(share, 0.02), likes * pieces * typical))
    user, category = np.nonzero((wallet > 0) & block.kept[:, None])
    return {
        "user_id": block.user_id[user],
        "category_id": category_ids(category),
        "spent_here": own[user, category] / 100,
        "wallet": wallet[user, category] / 100,
    }


def line_amounts(world: World, block: Block) -> np.ndarray:
    """What each observed order line brought in, cents."""
    return block.lines.quantity * world.catalogue.price[block.lines.item] - block.lines.discount


def targets_table(settings: ShopSettings) -> dict[str, np.ndarray]:
    """The table `targets`: a plan for each quarter, scaled by the shop's customers."""
    rows = []
    for period, last in QUARTER_ENDS.items():
        if last <= settings.days:
            for indicator, scaled, target, benchmark in TARGETS:
                factor = settings.users if scaled else 1
                rows.append((indicator, period, round(target * factor, 4), round(benchmark * factor, 4)))
    names = ("indicator", "period", "target", "benchmark")
    kinds = (object, object, float, float)
    return {n: np.array([r[k] for r in rows], kinds[k]) for k, n in enumerate(names)}
