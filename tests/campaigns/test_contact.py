"""Messages, consent, quiet hours and overlap, by hand and against an independent count in pandas."""

import ibis
import numpy as np
import pandas as pd
import pytest

from helpers.campaigns import contact
from helpers.campaigns.errors import ExperimentError
from helpers.engine import as_table
from helpers.findings import Estimate, missing

START = pd.Timestamp("2024-01-01")
FLAGS = "email: consent_email, push: consent_push"


def messages(n=400, *, seed=0, users=30):
    rng = np.random.default_rng(seed)
    at = int(START.timestamp()) + np.sort(rng.integers(0, 28 * 86_400, n))
    table = pd.DataFrame({"contact_id": np.arange(n), "user_id": rng.integers(0, users, n), "sent_at": at})
    table["campaign_id"] = rng.choice(["a", "b", "c"], n)
    table["channel"] = rng.choice(["email", "push", "post"], n)
    table["opted_out"] = rng.random(n) < 0.05
    when = pd.to_datetime(at, unit="s")
    return table.assign(day=when.date, hour=when.hour)


def people(users=30, *, seed=1):
    rng = np.random.default_rng(seed)
    given = {c: pd.array(rng.choice([True, False, None], users), "boolean") for c in ("consent_email", "consent_push")}
    return pd.DataFrame({"user_id": np.arange(users), **given})


@pytest.mark.parametrize("seed", range(3))
def test_messages_a_week_against_pandas(seed):
    sent = messages(seed=seed)
    found = contact.weekly_contacts(as_table(sent), start=START, most=4, min_cell=1)
    week = (pd.to_datetime(sent.day) - START).dt.days // 7
    counts = sent.groupby(["user_id", week]).size().clip(upper=4).value_counts()
    every = found[found.channel == "all channels"].set_index("messages")
    assert every.person_weeks.to_dict() == counts.to_dict()
    assert every.share.sum() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_weekly_load_against_pandas(seed):
    sent = messages(seed=seed)
    found = contact.weekly_load(as_table(sent), start=START, min_cell=1)
    week = (pd.to_datetime(sent.day) - START).dt.days // 7
    mean = sent.groupby([week, "user_id"]).size().groupby(level=0).mean()
    assert found[found.who == "mean"].messages.tolist() == pytest.approx(mean.tolist())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("within_days", [0, 3, 30])
def test_campaigns_at_once_against_a_day_by_day_count(seed, within_days):
    sent = messages(40, seed=seed, users=8)
    sent["sent_at"] += sent.campaign_id.map({"a": 0, "b": 20, "c": 33}) * 86_400
    found = contact.overlap(as_table(sent), within_days=within_days, min_cell=1)
    span = sent.groupby("campaign_id").sent_at.agg(["min", "max"])
    span["max"] += within_days * 86_400
    most = [
        max(sum(span["min"][c] <= t <= span["max"][c] for c in part.campaign_id.unique()) for t in span["min"])
        for _, part in sent.groupby("user_id")
    ]
    # a person's campaigns run at some start of a campaign, or one at a time
    expected = pd.Series(most).clip(lower=1).value_counts().sort_index()
    assert dict(zip(found.campaigns_at_once.astype(int), found.people, strict=True)) == expected.to_dict()


def test_rare_numbers_of_campaigns_are_merged():
    sent = pd.DataFrame({"user_id": [*range(20), 0, 1, 0], "campaign_id": ["a"] * 20 + ["b", "b", "c"]})
    found = contact.overlap(as_table(sent.assign(sent_at=5)), min_cell=10)
    assert found.values.tolist() == [["1 or more", 20, 1.0]]
    found = contact.overlap(as_table(sent.assign(sent_at=5)), min_cell=2)
    assert found.campaigns_at_once.tolist() == ["1", "2 or more"] and found.people.tolist() == [18, 2]


def test_the_matrix_of_campaigns_by_hand():
    sent = pd.DataFrame({"user_id": [1, 2, 3, 1, 2, 9], "campaign_id": list("aaabbc"), "sent_at": range(6)})
    found = contact.overlap_matrix(as_table(sent), min_cell=1)
    assert found.loc["a", "b"] == pytest.approx(2 / 3) and found.loc["b", "a"] == 1 and found.loc["c", "a"] == 0
    hidden = contact.overlap_matrix(as_table(sent), min_cell=3)
    assert np.isnan(hidden.loc["a", "b"]) and np.isnan(hidden.loc["c", "a"]) and hidden.loc["a", "c"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_consent_against_pandas(seed):
    sent, who = messages(seed=seed), people(seed=seed)
    found = contact.consent(as_table(sent), as_table(who), columns=FLAGS, min_cell=1).set_index("channel")
    mine = sent.merge(who, on="user_id")
    given = mine.consent_email.where(mine.channel == "email", mine.consent_push.where(mine.channel == "push"))
    first = mine[mine.opted_out].groupby(["user_id", "channel"]).sent_at.min().rename("out")
    late = mine.join(first, on=["user_id", "channel"]).eval("sent_at > out").fillna(False).astype(bool)
    expected = {"without_consent": given.eq(False), "consent_unknown": given.isna(), "after_opt_out": late}
    for name, cell in expected.items():
        assert found[name].to_dict() == cell.fillna(False).groupby(mine.channel).sum().astype(int).to_dict()
    bad = (given.eq(False).fillna(False) | late).groupby(mine.channel).mean()
    assert found.incident_share.to_dict() == pytest.approx(bad.to_dict())


def test_without_users_all_consent_is_unknown():
    found = contact.consent(as_table(messages()), None, columns=FLAGS)
    assert (found.consent_unknown == found.messages).all() and not found.allowed.any()
    assert "consent is unknown for 100%" in contact.incidents(found).reason


@pytest.mark.parametrize("words", ["email", "email: mail", "email consent_email", ": consent_push"])
def test_consent_words_that_cannot_be_read_are_refused(words):
    with pytest.raises(ExperimentError, match="consent"):
        contact.consent_columns(words)


def test_a_channel_that_needs_no_consent_is_allowed_and_one_without_a_word_unknown():
    found = contact.consent(as_table(messages()), None, columns="post: none", min_cell=1).set_index("channel")
    assert found.consent_unknown["post"] == 0 and found.consent_unknown["email"] == found.messages["email"]


def test_consent_by_hand_with_an_opt_out():
    sent = pd.DataFrame({"contact_id": [1, 2, 3, 4], "user_id": [1, 1, 1, 2], "channel": ["email"] * 3 + ["push"]})
    sent = sent.assign(sent_at=[10, 20, 30, 40], opted_out=[False, True, False, None])
    who = pd.DataFrame({"user_id": [1, 2], "consent_email": [True, True], "consent_push": [True, False]})
    found = contact.consent(as_table(sent), as_table(who), columns=FLAGS, min_cell=1)
    # one e-mail after the opt-out of 20, one push message without consent
    assert found[["allowed", "without_consent", "after_opt_out"]].values.tolist() == [[2, 0, 1], [0, 1, 0]]
    assert contact.incidents(found).value == 0.5


@pytest.mark.parametrize(("first", "until", "share"), [(22, 8, 10 / 24), (0, 6, 0.25), (5, 5, 0.0), (20, 0, 4 / 24)])
def test_quiet_hours_wrap_over_midnight(first, until, share):
    table = as_table(pd.DataFrame({"user_id": 1, "hour": range(24), "opted_out": False}))
    found = contact.quiet_hours(table, quiet_from=first, quiet_until=until, min_cell=1)
    assert found.share.iloc[0] == pytest.approx(share) and found.share.sum() == pytest.approx(1)


def test_quiet_hours_refuse_hours_that_are_not():
    with pytest.raises(ExperimentError, match="0 to 23"):
        contact.quiet_hours(as_table(messages()), quiet_from=24, quiet_until=8)


def test_hours_of_the_day_against_pandas():
    sent = messages()
    found = contact.sends_by_hour(as_table(sent)).set_index("hour")
    assert found.messages[found.messages > 0].to_dict() == sent.hour.value_counts().sort_index().to_dict()


NO_MESSAGES = as_table(messages(1)).filter(ibis._.contact_id < 0)


@pytest.mark.parametrize(
    "table",
    [
        lambda m: contact.weekly_contacts(m, start=START),
        lambda m: contact.weekly_load(m, start=START),
        lambda m: contact.overlap(m),
        lambda m: contact.overlap_matrix(m),
        lambda m: contact.consent(m, None, columns=FLAGS),
        lambda m: contact.quiet_hours(m, quiet_from=22, quiet_until=8),
        lambda m: contact.sends_by_hour(m),
    ],
)
def test_no_messages_give_a_reason(table):
    found = table(NO_MESSAGES)
    assert found.empty and found.attrs["reason"]


def test_messages_without_campaigns_or_opt_outs():
    bare = as_table(messages()).drop("campaign_id", "opted_out")
    assert "campaign" in contact.overlap(bare).attrs["reason"]
    assert "campaign" in contact.overlap_matrix(bare).attrs["reason"]
    assert list(contact.quiet_hours(bare, quiet_from=22, quiet_until=8)) == ["time", "messages", "share"]
    unknown = as_table(messages().assign(opted_out=pd.array([None] * 400, "boolean")))
    assert list(contact.quiet_hours(unknown, quiet_from=22, quiet_until=8)) == ["time", "messages", "share"]
    assert (contact.consent(bare, None, columns=FLAGS).after_opt_out == 0).all()


def test_checks_name_what_is_wrong_and_the_cure():
    everyone = pd.DataFrame({"spend": [1.0, -2.0], "margin": [1.0, None]})
    nobody = missing(["arm"], "no campaign is a randomised test")
    found = contact.checks(everyone, nobody, as_table(messages()), unit_cost=None).set_index("check").answer
    assert found["a randomised test of frequencies"] == "no campaign is a randomised test"
    assert found["no negative sales"].startswith("1 participants have sales below 0")
    assert found["margins of the orders"] == "not known for 1 participants"


def test_another_campaign_that_pressed_one_arm_is_found():
    users = pd.DataFrame({"user_id": range(200), "campaign_id": "test", "arm": ["control", "two"] * 100})
    users = users.assign(per_week=[0.0, 2.0] * 100, starts_at=0, weeks=1.0)
    rng = np.random.default_rng(0)
    reached = rng.choice(np.arange(1, 200, 2), 60, replace=False)
    other = as_table(pd.DataFrame({"user_id": reached, "campaign_id": "news", "sent_at": 100}))
    everyone = pd.DataFrame({"spend": [1.0], "margin": [1.0]})
    found = contact.checks(everyone, users, other, unit_cost=0.1).set_index("check").answer
    assert found.iloc[-1] == "60 messages of other campaigns, not alike in all arms"
    assert (found.iloc[:-1] == "yes").all()


def test_incidents_of_nothing():
    assert contact.incidents(missing(["messages"], "no messages were sent")) == Estimate.missing(
        "no messages were sent"
    )
