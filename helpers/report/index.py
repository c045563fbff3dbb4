"""The front page of a report: a card a notebook, the account of every line, what the data can answer."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from markupsafe import Markup

from helpers.findings import show
from helpers.report.account import Data, stamp, window
from helpers.report.collection import Notebook
from helpers.report.exporter import templates
from helpers.report.markup import clean_html
from helpers.study import Study

WORDS = {"rendered": "Rendered", "refused": "Refused", "skipped": "Skipped", "failed": "Failed"}


def render_index(
    study: Study,
    data: Data,
    cards: list[dict[str, Any]],
    *,
    answers: pd.DataFrame,
    warnings: list[str],
    finished_at: str,
    one_page: bool = False,
) -> str:
    """The front page.

    Parameters
    ----------
    cards : list of dict
        One a notebook, from `card`.
    answers : DataFrame
        One row a question: notebook, question, answer, because.
    warnings : list of str
        What a reader of any page must know about these data.
    one_page : bool
        Is there a scorecard on one page?
    """
    done = sum(c["status"] == "rendered" for c in cards)
    failed = [f"{c['number']} {c['title']}" for c in cards if c["status"] == "failed"]
    told = f" Failed: {', '.join(failed)}; the card says why." if failed else ""
    return (
        templates()
        .get_template("index.html")
        .render(
            title=f"{study.title} · Smart Marketing Notebooks",
            study_title=study.title,
            window=f"{window(study)} ({study.time_zone})",
            summary=f"{done} of {len(cards)} notebooks answer their question on these data.{told}",
            warnings=[*warnings, *data.absent()],
            cards=cards,
            accounting=Markup(_table(accounting(data), "The account of every input line")),
            answers=Markup(_table(answers, "One row a question", rows=200)) if len(answers) else "",
            stamp=stamp(study, data),
            finished_at=finished_at,
            one_page=one_page,
        )
    )


def _table(table: pd.DataFrame, caption: str, rows: int = 100) -> str:
    return clean_html(show(table, caption, rows=rows)._repr_html_())


def accounting(data: Data) -> pd.DataFrame:
    """One row an input: lines = header + blank + continuation + accepted + rejected, with the reasons."""
    rows = [
        {
            "table": i["table"],
            "file": i["path_name"],
            "lines": i["lines"],
            "header": i["header"],
            "blank": i["blank"],
            "continuation": i.get("continuation", 0),
            "accepted": i["accepted"],
            "rejected": sum(i["rejects"].values()),
            "reasons": ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in i["rejects"].items())
            or ("no rows: the table counts as absent" if i["table"] in data.empty else "none"),
        }
        for i in data.inputs
    ]
    table = pd.DataFrame(rows)
    return table.drop(columns=[c for c in ("continuation",) if c in table and not table[c].any()])


def card(
    notebook: Notebook, entry: dict[str, Any], *, page: str, said: list[str], slides: bool = False, failure: str = ""
) -> dict[str, Any]:
    """What the front page says of one notebook; `page` is its HTML, `failure` the file that tells why it failed; both
    are empty when there is none."""
    reason = entry.get("reason", "")
    return {
        "name": notebook.name,
        "number": notebook.number,
        "title": notebook.title,
        "question": notebook.question,
        "headline": said[0] if said else "",
        "more": said[1:],
        "status": entry["status"],
        "word": WORDS[entry["status"]],
        "why": f": {reason}" if reason else "",
        "page": bool(page),
        "slides": slides,
        "failure": failure,
        "thumbnail": Markup(thumbnail(page, notebook.number)) if entry["status"] == "rendered" else "",
    }


def thumbnail(page: str, number: str) -> str:
    """The first figure of a page without its words, which could not be read at this size; '' without a figure."""
    found = re.search(r'<svg[^>]*role="img".*?</svg>', page, flags=re.S)
    if not found:
        return ""
    root = ElementTree.fromstring(found[0])
    for parent in list(root.iter()):
        for child in [c for c in parent if c.get("class") == "words"]:
            parent.remove(child)
    root.attrib = {"viewBox": root.get("viewBox", ""), "aria-hidden": "true"}
    small = re.sub(r"(\d+\.\d)\d+", r"\1", ElementTree.tostring(root, encoding="unicode"))
    return re.sub(r'(id="|#)f\d+-', rf"\g<1>n{number}-", small)
