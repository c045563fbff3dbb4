"""One campaign made ready for uplift models, or refused when its draw is not sound (Kohavi, Tang & Xu 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers.campaigns.arms import arm_counts, planned_shares, sample_ratio_test
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.known_before import balance_test, design
from helpers.campaigns.profit import profit_per_user
from helpers.campaigns.uplift_models import METHODS, cross_fitted
from helpers.findings import NotAnswerable, missing
from helpers.study import nearest

ALARM = 0.001
LEAST_IN_ARM, LEAST_OF_CLASS = 100, 20
"""People an arm, and buyers and non-buyers an arm, without which a model learns noise only."""


@dataclass(frozen=True)
class Trial:
    """One checked campaign with two arms: what was known, who was treated, what happened, and the truth.

    `known` and `design` have one row a participant (index user_id); the arrays are in the same order. `profit` may hold
    gaps. `truth` has purchase_effect, profit_effect (with less without the offer) and type; it is empty for real data.
    """

    campaign: str
    known: pd.DataFrame
    design: pd.DataFrame
    treated: np.ndarray
    purchased: np.ndarray
    profit: np.ndarray
    truth: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __len__(self) -> int:
        return len(self.treated)

    @property
    def effect(self) -> np.ndarray | None:
        """True effect on each person's profit; None for real data."""
        return self.truth["profit_effect"].to_numpy() if len(self.truth) else None


def two_arms(users: pd.DataFrame, *, arm: str = "", control: str = "control") -> pd.DataFrame:
    """The participants of one treated arm and of the control; '' takes the largest arm, the first by name of equals.

    Parameters
    ----------
    users : DataFrame
        One row a participant: `arm`.
    arm, control : str
        Names of the arms.

    Raises
    ------
    NotAnswerable
        No such arm.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "a", "b", "b"]})
    >>> two_arms(users).arm.tolist()
    ['control', 'b', 'b']
    """
    sizes = users.loc[users["arm"] != control, "arm"].value_counts().sort_index()
    if control not in set(users["arm"]) or sizes.empty:
        raise NotAnswerable(f"There is no arm {control!r} and an arm beside it: uplift compares two arms.")
    if arm and arm not in sizes.index:
        raise NotAnswerable(f"There is no treated arm {arm!r}. {nearest(arm, list(sizes.index))}")
    return users[users["arm"].isin([control, arm or sizes.idxmax()])].reset_index(drop=True)


def check_draw(users: pd.DataFrame, known: pd.DataFrame, *, planned: str = "equal", control: str = "control"):
    """May this campaign teach an uplift model? Every check with what was found.

    Parameters
    ----------
    users : DataFrame
        One row a participant of two arms: `arm`, `randomised`, `purchased`.
    known : DataFrame
        From `known_before`, in the same order.
    planned : str
        Planned sizes of the arms: 'equal', or weights such as 'control:50,treated:50'.
    control : str
        Name of the arm without treatment.

    Returns
    -------
    DataFrame
        `check`, `found` (in words), `passed`, `because` ('' where passed).

    References
    ----------
    Kohavi, Tang & Xu (2020): kohavi2020.

    Examples
    --------
    >>> users = pd.DataFrame({"arm": ["control", "x"] * 200, "randomised": True, "purchased": [0, 0, 1, 1] * 100})
    >>> known = pd.DataFrame({"orders_before": [1.0, 1, 2, 2] * 100})
    >>> check_draw(users, known).passed.tolist()
    [True, True, True, True, True]
    """
    treated = (users["arm"] != control).to_numpy(int)
    counts = arm_counts(users)
    split = sample_ratio_test(counts, expected=planned_shares(planned, arms=list(counts.index)))
    p_split = float(split["p_value"].iloc[0]) if len(split) else 1.0
    p_balance = balance_test(known, treated)
    drawn, smallest = bool(users["randomised"].all()), int(counts.min())
    classes = users.groupby("arm")["purchased"].agg(["sum", lambda x: (1 - x).sum()]).to_numpy()
    rows = [
        ("drawn by chance", "yes" if drawn else "no", drawn, "the arms were not drawn by chance"),
        ("sizes of the arms (p-value)", _p(p_split), p_split >= ALARM, "the arms do not have the planned sizes"),
        ("alike before (p-value)", _p(p_balance), (p_balance or 0) >= ALARM, _not_alike(p_balance)),
        ("people in the smaller arm", f"{smallest:,}", smallest >= LEAST_IN_ARM,
         f"an arm has fewer than {LEAST_IN_ARM} people"),
        ("fewest buyers or non-buyers of an arm", f"{classes.min():,.0f}", bool(classes.min() >= LEAST_OF_CLASS),
         f"an arm has fewer than {LEAST_OF_CLASS} buyers, or fewer than {LEAST_OF_CLASS} who did not buy"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["check", "found", "passed", "because"])
    return table.assign(because=table["because"].where(~table["passed"], ""))


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= ALARM else f"{value:.1e}"


def _not_alike(p_balance: float | None) -> str:
    if p_balance is None:
        return "nothing that differs between people is known from before the draw, so nobody can be told apart"
    return "the arms differed before the campaign, more than chance explains"


def naive_draw(one: pd.DataFrame, known: pd.DataFrame, *, control: str = "control") -> pd.DataFrame:
    """The checks for a campaign whose arms were not drawn by chance, as an example of what they find.

    As `check_draw`; empty with the reason where there is no such campaign, or it has one arm only.
    """
    names = ["check", "found", "passed", "because"]
    if one.empty:
        return missing(names, one.attrs.get("reason", "every campaign was randomised"))
    if one["arm"].nunique() < 2 or control not in set(one["arm"]):
        return missing(names, "the campaign without a draw has no control")
    return check_draw(one, known, control=control)


def prepare(
    users: pd.DataFrame,
    known: pd.DataFrame,
    *,
    truth: pd.DataFrame | None = None,
    planned: str = "equal",
    control: str = "control",
) -> Trial:
    """The campaign as the models need it, or a refusal: without a sound draw uplift cannot be learned.

    Parameters
    ----------
    users, known, planned, control
        As in `check_draw`; `users` with `campaign_id`, `user_id`, `margin`, `contact_cost`.
    truth : DataFrame, optional
        potential_outcomes.csv of a simulated shop; empty for real data.

    Returns
    -------
    Trial
        With features as numbers, outcomes and the truth in the order of `users`.

    Raises
    ------
    NotAnswerable
        One of the checks of `check_draw` failed; the message names all that did.
    """
    checks = check_draw(users, known, planned=planned, control=control)
    if len(failed := checks[~checks["passed"]]):
        raise NotAnswerable(f"Uplift cannot be learned from this campaign: {'; '.join(failed['because'])}.")
    profit = pd.to_numeric(profit_per_user(users, control=control)).to_numpy(float, na_value=np.nan)
    return Trial(
        campaign=str(users["campaign_id"].iloc[0]),
        known=known,
        design=design(known),
        treated=(users["arm"] != control).to_numpy(int),
        purchased=users["purchased"].to_numpy(int),
        profit=profit,
        truth=_true_effects(users, truth, control=control),
    )


def _true_effects(users: pd.DataFrame, truth: pd.DataFrame | None, *, control: str) -> pd.DataFrame:
    """purchase_effect, profit_effect and type of each participant; empty where the truth is not known."""
    if truth is None or truth.empty:
        return pd.DataFrame()
    arm = users.loc[users["arm"] != control, "arm"].iloc[0]
    own = truth[(truth["campaign_id"] == users["campaign_id"].iloc[0]) & (truth["arm"] == arm)].set_index("user_id")
    own = own.reindex(users["user_id"])
    if own["profit1"].isna().any():
        return pd.DataFrame()  # somebody is not in the truth file: it belongs to other data
    return pd.DataFrame(
        {
            "purchase_effect": own["purchased1"] - own["purchased0"],
            "profit_effect": own["profit1"] - own["profit0"],
            "type": own["type"],
        }
    )


def scores(
    trial: Trial,
    *,
    learn_from: str = "purchased",
    methods: tuple[str, ...] = tuple(METHODS),
    parts: int = 5,
    seed: int = 51,
) -> pd.DataFrame:
    """Every participant's score by every method, from models that never saw the participant.

    Parameters
    ----------
    trial : Trial
        From `prepare`.
    learn_from : str
        'purchased' (0/1) or 'profit' (currency units, far noisier).
    methods, parts, seed
        As in `helpers.campaigns.uplift_models.cross_fitted`.

    Returns
    -------
    DataFrame
        One row a participant, one column a method; all missing where the models shall learn from a profit that is not
        known.

    Raises
    ------
    ExperimentError
        An unknown `learn_from`.
    """
    if learn_from not in ("purchased", "profit"):
        raise ExperimentError(f"learn_from {learn_from!r}: take 'purchased' or 'profit'")
    outcome = trial.purchased if learn_from == "purchased" else trial.profit
    if not np.isfinite(outcome).all():
        return pd.DataFrame(math.nan, index=range(len(trial)), columns=list(methods))
    return cross_fitted(trial.design.to_numpy(), trial.treated, outcome, methods=methods, parts=parts, seed=seed)
