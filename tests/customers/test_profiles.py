"""Coverage, stability and expiry by hand, coarsening and cards that keep small groups hidden, whole simulated shops."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers.customers import profiles as p
from helpers.customers.associations import associate, kappa
from helpers.customers.profiles import DICTIONARY
from helpers.customers.tags import TagError, touches
from helpers.engine import as_table
from tests.behaviour.scans import notebook_scans
from tests.customers.profile_logs import WINDOW, crowd, crowds, simulate
from tests.demo import ready_demo


def table(n: int, seed: int = 0) -> pd.DataFrame:
    """Random profiles of `n` users."""
    rng = np.random.default_rng(seed)
    numbers = {name: rng.exponential(size=n).round(2) for name, tag in DICTIONARY.items() if tag.scale != "named"}
    words = {
        name: rng.choice(list("abcdefghij"), n, p=np.arange(10, 0, -1) / 55)
        for name in DICTIONARY
        if name not in numbers
    }
    frame = pd.DataFrame(numbers | words, index=range(1, n + 1))[list(DICTIONARY)]
    return frame.astype(dict.fromkeys(words, object)).mask(rng.random(frame.shape) < 0.1)


# coverage, stability, expiry


def test_coverage_of_five_users():
    five = table(5).assign(spend=[1.0, 2.0, 3.0, 4.0, np.nan], gender=None)
    found = p.coverage(five, present=["events", "orders"]).set_index("tag")
    assert found.loc["spend", "coverage_share"] == 0.8
    assert found.loc["spend", "coverage_share_ci_low"] == pytest.approx(0.376, abs=0.001)  # Wilson, 4 of 5
    assert found.loc["gender", ["coverage_share", "reason"]].tolist() == [0, "the study has no table users"]
    assert p.kinds(found.reset_index())["tags"].sum() == len(DICTIONARY)


def halves(first: list, second: list, tag: str) -> pd.Series:
    a, b = (table(len(first)).assign(**{tag: v}) for v in (first, second))
    return p.stability(a, b, seed=1).set_index("tag").loc[tag]


def test_stability_of_words_is_kappa():
    found = halves(list("EEEEEEMMMM"), list("EEEEMMMMME"), "daypart")  # seven agree, five by chance
    assert found["stability"] == pytest.approx(0.4) and found["users"] == 10 and found["measure"] == "kappa"


def test_stability_of_numbers_is_the_rank_correlation():
    found = halves([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], [7, 27, 2, 50, 28, 29, 20, 12, 6, 17], "spend")
    assert found["stability"] == pytest.approx(-29 / 165) and found["chance_high"] > 0.2


def test_chance_is_what_shuffling_the_measure_itself_gives():
    a, b = table(300, 1), table(300, 2)
    both = pd.concat([a["daypart"].rename("a"), b["daypart"].rename("b")], axis=1).dropna()
    quick = p._by_chance(both, True, 2_000, np.random.default_rng(1))
    slow = [kappa(both["a"], both["b"].sample(frac=1, random_state=i).set_axis(both.index)).value for i in range(60)]
    assert np.quantile(quick, 0.95) == pytest.approx(np.quantile(slow, 0.95), abs=0.03)
    assert abs(quick.mean()) < 0.005


def test_independent_halves_are_noise_and_expire_at_once():
    found = p.stability(table(400, 1), table(400, 2), seed=1)
    days = p.expiry(found, window=WINDOW).set_index("tag")
    measured = found.loc[found["stability"].notna(), "tag"]
    # the lower end of a 95 % interval lies above the 95 % point of chance in far less than one case of twenty
    assert (days.loc[measured, "expires_after_days"] == 0).all() and len(measured) == len(DICTIONARY) - 4


def test_a_tag_that_never_changes_holds_for_the_window_and_no_longer():
    same = table(200, 3)
    found = p.expiry(p.stability(same, same, seed=1), window=WINDOW).set_index("tag")
    assert found.loc["spend", "expires_after_days"] == 9 and found.loc["daypart", "expires_after_days"] == 9
    assert found.loc["gender", "expires_after_days"] == 365 and found.loc["gender", "rule"] == "declared: ask again"
    assert found.loc["spend", "expires_on"] == WINDOW[1] + pd.Timedelta(days=9)


@pytest.mark.parametrize(("low", "least", "days"), [(0.5, 0.5, 50), (0.25, 0.5, 25), (0.25, 0.25, 50), (0.9, 0.5, 100)])
def test_expiry_by_hand(low, least, days):
    row = {"tag": ["spend"], "stability": [0.95], "stability_ci_low": [low], "chance_high": [0.1]}
    window = (pd.Timestamp("2017-01-01"), pd.Timestamp("2017-04-10"))  # halves 50 days apart
    assert p.expiry(pd.DataFrame(row), window=window, least=least)["expires_after_days"].tolist() == [days]


def test_a_stricter_limit_shortens_every_term():
    found = p.stability(table(300, 1), table(300, 1).sample(frac=1, random_state=1).set_axis(range(1, 301)), seed=1)
    found.loc[found["stability"].notna(), ["stability_ci_low", "stability"]] = 0.6
    terms = [p.expiry(found, window=WINDOW, least=c)["expires_after_days"].fillna(0) for c in (0.8, 0.5, 0.2)]
    assert (terms[0] <= terms[1]).all() and (terms[1] <= terms[2]).all()


# coarsening and unicity


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(crowds(), st.sampled_from([2, 3, 4]), st.sampled_from([1, 5, 10]))
def test_no_coarse_value_is_shared_by_few(shop, bands, min_cell):
    tables = shop.engine
    touched = touches(tables["log"], items=tables["items"])
    people = p.profiles(touched, window=WINDOW, orders=tables["orders"], users=tables["users"])
    coarse = p.coarsen(people, bands=bands, min_cell=min_cell)
    for tag in coarse:
        counts = coarse[tag].value_counts()
        assert counts.empty or counts.min() >= min_cell
        assert len(counts) <= (8 if DICTIONARY[tag].scale == "named" else bands)
        assert people.loc[coarse[tag].notna(), tag].notna().all()


def test_bands_keep_the_order_and_equal_users_together():
    people = table(90).assign(spend=[1.0] * 30 + [2.0] * 40 + [3.0] * 20)
    assert p.coarsen(people)["spend"].tolist() == ["low"] * 30 + ["middle"] * 40 + ["high"] * 20


def test_rare_words_become_another():
    people = table(60).assign(gender=["a"] * 30 + ["b"] * 15 + ["c"] * 9 + ["d"] * 6)
    assert p.coarsen(people, min_cell=10)["gender"].value_counts().to_dict() == {"a": 30, "b": 15, "another": 15}
    assert p.coarsen(people, min_cell=20)["gender"].value_counts().to_dict() == {"a": 30, "another": 30}
    assert p.coarsen(people.head(50), min_cell=10)["gender"].isna().sum() == 5  # five others are too few


def brute(people: pd.DataFrame) -> float:
    """The exact share singled out by one tag: the mean over users and their tags."""
    alone = {c: people[c].map(people[c].value_counts()) == 1 for c in people}
    return float(pd.DataFrame(alone).where(people.notna()).mean(axis=1).mean())


def test_one_tag_agrees_with_counting():
    people = table(60, 2)
    coarse = p.coarsen(people)
    found = p.singled_out(people, coarse)
    assert p.singled_share(found, tags="1", table="as computed").value == pytest.approx(brute(people))
    assert p.singled_share(found, tags="1", table="coarsened").value == 0
    more = found.set_index(["table", "tags"])["singled_out_share"]
    assert (more["coarsened"] <= more["as computed"]).all() and more["as computed"].is_monotonic_increasing


def test_twins_are_never_alone():
    people = table(40, 3)
    twins = pd.concat([people, people.set_axis(range(101, 141))])
    found = p.singled_out(twins, p.coarsen(twins))
    assert (found["singled_out_share"] == 0).all() and found["tags"].tolist() == ["1", "2", "3", "all"] * 2


# cards


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("min_cell", [1, 5, 10])
def test_a_card_is_shared_by_enough_people(seed, min_cell):
    coarse = p.coarsen(table(150, seed), min_cell=min_cell)
    tags = list(DICTIONARY)[::-1]
    user = p.example(coarse, tags=tags, seed=seed)
    card = p.person_card(coarse, user=user, tags=tags, min_cell=min_cell)
    shown = card[card["shared_by"].notna()]
    like = pd.Series(True, index=coarse.index)
    for tag, value in zip(shown["tag"], shown["value"], strict=True):
        like &= coarse[tag].isna() if value == p.NOT_KNOWN else coarse[tag] == value
    crowd_ = int(like.sum())
    assert crowd_ >= min_cell and card["shared_by"].dropna().iloc[-1] == crowd_ // min_cell * min_cell
    assert (card["shared_by"].dropna() % min_cell == 0).all() and set(card["tag"]) == set(tags)


def test_a_card_of_three_tags_by_hand():
    coarse = pd.DataFrame({"gender": ["f"] * 6 + ["m"] * 4, "daypart": ["e", "n"] * 5, "spend": ["low"] * 9 + ["high"]})
    card = p.person_card(coarse, user=0, tags=["gender", "daypart", "spend"], min_cell=4)
    assert card["value"].tolist() == ["f", "withheld", "low"] and card["shared_by"].tolist() == [4, pd.NA, 4]


def test_too_few_people_have_no_cards():
    coarse = p.coarsen(table(8), min_cell=10)
    assert p.person_card(coarse, user=1, tags=["spend"], min_cell=10).attrs["reason"] == "there are fewer than 10 users"
    assert p.example(coarse.head(0), tags=["spend"], seed=1) is None
    groups = p.segments_by(coarse, ["spend"])
    assert p.segment_card(coarse, groups, name="low", min_cell=10).attrs["reason"].startswith("none of the tags spend")
    assert p.by_size(groups, 1) is None and p.part(groups, None) == 0


def test_a_segment_card_by_hand():
    coarse = pd.DataFrame({"gender": ["f"] * 50 + ["m"] * 50, "spend": ["low"] * 40 + ["high"] * 60}, dtype=object)
    card = p.segment_card(coarse, coarse["gender"], name="f", min_cell=10)
    (row,) = card.to_dict("records")
    assert (row["tag"], row["value"], row["members"]) == ("spend", "low", 40)
    assert (row["segment_share"], row["all_share"], row["times"]) == (0.8, 0.4, pytest.approx(2))


@pytest.mark.parametrize("seed", range(5))
def test_segment_cards_show_no_small_groups_and_no_noise(seed):
    coarse = p.coarsen(table(300, seed))
    card = p.segment_card(coarse, coarse["gender"], name=p.by_size(coarse["gender"], 1), min_cell=10)
    assert len(card) <= 1 and (card.empty or card["members"].min() >= 10)  # random tags set nobody apart


def test_words_of_the_data_pass_unharmed():
    hostile = ["<script>x</script>", "女装", "$\\frac{a}{b}$", "=1+1"]
    people = table(80).assign(top_category=hostile * 20)
    coarse = p.coarsen(people)
    assert set(coarse["top_category"]) == set(hostile)
    assert p.person_card(coarse, user=1, tags=["top_category"], min_cell=10)["value"].tolist() == hostile[:1]


def test_consent_by_hand_and_absent():
    users = pd.DataFrame(
        {
            "user_id": range(1, 101),
            "consent_email": [True] * 80 + [False] * 20,
            "consent_push": [True] * 95 + [False] * 5,
        }
    )
    found = p.consent(table(100), as_table(users), min_cell=10).set_index("channel")
    assert found.loc["e-mail", "allowed_rate"] == 0.8 and found.loc["push", ["allowed", "allowed_rate"]].isna().all()
    assert p.consent(table(9), as_table(users), min_cell=10)["users"].isna().all()
    assert "send nothing" in p.consent(table(5), None, min_cell=10).attrs["reason"]
    assert "send nothing" in p.consent(table(5), as_table(users[["user_id"]]), min_cell=10).attrs["reason"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: p.coarsen(table(9), bands=9), "bands: 9"),
        (lambda: p.parse_tags("spend, colour"), "'colour'"),
        (lambda: p.parse_tags(" , "), "tags:"),
        (lambda: p.expiry(table(0), window=WINDOW, least=1), "least: 1"),
    ],
)
def test_wrong_arguments_are_named(call, told):
    with pytest.raises(TagError, match=told):
        call()


# whole shops


def whole(log: pd.DataFrame, window=WINDOW) -> dict:
    """All that the notebook computes, on one log alone."""
    touched = touches(as_table(log))
    people = p.profiles(touched, window=window)
    first, second = (p.profiles(touched, window=half) for half in p.two_periods(window))
    covered, stable = p.coverage(people, present=["events"]), p.stability(first, second, permutations=19, seed=1)
    coarse = p.coarsen(people)
    outcomes = p.outcomes(touched, window=p.two_periods(window)[1])
    scales = {name: tag.scale for name, tag in DICTIONARY.items()}
    return {
        "dictionary": p.dictionary(covered, stable, p.expiry(stable, window=window), window=window),
        "unicity": p.singled_out(people, coarse, sample=20),
        "tests": associate(p.for_tests(first, min_cell=10), outcomes, scales=scales, permutations=19, seed=1).table,
        "card": p.person_card(coarse, user=p.example(coarse, tags=["spend"], seed=1), tags=["spend"], min_cell=10),
    }  # fmt: skip


LOG = crowd(1).log
ODD = {
    "one user": LOG[LOG["user_id"] == 1],
    "one day": LOG.assign(day=WINDOW[0]),
    "outside": LOG.assign(day=WINDOW[1] + pd.Timedelta(days=9)),
    "no purchase": LOG.assign(behavior="pv"),
    "all alike": LOG.assign(item_id=1, category_id=1, behavior="pv", hour=9, day=WINDOW[0]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_logs_finish_without_infinite_numbers(name):
    found = whole(ODD[name])
    for part in ("dictionary", "unicity", "tests", "card"):
        numbers = found[part].select_dtypes("number").astype("float64")
        assert found[part].attrs.get("reason") or len(found[part])
        assert not np.isinf(numbers).any(axis=None)


def test_without_other_tables_the_dictionary_says_so():
    shares = whole(LOG)["dictionary"].set_index("tag")["coverage_share"]
    assert (shares[["age_band", "spend", "price_level", "lifestyle"]] == 0).all() and shares["actions"] == 1
    found = p.coverage(p.profiles(touches(as_table(LOG)), window=WINDOW), present=["events"]).set_index("tag")["reason"]
    assert found["lifestyle"] == "the study has no table items" and found["spend"] == "the study has no table orders"


def test_simulated_shops_have_lasting_tastes_and_no_favourite_hour():
    found = []
    for seed in (1, 2):
        shop = simulate(700, seed=seed)
        touched = touches(shop.log, items=shop.items)
        first, second = (p.profiles(touched, window=half, orders=shop.orders) for half in shop.halves)
        found.append(p.stability(first, second, seed=1).set_index("tag")["stability"])
    mean = pd.concat(found, axis=1).mean(axis=1)
    assert mean["price_level"] > 0.9 and mean["novelty"] > 0.6 and mean["lifestyle"] > 0.7
    assert abs(mean["weekend_share"]) < 0.12 and mean["daypart"] < 0.15


def test_tags_that_are_drawn_by_lot_seldom_pass_holm():
    false, true = [], []
    for seed in range(6):
        shop = simulate(300, seed=seed)
        touched = touches(shop.log)
        first = p.profiles(touched, window=shop.halves[0], users=shop.users)
        later = p.outcomes(touched, window=shop.halves[1], orders=shop.orders)
        tags = p.for_tests(first, min_cell=10)[["age_band", "gender", "city_tier", "actions"]]
        scales = {name: tag.scale for name, tag in DICTIONARY.items()}
        passed = associate(tags, later, scales=scales, permutations=19, seed=1).table.query("p_holm < 0.05")["tag"]
        true.append("actions" in set(passed))
        false.append(bool(set(passed) - {"actions"}))
    assert sum(false) <= 2 and all(true)


@pytest.mark.notebooks
def test_the_notebook_reads_the_log_at_most_twice(monkeypatch):
    ready_demo()
    assert 1 <= sum(n for n, _ in notebook_scans("30_profiles", "demo", monkeypatch)) <= 2
