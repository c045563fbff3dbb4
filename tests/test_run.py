"""The set-up with fakes: what is called, what is told, what is not done twice."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import run

LOCK = """\
a==1 \\
    --hash=sha256:00
    # via x
uv==0.9 \\
    --hash=sha256:11
    # via y
z==2 \\
    --hash=sha256:22
"""


class Calls:
    """Stands in for subprocesses; makes what they would make, fails where it is told to."""

    def __init__(self, venv: Path, *failing: str, said: str = "") -> None:
        self.venv, self.failing, self.said = venv, failing, said
        self.commands: list[str] = []
        self.settings: list[dict | None] = []
        self.locks: list[str] = []

    def __call__(self, command: list[str], more: dict | None) -> tuple[int, str]:
        line = " ".join(command[1:])
        self.commands.append(line)
        self.settings.append(more)
        if "-r" in command:
            self.locks.append(Path(command[-1]).read_text())
        if any(word in line for word in self.failing):
            return 1, self.said
        if "-m venv" in line:
            run.venv_python(self.venv).parent.mkdir(parents=True)
            run.venv_python(self.venv).touch()
        if "sysconfig" in line:
            return 0, f"{self.venv}\n"
        if "sys.version_info" in line:
            return 0, f"{sys.version_info[0]}.{sys.version_info[1]}\n"
        return (
            0,
            "global.index-url='https://index.example/simple'\n:env:.no-index='0'\n" if "config list" in line else "",
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(LOCK)
    return tmp_path


def test_the_first_set_up_makes_everything_and_the_second_nothing(root: Path) -> None:
    calls, told = Calls(root / ".venv"), []
    run.set_up(root, calls, told.append)
    assert run.is_ready(root / ".venv", run.wanted_stamp(root))
    assert (root / ".venv" / run.PTH).read_text() == f"{root}\n"
    assert sum("--require-hashes" in c for c in calls.commands) == 2 and len(told) == 3
    before = len(calls.commands)
    run.set_up(root, calls, told.append)
    assert len(calls.commands) == before


def test_uv_itself_comes_with_its_hash(root: Path) -> None:
    calls = Calls(root / ".venv")
    run.set_up(root, calls, lambda _: None)
    assert calls.locks[0] == "uv==0.9 \\\n    --hash=sha256:11\n    # via y\n" and calls.locks[1] == LOCK


def test_uv_gets_the_settings_of_pip(root: Path) -> None:
    calls = Calls(root / ".venv")
    run.set_up(root, calls, lambda _: None)
    assert {"UV_DEFAULT_INDEX": "https://index.example/simple"} in calls.settings


@pytest.mark.parametrize(
    ("config", "found"),
    [
        ("", {}),
        ("global.extra-index-url='file:///a file:///b'", {"UV_INDEX": "file:///a file:///b"}),
        (":env:.find-links='/a'", {"UV_FIND_LINKS": "/a"}),
        ("user.no-index='true'", {"UV_NO_INDEX": "1"}),
        ("global.timeout='9'", {}),
    ],
)
def test_settings_of_pip(config: str, found: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UV_INDEX", "UV_FIND_LINKS", "UV_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    got = run.uv_settings(config)
    assert got.pop("UV_INDEX_STRATEGY", None) == ("unsafe-best-match" if "UV_INDEX" in found else None) and got == found


@pytest.mark.parametrize("failing", ["-m uv", "uv.txt"])
def test_pip_takes_over_where_uv_cannot(root: Path, failing: str) -> None:
    calls = Calls(root / ".venv", failing)
    run.set_up(root, calls, lambda _: None)
    assert any(re.search(r"pip install --require-hashes .*requirements.txt", c) for c in calls.commands)
    assert run.is_ready(root / ".venv", run.wanted_stamp(root))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("NewConnectionError: https://index.example", "HTTPS_PROXY"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES do not match the hashes", "differs from the lock"),
        ("ERROR: No matching distribution found for a==1", "pip's settings"),
        ("PermissionError: Permission denied: '/home/li/x'", "cannot be written"),
        ("something else", ".venv.log"),
    ],
)
def test_failures_are_explained_without_host_or_path(root: Path, said: str, told: str) -> None:
    with pytest.raises(run.SetUpError) as caught:
        run.set_up(root, Calls(root / ".venv", "install", said=said), lambda _: None)
    assert told in str(caught.value) and "example" not in str(caught.value) and "/home" not in str(caught.value)
    assert not run.is_ready(root / ".venv", run.wanted_stamp(root))


def test_another_lock_or_another_place_sets_up_again(root: Path) -> None:
    run.set_up(root, Calls(root / ".venv"), lambda _: None)
    (root / "requirements.txt").write_text(LOCK + "b==3\n")
    assert not run.is_ready(root / ".venv", run.wanted_stamp(root))


def test_an_environment_of_this_python_is_kept(root: Path) -> None:
    run.set_up(root, Calls(root / ".venv"), lambda _: None)
    (root / "requirements.txt").write_text(LOCK + "b==3\n")
    calls = Calls(root / ".venv")
    run.set_up(root, calls, lambda _: None)
    assert not any("-m venv" in c for c in calls.commands)


def test_an_old_python_and_a_missing_venv_are_told() -> None:
    with pytest.raises(run.SetUpError, match=r"Python 3\.10; 3\.11 or newer"):
        run.check_python((3, 10, 1))
    with pytest.raises(run.SetUpError, match="sudo apt install python3-venv"):
        run.check_modules(lambda name: None if name == "ensurepip" else object())


def test_children_write_compiled_code_and_speak_utf8() -> None:
    child = run.child_environment({"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": "x", "HOME": "h"})
    assert child == {"HOME": "h", "PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}


def test_without_a_command_the_help_is_shown_and_nothing_is_made(root: Path) -> None:
    alone = root / "run.py"
    alone.write_bytes(Path(run.__file__).read_bytes())
    ended = subprocess.run([sys.executable, alone], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and "reports" in ended.stdout and not (root / ".venv").exists()


def test_the_lock_holds_hashes_for_every_package() -> None:
    text = (Path(run.__file__).parent / "requirements.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.M)[1:]
    assert len(entries) > 100 and all("--hash=sha256:" in e for e in entries) and "file:" not in text
