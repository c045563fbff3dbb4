"""An executed notebook → one HTML file that needs nothing else: no script, no request, no path of this machine."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, Template
from markupsafe import Markup

from helpers.findings import format_value
from helpers.report.collection import Notebook, tags
from helpers.report.failure import Failure
from helpers.report.glossary import Linker, read_glossary
from helpers.report.markup import MarkupError, Prose, clean_html, figure
from helpers.report.parameters import STUDY_PARAMETER

TEMPLATES = Path(__file__).parent / "templates"


@dataclass
class Page:
    """What a page needs besides the executed notebook.

    `stamp` is a list of (name, text); `before` and `after` are (name, title) of the neighbouring pages; `pages` the
    names of all pages beside this one; `tables`: are there result tables?
    """

    study_title: str
    window: str
    stamp: list[tuple[str, str]] = field(default_factory=list)
    finished_at: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    findings: list[dict] = field(default_factory=list)
    before: tuple[str, str] | None = None
    after: tuple[str, str] | None = None
    pages: set[str] = field(default_factory=set)
    tables: bool = False


@cache
def page_script() -> str:
    """The one script of a page: sorts tables, marks the section that is read, searches the front page."""
    return (TEMPLATES / "report.js").read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """How a page's policy names a script, so that the browser runs no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


class _Template(Template):
    """A template whose pages write per cent in one way."""

    def render(self, *args: Any, **more: Any) -> str:
        return spaced(super().render(*args, **more))


_KEPT = re.compile(r"(<(script|style|svg|math|code)\b.*?</\2>|<[^>]*>)|(?<=\d)[ \u00a0]?%(?!\w)", re.DOTALL)
"""What `spaced` leaves alone, or a number's per cent sign."""


def spaced(page: str) -> str:
    """The page with one no-break space before the sign of per cent, whoever wrote the number; code stays as it is.

    >>> spaced("<p>15.3% to 17 %, <code>f'{0.5:.0%} 5%'</code></p>").replace(chr(160), "_")
    "<p>15.3_% to 17_%, <code>f'{0.5:.0%} 5%'</code></p>"
    """
    return _KEPT.sub(lambda found: found[1] or "\u00a0%", page)


@cache
def templates() -> Environment:
    """The page templates; everything put into them is escaped unless it is Markup."""
    found = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.template_class = _Template
    found.globals["css"] = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    found.globals["script"] = Markup(page_script())
    found.globals["script_hash"] = Markup(script_hash(page_script()))
    return found


def render_page(notebook: Notebook, executed: dict, page: Page) -> str:
    """The page of a notebook that ran to its end."""
    body = _Body(notebook, page)
    for cell in executed["cells"]:
        body.add(cell)
    contents = [(name, Markup(text).striptags()) for level, name, text in body.prose.headings if level == 2]
    return _fill(
        notebook,
        page,
        contents=contents,
        has_code=body.has_code,
        findings=[f["text"] for f in page.findings],
        blocks=[Markup(b) for b in body.blocks],
    )


def render_refusal(notebook: Notebook, reason: str, page: Page) -> str:
    """The short page of a notebook that the data cannot answer."""
    return _fill(notebook, page, reason=reason)


def render_failure(notebook: Notebook, failure: Failure, page: Page, *, old: bool) -> str:
    """The page that tells where and why a notebook stopped; `old`: is there the page of an earlier run?"""
    name = notebook.name if old else ""
    return _fill(notebook, page, failure=failure, old=name)


def _fill(notebook: Notebook, page: Page, **more: Any) -> str:
    return (
        templates()
        .get_template("page.html")
        .render(
            **head(notebook, page),
            stamp=page.stamp,
            before=page.before,
            after=page.after,
            tables=notebook.name if page.tables and "blocks" in more else "",
            **more,
        )
    )


def head(notebook: Notebook, page: Page) -> dict[str, str]:
    """What pages and slides say at their top and foot."""
    return {
        "title": f"{notebook.number} {notebook.title} · {page.study_title}",
        "number": notebook.number,
        "heading": notebook.title,
        "question": notebook.question,
        "study_title": page.study_title,
        "window": page.window,
        "finished_at": page.finished_at,
    }


FOLDED = {"solution": "Show a solution", "check": "Show the self-check"}
"""Cells that a page folds with what they print, by their tag."""


class _Body:
    """The cells of one page as HTML blocks."""

    def __init__(self, notebook: Notebook, page: Page) -> None:
        self.notebook, self.page = notebook, page
        self.prose = Prose(page.pages)
        self.linker = Linker(t for t in read_glossary() if not t.part or t.part in notebook.parts)
        self.prose.ids |= {"main", "in-short", "stamp", "all-code"}
        self.blocks: list[str] = []
        self.figures = 0
        self.has_code = False
        self.titled = False

    def add(self, cell: dict) -> None:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            self.blocks.append(self.linker.link(self.prose.render(self._without_title(source))))
        elif cell["cell_type"] == "code" and "parameters" in tags(cell):
            self.blocks.append(parameter_table(self.notebook, self.page.parameters))
        elif cell["cell_type"] == "code" and "injected-parameters" not in tags(cell) and source.strip():
            self._code(cell, source)

    def _without_title(self, source: str) -> str:
        if self.titled or not source.lstrip().startswith("# "):
            return source
        self.titled = True
        return source.lstrip().partition("\n")[2]

    def _code(self, cell: dict, source: str) -> None:
        shown = "".join(self._output(o) for o in cell.get("outputs", []))
        pre = f'<pre tabindex="0">{highlight(source)}</pre>'
        code = f'<details class="code"><summary>Show code</summary>{pre}</details>'
        label = next((FOLDED[tag] for tag in tags(cell) if tag in FOLDED), None)
        if label:
            code = f'<pre class="block" tabindex="0">{highlight(source)}</pre>'
            self.blocks.append(f'<details class="solution"><summary>{label}</summary>{code}{shown}</details>\n')
        else:
            self.has_code = True
            self.blocks.append(f"{shown}{code}\n")

    def _output(self, output: dict) -> str:
        if output["output_type"] == "stream":
            return plain("".join(output["text"])) if output["name"] == "stdout" else ""
        if output["output_type"] not in ("display_data", "execute_result"):
            return ""
        data = {kind: "".join(v) if isinstance(v, list) else v for kind, v in output["data"].items()}
        if "text/html" in data:
            try:
                return clean_html(data["text/html"]) + "\n"
            except MarkupError:
                return plain(data.get("text/plain", ""))
        about = output.get("metadata", {})
        if "image/svg+xml" in data:
            return self._figure(data["image/svg+xml"], about.get("image/svg+xml", {}))
        return plain(data.get("text/plain", ""))

    def _figure(self, svg: str, about: dict) -> str:
        self.figures += 1
        drawn = figure(svg, prefix=f"f{self.figures}-", label=str(about.get("alt", "")))
        caption = str(about.get("caption", ""))
        words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
        return f"<figure>{drawn}{words}</figure>\n"


def plain(text: str) -> str:
    """Text output as it is, escaped."""
    return f'<pre class="plain" tabindex="0">{html.escape(text.rstrip(), quote=False)}</pre>\n' if text.strip() else ""


def highlight(source: str) -> str:
    """Python code with keywords, strings, numbers and comments marked for the style sheet.

    >>> highlight("x = 1  # one")
    '<code>x = <span class="n">1</span>  <span class="c"># one</span></code>'
    """
    from pygments.lexers import PythonLexer
    from pygments.token import Comment, Keyword, Number, Operator, String

    marks = ((Keyword, "k"), (Operator.Word, "k"), (String, "s"), (Number, "n"), (Comment, "c"))
    parts = []
    for kind, text in PythonLexer(stripnl=False, ensurenl=False).get_tokens(source.rstrip()):
        mark = next((m for k, m in marks if kind in k), "")
        shown = html.escape(text, quote=False)
        parts.append(f'<span class="{mark}">{shown}</span>' if mark else shown)
    return f"<code>{''.join(parts)}</code>"


def parameter_table(notebook: Notebook, values: dict[str, Any]) -> str:
    """The parameters of this run: value, default where it differs, meaning, allowed values."""
    rows = []
    for name, parameter in notebook.parameters.items():
        if name == STUDY_PARAMETER:
            continue
        value = values.get(name, parameter.default)
        changed = "" if value == parameter.default else f" <small>(default {_value(parameter.default)})</small>"
        cells = f'<td>{_value(value)}{changed}</td><td class="text">{html.escape(parameter.meaning)}</td>'
        allowed = f'<td class="text">{html.escape(parameter.allowed)}</td>'
        rows.append(f'<tr><th scope="row"><code>{name}</code></th>{cells}{allowed}</tr>')
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{h}</th>' for h in ("parameter", "value", "meaning", "allowed"))
    return (
        '<div class="smn-table" tabindex="0" role="region" aria-label="Parameters of this run"><table>'
        f"<caption>Parameters of this run</caption><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
        "</table></div>\n"
    )


def _value(value: Any) -> str:
    return html.escape(value if isinstance(value, str) else format_value(value))
