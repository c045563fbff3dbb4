"""Slides: one figure or table each, the method in the notes, no script but the two that are known."""

from __future__ import annotations

import re
from collections.abc import Callable

import pandas as pd

from helpers import charts
from helpers.findings import show
from helpers.report.collection import Notebook
from helpers.report.deck import render_deck, short_table, slides, trusted
from helpers.report.exporter import Page
from helpers.report.gate import faults
from tests.report.cells import code, markdown
from tests.report.test_exporter import HOSTILE, output

ABOUT = {"image/svg+xml": {"alt": "A bar.", "caption": "It is one."}}
Write = Callable[..., Notebook]


def a_notebook(write_notebook: Write, word: str = "sales") -> Notebook:
    table = pd.DataFrame({word: [1.0]}, index=["a"])
    chart = charts.bars(table.reset_index(), x="index", y=word, title=word, x_label="x", y_label="y").svg()
    shown = [output(ABOUT, image_svg=chart), output(text_html=show(table, word)._repr_html_(), text_plain="x")]
    return write_notebook(
        "21_funnel",
        markdown(f"# 21 · Funnel: who buys?\n\nintroduction\n\n## 1 {word}\n\nThe *method*."),
        code("charts.bars()", outputs=shown),
        markdown("**For the marketer.** Do [this](20_traffic.ipynb). Not that.\n\n## Hand check"),
        code("1 + 1", outputs=shown),
        markdown("## Against the truth"),
        code("charts.bars()", outputs=shown[:1]),
        markdown("## What this does not show\n\n- Why.\n\n## References\n\n- A book."),
    )


def deck_of(notebook: Notebook, **about: object) -> str:
    page = Page("Corner <b>shop</b>", "2017", pages={"20_traffic"}, **about)  # type: ignore[arg-type]
    return render_deck(notebook, notebook.content, page)


def test_one_slide_a_figure_or_table_in_the_order_of_a_talk(write_notebook: Write) -> None:
    notebook = a_notebook(write_notebook)
    found = slides(notebook, notebook.content, Page("Shop", "2017", findings=[{"text": "Ten buy."}]))
    kinds = ["title", "section", "section", "truth", "findings", "caveats", "references"]
    assert [s.kind for s in found] == kinds
    assert found[1].words == "It is one." and "<em>method</em>" in found[1].notes
    assert found[2].words.startswith("Do ") and "Ten buy." in found[4].body


def test_the_policy_names_the_scripts_and_the_gate_lets_no_other_through(write_notebook: Write) -> None:
    deck = deck_of(a_notebook(write_notebook))
    assert len(re.findall(r"'sha256-[\w+/=]+'", deck.split("</head>")[0])) == 2
    assert faults(deck, words=[], trusted=trusted()) == []
    assert "<script> on the page" in faults(deck, words=[])
    assert faults(deck.replace("Reveal.initialize", "Reveal.x"), words=[], trusted=trusted()) == [
        "a script that is not ours"
    ]


def test_hostile_text_stays_text(write_notebook: Write) -> None:
    deck = deck_of(a_notebook(write_notebook, HOSTILE), findings=[{"text": HOSTILE}], stamp=[("Study", HOSTILE)])
    assert faults(deck, words=[], trusted=trusted()) == []
    assert deck.count("<script>") == 2 and deck.count("&lt;script&gt;alert(1)") >= 5


def test_links_lead_to_the_pages_one_folder_up(write_notebook: Write) -> None:
    links = re.findall(r'<a href="([^"$]+)"', deck_of(a_notebook(write_notebook)))
    assert links == ["../20_traffic.html", "../21_funnel.html"]


def test_a_long_table_says_what_is_left_out() -> None:
    table = show(pd.DataFrame({f"c{i}": range(20) for i in range(10)}), "t", rows=20)._repr_html_()
    short = short_table(table)
    assert short.count("<tr>") == 9 and short.count('<th scope="col"') <= 8
    assert "8 of 20 rows, 8 of 10 columns; all of it is in the report." in short
