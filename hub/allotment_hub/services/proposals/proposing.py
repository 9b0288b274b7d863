"""Proposing: from changed files and a reason to a branch that others can judge."""

import asyncio
import dataclasses
import re
from dataclasses import dataclass

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.records import RecordKind, StoredProposal
from allotment_hub.services.proposals.checking import ChangeChecker, Check, Files
from allotment_hub.services.proposals.proposals import Proposals, profiles_in
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.visibility import may_see, redacted
from allotment_profiles.access.offers import may_know
from allotment_profiles.git.repository import RefMovedError
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Problem, Refusal
from allotment_profiles.model.texts import harmful_character
from allotment_profiles.review.requirements import addressed

MAXIMUM_FILES = 50
MAXIMUM_REASON = 2000
MAXIMUM_RECORDS = 300


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of it."""

    proposal: StoredProposal
    created: bool
    """False where an open proposal of the same person was brought up to date."""


class Submissions:
    """Opens, updates, withdraws and comments; nothing here approves."""

    def __init__(self, proposals: Proposals, checking: ChangeChecker) -> None:
        self._proposals = proposals
        self._checking = checking
        self._forge = proposals.forge
        self._lock = asyncio.Lock()

    async def check(self, reader: Actor, files: Files) -> Check:
        """Check files against main as it is now, as this reader may see it; nothing is written."""
        _limit(files)
        check = await self._checking.files(await asyncio.to_thread(self._forge.main), files)
        _not_taken(reader, files, check)
        changes = redacted(check.changes, lambda path: may_see(reader.user, path, check.before))
        requirements = addressed(check.required_of(reader.user), check.before, reader.user)
        return dataclasses.replace(check, changes=changes, requirements=requirements)

    async def propose(self, reader: Actor, files: Files, reason: str, *, update: str | None = None) -> Proposed:
        """Propose files; the same person's open proposal for the same profile is updated instead.

        `update` names the proposal to update, for changes that no profile identifies.
        """
        _limit(files)
        reason = told(reason, "reason")
        async with self._lock:
            main = await asyncio.to_thread(self._forge.main)
            check = await self._checking.files(main, files)
            _not_taken(reader, files, check)
            if check.errors:
                raise ServiceError(
                    Refusal(
                        "problems", "This cannot be proposed.", "The files have problems.", "Correct them.", status=422
                    ),
                    check.problems,
                )
            earlier = await self._earlier(reader, files, update)
            title = _title(files, check)
            try:
                if earlier:
                    stored = await asyncio.to_thread(
                        self._forge.update, earlier, main, files, by=reader.user.name, title=title, reason=reason
                    )
                else:
                    stored = await asyncio.to_thread(
                        self._forge.open, _slug(files), main, files, by=reader.user.name, title=title, reason=reason
                    )
            except RefMovedError as error:
                raise moved() from error
        return Proposed(stored, earlier is None)

    async def withdraw(self, reader: Actor, proposal: str) -> StoredProposal:
        """End one's own proposal."""
        stored = await self._proposals.stored(proposal)
        view = await self._proposals.view(stored, reader)
        refusal = view.actions["withdraw"]
        if refusal:
            raise ServiceError(refusal)
        return await self._recorded(stored, "withdrawn", reader, "")

    async def comment(self, reader: Actor, proposal: str, text: str) -> StoredProposal:
        """Add to the conversation."""
        stored = await self._proposals.stored(proposal)
        text = told(text, "comment")
        if len(stored.records) >= MAXIMUM_RECORDS:
            why = f"It has {len(stored.records)} entries."
            remedy = "Go on elsewhere, or propose anew."
            raise refused(409, "conversation-full", "The conversation is full.", why, remedy)
        return await self._recorded(stored, "commented", reader, text)

    async def _recorded(self, stored: StoredProposal, kind: RecordKind, reader: Actor, text: str) -> StoredProposal:
        try:
            return await asyncio.to_thread(self._forge.record, stored, kind, by=reader.user.name, text=text)
        except RefMovedError as error:
            raise moved() from error

    async def _earlier(self, reader: Actor, files: Files, update: str | None) -> StoredProposal | None:
        """Find the open proposal that this one updates; refuse where it is somebody else's."""
        named = None
        if update is not None:
            named = await self._proposals.stored(update)
            view = await self._proposals.view(named, reader)
            refusal = view.actions["update"]
            if refusal:
                raise ServiceError(refusal)
        wanted = set(profiles_in(files))
        for stored in await self._proposals.all():
            if not stored.open or (named and stored.id == named.id):
                continue
            theirs = await self._proposals.files(stored)
            same = wanted & set(profiles_in(theirs)) if wanted else set(theirs) == set(files)
            if not same:
                continue
            if stored.proposer == reader.user.name:
                if named is None:
                    return stored
                continue
            if wanted:
                raise refused(
                    409,
                    "proposal-exists",
                    "Somebody else has an open proposal for this profile.",
                    f"{stored.proposer} proposed {stored.current.title!r}.",
                    "Comment there, or wait until it is decided.",
                    link=f"proposals/{stored.id}",
                )
        return named


def moved() -> ServiceError:
    """Say that somebody else was faster."""
    return refused(
        409,
        "moved",
        "Nothing was changed.",
        "Somebody else was faster: the proposal or main has moved.",
        "Look at it as it is now, then decide again.",
    )


def _limit(files: Files) -> None:
    if not files:
        raise refused(422, "no-files", "There is nothing to check.", "No files were sent.", "Send at least one file.")
    if len(files) > MAXIMUM_FILES:
        why = f"{len(files)} files were sent; {MAXIMUM_FILES} are allowed."
        raise refused(422, "many-files", "This is too much at once.", why, "Split it.")


def _not_taken(reader: Actor, files: Files, check: Check) -> None:
    """Refuse to compare with a draft of others: what it says is for those who work on it."""
    for profile_id in profiles_in(files):
        if profile_id in check.before.profiles and not may_know(check.before, reader.user, profile_id):
            why = f"The name {profile_id} is taken."
            raise refused(409, "name-taken", "This cannot be proposed.", why, "Choose another name.")


def told(text: str, what: str) -> str:
    """Take a reason or a comment as somebody wrote it; raises a refusal that names the field."""
    text = text.replace("\r\n", "\n").strip()
    found = harmful_character(text, allowed="\n\t")
    if not text or len(text) > MAXIMUM_REASON or found:
        why = (
            f"It contains the character {found}."
            if found
            else f"A {what} has between 1 and {MAXIMUM_REASON} characters; this one has {len(text)}."
        )
        problem = Problem(
            "", f"{what}-missing" if not text else what, why, f"Say the {what} in a sentence.", field=what
        )
        raise ServiceError(Refusal(problem.code, f"A {what} is needed.", why, problem.remedy, status=422), [problem])
    return text


def _slug(files: Files) -> str:
    """Name a proposal after its first profile, else its first file; from our own patterns alone."""
    places = [where for where in map(file_ref, sorted(files)) if where]
    first = next((where for where in places if where.kind == "profile"), places[0] if places else None)
    words = f"{first.kind}-{first.id}" if first and first.kind != "profile" else first.id if first else "change"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:90]


def _title(files: Files, check: Check) -> str:
    """Say in one line what the proposal is: the profile's title, or the first changes."""
    for profile_id in profiles_in(files):
        new, old = check.after.profiles.get(profile_id), check.before.profiles.get(profile_id)
        if new is None and old:
            return f"Remove {profile_id}: {old.value.title}"
        if new:
            return f"{'Change' if old else 'Add'} {profile_id}: {new.value.title}"
    subjects = dict.fromkeys(change.subject for change in check.changes)
    return "Change " + ", ".join(subjects)[:80]
