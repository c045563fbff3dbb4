"""Intake alone, with the account of every line: python -m tests.benchmarks.take_in STUDY_FILE."""

from __future__ import annotations

import sys

from helpers.intake import ingest_all
from helpers.study import load_study

if __name__ == "__main__":
    ingest_all(load_study(sys.argv[1]))
