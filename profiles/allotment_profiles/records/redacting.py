"""Redacted texts: in their place stands who redacted them, when and why. Pure.

The commits of the log stay as they are, so the chain and its signatures are checked as ever.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from allotment_profiles.records.record import Record


def tombstone(redaction: Record) -> str:
    """Return what stands in the place of a redacted text."""
    return f"Redacted by {redaction.by} on {redaction.time.date().isoformat()}: {redaction.text}"


def tombstones(redactions: Sequence[Record]) -> Mapping[str, str]:
    """Return what stands in the place of each redacted text, by its commit. The records are oldest first."""
    found: dict[str, str] = {}
    for record in reversed(redactions):  # the reason of one may be redacted by a later one
        if record.kind == "redacted":
            shown = replace(record, text=found.get(record.commit, record.text))
            found[record.redacts] = tombstone(shown)
    return found


def with_tombstones(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return the records of a proposal, oldest first, without the texts that are redacted."""
    found = tombstones(records)
    if not found:
        return tuple(records)
    return tuple(
        without_words(record, found[record.commit]) if record.commit in found else record for record in records
    )


def without_words(record: Record, shown: str) -> Record:
    """Return a record with what is shown in the place of its text. A title that somebody wrote and evidence go, too."""
    title = f"Redacted: {record.source.place}" if record.own_title and record.source else record.title
    return replace(record, text=shown, title=title, has_evidence=False, redacted=True)
