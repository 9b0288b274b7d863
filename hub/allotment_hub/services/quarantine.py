"""What main says and does not apply yet: who did it, why it waits, and an administrator's word that lets it go on."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.proposals.checking import ChangeChecker
from allotment_hub.services.proposals.proposing import checked_text, moved_error
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for
from allotment_profiles.catalog.catalog import Catalog, QuarantinedChange
from allotment_profiles.git.commits import Commit
from allotment_profiles.git.repository import RefMovedError
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Refusal
from allotment_profiles.review.approvals import can_meet
from allotment_profiles.store.history import CONFIRMS_PUSH, CONFIRMS_REMOVAL
from allotment_profiles.store.provenance import MERGE
from allotment_profiles.store.watcher import CatalogWatcher

_TRAILERS = {"removal": CONFIRMS_REMOVAL, "direct-push": CONFIRMS_PUSH}

RELEASES = {
    "removal": "An administrator confirms the removal, or the files are written again.",
    "direct-push": "An administrator who is not its author confirms it, or a reviewed change of the file replaces it.",
}
"""What would let it go on, in a sentence."""


@dataclass(frozen=True)
class QuarantinedCommit:
    """One commit of main of which something waits."""

    commit: str
    reason: Literal["removal", "direct-push"]
    since: dt.datetime
    authors: tuple[str, ...]
    """Who made it, as git and its trailers say: names, then the part of an address before the @."""
    subject: str
    paths: tuple[str, ...]
    """The files that keep their earlier version, or their absence, until it is confirmed."""

    @property
    def why(self) -> str:
        """Why it waits, in a sentence."""
        number = f"{len(self.paths)} file{'' if len(self.paths) == 1 else 's'}"
        if self.reason == "removal":
            return f"It removes {number} at once, which may be a mistake: they stay until somebody confirms it."
        return f"It changes {number} past the review: the versions from before apply until somebody confirms it."

    @property
    def release(self) -> str:
        """What would let it go on, in a sentence."""
        return RELEASES[self.reason]

    def refusal(self, reader: Actor) -> Refusal | None:
        """Say why a reader may not confirm it, or give None."""
        what = "This is not confirmed."
        if not reader.may_review:
            return Refusal(
                "scope-missing", what, "A session can ask, not decide: this token lacks the right to review.",
                "Open the page in a browser.", ADMINISTRATORS,
            )  # fmt: skip
        if not reader.user.admin:
            why = "Only administrators confirm what is held."
            return Refusal("not-an-administrator", what, why, "Ask one.", ADMINISTRATORS)
        if reader.user.name.casefold() in {name.casefold() for name in self.authors}:
            return Refusal(
                "own-commit", what, "You made this commit yourself, and two people look at every change.",
                "Ask another administrator.", ADMINISTRATORS,
            )  # fmt: skip
        return None


class Quarantine:
    """Shows what is held, and confirms it."""

    def __init__(self, forge: PlainGitForge, checking: ChangeChecker, watcher: CatalogWatcher) -> None:
        self._forge = forge
        self._checking = checking
        self._watcher = watcher
        self._known: dict[str, Commit | None] = {}
        self._lock = asyncio.Lock()

    async def seen_by(self, user: User) -> list[QuarantinedCommit]:
        """List what is held, oldest first, for administrators, and for those who decide for a team that it is about."""
        catalog = self._watcher.catalog
        held = await self._all(catalog)
        return [each for each in held if user.admin or any(_decides(user, path, catalog) for path in each.paths)]

    async def of(self, path: str) -> list[QuarantinedCommit]:
        """Give the commits whose change of one file waits."""
        return [each for each in await self._all(self._watcher.catalog) if path in each.paths]

    async def confirm(self, reader: Actor, commit: str, reason: str) -> None:
        """Let a held commit apply, with an empty signed commit on main that says who confirmed it and why."""
        reason = checked_text(reason, "reason")
        async with self._lock:
            held = next(
                (each for each in await self._all(await self._watcher.refresh()) if each.commit == commit), None
            )
            if held is None:
                raise refused(
                    404, "hold-unknown", "There is nothing to confirm.", "Nothing of this commit is held.",
                    "Look at the list of proposals, which shows what is held.",
                )  # fmt: skip
            refusal = held.refusal(reader) or await self._not_theirs(reader, held)
            if refusal:
                raise ServiceError(refusal)
            main = await asyncio.to_thread(self._forge.main)
            try:
                await asyncio.to_thread(
                    self._forge.add_empty, main, _message(held, reader, reason), by=reader.user.name
                )
            except RefMovedError as error:
                raise moved_error() from error
        await self._watcher.refresh()

    async def _all(self, catalog: Catalog) -> list[QuarantinedCommit]:
        by_commit: dict[str, list[QuarantinedChange]] = {}
        for hold in sorted(catalog.quarantined, key=lambda hold: hold.since):
            by_commit.setdefault(hold.commit, []).append(hold)
        unknown = [commit for commit in by_commit if commit not in self._known]
        if unknown:
            found = await asyncio.to_thread(self._forge.repository.commits, unknown)
            self._known = {each: self._known.get(each) for each in by_commit} | {each.id: each for each in found}
        return [_held(holds, self._known.get(commit)) for commit, holds in by_commit.items()]

    async def _not_theirs(self, reader: Actor, held: QuarantinedCommit) -> Refusal | None:
        """Refuse what an administrator alone cannot decide: data has an owner, however a change came to main."""
        if held.reason == "removal":
            return None
        repository = self._forge.repository
        files = {path: await asyncio.to_thread(repository.file, held.commit, path) for path in held.paths}
        check = await self._checking.files(await asyncio.to_thread(self._forge.main), files)
        nobody = User("", frozenset())
        for requirement in check.requirements:
            if requirement.kind == "owner" and not can_meet(requirement, reader.user, check.before, nobody):
                return Refusal(
                    "owner-needed", "This is not confirmed.", f"It needs {requirement.text}",
                    "Undo the commit in the repository and propose the change, so that they can approve it.",
                    requirement.who,
                )  # fmt: skip
        return None


def _held(holds: list[QuarantinedChange], commit: Commit | None) -> QuarantinedCommit:
    first = holds[0]
    authors: Iterable[str] = ()
    if commit:
        proposed = commit.trailers().get("Proposed-by", []) if commit.signed_by else []
        authors = (commit.author.name, *proposed, commit.author.email.partition("@")[0])
    return QuarantinedCommit(
        commit=first.commit,
        reason=first.reason,
        since=first.since,
        authors=tuple(dict.fromkeys(filter(None, authors))),
        subject=commit.subject if commit else "",
        paths=tuple(sorted(hold.path for hold in holds)),
    )


def _decides(user: User, path: str, catalog: Catalog) -> bool:
    where = file_ref(path)
    if where is None or where.kind == "policy":
        return False
    role = catalog.data_roles.get(where.id) if where.kind == "data role" else None
    team = catalog.teams.get(role.value.owner if role else where.id.partition("/")[0])
    return team is not None and answers_for(user, team.value)


def _message(held: QuarantinedCommit, reader: Actor, reason: str) -> str:
    what = "removal" if held.reason == "removal" else "commit"
    trailers = [
        f"{_TRAILERS[held.reason]}: {held.commit}",
        f"Approved-by: {' '.join(reader.user.name.split())}",
        f"Merged-by: {' '.join(reader.user.name.split())}",
        f"Reason: {' '.join(reason.split())}",
    ]
    subject = f"{MERGE}the {what} {held.commit[:10]}, which was held ({len(held.paths)} files)"
    return f"{subject}\n\n{reason}\n\n" + "\n".join(trailers) + "\n"
