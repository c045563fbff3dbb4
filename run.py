"""Set-up and tasks of Smart Marketing Notebooks, with nothing but Python 3.11 or newer.

    python run.py reports [STUDY]    run the notebooks on a study and publish their pages (the demo shop first)
    python run.py new FILE           look at a file and write a first study file for it
    python run.py check STUDY        account for every line, and say what the data can answer
    python run.py convert LAYOUT FILE  make the table of orders of a public file (cdnow, online_retail)
    python run.py lab                open the notebooks in JupyterLab
    python run.py compare A B        what changed between two reports
    python run.py export STUDY --notebook 21  an executed notebook to hand on
    python run.py workbook           write the notebooks for a class, without outputs and solutions
    python run.py simulate           make a demo shop
    python run.py test               run all checks
    python run.py torture            put every promise of reliability and security to the test
    python run.py bench              measure how large a log may be, against other ways
    python run.py pip ...            pip of the project's own environment

The first call makes the environment `.venv` from the hashed lock `requirements.txt`; later calls only look at a stamp.
`python run.py COMMAND --help` shows the options of a command.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)
PTH = "smart_marketing_notebooks.pth"


class SetUpError(Exception):
    """The set-up cannot go on; the message says why and what to do."""


def say(text):
    """One line at once, so that a pipe sees the progress too."""
    print(text, flush=True)


# --- what is needed before anything else ------------------------------------------------------------------------------


def check_python(version=sys.version_info):
    """Refuse a Python that is too old."""
    if tuple(version[:2]) < OLDEST:
        raise SetUpError(
            f"This is Python {version[0]}.{version[1]}; {OLDEST[0]}.{OLDEST[1]} or newer is needed. "
            "Install it (python.org, or your system's packages) and call it: python3.12 run.py reports"
        )


def check_modules(find=None):
    """Refuse a Python without venv or ensurepip, as Debian and Ubuntu ship it."""
    from importlib.util import find_spec

    missing = [m for m in ("venv", "ensurepip") if (find or find_spec)(m) is None]
    if missing:
        raise SetUpError(
            f"This Python has no {' and no '.join(missing)}. On Debian and Ubuntu: sudo apt install python3-venv. "
            "Elsewhere install the complete Python from python.org. Then run this again."
        )


# --- the environment --------------------------------------------------------------------------------------------------


def venv_python(venv):
    """The interpreter of an environment."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def wanted_stamp(root=ROOT):
    """What the stamp of a finished set-up says: the lock, the set-up code, where it stands and under which Python."""
    lock = hashlib.sha256((root / "requirements.txt").read_bytes()).hexdigest()
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return f"{lock}\n{code}\n{root}\n{sys.version_info[0]}.{sys.version_info[1]}\n"


def is_ready(venv, wanted):
    """Does the environment stand as the lock wants it?"""
    stamp = venv / "set-up.stamp"
    return venv_python(venv).exists() and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted


def set_up(root=ROOT, call=None, tell=say):
    """Make or renew `.venv`: uv from the lock, all packages with hashes, and the project itself on the path."""
    venv, call = root / ".venv", call or logged_call
    with one_at_a_time(root / ".venv.lock", tell):
        wanted = wanted_stamp(root)
        if is_ready(venv, wanted):
            return
        check_modules()
        (venv / "set-up.stamp").unlink(missing_ok=True)
        python = make_venv(venv, call, tell)
        install(python, root / "requirements.txt", call, tell)
        put_on_path(python, root, call)
        (venv / "set-up.stamp").write_text(wanted, encoding="utf-8")


def make_venv(venv, call, tell):
    """The environment's interpreter; a broken or older environment is made anew."""
    python = venv_python(venv)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    question = "import sys, pip; print(sys.version_info[0], sys.version_info[1], sep='.')"
    if python.exists() and call([str(python), "-c", question], None)[1].strip() == version:
        return python
    tell("making the environment .venv ...")
    code, said = call([sys.executable, "-m", "venv", "--clear", str(venv)], None)
    if code:
        raise SetUpError(f"The environment .venv could not be made. {explain(said)}")
    return python


def install(python, lock, call, tell):
    """All packages of the lock, each checked against its hash: with uv, and with pip where uv cannot."""
    started = time.monotonic()
    pip = [str(python), "-m", "pip"]
    tell("installing the packages of requirements.txt (one to five minutes, about 1.5 GB) ...")
    if install_uv(pip, lock, call):
        settings = uv_settings(call([*pip, "config", "list"], None)[1])
        uv = [str(python), "-m", "uv", "pip", "install", "--python", str(python), "--require-hashes"]
        code, _ = call([*uv, "--compile-bytecode", "-r", str(lock)], settings)
        if code == 0:
            tell(f"installed in {time.monotonic() - started:.0f} s")
            return
        tell("uv could not; pip takes over (this takes longer) ...")
    code, said = call([*pip, "install", "--require-hashes", "--disable-pip-version-check", "-r", str(lock)], None)
    if code:
        raise SetUpError(f"The packages could not be installed. {explain(said)}")
    tell(f"installed in {time.monotonic() - started:.0f} s")


def install_uv(pip, lock, call):
    """Install uv alone, with its hashes from the lock; False when that is not possible."""
    entry = re.search(r"^uv==.*?(?=^\S)", lock.read_text(encoding="utf-8") + "\nend", flags=re.M | re.S)
    if entry is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "uv.txt"
        alone.write_text(entry[0], encoding="utf-8")
        command = [*pip, "install", "--require-hashes", "--no-deps", "--disable-pip-version-check", "-r", str(alone)]
        return call(command, None)[0] == 0


def uv_settings(pip_config):
    """pip's own settings as variables for uv, which does not read them: index, folders of wheels, certificates."""
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
        "proxy": "ALL_PROXY",
    }
    found = {}
    for key, value in re.findall(r"^[^=\n]*\.([a-z-]+)='(.*)'$", pip_config, flags=re.M):
        if key in names:
            words = value.replace("\\n", " ").split()
            found[names[key]] = (",".join(words) if key == "find-links" else " ".join(words)) or value
        if key == "no-index" and value.lower() in ("1", "true", "yes", "on"):
            found["UV_NO_INDEX"] = "1"
    if "UV_INDEX" in found:
        # as pip does; each package is checked against its hash, so it does not matter which index served it
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in found.items() if name not in os.environ}


def put_on_path(python, root, call):
    """Let the environment find `helpers` from any folder: one line in a .pth file, nothing to build."""
    code, said = call([str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], None)
    if code:
        raise SetUpError(f"The environment .venv does not work. {explain(said)}")
    (Path(said.strip().splitlines()[-1]) / PTH).write_text(f"{root}\n", encoding="utf-8")
    call([str(python), "-m", "compileall", "-q", str(root / "helpers")], None)


def logged_call(command, more):
    """Run a command quietly; (exit status, all that it said). What it said goes to .venv.log, not to the screen."""
    environment = child_environment() | (more or {})
    # packages are compiled once here: imports are three times faster afterwards
    ended = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    with contextlib.suppress(OSError), (ROOT / ".venv.log").open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command[1:])}\n{ended.stdout}\n")
    return ended.returncode, ended.stdout


CAUSES = (
    (r"No space left|not enough space|disk full|ENOSPC", "The disk is full: about 1.5 GB are needed. Free some space"),
    (r"do not match the hashes|hash mismatch|Hash mismatch",
     "A package differs from the lock: damaged on the way, or changed. Empty pip's cache (python -m pip cache purge)"),
    (r"No matching distribution|Could not find a version|no wheels? with a matching|No solution found",
     "The package index does not have a needed package, or could not be reached. Check the network and pip's settings "
     "(python -m pip config list)"),
    (r"ConnectionError|NewConnectionError|name resolution|Failed to fetch|timed out|Connection refused|getaddrinfo|SSL",
     "No package index could be reached. Check the network, the proxy (HTTPS_PROXY) and pip's settings "
     "(python -m pip config list)"),
    (r"ensurepip", "It has no ensurepip. On Debian and Ubuntu: sudo apt install python3-venv"),
    (r"Permission denied|Access is denied|Read-only file system",
     "This folder cannot be written. Make it writable, or move the project; on Windows close programs that use .venv"),
)  # fmt: skip


def explain(said):
    """The cause of a failed installation in words; hosts and paths stay in the log."""
    cause = next((text for pattern, text in CAUSES if re.search(pattern, said)), "The cause stands in the log")
    return f"{cause}, then run this again. All that was said: .venv.log"


@contextlib.contextmanager
def one_at_a_time(file, tell):
    """Wait until no other run sets up this folder. The lock falls with the process, however it ends."""
    with file.open("a+b") as handle:
        waiting = False
        while not take(handle):
            if not waiting:
                tell("another run is setting up; waiting for it ...")
            waiting = True
            time.sleep(0.5)
        yield


def take(handle):
    """Try to lock an open file."""
    try:
        if os.name == "nt":
            import msvcrt

            handle.seek(0)
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# --- hand over --------------------------------------------------------------------------------------------------------


def child_environment(base=None):
    """The environment of every child: text is UTF-8, hashes are equal in every run, compiled code is kept."""
    environment = dict(os.environ if base is None else base)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONSAFEPATH"):
        environment.pop(name, None)
    return environment | {"PYTHONUTF8": "1", "PYTHONHASHSEED": "0"}


def hand_over(python, arguments):
    """Become the environment's interpreter; on Windows wait for it, as a process cannot be replaced there."""
    module = ["-m", "pip", *arguments[1:]] if arguments[:1] == ["pip"] else ["-P", "-m", "helpers", *arguments]
    command = [str(python), *module]
    if os.name != "nt":
        sys.stdout.flush()
        os.execve(command[0], command, child_environment())
    try:
        return subprocess.run(command, env=child_environment()).returncode
    except KeyboardInterrupt:
        return 130


def main(arguments):
    """Set up when needed, then run the command."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__)
        return 0 if arguments else 2
    try:
        check_python()
        venv = ROOT / ".venv"
        if not is_ready(venv, wanted_stamp()):
            set_up()
        return hand_over(venv_python(venv), arguments)
    except SetUpError as error:
        print(f"Error: {error}", file=sys.stderr)
    except OSError as error:
        free = shutil.disk_usage(ROOT).free
        reason = explain(error.strerror or str(error)) if free > 1e8 else explain("No space left")
        print(f"Error: the set-up stopped. {reason}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted; run it again to go on.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
