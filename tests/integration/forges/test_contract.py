"""What every adapter does, on a real Gitea and on stand-ins for GitHub and GitLab."""

import asyncio
import datetime as dt
import secrets
from dataclasses import replace

import pytest
from support.conditions import eventually, until
from support.forge_stages import Stage, StandInStage

from allotment_hub.forges.pull_requests.adapter import PullRequestAdapter
from allotment_hub.forges.pull_requests.errors import ForgeMissingError
from allotment_hub.forges.pull_requests.markdown import ZERO_WIDTH_SPACE, Markdown
from allotment_hub.forges.pull_requests.values import (
    Act,
    ActKind,
    Annotation,
    ForgeAccount,
    MergeStyle,
    Permission,
    PullRequestState,
    Status,
    StatusState,
    Submission,
)

CHECK, APPROVAL = "allotment/check", "allotment/approval"
STAND_INS = pytest.mark.parametrize("stage", ["github", "github-app", "gitlab"], indirect=True)
LABELS = ("allotment: needs review", "allotment: approved")


def submission(stage: Stage, title: str = "More memory for the bulletin") -> Submission:
    branch = f"propose/{secrets.token_hex(4)}"
    return Submission(branch, stage.push(branch), title, Markdown("**Memory:** 4 GiB → 8 GiB"), "Ann Analyst")


def kinds(acts: tuple[Act, ...]) -> list[ActKind]:
    return [act.kind for act in acts]


async def test_the_service_knows_who_it_is_and_who_others_are(stage: Stage, forge: PullRequestAdapter) -> None:
    assert await forge.me() == stage.account("bot")
    assert await forge.account(stage.account("lea").id) == stage.account("lea")
    assert await forge.account("99999999") is None
    assert await forge.permission(stage.account("lea")) is Permission.WRITE
    assert await forge.permission(stage.account("stranger")) is Permission.NONE
    # Somebody else has the login now.
    assert await forge.permission(ForgeAccount("99999999", stage.account("lea").login)) is Permission.NONE


@STAND_INS
async def test_somebody_who_was_renamed_is_still_the_same(stage: StandInStage, forge: PullRequestAdapter) -> None:
    before = stage.account("lea")
    stage.server.state.users["lea"].login = "lea-smith"
    assert await forge.account(before.id) == ForgeAccount(before.id, "lea-smith")


async def test_a_pull_request_is_opened_once(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage, "Fixes #1 for @everyone")
    assert await forge.find(what.branch) is None
    opened = await forge.open(what)
    again, after_a_crash = await forge.open(what), await stage.forge().open(what)
    found = await forge.find(what.branch)
    assert found
    assert opened.number == again.number == after_a_crash.number == found.number
    assert replace(await forge.get(opened.number), updated=opened.updated) == opened
    assert stage.numbers(what.branch) == [opened.number]
    assert (opened.branch, opened.head, opened.base) == (what.branch, what.head, "main")
    assert opened.state is PullRequestState.OPEN
    assert opened.author == stage.account("bot")
    assert opened.title == f"Fixes #{ZERO_WIDTH_SPACE}1 for @{ZERO_WIDTH_SPACE}everyone"
    assert opened.body == f"{what.body}\n\nProposed-by: Ann Analyst"
    assert not opened.foreign
    assert opened.address.endswith(f"/{opened.number}")


async def test_of_two_who_open_it_at_once_both_get_the_same(stage: Stage) -> None:
    what = submission(stage)
    first_forge, second_forge = stage.forge(), stage.forge()
    first, second = await asyncio.gather(first_forge.open(what), second_forge.open(what))
    assert first.number == second.number
    states = {number: (await first_forge.get(number)).state for number in stage.numbers(what.branch)}
    assert states.pop(first.number) is PullRequestState.OPEN
    assert set(states.values()) <= {PullRequestState.CLOSED}


async def test_it_is_the_persons_own_where_their_token_is_known(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    opened = await forge.open(what, stage.token("ann"))
    assert opened.author == stage.account("ann")
    assert opened.body == what.body


@pytest.mark.parametrize("token", ["of a stranger", "wrong"])
async def test_it_is_the_services_where_the_person_may_not(stage: Stage, forge: PullRequestAdapter, token: str) -> None:
    what = submission(stage)
    opened = await forge.open(what, stage.token("stranger") if token == "of a stranger" else "wrong")
    assert opened.author == stage.account("bot")
    assert "Proposed-by: Ann Analyst" in opened.body
    assert await forge.me() == stage.account("bot")


async def test_title_and_body_are_changed_only_where_they_differ(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    opened = await forge.open(what)
    await forge.update(opened, what)
    assert stage.front.made("PATCH") == stage.front.made("PUT") == 0
    await forge.update(opened, Submission(what.branch, what.head, "Draft: more", Markdown("16 GiB"), "Ann"))
    changed = await forge.get(opened.number)
    assert (changed.title, changed.body) == (f"{ZERO_WIDTH_SPACE}Draft: more", "16 GiB\n\nProposed-by: Ann")


async def test_closing_says_why_once(stage: Stage, forge: PullRequestAdapter) -> None:
    opened = await forge.open(submission(stage))
    await forge.close(opened.number, Markdown("Withdrawn by Ann"))
    await forge.close(opened.number, Markdown("Withdrawn by Ann"))
    closed = await forge.get(opened.number)
    assert closed.state is PullRequestState.CLOSED
    assert ["Withdrawn by Ann" in text for text in stage.comments(opened.number)] == [True]


async def test_a_closed_one_is_opened_again_only_for_another_head(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    opened = await forge.open(what)
    stage.end(opened.number, "lea", "closed")
    assert (await forge.open(what)).number == opened.number
    newer = Submission(what.branch, stage.push(what.branch), what.title, what.body, what.proposed_by)
    second = await forge.open(newer)
    assert second.number != opened.number
    found = await forge.find(what.branch)
    assert found
    assert found.number == second.number


async def test_pull_requests_of_everybody_are_listed(stage: Stage, forge: PullRequestAdapter) -> None:
    before = {each.number for each in await forge.open_pull_requests()}
    mine = await forge.open(submission(stage))
    branch = f"topic-{secrets.token_hex(3)}"
    stage.push(branch)
    by_hand = stage.open_by_hand("ann", branch, "Made by hand")
    closed = await forge.open(submission(stage))
    stage.end(closed.number, "ann", "closed")
    listed = {each.number: each for each in await forge.open_pull_requests()}
    assert listed.keys() - before == {mine.number, by_hand}
    assert listed[by_hand].author == stage.account("ann")
    assert listed[by_hand].branch == branch


async def test_one_comment_is_kept_up_to_date(stage: Stage, forge: PullRequestAdapter) -> None:
    number = (await forge.open(submission(stage))).number
    await forge.keep_comment(number, Markdown("Waits for Lea"))
    kept = stage.comments(number)[0]
    await forge.keep_comment(number, Markdown("Waits for Lea"))
    await stage.forge().keep_comment(number, Markdown("Approved"))
    assert ["Approved" in text for text in stage.comments(number)] == [True]
    # Somebody copies it elsewhere, with its hidden mark.
    other = (await forge.open(submission(stage))).number
    stage.comment(other, "ann", kept)
    await forge.keep_comment(other, Markdown("Approved"))
    texts = stage.comments(other)
    assert texts[0] == kept
    assert ["Approved" in text for text in texts] == [False, True]


async def test_of_two_comments_that_two_services_wrote_at_once_one_is_left(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    number = (await forge.open(submission(stage))).number
    await forge.keep_comment(number, Markdown("Waits for Lea"))
    [kept] = stage.comments(number)
    await forge._add_comment(number, kept)  # as the other one does that has not seen it yet
    assert not await forge.is_written(number, None, Markdown("Waits for Lea"))
    for text in ("Waits for Lea", "Approved"):
        await forge.keep_comment(number, Markdown(text))
        assert await forge.is_written(number, None, Markdown(text))
        first, second = stage.comments(number)
        assert (text in first, "in another comment" in second) == (True, True)
        assert "Lea" not in second


async def test_a_comment_that_was_edited_and_put_back_is_not_as_it_was_written(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    number, text = (await forge.open(submission(stage))).number, Markdown("Waits for Lea")
    await forge.keep_comment(number, text)
    [written] = await forge._comments(number)
    at = written.updated
    assert at
    assert await forge.is_written(number, None, text, at)
    [kept] = stage.comments(number)
    until(lambda: dt.datetime.now(dt.UTC) >= at + dt.timedelta(seconds=1), what="the times tell them apart")
    for body in ("All is well", kept):
        stage.edit_comment(number, "lea", body)
    assert await forge.is_written(number, None, text)
    assert not await forge.is_written(number, None, text, at)


async def test_labels_of_others_stay(stage: Stage, forge: PullRequestAdapter) -> None:
    number = (await forge.open(submission(stage))).number
    stage.add_label(number, "urgent")
    await forge.set_labels(number, LABELS[:1], LABELS)
    await forge.set_labels(number, LABELS[:1], LABELS)
    assert (await forge.get(number)).labels == {"urgent", LABELS[0]}
    await forge.set_labels(number, LABELS[1:], LABELS)
    assert (await forge.get(number)).labels == {"urgent", LABELS[1]}


async def test_reviewers_are_asked_once_and_who_cannot_be_asked_is_told(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    opened = await forge.open(submission(stage), stage.token("ann"))
    people = [stage.account(name) for name in ("lea", "stranger", "ann")]
    answer = await forge.ask_for_reviews(opened.number, people)
    assert answer.asked == (stage.account("lea"),)
    assert {each.account.login for each in answer.passed_over} == {people[1].login, people[2].login}
    assert all(each.why for each in answer.passed_over)
    assert stage.account("lea") in (await forge.get(opened.number)).reviewers
    assert (await forge.ask_for_reviews(opened.number, people)).asked == ()
    stage.review(opened.number, "lea", "approved")
    assert (await forge.ask_for_reviews(opened.number, people)).asked == ()


async def test_who_has_reviewed_an_older_head_is_asked_again_where_the_forge_can(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    what = submission(stage)
    number = (await forge.open(what)).number
    lea = stage.account("lea")
    assert (await forge.ask_for_reviews(number, [lea])).asked == (lea,)
    stage.review(number, "lea", "approved")
    stage.push(what.branch)
    assert (await forge.ask_for_reviews(number, [lea])).asked == ((lea,) if stage.asks_again else ())
    assert (await forge.ask_for_reviews(number, [lea])).asked == ()


async def test_statuses_are_set_only_where_they_differ(stage: Stage, forge: PullRequestAdapter) -> None:
    opened = await forge.open(submission(stage))
    waiting = Status(APPROVAL, StatusState.PENDING, "Waits for Lea" + " or her deputy" * 20, "https://hub.example/p/1")
    broken = Status(
        CHECK, StatusState.FAILURE, "1 problem", "https://hub.example/p/1", (Annotation("a.yaml", 3, "too large"),)
    )
    await forge.set_statuses(opened, [waiting, broken])
    made = stage.front.made("POST")
    await forge.set_statuses(opened, [waiting, broken])
    assert stage.front.made("POST") == made
    good = Status(CHECK, StatusState.SUCCESS, "No problems", "https://hub.example/p/1")
    await forge.set_statuses(opened, [waiting, good])
    assert stage.front.made("POST") == made + 1
    approved = Status(APPROVAL, StatusState.SUCCESS, "Approved by Lea", "https://hub.example/p/1")
    await forge.set_statuses(opened, [approved, good])
    await forge.set_statuses(opened, [approved, good])
    assert stage.front.made("POST") == made + 2


async def test_reviews_are_of_the_head_that_they_were_given_on(stage: Stage, forge: PullRequestAdapter) -> None:
    what = submission(stage)
    opened = await forge.open(what)
    stage.review(opened.number, "lea", "approved", "Fine with me")
    newer = stage.push(what.branch)
    stage.review(opened.number, "ann", "changes_requested", "Too much memory")
    acts = await forge.acts(await forge.get(opened.number))
    reviews = {act.kind: act for act in acts if act.kind is not ActKind.COMMENTED}
    approval, rejection = reviews[ActKind.APPROVED], reviews[ActKind.CHANGES_REQUESTED]
    assert (approval.head, approval.account) == (what.head, stage.account("lea"))
    assert (rejection.head, rejection.account) == (newer, stage.account("ann"))
    again = await stage.forge().acts(await forge.get(opened.number))
    assert [act.id for act in again] == [act.id for act in acts]


async def test_an_approval_that_was_taken_back_is_told_with_it(stage: Stage, forge: PullRequestAdapter) -> None:
    opened = await forge.open(submission(stage))
    stage.review(opened.number, "lea", "approved")
    stage.dismiss(opened.number, "lea")
    acts = await forge.acts(await forge.get(opened.number))
    assert kinds(acts) == [ActKind.APPROVED, ActKind.DISMISSED]
    assert acts[1].about == acts[0].id


async def test_whatever_somebody_does_moves_the_time_of_the_pull_request(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    """Who looks at those alone that have moved misses nothing."""
    opened = await forge.open(submission(stage))
    acts = [
        lambda: stage.review(opened.number, "lea", "approved"),
        lambda: stage.dismiss(opened.number, "lea"),
        lambda: stage.comment(opened.number, "ann", "Please"),
        lambda: stage.remark(opened.number, "lea", "a.yaml", 2, "Why?"),
        lambda: stage.end(opened.number, "ann", "closed"),
    ]
    for number, act in enumerate(acts, 1):
        act()
        now = await forge.get(opened.number)
        told = await forge.acts(now)
        assert len(told) == number
        assert now.updated >= told[-1].time


async def test_what_people_say_and_do_is_told_in_order(stage: Stage, forge: PullRequestAdapter) -> None:
    opened = await forge.open(submission(stage))
    stage.comment(opened.number, "ann", "/merge")
    stage.remark(opened.number, "lea", "a.yaml", 2, "Why so much?")
    stage.end(opened.number, "ann", "closed")
    stage.end(opened.number, "ann", "reopened")
    acts = await forge.acts(await forge.get(opened.number))
    assert kinds(acts) == [ActKind.COMMENTED, ActKind.COMMENTED, ActKind.CLOSED, ActKind.REOPENED]
    assert (acts[0].text, acts[0].account) == ("/merge", stage.account("ann"))
    assert acts[1].text.endswith(":2: Why so much?")
    assert acts[1].head == opened.head
    assert [act.time for act in acts] == sorted(act.time for act in acts)
    later = await forge.acts(opened, acts[-1].time)
    assert acts[-1] in later
    assert not acts[0].edited
    assert await forge.acts(opened, acts[-1].time + dt.timedelta(seconds=1)) == ()


async def test_a_comment_that_was_changed_is_told_as_edited(stage: Stage, forge: PullRequestAdapter) -> None:
    """Whoever may write can change what others have written: no forge tells whose words they are then."""
    opened = await forge.open(submission(stage))
    stage.comment(opened.number, "ann", "Who pushed that?")
    [written] = await forge.acts(await forge.get(opened.number))
    stage.edit_comment(opened.number, "lea", "/propose")
    [changed] = await forge.acts(await forge.get(opened.number))
    assert (written.text, written.edited) == ("Who pushed that?", False)
    assert (changed.text, changed.edited, changed.account) == ("/propose", True, stage.account("ann"))
    assert (changed.id, changed.time) == (written.id, written.time)


async def test_words_of_a_review_are_told_as_written(stage: Stage, forge: PullRequestAdapter) -> None:
    opened = await forge.open(submission(stage))
    stage.review(opened.number, "lea", "changes_requested", "Too much memory")
    acts = await forge.acts(await forge.get(opened.number))
    assert [act.edited for act in acts if act.text] in ([False], [])  # GitLab has no words with it


@pytest.mark.parametrize("style", ["merge", "squash", "rebase"])
async def test_a_merge_on_the_forge_is_told_with_its_commit(
    stage: Stage, forge: PullRequestAdapter, style: str
) -> None:
    opened = await forge.open(submission(stage))
    assert (opened.merge_commit, opened.merged_at) == ("", None)
    stage.merge(opened.number, "lea", style)
    merged = await forge.get(opened.number)
    assert merged.state is PullRequestState.MERGED
    assert len(merged.merge_commit) == 40
    assert merged.merge_style is (MergeStyle(style) if stage.reports_style else None)
    acts = await forge.acts(merged)
    assert kinds(acts) == [ActKind.MERGED]
    assert acts[0].account == stage.account("lea")
    assert merged.merged_at
    assert abs(merged.merged_at - acts[0].time) <= dt.timedelta(seconds=1)


async def test_it_is_told_whether_somebody_has_pushed_since_it_was_opened(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    for _ in range(5):
        branch = f"by-hand-{secrets.token_hex(4)}"
        stage.push(branch)
        opened = await forge.get(stage.open_by_hand("ann", branch, "Made by hand"))
        if await forge.is_as_opened(opened):
            break
        # Gitea tells of a push that it had not seen when this was opened as of a later one.
    assert await forge.is_as_opened(opened)
    head = stage.push(branch)

    async def is_noticed() -> bool:
        now = await forge.get(opened.number)
        return now.head == head and not await forge.is_as_opened(now)

    await eventually(is_noticed, "the push is told")


async def test_a_number_that_nobody_has_is_missing(forge: PullRequestAdapter) -> None:
    with pytest.raises(ForgeMissingError):
        await forge.get(987_654)


async def test_missing_protections_are_named_with_the_page_of_the_setting(
    stage: Stage, forge: PullRequestAdapter
) -> None:
    missing = await forge.missing_protections([CHECK, APPROVAL])
    assert [each.code for each in missing] == [
        "main-open", "main-forced", "main-deletion", "status-optional", "status-optional",
    ]  # fmt: skip
    assert all("settings" in each.address and each.sentence for each in missing)
    stage.protect([CHECK, APPROVAL])
    assert await forge.missing_protections([CHECK, APPROVAL]) == ()


@STAND_INS
async def test_a_fork_with_the_branch_of_a_proposal_is_not_its_pull_request(stage: StandInStage) -> None:
    forge, what = stage.forge(), submission(stage)
    fork = stage.open_by_hand("ann", what.branch, "Mine!", fork=True)
    assert await forge.find(what.branch) is None
    assert (await forge.open(what)).number != fork
    assert [each.foreign for each in await forge.open_pull_requests()] == [True, False]


@pytest.mark.parametrize("stage", ["github", "github-app"], indirect=True)
async def test_annotations_stand_at_their_lines_where_the_forge_can(stage: StandInStage) -> None:
    opened = await stage.forge().open(submission(stage))
    many = tuple(Annotation("a.yaml", line, "too large") for line in range(1, 61))
    await stage.forge().set_statuses(opened, [Status(CHECK, StatusState.FAILURE, "60 problems", "https://h", many)])
    runs = stage.server.state.check_runs
    assert len(runs) == (1 if await stage.forge().me() == stage.account("allotment[bot]") else 0)
    for run in runs:
        output = run["output"]
        assert isinstance(output, dict)
        assert output["annotations"][2]["start_line"] == 3
        assert "10 more problems" in output["summary"]
