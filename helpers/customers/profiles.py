"""Customer profiles: how many have a tag, how long it holds, what it gives away, and the cards that are made of it.

Main references: agreement of two halves [cohen1960; spearman1904]; unicity [demontjoye2013]; k-anonymity [sweeney2002].
The tags are in `helpers.customers.tags`, the lifestyle types in `lifestyle`, tests against outcomes in `associations`.
"""

from __future__ import annotations

from datetime import timedelta

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from scipy import stats

from helpers.customers import lifestyle
from helpers.customers.associations import kappa, spearman
from helpers.customers.measures import inside, spending, user_table, why
from helpers.customers.tags import KINDS, TAGS, Tag, TagError, Touches, reason, tags
from helpers.customers.value_tiers import two_periods
from helpers.engine import as_table, hold
from helpers.findings import Estimate, missing
from helpers.intervals import add_rate
from helpers.privacy import HIDDEN, suppress, unicity

DICTIONARY: dict[str, Tag] = TAGS | {lifestyle.TAG.name: lifestyle.TAG}
"""All tags of a profile."""
BANDS = {2: ("low", "high"), 3: ("low", "middle", "high"), 4: ("lowest", "low", "high", "highest")}
REST = "another"
NOT_KNOWN = "not known"
HALF_LEFT = 0.5
"""A tag expires when its expected agreement has fallen to this."""
CONSENTS = {"e-mail": "consent_email", "push": "consent_push"}
CLEAR = 3.0
"""Standard errors by which a value must be more frequent in a segment to stand on its card: about 50 values compete."""
SOME = 10
"""Fewer users with the tag in both halves give no stability."""


# ── tables of tags ──────────────────────────────────────────────────────────────────────────────────────────────────


def profiles(
    touches: Touches,
    *,
    window: tuple,
    orders: ir.Table | None = None,
    users: ir.Table | None = None,
    margin: float = lifestyle.MARGIN,
) -> pd.DataFrame:
    """All tags of every user in one window, with the lifestyle type; one row a user.

    Parameters
    ----------
    touches, window, orders, users
        As in `tags.tags`.
    margin : float
        As in `lifestyle.types`.
    """
    table = tags(touches, window=window, orders=orders, users=users)
    return table.assign(lifestyle=lifestyle.types(lifestyle.scores(table), margin=margin))


def outcomes(touches: Touches, *, window: tuple, orders: ir.Table | None = None) -> pd.DataFrame:
    """What the users of a log did in a later window: bought (0 or 1), active_days, and spend where there are orders.

    Returns
    -------
    DataFrame
        One row a user of the whole log, indexed by user_id; 0 for users who did nothing in the window.
    """
    everyone = touches.days.select("user_id").distinct()
    log = inside(touches.days, window=window)
    done = log.group_by("user_id").agg(active_days=log.count(), buys=log.buy.sum())
    table = everyone.left_join(done, "user_id").drop("user_id_right")
    if orders is not None:
        money = spending(orders, window=window).select("user_id", "spend")
        table = table.left_join(money, "user_id").drop("user_id_right")
    frame = user_table(table).astype("float64").fillna(0.0)
    if frame.empty:
        return missing(["bought", "active_days", "spend"], "the log is empty")
    frame.insert(0, "bought", (frame.pop("buys") > 0).astype("int64"))
    return frame


# ── coverage, stability, expiry ─────────────────────────────────────────────────────────────────────────────────────


def coverage(profiles: pd.DataFrame, *, present: list[str] | tuple[str, ...]) -> pd.DataFrame:
    """The share of users who have a value of each tag, with its Wilson interval.

    Parameters
    ----------
    profiles : DataFrame
        One row a user, from `profiles`.
    present : list of str
        The tables of the study: they decide the reason where nobody has the tag.

    Returns
    -------
    DataFrame
        One row a tag, in the order of the dictionary: tag, kind, known (users), users, coverage_share with its
        interval, reason (where it is 0).
    """
    known = [int(profiles[name].notna().sum()) for name in DICTIONARY]
    table = pd.DataFrame({"tag": list(DICTIONARY), "kind": [t.kind for t in DICTIONARY.values()], "known": known})
    if profiles.empty:
        return missing([*table.columns, "users", "coverage_share"], "nobody did anything in the window")
    table = add_rate(table.assign(users=len(profiles)), successes="known", trials="users", name="coverage_share")
    table["reason"] = ["" if n else _reason(name, present) for name, n in zip(table["tag"], known, strict=True)]
    return table


def _reason(name: str, present: list[str] | tuple[str, ...]) -> str:
    return reason("novelty" if name == lifestyle.TAG.name else name, present)


def stability(
    first: pd.DataFrame, second: pd.DataFrame, *, permutations: int = 99, seed: int, level: float = 0.95
) -> pd.DataFrame:
    """Do the same users have the same value in the first and in the second half of the window?

    Cohen's kappa for words, Spearman's correlation for numbers: 1 the same, 0 no more than chance. Both count noise as
    change: half a window has fewer actions than a whole one, so the whole window's tag is *more* stable than this.

    Parameters
    ----------
    first, second : DataFrame
        From `profiles`, of the two halves.
    permutations : int
        How often the second half is dealt out among the users at random.
    seed : int
        Start of the random draws.
    level : float
        Level of the interval.

    Returns
    -------
    DataFrame
        One row a tag: tag, measure, users (with the tag in both halves), stability with stability_ci_low and _ci_high,
        chance_high (95 % of the shuffled values are below), reason. Stated tags are asked once: no stability.
    """
    rng = np.random.default_rng(seed)
    rows = [_stability(tag, first, second, permutations, rng, level) for tag in DICTIONARY.values()]
    columns = ["tag", "measure", "users", "stability", "stability_ci_low", "stability_ci_high", "chance_high", "reason"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype(dict.fromkeys(columns[3:7], "float64"))


def _stability(
    tag: Tag, first: pd.DataFrame, second: pd.DataFrame, permutations: int, rng: np.random.Generator, level: float
) -> tuple:
    measure, agree = ("kappa", kappa) if tag.scale == "named" else ("rank correlation", spearman)
    if tag.declared_days is not None:
        return tag.name, measure, 0, None, None, None, None, "stated once, not measured"
    both = pd.concat([first[tag.name].rename("a"), second[tag.name].rename("b")], axis=1, join="inner").dropna()
    if len(both) < SOME:
        return tag.name, measure, len(both), None, None, None, None, f"fewer than {SOME} users have it in both halves"
    found = agree(both["a"], both["b"], level=level)
    if found.value is None:
        return tag.name, measure, len(both), None, None, None, None, found.reason
    chance = float(np.quantile(_by_chance(both, tag.scale == "named", permutations, rng), 0.95))
    return tag.name, measure, len(both), found.value, found.ci_low, found.ci_high, chance, ""


def _by_chance(both: pd.DataFrame, named: bool, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """The agreement of the two halves when the second is dealt out among the users at random."""
    deal = np.argsort(rng.random((permutations, len(both))), axis=1)
    if not named:
        x, y = (stats.rankdata(both[c].to_numpy(float)) for c in ("a", "b"))
        return (y[deal] - y.mean()) @ (x - x.mean()) / (len(both) * x.std() * y.std())
    codes, _ = pd.factorize(pd.concat([both["a"], both["b"]]).astype(str))
    x, y = codes[: len(both)], codes[len(both) :]
    by_chance = np.bincount(x, minlength=codes.max() + 1) @ np.bincount(y, minlength=codes.max() + 1) / len(both) ** 2
    return ((y[deal] == x).mean(axis=1) - by_chance) / (1 - by_chance)


def expiry(stability: pd.DataFrame, *, window: tuple, least: float = HALF_LEFT) -> pd.DataFrame:
    """For how many days a tag may be used, by a declared rule.

    The two halves lie T days apart, centre to centre. If agreement falls by the same factor every day, ρ(t) = ρ^(t/T),
    it reaches `least` after T · ln(least) ÷ ln(ρ) days. ρ is the *lower* end of the interval, so that doubt shortens
    the time. Never longer than the window (nobody has looked further), 0 days where the lower end is not above chance.

    Parameters
    ----------
    stability : DataFrame
        From `stability`.
    window : (first, last)
        The whole window.
    least : float
        Agreement at which the tag expires, between 0 and 1.

    Returns
    -------
    DataFrame
        One row a tag: tag, expires_after_days (missing without a stability), expires_on, rule (in words).

    Raises
    ------
    TagError
        `least` outside 0…1.

    Examples
    --------
    Halves 50 days apart that agree by 0.5 (at least): after 50 days half of the agreement is left.

    >>> s = pd.DataFrame({"tag": ["spend"], "stability_ci_low": [0.5], "stability": [0.6], "chance_high": [0.1]})
    >>> days = pd.Timestamp("2017-01-01"), pd.Timestamp("2017-04-10")
    >>> expiry(s, window=days)["expires_after_days"].tolist()
    [50]
    """
    if not 0 < least < 1:
        raise TagError(f"least: {least!r} is no agreement at which a tag expires; give a number between 0 and 1")
    apart = (two_periods(window)[1][0] - two_periods(window)[0][0]).days
    whole = (pd.Timestamp(window[1]) - pd.Timestamp(window[0])).days + 1
    rows = [_expiry(row, apart, whole, least) for row in stability.to_dict("records")]
    table = pd.DataFrame(rows, columns=["tag", "expires_after_days", "rule"])
    table["expires_after_days"] = table["expires_after_days"].astype("Int64")
    on = [pd.NaT if pd.isna(d) else pd.Timestamp(window[1]) + timedelta(days=int(d)) for d in table.expires_after_days]
    table.insert(2, "expires_on", pd.Series(on, dtype="datetime64[us]"))
    return table


def _expiry(row: dict, apart: int, whole: int, least: float) -> tuple:
    declared = DICTIONARY[row["tag"]].declared_days
    if declared is not None:
        return row["tag"], declared, "declared: ask again"
    low = row["stability_ci_low"] if pd.notna(row["stability_ci_low"]) else row["stability"]
    if pd.isna(low):
        return row["tag"], None, "no stability known: use only inside the window"
    if low <= max(row["chance_high"], 0):
        return row["tag"], 0, "not above chance: do not use"
    days = whole if low >= 1 else min(int(apart * np.log(least) / np.log(low)), whole)
    return row["tag"], days, "from stability" if days < whole else "from stability, at most the window"


def dictionary(coverage: pd.DataFrame, stability: pd.DataFrame, expiry: pd.DataFrame, *, window: tuple) -> pd.DataFrame:
    """The tag dictionary: one row a tag, what is declared beside what was measured.

    Returns
    -------
    DataFrame
        tag, kind, definition, unit, source, window, purpose, coverage_share, stability, expires_after_days, rule; the
        intervals and reasons are in the tables that they come from.
    """
    if coverage.empty:
        return missing(["tag", "kind", "definition"], why(coverage))
    days = f"{pd.Timestamp(window[0]):%Y-%m-%d} … {pd.Timestamp(window[1]):%Y-%m-%d}"
    declared = pd.DataFrame(
        [
            {
                "tag": t.name, "kind": t.kind, "definition": t.definition, "unit": t.unit,
                "source": ", ".join(t.sources), "purpose": t.purpose,
                "window": days if t.declared_days is None else "as stated",
            }
            for t in DICTIONARY.values()
        ]
    )  # fmt: skip
    measured = coverage[["tag", "coverage_share"]].merge(stability[["tag", "stability"]], on="tag")
    return declared.merge(measured, on="tag").merge(expiry[["tag", "expires_after_days", "rule"]], on="tag")


def noise(stability: pd.DataFrame, expiry: pd.DataFrame) -> pd.DataFrame:
    """The tags that agree with their later selves no better than by chance, with their interval and chance_high."""
    columns = ["tag", "users", "stability", "stability_ci_low", "stability_ci_high", "chance_high"]
    worthless = stability[stability["tag"].isin(expiry.loc[expiry["expires_after_days"] == 0, "tag"])]
    if worthless.empty:
        return missing(columns, "every tag with a stability agrees better than by chance, or none has one")
    return worthless[columns].reset_index(drop=True)


def usable(coverage: pd.DataFrame, expiry: pd.DataFrame, *, least_share: float = 0.5) -> tuple[int, int, int]:
    """How many tags there are, how many at least `least_share` of the users have, and how many of these hold a day.

    Parameters
    ----------
    coverage, expiry : DataFrame
        From `coverage` and `expiry`.
    least_share : float
        Share of users, 0…1.
    """
    if coverage.empty:
        return len(DICTIONARY), 0, 0
    both = coverage.merge(expiry, on="tag")
    covered = both[both["coverage_share"] >= least_share]
    return len(both), len(covered), int((covered["expires_after_days"].fillna(0) > 0).sum())


# ── coarsening and what is left of anonymity ────────────────────────────────────────────────────────────────────────


def coarsen(profiles: pd.DataFrame, *, bands: int = 3, most_words: int = 8, min_cell: int = 10) -> pd.DataFrame:
    """Tags in few words: numbers become bands of about equally many users, rare words become 'another'.

    A number's band is ⌊bands · P⌋ + 1 with P = (users below + ½ · users equal) ÷ users; equal users share a band. Words
    held by fewer than `min_cell` users disappear into 'another', and are missing where even these are fewer.

    Parameters
    ----------
    profiles : DataFrame
        One row a user, from `profiles`.
    bands : int
        Bands of a number: 2, 3 or 4.
    most_words : int
        Words of a named tag, the most frequent ones, 2 or more.
    min_cell : int
        Fewest users who may share a value.

    Returns
    -------
    DataFrame
        The same rows and columns; all values are words.

    Raises
    ------
    TagError
        `bands` or `most_words` out of range.
    """
    if bands not in BANDS or most_words < 2:
        raise TagError(f"bands: {bands!r}, most_words: {most_words!r}; give 2, 3 or 4 bands and at least 2 words")
    coarse = {
        name: _words(profiles[name], most_words, min_cell)
        if DICTIONARY[name].scale == "named"
        else _bands(profiles[name], bands, min_cell)
        for name in profiles.columns
    }
    return pd.DataFrame(coarse, index=profiles.index, dtype=object)


def _bands(values: pd.Series, bands: int, min_cell: int) -> pd.Series:
    place = np.minimum(np.floor(bands * lifestyle.percentiles(values.astype(float))), bands - 1)
    words = place.map(dict(enumerate(BANDS[bands]))).astype(object)
    return words.where(words.map(words.value_counts()) >= min_cell, None)


def _words(values: pd.Series, most: int, min_cell: int) -> pd.Series:
    words = values.astype(object).where(values.notna(), None)
    counts = words.value_counts()
    order = sorted(counts.index, key=lambda w: (-counts[w], str(w)))
    kept = set(order[: most if len(order) <= most else most - 1]) & set(counts.index[counts >= min_cell])
    coarse = words.map(lambda w: w if w in kept or w is None else REST)
    return coarse.where(coarse.map(coarse.value_counts()) >= min_cell, None)


def for_tests(profiles: pd.DataFrame, *, min_cell: int, most_words: int = 8) -> pd.DataFrame:
    """The tags as tests take them: numbers as they are, rare words put together."""
    named = [name for name in profiles.columns if DICTIONARY[name].scale == "named"]
    return profiles.assign(**{name: _words(profiles[name], most_words, min_cell) for name in named})


def tenths(values: pd.Series) -> pd.Series:
    """Ten groups of about equally many users with like values, 0 (lowest) … 9; equal users share a group.

    >>> tenths(pd.Series([5.0, 1.0, 9.0, 9.0])).tolist()
    [3.0, 1.0, 7.0, 7.0]
    """
    return np.floor(10 * lifestyle.percentiles(values.astype(float)))


def singled_out(raw: pd.DataFrame, coarse: pd.DataFrame, *, sample: int = 300, seed: int = 1) -> pd.DataFrame:
    """How many users one, two, three of their tags single out, before and after coarsening; and all tags together.

    A point is *this tag with this value*. For k points: the share of users of whom k random own tags belong to nobody
    else, as in `helpers.privacy.unicity`. All tags: the share of users whose whole row is their own, exact.

    Parameters
    ----------
    raw, coarse : DataFrame
        From `profiles` and `coarsen`.
    sample, seed : int
        As in `unicity`.

    Returns
    -------
    DataFrame
        tags ('1', '2', '3', 'all'), table ('as computed' or 'coarsened'), users, singled_out_share with its interval
        (missing where exact), method.
    """
    parts = [
        _unicity(table, sample, seed).assign(table=name)
        for name, table in (("as computed", raw), ("coarsened", coarse))
        if table.notna().any(axis=None)
    ]
    columns = ["tags", "table", "users", "singled_out_share", "singled_out_share_ci_low", "singled_out_share_ci_high"]
    if not parts:
        return missing([*columns, "method"], "nobody has a tag")
    return pd.concat(parts, ignore_index=True)[[*columns, "method"]]


def singled_share(singled: pd.DataFrame, *, tags: str, table: str) -> Estimate:
    """One number of `singled_out`: the share of users for this number of tags ('1', '2', '3', 'all') and table."""
    row = singled[(singled["tags"] == tags) & (singled["table"] == table)] if len(singled) else singled
    if not len(row) or pd.isna(row["singled_out_share"].iloc[0]):
        return Estimate.missing(why(singled))
    values = (row[f"singled_out_share{end}"].iloc[0] for end in ("", "_ci_low", "_ci_high"))
    return Estimate(*(None if pd.isna(v) else float(v) for v in values))


def _unicity(table: pd.DataFrame, sample: int, seed: int) -> pd.DataFrame:
    texts = table.astype(object).where(table.notna(), None).map(lambda v: None if v is None else str(v))
    long = texts.rename_axis("user_id").reset_index().melt("user_id", var_name="tag", value_name="value").dropna()
    points = pd.DataFrame({"user_id": long["user_id"], "item_id": long["tag"] + "=" + long["value"]})
    points["day"] = pd.Timestamp("2000-01-01")  # a tag has no day: one for all
    found = unicity(hold(as_table(points)), points=(1, 2, 3), sample=sample, seed=seed)
    found = found.rename(columns={"points": "tags"}).astype({"tags": str})
    alone = int((texts.fillna(NOT_KNOWN).value_counts() == 1).sum())
    whole = {"tags": "all", "users": len(texts), "singled_out_share": alone / len(texts), "method": "exact"}
    return pd.concat([found, pd.DataFrame([whole])], ignore_index=True)


# ── cards ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def parse_tags(text: str) -> list[str]:
    """Tag names from text with commas.

    >>> parse_tags("lifestyle, spend")
    ['lifestyle', 'spend']

    Raises
    ------
    TagError
        A name that is not in the dictionary.
    """
    names = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    unknown = [n for n in names if n not in DICTIONARY]
    if unknown or not names:
        raise TagError(f"tags: {unknown[0] if unknown else text!r} is no tag; take some of {', '.join(DICTIONARY)}")
    return names


def example(coarse: pd.DataFrame, *, tags: list[str], seed: int) -> object | None:
    """A user for the card, drawn at random from those with the most of these tags known; None where there is nobody."""
    if coarse.empty:
        return None
    known = coarse[tags].notna().sum(axis=1)
    best = known.index[known == known.max()]
    return best[np.random.default_rng(seed).integers(len(best))]


def person_card(coarse: pd.DataFrame, *, user: object | None, tags: list[str], min_cell: int) -> pd.DataFrame:
    """What may be shown of one person: tags one after the other, as long as enough others share *all* of them.

    Each value alone is shared by many, all together by nobody else. So a value is shown only if at least `min_cell`
    users have it *together with all values shown above*; else it is withheld, and the next one is tried.

    Parameters
    ----------
    coarse : DataFrame
        From `coarsen`.
    user : object
        The user, an index value of `coarse`.
    tags : list of str
        What to show, the most useful first.
    min_cell : int
        Fewest users who share what is shown.

    Returns
    -------
    DataFrame
        One row a tag: kind, tag, value ('not known' or 'withheld' where so), shared_by (users with all values shown so
        far, rounded down to a multiple of min_cell, so that no difference tells of a few; missing where withheld).

    References
    ----------
    Sweeney (2002), k-anonymity: sweeney2002.
    """
    columns = ["kind", "tag", "value", "shared_by"]
    if user is None or len(coarse) < min_cell:
        return missing(columns, f"there are fewer than {min_cell} users")
    words = coarse[tags].astype(object).where(coarse[tags].notna(), NOT_KNOWN)
    like, rows = pd.Series(True, index=coarse.index), []
    for tag in tags:
        more = like & (words[tag] == words.loc[user, tag])
        fits = int(more.sum()) >= min_cell
        like = more if fits else like
        shared = int(like.sum()) // min_cell * min_cell if fits else None
        rows.append((DICTIONARY[tag].kind, tag, words.loc[user, tag] if fits else "withheld", shared))
    return pd.DataFrame(rows, columns=columns).astype({"shared_by": "Int64"})


def segments_by(coarse: pd.DataFrame, tags: list[str]) -> pd.Series:
    """The first of these tags that tells at least two groups apart, as segments; its name is the tag's."""
    for tag in tags:
        if coarse[tag].nunique() > 1:
            return coarse[tag].dropna()
    empty = pd.Series(dtype=object, name=tags[0])
    empty.attrs["reason"] = f"none of the tags {', '.join(tags)} tells two groups apart"
    return empty


def by_size(segments: pd.Series, place: int) -> object | None:
    """The name of the largest segment (place 1), the second largest, …; None where there are not so many.

    >>> by_size(pd.Series(["a", "b", "b"]), 1)
    'b'
    """
    counts = segments.value_counts()
    names = sorted(counts.index, key=lambda name: (-counts[name], str(name)))
    return names[place - 1] if 1 <= place <= len(names) else None


def part(segments: pd.Series, name: object) -> float:
    """The share of the users with a segment who are in this one; 0 where nobody has one."""
    return float((segments == name).mean()) if len(segments) else 0.0


def segment_card(
    coarse: pd.DataFrame, segments: pd.Series, *, name: object, min_cell: int, rows: int = 8
) -> pd.DataFrame:
    """What sets one segment apart: the tag values that differ most between its members and all users.

    Parameters
    ----------
    coarse : DataFrame
        From `coarsen`.
    segments : Series
        user_id → segment.
    name : object
        The segment.
    min_cell : int
        Values of fewer members are hidden, with the next ones where subtraction would give them away.
    rows : int
        At most so many values, one a tag, 1 or more.

    Returns
    -------
    DataFrame
        kind, tag, value, members (with the value), segment_share and all_share (of those who have the tag), times
        (segment_share ÷ all_share); only values at least 3 standard errors more frequent than among all, the largest
        first.
    """
    columns = ["kind", "tag", "value", "members", "segment_share", "all_share", "times"]
    ours = segments.index[segments == name]
    if len(ours) < min_cell:
        return missing(columns, segments.attrs.get("reason", f"the segment has fewer than {min_cell} members"))
    found = [_compared(coarse[tag], ours, min_cell) for tag in coarse.columns if tag != segments.name]
    table = pd.concat([f for f in found if len(f)] or [pd.DataFrame(columns=[*columns, "z"])])
    table = table[(table["z"] >= CLEAR).fillna(False)].sort_values(["z", "tag"], ascending=[False, True])
    table = table.drop_duplicates("tag").head(rows)[columns].reset_index(drop=True)
    if table.empty:
        return missing(columns, "no tag sets this segment clearly apart")
    return table


def _compared(tag: pd.Series, ours: pd.Index, min_cell: int) -> pd.DataFrame:
    """One row a value of the tag: its share among the members, and among all."""
    members, everyone = tag.reindex(ours).dropna(), tag.dropna()
    if members.empty:
        return pd.DataFrame()
    n, counts = len(members), everyone.value_counts()
    table = pd.DataFrame({"value": counts.index, "all_share": counts.to_numpy() / len(everyone)})
    table["members"] = members.value_counts().reindex(counts.index, fill_value=0).to_numpy()
    table["segment_share"] = table["members"] / n
    table["times"] = table["segment_share"] / table["all_share"]
    rest = (len(everyone) - n) / max(len(everyone) - 1, 1)  # the members are drawn from all, without replacement
    spread = np.sqrt(table["all_share"] * (1 - table["all_share"]) / n * rest)
    table["z"] = (table["segment_share"] - table["all_share"]) / spread.where(spread > 0)
    table = suppress(table, count="members", min_cell=min_cell, values=["segment_share", "times", "z"])
    return table.drop(columns=HIDDEN).assign(tag=tag.name, kind=DICTIONARY[tag.name].kind)


# ── consent ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def consent(profiles: pd.DataFrame, users: ir.Table | None, *, min_cell: int) -> pd.DataFrame:
    """How many of the profiled users may be sent messages, by channel.

    Returns
    -------
    DataFrame
        One row a channel: channel, users (profiled, answer known), allowed, allowed_rate with its interval. Groups of
        fewer than `min_cell` users are hidden.
    """
    columns = ["channel", "users", "allowed", "allowed_rate", "allowed_rate_ci_low", "allowed_rate_ci_high"]
    if users is None:
        return missing(columns, "the study has no table users, so nobody's consent is known: send nothing")
    given = users.select("user_id", *[c for c in CONSENTS.values() if c in users.columns]).execute()
    given = given.set_index("user_id").reindex(profiles.index)
    rows = []
    for channel, column in CONSENTS.items():
        known = given[column].dropna() if column in given else pd.Series(dtype=object)
        if len(known):
            rows.append((channel, len(known), int(known.astype(bool).sum())))
    if not rows:
        return missing(columns, "the table users says nothing of consent: send nothing")
    table = add_rate(pd.DataFrame(rows, columns=columns[:3]), successes="allowed", trials="users", name="allowed_rate")
    table = table.assign(refused=table["users"] - table["allowed"])
    small = (table[["allowed", "refused"]].min(axis=1) < min_cell).to_numpy()
    table.loc[small, columns[3:]] = np.nan
    table["allowed"] = table["allowed"].astype("Int64").mask(small)
    table["users"] = table["users"].astype("Int64").mask(table["users"] < min_cell)
    return table[columns]


def kinds(coverage: pd.DataFrame) -> pd.DataFrame:
    """Coverage by kind of tag: kind, tags, tags_with_values, mean_coverage_share; in the order of `KINDS`."""
    if coverage.empty:
        return missing(["kind", "tags", "tags_with_values", "mean_coverage_share"], why(coverage))
    groups = coverage.groupby("kind", sort=False)
    table = pd.DataFrame({
        "tags": groups.size(), "tags_with_values": groups["known"].agg(lambda n: int((n > 0).sum())),
        "mean_coverage_share": groups["coverage_share"].mean(),
    })  # fmt: skip
    return table.reindex(KINDS).rename_axis("kind").reset_index()
