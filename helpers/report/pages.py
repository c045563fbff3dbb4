"""The files of a report, staged beside the old one: pages, index, result tables, findings, the record of a run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.report import dictionary, leaks, one_page, publish
from helpers.report.account import stamp, versions, window
from helpers.report.collection import Notebook, all_notebooks
from helpers.report.deck import render_deck, trusted
from helpers.report.exporter import Page, page_script, render_failure, render_page, render_refusal, templates
from helpers.report.failure import CODE, Failure
from helpers.report.gate import faults, told
from helpers.report.glossary import table as term_table
from helpers.report.index import card, render_index
from helpers.report.markup import MarkupError

if TYPE_CHECKING:
    from helpers.report.build import Plan, _Build

TABLES = (".csv", ".parquet")
REASONS = {
    "refused": "These data cannot answer this question: {}.",
    "skipped": "This notebook {}.",
}


@dataclass
class Staged:
    """What was put together: all files of the report, those of the old one that go, one entry a notebook."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)


class _Old:
    """The report that stands there now: its entries, findings and pages stay unless they are made anew."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.entries = {e["name"]: e for e in _read(target / "run.json", {}).get("notebooks", [])}
        self.findings = _read(target / "findings.json", [])

    def page(self, name: str) -> str:
        file = self.target / f"{name}.html"
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def beside(self, name: str) -> list[str]:
        """Result tables and slides of a notebook, and the page of its failure."""
        tables = [f"results/{name}/{f.name}" for f in result_files(self.target / "results" / name)]
        return tables + [s for s in (f"slides/{name}.html", failed_page(name)) if (self.target / s).is_file()]


def result_files(folder: Path) -> list[Path]:
    """The result tables in a folder, in both forms."""
    return sorted(f for f in folder.glob("*") if f.suffix in TABLES)


def failed_page(name: str) -> str:
    """File name of the page that tells why a notebook failed."""
    return f"{name}.failed.html"


def _read(file: Path, otherwise: Any) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return otherwise


class Stage:
    """A whole new report in the folder `staging`: pages one by one as their runs end, then all that speaks of all.

    A notebook that failed, or that was not asked for, keeps the page, results and findings that it has.
    """

    def __init__(self, build: _Build, staging: Path) -> None:
        self.build, self.staging = build, staging
        self.old = _Old(build.target)
        self.plans: dict[str, Plan] = {p.notebook.name: p for p in build.plans}
        self.shown = [n for n in all_notebooks() if n.name in self.plans or n.name in self.old.entries]
        self.new: dict[str, dict[str, Any]] = {}
        self.made: dict[str, tuple[str, list[dict]]] = {}
        self.staged = Staged()
        self.findings: list[dict] = []
        self.cards: list[dict[str, Any]] = []

    def render(self, entry: dict[str, Any]) -> None:
        """Make the page of a notebook whose run has ended, while others still run."""
        name = entry["name"]
        if entry["status"] != "failed":
            page, own, entry = self._render(self.plans[name].notebook, entry)
            self.made[name] = page, own
        self.new[name] = entry

    def complete(self) -> Staged:
        """All that is left when every run has ended."""
        for notebook in self.shown:
            self._add(notebook)
        self._finish()
        return self.staged

    def _add(self, notebook: Notebook) -> None:
        """One notebook: its page and results, or what it has already."""
        name = notebook.name
        entry = self.new.get(name)
        page, own = self.made.get(name, ("", []))
        if page:
            self._write_page(name, page)
        else:
            page, own = self._keep_old(name)
            if entry is not None:
                self._write_failure(notebook, entry, old=bool(page))
        entry = entry or self.old.entries[name]
        self.staged.entries.append(entry)
        self.findings += own
        said = [f["text"] for f in own] if entry["status"] == "rendered" else []
        slides = f"slides/{name}.html" in self.staged.files
        failure = failed_page(name) if failed_page(name) in self.staged.files else ""
        self.cards.append(card(notebook, entry, page=page, said=said, slides=slides, failure=failure))

    def _render(self, notebook: Notebook, entry: dict[str, Any]) -> tuple[str, list[dict], dict[str, Any]]:
        """The page and findings; a page that the gate stops turns the entry into a failed one."""
        folder = self.build._folder(self.plans[notebook.name])
        if entry["status"] == "rendered":
            entry = self._without_small_groups(entry, folder)
        found = _read(folder / "results" / "findings.json", []) if entry["status"] == "rendered" else []
        page = self._page(notebook, entry, found)
        try:
            if entry["status"] == "rendered":
                executed = _read(folder / "executed.ipynb", {})
                html = render_page(notebook, executed, page)
                stopped = faults(html, trusted=[page_script()]) or self._told(html, folder)
                stopped = stopped or self._deck(notebook, executed, page)
            else:
                html = render_refusal(notebook, REASONS[entry["status"]].format(entry["reason"].rstrip(".")), page)
                stopped = faults(html, trusted=[page_script()])
        except MarkupError as error:
            stopped = [str(error)]
        if stopped:
            failure = Failure(f"its page may not be published: {stopped[0]}", CODE)
            return "", [], entry | {"status": "failed", "reason": failure.reason, "failure": asdict(failure)}
        for file in result_files(folder / "results") if entry["status"] == "rendered" else []:
            self._copy(file, f"results/{notebook.name}/{file.name}")
        return html, found, entry

    def _without_small_groups(self, entry: dict[str, Any], folder: Path) -> dict[str, Any]:
        """A notebook whose tables show a small group is refused: what its page says was drawn from that table."""
        least = self.build.study.privacy.min_cell
        for file in sorted((folder / "results").glob("*.parquet")):
            if column := leaks.small_group(file, least):
                why = f"its table {file.stem} would show fewer than {least} people in the column {column}"
                return entry | {"status": "refused", "reason": why}
        return entry

    def _told(self, page: str, folder: Path) -> list[str]:
        """What a page and its result tables tell of people or of this machine."""
        texts = [file.read_text(encoding="utf-8") for file in (folder / "results").glob("*.csv")]
        if stopped := [s for text in texts for s in told(text)]:
            return [f"a result table tells {stopped[0]}"]
        stored = sorted((folder / "results").glob("*.parquet"))
        if any(map(leaks.table_phones, stored)):
            return ["a result table tells a phone number"]
        found = leaks.words(page).union(*map(leaks.table_words, stored))
        cells: dict[str, set[str]] = {}
        for kind, texts_of in ((k, c) for file in stored for k, c in leaks.id_cells(file).items()):
            cells.setdefault(kind, set()).update(texts_of)
        told_of = leaks.ids_among(found, self.build.tables.values(), cells=cells)
        return [f"it tells a {name} of the data" for name in told_of]

    def _deck(self, notebook: Notebook, executed: dict, page: Page) -> list[str]:
        """Write the slides where they are wished; what forbids to publish them."""
        if not self.build.slides:
            return []
        deck = render_deck(notebook, executed, page)
        stopped = faults(deck, trusted=trusted())
        if not stopped:
            publish.write(self.staging, f"slides/{notebook.name}.html", deck)
            self.staged.files.append(f"slides/{notebook.name}.html")
        return [f"slides: {s}" for s in stopped]

    def _page(self, notebook: Notebook, entry: dict[str, Any], found: list[dict]) -> Page:
        study = self.build.study
        place = [n.name for n in self.shown].index(notebook.name)
        neighbours = [None, *((n.name, f"{n.number} {n.title}") for n in self.shown), None]
        return Page(
            study_title=study.title,
            window=window(study),
            stamp=stamp(study, self.build.data, parameters=entry["parameters"]),
            finished_at=spoken(entry["finished_at"]),
            parameters=entry["parameters"],
            findings=found,
            before=neighbours[place],
            after=neighbours[place + 2],
            pages={n.name for n in self.shown},
            tables=bool(result_files(self.build._folder(self.plans[notebook.name]) / "results")),
        )

    def _write_page(self, name: str, page: str) -> None:
        publish.write(self.staging, f"{name}.html", page)
        self.staged.files.append(f"{name}.html")
        self.staged.keys[name] = self.plans[name].key
        self.staged.gone += [f for f in self.old.beside(name) if f not in self.staged.files]

    def _write_failure(self, notebook: Notebook, entry: dict[str, Any], *, old: bool) -> None:
        """The page beside the old one that tells where and why the notebook stopped, and what to do."""
        told = Failure(**(entry.get("failure") or {"cause": entry["reason"], "remedy": CODE}))
        for failure in (told, Failure("its message tells of this machine and is not shown", CODE, told.cell)):
            html = render_failure(notebook, failure, self._page(notebook, entry, []), old=old)
            entry |= {"reason": failure.reason, "failure": asdict(failure)}
            if not faults(html, trusted=[page_script()]):
                break
        publish.write(self.staging, failed_page(notebook.name), html)
        self.staged.files.append(failed_page(notebook.name))

    def _copy(self, source: Path, name: str) -> None:
        publish.copy(source, self.staging, name)
        self.staged.files.append(name)

    def _keep_old(self, name: str) -> tuple[str, list[dict]]:
        page = self.old.page(name)
        stale = failed_page(name) if name in self.new else ""
        self.staged.files += [f for f in self.old.beside(name) if f != stale]
        self.staged.files += [f"{name}.html"] if page else []
        return page, [f for f in self.old.findings if f["notebook"] == name]

    def _finish(self) -> None:
        """Index, findings and the record of the run."""
        build = self.build
        finished = now_of(self.staged.entries, build.started)
        sheet = self._one_page()
        index = render_index(
            build.study,
            build.data,
            self.cards,
            answers=build.assessment.table(),
            warnings=list(build.assessment.warnings),
            finished_at=spoken(finished),
            one_page=sheet,
        )
        if stopped := faults(index, trusted=[page_script()]):
            raise MarkupError(f"the front page may not be published: {stopped[0]}")
        self.tables = dictionary.entries(self.shown, self._tables(), currency=build.study.currency)
        about = {"title": f"Glossary · {build.study.title}", "study_title": build.study.title}
        glossary = templates().get_template("glossary.html").render(table=term_table(), **about)
        run = {
            "study": build.study.name,
            "started_at": build.started,
            "finished_at": finished,
            "versions": versions(),
            "data_hash": build.data.data_hash,
            "inputs": build.data.inputs,
            "notebooks": [{k: v for k, v in e.items() if k != "reason" or v} for e in self.staged.entries],
        }
        for name, text in {
            "index.html": index,
            "glossary.html": glossary,
            dictionary.PAGE: self._dictionary(),
            dictionary.CSV: dictionary.as_csv(self.tables),
            "findings.json": _json(self.findings),
            "run.json": _json(run),
        }.items():
            if stopped := told(text) if name.endswith((".json", ".csv")) else []:
                raise MarkupError(f"{name} may not be published: {stopped[0]}")
            publish.write(self.staging, name, text)
            self.staged.files.append(name)

    def _tables(self) -> list[Path]:
        """The result tables of the new report, where they are now."""
        places = (self.staging, self.old.target)
        names = [n for n in self.staged.files if n.startswith("results/")]
        return [next(p / n for p in places if (p / n).is_file()) for n in names]

    def _dictionary(self) -> str:
        study = self.build.study
        about = {"title": f"Data dictionary · {study.title}", "study_title": study.title}
        about |= {"sections": dictionary.sections(self.tables), "meanings": dictionary.meanings(self.tables)}
        page = templates().get_template(dictionary.PAGE).render(**about)
        if stopped := faults(page, trusted=[page_script()]):
            raise MarkupError(f"the data dictionary may not be published: {stopped[0]}")
        return page

    def _one_page(self) -> bool:
        """Write the scorecard's sheet where notebook 60 ran; say whether the report has one."""
        stands = (self.old.target / one_page.FILE).is_file()
        entry = self.new.get(one_page.NOTEBOOK)
        if entry is None or entry["status"] == "failed":
            self.staged.files += [one_page.FILE] if stands else []
            return stands
        plan = self.plans[one_page.NOTEBOOK]
        results = self.build._folder(plan) / "results"
        sheet = None
        if entry["status"] == "rendered":
            sheet = one_page.read_sheet(results, _read(results / "findings.json", []))
        if sheet is None:
            self.staged.gone += [one_page.FILE] if stands else []
            return False
        level = entry["parameters"].get("level")
        html = one_page.render_one_page(
            self.build.study,
            self.build.data,
            sheet,
            pages={n.number: n.name for n in self.shown},
            finished_at=spoken(entry["finished_at"]),
            level=f"{level:.0%}".replace("%", " %") if level else "",
        )
        if stopped := faults(html):
            raise MarkupError(f"the scorecard's sheet may not be published: {stopped[0]}")
        publish.write(self.staging, one_page.FILE, html)
        self.staged.files.append(one_page.FILE)
        return True


def now_of(entries: list[dict[str, Any]], started: str) -> str:
    """The moment at which the last notebook ended."""
    return max([started, *(e["finished_at"] for e in entries)])


def spoken(moment: str) -> str:
    """A moment for people.

    >>> spoken("2026-01-31T12:00:59Z")
    '2026-01-31 12:00 UTC'
    """
    return f"{moment[:10]} {moment[11:16]} UTC"


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False, sort_keys=False) + "\n"
