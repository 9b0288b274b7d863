"""A proposal that somebody merges with the forge's own button: confirmed where it is what was judged and approved."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, POLICY, TRANSPORT, Platform
from support.fakes.web_service import WebService
from support.hand_made import HandMade, changed, commit, knows
from support.merge_button import Button, merged_value
from support.servers.git_server import git

from allotment_hub.forges.pull_requests.values import MergeStyle, PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_hub.services.pull_requests.merged_there import MergedThere
from allotment_profiles.records.chain import unrecorded_merges
from allotment_profiles.store.provenance import HistoryEntry

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
SECOND_PATH = "teams/housing/profiles/second.yaml"
TRANSPORT_PATH = "teams/transport/team.yaml"
STYLES = [MergeStyle.MERGE, MergeStyle.SQUASH, MergeStyle.REBASE]
HOLD = pytest.mark.platform({"policy.yaml": POLICY + b"direct_push: hold\n"})
each_style = pytest.mark.parametrize("style", STYLES)


@pytest.fixture
def button(platform: Platform, tmp_path: Path) -> Button:
    return Button(platform, tmp_path)


async def two_commits(platform: Platform) -> StoredProposal:
    """Adopt a pull request with two commits of ana."""
    first = changed(platform, {NOTEBOOK_PATH: LARGER}, message="Larger")
    return await adopted(platform, commit(platform.repository, [first], {SECOND_PATH: NOTEBOOK}, message="Another one"))


async def as_many_as_count(platform: Platform, style: MergeStyle) -> StoredProposal:
    """Adopt the same with so many commits as can count as reviewed with a button."""
    if style is not MergeStyle.REBASE:
        return await two_commits(platform)
    return await adopted(platform, changed(platform, {NOTEBOOK_PATH: LARGER, SECOND_PATH: NOTEBOOK}))


async def adopted(platform: Platform, head: str) -> StoredProposal:
    """Adopt a pull request of ana."""
    knows(platform, "ana")
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", "git.example.org")
    stored = (await adopting.look(HandMade(platform, head).value, confirmed_by="ana")).stored
    assert stored
    return stored


async def looked(platform: Platform, stored: StoredProposal, merged: PullRequest, by: str = "leo") -> StoredProposal:
    there = MergedThere(platform.proposals, "gitea", platform.identities)
    done = await there.look(stored, merged, by, login=f"{by}-on-gitea")
    await platform.watcher.refresh()
    return done


def entries(platform: Platform, path: str) -> tuple[HistoryEntry, ...]:
    return platform.watcher.provenance.of(path)


def is_verified(platform: Platform) -> bool:
    """Whether every merge on main has its record, for a service that reads everything anew."""
    repository, main = platform.repository, platform.forge.main()
    return (
        platform.forge.log.broken is None
        and unrecorded_merges(repository, main, "", platform.forge.log.index.merged) == []
    )


@each_style
async def test_what_was_judged_and_approved_is_confirmed(platform: Platform, button: Button, style: MergeStyle) -> None:
    stored = await as_many_as_count(platform, style)
    platform.push({TRANSPORT_PATH: TRANSPORT + b"# main goes on\n"})
    await platform.watcher.refresh()
    await platform.approved(stored)
    before = platform.forge.main()
    merged = button.press(stored.head, style)
    done = await looked(platform, stored, merged)
    ending = done.ending
    assert ending
    assert (ending.kind, ending.by, done.unreviewed, done.branch) == ("merged", "leo", False, None)
    assert ending.source
    assert (ending.source.pull_request, ending.source.act, ending.source.login) == (7, "merged", "leo-on-gitea")
    (confirmation,) = platform.repository.commits([platform.forge.main()])
    assert ending.merge == confirmation.id
    assert confirmation.signed_by
    assert confirmation.parents == (merged.merge_commit,)
    trailers = confirmation.trailers()
    assert trailers["Proposal"] == [stored.id]
    assert (trailers["Proposed-by"], trailers["Approved-by"], trailers["Merged-by"]) == (["ana"], ["lena"], ["leo"])
    assert trailers["Confirms-push"] == [merged.merge_commit]
    assert platform.repository.changes(before, confirmation.id)
    # The history and the page of a profile show a reviewed change.
    for path in (NOTEBOOK_PATH, SECOND_PATH):
        last = entries(platform, path)[0]
        assert (last.reviewed, last.proposal, last.approved_by) == (True, stored.id, ("lena",))
        assert last.commit in trailers["Confirms-push"]
    view = await platform.proposals.view(done, platform.people.actor("lena"))
    assert view.case.state == "live"
    assert [record.by for record in view.case.approvals] == ["lena"]
    assert {change.path for change in view.check.changes} == {NOTEBOOK_PATH, SECOND_PATH}
    assert is_verified(platform)
    # The next look changes nothing.
    assert await looked(platform, stored, merged) == done
    assert platform.forge.main() == confirmation.id


@each_style
async def test_what_nobody_has_approved_is_shown_as_not_reviewed(
    platform: Platform, button: Button, style: MergeStyle
) -> None:
    stored = await as_many_as_count(platform, style)
    merged = button.press(stored.head, style)
    done = await looked(platform, stored, merged)
    assert done.unreviewed
    assert done.ending
    assert (done.ending.digest, done.ending.merge) == ("", merged.merge_commit)
    assert done.ending.text.startswith("It was merged with Gitea's own button before ")
    assert platform.forge.main() == merged.merge_commit
    assert not entries(platform, NOTEBOOK_PATH)[0].reviewed
    view = await platform.proposals.view(done, platform.people.actor("lena"))
    assert (view.case.state, view.case.approvals) == ("live", ())
    assert [step.state for step in view.steps if step.name == "approved"] == ["failed"]
    assert {change.path for change in view.check.changes} == {NOTEBOOK_PATH, SECOND_PATH}
    assert is_verified(platform)


@HOLD
@each_style
async def test_a_policy_that_holds_pushes_lets_what_was_approved_through(
    platform: Platform, button: Button, style: MergeStyle
) -> None:
    stored = await as_many_as_count(platform, style)
    await platform.approved(stored)
    merged = button.press(stored.head, style)
    await platform.watcher.refresh()
    assert platform.watcher.catalog.quarantined
    assert platform.watcher.catalog.profiles["housing/notebook"].source == NOTEBOOK
    done = await looked(platform, stored, merged)
    assert not done.unreviewed
    assert platform.watcher.catalog.quarantined == ()
    assert platform.watcher.catalog.profiles["housing/notebook"].source == LARGER
    assert "housing/second" in platform.watcher.catalog.profiles


@HOLD
@each_style
async def test_a_policy_that_holds_pushes_holds_what_was_not(
    platform: Platform, button: Button, style: MergeStyle
) -> None:
    stored = await two_commits(platform)
    merged = button.press(stored.head, style)
    done = await looked(platform, stored, merged)
    assert done.unreviewed
    assert platform.watcher.catalog.profiles["housing/notebook"].source == NOTEBOOK
    assert "housing/second" not in platform.watcher.catalog.profiles
    view = await platform.proposals.view(done, platform.people.actor("lena"))
    assert view.case.state == "merged"
    held = await platform.quarantine.seen_by(platform.people.actor("anne").user)
    for each in held:
        assert not await platform.quarantine.confirm(platform.people.actor("anne"), each.commit, "Yes")
        assert await platform.quarantine.confirm(platform.people.actor("adam"), each.commit, "Yes")
    assert platform.watcher.catalog.profiles["housing/notebook"].source == LARGER
    # Somebody let it apply; that is no review.
    assert not entries(platform, NOTEBOOK_PATH)[0].reviewed


@each_style
async def test_what_was_changed_on_the_way_is_not_reviewed(
    platform: Platform, button: Button, style: MergeStyle
) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    merged = button.press(stored.head, style, {NOTEBOOK_PATH: NOTEBOOK.replace(b"4 GiB", b"16 GiB")})
    done = await looked(platform, stored, merged)
    assert done.unreviewed
    assert done.ending
    assert "something else than what was judged" in done.ending.text
    assert (await platform.proposals.view(done, platform.people.actor("lena"))).case.approvals == ()


@each_style
async def test_lines_that_the_forge_merged_are_not_reviewed(
    platform: Platform, button: Button, style: MergeStyle
) -> None:
    """Here nothing is merged line by line: nobody has seen what the lines mean together."""
    stored = await as_many_as_count(platform, style)
    await platform.approved(stored)
    platform.push({NOTEBOOK_PATH: NOTEBOOK.replace(b"Notebook", b"Census")})
    merged = button.press(stored.head, style)
    assert platform.main_file(NOTEBOOK_PATH) == LARGER.replace(b"Notebook", b"Census")
    assert (await looked(platform, stored, merged)).unreviewed


async def test_a_rebase_with_a_commit_of_somebody_else_among_its_own_is_not_reviewed(
    platform: Platform, button: Button
) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    main = platform.forge.main()
    first = commit(
        platform.repository, [main], {NOTEBOOK_PATH: LARGER, TRANSPORT_PATH: TRANSPORT + b"# for a moment\n"}
    )
    last = commit(platform.repository, [first], {SECOND_PATH: NOTEBOOK, TRANSPORT_PATH: TRANSPORT})
    git(button.folder, "fetch", "--quiet", "origin", last)
    git(button.folder, "push", "--quiet", "origin", f"{last}:main")
    merged = merged_value(HandMade(platform, stored.head).value, last, MergeStyle.REBASE)
    assert (await looked(platform, stored, merged)).unreviewed


async def test_a_merge_that_only_moves_main_forward_is_confirmed(platform: Platform, button: Button) -> None:
    stored = await as_many_as_count(platform, MergeStyle.REBASE)
    await platform.approved(stored)
    git(button.folder, "fetch", "--quiet", "origin", stored.head)
    git(button.folder, "push", "--quiet", "origin", f"{stored.head}:main")
    merged = merged_value(HandMade(platform, stored.head).value, stored.head, None)
    done = await looked(platform, stored, replace(merged, merged_at=dt.datetime.now(dt.UTC)))
    assert not done.unreviewed
    assert entries(platform, NOTEBOOK_PATH)[0].approved_by == ("lena",)


async def test_an_approval_that_came_later_does_not_count(platform: Platform, button: Button) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    (approval,) = (record for record in platform.forge.get(stored.id).records if record.kind == "approved")  # type: ignore[union-attr]
    merged = button.press(stored.head, MergeStyle.MERGE)
    done = await looked(platform, stored, replace(merged, merged_at=approval.time - dt.timedelta(seconds=1)))
    assert done.unreviewed
    assert done.ending
    assert "before " in done.ending.text


async def test_an_approver_who_has_lost_the_group_does_not_count(platform: Platform, button: Button) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    platform.people.groups["lena"] = ["/housing"]
    assert (await looked(platform, stored, button.press(stored.head, MergeStyle.SQUASH))).unreviewed


async def test_an_approver_whom_the_provider_does_not_know_any_more_does_not_count(
    platform: Platform, button: Button
) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    platform.people.identities["lena"] = {"answer": "refused", "seconds": None}
    assert (await looked(platform, stored, button.press(stored.head, MergeStyle.SQUASH))).unreviewed


async def test_a_version_that_nobody_approved_is_not_reviewed(platform: Platform, button: Button) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    pushed = commit(platform.repository, [stored.head], {SECOND_PATH: LARGER})
    assert (await looked(platform, stored, button.press(pushed, MergeStyle.MERGE))).unreviewed


async def test_what_has_problems_is_not_reviewed(platform: Platform, button: Button) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    head = commit(platform.repository, [stored.head], {SECOND_PATH: b"title: [oops"})
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", "git.example.org")
    stored = (await adopting.look(HandMade(platform, head).value, confirmed_by="ana")).stored or stored
    done = await looked(platform, stored, button.press(head, MergeStyle.MERGE))
    assert done.ending
    assert done.ending.text == "It was merged with Gitea's own button, although it has problems."


async def test_a_merge_that_is_not_here_yet_is_found_later(platform: Platform, button: Button) -> None:
    stored = await two_commits(platform)
    await platform.approved(stored)
    main = platform.forge.main()
    merge = commit(platform.repository, [main, stored.head], {NOTEBOOK_PATH: LARGER, SECOND_PATH: NOTEBOOK})
    told = merged_value(HandMade(platform, stored.head).value, merge, None)
    for value in (merged_value(told, "0" * 40, None), told):  # not fetched; fetched, and main is not there yet
        assert (await looked(platform, stored, value)).open
    git(button.folder, "fetch", "--quiet", "origin", merge)
    git(button.folder, "push", "--quiet", "origin", f"{merge}:main")
    assert not (await looked(platform, stored, told)).unreviewed


async def test_main_may_go_on_before_it_is_looked_at(platform: Platform, button: Button) -> None:
    stored = await as_many_as_count(platform, MergeStyle.REBASE)
    await platform.approved(stored)
    merged = button.press(stored.head, MergeStyle.REBASE)
    platform.push({TRANSPORT_PATH: TRANSPORT + b"# later\n"})
    done = await looked(platform, stored, merged)
    assert not done.unreviewed
    view = await platform.proposals.view(done, platform.people.actor("lena"))
    assert {change.path for change in view.check.changes} == {NOTEBOOK_PATH, SECOND_PATH}
    assert entries(platform, SECOND_PATH)[0].reviewed
    assert not entries(platform, TRANSPORT_PATH)[0].reviewed
    undone = await platform.submissions.revert(platform.people.actor("ana"), stored.id, "It was too large")
    assert set(await platform.proposals.files(undone.proposal)) == {NOTEBOOK_PATH, SECOND_PATH}


async def test_a_proposal_of_the_page_is_confirmed_too(platform: Platform, button: Button) -> None:
    stored = await platform.proposed({NOTEBOOK_PATH: LARGER})
    await platform.approved(stored)
    done = await looked(platform, stored, button.press(stored.head, MergeStyle.SQUASH))
    assert not done.unreviewed


async def test_no_title_of_a_pull_request_is_taken_for_a_confirmation(platform: Platform, button: Button) -> None:
    pushed = platform.push({"policy.yaml": None})
    knows(platform, "ana")
    adopting = Adopting(platform.proposals, platform.submissions, platform.identities, "gitea", "git.example.org")
    pull = HandMade(platform, changed(platform, {NOTEBOOK_PATH: LARGER}), title=f"the first confirmation of {pushed}")
    await platform.watcher.refresh()
    stored = (await adopting.look(pull.value, confirmed_by="ana")).stored
    assert stored
    await platform.approved(stored, by="lena")
    platform.people.admins.add("lena")
    await looked(platform, stored, button.press(stored.head, MergeStyle.MERGE))
    assert platform.landing(NOTEBOOK_PATH).approved_by == ("lena",)
    (held,) = await platform.quarantine.seen_by(platform.people.actor("adam").user)
    assert (held.commit, held.confirmed_by) == (pushed, ())
    assert await platform.quarantine.confirm(platform.people.actor("lena"), pushed, "Nobody needs it")


async def test_the_page_says_why_it_is_not_reviewed(platform: Platform, button: Button, service: WebService) -> None:
    stored = await two_commits(platform)
    await looked(platform, stored, button.press(stored.head, MergeStyle.MERGE), by="")
    page = await service.browser("lena").get(f"proposals/{stored.id}")
    assert "It was merged with Gitea&#39;s own button before " in page.text
    assert "by -on-gitea" in page.text
