"""The log of records on a git server: two services write into it, others cannot, and a new mirror has all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers.mirrored import Place, heads

from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.forges.record_log import RecordsBrokenError
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import MAIN, NO_OBJECT, RECORDS, RefMovedError, RefUpdate
from allotment_profiles.git.signatures import Keyring, generate_key


class Services:
    """Services with the same key, each with a mirror of its own."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._place, self._folder = place, folder
        (folder / "signers").write_text(generate_key(folder / "key", "allotment"))
        self.keyring = Keyring(folder / "signers")
        self.opened: list[PlainGitForge] = []

    def open(self, name: str) -> tuple[PlainGitForge, Mirror]:
        """Start a service with an empty folder."""
        remote = self._place.mirror(name).remote
        mirror = Mirror.opened(self._folder / name, remote, self.keyring.verifier)
        mirror.fetch()
        signer = self.keyring.signer(self._folder / "key")
        forge = PlainGitForge(mirror.repository, signer, mirror, self._folder / f"{name}.sqlite")
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
