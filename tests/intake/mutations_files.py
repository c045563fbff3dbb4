"""Ways in which a file is not what its study says: headers, archives, other formats, names, several files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile
import zipfile
from dataclasses import replace

from tests.intake.logs_to_break import EVENTS, SWAPPED, Log, plain
from tests.intake.operators import on_bytes, on_log

NAMES = list(EVENTS)


def _with_header(log: Log, names: list[str], line: bytes | None = None) -> None:
    """Put another header line in the place of the log's own, or on top."""
    line = ",".join(names).encode() if line is None else line
    rest = log.data.partition(b"\n")[2] if log.told.header else log.data
    log.data = line + b"\n" + rest


# --- headers ----------------------------------------------------------------------------------------------------------


@on_log("refused")
def header_missing(log: Log, r: random.Random) -> None:
    if not log.told.header:
        _as_headed(log)
    log.data = log.data.partition(b"\n")[2]


@on_log("refused")
def header_not_told(log: Log, r: random.Random) -> None:
    if log.told.header or log.told.table != "events":
        log.__dict__.update(plain(r).__dict__)
    log.data = ",".join(NAMES).encode() + b"\n" + log.data


def _as_headed(log: Log) -> None:
    """The study says that there is a header, and names its columns."""
    log.data = ",".join(log.columns).encode() + b"\n" + log.data
    log.tell(header=True, columns=None)


@on_log()
def header_twice(log: Log, r: random.Random) -> None:
    top = log.data.partition(b"\n")[0] + b"\n"
    log.data = top * r.randint(1, 4) + log.data


@on_log()
def header_inside(log: Log, r: random.Random) -> None:
    lines = log.data.split(b"\n")
    for _ in range(r.randint(1, 4)):
        lines.insert(r.randrange(1, len(lines) - 1), ",".join(log.columns).encode())
    log.data = b"\n".join(lines)


@on_log()
def header_reordered(log: Log, r: random.Random) -> None:
    _with_header(log, r.sample(log.columns, len(log.columns)))


@on_log()
def header_renamed(log: Log, r: random.Random) -> None:
    names, at = list(log.columns), r.randrange(len(log.columns))
    names[at] = r.choice(
        ["userid", "user id", "USER_ID", "用户", "", "x", names[at] + "_", names[at][::-1], names[at] + "\u200b"]
    )
    _with_header(log, names)


@on_log()
def header_in_capitals(log: Log, r: random.Random) -> None:
    _with_header(log, [n.upper() if r.random() < 0.5 else n.title() for n in log.columns])


@on_log()
def header_with_spaces(log: Log, r: random.Random) -> None:
    _with_header(log, [r.choice([" ", "", "\t", "\u00a0"]) + n + r.choice([" ", ""]) for n in log.columns])


@on_log()
def header_quoted(log: Log, r: random.Random) -> None:
    _with_header(log, [f'"{n}"' if r.random() < 0.7 else n for n in log.columns])


@on_log()
def header_doubled_column(log: Log, r: random.Random) -> None:
    names = list(log.columns)
    names[r.randrange(len(names))] = r.choice(names)
    _with_header(log, names)


@on_log()
def header_wider(log: Log, r: random.Random) -> None:
    _with_header(log, log.columns + [r.choice(["x", "", "extra", log.columns[0]]) for _ in range(r.randint(1, 3))])


@on_log()
def header_narrower(log: Log, r: random.Random) -> None:
    _with_header(log, log.columns[: -r.randint(1, 2)])


@on_log()
def header_with_other_delimiter(log: Log, r: random.Random) -> None:
    _with_header(log, [], r.choice([";", "\t", "|", ", "]).join(log.columns).encode())


@on_log()
def two_different_headers(log: Log, r: random.Random) -> None:
    log.data = ",".join(r.sample(log.columns, len(log.columns))).encode() + b"\n" + log.data


@on_log()
def header_far_down(log: Log, r: random.Random) -> None:
    log.data = (
        b"".join(b"# line %d of the notes\n" % i for i in range(r.choice([1, 5, 18, 19, 20, 25, 400]))) + log.data
    )


@on_log()
def header_over_two_lines(log: Log, r: random.Random) -> None:
    at = r.randrange(len(log.columns))
    names = [f'"{n[:2]}\n{n[2:]}"' if i == at else n for i, n in enumerate(log.columns)]
    _with_header(log, names)


ODD_COLUMNS = [
    "a;DROP TABLE x;--", "<script>alert(1)</script>", "=cmd|x", "x' OR '1'='1", "__class__", "../y", "{{7*7}}", "$1",
    "col[1]", "*", "select", "名前", "😀", "a b", "a.b", "\\", "%s", "None", "x" * 3000, "user_id ",
    "`q`", "0", "-", "é",
    "e\u0301", "\u202e",
]  # fmt: skip


@on_log()
def odd_column_names(log: Log, r: random.Random) -> None:
    """Columns under names that would do harm in a query, a page or a spreadsheet; the study maps them."""
    names = r.sample(ODD_COLUMNS, len(log.columns))
    wanted = log.told.columns if log.told.columns and log.told.header else None
    contract = {v: k for k, v in wanted.items()} if wanted else {n: n for n in log.columns}
    if not log.told.header:
        _as_headed(log)
    mapped = {
        contract[c]: o
        for c, o in zip(log.columns, names, strict=True)
        if contract.get(c, "note") != "note" and c != "c_note"
    }
    log.tell(columns=mapped)
    _with_header(log, names)


@on_log()
def columns_by_position(log: Log, r: random.Random) -> None:
    """The study counts the columns; the counts may be wrong."""
    log.tell(columns={n: i for i, n in enumerate(log.columns, 1) if n not in ("note", "c_note")}
             if not (log.told.columns and log.told.header) else log.told.columns)  # fmt: skip
    if r.random() < 0.4 and log.told.columns:
        log.tell(columns=log.told.columns | {next(iter(log.told.columns)): r.choice([1, 2, 7, 99])})


@on_bytes()
def preamble(data: bytes, r: random.Random) -> bytes:
    return (
        r.choice(
            [
                b"# exported by a shop\nrows: 120\n",
                b"sep=,\n",
                b"\n\n",
                b'"Report, of today"\n',
                b"---\ntitle: x\n---\n",
            ]
        )
        + data
    )


@on_bytes()
def footer(data: bytes, r: random.Random) -> bytes:
    return data + r.choice(
        [b"(120 rows affected)\n", b"Total,120,,,\n", b"\x1a", b"END", b"\\.\n", b"Total,,,,,,,120\n", b"--\n"]
    )


# --- other formats ----------------------------------------------------------------------------------------------------


OTHERS: list[tuple[bytes, bytes | None]] = [
    (b"PK\x03\x04", b""), (b"PK\x05\x06", b""), (b"PAR1", b"PAR1"), (b"\x80\x04\x95", b""), (b"<html>", b"</html>"),
    (b"<!DOCTYPE html>\n", b""), (b'<?xml version="1.0"?>', b""), (b"  \n<HTML>", b""), (b"ARROW1\0\0", b"ARROW1"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b""), (b"SQLite format 3\0", b""), (b"%PDF-1.7\n", b""),
    (b"Rar!\x1a\x07", b""),
    (b"7z\xbc\xaf\x27\x1c", b""), (b"\x28\xb5\x2f\xfd", b""), (b"\x89HDF\r\n\x1a\n", b""), (b"\x93NUMPY", b""),
    (b"\xff\xfe", b""), (b"\xfe\xff", b""),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", None),
]  # fmt: skip
"""What stands before and behind the log; None: nothing of it is there."""


@on_log("refused")
def other_format(log: Log, r: random.Random) -> None:
    """Something else under the name of a CSV file."""
    head, tail = r.choice(OTHERS)
    log.data = head + (log.data + tail if tail is not None else b"")


@on_log("refused")
def json_lines(log: Log, r: random.Random) -> None:
    rows = [line.split(b",") for line in log.data.split(b"\n")[:-1]]
    made = [
        b"{" + b", ".join(b'"c%d": "%s"' % (i, f.replace(b'"', b"")) for i, f in enumerate(row)) + b"}" for row in rows
    ]
    log.data = r.choice([b"\n".join(made) + b"\n", b"[" + b",\n".join(made) + b"]\n", b"[" + b",".join(made) + b"]"])


@on_log()
def sql_dump(log: Log, r: random.Random) -> None:
    rows = log.data.split(b"\n")[:-1]
    log.data = b"CREATE TABLE log (a int);\n" + b"".join(b"INSERT INTO log VALUES (%s);\n" % row for row in rows)


@on_log()
def fixed_width(log: Log, r: random.Random) -> None:
    log.data = (
        b"\n".join(b" ".join(f.rjust(12) for f in line.split(b",")) for line in log.data.split(b"\n")[:-1]) + b"\n"
    )


# --- archives ---------------------------------------------------------------------------------------------------------


def _pack(log: Log, packed: bytes, name: str = "log.csv.gz") -> None:
    log.packed, log.name = packed, name


def _as_written(log: Log) -> bytes:
    return log.data.translate(SWAPPED[log.told.delimiter]) if log.told.delimiter != "," else log.data


@on_log("taken")
def gz(log: Log, r: random.Random) -> None:
    _pack(log, gzip.compress(_as_written(log), r.randrange(10)), r.choice(["log.csv.gz", "LOG.CSV.GZ", "log.gz"]))


@on_log("taken")
def gz_in_members(log: Log, r: random.Random) -> None:
    data = _as_written(log)
    cuts = sorted(r.sample(range(len(data)), r.randint(1, 4)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    _pack(log, b"".join(gzip.compress(p) for p in pieces) + r.choice([b"", gzip.compress(b""), b"\0" * 100]))


@on_log("refused")
def gz_cut(log: Log, r: random.Random) -> None:
    packed = gzip.compress(_as_written(log))
    _pack(log, packed[: r.choice([r.randrange(1, len(packed)), len(packed) - r.randint(1, 8), 3, 10])])


@on_log()
def gz_damaged(log: Log, r: random.Random) -> None:
    # the checksum at its end knows; only in the head there are bytes that do not count
    packed = bytearray(gzip.compress(_as_written(log)))
    packed[r.randrange(len(packed))] ^= 1 << r.randrange(8)
    _pack(log, bytes(packed))
    log.must = "refused or the same"


@on_log("refused")
def gz_with_a_tail(log: Log, r: random.Random) -> None:
    _pack(
        log, gzip.compress(_as_written(log)) + r.choice([b"x", b"garbage" * 30, b"\x1f\x8b", b"1,2,3,pv,1511544070\n"])
    )


@on_log("refused")
def gz_twice(log: Log, r: random.Random) -> None:
    _pack(log, gzip.compress(gzip.compress(_as_written(log))))


@on_log("refused")
def gz_under_another_name(log: Log, r: random.Random) -> None:
    _pack(log, gzip.compress(_as_written(log)), r.choice(["log.csv", "log.gz.csv", "log.csv.gzip", "log"]))


@on_log("refused")
def csv_named_gz(log: Log, r: random.Random) -> None:
    _pack(log, _as_written(log))


@on_log("refused")
def gz_of_nothing(log: Log, r: random.Random) -> None:
    _pack(log, r.choice([gzip.compress(b""), b"", gzip.compress(b"\n")]))


@on_log("refused")
def gz_bomb(log: Log, r: random.Random) -> None:
    """A line that goes on for 300 million bytes, packed a thousandfold."""
    piece = gzip.compress(b"0" * 3_000_000, 9)
    _pack(log, gzip.compress(_as_written(log)) + piece * 100)


@on_log("refused")
def zip_or_tar(log: Log, r: random.Random) -> None:
    data, out = _as_written(log), io.BytesIO()
    kind = r.choice(["zip", "tar", "tgz", "bz2", "xz"])
    if kind == "zip":
        with zipfile.ZipFile(out, "w", r.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
            archive.writestr("log.csv", data)
    elif kind in ("tar", "tgz"):
        with tarfile.open(fileobj=out, mode="w:gz" if kind == "tgz" else "w", format=r.choice([0, 1, 2])) as archive:
            entry = tarfile.TarInfo("log.csv")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    else:
        out.write(bz2.compress(data) if kind == "bz2" else lzma.compress(data))
    _pack(log, out.getvalue(), "log.csv.gz" if kind == "tgz" else "log.csv")


# --- names and several files ------------------------------------------------------------------------------------------


ODD_NAMES = [
    "data[1].csv", "x*.csv", "a'b.csv", 'a"b.csv', "; DROP TABLE x;--.csv", "-rf.csv", " log .csv", "log", ".csv",
    "日志.csv", "😀.csv", "e\u0301.csv", "CON.csv", "%00.csv", "$HOME.csv", "~.csv", "{a,b}.csv",
    "a\nb.csv", "a\tb.csv",
    "<img src=x>.csv", "log.csv.gz.csv", "a?b=c&d.csv", "#.csv", "x" * 240 + ".csv", "file:log.csv", "..csv",
    "\u202evsc.gol.csv", "`id`.csv",
]  # fmt: skip


@on_log("taken")
def odd_file_name(log: Log, r: random.Random) -> None:
    log.name = r.choice(ODD_NAMES)


@on_log()
def file_name_that_is_not_text(log: Log, r: random.Random) -> None:
    log.name = b"log\xff\xfe.csv".decode("utf-8", "surrogateescape")


@on_log()
def two_files(log: Log, r: random.Random) -> None:
    """The same log in two pieces, which may share rows."""
    lines = log.data.split(b"\n")[:-1]
    top, rest = (lines[:1], lines[1:]) if log.told.header else ([], lines)
    a, b = sorted((r.randrange(20, len(rest) - 20), r.randrange(20, len(rest) - 20)))
    log.data, other = (b"".join(line + b"\n" for line in [*top, *part]) for part in (rest[:b], rest[a:]))
    log.more = [(r.choice(["more.csv", "Log.csv", "another [2].csv"]), other)]


@on_log()
def two_files_of_different_kind(log: Log, r: random.Random) -> None:
    """A second file that has its columns in another order, breaks off, or is written otherwise."""
    two_files(log, r)
    name, data = log.more[0]
    change = r.choice([
        lambda d: d.replace(b"\n", b"\r\n"), lambda d: b"\xef\xbb\xbf" + d, lambda d: d[: len(d) // 2],
        lambda d: d.replace(b",", b";"), lambda d: d.partition(b"\n")[2], lambda d: d.replace(b"1", b"\xff", 1),
        lambda d: b"", lambda d: d.replace(b"\n", b",\n"),
    ])  # fmt: skip
    log.more = [(name, change(data))]


@on_log("refused")
def two_files_of_one_name(log: Log, r: random.Random) -> None:
    two_files(log, r)
    log.more = [("elsewhere/" + log.name, log.more[0][1])]


@on_log("taken")
def other_delimiter_told(log: Log, r: random.Random) -> None:
    """Another delimiter, and the study says so."""
    log.told = replace(log.told, delimiter=r.choice(";\t|"))
