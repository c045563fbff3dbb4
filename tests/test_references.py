"""REFERENCES.md: each key once; what code and notebooks cite is there; what is there is cited."""

from __future__ import annotations

import re
from pathlib import Path

from helpers.study import ROOT

KEY = re.compile(r"(?<![\w-])[a-z]{3,}(?:19|20)\d\d[a-z]?\b")


def rows() -> dict[str, str]:
    lines = (ROOT / "REFERENCES.md").read_text(encoding="utf-8").splitlines()
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    found = [c for c in cells if c[0] not in ("key", "---")]
    assert all(len(c) == 3 and c[1] and c[2] for c in found)
    assert len({c[0] for c in found}) == len(found)
    return {c[0]: c[1] for c in found}


def citing() -> str:
    """All helpers, notebooks and their read-me files, as one text."""
    files = [*Path(ROOT / "helpers").rglob("*.py"), *Path(ROOT / "helpers").rglob("*.md")]
    files += [*Path(ROOT / "notebooks").glob("*.ipynb"), *Path(ROOT / "tests").rglob("*.py"), ROOT / "data/README.md"]
    return "\n".join(f.read_text(encoding="utf-8") for f in files if f != Path(__file__))


def test_every_cited_key_is_listed_and_every_listed_one_is_cited() -> None:
    listed, text = rows(), citing()
    assert sorted(set(KEY.findall(text)) - set(listed)) == []
    # notebooks give some sources in full, without the key
    authors = {key: re.split(r"[\s,]", told)[0] for key, told in listed.items()}
    unused = [k for k, a in authors.items() if k not in text and not re.search(rf"{a}.{{0,200}}{k[-4:]}", text)]
    assert unused == []
