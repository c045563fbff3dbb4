"""Itemsets: baskets as a sparse matrix, the sets of items that enough baskets hold, and who holds them.

Agrawal & Srikant (1994) for support, Han, Pei & Yin (2000) for FP-growth, Zaki (2000) for Eclat. All comparisons are
made on whole numbers. `helpers.products.rules` makes rules of the sets.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix, triu

with warnings.catch_warnings():  # mlxtend changes the warning filters of the whole process on import
    from mlxtend.frequent_patterns.fpcommon import FPTree

ITEMSET_COLUMNS = ["itemset", "length", "count", "baskets", "support"]


class RulesError(ValueError):
    """An argument of the rule search is not allowed; the message names it, its value and the cure."""


class TooManyItemsets(RulesError):
    """The search would return more itemsets than memory or a reader can hold."""


@dataclass(frozen=True)
class Encoded:
    """Baskets as a sparse matrix: one row a basket, one column an item, most frequent item first.

    Only items that can still be frequent have a column; `total` counts all baskets, also those left empty by that.
    `ids` are the basket ids in the order of the rows.
    """

    matrix: csr_matrix
    items: tuple[str, ...]
    ids: np.ndarray

    @property
    def total(self) -> int:
        """Number of baskets."""
        return self.matrix.shape[0]


def exact(share: float, *, name: str = "share") -> Fraction:
    """The decimal number that was written, as a fraction: 0.07 is 7/100, not the nearest binary number.

    >>> exact(0.07)
    Fraction(7, 100)
    """
    if isinstance(share, bool) or not isinstance(share, (int, float, Fraction)) or not 0 <= share <= 1:
        raise RulesError(f"{name}={share!r} is not a share; give a number from 0 to 1, such as 0.01")
    return share if isinstance(share, Fraction) else Fraction(repr(float(share)))


def threshold(share: float, total: int, *, name: str = "min_support") -> int:
    r"""The smallest count that is at least a share of a total: $\lceil s\,n \rceil$, computed exactly.

    Floating point gives 8 for 7 % of 100, because 0.07 · 100 = 7.000000000000001.

    >>> threshold(0.07, 100), math.ceil(0.07 * 100)
    (7, 8)
    """
    return math.ceil(exact(share, name=name) * total)


def encode(
    baskets: pd.DataFrame,
    *,
    min_support: float = 0.0,
    min_count: int = 1,
    items: Collection[str] | None = None,
) -> Encoded:
    """Baskets as a sparse matrix of the items that can still be frequent.

    Parameters
    ----------
    baskets : DataFrame
        One row a (basket, item): `basket_id`, `item`. Doubled rows count once. A row without an item keeps an
        otherwise empty basket in the count.
    min_support : float
        Share of baskets, 0…1: rarer items get no column.
    min_count : int
        The same as a number of baskets; the stricter of the two holds.
    items : collection of str, optional
        Keep only these items.

    Returns
    -------
    Encoded
        Columns by falling frequency, then by name: independent of the order of the rows and of the hash seed.

    Raises
    ------
    RulesError
        A basket without an id; or two items with one text, such as 1 and '1'.

    Examples
    --------
    >>> encode(pd.DataFrame({"basket_id": [1, 1, 2], "item": ["tea", "milk", "tea"]})).items
    ('tea', 'milk')
    """
    row, ids = pd.factorize(baskets["basket_id"])
    if len(row) and row.min() < 0:
        raise RulesError("baskets: a row has no basket_id; drop such rows or give them an id")
    code, names = _texts(baskets["item"])
    if items is not None:
        wanted = set(map(str, items))  # an array of texts would be as wide as the longest of them
        code = np.where(np.array([n in wanted for n in names])[code], code, -1) if len(names) else code
    pair = np.sort(row[code >= 0] * max(len(names), 1) + code[code >= 0])
    pair = pair[np.diff(pair, prepend=-1) > 0]  # doubled rows once; np.unique takes ten times as long
    row, code = np.divmod(pair, max(len(names), 1))
    counts = np.bincount(code, minlength=len(names))
    least = max(threshold(min_support, len(ids)), min_count, 1)
    by_name = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    order = np.array([k for k in by_name if counts[k] >= least], int)
    place = np.full(len(names), -1)
    place[order] = np.arange(len(order))
    kept = place[code] >= 0
    ones = np.ones(int(kept.sum()), np.int8)
    matrix = csr_matrix((ones, (row[kept], place[code[kept]])), shape=(len(ids), len(order)))
    matrix.sort_indices()
    return Encoded(matrix, tuple(names[k] for k in order), np.asarray(ids))


def _texts(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes (−1: no item) and plain Python texts of the items."""
    code, values = pd.factorize(column)
    names = [str(v) for v in values]  # mlxtend's own rules fail on numpy strings and on numbers
    if len(set(names)) < len(names):
        twice = next(n for n, k in Counter(names).items() if k > 1)
        raise RulesError(f"baskets: two different items read {twice[:60]!r}; rename one of them")
    return code, names


def itemsets(
    baskets: pd.DataFrame | Encoded,
    *,
    min_support: float,
    min_count: int = 1,
    min_length: int = 1,
    max_length: int = 10,
    apart: Collection[tuple[str, str]] = (),
    limit: int = 1_000_000,
    miner: str = "fpgrowth",
) -> pd.DataFrame:
    r"""All sets of items that enough baskets hold, found by FP-growth.

    $\mathrm{support}(X) = n_X / n$, from 0 (no basket holds all of X) to 1 (every basket does).

    Parameters
    ----------
    baskets : DataFrame or Encoded
        One row a (basket, item), see `encode`.
    min_support : float
        Share of baskets, 0…1. The count must reach ⌈min_support · n⌉, computed exactly.
    min_count : int
        The same as a number of baskets; the stricter of the two holds.
    min_length, max_length : int
        Items in a set. A short `max_length` is the first cure for a search that grows too large.
    apart : pairs of items
        Sets that hold both items of a pair are left out (an item and its own category say nothing).
    limit : int
        More itemsets than that are refused before memory runs out.
    miner : str
        fpgrowth (mlxtend's tree), bitmaps (the same sets, several times faster) or spark (the same sets, by a
        cluster).

    Returns
    -------
    DataFrame
        itemset (sorted tuple of texts), length, count (baskets that hold it), baskets (n), support; by length,
        falling count, itemset.

    Raises
    ------
    TooManyItemsets
        With advice.

    Examples
    --------
    >>> log = pd.DataFrame({"basket_id": [1, 1, 2, 2, 3], "item": ["tea", "milk", "tea", "milk", "tea"]})
    >>> itemsets(log, min_support=0.5)[["itemset", "count"]]
           itemset  count
    0       (tea,)      3
    1      (milk,)      2
    2  (milk, tea)      2
    """
    if not 1 <= min_length <= max_length:
        raise RulesError(f"min_length={min_length}, max_length={max_length}: give 1 ≤ min_length ≤ max_length")
    if miner not in _ALL_MINERS:
        raise RulesError(f"miner={miner!r} is not known; take one of {', '.join(_ALL_MINERS)}")
    if not isinstance(baskets, Encoded):
        baskets = encode(baskets, min_support=min_support, min_count=min_count)
    least = max(threshold(min_support, baskets.total), min_count, 1)
    barred = {frozenset(pair) for pair in apart}
    found: list[tuple[tuple[str, ...], int]] = []
    for count, members in _ALL_MINERS[miner](baskets, least, max_length):
        names = tuple(sorted(baskets.items[k] for k in members))
        if barred and any(frozenset(pair) in barred for pair in combinations(names, 2)):
            continue
        found.append((names, count))
        if len(found) > limit:
            raise TooManyItemsets(
                f"min_support={min_support} (a count of {least}) with max_length={max_length} gives more than "
                f"{limit:,} itemsets; raise min_support, or lower max_length to {max(2, min(max_length - 1, 3))}"
            )
    found = sorted((f for f in found if len(f[0]) >= min_length), key=lambda f: (len(f[0]), -f[1], f[0]))
    return _itemset_table(found, baskets.total)


def _by_fpgrowth(baskets: Encoded, least: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    """FP-growth on mlxtend's tree, filled from the sparse rows: equal baskets are put in once, with their number.

    mlxtend's own `fpgrowth` needs the dense table, compares shares in floating point, and grows trees of the depth
    `max_length` only to throw them away. Items of no frequent pair need no place in the tree.
    """
    counts = baskets.matrix.getnnz(axis=0)
    yield from ((int(counts[k]), [int(k)]) for k in np.flatnonzero(counts >= least))
    if longest == 1:
        return
    meets = np.zeros(len(counts), bool)
    meets[np.concatenate(_pairs(baskets.matrix, least).nonzero())] = True
    kept, tree = baskets.matrix[:, meets], FPTree({})
    back, bounds, columns = np.flatnonzero(meets).tolist(), kept.indptr.tolist(), kept.indices.tolist()
    for row, times in Counter(tuple(columns[a:b]) for a, b in pairwise(bounds) if b - a > 1).items():
        tree.insert_itemset([back[k] for k in row], times)
    yield from (found for found in _grow(tree, least, longest) if len(found[1]) > 1)


def _grow(tree: FPTree, least: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    depth = len(tree.cond_items)
    if tree.is_path():
        for k in range(1, longest - depth + 1):
            for some in combinations(tree.nodes, k):
                yield min(tree.nodes[i][0].count for i in some), tree.cond_items + list(some)
        return
    for item in tree.nodes:
        yield sum(node.count for node in tree.nodes[item]), [*tree.cond_items, item]
        if depth + 1 < longest:
            yield from _grow(tree.conditional_tree(item, least), least, longest)


def _pairs(matrix: csr_matrix, least: int) -> csr_matrix:
    """In how many baskets each pair of columns meets, where that is often enough; above the diagonal."""
    wide = matrix.astype(np.int32)
    pairs = triu(wide.T @ wide, k=1).tocsr()
    pairs.data[pairs.data < least] = 0
    pairs.eliminate_zeros()
    return pairs


def _by_bitmaps(baskets: Encoded, least: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    """Eclat (Zaki 2000): pairs from one sparse matrix product, longer sets by joining bit maps, one bit a basket.

    All counting is done by compiled code of SciPy and NumPy.
    """
    counts = baskets.matrix.getnnz(axis=0)
    keep = np.flatnonzero(counts >= least)[::-1]  # rare items first: fewer, smaller joins
    yield from ((int(counts[k]), [int(k)]) for k in keep)
    if longest == 1 or len(keep) < 2:
        return
    columns = baskets.matrix[:, keep]
    pairs = _pairs(columns, least)
    maps = _packed(columns.tocsc(), np.unique(np.concatenate(pairs.nonzero()))) if longest > 2 else {}
    for a in range(len(keep)):
        row = slice(pairs.indptr[a], pairs.indptr[a + 1])
        tails, both = pairs.indices[row], pairs.data[row]
        yield from ((int(n), [int(keep[a]), int(keep[b])]) for b, n in zip(tails, both, strict=True))
        if longest > 2 and len(tails) > 1:
            joined = np.stack([maps[b] for b in tails]) & maps[a]
            yield from _join([int(keep[a])], keep[tails], joined, least, longest)


def _join(
    prefix: list[int], members: np.ndarray, maps: np.ndarray, least: int, longest: int
) -> Iterator[tuple[int, list[int]]]:
    """All frequent sets made of the prefix and two or more members; `maps` holds prefix and member."""
    for k in range(len(members) - 1):
        both = maps[k + 1 :] & maps[k]
        counts = np.bitwise_count(both).sum(axis=1, dtype=np.int64)
        good = counts >= least
        whole, rest = [*prefix, int(members[k])], members[k + 1 :][good]
        yield from ((int(n), [*whole, int(b)]) for b, n in zip(rest, counts[good], strict=True))
        if len(whole) + 1 < longest and len(rest) > 1:
            yield from _join(whole, rest, both[good], least, longest)


def _packed(columns: csc_matrix, wanted: Iterable[int]) -> dict[int, np.ndarray]:
    """Column → its bits, one a row, in words of 64."""
    maps = {}
    for k in wanted:
        bits = np.zeros(-(-columns.shape[0] // 64) * 64, bool)
        bits[columns.indices[columns.indptr[k] : columns.indptr[k + 1]]] = True
        maps[int(k)] = np.packbits(bits).view(np.uint64)
    return maps


def _by_spark(baskets: Encoded, least: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    """MLlib's FP-growth, on a cluster or on this machine."""
    from helpers import spark_ml

    return spark_ml.itemsets(baskets.matrix, least=least, longest=longest)


MINERS = {"fpgrowth": _by_fpgrowth, "bitmaps": _by_bitmaps}
"""Those that need nothing but this process; `spark` is known beside them."""
_ALL_MINERS = {**MINERS, "spark": _by_spark}


def _itemset_table(found: list[tuple[tuple[str, ...], int]], total: int) -> pd.DataFrame:
    table = pd.DataFrame({"itemset": pd.Series([f[0] for f in found], dtype=object)})
    table["length"] = np.array([len(f[0]) for f in found], np.int64)
    table["count"] = np.array([f[1] for f in found], np.int64)
    table["baskets"] = np.int64(total)
    table["support"] = table["count"] / total
    return table[ITEMSET_COLUMNS]


def counts_in(baskets: Encoded, sets: Collection[tuple[str, ...]]) -> np.ndarray:
    """In how many baskets each set of items lies whole, by bit maps.

    >>> log = pd.DataFrame({"basket_id": [1, 1, 2], "item": ["tea", "milk", "tea"]})
    >>> counts_in(encode(log), [("tea",), ("milk", "tea"), ("rice",)]).tolist()
    [2, 1, 0]
    """
    maps = _bit_maps(baskets, {i for s in sets for i in s})
    return np.array([int(np.bitwise_count(_holding(maps, s)).sum()) for s in sets], np.int64)


def _bit_maps(baskets: Encoded, items: Collection[str]) -> dict[str, np.ndarray]:
    """Item → one bit a basket; no bit is set for an item that no basket holds."""
    place = {name: k for k, name in enumerate(baskets.items)}
    packed = _packed(baskets.matrix.tocsc(), [place[i] for i in items if i in place])
    nothing = np.zeros(-(-baskets.total // 64), np.uint64)
    return {i: packed[place[i]] if i in place else nothing for i in items}


def _holding(maps: dict[str, np.ndarray], items: tuple[str, ...]) -> np.ndarray:
    whole = maps[items[0]]
    for item in items[1:]:
        whole = whole & maps[item]
    return whole


def enough_users(itemsets: pd.DataFrame, baskets: Encoded, users: pd.Series, *, min_users: int) -> pd.DataFrame:
    """The itemsets that stand on at least `min_users` different people; rarer ones are not shown (privacy).

    Parameters
    ----------
    itemsets : DataFrame
        The result of `itemsets`.
    baskets : Encoded
        The baskets they come from.
    users : Series
        Index basket_id, value the user's number: whose basket it is.
    min_users : int
        Least number of people.

    Returns
    -------
    DataFrame
        The same columns and order. Every part of a kept itemset is kept, too.
    """
    most = users.value_counts().max() if len(users) else 1
    sure = itemsets["count"].to_numpy() >= min_users * most  # so many baskets cannot be of fewer people
    kept = sure.copy()
    kept[~sure] = people(baskets, itemsets["itemset"][~sure], users) >= min_users
    return itemsets[kept].reset_index(drop=True)


def people(baskets: Encoded, sets: Collection[tuple[str, ...]], users: pd.Series) -> np.ndarray:
    """How many different people hold each set of items in one of their baskets.

    Parameters
    ----------
    baskets : Encoded
        One row a basket.
    sets : collection of tuples of items
        The sets, in the order of the result.
    users : Series
        Index basket_id, value the user's number.

    Examples
    --------
    >>> log = pd.DataFrame({"basket_id": [1, 2, 3], "item": ["tea", "tea", "tea"]})
    >>> people(encode(log), [("tea",)], pd.Series({1: 7, 2: 7, 3: 8})).tolist()
    [2]
    """
    owner, maps = users.reindex(baskets.ids).to_numpy(), _bit_maps(baskets, {i for s in sets for i in s})
    return np.array([len(np.unique(owner[_rows(maps, s, baskets.total)])) for s in sets], np.int64)


def _rows(maps: dict[str, np.ndarray], items: tuple[str, ...], total: int) -> np.ndarray:
    return np.flatnonzero(np.unpackbits(_holding(maps, items).view(np.uint8), count=total))
