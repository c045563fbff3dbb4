"""The glossary: GLOSSARY.md as a page, and a link to a term where a page uses it first."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markupsafe import Markup

from helpers.report.markup import slug
from helpers.study import ROOT

GLOSSARY = ROOT / "GLOSSARY.md"
MOST = 12
"""Links to terms on one page: more would be a page of links."""
_QUIET = {"a", "code", "pre", "math", "h1", "h2", "h3", "h4", "caption", "th", "td", "figcaption", "svg", "summary"}


@dataclass(frozen=True)
class Term:
    """One row of GLOSSARY.md; `id` is its place on the page, `words` are the ways it is written, `part` the part of
    the collection that it belongs to: elsewhere the word may mean something else. Empty: it is the same everywhere."""

    term: str
    chinese: str
    symbol: str
    unit: str
    meaning: str
    helper: str
    id: str
    words: tuple[str, ...]
    part: str = ""


@cache
def read_glossary(file: Path = GLOSSARY) -> tuple[Term, ...]:
    """The rows of the table, in its order."""
    terms, taken = [], set()
    for line in file.read_text(encoding="utf-8").splitlines():
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 6 and cells[0] != "term" and not cells[0].startswith("---"):
            more = {"id": slug(cells[0], taken), "words": spellings(cells[0]), "part": part_of(cells[5])}
            terms.append(Term(*cells, **more))
    return tuple(terms)


def part_of(helper: str) -> str:
    """The sub-package that a helper of the table lives in; '' for one that all parts share.

    >>> part_of("association_rules.baskets"), part_of("privacy.suppress")
    ('products', '')
    """
    found = next((ROOT / "helpers").glob(f"*/{helper.partition('.')[0]}.py"), None) if helper else None
    return found.parent.name if found else ""


def spellings(term: str) -> tuple[str, ...]:
    """The ways in which a term is written in a text: with its abbreviation apart, each of several names.

    >>> spellings("sample-ratio test (SRM)")
    ('sample-ratio test', 'SRM')
    >>> spellings("share of wallet, share of customer")
    ('share of wallet', 'share of customer')
    """
    short = re.findall(r"\(([A-Z][A-Z/-]+)\)", term)
    names = re.sub(r"\([^)]*\)", "", term).split(",")
    return tuple(n.strip() for n in [*names, *short] if len(n.strip()) > 2)


class Linker:
    """Puts a link to the glossary where a page uses a term first, in running text only.

    Headings, links, code, formulas, tables and figures are left alone. Longer terms win over shorter ones within them.

    Parameters
    ----------
    terms : iterable of Term
        The glossary.
    most : int
        Links on one page.

    Examples
    --------
    >>> linker = Linker([Term("lift", "", "", "", "times more often", "", "lift", ("lift",))])
    >>> linker.link("<p>A <code>lift</code>, a lift, a lift.</p>")[26:]
    '<a class="term" href="glossary.html#lift" data-tip="times more often">lift</a>, a lift.</p>'
    """

    def __init__(self, terms: Iterable[Term], *, most: int = MOST) -> None:
        self.terms = {w.lower(): t for t in terms for w in t.words}
        longest = sorted(self.terms, key=len, reverse=True)
        self.pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest))})(?![\w-])", re.I)
        self.seen: set[str] = set()
        self.most = most

    def link(self, block: str) -> str:
        """A block of rendered prose with its links."""
        if not self.terms:
            return block
        quiet, parts = 0, []
        for piece in re.split(r"(<[^>]*>)", block):
            tag = re.match(r"<(/?)(\w+)", piece)
            if tag and tag[2] in _QUIET:
                quiet += -1 if tag[1] else 1
            parts.append(piece if tag or quiet else self.pattern.sub(self._one, piece))
        return "".join(parts)

    def _one(self, found: re.Match) -> str:
        term = self.terms[found[0].lower()]
        if term.id in self.seen or len(self.seen) >= self.most:
            return found[0]
        self.seen.add(term.id)
        tip = html.escape(term.meaning, quote=True)
        return f'<a class="term" href="glossary.html#{html.escape(term.id)}" data-tip="{tip}">{found[0]}</a>'


def table() -> Markup:
    """All terms in alphabetical order, as the table of the glossary's page."""
    head = "".join(f'<th scope="col">{h}</th>' for h in ("term", "中文", "symbol", "unit", "meaning", "helper"))
    rows = []
    for t in sorted(read_glossary(), key=lambda t: t.term.lower()):
        cells = "".join(f"<td>{html.escape(c)}</td>" for c in (t.chinese, t.symbol, t.unit, t.meaning))
        code = f"<td><code>{html.escape(t.helper)}</code></td>" if t.helper else "<td></td>"
        rows.append(f'<tr id="{html.escape(t.id)}"><th scope="row">{html.escape(t.term)}</th>{cells}{code}</tr>')
    box = '<div class="smn-table" tabindex="0" role="region" aria-label="Terms">'
    return Markup(f"{box}<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>")
