"""Planted faults of events.csv: each kind an exact number of lines, so that an intake can be graded."""

from __future__ import annotations

import numpy as np

from helpers.simulate.settings import DAY, START, SettingsError, ShopSettings, stream

COUNTS = {
    "duplicate": 25,
    "out of window": 20,
    "unknown behaviour": 12,
    "too few fields": 8,
    "bad integer": 10,
    "missing key": 1,
    "repeated header": 1,
    "blank": 1,
}
"""Kind of fault (in the words of the intake's ledger) → number of lines. 'blank' is an empty line."""
HEADER = b"user_id,item_id,category_id,behavior,timestamp"
FEWEST = 200
_BAD = (b"2.5", b"1e3", b"0x10", b" 7", b"1_000")


def soil(text: bytes, settings: ShopSettings) -> bytes:
    """Put the planted faults between the lines of a piece of events.csv.

    Each faulty line is made from a line of the piece; a duplicate stands anywhere below its original.
    """
    rng = stream(settings.seed, "dirt")
    lines = text.splitlines()
    if len(lines) < FEWEST:
        raise SettingsError(
            f"dirt: {len(lines)} events are too few for the planted faults; give more users or dirt=False"
        )
    makers = {
        "duplicate": lambda f, k: f, "out of window": lambda f, k: [*f[:4], _outside(settings, k)],
        "unknown behaviour": lambda f, k: [*f[:3], (b"click", b"share", b"5")[k % 3], f[4]],
        "too few fields": lambda f, k: f[: 2 + k % 3], "bad integer": lambda f, k: [f[0], _BAD[k % 5], *f[2:]],
        "missing key": lambda f, k: [b"", *f[1:]], "repeated header": lambda f, k: [HEADER], "blank": lambda f, k: [],
    }  # fmt: skip
    # the piece's first and last lines stay clean, so a fault is never mistaken for a header or a cut-off end
    faults = []
    for kind, count in COUNTS.items():
        chosen = np.sort(rng.choice(len(lines) - 2, count, replace=False)) + 1
        for k, source in enumerate(chosen):
            place = rng.integers(source + 1, len(lines))
            faults.append((int(place), b",".join(makers[kind](lines[source].split(b","), k))))
    faults.sort(key=lambda f: f[0])
    places = np.array([place for place, _ in faults])
    soiled: list[bytes] = []
    before = 0
    for place, line in zip(places, (line for _, line in faults), strict=True):
        soiled += [*lines[before:place], line]
        before = place
    return b"\n".join([*soiled, *lines[before:], b""])


def _outside(settings: ShopSettings, k: int) -> bytes:
    # days before and after the log, and years that a 32-bit clock gives
    moments = (START - (k + 1) * DAY, settings.end + (k + 1) * DAY, 2_120_000_000 + k, -2_114_000_000 + k)
    return str(moments[k % 4]).encode()
