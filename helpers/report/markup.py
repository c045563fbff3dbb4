"""What may stand on a page: prose, formulas, tables and figures, each rebuilt from a short list of allowed parts.

Nothing that a notebook or its data holds is copied to the page as markup. Prose is Markdown with raw HTML shown as
text; formulas become MathML; tables and boxes are parsed and written anew; so are figures. What does not fit in is
shown as plain text or refused.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import mistune
from mistune.plugins.math import math as math_plugin
from mistune.plugins.table import table as table_plugin

VOID = {"br"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HTML_TAGS = _words("""
    div p span table caption thead tbody tfoot tr th td small strong em b i code pre ul ol li dl dt dd br
    details summary h3 h4 abbr sub sup
""")
HTML_ATTRIBUTES = _words("class role tabindex scope aria-label colspan rowspan title")
CLASS_NAMES = re.compile(r"(?:(?:smn-[a-z-]+|num|text|total|day)(?: |$))+")
MATH_TAGS = _words("""
    math mrow mi mn mo mtext mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd mspace
    mstyle mpadded mphantom menclose
""")
MATH_ATTRIBUTES = _words("""
    display stretchy accent mathvariant linethickness columnalign columnspacing rowspacing scriptlevel displaystyle
    fence form separator minsize maxsize lspace rspace width movablelimits notation
""")
SVG_TAGS = _words("""
    svg g path defs clipPath rect use circle ellipse line polyline polygon linearGradient radialGradient stop
    image text tspan
""")
SVG_ATTRIBUTES = _words("""
    id d x y x1 y1 x2 y2 cx cy r rx ry fx fy width height points transform style clip-path clip-rule fill stroke
    fill-opacity stroke-opacity stroke-width opacity viewBox gradientUnits gradientTransform offset stop-color
    stop-opacity preserveAspectRatio font-size text-anchor href role aria-label
""")


LONG = 36
"""A table cell with more characters than that gets room to wrap decently."""


class MarkupError(ValueError):
    """Something that may not stand on a page."""


# --- boxes and tables -------------------------------------------------------------------------------------------------


class _Rebuild(HTMLParser):
    """Writes allowed HTML anew; anything else raises MarkupError."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in HTML_TAGS:
            raise MarkupError(f"<{tag}> may not stand on a page")
        for name, value in attrs:
            if name not in HTML_ATTRIBUTES or (name == "class" and not CLASS_NAMES.fullmatch(value or "")):
                raise MarkupError(f"the attribute {name} may not stand on a page")
        written = "".join(f' {n}="{html.escape(v or "", quote=True)}"' for n, v in attrs)
        self.parts.append(f"<{tag}{written}>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise MarkupError(f"</{tag}> closes nothing")
        self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if len(data) >= LONG and self.parts and self.parts[-1] == "<td>":
            self.parts[-1] = '<td class="long">'
        self.parts.append(html.escape(data, quote=False))

    def _refuse(self, *_: object) -> None:
        raise MarkupError("comments and declarations may not stand on a page")

    handle_comment = handle_decl = handle_pi = unknown_decl = _refuse


def clean_html(text: str) -> str:
    """Our own boxes and tables, written anew from allowed tags and attributes.

    Raises
    ------
    MarkupError
        The text does not come from `helpers.findings` or `helpers.notebook`, or holds anything else.

    >>> clean_html('<p class="smn-note">a &lt; b</p>')
    '<p class="smn-note">a &lt; b</p>'
    """
    if not re.match(r'<(?:div|p|details) class="smn-', text):
        raise MarkupError("this HTML is not ours")
    rebuild = _Rebuild()
    rebuild.feed(text)
    rebuild.close()
    if rebuild.open:
        raise MarkupError(f"<{rebuild.open[-1]}> is not closed")
    return "".join(rebuild.parts)


# --- formulas ---------------------------------------------------------------------------------------------------------


def formula(latex: str, *, block: bool) -> str:
    """A formula as MathML.

    Raises
    ------
    MarkupError
        The formula holds something that cannot be shown without a script.

    >>> formula("a_1", block=False)
    '<math display="inline"><mrow><msub><mi>a</mi><mn>1</mn></msub></mrow></math>'
    """
    from latex2mathml.converter import convert

    source = latex.strip().replace("<", r"\lt ").replace(">", r"\gt ").replace(r"\arg\m", r"\operatorname{arg}\m")
    try:
        root = ElementTree.fromstring(convert(source, display="block" if block else "inline"))
    except Exception as error:  # the library raises many kinds, some without a message
        raise MarkupError(f"the formula {latex.strip()!r} cannot be shown: {type(error).__name__}") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if element.tag not in MATH_TAGS or (element.text or "").startswith("\\"):
            raise MarkupError(f"the formula {latex.strip()!r} cannot be shown: {element.text or element.tag}")
        for name in list(element.attrib):
            if name not in MATH_ATTRIBUTES:
                raise MarkupError(f"the formula {latex.strip()!r} may not use {name}")
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


# --- prose ------------------------------------------------------------------------------------------------------------


def slug(text: str, taken: set[str]) -> str:
    """A heading's id: lower-case words joined by hyphens, unique on the page.

    >>> slug("Against the truth", set())
    'against-the-truth'
    """
    base = re.sub(r"[^\w]+", "-", re.sub(r"<[^>]+>", "", text).lower()).strip("-") or "section"
    name, n = base, 2
    while name in taken:
        name, n = f"{base}-{n}", n + 1
    taken.add(name)
    return name


class _Renderer(mistune.HTMLRenderer):
    """Markdown with raw HTML as text, headings with ids, formulas as MathML and only harmless links."""

    def __init__(self, page: Prose) -> None:
        super().__init__(escape=True)
        self.page = page

    def heading(self, text: str, level: int, **_: object) -> str:
        name = slug(text, self.page.ids)
        self.page.headings.append((level, name, text))
        return f'<h{level} id="{html.escape(name)}">{text}</h{level}>\n'

    def link(self, text: str, url: str, title: str | None = None) -> str:
        target = self.page.link(url)
        if target is None:
            return text
        away = ' rel="noopener noreferrer"' if target.startswith("https:") else ""
        return f'<a href="{html.escape(target, quote=True)}"{away}>{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:
        return html.escape(text)

    def block_code(self, code: str, info: str | None = None) -> str:
        return f'<pre class="block" tabindex="0"><code>{html.escape(code.rstrip(), quote=False)}</code></pre>\n'

    def table(self, text: str) -> str:
        return f'<div class="smn-table" tabindex="0" role="region" aria-label="Table"><table>{text}</table></div>\n'

    def inline_math(self, text: str) -> str:
        return self.page.formula(text, block=False)

    def block_math(self, text: str) -> str:
        shown = self.page.formula(text, block=True)
        return f'<div class="formula" tabindex="0" role="group" aria-label="Formula">{shown}</div>\n'


class Prose:
    """The Markdown of one page; collects its headings.

    Parameters
    ----------
    pages : set of str
        Names of the notebooks that have a page beside this one: links to their files lead to the pages.
    """

    def __init__(self, pages: set[str] | None = None) -> None:
        self.pages = pages or set()
        self.ids: set[str] = set()
        self.headings: list[tuple[int, str, str]] = []
        self.faults: list[str] = []
        self._markdown: Callable[[str], str] = mistune.Markdown(  # type: ignore[assignment]
            renderer=_Renderer(self), plugins=[math_plugin, table_plugin]
        )

    def render(self, source: str) -> str:
        """Markdown → safe HTML."""
        return self._markdown(source)

    def formula(self, latex: str, *, block: bool) -> str:
        """MathML, or the TeX source where it cannot be shown; the fault is noted."""
        try:
            return formula(latex, block=block)
        except MarkupError as error:
            self.faults.append(str(error))
            return f"<code>{html.escape(latex)}</code>"

    def link(self, url: str) -> str | None:
        """The address of a harmless link: to the web by https, within the page, to another page; else None."""
        if re.fullmatch(r"https://[\w.-]+(?:[/?#][^\s\"<>]*)?", url) or re.fullmatch(r"#[\w-]+", url):
            return url
        found = re.fullmatch(r"(?:\./)?(\d\d_[a-z0-9_]+)\.(?:ipynb|html)(#[\w-]+)?", url)
        return f"{found[1]}.html{found[2] or ''}" if found and found[1] in self.pages else None


# --- figures ----------------------------------------------------------------------------------------------------------

TOKENS = {
    "#1f2328": "var(--ink)",
    "#59636e": "var(--quiet)",
    "#d1d9e0": "var(--grid)",
    "#0969da": "var(--c0)",
    "#bc4c00": "var(--c1)",
    "#1a7f37": "var(--c2)",
    "#8250df": "var(--c3)",
    "#9a6700": "var(--c4)",
    "#cf222e": "var(--c5)",
    "#0b7f8a": "var(--c6)",
    "#6e7781": "var(--c7)",
}
"""Colours of helpers/charts.py → variables of the page, so that figures follow the reader's light or dark scheme."""
_COLOR = re.compile("|".join(TOKENS))
_SIDEWAYS = re.compile(r"translate\((-?[\d.]+) 0\)")
_STYLE = re.compile(r"(?:\s*[a-z-]+\s*:\s*[#\w\s.,()%'-]+;?)*\s*")


def figure(svg: str, *, prefix: str, label: str) -> str:
    """A chart's SVG, written anew: allowed parts only, ids of its own, colours by the page's variables.

    Parameters
    ----------
    svg : str
        The SVG text of a `Chart`.
    prefix : str
        Put before every id, so that two figures on a page do not share one.
    label : str
        The alt text; must not be empty.
    """
    if not label.strip():
        raise MarkupError("a figure has no alt text")
    if "<!" in svg:
        raise MarkupError("a figure may not declare anything")
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise MarkupError(f"a figure is not well formed: {error}") from None
    _rebuild(root, _Ids(root, prefix))
    _slim(root)
    for name in ("version", "width", "height", "style"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-label": label}
    return re.sub(r">\s+<", "><", ElementTree.tostring(root, encoding="unicode").replace(" />", "/>"))


def _slim(element: ElementTree.Element) -> None:
    """The same drawing in fewer bytes: no empty groups, equal neighbours joined, equal styles said once."""
    slim: list[ElementTree.Element] = []
    for child in list(element):
        _slim(child)
        before = slim[-1] if slim else None
        if child.tag in ("g", "defs") and not len(child):
            continue
        if child.tag == "g" and not child.attrib:
            slim += list(child)
        elif before is not None and before.tag == child.tag == "g" and _same_clip(before, child):
            before.extend(list(child))
        else:
            slim.append(child)
    element[:] = slim
    styles = {child.get("style") for child in element}
    if element.tag == "g" and "style" not in element.attrib and len(slim) > 1 and len(styles) == 1 and styles != {None}:
        element.attrib["style"] = slim[0].attrib["style"]
        for child in slim:
            del child.attrib["style"]


def _same_clip(one: ElementTree.Element, two: ElementTree.Element) -> bool:
    return list(one.attrib) == ["clip-path"] and one.attrib == two.attrib


class _Ids:
    """New, short ids for the elements that others refer to."""

    def __init__(self, root: ElementTree.Element, prefix: str) -> None:
        text = ElementTree.tostring(root, encoding="unicode")
        used = sorted(set(re.findall(r'(?:href="|url\()#([^")]+)', text)))
        self.new = {old: f"{prefix}{i}" for i, old in enumerate(used)}


def _rebuild(element: ElementTree.Element, ids: _Ids) -> None:
    """Check and rewrite one element and all below it."""
    element.tag = element.tag.rpartition("}")[2]
    if element.tag not in SVG_TAGS:
        raise MarkupError(f"<{element.tag}> may not stand in a figure")
    old, element.attrib = dict(element.attrib), {}
    for key, value in old.items():
        name = key.rpartition("}")[2]
        if name in ("version", "type", "space"):
            continue
        if name not in SVG_ATTRIBUTES:
            raise MarkupError(f"the attribute {name} may not stand in a figure")
        _attribute(element, name, value, ids)
    # matplotlib's one style rule stands in the page's style sheet
    for child in [c for c in element if c.tag.endswith("}style") or c.tag == "style"]:
        element.remove(child)
    for child in element:
        _rebuild(child, ids)


def _attribute(element: ElementTree.Element, name: str, value: str, ids: _Ids) -> None:
    if name == "id":
        if value in ids.new:
            element.attrib["id"] = ids.new[value]
        elif re.fullmatch(r"text_\d+|legend_\d+", value):
            element.attrib["class"] = "words"
        return
    if name == "href":
        inside = value.startswith("#") and value[1:] in ids.new
        if not inside and not (element.tag == "image" and value.startswith("data:image/png;base64,")):
            raise MarkupError("a figure may refer to itself only")
        element.attrib["href"] = f"#{ids.new[value[1:]]}" if inside else value
        return
    if name == "style":
        value = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{ids.new[m[1]]})", value)
        if not _STYLE.fullmatch(re.sub(r"url\(#\w+\)", "", value)):
            raise MarkupError("a figure's style is not plain")
        value = _COLOR.sub(lambda m: TOKENS[m[0]], re.sub(r"\s*([:;])\s*", r"\1", value.strip().rstrip(";")))
    elif name == "clip-path":
        value = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{ids.new[m[1]]})", value)
    elif name == "d":
        value = re.sub(r" ?([A-Za-z]) ?", r"\1", re.sub(r"\s+", " ", value.strip()))
        value = re.sub(r"\d+\.\d+", lambda m: m[0].rstrip("0").rstrip("."), value)
    elif name == "transform" and element.tag == "use" and (moved := _SIDEWAYS.fullmatch(value)):
        name, value = "x", moved[1]
    elif name != "aria-label":
        value = re.sub(r"\s+", " ", value).strip()
    element.attrib[name] = value
