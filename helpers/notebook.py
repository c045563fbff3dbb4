"""What every notebook does first: open the study, see what the data are, and ask whether they can answer."""

from __future__ import annotations

import hashlib
import hmac
import html
import json
import os
import secrets
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd

from helpers import study as _study
from helpers.answerability import Assessment, assess, missing_tables
from helpers.engine import connect
from helpers.facts import purchases
from helpers.findings import Findings, NotAnswerable, missing
from helpers.intake import Ingested, ingest_all, with_rows
from helpers.study import ROOT, Study, load_study
from helpers.tables import NEEDS, TABLES
from helpers.whole_files import sweep


@dataclass(frozen=True)
class OpenStudy:
    """A study with its verified tables, its findings and the answers about its data.

    `study.events`, `study.orders`, … are Ibis tables of the contract, with `day` and `hour` in the study's zone.
    """

    study: Study
    notebook: str
    tables: dict[str, ir.Table]
    ingested: dict[str, Ingested]
    assessment: Assessment
    findings: Findings

    def __getattr__(self, name: str) -> ir.Table:
        if name in TABLES:
            if name not in self.tables:
                raise NotAnswerable(f"The study {self.study.name!r} has no table {name!r}.")
            return self.tables[name]
        raise AttributeError(name)

    @property
    def log(self) -> ir.Table:
        """The events; in a study without events the order lines, each as a purchase."""
        return self.events if self.has("events") else purchases(self.orders)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.study.name

    @property
    def window(self) -> tuple[pd.Timestamp, pd.Timestamp]:
        """First and last day, inclusive."""
        return pd.Timestamp(self.study.window.start), pd.Timestamp(self.study.window.end)

    @property
    def min_cell(self) -> int:
        """Groups of fewer people are not shown."""
        return self.study.privacy.min_cell

    @property
    def currency(self) -> str:
        """Unit of all money columns."""
        return self.study.currency

    @property
    def data_hash(self) -> str:
        """One hash of all tables: two reports with the same hash used the same data."""
        return data_hash(self.ingested)

    def has(self, *tables: str) -> bool:
        """Does the study bring all these tables?"""
        return all(t in self.tables for t in tables)

    def truth(self, name: str) -> pd.DataFrame:
        """A table of the simulated shop's truth, or an empty table that says that real data have none.

        `name` is the file's stem in the shop's truth folder, such as 'users'.
        """
        folder = self.study.truth_folder
        if folder is None:
            return missing(["truth"], "these are not simulated data, so the truth is not known")
        file = folder / f"{name}.csv"
        return pd.read_csv(file) if file.is_file() else missing(["truth"], f"the simulated shop keeps no {name}.csv")

    def truths(self) -> dict:
        """The scalar truths of the simulated shop (`truth.json`); empty for real data."""
        folder = self.study.truth_folder
        file = folder / "truth.json" if folder else None
        return json.loads(file.read_text(encoding="utf-8")) if file and file.is_file() else {}

    @cached_property
    def _key(self) -> bytes:
        """The secret of this machine and study that pseudonyms are made with; it never enters a report."""
        file = _study.CACHE / self.study.name / "pseudonym.key"
        if not file.is_file():
            key = secrets.token_bytes(32)
            _write_once(file, key + hashlib.sha256(key).digest())
        return _read_key(file)

    def pseudonyms(self, ids: pd.Series, kind: str) -> pd.Series:
        """Labels such as 'category k3f9q2ab' for raw ids: the same id gives the same label, and no way back."""
        unique = {v: self._pseudonym(v, kind) for v in ids.dropna().unique()}
        return ids.map(unique)

    def _pseudonym(self, value: object, kind: str) -> str:
        digest = hmac.new(self._key, f"{kind}:{value}".encode(), hashlib.sha256).digest()
        number, letters = int.from_bytes(digest[:8], "big"), "abcdefghjkmnpqrstuvwxyz23456789"
        return f"{kind} " + "".join(letters[number // len(letters) ** i % len(letters)] for i in range(8))

    def category_labels(self, ids: pd.Series) -> pd.Series:
        """Readable names of categories: from the items table where it has them, else pseudonyms.

        Two categories with one name stay two: each gets the code of its pseudonym behind the name.
        """
        labels = self.pseudonyms(ids, "category")
        if not self.has("items"):
            return labels
        items = self.items.filter(self.items.category_name.notnull()).group_by("category_id")
        named = items.agg(name=self.items.category_name.min()).execute().set_index("category_id")["name"]
        if named.empty:
            return labels
        twice = named.duplicated(keep=False)
        codes = self.pseudonyms(named.index.to_series(), "category").str.removeprefix("category ")
        named = named.mask(twice, named + " " + codes)
        return ids.map(named).fillna(labels)

    def _repr_html_(self) -> str:
        lines = [self.summary_line(), *self.assessment.warnings]
        lines += self.assessment.caveats(self.notebook)
        return "".join(f'<p class="smn-note" role="note">{html.escape(x)}</p>' for x in lines)

    def __repr__(self) -> str:
        return self.summary_line()

    def overview(self) -> pd.DataFrame:
        """One row a table of the study: what it holds and how many rows came through the door."""
        return pd.DataFrame(
            [
                {"table": name, "meaning": TABLES[name].meaning, "rows": self.ingested[name].manifest["rows"]}
                for name in TABLES
                if name in self.ingested
            ]
        )

    def accounting(self) -> pd.DataFrame:
        """One row a file: lines = header + blank + continuation + accepted + rejected, and the reasons."""
        return accounting(self.ingested)

    def summary_line(self) -> str:
        """Study, rows, users, window, zone and data hash in one line."""
        first, last = self.window
        parts = [f"{self.study.title}"]
        log = next((t for t in ("events", "orders") if t in self.ingested), "")
        if log:
            rows = self.ingested[log].manifest["rows"]
            parts.append(f"{rows:,} {'events' if log == 'events' else 'order lines'} of {self.users:,} users")
        parts.append(f"{first:%Y-%m-%d} … {last:%Y-%m-%d} ({self.study.time_zone})")
        parts.append(f"data {self.data_hash[:12]}")
        return " · ".join(parts)

    @property
    def buyers(self) -> int:
        """Number of users with at least one purchase in the log."""
        return self.assessment.facts["buyers"]

    @property
    def users(self) -> int:
        """Number of users in the log."""
        return self.assessment.facts["users"]


def data_hash(ingested: dict[str, Ingested]) -> str:
    """One hash of all tables of a study."""
    joined = "".join(f"{name}{ingested[name].data_hash}" for name in sorted(ingested))
    return hashlib.sha256(joined.encode()).hexdigest()


def _write_once(file: Path, content: bytes) -> None:
    """Put a whole file there, unless another process was faster: then its file stays."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sweep(file)
    new = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    new.write_bytes(content)
    new.chmod(0o600)
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    except OSError:  # no hard links on this disk
        new.replace(file)
    new.unlink(missing_ok=True)


class KeyDamaged(ValueError):
    """The key of the pseudonyms is not as it was written."""


def _read_key(file: Path) -> bytes:
    """The key without its check; a key of 32 bytes was written without one."""
    content = file.read_bytes()
    key, check = content[:32], content[32:]
    if len(key) < 32 or (check and check != hashlib.sha256(key).digest()):
        raise KeyDamaged(
            f"The file {file.name} in the cache of the study {file.parent.name!r} is damaged, so items and categories "
            f"would get other labels than before. Delete the folder {file.parent.name} in data/cache, then run again."
        )
    return key


COUNTS = ("lines", "header", "blank", "continuation", "accepted")


def accounting(ingested: dict[str, Ingested]) -> pd.DataFrame:
    """Where every line of every file went.

    Returns
    -------
    DataFrame
        One row a file: table, file, lines, header, blank, continuation, accepted, rejected (lines), reasons (words)
        and `adds_up`: lines = header + blank + continuation + accepted + rejected.
    """
    rows = []
    for table, result in ingested.items():
        for file in result.manifest["inputs"]:
            counts = {name: file.get(name, 0) for name in COUNTS}
            rejected = sum(file["rejects"].values())
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(file["rejects"].items()) if n)
            reasons = reasons if result.rows else "no rows: the table counts as absent"
            adds_up = counts["lines"] == sum(counts.values()) - counts["lines"] + rejected
            row = {"table": table, "file": file["path_name"], **counts, "rejected": rejected}
            rows.append({**row, "reasons": reasons or None, "adds_up": adds_up})
    return pd.DataFrame(rows)


def contents() -> pd.DataFrame:
    """The collection: one row a notebook with its question and the tables it cannot do without."""
    rows = []
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"]
        title = "".join(first).splitlines()[0].lstrip("# ").split("·", 1)[-1].strip()
        name, _, question = title.partition(":")
        needs = ", ".join(NEEDS.get(path.stem, ())) or "none"
        rows.append({"number": path.stem[:2], "notebook": name, "question": question.strip(), "needs": needs})
    return pd.DataFrame(rows, columns=["number", "notebook", "question", "needs"])


def open_study(study_file: str | Path, notebook: str) -> OpenStudy:
    """Open a study for one notebook.

    Parameters
    ----------
    study_file : str or Path
        A study's name, such as 'demo', or the path of a study file.
    notebook : str
        The notebook's own name, such as '21_funnel'.

    Raises
    ------
    NotAnswerable
        The data cannot answer this notebook's question; the message says why.
    """
    study = load_study(study_file)
    ingested = ingest_all(study)
    tables = connect(study.engine, {name: i.data for name, i in with_rows(ingested).items()})
    absent = missing_tables(notebook, list(tables))
    if absent:
        raise NotAnswerable(f"It needs the tables {', '.join(absent)}, which the study {study.name!r} does not bring.")
    manifests = {name: i.manifest for name, i in ingested.items()}
    assessment = assess(study, tables, data_hash=data_hash(ingested), manifests=manifests)
    if reason := assessment.refusal(notebook):
        raise NotAnswerable(f"These data cannot answer it: {reason}.")
    return OpenStudy(study, notebook, tables, ingested, assessment, Findings(notebook))
