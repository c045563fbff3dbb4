"""Bundles: what a discount on two goods together adds to the margin, and what it only gives away.

*Who takes X gets Y cheaper.* The offer adds a sale where somebody with X alone now takes Y as well, and it costs the
discount in every order that would have held both anyway. Prices and margins are those of one piece. Buyers of Y alone
are taken not to react. The linearisation of ratios is Särndal, Swensson & Wretman (1992), chapter 5.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.findings import Estimate, missing
from helpers.products import association_rules as ar
from helpers.products.rules import RulesError, exact
from helpers.simulate import BUNDLES, bundle_truth, simulate_bundle

ON = ("then", "both")
"""What the discount is taken off: the added good alone, or both."""
LINE_COLUMNS = ["basket_id", "item", "kind", "parent", "user", "price", "margin"]
WORTH_COLUMNS = [
    "if", "then", "orders_with_if", "confidence", "break_even_rate", "verdict",
    "given_away", "margin_at_most", "margin_at_most_ci_low", "margin_at_most_ci_high",
]  # fmt: skip
GRADED_COLUMNS = ["shop", "predicted", "predicted_ci_low", "predicted_ci_high", "truth", "covered"]


def priced(orders: ir.Table | None, items: ir.Table | None) -> pd.DataFrame:
    """The categories of each order with the price and the margin of one piece.

    Parameters
    ----------
    orders : ibis Table or None
        The order lines.
    items : ibis Table or None
        The catalogue with `unit_margin`.

    Returns
    -------
    DataFrame
        One row a (order, category): basket_id (0…), item (raw category id), kind, parent (none), user (0…), price and
        margin (currency units; means over the order's lines of the category, less the shop's own discount), as
        `association_rules.named` takes it. Empty, with the reason, where orders or margins are not known.
    """
    if orders is None or items is None or "unit_margin" not in items.columns:
        return missing(LINE_COLUMNS, "a bundle's margin needs orders, and items with unit_margin")
    lines = orders.left_join(items.select("item_id", "unit_margin"), "item_id")
    off = lines.discount.fill_null(0) / lines.quantity if "discount" in orders.columns else ibis.literal(0.0)
    lines = lines.mutate(
        paid=(lines.unit_price - off).cast("float64"), earned=(lines.unit_margin - off).cast("float64")
    )
    lines = lines.filter(lines.earned.notnull())
    table = lines.group_by("user_id", "order_id", "category_id").agg(
        price=lines.paid.mean(), margin=lines.earned.mean()
    )
    table = table.order_by("user_id", "order_id", "category_id").to_pandas()
    if table.empty:
        return missing(LINE_COLUMNS, "no order line with a known margin")
    table["basket_id"] = table.groupby(["user_id", "order_id"], sort=True).ngroup()
    table["user"] = pd.factorize(table["user_id"], sort=True)[0]
    return table.rename(columns={"category_id": "item"}).assign(kind="category", parent=None)[LINE_COLUMNS]


def take_up(*, offered_both: int, offered: int, control_both: int, control: int, level: float = 0.95) -> Estimate:
    r"""Share of those with X alone whom the offer makes take Y as well, from a randomised pilot.

    $t = (s_1 - s_0) / (1 - s_0)$ with $s$ the share of the orders with X that hold Y, with and without the offer.
    0: the offer moves nobody; 1: everybody. Below 0 by chance, or where the offer repels.

    Parameters
    ----------
    offered_both, offered, control_both, control : int
        Orders with X and Y, and with X, in each arm.
    level : float
        Of the interval (delta method).

    Returns
    -------
    Estimate
        Missing where an arm has no order with X, or the control no order with X alone.

    Examples
    --------
    >>> round(take_up(offered_both=60, offered=100, control_both=20, control=100).value, 6)
    0.5
    """
    if min(offered, control) < 1 or control_both >= control:
        return Estimate.missing("no order with X alone in the control, or none with X in an arm")
    s1, s0 = offered_both / offered, control_both / control
    value, slope = (s1 - s0) / (1 - s0), (1 - s1) / (1 - s0)
    variance = s1 * (1 - s1) / offered + slope**2 * s0 * (1 - s0) / control
    reach = norm.ppf((1 + level) / 2) * np.sqrt(variance) / (1 - s0)
    return Estimate(value, float(value - reach), float(value + reach))


def margin(
    lines: pd.DataFrame, first: str, second: str, *, discount: float, take_up: Estimate, on: str = "then",
    level: float = 0.95,
) -> Estimate:  # fmt: skip
    r"""Expected incremental margin of the offer, in currency units per 1,000 orders with X (the estimand).

    $\Delta = 1000\,[\,t\,(1 - c)\,(\bar m_Y - \bar D) - c\,\bar D_{XY}\,]$ with $t$ the take-up, $c$ the confidence,
    $\bar m_Y$ the margin of Y, and $D$ the discount in money: on those who add Y, and on those who took both anyway
    (the *cannibalised margin*). Above 0 the offer earns more than it gives away.

    Parameters
    ----------
    lines : DataFrame
        One row a (order, good): basket_id, item, user, price, margin, of orders without the offer.
    first, second : str
        X and Y.
    discount : float
        Share of the price, 0…1.
    take_up : Estimate
        Share of the orders with X alone that take Y as well; without an interval it is taken as known.
    on : str
        What the discount is taken off: then (Y) or both (X and Y).
    level : float
        Of the interval; users, not orders, are the independent units.

    Returns
    -------
    Estimate
        Missing where no order holds X, or none Y, or the take-up is missing.

    Examples
    --------
    Ten orders with X, four of them with Y: price 20, margin 8; 10 % off; half of the other six take Y:
    3 · (8 − 2) − 4 · 2 = 10 for ten orders.

    >>> four = {"basket_id": [0, 1, 2, 3], "item": "Y", "user": [0, 1, 2, 3], "price": 20.0, "margin": 8.0}
    >>> ten = {"basket_id": range(10), "item": "X", "user": range(10), "price": 90.0, "margin": 9.0}
    >>> table = pd.concat([pd.DataFrame(ten), pd.DataFrame(four)])
    >>> round(margin(table, "X", "Y", discount=0.1, take_up=Estimate(0.5)).value, 6)
    1000.0
    """
    _known(discount, on)
    if take_up.value is None:
        return take_up
    parts = _parts(lines, first, second, discount, on)
    if isinstance(parts, str):
        return Estimate.missing(parts)
    x, y, cost, gain = parts
    t, alone = take_up.value, 1 - x["both"].mean()
    added = alone * gain - (cost * ~x["both"]).mean()
    value = t * added - (cost * x["both"]).mean()
    own = t * (gain * ~x["both"] - cost * ~x["both"]) - cost * x["both"] - value
    of_user = (own / len(x)).groupby(x["user"]).sum()
    of_gain = (t * alone * (y["earned"] - gain) / len(y)).groupby(y["user"]).sum()
    z = norm.ppf((1 + level) / 2)
    spread = 0.0 if take_up.ci_low is None else (take_up.ci_high - take_up.ci_low) / 2 / z
    reach = z * np.sqrt((of_user.add(of_gain, fill_value=0) ** 2).sum() + (added * spread) ** 2)
    return Estimate(*(float(1_000 * v) for v in (value, value - reach, value + reach)))


def _known(discount: float, on: str) -> None:
    exact(discount, name="discount")
    if on not in ON:
        raise RulesError(f"on={on!r} is not known; take one of {', '.join(ON)}")


def _parts(lines: pd.DataFrame, first: str, second: str, discount: float, on: str) -> tuple | str:
    """Orders with X (user, both?), orders with Y (user, earned), discount by order with X, margin of an added Y.

    `cost` of an order with both is the discount in money; of one with X alone, the discount on X if it counts. `earned`
    and `gain` are the margin of Y less the discount on Y.
    """
    x, y = (lines[lines["item"] == name].set_index("basket_id") for name in (first, second))
    if x.empty or y.empty:
        return f"no order holds {first if x.empty else second}"
    x = x.assign(both=x.index.isin(y.index))
    own = discount * x["price"] * (on == "both")
    other = discount * y["price"].reindex(x.index).fillna(0.0)
    y = y.assign(earned=y["margin"] - discount * y["price"])
    return x, y, own + other, y["earned"].mean()


def break_even(lines: pd.DataFrame, first: str, second: str, *, discount: float, on: str = "then") -> Estimate:
    """The take-up at which the offer neither earns nor loses; above it, it pays. No assumption is needed.

    Missing where no take-up of any size helps, because an added sale earns less than its discount.

    >>> ten = {"basket_id": range(10), "item": "X", "user": range(10), "price": 90.0, "margin": 9.0}
    >>> four = {"basket_id": [0, 1, 2, 3], "item": "Y", "user": [0, 1, 2, 3], "price": 20.0, "margin": 8.0}
    >>> table = pd.concat([pd.DataFrame(ten), pd.DataFrame(four)])
    >>> round(break_even(table, "X", "Y", discount=0.1).value, 4)  # 4 · 2 given away, 6 · (8 − 2) to win
    0.2222
    """
    none, everybody = (margin(lines, first, second, discount=discount, on=on, take_up=Estimate(t)) for t in (0.0, 1.0))
    if none.value is None:
        return none
    if everybody.value <= none.value:
        return Estimate.missing("an added sale earns less than its discount")
    return Estimate(-none.value / (everybody.value - none.value))


def worth(
    lines: pd.DataFrame, rules: pd.DataFrame, *, discount: float, on: str = "then", min_users: int = 1, rows: int = 10
) -> pd.DataFrame:
    """What a bundle of each rule can earn at most, and the take-up that it needs.

    The log knows who takes both, not who *would*. As an upper bound for the take-up it gives the confidence: those who
    left Y in the shop are not keener on it than all who take X. That is an assumption; only a test replaces it.

    Parameters
    ----------
    lines : DataFrame
        `priced`, named.
    rules : DataFrame
        Rules, best first; those with one item on both sides are taken.
    discount, on
        As in `margin`.
    min_users : int
        Pairs of fewer people stay out (privacy).
    rows : int
        At most so many rows.

    Returns
    -------
    DataFrame
        One row a rule: if, then, orders_with_if, confidence (in orders), break_even_rate (take-up it needs; missing:
        none helps), verdict: *test it*, *hardly pays* (needs more than the bound) or *never pays*; given_away and
        margin_at_most with its interval (currency units per 1,000 orders with X).
    """
    _known(discount, on)
    for table in (rules, lines):
        if table.empty:
            return missing(WORTH_COLUMNS, table.attrs.get("reason", "no rules"))
    pairs = [(a[0], b[0]) for a, b in zip(rules["antecedents"], rules["consequents"], strict=True) if len(a + b) == 2]
    lines = lines.assign(item=[str(i) for i in lines["item"]])  # as the rules name them
    goods = dict(list(lines.groupby("item", sort=False)))
    own = {p: pd.concat([goods[name] for name in p]) for p in pairs if goods.keys() >= set(p)}
    found = [_row(part, *p, discount, on) for p, part in own.items() if _people(part, *p) >= max(min_users, 1)][:rows]
    if not found:
        return missing(WORTH_COLUMNS, f"no rule of two goods lies in the orders of {min_users} people")
    return pd.DataFrame(found, columns=WORTH_COLUMNS)


def _people(lines: pd.DataFrame, first: str, second: str) -> int:
    x, y = (lines[lines["item"] == name] for name in (first, second))
    return x.loc[x["basket_id"].isin(y["basket_id"]), "user"].nunique()


def _row(lines: pd.DataFrame, first: str, second: str, discount: float, on: str) -> tuple:
    x, *_ = _parts(lines, first, second, discount, on)
    share, how = float(x["both"].mean()), {"discount": discount, "on": on}
    needed = break_even(lines, first, second, **how).value
    lost = margin(lines, first, second, **how, take_up=Estimate(0.0)).value
    most = margin(lines, first, second, **how, take_up=Estimate(share))
    word = "never pays" if needed is None else "hardly pays" if needed > share else "test it"
    needed = np.nan if needed is None else needed
    return first, second, len(x), share, needed, word, -lost, most.value, most.ci_low, most.ci_high


def graded(
    pair: int = 0,
    *,
    shops: int,
    take_up_truth: float,
    discount: float,
    on: str = "then",
    orders: int = 20_000,
    seed: int,
) -> pd.DataFrame:
    """A bundle in simulated shops: predicted from the log and a pilot, beside the truth.

    Half of a shop's orders are the log without the offer; the rest is a pilot in which chance says who gets it.

    Parameters
    ----------
    pair : int
        Which of the planted pairs, 0…7.
    shops : int
        Simulated shops, 1 or more.
    take_up_truth : float
        Share of the orders with X alone that the offer makes take Y, 0…1.
    discount, on
        As in `margin`.
    orders, seed : int
        Orders of each shop, and the start of the random streams.

    Returns
    -------
    DataFrame
        One row a shop: shop (1…), predicted (currency units per 1,000 orders with X) with its 95 % interval, truth,
        covered.
    """
    first, second = BUNDLES[pair]
    how = {"discount": discount, "on": on}
    truth = bundle_truth(first, second, take_up=take_up_truth, **how)
    rows = []
    for shop in range(shops):
        lines = simulate_bundle(orders, first=first, second=second, take_up=take_up_truth, seed=seed + shop)
        found = predicted(lines, first, second, **how)
        rows.append((shop + 1, found.value, found.ci_low, found.ci_high, truth, found.covers(truth)))
    return pd.DataFrame(rows, columns=GRADED_COLUMNS)


def predicted(lines: pd.DataFrame, first: str, second: str, **how: object) -> Estimate:
    """The margin predicted from the log, with the take-up of a pilot; `lines` with phase log, control or offered."""
    counts = {}
    for arm in ("offered", "control"):
        own = lines[lines["phase"] == arm]
        x, y = (own.loc[own["item"] == name, "basket_id"] for name in (first, second))
        counts |= {arm: len(x), f"{arm}_both": int(x.isin(y).sum())}
    return margin(lines[lines["phase"] == "log"], first, second, take_up=take_up(**counts), **how)


def named(lines: pd.DataFrame, study) -> pd.DataFrame:
    """`priced` with labels for people instead of raw ids, the same as the rules have on the level *category*."""
    return ar.named(lines, study) if len(lines) else lines


def worth_testing(table: pd.DataFrame) -> Estimate:
    """How many bundles of `worth` can pay: their break-even take-up lies below the bound."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no bundle"))
    return Estimate(float((table["verdict"] == "test it").sum()))
