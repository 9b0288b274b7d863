"""What notices say: plain sentences, in which the text of people stays text. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.services.notifications.notices import Event, Notice
from allotment_profiles.records.record import Record

_LONGEST_TITLE = 120
_LONGEST_TEXT = 300
_JOINER = "\u2060"
"""A character without width. Where it stands, no program takes what is around it for a mention or an address."""
_STEERING = re.compile(r"([@#<>`*_~|\[\]()])|(://)|(?<=\w)(\.)(?=\w)")
MAXIMUM_LINES = 20
"""How many notices one message has in full."""


@dataclass(frozen=True, slots=True)
class Line:
    """One notice in words, with the page that it leads to."""

    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to a receiver at one time."""

    subject: str
    body: str


def plain(text: str, longest: int) -> str:
    """Return a text of people on one line, so that no receiver takes a part of it for a mention, markup or a link."""
    kept = "".join(" " if unicodedata.category(each)[0] in "CZ" else each for each in text)
    short = " ".join(kept.split())
    short = short if len(short) <= longest else short[: longest - 1] + "…"
    return _STEERING.sub(lambda found: _JOINER.join(("", *found[0], "")), short)


_SENTENCES: Mapping[Event, str] = {
    "asked": "{by} proposed {called}. It waits for your approval.",
    "updated": "{by} updated {called}.",
    "commented": "{by} commented on {called}: {said}",
    "approved": "{by} approved {called}.",
    "rejected": "{by} rejected {called}: {said}",
    "withdrawn": "{by} withdrew {called}.",
    "merged": "{by} merged {called}.",
    "lapsed": "Your approval of {called} does not count any more: it is not what you approved. Look at it again.",
    "live": "{called} is live at revision {detail}.",
    "started": "{called} was first started by {detail}.",
    "late": "{called} waits for an approval since {detail}.",
}
_IN_CHANNELS = {"asked": "{by} proposed {called}."}


def sentence(notice: Notice, title: str, record: Record | None = None) -> str:
    """Return a notice of a proposal as a sentence."""
    own = _IN_CHANNELS if notice.receiver[0] == "channel" else {}
    if notice.event == "asked" and record and record.kind == "updated":
        own = {"asked": "{by} updated {called}. It waits for your approval."}
    return own.get(notice.event, _SENTENCES[notice.event]).format(
        by=_who(record) if record else "Somebody",
        called=f"“{plain(title, _LONGEST_TITLE)}”",
        said=plain(record.text, _LONGEST_TEXT) if record else "",
        detail=plain(notice.detail, _LONGEST_TEXT),
    )


def _who(record: Record) -> str:
    """Return who did what is recorded. Of somebody on a forge whom the hub does not know, their account there."""
    if record.by or record.source is None:
        return plain(record.by, 60)
    return f"{plain(record.source.login, 60)} on {record.source.place}"


def message_of(lines: Sequence[Line], root: str) -> Message:
    """Return one message for some notices. `root` is the address of the service."""
    first = [f"{line.text}\n{line.link}" for line in lines[:MAXIMUM_LINES]]
    more = len(lines) - len(first)
    parts = [*first, *([f"And {more} more: {root}proposals"] if more else [])]
    subject = lines[0].text if len(lines) == 1 else f"{len(lines)} things about proposals"
    subject = subject if len(subject) <= 150 else subject[:149] + "…"
    return Message(f"Allotment: {subject}", "\n\n".join([*parts, f"What you hear of: {root}notifications"]) + "\n")
