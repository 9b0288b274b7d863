"""Quarantined changes of main: who made them, why they do not apply, and how an administrator confirms them."""

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from allotment_hub.errors import ServiceError, refused
from allotment_hub.forges.plain_git import PlainGitForge
from allotment_hub.services.proposals.checking import ChangeChecker
from allotment_hub.services.proposals.proposing import checked_text, written
from allotment_hub.services.proposals.rights import Actor
from allotment_profiles.access.people import ADMINISTRATORS, User, answers_for
from allotment_profiles.catalog.catalog import Catalog, QuarantinedChange
from allotment_profiles.git.commits import Commit
from allotment_profiles.model.paths import file_ref
from allotment_profiles.model.problems import Refusal
from allotment_profiles.review.approvals import can_meet
from allotment_profiles.store.history import CONFIRMS_PUSH, CONFIRMS_REMOVAL
from allotment_profiles.store.provenance import MERGE
from allotment_profiles.store.watcher import CatalogWatcher

_TRAILERS = {"removal": CONFIRMS_REMOVAL, "direct-push": CONFIRMS_PUSH}

RELEASES = {
    "removal": "An administrator can confirm the removal, or somebody writes the files again.",
    "direct-push": "An administrator other than its author can confirm it, or a reviewed change replaces it.",
}


@dataclass(frozen=True)
class QuarantinedCommit:
    """A commit of main with quarantined changes."""

    commit: str
    reason: Literal["removal", "direct-push"]
    since: dt.datetime
    authors: tuple[str, ...]
    """The names in the commit and its trailers, and the part of the author's address before the @."""
    subject: str
    paths: tuple[str, ...]
    """The files whose changes do not apply until it is confirmed."""

    @property
    def why(self) -> str:
        """Why it does not apply, in a sentence."""
        number = f"{len(self.paths)} file{'' if len(self.paths) == 1 else 's'}"
        if self.reason == "removal":
            return f"It removes {number} at once, which may be a mistake. They stay until somebody confirms it."
        return f"It changes {number} without a review. The earlier versions apply until somebody confirms it."

    @property
    def release(self) -> str:
        """How it comes to apply, in a sentence."""
        return RELEASES[self.reason]

    def refusal(self, reader: Actor) -> Refusal | None:
        """Return why a reader may not confirm it, or None."""
        what = "This is not confirmed."
        if not reader.may_review:
            return Refusal(
                "scope-missing", what, "A session can ask, but not decide: this token lacks the right to review.",
                "Open the page in a browser.", ADMINISTRATORS,
            )  # fmt: skip
        if not reader.user.admin:
            why = "Only administrators confirm quarantined changes."
            return Refusal("not-an-administrator", what, why, "Ask one.", ADMINISTRATORS)
        if reader.user.name.casefold() in {name.casefold() for name in self.authors}:
            return Refusal(
                "own-commit", what, "You made this commit yourself, and two people look at every change.",
                "Ask another administrator.", ADMINISTRATORS,
            )  # fmt: skip
        return None


class Quarantine:
    """Lists the quarantined changes of main, and confirms them."""

    def __init__(self, forge: PlainGitForge, checking: ChangeChecker, watcher: CatalogWatcher) -> None:
        self._forge = forge
        self._checking = checking
        self._watcher = watcher
        self._known: dict[str, Commit | None] = {}
        self._lock = asyncio.Lock()

    async def seen_by(self, user: User) -> list[QuarantinedCommit]:
        """List what a user may see, oldest first: administrators all, others what is about a team they decide for."""
        catalog = self._watcher.catalog
        return [
            commit
            for commit in await self._all(catalog)
            if user.admin or any(_decides(user, path, catalog) for path in commit.paths)
        ]

    async def confirm(self, actor: Actor, commit: str, reason: str) -> None:
        """Let a quarantined commit apply, with an empty signed commit on main that names who confirmed it and why."""
        reason = checked_text(reason, "reason")
        async with self._lock:
            commits = {each.commit: each for each in await self._all(await self._watcher.refresh())}
            quarantined = commits.get(commit)
            if quarantined is None:
                raise refused(
                    404, "hold-unknown", "There is nothing to confirm.", "No change of this commit is quarantined.",
                    "Look at the list of proposals, which shows what is quarantined.",
                )  # fmt: skip
            refusal = quarantined.refusal(actor) or await self._owner_needed(actor, quarantined)
            if refusal:
                raise ServiceError(refusal)
            message, by = _message(quarantined, actor, reason), actor.user.name
            main = await asyncio.to_thread(self._forge.main)
            await written(self._forge.add_empty, main, message, by=by)
        await self._watcher.refresh()

    async def _all(self, catalog: Catalog) -> list[QuarantinedCommit]:
        by_commit: dict[str, list[QuarantinedChange]] = {}
        for change in sorted(catalog.quarantined, key=lambda change: change.since):
            by_commit.setdefault(change.commit, []).append(change)
        unknown = [commit for commit in by_commit if commit not in self._known]
        if unknown:
            read = await asyncio.to_thread(self._forge.repository.commits, unknown)
            self._known = {id_: self._known.get(id_) for id_ in by_commit} | {commit.id: commit for commit in read}
        return [_quarantined(changes, self._known.get(commit)) for commit, changes in by_commit.items()]

    async def _owner_needed(self, actor: Actor, quarantined: QuarantinedCommit) -> Refusal | None:
        """Return the refusal for a change of data that the actor does not own: only the owner lets it apply."""
        if quarantined.reason == "removal":
            return None
        repository = self._forge.repository
        files = {path: await asyncio.to_thread(repository.file, quarantined.commit, path) for path in quarantined.paths}
        check = await self._checking.files(await asyncio.to_thread(self._forge.main), files)
        nobody = User("", frozenset())
        for requirement in check.requirements:
            if requirement.kind == "owner" and not can_meet(requirement, actor.user, check.before, nobody):
                return Refusal(
                    "owner-needed", "This is not confirmed.", f"It needs {requirement.text}",
                    "Undo the commit in the repository and propose the change, so that they can approve it.",
                    requirement.who,
                )  # fmt: skip
        return None


def _quarantined(changes: list[QuarantinedChange], commit: Commit | None) -> QuarantinedCommit:
    first = changes[0]
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
        paths=tuple(sorted(change.path for change in changes)),
    )


def _decides(user: User, path: str, catalog: Catalog) -> bool:
    ref = file_ref(path)
    if ref is None or ref.kind == "policy":
        return False
    role = catalog.data_roles.get(ref.id) if ref.kind == "data role" else None
    team = catalog.teams.get(role.value.owner if role else ref.id.partition("/")[0])
    return team is not None and answers_for(user, team.value)


def _message(quarantined: QuarantinedCommit, actor: Actor, reason: str) -> str:
    what = "removal" if quarantined.reason == "removal" else "commit"
    trailers = [
        f"{_TRAILERS[quarantined.reason]}: {quarantined.commit}",
        f"Approved-by: {' '.join(actor.user.name.split())}",
        f"Merged-by: {' '.join(actor.user.name.split())}",
        f"Reason: {' '.join(reason.split())}",
    ]
    subject = f"{MERGE}the {what} {quarantined.commit[:10]}, which was quarantined ({len(quarantined.paths)} files)"
    return f"{subject}\n\n{reason}\n\n" + "\n".join(trailers) + "\n"
