"""Pauses and visits: stored once, beside the rows, since nearly every notebook on behaviour needs them.

Rows come in the order of the contract, table after table; what the next table needs of the last row is carried on.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from helpers.intake.sorting import same_as_before
from helpers.tables import VISIT_PAUSE


class Visits:
    """Counts the visits of each user through tables of sorted rows.

    Examples
    --------
    >>> log = pa.table({"user_id": [1, 1, 1, 2], "timestamp": [0, 1800, 3601, 3602]})
    >>> found = Visits("timestamp").columns(log)
    >>> found["pause"].to_pylist(), found["visit"].to_pylist()
    ([None, 1800, 1801, None], [1, 1, 2, 1])
    """

    def __init__(self, clock: str) -> None:
        self.clock = clock
        self._last: pa.Table | None = None
        self._visit = 0

    def columns(self, table: pa.Table) -> dict[str, pa.Array]:
        """`pause` and `visit` of the next rows: see `tables.Table.visits`."""
        rows = table.select(["user_id", self.clock])
        carried = 0 if self._last is None else 1
        whole = pa.concat_tables([self._last, rows]) if self._last is not None else rows
        same = same_as_before(whole, ["user_id"])
        pause = np.diff(whole[self.clock].to_numpy(), prepend=0)
        begun = np.cumsum(~same | (pause > VISIT_PAUSE))
        # the number before each user's first visit; the carried row stands in its own visit already
        before = np.maximum.accumulate(np.where(same, 0, begun - 1)) if len(begun) else begun
        visit = begun - before
        if carried:
            visit = np.where(before == 0, visit + self._visit - 1, visit)
        if len(visit):
            self._last, self._visit = whole.slice(whole.num_rows - 1).combine_chunks(), int(visit[-1])
        return {
            "pause": pa.array(pause[carried:].astype(np.int32), mask=~same[carried:]),
            "visit": pa.array(visit[carried:].astype(np.int32)),
        }
