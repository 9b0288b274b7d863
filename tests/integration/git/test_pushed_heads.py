"""The heads of pull requests on a git server: fetched aside within limits, adopted, and followed."""

import dataclasses
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.servers.mirrored import Place, heads

from allotment_hub.forges.plain_git import PlainGitForge
from allotment_profiles.git import mirror as mirrors
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import Remote, RemoteError
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate
from allotment_profiles.git.signatures import Keyring, generate_key
from allotment_profiles.records.record import Source

SOURCE = Source("gitlab", 7, "opened", "ana")


@pytest.fixture
def mirror(place: Place, tmp_path: Path) -> Mirror:
    (tmp_path / "signers").write_text(generate_key(tmp_path / "key", "allotment"))
    keyring = Keyring(tmp_path / "signers")
    mirror = Mirror.opened(tmp_path / "mirror", place.mirror("other").remote, keyring.verifier)
    mirror.fetch()
    return mirror


@pytest.fixture
def forge(mirror: Mirror, tmp_path: Path) -> Iterator[PlainGitForge]:
    signer = Keyring(tmp_path / "signers").signer(tmp_path / "key")
    forge = PlainGitForge(mirror.repository, signer, mirror, tmp_path / "index.sqlite")
    yield forge
    forge.close()


def pushed(place: Place, text: str, reference: str = "refs/merge-requests/7/head") -> str:
    """Push a commit to a pull request's reference, which no branch has."""
    origin = place.origin
    now = origin.repository.references(reference).get(reference, NO_OBJECT)
    origin.push({"notes/new.txt": text}, branch="refs/heads/scratch", parents=[origin.head])
    commit = heads(origin.repository)["refs/heads/scratch"]
    origin.repository.update_references(
        [RefUpdate(reference, commit, now), RefUpdate("refs/heads/scratch", NO_OBJECT, commit)]
    )
    return commit


def test_a_head_that_no_branch_has_is_adopted_on_the_server(place: Place, forge: PlainGitForge, mirror: Mirror) -> None:
    head, adopted = pushed(place, "one"), forge.adopted
    assert adopted.fetch("gitlab", 7) == head
    found = adopted.read(head, forge.main(), foreign=False)
    assert adopted.adopt(found, SOURCE, by="ana", title="Notes", text="Why") == "pull-7"
    adopted.drop("gitlab", 7)
    assert mirror.repository.references("refs/allotment/aside/") == {}
    assert heads(place.origin.repository)["refs/heads/propose/pull-7"] == head
    # The second look finds the first, and so does a service that has nothing but what is in git.
    assert adopted.adopt(found, SOURCE, by="ana", title="Notes", text="Why") == "pull-7"
    assert adopted.find("gitlab", 7) == "pull-7"
    assert adopted.find("gitea", 7) == adopted.find("gitlab", 70) == ""
    later = pushed(place, "two")
    assert adopted.fetch("gitlab", 7) == later
    stored = forge.get("pull-7")
    assert stored
    adopted.follow(stored, later)
    assert heads(place.origin.repository)["refs/heads/propose/pull-7"] == later
    mirror.fetch()
    stored = forge.get("pull-7")
    assert stored
    assert (stored.head, stored.branch) == (head, later)


def test_a_head_that_is_too_large_or_gone_is_left_out(
    place: Place, forge: PlainGitForge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirrors, "BATCH_BYTES", 64 * 1024)
    assert forge.adopted.fetch("gitlab", 7) is None
    pushed(place, "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(200_000)))
    assert forge.adopted.fetch("gitlab", 7) is None
    pushed(place, "small")
    assert forge.adopted.fetch("gitlab", 7)


def test_a_server_that_is_away_is_no_fault_of_the_pull_request(place: Place, forge: PlainGitForge) -> None:
    pushed(place, "one")
    with place.server.away(), pytest.raises(RemoteError):
        forge.adopted.fetch("gitlab", 7)
    head = forge.adopted.fetch("gitlab", 7)
    assert head
    found = forge.adopted.read(head, forge.main(), foreign=False)
    with place.server.away(), pytest.raises(GitError):
        forge.adopted.adopt(found, SOURCE, by="ana", title="Notes", text="Why")
    assert forge.adopted.find("gitlab", 7) == ""
    assert forge.adopted.adopt(found, SOURCE, by="ana", title="Notes", text="Why") == "pull-7"


class SlowRemote(Remote):
    """A git server that needs long for the heads of pull requests."""

    asked, goes_on = threading.Event(), threading.Event()

    def fetch(self, repository: Path, branches: Mapping[str, str], **limits: Any) -> None:
        if any(name.startswith("refs/merge-requests/") for name in branches):
            self.asked.set()
            assert self.goes_on.wait(60)
        super().fetch(repository, branches, **limits)


def test_main_does_not_wait_for_the_head_of_a_pull_request(place: Place, mirror: Mirror) -> None:
    head = pushed(place, "one")
    remote = SlowRemote(**{field.name: getattr(mirror.remote, field.name) for field in dataclasses.fields(Remote)})
    mirror.remote = remote
    found: list[str | None] = []
    slow = threading.Thread(target=lambda: found.append(mirror.fetch_aside("refs/merge-requests/7/head")))
    slow.start()
    assert remote.asked.wait(60)
    newer = place.origin.commit({"notes/later": b"x"})
    fetching = threading.Thread(target=mirror.fetch, daemon=True)
    fetching.start()
    fetching.join(30)
    assert not fetching.is_alive()
    assert heads(mirror.repository)["refs/heads/main"] == newer
    remote.goes_on.set()
    slow.join(60)
    assert found == [head]
