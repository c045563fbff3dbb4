"""The command's own rules: what counts as kept, what its report says, how it ends."""

from __future__ import annotations

import importlib
import json
from types import SimpleNamespace

import pytest

from tests.torture.proof import NotRun, Proof

torture = importlib.import_module("tests.torture.__main__")


def given(monkeypatch, prove) -> None:
    """Put a proof in the place of the intake's."""
    monkeypatch.setattr(torture, "MODULES", ("intake", "nosuch"))
    there = SimpleNamespace(prove=prove)
    monkeypatch.setattr(torture, "find_spec", lambda name: None if name.endswith("nosuch") else there)
    monkeypatch.setattr(torture, "importlib", SimpleNamespace(import_module=lambda name: there))


def told(tmp_path) -> dict:
    return json.loads((tmp_path / "torture.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("proof", "result"),
    [
        (Proof("a", "p", 3, "files", {"clean": 3}), "kept"),
        (Proof("a", "p", 3, "files", {"clean": 2, "crash": 1}, ["file 3"]), "broken"),
        (Proof("a", "p", 0, "files"), "not run"),
        (Proof("a", "p", 3, "pages", not_run="no browser"), "not run"),
    ],
)
def test_nothing_is_kept_without_a_trial(proof, result):
    assert proof.result == result and proof.said.startswith(result)


def test_a_broken_promise_ends_in_1_and_is_shown_without_paths(monkeypatch, tmp_path):
    broken = Proof("x", "holds", 2, "files", {"crash": 1}, ["<b> /srv/a/b/c.csv"], 1.0, [{"way": "cut", "crash": 1}])
    given(monkeypatch, lambda **_: [broken])
    assert torture.main(["--output", str(tmp_path)]) == 1
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "&lt;b&gt; …/c.csv" in page and "1 broken, 1 not run" in page and "<td>cut</td>" in page
    assert [p["result"] for p in told(tmp_path)["proofs"]] == ["broken", "not run"]


@pytest.mark.parametrize(("error", "result"), [(NotRun("no browser"), "not run"), (OSError("full"), "broken")])
def test_a_proof_that_ends_in_an_error_is_not_kept(monkeypatch, tmp_path, error, result):
    def prove(**_):
        raise error

    given(monkeypatch, prove)
    assert torture.main(["--only", "intake", "--output", str(tmp_path)]) == int(result == "broken")
    assert told(tmp_path)["proofs"][0]["result"] == result


def test_a_kept_promise_ends_in_0(monkeypatch, tmp_path):
    given(monkeypatch, lambda *, size, seed, folder: [Proof("x", "holds", size, "files", {"clean": size})])
    assert torture.main(["--files", "7", "--output", str(tmp_path)]) == 0
    assert told(tmp_path)["proofs"][0]["tried"] == 7
