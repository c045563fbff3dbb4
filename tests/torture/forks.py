"""Runs `python run.py …` in forks of one process that has imported everything, kills them, counts what is left.

Started by corner.py in the folder of the copied project: one JSON request a line on stdin, one answer on stdout.
A run is the same code in the same processes as always (main process, nursery, kernels in sessions of their own), only
without the seconds of import; with `"whole": true` it is an interpreter of its own, as on a user's machine.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path

MARKS = {
    "intake": ("helpers.intake", "ingest_all"),
    "kernels": ("helpers.report.build", "_Build._run_all"),
    "export": ("helpers.report.pages", "Stage.render"),
    "index": ("helpers.report.pages", "Stage.complete"),
    "publish": ("helpers.report.publish", "publish"),
}
"""Phase → the function that begins it."""
USED = (
    "helpers.__main__", "helpers.report.build", "helpers.report.kernels", "helpers.report.pages",
    "helpers.report.demo", "helpers.intake.build", "helpers.answerability", "papermill",
)  # fmt: skip
GONE_WITHIN = 10.0


def serve() -> None:
    """Answer requests until there are none."""
    sys.path.insert(0, str(Path.cwd()))
    warm = importlib.import_module("helpers.report.warm")
    os.environ.update(warm.CONSTANT)
    for name in (*warm.SHARED, *USED):
        importlib.import_module(name)
    for line in sys.stdin:
        requests = json.loads(line)
        print(json.dumps(answer(requests)), flush=True)


def answer(asked: dict) -> dict:
    """Run what is asked; a second run is started `gap` seconds after the first where one is wanted."""
    first = Run(asked)
    if "second" in asked:
        time.sleep(asked["gap"])
        other = Run(asked["second"])
        return {"first": first.end(None), "second": other.end(None), "left": left_over()}
    told = first.end(asked.get("kill"))
    return told | {"left": left_over()}


class Run:
    """One run of the command line in a process group of its own."""

    def __init__(self, asked: dict) -> None:
        self.started, self.marks, self.killed_in = time.monotonic(), {"start": 0.0}, ""
        self.said = os.memfd_create("said")
        self.signs, ours = os.pipe()
        if asked.get("whole"):
            os.set_inheritable(ours, True)
            command = [sys.executable, "-P", __file__, json.dumps(asked), str(ours)]
            put = {"stdin": subprocess.DEVNULL, "stdout": self.said, "stderr": self.said}
            self.pid = subprocess.Popen(command, pass_fds=[ours], start_new_session=True, **put).pid
        else:
            self.pid = os.fork()
            if self.pid == 0:
                self._become(asked, ours)
        os.close(ours)
        self.handle = os.pidfd_open(self.pid)

    def _become(self, asked: dict, signs: int) -> None:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for put, place in ((nothing, 0), (self.said, 1), (self.said, 2)):
            os.dup2(put, place)
        status = 70
        try:
            prepare(asked, signs)
            lend_nursery()
            status = inside(**asked["inside"]) if "inside" in asked else command_line(asked["arguments"])
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def end(self, kill: dict | None) -> dict:
        """Wait for the end, or kill the run some seconds into a phase."""
        due = self._due(kill)
        while True:
            wait = None if due is None else max(0.0, due - time.monotonic())
            ready = select.select([self.handle, self.signs], [], [], wait)[0]
            if self.signs in ready and (sign := os.read(self.signs, 1)):
                self.marks[[*MARKS][sign[0]]] = time.monotonic() - self.started
            elif self.handle in ready:
                break
            due = due or self._due(kill)
            if due is not None and time.monotonic() >= due:
                self.killed_in = [*self.marks][-1]
                self._kill(kill["whom"])
                break
        return self._told()

    def _due(self, kill: dict | None) -> float | None:
        """When to kill it, once the wanted phase has begun."""
        if not kill or kill["phase"] not in self.marks:
            return None
        return self.started + self.marks[kill["phase"]] + kill["after"]

    def _kill(self, whom: str) -> None:
        if whom != "main":
            with contextlib.suppress(ProcessLookupError):  # in its first instant it has no group of its own
                os.killpg(self.pid, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
        for each in running() if whom == "all" else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)

    def _told(self) -> dict:
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.lseek(self.said, 0, os.SEEK_SET)
        with os.fdopen(self.said, "rb") as file:
            said = file.read().decode(errors="replace")
        for handle in (self.signs, self.handle):
            os.close(handle)
        seconds = time.monotonic() - self.started
        killed = self.killed_in if status == -signal.SIGKILL else ""
        return {"status": status, "said": said, "marks": self.marks, "killed_in": killed, "seconds": seconds}


def prepare(asked: dict, signs: int) -> None:
    """Limits, user and marks of a run, before it does anything."""
    for name, value in asked.get("limits", {}).items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    if asked.get("plain"):
        give_up_root()
    for number, (module, name) in enumerate(MARKS.values()):
        mark(importlib.import_module(module), name, lambda n=number: os.write(signs, bytes([n])))


def give_up_root() -> None:
    """Root without its right to pass over permissions, for this process and all that come from it."""
    libc = ctypes.CDLL(None, use_errno=True)
    kept = (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # the version of the interface; this process
    libc.capget(header, kept)
    for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP: a program started later does not get it back
        for place in range(3):
            kept[place] &= ~(1 << right)
    if libc.capset(header, kept):
        raise OSError(ctypes.get_errno(), "the rights of root could not be given up")


def mark(place: object, name: str, sign: object) -> None:
    """Let a function give a sign when it is called."""
    *owners, last = name.split(".")
    for owner in owners:
        place = getattr(place, owner)
    function = getattr(place, last)

    def marked(*arguments: object, **more: object) -> object:
        sign()
        return function(*arguments, **more)

    setattr(place, last, marked)


def command_line(arguments: list[str]) -> int:
    """What `python -m helpers` does."""
    from helpers.__main__ import main

    sys.argv = ["helpers", *arguments]
    return main()


def inside(file: str, given: dict) -> int:
    """Call `main` of a file with what is given."""
    try:
        runpy.run_path(file)["main"](**given)
    except Exception:
        traceback.print_exc()
        return 70
    return 0


# --- a nursery that need not import ---------------------------------------------------------------------------------


def lend_nursery() -> None:
    """Fork the nursery now, before there is a thread; when the run starts one, this one gets its listener."""
    warm = importlib.import_module("helpers.report.warm")
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        ours.close()
        with contextlib.suppress(BaseException):
            _wait_as_nursery(warm, theirs)
        os._exit(0)
    theirs.close()

    def start(address: str) -> Lent:
        reads, writes = os.pipe()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(address)
            listener.listen(64)
            socket.send_fds(ours, [b"!"], [listener.fileno(), reads])
        os.close(reads)
        return Lent(pid, writes)

    warm._start = start


def _wait_as_nursery(warm: object, asked: socket.socket) -> None:
    _, handles, *_ = socket.recv_fds(asked, 1, 2)
    if handles:
        nothing = os.open(os.devnull, os.O_WRONLY)
        for put, place in ((handles[1], 0), (nothing, 1), (nothing, 2)):
            os.dup2(put, place)
        os.close(handles[1])
        sys.stdin = open(0)  # noqa: SIM115
        sys.path.insert(0, "")
        with socket.socket(fileno=handles[0]) as listener:
            warm.nursery(listener)


class Lent:
    """What the run needs of a nursery's process."""

    def __init__(self, pid: int, stdin: int) -> None:
        self.pid, self.stdin = pid, stdin

    def communicate(self, timeout: float) -> None:
        """Let it go and wait for its end."""
        os.close(self.stdin)
        self.wait()

    def kill(self) -> None:
        """End it."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait for its end."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


# --- what is left ---------------------------------------------------------------------------------------------------


def running() -> list[int]:
    """The processes that come from this one: all carry its folder in the environment that they began with."""
    wanted, found = f"SMN_TORTURE={os.environ['SMN_TORTURE']}".encode(), []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def left_over() -> list[str]:
    """Processes that have not gone after some seconds; they are ended."""
    until = time.monotonic() + GONE_WITHIN
    while (left := running()) and time.monotonic() < until:
        time.sleep(0.05)
    names = []
    for each in left:
        with contextlib.suppress(OSError):
            names.append((Path("/proc") / str(each) / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:80])
            os.kill(each, signal.SIGKILL)
    return names


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.path.insert(0, str(Path.cwd()))
        request, handle = json.loads(sys.argv[1]), int(sys.argv[2])
        os.set_inheritable(handle, False)
        prepare(request, handle)
        sys.exit(command_line(request["arguments"]))
    serve()
