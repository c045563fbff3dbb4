"""Clustering against published values, hand arithmetic and simulated truth."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris, make_blobs
from sklearn.metrics import adjusted_rand_score, silhouette_score

from helpers.customers import clusters as c
from helpers.customers.clusters import ClustersError, Prepared

SQUARE = pd.DataFrame({"x": [0.0, 1, 4, 5]}, index=[11, 12, 13, 14])
QUICK = {"ks": range(2, 4), "on": 200, "boots": 5}


def as_prepared(values: np.ndarray) -> Prepared:
    z = pd.DataFrame(values).add_prefix("f")
    return Prepared((z - z.mean()) / z.std(ddof=0), pd.DataFrame())


def smooth_cloud(seed: int, n: int = 300, d: int = 5) -> Prepared:
    """One correlated normal cloud: no clusters, and far from permuted data."""
    rng = np.random.default_rng(seed)
    return as_prepared(0.8 * rng.standard_normal((n, 1)) + 0.6 * rng.standard_normal((n, d)))


def skewed_cloud(seed: int) -> Prepared:
    return as_prepared(np.exp(0.7 * smooth_cloud(seed).z.to_numpy()))


def separate_groups(seed: int, k: int = 3, n: int = 300, d: int = 5, distance: float = 6.0) -> Prepared:
    """k normal groups of unit spread whose centres are `distance` apart from each other."""
    rng = np.random.default_rng(seed)
    centres = np.eye(k, d) * distance / np.sqrt(2)
    return as_prepared(centres[rng.integers(0, k, n)] + rng.standard_normal((n, d)))


@pytest.fixture(scope="module")
def blobs() -> pd.DataFrame:
    x, _ = make_blobs(500, 2, centers=4, cluster_std=1, center_box=(-10, 10), shuffle=True, random_state=1)
    return pd.DataFrame(x, columns=["x", "y"])


# published values


@pytest.mark.parametrize(("k", "published"), [(2, 0.70498), (3, 0.58820), (4, 0.65052)])
def test_silhouette_of_the_scikit_learn_blobs(blobs, k, published):
    labels = c.kmeans(blobs, k=k, seed=10).labels
    assert c.silhouette(blobs, labels, seed=1).value == pytest.approx(published, abs=1e-4)


def test_iris_silhouette_and_agreement():
    iris = load_iris(as_frame=True)
    labels = c.kmeans(iris.data, k=3, seed=10).labels
    assert round(c.silhouette(iris.data, labels, seed=1).value, 4) == 0.5528
    assert round(c.agreement(labels, iris.target, seed=1).value, 4) == 0.7302


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gap_on_the_simulations_of_its_paper(seed):
    # Tibshirani et al. 2001, section 5: uniform in ten dimensions; groups of 25, 25, 50 in the plane
    rng = np.random.default_rng(seed)
    one = rng.uniform(size=(200, 10))
    three = np.repeat([[0, 0], [0, 5], [5, -3]], [25, 25, 50], axis=0) + rng.standard_normal((100, 2))
    for values, k in ((one, 1), (three, 3)):
        assert c.gap(pd.DataFrame(values), ks=range(1, 5), seed=seed).query("chosen")["k"].tolist() == [k]


# by hand


def test_silhouette_by_hand():
    # 0: a 1, b 4.5 → 7/9; 1: a 1, b 3.5 → 5/7; mirrored on the right
    by_hand = (7 / 9 + 5 / 7) / 2
    labels = pd.Series([0, 0, 1, 1], index=SQUARE.index)
    assert c.silhouette(SQUARE, labels, seed=1).value == pytest.approx(by_hand)
    assert c._silhouettes(SQUARE.to_numpy(), [labels.to_numpy()])[0] == pytest.approx(by_hand)


def test_a_user_alone_has_silhouette_0():
    # left pair: a 1, b 5 and 4 → 4/5 and 3/4; the lone user counts 0
    z, labels = pd.DataFrame({"x": [0.0, 1, 5]}), pd.Series([0, 0, 1])
    assert c.silhouette(z, labels, seed=1).value == pytest.approx((4 / 5 + 3 / 4 + 0) / 3)
    assert c._silhouettes(z.to_numpy(), [labels.to_numpy()])[0] == pytest.approx((4 / 5 + 3 / 4 + 0) / 3)


def test_ari_by_hand():
    # cells 2,1,0,2: Σ C(n,2) = 2; rows 3,2 → 3+1 = 4; columns 2,3 → 4; E = 16/10; (2 − 1.6)/(4 − 1.6) = 1/6
    first, second = pd.Series([0, 0, 0, 1, 1]), pd.Series(["a", "a", "b", "b", "b"])
    assert c.agreement(first, second, seed=1).value == pytest.approx(1 / 6)


def test_within_by_hand():
    # {0, 1} and {4, 5}: each 2 · 0.5² = 0.5
    assert c.kmeans(SQUARE, k=2, seed=1).within == pytest.approx(1.0)
    assert c.kmeans(SQUARE, k=1, seed=1).within == pytest.approx(6.25 * 2 + 2.25 * 2)


def test_one_cluster_has_no_gap_to_permuted_data():
    # W(1) is the total sum of squares of the columns, which shuffling cannot change
    gap = c.gap(smooth_cloud(1).z, ks=[1], seed=1, reference="permuted")
    assert gap["gap"].iloc[0] == pytest.approx(0, abs=1e-9)


def test_mixture_bic_of_one_normal_by_hand():
    x = np.random.default_rng(1).standard_normal(400)
    by_hand = np.log(2 * np.pi) + np.log(x.var() + 1e-3) + x.var() / (x.var() + 1e-3) + 2 * np.log(400) / 400
    assert c.mixture(pd.DataFrame({"x": x}), k=1, seed=1).bic == pytest.approx(by_hand)


def test_gower_by_hand():
    # numbers 0 and 2 of range 4: 0.5; words differ: 1; mean 0.75
    coded = c._gower_coded(pd.DataFrame({"n": [0, 2, 4], "w": ["a", "b", "a"]}))
    assert c._gower(coded, np.array([0]), np.array([1, 2])).tolist() == [[0.75, 0.5]]


# oracles


def test_fast_silhouettes_agree_with_scikit_learn():
    z, rng = smooth_cloud(3).z.to_numpy(), np.random.default_rng(3)
    labels = [rng.integers(0, k, len(z)) for k in (2, 5)]
    assert np.allclose(c._silhouettes(z, labels), [silhouette_score(z, x) for x in labels])


def test_ari_agrees_with_scikit_learn():
    rng = np.random.default_rng(4)
    for _ in range(20):
        a, b = rng.integers(0, 3, 30), rng.integers(0, 4, 30)
        assert c.agreement(pd.Series(a), pd.Series(b), seed=1).value == pytest.approx(adjusted_rand_score(a, b))


def test_medoids_split_words_and_numbers():
    table = pd.DataFrame({"pv": [1, 2, 3, 50, 51], "city": ["A", "A", "A", "B", "B"]})
    assert c.medoids(table, k=2, seed=1).labels.tolist() == [0, 0, 0, 1, 1]


# copies


def test_copies_keep_every_column_exactly():
    z = skewed_cloud(5).z
    for copy in (c.permuted(z, seed=1), c.same_correlation(z, seed=1)):
        assert np.array_equal(np.sort(copy, axis=0), np.sort(z, axis=0))


def test_only_the_second_copy_keeps_the_correlation():
    z = smooth_cloud(6, n=2_000).z
    off = ~np.eye(z.shape[1], dtype=bool)
    assert np.abs(c.permuted(z, seed=1).corr().to_numpy()[off]).max() < 0.1
    assert np.abs((c.same_correlation(z, seed=1).corr() - z.corr()).to_numpy()[off]).max() < 0.06


def test_a_correlated_cloud_beats_permuted_data_but_not_its_like():
    row = c.compare(smooth_cloud(7, n=800), seed=7, ks=[2], boots=6).iloc[0]
    assert row["p_permuted"] == 0.05 and row["gap_permuted"] > 0.1 and row["stability"] > 0.8
    assert row["p_correlated"] > 0.05 and abs(row["gap_correlated"]) < 0.1


# the verdict


def test_separate_groups_are_found():
    found = c.error_rates(separate_groups, seeds=range(4), **QUICK)
    assert found["clusters"].tolist() == [3] and found["run_share"].tolist() == [1.0]


@pytest.mark.parametrize("cloud", [smooth_cloud, skewed_cloud])
def test_a_cloud_has_no_clusters(cloud):
    assert c.error_rates(cloud, seeds=range(3), **QUICK)["clusters"].tolist() == [0]


def test_found_groups_are_the_true_ones():
    rng = np.random.default_rng(9)
    true = pd.Series(rng.integers(0, 3, 400))
    z = pd.DataFrame(np.eye(3)[true] * 8 + rng.standard_normal((400, 3)))
    assert c.agreement(c.kmeans(z, k=3, seed=1).labels, true, seed=1).value > 0.97
    assert c.agreement(c.mixture(z, k=3, seed=1).labels, true, seed=1).value > 0.97


CRITERIA = {"k": 3, "silhouette": 0.5, "silhouette_correlated": 0.3, "p_permuted": 0.05, "p_correlated": 0.05}
CRITERIA |= {"excess": 0.2, "stability": 0.9, "smallest_share": 0.2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p_permuted": 0.1}, "shuffled columns"),
        ({"p_correlated": 0.1}, "does not beat one smooth cloud"),
        ({"excess": 0.02}, "hardly above"),
        ({"stability": 0.3}, "other samples"),
        ({"smallest_share": 0.01}, "too small"),
    ],
)
def test_every_test_of_the_verdict_can_say_no(change, words):
    assert c.verdict(pd.DataFrame([CRITERIA])).k == 3
    refused = c.verdict(pd.DataFrame([CRITERIA | change]))
    assert refused.k is None and words in refused.reason


def test_the_largest_excess_wins_among_those_that_pass():
    rows = [CRITERIA | {"k": 2, "excess": 0.1}, CRITERIA, CRITERIA | {"k": 4, "excess": 0.3, "stability": 0.2}]
    assert c.verdict(pd.DataFrame(rows)).k == 3


def test_mixture_gain_is_large_only_with_groups():
    with_groups = c.mixture_gain(separate_groups(1), ks=[3], seed=1).iloc[0]
    assert with_groups["gain"] > with_groups["gain_correlated"] + 0.2
    assert c.mixture_gain(smooth_cloud(1), ks=[3], seed=1)["gain"].iloc[0] < 0


def test_a_high_silhouette_of_one_skewed_column_is_no_cluster():
    # the trap of raw money: one long tail gives a high silhouette in the copies, too
    money = as_prepared(np.exp(1.5 * np.random.default_rng(2).standard_normal((400, 1))) * [1, 0.001])
    row = c.quality({"raw": money}, k=2, seed=1, min_cell=10).iloc[0]
    assert row["silhouette"] > 0.7 and row["silhouette_correlated"] > row["silhouette"] - 0.02


# degenerate input


@pytest.mark.parametrize("values", [[[1.0]], [[1.0, 2.0]] * 6, [[1.0], [2.0]], np.empty((0, 2))])
def test_too_little_to_cluster_gives_a_reason(values):
    z = pd.DataFrame(values)
    prepared = Prepared(z, pd.DataFrame())
    compared = c.compare(prepared, seed=1, ks=[3])
    assert compared.empty and compared.attrs["reason"]
    assert c.verdict(compared).k is None and c.verdict(compared).reason.startswith("No clusters: ")
    assert c.kmeans(z, k=4, seed=1).reason and c.bootstrap_ari(z, k=4, seed=1).reason
    assert c.beside(compared, "silhouette").attrs["reason"] and c.gap(z, ks=[3], seed=1).empty


def test_more_clusters_than_users():
    assert "need at least 9 users; there are 4" in c.kmeans(SQUARE, k=9, seed=1).reason
    assert "there are 4" in c.medoids(SQUARE, k=9, seed=1).reason
    assert c.kmeans(SQUARE, k=9, seed=1).k == 0 and c.mixture(SQUARE, k=3, seed=1).reason


def test_one_group_has_no_silhouette_and_no_agreement():
    one = pd.Series(0, index=SQUARE.index)
    assert "at least two clusters" in c.silhouette(SQUARE, one, seed=1).reason
    assert "single group" in c.agreement(one, one, seed=1).reason
    assert "no user" in c.agreement(one, pd.Series(dtype=float), seed=1).reason


@pytest.mark.parametrize(
    "call",
    [
        lambda: c.kmeans(SQUARE, k=0, seed=1),
        lambda: c.gap(SQUARE, ks=[1], seed=1, reference="flat"),
        lambda: c.compare(Prepared(SQUARE, pd.DataFrame()), ks=[1, 2], seed=1),
        lambda: c.compare(Prepared(SQUARE, pd.DataFrame()), copies=0, seed=1),
    ],
)
def test_wrong_arguments_are_named(call):
    with pytest.raises(ClustersError, match=r"k: 0|reference: 'flat'|ks: 1|copies, boots: 0"):
        call()


# the same everywhere


def test_same_seed_same_result_other_seed_other_sample():
    prepared = smooth_cloud(1, n=500)
    first, again, other = (c.compare(prepared, seed=s, **QUICK) for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["silhouette"], other["silhouette"])


def test_threads_and_hash_seed_do_not_matter():
    code = (
        "import numpy as np, pandas as pd; from helpers.customers import clusters as c\n"
        "z = pd.DataFrame(np.random.default_rng(1).standard_normal((2000, 5)))\n"
        "result = (int(c.kmeans(z, k=4, seed=1).labels.sum()), c.bootstrap_ari(z, k=3, seed=1, boots=2).value)"
    )
    here: dict = {}
    exec(code, here)
    other = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    run = [sys.executable, "-c", code + "; print(result)"]
    assert subprocess.run(run, env=other, capture_output=True, text=True, check=True).stdout.strip() == str(
        here["result"]
    )


def test_above_the_limit_a_sample_is_fitted_and_all_are_assigned():
    z = separate_groups(1, n=3_000).z
    whole, sampled = c.kmeans(z, k=3, seed=1), c.kmeans(z, k=3, seed=1, fit_on=500)
    assert len(sampled.labels) == 3_000 and sampled.within < whole.within / 4
    assert c.agreement(whole.labels, sampled.labels, seed=1).value > 0.95
