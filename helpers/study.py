"""A study file (YAML) → a validated Study: which files, which window and zone, which notebooks.

Every key is checked. A wrong one is refused with the file, the line, the value and the nearest right name.
"""

from __future__ import annotations

import difflib
import importlib.resources
import os
import re
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from helpers.currencies import check_currency
from helpers.tables import NEEDS, TABLES

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
STUDIES = DATA / "studies"
CACHE = Path(os.environ.get("SMN_CACHE") or DATA / "cache")
"""Verified tables and finished runs; SMN_CACHE moves it, for example to a larger disk."""
REPORTS = ROOT / "reports"

RESERVED = {"con", "prn", "aux", "nul", "cache", "studies"} | {f"{d}{i}" for d in ("com", "lpt") for i in range(10)}
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class StudyError(ValueError):
    """A study file or a study's name is wrong; the message says where and how to mend it."""


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """' Did you mean …?' with the known word closest to `word`, or all known words.

    >>> nearest("tabels", ["tables", "title"])
    "Did you mean 'tables'?"
    >>> nearest("xyz", ["a", "b"])
    'Known: a, b.'
    """
    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known: {', '.join(map(str, known))}."


def check_name(name: str, what: str = "study name") -> str:
    """`name` when it is safe as a folder name on every system, else StudyError.

    >>> check_name("my-shop_2017")
    'my-shop_2017'
    """
    if not NAME.fullmatch(name) or name in RESERVED:
        shown = name if len(name) <= 60 else name[:57] + "..."
        raise StudyError(
            f"{what} {shown!r} cannot be used. Take 1 to 40 of a-z, 0-9, '-' and '_', starting with a letter or "
            "digit, and no name that a system reserves."
        )
    return name


def zone(name: str) -> ZoneInfo:
    """The time zone from the tzdata package: the same on every machine, whatever its system tables say."""
    parts = name.split("/")
    if not all(re.fullmatch(r"[A-Za-z0-9_+-]+", p) for p in parts):
        raise StudyError(f"time_zone {name!r} is not the name of a zone, such as Asia/Shanghai.")
    resource = importlib.resources.files("tzdata").joinpath("zoneinfo", *parts)
    if not resource.is_file():
        raise StudyError(f"time_zone {name!r} is not known. Use an IANA name, such as Asia/Shanghai or Europe/London.")
    with resource.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Strict):
    """The study's whole days, first and last inclusive, in the study's time zone."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ordered(self) -> Window:
        if self.end < self.start:
            raise ValueError(f"the window ends ({self.end}) before it starts ({self.start}); swap them")
        return self

    @property
    def days(self) -> int:
        """Number of whole days."""
        return (self.end - self.start).days + 1


MASTER = (
    r"^(local(\[(\d{1,4}|\*)(,\d{1,3})?\])?|yarn|spark://[\w.-]+:\d+(,[\w.-]+:\d+)*|k8s://(https?://)?[\w.-]+(:\d+)?)$"
)


class Engine(_Strict):
    """Where event-level work runs.

    For Spark `master` says where (without it, Spark's own settings do), `intake: cluster` that files are read and
    written through it, and `store` in which folder or under which URI of the cluster the cleaned tables lie.
    """

    kind: Literal["duckdb", "spark"] = "duckdb"
    memory_limit: Annotated[str, Field(pattern=r"^(\d+(\.\d+)?\s?(MB|GB|TB)|\d{1,3}\s?%)$")] = "60%"
    threads: Annotated[StrictInt, Field(ge=1, le=1024)] | None = None
    master: Annotated[str, Field(pattern=MASTER)] | None = None
    intake: Literal["machine", "cluster"] = "machine"
    store: str | None = None

    @model_validator(mode="after")
    def _spark_only(self) -> Engine:
        given = [name for name in ("master", "store") if getattr(self, name) is not None]
        given += ["intake"] if self.intake == "cluster" else []
        if given and self.kind != "spark":
            raise ValueError(f"engine.{given[0]} is for Spark only; say kind: spark, or take the key away")
        return self


class Privacy(_Strict):
    """Groups of fewer than `min_cell` people are not shown."""

    min_cell: Annotated[StrictInt, Field(ge=1, le=1000)] = 10


class TableInput(_Strict):
    """How the files of one table are read.

    `columns` maps contract names to a name in the header or to a position counted from 1; without it the header
    must hold the contract's names. `ids` says 'int64' or 'text' for all ids of the table, or for each of them.
    """

    path: str | list[str]
    format: Literal["csv", "parquet"] = "csv"
    header: StrictBool = True
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"
    columns: dict[str, str | StrictInt] | None = None
    ids: Literal["int64", "text"] | dict[str, Literal["int64", "text"]] = "int64"
    behavior_codes: dict[str, Literal["pv", "fav", "cart", "buy"]] | None = None
    timestamp_unit: Literal["auto", "s", "ms", "us", "iso"] = "auto"
    duplicates: Literal["drop", "keep"] = "drop"
    _folder: Path = PrivateAttr(default=Path())

    @field_validator("behavior_codes", mode="before")
    @classmethod
    def _codes_as_text(cls, value: Any) -> Any:
        return {str(k): v for k, v in value.items()} if isinstance(value, dict) else value

    @property
    def paths(self) -> list[Path]:
        """The files, absolute and literal: no pattern in a name is ever expanded. A URL is kept as written."""
        names = [self.path] if isinstance(self.path, str) else self.path
        return [Path(n) if is_remote(n) else Path(os.path.abspath(self._folder / n)) for n in names]  # noqa: PTH100

    @property
    def remote(self) -> list[str]:
        """Those of the paths that are URLs."""
        return [n for n in ([self.path] if isinstance(self.path, str) else self.path) if is_remote(n)]

    def id_type(self, column: str) -> str:
        """'int64' or 'text' for the id column `column`."""
        return self.ids if isinstance(self.ids, str) else self.ids.get(column, "int64")


def is_remote(path: str) -> bool:
    """Is `path` a URL (http://, s3://, …) rather than a file's name?"""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path) is not None


class Study(_Strict):
    """A validated study. `notebooks` maps each notebook to run to its parameters (None: all of them)."""

    name: str
    title: str
    language: Literal["en", "zh"] = "zh"
    currency: str = "CNY"
    time_zone: str = "Asia/Shanghai"
    window: Window
    engine: Engine = Engine()
    allow_remote: StrictBool = False
    tables: dict[str, TableInput]
    truth: str | None = None
    privacy: Privacy = Privacy()
    notebooks: dict[str, dict[str, Any] | None] | None = None
    _source: Path = PrivateAttr(default=Path())

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return check_name(value)

    @field_validator("currency")
    @classmethod
    def _currency(cls, value: str) -> str:
        return check_currency(value)

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        zone(value)
        return value

    @model_validator(mode="after")
    def _contracts(self) -> Study:
        for table, given in self.tables.items():
            _check_table(table, given)
        for notebook in self.notebooks or {}:
            if notebook not in NEEDS:
                raise ValueError(f"notebooks: {notebook!r} is no notebook. {nearest(notebook, tuple(NEEDS))}")
        return self

    @property
    def source(self) -> Path:
        """The study file."""
        return self._source

    @property
    def folder(self) -> Path:
        """The study file's folder; relative paths in the file start here."""
        return self._source.parent

    @cached_property
    def _epochs(self) -> tuple[int, int]:
        tz = zone(self.time_zone)
        first = datetime.combine(self.window.start, datetime.min.time(), tz)
        after = datetime.combine(self.window.end + timedelta(days=1), datetime.min.time(), tz)
        return int(first.timestamp()), int(after.timestamp()) - 1

    @property
    def start_epoch(self) -> int:
        """First second of the window, epoch seconds."""
        return self._epochs[0]

    @property
    def end_epoch(self) -> int:
        """Last second of the window, epoch seconds."""
        return self._epochs[1]

    @property
    def truth_folder(self) -> Path | None:
        """Where a simulated shop keeps its known truth; None for real data."""
        return None if self.truth is None else Path(os.path.abspath(self.folder / self.truth))  # noqa: PTH100


def _check_table(table: str, given: TableInput) -> None:
    """The mapping of one table against its contract."""
    if table not in TABLES:
        raise ValueError(f"tables: {table!r} is no table. {nearest(table, tuple(TABLES))}")
    contract = TABLES[table]
    where = f"tables.{table}"
    if given.columns is not None:
        for column in given.columns:
            if column not in contract.names:
                raise ValueError(f"{where}.columns: {column!r} is no column. {nearest(column, contract.names)}")
        missing = [c for c in contract.required if c not in given.columns]
        if missing:
            raise ValueError(f"{where}.columns: {', '.join(missing)} must be mapped; {table} cannot do without")
        by_position = [c for c, v in given.columns.items() if isinstance(v, int)]
        if any(given.columns[c] < 1 for c in by_position):  # type: ignore[operator]
            raise ValueError(f"{where}.columns: positions count from 1")
        if not given.header and len(by_position) < len(given.columns):
            raise ValueError(f"{where}.columns: without a header every column needs a position, such as user_id: 1")
        taken = list(given.columns.values())
        doubled = {str(v) for v in taken if taken.count(v) > 1}
        if doubled:
            raise ValueError(f"{where}.columns: {', '.join(sorted(doubled))} is mapped twice")
    elif given.format == "csv" and not given.header:
        raise ValueError(f"{where}.columns: a file without a header needs positions, such as user_id: 1")
    id_columns = [c.name for c in contract.columns if c.kind == "id"]
    if isinstance(given.ids, dict):
        for column in given.ids:
            if column not in id_columns:
                raise ValueError(f"{where}.ids: {column!r} is no id of {table}. {nearest(column, id_columns)}")
    if given.behavior_codes is not None and "behavior" not in contract.names:
        raise ValueError(f"{where}.behavior_codes: {table} has no behaviour column; take the key away")


def find_study(study: str | Path) -> Path:
    """The file of a study, given by its name (`demo`) or by the path of its file.

    Raises
    ------
    StudyError
        Neither a ready-made study nor a file; the message lists the studies that exist.
    """
    text = str(study)
    if text.endswith((".yaml", ".yml")):
        path = Path(text)
        if not path.is_file():
            raise StudyError(
                f"There is no study file {path.name!r} there. Check the path, or make one: python run.py new FILE"
            )
        return path.resolve()
    check_name(text)
    path = STUDIES / f"{text}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in STUDIES.glob("*.yaml"))
        raise StudyError(f"There is no study {text!r}. {nearest(text, known)} A new one: python run.py new FILE")
    return path


def load_study(study: str | Path) -> Study:
    """Read and validate a study file.

    Parameters
    ----------
    study : str or Path
        A study's name, such as 'demo', or the path of a study file.

    Raises
    ------
    StudyError
        With file, line, key, value and the nearest right name.
    """
    path = find_study(study)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError(f"{path.name}: byte {error.start} is not UTF-8. Save the study file as UTF-8.") from None
    content, lines = _parse(text, path.name)
    try:
        loaded = Study.model_validate(content)
    except ValidationError as error:
        raise StudyError(_explain(error, path.name, lines)) from None
    loaded._source = path
    for table in loaded.tables.values():
        table._folder = path.parent
    return loaded


class _Loader(yaml.SafeLoader):
    """Plain YAML: only true/false are flags, days stay text until checked, a key may stand only once, no aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        # an alias can hold itself, or grow without bound
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not allowed in a study file", mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":timestamp", ":bool"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


def _parse(text: str, file: str) -> tuple[Any, dict[tuple, int]]:
    """The content, and the line of every key path."""
    loader = _Loader(text)
    lines: dict[tuple, int] = {}
    try:
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            raise StudyError(f"{file}: a study file is a list of 'key: value' lines; see data/studies/demo.yaml.")
        _note_lines(node, (), lines, file)
        return loader.construct_document(node), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise StudyError(f"{file}{at}: not valid YAML: {getattr(error, 'problem', error)}.") from None
    except RecursionError:
        raise StudyError(f"{file}: it is nested too deeply to be a study file.") from None
    finally:
        loader.dispose()


def _note_lines(node: yaml.Node, path: tuple, lines: dict[tuple, int], file: str) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _note_lines(item, (*path, i), lines, file)
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                raise StudyError(f"{file}, line {key.start_mark.line + 1}: the key {key.value!r} stands twice.")
            seen.add(key.value)
            _note_lines(value, (*path, key.value), lines, file)
            lines[(*path, key.value)] = key.start_mark.line + 1


def _explain(error: ValidationError, file: str, lines: dict[tuple, int]) -> str:
    """The first complaint of pydantic in the words of this file."""
    complaints = error.errors()
    # a misspelt key is both unknown and missing: the unknown one helps
    first = next((c for c in complaints if c["type"] == "extra_forbidden"), complaints[0])
    place = tuple(p for p in first["loc"] if (not isinstance(p, str)) or "[" not in p)
    line = next((lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines), 1)
    key = ".".join(map(str, place)) or "the file"
    where = f"{file}, line {line}: {key}"
    if first["type"] == "extra_forbidden":
        return f"{where}: unknown key. {nearest(str(place[-1]), _known_keys(place[:-1]))}"
    if first["type"] == "missing":
        return f"{where}: this key is missing. See data/studies/demo.yaml for an example."
    if first["type"] == "value_error":
        message = str(first["ctx"]["error"])
        return f"{file}, line {_line_of(message, lines, line)}: {message if message[-1] in '.?' else message + '.'}"
    shown = repr(first["input"])
    return f"{where} = {shown[:60]}: {first['msg'].lower()}."


def _line_of(message: str, lines: dict[tuple, int], line: int) -> int:
    """The line of the key path or the quoted word that a message of ours starts with."""
    head = message.split(":")[0].split(".")
    word = re.search(r"'([^']*)'", message)
    path = tuple(head)
    if word and (*path, word[1]) in lines:
        return lines[(*path, word[1])]
    return lines.get(path, line)


def _known_keys(place: tuple) -> list[str]:
    """Field names of the model that stands at `place` of a study file."""
    models = {"window": Window, "engine": Engine, "privacy": Privacy, "tables": TableInput}
    model = models.get(str(place[0])) if place else Study
    return list((model or Study).model_fields)
