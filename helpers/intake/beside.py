"""One piece of work at a time beside the caller: hashing while a file is looked at, writing while rows are sorted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Beside:
    """Calls functions one after the other in a thread of its own, while the caller goes on.

    What a call raises, the next `start` or `wait` raises.

    >>> seen = []
    >>> with Beside() as beside:
    ...     for n in range(3):
    ...         beside.start(seen.append, n)
    ...     beside.wait()
    >>> seen
    [0, 1, 2]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._running: Future | None = None

    def start(self, call: Callable, *values: Any) -> None:
        """Call when the call before has ended; so at most one waits for nobody."""
        self.wait()
        self._running = self._pool.submit(call, *values)

    def wait(self) -> None:
        """Until the last call has ended."""
        if self._running is not None:
            self._running.result()

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
