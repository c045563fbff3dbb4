import numpy as np
import pytest

from helpers.simulate.settings import START, Lottery, SettingsError, ShopSettings, day_of, sorted_unique, stream


def test_the_log_starts_on_monday_19_june_2017_in_shanghai():
    assert np.datetime64(START + 8 * 3_600, "s") == np.datetime64("2017-06-19T00:00:00")
    assert np.datetime64("2017-06-19").astype("datetime64[D]").astype(int) % 7 == 4  # 1970-01-01 was a Thursday


def test_26_weeks_end_on_sunday_17_december():
    assert np.datetime64(ShopSettings().end + 8 * 3_600, "s") == np.datetime64("2017-12-17T23:59:59")
    assert day_of("2017-12-17") == 181


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"users": 3}, "users: 3 is out of range"),
        ({"users": "many"}, "users: 'many' is str; give int"),
        ({"weeks": 27}, "weeks: 27"),
        ({"seed": -1}, "seed: -1"),
        ({"assignment": "randomized"}, "did you mean 'randomised'"),
        ({"format": "parqet"}, "did you mean 'parquet'"),
        ({"events": 10}, "events: 10"),
        ({"dirt": 1}, "dirt: 1 is int; give bool"),
        ({"campaigns": ("voucher",)}, "did you mean 'voucher-aug'"),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(given, says):
    with pytest.raises(SettingsError, match=says.replace("(", r"\(")):
        ShopSettings(**given)


def test_streams_of_two_purposes_differ_and_each_repeats():
    a, b, again = (stream(1, p).random(4) for p in ("prices", "people", "prices"))
    assert (a == again).all()
    assert not (a == b).any()


def test_a_lottery_draws_in_proportion():
    draws = Lottery([1, 0, 3]).draw(stream(1, "x"), 40_000)
    assert np.bincount(draws, minlength=3) / 40_000 == pytest.approx([0.25, 0, 0.75], abs=0.01)


def test_sorted_unique_is_numpys_unique():
    values = stream(1, "x").integers(0, 50, 200)
    assert (sorted_unique(values) == np.unique(values)).all()
    assert len(sorted_unique(values[:0])) == 0
