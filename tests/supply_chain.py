"""What the project stands on: a bill of materials, the licences, and known weaknesses. python -m tests.supply_chain

Writes LICENCES.md, and to reports/supply the bill of materials (CycloneDX 1.5) and what pip-audit says. Everything is
read from the lock and from the installed packages; nothing but pip-audit asks a network.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import uuid
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from helpers.study import REPORTS, ROOT

LOCK, WANTED, TABLE = ROOT / "requirements.txt", ROOT / "requirements.in", ROOT / "LICENCES.md"
ONLY_TESTS = {"nbval"}
"""Wanted packages of other sections than 'checks' that no report needs."""
SPDX = {
    "MIT": ["mit license"],
    "Apache-2.0": ["apache 2.0", "apache license, version 2.0", "apache software license"],
    "BSD-3-Clause": ["bsd 3-clause", "bsd 3-clause license"],
    "BSD-2-Clause": ["2-clause bsd", "bsd 2-clause license"],
    "BSD": ["bsd license"],  # 2 or 3 clauses: the package does not say
    "ISC": ["isc license", "isc license (iscl)"],
    "MPL-2.0": ["mozilla public license 2.0 (mpl 2.0)"],
    "PSF-2.0": ["psfl", "python software foundation license"],
}
"""Short names of licences, and how packages write them, too."""
ALLOWED = {*SPDX, "MIT-0", "MIT-CMU", "0BSD", "Zlib", "CC0-1.0"}
"""Licences that go with MIT and with every use; what is not here is refused."""
VENDORED = [
    ("helpers/report/vendor", "reveal.js, the slide machine", "MIT", "LICENSE.reveal.js"),
    ("helpers/fonts", "Noto Sans CJK SC, a part of the font", "OFL-1.1", "OFL.txt"),
    ("tests/reports/vendor", "axe-core, rules for accessible pages", "MPL-2.0", "LICENSE.axe-core"),
]
"""Folder, what was copied into it, its licence, and the file with the licence's text."""


@dataclass(frozen=True)
class Package:
    """A line of the lock: what is installed, under which condition, with which hashes, and because of whom."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]
    via: tuple[str, ...]

    @property
    def purl(self) -> str:
        """The package's address in the bill of materials."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked(text: str) -> list[Package]:
    """The packages of a lock with hashes, in its order; a package may have a version for each Python.

    >>> (one,) = locked(f"six==1.17.0 ; os_name == 'nt' \\\\\\n    --hash=sha256:{'a' * 64}\\n    # via dateutil\\n")
    >>> one.name, one.version, one.marker, len(one.hashes), one.via
    ('six', '1.17.0', "os_name == 'nt'", 1, ('dateutil',))
    """
    found = []
    for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]:
        head = re.match(r"([\w.-]+)==([^\s;]+)(?: ; (.+?))? *\\?$", block.splitlines()[0])
        if head is None:
            raise ValueError(f"requirements.txt: {block.splitlines()[0]!r} is not pinned")
        said = [line.strip(" #").removeprefix("via").strip() for line in block.splitlines() if line.startswith("    #")]
        hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})\b", block))
        found.append(Package(head[1], head[2], head[3] or "", hashes, tuple(filter(None, said))))
    return found


def only_for_tests(packages: list[Package], wanted: str) -> set[str]:
    """Names of the packages that no report needs: only the checks ask for them."""
    checks = wanted.partition("# checks")[2]
    tools = set(re.findall(r"^([A-Za-z0-9-]+)", checks, flags=re.M)) | ONLY_TESTS
    needed = {p.name for p in packages if "-r requirements.in" in p.via and p.name not in tools}
    while more := {p.name for p in packages if needed & set(p.via)} - needed:
        needed |= more
    return {p.name for p in packages} - needed


def stated(package: Distribution) -> str:
    """The licence that an installed package states, by its short name where there is one; '' where it states none."""
    data = package.metadata
    if data["License-Expression"]:
        return data["License-Expression"]
    short = {words: name for name, others in SPDX.items() for words in (name.lower(), *others)}
    kinds = [c.rpartition(" :: ")[2] for c in data.get_all("Classifier", []) if c.startswith("License ::")]
    lines = (data["License"] or "").strip().splitlines()
    said = lines[:1] + kinds
    known = [short[words.lower()] for words in said if words.lower() in short]
    return next(iter(known + kinds + (lines if len(lines) == 1 and lines != ["UNKNOWN"] else [])), "")


def recorded() -> dict[tuple[str, str], str]:
    """Licence by package and version, as LICENCES.md has it."""
    text = TABLE.read_text(encoding="utf-8") if TABLE.exists() else ""
    return {(n, v): licence for n, v, licence in re.findall(r"^\| ([\w.-]+) \| ([^ |]+) \| ([^|]+?) \|", text, re.M)}


def licences(packages: list[Package]) -> dict[tuple[str, str], str]:
    """Licence of every locked package: from the installed one; for other systems and Pythons as it was recorded."""
    before, found = recorded(), {}
    for package in packages:
        key = (package.name, package.version)
        try:
            here = distribution(package.name)
        except PackageNotFoundError:
            here = None
        found[key] = stated(here) if here and here.version == package.version else before.get(key, "")
    return found


def fits(licence: str) -> bool:
    """May a package under this licence be used here? Of alternatives one must fit, of joint licences all.

    >>> [fits(x) for x in ("MIT", "MIT AND MPL-2.0", "GPL-3.0-only OR MIT", "AGPL-3.0-only", "CC-BY-NC-4.0", "")]
    [True, True, True, False, False, False]
    """
    return any(all(part in ALLOWED for part in choice.split(" AND ")) for choice in licence.split(" OR "))


def table(packages: list[Package], found: dict[tuple[str, str], str], tests: set[str]) -> str:
    """LICENCES.md."""
    rows = [
        f"| {p.name} | {p.version} | {found[p.name, p.version] or 'unknown'} | {'test' if p.name in tests else 'run'} |"
        for p in packages
    ]
    copied = [f"| {what} | {licence} | [{text}]({folder}/{text}) |" for folder, what, licence, text in VENDORED]
    return "\n".join(
        [
            "# Licences",
            "",
            "The project is under the [MIT licence](LICENSE). It installs the packages below and copies none of them.",
            "This file is written by `python -m tests.supply_chain` from the lock and from what the packages state;",
            "*BSD* is one that does not say its number of clauses. Packages of other systems and other versions of",
            "Python keep the row that was read where they are installed.",
            "",
            "| package | version | licence | needed to |",
            "|---|---|---|---|",
            *rows,
            "",
            "Copied into the repository, with the text of the licence beside it:",
            "",
            "| what | licence | text |",
            "|---|---|---|",
            *copied,
            "",
        ]
    )


def bill(packages: list[Package], found: dict[tuple[str, str], str], tests: set[str]) -> dict[str, Any]:
    """The bill of materials, CycloneDX 1.5: exactly the locked packages. The same lock gives the same bill."""
    mine = {"type": "application", "bom-ref": "this", "name": "smart-marketing-notebooks", "version": "0.1.0"}
    lock = hashlib.sha256(repr(packages).encode()).hexdigest()
    needs = {p.purl: sorted(q.purl for q in packages if p.name in q.via) for p in packages}
    wanted = sorted(p.purl for p in packages if "-r requirements.in" in p.via)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, lock)}",
        "version": 1,
        "metadata": {"component": mine | {"licenses": licence_entry("MIT")}},
        "components": [component(p, found[p.name, p.version], test=p.name in tests) for p in packages],
        "dependencies": [{"ref": "this", "dependsOn": wanted}]
        + [{"ref": ref, "dependsOn": others} for ref, others in needs.items()],
    }


def component(package: Package, licence: str, *, test: bool) -> dict[str, Any]:
    """One package in the bill of materials; 'optional' is what only the tests need."""
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "scope": "optional" if test else "required",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in package.hashes],
        "licenses": licence_entry(licence),
        "purl": package.purl,
    }


def licence_entry(licence: str) -> list[dict[str, Any]]:
    """A licence as CycloneDX writes it: an expression, a name of the SPDX list, or words.

    >>> [licence_entry(x) for x in ("MIT", "BSD", "MIT AND ISC")]
    [[{'license': {'id': 'MIT'}}], [{'license': {'name': 'BSD'}}], [{'expression': 'MIT AND ISC'}]]
    """
    if " AND " in licence or " OR " in licence:
        return [{"expression": licence}]
    return [{"license": {"id" if licence in ALLOWED - {"BSD"} else "name": licence or "unknown"}}]


def faults(packages: list[Package], found: dict[tuple[str, str], str]) -> list[str]:
    """What is wrong with hashes, licences and copied files, one line each."""
    told = [f"{p.name} {p.version}: no hash in the lock" for p in packages if not p.hashes]
    for package in packages:
        licence = found[package.name, package.version]
        if not fits(licence):
            told.append(f"{package.name} {package.version}: licence {licence or 'not stated'}")
    texts = [ROOT / folder / text for folder, _, _, text in VENDORED]
    return told + [f"{t.parent.relative_to(ROOT)}: no {t.name}" for t in texts if not t.is_file()]


def audit(folder: Path) -> tuple[str, bool]:
    """What pip-audit says of the lock, and whether it found a weakness. Where it cannot ask, that is what is said."""
    program = shutil.which("pip-audit")
    if program is None:
        return "pip-audit: not run, it is not installed here (uv tool install pip-audit)", False
    command = [program, "-r", str(LOCK), "--require-hashes", "--disable-pip", "--strict"]
    ended = subprocess.run(
        [*command, "--progress-spinner", "off", "-f", "json"], capture_output=True, text=True, check=False
    )
    return read_audit(ended.stdout, ended.stderr, folder=folder)


def read_audit(answer: str, errors: str, *, folder: Path) -> tuple[str, bool]:
    """The answer of pip-audit in one line; only a whole answer counts, and it is kept as audit.json."""
    try:
        asked = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return f"pip-audit: no answer, so nothing is known: {(errors.strip().splitlines() or ['no reason'])[-1]}", False
    (folder / "audit.json").write_text(answer, encoding="utf-8")
    weak = [f"{d['name']} {d['version']}: {v['id']}" for d in asked for v in d.get("vulns", [])]
    skipped = [d["name"] for d in asked if "skip_reason" in d]
    said = f"pip-audit: {len(asked) - len(skipped)} packages asked, {len(weak)} known weaknesses"
    return "; ".join([said, *weak, *(f"{name}: not asked" for name in skipped)]), bool(weak)


def main() -> int:
    """Writes everything; 1 if something is wrong."""
    packages = locked(LOCK.read_text(encoding="utf-8"))
    found, tests = licences(packages), only_for_tests(packages, WANTED.read_text(encoding="utf-8"))
    folder = REPORTS / "supply"
    folder.mkdir(parents=True, exist_ok=True)
    for old in ("audit.json", "audit.txt"):
        (folder / old).unlink(missing_ok=True)
    TABLE.write_text(table(packages, found, tests), encoding="utf-8", newline="\n")
    text = json.dumps(bill(packages, found, tests), indent=1) + "\n"
    (folder / "sbom.cdx.json").write_text(text, encoding="utf-8", newline="\n")
    said, weak = audit(folder)
    (folder / "audit.txt").write_text(said + "\n", encoding="utf-8")
    told = faults(packages, found)
    print(f"{len(packages)} locked packages; LICENCES.md and {folder.name}/sbom.cdx.json written")
    print("\n".join([said, *told]))
    return int(bool(told) or weak)


if __name__ == "__main__":
    sys.exit(main())
