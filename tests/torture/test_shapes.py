"""The makers of degenerate shops, and what counts as a number on a page."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers.study import load_study
from helpers.tables import NEEDS
from tests.torture import shapes
from tests.torture.degenerate import MIDNIGHT, SHAPES, shape_of


@pytest.fixture(scope="module")
def shop() -> dict[str, pd.DataFrame]:
    """Two customers with two orders and some looks, every cell a text."""
    look = {"user_id": "1", "item_id": "7", "category_id": "3"}
    views = [look | {"user_id": u, "behavior": b, "timestamp": str(MIDNIGHT + s)} for u, b, s in EVENTS]
    bought = look | {"quantity": "1", "unit_price": "5", "discount": "0"}
    orders = [
        bought | {"order_id": o, "user_id": u, "timestamp": str(MIDNIGHT + 9)} for o, u in (("a", "1"), ("b", "2"))
    ]
    empty = {
        "items": "item_id category_id category_name title price unit_margin brand launched_on",
        "users": "user_id age_band gender city_tier joined_on consent_email consent_push",
        "campaigns": "campaign_id channel objective starts_at ends_at unit_cost randomised",
        "assignments": "campaign_id user_id arm assigned_at",
        "contacts": "contact_id campaign_id user_id channel sent_at opened clicked opted_out",
        "touchpoints": "user_id channel timestamp cost", "spend": "day channel amount",
        "feedback": "user_id item_id rating nps complaint text created_at",
        "market": "month category_id total_sales", "targets": "indicator period target benchmark",
    }  # fmt: skip
    one_row = {t: pd.DataFrame([dict.fromkeys(names.split(), "1")]) for t, names in empty.items()}
    return one_row | {"events": pd.DataFrame(views), "orders": pd.DataFrame(orders)}


EVENTS = [("1", "pv", 1), ("1", "cart", 2), ("1", "buy", 9), ("2", "pv", 3), ("2", "buy", 9), ("2", "pv", 99_999)]


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_every_shape_is_a_study_that_can_be_read(name, shop, tmp_path):
    study = load_study(shapes.write_study(name, shop, tmp_path, least=1))
    assert "events" in study.tables and study.privacy.min_cell == 1
    assert all(path.is_file() for table in study.tables.values() for path in table.paths)


@pytest.mark.parametrize(
    ("name", "column", "left"),
    [
        ("one user", "user_id", {"1"}),
        ("no purchase", "behavior", {"pv", "cart"}),
        ("only purchases", "behavior", {"buy"}),
        ("one second", "timestamp", {str(MIDNIGHT)}),
        ("one category", "category_id", {"1001"}),
        ("every item its own category", "category_id", {"7"}),
        ("users without events", "user_id", {"91", "92"}),
    ],
)
def test_a_shape_is_what_it_is_called(name, column, left, shop):
    assert set(shape_of(name, shop)[0]["events"][column]) == left


def test_one_day_is_one_day_and_an_emptied_table_is_left_out(shop):
    tables, window = shape_of("one day", shop)
    assert len(tables["events"]) == 5 and window["start"] == window["end"] and "spend" not in tables
    assert "orders" not in shape_of("no purchase", shop)[0]
    assert len(shape_of("tables without rows", shop)[0]["orders"]) == 0


def test_a_large_size_tries_everything_and_a_seed_draws_the_same_again():
    assert shapes.drawn(2400, 1) == (sorted(SHAPES), sorted(NEEDS))
    assert shapes.drawn(300, 1) == shapes.drawn(300, 1) != shapes.drawn(300, 2)
    assert len(SHAPES) >= 12 and {shapes.least(s, 0) + shapes.least(s, 1) for s in SHAPES} == {11}


@pytest.mark.parametrize(
    "page",
    [
        "<td>nan %</td>",
        "<td>None</td>",
        "<p>−inf</p>",
        "<p>by -inf %</p>",
        "<svg aria-label='highest: nan'></svg>",
        "<td>NaT</td>",
        "<pre class='plain'>x  NaN</pre>",
        "<p>Traceback (most recent call last)</p>",
    ],
)
def test_a_page_without_a_number_is_seen(page):
    assert len(shapes.odd_words(page)) == 1


@pytest.mark.parametrize(
    "page",
    [
        "<p>None of them, info, banana, x-inf</p>",
        "<pre>x = None or float('nan')</pre>",
        "<code>np.nan</code>",
        "Nan-Jing",
    ],
)
def test_a_page_of_words_and_code_passes(page):
    assert shapes.odd_words(page) == []


def test_notebooks_that_fail_break_the_promise():
    entries = [{"name": "a", "status": "rendered"}, {"name": "b", "status": "failed", "reason": "zero"}]
    trial = {"shape": "one user", "least": 1, "entries": entries, "odd": ["one user × a.html: nan"], "pages": 2}
    ended, pages = shapes.ended([trial | {"seconds": 1.0}]), shapes.pages([trial])
    assert ended.faults == ["one user × b: zero"] and ended.outcomes == {"rendered": 1, "failed": 1}
    assert pages.outcomes == {"numbers only": 1, "with others": 1} and pages.result == "broken"
    assert shapes.at_the_door("a", "x\nno rows")["status"] == "refused"
