"""The last look at a page before it is published: it asks for nothing, runs nothing, tells nothing of this machine."""

from __future__ import annotations

import getpass
import os
import re
import socket
import tempfile
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path

from helpers.report.phones import phones, seen
from helpers.study import ROOT

_URL_ATTRIBUTES = {
    "src", "href", "xlink:href", "srcset", "action", "formaction", "data", "poster", "background", "ping",
}  # fmt: skip
_FORBIDDEN = {"script", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "foreignobject", "frame"}
_PATH = re.compile(
    r"(?<![\w/.:-])/(?:home|Users|root|tmp|var|private|opt|work|mnt|usr|etc)/[\w.-]+|\b[A-Za-z]:\\{1,2}[\w.-]+\\"
)

_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b")
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|PRIVATE_KEY", flags=re.I)


class _Look(HTMLParser):
    def __init__(self, trusted: Iterable[str]) -> None:
        super().__init__(convert_charrefs=True)
        self.trusted = set(trusted)
        self.faults: list[str] = []
        self.inside, self.text = "", ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag in _FORBIDDEN and not (tag == "script" and not attrs and self.trusted):
            self.faults.append(f"<{tag}> on the page")
        if tag in ("svg", "img") and not (known.get("aria-label") or known.get("alt") or "").strip():
            hidden = known.get("aria-hidden") == "true"
            self.faults += [] if hidden else [f"<{tag}> without alt text"]
        for name, value in known.items():
            self._attribute(tag, name, value)
        self.inside, self.text = tag, ""

    handle_startendtag = handle_starttag

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name.startswith("on"):
            self.faults.append(f"the attribute {name}")
        flat = re.sub(r"[\s\x00-\x1f]", "", value).lower()
        if name in _URL_ATTRIBUTES and not _harmless(tag, name, flat):
            self.faults.append(f"{name}={value[:60]!r} on <{tag}>")
        if name == "style":
            self._css(value)

    def handle_data(self, data: str) -> None:
        if self.inside in ("script", "style"):
            self.text += data  # may come in pieces

    def handle_endtag(self, tag: str) -> None:
        if self.inside == "script" and self.text not in self.trusted:
            self.faults.append("a script that is not ours")
        if self.inside == "style" and self.text not in self.trusted:
            self._css(self.text)
        self.inside, self.text = "", ""

    def close(self) -> None:
        super().close()
        self.handle_data(self.rawdata)  # a style that is never closed holds for a browser, too
        self.handle_endtag(self.inside)

    def _css(self, text: str) -> None:
        if re.search(r"@import|expression\(|url\(\s*[\"']?(?!#|data:image/png)", text, flags=re.I):
            self.faults.append("a style that asks for something")


def _harmless(tag: str, name: str, value: str) -> bool:
    if name == "href" and tag == "a":
        ours = r"(?:\.\./|slides/)?[\w-]+(?:\.failed)?\.html(?:#|$)|results/[\w/-]+\.(?:csv|parquet)$"
        return bool(re.match(rf"https://|#|{ours}", value))
    return value.startswith(("#", "data:image/png;base64,"))


def machine_words() -> set[str]:
    """Words that tell where a page was made: folders, the host, the user's home, secrets of the environment."""
    words = {str(ROOT), str(Path.home()), tempfile.gettempdir(), str(ROOT.parent)}
    words |= {w.replace("\\", "/") for w in words}
    host, user = socket.gethostname(), _user()
    words |= {w for w in (host, user) if len(w) >= 6 and (not w.isalpha() or len(w) >= 10)}
    words |= {value for name, value in os.environ.items() if _SECRET.search(name) and len(value) >= 8}
    return {w for w in words if len(w) > 4}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def faults(page: str, *, words: Iterable[str] | None = None, trusted: Iterable[str] = ()) -> list[str]:
    """What forbids to publish this page; empty when nothing does.

    Parameters
    ----------
    page : str
        The finished HTML.
    words : iterable of str, optional
        Words that must not appear; by default those that tell of this machine.
    trusted : iterable of str
        Scripts and styles that may stand there, letter for letter; by default no script may.

    >>> faults("<p onclick='x()'>hello</p>", words=[])
    ['the attribute onclick']
    """
    trusted = list(trusted)
    look = _Look(trusted)
    look.feed(page)
    look.close()
    for ours in trusted:
        page = page.replace(ours, "")
    called = ["a phone number"] if phones(seen(page)) else []
    return list(dict.fromkeys(look.faults)) + told(page, words=words) + called


def told(text: str, *, words: Iterable[str] | None = None) -> list[str]:
    """What a published text tells of this machine or of a person; empty when it tells nothing.

    >>> told("written in /home/wang/shop by wang@example.org", words=[])
    ['a path of this machine', 'an e-mail address']
    """
    found = ["a path of this machine"] if _PATH.search(text) else []
    found += ["an e-mail address"] if _MAIL.search(text) else []
    known = machine_words() if words is None else words
    return found + (["a word that tells of this machine"] if any(w in text for w in known) else [])
