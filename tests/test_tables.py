"""The contracts agree with themselves."""

from __future__ import annotations

import pytest

from helpers.tables import BEHAVIORS, KINDS, NEEDS, TABLES, Table


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_keys_clock_and_order_are_columns(table: Table) -> None:
    assert set(table.key) | set(table.order) | ({table.clock} - {""}) <= set(table.names)
    assert len(set(table.names)) == len(table.names)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_columns_have_a_known_kind_and_a_meaning(table: Table) -> None:
    assert all(c.kind in KINDS and c.meaning for c in table.columns) and table.meaning


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_what_identifies_or_places_a_row_is_required(table: Table) -> None:
    assert set(table.key) | ({table.clock} - {""}) <= set(table.required)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_row_has_a_total_order(table: Table) -> None:
    assert set(table.key) <= set(table.order) and table.order


def test_clocks_are_instants_and_bounds_have_an_order() -> None:
    assert all(t.column(t.clock).kind == "instant" for t in TABLES.values() if t.clock)
    columns = [c for t in TABLES.values() for c in t.columns if c.low is not None and c.high is not None]
    assert columns and all(c.low < c.high for c in columns)


def test_one_column_name_has_one_kind_everywhere() -> None:
    kinds: dict[str, set] = {}
    for table in TABLES.values():
        for column in table.columns:
            kinds.setdefault(column.name, set()).add(column.kind)
    assert {name: k for name, k in kinds.items() if len(k) > 1} == {}


def test_events_and_behaviours() -> None:
    assert TABLES["events"].required == ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    assert TABLES["events"].column("behavior").values == BEHAVIORS == ("pv", "fav", "cart", "buy")


def test_notebooks_need_known_tables() -> None:
    assert all(set(need.split(" or ")) <= set(TABLES) for needed in NEEDS.values() for need in needed)


def test_an_unknown_column_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        TABLES["events"].column("price")
