"""Why a notebook failed: the cell, the cause in words, the remedy; nothing that tells of the machine or of a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from helpers.report.gate import machine_words
from helpers.study import ROOT

MEMORY = (
    "Run one notebook at a time (--jobs 1), or give the study less data or a lower `engine.memory_limit`; "
    "a machine with more memory helps, too"
)
CODE = (
    "Open the notebook with `python run.py lab` and run it down to this cell; there the whole message is shown. "
    "If neither the notebook nor a helper was changed, this is a fault of the collection: please report it"
)
VALUE = (
    "The message names what does not fit. Change the parameter with --set NOTEBOOK.NAME=VALUE or in the study file; "
    "`python run.py check STUDY` tells what the data hold"
)
FILES = "Run `python run.py check STUDY`: it reads every file again. Free some disk space if the disk is full"
PACKAGES = "Run the command again: it renews the environment. A notebook may import only what requirements.txt lists"
CHECK = (
    "A check in the notebook found a contradiction. If the notebook or a helper was changed, look at that change "
    "first; else please report it"
)

KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("MemoryError", "_ArrayMemoryError", "OutOfMemoryException", "OutOfMemoryError"), "the memory was full", MEMORY),
    (("ModuleNotFoundError", "ImportError"), "a package or module is missing", PACKAGES),
    (("OSError", "IOError", "FileNotFoundError", "PermissionError", "IOException"), "a file could not be used", FILES),
    (("AssertionError",), "a check does not hold", CHECK),
    (("ValueError",), "a value does not fit", VALUE),
)
"""Names of exceptions → the cause in words, the remedy; those of the helpers are values that do not fit, all others are
errors of the code."""


@dataclass(frozen=True)
class Failure:
    """Where and why a notebook stopped. `cell` counts the code cells from 1 (0: not known); `section` is the heading
    above it; `cause` and `remedy` are sentences without their full stop."""

    cause: str
    remedy: str
    cell: int = 0
    section: str = ""

    @property
    def place(self) -> str:
        """The cell in words, such as 'code cell 7, in “2 Which road”'; '' when it is not known."""
        inside = f", in “{self.section}”" if self.section else ""
        return f"code cell {self.cell}{inside}" if self.cell else ""

    @property
    def reason(self) -> str:
        """Place and cause in one line."""
        return f"{self.place}: {self.cause}" if self.place else self.cause


def of_error(name: str, message: str) -> tuple[str, str]:
    """Cause and remedy of an exception.

    >>> of_error("ZeroDivisionError", "division by zero")[0]
    'the code ran into an error (ZeroDivisionError: division by zero)'
    >>> of_error("MemoryError", "")[0]
    'the memory was full (MemoryError)'
    """
    otherwise = ("a value does not fit", VALUE) if name in own_errors() else ("the code ran into an error", CODE)
    words, remedy = next(((w, r) for names, w, r in KINDS if name in names), otherwise)
    said = first_line(message) if message.strip() else ""
    return f"{words} ({name}: {said})" if said else f"{words} ({name})", remedy


@cache
def own_errors() -> frozenset[str]:
    """Names of the exceptions that the helpers raise for wrong values; their messages say what to do."""
    texts = (f.read_text(encoding="utf-8") for f in (ROOT / "helpers").rglob("*.py"))
    return frozenset(name for t in texts for name in re.findall(r"^class (\w+)\(\w*Error\):", t, flags=re.M))


def timed_out(seconds: int) -> tuple[str, str]:
    """Cause and remedy of a cell that was stopped."""
    return (
        f"it took longer than {seconds} second{'s' if seconds != 1 else ''} and was stopped",
        "Give it longer with --timeout SECONDS, or give the study a shorter window or fewer data",
    )


def died() -> tuple[str, str]:
    """Cause and remedy of a Python process that ended by itself."""
    return "its Python process ended suddenly, most often because the memory was full", MEMORY


def last_cell(cells: list[dict[str, Any]]) -> tuple[int, str]:
    """Number and section of the last code cell that was begun; the cells that papermill put in do not count.

    Parameters
    ----------
    cells : list of dict
        The cells of the executed notebook, with papermill's notes.

    Returns
    -------
    (int, str)
        The number among the code cells, from 1, and the heading above it; (0, "") when none was begun.
    """
    number, section, found = 0, "", (0, "")
    for cell in cells:
        source, about = "".join(cell["source"]), cell.get("metadata", {})
        if cell["cell_type"] == "markdown" and (headings := re.findall(r"^#{2,3} +(.+?)\s*$", source, flags=re.M)):
            section = re.sub(r"[*`$]", "", headings[-1])
        if cell["cell_type"] == "code":
            number += "injected-parameters" not in about.get("tags", [])
            found = (number, section) if about.get("papermill", {}).get("start_time") else found
    return found


_SECRETS = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"]+", re.I), "…"),
    (re.compile(r"(?:[A-Za-z]:)?[\\/](?:[^\\/\s'\":]+[\\/])+([^\\/\s'\":]*)"), r"\1"),  # of a path its last part stays
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "…"),
    (re.compile(r"\b(\w*(?:password|passwd|secret|token|api_?key|credential)\w*['\"]?\s*[=:]\s*)\S+", re.I), r"\1…"),
    (re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b"), "…"),
    (re.compile(r"(?<![\w.])\d{6,}(?!\w|\.\w)"), "…"),  # may be somebody's id
)


def first_line(text: str, longest: int = 300) -> str:
    """The first line of a message, fit for a page: no path, host, address, secret or long number in it.

    >>> first_line("no file /home/li/shop/events.csv here\\nmore")
    'no file events.csv here'
    >>> first_line("user 1234567 at https://li:pw@host/x, token=abc")
    'user … at … token=…'
    """
    line = next((x for x in text.strip().splitlines() if x.strip()), "no message").strip()
    for pattern, instead in _SECRETS:
        line = pattern.sub(instead, line)
    for word in sorted(machine_words(), key=len, reverse=True):
        line = line.replace(word, "…")
    return line if len(line) <= longest else line[: longest - 1] + "…"
