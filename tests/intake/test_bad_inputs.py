"""Every case of bad input that concerns intake: accepted as it should be, in the ledger by reason, or refused."""

from __future__ import annotations

import gzip
import os

import pyarrow.parquet as pq
import pytest

from helpers.intake import IntakeError, ingest, lines

GOOD = b"1,10,100,pv,1511544070\n2,11,101,buy,1511544071\n3,12,102,cart,1511544072\n"
ROWS = [(1, 10, 100, "pv", 1511544070), (2, 11, 101, "buy", 1511544071), (3, 12, 102, "cart", 1511544072)]
HEAD = b"user_id,item_id,category_id,behavior,timestamp\n"


def taken(result) -> list[tuple]:
    """The events that were taken, in the order on disk."""
    names = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    table = pq.read_table(result.data)
    return list(zip(*(table[n].to_pylist() for n in names), strict=True))


def rejects(result) -> list[dict]:
    """The ledger."""
    return pq.read_table(result.rejects).to_pylist()


ACCEPTED = {
    "LF": GOOD,
    "CR LF": GOOD.replace(b"\n", b"\r\n"),
    "CR": GOOD.replace(b"\n", b"\r"),
    "mixed line ends": GOOD.replace(b"\n", b"\r\n", 1),
    "UTF-8 BOM": b"\xef\xbb\xbf" + GOOD,
    "no line end at the end": GOOD[:-1],
    "quoted fields": b'"1","10",100,"pv",1511544070\n' + GOOD.split(b"\n", 1)[1],
    "trailing delimiter on every row": GOOD.replace(b"\n", b",\n"),
    "blank lines": GOOD.replace(b"\n", b"\n\n"),
    "a column more, not read": GOOD.replace(b"\n", b",note\n"),
}


@pytest.mark.parametrize("data", ACCEPTED.values(), ids=ACCEPTED)
def test_accepts(data, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    assert taken(ingest(study_of(path, header=False), "events")) == ROWS


LEDGER = {
    "short row": (b"4,13,103,pv", "too few fields"),
    "long row": (b"4,13,103,pv,1511544073,x", "too many fields"),
    "decimal id": (b"2.5,13,103,pv,1511544073", "bad integer"),
    "exponent": (b"1e3,13,103,pv,1511544073", "bad integer"),
    "underscore": (b"1_000,13,103,pv,1511544073", "bad integer"),
    "hexadecimal": (b"0x10,13,103,pv,1511544073", "bad integer"),
    "blank before": (b" 7,13,103,pv,1511544073", "bad integer"),
    "full-width digit": ("１,13,103,pv,1511544073".encode(), "bad integer"),
    "leading zeros": (b"0012,13,103,pv,1511544073", "bad integer"),
    "beyond int64": (b"9223372036854775808,13,103,pv,1511544073", "bad integer"),
    "thousands comma in quotes": (b'"1,234",13,103,pv,1511544073', "bad integer"),
    "unknown behaviour": (b"4,13,103,share,1511544073", "unknown behaviour"),
    "behaviour in capitals": (b"4,13,103,PV,1511544073", "unknown behaviour"),
    "NA as behaviour": (b"4,13,103,NA,1511544073", "unknown behaviour"),
    "NA as id": (b"NA,13,103,pv,1511544073", "bad integer"),
    "null key": (b",13,103,pv,1511544073", "missing key"),
    "quoted nothing": (b'"",13,103,pv,1511544073', "missing key"),
    "missing behaviour": (b"4,13,103,,1511544073", "missing value"),
    "missing time": (b"4,13,103,pv,", "missing value"),
    "decimal time": (b"4,13,103,pv,1511544073.0", "bad time"),
    "day instead of time": (b"4,13,103,pv,2017-11-25", "bad time"),
    "year 1902": (b"4,13,103,pv,-2145916800", "out of window"),
    "year 2037": (b"4,13,103,pv,2145916800", "out of window"),
    "second before the window": (b"4,13,103,pv,1511539199", "out of window"),
    "second after the window": (b"4,13,103,pv,1512316800", "out of window"),
    "duplicate": (b"3,12,102,cart,1511544072", "duplicate"),
    "NUL byte": (b"4,1\x003,103,pv,1511544073", "NUL byte"),
    "long line": (b"4,13,103,pv,1511544073" + b"0" * (1 << 20), "line too long"),
    "unclosed quote": (b'4,"13,103,pv,1511544073\n5,"13,103,pv,1511544073', "unclosed quote"),
    "stray quote": (b'4,1"3,103,pv,1511544073\n5,1"3,103,pv,1511544073', "stray quote"),
    "text after a quote": (b'4,"13"x,103,pv,1511544073', "stray quote"),
    "other delimiter": (b"4;13;103;pv;1511544073", "too few fields"),
    "byte order mark inside": (b"\xef\xbb\xbf4,13,103,pv,1511544073", "bad encoding"),
}


@pytest.mark.parametrize(("line", "reason"), LEDGER.values(), ids=LEDGER)
def test_ledger(line, reason, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD + line + b"\n")
    result = ingest(study_of(path, header=False), "events")
    written = rejects(result)
    assert taken(result) == ROWS and {r["reason"] for r in written} == {reason}
    assert written[0]["raw"] == line.split(b"\n")[0][:4096] and (written[0]["line"], written[0]["byte_offset"]) == (
        4,
        len(GOOD),
    )


CUT = {
    "short row": b"4,13,103,pv",
    "time with fewer digits": b"4,13,103,pv,15115440",
    "time cut to a number in no window": b"4,13,103,pv,151154407",
    "half a word": b"4,13,103,p",
    "open quote": b'4,13,"103\n5,"1',
}


@pytest.mark.parametrize("line", CUT.values(), ids=CUT)
def test_truncated_last_line_is_said(line, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD + line)
    result = ingest(study_of(path, header=False), "events")
    assert taken(result) == ROWS
    assert result.manifest["inputs"][0]["rejects"]["truncated last line"] == 1


REFUSED = {
    "empty": (b"", "is empty"),
    "blank lines only": (b"\n\n", "fields"),
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-16"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-le"), "UTF-16"),
    "zip or xlsx": (b"PK\x03\x04" + GOOD, "zip"),
    "gzip named .csv": (gzip.compress(GOOD), "csv.gz"),
    "web page": (b"<!DOCTYPE html><html>" + GOOD, "web page"),
    "pickle": (b"\x80\x04\x95" + GOOD, "pickle"),
    "tar": (b"log.csv".ljust(257, b"\0") + b"ustar  \0".ljust(255, b"\0") + GOOD * 300, "tar archive"),
    "Parquet named .csv": (b"PAR1" + GOOD, "format: parquet"),
    "neither UTF-8 nor GB18030": (GOOD + b"4,13,103,\xff\xff,1511544073\n", "line 4"),
    "one line not UTF-8, others are": (
        "4,13,103,浏览,1511544073\n".encode() * 3 + b"4,13,103,\xe4\xe5,1\n" + GOOD,
        "line 4",
    ),
    "semicolons": (GOOD.replace(b",", b";"), "delimiter: ';'"),
    "tabs": (GOOD.replace(b",", b"\t"), 'delimiter: "\\t"'),
    "bars": (GOOD.replace(b",", b"|"), "delimiter: '|'"),
    "a header": (HEAD + GOOD, "header: true"),
    "too few columns": (b"1,2\n3,4\n", "position 5"),
    "nothing usable": (b"a,b,c,d,e\n" * 3, "3 × bad integer"),
    "everything out of the window": (b"1,2,3,pv,1400000000\n", "1 × out of window"),
}


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses(data, words, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    with pytest.raises(IntakeError) as error:
        ingest(study_of(path, header=False), "events")
    assert words in str(error.value) and "log.csv" in str(error.value)


HEADERS = {
    "NUL in a name": (HEAD.replace(b"user_id", b"no\0te,user_id") + GOOD.replace(b"\n", b",1\n"), "holds a NUL byte"),
    "a giant name": (HEAD.replace(b"user_id", b"u" * 9000) + GOOD, "'user_id' is missing"),
    "header only": (HEAD, "no rows"),
    "no header": (GOOD, "expected a header"),
    "wrong names": (HEAD.replace(b"user_id", b"userid") + GOOD, "Did you mean 'userid'?"),
    "doubled column": (HEAD.replace(b"item_id", b"user_id,item_id") + GOOD, "stands twice"),
    "other delimiter": ((HEAD + GOOD).replace(b",", b";"), "delimiter: ';'"),
    "delimiter at the end of rows only": (HEAD + GOOD.replace(b"\n", b",\n"), "Columns would shift"),
}


@pytest.mark.parametrize(("data", "words"), HEADERS.values(), ids=HEADERS)
def test_refuses_by_header(data, words, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    with pytest.raises(IntakeError, match=r"log\.csv") as error:
        ingest(study_of(path), "events")
    assert words in str(error.value)


def test_header_is_matched_by_name(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"behavior,x,timestamp,category_id,item_id,user_id\npv,9,1511544070,100,10,1\n")
    assert taken(ingest(study_of(path), "events")) == ROWS[:1]


def test_repeated_header_and_preamble_are_in_the_ledger(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"exported today\n" + HEAD + GOOD[:23] + HEAD + GOOD[23:] + b"(3 rows)\n")
    result = ingest(study_of(path), "events")
    assert taken(result) == ROWS
    assert [r["reason"] for r in rejects(result)] == ["preamble", "repeated header", "too few fields"]


def test_a_single_quote_mark_is_a_character(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD[:23] + b'9,"12,102,pv,1511544072\n' + GOOD[23:])
    result = ingest(study_of(path, header=False), "events")
    assert taken(result) == ROWS and "single quote mark" in " ".join(result.manifest["notes"])


def test_an_unclosed_quote_swallows_nothing(tmp_path, study_of):
    path = tmp_path / "items.csv"
    rows = b"".join(b"%d,7,name %d\n" % (i, i) for i in range(3, 3000))
    path.write_bytes(b'item_id,category_id,title\n1,7,"open\n2,7,fine\n' + rows + b'3001,7,shut"\n')
    result = ingest(study_of(path, table="items"), "items")
    assert result.manifest["rows"] == 2998
    assert result.manifest["inputs"][0]["rejects"] == {"stray quote": 1, "unclosed quote": 1}


def test_line_end_in_quotes_is_one_record(tmp_path, study_of):
    path = tmp_path / "items.csv"
    path.write_bytes(b'item_id,category_id,title\n1,7,"two\r\nlines, ""quoted"""\n2,7,one\n')
    result = ingest(study_of(path, table="items"), "items")
    account = result.manifest["inputs"][0]
    assert pq.read_table(result.data)["title"].to_pylist() == ['two\r\nlines, "quoted"', "one"]
    assert (account["lines"], account["accepted"], account["continuation"]) == (4, 2, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_chinese_text_is_read_in_both_encodings(encoding, tmp_path, study_of):
    path = tmp_path / "items.csv"
    path.write_bytes("item_id,category_id,title\n1,7,智能手机\n2,7,连衣裙\n".encode(encoding))
    result = ingest(study_of(path, table="items"), "items")
    assert pq.read_table(result.data)["title"].to_pylist() == ["智能手机", "连衣裙"]
    assert result.manifest["encoding"] == encoding


def test_declared_utf8_sends_other_lines_to_the_ledger(tmp_path, study_of):
    path = tmp_path / "items.csv"
    path.write_bytes("item_id,category_id,title\n1,7,智能\n".encode() + "2,7,智能\n".encode("gbk"))
    result = ingest(study_of(path, table="items", encoding="utf-8"), "items")
    assert pq.read_table(result.data)["title"].to_pylist() == ["智能"]
    assert rejects(result)[0]["raw"] == "2,7,智能".encode("gbk") and rejects(result)[0]["reason"] == "bad encoding"


def test_ids_are_exact(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"9007199254740993,9223372036854775807,-9223372036854775808,pv,1511544070\n,1,1,pv,1511544070\n")
    result = ingest(study_of(path, header=False), "events")
    assert taken(result) == [(9007199254740993, 9223372036854775807, -9223372036854775808, "pv", 1511544070)]


def test_text_ids_are_kept_as_written(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"0012,NA,null,pv,1511544070\n12,None,nan,pv,1511544070\n")
    result = ingest(study_of(path, header=False, ids="text"), "events")
    assert taken(result) == [("0012", "NA", "null", "pv", 1511544070), ("12", "None", "nan", "pv", 1511544070)]


UNITS = {
    "ms": (b"1511544070123", "milliseconds"),
    "us": (b"1511544070123456", "microseconds"),
    "iso": (b"2017-11-25T01:21:10+08:00", "ISO 8601"),
}


@pytest.mark.parametrize(("time", "word"), UNITS.values(), ids=UNITS)
def test_units_are_found_converted_and_said(time, word, tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"1,10,100,pv," + time + b"\n")
    result = ingest(study_of(path, header=False), "events")
    assert taken(result) == ROWS[:1] and word in result.manifest["notes"][0]


def test_two_rows_in_one_second_are_no_duplicates_when_their_milliseconds_differ(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"1,10,100,pv,1511544070123\n1,10,100,pv,1511544070124\n1,10,100,pv,1511544070124\n")
    result = ingest(study_of(path, header=False), "events")
    assert taken(result) == [ROWS[0], ROWS[0]] and result.manifest["duplicates"]["exact"] == 1


NUMBERS = {
    "negative price": (b"-1", "out of range"),
    "infinite": (b"inf", "bad number"),
    "not a number": (b"NaN", "bad number"),
    "grouped": (b'"1,234"', "bad number"),
    "too large": (b"1e999", "bad number"),
    "point at the end": (b"12.", "bad number"),
}


@pytest.mark.parametrize(("price", "reason"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_by_rule(price, reason, tmp_path, study_of):
    path = tmp_path / "items.csv"
    path.write_bytes(b"item_id,category_id,price\n1,7,1e2\n2,7,\n3,7," + price + b"\n")
    result = ingest(study_of(path, table="items"), "items")
    assert pq.read_table(result.data)["price"].to_pylist() == [100.0, None]
    assert [(r["reason"], r["column"]) for r in rejects(result)] == [(reason, "price")]


def test_duplicates_are_kept_when_the_study_says_so(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD + GOOD)
    result = ingest(study_of(path, header=False, duplicates="keep"), "events")
    assert len(taken(result)) == 6 and result.manifest["duplicates"] == {"policy": "keep", "exact": 3, "key": 0}


def test_a_key_with_other_content_is_a_duplicate_key(tmp_path, study_of):
    path = tmp_path / "items.csv"
    path.write_bytes(b"item_id,category_id\n2,7\n1,7\n2,7\n2,8\n")
    result = ingest(study_of(path, table="items"), "items")
    assert pq.read_table(result.data).select(["item_id", "category_id"]).to_pylist() == [
        {"item_id": 1, "category_id": 7},
        {"item_id": 2, "category_id": 7},
    ]
    assert [(r["line"], r["reason"], r["detail"]) for r in rejects(result)] == [
        (4, "duplicate", "first in line 2"),
        (5, "duplicate key", "first in line 2"),
    ]


@pytest.mark.parametrize(
    "name", ["data[1].csv", "x*.csv", "it's.csv", 'a"b.csv', "a;drop table.csv", "行为.csv", "%s{0}.csv"]
)
def test_names_of_files_are_literal(name, tmp_path, study_of):
    (tmp_path / "data1.csv").write_bytes(b"9,9,9,pv,1511544070\n")
    (tmp_path / name).write_bytes(GOOD)
    assert taken(ingest(study_of(tmp_path / name, header=False), "events")) == ROWS


@pytest.mark.parametrize("url", ["http://example.com/log.csv", "s3://bucket/log.csv"])
@pytest.mark.parametrize("allowed", [False, True])
def test_remote_input_is_refused(url, allowed, study_of):
    with pytest.raises(IntakeError, match="Fetch the file"):
        ingest(study_of(url, header=False, top={"allow_remote": allowed}), "events")


def test_a_missing_file_and_a_folder_are_refused(tmp_path, study_of):
    with pytest.raises(IntakeError, match=r"none\.csv: there is no such file"):
        ingest(study_of(tmp_path / "none.csv", header=False), "events")
    with pytest.raises(IntakeError, match="this is a folder"):
        ingest(study_of(tmp_path, header=False), "events")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_pipe_is_refused_and_not_waited_for(kind, tmp_path, study_of):
    os.mkfifo(tmp_path / "log.csv")
    with pytest.raises(IntakeError, match="a pipe or a device"):
        ingest(study_of(tmp_path / "log.csv", format=kind), "events")


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD)

    def meddle(what: str, part: float) -> None:
        if "reading" in what:
            path.write_bytes(GOOD.replace(b"buy", b"fav"))

    with pytest.raises(IntakeError, match="changed while it was read"):
        ingest(study_of(path, header=False), "events", progress=meddle)


def test_two_headers_are_refused(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(b"item_id,user_id,category_id,behavior,timestamp\n" + HEAD + GOOD)
    with pytest.raises(IntakeError, match="two different lines name the columns"):
        ingest(study_of(path), "events")


def test_gzip_is_unpacked(tmp_path, study_of):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(GOOD))
    assert taken(ingest(study_of(path, header=False), "events")) == ROWS


BROKEN = {"cut off": lambda z: z[:-9], "flipped": lambda z: z[:40] + b"\xff\xff" + z[42:], "no gzip": lambda z: GOOD}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_broken_gzip_is_refused(change, tmp_path, study_of):
    path = tmp_path / "log.csv.gz"
    path.write_bytes(change(gzip.compress(GOOD * 50)))
    with pytest.raises(IntakeError, match=r"log\.csv\.gz: the gzip archive is truncated or corrupt"):
        ingest(study_of(path, header=False), "events")


def test_a_gzip_bomb_is_refused(tmp_path, study_of, monkeypatch):
    monkeypatch.setattr("helpers.intake.lines.EXPANSION_FREE", 1 << 20)
    path = tmp_path / "log.csv.gz"
    path.write_bytes(gzip.compress(GOOD * 200_000))
    with pytest.raises(IntakeError, match="bomb"):
        ingest(study_of(path, header=False), "events")


def test_lines_across_blocks_are_the_same_lines(tmp_path, study_of, monkeypatch):
    path = tmp_path / "items.csv"
    path.write_bytes(
        b'item_id,category_id,title\r\n1,7,"a\r\nb"\r\n2,7,c\r\n' + b"3,7," + b"x" * 3000 + b"\r\n4,7,d\r\n"
    )
    monkeypatch.setattr("helpers.intake.lines.CHUNK", 7)
    monkeypatch.setattr("helpers.intake.lines.LINE_CAP", 1000)
    monkeypatch.setattr("helpers.intake.files.LINE_CAP", 1000)
    result = ingest(study_of(path, table="items"), "items")
    assert pq.read_table(result.data)["title"].to_pylist() == ["a\r\nb", "c", "d"]
    assert [(r["line"], r["reason"], r["bytes"]) for r in rejects(result)] == [(5, "line too long", 3004)]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("chunk", [50, 97, 400, 10_000])
def test_doubled_rows_are_found_again_wherever_their_part_is(tmp_path, study_of, monkeypatch, chunk, packed):
    rows = [b'%d,7,"title\n%d"\n' % (i, i) if i % 5 == 0 else b"%d,7,title\n" % i for i in range(60)]
    doubled = {2: 40, 5: 58, 10: 11, 57: 58}  # row → the row before which it stands once more
    body = b"".join(b"".join(rows[k] for k, at in doubled.items() if at == i) + row for i, row in enumerate(rows))
    data = b"item_id,category_id,title\n" + body
    path = tmp_path / ("items.csv.gz" if packed else "items.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    monkeypatch.setattr("helpers.intake.lines.CHUNK", chunk)
    found = rejects(ingest(study_of(path, table="items"), "items"))
    assert len(found) == len(doubled)
    for each in found:
        there = data[each["byte_offset"] : each["byte_offset"] + each["bytes"]]
        assert each["line"] == data[: each["byte_offset"]].count(b"\n") + 1
        assert there + b"\n" in [rows[k] for k in doubled]
        assert bytes(each["raw"]) == there
        first = data.index(b"\n" + there + b"\n") + 1
        assert each["detail"] == f"first in line {data[:first].count(10) + 1}"


def test_only_parts_with_doubled_rows_are_read_again(tmp_path, study_of, monkeypatch):
    path, read = tmp_path / "log.csv", []
    rows = [b"%d,10,100,pv,1511544070\n" % i for i in range(1000)]
    path.write_bytes(b"".join([*rows[:900], rows[0], rows[899], *rows[900:]]))
    monkeypatch.setattr("helpers.intake.lines.CHUNK", 1000)
    plain = lines._block
    monkeypatch.setattr("helpers.intake.lines._block", lambda *given: read.append(given[2]) or plain(*given))
    found = rejects(ingest(study_of(path, header=False), "events"))
    assert [(r["line"], r["detail"]) for r in found] == [(901, "first in line 1"), (902, "first in line 900")]
    assert len(read) <= path.stat().st_size // 1000 + 3
    assert read[-1] > 800


def test_two_files_are_one_table(tmp_path, study_of):
    (tmp_path / "a.csv").write_bytes(GOOD)
    (tmp_path / "b.csv").write_bytes(GOOD[:23] + b"5,10,100,pv,1511544070\n")
    result = ingest(study_of([tmp_path / "a.csv", tmp_path / "b.csv"], header=False), "events")
    assert [i["accepted"] for i in result.manifest["inputs"]] == [3, 1]
    assert [(r["file"], r["line"], r["detail"]) for r in rejects(result)] == [("b.csv", 1, "first in line 1 of a.csv")]


def test_a_header_said_by_position_must_not_be_data(tmp_path, study_of):
    path = tmp_path / "log.csv"
    path.write_bytes(GOOD)
    columns = {"user_id": 1, "item_id": 2, "category_id": 3, "behavior": 4, "timestamp": 5}
    with pytest.raises(IntakeError, match="row of data"):
        ingest(study_of(path, columns=columns), "events")


@pytest.mark.skipif(os.name == "nt", reason="names are always text there")
def test_a_file_name_that_is_not_text_is_refused(tmp_path, study_of):
    path = tmp_path / b"log\xff.csv".decode("utf-8", "surrogateescape")
    path.write_bytes(GOOD)
    with pytest.raises(IntakeError, match=r"log\\udcff\.csv.*Rename"):
        ingest(study_of(tmp_path / "x.csv", header=False).model_copy(update={"tables": _named(path)}), "events")


def _named(path):
    from helpers.study import TableInput

    names = ("user_id", "item_id", "category_id", "behavior", "timestamp")
    return {"events": TableInput(path=str(path), header=False, columns={n: i for i, n in enumerate(names, 1)})}
