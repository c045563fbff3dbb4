"""Canaries: texts that must never be published, a shop full of them, and the search for them in a report."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyarrow.parquet as pq
import yaml

from helpers.simulate.settings import ShopSettings
from helpers.simulate.shop import make_shop

CANARIES = {
    "user id": r"zqxu\w*",
    "item id": r"(?<![\d.])918273\d{6}(?!\d)|9\.1827\d*e\+?11",
    "order id": r"zqxo\w*",
    "contact id": r"zqxc\w*",
    "category id": r"zqxk\w*",
    "name": r"zqxname\w*",
    "e-mail": r"zqxmail\w*",
    "phone": r"1395557\d{4}|139[ -]?5557[ -]?\d{4}",
    "path": r"zqxpath\w*",
    "host": r"zqxhost\w*",
    "token": r"zqxtoken\w*",
    "folder": r"zqxfolder\w*",
    "study file": r"zqxfile\w*",
    "environment": r"zqxenv\w*",
}
"""Kind → pattern, in small letters. No word of a language and no number of a shop looks like one."""
KINDS = {kind: re.compile(pattern) for kind, pattern in CANARIES.items()}
ENVIRONMENT = {
    "SHOP_API_TOKEN": "zqxenvtoken81d0",
    "DATABASE_URL": "postgres://zqxenvuser:zqxenvword@zqxenvhost.internal/shop",
    "USER": "zqxenvuser",
    "LOGNAME": "zqxenvuser",
    "USERNAME": "zqxenvuser",
    "HOSTNAME": "zqxenvhost.internal",
}
IDS = {"user_id": "zqxu", "order_id": "zqxo", "contact_id": "zqxc", "category_id": "zqxk", "item_id": "918273"}
NUMBERS = ("item_id",)
UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def canary_shop(folder: Path, *, users: int, seed: int) -> Path:
    """A small shop in which every id is a canary, and people wrote names, numbers and paths; its study file."""
    make_shop(folder / "shop", ShopSettings(users=users, dirt=False, seed=seed))
    tables = {f.stem: pd.read_csv(f, dtype=str, keep_default_na=False) for f in sorted((folder / "shop").glob("*.csv"))}
    plant(tables)
    place = folder / "zqxfolder_anna"
    place.mkdir()
    inputs = {table: _write(rows, place / f"{table}.csv") for table, rows in tables.items()}
    study = {
        "name": "canaries", "title": "A shop with secrets", "window": {"start": "2017-06-19", "end": "2017-12-17"},
        "privacy": {"min_cell": 10}, "tables": inputs,
    }  # fmt: skip
    file = place / "zqxfile_anna.yaml"
    file.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return file


def plant(tables: dict[str, pd.DataFrame]) -> None:
    """Put canaries into ids, texts and faulty lines of the tables."""
    for name, table in tables.items():
        for column in set(IDS) & set(table):
            tables[name] = table = table.assign(
                **{column: (IDS[column] + table[column]).where(table[column] != "", "")}
            )
    items, users, feedback = tables["items"], tables["users"], tables["feedback"]
    unnamed = list(items.category_id.unique())[::7]
    items["category_name"] = items.category_name.mask(items.category_id.isin(unnamed), "")
    users["gender"] = [secret(i) if i % 40 == 0 else g for i, g in enumerate(users.gender)]
    users["age_band"] = [f"zqxmail{i} at zqxhost" if i % 97 == 5 else a for i, a in enumerate(users.age_band)]
    feedback["text"] = [f"{t} {secret(i)}" if i % 2 else t for i, t in enumerate(feedback.text)]
    tables["campaigns"]["objective"] += " (ask Zqxname, 13955570001)"
    bad = tables["events"].head(20).assign(timestamp=[secret(i) for i in range(20)])
    tables["events"] = pd.concat([tables["events"], bad], ignore_index=True)


def secret(number: int) -> str:
    """What a person writes and nobody may read: a name, an address, a phone, a path, a token; each one his own."""
    own = "".join(chr(97 + int(digit)) for digit in str(number))
    return (
        f"Zqxname{own} zqxmail{own}@zqxhost{own}.example 1395557{number:04d} /srv/zqxpath{own}/x.txt zqxtoken{own}f3a9"
    )


def _write(table: pd.DataFrame, file: Path) -> dict:
    table.to_csv(file, index=False, lineterminator="\n")
    ids = {c: "text" for c in ("campaign_id", *IDS) if c in table and c not in NUMBERS}
    return {"path": file.name} | ({"ids": ids} if ids else {})


def found_in(report: Path) -> dict[str, list[str]]:
    """Published file → what it tells, one line a canary; also files that tell nothing."""
    told = {}
    for file in sorted(f for f in report.rglob("*") if f.is_file()):
        name = file.relative_to(report).as_posix()
        told[name] = sorted({t for text in (name, *texts(file)) for t in canaries_in(text)})
    return told


def canaries_in(text: str) -> list[str]:
    """The canaries of a text, with their kind; numbers may be written with separators.

    >>> canaries_in("Customer ZQXU1000001 took 918,273,220,751 of 3,182,730")
    ['user id zqxu1000001', 'item id 918273220751']
    """
    plain = text.lower().translate(UNSEEN)
    plain = re.sub(r"(?<=\d)[,'\u00a0\u202f\u2009](?=\d{3})", "", plain)
    return [f"{kind} {found[0]}" for kind, pattern in KINDS.items() for found in pattern.finditer(plain)]


def texts(file: Path) -> Iterator[str]:
    """A published file as it is, and in every form in which it can be read."""
    if file.suffix == ".parquet":
        yield from parquet_texts(file)
        return
    raw = file.read_bytes().decode("utf-8", errors="replace")
    yield raw
    if file.suffix == ".html":
        read = html.unescape(raw)
        yield from (read, unquote(read), re.sub(r"<[^>]*>", "", read))
    if file.suffix == ".json":
        yield json.dumps(json.loads(raw), ensure_ascii=False)


def parquet_texts(file: Path) -> Iterator[str]:
    """What a Parquet file holds: all it says of itself, and every cell."""
    with pq.ParquetFile(file) as stored:
        about = [stored.metadata.metadata or {}, *(field.metadata or {} for field in stored.schema_arrow)]
        yield " ".join(f"{k.decode()} {v.decode(errors='replace')}" for each in about for k, v in each.items())
        table = stored.read()
    yield " ".join(table.column_names)
    for column in table.columns:
        yield "\n".join(str(cell) for cell in column.unique().to_pylist())
