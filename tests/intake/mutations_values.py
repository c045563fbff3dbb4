"""Ways in which the values of a log are not what they should be: ids, numbers, flags, days, times, words."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime

from tests.intake.logs_to_break import Log, iso_text
from tests.intake.operators import OPERATORS, on_log, some_values

NUMBERS = ("id", "whole", "number")


def values(*kinds: str, most: int = 5) -> Callable[[Callable[[], list]], None]:
    """Enter a list of values that are put into columns of some kinds; the rest of the file must be taken."""

    def enter(listed: Callable[[], list]) -> None:
        def put(log: Log, r: random.Random) -> None:
            some_values(log, r, [v.encode() if isinstance(v, str) else v for v in listed()], *kinds, most=most)

        put.__name__ = listed.__name__
        on_log("taken", textual=True, kinds=kinds)(put)

    return enter


# --- ids and numbers --------------------------------------------------------------------------------------------------


@values("id", "whole")
def bad_ids():
    return [
        "2.5", "1e3", "1_000", "0x10", " 7", "7 ", "+5", "007", "0b1", "1L", "7.", "٣", "--5", "5-", "1/2", "1,5",
        "#N/A",
    ]  # fmt: skip


@values("id", "whole")
def edge_ids():
    return [
        "9223372036854775807", "-9223372036854775808", "9007199254740993", "0", "-1", "4294967296", "2147483648",
    ]  # fmt: skip


@values(*NUMBERS)
def huge_integers():
    return [
        "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 19, "9" * 20, "1" + "0" * 300,
    ]  # fmt: skip


@values(*NUMBERS)
def full_width_digits():
    return ["１２", "１2", "1２3", "－5", "１.5", "12．5"]


@values(*NUMBERS)
def other_digits():
    return ["١٢", "१२", "²", "1²", "½", "Ⅻ", "十二", "১", "𝟏𝟐", "①"]


@values(*NUMBERS)
def signed_zero():
    return ["-0", "+0", "-0.0", "0.0", "-00", "00", "0", "-0e0", "-.0"]


@values(*NUMBERS)
def thousands():
    return [
        '"1,234"', "1.234", "1 234", "1'234", "1_234", "1\u202f234", '"1,234.50"', '"1.234,50"', '"12,34,567"',
        "1٬234",
    ]  # fmt: skip


@values(*NUMBERS)
def decimal_commas():
    return ['"12,5"', "12;5", '"0,5"', "12٫5", '"1.234,5"']


@values(*NUMBERS)
def money():
    return ["¥12.5", "12.5元", "$1", "€ 12", "12 CNY", "12.-", "(12.50)", "12.50-", "12,-", "-$5", "￥9"]


@values(*NUMBERS)
def odd_numbers():
    return [
        "1e5", "1E-05", ".5", "5.", "1e400", "-1e400", "1e-400", "0x1p3", "1d5", "12%", "NaN", "inf", "-Infinity",
        "1e", "e5",
    ]  # fmt: skip


@values(*NUMBERS)
def long_numbers():
    return [
        "0." + "1" * 400, "1" * 400 + ".5", "0" * 400 + "1", "1." + "0" * 5000,
        "0.1000000000000000055511151231257827",
    ]  # fmt: skip


@values("number")
def exact_numbers():
    return [
        "0.1", "0.30000000000000004", "2.2250738585072011e-308", "123456789012345680", "9007199254740993", "5e-324",
        "1.7976931348623157e308", "0.00001",
    ]  # fmt: skip


@values(*NUMBERS)
def minus_signs():
    return ["−5", "–5", "—5", "﹣5", "－5", "‐5", "- 5", "5−"]


@values(*NUMBERS, "moment", "date")
def spreadsheet():
    return [
        "1.23E+12", "1,23457E+12", "'123", '="123"', "=1+1", "43064.5", "1-Mar", "Mar-17", "#REF!", "#DIV/0!",
        "1900-01-00", "TRUE",
    ]  # fmt: skip


@values(*NUMBERS, "word", "moment", "date", "flag")
def hidden_characters():
    def put(mark: str) -> Callable[[bytes], bytes]:
        return lambda value: value[:1] + mark.encode() + value[1:]

    marks = [
        "\u200b", "\u00a0", "\u200f", "\u00ad", "\ufeff", "\u2060", "\u3000", "\t", "\x7f", "\u202e", "\u0301",
    ]  # fmt: skip
    return (
        [put(m) for m in marks]
        + [lambda v, m=m: m.encode() + v for m in marks]
        + [lambda v, m=m: v + m.encode() for m in marks]
    )


@values("id", "whole", "number", "word", "flag", "date", "moment", "text")
def missing_words():
    return [
        "", "", "NA", "N/A", "null", "NULL", "None", "nan", "NaN", "-", "--", "?", "\\N", "#N/A", "nil", "undefined",
        '""', " ", "<NA>", "0000-00-00",
    ]  # fmt: skip


@values("word")
def odd_words():
    return [
        "PV", "Pv", " pv", "buy ", "purchase", "=1+1", "<script>", "pv\u200b", "ｐｖ", "рv", "p v", "buys", "5", "0",
        "'buy'", "buy;pv", "購買",
    ]  # fmt: skip


@values("flag")
def odd_flags():
    return [
        "2", "-1", "01", "1.0", "yes", "no", "Y", "t", "f", "on", "tRuE", "TrUe", " true", "True", "FALSE", "ja", "是",
        "１", "None",
    ]  # fmt: skip


@values("date")
def odd_days():
    return [
        "2017-02-29", "2016-02-29", "2017-13-01", "2017-00-10", "2017-11-31", "17-11-25", "20171125",
        "2017-11-25T00:00:00", "25/11/2017", "11/25/2017", "2017-1-5", "0000-01-01", "0001-01-01", "9999-12-31",
        "10000-01-01", "２０１７-11-25", "2017/11/25", "2017-11-25 ", "-2017-11-25", "2017-329", "2017-W47-6", "43064",
    ]  # fmt: skip


@values("text")
def odd_texts():
    return [
        "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "'; DROP TABLE items;--", "${7*7}", "../../etc/passwd",
        "\u202etxt.exe", '"a""b"', "\u0000".replace("\0", "␀"), "a\u0300" * 50, "😀" * 60, "[](javascript:alert(1))",
        "%s%n", "{{7*7}}", "$\\href{x}{y}$", "x" * 5000, "NA", "0012", "1e5", "TRUE", "é", "e\u0301", "\ud7ff",
        "\U0010ffff", "\ue000",
    ]  # fmt: skip


# --- times ------------------------------------------------------------------------------------------------------------


@values("moment")
def odd_times():
    return [
        "1.5e9", "1511544070.0", "1511544070.5", "0", "-1", "99999999999999999999", "01511544070", "nan",
        "1511544070Z", "+1511544070", "1 511 544 070", "１５１１５４４０７０", "0x5A18C386", "now",
        "9223372036854775807",
        "-9223372036854775808", "9223372036854775808",
    ]  # fmt: skip


@values("moment")
def window_edges():
    return [
        "1511539199", "1511539200", "1512316799", "1512316800", "1511539199999", "1511539200000", "1512316799999",
        "1512316800000", "2017-11-24T23:59:59+08:00", "2017-11-25T00:00:00+08:00", "2017-12-03T23:59:59.999999+08:00",
        "2017-12-04T00:00:00+08:00",
    ]  # fmt: skip


@values("moment")
def far_times():
    return [
        "-2145916800", "2145916800", "4102444800", "253402300799", "253402300800", "32503680000", "-62135596800",
        "2147483648", "9999-12-31T23:59:59Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
        "1902-01-01T00:00:00Z", "2038-01-19T03:14:08Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    ]  # fmt: skip


@values("moment", most=30)
def other_units():
    """Some moments in milli-, micro- or nanoseconds in place of the column's unit."""

    def times(n: int) -> Callable[[bytes], bytes]:
        return lambda v: b"%d" % (int(v) * n) if v.isdigit() else v

    return [times(1000), times(1_000_000), times(10**9), lambda v: v[:-3], lambda v: v[:10]]


@values("moment", most=20)
def naive_times():
    return [
        "2017-11-25 09:00:00", "2017-11-25T09:00:00", "2017-11-25", "20171125", "20171125090000", "2017-11-25 09:00",
        "09:00:00",
    ]  # fmt: skip


@values("moment", most=20)
def ambiguous_times():
    return [
        "03/04/2017 09:00", "11/12/2017 09:00:00", "12.11.2017 09:00", "25-11-17 09:00", "Nov 25 2017 9:00AM",
        "2017-11-25 09:00:00 PM", "2017-25-11T09:00:00Z", "17-11-25T09:00:00Z", "2017年11月25日 9时",
        "Sat, 25 Nov 2017 09:00:00 GMT",
    ]  # fmt: skip


@values("moment", most=20)
def zones():
    stems = ["2017-11-26T09:00:00", "2017-10-29 02:30:00", "2017-11-05T01:30:00"]
    ends = [
        "Z", "z", "+08:00", "+0800", "+08", "-05:00", "+05:30", "+05:45", "+14:00", "-12:00", "+00:00", "-00:00",
        " UTC", " GMT", " +08:00", "[Asia/Shanghai]", " Asia/Shanghai", " CST", " CET", "+24:00", "+25:00", "+08:60",
        "+08:00:30", "+8:00", "UTC", " +0000 UTC", "−05:00",
    ]  # fmt: skip
    return [s + e for s in stems for e in ends]


@values("moment", most=20)
def clock_changes():
    """The hour that a clock has twice or not at all, with and without its offset."""
    ends = ("+02:00", "+01:00", "", " CEST")
    berlin = [f"2017-10-29T0{h}:{m}:00{z}" for h in (1, 2, 3) for m in ("00", "30", "59") for z in ends]
    new_york = [f"2017-11-05T0{h}:30:00{z}" for h in (0, 1, 2) for z in ("-04:00", "-05:00", "")]
    return [*berlin, *new_york, "2017-03-26T02:30:00+01:00", "2017-03-26T02:30:00"]


@values("moment", most=20)
def impossible_times():
    clocks = [
        "25T24:00:00", "25T23:59:60", "25T25:00:00", "25T09:60:00", "31T09:00:00", "25T9:00:00", "25T09:00",
        "25t09:00:00", "25_09:00:00", "25T09.00.00", "25  09:00:00", "25T09:00:00.", "25T09:00:00.1234567890",
        "00T09:00:00",
    ]  # fmt: skip
    days = ["2017-02-29T00:00:00Z", "2017-13-01T00:00:00Z", "+2017-11-25T09:00:00Z", "2017-W47-6T09:00:00Z"]
    return [f"2017-11-{t}Z" for t in clocks] + days


@values("moment", most=20)
def fractions():
    return [
        f"2017-11-26T09:00:00{f}Z" for f in (".1", ".12", ".123", ".1234567", ".999999999", ",5", ".000", ":500", ". 5")
    ]


@on_log()
def whole_column_in_other_unit(log: Log, r: random.Random) -> None:
    """All moments in one other unit; the study leaves the unit open, and intake has to say which it found."""
    if log.told.unit != "s" or not (places := log.places("moment")):
        return
    unit, per = r.choice([("ms", 1000), ("us", 1_000_000)])
    for column in places:
        _change_column(log, column, lambda v: b"%d" % (int(v) * per + r.randrange(per)) if v.isdigit() else v)
    log.tell(unit=unit)


@on_log()
def whole_column_as_text(log: Log, r: random.Random) -> None:
    """All moments in ISO 8601 with offsets."""
    if log.told.unit != "s" or not (places := log.places("moment")):
        return
    for column in places:
        _change_column(log, column, lambda v: iso_text(int(v), r).encode() if v.isdigit() else v)
    log.tell(unit="iso")


@on_log("refused")
def whole_column_without_zone(log: Log, r: random.Random) -> None:
    """All moments without an offset: nobody knows when that was."""
    if log.told.unit != "s" or not (places := log.places("moment")):
        OPERATORS["empty"].change(log, r)
        return
    style = r.choice(["%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%Y-%m-%dT%H:%M:%S", "%b %d %Y %H:%M"])
    _change_column(
        log, places[0], lambda v: datetime.fromtimestamp(int(v), UTC).strftime(style).encode() if v.isdigit() else v
    )


@on_log(textual=True)
def column_of_one_wrong_kind(log: Log, r: random.Random) -> None:
    """One whole column that holds something else."""
    column = r.randrange(len(log.columns))
    value = r.choice([b"", b"NA", b"x", b"1.0", b"2017-11-25", b"=1", b"-1", b"00"])
    _change_column(log, column, lambda _: value)


@on_log(textual=True)
def columns_exchanged(log: Log, r: random.Random) -> None:
    """Two columns in each other's place in all rows, but not in the header."""
    if len(log.columns) < 2:
        return
    a, b = r.sample(range(len(log.columns)), 2)
    lines = log.data.split(b"\n")
    for i in range(1 if log.told.header else 0, len(lines) - 1):
        fields = lines[i].split(b",")
        if len(fields) > max(a, b):
            fields[a], fields[b] = fields[b], fields[a]
            lines[i] = b",".join(fields)
    log.data = b"\n".join(lines)


def _change_column(log: Log, column: int, change: Callable[[bytes], bytes]) -> None:
    lines = log.data.split(b"\n")
    for i in range(1 if log.told.header else 0, len(lines) - 1):
        fields = lines[i].split(b",")
        if column < len(fields):
            fields[column] = change(fields[column])
            lines[i] = b",".join(fields)
    log.data = b"\n".join(lines)
