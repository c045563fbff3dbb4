"""Codes of currencies: those that exist pass, others are refused with the nearest one."""

import pytest

from helpers.currencies import IN_USE, WITHDRAWN, check_currency


@pytest.mark.parametrize("code", ["CNY", "EUR", "USD", "XOF", "DEM", "BGN"])
def test_money_that_is_or_was_in_use_passes(code):
    assert check_currency(code) == code


@pytest.mark.parametrize(("code", "near"), [("RMB", "CNY"), ("usd", "USD"), ("EURO", "EUR"), ("GPB", "GBP")])
def test_the_nearest_code_is_named(code, near):
    with pytest.raises(ValueError, match=f"{code}.*Did you mean .*'{near}'"):
        check_currency(code)


@pytest.mark.parametrize("code", ["", "ZZZ", "XXX", "XTS", "€", "C" * 400])
def test_what_is_no_money_is_refused(code):
    with pytest.raises(ValueError, match="is no currency's code"):
        check_currency(code)


def test_every_code_has_three_capitals_and_stands_once():
    assert all(len(c) == 3 and c.isalpha() and c.isupper() for c in IN_USE | WITHDRAWN)
    assert not IN_USE & WITHDRAWN
