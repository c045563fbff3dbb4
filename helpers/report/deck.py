"""An executed notebook → slides in one file: a figure or table with its finding on each, the method in the notes."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markupsafe import Markup

from helpers.report.collection import Notebook, tags
from helpers.report.exporter import TEMPLATES, Page, head, script_hash, templates
from helpers.report.markup import MarkupError, Prose, clean_html, figure

VENDOR = Path(__file__).parent / "vendor"
ROWS, COLUMNS, MANY = 8, 8, 5
"""What a table on a slide may hold, so that the back row can read it; with more than MANY columns it is set smaller."""
WORDS = 30
"""A slide's sentence is cut after the first sentence that reaches so many words."""
LEFT_OUT = {"Hand check", "Exercises", "Findings"}
LISTS = {"What this does not show": "caveats", "References": "references"}


@dataclass
class Slide:
    """One slide: `kind` is its class, `body` the figure or table, `words` one sentence, `notes` the method; what is
    Markup stands as it is, anything else is escaped."""

    kind: str
    heading: str
    body: str = ""
    words: str = ""
    notes: str = ""


class _Prose(Prose):
    """The deck stands one folder below the pages that its links lead to."""

    def link(self, url: str) -> str | None:
        found = super().link(url)
        return f"../{found}" if found and found[0].isdigit() else found


@dataclass
class _Section:
    """What stands under one heading of the notebook."""

    heading: str
    prose: list[str] = field(default_factory=list)
    shown: list[tuple[str, str]] = field(default_factory=list)  # what is shown, and its caption
    advice: str = ""


def render_deck(notebook: Notebook, executed: dict, page: Page) -> str:
    """The deck of a notebook that ran to its end.

    Parameters
    ----------
    notebook, executed, page
        As for `render_page`.
    """
    reveal_css, reveal_js, css, start_js = _files()
    return (
        templates()
        .get_template("deck.html")
        .render(
            **head(notebook, page),
            name=notebook.name,
            slides=slides(notebook, executed, page),
            # the account of every line and the versions of all packages are in the report
            stamp=[(name, text) for name, text in page.stamp if name in ("Study", "Window", "Data", "Parameters")],
            hashes=Markup(" ".join(script_hash(text) for text in (reveal_js, start_js))),
            reveal_css=Markup(reveal_css),
            reveal_js=Markup(reveal_js),
            css=Markup(css),
            start_js=Markup(start_js),
        )
    )


@cache
def _files() -> tuple[str, str, str, str]:
    """Vendored style and script, and our own; the browser runs no script but these two."""
    places = (VENDOR / "reveal.css", VENDOR / "reveal.js", TEMPLATES / "deck.css", TEMPLATES / "deck.js")
    return tuple(p.read_text(encoding="utf-8") for p in places)  # type: ignore[return-value]


def trusted() -> tuple[str, ...]:
    """Scripts and styles that the gate lets through in a deck, letter for letter."""
    return _files()


# --- from cells to slides ---------------------------------------------------------------------------------------------


def slides(notebook: Notebook, executed: dict, page: Page) -> list[Slide]:
    """Title, what is learnt, sections, truth, findings, caveats, references."""
    prose = _Prose(page.pages)
    sections = _sections(executed, prose)
    found = [Slide("title", notebook.title, words=notebook.question)]
    for section in sections:
        if section.heading in LISTS:
            found.append(_list_slide(section, prose))
        elif section.heading not in LEFT_OUT:
            found += _section_slides(section, prose)
    if page.findings:
        points = "".join(f"<li>{html.escape(f['text'])}</li>" for f in page.findings)
        place = next((i for i, s in enumerate(found) if s.kind in LISTS.values()), len(found))
        found.insert(place, Slide("findings", "Findings", Markup(f"<ul>{points}</ul>")))
    return found


def _sections(executed: dict, prose: Prose) -> list[_Section]:
    """The notebook's cells by heading of level 2; solutions, self-checks and parameters are no part of a talk."""
    sections: list[_Section] = []
    for cell in executed["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for block in re.split(r"\n(?=## )", source):
                if block.startswith("## "):
                    sections.append(_Section(block[3:].partition("\n")[0].strip()))
                    block = block.partition("\n")[2]
                if sections:
                    _add_prose(sections[-1], block)
        elif cell["cell_type"] == "code" and sections and not {"solution", "check"} & set(tags(cell)):
            place = len(sections)
            sections[-1].shown += _shown(cell, f"s{place}-{len(sections[-1].shown)}")
    return sections


def _add_prose(section: _Section, text: str) -> None:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        if paragraph.startswith("**For the marketer.**"):
            section.advice = paragraph.removeprefix("**For the marketer.**").strip()
        elif paragraph:
            section.prose.append(paragraph)


def _shown(cell: dict, prefix: str) -> list[tuple[str, str]]:
    """Figures and tables of a cell, ready for a slide; text output stays in the report."""
    found = []
    for i, output in enumerate(cell.get("outputs", [])):
        if output["output_type"] not in ("display_data", "execute_result"):
            continue
        data = {kind: "".join(v) if isinstance(v, list) else v for kind, v in output["data"].items()}
        if "image/svg+xml" in data:
            about = output.get("metadata", {}).get("image/svg+xml", {})
            drawn = figure(data["image/svg+xml"], prefix=f"{prefix}-{i}-", label=str(about.get("alt", "")))
            found.append((f"<figure>{drawn}</figure>", first_sentences(str(about.get("caption", "")))))
        elif 'class="smn-table"' in data.get("text/html", ""):
            try:
                found.append((short_table(clean_html(data["text/html"])), ""))
            except MarkupError:
                continue
    return found


def _section_slides(section: _Section, prose: Prose) -> list[Slide]:
    """One slide a figure or table; the advice to the marketer stands on the last one, the method in the notes."""
    kind = "truth" if section.heading == "Against the truth" else "section"
    method = Markup(prose.render("\n\n".join(section.prose)))
    advice = Markup(prose.render(first_sentences(section.advice)).removeprefix("<p>").rstrip().removesuffix("</p>"))
    found = [Slide(kind, _plain(section.heading), Markup(body), said, method) for body, said in section.shown]
    if found and advice:
        found[-1].words = advice
    return found


def _list_slide(section: _Section, prose: Prose) -> Slide:
    """Caveats and references are lists in the notebook, and lists on the slide."""
    points = [p for p in section.prose if p.startswith("- ")]
    return Slide(LISTS[section.heading], _plain(section.heading), Markup(prose.render("\n".join(points))))


def _plain(heading: str) -> str:
    """A heading without its number and marks.

    >>> _plain("3 By *segment*")
    'By segment'
    """
    return re.sub(r"^\d+\s+", "", re.sub(r"[*`_]", "", heading))


def first_sentences(text: str, words: int = WORDS) -> str:
    """The first sentences of a paragraph, up to and with the one that reaches so many words.

    >>> first_sentences("One two. Three four five. Six.", words=3)
    'One two. Three four five.'
    """
    kept: list[str] = []
    for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z*])", text):
        if sum(len(s.split()) for s in kept) >= words:
            break
        kept.append(sentence)
    return " ".join(kept).removesuffix(":")


def short_table(table: str, *, rows: int = ROWS, columns: int = COLUMNS) -> str:
    """The first rows and columns of a table, with a line that says what is left out.

    >>> row = "<tr><td>a</td><td>b</td></tr>"
    >>> short_table(f'<div class="smn-table"><table><tbody>{row * 3}</tbody></table></div>', rows=2, columns=1)[-77:]
    '><p class="part">2 of 3 rows, 1 of 2 columns; all of it is in the report.</p>'
    """
    head, body, tail = re.fullmatch(r"(.*?)(<tbody>.*</tbody>)(.*)", table, flags=re.S).groups()
    lines = re.findall(r"<tr>.*?</tr>", body, flags=re.S)
    wide = max((len(_cells(line)) for line in lines), default=0)
    kept = "".join(_cut(line, columns) for line in lines[:rows])
    head = re.sub(r"<tr>.*?</tr>", lambda m: _cut(m[0], columns), head, flags=re.S)
    size = "smn-table many" if min(wide, columns) > MANY else "smn-table"
    left = [f"{n} of {of} {what}" for n, of, what in ((rows, len(lines), "rows"), (columns, wide, "columns")) if of > n]
    told = f'<p class="part">{", ".join(left)}; all of it is in the report.</p>' if left else ""
    return f"{head.replace('smn-table', size, 1)}<tbody>{kept}</tbody>{tail}{told}"


def _cells(line: str) -> list[str]:
    return re.findall(r"<t[dh][ >].*?</t[dh]>", line.replace("<td>", "<td >").replace("<th>", "<th >"), flags=re.S)


def _cut(line: str, columns: int) -> str:
    return f"<tr>{''.join(_cells(line)[:columns])}</tr>"
