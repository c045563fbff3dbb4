"""Association rules: which items are bought together more often than chance, and how sure that is.

Agrawal & Srikant (1994) for support and confidence, Webb (2007) for tests that count everything the search could have
returned. All comparisons are made on whole numbers. The search for itemsets is in `helpers.products.rules_itemsets`;
its names can be used from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, combinations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.stats import binom, hypergeom

from helpers.intervals import wilson
from helpers.products.rules_itemsets import (
    ITEMSET_COLUMNS,
    MINERS,
    Encoded,
    RulesError,
    TooManyItemsets,
    counts_in,
    encode,
    enough_users,
    exact,
    itemsets,
    people,
    threshold,
)

__all__ = [  # of the itemsets' module, to be used from here
    "ITEMSET_COLUMNS", "MINERS", "Encoded", "RulesError", "TooManyItemsets", "counts_in", "encode", "enough_users",
    "exact", "itemsets", "people", "threshold",
]  # fmt: skip
CORRECTIONS = ("holm", "bh", "bonferroni", "none")
RULE_COLUMNS = [
    "antecedents", "consequents", "length", "count", "antecedent_count", "consequent_count", "baskets",
    "support", "confidence", "lift", "leverage", "conviction", "zhang", "kulczynski", "imbalance_ratio",
]  # fmt: skip
_COUNTS = ["count", "antecedent_count", "consequent_count", "baskets"]


def rules(itemsets: pd.DataFrame, *, min_confidence: float = 0.0, max_consequents: int = 1) -> pd.DataFrame:
    """All rules *if X then Y* that the itemsets give and whose confidence reaches a threshold.

    Parameters
    ----------
    itemsets : DataFrame
        The result of `itemsets` from length 1 on.
    min_confidence : float
        0…1, compared exactly: 4 of 5 baskets reach 0.8.
    max_consequents : int
        Items in Y, 1 or more; one by default.

    Returns
    -------
    DataFrame
        antecedents, consequents (sorted tuples), length (items in both), the four counts, all measures; by falling
        lift, falling count, antecedents, consequents.

    Examples
    --------
    >>> log = pd.DataFrame({"basket_id": [1, 1, 2, 2, 3], "item": ["tea", "milk", "tea", "milk", "tea"]})
    >>> rules(itemsets(log, min_support=0.5))[["antecedents", "consequents", "count", "confidence"]].round(3)
      antecedents consequents  count  confidence
    0     (milk,)      (tea,)      2       1.000
    1      (tea,)     (milk,)      2       0.667
    """
    if max_consequents < 1:
        raise RulesError(f"max_consequents={max_consequents}: a rule concludes at least one item; give 1 or more")
    least, counts = exact(min_confidence, name="min_confidence"), _counts(itemsets)
    found = []
    for whole, count in counts.items():
        for right in _proper(whole, max_consequents):
            left = tuple(i for i in whole if i not in right)
            if count * least.denominator >= least.numerator * counts[left]:
                found.append((left, right, len(whole), count, counts[left], counts[right]))
    table = pd.DataFrame(found, columns=RULE_COLUMNS[:6])
    table["baskets"] = itemsets["baskets"].iloc[0] if len(found) else 0
    table = with_measures(table.astype(dict.fromkeys(["length", *_COUNTS], np.int64)))
    lifts = table["lift"].tolist()
    order = sorted(range(len(table)), key=lambda k: (-lifts[k], -found[k][3], found[k][0], found[k][1]))
    return table.iloc[order].reset_index(drop=True)[RULE_COLUMNS]


def _counts(itemsets: pd.DataFrame) -> dict[tuple[str, ...], int]:
    return dict(zip(itemsets["itemset"], itemsets["count"].tolist(), strict=True))


def _proper(whole: tuple[str, ...], longest: int) -> Iterable[tuple[str, ...]]:
    """The non-empty proper subsets of up to `longest` items."""
    for k in range(1, min(longest, len(whole) - 1) + 1):
        yield from combinations(whole, k)


def with_measures(table: pd.DataFrame) -> pd.DataFrame:
    """Add every measure to a table of counts.

    Parameters
    ----------
    table : DataFrame
        One row a rule: `count` (baskets with X and Y), `antecedent_count` (with X), `consequent_count` (with Y) and
        `baskets` (all), whole numbers.

    >>> four = {"count": [3], "antecedent_count": [4], "consequent_count": [5], "baskets": [10]}
    >>> with_measures(pd.DataFrame(four))[["support", "confidence", "lift"]]
       support  confidence  lift
    0      0.3        0.75   1.5
    """
    both, x, y, n = (table[c] for c in _COUNTS)
    return table.assign(
        support=support(both, baskets=n),
        confidence=confidence(both, antecedent=x),
        lift=lift(both, antecedent=x, consequent=y, baskets=n),
        leverage=leverage(both, antecedent=x, consequent=y, baskets=n),
        conviction=conviction(both, antecedent=x, consequent=y, baskets=n),
        zhang=zhang(both, antecedent=x, consequent=y, baskets=n),
        kulczynski=kulczynski(both, antecedent=x, consequent=y),
        imbalance_ratio=imbalance_ratio(both, antecedent=x, consequent=y),
    )


def _ratio(above: object, below: object) -> np.ndarray:
    """Quotient of whole numbers; missing (NaN) where the denominator is 0."""
    above, below = np.broadcast_arrays(np.asarray(above, np.int64), np.asarray(below, np.int64))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def support(both, *, baskets) -> np.ndarray:
    r"""Share of baskets that hold the whole rule: $n_{XY}/n$, from 0 (never) to 1 (always).

    >>> float(support(3, baskets=10))
    0.3
    """
    return _ratio(both, baskets)


def confidence(both, *, antecedent) -> np.ndarray:
    r"""Share of the baskets with X that also hold Y: $n_{XY}/n_X$, from 0 (never) to 1 (always).

    A popular Y has a high confidence with anything: read it beside the lift.

    >>> float(confidence(3, antecedent=4))
    0.75
    """
    return _ratio(both, antecedent)


def lift(both, *, antecedent, consequent, baskets) -> np.ndarray:
    r"""How many times more often than by chance: $n\,n_{XY}/(n_X\,n_Y)$, 0…∞; 1 = independent, below 1 = rarer.

    >>> float(lift(3, antecedent=4, consequent=5, baskets=10))
    1.5
    """
    both, x, y, n = _whole(both, antecedent, consequent, baskets)
    return _ratio(both * n, x * y)


def leverage(both, *, antecedent, consequent, baskets) -> np.ndarray:
    r"""Share of baskets gained over chance: $n_{XY}/n - n_X n_Y/n^2$, −0.25…0.25; 0 = independent.

    >>> round(float(leverage(3, antecedent=4, consequent=5, baskets=10)), 9)
    0.1
    """
    both, x, y, n = _whole(both, antecedent, consequent, baskets)
    return _ratio(both * n - x * y, n * n)


def conviction(both, *, antecedent, consequent, baskets) -> np.ndarray:
    r"""How many times rarer the rule fails than by chance: $n_X (n - n_Y) / (n\,(n_X - n_{XY}))$, 0…∞; 1 = independent.

    Missing where the rule never fails (confidence 1): the value would be infinite.

    >>> float(conviction(3, antecedent=4, consequent=5, baskets=10))
    2.0
    >>> float(conviction(4, antecedent=4, consequent=5, baskets=10))
    nan
    """
    both, x, y, n = _whole(both, antecedent, consequent, baskets)
    return _ratio(x * (n - y), n * (x - both))


def zhang(both, *, antecedent, consequent, baskets) -> np.ndarray:
    r"""Zhang's association: $(n\,n_{XY} - n_X n_Y) / \max(n_{XY}(n - n_X),\ n_X(n_Y - n_{XY}))$, −1…1; 0 = independent.

    1: Y comes only with X; −1: never with X. Missing where X is in every basket and Y always with it. Zhang (2000).

    >>> float(zhang(3, antecedent=4, consequent=5, baskets=10))
    0.5555555555555556
    """
    both, x, y, n = _whole(both, antecedent, consequent, baskets)
    return _ratio(both * n - x * y, np.maximum(both * (n - x), x * (y - both)))


def kulczynski(both, *, antecedent, consequent) -> np.ndarray:
    r"""Mean of the two confidences: $\tfrac12 (n_{XY}/n_X + n_{XY}/n_Y)$, 0…1; empty baskets do not change it.

    Near 0.5 it says little: look at the imbalance ratio. Han, Kamber & Pei (2012), 6.3.3.

    >>> float(kulczynski(3, antecedent=4, consequent=5))
    0.675
    """
    both, x, y = _whole(both, antecedent, consequent)
    return (_ratio(both, x) + _ratio(both, y)) / 2


def imbalance_ratio(both, *, antecedent, consequent) -> np.ndarray:
    r"""How unequal X and Y are: $|n_X - n_Y| / (n_X + n_Y - n_{XY})$, 0 (equally frequent) … 1 (one of them rare).

    >>> round(float(imbalance_ratio(3, antecedent=4, consequent=5)), 4)
    0.1667
    """
    both, x, y = _whole(both, antecedent, consequent)
    return _ratio(abs(x - y), x + y - both)


def _whole(*columns: object) -> list[np.ndarray]:
    return [np.asarray(c, np.int64) for c in columns]


def fisher(both, *, antecedent, consequent, baskets) -> np.ndarray:
    r"""One-sided Fisher exact test: how often would chance alone join X and Y in so many baskets or more?

    $p = P(H \ge n_{XY})$ with $H$ hypergeometric ($n$ baskets, $n_Y$ of them with Y, $n_X$ drawn). Small p: X and Y are
    together more often than independent items of the same frequencies. 1 where nothing speaks for the rule.

    >>> round(float(fisher(3, antecedent=4, consequent=5, baskets=10)), 4)  # 55 of the 210 ways to place X
    0.2619
    """
    columns = np.broadcast_arrays(*_whole(both, antecedent, consequent, baskets))
    table = np.column_stack([np.atleast_1d(c) for c in columns])
    if not len(table):
        return np.zeros(0)
    once, back = np.unique(table, axis=0, return_inverse=True)
    both_, x, y, n = once.T
    tail = hypergeom.sf(both_ - 1, np.maximum(n, 1), np.maximum(x, y), np.minimum(x, y))
    p = np.clip(tail, 0, 1)[back.ravel()]
    return p.reshape(np.shape(both)) if np.ndim(both) else p[0]


def search_space(items: int, *, max_length: int) -> dict[int, int]:
    r"""Length → number of rules the search could have returned: $m_\ell = \ell \binom{k}{\ell}$ for k frequent items.

    These are the *candidates*: a rule that turned out too rare was looked at, too.

    >>> search_space(4, max_length=3)
    {2: 12, 3: 12}
    """
    return {k: k * math.comb(items, k) for k in range(2, min(max_length, items) + 1)}


def adjusted(p, *, correction: str, candidates: int | None = None) -> np.ndarray:
    r"""p-values corrected for the number of candidates m, of which the given ones are the smallest that matter.

    bonferroni: $m\,p$. holm: $\max_{j \le i} (m - j + 1)\,p_{(j)}$, at most a chance α of *any* false rule.
    bh (Benjamini–Hochberg): $\min_{j \ge i} m\,p_{(j)}/j$, at most a share α of false rules on average.

    Parameters
    ----------
    p : array
        p-values of the rules at hand.
    correction : str
        holm, bh, bonferroni or none.
    candidates : int, optional
        All rules that were looked at, those not at hand counting as p = 1; by default only those at hand.

    >>> adjusted([0.01, 0.02, 0.03], correction="holm", candidates=4).round(3).tolist()
    [0.04, 0.06, 0.06]
    """
    if correction not in CORRECTIONS:
        raise RulesError(f"correction={correction!r} is not known; take one of {', '.join(CORRECTIONS)}")
    p = np.asarray(p, float)
    m, rank, order = max(candidates or 0, len(p)), np.arange(len(p)), np.argsort(p, kind="stable")
    if correction == "none":
        return p
    out = np.empty_like(p)
    if correction == "bonferroni":
        out[order] = float(m) * p[order]
    elif correction == "holm":
        out[order] = np.maximum.accumulate((float(m) - rank) * p[order])
    else:
        out[order] = np.minimum.accumulate((float(m) * p[order] / (rank + 1))[::-1])[::-1]
    return np.minimum(out, 1)


def layered(
    p: np.ndarray, length: np.ndarray, *, correction: str, candidates: int | dict[int, int] | None = None
) -> np.ndarray:
    """Corrected p-values, each rule length a family of its own with an equal part of α (Webb 2008).

    With a dict, length → candidates, p is corrected within its length and multiplied by the number of lengths: long
    rules, of which there are very many, do not use up what the short ones need. With a number or None: one family.

    >>> layered(np.array([0.01, 0.01]), np.array([2, 3]), correction="holm", candidates={2: 1, 3: 4}).tolist()
    [0.02, 0.08]
    """
    if not isinstance(candidates, dict) or correction == "none":
        return adjusted(p, correction=correction, candidates=None if isinstance(candidates, dict) else candidates)
    out = np.ones(len(p))
    for size in np.unique(length):
        mine = length == size
        within = adjusted(p[mine], correction=correction, candidates=candidates.get(int(size)))
        out[mine] = np.minimum(within * len(candidates), 1)
    return out


def significant(
    rules: pd.DataFrame,
    *,
    alpha: float = 0.05,
    correction: str = "holm",
    candidates: int | dict[int, int] | None = None,
) -> pd.DataFrame:
    """Fisher's exact test of every rule, corrected for the number of candidates.

    Parameters
    ----------
    rules : DataFrame
        One row a rule, with the four counts.
    alpha : float
        Accepted error, 0…1: chance of any false rule (holm, bonferroni) or mean share of false rules (bh).
    correction : str
        holm, bh, bonferroni or none.
    candidates : int or dict, optional
        Number of rules looked at, or `search_space(...)`. None counts only the rows given: too kind when these were
        chosen by their confidence.

    Returns
    -------
    DataFrame
        The rules with p_value, p_adjusted and the flag significant.
    """
    exact(alpha, name="alpha")
    both, x, y, n = (rules[c] for c in _COUNTS)
    p = fisher(both, antecedent=x, consequent=y, baskets=n)
    p_adjusted = layered(p, rules["length"].to_numpy(), correction=correction, candidates=candidates)
    return rules.assign(p_value=p, p_adjusted=p_adjusted, significant=p_adjusted <= alpha)


def productive(
    rules: pd.DataFrame,
    itemsets: pd.DataFrame,
    *,
    alpha: float = 0.05,
    correction: str = "holm",
    candidates: int | dict[int, int] | None = None,
) -> pd.DataFrame:
    r"""Does a rule say more than each of its generalisations: X → Y against Z → Y for every Z ⊂ X, also the empty Z?

    $\mathrm{improvement} = \mathrm{confidence}(X \to Y) - \max_{Z \subset X} \mathrm{confidence}(Z \to Y)$, −1…1; a
    rule with improvement ≤ 0 is redundant. The test asks, within the baskets that hold Z, whether the rest of X still
    raises Y (one-sided Fisher); the rule's p is the largest over all Z. Bayardo et al. (2000), Webb (2007).

    Parameters
    ----------
    rules, itemsets : DataFrame
        The rules, and the itemsets (from length 1 on) that they come from.
    alpha, correction, candidates
        As in `significant`.

    Returns
    -------
    DataFrame
        The rules with improvement, redundant, p_productive (not corrected), p_productive_adjusted, productive.
    """
    exact(alpha, name="alpha")
    pairs = _generalisations(rules, _counts(itemsets))
    of, both, x, y, n = pairs.T if len(pairs) else np.zeros((5, 0), np.int64)
    p, best = np.zeros(len(rules)), np.zeros(len(rules))
    np.maximum.at(p, of, fisher(both, antecedent=x, consequent=y, baskets=n))
    np.maximum.at(best, of, _ratio(y, n))
    redundant = np.zeros(len(rules), bool)
    np.logical_or.at(redundant, of, both * n <= y * x)
    p_adjusted = layered(p, rules["length"].to_numpy(), correction=correction, candidates=candidates)
    return rules.assign(
        improvement=rules["confidence"] - best,
        redundant=redundant,
        p_productive=p,
        p_productive_adjusted=p_adjusted,
        productive=(p_adjusted <= alpha) & ~redundant,
    )


def _generalisations(rules: pd.DataFrame, counts: dict[tuple[str, ...], int]) -> np.ndarray:
    """One row a (rule, Z): rule's number, n(XY), n(X), n(ZY), n(Z)."""
    rows = []
    columns = ("antecedents", "consequents", *_COUNTS)
    for k, (left, right, both, x, y, n) in enumerate(zip(*(rules[c].tolist() for c in columns), strict=True)):
        rows.append((k, both, x, y, n))
        for z in _proper(left, len(left) - 1):
            rows.append((k, both, x, counts[tuple(sorted(z + right))], counts[z]))
    return np.array(rows, np.int64)


def holdout(rules: pd.DataFrame, later: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """What became of the rules in later baskets that had no part in finding them.

    Parameters
    ----------
    rules : DataFrame
        Rules found in the earlier baskets.
    later : DataFrame
        The later baskets: basket_id, item.
    alpha : float
        The Fisher test in the later baskets is Holm-corrected over the rules at hand only: no search took place there.
        The interval of the confidence is Wilson's, 1 − alpha.

    Returns
    -------
    DataFrame
        The rules with holdout_count, holdout_antecedent_count, holdout_confidence (missing where no later basket holds
        X) with its interval, holdout_lift, p_holdout (corrected) and confirmed.
    """
    encoded = encode(later, items={i for side in ("antecedents", "consequents") for t in rules[side] for i in t})
    left, right = list(rules["antecedents"]), list(rules["consequents"])
    x, y = counts_in(encoded, left), counts_in(encoded, right)
    both = counts_in(encoded, [a + b for a, b in zip(left, right, strict=True)])
    p = adjusted(fisher(both, antecedent=x, consequent=y, baskets=np.full(len(x), encoded.total)), correction="holm")
    low, high = wilson(both, x, level=1 - alpha)
    return rules.assign(
        holdout_count=both,
        holdout_antecedent_count=x,
        holdout_confidence=confidence(both, antecedent=x),
        holdout_confidence_ci_low=np.where(x > 0, low, np.nan),
        holdout_confidence_ci_high=np.where(x > 0, high, np.nan),
        holdout_lift=lift(both, antecedent=x, consequent=y, baskets=np.full(len(x), encoded.total)),
        p_holdout=p,
        confirmed=p <= alpha,
    )


def shuffled(baskets: Encoded, *, seed: int, rounds: int = 20) -> Encoded:
    """The same baskets without any association: every basket keeps its size, every item its frequency.

    Global Curveball: in each round all baskets are paired at random, and each pair deals what only one of the two holds
    anew. Strona et al. (2014), Carstens et al. (2018); the idea of the null is Gionis et al. (2007).

    Parameters
    ----------
    baskets : Encoded
        One row a basket.
    seed : int
        Start of the random stream.
    rounds : int
        Trades of every basket, 1 or more. After 20 a purchase has been through 20 random baskets.
    """
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(baskets.total), np.diff(baskets.matrix.indptr))
    item = baskets.matrix.indices.astype(np.int64)
    for _ in range(rounds if baskets.total > 1 else 0):
        row, item = _trade(rng, row, item, baskets.total)
    matrix = csr_matrix((np.ones(len(row), np.int8), (row, item)), shape=baskets.matrix.shape)
    matrix.sort_indices()
    return replace(baskets, matrix=matrix)


def _trade(rng: np.random.Generator, row: np.ndarray, item: np.ndarray, total: int) -> tuple[np.ndarray, np.ndarray]:
    """One round of trades; what both baskets of a pair hold stays where it is."""
    pair = rng.permutation(total)[row] // 2
    order = np.argsort(pair * (item.max(initial=0) + 1) + item)
    row, item, pair = row[order], item[order], pair[order]
    same = (pair[1:] == pair[:-1]) & (item[1:] == item[:-1])
    shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
    seats = np.flatnonzero(~shared)
    # the pairs follow each other on both sides; within a pair the items come in random order to the seats
    dealt = seats[np.argsort(pair[seats] + rng.random(len(seats)))]
    out = item.copy()
    out[seats] = item[dealt]
    return row, out


def beyond_size(
    rules: pd.DataFrame,
    baskets: Encoded,
    *,
    seed: int,
    copies: int = 20,
    alpha: float = 0.05,
    correction: str = "holm",
    candidates: int | dict[int, int] | None = None,
) -> pd.DataFrame:
    r"""Do X and Y meet more often than in shuffled baskets, where only the sizes of the baskets bring them together?

    Fisher's test takes all baskets as alike. Where some are very large, all popular items meet in them. In $R$ shuffled
    copies X and Y meet $S$ times in all; if the real baskets were one more copy, the count $n_{XY}$ would be a fair
    share of $n_{XY} + S$: $p = P(B \ge n_{XY})$ with $B$ binomial($n_{XY} + S$, $1/(R + 1)$).

    Parameters
    ----------
    rules : DataFrame
        One row a rule, found in the baskets.
    baskets : Encoded
        Holds all items of the rules.
    seed, copies : int
        Start of the random stream, and R.
    alpha, correction, candidates
        As in `significant`.

    Returns
    -------
    DataFrame
        The rules with shuffled_count (mean over the copies), lift_beyond_size (count / shuffled_count, missing where
        they never meet there), p_size, p_size_adjusted and the flag beyond_size.
    """
    exact(alpha, name="alpha")
    sets = [a + b for a, b in zip(rules["antecedents"], rules["consequents"], strict=True)]
    met = sum(counts_in(copy, sets) for copy in _copies(baskets, seed, copies))
    count = rules["count"].to_numpy(np.int64)
    p = binom.sf(count - 1, count + met, 1 / (copies + 1))
    p_adjusted = layered(p, rules["length"].to_numpy(), correction=correction, candidates=candidates)
    return rules.assign(
        shuffled_count=met / copies,
        lift_beyond_size=_ratio(count * copies, met),
        p_size=p,
        p_size_adjusted=p_adjusted,
        beyond_size=p_adjusted <= alpha,
    )


def _copies(baskets: Encoded, seed: int, copies: int, rounds: int = 20) -> Iterator[Encoded]:
    if copies < 1:
        raise RulesError(f"copies={copies}: at least one shuffled copy is needed")
    for own in np.random.SeedSequence(seed).generate_state(copies):
        yield shuffled(baskets, seed=int(own), rounds=rounds)


def null_runs(
    baskets: Encoded, *, find: Callable[[Encoded], pd.DataFrame], runs: int = 20, seed: int, rounds: int = 20
) -> pd.DataFrame:
    """How many rules the same search finds in baskets that hold no association.

    Parameters
    ----------
    baskets : Encoded
        The real baskets.
    find : function
        Encoded → table of rules with the flags significant and productive: the whole search, thresholds and all.
    runs : int
        Number of shuffled copies.
    seed : int
        Start of the random streams; each run has its own.

    Returns
    -------
    DataFrame
        run (0 = the real baskets, then 1…), rules, positive (lift above 1), significant, productive, highest_lift
        (missing without a rule).
    """
    rows = []
    for run, copy in enumerate(chain([baskets], _copies(baskets, seed, runs, rounds))):
        found = find(copy)
        flags = [int(found[c].sum()) if len(found) else 0 for c in ("significant", "productive")]
        lifts = found["lift"].astype(float)
        rows.append((run, len(found), int((lifts > 1).sum()), *flags, lifts.max()))
    return pd.DataFrame(rows, columns=["run", "rules", "positive", "significant", "productive", "highest_lift"])
