"""The demo shop, made when it is asked for and not there, or made by other code."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.report import publish
from helpers.study import CACHE, DATA, ROOT, Study
from helpers.whole_files import put

if TYPE_CHECKING:
    from helpers.simulate.settings import ShopSettings

FOLDER = DATA / "demo"
CHOSEN = DATA / "demo.settings.json"
"""The settings of a demo shop that somebody made on purpose with `simulate`; without the file, the defaults."""
STAMP = CACHE / "demo-shop.stamp"


def is_demo(study: Study) -> bool:
    """Does the study read the demo shop's folder?"""
    return any(path.parent == FOLDER for table in study.tables.values() for path in table.paths)


def chosen_settings() -> dict:
    """What `simulate` was last asked for; empty for the defaults."""
    return json.loads(CHOSEN.read_text(encoding="utf-8")) if CHOSEN.is_file() else {}


def ensure_demo(say: Callable[[str], None]) -> None:
    """Make the demo shop unless it stands there as this code would make it."""
    if _manifest(FOLDER) and STAMP.is_file() and STAMP.read_text(encoding="utf-8") == _stamp():
        return
    from helpers.simulate.settings import ShopSettings
    from helpers.simulate.shop import code_version

    settings = ShopSettings(**_tuples(chosen_settings()))
    if _manifest(FOLDER) != {"settings": settings.as_dict(), "code": code_version()}:
        say(f"making the demo shop ({settings.users:,} users, {settings.weeks} weeks) …")
        _make(FOLDER, settings)
    put(STAMP, _stamp())


def _make(folder: Path, settings: ShopSettings, progress: Callable[[float], None] | None = None) -> dict:
    """Make a shop, one run at a time. What killed runs left beside it goes; the shop that one had moved comes back."""
    from helpers.simulate.shop import make_shop

    lock = CACHE / f"shop-{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.lock"
    with publish.one_at_a_time(lock, folder.name):
        name = f".{glob.escape(folder.name)}"
        for moved in folder.parent.glob(f"{name}.*.old"):
            if not folder.exists():
                moved.rename(folder)
        for left in [*folder.parent.glob(f"{name}.*.partial"), *folder.parent.glob(f"{name}.*.old")]:
            shutil.rmtree(left, ignore_errors=True)
        return make_shop(folder, settings, progress=progress)


def _stamp() -> str:
    """A hash of what the shop depends on, found without loading the code that makes it."""
    files = [*sorted((ROOT / "helpers" / "simulate").glob("*.py")), ROOT / "helpers" / "tables.py"]
    files += [ROOT / "requirements.txt", FOLDER / "manifest.json", *([CHOSEN] if CHOSEN.is_file() else [])]
    return hashlib.sha256(b"".join(hashlib.sha256(f.read_bytes()).digest() for f in files)).hexdigest()


def _manifest(folder: Path) -> dict | None:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        whole = all((folder / n).stat().st_size == f["bytes"] for n, f in manifest["files"].items())
        return {k: manifest[k] for k in ("settings", "code")} if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tuples(settings: dict) -> dict:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


def simulate_shop(given: dict, output: Path | None, *, say: Callable[[str], None]) -> None:
    """Make a shop with the given settings; without a folder it becomes the demo shop until it is made otherwise."""
    from helpers.simulate.settings import ShopSettings

    settings = ShopSettings(**given)
    folder = FOLDER if output is None else output.absolute()
    say(f"making a shop of {settings.users:,} users and {settings.weeks} weeks in {folder.name} …")
    last = 0.0

    def progress(share: float) -> None:
        nonlocal last
        if share - last >= 0.1:
            last = share
            say(f"  {share:.0%}")

    manifest = _make(folder, settings, progress)
    if output is None:
        CHOSEN.unlink(missing_ok=True)
        if given:
            put(CHOSEN, json.dumps(given))
    for name, file in manifest["files"].items():
        if file["rows"] is not None and "/" not in name:
            say(f"  {name:<20} {file['rows']:>12,} rows")
    other = "Next: write a study file for it; see data/studies/demo.yaml"
    say("Next: python run.py reports" if output is None else other)
