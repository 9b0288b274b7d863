"""Drafts of assistants: what a session's token asks its user to propose, and a person proposes on the page.

A session can ask, and an assistant in it can be told to ask by whatever it reads. So its draft goes nowhere before the
user has been shown all of it, and has confirmed exactly that.
"""

import asyncio
import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import size_of
from allotment_hub.forges.stored_proposal import StoredProposal
from allotment_hub.services.drafts.draft_store import AssistantDraft, DraftStore
from allotment_hub.services.drafts.grants import ask_in
from allotment_hub.services.judging.checking import Check, Files
from allotment_hub.services.proposals.naming import new_id, title_of
from allotment_hub.services.proposals.proposals import Proposals, profiles_in
from allotment_hub.services.proposals.proposing import (
    HAS_PROBLEMS,
    Proposed,
    Submissions,
    check_number,
    checked_text,
)
from allotment_hub.services.proposals.rights import Actor
from allotment_hub.services.visibility import as_new
from allotment_profiles.access.people import User
from allotment_profiles.access.visibility import Sight, visible
from allotment_profiles.catalog.catalog import Catalog
from allotment_profiles.git.process import GitProcess
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.quantities import format_memory

MAXIMUM_DRAFTS = 5
"""How many drafts of one user wait at one time."""
MAXIMUM_BYTES = 256 * 1024
"""How many bytes the files of a draft may have."""


@dataclass(frozen=True)
class ShownDraft:
    """A draft as its user sees it: all that would be proposed, beside what main has."""

    draft: AssistantDraft
    title: str
    """What the proposal would be called; empty where it could not be checked."""
    check: Check | None
    """None where it could not be checked."""
    refusal: Refusal | None
    """Why it cannot be proposed, or None."""
    seen: tuple[str, ...]
    """The paths whose text the user may see. Of the others, the draft changes the team's grant and nothing else."""
    difference: str
    """The unified difference of these files from main."""
    digest: str
    """A hash of what would be proposed, of what main has in its place, and of the proposal that it would replace."""

    @property
    def texts(self) -> dict[str, str]:
        """The whole text of each file that the user may see and that is not removed."""
        files = self.draft.files
        return {path: (files[path] or b"").decode(errors="replace") for path in self.seen if files[path] is not None}

    @property
    def automatic(self) -> bool:
        """Whether it takes effect as soon as it is proposed."""
        return self.check is not None and bool(self.check.automatic) and not self.check.requirements


class AssistantDrafts:
    """Keeps what sessions draft, and proposes it for the person who has looked at it."""

    def __init__(
        self, store: DraftStore, proposals: Proposals, submissions: Submissions, now: Callable[[], dt.datetime]
    ) -> None:
        self._store = store
        self._proposals = proposals
        self._submissions = submissions
        self._now = now

    async def add(self, actor: Actor, files: Files, reason: str) -> AssistantDraft:
        """Keep a draft of a session. Raise a refusal where it could not be proposed, is too large, or one too many."""
        what = "No draft was made."
        if actor.server is None:
            why, remedy = "The token belongs to no session.", "Propose it on the page, or from a terminal of a session."
            raise refused(403, "not-a-session", what, why, remedy)
        reason = checked_text(reason, "reason")
        check_number(files)
        if size_of(files) > MAXIMUM_BYTES:
            why = f"Its files have {size_of(files)} bytes; {format_memory(MAXIMUM_BYTES)} are allowed."
            raise refused(422, "draft-large", what, why, "Draft a part of it.")
        check = await self._submissions.check(actor, files)
        if check.errors:
            raise ServiceError(HAS_PROBLEMS, check.problems)
        await self._seen(actor.user, files, await self._before(await self._proposals.main(), files))
        draft = AssistantDraft(new_id(), actor.user.name, actor.server, self._now(), reason, files)
        if not await asyncio.to_thread(self._store.add, draft, MAXIMUM_DRAFTS):
            why = f"{MAXIMUM_DRAFTS} drafts wait for {actor.user.name} already."
            remedy = "Propose or discard one of them on its page."
            raise refused(409, "drafts-many", what, why, remedy, actor.user.name, link="proposals#drafts")
        return draft

    async def of(self, user: User) -> tuple[AssistantDraft, ...]:
        """Return the drafts that wait for a user, the newest first."""
        return await asyncio.to_thread(self._store.of, user.name, self._now())

    async def own(self, user: User, id_: str) -> AssistantDraft:
        """Return a draft that waits for a user. Raise a refusal for every other one."""
        found = next((each for each in await self.of(user) if each.id == id_), None)
        if found is None:
            why = "It was proposed, discarded, replaced by a newer one of the same files, or has expired."
            remedy = "Look at your proposals: what still waits for you is listed there."
            raise refused(404, "draft-unknown", "You have no such draft.", why, remedy, link="proposals")
        return found

    async def shown(self, actor: Actor, id_: str) -> ShownDraft:
        """Return a draft with what it would do to main as it is now. Raise a refusal where there is none."""
        draft = await self.own(actor.user, id_)
        before = await self._before(await self._proposals.main(), draft.files)
        check, refusal, seen, title = None, None, tuple[str, ...](), ""
        try:
            check = await self._submissions.check(actor, draft.files)
            title = title_of(draft.files, check)
            seen = await self._seen(actor.user, draft.files, before)
        except ServiceError as error:
            refusal = error.refusal
        if check and check.errors:
            refusal = refusal or HAS_PROBLEMS
        known = {path for path in seen if _is_seen(actor.user, path, before[path], self._proposals.catalog)}
        old = {path: data if path in known else None for path, data in before.items()}
        difference = await asyncio.to_thread(_difference, {path: (old[path], draft.files[path]) for path in seen})
        digest = _digest(draft, before, check.replaces if check else None)
        return ShownDraft(draft, title, check, refusal, seen, difference, digest)

    async def propose(self, actor: Actor, id_: str, digest: str, *, decides: bool) -> Proposed:
        """Propose a draft, if it and what it would replace are still what `digest` is of. Raise a refusal."""
        draft, main = await self.own(actor.user, id_), await self._proposals.main()
        before = await self._before(main, draft.files)
        earlier = await self._submissions.replaced(actor, draft.files)
        if _digest(draft, before, earlier) != digest:
            why = "Main, or your own proposal that it would replace, has changed since you looked at it."
            remedy = "Look at it again: the page shows what it would change now."
            raise refused(409, "draft-changed", "Nothing was proposed.", why, remedy, link=f"drafts/{draft.id}")
        await self._seen(actor.user, draft.files, before)
        tip, propose = earlier.tip if earlier else "", self._submissions.propose
        done = await propose(
            actor, draft.files, draft.reason, on=main, replaces=tip, by_assistant=True, decides=decides
        )
        await self.discard(actor.user, id_)
        return done

    async def discard(self, user: User, id_: str) -> None:
        """Remove a draft of a user."""
        await asyncio.to_thread(self._store.remove, user.name, id_)

    def close(self) -> None:
        """Close the file with the drafts."""
        self._store.close()

    async def _before(self, main: str, files: Files) -> dict[str, bytes | None]:
        repository = self._proposals.forge.repository
        return await asyncio.to_thread(lambda: {path: repository.file(main, path) for path in files})

    async def _seen(self, user: User, files: Files, before: Files) -> tuple[str, ...]:
        """Return the paths whose text a user may see. Raise a refusal where they would confirm what they cannot see."""
        catalog, is_new = self._proposals.catalog, self._proposals.is_new
        asking = {profile_id.partition("/")[0] for profile_id in profiles_in(files)}

        def find() -> tuple[list[str], list[str]]:
            seen, unseen = [], []
            for path, data in files.items():
                # Of an existing file, the service keeps comments that its user may not know.
                wrote = before[path] is None and is_new(path)
                if wrote or _is_seen(user, path, before[path] if data is None else data, catalog):
                    seen.append(path)
                elif not any(ask_in(catalog, path, team, (data or b"").decode(errors="replace")) for team in asking):
                    unseen.append(path)
            return seen, unseen

        seen, unseen = await asyncio.to_thread(find)
        if unseen:
            what, why = "This cannot be drafted.", f"You may not see the text of {', '.join(unseen[:5])}."
            raise refused(403, "file-private", what, why, "Propose it yourself, in the form or as a file.")
        return tuple(seen)


def _is_seen(user: User, path: str, data: bytes | None, catalog: Catalog) -> bool:
    return data is None or visible(user, path, catalog, data) == Sight.ALL


def _digest(draft: AssistantDraft, before: Files, earlier: StoredProposal | None) -> str:
    olds = {path: data and hashlib.sha256(data).hexdigest() for path, data in before.items()}
    replaced = [earlier.id, earlier.tip] if earlier else []
    content = json.dumps([draft.id, draft.content(), olds, replaced], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _difference(files: Mapping[str, tuple[bytes | None, bytes | None]]) -> str:
    """Return the unified difference of files. Git compares them outside the repository, where nothing is written."""
    parts = []
    with tempfile.TemporaryDirectory(prefix="allotment-draft-") as folder:
        old, new = Path(folder, "old"), Path(folder, "new")
        for path, (before, after) in files.items():
            if before is None:
                parts.append(as_new(path, after or b""))
                continue
            old.write_bytes(before)
            new.write_bytes(after or b"")
            form = ("--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames")
            done = GitProcess(Path(folder)).run("diff", *form, "--", old.name, new.name, accept=(0, 1))
            _, mark, hunks = done.stdout.decode(errors="replace").partition("\n@@")
            gone = "deleted file mode 100644\n" if after is None else ""
            parts.append(f"diff --git a/{path} b/{path}\n{gone}--- a/{path}\n+++ b/{path}{mark}{hunks or chr(10)}")
    return "".join(parts)
