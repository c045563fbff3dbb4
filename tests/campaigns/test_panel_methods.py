"""Panels with one treated unit: hand arithmetic, an independent optimiser, simulated roll-outs."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from helpers.campaigns.errors import ExperimentError
from helpers.campaigns.panel_methods import (
    METHODS,
    donor_weights,
    panel_effects,
    panel_estimates,
    panel_study,
    placebos,
    simplex_weights,
    synthetic_path,
)
from helpers.simulate import SettingsError, simulate_regions

DID, SC, SDID = METHODS


def panel(seed=1, **more):
    return simulate_regions(**{"chosen": "chance", "effect": 5.0, "seed": seed} | more)


def test_difference_in_differences_by_hand():
    # treated 4, 6 → 12; others 3, 5 → 7 and 1, 3 → 3: (12 − 5) − (5 − 3) = 5
    table = pd.DataFrame({"x": [4.0, 6, 12], "a": [3.0, 5, 7], "b": [1.0, 3, 3]}, index=[-2, -1, 0])
    assert panel_effects(table, treated="x")[DID] == pytest.approx(5)


def test_synthetic_control_by_hand():
    # before the start x = ¾ a + ¼ b exactly; after it ¾·8 + ¼·4 = 7 and x = 10
    table = pd.DataFrame({"x": [2.0, 3, 2.5, 10], "a": [1.0, 2, 2, 8], "b": [5.0, 6, 4, 4]}, index=[-3, -2, -1, 0])
    assert panel_effects(table, treated="x")[SC] == pytest.approx(3)
    assert donor_weights(table, treated="x").weight_share.round(6).tolist() == [0.75, 0.25]
    assert synthetic_path(table, treated="x").gap.round(6).tolist() == [0, 0, 0, 3]


def test_synthetic_did_forgives_a_constant():
    # x is 20 above the mean of a and b, always: only synthetic control, which may not add a constant, is led astray
    base = pd.DataFrame({"a": [1.0, 3, 2, 5, 4], "b": [3.0, 5, 6, 5, 8]}, index=[-4, -3, -2, -1, 0])
    table = base.assign(x=base.mean(axis=1) + 20 + 2 * (base.index >= 0))
    found = panel_effects(table, treated="x")
    assert (found[DID], found[SDID]) == (pytest.approx(2), pytest.approx(2))
    assert found[SC] > 10


@pytest.mark.parametrize(("ridge", "shift"), [(0.0, False), (4.0, False), (4.0, True)])
def test_weights_agree_with_another_optimiser(ridge, shift):
    rng = np.random.default_rng(3)
    target, donors = rng.normal(size=12), rng.normal(size=(12, 5))
    t, d = (target - target.mean(), donors - donors.mean(axis=0)) if shift else (target, donors)
    oracle = minimize(
        lambda w: ((t - d @ w) ** 2).sum() + ridge * (w**2).sum(), np.full(5, 0.2), bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, tol=1e-12,
    )  # fmt: skip
    assert np.allclose(simplex_weights(target, donors, ridge=ridge, shift=shift), oracle.x, atol=1e-4)


def test_placebos_leave_the_treated_unit_out():
    table = placebos(panel(), treated="treated")
    assert table.placebo.tolist() == [False] + [True] * 15
    alone = panel_effects(panel().drop(columns="treated"), treated="city 07")
    assert table.set_index("unit").loc["city 07", list(METHODS)].tolist() == pytest.approx(list(alone.values()))


def test_p_value_is_the_rank_among_the_placebos():
    found = panel_estimates(panel(effect=500.0), treated="treated").set_index("method")
    assert found.p_value.tolist() == [1 / 16] * 3
    assert (found.placebos == 15).all()


def test_a_large_effect_is_measured_by_all():
    found = panel_estimates(panel(seed=2, effect=500.0), treated="treated")
    assert np.allclose(found.difference, 500, atol=25)


def test_a_city_chosen_because_it_grows():
    # 20 weeks of growth are in the fit: synthetic methods follow the treated city, the plain difference does not
    study = panel_study(simulate_regions, panels=30).set_index(["chosen_by", "method"])
    assert study.mean_error["growing", DID] > 3
    assert abs(study.mean_error["growing", SDID]) < 2
    assert study.typical_error["growing", SC] < 0.7 * study.typical_error["growing", DID]


def test_a_city_chosen_by_chance_has_no_bias():
    study = panel_study(simulate_regions, panels=30).set_index(["chosen_by", "method"]).loc["chance"]
    assert (study.mean_error.abs() < 3 * study.typical_error / 30**0.5).all()
    assert study.covered_rate.between(0.75, 1).all()


def test_no_effect_is_seldom_significant():
    p = [panel_estimates(panel(s, effect=0.0), treated="treated").p_value for s in range(30)]
    assert (np.array(p) <= 0.1).mean() <= 0.2


def test_impossible_panels():
    with pytest.raises(ExperimentError, match="Did you mean 'treated'"):
        panel_effects(panel(), treated="treatd")
    with pytest.raises(ExperimentError, match="two periods before"):
        panel_effects(panel().loc[-1:], treated="treated")
    with pytest.raises(ExperimentError, match="missing values"):
        panel_effects(panel().where(lambda t: t > 20), treated="treated")
    with pytest.raises(ExperimentError, match="panels"):
        panel_study(simulate_regions, panels=0)
    assert "three units" in panel_estimates(panel().iloc[:, :3], treated="treated").attrs["reason"]
    assert panel_effects(panel() * 0 + 1.0, treated="treated")[SDID] == pytest.approx(0)


def test_impossible_regions():
    with pytest.raises(SettingsError, match="chosen"):
        simulate_regions(chosen="best", effect=1.0, seed=1)
    with pytest.raises(SettingsError, match="regions"):
        simulate_regions(chosen="chance", effect=1.0, seed=1, regions=2)


def test_proposition_99_to_the_printed_digits(shared_data):
    # Arkhangelsky et al. (2021), table 1: cigarette packs a person and year in California after the tax of 1989
    table = pd.read_csv(shared_data("california_prop99.csv"), sep=";")
    panel = table.pivot(index="Year", columns="State", values="PacksPerCapita")
    found = panel_effects(panel.set_axis(panel.index - 1989), treated="California")
    assert [round(found[m], 1) for m in METHODS] == [-27.3, -19.5, -15.6]
