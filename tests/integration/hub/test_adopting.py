"""A pull request that somebody opened by hand becomes a proposal, once. What is pushed later waits for its author."""

import asyncio
import dataclasses
from pathlib import Path

import pytest
from support.fakes.platform import FILES, HOUSING, NOTEBOOK, NOTEBOOK_PATH, POLICY, Platform, code_of
from support.hand_made import ACCOUNT, HOST, HandMade, changed, commit, knows

from allotment_hub.forges.pull_requests.values import ForgeAccount, PullRequest, PullRequestState
from allotment_hub.forges.stored_proposal import MAXIMUM_FILES, StoredProposal
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_profiles.git.repository import MAIN, NO_OBJECT, PROPOSE, RefUpdate, Repository

LARGER, LARGEST = NOTEBOOK.replace(b"4 GiB", b"8 GiB"), NOTEBOOK.replace(b"4 GiB", b"12 GiB")


def adopting(platform: Platform) -> Adopting:
    return Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", HOST)


@pytest.fixture
def pull(platform: Platform) -> HandMade:
    knows(platform, "ana")
    return HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGER}))


async def as_opened(_: PullRequest) -> bool:
    return True


async def adopted(platform: Platform, pull: HandMade) -> StoredProposal:
    found = await adopting(platform).look(pull.value, is_as_opened=as_opened)
    assert found.stored, found.why_not
    assert found.why_not == ""
    return found.stored


async def why_not(platform: Platform, pull: HandMade, confirmed_by: str = "") -> str:
    found = await adopting(platform).look(pull.value, confirmed_by=confirmed_by, is_as_opened=as_opened)
    assert found.why_not
    return found.why_not


async def test_it_is_judged_approved_and_merged_like_every_other(platform: Platform, pull: HandMade) -> None:
    base = platform.forge.main()
    stored = await adopted(platform, pull)
    (record,) = stored.records
    assert (record.kind, record.by, record.head, record.base) == ("adopted", "ana", pull.value.head, base)
    assert (record.title, record.text) == ("More memory", "The census does not fit.\nSee the wiki.")
    assert record.size == len(LARGER)
    assert record.source
    assert dataclasses.astuple(record.source) == ("gitea", 7, "opened", ACCOUNT.login, "", "", HOST)
    assert stored.branch == stored.head == pull.value.head
    view = await platform.proposals.view(stored, platform.people.actor("lena"))
    assert view.case.state == "open"
    assert "+  memory: {limit: 8 GiB}" in view.difference
    assert await code_of(platform.reviews.approve(platform.people.actor("ana"), stored.id, stored.head))
    merged = await platform.merged(stored)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER
    assert platform.landing(NOTEBOOK_PATH).approved_by == ("lena",)
    # The head is among the ancestors of main, so that the forge closes the pull request.
    assert platform.repository.is_ancestor(pull.value.head, platform.forge.main())
    again = await adopting(platform).look(pull.value)
    assert again.stored == merged
    assert "merged" in again.why_not
    assert (await adopting(platform).look(pull.tell(state=PullRequestState.MERGED))).why_not == ""


@pytest.mark.parametrize("draft", [b"", b"visibility: draft\nmaintainers: {users: [ana]}\n"], ids=["open", "hidden"])
async def test_a_broken_file_is_explained_to_whoever_pushed_it(platform: Platform, draft: bytes) -> None:
    platform.push({NOTEBOOK_PATH: NOTEBOOK + draft})
    await platform.watcher.refresh()
    knows(platform, "ana")
    broken = NOTEBOOK.replace(b"4 GiB", b"8 GB") + draft
    stored = await adopted(platform, HandMade(platform, changed(platform, {NOTEBOOK_PATH: broken})))
    for who in ("ana", "lena", "adam"):
        view = await platform.proposals.view(stored, platform.people.actor(who))
        assert "GiB" in str([problem.remedy for problem in view.check.problems]), who
        assert "+  memory: {limit: 8 GB}" in view.difference, who
    # Nobody can tell whether a version that does not read is hidden.
    for who in ("ben", "dora"):
        assert await code_of(platform.proposals.view(stored, platform.people.actor(who))) == "proposal-unknown"


async def test_it_is_adopted_once(platform: Platform, pull: HandMade, tmp_path: Path) -> None:
    here, beside = adopting(platform), adopting(platform.beside(tmp_path))
    looks = await asyncio.gather(
        *(each.look(pull.value, is_as_opened=as_opened) for each in (here, here, beside, beside))
    )
    # One of two services may be overtaken by the other; it finds the proposal the next time.
    looks += [await each.look(pull.value, is_as_opened=as_opened) for each in (here, beside)]
    assert {look.stored.id for look in looks if look.stored} == {"pull-7"}
    assert all(look.why_not == "" for look in looks)
    assert [stored.id for stored in platform.forge.open_ones()] == ["pull-7"]


@pytest.mark.parametrize("ended", ["withdrawn", "rejected"])
async def test_one_that_has_ended_is_not_adopted_again(platform: Platform, pull: HandMade, ended: str) -> None:
    stored = await adopted(platform, pull)
    if ended == "withdrawn":
        await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    else:
        await platform.reviews.reject(platform.people.actor("lena"), stored.id, "Too large")
    assert ended in await why_not(platform, pull)
    assert platform.forge.totals()["open"] == 0


async def test_a_branch_with_its_name_is_in_no_way(platform: Platform, pull: HandMade) -> None:
    main = platform.forge.main()
    updates = [RefUpdate(PROPOSE + name, main, NO_OBJECT) for name in ("pull-7/mine", "pull-7-2")]
    platform.repository.update_references(updates)
    assert (await adopted(platform, pull)).id == "pull-7-3"
    assert (await adopted(platform, pull)).id == "pull-7-3"
    other = HandMade(platform, pull.value.head, 71)
    assert (await adopted(platform, other)).id == "pull-71"


async def test_the_pull_request_of_a_proposal_is_left_alone(platform: Platform) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    shown = HandMade(platform, stored.head, branch=f"propose/{stored.id}", foreign=False)
    found = await adopting(platform).look(shown.value)
    assert (found.stored, found.why_not) == (stored, "")
    withdrawn = await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert (await adopting(platform).look(shown.value)).stored == withdrawn
    # A fork may call its branches what it likes.
    knows(platform, "ana")
    fork = HandMade(platform, stored.head, 8, branch=f"propose/{stored.id}")
    assert (await adopted(platform, fork)).id == "pull-8"


async def test_only_a_user_of_the_hub_proposes(platform: Platform, pull: HandMade) -> None:
    platform.people.identities.clear()
    assert "Sign in to the hub with that account" in await why_not(platform, pull)
    for others in ({"provider": "github"}, {"account": ForgeAccount("18", ACCOUNT.login)}):
        knows(platform, "ana", **others)  # another account with the same name, or at another provider
        assert "Sign in to the hub with that account" in await why_not(platform, pull)
    knows(platform, "ana", ForgeAccount(ACCOUNT.id, "renamed-since"))
    knows(platform, "ben")
    assert "2 users" in await why_not(platform, pull)
    pull.tell(author=None)
    assert "gone" in await why_not(platform, pull)
    assert platform.forge.newest() == ()


async def test_problems_in_files_are_shown_at_their_lines(platform: Platform) -> None:
    knows(platform, "ana")
    files = {NOTEBOOK_PATH: NOTEBOOK + b"colour: red\n", "notes.txt": b"x"}
    stored = await adopted(platform, HandMade(platform, changed(platform, files), foreign=False))
    view = await platform.proposals.view(stored, platform.people.actor("ana"))
    assert view.case.state == "broken"
    assert {(problem.path, problem.line) for problem in view.check.errors} >= {(NOTEBOOK_PATH, 8)}
    assert await code_of(platform.reviews.approve(platform.people.actor("lena"), stored.id, stored.head)) == "problems"


async def test_what_cannot_be_a_proposal_is_said(platform: Platform) -> None:
    knows(platform, "ana")
    repository, main = platform.repository, platform.forge.main()

    def plain(name: str = "x", **how: object) -> str:
        return commit(repository, [main], {NOTEBOOK_PATH: name.encode()}, **how)  # type: ignore[arg-type]

    (blob,) = (change.blob for change in repository.changes(main, plain()))
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    many = {f"teams/housing/profiles/p{number}.yaml": NOTEBOOK for number in range(10_000)}
    merge = commit(repository, [plain("a"), plain("b")], {})
    heads = {
        "symbolic link": plain(entries=[("teams/housing/link.yaml", "120000", blob)]),
        "submodule": plain(entries=[("teams/housing/module", "160000", main)]),
        "executable": plain(entries=[(NOTEBOOK_PATH, "100755", blob)]),
        "Git LFS": commit(repository, [main], {NOTEBOOK_PATH: pointer}),
        "not allowed": commit(repository, [main], {"teams/a\nb.yaml": b"x"}),
        "no commit in common": commit(repository, [], FILES),
        "merges a branch other than main": merge,
        "10000 files": commit(repository, [main], many),  # type: ignore[arg-type]
        "No files": commit(repository, [main], {}),
    }
    for number, (words, head) in enumerate(heads.items(), 20):
        assert words in await why_not(platform, HandMade(platform, head, number)), words
    elsewhere = HandMade(platform, plain(), 40, base="release")
    assert "another branch than main" in await why_not(platform, elsewhere)
    assert platform.forge.newest() == ()


def test_of_too_many_files_none_is_read(platform: Platform, counted: list[str]) -> None:
    """What was read is kept for a while, and a pack that may be fetched has room for hundreds of thousands."""
    writer, adopted = Repository(platform.repository.path), platform.forge.adopted
    main, files, asked = writer.resolve("main") or "", dict[str, bytes | None](), {}
    for number in range(MAXIMUM_FILES + 1):
        files[f"teams/housing/profiles/p{number}.yaml"] = b"%d" % number
    for heads in (files, dict(list(files.items())[1:])):
        head = commit(writer, [main], heads)
        counted.clear()
        assert len(adopted.read(head, main, foreign=True).paths) == len(heads)
        asked[len(heads)] = counted.count("cat-file")
    assert asked == {MAXIMUM_FILES + 1: 1, MAXIMUM_FILES: 2}, "their sizes are asked for, and then their contents"


async def test_main_may_be_merged_into_it_and_an_old_base_may_not(
    platform: Platform, pull: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = platform.push({"teams/transport/team.yaml": HOUSING.replace(b"Housing", b"Roads")})
    pull.push(commit(platform.repository, [pull.value.head, newer], {NOTEBOOK_PATH: LARGER}))
    stored = await adopted(platform, pull)
    assert stored.current.base == newer
    monkeypatch.setattr("allotment_hub.forges.adopted.NEWEST", 1)
    old = HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGEST}), 8)
    platform.push({"teams/transport/team.yaml": HOUSING})
    assert "Rebase it" in await why_not(platform, old)


@pytest.mark.platform(
    {"policy.yaml": POLICY + b"open_proposals: {person: 1}\ndaily_limits: {records: 3, size: 1 KiB}\n"}
)
async def test_the_limits_of_proposing_hold(platform: Platform, pull: HandMade) -> None:
    large = HandMade(platform, changed(platform, {NOTEBOOK_PATH: NOTEBOOK + b"#" * 2000}), 6)
    assert "1 KiB are allowed" in await why_not(platform, large)
    stored = await adopted(platform, pull)
    other = HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGEST}), 8)
    assert "1 open proposals" in await why_not(platform, other)
    for text in ("one", "two"):
        await platform.submissions.comment(platform.people.actor("ana"), stored.id, text)
    await platform.submissions.withdraw(platform.people.actor("ana"), stored.id)
    assert "in 24 hours" in await why_not(platform, other)


@pytest.mark.platform(
    {
        "policy.yaml": POLICY + b"listing: own\n",
        "teams/transport/profiles/hidden.yaml": NOTEBOOK + b"visibility: draft\n",
    }
)
async def test_nobody_finds_out_about_files_that_they_may_not_know_of(platform: Platform) -> None:
    knows(platform, "ana")
    for number, name in enumerate(("hidden", "new"), 7):
        path = f"teams/transport/profiles/{name}.yaml"
        refused = await why_not(platform, HandMade(platform, changed(platform, {path: LARGER}), number))
        assert "There is no such team" in refused or "is taken" in refused
    assert platform.forge.newest() == ()


async def test_titles_and_bodies_do_no_harm(platform: Platform, pull: HandMade) -> None:
    pull.tell(title="More\u202e\x00 memory\n" + "x" * 500, body="\x1b[2J" + "word " * 20_000)
    stored = await adopted(platform, pull)
    assert stored.current.title == "More memory " + "x" * 188
    assert len(stored.current.text) == 2000
    assert stored.current.text.startswith("[2Jword")
    empty = HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGEST}), 8, title="\u202e", body="  ")
    stored = await adopted(platform, empty)
    assert (stored.current.title, stored.current.text) == ("Pull request 8", "Pull request 8")


async def test_what_is_pushed_later_waits_for_its_author(platform: Platform, pull: HandMade) -> None:
    stored = await adopted(platform, pull)
    await platform.approved(stored)
    first, second = stored.head, commit(platform.repository, [stored.head], {NOTEBOOK_PATH: LARGEST})
    pull.push(second)
    words = await why_not(platform, pull)
    assert f"{ACCOUNT.login} can propose it in Allotment" in words
    waiting = await platform.proposals.stored(stored.id)
    assert (waiting.head, waiting.branch) == (first, second)
    # Nobody knows who pushed it, so nobody approves or merges anything, neither version.
    lena, leo = platform.people.actor("lena"), platform.people.actor("leo")
    for head in (first, second):
        assert await code_of(platform.reviews.merge(leo, stored.id, head)) == "head-unrecorded"
        assert await code_of(platform.reviews.approve(lena, stored.id, head)) == "head-unrecorded"
    assert await why_not(platform, pull) == words
    knows(platform, "ben")
    platform.people.identities.pop("ana")
    for who in ("ben", "ana"):
        assert "Only ana can propose it" in await why_not(platform, pull, who)
    platform.people.identities.clear()
    knows(platform, "ana")
    done = await adopting(platform).look(pull.value, confirmed_by="ana")
    assert done.why_not == ""
    assert done.stored
    assert [record.kind for record in done.stored.records] == ["adopted", "approved", "updated"]
    assert done.stored.head == done.stored.branch == second
    assert await platform.approvers(done.stored) == []
    await platform.merged(done.stored)
    assert platform.main_file(NOTEBOOK_PATH) == LARGEST


async def test_a_push_that_is_taken_back_leaves_everything_as_it_was(platform: Platform, pull: HandMade) -> None:
    stored = await adopted(platform, pull)
    await platform.approved(stored)
    pull.push(changed(platform, {NOTEBOOK_PATH: b"x"}))
    await why_not(platform, pull)
    pull.push(stored.head)
    found = await adopting(platform).look(pull.value)
    assert found.stored
    assert found.stored.branch == stored.head
    assert await platform.approvers(found.stored) == ["lena"]
    await platform.reviews.merge(platform.people.actor("leo"), stored.id, stored.head)


async def test_a_push_with_what_cannot_be_proposed_stops_the_proposal(platform: Platform, pull: HandMade) -> None:
    stored = await adopted(platform, pull)
    pull.tell(foreign=False)
    pull.push(commit(platform.repository, [], FILES))
    await why_not(platform, pull)
    assert "no commit in common" in await why_not(platform, pull, "ana")
    assert (await platform.proposals.stored(stored.id)).branch == pull.value.head


async def test_a_change_on_the_page_counts_until_something_is_pushed(platform: Platform, pull: HandMade) -> None:
    stored = await adopted(platform, pull)
    stored = await platform.proposed({NOTEBOOK_PATH: LARGEST}, update=stored.id)
    assert "changed on its page" in await why_not(platform, pull)
    assert (await platform.proposals.stored(stored.id)).branch == stored.head
    pull.push(commit(platform.repository, [pull.value.head], {NOTEBOOK_PATH: LARGER + b"#\n"}))
    assert "in Allotment" in await why_not(platform, pull)
    # What is proposed on the page after that stands on what was pushed.
    again = await platform.proposed({NOTEBOOK_PATH: LARGEST + b"#\n"}, update=stored.id)
    assert "changed on its page" in await why_not(platform, pull)
    await platform.merged(again)
    assert platform.repository.is_ancestor(pull.value.head, platform.repository.resolve(MAIN) or "")


async def test_a_rewind_is_a_push_as_well(platform: Platform, pull: HandMade) -> None:
    stored, first = await adopted(platform, pull), pull.value.head
    pull.push(commit(platform.repository, [first], {NOTEBOOK_PATH: LARGEST}))
    await adopting(platform).look(pull.value, confirmed_by="ana")
    pull.push(first)
    assert "in Allotment" in await why_not(platform, pull)
    done = await adopting(platform).look(pull.value, confirmed_by="ana")
    assert done.stored
    assert done.stored.head == first == done.stored.branch
    assert stored.id == done.stored.id


async def test_what_somebody_may_have_pushed_before_it_was_seen_waits_for_its_author(
    platform: Platform, pull: HandMade
) -> None:
    """Else whoever pushed could approve it: nobody would know."""

    async def pushed_to(_: PullRequest) -> bool:
        return False

    here = adopting(platform)
    for tells in (pushed_to, None):
        found = await here.look(pull.value, is_as_opened=tells)
        assert (found.stored, found.waits) == (None, True)
    refused = await here.look(pull.value, confirmed_by="lena", is_as_opened=pushed_to)
    assert (refused.stored, refused.why_not) == (None, "Only ana can propose it.")
    done = await here.look(pull.value, confirmed_by="ana", is_as_opened=pushed_to)
    assert done.stored
    assert done.stored.proposer == "ana"


async def test_a_head_that_was_seen_to_be_its_authors_stays_so(platform: Platform, pull: HandMade) -> None:
    """GitHub only tells that something has happened since, which may be a comment of the service."""

    async def pushed_to(_: PullRequest) -> bool:
        return False

    here, proposal = adopting(platform), await platform.proposed({NOTEBOOK_PATH: LARGEST})
    platform.push({"policy.yaml": POLICY + b"open_proposals: {person: 1}\n"}, "Set up more", signed=True)
    await platform.watcher.refresh()
    assert "1 open proposals" in (await here.look(pull.value, is_as_opened=as_opened)).why_not
    await platform.submissions.withdraw(platform.people.actor("ana"), proposal.id)
    first = pull.value.head
    pull.push(commit(platform.repository, [first], {NOTEBOOK_PATH: LARGEST}))
    assert (await here.look(pull.value, is_as_opened=pushed_to)).waits
    pull.push(first)
    assert (await here.look(pull.value, is_as_opened=pushed_to)).stored


async def test_on_another_server_the_same_number_is_another_pull_request(platform: Platform, pull: HandMade) -> None:
    stored = await adopted(platform, pull)
    assert stored.records[0].source
    assert stored.records[0].source.server == HOST
    host = "new.example.org"
    account = {"provider": "gitea", "host": host, "id": ACCOUNT.id, "login": ACCOUNT.login}
    platform.people.identities["ana"] = {"account": account}
    moved = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", host)
    # The server was renamed, or everything on it was carried over.
    assert (await moved.look(pull.value, is_as_opened=as_opened)).stored == stored
    pull.push(changed(platform, {"teams/housing/profiles/other.yaml": NOTEBOOK}))
    other = (await moved.look(pull.value, is_as_opened=as_opened)).stored
    assert other
    assert (other.id, other.head, other.records[0].source and other.records[0].source.server) == (
        "pull-7-2", pull.value.head, host,
    )  # fmt: skip
    assert await platform.proposals.stored(stored.id) == stored
    assert (await moved.look(pull.value, is_as_opened=as_opened)).stored == other
