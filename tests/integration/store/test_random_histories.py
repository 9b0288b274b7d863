"""After any history, the catalog is the same: from the one before, from nothing, and from the cache of a restart."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given
from hypothesis import strategies as st
from support.properties import examples
from support.repositories import Content, ProfilesRepository, as_bytes, data_role, policy, profile, small, team

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.offers import offer
from allotment_profiles.access.people import User
from allotment_profiles.catalog.catalog import Catalog, Entry
from allotment_profiles.store.loading import Loaded
from allotment_profiles.store.snapshot import with_commit, with_files
from allotment_profiles.store.tracker import Tracker

NOTEBOOK = "teams/red/profiles/notebook.yaml"
MANY = [f"teams/blue/profiles/p{number:02}.yaml" for number in range(14)]
ELSEWHERE = [f"teams/red/profiles/p{number:02}.yaml" for number in range(14)]
RED, TABLES = "teams/red/team.yaml", "data-roles/tables.yaml"
NOBODY, GRANTED = team("red", members={}), data_role("blue", {"red": "2027-03-31"})
LAPTOP = Capabilities("this laptop", frozenset({"volume"}), {})
ANN = User("ann", frozenset({"/red"}))
CONTENTS: dict[str, list[Content]] = {
    NOTEBOOK: [
        profile(), profile(data_roles=["tables"]), profile(image="evil.example.org/x:1"), "title: [", "x" * 70_000,
        profile(visibility="deprecated", successor="red/other"), None,
    ],
    "teams/red/profiles/other.yaml": [
        profile(title="Other"), profile(visibility="deprecated", successor="red/notebook"), "x", None,
    ],
    "teams/red/profiles/n0tebook.yaml": [profile(title="Looks alike"), None],
    "teams/red/profiles/Notebook.yaml": ["x", None],
    "teams/Red/team.yaml": ["x", None],
    RED: [
        team("red"), NOBODY, "x", None,
        team("red", envelope={"cpu": 99, "memory": "1 GiB", "images": ["registry.example.org/*"]}),
        "members: {users: [ann]}\nenvelope: oops\n",
    ],
    "teams/blue/team.yaml": [team("blue"), None],
    TABLES: [GRANTED, data_role("blue"), "x", None],
    "data-roles/tab1es.yaml": [data_role("blue"), None],
    "policy.yaml": [
        policy(), policy(direct_push="hold"), policy(removal_share=90), policy(ceilings={"cpu": 1, "memory": "1 GiB"}),
        "x", None,
    ],
}  # fmt: skip
ONE = st.sampled_from(sorted(CONTENTS)).flatmap(
    lambda path: st.tuples(st.just("files"), st.fixed_dictionaries({path: st.sampled_from(CONTENTS[path])}))
)
SOME = st.tuples(st.just("files"), st.fixed_dictionaries({}, optional={
    path: st.sampled_from(contents) for path, contents in CONTENTS.items()
}))  # fmt: skip
DEEDS = st.one_of(
    ONE, ONE, ONE, SOME,
    st.sampled_from([("many", None), ("clear", None), ("move", None), ("rewind", None)]),
    st.tuples(st.sampled_from(["confirm removal", "confirm push", "merge"]), st.integers(0, 5)),
)  # fmt: skip
# Each example takes a second: what fails is looked at as it is, not made small for minutes.
PHASES = (Phase.explicit, Phase.generate)
STEPS = st.lists(st.tuples(DEEDS, st.sampled_from(["reviewed", "pushed", "signed"]), st.booleans()), max_size=14)


def entries(catalog: Catalog) -> list[Entry[Any]]:
    """Give all files that apply."""
    found: list[Entry[Any]] = [catalog.policy] if catalog.policy else []
    for kind in (catalog.teams, catalog.data_roles, catalog.profiles):
        found += kind.values()
    return found


def state(loaded: Loaded) -> dict[str, Any]:
    """Give everything that can be told of a catalog, the models read anew."""
    catalog = loaded.catalog
    return {
        "revision": (catalog.revision, catalog.time),
        "problems": catalog.problems,
        "broken": catalog.broken,
        "held": catalog.quarantined,
        "entries": [(each, each.value) for each in entries(catalog)],
        "teams": {name: catalog.profiles_of(name) for name in catalog.teams},
        "roles": {name: catalog.profiles_reaching(name) for name in catalog.data_roles},
        "provenance": loaded.snapshot.provenance,
        "inside": (loaded.problems, loaded.names, loaded.collisions, loaded.successors),
    }  # fmt: skip


class Story:
    """A repository to which things happen."""

    def __init__(self, folder: Path) -> None:
        self.profiles = ProfilesRepository(folder)
        self.commits = [self.profiles.commit(small(), "Set up")]

    def happen(self, deed: str, argument: Any, how: str) -> None:
        files: dict[str, Content] = {}
        message, parents = "Change", None
        existing = self.profiles.repository.tree(self.profiles.head)
        if deed == "files":
            files = argument
        elif deed == "many":
            files = {path: profile(title=path[-8:-5]) for path in MANY}
        elif deed == "clear":
            files = dict.fromkeys([*MANY, *ELSEWHERE])
        elif deed == "move":
            files = {
                new: profile(title=old[-8:-5]) if old in existing else None
                for old, new in zip(MANY, ELSEWHERE, strict=True)
            } | dict.fromkeys(MANY)
        elif deed == "rewind":
            self.commits = self.commits[: len(self.commits) // 2 + 1]
            parents = [self.commits[-1]]
            existing = self.profiles.repository.tree(parents[0])
        elif deed.startswith("confirm"):
            which = self.commits[-1 - argument % len(self.commits)]
            message = f"Confirm\n\n{deed.capitalize().replace(' ', 's-')}: {which}"
        else:
            other = self.commits[-1 - argument % len(self.commits)]
            parents = [self.commits[-1], other]
        files = {path: content for path, content in files.items() if content is not None or path in existing}
        prefix = "Merge " if how == "reviewed" else ""
        commit = self.profiles.commit(files, prefix + message, parents=parents, signed=how != "pushed")
        self.commits.append(commit)


@examples(8, phases=PHASES)
@given(STEPS)
def test_however_it_is_loaded_the_catalog_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    story = Story(folder)
    cache = folder / "cache"
    tracker = Tracker(story.profiles.repository)
    for (deed, argument), how, look in [*steps, (("files", {}), "pushed", True)]:
        story.happen(deed, argument, how)
        if look:
            repository, head = story.profiles.repository, story.profiles.head
            step = tracker.at(head)
            fresh = Tracker(repository).at(head)
            assert state(step) == state(fresh)
            restarted = Tracker(repository, cache)
            assert state(restarted.at(head)) == state(fresh)
            restarted.save(soon=True)
            assert state(Tracker(repository, cache).at(head)) == state(fresh)
            denials_hold(story, fresh.catalog)


def denials_hold(story: Story, catalog: Catalog) -> None:
    """What main does not have applies only where its removal is held; nobody starts what main no longer allows."""
    tree = story.profiles.repository.tree(story.profiles.head)
    held = {hold.path for hold in catalog.quarantined if hold.reason == "removal"}
    for entry in entries(catalog)[1 if catalog.policy else 0 :]:
        assert entry.path in tree or entry.path in held
    if offer(catalog, ANN, "red/notebook", story.profiles.time, LAPTOP).startable:
        now = {path: story.profiles.repository.file(story.profiles.head, path) for path in (RED, TABLES)}
        assert now[RED] != as_bytes(RED, NOBODY)
        if catalog.profiles["red/notebook"].value.data_roles:
            assert now[TABLES] == as_bytes(TABLES, GRANTED)
    for hold in catalog.quarantined:
        assert (hold.path in tree) == (hold.reason == "direct-push")
        assert hold.since <= story.profiles.time + dt.timedelta(seconds=1)


@examples(8, phases=PHASES)
@given(STEPS, SOME)
def test_a_dry_run_gives_what_the_merge_would_give(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], proposal: tuple[str, dict[str, Content]]
) -> None:
    story = Story(tmp_path_factory.mktemp("history"))
    for (deed, argument), how, _ in steps:
        story.happen(deed, argument, how)
    repository, main = story.profiles.repository, story.profiles.head
    tracker = Tracker(repository)
    before = tracker.at(main)
    # A file that is proposed as it is on main is no change of a commit.
    files = {
        path: data
        for path, content in proposal[1].items()
        if (data := as_bytes(path, content)) != repository.file(main, path)
    }
    laid = tracker.renewed(before, with_files(before.snapshot, files))
    commit = story.profiles.commit(dict(files), "Merge it", branch="refs/heads/prepared", parents=[main])
    merged = tracker.renewed(before, with_commit(repository, before.snapshot, commit))
    fresh = Tracker(repository).renewed(before, with_commit(repository, before.snapshot, commit))
    assert state(merged) == state(fresh)
    assert laid.catalog.problems == merged.catalog.problems
    assert laid.catalog.broken == merged.catalog.broken
    for kind in ("teams", "data_roles", "profiles"):
        one, other = getattr(laid.catalog, kind), getattr(merged.catalog, kind)
        assert {key: entry.value for key, entry in one.items()} == {key: entry.value for key, entry in other.items()}
