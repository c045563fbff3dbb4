"""What this data can answer: every question of the collection against the tables, the span and the selection.

A question is one line of `QUESTIONS`: which part asks it, which tables it needs, and rules on the facts of the log.
A new notebook adds its questions there; nothing else has to change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from helpers import facts as _facts_module
from helpers import study as _study
from helpers.facts import NO_EVENTS, log_facts, order_facts
from helpers.study import Study
from helpers.tables import NEEDS, absent
from helpers.whole_files import put, seal, unseal

YES, CAVEAT, NO = ANSWERS = ("answerable", "with caveat", "not answerable")

Rule = Callable[[dict[str, Any]], "tuple[str, str] | None"]
"""Facts → None where all is well, else (`CAVEAT` or `NO`, because)."""


@dataclass(frozen=True)
class Answer:
    """One question: can these data answer it, and why (not)?"""

    notebook: str
    question: str
    answer: str
    because: str = ""


@dataclass(frozen=True)
class Assessment:
    """Facts about the log, warnings for every report, and one answer a question."""

    facts: dict = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row a question: notebook, question, answer, because."""
        return pd.DataFrame([vars(a) for a in self.answers], columns=["notebook", "question", "answer", "because"])

    def of(self, notebook: str) -> list[Answer]:
        """The answers that concern one notebook."""
        return [a for a in self.answers if a.notebook == notebook]

    def refusal(self, notebook: str) -> str:
        """Why a notebook cannot run: all its questions are *not answerable*. Empty when at least one can be asked."""
        own = self.of(notebook)
        if not own or any(a.answer != NO for a in own):
            return ""
        return "; ".join(dict.fromkeys(a.because for a in own))

    def caveats(self, notebook: str) -> list[str]:
        """What the reader of a notebook must bear in mind, one sentence a question."""
        own = [a for a in self.of(notebook) if a.answer != YES]
        return [f"{a.question} {a.answer.capitalize()}: {a.because}." for a in own]


# -- rules ------------------------------------------------------------------------------------------------------------


def at_least(fact: str, least: int, because: str, answer: str = NO) -> Rule:
    """The fact must reach `least`; `because` may hold {n} and {least}."""
    return lambda facts: None if facts[fact] >= least else (answer, because.format(n=facts[fact], least=least))


def not_selected(because: str, answer: str = NO, *, figures: bool = False) -> Rule:
    """The users must not have been chosen for being active at the end; where nobody can tell, that is a caveat.

    With `figures` the reason ends with the numbers of the test.
    """

    def rule(facts: dict[str, Any]) -> tuple[str, str] | None:
        verdict = facts["selection"]["verdict"]
        if verdict == "selected":
            numbers = f" ({selection_figures(facts['selection'])})" if figures else ""
            return answer, f"the log is selected on activity at its end: {because}{numbers}"
        if verdict == "cannot tell" and answer == NO:
            return CAVEAT, "the log is too short or too small to test whether its users were selected on activity"
        return None

    return rule


def selection_figures(selection: dict[str, Any]) -> str:
    """What `facts.selection_test` found, in words.

    >>> selection_figures({"absent_rate": 0.0, "known_users": 766, "end_days": 2, "usual_absent_rate": 0.104})
    '100.0% of the 766 users seen in the first third of the log are active in its last 2 days, at other times at most \
89.6% are'
    """
    return (
        f"{1 - selection['absent_rate']:.1%} of the {selection['known_users']:,} users seen in the first third of the "
        f"log are active in its last {selection['end_days']} days, at other times at most "
        f"{1 - selection['usual_absent_rate']:.1%} are"
    )


def clock_is_right(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Hours and days must be those that the customers lived by."""
    return (CAVEAT, "hours and days look shifted; see the time-zone guard") if clock_warnings(facts) else None


def not_thinned(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Users' logs must be whole."""
    if facts["thinning"]["verdict"] != "thinned":
        return None
    return CAVEAT, "the rows look like a random part of each user's log, so visits and paths are torn"


def new_users_are_known(facts: dict[str, Any]) -> tuple[str, str] | None:
    """First seen is not new, unless the day of registration is known or the log reaches far back."""
    if facts["joined_on"]:
        return None
    if facts["days"] < 56:
        return (
            NO,
            f"first seen is not new: the log starts {facts['days']} days before its end and no table has joined_on",
        )
    return CAVEAT, "no table has joined_on; a user not seen for the first four weeks counts as new"


def views_and_more(facts: dict[str, Any]) -> tuple[str, str] | None:
    """A funnel needs two steps."""
    present = [b for b, n in facts["behaviors"].items() if n]
    return None if len(present) > 1 else (NO, f"the log holds one kind of action only ({', '.join(present)})")


def some_history(facts: dict[str, Any]) -> tuple[str, str] | None:
    """Left truncation: what happened before the first day is not in the log."""
    if facts["days"] >= 28:
        return None
    return CAVEAT, "some first looks lie before the log's first day, so these purchases seem to come from nowhere"


BUYERS = "fewer than {least} users bought; a rate or a model of them is noise"
DAYS = "the log spans {n} days; this takes {least}"
PEOPLE = "{n} users are too few; this takes {least}"

# -- questions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """One question: the part that asks it (number and topic), in plain words, with its tables and rules."""

    part: str
    question: str
    tables: tuple[str, ...] = ("events",)
    rules: tuple[Rule, ...] = ()

    @property
    def notebook(self) -> str:
        """The notebook's name where there is one already, else number and topic."""
        return next((n for n in NEEDS if n[:3] == f"{self.part[:2]}_"), self.part)


def _q(part: str, question: str, *rules: Rule, tables: tuple[str, ...] = ("events",)) -> Question:
    return Question(part, question, tables, rules)


EXPERIMENT = ("campaigns", "assignments", "orders")

QUESTIONS: tuple[Question, ...] = (
    _q("10 data quality", "Is every line of every file accounted for?", tables=()),
    _q("10 data quality", "How were these rows chosen, and whom does the log leave out?"),
    _q("20 traffic", "How many people come, when, and what do they do?", clock_is_right),
    _q("20 traffic", "How long are visits, and what happens in them?", not_thinned),
    _q(
        "20 traffic",
        "Does traffic grow?",
        at_least("days", 14, DAYS),
        not_selected("the rise of its last days is how it was made, not growth"),
    ),
    _q("21 funnel", "Which share of those who look put into the cart, and which share buy?",
       views_and_more, at_least("buyers", 1, "nobody bought: the funnel ends before its last step", CAVEAT),
       some_history, not_thinned),
    _q("21 funnel", "How long does it take from the first look to the purchase?",
       at_least("buyers", 30, BUYERS), some_history, not_thinned),
    _q("22 retention", "Do users come back after a day, a week, a month (cohorts)?",
       at_least("days", 14, DAYS), not_selected("everybody comes back at the end, by construction", figures=True)),
    _q("22 retention", "How many new users arrive each day?",
       new_users_are_known, not_selected("users who came once and left are not in it")),
    _q("22 retention", "Who is new, returning, dormant, won back (lifecycle)?",
       at_least("days", 28, DAYS), not_selected("nobody in it is dormant")),
    _q("23 paths", "Which paths lead to a purchase, and which to the exit?", views_and_more, not_thinned),
    _q("24 early warning", "Is a day's figure out of the ordinary?",
       at_least("days", 28, DAYS), not_selected("its last days are high by construction")),
    _q("24 early warning", "What did a promotion change, before against after?",
       at_least("days", 28, DAYS), not_selected("its last days are high with or without a promotion"),
       lambda facts: (CAVEAT, "before against after is no experiment: seasons change, too")),
    _q("30 profiles", "Which tags can each user be given, and for how long do they hold?",
       at_least("users", 30, PEOPLE), at_least("days", 2, DAYS, CAVEAT),
       not_selected("the tags describe users who stayed to the end, not all customers", CAVEAT),
       tables=("events or orders",)),
    _q("30 profiles", "What does each user prefer within the window?",
       at_least("categories", 2, "all items are of one category"), not_thinned, tables=("events or orders",)),
    _q("31 value tiers", "Who was here recently and often within the window (R and F)?",
       at_least("users", 30, PEOPLE),
       not_selected("everybody was here in the last days, so recency says little; frequency holds", CAVEAT),
       tables=("events or orders",)),
    _q("31 value tiers", "Who spends most (M), and what share of sales do the key customers bring?",
       tables=("orders",)),
    _q("32 segments", "Which groups of users behave alike within the window?",
       at_least("users", 50, PEOPLE),
       not_selected("the groups describe users who stayed to the end, not all customers", CAVEAT),
       tables=("events or orders",)),
    _q("33 lifetime value", "What will a customer be worth over a lifetime (CLV)?",
       at_least("days", 84, DAYS), not_selected("nobody in it ever leaves, so a lifetime has no end"),
       at_least("repeat_day_buyers", 100, "{n} users bought on two days; this takes {least}"),
       tables=("orders",)),
    _q("34 intent and churn", "Who will buy next within the window?",
       at_least("buyers", 100, BUYERS), at_least("days", 7, DAYS),
       not_selected("the last days are more active than any other time, so rates are too high", CAVEAT)),
    _q("34 intent and churn", "Who is about to leave (churn)?",
       at_least("days", 56, DAYS), not_selected("whoever left is not in it")),
    _q("40 association rules", "What is looked at or bought together?",
       at_least("users", 30, PEOPLE), at_least("categories", 2, "all items are of one category")),
    _q("41 sequences", "What follows what?",
       at_least("users", 30, PEOPLE), at_least("categories", 2, "all items are of one category"), not_thinned),
    _q("42 recommendation", "Which items should we show to whom?",
       at_least("users", 50, PEOPLE), at_least("items", 20, "the log holds {n} items only")),
    _q("43 feedback", "Are customers content, and what do they complain about?", tables=("feedback",)),
    _q("50 experiment", "Did the campaign work (randomised experiment)?", tables=EXPERIMENT),
    _q("51 uplift", "For whom does the campaign work?", tables=EXPERIMENT),
    _q("52 attribution", "Which channels are given credit for sales?",
       lambda facts: (CAVEAT, "credit is not effect: only an experiment shows what a channel adds"),
       tables=("touchpoints", "orders")),
    _q("53 contact pressure", "How many messages do people get, may they be sent, and when?", tables=("contacts",)),
    _q("53 contact pressure", "How many messages are too many?", tables=("contacts", *EXPERIMENT)),
    _q("54 budget", "What does advertising money return, and how should it be split?", tables=("spend", "orders")),
    _q("55 scenario", "What would plan A earn against plan B?", tables=("orders", "items", *EXPERIMENT)),
    _q("56 no control", "What can be said of a campaign without a control group?",
       lambda facts: (CAVEAT, "not an experiment: its assumption can be refuted, never proved"), tables=EXPERIMENT),
    _q("60 scorecard", "How do the seven groups of indicators stand?",
       not_selected("figures of its last days are high by construction", CAVEAT), tables=("events or orders",)),
    _q("60 scorecard", "How large is our share of the market?", tables=("market", "orders")),
    _q("60 scorecard", "Have we reached our targets?", tables=("targets", "orders")),
)  # fmt: skip


def missing_tables(notebook: str, present: list[str] | tuple[str, ...]) -> list[str]:
    """The tables that the notebook needs and the study does not bring.

    >>> missing_tables("50_experiment", ["events", "orders"])
    ['campaigns', 'assignments']
    """
    return absent(NEEDS[notebook], present)


def answer(question: Question, facts: dict[str, Any], present: list[str] | tuple[str, ...]) -> Answer:
    """The worst of what tables and rules say; all reasons of that degree.

    >>> q = Question("43 feedback", "Are customers content?", ("feedback",))
    >>> answer(q, NO_EVENTS, ["orders"]).because
    'needs the table feedback'
    """
    lacking = absent(question.tables, present)
    said = [(NO, f"needs the table{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}")] if lacking else []
    # without events the facts are those of the orders: they say nothing on a question about events
    log = "events" in present or ("orders" in present and not lacking)
    if log and not facts["rows"] and question.tables:
        said.append((NO, "the log holds no rows"))
    elif log and facts["rows"]:
        said += [s for s in (rule(facts) for rule in question.rules) if s]
    degree = max((ANSWERS.index(a) for a, _ in said), default=0)
    because = "; ".join(dict.fromkeys(b for a, b in said if ANSWERS.index(a) == degree and degree))
    return Answer(question.notebook, question.question, ANSWERS[degree], because)


# -- warnings ---------------------------------------------------------------------------------------------------------


def clock_warnings(facts: dict[str, Any]) -> list[str]:
    """What the hours and the first and last day say about the time zone."""
    found = []
    clock = facts["clock"]
    if clock["verdict"] == "shifted":
        found.append(
            f"Time zone: the quietest hours lie around {clock['trough']} h and the peak at {clock['peak']} h, as if "
            f"the clock were wrong by about {abs(clock['shift_hours'])} hours. Check time_zone in the study file."
        )
    for name, edge in facts["edges"].items():
        if edge["cut"]:
            word = "starts" if name == "first" else "ends"
            found.append(
                f"Time window: the {name} day {word} at {edge['hour']:.1f} h, without hours that usually hold "
                f"{edge['missing_share']:.0%} of a day: the log was cut in another time zone, or within a day."
            )
    return found


def warnings(facts: dict[str, Any], manifests: Mapping[str, dict[str, Any]]) -> tuple[str, ...]:
    """Sentences for the top of every report: what makes all figures of this log doubtful."""
    log = manifests.get("events", manifests.get("orders", {}))
    found = [f"Intake: {note}." for note in log.get("notes", ())]
    cut = sum(f["rejects"].get("truncated last line", 0) for m in manifests.values() for f in m.get("inputs", ()))
    if cut:
        found.append(
            "A file ends inside a line: it is a part of a longer one. What came after the cut is missing; where the "
            "file is sorted by user, the last user's rows are incomplete."
        )
    if not facts["rows"]:
        return tuple(found)
    found += clock_warnings(facts)
    selection = facts["selection"]
    if selection["verdict"] == "selected":
        found.append(
            f"Selected on activity: {selection_figures(selection)}. The users were chosen by their last days: no "
            "loyalty, no growth and no churn can be read from this log."
        )
    if facts["thinning"]["verdict"] == "thinned":
        found.append(
            f"Thinned: only {facts['thinning']['chained_rate']:.0%} of a user's further events fall into the same five "
            "minutes as another one. The rows look like a random part of each user's log."
        )
    return tuple(found)


# -- the assessment, kept beside the data -----------------------------------------------------------------------------


def assess(
    study: Study,
    tables: dict[str, ir.Table],
    *,
    data_hash: str = "",
    manifests: Mapping[str, dict[str, Any]] | None = None,
) -> Assessment:
    """Test the log, then answer every question of the collection.

    The facts cost two scans of the events. They are kept in the study's cache under the hash of the data and of this
    code; with the same `data_hash` the next call reads them and touches no table.

    Parameters
    ----------
    study : Study
        The study; its zone says what a day and an hour are.
    tables : dict of str to ibis Table
        The verified tables; names alone decide which questions can be asked at all.
    data_hash : str
        One hash of all tables; empty: nothing is kept.
    manifests : mapping of str to dict, optional
        Table → intake's manifest, whose notes become warnings.
    """
    if data_hash:
        facts = _kept(_study.CACHE / study.name / "facts.json", _key(study, data_hash), lambda: _facts(study, tables))
    else:
        facts = _facts(study, tables)
    facts = facts | {"joined_on": _brings(tables, manifests or {}, "users", "joined_on")}
    answers = tuple(answer(q, facts, list(tables)) for q in QUESTIONS)
    return Assessment(facts, warnings(facts, manifests or {}), answers)


def _facts(study: Study, tables: dict[str, ir.Table]) -> dict[str, Any]:
    if "events" in tables:
        return log_facts(tables["events"], time_zone=study.time_zone)
    return order_facts(tables["orders"], time_zone=study.time_zone) if "orders" in tables else dict(NO_EVENTS)


def _brings(tables: dict[str, ir.Table], manifests: Mapping[str, dict[str, Any]], table: str, column: str) -> bool:
    """Did the files bring this optional column? The verified table has it in any case, then without values."""
    if table not in tables:
        return False
    return column in (manifests[table]["columns"] if table in manifests else tables[table].columns)


def _key(study: Study, data_hash: str) -> str:
    """What the facts depend on: the data, the zone and window, and the code that computes them."""
    code = Path(_facts_module.__file__).read_bytes() + Path(__file__).read_bytes()
    text = f"{data_hash} {study.time_zone} {study.window.start} {study.window.end} {sorted(study.tables)}"
    return hashlib.sha256(code + text.encode()).hexdigest()


def _kept(file: Path, key: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the file keeps under this key, else the computed value, which is then kept."""
    try:
        kept = unseal(file.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return kept["facts"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent, damaged or of an older form: computed anew
    facts = json.loads(json.dumps(compute(), allow_nan=False))
    put(file, seal({"key": key, "facts": facts}))
    return facts
