"""What an approval and a merge are of: a digest of what a reviewer is shown and a merge decides. Pure.

A head alone says too little: main may change who the same words give the data to, or what has to be approved. The
digest covers the head, the touched files before and after, the changes by meaning, the groups and users, as written,
who gain, and the approvals that are needed. Everything else of main may change without an effect on it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from allotment_hub.forges.stored_proposal import Candidate
from allotment_hub.services.judging.checking import MAXIMUM_SHOWN, Check
from allotment_profiles.model.base import attributes
from allotment_profiles.records.record import Record
from allotment_profiles.review.access_diff import AccessChange, StartChange
from allotment_profiles.review.approvals import Requirement
from allotment_profiles.review.changes import Change

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Lapsed:
    """An approval that does not count any more, since it was of something else."""

    approval: Record
    gone: tuple[str, ...] = ()
    """What was approved and is not so any more, in sentences."""
    new: tuple[str, ...] = ()
    """What is so now and was not approved."""


def digest_of(candidate: Candidate, check: Check) -> str:
    """Return the digest of a judgement: 64 hexadecimal digits."""
    content = {
        "format": FORMAT,
        "head": candidate.head,
        "files": sorted((each.path, each.old_blob, each.mode, each.blob) for each in candidate.changes),
        "changes": [_change(change) for change in check.changes],
        "access": [_gain(gain) for gain in check.access if gain.gains],
        "starts": [_gain(gain) for gain in check.starts if gain.gains],
        "requirements": [_requirement(requirement) for requirement in check.requirements],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sentences_of(check: Check) -> tuple[str, ...]:
    """Return what a digest covers in sentences, to tell what differs between two of them."""
    changes = (change.sentence for change in check.changes)
    gains: Iterable[AccessChange | StartChange] = (*check.access, *check.starts)
    needed = (f"It needs {requirement.text}" for requirement in check.requirements)
    sentences = (*changes, *(gain.text for gain in gains if gain.gains), *needed)
    return tuple(sentence[0].upper() + sentence[1:] for sentence in sentences)


def first_texts(texts: Sequence[str]) -> tuple[str, ...]:
    """Return as many sentences as are shown, and how many there are more."""
    more = len(texts) - MAXIMUM_SHOWN
    return (*texts[:MAXIMUM_SHOWN], *([f"And {more} more."] if more > 0 else []))


def _change(change: Change) -> dict[str, object]:
    # Labels and sentences stay out: a release may word them differently.
    return attributes(change, "kind", "category", "path", "moved_from", "field", "before", "after")


def _gain(gain: AccessChange | StartChange) -> dict[str, object]:
    if isinstance(gain, StartChange):
        return attributes(gain, "kind", "team", "profiles", "who", "until")
    names = ("kind", "data_role", "team", "profiles", "who", "until", "was_until", "also_via_other_profile")
    return attributes(gain, *names)


def _requirement(requirement: Requirement) -> dict[str, object]:
    return attributes(requirement, "key", "reasons", "leads_only", "or_administrator")
