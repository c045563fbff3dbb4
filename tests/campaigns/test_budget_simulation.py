"""Shops with known curves: the intervals cover, and the split loses little."""

import numpy as np
import pytest

from helpers.campaigns.budget_simulation import budget_study, fit_simulated, simulate_budget
from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.response_curves import adstock, curves, saturation


@pytest.fixture(scope="module")
def study():
    return budget_study(budgets=40, noise=0.01, seed=9)


def test_intervals_cover_the_truth(study):
    # 120 intervals of each number: 95 % ± three standard errors of 2 points
    covered = study[0].set_index("number")
    assert (covered.known >= 0.9 * covered.asked).all()
    assert (covered.covered / covered.known).between(0.89, 1.0).all()


def test_the_split_loses_little(study):
    lost = study[1].astype(float).dropna()
    assert len(lost) >= 30
    assert lost.regret_share.quantile(0.95) < 0.05
    assert lost.regret_share.median() < lost.regret_before_share.median() / 5


def test_without_noise_the_sales_are_base_plus_curves():
    table, truth = simulate_budget(weeks=60, noise=0.0, seed=3)
    base = 100_000 * (1 + 0.1 * table.season_sin - 0.05 * table.season_cos + 0.05 * table.trend)
    added = [r.ceiling * saturation(adstock(table[r.channel], carry=r.carry), half=r.half) for r in truth.itertuples()]
    assert np.allclose(table.sales, base + sum(added))
    found = curves(fit_simulated(table))
    assert np.allclose(
        found[["ceiling", "half", "carry"]].astype(float), truth[["ceiling", "half", "carry"]], rtol=0.02
    )


def test_the_same_seed_gives_the_same_shop():
    assert simulate_budget(seed=2)[0].equals(simulate_budget(seed=2)[0])
    assert not simulate_budget(seed=2)[1].equals(simulate_budget(seed=3)[1])


def test_too_loud_a_shop_gets_no_split():
    covered, lost = budget_study(budgets=2, weeks=30, noise=0.5, seed=1)
    assert lost.regret_share.isna().all() and covered.known.sum() < covered.asked.sum()


@pytest.mark.parametrize("how", [{"weeks": 5}, {"noise": -0.1}, {"noise": float("nan")}])
def test_bad_arguments_are_refused(how):
    with pytest.raises(ExperimentError, match="weeks"):
        simulate_budget(**how)
