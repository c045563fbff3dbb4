"""The running experiment: one look against always valid intervals, by formula and over simulated experiments."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.always_valid import running_effect
from helpers.campaigns.comparison import welch
from helpers.campaigns.errors import ExperimentError
from helpers.findings import missing


def draw(seed, *, n=400, effect=0.0):
    rng = np.random.default_rng(seed)
    treated = rng.random(n) < 0.5
    spend = (rng.random(n) < 0.3) * rng.lognormal(3, 0.8, n) + effect * treated
    return pd.DataFrame({"arm": np.where(treated, "x", "control"), "spend": spend})


def test_the_last_look_is_the_whole_experiment():
    users = draw(1)
    last = running_effect(users, outcome="spend", looks=8).query("look == 8").set_index("rule")
    whole = welch(users, outcome="spend").iloc[0]
    assert last.difference["one look"] == pytest.approx(whole.difference)
    assert last.ci_high["one look"] == pytest.approx(whole.difference + 1.959964 * whole.standard_error)
    assert last.ci_high["always valid"] == pytest.approx(whole.difference + 3.035122 * whole.standard_error)


def test_always_valid_intervals_cover_the_effect_at_all_looks_at_once():
    missed = {"one look": 0, "always valid": 0}
    for seed in range(90):
        table = running_effect(draw(seed, effect=2.0), outcome="spend", looks=20, seed=seed)
        outside = (table.ci_low > 2) | (table.ci_high < 2)
        for rule in missed:
            missed[rule] += outside[table.rule == rule].any()
    assert missed["always valid"] / 90 <= 0.05
    assert missed["one look"] / 90 > 0.12


def test_one_treated_arm_is_read():
    users = pd.concat([draw(1), draw(2).assign(arm="y")])
    assert running_effect(users, outcome="spend", looks=2).users.max() == 400
    assert running_effect(users, outcome="spend", arm="y", looks=2).users.max() > 400


def test_nothing_to_read():
    users = draw(1)
    assert "same for all" in running_effect(users.assign(spend=1.0), outcome="spend").attrs["reason"]
    assert running_effect(missing(["arm"], "no campaign"), outcome="spend").attrs["reason"] == "no campaign"
    assert "no arm" in running_effect(users, outcome="spend", control="c").attrs["reason"]
    with pytest.raises(ExperimentError, match="looks"):
        running_effect(users, outcome="spend", looks=1)
