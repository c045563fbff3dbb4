"""Columns of Arrow as arrays of NumPy: what checking and sorting share. A column without gaps is not copied."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def nulls(values: pa.Array) -> np.ndarray:
    """Which values are missing.

    >>> nulls(pa.array([1, None])).tolist()
    [False, True]
    """
    return pc.is_null(values).to_numpy(zero_copy_only=False) if values.null_count else np.zeros(len(values), bool)


def filled(values: pa.Array, value: object) -> np.ndarray:
    """The values, and `value` where one is missing.

    >>> filled(pa.array([1, None]), 7).tolist()
    [1, 7]
    """
    whole = pc.fill_null(values, value) if values.null_count else values
    return whole.to_numpy(zero_copy_only=False)
