"""What sells together: from the log to baskets, rules, their tests, pictures and the comparison with the truth.

The method itself, on any baskets, is in `helpers.products.rules`.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from helpers.findings import Estimate, missing
from helpers.intervals import add_rate, rate
from helpers.products import rules as method
from helpers.products.rules import (
    ITEMSET_COLUMNS,
    RULE_COLUMNS,
    Encoded,
    RulesError,
    TooManyItemsets,
    encode,
    threshold,
)
from helpers.tables import VISIT_PAUSE

UNITS = ("user_day", "user", "session", "order")
LEVELS = ("category", "item", "both")
BEHAVIORS = {
    "buy": ("buy",),
    "interest": ("fav", "cart", "buy"),
    "cart": ("cart",),
    "fav": ("fav",),
    "pv": ("pv",),
}
"""What may fill a basket. *interest*: everything that says more than a look."""
LONGEST_LABEL = 60
MOST_ITEMSETS = 200_000
TEST_COLUMNS = [
    "p_value", "p_adjusted", "significant",
    "improvement", "redundant", "p_productive", "p_productive_adjusted", "productive",
]  # fmt: skip
HOLDOUT_COLUMNS = [
    "holdout_count", "holdout_antecedent_count", "holdout_confidence", "holdout_confidence_ci_low",
    "holdout_confidence_ci_high", "holdout_lift", "p_holdout", "confirmed",
]  # fmt: skip
SIZE_COLUMNS = ["shuffled_count", "lift_beyond_size", "p_size", "p_size_adjusted", "beyond_size"]
BASKET_COLUMNS = ["basket_id", "item", "kind", "parent", "user"]


def baskets(
    events: ir.Table,
    *,
    orders: ir.Table | None = None,
    unit: str = "user_day",
    level: str = "category",
    behavior: str = "buy",
    min_support: float = 0.0,
    since: date | None = None,
    before: date | None = None,
) -> pd.DataFrame:
    """Baskets from the log: what one customer took in one day, session or order, or at all.

    Parameters
    ----------
    events : ibis Table
        The events of the contract, with `day`.
    orders : ibis Table, optional
        The order lines, needed for the unit 'order'; `behavior` does not matter there.
    unit : str
        user_day, user, session (a pause of more than 30 minutes ends it) or order.
    level : str
        category, item, or both: then a basket holds its items and their categories.
    behavior : str
        buy, interest (fav, cart or buy), cart, fav or pv.
    min_support : float
        Share of baskets: items that cannot reach it are left out already in the engine. Their baskets still count.
    since, before : date, optional
        Only days from `since` on (inclusive), or before `before` (exclusive).

    Returns
    -------
    DataFrame
        One row a (basket, item): basket_id (0…), item (raw id; None in a basket of rare items only), kind (item or
        category), parent (an item's category, else None), user (0…; whose basket); by basket_id, kind, item. Empty,
        with the reason, where there is no basket.
    """
    _known("unit", unit, UNITS)
    _known("level", level, LEVELS)
    _known("behavior", behavior, tuple(BEHAVIORS))
    method.exact(min_support, name="min_support")
    if unit == "order" and orders is None:
        return missing(BASKET_COLUMNS, "the study has no orders table; take the unit user_day")
    lines = _lines(orders if unit == "order" else events, unit, behavior, since, before)
    kinds = ("item", "category") if level == "both" else (level,)
    table = pd.concat([_pull(lines, kind, min_support) for kind in kinds], ignore_index=True)
    if table.empty:
        return missing(BASKET_COLUMNS, f"no basket: no event of the kind {behavior} in this time")
    table["user"] = pd.factorize(table["user_id"], sort=True)[0]
    table["basket_id"] = table.groupby(["user_id", "part"], sort=True).ngroup()
    table = table.sort_values(["basket_id", "kind", "item"], kind="stable", ignore_index=True)
    return table[BASKET_COLUMNS]


def _known(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RulesError(f"{name}={value!r} is not known; take one of {', '.join(allowed)}")


def _lines(table: ir.Table, unit: str, behavior: str, since: date | None, before: date | None) -> ir.Table:
    """One row an event or order line: user_id, part (what tells the baskets of a user apart), item, category."""
    if since is not None:
        table = table.filter(table.day >= ibis.literal(since))
    if before is not None:
        table = table.filter(table.day < ibis.literal(before))
    if unit == "session":
        table = _with_session(table)
    if unit != "order":
        table = table.filter(table.behavior.isin(BEHAVIORS[behavior]))
    part = {
        "user_day": lambda t: t.day.cast("string"),
        "user": lambda t: ibis.literal(0),
        "session": lambda t: t.session,
        "order": lambda t: t.order_id,
    }[unit]
    return table.select("user_id", "item_id", "category_id", part=part(table))


def _with_session(events: ir.Table) -> ir.Table:
    """Number the sessions of each user: a pause of more than 30 minutes between two events begins a new one."""
    if "visit" in events.columns:  # stored by intake
        return events.mutate(session=events.visit)
    order = {"group_by": "user_id", "order_by": ["timestamp", "item_id", "behavior"]}
    pause = events.timestamp - events.timestamp.lag().over(ibis.window(**order))
    first = events.mutate(begins=(pause > VISIT_PAUSE).fill_null(True).cast("int64"))
    return first.mutate(session=first.begins.sum().over(ibis.cumulative_window(**order)))


def _pull(lines: ir.Table, kind: str, min_support: float) -> pd.DataFrame:
    """The distinct (basket, item) pairs; where an item is too rare its place is kept by an empty one."""
    parent = lines.category_id if kind == "item" else ibis.null(lines.category_id.type())
    pairs = lines.select("user_id", "part", item=lines[f"{kind}_id"], parent=parent).distinct()
    if min_support > 0:
        pairs = _without_rare(pairs, min_support)
    # nullable whole numbers stay whole numbers: ids are never floats
    table = pairs.to_pyarrow().to_pandas(integer_object_nulls=True)
    return table.assign(kind=kind)


def _without_rare(pairs: ir.Table, min_support: float) -> ir.Table:
    total = int(pairs.select("user_id", "part").distinct().count().execute())
    counts = pairs.select("user_id", "part", "item").distinct().group_by("item").agg(held=ibis._.count())
    frequent = counts.filter(counts.held >= threshold(min_support, total)).select(frequent="item")
    joined = pairs.left_join(frequent, pairs.item == frequent.frequent)
    empty = joined.frequent.isnull()
    return joined.select(
        "user_id",
        "part",
        item=empty.ifelse(ibis.null(joined.item.type()), joined.item),
        parent=empty.ifelse(ibis.null(joined.parent.type()), joined.parent),
    ).distinct()


def holdout_day(first: date, last: date, *, share: float) -> date:
    """The first day of the later part, when the last `share` of the days is kept back; both parts get at least a day.

    >>> holdout_day(date(2017, 11, 1), date(2017, 11, 10), share=0.3)
    datetime.date(2017, 11, 8)
    """
    days = (last - first).days + 1
    later = min(max(threshold(share, days, name="share"), 1), max(days - 1, 1))
    return date(last.year, last.month, last.day) - timedelta(days=later - 1)


def named(baskets: pd.DataFrame, study) -> pd.DataFrame:
    """The baskets with labels for people instead of raw ids: names where the shop has them, else pseudonyms.

    Labels are unique and at most 60 characters long. On the level *both* a category reads 'any …'.

    Parameters
    ----------
    baskets : DataFrame
        As `baskets` gives them.
    study : OpenStudy
        Gives `category_labels` and `pseudonyms`, and `items` with titles where there are any.

    Returns
    -------
    DataFrame
        The same rows; item and parent are texts.
    """
    if baskets.empty:
        return baskets
    both = baskets["kind"].nunique() > 1
    category = _short(_ids(baskets, "category"), study.category_labels, "any " if both else "")
    item = _short(_ids(baskets, "item"), lambda ids: _titles(ids, study), "")
    is_item = baskets["kind"] == "item"
    labels = baskets["item"].map(category).where(~is_item, baskets["item"].map(item))
    return baskets.assign(item=labels.astype(object), parent=baskets["parent"].map(category).astype(object))


def _ids(baskets: pd.DataFrame, kind: str) -> pd.Series:
    own = baskets.loc[baskets["kind"] == kind, "item"]
    ids = pd.concat([own, baskets["parent"]]) if kind == "category" else own
    return pd.Series(sorted(ids.dropna().unique())).infer_objects()


def _titles(ids: pd.Series, study) -> pd.Series:
    """An item's title where the catalogue has one, else a pseudonym."""
    labels = study.pseudonyms(ids, "item")
    if not study.has("items") or "title" not in study.items.columns:
        return labels
    titles = study.items.select("item_id", "title").execute().drop_duplicates("item_id").set_index("item_id")["title"]
    return ids.map(titles).fillna(labels)


def _short(ids: pd.Series, label, prefix: str) -> dict:
    """Raw id → a label of at most 60 characters; equal ones get a number."""
    seen: Counter[str] = Counter()
    names = {}
    for raw, text in zip(ids, label(ids) if len(ids) else (), strict=True):
        text = f"{prefix}{text}"
        text = text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
        seen[text] += 1
        names[raw] = text if seen[text] == 1 else f"{text} ({seen[text]})"
    return names


def describe(baskets: pd.DataFrame) -> pd.DataFrame:
    """How many baskets, of how many people, with how many items.

    Returns
    -------
    DataFrame
        One row: baskets, users, items, mean_size, median_size, too_small_share (baskets of less than two items, which
        cannot hold a rule). Items that the prefilter left out are not counted.
    """
    columns = ["baskets", "users", "items", "mean_size", "median_size", "too_small_share"]
    if baskets.empty:
        return missing(columns, baskets.attrs.get("reason", "no baskets"))
    size = sizes(baskets)
    values = (len(size), baskets["user"].nunique(), baskets["item"].nunique(), size.mean(), size.median())
    return pd.DataFrame([(*values, float((size <= 1).mean()))], columns=columns)


def sizes(baskets: pd.DataFrame) -> pd.Series:
    """Number of items by basket_id."""
    return baskets.groupby("basket_id")["item"].nunique()


def popular(itemsets: pd.DataFrame, *, length: int = 1, rows: int = 15) -> pd.DataFrame:
    """The most frequent itemsets of one length: items (text), count, support."""
    if itemsets.empty:
        return missing(["items", "count", "support"], itemsets.attrs["reason"])
    own = itemsets[itemsets["length"] == length].head(rows)
    if own.empty:
        return missing(["items", "count", "support"], f"no set of {length} items is frequent enough")
    return own.assign(items=own["itemset"].map(" + ".join))[["items", "count", "support"]].reset_index(drop=True)


def frequent(
    baskets: pd.DataFrame | Encoded,
    *,
    min_support: float,
    max_length: int = 3,
    min_users: int = 1,
    users: pd.Series | None = None,
    apart: frozenset[tuple[str, str]] | None = None,
    strict: bool = False,
    miner: str = "fpgrowth",
) -> pd.DataFrame:
    """The frequent itemsets that stand on enough people; empty, with the reason, where there are none.

    Parameters
    ----------
    baskets : DataFrame or Encoded
        Named baskets; with an Encoded, `users` and `apart` come with it.
    min_support : float
        Share of baskets, 0…1.
    max_length : int
        Items in a set, 2 or more.
    min_users : int
        Itemsets of fewer different people are dropped (privacy).
    users : Series, optional
        basket_id → user; by default from the baskets.
    apart : pairs of items, optional
        By default an item and its own category, on the level *both*.
    strict : bool
        Raise TooManyItemsets instead of giving its advice as the reason.
    miner : str
        fpgrowth, bitmaps or spark, see `rules.itemsets`; the sets are the same.

    Returns
    -------
    DataFrame
        As `rules.itemsets`.
    """
    if not isinstance(baskets, Encoded):
        if baskets.empty:
            return missing(ITEMSET_COLUMNS, baskets.attrs.get("reason", "no baskets"))
        users, apart = owners(baskets), family(baskets)
        baskets = encode(baskets, min_support=min_support, min_count=min_users)
    total, least = baskets.total, max(threshold(min_support, baskets.total), min_users)
    if total < least:
        return missing(ITEMSET_COLUMNS, f"{total:,} baskets are too few; a rule has to lie in {least:,} of them")
    how = {"min_support": min_support, "min_count": min_users, "max_length": max_length, "miner": miner}
    try:
        table = method.itemsets(baskets, **how, apart=apart or (), limit=MOST_ITEMSETS)
    except TooManyItemsets as error:
        if strict:
            raise
        return missing(ITEMSET_COLUMNS, str(error))
    if users is not None:
        table = method.enough_users(table, baskets, users, min_users=min_users)
    why = f"no item is in {least:,} of the {total:,} baskets, of {min_users} users"
    return missing(ITEMSET_COLUMNS, why) if table.empty else table


def owners(baskets: pd.DataFrame) -> pd.Series:
    """basket_id → user, one entry a basket; without a column `user` every basket is somebody else's."""
    if "user" not in baskets:
        baskets = baskets.assign(user=baskets["basket_id"])
    return baskets.drop_duplicates("basket_id").set_index("basket_id")["user"]


def family(baskets: pd.DataFrame) -> frozenset[tuple[str, str]]:
    """The pairs (item, own category): a rule between the two is true by definition."""
    if "parent" not in baskets:
        return frozenset()
    pairs = baskets[["item", "parent"]].dropna().drop_duplicates()
    return frozenset((str(item), str(parent)) for item, parent in pairs.itertuples(index=False, name=None))


def confident(itemsets: pd.DataFrame, *, min_confidence: float) -> pd.DataFrame:
    """The rules with one-item consequents that reach a confidence; empty, with the reason, where there are none."""
    if itemsets.empty:
        return missing(RULE_COLUMNS, itemsets.attrs["reason"])
    table = method.rules(itemsets, min_confidence=min_confidence)
    if table.empty:
        longest = itemsets["length"].max()
        few = "no two items meet in enough baskets of enough people; larger baskets hold more (unit, behavior)"
        why = few if longest < 2 else "no rule reaches min_confidence"
        return missing(RULE_COLUMNS, why)
    return table


def tested(
    rules: pd.DataFrame, itemsets: pd.DataFrame, *, max_length: int, alpha: float = 0.05, correction: str = "holm"
) -> pd.DataFrame:
    """Every rule with its Fisher test and its productivity, corrected over *all candidates*.

    Candidates are all rules with a one-item conclusion over the frequent items, up to `max_length` items: also those
    that turned out too rare or not confident. Each length gets an equal part of `alpha`.

    Parameters
    ----------
    rules, itemsets : DataFrame
        As `confident` and `frequent` give them.
    max_length : int
        As in the search.
    alpha, correction
        As in `rules.significant`.
    """
    if rules.empty:
        return missing([*RULE_COLUMNS, *TEST_COLUMNS], rules.attrs.get("reason", "no rules"))
    candidates = method.search_space(int((itemsets["length"] == 1).sum()), max_length=max_length)
    how = {"alpha": alpha, "correction": correction, "candidates": candidates}
    return method.productive(method.significant(rules, **how), itemsets, **how)


def find_rules(
    baskets: pd.DataFrame | Encoded,
    *,
    min_support: float,
    min_confidence: float,
    max_length: int,
    alpha: float,
    correction: str,
    min_users: int,
    miner: str = "fpgrowth",
    **of: object,
) -> pd.DataFrame:
    """The whole search in one call: frequent itemsets → confident rules → tests."""
    limits = {"min_support": min_support, "max_length": max_length, "min_users": min_users, "miner": miner}
    sets = frequent(baskets, **limits, **of)
    return tested(
        confident(sets, min_confidence=min_confidence), sets, max_length=max_length, alpha=alpha, correction=correction
    )


def trusted(baskets: pd.DataFrame, *, copies: int, seed: int, **settings) -> pd.DataFrame:
    """The rules that pass every test of `find_rules` and meet beyond the sizes of the baskets; `settings` as there."""
    limits = ("min_support", "max_length", "min_users", "miner")
    sets = frequent(baskets, **{k: v for k, v in settings.items() if k in limits})
    how = {k: settings[k] for k in ("max_length", "alpha", "correction")}
    rules = tested(confident(sets, min_confidence=settings["min_confidence"]), sets, **how)
    return keep(beyond_size(keep_productive(rules), baskets, sets, copies=copies, seed=seed, **how), "beyond_size")


def null_runs(baskets: pd.DataFrame, *, runs: int, seed: int, **settings) -> pd.DataFrame:
    """The same search in the real baskets (run 0) and in shuffled ones; `settings` as in `find_rules`."""
    columns = ["run", "rules", "positive", "significant", "productive", "highest_lift"]
    if baskets.empty:
        return missing(columns, baskets.attrs.get("reason", "no baskets"))
    encoded = encode(baskets, min_support=settings["min_support"], min_count=settings["min_users"])
    if not encoded.items:
        return missing(columns, "no item is frequent enough")
    of = {"users": owners(baskets), "apart": family(baskets), "strict": True}
    try:
        return method.null_runs(encoded, find=lambda b: find_rules(b, **settings, **of), runs=runs, seed=seed)
    except TooManyItemsets as error:
        return missing(columns, str(error))


def null_summary(runs: pd.DataFrame) -> pd.DataFrame:
    """Real count beside the shuffled counts: one row a way to call a rule 'found'.

    Returns
    -------
    DataFrame
        called_found_when, real, shuffled_mean, shuffled_highest.
    """
    columns = ["called_found_when", "real", "shuffled_mean", "shuffled_highest"]
    if runs.empty:
        return missing(columns, runs.attrs["reason"])
    words = {
        "rules": "confidence reaches the threshold",
        "positive": "… and lift is above 1",
        "significant": "… and Fisher's test, corrected",
        "productive": "… and it beats its generalisations",
    }
    real, null = runs[runs["run"] == 0].iloc[0], runs[runs["run"] > 0]
    rows = [(text, int(real[key]), null[key].mean(), null[key].max()) for key, text in words.items()]
    return pd.DataFrame(rows, columns=columns)


def held_out(rules: pd.DataFrame, later: pd.DataFrame, *, alpha: float, min_users: int = 1) -> pd.DataFrame:
    """The rules of the earlier baskets, checked in the later ones (`rules.holdout`).

    The later figures are missing where they would stand on fewer than `min_users` people (privacy).
    """
    if rules.empty or later.empty:
        why = (rules if rules.empty else later).attrs.get("reason", "no rules")
        return missing([*RULE_COLUMNS, *HOLDOUT_COLUMNS], why)
    table = method.holdout(rules, later, alpha=alpha)
    sets = [a + b for a, b in zip(table["antecedents"], table["consequents"], strict=True)]
    few = method.people(encode(later, items={i for s in sets for i in s}), sets, owners(later)) < min_users
    hidden = [c for c in HOLDOUT_COLUMNS if c != "confirmed"]
    return table.assign(**{c: table[c].astype(float).mask(few) for c in hidden})


def beyond_size(
    rules: pd.DataFrame,
    baskets: pd.DataFrame,
    itemsets: pd.DataFrame,
    *,
    copies: int,
    seed: int,
    max_length: int,
    alpha: float = 0.05,
    correction: str = "holm",
) -> pd.DataFrame:
    """The productive rules against shuffled baskets (`rules.beyond_size`), corrected over all candidates."""
    if rules.empty:
        return missing([*rules.columns, *SIZE_COLUMNS], rules.attrs.get("reason", "no rules"))
    items = {i for side in ("antecedents", "consequents") for t in rules[side] for i in t}
    frequent_items = itemsets.loc[itemsets["length"] == 1, "itemset"].map(lambda s: s[0])
    encoded = encode(baskets, items={*frequent_items, *items})
    candidates = method.search_space(len(frequent_items), max_length=max_length)
    how = {"alpha": alpha, "correction": correction, "candidates": candidates}
    return method.beyond_size(rules, encoded, seed=seed, copies=copies, **how)


def keep(rules: pd.DataFrame, flag: str) -> pd.DataFrame:
    """The rows with a flag; empty, with the reason, where there are none."""
    if rules.empty:
        return rules
    kept = rules[rules[flag]].reset_index(drop=True)
    why = {"beyond_size": "no rule's items meet more often than the sizes of the baskets explain"}
    return kept if len(kept) else missing(rules.columns, why.get(flag, f"no rule is {flag}"))


def keep_productive(rules: pd.DataFrame) -> pd.DataFrame:
    """The rules that passed both tests."""
    if rules.empty:
        return rules
    kept = rules[rules["significant"] & rules["productive"]].reset_index(drop=True)
    return kept if len(kept) else missing(rules.columns, "no rule passes both tests")


def strongest(rules: pd.DataFrame, *, rows: int = 15) -> pd.DataFrame:
    """The rules with the highest lift, each association once: in the direction with the higher confidence."""
    if rules.empty:
        return rules
    whole = [tuple(sorted(a + b)) for a, b in zip(rules["antecedents"], rules["consequents"], strict=True)]
    ranked = rules.assign(_whole=whole).sort_values("confidence", ascending=False, kind="stable")
    once = ranked.drop_duplicates("_whole").drop(columns="_whole")
    order = once.sort_values(["lift", "count"], ascending=False, kind="stable")
    return order.head(rows).reset_index(drop=True)


def matrix(rules: pd.DataFrame, *, value: str = "confidence", most: int = 10) -> pd.DataFrame:
    """The rules of two items as a square: who takes the row's item also takes the column's.

    At most `most` items, of the strongest associations first, partners side by side; missing where no rule stands.
    """
    names: list[str] = []
    for left, right in strongest(rules, rows=len(rules))[["antecedents", "consequents"]].itertuples(index=False):
        new = [i for i in left + right if i not in names]
        names += new if len(left) == 1 and len(names) + len(new) <= most else []
    if not names:
        return missing([], rules.attrs.get("reason", "no rule of two items"))
    cells = {(a[0], b[0]): v for a, b, v in zip(*(rules[c] for c in ("antecedents", "consequents", value)), strict=True)
             if len(a) == 1}  # fmt: skip
    return pd.DataFrame([[cells.get((a, b), np.nan) for b in names] for a in names], names, names, float)


def ranked(rules: pd.DataFrame, *, by: str, rows: int = 10) -> pd.DataFrame:
    """The rules with the highest value of one measure; missing values last, ties by count."""
    if rules.empty:
        return rules
    return rules.sort_values([by, "count"], ascending=False, kind="stable").head(rows).reset_index(drop=True)


def conclusions(rules: pd.DataFrame, *, rows: int = 8) -> pd.DataFrame:
    """What most rules conclude: then, rules, consequent_support (share of all baskets), median confidence and lift."""
    columns = ["then", "rules", "consequent_support", "median_confidence", "median_lift"]
    if rules.empty:
        return missing(columns, rules.attrs.get("reason", "no rules"))
    text = readable(rules, ["confidence", "lift"]).assign(own=rules["consequent_count"] / rules["baskets"])
    table = text.groupby("then", sort=True).agg(
        rules=("lift", "size"),
        consequent_support=("own", "first"),
        median_confidence=("confidence", "median"),
        median_lift=("lift", "median"),
    )
    return table.sort_values("rules", ascending=False, kind="stable").head(rows).reset_index()[columns]


def candidates(itemsets: pd.DataFrame, *, max_length: int, alpha: float) -> pd.DataFrame:
    """How many rules the search looks at, and how many of them luck alone would let pass without a correction.

    Returns
    -------
    DataFrame
        One row a rule length: length, candidates, passing_by_luck = alpha · candidates (at most, when nothing is true).
    """
    columns = ["length", "candidates", "passing_by_luck"]
    space = method.search_space(int((itemsets["length"] == 1).sum()), max_length=max_length)
    if not space:
        return missing(columns, itemsets.attrs.get("reason", "fewer than two frequent items"))
    rows = [(length, count, float(alpha) * count) for length, count in space.items()]
    return pd.DataFrame(rows, columns=columns)


def pictured(rules: pd.DataFrame, *, seed: int, dots: int = 1_500) -> pd.DataFrame:
    """The rules for a scatter plot: with their verdict and the share of all baskets that hold the conclusion."""
    if rules.empty:
        return rules
    table = rules.sample(dots, random_state=seed).sort_index() if len(rules) > dots else rules
    return verdicts(table).assign(consequent_support=table["consequent_count"] / table["baskets"])


def readable(rules: pd.DataFrame, columns: list[str] | None = None) -> pd.DataFrame:
    """For the page and the CSV file: 'if' and 'then' as text, then the named columns (by default all)."""
    columns = columns or [c for c in rules.columns if c not in ("antecedents", "consequents")]
    if rules.empty:
        return missing(["if", "then", *columns], rules.attrs.get("reason", "no rules"))
    text = {"if": rules["antecedents"].map(" + ".join), "then": rules["consequents"].map(" + ".join)}
    return pd.DataFrame({**text, **{c: rules[c] for c in columns}})


def support_sweep(baskets: pd.DataFrame, supports: list[float], **settings) -> pd.DataFrame:
    """How many itemsets and rules each support threshold leaves; `settings` as in `find_rules`.

    Returns
    -------
    DataFrame
        min_support, least_count, itemsets, rules, productive; the counts are missing where the search grew too large.
    """
    columns = ["min_support", "least_count", "itemsets", "rules", "productive"]
    if baskets.empty:
        return missing(columns, baskets.attrs.get("reason", "no baskets"))
    total, rows = baskets["basket_id"].nunique(), []
    for share in supports:
        own = settings | {"min_support": share}
        sets = frequent(baskets, **{k: own[k] for k in ("min_support", "max_length", "min_users")})
        rules = confident(sets, min_confidence=own["min_confidence"])
        found = tested(rules, sets, **{k: own[k] for k in ("max_length", "alpha", "correction")})
        rows.append((share, threshold(share, total), len(sets), len(rules), len(keep_productive(found))))
    return pd.DataFrame(rows, columns=columns)


def basket_choices(
    events: ir.Table, choices: list[tuple[str, str]], *, level: str, min_support: float, min_users: int
) -> pd.DataFrame:
    """What each way to make baskets leaves to work with.

    Parameters
    ----------
    events : ibis Table
        The events of the contract.
    choices : list of (unit, behavior)
        As in `baskets`.
    level, min_support, min_users
        As in `baskets` and `frequent`.

    Returns
    -------
    DataFrame
        One row a choice: unit, behavior, baskets, mean_size, too_small_share, frequent_items, frequent_pairs. Sizes are
        missing where there is no basket.
    """
    rows = []
    for unit, behavior in choices:
        own = baskets(events, unit=unit, level=level, behavior=behavior, min_support=min_support)
        sets = frequent(own, min_support=min_support, max_length=2, min_users=min_users, miner="bitmaps")
        facts = describe(own)
        known = facts.iloc[0] if len(facts) else {"baskets": 0, "mean_size": None, "too_small_share": None}
        lengths = sets["length"].value_counts()
        counted = (int(known["baskets"]), known["mean_size"], known["too_small_share"])
        rows.append((unit, behavior, *counted, int(lengths.get(1, 0)), int(lengths.get(2, 0))))
    names = ["unit", "behavior", "baskets", "mean_size", "too_small_share", "frequent_items", "frequent_pairs"]
    return pd.DataFrame(rows, columns=names)


def verdicts(rules: pd.DataFrame) -> pd.DataFrame:
    """The rules with one word each: *productive*, *adds nothing* (to a shorter rule) or *may be chance*."""
    if rules.empty:
        return rules
    good = rules["significant"] & rules["productive"]
    word = good.map({True: "productive", False: "adds nothing"}).where(rules["significant"], "may be chance")
    return rules.assign(verdict=word)


def verdict_counts(rules: pd.DataFrame) -> pd.DataFrame:
    """Number of rules by length and verdict."""
    columns = ["length", "rules", "may be chance", "adds nothing", "productive"]
    if rules.empty:
        return missing(columns, rules.attrs.get("reason", "no rules"))
    wide = pd.crosstab(rules["length"], verdicts(rules)["verdict"]).reindex(columns=columns[2:], fill_value=0)
    return wide.assign(rules=wide.sum(axis=1)).reset_index()[columns].rename_axis(columns=None)


def against_truth(
    truth: pd.DataFrame,
    rules: pd.DataFrame,
    baskets: pd.DataFrame,
    *,
    unit: str,
    level: str,
    behavior: str,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Every planted rule, implied pair and decoy of the demo shop beside what was found.

    Parameters
    ----------
    truth : DataFrame
        `study.truth("rules")`: kind (planted, implied, decoy), antecedent, consequent, confidence, lift.
    rules : DataFrame
        The rules that passed, such as `trusted` gives them.
    baskets : DataFrame
        The named baskets.
    unit, level, behavior : str
        As in `baskets`; the truth is about categories in one order.

    Returns
    -------
    DataFrame
        kind, if, then, confidence with its Wilson interval, lift, true_confidence, true_lift, covered (is the true
        confidence in the interval?), found (are the two items a rule that passed, in either direction?).
    """
    columns = [
        "kind", "if", "then", "confidence", "confidence_ci_low", "confidence_ci_high", "true_confidence", "covered",
        "lift", "true_lift", "found",
    ]  # fmt: skip
    if "kind" not in truth.columns:
        return missing(columns, truth.attrs.get("reason", "no truth is known"))
    if unit == "user" or level != "category" or (behavior != "buy" and unit != "order") or baskets.empty:
        return missing(columns, "the planted rules are about categories bought together in one order")
    encoded = encode(baskets, items={*truth["antecedent"], *truth["consequent"]})
    pairs = list(zip(truth["antecedent"], truth["consequent"], strict=True))
    x, y, both = (method.counts_in(encoded, s) for s in ([(a,) for a, _ in pairs], [(b,) for _, b in pairs], pairs))
    found = {frozenset(a + b) for a, b in zip(rules["antecedents"], rules["consequents"], strict=True)}
    table = pd.DataFrame({"kind": truth["kind"], "if": truth["antecedent"], "then": truth["consequent"]})
    table = add_rate(
        table.assign(_k=both, _n=x), successes="_k", trials="_n", name="confidence", level=confidence_level
    )
    low, high = table["confidence_ci_low"], table["confidence_ci_high"]
    return table.assign(
        true_confidence=truth["confidence"],
        covered=truth["confidence"].between(low, high),
        lift=method.lift(both, antecedent=x, consequent=y, baskets=np.full(len(x), encoded.total)),
        true_lift=truth["lift"],
        found=[frozenset(pair) in found for pair in pairs],
    )[columns]


def truth_counts(compared: pd.DataFrame) -> pd.DataFrame:
    """Of each kind: how many there are, how many were found, how many intervals cover the truth."""
    columns = ["kind", "pairs", "found", "covered"]
    if compared.empty:
        return missing(columns, compared.attrs["reason"])
    groups = compared.groupby("kind", sort=False)
    table = groups.agg(pairs=("found", "size"), found=("found", "sum"), covered=("covered", "sum"))
    return table.reset_index()[columns]


def unexplained(rules: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """The rules that nothing planted explains: false discoveries, when baskets are single orders.

    A rule is explained when all its items belong together: linked by planted or implied pairs.
    """
    if "kind" not in truth.columns:
        return missing(rules.columns, truth.attrs.get("reason", "no truth is known"))
    if rules.empty:
        return rules
    group: dict[str, int] = {}
    linked = truth[truth["kind"] != "decoy"]
    for a, b in zip(linked["antecedent"], linked["consequent"], strict=True):
        new, old = group.get(a, len(group) + 1), group.get(b)
        group |= {name: new for name, g in group.items() if g == old} | {a: new, b: new}
    alone = [
        len({group.get(i, i) for i in a + b}) > 1
        for a, b in zip(rules["antecedents"], rules["consequents"], strict=True)
    ]
    kept = rules[alone].reset_index(drop=True)
    return kept if len(kept) else missing(rules.columns, "every rule that passed is a planted or implied one")


def first_rule(rules: pd.DataFrame) -> str:
    """The first rule as a sentence's part: 'tea + milk → sugar'; empty text where there is none."""
    if rules.empty:
        return ""
    return f"{' + '.join(rules['antecedents'].iloc[0])} → {' + '.join(rules['consequents'].iloc[0])}"


def first_value(rules: pd.DataFrame, column: str) -> Estimate:
    """A number of the first rule, such as its lift; missing, with the reason, where there is no rule."""
    if rules.empty:
        return Estimate.missing(rules.attrs.get("reason", "no rules"))
    return Estimate(float(rules[column].iloc[0]))


def share_of(table: pd.DataFrame, flag: str, **where: str) -> Estimate:
    """Share of the rows with a flag, with its Wilson interval; `where` first keeps rows, such as kind='planted'."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "no rows"))
    for column, value in where.items():
        table = table[table[column] == value]
    return rate(int(table[flag].sum()), len(table), reason="no rows")


def null_mean(runs: pd.DataFrame, column: str) -> Estimate:
    """Mean of one column of `null_runs` over the shuffled copies."""
    if runs.empty or not (runs["run"] > 0).any():
        return Estimate.missing(runs.attrs.get("reason", "no shuffled copy was made"))
    return Estimate(float(runs.loc[runs["run"] > 0, column].mean()))
