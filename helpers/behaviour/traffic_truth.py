"""The demo shop's planted outage and crawler, estimated from its visits."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import t as student

from helpers.behaviour.traffic import Visits
from helpers.findings import Estimate, missing


def against_other_weeks(
    visits: Visits, *, day: str, from_hour: int = 0, to_hour: int = 24, weeks: int = 4, level: float = 0.95
) -> Estimate:
    """The views of a day, or of some of its hours, divided by what the same weekday has in the weeks around it.

    ratio = views / geometric mean of the comparable days; 1 means as usual, 0.2 that four in five are missing. For a
    part of the day the views are first divided by those of the day's other hours: a busy day is then busy in both. The
    interval is Student's for one further day, exp(ln ratio ± t · √(s²(1 + 1/n) + e)): s is the spread of the logs of
    the n days, and e = 1/views − 1/(usual views), where positive, is the added chance of a small count.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    day : str
        The day, YYYY-MM-DD.
    from_hour, to_hour : int
        First hour and the hour after the last, 0…24.
    weeks : int
        So many weeks before and after, 1 or more; days without views are left out.
    level : float
        Confidence, 0…1 exclusive.

    Returns
    -------
    Estimate
        0 or more; missing with fewer than three comparable days, or without a view.
    """
    middle = pd.Timestamp(day)
    hours = visits.hours
    inside = (hours.hour >= from_hour) & (hours.hour < to_hour)
    parts = {"inside": inside.ifelse(hours.pv, 0).sum(), "outside": inside.ifelse(0, hours.pv).sum()}
    found = hours.group_by("day").agg(**parts).execute()
    whole_day = to_hour - from_hour == 24
    views = found.inside / (1.0 if whole_day else found.outside.where(found.outside > 0))
    days = pd.to_datetime(found.day)
    views = pd.Series(views.where(found.inside > 0).to_numpy(float), index=days).dropna()
    others = [middle + pd.Timedelta(weeks=w) for w in range(-weeks, weeks + 1) if w]
    usual = np.log(views.reindex(others).dropna())
    if len(usual) < 3 or middle not in views.index:
        return Estimate.missing("there are no comparable days around it")
    ratio = np.log(views[middle]) - usual.mean()
    counts = pd.Series(found.inside.to_numpy(float), index=days)
    small = max(1 / counts[middle] - 1 / counts[usual.index].mean(), 0)
    spread = np.sqrt(usual.var() * (1 + 1 / len(usual)) + small)
    reach = student.ppf(0.5 + level / 2, len(usual) - 1) * spread
    return Estimate(*(float(np.exp(ratio + side)) for side in (0, -reach, reach)))


def planted_faults(visits: Visits, truths: Mapping[str, Mapping], *, robots: int = 0) -> pd.DataFrame:
    """The demo shop's planted outage and crawler: estimate, interval, truth, covered or not.

    Parameters
    ----------
    visits : Visits
        From `visits`.
    truths : mapping
        The study's `truths()`; without them (real data) the table is empty with that reason.
    robots : int
        Number of robots, from the truth about users.

    Returns
    -------
    DataFrame
        `planted, day, estimate, ci_low, ci_high, truth, covered`: the share of the outage hours' views that is missing,
        and the day's views as a multiple of its usual views (truth: the planted views added to the others of the day).
    """
    columns = ["planted", "day", "estimate", "ci_low", "ci_high", "truth", "covered"]
    known = {k.removeprefix("traffic."): v["value"] for k, v in truths.items() if k.startswith("traffic.")}
    if not known:
        return missing(columns, "these are not simulated data, so the truth is not known")
    rows = []
    if "outage_day" in known:
        first, last = known["outage_hours"]
        kept = against_other_weeks(visits, day=known["outage_day"], from_hour=first, to_hour=last)
        lost = _mirror(kept)
        rows.append(("outage: share of views lost", known["outage_day"], lost, known["outage_lost"]))
    if "crawler_day" in known and robots:
        day = known["crawler_day"]
        planted = robots * known["crawler_views"]
        hours = visits.hours
        seen = hours.filter(hours.day == pd.Timestamp(day).date()).pv.sum().execute()
        multiple = float(seen) / max(float(seen) - planted, 1.0)
        rows.append(("crawler: views, times the usual", day, against_other_weeks(visits, day=day), multiple))
    cells = [(n, d, e.value, e.ci_low, e.ci_high, t, e.covers(t)) for n, d, e, t in rows]
    return pd.DataFrame(cells, columns=columns)


def _mirror(share: Estimate) -> Estimate:
    """1 − an estimate; the bounds change places."""
    if share.value is None or share.ci_low is None or share.ci_high is None:
        return share
    return Estimate(1 - share.value, 1 - share.ci_high, 1 - share.ci_low)
