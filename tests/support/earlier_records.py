"""Records as version 0.1 kept them: a branch `reviews/<id>` for each proposal."""

import dataclasses
from collections.abc import Mapping, Sequence

from support.fakes.platform import Platform

from allotment_profiles.git.commits import Person
from allotment_profiles.git.repository import NO_OBJECT, RECORDS, REVIEWS, RefUpdate
from allotment_profiles.records.chain import SERVICE
from allotment_profiles.records.record import SETTERS, Record


def as_earlier(platform: Platform, told: Mapping[str, Sequence[Record]] | None = None) -> dict[str, str]:
    """Put the records of all proposals into branches as version 0.1 did, without the log: branch → newest commit.

    `told` has other records for some of them.
    """
    repository, branches = platform.repository, {}
    tree = repository.write_tree(None, {})
    for stored in platform.forge.newest():
        parents, tip = list[str](), ""
        message, by, time = f"Reviews of {stored.id}\n", "Allotment", stored.records[0].time
        for record in (None, *(told or {}).get(stored.id, stored.records)):
            if record:
                parents = [tip, *([record.head] if record.kind in SETTERS else [])]
                message = dataclasses.replace(record, base="", touches=None).message()
                by, time = record.by, record.time
            tip = repository.write_commit(
                tree, parents, message, author=Person(by, ""), committer=SERVICE, time=time, signer=platform.signer
            )
        branches[REVIEWS + stored.id] = tip
    log = repository.resolve(RECORDS) or NO_OBJECT
    updates = [RefUpdate(name, commit, NO_OBJECT) for name, commit in branches.items()]
    repository.update_references([*updates, RefUpdate(RECORDS, NO_OBJECT, log)])
    return branches
