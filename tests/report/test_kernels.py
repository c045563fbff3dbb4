"""One notebook in one kernel: clean ends, refusals, errors, timeouts and sudden death are told apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.report import kernels
from helpers.report.collection import Notebook
from helpers.report.failure import first_line
from helpers.report.kernels import Outcome, prepared, run_notebook
from helpers.report.warm import ADDRESS, warm_kernels
from tests.report.cells import code, markdown

pytestmark = pytest.mark.notebooks


@pytest.fixture(scope="module", params=["cold", "warm"])
def start(request: pytest.FixtureRequest) -> Iterator[str]:
    """How kernels start: each by itself, or as forks of one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(ADDRESS, raising=False)
        with warm_kernels() if request.param == "warm" else nullcontext():
            yield request.param


@pytest.fixture
def run(start: str, write_notebook: Callable[..., Notebook], tmp_path: Path) -> Callable[..., tuple[Outcome, dict]]:
    """`run(*sources)`: the outcome of a notebook with these code cells, and the executed notebook."""

    def run(*sources: str, parameters: dict | None = None, timeout: int = 60) -> tuple[Outcome, dict]:
        notebook = write_notebook("20_traffic", *(code(s) for s in sources))
        given = {"rows": 3} | (parameters or {})
        outcome = run_notebook(notebook, tmp_path / "run", study="demo", parameters=given, timeout=timeout)
        executed = tmp_path / "run" / "executed.ipynb"
        return outcome, json.loads(executed.read_text()) if executed.is_file() else {}

    return run


def printed(executed: dict[str, Any]) -> str:
    return "".join(t for c in executed["cells"] for o in c.get("outputs", []) for t in o.get("text", []))


def test_a_clean_run_has_counts_parameters_and_an_environment_of_its_own(run: Callable) -> None:
    outcome, executed = run(
        "import os, sys\nfrom helpers.findings import Findings\nf = Findings('20_traffic')",
        "_ = f.add('visits', rows, unit='visits', text='{value}')",
        "print(study_file, rows, sys.flags.utf8_mode, os.environ['PYTHONHASHSEED'], os.listdir(f.folder))",
        parameters={"rows": 7},
    )
    assert (outcome.status, outcome.reason, outcome.warnings) == ("rendered", "", [])
    assert printed(executed) == "demo 7 1 0 ['findings.json']\n"
    assert all(c["execution_count"] for c in executed["cells"] if c["cell_type"] == "code")
    assert "papermill" not in json.dumps(executed["metadata"])


def test_a_refusal_is_no_failure(run: Callable) -> None:
    outcome, _ = run("from helpers.findings import NotAnswerable\nraise NotAnswerable('nobody bought')", "1 / 0")
    assert (outcome.status, outcome.reason) == ("refused", "nobody bought")


def test_an_error_names_the_cell_and_no_path(run: Callable) -> None:
    outcome, _ = run("1 + 1", "open('/home/li/secret/x.csv')")
    assert outcome.status == "failed" and outcome.reason.startswith("code cell 3: a file could not be used (FileNotF")
    assert "/home" not in outcome.reason and "x.csv" in outcome.reason and "check STUDY" in outcome.failure.remedy


def test_a_cell_that_takes_too_long_is_stopped(run: Callable) -> None:
    outcome, _ = run("import time\ntime.sleep(60)", timeout=2)
    assert outcome.status == "failed" and "code cell 2: it took longer than 2 seconds" in outcome.reason
    assert "--timeout SECONDS" in outcome.failure.remedy


def test_a_killed_kernel_is_a_failure(run: Callable) -> None:
    outcome, _ = run("1 + 1", "import os\nos._exit(9)", "1 + 1")
    assert outcome.status == "failed" and "code cell 3: its Python process ended suddenly" in outcome.reason


def test_a_kernel_that_does_not_start_is_started_once_more(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    import papermill

    real, tries = papermill.execute_notebook, []

    def fails_first(*given: Any, **named: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return real(*given, **named)

    monkeypatch.setattr(papermill, "execute_notebook", fails_first)
    outcome, executed = run("print(rows)")
    assert (len(tries), outcome.status, printed(executed)) == (2, "rendered", "3\n")


def test_what_goes_to_the_error_stream_is_noted(run: Callable) -> None:
    outcome, _ = run("import warnings\nwarnings.warn('old')")
    assert outcome.status == "rendered" and "old" in outcome.warnings[0]


def test_what_a_kernel_needs_on_disk_lies_in_the_folder_of_its_run(tmp_path: Path) -> None:
    manager = kernels._kernel_manager(tmp_path / "kernels")()
    assert manager.connection_file == str(tmp_path / "kernels" / "connection.json")
    kernels.write_kernelspec(tmp_path / "kernels", tmp_path / "run" / "results", jobs=1)
    spec = json.loads((tmp_path / "kernels" / kernels.KERNEL / "kernel.json").read_text())
    assert all(spec["env"][name].startswith(str(tmp_path)) for name in ("SMN_RESULTS", "SMN_SPILL", "IPYTHONDIR"))


def test_a_kernel_that_could_not_write_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels._full_disk(tmp_path) is None
    monkeypatch.setattr(kernels.shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    assert "disk" in kernels._full_disk(tmp_path)[0] and "Free some space" in kernels._full_disk(tmp_path)[1]


def test_the_copy_carries_no_old_outputs(write_notebook: Callable[..., Notebook]) -> None:
    old = [{"output_type": "stream", "name": "stdout", "text": "old"}]
    copy = prepared(write_notebook("20_traffic", markdown("a"), code("1", outputs=old, count=9)))
    assert all(not c["outputs"] and c["execution_count"] is None for c in copy["cells"] if c["cell_type"] == "code")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no file '/home/li/shop/events.csv'", "no file 'events.csv'"),
        ("C:\\Users\\li\\x.csv: gone", "x.csv: gone"),
        ("get https://li:pw@example.org/x failed", "get … failed"),
        ("api_key='abc', from 10.0.0.7", "api_key=… from …"),
        ("ask li@example.org about 2017112501.", "ask … about …."),
        ("no column 'price' in 20171 rows", "no column 'price' in 20171 rows"),
        ("\n\nfirst\nsecond", "first"),
        ("", "no message"),
        ("a/b is a ratio", "a/b is a ratio"),
    ],
)
def test_messages_lose_their_paths(text: str, line: str) -> None:
    assert first_line(text) == line
