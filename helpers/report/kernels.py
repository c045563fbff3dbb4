"""One notebook in one kernel: papermill on a copy, in a folder of its own, with this interpreter and no other."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from helpers.engine import JOBS, SPILL
from helpers.findings import RESULTS_ENV
from helpers.report.collection import Notebook, tags
from helpers.report.failure import CODE, FILES, PACKAGES, Failure, died, first_line, last_cell, of_error, timed_out
from helpers.report.parameters import STUDY_PARAMETER
from helpers.report.warm import CONSTANT, kernel_command

# jsonschema compiles a grammar of two seconds for a format that notebooks do not use
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

KERNEL = "smart-marketing"
CELL_TIMEOUT = 1800
INJECTED = "injected-parameters"
"""The tag of the cell that papermill adds."""
NOT_STARTED = "its kernel did not start"
ROOM = 100_000
"""Bytes on the disk below which a kernel could not write what it needs."""


@dataclass
class Outcome:
    """How the run of one notebook ended.

    `status` is rendered, refused (the data cannot answer), skipped (a table is missing) or failed; `failure` says then
    where and why. `warnings` are the texts that its cells sent to the error stream; they are never published.
    """

    name: str
    status: str
    reason: str = ""
    seconds: float = 0.0
    finished_at: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: Failure | None = None

    def fail(self, cause: str, remedy: str, cell: int = 0, section: str = "") -> None:
        """The run failed: its cause, its remedy, its place."""
        self.status, self.failure = "failed", Failure(cause, remedy, cell, section)
        self.reason = self.failure.reason


def write_kernelspec(folder: Path, results: Path, *, jobs: int, name: str = KERNEL) -> None:
    """A kernelspec that starts this interpreter with a clean and equal environment for every run."""
    environment = {
        RESULTS_ENV: str(results),
        JOBS: str(jobs),
        SPILL: str(folder.parent / "spill"),
        "IPYTHONDIR": str(folder / "ipython"),
        **CONSTANT,
    }
    spec = {
        "argv": [*kernel_command(), "-f", "{connection_file}", "--HistoryManager.enabled=False"],
        "display_name": "Python 3",
        "language": "python",
        "env": environment,
        # with this and transport_encryption=auto the kernel says nothing about unencrypted TCP
        "metadata": {"supported_encryption": ["curve"]},
    }
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


def prepared(notebook: Notebook) -> dict:
    """A copy of the notebook without outputs and counts: whatever is there after the run comes from the run."""
    content = json.loads(json.dumps(notebook.content))
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    content["metadata"]["kernelspec"] = {"name": KERNEL, "display_name": "Python 3", "language": "python"}
    return content


def run_notebook(
    notebook: Notebook,
    folder: Path,
    *,
    study: str,
    parameters: dict[str, Any],
    jobs: int = 1,
    timeout: int = CELL_TIMEOUT,
) -> Outcome:
    """Run one notebook; leave `executed.ipynb` and `results/` in `folder`.

    Parameters
    ----------
    notebook : Notebook
        What to run.
    folder : Path
        An empty folder of its own.
    study : str
        Value of `study_file`: a study's name or the path of a study file.
    parameters : dict
        Checked values of all other parameters.
    jobs : int
        How many kernels run side by side and share the memory.
    timeout : int
        Seconds that one cell may take.
    """
    started = time.monotonic()
    results = folder / "results"
    results.mkdir(parents=True)
    write_kernelspec(folder / "kernels", results, jobs=jobs)
    source = folder / "copy.ipynb"
    source.write_text(json.dumps(prepared(notebook), ensure_ascii=False), encoding="utf-8")
    given = {STUDY_PARAMETER: study, **parameters} if STUDY_PARAMETER in notebook.parameters else parameters
    outcome = Outcome(notebook.name, "rendered", parameters=parameters)
    begun: list[dict] = []
    why = _papermill(source, folder, given, timeout, outcome, begun)
    if why and why[0].startswith(NOT_STARTED):  # once more: another program may have taken a port that was free
        begun.clear()
        why = _papermill(source, folder, given, timeout, outcome, begun)
    executed = _read(folder / "executed.ipynb") or next(iter(begun), {})
    if outcome.status == "rendered":
        why = why or _unfinished(executed)
    if why:
        outcome.fail(*why, *last_cell(executed.get("cells", [])))
    outcome.warnings = _error_stream(executed)
    if executed:
        _write(folder / "executed.ipynb", executed)
    outcome.seconds = round(time.monotonic() - started, 1)
    outcome.finished_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return outcome


Why = tuple[str, str]
"""Cause and remedy."""


def _papermill(
    source: Path, folder: Path, given: dict[str, Any], timeout: int, outcome: Outcome, begun: list[dict]
) -> Why | None:
    """Run the copy; why it failed, or None. A refusal goes to `outcome`, the notebook as it is run to `begun`."""
    import papermill
    from jupyter_core.utils import ensure_event_loop
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    try:
        papermill.execute_notebook(
            str(source),
            str(folder / "executed.ipynb"),
            parameters=given,
            engine_name=_engine(),
            begun=begun,
            kernel_name=KERNEL,
            progress_bar=False,
            execution_timeout=timeout,
            start_timeout=120,
            autosave_cell_every=0,
            request_save_on_cell_execute=False,
            kernel_manager_class=_kernel_manager(folder / "kernels"),
            resources={"metadata": {"path": str(folder)}},
        )
    except PapermillExecutionError as error:
        if error.ename != "NotAnswerable":
            return of_error(error.ename, error.evalue)
        outcome.status, outcome.reason = "refused", error.evalue
    except CellTimeoutError:
        return timed_out(timeout)
    except DeadKernelError:
        return _full_disk(folder) or died()
    except RuntimeError as error:
        return _full_disk(folder) or (f"{NOT_STARTED} ({first_line(str(error))})", PACKAGES)
    finally:
        _close(ensure_event_loop())
    return None


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close the loop that nbclient leaves open in this thread; after a cell that was stopped it still waits."""
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    if waiting:
        loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    loop.close()


def _full_disk(folder: Path) -> Why | None:
    """A kernel that cannot write its files dies without a word: is that why?"""
    if shutil.disk_usage(folder).free > ROOM:
        return None
    return "the disk that holds data/cache is full", "Free some space, then run the command again"


@cache
def _engine() -> str:
    """The name of an engine that hands out the notebook: papermill writes none where a cell is stopped or dies."""
    from papermill.engines import NBClientEngine, papermill_engines

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, begun: list[dict], **more: Any) -> None:
            begun.append(nb_man.nb)
            super().execute_managed_notebook(nb_man, kernel_name, **more)

    papermill_engines.register(KERNEL, Engine)
    return KERNEL


def _read(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _kernel_manager(specs: Path) -> type:
    """A kernel manager that knows our kernelspec only: no `python3` that somebody else installed is taken."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            finder = KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False)
            # beside the kernelspec, where it goes with the run, however that ends
            own = {"kernel_spec_manager": finder, "connection_file": str(specs / "connection.json")}
            super().__init__(transport_encryption="auto", **own, **options)

        async def start_kernel(self, **options: Any) -> None:
            # what the process itself says (not its cells) stays off the terminal
            await super().start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)

    return OwnKernel


def _unfinished(executed: dict) -> Why | None:
    """papermill calls the cells of a killed kernel completed; a run is clean only when every cell has a count."""
    for cell in executed.get("cells", []):
        if cell["cell_type"] != "code" or not "".join(cell["source"]).strip():
            continue
        if any(o["output_type"] == "error" for o in cell["outputs"]) or cell["execution_count"] is None:
            return "a cell did not run to its end", CODE
    return None if executed else ("the run left no notebook", FILES)


def _error_stream(executed: dict) -> list[str]:
    outputs = [o for c in executed.get("cells", []) for o in c.get("outputs", [])]
    texts = ["".join(o["text"]) for o in outputs if o["output_type"] == "stream" and o["name"] == "stderr"]
    return [t.strip() for t in texts if t.strip()]


def _write(file: Path, executed: dict) -> None:
    """The executed notebook without papermill's notes, its random name of a cell, and what depends on the moment."""
    for part in (executed, *executed["cells"]):
        for key in ("papermill", "execution", "kernelspec"):
            part["metadata"].pop(key, None)
        if INJECTED in tags(part):
            part["id"] = INJECTED
        if "outputs" in part:
            part["outputs"] = _joined(part["outputs"])
    file.write_text(json.dumps(executed, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")


def _joined(outputs: list[dict]) -> list[dict]:
    """Prints in a row as one: how many messages a kernel makes of them depends on the moment.

    >>> said = [{"output_type": "stream", "name": "stdout", "text": text} for text in ("one\\n", ["two\\n"])]
    >>> [o["text"] for o in _joined(said)]
    ['one\\ntwo\\n']
    """
    found: list[dict] = []
    for output in outputs:
        output = dict(output, text="".join(output["text"])) if output["output_type"] == "stream" else output
        last = found[-1] if found else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"] and "text" in last:
            last["text"] += output["text"]
        else:
            found.append(output)
    return found
