"""Ways in which a log is broken on its way to us: each takes bytes and a random generator, gives bytes."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable

Mutation = Callable[[bytes, random.Random], bytes]
MUTATIONS: dict[str, Mutation] = {}


def mutation(change: Mutation) -> Mutation:
    """Enter a function into the list of mutations."""
    MUTATIONS[change.__name__] = change
    return change


def clean_log(random_: random.Random, rows: int = 120) -> bytes:
    """A log as it should be: five columns, no header."""
    lines = []
    for _ in range(rows):
        word = random_.choice(["pv"] * 8 + ["cart", "fav", "buy"])
        time = random_.randrange(1511539200, 1512316800)
        lines.append(
            f"{random_.randrange(1, 40)},{random_.randrange(1, 10**7)},{random_.randrange(1, 10**4)},{word},{time}"
        )
    return "".join(line + "\n" for line in lines).encode()


def _some(data: bytes, r: random.Random, change: Callable[[bytes], bytes], most: int = 5) -> bytes:
    lines = data.split(b"\n")
    for i in r.sample(range(len(lines) - 1), min(len(lines) - 1, r.randint(1, most))):
        lines[i] = change(lines[i])
    return b"\n".join(lines)


def _field(line: bytes, r: random.Random, value: bytes, column: int | None = None) -> bytes:
    fields = line.split(b",")
    fields[r.randrange(len(fields)) if column is None else min(column, len(fields) - 1)] = value
    return b",".join(fields)


BAD_IDS = [
    b"2.5",
    b"1e3",
    b"1_000",
    b"0x10",
    b" 7",
    b"7 ",
    b"+5",
    b"-0",
    b"007",
    "１２".encode(),
    b"9223372036854775808",
]
GOOD_IDS = [b"9223372036854775807", b"-9223372036854775808", b"9007199254740993", b"0", b"-1"]
WORDS = [b"NA", b"null", b"None", b"nan", b"inf", b"", b"PV", b" pv", b"buy ", b"purchase", b"=1+1", b"<script>"]
TIMES = [b"-2145916800", b"2145916800", b"1511539199", b"1511539200", b"1512316799", b"1512316800", b"1511544070000"]
TIMES += [b"2017-11-25 09:00:00", b"1.5e9", b"1511544070.0", b"0", b"99999999999999999999", b"01511544070", b"nan"]


@mutation
def identity(data: bytes, r: random.Random) -> bytes:
    return data


@mutation
def bad_id(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice(BAD_IDS), r.randrange(3)))


@mutation
def edge_id(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice(GOOD_IDS), r.randrange(3)))


@mutation
def odd_word(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice(WORDS)))


@mutation
def odd_time(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice(TIMES), 4))


@mutation
def short_rows(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: b",".join(line.split(b",")[: r.randint(0, 4)]))


@mutation
def long_rows(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: line + b"," * r.randint(1, 3) + r.choice([b"", b"x", b"1"]))


@mutation
def two_rows_on_a_line(data: bytes, r: random.Random) -> bytes:
    at = [i for i, c in enumerate(data) if c == 10][:-1]
    i = r.choice(at)
    return data[:i] + data[i + 1 :]


@mutation
def missing_delimiter(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: line.replace(b",", b"", 1))


@mutation
def crlf(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b"\r\n")


@mutation
def cr(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b"\r")


@mutation
def mixed_ends(data: bytes, r: random.Random) -> bytes:
    return b"".join(line + r.choice([b"\n", b"\r\n", b"\r"]) for line in data.split(b"\n")[:-1])


@mutation
def bom(data: bytes, r: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + data


@mutation
def bom_inside(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: b"\xef\xbb\xbf" + line)


@mutation
def blank_lines(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: b"\n" * r.randint(1, 3) + line)


@mutation
def spaces(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: r.choice([b" " + line, line + b" ", b"  ", b"\t", line.replace(b",", b", ")]))


@mutation
def truncated(data: bytes, r: random.Random) -> bytes:
    return data[: r.randrange(len(data) // 2, len(data))]


@mutation
def no_last_line_end(data: bytes, r: random.Random) -> bytes:
    return data.rstrip(b"\n")


@mutation
def stray_quote(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + b'"' + data[at:]


@mutation
def stray_quotes(data: bytes, r: random.Random) -> bytes:
    for _ in range(r.randint(2, 6)):
        data = stray_quote(data, r)
    return data


@mutation
def unclosed_quotes(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, b'"' + line.split(b",")[0]))


@mutation
def quoted_fields(data: bytes, r: random.Random) -> bytes:
    return _some(
        data, r, lambda line: b",".join(b'"' + f + b'"' if r.random() < 0.5 else f for f in line.split(b",")), 40
    )


@mutation
def all_quoted(data: bytes, r: random.Random) -> bytes:
    return b"\n".join(b",".join(b'"' + f + b'"' for f in line.split(b",")) for line in data.split(b"\n")[:-1]) + b"\n"


@mutation
def quoted_and_broken(data: bytes, r: random.Random) -> bytes:
    return MUTATIONS[r.choice(["stray_quotes", "truncated", "deleted", "inserted", "swapped"])](all_quoted(data, r), r)


@mutation
def line_end_in_quotes(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, b'"' + r.choice([b"a\nb", b"\n", b"1\r\n2", b'a""\nb']) + b'"'))


@mutation
def quoted_delimiters(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice([b'"a,b"', b'",,,,"', b'""""', b'"a""b"', b'""'])))


@mutation
def nul_bytes(data: bytes, r: random.Random) -> bytes:
    for _ in range(r.randint(1, 4)):
        at = r.randrange(len(data))
        data = data[:at] + b"\0" + data[at + r.randint(0, 1) :]
    return data


@mutation
def invalid_utf8(data: bytes, r: random.Random) -> bytes:
    return _some(
        data, r, lambda line: line[:3] + r.choice([b"\xff", b"\xc3", b"\xe4\xb8", b"\xed\xa0\x80", b"\x80"]) + line[3:]
    )


@mutation
def chinese(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, "浏览".encode()))


@mutation
def gbk(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, "浏览商品".encode("gb18030"), 3))


@mutation
def utf16(data: bytes, r: random.Random) -> bytes:
    return data.decode().encode(r.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"]))


@mutation
def header_on_top(data: bytes, r: random.Random) -> bytes:
    return b"user_id,item_id,category_id,behavior,timestamp\n" + data


@mutation
def header_inside(data: bytes, r: random.Random) -> bytes:
    lines = data.split(b"\n")
    lines.insert(r.randrange(30, len(lines) - 1), b"user_id,item_id,category_id,behavior,timestamp")
    return b"\n".join(lines)


@mutation
def preamble(data: bytes, r: random.Random) -> bytes:
    return b"# exported by a shop\nrows: 120\n" + data


@mutation
def footer(data: bytes, r: random.Random) -> bytes:
    return data + r.choice([b"(120 rows affected)\n", b"Total,120,,,\n", b"\x1a", b"END"])


@mutation
def other_delimiter(data: bytes, r: random.Random) -> bytes:
    return data.replace(b",", r.choice([b";", b"\t", b"|", b"^"]))


@mutation
def delimiter_in_some_rows(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: line.replace(b",", r.choice([b";", b"\t"])), 30)


@mutation
def trailing_delimiter(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b",\n")


@mutation
def leading_column(data: bytes, r: random.Random) -> bytes:
    return b"".join(b"%d,%s\n" % (i, line) for i, line in enumerate(data.split(b"\n")[:-1]))


@mutation
def duplicates(data: bytes, r: random.Random) -> bytes:
    lines = data.split(b"\n")[:-1]
    lines += [r.choice(lines) for _ in range(r.randint(1, 10))]
    r.shuffle(lines)
    return b"\n".join(lines) + b"\n"


@mutation
def giant_line(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: line + b"9" * r.choice([5_000, 70_000, 1_100_000]), 2)


@mutation
def deleted(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data) - 20)
    return data[:at] + data[at + r.randint(1, 20) :]


@mutation
def inserted(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + bytes(r.choices(b"0123456789,\"\n\r .-abc\t;|\\'", k=r.randint(1, 12))) + data[at:]


@mutation
def swapped(data: bytes, r: random.Random) -> bytes:
    a, b = sorted(r.sample(range(len(data)), 2))
    return data[:a] + data[b : b + 9] + data[a:b] + data[b + 9 :]


@mutation
def flipped_bits(data: bytes, r: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(r.randint(1, 6)):
        changed[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return bytes(changed)


@mutation
def random_bytes(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + r.randbytes(r.randint(1, 200)) + data[at:]


@mutation
def noise_only(data: bytes, r: random.Random) -> bytes:
    return r.randbytes(r.randint(0, 2000))


@mutation
def empty(data: bytes, r: random.Random) -> bytes:
    return r.choice([b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b" ", b","])


@mutation
def archive(data: bytes, r: random.Random) -> bytes:
    return r.choice([gzip.compress(data), b"PK\x03\x04" + data, b"PAR1" + data, b"\x80\x04" + data, b"<html>" + data])


@mutation
def backslashes(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: _field(line, r, r.choice([b"\\", b'\\"', b"\\N", b"\\,", b"1\\"])))


@mutation
def column_swapped_rows(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: b",".join(sorted(line.split(b","), key=lambda _: r.random())))


@mutation
def unicode_lines(data: bytes, r: random.Random) -> bytes:
    return _some(data, r, lambda line: line + r.choice(["\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\u00a0"]).encode())


@mutation
def mixture(data: bytes, r: random.Random) -> bytes:
    names = [n for n in MUTATIONS if n not in ("mixture", "archive", "empty", "noise_only", "utf16", "giant_line")]
    for name in r.sample(names, 3):
        data = MUTATIONS[name](data, r) if data.count(b"\n") > 40 and len(data) > 100 else data
    return data
