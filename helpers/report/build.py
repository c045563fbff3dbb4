"""`reports`: from a study's name to a published report."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.report import publish
from helpers.report.account import Data, fingerprint, report_code
from helpers.report.collection import Notebook, all_notebooks, select
from helpers.report.parameters import merge, parse_sets
from helpers.report.warm import warm_kernels
from helpers.study import CACHE, REPORTS, STUDIES, Study, load_study
from helpers.whole_files import put, seal, unseal

if TYPE_CHECKING:
    from helpers.report.kernels import Outcome
    from helpers.report.pages import Staged

Say = Callable[[str], None]
KEPT_RUNS, KEPT_STATES = 4, 20


@dataclass
class Plan:
    """One notebook to show, with its checked parameters."""

    notebook: Notebook
    parameters: dict[str, Any]
    key: str = ""


@dataclass
class Report:
    """What `make_reports` did: the folder, one entry of run.json a notebook asked for, and the folder of its run."""

    folder: Path
    entries: list[dict[str, Any]]
    fresh: bool
    warnings: dict[str, list[str]]
    runs: dict[str, Path]

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The entries of the notebooks that failed."""
        return [e for e in self.entries if e["status"] == "failed"]


def make_plans(study: Study, *, only: str = "", sets: list[str] | None = None) -> list[Plan]:
    """The notebooks to show and their parameters, all checked; nothing is started yet."""
    notebooks = all_notebooks()
    listed = None if study.notebooks is None else list(study.notebooks)
    chosen = select(notebooks, only=only, listed=listed)
    from_command = parse_sets(sets or [], [n.name for n in notebooks])
    unused = set(from_command) - {n.name for n in chosen}
    if unused:
        from helpers.report.parameters import ParameterError

        raise ParameterError(f"--set {sorted(unused)[0]}: this notebook is not among those to run; see --only.")
    return [
        Plan(
            n,
            merge(
                n.name,
                n.parameters,
                from_study=(study.notebooks or {}).get(n.name),
                from_command=from_command.get(n.name),
            ),
        )
        for n in chosen
    ]


def make_reports(
    study_file: str | Path = "demo",
    *,
    only: str = "",
    sets: list[str] | None = None,
    output: Path | None = None,
    jobs: int | None = None,
    timeout: int = 1800,
    slides: bool = False,
    say: Say = print,
) -> Report:
    """Run what changed, render and publish.

    Parameters
    ----------
    study_file : str or Path
        A study's name or the path of a study file.
    only : str
        Numbers or names of notebooks, joined by commas; empty: those that the study lists.
    sets : list of str
        `NOTEBOOK.PARAMETER=VALUE`.
    output : Path, optional
        The folder that gets `<study>/index.html` and all the rest; by default `reports`.
    jobs : int, optional
        Kernels side by side; by default one a core, at most two.
    timeout : int
        Seconds that one cell may take.
    slides : bool
        Make slides, too: `slides/<notebook>.html`. A report that has slides keeps them up to date.
    say : callable
        Gets one line a step.
    """
    study = load_study(study_file)
    plans = make_plans(study, only=only, sets=sets)
    target = (output or REPORTS).absolute() / study.name
    cache = CACHE / study.name
    with (
        publish.one_at_a_time(cache / "reports.lock", study.name),
        publish.one_at_a_time(publish.lock_file(target), study.name),
    ):
        publish.recover(target)
        _sweep(cache)
        from helpers.report.demo import ensure_demo, is_demo

        if is_demo(study):
            ensure_demo(say)
        slides = slides or (target / "slides").is_dir()
        return _Build(study, plans, target, cache, say, slides).run(jobs or min(2, os.cpu_count() or 1), timeout)


def _sweep(cache: Path) -> None:
    for left in cache.glob(".work-*"):
        shutil.rmtree(left, ignore_errors=True)


class _Build:
    """One run of `reports`, under the study's lock."""

    def __init__(self, study: Study, plans: list[Plan], target: Path, cache: Path, say: Say, slides: bool) -> None:
        self.study, self.plans, self.target, self.cache, self.say = study, plans, target, cache, say
        self.slides = slides
        self.started = now()
        self.warnings: dict[str, list[str]] = {}
        self.ran: set[str] = set()

    def run(self, jobs: int, timeout: int) -> Report:
        from helpers.intake import ingest_all

        ingested = ingest_all(self.study, progress=intake_progress(self.say))
        self.data = Data.of(ingested)
        for plan in self.plans:
            plan.key = fingerprint(self.study, self.data, plan.notebook, plan.parameters)
        if self._nothing_changed():
            return self._as_published()
        self.tables = opened(self.study, ingested)
        self.assessment = assessed(self.study, self.tables, ingested, self.data)
        _let_go(self.study)
        return self._publish(self._staged(jobs, timeout))

    # resume

    def _folder(self, plan: Plan) -> Path:
        return self.cache / "runs" / f"{plan.notebook.name}-{plan.key[:20]}"

    def _runs(self) -> dict[str, Path]:
        return {p.notebook.name: self._folder(p) for p in self.plans}

    def _state(self) -> dict[str, Any]:
        """What this report is made of; equal states give equal reports."""
        return {"report": report_code(), "slides": self.slides, "runs": {p.notebook.name: p.key for p in self.plans}}

    @property
    def _state_file(self) -> Path:
        return self.cache / f"published-{hashlib.sha256(str(self.target).encode()).hexdigest()[:16]}.json"

    def _nothing_changed(self) -> bool:
        try:
            known = json.loads(self._state_file.read_text(encoding="utf-8"))
            same = known["state"]["report"] == report_code() and known["state"]["slides"] >= self.slides
            same = same and all(known["state"]["runs"].get(n) == k for n, k in self._state()["runs"].items())
            return same and all(_hash(self.target / n) == h for n, h in known["files"].items())
        except (OSError, ValueError, KeyError):
            return False

    def _as_published(self) -> Report:
        run = json.loads((self.target / "run.json").read_text(encoding="utf-8"))
        names = {p.notebook.name for p in self.plans}
        return Report(self.target, [e for e in run["notebooks"] if e["name"] in names], False, {}, self._runs())

    # run

    def _run_all(self, jobs: int, timeout: int, ended: Callable[[dict[str, Any]], None]) -> None:
        """Tell of each plan's end; those whose code, parameters and data are known are taken from the cache."""
        todo: list[Plan] = []
        for plan in self.plans:
            entry = self._answerable(plan) or self._known(plan)
            if entry is None:
                todo.append(plan)
            else:
                self._tell(entry, known=True)
                ended(entry)
        with warm_kernels() if todo else nullcontext(), ThreadPoolExecutor(max(1, jobs)) as pool:
            if todo:
                import helpers.report.kernels  # noqa: F401  (imported once, before the threads)
            waiting = {pool.submit(self._run_one, plan, min(jobs, len(todo)), timeout): plan for plan in todo}
            for done in as_completed(waiting):
                entry = done.result()
                self._tell(entry)
                ended(entry)

    def _answerable(self, plan: Plan) -> dict[str, Any] | None:
        """An entry for a notebook that cannot be asked of these data, found without starting a kernel."""
        from helpers.answerability import missing_tables

        name = plan.notebook.name
        absent = missing_tables(name, list(self.tables))
        if absent:
            tables = f"table{'s' if len(absent) > 1 else ''} {', '.join(absent)}"
            return self._entry(plan, "skipped", f"needs the {tables}, which this study does not bring")
        refused = self.assessment.refusal(name)
        return self._entry(plan, "refused", refused) if refused else None

    def _entry(self, plan: Plan, status: str, reason: str = "") -> dict[str, Any]:
        return {
            "name": plan.notebook.name,
            "status": status,
            "reason": reason,
            "seconds": 0.0,
            "parameters": plan.parameters,
            "finished_at": self.started,
        }

    def _known(self, plan: Plan) -> dict[str, Any] | None:
        """The entry of a kept run whose files are as they were written; else None, and the notebook runs again."""
        folder = self._folder(plan)
        try:
            kept = unseal((folder / "outcome.json").read_text(encoding="utf-8"))
            whole = all(_hash(folder / name) == digest for name, digest in kept["files"].items())
        except (OSError, ValueError, KeyError):
            return None
        return kept["entry"] if whole else None

    def _run_one(self, plan: Plan, jobs: int, timeout: int) -> dict[str, Any]:
        from helpers.report.kernels import run_notebook

        work = self.cache / f".work-{os.getpid()}-{plan.notebook.name}"
        work.mkdir(parents=True)
        source = self.study.source
        study = self.study.name if source == STUDIES / f"{self.study.name}.yaml" else str(source)
        try:
            outcome = run_notebook(
                plan.notebook, work / "run", study=study, parameters=plan.parameters, jobs=jobs, timeout=timeout
            )
            return self._ended(plan, outcome, work / "run")
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _ended(self, plan: Plan, outcome: Outcome, run: Path) -> dict[str, Any]:
        entry = {k: v for k, v in asdict(outcome).items() if k != "warnings" and (k, v) != ("failure", None)}
        if outcome.warnings:
            self.warnings[plan.notebook.name] = outcome.warnings
        if outcome.status != "failed":
            self._keep(plan, run, entry)
        return entry

    def _keep(self, plan: Plan, run: Path, entry: dict[str, Any]) -> None:
        """Put a clean run into the cache, whole or not at all; keep the last few of a notebook."""
        for extra in ("kernels", "spill", "copy.ipynb"):
            path = run / extra
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        files = {f.relative_to(run).as_posix(): _hash(f) for f in run.rglob("*") if f.is_file()}
        put(run / "outcome.json", seal({"entry": entry, "files": files}))
        place = self._folder(plan)
        place.parent.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        run.rename(place)
        runs = sorted(place.parent.glob(f"{plan.notebook.name}-*"), key=lambda p: p.stat().st_mtime, reverse=True)
        for old in runs[KEPT_RUNS:]:
            shutil.rmtree(old, ignore_errors=True)

    def _tell(self, entry: dict[str, Any], known: bool = False) -> None:
        took = "unchanged" if known and entry["status"] == "rendered" else f"{entry['seconds']:.1f} s"
        why = f"  {entry['reason']}" if entry.get("reason") else ""
        self.say(f"{entry['name']:<28} {entry['status']:<9} {took}{why}")
        if entry.get("failure"):
            self.say(f"  what to do: {entry['failure']['remedy']}.")
        for text in self.warnings.get(entry["name"], []):
            self.say(f"  warning: {text.splitlines()[0][:200]}")

    # publish

    def _staged(self, jobs: int, timeout: int) -> Staged:
        """The new report beside the old one: each page is made when its run has ended, while others run."""
        from helpers.report.pages import Stage

        staging = publish.staging_folder(self.target)
        try:
            stage = Stage(self, staging)
            self._run_all(jobs, timeout, stage.render)
            return stage.complete()
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)  # on a full disk the room is needed
            raise

    def _publish(self, staged: Staged) -> Report:
        publish.publish(self.target, gone=staged.gone)
        files = {n: _hash(self.target / n) for n in staged.files}
        if not any(e["status"] == "failed" for e in staged.entries):
            state = {"state": self._state() | {"runs": staged.keys}, "files": files}
            self._state_file.write_text(json.dumps(state), encoding="utf-8")
            newest = sorted(self.cache.glob("published-*.json"), key=lambda p: p.stat().st_mtime, reverse=True)
            for old in newest[KEPT_STATES:]:
                old.unlink()
        names = {p.notebook.name for p in self.plans}
        return Report(self.target, [e for e in staged.entries if e["name"] in names], True, self.warnings, self._runs())


def opened(study: Study, ingested: dict) -> dict[str, Any]:
    """The verified tables, to be asked through Ibis."""
    from helpers.engine import connect
    from helpers.intake import with_rows

    return connect(study.engine, {name: i.data for name, i in with_rows(ingested).items()})


def _let_go(study: Study) -> None:
    """End a session of Spark: on a cluster those of the notebooks might wait for what it holds."""
    if study.engine.kind == "spark":
        from helpers.engine_spark import end_session

        end_session()


def assessed(study: Study, tables: dict[str, Any], ingested: dict, data: Data) -> Any:
    """What the data can answer, from the verified tables."""
    from helpers.answerability import assess

    manifests = {name: i.manifest for name, i in ingested.items()}
    return assess(study, tables, data_hash=data.data_hash, manifests=manifests)


def intake_progress(say: Say, every: float = 3.0) -> Callable[[str, float], None]:
    """Say what intake does: one line at the start, then one every few seconds."""
    told = 0.0

    def progress(what: str, part: float) -> None:
        nonlocal told
        if not told:
            say("reading and checking the data …")
            told = time.monotonic()
        elif time.monotonic() - told > every:
            say(f"  {what} {part:.0%}" if part else f"  {what}")
            told = time.monotonic()

    return progress


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def now() -> str:
    """The time in UTC, such as 2026-01-31T12:00:00Z."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
