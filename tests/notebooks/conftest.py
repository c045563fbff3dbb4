"""What the tests share that run whole notebooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from helpers.report.warm import warm_kernels


@pytest.fixture(scope="session")
def kernels() -> Iterator[None]:
    """Kernels start as forks of one process, as those of a report do."""
    with warm_kernels():
        yield
