"""The scorecard of a simulated shop beside its known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from helpers.findings import Estimate, missing
from helpers.scores import nps

if TYPE_CHECKING:
    from helpers.summary.scorecard import Measured

TRUTH = ["figure", "value", "ci_low", "ci_high", "truth", "covered", "says"]


def against_truth(
    found: Measured, *, market: pd.DataFrame, arms: pd.DataFrame, truths: Mapping[str, dict]
) -> pd.DataFrame:
    """Figures of the scorecard beside the truth of the simulated shop.

    Parameters
    ----------
    found : Measured
        From `helpers.summary.scorecard.measured`.
    market, arms : DataFrame
        The shop's truth: `month`, `category_id`, `shop_sales`, `share`; `campaign_id`, `arm`, `assigned`, `ate_profit`.
    truths : mapping
        Single numbers of the truth.

    Returns
    -------
    DataFrame
        figure, value with ci_low and ci_high, truth, covered ('yes' or 'no'), says (what the comparison shows). Empty
        with its reason for real data.
    """
    if not truths or market.empty:
        return missing(TRUTH, market.attrs.get("reason", "the truth is not known"))
    answered = nps(found.facts.answers, level=found.facts.level) if len(found.facts.answers) else None
    answered = answered or Estimate.missing("no answers")
    rows = [
        ("value share", found.of("now", "market_share"), _share(found, market), "own sales over the whole market"),
        (
            "incremental profit",
            found.of("now", "incremental_profit"),
            _profit(found, arms),
            "profit the experiments added",
        ),
        ("NPS, all answers", answered, _number(truths, "nps.answered"), "of those who answer"),
        (
            "NPS, all answers",
            answered,
            _number(truths, "nps.all"),
            "of all orders: the interval does not know the silent",
        ),
    ]
    known = [(name, e, truth, says) for name, e, truth, says in rows if truth is not None and e.value is not None]
    if not known:
        return missing(TRUTH, "none of these figures is measurable")
    table = [
        (name, e.value, e.ci_low, e.ci_high, truth, "yes" if e.covers(truth) else "no", says)
        for name, e, truth, says in known
    ]
    return pd.DataFrame(table, columns=TRUTH)


def _number(truths: Mapping[str, dict], key: str) -> float | None:
    return float(truths[key]["value"]) if key in truths else None


def _share(found: Measured, market: pd.DataFrame) -> float | None:
    """True sales of the shop over the period's whole months / the whole market's."""
    months = found.months.get("now", [])
    if "now" not in found.facts.market.index or not months:
        return None
    own = market.loc[market["month"].astype(str).isin(months), "shop_sales"].sum()
    return float(own / found.facts.market.loc["now"].market)


def _profit(found: Measured, arms: pd.DataFrame) -> float | None:
    """Σ people of an arm · its true mean effect, over the arms of the experiments that ended in the period."""
    campaigns = found.facts.campaigns
    if campaigns.empty or arms.empty or "ended" not in campaigns:
        return None
    days = found.facts.days("now")
    counted = campaigns[(campaigns["status"] == "counted") & campaigns["ended"].between(days.min(), days.max())]
    part = arms[arms["campaign_id"].isin(counted["campaign_id"]) & (arms["arm"] != "control")]
    return float((part["assigned"] * part["ate_profit"]).sum()) if len(part) else None


def category_errors(shares: pd.DataFrame, market: pd.DataFrame, *, months: list[str]) -> Estimate:
    """Largest difference between a category's value share and its true one over the same months.

    The true share of several months is the true sales over Σ sales/share; months without sales have no true share and
    are left out, together with their categories.
    """
    if shares.empty or market.empty:
        return Estimate.missing(market.attrs.get("reason", "no shares"))
    part = market[market["month"].astype(str).isin(months)]
    sold = part.groupby("category_id")["share"].transform("min") > 0
    part = part[sold].assign(whole=lambda t: t["shop_sales"] / t["share"])
    sums = part.groupby("category_id")[["shop_sales", "whole"]].sum()
    true = (sums["shop_sales"] / sums["whole"]).rename("truth")
    both = shares.merge(true, left_on="category_id", right_index=True).dropna(subset=["value_share", "truth"])
    if both.empty:
        return Estimate.missing("no category can be compared")
    return Estimate(float((both["value_share"] - both["truth"]).abs().max()))
