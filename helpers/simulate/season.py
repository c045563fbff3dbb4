"""When things happen: the hour of the day, the weekday, double-11 and double-12, and the planted anomalies."""

from __future__ import annotations

import numpy as np

from helpers.simulate.settings import DAY, Lottery, day_of

# Shares of the day, in hundredths of the busiest hour: night trough at 04 h, plateau 10–17 h, evening peak at 21 h.
HOURS_BROWSING = (42, 19, 10, 8, 5.2, 8, 17, 30, 38, 47, 54, 54, 53, 60, 60, 62, 61, 54, 57, 72, 88, 100, 90, 67)
HOURS_ORDERING = (36, 17, 8, 5, 4.5, 5, 11, 25, 42, 62, 76, 74, 74, 78, 76, 77, 75, 66, 64, 74, 90, 100, 91, 63)
WEEKDAYS = (0.97, 0.97, 0.97, 0.98, 0.98, 1.06, 1.07)
"""Monday…Sunday."""
FESTIVALS = {
    "2017-11-09": 1.1, "2017-11-10": 1.5, "2017-11-11": 4.0, "2017-11-12": 1.4,
    "2017-12-11": 1.2, "2017-12-12": 2.4,
}  # fmt: skip
"""Calendar day → factor on ordering: double-11 and double-12."""
ANOMALIES = (
    ("2017-08-30", "price error", "orders", "one item is sold at a tenth of its price; a rush of orders for it"),
    ("2017-09-05", "tracking outage", "pv, fav, cart", "09:00-20:00: 85 % of the views, favourites and carts are lost"),
    ("2017-10-18", "crawler", "pv", "one user in a thousand is a robot that views 700 pages"),
)
OUTAGE = (day_of("2017-09-05"), 9, 20, 0.85)
CRAWLER_DAY, CRAWLER_VIEWS = day_of("2017-10-18"), 700
PRICE_ERROR_DAY, PRICE_ERROR_SHARE, PRICE_ERROR_CUT = day_of("2017-08-30"), 0.035, 0.90

BROWSING, ORDERING = Lottery(HOURS_BROWSING), Lottery(HOURS_ORDERING)


def festival_factor(days: int) -> np.ndarray:
    """Factor of each day on ordering: weekday × festival, without advertising."""
    factor = np.array([WEEKDAYS[d % 7] for d in range(days)])
    for date, size in FESTIVALS.items():
        if day_of(date) < days:
            factor[day_of(date)] *= size
    return factor


def to_calendar(operational: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """The calendar day of a moment in operational time, in which customers order evenly.

    Days with a large factor take more of operational time; the factors are scaled to mean 1.
    """
    bounds = np.cumsum(factor / factor.mean())
    return np.searchsorted(bounds, operational, side="right")


def clock_time(rng: np.random.Generator, hours: Lottery, size: int) -> np.ndarray:
    """Seconds after midnight, drawn from an hour curve."""
    return hours.draw(rng, size) * 3_600 + rng.integers(0, 3_600, size)


def in_outage(second: np.ndarray) -> np.ndarray:
    """True for moments inside the tracking outage."""
    day, first, last, _ = OUTAGE
    start = day * DAY
    return (second >= start + first * 3_600) & (second < start + last * 3_600)
