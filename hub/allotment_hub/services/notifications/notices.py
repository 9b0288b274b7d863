"""What people hear of: its kinds, and who hears what of a record. Pure."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.records.record import OPENINGS, Record

Event = Literal[
    "asked", "updated", "commented", "approved", "rejected", "withdrawn", "merged", "lapsed", "live", "started",
    "late", "ending",
]  # fmt: skip
KINDS: Mapping[str, tuple[str, frozenset[Event]]] = {
    "deciding": ("A proposal waits for your approval", frozenset({"asked"})),
    "late": ("It still waits after the days that the policy sets", frozenset({"late"})),
    "lapsed": ("Your approval does not count any more", frozenset({"lapsed"})),
    "steps": (
        "A proposal of yours, or that you took part in, was updated, approved, rejected, withdrawn or merged",
        frozenset({"updated", "approved", "rejected", "withdrawn", "merged"}),
    ),
    "comments": ("Somebody commented on it", frozenset({"commented"})),
    "live": ("It is live, and somebody has started a session from it", frozenset({"live", "started"})),
    "ending": ("A grant ends soon, or a profile has to be reviewed, and you can renew it", frozenset({"ending"})),
}
"""What each user can turn off: the name of a kind, what it is, and the events of it."""
_IN_CHANNELS = frozenset({"asked", "approved", "rejected", "withdrawn", "merged", "live", "late"})
"""What a team's channel hears of."""
_STEPS: Mapping[str, Event] = {
    "commented": "commented",
    "approved": "approved",
    "rejected": "rejected",
    "withdrawn": "withdrawn",
    "merged": "merged",
}
"""The events of records that are no opening and no update."""
Receiver = tuple[Literal["user", "channel"], str]


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing for one receiver to hear of."""

    receiver: Receiver
    event: Event
    key: str
    """What the receiver hears of only once."""
    proposal: str = ""
    record: str = ""
    """The commit of the record that it is about, if any; where there is no proposal, the page that it leads to."""
    detail: str = ""
    """A revision, the user of a first start, for whom it waits, or a day."""
    path: str = ""
    """The file that it is about where there is no proposal."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A notice that is to be sent."""

    number: int
    notice: Notice
    queued: dt.datetime
    attempts: int


def kind_of(event: Event) -> str:
    """Return the kind that an event belongs to."""
    return next(name for name, (_, events) in KINDS.items() if event in events)


def participants(stored: StoredProposal) -> frozenset[str]:
    """Return who set a head of a proposal, commented on it or approved it; not people of a forge whom the hub lacks."""
    kinds = ("commented", "approved")
    return (stored.contributors | {record.by for record in stored.records if record.kind in kinds}) - {""}


def followers(stored: StoredProposal) -> frozenset[str]:
    """Return who hears that it is live: who proposed it or commented on it."""
    return (stored.contributors | {record.by for record in stored.records if record.kind == "commented"}) - {""}


def notices_of(
    record: Record, stored: StoredProposal, deciders: Iterable[str], channels: Iterable[str]
) -> Iterator[Notice]:
    """Yield who hears what of a record: each person once, and nobody of what they did themselves.

    `deciders` are those whose approval it waits for; `channels` those of the teams that it is about.
    """
    events: dict[str, Event] = {}
    if record.kind == "updated":
        before = [each for each in stored.records[: _place(record, stored)] if each.kind == "approved"]
        events |= dict.fromkeys(participants(stored), "updated")
        events |= dict.fromkeys(deciders, "asked")
        events |= {each.by: "lapsed" for each in before}
    elif record.kind == "dismissed":
        events |= {each.by: "lapsed" for each in stored.records if each.commit == record.dismisses}
    elif record.kind in OPENINGS:
        events |= dict.fromkeys(deciders, "asked")
    elif told := _STEPS.get(record.kind):
        events = dict.fromkeys(participants(stored), told)
    events.pop(record.by, None)
    for name, event in sorted(events.items()):
        yield Notice(("user", name), event, f"{record.commit} {event} {name}", stored.id, record.commit)
    in_channels: Event | None = "asked" if record.kind in OPENINGS else _STEPS.get(record.kind)
    if in_channels in _IN_CHANNELS and in_channels:
        yield from _to_channels(channels, in_channels, stored.id, record.commit)


def notices_of_step(
    event: Event, stored: StoredProposal, subject: str, detail: str, channels: Iterable[str] = (), but: str = ""
) -> Iterator[Notice]:
    """Yield who hears that a merged proposal is live, or was first started by somebody, who does not hear of it."""
    for name in sorted(followers(stored) - {but}):
        key = f"{stored.id} {event} {subject} {name}"
        yield Notice(("user", name), event, key, stored.id, detail=detail)
    if event in _IN_CHANNELS:
        yield from _to_channels(channels, event, stored.id, "", subject, detail)


def notices_of_waiting(
    stored: StoredProposal, since: str, stages: Iterable[Iterable[str]], channels: Iterable[str]
) -> Iterator[Notice]:
    """Yield who is reminded of an open proposal that waits since a day: each once, at the first stage that has them."""
    for name in sorted({name for stage in stages for name in stage}):
        yield Notice(("user", name), "late", f"{stored.id} late {stored.head} {name}", stored.id, detail=since)
    yield from _to_channels(channels, "late", stored.id, "", stored.head, since)


def _to_channels(
    channels: Iterable[str], event: Event, proposal: str, record: str, subject: str = "", detail: str = ""
) -> Iterator[Notice]:
    for name in sorted(set(channels)):
        key = f"{proposal} {event} {record or subject} #{name}"
        yield Notice(("channel", name), event, key, proposal, record, detail)


def _place(record: Record, stored: StoredProposal) -> int:
    return next(number for number, each in enumerate(stored.records) if each.commit == record.commit)
