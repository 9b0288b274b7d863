"""What was pushed to pull requests that people opened by hand, and waits until their authors propose it.

An author does that on the page of the hub that the service's comment links to: whoever may write on the forge can edit
what the author writes there, and within a second nobody sees it.
"""

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, UnavailableError, refused
from allotment_hub.forges.pull_requests.errors import ForgeError, ForgeMissingError
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.values import PullRequest
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.judging.checking import Check
from allotment_hub.services.proposals.case import Case
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import Submissions, moved_error
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.pull_requests.adopting import Adopting
from allotment_profiles.documents.reading import read
from allotment_profiles.model.paths import file_ref
from allotment_profiles.records.record import SETTERS
from allotment_profiles.review.changes import Change, compare_values


@dataclass(frozen=True)
class WaitingHead:
    """What waits, as a reader sees it: the same as the page of the proposal would show."""

    pull_request: PullRequest
    author: str
    """The user of the hub who alone can propose it."""
    case: Case
    """The proposal as it would be."""
    check: Check
    files: Mapping[str, bytes | None]
    seen: Collection[str]
    """The paths whose text the reader may see."""
    difference: str
    since: Sequence[Change]
    """To its author, what differs from the version that they proposed last; empty for one that was never proposed."""

    @property
    def words(self) -> str:
        """A hash of the title and the text, which become the author's own."""
        return _words(self.pull_request)


class WaitingHeads:
    """The pull requests whose authors are waited for, by what was looked at last."""

    def __init__(self, forge: Forge, adopting: Adopting, proposals: Proposals, submissions: Submissions) -> None:
        self._forge = forge
        self._adopting = adopting
        self._proposals = proposals
        self._submissions = submissions
        self._waiting: dict[int, PullRequest] = {}

    def note(self, pull_request: PullRequest, *, waits: bool) -> None:
        """Note whether what was pushed to a pull request waits for its author."""
        if waits:
            self._waiting[pull_request.number] = pull_request
        else:
            self._waiting.pop(pull_request.number, None)

    def keep_only(self, numbers: Collection[int]) -> None:
        """Forget the pull requests that are not open any more."""
        self._waiting = {number: each for number, each in self._waiting.items() if number in numbers}

    def has(self, number: int) -> bool:
        """Return whether what was pushed to a pull request waits for its author."""
        return number in self._waiting

    async def shown(self, actor: Actor, number: int) -> WaitingHead:
        """Return what waits on a pull request, to its author and to others who may see the proposal that it would be.

        Raise a refusal where nothing waits, or the actor may not see it, and GitError.
        """
        pull_request, user = self._waiting.get(number), actor.user
        author = await self._adopting.author(pull_request) if pull_request else ""
        if pull_request is None or not author:
            raise _nothing_waits(number)
        try:
            stored = await self._adopting.as_proposed(
                pull_request, author, lambda pushed: self._submissions.check_pushed(actor, pushed.paths, pushed.size)
            )
            is_listed = author == user.name or await self._proposals.listed(stored, user)
        except UnavailableError:
            raise
        except ServiceError as error:
            if author == user.name:
                raise
            raise _nothing_waits(number) from error  # why it cannot be proposed may tell what is in it
        if not is_listed:
            raise _nothing_waits(number)
        case = await self._proposals.told(await self._proposals.case(stored, user), user)
        check = (await self._proposals.seen_check(case, user)).brief()
        seen, difference = await self._proposals.difference(case, user)
        files = await self._proposals.files(stored)
        # Others may not have been able to see the version before.
        since = await self._since(stored, files, seen) if author == user.name else ()
        return WaitingHead(pull_request, author, case, check, files, seen, difference, since)

    async def _since(
        self, stored: StoredProposal, files: Mapping[str, bytes | None], seen: Collection[str]
    ) -> Sequence[Change]:
        """Return what differs from the version before, in the files whose text its author may see."""
        heads = [record.head for record in stored.records if record.kind in SETTERS]
        if len(heads) < 2:
            return ()
        earlier, repository = stored.at(heads[-2]), self._proposals.forge.repository
        before = dict(await self._proposals.files(earlier))
        paths = sorted(files.keys() & set(seen))
        for path in paths:
            if path not in before:
                before[path] = await asyncio.to_thread(repository.file, earlier.current.base, path)
        return [change for path in paths for change in _changes(path, before[path], files[path])]

    async def propose(self, actor: Actor, number: int, head: str, words: str) -> StoredProposal:
        """Propose what was pushed to a pull request of an actor, if it is still what they have looked at.

        `words` is `WaitingHead.words` of that.

        Raise a refusal where it is not proposed, UnavailableError where the forge does not answer, and GitError.
        """
        pull_request = await self._of(actor, number)
        try:
            pull_request = await self._forge.get(number)
        except ForgeMissingError as error:
            raise _nothing_waits(number) from error
        except ForgeError as error:
            raise UnavailableError(error.refusal) from error
        if (pull_request.head, _words(pull_request)) != (head, words) or not pull_request.is_open:
            why = "Somebody has pushed again, edited its title or text, or closed it, since you looked at it."
            remedy = "Look at it again."
            link = f"pull-requests/{number}"
            raise refused(409, "head-moved", "Nothing was proposed.", why, remedy, link=link)
        adoption = await self._adopting.look(pull_request, confirmed_by=actor.user.name)
        if adoption.why_not:
            raise refused(422, "head-unfit", "This cannot be proposed.", adoption.why_not)
        if adoption.stored is None:
            raise moved_error()
        self.note(pull_request, waits=False)
        return adoption.stored

    async def _of(self, actor: Actor, number: int) -> PullRequest:
        """Return a pull request that waits for an actor. Nobody else proposes it."""
        pull_request = self._waiting.get(number)
        if pull_request is None or await self._adopting.author(pull_request) != actor.user.name:
            raise _nothing_waits(number)
        return pull_request


def _changes(path: str, before: bytes | None, after: bytes | None) -> Sequence[Change]:
    where = file_ref(path)
    if where is None or before == after:
        return ()
    old, new = (read(where.kind, path, data).value if data is not None else None for data in (before, after))
    return compare_values(path, old, new)


def _words(pull_request: PullRequest) -> str:
    return hashlib.sha256(f"{pull_request.title}\0{pull_request.body}".encode(errors="surrogatepass")).hexdigest()


def _nothing_waits(number: int) -> Exception:
    why = f"What was pushed to the pull request {number} does not wait for you, as far as the forge was looked at."
    remedy = "Sign in to the hub as the author of the pull request, and look at the service's comment on it."
    return refused(404, "pull-request-unknown", "There is nothing to propose here.", why, remedy)
