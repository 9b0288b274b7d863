"""The log of records on a git server: two services write into it, others cannot, and a new mirror has all of it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.mirrored import Place, heads

from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.record_log import RecordsBrokenError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError, GitUnavailableError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RECORDS, REVIEWS, RefMovedError, RefUpdate
from allotment_profiles.git.signatures import Keyring, generate_key
from allotment_profiles.records.chain import SERVICE


class Services:
    """Services with the same key, each with a mirror of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place, self.folder = place, folder
        (folder / "signers").write_text(generate_key(folder / "key", "allotment"))
        self.keyring = Keyring(folder / "signers")
        self.opened: list[PlainGitForge] = []

    def open(self, name: str) -> tuple[PlainGitForge, Mirror]:
        """Start a service with an empty folder."""
        remote = self._place.mirror(name).remote
        mirror = Mirror.opened(self.folder / name, remote, self.keyring.verifier)
        mirror.fetch()
        signer = self.keyring.signer(self.folder / "key")
        forge = PlainGitForge(mirror.repository, signer, mirror, self.folder / f"{name}.sqlite")
        self.opened.append(forge)
        return forge, mirror


@pytest.fixture
def services(place: Place, tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "services"
    folder.mkdir()
    services = Services(place, folder)
    yield services
    for forge in services.opened:
        forge.close()


def proposed(forge: PlainGitForge, name: str) -> StoredProposal:
    return forge.open(name, forge.main(), {f"notes/{name}": b"x"}, by="ana", title=name, reason="It is needed")


def test_two_services_write_into_one_log_and_each_reads_what_the_other_wrote(place: Place, services: Services) -> None:
    one, _ = services.open("one")
    other, mirror = services.open("other")
    first = proposed(one, "first")
    # The other one has not fetched this yet: its record goes on top of it nevertheless.
    second = proposed(other, "second")
    assert {stored.id for stored in other.newest()} == {first.id, second.id}
    other.record(first, "rejected", by="lena", text="No")
    with pytest.raises(RefMovedError):
        one.record(first, "withdrawn", by="ana")
    mirror.fetch()
    assert heads(place.origin.repository)[RECORDS] == heads(mirror.repository)[RECORDS]
    third, _ = services.open("third")
    assert third.newest() == other.newest()
    assert third.log.broken is None


def test_a_comment_of_somebody_else_is_in_no_decisions_way(services: Services) -> None:
    forge, _ = services.open("one")
    stored = proposed(forge, "first")
    forge.record(stored, "commented", by="ben", text="Why?")
    after = forge.record(stored, "approved", by="lena")
    assert [record.kind for record in after.records] == ["proposed", "commented", "approved"]
    with pytest.raises(RefMovedError):
        forge.record(stored, "withdrawn", by="ana")
    forge.record(forge.record(after, "commented", by="ben", text="Well"), "withdrawn", by="ana")


def test_what_somebody_pushes_to_the_log_stops_decisions_until_it_is_put_back(place: Place, services: Services) -> None:
    forge, mirror = services.open("one")
    stored = proposed(forge, "first")
    good = heads(place.origin.repository)[RECORDS]
    for bad in (place.origin.head, NO_OBJECT):
        now = heads(place.origin.repository)[RECORDS]
        place.origin.repository.update_references([RefUpdate(RECORDS, bad, now)])
        mirror.fetch()
        assert forge.get(stored.id) == stored
        with pytest.raises(RecordsBrokenError):
            forge.record(stored, "commented", by="ana", text="Well")
        place.origin.repository.update_references([RefUpdate(RECORDS, good, bad)])
        mirror.fetch()
    forge.record(stored, "commented", by="ana", text="Well")
    assert forge.log.broken is None


def test_main_and_the_log_move_together_or_not_at_all(place: Place, services: Services) -> None:
    forge, _ = services.open("one")
    stored = proposed(forge, "first")
    candidate = forge.candidate(stored, forge.main())
    place.origin.commit({"notes/other": b"x"})
    before = heads(place.origin.repository)
    with pytest.raises(GitError):
        forge.merge(stored, candidate, "Merge: first\n\nProposal: first\n", by="leo")
    assert heads(place.origin.repository) == before
    merged = forge.merge(stored, forge.candidate(stored, forge.main()), "Merge: first\n\nProposal: first\n", by="leo")
    there = heads(place.origin.repository)
    assert merged.ending
    assert there[MAIN] == merged.ending.merge
    assert set(there) == {MAIN, RECORDS}


def test_a_mirror_that_is_behind_is_no_reason_for_an_alarm(place: Place, services: Services) -> None:
    """Main is fetched before the log, and what is merged meanwhile has its record there."""
    one, _ = services.open("one")
    stored = proposed(one, "first")
    late, mirror = services.open("late")
    one.merge(stored, one.candidate(stored, one.main()), "Merge: first\n\nProposal: first\n", by="leo")
    mirror.complete.clear()
    mirror.fetch_main()
    assert [each.open for each in late.newest()] == [True]
    assert late.log.broken is None
    with pytest.raises(GitUnavailableError):
        late.record(stored, "rejected", by="lena", text="No")
    mirror.fetch()
    assert [each.open for each in late.newest()] == [False]
    assert late.log.broken is None


def test_carrying_over_that_another_service_overtakes_stops_no_fetch(place: Place, services: Services) -> None:
    one, first = services.open("one")
    stored = proposed(one, "first")
    heads_before = heads(place.origin.repository)
    _as_earlier(place, services, stored)
    for forge, mirror in (services.open("other"), services.open("third")):
        mirror.fetch()
        forge.log.look()
    other, third = services.opened[-2:]
    other.begin()
    third.begin()
    assert heads(place.origin.repository).keys() == heads_before.keys()
    place.origin.commit({"notes/later": b"x"})
    first.fetch()
    for forge in (other, third):
        assert forge._mirror
        forge._mirror.fetch()
        assert forge.repository.resolve(MAIN) == place.origin.head
        assert [each.id for each in forge.newest()] == ["first"]


def _as_earlier(place: Place, services: Services, stored: StoredProposal) -> None:
    """Record a proposal on the server as version 0.1 did."""
    repository = services.opened[0].repository
    signer, time = services.keyring.signer(services.folder / "key"), stored.records[0].time
    tree = repository.write_tree(None, {})
    root = repository.write_commit(
        tree, [], "Reviews of first\n", author=SERVICE, committer=SERVICE, time=time, signer=signer
    )
    message = dataclasses.replace(stored.records[0], base="", touches=None).message()
    tip = repository.write_commit(
        tree, [root, stored.head], message, author=SERVICE, committer=SERVICE, time=time, signer=signer
    )
    log = heads(place.origin.repository)[RECORDS]
    services.opened[0]._move([RefUpdate(REVIEWS + "first", tip, NO_OBJECT), RefUpdate(RECORDS, NO_OBJECT, log)])
