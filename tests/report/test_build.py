"""From a study's name to a published report: statuses, resume, what stays when a notebook fails."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from helpers.findings import Findings, missing
from helpers.report import build, kernels, publish
from helpers.report.build import Report, make_reports
from helpers.report.collection import Notebook
from helpers.report.export import ExportError, export
from helpers.report.exporter import page_script
from helpers.report.gate import faults
from helpers.report.kernels import Outcome
from helpers.report.parameters import ParameterError
from tests.report.cells import code, markdown

RUN_KEYS = {"study", "started_at", "finished_at", "versions", "inputs", "notebooks"}
ABOUT = {"index.html", "glossary.html", "dictionary.html"}
INPUT_KEYS = {"table", "path_name", "sha256", "bytes", "lines", "header", "blank", "accepted", "rejects"}


class Kernel:
    """Stands in for a kernel: leaves the notebook as if it had run, one finding and one table; counts its runs."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, dict]] = []
        self.fate: dict[str, tuple[str, str]] = {}
        self.text = "Visits are 3."
        self.tables = [pd.DataFrame({"visits": [3]})]

    def __call__(self, notebook: Notebook, folder: Path, *, parameters: dict, **_: Any) -> Outcome:
        self.runs.append((notebook.name, parameters))
        (folder / "results").mkdir(parents=True)
        found = {"notebook": notebook.name, "key": "visits", "value": 3, "unit": "visits", "text": self.text}
        (folder / "results" / "findings.json").write_text(json.dumps([found]))
        if self.tables:
            Findings(notebook.name, folder / "results").table("visits", self.tables[-1], "Visits by hand")
        (folder / "executed.ipynb").write_text(json.dumps(notebook.content))
        status, reason = self.fate.get(notebook.name, ("rendered", ""))
        outcome = Outcome(notebook.name, status, reason, 0.1, "2026-01-31T12:00:00Z", parameters)
        if status == "failed":
            outcome.fail(reason, "Mend it", 3, "1 Visits")
        return outcome


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    monkeypatch.setattr(kernels, "run_notebook", made)
    monkeypatch.setattr(build, "warm_kernels", nullcontext)
    return made


@pytest.fixture
def make(
    corner: Path, write_notebook: Callable[..., Notebook], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Report]:
    """`make(**options)`: the corner shop with notebooks 20, 21 and 50, at a moment that stands still."""
    monkeypatch.setattr(build, "now", lambda: "2026-01-31T12:00:00Z")
    for name in ("20_traffic", "21_funnel", "50_experiment"):
        write_notebook(name, markdown("## 1 Visits"), code("1 + 1"))
    return partial(make_reports, corner, output=corner.parent / "out", say=lambda _: None, jobs=1)


def read(report: Report, name: str) -> Any:
    return json.loads((report.folder / name).read_text(encoding="utf-8"))


def files(report: Report) -> dict[str, bytes]:
    return {str(f.relative_to(report.folder)): f.read_bytes() for f in report.folder.rglob("*") if f.is_file()}


def test_the_record_of_the_run_has_the_agreed_shape(make: Callable[..., Report], kernel: Kernel) -> None:
    run = read(make(), "run.json")
    assert set(run) >= RUN_KEYS and all(set(i) >= INPUT_KEYS for i in run["inputs"])
    (events,) = run["inputs"]
    assert events["lines"] == events["header"] + events["blank"] + events["accepted"] + sum(events["rejects"].values())
    assert [(n["name"], n["status"]) for n in run["notebooks"]] == [
        ("20_traffic", "rendered"),
        ("21_funnel", "rendered"),
        ("50_experiment", "skipped"),
    ]
    assert all(set(n) >= {"name", "status", "seconds", "parameters"} for n in run["notebooks"])
    assert "campaigns, assignments, orders" in run["notebooks"][2]["reason"]


def test_all_files_of_the_interface_are_there_and_clean(make: Callable[..., Report], kernel: Kernel) -> None:
    report = make()
    pages = {"20_traffic.html", "21_funnel.html", "50_experiment.html"} | ABOUT
    results = {f"results/{n}/visits.{end}" for n in ("20_traffic", "21_funnel") for end in ("csv", "parquet")}
    assert set(files(report)) == pages | results | {"run.json", "findings.json", "results/dictionary.csv"}
    assert {f["notebook"] for f in read(report, "findings.json")} == {"20_traffic", "21_funnel"}
    texts = [(report.folder / p).read_text(encoding="utf-8") for p in pages]
    assert all(faults(text, trusted=[page_script()]) == [] for text in texts)


def test_runs_with_caches_of_their_own_do_not_share_an_output_at_one_time(
    make: Callable[..., Report], kernel: Kernel, corner: Path
) -> None:
    lock = publish.lock_file(corner.parent / "out" / "corner")
    with (
        publish.one_at_a_time(lock, "corner"),
        pytest.raises(publish.Busy, match="Another run works on the study 'corner'"),
    ):
        make()
    assert kernel.runs == [] and len(make().entries) == 3


def test_a_table_without_rows_counts_as_absent_and_the_front_page_says_it(
    make: Callable[..., Report], kernel: Kernel, corner: Path
) -> None:
    heads = {"orders": "order_id,user_id,item_id,category_id,quantity,unit_price,discount,timestamp\n"}
    heads |= {"campaigns": "campaign_id,channel,objective,starts_at,ends_at,unit_cost,randomised\n"}
    heads |= {"assignments": "campaign_id,user_id,arm,assigned_at\n"}
    for table, head in heads.items():
        (corner.parent / f"{table}.csv").write_text(head, encoding="utf-8")
    tables = "".join(f"  {table}: {{path: {table}.csv}}\n" for table in heads)
    corner.write_text(corner.read_text(encoding="utf-8") + tables, encoding="utf-8")
    report = make()
    assert [e["status"] for e in report.entries] == ["rendered", "rendered", "skipped"]
    assert "orders: the file has a header but no rows; it counts as absent." in files(report)["index.html"].decode()


def test_a_second_run_does_nothing_and_a_change_runs_what_it_touches(
    make: Callable[..., Report], kernel: Kernel, corner: Path
) -> None:
    before = files(make())
    assert not (again := make()).fresh and files(again) == before and len(kernel.runs) == 2
    make(sets=["20.rows=5"])
    assert kernel.runs[2:] == [("20_traffic", {"rows": 5})]
    assert files(make()) == before and len(kernel.runs) == 3
    path = corner.parent / "notebooks" / "21_funnel.ipynb"
    path.write_text(path.read_text().replace("1 + 1", "1 + 2"))
    make()
    assert [name for name, _ in kernel.runs[3:]] == ["21_funnel"]


def test_new_data_run_everything_again(make: Callable[..., Report], kernel: Kernel, corner: Path) -> None:
    make()
    with (corner.parent / "events.csv").open("a") as file:
        file.write("9,10,1,pv,1497888009\n")
    make()
    assert len(kernel.runs) == 4


def test_a_file_that_was_damaged_or_deleted_is_put_back(make: Callable[..., Report], kernel: Kernel) -> None:
    report = make()
    before = files(report)
    (report.folder / "20_traffic.html").write_text("broken")
    (report.folder / "21_funnel.html").unlink()
    assert files(make()) == before and len(kernel.runs) == 2


def test_a_failed_notebook_leaves_its_old_page(make: Callable[..., Report], kernel: Kernel, corner: Path) -> None:
    old = files(make())
    kernel.fate["20_traffic"] = ("failed", "a value does not fit")
    path = corner.parent / "notebooks" / "20_traffic.ipynb"
    path.write_text(path.read_text().replace("1 + 1", "1 / 0"))
    report = make()
    assert [e["name"] for e in report.failed] == ["20_traffic"]
    assert (report.folder / "20_traffic.html").read_bytes() == old["20_traffic.html"]
    assert files(report)["results/20_traffic/visits.csv"] == b"visits\n3\n"
    entry = read(report, "run.json")["notebooks"][0]
    assert (entry["status"], entry["reason"]) == ("failed", "code cell 3, in “1 Visits”: a value does not fit")
    kernel.fate.clear()
    assert make().failed == [] and len(kernel.runs) == 4


def test_a_failure_has_a_page_until_it_is_mended(make: Callable[..., Report], kernel: Kernel) -> None:
    kernel.fate["20_traffic"] = ("failed", "a value does not fit (ValueError: at /home/li/secret.csv)")
    report = make()
    page, index = ((report.folder / n).read_text() for n in ("20_traffic.failed.html", "index.html"))
    assert (
        "secret" not in page
        and "not shown" in page
        and "Code cell 3" in page
        and not faults(page, trusted=[page_script()])
    )
    assert 'href="20_traffic.failed.html"' in index and "Failed: 20 Trial; the card says why." in index
    assert "20_traffic.html" not in index and "20_traffic.html" not in page
    make(only="21", sets=["21.rows=4"])
    assert (report.folder / "20_traffic.failed.html").read_text() == page
    kernel.fate["20_traffic"] = ("failed", "a value does not fit")
    again = (make().folder / "20_traffic.failed.html").read_text()
    assert all(w in again for w in ("Code cell 3, in “1 Visits”", "A value does not fit.", "Mend it."))
    kernel.fate.clear()
    make()
    assert not (report.folder / "20_traffic.failed.html").exists()


def test_the_dictionary_lists_every_column_and_keeps_the_reason(make: Callable[..., Report], kernel: Kernel) -> None:
    kernel.tables = [missing(["users", "zzz"], "nobody came")]
    make(only="20")
    kernel.tables = [pd.DataFrame({"users": [30, None], "zzz": ["=1", "b"]})]
    report = make(only="21")
    told = pd.read_csv(report.folder / "results" / "dictionary.csv", keep_default_na=False)
    assert told[["notebook", "column", "type", "missing"]].values.tolist() == [
        ["20_traffic", "users", "text", 0],
        ["20_traffic", "zzz", "text", 0],
        ["21_funnel", "users", "number", 1],
        ["21_funnel", "zzz", "text", 0],
    ]
    assert (
        told["reason"].tolist() == ["nobody came"] * 2 + [""] * 2 and told["caption"].tolist() == ["Visits by hand"] * 4
    )
    assert told["meaning"].tolist() == ["users that this row counts", ""] * 2 and told["rows"].tolist() == [0, 0, 2, 2]
    page = (report.folder / "dictionary.html").read_text()
    assert (
        "Not computable: nobody came." in page
        and "users (number, users, 1 empty)" in page
        and 'href="results/21_funnel/visits.parquet"' in page
    )
    assert faults(page, trusted=[page_script()]) == []


def test_a_report_of_an_earlier_version_without_parquet_files_stays(
    make: Callable[..., Report], kernel: Kernel
) -> None:
    report = make()
    (report.folder / "results" / "21_funnel" / "visits.parquet").unlink()
    make(only="20", sets=["20.rows=5"])
    assert not (report.folder / "results" / "21_funnel" / "visits.parquet").exists()
    told = pd.read_csv(report.folder / "results" / "dictionary.csv", keep_default_na=False)
    assert told[["notebook", "column", "type", "rows"]].values.tolist() == [
        ["20_traffic", "visits", "integer", 1],
        ["21_funnel", "visits", "", 1],
    ]
    assert "21_funnel/visits.parquet" not in (report.folder / "dictionary.html").read_text()


def test_a_page_that_the_gate_stops_is_not_published(make: Callable[..., Report], kernel: Kernel) -> None:
    kernel.text = "from /home/li/secret/events.csv"
    report = make(only="20")
    assert "may not be published" in report.failed[0]["reason"] and "secret" not in report.failed[0]["reason"]
    assert not (report.folder / "20_traffic.html").exists()
    assert b"secret" not in b"".join(files(report).values())


def test_only_keeps_the_other_pages(make: Callable[..., Report], kernel: Kernel) -> None:
    old = files(make())
    report = make(only="20", sets=["20_traffic.rows=7"])
    assert [e["name"] for e in report.entries] == ["20_traffic"]
    assert [n["name"] for n in read(report, "run.json")["notebooks"]] == ["20_traffic", "21_funnel", "50_experiment"]
    assert files(report)["21_funnel.html"] == old["21_funnel.html"]


def test_a_refusal_in_the_kernel_is_a_short_page(make: Callable[..., Report], kernel: Kernel) -> None:
    kernel.fate["21_funnel"] = ("refused", "nobody bought")
    report = make(only="21")
    assert report.failed == [] and "nobody bought" in (report.folder / "21_funnel.html").read_text()
    assert (
        read(report, "findings.json") == []
        and list(files(report))
        and not (report.folder / "results" / "21_funnel").exists()
    )


def test_an_interrupted_run_leaves_nothing_new(
    make: Callable[..., Report], kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make()
    old = files(report)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(publish, "publish", killed)
        make(sets=["20.rows=9"])
    assert files(report) == old
    assert files(make()) == old and not publish.staging_folder(report.folder).exists()


class Dead(BaseException):
    """The process has been killed: from now on it changes nothing."""


def die(patch: pytest.MonkeyPatch, *, at: int) -> list[int]:
    """Let the run die before its `at`-th change of the disk; the list holds how many it began."""
    begun = [0]

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **more: Any) -> Any:
            begun[0] += 1
            if begun[0] > at:
                raise Dead
            return change(*given, **more)

        return step

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "rename"), (Path, "unlink"), (shutil, "rmtree")):
        patch.setattr(owner, name, dying(getattr(owner, name)))
    return begun


def test_a_run_that_is_killed_at_any_step_leaves_whole_files_and_the_next_completes_it(
    make: Callable[..., Report], kernel: Kernel, corner: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, change = files(report := make(only="20")), {"only": "20", "sets": ["20.rows=5"]}
    state = {corner.parent / name: corner.parent / f"{name}-before" for name in ("cache", "out")}
    for folder, kept in state.items():
        shutil.copytree(folder, kept)
    with monkeypatch.context() as patch:
        steps = die(patch, at=10**6)
        new = files(make(**change))
    for part in (0.3, 0.7, 0.9, 0.97):
        for folder, kept in state.items():
            shutil.rmtree(folder)
            shutil.copytree(kept, folder)
        with monkeypatch.context() as patch, pytest.raises(Dead):
            die(patch, at=int(part * steps[0]))
            make(**change)
        assert all(content in (old.get(name), new.get(name)) for name, content in files(report).items())
        assert files(make(**change)) == new and not publish.staging_folder(report.folder).exists()
        assert not [f for f in (corner.parent / "cache").rglob("*") if f.name.startswith(".")]


@pytest.mark.parametrize("name", ["findings.json", "executed.ipynb"])
def test_a_kept_run_with_a_changed_bit_runs_again(
    make: Callable[..., Report], kernel: Kernel, corner: Path, name: str
) -> None:
    good = files(report := make(only="20"))
    (file,) = report.runs["20_traffic"].rglob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    next((corner.parent / "cache" / "corner").glob("published-*.json")).unlink()
    assert files(make(only="20")) == good and len(kernel.runs) == 2


def test_a_full_disk_leaves_the_old_report_and_no_half_new_one(
    make: Callable[..., Report], kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make()
    old = files(report)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(publish, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        make(sets=["20.rows=9"])
    assert files(report) == old and not publish.staging_folder(report.folder).exists()


@pytest.mark.parametrize(
    "options",
    [
        {"only": "99"},
        {"sets": ["20.nosuch=1"]},
        {"sets": ["20.rows=99"]},
        {"only": "21", "sets": ["20.rows=5"]},
        {"sets": ["20.__import__('os')=1"]},
    ],
)
def test_wrong_options_are_refused_before_anything_is_read(
    make: Callable[..., Report], kernel: Kernel, corner: Path, options: dict
) -> None:
    with pytest.raises(ParameterError):
        make(**options)
    assert kernel.runs == [] and not (corner.parent / "out").exists() and not (corner.parent / "cache").exists()


def test_an_executed_notebook_is_exported_and_a_refusal_is_said(
    make: Callable[..., Report], kernel: Kernel, corner: Path
) -> None:
    options = {"reports": corner.parent / "reports", "say": lambda _: None}
    make()
    file = export(str(corner), notebook="21", **options)
    assert json.loads(file.read_text(encoding="utf-8"))["cells"] and file.name == "21_funnel.ipynb"
    with pytest.raises(ExportError, match="50_experiment: skipped, needs the table"):
        export(str(corner), notebook="50", **options)
