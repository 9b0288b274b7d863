"""What others push beside main keeps no change of main away: many branches, large ones, ones that fail or hang."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.repositories import MAIN
from support.servers.git_server import git
from support.servers.mirrored import Place, heads

from allotment_profiles.git import mirror as mirrors
from allotment_profiles.git import remotes
from allotment_profiles.git.mirror import ObstructedError, in_the_way, move
from allotment_profiles.git.remotes import RemoteError
from allotment_profiles.git.repository import NO_OBJECT, RECORDS, RefUpdate

PROPOSE = "refs/heads/propose/one"


def _a_bad_object(origin: Path) -> str:
    """Make a commit that git's own check refuses: its author has no address. Servers take it unless told otherwise."""
    tree = git(origin, "rev-parse", "main^{tree}")
    text = f"tree {tree}\nauthor Somebody 1 +0000\ncommitter Somebody 1 +0000\n\nbad\n"
    (origin / "bad").write_text(text)
    return git(origin, "hash-object", "-t", "commit", "-w", "--literally", "bad")


@pytest.mark.parametrize("trouble", ["a name", "a folder in place of a branch", "an object", "both"])
def test_a_branch_that_cannot_be_taken_over_keeps_no_change_of_main_away(place: Place, trouble: str) -> None:
    """Who may push a proposal must not be able to keep a revoked grant in force."""
    mirror, path = place.mirror(), place.origin.path
    place.origin.repository.update_references([RefUpdate(PROPOSE, place.origin.head, NO_OBJECT)])
    mirror.fetch()
    before = place.origin.head
    if trouble == "a name":
        git(path, "update-ref", "refs/heads/propose/zw'ei", before)
    elif trouble == "a folder in place of a branch":
        git(path, "update-ref", "-d", PROPOSE)
        git(path, "update-ref", f"{PROPOSE}/two", before)
    elif trouble == "an object":
        git(path, "update-ref", "refs/heads/propose/two", _a_bad_object(path))
    else:
        git(path, "update-ref", "refs/heads/propose/zw'ei", before)
        mirror.fetch()
        git(path, "update-ref", "-d", "refs/heads/propose/zw'ei")
        git(path, "update-ref", "refs/heads/propose/zw'ei/drei", before)
    place.origin.commit({"notes/later": b"x"})
    mirror.fetch()
    assert heads(mirror.repository)[MAIN] == place.origin.head != before
    assert mirror.left_out == (1 if trouble == "an object" else 0)
    assert set(heads(mirror.repository)) == {MAIN, f"{PROPOSE}/two" if "folder" in trouble else PROPOSE}


def _branches(place: Place, names: Iterable[str], commit: str) -> None:
    lines = "".join(f"{commit} {name}\n" for name in names)
    with (place.origin.path / "packed-refs").open("a") as file:
        file.write(lines)


def test_thousands_of_branches_of_others_come_after_main_and_in_batches(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = place.mirror()
    monkeypatch.setattr(mirrors, "ROUND_SECONDS", 0.0)
    _branches(place, (f"refs/heads/propose/{number:04}" for number in range(3000)), place.origin.head)
    assert mirror.fetch_main()
    assert heads(mirror.repository) == {MAIN: place.origin.head}
    assert mirror.fetch_proposals() == (True, True)
    assert len(heads(mirror.repository)) == 1 + mirrors.BATCH
    assert mirror.fetch_proposals() == (True, True)
    newer = place.origin.commit({"notes/later": b"x"})
    assert mirror.fetch_main()
    assert heads(mirror.repository)[MAIN] == newer


def test_of_too_many_branches_those_of_recorded_proposals_are_kept(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = place.mirror()
    monkeypatch.setattr(mirrors, "BRANCHES", 6)
    names = ["propose/zz", "reviews/zz", *(f"propose/a{number}" for number in range(5))]
    _branches(place, (f"refs/heads/{name}" for name in names), place.origin.head)
    mirror.recorded = lambda: ["refs/heads/propose/zz"]
    mirror.fetch()
    assert {"refs/heads/propose/zz", "refs/heads/reviews/zz"} < set(heads(mirror.repository))
    assert len(heads(mirror.repository)) == 7
    assert mirror.left_out == 1


def test_a_branch_that_is_too_large_is_left_out_and_nothing_of_it_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = place.mirror()
    monkeypatch.setattr(mirrors, "BATCH_BYTES", 2**20)
    large = place.origin.commit(
        {"notes/large": os.urandom(2**21)}, branch="refs/heads/propose/large", parents=[place.origin.head]
    )
    for name in ("a", "b", "z"):
        place.origin.commit({f"notes/{name}": b"x"}, branch=f"refs/heads/propose/{name}", parents=[place.origin.head])
    mirror.fetch()
    assert {name.rpartition("/")[2] for name in heads(mirror.repository)} == {"main", "a", "b", "z"}
    assert mirror.left_out == 1
    assert mirror.repository.resolve(large) is None
    assert not list((mirror.repository.path / "objects/pack").glob("tmp_*"))
    asked = len(place.server.requests)
    mirror.fetch()
    assert len(place.server.requests) == asked + 4, "main and the list of branches, and nothing of the large branch"
    place.origin.repository.update_references([RefUpdate("refs/heads/propose/large", place.origin.head, large)])
    mirror.fetch()
    assert mirror.left_out == 0
    assert "refs/heads/propose/large" in heads(mirror.repository)


def test_a_server_that_hangs_with_the_branches_of_others_does_not_stop_main(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = place.mirror()
    monkeypatch.setattr(remotes, "FETCH_SECONDS", 1.0)
    mirror.fetch_main()
    place.origin.repository.update_references([RefUpdate(PROPOSE, place.origin.head, NO_OBJECT)])
    with place.server.hanging(), pytest.raises(RemoteError):
        mirror.fetch_proposals()
    newer = place.origin.commit({"notes/later": b"x"})
    assert mirror.fetch_main()
    assert heads(mirror.repository) == {MAIN: newer}
    assert mirror.left_out == 0


@pytest.mark.parametrize("name", ["propose", "allotment", "allotment/records/mine"])
def test_a_branch_in_the_way_of_the_services_own_is_found_by_its_push_and_by_the_next_fetch(
    place: Place, name: str
) -> None:
    mirror, path = place.mirror(), place.origin.path
    mirror.fetch()
    main = place.origin.head
    git(path, "update-ref", f"refs/heads/{name}", main)
    wanted = [RefUpdate(PROPOSE, main, NO_OBJECT), RefUpdate(RECORDS, main, NO_OBJECT)]
    with pytest.raises(ObstructedError) as raised:
        move(mirror.repository, mirror, wanted)
    assert raised.value.branches == (name,)
    assert in_the_way(mirror.repository, mirror) == (name,)
    newer = place.origin.commit({"notes/later": b"x"})
    mirror.fetch()
    assert mirror.repository.resolve(MAIN) == newer  # main goes on
    git(path, "update-ref", "-d", f"refs/heads/{name}")
    mirror.fetch()
    assert in_the_way(mirror.repository, mirror) == ()
    move(mirror.repository, mirror, wanted)
