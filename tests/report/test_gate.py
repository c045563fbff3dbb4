"""The gate: what stops a publication."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.report.gate import faults, machine_words
from helpers.study import ROOT


@pytest.mark.parametrize(
    "part",
    [
        "<script>x</script>",
        "<SCRIPT SRC='x'></SCRIPT>",
        "<p onclick=x>",
        "<svg aria-label='a' onload=x></svg>",
        "<a href='javascript:x'>",
        "<a href=' java\nscript:x'>",
        "<a href='http://example.com'>",
        "<a href='data:text/html,x'>",
        "<a href='file:///etc/passwd'>",
        "<img alt='a' src='https://example.com/x.png'>",
        "<img alt='a' src='x.png'>",
        "<img src='data:image/png;base64,AA=='>",
        "<svg></svg>",
        "<svg aria-label=' '></svg>",
        "<link rel=stylesheet href=x>",
        "<base href='//x'>",
        "<iframe></iframe>",
        "<form action='https://x'>",
        "<p style='background: url(//x)'>",
        "<style>@import 'x'</style>",
        "<style>p { background: url(https://x) }</style>",
        "<use href='https://x#a'/>",
        "<p>/home/li/shop.csv</p>",
        "<p>C:\\Users\\li</p>",
        f"<p>{ROOT}</p>",
        f"<p>{Path.home()}/x</p>",
    ],
)
def test_these_stop_a_page(part: str) -> None:
    assert faults(part)


@pytest.mark.parametrize(
    "part",
    [
        "<p>text &lt;script&gt; and 1/2, https://example.com as text</p>",
        "<a href='https://doi.org/10.1/x' rel='noopener'>",
        "<a href='#a'>",
        "<a href='21_funnel.html#a'>",
        "<img alt='a' src='data:image/png;base64,AA=='>",
        "<svg role='img' aria-label='a'><use href='#b'/></svg>",
        "<svg aria-hidden='true'></svg>",
        "<p style='clip-path: url(#a)'>",
        "<p>items/home and and/or/and</p>",
    ],
)
def test_these_may_pass(part: str) -> None:
    assert faults(part, words=[]) == []


def test_words_of_the_machine_stop_a_page() -> None:
    assert faults("<p>from build-host-7</p>", words=["build-host-7"]) == ["a word that tells of this machine"]


@pytest.mark.parametrize(
    ("host", "told"),
    [("web-01", True), ("db-01", False), ("workstatio", True), ("workstati", False), ("shop-server-of-li", True)],
)
def test_a_host_is_told_by_a_name_that_is_no_plain_word(monkeypatch, host: str, told: bool) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    assert (host in machine_words()) is told


def test_a_folder_is_told_with_either_stroke(monkeypatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: "Q:\\Li\\Temp")
    assert {"Q:\\Li\\Temp", "Q:/Li/Temp"} <= machine_words()


@pytest.mark.parametrize(("value", "told"), [("k7-92xQ4", True), ("k7-92xQ", False)])
def test_a_secret_of_eight_characters_is_one(monkeypatch, value: str, told: bool) -> None:
    monkeypatch.setenv("SHOP_API_KEY", value)
    assert bool(faults(f"<p>{value}</p>")) is told


def test_a_style_that_is_trusted_letter_for_letter_may_ask() -> None:
    asks = "@import 'x'"
    assert faults(f"<style>{asks}</style>", words=[], trusted=[asks]) == []
    assert faults(f"<style>{asks} </style>", words=[], trusted=[asks]) == ["a style that asks for something"]
    assert faults(f'<p style="{asks}">', words=[], trusted=[asks]) == ["a style that asks for something"]


@pytest.mark.parametrize(("folder", "told"), [("/q0z", False), ("/q0zy", True)])
def test_a_folder_of_four_letters_is_told_by_chance(monkeypatch, folder: str, told: bool) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: folder)
    assert (folder in machine_words()) is told


def test_what_the_page_ends_in_is_looked_at() -> None:
    assert faults("<p>text</p><style>@import 'x'", words=[]) == ["a style that asks for something"]
    assert "a script that is not ours" in faults("<script>other", words=[], trusted=["ours"])
    assert faults("<script>ours", words=[], trusted=["ours"]) == []
