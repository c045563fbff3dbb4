"""The tools of the fault proofs: what they look at, what they plant."""

from __future__ import annotations

import ast
import random
from pathlib import Path

import pytest

from tests.torture import damage
from tests.torture.corner import TIMES, Corner
from tests.torture.faults import PHASES, lasts
from tests.torture.planted import mutated, sites

SOURCE = '''\
def share(n: int, of: int = 3) -> float:
    """n of 3."""
    if n > of and not of == 0:
        raise ValueError(f"{n + 1}")
    found = []
    found.append(n / of)
    return found[0]
'''


def corner(folder: Path) -> Corner:
    """Its cache and report only; no project is copied."""
    made = Corner.__new__(Corner)
    made.cache, made.reports = folder / "cache", folder / "reports"
    for place in (made.cache, made.reports / "corner"):
        place.mkdir(parents=True)
    return made


def test_half_files_are_seen_and_those_on_their_way_are_not(tmp_path: Path) -> None:
    made = corner(tmp_path)
    contents = {
        "a.json": "{",
        "b.json": "{}",
        "c.parquet": "PAR1",
        "d.parquet": "PAR",
        ".work/e.json": "{",
        "f.csv": "1",
    }
    for name, text in contents.items():
        (made.cache / name).parent.mkdir(exist_ok=True)
        (made.cache / name).write_text(text)
    assert sorted(made.half_files()) == ["a.json", "d.parquet", "f.csv"]


def test_reports_are_compared_but_for_moments_and_durations(tmp_path: Path) -> None:
    made, file = corner(tmp_path), tmp_path / "reports" / "corner" / "run.json"
    file.write_text('"seconds": 3.1, "at": "2026-01-31T12:00:00Z"')
    before = made.published()
    file.write_text('"seconds": 12, "at": "2027-12-31T23:59:59Z"')
    assert made.published() == before
    file.write_text('"rows": 3, "at": "2027-12-31"')
    assert made.published() != before and TIMES.sub(b"", b"2026-01-31 12:00 UTC x") == b" x"


def test_the_phases_follow_each_other() -> None:
    assert PHASES == ("intake", "kernels", "export", "index", "publish")
    assert lasts({"start": 0.0, "intake": 0.5, "kernels": 2.0}, 5.0) == {"intake": 1.5, "kernels": 3.0}


@pytest.mark.parametrize("way", ["flipped bit", "cut short", "edited"])
def test_damage_changes_what_it_says(way: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text('{"users": 50, "days": 9}')
    whole, harmed = file.read_bytes(), damage.HARM[way](file, random.Random(1))
    different = sum(bin(a ^ b).count("1") for a, b in zip(whole, harmed, strict=False))
    assert harmed != whole and (way != "flipped bit" or (different == 1 and len(harmed) == len(whole)))
    assert way != "cut short" or whole.startswith(harmed)


def test_faults_are_planted_where_code_runs_only() -> None:
    found = {(s.change.split(":")[0], s.line) for s in sites(SOURCE)}
    assert found == {
        ("condition turned", 3), ("and / or", 3), ("comparison", 3), ("drop not or minus", 3), ("constant + 1", 3),
        ("statement dropped", 6), ("arithmetic", 6), ("return nothing", 7), ("constant + 1", 7),
    }  # fmt: skip


def test_every_fault_is_another_program() -> None:
    whole = ast.unparse(ast.parse(SOURCE))
    made = [mutated(SOURCE, s.number) for s in sites(SOURCE)]
    assert whole not in made and len(set(made)) == len(made) == 10
    compile("\n".join(made), "made", "exec")


def test_a_dropped_statement_and_a_turned_condition() -> None:
    by_name = {s.change.split(":")[0]: mutated(SOURCE, s.number) for s in sites(SOURCE)}
    assert "append" not in by_name["statement dropped"] and "found * of" not in by_name["arithmetic"]
    assert "n * of" in by_name["arithmetic"] and "if not (n > of and" in by_name["condition turned"]
