"""What people do on a real Gitea, and on stand-ins for GitHub and GitLab, as records of a proposal."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pytest_asyncio
from support.fakes.platform import NOTEBOOK, NOTEBOOK_PATH, Platform
from support.forge_stages import GiteaStage, Stage

from allotment_hub.forges.pull_requests.markdown import Markdown
from allotment_hub.forges.pull_requests.values import Act, Submission
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.acts import Acts
from allotment_hub.services.pull_requests.shown import Shown
from allotment_profiles.records.record import FORGES, Record

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
HOST = "forge.example.org"


class Window:
    """A proposal whose pull request is on a stage. There, `ann` is lena, and `lea` is leo."""

    def __init__(self, platform: Platform, stage: Stage, stored: StoredProposal) -> None:
        self.platform, self.stage, self.stored = platform, stage, stored
        self.kind = stage.configuration["kind"]
        for user, who in {"lena": "ann", "leo": "lea"}.items():
            account = {"provider": self.kind, "host": HOST, "id": stage.account(who).id, "login": "an earlier name"}
            platform.people.identities[user] = {"account": account}
        self.taker = Acts(
            platform.proposals, platform.submissions, platform.reviews, platform.identities, self.kind, HOST
        )
        self.forge = stage.forge()

    async def open(self) -> int:
        branch = f"propose/{self.stored.id}"
        head = self.stage.push(branch)
        opened = await self.forge.open(Submission(branch, head, "Title", Markdown("Body"), "ana"))
        self.number, self.head, self.since = opened.number, opened.head, opened.updated - dt.timedelta(seconds=1)
        return self.number

    async def take(self) -> list[Record]:
        """Take all acts from the beginning. Return the records that were added."""
        pull_request, me = await self.forge.get(self.number), await self.forge.me()
        main, user = await self.platform.proposals.main(), self.platform.people.actor("lena").user
        digest = (await self.platform.proposals.judgement(self.stored, main, user)).sealed if self.stored.open else ""
        shown = Shown(self.stored.id, self.number, self.stored.head, digest, self.since, whole=True)
        acts = self._here(await self.forge.acts(pull_request))
        before = len(self.stored.records)
        pull_request = replace(pull_request, head=self.stored.head)
        self.stored = await self.taker.take(self.stored, pull_request, acts, shown, me)
        return list(self.stored.records[before:])

    def _here(self, acts: Sequence[Act]) -> list[Act]:
        """The head there stands for the one here."""
        return [replace(act, head=self.stored.head if act.head == self.head else act.head) for act in acts]

    def dismiss(self, reviewer: str) -> None:
        """Dismiss an approval: its own on GitLab, elsewhere as `ann`, who has to be an administrator on Gitea."""
        if not isinstance(self.stage, GiteaStage):
            self.stage.dismiss(self.number, reviewer)
            return
        ann = f"collaborators/{self.stage.account('ann').login}"
        self.stage.call("bot", "PUT", ann, {"permission": "admin"})
        login = self.stage.account(reviewer).login
        reviews = self.stage.call("bot", "GET", f"pulls/{self.number}/reviews")
        review = next(each for each in reviews if each["user"]["login"] == login and each["state"] == "APPROVED")
        path = f"pulls/{self.number}/reviews/{review['id']}/dismissals"
        self.stage.call("ann", "POST", path, {"message": "Too early"})
        self.stage.call("bot", "PUT", ann, {"permission": "write"})


@pytest_asyncio.fixture
async def window(platform: Platform, stage: Stage) -> Window:
    made = Window(platform, stage, await platform.proposed({NOTEBOOK_PATH: LARGER}))
    await made.open()
    return made


async def test_approvals_and_comments_there_lead_to_a_merge_here(window: Window) -> None:
    window.stage.comment(window.number, "lea", "Is 8 GiB enough?")
    window.stage.review(window.number, "ann", "approved")
    assert [(record.kind, record.by, record.text) for record in await window.take()] == [
        ("commented", "leo", "Is 8 GiB enough?"), ("approved", "lena", ""),
    ]  # fmt: skip
    assert await window.take() == []
    window.stage.comment(window.number, "lea", "/merge")
    (merged,) = await window.take()
    assert (merged.kind, merged.by) == ("merged", "leo")
    assert merged.source
    assert (merged.source.forge, merged.source.login) == (window.kind, window.stage.account("lea").login)
    assert window.platform.main_file(NOTEBOOK_PATH) == LARGER
    assert await window.take() == []


async def test_an_approval_that_was_dismissed_there_does_not_count_here(window: Window) -> None:
    window.stage.review(window.number, "lea", "approved", "Good")
    (approval,) = await window.take()
    window.dismiss("lea")
    (record,) = await window.take()
    by = "leo" if window.kind == "gitlab" else "lena"
    assert (record.kind, record.by, record.dismisses) == ("dismissed", by, approval.commit)
    assert await window.platform.approvers(window.stored) == []
    window.stage.review(window.number, "lea", "approved", "Good now")
    assert [record.kind for record in await window.take()] == ["approved"]
    assert await window.platform.approvers(window.stored) == ["leo"]
    assert await window.take() == []


async def test_requested_changes_there_reject_it_here(window: Window) -> None:
    window.stage.review(window.number, "lea", "changes_requested", "Too large")
    (record,) = await window.take()
    text = "Changes were requested on GitLab." if window.kind == "gitlab" else "Too large"
    assert (record.kind, record.by, record.text) == ("rejected", "leo", text)


async def test_what_is_closed_there_ends_here_unless_it_was_opened_again(window: Window) -> None:
    window.stage.end(window.number, "lea", "closed")
    window.stage.end(window.number, "lea", "reopened")
    assert await window.take() == []
    window.stage.end(window.number, "lea", "closed")
    (record,) = await window.take()
    assert (record.kind, record.by, record.text) == ("rejected", "leo", f"Closed on {FORGES[window.kind]}.")


async def test_what_the_service_writes_there_is_no_record(window: Window) -> None:
    await window.forge.keep_comment(window.number, Markdown("/merge"))
    window.stage.comment(window.number, "bot", "/merge")
    await window.forge.close(window.number, Markdown("It was rejected."))
    assert await window.take() == []
