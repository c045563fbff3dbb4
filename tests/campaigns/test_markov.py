"""The chain: published values, hand arithmetic, a walk of chance, repeated steps, and chains that say nothing."""

import numpy as np
import pandas as pd
import pytest

from helpers.campaigns.markov import conversion_chance, matrices, removal_credit, steps
from helpers.campaigns.paths_to_purchase import touches_of

PUBLISHED = {
    "eta": 3340.85, "iota": 3884.61, "alpha": 5344.95, "beta": 2527.35, "theta": 1971.91, "lambda": 1282.85,
    "epsilon": 599.57, "zeta": 381.06, "kappa": 274.36, "gamma": 171.15, "delta": 4.61, "mi": 1.72,
}  # fmt: skip


def chain(paths: list, conversions: list, nulls: list | None = None, **more):
    table = pd.DataFrame({"path": paths, "conversions": conversions, "nulls": nulls or [0] * len(paths), **more})
    channels = sorted({c.strip() for p in paths for c in p.split(">")})
    return channels, *matrices(steps(touches_of(table)).assign(bag=0), channels=channels, bags=1)


def test_the_published_paths(shared_data):
    table = pd.read_csv(shared_data("channel_paths.csv"), sep=";")
    channels, moved, _ = chain(
        table["path"].tolist(), table["total_conversions"].tolist(), table["total_null"].tolist()
    )
    assert conversion_chance(moved)[0, 0] == pytest.approx(19_785 / 88_387, abs=1e-12)
    assert round(conversion_chance(moved)[0, 0], 7) == 0.2238451
    assert dict(zip(channels, removal_credit(moved)[0].round(2), strict=True)) == PUBLISHED


def test_one_path_of_three_converts():
    _, moved, _ = chain(["a>b>c", "a", "b>c"], [1, 0, 0], [0, 1, 1])
    assert removal_credit(moved)[0] == pytest.approx([0.2, 0.4, 0.4])


def test_repeated_touches_of_two_channels():
    _, moved, _ = chain(["A>B>A>B>B>A", "A>B>B>A>A", "A>A"], [1, 1, 1])
    assert removal_credit(moved)[0] == pytest.approx([2, 1])


def test_collapsed_repeats_change_nothing():
    paths, counts = ["a>a>b>b>c", "b>b", "c>a>a"], ([2, 0, 1], [3, 4, 5])
    _, moved, _ = chain(paths, *counts)
    _, once, _ = chain(["a>b>c", "b", "c>a"], *counts)
    assert removal_credit(moved)[0] == pytest.approx(removal_credit(once)[0])


def random_paths(seed: int) -> tuple[list, list, list]:
    rng = np.random.default_rng(seed)
    paths = [">".join(rng.choice(list("abcd"), rng.integers(1, 6))) for _ in range(30)]
    return paths, rng.integers(0, 5, 30).tolist(), rng.integers(0, 9, 30).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_the_exact_chance_against_many_small_steps(seed):
    channels, moved, _ = chain(*random_paths(seed))
    n, chance = len(channels), moved[0] / moved[0].sum(axis=1, keepdims=True)
    for gone in [None, *range(n)]:
        here, done = chance[n, :n].copy(), 0.0
        for _ in range(2_000):
            here = np.where(np.arange(n) == gone, 0, here)
            done, here = done + here @ chance[:n, n], here @ chance[:n, :n]
        assert conversion_chance(moved)[0, 0 if gone is None else gone + 1] == pytest.approx(done, abs=1e-9)


def test_the_exact_chance_against_a_walk_of_chance():
    channels, moved, _ = chain(*random_paths(8))
    rng, n, walks = np.random.default_rng(1), len(channels), 40_000
    bounds = (moved[0] / moved[0].sum(axis=1, keepdims=True)).cumsum(axis=1)
    state = np.full(walks, n)
    for _ in range(200):
        inside = (state != -1) & (state != -2)
        drawn = (rng.random((inside.sum(), 1)) >= bounds[state[inside]]).sum(axis=1)
        state[inside] = np.where(drawn == n, -1, np.where(drawn == n + 1, -2, drawn))
    assert (state == -1).mean() == pytest.approx(conversion_chance(moved)[0, 0], abs=0.01)


def test_value_is_shared_by_what_it_would_lose():
    _, moved, reward = chain(["a", "b"], [1, 1], value=[30.0, 10.0])
    assert removal_credit(moved)[0] == pytest.approx([1, 1])
    assert removal_credit(moved, reward)[0] == pytest.approx([30, 10])


def test_credits_add_up_and_equal_channels_get_the_same():
    _, moved, _ = chain(["a>b", "b>a", "a>c", "b>c"], [3, 3, 2, 2], [1, 1, 4, 4])
    credits = removal_credit(moved)[0]
    assert credits.sum() == pytest.approx(10) and credits[0] == pytest.approx(credits[1])


def test_a_channel_of_null_paths_only_gets_nothing():
    _, moved, _ = chain(["a", "b"], [2, 0], [1, 5])
    assert removal_credit(moved)[0] == pytest.approx([2, 0])


def test_one_channel_takes_all_and_no_conversion_gives_zeros():
    assert removal_credit(chain(["a>a"], [4], [2])[1])[0] == pytest.approx([4])
    assert removal_credit(chain(["a>b"], [0], [2])[1])[0] == pytest.approx([0, 0])
