"""The CDNOW sample, summed up by plain pandas: an oracle for `histories`, and the input of published fits."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


def transactions(path: Path) -> pd.DataFrame:
    """One row a purchase day: user_id, day, paid."""
    table = pd.read_csv(path, sep=r"\s+", header=None, names=["n", "user_id", "day", "pieces", "paid"])
    table["day"] = pd.to_datetime(table["day"].astype(str))
    return table.groupby(["user_id", "day"], as_index=False)["paid"].sum()


def summed(days: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    """user_id, frequency, recency, T (weeks), monetary by the first order, up to `end`."""
    rows = []
    for user, part in days[days["day"] <= end].sort_values("day").groupby("user_id"):
        first, later = part["day"].iloc[0], part.iloc[1:]
        recency = (part["day"].iloc[-1] - first).days / 7
        mean = later["paid"].mean() if len(later) else float("nan")
        rows.append((user, len(later), recency, (end - first).days / 7, mean))
    return pd.DataFrame(rows, columns=["user_id", "frequency", "recency", "T", "monetary"])


def calibration(path: Path) -> pd.DataFrame:
    """The published calibration: up to 1997-09-30."""
    return summed(transactions(path), pd.Timestamp("1997-09-30"))
