"""Potential value: parts by hand, a pandas oracle on random experiments, coverage of known effects, refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.customers import potential_value as potential
from helpers.engine import as_table

PLAN = pd.DataFrame({"campaign_id": ["c"], "starts_at": [100], "ends_at": [199], "randomised": [True]})


def experiment(seed: int, people: int = 60, *, effect: float = 0.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Random order lines before (0…99) and in (100…199) a campaign, and the arms."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(people), rng.integers(1, 8, people))
    n, arm = len(user), rng.choice(["control", "new"], people)
    lines = pd.DataFrame({"user_id": user, "item_id": rng.integers(0, 4, n), "timestamp": rng.integers(0, 250, n)})
    lines = lines.assign(
        category_id=lines["item_id"] % 2, quantity=rng.integers(1, 3, n), discount=rng.choice([0.0, 1.0], n)
    )
    inside = lines["timestamp"].between(100, 199) & (arm[user] == "new")
    lines["unit_price"] = rng.gamma(3, 4, n) + effect * inside / lines["quantity"]
    lines["day"] = pd.Timestamp("2017-01-01") + pd.to_timedelta(lines["timestamp"] // 10, unit="D")
    return lines, pd.DataFrame({"campaign_id": "c", "user_id": range(people), "arm": arm})


def by_hand(lines: pd.DataFrame, user: int) -> tuple[float, float, int]:
    own = lines[lines["user_id"] == user]
    before, now = own[own["timestamp"] < 100], own[own["timestamp"].between(100, 199)]
    paid = now["quantity"] * now["unit_price"] - now["discount"]
    known = now["category_id"].isin(before["category_id"])
    return paid[known].sum(), paid[~known].sum(), before["day"].nunique()


@pytest.mark.parametrize("seed", range(9))
def test_parts_agree_with_plain_pandas(seed: int) -> None:
    lines, arms = experiment(seed)
    people = potential.participants(as_table(lines), as_table(PLAN), as_table(arms), measure="spend")
    wanted = [by_hand(lines, u) for u in people["user_id"]]
    assert np.allclose(people[["incremental", "cross-category"]], [w[:2] for w in wanted])
    cuts = [potential.GROUPS[0 if w[2] == 0 else 1 if w[2] == 1 else 2 if w[2] < 4 else 3] for w in wanted]
    assert people["group"].astype(str).tolist() == cuts and len(people) == len(arms)


def test_margin_takes_the_discount_off() -> None:
    line = pd.DataFrame({"user_id": [1], "item_id": [5], "category_id": [2], "quantity": [3], "unit_price": [10.0]})
    line = line.assign(discount=4.0, timestamp=150, day=pd.Timestamp("2017-01-01"))
    arms = pd.DataFrame({"campaign_id": "c", "user_id": [1, 2], "arm": ["new", "control"]})
    items = as_table(pd.DataFrame({"item_id": [5], "unit_margin": [6.0]}))
    people = potential.participants(as_table(line), as_table(PLAN), as_table(arms), items)
    assert people["cross-category"].tolist() == [3 * 6 - 4, 0]


def test_intervals_cover_the_known_potential() -> None:
    made, covered = [experiment(seed, 200, effect=5.0) for seed in range(25)], []
    lines, arms = (
        pd.concat([t.assign(user_id=t["user_id"] + 1_000 * k) for k, t in enumerate(p)])
        for p in zip(*made, strict=True)
    )
    people = potential.participants(as_table(lines), as_table(PLAN), as_table(arms), measure="spend")
    for number, group in people.groupby(people["user_id"] // 1_000):
        own = made[number][0]
        inside = own["timestamp"].between(100, 199).groupby(own["user_id"]).sum()
        truth = 5.0 * inside.mean()  # every line in the window is 5 dearer with the campaign
        covered.append(potential.overall(potential.effects(group.reset_index(drop=True))).covers(truth))
    assert len(covered) == 25 and np.mean(covered) >= 0.84


def test_parts_add_up_and_swapped_arms_change_the_sign() -> None:
    lines, arms = experiment(1, 400)
    people = potential.participants(as_table(lines), as_table(PLAN), as_table(arms), measure="spend")
    found = potential.effects(people).pivot(index="group", columns="part", values="difference")
    assert np.allclose(found["incremental"] + found["cross-category"], found["total"])
    swapped = people.assign(arm=people["arm"].map({"new": "control", "control": "new"}))
    assert potential.overall(potential.effects(swapped)).value == pytest.approx(
        -potential.overall(potential.effects(people)).value
    )


def test_what_chance_did_not_draw_is_refused() -> None:
    lines, arms = experiment(1)
    tables = as_table(lines), as_table(PLAN.assign(randomised=False)), as_table(arms)
    people = potential.participants(*tables, measure="spend")
    found = potential.effects(people)
    assert "randomised" in found.attrs["reason"] and potential.overall(found).value is None
    assert "no items table" in potential.participants(as_table(lines), as_table(PLAN), as_table(arms)).attrs["reason"]
    assert "drawn by chance" in potential.participants(as_table(lines), None, None).attrs["reason"]
    with pytest.raises(potential.PotentialError, match="measure: 'sales'"):
        potential.participants(*tables, measure="sales")


def test_small_arms_and_nobody_give_a_reason() -> None:
    lines, arms = experiment(1, 12)
    people = potential.participants(as_table(lines), as_table(PLAN), as_table(arms), measure="spend")
    assert "two large arms" in potential.effects(people, min_cell=10).attrs["reason"]
    assert potential.campaign_name(people.head(0)) == "" and potential.campaign_name(people) == "c"


def test_truth_by_group_by_hand() -> None:
    people = pd.DataFrame({"user_id": range(40), "campaign": "c", "arm": ["control", "new"] * 20, "group": "2 or 3"})
    people = people.assign(total=[1.0, 3.0] * 20, incremental=0.0, **{"cross-category": 1.0})
    outcomes = pd.DataFrame({"campaign_id": "c", "user_id": range(40), "arm": "new", "y0": 1.0, "y1": [2.0, 4.0] * 20})
    graded = potential.against_truth(potential.effects(people), people, outcomes)
    assert graded["truth"].tolist() == [2.0, 2.0] and graded["covered"].all()
    assert potential.against_truth(potential.effects(people), people, pd.DataFrame()).empty


def test_headroom_is_refused_on_real_data_and_graded_on_simulated() -> None:
    lines, _ = experiment(1)
    real = pd.DataFrame({"truth": []})
    assert "survey" in potential.headroom_check(as_table(lines), real).attrs["reason"]
    own = lines.groupby(["user_id", "category_id"])["unit_price"].sum().reset_index(name="spent_here")
    wallets = own.assign(wallet=own["spent_here"] + 10)
    assert potential.headroom_check(as_table(lines), wallets)["truth"].iloc[0] > 0
