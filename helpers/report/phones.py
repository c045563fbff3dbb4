"""Phone numbers in what a reader sees: told from amounts, counts, dates and ids by how they are written."""

from __future__ import annotations

import html
import re
import unicodedata

_UNSEEN = re.compile(r"<(script|style|svg)\b.*?</\1>", flags=re.S)
_HEARD = re.compile(r'\b(?:aria-label|alt|title)="([^"]*)"')
"""What is read aloud in place of a chart names its highest and lowest bar."""
_PHONE = re.compile(
    r"""(?<![A-Za-z0-9.,/+-])(?:
    (?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:\d{8}|-\d{4}-\d{4})           # a mobile phone in China
    |(?:(?:\+|00)?86\ |(?<!\d\ ))1[3-9]\d\ \d{4}\ \d{4}(?!\ \d)   # the same in three groups, in no row of numbers
    |0\d{2,3}-[2-9]\d{6,7}                                         # a line in China with its area
    |\+[1-9]\d{9,14}                                               # international
    |\+[1-9]\d{0,2}(?:[ -]?\(\d{1,4}\)\d{0,4}|[ -]\d{1,4})(?:[ -]\d{2,})+  # the same in groups
    )(?![A-Za-z0-9]|[.,-]\d)""",
    flags=re.X,
)
LEAST, MOST = 10, 15
"""Digits of a phone number with its area or country."""
_NO_WIDTH = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))


def seen(page: str) -> str:
    """What a reader of a page sees or hears, without tags: texts of different tags stand in different lines.

    >>> seen("<td>139</td><td title='12'>5557</td>").split()
    ['139', '5557']
    """
    heard = "\n".join(_HEARD.findall(page))
    return html.unescape(re.sub(r"<[^>]+>", "\n", _UNSEEN.sub("\n", page)) + "\n" + heard)


def phones(text: str) -> list[str]:
    """Phone numbers of a text: mobile ones of China, lines with their area, and all that begin with + and a country.

    Numbers with separators or decimals are amounts, dates and times have other groups, and a number in a row of numbers
    is none.

    >>> phones("13955570001 or 138-0013-8000, +44 20 7946 0958; 13,955,570,001 of 2017-06-19, 1395557000.15")
    ['13955570001', '138-0013-8000', '+44 20 7946 0958']
    """
    plain = unicodedata.normalize("NFKC", text).translate(_NO_WIDTH)
    found = [m[0] for m in _PHONE.finditer(plain)]
    return [f for f in found if LEAST <= sum(c.isdigit() for c in f) <= MOST]
