"""What many heads were made from is what git says of each."""

import itertools
from pathlib import Path

import pytest
from support.repositories import SOMEBODY, START

from allotment_profiles.git.ancestry import Ancestry
from allotment_profiles.git.repository import NO_OBJECT, RefUpdate, Repository

HISTORY = {
    "m1": (), "a1": ("m1",), "b1": ("m1",), "m2": ("m1",), "a2": ("a1", "m2"), "m3": ("m2", "b1"), "b2": ("b1", "m3"),
    "c1": ("m3",), "m4": ("m3", "a2"), "a3": ("a2", "m4"), "d1": (), "m5": ("m4",), "c2": ("c1", "m5"),
    "e1": ("b1", "c2"), "f1": ("d1", "m2"),
}  # fmt: skip
"""A history of main, `m…`, and of heads that were made from it, brought up to date with it and merged into it."""
KNOWN = {("m5", "c2"): "m5", ("m3", "c1"): "m3", ("m4", "c1"): "m3", ("m2", "a1"): "m1", ("m5", "f1"): "m2"}
"""Pairs for which git need not be asked."""


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, dict[str, str]]:
    repository = Repository.create(tmp_path_factory.mktemp("profiles"))
    ids: dict[str, str] = {}
    for name, parents in HISTORY.items():
        tree = repository.write_tree(None, {name: name.encode()})
        before = [ids[parent] for parent in parents]
        ids[name] = repository.write_commit(tree, before, name, author=SOMEBODY, committer=SOMEBODY, time=START)
    repository.update_references([RefUpdate("refs/heads/main", ids["m5"], NO_OBJECT)])
    return repository, ids


@pytest.mark.parametrize("main", [name for name in HISTORY if name.startswith("m")])
def test_it_says_what_git_says_or_leaves_it_to_git(commits: tuple[Repository, dict[str, str]], main: str) -> None:
    repository, ids = commits
    ancestry = Ancestry(ids["m5"], repository.parents(ids.values()))
    for head, commit in ids.items():
        base = ancestry.merge_base(ids[main], commit)
        assert base in (None, repository.merge_base(ids[main], commit)), head
        if (main, head) in KNOWN:
            assert base == ids[KNOWN[main, head]]


def test_it_says_the_same_without_what_precedes_the_oldest_base(commits: tuple[Repository, dict[str, str]]) -> None:
    repository, ids = commits
    main, whole = ids["m5"], Ancestry(ids["m5"], repository.parents(ids.values()))
    for one, other in itertools.combinations(ids.values(), 2):
        oldest = repository.common_base([main, one, other])
        ancestry = Ancestry(main, repository.parents([main, one, other], since=oldest))
        for head in (one, other):
            known = ancestry.merge_base(main, head)
            assert known in (whole.merge_base(main, head), repository.merge_base(main, head))


def test_many_differences_are_those_of_each_pair(commits: tuple[Repository, dict[str, str]]) -> None:
    repository, ids = commits
    pairs = [(ids[one], ids[other]) for one in HISTORY for other in HISTORY]
    assert repository.changes_of(pairs) == [repository.changes(*pair) for pair in pairs]
    assert repository.changes_of([]) == []


def test_histories_end_where_they_are_asked_to(commits: tuple[Repository, dict[str, str]], tmp_path: Path) -> None:
    repository, ids = commits
    assert set(repository.parents([ids["m3"]])) == {ids[name] for name in ("m3", "m2", "m1", "b1")}
    assert set(repository.parents([ids["m3"]], since=ids["m2"])) == {ids[name] for name in ("m3", "m2", "b1")}
    assert repository.parents([]) == {}
