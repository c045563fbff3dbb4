"""What this data can answer: every question of the collection against the tables, the span and the selection."""

from __future__ import annotations

from dataclasses import dataclass, field

import ibis.expr.types as ir
import pandas as pd

from helpers.study import Study
from helpers.tables import NEEDS

ANSWERS = ("answerable", "with caveat", "not answerable")


@dataclass(frozen=True)
class Answer:
    """One question: can these data answer it, and why (not)?"""

    notebook: str
    question: str
    answer: str
    because: str = ""


@dataclass(frozen=True)
class Assessment:
    """Facts about the log, warnings for every report, and one answer a question."""

    facts: dict = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row a question: notebook, question, answer, because."""
        return pd.DataFrame([vars(a) for a in self.answers], columns=["notebook", "question", "answer", "because"])

    def of(self, notebook: str) -> list[Answer]:
        """The answers that concern one notebook."""
        return [a for a in self.answers if a.notebook == notebook]


def missing_tables(notebook: str, present: list[str] | tuple[str, ...]) -> list[str]:
    """The tables that the notebook needs and the study does not bring.

    >>> missing_tables("50_experiment", ["events", "orders"])
    ['campaigns', 'assignments']
    """
    return [t for t in NEEDS[notebook] if t not in present]


def assess(study: Study, tables: dict[str, ir.Table]) -> Assessment:
    """Test the log, then answer every question of the collection."""
    answers = []
    for notebook in NEEDS:
        absent = missing_tables(notebook, list(tables))
        because = f"needs the table{'s' if len(absent) > 1 else ''} {', '.join(absent)}" if absent else ""
        answers.append(Answer(notebook, notebook, ANSWERS[2] if absent else ANSWERS[0], because))
    return Assessment(answers=tuple(answers))
