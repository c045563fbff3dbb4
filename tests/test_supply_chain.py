"""The supply chain: what is locked is hashed, licensed for every use, and told completely."""

from __future__ import annotations

import json
import re

import pytest

from helpers.study import ROOT
from tests import supply_chain as supply

TEXT = supply.LOCK.read_text(encoding="utf-8")
PACKAGES = supply.locked(TEXT)
FOUND = supply.licences(PACKAGES)
TESTS = supply.only_for_tests(PACKAGES, supply.WANTED.read_text(encoding="utf-8"))
SMALL = [
    supply.Package("report", "1", "", ("a" * 64,), ("-r requirements.in",)),
    supply.Package("pytest", "2", "", ("b" * 64,), ("-r requirements.in",)),
    supply.Package("both", "3", "", ("c" * 64,), ("report", "pytest")),
    supply.Package("plug", "4", "", ("d" * 64,), ("pytest",)),
]


def test_every_line_and_every_hash_of_the_lock_is_read() -> None:
    assert len(PACKAGES) == len(re.findall(r"^\S+==", TEXT, flags=re.M)) > 100
    assert sum(len(p.hashes) for p in PACKAGES) == TEXT.count("--hash=")
    wanted = re.findall(r"^([\w-]+)", supply.WANTED.read_text(encoding="utf-8"), flags=re.M)
    assert set(wanted) == {p.name for p in PACKAGES if "-r requirements.in" in p.via}


def test_a_line_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="not pinned"):
        supply.locked("six>=1 \\\n    --hash=sha256:" + "a" * 64)


def test_every_locked_package_has_a_licence_that_goes_with_every_use() -> None:
    assert supply.faults(PACKAGES, FOUND) == []
    assert set(FOUND) == {(p.name, p.version) for p in PACKAGES} and all(FOUND.values())


@pytest.mark.parametrize("licence", ["AGPL-3.0-only", "GPL-2.0", "CC-BY-NC-4.0", "", "MIT AND Proprietary", "(MIT)"])
def test_another_licence_is_told(licence: str) -> None:
    found = {(p.name, p.version): "MIT" for p in SMALL} | {("both", "3"): licence}
    assert supply.faults(SMALL, found) == [f"both 3: licence {licence or 'not stated'}"]


def test_the_table_at_the_top_is_that_of_the_lock() -> None:
    # else: python -m tests.supply_chain
    assert supply.TABLE.read_text(encoding="utf-8") == supply.table(PACKAGES, FOUND, TESTS)


def test_only_what_no_report_needs_is_for_tests() -> None:
    assert supply.only_for_tests(SMALL, "report\n\n# checks\npytest\n") == {"pytest", "plug"}
    assert {"pytest", "ruff", "hypothesis"} <= TESTS and not {"pandas", "duckdb", "jinja2", "uv"} & TESTS


def test_the_bill_of_materials_is_exactly_the_lock() -> None:
    made = json.loads(json.dumps(supply.bill(PACKAGES, FOUND, TESTS)))
    assert (made["bomFormat"], made["specVersion"], made["version"]) == ("CycloneDX", "1.5", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["serialNumber"])
    parts = [(c["name"], c["version"], tuple(h["content"] for h in c["hashes"])) for c in made["components"]]
    assert parts == [(p.name, p.version, p.hashes) for p in PACKAGES]
    assert made == supply.bill(PACKAGES, FOUND, TESTS)


def test_every_part_of_the_bill_has_the_fields_that_the_format_asks_for() -> None:
    for part in supply.bill(PACKAGES, FOUND, TESTS)["components"]:
        assert (part["type"], part["bom-ref"]) == ("library", f"pkg:pypi/{part['name']}@{part['version']}")
        assert part["purl"] == part["bom-ref"] and part["scope"] in ("required", "optional")
        assert all(h["alg"] == "SHA-256" and re.fullmatch("[0-9a-f]{64}", h["content"]) for h in part["hashes"])
        (licence,) = part["licenses"]
        assert set(licence) == {"expression"} or set(licence["license"]) in ({"id"}, {"name"})


def test_the_bill_says_who_needs_whom() -> None:
    made = supply.bill(SMALL, {(p.name, p.version): "MIT" for p in SMALL}, set())
    needs = {d["ref"]: d["dependsOn"] for d in made["dependencies"]}
    assert needs["this"] == ["pkg:pypi/pytest@2", "pkg:pypi/report@1"]
    assert needs["pkg:pypi/pytest@2"] == ["pkg:pypi/both@3", "pkg:pypi/plug@4"]
    assert set(needs) - {"this"} == {p.purl for p in SMALL}


def test_what_is_copied_has_the_text_of_its_licence_beside_it() -> None:
    copied = {p.relative_to(ROOT).as_posix() for part in ("helpers", "tests") for p in (ROOT / part).rglob("vendor")}
    assert copied | {"helpers/fonts"} == {folder for folder, *_ in supply.VENDORED}
    words = {"MIT": "Permission is hereby granted", "OFL-1.1": "SIL OPEN FONT LICENSE", "MPL-2.0": "Mozilla Public"}
    for folder, _, licence, text in supply.VENDORED:
        assert words[licence] in (ROOT / folder / text).read_text(encoding="utf-8")


def test_an_audit_counts_only_with_a_whole_answer(tmp_path) -> None:
    said, weak = supply.read_audit("", "WARNING: x\nERROR: the service cannot be reached\n", folder=tmp_path)
    assert "nothing is known: ERROR: the service cannot be reached" in said and not weak
    assert not list(tmp_path.iterdir())


def test_a_weakness_is_told_by_its_name(tmp_path) -> None:
    asked = [{"name": "six", "version": "1", "vulns": [{"id": "PYSEC-1"}]}, {"name": "x", "skip_reason": "not there"}]
    said, weak = supply.read_audit(json.dumps({"dependencies": asked}), "", folder=tmp_path)
    assert said == "pip-audit: 1 packages asked, 1 known weaknesses; six 1: PYSEC-1; x: not asked" and weak
    assert (tmp_path / "audit.json").is_file()
