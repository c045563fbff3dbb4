import numpy as np
import pytest

from helpers.simulate.catalogue import RULES, STAPLES, items_table, make_catalogue, pick_items
from helpers.simulate.settings import DAY, stream
from helpers.simulate.truth import basket_probabilities


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue(1)


def test_some_thousand_items_in_about_a_hundred_categories(catalogue):
    table = items_table(catalogue)
    assert 3_000 < len(table["item_id"]) < 8_000
    assert len(set(table["category_id"])) == catalogue.categories == 94
    assert table["title"][0].split()[1:] == ["Mobile", "phone", "001"]


def test_margins_lie_between_zero_and_the_price(catalogue):
    assert (catalogue.margin > 0).all()
    assert (catalogue.margin < catalogue.price).all()


def test_taste_for_quality_buys_dearer_items(catalogue):
    category, late, plain = np.full(4_000, catalogue.category("Dress")), np.full(4_000, 180 * DAY), np.zeros(4_000)
    prices = []
    for quality in (0.1, 0.9):
        taste = {"quality": np.full(4_000, quality), "novelty": plain}
        item = pick_items(stream(1, "x"), catalogue, category, second=late, **taste)
        prices.append(catalogue.price[item].mean())
    assert prices[1] > 1.5 * prices[0]


def test_basket_probabilities_agree_with_a_count_by_hand(catalogue):
    # all baskets need a phone: a case in 40 %, a film in 35 %, both in 14 %, unless the second need brings them
    need = np.zeros(catalogue.categories)
    phone, case, film = (catalogue.category(n) for n in ("Mobile phone", "Phone case", "Screen film"))
    need[phone] = 1
    both = basket_probabilities(catalogue, need)
    share = 0.40 * catalogue.bought.share
    assert both[phone, phone] == pytest.approx(1)
    assert both[phone, case] == pytest.approx(1 - (1 - RULES[0][2]) * (1 - share[case]))
    both_rules = RULES[0][2] * RULES[1][2]
    assert both[case, film] == pytest.approx(
        both_rules * (1 - share[case] - share[film]) + share[case] * RULES[1][2] + share[film] * RULES[0][2]
    )


def test_staples_are_independent_of_everything(catalogue):
    both = basket_probabilities(catalogue, catalogue.bought.share)
    a, b = (catalogue.category(name) for name, _ in STAPLES[:2])
    assert both[a, b] == pytest.approx(STAPLES[0][1] * STAPLES[1][1])
    assert both[a, 0] == pytest.approx(STAPLES[0][1] * both[0, 0])
