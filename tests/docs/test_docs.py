"""README and the guide: links lead somewhere, commands parse, examples load, quoted messages are the program's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from helpers import study as study_module
from helpers.__main__ import app
from helpers.report import check
from helpers.report.build import make_plans
from helpers.study import ROOT, load_study
from tests.docs.messages import MESSAGES, Case

GUIDE = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md", ROOT / "reports/README.md"]
PAGES += sorted(GUIDE.glob("*.md"))
EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?)\s*$", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


@EVERY
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() and target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def commands(page: Path) -> list[str]:
    """The commands of a page: lines of its code blocks, and words in backticks."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text_of(page), flags=re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S))
    found = [x.removeprefix("$ ") for x in lines]
    return [x for x in found if re.match(r"python3? run\.py \w", x) and not x.rstrip().endswith("…")]


def parse(command: str) -> tuple[str, dict]:
    """The name of a command and its options, read by the command line itself; nothing is run."""
    words = shlex.split(command, comments=True)[2:]
    known = typer.main.get_command(app)
    name = words[0]
    assert name in known.commands, command
    return name, known.commands[name].make_context(name, words[1:]).params


@EVERY
def test_every_command_parses(page: Path) -> None:
    for command in commands(page):
        if shlex.split(command, comments=True)[2] in ("pip",):  # run.py itself does it
            continue
        name, given = parse(command)
        if name == "reports" and (given["only"] or given["set_"]) and page.name != "new-notebook.md":
            make_plans(load_study("demo"), only=",".join(given["only"] or []), sets=given["set_"] or [])


def test_there_are_commands_to_parse() -> None:
    assert len([c for page in PAGES for c in commands(page)]) > 20


def quoted() -> list[str]:
    """The messages of the troubleshooting page: the first cells of its tables."""
    return re.findall(r"^\| `(.+?)` \|", text_of(GUIDE / "troubleshooting.md"), flags=re.M)


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    monkeypatch.setattr(study_module, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(check, "STUDIES", tmp_path / "studies")
    return Case(tmp_path)


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_is_in_the_guide(name: str, case: Case) -> None:
    said = MESSAGES[name](case)
    assert any(re.fullmatch(re.escape(m).replace("…", ".+"), said) for m in quoted()), said


def test_the_guide_quotes_no_other_message() -> None:
    assert len(quoted()) == len(set(quoted())) == len(MESSAGES)


def test_the_study_file_of_the_guide_is_one(tmp_path: Path) -> None:
    first, more = re.findall(r"^```yaml\n(.*?)^```", text_of(GUIDE / "own-data.md"), flags=re.M | re.S)
    whole = tmp_path / "studies" / "taobao.yaml"
    whole.parent.mkdir()
    whole.write_text(first, encoding="utf-8")
    assert load_study(whole).tables["events"].paths == [tmp_path / "UserBehavior.csv"]
    whole.write_text(first.partition("tables:")[0] + more, encoding="utf-8")
    assert set(load_study(whole).tables) == {"events", "orders", "items", "campaigns", "assignments"}


def test_the_pictures_are_small_and_have_words() -> None:
    for page in PAGES:
        for words, picture in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text_of(page)):
            assert len(words) > 20 and (page.parent / picture).stat().st_size <= 150_000, picture
