"""What the data can answer: rules on facts, the cache of facts, and refusals on real rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import answerability as ask
from helpers import study as study_module
from helpers.facts import NO_EVENTS
from helpers.findings import NotAnswerable
from helpers.notebook import open_study
from helpers.study import load_study
from helpers.tables import NEEDS, TABLES
from tests.logs import as_events, random_log

GOOD = {
    **NO_EVENTS,
    **{"rows": 10**6, "users": 5000, "items": 900, "categories": 90, "days": 182, "buyers": 2000},
    **{"repeat_buyers": 900, "repeat_day_buyers": 700, "joined_on": True},
    "behaviors": {"pv": 900_000, "fav": 30_000, "cart": 50_000, "buy": 20_000},
    "selection": {"verdict": "ordinary", "known_users": 2000, "end_days": 2},
    "clock": {"verdict": "plausible", "trough": 4, "peak": 21},
    "edges": {e: {"cut": False, "hour": 0.0, "missing_share": 0.0} for e in ("first", "last")},
    "thinning": {"verdict": "full", "chained_rate": 0.6},
}
SELECTED = GOOD | {
    "selection": GOOD["selection"] | {"verdict": "selected", "absent_rate": 0.005, "usual_absent_rate": 0.2}
}


def answers(facts: dict, *tables: str) -> dict[str, ask.Answer]:
    """Question → answer, for a study with these tables (all by default)."""
    return {q.question: ask.answer(q, facts, tables or tuple(TABLES)) for q in ask.QUESTIONS}


def of(facts: dict, word: str, *tables: str) -> ask.Answer:
    """The one answer whose question holds `word`."""
    return next(a for q, a in answers(facts, *tables).items() if word in q)


def test_questions_are_plain_unique_and_tied_to_known_tables() -> None:
    texts = [q.question for q in ask.QUESTIONS]
    assert len(set(texts)) == len(texts) and all(t.endswith("?") for t in texts)
    assert all(t in TABLES for q in ask.QUESTIONS for need in q.tables for t in need.split(" or "))


def test_every_notebook_with_needs_asks_a_question() -> None:
    asked = {q.notebook for q in ask.QUESTIONS}
    assert {n for n in NEEDS if n != "00_start_here"} <= asked


def test_a_good_log_with_all_tables_answers_everything() -> None:
    found = answers(GOOD).values()
    assert {a.answer for a in found} == {"answerable", "with caveat"}
    assert {a.notebook[:2] for a in found if a.answer == "with caveat"} == {"24", "52", "56"}


@pytest.mark.parametrize(
    "word", ["grow", "cohorts", "new users", "lifecycle", "churn", "CLV", "promotion", "out of the ordinary"]
)
def test_a_selected_log_is_refused(word: str) -> None:
    answer = of(SELECTED, word)
    assert answer.answer == "not answerable" and "selected on activity" in answer.because


def test_the_refusal_of_cohorts_names_the_figures_of_the_test() -> None:
    assert "99.5% of the 2,000 users seen in the first third" in of(SELECTED, "cohorts").because
    assert "at other times at most 80.0% are" in of(SELECTED, "cohorts").because


@pytest.mark.parametrize("word", ["How many people", "visits", "put into the cart", "prefer", "looked at or bought"])
def test_a_selected_log_still_answers_what_happens_within_the_window(word: str) -> None:
    assert of(SELECTED, word).answer == "answerable"


@pytest.mark.parametrize("word", ["(R and F)", "behave alike", "buy next"])
def test_a_selected_log_gives_caveats(word: str) -> None:
    assert of(SELECTED, word).answer == "with caveat"


def test_a_log_too_small_to_test_gives_a_caveat_not_a_refusal() -> None:
    answer = of(GOOD | {"selection": {"verdict": "cannot tell"}}, "churn")
    assert answer.answer == "with caveat" and "too short or too small" in answer.because


def test_new_users_need_a_day_of_registration_or_a_long_log() -> None:
    nobody_knows = GOOD | {"joined_on": False}
    assert of(nobody_knows, "new users").answer == "with caveat"
    assert of(nobody_knows | {"days": 30}, "new users").answer == "not answerable"
    assert of(GOOD | {"days": 30}, "new users").answer == "answerable"


def test_one_kind_of_action_makes_no_funnel() -> None:
    answer = of(GOOD | {"behaviors": {"pv": 9, "buy": 0}}, "put into the cart")
    assert answer.answer == "not answerable" and "(pv)" in answer.because


def test_no_purchase_leaves_a_funnel_with_a_caveat() -> None:
    none = GOOD | {"buyers": 0, "behaviors": {"pv": 9, "cart": 3, "buy": 0}}
    assert of(none, "put into the cart").answer == "with caveat"
    assert "fewer than 30 users bought" in of(none, "How long does it take").because


def test_thinned_rows_tear_visits() -> None:
    assert of(GOOD | {"thinning": {"verdict": "thinned", "chained_rate": 0.1}}, "visits").answer == "with caveat"


def test_missing_tables_are_named() -> None:
    assert of(GOOD, "randomised", "events").because == "needs the tables campaigns, assignments, orders"


def test_an_empty_log_answers_nothing_but_its_account() -> None:
    found = [a for a in answers(dict(NO_EVENTS) | {"joined_on": False}, "events").values() if a.answer != ask.NO]
    assert [a.question for a in found] == ["Is every line of every file accounted for?"]


def test_a_future_part_is_named_by_its_topic_until_its_notebook_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    question = ask.Question("77 topic", "Why?")
    assert question.notebook == "77 topic"
    monkeypatch.setitem(NEEDS, "77_topic", ("events",))
    assert question.notebook == "77_topic"


def test_a_notebook_is_refused_only_when_all_its_questions_are() -> None:
    no, yes = ask.Answer("x", "A?", ask.NO, "why"), ask.Answer("x", "B?", ask.YES)
    assert ask.Assessment(answers=(no,)).refusal("x") == "why"
    assert ask.Assessment(answers=(no, yes)).refusal("x") == ask.Assessment().refusal("x") == ""
    assert ask.Assessment(answers=(no, yes)).caveats("x") == ["A? Not answerable: why."]


def test_a_shifted_clock_warns_and_leaves_a_caveat() -> None:
    shifted = GOOD | {"clock": {"verdict": "shifted", "trough": 20, "peak": 13, "shift_hours": 8}}
    assert "peak at 13 h" in ask.warnings(shifted, {})[0]
    assert of(shifted, "How many people").answer == "with caveat"


def test_cut_days_cut_files_and_notes_are_said() -> None:
    cut = GOOD | {"edges": GOOD["edges"] | {"first": {"cut": True, "hour": 8.0, "missing_share": 0.1}}}
    manifest = {"notes": ["times are milliseconds"], "inputs": [{"rejects": {"truncated last line": 1}}]}
    said = " ".join(ask.warnings(cut, {"events": manifest}))
    assert "starts at 8.0 h" in said and "milliseconds" in said and "ends inside a line" in said


def test_facts_are_computed_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_module, "CACHE", tmp_path)
    study, events = load_study("userbehavior"), as_events(random_log(users=50, days=9))
    first = ask.assess(study, {"events": events}, data_hash="a")
    monkeypatch.setattr(ask, "log_facts", lambda *a, **k: pytest.fail("computed again"))
    assert ask.assess(study, {"events": events}, data_hash="a") == first
    assert [p.name for p in (tmp_path / study.name).iterdir()] == ["facts.json"]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": "other", "facts": {}}'])
def test_damaged_or_stale_facts_are_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(study_module, "CACHE", tmp_path)
    study, tables = load_study("userbehavior"), {"events": as_events(random_log(users=50, days=9))}
    first = ask.assess(study, tables, data_hash="a")
    (tmp_path / study.name / "facts.json").write_text(damage, encoding="utf-8")
    assert ask.assess(study, tables, data_hash="a") == first


def test_a_changed_digit_in_the_kept_facts_is_found(tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    facts = ask._kept(file, "a", lambda: {"users": 50})
    file.write_text(file.read_text(encoding="utf-8").replace("50", "58"), encoding="utf-8")
    assert ask._kept(file, "a", lambda: facts) == {"users": 50}
    assert ask._kept(file, "a", lambda: pytest.fail("computed again")) == facts


def test_other_data_or_another_zone_have_other_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load_study("userbehavior")
    keys = {ask._key(s, h) for s in (study, study.model_copy(update={"time_zone": "UTC"})) for h in ("a", "b")}
    assert len(keys) == 4


def test_facts_are_plain_json() -> None:
    found = ask.assess(load_study("userbehavior"), {"events": as_events(random_log(users=50, days=9))})
    assert json.loads(json.dumps(found.facts, allow_nan=False)).keys() == found.facts.keys()


def test_a_study_without_events_can_still_be_asked() -> None:
    found = ask.assess(load_study("userbehavior"), {})
    assert found.facts["rows"] == 0 and found.table()["answer"].isin(ask.ANSWERS).all()


# -- real rows: reference values, section 1 ----------------------------------------------------------------------------


@pytest.fixture
def head(shared_data, study_file) -> Path:
    """A study on the real head file."""
    return study_file(events=shared_data("UserBehavior_head.csv"))


def test_real_head_facts(head: Path) -> None:
    facts = open_study(head, "10_data_quality").assessment.facts
    counts = {"rows": 84440, "users": 815, "items": 55344, "categories": 2913, "buyers": 559, "repeat_buyers": 373}
    assert {k: facts[k] for k in counts} == counts
    assert facts["behaviors"] == {"pv": 75837, "cart": 4497, "fav": 2356, "buy": 1750}
    assert [d["users"] for d in facts["daily"]] == [576, 603, 592, 603, 596, 599, 607, 799, 801]
    assert round(facts["daily"][7]["comeback_rate"], 3) == 0.976
    assert facts["clock"] == {"verdict": "plausible", "trough": 3, "peak": 21}


def test_real_head_is_selected_and_says_so(head: Path) -> None:
    study = open_study(head, "32_segments")
    assert study.assessment.facts["selection"]["verdict"] == "selected"
    assert "Selected on activity: 100.0%" in study._repr_html_()
    refused = {a.notebook[:2] for a in study.assessment.answers if a.answer == "not answerable"}
    assert {"22", "33", "34", "24", "50"} <= refused and not {"21", "23", "30", "32", "40", "41"} & refused


def test_real_head_refuses_the_experiment(head: Path) -> None:
    with pytest.raises(NotAnswerable, match="campaigns, assignments, orders"):
        open_study(head, "50_experiment")


def test_real_head_read_in_utc_is_noticed(shared_data, study_file) -> None:
    utc = study_file(events=shared_data("UserBehavior_head.csv"), top={"time_zone": "UTC"})
    study = open_study(utc, "20_traffic")
    assert study.assessment.facts["clock"]["peak"] == 13 and "Time zone:" in study._repr_html_()


def test_real_head_cut_at_midnight_utc_is_noticed(shared_data, study_file, tmp_path: Path) -> None:
    lines = shared_data("UserBehavior_head.csv").read_text(encoding="utf-8").splitlines(keepends=True)[:-1]
    inside = [x for x in lines if 1511568000 <= int(x.rsplit(",", 1)[1]) < 1512345600]
    (tmp_path / "cut.csv").write_text("".join(inside), encoding="utf-8")
    study = open_study(study_file(events=tmp_path / "cut.csv"), "10_data_quality")
    assert "the first day starts at 8.0 h" in study._repr_html_()


def test_real_head_thinned_is_noticed(shared_data, study_file, tmp_path: Path) -> None:
    lines = shared_data("UserBehavior_head.csv").read_text(encoding="utf-8").splitlines(keepends=True)[:-1]
    (tmp_path / "thin.csv").write_text("".join(lines[::10]), encoding="utf-8")
    thinned = open_study(study_file(events=tmp_path / "thin.csv"), "10_data_quality").assessment
    assert thinned.facts["thinning"]["verdict"] == "thinned" and any("Thinned" in w for w in thinned.warnings)
