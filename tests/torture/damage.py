"""Damage to the cache, one file and one change at a time; runs inside the copied project (see forks.py).

After each change the report is made again from the cache. The notebooks' own runs are played back, so that a trial
takes half a second; whether a run is used, made anew or refused is decided by the same code as always.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from contextlib import nullcontext
from pathlib import Path

CACHE, REPORT, KEPT = Path("data/cache/corner"), Path("reports/corner"), Path("../kept/B/cache/corner")
TIMES = re.compile(rb'\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\dZ| UTC)|"seconds": [\d.]+')
WAYS = ("flipped bit", "cut short", "of another study", "edited")


def main(seed: int, trials: int) -> None:
    """Print one line of JSON a trial: way, file, outcome."""
    play_back()
    draw, good = random.Random(seed), published()
    others = max(3, trials // 10)
    for number in range(trials + 3 * others):
        way = WAYS[0] if number < trials else WAYS[1 + (number - trials) // others]
        restore()
        file = draw.choice(choices(way))
        harmed = HARM[way](file, draw)
        outcome = judge(file, harmed, good)
        print(json.dumps({"way": way, "file": shown(file), "outcome": outcome, "trial": number}), flush=True)


def keys() -> dict[str, str]:
    """Notebook → the key of the run that the report is made of."""
    (file,) = KEPT.glob("published-*.json")
    return json.loads(file.read_text(encoding="utf-8"))["state"]["runs"]


def used() -> list[Path]:
    """Every file of the cache that the report of B is made with, but for the locks."""
    events = hashlib.sha256(Path("data/corner/events.csv").read_bytes()).hexdigest()
    (table,) = (m.parent for m in KEPT.glob("events-*/manifest.json") if events in m.read_text(encoding="utf-8"))
    folders = [table, *(KEPT / "runs" / f"{name}-{key[:20]}" for name, key in keys().items())]
    files = [f for folder in folders for f in sorted(folder.rglob("*")) if f.is_file()]
    files += [f for f in sorted(KEPT.iterdir()) if f.is_file() and f.suffix != ".lock"]
    return [CACHE / f.relative_to(KEPT) for f in files]


def choices(way: str) -> list[Path]:
    """The files that can be harmed in this way; half of the flipped bits fall on the tables."""
    files = used()
    tables = [f for f in files if f.parent.name.startswith("events-")]
    if way == WAYS[0]:
        rest = [f for f in files if f not in tables]
        return tables * len(rest) + rest * len(tables)
    if way == WAYS[2]:
        return [f for f in files if f.suffix in (".parquet", ".ipynb") or f.name in ("manifest.json", "facts.json")]
    return [f for f in files if way == WAYS[1] or f.suffix == ".json"]


def flip(file: Path, draw: random.Random) -> bytes:
    """Change one bit."""
    content = bytearray(file.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


def cut(file: Path, draw: random.Random) -> bytes:
    """Leave the first part."""
    content = file.read_bytes()
    return content[: draw.randrange(len(content))]


def swap(file: Path, draw: random.Random) -> bytes:
    """The file of the same name of other data or of another notebook."""
    found = [f for f in CACHE.rglob(file.name) if f != file and f.read_bytes() != file.read_bytes()]
    kept = Path("../kept/A/cache/corner") / file.name
    found += [kept] if kept.is_file() else []
    return (draw.choice(found) if found else Path("data/corner/events.csv")).read_bytes()


def edit(file: Path, draw: random.Random) -> bytes:
    """One number in a record is another one, and all else is well formed."""
    text = file.read_text(encoding="utf-8")
    numbers = list(re.finditer(r"\d+", text))
    place = draw.choice(numbers)
    return (text[: place.start()] + str(int(place[0]) + 1) + text[place.end() :]).encode()


HARM = {"flipped bit": flip, "cut short": cut, "of another study": swap, "edited": edit}


def restore() -> None:
    """The cache as it was kept."""
    shutil.rmtree(CACHE)
    shutil.copytree(KEPT, CACHE)


def judge(file: Path, harmed: bytes, good: dict[str, bytes]) -> str:
    """Make the report again with the harmed file: 'made anew', 'refused' or what went wrong."""
    from helpers.notebook import KeyDamaged, _read_key
    from helpers.report.build import make_reports

    if harmed == file.read_bytes():
        return "made anew"
    file.write_bytes(harmed)
    if file.suffix == ".key":
        try:
            return "made anew" if _read_key(file) == _read_key(KEPT / file.name) else "used in silence: other labels"
        except KeyDamaged:
            return "refused"
    if not file.name.startswith("published-"):
        for state in CACHE.glob("published-*.json"):
            state.unlink()
    try:
        made = make_reports("corner", say=lambda _: None)
    except (ValueError, RuntimeError, OSError) as error:
        own = type(error).__module__.startswith("helpers.")
        return "refused" if own else f"crash: {type(error).__name__}: {error}"
    now = published()
    if b"was damaged and has been made again" in now["index.html"]:  # the front page says so, and nothing else changed
        now["index.html"] = good["index.html"]
    if made.failed or now != good:
        return f"used in silence: {sorted(n for n in now.keys() | good.keys() if now.get(n) != good.get(n))}"
    return "used in silence" if file.is_file() and file.read_bytes() == harmed else "made anew"


def published() -> dict[str, bytes]:
    """The report, with every moment and duration made equal."""
    return {str(f.relative_to(REPORT)): TIMES.sub(b"", f.read_bytes()) for f in REPORT.rglob("*") if f.is_file()}


def shown(file: Path) -> str:
    """A file's kind, such as 'runs/executed.ipynb'."""
    return re.sub(r"[-/].*/", "/", re.sub(r"-[0-9a-f]{16}", "", str(file.relative_to(CACHE))))


def play_back() -> None:
    """Let a notebook's run be the one that was kept."""
    from helpers.report import build, kernels
    from helpers.whole_files import unseal

    def run(notebook: object, folder: Path, **_: object) -> object:
        kept = KEPT / "runs" / f"{notebook.name}-{keys()[notebook.name][:20]}"
        shutil.copytree(kept, folder)
        (folder / "outcome.json").unlink()
        entry = unseal((kept / "outcome.json").read_text(encoding="utf-8"))["entry"]
        return kernels.Outcome(**entry)

    kernels.run_notebook = run
    build.warm_kernels = nullcontext
