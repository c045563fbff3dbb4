"""Spark on this machine: one session for all tests of this folder, or a skip that says what is missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from helpers.engine_spark import INSTALL, EngineError, spark_session
from helpers.study import Engine

LIGHT = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""Short runs: Java compiles quickly rather than well."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them in one process: a session takes seconds to start, and a gigabyte."""
    for item in items:
        if item.path.parent.name == "spark":
            item.add_marker(pytest.mark.xdist_group("spark"))


@pytest.fixture(scope="session")
def spark() -> Iterator[object]:
    """A session on two cores."""
    if find_spec("pyspark") is None:
        pytest.skip(f"pyspark is not installed: {INSTALL}")
    before = os.environ.get("JDK_JAVA_OPTIONS")
    os.environ["JDK_JAVA_OPTIONS"] = LIGHT
    try:
        session = spark_session(Engine(kind="spark", master="local[2]"), memory="1g")
    except EngineError as error:
        pytest.skip(str(error))
    finally:
        os.environ.pop("JDK_JAVA_OPTIONS") if before is None else os.environ.update(JDK_JAVA_OPTIONS=before)
    yield session
    session.stop()
