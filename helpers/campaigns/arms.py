"""The draw itself and several arms: sample-ratio test, Holm and Dunnett."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2, chisquare

from helpers.campaigns.comparison import outcome_values, welch
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing
from helpers.study import nearest

ALARM = 0.001
"""Below this p-value the split is called faulty: the usual threshold, low because the test runs on every experiment."""


def arm_counts(users: pd.DataFrame) -> pd.Series:
    """Participants an arm, by name.

    >>> arm_counts(pd.DataFrame({"arm": ["b", "control", "b"]})).to_dict()
    {'b': 2, 'control': 1}
    """
    counts = users["arm"].astype(str).value_counts().sort_index() if len(users) else pd.Series(dtype="int64")
    counts.attrs = dict(users.attrs)
    return counts


def planned_shares(split: str, *, arms: list[str]) -> dict[str, float]:
    """The planned share of each arm, from words such as 'equal' or 'control:50, voucher:50'.

    Parameters
    ----------
    split : str
        'equal', or the weight of every arm.
    arms : list of str
        The arms of the experiment.

    Returns
    -------
    dict
        Arm → share; the shares add up to 1.

    Raises
    ------
    ExperimentError
        A weight that is not above 0, an unknown arm, or an arm without weight.

    Examples
    --------
    >>> planned_shares("control:50, a:25, b:25", arms=["a", "b", "control"])
    {'control': 0.5, 'a': 0.25, 'b': 0.25}
    """
    if split.strip() == "equal":
        return dict.fromkeys(arms, 1 / len(arms)) if arms else {}
    weights = {}
    for part in split.split(","):
        arm, _, weight = (p.strip() for p in part.rpartition(":"))
        try:
            weights[arm] = float(weight)
        except ValueError:
            raise ExperimentError(f"split {split!r}: write 'equal' or weights such as 'control:50, b:50'") from None
        if arm not in arms:
            raise ExperimentError(f"split {split!r}: {arm!r} is no arm. {nearest(arm, arms)}")
    absent = [a for a in arms if not weights.get(a, 0) > 0]
    if absent:
        raise ExperimentError(f"split {split!r}: give every arm a weight above 0; without: {', '.join(absent)}")
    return {arm: weight / sum(weights.values()) for arm, weight in weights.items()}


def sample_ratio_test(
    counts: pd.Series | Mapping[str, int], *, expected: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Do the arms have the sizes that the draw should give? The sample-ratio test (SRM), always the first.

    χ² = Σ (n_arm − N·share)² / (N·share) with arms − 1 degrees of freedom. A tiny p-value says that people got lost or
    were added after the draw; then no result of the experiment can be trusted, however good it looks.

    Parameters
    ----------
    counts : Series or dict
        Arm → number of participants.
    expected : dict, optional
        Arm → planned share, for every arm; by default all equal.

    Returns
    -------
    DataFrame
        One row: `arms`, `users`, `chi2`, `degrees`, `p_value`, `split` ('as planned' or 'faulty', p < 0.001).
        Empty with its reason for fewer than two arms or no participants.

    Raises
    ------
    ExperimentError
        A negative count, or shares that do not name exactly the arms or are not above 0.

    References
    ----------
    Fabijan et al. (2019): fabijan2019.

    Examples
    --------
    >>> sample_ratio_test({"control": 821588, "treated": 815482})[["users", "p_value", "split"]]
         users   p_value   split
    0  1637070  0.000002  faulty
    """
    names = ["arms", "users", "chi2", "degrees", "p_value", "split"]
    reason = getattr(counts, "attrs", {}).get("reason", "an experiment needs at least two arms with participants")
    seen = {str(arm): n for arm, n in counts.items()}
    if any(not (np.isfinite(n) and n >= 0) for n in seen.values()):
        raise ExperimentError(f"counts {seen}: the number of participants of an arm is 0 or more")
    if len(seen) < 2 or sum(seen.values()) == 0:
        return missing(names, reason)
    share = dict.fromkeys(seen, 1.0) if expected is None else {str(k): float(v) for k, v in expected.items()}
    if set(share) != set(seen) or any(not s > 0 for s in share.values()):
        raise ExperimentError(f"expected {share}: give each arm ({', '.join(seen)}) a share above 0")
    n, weight = np.array(list(seen.values()), float), np.array([share[a] for a in seen])
    statistic, p = chisquare(n, n.sum() * weight / weight.sum())
    row = (len(n), int(n.sum()), float(statistic), len(n) - 1, float(p), "faulty" if p < ALARM else "as planned")
    return pd.DataFrame([row], columns=names)


def holm(p_values: pd.Series) -> pd.Series:
    """Holm's adjusted p-values: all of them below alpha are real with at most alpha chance of any error.

    Sorted p(1) ≤ … ≤ p(m): adjusted p(i) = max over j ≤ i of min(1, (m − j + 1)·p(j)).

    >>> holm(pd.Series([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    rank = p_values.sort_values(kind="stable")
    steps = rank * np.arange(len(rank), 0, -1)
    return steps.cummax().clip(upper=1.0).reindex(p_values.index)


def several_arms(users: pd.DataFrame, *, outcome: str, control: str = "control", level: float = 0.95) -> pd.DataFrame:
    """Several treated arms against one control, with the price of testing several times.

    Three p-values an arm: Welch alone, Welch with Holm's correction, and Dunnett's test, which knows that all arms
    share the control (and takes the variance as equal). The simultaneous interval is Dunnett's: with chance `level`
    all of them hold at once.

    Parameters
    ----------
    users, outcome, control, level
        As in `helpers.campaigns.comparison.welch`.

    Returns
    -------
    DataFrame
        One row a treated arm, by name: `arm`, `users`, `difference`, `p_value`, `p_holm`, `p_dunnett`,
        `simultaneous_ci_low`, `simultaneous_ci_high`.

    Raises
    ------
    ExperimentError
        As in `welch`.

    References
    ----------
    Holm (1979): holm1979. Dunnett (1955): dunnett1955.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control"] * 4 + ["a"] * 4 + ["b"] * 4,
    ...                       "spend": [1.0, 2, 3, 4, 1, 2, 3, 5, 7, 8, 9, 9]})
    >>> several_arms(users, outcome="spend").round(3)[["arm", "difference", "p_holm"]]
      arm  difference  p_holm
    0   a        0.25   0.824
    1   b        5.75   0.001
    """
    names = ["arm", "users", "difference", "p_value", "p_holm", "p_dunnett"]
    bounds = ["simultaneous_ci_low", "simultaneous_ci_high"]
    found = welch(users, outcome=outcome, control=control, level=level)
    found = found.dropna(subset=["p_value"]).reset_index(drop=True) if len(found) else found
    if found.empty:
        return missing([*names, *bounds], found.attrs.get("reason", "no arm can be compared"))
    values, arms = outcome_values(users, [outcome])[:, 0], users["arm"].astype(str).to_numpy()
    held, error = _dunnett([values[arms == a] for a in found.arm], values[arms == control])
    p_dunnett = [min(1.0, max(0.0, 1 - held(abs(d) / e))) for d, e in zip(found.difference, error, strict=True)]
    half = brentq(lambda c: held(c) - level, 0, 1e3, xtol=1e-8) * error
    table = found.assign(p_holm=holm(found.p_value), p_dunnett=p_dunnett)[names]
    return table.assign(**dict(zip(bounds, (table.difference - half, table.difference + half), strict=True)))


def _dunnett(treated: list[np.ndarray], base: np.ndarray) -> tuple[Callable[[float], float], np.ndarray]:
    """The chance that all |T| ≤ c when no arm differs, as a function of c, and each arm's error s·√(1/n + 1/n₀).

    s is pooled over all arms. The chance is integrated by quadrature over what the arms share, the control's mean and
    s; so it is the same at every run, and right at any level.
    """
    n, n0 = np.array([len(part) for part in treated]), len(base)
    degrees = n.sum() + n0 - len(n) - 1
    pooled = sum((len(part) - 1) * part.var(ddof=1) for part in (*treated, base)) / degrees
    z, weight = np.polynomial.hermite_e.hermegauss(128)
    u, mass = np.polynomial.legendre.leggauss(64)
    s = np.sqrt(chi2.ppf((u + 1) / 2, degrees) / degrees)[:, None, None]
    shared, own = np.sqrt(n / n0) * z[:, None], np.sqrt((n + n0) / n0)

    def held(c: float) -> float:
        inside = (ndtr(c * s * own + shared) - ndtr(shared - c * s * own)).prod(axis=2)
        return float(mass @ inside @ weight / (2 * weight.sum()))

    return held, np.sqrt(pooled * (1 / n + 1 / n0))
