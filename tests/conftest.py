"""What all tests share: the folder of private real data, and a small study on the fly."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """`shared_data(name)`: a private real data file, or a skip that says how to get it."""
    folder = Path(os.environ.get("SHARED_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        path = folder / name
        if not path.is_file():
            pytest.skip(f"{name} is not here: put it into the folder that SHARED_DATA names (see data/README.md)")
        return path

    return find
