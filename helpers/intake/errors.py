"""The one error of the data door, and how a value from a file is shown in it."""

from __future__ import annotations

ABSENT = "the file has a header but no rows; it counts as absent"
"""What is said of a table without rows that its study can do without."""


class IntakeError(ValueError):
    """Input that cannot be taken in: file, line, column, value and what to do about it, in one message."""


def shown(value: bytes | str, *, width: int = 60) -> str:
    r"""A value from a file, escaped to one printable line and shortened.

    >>> shown("a\tb")
    "'a\\tb'"
    >>> shown("x" * 100, width=8)
    "'xxxxx…'"
    """
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    quoted = ascii(text[: width * 2]) if not text.isprintable() else repr(text[: width * 2])
    if len(quoted) <= width and len(text) <= width * 2:
        return quoted
    return quoted[: width - 2] + "…" + quoted[0]
