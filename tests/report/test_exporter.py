"""The page of a synthetic notebook full of hostile text: everything is there, nothing runs, nothing is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from helpers import charts
from helpers.findings import show
from helpers.report.collection import Notebook
from helpers.report.exporter import Page, page_script, render_page, render_refusal, spaced
from helpers.report.gate import faults
from tests.report.cells import code, markdown

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) $\\href{javascript:x}{y}$ 商品"
)


def output(metadata: dict | None = None, **data: str) -> dict:
    """A display of a cell; keys are media types with `_` for `/`."""
    kinds = {k.replace("_", "/", 1).replace("svg", "svg+xml"): v for k, v in data.items()}
    return {"output_type": "display_data", "data": kinds, "metadata": metadata or {}}


def stream(name: str, text: str) -> dict:
    """Text that a cell printed."""
    return {"output_type": "stream", "name": name, "text": text}


def page_of(notebook: Notebook, **about: object) -> str:
    return render_page(notebook, notebook.content, Page("Corner <b>shop</b>", "2017", **about))  # type: ignore[arg-type]


def test_hostile_text_in_every_channel_stays_text(write_notebook: Callable[..., Notebook]) -> None:
    table = pd.DataFrame({HOSTILE: [HOSTILE]})
    chart = charts.bars(table.assign(y=1.0), x=HOSTILE, y="y", title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE)
    about = {"image/svg+xml": {"alt": HOSTILE, "caption": HOSTILE}}
    outputs = [
        output(text_html=show(table, HOSTILE)._repr_html_(), text_plain="x"),
        output(about, image_svg=chart.svg()),
        output(text_html=HOSTILE, text_plain=HOSTILE),
        output(text_markdown=HOSTILE, text_latex=HOSTILE, text_plain=HOSTILE),
        output(application_javascript="alert(1)"),
        stream("stdout", HOSTILE),
        stream("stderr", "secret warning"),
    ]
    notebook = write_notebook("20_traffic", code("x = '</script>'", outputs=outputs), markdown(HOSTILE))
    page = page_of(notebook, findings=[{"text": HOSTILE}], stamp=[(HOSTILE, HOSTILE)], finished_at=HOSTILE)
    assert faults(page, words=[], trusted=[page_script()]) == []
    assert page.count("<svg") == 1 and page.count("<script") == 1 and "secret warning" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 9


def test_the_page_has_its_parts(write_notebook: Callable[..., Notebook]) -> None:
    cells = [markdown("## 1 Question\n\n$a$"), code("1 + 1"), markdown("## Exercises"), code("2 + 2", "solution")]
    page = page_of(write_notebook("20_traffic", *cells), finished_at="2026-01-31 12:00 UTC", before=("10_x", "10 X"))
    for part in (
        '<html lang="en">',
        '<main id="main">',
        '<a class="skip" href="#main">',
        '<a href="#1-question">1 Question</a>',
        "<summary>Show code</summary>",
        "<summary>Show a solution</summary>",
        '<a rel="prev" href="10_x.html">',
        "<h1>",
        "default-src &#39;none&#39;" if "&#39;" in page else "default-src 'none'",
    ):
        assert part in page, part
    assert page.count("<h1") == 1 and "Does it run?" in page


def test_parameters_are_a_table_with_the_default_where_it_differs(write_notebook: Callable[..., Notebook]) -> None:
    page = page_of(write_notebook("20_traffic"), parameters={"rows": 5})
    assert '<td>5 <small>(default 3)</small></td><td class="text">rows to show</td>' in page
    assert "study_file" not in page


def test_the_time_of_the_run_is_the_only_line_that_differs(write_notebook: Callable[..., Notebook]) -> None:
    notebook = write_notebook("20_traffic", code("1 + 1", outputs=[output(text_plain="2")]))
    one, two = (page_of(notebook, finished_at=moment).splitlines() for moment in ("12:00", "13:00"))
    assert [(a, b) for a, b in zip(one, two, strict=True) if a != b] == [("<p>Run on 12:00</p>", "<p>Run on 13:00</p>")]


def test_eight_charts_stay_small(write_notebook: Callable[..., Notebook]) -> None:
    table = pd.DataFrame({"day": pd.date_range("2017-06-19", periods=180), "visits": range(180)})
    chart = charts.lines(table, x="day", y="visits", title="Visits a day", x_label="day", y_label="visits")
    shown = output({"image/svg+xml": {"alt": chart.alt, "caption": "c"}}, image_svg=chart.svg())
    page = page_of(write_notebook("20_traffic", code("x", outputs=[shown] * 8)))
    assert page.count("<figcaption>") == 8 and len(page.encode()) < 300_000


def test_a_refusal_is_a_short_page_with_question_and_reason(write_notebook: Callable[..., Notebook]) -> None:
    page = render_refusal(write_notebook("50_experiment"), "needs <b> tables", Page("Corner", "2017"))
    assert "needs &lt;b&gt; tables" in page and "Does it run?" in page
    assert faults(page, words=[], trusted=[page_script()]) == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<p>of 5%, 5 % and 5&nbsp;%</p>", "<p>of 5_%, 5_% and 5&nbsp;%</p>"),
        ('<a href="x?a=1%20b" title="5%">2%</a>', '<a href="x?a=1%20b" title="5%">2_%</a>'),
        ("<p>x?a=1%20b, %, five%</p>", "<p>x?a=1%20b, %, five%</p>"),
        ("<pre><code>a = 5 % 3</code></pre><pre>5%</pre>", "<pre><code>a = 5 % 3</code></pre><pre>5_%</pre>"),
        (
            "<style>a{width:5%}</style><svg><text>5%</text></svg>",
            "<style>a{width:5%}</style><svg><text>5%</text></svg>",
        ),
    ],
)
def test_per_cent_is_written_in_one_way(written: str, read: str) -> None:
    assert spaced(written) == read.replace("_", "\u00a0")
