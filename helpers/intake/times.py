"""Instants, days and months: text → numbers, and numbers → the calendar of the study's zone.

Only fixed arithmetic on the proleptic Gregorian calendar; nothing asks the machine for its zone.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]{1,9})?(Z| UTC|[+-][0-9]{2}:?[0-9]{2})$"
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
MONTH = r"^[0-9]{4}-(0[1-9]|1[0-2])$"
PER_SECOND = {"s": 1, "ms": 1000, "us": 1_000_000}
PLAUSIBLE = (-2_208_988_800, 7_258_118_399)  # the years 1900 … 2199, for instants that no window bounds


def civil_days(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 of a calendar day.

    >>> civil_days(np.array([1970, 2017]), np.array([1, 11]), np.array([1, 25])).tolist()
    [0, 17495]
    """
    y = year - (month <= 2)
    era = y // 400
    in_era = y - era * 400
    of_year = (153 * (month + np.where(month > 2, -3, 9)) + 2) // 5 + day - 1
    return era * 146097 + in_era * 365 + in_era // 4 - in_era // 100 + of_year - 719468


def _month_days(year: np.ndarray, month: np.ndarray) -> np.ndarray:
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    return np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[month] + (leap & (month == 2))


def _digits(text: pa.Array, start: int, stop: int) -> np.ndarray:
    return pc.cast(pc.binary_slice(text.cast(pa.binary()), start, stop).cast(pa.string()), pa.int64()).to_numpy(
        zero_copy_only=False
    )


def _known_days(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Day numbers of texts that start with YYYY-MM-DD in digits, and which of them exist."""
    year, month, day = _digits(text, 0, 4), _digits(text, 5, 7), _digits(text, 8, 10)
    good = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    month = np.where(good, month, 1)
    good &= day <= _month_days(year, month)
    return civil_days(year, month, np.where(good, day, 1)), good


def parse_days(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """YYYY-MM-DD → days since 1970-01-01, and which texts are such a day.

    >>> parse_days(pa.array(["2017-11-25", "2017-02-29", "x"]))[1].tolist()
    [True, False, False]
    """
    return _where_matches(text, DAY, _known_days)


def parse_iso(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """ISO 8601 with an offset (or ' UTC') → microseconds since 1970-01-01 UTC, and which texts are such an instant.

    >>> us, good = parse_iso(pa.array(["1970-01-01T08:00:01+08:00", "1970-01-01T00:00:00"]))
    >>> us.tolist(), good.tolist()
    ([1000000, 0], [True, False])
    """
    return _where_matches(text, ISO, _known_instants)


def _where_matches(text: pa.Array, pattern: str, parse) -> tuple[np.ndarray, np.ndarray]:
    matches = pc.fill_null(pc.match_substring_regex(text, pattern), False).to_numpy(zero_copy_only=False)
    values, good = np.zeros(len(text), np.int64), matches.copy()
    if matches.any():
        values[matches], good[matches] = parse(text.filter(pa.array(matches)))
    return np.where(good, values, 0), good


def _known_instants(text: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    days, good = _known_days(text)
    hour, minute, second = _digits(text, 11, 13), _digits(text, 14, 16), _digits(text, 17, 19)
    good &= (hour < 24) & (minute < 60) & (second < 60)
    tail = pc.binary_slice(text.cast(pa.binary()), 19, 64).cast(pa.string())
    tail = pc.replace_substring(pc.replace_substring(tail, " UTC", "Z"), ",", ".")
    parts = pc.extract_regex(tail, r"^\.?(?P<frac>[0-9]*)(?P<sign>[Z+-])(?P<h>[0-9]{0,2}):?(?P<m>[0-9]{0,2})$")
    micro = pc.struct_field(parts, "frac")
    micro = pc.utf8_slice_codeunits(pc.utf8_rpad(micro, 6, "0"), 0, 6)
    sign = np.where(pc.equal(pc.struct_field(parts, "sign"), "-").to_numpy(zero_copy_only=False), -1, 1)
    off_hour, off_minute = (_or_zero(pc.struct_field(parts, p)) for p in ("h", "m"))
    good &= (off_hour <= 18) & (off_minute < 60)
    seconds = days * 86400 + hour * 3600 + minute * 60 + second - sign * (off_hour * 3600 + off_minute * 60)
    return seconds * 1_000_000 + micro.cast(pa.int64()).to_numpy(zero_copy_only=False), good


def _or_zero(text: pa.Array) -> np.ndarray:
    return pc.utf8_lpad(text, 2, "0").cast(pa.int64()).to_numpy(zero_copy_only=False)


def unit_of(values: list[str]) -> str | None:
    """The unit of a column of instants, by the range of a sample: 's', 'ms', 'us', 'iso', or None when unclear.

    Seconds of the years 1973 … 5138 have fewer than 12 digits; milliseconds of 1973 … 5138 have 12 to 14.

    >>> unit_of(["1511544070"]), unit_of(["1511544070000"]), unit_of(["2017-11-25T01:21:10Z"])
    ('s', 'ms', 'iso')
    """
    filled = [v for v in values if v]
    numbers = sorted(abs(int(v)) for v in filled if v.lstrip("-").isascii() and v.lstrip("-").isdigit() and len(v) < 20)
    iso = sum(1 for v in filled if len(v) >= 19 and v[4:5] == "-" and v[7:8] == "-" and v[10:11] in "T ")
    if iso > len(numbers):
        return "iso"
    if not numbers:
        return None
    middle = numbers[len(numbers) // 2]
    return "s" if middle < 10**11 else "ms" if middle < 10**14 else "us" if middle < 10**17 else None


class Calendar:
    """Day and hour of an instant in one time zone, by a table of its offsets over a span."""

    def __init__(self, zone: ZoneInfo, first: int, last: int) -> None:
        self._changes, self._offsets = _offsets(zone, first, last)

    def local(self, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Days since 1970-01-01 (int32) and hours 0 … 23 (int8) in the zone."""
        at = np.searchsorted(self._changes, seconds, side="right") - 1 if len(self._changes) > 1 else 0
        there = seconds + self._offsets[at]
        return (there // 86400).astype(np.int32), (there % 86400 // 3600).astype(np.int8)


def _offset(zone: ZoneInfo, second: int) -> int:
    return int(datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset().total_seconds())  # type: ignore[union-attr]


def _offsets(zone: ZoneInfo, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """The moments from which an offset holds: days are compared, then the second is found by halving."""
    changes, offsets = [first], [_offset(zone, first)]
    for day in range(first, last + 86400, 86400):
        end = min(day + 86400, last + 1)
        if _offset(zone, end) != offsets[-1]:
            low, high = day, end
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == offsets[-1] else (low, middle)
            changes.append(high)
            offsets.append(_offset(zone, end))
    return np.array(changes), np.array(offsets)
