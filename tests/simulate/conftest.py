"""The shops that the tests look at: the default one, one of another seed, and tiny ones on request."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from helpers.simulate import ShopSettings, make_shop

WORDS = {"keep_default_na": False, "na_values": [""]}


class Shop:
    """A shop on disk, its tables as DataFrames."""

    def __init__(self, folder: Path, manifest: dict) -> None:
        self.folder, self.manifest, self._read = folder, manifest, {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        if name not in self._read:
            self._read[name] = pd.read_csv(self.folder / f"{name}.csv", **WORDS)
        return self._read[name].copy()

    def json(self, name: str) -> dict:
        return json.loads((self.folder / "truth" / f"{name}.json").read_text(encoding="utf-8"))

    def sha(self, name: str) -> str:
        return self.manifest["files"][name]["sha256"]


@pytest.fixture(scope="session")
def make(tmp_path_factory) -> Callable[..., Shop]:
    """`make(users=…, …)`: a shop with these settings, made once; 400 users without dirt unless said otherwise."""
    made: dict[str, Shop] = {}

    def shop(**given) -> Shop:
        settings = {"users": 400, "dirt": False, **given}
        key = repr(sorted(settings.items()))
        if key not in made:
            folder = tmp_path_factory.mktemp("shop") / "demo"
            made[key] = Shop(folder, make_shop(folder, ShopSettings(**settings)))
        return made[key]

    return shop


@pytest.fixture(scope="session", params=[20_171_111, 5], ids=["default", "another seed"])
def shop(request, make) -> Shop:
    """The default shop and one of another seed, 3,000 users each."""
    return make(users=3_000, seed=request.param)
