"""Names of any kind through every chart of the feedback part, and long titles that do not swell a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers import charts
from helpers.findings import Estimate, show
from helpers.products import complaint_lines, complaints, feedback, response
from helpers.products import review_sentiment as sentiment
from tests.products.feedback_shops import DAY, frame, ibis_feedback, ibis_orders

LABELS = {
    "plain": [np.str_("tea"), 7, "绿茶 😀\n"],
    "awkward": ["长" * 10_000, "<script>alert(1)</script><img src=x onerror=alert(1)></td>", "=1+1 $\\frac{ {x} %s"],
}


def answers(labels: list) -> pd.DataFrame:
    """120 answers of as many customers about three products; the labels stand in the texts, too."""
    rows = []
    for k in range(120):
        good = k % 2 == 0
        words = f"{'很好,满意' if good else '质量很差,退货'}{labels[k % 3]}"
        rows.append(
            {"user_id": k, "item_id": k % 3, "rating": 5 if good else 1, "nps": 10 if good else 2, "text": words}
        )
    return frame(rows).assign(created_at=[k * 600 for k in range(120)])


def tables(labels: list) -> dict[str, pd.DataFrame]:
    """All that notebook 43 makes of its answers where labels come in."""
    table, line_of = answers(labels), pd.Series(dict(enumerate(labels)), dtype="object")
    users = pd.DataFrame(
        {"user_id": range(120), "gender": pd.Series([labels[u % 3] for u in range(120)], dtype="object")}
    )
    found = complaints.complaints(table, min_cell=5)
    against = complaint_lines.exposure(table, line_of, orders=None, per="answers")
    hit = complaint_lines.lines(found, line_of, against, min_cell=5)
    orders = ibis_orders([(k, k, k % 3, k * 600 - 1) for k in range(120)])
    asked = response.asked(ibis_feedback(table), orders, users, last_second=90 * DAY)
    how = {"total": len(found), "leave_low": 0.1, "leave_high": 0.2, "seed": 1}
    return {
        "groups": feedback.by_group(table, users, group="gender", min_cell=5),
        "rates": response.response_rates(asked, groups=("gender",), min_cell=5),
        "weighted": response.compare(asked, by=("gender",), chances=None),
        "words": sentiment.driving_words(sentiment.labelled(table), min_cell=5),
        "topics": complaints.topics(found, min_cell=5),
        "spoken": complaints.topic_words(found, min_cell=5),
        "lines": hit,
        "loss": complaints.expected_loss(hit[hit["topic"] == "all"], Estimate(9, 8, 10), of="line", **how),
    }


@pytest.mark.parametrize("kind", LABELS)
def test_any_label_passes_every_table_and_chart_of_the_feedback(kind):
    made = tables(LABELS[kind])
    assert not [name for name, table in made.items() if table.empty]
    words, ends = {"title": "t", "x_label": "x"}, {"low": "ci_low", "high": "ci_high"}
    every = made["lines"][made["lines"]["topic"] == "all"]
    drawn = [charts.intervals(every, label="line", value="rate_ratio", **ends, **words, reference=1.0)]
    drawn += [charts.intervals(made["groups"], label="value", value="nps", **ends, **words)]
    drawn += [charts.bars(made["words"], x="words", y="weight", horizontal=True, y_label="y", **words)]
    drawn += [charts.bars(made["loss"], x="line", y="loss", horizontal=True, y_label="y", **words)]
    pages = [show(table, rows=50)._repr_html_() for table in made.values()] + [chart.svg() for chart in drawn]
    assert all(mark not in page for page in pages for mark in ("<script", "<img", "onerror=alert(1)>"))
    assert all(len(page) < 40_000 for page in pages)  # what a report allows a chart
    assert set(every["line"]) == set(LABELS[kind])
