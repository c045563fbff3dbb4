"""One treated unit among many, followed over time: difference-in-differences, synthetic control, and both together.

A panel here is a table with one row a period, in order, and one column a unit (a city, a group of customers); its index
holds the period relative to the start: below 0 before, 0 and above after.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.intervals import rate, z_value
from helpers.study import nearest

METHODS = ("difference in differences", "synthetic control", "synthetic DiD")


def simplex_weights(target: np.ndarray, donors: np.ndarray, *, ridge: float = 0.0, shift: bool = False) -> np.ndarray:
    """The weights ≥ 0 with sum 1 that bring the donors nearest to the target by least squares.

    min ‖target − donors·w‖² + ridge·‖w‖². With `shift` a constant may be added (both are centred first).

    Parameters
    ----------
    target : array
        One value a period.
    donors : array
        Periods × donors.
    ridge : float
        Price of large weights, ≥ 0.
    shift : bool
        May the target lie above or below the donors by a constant?

    Returns
    -------
    array
        One weight a donor.

    Examples
    --------
    >>> simplex_weights(np.array([2.0, 3.0]), np.array([[1.0, 5.0], [2.0, 6.0]])).round(3)
    array([0.75, 0.25])
    """
    if shift:
        target, donors = target - target.mean(), donors - donors.mean(axis=0)
    scale = max(float(np.abs(donors).max()), float(np.abs(target).max()), 1e-12)
    a, b = donors / scale, target / scale
    a = np.vstack([a, math.sqrt(ridge) / scale * np.eye(a.shape[1])]) if ridge else a
    b = np.concatenate([b, np.zeros(donors.shape[1])]) if ridge else b
    heavy = 1e4  # holds the sum at 1 to about 1e-8
    weights, _ = nnls(np.vstack([a, np.full(a.shape[1], heavy)]), np.append(b, heavy))
    return weights / weights.sum()


def panel_effects(panel: pd.DataFrame, *, treated: str) -> dict[str, float]:
    """The mean effect on the treated unit after the start, by each of `METHODS`.

    τ = (ȳ₁ after − Σ λ_t y₁_t) − Σ w_j (ȳ_j after − Σ λ_t y_jt), λ weights of the periods before, w of the donors.
    Difference in differences: all weights equal. Synthetic control: λ = 0, w nearest to the treated unit's own path
    before. Synthetic DiD: both fitted, w with a small ridge, so that levels may differ and only *trends* must agree.

    Parameters
    ----------
    panel : DataFrame
        As at the head of this module, without missing values.
    treated : str
        The treated unit's column.

    Returns
    -------
    dict
        Method → effect a period, unit of the outcome.

    Raises
    ------
    ExperimentError
        An unknown unit, missing values, or fewer than two periods before, one after, and two donors.

    References
    ----------
    Abadie, Diamond & Hainmueller (2010): abadie2010. Arkhangelsky et al. (2021): arkhangelsky2021. Card & Krueger
    (1994) for difference in differences: card1994.

    Examples
    --------
    The treated city is the mean of both others, and 5 higher after the start:

    >>> panel = pd.DataFrame({"a": [1.0, 3, 2, 2], "b": [3.0, 5, 6, 6], "x": [2.0, 4, 4, 9]}, index=[-3, -2, -1, 0])
    >>> {method: round(effect, 3) for method, effect in panel_effects(panel, treated="x").items()}
    {'difference in differences': 5.0, 'synthetic control': 5.0, 'synthetic DiD': 5.0}
    """
    return dict(zip(METHODS, _effects(*_split(panel, treated))[: len(METHODS)], strict=True))


def _split(panel: pd.DataFrame, treated: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if treated not in panel.columns:
        raise ExperimentError(f"treated {treated!r} is no unit. {nearest(treated, [str(c) for c in panel.columns])}")
    before = panel.index.to_numpy() < 0
    if before.sum() < 2 or before.all() or panel.shape[1] < 3:
        raise ExperimentError(
            "the panel needs two periods before the start, one after it, and two units to compare with"
        )
    values = panel.to_numpy(float)
    if not np.isfinite(values).all():
        raise ExperimentError("the panel has missing values: a unit without sales in a period has 0")
    column = list(panel.columns).index(treated)
    return values[:, column], np.delete(values, column, axis=1), before


def _effects(y1: np.ndarray, y0: np.ndarray, before: np.ndarray) -> tuple[float, ...]:
    """The effect by each of `METHODS`, and the synthetic control's root mean square gap before and after."""
    level, synthetic = y1 - y0.mean(axis=1), y1 - y0 @ simplex_weights(y1[before], y0[before])
    unit, time = _sdid_weights(y1, y0, before)
    tied = y1 - y0 @ unit
    effects = (
        level[~before].mean() - level[before].mean(),
        synthetic[~before].mean(),
        tied[~before].mean() - time @ tied[before],
    )
    sizes = (np.sqrt((synthetic[mask] ** 2).mean()) for mask in (before, ~before))
    return tuple(float(value) for value in (*effects, *sizes))


def _sdid_weights(y1: np.ndarray, y0: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the donors and of the periods before (Arkhangelsky et al., algorithm 1)."""
    noise = np.diff(y0[before], axis=0).std(ddof=1) if before.sum() > 2 else 0.0
    ridge = math.sqrt((~before).sum()) * noise**2 * before.sum()
    unit = simplex_weights(y1[before], y0[before], ridge=ridge, shift=True)
    time = simplex_weights(y0[~before].mean(axis=0), y0[before].T, ridge=1e-12 * (noise**2 or 1.0), shift=True)
    return unit, time


def synthetic_path(panel: pd.DataFrame, *, treated: str) -> pd.DataFrame:
    """The treated unit beside its synthetic control, period by period.

    Parameters
    ----------
    panel, treated
        As in `panel_effects`.

    Returns
    -------
    DataFrame
        One row a period: `period`, `treated`, `synthetic`, `gap` (unit of the outcome).

    Examples
    --------
    >>> panel = pd.DataFrame({"a": [1.0, 3, 2, 2], "b": [3.0, 5, 6, 6], "x": [2.0, 4, 4, 9]}, index=[-3, -2, -1, 0])
    >>> synthetic_path(panel, treated="x").round(3).iloc[-1].tolist()
    [0.0, 9.0, 4.0, 5.0]
    """
    if panel.empty:
        return missing(["period", "treated", "synthetic", "gap"], panel.attrs.get("reason", "the panel is empty"))
    y1, y0, before = _split(panel, treated)
    synthetic = y0 @ simplex_weights(y1[before], y0[before])
    return pd.DataFrame({"period": panel.index, "treated": y1, "synthetic": synthetic, "gap": y1 - synthetic})


def donor_weights(panel: pd.DataFrame, *, treated: str) -> pd.DataFrame:
    """Of which units the synthetic control is made: `unit`, `weight_share`, the largest first, without zeros.

    >>> panel = pd.DataFrame({"a": [1.0, 3, 2, 2], "b": [3.0, 5, 6, 6], "x": [2.0, 4, 4, 9]}, index=[-3, -2, -1, 0])
    >>> donor_weights(panel, treated="x").round(3).values.tolist()
    [['a', 0.5], ['b', 0.5]]
    """
    y1, y0, before = _split(panel, treated)
    names = [str(c) for c in panel.columns if c != treated]
    table = pd.DataFrame({"unit": names, "weight_share": simplex_weights(y1[before], y0[before])})
    return table[table.weight_share > 0.001].sort_values("weight_share", ascending=False, ignore_index=True)


def placebos(panel: pd.DataFrame, *, treated: str) -> pd.DataFrame:
    """Placebo in space: every other unit is treated as if the campaign had been there.

    Nothing was done to them, so their effects show what the method finds by chance. The real unit takes no part as a
    donor. `fit_error` is the root mean square of the gap before the start (pre-fit), `error_ratio` that after over that
    before: a real effect makes it large.

    Parameters
    ----------
    panel, treated
        As in `panel_effects`; at least three donors.

    Returns
    -------
    DataFrame
        One row a unit, the treated first, then by name: `unit`, `placebo` (yes or no), one column of effects for each
        of `METHODS`, `fit_error`, `error_ratio` (both of the synthetic control). Missing with fewer donors.

    References
    ----------
    Abadie, Diamond & Hainmueller (2010): abadie2010.

    Examples
    --------
    >>> panel = pd.DataFrame({"a": [1.0, 3, 2, 2], "b": [3.0, 5, 6, 6], "c": [2.0, 3, 4, 4], "x": [2.0, 4, 4, 9]},
    ...                      index=[-3, -2, -1, 0])
    >>> placebos(panel, treated="x")[["unit", "placebo"]].values.tolist()
    [['x', False], ['a', True], ['b', True], ['c', True]]
    """
    names = ["unit", "placebo", *METHODS, "fit_error", "error_ratio"]
    if panel.empty:
        return missing(names, panel.attrs.get("reason", "the panel is empty"))
    others = panel.drop(columns=treated)
    if others.shape[1] < 3:
        return missing(names, "a placebo needs three units without the campaign")
    rows = [_placebo_row(panel, treated, placebo=False)]
    rows += [_placebo_row(others, unit, placebo=True) for unit in sorted(others.columns, key=str)]
    return pd.DataFrame(rows, columns=names)


def _placebo_row(panel: pd.DataFrame, unit: str, *, placebo: bool) -> tuple:
    *effects, before, after = _effects(*_split(panel, unit))
    ratio = after / before if before > 1e-9 * max(1.0, after) else math.nan
    return (str(unit), placebo, *effects, before, ratio)


def panel_estimates(panel: pd.DataFrame, *, treated: str, level: float = 0.95) -> pd.DataFrame:
    """Each method's effect with an interval and a p-value from the placebos.

    Interval: effect ± z·SE, SE the spread of the placebo effects of the same method (Arkhangelsky et al., algorithm 4).
    p = (1 + number of placebos at least as far from 0)/(1 + placebos); for the synthetic control by `error_ratio`. With
    n donors p is never below 1/(n + 1).

    Parameters
    ----------
    panel, treated
        As in `placebos`.
    level : float
        Level of the intervals, 0…1 exclusive.

    Returns
    -------
    DataFrame
        One row a method: `method`, `difference`, `ci_low`, `ci_high` (unit of the outcome a period), `p_value`,
        `placebos`. Missing with fewer than three donors.

    References
    ----------
    As in `panel_effects`.

    Examples
    --------
    >>> panel = pd.DataFrame({"a": [1.0, 3, 2, 2], "b": [3.0, 5, 6, 6], "c": [2.0, 3, 4, 4], "x": [2.0, 4, 4, 9]},
    ...                      index=[-3, -2, -1, 0])
    >>> panel_estimates(panel, treated="x").round(2)[["method", "difference", "p_value"]].head(1)
                          method  difference  p_value
    0  difference in differences        4.89     0.25
    """
    names = ["method", "difference", "ci_low", "ci_high", "p_value", "placebos"]
    table = placebos(panel, treated=treated)
    if table.empty:
        return missing(names, table.attrs["reason"])
    real, others, rows = table.iloc[0], table.iloc[1:], []
    for method in METHODS:
        error = z_value(level) * float(np.sqrt((others[method].astype(float) ** 2).mean()))
        size = "error_ratio" if method == "synthetic control" and table.error_ratio.notna().all() else method
        p = (1 + int((others[size].abs() >= abs(real[size])).sum())) / (1 + len(others))
        rows.append((method, real[method], real[method] - error, real[method] + error, p, len(others)))
    return pd.DataFrame(rows, columns=names)


def rank_words(estimates: pd.DataFrame, *, method: str) -> str:
    """The p-value of one method of `panel_estimates` in words, for a sentence.

    >>> rank_words(pd.DataFrame({"method": ["m"], "p_value": [0.25], "placebos": [3]}), method="m")
    'p = 0.25 among 3 placebos'
    """
    row = estimates[estimates["method"] == method] if len(estimates) else estimates
    if row.empty:
        return "no placebos"
    return f"p = {row.p_value.iloc[0]:.2f} among {row.placebos.iloc[0]} placebos"


def panel_study(
    simulate: Callable[..., pd.DataFrame],
    *,
    worlds: tuple[str, ...] = ("chance", "growing"),
    panels: int = 40,
    effect: float = 5.0,
    level: float = 0.95,
    seed: int = 56,
) -> pd.DataFrame:
    """Many simulated roll-outs with a known effect: which method is near the truth, and does its interval hold it?

    Parameters
    ----------
    simulate : callable
        `simulate(chosen=…, effect=…, seed=…)` gives a panel with the column 'treated', such as
        `helpers.simulate.simulate_regions`.
    worlds : tuple of str
        How the treated unit was chosen, as `simulate` takes it.
    panels : int
        Panels a world, ≥ 1; they use the seeds seed … seed + panels − 1.
    effect, level
        What is planted; level of the intervals.
    seed : int
        Start of the random streams.

    Returns
    -------
    DataFrame
        One row a world and method: `chosen_by`, `method`, `panels`, `mean_error` (bias), `typical_error` (root mean
        square), `covered_rate`, `covered_rate_ci_low`, `covered_rate_ci_high` (Wilson).

    Raises
    ------
    ExperimentError
        Fewer than one panel.

    References
    ----------
    Morris, White & Crowther (2019): morris2019.

    Examples
    --------
    >>> def simulate(*, chosen, effect, seed):
    ...     values = np.random.default_rng(seed).normal(size=(8, 5))
    ...     panel = pd.DataFrame(values, index=range(-6, 2)).rename(columns=str)
    ...     return panel.assign(treated=panel["0"] + np.where(panel.index >= 0, effect, 0))
    >>> panel_study(simulate, worlds=("chance",), panels=2)[["chosen_by", "method", "panels"]]
      chosen_by                     method  panels
    0    chance  difference in differences       2
    1    chance          synthetic control       2
    2    chance              synthetic DiD       2
    """
    if panels < 1:
        raise ExperimentError(f"panels {panels!r}: take at least 1")
    rows = []
    for world in worlds:
        made = [simulate(chosen=world, effect=effect, seed=seed + i) for i in range(panels)]
        found = pd.concat([panel_estimates(panel, treated="treated", level=level) for panel in made])
        found = found.assign(error=found.difference - effect, held=(found.ci_low <= effect) & (effect <= found.ci_high))
        for method in METHODS:
            part = found[found.method == method]
            share = rate(int(part.held.sum()), panels)
            errors = (part.error.mean(), math.sqrt((part.error**2).mean()))
            rows.append((world, method, panels, *errors, share.value, share.ci_low, share.ci_high))
    names = ["chosen_by", "method", "panels", "mean_error", "typical_error", "covered_rate"]
    return pd.DataFrame(rows, columns=[*names, "covered_rate_ci_low", "covered_rate_ci_high"])
