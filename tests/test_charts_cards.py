"""Cards: alt text, valid SVG, hostile words shown as text, the same every time, notes in place of empty cards."""

from xml.etree import ElementTree

import pandas as pd
import pytest

from helpers import charts_cards as c
from helpers.findings import Note, missing

HOSTILE = ["<script>x</script>", "$\\frac{a}{b}$", "--> <b>", "女装 👗", "x" * 9000, ""]
PERSON = pd.DataFrame({
    "kind": ["preference", "consumption", "demographic"], "tag": ["lifestyle", "spend", "age_band"],
    "value": ["rational-saving", "low", "withheld"], "shared_by": pd.array([800, 310, None], dtype="Int64"),
})  # fmt: skip
SEGMENT = PERSON.assign(segment_share=[0.9, 0.4, 0.2], all_share=[0.3, 0.3, 0.2])
CARDS = {
    "person": lambda t: c.person_card(t, name="customer k3f9q2ab", note="only what many share"),
    "segment": lambda t: c.segment_card(t, name="quality-life", note="34 % of all"),
}
EACH = pytest.mark.parametrize("name", CARDS)


@EACH
def test_a_card_says_all_in_its_alt_text(name):
    card = CARDS[name](SEGMENT)
    root = ElementTree.fromstring(card.svg())
    assert root.get("aria-label") == card.alt and all(word in card.alt for word in ("lifestyle", "spend", "low"))
    assert card.svg() == CARDS[name](SEGMENT).svg() and len(card.svg()) < 60_000


def test_numbers_are_in_the_alt_text():
    assert "spend low, shared by 310 or more" in CARDS["person"](PERSON).alt
    assert "withheld" in CARDS["person"](PERSON).alt and "age_band withheld, shared" not in CARDS["person"](PERSON).alt
    assert "90% of the segment, 30% of all" in CARDS["segment"](SEGMENT).alt


@EACH
@pytest.mark.filterwarnings("ignore:Glyph .* missing from font")
@pytest.mark.parametrize("word", HOSTILE)
def test_words_of_the_data_are_drawn_as_text(name, word):
    card = CARDS[name](SEGMENT.assign(value=word, tag=word))
    root = ElementTree.fromstring(card.svg())
    assert not [e for e in root.iter() if e.tag.endswith("script")] and len(card.alt) < 1_000


@EACH
def test_an_empty_card_is_a_note(name):
    note = CARDS[name](missing(list(SEGMENT.columns), "too few users"))
    assert isinstance(note, Note) and "too few users" in note.text


def test_a_card_of_which_all_is_withheld():
    assert "withheld" in CARDS["person"](PERSON.assign(shared_by=pd.array([None] * 3, dtype="Int64"))).alt
