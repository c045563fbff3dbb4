"""Characters that nobody sees but that act: they steer a terminal, or turn the order of the letters round."""

from __future__ import annotations

SIGN = "\ufffd"
_CONTROLS = {*range(0x20), *range(0x7F, 0xA0)} - {ord(c) for c in "\t\n\r"}
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_NO_CHARACTERS = {0xFFFE, 0xFFFF, *range(0xD800, 0xE000)}
_HIDDEN = dict.fromkeys(_CONTROLS | _DIRECTIONS | _NO_CHARACTERS, SIGN)


def visible(text: str) -> str:
    r"""The text with a sign in the place of every character that acts unseen.

    These are the control characters but for tab and line ends, what Unicode calls no character, and the marks that set
    the direction of writing: 'a<mark>fdp.exe' would read as 'aexe.pdf'.

    >>> visible("\x1b[31mred") == "\ufffd[31mred", visible("one\ttwo\n")
    (True, 'one\ttwo\n')
    """
    return text.translate(_HIDDEN)
