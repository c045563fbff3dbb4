"""Parquet files in all their types and in all states of damage, with what each row has to become."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.intake.oracle import TABLES, WORDS, Told

ROWS = 40
CODECS = ["none", "snappy", "gzip", "zstd", "lz4", "brotli"]
ZONES = ["UTC", "Asia/Shanghai", "Europe/Berlin", "+05:30", "America/New_York"]


@dataclass
class Case:
    """A table on its way into a Parquet file.

    `columns` are Arrow arrays by name; `rows` is what each row must become, None where it must not be taken. `must` is
    'taken' or 'refused' where only that is right. `options` are for the writer, `damage` is done to the file's bytes.
    """

    columns: dict[str, pa.Array]
    rows: list[tuple | None]
    told: Told = field(default_factory=Told)
    must: str = "taken"
    options: dict[str, Any] = field(default_factory=dict)
    damage: Callable[[bytes], bytes] | None = None
    names: list[str] | None = None
    operator: str = ""

    def put(self, name: str, values: Any, kind: pa.DataType | None = None) -> None:
        """Give a column other values or another type."""
        self.columns[name] = values if isinstance(values, pa.Array) else pa.array(values, kind)

    def values(self, name: str) -> list:
        """The values of a column as they stand."""
        return self.columns[name].to_pylist()

    def out(self, i: int) -> None:
        """This row must not be taken."""
        self.rows[i] = None

    def bytes(self) -> bytes:
        """The file."""
        table = pa.Table.from_arrays(list(self.columns.values()), names=self.names or list(self.columns))
        sink = io.BytesIO()
        pq.write_table(table, sink, **self.options)
        data = sink.getvalue()
        return self.damage(data) if self.damage else data


Change = Callable[[Case, random.Random], None]
OPERATORS: dict[str, Change] = {}
SOURCES: dict[str, str] = {}


def on(table: str = "events") -> Callable[[Change], Change]:
    """Enter a way to write a table."""

    def enter(change: Change) -> Change:
        OPERATORS[change.__name__], SOURCES[change.__name__] = change, table
        return change

    return enter


def case_of(seed: int) -> Case:
    """The Parquet file of a number: all operators take turns."""
    r, names = random.Random(seed), sorted(OPERATORS)
    name = names[seed % len(names)]
    case = {"events": events, "orders": orders, "items": items, "users": users}[SOURCES[name]](r)
    case.options = {"compression": r.choice(CODECS), "row_group_size": r.choice([7, 1000])}
    case.operator = name
    OPERATORS[name](case, r)
    return case


def events(r: random.Random) -> Case:
    """A log of events in the plainest types."""
    told = Told()
    rows = [
        (
            r.randrange(1, 40),
            r.randrange(10**7),
            r.randrange(10**4),
            r.choice(WORDS),
            r.randrange(told.window[0], told.window[1]),
        )
        for _ in range(ROWS)
    ]
    return Case({n: pa.array([row[i] for row in rows]) for i, n in enumerate(TABLES["events"])}, list(rows), told)


def orders(r: random.Random) -> Case:
    """Order lines with whole and decimal amounts."""
    told = Told(table="orders")
    rows = [
        (
            i,
            r.randrange(30),
            1000 + i,
            r.randrange(9),
            r.randrange(1, 9),
            r.randrange(10**4) / 4,
            r.choice([None, 0.5, 0.0]),
            r.randrange(*told.window),
        )
        for i in range(ROWS)
    ]
    return Case({n: pa.array([row[i] for row in rows]) for i, n in enumerate(TABLES["orders"])}, list(rows), told)


def items(r: random.Random) -> Case:
    """A catalogue with words and days."""
    days = [date(2015, 1, 1) + timedelta(days=r.randrange(900)) for _ in range(ROWS)]
    texts = ["连衣裙", 'a "b", c', "x\ny", "NA", "😀", None]
    rows = [
        (i, r.randrange(9), r.choice(texts), r.choice(texts), 1.25 * i, None, r.choice("ab"), days[i])
        for i in range(ROWS)
    ]
    made = {n: pa.array([row[i] for row in rows]) for i, n in enumerate(TABLES["items"])}
    return Case(
        {n: a.cast(pa.float64()) if n == "unit_margin" else a for n, a in made.items()}, list(rows), Told(table="items")
    )


def users(r: random.Random) -> Case:
    """Customers with flags."""
    rows = [
        (i, "18-24", "f", r.randrange(1, 7), date(2016, 1, 1), r.choice([True, False, None]), True) for i in range(ROWS)
    ]
    return Case(
        {n: pa.array([row[i] for row in rows]) for i, n in enumerate(TABLES["users"])}, list(rows), Told(table="users")
    )


# --- types that fit ---------------------------------------------------------------------------------------------------


@on()
def as_it_is(case: Case, r: random.Random) -> None:
    pass


@on()
def narrow_integers(case: Case, r: random.Random) -> None:
    case.put(
        "user_id", case.columns["user_id"].cast(r.choice([pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.uint16()]))
    )
    case.put("category_id", case.columns["category_id"].cast(r.choice([pa.int16(), pa.uint32(), pa.uint64()])))


@on()
def numbers_as_text(case: Case, r: random.Random) -> None:
    kind = r.choice([pa.string(), pa.large_string(), pa.binary(), pa.string_view()])
    for name in r.sample(["user_id", "item_id", "category_id", "timestamp"], 2):
        texts = [str(v) for v in case.values(name)]
        case.put(name, pa.array([t.encode() for t in texts], kind) if kind == pa.binary() else pa.array(texts, kind))
    case.must = "taken" if kind != pa.string_view() else ""


@on()
def odd_numbers_as_text(case: Case, r: random.Random) -> None:
    name, texts = r.choice(["user_id", "item_id"]), None
    texts = [str(v) for v in case.values(name)]
    for i in r.sample(range(ROWS), 6):
        texts[i] = r.choice(
            ["007", "+5", " 7", "1.0", "1e3", "-0", "", "NA", "１", "9223372036854775808", "1_0", "\u200b1"]
        )
        case.out(i)
    case.put(name, texts)


@on()
def edge_integers(case: Case, r: random.Random) -> None:
    ids, rows = case.values("item_id"), case.rows
    for i in r.sample(range(ROWS), 5):
        ids[i] = r.choice([2**63 - 1, -(2**63), 2**53 + 1, 0, -1])
        rows[i] = (rows[i][0], ids[i], *rows[i][2:])
    case.put("item_id", ids, pa.int64())


@on()
def beyond_int64(case: Case, r: random.Random) -> None:
    ids = case.values("item_id")
    for i in r.sample(range(ROWS), 4):
        ids[i] = r.choice([2**63, 2**64 - 1])
        case.out(i)
    case.put("item_id", ids, pa.uint64())


@on()
def large_ids_beside_nulls(case: Case, r: random.Random) -> None:
    ids = [2**53 + 1 + i for i in range(ROWS)]
    case.rows = [(i, *row[1:]) for i, row in zip(ids, case.rows, strict=True)]
    for i in r.sample(range(ROWS), 4):
        ids[i] = None
        case.out(i)
    case.put("user_id", ids, pa.int64())


@on()
def dictionaries(case: Case, r: random.Random) -> None:
    for name in r.sample(list(case.columns), 3):
        case.put(name, case.columns[name].dictionary_encode())
    case.must = ""


@on()
def times_with_a_zone(case: Case, r: random.Random) -> None:
    unit = r.choice(["s", "ms", "us", "ns"])
    per = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    fine = max(1, per // 10**6)  # older versions of the format hold no nanoseconds
    times = [t * per + r.randrange(per) // fine * fine for t in case.values("timestamp")]
    case.put("timestamp", pa.array(times, pa.timestamp(unit, r.choice(ZONES))))
    case.options |= r.choice([{}, {"version": "1.0"}, {"version": "2.4"}, {"store_schema": False}])
    if r.random() < 0.3:
        case.options |= {"coerce_timestamps": "ms", "allow_truncated_timestamps": True}


@on()
def times_in_other_units(case: Case, r: random.Random) -> None:
    per = r.choice([1000, 1_000_000])
    case.put("timestamp", [t * per + r.randrange(per) for t in case.values("timestamp")])


@on()
def times_in_iso_texts(case: Case, r: random.Random) -> None:
    case.put("timestamp", [datetime.fromtimestamp(t, UTC).isoformat() for t in case.values("timestamp")])


@on("orders")
def decimals(case: Case, r: random.Random) -> None:
    kind = r.choice([pa.decimal128(18, 2), pa.decimal256(40, 2), pa.decimal128(7, 2)])
    case.put("unit_price", [Decimal(f"{v:.2f}") for v in case.values("unit_price")], kind)


@on("orders")
def narrow_floats(case: Case, r: random.Random) -> None:
    kind = r.choice([pa.float32(), pa.int32(), pa.float16()])
    prices = [float(r.randrange(500)) for _ in range(ROWS)]
    case.put(
        "unit_price",
        pa.array([int(p) for p in prices], kind)
        if pa.types.is_integer(kind)
        else pa.array(prices, pa.float64()).cast(kind),
    )
    case.rows = [(*row[:5], p, *row[6:]) for row, p in zip(case.rows, prices, strict=True)]
    case.must = "" if kind == pa.float16() else "taken"


@on("orders")
def not_numbers(case: Case, r: random.Random) -> None:
    prices = case.values("unit_price")
    for i in r.sample(range(ROWS), 5):
        prices[i] = r.choice([float("nan"), float("inf"), float("-inf"), -0.01, None])
        case.out(i)
    case.put("unit_price", prices, pa.float64())


@on("orders")
def pieces_as_floats(case: Case, r: random.Random) -> None:
    pieces = [float(v) for v in case.values("quantity")]
    for i in r.sample(range(ROWS), 5):
        pieces[i] = r.choice([2.5, 0.0, -1.0, float("nan"), 1e300, 2.0**63])
        case.out(i)
    case.put("quantity", pieces)


@on("orders")
def doubled_keys(case: Case, r: random.Random) -> None:
    orders_, items_ = case.values("order_id"), case.values("item_id")
    for i in r.sample(range(1, ROWS), 4):
        orders_[i], items_[i] = orders_[0], items_[0]
        case.rows[i] = (orders_[0], case.rows[i][1], items_[0], *case.rows[i][3:])
    case.put("order_id", orders_)
    case.put("item_id", items_)


@on("items")
def days(case: Case, r: random.Random) -> None:
    given = case.values("launched_on")
    kind = r.choice([pa.date32(), pa.date64(), pa.string()])
    case.put("launched_on", [str(d) for d in given] if kind == pa.string() else given, kind)


@on("items")
def texts(case: Case, r: random.Random) -> None:
    kind = r.choice([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
    case.put(
        "title",
        case.columns["title"].cast(pa.string()).cast(kind)
        if not pa.types.is_dictionary(kind)
        else case.columns["title"].dictionary_encode(),
    )


@on("items")
def bad_texts(case: Case, r: random.Random) -> None:
    words = [(w or "x").encode() for w in case.values("title")]
    case.rows = [(*row[:3], w.decode(), *row[4:]) for row, w in zip(case.rows, words, strict=True)]
    for i in r.sample(range(ROWS), 4):
        words[i] = r.choice([b"\xff\xfe", b"a\0b", b"x" * ((1 << 20) + 1), b"\xed\xa0\x80", b"\xc0\xaf"])
        case.out(i)
    plain = pa.array(words, pa.binary())
    case.put("title", pa.Array.from_buffers(pa.string(), ROWS, plain.buffers()) if r.random() < 0.7 else plain)


@on("items")
def only_nulls(case: Case, r: random.Random) -> None:
    name = r.choice(["title", "price", "launched_on", "brand"])
    at = list(TABLES["items"]).index(name)
    case.put(name, pa.nulls(ROWS))
    case.rows = [(*row[:at], None, *row[at + 1 :]) for row in case.rows]


@on("users")
def flags(case: Case, r: random.Random) -> None:
    style = r.choice([lambda v: int(v), lambda v: str(v), lambda v: str(v).lower(), lambda v: str(int(v)), lambda v: v])
    case.put("consent_email", [None if v is None else style(v) for v in case.values("consent_email")])


@on("users")
def odd_flags(case: Case, r: random.Random) -> None:
    values = [None if v is None else int(v) for v in case.values("consent_email")]
    for i in r.sample(range(ROWS), 4):
        values[i] = r.choice([2, -1, 100])
        case.out(i)
    case.put("consent_email", values, pa.int16())


@on()
def nulls(case: Case, r: random.Random) -> None:
    name = r.choice(list(case.columns))
    values = case.values(name)
    for i in r.sample(range(ROWS), 6):
        values[i] = None
        case.out(i)
    case.put(name, values)


@on()
def odd_words(case: Case, r: random.Random) -> None:
    words = case.values("behavior")
    for i in r.sample(range(ROWS), 6):
        words[i] = r.choice(["PV", " pv", "", "share", "pv\0", "p\u200bv", "x" * ((1 << 20) + 5)])
        case.out(i)
    case.put("behavior", words)


@on()
def out_of_window(case: Case, r: random.Random) -> None:
    times, (low, high) = case.values("timestamp"), case.told.window
    for i in r.sample(range(ROWS), 6):
        times[i] = r.choice([low - 1, high + 1, 0, -1, 2**62, -(2**62)])
        case.out(i)
    for i in r.sample([i for i, row in enumerate(case.rows) if row], 2):
        times[i] = r.choice([low, high])
        case.rows[i] = (*case.rows[i][:4], times[i])
    case.put("timestamp", times)


@on()
def doubles(case: Case, r: random.Random) -> None:
    at = [*range(ROWS), *(r.randrange(ROWS) for _ in range(9))]
    r.shuffle(at)
    case.columns = {n: a.take(pa.array(at)) for n, a in case.columns.items()}
    case.rows = [case.rows[i] for i in at]
    case.options["row_group_size"] = r.choice([3, 1000])


# --- how the file is written ------------------------------------------------------------------------------------------


@on()
def many_row_groups(case: Case, r: random.Random) -> None:
    case.options |= {"row_group_size": r.choice([1, 2, 5]), "data_page_size": r.choice([1, 64])}


@on()
def encodings(case: Case, r: random.Random) -> None:
    whole, words = (
        r.choice(["DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"]),
        r.choice(["DELTA_BYTE_ARRAY", "PLAIN", "DELTA_LENGTH_BYTE_ARRAY"]),
    )
    case.options |= {
        "use_dictionary": False, "column_encoding": {n: words if n == "behavior" else whole for n in case.columns},
        "data_page_version": r.choice(["1.0", "2.0"]), "store_schema": r.random() < 0.5,
    }  # fmt: skip


@on()
def empty_row_groups(case: Case, r: random.Random) -> None:
    table = pa.table(case.columns)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema) as writer:
        for piece in (table.slice(0, 0), table.slice(0, 9), table.slice(0, 0), table.slice(9), table.slice(0, 0)):
            writer.write_table(piece)
    case.damage = lambda _: sink.getvalue()


@on()
def columns_in_another_order(case: Case, r: random.Random) -> None:
    case.columns = {n: case.columns[n] for n in r.sample(list(case.columns), 5)}


@on()
def more_columns(case: Case, r: random.Random) -> None:
    nested = [{"a": [1, 2]}] * ROWS
    extra = r.choice(
        [
            pa.array(nested),
            pa.array([[1.5]] * ROWS),
            pa.nulls(ROWS),
            pa.array([b"\xff"] * ROWS),
            pa.array([Decimal("1.1")] * ROWS),
        ]
    )
    case.columns = {r.choice(["note", "", "a.b", "user_id.x", "<b>", "day", "hour", "_at"]): extra, **case.columns}


@on()
def mapped_columns(case: Case, r: random.Random) -> None:
    own = ["a;b--", "<script>", "时间", "x.y", "`q`"]
    case.told = Told(columns=dict(zip(case.columns, own, strict=True)))
    case.names = own


@on()
def columns_by_position(case: Case, r: random.Random) -> None:
    case.told = Told(columns={n: i for i, n in enumerate(case.columns, 1)})
    case.names = [f"c{i}" for i in range(5)]


# --- types and layouts that do not fit --------------------------------------------------------------------------------


@on()
def wrong_ids(case: Case, r: random.Random) -> None:
    made = r.choice([
        [float(i) for i in range(ROWS)], [Decimal(i) for i in range(ROWS)], [[i] for i in range(ROWS)],
        [{"a": i} for i in range(ROWS)], [True] * ROWS, [date(2017, 1, 1)] * ROWS, [datetime(2017,
        1, 1)] * ROWS, [timedelta(1)] * ROWS,
    ])  # fmt: skip
    case.put(r.choice(["user_id", "item_id"]), made)
    case.must = "refused"


@on()
def wrong_times(case: Case, r: random.Random) -> None:
    times = case.values("timestamp")
    moments = [datetime.fromtimestamp(t, UTC).replace(tzinfo=None) for t in times]
    case.put("timestamp", r.choice([
        pa.array(moments, pa.timestamp(r.choice(["s", "ms", "us", "ns"]))), pa.array([float(t) for t in times]),
        pa.array([m.date() for m in moments]), pa.array([m.time() for m in moments]), pa.array([True] * ROWS),
        pa.array([[t] for t in times]), pa.array(times, pa.duration("s")), pa.array([str(m) for m in moments]),
    ]))  # fmt: skip
    case.must = "refused"


@on()
def int96(case: Case, r: random.Random) -> None:
    """Times as Spark and Impala wrote them: days and nanoseconds, without a zone in the file's own types."""
    zone = r.choice([None, "UTC", "Asia/Shanghai"])
    times = [t * 10**9 + r.randrange(10**9) for t in case.values("timestamp")]
    case.put("timestamp", pa.array(times, pa.timestamp("ns", zone)))
    case.options |= {"use_deprecated_int96_timestamps": True}
    case.must = ""


@on()
def column_missing(case: Case, r: random.Random) -> None:
    case.columns.pop(r.choice(list(case.columns)))
    case.must = "refused"


@on()
def column_renamed(case: Case, r: random.Random) -> None:
    names = list(case.columns)
    at = r.randrange(5)
    names[at] = r.choice([names[at].upper(), names[at] + " ", "", "\u200b" + names[at]])
    case.names, case.must = names, "refused"


@on()
def column_twice(case: Case, r: random.Random) -> None:
    name = r.choice(list(case.columns))
    names = [*case.columns, name]
    case.columns["again"] = case.columns[name]
    case.names, case.must = names, "refused"


@on()
def columns_nested(case: Case, r: random.Random) -> None:
    whole = pa.StructArray.from_arrays(list(case.columns.values()), names=list(case.columns))
    case.columns, case.must = {r.choice(["event", "user_id"]): whole}, "refused"


@on()
def no_rows(case: Case, r: random.Random) -> None:
    case.columns, case.rows = {n: a.slice(0, 0) for n, a in case.columns.items()}, []
    case.must = "refused"


# --- damage -----------------------------------------------------------------------------------------------------------


@on()
def cut(case: Case, r: random.Random) -> None:
    case.damage = lambda d: d[: r.choice([r.randrange(len(d)), len(d) - r.randint(1, 12), 4, 8, 0])]
    case.must = "refused"


@on()
def cut_at_the_front(case: Case, r: random.Random) -> None:
    case.damage = lambda d: d[r.choice([1, 4, 100]) :]
    case.must = "refused"


@on()
def something_else(case: Case, r: random.Random) -> None:
    other = [
        b"1,2,3,pv,1511544070\n" * 9, b"PAR1PAR1", b"PAR1" + b"\0" * 8 + b"PAR1", b"PARE" + b"x" * 90 + b"PARE", b"",
        b"PK\x03\x04" + b"x" * 99, b"ORC",
    ]  # fmt: skip
    case.damage = lambda d: r.choice([*other, b"PAR1" + r.randbytes(200) + b"PAR1"])
    case.must = "refused"


@on()
def bytes_behind(case: Case, r: random.Random) -> None:
    case.damage = lambda d: d + r.choice([b"x", b"\n", b"PAR1", r.randbytes(50)])
    case.must = "refused"


@on()
def two_in_one(case: Case, r: random.Random) -> None:
    # the last footer rules, and its offsets count from the start of the first
    case.damage = lambda d: d + d
    case.must = "as another reader"


@on()
def footer_length_wrong(case: Case, r: random.Random) -> None:
    length = r.choice([0, 1, 2**31 - 1, 2**32 - 1, 10])
    case.damage = lambda d: d[:-8] + length.to_bytes(4, "little") + d[-4:]
    case.must = "refused"


@on()
def footer_bits(case: Case, r: random.Random) -> None:
    case.damage = lambda d: _flipped(d, r, len(d) - 8 - int.from_bytes(d[-8:-4], "little"), len(d))
    case.must = "as another reader"


@on()
def page_bits_with_checksums(case: Case, r: random.Random) -> None:
    case.options |= {"write_page_checksum": True, "compression": r.choice(CODECS)}
    case.damage = lambda d: _flipped(d, r, 4, len(d) - 8 - int.from_bytes(d[-8:-4], "little"))
    case.must = "as another reader"


@on()
def page_bits(case: Case, r: random.Random) -> None:
    # nothing in such a file can tell: what counts is that we read what stands there
    case.damage = lambda d: _flipped(d, r, 4, len(d) - 8 - int.from_bytes(d[-8:-4], "little"))
    case.must = "as another reader"


@on()
def zeroed_block(case: Case, r: random.Random) -> None:
    def zero(d: bytes) -> bytes:
        at = r.randrange(4, len(d) - 8)
        return d[:at] + b"\0" * min(64, len(d) - 4 - at) + d[at + 64 :]

    case.damage = zero
    case.must = "as another reader"


@on()
def encrypted(case: Case, r: random.Random) -> None:
    import base64

    import pyarrow.parquet.encryption as pe

    class Client(pe.KmsClient):
        """Keeps no secret: the key is the text itself."""

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
            return base64.b64encode(key_bytes)

        def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
            return base64.b64decode(wrapped_key)

    settings = pe.EncryptionConfiguration(
        footer_key="k",
        column_keys={"k": r.choice([["user_id"], ["behavior"], list(case.columns)])},
        plaintext_footer=r.random() < 0.5,
    )
    properties = pe.CryptoFactory(lambda config: Client()).file_encryption_properties(
        pe.KmsConnectionConfig(), settings
    )
    case.options = {"encryption_properties": properties}
    case.must = "refused"


def _flipped(data: bytes, r: random.Random, low: int, high: int) -> bytes:
    changed = bytearray(data)
    for _ in range(r.choice([1, 1, 3])):
        changed[r.randrange(low, high)] ^= 1 << r.randrange(8)
    return bytes(changed)
