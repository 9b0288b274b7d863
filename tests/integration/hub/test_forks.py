"""Pull requests from forks: nothing comes to the repository that the forge would run with the repository's rights."""

from collections.abc import Mapping

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.hand_made import HOST, HandMade, commit, knows

from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.services.pull_requests.adopting import Adopting, Adoption
from allotment_profiles.git.repository import PROPOSE

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
WORKFLOW = ".github/workflows/x.yaml"
WANTED: Mapping[str, bytes | None] = {NOTEBOOK_PATH: LARGER}


@pytest.fixture
def adopting(platform: Platform) -> Adopting:
    knows(platform, "ana")
    return Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)


async def look(adopting: Adopting, pull: HandMade, *, confirmed: bool = False) -> Adoption:
    async def as_opened(_: PullRequest) -> bool:
        return True

    return await adopting.look(pull.value, confirmed_by="ana" if confirmed else "", is_as_opened=as_opened)


def branches(platform: Platform) -> dict[str, str]:
    return platform.repository.references(PROPOSE)


@pytest.mark.parametrize(
    "path",
    [
        WORKFLOW, ".gitea/workflows/x.yaml", ".forgejo/workflows/x.yaml", ".gitlab-ci.yml", "CODEOWNERS", "notes.txt",
        "Teams/housing/team.yaml", "teams/housing/README.md", "teams/housing/.gitlab-ci.yml", ".gitattributes",
    ],
)  # fmt: skip
async def test_only_what_is_read_comes_from_a_fork(platform: Platform, adopting: Adopting, path: str) -> None:
    pull = HandMade(platform, commit(platform.repository, [platform.forge.main()], {**WANTED, path: b"on: push\n"}))
    for confirmed in (False, True):
        found = await look(adopting, pull, confirmed=confirmed)
        assert found.stored is None
        assert found.why_not.startswith(f"It changes '{path}'. It is from a fork")
        assert "Somebody who may push to this repository can propose a README or CODEOWNERS from a" in found.why_not
    assert branches(platform) == {}
    # Who may push to the repository has pushed it there already.
    found = await look(adopting, HandMade(platform, pull.value.head, 8, foreign=False))
    assert found.stored
    assert branches(platform) == {PROPOSE + "pull-8": pull.value.head}


async def test_nothing_of_main_is_changed_from_a_fork(platform: Platform, adopting: Adopting) -> None:
    old = platform.forge.main()
    main, repository = platform.push({WORKFLOW: b"on: push\n", ".github/new.yaml": LARGER}), platform.repository
    files = {f"{number}.txt": b"x" for number in range(1, 9)}
    heads = {
        WORKFLOW: commit(repository, [main], {WORKFLOW: b"on: create\n"}),
        "removed": commit(repository, [main], {**WANTED, WORKFLOW: None}),
        # A rename takes a file away from where it was.
        ".github/new.yaml": commit(repository, [main], {".github/new.yaml": None, NOTEBOOK_PATH: LARGER}),
        # To merge main, and to keep what the fork had, takes away what main has got since.
        "main merged": commit(repository, [commit(repository, [old], WANTED), main], {}),
        ", and 3 more. ": commit(repository, [main], files),  # type: ignore[arg-type]
    }
    for number, (what, head) in enumerate(heads.items(), 20):
        found = await look(adopting, HandMade(platform, head, number))
        assert found.stored is None
        assert "It is from a fork" in found.why_not
        assert (what if what[0] in ".," else ".github") in found.why_not
        assert len(found.why_not) < 1000
    assert branches(platform) == {}


async def test_no_commit_of_a_fork_has_had_it_either(platform: Platform, adopting: Adopting) -> None:
    repository, main = platform.repository, platform.forge.main()
    first = commit(repository, [main], {WORKFLOW: b"on: push\n"})
    head = commit(repository, [first], {**WANTED, WORKFLOW: None})
    found = await look(adopting, HandMade(platform, head))
    assert found.stored is None
    # The newest is named; both are made anew with the branch.
    assert found.why_not.startswith(f"Its commit {head[:10]} changes '{WORKFLOW}'. It is from a fork")
    # It came and went in a merge of main.
    newer = platform.push({"teams/transport/profiles/other.yaml": NOTEBOOK})
    merge = commit(repository, [commit(repository, [main], WANTED), newer], {WORKFLOW: b"on: push\n"})
    head = commit(repository, [merge], {WORKFLOW: None, "teams/transport/profiles/other.yaml": NOTEBOOK})
    assert f"changes '{WORKFLOW}'" in (await look(adopting, HandMade(platform, head, 8))).why_not
    assert branches(platform) == {}


async def test_a_fork_may_be_of_an_old_main_and_merge_a_newer_one(platform: Platform, adopting: Adopting) -> None:
    repository, old = platform.repository, platform.push({WORKFLOW: b"on: push\n"})
    newer = platform.push({WORKFLOW: b"on: create\n"})
    first = commit(repository, [old], WANTED)
    assert (await look(adopting, HandMade(platform, first))).stored
    merge = commit(repository, [newer, first], WANTED)
    last = commit(repository, [merge], {NOTEBOOK_PATH: NOTEBOOK})
    last = commit(repository, [last], WANTED)
    for number, head in enumerate((merge, last), 8):
        found = await look(adopting, HandMade(platform, head, number))
        assert found.stored, found.why_not


async def test_what_is_pushed_to_a_fork_later_comes_to_no_branch_either(platform: Platform, adopting: Adopting) -> None:
    pull = HandMade(platform, commit(platform.repository, [platform.forge.main()], WANTED))
    stored = (await look(adopting, pull)).stored
    assert stored
    pull.push(commit(platform.repository, [stored.head], {WORKFLOW: b"on: push\n"}))
    for confirmed in (False, True, False):
        found = await look(adopting, pull, confirmed=confirmed)
        assert found.why_not.startswith(f"It changes '{WORKFLOW}'. It is from a fork")
        assert found.stored
        # Without a branch nothing is decided.
        assert (found.stored.head, found.stored.branch, branches(platform)) == (stored.head, None, {})
    pull.push(commit(platform.repository, [stored.head], {NOTEBOOK_PATH: LARGER + b"#\n"}))
    found = await look(adopting, pull)
    assert found.waits
    assert branches(platform) == {PROPOSE + stored.id: pull.value.head}
    done = (await look(adopting, pull, confirmed=True)).stored
    assert done
    assert done.head == done.branch == pull.value.head
