"""The management scorecard: seven groups of indicators against target, benchmark and the period before.

After the evaluation system of marketing (营销效果评估体系) and the balanced scorecard (Kaplan and Norton 1992).
Each light is a claim that its interval must support; what the tables cannot tell is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, Note, format_value, missing
from helpers.scores import answers as read_answers
from helpers.summary.indicators import BY_KEY, INDICATORS, Facts, definitions, gather, measure
from helpers.summary.light_study import light_study
from helpers.summary.lights import AMBER, GREEN, GREY, RED, by_chance, light, shown, tally
from helpers.summary.periods import (
    DAY,
    Period,
    ScorecardError,
    Window,
    choose_period,
    days_of,
    like_for_like,
    unreadable_periods,
    whole_months,
    whole_weeks,
)
from helpers.summary.sums import share_by_category
from helpers.summary.trends import mann_kendall, sen_slope, trends
from helpers.summary.truths import against_truth
from helpers.summary.uncertainty import difference, ratio_interval, relative_change, total_interval

__all__ = [
    "NUMBERS",
    "ScorecardError",
    "against_truth",
    "by_chance",
    "card",
    "categories",
    "changes",
    "channel_table",
    "definitions",
    "figure",
    "in_words",
    "light",
    "light_study",
    "mann_kendall",
    "measured",
    "ratio_interval",
    "sen_slope",
    "sentences",
    "series",
    "span_table",
    "tally",
    "target_notes",
    "total_interval",
    "trends",
    "unknown_targets",
]

CARD = [
    "group", "indicator", "name", "value", "ci_low", "ci_high", "unit", "target", "reached", "light", "because",
    "benchmark", "benchmark_light", "last", "change", "change_ci_low", "change_ci_high", "year_change",
    "year_change_ci_low", "year_change_ci_high", "good", "notebook",
]  # fmt: skip
LIKE = ("sales", "acquisition and retention", "channels", "return on marketing")
"""Groups whose figures depend on which days are counted: compared with the last period on like-for-like days."""


@dataclass(frozen=True)
class Measured:
    """The figures of one study and period: `table` holds one row a span and indicator, from `measure`."""

    period: Period
    window: Window
    table: pd.DataFrame
    facts: Facts
    targets: pd.DataFrame
    months: Mapping[str, list[str]]
    known: pd.DataFrame

    @property
    def seen_share(self) -> float:
        """Share of the period's days that the window holds, 0…1."""
        return self.period.share_in(self.window)

    def of(self, span: str, key: str) -> Estimate:
        """The estimate of one indicator in one span; missing where the span is not there."""
        row = self.table[(self.table["span"] == span) & (self.table["indicator"] == key)]
        if row.empty:
            return Estimate.missing("the window does not hold that period")
        value, low, high = (None if pd.isna(v) else float(v) for v in row.iloc[0][["value", "ci_low", "ci_high"]])
        return Estimate(value, low, high, str(row["reason"].iloc[0]))


def measured(
    tables: Mapping[str, ir.Table], *, window: Window, zone: str, known: pd.DataFrame, period: str = "",
    campaigns: pd.DataFrame | None = None, brand: Mapping[str, tuple[int, int]] | None = None,
    quiet_days: int = 56, lookback_days: int = 7, level: float = 0.95, min_cell: int = 10,
) -> Measured:  # fmt: skip
    """All indicators of the judged period, of the periods it is compared with, and of every whole week.

    Parameters
    ----------
    tables : mapping of str to Table
        The study's tables by name.
    window : (first, last)
        The study's days, both inclusive.
    zone : str
        The study's time zone.
    known : DataFrame
        Days known to be unlike others, from `helpers.known_days.known_days`.
    period : str
        A year, quarter or month; '' chooses (see `choose_period`).
    campaigns : DataFrame, optional
        From `helpers.campaigns.profit_totals.profit_totals`.
    brand : mapping, optional
        'brand_awareness' or 'brand_search_share' → (our count, count of all).
    quiet_days : int
        Days from the start of the window in which every buyer looks new, 0…365.
    lookback_days : int
        An order is booked to the last touch in so many days before it, 1…90.
    level, min_cell
        Of the intervals; smallest number of customers whose figure is shown.

    Raises
    ------
    ScorecardError
        A period that cannot be read or has no day in the window, or counts of the brand that do not fit.
    """
    targets = tables["targets"].execute() if "targets" in tables else missing(["indicator", "period"], "no targets")
    judged = choose_period(window, targets, period=period)
    brand = _checked_brand(brand or {})
    spans, kept = _spans(judged, window, known)
    months = _months(judged, window)
    facts = gather(
        tables, spans=spans, months=months, kept=kept, campaigns=_none_known(campaigns), brand=brand,
        answers=_answers(tables, zone), known_from=window[0] + quiet_days * DAY, lookback_days=lookback_days,
        level=level, min_cell=min_cell,
    )  # fmt: skip
    names = list(dict.fromkeys([*spans["span"], *months]))
    table = measure(facts, present=tuple(tables), spans=[n for n in names if n != "before last"])
    return Measured(judged, window, table, facts, targets, months, known)


def _none_known(campaigns: pd.DataFrame | None) -> pd.DataFrame:
    return missing(["status"], "the campaigns were not looked at") if campaigns is None else campaigns


def _checked_brand(brand: Mapping[str, tuple[int, int]]) -> dict[str, tuple[int, int]]:
    for key, (ours, everybody) in brand.items():
        if not 0 <= ours <= everybody:
            raise ScorecardError(f"{key}: {ours} of {everybody}: give counts with 0 ≤ ours ≤ all")
    return {k: (int(a), int(b)) for k, (a, b) in brand.items()}


def _answers(tables: Mapping[str, ir.Table], zone: str) -> pd.DataFrame:
    if "feedback" not in tables:
        return missing(["user_id", "day"], "no feedback")
    found = read_answers(tables["feedback"])
    day = pd.to_datetime(found["created_at"], unit="s", utc=True).dt.tz_convert(zone).dt.tz_localize(None)
    return found.assign(day=day.dt.normalize())


def _spans(judged: Period, window: Window, known: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """All spans as rows `span`, `day`, and which span's buyers may come back in which."""
    now, last = judged.inside(window), judged.before()
    parts, kept = [days_of(now, "now")], {}
    for name, other in (("last", last), ("year", judged.year_before())):
        if other.share_in(window) < 1:
            continue
        parts.append(days_of(other, name))
        here, there = like_for_like(parts[0], parts[-1], known)
        parts += [here.assign(span=f"like now, {name}"), there.assign(span=f"like {name}")]
    if last.share_in(window) == 1:
        kept["now"] = "last"
        if last.before().share_in(window) == 1:
            parts.append(days_of(last.before(), "before last"))
            kept["last"] = "before last"
    parts.append(whole_weeks(window))
    return pd.concat([p for p in parts if len(p)], ignore_index=True), kept


def _months(judged: Period, window: Window) -> dict[str, list[str]]:
    whole = whole_months(window)
    spans = {"now": judged, "last": judged.before(), "year": judged.year_before()}
    found = {s: [m for m in whole if p.start <= pd.Timestamp(m) <= p.end] for s, p in spans.items()}
    return {s: m for s, m in found.items() if m} | {f"month {m}": [m] for m in whole}


def span_table(found: Measured) -> pd.DataFrame:
    """What is compared with what: the period, its days in the window, and the like-for-like days of each comparison."""
    words = {
        "now": f"{found.period.label}, judged", "last": f"{found.period.before().label}, before it",
        "year": f"{found.period.year_before().label}, a year ago", "like now, last": "like-for-like days of the period",
        "like last": "like-for-like days before it", "like now, year": "like-for-like days, for the year",
        "like year": "like-for-like days a year ago",
    }  # fmt: skip
    rows = []
    for span, what in words.items():
        days = found.facts.days(span)
        if len(days):
            special = int(days.isin(found.known["day"]).sum())
            rows.append((what, f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}", len(days), special))
    return pd.DataFrame(rows, columns=["days_of", "first_day", "last_day", "days", "known_days"])


def card(found: Measured) -> pd.DataFrame:
    """The scorecard: one row an indicator, in the order of the groups.

    Returns
    -------
    DataFrame
        group, indicator, name, value with ci_low and ci_high, unit, target (scaled to the days seen, for totals),
        reached (is the value itself on the good side? 'yes', 'no', ''), light ('green', 'amber', 'red', 'grey'),
        because (of a grey one), benchmark and benchmark_light, last (value of the period before on comparable days),
        change against it with its interval (relative; NPS, ratings and profits: difference in their unit),
        year_change (against the same period of the year before) with its interval, good ('high' or 'low'), notebook.
    """
    rows = [_row(found, i.key) for i in INDICATORS]
    return pd.DataFrame(rows, columns=CARD).astype(dict.fromkeys(("value", "target", "benchmark", "last"), float))


def _row(found: Measured, key: str) -> dict:
    i, value = BY_KEY[key], found.of("now", key)
    target, benchmark = _planned(found, key, "target"), _planned(found, key, "benchmark")
    colour = light(value, target, good=i.good)
    because = value.reason if value.value is None else "no target" if target is None else ""
    (last, change), (_, year) = (_change(found, key, other) for other in ("last", "year"))
    return {
        "group": i.group, "indicator": key, "name": i.name, "value": value.value, "ci_low": value.ci_low,
        "ci_high": value.ci_high, "unit": i.unit, "target": target, "reached": _reached(value, target, i.good),
        "light": colour, "because": because if colour == GREY else "", "benchmark": benchmark,
        "benchmark_light": light(value, benchmark, good=i.good), "last": last.value, "change": change.value,
        "change_ci_low": change.ci_low, "change_ci_high": change.ci_high,
        "year_change": year.value, "year_change_ci_low": year.ci_low, "year_change_ci_high": year.ci_high,
        "good": i.good, "notebook": i.notebook,
    }  # fmt: skip


def _reached(value: Estimate, target: float | None, good: str) -> str:
    if value.value is None or target is None:
        return ""
    return "yes" if (value.value >= target if good == "high" else value.value <= target) else "no"


def _planned(found: Measured, key: str, column: str) -> float | None:
    """The target (or benchmark) of the judged period; that of a total is scaled to the share of its days seen."""
    if found.targets.empty or column not in found.targets:
        return None
    names = found.targets["period"].astype(str).str.replace("-", "")
    row = found.targets[(found.targets["indicator"] == key) & (names == found.period.label.replace("-", ""))]
    if row.empty or pd.isna(row[column].iloc[0]):
        return None
    return float(row[column].iloc[0]) * (found.seen_share if BY_KEY[key].total else 1.0)


def _change(found: Measured, key: str, other: str) -> tuple[Estimate, Estimate]:
    """(value of the other period, change against it), on like-for-like days where days matter."""
    i = BY_KEY[key]
    like = (i.group in LIKE and i.weekly) or key == "repeat_purchase_rate"
    now, then = (f"like now, {other}", f"like {other}") if like else ("now", other)
    last, value = found.of(then, key), found.of(now, key)
    return last, (difference if _in_units(key, i.unit) else relative_change)(value, last)


def figure(table: pd.DataFrame, key: str) -> Estimate:
    """One figure of the scorecard as an Estimate; missing with its reason."""
    row = table[table["indicator"] == key].iloc[0]
    if pd.isna(row["value"]):
        return Estimate.missing(row["because"])
    ends = (None if pd.isna(row[c]) else float(row[c]) for c in ("ci_low", "ci_high"))
    return Estimate(float(row["value"]), *ends)


def unknown_targets(found: Measured) -> list[str]:
    """Indicators of the targets that the scorecard does not know."""
    return sorted(set(found.targets["indicator"].astype(str)) - set(BY_KEY)) if len(found.targets) else []


WORDS = ["group", "indicator", "value", "interval", "target", "light"]
CHANGES = ["indicator", "against_last_period", "trend", "benchmark", "light_against_benchmark"]
NO_LIGHT = "–"


def target_notes(found: Measured) -> Note:
    """What cannot be used of the table of targets, in one sentence: unknown indicators, periods that cannot be read."""
    if found.targets.empty:
        return Note("There is no table of targets, so no figure gets a light.")
    unknown, odd = unknown_targets(found), unreadable_periods(found.targets)
    said = [f"the scorecard has no indicator {', '.join(unknown[:5])}"] if unknown else []
    said += [f"the period {', '.join(odd[:5])} is neither year, quarter nor month"] if odd else []
    if not said:
        return Note("Every target has its indicator and a period that can be read.")
    return Note(f"Targets that are not used: {'; '.join(said)}.")


def in_words(table: pd.DataFrame, *, currency: str = "") -> pd.DataFrame:
    """The scorecard as people read it: one row an indicator, all cells as text.

    Columns: group (named once), indicator, value, interval, target, light (sign and words).
    """
    rows = [
        (
            row["group"],
            row["name"],
            _together(written(row["value"], row["unit"], currency)),
            _together(span_words(row["ci_low"], row["ci_high"], row["unit"])),
            _together(written(row["target"], row["unit"], currency)),
            shown(row["light"], row["because"]),
        )
        for row in table.to_dict("records")
    ]
    words = pd.DataFrame(rows, columns=WORDS)
    return words.assign(group=words["group"].mask(words["group"].duplicated(), ""))


def _together(text: str) -> str:
    """The words of a figure, which a line's end must not tear apart: with no-break spaces."""
    return text.replace(" ", NO_BREAK)


NO_BREAK = "\N{NO-BREAK SPACE}"


def changes(table: pd.DataFrame, *, trend: pd.DataFrame | None = None, currency: str = "") -> pd.DataFrame:
    """How each measured indicator moves, and how it stands to the benchmark; all cells as text.

    Parameters
    ----------
    table : DataFrame
        From `card`.
    trend : DataFrame, optional
        From `trends`.
    currency : str
        Such as 'CNY'.

    Returns
    -------
    DataFrame
        indicator, against_last_period, trend, benchmark, light_against_benchmark; and against_last_year where the
        window holds that period. Indicators that are not measurable are left out.
    """
    known = trend if trend is not None and len(trend) else pd.DataFrame(columns=["indicator", "trend"])
    arrows = dict(zip(known["indicator"], known["trend"], strict=True))
    measurable = table[table["value"].notna()]
    rows = [
        (
            row["name"],
            change_words(row),
            arrows.get(row["indicator"], NO_LIGHT),
            written(row["benchmark"], row["unit"], currency),
            _beside_benchmark(row["benchmark_light"]),
        )
        for row in measurable.to_dict("records")
    ]
    if not rows:
        return missing(CHANGES, "no indicator is measurable with these tables")
    words = pd.DataFrame(rows, columns=CHANGES)
    if table["year_change"].notna().any():
        yearly = [change_words(row, "year_change") for row in measurable.to_dict("records")]
        words.insert(2, "against_last_year", yearly)
    return words


def _beside_benchmark(colour: str) -> str:
    return NO_LIGHT if colour == GREY else shown(colour).replace("target", "benchmark")


NUMBERS = ["group", "indicator", "value", "ci_low", "ci_high", "target", "benchmark", "last", "change", "light"]


def written(value: float | None, unit: str, currency: str = "") -> str:
    """A figure with its unit, short: shares as percentages, money with the currency.

    >>> written(0.0104, "share"), written(962333.5, "money", "CNY"), written(None, "share"), written(-4.5, "points")
    ('1.04 %', '962,334 CNY', '–', '-4.5')
    """
    if value is None or not np.isfinite(value):
        return "–"
    if unit == "share":
        return format_value(float(value), "share")
    text = f"{value:,.0f}" if abs(value) >= 1000 or unit in ("orders", "pieces", "customers") else f"{value:,.3g}"
    return f"{text} {currency}".strip() if unit.startswith("money") and unit != "money for one spent" else text


def span_words(low: float | None, high: float | None, unit: str) -> str:
    """An interval in words, '–' without one.

    >>> span_words(0.01, 0.02, "share"), span_words(None, None, "share")
    ('1.00 to 2.00 %', '–')
    """
    if low is None or high is None or not np.isfinite([low, high]).all():
        return "–"
    first, second = written(low, unit), written(high, unit)
    return f"{first.removesuffix(' %')} to {second}" if unit == "share" else f"{first} to {second}"


def change_words(row: Mapping, name: str = "change") -> str:
    """The change `name` of a row of the scorecard with its interval, as text; '–' where it is not known.

    >>> row = {"unit": "money", "indicator": "orders", "change": 0.2, "change_ci_low": -0.05, "change_ci_high": 0.5}
    >>> change_words(row)
    '+20.0 % (-5.0 to +50.0 %)'
    """
    ends = [row[name], row[f"{name}_ci_low"], row[f"{name}_ci_high"]]
    change, low, high = ("" if v is None or not np.isfinite(v) else _signed(v, row) for v in ends)
    return "–" if not change else f"{change} ({low.removesuffix(' %')} to {high})" if low and high else change


def _signed(change: float, row: Mapping) -> str:
    if not _in_units(row["indicator"], row["unit"]):
        return f"{change:+.1%}".replace("%", " %")
    return f"{change:+.2f}" if abs(change) < 10 else f"{change:+,.3g}" if abs(change) < 1000 else f"{change:+,.0f}"


def _in_units(key: str, unit: str) -> bool:
    """Is a change given in the indicator's unit, because a relative one would mean nothing around 0?"""
    return unit in ("points", "stars") or key in ("incremental_profit", "campaign_return")


def series(found: Measured) -> pd.DataFrame:
    """The weekly figures: week (its Monday), indicator, name, value, ci_low, ci_high; only indicators with values."""
    weeks = found.table[found.table["span"].str.startswith("week ")]
    weekly = weeks[weeks["indicator"].isin([i.key for i in INDICATORS if i.weekly])]
    known = weekly.groupby("indicator")["value"].transform("count") > 0
    table = weekly[known].assign(week=lambda t: pd.to_datetime(t["span"].str.removeprefix("week ")))
    if table.empty:
        return missing(["week", "indicator", "name", "value", "ci_low", "ci_high"], "no whole week has figures")
    table = table.assign(name=table["indicator"].map(lambda key: BY_KEY[key].name))
    return table[["week", "indicator", "name", "value", "ci_low", "ci_high"]].reset_index(drop=True)


def categories(tables: Mapping[str, ir.Table], found: Measured, *, rows: int = 10) -> pd.DataFrame:
    """Value share of the largest categories over the period's whole months, from `share_by_category`.

    Columns: category_id, customers, sales, market, value_share; categories with too few customers show no sales.
    """
    names = ["category_id", "customers", "sales", "market", "value_share"]
    if not {"market", "orders"} <= set(tables):
        return missing(names, "needs the tables market, orders")
    months = found.months.get("now", [])
    if not months:
        return missing(names, "no month of the period lies wholly in the window")
    table = share_by_category(tables, months).head(rows)
    few = table["customers"] < found.facts.min_cell
    table[["customers", "sales", "value_share"]] = table[["customers", "sales", "value_share"]].astype(float).mask(few)
    return table if len(table) else missing(names, "the market table has no row for these months")


def channel_table(found: Measured, *, tested: pd.DataFrame | None = None) -> pd.DataFrame:
    """Channels of the period: share of the money, share of the booked sales, booked return; and what experiments say.

    Parameters
    ----------
    found : Measured
        From `measured`.
    tested : DataFrame, optional
        From `helpers.campaigns.budget.holdouts`: `channel`, `roas` with its interval.

    Returns
    -------
    DataFrame
        channel, spend, spend_share, booked_sales_share, booked_roas with ci_low and ci_high, and incremental_roas with
        its interval where the channel was switched off for people drawn by chance; largest spend first.
    """
    names = ["channel", "spend", "spend_share", "booked_sales_share", "booked_roas", "booked_roas_ci_low"]
    names += ["booked_roas_ci_high", "incremental_roas", "incremental_roas_ci_low", "incremental_roas_ci_high"]
    facts = found.facts
    if facts.spend.empty or not (facts.spend["span"] == "now").any():
        return missing(names, "needs the table spend, with money in the period")
    table = facts.spend[facts.spend["span"] == "now"].drop(columns="span")
    table = table.assign(spend_share=table["spend"] / table["spend"].sum())
    booked = facts.booked[facts.booked["span"] == "now"] if len(facts.booked) else None
    columns = ["channel", "customers", "sales", "sales_squares", "sales_largest"]
    if booked is None:
        return table.assign(**dict.fromkeys(names[3:], np.nan)).sort_values("spend", ascending=False)[names]
    table = table.merge(booked[columns], on="channel", how="left").fillna(0)
    shown_ = table["customers"] >= facts.min_cell
    low, high = total_interval(table["sales"], table["sales_squares"], table["sales_largest"], level=facts.level)
    ends = {"booked_roas": table["sales"], "booked_roas_ci_low": low, "booked_roas_ci_high": high}
    for name, sales in ends.items():
        table[name] = (sales / table["spend"]).where(shown_ & (table["spend"] > 0))
    table["booked_sales_share"] = (table["sales"] / table["sales"].sum()).where(shown_)
    given = tested if tested is not None and len(tested) else pd.DataFrame(columns=["channel", *ROAS])
    given = given[["channel", *ROAS]].rename(columns={c: f"incremental_{c}" for c in ROAS}).astype({"channel": str})
    table = table.merge(given.drop_duplicates("channel", keep="last"), on="channel", how="left")
    return table.sort_values(["spend", "channel"], ascending=[False, True], ignore_index=True)[names]


ROAS = ["roas", "roas_ci_low", "roas_ci_high"]


def sentences(table: pd.DataFrame, found: Measured, *, currency: str = "") -> pd.DataFrame:
    """Three sentences for the management: how the lights stand, what is off target, and what cannot be told.

    Columns: key, indicators (the number behind the sentence), sentence.
    """
    judged, counts = table[table["light"] != GREY], table["light"].value_counts()
    count = {c: int(counts.get(c, 0)) for c in (GREEN, AMBER, RED, GREY)}
    off = [
        f"{r['name']} ({written(r['value'], r['unit'], currency)}, target {written(r['target'], r['unit'], currency)})"
        for r in judged[judged["light"] == RED].to_dict("records")
    ]
    first = (
        f"{found.period.label}: of {len(judged)} indicators with a target {count[GREEN]} are on target, {count[RED]} "
        f"are off target, and of {count[AMBER]} the data cannot tell."
    )
    second = f"Off target: {', '.join(off)}." if off else "No indicator is clearly off its target."
    expected = by_chance(len(judged), level=found.facts.level)["expected_red"].iloc[0]
    bare = int((table["because"] == "no target").sum())
    third = (
        f"{count[GREY]} indicators have no light: {bare} have no target, {count[GREY] - bare} are not measurable here. "
        f"If every true value stood exactly on its target, chance would make about {expected:.1f} lights red."
    )
    if judged.empty:
        first = f"{found.period.label}: no indicator has a target, so there is no light."
        second = f"{bare} of {len(table)} indicators are measurable with these tables."
        third = f"{count[GREY] - bare} indicators are not measurable; the scorecard says what each one needs."
    rows = [("on_target", count[GREEN], first), ("off_target", count[RED], second), ("no_light", count[GREY], third)]
    return pd.DataFrame(rows, columns=["key", "indicators", "sentence"])
