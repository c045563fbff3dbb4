"""The list of all ways to break a log, and what they share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.intake.logs_to_break import Log

Change = Callable[[Log, random.Random], None]
OnBytes = Callable[[bytes, random.Random], bytes]


@dataclass(frozen=True)
class Operator:
    """A way to break a log. `must` says what has to come of it as long as its header is whole: 'taken' or 'refused';
    empty where both are right. `textual` ones change nothing but the text, so that they can be mixed.
    `kinds`: a column of one of these kinds must be there."""

    name: str
    change: Change
    must: str
    textual: bool
    kinds: tuple[str, ...] = ()


OPERATORS: dict[str, Operator] = {}


def on_log(must: str = "", *, textual: bool = False, kinds: tuple[str, ...] = ()) -> Callable[[Change], Change]:
    """Enter a function that changes a log into the list."""

    def enter(change: Change) -> Change:
        OPERATORS[change.__name__] = Operator(change.__name__, change, must, textual, kinds)
        return change

    return enter


def on_bytes(must: str = "") -> Callable[[OnBytes], OnBytes]:
    """Enter a function that makes other bytes of a log's text into the list."""

    def enter(change: OnBytes) -> OnBytes:
        def put(log: Log, r: random.Random) -> None:
            log.data = change(log.data, r)

        OPERATORS[change.__name__] = Operator(change.__name__, put, must, True)
        return change

    return enter


def some(data: bytes, r: random.Random, change: Callable[[bytes], bytes], most: int = 5) -> bytes:
    """Change a few lines; one time in ten the first may be among them, which may be the header."""
    lines = data.split(b"\n")
    first = 0 if r.random() < 0.1 or len(lines) < 4 else 1
    places = range(first, max(first + 1, len(lines) - 1))
    for i in r.sample(places, min(len(places), r.randint(1, most))):
        lines[i] = change(lines[i])
    return b"\n".join(lines)


def field(line: bytes, r: random.Random, value: bytes, column: int | None = None) -> bytes:
    """Put a value in the place of a field."""
    fields = line.split(b",")
    fields[r.randrange(len(fields)) if column is None else min(column, len(fields) - 1)] = value
    return b",".join(fields)


def some_values(log: Log, r: random.Random, values: list, *kinds: str, most: int = 5) -> None:
    """Put values (bytes, or functions of the value that stands there) in columns of some kinds; the header stays."""
    places = log.places(*kinds)
    if not places:
        return
    lines = log.data.split(b"\n")
    first = 1 if log.told.header else 0
    for i in r.sample(range(first, len(lines) - 1), min(len(lines) - 1 - first, r.randint(1, most))):
        column, value = r.choice(places), r.choice(values)
        fields = lines[i].split(b",")
        if column < len(fields):
            fields[column] = value(fields[column]) if callable(value) else value
            lines[i] = b",".join(fields)
    log.data = b"\n".join(lines)
