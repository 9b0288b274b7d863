"""What people did on a pull request, as records: whoever did it decides as on the page, by the same functions.

What does not count is recorded as a comment that says why and what helps, so that the page tells what the pull request
tells. Nothing here approves, rejects or merges by itself.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from allotment_hub.errors import ServiceError, UnavailableError, unavailable
from allotment_hub.forges.pull_requests.adapter import MAIN
from allotment_hub.forges.pull_requests.values import Act, ActKind, ForgeAccount, PullRequest, PullRequestState
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.forges.webhooks import ForgeKind
from allotment_hub.services.identities import Identities
from allotment_hub.services.proposals.proposals import Proposals
from allotment_hub.services.proposals.proposing import MAXIMUM_REASON, Submissions, written
from allotment_hub.services.proposals.reviewing import Reviews
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.pull_requests.people import ForgePeople
from allotment_hub.services.pull_requests.shown import Shown
from allotment_profiles.access.people import User
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.texts import harmful_character
from allotment_profiles.records.record import FORGES, Record, Source

MAXIMUM_OF_UNKNOWN = 50
"""How many acts of people whom the hub does not know are recorded of one proposal."""
_ROUNDS = 3
_LATER = ("moved", "checks-many")
"""The codes of refusals that end by themselves."""
_MERGE = "/merge"
_LENGTH = 500
_NAMES = {
    ActKind.APPROVED: "approval",
    ActKind.CHANGES_REQUESTED: "request for changes",
    ActKind.DISMISSED: "dismissal",
    ActKind.CLOSED: "closing",
}
_WHY = {
    "already-approved": "They have approved it already.",
    "conflict": "It conflicts with main, and its proposer has to bring it up to date first.",
    "digest-changed": "Main has moved, and the proposal does something else than the pull request showed then.",
    "identity-refused": "Their identity provider does not confirm who they are: signing in to the hub again helps.",
    "identity-too-old": "Their sign-in to the hub is too old: signing in again helps.",
    "not-a-reviewer": "They are not among those who decide about this change.",
    "own-proposal": "Nobody decides about their own proposal.",
    "problems": "The proposal has problems, which its page lists.",
    "proposal-unknown": "They may not see the proposal on the hub.",
    "merge-on-page": "No approval stands behind it, so it is merged on its page.",
    "removal-unconfirmed": "It removes many files, so it is merged on its page.",
    "sign-in-unknown": "The policy asks for a new sign-in for this, so it is decided on the page.",
}
"""Why something does not count, by the code of the refusal. The words of the others are for everybody as they are."""


class _UncountedError(Exception):
    """An act does not count, for this reason."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """An act with all that decides about it."""

    act: Act
    source: Source
    user: User | None
    pull_request: PullRequest
    shown: Shown
    superseded: bool
    """Whether it is a review that is not in force any more."""
    places: Mapping[str, int]
    """Where each act is among those that were read with it, by its id: what was done first comes first."""

    @property
    def command(self) -> str:
        """What a comment asks the service to do; empty where it asks nothing."""
        return _command(self.act.text) if self.act.kind is ActKind.COMMENTED else ""

    def is_after(self, approval: Record) -> bool:
        """Return whether it was done after an approval, which was given here or on a forge."""
        given = approval.source
        if given and given.is_same(dataclasses.replace(self.source, act=given.act, login="")):
            # What is not among those that were read now was read before.
            return self.places.get(given.act, -1) < self.places[self.act.id]
        return approval.time <= self.act.time

    @property
    def name(self) -> str:
        """What was done, as a noun."""
        return self.command or _NAMES.get(self.act.kind, "comment")

    def uncounted(self, why: str) -> Source:
        """Return the source of the comment that stands for the act, where it does not count."""
        kind = self.act.kind
        did = "merge" if self.command else kind.value if kind is not ActKind.COMMENTED else ""
        return dataclasses.replace(self.source, uncounted=why, did=did if why else "")

    @property
    def text(self) -> str:
        """What they wrote, without what cannot be read, and not longer than here."""
        return _readable(self.act.text, MAXIMUM_REASON)


class Acts:
    """Records what people did on pull requests, each act once."""

    def __init__(
        self,
        proposals: Proposals,
        submissions: Submissions,
        reviews: Reviews,
        identities: Identities,
        kind: ForgeKind,
        host: str,
    ) -> None:
        """`host` is that of the forge, as the accounts of the identity provider have it."""
        self._proposals = proposals
        self._submissions = submissions
        self._reviews = reviews
        self._people = ForgePeople(identities, kind, host)
        self._kind = kind
        self._host = host

    async def take(
        self, stored: StoredProposal, pull_request: PullRequest, acts: Sequence[Act], shown: Shown, me: ForgeAccount
    ) -> StoredProposal:
        """Record those acts that are not recorded yet, oldest first.

        Raise UnavailableError where somebody cannot be asked now, and GitError where nothing can be written: the acts
        from there on wait.
        """
        if (shown.proposal, shown.number) != (stored.id, pull_request.number):
            shown = Shown(stored.id, pull_request.number)
        users, superseded = dict[str, User | None](), _superseded(acts)
        places = {act.id: place for place, act in enumerate(sorted(acts, key=lambda act: act.time))}
        for act in _of_people(acts, me, pull_request):
            account = act.account
            login = _readable(account.login, 100) if account else ""
            source = Source(self._kind, pull_request.number, act.id, login, server=self._host)
            if stored.recorded(source):
                continue
            if not self._proposals.catalog.revision:  # after a start; until then nobody may see or decide anything
                raise unavailable("repository-unavailable", "The profiles are being loaded.")
            if account and account.id not in users:
                users[account.id] = await self._people.user(account)
            user = users[account.id] if account else None
            taken = _Taken(act, source, user, pull_request, shown, act.id in superseded, places)
            stored = await self._recorded(stored, taken)
        return stored

    async def _recorded(self, stored: StoredProposal, taken: _Taken) -> StoredProposal:
        """Record an act, unless somebody else does: then look at what there is now."""
        for _ in range(_ROUNDS):
            if stored.recorded(taken.source):
                return stored
            try:
                return await self._record(stored, taken)
            except ServiceError as error:
                refusal = error.refusal
            if refusal.code != "moved":
                break
            stored = await self._proposals.stored(stored.id)
        raise UnavailableError(refusal)

    async def _record(self, stored: StoredProposal, taken: _Taken) -> StoredProposal:
        """Record an act. Raise ServiceError only where the same act can be another time."""
        act, user = taken.act, taken.user
        approval = _dismissed(stored, taken) if act.kind is ActKind.DISMISSED else None
        if (act.kind is ActKind.DISMISSED and not approval) or (act.kind is ActKind.CLOSED and not stored.open):
            return stored  # it changes nothing
        if user is None:
            return await (self._end(stored, taken, approval) if approval else self._note(stored, taken))
        actor = Actor(user, may_review=True)
        try:
            return await self._decide(stored, taken, actor, approval)
        except _UncountedError as error:
            why = str(error)
        except ServiceError as error:
            if error.refusal.code in _LATER or (error.refusal.code == "proposal-unknown" and await self._is_behind()):
                raise
            if approval and stored.open:
                return await self._end(stored, taken, approval)
            why = _sentence(error.refusal)
        return await self._comment(stored, taken, actor, f"The {taken.name} does not count: {why}"[:_LENGTH])

    async def _end(self, stored: StoredProposal, taken: _Taken, approval: Record) -> StoredProposal:
        """Record that somebody has dismissed an approval who could not do so here.

        The forge lets them, and shows it as dismissed: it must not count here any more either. That allows nobody
        anything.
        """
        if not stored.open:
            return stored
        by = taken.user.name if taken.user else ""
        record = partial(self._proposals.forge.record, by=by, text=taken.text, source=taken.source)
        return await written(record, stored, "dismissed", dismisses=approval.commit)

    async def _is_behind(self) -> bool:
        """Return whether the teams that decide who may see a proposal are not those of main yet."""
        return self._proposals.catalog.revision != await self._proposals.main()

    async def _decide(
        self, stored: StoredProposal, taken: _Taken, actor: Actor, approval: Record | None
    ) -> StoredProposal:
        """Do what somebody wants. Raise ServiceError where it is refused, and _UncountedError."""
        act, source, forge = taken.act, taken.source, FORGES[self._kind]
        match act.kind:
            case ActKind.APPROVED:
                _check_shown(stored, taken, act.head, "approve it again")
                _check_in_force(stored, taken)
                done = self._reviews.approve(actor, stored.id, act.head, taken.shown.digest, source, text=taken.text)
            case ActKind.CHANGES_REQUESTED:
                # On a forge, this keeps a pull request from being merged until its author has done something. Here a
                # proposal that somebody has rejected is made again: nobody has to ask whether the request still holds.
                if stored.open and act.head != stored.head:
                    raise _UncountedError(_of_another(stored, taken, act.head))
                _check_in_force(stored, taken)
                reason = taken.text or f"Changes were requested on {forge}."
                done = self._reviews.reject(actor, stored.id, reason, source)
            case ActKind.CLOSED if actor.user.name == stored.proposer:
                done = self._submissions.withdraw(actor, stored.id, source)
            case ActKind.CLOSED:
                done = self._reviews.reject(actor, stored.id, f"Closed on {forge}.", source)
            case ActKind.DISMISSED if approval:
                done = self._reviews.dismiss(actor, stored.id, approval.commit, taken.text, source)
            case _ if taken.command and act.edited:
                # Whoever may write on the forge can change what others have written there, under their names. Within a
                # second that is not seen, so a comment merges nothing but what was approved by those who have to.
                raise _UncountedError("It was edited: write it again in a new comment.")
            case _ if taken.command:
                done = self._merge(stored, taken, actor)
            case _:
                done = self._comment(stored, taken, actor)
        return await done

    async def _merge(self, stored: StoredProposal, taken: _Taken, actor: Actor) -> StoredProposal:
        _check_shown(stored, taken, taken.act.head or taken.pull_request.head, f"write “{taken.command}” again")
        if taken.pull_request.head != stored.head:
            raise _UncountedError("The pull request is at another commit than the proposal. Somebody has pushed to it.")
        return await self._reviews.merge(actor, stored.id, stored.head, taken.shown.digest, source=taken.source)

    async def _comment(self, stored: StoredProposal, taken: _Taken, actor: Actor, why: str = "") -> StoredProposal:
        """Record a comment, or with a reason what does not count. Beyond what one person may write, it is passed over.

        Who wrote it sees the pull request, whatever they may see here.
        """
        if not taken.text and not why:
            return stored
        try:
            return await self._submissions.comment_on(stored, actor, taken.text, taken.uncounted(why))
        except ServiceError as error:
            if error.refusal.code in _LATER:
                raise
            return stored

    async def _note(self, stored: StoredProposal, taken: _Taken) -> StoredProposal:
        """Record what somebody did whom the hub does not know. A public forge cannot fill the log with it."""
        known = sum(record.kind == "commented" and not record.by for record in stored.records)
        if known >= MAXIMUM_OF_UNKNOWN or stored.ending:
            return stored
        why = "The hub does not know whose account this is"
        if taken.act.account is None:
            why = f"{FORGES[self._kind]} does not say who it was"
        if taken.name != "comment":
            why += f", so the {taken.name} does not count"
        if taken.act.account:
            why += ": sign in to the hub with it" + ("" if taken.name == "comment" else ", then do it again")
        source = taken.uncounted(f"{why}.")
        return await written(self._proposals.forge.record, stored, "commented", by="", text=taken.text, source=source)


def _command(text: str) -> str:
    """Return what a text asks the service to do; empty where it asks nothing."""
    first = " ".join(text.strip().partition("\n")[0].split()).casefold()
    return first if first == _MERGE else ""


def _of_people(acts: Sequence[Act], me: ForgeAccount, pull_request: PullRequest) -> Iterator[Act]:
    """Yield the acts of people that can become records, oldest first.

    A pull request that was closed and opened again is open, and a merge closes it: others look after merges.
    """
    ordered = [act for act in sorted(acts, key=lambda act: act.time) if act.account is None or act.account.id != me.id]
    merged = pull_request.state is PullRequestState.MERGED or any(act.kind is ActKind.MERGED for act in ordered)
    opened = max((place for place, act in enumerate(ordered) if act.kind is ActKind.REOPENED), default=-1)
    for place, act in enumerate(ordered):
        undone = act.kind is ActKind.CLOSED and (merged or place < opened)
        if act.kind not in (ActKind.REOPENED, ActKind.MERGED) and not undone:
            yield act


def _superseded(acts: Sequence[Act]) -> set[str]:
    """Return the ids of the reviews that were dismissed, or followed by another one of the same account, since."""
    ordered = sorted(acts, key=lambda act: act.time)
    reviews = [act for act in ordered if act.account and act.kind in (ActKind.APPROVED, ActKind.CHANGES_REQUESTED)]
    last = {act.account.id: act.id for act in reviews if act.account}
    dismissed = {act.about for act in acts if act.kind is ActKind.DISMISSED}
    return dismissed | ({act.id for act in reviews} - set(last.values()))


def _check_in_force(stored: StoredProposal, taken: _Taken) -> None:
    """Check that a review is still in force, so that nothing is merged by one that is not. Raise _UncountedError."""
    if stored.open and taken.superseded:
        raise _UncountedError("It was dismissed, or followed by another review, before it was read here.")


def _check_shown(stored: StoredProposal, taken: _Taken, head: str, again: str) -> None:
    """Check that somebody decided about what the pull request showed then, and shows now. Raise _UncountedError.

    The digest decides whether that is also what the proposal does now.
    """
    shown = taken.shown
    if not stored.open:
        return  # the refusal says how it ended
    if head != stored.head:
        raise _UncountedError(_of_another(stored, taken, head))
    if taken.pull_request.base != MAIN:
        why = f"The pull request asks to be merged into another branch than {MAIN}."
        raise _UncountedError(f"{why} Set its base to {MAIN} again, then {again}; or decide on the page.")
    if shown.head == stored.head and not shown.whole:
        raise _UncountedError("The pull request does not show everything that changes: decide on the page.")
    if shown.head != stored.head or not shown.digest or taken.act.time <= shown.since:
        why = "It was there before the pull request showed what the proposal does now."
        raise _UncountedError(f"{why} Look at it, then {again}.")


def _of_another(stored: StoredProposal, taken: _Taken, head: str) -> str:
    """Return the sentence about an act on another commit than the head."""
    if not head:
        return "The forge does not say which version it is about. Decide on the page."
    if any(record.head == head for record in stored.records):
        if taken.pull_request.head == head:
            return "The pull request shows an earlier version of the proposal: decide on its page in Allotment."
        return "It was given on an earlier version of the proposal. Look at this one, then decide again."
    return "It was given on a commit that nobody has proposed. Look at what is proposed, then decide again."


def _dismissed(stored: StoredProposal, taken: _Taken) -> Record | None:
    """Return the approval of the head that a dismissal ends; None where it ends none.

    Who takes back what they gave themselves does not approve any more, wherever they did it before.
    """
    given = dataclasses.replace(taken.source, act=taken.act.about, login="")  # whoever gave it
    about = stored.recorded(given) if taken.act.about else None
    user = taken.user.name if taken.user else ""
    own = user if not taken.act.about or (about and about.by == user) else ""
    return next(
        (
            record
            for record in reversed(stored.records)
            if (record.kind, record.head) == ("approved", stored.head)
            and record.commit not in stored.dismissed
            and ((about and record.commit == about.commit) or (own and record.by == own and taken.is_after(record)))
        ),
        None,
    )


def _sentence(refusal: Refusal) -> str:
    words = (refusal.what, refusal.why, refusal.remedy)
    return _WHY.get(refusal.code) or " ".join(word for word in words if word)


def _readable(text: str, length: int) -> str:
    """Return a text of somebody without characters that no text here has, cut to a length."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip()
    if len(text) > length:
        text = text[: length - 1] + "…"
    return "".join("\ufffd" if harmful_character(each, allowed="\n\t") else each for each in text)
