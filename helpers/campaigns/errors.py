"""The error of the campaign helpers."""

from __future__ import annotations


class ExperimentError(ValueError):
    """An argument of an experiment's analysis is wrong; the message names it, its value and the cure."""


class AttributionError(ValueError):
    """An argument or a table of paths is wrong; the message names it, its value and the cure."""
