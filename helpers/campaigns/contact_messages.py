"""What a message is worth to whom, and what the first, second, … message of a week still does: the inputs of a plan."""

from __future__ import annotations

from collections.abc import Mapping

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from ibis import _

from helpers.campaigns.contact_allocation import Scene
from helpers.campaigns.contact_response import DoseFit
from helpers.findings import missing

VALUES = ("message", "group", "people", "per_person", "effect", "error", "value", "sales", "unit_cost", "channel")
VALUES += ("starts_at", "campaign_id", "arm")
NO_CONSENT = "none"
"""In place of a consent flag: the channel needs none, such as a voucher within the app."""
PLACES = ("place", "response_share", "opt_out_rate", "lost_future")


def slot_prices(fit: DoseFit, *, future_value: float | None, slots: int = 10) -> pd.DataFrame:
    """What the first, second, … message of a week still does, by the curves of the frequency test.

    The gain of message s is e^(−(s − 1)/h) of that of the first; the chance to opt out in a week with s messages is
    1 − (1 − share in the test)^(1/weeks).

    Parameters
    ----------
    fit : DoseFit
        The fitted test.
    future_value : float or None
        What one opt-out costs for good, currency units.
    slots : int
        Places of a week, 1 or more.

    Returns
    -------
    DataFrame
        One row a place: `place`, `response_share` (0…1), `opt_out_rate` (chance that this one more message costs the
        subscriber), `lost_future` (currency units).
    """
    if fit.reason or future_value is None:
        return missing(PLACES, fit.reason or "the future value is not known")
    place = np.arange(1, slots + 1)
    scale, kappa, beta = float(fit.parameters()[1][0]), float(fit.kappa[0]), float(fit.beta[0])
    weekly = -np.expm1(-kappa * np.arange(slots + 1.0) ** beta * (np.arange(slots + 1) > 0) / fit.weeks)
    more = np.diff(weekly)
    return pd.DataFrame(
        dict(zip(PLACES, (place, np.exp(-(place - 1) / scale), more, future_value * more), strict=True))
    )


def true_slots(curve: pd.DataFrame, *, future_value: float | None, weeks: float, slots: int = 10) -> pd.DataFrame:
    """`slot_prices` by the truth `contact_curve` of the simulated shop."""
    if curve.empty or future_value is None or "added_order_probability" not in curve:
        return missing(PLACES, curve.attrs.get("reason", "the truth is not known"))
    at = np.arange(slots + 1.0)
    added = np.interp(at, curve["per_week"], curve["added_order_probability"])
    left = 1 - (1 - np.interp(at, curve["per_week"], curve["opt_out_probability"])) ** (1 / weeks)
    more, gained = np.diff(left), np.diff(added)
    share = gained / gained[0] if gained[0] > 0 else np.ones(slots)
    return pd.DataFrame(dict(zip(PLACES, (np.arange(1, slots + 1), share, more, future_value * more), strict=True)))


def message_values(
    everyone: pd.DataFrame,
    users: ir.Table | None,
    campaigns: ir.Table | None,
    *,
    group: str,
    without: pd.DataFrame | None = None,
    control: str = "control",
    min_cell: int = 10,
) -> pd.DataFrame:
    """What one message of each past campaign earned in each group: the experiments' effects, drawn to their mean.

    effect = mean margin of the arm − of the control among the group's people, with Welch's error. Small groups scatter,
    and a plan picks what looks best, so each effect is shrunk to the campaign's mean: mean + B·(effect − mean) with
    B = τ²/(τ² + error²) (DerSimonian and Laird). value = that / messages a person.

    Parameters
    ----------
    everyone : DataFrame
        From `contact_arms.people`.
    users, campaigns : Table or None
        The customers with the feature `group`; the campaigns with their channel.
    group : str
        Column of users; without it there is one group 'all'.
    without : DataFrame, optional
        Participants of a campaign to leave out: the frequency test itself.
    control : str
        Name of the arm without treatment.
    min_cell : int
        Smallest number of people of an arm in a group.

    Returns
    -------
    DataFrame
        One row a message and group, by the campaign's start: `message`, `group`, `people`, `per_person` (messages),
        `effect` and `error` (margin a person), `value` and `sales` (a message), `unit_cost`, `channel`, `starts_at`,
        `campaign_id`, `arm`.
    """
    names = list(VALUES)
    if everyone.empty or campaigns is None:
        return missing(names, everyone.attrs.get("reason", "the study has no table campaigns"))
    own = set() if without is None or without.empty else set(without["campaign_id"])
    chosen = everyone[everyone["randomised"].astype(bool) & ~everyone["campaign_id"].isin(own)]
    chosen = chosen[chosen["margin"].notna()].assign(group=_features(chosen, users, group))
    rows = [
        row
        for _id, part in chosen.groupby("campaign_id", sort=True)
        for arm in sorted(set(part["arm"].astype(str)) - {control})
        for row in _effects(part, arm, control, min_cell)
    ]
    if not rows:
        return missing(names, "no randomised campaign sent messages to a treated arm beside a control")
    table = pd.DataFrame(rows)
    channel = campaigns.select("campaign_id", "channel").execute()
    table = table.merge(channel, on="campaign_id", how="left")
    treated = table.groupby("campaign_id")["arm"].transform("nunique") > 1
    table["message"] = table["campaign_id"].astype(str) + (" · " + table["arm"]).where(treated, "")
    return table.sort_values(["starts_at", "message", "group"], ignore_index=True)[names]


def _features(people: pd.DataFrame, users: ir.Table | None, group: str) -> pd.Series:
    if users is None or group not in users.columns:
        return pd.Series("all", index=people.index)
    known = users.select("user_id", value=users[group].cast("string")).execute().set_index("user_id")["value"]
    return people["user_id"].map(known).fillna("unknown").astype(str)


def _effects(part: pd.DataFrame, arm: str, control: str, min_cell: int) -> list[dict]:
    """The effects of one arm in each group, shrunk to their mean; none where the arm got no messages."""
    treated, base = part[part["arm"].astype(str) == arm], part[part["arm"].astype(str) == control]
    each = float(treated["contacts"].mean()) if len(treated) else 0.0
    cost = pd.to_numeric(treated["unit_cost"], errors="coerce")
    if each < 0.1 or cost.isna().all():
        return []
    rows, parts = [], []
    for name, people in treated.groupby("group", sort=True):
        others = base[base["group"] == name]
        if min(len(people), len(others)) < max(min_cell, 2):
            continue
        parts.append([_gap(people[c], others[c]) for c in ("margin", "spend")])
        effect, error = parts[-1][0]
        rows.append({"group": name, "people": len(people) + len(others), "effect": effect, "error": error})
    if not rows:
        return []
    value, sales = (shrink(*np.array([p[k] for p in parts]).T) / each for k in (0, 1))
    same = {"campaign_id": part["campaign_id"].iloc[0], "arm": arm, "per_person": each, "unit_cost": float(cost.max())}
    same["starts_at"] = int(part["starts_at"].iloc[0])
    return [r | same | {"value": float(v), "sales": float(w)} for r, v, w in zip(rows, value, sales, strict=True)]


def _gap(treated: pd.Series, base: pd.Series) -> tuple[float, float]:
    """Difference of the means and its standard error."""
    error = np.sqrt(treated.var() / len(treated) + base.var() / len(base))
    return float(treated.mean() - base.mean()), float(error)


def shrink(effects: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Effects drawn to their weighted mean by how uncertain each is; all the mean where they agree within chance.

    τ² = max(0, (Q − (n − 1)) / (Σw − Σw²/Σw)) with w = 1/error² and Q = Σw·(effect − mean)².

    >>> shrink(np.array([1.0, 3.0]), np.array([2.0, 2.0])).tolist()
    [2.0, 2.0]
    """
    if len(effects) < 2 or not (errors > 0).all():
        return effects
    w = 1 / errors**2
    mean = (w * effects).sum() / w.sum()
    excess = (w * (effects - mean) ** 2).sum() - (len(effects) - 1)
    tau2 = max(0.0, excess / (w.sum() - (w**2).sum() / w.sum()))
    return mean + tau2 / (tau2 + errors**2) * (effects - mean)


def true_values(values: pd.DataFrame, truth: pd.DataFrame, *, group: str) -> pd.DataFrame:
    """The same table with the true effects of the simulated shop (truth `cate`); empty where they are not known."""
    known = truth[truth["feature"] == group] if "feature" in truth else truth.head(0)
    if values.empty or known.empty:
        return missing(list(values.columns), truth.attrs.get("reason", "the truth is not known for this feature"))
    known = known.rename(columns={"value": "group"})[["campaign_id", "arm", "group", "cate_spend", "cate_profit"]]
    joined = values.merge(known.astype({"group": str}), on=["campaign_id", "arm", "group"], how="left")
    if joined["cate_profit"].isna().any():
        return missing(list(values.columns), "the truth does not know all of these groups")
    margin = joined["cate_profit"] + joined["unit_cost"] * joined["per_person"]  # the truth has the cost taken off
    joined = joined.assign(value=margin / joined["per_person"], sales=joined["cate_spend"] / joined["per_person"])
    return joined[list(values.columns)]


def set_scene(
    values: pd.DataFrame, users: ir.Table | None, places: pd.DataFrame, *, group: str, consent: Mapping[str, str],
    min_cell: int = 10,
) -> Scene:  # fmt: skip
    """Groups by feature and consent, messages in the order of their campaigns, and what the places of a week are worth.

    Parameters
    ----------
    values : DataFrame
        From `message_values` or `true_values`.
    users : Table or None
        The customers with consent flags; without it no message may be planned.
    places : DataFrame
        From `slot_prices` or `true_slots`.
    group : str
        As in `message_values`.
    consent : mapping
        Channel → consent flag, or 'none' where the channel needs none. Messages of other channels are not planned.
    min_cell : int
        Groups of fewer people are left out of the plan.
    """
    for table in (values, places):
        if table.empty:
            return Scene(reason=table.attrs.get("reason", "nothing is known about the messages"))
    if users is None:
        return Scene(reason="there is no table users, so consent is unknown: nobody may be written to")
    values = values[values["channel"].isin(set(consent))]
    if values.empty:
        return Scene(reason="for no channel of the messages is it known which consent it needs")
    messages = values.drop_duplicates("message")[["message", "channel", "unit_cost"]]
    needed = ["" if consent[c] == NO_CONSENT else consent[c] for c in messages["channel"]]
    if unknown := sorted({f for f in needed if f and not _told(users, f)}):
        return Scene(reason=f"the table users has no {', '.join(unknown)}, so consent is unknown")
    audience = _audience(users, group, sorted(set(filter(None, needed))), min_cell)
    audience = audience[audience["feature"].isin(set(values["group"]))].reset_index(drop=True)
    if audience.empty:
        return Scene(reason=f"no group has {min_cell} people with known effects")
    wide = {c: values.pivot(index="group", columns="message", values=c) for c in ("value", "sales")}
    order = {c: t.reindex(index=audience["feature"], columns=messages["message"]).fillna(0) for c, t in wide.items()}
    allowed = np.stack([audience[f].to_numpy(bool) if f else np.ones(len(audience), bool) for f in needed], axis=1)
    return Scene(
        tuple(audience["label"]), tuple(messages["message"]), audience["people"].to_numpy(float), allowed,
        order["value"].to_numpy(float), order["sales"].to_numpy(float), messages["unit_cost"].to_numpy(float),
        places["response_share"].to_numpy(float), places["lost_future"].to_numpy(float),
        places["opt_out_rate"].to_numpy(float),
    )  # fmt: skip


def _told(users: ir.Table, flag: str) -> bool:
    return flag in users.columns and bool(users[flag].notnull().any().execute())


def _audience(users: ir.Table, group: str, flags: list[str], min_cell: int) -> pd.DataFrame:
    """One row a feature value and pattern of consents: `feature`, the flags, `people`, `label`. Unknown consent: no."""
    feature = users[group].cast("string").fill_null("unknown") if group in users.columns else None
    given = {f: users[f].cast("boolean").fill_null(False) for f in flags}
    table = users.select("user_id", **given).mutate(feature="all") if feature is None else users.select(
        "user_id", feature=feature, **given
    )  # fmt: skip
    found = table.group_by("feature", *flags).agg(people=_.count()).order_by("feature", *flags).execute()
    found = found[found["people"] >= min_cell].reset_index(drop=True)
    words = [
        ", ".join([str(r["feature"]), *(f"{f.removeprefix('consent_')} {'yes' if r[f] else 'no'}" for f in flags)])
        for r in found.to_dict("records")
    ]
    return found.assign(label=words)
