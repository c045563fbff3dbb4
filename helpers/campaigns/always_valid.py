"""An experiment read while it runs: its estimate with an interval that holds at every look (confidence sequence)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers.campaigns.comparison import outcome_values, welch_row, why_not
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.sequential import mixture_boundary
from helpers.findings import missing
from helpers.intervals import z_value

RULES = ("one look", "always valid")


def running_effect(
    users: pd.DataFrame,
    *,
    outcome: str,
    looks: int = 20,
    control: str = "control",
    arm: str = "",
    level: float = 0.95,
    seed: int = 50,
) -> pd.DataFrame:
    """The effect as it would have been read while people came in, with two intervals at each look.

    The participants are put into an order drawn by chance, as if they had come one after the other, and read after
    1/looks, 2/looks, … of them. One look: d ± z·SE, right for a single look. Always valid: d ± c(t)·SE with
    `helpers.campaigns.sequential.mixture_boundary`, t the share of people so far: with chance `level` it holds the true
    effect at *all* looks at once, for many people (SE is estimated).

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm` and the outcome.
    outcome : str
        A numeric column.
    looks : int
        Number of equally spaced looks, 2…200.
    control, level
        As in `helpers.campaigns.comparison.welch`.
    arm : str
        The treated arm; '' takes the first by name.
    seed : int
        Start of the random stream of the order.

    Returns
    -------
    DataFrame
        Two rows a look, by look: `look`, `users` (so far), `rule` ('one look', 'always valid'), `difference`,
        `ci_low`, `ci_high` (unit of the outcome), `excludes_zero`. Looks at which chance cannot be measured yet are
        left out.

    Raises
    ------
    ExperimentError
        As in `welch`, or a number of looks out of its range.

    References
    ----------
    Howard, Ramdas, McAuliffe & Sekhon (2021): howard2021. Waudby-Smith et al. (2024), estimated variance:
    waudbysmith2024.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "x"] * 200, "spend": [0.0, 2, 4, 3] * 100})
    >>> table = running_effect(users, outcome="spend", looks=2)
    >>> table[["users", "rule"]].tail(2)
       users          rule
    2    400      one look
    3    400  always valid
    >>> bool((table.ci_high - table.ci_low).diff().tail(1).item() > 0)  # the always valid interval is wider
    True
    """
    names = ["look", "users", "rule", "difference", "ci_low", "ci_high", "excludes_zero"]
    if not 2 <= looks <= 200 or int(looks) != looks:
        raise ExperimentError(f"looks {looks!r}: take a whole number from 2 to 200")
    if reason := why_not(users, control=control):
        return missing(names, reason)
    values, arms = outcome_values(users, [outcome])[:, 0], users["arm"].astype(str).to_numpy()
    arm = arm or sorted(set(arms) - {control})[0]
    taken = np.random.default_rng(seed).permutation(np.flatnonzero((arms == control) | (arms == arm)))
    values, treated = values[taken], arms[taken] == arm
    rows = [row for k in range(1, looks + 1) for row in _look(values, treated, k, looks, level)]
    return pd.DataFrame(rows, columns=names) if rows else missing(names, "the outcome is the same for all participants")


def _look(values: np.ndarray, treated: np.ndarray, look: int, looks: int, level: float) -> list[tuple]:
    n = len(values) * look // looks
    row = welch_row(values[:n][treated[:n]], values[:n][~treated[:n]], level=level)
    if "reason" in row:
        return []
    bars = (z_value(level), float(mixture_boundary(look / looks, alpha=1 - level)))
    ends = [
        (row["difference"] - c * row["standard_error"], row["difference"] + c * row["standard_error"]) for c in bars
    ]
    return [
        (look, n, rule, row["difference"], low, high, not low <= 0 <= high)
        for rule, (low, high) in zip(RULES, ends, strict=True)
    ]
