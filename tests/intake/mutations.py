"""Ways in which the text of a log is broken on its way to us: bytes, lines, quotes, delimiters, encodings, cuts."""

from __future__ import annotations

import random

from tests.intake.logs_to_break import Log
from tests.intake.operators import OPERATORS, field, on_bytes, on_log, some

KEEPS = "taken"


@on_bytes(KEEPS)
def identity(data: bytes, r: random.Random) -> bytes:
    return data


# --- lines and delimiters ---------------------------------------------------------------------------------------------


@on_bytes(KEEPS)
def short_rows(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: b",".join(line.split(b",")[: r.randint(0, 4)]))


@on_bytes(KEEPS)
def long_rows(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line + b"," * r.randint(1, 3) + r.choice([b"", b"x", b"1"]))


@on_bytes()
def two_rows_on_a_line(data: bytes, r: random.Random) -> bytes:
    i = r.choice([i for i, c in enumerate(data) if c == 10][:-1])
    return data[:i] + data[i + 1 :]


@on_bytes(KEEPS)
def missing_delimiter(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line.replace(b",", b"", 1))


@on_bytes(KEEPS)
def crlf(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b"\r\n")


@on_bytes(KEEPS)
def cr(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b"\r")


@on_bytes(KEEPS)
def mixed_ends(data: bytes, r: random.Random) -> bytes:
    return b"".join(line + r.choice([b"\n", b"\r\n", b"\r"]) for line in data.split(b"\n")[:-1])


@on_bytes()
def odd_ends(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", r.choice([b"\n\r", b"\r\r\n", b"\r\n\r\n", b"\x0b", b"\x1e", "\u2028".encode()]))


@on_bytes(KEEPS)
def blank_lines(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: b"\n" * r.randint(1, 3) + line)


@on_bytes()
def many_blank_lines(data: bytes, r: random.Random) -> bytes:
    at = r.choice([0, len(data) // 2, len(data)])
    return data[:at] + r.choice([b"\n", b"\r\n", b" \n", b",,,,\n"]) * r.randint(50, 5000) + data[at:]


@on_bytes(KEEPS)
def spaces(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: r.choice([b" " + line, line + b" ", b"  ", b"\t", line.replace(b",", b", ")]))


@on_bytes(KEEPS)
def no_last_line_end(data: bytes, r: random.Random) -> bytes:
    return data.rstrip(b"\n")


@on_bytes()
def delimiter_in_some_rows(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line.replace(b",", r.choice([b";", b"\t"])), 30)


@on_bytes()
def other_delimiter(data: bytes, r: random.Random) -> bytes:
    return data.replace(b",", r.choice([b";", b"\t", b"|", b"^", b", ", b",,", "，".encode(), b" "]))


@on_bytes()
def trailing_delimiter(data: bytes, r: random.Random) -> bytes:
    return data.replace(b"\n", b",\n")


@on_bytes()
def leading_column(data: bytes, r: random.Random) -> bytes:
    return b"".join(b"%d,%s\n" % (i, line) for i, line in enumerate(data.split(b"\n")[:-1]))


@on_bytes(KEEPS)
def duplicates(data: bytes, r: random.Random) -> bytes:
    first, *lines = data.split(b"\n")[:-1]
    lines += [r.choice(lines) for _ in range(r.randint(1, 10))]
    r.shuffle(lines)
    return b"\n".join([first, *lines]) + b"\n"


@on_log(KEEPS)
def kept_duplicates(log: Log, r: random.Random) -> None:
    log.data = duplicates(log.data, r)
    log.tell(duplicates=r.choice(["drop", "keep"]) if log.told.table in ("events", "orders") else "drop")


@on_bytes()
def repeated_block(data: bytes, r: random.Random) -> bytes:
    lines = data.split(b"\n")[:-1]
    a, b = sorted(r.sample(range(len(lines)), 2))
    return b"\n".join([*lines, *lines[a:b]]) + b"\n"


@on_bytes()
def column_swapped_rows(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: b",".join(sorted(line.split(b","), key=lambda _: r.random())))


@on_bytes(KEEPS)
def giant_line(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line + b"9" * r.choices([5_000, 70_000, 1_100_000], [5, 2, 1])[0], 2)


@on_bytes()
def giant_field_in_quotes(data: bytes, r: random.Random) -> bytes:
    size = r.choices([300, 9_000, 1_100_000], [4, 4, 1])[0]
    filling = r.choice([b"x", b"x,", b"1\n", b'""'])
    return some(data, r, lambda line: field(line, r, b'"' + filling * (size // len(filling)) + b'"'), 1)


@on_bytes(KEEPS)
def many_delimiters(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line + b"," * r.choice([100, 10_000, 40_000]), 2)


@on_bytes()
def line_at_the_cap(data: bytes, r: random.Random) -> bytes:
    wide = (1 << 20) + r.choice([-1, 0, 1])
    return some(data, r, lambda line: line + b"0" * (wide - len(line)), 1)


# --- quotes -----------------------------------------------------------------------------------------------------------


@on_bytes(KEEPS)
def stray_quote(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + b'"' + data[at:]


@on_bytes(KEEPS)
def stray_quotes(data: bytes, r: random.Random) -> bytes:
    for _ in range(r.randint(2, 6)):
        data = stray_quote(data, r)
    return data


@on_bytes(KEEPS)
def unclosed_quotes(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, b'"' + line.split(b",")[0]))


@on_bytes(KEEPS)
def quoted_fields(data: bytes, r: random.Random) -> bytes:
    return some(
        data, r, lambda line: b",".join(b'"' + f + b'"' if r.random() < 0.5 else f for f in line.split(b",")), 40
    )


@on_bytes()
def all_quoted(data: bytes, r: random.Random) -> bytes:
    return b"\n".join(b",".join(b'"' + f + b'"' for f in line.split(b",")) for line in data.split(b"\n")[:-1]) + b"\n"


@on_bytes()
def quoted_and_broken(data: bytes, r: random.Random) -> bytes:
    data = all_quoted(data, r)
    return r.choice([stray_quotes, cut_anywhere, deleted, inserted, swapped])(data, r)


@on_bytes(KEEPS)
def line_end_in_quotes(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, b'"' + r.choice([b"a\nb", b"\n", b"1\r\n2", b'a""\nb']) + b'"'))


@on_bytes(KEEPS)
def quoted_delimiters(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, r.choice([b'"a,b"', b'",,,,"', b'""""', b'"a""b"', b'""'])))


@on_bytes()
def row_in_quotes(data: bytes, r: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = r.randrange(1, len(lines) - 3)
    a, b = lines[at].rfind(b","), lines[at + r.randint(1, 2)].find(b",")
    lines[at] = lines[at][: a + 1] + b'"' + lines[at][a + 1 :]
    lines[at + 1] = lines[at + 1][:b] + b'"' + lines[at + 1][b:]
    return b"\n".join(lines)


@on_bytes(KEEPS)
def other_quotes(data: bytes, r: random.Random) -> bytes:
    a, b = r.choice([("'", "'"), ("“", "”"), ("«", "»"), ("`", "`"), ("„", "“"), ("＂", "＂")])
    return some(data, r, lambda line: field(line, r, a.encode() + line.split(b",")[0] + b.encode()))


@on_bytes(KEEPS)
def backslashes(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, r.choice([b"\\", b'\\"', b"\\N", b"\\,", b"1\\", b'"a\\"b"'])))


# --- bytes and encodings ----------------------------------------------------------------------------------------------


@on_bytes(KEEPS)
def bom(data: bytes, r: random.Random) -> bytes:
    return b"\xef\xbb\xbf" + data


@on_bytes()
def bom_twice(data: bytes, r: random.Random) -> bytes:
    return b"\xef\xbb\xbf" * r.randint(2, 3) + data


@on_bytes()
def bom_inside(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: b"\xef\xbb\xbf" + line)


@on_bytes(KEEPS)
def nul_bytes(data: bytes, r: random.Random) -> bytes:
    for _ in range(r.randint(1, 4)):
        at = r.randrange(len(data))
        data = data[:at] + b"\0" + data[at + r.randint(0, 1) :]
    return data


@on_bytes()
def nul_filled(data: bytes, r: random.Random) -> bytes:
    at = r.choice([0, len(data) // 2, len(data)])
    hole = r.choice([16, 512, 1000])
    return data[:at] + b"\0" * hole + data[at + r.choice([0, hole]) :]


@on_bytes()
def control_characters(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line.replace(b",", bytes([r.choice([1, 7, 8, 11, 12, 26, 27, 127])]) + b",", 1))


@on_bytes(KEEPS)
def unicode_lines(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line + r.choice(["\u2028", "\u0085", "\x0b", "\x0c", "\x1c", "\u00a0"]).encode())


@on_bytes()
def invalid_utf8(data: bytes, r: random.Random) -> bytes:
    bad = [b"\xff", b"\xc3", b"\xe4\xb8", b"\xed\xa0\x80", b"\x80", b"\xf4\x90\x80\x80"]
    return some(data, r, lambda line: line[:3] + r.choice(bad) + line[3:])


@on_bytes()
def overlong_utf8(data: bytes, r: random.Random) -> bytes:
    # the same characters in more bytes than they need: how filters are tricked
    return some(data, r, lambda line: line.replace(*r.choice([(b",", b"\xc0\xac"), (b"1", b"\xe0\x80\xb1")]), 1))


@on_bytes(KEEPS)
def chinese(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, "浏览".encode()))


@on_bytes()
def gbk_words(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, "浏览商品".encode("gb18030"), 3))


@on_log()
def gb18030_file(log: Log, r: random.Random) -> None:
    # valid in the whole: the text must come out as it was
    encoded = log.data.decode().encode("gb18030")
    log.data = r.choice([b"", b"\x84\x31\x95\x33"]) + encoded
    log.tell(encoding=r.choice(["auto", "gb18030"]))


@on_bytes()
def mixed_encodings(data: bytes, r: random.Random) -> bytes:
    at = data.index(b"\n", len(data) // 2) + 1
    first = some(data[:at], r, lambda line: field(line, r, "é".encode(), 3))
    return first + some(data[at:], r, lambda line: field(line, r, "é".encode(r.choice(["latin-1", "gb18030"])), 3))


@on_bytes()
def latin_1(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, "Größe é".encode("latin-1")), 20)


@on_bytes()
def encoded_twice(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: field(line, r, "é浏".encode().decode("latin-1").encode()))


@on_bytes()
def replaced_characters(data: bytes, r: random.Random) -> bytes:
    return some(data, r, lambda line: line[:4] + "\ufffd".encode() + line[5:])


@on_bytes("refused")
def utf16(data: bytes, r: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(r.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32"]))


@on_bytes()
def utf16_part(data: bytes, r: random.Random) -> bytes:
    at = data.index(b"\n", len(data) // 2) + 1
    return data[:at] + data[at:].decode("utf-8", "replace").encode("utf-16-le")


@on_log()
def declared_utf8(log: Log, r: random.Random) -> None:
    log.data = invalid_utf8(log.data, r)
    log.tell(encoding="utf-8")


@on_log()
def declared_gb18030(log: Log, r: random.Random) -> None:
    log.data = some(log.data, r, lambda line: line[:3] + r.choice([b"\xff", b"\x80", b"\xe4", b"\x81\x30"]) + line[3:])
    log.tell(encoding="gb18030")


# --- cuts and noise ---------------------------------------------------------------------------------------------------


@on_bytes()
def cut_anywhere(data: bytes, r: random.Random) -> bytes:
    return data[: r.randrange(len(data) // 2, len(data))]


@on_bytes()
def cut_in_a_quote(data: bytes, r: random.Random) -> bytes:
    data = all_quoted(data, r)
    return data[: data.index(b'"', r.randrange(len(data) // 2, len(data) - 2)) + r.randint(0, 1)]


@on_bytes()
def cut_after_a_delimiter(data: bytes, r: random.Random) -> bytes:
    return data[: data.rindex(b",", 0, r.randrange(len(data) // 2, len(data))) + 1]


@on_bytes()
def cut_between_cr_and_lf(data: bytes, r: random.Random) -> bytes:
    data = data.replace(b"\n", b"\r\n")
    return data[: data.rindex(b"\n", 0, r.randrange(len(data) // 2, len(data)))]


@on_bytes()
def cut_in_a_character(data: bytes, r: random.Random) -> bytes:
    data = chinese(data, r)
    places = [i for i, c in enumerate(data) if 0x80 <= c < 0xC0]
    return data[: r.choice(places)]


@on_bytes()
def cut_at_a_line_end(data: bytes, r: random.Random) -> bytes:
    return data[: data.rindex(b"\n", 0, r.randrange(len(data) // 2, len(data))) + r.randint(0, 1)]


@on_bytes()
def cut_to_a_few_bytes(data: bytes, r: random.Random) -> bytes:
    return data[: r.randint(1, 60)]


@on_bytes()
def cut_at_the_front(data: bytes, r: random.Random) -> bytes:
    return data[r.randint(1, 200) :]


@on_bytes()
def cut_and_continued(data: bytes, r: random.Random) -> bytes:
    # a copy that was broken off and begun again
    return data[: r.randrange(len(data) // 2, len(data))] + data


@on_bytes()
def deleted(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data) - 20)
    return data[:at] + data[at + r.randint(1, 20) :]


@on_bytes()
def inserted(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + bytes(r.choices(b"0123456789,\"\n\r .-abc\t;|\\'", k=r.randint(1, 12))) + data[at:]


@on_bytes()
def swapped(data: bytes, r: random.Random) -> bytes:
    a, b = sorted(r.sample(range(len(data)), 2))
    return data[:a] + data[b : b + 9] + data[a:b] + data[b + 9 :]


@on_bytes()
def flipped_bits(data: bytes, r: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(r.randint(1, 6)):
        changed[r.randrange(len(data))] ^= 1 << r.randrange(8)
    return bytes(changed)


@on_bytes()
def random_bytes(data: bytes, r: random.Random) -> bytes:
    at = r.randrange(len(data))
    return data[:at] + r.randbytes(r.randint(1, 200)) + data[at:]


@on_bytes()
def noise_only(data: bytes, r: random.Random) -> bytes:
    return r.randbytes(r.randint(0, 2000))


@on_bytes("refused")
def empty(data: bytes, r: random.Random) -> bytes:
    return r.choice([b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b" ", b",", b"\0"])


@on_log()
def mixture(log: Log, r: random.Random) -> None:
    """Three of the changes above and of those of the values, one after the other."""
    alone = ("mixture", "empty", "noise_only", "utf16", "giant_line", "line_at_the_cap", "declared_utf8")
    for name in r.sample([n for n, o in OPERATORS.items() if o.textual and n not in alone], 3):
        if log.data.count(b"\n") > 40 and len(log.data) > 300:
            OPERATORS[name].change(log, r)
