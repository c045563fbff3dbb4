"""The indicators of the scorecard in seven groups: what each one is, and how it is computed from the sums of a span.

Definitions are data (`INDICATORS`); a group is one small function from the sums of a span to estimates. An indicator
whose tables the study does not bring says which ones it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate_by_cluster, poisson_interval, rate, z_value
from helpers.scores import csat, is_complaint, nps
from helpers.summary import sums
from helpers.summary.uncertainty import ratio_interval, total_interval
from helpers.tables import absent

GROUPS = (
    "sales", "market share", "acquisition and retention", "brand", "channels", "return on marketing", "feedback",
)  # fmt: skip
CUSTOMERS = "events or orders"
NOT_MEASURABLE = "not measurable with these tables"


@dataclass(frozen=True)
class Indicator:
    """One indicator: key (as in the table `targets`), group, formula in words, unit, which side is good, its notebook.

    `needs` are tables. `total`: the figure grows with the number of days, so a target is scaled to the days seen.
    `weekly`: it can be followed week by week.
    """

    key: str
    group: str
    name: str
    formula: str
    unit: str
    good: str
    notebook: str
    needs: tuple[str, ...] = ()
    total: bool = False
    weekly: bool = True
    instead: str = ""


def _i(key: str, group: int, name: str, formula: str, unit: str, good: str, notebook: str, *needs: str, **more: object):
    return Indicator(key, GROUPS[group], name, formula, unit, good, notebook, needs, **more)


HIGH, LOW = "high", "low"
INDICATORS: tuple[Indicator, ...] = (
    _i("sales_amount", 0, "sales", "Σ quantity · price − discount", "money", HIGH, "31_value_tiers", "orders",
       total=True),
    _i("orders", 0, "orders", "number of orders", "orders", HIGH, "31_value_tiers", "orders", total=True),
    _i("units_sold", 0, "pieces sold", "Σ quantity", "pieces", HIGH, "31_value_tiers", "orders", total=True),
    _i("average_order_value", 0, "average order value", "sales / orders", "money an order", HIGH, "31_value_tiers",
       "orders"),
    _i("gross_margin", 0, "gross margin", "Σ quantity · unit margin − discount", "money", HIGH, "33_lifetime_value",
       "orders", "items", total=True),
    _i("gross_margin_rate", 0, "gross margin rate", "gross margin / sales", "share", HIGH, "33_lifetime_value",
       "orders", "items"),
    _i("market_share", 1, "value share", "own sales / sales of all shops, over whole months", "share", HIGH,
       "60_scorecard", "market", "orders", weekly=False),
    _i("buyers", 2, "buyers", "customers with a purchase", "customers", HIGH, "31_value_tiers", CUSTOMERS, total=True),
    _i("new_buyers", 2, "new buyers", "customers whose first known purchase is in the period", "customers", HIGH,
       "22_retention", CUSTOMERS, total=True),
    _i("repeat_purchase_rate", 2, "repeat rate", "buyers with two orders or more / buyers", "share", HIGH,
       "31_value_tiers", "orders", weekly=False),
    _i("retention_rate", 2, "retention", "last period's buyers who bought again / last period's buyers", "share", HIGH,
       "22_retention", CUSTOMERS, weekly=False),
    _i("buyer_conversion_rate", 2, "buyers of visitors", "visitors with a purchase / visitors", "share", HIGH,
       "21_funnel", "events"),
    _i("brand_awareness", 3, "unaided awareness", "people who name the shop unaided / people asked", "share", HIGH,
       "60_scorecard", weekly=False, instead="needs a survey: how many people were asked, and how many named the shop"),
    _i("brand_search_share", 3, "share of searches", "searches for the shop's name / searches for all shops' names",
       "share", HIGH, "60_scorecard", weekly=False, instead="needs counts of searches for this shop and for all shops"),
    _i("advertising_cost_rate", 4, "advertising cost", "advertising spend / sales", "share", LOW, "54_budget", "spend",
       "orders"),
    _i("email_opt_out_rate", 4, "e-mail opt-outs", "withdrawals of consent / e-mails sent", "share", LOW,
       "50_experiment", "contacts"),
    _i("return_on_ad_spend", 5, "ROAS, booked", "sales booked to the last touch / spend: a booking, not an effect",
       "money for one spent", HIGH, "54_budget", "spend", "touchpoints", "orders"),
    _i("incremental_profit", 5, "incremental profit",
       "profit of the treated − of as many controls, experiments that ended in the period", "money", HIGH,
       "50_experiment", "campaigns", "assignments", "orders", weekly=False),
    _i("campaign_return", 5, "campaign ROI", "incremental profit / cost of the contacts", "money for one spent", HIGH,
       "50_experiment", "campaigns", "assignments", "orders", weekly=False),
    _i("nps", 6, "NPS", "100 · (promoters − detractors) / answers", "points", HIGH, "43_feedback", "feedback"),
    _i("csat_rate", 6, "satisfied", "answers with four or five stars / answers", "share", HIGH, "43_feedback",
       "feedback"),
    _i("average_rating", 6, "average rating", "Σ stars / answers", "stars", HIGH, "43_feedback", "feedback"),
    _i("complaint_rate", 6, "complaints", "complaints / orders", "share", LOW, "43_feedback", "feedback", "orders"),
)  # fmt: skip
BY_KEY = {i.key: i for i in INDICATORS}


def definitions() -> pd.DataFrame:
    """The indicators with group, formula, unit, which side is good, notebook and tables needed.

    >>> len(definitions()) == len(INDICATORS)
    True
    """
    rows = [
        (i.group, i.key, i.name, i.formula, i.unit, i.good, i.notebook[:2], ", ".join(i.needs) or i.instead)
        for i in INDICATORS
    ]
    return pd.DataFrame(rows, columns=["group", "indicator", "name", "formula", "unit", "good", "notebook", "needs"])


@dataclass(frozen=True)
class Facts:
    """Everything that the groups need: sums by span, answers, experiments, and how to judge.

    `spans`: rows `span`, `day`; `months`: span → whole months of the market; `kept`: span → (kept, buyers before).
    """

    spans: pd.DataFrame
    level: float = 0.95
    min_cell: int = 10
    orders: pd.DataFrame = field(default_factory=pd.DataFrame)
    people: pd.DataFrame = field(default_factory=pd.DataFrame)
    new: pd.Series = field(default_factory=lambda: pd.Series(dtype="int64"))
    known_from: pd.Timestamp | None = None
    kept: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    market: pd.DataFrame = field(default_factory=pd.DataFrame)
    spend: pd.DataFrame = field(default_factory=pd.DataFrame)
    booked: pd.DataFrame = field(default_factory=pd.DataFrame)
    opt_outs: pd.DataFrame = field(default_factory=pd.DataFrame)
    campaigns: pd.DataFrame = field(default_factory=pd.DataFrame)
    answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    brand: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def days(self, span: str) -> pd.Series:
        """The days of a span."""
        return self.spans.loc[self.spans["span"] == span, "day"]

    def few(self, people: float) -> str:
        """Why so few people's figure is not shown; '' when it may be."""
        return f"fewer than {self.min_cell} customers" if people < self.min_cell else ""


Found = dict[str, Estimate]


def sales(facts: Facts, span: str) -> Found:
    """Sales, orders, pieces, average order value, gross margin and its rate."""
    keys = ("sales_amount", "orders", "units_sold", "average_order_value", "gross_margin", "gross_margin_rate")
    if span not in facts.orders.index:
        return dict.fromkeys(keys, Estimate.missing("no orders"))
    row = facts.orders.loc[span]
    if few := facts.few(row.customers):
        return dict.fromkeys(keys, Estimate.missing(few))
    names = {"sales_amount": "sales", "orders": "orders", "units_sold": "pieces"}
    found = {key: _total(row, name, level=facts.level) for key, name in names.items()}
    order = pd.Series({"n": row.customers, "x": row.sales, "y": row.orders, "xx": row.sales_squares,
                       "xy": row.sales_orders, "yy": row.orders_squares, "largest": row.sales_largest})  # fmt: skip
    found["average_order_value"] = _ratio(order, level=facts.level, positive=True)
    return found | _margin(row, level=facts.level)


def _margin(row: pd.Series, *, level: float) -> Found:
    if row.unknown_margins > 0:
        reason = f"the margin of {int(row.unknown_margins):,} order lines is not known"
        return dict.fromkeys(("gross_margin", "gross_margin_rate"), Estimate.missing(reason))
    share = pd.Series({"n": row.customers, "x": row.margin, "y": row.sales, "xx": row.margin_squares,
                       "xy": row.margin_sales, "yy": row.sales_squares})  # fmt: skip
    return {
        "gross_margin": _total(row, "margin", level=level),
        "gross_margin_rate": _ratio(share, level=level, positive=False),
    }


def _total(row: pd.Series, name: str, *, level: float) -> Estimate:
    """A total over customers; amounts below 0 (a margin eaten by discounts) take the normal interval."""
    total, squares = float(row[name]), float(row[f"{name}_squares"])
    if row[f"{name}_least"] < 0:
        half = z_value(level) * float(np.sqrt(squares))
        return Estimate(total, total - half, total + half)
    return Estimate(total, *total_interval(total, squares, float(row[f"{name}_largest"]), level=level))


def _ratio(sums_: pd.Series, *, level: float, positive: bool) -> Estimate:
    value, low, high = (float(v) for v in ratio_interval(sums_, level=level, positive=positive))
    if not np.isfinite(value):
        return Estimate.missing("nothing to divide by")
    return Estimate(value, low, high) if np.isfinite([low, high]).all() else Estimate(value, reason="one customer only")


def market_share(facts: Facts, span: str) -> Found:
    """Value share s/(s + rest): the interval is that of own sales s; what others sell is taken as known."""
    if span not in facts.market.index:
        return {"market_share": Estimate.missing("no whole month of the period is in the window and the market table")}
    row = facts.market.loc[span]
    if few := facts.few(row.customers if row.customers == row.customers else 0):
        return {"market_share": Estimate.missing(few)}
    rest = row.market - row.sales
    if rest <= 0:
        return {"market_share": Estimate.missing("the market is not larger than the shop: check its table")}
    low, high = total_interval(row.sales, row.sales_squares, row.sales_largest, level=facts.level)
    return {"market_share": Estimate(row.sales / row.market, low / (low + rest), high / (high + rest))}


def customers(facts: Facts, span: str) -> Found:
    """Buyers, new buyers, repeat rate, retention of the period before, buyers of visitors."""
    row = facts.people.loc[span] if span in facts.people.index else pd.Series({"buyers": 0})
    few = facts.few(row.buyers)
    none = Estimate.missing(few)
    found = {"buyers": none if few else poisson_interval(int(row.buyers), level=facts.level)}
    found["new_buyers"] = none if few else _new(facts, span)
    found["repeat_purchase_rate"] = Estimate.missing(few or "no orders")
    if not few and span in facts.orders.index:
        order = facts.orders.loc[span]
        found["repeat_purchase_rate"] = rate(int(order.repeaters), int(order.customers), level=facts.level)
    kept, before = facts.kept.get(span, (0, 0))
    reason = facts.few(before) if span in facts.kept else "the period before is not whole in the window"
    found["retention_rate"] = Estimate.missing(reason) if reason else rate(kept, before, level=facts.level)
    visitors = int(row.get("visitors", 0))
    reason = facts.few(visitors)
    found["buyer_conversion_rate"] = (
        Estimate.missing(reason) if reason else rate(int(row.visiting_buyers), visitors, level=facts.level)
    )
    return found


def _new(facts: Facts, span: str) -> Estimate:
    if facts.known_from is not None and facts.days(span).min() < facts.known_from:
        return Estimate.missing(f"before {facts.known_from:%Y-%m-%d} everybody looks new")
    new = int(facts.new.get(span, 0))
    return Estimate.missing(facts.few(new)) if facts.few(new) else poisson_interval(new, level=facts.level)


def brand(facts: Facts, span: str) -> Found:
    """Awareness and share of searches: counts that are given by hand, for the period only; no table holds them."""
    found = {}
    for key in ("brand_awareness", "brand_search_share"):
        named, asked = facts.brand.get(key, (0, 0))
        given = asked > 0 and span == "now"
        found[key] = rate(named, asked, level=facts.level) if given else Estimate.missing(_lacking(BY_KEY[key], ()))
    return found


def channels(facts: Facts, span: str) -> Found:
    """Advertising cost as a share of sales, and opt-outs by e-mail."""
    return {"advertising_cost_rate": _cost_rate(facts, span), "email_opt_out_rate": _opt_outs(facts, span)}


def _cost_rate(facts: Facts, span: str) -> Estimate:
    spent = _spent(facts, span)
    if spent is None or span not in facts.orders.index:
        return Estimate.missing("no advertising money, or no orders, in these days")
    row = facts.orders.loc[span]
    if few := facts.few(row.customers):
        return Estimate.missing(few)
    sold = _total(row, "sales", level=facts.level)
    if not sold.ci_low > 0:
        return Estimate.missing("no sales to divide by")
    return Estimate(spent / sold.value, spent / sold.ci_high, spent / sold.ci_low)


def _spent(facts: Facts, span: str) -> float | None:
    part = facts.spend[facts.spend["span"] == span] if len(facts.spend) else facts.spend
    total = float(part["spend"].sum()) if len(part) else 0.0
    return total if total > 0 else None


def _opt_outs(facts: Facts, span: str) -> Estimate:
    if span not in facts.opt_outs.index:
        return Estimate.missing("no e-mails in these days")
    row = facts.opt_outs.loc[[span]]
    if few := facts.few(row.people.iloc[0]):
        return Estimate.missing(few)
    names = {"successes": "opt_outs", "trials": "messages", "clusters": "people"}
    shown = add_rate_by_cluster(row, **names, level=facts.level).iloc[0]
    return Estimate(float(shown.rate), float(shown.rate_ci_low), float(shown.rate_ci_high))


def returns(facts: Facts, span: str) -> Found:
    """Booked return on advertising spend, and what the experiments that ended in the span earned."""
    found = {"return_on_ad_spend": _booked_return(facts, span)}
    profit, cost = campaign_profit(facts, span)
    found["incremental_profit"] = profit
    if profit.value is None or not cost > 0:
        return found | {"campaign_return": Estimate.missing(profit.reason or "the contacts cost nothing")}
    return found | {"campaign_return": Estimate(*(v / cost for v in (profit.value, profit.ci_low, profit.ci_high)))}


def _booked_return(facts: Facts, span: str) -> Estimate:
    spent = _spent(facts, span)
    if spent is None or facts.booked.empty:
        return Estimate.missing("no advertising money, or no order after a touch, in these days")
    row = facts.booked[(facts.booked["span"] == span) & (facts.booked["channel"] == "")]
    if few := facts.few(row["customers"].sum()):
        return Estimate.missing(few)
    return _over_spend(row.iloc[0], spent, level=facts.level)


def _over_spend(row: pd.Series, spent: float, *, level: float) -> Estimate:
    """Sales / spend; the spend is known, the sales are those of customers who could have come or not."""
    low, high = total_interval(row.sales, row.sales_squares, row.sales_largest, level=level)
    return Estimate(float(row.sales / spent), low / spent, high / spent)


def campaign_profit(facts: Facts, span: str) -> tuple[Estimate, float]:
    """(incremental profit of the experiments that ended in the span, what their contacts cost).

    Experiments are added up as independent: each was drawn anew. Campaigns that are no experiments are not in it.
    """
    if facts.campaigns.empty:
        return Estimate.missing(facts.campaigns.attrs.get("reason", "no campaign")), 0.0
    days = facts.days(span)
    known = facts.campaigns[facts.campaigns["status"] == "counted"]
    part = known[(known["ended"] >= days.min()) & (known["ended"] <= days.max())]
    if part.empty:
        return Estimate.missing("no campaign that ended in these days can be read as an experiment"), 0.0
    total, error = float(part["profit"].sum()), float(np.sqrt((part["standard_error"] ** 2).sum()))
    half = z_value(facts.level) * error
    return Estimate(total, total - half, total + half), float(part["cost"].sum())


def feedback(facts: Facts, span: str) -> Found:
    """NPS, share of satisfied answers, average rating, complaints per order."""
    keys = ("nps", "csat_rate", "average_rating", "complaint_rate")
    part = facts.answers[facts.answers["day"].isin(facts.days(span))] if len(facts.answers) else facts.answers
    if part.empty or (few := facts.few(part["user_id"].nunique())):
        return dict.fromkeys(keys, Estimate.missing("no answers" if part.empty else few))
    found = {"nps": nps(part, level=facts.level), "csat_rate": csat(part, level=facts.level)}
    found["average_rating"] = _mean_rating(part, level=facts.level)
    placed = float(facts.orders.loc[span].orders) if span in facts.orders.index else 0.0
    complaints = int(is_complaint(part).sum())
    found["complaint_rate"] = (
        poisson_interval(complaints, exposure=placed, level=facts.level) if placed else Estimate.missing("no orders")
    )
    return found


def _mean_rating(part: pd.DataFrame, *, level: float) -> Estimate:
    """The mean number of stars; whole customers are drawn."""
    known = part[part["rating"].notna()]
    if known.empty:
        return Estimate.missing("no answer with stars")
    each = known.groupby("user_id")["rating"].agg(["sum", "count"]).astype(float)
    x, y = each["sum"], each["count"]
    total = {"n": len(each), "x": x.sum(), "y": y.sum(), "xx": (x * x).sum(), "xy": (x * y).sum(), "yy": (y * y).sum()}
    found = _ratio(pd.Series(total), level=level, positive=False)
    if found.ci_low is None:
        return found
    return Estimate(found.value, max(1.0, found.ci_low), min(5.0, found.ci_high))


MEASURES: dict[str, Callable[[Facts, str], Found]] = dict(
    zip(GROUPS, (sales, market_share, customers, brand, channels, returns, feedback), strict=True)
)
ESTIMATES = ["span", "indicator", "value", "ci_low", "ci_high", "reason"]


def measure(facts: Facts, *, present: tuple[str, ...], spans: list[str]) -> pd.DataFrame:
    """All indicators of all spans.

    Parameters
    ----------
    facts : Facts
        The sums.
    present : tuple of str
        Names of the study's tables: an indicator whose tables are not there says so.
    spans : list of str
        The spans to measure.

    Returns
    -------
    DataFrame
        One row a span and indicator, in the order of `spans` and `INDICATORS`: span, indicator, value, ci_low, ci_high,
        reason (why there is no value).
    """
    rows = []
    for span in spans:
        found: Found = {}
        for function in MEASURES.values():
            found |= function(facts, span)
        for i in INDICATORS:
            lacking = _lacking(i, present) if absent(i.needs, present) else ""
            one = Estimate.missing(lacking) if lacking else found[i.key]
            rows.append((span, i.key, one.value, one.ci_low, one.ci_high, one.reason))
    if not rows:
        return missing(ESTIMATES, "there is no span to measure")
    table = pd.DataFrame(rows, columns=ESTIMATES)
    return table.astype({"value": float, "ci_low": float, "ci_high": float})


def _lacking(indicator: Indicator, present: tuple[str, ...]) -> str:
    """Why an indicator is not measurable: the tables, or the counts, that it needs."""
    tables = absent(indicator.needs, present)
    what = indicator.instead or f"needs the table{'s' * (len(tables) > 1)} {', '.join(tables)}"
    return f"{NOT_MEASURABLE}: {what}"


def gather(
    tables: sums.Tables, *, spans: pd.DataFrame, months: Mapping[str, list[str]], kept: Mapping[str, str],
    answers: pd.DataFrame, campaigns: pd.DataFrame, brand: Mapping[str, tuple[int, int]],
    known_from: pd.Timestamp | None = None, lookback_days: int = 7, level: float = 0.95, min_cell: int = 10,
) -> Facts:  # fmt: skip
    """The sums of all spans from the tables that are there.

    Parameters
    ----------
    tables : mapping of str to Table
        The study's tables by name.
    spans : DataFrame
        `span`, `day`.
    months : mapping
        Span → whole months, for the market.
    kept : mapping
        Span → the span whose buyers may come back in it.
    answers : DataFrame
        One row an answer with its `day`, from `helpers.scores.answers`; empty without.
    campaigns : DataFrame
        From `helpers.campaigns.profit_totals.profit_totals`.
    brand : mapping
        Indicator → (successes, trials), typed in by hand.
    known_from : Timestamp, optional
        Before this day everybody looks new.
    lookback_days, level, min_cell
        As in `helpers.order_lines.last_touch`; of the intervals; smallest number of customers that is shown.
    """
    have = set(tables)
    orders = sums.order_sums(tables, spans) if "orders" in have else pd.DataFrame()
    anybody = have & {"events", "orders"}
    paid = {"spend", "orders"} <= have
    return Facts(
        spans=spans, level=level, min_cell=min_cell, orders=orders, known_from=known_from,
        people=sums.people_sums(tables, spans) if anybody else pd.DataFrame(),
        new=sums.new_buyers(tables, spans) if anybody else pd.Series(dtype="int64"),
        kept={s: sums.kept_buyers(tables, spans, base=b, later=s) for s, b in kept.items()} if anybody else {},
        market=sums.market_sums(tables, months) if {"market", "orders"} <= have and months else pd.DataFrame(),
        spend=sums.spend_sums(tables, spans) if paid else pd.DataFrame(),
        booked=sums.booked_sums(tables, spans, lookback_days=lookback_days) if paid and "touchpoints" in have
        else pd.DataFrame(),
        opt_outs=sums.opt_out_sums(tables, spans) if "contacts" in have else pd.DataFrame(),
        campaigns=campaigns, answers=answers, brand=brand,
    )  # fmt: skip
