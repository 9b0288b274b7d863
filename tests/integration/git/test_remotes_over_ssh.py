"""The repository on a git server that speaks SSH: a real client of SSH against a server of a test."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.repositories import ProfilesRepository, small
from support.servers.ssh_server import SshServer

from allotment_profiles.git import remotes
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.remotes import Remote, RemoteError
from allotment_profiles.git.repository import NO_OBJECT, RefMovedError, RefUpdate

pytestmark = pytest.mark.skipif(shutil.which("ssh") is None, reason="no client of SSH: install Debian's openssh-client")

MAIN, PROPOSE = "refs/heads/main", "refs/heads/propose/tidy"


class Place:
    """A server, the repository on it, and who may read and write it."""

    def __init__(self, folder: Path, server: SshServer) -> None:
        self.folder = folder
        self.server = server
        (folder / "origin").mkdir()
        self.origin = ProfilesRepository(folder / "origin")
        (server.folder / "repositories" / "profiles.git").symlink_to(self.origin.path)
        self.origin.commit(small())
        self.reading = self._remote(server.key("read"))
        self.writing = self._remote(server.key("write", write=True))

    def _remote(self, key: Path) -> Remote:
        return Remote(self.server.url("profiles.git"), ssh_key_file=key, known_hosts_file=self.server.known_hosts)

    def mirror(self, remote: Remote) -> Mirror:
        return Mirror.opened(self.folder / "mirror", remote)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with SshServer(tmp_path / "server") as server:
        yield Place(tmp_path, server)


def heads(mirror: Mirror) -> dict[str, str]:
    return mirror.repository.references("refs/heads/")


def test_a_mirror_is_filled_with_a_key_that_may_read(place: Place) -> None:
    mirror = place.mirror(place.reading)
    assert mirror.fetch()
    assert heads(mirror) == {MAIN: place.origin.head}
    with pytest.raises(RemoteError) as refused:
        mirror.push([RefUpdate(PROPOSE, place.origin.head, NO_OBJECT)])
    assert refused.value.why == RemoteError("Permission denied").why
    assert heads(mirror) == {MAIN: place.origin.head}


def test_a_renewed_key_counts_at_once(place: Place) -> None:
    mirror, key = place.mirror(place.reading), place.reading.ssh_key_file
    mirror.fetch()
    assert key is not None
    assert place.writing.ssh_key_file is not None
    shutil.copyfile(place.writing.ssh_key_file, key)
    key.with_name(f"{key.name}.pub").unlink(missing_ok=True)  # ssh would offer the old one; a Secret has none
    mirror.push([RefUpdate(PROPOSE, place.origin.head, NO_OBJECT)])
    assert heads(mirror)[PROPOSE] == place.origin.head


def test_branches_are_pushed_together_and_only_where_they_were_expected(place: Place) -> None:
    mirror = place.mirror(place.writing)
    mirror.fetch()
    before = place.origin.head
    mirror.push([RefUpdate(PROPOSE, before, NO_OBJECT)])
    assert place.origin.repository.references("refs/heads/") == {MAIN: before, PROPOSE: before}
    place.origin.commit({"notes.md": "moved"})
    with pytest.raises(RefMovedError):
        mirror.push([RefUpdate(MAIN, before, before), RefUpdate(PROPOSE, NO_OBJECT, before)])
    # What is there now is known here, and nothing of the push has happened.
    assert heads(mirror) == {MAIN: place.origin.head, PROPOSE: before}
    assert place.origin.repository.references("refs/heads/") == heads(mirror)


@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("another key", "Permission denied"),
        ("no key", "Permission denied"),
        ("a key that nobody can read", "Permission denied"),
        ("another server", "Host key verification failed"),
        ("no known server", "Host key verification failed"),
        ("no such repository", "does not exist"),
        ("away", "Connection refused"),
    ],
)
def test_what_goes_wrong_is_said_in_words_for_people(place: Place, trouble: str, message: str) -> None:
    remote, server = place.reading, place.server
    assert remote.ssh_key_file
    assert remote.known_hosts_file
    if trouble == "another key":
        server.forget_keys()
    elif trouble == "no key":
        remote = replace(remote, ssh_key_file=None)
    elif trouble == "a key that nobody can read":
        remote.ssh_key_file.write_text("no key")
    elif trouble == "another server":
        host, _, _ = server.known_hosts.read_text().partition(" ")
        public = server.key("other").with_name("other.pub")
        remote.known_hosts_file.write_text(f"{host} {public.read_text()}")
    elif trouble == "no known server":
        remote = replace(remote, known_hosts_file=None)
    elif trouble == "no such repository":
        remote = replace(remote, url=server.url("other.git"))
    else:
        remote = replace(remote, url="ssh://git@127.0.0.1:1/profiles.git")
    mirror = place.mirror(remote)
    with pytest.raises(RemoteError) as raised:
        mirror.fetch()
    assert raised.value.why == RemoteError(message).why, str(raised.value)
    assert heads(mirror) == {}


def test_a_server_that_hangs_is_given_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = place.mirror(place.reading)
    monkeypatch.setattr(remotes, "FETCH_SECONDS", 2.0)
    place.server.hang(True)
    with pytest.raises(RemoteError) as raised:
        mirror.fetch()
    assert raised.value.why == RemoteError("timed out").why
    place.server.hang(False)
    monkeypatch.undo()
    assert mirror.fetch()
