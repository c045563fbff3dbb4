"""Spark MLlib behind the helpers' own calls: FP-growth, k-means and implicit ALS where a cluster does the work.

Each function takes and gives plain arrays, so that what calls it need not know Spark. The session is the study's where
one runs; else one is started on this machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_matrix

from helpers.engine_spark import spark_session, without_pandas_warning
from helpers.study import Engine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


MOST_ITEMSETS = 5_000_000
"""More would not fit into the driver's memory."""


class SparkMLError(ValueError):
    """What MLlib would give back is too large; the message names the argument and the cure."""


@contextmanager
def _session() -> Iterator[SparkSession]:
    """The study's session where one runs, else one on this machine."""
    with without_pandas_warning():
        yield spark_session(Engine(kind="spark"))


def itemsets(baskets: csr_matrix, *, least: int, longest: int) -> Iterator[tuple[int, list[int]]]:
    """All sets of columns that at least `least` rows hold, by MLlib's FP-growth.

    Parameters
    ----------
    baskets : csr_matrix
        One row a basket, one column an item.
    least : int
        Baskets that must hold a set, 1 or more.
    longest : int
        Most items of a set. MLlib has no such limit: it finds longer sets too, which are left out.

    Yields
    ------
    (int, list of int)
        Count, and the columns of the set.

    References
    ----------
    Li et al. (2008), parallel FP-growth: li2008.
    """
    if not baskets.shape[0] or not baskets.nnz:
        return
    rows = pa.ListArray.from_arrays(pa.array(baskets.indptr, pa.int32()), pa.array(baskets.indices, pa.int32()))
    with _session() as session:
        from pyspark.ml.fpm import FPGrowth

        frame = session.createDataFrame(pa.table({"items": rows}))
        # MLlib takes a share s and asks for ceil(s · n): half a basket less, so that no rounding can change the count
        share = (least - 0.5) / baskets.shape[0]
        found = FPGrowth(itemsCol="items", minSupport=share).fit(frame).freqItemsets
        table = found.where(f"size(items) <= {int(longest)}").limit(MOST_ITEMSETS + 1).toArrow()
    if table.num_rows > MOST_ITEMSETS:
        raise SparkMLError(f"min_support: more than {MOST_ITEMSETS:,} itemsets are this frequent; raise it")
    for count, members in zip(table["freq"].to_pylist(), table["items"].to_pylist(), strict=True):
        yield int(count), [int(k) for k in members]


def kmeans(values: np.ndarray, *, k: int, seed: int, starts: int) -> tuple[np.ndarray, float]:
    """Centres of k-means and the sum of squared distances to them: the best of `starts` runs of MLlib's k-means‖.

    Parameters
    ----------
    values : array
        One row a user, one column a feature in standard units.

    References
    ----------
    Bahmani et al. (2012), scalable k-means++: bahmani2012.
    """
    with _session() as session:
        from pyspark.ml.clustering import KMeans

        frame = _vectors(session, values).persist()
        fits = [KMeans(k=k, seed=seed + start, maxIter=100, tol=1e-6).fit(frame) for start in range(starts)]
        best = min(fits, key=lambda fit: fit.summary.trainingCost)
        centres, within = np.array(best.clusterCenters()), float(best.summary.trainingCost)
        frame.unpersist()
    return centres, within


def _vectors(session: SparkSession, values: np.ndarray) -> Any:
    from pyspark.ml.functions import array_to_vector

    flat = pa.array(np.ascontiguousarray(values, float).ravel())
    rows = pa.FixedSizeListArray.from_arrays(flat, values.shape[1]).cast(pa.list_(pa.float64()))
    frame = session.createDataFrame(pa.table({"values": rows}))
    return frame.select(array_to_vector("values").alias("features"))


def als(strength: csr_matrix, *, factors: int, ridge: float, alpha: float, rounds: int, seed: int) -> np.ndarray:
    r"""Factors of the things (columns) by MLlib's implicit ALS.

    MLlib weighs the penalty of each customer and thing by the number of its entries. Its parameter is set to
    $\lambda / \sqrt{\bar n_u \bar n_i}$, with the mean numbers of entries of a customer and a thing, so that the
    penalty is λ on the mean; the factors differ from those of plain λ, the rankings hardly do.

    References
    ----------
    Hu, Koren & Volinsky (2008): hu2008.
    """
    cells = strength.tocoo()
    things = np.zeros((strength.shape[1], factors))
    if not cells.nnz:
        return things
    mean = cells.nnz / np.sqrt(strength.shape[0] * strength.shape[1])
    columns = {"user": pa.array(cells.row, pa.int32()), "thing": pa.array(cells.col, pa.int32())}
    with _session() as session:
        from pyspark.ml.recommendation import ALS

        frame = session.createDataFrame(pa.table({**columns, "strength": pa.array(cells.data.astype(np.float32))}))
        how = {"rank": factors, "maxIter": rounds, "regParam": ridge / mean, "alpha": alpha, "seed": seed}
        model = ALS(implicitPrefs=True, userCol="user", itemCol="thing", ratingCol="strength", **how).fit(frame)
        table = model.itemFactors.toArrow()
    found = np.array(table["features"].to_pylist(), float)
    things[table["id"].to_numpy()] = found.reshape(-1, factors)
    return things
