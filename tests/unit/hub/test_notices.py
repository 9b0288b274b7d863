"""Who hears what, and in which words: pure."""

import dataclasses
import datetime as dt

import pytest

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.notifications.notices import KINDS, Event, Notice, kind_of, notices_of, notices_of_step
from allotment_hub.services.notifications.texts import Line, message_of, plain, sentence
from allotment_profiles.records.record import Record, RecordKind, Source

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)


def stored(*acts: tuple[RecordKind, str]) -> StoredProposal:
    """Return a proposal with records of these acts by these people."""
    records = tuple(
        Record(kind, by, NOW, "h", title="A title", proposal="p", commit=f"c{number}")
        for number, (kind, by) in enumerate(acts)
    )
    return StoredProposal("p", "h", "h", records)


def heard(
    proposal: StoredProposal, *, deciders: tuple[str, ...] = (), channels: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return what each receiver hears of the newest record."""
    notices = notices_of(proposal.records[-1], proposal, deciders, channels)
    return {
        ("#" if place == "channel" else "") + name: notice.event
        for notice in notices
        for place, name in [notice.receiver]
    }


def test_a_proposal_is_told_to_those_who_decide_and_to_the_teams_channel() -> None:
    found = heard(stored(("proposed", "ana")), deciders=("lena", "leo", "ana"), channels=("team",))
    assert found == {"lena": "asked", "leo": "asked", "#team": "asked"}


def test_an_update_is_told_to_each_by_what_it_means_for_them() -> None:
    proposal = stored(("proposed", "ana"), ("commented", "ben"), ("approved", "lena"), ("updated", "ana"))
    assert heard(proposal, deciders=("lena", "leo")) == {"ben": "updated", "lena": "lapsed", "leo": "asked"}


def test_a_dismissed_approval_is_told_to_who_gave_it() -> None:
    proposal = stored(("proposed", "ana"), ("approved", "lena"), ("dismissed", "leo"))
    dismissed = dataclasses.replace(proposal.records[-1], dismisses="c1")
    again = dataclasses.replace(proposal, records=(*proposal.records[:-1], dismissed))
    assert heard(again) == {"lena": "lapsed"}


@pytest.mark.parametrize("kind", ["approved", "rejected", "withdrawn", "merged", "commented"])
def test_steps_are_told_to_who_took_part_but_not_to_who_did_them(kind: RecordKind) -> None:
    proposal = stored(("proposed", "ana"), ("commented", "ben"), ("approved", "lena"), (kind, "lena"))
    found = heard(proposal, channels=("team",))
    assert found.pop("#team", "commented") == kind
    assert found == {"ana": kind, "ben": kind}


def test_live_and_the_first_start_are_told_to_who_proposed_and_commented() -> None:
    proposal = stored(("proposed", "ana"), ("commented", "ben"), ("approved", "lena"), ("merged", "leo"))
    live = list(notices_of_step("live", proposal, "m", "0123456789", ["team"]))
    assert [notice.receiver for notice in live] == [("user", "ana"), ("user", "ben"), ("channel", "team")]
    started = list(notices_of_step("started", proposal, "first", "ben", but="ben"))
    assert [notice.receiver for notice in started] == [("user", "ana")]


def test_somebody_on_a_forge_whom_the_hub_does_not_know_is_named_and_hears_nothing() -> None:
    proposal = stored(("proposed", "ana"), ("commented", ""), ("commented", ""))
    comment = dataclasses.replace(proposal.records[-1], source=Source("gitea", 7, "9", "eve"))
    assert heard(proposal) == {"ana": "commented"}
    text = sentence(Notice(("user", "ana"), "commented", "k", "p"), "A title", comment)
    assert text.startswith("eve on Gitea (pull request 7) commented on")


def test_every_event_has_one_kind_and_one_sentence() -> None:
    events: list[Event] = [event for _, events in KINDS.values() for event in events]
    assert len(events) == len(set(events))
    record = stored(("commented", "ben")).records[0]
    for event in events:
        assert kind_of(event) in KINDS
        if event != "ending":  # its words come with it
            text = sentence(Notice(("user", "x"), event, "k", "p", detail="d"), "A title", record)
            assert "A title" in text
            assert "{" not in text


@pytest.mark.parametrize(
    "text",
    [
        "@channel",
        "<!here>",
        "<b>x</b>",
        "[x](y)",
        "https://evil.example/x",
        "evil.example",
        "*x*",
        "`x`",
        "#1",
        "a\nb",
        "\u202ex",
    ],
)
def test_text_of_people_is_never_markup_a_mention_or_a_link(text: str) -> None:
    assert text not in plain(text, 100)
    assert plain(text, 100).replace("\u2060", "") == " ".join(text.replace("\u202e", " ").split())


def test_long_text_is_cut_and_many_lines_are_counted() -> None:
    assert len(plain("x" * 1000, 100)) == 100
    message = message_of([Line(f"n{number}", "l") for number in range(30)], "https://x/")
    assert "And 10 more" in message.body
    assert message.subject == "Allotment: 30 things about proposals"
    assert len(message_of([Line("x" * 500, "l")], "https://x/").subject) < 170
