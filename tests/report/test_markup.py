"""What may stand on a page: hostile text in every channel comes out as text or not at all."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import charts
from helpers.findings import Note, show
from helpers.report.gate import faults
from helpers.report.markup import MarkupError, Prose, clean_html, figure, formula, slug

PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</script><svg onload=alert(1)>",
    '"><iframe src=javascript:alert(1)>',
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "$\\href{javascript:alert(1)}{x}$",
    "<!-- --><base href=//x>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;",
    "![x](https://example.com/x.png)",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_data_in_tables_stays_text(payload: str) -> None:
    table = pd.DataFrame({payload: [payload], "n": [1]})
    page = clean_html(show(table, payload, units={"n": payload})._repr_html_())
    assert faults(page, words=[]) == []
    assert "<script" not in page and "<img" not in page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_data_in_notes_stays_text(payload: str) -> None:
    assert faults(clean_html(Note(payload)._repr_html_()), words=[]) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_markdown_shows_html_as_text(payload: str) -> None:
    page = Prose().render(
        f"# {payload}\n\nsome {payload} text\n\n- {payload}\n\n| a |\n|---|\n| {payload} |\n\n{payload}\n"
    )
    assert faults(page, words=[]) == []
    assert "<script" not in page and "<img" not in page and 'href="javascript' not in page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_data_in_charts_stays_text(payload: str) -> None:
    table = pd.DataFrame({"x": [payload, "b"], "y": [1.0, 2.0]})
    chart = charts.bars(table, x="x", y="y", title=payload, x_label="x", y_label=payload)
    page = figure(chart.svg(), prefix="f1-", label=chart.alt)
    assert faults(page, words=[]) == []


@pytest.mark.parametrize(
    "text",
    [
        "<p>not ours</p>",
        '<p class="smn-note"><script>x</script></p>',
        '<p class="smn-note" onclick="x">a</p>',
        '<p class="smn-note" style="background:url(//x)">a</p>',
        '<p class="smn-note other">a</p>',
        '<p class="smn-note"><a href="https://x">a</a></p>',
        '<p class="smn-note"><!-- x --></p>',
        '<p class="smn-note">a',
        '<p class="smn-note">a</div>',
        '<p class="smn-note"></p></p>',
    ],
)
def test_other_html_is_refused(text: str) -> None:
    with pytest.raises(MarkupError):
        clean_html(text)


@given(st.text())
def test_any_text_of_a_note_survives_unchanged(text: str) -> None:
    from html import escape, unescape

    shown = clean_html(f'<p class="smn-note">{escape(text)}</p>')
    assert unescape(shown.removeprefix('<p class="smn-note">').removesuffix("</p>")) == unescape(escape(text))


@pytest.mark.parametrize(
    "latex",
    [
        r"r = \frac{n_{\text{buy}}}{n_{\text{pv}}}",
        r"\operatorname{lift}(A \Rightarrow B) = \frac{P(A \cap B)}{P(A)\,P(B)}",
        r"\hat{p} \pm z_{1-\alpha/2}\sqrt{\frac{\hat{p}(1-\hat{p})}{n}}",
        r"\bar{x} < \sum_{i=1}^{n} x_i, \quad x \in \{0, 1\}",
        r"S(t) = \prod_{t_i \le t} \left(1 - \frac{d_i}{n_i}\right)",
    ],
)
def test_formulas_become_mathml(latex: str) -> None:
    assert formula(latex, block=True).startswith('<math display="block">')


@pytest.mark.parametrize("latex", [r"\href{javascript:alert(1)}{x}", r"\style{color:red}{x}", r"\frac{", r"\nosuch{x}"])
def test_formulas_with_links_or_faults_are_refused(latex: str) -> None:
    with pytest.raises(MarkupError):
        formula(latex, block=False)


def test_a_formula_that_cannot_be_shown_is_noted_and_shown_as_source() -> None:
    prose = Prose()
    assert r"<code>\href{javascript:alert(1)}{x}</code>" in prose.render(r"$\href{javascript:alert(1)}{x}$")
    assert len(prose.faults) == 1


def test_only_harmless_links_stay() -> None:
    prose = Prose({"21_funnel"})
    assert prose.link("https://doi.org/10.1000/x") == "https://doi.org/10.1000/x"
    assert prose.link("21_funnel.ipynb#hand-check") == "21_funnel.html#hand-check"
    for url in (
        "http://x",
        "//x",
        "javascript:x",
        "data:text/html,x",
        "file:///x",
        "22_x.ipynb",
        "../x.html",
        "https://u@x",
    ):
        assert prose.link(url) is None


def test_headings_get_ids_of_their_own() -> None:
    prose = Prose()
    prose.render("## Findings\n\n## Findings\n\n### 中文")
    assert [h[1] for h in prose.headings] == ["findings", "findings-2", "中文"]
    assert slug("<em>A</em> & b", set()) == "a-b"


SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 1 1">{}</svg>'


@pytest.mark.parametrize(
    "part",
    [
        "<script>x</script>",
        "<foreignObject/>",
        '<a href="https://x"/>',
        '<image href="https://x/y.png"/>',
        '<use href="https://x#y"/>',
        '<g onload="x"/>',
        '<path style="fill: url(https://x)"/>',
        '<animate attributeName="href"/>',
        "<!-- x -->",
    ],
)
def test_figures_hold_drawing_only(part: str) -> None:
    with pytest.raises(MarkupError):
        figure(SVG.format(part), prefix="f1-", label="alt")


def test_a_figure_needs_alt_text() -> None:
    with pytest.raises(MarkupError, match="alt text"):
        figure(SVG.format(""), prefix="f1-", label=" ")


def test_colours_follow_the_page_and_ids_are_its_own() -> None:
    part = '<defs><path id="a" d="M 0 0"/></defs><use xlink:href="#a" style="fill: #1f2328; stroke: #0969da"/>'
    drawn = figure(SVG.format(part), prefix="f2-", label="a < b")
    assert 'id="f2-0"' in drawn and 'href="#f2-0"' in drawn
    assert "fill:var(--ink);stroke:var(--c0)" in drawn and 'aria-label="a &lt; b"' in drawn
