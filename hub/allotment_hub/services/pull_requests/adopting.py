"""Adopting: a pull request that somebody opened by hand becomes a proposal, judged like every other one.

Its author proposes it: the user of the hub to whom the account belongs. Nobody knows who pushes to its branch later,
and whoever did must not approve it. So what was pushed is proposed by the author alone, on its page of the hub: on the
forge, others can edit what the author writes. Until then the branch of the proposal is at what was pushed, and nothing
is approved or merged.
"""

import asyncio
import contextlib
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from allotment_hub.errors import ServiceError, refused, unavailable
from allotment_hub.forges.adopted import OPENED, PushedHead, UnfitHeadError
from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.webhooks import ForgeKind
from allotment_hub.services.identities import Identities, ProviderAccount
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import MAXIMUM_REASON, Submissions, written
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.git.repository import NO_OBJECT, PROPOSE
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.texts import harmful_character
from allotment_profiles.records.record import FORGES, Source

T = TypeVar("T")
MAIN = "main"
_MAXIMUM_TITLE = 200
_RETRY_SECONDS = 600.0
"""How long a head is left alone that could not be fetched, or must not come to a branch."""
PAGE_SECONDS = 5.0
"""How long somebody who is at a page waits until others' heads have been fetched."""
IsAsOpened = Callable[[PullRequest], Awaitable[bool]]
_TOO_LARGE = "What was pushed cannot be fetched: it is too large, or damaged."


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a pull request that somebody opened by hand."""

    stored: StoredProposal | None
    """The proposal; None where it is none."""
    why_not: str
    """Why it is none, or why what was pushed is not taken over; plain text for the pull request.

    Empty where there is nothing to say, and where the next look will tell.
    """
    waits: bool = False
    """Whether it waits for its author, who can propose what was pushed on its page."""
    later: bool = False
    """Whether that is not known yet."""


class _NotAdoptedError(Exception):
    """Why a pull request is no proposal, or what was pushed to it is not taken over."""


class _WaitsError(_NotAdoptedError):
    """What was pushed waits for its author."""


class Adopting:
    """Adopts pull requests, each of them once at a time."""

    def __init__(
        self, proposals: Proposals, submissions: Submissions, identities: Identities, kind: ForgeKind, host: str
    ) -> None:
        self._proposals = proposals
        self._submissions = submissions
        self._identities = identities
        self._kind = kind
        self._host = host
        self._forge = proposals.forge
        self._adopted = proposals.forge.adopted
        self._locks = weakref.WeakValueDictionary[int, asyncio.Lock]()
        """By number."""
        self._fetching = asyncio.Lock()
        """The server is asked for one head at a time: more would only hold threads that others need."""
        self._left_out: dict[int, tuple[str, str, float]] = {}
        """By number: the head that is not taken over, why, and until when it is left alone."""

        self._opened: dict[int, str] = {}
        """By number: the head with which it was seen to be opened."""

    async def look(
        self,
        pull_request: PullRequest,
        *,
        confirmed_by: str = "",
        is_as_opened: IsAsOpened | None = None,
    ) -> Adoption:
        """Adopt an open pull request that is no proposal's, or take over what was pushed to an adopted one since.

        One is adopted where `is_as_opened` says that nobody has pushed since its author opened it. What was pushed
        later is taken over where it is `confirmed_by` its author, a user of the hub, who has looked at it. They are at
        a page, and wait for others' heads no longer than `PAGE_SECONDS`. Raise UnavailableError, GitError.
        """
        until = _soon() if confirmed_by else None
        async with _turn(self._lock(pull_request), until):
            stored, why, waits = await asyncio.to_thread(self._found, pull_request), "", False
            try:
                if stored is None:
                    check = None if confirmed_by else partial(self._check_opening, pull_request, is_as_opened)
                    stored = await self._adopt(pull_request, check, confirmed_by, until)
                elif stored.records[0].source and pull_request.is_open:
                    stored = await self._follow(stored, pull_request, confirmed_by, until)
            except _NotAdoptedError as error:
                why, waits = str(error), isinstance(error, _WaitsError)
            except ServiceError as error:
                why = _words(error.refusal)
            if stored and why:
                stored = await asyncio.to_thread(self._forge.get, stored.id)
            return Adoption(stored, why, waits)

    async def as_proposed(
        self, pull_request: PullRequest, by: str, check: Callable[[PushedHead], None]
    ) -> StoredProposal:
        """Return the proposal as it would be if somebody proposed a pull request as it is. Nothing is recorded.

        It is fetched where it is not here any more, and read where `check` does not raise. Raise ServiceError where it
        cannot be a proposal, UnavailableError where others' heads take long to fetch, and GitError.
        """
        try:
            async with self._here(pull_request):
                pushed = await self._read(pull_request.head, foreign=pull_request.foreign)
        except _NotAdoptedError as error:
            raise refused(422, "head-unfit", "This cannot be proposed.", str(error)) from error
        check(pushed)
        earlier = await asyncio.to_thread(self._found, pull_request)
        source, (title, text) = self._source(pull_request, f"head {pushed.head}"), _said(pull_request)
        would_be = partial(self._adopted.as_proposed, earlier, pushed, source, by=by, title=title, text=text)
        return await asyncio.to_thread(would_be)

    @contextlib.asynccontextmanager
    async def _here(self, pull_request: PullRequest) -> AsyncIterator[None]:
        until = _soon()
        if await self._is_here(pull_request):
            yield
            return
        async with _turn(self._lock(pull_request), until), self._fetched(pull_request, until):
            yield

    async def _is_here(self, pull_request: PullRequest) -> bool:
        return bool(await asyncio.to_thread(self._forge.repository.sizes, [pull_request.head]))

    def _lock(self, pull_request: PullRequest) -> asyncio.Lock:
        return self._locks.setdefault(pull_request.number, asyncio.Lock())

    async def author(self, pull_request: PullRequest) -> str:
        """Return the name of the user of the hub who may propose a pull request; empty where there is none.

        Raise UnavailableError.
        """
        try:
            return (await self._author(pull_request)).user.name
        except _NotAdoptedError:
            return ""

    def _found(self, pull_request: PullRequest) -> StoredProposal | None:
        """Return the proposal of a pull request: the one that was adopted from it, or the one that it shows."""
        adopted = self._adopted.find(self._kind, pull_request.number, self._host, pull_request.head)
        if adopted:
            return self._forge.get(adopted)
        name = pull_request.branch.removeprefix(PROPOSE.removeprefix("refs/heads/"))
        is_ours = not pull_request.foreign and name != pull_request.branch
        return self._forge.get(name) if is_ours else None

    async def _check_opening(self, pull_request: PullRequest, is_as_opened: IsAsOpened | None) -> None:
        """Check that its author has opened it as it is now: of what was pushed since nobody knows who did."""
        number, head = pull_request.number, pull_request.head
        if self._opened.get(number) != head and is_as_opened and await is_as_opened(pull_request):
            self._opened[number] = head
        if self._opened.get(number) != head:
            who, why = _author_of(pull_request), "Somebody may have pushed to this branch since this was opened."
            raise _WaitsError(f"{why} {who} can propose it as it is, in Allotment.")

    async def _adopt(
        self,
        pull_request: PullRequest,
        check: Callable[[], Awaitable[None]] | None,
        confirmed_by: str,
        until: float | None,
    ) -> StoredProposal | None:
        if not pull_request.is_open:
            return None
        if pull_request.base != MAIN:
            raise _NotAdoptedError(f"It asks to be merged into another branch than {MAIN}, where no profiles are.")
        actor = await self._author(pull_request)
        if confirmed_by not in ("", actor.user.name):
            raise _NotAdoptedError(f"Only {actor.user.name} can propose it.")
        source, (title, text) = self._source(pull_request, OPENED), _said(pull_request)

        def record(pushed: PushedHead) -> str:
            return self._adopted.adopt(pushed, source, by=actor.user.name, title=title, text=text)

        adopted = await self._taken(actor, pull_request, record, check, until=until, is_new=True)
        return await asyncio.to_thread(self._forge.get, adopted) if adopted else None

    async def _follow(
        self, stored: StoredProposal, pull_request: PullRequest, confirmed_by: str, until: float | None
    ) -> StoredProposal:
        """Record what was pushed, or let the proposal wait until its author confirms that."""
        if stored.ending:
            why = f"The proposal was {stored.ending.kind}. To propose again, open another pull request."
            raise _NotAdoptedError(why)
        head = pull_request.head
        if head == stored.head:
            return await self._branch_at(stored, head)
        is_changed_here = stored.current.source is None
        if is_changed_here and not confirmed_by and await asyncio.to_thread(self._adopted.is_part, head, stored.head):
            what = "It was changed on its page since, and this pull request shows the version before."
            raise _NotAdoptedError(f"{what} Decide on its page in Allotment.")
        stored = await self._waiting(stored, pull_request, until)
        if not confirmed_by:
            who = _author_of(pull_request)
            then = "until then the version before counts, and nothing is merged."
            raise _WaitsError(f"Somebody pushed to this branch. {who} can propose it in Allotment; {then}")
        actor = await self._author(pull_request)
        if not actor.user.name == stored.proposer == confirmed_by:
            raise _NotAdoptedError(f"Somebody pushed to this branch. Only {stored.proposer} can propose it here.")
        source, (title, text) = self._source(pull_request, f"head {head}"), _said(pull_request)

        def record(pushed: PushedHead) -> None:
            self._adopted.update(stored, pushed, source, by=stored.proposer, title=title, text=text)

        await self._taken(actor, pull_request, record, until=until, is_new=False)
        return await self._proposals.stored(stored.id)

    async def _waiting(self, stored: StoredProposal, pull_request: PullRequest, until: float | None) -> StoredProposal:
        """Move the branch of a proposal to what was pushed, so that nothing is decided before that is proposed."""
        if stored.branch == pull_request.head:
            return stored
        try:
            async with self._fetched(pull_request, until) as head:
                if pull_request.foreign:
                    await self._check_harmless(pull_request.number, head)
                return await self._branch_at(stored, head)
        except _NotAdoptedError:  # without a branch nothing is decided either
            if stored.branch:
                await self._branch_at(stored, NO_OBJECT)
            raise

    async def _check_harmless(self, number: int, head: str) -> None:
        """Check that what was pushed to a fork may come to a branch of the repository itself."""
        try:
            await self._read(head, foreign=True)
        except _NotAdoptedError as error:
            self._left_out[number] = head, str(error), time.monotonic() + _RETRY_SECONDS
            raise

    async def _branch_at(self, stored: StoredProposal, head: str) -> StoredProposal:
        if stored.branch == head:
            return stored
        await written(self._adopted.follow, stored, head)
        return await self._proposals.stored(stored.id)

    async def _author(self, pull_request: PullRequest) -> Actor:
        """Return the author as the hub knows them: they may propose, and decide nothing here."""
        author = pull_request.author
        if author is None:
            raise _NotAdoptedError(
                f"The account of its author is gone from {FORGES[self._kind]}, so nobody proposes it."
            )
        account = ProviderAccount(self._kind, self._host, author.id, author.login)
        users = await self._identities.users_of(account)
        if not users:
            why = f"Nobody at the hub has {author.login}'s account of {FORGES[self._kind]}."
            raise _NotAdoptedError(f"{why} Sign in to the hub with that account; then it becomes a proposal.")
        if len(users) > 1:
            why = f"{len(users)} users of the hub have {author.login}'s account of {FORGES[self._kind]}."
            raise _NotAdoptedError(f"{why} Ask an administrator to remove all but one of them.")
        identity = await self._identities.known(users[0])
        if identity is None:
            raise _NotAdoptedError(f"The hub has no user {users[0]} any more.")
        return Actor(identity.user, may_review=False)

    async def _taken(
        self,
        actor: Actor,
        pull_request: PullRequest,
        record: Callable[[PushedHead], T],
        check: Callable[[], Awaitable[None]] | None = None,
        *,
        until: float | None,
        is_new: bool,
    ) -> T | None:
        """Record the head of a pull request; None where it has moved again meanwhile."""
        async with self._fetched(pull_request, until) as head:
            if head != pull_request.head:
                return None
            if check:  # after the fetch: what came with it, the forge tells by now
                await check()
            pushed = await self._read(head, foreign=pull_request.foreign)
            return await self._submissions.take(
                actor, pushed.paths, pushed.size, partial(record, pushed), is_new=is_new
            )

    async def _read(self, head: str, *, foreign: bool) -> PushedHead:
        main = await self._proposals.main()
        try:
            return await asyncio.to_thread(self._adopted.read, head, main, foreign=foreign)
        except UnfitHeadError as error:
            raise _NotAdoptedError(str(error)) from error

    @contextlib.asynccontextmanager
    async def _fetched(self, pull_request: PullRequest, until: float | None) -> AsyncIterator[str]:
        """Fetch the head of a pull request, and keep it meanwhile. It may be newer than what the forge tells.

        For somebody who waits no longer than `until`, one that is here is not fetched again: they have looked at it.
        """
        if until is not None and await self._is_here(pull_request):
            yield pull_request.head
            return
        number = pull_request.number
        left_out, why, again = self._left_out.get(number, ("", "", 0.0))
        if left_out == pull_request.head and time.monotonic() < again:
            raise _NotAdoptedError(why)
        async with _turn(self._fetching, until):
            head = await asyncio.to_thread(self._adopted.fetch, self._kind, number)
        if head is None:
            self._left_out[number] = pull_request.head, _TOO_LARGE, time.monotonic() + _RETRY_SECONDS
            raise _NotAdoptedError(_TOO_LARGE)
        self._left_out.pop(number, None)
        try:
            yield head
        finally:
            await asyncio.to_thread(self._adopted.drop, self._kind, number)

    def _source(self, pull_request: PullRequest, act: str) -> Source:
        login = pull_request.author.login if pull_request.author else ""
        return Source(self._kind, pull_request.number, act, login, server=self._host)


def _soon() -> float:
    return asyncio.get_running_loop().time() + PAGE_SECONDS


@contextlib.asynccontextmanager
async def _turn(lock: asyncio.Lock, until: float | None) -> AsyncIterator[None]:
    """Hold a lock. Raise UnavailableError where it is not free until then."""
    try:
        async with asyncio.timeout_at(until):
            await lock.acquire()
    except TimeoutError as error:
        why = "What was pushed to other pull requests is being fetched, and that takes long."
        remedy = "Nothing was proposed, and nothing is lost. Open the page again in a minute."
        raise unavailable("forge-busy", why, remedy) from error
    try:
        yield
    finally:
        lock.release()


def _author_of(pull_request: PullRequest) -> str:
    return pull_request.author.login if pull_request.author else "Its author"


def _said(pull_request: PullRequest) -> tuple[str, str]:
    """Return the title and the text of the proposal, without what could do harm."""
    title = " ".join(_harmless(pull_request.title).split())[:_MAXIMUM_TITLE]
    title = title or f"Pull request {pull_request.number}"
    text = _harmless(pull_request.body.replace("\r\n", "\n")).strip() or title
    return title, text if len(text) <= MAXIMUM_REASON else f"{text[: MAXIMUM_REASON - 1]}…"


def _harmless(text: str) -> str:
    beginning = text[: 2 * MAXIMUM_REASON]
    return "".join(" " if harmful_character(character, "\n\t") else character for character in beginning)


def _words(refusal: Refusal) -> str:
    """Return a refusal for a pull request; nothing where another change was faster, and the next look tells."""
    if refusal.code == "moved":
        return ""
    return " ".join(part for part in (refusal.what, refusal.why, refusal.remedy) if part)
