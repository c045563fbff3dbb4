"""Logs as they should be, of several tables and ways to write them, before anything breaks them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.intake.oracle import TABLES, Told

ROWS = 60
SWAPPED = {d: bytes.maketrans(b"," + d.encode(), d.encode() + b",") for d in ";\t|"}
EVENTS = list(TABLES["events"])
HEADERS = [
    EVENTS,
    ["timestamp", "behavior", "user_id", "item_id", "category_id"],
    ["behavior", "user_id", "note", "item_id", "timestamp", "category_id"],
]


@dataclass
class Log:
    """A file on its way to us.

    `columns` are the names of its fields in order ('note' is not read), `data` its text with commas. `packed` is what
    stands on the disk where that is an archive of the text. `must` is 'taken' or 'refused' where only that is right.
    `more` are further files of the table.
    """

    told: Told
    columns: list[str]
    data: bytes
    name: str = "log.csv"
    packed: bytes | None = None
    must: str = ""
    more: list[tuple[str, bytes]] = field(default_factory=list)
    operator: str = ""

    @property
    def header(self) -> bytes:
        """The header line as it began; empty where there is none."""
        return ",".join(self.columns).encode() if self.told.header else b""

    def places(self, *kinds: str) -> list[int]:
        """Where the columns of some kinds stand, counted from 0."""
        of = {n: k.rstrip("?") for n, k in TABLES[self.told.table].items()}
        return [i for i, name in enumerate(self.columns) if of.get(name) in kinds]

    def tell(self, **settings: Any) -> None:
        """Let the study say something else."""
        self.told = replace(self.told, **settings)


def _event(r: random.Random, moment: str) -> dict[str, str]:
    return {
        "user_id": str(r.randrange(1, 40)),
        "item_id": str(r.randrange(1, 10**7)),
        "category_id": str(r.randrange(1, 10**4)),
        "behavior": r.choice(["pv"] * 8 + ["cart", "fav", "buy"]),
        "timestamp": moment,
        "note": "x",
    }


def iso_text(second: int, r: random.Random) -> str:
    """A moment with an offset, in one of the ways in which machines write it."""
    offset = timezone(timedelta(hours=r.choice([0, 1, 2, 8, -5]), minutes=r.choice([0, 0, 30])))
    written = datetime.fromtimestamp(second, offset).isoformat(sep=r.choice("T "))
    plain = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return r.choice([written, plain + "Z", plain + " UTC", plain + ".250Z", plain + ".123456789+0000"])


def _seconds(told: Told, r: random.Random) -> int:
    return r.randrange(told.window[0], told.window[1] + 1)


def plain(r: random.Random, told: Told | None = None, rows: int = ROWS) -> Log:
    """Events without a header."""
    told = told or Told()
    per = {"s": 1, "ms": 1_000, "us": 1_000_000}.get(told.unit, 0)
    lines = []
    for _ in range(rows):
        second = _seconds(told, r)
        moment = str(second * per + r.randrange(per)) if per else iso_text(second, r)
        event = _event(r, moment)
        lines.append([event[n] for n in EVENTS])
    told = replace(told, columns={n: i for i, n in enumerate(EVENTS, start=1)})
    return Log(told, EVENTS, _joined(lines))


def _joined(lines: list[list[str]]) -> bytes:
    return "".join(",".join(line) + "\n" for line in lines).encode()


def with_header(r: random.Random) -> Log:
    """Events with a header in some order."""
    told, names = Told(header=True), r.choice(HEADERS)
    events = [_event(r, str(_seconds(told, r))) for _ in range(ROWS)]
    return Log(told, names, _joined([names, *([e[n] for n in names] for e in events)]))


def iso(r: random.Random) -> Log:
    """Events in ISO 8601 around the night in which the clock goes back."""
    days = r.choice([("Europe/Berlin", "2017-10-25", "2017-11-02"), ("America/New_York", "2017-11-03", "2017-11-08")])
    return plain(r, Told(unit="iso", zone=days[0], days=days[1:]))


def fine_times(r: random.Random) -> Log:
    """Events in milli- or microseconds."""
    return plain(r, Told(unit=r.choice(["ms", "us"])))


def coded(r: random.Random) -> Log:
    """Events with numbers for what was done, under names of the shop's own."""
    words = {"1": "pv", "2": "fav", "3": "cart", "4": "buy"}
    log = with_header(r)
    code = {w.encode(): c.encode() for c, w in words.items()}
    at, own = log.columns.index("behavior"), [f"c_{n}" for n in log.columns]
    lines = [line.split(b",") for line in log.data.split(b"\n")[1:-1]]
    for fields in lines:
        fields[at] = code[fields[at]]
    data = b"".join(b",".join(f) + b"\n" for f in [[n.encode() for n in own], *lines])
    told = replace(log.told, words=words, columns={n: f"c_{n}" for n in EVENTS})
    return Log(told, own, data)


def orders(r: random.Random) -> Log:
    """Order lines with amounts and text ids."""
    told, names, lines = Told(table="orders", header=True, ids="text"), list(TABLES["orders"]), []
    for i in range(ROWS):
        price, off = f"{r.random() * 300:.{r.randrange(4)}f}", r.choice(["", "0", f"{r.random() * 5:.2f}"])
        ids = [f"o{i // 3:04d}", f"u{r.randrange(30):03d}", f"i{i:05d}", f"k{r.randrange(9)}"]
        lines.append([*ids, str(r.randrange(1, 9)), price, off, str(_seconds(told, r))])
    return Log(told, names, _joined([names, *lines]))


TITLES = [
    "连衣裙 夏季", "Кроссовки", 'say ""so""', "red, blue", "plain", "=1+1", "NA", "5\u00a0cm", "a\nb", "é", "e\u0301",
    "😀", "-", "NULL", "0012", "|", "x;y", "<b>", "",
]  # fmt: skip


def items(r: random.Random) -> Log:
    """A catalogue with free text, some of it over two lines."""
    told, names, lines = Told(table="items", header=True), list(TABLES["items"]), []
    for item in r.sample(range(1, 10**6), ROWS):
        title = r.choice(TITLES)
        title = f'"{title}"' if r.random() < 0.3 or {",", '"', "\n"} & set(title) else title
        day = str(datetime(2015, 1, 1, tzinfo=UTC).date() + timedelta(days=r.randrange(900)))
        money = [f"{r.random() * 99:.2f}", r.choice(["", f"{r.random() * 9 - 2:.1f}"])]
        lines.append([str(item), str(r.randrange(50)), f"cat {item % 7}", title, *money, r.choice(["", "B"]), day])
    return Log(told, names, _joined([names, *lines]))


def users(r: random.Random) -> Log:
    """Customers with flags and days."""
    told, names, lines = Told(table="users", header=True, ids=r.choice(["text", "int64"])), list(TABLES["users"]), []
    for user in r.sample(range(1, 10**6), ROWS):
        flags = [r.choice(["0", "1", "true", "FALSE", ""]) for _ in range(2)]
        day = f"201{r.randrange(8)}-0{r.randrange(1, 10)}-1{r.randrange(10)}"
        lines.append(
            [str(user), r.choice(["18-24", "25-34", ""]), r.choice("fmx"), str(r.randrange(1, 7)), day, *flags]
        )
    return Log(told, names, _joined([names, *lines]))


BASES: list[tuple[Callable[[random.Random], Log], int]] = [
    (plain, 30), (with_header, 20), (iso, 8), (fine_times, 6), (coded, 6), (orders, 10), (items, 14), (users, 6),
]  # fmt: skip


def any_log(r: random.Random) -> Log:
    """One of them."""
    return r.choices([b for b, _ in BASES], [w for _, w in BASES])[0](r)
