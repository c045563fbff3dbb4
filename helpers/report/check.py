"""`new` and `check`: a first study file for a file, and what a study's data are worth."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rich.markup import escape

from helpers.study import ROOT, STUDIES, StudyError, check_name, load_study

Say = Callable[[str], None]


def new_study(file: Path, *, name: str, force: bool, say: Say) -> Path:
    """Write `data/studies/NAME.yaml` for a file; what was guessed is marked in it."""
    from helpers.intake.propose import propose

    name = check_name(name or _name_from(file))
    target = STUDIES / f"{name}.yaml"
    if target.exists() and not force:
        raise StudyError(
            f"data/studies/{target.name} is there already. Take another name with --name, or replace it with --force."
        )
    text = propose(file, name=name, path=_seen_from(target.parent, file))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(target)
    say(f"Wrote data/studies/{target.name}. Read it, and mend what is marked as a guess.")
    say(f"Next: python run.py check {name}")
    say(f"Then: python run.py reports {name}")
    return target


def _seen_from(folder: Path, file: Path) -> str:
    """The file's path for a study file in `folder`: relative inside the project, so that it may move; else absolute."""
    absolute = os.path.abspath(file)  # noqa: PTH100  (a link stays a link)
    if not Path(absolute).is_relative_to(ROOT) or not folder.is_relative_to(ROOT):
        return absolute
    return Path(os.path.relpath(absolute, folder)).as_posix()


def _name_from(file: Path) -> str:
    """A study's name from a file's name.

    >>> _name_from(Path("User Behavior(1).csv.gz"))
    'user-behavior-1'
    """
    stem = file.name.split(".")[0].lower()
    return re.sub(r"[^a-z0-9_]+", "-", stem).strip("-_")[:40] or "my-shop"


def check_study(study_file: str, *, say: Say) -> None:
    """Print the account of every line and what the data can answer."""
    study = load_study(study_file)
    from helpers.report.demo import ensure_demo, is_demo

    if is_demo(study):
        ensure_demo(say)
    from helpers.intake import ingest_all
    from helpers.report.account import Data, account_line
    from helpers.report.build import assessed, intake_progress, opened

    ingested = ingest_all(study, progress=intake_progress(say))
    data = Data.of(ingested)
    for entry in data.inputs:
        say(f"{entry['table']:<12} {entry['path_name']}: {account_line(entry)}")
    assessment = assessed(study, opened(study, ingested), ingested, data)
    for text in [*assessment.warnings, *data.absent()]:
        say(f"! {text}")
    say(as_text(assessment.table(), "What these data can answer"))
    say(f"Next: python run.py reports {study_file}")


def as_text(table: pd.DataFrame, title: str) -> str:
    """A table for the terminal, wrapped to its width; a word repeated from the line above is left out."""
    from rich.console import Console
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        drawn.add_column(column, overflow="fold")
    before = ""
    for first, *rest in table.astype(str).itertuples(index=False, name=None):
        drawn.add_row("" if first == before else escape(first), *map(escape, rest))
        before = first
    text = io.StringIO()
    Console(file=text, width=max(80, shutil.get_terminal_size((110, 0)).columns)).print(drawn)
    return text.getvalue()
