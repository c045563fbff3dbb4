"""Kernels that need not import everything anew: each is a fork of one process that has imported it already.

A kernel imports for four seconds before its first cell. Inside `warm_kernels()` one process, the nursery, imports what
all notebooks share, and does nothing else: no cell, no thread, no engine. A kernel is started as the short program at
the end of this file. It asks the nursery for a fork and stands for it: signals are passed on, and each ends with the
other. A fork has its own memory, so no notebook can see another. Where there is no nursery, where it does not answer,
or where its environment is not the kernel's, the short program becomes an ordinary kernel.

This file is run by path and imports the standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

ADDRESS = "SMN_NURSERY"
COLD = ("-m", "ipykernel_launcher")
ROOT = Path(__file__).resolve().parents[2]
CONSTANT = {
    "PYTHONPATH": str(ROOT),
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
"""What is equal in the environment of every kernel; no library starts a thread when it is imported, and memory up to
128 MB is kept for the next table: to give it back and ask for it anew took half of the system's time."""
READ_AT_IMPORT = ("PYTHON", "SMN_CACHE", "MPL", "OMP_", "OPENBLAS_", "MKL_", "JE_", "LANG", "LC_", "TZ", "HOME")
SHARED = (
    "ipykernel.kernelapp", "ipykernel.ipkernel", "helpers.charts", "helpers.notebook", "ibis.backends.duckdb",
    "matplotlib.backends.backend_svg", "matplotlib.pyplot", "matplotlib_inline.backend_inline", "pyarrow.dataset",
    "pyarrow.parquet", "scipy.optimize", "scipy.special", "scipy.stats",
)  # fmt: skip
"""What the nursery imports, in the order of a kernel: first the kernel itself."""
LONGEST = 1 << 20
PREFIX = "smn-nursery-"


@contextlib.contextmanager
def warm_kernels() -> Iterator[None]:
    """Kernels that are started inside are forks of one process, on Linux; elsewhere nothing changes.

    Other systems have no fork that is safe with their libraries.
    """
    if sys.platform != "linux" or ADDRESS in os.environ:
        yield
        return
    _sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder, _held(folder):
        address = str(Path(folder) / "nursery")
        nursery = _start(address)
        os.environ[ADDRESS] = address
        try:
            yield
        finally:
            del os.environ[ADDRESS]
            _end(nursery)


@contextlib.contextmanager
def _held(folder: str | Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a folder by a lock that falls with this process; without `wait`, BlockingIOError where another holds it."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(handle)


def _sweep() -> None:
    """Take away the folders of runs that were killed: nobody holds them."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _held(left, wait=False):
            shutil.rmtree(left)


def _start(address: str) -> subprocess.Popen:
    """The nursery; kernels may queue at its address while it still imports."""
    environment = os.environ | CONSTANT
    environment.pop("JPY_PARENT_PID", None)
    command = [sys.executable, "-m", "helpers.report.warm"]
    quiet = subprocess.DEVNULL
    with socket.socket(socket.AF_UNIX) as listener:
        with contextlib.suppress(OSError):  # nobody can be asked at a path too long for a socket: all kernels are cold
            listener.bind(address)
            listener.listen(64)
        number = listener.fileno()
        streams = {"stdin": subprocess.PIPE, "stdout": quiet, "stderr": quiet}
        return subprocess.Popen([*command, str(number)], env=environment, cwd=ROOT, pass_fds=[number], **streams)


def _end(nursery: subprocess.Popen) -> None:
    """Let it go; its kernels have ended."""
    try:
        nursery.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        nursery.kill()
        nursery.wait()


def kernel_command() -> list[str]:
    """How a kernel is started: as a fork of the nursery where there is one."""
    return [sys.executable, "-S", "-E", __file__] if ADDRESS in os.environ else [sys.executable, *COLD]


# --- the nursery ------------------------------------------------------------------------------------------------------


def nursery(listener: socket.socket) -> None:
    """Import, then fork for everyone who asks, until the process that wants kernels has gone."""
    import gc
    import importlib
    import select

    del sys.path[0]  # the working folder, as ipykernel's launcher does it
    equal = _at_import(os.environ)
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    for name in SHARED:
        importlib.import_module(name)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        return  # a fork of a process with threads is not safe
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        asker, _ = listener.accept()
        with asker:
            asked = _asked(asker)
            if _at_import(asked["environment"]) == equal and os.fork() == 0:
                listener.close()
                return _become_kernel(asker, asked)
        _bury(os.WNOHANG)
    _bury(0)
    # whoever made the folder may have been killed
    shutil.rmtree(Path(listener.getsockname()).parent, ignore_errors=True)


def _bury(how: int) -> None:
    """Take note of forks that have ended, so that their seconds are counted as those of this run."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, how)[0]:
            pass


def _asked(asker: socket.socket) -> dict:
    """What a kernel is to be; an asker that has gone gets nothing."""
    asker.settimeout(10)
    with contextlib.suppress(OSError, ValueError):
        return json.loads(asker.makefile("rb").readline(LONGEST))
    return {"environment": {}}


def _at_import(environment: dict[str, str] | os._Environ) -> dict[str, str]:
    """The variables that imported code has read: a kernel that wants others may not be a fork."""
    return {name: value for name, value in environment.items() if name.startswith(READ_AT_IMPORT)}


def _become_kernel(asker: socket.socket, asked: dict) -> None:
    """Run a kernel in this fork until it is told to end. What the nursery imported stays frozen: never searched."""
    import numpy as np
    from ipykernel import kernelapp

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.environ.pop("JPY_PARENT_PID", None)  # the parent of this kernel is the one who asked
    os.chdir(asked["folder"])
    np.random.seed()
    asker.settimeout(None)
    asker.sendall(b"born\n")
    threading.Thread(target=_obey, args=(asker.dup(),), daemon=True).start()
    sys.argv = [str(Path(kernelapp.__file__).parents[1] / "ipykernel_launcher.py"), *asked["arguments"]]
    kernelapp.launch_new_instance()


def _obey(asker: socket.socket) -> None:
    """Interrupt this kernel when its asker says so; end it when the asker has gone."""
    while asker.recv(1):
        os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGKILL)


# --- the short program that stands for a kernel -----------------------------------------------------------------------


def ask(arguments: list[str]) -> None:
    """Stand for a fork of the nursery, or become an ordinary kernel."""
    parent = os.getppid()
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(os.environ[ADDRESS])
        signal.signal(signal.SIGINT, lambda *_: nursery.sendall(b"!"))
        asked = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        nursery.sendall(json.dumps(asked).encode() + b"\n")
        if _stood_in(nursery, parent):
            sys.exit()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *COLD, *arguments])


def _stood_in(nursery: socket.socket, parent: int) -> bool:
    """Wait for the end of the fork, or of the parent that wanted it; False when there has been no fork."""
    born = False
    nursery.settimeout(1)
    while os.getppid() == parent:
        try:
            said = nursery.recv(5)
        except TimeoutError:
            continue
        except OSError:  # how a fork's end looks when it was killed
            return born
        if not said:
            return born
        born = True
    return True


if __name__ == "__main__":
    if sys.argv[1].isdigit():
        with socket.socket(fileno=int(sys.argv[1])) as listener:
            nursery(listener)
    else:
        ask(sys.argv[1:])
