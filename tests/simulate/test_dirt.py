from collections import Counter

import pytest

from helpers.simulate import SettingsError, ShopSettings
from helpers.simulate.dirt import soil

HEADER = b"user_id,item_id,category_id,behavior,timestamp"


@pytest.fixture(scope="module")
def shops(make):
    return make(dirt=True), make(dirt=False)


def test_taking_out_the_planted_lines_gives_the_clean_log(shops):
    dirty, clean = ((s.folder / "events.csv").read_bytes().splitlines() for s in shops)
    rest = Counter(dirty) - Counter(clean)
    assert sum(rest.values()) == len(dirty) - len(clean)
    assert not Counter(clean) - Counter(dirty)


def test_every_kind_of_fault_is_counted_exactly(shops):
    dirty, clean = ((s.folder / "events.csv").read_bytes().splitlines() for s in shops)
    rows = [line.split(b",") for line in (Counter(dirty) - Counter(clean)).elements()]
    seen = Counter(kind(row, set(clean)) for row in rows)
    said = shops[0].json("dirt")["events"]
    assert said.pop("clean rows") == len(clean) - 1
    assert dict(seen) == said


def kind(row: list[bytes], clean: set[bytes]) -> str:
    """An oracle of its own: what is wrong with a planted line?"""
    line = b",".join(row)
    if line == HEADER:
        return "repeated header"
    if line in clean:
        return "duplicate"
    if not line:
        return "blank"
    if len(row) < 5:
        return "too few fields"
    if not row[0]:
        return "missing key"
    if not row[1].isdigit():
        return "bad integer"
    return "unknown behaviour" if row[3] not in (b"pv", b"fav", b"cart", b"buy") else "out of window"


def test_the_other_tables_stay_clean(shops):
    names = set(shops[0].manifest["files"]) - {"events.csv", "truth/dirt.json"}
    assert all(shops[0].sha(name) == shops[1].sha(name) for name in names)


def test_too_few_events_for_the_faults_are_refused():
    with pytest.raises(SettingsError, match="2 events are too few"):
        soil(b"1,2,3,pv,4\n1,2,3,pv,5\n", ShopSettings())
