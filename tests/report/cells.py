"""Notebooks for tests, made of a few words."""

from __future__ import annotations

PARAMETERS = 'study_file: str = "demo"  # a study\nrows: int = 3  # rows to show, 1..10'


def markdown(source: str) -> dict:
    """A Markdown cell."""
    return {"cell_type": "markdown", "id": "m", "metadata": {}, "source": source}


def code(source: str, *tags: str, outputs: list | None = None, count: int | None = 1) -> dict:
    """A code cell."""
    return {
        "cell_type": "code",
        "id": "c",
        "metadata": {"tags": list(tags)} if tags else {},
        "source": source,
        "outputs": outputs or [],
        "execution_count": count,
    }


def document(*cells: dict) -> dict:
    """A notebook; every cell gets an id of its own."""
    numbered = [cell | {"id": f"cell-{i}"} for i, cell in enumerate(cells)]
    about = {"kernelspec": {"name": "python3", "display_name": "Python 3"}, "language_info": {"name": "python"}}
    return {"cells": numbered, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
