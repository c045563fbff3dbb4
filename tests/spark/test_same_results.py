"""The event-level passes of the notebooks on Spark and on DuckDB: the same expressions, the same results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from helpers import engine, privacy
from helpers import study as study_module
from helpers.behaviour import early_warning, funnel, funnel_steps, moved_parts, path_patterns, paths, retention, traffic
from helpers.campaigns import paths_to_purchase, touch_rules
from helpers.customers import features_before, histories, profiles, rfm, tags, value_tiers, wallet
from helpers.intake import data_quality
from helpers.known_days import known_days
from helpers.notebook import OpenStudy, open_study
from helpers.products import association_rules, interactions, sequences
from helpers.simulate import ShopSettings, make_shop
from helpers.summary import scorecard

TABLES = ("events", "orders", "items", "users", "touchpoints")


@pytest.fixture(scope="module")
def shops(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[OpenStudy, OpenStudy]]:
    """A small shop, open on DuckDB and on Spark."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder / "shop", ShopSettings(users=250, weeks=8))
    content = {"name": "small", "title": "Small", "window": {"start": "2017-06-19", "end": "2017-08-13"}}
    content["tables"] = {name: {"path": f"shop/{name}.csv"} for name in TABLES}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study_module, "CACHE", folder / "cache")
        patch.setattr(engine, "CACHE", folder / "cache")
        opened = []
        for kind in ({"kind": "duckdb"}, {"kind": "spark", "master": "local[2]"}):
            file = folder / f"{kind['kind']}.yaml"
            file.write_text(yaml.safe_dump({**content, "engine": kind}), encoding="utf-8")
            opened.append(open_study(file, "20_traffic"))
        yield opened[0], opened[1]


def _retention(study: OpenStudy) -> pd.DataFrame:
    days = retention.user_days(study.events, window=study.window, users=study.tables["users"])
    return retention.triangle(retention.returns(days, start_event="any", return_event="any", who="new"), period="week")


def _warning(study: OpenStudy) -> pd.DataFrame:
    measures = early_warning.measure(study.events, orders=study.orders)
    measures = moved_parts.add_channel(measures, study.touchpoints)
    return early_warning.daily(measures, window=study.window, min_cell=10)


def _parts(study: OpenStudy) -> pd.DataFrame:
    measures = moved_parts.add_channel(early_warning.measure(study.events, orders=study.orders), study.touchpoints)
    days = pd.Series(pd.to_datetime(["2017-07-01", "2017-07-20"]))
    options = {"days": days, "reference_days": 28}
    parts = [(m, by) for m in ("pv", "users", "sales") for by in ("category_id", "channel")]
    found = {part: moved_parts._by_day(measures, metric=part[0], by=part[1], **options) for part in parts}
    return pd.concat(found, names=["metric", "by", "row"]).reset_index().drop(columns="row").astype({"part": str})


def _duplicates(study: OpenStudy) -> pd.DataFrame:
    return data_quality.dedup_sensitivity(study.study, study.events, study.ingested["events"])


def _intent(study: OpenStudy) -> pd.DataFrame:
    return features_before.features_before(study.events, cut=pd.Timestamp("2017-07-20"), history_days=28)


def _recommendation(study: OpenStudy) -> pd.DataFrame:
    split = interactions.time_split(*[day.date() for day in study.window], share=0.15, recent_days=14)
    return interactions.counted(study.events, split=split, level="category", target="buy").execute()


def _profiles(study: OpenStudy) -> pd.DataFrame:
    touched = tags.touches(study.log, items=study.items)
    return profiles.profiles(touched, window=study.window, orders=study.orders, users=study.tables["users"], margin=0.3)


def _channel_paths(study: OpenStudy) -> pd.DataFrame:
    touches = paths_to_purchase.touch_paths(study.touchpoints, study.orders, min_cell=5)
    return paths_to_purchase.distinct_paths(touches, min_cell=2)


def _touch_rules(study: OpenStudy) -> pd.DataFrame:
    credit = touch_rules.rule_credit(paths_to_purchase.touch_paths(study.touchpoints, study.orders, min_cell=5))
    return credit.groupby(["method", "channel"])[["conversions", "value"]].sum().reset_index()


def _scorecard(study: OpenStudy) -> pd.DataFrame:
    days = {"window": study.window, "zone": "Asia/Shanghai", "known": known_days(study.window)}
    return scorecard.card(scorecard.measured(study.tables, **days, quiet_days=14))


def _grams(study: OpenStudy) -> pd.DataFrame:
    visits = paths.sessions(study.events, session_minutes=30, longest=50)
    return path_patterns.query(visits, "cart -> not-buy* -> exit", given="cart", min_cell=10)


CASES: dict[str, Callable[[OpenStudy], object]] = {
    "facts": lambda s: s.assessment.facts,
    "10 mix": lambda s: data_quality.behaviour_mix(s.events),
    "10 duplicates": _duplicates,
    "10 unicity": lambda s: privacy.unicity(s.events, sample=60, seed=1),
    "20 hours": lambda s: traffic.bounce(traffic.visits(s.events, session_minutes=30), min_cell=10),
    "20 items": lambda s: traffic.quadrants(traffic.catalogue(s.events)),
    "21 in order": lambda s: funnel.definitions(funnel_steps.journeys(s.events)),
    "21 strict": lambda s: funnel_steps.deepest_step(s.events, strict=True).execute(),
    "22": _retention,
    "23": _grams,
    "24": _warning,
    "24 parts": _parts,
    "30": _profiles,
    "31 recency": lambda s: rfm.rfe_table(s.log, window=s.window),
    "31 tiers": lambda s: value_tiers.tiers_of_periods(s.orders, window=s.window, key=0.2, middle=0.3),
    "31 wallet": lambda s: wallet.category_shares(s.orders, window=s.window),
    "33": lambda s: histories.order_days(s.orders).execute(),
    "34": _intent,
    "40 sessions": lambda s: association_rules.baskets(s.events, unit="session", level="both", behavior="interest"),
    "40 orders": lambda s: association_rules.baskets(s.events, orders=s.orders, unit="order", min_support=0.01),
    "41": lambda s: sequences.steps(sequences.activity(s.events), min_users=5),
    "42": _recommendation,
    "52": _channel_paths,
    "52 rules": _touch_rules,
    "60": _scorecard,
}


@pytest.mark.parametrize("name", CASES)
def test_spark_finds_what_duckdb_finds(shops: tuple[OpenStudy, OpenStudy], name: str) -> None:
    duckdb, spark = (CASES[name](shop) for shop in shops)
    same(duckdb, spark, name)


def same(one: object, other: object, where: str) -> None:
    """Equal, numbers with a fraction to 1e-9; the order of a table's rows counts only where the helper gives one."""
    if isinstance(one, pd.DataFrame):
        assert list(one.columns) == list(other.columns) and len(one) == len(other), where
        assert len(one), where
        one, other = (_ordered(t) for t in (one, other))
        pd.testing.assert_frame_equal(one, other, check_dtype=False, rtol=1e-9, atol=1e-12, obj=where)
    elif isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, pair in enumerate(zip(one, other, strict=True)):
            same(*pair, f"{where}.{i}")
    elif isinstance(one, (float, np.floating)):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-12, nan_ok=True), where
    else:
        assert one == other, where


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by their whole numbers and texts, so that the last digit of a sum does not decide."""
    table = table.reset_index() if table.index.name or table.index.nlevels > 1 else table.reset_index(drop=True)
    exact = [c for c in table.columns if not pd.api.types.is_float_dtype(table[c])]
    keys = [np.array(["" if pd.isna(v) else str(v) for v in table[c]]) for c in exact]
    return table.iloc[np.lexsort(keys)].reset_index(drop=True) if exact else table


def test_folders_and_names_are_taken_literally(spark: object, tmp_path: Path) -> None:
    for name, rows in (("a1b", 9), ("a[1]*'b {x}", 3)):  # the first is what the second would match as a pattern
        (tmp_path / name).mkdir()
        pd.DataFrame({"v": range(rows)}).to_parquet(tmp_path / name / "data.parquet")
    file = tmp_path / "a[1]*'b {x}" / "data.parquet"
    table = engine.connect(study_module.Engine(kind="spark", master="local[2]"), {"odd": file})["odd"]
    assert table.count().execute() == 3


def test_held_rows_and_small_tables_join(shops: tuple[OpenStudy, OpenStudy]) -> None:
    held = engine.hold(shops[1].events.group_by("user_id").agg(n=shops[1].events.count()))
    user = int(held.user_id.min().execute())
    names = engine.as_table(pd.DataFrame({"user_id": [user], "name": ["x"]}))
    assert held.join(names, "user_id").count().execute() == 1


def test_a_number_with_a_fraction_is_no_decimal(shops: tuple[OpenStudy, OpenStudy]) -> None:
    seven = shops[1].events.limit(1).mutate(n=7)
    assert seven.select(x=0.2 / seven.n, y=1e-12 * seven.n).execute().iloc[0].tolist() == [0.2 / 7, 7e-12]
