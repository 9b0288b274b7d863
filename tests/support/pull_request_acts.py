"""A proposal with the pull request that shows it, and what people do there."""

import datetime as dt
import itertools
from pathlib import Path

from support.fakes.platform import NOTEBOOK, PRICES, Platform

from allotment_hub.forges.pull_requests.values import Act, ActKind, ForgeAccount, PullRequest, PullRequestState
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.pull_requests.acts import Acts
from allotment_hub.services.pull_requests.shown import Shown
from allotment_profiles.records.record import Record

LARGER = NOTEBOOK.replace(b"4 GiB", b"8 GiB")
LARGEST = NOTEBOOK.replace(b"4 GiB", b"12 GiB")
GRANTED = PRICES.replace(b"granted_to:", b"granted_to:\n  transport: {until: 2999-12-31}")
BOT = ForgeAccount("1", "allotment")
HOST = "git.example.org"
NUMBER = 7
OPENED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SHOWN_AT = OPENED + dt.timedelta(hours=1)
AFTER = SHOWN_AT + dt.timedelta(hours=1)
FOLLOWING = itertools.count(100)


def account_of(name: str) -> ForgeAccount:
    return ForgeAccount(f"id-of-{name}", f"{name}-on-gitea")


def has_account(platform: Platform, user: str, account: ForgeAccount | None = None, host: str = HOST) -> None:
    """Let a user sign in to the hub with an account of the forge."""
    account = account or account_of(user)
    has = {"provider": "gitea", "host": host, "id": account.id, "login": account.login}
    platform.people.identities[user] = {**platform.people.identities.get(user, {}), "account": has}


def act(
    who: ForgeAccount | str | None, kind: ActKind, text: str = "", *, head: str = "", about: str = "",
    time: dt.datetime = AFTER, id_: str = "", edited: bool = False,
) -> Act:  # fmt: skip
    account = account_of(who) if isinstance(who, str) else who
    return Act(id_ or f"act-{next(FOLLOWING)}", kind, account, time, head, text, about, edited)


class Window:
    """A proposal, and the pull request that shows it."""

    def __init__(self, platform: Platform, stored: StoredProposal) -> None:
        self.platform = platform
        self.stored = stored
        self.acts = self.service(platform)
        self.head = stored.head
        self.shown = Shown(stored.id, NUMBER)
        self.state = PullRequestState.OPEN

    @staticmethod
    def service(platform: Platform, host: str = HOST) -> Acts:
        return Acts(platform.proposals, platform.submissions, platform.reviews, platform.identities, "gitea", host)

    @property
    def pull_request(self) -> PullRequest:
        return PullRequest(
            NUMBER, "https://git.example.org/owner/name/pulls/7", f"propose/{self.stored.id}", False, self.head, "main",
            "Title", "Body", self.state, BOT, frozenset(), frozenset(), AFTER,
        )  # fmt: skip

    async def show(self, since: dt.datetime = SHOWN_AT, *, whole: bool = True) -> None:
        """Show what the proposal does now."""
        main, user = await self.platform.proposals.main(), self.platform.people.actor("lena").user
        self.stored = await self.platform.proposals.stored(self.stored.id)
        digest = (await self.platform.proposals.judgement(self.stored, main, user)).sealed
        self.head = self.stored.head
        self.shown = Shown(self.stored.id, NUMBER, self.stored.head, digest, since, whole)

    async def take(self, *those: Act) -> list[Record]:
        """Take acts. Return the records that were added."""
        before = (await self.platform.proposals.stored(self.stored.id)).records
        self.stored = await self.acts.take(self.stored, self.pull_request, those, self.shown, BOT)
        now = await self.platform.proposals.stored(self.stored.id)
        assert self.stored == now
        return list(now.records[len(before) :])

    def approval(self, by: ForgeAccount | str | None = "lena", *, time: dt.datetime = AFTER) -> Act:
        return act(by, ActKind.APPROVED, head=self.stored.head, time=time)


async def beside(window: Window, folder: Path) -> Acts:
    """Return the acts of another service over the same repository."""
    other = window.platform.beside(folder)
    await other.watcher.refresh()
    return window.service(other)


def uncounted(records: list[Record]) -> str:
    """Return why the one record that was added does not count."""
    (record,) = records
    assert record.kind == "commented"
    assert record.source
    return record.source.uncounted
