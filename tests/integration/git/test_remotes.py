"""The repository on a git server: over TLS, with a token, with leases, and while the server is away."""

import asyncio
import subprocess
import sys
import threading

import pytest
from support.conditions import eventually
from support.golden import assert_golden
from support.repositories import MAIN, profile
from support.servers.git_server import ServedProfiles, git
from support.servers.mirrored import Place, heads

from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git import remotes
from allotment_profiles.git.mirror import Mirror
from allotment_profiles.git.process import GitError
from allotment_profiles.git.remotes import Remote, RemoteError
from allotment_profiles.git.repository import NO_OBJECT, RefMovedError, RefUpdate
from allotment_profiles.store.watcher import CatalogWatcher

TOKEN = ServedProfiles.TOKEN
PROPOSE = "refs/heads/propose/one"


async def test_until_the_first_fetch_nothing_is_said_to_be_missing(place: Place) -> None:
    watcher = CatalogWatcher(place.mirror().repository, mirror=place.mirror())
    await watcher.refresh()
    assert watcher.last_error
    watcher.start()
    try:
        assert (await watcher.ready()).revision == place.origin.head
        assert watcher.last_error is None
    finally:
        await watcher.stop()


def new_commit(mirror: Mirror, message: str, parent: str) -> str:
    repository = mirror.repository
    tree = repository.write_tree(parent, {f"notes/{message}": b"x"})
    somebody = repository.commits([parent])[0].author
    time = repository.commits([parent])[0].time
    return repository.write_commit(tree, [parent], message, author=somebody, committer=somebody, time=time)


def test_a_mirror_is_made_filled_and_follows_branches_that_come_and_go(place: Place) -> None:
    mirror = place.mirror()
    assert mirror.fetch()
    assert heads(mirror.repository) == {MAIN: place.origin.head}
    assert not mirror.fetch()
    place.origin.repository.update_references([RefUpdate(PROPOSE, place.origin.head, NO_OBJECT)])
    place.origin.repository.update_references([RefUpdate("refs/heads/private", place.origin.head, NO_OBJECT)])
    assert mirror.fetch()
    assert heads(mirror.repository) == {MAIN: place.origin.head, PROPOSE: place.origin.head}
    place.origin.repository.update_references([RefUpdate(PROPOSE, NO_OBJECT, place.origin.head)])
    mirror.fetch()
    assert heads(place.mirror().repository) == {MAIN: place.origin.head}


def test_several_branches_are_pushed_together_or_not_at_all(place: Place) -> None:
    mirror, other = place.mirror(), place.mirror("other")
    mirror.fetch()
    other.fetch()
    base = place.origin.head
    ours, theirs = new_commit(mirror, "ours", base), new_commit(other, "theirs", base)
    other.push([RefUpdate(MAIN, theirs, base)])
    assert place.origin.head == theirs
    with pytest.raises(RefMovedError):
        mirror.push([RefUpdate(PROPOSE, ours, NO_OBJECT), RefUpdate(MAIN, ours, base)])
    assert heads(place.origin.repository) == {MAIN: theirs}
    # Whoever was too late knows the new state at once, and can try again on top of it.
    assert heads(mirror.repository) == {MAIN: theirs}
    mirror.push([RefUpdate(PROPOSE, ours, NO_OBJECT), RefUpdate(MAIN, theirs, theirs)])
    assert heads(place.origin.repository) == heads(mirror.repository) == {MAIN: theirs, PROPOSE: ours}
    mirror.push([RefUpdate(PROPOSE, NO_OBJECT, ours)])
    assert heads(place.origin.repository) == heads(mirror.repository) == {MAIN: theirs}


def test_a_slow_fetch_never_takes_back_what_was_pushed_meanwhile(place: Place) -> None:
    mirror = place.mirror()
    mirror.fetch()
    base = place.origin.head
    ours = new_commit(mirror, "ours", base)
    place.server.asked.clear()
    place.server.answering.clear()
    fetching = threading.Thread(target=mirror.fetch)
    fetching.start()
    place.server.asked.wait(30)
    pushing = threading.Thread(target=mirror.push, args=([RefUpdate(MAIN, ours, base)],))
    pushing.start()
    place.server.answering.set()
    pushing.join(30)
    fetching.join(30)
    assert heads(mirror.repository) == heads(place.origin.repository) == {MAIN: ours}


@pytest.mark.parametrize("trouble", ["a wrong token", "no token file", "an unknown authority", "a redirect"])
def test_what_the_server_refuses_is_said_without_the_token(place: Place, trouble: str) -> None:
    mirror = place.mirror()
    url, ca_file = mirror.remote.url, mirror.remote.ca_file
    if trouble == "a wrong token":
        place.server.token = "renewed"
    elif trouble == "no token file":
        place.token_file.unlink()
    elif trouble == "an unknown authority":
        ca_file = None
    else:
        url = place.server.url("moved/profiles.git")
    remote = Remote(url, token_file=place.token_file, ca_file=ca_file)
    with pytest.raises(RemoteError) as raised:
        Mirror(mirror.repository, remote).fetch()
    assert TOKEN not in str(raised.value)
    assert heads(mirror.repository) == {}


def test_a_renewed_token_counts_at_once(place: Place) -> None:
    mirror = place.mirror()
    mirror.fetch()
    place.server.token = "renewed"
    with pytest.raises(RemoteError):
        mirror.fetch()
    place.token_file.write_text("renewed")
    mirror.fetch()
    main = heads(mirror.repository)[MAIN]
    place.server.token = "renewed once more"
    with pytest.raises(RemoteError):
        mirror.push([RefUpdate("refs/heads/propose/x-1", main, NO_OBJECT)])
    place.token_file.write_text("renewed once more")
    mirror.push([RefUpdate("refs/heads/propose/x-1", main, NO_OBJECT)])
    assert heads(place.origin.repository)["refs/heads/propose/x-1"] == main


def test_a_server_that_hangs_is_given_up_and_nothing_of_git_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = place.mirror()
    monkeypatch.setattr(remotes, "FETCH_SECONDS", 1.0)
    place.server.answering.clear()
    with pytest.raises(RemoteError, match="1 s"):
        mirror.fetch()
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert place.server.url("profiles.git") not in running


FOLLOWING = """
import asyncio, sys
from pathlib import Path
from allotment_profiles.git import mirror as mirrors
from allotment_profiles.git import remotes
from allotment_profiles.store.watcher import CatalogWatcher
from allotment_profiles.git.mirror import Mirror

remotes.FETCH_SECONDS = remotes.STALLED_SECONDS = 600

async def follow(folder, url, token, authority):
    mirror = Mirror.opened(Path(folder), remotes.Remote(url, token_file=Path(token), ca_file=Path(authority)))
    CatalogWatcher(mirror.repository, mirror=mirror).start()
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(follow(*sys.argv[1:]))
"""


def test_a_process_that_follows_ends_at_once_while_the_server_hangs(place: Place) -> None:
    place.server.answering.clear()
    files = (place.folder / "mirror", place.server.url("profiles.git"), place.token_file, place.server.ca_file)
    command = [sys.executable, "-c", FOLLOWING, *map(str, files)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True) as process:
        assert place.server.asked.wait(60)
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
    place.server.answering.set()


MESSAGES = (
    "fatal: unable to access 'https://a/b/': The requested URL returned error: 403",
    "fatal: could not read Username for 'https://a': terminal prompts disabled",
    "git@a: Permission denied (publickey).",
    "fatal: repository 'https://a/b/' not found",
    "fatal: unable to access 'https://a/b/': Could not resolve host: a",
    "ssh: connect to host a port 22: Connection refused",
    "ssh: connect to host a port 22: Connection timed out",
    "fatal: unable to access 'https://a/b/': SSL certificate problem: unable to get issuer",
    "Host key verification failed.",
    "fatal: unable to access 'https://a/b/': The requested URL returned error: 503",
    "fatal: something new",
    "Received disconnect from a port 22:2: Too many authentication failures",
    "ERROR: The key you are authenticating with has been marked as read only.",
    "ERROR: Permission to b denied to deploy key",
    "remote: You are not allowed to push code to this project.",
    "remote: ERROR: The project you were looking for could not be found",
    "Gitea: Cannot find repository: b",
    "Connection closed by 192.0.2.1 port 22",
    "Unable to negotiate with a port 22: no matching host key type found",
)


def test_what_git_says_is_told_to_people_without_an_address() -> None:
    errors = {said: RemoteError(f"the git server: {said}").why for said in MESSAGES}
    assert_golden("git-server.txt", (f"{said}: {why}" for said, why in errors.items()))
    assert not any("a/b" in why for why in errors.values())


@pytest.mark.parametrize(
    "address", ["ssh://git@certificate.example.org/a", "ssh://git@timeout.example.org/a", "https://404-not-found.org/a"]
)
def test_the_servers_address_is_no_reason(address: str) -> None:
    host = address.partition("//")[2].partition("/")[0]
    error = RemoteError(f"the git server: {host}: Permission denied (publickey).", address)
    assert error.why == RemoteError("Permission denied").why
    assert host in str(error)


def test_an_empty_repository_takes_nothing_away(place: Place) -> None:
    mirror = place.mirror()
    mirror.fetch()
    git(place.origin.path, "update-ref", "-d", MAIN)
    with pytest.raises(GitError, match="main"):
        mirror.fetch()
    assert MAIN in heads(mirror.repository)


@pytest.mark.parametrize(
    "url",
    [
        "http://git.example.org/a", "file:///etc", "/etc", "git@example.org:a", "https://user:password@example.org/a",
        "ext::sh -c id", "--upload-pack=id", "ssh://-oProxyCommand=id/a", "https://example.org",
        "ssh://example.org/a b",
    ],
)  # fmt: skip
def test_an_address_is_never_an_option_a_file_or_a_place_for_a_password(url: str) -> None:
    with pytest.raises(GitError):
        Remote(url)


async def test_a_follower_fetches_by_itself_at_once_when_told_and_keeps_what_it_has_while_the_server_is_away(
    place: Place,
) -> None:
    changes: list[Catalog] = []
    mirror = place.mirror()
    watcher = CatalogWatcher(mirror.repository, 0.05, mirror=mirror, fetch_seconds=0.1, on_change=[changes.append])
    watcher.start()
    await eventually(lambda: watcher.catalog.revision == place.origin.head, "the catalog of main")
    place.server.token = "revoked"
    await eventually(lambda: watcher.failed_fetch, "the server is known to be away")
    assert watcher.standstill is not None
    assert (watcher.standstill.code, watcher.standstill.since) == ("git-server", watcher.last_fetch.failing_since)
    assert (await watcher.refresh()).revision == place.origin.head
    since = watcher.last_fetch.failing_since if watcher.last_fetch else None
    assert since is not None
    newer = place.origin.commit({"teams/red/profiles/new.yaml": profile(title="New")})
    place.token_file.write_text("revoked")
    # The mirror moves before git has ended, and its catalog applies before it is told.
    await eventually(lambda: watcher.failed_fetch is None, "the server is known to be back")
    await eventually(lambda: changes[-1].revision == newer, "the newer catalog is told")
    assert watcher.catalog.revision == newer
    assert watcher.last_error is watcher.failed_fetch is watcher.standstill is None
    await watcher.stop()

    slow = CatalogWatcher(mirror.repository, 0.05, mirror=mirror, fetch_seconds=3600)
    slow.start()
    await eventually(lambda: slow.catalog.revision == newer, "the catalog of main")
    newest = place.origin.commit({"teams/red/profiles/newer.yaml": profile(title="Newer")})
    slow.trigger()
    await eventually(lambda: slow.catalog.revision == newest, "the catalog of main")
    await slow.stop()


class CountedMirror(Mirror):
    """Counts the fetches of main, and holds them back while `going_on` is clear."""

    fetches = 0

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(mirror.repository, mirror.remote)
        self.going_on = threading.Event()

    def fetch_main(self) -> bool:
        self.fetches += 1
        assert self.going_on.wait(60)
        return super().fetch_main()


async def test_many_reports_during_a_fetch_of_main_are_one_more_fetch(place: Place) -> None:
    mirror = CountedMirror(place.mirror())
    watcher = CatalogWatcher(mirror.repository, 0.05, mirror=mirror, fetch_seconds=3600)
    watcher.start()
    await eventually(lambda: mirror.fetches == 1, "a fetch that runs")
    for _ in range(1000):
        watcher.trigger()
        await asyncio.sleep(0)
    assert mirror.fetches == 1, "one at a time"
    mirror.going_on.set()
    await eventually(lambda: mirror.fetches == 2, "the one that waited")
    newer = place.origin.commit({"teams/red/profiles/new.yaml": profile(title="New")})
    watcher.trigger()
    await eventually(lambda: watcher.catalog.revision == newer, "the catalog of main")
    assert mirror.fetches <= 3
    await watcher.stop()


async def test_only_before_anything_was_ever_fetched_somebody_waits_for_the_server(place: Place) -> None:
    mirror = place.mirror()
    watcher = CatalogWatcher(mirror.repository, 3600, mirror=mirror, fetch_seconds=3600)
    watcher.start()
    assert (await watcher.ready()).revision == place.origin.head
    await watcher.stop()
    place.server.token = "revoked"
    known = place.origin.head
    place.origin.commit({"teams/red/profiles/new.yaml": profile(title="New")})
    watcher = CatalogWatcher(mirror.repository, 3600, mirror=mirror, fetch_seconds=3600)
    watcher.start()
    assert (await watcher.ready()).revision == known
    await watcher.stop()
    place.server.answering.clear()
    empty = place.mirror("empty")
    watcher = CatalogWatcher(empty.repository, 3600, mirror=empty, fetch_seconds=3600)
    watcher.start()
    assert (await watcher.ready(seconds=0.05)).revision == ""
    place.server.answering.set()
    await watcher.stop()


def test_a_restart_clears_what_a_killed_git_left(place: Place) -> None:
    place.mirror().fetch()
    newer = place.origin.commit({"notes/later": b"x"})
    for name in (f"{MAIN}.lock", "packed-refs.lock", "refs/allotment/fetched/main.lock", "shallow.lock"):
        (place.folder / "mirror" / name).touch()
    mirror = place.mirror()
    assert not list((place.folder / "mirror").rglob("*.lock"))
    (place.folder / "mirror" / f"{MAIN}.lock").touch()
    assert mirror.fetch_main()
    assert heads(mirror.repository) == {MAIN: newer}


def test_a_lock_on_the_git_server_is_not_told_as_a_moved_branch(place: Place) -> None:
    mirror = place.mirror()
    mirror.fetch()
    ours = new_commit(mirror, "ours", place.origin.head)
    (place.origin.path / f"{MAIN}.lock").touch()
    with pytest.raises(RemoteError, match="does not move a branch"):
        mirror.push([RefUpdate(MAIN, ours, place.origin.head)])
