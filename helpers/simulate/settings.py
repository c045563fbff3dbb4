"""The settings of the demo shop, its calendar, and the rule that keeps its random numbers apart."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches

import numpy as np

DAY = 86_400
ZONE_HOURS = 8
START = 1_497_801_600
"""Monday 2017-06-19, 00:00 in Asia/Shanghai (UTC+8, no summer time), as epoch seconds."""
START_DATE = np.datetime64("2017-06-19")
BLOCK = 2_000
"""Users simulated together. A block has its own random streams, so files may be written block by block."""
EVENTS_PER_USER = 287.0
"""Mean number of events of one user in 26 weeks: turns a wish for events into a number of users."""
CAMPAIGN_NAMES = (
    "social-holdout",
    "aa-jul",
    "members-jul",
    "voucher-aug",
    "email-sep",
    "discount-sep",
    "retargeting-holdout",
    "frequency-oct",
    "flash-nov",
)
ASSIGNMENTS = ("randomised", "confounded", "aa")
FORMATS = ("csv", "parquet")


class SettingsError(ValueError):
    """A setting of the demo shop is not allowed; the message names it, its value and the cure."""


@dataclass(frozen=True)
class ShopSettings:
    """Everything that decides what the demo shop looks like: equal settings give equal bytes.

    Parameters
    ----------
    seed : int
        Start of all random streams, 0 or more.
    users : int
        Customers in the users table, 20 or more.
    weeks : int
        Length of the log in weeks from Monday 2017-06-19, 4…26.
    segments : bool
        True: four customer segments. False: one continuous population, in which clustering should find none.
    assignment : str
        'randomised'; 'confounded': the voucher goes by engagement although it is called randomised;
        'aa': every campaign's effect is zero.
    srm_fault : bool
        True: a share of the treated rows of the voucher is lost from `assignments`.
    dirt : bool
        True: a small, counted number of faulty lines is put into events.csv (CSV only).
    selected_on_activity : bool
        True: only users who were active in the last two days are kept, as in the UserBehavior file.
    format : str
        'csv' or 'parquet'.
    events : int, optional
        Wished number of events; replaces `users` by the number that gives about so many (within some per cent).
    campaigns : tuple of str
        The campaigns that are run. Leaving one out changes nothing else.

    Examples
    --------
    >>> ShopSettings(events=287_000).users
    1000
    >>> ShopSettings(assignment="random")
    Traceback (most recent call last):
    helpers.simulate.settings.SettingsError: assignment: 'random' is not known; did you mean 'randomised'?
    """

    seed: int = 20_171_111
    users: int = 3_000
    weeks: int = 26
    segments: bool = True
    assignment: str = "randomised"
    srm_fault: bool = False
    dirt: bool = True
    selected_on_activity: bool = False
    format: str = "csv"
    events: int | None = None
    campaigns: tuple[str, ...] = CAMPAIGN_NAMES

    def __post_init__(self) -> None:
        _check_types(self)
        _check_range("seed", self.seed, 0, 2**63 - 1)
        _check_range("weeks", self.weeks, 4, 26)
        _check_word("assignment", self.assignment, ASSIGNMENTS)
        _check_word("format", self.format, FORMATS)
        for name in self.campaigns:
            _check_word("campaigns", name, CAMPAIGN_NAMES)
        if self.events is not None:
            _check_range("events", self.events, 10_000, 2_000_000_000)
            wished = round(self.events / (EVENTS_PER_USER * self.weeks / 26))
            object.__setattr__(self, "users", max(20, wished))
        _check_range("users", self.users, 20, 10_000_000)

    @property
    def days(self) -> int:
        """Days of the log."""
        return 7 * self.weeks

    @property
    def end(self) -> int:
        """Last second of the log, epoch seconds."""
        return START + self.days * DAY - 1

    @property
    def blocks(self) -> int:
        """Number of user blocks."""
        return -(-self.users // BLOCK)

    def block_users(self, block: int) -> int:
        """Number of users in one block."""
        return min(BLOCK, self.users - block * BLOCK)

    def as_dict(self) -> dict:
        """The settings as plain values, for the manifest."""
        return {**asdict(self), "campaigns": list(self.campaigns)}


def _check_types(settings: ShopSettings) -> None:
    for field in fields(ShopSettings):
        value, default = getattr(settings, field.name), field.default
        wanted = int if default is None else type(default)
        right = type(value) is wanted or (default is None and value is None)
        if not right:
            raise SettingsError(f"{field.name}: {value!r} is {type(value).__name__}; give {wanted.__name__}")


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{name}: {value} is out of range; give a whole number from {low} to {high}")


def _check_word(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        near = get_close_matches(value, allowed, n=1, cutoff=0.3) or [allowed[0]]
        raise SettingsError(f"{name}: {value!r} is not known; did you mean {near[0]!r}?")


def stream(seed: int, purpose: str, block: int = 0) -> np.random.Generator:
    """A random stream of its own for one purpose and one user block.

    Streams are keyed by what they are for, so switching one thing on or off leaves the draws of all others as
    they were: two plans then differ only by the plan (common random numbers).

    Examples
    --------
    >>> stream(1, "prices").integers(100) == stream(1, "prices").integers(100)
    np.True_
    """
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, word, block])))


class Lottery:
    """Draws words 0…k−1 with given weights, fast: a table of 65,536 tickets.

    Examples
    --------
    >>> Lottery([0, 1]).draw(stream(1, "x"), 3)
    array([1, 1, 1])
    """

    TICKETS = 65_536

    def __init__(self, weights) -> None:
        share = np.asarray(weights, float)
        share = share / share.sum()
        bounds = np.floor(np.cumsum(share) * self.TICKETS + 0.5).astype(np.int64)
        bounds[-1] = self.TICKETS
        counts = np.diff(bounds, prepend=0)
        self.table = np.repeat(np.arange(len(share)), counts)
        self.share = counts / self.TICKETS

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """`size` draws with replacement."""
        return self.table[rng.integers(0, self.TICKETS, size, dtype=np.uint16)]


def sorted_unique(values: np.ndarray) -> np.ndarray:
    """The different values, ascending (a plain sort: faster than hashing for millions of packed numbers).

    Examples
    --------
    >>> sorted_unique(np.array([3, 1, 3]))
    array([1, 3])
    """
    ordered = np.sort(values)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if len(ordered) else ordered


def day_of(date: str) -> int:
    """Days from the start of the log to a calendar day.

    Examples
    --------
    >>> day_of("2017-06-19"), day_of("2017-11-11")
    (0, 145)
    """
    return int((np.datetime64(date) - START_DATE).astype(int))


def date_of(days: np.ndarray) -> np.ndarray:
    """Calendar days, as text, of day numbers.

    Examples
    --------
    >>> [str(d) for d in date_of([0, 145])]
    ['2017-06-19', '2017-11-11']
    """
    return np.datetime_as_string(START_DATE + np.asarray(days, "timedelta64[D]"))
