"""Three ways to fool oneself with a model, each wrong and right beside each other (Kaufman et al. 2012).

A leak lets the test know what the model will not know at work. It does not raise an error: it raises the figure.
"""

from __future__ import annotations

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from helpers.customers.features_before import FEATURES, examples
from helpers.customers.intent import THREADS, Case
from helpers.customers.ranking import HAPPENED, compare
from helpers.findings import Estimate, missing

SNAPSHOTS = 2
"""Cut-offs before that of the training."""
COLUMNS = (
    "mistake", "reported", "reported_ci_low", "reported_ci_high", "base_rate", "done_right", "done_right_ci_low",
    "done_right_ci_high", "right_base_rate",
)  # fmt: skip
LATER = "actions_so_far"


def _forest(seed: int) -> RandomForestClassifier:
    """A model that remembers its training rows well: whoever leaks is found out."""
    return RandomForestClassifier(n_estimators=30, min_samples_leaf=2, random_state=seed, n_jobs=THREADS)


def _score(train: pd.DataFrame, test: pd.DataFrame, *, columns: list[str], seed: int) -> pd.DataFrame:
    """What happened to the test's rows, and what a forest says of them."""
    with threadpool_limits(THREADS):
        model = _forest(seed).fit(train[columns].to_numpy(), train[HAPPENED].to_numpy())
        said = model.predict_proba(test[columns].to_numpy())[:, 1]
    return pd.DataFrame({HAPPENED: test[HAPPENED].to_numpy(), "forest": said})


def halves(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of n rows, by position."""
    order = np.random.default_rng(seed).permutation(n)
    return order[: n // 2], order[n // 2 :]


def oversample(table: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Rows of the rarer class drawn again, with replacement, until both classes are equally large."""
    sizes = table[HAPPENED].value_counts()
    if len(sizes) < 2:
        return table
    more = table[table[HAPPENED] == sizes.idxmin()].sample(
        int(sizes.max() - sizes.min()), replace=True, random_state=seed
    )
    return pd.concat([table, more])


def oversampled_before_split(table: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores when the rare rows are copied before the split (copies stand on both sides), and when after it."""
    columns, many = list(FEATURES), oversample(table, seed=seed)
    first, second = halves(len(many), seed=seed)
    wrong = _score(many.iloc[first], many.iloc[second], columns=columns, seed=seed)
    first, second = halves(len(table), seed=seed)
    right = _score(oversample(table.iloc[first], seed=seed), table.iloc[second], columns=columns, seed=seed)
    return wrong, right


def feature_from_later(one: Case, actions_after: tuple[pd.Series, pd.Series], *, seed: int) -> tuple:
    """Scores with a count of actions that was read after the label window, and with the count at the cut-off."""
    train, test = (
        table.assign(**{LATER: table["actions"] + after.reindex(table.index).fillna(0)})
        for table, after in zip((one.train, one.test), actions_after, strict=True)
    )
    wrong = _score(train, test, columns=[*FEATURES, LATER], seed=seed)
    return wrong, _score(train, test, columns=list(FEATURES), seed=seed)


def snapshots(events: ir.Table, one: Case) -> pd.DataFrame:
    """The users at several cut-offs, a few days apart, the training's being the last: with `happened`.

    Label windows of neighbours overlap; all of them end before the test's cut-off. In a short log the earlier cut-offs
    have less history.
    """
    step = max(1, one.plan.horizon_days // 7)
    lengths = {"history_days": one.plan.history_days, "horizon_days": one.plan.horizon_days}
    parts = [one.train]
    for k in range(1, min(SNAPSHOTS, (one.plan.history_days - 1) // step) + 1):
        table = examples(events, cut=one.plan.train_cut - pd.Timedelta(days=k * step), **lengths)
        parts.append(table.assign(**{HAPPENED: table[f"label_{one.label}"]})[one.train.columns])
    return pd.concat(parts)


def same_user_on_both_sides(rows: pd.DataFrame, *, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores when the rows of several cut-offs are split at random, and when a user's rows stay on one side."""
    columns = list(FEATURES)
    first, second = halves(len(rows), seed=seed)
    wrong = _score(rows.iloc[first], rows.iloc[second], columns=columns, seed=seed)
    users = rows.index.unique()
    train = rows.index.isin(users[halves(len(users), seed=seed)[0]])
    return wrong, _score(rows[train], rows[~train], columns=columns, seed=seed)


def drill(
    events: ir.Table, one: Case, both: tuple[pd.DataFrame, pd.DataFrame], *, boots: int = 100, seed: int = 1
) -> pd.DataFrame:
    """The average precision that each mistake reports, beside that of the same model done right.

    - *copies before split*: the rare class is oversampled, then rows are split at random; a test row's twin is
      in the training. Right: split first, copy in the training only.
    - *count from later*: the count of actions stands as it was exported after the label window. Right:
      as it was at the cut-off.
    - *user on both sides*: users at several cut-offs, rows split at random; what happened is nearly known from
      the user's other rows. Right: all rows of a user on one side.

    Parameters
    ----------
    events : Ibis table
        The behaviour log with `day` and `hour`.
    one : Case
        From `intent.case`.
    both : (DataFrame, DataFrame)
        From `intent.tables`.
    boots : int
        Bootstrap samples of the test's rows, ≥ 20.
    seed : int
        Start of all draws.

    Returns
    -------
    DataFrame
        mistake, reported (average precision) with _ci_low, _ci_high, base_rate (that of a score without
        information), done_right with _ci_low, _ci_high, right_base_rate. The intervals are those that one would
        report: they do not know of the leak.

    References
    ----------
    Kaufman et al. (2012): kaufman2012; Kapoor and Narayanan (2023): kapoor2023.
    """
    if one.reason:
        return missing(list(COLUMNS), one.reason)
    after = tuple(table["actions_after"] for table in both)
    pairs = {
        "copies before split": oversampled_before_split(one.train, seed=seed),
        "count from later": feature_from_later(one, after, seed=seed),
        "user on both sides": same_user_on_both_sides(snapshots(events, one), seed=seed),
    }
    rows = []
    for mistake, scores in pairs.items():
        values = [mistake]
        for table in scores:
            found = compare(table, against="forest", boots=boots, seed=seed)
            numbers = found.iloc[0, 1:4].tolist() if len(found) else [np.nan] * 3
            values += [*numbers, table[HAPPENED].mean()]
        rows.append(values)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def largest(table: pd.DataFrame) -> Estimate:
    """By how much the worst leak raises the reported average precision above that done right."""
    if table.empty:
        return Estimate.missing(table.attrs.get("reason", "nothing to show"))
    gap = (table["reported"] - table["done_right"]).max()
    return Estimate.missing("nothing could be measured") if pd.isna(gap) else Estimate(float(gap))


def stacked(table: pd.DataFrame) -> pd.DataFrame:
    """The drill for a chart: label ('mistake, reported', 'mistake, done right'), value, low, high."""
    columns = ["label", "value", "low", "high"]
    if table.empty:
        return missing(columns, table.attrs.get("reason", "nothing to show"))
    rows = []
    for row in table.to_dict("records"):
        for name, word in (("reported", "reported"), ("done_right", "done right")):
            bounds = (row[name], row[f"{name}_ci_low"], row[f"{name}_ci_high"])
            rows.append((f"{row['mistake']}, {word}", *bounds))
    return pd.DataFrame(rows, columns=columns)
