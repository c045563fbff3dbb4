"""Warm kernels: forks that know nothing of each other, equal to cold ones, gone with whoever wanted them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.report import warm
from helpers.report.collection import Notebook
from helpers.report.kernels import run_notebook
from helpers.report.warm import ADDRESS, CONSTANT, SHARED, kernel_command, warm_kernels
from tests.report.cells import code

linux = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")
pytestmark = [pytest.mark.notebooks, linux, pytest.mark.xdist_group("warm")]
IS_WARM = "import sys; print('seaborn' in sys.modules)"
TRACES = "[hasattr(pd, 'spoilt'), 'spoilt' in os.environ, 'spoilt' in globals(), random.random(), np.random.rand()]"


@pytest.fixture(scope="module")
def nursery() -> Iterator[None]:
    with warm_kernels():
        yield


@pytest.fixture
def printed(write_notebook: Callable[..., Notebook], tmp_path: Path) -> Callable[..., str]:
    """`printed(*sources)`: what a notebook with these cells prints, in a kernel of its own."""
    notebook = write_notebook

    def printed(*sources: str) -> str:
        folder = tmp_path / f"run{len(list(tmp_path.glob('run*')))}"
        outcome = run_notebook(
            notebook("20_traffic", *(code(s) for s in sources)), folder, study="demo", parameters={"rows": 3}
        )
        assert (outcome.status, outcome.warnings) == ("rendered", []), outcome.reason
        executed = json.loads((folder / "executed.ipynb").read_text())
        return "".join(t for c in executed["cells"] for o in c.get("outputs", []) for t in o.get("text", []))

    return printed


def test_a_kernel_is_a_fork_only_where_it_may_be(
    nursery: None, printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert printed(IS_WARM) == "True\n"
    monkeypatch.setenv("SMN_CACHE", "/elsewhere")  # imported code has read another folder
    assert printed(IS_WARM) == "False\n"
    monkeypatch.setenv(ADDRESS, "/no/such/nursery")
    assert printed(IS_WARM) == "False\n"
    monkeypatch.delenv(ADDRESS)
    assert "ipykernel_launcher" in kernel_command()


def test_a_kernel_sees_nothing_of_the_one_before(nursery: None, printed: Callable[..., str]) -> None:
    modules = "import json, os, random\nimport numpy as np, pandas as pd"
    spoil = "pd.spoilt, spoilt = 1, 1\nos.environ['spoilt'] = '1'"
    first = json.loads(printed(modules, f"print(json.dumps({TRACES}))", spoil))
    second = json.loads(printed(modules, f"print(json.dumps({TRACES}))"))
    assert first[:3] == second[:3] == [False] * 3
    assert first[3] != second[3] and first[4] != second[4]


def test_a_warm_kernel_shows_what_a_cold_one_shows(
    nursery: None, printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (
        "import os, sys, warnings\nimport matplotlib as mpl\nfrom helpers import charts, notebook",
        "print(sys.argv[0], len(sys.argv), sys.path, sys.flags)",
        "print(mpl.get_backend(), sorted(set(os.environ) - {'JPY_PARENT_PID'}))",
        "print(*sorted(map(str, warnings.filters)), sep='\\n')",
        "print(sys.modules['__main__'].__name__, sys.stdin, os.getpid() == os.getpgrp())",
    )
    warm = printed(*sources)
    address = os.environ[ADDRESS]
    monkeypatch.setenv(ADDRESS, f"{address}-none")
    cold = printed(*sources)
    assert warm == cold


def test_nothing_that_is_shared_starts_a_thread() -> None:
    count = f"import os, {', '.join(SHARED)}; print(len(os.listdir('/proc/self/task')))"
    ended = subprocess.run([sys.executable, "-c", count], env=os.environ | CONSTANT, capture_output=True, text=True)
    assert ended.stdout == "1\n"


def test_a_kernel_does_not_outlive_who_asked_for_it(nursery: None, tmp_path: Path) -> None:
    connection = tmp_path / "kernel.json"
    asker = subprocess.Popen([*kernel_command(), "-f", str(connection)], env=os.environ | CONSTANT, cwd=tmp_path)
    assert wait_until(connection.is_file)
    assert kernels(connection) != []
    asker.send_signal(signal.SIGKILL)
    asker.wait()
    assert wait_until(lambda: kernels(connection) == [])


def test_a_run_that_is_killed_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    wait = (
        "import os, time; from helpers.report import warm\nwith warm.warm_kernels(): print(flush=True); time.sleep(9)"
    )
    environment = os.environ | CONSTANT | {"TMPDIR": str(tmp_path)}
    environment.pop(ADDRESS, None)
    run = subprocess.Popen([sys.executable, "-c", wait], env=environment, stdout=subprocess.PIPE)
    with run:
        run.stdout.readline()
        assert list(tmp_path.glob("smn-*/nursery"))
        run.kill()
    assert wait_until(lambda: not list(tmp_path.glob("smn-*")))


def kernels(connection: Path) -> list[str]:
    """Processes that have this kernel's folder as theirs."""
    folders = [(p, (p / "cwd").readlink()) for p in Path("/proc").glob("[0-9]*") if os.access(p / "cwd", os.R_OK)]
    return [p.name for p, folder in folders if folder == connection.parent]


def wait_until(done: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


def test_the_folder_of_a_killed_run_goes_with_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm.tempfile, "tempdir", str(tmp_path))
    for name in ("smn-nursery-left", "smn-nursery-held", "another"):
        (tmp_path / name).mkdir()
    (tmp_path / "smn-nursery-link").symlink_to(tmp_path / "another")
    with warm._held(tmp_path / "smn-nursery-held"):
        warm._sweep()
    assert sorted(f.name for f in tmp_path.iterdir()) == ["another", "smn-nursery-held", "smn-nursery-link"]
